//! What an optimizer is: a function of gradients, its state and parameters, composed of smaller ones.
use super::{
    OptState,
    slot::{Initial, Parameter, Slot, Typed, arrays},
};
use crate::{
    array::Array,
    error::Result,
    ops::where_,
    runtime::Client,
    trace::{At, Tensor, TensorTree, fail},
    tree::Tree,
};
use std::{fmt, sync::Arc};

/// A step of gradient transformation: what is done with the updates of all parameters, and the state that it takes.
///
/// Transformations see a flat list of leaves. Updates and parameters come in the dtype of the state
/// ([`Parameter::state_dtype`]). The state given to `update` has the structure that `init` says: the caller has compared them.
/// JAX: `optax.GradientTransformationExtraArgs`.
pub trait GradientTransformation: Send + Sync {
    /// The state of these parameters before the first step.
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot>;
    /// One step: new updates, one per parameter, and the new state.
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState);
    /// The learning rate of the next step, a scalar, if this applies one.
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        let _ = state;
        None
    }
}

/// What a transformation may look at besides updates and its state.
#[derive(Clone)]
pub struct Step<'a> {
    /// The parameters' names and types.
    pub parameters: Vec<Parameter>,
    /// Their values, in the dtype of their state.
    pub params: Vec<Tensor>,
    /// The gradients that the whole optimizer was given.
    pub gradients: Vec<Tensor>,
    /// The loss at these parameters, if the caller gave it: a scalar.
    pub value: Option<Tensor>,
    /// The loss as a function of the parameters, if the caller gave it: line searches and estimates of curvature call it.
    pub value_fn: Option<ValueFn<'a>>,
}
/// A loss, as a function of the leaves of the parameters.
pub type ValueFn<'a> = &'a dyn Fn(&[Tensor]) -> Tensor;

impl<'a> Step<'a> {
    /// The loss as a function of parameters, which this transformation cannot do without.
    #[track_caller]
    pub(super) fn value_fn(&self, of: &str) -> ValueFn<'a> {
        let missing = || {
            let help = "call `update_with`, which takes the loss as a function of the parameters".to_string();
            fail(
                "update",
                vec![],
                format!("{of} evaluates the loss at other parameters, but has no function for it"),
                Some(help),
            )
        };
        self.value_fn.unwrap_or_else(missing)
    }
    /// The same step for some of the parameters; those that are left out stay what they are.
    pub(super) fn of<R>(&self, chosen: &[usize], f: impl FnOnce(&Step) -> R) -> R {
        let value_fn = self.value_fn.map(|whole| {
            move |some: &[Tensor]| {
                let mut all = self.params.clone();
                chosen.iter().zip(some).for_each(|(i, t)| all[*i] = *t);
                whole(&all)
            }
        });
        f(&Step {
            parameters: chosen.iter().map(|i| self.parameters[*i].clone()).collect(),
            params: chosen.iter().map(|i| self.params[*i]).collect(),
            gradients: chosen.iter().map(|i| self.gradients[*i]).collect(),
            value: self.value,
            value_fn: value_fn.as_ref().map(|f| f as ValueFn),
        })
    }
}

