//! The help texts.

use crate::common::*;
use std::{fs, path::Path};

/// Every command, as its users type it.
const COMMANDS: &[&str] = &[
    "",
    "generate",
    "chat",
    "models",
    "pull",
    "convert",
    "plugin",
    "plugin list",
    "plugin install",
    "plugin path",
    "doctor",
    "cache",
    "cache info",
    "cache clear",
    "checkpoint",
    "checkpoint ls",
    "checkpoint verify",
    "checkpoint show",
    "checkpoint diff",
    "logits",
    "verify",
    "perplexity",
    "hlo",
    "profile",
    "bench",
    "tune",
    "plan",
    "export",
    "run",
    "compile",
];

fn help(command: &str, flag: &str) -> String {
    succeeds(&mut raxla(command.split_whitespace().chain([flag])))
}

/// `UPDATE_EXPECT=1` writes the file anew: read the difference before committing it.
#[test]
fn the_texts_are_the_reviewed_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help.txt");
    let all: String = COMMANDS.iter().map(|c| format!("$ raxla {c} --help\n{}\n", help(c, "--help"))).collect();
    let all = all.replace("raxla  --help", "raxla --help");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &all).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap();
    let differs = all.lines().zip(known.lines()).find(|(new, old)| new != old);
    assert!(all == known, "a help text changed; UPDATE_EXPECT=1 renews tests/help.txt: {differs:?}");
}

/// Paragraphs flow, and lines that are written as they are, such as examples, fit: no line is cut off from the next one.
#[test]
fn no_word_stands_alone_on_its_line() {
    for width in [80, 100] {
        for command in COMMANDS {
            let mut raxla = raxla(command.split_whitespace().chain(["--help"]));
            let text = succeeds(raxla.env("COLUMNS", width.to_string()));
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let [line, next] = pair else { continue };
                let indent = |line: &str| line.len() - line.trim_start().len();
                let full =
                    line.chars().count() + 1 + next.split_whitespace().next().map_or(0, |w| w.chars().count()) > width;
                // a paragraph goes on at the margin, where examples and tables have their two spaces
                let goes_on = !line.is_empty() && !next.is_empty() && indent(next) == 0;
                let begins = line.ends_with(':') && indent(line) == 0;
                assert!(!goes_on || begins || full, "{command} at {width}:\n{line}\n{next}");
                assert!(!goes_on || indent(line) == 0, "{command} at {width} is cut: {line}\n{next}");
            }
        }
    }
}

#[test]
fn every_option_and_command_is_described() {
    for command in COMMANDS {
        let text = help(command, "--help");
        assert_eq!(text, help(command, "-h"), "one help, not two");
        let lines: Vec<&str> = text.lines().collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut described = 0;
        for (i, line) in lines.iter().enumerate() {
            assert!(line.chars().count() <= 100, "too long in {command}: {line}");
            let continued = ["[default", "[possible"].iter().any(|w| line.trim_start().starts_with(w));
            if !line.trim_start().starts_with(['-', '[', '<']) || indent(line) == 0 || continued {
                continue;
            }
            let beside = line.trim_start().split_once("  ").is_some_and(|(_, about)| !about.trim().is_empty());
            let below = lines.get(i + 1).is_some_and(|next| indent(next) > indent(line) && !next.trim().is_empty());
            assert!(beside || below, "{command}: {line}");
            described += 1;
        }
        assert!(described >= 4, "{command}: {text}");
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(succeeds(&mut raxla(["--version"])), format!("raxla {}\n", env!("CARGO_PKG_VERSION")));
}
