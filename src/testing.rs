//! Checks of derivatives and batching, for tests of functions and of new primitives. JAX: `jax.test_util`.
//!
//! They run on the reference interpreter ([`Graph::eval`](crate::Graph::eval)), in double precision: no plugin is needed.
//!
//! * [`check_grads`] compares derivatives of any order, in both modes, with central differences; [`check_jvp`] in forward
//!   mode only.
//! * [`check_adjoint`] compares the modes with each other, to rounding.
//! * [`check_vmap`] compares batching with a loop.
//! * [`close`] and [`assert_close`] compare values.
use crate::{
    aval::{Aval, DType, axis_number},
    graph::Graph,
    host::{Host, ravel, unravel},
    prim::sample_in,
    trace::{Tensor, catch, trace_graph},
    transform::{Axis, PerLeaf, jvp, vjp, vmap_axes},
};
use num_complex::Complex64;

type Function<'a> = dyn Fn(&[Tensor]) -> Vec<Tensor> + 'a;

/// Largest difference allowed between two ways to compute the same in double precision, beside numbers of size 1.
const ROUNDING: f64 = 1e-10;
/// Step of the central differences.
const STEP: f64 = 1e-5;
/// Largest difference allowed between a derivative and its central difference, beside numbers of size 1.
const TOLERANCE: f64 = 2e-6;
/// Instances that [`check_vmap`] runs.
const INSTANCES: usize = 3;

fn avals(x: &[Host]) -> Vec<Aval> {
    x.iter().map(|h| h.aval().clone()).collect()
}
fn graph_of(f: &Function, x: &[Host]) -> Result<Graph, String> {
    trace_graph(&avals(x), f).map_err(|e| e.to_string())
}
/// The results of a program; or why the interpreter cannot run it.
fn evaluated(g: &Graph, x: &[Host]) -> Result<Vec<Host>, String> {
    catch(|| g.eval(x)).map_err(|e| e.to_string())
}

/// Compare `have` with `want`: equal types, equal integers, floats within `tolerance` times one plus their size; NaN
/// equals NaN.
///
/// ```
/// use raxla::{prelude::*, testing::close};
/// let (x, y) = (Host::floats(DType::F32, [2], vec![1.0, 2.0]), Host::floats(DType::F32, [2], vec![1.0, 2.001]));
/// assert!(close(&x, &y, 1e-3).is_ok());
/// assert_eq!(close(&x, &y, 1e-6).unwrap_err(), "1 of 2 elements differ, first at [1]: 2 against 2.000999927520752");
/// ```
///
/// # Errors
/// The first element that differs, or the types.
pub fn close(have: &Host, want: &Host, tolerance: f64) -> Result<(), String> {
    if have.aval() != want.aval() {
        return Err(format!("the types differ: {} against {}", have.aval(), want.aval()));
    }
    let equal = if have.dtype().is_complex() {
        let near = |(a, b): (Complex64, Complex64)| {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).norm() <= tolerance * (1.0 + b.norm())
        };
        have.to_complex().into_iter().zip(want.to_complex()).map(near).collect::<Vec<_>>()
    } else if have.dtype().is_float() {
        let near =
            |(a, b): (f64, f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + b.abs());
        have.to_f64().into_iter().zip(want.to_f64()).map(near).collect::<Vec<_>>()
    } else {
        have.to_ints().iter().zip(want.to_ints()).map(|(a, b)| *a == b).collect()
    };
    match equal.iter().position(|e| !e) {
        None => Ok(()),
        Some(i) => {
            let at = unravel(have.dims(), i);
            let show = |h: &Host| {
                if h.dtype().is_complex() { h.to_complex()[i].to_string() } else { h.to_f64()[i].to_string() }
            };
            let (a, b) = (show(have), show(want));
            let count = equal.iter().filter(|e| !**e).count();
            Err(format!("{count} of {} elements differ, first at {at:?}: {a} against {b}", equal.len()))
        }
    }
}

/// As [`close`], for tests.
///
/// ```
/// use raxla::{prelude::*, testing::assert_close};
/// let x = Host::floats(DType::F64, [], vec![0.1 + 0.2]);
/// assert_close(&x, &Host::floats(DType::F64, [], vec![0.3]), 1e-15);
/// ```
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn assert_close(have: &Host, want: &Host, tolerance: f64) {
    if let Err(why) = close(have, want, tolerance) {
        panic!("{why}\nhave {have:?}\nwant {want:?}");
    }
}

