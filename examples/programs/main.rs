//! Whole programs, each in a file that is also a program of its own: copy one into a project to begin with.
//!
//! `cargo run --example programs -- moons` runs one, without a name all. The tests run them too (tests/examples.rs).
mod cnn;
mod custom_kernel;
mod data_parallel;
mod fit;
mod gaussian_process;
mod language_model;
mod linear_regression;
mod lorenz;
mod mesh;
mod mlp;
mod monte_carlo;
mod moons;
mod run_jax_export;
mod spectral_pde;

/// Name and program.
type Program = (&'static str, fn() -> raxla::Result<()>);
/// All of them.
pub const PROGRAMS: [Program; 14] = [
    ("linear_regression", linear_regression::main),
    ("moons", moons::main),
    ("cnn", cnn::main),
    ("language_model", language_model::main),
    ("fit", fit::main),
    ("lorenz", lorenz::main),
    ("gaussian_process", gaussian_process::main),
    ("monte_carlo", monte_carlo::main),
    ("custom_kernel", custom_kernel::main),
    ("mesh", mesh::main),
    ("spectral_pde", spectral_pde::main),
    ("mlp", mlp::main),
    ("data_parallel", data_parallel::main),
    ("run_jax_export", run_jax_export::main),
];

fn main() -> raxla::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|w| !PROGRAMS.iter().any(|(name, _)| name == w)) {
        let names: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no program `{unknown}`; there are {}", names.join(", "));
        std::process::exit(2);
    }
    for (name, program) in PROGRAMS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)) {
        println!("== {name}");
        program()?;
    }
    Ok(())
}
