//! A model's layers: one declaration, two ways to hold and run them.
use crate::{
    aval::DType,
    param::Param,
    prim::{RematOptions, full, iota, remat_with, scan},
    trace::Tensor,
    tree::{Leaf, Path, StaticVisitor, Tree},
};

/// The layers of a model in their order, as [runs](Run) that are unrolled or scanned. The same model code runs both.
///
/// Paths name a layer by its number; of a scanned run, the layers of the first pattern: `layers.0` of a stack of equal layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers<A> {
    runs: Vec<Run<A>>,
}

/// Layers that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<A> {
    /// One tree per layer of the pattern.
    pub layers: Vec<A>,
    /// How often the pattern follows itself; every leaf then has a leading axis of this size, and the run is scanned:
    /// compile time does not grow with depth. `None`: it stands once and is unrolled, which slices no weights and is often the
    /// faster decode.
    pub times: Option<usize>,
}
impl<A> Run<A> {
    /// Number of layers.
    pub fn len(&self) -> usize {
        self.layers.len() * self.times.unwrap_or(1)
    }
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn with<B>(&self, layers: Vec<B>) -> Run<B> {
        Run { layers, times: self.times }
    }
}

impl<T: Leaf, A: Tree<T>> Tree<T> for Layers<A> {
    type With<U: Leaf> = Layers<A::With<U>>;
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U> {
        let run = |(first, run): (usize, &Run<A>)| {
            let layers = run.layers.iter().enumerate();
            run.with(layers.map(|(i, a)| a.map_at(&p.index(first + i), f)).collect())
        };
        Layers { runs: self.numbered().map(run).collect() }
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        for (first, run) in self.numbered() {
            run.layers.iter().enumerate().for_each(|(i, a)| a.visit_at(&p.index(first + i), f));
        }
    }
    fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
        f(p, "runs", &self.runs.len());
        for (first, run) in self.numbered() {
            f(&p.index(first), "layers of a run", &(run.layers.len(), run.times));
            run.layers.iter().enumerate().for_each(|(i, a)| a.structure_at(&p.index(first + i), f));
        }
    }
}

impl<A> Layers<A> {
    /// Layers that are unrolled.
    pub fn list(layers: Vec<A>) -> Layers<A> {
        Layers { runs: vec![Run { layers, times: None }] }
    }
    /// `n` equal layers that are scanned: every leaf of `layer` has a leading axis of this size.
    pub fn stacked(layer: A, n: usize) -> Layers<A> {
        Layers::repeated(vec![layer], n)
    }
    /// The layers of a pattern that follows itself `n` times and is scanned: every leaf has a leading axis of this size.
    pub fn repeated(pattern: Vec<A>, n: usize) -> Layers<A> {
        Layers { runs: vec![Run { layers: pattern, times: Some(n) }] }
    }
    /// The runs.
    pub fn runs(&self) -> &[Run<A>] {
        &self.runs
    }
    /// Number of layers.
    pub fn len(&self) -> usize {
        self.runs.iter().map(Run::len).sum()
    }
    /// Are there no layers?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Is any run scanned?
    pub fn is_scanned(&self) -> bool {
        self.runs.iter().any(|run| run.times.is_some())
    }
    /// What is held of the layers: one tree per unrolled layer, and per layer of a scanned pattern.
    pub fn iter(&self) -> impl Iterator<Item = &A> {
        self.runs.iter().flat_map(|run| &run.layers)
    }
    /// The number of each tree that is held, as paths have it: of a scanned pattern, those of its first layers.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.numbered().flat_map(|(first, run)| first..first + run.layers.len())
    }
    /// The same runs of what `f` makes of each tree that is held, and of how often it stands there if it is scanned.
    pub fn each<B>(&self, mut f: impl FnMut(&A, Option<usize>) -> B) -> Layers<B> {
        let run = |run: &Run<A>| run.with(run.layers.iter().map(|a| f(a, run.times)).collect());
        Layers { runs: self.runs.iter().map(run).collect() }
    }
    /// The leaves replaced by what `f` makes of them; it is told whether they have a leading axis of layers.
    pub fn map_stacked<T: Leaf, U: Leaf>(&self, mut f: impl FnMut(&T, bool) -> U) -> Layers<A::With<U>>
    where
        A: Tree<T>,
    {
        self.each(|a, times| a.map(|t| f(t, times.is_some())))
    }
    /// Each run with the number of its first layer.
    fn numbered(&self) -> impl Iterator<Item = (usize, &Run<A>)> {
        self.runs.iter().scan(0, |next, run| {
            let first = *next;
            *next += run.len();
            Some((first, run))
        })
    }
}

