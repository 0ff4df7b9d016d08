//! Linear regression: `jit`, `grad`, and stochastic gradient descent by hand.
use raxla::prelude::*;

#[derive(Tree, Clone)]
struct Linear<T = Tensor> {
    w: T,
    b: T,
}

fn loss(m: Linear, x: Tensor, y: Tensor) -> Tensor {
    (x.matmul(m.w) + m.b - y).powi(2).mean(0)
}

pub fn main() -> raxla::Result<()> {
    // y = 3 x₀ - 2 x₁ + 0.5 + noise
    let data = |key: Key| {
        let [a, b] = key.split();
        let x = a.normal([256, 2], DType::F32);
        let w = literal(Host::floats(DType::F32, [2], vec![3., -2.]));
        (x, x.matmul(w) + 0.5 + b.normal([256], DType::F32) * 0.1)
    };
    let (x, y) = eager(data, (Key::host(0),))?;

    let step = jit(|m: Linear, x: Tensor, y: Tensor, rate: Tensor| {
        let (l, g) = value_and_grad(|m: Linear| loss(m, x, y))(m.clone());
        (Linear { w: m.w - g.w * rate, b: m.b - g.b * rate }, l)
    });
    let mut m = Linear { w: Array::from_slice([2], &[0f32; 2])?, b: Array::scalar(0f32)? };
    for i in 0..100 {
        let l;
        (m, l) = step.call((m, &x, &y, 0.1f32))?;
        if i % 20 == 0 {
            println!("step {i}: loss {l}");
        }
    }
    println!("w = {}, b = {}", m.w, m.b);
    assert!((m.b.item::<f32>()? - 0.5).abs() < 0.05);
    Ok(())
}
