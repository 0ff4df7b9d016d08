//! What a program costs to trace, transform and lower grows with its size: twice the program, at most 2.5 times the work. Work
//! is counted in allocations and allocated bytes, since every pass makes lists of what it goes over.
//!
//! Programs are deep (loops in loops, branches in branches) or long. Of each kind, work that is quadratic shows as a factor of 4,
//! and work that doubles with each level as a factor in the thousands.
use raxla::{
    Graph, RematOptions, ScanOptions, cond, custom_jvp, custom_vjp, fori_loop, grad, jvp, lower::stablehlo, prelude::*,
    prim, remat_with, scan_with, trace::trace_graph, transform::optimize, vmap, while_loop,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, sync::Mutex};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
/// The counts are of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Enough for the deepest program here without optimization.
const STACK: usize = 1 << 30;

/// Allocations and bytes of making `f` of a vector, a scalar bool and a scalar integer ready for the compiler.
fn work(f: &(dyn Fn(Tensor, Tensor, Tensor) -> Tensor + Sync)) -> (usize, usize) {
    let run = || {
        let types = [Aval::new(DType::F32, [4]), Aval::new(DType::Bool, []), Aval::new(DType::I32, [])];
        let region = Region::new(ALLOCATOR);
        let graph = trace_graph(&types, |x| vec![f(x[0], x[1], x[2])]).unwrap();
        let text = stablehlo(&optimize(&graph).0, &[], true);
        assert!(!text.is_empty());
        let change = region.change();
        (change.allocations, change.bytes_allocated)
    };
    std::thread::scope(|s| std::thread::Builder::new().stack_size(STACK).spawn_scoped(s, run).unwrap().join().unwrap())
}

/// `program(n)` is of size n. What is done once, whatever the size, does not count.
fn grows(most: f64, n: usize, program: impl Fn(usize, Tensor, Tensor, Tensor) -> Tensor + Sync) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let of = |n: usize| work(&|x, c, i| program(n, x, c, i));
    of(1);
    let (one, two) = (of(n), of(2 * n));
    for (what, one, two) in [("allocations", one.0, two.0), ("bytes", one.1, two.1)] {
        let factor = two as f64 / one as f64;
        println!("{what} of {n}: {one}, of {}: {two}, {factor:.2} times", 2 * n);
        assert!(
            factor <= most,
            "{what} of a program of size {n}: {one}, of one twice the size: {two}, {factor:.2} times"
        );
    }
}

fn conds(n: usize, x: Tensor, c: Tensor) -> Tensor {
    if n == 0 { x.sin() } else { cond(c, |x: Tensor| conds(n - 1, x, c) * 1.1, |x: Tensor| x.cos(), x) }
}
fn whiles(n: usize, x: Tensor, i: Tensor) -> Tensor {
    if n == 0 {
        return x.sin();
    }
    let step = |(j, x): (Tensor, Tensor)| (j + 1, whiles(n - 1, x, i));
    while_loop(|(j, _): (Tensor, Tensor)| j.lt(i), step, (i.like(0), x)).1
}
fn loops(n: usize, x: Tensor) -> Tensor {
    if n == 0 { x.sin() } else { fori_loop(0, 3, |_, x| loops(n - 1, x), x) }
}
/// Loops with a carry that has a tangent, or a batch axis, only from the second step on.
fn late(n: usize, x: Tensor, by: Tensor) -> Tensor {
    if n == 0 {
        return x * by;
    }
    let step = |(a, b): (Tensor, Tensor), ()| ((late(n - 1, b, by), a.sin() * by), ());
    let options = ScanOptions { length: Some(3), ..ScanOptions::default() };
    let (a, b) = scan_with(options, step, (x * 0.5, x), ()).0;
    a + b
}
fn jvps(n: usize, x: Tensor) -> Tensor {
    if n == 0 {
        return x;
    }
    let rule = |x: Tensor, dx: Tensor| {
        let y = jvps(n - 1, x);
        (y.sin(), dx * y.cos())
    };
    custom_jvp(|x: Tensor| jvps(n - 1, x).sin(), rule)(x)
}
fn vjps(n: usize, x: Tensor) -> Tensor {
    if n == 0 {
        return x;
    }
    let forward = |x: Tensor| {
        let y = vjps(n - 1, x);
        (y.sin(), y)
    };
    custom_vjp(|x: Tensor| vjps(n - 1, x).sin(), forward, |y: Tensor, ct: Tensor| ct * y.cos())(x)
}
fn remats(n: usize, x: Tensor) -> Tensor {
    if n == 0 { x.sin() } else { remat_with(RematOptions::default(), |x: Tensor| remats(n - 1, x).sin())(x) }
}

fn gradient(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    grad(move |x: Tensor| f(x).sum(..))
}
fn tangent(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    move |x| jvp(&f, x, x.cos()).1
}

#[test]
fn long_programs() {
    grows(2.5, 400, |n, x, _, _| (0..n).fold(x, |x, i| x.sin() + i as f64 * 1e-3));
    grows(2.5, 200, |n, x, _, _| gradient(|x| (0..n).fold(x, |x, i| x.sin() + i as f64 * 1e-3))(x));
    grows(2.5, 200, |n, x, _, _| vmap(|x: Tensor| (0..n).fold(x, |x, i| x.sin() * i))(x));
    // what only moves elements, which reverse mode makes again
    grows(2.5, 200, |n, x, _, _| {
        gradient(|x| (0..n).fold(x, |x, _| prim::reverse(x.reshape([4, 1]), [0]).reshape([4])).sin())(x)
    });
}

