//! Transformations of transformations: some parameters only, several steps at once, not where numbers are not finite.
use super::{
    Mask, OptState, Optimizer,
    clip::sum_of,
    slot::{Parameter, Slot},
    state::per_parameter,
    transformation::{GradientTransformation, Step, next, tree_where},
};
use crate::{aval::DType, ops::where_, trace::Tensor};

/// A transformation of the parameters that `mask` holds; the updates of others stay as they are, and have no state. JAX:
/// `optax.masked`.
pub fn masked(inner: Optimizer, mask: impl Into<Mask>) -> Optimizer {
    Optimizer::new(format!("masked({inner:?})"), Masked(inner, mask.into()))
}
struct Masked(Optimizer, Mask);
const INNER: &str = "inner_state";
impl GradientTransformation for Masked {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        OptState::of([(INNER, self.0.inner().init(&some(parameters, &self.1.chosen(parameters))))])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let chosen = self.1.chosen(&step.parameters);
        let (updates, inner) = update_some(&self.0, updates, &chosen, state.part(INNER), step);
        (updates, OptState::of([(INNER, inner)]))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.0.inner().learning_rate(state.part(INNER))
    }
}
fn some(parameters: &[Parameter], chosen: &[usize]) -> Vec<Parameter> {
    chosen.iter().map(|i| parameters[*i].clone()).collect()
}
/// A step of some of the parameters.
fn update_some(
    inner: &Optimizer,
    mut updates: Vec<Tensor>,
    chosen: &[usize],
    state: &OptState,
    step: &Step,
) -> (Vec<Tensor>, OptState) {
    let own = chosen.iter().map(|i| updates[*i]).collect();
    let (new, state) = step.of(chosen, |step| inner.inner().update(own, state, step));
    chosen.iter().zip(new).for_each(|(i, g)| updates[*i] = g);
    (updates, state)
}

