//! Checks of derivatives and batching, for tests of functions and of new primitives. JAX: `jax.test_util`.
//!
//! They run on the reference interpreter ([`Graph::eval`](crate::Graph::eval)), in double precision: no plugin is needed.
use crate::{
    aval::{Aval, DType},
    graph::Graph,
    host::Host,
    prim::sample_in,
    trace::{Tensor, trace_graph},
    transform::{Axis, PerLeaf, jvp, vjp, vmap_axes},
};

type Function<'a> = dyn Fn(&[Tensor]) -> Vec<Tensor> + 'a;

/// Step of the central differences.
const STEP: f64 = 1e-5;
/// Largest difference allowed between a derivative and its central difference, beside numbers of size 1.
const TOLERANCE: f64 = 2e-6;
/// Instances that [`check_vmap`] runs.
const INSTANCES: usize = 3;

fn graph_of(f: &Function, x: &[Host]) -> Result<Graph, String> {
    let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
    trace_graph(&avals, f).map_err(|e| e.to_string())
}

/// Compare `have` with `want`: equal types, equal integers, floats within `tolerance` times one plus their size; NaN
/// equals NaN.
///
/// # Errors
/// The first element that differs, or the types.
pub fn close(have: &Host, want: &Host, tolerance: f64) -> Result<(), String> {
    if have.aval() != want.aval() {
        return Err(format!("the types differ: {} against {}", have.aval(), want.aval()));
    }
    let equal = if have.dtype().is_float() {
        let near =
            |(a, b): (f64, f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + b.abs());
        have.to_f64().into_iter().zip(want.to_f64()).map(near).collect::<Vec<_>>()
    } else {
        have.to_ints().iter().zip(want.to_ints()).map(|(a, b)| *a == b).collect()
    };
    match equal.iter().position(|e| !e) {
        None => Ok(()),
        Some(i) => {
            let at = crate::host::unravel(have.dims(), i);
            let (a, b) = (have.to_f64()[i], want.to_f64()[i]);
            let count = equal.iter().filter(|e| !**e).count();
            Err(format!("{count} of {} elements differ, first at {at:?}: {a} against {b}", equal.len()))
        }
    }
}

/// As [`close`], for tests.
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
/// Which derivative differs and where, or why `f` cannot be traced.
pub fn check_grads(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host], order: usize) -> Result<(), String> {
    let in_f64 = |t: &[Tensor]| f(t).into_iter().filter(|y| y.dtype() == DType::F64).collect();
    check_order(&in_f64, x, order, true)
}

/// As [`check_grads`], in forward mode only: for functions with a `while_loop`.
///
/// # Errors
/// Which derivative differs and where, or why `f` cannot be traced.
pub fn check_jvp(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host], order: usize) -> Result<(), String> {
    let in_f64 = |t: &[Tensor]| f(t).into_iter().filter(|y| y.dtype() == DType::F64).collect();
    check_order(&in_f64, x, order, false)
}