/// An optimizer, or a part of one: [`adamw`](super::adamw), [`chain`](super::chain) of several, a
/// [`clip_by_global_norm`](super::clip_by_global_norm). It holds settings and no data; what changes is its [`OptState`].
///
/// Two are equal if one is a clone of the other.
#[derive(Clone)]
pub struct Optimizer {
    name: Arc<str>,
    inner: Arc<dyn GradientTransformation>,
}
impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name)
    }
}
impl PartialEq for Optimizer {
    fn eq(&self, other: &Optimizer) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Optimizer {
    /// Of a transformation of one's own, with a name for messages.
    pub fn new(name: impl Into<Arc<str>>, inner: impl GradientTransformation + 'static) -> Optimizer {
        Optimizer { name: name.into(), inner: Arc::new(inner) }
    }
    /// Under another name.
    pub(super) fn named(self, name: &str) -> Optimizer {
        Optimizer { name: name.into(), ..self }
    }
    /// The transformation.
    pub(super) fn inner(&self) -> &dyn GradientTransformation {
        &*self.inner
    }

    /// The state before the first step: of tensors in a trace, of types ([`Aval`](crate::Aval)) to compile for, of specifications
    /// ([`Param`](crate::Param)), whose axes keep their roles; and of arrays, divided as they are, where it is a `Result`.
    pub fn init<L: Initial, M: Tree<L>>(&self, params: &M) -> L::State {
        L::state(&self.slots(params), &params.leaves())
    }
    /// The state before the first step as arrays, for a model of arrays, types or specifications: on the first device of the
    /// client, or divided over a mesh as the model's arrays are.
    ///
    /// # Errors
    /// What the plugin reports, such as memory that does not suffice; types where the state begins with the parameters' values.
    pub fn init_on<L: Typed, M: Tree<L>>(&self, client: &Client, params: &M) -> Result<OptState<Array>> {
        arrays(&self.slots(params), client, &params.leaves())
    }
    /// The state before the first step, before it has values: types, first values, and which axes are a parameter's.
    pub fn slots<L: Typed, M: Tree<L>>(&self, params: &M) -> OptState<Slot> {
        self.inner.init(&Parameter::of(params))
    }
    /// One step: the updates, to be added by [`apply_updates`], and the new state.
    #[track_caller]
    pub fn update<M: TensorTree>(&self, gradient: &M, state: OptState, params: &M) -> (M, OptState) {
        let _at = At::op("update");
        self.step(gradient, state, params, None, None)
    }
    /// As [`Optimizer::update`], for optimizers that look at the loss: its value at these parameters, and the function that makes
    /// it of parameters, which line searches ([`lbfgs`](super::lbfgs)) and estimates of curvature ([`sophia`](super::sophia)) call.
    #[track_caller]
    pub fn update_with<M: TensorTree>(
        &self,
        gradient: &M,
        state: OptState,
        params: &M,
        value: Tensor,
        value_fn: impl Fn(M) -> Tensor,
    ) -> (M, OptState) {
        let _at = At::op("update");
        let of_leaves = |leaves: &[Tensor]| {
            let own = leaves.iter().zip(params.leaves()).map(|(t, p)| t.cast(p.dtype()));
            value_fn(params.refill(own.collect::<Vec<_>>()))
        };
        self.step(gradient, state, params, Some(value), Some(&of_leaves))
    }
    /// The learning rate of the next step, a scalar f32; `None` if the optimizer has none.
    #[track_caller]
    pub fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        let _at = At::op("learning_rate");
        self.inner.learning_rate(state)
    }

    #[track_caller]
    fn step<M: TensorTree>(
        &self,
        gradient: &M,
        state: OptState,
        params: &M,
        value: Option<Tensor>,
        value_fn: Option<ValueFn>,
    ) -> (M, OptState) {
        let gradients = leaves_like("the gradient", gradient, params);
        let parameters = Parameter::of(params);
        self.check(&state, &parameters);
        let wide = |(t, p): (Tensor, &Parameter)| t.cast(p.state_dtype());
        let updates: Vec<Tensor> = gradients.into_iter().zip(&parameters).map(wide).collect();
        let params_wide = params.leaves().into_iter().zip(&parameters).map(wide).collect();
        let step = Step { params: params_wide, gradients: updates.clone(), parameters, value, value_fn };
        let (updates, state) = self.inner.update(updates, &state, &step);
        (params.refill(updates), state)
    }
    /// The state is that of this optimizer for these parameters.
    #[track_caller]
    fn check(&self, state: &OptState, parameters: &[Parameter]) {
        let wanted = self.inner.init(parameters);
        let (have, want) = (state.paths(), wanted.paths());
        let help = || Some("make the state by `init` of this optimizer, with these parameters".to_string());
        if let Some((one, other, path)) = difference("the state", &have, &format!("that of {self:?}"), &want) {
            fail("update", vec![], format!("{one} has a leaf `{path}`, which {other} lacks"), help());
        }
        for ((t, slot), path) in state.leaves().into_iter().zip(wanted.leaves()).zip(want) {
            if !t.aval().is_like(&slot.aval) {
                let reason = format!("the state has {} at `{path}`, where {self:?} has {}", t.aval(), slot.aval);
                fail("update", vec![], reason, help());
            }
        }
    }
}

