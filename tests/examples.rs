//! The programs of examples/programs end well. Each checks its own outcome.
#[path = "../examples/programs/main.rs"]
#[allow(dead_code)]
mod programs;

/// Runs a program, and shows its error as `main` would.
#[track_caller]
fn run(name: &str) {
    let (_, program) = programs::PROGRAMS.iter().find(|(n, _)| *n == name).expect("a program of this name");
    program().unwrap_or_else(|e| panic!("{e}"));
}

macro_rules! run_each {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*
        #[test]
        fn none_is_left_out() {
            let names: Vec<&str> = programs::PROGRAMS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}
run_each! {
    linear_regression moons cnn language_model fit lorenz gaussian_process monte_carlo custom_kernel mesh spectral_pde mlp
    data_parallel run_jax_export
}
