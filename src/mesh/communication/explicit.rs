//! The collectives that a program has of its own, read from its StableHLO text: kind and line.
use super::{Kind, hlo::balanced};
use std::collections::HashMap;

/// The collectives of a StableHLO module.
#[derive(Default)]
pub(super) struct Explicit {
    /// What stands where: the operation's name, and file and line if its location tells.
    found: Vec<(&'static str, Option<(String, usize)>)>,
}

/// StableHLO's names, and what XLA may turn each of them into.
const NAMES: [(&str, &[Kind]); 6] = {
    use Kind::*;
    [
        ("all_reduce", &[AllReduce, ReduceScatter, AllGather]),
        ("all_gather", &[AllGather, CollectivePermute, AllReduce]),
        ("reduce_scatter", &[ReduceScatter, AllReduce, AllToAll, CollectivePermute]),
        ("all_to_all", &[AllToAll, CollectivePermute]),
        ("collective_permute", &[CollectivePermute]),
        ("collective_broadcast", &[CollectiveBroadcast, CollectivePermute]),
    ]
};

impl Explicit {
    pub(super) fn parse(text: &str) -> Explicit {
        let locations: HashMap<&str, &str> =
            text.lines().filter_map(|line| line.trim().split_once(" = loc(")).collect();
        let mut found = vec![];
        let mut rest = text;
        while let Some(at) = rest.find("stablehlo.") {
            rest = &rest[at + "stablehlo.".len()..];
            let named = |name: &str| rest.strip_prefix(name).is_some_and(|r| r.starts_with(['"', '(', ' ']));
            if let Some((name, _)) = NAMES.iter().find(|(name, _)| named(name)) {
                let place = statement(rest[name.len()..].trim_start_matches('"'))
                    .and_then(|s| s.rsplit_once("loc("))
                    .and_then(|(_, l)| place(l, &locations, 8));
                found.push((*name, place));
            }
        }
        Explicit { found }
    }
    /// Is this one the program's own? `generated`: XLA says that its partitioner made it.
    pub(super) fn has(&self, kind: Kind, place: Option<(&str, usize)>, generated: bool) -> bool {
        let matches = |(name, p): &(&str, Option<(String, usize)>)| {
            let kinds = NAMES.iter().find(|(n, _)| n == name).map_or(&[][..], |(_, kinds)| kinds);
            match (p, place) {
                (Some((file, line)), Some(place)) => (file.as_str(), *line) == place && kinds.contains(&kind),
                // no line on one of the sides: only the kind can be compared
                _ => kinds.first() == Some(&kind),
            }
        };
        !generated && self.found.iter().any(matches)
    }
}

/// The rest of an operation, up to the end of the line on which its last bracket closes.
fn statement(text: &str) -> Option<&str> {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        // (the text starts inside of no bracket)
        let whole = format!("({})", &text[..end]);
        if balanced(&whole) == Some(whole.len()) && !line.trim_end().ends_with('{') {
            return Some(&text[..end]);
        }
    }
    None
}

/// `#loc3)`, or the location itself: the first `"file":line:column` in it.
fn place(text: &str, locations: &HashMap<&str, &str>, depth: usize) -> Option<(String, usize)> {
    if let Some(at) = text.find('#') {
        let alias = &text[at..];
        let alias = &alias[..alias.find([')', ',', ' ', ']']).unwrap_or(alias.len())];
        if !text[..at].contains("\":") {
            return place(locations.get(alias)?, locations, depth.checked_sub(1)?);
        }
    }
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\":") {
        let mut numbers = after.split(|c: char| !c.is_ascii_digit());
        if let (Some(Ok(line)), Some(quote)) = (numbers.next().map(str::parse), before.rfind('"')) {
            return Some((before[quote + 1..].to_string(), line));
        }
        rest = after;
    }
    None
}
