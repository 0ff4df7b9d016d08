//! The rules of every primitive of the table: derivatives equal central differences (first and second order, forward and
//! reverse mode), and batching equals a loop.
use raxla::{
    prelude::*,
    prim::{Case, Row, TABLE, literal},
    testing::{check_grads, check_vmap},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Run a check on each case of each row (of the one that the environment variable ROW names), in these dtypes.
fn on_every_case(dtypes: &[DType], check: fn(&Case) -> Result<(), String>) {
    let only = std::env::var("ROW").unwrap_or_default();
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
