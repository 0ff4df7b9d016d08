//! Ring attention (Liu et al., 2023; arXiv 2310.01889): positions are divided, for sequences that one device cannot hold.
//!
//! Each device keeps its queries. Keys and values go around: after `n` steps every query has met every key, and no device ever
//! held more than two parts of them. The softmax is carried along as its largest score, its sum, and the weighted values so far
//! (Milakov and Gimelshein, 2018; arXiv 1805.02867). Per layer each device sends its keys and values `n - 1` times, and their
//! gradients as often on the way back.
use super::divides;
use crate::{
    aval::DType,
    nn::AttentionOptions,
    ops::einsum::einsum,
    ops::where_,
    prim::{ScanOptions, axis_size, full, ppermute, pvary, scan_with},
    trace::{At, Tensor},
};

/// Are positions divided around?
pub fn is_on() -> bool {
    divides("context", "length")
}

/// Attention of this device's queries `[b, t, heads, k]`, at positions i32 `[t]`, to the keys and values `[b, s, kv_heads, k]`
/// of all devices, of which this one's are at positions i32 `[s]`. A query sees what is not behind it, and of that, with
/// `window`, so many positions. `sinks` are as in [`attention_with`](crate::nn::attention_with).
#[track_caller]
pub fn attention(
    q: Tensor,
    (k, v): (Tensor, Tensor),
    (query, key): (Tensor, Tensor),
    window: Option<Tensor>,
    sinks: Option<Tensor>,
    options: AttentionOptions,
) -> Tensor {
    let _at = At::op("ring::attention");
    let ([b, t, h, d], [_, _, groups, _]) = (q.shape(), k.shape());
    let n = axis_size("context");
    let grouped = q.reshape([b, t, groups, h / groups, d]);
    let next: Vec<(usize, usize)> = (0..n).map(|i| (i, (i + 1) % n)).collect();
    // scores of one part, and what they add to the softmax
    let meet = |(top, sum, y): (Tensor, Tensor, Tensor), k: Tensor, v: Tensor, key: Tensor| {
        let scores = einsum("btgrd,bsgd->bgrts", grouped, k).cast(DType::F32) * options.scale;
        let scores = options.soft_cap.map_or(scores, |cap| (scores / cap).tanh() * cap);
        let (query, key) = (query.expand_dims(-1), key.expand_dims(0));
        let sees = key.le(query) & key.ge(0);
        let sees = window.map_or(sees, |window| sees & key.gt(query - window));
        let scores = where_(sees, scores, f32::MIN);
        let higher = top.maximum(scores.max(-1).stop_gradient());
        let (p, old) = ((scores - higher.expand_dims(-1)).exp(), (top - higher).exp());
        let p = where_(sees, p, p.like(0.0));
        let y = y * old.expand_dims(-1) + einsum("bgrts,bsgd->bgrtd", p.cast(v.dtype()), v).cast(DType::F32);
        (higher, sum * old + p.sum(-1), y)
    };
    let own = |dims: &[usize], x: f64| pvary(full(dims, DType::F32, x), "context");
    let dims = [b, groups, h / groups, t];
    // a sink is a score that adds to the sum of each query, once, and has no value
    let (top, sum) = match sinks {
        Some(s) => {
            let s = s.cast(DType::F32).reshape([1, groups, h / groups, 1]).broadcast_to(dims);
            (pvary(s.stop_gradient(), "context"), pvary((s - s.stop_gradient()).exp(), "context"))
        }
        None => (own(&dims, f32::MIN.into()), own(&dims, 0.0)),
    };
    let start = (top, sum, own(&[&dims[..], &[v.dim(3)]].concat(), 0.0));
    let step = |(so_far, (k, v, key)): (_, (Tensor, Tensor, Tensor)), ()| {
        let so_far = meet(so_far, k, v, key);
        ((so_far, ppermute((k, v, key), "context", next.clone())), ())
    };
    let around = ScanOptions { length: Some(n - 1), ..ScanOptions::default() };
    let ((so_far, (k, v, key)), ()) = scan_with(around, step, (start, (k, v, key)), ());
    let (_, sum, y) = meet(so_far, k, v, key);
    (y / sum.expand_dims(-1)).transpose([0, 3, 1, 2, 4]).reshape([b, t, h, v.dim(3)]).cast(v.dtype())
}
