//! Reading checkpoints: one folder, its index, and the pieces of its arrays.
use super::{
    CheckpointError, INDEX, Metadata, Problem,
    index::{Crc, FileInfo, Index, Leaf, Piece},
    step_of, stored,
};
use crate::{
    array::{Array, copy_overlap},
    aval::Aval,
    error::Result,
    file::MappedFile,
    memory,
    mesh::NamedSharding,
    runtime::Client,
};
use safetensors::{SafeTensors, tensor};
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// One checkpoint: the folder of a step. Reading needs no [`CheckpointManager`](super::CheckpointManager), and works beside one
/// that writes.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) folder: PathBuf,
    pub(super) index: Index,
}

/// What [`Checkpoint::verify`] looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Shard files.
    pub files: usize,
    /// Tensors in them.
    pub tensors: usize,
    /// Bytes of all files, without the index.
    pub bytes: u64,
}

impl Checkpoint {
    /// The checkpoint in this folder (`step_00000100`). Its index is read and checked, and that its files are there in full length;
    /// their content is checked when it is read, or by [`Checkpoint::verify`].
    ///
    /// # Errors
    /// [`Error::Checkpoint`](crate::Error::Checkpoint): a folder that is none, is damaged, was written by a newer raxla, or
    /// cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Checkpoint> {
        let folder = folder.as_ref();
        if !folder.is_dir() {
            let help = "name the folder of a step, such as `checkpoints/step_00000100`";
            return Err(CheckpointError::error(folder, Problem::NoStep, "there is no such folder", help));
        }
        let checkpoint = Checkpoint { folder: folder.into(), index: Index::read(folder)? };
        if let Some(named) = step_of(folder).filter(|step| *step != checkpoint.index.step) {
            let reason = format!("the folder is named after step {named}, and holds step {}", checkpoint.index.step);
            return Err(CheckpointError::damaged(&folder.join(INDEX), reason));
        }
        for (name, FileInfo { bytes, .. }) in &checkpoint.index.files {
            let path = folder.join(name);
            let metadata = fs::metadata(&path).map_err(|e| CheckpointError::unreadable(&path, &e))?;
            if metadata.len() != *bytes {
                let reason = format!("it has {} bytes, and had {bytes} when it was written", metadata.len());
                return Err(CheckpointError::damaged(&path, reason));
            }
        }
        Ok(checkpoint)
    }
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }
    /// The step that it was saved at.
    pub fn step(&self) -> u64 {
        self.index.step
    }
    /// What lies beside the arrays.
    pub fn metadata(&self) -> &Metadata {
        &self.index.metadata
    }
    /// The version of raxla that wrote it.
    pub fn written_by(&self) -> &str {
        &self.index.raxla
    }
    /// Paths and types of the arrays, in the order of the tree.
    pub fn leaves(&self) -> impl Iterator<Item = (&str, Aval)> {
        self.index.leaves.iter().map(|leaf| (&*leaf.path, leaf.aval()))
    }
    /// Names and bytes of the shard files.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.index.files.iter().map(|(name, file)| (&**name, file.bytes))
    }

    /// Reads everything and compares it with its checksums.
    ///
    /// # Errors
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) that names the first file and tensor that is not as it was written.
    pub fn verify(&self) -> Result<Verified> {
        let mut pieces: BTreeMap<&str, Vec<(&Leaf, &Piece)>> = BTreeMap::new();
        for leaf in &self.index.leaves {
            leaf.pieces.iter().for_each(|piece| pieces.entry(&piece.file).or_default().push((leaf, piece)));
        }
        let (mut shards, mut tensors) = (Shards::of(self), 0);
        // file by file, so that one at a time is mapped
        for name in self.index.files.keys() {
            let listed = pieces.remove(&**name).unwrap_or_default();
            if shards.file(name)?.tensors.offset_keys().len() > listed.len() {
                let reason = "it has other tensors than those that the index lists";
                return Err(CheckpointError::damaged(&self.folder.join(name), reason));
            }
            for (leaf, piece) in &listed {
                shards.piece(leaf, piece)?;
                shards.forget(piece);
            }
            tensors += listed.len();
            shards.open.remove(&**name);
        }
        Ok(Verified { files: self.index.files.len(), tensors, bytes: self.files().map(|(_, n)| n).sum() })
    }

    /// The bytes of a whole array, as [`Array::to_bytes`] gives them; `None` if there is none of this path.
    ///
    /// # Errors
    /// What [`Checkpoint::verify`] says, of its files.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(leaf) = self.index.leaves.iter().find(|leaf| leaf.path == path) else { return Ok(None) };
        let whole: Vec<Range<usize>> = leaf.shape.iter().map(|n| 0..*n).collect();
        Shards::of(self).part(leaf, &whole).map(Some)
    }
}

/// The shard files of a checkpoint, which are mapped when something of them is needed first.
pub(super) struct Shards<'a> {
    checkpoint: &'a Checkpoint,
    open: HashMap<&'a str, Shard>,
    /// Files and tensors whose checksums were compared.
    compared: HashSet<(&'a str, &'a str)>,
}
struct Shard {
    file: MappedFile,
    /// Where the values begin.
    values: usize,
    tensors: tensor::Metadata,
}

