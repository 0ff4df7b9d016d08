//! The feed-forward part of a layer.
use super::{Glu, Linear};
use crate::{
    parallel::tensor,
    trace::{At, Tensor},
    tree::Tree,
};

/// `down(act(up(x)))`, or gated: `down(act(gate(x)) · up(x))` (Shazeer, 2020; arXiv 2002.05202).
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Mlp<T = Tensor> {
    /// `[d, f]`
    pub gate: Option<Linear<T>>,
    /// `[d, f]`
    pub up: Linear<T>,
    /// `[f, d]`
    pub down: Linear<T>,
    /// Between them.
    #[tree(skip)]
    pub act: Glu,
}
impl Mlp {
    /// For each position of `x` `[b, t, d]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("Mlp::call");
        let x = tensor::enter(x);
        let (gate, up) = match &self.gate {
            Some(gate) => {
                let [gate, up] = Linear::call_all([gate, &self.up], x);
                (Some(gate), up)
            }
            None => (None, self.up.call(x)),
        };
        self.down.call(self.act.call(gate, up))
    }
}
