//! Tables and code.
use crate::{escaped, show};
use std::fmt::Display;

/// Shows a table. Columns after the first are aligned to the right where they hold numbers.
pub fn table<C: Display>(head: &[&str], rows: &[Vec<C>]) {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    let is_number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    let cell = |tag: &str, text: &str, right: bool| {
        let side = if right { "right" } else { "left" };
        format!("<{tag} style=\"text-align: {side}\">{}</{tag}>", escaped(text))
    };
    let right = |column: usize| column > 0 && rows.iter().all(|row| row.get(column).is_none_or(|c| is_number(c)));
    let line = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells.enumerate().map(|(i, text)| cell(tag, text, right(i))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let head = line("th", &mut head.iter().copied());
    let body: String = rows.iter().map(|row| line("td", &mut row.iter().map(String::as_str))).collect();
    show("text/html", &format!("<table>\n<thead>{head}</thead>\n<tbody>{body}</tbody>\n</table>"));
}

/// Shows a program's text, as it is.
pub fn code(text: &str) {
    let style = "font-size: 12px; line-height: 1.35; white-space: pre; overflow-x: auto";
    show("text/html", &format!("<pre style=\"{style}\">{}</pre>", escaped(text.trim_end())));
}
