//! safetensors checkpoints: dtypes, shards, damage, and the comparison with a model's parameters.

use half::{bf16, f16};
use proptest::prelude::*;
use raxla_graphs::LoadError;
use raxla_graphs::weights::Weights;
use raxla_xla::DType;
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use tempfile::TempDir;

/// Writes a safetensors file of f32 tensors.
fn write(path: &Path, tensors: &[(&str, &[usize], &[f32])]) {
    let view = |dims: &[usize], values: &[f32]| f32_bytes(values).map(|b| (dims.to_vec(), b));
    let stored: Vec<_> = tensors.iter().map(|(name, dims, values)| (*name, view(dims, values).unwrap())).collect();
    let views =
        stored.iter().map(|(name, (dims, bytes))| (name, TensorView::new(Dtype::F32, dims.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn f32_bytes(values: &[f32]) -> Option<Vec<u8>> {
    Some(values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn saved(name: &str, bytes: &[u8]) -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// A file whose header is `header`, followed by `data` zero bytes.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

#[track_caller]
fn refusal(path: &Path) -> String {
    Weights::open(path).map(|w| w.names().count()).expect_err("it must be refused").to_string()
}

#[track_caller]
fn assert_refused(bytes: &[u8], reason: &str) {
    let (_dir, path) = saved("model.safetensors", bytes);
    let text = refusal(&path);
    assert!(text.contains(reason) && text.contains("model.safetensors"), "expected {reason:?} in: {text}");
}

#[test]
fn every_float_dtype_is_converted_with_one_rounding() {
    let values = [0.0, -0.0, 1.0, -2.5, 0.1, 3.0e-5, 60000.0, 1.0 + 1.0 / 256.0, f64::INFINITY];
    let stored: Vec<(&str, Dtype, Vec<u8>)> = vec![
        ("f64", Dtype::F64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("f32", Dtype::F32, values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect()),
        ("f16", Dtype::F16, values.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()).collect()),
        ("bf16", Dtype::BF16, values.iter().flat_map(|v| bf16::from_f64(*v).to_le_bytes()).collect()),
        ("f8e5m2", Dtype::F8_E5M2, vec![0x00, 0x80, 0x3c, 0xc1, 0x2e, 0x01, 0x7b, 0x3c, 0x7c]),
        ("f8e4m3fn", Dtype::F8_E4M3, vec![0x00, 0x80, 0x38, 0xc2, 0x1d, 0x01, 0x7e, 0x38, 0x30]),
        ("f8e4m3fnuz", Dtype::F8_E4M3FNUZ, vec![0x00, 0x40, 0xc0, 0x25, 0x01, 0x7f, 0x40, 0x38, 0x80]),
        ("f8e5m2fnuz", Dtype::F8_E5M2FNUZ, vec![0x00, 0x40, 0xc0, 0x32, 0x01, 0x7f, 0x40, 0x3c, 0x44]),
        ("f8e8m0fnu", Dtype::F8_E8M0, vec![0x7f, 0x80, 0x7e, 0x01, 0xfe, 0x7f, 0x82, 0x70, 0x90]),
        ("i64", Dtype::I64, (0..9i64).flat_map(|v| v.to_le_bytes()).collect()),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let views = stored.iter().map(|(n, d, b)| (n, TensorView::new(*d, vec![3, 3], b).unwrap()));
    safetensors::serialize_to_file(views, None, &path).unwrap();
    let weights = Weights::open(dir.path()).unwrap();
    let as_f64 = |name: &str| -> Vec<f64> {
        let bytes = weights.read(name, DType::F64).unwrap();
        bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    };
    assert_eq!(as_f64("f64"), values);
    assert_eq!(as_f64("f8e5m2"), [0.0, -0.0, 1.0, -2.5, 0.09375, 2f64.powi(-16), 57344.0, 1.0, f64::INFINITY]);
    assert_eq!(as_f64("f8e4m3fn"), [0.0, -0.0, 1.0, -2.5, 0.1015625, 2f64.powi(-9), 448.0, 1.0, 0.5]);
    assert_eq!(as_f64("f8e4m3fnuz")[..7], [0.0, 1.0, -1.0, 0.1015625, 2f64.powi(-10), 240.0, 1.0]);
    assert!(as_f64("f8e4m3fnuz")[8].is_nan());
    assert_eq!(as_f64("f8e5m2fnuz"), [0.0, 1.0, -1.0, 0.09375, 2f64.powi(-17), 57344.0, 1.0, 0.5, 2.0]);
    assert_eq!(as_f64("f8e8m0fnu")[..4], [1.0, 2.0, 0.5, 2f64.powi(-126)]);
    for (name, dtype, bytes) in stored.iter().filter(|s| !matches!(s.1, Dtype::I64 | Dtype::F8_E4M3FNUZ)) {
        let exact = as_f64(name);
        assert_eq!(weights.info(name).unwrap().dims, [3, 3]);
        assert_eq!(weights.info(name).unwrap().encoding.to_string(), *name);
        assert_eq!(weights.bytes(name).unwrap(), bytes, "{dtype:?}");
        assert_eq!(weights.read_f32(name).unwrap(), exact.iter().map(|v| *v as f32).collect::<Vec<_>>());
        let bf16s: Vec<u8> = exact.iter().flat_map(|v| bf16::from_f64(*v).to_le_bytes()).collect();
        assert_eq!(weights.read(name, DType::BF16).unwrap(), bf16s, "{name}");
        let f16s: Vec<u8> = exact.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()).collect();
        assert_eq!(weights.read(name, DType::F16).unwrap(), f16s, "{name}");
    }
    assert_eq!(weights.read("i64", DType::I64).unwrap(), stored[9].2);
    let error = weights.read("i64", DType::F32).unwrap_err().to_string();
    assert!(error.contains("`i64`") && error.contains("stored as i64 and cannot be read as f32"), "{error}");
    // complex numbers are not taken for floats of twice as many
    let spectrum = dir.path().join("spectrum.safetensors");
    let view = TensorView::new(Dtype::C64, vec![2], &[0; 16]).unwrap();
    safetensors::serialize_to_file([("filter", view)], None, &spectrum).unwrap();
    let complex = Weights::open(&spectrum).unwrap();
    assert_eq!(complex.info("filter").unwrap().encoding.to_string(), "C64");
    for dtype in [DType::F32, DType::BF16] {
        let error = complex.read("filter", dtype).unwrap_err().to_string();
        assert!(error.contains("`filter`") && error.contains("spectrum.safetensors"), "{error}");
        assert!(error.contains(&format!("stored as C64 and cannot be read as {dtype}")), "{error}");
        assert!(error.contains("help: take a checkpoint with weights in bf16, f16 or f32"), "{error}");
    }
    let error = weights.read_f32("absent").unwrap_err().to_string();
    assert!(error.contains("`absent`") && error.contains("no such tensor"), "{error}");
    let mut wrong = [0; 8];
    assert!(weights.read_into("f32", DType::F32, &mut wrong).unwrap_err().to_string().contains("takes 36 bytes"));
}

#[test]
fn shards_are_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.safetensors"), &[("x", &[2], &[1.0, 2.0])]);
    write(&dir.path().join("b.safetensors"), &[("y", &[1, 1], &[3.0]), ("z", &[], &[4.0])]);
    let index = dir.path().join("model.safetensors.index.json");
    std::fs::write(
        &index,
        r#"{"metadata": {}, "weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "b.safetensors"}}"#,
    )
    .unwrap();
    let weights = Weights::open(dir.path()).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["x", "y", "z"]);
    assert_eq!((weights.read_f32("x").unwrap(), weights.read_f32("z").unwrap()), (vec![1.0, 2.0], vec![4.0]));
    assert_eq!(weights.stored_bytes(), 16);

    std::fs::write(&index, r#"{"weight_map": {"x": "a.safetensors", "w": "b.safetensors"}}"#).unwrap();
    assert!(refusal(dir.path()).contains("lists tensor `w`, which none of its files holds"));
    std::fs::write(&index, r#"{"weight_map": {"x": "c.safetensors"}}"#).unwrap();
    assert!(refusal(dir.path()).contains("c.safetensors"));
    for outside in ["../a.safetensors", "/etc/passwd", "..", "sub/a.safetensors"] {
        std::fs::write(&index, format!(r#"{{"weight_map": {{"x": "{outside}"}}}}"#)).unwrap();
        assert!(refusal(dir.path()).contains("is not a file name"), "{outside}");
    }
    std::fs::write(&index, "{").unwrap();
    assert!(refusal(dir.path()).contains("model.safetensors.index.json"));
    write(&dir.path().join("b.safetensors"), &[("x", &[1], &[3.0])]);
    std::fs::write(&index, r#"{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}"#).unwrap();
    assert!(refusal(dir.path()).contains("tensor `x` occurs twice"));
}

#[test]
fn a_directory_needs_exactly_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refusal(dir.path()).contains("the directory has no weights"));
    write(&dir.path().join("only.safetensors"), &[("x", &[1], &[1.0])]);
    assert_eq!(Weights::open(dir.path()).unwrap().names().count(), 1);
    write(&dir.path().join("second.safetensors"), &[("x", &[1], &[1.0])]);
    let text = refusal(dir.path());
    assert!(text.contains("several files") && text.contains("only.safetensors"), "{text}");
    assert!(matches!(Weights::open(dir.path().join("nothing.safetensors")), Err(LoadError::Io { .. })));
}

#[test]
fn truncated_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole");
    write(&path, &[("x", &[4], &[1.0; 4]), ("y", &[4], &[2.0; 4])]);
    let file = std::fs::read(path).unwrap();
    assert_refused(&[], "it is empty");
    assert_refused(&file[..7], "it has 7 bytes");
    assert_refused(&file[..20], "only 12 follow: the file is truncated");
    assert_refused(&file[..file.len() - 1], "it is truncated: the header announces 32 bytes of values, 1 more");
    assert_refused(&[file.as_slice(), &[0]].concat(), "1 bytes follow the values");
    assert_refused(b"<!DOCTYPE html><html><body>404</body></html>", "it is no safetensors file");
}

#[test]
fn headers_that_lie_are_refused() {
    let one = |shape: &str, begin: u64, end: u64| {
        with_header(&format!(r#"{{"t": {{"dtype": "F32", "shape": {shape}, "data_offsets": [{begin}, {end}]}}}}"#), 64)
    };
    assert_refused(&[u64::MAX.to_le_bytes().as_slice(), &[0; 64]].concat(), "its header should take");
    assert_refused(&with_header("not json", 0), "its header is invalid");
    assert_refused(&one("[16]", 0, 32), "its header is invalid");
    assert_refused(&one("[16]", 8, 72), "its header is invalid");
    assert_refused(&one("[18446744073709551615, 4]", 0, 64), "its header is invalid");
    assert_refused(&one("[-1]", 0, 64), "its header is invalid");
    assert_refused(
        &with_header(r#"{"t": {"dtype": "F31", "shape": [1], "data_offsets": [0, 4]}}"#, 4),
        "its header is invalid",
    );
    let overlap = r#"{"t": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
                      "u": {"dtype": "U8", "shape": [8], "data_offsets": [4, 12]}}"#;
    assert_refused(&with_header(overlap, 12), "its header is invalid");
    // Offsets whose sum with the header's length exceeds 64 bits.
    let step = (1u64 << 61) - 1;
    let chain: Vec<String> = (0..8u64)
        .map(|i| {
            format!(
                r#""t{i}": {{"dtype": "U8", "shape": [{step}], "data_offsets": [{}, {}]}}"#,
                i * step,
                (i + 1) * step
            )
        })
        .collect();
    assert_refused(&with_header(&format!("{{{}}}", chain.join(", ")), 64), "it is truncated");
}

#[test]
fn missing_unexpected_and_misshapen_names_come_in_one_report() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(
        &path,
        &[
            ("a", &[2], &[0.0; 2]),
            ("b", &[1, 2], &[0.0; 2]),
            ("extra", &[1], &[0.0]),
            ("rotary.inv_freq", &[1], &[0.0]),
        ],
    );
    let weights = Weights::open(&path).unwrap();
    let parameter = |name: &str, dims: &[usize]| (name.to_string(), dims.to_vec());
    let buffers = |name: &str| name.ends_with("inv_freq");
    assert!(
        weights.check(&[parameter("a", &[2]), parameter("b", &[1, 2]), parameter("extra", &[1])], &buffers).is_ok()
    );
    let mut expected = vec![parameter("a", &[2]), parameter("b", &[2, 1])];
    expected.extend((0..12).map(|i| parameter(&format!("layer.{i:02}"), &[1])));
    let error = weights.check(&expected, &buffers).unwrap_err();
    let LoadError::Mismatch(mismatch) = &error else { panic!("{error:?}") };
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.as_slice()), (12, ["extra".to_string()].as_slice()));
    assert_eq!(mismatch.misshapen, [("b".to_string(), vec![2, 1], vec![1, 2])]);
    let text = error.to_string();
    for part in [
        "model.safetensors",
        "14 parameters",
        "12 missing:",
        "layer.09",
        "and 2 more",
        "1 unexpected:",
        "extra",
        "b: expected [2, 1], found [1, 2]",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!text.contains("layer.10") && !text.contains("inv_freq"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let header = r#"{"a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
                         "b": {"dtype": "F64", "shape": [1], "data_offsets": [12, 20]}}"#;
        let mut file = with_header(header, 20);
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let (_dir, path) = saved("model.safetensors", &file);
        if let Ok(weights) = Weights::open(path) {
            for name in weights.names() {
                let _ = weights.read_f32(name);
            }
        }
    }
}
