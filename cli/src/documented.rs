//! Commands that the documentation names are commands: what README.md, docs and notebooks tell users to type is parsed by the parser
//! that they meet.
use super::{Cli, with_negative_numbers};
use clap::{Command, CommandFactory};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A piece of a document, and where it is.
struct Place {
    file: String,
    line: usize,
}

/// README.md, ARCHITECTURE.md, the pages of docs, and the texts of the notebooks.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    let mut folders = vec![root.join("docs"), root.join("notebooks")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.extension().and_then(|end| end.to_str()) {
                _ if entry.is_dir() => folders.push(entry),
                Some("md" | "ipynb") => files.push(entry),
                _ => {}
            }
        }
    }
    let text = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        if path.extension().is_some_and(|end| end == "md") { text } else { of_notebook(&text) }
    };
    files.iter().map(|path| (path.strip_prefix(&root).unwrap_or(path).display().to_string(), text(path))).collect()
}

/// The texts between a notebook's cells.
fn of_notebook(text: &str) -> String {
    let notebook: serde_json::Value = serde_json::from_str(text).unwrap();
    let cells = notebook["cells"].as_array().into_iter().flatten().filter(|cell| cell["cell_type"] == "markdown");
    let lines = cells.flat_map(|cell| match &cell["source"] {
        serde_json::Value::String(one) => vec![one.clone()],
        many => many.as_array().into_iter().flatten().filter_map(|l| Some(l.as_str()?.to_string())).collect(),
    });
    lines.map(|line| line + "\n").collect()
}

/// Words as a shell reads them, up to what ends a command (`|`, `&&`, `;`, `>`, a comment, or a column of explanations); and what
/// follows a `|`, `&&` or `;`.
fn words(line: &str) -> (Vec<String>, &str) {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None);
    let mut chars = line.char_indices();
    let mut rest = "";
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next().map(|(_, c)| c)),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | ';' | '&') => {
                rest = line[at..].trim_start_matches(['|', ';', '&']);
                break;
            }
            (None, '>' | '<') => break,
            (None, '#') if word.is_none() => break,
            (None, ' ') if line[at..].starts_with("   ") => break,
            (None, ' ') => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (words, rest)
}

/// The arguments of raxla in a line, of each command in it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut found, mut rest) = (vec![], line.trim().trim_start_matches("$ "));
    while !rest.trim().is_empty() {
        let (words, next) = words(rest.trim());
        let words = words.iter().skip_while(|word| word.split_once('=').is_some_and(|(name, _)| is_variable(name)));
        let words: Vec<&str> = words.map(String::as_str).collect();
        let arguments = match &words[..] {
            ["raxla" | "target/release/raxla", rest @ ..] => Some(rest),
            ["cargo", "run", rest @ ..] if !rest.contains(&"--example") => {
                rest.iter().position(|w| *w == "--").map(|at| &rest[at + 1..])
            }
            _ => None,
        };
        found.extend(arguments.map(|a| a.iter().map(ToString::to_string).collect()));
        rest = next;
    }
    found
}
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Texts with the number of their line.
type Numbered = Vec<(usize, String)>;

/// Lines of blocks, those that go on behind a `\` as one; and pieces of code within texts.
fn lines_and_pieces(text: &str) -> [Numbered; 2] {
    let [mut lines, mut pieces]: [Numbered; 2] = Default::default();
    let (mut block, mut goes_on) = (None, false);
    for (i, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.to_string()) };
            goes_on = false;
        } else if let Some(language) = &block {
            if ["sh", "bash", "console", "text", ""].contains(&language.as_str()) {
                let own = line.strip_suffix('\\').unwrap_or(line);
                match lines.last_mut().filter(|_| goes_on) {
                    Some((_, last)) => *last += &format!(" {}", own.trim()),
                    None => lines.push((i + 1, own.to_string())),
                }
                goes_on = line.ends_with('\\');
            }
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2).map(|piece| (i + 1, piece.to_string())));
        }
    }
    [lines, pieces]
}

/// Is it a command whose options there are? Values and what is required may be missing.
fn names_exist(command: &Command, arguments: &[String]) -> Result<(), String> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(()) };
    if let Some(inner) = command.find_subcommand(first) {
        return names_exist(inner, rest);
    }
    let is_word = first.starts_with(|c: char| c.is_ascii_lowercase()) && first.chars().all(|c| c.is_ascii_lowercase());
    if command.has_subcommands() && is_word {
        return Err(format!("`{}` has no command `{first}`", command.get_name()));
    }
    for option in arguments.iter().filter_map(|word| word.strip_prefix("--")) {
        let name = option.split('=').next().unwrap_or(option);
        let name = name.trim_end_matches(|c: char| !c.is_alphanumeric());
        let known = command
            .get_arguments()
            .any(|a| a.get_long() == Some(name) || a.get_all_aliases().is_some_and(|all| all.contains(&name)));
        if !known && !name.is_empty() && name != "help" {
            return Err(format!("`{}` has no option `--{name}`", command.get_name()));
        }
    }
    Ok(())
}