/// Check the derivatives of `f` at `x` (all f64) against central differences in one random direction, in forward mode and
/// in reverse mode; with `order` 2, those of the derivatives as well, and so on.
///
/// Results that are not f64 are ignored.
///
/// ```
/// use raxla::{prelude::*, testing::check_grads};
/// let x = Host::floats(DType::F64, [3], vec![0.1, 0.7, -2.0]);
/// check_grads(|x| vec![(x[0] * x[0]).sin()], &[x], 2).unwrap();
/// ```
///
/// # Errors
/// Which derivative differs and where, or why `f` cannot be traced or interpreted.
pub fn check_grads(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host], order: usize) -> Result<(), String> {
    let in_f64 = |t: &[Tensor]| f(t).into_iter().filter(|y| y.dtype() == DType::F64).collect();
    check_order(&in_f64, x, order, true)
}

/// As [`check_grads`], in forward mode only: for functions with a `while_loop`.
///
/// ```
/// use raxla::{prelude::*, testing::check_jvp, while_loop};
/// let grow = |x: &[Tensor]| vec![while_loop(|c: Tensor| c.lt(9.0), |c| c * x[0], x[0])];
/// check_jvp(grow, &[Host::floats(DType::F64, [], vec![1.7])], 2).unwrap();
/// ```
///
/// # Errors
/// Which derivative differs and where, or why `f` cannot be traced or interpreted.
pub fn check_jvp(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host], order: usize) -> Result<(), String> {
    let in_f64 = |t: &[Tensor]| f(t).into_iter().filter(|y| y.dtype() == DType::F64).collect();
    check_order(&in_f64, x, order, false)
}

fn check_order(f: &Function, x: &[Host], order: usize, reverse_too: bool) -> Result<(), String> {
    if let Some(h) = x.iter().find(|h| h.dtype() != DType::F64) {
        return Err(format!("check_grads works in f64, but an operand is {}", h.aval()));
    }
    let v = directions(&avals(x), 100);
    let numeric = central_difference(&graph_of(f, x)?, x, &v)?;
    check_forward(f, x, &v, &numeric).map_err(|e| format!("forward mode: {e}"))?;
    if reverse_too {
        check_reverse(f, x, &v, &numeric).map_err(|e| format!("reverse mode: {e}"))?;
    }
    if order > 1 {
        let n = x.len();
        let forward = |t: &[Tensor]| {
            let (y, dy) = jvp(|x: Vec<Tensor>| f(&x), t[..n].to_vec(), t[n..].to_vec());
            [y, dy].concat()
        };
        check_order(&forward, &[x, &v].concat(), order - 1, reverse_too)
            .map_err(|e| format!("of forward mode, {e}"))?;
    }
    if order > 1 && reverse_too {
        let reverse = |t: &[Tensor]| {
            let (y, pull) = vjp(|x: Vec<Tensor>| f(&x), t.to_vec());
            pull(y)
        };
        check_order(&reverse, x, order - 1, true).map_err(|e| format!("of reverse mode, {e}"))?;
    }
    Ok(())
}

/// Derivatives of the f64 results in direction `v`.
fn central_difference(g: &Graph, x: &[Host], v: &[Host]) -> Result<Vec<Host>, String> {
    let moved = |by: f64| {
        let step = |(x, v): (&Host, &Host)| {
            let values = x.to_f64().iter().zip(v.to_f64()).map(|(x, v)| x + by * v).collect();
            Host::floats(DType::F64, x.dims(), values)
        };
        evaluated(g, &x.iter().zip(v).map(step).collect::<Vec<_>>())
    };
    let slope = |(a, b): (Host, Host)| {
        // (infinities that do not move have slope 0)
        let one = |(a, b): (&f64, f64)| if *a == b { 0.0 } else { (a - b) / (2.0 * STEP) };
        Host::floats(DType::F64, a.dims(), a.to_f64().iter().zip(b.to_f64()).map(one).collect())
    };
    Ok(moved(STEP)?.into_iter().zip(moved(-STEP)?).map(slope).collect())
}

