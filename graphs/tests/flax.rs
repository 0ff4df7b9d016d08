//! Models with the names of Flax, read and written: flax_model.msgpack (scripts/make_checkpoint_fixtures.py), and checkpoints of
//! Orbax with the variables of Linen and the states of NNX (scripts/check_flax.py).

use crate::common::{assert_equal, quick_tier, tests, text};
use raxla::{DType, runtime};
use raxla_graphs::{
    Files, Format, LoadError, LoadOptions, Model, SaveOptions, WeightSource,
    weights::{Encoding, Weights},
};
use raxla_orbax::{ArrayKind, ArrayType, Checkpoint, Key, Layout, Options, Tree, Value, Writer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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
    let fixture = text(tests("fixtures/gpt2_f16"));
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    raxla_graphs::convert(&fixture, &a, &SaveOptions { dtype: Some(DType::BF16), ..flax() }).unwrap();
    raxla_graphs::convert(&fixture, &b, &SaveOptions { dtype: Some(DType::BF16), ..Default::default() }).unwrap();
    assert_equal(&a, &b);
}

fn written_as(format: Format) -> SaveOptions {
    SaveOptions { format, ..Default::default() }
}

fn stored(files: &Files) -> &Weights {
    let WeightSource::Stored(weights) = &files.weights else { panic!("weights of a file") };
    weights
}

/// The same parameters to the bit; and what names there are besides.
fn assert_same_parameters<'a>(have: &'a Files, want: &Files, what: &str) -> Vec<&'a str> {
    let spec = want.spec().unwrap();
    let (have, want) = (stored(have), stored(want));
    let names: BTreeSet<String> = spec.params().iter().flat_map(|(_, p)| p.checkpoint_names()).collect();
    for name in &names {
        // (a checkpoint of the bare model lacks the prefix)
        let own = [name.as_str(), name.trim_start_matches("transformer.")];
        let own = own.into_iter().find(|name| want.info(name).is_some()).unwrap();
        let (info, like) = (have.info(name).unwrap_or_else(|| panic!("{what} has no {name}")), want.info(own).unwrap());
        let Encoding::Plain(dtype) = info.encoding else { panic!("{what}: {name} is {}", info.encoding) };
        assert!(!matches!(like.encoding, Encoding::Plain(own) if own != dtype), "{what}: {name} is {dtype}");
        assert_eq!(info.dims, like.dims, "{what}: {name}");
        assert!(have.read(name, dtype).unwrap() == want.read(own, dtype).unwrap(), "{what}: {name}");
    }
    have.names().filter(|name| !names.contains(*name)).collect()
}

fn fixtures() -> Vec<PathBuf> {
    let all = fs::read_dir(tests("fixtures")).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<PathBuf> = all.filter(|p| p.join("config.json").is_file()).collect();
    all.sort();
    all
}

#[test]
fn every_family_there_and_back_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut families = BTreeSet::new();
    for fixture in fixtures() {
        let files = raxla_graphs::open(&text(&fixture)).unwrap();
        families.insert(files.config.model_type.clone());
        for format in [Format::Flax, Format::Orbax, Format::Nnx] {
            let what = format!("{}_{format:?}", fixture.file_name().unwrap().to_string_lossy());
            let to = dir.path().join(&what);
            raxla_graphs::convert(&text(&fixture), &to, &written_as(format)).unwrap();
            let back = raxla_graphs::open(&text(&to)).unwrap();
            let more = assert_same_parameters(&back, &files, &what);
            // nothing else, but for the head that only classes of transformers want
            let head = format == Format::Flax && ["llama", "mistral"].contains(&&*files.config.model_type);
            assert!(more.is_empty() || head && more == ["lm_head.weight"], "{what}: {more:?}");
        }
    }
    assert_eq!(families.len(), raxla_graphs::models::ARCHITECTURES.len(), "{families:?}");
}

/// The arrays of a checkpoint of Orbax.
fn tree(path: &Path) -> (Tree, BTreeMap<String, ArrayType>) {
    let tree = Checkpoint::open(path).unwrap().default_tree().unwrap().tree().unwrap();
    let array = |e: &raxla_orbax::Entry| match &e.value {
        Value::Array(array) => (e.name(), array.clone()),
        other => panic!("{}: {other:?}", e.name()),
    };
    let arrays = tree.entries().iter().map(array).collect();
    (tree, arrays)
}

