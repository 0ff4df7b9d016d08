//! Special functions, reductions over windows and by any function, and samplers: values, derivatives and samples of JAX
//! (tests/fixtures/functions.json), and batches as loops.
use raxla::{
    Padding, associative_scan, jvp, nn,
    prelude::*,
    prim::{self, Windows},
    reduce, reduce_window, special,
    testing::close,
    vjp, vmap,
};
use serde_json::Value;

type Function = fn(&[Tensor]) -> Vec<Tensor>;
/// Some functions of JAX lose digits themselves: what is allowed of them in f64 and f32, relative to the largest number.
const LOOSE: &[(&str, f64, f64)] = &[
    // differences of lgamma, whose terms are larger than the result
    ("betaln", 1e-11, 3e-5),
    ("beta", 1e-12, 2e-5),
    ("comb", 1e-12, 2e-5),
    ("factorial", 1e-12, 2e-5),
    ("factorial_slope", 1e-12, 2e-5),
    ("gamma", 1e-12, 2e-5),
    ("poch", 1e-12, 2e-5),
    ("gammaln", 1e-12, 1e-5),
];

fn windows(dimensions: &[usize], strides: &[usize], padding: Padding) -> Windows {
    Windows { dimensions: dimensions.to_vec(), strides: strides.to_vec(), padding, ..Default::default() }
}
fn pairs(all: &[(i64, i64)]) -> Padding {
    all.to_vec().into()
}
/// y[i] = a[i] y[i - 1] + b[i], and the products of a.
fn recurrence(a: Tensor, b: Tensor) -> (Tensor, Tensor) {
    associative_scan(|(a0, b0): (Tensor, Tensor), (a1, b1)| (a1 * a0, a1 * b0 + b1), (a, b), 0, false)
}
/// Number, mean and sum of squared deviations along the first axis.
fn welford(x: Tensor) -> Vec<Tensor> {
    type Three = (Tensor, Tensor, Tensor);
    let join = |a: Three, b: Three| {
        let (n, d) = (a.0 + b.0, b.1 - a.1);
        let share = b.0 / where_(n.eq(0.0), n.like(1.0), n);
        (n, a.1 + d * share, a.2 + b.2 + d * d * a.0 * share)
    };
    let zero = zeros([], x.dtype());
    let (n, mean, squares) = reduce(join, (x.like(1.0), x, x.like(0.0)), (zero, zero, zero), [0]);
    vec![n, mean, squares]
}
fn orders(x: Tensor, n: &[f64]) -> Tensor {
    literal(Host::floats(x.dtype(), [n.len()], n.to_vec()))
}
fn key() -> Key {
    Key::new(3)
}

