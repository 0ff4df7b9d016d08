//! Finding the plugin to use.

use crate::{
    Code, Entry, Error, Result,
    install::{self, FileState},
    manifest::{self, entries},
    progress::Progress,
};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The environment variables that name a plugin's file, in the order in which they are asked.
pub const PLUGIN_VARIABLES: [&str; 2] = ["RAXLA_PLUGIN", "PJRT_PLUGIN_LIBRARY_PATH"];

/// The variable that names libtpu's file, as JAX reads it; it counts for `tpu` alone.
pub const TPU_VARIABLE: &str = "TPU_LIBRARY_PATH";

/// The path of the plugin to use for `kind` (`cpu`, `cuda` or one of its versions `cuda12` and `cuda13`, `tpu`): `explicit` (what `--plugin`
/// gave), else the variables `RAXLA_PLUGIN` and `PJRT_PLUGIN_LIBRARY_PATH`, for a TPU `TPU_LIBRARY_PATH`, else what is installed (for a TPU
/// also by pip, or in the image of a TPU VM), else what can be installed now, unless `RAXLA_OFFLINE` forbids it. A path given by hand
/// is taken whatever its kind.
///
/// An error says what was looked for, where, and the command that helps.
pub fn find_plugin(kind: &str, explicit: Option<&Path>) -> Result<PathBuf> {
    search(kind, explicit, || Ok(()))
}

/// As [`find_plugin`], for running on this machine: a plugin for a GPU or a TPU is not downloaded where there is none.
///
/// # Errors
/// As [`find_plugin`]; and no such device.
pub fn find_plugin_for_device(kind: &str, explicit: Option<&Path>) -> Result<PathBuf> {
    let wanted = || device_present(kind).map_err(|e| Error { message: e.message + ", so it is not downloaded", ..e });
    let path = search(kind, explicit, wanted)?;
    // (a plugin of someone else's comes with what it needs, or finds it)
    let own = entries(kind).unwrap_or_default().into_iter();
    let own = own.filter(|entry| !entry.needs.is_empty() && install::library_path(entry).is_ok_and(|own| own == path));
    for entry in own {
        if wanted().is_ok() {
            install::install_needs(entry, Progress::Stderr)?;
        }
    }
    Ok(path)
}

/// As [`find_plugin`], of what is on this machine: `None` where it would have to be installed.
///
/// # Errors
/// A path given by hand that leads nowhere; a kind that is unknown.
pub fn present_plugin(kind: &str, explicit: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(path) = explicit {
        return given(path, "--plugin").map(Some);
    }
    for variable in PLUGIN_VARIABLES.into_iter().chain((kind == "tpu").then_some(TPU_VARIABLE)) {
        if let Some(path) = env::var_os(variable).filter(|value| !value.is_empty()) {
            return given(Path::new(&path), variable).map(Some);
        }
    }
    for entry in entries(kind)? {
        let path = install::library_path(entry)?;
        if install::verify(&entry.library, &path) == FileState::Verified {
            return Ok(Some(path));
        }
    }
    Ok(if kind == "tpu" { libtpu(Path::new("/"), &python_folders()) } else { None })
}

/// `wanted`: may it be downloaded?
fn search(kind: &str, explicit: Option<&Path>, wanted: impl Fn() -> Result<()>) -> Result<PathBuf> {
    if let Some(path) = present_plugin(kind, explicit)? {
        return Ok(path);
    }
    let get = |entry: &'static Entry| {
        supported(entry).and_then(|()| wanted()).and_then(|()| install::install(entry, Progress::Stderr))
    };
    install::first(entries(kind)?, get).map(|(_, path)| path).map_err(|failures| none_found(kind, &failures))
}

/// Folders in which Pythons keep their versions: of the virtual environment, of the user, of the system.
fn python_folders() -> Vec<PathBuf> {
    let of = |name: &str, rest: &str| env::var_os(name).map(|folder| PathBuf::from(folder).join(rest));
    let own = [of("VIRTUAL_ENV", "lib"), of("CONDA_PREFIX", "lib"), of("HOME", ".local/lib")];
    own.into_iter().flatten().chain(["/usr/local/lib", "/usr/lib"].map(PathBuf::from)).collect()
}

/// The libtpu that pip installed for some Python, the newest first, or that of a TPU VM's image.
fn libtpu(root: &Path, pythons: &[PathBuf]) -> Option<PathBuf> {
    let versions = |folder: &PathBuf| {
        let entries = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        let number = |path: &Path| {
            path.file_name()?.to_str()?.strip_prefix("python3")?.trim_start_matches('.').parse::<u32>().ok()
        };
        let mut found: Vec<(Option<u32>, PathBuf)> = entries
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")))
            .map(|path| (number(&path), path))
            .collect();
        found.sort();
        found.into_iter().rev().map(|(_, path)| path)
    };
    let packages = pythons.iter().flat_map(versions).flat_map(|python| {
        ["site-packages", "dist-packages"].map(|folder| python.join(folder).join("libtpu/libtpu.so"))
    });
    packages.chain(["lib/libtpu.so", "usr/lib/libtpu.so"].map(|path| root.join(path))).find(|path| path.is_file())
}

