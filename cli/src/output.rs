//! Files that commands write: all of them, or nothing.
use crate::Result;
use raxla_xla::Draft;
use std::{io, path::Path};

/// Can it be written? Asked before what may take minutes.
pub fn check(path: &Path) -> Result {
    Draft::check(path).map_err(|e| unwritable(path, &e))
}

/// Writes a file that is there whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result {
    Draft::write(path, bytes).map_err(|e| unwritable(path, &e))
}

fn unwritable(path: &Path, error: &io::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "make the directory first",
        io::ErrorKind::StorageFull => "free some space, or write to another disk",
        _ => "name another file",
    };
    format!("{} cannot be written: {error}\n  help: {remedy}", path.display()).into()
}