#[test]
fn every_command_of_the_documentation_is_one() {
    let mut parser = with_negative_numbers(Cli::command());
    parser.build();
    let (mut wrong, mut counts) = (vec![], [0, 0]);
    for (file, text) in documents() {
        let [lines, pieces] = lines_and_pieces(&text);
        let mut say = |place: Place, line: &str, why: String| {
            wrong.push(format!("{}:{}: {line}\n  {}", place.file, place.line, why.trim().replace('\n', "\n  ")));
        };
        for (line, text) in lines {
            for arguments in commands(&text) {
                counts[0] += 1;
                let place = Place { file: file.clone(), line };
                // (a list of options, or a name that stands for many)
                if arguments.iter().any(|word| word.contains("..") || word.starts_with('[')) {
                    if let Err(why) = names_exist(&parser, &arguments) {
                        say(place, &text, why);
                    }
                    continue;
                }
                let whole = ["raxla".to_string()].into_iter().chain(arguments);
                if let Err(e) = parser.try_get_matches_from_mut(whole) {
                    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
                    if ![DisplayHelp, DisplayVersion].contains(&e.kind()) {
                        say(place, &text, e.to_string());
                    }
                }
            }
        }
        for (line, text) in pieces.iter().filter(|(_, text)| text.starts_with("raxla ")) {
            for arguments in commands(text) {
                counts[1] += 1;
                if let Err(why) = names_exist(&parser, &arguments) {
                    say(Place { file: file.clone(), line: *line }, text, why);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} commands are none:\n\n{}\n", wrong.len(), wrong.join("\n\n"));
    assert!(counts[0] > 60 && counts[1] > 60, "only {counts:?} were found");
}

/// Models that commands name are presets, unless they are files, folders, names of the hub, words that stand for any (`M`), or what a
/// command of the same page has written (`--out parrot`, `raxla convert .. merged`).
#[test]
fn models_that_commands_name_are_presets() {
    let (mut wrong, mut count) = (vec![], 0);
    for (file, text) in documents() {
        let [lines, pieces] = lines_and_pieces(&text);
        let all: Vec<(usize, Vec<String>)> = lines
            .iter()
            .chain(pieces.iter().filter(|(_, text)| text.starts_with("raxla ")))
            .flat_map(|(line, text)| commands(text).into_iter().map(|words| (*line, words)))
            .collect();
        let after = |words: &[String], option: &str| {
            words.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].clone()).collect::<Vec<_>>()
        };
        let mut written: Vec<String> = all.iter().flat_map(|(_, words)| after(words, "--out")).collect();
        written.extend(
            all.iter()
                .filter(|(_, w)| w.first().is_some_and(|c| c == "convert"))
                .filter_map(|(_, w)| w.get(2).cloned()),
        );
        for (line, words) in &all {
            let named = [after(words, "--model"), after(words, "--draft"), after(words, "pull")].concat();
            for name in named {
                count += 1;
                let is_path = name.contains(['/', ':']) || name.starts_with('.') || name.ends_with(".gguf");
                let is_any = name.chars().all(|c| c.is_ascii_uppercase() || c == '.' || c == '_');
                if !is_path && !is_any && !written.contains(&name) && raxla_graphs::source::preset(&name).is_none() {
                    wrong.push(format!("{file}:{line}: {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these are no presets:\n{}", wrong.join("\n"));
    assert!(count > 60, "only {count} were found");
}

#[test]
fn what_counts_as_a_command() {
    let all = |line: &str| commands(line).iter().map(|words| words.join("|")).collect::<Vec<_>>();
    assert_eq!(all("$ raxla generate --top-p 0.9 \"a 'b' # c\" < a.txt"), ["generate|--top-p|0.9|a 'b' # c"]);
    assert_eq!(
        all("raxla train --init && raxla train --config run.toml   # once"),
        ["train|--init", "train|--config|run.toml"]
    );
    assert_eq!(all("RAXLA_OFFLINE=1 raxla doctor | head"), ["doctor"]);
    assert_eq!(all("cargo run --release -- chat \"What?\""), ["chat|What?"]);
    assert!(all("cargo run --example programs -- moons").is_empty() && all("python x.py raxla").is_empty());
    let text = "see `raxla doctor` and\n```sh\nraxla plan \\\n  --help\n```\n```rust\nraxla x\n```\n";
    let [lines, pieces] = lines_and_pieces(text);
    assert_eq!(lines, [(3, "raxla plan  --help".to_string())]);
    assert_eq!(pieces, [(1, "raxla doctor".to_string())]);
    let mut parser = Cli::command();
    parser.build();
    let exist = |line: &str| names_exist(&parser, &commands(line)[0]);
    assert_eq!(exist("raxla generate --top-p"), Ok(()));
    assert!(exist("raxla generate --top-q 3").unwrap_err().contains("--top-q"));
    assert!(exist("raxla dance").unwrap_err().contains("no command `dance`"));
}
