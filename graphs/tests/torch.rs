//! Files of torch.save against the same tensors as safetensors (scripts/make_checkpoint_fixtures.py), and damage to them.

use crate::common::quick_tier;
use raxla_graphs::weights::{Encoding, Weights};
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints").join(name)
}

/// The same names, dtypes, shapes and bytes.
#[track_caller]
fn assert_equal(have: &Weights, want: &Weights) {
    assert_eq!(have.names().collect::<Vec<_>>(), want.names().collect::<Vec<_>>());
    for name in want.names() {
        let info = want.info(name).unwrap();
        assert_eq!(have.info(name).unwrap(), info, "{name}");
        let Encoding::Plain(dtype) = info.encoding else { panic!("{name}: {}", info.encoding) };
        assert_eq!(have.read(name, dtype).unwrap(), want.bytes(name).unwrap(), "{name}");
        if matches!(dtype.name(), "f64" | "f32" | "f16" | "bf16" | "f8e4m3fn" | "f8e5m2") {
            assert_eq!(have.read_f32(name).unwrap(), want.read_f32(name).unwrap(), "{name}");
        }
    }
}

const FILES: [&str; 9] = [
    "protocol1.bin",
    "protocol2.bin",
    "protocol4.bin",
    "protocol5.bin",
    "views.pt",
    "before_zip.pth",
    "state_dict.pt",
    "model.pth",
    "mixed.bin",
];

#[test]
fn every_protocol_dtype_and_view_is_read() {
    for file in FILES {
        println!("{file}");
        let path = data(file);
        assert_equal(&Weights::open(&path).unwrap(), &Weights::open(path.with_extension("safetensors")).unwrap());
    }
}

#[test]
fn shards_are_one_model() {
    let want = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama_bf16");
    assert_equal(&Weights::open(data("torch_shards")).unwrap(), &Weights::open(want).unwrap());
    let files = raxla_graphs::open(data("torch_shards").to_str().unwrap()).unwrap();
    assert_eq!(files.config.model_type, "llama");
}

#[test]
fn nothing_is_run_and_the_name_is_told() {
    for (file, reason) in [
        ("code", "it needs `__builtin__.eval`"),
        ("namespace", "it needs `argparse.Namespace`"),
        ("module", "it needs `torch.nn.modules.linear.Linear`"),
        ("numbers", "it holds no tensors"),
        ("list", "it holds something other than a dict of tensors"),
        ("complex", "it needs `torch.ComplexFloatStorage`"),
    ] {
        let error = Weights::open(data(&format!("refused/{file}.bin"))).unwrap_err().to_string();
        assert!(error.contains(reason), "{file}: {error}");
        assert!(!error.contains("it needs") || error.contains("safetensors.torch.save_file"), "{file}: {error}");
    }
}

/// Opens the file with these bytes and reads all it has.
fn try_all(path: &Path, bytes: &[u8]) -> Result<(), raxla_graphs::LoadError> {
    std::fs::write(path, bytes).unwrap();
    let weights = Weights::open(path)?;
    for name in weights.names() {
        let info = weights.info(name).unwrap();
        let Encoding::Plain(dtype) = info.encoding else { continue };
        assert!(info.elements() * dtype.bits() / 8 <= 4 * bytes.len(), "{name} takes {info:?}");
        let _ = weights.read(name, dtype)?;
    }
    Ok(())
}

#[test]
fn damage_is_an_error_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let step = if quick_tier() { 10 } else { 1 };
    for file in ["protocol2.bin", "protocol4.bin", "views.pt", "before_zip.pth"] {
        let path = dir.path().join(file);
        let whole = std::fs::read(data(file)).unwrap();
        for cut in (0..whole.len()).step_by(49 * step) {
            let error = try_all(&path, &whole[..cut]).expect_err("a part of the file is no checkpoint").to_string();
            assert!(error.contains(file), "{error}");
        }
        for at in (0..whole.len()).step_by(11 * step) {
            for flip in [0x01, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let _ = try_all(&path, &bytes);
            }
        }
    }
}

