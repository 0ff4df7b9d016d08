//! Attention of several heads with their projections.
use super::{DotProductAttention, Linear, attention::dot_product_attention};
use crate::{
    param::{Init, Param},
    trace::{At, Tensor},
    tree::Tree,
};

/// Attention of several heads (Vaswani et al., 2017; arXiv 1706.03762), from one sequence to another or to itself. Flax:
/// `nnx.MultiHeadAttention`. [`Attention`](super::Attention) is what language models have: with a cache, positions and fewer heads of keys.
///
/// ```
/// use raxla::{nn::{DotProductAttention, MultiHeadAttention}, prelude::*};
/// let layer = MultiHeadAttention::spec(16, 4, true).init(Key::host(0))?;
/// let f = jit(|layer: MultiHeadAttention, x: Tensor| {
///     layer.call(x, x, DotProductAttention { is_causal: true, ..Default::default() })
/// });
/// assert_eq!(f.call((&layer, Array::from_slice([2, 5, 16], &[0.1f32; 160])?))?.dims(), [2, 5, 16]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct MultiHeadAttention<T = Tensor> {
    /// `[d, heads, k]`.
    pub query: Linear<T>,
    /// `[d, heads, k]`.
    pub key: Linear<T>,
    /// `[d, heads, k]`.
    pub value: Linear<T>,
    /// `[heads, k, d]`.
    pub out: Linear<T>,
}
impl MultiHeadAttention<Param> {
    /// Of sequences of `d` numbers, with so many heads of `d / heads` numbers each: LeCun's normal weights.
    ///
    /// # Panics
    /// Heads that do not divide `d`: an error of the calling code.
    pub fn spec(d: usize, heads: usize, bias: bool) -> MultiHeadAttention<Param> {
        assert!(heads > 0 && d.is_multiple_of(heads), "{heads} heads do not divide {d}");
        let (k, std) = (d / heads, Init::lecun_normal());
        let to = || {
            // (LeCun's number of inputs is that of all axes of the input: here the first)
            let w = Param::new([d, heads, k], ["embed", "heads", "head"]).transposed(1).with_init(std);
            let b = bias.then(|| w.bias(1));
            Linear::of(w, 1, b)
        };
        let w = Param::new([heads, k, d], ["heads", "head", "embed"]).transposed(2).with_init(std);
        let b = bias.then(|| w.bias(2));
        MultiHeadAttention { query: to(), key: to(), value: to(), out: Linear::of(w, 2, b) }
    }
}
impl MultiHeadAttention {
    /// From queries of `x` `[b, t, d]` to keys and values of `memory` `[b, s, d]`: `[b, t, d]`. To itself: `layer.call(x, x, ..)`.
    ///
    /// # Errors
    /// Shapes that do not fit together.
    #[track_caller]
    pub fn call(&self, x: Tensor, memory: Tensor, how: DotProductAttention) -> Tensor {
        let _at = At::op("MultiHeadAttention::call");
        let [q, k, v] =
            [(&self.query, x), (&self.key, memory), (&self.value, memory)].map(|(linear, x)| linear.call(x));
        self.out.call(dot_product_attention(q, k, v, how))
    }
}
