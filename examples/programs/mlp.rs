//! A perceptron of the layers of `nn`, which finds where a point of the unit square lies on a spiral: trained, saved, loaded, evaluated.
use raxla::{
    nn::{Linear, cross_entropy, gelu},
    optim::{self, OptState},
    prelude::*,
    tree,
};

#[derive(Tree, Clone)]
struct Mlp<T = Tensor> {
    layers: Vec<Linear<T>>,
}
impl Mlp<Param> {
    fn new(sizes: &[usize]) -> Mlp<Param> {
        Mlp { layers: sizes.windows(2).map(|s| Linear::spec(s[0], s[1], true)).collect() }
    }
}
impl Mlp {
    /// Logits of points `[b, 2]`.
    fn call(&self, x: Tensor) -> Tensor {
        let (last, hidden) = self.layers.split_last().expect("a layer");
        last.call(hidden.iter().fold(x, |x, layer| gelu(layer.call(x))))
    }
}

/// Points on three arms of a spiral, and their arms.
fn spiral(key: Key, n: usize) -> (Tensor, Tensor) {
    let [a, b] = key.split();
    let arm = arange(n, DType::I32) % 3;
    let radius = a.uniform([n], DType::F32, 0.1, 1.0);
    let turn = arm.cast(DType::F32) * (2.0 * std::f64::consts::PI / 3.0) + radius * 4.0;
    let points = stack(&[turn.cos() * radius, turn.sin() * radius], 1);
    (points + b.normal([n, 2], DType::F32) * 0.02, arm)
}

pub fn main() -> raxla::Result<()> {
    let spec = Mlp::new(&[2, 64, 64, 3]);
    let mut m = spec.init(Key::host(0))?;
    let opt = optim::adamw(5e-3, Default::default());
    let mut state = opt.init(&m)?;
    let step = jit(move |m: Mlp, state: OptState, key: Key| {
        let (x, arm) = spiral(key, 256);
        let (loss, g) = value_and_grad(|m: Mlp| cross_entropy(m.call(x), arm))(m.clone());
        let (updates, state) = opt.update(&g, state, &m);
        (optim::apply_updates(&m, &updates), state, loss)
    });
    for i in 0..300 {
        let loss;
        (m, state, loss) = step.call((m, state, Key::host(i)))?;
        if i % 100 == 0 {
            println!("step {i}: loss {loss:.3}");
        }
    }

    let path = std::env::temp_dir().join(format!("mlp-{}.safetensors", std::process::id()));
    tree::save(&m, &path)?;
    let m = tree::load(&spec, &path)?;
    let _ = std::fs::remove_file(&path);

    let right = |m: Mlp, key: Key| {
        let (x, arm) = spiral(key, 1000);
        m.call(x).argmax(-1).eq(arm).mean(0)
    };
    let accuracy = eager(right, (&m, Key::host(1000)))?;
    println!("accuracy {accuracy}");
    assert!(accuracy.item::<f32>()? > 0.95);
    Ok(())
}
