//! Optimizers, schedules and losses against what optax computed (tests/fixtures/optim.json).
use raxla::{
    Mesh, P, Param, RematOptions, grad,
    optim::{self, *},
    prelude::*,
    remat_with, runtime,
    trace::trace_graph,
    value_and_grad,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};
use table::{adams, others, schedule, wrapped};

mod losses;
mod table;

/// Parameters by their paths.
type Tree_<T = Tensor> = BTreeMap<String, T>;

static FIXTURE: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/optim.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture")).expect("JSON")
});
/// The steps after which the fixture has parameters.
const KEPT: [usize; 4] = [1, 2, 10, 20];

/// The trees of scripts/make_optim_fixtures.py.
fn trees(dtype: DType) -> [Tree_<Aval>; 3] {
    let tree = |leaves: &[(&str, &[usize])]| {
        leaves.iter().map(|(name, dims)| (name.to_string(), Aval::new(dtype, *dims))).collect()
    };
    [
        tree(&[("b", &[3]), ("w", &[2, 3])]),
        tree(&[("layer.a", &[2, 2]), ("s", &[])]),
        tree(&[("conv", &[2, 3, 4]), ("scale", &[4])]),
    ]
}
/// The numbers of the script: multiples of 1/512 between -2 and 2.
fn numbers(seed: usize, a: &Aval, scale: f64) -> Host {
    let one = |i: usize| (((i + 1 + 97 * seed) * 7919 % 2003) as f64 - 1001.0) / 512.0 * scale;
    Host::floats(a.dtype, a.dims.clone(), (0..a.size()).map(one).collect())
}
fn tree(seed: usize, of: &Tree_<Aval>, scale: f64) -> Vec<Host> {
    of.values().enumerate().map(|(i, a)| numbers(seed * 10 + i, a, scale)).collect()
}
fn gradient(step: usize, of: &Tree_<Aval>) -> Vec<Host> {
    tree(100 + step, of, 2f64.powi((step * 3 % 7) as i32 - 4))
}
/// The loss of the script.
fn loss(params: Tree_) -> Tensor {
    let mut total = full([], DType::F32, 0);
    for (i, p) in params.into_values().enumerate() {
        let of = |seed| literal(numbers(seed + i, &p.aval(), 1.0));
        let weight = of(60).abs() + 0.5;
        total += (weight * (p - of(50)).powi(2)).sum(..) + (p - 0.5).powi(4).sum(..) * 0.05;
    }
    total
}

