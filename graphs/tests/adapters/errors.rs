//! What cannot be adapted, and why.
use super::folder;
use raxla::runtime;
use raxla_graphs::{
    adapters::{self, Adapted, Adapter, LoraConfig, Modules},
    config::HfConfig,
    models::Decoder,
};
use std::{fs, path::Path};

fn gpt2(width: usize, scanned: bool) -> Decoder<raxla::Param> {
    let config = format!(
        r#"{{"model_type": "gpt2", "n_layer": 2, "n_embd": {width}, "n_head": 4, "n_positions": 16, "vocab_size": 64}}"#
    );
    Decoder::of(&HfConfig::parse(&config, "config.json").unwrap(), scanned).unwrap()
}

#[test]
fn what_means_nothing_is_refused() {
    let refused = |config: LoraConfig, scanned| Adapted::lora(&gpt2(32, scanned), config).unwrap_err().to_string();
    let of =
        |names: &[&str]| LoraConfig { target_modules: Some(names.iter().copied().collect()), ..Default::default() };
    let text = refused(of(&["q_proj"]), true);
    assert!(text.contains("mean no matrix of this model's layers\n  help: they are c_attn, c_fc, c_proj"), "{text}");
    let text = refused(LoraConfig { r: 0, ..of(&["c_attn"]) }, true);
    assert!(text.starts_with("the rank of the correction to `transformer.h.0.attn.c_attn` is 0\n  help: "), "{text}");
    let text = refused(of(&["layers.*.mixer.q"]), true);
    assert!(
        text.contains("is a part of `transformer.h.0.attn.c_attn`, of which other parts are not adapted alike"),
        "{text}"
    );
    let text = refused(of(&["h.1.mlp.c_fc"]), true);
    assert!(
        text.contains("are in one stack, but are adapted differently\n  help: load the model with layers"),
        "{text}"
    );
    assert!(Adapted::lora(&gpt2(32, false), of(&["h.1.mlp.c_fc"])).is_ok_and(|a| a.trained().len() == 2));
    let text = refused(LoraConfig { modules_to_save: vec!["score".into()], ..of(&["c_fc"]) }, true);
    assert!(text.starts_with("`modules_to_save`: the model has no `score`"), "{text}");
    let text = refused(LoraConfig { target_modules: Some(Modules::text("(")), ..Default::default() }, true);
    assert!(text.contains("is no regular expression"), "{text}");
    let text = refused(LoraConfig { lora_dropout: 1.5, ..of(&["c_fc"]) }, true);
    assert!(text.starts_with("`lora_dropout` is 1.5"), "{text}");
    // a pattern over paths, of all layers
    let adapted = Adapted::lora(&gpt2(32, true), of(&["layers.*.mlp.*"])).unwrap();
    assert_eq!(adapted.trained().len(), 4);
}

#[test]
fn folders_that_are_no_adapters_are_refused() {
    let (client, to) = (runtime::client().unwrap(), tempfile::tempdir().unwrap());
    let open = |dir: &Path| Adapter::open(dir).err().expect("refused").to_string();
    let text = open(&to.path().join("none"));
    assert!(text.contains("is no adapter: there is no adapter_config.json\n  help: "), "{text}");
    let with = |edit: &str, value: &str| {
        let dir = to.path().join(edit);
        fs::create_dir_all(&dir).unwrap();
        let config = fs::read_to_string(folder("gpt2_lora").join("adapter_config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
        config[edit] = serde_json::from_str(value).unwrap();
        fs::write(dir.join("adapter_config.json"), config.to_string()).unwrap();
        dir
    };
    assert!(open(&with("r", "4")).contains("there is no adapter_model.safetensors"));
    for kind in ["IA3", "PREFIX_TUNING", "LOKR"] {
        let text = open(&with("peft_type", &format!("\"{kind}\"")));
        assert!(text.contains(&format!("adapters of `peft_type` {kind} are not known\n  help: ")), "{text}");
    }
    assert!(open(&with("init_lora_weights", "\"pissa\"")).contains("`init_lora_weights` is pissa"));
    assert!(open(&with("target_parameters", "[\"experts.up\"]")).contains("which raxla has not"));
    assert!(open(&with("r", "\"four\"")).contains("`r` is \"four\", not a whole number"));
    // of a wider model
    let text = adapters::load(folder("gpt2_lora"), &gpt2(64, true), &client).expect_err("refused").to_string();
    assert!(text.contains("lora_A.weight") && text.contains("[4, 64]"), "{text}");
    let llama = super::tests("fixtures/llama_gqa_untied");
    let merged = to.path().join("merged");
    let e = adapters::convert(&super::text(&llama), &folder("gpt2_lora"), &merged, &Default::default()).unwrap_err();
    assert!(
        e.to_string().contains("which the model has not\n  help: is it the model that the adapter was trained on?"),
        "{e}"
    );
}
