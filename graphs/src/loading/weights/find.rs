//! Which files are checkpoints, by their names.

use crate::LoadError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The names that programs look for, in this order.
pub(super) const STANDARD: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Flax's names count where there is nothing else.
const FLAX: [&str; 2] = ["flax_model.msgpack", "flax_model.msgpack.index.json"];

/// What training leaves beside a model.
const NO_WEIGHTS: [&str; 5] = ["training_args.", "optimizer.", "scheduler.", "scaler.", "rng_state"];

/// Of the files of a folder or repository, the checkpoint: one with a standard name, or else the only file of weights.
/// `Err` lists several that are not shards of one.
pub(crate) fn checkpoint<'a>(names: &[&'a str]) -> Result<Option<&'a str>, Vec<&'a str>> {
    if let Some(standard) = STANDARD.iter().find_map(|s| names.iter().find(|n| *n == s)) {
        return Ok(Some(standard));
    }
    // PyTorch's files come last: many have none of the model's weights
    for kinds in [&["safetensors", "gguf"][..], &["bin", "pt", "pth"], &["msgpack"]] {
        if let (&["msgpack"], Some(flax)) = (kinds, FLAX.iter().find_map(|f| names.iter().find(|n| *n == f))) {
            return Ok(Some(flax));
        }
        let of_kind = |name: &str| kind(Path::new(name)).is_some_and(|k| kinds.contains(&k));
        let other = |name: &str| NO_WEIGHTS.iter().any(|n| name.starts_with(n));
        let mut found: Vec<&str> = names.iter().copied().filter(|n| of_kind(n) && !other(n)).collect();
        found.sort_unstable();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(Some(one)),
            [first, ..] if gguf_parts(first).is_some_and(|parts| parts == found) => return Ok(Some(first)),
            _ => return Err(found),
        }
    }
    Ok(None)
}

/// Is it what Git keeps in place of a large file?
pub(crate) fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs")
}

/// What such a file gets told.
pub(crate) const LFS_POINTER: &str = "it is a Git LFS pointer: Git keeps it in place of the file, which was not downloaded\n  \
    help: in the repository, run `git lfs install` and `git lfs pull`; or download the model again";

/// The configuration of an adapter, as peft writes it.
pub(crate) const ADAPTER: &str = "adapter_config.json";

/// The base model that an adapter's folder names.
pub(crate) fn base_of(dir: &Path) -> Option<String> {
    let config: serde_json::Value =
        serde_json::from_slice(&raxla_xla::read_file(&dir.join(ADAPTER), 1 << 20).ok()?).ok()?;
    Some(config.get("base_model_name_or_path")?.as_str()?.to_string())
}

/// What a folder or file of an adapter gets told.
pub(crate) fn adapter(path: &Path) -> String {
    let dir = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let base = base_of(dir).map(|name| format!(" for {name}")).unwrap_or_default();
    format!(
        "it is a LoRA adapter{base}, not a model\n  help: give the model that it was trained on, and the adapter's folder with \
         `--adapter`"
    )
}

/// Is it a list of shards?
pub(crate) fn is_index(name: &str) -> bool {
    name.ends_with(".index.json")
}

/// The kinds of checkpoints, by the extension.
pub(crate) fn kind(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?;
    ["safetensors", "gguf", "bin", "pt", "pth", "msgpack"].into_iter().find(|k| extension.eq_ignore_ascii_case(k))
}

/// All parts of a GGUF file that llama.cpp split, by the name of one: `NAME-00002-of-00003.gguf`.
pub(crate) fn gguf_parts(name: &str) -> Option<Vec<String>> {
    let stem = name.strip_suffix(".gguf")?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.parse::<usize>().ok().filter(|_| text.len() == 5 && !text.starts_with('+'));
    let (number, count) = (digits(number)?, digits(count)?);
    (1..=count).contains(&number).then(|| (1..=count).map(|i| format!("{stem}-{i:05}-of-{count:05}.gguf")).collect())
}

/// What an index lists.
pub(crate) struct Shards {
    /// Paths of the shards, each once.
    pub(crate) files: Vec<PathBuf>,
    pub(super) tensors: Vec<String>,
}

/// Reads an index. Its file names must stay inside the directory it lies in.
pub(crate) fn shards(index: &Path) -> Result<Shards, LoadError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = raxla_xla::read_text(index, 1 << 30).map_err(|e| LoadError::io(index, e))?;
    let parsed: Index = serde_json::from_str(&text).map_err(|e| LoadError::format(index, e.to_string()))?;
    let mut names: Vec<&String> = parsed.weight_map.values().collect();
    names.sort();
    names.dedup();
    let dir = index.parent().unwrap_or(Path::new(""));
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        if !is_plain_file_name(name) {
            return Err(LoadError::format(index, format!("{name:?} is not a file name")));
        }
        files.push(dir.join(name));
    }
    Ok(Shards { files, tensors: parsed.weight_map.into_keys().collect() })
}

/// A name without directories: what comes from a file or a server must not lead elsewhere.
pub(crate) fn is_plain_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None)) && !name.contains('\\')
}
