//! The rules of every primitive of the table: derivatives equal central differences (first and second order, forward and
//! reverse mode) and each other, batching equals a loop, and what the rules emit means the same to XLA as to the
//! interpreter.
use crate::kernels;
use raxla::{
    Axis, Complex64, Graph, PerLeaf,
    graph::Eqn,
    jvp, linearize,
    prelude::*,
    prim::{Case, Row, TABLE, literal, sample_in},
    testing::{check_adjoint, check_grads, check_vmap, close},
    trace::trace_graph,
    transform::{cse::cse, fold::fold, optimize},
    vjp, vmap_axes,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Run a check on each case of each row (of the one that the environment variable ROW names), in these dtypes.
fn on_every_case(dtypes: &[DType], check: fn(&Case) -> Result<(), String>) {
    on_every_case_as(dtypes, |case| case, check);
}
fn on_every_case_as(dtypes: &[DType], prepared: fn(Case) -> Case, check: fn(&Case) -> Result<(), String>) {
    let only = std::env::var("ROW").unwrap_or_default();
    raxla::debug::set_sink(Some(Box::new(|_| {})));
    let mut failures = vec![];
    let rows: Vec<&Row> = TABLE.iter().copied().flatten().filter(|r| only.is_empty() || r.name == only).collect();
    for (row, dtype) in rows.iter().flat_map(|r| dtypes.iter().map(move |d| (r, *d))).filter(|(r, d)| (r.dtypes)(*d)) {
        for case in (row.cases)(dtype).into_iter().map(prepared) {
            let result = catch_unwind(AssertUnwindSafe(|| check(&case)));
            if let Err(why) = result.unwrap_or_else(|_| Err("panicked".into())) {
                failures.push(format!("{} of {dtype}, {}: {why}", row.name, case.label));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// As [`on_every_case`], of each case as one of floats: complex operands and results are their two parts. So the derivatives of
/// functions of complex numbers are compared as those of the real functions that they are.
fn on_parts_of_every_case(dtypes: &[DType], check: fn(&Case) -> Result<(), String>) {
    on_every_case_as(dtypes, in_parts, check);
}
fn in_parts(case: Case) -> Case {
    let complex: Vec<bool> = case.inputs.iter().map(|h| h.dtype().is_complex()).collect();
    let (mut inputs, mut wrt) = (vec![], vec![]);
    for (i, h) in case.inputs.iter().enumerate() {
        let first = inputs.len();
        let part = |part: fn(&Complex64) -> f64| {
            Host::floats(h.dtype().real(), h.dims(), h.to_complex().iter().map(part).collect())
        };
        match complex[i] {
            true => inputs.extend([part(|z| z.re), part(|z| z.im)]),
            false => inputs.push(h.clone()),
        }
        wrt.extend((first..inputs.len()).filter(|_| case.wrt.contains(&i)));
    }
    let f = move |x: &[Tensor]| {
        let mut x = x.iter().copied();
        let mut next = || x.next().expect("one per operand, or two");
        let operands: Vec<Tensor> =
            complex.iter().map(|c| if *c { raxla::complex(next(), next()) } else { next() }).collect();
        let parts = |y: Tensor| if y.dtype().is_complex() { vec![y.real(), y.imag()] } else { vec![y] };
        (case.f)(&operands).into_iter().flat_map(parts).collect()
    };
    Case { label: case.label, inputs, wrt, f: Box::new(f) }
}

/// The case as a function of the operands `of`, at which the others have their values.
fn function<'a>(case: &'a Case, of: &'a [usize]) -> impl Fn(&[Tensor]) -> Vec<Tensor> + 'a {
    move |t: &[Tensor]| {
        let mut t = t.iter();
        let operand = |(i, h): (usize, &Host)| match of.contains(&i) {
            true => *t.next().expect("one per operand"),
            false => literal(h.clone()),
        };
        (case.f)(&case.inputs.iter().enumerate().map(operand).collect::<Vec<_>>())
    }
}
fn operands(case: &Case, of: &[usize]) -> Vec<Host> {
    of.iter().map(|i| case.inputs[*i].clone()).collect()
}
/// The operands that the case is differentiable in, and those that have no derivatives.
fn arguments(case: &Case) -> Vec<usize> {
    (0..case.inputs.len()).filter(|i| case.wrt.contains(i) || !case.inputs[*i].dtype().is_inexact()).collect()
}
fn avals(x: &[Host]) -> Vec<Aval> {
    x.iter().map(|h| h.aval().clone()).collect()
}
fn traced(x: &[Host], f: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> Result<Graph, String> {
    trace_graph(&avals(x), f).map_err(|e| e.to_string())
}

#[test]
fn derivatives_equal_central_differences() {
    on_parts_of_every_case(&[DType::F64, DType::C128], |case| {
        if case.wrt.is_empty() {
            return Ok(());
        }
        check_grads(function(case, &case.wrt), &operands(case, &case.wrt), 2)
    });
}

#[test]
fn forward_and_reverse_mode_agree() {
    on_parts_of_every_case(&[DType::F64, DType::C128], |case| {
        let of = arguments(case);
        let in_f64 = |x: &[Tensor]| {
            let y = function(case, &of)(x).into_iter();
            y.filter(|y| !y.dtype().is_float() || y.dtype() == DType::F64).collect()
        };
        if case.wrt.is_empty() { Ok(()) } else { check_adjoint(in_f64, &operands(case, &of)) }
    });
}

#[test]
fn batching_equals_a_loop() {
    on_every_case(
        &[DType::F64, DType::BF16, DType::F8E5M2, DType::I32, DType::U8, DType::I4, DType::Bool, DType::C128],
        |case| {
            if case.inputs.is_empty() { Ok(()) } else { check_vmap(&case.f, &case.inputs) }
        },
    );
}

/// What the case does to tangents, which stand behind the operands: without going back, and with operations that only exist
/// there.
fn linear_part(case: &Case, of: &[usize], t: &[Tensor]) -> Vec<Tensor> {
    let (x, dx) = t.split_at(of.len());
    linearize(|x: Vec<Tensor>| function(case, of)(&x), x.to_vec()).1(dx.to_vec())
}
/// Operands and tangents.
fn with_tangents(case: &Case, of: &[usize]) -> Vec<Host> {
    let x = operands(case, of);
    let tangent = |(i, h): (usize, &Host)| sample_in(h.dtype(), h.dims(), 700 + i as u64, -1.0, 1.0);
    let dx: Vec<Host> = x.iter().enumerate().map(tangent).collect();
    [x, dx].concat()
}

#[test]
fn linear_parts_equal_forward_mode() {
    on_parts_of_every_case(&[DType::F64, DType::C128], |case| {
        if case.wrt.is_empty() {
            return Ok(());
        }
        let (of, x) = (arguments(case), with_tangents(case, &arguments(case)));
        let have = traced(&x, |t| linear_part(case, &of, t))?.eval(&x);
        let pushed = |t: &[Tensor]| {
            let (x, dx) = t.split_at(of.len());
            jvp(|x: Vec<Tensor>| function(case, &of)(&x), x.to_vec(), dx.to_vec()).1
        };
        let want = traced(&x, pushed)?.eval(&x);
        have.iter().zip(&want).try_for_each(|(a, b)| close(a, b, 1e-12))?;
        // batches and derivatives of what only exists there
        if x.len() <= 4 {
            check_vmap(|t| linear_part(case, &of, t), &x)?;
        }
        let of = &case.wrt;
        let in_f64 = |t: &[Tensor]| {
            let d = linear_part(case, of, t).into_iter();
            d.filter(|d| d.dtype() == DType::F64).collect()
        };
        check_grads(in_f64, &with_tangents(case, of), 1)
    });
}

/// Cotangents of the operands of a case over a batch in which some are mapped, that of the result being the result itself.
fn batched_pullback(case: &Case, mapped: &[bool], x: &[Tensor]) -> Vec<Tensor> {
    let pull = |x: Vec<Tensor>| {
        let (y, pull) = vjp(|x: Vec<Tensor>| function(case, &case.wrt)(&x), x);
        pull(y)
    };
    let axes = mapped.iter().map(|m| if *m { Axis::At(0) } else { Axis::Shared }).collect();
    vmap_axes(pull, PerLeaf(axes), Axis::At(0))(x.to_vec())
}
fn stacked(x: &[Host], mapped: &[bool], n: usize) -> Vec<Host> {
    let one = |(h, m): (&Host, &bool)| if *m { Host::stack(h.aval(), &vec![h.clone(); n]) } else { h.clone() };
    x.iter().zip(mapped).map(one).collect()
}

#[test]
fn derivatives_of_batches_equal_xla() {
    kernels::register();
    on_every_case(&[DType::F32, DType::C64], |case| {
        if case.wrt.is_empty() {
            return Ok(());
        }
        // one program: the first operand mapped, all mapped, no instances, and the linear part
        let n = case.wrt.len();
        let first: Vec<bool> = (0..n).map(|i| i == 0).collect();
        let x = operands(case, &case.wrt);
        let parts = [(first, 2), (vec![true; n], 3), (vec![true; n], 0)];
        let batches: Vec<Vec<Host>> = parts.iter().map(|(mapped, n)| stacked(&x, mapped, *n)).collect();
        let all = [batches.concat(), with_tangents(case, &case.wrt)].concat();
        let program = |case: &Case, t: &[Tensor]| {
            let batches = parts.iter().zip(t.chunks(n)).flat_map(|((m, _), t)| batched_pullback(case, m, t));
            batches.chain(linear_part(case, &case.wrt, &t[parts.len() * n..])).collect::<Vec<_>>()
        };
        let want = traced(&all, |t| program(case, t))?.eval(&all);
        let arrays = all.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
        let have = jit(|x: Vec<Tensor>| program(case, &x)).call((arrays,)).map_err(|e| e.to_string())?;
        have.iter().zip(&want).enumerate().try_for_each(|(i, (have, want))| {
            let have = have.to_host().map_err(|e| e.to_string())?;
            close(&have, want, 1e-4).map_err(|e| format!("result {i}: {e}"))
        })
    });
}

#[test]
fn batches_equal_xla() {
    kernels::register();
    on_every_case(&[DType::F32, DType::I32, DType::U64, DType::C64], |case| {
        let n = case.inputs.len();
        if n == 0 {
            return Ok(());
        }
        let parts = [(vec![true; n], 2), (vec![true; n], 0)];
        let all = parts.iter().flat_map(|(m, k)| stacked(&case.inputs, m, *k)).collect::<Vec<_>>();
        let program = |t: &[Tensor]| {
            let batch = |t: &[Tensor]| vmap_axes(|x: Vec<Tensor>| (case.f)(&x), Axis::At(0), Axis::At(0))(t.to_vec());
            t.chunks(n).flat_map(batch).collect::<Vec<_>>()
        };
        let want = traced(&all, program)?.eval(&all);
        let arrays = all.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
        let have = jit(|x: Vec<Tensor>| program(&x)).call((arrays,)).map_err(|e| e.to_string())?;
        have.iter().zip(&want).enumerate().try_for_each(|(i, (have, want))| {
            let have = have.to_host().map_err(|e| e.to_string())?;
            close(&have, want, 1e-4).map_err(|e| format!("result {i}: {e}"))
        })
    });
}

/// Equal to the bit; NaN equals NaN.
fn same_bits(have: &Host, want: &Host) -> Result<(), String> {
    if have.aval() != want.aval() {
        return Err(format!("the types differ: {} against {}", have.aval(), want.aval()));
    }
    let float = have.dtype().is_inexact();
    let bits = |h: &Host| match float {
        true => h.to_parts().iter().map(|v| if v.is_nan() { -1 } else { v.to_bits() as i128 }).collect(),
        false => h.to_ints(),
    };
    if bits(have) == bits(want) { Ok(()) } else { Err(format!("{have:?} against {want:?}")) }
}
fn optimized_is_the_same(x: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Result<(), String> {
    let g = traced(x, f)?;
    let want = g.eval(x);
    for (pass, less) in [("fold", fold(&g)), ("cse", cse(&g)), ("optimize", optimize(&g).0)] {
        less.verify().map_err(|why| format!("{pass}: {why}"))?;
        let have = less.eval(x);
        have.iter()
            .zip(&want)
            .try_for_each(|(a, b)| same_bits(a, b))
            .map_err(|e| format!("{pass}: {e}\n{g}\n{less}"))?;
    }
    Ok(())
}

#[test]
fn what_is_known_and_what_is_repeated_is_the_same_to_the_bit() {
    on_every_case(&[DType::F64, DType::F32, DType::BF16, DType::I32, DType::U8, DType::Bool, DType::C64], |case| {
        let n = case.inputs.len();
        // (a loop that ends for some operands may not for others, and checks fail)
        let delicate = |e: &Eqn| e.prim.name() == "while" || e.prim.has_effect();
        let fixed = traced(&case.inputs, &case.f)?.eqns.iter().any(delicate);
        let values = [0.0, 1.0, -1.0, 2.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for (value, subset) in values.iter().flat_map(|v| (1..1usize << n).map(move |s| (*v, s))) {
            let constant = |i: usize| subset >> i & 1 == 1;
            let known = |i: usize| Host::full(case.inputs[i].aval(), value);
            // what is not known has the values that make rules like x · 0 = 0 wrong
            let special = |i: usize| {
                let value = |(e, v): (usize, f64)| if e % 2 == 0 { values[e / 2 % values.len()] } else { v };
                let h = &case.inputs[i];
                let all = h.to_f64().into_iter().enumerate().map(value).collect();
                if h.dtype().is_float() { Host::floats(h.dtype(), h.dims(), all) } else { h.clone() }
            };
            let x: Vec<Host> = (0..n).filter(|i| !constant(*i)).map(special).collect();
            let f = |t: &[Tensor]| {
                let mut t = t.iter();
                let operand = |i| if constant(i) { literal(known(i)) } else { *t.next().expect("one per operand") };
                (case.f)(&(0..n).map(operand).collect::<Vec<_>>())
            };
            if !fixed {
                optimized_is_the_same(&x, f).map_err(|e| format!("operands {subset:b} are {value}: {e}"))?;
            }
        }
        optimized_is_the_same(&case.inputs, &case.f)?;
        let twice = |x: &[Tensor]| [(case.f)(x), (case.f)(x)].concat();
        optimized_is_the_same(&case.inputs, twice)?;
        if case.wrt.is_empty() {
            return Ok(());
        }
        let x = operands(case, &case.wrt);
        optimized_is_the_same(&x, |x| pullback(case, x))
    });
}
fn pullback(case: &Case, x: &[Tensor]) -> Vec<Tensor> {
    let (y, pull) = vjp(|x: Vec<Tensor>| function(case, &case.wrt)(&x), x.to_vec());
    pull(y)
}
