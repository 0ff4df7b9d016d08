//! The zoom line search: a step length that decreases the loss and its slope enough.
use super::{
    OptState, Optimizer,
    rate_free::vdot,
    slot::{Parameter, Slot},
    transformation::{GradientTransformation, Step, ValueFn, tree_where},
};
use crate::{
    aval::DType,
    ops::where_,
    prim::{full, while_loop},
    trace::Tensor,
    transform::value_and_grad,
    tree::Tree,
};

/// What [`scale_by_zoom_linesearch`] needs to know, with the names of optax and its defaults inside [`lbfgs`](super::lbfgs).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZoomOptions {
    /// How many step lengths are tried: 20.
    pub max_linesearch_steps: usize,
    /// The longest step; `None`: any.
    pub max_learning_rate: Option<f64>,
    /// How much the conditions may be violated: 0.
    pub tol: f64,
    /// How much longer the next try is, until an interval is found: 2.
    pub increase_factor: f64,
    /// Part of the first slope that the loss must go down with: 1e-4.
    pub slope_rtol: f64,
    /// Part of the first slope that may be left: 0.9.
    pub curv_rtol: f64,
    /// Near a minimum, where losses differ by rounding, how much of the loss a step may add: 1e-6; `None`: nothing.
    pub approx_dec_rtol: Option<f64>,
    /// The shortest interval: 1e-5.
    pub stepsize_precision: f64,
}
impl Default for ZoomOptions {
    fn default() -> ZoomOptions {
        ZoomOptions {
            max_linesearch_steps: 20,
            max_learning_rate: None,
            tol: 0.0,
            increase_factor: 2.0,
            slope_rtol: 1e-4,
            curv_rtol: 0.9,
            approx_dec_rtol: Some(1e-6),
            stepsize_precision: 1e-5,
        }
    }
}

/// Updates times the length that a line search finds along them, the first try being 1: Nocedal and Wright, 2006, algorithms 3.5 and
/// 3.6. The loss there is kept in the state under `value`. JAX: `optax.scale_by_zoom_linesearch`.
pub fn scale_by_zoom_linesearch(options: ZoomOptions) -> Optimizer {
    Optimizer::new("scale_by_zoom_linesearch", Zoom(options))
}
struct Zoom(ZoomOptions);

/// A point on the line: how far, the loss, its slope along the line.
#[derive(Tree, Clone)]
struct Point<T = Tensor> {
    at: T,
    value: T,
    slope: T,
}
/// The search so far.
#[derive(Tree, Clone)]
struct Search<T = Tensor> {
    count: T,
    /// The latest point.
    point: Point<T>,
    interval_found: T,
    done: T,
    failed: T,
    low: Point<T>,
    high: Point<T>,
    /// A third point, through which a cubic goes.
    reference: Point<T>,
    /// The best point so far that decreases the loss.
    safe: Point<T>,
}
/// What does not change while searching.
struct Line<'a> {
    params: &'a [Tensor],
    updates: &'a [Tensor],
    first: Point,
    loss: ValueFn<'a>,
}

