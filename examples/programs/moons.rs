//! A perceptron of two hidden layers on two moons: AdamW, and an epoch of mini-batches as one `scan`.
use raxla::{
    nn,
    optim::{self, OptState},
    prelude::*,
};

const BATCH: usize = 64;

#[derive(Tree, Clone)]
struct Linear<T = Tensor> {
    w: T, // [in, out]
    b: T, // [out]
}
#[derive(Tree, Clone)]
struct Mlp<T = Tensor> {
    layers: Vec<Linear<T>>,
}
impl Mlp<Param> {
    fn new(sizes: &[usize]) -> Mlp<Param> {
        let layer = |s: &[usize]| Linear {
            w: Param::new([s[0], s[1]], ["in", "out"]).normal((2.0 / s[0] as f64).sqrt()),
            b: Param::new([s[1]], ["out"]),
        };
        Mlp { layers: sizes.windows(2).map(layer).collect() }
    }
}
impl Mlp {
    fn call(&self, x: Tensor) -> Tensor {
        let (last, hidden) = self.layers.split_last().expect("a layer");
        let x = hidden.iter().fold(x, |x, l| nn::relu(x.matmul(l.w) + l.b));
        x.matmul(last.w) + last.b
    }
}

fn moons(key: Key, n: usize) -> (Tensor, Tensor) {
    let [a, b] = key.split();
    let t = a.uniform([n], DType::F32, 0.0, std::f64::consts::PI);
    let upper = stack(&[t.cos(), t.sin()], 1);
    let lower = stack(&[1.0 - t.cos(), 0.5 - t.sin()], 1);
    let label = arange(n, DType::I32) % 2;
    (where_(label.eq(0).expand_dims(1), upper, lower) + b.normal([n, 2], DType::F32) * 0.15, label)
}

pub fn main() -> raxla::Result<()> {
    let (x, y) = eager(|key: Key| moons(key, 2048), (Key::host(0),))?;
    let (tx, ty) = eager(|key: Key| moons(key, 512), (Key::host(1),))?;
    let mut m = Mlp::new(&[2, 32, 32, 2]).init(Key::host(2))?;
    let opt = optim::adamw(3e-3, Default::default());
    let mut state = opt.init(&m)?;

    let epoch = jit(move |m: Mlp, state: OptState, x: Tensor, y: Tensor, key: Key| {
        let order = key.permutation(x.dim(0));
        let batches = (x.take(order, 0).reshape([REST, BATCH, 2]), y.take(order, 0).reshape([REST, BATCH]));
        let step = |(m, state): (Mlp, OptState), (x, y): (Tensor, Tensor)| {
            let (loss, g) = value_and_grad(|m: Mlp| nn::cross_entropy(m.call(x), y))(m.clone());
            let (updates, state) = opt.update(&g, state, &m);
            ((optim::apply_updates(&m, &updates), state), loss)
        };
        let ((m, state), losses) = scan(step, (m, state), batches);
        (m, state, losses.mean(0))
    });
    for e in 0..20 {
        let loss;
        (m, state, loss) = epoch.call((m, state, &x, &y, Key::host(100 + e)))?;
        println!("epoch {e}: loss {loss}");
    }
    let accuracy = eager(|m: Mlp, x: Tensor, y: Tensor| m.call(x).argmax(-1).eq(y).mean(0), (&m, &tx, &ty))?;
    println!("accuracy {accuracy}");
    assert!(accuracy.item::<f32>()? > 0.95);
    Ok(())
}
