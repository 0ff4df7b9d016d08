//! The documents do not rot: excerpts of the source are what stands in the source, links lead somewhere, and what the tables
//! for JAX users name is run. (Examples are doc-tests, see src/lib.rs.)
use std::{fs, path::Path};

/// README.md, ARCHITECTURE.md, and all pages of docs and of the folders in it.
fn documents() -> Vec<String> {
    let mut all: Vec<String> = ["README.md", "ARCHITECTURE.md", "notebooks/README.md"].map(String::from).to_vec();
    let mut folders = vec!["docs".to_string()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                all.push(path);
            }
        }
    }
    all
}

/// README.md, the pages, and the texts between the cells of the notebooks: what is linked from and told there.
fn texts() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = documents().into_iter().map(|d| (d.clone(), read(&d))).collect();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".ipynb") {
            let notebook: serde_json::Value = serde_json::from_str(&read(&format!("notebooks/{name}"))).unwrap();
            let cells = notebook["cells"].as_array().unwrap().iter().filter(|c| c["cell_type"] == "markdown");
            let lines = cells.flat_map(|c| match &c["source"] {
                serde_json::Value::Array(lines) => lines.iter().map(|l| l.as_str().unwrap().to_string()).collect(),
                text => vec![text.as_str().unwrap().to_string()],
            });
            all.push((format!("notebooks/{name}"), lines.map(|line| line + "\n").collect()));
        }
    }
    all
}

/// A block marked `rs`: its first line names the file that the rest is taken from.
struct Excerpt<'a> {
    /// Number of the block's second line in the document.
    line: usize,
    file: &'a str,
    lines: Vec<&'a str>,
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn excerpts(document: &str) -> Vec<Excerpt<'_>> {
    let mut found = vec![];
    let mut lines = document.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        if !line.starts_with("```") {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").collect();
        if line == "```rs" {
            let file = block.first().and_then(|l| l.strip_prefix("// "));
            let file = file.unwrap_or_else(|| panic!("line {}: an excerpt begins with `// FILE`", i + 1));
            found.push(Excerpt { line: i + 3, file, lines: block[1..].to_vec() });
        }
    }
    found
}

/// Where an excerpt leaves its source: the number of lines that agree, and the first that does not, with the line of the
/// source in its place.
#[derive(Debug, PartialEq)]
struct Differs {
    agree: usize,
    excerpt: usize,
    source: usize,
}

/// The lines stand in the source in this order; a line `// ...` stands for any lines. How far they are indented, and where
/// they are empty, says nothing.
fn occurs(excerpt: &[&str], source: &[&str]) -> Result<(), Differs> {
    let said = |lines: &[&str]| -> Vec<(usize, String)> {
        let words = lines.iter().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
        words.enumerate().filter(|(_, words)| !words.is_empty()).collect()
    };
    let (excerpt, source) = (said(excerpt), said(source));
    let line = |of: &[(usize, String)], i: usize| of.get(i).or(of.last()).map_or(0, |(line, _)| *line);
    let (mut from, mut begin) = (0, 0);
    for part in excerpt.split(|(_, words)| words == "// ...") {
        let same = |start: usize, i: usize| source.get(start + i).is_some_and(|s| s.1 == part[i].1);
        let agree = |start: usize| (0..part.len()).filter(|i| same(start, *i)).count();
        let Some(start) = (from..source.len()).find(|start| agree(*start) == part.len()) else {
            let start = (from..source.len()).rev().max_by_key(|start| agree(*start)).unwrap_or(from);
            let i = (0..part.len()).find(|i| !same(start, *i)).unwrap_or(0);
            let agree = begin + agree(start);
            return Err(Differs { agree, excerpt: line(&excerpt, begin + i), source: line(&source, start + i) });
        };
        from = start + part.len();
        begin += part.len() + 1;
    }
    Ok(())
}