impl Zoom {
    /// The point so far along the line.
    fn point(&self, line: &Line, at: Tensor) -> Point {
        let moved = line.params.iter().zip(line.updates).map(|(p, u)| *p + *u * at.cast(u.dtype())).collect();
        let (value, gradient) = value_and_grad(|p: Vec<Tensor>| (line.loss)(&p).cast(DType::F32))(moved);
        Point { at, value, slope: vdot(&gradient, line.updates).cast(DType::F32) }
    }
    /// How far the conditions are violated: of decrease, of curvature.
    fn errors(&self, first: &Point, new: &Point) -> (Tensor, Tensor) {
        let o = &self.0;
        let positive = |x: Tensor| where_(x.is_nan(), x.like(f64::INFINITY), x.maximum(0.0));
        let mut decrease = new.value - first.value - new.at * first.slope * o.slope_rtol;
        if let Some(part) = o.approx_dec_rtol {
            let slope = new.slope - first.slope * (2.0 * o.slope_rtol - 1.0);
            decrease = slope.maximum(new.value - first.value - first.value.abs() * part).minimum(decrease);
        }
        (positive(decrease), positive(new.slope.abs() - first.slope.abs() * o.curv_rtol))
    }
    /// The next length to try: longer ones until an interval is found; then inside of it.
    fn length(&self, s: &Search) -> Tensor {
        let longer = where_(s.count.eq(0), s.point.at.like(1), s.point.at * self.0.increase_factor);
        let longer = self.0.max_learning_rate.map_or(longer, |most| longer.minimum(most));
        where_(s.interval_found, middle(&s.low, &s.high, &s.reference), longer)
    }
    /// One more point.
    fn step(&self, line: &Line, s: Search) -> Search {
        let o = &self.0;
        let new = self.point(line, self.length(&s));
        let (decrease, curvature) = self.errors(&line.first, &new);
        let error = decrease.maximum(curvature);
        let (fits, decreases) = (error.le(o.tol), decrease.le(o.tol));
        let searched = self.search(&s, &new, decrease, fits);
        let zoomed = zoom(&s, &new, decrease);
        let (low, high, reference) = tree_where(s.interval_found, &zoomed, &(searched.0, searched.1, searched.2));
        let safer = decreases & (!s.interval_found | new.value.lt(s.safe.value));
        let safe = tree_where(safer, &new, &s.safe);
        let last = (s.count + 1).ge(o.max_linesearch_steps);
        let narrow = (s.high.at - s.low.at).abs().le(o.stepsize_precision) & safe.at.gt(0.0) & s.interval_found;
        let longest = o.max_learning_rate.map_or(fits, |most| fits | (new.at.ge(most) & !searched.3));
        let done = where_(s.interval_found, fits, longest);
        let interval_found = s.interval_found | searched.3;
        let failed = (last | narrow) & !done;
        // without a point that fits, the best one that decreases the loss, if there is one
        let settle = failed & (safe.at.gt(0.0) | decrease.eq(f64::INFINITY));
        let point = tree_where(settle, &safe, &new);
        let count = s.count + 1;
        Search { count, point, interval_found, done, failed, low, high, reference, safe }
    }
    /// The interval between this point and the one before it, and whether it holds a minimum.
    fn search(&self, s: &Search, new: &Point, decrease: Tensor, fits: Tensor) -> (Point, Point, Point, Tensor) {
        let high_is_new = decrease.gt(0.0) | (new.value.ge(s.point.value) & s.count.gt(0));
        let low_is_new = new.slope.ge(0.0) & !high_is_new;
        let low = tree_where(low_is_new, new, &s.point);
        let high = tree_where(low_is_new, &s.point, new);
        (low.clone(), high, low, high_is_new | low_is_new | fits)
    }
}
/// The part of the interval in which a minimum is, given a point inside of it.
fn zoom(s: &Search, new: &Point, decrease: Tensor) -> (Point, Point, Point) {
    let high_is_new = decrease.gt(0.0) | new.value.ge(s.low.value);
    let high_is_low = (new.slope * (s.high.at - s.low.at)).ge(0.0) & !high_is_new;
    let high = tree_where(high_is_low, &s.low, &tree_where(high_is_new, new, &s.high));
    let low = tree_where(high_is_new, &s.low, new);
    (low, high, tree_where(high_is_new | high_is_low, &s.high, &s.low))
}
/// A length inside of an interval: the minimum of a cubic through three points, or of a parabola through two, or the middle.
fn middle(low: &Point, high: &Point, reference: &Point) -> Tensor {
    let (a, b, c) = (low.at, high.at, reference.at);
    let (left, right, width) = (a.minimum(b), a.maximum(b), (b - a).abs());
    let inside = |x: Tensor, part: f64| x.gt(left + width * part) & x.lt(right - width * part);
    let (db, dc) = (b - a, c - a);
    let (fb, fc) = (high.value - low.value - low.slope * db, reference.value - low.value - low.slope * dc);
    let scale = (db * dc).powi(2) * (db - dc);
    let cube = (dc * dc * fb - db * db * fc) / scale;
    let square = (db.powi(3) * fc - dc.powi(3) * fb) / scale;
    let cubic = a + (-square + (square * square - cube * low.slope * 3.0).sqrt()) / (cube * 3.0);
    let parabola = a - low.slope / (fb / (db * db) * 2.0);
    where_(inside(cubic, 0.2), cubic, where_(inside(parabola, 0.1), parabola, (a + b) / 2.0))
}

impl GradientTransformation for Zoom {
    fn init(&self, _: &[Parameter]) -> OptState<Slot> {
        let scalar = |value| OptState::leaf(Slot::scalar(DType::F32, value));
        OptState::of([("learning_rate", scalar(1.0)), ("value", scalar(f64::INFINITY))])
    }
    fn update(&self, updates: Vec<Tensor>, _: &OptState, step: &Step) -> (Vec<Tensor>, OptState) {
        let loss = step.value_fn("a line search");
        let value = step.value.unwrap_or_else(|| loss(&step.params)).cast(DType::F32);
        let (zero, no) = (full([], DType::F32, 0), full([], DType::Bool, 0));
        let slope = vdot(&updates, &step.gradients).cast(DType::F32);
        let first = Point { at: zero, value, slope };
        let line = Line { params: &step.params, updates: &updates, first: first.clone(), loss };
        let begin = Search {
            count: full([], DType::I32, 0),
            point: first.clone(),
            interval_found: no,
            done: no,
            failed: no,
            low: first.clone(),
            high: first.clone(),
            reference: first.clone(),
            safe: first,
        };
        let end = while_loop(|s: Search| !(s.done | s.failed), |s: Search| self.step(&line, s), begin);
        let out = updates.iter().map(|u| *u * end.point.at.cast(u.dtype())).collect();
        let state = [("learning_rate", end.point.at), ("value", end.point.value)];
        (out, OptState::of(state.map(|(name, value)| (name, OptState::leaf(value)))))
    }
    fn learning_rate(&self, state: &OptState) -> Option<Tensor> {
        Some(state.tensor("learning_rate"))
    }
}
