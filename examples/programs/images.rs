//! A convolutional network with batch norm, whose running statistics are a second tree, and dropout, whose key is captured by
//! the loss.
use raxla::{
    Padding, Window, nn,
    optim::{self, AdamWOptions, Mask, OptState},
    prelude::*,
};

const CLASSES: usize = 10;
const BATCH: usize = 64;

#[derive(Tree, Clone, Copy)]
struct BatchNorm<T = Tensor> {
    gain: T,
    bias: T,
}
#[derive(Tree, Clone, Copy)]
struct Moments<T = Tensor> {
    mean: T,
    var: T,
}
impl BatchNorm<Param> {
    fn new(channels: usize) -> BatchNorm<Param> {
        let p = Param::new([channels], ["channels"]);
        BatchNorm { gain: p.clone().ones(), bias: p }
    }
    fn moments(&self) -> Moments<Param> {
        Moments { mean: self.bias.clone(), var: self.gain.clone() }
    }
}
impl BatchNorm {
    fn call(&self, x: Tensor, seen: Moments, train: bool) -> (Tensor, Moments) {
        let (now, next) = match train {
            true => {
                let now = Moments { mean: x.mean([0, 1, 2]), var: x.var([0, 1, 2]) };
                let mix = |old: Tensor, new: Tensor| old * 0.9 + new.stop_gradient() * 0.1;
                (now, Moments { mean: mix(seen.mean, now.mean), var: mix(seen.var, now.var) })
            }
            false => (seen, seen),
        };
        ((x - now.mean) * (now.var + 1e-5).rsqrt() * self.gain + self.bias, next)
    }
}

#[derive(Tree, Clone, Copy)]
struct Cnn<T = Tensor> {
    conv: T, // [h, w, in, out]
    norm: BatchNorm<T>,
    hidden: T,
    out: T,
    bias: T,
}
impl Cnn<Param> {
    fn new() -> Cnn<Param> {
        let he = |fan_in: usize| (2.0 / fan_in as f64).sqrt();
        Cnn {
            conv: Param::new([3, 3, 1, 16], ["h", "w", "in", "out"]).normal(he(9)),
            norm: BatchNorm::new(16),
            hidden: Param::new([4 * 4 * 16, 64], ["in", "out"]).normal(he(256)),
            out: Param::new([64, CLASSES], ["in", "out"]).normal(he(64)),
            bias: Param::new([CLASSES], ["out"]),
        }
    }
}
impl Cnn {
    /// Logits of images `[b, 8, 8, 1]`; with a key to train.
    fn call(&self, x: Tensor, seen: Moments, train: Option<Key>) -> (Tensor, Moments) {
        let same = Window { padding: Padding::Same, ..Default::default() };
        let (x, seen) = self.norm.call(conv("nhwc,hwio->nhwc", x, self.conv, same), seen, train.is_some());
        let pooled = nn::relu(x).split_axis(2, [4, 2]).split_axis(1, [4, 2]).max([2, 4]);
        let h = nn::relu(pooled.merge(1..).matmul(self.hidden));
        let h = match train {
            Some(key) => nn::dropout(h, 0.3, key),
            None => h,
        };
        (h.matmul(self.out) + self.bias, seen)
    }
}

/// Noisy copies of ten patterns, and which pattern each is.
fn data(patterns: Tensor, key: Key, n: usize) -> (Tensor, Tensor) {
    let [a, b] = key.split();
    let label = a.randint([n], DType::I32, 0, CLASSES as i64);
    (patterns.take(label, 0) + b.normal([n, 8, 8, 1], DType::F32) * 1.0, label)
}

pub fn main() -> raxla::Result<()> {
    let patterns = eager(|key: Key| key.normal([CLASSES, 8, 8, 1], DType::F32), (Key::host(0),))?;
    let (x, y) = eager(|p: Tensor, key: Key| data(p, key, 1024), (&patterns, Key::host(1)))?;
    let (tx, ty) = eager(|p: Tensor, key: Key| data(p, key, 512), (&patterns, Key::host(2)))?;
    let spec = Cnn::new();
    let (mut m, mut seen) = (spec.clone(), spec.norm.moments()).init(Key::host(3))?;
    let (epochs, steps) = (6, x.dims()[0] / BATCH);
    let rate = optim::cosine_decay_schedule(2e-3, epochs * steps, 0.0, 1.0);
    let matrices = Some(Mask::new(|_, a| a.rank() > 1));
    let opt = optim::adamw(rate, AdamWOptions { weight_decay: 1e-2.into(), mask: matrices, ..Default::default() });
    let mut state = opt.init(&m)?;

    let epoch = jit(move |m: Cnn, seen: Moments, state: OptState, x: Tensor, y: Tensor, key: Key| {
        let [shuffle, drop] = key.split();
        let order = shuffle.permutation(x.dim(0));
        let batches = |t: Tensor| t.take(order, 0).split_axis(0, [steps, BATCH]);
        let step = |(m, seen, state): (Cnn, Moments, OptState), (x, y, key): (Tensor, Tensor, Key)| {
            let loss = |m: Cnn| {
                let (logits, seen) = m.call(x, seen, Some(key.again()));
                (nn::cross_entropy(logits, y), seen)
            };
            let ((loss, seen), g) = value_and_grad_aux(loss)(m);
            let (updates, state) = opt.update(&g, state, &m);
            ((optim::apply_updates(&m, &updates), seen, state), loss)
        };
        let (state, losses) = scan(step, (m, seen, state), (batches(x), batches(y), drop.split_stacked(steps)));
        (state, losses.mean(0))
    });
    let accuracy = jit(|m: Cnn, s: Moments, x: Tensor, y: Tensor| m.call(x, s, None).0.argmax(-1).eq(y).mean(0));
    let mut reached = 0f32;
    for e in 0..epochs {
        let loss;
        ((m, seen, state), loss) = epoch.call((m, seen, state, &x, &y, Key::host(10 + e as u64)))?;
        reached = accuracy.call((&m, &seen, &tx, &ty))?.item()?;
        println!("epoch {e}: loss {loss}, accuracy {reached}");
    }
    assert!(reached > 0.85);
    Ok(())
}