impl<A, B> Layers<(A, B)> {
    /// The parts of pairs.
    pub fn unzip(self) -> (Layers<A>, Layers<B>) {
        let split = |run: Run<(A, B)>| {
            let (a, b) = run.layers.into_iter().unzip();
            (Run { layers: a, times: run.times }, Run { layers: b, times: run.times })
        };
        let (a, b) = self.runs.into_iter().map(split).unzip();
        (Layers { runs: a }, Layers { runs: b })
    }
}

impl<P: Tree<Param, With<Param> = P> + Clone + PartialEq> Layers<P> {
    /// The specification of these layers, whose checkpoint names have `{}` for the layer's number. Scanned, layers that repeat
    /// in a pattern (all alike, or local and global ones in turns) become runs of it; those before and after it are unrolled.
    ///
    /// Two layers are alike if they are equal: in the types, axes, names and first values of their parameters, and in skipped fields
    /// (a window, a number of heads). So the layer's struct derives `PartialEq`, beside `Tree` and `Clone`; a layer that must not
    /// be in a run with others differs from them in a field. Without `scanned` nothing is compared.
    ///
    /// ```
    /// use raxla::{Param, nn::Layers};
    /// let layer = |width| Param::new([width], ["mlp"]).stored("h.{}.w");
    /// let held = Layers::spec(&[1, 2, 3, 2, 3, 2, 3].map(layer), true);
    /// let runs: Vec<_> = held.runs().iter().map(|r| (r.layers.len(), r.times)).collect();
    /// assert_eq!(runs, [(1, None), (2, Some(3))]);
    /// assert_eq!(held.runs()[1].layers[0].checkpoint_names(), ["h.1.w", "h.3.w", "h.5.w"]);
    /// ```
    pub fn spec(layers: &[P], scanned: bool) -> Layers<P> {
        let one = |i: usize| layers[i].map(|p| p.clone().of_layer(i));
        if !scanned {
            return Layers::list((0..layers.len()).map(one).collect());
        }
        let mut runs: Vec<Run<P>> = vec![];
        let mut at = 0;
        while at < layers.len() {
            let (period, times) = pattern(&layers[at..]);
            if times > 1 {
                let of = |i: usize| layers[i].map(|p| p.clone().stacked_layers(times, i, period));
                runs.push(Run { layers: (at..at + period).map(of).collect(), times: Some(times) });
            } else if let Some(Run { layers: before, times: None }) = runs.last_mut() {
                before.push(one(at));
            } else {
                runs.push(Run { layers: vec![one(at)], times: None });
            }
            at += period * times;
        }
        Layers { runs }
    }
}

/// How many of the first layers make a pattern, and how often it follows itself: so that the fewest layers are left to write.
fn pattern<P: PartialEq>(layers: &[P]) -> (usize, usize) {
    const LONGEST: usize = 16;
    let mut best = (1, 1);
    for period in 1..=(layers.len() / 2).min(LONGEST) {
        let same = (period..layers.len()).take_while(|i| layers[*i] == layers[i - period]).count();
        let times = 1 + same / period;
        if period * (times - 1) > best.0 * (best.1 - 1) {
            best = (period, times);
        }
    }
    best
}

