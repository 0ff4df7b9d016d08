//! config.json in the dialects of transformers 4 and 5.

use raxla_graphs::config::{GenerationConfig, HfConfig, Rope, RopeScaling};
use serde_json::{Value, json};

fn config(mut value: Value) -> HfConfig {
    value["model_type"] = "llama".into();
    HfConfig::parse(&value.to_string(), "config.json").unwrap()
}

#[track_caller]
fn message<T: std::fmt::Debug>(result: Result<T, raxla_graphs::LoadError>) -> String {
    result.expect_err("it must be refused").to_string()
}

#[test]
fn getters_name_the_key_and_what_is_wrong() {
    let c =
        config(json!({ "n": 3, "zero": 0, "huge": 1u64 << 40, "none": null, "text": "x", "part": 1.5, "yes": true }));
    assert_eq!((c.uint("n").unwrap(), c.uint_or("absent", 7).unwrap(), c.uint_opt("none").unwrap()), (3, 7, None));
    assert_eq!(
        (c.float("n").unwrap(), c.float_or("part", 0.0).unwrap(), c.float_or("none", 2.0).unwrap()),
        (3.0, 1.5, 2.0)
    );
    assert_eq!((c.bool_or("yes", false).unwrap(), c.bool_or("absent", true).unwrap()), (true, true));
    assert_eq!((c.str("text").unwrap(), c.str_or("absent", "y").unwrap()), ("x", "y"));
    assert_eq!(message(c.uint("absent")), "config.json: `absent` is missing");
    assert_eq!(message(c.uint("none")), "config.json: `none` is missing");
    assert_eq!(message(c.uint("zero")), "config.json: `zero` is 0, not a positive integer");
    assert_eq!(message(c.uint("huge")), "config.json: `huge` is 1099511627776, not a positive integer");
    assert_eq!(message(c.uint_or("text", 1)), "config.json: `text` is \"x\", not a positive integer");
    assert_eq!(message(c.float("yes")), "config.json: `yes` is true, not a number");
    assert_eq!(message(c.bool_or("n", true)), "config.json: `n` is 3, not true or false");
    assert_eq!(message(c.str("n")), "config.json: `n` is 3, not a string");
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let parse = |text: &str| message(HfConfig::parse(text, "config.json"));
    assert!(parse("{").starts_with("config.json: it is not valid JSON"));
    assert_eq!(parse("[]"), "config.json: it is not a JSON object");
    assert_eq!(parse("{}"), "config.json: `model_type` is missing");
    let dir = tempfile::tempdir().unwrap();
    assert!(message(HfConfig::load(dir.path())).contains("config.json cannot be read"));
}

#[test]
fn both_spellings_of_the_dtype_are_read() {
    for (value, expected) in [
        (json!({ "torch_dtype": "bfloat16" }), Some("bfloat16")),
        (json!({ "dtype": "float16" }), Some("float16")),
        (json!({ "torch_dtype": "torch.float32" }), Some("float32")),
        (json!({}), None),
    ] {
        assert_eq!(config(value).stored_dtype().unwrap(), expected);
    }
}

#[test]
fn both_spellings_of_the_rotary_embedding_are_read() {
    let llama3 = RopeScaling::Llama3 {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    };
    let expected = Rope { theta: 500000.0, partial_rotary_factor: 1.0, scaling: llama3 };
    let parameters = json!({
        "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    });
    let four = config(json!({ "rope_theta": 500000.0, "rope_scaling": parameters }));
    assert_eq!(four.rope().unwrap(), expected);
    let mut five = json!({ "rope_parameters": parameters });
    five["rope_parameters"]["rope_theta"] = 500000.into();
    assert_eq!(config(five).rope().unwrap(), expected);
    let default = Rope { theta: 10000.0, partial_rotary_factor: 1.0, scaling: RopeScaling::Default };
    assert_eq!(config(json!({})).rope().unwrap(), default);
    assert_eq!(config(json!({ "rope_scaling": null, "rope_theta": 10000 })).rope().unwrap(), default);
}

#[test]
fn every_kind_of_scaling_is_read_with_its_parameters() {
    let scaling = |value: Value| {
        config(json!({ "rope_scaling": value, "max_position_embeddings": 4096 })).rope().map(|r| r.scaling)
    };
    assert_eq!(scaling(json!({ "type": "linear", "factor": 2 })).unwrap(), RopeScaling::Linear { factor: 2.0 });
    assert_eq!(
        scaling(json!({ "rope_type": "dynamic", "factor": 4.0 })).unwrap(),
        RopeScaling::Dynamic { factor: 4.0, original_max_position_embeddings: 4096 }
    );
    assert_eq!(
        scaling(json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768 })).unwrap(),
        RopeScaling::Yarn {
            factor: 4.0,
            original_max_position_embeddings: 32768,
            attention_factor: None,
            beta_fast: 32.0,
            beta_slow: 1.0,
            mscale: None,
            mscale_all_dim: None,
            truncate: true,
        }
    );
    let full = json!({
        "rope_type": "yarn", "factor": 40, "beta_fast": 16, "beta_slow": 2, "mscale": 0.7, "mscale_all_dim": 1.5,
        "attention_factor": 1.1, "truncate": false,
    });
    assert_eq!(
        scaling(full).unwrap(),
        RopeScaling::Yarn {
            factor: 40.0,
            original_max_position_embeddings: 4096,
            attention_factor: Some(1.1),
            beta_fast: 16.0,
            beta_slow: 2.0,
            mscale: Some(0.7),
            mscale_all_dim: Some(1.5),
            truncate: false,
        }
    );
    let phi3 = json!({
        "rope_scaling": { "type": "su", "short_factor": [1.0, 1.5], "long_factor": [2, 4] },
        "original_max_position_embeddings": 2048, "max_position_embeddings": 8192,
    });
    assert_eq!(
        config(phi3).rope().unwrap().scaling,
        RopeScaling::LongRope {
            short_factor: vec![1.0, 1.5],
            long_factor: vec![2.0, 4.0],
            factor: None,
            original_max_position_embeddings: 2048,
            attention_factor: None,
        }
    );
}

