//! Checkpoints and tokenizers that are damaged, incomplete, or not what they say.

use crate::common::*;
use std::{fs, path::Path};

fn refused(model: &Path, wanted: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("out");
    fails(&mut logits(model, "3,4", &out), 1, wanted);
    assert!(!out.exists());
}

/// Refused as damaged, after this change to the checkpoint's bytes.
fn damaged(edit: impl FnOnce(&mut Vec<u8>), wanted: &[&str]) {
    let model = copy("gpt2_plain");
    let path = model.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    edit(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let all = [wanted, &["help: if the file is damaged or incomplete, copy or download it again"]].concat();
    refused(model.path(), &all);
}

#[test]
fn truncated_safetensors() {
    damaged(|bytes| bytes.truncate(bytes.len() - 1), &["model.safetensors cannot be read", "it is truncated"]);
    damaged(|bytes| bytes.truncate(1000), &["model.safetensors cannot be read"]);
    damaged(|bytes| bytes.truncate(5), &["model.safetensors cannot be read"]);
    damaged(Vec::clear, &["model.safetensors cannot be read"]);
}

#[test]
fn safetensors_headers_that_lie() {
    let header = |bytes: &mut Vec<u8>, length: u64| bytes[..8].copy_from_slice(&length.to_le_bytes());
    damaged(|bytes| header(bytes, u64::MAX), &["model.safetensors cannot be read", "its header should take"]);
    damaged(|bytes| header(bytes, 1 << 40), &["model.safetensors cannot be read", "its header should take"]);
    damaged(|bytes| header(bytes, 10), &["model.safetensors cannot be read", "its header is invalid"]);
    let lie = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            assert_eq!(from.len(), to.len());
            let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    };
    damaged(lie("\"shape\":[32]", "\"shape\":[99]"), &["model.safetensors cannot be read", "its header is invalid"]);
    damaged(
        lie("\"dtype\":\"F32\"", "\"dtype\":\"F99\""),
        &["model.safetensors cannot be read", "its header is invalid"],
    );
}

#[test]
fn damaged_gguf() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(data("gguf/llama.gguf")).unwrap();
    let check = |bytes: &[u8], wanted: &[&str]| {
        let path = dir.path().join("model.gguf");
        fs::write(&path, bytes).unwrap();
        let all = [wanted, &["help: if the file is damaged or incomplete, copy or download it again"]].concat();
        refused(&path, &all);
    };
    check(&whole[..whole.len() - 64], &["model.gguf cannot be read", "truncated"]);
    check(&whole[..whole.len() / 2], &["model.gguf cannot be read", "truncated"]);
    check(&whole[..100], &["model.gguf cannot be read"]);
    check(&whole[..3], &["model.gguf cannot be read"]);
    check(b"", &["model.gguf cannot be read"]);
    let with = |at: usize, number: u64| {
        let mut bytes = whole.clone();
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    // the numbers of tensors and of metadata
    check(&with(8, u64::MAX), &["model.gguf cannot be read"]);
    check(&with(16, 1 << 60), &["model.gguf cannot be read"]);
    check(&with(0, 0), &["model.gguf cannot be read"]);
}

#[test]
fn tensors_that_are_missing_misshapen_or_too_many() {
    let model = copy("gpt2_plain");
    edit_tensors(model.path(), |tensors| {
        let (dtype, dims, bytes) = tensors.remove("transformer.h.1.mlp.c_fc.weight").unwrap();
        tensors.insert("transformer.h.9.mlp.c_fc.weight".into(), (dtype, dims, bytes));
        let (_, dims, _) = tensors.get_mut("transformer.h.0.mlp.c_proj.weight").unwrap();
        dims.reverse();
    });
    refused(
        model.path(),
        &[
            "1 missing:",
            "transformer.h.1.mlp.c_fc.weight",
            "1 unexpected:",
            "transformer.h.9.mlp.c_fc.weight",
            "transformer.h.0.mlp.c_proj.weight: expected [128, 32], found [32, 128]",
        ],
    );
}