fn check_order(f: &Function, x: &[Host], order: usize, reverse_too: bool) -> Result<(), String> {
    if let Some(h) = x.iter().find(|h| h.dtype() != DType::F64) {
        return Err(format!("check_grads works in f64, but an operand is {}", h.aval()));
    }
    let v: Vec<Host> =
        x.iter().enumerate().map(|(i, h)| sample_in(DType::F64, h.dims(), 100 + i as u64, -1.0, 1.0)).collect();
    let numeric = central_difference(&graph_of(f, x)?, x, &v);
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
fn central_difference(g: &Graph, x: &[Host], v: &[Host]) -> Vec<Host> {
    let moved = |by: f64| {
        let step = |(x, v): (&Host, &Host)| {
            let values = x.to_f64().iter().zip(v.to_f64()).map(|(x, v)| x + by * v).collect();
            Host::floats(DType::F64, x.dims(), values)
        };
        g.eval(&x.iter().zip(v).map(step).collect::<Vec<_>>())
    };
    let slope = |(a, b): (Host, Host)| {
        // (infinities that do not move have slope 0)
        let one = |(a, b): (&f64, f64)| if *a == b { 0.0 } else { (a - b) / (2.0 * STEP) };
        Host::floats(DType::F64, a.dims(), a.to_f64().iter().zip(b.to_f64()).map(one).collect())
    };
    moved(STEP).into_iter().zip(moved(-STEP)).map(slope).collect()
}

fn check_forward(f: &Function, x: &[Host], v: &[Host], numeric: &[Host]) -> Result<(), String> {
    let n = x.len();
    let g = graph_of(&|t| jvp(|x: Vec<Tensor>| f(&x), t[..n].to_vec(), t[n..].to_vec()).1, &[x, v].concat())?;
    let dy = g.eval(&[x, v].concat());
    for (i, (dy, want)) in dy.iter().zip(numeric).enumerate() {
        close(dy, want, TOLERANCE).map_err(|e| format!("result {i}: {e} by central difference"))?;
    }
    Ok(())
}

/// The inner product of a random cotangent with the tangents, either way round.
fn check_reverse(f: &Function, x: &[Host], v: &[Host], numeric: &[Host]) -> Result<(), String> {
    let outs = graph_of(f, x)?.out_avals();
    let ct: Vec<Host> =
        outs.iter().enumerate().map(|(i, a)| sample_in(a.dtype, &a.dims, 200 + i as u64, -1.0, 1.0)).collect();
    let n = x.len();
    let g = graph_of(&|t| vjp(|x: Vec<Tensor>| f(&x), t[..n].to_vec()).1(t[n..].to_vec()), &[x, &ct].concat())?;
    let d = g.eval(&[x, &ct].concat());
    let dot = |a: &Host, b: &Host| a.to_f64().iter().zip(b.to_f64()).map(|(a, b)| a * b).sum::<f64>();
    let have: f64 = d.iter().zip(v).map(|(d, v)| dot(d, v)).sum();
    let want: f64 = numeric.iter().zip(&ct).map(|(n, ct)| dot(n, ct)).sum();
    let scalar = |x: f64| Host::floats(DType::F64, [], vec![x]);
    close(&scalar(have), &scalar(want), TOLERANCE).map_err(|e| format!("{e} by central difference"))
}

/// Check that `f` over a batch axis equals a loop over the instances, for every choice of operands that have the axis.
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
/// Which result differs for which choice of operands, or why `f` cannot be traced.
pub fn check_vmap(f: impl Fn(&[Tensor]) -> Vec<Tensor>, x: &[Host]) -> Result<(), String> {
    let single = graph_of(&f, x)?;
    for subset in 1..1usize << x.len() {
        let mapped: Vec<bool> = (0..x.len()).map(|i| subset >> i & 1 == 1).collect();
        let instance = |b: usize| -> Vec<Host> {
            x.iter().zip(&mapped).map(|(h, m)| if *m { variant(h, b) } else { h.clone() }).collect()
        };
        let instances: Vec<Vec<Host>> = (0..INSTANCES).map(instance).collect();
        let operand = |i: usize| match mapped[i] {
            true => Host::stack(x[i].aval(), &instances.iter().map(|v| v[i].clone()).collect::<Vec<_>>()),
            false => x[i].clone(),
        };
        let operands: Vec<Host> = (0..x.len()).map(operand).collect();
        let axes: Vec<Axis> = mapped.iter().map(|m| if *m { Axis::At(0) } else { Axis::Shared }).collect();
        let over_axis =
            |t: &[Tensor]| vmap_axes(|x: Vec<Tensor>| f(&x), PerLeaf(axes.clone()), Axis::At(0))(t.to_vec());
        let have = graph_of(&over_axis, &operands)?.eval(&operands);
        let want: Vec<Vec<Host>> = instances.iter().map(|x| single.eval(x)).collect();
        for (i, have) in have.iter().enumerate() {
            let want = Host::stack(want[0][i].aval(), &want.iter().map(|y| y[i].clone()).collect::<Vec<_>>());
            close(have, &want, 1e-9)
                .map_err(|e| format!("result {i} with mapped operands {mapped:?}: {e} in a loop"))?;
        }
    }
    Ok(())
}

/// Instance number `b` of an operand.
fn variant(h: &Host, b: usize) -> Host {
    let n = h.aval().size();
    if n == 1 && h.dtype().is_float() {
        return Host::floats(h.dtype(), h.dims(), vec![h.to_f64()[0] * (1.0 - 0.0625 * b as f64)]);
    }
    h.pick(h.dims(), |i| (i + b) % n)
}
