//! Tables.
use std::fmt::Display;

/// Prints a table. Columns that hold numbers are aligned to the right.
pub fn table<C: Display>(head: &[&str], rows: &[Vec<C>]) {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let columns: Vec<(usize, bool)> = (0..head.len())
        .map(|column| {
            let all = rows.iter().map(|row| cell(row, column));
            let widest = all.clone().chain([head[column].clone()]).map(|c| c.chars().count()).max().unwrap_or(0);
            let is_number = |c: String| c.is_empty() || c.starts_with(|c: char| c.is_ascii_digit() || c == '-');
            (widest, column > 0 && all.clone().any(|c| !c.is_empty()) && all.clone().all(is_number))
        })
        .collect();
    let line = |row: &[String]| {
        let cells = columns.iter().enumerate().map(|(i, (width, right))| match right {
            true => format!("{:>width$}", cell(row, i)),
            false => format!("{:<width$}", cell(row, i)),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(&head);
    println!("{}", "─".repeat(columns.iter().map(|c| c.0 + 2).sum::<usize>().saturating_sub(2)));
    rows.iter().for_each(|row| line(row));
}