fn list(v: &Value) -> Vec<f64> {
    v.as_array().unwrap_or_else(|| panic!("{v} is no list")).iter().map(|x| x.as_f64().unwrap()).collect()
}
fn flat(values: &[Host]) -> Vec<f64> {
    values.iter().flat_map(|h| h.to_f64()).collect()
}
fn worst(have: &[f64], want: &[f64]) -> f64 {
    assert_eq!(have.len(), want.len());
    have.iter().zip(want).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

/// What a step is given besides gradients.
#[derive(Clone, Copy, PartialEq)]
enum Given {
    Gradients,
    Loss,
}
/// What is compared of parameters and state.
type Seen = fn(&OptState, &Tree_) -> Tree_;

/// Twenty steps on each tree, by the reference interpreter: how far the parameters are from optax's at most.
fn run(name: &str, dtype: DType, opt: &Optimizer, given: Given, seen: Seen) -> f64 {
    let mut far = 0f64;
    for (of, want) in trees(dtype).iter().zip(FIXTURE["runs"][name].as_array().expect("a run")) {
        let want = want.as_array().expect("steps");
        if want.is_empty() {
            continue;
        }
        let start = tree(1, of, 1.0);
        let avals: Vec<Aval> = of.values().cloned().collect();
        let init = trace_graph(&avals, |t| opt.init(&of.refill(t.to_vec())).leaves()).unwrap();
        let state_types = opt.init(of);
        let all = [&avals[..], &state_types.leaves(), &avals].concat();
        let n = avals.len();
        let step = trace_graph(&all, |t| {
            let (params, state) = (of.refill(t[..n].to_vec()), state_types.refill(t[n..all.len() - n].to_vec()));
            let (updates, state) = match given {
                Given::Gradients => opt.update(&of.refill(t[all.len() - n..].to_vec()), state, &params),
                Given::Loss => {
                    let (value, g) = value_and_grad(loss)(params.clone());
                    opt.update_with(&g, state, &params, value, loss)
                }
            };
            let params = optim::apply_updates(&params, &updates);
            [params.leaves(), state.leaves(), seen(&state, &params).leaves()].concat()
        });
        let step = step.unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut now = [start.clone(), init.eval(&start)].concat();
        for i in 0..20 {
            let mut out = step.eval(&[now, gradient(i, of)].concat());
            let compared = out.split_off(out.len() - n);
            now = out;
            if let Some(at) = KEPT.iter().position(|kept| *kept == i + 1) {
                far = far.max(worst(&flat(&compared), &list(&want[at])));
            }
        }
    }
    far
}
fn params(_: &OptState, params: &Tree_) -> Tree_ {
    params.clone()
}

/// How far parameters may be from optax's after 20 steps.
fn tolerance(name: &str) -> f64 {
    match name {
        // optax rounds the product with the decay to bf16 too; here only what is kept is rounded
        "adam_mu_bf16" => 1e-2,
        "sgd_accumulator_bf16" => 1e-1,
        // differences of nearly equal numbers: of powers of the decay, of a warm-up of second moments, of distances
        "radam" => 5e-5,
        "adopt" | "adopt_nesterov" | "dadapt_adamw" => 1e-5,
        "scale_by_param_block_norm" | "muon_other" => 2e-6,
        _ => 1e-6,
    }
}

#[test]
fn optimizers_equal_optax() {
    let mut failures = vec![];
    let mut seen = vec![];
    let mut one = |name: &'static str, dtype: DType, opt: &Optimizer, given: Given, after: Seen| {
        let far = run(name, dtype, opt, given, after);
        seen.push(name);
        if far.is_nan() || far > tolerance(name) {
            failures.push(format!("{name}: {far:.1e}"));
        }
    };
    for (name, opt) in [adams(), others(), wrapped()].concat() {
        one(name, DType::F32, &opt, Given::Gradients, params);
    }
    one("adamw_bf16", DType::BF16, &adamw(0.05, AdamWOptions::default()), Given::Gradients, params);
    let free = schedule_free_adamw(0.05, Some(5), 0.0, Default::default());
    one("schedule_free_eval", DType::F32, &free, Given::Gradients, schedule_free_eval_params);
    let sophia = sophia(0.05, SophiaOptions { update_interval: 4, gamma: 0.2, ..Default::default() });
    one("sophia", DType::F32, &sophia, Given::Loss, params);
    one("lbfgs", DType::F32, &lbfgs(Default::default()), Given::Loss, params);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    seen.sort_unstable();
    let all: Vec<&String> = FIXTURE["runs"].as_object().unwrap().keys().collect();
    assert_eq!(seen.len(), all.len(), "of {all:?} only {seen:?}");
}