/// Parameters with their updates added, in the dtype of the updates, and rounded to their own. JAX: `optax.apply_updates`.
#[track_caller]
pub fn apply_updates<M: TensorTree>(params: &M, updates: &M) -> M {
    let _at = At::op("apply_updates");
    let updates = leaves_like("the tree of updates", updates, params);
    let add = |(p, u): (Tensor, Tensor)| (p.cast(u.dtype()) + u).cast(p.dtype());
    params.refill(params.leaves().into_iter().zip(updates).map(add).collect::<Vec<_>>())
}

/// The leaves of one tree where `condition` (a scalar bool) holds, else those of another one of the same structure. JAX:
/// `optax.tree.where`.
#[track_caller]
pub fn tree_where<M: TensorTree>(condition: Tensor, yes: &M, no: &M) -> M {
    let _at = At::op("tree_where");
    let chosen = yes.leaves().into_iter().zip(no.leaves()).map(|(yes, no)| where_(condition, yes, no));
    yes.refill(chosen.collect::<Vec<_>>())
}

/// The first leaf that one of two trees lacks: who has it, who lacks it, its path.
fn difference<'a>(
    one: &'a str,
    ours: &'a [String],
    other: &'a str,
    theirs: &'a [String],
) -> Option<(&'a str, &'a str, &'a str)> {
    let i = (0..ours.len().max(theirs.len())).find(|i| ours.get(*i) != theirs.get(*i))?;
    match (ours.get(i), theirs.get(i)) {
        (Some(path), _) if !theirs.contains(path) => Some((one, other, path)),
        (_, Some(path)) => Some((other, one, path)),
        (Some(path), None) => Some((one, other, path)),
        (None, None) => None,
    }
}

/// The leaves of a tree that must be like the model: abandons tracing with the first leaf that is not.
#[track_caller]
fn leaves_like<M: Tree<Tensor>>(what: &str, tree: &M, model: &M) -> Vec<Tensor> {
    let (ours, theirs) = (tree.paths(), model.paths());
    if let Some((one, other, path)) = difference(what, &ours, "the model", &theirs) {
        fail("update", vec![], format!("{one} has a leaf `{path}`, which {other} lacks"), None);
    }
    let leaves = tree.leaves();
    for ((leaf, parameter), path) in leaves.iter().zip(model.leaves()).zip(theirs) {
        let (a, p) = (leaf.aval(), parameter.aval());
        if a.dims != p.dims {
            let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            fail("update", vec![], format!("{what} has {a}{at}, where the model has {p}"), None);
        }
    }
    leaves
}

/// One transformation after the other: each is given what the one before it made. The states are numbered. JAX: `optax.chain`.
///
/// ```
/// use raxla::{optim, prelude::*};
/// let opt = optim::chain([optim::clip_by_global_norm(1.0), optim::adamw(3e-4, Default::default())]);
/// assert_eq!(opt.init(&Aval::new(DType::F32, [2])).paths(), ["1.0.count", "1.0.mu", "1.0.nu"]);
/// ```
pub fn chain(parts: impl IntoIterator<Item = Optimizer>) -> Optimizer {
    let parts: Vec<Optimizer> = parts.into_iter().collect();
    let names: Vec<String> = parts.iter().map(|p| p.name.to_string()).collect();
    Optimizer::new(format!("chain({})", names.join(", ")), Chain(parts))
}
struct Chain(Vec<Optimizer>);
impl GradientTransformation for Chain {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        OptState::of(self.0.iter().enumerate().map(|(i, part)| (i.to_string(), part.inner.init(parameters))))
    }
    fn update(&self, mut updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let mut states = vec![];
        for (i, part) in self.0.iter().enumerate() {
            let name = i.to_string();
            let new;
            (updates, new) = part.inner.update(updates, state.part(&name), step);
            states.push((name, new));
        }
        (updates, OptState::of(states))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.0.iter().enumerate().find_map(|(i, part)| part.inner.learning_rate(state.part(&i.to_string())))
    }
}

