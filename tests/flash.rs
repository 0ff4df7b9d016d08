//! Attention block by block, which `Seen::attend` takes for long sequences, against all scores at once.
use raxla::{
    Client, Mesh, P, grad,
    nn::{AttentionOptions, Seen, Sight, attention_with},
    prelude::*,
    prim::{self, sample_in},
    remat, runtime, shard_map,
    testing::close,
    vmap,
};
use std::sync::OnceLock;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}

const HEADS: usize = 4;
/// No multiple of a block.
const LENGTH: usize = 1101;

#[derive(Clone, Copy, Default)]
struct Case {
    soft_cap: Option<f64>,
    window: Option<i32>,
    sinks: bool,
    /// Position of the first query: those before 0 are padding, and not there.
    start: i32,
}

/// Queries, keys, values, sinks: 4 heads, 2 of keys and values; values are larger than keys.
fn inputs(b: usize, t: usize, dtype: DType) -> Vec<Array> {
    let dims: [&[usize]; 4] = [&[b, t, HEADS, 4], &[b, t, 2, 4], &[b, t, 2, 6], &[HEADS]];
    let host = |(i, d): (usize, &&[usize])| sample_in(DType::F32, d, i as u64 + 1, -2.0, 2.0).cast(dtype);
    dims.iter()
        .enumerate()
        .map(|x| Array::from_bytes(&client(), Aval::new(dtype, *x.1), &host(x).to_bytes()).unwrap())
        .collect()
}

/// Block by block, or all at once.
fn attend(x: &[Tensor], case: Case, blocks: bool) -> Tensor {
    let [q, k, v, sinks] = x[..] else { panic!("four") };
    let number = |n: i32| full([], DType::I32, n);
    let (t, sinks) = (q.dim(1), case.sinks.then_some(sinks));
    let options = AttentionOptions { scale: 0.5, soft_cap: case.soft_cap };
    let at =
        Sight { start: number(case.start), length: number(t as i32), window: case.window.map(number), segments: None };
    if blocks {
        return Seen::new(None, k, v, at).0.attend(q, at, sinks, options);
    }
    let position = |axis| prim::iota([t, t], DType::I32, axis) + case.start;
    let (query, key) = (position(0), position(1));
    let mask = key.le(query) & key.ge(0);
    let mask = case.window.map_or(mask, |window| mask & key.gt(query - window));
    attention_with(q, k, v, mask, sinks, options)
}
/// A value that depends on all results, of queries that see something, and its gradient.
fn gradient(x: Vec<Tensor>, case: Case, blocks: bool) -> (Tensor, Vec<Tensor>) {
    let f = move |x: Vec<Tensor>| attend(&x, case, blocks);
    let there = (-case.start).max(0) as usize;
    let y = f(x.clone());
    let loss = move |x: Vec<Tensor>| f(x).cast(DType::F32).slice_axis(1, there..LENGTH).sin().sum(..);
    (y.slice_axis(1, there..LENGTH), grad(loss)(x))
}
fn compare(have: (&Array, &[Array]), want: (&Array, &[Array]), tolerance: f64) {
    let pairs = [have.0].into_iter().chain(have.1).zip([want.0].into_iter().chain(want.1));
    for (i, (have, want)) in pairs.enumerate() {
        let [have, want] = [have, want].map(|a| a.to_host().unwrap().cast(DType::F32));
        close(&have, &want, tolerance).unwrap_or_else(|e| panic!("{i}: {e}"));
    }
}

#[test]
fn blocks_give_what_all_scores_at_once_give() {
    let x = inputs(2, LENGTH, DType::F32);
    let run = |case, blocks| jit(move |x: Vec<Tensor>| gradient(x, case, blocks)).on(&client()).call((&x,)).unwrap();
    for case in [
        Case::default(),
        Case { window: Some(100), ..Case::default() },
        Case { soft_cap: Some(3.0), sinks: true, ..Case::default() },
        Case { soft_cap: Some(3.0), sinks: true, window: Some(600), start: -40 },
    ] {
        let (have, want) = (run(case, true), run(case, false));
        compare((&have.0, &have.1), (&want.0, &want.1), 2e-5);
    }
}

#[test]
fn results_of_bf16_are_near_those_of_f32() {
    let case = Case { sinks: true, ..Case::default() };
    let run = |dtype, blocks| {
        let x = inputs(1, LENGTH, dtype);
        jit(move |x: Vec<Tensor>| gradient(x, case, blocks)).on(&client()).call((&x,)).unwrap()
    };
    let (have, want) = (run(DType::BF16, true), run(DType::F32, false));
    assert_eq!(have.1[0].aval().dtype, DType::BF16);
    // (gradients of sinks are sums of thousands of rounded numbers)
    compare((&have.0, &have.1[..3]), (&want.0, &want.1[..3]), 0.1);
}

