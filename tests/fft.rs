//! `raxla::fft` against `jax.numpy.fft`, whose values and derivatives are in tests/fixtures/fft.json; and its refusals.
use crate::complex_cases::{Function, compare_all};
use raxla::{
    Complex64,
    fft::{self, Norm},
    grad, holomorphic,
    prelude::*,
    prim,
    trace::trace_graph,
};

const BACKWARD: Norm = Norm::Backward;
const ORTHO: Norm = Norm::Ortho;
const FORWARD: Norm = Norm::Forward;

/// The results do not depend on the argument.
fn beside(x: Tensor, y: Tensor) -> Vec<Tensor> {
    vec![y.cast(x.dtype())]
}
fn derivative(x: Tensor) -> Tensor {
    let spectrum = fft::rfft(x, None, -1, BACKWARD);
    let k = fft::rfftfreq(6, 1.0 / 6.0, x.dtype()).cast(spectrum.dtype()) * Complex64::new(0.0, std::f64::consts::TAU);
    fft::irfft(spectrum * k, None, -1, BACKWARD)
}
fn filtered(x: Tensor) -> Tensor {
    let spectrum = fft::rfft(x, None, -1, BACKWARD);
    fft::irfft(spectrum * raxla::arange(4, spectrum.dtype()), None, -1, BACKWARD)
}

