//! The checkpoints of a run.
use super::{
    BestMode, Checkpoint, CheckpointError, Metadata, PreservationPolicy, Problem, Report, RestoreOptions, Saved,
    Verified,
    error::is_damage,
    lock, retain,
    save::{Plan, folder_of},
    steps,
};
use crate::{
    array::Array,
    distributed,
    error::{Error, Result},
    file::{Draft, remove_abandoned_drafts},
    optim::Typed,
    tree::Tree,
};
use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

/// How checkpoints are written, and which are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointManagerOptions {
    /// Which checkpoints are kept; all, without a policy.
    pub preservation: Vec<PreservationPolicy>,
    /// Most bytes of a shard file, unless one device's part of an array alone is larger.
    pub max_file_bytes: u64,
}
impl Default for CheckpointManagerOptions {
    /// All are kept, in files of up to 5 GB.
    fn default() -> CheckpointManagerOptions {
        CheckpointManagerOptions { preservation: vec![], max_file_bytes: 5_000_000_000 }
    }
}

/// A restored checkpoint.
#[derive(Debug)]
pub struct Restored<M> {
    /// The step that it was saved at.
    pub step: u64,
    /// The arrays.
    pub tree: M,
    /// What lay beside them.
    pub metadata: Metadata,
    /// What became of each leaf.
    pub report: Report,
    /// Newer steps that [`CheckpointManager::restore_latest`] passed over because they are damaged, the newest first, and what
    /// is wrong with them. Whoever restores should tell.
    pub passed_over: Vec<(u64, Error)>,
}

/// Saves the checkpoints of a run into a folder, and restores them: see the [module](super). Dropped, it waits for the one
/// that is being saved.
pub struct CheckpointManager {
    folder: PathBuf,
    options: CheckpointManagerOptions,
    /// Of several processes, the first has it.
    _lock: Option<File>,
    saving: Option<JoinHandle<Result<Saved>>>,
    /// Steps that were found damaged.
    damaged: BTreeSet<u64>,
}

