//! config.json in the dialects of transformers 4 and 5.

use raxla_graphs::config::{GenerationConfig, HfConfig, Rope, RopeScaling};
use raxla_graphs::models::Decoder;
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
        (c.float("n").unwrap(), c.float_or("part", 0.0).unwrap(), c.float_or("absent", 2.0).unwrap()),
        (3.0, 1.5, 2.0)
    );
    assert!(
        message(c.float_or("none", 2.0))
            .starts_with("config.json: `none` is null\n  help: give a value, or leave it out")
    );
    assert_eq!((c.bool_or_null("none", true).unwrap(), c.bool_or_null("absent", true).unwrap()), (false, true));
    assert_eq!((c.bool_or("yes", false).unwrap(), c.bool_or("absent", true).unwrap()), (true, true));
    assert_eq!((c.str("text").unwrap(), c.str_or("absent", "y").unwrap()), ("x", "y"));
    assert_eq!(message(c.uint("absent")), "config.json: `absent` is missing");
    assert_eq!(message(c.uint("none")), "config.json: `none` is null, but needed");
    assert_eq!(message(c.uint("zero")), "config.json: `zero` is 0, not a positive integer below 2^32");
    assert_eq!(message(c.uint("huge")), "config.json: `huge` is 1099511627776, not a positive integer below 2^32");
    assert_eq!(message(c.uint_or("text", 1)), "config.json: `text` is \"x\", not a positive integer below 2^32");
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
fn what_phi_3_calls_yarn_is_longrope() {
    let rope = json!({ "type": "yarn", "short_factor": [1.0], "long_factor": [2.0] });
    let all = json!({ "model_type": "phi3", "rope_scaling": rope, "original_max_position_embeddings": 16 });
    let rope = HfConfig::parse(&all.to_string(), "config.json").unwrap().rope().unwrap();
    assert!(matches!(rope.scaling, RopeScaling::LongRope { original_max_position_embeddings: 16, .. }));
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

/// What would make every number NaN, or nothing else.
#[test]
fn numbers_that_nothing_can_be_divided_by_are_refused_by_name() {
    let rope = |value: Value| message(config(json!({ "max_position_embeddings": 64, "rope_scaling": value })).rope());
    let yarn = |key: &str, value: Value| {
        let mut all = json!({ "rope_type": "yarn", "factor": 4.0 });
        all[key] = value;
        rope(all)
    };
    for (key, value) in [
        ("factor", -4.0),
        ("factor", 1e-39),
        ("factor", 1e300),
        ("attention_factor", 0.0),
        ("attention_factor", -1.0),
        ("beta_fast", -32.0),
    ] {
        let text = yarn(key, value.into());
        assert!(
            text.contains(&format!("`{key}` of `rope_scaling`")) && text.contains("not a positive number"),
            "{text}"
        );
    }
    assert!(yarn("rope_theta", 1.0.into()).contains("`rope_theta` is 1: yarn needs wavelengths that differ"));
    assert!(yarn("rope_theta", Value::Null).contains("`rope_theta` of `rope_scaling` is null, not a number"));
    let llama3 = json!({ "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4 });
    assert!(rope(llama3).contains("`high_freq_factor` of `rope_scaling` is 4, not more than `low_freq_factor`, 4"));
    let longrope = json!({ "rope_type": "longrope", "short_factor": [1, 0], "long_factor": [1, 1] });
    assert!(rope(longrope).contains("`short_factor` of `rope_scaling` is missing, or not a list of positive numbers"));
    let longrope = json!({ "rope_type": "longrope", "short_factor": [1], "long_factor": [1], "original_max_position_embeddings": 1 });
    assert!(rope(longrope).contains("`original_max_position_embeddings` is 1: longrope needs more"));
    let model = |key: &str, value: f64| {
        let mut all = json!({ "model_type": "gemma2", "vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "head_dim": 4,
            "num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 1 });
        all[key] = value.into();
        let c = HfConfig::parse(&all.to_string(), "config.json").unwrap();
        message(Decoder::of(&c, true).map(|_| ()))
    };
    for key in
        ["rms_norm_eps", "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "rope_theta"]
    {
        for value in [0.0, -1.0, 1e300] {
            let text = model(key, value);
            assert!(
                text.starts_with(&format!("config.json: `{key}` is ")) && text.contains("not a positive number"),
                "{text}"
            );
        }
    }
}

/// As in transformers: `rope_scaling` is what people add by hand to a file that has the new field already.
#[test]
fn of_both_dialects_the_older_one_counts() {
    let (linear, plain) =
        (json!({ "rope_type": "linear", "factor": 8.0 }), json!({ "rope_type": "default", "rope_theta": 500.0 }));
    let both =
        config(json!({ "rope_scaling": linear, "rope_parameters": plain, "rope_theta": 1000.0 })).rope().unwrap();
    assert_eq!((both.scaling, both.theta), (RopeScaling::Linear { factor: 8.0 }, 1000.0));
    let empty = config(json!({ "rope_scaling": {}, "rope_parameters": plain })).rope().unwrap();
    assert_eq!((empty.scaling, empty.theta), (RopeScaling::Default, 500.0));
    // of layer types it is that of those that see everything
    let nested =
        json!({ "full_attention": plain, "sliding_attention": { "rope_type": "default", "rope_theta": 50.0 } });
    let c = config(json!({ "rope_scaling": linear, "rope_parameters": nested }));
    let (full, local) = (c.rope_of("full_attention").unwrap(), c.rope_of("sliding_attention").unwrap());
    assert_eq!((full.scaling, full.theta), (RopeScaling::Linear { factor: 8.0 }, 500.0));
    assert_eq!((local.scaling, local.theta), (RopeScaling::Default, 50.0));
}

#[test]
fn a_stretched_context_is_as_long_as_the_stretching_makes_it() {
    let context = |max: usize, rope: Value| {
        let all = json!({ "model_type": "llama", "vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2,
            "num_hidden_layers": 1, "max_position_embeddings": max, "rope_scaling": rope });
        Decoder::of(&HfConfig::parse(&all.to_string(), "config.json").unwrap(), true).unwrap().context
    };
    assert_eq!(context(4096, Value::Null), 4096);
    // vicuna, and what Qwen recommends
    assert_eq!(context(4096, json!({ "type": "linear", "factor": 4.0 })), 16384);
    assert_eq!(
        context(32768, json!({ "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768 })),
        131072
    );
    assert_eq!(context(64, json!({ "type": "dynamic", "factor": 1.5 })), 96);
    // these give the stretched length themselves
    assert_eq!(
        context(163840, json!({ "type": "yarn", "factor": 40, "original_max_position_embeddings": 4096 })),
        163840
    );
    let llama3 = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192 });
    assert_eq!(context(131072, llama3), 131072);
    assert_eq!(context(4096, json!({ "type": "linear", "factor": 1e30 })), i32::MAX as usize);
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
    let of = |own: Value| GenerationConfig::new(own.as_object().unwrap().clone(), &model);
    let generation = of(own).unwrap();
    assert_eq!((generation.bos, generation.eos, generation.pad), (Some(1), vec![5, 6], None));
    assert_eq!(generation.raw["temperature"], 0.6);
    assert_eq!(of(json!({ "eos_token_id": null })).unwrap().eos, [2]);
    for (wrong, shown) in [(json!("257"), "\"257\""), (json!(257.5), "257.5"), (json!([1, "x"]), "[1,\"x\"]")] {
        let error = message(of(json!({ "eos_token_id": wrong })));
        let reason = format!("`eos_token_id` is {shown}, not a token id or a list of them");
        assert_eq!(error, format!("generation_config.json: {reason}"));
    }
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
            "intermediate_size": 8, "num_attention_heads": 2, "num_key_value_heads": 2, "{key}": 4000000000}}"#
        );
        let config = HfConfig::parse(&text, "config.json").unwrap();
        let error = raxla_graphs::models::Decoder::of(&config, true).err().unwrap().to_string();
        assert_eq!(error, format!("config.json: `{key}` is 4000000000: no model has more than 1024 layers"));
    }
}
