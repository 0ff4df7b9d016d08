//! Optimizers, clipping and schedules against what optax computed (tests/fixtures/optim.json).
use raxla::{
    Mesh, P, Param, RematOptions, grad,
    optim::{self, AdamOptions, AdamWOptions, Mask, OptState, Optimizer, Schedule, SgdOptions},
    prelude::*,
    remat_with, runtime,
    trace::trace_graph,
    value_and_grad,
};
use serde_json::Value;
use std::sync::LazyLock;

#[derive(Tree, Clone, Debug, PartialEq)]
struct Model<T = Tensor> {
    b: T,
    w: T,
}

static FIXTURE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("fixtures/optim.json")).expect("JSON"));

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap_or_else(|| panic!("{v} is no list")).iter().map(|x| x.as_f64().unwrap()).collect()
}
fn spec(dtype: DType) -> Model<Aval> {
    Model { b: Aval::new(dtype, [3]), w: Aval::new(dtype, [2, 3]) }
}
fn model(dtype: DType, values: &[f64]) -> Model<Array> {
    let mut rest = values;
    spec(dtype).map(|a| {
        let (own, other) = rest.split_at(a.size());
        rest = other;
        Array::from_host(&Host::floats(dtype, a.dims.clone(), own.to_vec())).unwrap()
    })
}
fn values(tree: &impl Tree<Array>) -> Vec<f64> {
    tree.leaves().iter().flat_map(|a| a.to_host().unwrap().to_f64()).collect()
}
fn check(what: &str, have: &[f64], want: &[f64]) {
    assert_eq!(have.len(), want.len(), "{what}");
    for (i, (a, b)) in have.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{what}, number {i}: {a} instead of {b}");
    }
}

/// Ten steps from the fixture's start along its gradients: every model on the way and the last state.
fn run(name: &str, dtype: DType, opt: Optimizer) {
    let want = &FIXTURE["runs"][name];
    let state = opt.init_on(&runtime::client().unwrap(), &spec(dtype)).unwrap();
    let step = jit(move |m: Model, state: OptState, g: Model| {
        let (updates, state) = opt.update(&g, state, &m);
        (optim::apply_updates(&m, &updates), state)
    });
    let step = step.donate([0, 1]);
    let mut now = (model(dtype, &numbers(&FIXTURE["start"])), state);
    for (i, gradient) in FIXTURE["gradients"].as_array().unwrap().iter().enumerate() {
        let gradient = model(dtype, &numbers(gradient));
        now = step.call((now.0, now.1, &gradient)).unwrap();
        check(&format!("{name}, step {i}"), &values(&now.0), &numbers(&want["steps"][i]));
    }
    assert_eq!(step.compiles(), 1);
}

#[test]
fn adamw_equals_optax() {
    let d = AdamWOptions::default();
    let other = AdamWOptions { b1: 0.8, b2: 0.95, eps: 1e-3, eps_root: 1e-4, weight_decay: 0.1.into(), ..d.clone() };
    let matrices = Mask::new(|_, a| a.rank() > 1);
    let matrices = AdamWOptions { weight_decay: 0.5.into(), mask: Some(matrices), ..d.clone() };
    run("adamw", DType::F32, optim::adamw(0.01, d.clone()));
    run("adamw_other", DType::F32, optim::adamw(0.05, other));
    run("adamw_mask", DType::F32, optim::adamw(0.05, matrices));
    run("adam", DType::F32, optim::adam(0.05, AdamOptions::default()));
    run("adamw_bf16", DType::BF16, optim::adamw(0.05, d.clone()));
    run("adamw_clipped", DType::F32, optim::chain([optim::clip_by_global_norm(0.5), optim::adamw(0.05, d)]));
}