/// The operations, by the names of the fixture's cases.
fn operations() -> Vec<(&'static str, Function)> {
    vec![
        ("tan", |x| vec![x[0].tan()]),
        ("asin", |x| vec![x[0].asin()]),
        ("acos", |x| vec![x[0].acos()]),
        ("atan", |x| vec![x[0].atan()]),
        ("sinh", |x| vec![x[0].sinh()]),
        ("cosh", |x| vec![x[0].cosh()]),
        ("asinh", |x| vec![x[0].asinh()]),
        ("acosh", |x| vec![x[0].acosh()]),
        ("atanh", |x| vec![x[0].atanh()]),
        ("erfc", |x| vec![x[0].erfc()]),
        ("lgamma", |x| vec![x[0].lgamma()]),
        ("digamma", |x| vec![x[0].digamma()]),
        ("bessel_i0e", |x| vec![x[0].bessel_i0e()]),
        ("bessel_i1e", |x| vec![x[0].bessel_i1e()]),
        ("nextafter", |x| vec![prim::nextafter(x[0], x[1])]),
        ("polygamma", |x| vec![prim::polygamma(x[0], x[1])]),
        ("lax_zeta", |x| vec![prim::zeta(x[0], x[1])]),
        ("igamma", |x| vec![prim::igamma(x[0], x[1])]),
        ("igammac", |x| vec![prim::igammac(x[0], x[1])]),
        ("igamma_grad_a", |x| vec![prim::igamma_grad_a(x[0], x[1])]),
        ("random_gamma_grad", |x| vec![prim::random_gamma_grad(x[0], x[1])]),
        ("betainc", |x| vec![prim::betainc(x[0], x[1], x[2])]),
        ("betainc_edges", |x| vec![prim::betainc(x[0], x[1], x[2])]),
        ("igamma_edges", |x| vec![prim::igamma(x[0], x[1])]),
        ("gelu", |x| vec![nn::gelu(x[0])]),
        ("sum_windows", |x| vec![prim::reduce_window_sum(x[0], &windows(&[2, 3], &[1, 2], Padding::Valid))]),
        ("sum_windows_dilated", |x| {
            let dilated = Windows {
                base_dilation: vec![2, 1],
                window_dilation: vec![1, 2],
                ..windows(&[2, 2], &[2, 1], pairs(&[(1, 2), (0, 1)]))
            };
            vec![prim::reduce_window_sum(x[0], &dilated)]
        }),
        ("max_windows", |x| vec![prim::reduce_window_max(x[0], &windows(&[2, 3], &[1, 2], Padding::Same))]),
        ("min_windows", |x| vec![prim::reduce_window_min(x[0], &windows(&[3], &[2], Padding::SameLower))]),
        ("max_windows_dilated", |x| {
            let dilated =
                Windows { window_dilation: vec![1, 2], ..windows(&[2, 2], &[2, 1], pairs(&[(1, 2), (0, 1)])) };
            vec![prim::reduce_window_max(x[0], &dilated)]
        }),
        ("max_windows_ties", |x| vec![prim::reduce_window_max(x[0], &windows(&[2, 2], &[], Padding::Valid))]),
        ("product_windows", |x| {
            let one = ones([], x[0].dtype());
            vec![reduce_window(|a: Tensor, b| a * b, x[0], one, &windows(&[2, 3], &[1, 2], Padding::Same))]
        }),
        ("max_pool", |x| vec![nn::max_pool(x[0], [2, 2], [2, 2], Padding::Valid)]),
        ("max_pool_overlapping", |x| vec![nn::max_pool(x[0], [3, 3], [2, 2], pairs(&[(1, 1), (1, 1)]))]),
        ("max_pool_alone", |x| vec![nn::max_pool(x[0], [3], [], Padding::Same)]),
        ("min_pool", |x| vec![nn::min_pool(x[0], [2, 3], [2, 1], Padding::Same)]),
        ("avg_pool", |x| vec![nn::avg_pool(x[0], [2, 2], [], Padding::Same, true)]),
        ("avg_pool_uncounted", |x| vec![nn::avg_pool(x[0], [3, 2], [2, 1], Padding::Same, false)]),
        ("avg_pool_explicit", |x| vec![nn::avg_pool(x[0], [2, 2], [2, 2], pairs(&[(1, 0), (0, 1)]), false)]),
        ("associative_scan", |x| {
            let (a, b) = recurrence(x[0], x[1]);
            vec![a, b]
        }),
        ("associative_scan_even", |x| vec![recurrence(x[0], x[1]).1]),
        ("associative_scan_reverse", |x| vec![associative_scan(|a: Tensor, b| a * b, x[0], 1, true)]),
        ("associative_scan_matrices", |x| vec![associative_scan(|a: Tensor, b: Tensor| a.matmul(b), x[0], 0, false)]),
        ("reduce_welford", |x| welford(x[0])),
        ("reduce_product", |x| vec![reduce(|a: Tensor, b| a * b, x[0], full([], x[0].dtype(), 1.0), [0, 2])]),
        ("ragged_dot", |x| {
            let sizes = literal(Host::ints(DType::I32, [3], vec![2, 0, 3]));
            vec![nn::moe::ragged_dot(x[0], x[1], sizes)]
        }),
        ("gamma_by_shape", |x| vec![key().gamma(x[0].dims(), x[0].dtype(), x[0])]),
        ("loggamma_by_shape", |x| vec![key().loggamma(x[0].dims(), x[0].dtype(), x[0])]),
        ("beta_by_shapes", |x| vec![key().beta(x[0].dims(), x[0].dtype(), x[0], x[1])]),
        ("dirichlet_by_shape", |x| vec![key().dirichlet([], x[0])]),
    ]
}

