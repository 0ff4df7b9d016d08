//! Fields of configurations beside transformers' classes: config_fields.json, which scripts/make_config_fixtures.py makes.

use super::*;
use crate::models::{Decoder, by_name};
use raxla::Param;
use serde_json::{Map, json};
use std::path::Path;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

type Fields = Map<String, Value>;
type Built = Result<(Decoder<Param>, Vec<String>), String>;

/// What raxla makes of these fields.
fn built(model_type: &str, fields: &Fields) -> Built {
    let mut fields = fields.clone();
    fields.insert("model_type".into(), model_type.into());
    let read = || {
        let config = HfConfig::from_map(fields, "config.json")?;
        by_name(&config)?.read(&config)
    };
    read().map_err(|e: LoadError| e.to_string())
}

fn with(fields: &Fields, key: &str, value: &Value) -> Fields {
    let mut all = fields.clone();
    all.insert(key.to_string(), value.clone());
    all
}

/// Calls `check` with each family's name and row, collects what it finds wrong, and fails with all of it.
fn each_family(check: impl Fn(&str, &Fields, &Fields, &mut Vec<String>)) {
    let text = std::fs::read(Path::new(FIXTURES).join("config_fields.json")).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let (mut wrong, families) = (vec![], all["families"].as_object().unwrap());
    assert_eq!(families.len(), crate::models::ARCHITECTURES.len());
    for (model_type, row) in families {
        check(model_type, row["base"].as_object().unwrap(), row.as_object().unwrap(), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fields of the family's class: name, row, and the fields that the row starts from.
fn each_field(check: impl Fn(&str, &str, &Value, &Fields) -> Result<(), String>) {
    each_family(|model_type, base, family, wrong| {
        for (name, row) in family["fields"].as_object().unwrap() {
            let mut start = base.clone();
            let needs = row["other"].as_object().unwrap().iter().filter(|(key, _)| *key != name);
            start.extend(needs.map(|(key, value)| (key.clone(), value.clone())));
            if let Err(why) = check(model_type, name, row, &start) {
                wrong.push(format!("{model_type}: {name}: {why}"));
            }
        }
    });
}

fn names(error: &str, field: &str) -> Result<(), String> {
    match error.contains(&format!("`{field}`")) {
        true => Ok(()),
        false => Err(format!("the error does not name it: {error}")),
    }
}

#[test]
fn an_absent_field_is_what_transformers_takes() {
    each_field(|model_type, name, row, start| {
        let mut bare = start.clone();
        bare.remove(name);
        let absent = &row["absent"];
        if absent == "refused" {
            return Ok(());
        }
        match (built(model_type, &bare), built(model_type, &with(&bare, name, absent))) {
            (Ok((absent, _)), Ok((given, _))) if absent == given => Ok(()),
            (Ok(_), Ok(_)) => Err(format!("where it is absent, raxla does not take {absent}")),
            (Ok(_), Err(e)) => Err(format!("where it is {absent}, raxla refuses it: {e}")),
            // raxla asks for sizes
            (Err(e), _) => names(&e, name).or_else(|why| if e.contains("does not divide") { Ok(()) } else { Err(why) }),
        }
    });
}

#[test]
fn null_is_what_transformers_takes_or_refused() {
    each_field(|model_type, name, row, start| {
        let null = built(model_type, &with(start, name, &Value::Null));
        let (value, effect) = (&row["null"]["value"], row["null"]["effect"].as_str().unwrap());
        match null {
            Err(e) if value == "refused" || effect == "refused" => names(&e, name),
            Err(e) => Err(format!("transformers takes null for {value}, raxla says: {e}")),
            // of a field that nothing reads, null is as good as any
            Ok(_) if value == "refused" || effect == "refused" => {
                match row["effect"] == "none" || NULL_IS_CLEAR.contains(&name) {
                    true => Ok(()),
                    false => Err("transformers refuses null, raxla does not".to_string()),
                }
            }
            Ok((null, _)) if !value.is_null() => match built(model_type, &with(start, name, value)) {
                Ok((given, _)) if given == null => Ok(()),
                _ => Err(format!("null is not {value}")),
            },
            Ok((null, _)) if effect != "none" => match built(model_type, start) {
                Ok((given, _)) if given != null => Ok(()),
                _ => Err("null changes nothing".to_string()),
            },
            Ok(_) => Ok(()),
        }
    });
}

/// Where transformers 5 refuses null, and what it means follows from the rest, as in transformers 4; shapes are compared in any case.
const NULL_IS_CLEAR: [&str; 4] = ["num_key_value_heads", "head_dim", "sliding_window", "n_shared_experts"];

/// Fields that are read, but of which the logits know nothing.
const ONLY_OURS: [&str; 4] =
    ["initializer_range", "max_position_embeddings", "tie_word_embeddings", "intermediate_size"];
/// What raxla refuses although transformers does not look at it: the authors of the model, or of others, do.
const STRICTER: [&str; 7] = [
    "rope_parameters",
    "use_bidirectional_attention",
    "partial_rotary_factor",
    "norm_topk_prob",
    "scoring_func",
    "topk_method",
    "moe_layer_freq",
];

#[test]
fn a_field_that_changes_the_model_is_read_or_refused() {
    each_field(|model_type, name, row, start| {
        let other = built(model_type, &with(start, name, &row["other"][name]));
        let before = built(model_type, start)?.0;
        let effect = row["effect"].as_str().unwrap();
        match other {
            _ if effect == "refused" => Ok(()),
            Err(e) if effect == "none" && !STRICTER.contains(&name) => {
                Err(format!("transformers does not look at it, raxla says: {e}"))
            }
            Err(e) => names(&e, name),
            Ok((other, _)) if effect == "none" => match other == before || ONLY_OURS.contains(&name) {
                true => Ok(()),
                false => Err("transformers does not look at it, raxla does".to_string()),
            },
            Ok((other, _)) => match other != before {
                true => Ok(()),
                false => Err(format!("{} changes the {effect} of transformers", row["other"][name])),
            },
        }
    });
}

#[test]
fn a_field_that_the_class_lacks_is_read_refused_or_warned_of() {
    each_family(|model_type, base, family, wrong| {
        let before = built(model_type, base).unwrap().0;
        for (name, row) in family["beside"].as_object().unwrap() {
            let (value, effect) = (&row[0], row[1].as_str().unwrap());
            let outcome = match built(model_type, &with(base, name, value)) {
                _ if effect == "refused" => Ok(()),
                // another name for the same value
                Ok((other, _)) if other == before && second_name(model_type, name) => Ok(()),
                Err(e) if effect != "none" || STRICTER.contains(&name.as_str()) || e.contains("two names") => {
                    names(&e, name)
                }
                Err(e) => Err(format!("transformers does not look at it, raxla says: {e}")),
                Ok((other, _)) if effect != "none" => match other != before {
                    true => Ok(()),
                    false => Err(format!("{value} changes the {effect} of transformers")),
                },
                Ok((other, _)) if other != before => Err("transformers does not look at it, raxla does".to_string()),
                Ok((_, unknown)) => {
                    let told = unknown.iter().any(|u| u.starts_with(&format!("`{name}` (")));
                    let silent = is_off(value) || WITHOUT_EFFECT.contains(&name.as_str());
                    let known = KNOWN.iter().any(|k| k.key == name && k.allows(value));
                    match told || silent || known {
                        true => Ok(()),
                        false => Err(format!("{value} is neither read nor warned of")),
                    }
                }
            };
            if let Err(why) = outcome {
                wrong.push(format!("{model_type}: {name}: {why}"));
            }
        }
    });
}

fn second_name(model_type: &str, name: &str) -> bool {
    let family = crate::models::ARCHITECTURES.iter().find(|f| f.model_type == model_type);
    family.is_some_and(|f| f.other_names.iter().any(|(_, other)| *other == name))
}

#[test]
fn files_as_they_come_are_not_warned_of() {
    let mut count = 0;
    for entry in std::fs::read_dir(FIXTURES).unwrap().flatten().filter(|e| e.path().join("config.json").is_file()) {
        let config = HfConfig::load(&entry.path()).unwrap();
        let (_, unknown) = by_name(&config).unwrap().read(&config).unwrap();
        assert_eq!(unknown, [""; 0], "{}", entry.path().display());
        count += 1;
    }
    assert!(count > 60);
    for preset in crate::source::presets() {
        assert_eq!(by_name(&preset.config).unwrap().read(&preset.config).unwrap().1, [""; 0], "{}", preset.name);
    }
}

#[test]
fn errors_and_warnings_name_the_field_and_its_value() {
    let base = json!({ "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4 });
    let base = base.as_object().unwrap();
    let error = built("llama", &with(base, "is_causal", &false.into())).unwrap_err();
    assert_eq!(
        error,
        "config.json: `is_causal` is false: it asks for attention to later positions, which raxla does not have for llama\n  help: take \
         another checkpoint, or change the field if the weights do not need it"
    );
    let long: Vec<usize> = (0..99).collect();
    let fields = with(&with(base, "rope_interleaved", &true.into()), "of_mine", &long.into());
    let (_, unknown) = built("llama", &fields).unwrap();
    assert_eq!(unknown, ["`rope_interleaved` (true)", "`of_mine` ([0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,1..)"]);
    let both = with(&with(base, "num_experts", &4.into()), "num_local_experts", &8.into());
    let error = built("mixtral", &both).unwrap_err();
    assert!(
        error.contains("`num_local_experts` is 8, but `num_experts` is 4: they are two names of one field"),
        "{error}"
    );
}

#[test]
fn beside_a_language_model_only_what_may_be_about_text_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let text: Value =
        serde_json::from_slice(&std::fs::read(Path::new(FIXTURES).join("gemma3_linear/config.json")).unwrap()).unwrap();
    let of = |outside: Value| {
        let mut all = json!({ "model_type": "gemma3", "text_config": text, "vision_config": { "hidden_size": 4 } });
        all.as_object_mut().unwrap().extend(outside.as_object().unwrap().clone());
        std::fs::write(dir.path().join("config.json"), all.to_string()).unwrap();
        let config = HfConfig::load(dir.path()).unwrap();
        by_name(&config).unwrap().read(&config).unwrap().1
    };
    let seen = json!({
        "image_token_index": 262144, "mm_tokens_per_image": 256, "boi_token_index": 255999, "projector_hidden_act": "gelu",
        "initializer_range": 0.02, "eos_token_id": [1, 106], "torch_dtype": "bfloat16",
    });
    assert_eq!(of(seen), Vec::<String>::new());
    assert_eq!(of(json!({ "logit_scale": 0.5, "alibi": false })), ["`logit_scale` (0.5)"]);
}