#[test]
fn schedules_equal_optax() {
    let from_peak = WarmupCosine { peak_value: 1.0, decay_steps: 6, ..Default::default() };
    let one = WarmupCosine { init_value: 0.1, peak_value: 1.0, warmup_steps: 2, decay_steps: 5, ..Default::default() };
    let two = WarmupCosine {
        init_value: 0.2,
        peak_value: 0.5,
        warmup_steps: 1,
        decay_steps: 4,
        end_value: 0.1,
        exponent: 1.0,
    };
    let stairs = ExponentialDecay { staircase: true, end_value: Some(0.4) };
    let growth = ExponentialDecay { staircase: false, end_value: Some(2.0) };
    let plain = ExponentialDecay::default();
    let pieces = [(7, 4.0), (3, 0.5)];
    let all = [
        ("constant", constant_schedule(0.5)),
        ("linear", linear_schedule(1.0, 0.1, 7)),
        ("linear_of_no_steps", linear_schedule(1.0, 0.1, 0)),
        ("linear_delayed", linear_schedule(1.0, 0.1, 7).delayed(3)),
        ("polynomial", polynomial_schedule(1.0, 0.1, 2.5, 7)),
        ("cosine", cosine_decay_schedule(2.0, 9, 0.25, 1.0)),
        ("cosine_power", cosine_decay_schedule(2.0, 9, 0.25, 2.5)),
        ("exponential", exponential_decay(2.0, 4, 0.5, plain)),
        ("exponential_stairs", exponential_decay(2.0, 4, 0.5, stairs).delayed(2)),
        ("exponential_growth", exponential_decay(0.5, 4, 2.0, growth)),
        ("piecewise_constant", piecewise_constant_schedule(1.0, &[(3, 0.5), (7, 0.1)])),
        ("piecewise_linear", piecewise_interpolate_schedule(Interpolation::Linear, 1.0, &pieces)),
        ("piecewise_cosine", piecewise_interpolate_schedule(Interpolation::Cosine, 1.0, &pieces)),
        ("linear_onecycle", linear_onecycle_schedule(11, 1.0, OneCycle::default())),
        ("cosine_onecycle", cosine_onecycle_schedule(11, 1.0, OneCycle::default())),
        ("warmup_constant", warmup_constant_schedule(0.1, 1.0, 4)),
        ("warmup_cosine", schedule()),
        ("warmup_cosine_from_peak", warmup_cosine_decay_schedule(from_peak)),
        (
            "warmup_exponential",
            join_schedules([linear_schedule(0.1, 1.0, 3), exponential_decay(1.0, 4, 0.5, plain)], [3]),
        ),
        ("sgdr", sgdr_schedule(&[one, two])),
        ("join", join_schedules([constant_schedule(0.3), linear_schedule(1.0, 0.0, 4)], [5])),
    ];
    assert_eq!(all.len(), FIXTURE["schedules"].as_object().unwrap().len());
    for (name, f) in all {
        let have: Vec<f64> = (0..14).map(|i| f.value(i).unwrap()).collect();
        let far = worst(&have, &list(&FIXTURE["schedules"][name]));
        assert!(far <= 1e-6, "{name}: {far:.1e}, {have:?}");
    }
    // those that optax lacks
    let near = |f: Schedule, at: usize, want: f64| assert!((f.value(at).unwrap() - want).abs() < 1e-6, "{at}");
    let wsd =
        Wsd { init_value: 0.0, peak_value: 1.0, end_value: 0.5, warmup_steps: 2, stable_steps: 3, decay_steps: 4 };
    for (at, want) in [(0, 0.0), (1, 0.5), (2, 1.0), (4, 1.0), (7, 0.75), (20, 0.5)] {
        near(wsd_schedule(wsd), at, want);
    }
    for (at, want) in [(0, 0.1), (2, 0.55), (4, 1.0), (16, 0.5)] {
        near(inverse_sqrt_schedule(0.1, 1.0, 4), at, want);
    }
    near(warmup_linear_schedule(one), 3, 2.0 / 3.0);
}

#[test]
fn norms_equal_optax() {
    let [of, ..] = trees(DType::F32);
    let avals: Vec<Aval> = of.values().cloned().collect();
    let norm = trace_graph(&avals, |t| vec![optim::global_norm(&t.to_vec())]).unwrap();
    for (i, want) in list(&FIXTURE["norms"]).into_iter().enumerate() {
        let have = norm.eval(&gradient(i, &of))[0].to_f64();
        assert!(worst(&have, &[want]) <= 1e-6);
    }
    let graph = trace_graph(&[], |_| vec![optim::global_norm::<Vec<Tensor>>(&vec![])]).unwrap();
    assert_eq!(graph.eval(&[])[0].to_f64(), [0.0]);
}

#[derive(Tree, Clone, Debug, PartialEq)]
struct Model<T = Tensor> {
    b: T,
    w: T,
}
fn spec(dtype: DType) -> Model<Aval> {
    Model { b: Aval::new(dtype, [3]), w: Aval::new(dtype, [2, 3]) }
}
fn model(seed: usize, dtype: DType) -> Model<Array> {
    spec(dtype).map(|a| Array::from_host(&numbers(seed, a, 1.0)).unwrap())
}

