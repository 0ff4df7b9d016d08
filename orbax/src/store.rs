//! Where the keys and values of an item are: in an OCDBT database, or in files named as the keys.
use crate::{
    error::{Error, Result, io_error},
    ocdbt::{Database, MANIFEST_FILE},
    stream::Blob,
};
use std::path::{Path, PathBuf};

/// The keys and values of an item.
#[derive(Debug)]
pub(crate) enum Store {
    Ocdbt(Database),
    Files(PathBuf),
}

impl Store {
    /// `ocdbt` is what `_METADATA` says; it says nothing in old checkpoints.
    pub fn open(item: &Path, ocdbt: Option<bool>) -> Result<Store> {
        Ok(match ocdbt.unwrap_or_else(|| item.join(MANIFEST_FILE).exists()) {
            true => Store::Ocdbt(Database::open(item)?),
            false => Store::Files(item.to_path_buf()),
        })
    }

    pub fn get(&self, key: &str) -> Result<Option<Blob>> {
        match self {
            Store::Ocdbt(database) => database.get(key),
            Store::Files(root) => {
                let path = file(root, key)?;
                match path.metadata() {
                    Ok(metadata) if metadata.is_file() => Blob::file(path, 0, metadata.len()).map(Some),
                    Ok(_) => Ok(None),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(e) => Err(io_error(path)(e)),
                }
            }
        }
    }

    /// The keys of an array's chunks that exist, without the `prefix`, which ends with the array's name and `/`.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        match self {
            Store::Ocdbt(database) => Ok(database
                .keys(prefix)
                .filter_map(|k| std::str::from_utf8(&k[prefix.len()..]).ok().map(String::from))
                .collect()),
            Store::Files(root) => {
                let mut keys = Vec::new();
                list(&file(root, prefix)?, "", &mut keys)?;
                Ok(keys)
            }
        }
    }
}

/// The file of a key, which comes from the checkpoint and stays below its folder.
fn file(root: &Path, key: &str) -> Result<PathBuf> {
    if key.starts_with('/') || key.contains(['\0', '\\']) || key.split('/').any(|part| part == "..") {
        return Err(Error::Unsupported {
            path: root.into(),
            what: format!("an array named `{key}`, outside of the checkpoint,"),
        });
    }
    Ok(root.join(key))
}

fn list(folder: &Path, prefix: &str, keys: &mut Vec<String>) -> Result<()> {
    for entry in folder.read_dir().map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type().map_err(io_error(entry.path()))?;
        if kind.is_dir() {
            list(&entry.path(), &format!("{prefix}{name}/"), keys)?;
        } else {
            keys.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
