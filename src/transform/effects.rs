//! Graphs without side effects: for second runs, whose side effects the first run has had.
use crate::{
    graph::{Eqn, Graph},
    inner::InnerGraph,
};

/// The graph without the operations, also of inner graphs, that have side effects and no results. Operations that have results
/// too stay.
pub fn without_effects(g: &Graph) -> Graph {
    Graph { eqns: g.eqns.iter().filter_map(pure).collect(), ..g.clone() }
}

/// As [`without_effects`], for one equation. `None` if nothing is left of it.
pub(super) fn pure(e: &Eqn) -> Option<Eqn> {
    if !e.prim.has_effect() {
        return Some(e.clone());
    }
    match e.prim.map_graphs(InnerGraph::without_effects) {
        Some(prim) => Some(Eqn { prim, ..e.clone() }),
        None => (!e.outs.is_empty()).then(|| e.clone()),
    }
}