#[test]
fn kernels_lie_as_layers_of_flax_want_them() {
    let dir = tempfile::tempdir().unwrap();
    for (fixture, name, shape) in [
        ("gpt2_plain", "transformer.h.1.attn.c_attn.kernel", vec![32, 96]),
        ("gpt2_plain", "transformer.h.1.mlp.c_proj.kernel", vec![128, 32]),
        ("gpt2_plain", "transformer.ln_f.scale", vec![32]),
        ("gpt2_plain", "transformer.wpe.embedding", vec![64, 32]),
        ("llama_gqa_untied", "model.layers.2.self_attn.k_proj.kernel", vec![32, 8]),
        ("llama_gqa_untied", "model.layers.2.mlp.down_proj.kernel", vec![56, 32]),
        ("llama_gqa_untied", "model.norm.scale", vec![32]),
        ("llama_gqa_untied", "lm_head.kernel", vec![32, 67]),
        ("mixtral_top2", "model.layers.0.block_sparse_moe.experts.1.w1.kernel", vec![32, 20]),
        ("gptoss_alternating", "model.layers.0.self_attn.sinks", vec![4]),
    ] {
        for (format, below) in [(Format::Orbax, "params."), (Format::Nnx, "")] {
            let to = dir.path().join(format!("{fixture}_{format:?}"));
            if !to.exists() {
                raxla_graphs::convert(&text(tests("fixtures").join(fixture)), &to, &written_as(format)).unwrap();
            }
            let name = format!("{below}{name}");
            let (_, arrays) = tree(&to);
            let found = arrays.get(&name).unwrap_or_else(|| panic!("no {name} in {:?}", arrays.keys()));
            assert_eq!(found.shape, shape, "{name}");
        }
    }
    // of a file for transformers' classes, GPT-2's matrices are the transposed ones
    let to = dir.path().join("gpt2");
    raxla_graphs::convert(&text(tests("fixtures/gpt2_plain")), &to, &flax()).unwrap();
    let file = fs::read(to.join("flax_model.msgpack")).unwrap();
    let shape = [&[0xdc, 0, 2, 0xcf][..], &96u64.to_be_bytes(), &[0xcf], &32u64.to_be_bytes()].concat();
    assert!(file.windows(shape.len()).any(|bytes| bytes == shape));
}

#[test]
fn what_flax_wrote_is_read() {
    // a pure dict; an nnx.State with the random numbers of a dropout; and the variables of a Linen module
    for name in ["nnx_gpt2", "nnx_llama", "linen_llama"] {
        let dir = tests("data/checkpoints").join(name);
        let want = Weights::open(dir.join("logits.reference")).unwrap();
        let (tokens, want) = (want.read("tokens", DType::I32).unwrap(), want.read_f32("logits").unwrap());
        let tokens: Vec<i32> = tokens.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let files = raxla_graphs::open(&text(&dir)).unwrap();
        let model = Model::load(files, &LoadOptions::default(), &runtime::client().unwrap()).unwrap();
        let have: Vec<f32> =
            model.scores(&tokens.iter().map(|t| *t as u32).collect::<Vec<_>>()).unwrap().logits.to_vec().unwrap();
        let largest = want.iter().fold(0f32, |m, x| m.max(x.abs()));
        let worst = have.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert_eq!(have.len(), want.len(), "{name}");
        assert!(worst < 1e-4 * largest, "{name}: {worst} of {largest}");
    }
}

