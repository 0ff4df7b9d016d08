//! Functions beside JAX's: values, derivatives in both modes, and batches, of cases that scripts/ made with JAX.
use raxla::{jvp, prelude::*, vjp, vmap};
use serde_json::Value;

/// A function of a case: of inputs to results.
pub type Function = fn(&[Tensor]) -> Vec<Tensor>;
/// Functions by the names of the fixture's cases.
pub type Cases = Vec<(&'static str, Function)>;

/// The cases of tests/fixtures/NAME.json.
pub fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture")).expect("JSON")
}
/// The arrays of a part of a case, of this dtype. A number that is not finite is a text, or `null` for any.
pub fn arrays(case: &Value, part: &str, dtype: DType) -> Vec<Host> {
    let number = |x: &Value| x.as_f64().or(x.as_str().and_then(|s| s.parse().ok())).unwrap_or(f64::NAN);
    let numbers = |v: &Value| v.as_array().expect("a list").iter().map(number).collect::<Vec<f64>>();
    let host = |v: &Value| {
        let dims: Vec<usize> = numbers(&v["dims"]).into_iter().map(|d| d as usize).collect();
        Host::floats(dtype, dims, numbers(&v["data"]))
    };
    case[part].as_array().map_or(vec![], |all| all.iter().map(host).collect())
}
/// Equal within a tolerance times the largest number (and 1).
pub fn near(what: &str, have: &Host, want: &Host, tolerance: f64) -> Result<(), String> {
    let (a, b) = (have.to_f64(), want.to_f64());
    let most = b.iter().filter(|x| x.is_finite()).fold(1.0, |most: f64, x| most.max(x.abs()));
    let same = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= tolerance * most || (a.is_nan() && b.is_nan());
    let off = a.iter().zip(&b).position(|pair| !same(pair));
    match off {
        _ if have.dims() != want.dims() => Err(format!("{what}: {:?} against {:?}", have.dims(), want.dims())),
        Some(i) => Err(format!("{what}: element {i} is {}, JAX has {}", a[i], b[i])),
        None => Ok(()),
    }
}

/// Results, their tangents and the cotangents of the inputs.
fn program(f: Function, n: usize, results: usize, x: &[Tensor]) -> Vec<Tensor> {
    let (inputs, rest) = x.split_at(n);
    let whole = |x: Vec<Tensor>| f(&x);
    if rest.is_empty() {
        return whole(inputs.to_vec());
    }
    let (tangents, cotangents) = rest.split_at(n);
    let (y, dy) = jvp(whole, inputs.to_vec(), tangents.to_vec());
    let (_, pull) = vjp(whole, inputs.to_vec());
    assert_eq!(y.len(), results);
    [y, dy, pull(cotangents.to_vec())].concat()
}
/// What a compiled program makes of these.
pub fn run(inputs: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Result<Vec<Host>, String> {
    let arrays = inputs.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
    let y = jit(|x: Vec<Tensor>| f(&x)).call((arrays,)).map_err(|e| e.to_string())?;
    y.iter().map(|y| y.to_host().map_err(|e| e.to_string())).collect()
}
fn compare(name: &str, f: Function, case: &Value, dtype: DType, tolerance: f64) -> Result<(), String> {
    let part = |name: &str| arrays(case, name, dtype);
    let (inputs, results) = (part("inputs"), part("results"));
    let all = [inputs.clone(), part("tangents"), part("cotangents")].concat();
    let have = run(&all, |x| program(f, inputs.len(), results.len(), x)).map_err(|e| format!("{name}: {e}"))?;
    let want = [results, part("result_tangents"), part("gradients")].concat();
    if have.len() != want.len() {
        return Err(format!("{name}: {} results, JAX has {}", have.len(), want.len()));
    }
    let mut pairs = have.iter().zip(&want).enumerate();
    pairs.try_for_each(|(i, (a, b))| near(&format!("{name} of {dtype}, result {i}"), a, b, tolerance))
}
/// A batch of two of the same gives twice what one gives.
fn batched(name: &str, f: Function, case: &Value, tolerance: f64) -> Result<(), String> {
    let x = arrays(case, "inputs", DType::F64);
    let twice: Vec<Host> = x.iter().map(|h| Host::stack(h.aval(), &[h.clone(), h.clone()])).collect();
    let (one, two) =
        (arrays(case, "results", DType::F64), run(&twice, |x| vmap(move |x: Vec<Tensor>| f(&x))(x.to_vec()))?);
    let pairs = one.iter().zip(&two);
    pairs.into_iter().try_for_each(|(one, two)| {
        (0..2).try_for_each(|i| near(&format!("vmap of {name}"), &two.at(i), one, tolerance))
    })
}

/// Every function beside its case: values and derivatives within these tolerances of f64 and f32, and batches.
#[track_caller]
pub fn all_equal(cases: &Cases, fixture: &Value, tolerances: [f64; 2]) {
    let one = |(name, f): &(&'static str, Function)| -> Vec<String> {
        let case = &fixture[name];
        if case.is_null() {
            return vec![format!("{name} is no case of the fixture")];
        }
        let [wide, narrow] = tolerances;
        let all = [
            compare(name, *f, case, DType::F64, wide),
            compare(name, *f, case, DType::F32, narrow),
            batched(name, *f, case, wide.max(1e-11)),
        ];
        all.into_iter().filter_map(Result::err).collect()
    };
    let failures: Vec<String> = cases.iter().flat_map(one).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
/// No case of the fixture is left out.
#[track_caller]
pub fn none_is_missing(cases: &[Cases], fixture: &Value) {
    let names: Vec<&str> = cases.iter().flatten().map(|c| c.0).collect();
    let missing: Vec<_> = fixture.as_object().expect("cases").keys().filter(|k| !names.contains(&k.as_str())).collect();
    assert!(missing.is_empty(), "cases of the fixture that are not run: {missing:?}");
}
