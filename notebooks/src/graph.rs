//! Drawings of graphs: an operation is a box, a value the arrow between two.
use crate::{escaped, show};
use raxla::Graph;
use std::{collections::HashMap, fmt::Write};

const BOX: (f64, f64) = (132.0, 40.0);
const GAP: (f64, f64) = (22.0, 30.0);
const MARGIN: f64 = 16.0;

/// What is drawn: a parameter, an operation, or the mark of a result.
struct Node {
    name: String,
    below: String,
    color: &'static str,
    from: Vec<usize>,
    level: usize,
}

/// Shows a graph, parameters at the top. Operations that hold graphs (loops, branches) are one box.
pub fn graph(graph: &Graph) {
    show("image/svg+xml", &drawing(graph));
}

pub(crate) fn drawing(graph: &Graph) -> String {
    let mut nodes: Vec<Node> = vec![];
    let mut made: HashMap<u32, usize> = HashMap::new();
    for var in &graph.ins {
        made.insert(*var, nodes.len());
        let (name, below) = (format!("%{var}"), graph.aval(*var).to_string());
        nodes.push(Node { name, below, color: "#dcebdd", from: vec![], level: 0 });
    }
    for eqn in &graph.eqns {
        let from: Vec<usize> = eqn.ins.iter().filter_map(|var| made.get(var).copied()).collect();
        let level = from.iter().map(|i| nodes[*i].level + 1).max().unwrap_or(0);
        made.extend(eqn.outs.iter().map(|var| (*var, nodes.len())));
        let below = eqn.outs.first().map_or(String::new(), |var| graph.aval(*var).to_string());
        let holds = eqn.prim.inner().map_or(0, |inner| inner.graphs().iter().map(|g| g.count()).sum::<usize>());
        let name = match holds {
            0 => eqn.prim.name().to_string(),
            n => format!("{} ({n} inside)", eqn.prim.name()),
        };
        nodes.push(Node { name, below, color: if holds > 0 { "#f3e2c7" } else { "#dfe8f3" }, from, level });
    }
    for var in &graph.outs {
        let from: Vec<usize> = made.get(var).copied().into_iter().collect();
        let level = from.iter().map(|i| nodes[*i].level + 1).max().unwrap_or(0);
        nodes.push(Node { name: "result".into(), below: format!("%{var}"), color: "#f0dcdc", from, level });
    }
    // constants stand directly above what uses them first
    for i in graph.ins.len()..nodes.len() {
        if nodes[i].from.is_empty() {
            let first = nodes.iter().filter(|n| n.from.contains(&i)).map(|n| n.level).min();
            nodes[i].level = first.map_or(0, |level| level.saturating_sub(1));
        }
    }
    drawn(&nodes)
}

fn drawn(nodes: &[Node]) -> String {
    let levels = nodes.iter().map(|n| n.level + 1).max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![vec![]; levels];
    nodes.iter().enumerate().for_each(|(i, node)| rows[node.level].push(i));
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let width = 2.0 * MARGIN + widest * (BOX.0 + GAP.0) - GAP.0;
    let height = 2.0 * MARGIN + levels as f64 * (BOX.1 + GAP.1) - GAP.1;
    let mut places = vec![(0.0, 0.0); nodes.len()];
    for (level, row) in rows.iter_mut().enumerate() {
        // (each below the middle of what it comes from, as far as there is room)
        let middle = |i: &usize| {
            let from = &nodes[*i].from;
            from.iter().map(|j| places[*j].0).sum::<f64>() / from.len().max(1) as f64
        };
        row.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        let own = row.len() as f64 * (BOX.0 + GAP.0) - GAP.0;
        for (place, i) in row.iter().enumerate() {
            let x = (width - own) / 2.0 + place as f64 * (BOX.0 + GAP.0);
            places[*i] = (x, MARGIN + level as f64 * (BOX.1 + GAP.1));
        }
    }
    let mut body = String::new();
    for (i, node) in nodes.iter().enumerate() {
        for from in &node.from {
            let (x1, y1) = (places[*from].0 + BOX.0 / 2.0, places[*from].1 + BOX.1);
            let (x2, y2) = (places[i].0 + BOX.0 / 2.0, places[i].1);
            let bend = (y2 - y1) / 2.0;
            let _ = writeln!(
                body,
                "<path d=\"M{x1:.0} {y1:.0} C{x1:.0} {:.0} {x2:.0} {:.0} {x2:.0} {y2:.0}\" fill=\"none\" stroke=\"#8a8f98\" \
                 stroke-width=\"1.3\" marker-end=\"url(#tip)\"/>",
                y1 + bend,
                y2 - bend
            );
        }
    }
    for (node, (x, y)) in nodes.iter().zip(&places) {
        let (w, h) = BOX;
        let _ = writeln!(
            body,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{w}\" height=\"{h}\" rx=\"5\" fill=\"{}\" stroke=\"#8a8f98\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" font-weight=\"600\">{}</text>\n<text x=\"{:.0}\" y=\"{:.0}\" font-size=\"11\">{}</text>",
            node.color,
            x + w / 2.0,
            y + 17.0,
            escaped(&node.name),
            x + w / 2.0,
            y + 32.0,
            escaped(&node.below)
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\" text-anchor=\"middle\" fill=\"#1f2328\">\n<defs><marker id=\"tip\" \
         markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"3\" orient=\"auto\"><path d=\"M0 0 L7 3 L0 6 z\" \
         fill=\"#8a8f98\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>"
    )
}
