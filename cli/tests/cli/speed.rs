//! docs/speed.jsonl has the measured comparison with other systems; the picture and the table of README.md are made of it.
//! `UPDATE_EXPECT=1` writes them: `scripts/compare_peers.py --publish` measures, and ends with that.
use crate::common::*;
use serde_json::Value;
use std::{fs, path::PathBuf};

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn updates() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

fn figures() -> Vec<Value> {
    let text = fs::read_to_string(root("docs/speed.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_picture_is_of_the_figures() {
    let dir = tempfile::tempdir().unwrap();
    let (drawn, kept) = (dir.path().join("speed.svg"), root("docs/speed.svg"));
    succeeds(raxla(["bench", "--from"]).arg(root("docs/speed.jsonl")).arg("--plot").arg(&drawn));
    let drawn = fs::read_to_string(drawn).unwrap();
    if updates() {
        fs::write(&kept, &drawn).unwrap();
    }
    assert!(fs::read_to_string(kept).unwrap() == drawn, "docs/speed.svg differs; UPDATE_EXPECT=1 draws it");
}

/// What a metric is in the table.
fn called(metric: &str) -> &str {
    match metric {
        "decode_tok_s" => "generating, tokens/s",
        "prefill_tok_s" => "taking a prompt in, tokens/s",
        "train_step_s" => "a step of training, s",
        other => other,
    }
}

#[test]
fn the_table_is_of_the_figures() {
    let figures = figures();
    let text = |f: &Value, key: &str| f[key].as_str().unwrap().to_string();
    let work = |f: &Value| f["config"]["work"].as_str().unwrap().to_string();
    let (mut systems, mut rows): (Vec<String>, Vec<(String, String)>) = Default::default();
    for f in &figures {
        let (system, row) = (text(f, "system"), (work(f), text(f, "metric")));
        if !systems.contains(&system) {
            systems.push(system);
        }
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let mut table = format!("| | {} |\n|---|{}\n", systems.join(" | "), "---|".repeat(systems.len()));
    for (name, metric) in &rows {
        let cell = |system: &String| {
            let is_it = |f: &&Value| text(f, "system") == *system && work(f) == *name && text(f, "metric") == *metric;
            let value = figures.iter().find(is_it).map(|f| f["value"].as_f64().unwrap());
            value.map_or(String::new(), |v| if v < 10.0 { format!("{v:.2}") } else { format!("{v:.0}") })
        };
        let cells: Vec<String> = systems.iter().map(cell).collect();
        table += &format!("| {name}: {} | {} |\n", called(metric), cells.join(" | "));
    }
    let path = root("README.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- speed -->\n", "<!-- end of speed -->");
    let from = page.find(begin).expect("a marker") + begin.len();
    let to = from + page[from..].find(end).expect("a marker");
    if updates() {
        fs::write(&path, [&page[..from], &table, &page[to..]].concat()).unwrap();
    } else {
        assert_eq!(&page[from..to], table, "README.md; UPDATE_EXPECT=1 writes it");
    }
}
