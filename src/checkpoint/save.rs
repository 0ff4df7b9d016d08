//! Writing a checkpoint: what goes into which file, and the files.
use super::{
    CheckpointError, INDEX, Metadata, Problem,
    index::{Crc, FileInfo, Index, Leaf, Piece},
    stored,
    together::{Placed, Together},
};
use crate::{
    array::Array,
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
    ops::Range,
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
    /// With the pieces of all processes.
    leaves: Vec<Leaf>,
    /// Those of this process.
    shards: Vec<Vec<Part>>,
    together: Option<Together>,
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
        let together = Together::with_others();
        let is_first = together.as_ref().is_none_or(Together::is_first);
        tree.visit(|at, array| {
            let (aval, leaf) = (array.aval(), leaves.len());
            // (of nothing, one part is enough)
            let parts = array.parts().into_iter().take(if aval.size() == 0 { 1 } else { usize::MAX });
            // what each process has for itself is that of the first
            let ours = is_first || !array.is_fully_addressable();
            let mut pieces = vec![];
            for (piece, (index, shard)) in parts.enumerate() {
                pieces.push(of_part(&at.to_string(), aval.dims.as_slice(), &index));
                if let Some(shard) = shard.filter(|_| ours) {
                    on_devices.entry(shard.device.id()).or_default().push(Part { leaf, piece, data: shard.data });
                }
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
        Ok(Plan { leaves, shards, together })
    }

    /// Writes everything into a hidden folder beside `target`, which gets its name when all of it is on the disk. What is at
    /// `target` then has to be damaged, and goes. Of several processes, each writes its parts, and the first the rest.
    pub(super) fn write(mut self, target: &Path, step: u64, metadata: Metadata) -> Result<Saved> {
        let start = Instant::now();
        let Some(together) = self.together.take() else {
            let draft = Draft::folder(target).map_err(|e| CheckpointError::unwritable(target, &e))?;
            let files = self.write_shards(target, draft.path(), "shard")?;
            return self.publish(draft, target, step, metadata, files, start);
        };
        let draft = together.is_first().then(|| Draft::folder(target));
        let draft = draft.transpose().map_err(|e| CheckpointError::unwritable(target, &e));
        let (draft, folder) = together.folder(target, draft)?;
        let prefix = format!("process-{:05}-shard", together.index() + 1);
        let written = self.write_shards(target, &folder, &prefix);
        let places = self.shards_of(&prefix);
        let files = together.joined(&mut self.leaves, target, written, places)?;
        let published = draft.map(|draft| self.publish(draft, target, step, metadata, files, start));
        together.done(target, step, published)
    }

    /// Writes the shard files of this process.
    fn write_shards(&mut self, target: &Path, folder: &Path, prefix: &str) -> Result<BTreeMap<String, FileInfo>> {
        let (count, mut files, mut staging) = (self.shards.len(), BTreeMap::new(), vec![]);
        let sync = prefix != "shard";
        for (i, parts) in std::mem::take(&mut self.shards).into_iter().enumerate() {
            let name = format!("{prefix}-{:05}-of-{count:05}.safetensors", i + 1);
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
            let unwritable = |e: std::io::Error| CheckpointError::unwritable(&path, &e);
            let file = File::create_new(folder.join(&name)).map_err(unwritable)?;
            // (what other hosts write is theirs to bring to the disk)
            let synced = sync.then(|| file.try_clone()).transpose().map_err(unwritable)?;
            let written = stream::write(file, entries, &mut staging).map_err(|failure| match failure {
                Failure::Io(e) => CheckpointError::unwritable(&path, &e),
                Failure::Array(e) => e,
                Failure::Format(why) => CheckpointError::error(&path, Problem::Unsupported, why, "rename the leaf"),
            })?;
            synced.map_or(Ok(()), |file| file.sync_all()).map_err(unwritable)?;
            for (leaf, piece) in places {
                let piece = &mut self.leaves[leaf].pieces[piece];
                piece.crc32 = Crc(written.tensors[&piece.tensor]);
                piece.file.clone_from(&name);
            }
            files.insert(name, FileInfo { bytes: written.bytes, header_crc32: Crc(written.header) });
        }
        Ok(files)
    }

    /// The pieces that were written into files of this prefix, by leaf and number.
    fn shards_of(&self, prefix: &str) -> Vec<Placed> {
        let mut all = vec![];
        for (leaf, Leaf { pieces, .. }) in self.leaves.iter().enumerate() {
            let ours = pieces.iter().enumerate().filter(|(_, piece)| piece.file.starts_with(prefix));
            all.extend(ours.map(|(piece, p)| Placed { leaf, piece, file: p.file.clone(), crc32: p.crc32 }));
        }
        all
    }

    /// Writes the index, and gives the folder its name.
    fn publish(
        self,
        draft: Draft,
        target: &Path,
        step: u64,
        metadata: Metadata,
        files: BTreeMap<String, FileInfo>,
        start: Instant,
    ) -> Result<Saved> {
        let unwritable = |e: std::io::Error| CheckpointError::unwritable(target, &e);
        let saved = Saved { step, files: files.len(), bytes: files.values().map(|f| f.bytes).sum(), seconds: 0.0 };
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

/// The piece of an array of these sizes with these ranges, but for its file and checksum.
fn of_part(path: &str, dims: &[usize], index: &[Range<usize>]) -> Piece {
    let shape: Vec<usize> = index.iter().map(Range::len).collect();
    let offset = index.iter().map(|range| range.start).collect();
    let tensor = match shape == dims {
        true => path.to_string(),
        false => {
            let ranges: Vec<String> = index.iter().map(|r| format!("{}:{}", r.start, r.end)).collect();
            format!("{path}[{}]", ranges.join(","))
        }
    };
    Piece { offset, shape, file: String::new(), tensor, crc32: Crc(0) }
}

/// The folder of a step.
pub(super) fn folder_of(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step_{step:08}"))
}
