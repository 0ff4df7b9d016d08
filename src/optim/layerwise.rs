//! Updates scaled by the size of each parameter, and second moments that take less memory than it.
use super::{
    OptState, Optimizer,
    clip::rms,
    primitives::moment,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, LeafStep, Step, next, per_leaf},
};
use crate::{aval::DType, ops::where_, trace::Tensor};

/// The Euclidean norm, `least` at least.
fn norm(x: Tensor, least: f64) -> Tensor {
    let norm = (x * x).sum(..).sqrt();
    where_(norm.le(least), norm.like(least), norm)
}

/// Each parameter's update times the parameter's norm over its own. Where one of them is 0 it stays as it is. A stack of layers in
/// one leaf counts as one parameter. You et al., 2017 (arXiv 1708.03888). JAX: `optax.scale_by_trust_ratio`.
pub fn scale_by_trust_ratio(min_norm: f64, trust_coefficient: f64, eps: f64) -> Optimizer {
    let update = move |x: &mut LeafStep| {
        let (p, u) = (norm(x.p, min_norm), norm(x.g, min_norm));
        let ratio = p * trust_coefficient / (u + eps);
        x.g * where_(p.eq(0.0) | u.eq(0.0), ratio.like(1.0), ratio)
    };
    per_leaf(update).named("scale_by_trust_ratio")
}

/// Each parameter's update times the parameter's norm, `min_scale` at least. JAX: `optax.scale_by_param_block_norm`.
pub fn scale_by_param_block_norm(min_scale: f64) -> Optimizer {
    per_leaf(move |x| x.g * norm(x.p, min_scale)).named("scale_by_param_block_norm")
}
/// Each parameter's update times the root of the mean of the parameter's squares, `min_scale` at least. JAX:
/// `optax.scale_by_param_block_rms`.
pub fn scale_by_param_block_rms(min_scale: f64) -> Optimizer {
    per_leaf(move |x| x.g * rms(x.p).maximum(min_scale)).named("scale_by_param_block_rms")
}

/// What [`scale_by_factored_rms`] needs to know, with optax's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactoredOptions {
    /// Keep means of rows and columns in place of all squares, where a parameter has two large axes: yes.
    pub factored: bool,
    /// How fast the part of the mean that is kept grows with the steps: 0.8.
    pub decay_rate: f64,
    /// Steps taken before the first, of a fine-tuned model: 0.
    pub step_offset: usize,
    /// How large the second largest axis is at least, for that: 128.
    pub min_dim_size_to_factor: usize,
    /// Added to squares: 1e-30.
    pub epsilon: f64,
}
impl Default for FactoredOptions {
    fn default() -> FactoredOptions {
        FactoredOptions { factored: true, decay_rate: 0.8, step_offset: 0, min_dim_size_to_factor: 128, epsilon: 1e-30 }
    }
}

