//! Checkpoints that several processes write, into one folder that all of them reach.
use super::{
    CheckpointError, Problem, Saved,
    index::{Crc, FileInfo, Leaf},
};
use crate::{
    distributed::{self, Processes},
    error::Result,
    file::Draft,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The processes that write a checkpoint together. Each tells the others what it has done, and what failed.
pub(super) struct Together(Arc<Processes>);

/// Where a process has put a piece.
#[derive(Serialize, Deserialize)]
pub(super) struct Placed {
    pub(super) leaf: usize,
    pub(super) piece: usize,
    pub(super) file: String,
    pub(super) crc32: Crc,
}

/// What one process has written.
#[derive(Serialize, Deserialize)]
struct Written {
    pieces: Vec<Placed>,
    files: BTreeMap<String, FileInfo>,
}

impl Together {
    /// Those that there are beside this process.
    pub(super) fn with_others() -> Option<Together> {
        distributed::processes().filter(|all| all.count() > 1).map(Together)
    }
    pub(super) fn index(&self) -> usize {
        self.0.index()
    }
    /// Does this process write what all have in common?
    pub(super) fn is_first(&self) -> bool {
        self.0.index() == 0
    }

    /// Tells the others how far this process is, and hears how far they are: an error of one is one of all.
    fn exchange<T: Serialize + DeserializeOwned>(&self, target: &Path, what: &str, own: Result<T>) -> Result<Vec<T>> {
        let told: std::result::Result<&T, String> = own.as_ref().map_err(ToString::to_string);
        let told = serde_json::to_vec(&told).expect("plain structs");
        // (whoever is lost is noticed; writing may take long)
        let values = self.0.exchange(what, &told, LONGEST)?;
        own?;
        let mut all = vec![];
        for (i, value) in values.iter().enumerate() {
            let read = serde_json::from_slice::<std::result::Result<T, String>>(value);
            let read = read.unwrap_or_else(|e| Err(format!("what it says cannot be read: {e}")));
            all.push(read.map_err(|why| {
                let (why, help) = why.split_once("\n  help: ").unwrap_or((&why, "see what that process says"));
                let reason = format!("process {i} ({}) could not save its part: {why}", self.0.members()[i]);
                CheckpointError::error(target, Problem::Together, reason, help)
            })?);
        }
        Ok(all)
    }

    /// The folder that the first process has begun, into which all write.
    pub(super) fn folder(&self, target: &Path, draft: Result<Option<Draft>>) -> Result<(Option<Draft>, PathBuf)> {
        let name = |draft: &Draft| draft.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let (draft, own) = match draft {
            Ok(draft) => {
                let own = draft.as_ref().and_then(name);
                (draft, Ok(own))
            }
            Err(e) => (None, Err(e)),
        };
        let names = self.exchange(target, "checkpoint: folder", own)?;
        let place = target.parent().unwrap_or(Path::new("."));
        let name = names.into_iter().next().flatten().unwrap_or_default();
        let folder = place.join(name);
        // (each looks, before hours of work are written elsewhere)
        let there = match folder.is_dir() {
            true => Ok(()),
            false => {
                let reason = format!("{} is not there, which process 0 has made", folder.display());
                Err(CheckpointError::error(
                    target,
                    Problem::Together,
                    reason,
                    "save into a folder that all hosts share",
                ))
            }
        };
        self.exchange(target, "checkpoint: is it there", there)?;
        Ok((draft, folder))
    }

    /// What all have written, with the places of all pieces.
    pub(super) fn joined(
        &self,
        leaves: &mut [Leaf],
        target: &Path,
        files: Result<BTreeMap<String, FileInfo>>,
        pieces: Vec<Placed>,
    ) -> Result<BTreeMap<String, FileInfo>> {
        let own = files.map(|files| Written { pieces, files });
        let mut all = BTreeMap::new();
        for written in self.exchange(target, "checkpoint: parts", own)? {
            for Placed { leaf, piece, file, crc32 } in written.pieces {
                let place = leaves.get_mut(leaf).and_then(|leaf| leaf.pieces.get_mut(piece));
                let place = place.ok_or_else(|| {
                    let reason = "the processes save trees that differ";
                    CheckpointError::error(target, Problem::Together, reason, "save the same tree in all processes")
                })?;
                (place.file, place.crc32) = (file, crc32);
            }
            all.extend(written.files);
        }
        if let Some(leaf) = leaves.iter().find(|leaf| leaf.pieces.iter().any(|piece| piece.file.is_empty())) {
            let reason = format!("no process has saved all parts of `{}`", leaf.path);
            return Err(CheckpointError::error(
                target,
                Problem::Together,
                reason,
                "save the same tree in all processes",
            ));
        }
        Ok(all)
    }

    /// What was saved, as the first process says.
    pub(super) fn done(&self, target: &Path, step: u64, published: Option<Result<Saved>>) -> Result<Saved> {
        let saved = |s: &Saved| (s.step, s.bytes, s.files, s.seconds);
        let own = published.transpose().map(|own| own.as_ref().map(saved));
        let all = self.exchange(target, "checkpoint: done", own)?;
        let (step, bytes, files, seconds) = all.into_iter().flatten().next().unwrap_or((step, 0, 0, 0.0));
        Ok(Saved { step, bytes, files, seconds })
    }
}

/// How long one process may write.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
