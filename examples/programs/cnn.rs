//! A convolutional network with batch norm, whose running statistics are a second tree, and dropout, whose key is captured by
//! the loss.
use raxla::{
    Padding, Window,
    nn::{self, BatchNorm, BatchStats, Conv, Dropout, Linear},
    optim::{self, AdamWOptions, Mask, OptState},
    prelude::*,
};

const CLASSES: usize = 10;
const BATCH: usize = 64;

/// Convolutions and their norms; then two products.
#[derive(Tree, Clone)]
struct Cnn<T = Tensor> {
    convs: [Conv<T>; 2],
    norms: [BatchNorm<T>; 2],
    hidden: Linear<T>,
    out: Linear<T>,
}
/// What the norms have seen.
type Seen<T = Tensor> = [BatchStats<T>; 2];

impl Cnn<Param> {
    fn new() -> Cnn<Param> {
        let window = Window { padding: Padding::Same, ..Default::default() };
        let conv = |from, to| Conv::spec([3, 3], [from, to], window.clone(), false);
        Cnn {
            convs: [conv(1, 16), conv(16, 32)],
            // (few steps: what is seen is to be recent)
            norms: [16, 32].map(|n| BatchNorm { momentum: 0.9, ..BatchNorm::spec(n) }),
            hidden: Linear::spec(2 * 2 * 32, 64, true),
            out: Linear::spec(64, CLASSES, true),
        }
    }
    fn seen(&self) -> Seen<Param> {
        [self.norms[0].stats(), self.norms[1].stats()]
    }
}
/// The largest of each two by two pixels.
fn max_pool(x: Tensor) -> Tensor {
    let [_, h, w, _] = x.shape();
    x.split_axis(2, [w / 2, 2]).split_axis(1, [h / 2, 2]).max([2, 4])
}
impl Cnn {
    /// Logits of images `[b, 8, 8, 1]`; with a key to train.
    fn call(&self, mut x: Tensor, seen: Seen, train: Option<Key>) -> (Tensor, Seen) {
        let mut now = vec![];
        for (seen, (conv, norm)) in seen.into_iter().zip(self.convs.iter().zip(&self.norms)) {
            let (y, next) = norm.call(conv.call(x), seen, train.is_some());
            x = max_pool(nn::relu(y));
            now.push(next);
        }
        let h = nn::relu(self.hidden.call(x.merge(1..)));
        let h = Dropout { rate: 0.3 }.call(h, train);
        (self.out.call(h), now.try_into().expect("one for each norm"))
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
    let (mut m, mut seen) = (spec.clone(), spec.seen()).init(Key::host(3))?;
    let (epochs, steps) = (6, x.dims()[0] / BATCH);
    let rate = optim::cosine_decay_schedule(2e-3, epochs * steps, 0.0, 1.0);
    let matrices = Some(Mask::new(|_, a| a.rank() > 1));
    let opt = optim::adamw(rate, AdamWOptions { weight_decay: 1e-2.into(), mask: matrices, ..Default::default() });
    let mut state = opt.init(&m)?;

    let epoch = jit(move |m: Cnn, seen: Seen, state: OptState, x: Tensor, y: Tensor, key: Key| {
        let [shuffle, drop] = key.split();
        let order = shuffle.permutation(x.dim(0));
        let batches = |t: Tensor| t.take(order, 0).split_axis(0, [steps, BATCH]);
        let step = |(m, seen, state): (Cnn, Seen, OptState), (x, y, key): (Tensor, Tensor, Key)| {
            let loss = |m: Cnn| {
                let (logits, seen) = m.call(x, seen.clone(), Some(key.again()));
                (nn::cross_entropy(logits, y), seen)
            };
            let ((loss, seen), g) = value_and_grad_aux(loss)(m.clone());
            let (updates, state) = opt.update(&g, state, &m);
            ((optim::apply_updates(&m, &updates), seen, state), loss)
        };
        let (state, losses) = scan(step, (m, seen, state), (batches(x), batches(y), drop.split_stacked(steps)));
        (state, losses.mean(0))
    });
    let accuracy = jit(|m: Cnn, s: Seen, x: Tensor, y: Tensor| m.call(x, s, None).0.argmax(-1).eq(y).mean(0));
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
