//! Programs of models that are not loaded, as far as no plugin for accelerators is needed: what is refused, sizes, and their texts.
use raxla::{Aval, DType, Mesh, Tree, memory::bytes_of};
use raxla_graphs::{
    Sampling,
    planning::{Program, Workload, config},
    programs::{Placement, step_avals},
};

#[test]
fn configurations_come_without_weights() {
    assert_eq!(config("gemma-7b").unwrap().model_type, "gemma");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gpt2_hub");
    for model in [folder.to_string(), format!("{folder}/config.json")] {
        assert_eq!(config(&model).unwrap().model_type, "gpt2");
    }
    assert!(config("gema-7b").unwrap_err().to_string().contains("did you mean gemma-7b"));
}

#[test]
fn sizes_that_make_no_sense_are_refused_before_anything_is_compiled() {
    let gemma = config("gemma-7b").unwrap();
    let work = Workload { batch: 8, ..Workload::new(Program::Decode) };
    let refused = |work: &Workload, devices| work.checked(&gemma, devices).unwrap_err().to_string();
    assert!(work.checked(&gemma, 8).is_ok());
    let mesh = |axes: &[(&str, usize)]| axes.iter().map(|(name, n)| (name.to_string(), *n)).collect::<Vec<_>>();
    for (work, devices, part) in [
        (Workload { context: 8193, ..work.clone() }, 8, "the model's context is 8192"),
        (Workload { batch: 0, ..work.clone() }, 8, "the batch is 0"),
        (Workload { mesh: mesh(&[("model", 16)]), ..work.clone() }, 8, "needs 16 devices, but the target has 8"),
        (Workload { mesh: mesh(&[("data", 3)]), ..work.clone() }, 8, "a batch of 8 is not divided evenly into 3 parts"),
        (Workload { dtype: "i8".into(), ..work.clone() }, 8, "not in i8"),
    ] {
        let error = refused(&work, devices);
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(work.axes(8), mesh(&[("model", 8)]));
    assert_eq!(Workload::new(Program::Train).axes(4), mesh(&[("fsdp", 4)]));
    assert_eq!(work.axes(1), []);
}

/// Bytes on one device of what `mesh` divides.
fn on_one_device(work: &Workload, model: &str) -> [u64; 2] {
    let mesh = Mesh::abstract_mesh(work.mesh.clone()).unwrap();
    let (spec, _, dtype) = work.checked(&config(model).unwrap(), mesh.size()).unwrap();
    let placement = Placement::of(&mesh, &spec).unwrap();
    let shape = Sampling::default().shape();
    let (params, _, _, state, _) = step_avals(&spec, dtype, shape, [work.batch, 1], [work.context, 0]);
    let local = |aval: &Aval, place: raxla::NamedSharding| bytes_of(&aval.with_dims(place.local_dims(aval).unwrap()));
    let params = params.leaves().iter().zip(placement.shardings()).map(|(a, s)| local(a, s)).sum();
    let caches = state.leaves().into_iter().zip(placement.state(&state).leaves());
    [params, caches.map(|(a, spec)| local(&a, mesh.sharding(spec))).sum()]
}

#[test]
fn weights_and_caches_are_as_counted_by_hand() {
    let eight =
        |program| Workload { batch: 8, context: 4096, mesh: vec![("model".into(), 8)], ..Workload::new(program) };
    let [weights, cache] = on_one_device(&eight(Program::Decode), "gemma-7b");
    // layers of four attention matrices, three of the MLP, and two norms; the embedding; the last norm
    let (d, f, heads, head, layers, vocab) = (3072u64, 24576, 16, 256, 28, 256_000);
    let layer = 4 * d * heads * head + 3 * d * f;
    assert_eq!(weights, 2 * (layers * (layer / 8 + 2 * d) + vocab * d / 8 + d));
    // keys and values of all heads; the positions of the rows
    assert_eq!(cache, 2 * layers * 8 * 4096 * (heads / 8) * head * 2 + 8 * 4);
}

#[test]
fn forward_gives_logits_at_all_positions() {
    let mesh = vec![("data".into(), 2), ("model".into(), 4)];
    let work = Workload { batch: 4, context: 128, mesh, ..Workload::new(Program::Forward) };
    let gemma = config("gemma-2b").unwrap();
    let exported = work.export(&gemma).unwrap();
    assert_eq!(exported.out_avals(), [Aval::new(DType::F32, [4, 128, 256_000])]);
    let one = Workload { mesh: vec![], ..work }.export(&gemma).unwrap();
    assert_eq!(one.out_avals(), exported.out_avals());
}

#[test]
fn programs_of_large_models_are_written_without_devices() {
    let work = Workload { batch: 2, context: 1024, mesh: vec![("model".into(), 8)], ..Workload::new(Program::Decode) };
    let mesh = Mesh::abstract_mesh(work.mesh.clone()).unwrap();
    let (spec, _, _) = work.checked(&config("llama-3-70b").unwrap(), 8).unwrap();
    let shape = Sampling::default().shape();
    let avals = step_avals(&spec, DType::BF16, shape, [2, 1], [1024, 0]);
    let lowered = Placement::of(&mesh, &spec).unwrap().step(shape).donate([3]).lower(&avals).unwrap().portable();
    assert!(lowered.text.contains("sdy.mesh @mesh = <[\"model\"=8]>") && lowered.text.len() < 1 << 20);
    // a token of each row goes through every weight once: two operations for each
    let weights = 70e9;
    assert!((lowered.graph.cost().flops / (2.0 * 2.0 * weights) - 1.0).abs() < 0.1, "{}", lowered.graph.cost().flops);
}

/// What a compiler for accelerators takes: one line for each operation of a dtype. `scripts/plan_tables.py dtypes` runs it for all of them,
/// each in a process of its own, since compilers end theirs over some.
#[test]
fn operations_of_a_dtype_on_an_accelerator() {
    use raxla::{
        Tensor,
        aot::{Devices, Target},
        fft, jit,
    };
    // (there is a plugin to compile with where these say what)
    let (Ok(target), Ok(dtype)) = (std::env::var("RAXLA_TARGET"), std::env::var("RAXLA_DTYPE")) else { return };
    let dtype: DType = dtype.parse().unwrap();
    let devices = Devices::open(&Target::parse(&target).unwrap(), None).unwrap();
    let compiles = |name: &str, f: fn(Tensor) -> Tensor| {
        let matrix = Aval::new(dtype, [128, 128]);
        let made = jit(f).lower(&(matrix,)).and_then(|lowered| lowered.plan(&devices, &Default::default()));
        let why = made.err().map(|e| e.to_string().lines().next().unwrap_or_default().to_string());
        println!("{name}: {}", why.unwrap_or_else(|| "yes".into()));
    };
    compiles("sum", |x| x + x);
    compiles("product of matrices", |x| x.matmul(x));
    compiles("to f32", |x| x.real().cast(DType::F32));
    compiles("total", |x| x.sum(..));
    if dtype.is_inexact() {
        compiles("exp", |x| x.exp());
    }
    if !matches!(dtype, DType::C64 | DType::C128) {
        compiles("sort", |x| x.sort(0));
    } else {
        compiles("fft", |x| fft::fft(x, None, -1, fft::Norm::Backward));
    }
}