/// State is made of types, of specifications, in a trace and on a device; always wide; it takes the axes of its parameters.
#[test]
fn states_are_made_of_all_that_has_a_type() {
    let opt = adam(0.1, AdamOptions::default());
    let types = opt.init(&spec(DType::BF16));
    assert_eq!(types.paths(), ["0.count", "0.mu.b", "0.mu.w", "0.nu.b", "0.nu.w"]);
    assert_eq!(types.get("mu").unwrap().leaves(), spec(DType::F32).leaves());
    assert_eq!(opt.init(&spec(DType::F64)).get("nu").unwrap().leaves(), spec(DType::F64).leaves());
    let roles: Model<Param> = Model {
        b: Param::new([3], ["mlp"]).ones().stored("bias"),
        w: Param::new([2, 3], ["embed", "mlp"]).normal(0.1).stored("weight"),
    };
    let small = FactoredOptions { min_dim_size_to_factor: 2, ..Default::default() };
    let factored = scale_by_factored_rms(small);
    let state = factored.init(&roles);
    let axes = |name: &str| state.get(name).unwrap().leaves().into_iter().map(|p| p.axes).collect::<Vec<_>>();
    assert_eq!((axes("v_row"), axes("v_col")), (vec![vec![""], vec!["embed"]], vec![vec![""], vec!["mlp"]]));
    assert!(state.leaves().iter().all(|p| p.name.is_empty()));
    let client = runtime::client().unwrap();
    let arrays = model(1, DType::BF16);
    let traced = opt.clone();
    let traced = jit(move |m: Model| traced.init(&m)).call((&arrays,)).unwrap();
    for state in [traced, opt.init(&arrays).unwrap(), opt.init_on(&client, &roles).unwrap()] {
        assert_eq!(state.map(|a| a.aval().clone()), types);
        assert!(state.leaves().iter().all(|a| a.to_host().unwrap().to_f64().iter().all(|x| *x == 0.0)));
    }
    // what begins with the parameters needs their values
    let slow = lookahead(opt, 2, 0.5);
    let copied = slow.init(&arrays).unwrap().get("slow").unwrap().leaves();
    assert_eq!(copied[0].to_host().unwrap().to_f64(), arrays.b.to_host().unwrap().to_f64());
    let e = slow.init_on(&client, &roles).unwrap_err().to_string();
    assert!(e.contains("it needs their values\n  help: give `init` arrays"), "{e}");
}

/// A step can be differentiated: hyperparameters by gradients through training.
#[test]
fn steps_have_derivatives() {
    let opt = adamw(Schedule::injected(0.1), AdamWOptions { eps_root: 1e-8, ..AdamWOptions::default() });
    let after = move |rate: Tensor| {
        let loss = |m: Model| (m.w * m.w).sum(..) + (m.b - 1.0).powi(2).sum(..);
        let mut m = Model { b: zeros([3], DType::F32), w: ones([2, 3], DType::F32) };
        let mut state = opt.init(&m).set("learning_rate", rate);
        for _ in 0..3 {
            let (_, g) = value_and_grad(remat_with(RematOptions::default(), loss))(m.clone());
            let updates;
            (updates, state) = opt.update(&g, state, &m);
            m = apply_updates(&m, &updates);
        }
        loss(m)
    };
    let (f, slope) = (jit(after.clone()), jit(move |rate: Tensor| grad(after.clone())(rate)));
    let at = |rate: f32| f.call((Array::scalar(rate).unwrap(),)).unwrap().item::<f32>().unwrap();
    let have = slope.call((Array::scalar(0.1f32).unwrap(),)).unwrap().item::<f32>().unwrap();
    let want = (at(0.101) - at(0.099)) / 0.002;
    assert!((have - want).abs() < 0.02 * want.abs(), "{have} instead of {want}");
}

