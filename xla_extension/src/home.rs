//! The folder for everything that raxla keeps, and whether somebody else could have put something there. Plugins and
//! compiled programs are code: whoever may write them decides what runs.

use crate::{
    Code, Error, Result,
    files::{open_file, read_file},
};
use std::{
    env,
    fs::{self, DirBuilder, Metadata},
    io,
    path::{Path, PathBuf},
};

/// The folder for everything that raxla downloads or caches: `RAXLA_HOME`, by default `raxla` in the user's cache folder
/// (`$XDG_CACHE_HOME` or `~/.cache`).
///
/// # Errors
/// `FailedPrecondition` without `RAXLA_HOME` for a user without a home folder: a folder that all users share will not do.
pub fn raxla_home() -> Result<PathBuf> {
    home_of(env::var_os("RAXLA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from), dirs::cache_dir())
}

fn home_of(variable: Option<PathBuf>, caches: Option<PathBuf>) -> Result<PathBuf> {
    variable.or_else(|| Some(caches?.join("raxla"))).ok_or_else(|| {
        Error::new(
            Code::FailedPrecondition,
            "there is no folder for plugins, models and compiled programs: this user has no home folder",
        )
        .help("name a folder that nobody else may write in RAXLA_HOME")
    })
}

/// A folder below [`raxla_home`], which need not exist.
///
/// # Errors
/// See [`raxla_home`]; and `PermissionDenied` if this folder, or one between it and the home, belongs to another user than
/// this one and root, or may be written by others.
pub fn own_folder(name: impl AsRef<Path>) -> Result<PathBuf> {
    let mut path = raxla_home()?;
    refuse_shared(&path)?;
    for part in name.as_ref().components() {
        path.push(part);
        refuse_shared(&path)?;
    }
    Ok(path)
}

/// Refuses what this user may not read, or not even look for, instead of taking it for absent.
///
/// # Errors
/// `PermissionDenied`, with the folder or file that denies it and whose that is.
pub(crate) fn refuse_unreadable(path: &Path) -> Result<()> {
    match open_file(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
        _ => return Ok(()),
    }
    // (of a folder that denies it, what is in it cannot be looked at)
    let denies = path.ancestors().find_map(|at| fs::metadata(at).ok().map(|metadata| (at, metadata)));
    let (at, metadata) = denies.ok_or_else(|| Error::new(Code::PermissionDenied, "nothing can be read"))?;
    let what =
        format!("{} cannot be read: permission denied; {} {}", path.display(), at.display(), ownership(&metadata));
    Err(Error::new(Code::PermissionDenied, what)
        .help("let this user read it, or name a folder of your own in RAXLA_HOME"))
}

/// Whose it is, and its mode.
fn ownership(metadata: &Metadata) -> String {
    #[cfg(unix)]
    return {
        use std::os::unix::fs::MetadataExt;
        format!("belongs to user number {} (mode {:03o})", metadata.uid(), metadata.mode() & 0o777)
    };
    #[cfg(not(unix))]
    return format!("has the permissions {:?}", metadata.permissions());
}

fn refuse_shared(folder: &Path) -> Result<()> {
    // of a link, both what it is and where it leads
    for metadata in [fs::symlink_metadata(folder), fs::metadata(folder)].into_iter().flatten() {
        if let Some(reason) = others_may_write(&metadata) {
            let what = format!("{} is not used: {reason}, and could put code there that would run", folder.display());
            return Err(Error::new(Code::PermissionDenied, what)
                .help(format!("run `chmod go-w {}`, or name a folder of your own in RAXLA_HOME", folder.display())));
        }
    }
    Ok(())
}

/// Makes a folder, and those above it that are not there, for this user alone.
///
/// # Errors
/// What the system says.
pub fn create_own(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether nobody but this user and root can have changed the file at `path`, or put it there: by its mode and owner, and
/// by those of all folders above it.
pub(crate) fn is_own(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors().all(|at| match fs::symlink_metadata(at) {
        Ok(metadata) => others_may_write(&metadata).is_none() || (at != path && sticky(&metadata)),
        Err(_) => false,
    })
}

/// As [`read_file`], for a file that only this user or root can have written.
///
/// # Errors
/// As [`read_file`], and `PermissionDenied`.
pub fn read_own_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // (checked on the open file too: it may have been another one a moment ago)
    let (file, metadata) = open_file(path)?;
    let shared = [fs::symlink_metadata(path)?, metadata].iter().find_map(others_may_write);
    drop(file);
    match shared {
        Some(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        None => read_file(path, limit),
    }
}

/// Who else may write this, if anybody may.
#[cfg(unix)]
fn others_may_write(metadata: &Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: it only returns a number.
    let me = unsafe { libc::geteuid() };
    writable_by_others(me, metadata.uid(), metadata.gid(), metadata.mode(), metadata.is_symlink())
}

/// The rule, by numbers. A group of the same number as its user is the user's own: many systems give each user one, and let
/// it write what the user makes.
#[cfg(unix)]
fn writable_by_others(me: u32, owner: u32, group: u32, mode: u32, link: bool) -> Option<String> {
    if owner != me && owner != 0 {
        return Some(format!("it belongs to another user (number {owner})"));
    }
    // (a link has no mode of its own)
    let others = mode & 0o002 != 0 || (mode & 0o020 != 0 && group != owner);
    (others && !link).then(|| format!("other users may write it (mode {:03o})", mode & 0o777))
}

#[cfg(not(unix))]
fn others_may_write(_: &Metadata) -> Option<String> {
    None
}

/// Whether only their owners may rename or remove what is in this folder, as in /tmp.
fn sticky(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return {
        use std::os::unix::fs::MetadataExt;
        // SAFETY: it only returns a number.
        metadata.mode() & 0o1000 != 0 && [0, unsafe { libc::geteuid() }].contains(&metadata.uid())
    };
    #[cfg(not(unix))]
    return metadata.is_dir();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_home_is_the_users_or_there_is_none() {
        assert_eq!(home_of(Some("/r".into()), None).unwrap(), Path::new("/r"));
        assert_eq!(home_of(None, Some("/home/me/.cache".into())).unwrap(), Path::new("/home/me/.cache/raxla"));
        let error = home_of(None, None).unwrap_err().to_string();
        assert!(
            error.contains("no home folder\n  help: name a folder that nobody else may write in RAXLA_HOME"),
            "{error}"
        );
    }

    #[test]
    fn who_may_write_is_told_by_owner_and_mode() {
        let fine = |owner, group, mode| writable_by_others(1000, owner, group, mode, false).is_none();
        assert!(fine(1000, 1000, 0o755) && fine(1000, 50, 0o755) && fine(0, 0, 0o755) && fine(1000, 50, 0o700));
        assert!(fine(1000, 1000, 0o775), "the user's own group");
        assert!(!fine(1000, 50, 0o775) && !fine(1000, 1000, 0o757) && !fine(0, 50, 0o775) && !fine(0, 0, 0o1777));
        assert!(!fine(1001, 1001, 0o755) && !fine(1001, 1000, 0o700), "an owner may always write");
        assert!(writable_by_others(1000, 1000, 1000, 0o777, true).is_none(), "a link");
        assert!(writable_by_others(1000, 1001, 1001, 0o777, true).is_some(), "somebody else's link");
    }

    #[test]
    fn a_file_below_a_folder_of_others_is_not_own() {
        let place = tempfile::tempdir().unwrap();
        let (folder, file) = (place.path().join("a/b"), place.path().join("a/b/file"));
        create_own(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(&file, "x").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(is_own(&file));
        let upper = place.path().join("a");
        for path in [&file, &folder, &upper] {
            let before = fs::metadata(path).unwrap().permissions().mode();
            mode(path, 0o777);
            assert!(!is_own(&file), "{}", path.display());
            mode(path, before & 0o777);
        }
        // in a folder like /tmp others may write, but not what is another's
        mode(&upper, 0o1777);
        assert!(is_own(&file));
        assert!(!is_own(&place.path().join("missing")));
    }

    #[test]
    fn a_file_that_others_may_write_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x");
        fs::write(&path, "x").unwrap();
        assert_eq!(read_own_file(&path, 10).unwrap(), b"x");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(read_own_file(&path, 10).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