fn check_forward(f: &Function, x: &[Host], v: &[Host], numeric: &[Host]) -> Result<(), String> {
    let n = x.len();
    let g = graph_of(&|t| tangents(f, n, t), &[x, v].concat())?;
    let dy = evaluated(&g, &[x, v].concat())?;
    for (i, (dy, want)) in dy.iter().zip(numeric).enumerate() {
        close(dy, want, TOLERANCE).map_err(|e| format!("result {i}: {e} by central difference"))?;
    }
    Ok(())
}

/// The inner product of a random cotangent with the tangents, either way round.
fn check_reverse(f: &Function, x: &[Host], v: &[Host], numeric: &[Host]) -> Result<(), String> {
    let ct = directions(&graph_of(f, x)?.out_avals(), 200);
    let n = x.len();
    let g = graph_of(&|t| cotangents(f, n, t), &[x, &ct].concat())?;
    let d = evaluated(&g, &[x, &ct].concat())?;
    let (have, want) = (dot(&d, v), dot(numeric, &ct));
    close(&scalar(have), &scalar(want), TOLERANCE).map_err(|e| format!("{e} by central difference"))
}

/// Σ ab over the elements that are floats.
fn dot(a: &[Host], b: &[Host]) -> f64 {
    let floats = a.iter().zip(b).filter(|(a, _)| a.dtype().is_float());
    floats.flat_map(|(a, b)| a.to_f64().into_iter().zip(b.to_f64())).map(|(a, b)| a * b).sum()
}
fn scalar(x: f64) -> Host {
    Host::floats(DType::F64, [], vec![x])
}
/// Random tangents or cotangents of these types.
fn directions(avals: &[Aval], seed: u64) -> Vec<Host> {
    avals.iter().enumerate().map(|(i, a)| sample_in(a.dtype, &a.dims, seed + i as u64, -1.0, 1.0)).collect()
}

/// Check that forward and reverse mode of `f` at `x` agree: `ct · jvp(f, x, dx) = vjp(f, x)(ct) · dx` for random tangents
/// `dx` and cotangents `ct`, to rounding. Then the same of a batch of such functions, and of batches of both modes.
///
/// Floats are f64. Operands and results of other dtypes have no derivatives.
///
/// ```
/// use raxla::{prelude::*, testing::check_adjoint};
/// let (x, i) = (Host::floats(DType::F64, [3], vec![0.1, 0.7, -2.0]), Host::ints(DType::I32, [2], vec![2, 0]));
/// check_adjoint(|x| vec![x[0].take(x[1], 0).sin(), x[1] + 1], &[x, i]).unwrap();
/// ```
///
/// # Errors
/// The two numbers that differ and for which batch, or why `f` cannot be traced or interpreted.
pub fn check_adjoint(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host]) -> Result<(), String> {
    if let Some(h) = x.iter().find(|h| h.dtype().is_float() && h.dtype() != DType::F64) {
        return Err(format!("check_adjoint works in f64, but an operand is {}", h.aval()));
    }
    adjoint(&f, x)?;
    for subset in 1..1usize << x.len() {
        let axes = leading(x.len(), subset);
        let batch = stacked(x, &axes, 2);
        let over_batch =
            |t: &[Tensor]| vmap_axes(|x: Vec<Tensor>| f(&x), PerLeaf(axes.clone()), Axis::At(0))(t.to_vec());
        adjoint(&over_batch, &batch).map_err(|e| format!("of a batch with mapped operands {axes:?}: {e}"))?;
        adjoint_of_batches(&f, x, &axes).map_err(|e| format!("batched with mapped operands {axes:?}: {e}"))?;
    }
    Ok(())
}

fn tangents(f: &Function, n: usize, t: &[Tensor]) -> Vec<Tensor> {
    jvp(|x: Vec<Tensor>| f(&x), t[..n].to_vec(), t[n..].to_vec()).1
}
fn cotangents(f: &Function, n: usize, t: &[Tensor]) -> Vec<Tensor> {
    vjp(|x: Vec<Tensor>| f(&x), t[..n].to_vec()).1(t[n..].to_vec())
}
fn same_product(what: &str, pushed: &[Host], ct: &[Host], pulled: &[Host], dx: &[Host]) -> Result<(), String> {
    let size = 1.0 + dot(pushed, pushed) + dot(pulled, pulled);
    let (have, want) = (dot(pulled, dx), dot(pushed, ct));
    let apart = !(have.is_nan() && want.is_nan()) && (have - want).abs() > ROUNDING * size;
    if apart { Err(format!("{what}: {have} by reverse mode, {want} by forward mode")) } else { Ok(()) }
}

