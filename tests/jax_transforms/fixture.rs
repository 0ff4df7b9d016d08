//! Tensors in fixtures, and their comparison with results.
use raxla::{DType, Host, host::float_from_bits};
use serde_json::Value;
use std::{collections::BTreeMap, panic, sync::Mutex, thread};

/// Every case of these groups, by its name.
pub fn named<C>(groups: &[&'static [C]], name: fn(&C) -> &'static str) -> Vec<(&'static str, &'static C)> {
    groups.iter().flat_map(|g| g.iter()).map(|c| (name(c), c)).collect()
}

/// Run every case, or those with `RAXLA_CASE` in their names, and compare with what the fixture has of it; a case that panics
/// fails like others.
pub fn compare<C: Sync + panic::RefUnwindSafe, E: Sync + panic::RefUnwindSafe>(
    cases: &[(&'static str, &'static C)],
    fixture: &BTreeMap<String, E>,
    outputs: fn(&E) -> &[Host],
    run: fn(&C, &E) -> Result<Vec<Host>, String>,
) {
    let wanted = std::env::var("RAXLA_CASE").unwrap_or_default();
    let cases = cases.iter().filter(|(name, _)| name.contains(&wanted));
    let (cases, failures) = (Mutex::new(cases), Mutex::new(vec![]));
    let work = || {
        while let Some((name, case)) = { cases.lock().unwrap().next() } {
            let expected = &fixture[*name];
            let result = panic::catch_unwind(|| run(case, expected)).unwrap_or_else(|_| Err("it panics".into()));
            if let Err(why) = result.and_then(|have| check(&have, outputs(expected))) {
                failures.lock().unwrap().push(format!("{name}: {why}"));
            }
        }
    };
    thread::scope(|s| (0..2).for_each(|_| drop(s.spawn(work))));
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Cases and fixture have the same names, each once.
pub fn assert_same_names<C, E>(cases: &[(&'static str, &'static C)], fixture: &BTreeMap<String, E>) {
    let mut here: Vec<&str> = cases.iter().map(|c| c.0).collect();
    here.sort_unstable();
    assert!(here.windows(2).all(|w| w[0] != w[1]), "two cases have one name");
    let missing: Vec<&String> = fixture.keys().filter(|name| !here.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "not written in Rust: {missing:?}");
    assert_eq!(here.len(), fixture.len(), "cases that the fixture lacks");
}

/// A tensor of a fixture.
pub fn host(t: &Value) -> Host {
    let d = DType::ALL.into_iter().find(|d| d.name() == t["dtype"].as_str().unwrap()).unwrap();
    let dims: Vec<usize> = t["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let values = t["values"].as_array().unwrap();
    if d.is_float() {
        return Host::floats(d, dims, values.iter().map(|v| float_from_bits(d, v.as_u64().unwrap())).collect());
    }
    let int = |v: &Value| v.as_u64().map(i128::from).or(v.as_i64().map(i128::from)).unwrap();
    Host::ints(d, dims, values.iter().map(int).collect())
}

/// Floats within a part of the largest magnitude of the whole result, everything else exactly.
fn check(have: &[Host], want: &[Host]) -> Result<(), String> {
    if have.len() != want.len() {
        return Err(format!("{} results instead of {}", have.len(), want.len()));
    }
    let mut wrong = vec![];
    for (i, (have, want)) in have.iter().zip(want).enumerate() {
        if have.aval() != want.aval() {
            wrong.push(format!("result {i}: {} instead of {}", have.aval(), want.aval()));
        } else if !near(have, want) {
            wrong.push(format!("result {i}: {:?}\n        instead of {:?}", shown(have), shown(want)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n    ")) }
}

fn near(have: &Host, want: &Host) -> bool {
    if !have.dtype().is_float() {
        return have == want;
    }
    let (a, b) = (have.to_f64(), want.to_f64());
    let largest = b.iter().filter(|x| x.is_finite()).fold(0.0, |m: f64, x| m.max(x.abs()));
    let tolerance = match have.dtype() {
        DType::F64 => 1e-12,
        DType::F32 => 2e-6,
        DType::BF16 => 1e-2,
        d => panic!("no result is {}", d.name()),
    };
    let equal = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * largest;
    a.iter().zip(&b).all(equal)
}

fn shown(h: &Host) -> String {
    if h.dtype().is_float() {
        format!("{} {:?}", h.aval(), h.to_f64())
    } else {
        format!("{} {:?}", h.aval(), h.to_ints())
    }
}
