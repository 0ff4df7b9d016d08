//! Functions of complex numbers against JAX, whose values and derivatives are in tests/fixtures/complex.json; what refuses them; and every
//! method of tensors with them.
use crate::complex_cases::{Function, compare_all};
use raxla::{
    Complex32, Complex64, IndexMode, Mesh, P, ScanOptions, Window, complex, concat, cond, conv, einsum, eye,
    fft::{self, Norm},
    fori_loop, grad, hessian, holomorphic, iota, jacfwd, jacrev, linalg, literal, numpy,
    prelude::*,
    prim, psum, remat, runtime, scan_with, shard_map, special, stack,
    testing::close,
    trace::trace_graph,
    tree, where_,
};

const I: Complex64 = Complex64::I;
fn c(re: f64, im: f64) -> Complex64 {
    Complex64::new(re, im)
}
fn mobius(z: Tensor) -> Tensor {
    (z * c(1.0, 2.0) + 1.0) / (z * c(0.0, 0.5) + 2.0)
}
fn scanned(c: Tensor) -> (Tensor, Tensor) {
    let options = ScanOptions { length: Some(3), ..ScanOptions::default() };
    scan_with(options, |z: Tensor, ()| (z * z + c, z.real()), c, ())
}
fn indices() -> Tensor {
    literal(Host::ints(DType::I32, [3], vec![2, 0, 2]))
}
fn derivative(f: impl Fn(Tensor) -> Tensor + Copy + 'static, x: Tensor) -> Vec<Tensor> {
    vec![holomorphic::grad(move |x: Tensor| f(x).sum(..))(x)]
}
fn first(x: Tensor) -> Tensor {
    x.slice_axis(0, ..1)
}

fn well(x: Tensor) -> Tensor {
    x + eye(x.dim(-1), x.dtype()) * 3
}
/// With eigenvalues that are far from each other.
fn spread(x: Tensor) -> Tensor {
    x * 0.25 + eye(x.dim(-1), x.dtype()) * iota([x.dim(-1)], x.dtype().real(), 0).cast(x.dtype())
}
/// The sine of a matrix, which depends neither on the order of eigenvalues nor on the lengths of their vectors.
fn matrix_sine(x: Tensor) -> Tensor {
    let (w, v) = linalg::eig(x);
    (v * w.sin().expand_dims(-2)).matmul(linalg::inv(v))
}
fn pair((x, y): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![x, y]
}
fn svd_sine(x: &[Tensor]) -> Vec<Tensor> {
    let (u, s, vt) = linalg::svd(x[0], false);
    vec![(u * s.sin().cast(u.dtype()).expand_dims(-2)).matmul(vt), s]
}
/// With real parts that are equal here and there.
fn in_quarters(x: Tensor) -> Tensor {
    complex((x.real() * 4.0).round() / 4.0, x.imag())
}