/// Each parameter by the first of these whose pattern its path matches ([`Mask`] says what patterns are); `"*"` at the end takes the
/// rest. A parameter that no rule holds stays what it is. State has the numbers of the rules as names. JAX: `optax.partition` (once `multi_transform`).
///
/// ```
/// use raxla::{optim, prelude::*};
/// let opt = optim::partition([("*norm*", optim::set_to_zero()), ("*", optim::adam(1e-3, Default::default()))]);
/// let model = (Aval::new(DType::F32, [2]), Aval::new(DType::F32, [2])); // no path has `norm` in it
/// assert_eq!(opt.init(&model).get("mu").unwrap().paths(), ["0", "1"]);
/// ```
pub fn partition(rules: impl IntoIterator<Item = (&'static str, Optimizer)>) -> Optimizer {
    partition_by(rules.into_iter().map(|(pattern, inner)| (pattern, pattern.into(), inner)))
}
/// As [`partition`], of named masks: each parameter by the first that holds it; the names are those of the states.
pub fn partition_by(rules: impl IntoIterator<Item = (&'static str, Mask, Optimizer)>) -> Optimizer {
    Optimizer::new("partition", Partition(rules.into_iter().collect()))
}
struct Partition(Vec<(&'static str, Mask, Optimizer)>);
impl Partition {
    /// Which parameters each rule has.
    fn chosen(&self, parameters: &[Parameter]) -> Vec<Vec<usize>> {
        let mut all = vec![vec![]; self.0.len()];
        for (i, p) in parameters.iter().enumerate() {
            if let Some(rule) = self.0.iter().position(|(_, mask, _)| mask.holds(&p.path, &p.aval)) {
                all[rule].push(i);
            }
        }
        all
    }
}
impl GradientTransformation for Partition {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        let chosen = self.chosen(parameters);
        let each = self.0.iter().zip(&chosen).enumerate();
        OptState::of(each.map(|(i, ((name, _, inner), chosen))| {
            (state_name(name, i), inner.inner().init(&some(parameters, chosen)))
        }))
    }
    fn update(&self, mut updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (mut states, all) = (vec![], self.chosen(&step.parameters));
        for (i, g) in updates.iter_mut().enumerate() {
            if !all.iter().any(|chosen| chosen.contains(&i)) {
                *g = g.like(0);
            }
        }
        for (i, ((name, _, inner), chosen)) in self.0.iter().zip(all).enumerate() {
            let name = state_name(name, i);
            let new;
            (updates, new) = update_some(inner, updates, &chosen, state.part(&name), step);
            states.push((name, new));
        }
        (updates, OptState::of(states))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        let each = self.0.iter().enumerate();
        each.rev().find_map(|(i, (name, _, inner))| inner.inner().learning_rate(state.part(&state_name(name, i))))
    }
}
/// A rule's state: a name of letters, or the number of a pattern.
fn state_name(name: &str, i: usize) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && !name.is_empty() { name.to_string() } else { i.to_string() }
}

/// One step of `inner` from the mean of the gradients of `every_k` steps; in between parameters stay. The sum is kept in f32. A
/// step in between costs what a step of the optimizer does. JAX: `optax.MultiSteps`.
pub fn multi_steps(inner: Optimizer, every_k: usize) -> Optimizer {
    Optimizer::new(format!("multi_steps({inner:?})"), MultiSteps(inner, every_k.max(1)))
}
struct MultiSteps(Optimizer, usize);
const MULTI: &str = "inner_opt_state";
impl GradientTransformation for MultiSteps {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        OptState::of([
            ("mini_step", OptState::leaf(Slot::count())),
            ("gradient_step", OptState::leaf(Slot::count())),
            (MULTI, self.0.inner().init(parameters)),
            ("acc_grads", per_parameter(parameters, Slot::like)),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (mini, old) = (state.tensor("mini_step"), state.part(MULTI));
        let n = mini + 1;
        let pairs = updates.into_iter().zip(state.tensors("acc_grads"));
        let mean: Vec<Tensor> = pairs.map(|(g, mean)| mean + (g - mean) / n.cast(g.dtype())).collect();
        let emit = mini.eq(self.1 as i64 - 1);
        let (updates, inner) = self.0.inner().update(mean.clone(), old, step);
        let zero = |x: Tensor| x.like(0);
        let steps = state.tensor("gradient_step");
        let state = OptState::of([
            ("mini_step".to_string(), OptState::leaf(n % self.1 as i64)),
            ("gradient_step".to_string(), OptState::leaf(where_(emit, next(steps), steps))),
            (MULTI.to_string(), tree_where(emit, &inner, old)),
            state.refilled("acc_grads", mean.into_iter().map(|x| where_(emit, zero(x), x)).collect()),
        ]);
        (updates.into_iter().map(|g| where_(emit, g, zero(g))).collect(), state)
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.0.inner().learning_rate(state.part(MULTI))
    }
}

/// `inner`, but no update and the old state where a gradient has a number that is not finite; after more than
/// `max_consecutive_errors` such steps in a row it is applied all the same. JAX: `optax.apply_if_finite`.
pub fn apply_if_finite(inner: Optimizer, max_consecutive_errors: usize) -> Optimizer {
    Optimizer::new(format!("apply_if_finite({inner:?})"), IfFinite(inner, max_consecutive_errors))
}
struct IfFinite(Optimizer, usize);
impl GradientTransformation for IfFinite {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        OptState::of([
            ("notfinite_count", OptState::leaf(Slot::count())),
            ("last_finite", OptState::leaf(Slot::scalar(DType::Bool, 1.0))),
            ("total_notfinite", OptState::leaf(Slot::count())),
            (INNER, self.0.inner().init(parameters)),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (finite, old) = (all_finite(&updates), state.part(INNER));
        let [in_a_row, total] = ["notfinite_count", "total_notfinite"].map(|name| state.tensor(name));
        let in_a_row = where_(finite, in_a_row.like(0), next(in_a_row));
        let apply = finite | in_a_row.gt(self.1);
        let (updates, inner) = self.0.inner().update(updates, old, step);
        let state = OptState::of([
            ("notfinite_count", OptState::leaf(in_a_row)),
            ("last_finite", OptState::leaf(finite)),
            ("total_notfinite", OptState::leaf(where_(finite, total, next(total)))),
            (INNER, tree_where(apply, &inner, old)),
        ]);
        (updates.into_iter().map(|g| where_(apply, g, 0)).collect(), state)
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.0.inner().learning_rate(state.part(INNER))
    }
}
/// Are all numbers finite? A scalar bool.
pub(super) fn all_finite(leaves: &[Tensor]) -> Tensor {
    sum_of(leaves, |t| where_(t.is_finite(), t.like(0), 1).sum(..)).eq(0.0)
}

/// Steps of `inner`, and every `sync_period` steps a step of `slow_step_size` from where they began towards where they led, from
/// where they begin anew. The slow parameters are kept in the state under `slow`. Zhang et al., 2019 (arXiv 1907.08610). JAX:
/// `optax.lookahead`, which keeps them beside the parameters.
pub fn lookahead(inner: Optimizer, sync_period: usize, slow_step_size: f64) -> Optimizer {
    Optimizer::new(format!("lookahead({inner:?})"), Lookahead(inner, sync_period.max(1), slow_step_size))
}
struct Lookahead(Optimizer, usize, f64);
const FAST: &str = "fast_state";
impl GradientTransformation for Lookahead {
    fn init(&self, parameters: &[Parameter]) -> OptState<Slot> {
        OptState::of([
            (FAST, self.0.inner().init(parameters)),
            ("steps_since_sync", OptState::leaf(Slot::count())),
            ("slow", per_parameter(parameters, |p| Slot::like(p).parameter())),
        ])
    }
    fn update(&self, updates: Vec<Tensor>, state: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let (updates, inner) = self.0.inner().update(updates, state.part(FAST), step);
        let count = state.tensor("steps_since_sync");
        let sync = count.eq(self.1 as i64 - 1);
        let (mut slow, mut out) = (vec![], vec![]);
        for ((u, p), s) in updates.into_iter().zip(&step.params).zip(state.tensors("slow")) {
            let apart = *p + u - s;
            slow.push(where_(sync, s + apart * self.2, s));
            out.push(where_(sync, u - apart * (1.0 - self.2), u));
        }
        let state = OptState::of([
            (FAST.to_string(), inner),
            ("steps_since_sync".to_string(), OptState::leaf((count + 1) % self.1 as i64)),
            state.refilled("slow", slow),
        ]);
        (out, state)
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        self.0.inner().learning_rate(state.part(FAST))
    }
}
