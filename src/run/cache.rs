//! The compilation cache: compiled programs on disk, so that a second run does not compile again.
//!
//! On by default, local, checksummed. A file that is damaged or no longer loads is compiled anew and replaced. The key is
//! the program without its source locations, the options, the plugin and the processor. `RAXLA_COMPILE_CACHE=0` turns it
//! off, and so does `XLA_FLAGS`; `raxla cache` shows and clears it.
use raxla_xla::{Client, CompileOptions, Executable, raxla_home};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

/// When the files together exceed this many bytes, the least recently used ones go.
pub const LIMIT: u64 = 2 << 30;

/// Where the files are.
pub fn directory() -> PathBuf {
    raxla_home().join("compiled")
}

static DISABLED: AtomicBool = AtomicBool::new(false);

/// Neither read nor write the cache in this process from now on: for measuring compilation.
pub fn disable() {
    DISABLED.store(true, Ordering::Relaxed);
}

/// Number of compiled programs on disk, and their bytes.
pub fn usage() -> (usize, u64) {
    let files = files(&directory());
    (files.len(), files.iter().map(|f| f.1).sum())
}

/// Remove all compiled programs; returns how many.
///
/// # Errors
/// The first file that cannot be removed.
pub fn clear() -> io::Result<usize> {
    let files = files(&directory());
    files.iter().try_for_each(|f| fs::remove_file(&f.0))?;
    Ok(files.len())
}

/// Compile, or take the outcome of an earlier compilation of the same program.
pub(crate) fn compile(client: &Client, text: &str, options: &CompileOptions) -> raxla_xla::Result<Executable> {
    let off = DISABLED.load(Ordering::Relaxed)
        || std::env::var("RAXLA_COMPILE_CACHE").is_ok_and(|v| v == "0")
        // programs on disk were compiled under other flags, and flags that dump something act while compiling
        || std::env::var_os("XLA_FLAGS").is_some_and(|flags| !flags.is_empty());
    // other platforms' plugins keep caches of their own, and tie programs to devices
    if off || client.platform_name() != "cpu" {
        return client.compile(text.as_bytes(), options);
    }
    let path = directory().join(key(client, text, options)?);
    if let Some(bytes) = read(&path)
        && let Ok(program) = client.deserialize(&bytes, options)
    {
        // the time of last use is what the limit goes by; not being able to note it does not matter
        let _ = fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        return Ok(program);
    }
    let program = client.compile(text.as_bytes(), options)?;
    // a cache that cannot be written (disk full, read-only) costs the next run time, not this run its result
    if let Err(e) = program.serialize().map_err(io::Error::other).and_then(|bytes| write(&path, &bytes)) {
        tracing::warn!("the compiled program is not kept in {}: {e}", path.display());
    }
    Ok(program)
}

fn key(client: &Client, text: &str, options: &CompileOptions) -> raxla_xla::Result<String> {
    let mut hash = Sha256::new();
    // (each part behind its length, so that no two lists of parts are one text)
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    text.lines().filter(|l| !l.starts_with("#loc")).for_each(|line| part(without_location(line).as_bytes()));
    // (a line of the program is never empty)
    part(&[]);
    part(&options.to_proto()?);
    let plugin = client.plugin().path();
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(client.platform_version().as_bytes());
    part(&client.devices().len().to_le_bytes());
    part(plugin.file_name().unwrap_or_default().as_encoded_bytes());
    part(&fs::metadata(plugin).map_or(0, |m| m.len()).to_le_bytes());
    part(processor().as_bytes());
    Ok(hex(&hash.finalize()))
}

/// The line without the location at its end. (Text that looks like one can also be in a string, which an operation carries.)
fn without_location(line: &str) -> &str {
    let Some((operation, location)) = line.rsplit_once(" loc(#loc") else { return line };
    let number = location.strip_suffix(')').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    if number { operation } else { line }
}

/// What the compiler specializes code for.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wanted = |l: &&str| l.starts_with("model name") || l.starts_with("flags") || l.starts_with("Features");
    info.lines().take_while(|l| !l.is_empty()).filter(wanted).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The payload of a file whose checksum holds.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let payload = bytes.split_off(bytes.len().min(32));
    (Sha256::digest(&payload)[..] == bytes[..]).then_some(payload)
}

fn write(path: &Path, payload: &[u8]) -> io::Result<()> {
    let dir = path.parent().expect("a file in a directory");
    fs::create_dir_all(dir)?;
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let bytes = [&Sha256::digest(payload)[..], payload].concat();
    // readers see the old file or the new one, never half of it
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    let mut files = files(dir);
    files.sort_by_key(|f| f.2);
    let mut total: u64 = files.iter().map(|f| f.1).sum();
    for (old, size, _) in files {
        if total <= LIMIT {
            break;
        }
        fs::remove_file(old)?;
        total -= size;
    }
    Ok(())
}

fn files(dir: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let known = entries.filter_map(|e| e.metadata().ok().map(|m| (e.path(), m)));
    known
        .filter(|(_, m)| m.is_file())
        .map(|(p, m)| (p, m.len(), m.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_location_at_the_end_is_left_out() {
        let line = r#"  %0 = "stablehlo.custom_call"(%1) {text = "a loc(#loc7) b"} : () -> () loc(#loc12)"#;
        assert_eq!(without_location(line), line.strip_suffix(" loc(#loc12)").unwrap());
        let other = r#"  %0 = "stablehlo.custom_call"(%1) {text = "a loc(#loc7)"} : () -> ()"#;
        assert_eq!(without_location(other), other);
    }

    #[test]
    fn damaged_files_are_not_read() {
        let dir = std::env::temp_dir().join(format!("raxla-cache-test-{}", std::process::id()));
        let path = dir.join("program");
        write(&path, b"payload").unwrap();
        assert_eq!(read(&path).unwrap(), b"payload");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), None);
        fs::write(&path, &bytes[..10]).unwrap();
        assert_eq!(read(&path), None);
        fs::remove_dir_all(&dir).unwrap();
    }
}
