//! Which experts each token goes to.
use crate::{
    aval::DType,
    ops::shape::one_hot,
    ops::where_,
    parallel::data,
    prim::full,
    trace::{At, Tensor},
};

/// Which experts each token goes to, and with which weights.
#[derive(Clone, Copy, Debug)]
pub struct Routing {
    /// `[n, k]`, f32.
    pub weights: Tensor,
    /// `[n, k]`, i32.
    pub experts: Tensor,
}

/// How experts are chosen from a router's scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Router {
    /// How many each token goes through.
    pub per_token: usize,
    /// What scores are made of the router's product.
    pub scoring: Scoring,
    /// Do the weights of the chosen ones add up to 1?
    pub normalized: bool,
    /// Are some groups chosen first?
    pub groups: Option<Groups>,
    /// Factor on the weights.
    pub scale: f64,
    /// Is the product computed in f32, whatever the dtype of the activations?
    pub wide: bool,
}

/// What scores are made of a router's product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// Probabilities that add up to 1.
    Softmax,
    /// A probability for each (DeepSeek-AI, 2024; arXiv 2412.19437).
    Sigmoid,
}

/// Experts in groups of neighbours, of which the best ones count (DeepSeek-AI, 2024; arXiv 2405.04434).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Number of groups.
    pub count: usize,
    /// How many are kept.
    pub kept: usize,
    /// What makes a group good.
    pub score: GroupScore,
}

/// What makes a group of experts good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupScore {
    /// Its best expert.
    Best,
    /// The sum of its two best.
    BestTwo,
}

impl Router {
    /// The usual: the most probable ones.
    pub fn softmax(per_token: usize, normalized: bool) -> Router {
        Router { per_token, scoring: Scoring::Softmax, normalized, groups: None, scale: 1.0, wide: false }
    }
    /// The choice for tokens with these router logits `[n, experts]`. `bias` `[experts]` is added to the scores for the choice, and not
    /// to the weights.
    #[track_caller]
    pub fn route(&self, logits: Tensor, bias: Option<Tensor>) -> Routing {
        let _at = At::op("Router::route");
        let logits = logits.cast(DType::F32);
        let scores = match self.scoring {
            Scoring::Softmax => logits.softmax(-1),
            Scoring::Sigmoid => logits.logistic(),
        };
        let (weights, experts) = match (bias, self.groups) {
            (None, None) => scores.top_k(self.per_token),
            (bias, groups) => {
                let choice = bias.map_or(scores, |bias| scores + bias.cast(DType::F32));
                let choice = groups.map_or(choice, |groups| groups.keep(choice));
                let (_, experts) = choice.top_k(self.per_token);
                (scores.take_along_axis(experts, -1), experts)
            }
        };
        let weights = match (self.normalized, self.scoring) {
            (false, _) => weights,
            (true, Scoring::Softmax) => weights / weights.sum_keep(-1),
            // (they may all be 0)
            (true, Scoring::Sigmoid) => weights / (weights.sum_keep(-1) + 1e-20),
        };
        let weights = if self.scale == 1.0 { weights } else { weights * self.scale };
        Routing { weights, experts }
    }
}

impl Groups {
    /// Scores `[n, experts]` of the best groups; lower than any of others.
    fn keep(self, scores: Tensor) -> Tensor {
        let [n, e] = scores.shape();
        let grouped = scores.reshape([n, self.count, e / self.count]);
        let best = match self.score {
            GroupScore::Best => grouped.max(-1),
            GroupScore::BestTwo => grouped.top_k(2).0.sum(-1),
        };
        let (_, kept) = best.top_k(self.kept);
        let is_kept = one_hot(kept, self.count, DType::F32).sum(1).gt(0.0);
        where_(is_kept.expand_dims(-1), grouped, full([], DType::F32, f32::NEG_INFINITY)).reshape([n, e])
    }
}

/// The `k` most probable experts of each token, from the router's scores `[n, experts]`. The weights are their
/// probabilities, of all experts or (`normalized`) of the chosen ones.
#[track_caller]
pub fn route(scores: Tensor, k: usize, normalized: bool) -> Routing {
    Router::softmax(k, normalized).route(scores, None)
}

/// The load-balancing loss (Fedus et al., 2021; arXiv 2101.03961, eq. 4): the number of experts times the sum over them of
/// the share of choices that they get and their mean probability. It is `k` when all are used alike. `scores` are the
/// router's, `[n, experts]`; on a device that has a part of the tokens ([`parallel`](crate::parallel)), theirs, and the loss is that of all.
#[track_caller]
pub fn load_balancing_loss(scores: Tensor, k: usize) -> Tensor {
    let _at = At::op("load_balancing_loss");
    let [_, e] = scores.shape();
    let probabilities = scores.cast(DType::F32).softmax(-1);
    let (_, chosen) = probabilities.top_k(k);
    let share = data::mean(one_hot(chosen, e, DType::F32).mean(0).sum(0));
    (share * data::mean(probabilities.mean(0))).sum(0) * e as f64
}
