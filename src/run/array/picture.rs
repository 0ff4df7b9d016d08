//! Pictures of how arrays are divided.
use super::Array;
use std::{fmt, ops::Range};

/// Which devices hold which part of an array, to be looked at: displays as boxes (as a table from three axes on), and draws
/// itself as SVG. Made by [`Array::visualize`].
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    title: String,
    dims: Vec<usize>,
    parts: Vec<Part>,
}
/// A part of the array and the devices that hold it.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    index: Vec<Range<usize>>,
    devices: Vec<i64>,
}

impl Array {
    /// How the array is divided over devices. JAX: `jax.debug.visualize_array_sharding`.
    ///
    /// ```
    /// use raxla::{Mesh, P, prelude::*, runtime};
    /// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(4), ..Default::default() })?;
    /// let mesh = Mesh::new(&client, [("x", 2), ("y", 2)])?;
    /// let x = Array::on(&client, [4, 6], &[0f32; 24])?;
    /// let picture = x.put(&mesh.sharding(P![_, "y"]))?.visualize();
    /// let text = r#"
    /// f32[4, 6] P[_, "y"] over x=2,y=2, devices of kind cpu
    ///        0..3   3..6
    ///      ┌──────┬──────┐
    /// 0..4 │ 0,2  │ 1,3  │
    ///      └──────┴──────┘
    /// "#;
    /// assert_eq!(picture.to_string(), text.trim());
    /// assert!(picture.to_svg().starts_with("<svg "));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn visualize(&self) -> Picture {
        let mut parts: Vec<Part> = vec![];
        // (on a mesh of several processes, those of all)
        let (all, kind): (Vec<_>, _) = match self.sharding() {
            Some(s) => {
                let indices = s.indices(self.aval()).expect("checked when it was made");
                let devices = s.mesh.devices();
                (indices.into_iter().zip(devices.iter().map(|d| d.id())).collect(), devices[0].kind().to_string())
            }
            None => {
                let device = self.buffer().device();
                (vec![(self.dims().iter().map(|n| 0..*n).collect(), device.id())], device.kind().to_string())
            }
        };
        for (index, id) in all {
            match parts.iter_mut().find(|p: &&mut Part| p.index == index) {
                Some(part) => part.devices.push(id),
                None => parts.push(Part { index, devices: vec![id] }),
            }
        }
        parts.sort_by_key(|p| p.index.iter().map(|r| r.start).collect::<Vec<_>>());
        let how = self.sharding().map_or(String::new(), |s| format!(" {s:?}"));
        let title = match self.sharding() {
            Some(_) => format!("{}{how}, devices of kind {kind}", self.aval()),
            None => format!("{} on a device of kind {kind}", self.aval()),
        };
        Picture { title, dims: self.dims().to_vec(), parts }
    }
}

/// Numbers, with runs of three or more written `0-7`.
fn numbers(ids: &[i64]) -> String {
    let mut all: Vec<String> = vec![];
    let mut i = 0;
    while i < ids.len() {
        let mut end = i;
        while end + 1 < ids.len() && ids[end + 1] == ids[end] + 1 {
            end += 1;
        }
        let last = if end >= i + 2 { end } else { i };
        all.push(if last > i { format!("{}-{}", ids[i], ids[last]) } else { ids[i].to_string() });
        i = last + 1;
    }
    all.join(",")
}
fn range(r: &Range<usize>) -> String {
    format!("{}..{}", r.start, r.end)
}