#[test]
fn configurations_that_do_not_fit() {
    let with = |edit: &dyn Fn(&mut serde_json::Value), wanted: &[&str]| {
        let model = copy("llama_gqa_untied");
        let path = model.path().join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut config);
        fs::write(&path, config.to_string()).unwrap();
        refused(model.path(), wanted);
    };
    with(
        &|c| c["model_type"] = "perceptron".into(),
        &["perceptron", "is not known", "help: take a model of one of these: ", "llama", "gpt2"],
    );
    with(&|c| c["model_type"] = 7.into(), &["config.json"]);
    with(&|c| *c = serde_json::json!([]), &["config.json"]);
    with(&|c| drop(c.as_object_mut().unwrap().remove("hidden_size")), &["config.json", "hidden_size"]);
    with(&|c| c["num_attention_heads"] = 0.into(), &["config.json", "num_attention_heads"]);
    with(&|c| c["hidden_act"] = "wavy".into(), &["config.json", "wavy"]);
    with(&|c| c["num_hidden_layers"] = 2.into(), &["unexpected", "model.layers.2."]);
    with(&|c| c["vocab_size"] = 4_000_000_000u64.into(), &["expected [4000000000, 32], found [67, 32]"]);
    let model = copy("llama_gqa_untied");
    fs::write(model.path().join("config.json"), "{\"model_type\": ").unwrap();
    refused(model.path(), &["config.json: it is not valid JSON: EOF", "help: if the file is damaged or incomplete"]);
    fs::remove_file(model.path().join("config.json")).unwrap();
    refused(model.path(), &["config.json"]);
    fs::remove_file(model.path().join("model.safetensors")).unwrap();
    refused(model.path(), &["model.safetensors"]);
}

/// What has the name of a file and is none is said to be what it is, with a remedy.
#[cfg(unix)]
#[test]
fn names_of_files_that_are_none() {
    let place = |name: &str, make: &dyn Fn(&Path), wanted: &str| {
        let model = speaker();
        let path = model.path().join(name);
        let _ = fs::remove_file(&path);
        make(&path);
        let wanted = [&format!("{name} cannot be read: {wanted}"), "\n  help: "];
        fails(raxla(["generate", "--model"]).arg(model.path()).arg("Hi"), 1, &wanted);
    };
    let pipe = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let link = |path: &Path| std::os::unix::fs::symlink("gone", path).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    for name in
        ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json", "tokenizer_config.json"]
    {
        place(name, &pipe, "it is no file, but a pipe");
        place(name, &link, "it is a link to gone, which cannot be reached");
        place(name, &folder, "it is a directory");
    }
    place("chat_template.jinja", &|path| fs::write(path, b"\xff{{ messages }}").unwrap(), "invalid utf-8 sequence");
    let index = r#"{"weight_map": {"a": "gone.safetensors"}}"#;
    let model = copy("gpt2_plain");
    fs::remove_file(model.path().join("model.safetensors")).unwrap();
    fs::write(model.path().join("model.safetensors.index.json"), index).unwrap();
    refused(model.path(), &["gone.safetensors cannot be read: No such file", "help: if the model is incomplete"]);
}

