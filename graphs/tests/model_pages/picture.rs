//! The drawing of a model: the stream runs down at the left of each kind of layers, and two branches are added to it.
use super::describe::{Description, Kind, Line, Part};
use std::fmt::Write;

/// Widths of a box, and of the room for the stream at its left.
const BOX: f64 = 264.0;
const STREAM: f64 = 46.0;
/// Around everything, and between parts.
const MARGIN: f64 = 16.0;
const GAP: f64 = 14.0;
/// Height of a line of text, and the room around the lines of a box.
const LINE: f64 = 17.0;
const PADDING: f64 = 8.0;
/// The radius of a sum.
const SUM: f64 = 9.0;

/// Colours for light and for dark surroundings.
const STYLE: &str = "\
    svg { --back: #ffffff; --text: #1f2328; --new: #0a5fb4; --line: #6e7781; --frame: #d0d7de; --table: #eef1f4; --norm: #fff4d6; --mixer: #dff0e4; --mlp: #e6e4f7; }\n\
    @media (prefers-color-scheme: dark) {\n\
      svg { --back: #15181c; --text: #e6e8ea; --new: #7fbcff; --line: #8b949e; --frame: #444c56; --table: #262b31; --norm: #3b3318; --mixer: #1d3526; --mlp: #2c2945; }\n\
    }\n\
    .back { fill: var(--back); }\n\
    .frame { fill: none; stroke: var(--frame); stroke-dasharray: 4 3; }\n\
    .table, .norm, .mixer, .mlp { stroke: var(--frame); }\n\
    .table { fill: var(--table); } .norm { fill: var(--norm); } .mixer { fill: var(--mixer); } .mlp { fill: var(--mlp); }\n\
    .flow { stroke: var(--line); stroke-width: 1.5; fill: none; }\n\
    .sum { stroke: var(--line); stroke-width: 1.5; fill: var(--back); }\n\
    text { fill: var(--text); font: 12.5px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; text-anchor: middle; }\n\
    .name { font-weight: 600; } .new { fill: var(--new); } .left { text-anchor: start; }\n";

/// The drawing, with this title.
pub fn svg(title: &str, model: &Description) -> String {
    let column = STREAM + BOX + 2.0 * MARGIN;
    let width = 2.0 * MARGIN + (column + MARGIN) * model.kinds.len() as f64 - MARGIN;
    let middle = width / 2.0;
    let mut out = String::new();
    let mut y = MARGIN + LINE;
    text(&mut out, middle, y, "name", title);
    y += GAP;
    for part in &model.before {
        flow(&mut out, [middle, y], [middle, y + GAP]);
        y = boxed(&mut out, middle - BOX / 2.0, y + GAP, part);
    }
    flow(&mut out, [middle, y], [middle, y + GAP]);
    y += GAP;
    let bottoms = model.kinds.iter().enumerate().map(|(i, kind)| {
        let left = MARGIN + (column + MARGIN) * i as f64;
        (left, layer(&mut out, left, y, kind, model.layers))
    });
    let bottoms: Vec<(f64, f64)> = bottoms.collect();
    let bottom = bottoms.iter().map(|b| b.1).fold(0.0, f64::max);
    for (left, _) in bottoms {
        let height = bottom - y;
        let _ = writeln!(
            out,
            "<rect class=\"frame\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{column:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
        );
    }
    y = bottom;
    for part in &model.after {
        flow(&mut out, [middle, y], [middle, y + GAP]);
        y = boxed(&mut out, middle - BOX / 2.0, y + GAP, part);
    }
    y += GAP + LINE;
    text(&mut out, middle, y, "new", "what differs from GPT-2 is in this colour");
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\n\
         <style>\n{STYLE}</style>\n<rect class=\"back\" width=\"{width:.1}\" height=\"{height:.1}\"/>\n{out}</svg>\n"
    )
}

/// A kind of layers at this place: returns where it ends.
fn layer(out: &mut String, left: f64, top: f64, kind: &Kind, of: usize) -> f64 {
    let stream = left + MARGIN + STREAM / 2.0 - SUM;
    let boxes = left + MARGIN + STREAM;
    let mut y = top + MARGIN + LINE / 2.0;
    let _ = writeln!(
        out,
        "<text class=\"name left\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
        left + MARGIN,
        caption(&kind.numbers, of)
    );
    y += GAP;
    let begin = y;
    let mut sums = vec![];
    for branch in &kind.branches {
        y += GAP;
        // from the stream to the first box
        flow(out, [stream, y], [boxes + BOX / 2.0, y]);
        for part in branch {
            flow(out, [boxes + BOX / 2.0, y], [boxes + BOX / 2.0, y + GAP]);
            y = boxed(out, boxes, y + GAP, part);
        }
        flow(out, [boxes + BOX / 2.0, y], [boxes + BOX / 2.0, y + GAP]);
        y += GAP;
        flow(out, [boxes + BOX / 2.0, y], [stream, y]);
        sums.push(y);
    }
    y += 2.0 * GAP;
    flow(out, [stream, begin], [stream, y]);
    for sum in sums {
        let _ = writeln!(out, "<circle class=\"sum\" cx=\"{stream:.1}\" cy=\"{sum:.1}\" r=\"{SUM}\"/>");
        text(out, stream, sum + 4.5, "name", "+");
    }
    y + MARGIN / 2.0
}

/// Which layers: `layers 0 to 4, 6 to 10, .., 22 of 26`.
fn caption(numbers: &[usize], of: usize) -> String {
    if numbers.len() == of {
        return format!("{of} layers");
    }
    let mut ranges: Vec<(usize, usize)> = vec![];
    for n in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => ranges.push((*n, *n)),
        }
    }
    let shown = ranges.iter().take(3).map(|(a, b)| if a == b { a.to_string() } else { format!("{a} to {b}") });
    let mut shown: Vec<String> = shown.collect();
    shown.extend((ranges.len() > 3).then(|| "..".to_string()));
    format!("{} of {of} layers: {}", numbers.len(), shown.join(", "))
}

/// A box with its lines at this place: returns where it ends.
fn boxed(out: &mut String, left: f64, top: f64, part: &Part) -> f64 {
    let height = part.lines.len() as f64 * LINE + 2.0 * PADDING;
    let class = part.class;
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{BOX}\" height=\"{height:.1}\" rx=\"5\"/>"
    );
    for (i, Line { text: words, new }) in part.lines.iter().enumerate() {
        let class = [if i == 0 { "name" } else { "" }, if *new { "new" } else { "" }].join(" ");
        text(out, left + BOX / 2.0, top + PADDING + (i as f64 + 0.75) * LINE, class.trim(), words);
    }
    top + height
}

fn flow(out: &mut String, from: [f64; 2], to: [f64; 2]) {
    let _ = writeln!(out, "<path class=\"flow\" d=\"M{:.1} {:.1} L{:.1} {:.1}\"/>", from[0], from[1], to[0], to[1]);
}

fn text(out: &mut String, x: f64, y: f64, class: &str, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}
