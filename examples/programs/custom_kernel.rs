//! An operation of one's own in Rust, with its gradient and its batching: inverse and log-determinant of a positive definite
//! matrix.
use raxla::{
    einsum_n,
    prelude::*,
    prim::{Batching, CustomCall},
    runtime,
};
use raxla_xla::{
    Code, Error,
    ffi::{self, Call},
};

/// a: f64 `[.., n, n]` -> inverse f64 `[.., n, n]`, log-determinant f64 `[..]`
fn positive_definite(call: &mut Call) -> raxla_xla::Result<()> {
    let n = call.args[0].dims().last().map_or(0, |n| *n as usize);
    let a = call.args[0].as_slice::<f64>()?;
    let [inv, logdet] = &mut call.results[..] else { return Err(Error::new(Code::InvalidArgument, "two results")) };
    let (inv, logdet) = (inv.as_mut_slice::<f64>()?, logdet.as_mut_slice::<f64>()?);
    for ((a, inv), logdet) in a.chunks(n * n).zip(inv.chunks_mut(n * n)).zip(logdet) {
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let s: f64 = a[i * n + j] - (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum::<f64>();
                if i == j && s <= 0.0 {
                    return Err(Error::new(Code::InvalidArgument, format!("not positive definite: pivot {i} is {s}")));
                }
                l[i * n + j] = if i == j { s.sqrt() } else { s / l[j * n + j] };
            }
        }
        *logdet = 2.0 * (0..n).map(|i| l[i * n + i].ln()).sum::<f64>();
        for c in 0..n {
            let mut x = vec![0.0; n];
            for i in 0..n {
                let b = if i == c { 1.0 } else { 0.0 };
                x[i] = (b - (0..i).map(|k| l[i * n + k] * x[k]).sum::<f64>()) / l[i * n + i];
            }
            for i in (0..n).rev() {
                x[i] = (x[i] - (i + 1..n).map(|k| l[k * n + i] * x[k]).sum::<f64>()) / l[i * n + i];
            }
            (0..n).for_each(|i| inv[i * n + c] = x[i]);
        }
    }
    Ok(())
}

fn inv_logdet(a: Tensor) -> (Tensor, Tensor) {
    let raw = |a: Tensor| {
        let results = [a.aval(), Aval::new(DType::F64, [])];
        let call = CustomCall { batching: Batching::LeadingAxes, ..CustomCall::new("positive_definite", results) };
        let y = call.call(&[a]);
        (y[0], y[1])
    };
    let forward = move |a: Tensor| {
        let (inv, logdet) = raw(a);
        ((inv, logdet), inv)
    };
    let backward = |i: Tensor, (ci, cl): (Tensor, Tensor)| i * cl - einsum_n("ji,jk,lk->il", &[i, ci, i]);
    custom_vjp(raw, forward, backward)(a)
}

pub fn main() -> raxla::Result<()> {
    ffi::register(runtime::client()?.plugin(), "positive_definite", positive_definite)?;
    let all = |x: Tensor| {
        let a = x.matmul(x.swap_axes(0, 1)) + eye(3, DType::F64);
        let (inv, logdet) = inv_logdet(a);
        let many = vmap(inv_logdet)(stack(&[a, a * 2], 0)).1;
        (a.matmul(inv), logdet, grad(|a: Tensor| inv_logdet(a).1)(a) - inv, many)
    };
    let x = Array::from_slice([3, 3], &[1., 2., 3., 0., 1., 4., 5., 6., 0.])?;
    let (one, logdet, apart, many) = eager(all, (&x,))?;
    println!("a a⁻¹\n{one}\nlog-determinant {logdet}, of a and 2a {many}");
    assert!(
        apart.to_vec::<f64>()?.iter().all(|d| d.abs() < 1e-12),
        "the gradient of the log-determinant is the inverse"
    );
    let indefinite = Array::from_slice([2, 2], &[1., 2., 2., 1.])?;
    let error =
        eager(|a: Tensor| inv_logdet(a).1, (indefinite,)).and_then(|y| y.item::<f64>()).expect_err("indefinite");
    println!("{error}");
    Ok(())
}
