//! The programs of one loaded model.
use super::{DraftProgram, Extend, Loop, State, Step, Verify, decode_loop, draft, extend, step, verify};
use crate::{model::Model, sampling::Shape};
use raxla::{Jit, Tensor, jit};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

/// From a state and numbers of rows to the state of these rows.
pub type Pick = Jit<(State, Tensor), Box<dyn Fn(State, Tensor) -> State + Send + Sync>>;

/// Functions that were jitted before, by what is fixed in them.
struct Shelf<K, J>(Mutex<HashMap<K, Arc<J>>>);
impl<K, J> Default for Shelf<K, J> {
    fn default() -> Shelf<K, J> {
        Shelf(Mutex::default())
    }
}
impl<K: Hash + Eq, J> Shelf<K, J> {
    fn get(&self, key: K, make: impl FnOnce() -> J) -> Arc<J> {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        all.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }
    fn sum(&self, f: impl Fn(&J) -> usize) -> usize {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).values().map(|j| f(j)).sum()
    }
}

/// The programs of one loaded model, made when they are first needed.
#[derive(Default)]
pub(crate) struct Programs {
    steps: Shelf<Shape, Step>,
    loops: Shelf<(Shape, usize), Loop>,
    picks: Shelf<(), Pick>,
    drafts: Shelf<(Shape, usize), DraftProgram>,
    verifications: Shelf<Shape, Verify>,
    extensions: Shelf<(Shape, usize), Extend>,
}
impl Programs {
    /// The program that takes some tokens and chooses the next one.
    pub fn step(&self, model: &Model, shape: Shape) -> Arc<Step> {
        self.steps.get(shape, || match model.placement() {
            Some(placement) => placement.step(shape).options(model.compile_options()),
            None => step(shape).on(model.client()).options(model.compile_options()),
        })
    }
    /// The program that generates up to `room` tokens.
    pub fn decode_loop(&self, model: &Model, shape: Shape, room: usize) -> Arc<Loop> {
        self.loops.get((shape, room), || decode_loop(shape, room).on(model.client()).options(model.compile_options()))
    }
    /// The program that repeats, leaves out, or exchanges rows.
    pub fn pick(&self, model: &Model) -> Arc<Pick> {
        let pick = |state: State, rows: Tensor| state.pick(rows);
        let pick = || jit(Box::new(pick) as Box<_>).named("pick");
        self.picks.get((), || match model.placement() {
            Some(placement) => placement.pick(pick()),
            None => pick().on(model.client()),
        })
    }
    /// The program that drafts `n` tokens.
    pub fn draft(&self, model: &Model, shape: Shape, n: usize) -> Arc<DraftProgram> {
        self.drafts.get((shape, n), || draft(shape, n).on(model.client()).options(model.compile_options()))
    }
    /// The program that keeps or rejects drafted tokens.
    pub fn verify(&self, model: &Model, shape: Shape) -> Arc<Verify> {
        self.verifications.get(shape, || verify(shape).on(model.client()).options(model.compile_options()))
    }
    /// The program that extends beams, and keeps so many continuations.
    pub fn extend(&self, model: &Model, shape: Shape, keep: usize) -> Arc<Extend> {
        self.extensions.get((shape, keep), || extend(shape, keep).on(model.client()).options(model.compile_options()))
    }
    /// Number of programs compiled so far.
    pub fn compiles(&self) -> usize {
        self.steps.sum(Jit::compiles)
            + self.loops.sum(Jit::compiles)
            + self.picks.sum(Jit::compiles)
            + self.drafts.sum(Jit::compiles)
            + self.verifications.sum(Jit::compiles)
            + self.extensions.sum(Jit::compiles)
    }
}
