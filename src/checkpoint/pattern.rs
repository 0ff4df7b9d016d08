//! Patterns of leaf paths.

/// Does the path match the pattern, and what do its wildcards stand for? `*` is any text without a dot, `**` any text.
pub(super) fn matched<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let Some(at) = pattern.find('*') else { return (pattern == path).then(Vec::new) };
    let (before, rest) = pattern.split_at(at);
    let path = path.strip_prefix(before)?;
    let (any, rest) = match rest.strip_prefix("**") {
        Some(rest) => (true, rest),
        None => (false, &rest[1..]),
    };
    let most = if any { path.len() } else { path.find('.').unwrap_or(path.len()) };
    // the longest text that lets the rest match
    let ends = (0..=most).rev().filter(|end| path.is_char_boundary(*end));
    ends.filter_map(|end| {
        let mut found = vec![&path[..end]];
        found.extend(matched(rest, &path[end..])?);
        Some(found)
    })
    .next()
}

/// The path that `to` makes of one that matches `from`: the wildcards of `to` are those of `from`, in order.
pub(super) fn renamed(from: &str, to: &str, path: &str) -> Option<String> {
    let mut found = matched(from, path)?.into_iter();
    let (mut out, mut rest) = (String::new(), to);
    while let Some(at) = rest.find('*') {
        out += &rest[..at];
        out += found.next()?;
        rest = rest[at..].strip_prefix("**").unwrap_or(&rest[at + 1..]);
    }
    Some(out + rest)
}

/// How many wildcards a pattern has.
pub(super) fn wildcards(pattern: &str) -> usize {
    pattern.replace("**", "*").matches('*').count()
}

/// The name that is most like this one, if one is: at most a third of it has to be changed.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).max(1);
    let near = names.filter(|other| other.len().abs_diff(name.len()) <= limit);
    near.map(|other| (distance(name.as_bytes(), other.as_bytes()), other))
        .min()
        .filter(|(d, _)| *d <= limit)
        .map(|(_, n)| n)
}

/// How many bytes have to be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths() {
        assert_eq!(matched("0.*.w", "0.layers.w"), Some(vec!["layers"]));
        assert_eq!(matched("0.*.w", "0.layers.3.w"), None);
        assert_eq!(matched("0.**.w", "0.layers.3.w"), Some(vec!["layers.3"]));
        assert_eq!(matched("**", ""), Some(vec![""]));
        assert_eq!(matched("*.*", "a.b"), Some(vec!["a", "b"]));
        assert_eq!(matched("a", "ab"), None);
        assert_eq!(renamed("0.**", "model.**", "0.layers.3.w").unwrap(), "model.layers.3.w");
        assert_eq!(renamed("*.l.*", "x.*_*", "ä.l.w").unwrap(), "x.ä_w");
        assert_eq!((wildcards("a.**.*"), wildcards("a")), (2, 0));
    }

    #[test]
    fn names_that_are_alike() {
        let names = || ["0.layers.1.wq", "0.layers.2.wk", "0.norm"].into_iter();
        assert_eq!(nearest("0.layers.1.wk", names()), Some("0.layers.1.wq"));
        assert_eq!(nearest("1.mu.embedding", names()), None);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