fn cases() -> Vec<(&'static str, Function)> {
    vec![
        ("add", |x| vec![x[0] + x[1]]),
        ("sub", |x| vec![x[0] - x[1]]),
        ("mul", |x| vec![x[0] * x[1]]),
        ("div", |x| vec![x[0] / x[1]]),
        ("neg", |x| vec![-x[0]]),
        ("abs", |x| vec![x[0].abs()]),
        ("abs_of_zero", |x| vec![x[0].abs()]),
        ("sign", |x| vec![x[0].sign()]),
        ("exp", |x| vec![x[0].exp()]),
        ("expm1", |x| vec![x[0].expm1()]),
        ("log", |x| vec![x[0].log()]),
        ("log1p", |x| vec![x[0].log1p()]),
        ("sin", |x| vec![x[0].sin()]),
        ("cos", |x| vec![x[0].cos()]),
        ("tanh", |x| vec![x[0].tanh()]),
        ("logistic", |x| vec![x[0].logistic()]),
        ("sqrt", |x| vec![x[0].sqrt()]),
        ("sqrt_left", |x| vec![x[0].sqrt()]),
        ("rsqrt", |x| vec![x[0].rsqrt()]),
        ("pow", |x| vec![x[0].pow(x[1])]),
        ("cube", |x| vec![x[0].powi(3)]),
        ("inverse_square", |x| vec![x[0].powi(-2)]),
        ("real", |x| vec![x[0].real()]),
        ("imag", |x| vec![x[0].imag()]),
        ("conj", |x| vec![x[0].conj()]),
        ("angle", |x| vec![x[0].angle()]),
        ("complex", |x| vec![complex(x[0], x[1])]),
        ("polar", |x| {
            let turn = (complex(x[1].like(0), x[1])).exp();
            vec![x[0].cast(turn.dtype()) * turn]
        }),
        ("square_of_absolute", |x| vec![(x[0] * x[0].conj()).real()]),
        ("log_of_absolute", |x| vec![x[0].abs().log()]),
        ("imaginary_unit", |x| vec![I * x[0] + c(2.0, -3.0)]),
        ("unit_times_real", |x| vec![(I * complex(x[0], 0)).cos()]),
        ("real_times_complex", |x| vec![x[0].cast(x[1].dtype()) * x[1]]),
        ("complex_of_real", |x| vec![x[0].cast(complex(x[0], 0).dtype()).powi(2)]),
        ("reciprocal", |x| vec![1.0 / x[0]]),
        ("horner", |x| vec![(c(2.0, -1.0) * x[0] + c(0.0, 0.5)) * x[0] + 3]),
        ("mobius", |x| vec![mobius(x[0])]),
        ("newton", |x| vec![x[0] - (x[0].powi(3) - 1.0) / (3.0 * x[0].powi(2))]),
        ("matmul", |x| vec![x[0].matmul(x[1])]),
        ("matvec", |x| vec![x[0].matmul(x[1])]),
        ("vdot", |x| vec![(x[0].conj() * x[1]).sum(..)]),
        ("hermitian", |x| vec![x[0].matmul(x[0].conj().transpose([1, 0]))]),
        ("einsum_batch", |x| vec![einsum("bij,bkj->bik", x[0], x[1])]),
        ("outer", |x| vec![linalg::outer(x[0], x[1])]),
        ("matrix_power", |x| vec![linalg::matrix_power(x[0], 3)]),
        ("trace", |x| vec![linalg::trace(x[0])]),
        ("sum", |x| vec![x[0].sum(0)]),
        ("prod", |x| vec![x[0].prod(..)]),
        ("mean", |x| vec![x[0].mean(..)]),
        ("var", |x| vec![x[0].var(..)]),
        ("std", |x| vec![x[0].std(0)]),
        ("cumsum", |x| vec![prim::cumsum(x[0], 0, false)]),
        ("cumprod", |x| vec![prim::cumprod(x[0], 0, false)]),
        ("take", |x| vec![x[0].take(indices(), 0)]),
        ("set", |x| vec![x[0].at(raxla::full([], DType::I32, 1)).set(x[1])]),
        ("add_at", |x| vec![x[0].at(indices()).add(x[1])]),
        ("slice", |x| vec![x[0].slice_axis(0, 1..)]),
        ("dynamic_slice", |x| vec![x[0].dynamic_slice_axis(0, raxla::full([], DType::I32, 1), 2)]),
        ("concatenate", |x| vec![concat(x, 0)]),
        ("pad", |x| vec![prim::pad(x[0], raxla::full([], x[0].dtype(), c(2.0, 1.0)), [(1, 2, 1)])]),
        ("flip", |x| vec![x[0].flip(0)]),
        ("transpose", |x| vec![x[0].transpose([1, 0]) * I]),
        ("broadcast", |x| vec![x[0].expand_dims(1) + x[1]]),
        ("where", |x| vec![where_(x[0].real().gt(0), x[0], x[1])]),
        ("roll", |x| vec![x[0].roll(1, 0)]),
        ("convolution", |x| {
            let [image, kernel] = [0, 1].map(|i| x[i].expand_dims(0).expand_dims(0));
            vec![conv("ncx,oix->ncx", image, kernel, Window::default()).reshape([4])]
        }),
        ("scan", |x| {
            let (z, real) = scanned(x[0]);
            vec![z, real]
        }),
        ("fori", |x| vec![fori_loop(0, 3, |_, z: Tensor| z * z + x[0], x[0])]),
        ("cond", |x| {
            let positive = first(x[0]).real().squeeze(0).gt(0);
            vec![cond(positive, |z: Tensor| z * I, |z| z * z, x[0])]
        }),
        ("remat", |x| vec![remat(|x: Tensor| x.sin() * x)(x[0])]),
        ("grad_of_cube", |x| derivative(|x| x.powi(3), x[0])),
        ("grad_of_exp_sin", |x| derivative(|x| x.exp() * x.sin(), x[0])),
        ("grad_of_mobius", |x| derivative(mobius, x[0])),
        ("grad_of_log_sqrt", |x| derivative(|x| x.log() / x.sqrt(), x[0])),
        ("grad_of_pow", |x| derivative(|x| x.pow(c(0.3, 1.0)), x[0])),
        ("grad_of_tanh_prod", |x| derivative(|x| x.tanh().prod(..), x[0])),
        ("grad_of_matrices", |x| derivative(|x| x.matmul(x).matmul(x), x[0])),
        ("grad_of_scan", |x| derivative(|x| scanned(x).0, x[0])),
        ("grad_of_grad", |x| derivative(|x| derivative(|y| y.cos() * y, x)[0], x[0])),
        ("jacfwd", |x| vec![holomorphic::jacfwd(|x: Tensor| x.exp() * first(x))(x[0])]),
        ("jacrev", |x| vec![holomorphic::jacrev(|x: Tensor| x.exp() * first(x))(x[0])]),
        ("jacfwd_of_real", |x| vec![jacfwd(|x: Tensor| complex(x.like(0), x).exp())(x[0])]),
        ("grad_through_complex", |x| {
            vec![grad(|x: Tensor| (complex(x.like(0), x).exp() + complex(x, 0)).abs().sum(..))(x[0])]
        }),
        ("solve", |x| vec![linalg::solve(well(x[0]), x[1])]),
        ("solve_vector", |x| vec![linalg::solve(well(x[0]), x[1])]),
        ("inv", |x| vec![linalg::inv(well(x[0]))]),
        ("cholesky", |x| {
            let square = x[0].matmul(x[0].conj().swap_axes(-1, -2));
            vec![linalg::cholesky(square + eye(3, square.dtype()) * 2)]
        }),
        ("eigvals", |x| vec![linalg::eigvals(x[0]).sin().sum(-1)]),
        ("eigvals_of_real", |x| vec![linalg::eigvals(x[0]).sin().sum(-1)]),
        ("eig", |x| vec![matrix_sine(spread(x[0]))]),
        ("eig_of_real", |x| vec![matrix_sine(spread(x[0]))]),
        ("eig_sizes", |x| {
            let (w, v) = linalg::eig(x[0]);
            vec![((v * v.conj()) * w.expand_dims(-2)).sum(-1)]
        }),
        ("eig_parts", |x| {
            let (w, v) = linalg::eig(x[0]);
            vec![(v * w.expand_dims(-2)).sum(-1)]
        }),
        ("solve_triangular_adjoint", |x| {
            let adjoint = linalg::Triangle { transpose: true, conjugate: true, ..linalg::Triangle::LOWER };
            vec![linalg::solve_triangular(x[0], x[1], adjoint)]
        }),
        ("cho_solve", |x| {
            let square = x[0].matmul(x[0].conj().swap_axes(-1, -2)) + eye(3, x[0].dtype()) * 2;
            vec![linalg::cho_solve(linalg::cho_factor(square, false), x[1])]
        }),
        ("lu", |x| vec![linalg::lu_factor(x[0]).0]),
        ("lu_tall", |x| vec![linalg::lu_factor(x[0]).0]),
        ("lu_wide", |x| vec![linalg::lu_factor(x[0]).0]),
        ("det", |x| vec![linalg::det(x[0])]),
        ("slogdet", |x| pair(linalg::slogdet(x[0]))),
        ("qr", |x| pair(linalg::qr(x[0], false))),
        ("qr_wide", |x| pair(linalg::qr(x[0], false))),
        ("qr_complete", |x| pair(linalg::qr(x[0], true))),
        ("eigh", |x| {
            let (w, v) = linalg::eigh(x[0]);
            let sine = w.sin().cast(v.dtype()).expand_dims(-2);
            vec![(v * sine).matmul(v.conj().swap_axes(-1, -2)), w]
        }),
        ("eigvalsh", |x| vec![linalg::eigvalsh(x[0])]),
        ("svd", svd_sine),
        ("svd_tall", svd_sine),
        ("svd_wide", svd_sine),
        ("svdvals", |x| vec![linalg::svdvals(x[0])]),
        ("pinv", |x| vec![linalg::pinv(x[0], None)]),
        ("pinv_wide", |x| vec![linalg::pinv(x[0], None)]),
        ("pinv_rank_2", |x| vec![linalg::pinv(x[0], None)]),
        ("lstsq", |x| {
            let y = linalg::lstsq(x[0], x[1], None);
            vec![y.x, y.residuals, y.s]
        }),
        ("lstsq_wide", |x| vec![linalg::lstsq(x[0], x[1], None).x]),
        ("matrix_power_negative", |x| vec![linalg::matrix_power(x[0], -3)]),
        ("expm", |x| vec![linalg::expm(x[0])]),
        ("matrix_norm_nuc", |x| vec![linalg::matrix_norm(x[0], linalg::Norm::Nuclear)]),
        ("matrix_norm_2", |x| vec![linalg::matrix_norm(x[0], linalg::Norm::Of(2.0))]),
        ("matrix_norm_1", |x| vec![linalg::matrix_norm(x[0], linalg::Norm::Of(1.0))]),
        ("vector_norm_3", |x| vec![linalg::vector_norm(x[0], 3.0, ..)]),
        ("cond_2", |x| vec![linalg::cond(x[0], linalg::Norm::Of(2.0))]),
        ("cond_1", |x| vec![linalg::cond(x[0], linalg::Norm::Of(1.0))]),
        ("matrix_rank", |x| vec![linalg::matrix_rank(x[0], None)]),
        ("sqrtm", |x| vec![linalg::sqrtm(x[0])]),
        ("sqrtm_of_real", |x| vec![linalg::sqrtm(x[0])]),
        ("funm", |x| vec![linalg::funm(x[0], Tensor::sin)]),
        ("funm_of_real", |x| vec![linalg::funm(x[0], Tensor::exp)]),
        ("rsf2csf", |x| {
            let (t, z) = linalg::schur(x[0], linalg::SchurForm::Real);
            let (t, z) = linalg::rsf2csf(t, z);
            vec![z.matmul(t).matmul(z.conj().swap_axes(-1, -2)), t.tril(-1)]
        }),
        ("wofz", |x| vec![special::wofz(x[0] * 3.0)]),
        ("wofz_of_real", |x| vec![special::wofz(x[0])]),
        ("sph_harm_y", |x| {
            let ints = |v: [i128; 8]| literal(Host::ints(DType::I32, [8], v.to_vec()));
            let (degrees, orders) = (ints([0, 1, 1, 2, 3, 5, 7, 7]), ints([0, 0, -1, 2, -2, 3, -7, 0]));
            vec![special::sph_harm_y(degrees, orders, x[0], x[1], 7)]
        }),
        ("roots", |x| vec![numpy::roots(x[0]).sort(-1)]),
        ("roots_of_real", |x| vec![numpy::roots(x[0]).sin().sum(-1)]),
        ("sort", |x| vec![in_quarters(x[0]).sort(-1)]),
        ("roots_zeros", |x| {
            let sorted = numpy::roots(x[0]).sort(-1);
            vec![sorted.slice_axis(0, ..3), sorted.is_finite()]
        }),
        ("argsort", |x| vec![in_quarters(x[0]).argsort(-1)]),
        ("sort_complex", |x| vec![complex(x[0], 0.0).sort(-1)]),
        ("eq", |x| vec![x[0].eq(x[1])]),
        ("eq_itself", |x| vec![x[0].eq(x[0])]),
        ("ne", |x| vec![x[0].ne(x[1])]),
        ("isfinite", |x| vec![x[0].is_finite()]),
        ("to_bool", |x| vec![x[0].cast(DType::Bool)]),
        ("any", |x| vec![x[0].any(..)]),
    ]
}

