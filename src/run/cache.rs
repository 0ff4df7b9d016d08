//! The compilation cache: compiled programs on disk, so that a second run does not compile again.
//!
//! On by default, local, checksummed. A file that is damaged, that belongs to another program, or that no longer loads is
//! compiled anew and replaced. The key is the program without its source locations, the options, the plugin and the
//! processor. `RAXLA_COMPILE_CACHE=0` turns it off, and so does `XLA_FLAGS`; `raxla cache` shows and clears it.
//!
//! A file is a mark of its format, a sha256 over the key and the program, and the program. Since the key covers the whole text, it covers
//! the program's signature too: what was compiled for other arguments is not taken, whatever the file is called.
use raxla_xla::{
    Client, CompileOptions, Draft, Executable, create_own, own_folder, raxla_home, read_own_file,
    remove_abandoned_drafts,
};
use sha2::{Digest, Sha256};
use std::{
    collections::VecDeque,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

/// When the files together exceed this many bytes, the least recently used ones go.
pub const LIMIT: u64 = 2 << 30;

/// Below `RAXLA_HOME`.
const FOLDER: &str = "compiled";

/// How a file begins. The number changes when what follows does.
const MAGIC: &[u8; 16] = b"raxla program 1\n";

/// How a file is named, after its key. No other file is ever removed.
const EXTENSION: &str = "raxla-program";

/// Where the files are.
///
/// # Errors
/// See [`raxla_home`].
pub fn directory() -> raxla_xla::Result<PathBuf> {
    Ok(raxla_home()?.join(FOLDER))
}

static DISABLED: AtomicBool = AtomicBool::new(false);

/// Neither read nor write the cache in this process from now on: for measuring compilation.
pub fn disable() {
    DISABLED.store(true, Ordering::Relaxed);
}

/// Number of compiled programs on disk, and their bytes.
pub fn usage() -> (usize, u64) {
    let files = directory().map(|dir| files(&dir)).unwrap_or_default();
    (files.len(), files.iter().map(|f| f.1).sum())
}

/// Remove all compiled programs, and nothing else; returns how many.
///
/// # Errors
/// The first file that cannot be removed.
pub fn clear() -> io::Result<usize> {
    let dir = directory().map_err(io::Error::other)?;
    let files = files(&dir);
    files.iter().try_for_each(|f| remove(&f.0))?;
    remove_abandoned_drafts(&dir);
    Ok(files.len())
}

/// Another process may have been faster.
fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
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
    let dir = match own_folder(FOLDER) {
        Ok(dir) => dir,
        Err(e) => {
            static SAID: Once = Once::new();
            SAID.call_once(|| tracing::warn!("compiled programs are neither kept nor taken: {e}"));
            return client.compile(text.as_bytes(), options);
        }
    };
    let key = key(client, text, options)?;
    let path = dir.join(&key).with_extension(EXTENSION);
    if let Some(bytes) = read(&path, &key)
        && let Ok(program) = client.deserialize(&bytes, options)
    {
        // the time of last use is what the limit goes by; not being able to note it does not matter
        let _ = fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        return Ok(program);
    }
    let program = client.compile(text.as_bytes(), options)?;
    // a cache that cannot be written (disk full, read-only) costs the next run time, not this run its result
    if let Err(e) = program.serialize().map_err(io::Error::other).and_then(|bytes| write(&path, &key, &bytes)) {
        tracing::warn!("the compiled program is not kept in {}: {e}", path.display());
    }
    Ok(program)
}