/// Copies a checkpoint of Orbax, with other names and shapes; `change` gives `None` for what is left out.
fn changed(from: &Path, to: &Path, change: impl Fn(&str, &mut ArrayType) -> Option<String>) {
    let (tree, arrays) = tree(from);
    let mut writer = Writer::create(to, Options { layout: Layout::Direct, ..Default::default() }).unwrap();
    for (name, mut array) in arrays {
        let mut bytes = vec![0; array.shape.iter().product::<usize>() * array.dtype.size()];
        tree.read(&name, &mut bytes).unwrap();
        array.kind = ArrayKind::Numpy;
        let Some(new) = change(&name, &mut array) else { continue };
        array.chunk.clone_from(&array.shape);
        let path: Vec<Key> = new.split('.').map(|part| Key::Dict(part.into())).collect();
        writer.write(&path, &array, &bytes).unwrap();
    }
    writer.finish().unwrap();
    fs::copy(from.join("config.json"), to.join("config.json")).unwrap();
}

#[test]
fn other_names_and_shapes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (from, whole) = (tests("fixtures/llama_gqa_untied"), dir.path().join("whole"));
    raxla_graphs::convert(&text(from), &whole, &written_as(Format::Nnx)).unwrap();
    let refused = |name: &str, change: &dyn Fn(&str, &mut ArrayType) -> Option<String>| {
        let to = dir.path().join(name);
        changed(&whole, &to, change);
        let files = raxla_graphs::open(&text(&to)).unwrap();
        let loaded = Model::load(files, &LoadOptions::default(), &runtime::client().unwrap()).map(drop);
        // what is written in another format is compared with the model too
        let written = dir.path().join(format!("{name}_again"));
        let again = raxla_graphs::convert(&text(&to), &written, &written_as(Format::Orbax)).map(drop);
        let [error, again] = [loaded, again].map(|outcome| outcome.unwrap_err().to_string());
        assert_eq!(error, again);
        assert!(!written.exists());
        error
    };
    let error = refused("renamed", &|name, _| Some(name.replace("layers.1.self_attn", "layers.1.attention")));
    for part in [
        "does not hold this model's 30 parameters",
        "4 missing:\n    model/layers/1/self_attn/k_proj/kernel",
        "4 unexpected:\n    model/layers/1/attention/k_proj/kernel",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = refused("missing", &|name, _| (name != "model.norm.scale").then(|| name.to_string()));
    assert!(error.contains("1 missing:\n    model/norm/scale"), "{error}");
    let error = refused("transposed", &|name, array| {
        if name.ends_with("layers.0.mlp.down_proj.kernel") {
            array.shape.reverse();
        }
        Some(name.to_string())
    });
    assert!(error.contains("    model/layers/0/mlp/down_proj/kernel: expected [56, 32], found [32, 56]"), "{error}");
    // a layer over several axes has a kernel of three
    let error = refused("heads", &|name, array| {
        if name.ends_with("layers.0.self_attn.q_proj.kernel") {
            array.shape = vec![32, 4, 8];
        }
        Some(name.to_string())
    });
    assert!(error.contains("self_attn/q_proj/kernel: expected [32, 32], found [32, 4, 8]"), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    raxla_graphs::convert(&text(tests("fixtures/qwen3_head_dim")), &whole, &written_as(Format::Nnx)).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    let files = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let data = files(whole.join("ocdbt.process_0/d")).remove(0);
    let node = files(whole.join("d")).remove(0);
    for file in [whole.join("_METADATA"), whole.join("manifest.ocdbt"), node, data] {
        let bytes = fs::read(&file).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x10;
        for damaged in [&bytes[..bytes.len() / 2], &[][..], &flipped[..]] {
            fs::write(&file, damaged).unwrap();
            // (a changed bit may be that of a name in the metadata, which is text)
            match Weights::open(&whole) {
                Err(error) => assert!(error.to_string().contains("whole"), "{}: {error}", name(&file)),
                Ok(_) => assert!(damaged == flipped && name(&file) == "_METADATA", "{}", name(&file)),
            }
        }
        fs::remove_file(&file).unwrap();
        assert!(Weights::open(&whole).is_err(), "{}", name(&file));
        fs::write(&file, bytes).unwrap();
        Weights::open(&whole).unwrap();
    }
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
    let step = if quick_tier() { 10 } else { 1 };
    for cut in (0..whole.len()).step_by(step) {
        let error = try_all(&path, &whole[..cut]).expect_err("a part of the file is no checkpoint").to_string();
        assert!(error.contains("flax_model.msgpack"), "{error}");
    }
    for at in (0..whole.len()).step_by(step) {
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
