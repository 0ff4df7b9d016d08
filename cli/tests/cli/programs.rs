//! Programs in files: `raxla export`, `raxla compile`, `raxla run`.
use crate::common::{assert_holds, fails, fixture, raxla, read_tensors, succeeds};
use std::{fs, path::PathBuf};

fn jax(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/jax_export").join(name)
}

#[test]
fn what_jax_exported_runs_on_inputs_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("y.safetensors");
    let forms = [
        ("mlp.mlir", "mlp"),
        ("mlp.mlirbc", "mlp"),
        ("mlp.jax", "mlp"),
        ("sizes.jax", "sizes_a"),
        ("sizes.jax", "sizes_b"),
    ];
    for (form, case) in forms {
        let shown = succeeds(raxla(["run"]).arg(jax(form)));
        assert_holds(&shown, &["takes", "returns", "to run it: --inputs"]);
        let inputs = jax(&format!("{case}.inputs.safetensors"));
        succeeds(raxla(["run"]).arg(jax(form)).arg("--inputs").arg(&inputs).arg("-o").arg(&out));
        let (have, want) = (read_tensors(&out), read_tensors(&jax(&format!("{case}.outputs.safetensors"))));
        let types = |all: &crate::common::Tensors| {
            let mut types: Vec<_> = all.values().map(|(dtype, dims, _)| (format!("{dtype:?}"), dims.clone())).collect();
            types.sort();
            types
        };
        assert_eq!(types(&have), types(&want), "{form}");
    }
    fails(raxla(["run"]).arg(jax("mlp.jax")).arg("--inputs").arg(jax("x64.inputs.safetensors")), 1, &["help: "]);
    fails(raxla(["run"]).arg(jax("nowhere.jax")), 1, &["nowhere.jax: it cannot be read", "help: give a file that"]);
    fails(
        raxla(["run"]).arg(jax("mlp.jax")).args(["--inputs", "nowhere"]),
        2,
        &["it cannot be read", "help: give a safetensors file"],
    );
}

/// The configuration of a preset is known, its context too: no hub is asked.
#[test]
fn programs_of_presets_need_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let alone = |command: &mut std::process::Command| {
        succeeds(command.env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HUB_CACHE", dir.path()))
    };
    assert_holds(&alone(&mut raxla(["hlo", "--model", "gpt2", "--stage", "graph", "--scan"])), &["f32[1, 1, 12, 64]"]);
    let path = dir.path().join("p.mlir");
    alone(raxla(["export", "--model", "gpt2", "--program", "forward", "-o"]).arg(&path));
    assert_holds(&fs::read_to_string(&path).unwrap(), &["tensor<1x1024xi32>"]);
    let compile = ["bench", "compile", "--model", "gpt2", "--layers", "1", "--scan", "--repeat", "1", "--json"];
    assert_holds(&alone(&mut raxla(compile)), &["\"metric\":\"decode_compile_ms\""]);
}

#[test]
fn models_are_exported_and_compiled_into_files() {
    let dir = tempfile::tempdir().unwrap();
    let model = fixture("gpt2_f16");
    for (command, name) in [("export", "p.mlir"), ("export", "p.jax"), ("compile", "p.raxla")] {
        let path = dir.path().join(name);
        let mut made = raxla([command, "--program", "decode", "--dtype", "f32", "--context", "16", "--model"]);
        succeeds(made.arg(&model).arg("-o").arg(&path));
        assert_holds(&succeeds(raxla(["run"]).arg(&path)), &["takes", "returns", ": f32["]);
    }
    fails(raxla(["export", "--model"]).arg(&model).args(["-o", "p.txt"]), 2, &[".mlir (text) or .jax"]);
    let whole = fs::read(dir.path().join("p.raxla")).unwrap();
    fs::write(dir.path().join("p.raxla"), &whole[..whole.len() / 2]).unwrap();
    fails(raxla(["run"]).arg(dir.path().join("p.raxla")), 1, &["its checksum is another", "help: compile it again"]);
}

/// The plugin's parser ends its process over a text whose locations are cut off.
#[test]
fn a_module_that_the_plugin_dies_of_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(jax("x64.mlir")).unwrap();
    let path = dir.path().join("cut.mlir");
    for end in [0, 7, 300, 1653, 1706, 2168] {
        fs::write(&path, &whole[..end]).unwrap();
        fails(raxla(["run"]).arg(&path), 1, &["cut.mlir", "help: "]);
    }
    let other = fixture("gpt2_hub").join("config.json");
    fails(raxla(["run"]).arg(other), 1, &["it is text without a function", "help: give a StableHLO module"]);
    let inputs = dir.path().join("cut.safetensors");
    fs::write(&inputs, &fs::read(jax("mlp.inputs.safetensors")).unwrap()[..60]).unwrap();
    let wanted = ["cut.safetensors: it is no safetensors file", "help: it may be cut off"];
    fails(raxla(["run"]).arg(jax("mlp.jax")).arg("--inputs").arg(&inputs), 1, &wanted);
}