#[test]
fn values_and_derivatives_are_those_of_jax() {
    compare_all("complex", &cases());
}

fn refusal(dtype: DType, f: impl FnOnce(Tensor) -> Tensor) -> String {
    trace_graph(&[Aval::new(dtype, [2])], |x| vec![f(x[0])]).expect_err("it is refused").to_string()
}

#[test]
fn what_has_no_meaning_is_refused_with_a_remedy() {
    let of_c64 = |f: fn(Tensor) -> Tensor, want: &str| {
        let have = refusal(DType::C64, f);
        assert!(have.contains(want), "{have}");
    };
    of_c64(|x| x.lt(x), "lt of c64[2] and c64[2]: c64 is not an ordered type");
    of_c64(|x| x.maximum(0.0), "maximum of c64[2] and c64[2]: c64 is not an ordered type");
    of_c64(|x| x.top_k(1).0, "take `x.real()`, `x.imag()` or `x.abs()` of complex numbers");
    of_c64(|x| x.cast(DType::F32), "converting c64 to f32 would drop the imaginary parts");
    of_c64(|x| x.softmax(0), "take `x.real()` or `x.abs()` of complex numbers");
    of_c64(|x| x.cbrt(), "cbrt of c64[2]: c64 is not a float");
    of_c64(|x| grad(|x: Tensor| x.sum(..))(x), "the argument is c64[2]: `grad` is of real numbers");
    of_c64(|x| jacrev(|x: Tensor| x)(x), "the argument is c64[2]: `jacrev` is of real numbers");
    of_c64(|x| hessian(|x: Tensor| x.sum(..))(x), "is of real numbers");
    of_c64(
        |x| holomorphic::grad(|x: Tensor| x.abs().sum(..))(x),
        "the result is f32[]: a holomorphic function is of complex",
    );
    let of_f32 = |f: fn(Tensor) -> Tensor, want: &str| {
        let have = refusal(DType::F32, f);
        assert!(have.contains(want), "{have}");
    };
    of_f32(|x| x * I, "the number 0+1i does not fit f32, which has no imaginary part");
    of_f32(|x| x * I, "help: convert what it meets: `.cast(DType::C64)`");
    of_f32(|x| grad(|x: Tensor| complex(x, 1.0).sum(..))(x), "the result is c64[]: `grad` is of real numbers");
    of_f32(
        |x| holomorphic::grad(|x: Tensor| x.sum(..))(x),
        "the argument is f32[2]: a holomorphic function is of complex",
    );
    let bf16 = refusal(DType::BF16, |x| complex(x, x));
    assert!(bf16.contains("bf16 is not f32 or f64, of which complex numbers are made"), "{bf16}");
}