fn cases() -> Vec<(&'static str, Function)> {
    vec![
        ("fft_backward", |x| vec![fft::fft(x[0], None, -1, BACKWARD)]),
        ("fft_ortho", |x| vec![fft::fft(x[0], None, -1, ORTHO)]),
        ("fft_forward", |x| vec![fft::fft(x[0], None, -1, FORWARD)]),
        ("ifft_backward", |x| vec![fft::ifft(x[0], None, -1, BACKWARD)]),
        ("ifft_ortho", |x| vec![fft::ifft(x[0], None, -1, ORTHO)]),
        ("ifft_forward", |x| vec![fft::ifft(x[0], None, -1, FORWARD)]),
        ("rfft_backward", |x| vec![fft::rfft(x[0], None, -1, BACKWARD)]),
        ("rfft_ortho", |x| vec![fft::rfft(x[0], None, -1, ORTHO)]),
        ("rfft_forward", |x| vec![fft::rfft(x[0], None, -1, FORWARD)]),
        ("irfft_backward", |x| vec![fft::irfft(x[0], None, -1, BACKWARD)]),
        ("irfft_ortho", |x| vec![fft::irfft(x[0], None, -1, ORTHO)]),
        ("irfft_forward", |x| vec![fft::irfft(x[0], None, -1, FORWARD)]),
        ("hfft_backward", |x| vec![fft::hfft(x[0], None, -1, BACKWARD)]),
        ("hfft_ortho", |x| vec![fft::hfft(x[0], None, -1, ORTHO)]),
        ("hfft_forward", |x| vec![fft::hfft(x[0], None, -1, FORWARD)]),
        ("ihfft_backward", |x| vec![fft::ihfft(x[0], None, -1, BACKWARD)]),
        ("ihfft_ortho", |x| vec![fft::ihfft(x[0], None, -1, ORTHO)]),
        ("ihfft_forward", |x| vec![fft::ihfft(x[0], None, -1, FORWARD)]),
        ("fft_of_real", |x| vec![fft::fft(x[0], None, -1, BACKWARD)]),
        ("fft_prime", |x| vec![fft::fft(x[0], None, -1, BACKWARD)]),
        ("fft_of_one", |x| vec![fft::fft(x[0], None, -1, BACKWARD)]),
        ("fft_first_axis", |x| vec![fft::fft(x[0], None, 0, BACKWARD)]),
        ("fft_cut", |x| vec![fft::fft(x[0], Some(3), -1, BACKWARD)]),
        ("fft_filled", |x| vec![fft::fft(x[0], Some(7), 0, BACKWARD)]),
        ("ifft_filled", |x| vec![fft::ifft(x[0], Some(5), -1, ORTHO)]),
        ("rfft_odd", |x| vec![fft::rfft(x[0], None, -1, BACKWARD)]),
        ("rfft_cut", |x| vec![fft::rfft(x[0], Some(4), 0, BACKWARD)]),
        ("irfft_odd", |x| vec![fft::irfft(x[0], Some(5), -1, BACKWARD)]),
        ("irfft_cut", |x| vec![fft::irfft(x[0], Some(4), 0, BACKWARD)]),
        ("irfft_filled", |x| vec![fft::irfft(x[0], Some(9), -1, BACKWARD)]),
        ("irfft_of_real", |x| vec![fft::irfft(x[0], None, -1, BACKWARD)]),
        ("hfft_odd", |x| vec![fft::hfft(x[0], Some(5), -1, BACKWARD)]),
        ("ihfft_odd", |x| vec![fft::ihfft(x[0], Some(5), -1, BACKWARD)]),
        ("fft2", |x| vec![fft::fft2(x[0], None, [-2, -1], BACKWARD)]),
        ("fft2_axes", |x| vec![fft::fft2(x[0], None, [0, 2], ORTHO)]),
        ("ifft2", |x| vec![fft::ifft2(x[0], Some([4, 2]), [-2, -1], BACKWARD)]),
        ("rfft2", |x| vec![fft::rfft2(x[0], None, [-2, -1], BACKWARD)]),
        ("rfft2_axes", |x| vec![fft::rfft2(x[0], None, [1, 0], FORWARD)]),
        ("irfft2", |x| vec![fft::irfft2(x[0], None, [-2, -1], BACKWARD)]),
        ("irfft2_odd", |x| vec![fft::irfft2(x[0], Some([3, 5]), [-2, -1], ORTHO)]),
        ("fftn", |x| vec![fft::fftn(x[0], None, None, BACKWARD)]),
        ("fftn_four", |x| vec![fft::fftn(x[0], None, None, BACKWARD)]),
        ("fftn_sizes", |x| vec![fft::fftn(x[0], Some(&[2, 4]), None, BACKWARD)]),
        ("fftn_axes", |x| vec![fft::fftn(x[0], Some(&[4, 2]), Some(&[2, 0]), FORWARD)]),
        ("ifftn", |x| vec![fft::ifftn(x[0], None, None, BACKWARD)]),
        ("ifftn_five", |x| vec![fft::ifftn(x[0], None, None, ORTHO)]),
        ("rfftn", |x| vec![fft::rfftn(x[0], None, None, BACKWARD)]),
        ("rfftn_four", |x| vec![fft::rfftn(x[0], None, None, BACKWARD)]),
        ("irfftn", |x| vec![fft::irfftn(x[0], None, None, BACKWARD)]),
        ("irfftn_four", |x| vec![fft::irfftn(x[0], Some(&[2, 2, 3, 3]), None, BACKWARD)]),
        ("irfftn_axes", |x| vec![fft::irfftn(x[0], None, Some(&[2, 0]), BACKWARD)]),
        ("shift", |x| vec![fft::fftshift(x[0], None)]),
        ("shift_one", |x| vec![fft::fftshift(x[0], Some(&[1]))]),
        ("unshift", |x| vec![fft::ifftshift(x[0], Some(&[0, 1]))]),
        ("derivative", |x| vec![derivative(x[0])]),
        ("convolution", |x| {
            let transform = |x: Tensor| fft::fft(x, None, -1, BACKWARD);
            vec![fft::ifft(transform(x[0]) * transform(x[1]), None, -1, BACKWARD).real()]
        }),
        ("power", |x| vec![fft::rfft(x[0], None, -1, BACKWARD).abs().powi(2)]),
        ("grad_of_power", |x| vec![grad(|x: Tensor| fft::fft(x, None, -1, BACKWARD).abs().powi(4).sum(..))(x[0])]),
        ("grad_of_filter", |x| vec![grad(|x: Tensor| filtered(x).powi(3).sum(..))(x[0])]),
        ("holomorphic", |x| vec![holomorphic::grad(|x: Tensor| fft::fft(x, None, -1, BACKWARD).powi(2).sum(..))(x[0])]),
        ("empty_batch", |x| vec![fft::fft(x[0], None, -1, BACKWARD)]),
        ("empty_line", |x| vec![fft::fft(x[0], None, -1, ORTHO)]),
        ("empty_inverse", |x| vec![fft::ifft(x[0], None, 0, BACKWARD)]),
        ("empty_filled", |x| vec![fft::fft(x[0], Some(4), -1, BACKWARD)]),
        ("empty_batch_real", |x| vec![fft::rfft(x[0], None, -1, BACKWARD)]),
        ("empty_to_real", |x| vec![fft::irfft(x[0], None, -1, BACKWARD)]),
        ("one_to_real", |x| vec![fft::irfft(x[0], None, -1, BACKWARD)]),
        ("empty_hermitian", |x| vec![fft::hfft(x[0], None, -1, BACKWARD)]),
        ("empty_fft2", |x| vec![fft::fft2(x[0], None, [-2, -1], BACKWARD)]),
        ("empty_rfft2", |x| vec![fft::rfft2(x[0], None, [-2, -1], BACKWARD)]),
        ("empty_irfft2", |x| vec![fft::irfft2(x[0], None, [-2, -1], BACKWARD)]),
        ("empty_rfftn", |x| vec![fft::rfftn(x[0], None, Some(&[1, 0, 2]), BACKWARD)]),
        ("empty_fftn_four", |x| vec![fft::fftn(x[0], None, None, BACKWARD)]),
        ("empty_shift", |x| vec![fft::fftshift(x[0], None)]),
        ("freq_none", |x| beside(x[0], fft::fftfreq(0, 1.0, DType::F64))),
        ("freq_even", |x| beside(x[0], fft::fftfreq(6, 0.5, DType::F64))),
        ("freq_odd", |x| beside(x[0], fft::fftfreq(5, 1.0, DType::F64))),
        ("rfreq_even", |x| beside(x[0], fft::rfftfreq(6, 0.1, DType::F64))),
        ("rfreq_odd", |x| beside(x[0], fft::rfftfreq(7, 2.0, DType::F64))),
        ("long_prime", |x| vec![fft::fft(x[0], None, -1, BACKWARD)]),
    ]
}

