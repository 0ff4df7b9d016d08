//! `Graph::cost` against numbers worked out by hand.
use raxla::{
    Graph, cond, grad,
    prelude::*,
    prim::{Cost, Window, conv},
    remat, scan,
    trace::trace_graph,
    while_loop,
};

fn cost(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Cost {
    graph(avals, f).cost()
}
fn graph(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Graph {
    trace_graph(avals, f).unwrap()
}
fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
fn work(flops: f64, bytes: usize) -> Cost {
    Cost { flops, bytes: bytes as f64 }
}

#[test]
fn products_count_multiplications_and_additions() {
    let dot = |x: &[Tensor]| vec![einsum("bik,bkj->bij", x[0], x[1])];
    let avals = [f32s(&[5, 8, 16]), f32s(&[5, 16, 4])];
    assert_eq!(cost(&avals, dot), work(2.0 * 5. * 8. * 16. * 4., 4 * 5 * (8 * 16 + 16 * 4 + 8 * 4)));
    let narrow = [Aval::new(DType::BF16, [8, 16]), Aval::new(DType::BF16, [16])];
    assert_eq!(cost(&narrow, |x| vec![einsum("ik,k->i", x[0], x[1])]), work(2.0 * 8. * 16., 2 * (8 * 16 + 16 + 8)));
}

#[test]
fn convolutions_count_what_meets_the_input() {
    let run = |x: &[usize], k: &[usize], window: Window| {
        let g = graph(&[f32s(x), f32s(k)], |t| vec![conv("nchw,oihw->nchw", t[0], t[1], window.clone())]);
        let bytes: usize = g.in_avals().iter().chain(&g.out_avals()).map(Aval::bytes).sum();
        assert_eq!(g.cost().bytes, bytes as f64);
        g.cost().flops
    };
    // 6 × 6 positions of a 3 × 3 kernel over 3 features, for 4 features and 2 images
    assert_eq!(run(&[2, 3, 8, 8], &[4, 3, 3, 3], Window::default()), 2.0 * (2 * 4 * 36) as f64 * (3 * 9) as f64);
    // padding to the same size: of 8 positions the outer two miss one of three elements, along either axis
    let same = Window { padding: vec![(1, 1), (1, 1)].into(), ..Window::default() };
    assert_eq!(run(&[2, 3, 8, 8], &[4, 3, 3, 3], same), 2.0 * (2 * 4 * 3) as f64 * (22 * 22) as f64);
    // each group of features by itself
    let groups = Window { feature_groups: 3, ..Window::default() };
    assert_eq!(run(&[2, 3, 8, 8], &[6, 1, 3, 3], groups), 2.0 * (2 * 6 * 36) as f64 * 9.0);
    // a transposed convolution: every input element meets every kernel element once, whatever is put between
    let transposed = Window { input_dilation: vec![2, 2], padding: vec![(2, 2), (2, 2)].into(), ..Window::default() };
    assert_eq!(run(&[1, 1, 5, 5], &[1, 1, 3, 3], transposed), 2.0 * 25.0 * 9.0);
}

#[test]
fn elementwise_operations_reductions_and_movements() {
    let x = [f32s(&[6, 5])];
    assert_eq!(cost(&x, |x| vec![x[0].exp()]), work(30., 240));
    assert_eq!(cost(&x, |x| vec![x[0] + 1.0]), work(30., 360), "reads two operands");
    assert_eq!(cost(&x, |x| vec![x[0].sum(1)]), work(30., 120 + 24));
    assert_eq!(cost(&x, |x| vec![x[0].transpose([1, 0])]), work(0., 240));
    assert_eq!(cost(&x, |x| vec![x[0].reshape([30])]), work(0., 0));
    assert_eq!(cost(&x, |x| vec![x[0].slice_axis(0, 1..3)]), work(0., 80), "reads what it takes");
    assert_eq!(cost(&x, |x| vec![x[0].powi(5)]), work(3. * 30., 240), "x² = x·x, x⁴ = x²·x², x⁵ = x⁴·x");
    assert_eq!(cost(&x, |x| vec![x[0].sort(0)]), work(30. * 3., 240), "⌈log₂ 6⌉ comparisons each");
    let table = [f32s(&[1000, 64]), Aval::new(DType::I32, [7])];
    let rows = cost(&table, |x| vec![x[0].take(x[1], 0)]);
    assert_eq!(rows.flops, 21.0, "a comparison, an addition and a choice per index, which may be negative");
    assert!(rows.bytes < 3.0 * 4.0 * 7.0 * 64.0, "reads seven rows, not the table: {rows:?}");
}

#[test]
fn control_flow() {
    let step = |c: Tensor, x: Tensor| ((c * x).sin(), c + x);
    let one = cost(&[f32s(&[3]), f32s(&[3])], |x| vec![step(x[0], x[1]).0, step(x[0], x[1]).1]);
    let looped = cost(&[f32s(&[3]), f32s(&[7, 3])], |x| vec![scan(step, x[0], x[1]).1]);
    // (the call above traced the step twice)
    assert_eq!(looped.flops * 2.0, one.flops * 7.0);
    assert_eq!(looped.bytes * 2.0, one.bytes * 7.0);
    // the dearest branch, and what computes the choice
    let x = [Aval::new(DType::Bool, []), f32s(&[10])];
    let choose = cost(&x, |x| vec![cond(x[0], |x: Tensor| x.sin(), |x: Tensor| x.sin().cos().exp(), x[1])]);
    assert_eq!(choose, work(30. + 1., 3 * 80 + 1 + 4));
    let moved = cost(&x, |x| vec![cond(x[0], |x: Tensor| x, |x: Tensor| x.flip(0), x[1])]);
    assert_eq!(moved, work(1., 80 + 1 + 4), "of branches that only move elements, the one that moves more");
    // how often a while loop runs is unknown: once
    let forever = cost(&[f32s(&[10])], |x| vec![while_loop(|x: Tensor| x.sum(0).lt(1.0), |x| x.exp(), x[0])]);
    assert_eq!(forever, work(10. + 1. + 10., 44 + 9 + 80));
}

#[test]
fn the_second_run_of_remat_counts() {
    let x = [f32s(&[10])];
    let f = |x: Tensor| x.sin().exp();
    let keeping = cost(&x, |x| vec![grad(|x: Tensor| f(x).sum(0))(x[0])]);
    let again = cost(&x, |x| vec![grad(|x: Tensor| remat(f)(x).sum(0))(x[0])]);
    // both, since the derivative needs both: of the sine's cosine, and of the exponential itself
    assert_eq!(again.flops - keeping.flops, 20.0);
}

#[test]
fn the_peak_counts_what_is_alive_at_once() {
    let x = [f32s(&[1000])];
    let peak = |f: fn(&[Tensor]) -> Vec<Tensor>| graph(&x, f).peak_bytes();
    assert_eq!(
        peak(|t| vec![t[0].exp().sin().cos()]),
        2 * 4000,
        "each step and the one before; the parameter does not count"
    );
    assert_eq!(peak(|t| vec![t[0].exp() * t[0].sin() + t[0].cos()]), 3 * 4000);
    let three = |t: &[Tensor]| {
        let (a, b, c) = (t[0].exp(), t[0].sin(), t[0].cos());
        vec![a * b + c]
    };
    assert_eq!(peak(three), 4 * 4000);
    let steps = |t: &[Tensor]| vec![scan(|c: Tensor, _: Tensor| (three(&[c])[0], ()), t[0], t[0]).0];
    let wide = |t: &[Tensor]| {
        vec![scan(|c: Tensor, _: Tensor| ((c.expand_dims(0) * c.expand_dims(1)).sum(0), ()), t[0], t[0]).0]
    };
    assert_eq!(graph(&x, wide).largest_bytes(), 4_000_000);
    assert!(graph(&x, steps).peak_bytes() >= 5 * 4000, "the result, and what a step needs");
}
