//! Plans as SVG: the memory of a device as a bar, and memory against time.
use super::search::{Found, per_token};
use crate::{Result, output};
use raxla::{aot::Plan, memory::show};
use std::{fmt::Write, path::Path};

const WIDTH: f64 = 820.0;

/// Colours of text, lines and areas, for light and for dark surroundings.
const STYLE: &str = "\
    svg { --back: #ffffff; --text: #1f2328; --line: #d0d7de; }\n\
    @media (prefers-color-scheme: dark) { svg { --back: #15181c; --text: #e6e8ea; --line: #444c56; } }\n\
    .back { fill: var(--back); }\n\
    text { fill: var(--text); font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }\n\
    .title { font-size: 15px; font-weight: 600; }\n\
    .small { font-size: 11px; }\n\
    .limit { stroke: #c8443c; stroke-width: 2; stroke-dasharray: 5 3; }\n\
    .grid { stroke: var(--line); stroke-width: 1; }\n\
    .arguments { fill: #4878a8; } .results { fill: #8a6bb1; } .values { fill: #d99b3f; } .program { fill: #7d8590; }\n\
    .rest { fill: var(--line); }\n\
    .best { fill: #2a8c5a; } .other { fill: #4878a8; } .toolarge { fill: none; stroke: #c8443c; stroke-width: 1.5; }\n";

/// Writes a drawing.
pub fn write(path: &Path, svg: &str) -> Result {
    output::write(path, svg.as_bytes())
}

fn framed(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <style>\n{STYLE}</style>\n<rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

fn text(out: &mut String, class: &str, anchor: &str, [x, y]: [f64; 2], what: &str) {
    let plain: String = what.chars().filter(|c| !c.is_control()).collect();
    let what = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{what}</text>");
}

/// The memory of one device, each part as long as it is large, and a line where the memory ends.
pub fn memory(title: &str, plan: &Plan) -> String {
    let m = &plan.per_device;
    let (left, right, top, bar) = (16.0, WIDTH - 16.0, 44.0, 34.0);
    let most = m.peak.max(m.limit) as f64 * 1.04;
    let scale = |bytes: u64| bytes as f64 / most * (right - left);
    let named = [("arguments", m.arguments), ("results", m.outputs), ("values", m.temporaries), ("program", m.code)];
    let rest = m.peak.saturating_sub(named.iter().map(|(_, bytes)| bytes).sum());
    let mut body = String::new();
    text(&mut body, "title", "start", [left, 24.0], title);
    let (mut x, mut label) = (left, left);
    for (name, bytes) in named.into_iter().chain([("rest", rest)]).filter(|(_, bytes)| *bytes > 0) {
        let width = scale(bytes);
        let _ =
            writeln!(body, "<rect class=\"{name}\" x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{bar}\"/>");
        let _ = writeln!(body, "<rect class=\"{name}\" x=\"{label:.1}\" y=\"94\" width=\"10\" height=\"10\"/>");
        let told = format!("{name} {}", show(bytes));
        text(&mut body, "small", "start", [label + 14.0, 103.0], &told);
        (x, label) = (x + width, label + 26.0 + 6.6 * told.len() as f64);
    }
    let limit = left + scale(m.limit);
    let (y1, y2) = (top - 8.0, top + bar + 8.0);
    let _ = writeln!(body, "<line class=\"limit\" x1=\"{limit:.1}\" x2=\"{limit:.1}\" y1=\"{y1}\" y2=\"{y2}\"/>");
    let verdict = if plan.fits() { "fits" } else { "does not fit" };
    let told = format!("{verdict}: {} of {} on each device of {}", show(m.peak), show(m.limit), plan.target);
    text(&mut body, "", "start", [left, 128.0], &told);
    framed(142.0, &body)
}

/// What was compared: memory to the right, estimated time for a token upwards. Filled green: nothing is better in both.
pub fn pareto(title: &str, found: &[Found]) -> String {
    let (left, right, top, bottom) = (84.0, WIDTH - 24.0, 44.0, 400.0);
    let timed = || found.iter().filter(|f| per_token(f).is_finite());
    let most = |of: fn(&Found) -> f64| timed().map(of).fold(0.0, f64::max).max(f64::MIN_POSITIVE) * 1.08;
    let (memory, time) = (most(|f| f.memory as f64), most(per_token));
    let at = |m: f64, t: f64| [left + (right - left) * m / memory, bottom - (bottom - top) * t / time];
    let mut body = String::new();
    text(&mut body, "title", "start", [16.0, 24.0], title);
    for i in 0..=4 {
        let part = f64::from(i) / 4.0;
        let ([x, _], [_, y]) = (at(memory * part, 0.0), at(0.0, time * part));
        let _ = writeln!(body, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>");
        let _ = writeln!(body, "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        text(&mut body, "small", "middle", [x, bottom + 16.0], &show((memory * part) as u64));
        text(&mut body, "small", "end", [left - 6.0, y + 4.0], &format!("{:.1} us", time * part * 1e6));
    }
    text(&mut body, "small", "middle", [(left + right) / 2.0, bottom + 34.0], "memory of a device; red: does not fit");
    text(&mut body, "small", "start", [16.0, top - 6.0], "estimated time for a token");
    for f in timed() {
        let [x, y] = at(f.memory as f64, per_token(f));
        let class = if f.best {
            "best"
        } else if f.fits {
            "other"
        } else {
            "toolarge"
        };
        let _ = writeln!(body, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>");
        if f.best {
            text(&mut body, "small", "start", [x + 8.0, y - 4.0], &format!("{} x{}", f.mesh, f.batch));
        }
    }
    framed(446.0, &body)
}
