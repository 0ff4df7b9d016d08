//! The Lorenz system by Runge-Kutta in f64: how its final state depends on the first, by every mode of differentiation.
use raxla::{prelude::*, testing};

fn field(s: Tensor) -> Tensor {
    let [x, y, z] = s.unstack();
    stack(&[(y - x) * 10.0, x * (28.0 - z) - y, x * y - z * (8.0 / 3.0)], 0)
}
fn rk4(s: Tensor, dt: f64) -> Tensor {
    let k1 = field(s);
    let k2 = field(s + k1 * (dt / 2.0));
    let k3 = field(s + k2 * (dt / 2.0));
    let k4 = field(s + k3 * dt);
    s + (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (dt / 6.0)
}
fn end(s: Tensor) -> Tensor {
    let options = ScanOptions { length: Some(100), ..Default::default() };
    scan_with(options, |s: Tensor, ()| (rk4(s, 0.01), ()), s, ()).0
}

pub fn main() -> raxla::Result<()> {
    let start = Array::from_slice([3], &[1., 1., 1.])?;
    let first = |s: Tensor| end(s).slice_axis(0, ..1).sum(0);
    let all = |s: Tensor| (end(s), jacfwd(end)(s), jacrev(end)(s), grad(first)(s), hessian(first)(s));
    let (end_state, forward, reverse, gradient, curvature) = eager(all, (&start,))?;
    println!("end {end_state}\njacobian\n{forward}\ngradient {gradient}\nhessian\n{curvature}");
    let (forward, reverse) = (forward.to_vec::<f64>()?, reverse.to_vec::<f64>()?);
    let apart = forward.iter().zip(&reverse).map(|(a, b)| (a - b).abs()).fold(0., f64::max);
    assert!(apart < 1e-9 * forward.iter().fold(1., |m: f64, x| m.max(x.abs())));
    testing::check_grads(|x| vec![rk4(x[0], 0.01)], &[Host::floats(DType::F64, [3], vec![1., 1., 1.])], 2)
        .expect("derivatives are those of differences");

    let spread = eager(|k: Key| vmap(end)(k.normal([1000, 3], DType::F64)).std(0), (Key::host(0),))?;
    println!("spread of 1000 {spread}");
    Ok(())
}