#[test]
fn arrays_of_them_go_in_and_out() -> raxla::Result<()> {
    let z = [Complex32::new(1.0, -2.0), Complex32::new(0.5, f32::INFINITY)];
    let x = Array::from_slice([2], &z)?;
    assert_eq!((x.aval().to_string().as_str(), x.to_vec::<Complex32>()?), ("c64[2]", z.to_vec()));
    assert_eq!(x.to_string(), "[1.  -2.j 0.5+infj]");
    let wide = jit(|x: Tensor| (x.cast(DType::C128), literal(Host::complex(DType::C64, [2], vec![I, c(0.1, 7.0)]))));
    let (wide, constant) = wide.call((&x,))?;
    assert_eq!(wide.to_vec::<Complex64>()?, z.map(|z| c(z.re.into(), z.im.into())));
    assert_eq!(constant.to_vec::<Complex32>()?, [Complex32::I, Complex32::new(0.1, 7.0)]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("z.safetensors");
    tree::save(&x, &path)?;
    assert_eq!(tree::load(&x, &path)?.to_vec::<Complex32>()?, z);
    let error = tree::save(&wide, &path).unwrap_err().to_string();
    assert!(error.contains("is c128[2], a dtype that safetensors does not have"), "{error}");
    assert!(error.contains("help: save its real and its imaginary part"), "{error}");
    Ok(())
}

#[test]
fn random_numbers_have_parts_of_half_the_variance() -> raxla::Result<()> {
    let (z, parts) = eager(
        |key: Key| {
            let z = key.normal([20000], DType::C64);
            (z, stack(&[z.real().var(..), z.imag().var(..), z.mean(..).abs()], 0))
        },
        (Key::host(3),),
    )?;
    assert_eq!(z.dtype(), DType::C64);
    let parts = parts.to_vec::<f32>()?;
    assert!((parts[0] - 0.5).abs() < 0.02 && (parts[1] - 0.5).abs() < 0.02 && parts[2] < 0.02, "{parts:?}");
    Ok(())
}

#[test]
fn devices_add_and_exchange_them() -> raxla::Result<()> {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(4), ..Default::default() })?;
    let mesh = Mesh::new(&client, [("x", 4)])?;
    let z: Vec<Complex32> = (0..8).map(|i| Complex32::new(i as f32, 1.0 - i as f32)).collect();
    let f = {
        let mesh = mesh.clone();
        move |z: Tensor| {
            let sum = |z: Tensor| psum(z * I, "x");
            (
                shard_map(&mesh, P!["x"], P![], sum)(z),
                shard_map(&mesh, P!["x"], P!["x"], |z: Tensor| fft::fft(z, None, 0, Norm::Backward))(z),
            )
        }
    };
    let (sum, pairs) = jit(f).on(&mesh).call((Array::on(&client, [8], &z)?,))?;
    assert_eq!(sum.to_vec::<Complex32>()?, [Complex32::new(8.0, 12.0), Complex32::new(12.0, 16.0)]);
    let pairs = pairs.to_vec::<Complex32>()?;
    assert_eq!(pairs[6..], [z[6] + z[7], z[6] - z[7]]);
    Ok(())
}