fn given(path: &Path, how: &str) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    let what = if path.exists() { "is not a file" } else { "does not exist" };
    Err(Error::new(Code::NotFound, format!("the plugin {} (from {how}) {what}", path.display()))
        .help("correct the path, or leave it out and run `raxla plugin install cpu`"))
}

/// Whether this machine has what a plugin of this kind runs on.
///
/// # Errors
/// It shows no such device; what was looked for.
pub fn device_present(kind: &str) -> Result<()> {
    present(kind, Path::new("/"))
}

/// Whether the plugin's wheels are for this machine.
fn supported(entry: &Entry) -> Result<()> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(());
    }
    let (os, arch) = (env::consts::OS, env::consts::ARCH);
    Err(Error::new(
        Code::Unimplemented,
        format!("{} is built for Linux on x86-64, not for {os} on {arch}", entry.library.package),
    )
    .help(match manifest::others().iter().find(|other| other.has_wheels()) {
        Some(other) => format!(
            "the package {} has a plugin for {}: install it with pip, and name its library with `--device PATH`",
            other.package, other.devices
        ),
        None => "build the plugin from XLA's sources and name it in `RAXLA_PLUGIN`".into(),
    }))
}

/// Whether the machine has what a plugin of this kind runs on: those for GPUs and TPUs are hundreds of megabytes, which nobody wants
/// who has none. (`raxla plugin install` does not ask.) `root`: where `dev` and `proc` are.
fn present(kind: &str, root: &Path) -> Result<()> {
    let (what, signs): (_, &[&str]) = match kind {
        // the driver, as Linux and as WSL show it
        "cuda" | "cuda12" | "cuda13" => ("NVIDIA GPU", &["proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg"]),
        "tpu" => ("TPU", &["dev/accel0", "dev/vfio/0"]),
        _ => return Ok(()),
    };
    if signs.iter().any(|sign| root.join(sign).exists()) {
        return Ok(());
    }
    let shown: Vec<String> = signs.iter().map(|sign| format!("/{sign}")).collect();
    let message = format!("this machine shows no {what} (there is none of {})", shown.join(", "));
    Err(Error::new(Code::NotFound, message)
        .help("leave out `--device` (or RAXLA_PLATFORM) to run on the CPU, or install the device's driver"))
}

fn none_found(kind: &str, failures: &[(&Entry, Error)]) -> Error {
    let mut message = format!("no `{kind}` plugin found:");
    for variable in PLUGIN_VARIABLES {
        message += &format!("\n  {variable} is not set");
    }
    let first = failures.first().map(|(_, error)| error);
    let remedy = match first.and_then(|error| error.remedy.clone()) {
        Some(remedy) => format!("{remedy}; then run `raxla plugin install {kind}`"),
        None => format!("run `raxla plugin install {kind}`, or name a plugin in `RAXLA_PLUGIN`"),
    };
    install::none_of(message, failures).help(remedy)
}

/// What is known of an installable plugin on this machine, without loading it.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    /// The plugin.
    pub entry: &'static Entry,
    /// Where its library is or would be.
    pub path: PathBuf,
    /// Whether it is there and right.
    pub state: FileState,
}

/// The state of all known plugins of a kind, in the order of preference.
pub fn status_of(kind: &str) -> Result<Vec<PluginStatus>> {
    entries(kind)?.into_iter().map(status).collect()
}

/// The state of all known plugins.
pub fn status_of_all() -> Result<Vec<PluginStatus>> {
    manifest::manifest().iter().map(status).collect()
}

fn status(entry: &'static Entry) -> Result<PluginStatus> {
    let path = install::library_path(entry)?;
    let state = install::verify(&entry.library, &path);
    Ok(PluginStatus { entry, path, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtpu_of_pip_and_of_a_tpu_vm_is_found() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join("venv/lib");
        let find = || libtpu(root.path(), &[root.path().join("none"), lib.clone()]);
        assert_eq!(find(), None);
        let put = |path: PathBuf| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let image = put(root.path().join("lib/libtpu.so"));
        assert_eq!(find(), Some(image));
        put(lib.join("python3.9/site-packages/libtpu/libtpu.so"));
        let newest = put(lib.join("python3.12/site-packages/libtpu/libtpu.so"));
        assert_eq!(find(), Some(newest));
    }

    #[test]
    fn plugins_for_devices_that_are_not_there_are_not_downloaded() {
        let root = tempfile::tempdir().unwrap();
        assert!(present("cpu", root.path()).is_ok());
        for (kind, sign) in [("cuda12", "dev/nvidiactl"), ("cuda13", "dev/dxg"), ("tpu", "dev/accel0")] {
            let error = present(kind, root.path()).unwrap_err();
            assert!(error.message.contains(sign), "{error}");
            let sign = root.path().join(sign);
            std::fs::create_dir_all(sign.parent().unwrap()).unwrap();
            std::fs::write(&sign, "").unwrap();
            assert!(present(kind, root.path()).is_ok());
            std::fs::remove_file(sign).unwrap();
        }
    }
}
