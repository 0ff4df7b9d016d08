//! Reads a file of any of the formats that models come in, whatever is in it: what the fuzz targets and
//! graphs/tests/damaged_files.rs run.
use peak_alloc::PeakAlloc;
use raxla::DType;
use raxla_graphs::{
    adapters::LoraConfig, config::HfConfig, tokenizer::Tokenizer, training::run::RunConfig, weights::Weights,
};
use std::{cell::OnceCell, fs, path::Path};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What tables of tokens and compiled patterns take, whatever the file.
const FIXED: usize = 16 << 20;

/// One input of a target, as a file of this name.
pub fn fuzz(name: &str, bytes: &[u8]) {
    thread_local! { static DIR: OnceCell<tempfile::TempDir> = const { OnceCell::new() } }
    DIR.with(|dir| {
        let dir = dir.get_or_init(|| tempfile::tempdir().expect("a folder for temporary files"));
        check(&dir.path().join(name), bytes, bytes.len());
    });
}

/// Write the file, and read what is in it.
///
/// # Panics
/// When that takes more memory than four times `size` and [`FIXED`]; or when a reader panics.
pub fn check(path: &Path, bytes: &[u8], size: usize) {
    fs::write(path, bytes).expect("room for a small file");
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    read(path, size);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= 4 * size + FIXED, "{taken} bytes of memory for a file of {size}");
}

/// Opens what the file is, and reads what it says is in it.
fn read(path: &Path, size: usize) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let dir = path.parent().unwrap_or(Path::new("."));
    if name == "config.json" {
        let built = HfConfig::load(dir).and_then(|c| raxla_graphs::models::Decoder::of(&c, true));
        drop(built.map(|model| model.params().len()));
        return;
    }
    if name.starts_with("tokenizer") {
        if let Ok(tokenizer) = Tokenizer::from_dir(dir) {
            drop(tokenizer.encode("Hello, my dog is cute", true));
            drop(tokenizer.decode(&[0, 1, 2, 77, u32::MAX], false));
        }
        return;
    }
    if name == "run.toml" {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        drop(RunConfig::parse(&text, &name).map(|config| config.build(10, None).map(|_| ())));
        return;
    }
    if name == "adapter_config.json" {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        drop(LoraConfig::from_json(&text, path));
        return;
    }
    let Ok(weights) = Weights::open(path) else { return };
    for name in weights.names().map(str::to_string).collect::<Vec<_>>() {
        let elements = weights.info(&name).map_or(0, |i| i.dims.iter().fold(1usize, |a, b| a.saturating_mul(*b)));
        if elements.saturating_mul(4) <= 2 * size {
            drop(weights.read(&name, DType::F32));
        }
    }
    if weights.gguf().is_some() {
        drop(HfConfig::from_gguf(&weights));
        drop(Tokenizer::from_gguf(&weights));
    }
}