fn adjoint(f: &Function, x: &[Host]) -> Result<(), String> {
    let n = x.len();
    let (dx, ct) = (directions(&avals(x), 300), directions(&graph_of(f, x)?.out_avals(), 400));
    let (forward, reverse) = ([x, &dx].concat(), [x, &ct].concat());
    let pushed = evaluated(&graph_of(&|t| tangents(f, n, t), &forward)?, &forward)?;
    let pulled = evaluated(&graph_of(&|t| cotangents(f, n, t), &reverse)?, &reverse)?;
    same_product("the inner product", &pushed, &ct, &pulled, &dx)
}

/// Instance by instance, of both modes batched with tangents and cotangents of their own.
fn adjoint_of_batches(f: &Function, x: &[Host], axes: &[Axis]) -> Result<(), String> {
    let (n, outs) = (x.len(), graph_of(f, x)?.out_avals());
    let (dx, ct) = (directions(&avals(x), 500), directions(&outs, 600));
    let all = |own: &[Host], more: &[Host]| {
        let axes = [axes.to_vec(), vec![Axis::At(0); more.len()]].concat();
        let batch = stacked(&[own, more].concat(), &axes, 2);
        (axes, batch)
    };
    let run = |mode: &Function, (axes, batch): &(Vec<Axis>, Vec<Host>)| {
        let over_batch =
            |t: &[Tensor]| vmap_axes(|t: Vec<Tensor>| mode(&t), PerLeaf(axes.clone()), Axis::At(0))(t.to_vec());
        evaluated(&graph_of(&over_batch, batch)?, batch)
    };
    let (forward, reverse) = (all(x, &dx), all(x, &ct));
    let pushed = run(&|t: &[Tensor]| tangents(f, n, t), &forward)?;
    let pulled = run(&|t: &[Tensor]| cotangents(f, n, t), &reverse)?;
    for b in 0..2 {
        let at = |h: &[Host]| h.iter().map(|h| h.at(b)).collect::<Vec<_>>();
        let (dx, ct) = (at(&forward.1[n..]), at(&reverse.1[n..]));
        same_product(&format!("instance {b}"), &at(&pushed), &ct, &at(&pulled), &dx)?;
    }
    Ok(())
}

/// Check that `f` over a batch axis equals a loop over the instances: for every choice of operands that have the axis; with
/// the axis in front, at the end, and in different places in each operand and result; for several instances, for one and
/// for none; and over two axes at once.
///
/// The instances are made from `x` by rotating its elements (and scaling single floats).
///
/// ```
/// use raxla::{prelude::*, testing::check_vmap};
/// let (x, y) = (Host::ints(DType::I32, [3], vec![1, 2, 3]), Host::ints(DType::I32, [], vec![4]));
/// check_vmap(|x| vec![x[0] * x[1]], &[x, y]).unwrap();
/// ```
///
/// # Errors
/// Which result differs for which mapped axes, or why `f` cannot be traced or interpreted.
pub fn check_vmap(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host]) -> Result<(), String> {
    let subsets = 1..1usize << x.len();
    for subset in subsets.clone() {
        let front = leading(x.len(), subset);
        let at = |place: &dyn Fn(usize, usize) -> isize| -> Vec<Axis> {
            let one = |(i, axis): (usize, &Axis)| match axis {
                Axis::At(_) => Axis::At(place(i, x[i].dims().len() + 1)),
                Axis::Shared => Axis::Shared,
            };
            front.iter().enumerate().map(one).collect()
        };
        for n in [INSTANCES, 1, 0] {
            check_batch(&f, x, &front, &|_, _| 0, n)?;
        }
        check_batch(&f, x, &at(&|_, _| -1), &|_, _| -1, INSTANCES)?;
        let (axes, outs) = (at(&mixed), |i, rank| mixed(i + 1, rank));
        check_batch(&f, x, &axes, &outs, INSTANCES)?;
        // the batch as one instance of another
        let ranks: Vec<usize> = graph_of(&f, x)?.out_avals().iter().map(Aval::rank).collect();
        let inner = |t: &[Tensor]| {
            let outs = ranks.iter().enumerate().map(|(i, rank)| Axis::At(outs(i, rank + 1))).collect();
            vmap_axes(|x: Vec<Tensor>| f(&x), PerLeaf(axes.clone()), PerLeaf::<Vec<Axis>>(outs))(t.to_vec())
        };
        let outer = leading(x.len(), subset % (subsets.end - 1) + 1);
        check_batch(&inner, &stacked(x, &axes, 2), &outer, &|_, _| 0, 2).map_err(|e| format!("over two axes: {e}"))?;
    }
    Ok(())
}

