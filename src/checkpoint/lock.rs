//! One writer to a folder.
use super::{CheckpointError, Problem};
use crate::error::Result;
use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

/// The name of the lock in a folder of checkpoints. It stays there; the system releases it when the process ends, however it
/// ends.
const NAME: &str = ".raxla-checkpoints.lock";

/// Takes the lock, and writes into it who has it. It is held as long as the file is open.
pub(super) fn take(folder: &Path) -> Result<File> {
    let path = folder.join(NAME);
    let unwritable = |e| CheckpointError::unwritable(folder, &e);
    let mut options = File::options();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        let mut owner = String::new();
        let _ = (&file).take(1 << 10).read_to_string(&mut owner);
        let reason = match owner.trim() {
            "" => "another process writes checkpoints into it".to_string(),
            owner if owner.starts_with(&format!("process {} ", std::process::id())) => {
                "this process writes checkpoints into it already".to_string()
            }
            owner => format!("another process writes checkpoints into it: {owner}"),
        };
        let help =
            "wait until it ends, or end it, or name another folder; reading needs no manager (`Checkpoint::open`)";
        return Err(CheckpointError::error(folder, Problem::Locked, reason, help));
    }
    // (where locks do not work, nobody is kept out)
    let program = std::env::args_os().next().unwrap_or_default();
    let host =
        fs::read_to_string("/proc/sys/kernel/hostname").map_or(String::new(), |name| format!(" on {}", name.trim()));
    let me = format!("process {} ({}){host}\n", std::process::id(), program.to_string_lossy());
    file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(me.as_bytes())).map_err(unwritable)?;
    Ok(file)
}
