//! Functions and their transformations against what JAX computed (tests/fixtures/transforms.json): the interpreter and compiled
//! programs alike. Each case is a function here and one of the same name in scripts/transform_cases/, the same mathematics.
use fixture::host;
use raxla::{Host, Tree, grad, prelude::*, trace::trace_graph};
use serde_json::Value;
use std::collections::BTreeMap;

/// A function of the inputs that the fixture has under this name, and the leaves of its result.
pub struct Case {
    name: &'static str,
    f: fn(&[Tensor]) -> Vec<Tensor>,
}
/// `case!(name, |x, y| result)`
macro_rules! case {
    ($name:ident, |$($x:ident),*| $body:expr) => {
        $crate::jax_transforms::Case {
            name: stringify!($name),
            f: |inputs| {
                let [$($x),*] = *inputs else { panic!("{} inputs", inputs.len()) };
                $crate::jax_transforms::leaves(&$body)
            },
        }
    };
}
fn leaves(x: &impl Tree<Tensor>) -> Vec<Tensor> {
    x.leaves()
}

/// The gradient of the sum of all elements of `f`.
fn slopes(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    grad(move |x| f(x).sum(..))
}
/// The gradient of the sum of all elements of `f` by both arguments.
fn slopes2(f: impl Fn(Tensor, Tensor) -> Tensor) -> impl Fn(Tensor, Tensor) -> (Tensor, Tensor) {
    let d = grad(move |(x, y)| f(x, y).sum(..));
    move |x, y| d((x, y))
}
/// A scalar i32.
fn int(n: i32) -> Tensor {
    full([], DType::I32, n)
}
/// A scalar f64.
fn float(x: f64) -> Tensor {
    full([], DType::F64, x)
}

mod axes;
mod batching;
mod calls;
mod convolution;
mod derivatives;
pub mod fixture;
mod indexing;
mod kinks;
mod loops;
mod nested;
mod random;
mod training;
mod values;

const GROUPS: &[&[Case]] = &[
    values::CASES,
    indexing::CASES,
    convolution::CASES,
    kinks::CASES,
    derivatives::CASES,
    batching::CASES,
    loops::CASES,
    calls::CASES,
    random::CASES,
    training::CASES,
    axes::CASES,
    nested::CASES,
];

/// Where raxla differs on purpose: the case, the number of the result, and what raxla gives.
const DIFFERENT: &[(&str, usize, &[f64])] = &[
    // x⁰ is 1 everywhere, so its derivative is 0, not y xʸ⁻¹ = 0 · ∞
    ("power_at_zero", 0, &[0.0, 1.0, 0.0, f64::INFINITY, 0.0, -4.0, f64::NEG_INFINITY]),
    ("constant_powers", 5, &[0.0; 5]),
    // at ties the later element gets all of it
    ("cummax_at_ties", 0, &[1.0, 2.0, 7.0, 0.0, 5.0, 6.0, 7.0]),
    ("cummax_at_ties", 1, &[0.0, 0.0, 0.0, 0.0, 0.0, 21.0, 7.0]),
    ("cummax_at_ties", 2, &[1.0, 6.0, 9.0, 9.0, 15.0, 30.0, 35.0]),
    ("cummin_at_ties", 0, &[1.0, 2.0, 7.0, 0.0, 5.0, 6.0, 7.0]),
    ("cummin_at_ties", 1, &[0.0, 0.0, 0.0, 0.0, 0.0, 21.0, 7.0]),
    ("cummin_at_ties", 2, &[3.0, 4.0, 6.0, 6.0, 10.0, 6.0, 7.0]),
    // -∞ adds nothing to a sum of exponentials, at the start of a row too, where JAX subtracts infinities
    ("cumlogsumexp_of_infinities", 1, &[0.0, 0.0, 1.5378828427399904, 1.4621171572600098, 0.0]),
];

/// What JAX was given and gave.
struct Expected {
    inputs: Vec<Host>,
    outputs: Vec<Host>,
}

fn fixture() -> BTreeMap<String, Expected> {
    let file: Value = serde_json::from_str(include_str!("../fixtures/transforms.json")).unwrap();
    let tensors = |v: &Value| v.as_array().unwrap().iter().map(host).collect();
    let cases = file["cases"].as_array().unwrap().iter();
    let expected = |c: &Value| Expected { inputs: tensors(&c["inputs"]), outputs: tensors(&c["outputs"]) };
    let mut cases: BTreeMap<String, Expected> =
        cases.map(|c| (c["name"].as_str().unwrap().to_string(), expected(c))).collect();
    for (case, i, ours) in DIFFERENT {
        let theirs = &mut cases.get_mut(*case).expect("a case").outputs[*i];
        *theirs = Host::floats(theirs.dtype(), theirs.dims(), ours.to_vec());
    }
    cases
}

fn cases() -> Vec<(&'static str, &'static Case)> {
    fixture::named(GROUPS, |c| c.name)
}
fn compare(run: fn(&Case, &Expected) -> Result<Vec<Host>, String>) {
    fixture::compare(&cases(), &fixture(), |e| &e.outputs, run)
}

#[test]
fn every_case_of_the_fixture_is_here() {
    fixture::assert_same_names(&cases(), &fixture());
}

#[test]
fn the_interpreter_equals_jax() {
    compare(|case, Expected { inputs, .. }| {
        let avals: Vec<Aval> = inputs.iter().map(|h| h.aval().clone()).collect();
        let graph = trace_graph(&avals, case.f).map_err(|e| e.to_string())?;
        Ok(graph.eval(inputs))
    });
}

#[test]
fn compiled_programs_equal_jax() {
    compare(|case, Expected { inputs, .. }| {
        let f = jit(|x: Vec<Tensor>| (case.f)(&x));
        let args: raxla::Result<Vec<Array>> = inputs.iter().map(Array::from_host).collect();
        let out = args.and_then(|args| f.call((&args,))).map_err(|e| e.to_string())?;
        out.iter().map(|a| a.to_host().map_err(|e| e.to_string())).collect()
    });
}