#[test]
fn wide_programs() {
    // values that a branch, or a loop, takes from outside; carries; residuals
    let many = |n: usize, x: Tensor| (0..n).map(|i| x.sin() * i).collect::<Vec<_>>();
    let sum = |x: &[Tensor]| x.iter().fold(x[0], |a, b| a + b.sin());
    grows(2.5, 100, |n, x, c, _| {
        let outside = many(n, x);
        cond(c, |x: Tensor| x + sum(&outside), |x| x, x)
    });
    grows(2.5, 100, |n, x, c, _| {
        gradient(|x| {
            let outside = many(n, x);
            cond(c, |x: Tensor| x * sum(&outside), |x| x, x)
        })(x)
    });
    grows(2.5, 50, |n, x, _, _| {
        gradient(|x| sum(&fori_loop(0, 3, |_, c: Vec<Tensor>| c.iter().map(|c| c.sin()).collect(), many(n, x))))(x)
    });
    grows(2.5, 50, |n, x, _, _| gradient(|x| (0..n).fold(x, |x, _| fori_loop(0, 3, |_, x: Tensor| x.sin(), x)))(x));
}

#[test]
fn deep_branches() {
    grows(2.5, 12, |n, x, c, _| conds(n, x, c));
    grows(2.5, 12, |n, x, c, _| vmap(|x: Tensor| conds(n, x, c))(x));
    grows(2.5, 12, |n, x, c, _| tangent(|x| conds(n, x, c))(x));
    grows(2.5, 12, |n, x, c, _| gradient(|x| conds(n, x, c))(x));
    grows(2.5, 8, |n, x, c, _| gradient(gradient(|x| conds(n, x, c)))(x));
    grows(2.5, 8, |n, x, c, _| vmap(gradient(|x| conds(n, x, c)))(x));
}

#[test]
fn deep_loops() {
    grows(2.5, 12, |n, x, _, i| whiles(n, x, i));
    grows(2.5, 12, |n, x, _, i| vmap(|x: Tensor| whiles(n, x, i))(x));
    grows(2.5, 12, |n, x, _, i| tangent(|x| whiles(n, x, i))(x));
    grows(2.5, 12, |n, x, _, i| tangent(tangent(|x| whiles(n, x, i)))(x));
    // loops that stop at different times
    grows(2.5, 8, |n, x, _, i| vmap(|i: Tensor| whiles(n, x, i))(x.cast(DType::I32) + i));
    grows(2.5, 12, |n, x, _, _| loops(n, x));
    grows(2.5, 12, |n, x, _, _| vmap(|x: Tensor| loops(n, x))(x));
    grows(2.5, 12, |n, x, _, _| gradient(|x| loops(n, x))(x));
    grows(2.5, 6, |n, x, _, _| gradient(gradient(|x| loops(n, x)))(x));
    grows(2.5, 8, |n, x, _, _| vmap(|by: Tensor| late(n, x, by))(x));
    grows(2.5, 8, |n, x, _, _| tangent(|by| late(n, x, by))(x));
    // (what the loops inside keep for the way back passes through each loop: the programs are larger by more than their size)
    grows(4.0, 8, |n, x, _, _| gradient(|by| late(n, x, by))(x));
}

/// Not as their size: with each level, all levels inside are computed once more, or traced once more with their rules.
#[test]
fn deep_functions() {
    grows(4.5, 8, |n, x, _, _| gradient(|x| jvps(n, x))(x));
    grows(4.5, 8, |n, x, _, _| gradient(|x| vjps(n, x))(x));
    grows(4.5, 8, |n, x, _, _| gradient(|x| remats(n, x))(x));
}

/// Elements that the operations of a program make.
fn elements(g: &Graph) -> usize {
    g.eqns.iter().flat_map(|e| &e.outs).map(|v| g.aval(*v).size()).sum()
}

/// A row twice as long is twice the work, not twice the work and one round more.
#[test]
fn derivatives_of_running_products() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    for f in [prim::cumsum, prim::cumprod, prim::cummax, prim::cummin, prim::cumlogsumexp] {
        let of = |n: usize| {
            let types = [Aval::new(DType::F32, [n])];
            let both = |x: Tensor| (gradient(|x| f(x, 0, false).sin())(x), tangent(|x| f(x, 0, true))(x));
            let g = trace_graph(&types, |x| {
                let (a, b) = both(x[0]);
                vec![a, b]
            });
            elements(&optimize(&g.unwrap()).0)
        };
        let (one, two) = (of(1 << 12), of(1 << 13));
        assert!(two as f64 <= 2.02 * one as f64, "{one} elements, then {two}");
        assert!(one <= 150 << 12, "{} elements for each of the row", one >> 12);
    }
}

#[test]
fn equal_branches_are_told_apart_by_their_hash() {
    // as many branches that differ in one number deep inside
    grows(2.5, 60, |n, x, c, _| {
        let one = |i: usize| cond(c, |x: Tensor| cond(c, |x: Tensor| x * i, |x| x, x), |x| x.cos(), x);
        (0..n).fold(x, |y, i| y + one(i))
    });
}