/// A method's name, and the method.
type Method = (&'static str, fn(Tensor) -> Tensor);
/// Methods of tensors, each with complex numbers.
const METHODS: &[Method] = &[
    ("abs", |x| x.abs()),
    ("add", |x| x + x),
    ("all", |x| x.all(..)),
    ("all_keep", |x| x.all_keep(0)),
    ("angle", |x| x.angle()),
    ("any", |x| x.any(0)),
    ("any_keep", |x| x.any_keep(0)),
    ("argmax", |x| x.argmax(0)),
    ("argmin", |x| x.argmin(0)),
    ("argsort", |x| x.argsort(0)),
    ("at", |x| x.at(raxla::arange(2, DType::I32)).mul(x)),
    ("at_min", |x| x.at(raxla::arange(2, DType::I32)).min(x)),
    ("atan2", |x| x.atan2(x)),
    ("bitand", |x| x & 1),
    ("bitcast", |x| x.bitcast(DType::U64)),
    ("broadcast_to", |x| x.broadcast_to([3, 2, 3])),
    ("cast", |x| x.cast(DType::I32)),
    ("cast_to_bool", |x| x.cast(DType::Bool)),
    ("cbrt", |x| x.cbrt()),
    ("ceil", |x| x.ceil()),
    ("clip", |x| x.clip(0, 1)),
    ("conj", |x| x.conj()),
    ("cos", |x| x.cos()),
    ("div", |x| x / (x + 5.0)),
    ("dynamic_index", |x| x.dynamic_index(0, raxla::full([], DType::I32, 1))),
    ("dynamic_slice_axis", |x| x.dynamic_slice_axis(0, raxla::full([], DType::I32, 1), 1)),
    ("dynamic_update_axis", |x| x.dynamic_update_axis(0, raxla::full([], DType::I32, 1), x.slice_axis(0, ..1))),
    ("eq", |x| x.eq(x)),
    ("erf", |x| x.erf()),
    ("erf_inv", |x| x.erf_inv()),
    ("exp", |x| x.exp()),
    ("expand_dims", |x| x.expand_dims(0)),
    ("expm1", |x| x.expm1()),
    ("flip", |x| x.flip(1)),
    ("floor", |x| x.floor()),
    ("ge", |x| x.ge(x)),
    ("gt", |x| x.gt(0)),
    ("imag", |x| x.imag()),
    ("is_finite", |x| x.is_finite()),
    ("is_nan", |x| x.is_nan()),
    ("le", |x| x.le(x)),
    ("leading_zeros", |x| x.leading_zeros()),
    ("like", |x| x.like(Complex64::I)),
    ("log", |x| x.log()),
    ("log1p", |x| x.log1p()),
    ("log_softmax", |x| x.log_softmax(0)),
    ("logaddexp", |x| x.logaddexp(x)),
    ("logistic", |x| x.logistic()),
    ("logsumexp", |x| x.logsumexp(0)),
    ("lt", |x| x.lt(x)),
    ("matmul", |x| x.matmul(x.swap_axes(0, 1))),
    ("max", |x| x.max(0)),
    ("maximum", |x| x.maximum(x)),
    ("mean", |x| x.mean(0)),
    ("mean_keep", |x| x.mean_keep(0)),
    ("merge", |x| x.merge(..)),
    ("min", |x| x.min(0)),
    ("minimum", |x| x.minimum(x)),
    ("modulo", |x| x.modulo(x)),
    ("move_axis", |x| x.move_axis(0, 1)),
    ("mul", |x| x * x),
    ("ne", |x| x.ne(x)),
    ("neg", |x| -x),
    ("not", |x| !x),
    ("one_hot", |x| raxla::one_hot(x, 3, DType::F32)),
    ("population_count", |x| x.population_count()),
    ("pow", |x| x.pow(x)),
    ("powi", |x| x.powi(-1)),
    ("prod", |x| x.prod(1)),
    ("real", |x| x.real()),
    ("reduce_precision", |x| x.reduce_precision(5, 10)),
    ("rem", |x| x % x),
    ("repeat", |x| x.repeat(2, 0)),
    ("reshape", |x| x.reshape([3, 2])),
    ("roll", |x| x.roll(1, 0)),
    ("round", |x| x.round()),
    ("round_away", |x| x.round_away()),
    ("rsqrt", |x| x.rsqrt()),
    ("shl", |x| x << 1),
    ("shr", |x| x >> 1),
    ("sign", |x| x.sign()),
    ("sin", |x| x.sin()),
    ("slice_axis", |x| x.slice_axis(1, 1..)),
    ("softmax", |x| x.softmax(0)),
    ("sort", |x| x.sort(0)),
    ("split", |x| x.split(0, 2)[0]),
    ("split_axis", |x| x.split_axis(1, [3, 1])),
    ("sqrt", |x| x.sqrt()),
    ("squeeze", |x| x.slice_axis(0, ..1).squeeze(0)),
    ("std", |x| x.std(0)),
    ("stop_gradient", |x| x.stop_gradient()),
    ("sub", |x| x - 1.0),
    ("sum", |x| x.sum(..)),
    ("swap_axes", |x| x.swap_axes(0, 1)),
    ("take", |x| x.take(raxla::arange(2, DType::I32), 1)),
    ("take_along_axis", |x| x.take_along_axis(raxla::zeros([1, 3], DType::I32), 0)),
    ("take_with", |x| x.take_with(raxla::arange(5, DType::I32), 0, IndexMode::Fill)),
    ("tanh", |x| x.tanh()),
    ("tile", |x| x.tile([2, 1])),
    ("top_k", |x| x.top_k(1).0),
    ("transpose", |x| x.transpose([1, 0])),
    ("tril", |x| x.tril(0)),
    ("triu", |x| x.triu(0)),
    ("var", |x| x.var(1)),
    ("where", |x| where_(x.ne(0), x, 1.0)),
    ("cumsum", |x| prim::cumsum(x, 0, false)),
    ("cummax", |x| prim::cummax(x, 0, false)),
    ("cumlogsumexp", |x| prim::cumlogsumexp(x, 0, false)),
    ("norm", linalg::norm),
    ("inv", |x| linalg::inv(x.slice_axis(1, ..2))),
    ("expm", |x| linalg::expm(x.slice_axis(1, ..2))),
    ("eigh", |x| linalg::eigh(x.slice_axis(1, ..2)).0),
];

/// What a method gives is what the interpreter gives, or it refuses, naming the dtype; it never ends the process.
#[test]
fn every_method_takes_them_or_refuses() {
    let x = prim::sample(DType::C64, &[2, 3], 5);
    let array = Array::from_host(&x).unwrap();
    let (mut failures, mut refused) = (vec![], vec![]);
    for (name, f) in METHODS {
        match (trace_graph(&[x.aval().clone()], |t| vec![f(t[0])]), jit(*f).call((&array,))) {
            (Ok(g), Ok(y)) => {
                let want = g.eval(std::slice::from_ref(&x)).swap_remove(0);
                failures.extend(close(&y.to_host().unwrap(), &want, 3e-6).err().map(|e| format!("{name}: {e}")));
            }
            (Err(why), Err(e)) if e.to_string().contains("c64") && why.help.is_some() => refused.push(*name),
            (g, y) => failures.push(format!("{name}: {:?} {:?}", g.err(), y.err())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(refused.len() > 30 && METHODS.len() - refused.len() > 60, "refused: {refused:?}");
}

#[test]
fn files_of_complex_numbers_are_not_read_as_floats() {
    let path = std::env::temp_dir().join(format!("complex-{}.safetensors", std::process::id()));
    let x = Array::from_slice([2], &[Complex32::new(1.0, 2.0), Complex32::new(0.0, -1.0)]).unwrap();
    tree::save(&x, &path).unwrap();
    assert_eq!(tree::load(x.aval(), &path).unwrap().to_vec::<Complex32>().unwrap(), x.to_vec::<Complex32>().unwrap());
    for dims in [vec![2], vec![4], vec![2, 2]] {
        let like = Aval::new(DType::F32, dims);
        let error = tree::load(&like, &path).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("is c64[2] and not {like}")), "{error}");
        assert!(error.contains("load it like the tree that was saved"), "{error}");
    }
    std::fs::remove_file(path).unwrap();
}
