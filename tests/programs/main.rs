//! Random programs: well-typed compositions of all families of primitives, with loops, branches, functions with rules of
//! their own, and transformations inside transformations. What must hold of each of them holds on hundreds.
//!
//! `RAXLA_PROGRAMS=5000 cargo test -p raxla --test programs` checks more (5000 in all, divided among the properties);
//! `RAXLA_PROGRAMS_SEED=1` checks others. A failure prints the smallest program found that fails. Where XLA ends the process
//! instead, `RAXLA_PROGRAMS_LAST=file` keeps the last one that was compiled for several devices.
mod calls;
mod check;
mod collectives;
mod devices;
mod exchange;
mod generate;
mod indexed;
mod ops;
mod over_devices;
mod program;
mod random_calls;
mod shapes;

use check::*;
use generate::{MIXED, NARROW, Rng, SMOOTH, top};
use program::{Case, Style};
use random_calls::{new_axes, policy};
use raxla::{
    Array, Axis, Host, PerLeaf, RematOptions, Tensor, jacfwd, jacrev, jit, jvp, linearize,
    prim::TABLE,
    remat_with,
    trace::trace_graph,
    transform::{cse::cse, dce::dce, fold::fold, optimize},
    vjp, vmap_axes,
};
use std::collections::BTreeSet;

/// How many programs a run checks.
const PROGRAMS: u64 = 1000;

fn smooth(seed: u64) -> program::Program {
    top(seed, SMOOTH, 8)
}
fn mixed(seed: u64) -> program::Program {
    top(seed, MIXED, 8)
}
fn narrow(seed: u64) -> program::Program {
    top(seed, NARROW, 6)
}

/// The results and, for random cotangents, those of the operands.
fn with_cotangents(x: &[Tensor], ct: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let (y, pull) = vjp(|x: Vec<Tensor>| f(&x), x.to_vec());
    [y, pull(ct.to_vec())].concat()
}
/// The results and their tangents.
fn with_tangents(x: &[Tensor], dx: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let (y, dy) = jvp(|x: Vec<Tensor>| f(&x), x.to_vec(), dx.to_vec());
    [y, dy].concat()
}
/// Operands and random cotangents.
fn and_cotangents(case: &Case, rng: &mut Rng) -> (usize, Vec<Host>) {
    let x = inputs(case);
    let ct = directions(rng, &case.program.out_types());
    (x.len(), [x, ct].concat())
}

