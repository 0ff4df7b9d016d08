//! The folder of a checkpoint: its items, and whether it was committed.
use crate::{
    error::{Error, Result, io_error},
    ocdbt::MANIFEST_FILE,
    tree::{Tree, read_json},
};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// What the name of a folder contains while it is being written.
pub(crate) const TMP_SUFFIX: &str = ".orbax-checkpoint-tmp";
/// What a folder has when it was committed, since Orbax 0.12.3; before only on Google Cloud Storage.
pub(crate) const COMMIT_FILE: &str = "commit_success.txt";
/// The metadata of a checkpoint.
pub(crate) const CHECKPOINT_METADATA: &str = "_CHECKPOINT_METADATA";

/// A checkpoint, or one step of a `CheckpointManager`.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    items: Vec<Item>,
    metadata: Json,
}

/// One of the things that were saved together ("checkpointable" in v1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    name: Option<String>,
    path: PathBuf,
    kind: ItemKind,
}

/// What an [`Item`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemKind {
    /// A tree of arrays: [`Item::tree`].
    Tree,
    /// A JSON value: [`Item::json`].
    Json,
}

impl Checkpoint {
    /// Opens the folder of a checkpoint: that which was given to `StandardCheckpointer` or `PyTreeCheckpointer` (one item without a
    /// name), a step of a `CheckpointManager` or a checkpoint of v1 (items in folders), or the folder of one item.
    ///
    /// # Errors
    /// [`Error::NotACheckpoint`], [`Error::Uncommitted`], damaged metadata. What is wrong with an item is said when it is opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        if !path.metadata().map_err(io_error(path))?.is_dir() {
            return Err(Error::NotACheckpoint { path: path.into(), reason: "it is no folder".into() });
        }
        let file = path.join(CHECKPOINT_METADATA);
        let metadata = if file.exists() { read_json(&file)? } else { Json::Null };
        check_committed(path, &metadata)?;
        let mut items = Vec::new();
        if is_tree(path) {
            items.push(Item { name: None, path: path.into(), kind: ItemKind::Tree });
        } else {
            for (name, path) in folders(path)? {
                let is_json = || ["metadata", "data.json"].iter().any(|f| path.join(f).is_file());
                let kind = if is_tree(&path) {
                    ItemKind::Tree
                } else if is_json() {
                    ItemKind::Json
                } else {
                    continue;
                };
                items.push(Item { name: Some(name), path, kind });
            }
        }
        // (a checkpoint may have no items: they can be deleted)
        if items.is_empty() && metadata.is_null() {
            return Err(Error::NotACheckpoint { path: path.into(), reason: why_not(path)? });
        }
        Ok(Checkpoint { path: path.into(), items, metadata })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was saved, in the order of names. Folders of handlers that are not known here are left out.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The item with this name.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|i| i.name.as_deref() == Some(name))
    }

    /// The only tree, or that with one of the names that Orbax gives by default: `default` (`CheckpointManager`), `state` and
    /// `pytree` (v1).
    ///
    /// # Errors
    /// None, or several of which none is the default.
    pub fn default_tree(&self) -> Result<&Item> {
        let trees: Vec<&Item> = self.items.iter().filter(|i| i.kind == ItemKind::Tree).collect();
        let named = |name: &str| trees.iter().find(|i| i.name.as_deref() == Some(name));
        if let [only] = trees[..] {
            return Ok(only);
        }
        let names: Vec<&str> = trees.iter().filter_map(|i| i.name()).collect();
        let found = ["default", "state", "pytree"].into_iter().find_map(named);
        found.copied().ok_or_else(|| {
            Error::Argument(match &names[..] {
                [] => format!("{} holds no tree of arrays", self.path.display()),
                _ => format!("{} holds several trees: name one of {}", self.path.display(), names.join(", ")),
            })
        })
    }

    /// `_CHECKPOINT_METADATA`: the handlers of items, times in nanoseconds since 1970, what the user stored. Null if there is none.
    pub fn metadata(&self) -> &Json {
        &self.metadata
    }
}

