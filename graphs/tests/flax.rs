//! flax_model.msgpack, read (scripts/make_checkpoint_fixtures.py) and written.

use crate::common::{assert_equal, tests, text};
use raxla::{DType, runtime};
use raxla_graphs::{
    Format, LoadError, LoadOptions, Model, SaveOptions,
    weights::{Encoding, Weights},
};
use std::path::Path;

fn logits(path: &Path) -> Vec<f32> {
    let files = raxla_graphs::open(&text(path)).unwrap();
    let model = Model::load(files, &LoadOptions::default(), &runtime::client().unwrap()).unwrap();
    model.scores(&[3, 5, 7]).unwrap().logits.to_vec().unwrap()
}

fn flax() -> SaveOptions {
    SaveOptions { format: Format::Flax, ..Default::default() }
}

#[test]
fn arrays_of_every_dtype_and_in_pieces_are_read() {
    assert_equal(&tests("data/checkpoints/flax.msgpack"), &tests("data/checkpoints/flax.safetensors"));
}

#[test]
fn models_are_read_and_written_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    for (name, fixture) in [("flax_gpt2", "fixtures/gpt2_f16"), ("flax_llama", "fixtures/llama_bf16")] {
        let (from, fixture) = (tests("data/checkpoints").join(name), tests(fixture));
        assert_equal(&from, &fixture);
        assert_eq!(logits(&from), logits(&fixture));
        // there and back
        let (written, back) = (dir.path().join(name), dir.path().join(format!("{name}_back")));
        raxla_graphs::convert(&text(&fixture), &written, &flax()).unwrap();
        assert!(written.join("flax_model.msgpack").is_file() && !written.join("model.safetensors").exists());
        assert_equal(&written, &fixture);
        raxla_graphs::convert(&text(&written), &back, &SaveOptions::default()).unwrap();
        assert_equal(&back, &fixture);
        // in several files
        let shards = dir.path().join(format!("{name}_shards"));
        let options = SaveOptions { max_shard_size: 9_000, ..flax() };
        assert!(raxla_graphs::convert(&text(&fixture), &shards, &options).unwrap().files > 2);
        assert_equal(&shards, &fixture);
    }
}

#[test]
fn every_family_with_flax_classes_is_written() {
    let dir = tempfile::tempdir().unwrap();
    // names without their prefix and masks that are no parameters; heads of one's own, tied ones, and those which only
    // Flax does not tie
    let fixtures = ["gpt2_hub", "gpt2_upcast_untied", "llama_mha_tied", "mistral_head_dim_tied", "gemma_tied"];
    for (i, fixture) in fixtures.into_iter().enumerate() {
        let (from, to) = (tests("fixtures").join(fixture), dir.path().join(fixture));
        if i % 2 == 0 {
            raxla_graphs::convert(&text(&from), &to, &flax()).unwrap();
        } else {
            let files = raxla_graphs::open(&text(&from)).unwrap();
            let options = LoadOptions { scanned: true, ..Default::default() };
            Model::load(files, &options, &runtime::client().unwrap()).unwrap().save(&to, &flax()).unwrap();
        }
        assert_eq!(logits(&to), logits(&from), "{fixture}");
        let written = Weights::open(&to).unwrap();
        let head = written.info("lm_head.weight").is_some();
        assert_eq!(head, !["gpt2_hub", "gemma_tied"].contains(&fixture), "{fixture}");
        assert!(written.names().all(|n| !n.ends_with(".attn.bias")), "{fixture}");
    }
    let error = raxla_graphs::convert(&text(tests("fixtures/qwen2_tied")), &dir.path().join("q"), &flax()).unwrap_err();
    assert!(error.to_string().contains("no Flax class for `qwen2`, only for gpt2, llama, mistral, gemma"), "{error}");
    assert!(!dir.path().join("q").exists());
    let fixture = text(tests("fixtures/gpt2_f16"));
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    raxla_graphs::convert(&fixture, &a, &SaveOptions { dtype: Some(DType::BF16), ..flax() }).unwrap();
    raxla_graphs::convert(&fixture, &b, &SaveOptions { dtype: Some(DType::BF16), ..Default::default() }).unwrap();
    assert_equal(&a, &b);
}

