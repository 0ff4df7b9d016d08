//! Optimizers, clipping and schedules against what optax computed (tests/fixtures/optim.json).
use raxla::{
    Mesh, P, Param, RematOptions, grad,
    optim::{self, AdamW, AdamWOptions, Sgd, SgdOptions, WarmupCosine},
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
macro_rules! run {
    ($name:expr, $dtype:expr, $state:expr, $step:expr) => {{
        let (name, dtype, step) = ($name, $dtype, jit($step).donate([0, 1]));
        let want = &FIXTURE["runs"][name];
        let mut now = (model(dtype, &numbers(&FIXTURE["start"])), $state);
        for (i, gradient) in FIXTURE["gradients"].as_array().unwrap().iter().enumerate() {
            let gradient = model(dtype, &numbers(gradient));
            now = step.call((now.0, now.1, &gradient)).unwrap();
            check(&format!("{name}, step {i}"), &values(&now.0), &numbers(&want["steps"][i]));
        }
        assert_eq!(step.compiles(), 1);
        let state = values(&now.1);
        assert_eq!(state[0], 10.0, "the count");
        check(&format!("{name}, state"), &state[1..], &numbers(&want["state"]));
    }};
}

fn adamw(name: &str, dtype: DType, options: AdamWOptions, rate: impl Fn(Tensor) -> Tensor, max: Option<f64>) {
    let state = AdamW::zeros(&runtime::client().unwrap(), &spec(dtype)).unwrap();
    run!(name, dtype, state, move |m: Model, opt: AdamW<Model>, g: Model| {
        let g = max.map_or(g.clone(), |max| optim::clip_by_global_norm(&g, max));
        let rate = rate(opt.count);
        opt.update(&m, &g, rate, &options)
    });
}
fn sgd(name: &str, options: SgdOptions, rate: impl Fn(Tensor) -> Tensor, max: Option<f64>) {
    let state = Sgd::zeros(&runtime::client().unwrap(), &spec(DType::F32), &options).unwrap();
    run!(name, DType::F32, state, move |m: Model, opt: Sgd<Model>, g: Model| {
        let g = max.map_or(g.clone(), |max| optim::clip_by_global_norm(&g, max));
        let rate = rate(opt.count);
        opt.update(&m, &g, rate, &options)
    });
}
fn schedule() -> impl Fn(Tensor) -> Tensor + Copy {
    optim::warmup_cosine_decay_schedule(WarmupCosine {
        init_value: 1e-4,
        peak_value: 0.1,
        warmup_steps: 3,
        decay_steps: 8,
        end_value: 1e-3,
        ..Default::default()
    })
}

#[test]
fn adamw_equals_optax() {
    let (d, rate) = (AdamWOptions::default(), optim::constant_schedule);
    let other = AdamWOptions { b1: 0.8, b2: 0.95, eps: 1e-3, eps_root: 1e-4, weight_decay: 0.1, ..d };
    let matrices = AdamWOptions { weight_decay: 0.5, mask: |_, a| a.rank() > 1, ..d };
    let named = AdamWOptions { weight_decay: 0.5, mask: |path, _| path.to_string() == "w", ..d };
    adamw("adamw", DType::F32, d, rate(0.01), None);
    adamw("adamw_other", DType::F32, other, rate(0.05), None);
    adamw("adamw_mask", DType::F32, matrices, rate(0.05), None);
    adamw("adamw_mask", DType::F32, named, rate(0.05), None);
    adamw("adam", DType::F32, AdamWOptions { weight_decay: 0.0, ..d }, rate(0.05), None);
    adamw("nadamw", DType::F32, AdamWOptions { weight_decay: 0.1, nesterov: true, ..d }, rate(0.05), None);
    adamw("adamw_schedule", DType::F32, d, schedule(), None);
    adamw("adamw_clipped", DType::F32, d, rate(0.05), Some(0.5));
    adamw("adamw_bf16", DType::BF16, d, rate(0.05), None);
}

#[test]
fn sgd_equals_optax() {
    let (d, rate) = (SgdOptions::default(), optim::constant_schedule);
    sgd("sgd", d, rate(0.05), None);
    sgd("sgd_momentum", SgdOptions { momentum: Some(0.9), ..d }, rate(0.05), None);
    sgd("sgd_nesterov", SgdOptions { momentum: Some(0.9), nesterov: true }, rate(0.05), None);
    sgd("sgd_clipped", d, schedule(), Some(0.5));
}

#[test]
fn schedules_equal_optax() {
    let from_peak = WarmupCosine { peak_value: 1.0, decay_steps: 6, ..Default::default() };
    type Schedule = Box<dyn Fn(Tensor) -> Tensor>;
    let all: [(&str, Schedule); 7] = [
        ("constant", Box::new(optim::constant_schedule(0.5))),
        ("linear", Box::new(optim::linear_schedule(1.0, 0.1, 7))),
        ("linear_of_no_steps", Box::new(optim::linear_schedule(1.0, 0.1, 0))),
        ("cosine", Box::new(optim::cosine_decay_schedule(2.0, 9, 0.25, 1.0))),
        ("cosine_power", Box::new(optim::cosine_decay_schedule(2.0, 9, 0.25, 2.5))),
        ("warmup_cosine", Box::new(schedule())),
        ("warmup_cosine_from_peak", Box::new(optim::warmup_cosine_decay_schedule(from_peak))),
    ];
    let count = Aval::new(DType::I32, []);
    for (name, f) in all {
        let graph = trace_graph(std::slice::from_ref(&count), |t| vec![f(t[0])]).unwrap();
        let have: Vec<f64> = (0..12).map(|i| graph.eval(&[Host::full(&count, i as f64)])[0].to_f64()[0]).collect();
        check(name, &have, &numbers(&FIXTURE["schedules"][name]));
    }
}

#[test]
fn norms_equal_optax() {
    let norm = jit(|g: Model| optim::global_norm(&g));
    for (g, want) in FIXTURE["gradients"].as_array().unwrap().iter().zip(numbers(&FIXTURE["norms"])) {
        let have = norm.call((&model(DType::F32, &numbers(g)),)).unwrap().item::<f32>().unwrap();
        check("norm", &[have.into()], &[want]);
    }
    let graph = trace_graph(&[], |_| vec![optim::global_norm::<Vec<Tensor>>(&vec![])]).unwrap();
    assert_eq!(graph.eval(&[])[0].to_f64(), [0.0]);
}

/// State is made of types, of specifications, in a trace and on a device; always wide.
#[test]
fn states_are_made_of_all_that_has_a_type() {
    let types = AdamW::init(&spec(DType::BF16));
    assert_eq!((types.count, &types.mean), (Aval::new(DType::I32, []), &spec(DType::F32)));
    assert_eq!(AdamW::init(&spec(DType::F64)).square, spec(DType::F64));
    let roles: Model<Param> = Model {
        b: Param::new([3], ["mlp"]).ones().stored("bias"),
        w: Param::new([2, 3], ["embed", "mlp"]).normal(0.1).stored("weight"),
    };
    let state = AdamW::init(&roles);
    assert_eq!((&state.mean.w.axes[..], &state.mean.w.name[..]), (&["embed", "mlp"][..], ""));
    assert_eq!(state.square.b.init, raxla::param::Init::Zeros);
    let arrays = model(DType::BF16, &[1.0; 9]);
    let client = runtime::client().unwrap();
    let traced = jit(|m: Model| AdamW::init(&m)).call((&arrays,)).unwrap();
    for state in [traced, AdamW::zeros(&client, &arrays).unwrap(), AdamW::zeros(&client, &roles).unwrap()] {
        assert_eq!(state.map(|a| a.aval().clone()).leaves(), types_of(&spec(DType::F32)).leaves());
        assert_eq!(values(&state), [0.0; 19]);
    }
    let options = SgdOptions { momentum: Some(0.9), nesterov: false };
    assert_eq!(Sgd::init(&spec(DType::F16), &options).trace, Some(spec(DType::F32)));
    assert_eq!(Sgd::init(&spec(DType::F16), &SgdOptions::default()).trace, None);
}
fn types_of(m: &Model<Aval>) -> AdamW<Model<Aval>, Aval> {
    AdamW { count: Aval::new(DType::I32, []), mean: m.clone(), square: m.clone() }
}

/// A step can be differentiated: hyperparameters by gradients through training.
#[test]
fn steps_have_derivatives() {
    let options = AdamWOptions { eps_root: 1e-8, ..AdamWOptions::default() };
    let after = move |rate: Tensor| {
        let loss = |m: Model| (m.w * m.w).sum(..) + (m.b - 1.0).powi(2).sum(..);
        let mut m = Model { b: zeros([3], DType::F32), w: ones([2, 3], DType::F32) };
        let mut opt = AdamW::init(&m);
        for _ in 0..3 {
            let (_, g) = value_and_grad(remat_with(RematOptions::default(), loss))(m.clone());
            (m, opt) = opt.update(&m, &g, rate, &options);
        }
        loss(m)
    };
    let (f, slope) = (jit(after), jit(move |rate: Tensor| grad(after)(rate)));
    let at = |rate: f32| f.call((Array::scalar(rate).unwrap(),)).unwrap().item::<f32>().unwrap();
    let have = slope.call((Array::scalar(0.1f32).unwrap(),)).unwrap().item::<f32>().unwrap();
    let want = (at(0.101) - at(0.099)) / 0.002;
    assert!((have - want).abs() < 0.02 * want.abs(), "{have} instead of {want}");
}

/// The state of a divided model is divided alike, and stays so; the numbers are those of one device.
#[test]
fn divided_models_have_divided_states() {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(6), ..Default::default() }).unwrap();
    let mesh = Mesh::new(&client, [("x", 2), ("y", 3)]).unwrap();
    let specs = Model { b: P!["y"], w: P!["x", "y"] };
    let divided = |m: &Model<Array>| Model {
        b: m.b.put(&mesh.sharding(specs.b.clone())).unwrap(),
        w: m.w.put(&mesh.sharding(specs.w.clone())).unwrap(),
    };
    let start = model(DType::F32, &numbers(&FIXTURE["start"]));
    let mut now = (divided(&start), AdamW::zeros(&client, &divided(&start)).unwrap());
    let shardings = |m: &Model<Array>| m.leaves().iter().map(|a| a.sharding().cloned()).collect::<Vec<_>>();
    let wanted = shardings(&now.0);
    assert_eq!((shardings(&now.1.mean), shardings(&now.1.square)), (wanted.clone(), wanted.clone()));
    let options = AdamWOptions::default();
    let step = jit(move |m: Model, opt: AdamW<Model>, g: Model| {
        opt.update(&m, &optim::clip_by_global_norm(&g, 0.5), 0.05, &options)
    });
    let step = step.on(&mesh).donate([0, 1]);
    for (i, gradient) in FIXTURE["gradients"].as_array().unwrap().iter().enumerate() {
        let gradient = divided(&model(DType::F32, &numbers(gradient)));
        now = step.call((now.0, now.1, &gradient)).unwrap();
        check(&format!("step {i}"), &values(&now.0), &numbers(&FIXTURE["runs"]["adamw_clipped"]["steps"][i]));
    }
    assert_eq!((shardings(&now.0), shardings(&now.1.mean)), (wanted.clone(), wanted));
}

