//! Batching: a graph over one more leading axis.
use crate::{
    graph::Graph,
    prim::broadcast_leading,
    trace::{Tensor, bind_rc, trace_rule, with_site},
};

/// Replay a graph over a batch axis of size `n`; `mapped[i]` tells whether argument i has one, in front. Returns the
/// results and whether they have it.
pub fn batch_graph(g: &Graph, n: usize, args: &[Tensor], mapped: &[bool]) -> Vec<(Tensor, bool)> {
    let mut env: Vec<Option<(Tensor, bool)>> = vec![None; g.avals.len()];
    let args = args.iter().copied().zip(mapped.iter().copied());
    g.ins.iter().zip(args).for_each(|(v, x)| env[*v as usize] = Some(x));
    let read = |env: &[Option<(Tensor, bool)>], v: &u32| env[*v as usize].expect("verified: defined before use");
    for e in &g.eqns {
        let (x, mapped): (Vec<Tensor>, Vec<bool>) = e.ins.iter().map(|v| read(&env, v)).unzip();
        let any = mapped.contains(&true);
        let y = with_site(&e.site, || if any { e.prim.batch(n, &x, &mapped) } else { bind_rc(e.prim.clone(), &x) });
        e.outs.iter().zip(y).for_each(|(v, t)| env[*v as usize] = Some((t, any)));
    }
    g.outs.iter().map(|v| read(&env, v)).collect()
}

/// As [`batch_graph`], with a batch axis on every result.
pub fn batch_all(g: &Graph, n: usize, args: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
    let spread = |(t, mapped)| if mapped { t } else { broadcast_leading(t, n) };
    batch_graph(g, n, args, mapped).into_iter().map(spread).collect()
}

/// The graph over a batch axis of size `n` at the `mapped` inputs, and which outputs have one. Those in `force` get one.
pub fn batched(g: &Graph, n: usize, mapped: &[bool], force: &[bool]) -> (Graph, Vec<bool>) {
    let stacked = g.in_avals().into_iter().zip(mapped).map(|(a, m)| if *m { a.stacked(n) } else { a });
    let mut mapped_out = vec![];
    let (batched, captured) = trace_rule(&stacked.collect::<Vec<_>>(), |args| {
        let outs = batch_graph(g, n, args, mapped).into_iter().zip(force);
        let spread =
            |((t, m), f): ((Tensor, bool), &bool)| if !m && *f { (broadcast_leading(t, n), true) } else { (t, m) };
        let (outs, m): (Vec<Tensor>, Vec<bool>) = outs.map(spread).unzip();
        mapped_out = m;
        outs
    });
    debug_assert!(captured.is_empty(), "a graph is closed");
    (batched, mapped_out)
}
