//! Format strings: text with fields that name parts of a tree.
use super::{
    View,
    text::{Style, text},
};

/// A piece of a format string.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// The path of a part of the tree, and how to write its floats.
    Field(String, Style, String),
}

/// Split a format string; `{{` and `}}` stand for braces.
fn parse(format: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut text, mut rest) = (vec![], String::new(), format);
    while let Some(i) = rest.find(['{', '}']) {
        text += &rest[..i];
        let (brace, after) = rest[i..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            text += brace;
            rest = after;
            continue;
        }
        let Some((field, after)) = after.split_once('}').filter(|(f, _)| brace == "{" && !f.contains('{')) else {
            return Err(format!("the brace `{brace}` at byte {} has no partner", format.len() - rest.len() + i));
        };
        let (path, spec) = field.split_once(':').unwrap_or((field, ""));
        let style =
            Style::parse(spec).ok_or_else(|| format!("the field `{{{field}}}` asks for the format `{spec}`"))?;
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::Field(path.trim().into(), style, spec.into()));
        rest = after;
    }
    pieces.push(Piece::Text(text + rest));
    Ok(pieces)
}

/// Is the leaf at `path` the part of the tree that `part` names, or in it?
fn is_in(path: &str, part: &str) -> bool {
    part.is_empty() || path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The parts of a tree with these leaves, by path: the tree itself, its children, theirs, ...
fn parts(paths: &[String]) -> Vec<&str> {
    let mut parts = vec![""];
    for path in paths.iter().filter(|p| !p.is_empty()) {
        let ends = path.match_indices('.').map(|m| m.0).chain([path.len()]);
        parts.extend(ends.map(|i| &path[..i]));
    }
    parts.sort();
    parts.dedup();
    parts
}

/// The children of a tree with these leaves, in order. A single tensor is its own child.
fn children(paths: &[String]) -> Vec<&str> {
    let mut children: Vec<&str> = paths.iter().map(|p| p.split('.').next().unwrap_or("")).collect();
    children.dedup();
    children
}

/// The format string with the full path in every field, and which leaves it shows.
///
/// `{}` is the next child of the tree. `{a.b}` is the part with that path or, where there is none, the one part whose
/// path ends so.
pub(crate) fn resolve(format: &str, paths: &[String]) -> Result<(String, Vec<bool>), String> {
    let (mut next, children, parts) = (0, children(paths), parts(paths));
    let (mut full, mut shown) = (String::new(), vec![false; paths.len()]);
    for piece in parse(format)? {
        let (name, spec) = match piece {
            Piece::Text(t) => {
                full += &t.replace('{', "{{").replace('}', "}}");
                continue;
            }
            Piece::Field(name, _, spec) => (name, spec),
        };
        let part = if name.is_empty() {
            next += 1;
            *children
                .get(next - 1)
                .ok_or_else(|| format!("there are {next} fields `{{}}` or more, but the tree has {}", children.len()))?
        } else {
            let ends = |p: &&&str| p.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
            let found: Vec<&&str> = match parts.iter().find(|p| **p == name) {
                Some(exact) => vec![exact],
                None => parts.iter().filter(ends).collect(),
            };
            match found[..] {
                [part] => part,
                [] => return Err(format!("the tree has no `{name}`; it has {}", list(paths))),
                [a, b, ..] => return Err(format!("`{name}` may be `{a}` or `{b}`: write more of the path")),
            }
        };
        paths.iter().zip(&mut shown).for_each(|(p, s)| *s |= is_in(p, part));
        full += &if spec.is_empty() { format!("{{{part}}}") } else { format!("{{{part}:{spec}}}") };
    }
    Ok((full, shown))
}

fn list(paths: &[String]) -> String {
    const MOST: usize = 8;
    let names = paths
        .iter()
        .take(MOST)
        .map(|p| if p.is_empty() { "one tensor without a name".into() } else { format!("`{p}`") });
    let more = if paths.len() > MOST { ", ..." } else { "" };
    if paths.is_empty() { "no leaves".into() } else { names.collect::<Vec<_>>().join(", ") + more }
}

/// A resolved format string with the values of the leaves in it.
pub(super) fn render(format: &str, paths: &[String], leaves: &[View]) -> String {
    let mut out = String::new();
    for piece in parse(format).unwrap_or_default() {
        let (part, style) = match piece {
            Piece::Text(t) => {
                out += &t;
                continue;
            }
            Piece::Field(part, style, _) => (part, style),
        };
        let inside: Vec<(&str, &View)> =
            paths.iter().zip(leaves).filter(|(p, _)| is_in(p, &part)).map(|(p, x)| (p.as_str(), x)).collect();
        let shown = match inside[..] {
            [(path, x)] if path == part => text(x, style),
            _ => tree(&part, &inside, style),
        };
        // the rows of an array stand below each other
        let column = out.lines().last().filter(|_| !out.ends_with('\n')).map_or(0, |l| l.chars().count());
        out += &shown.replace('\n', &format!("\n{}", " ".repeat(column)));
    }
    // (blank lines have no trailing spaces)
    out.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The leaves of a part of the tree, with their paths below it.
fn tree(part: &str, leaves: &[(&str, &View)], style: Style) -> String {
    let entry = |(path, x): &(&str, &View)| {
        let below = if part.is_empty() { path } else { &path[part.len() + 1..] };
        let head = format!("{below}: ");
        let value = text(x, style).replace('\n', &format!("\n{}", " ".repeat(head.len() + 1)));
        head + &value
    };
    let entries: Vec<String> = leaves.iter().map(entry).collect();
    let lines = entries.iter().any(|e| e.contains('\n'));
    format!("{{{}}}", entries.join(if lines { ",\n " } else { ", " }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aval::DType, host::Host};

    fn paths(p: &[&str]) -> Vec<String> {
        p.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_name_parts_of_the_tree() {
        let p = paths(&["0", "1.norm", "1.layers.0.w", "1.layers.1.w"]);
        let full = |f: &str| resolve(f, &p).map(|r| r.0);
        assert_eq!(full("loss {} norm {norm:.3} {{{}}}").unwrap(), "loss {0} norm {1.norm:.3} {{{1}}}");
        assert_eq!(resolve("{layers.1.w}", &p).unwrap(), ("{1.layers.1.w}".into(), vec![false, false, false, true]));
        assert_eq!(resolve("{layers}{0}", &p).unwrap(), ("{1.layers}{0}".into(), vec![true, false, true, true]));
        assert_eq!(full("{0:e}{1.norm}").unwrap(), "{0:e}{1.norm}");
        assert_eq!(resolve("{} {}", &paths(&["a", "b.c"])).unwrap().0, "{a} {b}");
        assert_eq!(resolve("{}", &paths(&[""])).unwrap(), ("{}".into(), vec![true]));
        assert_eq!(full("{} {} {}").unwrap_err(), "there are 3 fields `{}` or more, but the tree has 2");
        assert_eq!(full("{w}").unwrap_err(), "`w` may be `1.layers.0.w` or `1.layers.1.w`: write more of the path");
        assert_eq!(
            full("{nrm}").unwrap_err(),
            "the tree has no `nrm`; it has `0`, `1.norm`, `1.layers.0.w`, `1.layers.1.w`"
        );
        assert_eq!(resolve("{x}", &[]).unwrap_err(), "the tree has no `x`; it has no leaves");
        assert_eq!(full("{0:x}").unwrap_err(), "the field `{0:x}` asks for the format `x`");
        for broken in ["{", "}", "a {0", "{ {} }"] {
            assert!(full(broken).unwrap_err().contains("has no partner"), "{broken}");
        }
    }

    #[test]
    fn values_stand_in_the_text() {
        let x = [Host::floats(DType::F32, [2, 2], vec![1.0, 2.0, 3.0, 4.5]), Host::ints(DType::I32, [], vec![7])];
        let views: Vec<View> = x.iter().map(View::of).collect();
        let p = paths(&["s.w", "s.n"]);
        assert_eq!(render("n={s.n} {{w}}={s.w}", &p, &views), "n=7 {w}=[[1.  2. ]\n         [3.  4.5]]");
        assert_eq!(render("{s}", &p, &views), "{w: [[1.  2. ]\n     [3.  4.5]],\n n: 7}");
        assert_eq!(render("a\n{s.n}", &p, &views), "a\n7");
        assert_eq!(render("{}", &p[1..], &views[1..]), "{s.n: 7}");
    }
}