#[test]
fn scaling_that_makes_no_sense_is_refused_with_the_parameter_named() {
    let refused = |value: Value| message(config(json!({ "rope_scaling": value })).rope());
    assert!(refused(json!({ "rope_type": "spiral" })).contains("rope_type \"spiral\"; raxla knows default, linear"));
    assert_eq!(refused(json!({ "rope_type": "linear" })), "config.json: `factor` of `rope_scaling` is missing");
    assert!(
        refused(json!({ "rope_type": "linear", "factor": 0 }))
            .contains("`factor` of `rope_scaling` is 0, not a positive number")
    );
    assert!(refused(json!({ "rope_type": "linear", "factor": "2" })).contains("not a positive number"));
    assert!(refused(json!({ "rope_type": 3 })).contains("`rope_type` of `rope_scaling` is 3, not a string"));
    assert!(refused(json!("linear")).contains("not an object"));
    assert!(refused(json!({ "rope_type": "dynamic", "factor": 2 })).contains("`max_position_embeddings` is missing"));
    assert!(refused(json!({ "rope_type": "longrope", "factor": 2 })).contains("`short_factor` of `rope_scaling`"));
    assert!(message(config(json!({ "rope_theta": 0 })).rope()).contains("`rope_theta` is 0, not a positive number"));
    assert!(message(config(json!({ "partial_rotary_factor": 1.5 })).rope()).contains("not within 0 and 1"));
}

#[test]
fn layer_types_may_have_their_own_rotary_embedding() {
    let c = config(json!({ "rope_parameters": {
        "full_attention": { "rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0 },
        "sliding_attention": { "rope_type": "default", "rope_theta": 10000.0 },
    } }));
    assert_eq!(c.rope_of("full_attention").unwrap().scaling, RopeScaling::Linear { factor: 8.0 });
    assert_eq!(c.rope_of("sliding_attention").unwrap().theta, 10000.0);
    assert!(message(c.rope()).contains("differs by layer type"));
}

#[test]
fn sections_are_configurations_of_their_own() {
    let c = config(json!({ "text_config": { "hidden_size": 8, "model_type": "gemma3_text" } }));
    let text = c.section("text_config").unwrap().unwrap();
    assert_eq!((text.model_type.as_str(), text.uint("hidden_size").unwrap()), ("gemma3_text", 8));
    assert_eq!(message(text.uint("layers")), "config.json, `text_config`: `layers` is missing");
    assert_eq!(c.section("vision_config").unwrap(), None);
}

#[test]
fn generation_ids_are_one_or_several_and_fall_back_to_the_model() {
    let model = config(json!({ "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": -1 }));
    let own = json!({ "eos_token_id": [5, 6], "temperature": 0.6 });
    let generation = GenerationConfig::new(own.as_object().unwrap().clone(), &model);
    assert_eq!((generation.bos, generation.eos, generation.pad), (Some(1), vec![5, 6], None));
    assert_eq!(generation.raw["temperature"], 0.6);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(GenerationConfig::load(dir.path(), &model).unwrap().eos, [2]);
    std::fs::write(dir.path().join("generation_config.json"), "[").unwrap();
    assert!(message(GenerationConfig::load(dir.path(), &model)).contains("generation_config.json"));
}

#[test]
fn a_damaged_number_of_layers_is_refused() {
    for (model_type, key) in [("llama", "num_hidden_layers"), ("gemma2", "num_hidden_layers"), ("gpt2", "n_layer")] {
        let text = format!(
            r#"{{"model_type": "{model_type}", "vocab_size": 9, "hidden_size": 8, "n_embd": 8, "n_head": 2, "n_positions": 8,
            "intermediate_size": 8, "num_attention_heads": 2, "{key}": 4000000000}}"#
        );
        let config = HfConfig::parse(&text, "config.json").unwrap();
        let error = raxla_graphs::models::Decoder::of(&config, true).err().unwrap().to_string();
        assert_eq!(error, format!("config.json: `{key}` is 4000000000: no model has more than 1024 layers"));
    }
}
