//! The functions of `raxla::numpy`, and indices with several parts, beside JAX's (tests/fixtures/numpy.json).
use super::against_jax::{Cases, Function, all_equal, fixture, none_is_missing, run};

mod analysis;
mod arrangement;
mod elements;
mod mistakes;
mod tables;

/// f64 within 1e-12, f32 within 2e-6, of the largest number.
const TOLERANCES: [f64; 2] = [1e-12, 2e-6];

fn groups() -> Vec<Cases> {
    vec![
        elements::cases(),
        elements::reductions(),
        tables::cases(),
        analysis::cases(),
        arrangement::cases(),
        arrangement::matrices(),
    ]
}

macro_rules! each {
    ($($name:ident: $i:literal;)*) => {$(
        #[test]
        fn $name() {
            all_equal(&groups()[$i], &fixture("numpy"), TOLERANCES);
        }
    )*};
}
each! {
    elementwise_functions_are_those_of_jax: 0;
    reductions_are_those_of_jax: 1;
    statistics_and_sets_are_those_of_jax: 2;
    calculus_and_polynomials_are_those_of_jax: 3;
    shapes_are_those_of_jax: 4;
    products_and_indices_are_those_of_jax: 5;
}
#[test]
fn no_case_is_left_out() {
    none_is_missing(&groups(), &fixture("numpy"));
}