/// Steps compiled by XLA, donated, on one device and divided over six: the same numbers, the state divided as its parameters.
#[test]
fn divided_models_have_divided_states() {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(6), ..Default::default() }).unwrap();
    let mesh = Mesh::new(&client, [("x", 2), ("y", 3)]).unwrap();
    let specs = Model { b: P!["y"], w: P!["x", "y"] };
    let divided = |m: &Model<Array>| Model {
        b: m.b.put(&mesh.sharding(specs.b.clone())).unwrap(),
        w: m.w.put(&mesh.sharding(specs.w.clone())).unwrap(),
    };
    let small = FactoredOptions { min_dim_size_to_factor: 2, ..Default::default() };
    let parts = [scale_by_factored_rms(small), params_ema(0.9), scale(-0.01)];
    for opt in [chain([clip_by_global_norm(0.5), adamw(0.05, AdamWOptions::default())]), chain(parts)] {
        let start = model(1, DType::F32);
        let mut whole = (start.clone(), opt.init(&start).unwrap());
        let mut now = (divided(&start), opt.init(&divided(&start)).unwrap());
        let shardings = |t: &dyn Fn() -> Vec<Array>| t().iter().map(|a| a.sharding().cloned()).collect::<Vec<_>>();
        let places = |now: &(Model<Array>, OptState<Array>)| {
            [shardings(&|| now.0.leaves()), shardings(&|| now.1.leaves())].concat()
        };
        let wanted = places(&now);
        assert!(wanted.iter().all(Option::is_some));
        let step = move |m: Model, state: OptState, g: Model| {
            let (updates, state) = opt.update(&g, state, &m);
            (apply_updates(&m, &updates), state)
        };
        let (alone, over) = (jit(step.clone()).donate([0, 1]), jit(step).on(&mesh).donate([0, 1]));
        for i in 0..5 {
            let g = model(20 + i, DType::F32);
            whole = alone.call((whole.0, whole.1, &g)).unwrap();
            now = over.call((now.0, now.1, &divided(&g))).unwrap();
            let flat =
                |m: &Model<Array>| m.leaves().iter().flat_map(|a| a.to_vec::<f32>().unwrap()).collect::<Vec<_>>();
            for (a, b) in flat(&whole.0).iter().zip(flat(&now.0)) {
                assert!((a - b).abs() < 1e-6, "{a} and {b}");
            }
        }
        assert_eq!((alone.compiles(), over.compiles()), (1, 1));
        assert_eq!(places(&now)[..2], wanted[..2]);
    }
}

/// Steps with numbers that are not finite are left out.
#[test]
fn steps_that_are_not_finite_are_skipped() {
    let opt = apply_if_finite(sgd(0.5, SgdOptions::default()), 1);
    let a = Aval::new(DType::F32, [2]);
    let types = opt.init(&a);
    let n = types.leaves().len();
    let step = trace_graph(&[vec![a.clone()], types.leaves(), vec![a.clone()]].concat(), |t| {
        let (updates, state) = opt.update(&t[n + 1], types.refill(t[1..n + 1].to_vec()), &t[0]);
        [vec![apply_updates(&t[0], &updates)], state.leaves()].concat()
    })
    .unwrap();
    let host = |x: f64| Host::floats(DType::F32, [2], vec![x, 1.0]);
    let scalars = types.leaves().iter().map(|a| Host::full(a, 0.0)).collect();
    let mut now: Vec<Host> = [vec![host(1.0)], scalars].concat();
    let mut first = vec![];
    for g in [1.0, f64::INFINITY, 1.0, f64::NAN, f64::NAN] {
        now = step.eval(&[now, vec![host(g)]].concat());
        first.push(now[0].to_f64()[0]);
    }
    assert_eq!(first[..4], [0.5, 0.5, 0.0, 0.0]);
    assert!(first[4].is_nan(), "more in a row than are allowed");
}

#[test]
fn mistakes_are_explained() {
    let refused = |f: &dyn Fn(Tensor)| {
        let e = trace_graph(&[Aval::new(DType::F32, [2])], |t| {
            f(t[0]);
            vec![]
        });
        let e = e.expect_err("an error");
        assert!(e.file.ends_with("tests/optim/mod.rs"), "{e}");
        e.reason
    };
    let (adam, plain) = (adam(0.1, AdamOptions::default()), sgd(0.1, SgdOptions::default()));
    let e = refused(&|x| _ = adam.update(&vec![x, x], adam.init(&vec![x]), &vec![x, x]));
    assert_eq!(e, "that of adam has a leaf `0.mu.1`, which the state lacks");
    let e = refused(&|x| _ = adam.update(&x.sum(0), adam.init(&x), &x));
    assert_eq!(e, "the gradient has f32[], where the model has f32[2]");
    let e = refused(&|x| _ = adam.update(&vec![x.sum(0)], adam.init(&vec![x]), &vec![x]));
    assert_eq!(e, "the gradient has f32[] at `0`, where the model has f32[2]");
    let e = refused(&|x| _ = adam.update(&x, plain.init(&x), &x));
    assert_eq!(e, "that of adam has a leaf `0.count`, which the state lacks");
    let e = refused(&|x| _ = adam.update(&x, adam.init(&x.sum(0)), &x));
    assert_eq!(e, "the state has f32[] at `0.mu`, where adam has f32[2]");
    let e = refused(&|x| _ = lbfgs(Default::default()).update(&x, lbfgs(Default::default()).init(&x), &x));
    assert_eq!(e, "a line search evaluates the loss at other parameters, but has no function for it");
}
