//! GGUF files: every block format bit for bit, the names and order of Hugging Face, and every way for a header to lie.

use crate::common::gguf::{Builder, saved, string};
use raxla_graphs::config::{HfConfig, Rope, RopeScaling};
use raxla_graphs::models::Decoder;

use proptest::prelude::*;
use raxla_graphs::weights::Weights;
use raxla_graphs::{Files, LoadError, LoadOptions, Model, WeightSource};
use raxla_xla::DType;
use safetensors::{Dtype, tensor::TensorView};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gguf").join(name)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn every_block_format_decodes_bit_for_bit() {
    let blocks = Weights::open(data("blocks.gguf")).unwrap();
    let expected = Weights::open(data("blocks.safetensors")).unwrap();
    assert_eq!(blocks.names().count(), 16);
    for name in blocks.names() {
        assert_eq!(blocks.info(name).unwrap().dims, [3, 512]);
        assert_eq!(blocks.info(name).unwrap().encoding.to_string().to_uppercase(), name.to_uppercase());
        assert_eq!(bits(&blocks.read_f32(name).unwrap()), bits(&expected.read_f32(name).unwrap()), "{name}");
        for dtype in [DType::BF16, DType::F16, DType::F64] {
            assert_eq!(
                blocks.read(name, dtype).unwrap(),
                expected.read(name, dtype).unwrap(),
                "{name} as {}",
                dtype.name()
            );
        }
    }
}

/// The same weights as llama.cpp's converter and as transformers write them.
fn assert_same(gguf: &Weights, hf: &Weights) {
    assert_eq!(gguf.names().collect::<Vec<_>>(), hf.names().collect::<Vec<_>>());
    for name in hf.names() {
        assert_eq!(gguf.info(name).unwrap().dims, hf.info(name).unwrap().dims, "{name}");
        assert_eq!(bits(&gguf.read_f32(name).unwrap()), bits(&hf.read_f32(name).unwrap()), "{name}");
    }
}

#[test]
fn a_llama_has_the_names_order_and_configuration_of_its_checkpoint() {
    let gguf = Weights::open(data("llama.gguf")).unwrap();
    assert_same(&gguf, &Weights::open(data("llama")).unwrap());
    let config = HfConfig::from_gguf(&gguf).unwrap();
    let original = HfConfig::load(&data("llama")).unwrap();
    assert_eq!((&config.model_type, &config.architectures), (&original.model_type, &original.architectures));
    for (key, value) in &original.raw {
        assert_eq!(config.get(key), Some(value), "{key}");
    }
    let scaling = RopeScaling::Divisors(vec![1.0, 1.0, 2.5, 8.0]);
    assert_eq!(config.rope().unwrap(), Rope { theta: 50000.0, partial_rotary_factor: 1.0, scaling });
    assert!(gguf.bytes("model.layers.0.self_attn.v_proj.weight").is_some());
    assert!(gguf.bytes("model.layers.0.self_attn.q_proj.weight").is_none(), "its rows are stored in another order");
}

#[test]
fn a_gpt2_has_the_names_order_and_configuration_of_its_checkpoint() {
    let gguf = Weights::open(data("gpt2.gguf")).unwrap();
    let mut hf = Weights::open(data("gpt2")).unwrap();
    hf.ensure_prefix("transformer.", |name| name.starts_with("lm_head"));
    assert_same(&gguf, &hf);
    let config = HfConfig::from_gguf(&gguf).unwrap();
    for (key, value) in &HfConfig::load(&data("gpt2")).unwrap().raw {
        assert_eq!(config.get(key), Some(value), "{key}");
    }
}

