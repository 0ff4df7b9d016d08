//! Every primitive of the table, in every dtype it claims: the reference interpreter equals XLA.
use crate::kernels;
use raxla::{
    Graph,
    prelude::*,
    prim::{Case, Row, TABLE},
    trace::trace_graph,
};

/// Relative error allowed between XLA's approximations and the interpreter, which rounds exact results.
fn tolerance(d: DType) -> f64 {
    match d.real() {
        DType::F64 => 1e-11,
        DType::F32 => 3e-6,
        DType::F16 => 2e-3,
        DType::BF16 => 1.6e-2,
        DType::F8E3M4 => 0.065,
        DType::F8E5M2 | DType::F8E5M2FNUZ => 0.26,
        d if d.is_float() => 0.13,
        _ => 0.0,
    }
}

fn compare(what: &str, have: &Host, want: &Host) -> Result<(), String> {
    if have.aval() != want.aval() {
        return Err(format!("{what}: XLA gives {}, eval {}", have.aval(), want.aval()));
    }
    if !have.dtype().is_inexact() {
        return if have.to_ints() == want.to_ints() {
            Ok(())
        } else {
            Err(format!("{what}: XLA {have:?}, eval {want:?}"))
        };
    }
    let tol = tolerance(have.dtype());
    for (i, (a, b)) in have.to_complex().into_iter().zip(want.to_complex()).enumerate() {
        let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).norm() <= tol * (1.0 + b.norm());
        if !close {
            return Err(format!("{what}: element {i}: XLA {a}, eval {b}"));
        }
    }
    Ok(())
}

/// Collectives: batching over their axis turns them into other operations (tests/collectives.rs looks at the results).
const GONE: [&str; 8] = ["psum", "pmax", "pmin", "axis_index", "all_gather", "psum_scatter", "ppermute", "all_to_all"];

/// Does the program, or one inside it, have this operation?
fn uses(graph: &Graph, name: &str) -> bool {
    graph.eqns.iter().any(|e| e.prim.name() == name || e.prim.graphs().iter().any(|g| uses(g, name)))
}

/// All cases of one row in these dtypes, as one program.
fn check(row: &Row, dtypes: &[DType]) -> Result<(), String> {
    compare_all(row, dtypes, |d| labelled(row, d))
}
fn compare_all(row: &Row, dtypes: &[DType], cases: impl Fn(DType) -> Vec<Case>) -> Result<(), String> {
    let cases: Vec<Case> = dtypes.iter().flat_map(|d| cases(*d)).collect();
    let inputs: Vec<Host> = cases.iter().flat_map(|c| c.inputs.iter().cloned()).collect();
    let program = |x: &[Tensor]| {
        let mut x = x.iter().copied();
        cases.iter().map(|c| (c.f)(&x.by_ref().take(c.inputs.len()).collect::<Vec<_>>())).collect::<Vec<Vec<Tensor>>>()
    };
    let avals: Vec<Aval> = inputs.iter().map(|h| h.aval().clone()).collect();
    let mut labels = vec![];
    let graph = trace_graph(&avals, |x| {
        let outs = program(x);
        labels = outs.iter().zip(&cases).flat_map(|(o, c)| vec![c.label.clone(); o.len()]).collect();
        outs.concat()
    })
    .map_err(|e| e.to_string())?;
    graph.verify()?;
    if !GONE.contains(&row.name) && !uses(&graph, row.name) {
        return Err(format!("the cases never use the primitive:\n{graph}"));
    }
    let want = graph.eval(&inputs);
    let arrays = inputs.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
    let f = jit(|x: Vec<Tensor>| program(&x).concat());
    let have = f.call((arrays,)).map_err(|e| format!("{e}\n{graph}"))?;
    for ((label, have), want) in labels.iter().zip(&have).zip(&want) {
        compare(label, &have.to_host().map_err(|e| e.to_string())?, want)?;
    }
    Ok(())
}

fn labelled(row: &Row, d: DType) -> Vec<Case> {
    (row.cases)(d).into_iter().map(|c| Case { label: format!("{d}, {}", c.label), ..c }).collect()
}

#[test]
fn the_interpreter_equals_xla() {
    let only = std::env::var("ROW").unwrap_or_default();
    raxla::debug::set_sink(Some(Box::new(|_| {})));
    kernels::register();
    let mut failures = vec![];
    for row in TABLE.iter().copied().flatten().filter(|r| only.is_empty() || r.name == only) {
        let dtypes: Vec<DType> = DType::ALL.into_iter().filter(|d| (row.dtypes)(*d)).collect();
        if check(row, &dtypes).is_ok() {
            continue;
        }
        // one by one, to name every dtype that fails
        for d in dtypes {
            if let Err(why) = check(row, &[d]) {
                failures.push(format!("{} of {d}: {why}", row.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// A case with NaN, infinities and both zeros among its floats.
fn with_special_values(case: Case) -> Case {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0];
    let inputs = case.inputs.iter().enumerate().map(|(operand, h)| {
        if !h.dtype().is_float() {
            return h.clone();
        }
        let value = |(i, v): (usize, f64)| if i % 3 == operand % 3 { special[i / 3 % special.len()] } else { v };
        Host::floats(h.dtype(), h.dims(), h.to_f64().into_iter().enumerate().map(value).collect())
    });
    Case { inputs: inputs.collect(), label: format!("special values, {}", case.label), ..case }
}

#[test]
fn special_values_mean_the_same_to_xla() {
    let only = std::env::var("ROW").unwrap_or_default();
    raxla::debug::set_sink(Some(Box::new(|_| {})));
    kernels::register();
    let mut failures = vec![];
    // checks fail at them, as they should; whether a convolution multiplies infinities with the zeros around its input
    // depends on the dtype, and which sums of a transform have an infinity in them on the factors of its length; at poles XLA's
    // series of these functions are others
    let others = ["convolution", "fft", "polygamma", "zeta"];
    let left_out = |name: &str| name.starts_with("debug_") || others.contains(&name);
    let rows = TABLE.iter().copied().flatten().filter(|r| !left_out(r.name));
    for row in rows.filter(|r| only.is_empty() || r.name == only) {
        let special = |d| labelled(row, d).into_iter().map(with_special_values).collect();
        let dtypes = [DType::F64, DType::F32, DType::BF16].into_iter().filter(|d| (row.dtypes)(*d));
        let dtypes: Vec<DType> = dtypes.collect();
        if dtypes.is_empty() || compare_all(row, &dtypes, special).is_ok() {
            continue;
        }
        for d in dtypes {
            if let Err(why) = compare_all(row, &[d], special) {
                failures.push(format!("{} of {d}: {why}", row.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
