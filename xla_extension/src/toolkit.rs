//! Programs and files that a plugin's compiler uses beside itself: for NVIDIA's GPUs `ptxas` and `libdevice`.
//!
//! XLA looks for them where CUDA's toolkit is as a rule. Who has none has them from raxla or from pip, and the compiler is told their folder
//! with each program, whether it is compiled for a GPU that is there or not.
use crate::{
    CompileOptions, Entry, OptionValue,
    install::needs_folder,
    manifest::{entry_of_library, manifest},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// XLA's option that names the folder.
const OPTION: &str = "xla_gpu_cuda_data_dir";

/// The variable that names the folder in JAX's programs.
const VARIABLE: &str = "CUDA_ROOT";

/// The options, with the folder of what this plugin's compiler uses beside itself. Options that the user named stand, also those in
/// `XLA_FLAGS`.
pub(crate) fn with_toolkit(options: &CompileOptions, library: &Path, platform: &str) -> CompileOptions {
    let mut options = options.clone();
    let named = options.env_overrides.iter().any(|(name, _)| name == OPTION) || flags().contains(OPTION);
    if let Some(folder) = toolkit(library, platform).filter(|_| !named) {
        options.env_overrides.push((OPTION.into(), OptionValue::String(folder.to_string_lossy().into_owned())));
    }
    options
}

/// The text of `XLA_FLAGS`, which may be in a file.
fn flags() -> String {
    let text = env::var("XLA_FLAGS").unwrap_or_default();
    if text.is_empty() || text.trim_start().starts_with('-') {
        text
    } else {
        fs::read_to_string(text).unwrap_or_default()
    }
}

/// The folder with what the compiler of this plugin uses beside itself: what `CUDA_ROOT` names, as for JAX; what is installed for the
/// plugin ([`install_needs`](crate::install_needs)); else what pip put beside the plugin's own package. `None` where the plugin needs
/// nothing, and where XLA has to look for it.
pub fn toolkit(library: &Path, platform: &str) -> Option<PathBuf> {
    let own = entry_of_library(library);
    let known: Vec<&Entry> = match own {
        Some(entry) => vec![entry],
        // a plugin of another name
        None => manifest().iter().filter(|entry| entry.platform_name == platform).collect(),
    };
    let known: Vec<&Entry> = known.into_iter().filter(|entry| !entry.needs.is_empty()).collect();
    let complete = |folder: &PathBuf, entry: &Entry| entry.needs.iter().all(|need| folder.join(&need.to).is_file());
    if known.is_empty() {
        return None;
    }
    if let Some(folder) = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return Some(folder.into());
    }
    let installed = known.iter().find_map(|entry| needs_folder(entry).ok()?.filter(|folder| complete(folder, entry)));
    let beside = || {
        // site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so
        let packages = library.ancestors().nth(3)?;
        let wheels = ["nvidia/cu13", "nvidia/cuda_nvcc"].map(|folder| packages.join(folder));
        wheels.into_iter().find(|folder| known.iter().any(|entry| complete(folder, entry)))
    };
    installed.or_else(beside)
}
