//! Linear algebra: values and derivatives of JAX (tests/fixtures/linalg.json), what decompositions are by definition, and what cannot be
//! decomposed; by kernels of the CPU, and by what stands in their place on other platforms.
use super::against_jax::{Cases, Function, all_equal, fixture, none_is_missing, run};
use raxla::{
    Graph, concat, eye, jvp,
    linalg::{self, Norm, Triangle, Until},
    prelude::*,
    prim::{TABLE, sample},
    testing::{assert_close, close},
    trace::trace_graph,
};

/// As far as rounding lets a solver come.
const EXACT: Until = Until { tol: 1e-14, atol: 0.0, maxiter: None };

fn sine((v, w): (Tensor, Tensor), vt: Tensor) -> Vec<Tensor> {
    vec![(v * w.sin().expand_dims(-2)).matmul(vt), w]
}
fn svd_sine(a: Tensor) -> Vec<Tensor> {
    let (u, s, vt) = linalg::svd(a, false);
    sine((u, s), vt)
}
fn pair<T>((x, y): (T, T)) -> Vec<T> {
    vec![x, y]
}
fn lstsq(x: &[Tensor]) -> Vec<Tensor> {
    let y = linalg::lstsq(x[0], x[1], None);
    vec![y.x, y.residuals, y.s]
}

