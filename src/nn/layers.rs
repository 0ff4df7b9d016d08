//! A stack of equal layers: one declaration, two ways to hold and run it.
use crate::{
    aval::{Aval, DType},
    param::Param,
    prim::{RematOptions, full, iota, remat_with, scan},
    trace::Tensor,
    tree::{Leaf, Path, StaticVisitor, Tree},
};

/// A stack of equal layers, held with a leading layer axis on every leaf (and scanned: compile time does not grow with
/// depth), or as a list (and unrolled: no slicing of weights, often the faster decode). The same model code runs both.
#[derive(Clone, Debug)]
pub enum Layers<A> {
    /// Every leaf has a leading layer axis of this size.
    Stacked(A, usize),
    /// One tree per layer.
    List(Vec<A>),
}

impl<T: Leaf, A: Tree<T>> Tree<T> for Layers<A> {
    type With<U: Leaf> = Layers<A::With<U>>;
    fn map_at<U: Leaf>(&self, p: &Path, f: &mut dyn FnMut(&Path, &T) -> U) -> Self::With<U> {
        match self {
            Layers::Stacked(a, n) => Layers::Stacked(a.map_at(p, f), *n),
            Layers::List(v) => Layers::List(v.map_at(p, f)),
        }
    }
    fn visit_at<'a>(&'a self, p: &Path, f: &mut dyn FnMut(&Path, &'a T)) {
        match self {
            Layers::Stacked(a, _) => a.visit_at(p, f),
            Layers::List(v) => v.visit_at(p, f),
        }
    }
    fn structure_at(&self, p: &Path, f: &mut StaticVisitor) {
        match self {
            Layers::Stacked(a, n) => {
                f(p, "stack", &("stacked", *n));
                a.structure_at(p, f);
            }
            Layers::List(v) => v.structure_at(p, f),
        }
    }
}

impl<A> Layers<A> {
    /// Number of layers.
    pub fn len(&self) -> usize {
        match self {
            Layers::Stacked(_, n) => *n,
            Layers::List(v) => v.len(),
        }
    }
    /// Are there no layers?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<P: Tree<Param, With<Param> = P>> Layers<P> {
    /// The specification of `n` equal layers.
    pub fn spec(layer: &P, n: usize, scanned: bool) -> Layers<P> {
        match scanned {
            true => Layers::Stacked(layer.map(|p| p.clone().stacked(n, "layers")), n),
            false => Layers::List((0..n).map(|i| layer.map(|p| p.clone().of_layer(i))).collect()),
        }
    }
}

impl<S: Tree<Aval, With<Aval> = S>> Layers<S> {
    /// The types of `n` equal layers' state, held like `other`.
    pub fn like<A>(layer: &S, other: &Layers<A>) -> Layers<S> {
        match other {
            Layers::Stacked(_, n) => Layers::Stacked(layer.map(|a| a.stacked(*n)), *n),
            Layers::List(v) => Layers::List(v.iter().map(|_| layer.map(Aval::clone)).collect()),
        }
    }
}

impl<A, B> Layers<(A, B)> {
    /// The parts of pairs.
    pub fn unzip(self) -> (Layers<A>, Layers<B>) {
        match self {
            Layers::Stacked((a, b), n) => (Layers::Stacked(a, n), Layers::Stacked(b, n)),
            Layers::List(v) => {
                let (a, b) = v.into_iter().unzip();
                (Layers::List(a), Layers::List(b))
            }
        }
    }
}

impl<A: Tree<Tensor, With<Tensor> = A> + Clone> Layers<A> {
    /// Each layer with its number, an i32 scalar.
    #[track_caller]
    pub fn numbered(&self) -> Layers<(A, Tensor)> {
        match self {
            Layers::Stacked(a, n) => Layers::Stacked((a.clone(), iota([*n], DType::I32, 0)), *n),
            Layers::List(v) => {
                Layers::List(v.iter().enumerate().map(|(i, a)| (a.clone(), full([], DType::I32, i))).collect())
            }
        }
    }

    /// Pass `x` through the layers in order.
    #[track_caller]
    pub fn fold<C>(&self, x: C, f: impl Fn(C, A) -> C) -> C
    where
        C: Tree<Tensor, With<Tensor> = C> + Clone,
    {
        match self {
            Layers::Stacked(a, _) => scan(|x, a| (f(x, a), ()), x, a.clone()).0,
            Layers::List(v) => v.iter().fold(x, |x, a| f(x, a.clone())),
        }
    }

    /// Pass `x` through the layers in order; each layer also takes its part of `state` and gives a result of its own. With
    /// `remat`, reverse mode keeps of each layer what these options say and computes the rest again ([`remat_with`]).
    ///
    /// # Panics
    /// When `state` has another number of layers or is held the other way: an error of the calling code.
    #[track_caller]
    pub fn fold_with<C, S, Y>(
        &self,
        x: C,
        state: &Layers<S>,
        remat: Option<&RematOptions>,
        f: impl Fn(C, A, S) -> (C, Y),
    ) -> (C, Layers<Y>)
    where
        C: Tree<Tensor, With<Tensor> = C> + Clone,
        S: Tree<Tensor, With<Tensor> = S> + Clone,
        Y: Tree<Tensor, With<Tensor> = Y>,
    {
        assert_eq!(self.len(), state.len(), "layers and their state differ in number");
        let f = |x, a, s| match remat {
            Some(options) => remat_with(options.clone(), |(x, a, s)| f(x, a, s))((x, a, s)),
            None => f(x, a, s),
        };
        match (self, state) {
            (Layers::Stacked(a, n), Layers::Stacked(s, _)) => {
                let (x, y) = scan(|x, (a, s): (A, S)| f(x, a, s), x, (a.clone(), s.clone()));
                (x, Layers::Stacked(y, *n))
            }
            (Layers::List(a), Layers::List(s)) => {
                let mut x = Some(x);
                let step = |(a, s): (&A, &S)| {
                    let (next, y) = f(x.take().expect("set by the step before"), a.clone(), s.clone());
                    x = Some(next);
                    y
                };
                let ys = a.iter().zip(s).map(step).collect();
                (x.expect("set by the last step"), Layers::List(ys))
            }
            _ => panic!("layers and their state are held differently"),
        }
    }
}