/// As [`compile`], keeping the latest programs in the process.
pub(crate) fn latest(client: &Client, text: &str, options: &CompileOptions) -> raxla_xla::Result<Executable> {
    const KEPT: usize = 64;
    type Kept = (Client, String, Vec<u8>, Executable);
    static LATEST: Mutex<VecDeque<Kept>> = Mutex::new(VecDeque::new());
    let latest = || LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    let proto = options.to_proto()?;
    let same = |(c, t, o, _): &Kept| c == client && t == text && *o == proto;
    if let Some(found) = latest().iter().find(|kept| same(kept)) {
        return Ok(found.3.clone());
    }
    let program = compile(client, text, options)?;
    let mut latest = latest();
    // (another thread may have compiled it too: both are right)
    if latest.len() == KEPT {
        latest.pop_front();
    }
    latest.push_back((client.clone(), text.into(), proto, program.clone()));
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
pub(super) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wanted = |l: &&str| l.starts_with("model name") || l.starts_with("flags") || l.starts_with("Features");
    info.lines().take_while(|l| !l.is_empty()).filter(wanted).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn checksum(key: &str, payload: &[u8]) -> [u8; 32] {
    // (all keys have one length)
    Sha256::new().chain_update(key).chain_update(payload).finalize().into()
}

/// The program under this key, if the file is whole, has not been another's, and only this user or root can have written it.
fn read(path: &Path, key: &str) -> Option<Vec<u8>> {
    let mut bytes = read_own_file(path, LIMIT).ok()?;
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let sum = rest.split_off(..32)?;
    (*sum == checksum(key, rest)).then(|| bytes.split_off(MAGIC.len() + 32))
}

fn write(path: &Path, key: &str, payload: &[u8]) -> io::Result<()> {
    let dir = path.parent().expect("a file in a directory");
    create_own(dir)?;
    // (what stands in the place of a program, but is no file, is nobody's program)
    if path.symlink_metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        remove(path)?;
    }
    // readers see the old file or the new one, never half of it
    let (draft, mut file) = Draft::file(path)?;
    for part in [&MAGIC[..], &checksum(key, payload)[..], payload] {
        file.write_all(part)?;
    }
    draft.publish_unsynced()?;
    let mut files = files(dir);
    files.sort_by_key(|f| f.2);
    let mut total: u64 = files.iter().map(|f| f.1).sum();
    for (old, size, _) in files {
        if total <= LIMIT {
            break;
        }
        remove(&old)?;
        total -= size;
    }
    Ok(())
}

/// The compiled programs in `dir`. What else lies there is not raxla's.
fn files(dir: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let known = entries.filter(|e| is_name(&e.path())).filter_map(|e| e.metadata().ok().map(|m| (e.path(), m)));
    known
        .filter(|(_, m)| m.is_file())
        .map(|(p, m)| (p, m.len(), m.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
        .collect()
}

/// A key and the extension.
fn is_name(path: &Path) -> bool {
    let key = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    path.extension().is_some_and(|e| e == EXTENSION) && key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit())
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

    fn place(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("raxla-cache-{name}-{}", std::process::id()));
        create_own(&dir).unwrap();
        dir
    }

    fn named(dir: &Path, key: &str) -> PathBuf {
        dir.join(key).with_extension(EXTENSION)
    }

    #[test]
    fn damaged_and_swapped_files_are_not_read() {
        let dir = place("damaged");
        let keys = ["a".repeat(64), "b".repeat(64)];
        let paths = keys.each_ref().map(|key| named(&dir, key));
        for (path, key) in paths.iter().zip(&keys) {
            write(path, key, key.as_bytes()).unwrap();
            assert_eq!(read(path, key).unwrap(), key.as_bytes());
        }
        let bytes = fs::read(&paths[0]).unwrap();
        let mut lengths = 0..bytes.len();
        assert!(lengths.all(|n| fs::write(&paths[0], &bytes[..n]).is_ok() && read(&paths[0], &keys[0]).is_none()));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            fs::write(&paths[0], &bytes).unwrap();
            assert_eq!(read(&paths[0], &keys[0]), None, "byte {at} is another");
        }
        // the other program's file, whole
        fs::copy(&paths[1], &paths[0]).unwrap();
        assert_eq!(read(&paths[0], &keys[0]), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_not_this_users_file_is_not_read_and_is_replaced() {
        use std::{
            os::unix::fs::{PermissionsExt, symlink},
            process::Command,
        };
        let dir = place("replaced");
        let key = "c".repeat(64);
        let (path, elsewhere) = (named(&dir, &key), dir.join("elsewhere"));
        fs::write(&elsewhere, "mine").unwrap();
        let plant: [&dyn Fn(); 5] = [
            &|| assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
            &|| symlink("/dev/zero", &path).unwrap(),
            &|| symlink(&elsewhere, &path).unwrap(),
            &|| {
                write(&path, &key, b"planted").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
            },
            &|| fs::File::create(&path).unwrap().set_len(LIMIT + 1).unwrap(),
        ];
        for plant in plant {
            let _ = fs::remove_file(&path);
            plant();
            assert_eq!(read(&path, &key), None);
            write(&path, &key, b"program").unwrap();
            assert_eq!(read(&path, &key).unwrap(), b"program");
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn only_compiled_programs_count_as_such() {
        let dir = place("others");
        let key = "0123456789abcdef".repeat(4);
        write(&named(&dir, &key), &key, b"program").unwrap();
        let others =
            [&*key, "notes.raxla-program", "notes.txt", &format!("{key}.txt"), &format!("{key}0.raxla-program")];
        others.iter().for_each(|name| fs::write(dir.join(name), "mine").unwrap());
        fs::create_dir(named(&dir, &"d".repeat(64))).unwrap();
        assert_eq!(files(&dir).iter().map(|f| f.0.clone()).collect::<Vec<_>>(), [named(&dir, &key)]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
