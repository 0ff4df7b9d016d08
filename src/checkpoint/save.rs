//! Writing a checkpoint: what goes into which file, and the files.
use super::{
    CheckpointError, INDEX, Metadata, Problem,
    index::{Crc, FileInfo, Index, Leaf, Piece},
    stored,
};
use crate::{
    array::{Array, Shard},
    error::Result,
    file::{
        COLLIDING, Draft,
        stream::{self, Entry, Failure},
    },
    tree::Tree,
};
use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    time::Instant,
};

/// What was saved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Saved {
    /// The step.
    pub step: u64,
    /// Bytes of the shard files.
    pub bytes: u64,
    /// Shard files.
    pub files: usize,
    /// How long it took to write them, until they were on the disk.
    pub seconds: f64,
}

/// What is to be written. It holds the arrays, so that nobody else's computation takes over their memory.
pub(super) struct Plan {
    leaves: Vec<Leaf>,
    shards: Vec<Vec<Part>>,
}
/// A piece to be written: its place in the index, and its values.
struct Part {
    leaf: usize,
    piece: usize,
    data: Array,
}

impl Plan {
    /// Every part of every array once, each with those of its device, at most `max_file_bytes` to a file unless one part alone
    /// is larger.
    pub(super) fn of<M: Tree<Array>>(target: &Path, tree: &M, max_file_bytes: u64) -> Result<Plan> {
        let mut leaves: Vec<Leaf> = vec![];
        let mut on_devices: BTreeMap<i64, Vec<Part>> = BTreeMap::new();
        tree.visit(|at, array| {
            let (aval, leaf) = (array.aval(), leaves.len());
            let parts = array.addressable_shards().into_iter().filter(|shard| shard.first);
            // (of nothing, one part is enough)
            let parts = parts.take(if aval.size() == 0 { 1 } else { usize::MAX });
            let mut pieces = vec![];
            for (piece, shard) in parts.enumerate() {
                pieces.push(of_shard(&at.to_string(), aval.dims.as_slice(), &shard));
                on_devices.entry(shard.device.id()).or_default().push(Part { leaf, piece, data: shard.data });
            }
            let dtype = aval.dtype.name().to_string();
            leaves.push(Leaf { path: at.to_string(), dtype, shape: aval.dims.clone(), pieces });
        });
        let mut paths = HashSet::new();
        if let Some(twin) = leaves.iter().find(|leaf| !paths.insert(&leaf.path)) {
            let reason = format!("two leaves have the path `{}`", twin.path);
            return Err(CheckpointError::error(target, Problem::Unsupported, reason, COLLIDING));
        }
        let mut shards: Vec<Vec<Part>> = vec![];
        for parts in on_devices.into_values() {
            let (mut shard, mut size) = (vec![], 0u64);
            for part in parts {
                let bytes = part.data.aval().bytes() as u64;
                if !shard.is_empty() && size.saturating_add(bytes) > max_file_bytes {
                    shards.push(std::mem::take(&mut shard));
                    size = 0;
                }
                size += bytes;
                shard.push(part);
            }
            shards.push(shard);
        }
        Ok(Plan { leaves, shards })
    }

    /// Writes everything into a hidden folder beside `target`, which gets its name when all of it is on the disk. What is at
    /// `target` then has to be damaged, and goes.
    pub(super) fn write(mut self, target: &Path, step: u64, metadata: Metadata) -> Result<Saved> {
        let start = Instant::now();
        let unwritable = |e: std::io::Error| CheckpointError::unwritable(target, &e);
        let draft = Draft::folder(target).map_err(unwritable)?;
        let (count, mut files, mut staging) = (self.shards.len(), BTreeMap::new(), vec![]);
        for (i, parts) in self.shards.into_iter().enumerate() {
            let name = format!("shard-{:05}-of-{count:05}.safetensors", i + 1);
            let places: Vec<(usize, usize)> = parts.iter().map(|part| (part.leaf, part.piece)).collect();
            let tensor = |leaves: &[Leaf], part: &Part| leaves[part.leaf].pieces[part.piece].tensor.clone();
            let entries = parts.into_iter().map(|part| {
                let dtype = stored(part.data.dtype()).ok_or_else(|| {
                    let leaf = &self.leaves[part.leaf];
                    let reason =
                        format!("the leaf `{}` is {}, a dtype that its files do not have", leaf.path, leaf.dtype);
                    CheckpointError::error(target, Problem::Unsupported, reason, "save its real and imaginary parts")
                })?;
                Ok(Entry { name: tensor(&self.leaves, &part), dtype, data: part.data })
            });
            let (entries, path) = (entries.collect::<Result<_>>()?, target.join(&name));
            let file = File::create_new(draft.path().join(&name)).map_err(unwritable)?;
            let written = stream::write(file, entries, &mut staging).map_err(|failure| match failure {
                Failure::Io(e) => CheckpointError::unwritable(&path, &e),
                Failure::Array(e) => e,
                Failure::Format(why) => CheckpointError::error(&path, Problem::Unsupported, why, "rename the leaf"),
            })?;
            for (leaf, piece) in places {
                let piece = &mut self.leaves[leaf].pieces[piece];
                piece.crc32 = Crc(written.tensors[&piece.tensor]);
                piece.file.clone_from(&name);
            }
            files.insert(name, FileInfo { bytes: written.bytes, header_crc32: Crc(written.header) });
        }
        let saved = |seconds| Saved { step, files: count, bytes: files.values().map(|f| f.bytes).sum(), seconds };
        let saved = saved(0.0);
        let index = Index::new(step, self.leaves, files, metadata);
        let unspeakable =
            |e| CheckpointError::error(target, Problem::Unsupported, format!("{e}"), "change the metadata");
        let text = index.to_text().map_err(unspeakable)?;
        fs::write(draft.path().join(INDEX), text).map_err(|e| CheckpointError::unwritable(&target.join(INDEX), &e))?;
        if target.exists() {
            Draft::discard(target).map_err(unwritable)?;
        }
        draft.publish().map_err(unwritable)?;
        Ok(Saved { seconds: start.elapsed().as_secs_f64(), ..saved })
    }
}

/// The piece of an array of these sizes that a device holds, but for its file and checksum.
fn of_shard(path: &str, dims: &[usize], shard: &Shard) -> Piece {
    let shape = shard.data.dims().to_vec();
    let offset = shard.index.iter().map(|range| range.start).collect();
    let tensor = match shape == dims {
        true => path.to_string(),
        false => {
            let ranges: Vec<String> = shard.index.iter().map(|r| format!("{}:{}", r.start, r.end)).collect();
            format!("{path}[{}]", ranges.join(","))
        }
    };
    Piece { offset, shape, file: String::new(), tensor, crc32: Crc(0) }
}

/// The folder of a step.
pub(super) fn folder_of(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step_{step:08}"))
}
