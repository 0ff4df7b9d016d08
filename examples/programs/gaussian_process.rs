//! Regression by a Gaussian process: a Cholesky factor, triangular solves, and gradients through them.
use raxla::{
    linalg::{self, Triangle},
    prelude::*,
};

#[derive(Tree, Clone)]
struct Hyper<T = Tensor> {
    log_length: T,
    log_amplitude: T,
    log_noise: T,
}
impl Hyper {
    fn kernel(&self, a: Tensor, b: Tensor) -> Tensor {
        let d = (a.expand_dims(1) - b.expand_dims(0)) / self.log_length.exp();
        (d * d * -0.5).exp() * (self.log_amplitude * 2).exp()
    }
    fn covariance(&self, x: Tensor) -> Tensor {
        self.kernel(x, x) + eye(x.dim(0), DType::F64) * ((self.log_noise * 2).exp() + 1e-6)
    }
    /// Negative log-likelihood of the data, up to a constant.
    fn loss(&self, x: Tensor, y: Tensor) -> Tensor {
        let l = linalg::cholesky(self.covariance(x));
        let z = linalg::solve_triangular(l, y, Triangle::LOWER);
        z.matmul(z) * 0.5 + linalg::diagonal(l).log().sum(0)
    }
}

pub fn main() -> raxla::Result<()> {
    let data = |key: Key| {
        let [a, b] = key.split();
        let x = a.uniform([40], DType::F64, -3.0, 3.0);
        (x, (x * 2.0).sin() + b.normal([40], DType::F64) * 0.1)
    };
    let (x, y) = eager(data, (Key::host(0),))?;
    let fit = |h: Hyper, x: Tensor, y: Tensor| {
        let step = |h: Hyper, ()| {
            let (l, g) = value_and_grad(|h: Hyper| h.loss(x, y))(h.clone());
            (h.refill(h.leaves().into_iter().zip(g.leaves()).map(|(p, g)| p - g * 1e-2)), l)
        };
        scan_with(ScanOptions { length: Some(50), ..Default::default() }, step, h, ())
    };
    let zero = || Array::scalar(0f64);
    let (h, losses) =
        eager(fit, (Hyper { log_length: zero()?, log_amplitude: zero()?, log_noise: Array::scalar(-1f64)? }, &x, &y))?;
    println!("losses {losses}");
    let at = Array::from_slice([5], &[-2., -1., 0., 1., 2.])?;
    let predict = |h: Hyper, x: Tensor, y: Tensor, at: Tensor| {
        let weights = linalg::cho_solve(linalg::cho_factor(h.covariance(x), true), y);
        let mean = h.kernel(at, x).matmul(weights);
        (mean, (mean - (at * 2.0).sin()).abs().max(0))
    };
    let (mean, off) = eager(predict, (&h, &x, &y, &at))?;
    println!("predicted {mean}, at most {off} off");
    assert!(off.item::<f64>()? < 0.3);
    Ok(())
}