impl Item {
    /// Its name; none where the checkpoint consists of it alone.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub fn kind(&self) -> ItemKind {
        self.kind
    }

    /// Opens a tree: reads its structure, and the types of its arrays.
    ///
    /// # Errors
    /// Files that are missing, damaged or of a kind that is not supported.
    pub fn tree(&self) -> Result<Tree> {
        if self.kind != ItemKind::Tree {
            return Err(Error::Argument(format!("{} holds no tree", self.path.display())));
        }
        if !self.path.join("_METADATA").exists() && self.path.join("checkpoint").exists() {
            return Err(Error::Unsupported {
                path: self.path.join("checkpoint"),
                what: "the msgpack format of Orbax before 2023".into(),
            });
        }
        Tree::open(&self.path)
    }

    /// Reads a JSON value.
    ///
    /// # Errors
    /// The file is missing or is no JSON.
    pub fn json(&self) -> Result<Json> {
        let new = self.path.join("data.json");
        read_json(&if new.exists() { new } else { self.path.join("metadata") })
    }
}

/// Whether the folder is that of a tree, perhaps a damaged one.
fn is_tree(path: &Path) -> bool {
    ["_METADATA", MANIFEST_FILE, "_sharding", "checkpoint"].iter().any(|f| path.join(f).is_file())
}

/// The folders in one, in the order of names.
fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in path.read_dir().map_err(io_error(path))? {
        let path = entry.map_err(io_error(path))?.path();
        if let Some(name) = path.file_name().and_then(|n| n.to_str())
            && path.is_dir()
        {
            folders.push((name.to_owned(), path));
        }
    }
    folders.sort();
    Ok(folders)
}

/// Local checkpoints are renamed when they are complete. On object stores they are written in place, and get a file then; whether
/// one that came from there lacks it can be seen by the time of the commit.
fn check_committed(path: &Path, metadata: &Json) -> Result<()> {
    let uncommitted = |reason: String| Err(Error::Uncommitted { path: path.into(), reason });
    let parents = path.ancestors().take(2).filter_map(|p| p.file_name()?.to_str());
    if let Some(name) = parents.into_iter().find(|n| n.contains(TMP_SUFFIX)) {
        return uncommitted(format!("`{name}` is the name of a folder that is being written"));
    }
    let is_null = |name: &str| metadata.as_object().and_then(|m: &Map<_, _>| m.get(name)).is_some_and(Json::is_null);
    if is_null("commit_timestamp_nsecs") && !path.join(COMMIT_FILE).exists() {
        return uncommitted(format!(
            "it has no `{COMMIT_FILE}`, and `{CHECKPOINT_METADATA}` has no time of the commit"
        ));
    }
    Ok(())
}

fn why_not(path: &Path) -> Result<String> {
    let steps = steps(path)?;
    Ok(match &steps[..] {
        [] => format!("it has neither `_METADATA` nor `{MANIFEST_FILE}`, and neither do the folders in it"),
        [.., (_, last)] => {
            format!("it is a folder of {} checkpoints: open one of them, as {}", steps.len(), last.display())
        }
    })
}

/// The committed steps in the folder of a `CheckpointManager`, in order: folders named `N` or `prefix_N`.
///
/// # Errors
/// The folder cannot be read.
pub fn steps(folder: impl AsRef<Path>) -> Result<Vec<(u64, PathBuf)>> {
    let step = |(name, path): (String, PathBuf)| {
        let digits = name.rsplit('_').next()?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?.map(|step| (step, path))
    };
    let mut steps: Vec<_> = folders(folder.as_ref())?.into_iter().filter_map(step).collect();
    steps.retain(|(_, path)| {
        let metadata = read_json(&path.join(CHECKPOINT_METADATA)).unwrap_or(Json::Null);
        check_committed(path, &metadata).is_ok()
    });
    steps.sort();
    Ok(steps)
}