impl CheckpointManager {
    /// The manager of this folder, which is made if it is not there. Removes what killed processes have left unfinished in it.
    ///
    /// # Errors
    /// [`Error::Checkpoint`]: another process, which is named, or another manager of this one writes into it
    /// ([`Problem::Locked`]); a folder that cannot be made or written.
    pub fn open(folder: impl AsRef<Path>, options: CheckpointManagerOptions) -> Result<CheckpointManager> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|e| CheckpointError::unwritable(folder, &e))?;
        let first = distributed::process_index() == 0;
        let _lock = first.then(|| lock::take(folder)).transpose()?;
        if first {
            remove_abandoned_drafts(folder);
        }
        Ok(CheckpointManager { folder: folder.into(), options, _lock, saving: None, damaged: BTreeSet::new() })
    }
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Begins to save the arrays of a tree as the checkpoint of a step, and returns: a thread writes them while the program goes
    /// on, and then removes those checkpoints that are to be kept no longer. The arrays are held until they are written, so
    /// they may be moved into the next step of training; that cannot take over their memory then, and takes other.
    ///
    /// A save that is still under way is waited for first.
    ///
    /// # Errors
    /// The error of the save before, which nobody has waited for: nothing is saved then, and the next call saves again.
    /// [`Error::Checkpoint`]: a step that is there already and not damaged, two leaves of one path.
    pub fn save<M: Tree<Array>>(&mut self, step: u64, tree: &M, metadata: Metadata) -> Result<()> {
        self.wait()?;
        let target = folder_of(&self.folder, step);
        if target.exists() && !self.damaged.contains(&step) {
            match Checkpoint::open(&target) {
                Err(e) if is_damage(&e) => {}
                Err(e) => return Err(e),
                Ok(_) => {
                    let help = "save another step, or remove this one first (`CheckpointManager::delete`)";
                    let reason = format!("step {step} is saved already");
                    return Err(CheckpointError::error(&target, Problem::Unsupported, reason, help));
                }
            }
        }
        let plan = Plan::of(&target, tree, self.options.max_file_bytes)?;
        self.damaged.remove(&step);
        let (folder, policies, damaged) =
            (self.folder.clone(), self.options.preservation.clone(), self.damaged.clone());
        let work = move || {
            let saved = plan.write(&target, step, metadata)?;
            if distributed::process_index() == 0 {
                retain::apply(&folder, &policies, &damaged)?;
            }
            Ok(saved)
        };
        let thread = thread::Builder::new().name("raxla-checkpoint".into()).spawn(work);
        self.saving = Some(thread.map_err(|e| {
            let help = "allow more threads (`ulimit -u`)";
            CheckpointError::error(&self.folder, Problem::Io(e.kind()), format!("no thread can be started: {e}"), help)
        })?);
        Ok(())
    }
    /// Waits until what is being saved is on the disk, and says what that was; `None` if nothing is.
    ///
    /// # Errors
    /// [`Error::Checkpoint`]: it could not be written, for one of many reasons, and nothing of it is left; what a computation
    /// of an array reports.
    pub fn wait(&mut self) -> Result<Option<Saved>> {
        let Some(saving) = self.saving.take() else { return Ok(None) };
        let broken = |_| {
            let reason = "the thread that saves ended with a panic";
            Err(CheckpointError::error(&self.folder, Problem::Unsupported, reason, "report this as a bug of raxla"))
        };
        saving.join().unwrap_or_else(broken).map(Some)
    }
    /// Is something being saved?
    pub fn is_saving(&self) -> bool {
        self.saving.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// The steps of all checkpoints, in order; also of damaged ones.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>> {
        steps(&self.folder)
    }
    /// The newest step whose checkpoint is whole, as far as its index and the lengths of its files tell.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn latest(&self) -> Result<Option<u64>> {
        let whole = |step: &u64| !self.damaged.contains(step) && self.checkpoint(*step).is_ok();
        Ok(self.steps()?.into_iter().rev().find(whole))
    }
    /// The best step by the metric of the first [`PreservationPolicy::BestN`]; `None` if no checkpoint has it.
    ///
    /// # Errors
    /// [`Error::Checkpoint`]: there is no such policy. A folder that cannot be read.
    pub fn best(&self) -> Result<Option<u64>> {
        let best = self.options.preservation.iter().find_map(|policy| match policy {
            PreservationPolicy::BestN { metric, mode, .. } => Some((metric, *mode)),
            _ => None,
        });
        let Some((metric, mode)) = best else {
            let (reason, help) = ("no policy says what is best", "add a `PreservationPolicy::BestN`, or use `best_by`");
            return Err(CheckpointError::error(&self.folder, Problem::Unsupported, reason, help));
        };
        self.best_by(metric, mode)
    }
    /// The best step by a metric; `None` if no checkpoint has it.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn best_by(&self, metric: &str, mode: BestMode) -> Result<Option<u64>> {
        Ok(retain::ranked(&retain::whole(&self.folder, &self.damaged)?, metric, mode).first().copied())
    }
    /// The checkpoint of a step.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn checkpoint(&self, step: u64) -> Result<Checkpoint> {
        let path = folder_of(&self.folder, step);
        if !path.is_dir() {
            let all = self.steps()?.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let help = if all.is_empty() { "there is none at all".into() } else { format!("there are {all}") };
            return Err(CheckpointError::error(&path, Problem::NoStep, format!("there is no step {step}"), help));
        }
        Checkpoint::open(path)
    }
    /// Reads a checkpoint and compares it with its checksums.
    ///
    /// # Errors
    /// As [`Checkpoint::verify`].
    pub fn verify(&self, step: u64) -> Result<Verified> {
        self.checkpoint(step)?.verify()
    }
    /// Removes the checkpoint of a step, at once.
    ///
    /// # Errors
    /// [`Error::Checkpoint`]: there is none, or it cannot be removed.
    pub fn delete(&mut self, step: u64) -> Result<()> {
        let path = folder_of(&self.folder, step);
        if !path.exists() {
            return self.checkpoint(step).map(|_| ());
        }
        self.damaged.remove(&step);
        Draft::discard(&path).map_err(|e| CheckpointError::unwritable(&path, &e))
    }

    /// The arrays of a step, as a tree like this one: see [`Checkpoint::restore`].
    ///
    /// # Errors
    /// As there; the error of a save that nobody has waited for.
    pub fn restore<L: Typed, S: Tree<L>>(
        &mut self,
        step: u64,
        like: &S,
        options: &RestoreOptions,
    ) -> Result<Restored<S::With<Array>>> {
        self.wait()?;
        restored(self.checkpoint(step)?, like, options)
    }
    /// The newest checkpoint that is whole; `None` where there is none at all. Damaged ones are passed over, and said in
    /// [`Restored::passed_over`]; when their steps are saved again, they are replaced.
    ///
    /// # Errors
    /// As [`Checkpoint::restore`]; the damage of the newest, if all are damaged; the error of a save that nobody has waited
    /// for.
    pub fn restore_latest<L: Typed, S: Tree<L>>(
        &mut self,
        like: &S,
        options: &RestoreOptions,
    ) -> Result<Option<Restored<S::With<Array>>>> {
        self.wait()?;
        let mut passed_over = vec![];
        for step in self.steps()?.into_iter().rev() {
            match self.checkpoint(step).and_then(|checkpoint| restored(checkpoint, like, options)) {
                Ok(restored) => return Ok(Some(Restored { passed_over, ..restored })),
                Err(e) if is_damage(&e) => {
                    self.damaged.insert(step);
                    passed_over.push((step, e));
                }
                Err(e) => return Err(e),
            }
        }
        if passed_over.is_empty() { Ok(None) } else { Err(passed_over.swap_remove(0).1) }
    }
}

fn restored<L: Typed, S: Tree<L>>(
    checkpoint: Checkpoint,
    like: &S,
    options: &RestoreOptions,
) -> Result<Restored<S::With<Array>>> {
    let (tree, report) = checkpoint.restore(like, options)?;
    let (step, metadata) = (checkpoint.step(), checkpoint.index.metadata);
    Ok(Restored { step, tree, metadata, report, passed_over: vec![] })
}

impl Drop for CheckpointManager {
    fn drop(&mut self) {
        if let Err(e) = self.wait() {
            tracing::warn!("the last checkpoint was not saved: {e}");
        }
    }
}
impl fmt::Debug for CheckpointManager {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "CheckpointManager({})", self.folder.display())
    }
}