#[test]
fn values_and_derivatives_are_those_of_jax() {
    compare_all("fft", &cases());
}

#[test]
fn what_cannot_be_transformed_is_refused() {
    let refused = |dtype: DType, dims: &[usize], f: fn(Tensor) -> Tensor| {
        trace_graph(&[Aval::new(dtype, dims)], |x| vec![f(x[0])]).expect_err("it is refused").to_string()
    };
    let check = |have: String, want: &str| assert!(have.contains(want), "{have}");
    check(refused(DType::I32, &[4], |x| fft::fft(x, None, -1, BACKWARD)), "fft of i32[4]: i32 is not complex");
    check(refused(DType::C64, &[4], |x| fft::rfft(x, None, -1, BACKWARD)), "use `fft` for complex numbers");
    check(refused(DType::BF16, &[4], |x| fft::rfft(x, None, -1, BACKWARD)), "rfft of bf16[4]: bf16 is not f32 or f64");
    check(refused(DType::F32, &[4], |x| fft::fft(x, None, 1, BACKWARD)), "it has not all of the axes [1]");
    check(refused(DType::F32, &[3, 0], |x| fft::rfft(x, None, 1, BACKWARD)), "there is no transform of [0] numbers");
    check(refused(DType::F32, &[0], |x| fft::ihfft(x, None, 0, BACKWARD)), "there is no transform of [0] numbers");
    check(refused(DType::F32, &[4], |x| fft::fft(x, Some(0), 0, BACKWARD)), "there is no transform of [0] numbers");
    check(refused(DType::F32, &[2, 2], |x| fft::fft2(x, None, [1, -1], BACKWARD)), "an axis is named twice in [1, 1]");
    check(
        refused(DType::F32, &[2, 2], |x| fft::fftn(x, Some(&[2]), Some(&[0, 1]), BACKWARD)),
        "1 sizes are given for 2 axes",
    );
    check(refused(DType::F32, &[2], |x| x + fft::fftfreq(2, 1.0, DType::I32).cast(x.dtype())), "i32 is not a float");
    check(
        refused(DType::C64, &[2], |x| prim::fft(x, prim::FftType::Fft, [3])),
        "the last axes must be [3] for a transform of [3]",
    );
}

/// One to many axes, and many numbers, against the reference that the interpreter computes by other factors than XLA.
#[test]
fn long_transforms_are_those_of_the_interpreter() {
    for n in [1024usize, 1000, 1009] {
        let x = prim::sample(DType::C128, &[2, n], 3);
        let f = |x: Tensor| fft::fft(x, None, -1, ORTHO);
        let want = trace_graph(&[x.aval().clone()], |x| vec![f(x[0])]).unwrap().eval(std::slice::from_ref(&x));
        let have = jit(f).call((Array::from_host(&x).unwrap(),)).unwrap().to_host().unwrap();
        raxla::testing::assert_close(&have, &want[0], 1e-12);
    }
}