impl<'a> Shards<'a> {
    pub(super) fn of(checkpoint: &'a Checkpoint) -> Shards<'a> {
        Shards { checkpoint, open: HashMap::new(), compared: HashSet::new() }
    }

    fn file(&mut self, name: &'a str) -> Result<&Shard> {
        let entry = match self.open.entry(name) {
            Entry::Occupied(there) => return Ok(there.into_mut()),
            Entry::Vacant(entry) => entry,
        };
        let path = &self.checkpoint.folder.join(name);
        let damaged = |reason: String| CheckpointError::damaged(path, reason);
        let file = MappedFile::open(path).map_err(|e| CheckpointError::unreadable(path, &e))?;
        let info = &self.checkpoint.index.files[name];
        // the checksum before anything is believed: of the length of the header, and of the header
        let length = file.get(..8).map(|n| u64::from_le_bytes(n.try_into().expect("8 bytes")));
        let values = length.and_then(|n| usize::try_from(n).ok()?.checked_add(8)).filter(|n| *n <= file.len());
        let values = values.filter(|end| Crc::of(&file[..*end]) == info.header_crc32);
        let values = values.ok_or_else(|| damaged("its header is damaged: the checksum is another".into()))?;
        let read = SafeTensors::read_metadata(&file);
        let (_, tensors) = read.map_err(|e| damaged(format!("it is no whole safetensors file: {e}")))?;
        Ok(entry.insert(Shard { file, values, tensors }))
    }

    /// Where the values of a piece lie in its file.
    fn range(&mut self, leaf: &Leaf, piece: &'a Piece) -> Result<Range<usize>> {
        let aval = leaf.aval().with_dims(piece.shape.clone());
        let shard = self.file(&piece.file)?;
        let fits = |info: &&tensor::TensorInfo| info.shape == piece.shape && Some(info.dtype) == stored(aval.dtype);
        let info = shard.tensors.info(&piece.tensor).filter(fits);
        let (begin, end) =
            info.map(|i| (i.data_offsets.0 + shard.values, i.data_offsets.1 + shard.values)).ok_or_else(|| {
                let reason = format!("it has no tensor `{}` of type {aval}, which the index lists", piece.tensor);
                CheckpointError::damaged(&self.checkpoint.folder.join(&piece.file), reason)
            })?;
        Ok(begin..end)
    }

    /// The values of a piece, row-major, which are as they were written.
    fn piece(&mut self, leaf: &Leaf, piece: &'a Piece) -> Result<&[u8]> {
        let range = self.range(leaf, piece)?;
        let compare = self.compared.insert((&piece.file, &piece.tensor));
        let bytes = &self.open[&*piece.file].file[range];
        let wrong = |what: &str| {
            let reason = format!("the tensor `{}` is damaged: {what}", piece.tensor);
            CheckpointError::damaged(&self.checkpoint.folder.join(&piece.file), reason)
        };
        let sum = if compare { Crc::of(bytes) } else { piece.crc32 };
        if sum != piece.crc32 {
            return Err(wrong(&format!("its checksum is {sum}, and was {}", piece.crc32)));
        }
        if compare && leaf.dtype == "bool" && bytes.iter().any(|b| *b > 1) {
            return Err(wrong("it has bools that are neither 0 nor 1"));
        }
        Ok(bytes)
    }

    /// Gives the memory of a piece back to the system.
    fn forget(&self, piece: &Piece) {
        let Some(shard) = self.open.get(&*piece.file) else { return };
        let Some(info) = shard.tensors.info(&piece.tensor) else { return };
        shard.file.forget(shard.values + info.data_offsets.0..shard.values + info.data_offsets.1);
    }

    /// The values of a part of an array, put together from the pieces that it meets.
    fn part(&mut self, leaf: &'a Leaf, index: &[Range<usize>]) -> Result<Vec<u8>> {
        let aval = leaf.aval();
        let mut bytes = vec![];
        let size = aval.dtype.bytes_for(index.iter().map(Range::len).product());
        memory::resize(&mut bytes, size, "a part of an array that is restored")?;
        for piece in &leaf.pieces {
            let there = piece.index();
            let meets = there.iter().zip(index).all(|(a, b)| a.start.max(b.start) < a.end.min(b.end));
            if meets {
                copy_overlap((self.piece(leaf, piece)?, &there), (&mut bytes, index), aval.dtype);
            }
        }
        Ok(bytes)
    }

    /// An array, on the first device of the client or divided in this way. Of a divided one, no more than one device's part is
    /// held on the host at a time, but for parts that several devices have.
    pub(super) fn array(&mut self, leaf: &'a Leaf, client: &Client, sharding: Option<&NamedSharding>) -> Result<Array> {
        let aval = leaf.aval();
        let array = match (sharding, &leaf.pieces[..]) {
            (Some(sharding), _) => Array::from_shards(sharding, aval, |index| self.part(leaf, index)),
            (None, [whole]) => Array::from_bytes(client, aval, self.piece(leaf, whole)?),
            (None, _) => {
                let index: Vec<Range<usize>> = leaf.shape.iter().map(|n| 0..*n).collect();
                Array::from_bytes(client, aval, &self.part(leaf, &index)?)
            }
        }?;
        leaf.pieces.iter().for_each(|piece| self.forget(piece));
        Ok(array)
    }
}
