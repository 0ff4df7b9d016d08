//! What the compiler for NVIDIA's GPUs is told of `ptxas` and `libdevice`, by a mock plugin that says that it is for them: no GPU is needed
//! to see it.
use crate::children::plugin;
use raxla::{prelude::*, runtime};
use raxla_xla::{CompileOptions, OptionValue, entries};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A program's name, with which the mock plugin shows its options, in a process with these variables.
fn name(library: &Path, home: &Path, variables: &[(&str, &Path)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["toolkit::compiles", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command
        .env("RAXLA_TEST_LIBRARY", library)
        .env("RAXLA_HOME", home)
        .env("RAXLA_OFFLINE", "1")
        .env_remove("CUDA_ROOT");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("name: "));
    line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr))).1.to_string()
}

#[test]
#[ignore = "run by other tests in a child process"]
fn compiles() {
    let platform = env::var("RAXLA_TEST_LIBRARY").unwrap();
    let create_options = vec![("mock_platform".into(), "cuda".into())];
    let client = runtime::client_with(&runtime::Options { platform, create_options, ..Default::default() }).unwrap();
    let same = jit(|x: Tensor| x).on(&client);
    let compiled = same.lower(&(Aval::new(DType::F32, [2]),)).unwrap().compile(&client).unwrap();
    let name = compiled.executable().name().unwrap();
    println!("name: {name}");
    // a module from a file is compiled with the same
    let text = same.lower(&(Aval::new(DType::F32, [2]),)).unwrap().text;
    let options = CompileOptions::default();
    assert_eq!(client.compile(text.as_bytes(), &options).unwrap().name().unwrap(), name);
    // what the user names stands
    let own = OptionValue::String("/own".into());
    let options = CompileOptions { env_overrides: vec![("xla_gpu_cuda_data_dir".into(), own)], ..options };
    let name = client.compile(text.as_bytes(), &options).unwrap().name().unwrap();
    assert_eq!(name, "main xla_gpu_cuda_data_dir=/own");
}

#[test]
fn programs_for_gpus_are_told_where_ptxas_and_libdevice_are() {
    let place = tempfile::tempdir().unwrap();
    let at = |path: &str| place.path().canonicalize().unwrap().join(path);
    let entry = entries("cuda13").unwrap()[0];
    let needs = |folder: &Path| {
        for need in &entry.needs {
            let path = folder.join(&need.to);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    };
    let told = |folder: &Path| format!("main xla_gpu_cuda_data_dir={}", folder.display());
    // as pip installs it
    let library = at("site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so");
    fs::create_dir_all(library.parent().unwrap()).unwrap();
    fs::copy(plugin(), &library).unwrap();
    let home = at("home");
    assert_eq!(name(&library, &home, &[]), "main", "XLA looks for CUDA's toolkit");
    let wheels = at("site-packages/nvidia/cu13");
    needs(&wheels);
    assert_eq!(name(&library, &home, &[]), told(&wheels));
    // as raxla installs it, for this plugin and for one of another name
    let own = home.join(format!("plugins/cuda13-needs-{}", entry.needs[0].pinned.version));
    needs(&own);
    assert_eq!(name(&library, &home, &[]), told(&own));
    let other: PathBuf = at("other.so");
    fs::copy(plugin(), &other).unwrap();
    assert_eq!(name(&other, &home, &[]), told(&own));
    fs::remove_file(own.join("bin/ptxas")).unwrap();
    assert_eq!(name(&library, &home, &[]), told(&wheels), "half of it is nothing");
    // as JAX's programs are told
    assert_eq!(name(&library, &home, &[("CUDA_ROOT", Path::new("/opt/cuda"))]), told(Path::new("/opt/cuda")));
}
