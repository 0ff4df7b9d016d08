//! Graphs inside operations: the bodies of loops, branches, called functions.
use super::graph::{Eqn, Graph};
use std::{
    any::Any,
    cell::{OnceCell, RefCell},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    rc::Rc,
};

/// A graph inside an operation: shared, and never changed again.
///
/// So what is asked of it often is found out once, and what a pass made of it is kept beside it (`made`). Both
/// matter where graphs lie in graphs. A loop whose carries turn out to have tangents only when its body is differentiated
/// differentiates that again; if it did so from the start at each level, the work would double with each.
#[derive(Clone)]
pub struct InnerGraph(Rc<Shared>);

struct Shared {
    graph: Graph,
    has_effect: OnceCell<bool>,
    count: OnceCell<usize>,
    hash: OnceCell<u64>,
    axis_names: OnceCell<Vec<Rc<str>>>,
    /// Pairs of a question and its answer. (An answer is never the graph itself, which would then never be freed.)
    made: RefCell<Vec<Rc<dyn Any>>>,
}

impl From<Graph> for InnerGraph {
    fn from(graph: Graph) -> InnerGraph {
        InnerGraph(Rc::new(Shared {
            graph,
            has_effect: OnceCell::new(),
            count: OnceCell::new(),
            hash: OnceCell::new(),
            axis_names: OnceCell::new(),
            made: RefCell::default(),
        }))
    }
}
impl Deref for InnerGraph {
    type Target = Graph;
    fn deref(&self) -> &Graph {
        &self.0.graph
    }
}

impl InnerGraph {
    /// Are these the same graph, at one place in memory?
    pub fn is(&self, other: &InnerGraph) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
    /// As [`Graph::has_effect`].
    pub fn has_effect(&self) -> bool {
        *self.0.has_effect.get_or_init(|| self.0.graph.has_effect())
    }
    /// As [`Graph::count`].
    pub fn count(&self) -> usize {
        *self.0.count.get_or_init(|| self.0.graph.count())
    }
    /// The names of the axes that operations inside work over, at any depth.
    pub fn axis_names(&self) -> &[Rc<str>] {
        self.0.axis_names.get_or_init(|| {
            let here = |e: &Eqn| e.prim.named_axes().iter().map(|a| a.name.clone()).collect::<Vec<_>>();
            let inside = |e: &Eqn| e.prim.graphs().into_iter().flat_map(InnerGraph::axis_names).cloned().collect();
            let mut all: Vec<Rc<str>> = self.eqns.iter().flat_map(|e| [here(e), inside(e)].concat()).collect();
            all.sort();
            all.dedup();
            all
        })
    }

    /// What `make` makes of the graph, given `question`, all that the answer depends on besides. It is made once for equal
    /// questions; passes tell theirs apart by their types.
    pub(crate) fn made<Q: PartialEq + 'static, A: Clone + 'static>(&self, question: Q, make: impl FnOnce() -> A) -> A {
        let known = |pair: &Rc<dyn Any>| pair.downcast_ref::<(Q, A)>().filter(|p| p.0 == question).map(|p| p.1.clone());
        let found = self.0.made.borrow().iter().find_map(known);
        found.unwrap_or_else(|| {
            let answer = make();
            self.keep(question, answer.clone());
            answer
        })
    }
    /// Remember an answer that is known without asking.
    pub(crate) fn keep<Q: PartialEq + 'static, A: Clone + 'static>(&self, question: Q, answer: A) {
        self.0.made.borrow_mut().push(Rc::new((question, answer)));
    }
}

/// The same operations on the same values, wherever they come from.
impl PartialEq for InnerGraph {
    fn eq(&self, other: &InnerGraph) -> bool {
        self.is(other) || (self.hashed() == other.hashed() && **self == **other)
    }
}
impl Hash for InnerGraph {
    fn hash<H: Hasher>(&self, h: &mut H) {
        h.write_u64(self.hashed());
    }
}
impl InnerGraph {
    fn hashed(&self) -> u64 {
        *self.0.hash.get_or_init(|| {
            let mut h = DefaultHasher::new();
            (**self).hash(&mut h);
            h.finish()
        })
    }
}
impl fmt::Display for InnerGraph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
impl fmt::Debug for InnerGraph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