#[test]
fn transformations_reach_it() {
    let case = Case { window: Some(700), ..Case::default() };
    let x = inputs(2, LENGTH, DType::F32);
    let want = jit(move |x: Vec<Tensor>| gradient(x, case, true)).on(&client()).call((&x,)).unwrap();
    let again = jit(move |x: Vec<Tensor>| {
        let f = remat(move |x: Vec<Tensor>| attend(&x, case, true));
        grad(move |x: Vec<Tensor>| f(x).sin().sum(..))(x)
    });
    let again = again.on(&client()).call((&x,)).unwrap();
    compare((&want.0, &again), (&want.0, &want.1), 2e-5);
    // rows one by one
    let each = jit(move |mut x: Vec<Tensor>| {
        let sinks = x.pop().unwrap();
        let one = move |x: Vec<Tensor>| {
            let x = x.iter().map(|x| x.expand_dims(0)).chain([sinks]).collect();
            let (y, d) = gradient(x, case, true);
            (y.squeeze(0), d[..3].iter().map(|d| d.squeeze(0)).collect::<Vec<_>>())
        };
        vmap(one)(x)
    });
    let each = each.on(&client()).call((&x,)).unwrap();
    compare((&each.0, &each.1), (&want.0, &want.1[..3]), 2e-5);
    // rows and heads divided over devices
    let mesh = Mesh::new(&client(), [("rows", 2), ("heads", 2)]).unwrap();
    let there = mesh.clone();
    let divided = jit(move |x: Vec<Tensor>| {
        let part = P!["rows", _, "heads"];
        let specs = vec![part.clone(), part.clone(), part.clone(), P!["heads"]];
        let one = move |x: Vec<Tensor>| attend(&x, case, true);
        let all = shard_map(&there, specs, part, one);
        (all(x.clone()), grad(|x: Vec<Tensor>| all(x).sin().sum(..))(x))
    });
    let divided = divided.on(&mesh).call((&x,)).unwrap();
    compare((&divided.0, &divided.1), (&want.0, &want.1), 2e-5);
}

#[test]
fn memory_grows_with_the_length() {
    let bytes = |blocks: bool, t: usize| {
        let x: Vec<Aval> = inputs(1, t, DType::F32).iter().map(|a| a.aval().clone()).collect();
        let f = jit(move |x: Vec<Tensor>| grad(|x: Vec<Tensor>| attend(&x, Case::default(), blocks).sin().sum(..))(x));
        let compiled = f.lower(&(x,)).unwrap().compile(&client()).unwrap();
        compiled.executable().memory_stats().unwrap().temporaries as f64
    };
    let [short, long, plain] = [bytes(true, 2048), bytes(true, 8192), bytes(false, 8192)];
    println!("temporary bytes of 2,048 and 8,192 positions: {short}, {long}; all at once {plain}");
    assert!(long < 4.5 * short && long < plain / 8.0, "{short}, {long}, {plain}");
}

/// Attention to a cache by a kernel changes the cache in place: of one row, and of a `vmap` of rows that each have a cache of one.
#[test]
fn the_kernel_copies_no_cache() {
    let options = AttentionOptions { scale: 0.1, soft_cap: None };
    let sight = prim::CacheSight { ring: false, window: None, options };
    let step = move |caches: [Tensor; 2], (q, start): (Tensor, Tensor)| {
        let new = [q.slice_axis(2, 0..2), q.slice_axis(2, 2..4)];
        let (y, caches) = prim::attend_cached(q, new, caches, start.broadcast_to([1]), None, sight);
        (caches, y)
    };
    let of_rows = move |caches: [Tensor; 2], q: Tensor, start: Tensor| {
        vmap(move |(caches, q, start): ([Tensor; 2], Tensor, Tensor)| {
            let (caches, y) = step(caches.map(|c| c.expand_dims(0)), (q.expand_dims(0), start));
            (caches.map(|c| c.squeeze(0)), y)
        })((caches, q, start))
    };
    let f32s = |dims: [usize; 4]| Aval::new(DType::F32, dims);
    let one = {
        let types = ([f32s([1, 640, 2, 8]), f32s([1, 640, 2, 8])], (f32s([1, 1, 4, 8]), Aval::new(DType::I32, [])));
        jit(step).donate([0]).lower(&types).unwrap().optimized_hlo(&client()).unwrap()
    };
    let rows = {
        let caches = [f32s([3, 640, 2, 8]), f32s([3, 640, 2, 8])];
        let types = (caches, f32s([3, 1, 4, 8]), Aval::new(DType::I32, [3]));
        jit(of_rows).donate([0]).lower(&types).unwrap().optimized_hlo(&client()).unwrap()
    };
    for (text, dims) in [(one, "f32[1,640,2,8]"), (rows, "f32[3,640,2,8]")] {
        // (but for the parameters, and what the kernel returns)
        let made = |line: &&str| line.contains(&format!("= {dims}")) && !line.contains("parameter(");
        let copies: Vec<&str> = text.lines().filter(made).filter(|line| !line.contains("get-tuple-element(")).collect();
        assert!(text.contains("raxla.attend") && copies.is_empty(), "{dims}: {copies:#?}");
    }
}