#[test]
fn excerpts_stand_in_the_source() {
    let mut wrong = vec![];
    for document in documents() {
        let text = read(&document);
        for e in excerpts(&text) {
            let source = read(e.file);
            let source: Vec<&str> = source.lines().collect();
            if let Err(d) = occurs(&e.lines, &source) {
                let (line, at, file) = (e.line + d.excerpt, d.source + 1, e.file);
                let (have, want) = (e.lines.get(d.excerpt).unwrap_or(&""), source.get(d.source).unwrap_or(&""));
                wrong.push(format!("{document}:{line} is not in {file}:\n  {have}\nclosest, {file}:{at}:\n  {want}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} excerpts differ from the source:\n\n{}\n", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn what_counts_as_an_excerpt() {
    let source: Vec<&str> =
        "impl A {\n    fn b() {\n        c();\n\n        d();\n        e();\n    }\n}".lines().collect();
    let check = |text: &str| occurs(&text.lines().collect::<Vec<_>>(), &source);
    assert_eq!(check("    fn b() {\n        c();\n\n        d();"), Ok(()));
    assert_eq!(check("fn b() {\n    c();\n    // ...\n}"), Ok(()));
    assert_eq!(check("impl A {\n    // ...\n        e();\n    // ...\n}"), Ok(()));
    // indented otherwise
    assert_eq!(check("fn b() {\nc();\nd();"), Ok(()));
    // altered, out of order, with lines or words missing
    assert_eq!(check("fn b() {\n    C();\n\n    d();"), Err(Differs { agree: 2, excerpt: 1, source: 2 }));
    assert_eq!(check("fn b() {\n    // ...\n    e();\n    // ...\n    d();").unwrap_err().excerpt, 4);
    assert_eq!(check("    c();\n\n    e();"), Err(Differs { agree: 1, excerpt: 2, source: 4 }));
    assert_eq!(check("b() {\n    c();"), Err(Differs { agree: 1, excerpt: 0, source: 1 }));
    let document = "```rust\nlet x = 1;\n```\n\n```rs\n// src/a.rs\nfn b() {}\n```\n";
    let found = excerpts(document);
    assert_eq!(
        (found.len(), found[0].line, found[0].file, &found[0].lines[..]),
        (1, 7, "src/a.rs", &["fn b() {}"][..])
    );
}

/// The name by which GitHub links to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    for (document, text) in texts() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(&document);
            let path = if file.is_empty() { folder } else { folder.parent().expect("a file").join(file) };
            assert!(path.exists(), "{document} links to {target}, which does not exist");
            if !place.is_empty() {
                let there = fs::read_to_string(&path).unwrap();
                let mut headings = there.lines().filter(|l| l.starts_with('#')).map(anchor);
                assert!(headings.any(|h| h == place), "{document} links to {target}, but there is no such heading");
            }
        }
    }
}

/// The book has every page, by its own title.
#[test]
fn the_book_has_every_page() {
    let summary = read("docs/SUMMARY.md");
    for document in documents().iter().filter(|d| *d != "docs/SUMMARY.md") {
        let Some(name) = document.strip_prefix("docs/") else { continue };
        assert!(summary.contains(&format!("]({name})")), "docs/SUMMARY.md does not have {name}");
        assert!(read(document).starts_with("# "), "{name} has no title");
    }
}

/// Rust in a page is a doc-test of the crate that includes the page.
#[test]
fn pages_with_rust_are_doctests() {
    let crates =
        ["src/lib.rs", "graphs/src/lib.rs", "graphs/src/training/run/mod.rs", "data/src/lib.rs"].map(read).concat();
    for document in documents() {
        let has_rust = read(&document).lines().any(|line| line.starts_with("```rust"));
        let is_included = crates.contains(&format!("/{document}\")]"));
        assert!(
            !has_rust || is_included,
            "no crate includes {document}: write a line beside those of the other pages in src/lib.rs"
        );
    }
}

/// What commands of the documentation name: files of the repository, and its packages, tests, benches and examples. (Commands of
/// `raxla` are parsed by a test of raxla-cli.)
#[test]
fn what_commands_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifests = ["", "graphs", "cli", "data", "orbax", "kernels", "xla_extension", "notebooks", "notebooks/cells"];
    let manifests: String =
        manifests.iter().map(|folder| read(format!("{folder}/Cargo.toml").trim_start_matches('/'))).collect();
    let (mut wrong, mut count) = (vec![], 0);
    for (document, text) in texts() {
        for (i, line) in text.lines().enumerate() {
            let mut say = |what: &str| wrong.push(format!("{document}:{}: there is no {what}", i + 1));
            let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "`()\"',;".contains(c)).collect();
            for word in &words {
                let word = word.trim_start_matches("./").trim_end_matches(['.', ':']);
                let is_ours =
                    ["scripts/", ".ci/", "examples/programs/", "graphs/src/", "graphs/tests/", "cli/src/", "src/"];
                let is_path = is_ours.iter().any(|folder| word.starts_with(folder))
                    && !word.contains(['*', '{', '<', '$', '|', ']']);
                // (an error of the documentation may name a user's own file)
                if is_path && !word.starts_with("src/main") && !word.starts_with("src/model") {
                    count += 1;
                    let file = word.split([':', '#']).next().unwrap_or(word);
                    if !root.join(file).exists() {
                        say(file);
                    }
                }
            }
            for pair in words.windows(2).filter(|_| line.contains("cargo ")) {
                let [option, name] = pair else { continue };
                let known = match *option {
                    "-p" | "--package" | "--test" | "--bench" => manifests.contains(&format!("name = \"{name}\"")),
                    "--example" => {
                        root.join(format!("examples/{name}.rs")).exists()
                            || root.join(format!("examples/{name}/main.rs")).exists()
                            || root.join(format!("graphs/examples/{name}.rs")).exists()
                    }
                    _ => continue,
                };
                count += 1;
                if !known {
                    say(&format!("{option} {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "only {count} were found");
}

/// What the page on security says is tried, is.
#[test]
fn tests_that_are_named_exist() {
    let folders = ["src/run", "tests/checkpoint", "xla_extension/tests", "graphs/tests", "cli/tests/cli"];
    let files = folders.iter().flat_map(|f| fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(f)).unwrap());
    let sources = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let sources: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = read("docs/security.md");
    let rows = page.split_once("## What is tried").unwrap().1.lines().filter(|line| line.starts_with("| "));
    let mut named = 0;
    for test in rows.flat_map(|row| cells(row)[1].split('`').skip(1).step_by(2).map(String::from).collect::<Vec<_>>()) {
        assert!(sources.contains(&format!("fn {test}()")), "there is no test {test}");
        named += 1;
    }
    assert!(named > 20, "{named}");
}

/// A section of the page for JAX users: what its tables name, and its code that is run.
#[derive(Debug, Default)]
struct Section<'a> {
    heading: &'a str,
    /// The second cells of the tables' rows.
    cells: Vec<&'a str>,
    code: String,
}

fn sections(document: &str) -> Vec<Section<'_>> {
    let mut found = vec![Section::default()];
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("## ") {
            found.push(Section { heading: line, ..Section::default() });
        }
        let section = found.last_mut().expect("begun with one");
        if line.starts_with("```") {
            for code in lines.by_ref().take_while(|l| *l != "```").filter(|_| line == "```rust") {
                if code.starts_with("use ") {
                    continue;
                }
                section.code += code.split("//").next().unwrap_or("");
                section.code.push('\n');
            }
        } else if line.starts_with("| ") && line != "| JAX | raxla | |" {
            section.cells.push(cells(line)[1]);
        }
    }
    found
}

/// The cells of a row. A `\|` is no border.
fn cells(row: &str) -> Vec<&str> {
    let borders: Vec<usize> = row.match_indices('|').map(|m| m.0).filter(|i| !row[..*i].ends_with('\\')).collect();
    borders.windows(2).map(|b| row[b[0] + 1..b[1]].trim()).collect()
}

/// The names in the code of a cell: words, but for the single letters that stand for anything.
fn names(cell: &str) -> Vec<&str> {
    let code = cell.split('`').skip(1).step_by(2);
    code.flat_map(words).filter(|w| w.len() > 1 && !w.starts_with(|c: char| c.is_ascii_digit())).collect()
}
fn words(code: &str) -> Vec<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect()
}

#[test]
fn what_jax_users_are_told_is_run() {
    // commands and environment variables are told, not called
    const TOLD: [&str; 5] = ["RAXLA_PLATFORM", "RAXLA_HOME", "XLA_FLAGS", "raxla", "doctor"];
    let text = read("docs/for_jax_users.md");
    let sections = sections(&text);
    let (mut rows, mut missing) = (0, vec![]);
    for s in &sections {
        let run = words(&s.code);
        rows += s.cells.len();
        for cell in &s.cells {
            let names = names(cell).into_iter().filter(|n| !TOLD.contains(n) && !run.contains(n));
            missing.extend(names.map(|n| format!("{}: `{n}` of {cell}", s.heading)));
        }
        assert!(s.cells.iter().all(|c| c.is_empty()) || s.code.contains("assert"), "{} asserts nothing", s.heading);
    }
    assert!(missing.is_empty(), "in no code of the section:\n{}", missing.join("\n"));
    assert!(rows > 150, "only {rows} rows were found");
}

#[test]
fn what_counts_as_a_name() {
    assert_eq!(cells(r"| `a \|b\|` | x | |"), [r"`a \|b\|`", "x", ""]);
    assert_eq!(names("`x.at(i).set(v)`, not `IndexMode::Clip`, `&`"), ["at", "set", "IndexMode", "Clip"]);
    let text = "## A\n| JAX | raxla | |\n|---|---|---|\n| f | `g` | |\n```rust\nuse g;\nassert!(h) // g\n```\n```text\ng\n```\n## B\n";
    let found = sections(text);
    assert_eq!((found.len(), found[1].heading, &found[1].cells[..]), (3, "## A", &["`g`"][..]));
    assert_eq!(found[1].code, "assert!(h) \n", "imports, comments and other blocks do not count");
}
