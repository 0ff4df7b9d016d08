//! Random numbers inside transformations. Keys are given by their words.
use super::{Case, int};
use raxla::{Axis, TensorTree, grad, jacfwd, prelude::*, remat, scan, scan_with, value_and_grad, vmap, while_loop};

type Pair = (Tensor, Tensor);
const F32: DType = DType::F32;

fn key(words: Tensor) -> Key {
    Key::from_data(words)
}
fn scalar(x: f64) -> Tensor {
    full([], F32, x)
}
fn steps(length: usize) -> raxla::ScanOptions {
    raxla::ScanOptions { length: Some(length), ..Default::default() }
}

pub const CASES: &[Case] = &[
    case!(random_values, |words, logits| {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = key(words).split();
        (
            [a.bits([3], DType::U32), b.uniform([2, 2], F32, 0.0, 1.0), c.normal([3], F32), d.bernoulli([8], 0.3)],
            [e.categorical(logits, -1), f.permutation(7), g.gumbel([3], F32), h.exponential([3], F32)],
            [i.truncated_normal([4], F32, -1.0, 2.0), j.randint([5], DType::I32, -3, 9), k.permute(logits, 0)],
            l.uniform([3], F32, -2.0, 5.0),
        )
    }),
    case!(random_keys, |words| (
        *key(words).split_stacked(2).data(),
        *key(words).split_stacked(5).data(),
        *key(words).fold_in(9).data(),
        *key(words).split::<2>()[1].fold_in(1234567).data(),
    )),
    case!(random_mapped, |words, logits| {
        let draw = |k: Key| {
            let same = || key(*k.data()); // the fixture uses each key for everything
            (
                [same().normal([3], F32), same().randint([2], DType::I32, 0, 100), same().bernoulli([], 0.5)],
                [same().categorical(logits, -1), same().permutation(5), same().uniform([2], F32, 0.0, 1.0)],
                [same().gumbel([2], F32), same().exponential([], F32), same().truncated_normal([2], F32, -2.0, 2.0)],
                [*same().split::<2>()[0].data(), *same().fold_in(3).data(), same().bits([2], DType::U32)],
            )
        };
        vmap_keys(draw, key(words).split_stacked(4))
    }),
    case!(random_mapped_twice, |words, n| {
        let row = |k: Key| vmap_keys(|k: Key| k.normal([], F32), k.split_stacked(3));
        (
            vmap_keys(row, key(words).split_stacked(2)),
            vmap(|n: Tensor| key(words).fold_in(n).uniform([2], F32, 0.0, 1.0))(n),
            vmap(|n: Tensor| key(words).randint([2], DType::I32, 0, n + 1))(n),
        )
    }),
    case!(random_in_scan, |words, x| {
        let body = |c: Tensor, k: Key| {
            let same = key(*k.data());
            (c * 0.5 + k.normal([3], F32), same.uniform([], F32, 0.0, 1.0))
        };
        let chain = |(k, c): (Key, Tensor), ()| {
            let [next, sub] = k.split();
            let same = key(*sub.data());
            ((next, c + sub.exponential([], F32)), same.bernoulli([], 0.5))
        };
        let ((k, c), flips) = scan_with(steps(5), chain, (key(words), scalar(0.0)), ());
        (scan(body, x, key(words).split_stacked(4)), *k.data(), c, flips)
    }),
    case!(random_reparameterised, |words, mean, log_scale| {
        let bound = |(m, s): Pair| {
            let z = vmap_keys(|k: Key| m + s.exp() * k.normal([3], F32), key(words).split_stacked(8));
            (z.sin() - z.powi(2) * 0.1).sum(-1).mean(..) + s.sum(..)
        };
        value_and_grad(bound)((mean, log_scale))
    }),
    case!(random_relaxed_choice, |words, logits| {
        let relaxed = |l: Tensor| ((l + key(words).gumbel([5], F32)) / 0.7).softmax(-1);
        (relaxed(logits), grad(|l: Tensor| (relaxed(l) * arange(5, F32)).sum(..))(logits), jacfwd(relaxed)(logits))
    }),
    case!(random_with_traced_bounds, |words, low, width| {
        let first = || key(words).split::<2>()[0].data().to_owned();
        let draw = |low: Tensor, high: Tensor| key(first()).uniform([4], F32, low, high);
        let high = low + width.abs() + 1.0;
        let [_, second] = key(words).split();
        (
            draw(low, high),
            grad(|(low, high): Pair| draw(low, high).powi(2).sum(..))((low, high)),
            second.bernoulli([2], stack(&[low, width], 0).logistic()),
        )
    }),
    case!(random_dropout, |words, x| {
        let dropped = |(k, x): (Key, Tensor)| where_(k.bernoulli(x.dims(), 0.75), x / 0.75, 0.0);
        let loss = |x: Tensor| remat(dropped)((key(words), x)).tanh().powi(2).sum(..);
        (dropped((key(words), x)), grad(loss)(x), vmap(dropped)((key(words).split_stacked(3), x)))
    }),
    case!(random_categorical_rows, |words, logits| (
        key(words).categorical(logits, -1),
        key(words).categorical(logits, 0),
        key(words).categorical_many([2], logits, -1),
        vmap(|(k, l): (Key, Tensor)| k.categorical(l, -1))((key(words).split_stacked(4), logits)),
    )),
    case!(random_orders, |words, x| {
        let column = x.slice_axis(1, ..1).squeeze(1);
        (
            key(words).permute(x, 0),
            key(words).permute(x, 1),
            key(words).permute_independent(x, 1),
            vmap_keys(|k: Key| k.permute(column, 0), key(words).split_stacked(3)),
            grad(|x: Tensor| (key(words).permute(x, 0) * arange(12, F32).reshape([4, 3])).sum(..))(x),
        )
    }),
    case!(random_in_while, |words| {
        let first = |k: Key| {
            let body = |(k, _, n): (Key, Tensor, Tensor)| {
                let [k, sub] = k.split();
                (k, sub.normal([], F32), n + 1)
            };
            let (_, x, n) = while_loop(|(_, x, _): (Key, Tensor, Tensor)| x.lt(1.0), body, (k, scalar(0.0), int(0)));
            (x, n)
        };
        (first(key(words)), vmap_keys(first, key(words).split_stacked(4)))
    }),
    case!(random_wide, |words| {
        let [a, b, c, d] = key(words).split();
        let same = key(*d.data());
        [
            a.bits([5], DType::U8),
            b.bits([2, 3], DType::U16),
            c.randint([6], DType::I8, -128, 128),
            d.uniform([0, 3], F32, 0.0, 1.0),
            same.normal([2, 1, 2], F32),
        ]
    }),
];

/// `f` for every key of a stack of them.
fn vmap_keys<Y: TensorTree>(f: impl Fn(Key) -> Y, keys: Key) -> Y {
    raxla::vmap_axes(|(k,): (Key,)| f(k), Axis::At(0), Axis::At(0))((keys,))
}
