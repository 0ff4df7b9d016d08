//! Muon: momentum whose matrices are made orthogonal.
use super::{
    Mask, OptState, Optimizer, Schedule, add_decayed_weights,
    aliases::{AdamWOptions, adamw},
    chain, partition_by,
    primitives::{moment, unbiased},
    scale_by_learning_rate,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, Step, next},
};
use crate::{
    aval::{Aval, DType},
    param::Param,
    trace::Tensor,
};
use std::{fmt, sync::Arc};

/// Which axes of a parameter are the inputs and which are the outputs of a matrix; all others count matrices: layers, experts.
/// optax: `MuonDimensionNumbers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuonAxes {
    /// Axes of inputs.
    pub reduction: Vec<usize>,
    /// Axes of outputs.
    pub output: Vec<usize>,
}
impl MuonAxes {
    /// A matrix `[in, out]`.
    pub fn matrix() -> MuonAxes {
        MuonAxes { reduction: vec![0], output: vec![1] }
    }
    /// Those of a parameter by the roles of its axes: what is `embed` (or `latent`) on one side of a matrix, heads or the inner width on
    /// the other; layers and experts are counted. Gains and biases are none, and neither are embeddings and heads, which Muon leaves
    /// to Adam (Jordan et al., 2024).
    ///
    /// ```
    /// use raxla::{optim::MuonAxes, Param};
    /// let up = Param::new([4, 8], ["embed", "mlp"]).stacked(3, "layers");
    /// assert_eq!(MuonAxes::of(&up), Some(MuonAxes { reduction: vec![1], output: vec![2] }));
    /// let o = Param::new([2, 2, 4], ["heads", "head", "embed"]);
    /// assert_eq!(MuonAxes::of(&o), Some(MuonAxes { reduction: vec![0, 1], output: vec![2] }));
    /// assert_eq!(MuonAxes::of(&Param::new([16, 4], ["vocab", "embed"])), None);
    /// assert_eq!(MuonAxes::of(&Param::new([2, 2], ["heads", "head"])), None);
    /// ```
    pub fn of(param: &Param) -> Option<MuonAxes> {
        let roles = &param.axes;
        let own: Vec<usize> = (param.stacks()..roles.len()).filter(|axis| roles[*axis] != "experts").collect();
        let inner = |axis: &usize| ["embed", "latent"].contains(&roles[*axis]);
        match own.split_first()? {
            _ if own.len() < 2 || own.iter().any(|axis| ["vocab", "positions"].contains(&roles[*axis])) => None,
            (first, output) if inner(first) => Some(MuonAxes { reduction: vec![*first], output: output.to_vec() }),
            _ => {
                let (last, reduction) = own.split_last()?;
                inner(last).then(|| MuonAxes { reduction: reduction.to_vec(), output: vec![*last] })
            }
        }
    }
    /// The product of the sizes of these axes.
    fn size(axes: &[usize], dims: &[usize]) -> usize {
        axes.iter().map(|axis| dims[*axis]).product()
    }
    /// A leaf as matrices `[n, in, out]`, and what brings it back.
    fn matrices(&self, x: Tensor) -> (Tensor, impl Fn(Tensor) -> Tensor) {
        let dims = x.dims();
        let own = |axis: &usize| self.reduction.contains(axis) || self.output.contains(axis);
        let batch: Vec<usize> = (0..dims.len()).filter(|axis| !own(axis)).collect();
        let order: Vec<usize> = [&batch[..], &self.reduction, &self.output].concat();
        let sizes = [&batch, &self.reduction, &self.output].map(|axes| MuonAxes::size(axes, &dims));
        let moved: Vec<usize> = order.iter().map(|axis| dims[*axis]).collect();
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(to, from)| back[*from] = to);
        (x.transpose(order).reshape(sizes), move |y: Tensor| y.reshape(moved.clone()).transpose(back.clone()))
    }
}

/// Which parameters are matrices, by path and type, and along which axes.
pub type AxesOf = Arc<dyn Fn(&str, &Aval) -> Option<MuonAxes> + Send + Sync>;

/// What [`muon`] needs to know, with optax's names and defaults.
#[derive(Clone)]
pub struct MuonOptions {
    /// Coefficients of the Newton-Schulz iteration: 3.4445, -4.775, 2.0315.
    pub ns_coeffs: [f64; 3],
    /// Iterations: 5.
    pub ns_steps: usize,
    /// How much of the mean of gradients is kept at each step: 0.95.
    pub beta: f64,
    /// Added to norms, also those of Adam: 1e-8.
    pub eps: f64,
    /// Part of a matrix that is taken off it, times the learning rate: 0.
    pub weight_decay: Schedule,
    /// Which matrices decay; `None`: all.
    pub weight_decay_mask: Option<Mask>,
    /// The dtype in which means of gradients are kept; `None`: f32.
    pub mu_dtype: Option<DType>,
    /// Nesterov's momentum: yes.
    pub nesterov: bool,
    /// Scale matrices by their product with the momentum: no.
    pub adaptive: bool,
    /// For all other parameters: the numbers of AdamW, without decay; `eps`, `mu_dtype` and `nesterov` are those above.
    pub adam: AdamWOptions,
    /// The learning rate of these; `None`: that of the matrices.
    pub adam_learning_rate: Option<Schedule>,
    /// Make the root of the mean of squares of a step this (0.2 is that of AdamW); `None`: scale by the root of outputs over inputs.
    pub consistent_rms: Option<f64>,
    /// Which parameters are matrices, by path and type, and along which axes: those of rank 2, `[in, out]`. A stack of layers has a
    /// leading axis: `|path, a| (a.rank() == 3).then(|| MuonAxes { reduction: vec![1], output: vec![2] })`.
    pub dimension_numbers: AxesOf,
}
impl fmt::Debug for MuonOptions {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("MuonOptions")
            .field("beta", &self.beta)
            .field("ns_steps", &self.ns_steps)
            .finish_non_exhaustive()
    }
}
impl Default for MuonOptions {
    fn default() -> MuonOptions {
        MuonOptions {
            ns_coeffs: [3.4445, -4.775, 2.0315],
            ns_steps: 5,
            beta: 0.95,
            eps: 1e-8,
            weight_decay: 0.0.into(),
            weight_decay_mask: None,
            mu_dtype: None,
            nesterov: true,
            adaptive: false,
            adam: AdamWOptions { weight_decay: 0.0.into(), ..AdamWOptions::default() },
            adam_learning_rate: None,
            consistent_rms: None,
            dimension_numbers: Arc::new(|_, a| (a.rank() == 2).then(MuonAxes::matrix)),
        }
    }
}