/// The checkpoints that the files of `families/` were made from; for Gemma, with what their configuration says that no GGUF
/// file can: llama.cpp takes the size of a head for `query_pre_attn_scalar`.
fn families() -> Vec<(String, Files, Files)> {
    let mut all = vec![];
    for entry in std::fs::read_dir(data("families")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(&name);
        let open = |path: &Path| raxla_graphs::open(path.to_str().unwrap()).unwrap();
        let (gguf, mut hf) = (open(&path), open(&fixture));
        if hf.config.get("query_pre_attn_scalar").is_some() {
            hf.config.raw.insert("query_pre_attn_scalar".into(), hf.config.raw["head_dim"].clone());
        }
        all.push((name, gguf, hf));
    }
    assert_eq!(all.len(), 9);
    all
}

fn weights(files: &Files) -> &Weights {
    match &files.weights {
        WeightSource::Stored(weights) => weights,
        WeightSource::Random(_) => panic!("they are stored"),
    }
}

/// The files hold matrices in 16 bits: so both sides are read.
#[test]
fn every_family_has_the_names_and_values_of_its_checkpoint() {
    for (name, gguf, hf) in families() {
        let (gguf, hf) = (weights(&gguf), weights(&hf));
        assert_eq!(gguf.names().collect::<Vec<_>>(), hf.names().collect::<Vec<_>>(), "{name}");
        for tensor in hf.names() {
            assert_eq!(gguf.info(tensor).unwrap().dims, hf.info(tensor).unwrap().dims, "{name}: {tensor}");
            if name.starts_with("gemma") && tensor.ends_with("norm.weight") {
                // 1 + w was rounded when the file was made; what the model computes with is the same
                let sums = |w: &Weights| w.read_f32(tensor).unwrap().iter().map(|x| 1.0 + x).collect::<Vec<_>>();
                assert_eq!(bits(&sums(gguf)), bits(&sums(hf)), "{name}: {tensor}");
            } else {
                let read = |w: &Weights| w.read(tensor, DType::F16).unwrap();
                assert!(read(gguf) == read(hf), "{name}: {tensor}");
            }
        }
    }
}

fn shapes(model: &Decoder<raxla::Param>) -> Vec<Vec<usize>> {
    model.params().into_iter().map(|(_, p)| p.aval.dims.to_vec()).collect()
}

#[test]
fn every_family_has_the_specification_of_its_checkpoint() {
    for (name, gguf, hf) in families() {
        let build = |files: &Files| Decoder::of(&files.config, false).unwrap();
        assert_eq!(build(&gguf).context, build(&hf).context, "{name}");
        assert_eq!(gguf.generation.eos, hf.generation.eos, "{name}");
        assert_eq!(shapes(&build(&gguf)), shapes(&build(&hf)), "{name}");
        let names = |files: &Files| build(files).params().into_iter().map(|(_, p)| p.name).collect::<Vec<_>>();
        assert_eq!(names(&gguf), names(&hf), "{name}");
    }
}