/// The functions by the names of the fixture's cases.
fn cases() -> Cases {
    vec![
        ("cholesky", |x| vec![linalg::cholesky(x[0])]),
        ("cho_solve", |x| vec![linalg::cho_solve(linalg::cho_factor(x[0], true), x[1])]),
        ("solve_triangular_lower", |x| vec![linalg::solve_triangular(x[0], x[1], Triangle::LOWER)]),
        ("solve_triangular_upper_transposed", |x| {
            vec![linalg::solve_triangular(x[0], x[1], Triangle { transpose: true, ..Triangle::UPPER })]
        }),
        ("solve_triangular_unit", |x| {
            vec![linalg::solve_triangular(x[0], x[1], Triangle { unit: true, ..Triangle::LOWER })]
        }),
        ("lu", |x| vec![linalg::lu_factor(x[0]).0]),
        ("lu_tall", |x| vec![linalg::lu_factor(x[0]).0]),
        ("lu_wide", |x| vec![linalg::lu_factor(x[0]).0]),
        ("solve", |x| vec![linalg::solve(x[0], x[1])]),
        ("solve_vector", |x| vec![linalg::solve(x[0], x[1])]),
        ("inv", |x| vec![linalg::inv(x[0])]),
        ("det_2", |x| vec![linalg::det(x[0])]),
        ("det_4", |x| vec![linalg::det(x[0])]),
        ("det_singular", |x| vec![linalg::det(x[0])]),
        ("slogdet", |x| pair(linalg::slogdet(x[0]))),
        ("qr", |x| pair(linalg::qr(x[0], false))),
        ("qr_wide", |x| pair(linalg::qr(x[0], false))),
        ("qr_complete", |x| pair(linalg::qr(x[0], true))),
        ("eigh", |x| {
            let (w, v) = linalg::eigh(x[0]);
            sine((v, w), v.swap_axes(-1, -2))
        }),
        ("eigvalsh", |x| vec![linalg::eigvalsh(x[0])]),
        ("svd", |x| svd_sine(x[0])),
        ("svd_tall", |x| svd_sine(x[0])),
        ("svd_wide", |x| svd_sine(x[0])),
        ("svdvals", |x| vec![linalg::svdvals(x[0])]),
        ("pinv", |x| vec![linalg::pinv(x[0], None)]),
        ("pinv_wide", |x| vec![linalg::pinv(x[0], None)]),
        ("pinv_rank_2", |x| vec![linalg::pinv(x[0], None)]),
        ("lstsq", lstsq),
        ("lstsq_wide", |x| vec![linalg::lstsq(x[0], x[1], None).x]),
        ("matrix_power", |x| vec![linalg::matrix_power(x[0], 5)]),
        ("matrix_power_negative", |x| vec![linalg::matrix_power(x[0], -3)]),
        ("expm", |x| vec![linalg::expm(x[0])]),
        ("expm_large", |x| vec![linalg::expm(x[0])]),
        ("norm", |x| vec![linalg::norm(x[0])]),
        ("vector_norm_1", |x| vec![linalg::vector_norm(x[0], 1.0, -1)]),
        ("vector_norm_3", |x| vec![linalg::vector_norm(x[0], 3.0, 0)]),
        ("vector_norm_inf", |x| vec![linalg::vector_norm(x[0], f64::INFINITY, -1)]),
        ("vector_norm_minus_inf", |x| vec![linalg::vector_norm(x[0], f64::NEG_INFINITY, -1)]),
        ("matrix_norm_fro", |x| vec![linalg::matrix_norm(x[0], Norm::Frobenius)]),
        ("matrix_norm_nuc", |x| vec![linalg::matrix_norm(x[0], Norm::Nuclear)]),
        ("matrix_norm_1", |x| vec![linalg::matrix_norm(x[0], Norm::Of(1.0))]),
        ("matrix_norm_-1", |x| vec![linalg::matrix_norm(x[0], Norm::Of(-1.0))]),
        ("matrix_norm_2", |x| vec![linalg::matrix_norm(x[0], Norm::Of(2.0))]),
        ("matrix_norm_-2", |x| vec![linalg::matrix_norm(x[0], Norm::Of(-2.0))]),
        ("matrix_norm_inf", |x| vec![linalg::matrix_norm(x[0], Norm::Of(f64::INFINITY))]),
        ("matrix_norm_-inf", |x| vec![linalg::matrix_norm(x[0], Norm::Of(f64::NEG_INFINITY))]),
        ("cond_2", |x| vec![linalg::cond(x[0], Norm::Of(2.0))]),
        ("cond_1", |x| vec![linalg::cond(x[0], Norm::Of(1.0))]),
        ("multi_dot", |x| vec![linalg::multi_dot(x)]),
        ("block_diag", |x| vec![linalg::block_diag(x)]),
        ("toeplitz", |x| vec![linalg::toeplitz(x[0], x[1])]),
        ("trace", |x| vec![linalg::trace(x[0])]),
        ("tensorsolve", |x| vec![linalg::tensorsolve(x[0], x[1])]),
        ("tensorinv", |x| vec![linalg::tensorinv(x[0], 1)]),
        ("cg", |x| vec![linalg::cg(|v: Tensor| x[0].matmul(v), x[1], None, |v| v, EXACT)]),
        ("gmres", |x| vec![linalg::gmres(|v: Tensor| x[0].matmul(v), x[1], None, |v| v, 20, EXACT)]),
        ("bicgstab", |x| vec![linalg::bicgstab(|v: Tensor| x[0].matmul(v), x[1], None, |v| v, EXACT)]),
        ("cg_x0", |x| vec![linalg::cg(|v: Tensor| x[0].matmul(v), x[1], Some(x[2]), |v| v, EXACT)]),
        ("gmres_x0", |x| vec![linalg::gmres(|v: Tensor| x[0].matmul(v), x[1], Some(x[2]), |v| v, 20, EXACT)]),
        ("bicgstab_x0", |x| vec![linalg::bicgstab(|v: Tensor| x[0].matmul(v), x[1], Some(x[2]), |v| v, EXACT)]),
        ("cg_first_step", |x| {
            let until = Until { maxiter: Some(1), ..EXACT };
            vec![linalg::cg(|v: Tensor| x[0].matmul(v), x[1], Some(x[2]), |v| v, until)]
        }),
        ("matrix_rank", |x| vec![linalg::matrix_rank(x[0], None)]),
        ("lu_pivots_to_permutation", |x| vec![linalg::lu_pivots_to_permutation(x[0].cast(DType::I32), 4)]),
    ]
}