impl<A: Tree<Tensor, With<Tensor> = A> + Clone> Layers<A> {
    /// The layers one by one, whatever they are held as.
    #[track_caller]
    pub fn to_list(&self) -> Vec<A> {
        let one = |run: &Run<A>, i: usize| {
            let (group, layer) = (i / run.layers.len(), &run.layers[i % run.layers.len()]);
            match run.times {
                Some(_) => layer.map(|t| t.slice_axis(0, group..group + 1).squeeze(0)),
                None => layer.clone(),
            }
        };
        self.runs.iter().flat_map(|run| (0..run.len()).map(move |i| one(run, i))).collect()
    }

    /// Pass `x` through the layers in order.
    #[track_caller]
    pub fn fold<C>(&self, x: C, f: impl Fn(C, A) -> C) -> C
    where
        C: Tree<Tensor, With<Tensor> = C> + Clone,
    {
        let none = self.each(|_, _| ());
        self.fold_with(x, &none, None, |x, a, (), _| (f(x, a), ())).0
    }

    /// Pass `x` through the layers in order; each layer also takes its part of `state` and its number, an i32 scalar, and gives a
    /// result of its own. With `remat`, reverse mode keeps of each layer what these options say and computes the rest again
    /// ([`remat_with`]).
    ///
    /// # Panics
    /// When `state` has other runs: an error of the calling code.
    #[track_caller]
    pub fn fold_with<C, S, Y>(
        &self,
        x: C,
        state: &Layers<S>,
        remat: Option<&RematOptions>,
        f: impl Fn(C, A, S, Tensor) -> (C, Y),
    ) -> (C, Layers<Y>)
    where
        C: Tree<Tensor, With<Tensor> = C> + Clone,
        S: Tree<Tensor, With<Tensor> = S> + Clone,
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        assert_eq!(self.runs.len(), state.runs.len(), "layers and their state are held differently");
        let f = |x, a, s, number| match remat {
            Some(options) => remat_with(options.clone(), |(x, a, s, number)| f(x, a, s, number))((x, a, s, number)),
            None => f(x, a, s, number),
        };
        let mut x = x;
        let mut runs = vec![];
        for ((first, run), state) in self.numbered().zip(&state.runs) {
            let (y, made) = run.fold(x, state, first, &f);
            x = y;
            runs.push(made);
        }
        (x, Layers { runs })
    }
}

impl<A: Tree<Tensor, With<Tensor> = A> + Clone> Run<A> {
    /// Pass `x` through the run, whose first layer has the number `first`.
    fn fold<C, S, Y>(&self, x: C, state: &Run<S>, first: usize, f: &impl Fn(C, A, S, Tensor) -> (C, Y)) -> (C, Run<Y>)
    where
        C: Tree<Tensor, With<Tensor> = C> + Clone,
        S: Tree<Tensor, With<Tensor> = S> + Clone,
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        let same = self.layers.len() == state.layers.len() && self.times == state.times;
        assert!(same, "layers and their state are held differently");
        let period = self.layers.len();
        let once = |mut x: C, layers: &[A], state: &[S], number: &dyn Fn(usize) -> Tensor| {
            let mut made = vec![];
            for (i, (a, s)) in layers.iter().zip(state).enumerate() {
                let y;
                (x, y) = f(x, a.clone(), s.clone(), number(i));
                made.push(y);
            }
            (x, made)
        };
        let (x, layers) = match self.times {
            None => once(x, &self.layers, &state.layers, &|i| full([], DType::I32, first + i)),
            Some(n) => {
                let numbers = iota([n], DType::I32, 0) * period + first;
                let step = |x: C, (a, s, number): (Vec<A>, Vec<S>, Tensor)| once(x, &a, &s, &|i| number + i);
                scan(step, x, (self.layers.clone(), state.layers.clone(), numbers))
            }
        };
        (x, self.with(layers))
    }
}