/// Places that differ: from the front for even numbers, from the end for odd ones.
fn mixed(i: usize, rank: usize) -> isize {
    let at = ((i + 1) % rank) as isize;
    if i.is_multiple_of(2) { at } else { at - rank as isize }
}
/// The leading axis of the operands in a subset, given by its bits.
fn leading(n: usize, subset: usize) -> Vec<Axis> {
    (0..n).map(|i| if subset >> i & 1 == 1 { Axis::At(0) } else { Axis::Shared }).collect()
}

/// Compare one batch of `n` instances with a loop. `outs` tells where a result has the axis, given its number and rank.
fn check_batch(
    f: &Function,
    x: &[Host],
    axes: &[Axis],
    outs: &dyn Fn(usize, usize) -> isize,
    n: usize,
) -> Result<(), String> {
    let single = graph_of(f, x)?;
    let instance = |b: usize| -> Vec<Host> {
        x.iter().zip(axes).map(|(h, a)| if *a == Axis::Shared { h.clone() } else { variant(h, b) }).collect()
    };
    let want = (0..n).map(|b| evaluated(&single, &instance(b))).collect::<Result<Vec<_>, _>>()?;
    let places: Vec<isize> = single.out_avals().iter().enumerate().map(|(i, a)| outs(i, a.rank() + 1)).collect();
    let operands = stacked(x, axes, n);
    let over_axis = |t: &[Tensor]| {
        let outs = places.iter().map(|a| Axis::At(*a)).collect();
        vmap_axes(|x: Vec<Tensor>| f(&x), PerLeaf(axes.to_vec()), PerLeaf::<Vec<Axis>>(outs))(t.to_vec())
    };
    let have = evaluated(&graph_of(&over_axis, &operands)?, &operands)?;
    for (i, (have, a)) in have.iter().zip(single.out_avals()).enumerate() {
        let want = stack_at(&a, &want.iter().map(|y| y[i].clone()).collect::<Vec<_>>(), places[i]);
        close(have, &want, 1e-9)
            .map_err(|e| format!("result {i} with mapped axes {axes:?} of {n} instances: {e} in a loop"))?;
    }
    Ok(())
}

/// Operands of `n` instances.
fn stacked(x: &[Host], axes: &[Axis], n: usize) -> Vec<Host> {
    let one = |(h, axis): (&Host, &Axis)| match axis {
        Axis::At(i) => stack_at(h.aval(), &(0..n).map(|b| variant(h, b)).collect::<Vec<_>>(), *i),
        Axis::Shared => h.clone(),
    };
    x.iter().zip(axes).map(one).collect()
}

/// Values of one type along a new axis, which becomes number `axis`; negative ones count from the end.
fn stack_at(a: &Aval, parts: &[Host], axis: isize) -> Host {
    let axis = axis_number(axis, a.rank() + 1).expect("an axis of the result");
    let front = Host::stack(a, parts);
    let mut dims = a.dims.clone();
    dims.insert(axis, parts.len());
    front.pick(dims.clone(), |o| {
        let mut at = unravel(&dims, o);
        let b = at.remove(axis);
        ravel(front.dims(), &[&[b], &at[..]].concat())
    })
}

/// Instance number `b` of an operand.
fn variant(h: &Host, b: usize) -> Host {
    let n = h.aval().size();
    if n == 1 && h.dtype().is_inexact() {
        let scaled = h.to_parts().into_iter().map(|x| x * (1.0 - 0.0625 * b as f64));
        return Host::from_parts(h.dtype(), h.dims(), scaled.collect());
    }
    h.pick(h.dims(), |i| (i + b) % n)
}
