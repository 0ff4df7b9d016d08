//! The help texts.

use crate::common::*;
use std::{fs, path::Path};

/// Every command, as its users type it.
const COMMANDS: [&str; 17] = [
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
    "logits",
    "verify",
    "hlo",
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