/// The parts in rows and columns. Of more axes than two, the columns are the last that is divided, the rows all others.
struct Grid {
    rows: Vec<String>,
    columns: Vec<String>,
    cells: Vec<String>,
}
impl Picture {
    fn grid(&self) -> Grid {
        let rank = self.dims.len();
        let divided = |axis: &usize| self.parts.iter().any(|p| p.index[*axis].len() != self.dims[*axis]);
        let column = match rank {
            0 => None,
            1 | 2 => Some(rank - 1),
            _ => (0..rank).rev().find(divided).or(Some(rank - 1)),
        };
        // the axes that tell rows apart, in their names
        let named: Vec<usize> = (0..rank).filter(|k| Some(*k) != column && (rank <= 2 || divided(k))).collect();
        let row = |p: &Part| {
            let one = |k: &usize| match rank {
                0..=2 => range(&p.index[*k]),
                _ => format!("axis {k}: {}", range(&p.index[*k])),
            };
            named.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let name = |p: &Part| match column {
            Some(k) if rank > 2 => format!("axis {k}: {}", range(&p.index[k])),
            Some(k) => range(&p.index[k]),
            None => String::new(),
        };
        let distinct = |names: Vec<String>| {
            let mut found: Vec<String> = vec![];
            names.into_iter().for_each(|n| {
                if !found.contains(&n) {
                    found.push(n)
                }
            });
            found
        };
        let rows = distinct(self.parts.iter().map(row).collect());
        let columns = distinct(self.parts.iter().map(name).collect());
        let mut cells = vec![String::new(); rows.len() * columns.len()];
        for part in &self.parts {
            let at = |names: &[String], name: String| names.iter().position(|n| *n == name).expect("collected above");
            cells[at(&rows, row(part)) * columns.len() + at(&columns, name(part))] = numbers(&part.devices);
        }
        Grid { rows, columns, cells }
    }

    fn boxes(&self) -> String {
        let Grid { rows, columns, cells } = self.grid();
        let widest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
        let (margin, n) = (widest(&rows), columns.len());
        let width = widest(&columns).max(widest(&cells)) + 2;
        let indent = if margin == 0 { String::new() } else { " ".repeat(margin + 1) };
        let line =
            |left, between, right| format!("{indent}{left}{}{right}\n", vec!["─".repeat(width); n].join(between));
        let heads = columns.iter().map(|c| format!("{c:^width$} ")).collect::<String>();
        let mut text = match widest(&columns) {
            0 => String::new(),
            _ => format!("{}\n", format!("{indent} {heads}").trim_end()),
        };
        text += &line("┌", "┬", "┐");
        for (i, (row, cells)) in rows.iter().zip(cells.chunks(n)).enumerate() {
            if i > 0 {
                text += &line("├", "┼", "┤");
            }
            let name = if margin == 0 { String::new() } else { format!("{row:>margin$} ") };
            let cells: Vec<String> = cells.iter().map(|c| format!("{c:^width$}")).collect();
            text += &format!("{name}│{}│\n", cells.join("│"));
        }
        text + line("└", "┴", "┘").trim_end()
    }

    fn table(&self) -> String {
        let head = std::iter::once("devices".to_string()).chain((0..self.dims.len()).map(|k| format!("axis {k}")));
        let mut lines: Vec<Vec<String>> = vec![head.collect()];
        for p in &self.parts {
            lines.push(std::iter::once(numbers(&p.devices)).chain(p.index.iter().map(range)).collect());
        }
        let widths: Vec<usize> =
            (0..=self.dims.len()).map(|k| lines.iter().map(|l| l[k].len()).max().unwrap_or(0)).collect();
        let line = |l: &Vec<String>| {
            let cells: Vec<String> = l.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
            cells.join("  ").trim_end().to_string()
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The picture as an SVG document: a coloured box for each part, with the numbers of the devices that hold it, in the
    /// proportions of a matrix.
    pub fn to_svg(&self) -> String {
        const LETTER: usize = 8; // the width of a letter
        let Grid { rows, columns, cells } = self.grid();
        let widest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0) * LETTER;
        let (r, c) = (rows.len(), columns.len());
        let ratio = match self.dims[..] {
            [rows, columns] if rows > 0 && columns > 0 => rows as f64 / columns as f64,
            [_, ..] if self.dims.len() > 2 => r as f64 / c as f64,
            _ => 0.0,
        };
        let wide = (360 / c).max(widest(&cells).max(widest(&columns)) + 16);
        let high = (((wide * c) as f64 * ratio.min(2.0)) as usize / r).clamp(32, 360);
        let (left, top) = (widest(&rows) + 20, 56);
        let right = left + (wide * c).max((self.title.chars().count() * LETTER).saturating_sub(left)) + 12;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{}\" font-family=\"monospace\" \
             font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            top + r * high + 12
        );
        let mut text = |x: usize, y: usize, anchor: &str, t: &str| {
            svg += &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>\n", escaped(t))
        };
        text(10, 22, "start", &self.title);
        columns.iter().enumerate().for_each(|(k, t)| text(left + k * wide + wide / 2, top - 8, "middle", t));
        rows.iter().enumerate().for_each(|(i, t)| text(left - 8, top + i * high + high / 2 + 4, "end", t));
        for (n, cell) in cells.iter().enumerate() {
            let (x, y) = (left + n % c * wide, top + n / c * high);
            // steps by the golden angle keep neighbours apart
            let hue = (n as f64 * 137.508) % 360.0;
            svg += &format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" fill=\"{}\" stroke=\"#444\"/>\n<text x=\"{}\" \
                 y=\"{}\" text-anchor=\"middle\">{cell}</text>\n",
                pastel(hue),
                x + wide / 2,
                y + high / 2 + 4
            );
        }
        svg + "</svg>\n"
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let body = if self.dims.len() > 2 { self.table() } else { self.boxes() };
        write!(f, "{}\n{body}", self.title)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A light colour of this hue (degrees), as `#rrggbb`.
fn pastel(hue: f64) -> String {
    // HSL with a lightness of 0.8 and a saturation of 0.7
    let channel = |n: f64| {
        let k = (n + hue / 30.0) % 12.0;
        let value = 0.8 - 0.14 * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0.0), channel(8.0), channel(4.0))
}
