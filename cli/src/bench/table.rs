//! Figures for people: a table whose empty columns are left out.
use super::figure::Figure;
use raxla::memory::show;
use serde_json::Value;
use std::fmt;

/// What figures of one metric differ in, besides their variant.
const DETAILS: [&str; 4] = ["layers", "form", "rows", "arguments"];

/// What figures stand beside each other, and so have to say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Only those of one program.
    Alone,
    /// Those of several variants.
    Variants,
    /// Those of several systems.
    Systems,
}

/// What a figure is called among others.
pub fn label(figure: &Figure, among: Among) -> String {
    let mut parts = vec![];
    if among == Among::Systems {
        parts.push(figure.system.clone());
    }
    match figure.variant() {
        "" if among == Among::Variants => parts.push("as asked".into()),
        "" => {}
        variant => parts.push(variant.into()),
    }
    for key in DETAILS {
        match figure.config.get(key) {
            Some(Value::String(text)) => parts.push(text.clone()),
            Some(value) => parts.push(format!("{key} {value}")),
            None => {}
        }
    }
    parts.join(", ")
}

/// A value with its unit, as short as it stays exact enough.
pub fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "B" => show(value as u64),
        "" => number(value),
        unit => format!("{} {unit}", number(value)),
    }
}

/// Three or four digits.
pub fn number(x: f64) -> String {
    match x.abs() {
        _ if x.fract() == 0.0 && x.abs() < 1e6 => format!("{x:.0}"),
        a if a >= 1e9 => format!("{x:.3e}"),
        a if a >= 100.0 => format!("{x:.0}"),
        a if a >= 10.0 => format!("{x:.1}"),
        a if a >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.4}"),
    }
}

/// A table: the first column to the left, the others to the right.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Columns, and what each has of a figure.
type Column = (&'static str, fn(&Figure) -> String);
const COLUMNS: [Column; 8] = [
    ("value", |f| with_unit(f.value, &f.unit)),
    ("tok/s", |f| f.tok_s.map_or_else(String::new, number)),
    ("median ms", |f| f.seconds.map_or_else(String::new, |s| number(s.median * 1e3))),
    ("(min .. p90)", |f| {
        f.seconds.map_or_else(String::new, |s| format!("({} .. {})", number(s.min * 1e3), number(s.p90 * 1e3)))
    }),
    ("of limit", |f| f.limit.as_ref().map_or_else(String::new, |l| format!("{:.0} %", l.share * 100.0))),
    ("compile ms", |f| f.compile_ms.map_or_else(String::new, |ms| format!("{ms:.0}"))),
    ("planned", |f| f.planned_bytes.map_or_else(String::new, show)),
    ("peak RSS", |f| match f.seconds {
        Some(_) => f.peak_rss_bytes.map_or_else(String::new, show),
        None => String::new(),
    }),
];

/// Figures of one metric, the best first, which is marked. Of one program or several variants this is the first metric, and the others come in their
/// order; of several systems, each.
pub fn tables(figures: &[Figure], among: Among) -> Vec<Table> {
    let mut left: Vec<&Figure> = figures.iter().collect();
    let mut all = vec![];
    while let Some(first) = left.first().filter(|_| all.is_empty() || among == Among::Systems) {
        let subject = first.subject();
        let (mut main, other): (Vec<&Figure>, Vec<&Figure>) = left.into_iter().partition(|f| f.subject() == subject);
        let compared = among != Among::Alone && main.len() > 1;
        if compared {
            main.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
        }
        all.push((main, compared));
        left = other;
    }
    all.push((left, false));
    let table = |figures: &[&Figure], mark: bool| {
        // (what all rows are of stands above them)
        let one = figures.first().map(|f| f.subject()).filter(|one| figures.iter().all(|f| f.subject() == *one));
        let columns: Vec<&Column> =
            COLUMNS.iter().filter(|(_, of)| figures.iter().any(|f| !of(f).is_empty())).collect();
        let row = |(i, figure): (usize, &&Figure)| {
            let subject = if one.is_some() && figures.len() > 1 { String::new() } else { figure.subject() };
            let name = [label(figure, among), subject];
            let name = name.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
            let mark = if mark { if i == 0 { "* " } else { "  " } } else { "" };
            [format!("{mark}{name}")].into_iter().chain(columns.iter().map(|(_, of)| of(figure))).collect()
        };
        let above = one.clone().filter(|_| figures.len() > 1).unwrap_or_default();
        let head = [above].into_iter().chain(columns.iter().map(|c| c.0.to_string())).collect();
        Table { head, rows: figures.iter().enumerate().map(row).collect() }
    };
    all.iter().map(|(figures, mark)| table(figures, *mark)).filter(|t| !t.rows.is_empty()).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let lines: Vec<&Vec<String>> = [&self.head].into_iter().chain(&self.rows).collect();
        let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        for line in lines {
            let mut text = format!("{:<1$}", line[0], widths[0]);
            for (cell, width) in line.iter().zip(&widths).skip(1) {
                text += &format!("  {cell:>width$}");
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}
