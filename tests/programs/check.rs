//! Running programs and comparing what they return.
use crate::{
    generate::Rng,
    program::{Case, Programs, Style, build},
};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use raxla::{
    Aval, DType, Graph, Host, Tensor,
    prim::{sample, sample_in},
    testing::close,
    trace::trace_graph,
};

/// Why a case counts as failed, or does not count.
pub enum Wrong {
    Failed(String),
    /// Values too large to compare derivatives.
    Wild,
}
impl From<String> for Wrong {
    fn from(why: String) -> Wrong {
        Wrong::Failed(why)
    }
}
pub type Checked<T = ()> = Result<T, Wrong>;

/// A variable's number.
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number")))
}

/// Check a property on programs, as many in a hundred of all as `share` says.
pub fn on_programs(share: u64, make: fn(u64) -> crate::program::Program, property: fn(&Case, &mut Rng) -> Checked) {
    raxla::debug::set_sink(Some(Box::new(|_| {})));
    crate::devices::client();
    let quick = std::env::var("RAXLA_TEST").is_ok_and(|v| v == "quick");
    let all = variable("RAXLA_PROGRAMS").unwrap_or(if quick { crate::PROGRAMS / 10 } else { crate::PROGRAMS });
    let cases = (all * share).div_ceil(100) as u32;
    let config = Config {
        cases,
        failure_persistence: None,
        max_global_rejects: cases / 3 + 3,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&variable("RAXLA_PROGRAMS_SEED").unwrap_or(0).to_le_bytes());
    // each test its own
    let name = std::thread::current().name().unwrap_or_default().to_string();
    name.bytes().enumerate().for_each(|(i, b)| seed[8 + i % 24] ^= b.rotate_left(i as u32));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let outcome = TestRunner::new_with_rng(config, rng).run(&Programs(make), |case| {
        property(&case, &mut Rng(case.seed ^ 0x5EED)).map_err(|wrong| match wrong {
            Wrong::Failed(why) => TestCaseError::fail(why),
            Wrong::Wild => TestCaseError::reject("wild"),
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\n{case:?}"),
        Err(e) => panic!("{e}"),
    }
}

/// The graph of a function, checked, printed and pruned.
pub fn graph(x: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Checked<Graph> {
    let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
    let g = trace_graph(&avals, f).map_err(|e| e.to_string())?;
    g.verify().map_err(|why| format!("{why}\n{g}"))?;
    if g.to_string().is_empty() {
        return Err(Wrong::Failed("a graph prints nothing".into()));
    }
    Ok(g)
}
/// The results of a function on the interpreter.
pub fn run(x: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Checked<Vec<Host>> {
    evaluated(&graph(x, f)?, x)
}
/// The results of a graph on the interpreter, which traces the rules of some operations.
pub fn evaluated(g: &Graph, x: &[Host]) -> Checked<Vec<Host>> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| g.eval(x))).map_err(|payload| {
        match payload.downcast::<raxla::TraceError>() {
            Ok(e) => Wrong::Failed(format!("on the interpreter: {e}")),
            Err(other) => std::panic::resume_unwind(other),
        }
    })
}
/// The program, made of raxla's loops and transformations.
pub fn program<'a>(case: &'a Case, style: Style) -> impl Fn(&[Tensor]) -> Vec<Tensor> + Copy + 'a {
    move |x| build(&case.program, x, style)
}
/// Values for the inputs.
pub fn inputs(case: &Case) -> Vec<Host> {
    let one = |(i, a): (usize, &Aval)| sample(a.dtype, &a.dims, case.seed.wrapping_add(i as u64));
    case.program.inputs.iter().enumerate().map(one).collect()
}
/// Random numbers of these types: tangents or cotangents.
pub fn directions(rng: &mut Rng, avals: &[Aval]) -> Vec<Host> {
    avals.iter().map(|a| sample_in(a.dtype, &a.dims, rng.next(), -1.0, 1.0)).collect()
}
pub fn avals(x: &[Host]) -> Vec<Aval> {
    x.iter().map(|h| h.aval().clone()).collect()
}

/// Values of moderate size only.
pub fn tame(y: &[Host], limit: f64) -> Checked {
    let ok = |h: &Host| !h.dtype().is_float() || h.to_f64().iter().all(|v| v.abs() < limit);
    if y.iter().all(ok) { Ok(()) } else { Err(Wrong::Wild) }
}
/// Equal results, to a tolerance.
pub fn equal(what: &str, have: &[Host], want: &[Host], tolerance: f64) -> Checked {
    if have.len() != want.len() {
        return Err(Wrong::Failed(format!("{what}: {} results against {}", have.len(), want.len())));
    }
    for (i, (a, b)) in have.iter().zip(want).enumerate() {
        close(a, b, tolerance).map_err(|e| format!("{what}: result {i}: {e}\n{a:?}\n{b:?}"))?;
    }
    Ok(())
}
/// Σ ab over the floats.
pub fn dot(a: &[Host], b: &[Host]) -> f64 {
    let floats = a.iter().zip(b).filter(|(a, _)| a.dtype().is_float());
    floats.flat_map(|(a, b)| a.to_f64().into_iter().zip(b.to_f64())).map(|(a, b)| a * b).sum()
}
pub fn scalar(x: f64) -> Vec<Host> {
    vec![Host::floats(DType::F64, [], vec![x])]
}

/// Derivatives of the floats in direction `v`, by central differences of two step sizes, extrapolated (Richardson); and how
/// much they can be wrong.
pub fn central_difference(g: &Graph, x: &[Host], v: &[Host]) -> (Vec<Host>, f64) {
    let moved = |by: f64| {
        let step = |(x, v): (&Host, &Host)| match x.dtype().is_float() {
            true => {
                Host::floats(x.dtype(), x.dims(), x.to_f64().iter().zip(v.to_f64()).map(|(x, v)| x + by * v).collect())
            }
            false => x.clone(),
        };
        g.eval(&x.iter().zip(v).map(step).collect::<Vec<_>>())
    };
    let slopes = |h: f64| -> Vec<Vec<f64>> {
        let (high, low) = (moved(h), moved(-h));
        let slope =
            |(a, b): (&Host, &Host)| a.to_f64().iter().zip(b.to_f64()).map(|(a, b)| (a - b) / (2.0 * h)).collect();
        high.iter().zip(&low).map(slope).collect()
    };
    let (coarse, fine) = (slopes(2e-4), slopes(1e-4));
    let mut error = 0f64;
    let mut extrapolated = vec![];
    for ((c, f), a) in coarse.iter().zip(&fine).zip(g.out_avals()) {
        let both = c.iter().zip(f);
        both.clone().for_each(|(c, f)| error = error.max((c - f).abs() / (1.0 + f.abs())));
        let d = both.map(|(c, f)| (4.0 * f - c) / 3.0).collect();
        extrapolated.push(if a.dtype.is_float() { Host::floats(a.dtype, a.dims, d) } else { Host::full(&a, 0.0) });
    }
    (extrapolated, error)
}