fn on_device(x: &[Host], f: impl Fn(Vec<Tensor>) -> Vec<Tensor> + 'static) -> Checked<Vec<Host>> {
    let arrays = x.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
    let y = jit(f).call((arrays,)).map_err(|e| e.to_string())?;
    Ok(y.iter().map(Array::to_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?)
}

#[test]
fn a_compiled_program_equals_the_interpreter() {
    on_programs(9, mixed, |case, _| {
        let x = inputs(case);
        let want = run(&x, program(case, Style::Raxla))?;
        let owned = case.clone();
        let have = on_device(&x, move |x| program(&owned, Style::Raxla)(&x))?;
        equal("compiled", &have, &want, 1e-4)
    });
}

/// Reading and writing at computed positions, also out of bounds, and of arrays that are updated with parts of themselves.
#[test]
fn compiled_index_operations_equal_the_interpreter() {
    on_programs(12, indexed::program, |case, _| {
        let x = inputs(case);
        let want = run(&x, program(case, Style::Raxla))?;
        let owned = case.clone();
        let have = on_device(&x, move |x| program(&owned, Style::Raxla)(&x))?;
        equal("compiled", &have, &want, 1e-4)
    });
}

#[test]
fn a_compiled_program_of_narrow_floats_is_close_to_the_interpreter() {
    on_programs(3, narrow, |case, _| {
        let x = inputs(case);
        let want = run(&x, program(case, Style::Raxla))?;
        let owned = case.clone();
        let have = on_device(&x, move |x| program(&owned, Style::Raxla)(&x))?;
        equal("compiled", &have, &want, 0.1)
    });
}

#[test]
fn a_compiled_derivative_equals_the_interpreter() {
    on_programs(7, smooth, |case, rng| {
        let (n, x) = and_cotangents(case, rng);
        let want = run(&x, |x| with_cotangents(&x[..n], &x[n..], program(case, Style::Raxla)))?;
        tame(&want, 1e4)?;
        let owned = case.clone();
        let have = on_device(&x, move |x| with_cotangents(&x[..n], &x[n..], program(&owned, Style::Raxla)))?;
        equal("compiled", &have, &want, 1e-8)
    });
}

#[test]
fn loops_and_transformations_equal_what_they_mean() {
    on_programs(12, mixed, |case, _| {
        let x = inputs(case);
        let [have, want] = [run(&x, program(case, Style::Raxla))?, run(&x, program(case, Style::Plain))?];
        tame(&want, 1e4)?;
        equal("plain", &have, &want, 1e-4)
    });
}

#[test]
fn their_derivatives_do_too() {
    on_programs(12, smooth, |case, rng| {
        let (n, x) = and_cotangents(case, rng);
        let of = |style| run(&x, |x| with_cotangents(&x[..n], &x[n..], program(case, style)));
        let [have, want] = [of(Style::Raxla)?, of(Style::Plain)?];
        tame(&want, 1e4)?;
        equal("plain", &have, &want, 1e-8)?;
        let dx = directions(rng, &case.program.inputs);
        let x = [&x[..n], &dx].concat();
        let of = |style| run(&x, |x| with_tangents(&x[..n], &x[n..], program(case, style)));
        let [have, want] = [of(Style::Raxla)?, of(Style::Plain)?];
        equal("plain, forward mode", &have, &want, 1e-8)
    });
}

#[test]
fn what_is_computed_again_is_the_same() {
    on_programs(10, smooth, |case, rng| {
        let options = RematOptions { policy: policy(rng), ..RematOptions::default() };
        let f = program(case, Style::Raxla);
        let again = |x: &[Tensor]| remat_with(options.clone(), |x: Vec<Tensor>| f(&x))(x.to_vec());
        let (n, x) = and_cotangents(case, rng);
        let want = run(&x, |x| with_cotangents(&x[..n], &x[n..], f))?;
        tame(&want, 1e4)?;
        let have = run(&x, |x| with_cotangents(&x[..n], &x[n..], again))?;
        equal(&format!("{options:?}"), &have, &want, 1e-11)?;
        // tangents of the gradients
        let dx = directions(rng, &avals(&x));
        let m = x.len();
        let both = [x, dx].concat();
        let second = |f: &dyn Fn(&[Tensor]) -> Vec<Tensor>| {
            run(&both, |x| with_tangents(&x[..m], &x[m..], |x| with_cotangents(&x[..n], &x[n..], f)))
        };
        let want = second(&f)?;
        tame(&want, 1e5)?;
        equal(&format!("second order, {options:?}"), &second(&again)?, &want, 1e-9)
    });
}

/// The instances of a batch, and the batch: operands with a new axis of size `n` where `axes` says.
fn batch(case: &Case, rng: &mut Rng, n: usize) -> (Vec<Axis>, Vec<Vec<Host>>, Vec<Host>) {
    let types = &case.program.inputs;
    let mut axes: Vec<Axis> = new_axes(rng, types).into_iter().map(Axis::At).collect();
    axes.iter_mut().for_each(|a| *a = if rng.percent(25) { Axis::Shared } else { *a });
    let forced = rng.below(axes.len());
    axes[forced] = Axis::At(new_axes(rng, &types[forced..forced + 1])[0]);
    let shared = inputs(case);
    let one = |i: usize, rng: &mut Rng| match axes[i] {
        Axis::Shared => shared[i].clone(),
        Axis::At(_) => inputs(&Case { seed: rng.next(), ..case.clone() })[i].clone(),
    };
    let instances: Vec<Vec<Host>> = (0..n).map(|_| (0..types.len()).map(|i| one(i, rng)).collect()).collect();
    let stacked = |i: usize| match axes[i] {
        Axis::Shared => shared[i].clone(),
        Axis::At(axis) => stack(&types[i], &instances.iter().map(|x| x[i].clone()).collect::<Vec<_>>(), axis),
    };
    let batch = (0..types.len()).map(stacked).collect();
    (axes, instances, batch)
}
/// Values along a new axis at this place.
fn stack(a: &raxla::Aval, parts: &[Host], axis: isize) -> Host {
    let axis = if axis < 0 { axis + a.rank() as isize + 1 } else { axis } as usize;
    let front = Host::stack(a, parts);
    let mut dims = a.dims.clone();
    dims.insert(axis, parts.len());
    let inner: usize = a.dims[axis..].iter().product();
    let n = parts.len();
    front.pick(dims, |o| {
        let (outer, i, rest) = (o / inner.max(1) / n, o / inner.max(1) % n, o % inner.max(1));
        i * a.size() + outer * inner + rest
    })
}
fn over_batch(axes: &[Axis], outs: &[isize], x: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let outs = outs.iter().map(|a| Axis::At(*a)).collect();
    vmap_axes(|x: Vec<Tensor>| f(&x), PerLeaf(axes.to_vec()), PerLeaf(outs))(x.to_vec())
}

#[test]
fn a_batch_equals_a_loop() {
    on_programs(12, mixed, |case, rng| {
        let n = rng.between(1, 3);
        let (axes, instances, x) = batch(case, rng, n);
        let (f, types) = (program(case, Style::Raxla), case.program.out_types());
        let outs = new_axes(rng, &types);
        let single = graph(&instances[0], f)?;
        let all: Vec<Vec<Host>> = instances.iter().map(|x| single.eval(x)).collect();
        all.iter().try_for_each(|y| tame(y, 1e4))?;
        let have = run(&x, |x| over_batch(&axes, &outs, x, f))?;
        let stacked = |i: usize| stack(&types[i], &all.iter().map(|y| y[i].clone()).collect::<Vec<_>>(), outs[i]);
        equal("batch", &have, &(0..types.len()).map(stacked).collect::<Vec<_>>(), 1e-4)
    });
}

#[test]
fn a_batch_of_gradients_equals_a_loop_of_them() {
    on_programs(12, smooth, |case, rng| {
        let (m, n) = (case.program.inputs.len(), rng.between(1, 3));
        let (mut axes, mut instances, mut x) = batch(case, rng, n);
        // cotangents are shared
        let ct = directions(rng, &case.program.out_types());
        axes.extend(ct.iter().map(|_| Axis::Shared));
        instances.iter_mut().for_each(|x| x.extend(ct.iter().cloned()));
        x.extend(ct.iter().cloned());
        let f = |x: &[Tensor]| with_cotangents(&x[..m], &x[m..], program(case, Style::Raxla));
        let single = graph(&instances[0], f)?;
        let types = single.out_avals();
        let outs = new_axes(rng, &types);
        let all: Vec<Vec<Host>> = instances.iter().map(|x| single.eval(x)).collect();
        all.iter().try_for_each(|y| tame(y, 1e4))?;
        let have = run(&x, |x| over_batch(&axes, &outs, x, f))?;
        let stacked = |i: usize| stack(&types[i], &all.iter().map(|y| y[i].clone()).collect::<Vec<_>>(), outs[i]);
        equal("batch", &have, &(0..types.len()).map(stacked).collect::<Vec<_>>(), 1e-9)?;
        // the gradient of the batch: of what all share, the sum
        let front = vec![0; case.program.outs.len()];
        let of_batch = |x: &[Tensor]| {
            let batch = |x: &[Tensor]| {
                let y = over_batch(&axes[..m], &front, x, program(case, Style::Raxla));
                y.iter()
                    .map(|y| if y.dtype().is_float() { raxla::prim::reduce_sum(*y, [0]) } else { *y })
                    .collect::<Vec<_>>()
            };
            let (y, pull) = vjp(|x: Vec<Tensor>| batch(&x), x[..m].to_vec());
            let ct = y.iter().zip(&x[m..]).map(|(y, ct)| if y.dtype().is_float() { *ct } else { *y });
            pull(ct.collect())
        };
        let have = run(&x, of_batch)?;
        let gradients =
            |i: usize| -> Vec<Host> { all.iter().map(|y| y[case.program.outs.len() + i].clone()).collect() };
        let want = |i: usize| match axes[i] {
            Axis::At(axis) => stack(&case.program.inputs[i], &gradients(i), axis),
            Axis::Shared => gradients(i).into_iter().reduce(|a, b| sum(&a, &b)).expect("an instance"),
        };
        equal("gradient of a batch", &have, &(0..m).map(want).collect::<Vec<_>>(), 1e-8)
    });
}
fn sum(a: &Host, b: &Host) -> Host {
    let values = a.to_f64().iter().zip(b.to_f64()).map(|(a, b)| a + b).collect();
    Host::floats(a.dtype(), a.dims(), values)
}

#[test]
fn forward_and_reverse_mode_agree_with_each_other_and_with_differences() {
    on_programs(12, smooth, |case, rng| {
        let (n, x) = and_cotangents(case, rng);
        let f = program(case, Style::Raxla);
        let g = graph(&x[..n], f)?;
        let outs = case.program.outs.len();
        let dx = directions(rng, &case.program.inputs);
        let forward = run(&[&x[..n], &dx].concat(), |x| with_tangents(&x[..n], &x[n..], f))?;
        let reverse = run(&x, |x| with_cotangents(&x[..n], &x[n..], f))?;
        tame(&forward, 1e4)?;
        tame(&reverse, 1e4)?;
        let value = g.eval(&x[..n]);
        equal("value beside tangents", &forward[..outs], &value, 1e-12)?;
        equal("value beside cotangents", &reverse[..outs], &value, 1e-12)?;
        let (tangents, cotangents) = (&forward[outs..], &reverse[outs..]);
        let size = 1.0 + dot(cotangents, cotangents) + dot(&dx, &dx);
        let [have, want] = [dot(cotangents, &dx), dot(tangents, &x[n..])].map(|d| scalar(d / size));
        equal("inner product", &have, &want, 1e-10)?;
        let (want, error) = central_difference(&g, &x[..n], &dx);
        if error > 1e-4 {
            return Err(Wrong::Wild);
        }
        equal("differences", tangents, &want, 1e-6 + error / 10.0)
    });
}

#[test]
fn second_derivatives_agree_with_differences() {
    on_programs(6, smooth, |case, rng| {
        let (n, x) = and_cotangents(case, rng);
        let f = program(case, Style::Raxla);
        let dx = directions(rng, &avals(&x));
        let m = x.len();
        let reverse = |x: &[Tensor]| with_cotangents(&x[..n], &x[n..], f);
        let g = graph(&x, reverse)?;
        let (want, error) = central_difference(&g, &x, &dx);
        if error > 1e-4 {
            return Err(Wrong::Wild);
        }
        let over = run(&[&x[..], &dx].concat(), |x| with_tangents(&x[..m], &x[m..], reverse))?;
        let tangents = &over[g.outs.len()..];
        tame(tangents, 1e4)?;
        equal("forward over reverse", tangents, &want, 1e-5 + error / 10.0)?;
        let ct = directions(rng, &g.out_avals());
        let twice = run(&[&x[..], &ct].concat(), |x| with_cotangents(&x[..m], &x[m..], reverse))?;
        let cotangents = &twice[g.outs.len()..];
        let size = 1.0 + dot(tangents, tangents) + dot(cotangents, cotangents);
        let [have, want] = [dot(cotangents, &dx), dot(tangents, &ct)].map(|d| scalar(d / size));
        equal("reverse over reverse", &have, &want, 1e-10)
    });
}

#[test]
fn linear_parts_and_jacobians_agree() {
    on_programs(12, smooth, |case, rng| {
        let x = inputs(case);
        let (n, f) = (x.len(), program(case, Style::Raxla));
        let dx = directions(rng, &case.program.inputs);
        let both = [&x[..], &dx].concat();
        let want = run(&both, |x| with_tangents(&x[..n], &x[n..], f))?;
        tame(&want, 1e4)?;
        let pushed = |x: &[Tensor]| {
            let (y, push) = linearize(|x: Vec<Tensor>| f(&x), x[..n].to_vec());
            [y, push(x[n..].to_vec())].concat()
        };
        equal("linearize", &run(&both, pushed)?, &want, 1e-11)?;
        // all results as one tensor, by the first operand, which is a float
        let flat = |x: &[Tensor]| {
            let floats = f(x).into_iter().filter(|y| y.dtype().is_float());
            raxla::concat(&floats.map(|y| y.reshape([y.size()])).collect::<Vec<_>>(), 0)
        };
        let by_first = |x: &[Tensor]| {
            let f = |first: Tensor| flat(&[&[first], &x[1..]].concat());
            vec![jacfwd(f)(x[0]), jacrev(f)(x[0])]
        };
        let y = run(&x, by_first)?;
        equal("jacobians", &y[..1], &y[1..], 1e-9)
    });
}

#[test]
fn pruned_programs_keep_what_is_wanted() {
    on_programs(12, smooth, |case, rng| {
        let ((n, x), f) = (and_cotangents(case, rng), program(case, Style::Raxla));
        let of_gradients = graph(&x, |x| with_cotangents(&x[..n], &x[n..], f))?;
        let of_values = graph(&x[..n], f)?;
        for (g, x) in [(of_values, x[..n].to_vec()), (of_gradients, x)] {
            let keep: Vec<bool> = g.outs.iter().map(|_| rng.percent(50)).collect();
            let pruned = dce(&g, &keep).graph;
            pruned.verify().map_err(|why| format!("{why}\n{pruned}"))?;
            let wanted = g.eval(&x).into_iter().zip(&keep).filter(|(_, k)| **k).map(|(h, _)| h).collect::<Vec<_>>();
            equal("pruned", &pruned.eval(&x), &wanted, 0.0)?;
        }
        Ok(())
    });
}

#[test]
fn optimized_programs_are_the_same_to_the_bit() {
    on_programs(6, mixed, |case, _| unchanged(&inputs(case), &graph(&inputs(case), program(case, Style::Raxla))?));
}

#[test]
fn optimized_derivatives_are_the_same_to_the_bit() {
    on_programs(6, smooth, |case, rng| {
        let (n, x) = and_cotangents(case, rng);
        unchanged(&x, &graph(&x, |x| with_cotangents(&x[..n], &x[n..], program(case, Style::Raxla)))?)
    });
}
fn unchanged(x: &[Host], g: &raxla::Graph) -> Checked {
    let want = g.eval(x);
    let bits = |h: &Host| -> Vec<i128> {
        let float = |v: f64| if v.is_nan() { -1 } else { v.to_bits() as i128 };
        if h.dtype().is_float() { h.to_f64().into_iter().map(float).collect() } else { h.to_ints() }
    };
    for (pass, less) in [("fold", fold(g)), ("cse", cse(g)), ("optimize", optimize(g).0)] {
        less.verify().map_err(|why| format!("{pass}: {why}\n{less}"))?;
        let have = less.eval(x);
        equal(pass, &have, &want, 0.0)?;
        if have.iter().zip(&want).any(|(a, b)| bits(a) != bits(b)) {
            return Err(Wrong::Failed(format!("{pass}: the bits differ: {have:?} against {want:?}\n{less}")));
        }
    }
    Ok(())
}

/// The names of all primitives in a graph and in those inside it.
fn names(g: &raxla::Graph, all: &mut BTreeSet<&'static str>) {
    for e in &g.eqns {
        all.insert(e.prim.name());
        e.prim.graphs().iter().for_each(|g| names(g, all));
    }
}

#[test]
fn programs_use_all_primitives() {
    // those that random operands say nothing about, that need a kernel, or that only a policy of `remat` makes
    const OTHERS: &[&str] = &[
        "bitcast_convert",
        "custom_call",
        "constant",
        "rng_bit_generator",
        "threefry2x32",
        "device_put",
        "packed_products",
        "attend_cached",
        // (derivatives of others, which have none by some operands)
        "igamma_grad_a",
        "random_gamma_grad",
        "reduce_window_argmax",
        "reduce_window_argmin",
        // (matrices of random programs need not be well conditioned; tests/linalg.rs has programs of their own)
        "custom_linear_solve",
        "cholesky",
        "triangular_solve",
        "schur",
        "lu",
        "qr",
        "eigh",
        "eig",
        "svd",
        // (numbers of random programs are real; tests/complex.rs and tests/fft.rs have programs of their own)
        "complex",
        "real",
        "imag",
        "conj",
        "fft",
    ];
    const EXCHANGED: &[(&str, &str)] = &[
        ("psum", "collective: Sum"),
        ("pmax", "collective: Max"),
        ("pmin", "collective: Min"),
        ("all_gather", "collective: Gather"),
        ("psum_scatter", "collective: Scatter"),
        ("ppermute", "collective: Permute"),
        ("all_to_all", "collective: Exchange"),
        ("axis_index", "collective: Index"),
    ];
    let mut seen = BTreeSet::new();
    let alone = (0..1500).map(|seed| Case { program: mixed(seed), seed });
    let over_devices = (0..200).map(|seed| Case { program: over_devices::mapped(seed), seed });
    for case in alone.chain(over_devices) {
        let graph = trace_graph(&case.program.inputs, program(&case, Style::Raxla)).expect("well-typed");
        names(&graph, &mut seen);
        let text = case.program.to_string();
        seen.extend(EXCHANGED.iter().filter(|(_, written)| text.contains(written)).map(|(name, _)| name));
    }
    let table = TABLE.iter().copied().flatten().map(|row| row.name).filter(|name| !OTHERS.contains(name));
    let missing: Vec<&str> = table.filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "no program uses {missing:?}");
}
