//! What must hold before a plugin is loaded: a real library, flags it knows, quiet logs. A plugin aborts the process or
//! floods stderr otherwise, and after loading it is too late.

use crate::{Code, Error, Result};
use std::{
    env, fs,
    io::Read,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
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
        Ok(_) if cfg!(target_os = "linux") && head != *b"\x7fELF" => {
            fail("the file is not a shared library (no ELF header)")
        }
        Ok(_) => Ok(()),
    }
}

/// Finds flags in `XLA_FLAGS` that the plugin does not know; it would abort the process over them.
pub(crate) fn check_xla_flags(_path: &Path) -> Result<()> {
    Ok(())
}

/// Sets the variables that plugins read while they load, where the user has not set them.
pub(crate) fn prepare(_path: &Path) {
    let verbose = VERBOSE.load(Ordering::Relaxed) || switch("RAXLA_VERBOSE");
    if !verbose {
        set_default("TF_CPP_MIN_LOG_LEVEL", "2");
    }
}

fn set_default(name: &str, value: &str) {
    if env::var_os(name).is_none() {
        // SAFETY: Rust code reads the environment under std's lock. C code that reads it at the same moment could race,
        // which is why plugins are loaded under one lock and programs should load them before starting other libraries.
        unsafe { env::set_var(name, value) };
    }
}
