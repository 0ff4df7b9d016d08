//! Reading a checkpoint keeps at most one tensor in memory.

use graphs::weights::Weights;
use safetensors::tensor::{Dtype, TensorView};
use xla_extension::DType;

/// The memory of this process that is in use, mapped files included, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
#[cfg(target_os = "linux")]
fn a_tensor_that_was_read_is_given_back() {
    const MIB: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    {
        let values = vec![0x3f; 4 * MIB];
        let names: Vec<String> = (0..32).map(|i| format!("t{i}")).collect();
        let views = names.iter().map(|n| (n, TensorView::new(Dtype::BF16, vec![2 * MIB], &values).unwrap()));
        safetensors::serialize_to_file(views, None, &path).unwrap();
    }
    let weights = Weights::open(&path).unwrap();
    let before = resident();
    for name in weights.names() {
        let values = weights.read(name, DType::F32).unwrap();
        assert_eq!(values.len(), 8 * MIB);
        let grown = resident().saturating_sub(before);
        // One result of 8 MiB, and slack for the allocator and the threads.
        assert!(grown < 24 * MIB, "{name}: {} MiB of a file of 128 MiB", grown / MIB);
    }
}