/// What is done to each parameter alone. Most transformations are this: some state like the parameter, and a function.
pub(super) struct PerLeaf<F> {
    counted: bool,
    slots: Vec<(&'static str, SlotOf)>,
    f: F,
}
type SlotOf = Box<dyn Fn(&Parameter) -> Slot + Send + Sync>;

/// One parameter's step.
pub(super) struct LeafStep {
    /// The update that comes in.
    pub g: Tensor,
    /// The parameter, in the dtype of its state.
    pub p: Tensor,
    /// The parameter's state, in the order of the slots: read, and replaced.
    pub s: Vec<Tensor>,
    /// The number of this step: 1 at the first; 0 where none is kept.
    pub count: Tensor,
}

/// A transformation that does `f` to each parameter alone, which has no state yet.
pub(super) fn per_leaf<F: Fn(&mut LeafStep) -> Tensor + Send + Sync>(f: F) -> PerLeaf<F> {
    PerLeaf { counted: false, slots: vec![], f }
}
impl<F: Fn(&mut LeafStep) -> Tensor + Send + Sync + 'static> PerLeaf<F> {
    /// It counts steps.
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }
    /// It keeps this of each parameter.
    pub fn slot(mut self, name: &'static str, slot: impl Fn(&Parameter) -> Slot + Send + Sync + 'static) -> Self {
        self.slots.push((name, Box::new(slot)));
        self
    }
    /// It keeps zeros like each parameter.
    pub fn zeros(self, name: &'static str) -> Self {
        self.slot(name, Slot::like)
    }
    /// As an optimizer.
    pub fn named(self, name: &'static str) -> Optimizer {
        Optimizer::new(name, self)
    }
}
impl<F: Fn(&mut LeafStep) -> Tensor + Send + Sync> GradientTransformation for PerLeaf<F> {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let count = self.counted.then(|| ("count", OptState::leaf(Slot::count())));
        let slots = self.slots.iter().map(|(name, slot)| (*name, super::state::per_parameter(parameters, slot)));
        OptState::of(count.into_iter().chain(slots))
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let count = match self.counted {
            true => next(state.tensor("count")),
            false => crate::full([], crate::DType::I32, 0),
        };
        let old: Vec<Vec<Tensor>> = self.slots.iter().map(|(name, _)| state.tensors(name)).collect();
        let mut new: Vec<Vec<Tensor>> = vec![vec![]; old.len()];
        let mut out = vec![];
        for (i, g) in updates.into_iter().enumerate() {
            let s: Vec<Tensor> = old.iter().map(|slot| slot[i]).collect();
            let types: Vec<_> = s.iter().map(|t| t.dtype()).collect();
            let mut leaf = LeafStep { g, p: step.params[i], s, count };
            out.push((self.f)(&mut leaf));
            for ((new, t), dtype) in new.iter_mut().zip(leaf.s).zip(types) {
                new.push(t.cast(dtype));
            }
        }
        let count = self.counted.then(|| ("count".to_string(), OptState::leaf(count)));
        let slots = self.slots.iter().zip(new).map(|((name, _), new)| state.refilled(name, new));
        (out, OptState::of(count.into_iter().chain(slots)))
    }
}

/// One more step, which stops counting at the largest number.
#[track_caller]
pub(super) fn next(count: Tensor) -> Tensor {
    count.minimum(i32::MAX - 1) + 1
}