#[test]
fn mistakes_are_explained() {
    let refused = |f: &dyn Fn(Tensor)| {
        let e = trace_graph(&[Aval::new(DType::F32, [2])], |t| {
            f(t[0]);
            vec![]
        });
        let e = e.expect_err("an error");
        assert!(e.file.ends_with("tests/optim.rs"), "{e}");
        e.reason
    };
    let d = AdamWOptions::default();
    let e = refused(&|x| _ = AdamW::init(&vec![x]).update(&vec![x, x], &vec![x, x], 0.1, &d));
    assert_eq!(e, "the model has a leaf `1`, which the state lacks");
    let e = refused(&|x| _ = AdamW::init(&x).update(&x, &x.sum(0), 0.1, &d));
    assert_eq!(e, "the gradient has f32[], where the model has f32[2]");
    let e = refused(&|x| _ = AdamW::init(&vec![x]).update(&vec![x], &vec![x.sum(0)], 0.1, &d));
    assert_eq!(e, "the gradient has f32[] at `0`, where the model has f32[2]");
    let e = refused(&|x| _ = AdamW::init(&x).update(&x, &x, x, &d));
    assert_eq!(e, "the learning rate is not a scalar float");
    let momentum = SgdOptions { momentum: Some(0.9), nesterov: false };
    let e = refused(&|x| _ = Sgd::init(&x, &SgdOptions::default()).update(&x, &x, 0.1, &momentum));
    assert_eq!(e, "the state was made for other options: only one of them has momentum");
}