/// Matrices by the orthogonal matrix nearest to their momentum, all other parameters by AdamW: Jordan et al., 2024, "Muon: An optimizer
/// for hidden layers in neural networks". JAX: `optax.contrib.muon`. (Embeddings and heads are matrices too: leave them to Adam by
/// `dimension_numbers`.)
pub fn muon(learning_rate: impl Into<Schedule>, o: MuonOptions) -> Optimizer {
    let learning_rate = learning_rate.into();
    let axes = o.dimension_numbers.clone();
    let matrices = Mask::new(move |path, aval| axes(path, aval).is_some());
    let decay = add_decayed_weights(o.weight_decay.clone(), o.weight_decay_mask.clone());
    let adam = AdamWOptions { eps: o.eps, mu_dtype: o.mu_dtype, nesterov: o.nesterov, ..o.adam.clone() };
    let adam = adamw(o.adam_learning_rate.clone().unwrap_or_else(|| learning_rate.clone()), adam);
    let muon = chain([scale_by_muon(o), decay, scale_by_learning_rate(learning_rate)]);
    partition_by([("muon", matrices, muon), ("adam", Mask::default(), adam)]).named("muon")
}

/// The part of [`muon`] that makes matrices orthogonal and scales them by their shape; all parameters must be matrices. JAX:
/// `optax.contrib.scale_by_muon` and `scale_by_shape`.
pub fn scale_by_muon(options: MuonOptions) -> Optimizer {
    Optimizer::new("scale_by_muon", Muon(options))
}
struct Muon(MuonOptions);
impl GradientTransformation for Muon {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let mu = per_parameter(parameters, |p| Slot::like(p).dtype(self.0.mu_dtype));
        OptState::of([("count", OptState::leaf(Slot::count())), ("mu", mu)])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let o = &self.0;
        let count = next(state.tensor("count"));
        let (mut means, mut out) = (vec![], vec![]);
        for ((g, mu), p) in updates.into_iter().zip(state.tensors("mu")).zip(&step.parameters) {
            let mean = moment(g, mu, o.beta);
            means.push(mean.cast(mu.dtype()));
            let mean = match o.nesterov {
                true => unbiased(mean, o.beta, next(count)) * o.beta + unbiased(g, o.beta, count) * (1.0 - o.beta),
                false => unbiased(mean, o.beta, count),
            };
            let Some(axes) = (o.dimension_numbers)(&p.path, &p.aval) else {
                out.push(mean);
                continue;
            };
            let (x, back) = axes.matrices(mean);
            let mut y = back(orthogonalize_via_newton_schulz(x, o.ns_coeffs, o.ns_steps, o.eps));
            if o.adaptive {
                y = (mean * y).sum(..) * y;
            }
            let sizes = [&axes.reduction, &axes.output].map(|axes| MuonAxes::size(axes, &p.aval.dims) as f64);
            let scale = match o.consistent_rms {
                Some(rms) => sizes[0].max(sizes[1]).sqrt() * rms,
                None => (sizes[1] / sizes[0]).max(1.0).sqrt(),
            };
            out.push(y * scale);
        }
        let state = OptState::of([("count".to_string(), OptState::leaf(count)), state.refilled("mu", means)]);
        (out, state)
    }
}

/// Matrices `[n, in, out]`, made nearly orthogonal: the singular values are driven towards 1 by a polynomial that takes only products.
/// JAX: `optax.contrib.orthogonalize_via_newton_schulz`.
#[track_caller]
pub fn orthogonalize_via_newton_schulz(x: Tensor, coeffs: [f64; 3], steps: usize, eps: f64) -> Tensor {
    let flipped = x.dim(-2) > x.dim(-1);
    let mut x = if flipped { x.swap_axes(-1, -2) } else { x };
    x = x / ((x * x).sum_keep([-2, -1]).sqrt() + eps);
    for _ in 0..steps {
        let a = x.matmul(x.swap_axes(-1, -2));
        let b = a * coeffs[1] + (a * coeffs[2]).matmul(a);
        x = x * coeffs[0] + b.matmul(x);
    }
    if flipped { x.swap_axes(-1, -2) } else { x }
}
