//! Several pictures as one: the kernel shows one picture of a cell.
use crate::{Chart, graph::drawing, show};
use raxla::{Array, Graph};
use std::fmt::Write;

/// Pictures stand beside each other up to this width.
const WIDTH: f64 = 900.0;

/// Pictures that are shown together.
#[derive(Default)]
pub struct Page {
    /// Each with how many times smaller it is shown.
    parts: Vec<(String, f64)>,
}
impl Page {
    /// Without pictures.
    pub fn new() -> Page {
        Page::default()
    }
    /// And this plot.
    pub fn chart(&mut self, chart: Chart) {
        self.parts.push((chart.svg(), 1.0));
    }
    /// And this graph.
    pub fn graph(&mut self, graph: &Graph) {
        self.parts.push((drawing(graph), 1.0));
    }
    /// And how this array is divided over devices.
    pub fn layout(&mut self, array: &Array) {
        self.parts.push((array.visualize().to_svg(), 1.5));
    }
    /// Shows them.
    pub fn show(&self) {
        show("image/svg+xml", &self.svg());
    }
    fn svg(&self) -> String {
        if let [(one, 1.0)] = &self.parts[..] {
            return one.clone();
        }
        let (mut x, mut y, mut high, mut wide) = (0f64, 0f64, 0f64, 0f64);
        let mut body = String::new();
        for (part, smaller) in &self.parts {
            let (full_w, full_h) = (attribute(part, "width"), attribute(part, "height"));
            let (w, h) = (full_w / smaller, full_h / smaller);
            if x > 0.0 && x + w > WIDTH {
                (x, y, high) = (0.0, y + high, 0.0);
            }
            let start = part.find("<svg").unwrap_or(0);
            let _ = writeln!(
                body,
                "<svg x=\"{x:.0}\" y=\"{y:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {full_w} {full_h}\">\n{}</svg>",
                &part[start..]
            );
            x += w;
            (wide, high) = (wide.max(x), high.max(h));
        }
        let (w, h) = (wide, y + high);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>"
        )
    }
}

/// A number of a document's first tag.
fn attribute(svg: &str, name: &str) -> f64 {
    let value = svg.split_once(&format!("{name}=\"")).map_or("", |(_, rest)| rest.split('"').next().unwrap_or(""));
    value.parse().unwrap_or(0.0)
}

/// Shows plots beside each other.
pub fn row<const N: usize>(charts: [Chart; N]) {
    let mut page = Page::new();
    charts.into_iter().for_each(|chart| page.chart(chart));
    page.show();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_beside_each_other_as_far_as_there_is_room() {
        let part = |w: usize| format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"100\"></svg>");
        let page = Page { parts: [500, 300, 400].map(|w| (part(w), 1.0)).to_vec() };
        let svg = page.svg();
        assert!(svg.contains("width=\"800\" height=\"200\""), "{svg}");
        assert!(svg.contains("<svg x=\"500\" y=\"0\"") && svg.contains("<svg x=\"0\" y=\"100\""), "{svg}");
    }
}