/// The functions of `special`, likewise.
fn functions() -> Vec<(&'static str, Function)> {
    vec![
        ("gamma", |x| vec![special::gamma(x[0])]),
        ("gammaln", |x| vec![special::gammaln(x[0])]),
        ("loggamma", |x| vec![special::loggamma(x[0])]),
        ("gammasgn", |x| vec![special::gammasgn(x[0])]),
        ("beta", |x| vec![special::beta(x[0], x[1])]),
        ("betaln", |x| vec![special::betaln(x[0], x[1])]),
        ("special_betainc", |x| vec![special::betainc(2.0, 3.5, x[0])]),
        ("gammainc", |x| vec![special::gammainc(2.5, x[0])]),
        ("gammaincc", |x| vec![special::gammaincc(2.5, x[0])]),
        ("special_digamma", |x| vec![special::digamma(x[0])]),
        ("special_polygamma", |x| vec![special::polygamma(2, x[0])]),
        ("zeta", |x| vec![special::zeta(x[0], x[1])]),
        ("factorial", |x| vec![special::factorial(x[0])]),
        ("factorial_slope", |x| vec![special::factorial(x[0])]),
        ("comb", |x| vec![special::comb(x[0], x[1])]),
        ("multigammaln", |x| vec![special::multigammaln(x[0], 3)]),
        ("poch", |x| vec![special::poch(x[0], x[1])]),
        ("bernoulli", |x| vec![special::bernoulli(12, x[0].dtype())]),
        ("erf", |x| vec![special::erf(x[0])]),
        ("special_erfc", |x| vec![special::erfc(x[0])]),
        ("erfinv", |x| vec![special::erfinv(x[0])]),
        ("erfcx", |x| vec![special::erfcx(x[0])]),
        ("dawsn", |x| vec![special::dawsn(x[0])]),
        ("ndtr", |x| vec![special::ndtr(x[0])]),
        ("ndtri", |x| vec![special::ndtri(x[0])]),
        ("ndtri_edges", |x| vec![special::ndtri(x[0])]),
        ("log_ndtr", |x| vec![special::log_ndtr(x[0])]),
        ("owens_t", |x| vec![special::owens_t(x[0], x[1])]),
        ("expit", |x| vec![special::expit(x[0])]),
        ("logit", |x| vec![special::logit(x[0])]),
        ("xlogy", |x| vec![special::xlogy(x[0], x[1])]),
        ("xlogy_0", |x| vec![special::xlogy(x[0], x[1])]),
        ("xlog1py", |x| vec![special::xlog1py(x[0], x[1])]),
        ("entr", |x| vec![special::entr(x[0])]),
        ("entr_edges", |x| vec![special::entr(x[0])]),
        ("rel_entr", |x| vec![special::rel_entr(x[0], x[1])]),
        ("rel_entr_edges", |x| vec![special::rel_entr(x[0], x[1])]),
        ("kl_div", |x| vec![special::kl_div(x[0], x[1])]),
        ("boxcox", |x| vec![special::boxcox(x[0], x[1])]),
        ("boxcox1p", |x| vec![special::boxcox1p(x[0], x[1])]),
        ("logsumexp", |x| vec![special::logsumexp(x[0], -1)]),
        ("softmax", |x| vec![special::softmax(x[0], -1)]),
        ("log_softmax", |x| vec![special::log_softmax(x[0], -1)]),
        ("i0", |x| vec![special::i0(x[0])]),
        ("i0e", |x| vec![special::i0e(x[0])]),
        ("i1", |x| vec![special::i1(x[0])]),
        ("i1e", |x| vec![special::i1e(x[0])]),
        ("bessel_jn", |x| vec![special::bessel_jn(x[0], 3, 50)]),
        ("exp1", |x| vec![special::exp1(x[0])]),
        ("expi", |x| vec![special::expi(x[0])]),
        ("expn", |x| vec![special::expn(orders(x[0], &[2.0, 1.0, 3.0, 6.0, 2.0, 1.0]), x[0])]),
        ("expn_edges", |x| vec![special::expn(orders(x[0], &[1.0, 2.0, 0.0, 2.0]), x[0])]),
        ("sici", |x| {
            let (s, c) = special::sici(x[0]);
            vec![s, c]
        }),
        ("spence", |x| vec![special::spence(x[0])]),
        ("spence_edges", |x| vec![special::spence(x[0])]),
        ("fresnel", |x| {
            let (s, c) = special::fresnel(x[0]);
            vec![s, c]
        }),
        ("hyp1f1", |x| vec![special::hyp1f1(x[0], x[1], x[2])]),
        ("hyp1f1_edges", |x| vec![special::hyp1f1(x[0], x[1], x[2])]),
        ("hyp2f1", |x| vec![special::hyp2f1(x[0], x[1], x[2], x[3])]),
        ("hyp2f1_edges", |x| vec![special::hyp2f1(x[0], x[1], x[2], x[3])]),
    ]
}
fn cases() -> Vec<(&'static str, Function)> {
    [operations(), functions()].concat()
}

