//! Damaged files: every reader gives an error or an answer, never panics, and takes no more memory than a few times the file's
//! size. Committed checkpoints are changed at random, the same way in every run; `RAXLA_FUZZ_SECONDS=600` goes on for so long
//! for each file, with new changes. (fuzz/ has targets that learn from what the readers do.)
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod readers;

use raxla_graphs::tokenizer::Tokenizer;
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// SplitMix64 (Steele et al., 2014).
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    const TELLING: [u64; 8] = [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 63, 0x0100_0000, 1 << 40];
    for _ in 0..1 + random.below(4) {
        // most of what can go wrong is in headers, at one end or the other
        let near = bytes.len().min(2048);
        let at = match random.below(4) {
            0 => random.below(bytes.len()),
            1 => bytes.len() - 1 - random.below(near),
            _ => random.below(near),
        };
        match random.below(7) {
            0 => bytes.truncate(at),
            1 | 2 => bytes[at] ^= 1 << random.below(8),
            3 => bytes[at] = random.next() as u8,
            4 => {
                let value = TELLING[random.below(8)].to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
            5 => drop(bytes.drain(at..(at + 1 + random.below(16)).min(bytes.len()))),
            _ => {
                let piece = bytes[at..(at + 1 + random.below(32)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

fn check(file: &Path, times: usize) {
    let whole = fs::read(file).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // what lies beside it may belong to it
    for other in fs::read_dir(file.parent().unwrap()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        if other.extension().is_some_and(|e| e == "json" || e == "txt") {
            fs::copy(&other, dir.path().join(other.file_name().unwrap())).unwrap();
        }
    }
    let path = dir.path().join(file.file_name().unwrap());
    let seconds = std::env::var("RAXLA_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).map(Duration::from_secs);
    let begin = Instant::now();
    let seed = whole.iter().fold(0u64, |a, b| a.wrapping_mul(31).wrapping_add(*b as u64));
    let mut runs = 0;
    while seconds.map_or(runs < times, |limit| begin.elapsed() < limit) {
        let mut bytes = whole.clone();
        damage(&mut bytes, &mut Random(seed.wrapping_add(runs as u64)));
        let outcome = catch_unwind(AssertUnwindSafe(|| readers::check(&path, &bytes, whole.len())));
        if outcome.is_err() {
            let kept =
                std::env::temp_dir().join(format!("damaged-{runs}-{}", file.file_name().unwrap().to_string_lossy()));
            fs::write(&kept, &bytes).unwrap();
            panic!("change {runs} of {}; kept as {}", file.display(), kept.display());
        }
        runs += 1;
    }
    println!("{}: {runs} changes", file.display());
}

/// One test: the memory is the process's.
#[test]
fn damaged_files_are_refused_or_read() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files: Vec<PathBuf> = [
        "fixtures/llama_v4/model.safetensors",
        "fixtures/gemma3_linear/config.json",
        "fixtures/mixtral_top2/config.json",
        "fixtures/llama_rope_longrope_short/config.json",
        "data/gguf/blocks.gguf",
        "data/gguf/llama.gguf",
        "data/gguf/families/mixtral_top2.gguf",
        "data/tokenizer/spm.gguf",
        "data/tokenizer/bpe.gguf",
        "data/checkpoints/mixed.bin",
        "data/checkpoints/views.pt",
        "data/checkpoints/before_zip.pth",
        "data/checkpoints/flax.msgpack",
        "data/adapters/llama_layers/adapter_config.json",
        "data/adapters/llama_layers/adapter_model.safetensors",
        "../src/training/run/config/run.toml",
        "data/tokenizer/awkward/llama3/tokenizer.json",
        "data/tokenizer/awkward/llama/tokenizer.model",
        "data/tokenizer/awkward/unigram_bytes/tokenizer.model",
    ]
    .map(|name| tests.join(name))
    .into();
    files.iter().for_each(|file| check(file, 150));
    // a unigram model as tokenizer.json, with its character map
    let (dir, from) = (tempfile::tempdir().unwrap(), tests.join("data/tokenizer/awkward/unigram"));
    let file = dir.path().join("tokenizer.json");
    fs::write(&file, Tokenizer::from_dir(&from).unwrap().to_json().unwrap()).unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("precompiled_charsmap"));
    check(&file, 150);
}
