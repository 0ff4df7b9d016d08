//! Calls of the host as further results: for platforms whose programs cannot call it.
use crate::{
    aval::Aval,
    debug::Report,
    graph::{Eqn, Graph, Var},
    inner::InnerGraph,
    prim::{Repeats, zeros_of},
    trace::{inline, trace_rule},
};

/// Does it call the host, at any depth?
fn calls(g: &Graph) -> bool {
    g.eqns.iter().any(|e| e.prim.host_call().is_some() || e.prim.graphs().into_iter().any(|g| calls(g)))
}

/// The graph without calls of the host, whose operands are further results, behind its own; and what is to be done with these. `None` if
/// there are no calls.
///
/// # Errors
/// The name of an operation in which the host is called, and that cannot return more: it runs its graphs nobody knows how often, or
/// on several devices.
pub(crate) fn with_reports(g: &Graph) -> Result<Option<(Graph, Vec<Report>)>, &'static str> {
    if calls(g) { reported(g).map(Some) } else { Ok(None) }
}

fn reported(g: &Graph) -> Result<(Graph, Vec<Report>), &'static str> {
    let mut made = Graph { eqns: vec![], ..g.clone() };
    let mut reports = vec![];
    for e in &g.eqns {
        if let Some(call) = e.prim.host_call() {
            reports.push(Report::Call(call.clone(), e.ins.len()));
            made.outs.extend(&e.ins);
            continue;
        }
        let Some(inner) = e.prim.inner().filter(|inner| inner.graphs().into_iter().any(|g| calls(g))) else {
            made.eqns.push(e.clone());
            continue;
        };
        let Some(repeats) = inner.repeats() else { return Err(e.prim.name()) };
        let graphs = inner.graphs();
        let running = if repeats == Repeats::OneOfThem { graphs.len() } else { 1 };
        let (run, others) = graphs.split_at(running);
        let parts = run.iter().map(|g| reported(g)).collect::<Result<Vec<_>, _>>()?;
        let own = run[0].outs.len();
        let more: Vec<Vec<Aval>> = parts.iter().map(|(g, _)| g.out_avals().split_off(own)).collect();
        let alike = parts.iter().enumerate().map(|(i, (g, _))| returning_all(g, own, &more, i).into());
        let graphs: Vec<InnerGraph> = alike.chain(others.iter().copied().cloned()).collect();
        let mut outs = e.outs.clone();
        for aval in more.iter().flatten() {
            outs.push(made.avals.len() as Var);
            made.avals.push(match repeats {
                Repeats::EachStep { length, .. } => aval.stacked(length),
                _ => aval.clone(),
            });
        }
        if repeats == Repeats::OneOfThem {
            made.outs.push(e.ins[0]);
        }
        made.outs.extend(&outs[e.outs.len()..]);
        made.eqns.push(Eqn { prim: inner.with_graphs(graphs), outs, ..e.clone() });
        let counts = more.iter().map(Vec::len);
        reports.push(Report::Within(repeats, parts.into_iter().map(|(_, reports)| reports).zip(counts).collect()));
    }
    debug_assert_eq!(made.verify(), Ok(()), "reports made an invalid graph:\n{made}");
    Ok((made, reports))
}

/// Graph number `i` of several of which one runs, returning zeros for what the others return beyond their own results.
fn returning_all(g: &Graph, own: usize, more: &[Vec<Aval>], i: usize) -> Graph {
    if more.len() == 1 {
        return g.clone();
    }
    let all = |x: &[crate::trace::Tensor]| {
        let mut y = inline(g, x);
        let further = y.split_off(own);
        for (j, avals) in more.iter().enumerate() {
            if j == i {
                y.extend(&further);
            } else {
                y.extend(avals.iter().map(zeros_of));
            }
        }
        y
    };
    trace_rule(&g.in_avals(), all).0
}
