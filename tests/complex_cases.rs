//! Cases of functions, whose values and derivatives JAX computed: what tests/complex.rs and tests/fft.rs share. The format of the fixtures is
//! in tests/fixtures/README.md.
use raxla::{jvp, prelude::*, vjp, vmap};
use serde_json::Value;

/// A function of tensors.
pub type Function = fn(&[Tensor]) -> Vec<Tensor>;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture")).expect("JSON")
}
/// The arrays of a part of a case; floats and complex numbers as narrow as asked for.
fn arrays(case: &Value, part: &str, narrow: bool) -> Vec<Host> {
    let numbers = |v: &Value| v.as_array().expect("a list").iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect();
    let host = |v: &Value| {
        let dims: Vec<f64> = numbers(&v["dims"]);
        let dims: Vec<usize> = dims.into_iter().map(|d| d as usize).collect();
        let dtype = match v["dtype"].as_str().expect("a name") {
            "f64" if narrow => DType::F32,
            "c128" if narrow => DType::C64,
            name => name.parse().expect("a dtype"),
        };
        Host::from_parts(dtype, dims, numbers(&v["data"]))
    };
    case[part].as_array().map_or(vec![], |all| all.iter().map(host).collect())
}
/// Equal within a tolerance times the largest number (and 1).
fn near(what: &str, have: &Host, want: &Host, tolerance: f64) -> Result<(), String> {
    if have.aval() != want.aval() {
        return Err(format!("{what} is {}, JAX has {}", have.aval(), want.aval()));
    }
    let (a, b) = (have.to_parts(), want.to_parts());
    let most = b.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    let off = a.iter().zip(&b).position(|(a, b)| !((a - b).abs() <= tolerance * most || (a.is_nan() && b.is_nan())));
    off.map_or(Ok(()), |i| Err(format!("{what}: number {i} is {}, JAX has {}", a[i], b[i])))
}
/// Results, their tangents, the cotangents of the inputs, and the results of a batch.
fn program(f: Function, n: usize, results: usize, x: &[Tensor]) -> Vec<Tensor> {
    let (inputs, rest) = x.split_at(n);
    let whole = |x: Vec<Tensor>| f(&x);
    if rest.is_empty() {
        return whole(inputs.to_vec());
    }
    let (tangents, rest) = rest.split_at(n);
    let (cotangents, batch) = rest.split_at(results);
    let (y, dy) = jvp(whole, inputs.to_vec(), tangents.to_vec());
    let (_, pull) = vjp(whole, inputs.to_vec());
    [y, dy, pull(cotangents.to_vec()), vmap(whole)(batch.to_vec())].concat()
}
fn compare(name: &str, f: Function, case: &Value, narrow: bool) -> Result<(), String> {
    let part = |name: &str| arrays(case, name, narrow);
    let (inputs, results) = (part("inputs"), part("results"));
    let all = [inputs.clone(), part("tangents"), part("cotangents"), part("batch")].concat();
    let run = || -> raxla::Result<Vec<Host>> {
        let arrays = all.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>()?;
        let y = jit(|x: Vec<Tensor>| program(f, inputs.len(), results.len(), &x)).call((arrays,))?;
        y.iter().map(Array::to_host).collect()
    };
    let have = run().map_err(|e| format!("{name}: {e}"))?;
    let want = [results, part("result_tangents"), part("gradients"), part("batch_results")].concat();
    if have.len() != want.len() {
        return Err(format!("{name}: {} results, JAX has {}", have.len(), want.len()));
    }
    let tolerance = if narrow { 2e-6 } else { 1e-12 };
    let mut pairs = have.iter().zip(&want).enumerate();
    pairs.try_for_each(|(i, (a, b))| near(&format!("{name}, result {i}"), a, b, tolerance))
}

/// Every case of the fixture is among these functions, and they give what JAX gives, in 64 and in 32 bits.
pub fn compare_all(name: &str, cases: &[(&str, Function)]) {
    let fixture = fixture(name);
    let missing = fixture.as_object().expect("cases").keys().find(|k| !cases.iter().any(|c| c.0 == k.as_str()));
    assert_eq!(missing, None, "a case of the fixture that is not run");
    let only = std::env::var("CASE").unwrap_or_default();
    let cases = cases.iter().filter(|c| only.is_empty() || c.0 == only);
    let failures: Vec<String> = cases
        .flat_map(|(name, f)| [false, true].map(|narrow| compare(name, *f, &fixture[*name], narrow)))
        .filter_map(Result::err)
        .collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
