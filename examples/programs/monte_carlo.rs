//! Monte Carlo: the price of an option and its derivative by `vmap` over keys, and a chain of Hamiltonian Monte Carlo.
use raxla::prelude::*;

/// What an Asian call pays on one path.
fn payoff(key: Key, strike: Tensor) -> Tensor {
    let dt = 1.0 / 252.0f64;
    let day = |s: Tensor, z: Tensor| {
        let s = s * (z * (0.2 * dt.sqrt()) + (0.01 - 0.02) * dt).exp();
        (s, s)
    };
    let (_, path) = scan(day, strike.like(100.0), key.normal([252], DType::F64));
    (path.mean(0) - strike).maximum(0.0)
}

/// A banana: log density up to a constant.
fn log_density(q: Tensor) -> Tensor {
    let [x, y] = q.unstack();
    let b = y - x * x * 0.5;
    (x * x / 4.0 + b * b) * -0.5
}
fn hamiltonian_step(key: Key, q: Tensor) -> Tensor {
    let (eps, [a, b]) = (0.3, key.split());
    let p = a.normal(q.dims(), q.dtype());
    let energy = |q: Tensor, p: Tensor| p.matmul(p) * 0.5 - log_density(q);
    let kick = |q: Tensor, p: Tensor| p + grad(log_density)(q) * (eps / 2.0);
    let leap = |_: Tensor, (q, p): (Tensor, Tensor)| {
        let p = kick(q, p);
        let q = q + p * eps;
        (q, kick(q, p))
    };
    let (q1, p1) = fori_loop(0, 10, leap, (q, p));
    let accept = b.uniform([], q.dtype(), 0.0, 1.0).log().lt(energy(q, p) - energy(q1, p1));
    where_(accept, q1, q)
}

pub fn main() -> raxla::Result<()> {
    let price = |key: Key, strike: Tensor| {
        // (the mean is a function that `value_and_grad` may call again: it keeps its key)
        let mean = |strike: Tensor| vmap(|key: Key| payoff(key, strike))(key.again().split_stacked(5000)).mean(0);
        value_and_grad(mean)(strike)
    };
    let (price, slope) = eager(price, (Key::host(0), 100f64))?;
    println!("price {price}, by the strike {slope}");
    assert!((price.item::<f64>()? - 4.9).abs() < 0.5 && (-1.0..0.0).contains(&slope.item::<f64>()?));

    let chain = |key: Key| {
        let step = |q: Tensor, key: Key| {
            let q = hamiltonian_step(key, q);
            (q, q)
        };
        scan(step, zeros([2], DType::F64), key.split_stacked(500)).1
    };
    let moments = |key: Key| {
        let samples = vmap(chain)(key.split_stacked(64)).slice_axis(1, 100..).merge(..2);
        (samples.mean(0), samples.var(0))
    };
    // x ~ N(0, 2²): E y = E x² / 2 = 2, Var y = 1 + Var(x²) / 4 = 1 + 2 · 16 / 4 = 9
    let (mean, var) = eager(moments, (Key::host(1),))?;
    println!("mean {mean} (0, 2), variance {var} (4, 9)");
    assert!((mean.to_vec::<f64>()?[1] - 2.0).abs() < 0.3);
    Ok(())
}
