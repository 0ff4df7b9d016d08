//! Checkpoints of the tests, and whether two are the same.

pub mod gguf;
pub mod hub;
pub mod page;

use raxla_graphs::weights::{Encoding, Weights};
use raxla_xla::{CompileOptions, OptionValue};
use std::path::{Path, PathBuf};

/// A path below `graphs/tests`.
pub fn tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

pub fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().unwrap().to_string()
}

/// The same names, dtypes, shapes and bytes.
#[track_caller]
pub fn assert_equal(have: &Path, want: &Path) {
    let [have, want] = [have, want].map(|p| Weights::open(p).unwrap());
    assert_eq!(have.names().collect::<Vec<_>>(), want.names().collect::<Vec<_>>());
    for name in want.names() {
        let info = want.info(name).unwrap();
        assert_eq!(have.info(name).unwrap(), info, "{name}");
        let Encoding::Plain(dtype) = info.encoding else { panic!("{name}: {}", info.encoding) };
        assert_eq!(have.read(name, dtype).unwrap(), want.read(name, dtype).unwrap(), "{name}");
    }
}

/// `RAXLA_TEST=quick` asks for the quick tier: a part of what takes longest.
pub fn quick_tier() -> bool {
    std::env::var("RAXLA_TEST").is_ok_and(|tier| tier == "quick")
}

/// Compiles in half the time: what is computed is tested, not how fast.
pub fn quick() -> CompileOptions {
    let env_overrides = vec![
        ("xla_backend_optimization_level".to_string(), OptionValue::Int(0)),
        ("xla_llvm_disable_expensive_passes".to_string(), OptionValue::Bool(true)),
    ];
    CompileOptions { env_overrides, ..Default::default() }
}
