//! `shard_map`, its collectives and their derivatives against what JAX computed on eight devices (tests/fixtures/shard_map.json):
//! the interpreter, and programs compiled for eight devices of the CPU. Each case is a function here and one of the same name in
//! scripts/shard_map_cases/, the same mathematics.
use crate::jax_transforms::fixture::{self, host};
use raxla::{
    Client, Host, Mesh, SpecTree, TensorTree, Tree, axis_index, grad, prelude::*, runtime, shard_map,
    trace::trace_graph,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

mod collectives;
mod programs;
mod several_axes;
mod specs;
mod transformed;

/// A function of the inputs that the fixture has under this name, over the fixture's mesh, and the leaves of its result.
pub struct Case {
    name: &'static str,
    f: fn(&Mesh, &[Tensor]) -> Vec<Tensor>,
}
/// `case!(name, |mesh, x, y| result)`
macro_rules! case {
    ($name:ident, |$m:ident, $($x:ident),*| $body:expr) => {
        $crate::jax_shard_map::Case {
            name: stringify!($name),
            f: |$m, inputs| {
                let [$($x),*] = *inputs else { panic!("{} inputs", inputs.len()) };
                $crate::jax_shard_map::leaves(&$body)
            },
        }
    };
}
use case;
fn leaves(x: &impl Tree<Tensor>) -> Vec<Tensor> {
    x.leaves()
}

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

/// `shard_map` of one argument, applied.
fn smap<X, Y>(m: &Mesh, ins: impl SpecTree<X>, outs: impl SpecTree<Y>, x: X, f: impl Fn(X) -> Y) -> Y
where
    X: TensorTree,
    Y: TensorTree,
{
    shard_map(m, ins, outs, f)(x)
}
/// The number of the device along an axis, as f64.
fn index(axis: &str) -> Tensor {
    axis_index(axis).cast(DType::F64)
}
/// From every device to the one `by` places further.
fn cycle(n: usize, by: usize) -> Vec<(usize, usize)> {
    (0..n).map(|i| (i, (i + by) % n)).collect()
}
fn matmul(x: Tensor, w: Tensor) -> Tensor {
    einsum("bi,io->bo", x, w)
}

const GROUPS: &[&[Case]] =
    &[collectives::CASES, several_axes::CASES, specs::CASES, transformed::CASES, programs::CASES];

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() }).expect("the CPU plugin")
});

/// What JAX was given and gave.
struct Expected {
    mesh: Vec<(String, usize)>,
    /// The results are followed by gradients.
    grad: bool,
    inputs: Vec<Host>,
    outputs: Vec<Host>,
}
impl Expected {
    /// The results and, if asked for, the gradients of their weighted sum by the float inputs.
    fn results(&self, case: &Case, mesh: &Mesh, inputs: &[Tensor]) -> Vec<Tensor> {
        let mut results = (case.f)(mesh, inputs);
        if self.grad {
            let (floats, _): (Vec<Tensor>, Vec<Tensor>) = inputs.iter().partition(|t| t.dtype().is_float());
            let total = |floats: Vec<Tensor>| {
                let mut floats = floats.into_iter();
                let input = |t: &Tensor| if t.dtype().is_float() { floats.next().expect("one per float") } else { *t };
                weighted((case.f)(mesh, &inputs.iter().map(input).collect::<Vec<_>>()))
            };
            results.extend(grad(total)(floats));
        }
        results
    }
    fn mesh(&self) -> Mesh {
        Mesh::new(&CLIENT, self.mesh.iter().map(|(name, n)| (name.as_str(), *n))).expect("eight devices")
    }
}

/// The sum of all elements of all floats: element number i of result number k counts sin(i + k + 1) times.
fn weighted(results: Vec<Tensor>) -> Tensor {
    let floats = results.into_iter().filter(|y| y.dtype().is_float()).enumerate();
    let sums = floats.map(|(k, y)| (y.reshape([y.size()]) * (arange(y.size(), y.dtype()) + (k + 1)).sin()).sum(0));
    sums.reduce(|a, b| a + b).expect("a float result")
}

fn fixture() -> BTreeMap<String, Expected> {
    let file: Value = serde_json::from_str(include_str!("../fixtures/shard_map.json")).unwrap();
    let tensors = |v: &Value| v.as_array().unwrap().iter().map(host).collect();
    let axis = |a: &Value| (a[0].as_str().unwrap().to_string(), a[1].as_u64().unwrap() as usize);
    let expected = |c: &Value| Expected {
        mesh: c["mesh"].as_array().unwrap().iter().map(axis).collect(),
        grad: c["grad"].as_bool().unwrap(),
        inputs: tensors(&c["inputs"]),
        outputs: tensors(&c["outputs"]),
    };
    let cases = file["cases"].as_array().unwrap().iter();
    cases.map(|c| (c["name"].as_str().unwrap().to_string(), expected(c))).collect()
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
    compare(|case, expected| {
        let (inputs, mesh) = (&expected.inputs, expected.mesh());
        let avals: Vec<Aval> = inputs.iter().map(|h| h.aval().clone()).collect();
        let graph = trace_graph(&avals, |x| expected.results(case, &mesh, x)).map_err(|e| e.to_string())?;
        Ok(graph.eval(inputs))
    });
}

#[test]
fn programs_on_eight_devices_equal_jax() {
    compare(|case, expected| {
        let mesh = expected.mesh();
        let f = jit(|x: Vec<Tensor>| expected.results(case, &mesh, &x)).on(&mesh);
        let array = |h: &Host| Array::from_bytes(&CLIENT, h.aval().clone(), &h.to_bytes());
        let args: raxla::Result<Vec<Array>> = expected.inputs.iter().map(array).collect();
        let out = args.and_then(|args| f.call((&args,))).map_err(|e| e.to_string())?;
        out.iter().map(|a| a.to_host().map_err(|e| e.to_string())).collect()
    });
}
