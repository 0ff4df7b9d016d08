//! The rules of every primitive of the table: derivatives equal central differences (first and second order, forward and
//! reverse mode), batching equals a loop, and what the rules emit means the same to XLA as to the interpreter.
use raxla::{
    Axis, PerLeaf,
    prelude::*,
    prim::{Case, Row, TABLE, literal},
    testing::{check_grads, check_vmap, close},
    trace::trace_graph,
    vjp, vmap_axes,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Run a check on each case of each row (of the one that the environment variable ROW names), in these dtypes.
fn on_every_case(dtypes: &[DType], check: fn(&Case) -> Result<(), String>) {
    let only = std::env::var("ROW").unwrap_or_default();
    raxla::debug::set_sink(Some(Box::new(|_| {})));
    let mut failures = vec![];
    let rows: Vec<&Row> = TABLE.iter().copied().flatten().filter(|r| only.is_empty() || r.name == only).collect();
    for (row, dtype) in rows.iter().flat_map(|r| dtypes.iter().map(move |d| (r, *d))).filter(|(r, d)| (r.dtypes)(*d)) {
        for case in (row.cases)(dtype) {
            let result = catch_unwind(AssertUnwindSafe(|| check(&case)));
            if let Err(why) = result.unwrap_or_else(|_| Err("panicked".into())) {
                failures.push(format!("{} of {dtype}, {}: {why}", row.name, case.label));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// The case as a function of the operands it is differentiable in.
fn derivatives(case: &Case) -> Result<(), String> {
    if case.wrt.is_empty() {
        return Ok(());
    }
    let f = |t: &[Tensor]| {
        let mut t = t.iter();
        let operand = |(i, h): (usize, &Host)| match case.wrt.contains(&i) {
            true => *t.next().expect("one per differentiable operand"),
            false => literal(h.clone()),
        };
        (case.f)(&case.inputs.iter().enumerate().map(operand).collect::<Vec<_>>())
    };
    check_grads(f, &case.wrt.iter().map(|i| case.inputs[*i].clone()).collect::<Vec<_>>(), 2)
}

#[test]
fn derivatives_equal_central_differences() {
    on_every_case(&[DType::F64], derivatives);
}

#[test]
fn batching_equals_a_loop() {
    on_every_case(&[DType::F64, DType::I32, DType::Bool], |case| {
        if case.inputs.is_empty() { Ok(()) } else { check_vmap(&case.f, &case.inputs) }
    });
}

/// Cotangents of the operands of a case over a batch of two, where the first operand is mapped, that of the result being
/// the result itself.
fn batched_pullback(case: &Case, x: &[Tensor]) -> Vec<Tensor> {
    let pull = |x: Vec<Tensor>| {
        let mut x = x.into_iter();
        let operand = |(i, h): (usize, &Host)| if case.wrt.contains(&i) { x.next() } else { Some(literal(h.clone())) };
        let fixed: Vec<Option<Tensor>> = case.inputs.iter().enumerate().map(operand).collect();
        let wrt: Vec<Tensor> = case.wrt.iter().map(|i| fixed[*i].expect("one per operand")).collect();
        let f = |wrt: Vec<Tensor>| {
            let mut all: Vec<Tensor> = fixed.iter().flatten().copied().collect();
            case.wrt.iter().zip(wrt).for_each(|(i, t)| all[*i] = t);
            (case.f)(&all)
        };
        let (y, pull) = vjp(f, wrt);
        pull(y)
    };
    let axes = (0..x.len()).map(|i| if i == 0 { Axis::At(0) } else { Axis::Shared }).collect();
    vmap_axes(pull, PerLeaf(axes), Axis::At(0))(x.to_vec())
}

#[test]
fn derivatives_of_batches_equal_xla() {
    on_every_case(&[DType::F32], |case| {
        if case.wrt.is_empty() {
            return Ok(());
        }
        let mut x: Vec<Host> = case.wrt.iter().map(|i| case.inputs[*i].clone()).collect();
        x[0] = Host::stack(x[0].aval(), &[x[0].clone(), x[0].clone()]);
        let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
        let want = trace_graph(&avals, |t| batched_pullback(case, t)).map_err(|e| e.to_string())?.eval(&x);
        let arrays = x.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
        let f = jit(|x: Vec<Tensor>| batched_pullback(case, &x));
        let have = f.call((arrays,)).map_err(|e| e.to_string())?;
        have.iter()
            .zip(&want)
            .try_for_each(|(have, want)| close(&have.to_host().map_err(|e| e.to_string())?, want, 1e-4))
    });
}
