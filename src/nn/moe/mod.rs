//! Mixture of experts: each token goes through a few of many networks, chosen by a router (Shazeer et al., 2017; arXiv
//! 1701.06538).
//!
//! A [`Router`] chooses; [`experts`] runs the chosen ones, in one of three ways ([`Dispatch`]) that give the same values.
//! [`Experts`] is the layer of both.
mod dispatch;
mod router;

pub use dispatch::{Dispatch, experts, ragged_dot};
pub use router::{GroupScore, Groups, Router, Routing, Scoring, load_balancing_loss, route};

use super::{Glu, Linear, Mlp};
use crate::{
    aval::DType,
    ops::einsum::einsum,
    parallel::{fsdp, tensor},
    trace::{At, Tensor},
    tree::Tree,
};

/// Gated MLPs of which each token goes through a few, and perhaps one that all go through.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Experts<T = Tensor> {
    /// `[d, experts]`
    pub router: Linear<T>,
    /// What is added to the router's scores for the choice alone, `[experts]` (Wang et al., 2024; arXiv 2408.15664).
    pub choice_bias: Option<T>,
    /// `[experts, d, f]`
    pub gate: T,
    /// `[experts, d, f]`
    pub up: T,
    /// `[experts, f, d]`
    pub down: T,
    /// Biases of gate and up `[experts, f]`, and of down `[experts, d]`.
    pub biases: Option<(T, T, T)>,
    /// What all tokens go through besides.
    pub shared: Option<Mlp<T>>,
    /// How experts are chosen.
    #[tree(skip)]
    pub choice: Router,
    /// How the chosen ones are run.
    #[tree(skip)]
    pub dispatch: Dispatch,
    /// Between the matrices of an expert.
    #[tree(skip)]
    pub act: Glu,
}

/// One expert's weights: gate, up, down, and their biases.
type Expert = ((Tensor, Tensor, Tensor), Option<(Tensor, Tensor, Tensor)>);

impl Experts {
    /// The router's scores of tokens `[n, d]`: `[n, experts]`.
    #[track_caller]
    pub fn scores(&self, x: Tensor) -> Tensor {
        if !self.choice.wide {
            return self.router.call(x);
        }
        let wide = Linear { w: self.router.w.cast(DType::F32), b: self.router.b, ..self.router.clone() };
        wide.call(x.cast(DType::F32))
    }

    /// For each position of `x` `[b, t, d]`; and the router's scores `[b * t, experts]`.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> (Tensor, Tensor) {
        let _at = At::op("Experts::call");
        let entered = tensor::enter(x);
        let [b, t, d] = entered.shape();
        let tokens = entered.reshape([b * t, d]);
        let scores = self.scores(tokens);
        let routing = self.choice.route(scores, self.choice_bias);
        let (wide, narrow) = (["experts", "embed", "mlp"], ["experts", "mlp", "embed"]);
        let matrices = (fsdp::whole(self.gate, &wide), fsdp::whole(self.up, &wide), fsdp::whole(self.down, &narrow));
        let biases = self.biases.map(|(gate, up, down)| (gate, up, fsdp::whole(down, &["experts", "embed"])));
        let one = |x: Tensor, ((gate, up, down), biases): Expert| {
            let (g, u) = (einsum("nd,df->nf", x, gate), einsum("nd,df->nf", x, up));
            match biases {
                None => einsum("nf,fd->nd", self.act.call(Some(g), u), down),
                Some((of_gate, of_up, of_down)) => {
                    let h = self.act.call(Some(g + of_gate), u + of_up);
                    einsum("nf,fd->nd", h, down) + tensor::once(of_down, &["mlp"])
                }
            }
        };
        let y = experts(tokens, routing, (matrices, biases), self.dispatch, one);
        let y = tensor::leave(y.reshape([b, t, d]));
        (self.shared.as_ref().map_or(y, |shared| y + shared.call(x)), scores)
    }
}
