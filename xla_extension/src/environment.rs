//! What must hold before a plugin is loaded: a real library, flags it knows, quiet logs. A plugin aborts the process or
//! floods stderr otherwise, and after loading it is too late.

use crate::{Code, Error, Result, manifest};
use std::{
    env, fs,
    io::Read,
    path::Path,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Lets the plugins' own log lines through to stderr. Set it before loading a plugin; `RAXLA_VERBOSE=1` does the same.
pub fn set_verbose(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// Whether an environment variable is set to something other than nothing, `0` or `false`.
pub(crate) fn switch(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Refuses files that are no shared library, with the reason, before the dynamic loader sees them.
pub(crate) fn check_library(path: &Path) -> Result<()> {
    let fail = |what: &str| {
        Err(Error::new(Code::InvalidArgument, format!("plugin {}: {what}", path.display()))
            .help("install a plugin again with `raxla plugin install cpu`, or give the path of another"))
    };
    let mut head = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.read(&mut head).map(|_| length)
    });
    match read {
        Err(error) => fail(&format!("cannot be read: {error}")),
        Ok(0) => fail("the file is empty (zero bytes)"),
        #[cfg(target_os = "linux")]
        Ok(_) if head != *b"\x7fELF" => fail("the file is not a shared library (no ELF header)"),
        #[cfg(target_os = "linux")]
        Ok(_) => match fs::File::open(path).ok().and_then(|mut file| crate::elf::fault(&mut file)) {
            Some(fault) => fail(&format!("cannot load: {fault}")),
            None => Ok(()),
        },
        #[cfg(not(target_os = "linux"))]
        Ok(_) => Ok(()),
    }
}

/// Finds flags in `XLA_FLAGS` that the plugin does not know; it would abort the process over them.
pub(crate) fn check_xla_flags(path: &Path) -> Result<()> {
    let Some(text) = env::var_os("XLA_FLAGS").map(|text| text.to_string_lossy().into_owned()) else { return Ok(()) };
    let fail = |what: String| {
        Err(Error::new(Code::InvalidArgument, format!("XLA_FLAGS: {what}"))
            .help("correct or unset XLA_FLAGS; XLA aborts the process over flags that it does not know"))
    };
    let text = match &*text {
        "" => return Ok(()),
        flags if flags.trim_start().starts_with('-') => text,
        // XLA takes anything else for the name of a file with flags.
        file => match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                return fail(format!("`{file}` is no flag, and as a file of flags it cannot be read: {error}"));
            }
        },
    };
    let flags = flag_names(&text);
    // SAFETY: the plugin's file is mapped for reading; if another program truncates it meanwhile, this process dies of
    // the signal that loading the library would have raised too.
    let library = fs::File::open(path).and_then(|file| unsafe { memmap2::Mmap::map(&file) });
    let library =
        library.map_err(|error| Error::new(Code::Unknown, format!("cannot read {}: {error}", path.display())))?;
    for flag in flags {
        let known = flag.strip_prefix("--").is_some_and(|name| {
            // The plugin registers each flag under a string of its own.
            memchr::memmem::find(&library, format!("\0{name}\0").as_bytes()).is_some()
        });
        if !known || !flag.starts_with("--xla_") {
            return fail(format!("the plugin {} does not know the flag `{flag}`", path.display()));
        }
    }
    Ok(())
}

/// The words of `XLA_FLAGS` up to their `=`, split as XLA does: at white space outside of a quoted value.
fn flag_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        names.push(rest[..end].to_string());
        rest = &rest[end..];
        if let Some(value) = rest.strip_prefix('=') {
            rest = after_value(value);
        }
        rest = rest.trim_start();
    }
    names
}

fn after_value(value: &str) -> &str {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        return &value[value.find(char::is_whitespace).unwrap_or(value.len())..];
    };
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return &value[at + 1..],
            _ => {}
        }
    }
    ""
}

/// Sets the variables that plugins read while they load, where the user has not set them. Those of all plugins, before the
/// first of them is loaded: its threads read the environment at any time later.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        // Of glibc's lists of free small blocks, those that each thread has are enough. The ones behind them (its fast bins) are emptied
        // block by block whenever a large block is freed, as every run of a program does: a tenth of the time of a small step.
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: glibc changes this under its own lock.
        unsafe {
            libc::mallopt(libc::M_MXFAST, 0);
        }
        if !VERBOSE.load(Ordering::Relaxed) && !switch("RAXLA_VERBOSE") {
            // Fatal errors only: all others come back as values.
            set_default("TF_CPP_MIN_LOG_LEVEL", "3");
        }
        for without in manifest().iter().filter_map(|entry| entry.without_device.as_ref()) {
            if !without.devices.iter().any(|device| Path::new(device).exists()) {
                without.env.iter().for_each(|(name, value)| set_default(name, value));
            }
        }
    });
}

fn set_default(name: &str, value: &str) {
    if env::var_os(name).is_none() {
        // SAFETY: Rust code reads the environment under std's lock, and no plugin has threads yet. Only C code that the
        // program itself runs on another thread could read it at the same moment.
        unsafe { env::set_var(name, value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_split_as_xla_splits_them() {
        let names = flag_names(" --a=1  --b='x --c' --d=\"y \\\" --e\"\n--f stray -g=2 --h='open");
        assert_eq!(names, ["--a", "--b", "--d", "--f", "stray", "-g", "--h"]);
    }

    #[test]
    fn files_that_are_no_library_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            check_library(&path).unwrap_err().to_string()
        };
        assert!(refused("empty.so", b"").contains("zero bytes"));
        assert!(refused("text.so", b"hello, this is text").contains("no ELF header"));
        let missing = check_library(&folder.path().join("missing.so")).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