/// Special tokens and switches of the wrong type are refused; those that the model does not have count as absent, with a warning.
#[test]
fn special_tokens_that_are_none() {
    let model = speaker();
    let generate = || {
        let mut command = raxla(["generate", "-n", "3", "--model"]);
        command.arg(model.path()).arg("Hi");
        command
    };
    let path = model.path().join("generation_config.json");
    fs::write(&path, r#"{"eos_token_id": "2"}"#).unwrap();
    let wanted = "generation_config.json: `eos_token_id` is \"2\", not a token id or a list of them";
    fails(&mut generate(), 1, &[wanted]);
    fs::write(&path, r#"{"eos_token_id": [2, 9999]}"#).unwrap();
    let outcome = run(&mut generate());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let wanted = "a token that ends a text is 9999, but the model's ids go from 0 to 88: it counts as absent";
    assert_eq!(outcome.stderr.matches(wanted).count(), 1, "{}", outcome.stderr);
    fs::remove_file(&path).unwrap();
    let path = model.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["tie_word_embeddings"] = "yes".into();
    fs::write(&path, config.to_string()).unwrap();
    fails(&mut generate(), 1, &["config.json: `tie_word_embeddings` is \"yes\", not true or false"]);
}

#[test]
fn tokenizers_that_are_broken_or_missing() {
    let model = speaker();
    let generate = |wanted: &[&str]| fails(raxla(["generate", "--model"]).arg(model.path()).arg("Hi"), 1, wanted);
    let again = "help: if the file is damaged or incomplete, copy or download it again";
    let path = model.path().join("tokenizer.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    generate(&["tokenizer.json cannot be loaded", "EOF while parsing", again]);
    // tokens need no tokenizer
    succeeds(&mut logits(model.path(), "3,4", &model.path().join("out")));
    fs::write(&path, "{}").unwrap();
    generate(&["tokenizer.json cannot be loaded", again]);
    fs::remove_file(&path).unwrap();
    generate(&["there is neither tokenizer.json nor tokenizer.model nor vocab.json", "help: copy the tokenizer files"]);
    // one that has more tokens than the model
    let more = String::from_utf8(whole.clone()).unwrap().replace("\"H\":", "\"H\":9");
    assert_ne!(more.as_bytes(), whole);
    fs::write(&path, more).unwrap();
    generate(&[
        "the tokenizer knows a token 9",
        "but the model's ids go from 0 to 88",
        "help: put the tokenizer that belongs",
    ]);
    fs::write(&path, whole).unwrap();
    fs::write(model.path().join("tokenizer_config.json"), r#"{"chat_template": "{% for %}"}"#).unwrap();
    let chat = run_with(raxla(["chat", "--model"]).arg(model.path()), "hi\n");
    check_failure(chat, 1, &["chat template: ", "line 1"]);
}

#[test]
fn models_that_are_not_there() {
    let unknown = |model: &str, wanted: &[&str]| {
        fails(raxla(["pull", model]).env("RAXLA_OFFLINE", "1"), 1, wanted);
        fails(raxla(["generate", "Hi", "--model", model]).env("RAXLA_OFFLINE", "1"), 1, wanted);
    };
    unknown("gtp2-medium", &["there is no preset, file or folder gtp2-medium", "help: did you mean gpt2-medium"]);
    unknown("smollm", &["did you mean", "smollm2-135m"]);
    unknown("zzz", &["help: give a folder", "`raxla models` lists the presets"]);
    unknown("/no/such/folder", &["there is no file or folder /no/such/folder", "help: give a folder"]);
    unknown("some/where", &["write hf:some/where"]);
    unknown("hf:nowhere", &["is no repository of the hub", "hf:org/name"]);
    unknown(
        &format!("{}/README.md", fixture("").display()),
        &["is neither a folder nor a file of weights", "help: give a folder"],
    );
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["safetensors"]);
    let cache = empty.path().join("cache");
    let offline = |command: &mut std::process::Command, wanted: &[&str]| {
        fails(command.env("HF_HUB_CACHE", &cache).env("RAXLA_OFFLINE", "1"), 1, wanted);
    };
    offline(&mut raxla(["pull", "gpt2"]), &["openai-community/gpt2: ", "RAXLA_OFFLINE", "help: unset the variable"]);
    let home = empty.path().join("home");
    let mut default = raxla(["generate", "Hi"]);
    offline(
        default.env("RAXLA_HOME", home).env("RAXLA_PLUGIN", plugin()),
        &["SmolLM2-135M-Instruct", "is not there, and RAXLA_OFFLINE forbids fetching it", "help: unset RAXLA_OFFLINE"],
    );
}