/// As [`run`], by the text for every platform.
fn run_portable(inputs: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Result<Vec<Host>, String> {
    let avals: Vec<Aval> = inputs.iter().map(|h| h.aval().clone()).collect();
    let arrays = inputs.iter().map(Array::from_host).collect::<raxla::Result<Vec<_>>>().map_err(|e| e.to_string())?;
    let lowered = jit(|x: Vec<Tensor>| f(&x)).lower(&(avals,)).map_err(|e| e.to_string())?.portable();
    assert!(!lowered.text.contains("raxla."), "it calls a kernel:\n{}", lowered.text);
    let client = raxla::runtime::client().map_err(|e| e.to_string())?;
    let y = lowered.compile(&client).and_then(|f| f.run((arrays,))).map_err(|e| e.to_string())?;
    y.iter().map(|y| y.to_host().map_err(|e| e.to_string())).collect()
}

#[test]
fn values_derivatives_and_batches_are_those_of_jax() {
    let fixture = fixture("linalg");
    none_is_missing(&[cases()], &fixture);
    all_equal(&cases(), &fixture, [1e-12, 2e-6]);
}

/// The wide matrices, and both triangles, of every row of the table for linear algebra: XLA's own operations, custom calls and loops
/// give what kernels give.
#[test]
fn what_stands_for_kernels_elsewhere_gives_the_same() {
    let names = ["cholesky", "triangular_solve", "lu", "qr", "eigh", "svd"];
    let mut failures = vec![];
    for row in TABLE.iter().copied().flatten().filter(|r| names.contains(&r.name)) {
        for case in (row.cases)(DType::F64) {
            let avals: Vec<Aval> = case.inputs.iter().map(|h| h.aval().clone()).collect();
            let graph: Graph = trace_graph(&avals, |x| (case.f)(x)).expect("it traces");
            let want = graph.eval(&case.inputs);
            let same = run_portable(&case.inputs, |x| (case.f)(x))
                .and_then(|have| have.iter().zip(&want).try_for_each(|(a, b)| close(a, b, 1e-10)));
            failures.extend(same.err().map(|e| format!("{}, {}: {e}", row.name, case.label)));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn portable_decompositions_hold_for_larger_and_singular_matrices() {
    // the last columns are the first ones again
    let parts = |x: &[Tensor]| {
        let [small, large] = [x[0], x[1]].map(|x| concat(&[x, x.slice_axis(-1, ..6)], -1));
        let one = |n| eye(n, small.dtype());
        let (u, s, vt) = linalg::svd(small, false);
        let (q, r) = linalg::qr(small, true);
        let (p, l, up) = linalg::lu(large);
        let wide = linalg::svd(small.swap_axes(-1, -2), true).2;
        vec![
            (u * s.expand_dims(-2)).matmul(vt) - small,
            u.swap_axes(-1, -2).matmul(u) - one(26),
            vt.matmul(vt.swap_axes(-1, -2)) - one(26),
            wide.matmul(wide.swap_axes(-1, -2)) - one(30),
            q.matmul(r) - small,
            p.matmul(l).matmul(up) - large,
            s.slice_axis(-1, 20..),
        ]
    };
    let inputs = |dtype| [sample(dtype, &[2, 30, 20], 3), sample(dtype, &[150, 140], 4)];
    for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 2e-3)] {
        for y in [run(&inputs(dtype), parts), run_portable(&inputs(dtype), parts)] {
            for (i, y) in y.expect("it runs").iter().enumerate() {
                let most = y
                    .to_f64()
                    .into_iter()
                    .fold(0.0, |most: f64, x| if x.is_nan() { f64::NAN } else { most.max(x.abs()) });
                assert!(most <= tolerance, "{dtype}, part {i}: {most}");
            }
        }
    }
}

#[test]
fn what_cannot_be_decomposed_is_nan() {
    let nan = |h: &Host| h.to_f64().iter().all(|x| x.is_nan());
    let matrix = |data: [f64; 4]| Host::floats(DType::F32, [2, 2], data.to_vec());
    for a in [matrix([1., 2., 2., 1.]), matrix([f64::NAN, 0., 0., 1.]), matrix([0.; 4])] {
        let l = run(&[a], |x| vec![linalg::cholesky(x[0])]).unwrap()[0].to_f64();
        assert!(l[0].is_nan() && l[1] == 0.0 && l[2].is_nan() && l[3].is_nan(), "{l:?}");
    }
    let infinite = matrix([f64::INFINITY, 0., 0., 1.]);
    let all = |x: &[Tensor]| {
        let (w, v) = linalg::eigh(x[0]);
        let (u, s, vt) = linalg::svd(x[0], false);
        let (q, r) = linalg::qr(x[0], false);
        vec![w, v, u, s, vt, q, r, linalg::lu_factor(x[0]).0]
    };
    for y in [run(std::slice::from_ref(&infinite), all), run_portable(&[infinite], all)] {
        assert!(y.unwrap().iter().all(nan));
    }
    // one of several does not spoil the others
    let both = Host::stack(&Aval::new(DType::F32, [2, 2]), &[matrix([1., 2., 2., 1.]), matrix([4., 0., 0., 9.])]);
    let y = run(&[both], |x| vec![linalg::cholesky(x[0])]).unwrap();
    assert!(y[0].at(0).to_f64()[2].is_nan());
    assert_eq!(y[0].at(1).to_f64(), [2., 0., 0., 3.]);
    // a singular matrix has a determinant, and no inverse
    let singular = |x: &[Tensor]| vec![linalg::det(x[0]), linalg::slogdet(x[0]).1, linalg::inv(x[0])];
    let y = run(&[matrix([1., 2., 2., 4.])], singular).unwrap();
    assert_eq!((y[0].to_f64()[0], y[1].to_f64()[0]), (0.0, f64::NEG_INFINITY));
    assert!(y[2].to_f64().iter().all(|x| !x.is_finite()));
}

#[test]
fn empty_matrices_have_empty_results() {
    let empty = Host::floats(DType::F32, [2, 0, 0], vec![]);
    let y = run(&[empty], |x| {
        let (sign, log) = linalg::slogdet(x[0]);
        vec![linalg::det(x[0]), sign, log, linalg::inv(x[0]), linalg::expm(x[0]), linalg::matrix_power(x[0], 2)]
    });
    let y = y.unwrap();
    assert_eq!([y[0].to_f64(), y[1].to_f64(), y[2].to_f64()], [[1.0; 2], [1.0; 2], [0.0; 2]]);
    assert!(y[3..].iter().all(|y| y.dims() == [2, 0, 0]));
    let thin = Host::floats(DType::F32, [3, 0], vec![]);
    let y =
        run(&[thin], |x| vec![linalg::svd(x[0], true).0, linalg::qr(x[0], true).0, linalg::pinv(x[0], None)]).unwrap();
    let one = Host::floats(DType::F32, [3, 3], vec![1., 0., 0., 0., 1., 0., 0., 0., 1.]);
    assert_close(&y[0], &one, 0.0);
    assert_close(&y[1], &one, 0.0);
    assert_eq!(y[2].dims(), [0, 3]);
}

#[test]
fn mistakes_are_named() {
    let message = |dims: &[&[usize]], f: Function| {
        let avals: Vec<Aval> = dims.iter().map(|d| Aval::new(DType::F32, *d)).collect();
        trace_graph(&avals, f).unwrap_err().to_string()
    };
    let says = |dims: &[&[usize]], f: Function, text: &str| {
        let have = message(dims, f);
        assert!(have.contains(text) && have.contains("help: "), "{have}");
    };
    says(&[&[2, 3]], |x| vec![linalg::cholesky(x[0])], "the matrix is not square: it has 2 rows and 3 columns");
    says(&[&[3]], |x| vec![linalg::det(x[0])], "it is no matrix");
    says(&[&[3]], |x| vec![linalg::svdvals(x[0])], "it is no matrix");
    says(&[&[3, 3], &[2]], |x| vec![linalg::solve(x[0], x[1])], "the matrix has 3 rows, the right-hand side 2");
    says(&[&[2, 3, 3], &[3, 3, 1]], |x| vec![linalg::solve(x[0], x[1])], "do not broadcast");
    says(&[&[3, 3], &[3]], |x| vec![linalg::solve_triangular(x[0], x[1], Triangle::default())], "on the left");
    says(&[&[3, 3], &[3, 2]], |x| vec![linalg::triangular_solve(x[0], x[1], Triangle::default())], "2 columns");
    says(&[&[3, 3]], |x| vec![linalg::matrix_norm(x[0], Norm::Of(3.0))], "3 is no norm of matrices");
    says(&[&[2, 3]], |x| vec![linalg::multi_dot(&x[..1])], "these are not the factors");
    says(&[&[2, 3, 4]], |x| vec![linalg::tensorinv(x[0], 1)], "do not have as many elements");
    says(
        &[&[3, 2]],
        |x| jvp(|x: Tensor| linalg::svd(x, true).0, x[0], x[0]).1.reshape([9]).split(0, [9]).to_vec(),
        "no derivative",
    );
    let half = trace_graph(&[Aval::new(DType::BF16, [2, 2])], |x| vec![linalg::inv(x[0])]).unwrap_err().to_string();
    assert!(half.contains("bf16 is not f32, f64, c64 or c128"), "{half}");
}
