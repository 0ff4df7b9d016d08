//! Regression by a Gaussian process: a Cholesky factor and triangular solves as loops, and gradients through them.
use raxla::prelude::*;

/// L of L Lᵀ = a, column by column.
fn cholesky(a: Tensor) -> Tensor {
    let [n, _] = a.shape();
    let rows = arange(n, DType::I32);
    let column = |j: Tensor, l: Tensor| {
        let c = a.dynamic_index(1, j) - l.matmul(l.dynamic_index(0, j));
        let c = where_(rows.ge(j), c / c.dynamic_index(0, j).sqrt(), 0.0);
        l.dynamic_update_axis(1, j, c.expand_dims(1))
    };
    fori_loop(0, n, column, a.like(0))
}
/// x of l x = b.
fn solve_lower(l: Tensor, b: Tensor) -> Tensor {
    let element = |i: Tensor, x: Tensor| {
        let row = l.dynamic_index(0, i);
        let xi = (b.dynamic_index(0, i) - row.matmul(x)) / row.dynamic_index(0, i);
        x.dynamic_update_axis(0, i, xi.expand_dims(0))
    };
    fori_loop(0, l.dim(0), element, b.like(0))
}
/// x of lᵀ x = b.
fn solve_upper(l: Tensor, b: Tensor) -> Tensor {
    solve_lower(l.swap_axes(0, 1).flip(0).flip(1), b.flip(0)).flip(0)
}

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
        let l = cholesky(self.covariance(x));
        let z = solve_lower(l, y);
        z.matmul(z) * 0.5 + (l * eye(x.dim(0), DType::F64)).sum(1).log().sum(0)
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
        let l = cholesky(h.covariance(x));
        let mean = h.kernel(at, x).matmul(solve_upper(l, solve_lower(l, y)));
        (mean, (mean - (at * 2.0).sin()).abs().max(0))
    };
    let (mean, off) = eager(predict, (&h, &x, &y, &at))?;
    println!("predicted {mean}, at most {off} off");
    assert!(off.item::<f64>()? < 0.3);
    Ok(())
}
