//! Checkpoints as people keep them: with other names, other forms, and things that are none.

use super::common::{assert_equal, quick, tests, text};
use raxla::runtime;
use raxla_graphs::weights::{Encoding, Weights};
use raxla_graphs::{Files, LoadOptions, Model, SaveOptions, WeightSource};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    tests("fixtures").join(name)
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(name: &str) -> Tensors {
    let bytes = std::fs::read(fixture(name).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter().map(|(name, t)| (name.to_string(), (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect()
}

/// The fixture's folder with these tensors in place of its own, and its configuration changed.
fn folder(name: &str, tensors: &Tensors, change: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let views =
        tensors.iter().map(|(name, (dtype, dims, data))| (name, TensorView::new(*dtype, dims.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, &dir.path().join("model.safetensors")).unwrap();
    let mut config = serde_json::from_slice(&std::fs::read(fixture(name).join("config.json")).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    dir
}

fn opened(dir: &Path) -> Result<Files, String> {
    raxla_graphs::open(&text(dir)).map_err(|e| e.to_string())
}

fn weights(files: &Files) -> &Weights {
    let WeightSource::Stored(weights) = &files.weights else { panic!("they are stored") };
    weights
}

fn logits(files: Files) -> Vec<f32> {
    let options = LoadOptions { scanned: true, compile: quick(), ..Default::default() };
    let model = Model::load(files, &options, &runtime::client().unwrap()).unwrap();
    model.scores(&[3, 5, 7, 9]).unwrap().logits.to_vec::<f32>().unwrap()
}

/// The same names, shapes and bytes as the fixture.
#[track_caller]
fn assert_as_fixture(dir: &Path, name: &str) {
    let (have, want) = (opened(dir).unwrap(), opened(&fixture(name)).unwrap());
    let (have, want) = (weights(&have), weights(&want));
    assert_eq!(have.names().collect::<Vec<_>>(), want.names().collect::<Vec<_>>());
    for name in want.names() {
        let info = want.info(name).unwrap();
        assert_eq!(have.info(name), Some(info), "{name}");
        let Encoding::Plain(dtype) = info.encoding else { panic!("{name}") };
        assert_eq!(have.read(name, dtype).unwrap(), want.read(name, dtype).unwrap(), "{name}");
    }
}

#[test]
fn names_that_wrappers_of_training_have_changed() {
    let renamed = |of: fn(&str) -> String| -> Tensors {
        tensors("llama_gqa_untied").into_iter().map(|(name, tensor)| (of(&name), tensor)).collect()
    };
    for of in [
        (|name| format!("_orig_mod.{name}")) as fn(&str) -> String,
        |name| format!("module.{name}"),
        |name| format!("module._orig_mod.module.{name}"),
        |name| name.replace("layers.1.", "layers.1._orig_mod.").replace("model.norm", "model._orig_mod.norm"),
        |name| format!("_fsdp_wrapped_module.{}", name.replace("mlp.", "_checkpoint_wrapped_module.mlp.")),
    ] {
        let dir = folder("llama_gqa_untied", &renamed(of), |_| {});
        assert_as_fixture(dir.path(), "llama_gqa_untied");
    }
    // what is written has the names of the model
    let (dir, to) = (
        folder("llama_gqa_untied", &renamed(|name| format!("_orig_mod.{name}")), |_| {}),
        tempfile::tempdir().unwrap(),
    );
    let to = to.path().join("to");
    raxla_graphs::convert(&text(dir.path()), &to, &SaveOptions::default()).unwrap();
    assert_equal(&to, &fixture("llama_gqa_untied"));
    let mut both = tensors("llama_gqa_untied");
    both.extend(renamed(|name| format!("_orig_mod.{name}")));
    let error = opened(folder("llama_gqa_untied", &both, |_| {}).path()).err().unwrap();
    assert!(error.contains("without what training has put into the names, it is lm_head.weight, and so is"), "{error}");
}

/// Of one expert: its number, whether it is the first or the second of its tensor, shape and bytes.
type Matrix = (usize, usize, Vec<usize>, Vec<u8>);

/// As transformers 5 writes them with `save_original_format=False`.
fn fused(name: &str, part: &str, [gate, up, down]: [&str; 3]) -> Tensors {
    let mut all = Tensors::new();
    let mut experts: BTreeMap<(String, &str), Vec<Matrix>> = BTreeMap::new();
    for (name, (dtype, dims, data)) in tensors(name) {
        let Some((layer, rest)) = name.split_once(&format!(".{part}.experts.")) else {
            all.insert(name.replace(&format!(".{part}.gate."), ".mlp.gate."), (dtype, dims, data));
            continue;
        };
        let [expert, matrix, "weight"] = rest.split('.').collect::<Vec<_>>()[..] else { panic!("{name}") };
        let (end, order) = match matrix {
            m if m == gate => ("gate_up_proj", 0),
            m if m == up => ("gate_up_proj", 1),
            m if m == down => ("down_proj", 0),
            _ => panic!("{name}"),
        };
        let key = (format!("{layer}.mlp.experts.{end}"), if dtype == Dtype::F32 { "f32" } else { "bf16" });
        experts.entry(key).or_default().push((expert.parse().unwrap(), order, dims, data));
    }
    for ((name, dtype), mut parts) in experts {
        parts.sort_by_key(|(expert, order, ..)| (*expert, *order));
        let n = 1 + parts.last().unwrap().0;
        let dims = vec![n, parts[0].2[0] * parts.len() / n, parts[0].2[1]];
        let dtype = if dtype == "f32" { Dtype::F32 } else { Dtype::BF16 };
        all.insert(name, (dtype, dims, parts.into_iter().flat_map(|(.., data)| data).collect()));
    }
    all
}

#[test]
fn experts_in_one_tensor_are_those_one_by_one() {
    let usual = ["gate_proj", "up_proj", "down_proj"];
    for (name, part, names) in [
        ("mixtral_top2", "block_sparse_moe", ["w1", "w3", "w2"]),
        ("qwen3moe_mixed", "mlp", usual),
        ("deepseek2_greedy", "mlp", usual),
        ("deepseek3_groups", "mlp", usual),
    ] {
        let fused = fused(name, part, names);
        assert!(fused.keys().any(|name| name.ends_with(".mlp.experts.gate_up_proj")));
        let dir = folder(name, &fused, |_| {});
        assert_as_fixture(dir.path(), name);
    }
    let dir = folder("mixtral_top2", &fused("mixtral_top2", "block_sparse_moe", ["w1", "w3", "w2"]), |_| {});
    assert_eq!(logits(opened(dir.path()).unwrap()), logits(opened(&fixture("mixtral_top2")).unwrap()));
    let mut flat = fused("mixtral_top2", "block_sparse_moe", ["w1", "w3", "w2"]);
    let (_, dims, _) = flat.get_mut("model.layers.0.mlp.experts.gate_up_proj").unwrap();
    *dims = vec![dims[0] * dims[1], dims[2]];
    let error = opened(folder("mixtral_top2", &flat, |_| {}).path()).err().unwrap();
    assert!(
        error.contains("gate_up_proj") && error.contains("not the matrices of experts one behind the other"),
        "{error}"
    );
}

/// The fixture `llama_tied_own_head` has transformers' logits.
#[test]
fn a_head_of_its_own_counts_though_the_configuration_ties_it() {
    let files = opened(&fixture("llama_tied_own_head")).unwrap();
    assert!(!files.config.bool_or("tie_word_embeddings", true).unwrap());
    let want = logits(files);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("to");
    raxla_graphs::convert(&text(fixture("llama_tied_own_head")), &to, &SaveOptions::default()).unwrap();
    assert_eq!(logits(opened(&to).unwrap()), want);
    // a copy of the embedding changes nothing
    let mut copied = tensors("llama_mha_tied");
    copied.insert("lm_head.weight".into(), copied["model.embed_tokens.weight"].clone());
    let same = opened(folder("llama_mha_tied", &copied, |_| {}).path()).unwrap();
    assert!(same.config.bool_or("tie_word_embeddings", false).unwrap());
}

#[test]
fn layers_behind_those_of_the_model_are_as_many_as_the_configuration_says() {
    let load = |more: u64, layers: u64| {
        let dir = folder("deepseek3_hub", &tensors("deepseek3_hub"), |config| {
            config["num_nextn_predict_layers"] = more.into();
            config["num_hidden_layers"] = layers.into();
        });
        let options = LoadOptions { scanned: true, compile: quick(), ..Default::default() };
        Model::load(opened(dir.path()).unwrap(), &options, &runtime::client().unwrap())
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    load(1, 3).unwrap();
    for error in [load(0, 3).unwrap_err(), load(1, 2).unwrap_err()] {
        assert!(error.contains("unexpected:\n    model.layers.3."), "{error}");
    }
}

#[test]
fn what_is_no_model_is_told_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let says = |error: String| {
        let wanted = "it is a Git LFS pointer: Git keeps it in place of the file, which was not downloaded\n  help: in the repository, run `git lfs";
        assert!(error.contains(wanted), "{error}");
    };
    for name in ["model.safetensors", "model.gguf", "pytorch_model.bin"] {
        std::fs::write(path(name), pointer).unwrap();
        says(opened(&path(name)).err().unwrap());
        std::fs::remove_file(path(name)).unwrap();
    }
    std::fs::copy(fixture("llama_bf16").join("model.safetensors"), path("model.safetensors")).unwrap();
    std::fs::write(path("config.json"), pointer).unwrap();
    says(opened(dir.path()).err().unwrap());
    std::fs::copy(fixture("llama_bf16").join("config.json"), path("config.json")).unwrap();
    std::fs::write(path("tokenizer.json"), pointer).unwrap();
    says(opened(dir.path()).unwrap().tokenizer.unwrap_err());

    // an adapter, alone and where a configuration lies beside it
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("adapter_config.json"), r#"{"base_model_name_or_path": "org/base", "r": 8}"#).unwrap();
    let wanted = "it is a LoRA adapter for org/base, not a model\n  help: give the model that it was trained on, and the adapter's folder with `--adapter`";
    let error = opened(dir.path()).err().unwrap();
    assert!(error.contains(wanted), "{error}");
    let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    safetensors::serialize_to_file([(name, view)], None, &path("adapter_model.safetensors")).unwrap();
    for config in [false, true] {
        if config {
            std::fs::copy(fixture("llama_bf16").join("config.json"), path("config.json")).unwrap();
        }
        for of in [dir.path().to_path_buf(), path("adapter_model.safetensors")] {
            let error = opened(&of).err().unwrap();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