/// Gradients over the root of the mean of squares, of which of matrices only the means of rows and of columns are kept. Shazeer and
/// Stern, 2018 (arXiv 1804.04235). JAX: `optax.scale_by_factored_rms`.
///
/// The two largest axes of a leaf are rows and columns; of a leaf with others, each of their indices has means of its own. What the
/// scheme does not use of a leaf has size 1, as in optax. The means are divided over a mesh as the axes that they keep.
pub fn scale_by_factored_rms(options: FactoredOptions) -> Optimizer {
    Optimizer::new("scale_by_factored_rms", Factored(options))
}
struct Factored(FactoredOptions);
impl Factored {
    /// The second largest axis and the largest one, if the leaf is large enough.
    fn axes(&self, p: &Parameter) -> Option<(usize, usize)> {
        let mut order: Vec<usize> = (0..p.aval.rank()).collect();
        order.sort_by_key(|axis| p.aval.dims[*axis]);
        let [.., second, first] = order[..] else { return None };
        (self.0.factored && p.aval.dims[second] >= self.0.min_dim_size_to_factor).then_some((second, first))
    }
}
impl GradientTransformation for Factored {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let without =
            |p: &Parameter, axis: usize| Slot::axes(p, (0..p.aval.rank()).filter(|a| *a != axis).map(Some).collect());
        let unused = |p: &Parameter| Slot::axes(p, vec![None]);
        let rows = |p: &Parameter| self.axes(p).map_or_else(|| unused(p), |(_, first)| without(p, first));
        let columns = |p: &Parameter| self.axes(p).map_or_else(|| unused(p), |(second, _)| without(p, second));
        let all = |p: &Parameter| self.axes(p).map_or_else(|| Slot::like(p), |_| unused(p));
        OptState::of([
            ("count", OptState::leaf(Slot::count())),
            ("v_row", per_parameter(parameters, rows)),
            ("v_col", per_parameter(parameters, columns)),
            ("v", per_parameter(parameters, all)),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let count = state.tensor("count");
        let steps = (count - self.0.step_offset as i64 + 1).cast(DType::F32);
        let decay = 1.0 - steps.pow(-self.0.decay_rate);
        let mean = |old: Tensor, x: Tensor| decay.cast(x.dtype()) * old + (1.0 - decay).cast(x.dtype()) * x;
        let [mut rows, mut columns, mut all] = ["v_row", "v_col", "v"].map(|name| state.tensors(name));
        let mut out = vec![];
        for (i, g) in updates.into_iter().enumerate() {
            let square = g * g + self.0.epsilon;
            let Some((second, first)) = self.axes(&step.parameters[i]) else {
                all[i] = mean(all[i], square);
                out.push(g * all[i].pow(-0.5));
                continue;
            };
            rows[i] = mean(rows[i], square.mean(first as isize));
            columns[i] = mean(columns[i], square.mean(second as isize));
            let reduced = if second > first { second - 1 } else { second };
            let row = (rows[i] / rows[i].mean_keep(reduced as isize)).pow(-0.5);
            let column = columns[i].pow(-0.5);
            out.push(g * row.expand_dims(first as isize) * column.expand_dims(second as isize));
        }
        let parts = [("v_row", rows), ("v_col", columns), ("v", all)].map(|(name, new)| state.refilled(name, new));
        let count = ("count".to_string(), OptState::leaf(next(count)));
        (out, OptState::of([count].into_iter().chain(parts)))
    }
}

/// Gradients over the root of a bound on the sum of their squares, which is kept of each index of each axis. Anil et al., 2019 (arXiv
/// 1901.11150). JAX: `optax.scale_by_sm3`.
pub fn scale_by_sm3(b1: f64, b2: f64, eps: f64) -> Optimizer {
    Optimizer::new("scale_by_sm3", Sm3 { b1, b2, eps })
}
struct Sm3 {
    b1: f64,
    b2: f64,
    eps: f64,
}
impl GradientTransformation for Sm3 {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let of_axes = |p: &Parameter| {
            let axes =
                (0..p.aval.rank()).map(|axis| (axis.to_string(), OptState::leaf(Slot::axes(p, vec![Some(axis)]))));
            (p.path.clone(), OptState::of(axes))
        };
        let mu = OptState::of(parameters.iter().map(of_axes));
        OptState::of([("mu", mu), ("nu", per_parameter(parameters, Slot::like))])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (mut bounds, mut means, mut mu) = (state.tensors("mu").into_iter(), vec![], vec![]);
        let of_new = if self.b2 == 1.0 { 1.0 } else { 1.0 - self.b2 };
        for ((g, old), p) in updates.into_iter().zip(state.tensors("nu")).zip(&step.parameters) {
            let (rank, dims) = (g.rank(), g.dims());
            let along = |axis: usize, x: Tensor| {
                x.reshape((0..rank).map(|a| if a == axis { dims[a] } else { 1 }).collect::<Vec<_>>())
            };
            let own: Vec<Tensor> = bounds.by_ref().take(rank).enumerate().map(|(axis, x)| along(axis, x)).collect();
            let least = own.into_iter().reduce(|a, b| a.minimum(b)).unwrap_or_else(|| g.like(0));
            let sum = g * g * of_new + least * self.b2;
            let step = g * where_(sum.gt(0.0), (sum + self.eps).rsqrt(), 0.0);
            means.push(moment(step, old, self.b1));
            let of_axis = |axis: usize| match rank {
                1 => sum,
                _ => sum.max((0..rank as isize).filter(|a| *a != axis as isize).collect::<Vec<_>>()),
            };
            let new = (0..rank).map(|axis| (axis.to_string(), OptState::leaf(of_axis(axis))));
            mu.push((p.path.clone(), OptState::of(new)));
        }
        let state = OptState::of([("mu".to_string(), OptState::of(mu)), state.refilled("nu", means.clone())]);
        (means, state)
    }
}