/// The checkpoint with matrices rounded to what the GGUF files hold.
fn rounded(hf: &Files) -> (TempDir, WeightSource) {
    let all = weights(hf);
    let tensors: Vec<_> = all
        .names()
        .map(|name| {
            let dims = all.info(name).unwrap().dims.to_vec();
            let (own, dtype) = if dims.len() > 1 { (Dtype::F16, DType::F16) } else { (Dtype::F32, DType::F32) };
            (name.to_string(), own, dims, all.read(name, dtype).unwrap())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, own, dims, bytes)| (name.as_str(), TensorView::new(*own, dims.clone(), bytes).unwrap()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    safetensors::serialize_to_file(views, None, &path).unwrap();
    let weights = Weights::open(path).unwrap();
    (dir, WeightSource::Stored(weights))
}

#[test]
fn every_family_computes_what_its_checkpoint_computes() {
    let client = raxla::runtime::client().unwrap();
    for (name, gguf, mut hf) in families() {
        let (_dir, source) = rounded(&hf);
        hf.weights = source;
        let logits = |files: Files| {
            let model = Model::load(files, &LoadOptions::default(), &client).unwrap();
            model.scores(&[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]).unwrap().logits.to_vec::<f32>().unwrap()
        };
        let (gguf, hf) = (logits(gguf), logits(hf));
        let furthest = gguf.iter().zip(&hf).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // (the divisors of LLaMA 3's frequencies were rounded when the file was made)
        assert!(furthest <= if name == "llama_v4" { 1e-5 } else { 0.0 }, "{name}: {furthest}");
    }
}

#[test]
fn experts_are_found_in_one_tensor_or_in_many() {
    let head = || {
        Builder::default().pair("general.architecture", 8, &string("llama")).pair(
            "llama.expert_count",
            4,
            &3u32.to_le_bytes(),
        )
    };
    let names = |file: Builder| {
        let (_dir, path) = saved(&file.data(1024).build());
        let weights = Weights::open(path).unwrap();
        weights.names().map(|n| (n.to_string(), weights.info(n).unwrap().dims.to_vec())).collect::<Vec<_>>()
    };
    let together = names(head().tensor("blk.1.ffn_gate_exps.weight", &[4, 2, 3], 0, 0));
    let mut apart = head();
    for i in 0..3 {
        apart = apart.tensor(&format!("blk.1.ffn_gate.{i}.weight"), &[4, 2], 0, i * 32);
    }
    assert_eq!(together, names(apart));
    assert_eq!(together[2], ("model.layers.1.block_sparse_moe.experts.2.w1.weight".to_string(), vec![2, 4]));
    assert_refused(
        &head().tensor("blk.0.ffn_up_exps.weight", &[8, 2], 0, 0).data(64).build(),
        "of shape [2, 8] holds no matrices of experts",
    );
    let many = head().tensor("blk.0.ffn_up_exps.weight", &[0, 0, 1 << 40], 0, 0).data(64).build();
    assert_refused(&many, "holds no matrices of experts");
}

#[test]
fn the_parts_of_a_split_file_are_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let part = |i: u32, file: Builder| {
        let path = dir.path().join(format!("m-0000{i}-of-00002.gguf"));
        std::fs::write(&path, file.pair("split.no", 2, &(i as u16 - 1).to_le_bytes()).data(160).build()).unwrap();
        path
    };
    let first = Builder::default()
        .pair("general.architecture", 8, &string("llama"))
        .pair("llama.attention.head_count", 4, &5u32.to_le_bytes())
        .tensor("token_embd.weight", &[4, 10], 0, 0);
    let first = part(1, first);
    let alone = Weights::open(&first).unwrap_err().to_string();
    assert!(alone.contains("m-00002-of-00002.gguf cannot be read"), "{alone}");
    // its rows can only be put in order by what the first part says
    let second = part(2, Builder::default().tensor("blk.0.attn_q.weight", &[4, 10], 0, 0));
    for path in [first.as_path(), &second, dir.path()] {
        let weights = Weights::open(path).unwrap();
        let names: Vec<&str> = weights.names().collect();
        assert_eq!(names, ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"]);
        assert_eq!(weights.gguf().unwrap().str("general.architecture"), Ok(Some("llama")));
        assert!(weights.bytes(names[1]).is_none());
    }
    std::fs::copy(&first, dir.path().join("other.gguf")).unwrap();
    assert!(Weights::open(dir.path()).unwrap_err().to_string().contains("several files of weights"));
}

#[test]
fn version_2_is_read_and_others_are_named() {
    let mut file = std::fs::read(data("llama.gguf")).unwrap();
    let (_dir, path) = saved(&file);
    let names = |path: &Path| Weights::open(path).unwrap().names().map(str::to_string).collect::<Vec<_>>();
    let expected = names(&path);
    file[4] = 2;
    let (_dir, path) = saved(&file);
    assert_eq!(names(&path), expected);
    file[4] = 1;
    assert_refused(&file, "GGUF version 1");
    file[4..8].copy_from_slice(&3u32.to_be_bytes());
    assert_refused(&file, "big-endian");
    file[..4].copy_from_slice(b"GGML");
    assert_refused(&file, "not with \"GGUF\"");
}

/// The file must be refused with a message that names it and contains `reason`.
#[track_caller]
fn assert_refused(bytes: &[u8], reason: &str) {
    let (_dir, path) = saved(bytes);
    let error = Weights::open(&path).map(|w| w.names().count()).expect_err("the file is broken");
    assert!(matches!(error, LoadError::Format { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(reason) && text.contains("model.gguf"), "expected {reason:?} in: {text}");
}

#[test]
fn truncation_is_found_wherever_it_happens() {
    let file = std::fs::read(data("llama.gguf")).unwrap();
    // The last tensor is padded to 32 bytes, of which it needs 16.
    for length in [0, 3, 4, 7, 12, 23, 24, 30, 100, 400, 1500, file.len() / 2, file.len() - 17] {
        let (_dir, path) = saved(&file[..length]);
        let error = Weights::open(&path).map(|w| w.names().count()).expect_err("truncated").to_string();
        assert!(error.contains("model.gguf") && error.contains("cannot be read"), "{length}: {error}");
    }
    assert_refused(&file[..file.len() - 17], "it is truncated");
    assert_refused(&file[..100], "it is truncated");
}

#[test]
fn counts_and_lengths_that_exceed_the_file_are_refused_before_anything_is_allocated() {
    let good = || Builder::default().pair("a", 4, &[1, 0, 0, 0]).tensor("t", &[8], 0, 0).data(32);
    let (_dir, path) = saved(&good().build());
    assert_eq!(Weights::open(&path).unwrap().read_f32("t").unwrap(), [0.0; 8]);
    for lie in [1 << 20, u64::MAX] {
        assert_refused(&Builder { row_count: lie, ..good() }.build(), "tensors, more than the remaining");
        assert_refused(&Builder { pair_count: lie, ..good() }.build(), "metadata values, more than the remaining");
        let list = |kind: u32| [kind.to_le_bytes().as_slice(), &lie.to_le_bytes()].concat();
        for kind in [0, 4, 8, 9, 10, 12] {
            assert_refused(&good().pair("list", 9, &list(kind)).build(), "elements of metadata value `list`");
        }
        assert_refused(
            &good().pair("text", 8, &lie.to_le_bytes()).build(),
            "metadata value `text` runs beyond the end",
        );
    }
    let mut rows = good();
    rows.rows[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_refused(&rows.build(), "the name of tensor 0 runs beyond");
}

#[test]
fn metadata_that_makes_no_sense_is_refused() {
    let file = |key: &str, kind, value: &[u8]| Builder::default().pair(key, kind, value).build();
    assert_refused(&file("k", 13, &[0; 32]), "metadata value `k` has the unknown type 13");
    assert_refused(&file("k", 7, &[2]), "not a truth value");
    assert_refused(&file("k", 8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]), "is not UTF-8");
    assert_refused(&file("k", 9, &[[99, 0, 0, 0].as_slice(), &[0; 32]].concat()), "a list of the unknown type 99");
    let one_list = [9u32.to_le_bytes().as_slice(), &1u64.to_le_bytes()].concat();
    assert_refused(&file("k", 9, &one_list.repeat(8)), "nested more than four deep");
    assert_refused(&Builder::default().pair("k", 0, &[1]).pair("k", 0, &[1]).build(), "`k` occurs twice");
    assert_refused(&file("general.alignment", 4, &0u32.to_le_bytes()), "not a power of two");
    assert_refused(&file("general.alignment", 4, &48u32.to_le_bytes()), "not a power of two");
}

#[test]
fn tensors_that_cannot_be_where_the_header_says_are_refused() {
    let one = |dims: &[u64], kind, offset| Builder::default().tensor("t", dims, kind, offset).data(1024).build();
    assert_refused(&one(&[8], 0, 1024), "should lie at bytes");
    assert_refused(&one(&[8], 0, 16), "is not a multiple of the alignment 32");
    assert_refused(&one(&[8], 0, u64::MAX - 31), "larger than any file");
    assert_refused(&one(&[u64::MAX, 2], 0, 0), "larger than any file");
    assert_refused(&one(&[1 << 62], 0, 0), "larger than any file");
    assert_refused(&one(&[1, 1, 1, 1, 1], 0, 0), "has 5 dimensions");
    assert_refused(&one(&[100, 2], 8, 0), "not whole Q8_0 blocks of 32");
    assert_refused(&one(&[128], 12, 0), "not whole Q4_K blocks of 256");
    assert_refused(&one(&[256], 19, 0), "is of ggml type 19 (IQ1_S), which raxla cannot read");
    assert_refused(&one(&[256], 4, 0), "is of ggml type 4 (unknown)");
    let two = |name: &str, offset| {
        Builder::default().tensor("t", &[16], 0, 0).tensor(name, &[16], 0, offset).data(1024).build()
    };
    assert_refused(&two("u", 32), "tensors `t` and `u` overlap");
    assert_refused(&two("t", 64), "tensor `t` occurs twice");
}

#[test]
fn a_llama_whose_heads_do_not_divide_its_rows_is_refused() {
    let llama = |heads: Option<u32>| {
        let file = Builder::default().pair("general.architecture", 8, &string("llama"));
        let file = match heads {
            Some(n) => file.pair("llama.attention.head_count", 4, &n.to_le_bytes()),
            None => file,
        };
        file.tensor("blk.0.attn_q.weight", &[4, 10], 0, 0).data(160).build()
    };
    assert_refused(&llama(Some(3)), "tensor `blk.0.attn_q.weight` of shape [10, 4] does not fit the metadata");
    assert_refused(&llama(Some(u32::MAX)), "does not fit the metadata");
    assert_refused(&llama(None), "no positive integer `llama.attention.head_count`");
    let (_dir, path) = saved(&llama(Some(5)));
    assert!(Weights::open(path).is_ok());
}

#[test]
fn an_unknown_architecture_opens_but_has_no_configuration() {
    let file =
        Builder::default().pair("general.architecture", 8, &string("mamba")).tensor("t", &[8], 0, 0).data(32).build();
    let (_dir, path) = saved(&file);
    let weights = Weights::open(path).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["t"]);
    let error = HfConfig::from_gguf(&weights).unwrap_err().to_string();
    assert!(
        error.contains("architecture \"mamba\"")
            && error.contains("llama, qwen2, qwen3, qwen3moe, gemma, gemma2, gemma3, gpt2"),
        "{error}"
    );
}

/// Opens a file of unknown quality and reads all it claims to hold. Errors are fine, panics are not.
fn exercise(bytes: &[u8]) {
    let (_dir, path) = saved(bytes);
    let Ok(weights) = Weights::open(path) else { return };
    for name in weights.names() {
        let _ = weights.read(name, DType::BF16);
    }
    if let Ok(config) = HfConfig::from_gguf(&weights) {
        let _ = config.rope();
    }
    let _ = raxla_graphs::tokenizer::Tokenizer::from_gguf(&weights);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(vec![
            "llama.gguf", "gpt2.gguf", "blocks.gguf", "families/mixtral_top2.gguf", "families/gemma3_pattern.gguf", "../tokenizer/bpe.gguf", "../tokenizer/spm.gguf",
        ]),
        // Most damage goes into the header, where it matters.
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), prop::bool::weighted(0.9)), 1..6),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let mut file = std::fs::read(data(name)).unwrap();
        for (at, byte, in_header) in edits {
            let range = if in_header { file.len().min(2500) } else { file.len() };
            let at = at.index(range);
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        exercise(&file);
    }

    #[test]
    fn arbitrary_headers_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&[b"GGUF\x03\0\0\0".as_slice(), &tail].concat());
    }
}