fn vector(d: DType, x: &[f64]) -> Tensor {
    literal(Host::floats(d, [x.len()], x.to_vec()))
}
fn tens() -> Tensor {
    arange(10, DType::I32) + 10
}
type Sampler = fn(Key, DType) -> Tensor;
/// The samplers by the names of the fixture's.
fn samplers() -> Vec<(&'static str, Sampler)> {
    const P: [f64; 4] = [0.1, 0.2, 0.3, 0.4];
    vec![
        ("gamma", |k, d| k.gamma([2, 3], d, vector(d, &[0.2, 1.0, 3.5]))),
        ("gamma_scalar", |k, d| k.gamma([], d, 2.0)),
        ("loggamma", |k, d| k.loggamma([2, 3], d, vector(d, &[1e-3, 1.0, 3.5]))),
        ("beta", |k, d| k.beta([5], d, 0.7, 2.0)),
        ("dirichlet", |k, d| k.dirichlet([3], vector(d, &[0.5, 1.0, 4.0]))),
        ("t", |k, d| k.t([6], d, 3.0)),
        ("chisquare", |k, d| k.chisquare([6], d, 3.0)),
        ("f", |k, d| k.f([6], d, 3.0, 5.0)),
        ("generalized_normal", |k, d| k.generalized_normal([6], d, 1.5)),
        ("ball", |k, d| k.ball([4], d, 3, 2.0)),
        ("cauchy", |k, d| k.cauchy([6], d)),
        ("laplace", |k, d| k.laplace([6], d)),
        ("logistic", |k, d| k.logistic([6], d)),
        ("lognormal", |k, d| k.lognormal([6], d, 0.5)),
        ("maxwell", |k, d| k.maxwell([6], d)),
        ("double_sided_maxwell", |k, d| k.double_sided_maxwell([6], d, 1.0, 2.0)),
        ("rademacher", |k, d| k.rademacher([9], d)),
        ("pareto", |k, d| k.pareto([6], d, 2.5)),
        ("rayleigh", |k, d| k.rayleigh([6], d, 1.5)),
        ("weibull_min", |k, d| k.weibull_min([6], d, 1.5, 0.7)),
        ("wald", |k, d| k.wald([6], d, 1.5)),
        ("triangular", |k, d| k.triangular([6], d, -1.0, 0.5, 2.0)),
        ("multivariate_normal", |k, d| {
            k.multivariate_normal([3], vector(d, &[1.0, -1.0]), vector(d, &[2.0, 0.5, 0.5, 1.0]).reshape([2, 2]))
        }),
        ("orthogonal", |k, d| k.orthogonal([2], d, 3, 3)),
        ("orthogonal_wide", |k, d| k.orthogonal([], d, 2, 4)),
        ("truncated_normal", |k, d| k.truncated_normal([2, 3], d, vector(d, &[-1.0, 0.5, -0.1]), 1.0)),
        ("gumbel_highest", |k, _| k.gumbel_highest([8])),
        ("geometric", |k, d| k.geometric([9], DType::I32, full([], d, 0.2))),
        ("poisson_few", |k, _| k.poisson([9], DType::I32, 3.5)),
        ("poisson", |k, _| k.poisson([4, 5], DType::I32, vector(DType::F32, &[0.0, 0.5, 9.0, 11.0, 200.0]))),
        ("binomial_few", |k, d| k.binomial([9], d, 12.0, 0.3)),
        ("binomial", |k, d| k.binomial([4, 3], d, vector(d, &[5.0, 40.0, 1000.0]), vector(d, &[0.5, 0.9, 0.3]))),
        ("multinomial", |k, d| k.multinomial(50.0, vector(d, &P))),
        ("choice", |k, _| k.choice([3, 2], tens(), 0, true, None)),
        ("choice_distinct", |k, _| k.choice([4], tens(), 0, false, None)),
        ("choice_rows", |k, d| k.choice([5], arange(12, d).reshape([4, 3]), 1, true, None)),
        ("choice_weighted", |k, d| k.choice([8], arange(4, DType::I32), 0, true, Some(vector(d, &P)))),
        ("choice_weighted_distinct", |k, d| k.choice([3], arange(4, DType::I32), 0, false, Some(vector(d, &P)))),
    ]
}
/// Samplers without a transcendental function: to the bit.
const EXACT: &[&str] = &["rademacher", "choice", "choice_distinct", "choice_rows", "poisson_few", "poisson"];

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/functions.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture")).expect("JSON")
}
fn number(v: &Value) -> f64 {
    v.as_f64().or_else(|| v.as_str().and_then(|s| s.parse().ok())).expect("a number")
}
fn host(v: &Value, dtype: DType) -> Host {
    let dims: Vec<usize> =
        v["dims"].as_array().expect("a list").iter().map(|d| d.as_u64().expect("a size") as usize).collect();
    Host::floats(dtype, dims, v["data"].as_array().expect("a list").iter().map(number).collect())
}
fn hosts(v: &Value, dtype: DType) -> Vec<Host> {
    v.as_array().map_or(vec![], |all| all.iter().map(|v| host(v, dtype)).collect())
}
/// Equal within a tolerance times the largest finite number (and 1).
fn near(what: &str, have: &Host, want: &Host, tolerance: f64) -> Result<(), String> {
    let (a, b) = (have.to_f64(), want.to_f64());
    let most = b.iter().filter(|x| x.is_finite()).fold(1.0, |most: f64, x| most.max(x.abs()));
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * most;
    match a.iter().zip(&b).position(|(a, b)| !same(*a, *b)) {
        _ if have.dims() != want.dims() => Err(format!("{what}: {:?} against {:?}", have.dims(), want.dims())),
        Some(i) => Err(format!("{what}: element {i} is {}, JAX has {}", a[i], b[i])),
        None => Ok(()),
    }
}
fn run(inputs: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Result<Vec<Host>, String> {
    let arrays = inputs.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
    let y = jit(|x: Vec<Tensor>| f(&x)).call((arrays,)).map_err(|e| e.to_string())?;
    y.iter().map(|y| y.to_host().map_err(|e| e.to_string())).collect()
}

/// Results, their tangents and the cotangents of the inputs that the case is differentiated by.
fn program(f: Function, wrt: &[usize], x: &[Tensor], rest: &[Tensor]) -> Vec<Tensor> {
    let y = f(x);
    if wrt.is_empty() {
        return y;
    }
    let (tangents, cotangents) = rest.split_at(wrt.len());
    let chosen: Vec<Tensor> = wrt.iter().map(|i| x[*i]).collect();
    let of = |c: Vec<Tensor>| {
        let mut all = x.to_vec();
        wrt.iter().zip(c).for_each(|(i, c)| all[*i] = c);
        f(&all)
    };
    let dy = jvp(of, chosen.clone(), tangents.to_vec()).1;
    let (_, pull) = vjp(of, chosen);
    [y, dy, pull(cotangents.to_vec())].concat()
}
fn compare(name: &str, f: Function, case: &Value, dtype: DType, tolerance: f64) -> Result<(), String> {
    let wrt: Vec<usize> =
        case["wrt"].as_array().expect("a list").iter().map(|i| i.as_u64().expect("a number") as usize).collect();
    let inputs = hosts(&case["inputs"], dtype);
    let rest = if wrt.is_empty() {
        vec![]
    } else {
        [hosts(&case["tangents"], dtype), hosts(&case["cotangents"], dtype)].concat()
    };
    let all = [inputs.clone(), rest].concat();
    let have = run(&all, |x| program(f, &wrt, &x[..inputs.len()], &x[inputs.len()..]));
    let have = have.map_err(|e| format!("{name} of {dtype}: {e}"))?;
    let parts = &case[dtype.name()];
    let want = ["results", "result_tangents", "gradients"].map(|part| hosts(&parts[part], dtype)).concat();
    if have.len() != want.len() {
        return Err(format!("{name}: {} results, JAX has {}", have.len(), want.len()));
    }
    let mut pairs = have.iter().zip(&want).enumerate();
    pairs.try_for_each(|(i, (a, b))| near(&format!("{name} of {dtype}, result {i}"), a, b, tolerance))
}

#[test]
fn values_and_derivatives_are_those_of_jax() {
    let fixture = fixture();
    let names: Vec<&str> = cases().iter().map(|c| c.0).collect();
    let missing = fixture["cases"].as_object().expect("cases").keys().find(|k| !names.contains(&k.as_str()));
    assert_eq!(missing, None, "a case of the fixture that is not run");
    let tolerances = |name: &str| LOOSE.iter().find(|l| l.0 == name).map_or((1e-12, 2e-6), |l| (l.1, l.2));
    let failures: Vec<String> = cases()
        .into_iter()
        .flat_map(|(name, f)| {
            let (double, single) = tolerances(name);
            let case = &fixture["cases"][name];
            // (JAX's recurrence overflows in f32)
            let narrow = if name == "bessel_jn" { Ok(()) } else { compare(name, f, case, DType::F32, single) };
            [compare(name, f, case, DType::F64, double), narrow]
        })
        .filter_map(Result::err)
        .collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn batches_are_loops() {
    let fixture = fixture();
    let mut failures = vec![];
    for (name, f) in cases() {
        let x = hosts(&fixture["cases"][name]["inputs"], DType::F64);
        let other: Vec<Host> = x
            .iter()
            .map(|h| Host::floats(DType::F64, h.dims(), h.to_f64().into_iter().map(|v| v * 0.9375).collect()))
            .collect();
        let stacked: Vec<Host> =
            x.iter().zip(&other).map(|(a, b)| Host::stack(a.aval(), &[a.clone(), b.clone()])).collect();
        let both = run(&stacked, |x| vmap(move |x: Vec<Tensor>| f(&x))(x.to_vec()));
        let check = |i: usize, x: &[Host]| -> Result<(), String> {
            let (one, both) = (run(x, f)?, both.clone()?);
            one.iter().zip(&both).try_for_each(|(one, both)| close(&both.at(i), one, 1e-12))
        };
        failures.extend(
            [(0, &x), (1, &other)].iter().filter_map(|(i, x)| check(*i, x).err()).map(|e| format!("{name}: {e}")),
        );
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn samples_are_those_of_jax() {
    let fixture = fixture();
    let names: Vec<&str> = samplers().iter().map(|c| c.0).collect();
    let missing = fixture["samplers"].as_object().expect("samplers").keys().find(|k| !names.contains(&k.as_str()));
    assert_eq!(missing, None, "a sampler of the fixture that is not run");
    let mut failures = vec![];
    for (name, f) in samplers() {
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-12)] {
            let want = &fixture["samplers"][name][dtype.name()];
            // (where f64 is on, JAX draws indices of 64 bits)
            let wide_indices = dtype == DType::F64 && ["choice", "choice_rows"].contains(&name);
            if want.is_null() || wide_indices {
                continue;
            }
            let y = jit(move |key: Key| f(key, dtype).cast(DType::F64)).call((Key::host(42),));
            let tolerance = if EXACT.contains(&name) { 0.0 } else { tolerance };
            let have = y.and_then(|y| y.to_host()).map_err(|e| e.to_string());
            let same =
                have.and_then(|have| near(&format!("{name} of {dtype}"), &have, &host(want, DType::F64), tolerance));
            failures.extend(same.err());
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn mistakes_are_refused() {
    let says = |f: fn(Tensor) -> Tensor, dims: &[usize], why: &str| {
        let x = Array::from_host(&Host::floats(DType::F32, dims, vec![0.5; dims.iter().product()])).unwrap();
        let error = jit(f).call((x,)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    says(|x| grad(|x: Tensor| prim::betainc(x, x, x).sum(..))(x), &[2], "there is no derivative by its first operand");
    says(|x| nn::max_pool(x, [2, 2], [1], Padding::Valid), &[4, 4, 1], "do not fit 3 axes");
    says(|x| prim::reduce_window_sum(x, &windows(&[2], &[0], Padding::Valid)), &[4], "one number for each axis");
    says(|x| prim::reduce_window_sum(x, &windows(&[2], &[1], pairs(&[(-1, 0)]))), &[4], "the padding is negative");
    says(|x| associative_scan(|a: Tensor, _| a.sum(..), x, 0, false), &[4], "the function makes f32[] of twice f32[2]");
    says(|x| reduce(|a: Tensor, b| a + b, x, x, [0]), &[4], "the initial value does not fit");
    says(|x| Key::new(0).choice([9], x, 0, false, None), &[4], "9 of 4 slices cannot be drawn");
    says(|x| Key::new(0).poisson([2], DType::F32, x), &[2], "f32 is not an integer");
    says(|x| special::ndtr(x.cast(DType::F16)), &[2], "f16 is neither f32 nor f64");
}
