//! A function that JAX wrote with `jax.export`, run here with its inputs, and its derivative: no Python, and the same numbers.
use raxla::{
    export::{Exported, Program},
    prelude::*,
    runtime, tree,
};
use std::{collections::BTreeMap, path::Path};

/// The arrays of a file, in the order of the program's leaves, which name them by their numbers.
fn read(path: &Path, types: &[(String, Aval)]) -> raxla::Result<Vec<Array>> {
    let like: BTreeMap<String, Aval> =
        types.iter().enumerate().map(|(i, (_, aval))| (i.to_string(), aval.clone())).collect();
    let mut found = tree::load(&like, path)?;
    Ok((0..types.len()).filter_map(|i| found.remove(&i.to_string())).collect())
}

/// The largest difference.
fn apart(have: &[Array], want: &[Array]) -> raxla::Result<f64> {
    let mut most = 0f64;
    for (a, b) in have.iter().zip(want) {
        let (a, b) = (a.to_host()?.to_f64(), b.to_host()?.to_f64());
        most = a.iter().zip(&b).fold(most, |m, (a, b)| m.max((a - b).abs()));
    }
    Ok(most)
}

pub fn main() -> raxla::Result<()> {
    // scripts/make_jax_export_fixture.py: jax.export.export(jax.jit(mlp))(..).serialize(vjp_order=1)
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jax_export");
    let exported = Exported::deserialize(include_bytes!("../../tests/fixtures/jax_export/mlp.jax"))?;
    println!("`{}` for {}", exported.name(), exported.platforms().join(", "));

    let client = runtime::client()?;
    let program = Program::of(&exported, &client)?;
    for (path, aval) in program.arguments() {
        println!("  takes {path}: {aval}");
    }
    for (path, aval) in program.results() {
        println!("  gives {path}: {aval}");
    }
    let inputs = read(&folder.join("mlp.inputs.safetensors"), program.arguments())?;
    let outputs = program.run(&inputs.iter().collect::<Vec<_>>())?;
    let difference = apart(&outputs, &read(&folder.join("mlp.outputs.safetensors"), program.results())?)?;
    println!("y = {:.3}\nfrom what JAX computed: {difference:.0e}", outputs[1]);
    assert!(difference < 1e-5);

    // its derivative came along: inputs, then a cotangent for each result
    if let Some(vjp) = exported.vjp() {
        let vjp = Program::of(vjp, &client)?;
        let inputs = read(&folder.join("mlp_vjp.inputs.safetensors"), vjp.arguments())?;
        let gradients = vjp.run(&inputs.iter().collect::<Vec<_>>())?;
        let difference = apart(&gradients, &read(&folder.join("mlp_vjp.outputs.safetensors"), vjp.results())?)?;
        println!("its derivative, from JAX's: {difference:.0e}");
        assert!(difference < 1e-4);
    }
    Ok(())
}