/// Opens the file with these bytes and reads all it has.
fn try_all(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    std::fs::write(path, bytes).unwrap();
    let weights = Weights::open(path)?;
    for name in weights.names() {
        let info = weights.info(name).unwrap();
        let Encoding::Plain(dtype) = info.encoding else { continue };
        assert!(info.elements() * dtype.bits() / 8 <= bytes.len(), "{name} takes {info:?}");
        let _ = weights.read(name, dtype)?;
    }
    Ok(())
}

#[test]
fn damage_is_an_error_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flax_model.msgpack");
    let whole = std::fs::read(tests("data/checkpoints/flax.msgpack")).unwrap();
    try_all(&path, &whole).unwrap();
    for cut in 0..whole.len() {
        let error = try_all(&path, &whole[..cut]).expect_err("a part of the file is no checkpoint").to_string();
        assert!(error.contains("flax_model.msgpack"), "{error}");
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let _ = try_all(&path, &bytes);
        }
    }
    let refusal = |bytes: &[u8]| try_all(&path, bytes).expect_err("it must be refused").to_string();
    let array = |body: &[u8]| [b"\x81\xa1w\xc7".as_slice(), &[body.len() as u8, 1], body].concat();
    try_all(&path, &array(b"\x93\x91\x01\xa7float32\xc4\x04\0\0\0\0")).unwrap();
    for (bytes, reason) in [
        (array(b"\x93\x91\x02\xa7float32\xc4\x04\0\0\0\0"), "its shape is [2], its dtype float32, but it has 4 bytes"),
        (array(b"\x93\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x02\xa7float32\xc4\x04\0\0\0\0"), "but it has 4 bytes"),
        (array(b"\x93\x91\xff\xa7float32\xc4\x04\0\0\0\0"), "its shape is no list of sizes"),
        (array(b"\x93\x91\x01\xa9complex64\xc4\x08\0\0\0\0\0\0\0\0"), "raxla has no dtype \"complex64\" (in `w`)"),
        (array(b"\x92\x91\x01\xa7float32"), "it is not shape, dtype and bytes"),
        (array(b"\xc0"), "it is no list"),
        (array(b"\x93\x91\x01\xa7float32\xc4\x04\0\0\0\0\xc0"), "its parts do not fill it"),
        (b"\x81\xa1w\xc9\xff\xff\xff\xff\x01".to_vec(), "ends too early"),
        (b"\x81\xa1w\xc6\xff\xff\xff\xff\x01".to_vec(), "ends too early"),
        (b"\xdf\xff\xff\xff\xff\xa1w\xc0".to_vec(), "ends too early"),
        (b"\x81\x01\xc0".to_vec(), "a key of a map is no text"),
        (b"\xc0".to_vec(), "something other than a map"),
        (b"\x80".to_vec(), "it holds no arrays"),
        (b"\x80\x80".to_vec(), "1 bytes follow its map"),
        (b"\xc1".to_vec(), "it is no MessagePack"),
        (b"\x81\xa1w".repeat(70), "nested more than 64 deep"),
        (b"\x91".repeat(70), "nested more than 64 deep"),
        ([b"\xdd\xff\xff\xff\xff".as_slice(), &[0xc0; 1 << 18]].concat(), "describes more than"),
    ] {
        let error = refusal(&bytes);
        assert!(error.contains(reason), "expected {reason:?} in: {error}");
    }
    let chunked = |shape: u8| {
        let piece = b"\xc7\x11\x01\x93\x91\x01\xa7float32\xc4\x04\0\0\0\0".as_slice();
        let start = b"\x81\xa1w\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\x81\xa10".as_slice();
        [start, &[shape], b"\xa6chunks\x82\xa10", piece, b"\xa11", piece].concat()
    };
    try_all(&path, &chunked(2)).unwrap();
    assert!(refusal(&chunked(3)).contains("the pieces of array `w` do not fit together"));
}
