//! Reads every checkpoint below the folders given, and says what each holds or why it is refused:
//! `cargo run -p raxla-orbax --example read_checkpoints -- FOLDER...`.
use raxla_orbax::{Checkpoint, Error, ItemKind, Result, Value};
use std::path::{Path, PathBuf};

/// The folders that have files of a checkpoint, and not those inside of them.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let io = |source| Error::Io { path: folder.into(), source };
    let mut folders = Vec::new();
    let mut is_checkpoint = false;
    for entry in folder.read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        is_checkpoint |= ["_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt"].iter().any(|m| path.ends_with(m));
        folders.extend(path.is_dir().then_some(path));
    }
    if is_checkpoint {
        found.push(folder.into());
        return Ok(());
    }
    folders.sort();
    folders.iter().try_for_each(|f| find(f, found))
}

/// What a checkpoint holds; everything is read.
fn describe(path: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for item in Checkpoint::open(path)?.items() {
        let name = item.name().unwrap_or("(itself)");
        if item.kind() == ItemKind::Json {
            lines.push(format!("{name}: {}", item.json()?));
            continue;
        }
        let tree = match item.tree() {
            Ok(tree) => tree,
            Err(e) => {
                lines.push(format!("{name}: REFUSED: {e}"));
                continue;
            }
        };
        let verified = tree.verify()?;
        let (arrays, other): (Vec<_>, Vec<_>) = tree.entries().iter().partition(|e| matches!(e.value, Value::Array(_)));
        lines.push(format!(
            "{name}: {} arrays, {} other, {} chunks, {} bytes",
            arrays.len(),
            other.len(),
            verified.chunks,
            verified.bytes
        ));
        lines.extend(verified.problems.iter().map(|p| format!("  PROBLEM: {p}")));
    }
    Ok(lines.join("\n  "))
}

fn main() -> Result<()> {
    for folder in std::env::args().skip(1) {
        let mut found = Vec::new();
        find(Path::new(&folder), &mut found)?;
        for path in found {
            let shown = path.strip_prefix(&folder).unwrap_or(&path);
            println!("{}\n  {}", shown.display(), describe(&path).unwrap_or_else(|e| format!("REFUSED: {e}")));
        }
    }
    Ok(())
}
