//! What a GGUF file says of texts, alone and with a tokenizer.json beside it; and errors in the words of its keys.

use super::common::{quick, tests, text};
use raxla::runtime;
use raxla_graphs::tokenizer::Tokenizer;
use raxla_graphs::{LoadOptions, Model, weights::Weights};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn data(name: &str) -> PathBuf {
    tests("data/tokenizer").join(name)
}

/// A file with other values, as many bytes each, of some metadata keys.
fn patched(from: &Path, values: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
    let mut bytes = std::fs::read(from).unwrap();
    for (key, value) in values {
        let key = [&(key.len() as u64).to_le_bytes(), key.as_bytes()].concat();
        let at = bytes.windows(key.len()).position(|w| w == key).expect("the key is there") + key.len() + 4;
        bytes[at..at + value.len()].copy_from_slice(value);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// The tokenizer that a file gets which has these files beside it.
fn beside(gguf: &Path, files: &[(&Path, &str)]) -> Result<Tokenizer, String> {
    for (from, name) in files {
        std::fs::copy(from, gguf.with_file_name(name)).unwrap();
    }
    let source = raxla_graphs::source::Source { name: "model".into(), path: gguf.to_path_buf(), adapter: None };
    source.tokenizer(&Weights::open(gguf).unwrap()).map_err(|e| e.to_string())
}

const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const EOS: &str = "tokenizer.ggml.eos_token_id";

#[test]
fn beside_a_tokenizer_the_files_own_words_count() {
    let json = data("bpe/tokenizer.json");
    let (_dir, gguf) = patched(&data("bpe.gguf"), &[]);
    // neither template nor special tokens are in this one
    let dressed = beside(&gguf, &[(&json, "tokenizer.json")]).unwrap();
    assert_eq!(dressed.chat_template.as_deref(), Some("{{ messages[0].content }}"));
    assert_eq!((dressed.bos, dressed.eos.as_slice()), (Some(1), [2, 0].as_slice()));
    let plain = dressed.encode("the light", true).unwrap();
    assert_eq!(plain, dressed.encode("the light", false).unwrap());
    let (_dir, gguf) = patched(&data("bpe.gguf"), &[(ADD_BOS, &[1])]);
    for tokenizer in [
        Tokenizer::from_gguf(&Weights::open(&gguf).unwrap()).unwrap(),
        beside(&gguf, &[(&json, "tokenizer.json")]).unwrap(),
    ] {
        assert_eq!(tokenizer.encode("the light", true).unwrap(), [&[1], plain.as_slice()].concat());
    }
    // settings beside the tokenizer that say otherwise belong to another file
    let settings = data("bpe/tokenizer_config.json");
    let both = beside(&gguf, &[(&json, "tokenizer.json"), (&settings, "tokenizer_config.json")]).unwrap();
    assert_eq!((both.chat_template.as_deref(), both.tool_template), (Some("{{ messages[0].content }}"), None));
}

#[test]
fn a_foreign_tokenizer_is_refused() {
    let (dir, gguf) = patched(&data("bpe.gguf"), &[]);
    let other = dir.path().join("other.json");
    std::fs::write(&other, Tokenizer::from_gguf(&Weights::open(data("spm.gguf")).unwrap()).unwrap().to_json().unwrap())
        .unwrap();
    for json in [data("awkward/llama3/tokenizer.json"), other] {
        let error = beside(&gguf, &[(&json, "tokenizer.json")]).unwrap_err();
        assert!(error.contains("tokenizer.json cannot be loaded: it is not the one of "), "{error}");
        let wanted = "\n  help: remove it, and the file's own";
        assert!(error.contains(" of the file's 400 tokens differ: ") && error.contains(wanted), "{error}");
    }
}

#[test]
fn generation_ends_where_llama_cpp_ends_it() {
    // a ChatML file whose end token is that of the base model
    let (_dir, gguf) = patched(&data("bpe.gguf"), &[(EOS, &0u32.to_le_bytes())]);
    let tokenizer = Tokenizer::from_gguf(&Weights::open(&gguf).unwrap()).unwrap();
    assert_eq!(tokenizer.eos, [0, 2]);
    assert_eq!(tokenizer.token(2).as_deref(), Some("<|im_end|>"));
    let dressed = beside(&gguf, &[(&data("bpe/tokenizer.json"), "tokenizer.json")]).unwrap();
    assert_eq!(dressed.eos, [0, 2]);
}

#[test]
fn errors_have_the_words_of_the_file() {
    let llama = tests("data/gguf/llama.gguf");
    let load = |key: &str, value: &[u8]| {
        let (_dir, gguf) = patched(&llama, &[(key, value)]);
        let files = raxla_graphs::open(&text(&gguf)).map_err(raxla_graphs::Error::from);
        let options = LoadOptions { compile: quick(), ..Default::default() };
        let model = files.and_then(|files| Model::load(files, &options, &runtime::client().unwrap()));
        model.map(|_| ()).unwrap_err().to_string()
    };
    let eps = "llama.attention.layer_norm_rms_epsilon";
    let error = load(eps, &0f32.to_le_bytes());
    assert!(error.contains(&format!("model.gguf: `{eps}` is 0.0, not a positive number")), "{error}");
    let error = load("llama.feed_forward_length", &40u32.to_le_bytes());
    assert!(error.contains("\n    blk.0.ffn_gate.weight: expected [40, 32], found [48, 32]"), "{error}");
    assert!(
        error.contains("help: the sizes in its metadata are not those of its tensors")
            && !error.contains("config.json"),
        "{error}"
    );
    let error = load("llama.block_count", &3u32.to_le_bytes());
    assert!(error.contains("13 missing:\n    blk.2.attn_norm.weight\n") && !error.contains("model.layers"), "{error}");
}