/// An archive of stored entries, as torch.save makes it.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (vec![], vec![]);
    for (name, data) in entries {
        let offset = (file.len() as u32).to_le_bytes();
        let (size, n) = ((data.len() as u32).to_le_bytes(), (name.len() as u16).to_le_bytes());
        file.extend([b"PK\x03\x04".as_slice(), &[0; 14], &size, &size, &n, &[0; 2], name.as_bytes(), data].concat());
        let head = [b"PK\x01\x02".as_slice(), &[0; 16], &size, &size, &n, &[0; 12], &offset, name.as_bytes()];
        directory.extend(head.concat());
    }
    let (at, n) = ((file.len() as u32).to_le_bytes(), (entries.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend([b"PK\x05\x06".as_slice(), &[0; 4], &n, &n, &size, &at, &[0; 2]].concat());
    file
}

#[test]
fn pickles_that_lie_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.bin");
    let refusal = |pickle: &[u8]| {
        let file = archive(&[("m/data.pkl", pickle), ("m/data/0", &[0; 16])]);
        try_all(&path, &file).expect_err("it must be refused").to_string()
    };
    // {"w": a view of FloatStorage "0" with this offset, shape and strides}
    let tensor = |len: u8, view: &[u8]| {
        let storage = b"}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK";
        [storage.as_slice(), &[len], b"tQ", view, b"\x89NtRs."].concat()
    };
    let good = archive(&[("m/data.pkl", &tensor(4, b"K\x00K\x04\x85K\x01\x85")), ("m/data/0", &[0; 16])]);
    try_all(&path, &good).unwrap();
    for (pickle, reason) in [
        (tensor(5, b"K\x00K\x04\x85K\x01\x85"), "has a storage of 5 values, but its entry holds 16 bytes"),
        (tensor(4, b"K\x01K\x04\x85K\x01\x85"), "reaches beyond its storage"),
        (tensor(4, b"K\x00K\x02\x85K\xff\x85"), "reaches beyond its storage"),
        (tensor(4, b"K\x00J\xff\xff\xff\xff\x85K\x01\x85"), "a tensor has the size -1"),
        (tensor(4, b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85"), "is larger than the file"),
        (
            tensor(4, b"K\x00(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ft(K\x00K\x00K\x00t"),
            "is larger than the file",
        ),
        (tensor(4, b"K\x00K\x04\x85)"), "a tensor has 1 axes and 0 strides"),
        (b"}X\xff\xff\xff\xffw.".to_vec(), "its pickle ends too early"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "its pickle ends too early"),
        (b"0.".to_vec(), "takes more from the stack"),
        (b"(.".to_vec(), "takes more from the stack"),
        (b"u.".to_vec(), "no mark"),
        (b"}(Nu.".to_vec(), "a key without a value"),
        (b"h\x07.".to_vec(), "never stored"),
        (b"}b.".to_vec(), "something other than a dict has a state"),
        (b"\x85.".to_vec(), "takes more from the stack"),
        (b"ios\nsystem\n.".to_vec(), "opcode 0x69"),
        (b"cos\nsystem\n(X\x02\0\0\0lstR.".to_vec(), "it needs `os.system`"),
        (b"\x8c\x02os\x8c\x06system\x93.".to_vec(), "it needs `os.system`"),
        ([&b"N".repeat(1 << 20), b".".as_slice()].concat(), "makes more than"),
        ([b"(N".as_slice(), &b"2".repeat(200), &b"t(h\x00t".repeat(200), b"."].concat(), "never stored"),
        ([&b"(".repeat(1 << 20), b".".as_slice()].concat(), "makes more than"),
        ([b"]".as_slice(), &b"]a".repeat(1 << 19), b"."].concat(), "makes more than"),
    ] {
        let error = refusal(&pickle);
        assert!(error.contains(reason), "expected {reason:?} in: {error}");
    }
    for (entries, reason) in [
        (vec![("a", [0u8; 4].as_slice())], "without data.pkl"),
        (vec![("m/data.pkl", b"}."), ("m/data.pkl", b"}.")], "occurs twice"),
        (vec![("m/data.pkl", &tensor(0, b"K\x00K\x00\x85K\x01\x85"))], "needs storage \"0\", which is missing"),
        (vec![("m/byteorder", b"big"), ("m/data.pkl", b"}.")], "big-endian"),
    ] {
        let error = try_all(&path, &archive(&entries)).unwrap_err().to_string();
        assert!(error.contains(reason), "expected {reason:?} in: {error}");
    }
    let mut compressed = archive(&[("m/data.pkl", b"}.")]);
    let head = compressed.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    compressed[head + 10] = 8;
    assert!(try_all(&path, &compressed).unwrap_err().to_string().contains("is compressed or encrypted"));
    assert!(try_all(&path, b"neither").unwrap_err().to_string().contains("its zip directory is missing"));
}
