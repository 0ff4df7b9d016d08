//! The table of primitives has all of them: every `impl Primitive` and `impl HigherOrder` in the sources is a row, or arises
//! from one.
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use raxla::{
    Graph, linearize,
    prelude::*,
    prim::{Case, Row, TABLE},
    trace::trace_graph,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Operations that no function of the user makes, and the row whose linear part has them. The tests of rules run every rule
/// of linear parts.
const INTERNAL: &[(&str, &str)] = &[("remat_tangent", "remat"), ("custom_vjp_tangent", "custom_vjp")];
/// Types that get their name from elsewhere.
const DELEGATED: &[(&str, &[&str])] = &[("Debug", &["debug_print", "debug_check", "debug_assert", "debug_nans"])];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    entries.flat_map(|p| if p.is_dir() { sources(&p) } else { vec![p] }).collect()
}

/// The words in quotes, at any depth.
fn literals(code: TokenStream) -> Vec<String> {
    let words = code.into_iter().flat_map(|t| match t {
        TokenTree::Group(g) => literals(g.stream()),
        TokenTree::Literal(l) => vec![l.to_string()],
        _ => vec![],
    });
    words
        .filter(|w| !w.is_empty() && !w.starts_with(|c: char| c.is_ascii_digit()))
        .map(|w| w.trim_matches('"').to_string())
        .collect()
}
/// The tokens of a file, with those of modules and macros inside it.
fn flat(code: TokenStream, all: &mut Vec<TokenTree>) {
    for token in code {
        let inside = if let TokenTree::Group(g) = &token { Some(g.stream()) } else { None };
        all.push(token);
        inside.into_iter().for_each(|code| flat(code, all));
    }
}
fn is(token: Option<&TokenTree>, word: &str) -> bool {
    token.is_some_and(|t| t.to_string() == word)
}
fn group(token: Option<&TokenTree>) -> Option<TokenStream> {
    if let Some(TokenTree::Group(g)) = token { Some(g.stream()) } else { None }
}
/// The second argument of each use of a macro: `unary!(/** doc */ Sin, sin, ...)`.
fn second_arguments(tokens: &[TokenTree], name: &str) -> Vec<String> {
    let uses = tokens.windows(3).filter(|t| is(t.first(), name) && is(t.get(1), "!")).filter_map(|t| group(t.get(2)));
    let second = |code: TokenStream| {
        let mut rest = code.into_iter().skip_while(|t| t.to_string() != ",");
        rest.nth(1).expect("a second argument").to_string()
    };
    uses.map(second).collect()
}

/// The names that each implementation in a file can have, by its type.
fn implementations(text: &str) -> Vec<(String, Vec<String>)> {
    let mut tokens = vec![];
    flat(text.parse().expect("Rust"), &mut tokens);
    let (mut found, mut inside) = (vec![], String::new());
    for (i, t) in tokens.iter().enumerate() {
        if is(Some(t), "macro_rules") {
            inside = tokens[i + 2].to_string();
        }
        if !((is(Some(t), "Primitive") || is(Some(t), "HigherOrder"))
            && is(i.checked_sub(1).map(|i| &tokens[i]), "impl")
            && is(tokens.get(i + 1), "for"))
        {
            continue;
        }
        let body = tokens[i..].iter().find_map(|t| match t {
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => Some(g.stream()),
            _ => None,
        });
        let kind: String =
            tokens[i + 2..].iter().take_while(|t| group(Some(t)).is_none()).map(|t| t.to_string()).collect();
        let body: Vec<TokenTree> = body.expect("an implementation has a body").into_iter().collect();
        let name = body.windows(2).position(|t| is(t.first(), "fn") && is(t.get(1), "name")).expect("it has a name");
        let braces = |t: &&TokenTree| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
        let code = group(body[name..].iter().find(braces)).expect("a body");
        let names = if code.clone().into_iter().any(|t| t.to_string() == "stringify") {
            second_arguments(&tokens, &inside)
        } else if let Some((_, names)) = DELEGATED.iter().find(|(k, _)| *k == kind) {
            names.iter().map(|n| n.to_string()).collect()
        } else {
            literals(code)
        };
        found.push((kind, names));
    }
    found
}

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().copied().flatten()
}
/// The names of the operations of a graph and of those inside it.
fn names(g: &Graph, all: &mut BTreeSet<&'static str>) {
    for e in &g.eqns {
        all.insert(e.prim.name());
        e.prim.graphs().iter().for_each(|g| names(g, all));
    }
}

#[test]
fn every_primitive_has_a_row() {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for (kind, names) in implementations(&fs::read_to_string(&path).expect("text")) {
            assert!(!names.is_empty(), "{}: what is the name of {kind}?", path.display());
            found.extend(names.into_iter().map(|n| (n, format!("{kind} in {}", path.display()))));
        }
    }
    assert!(found.len() >= 100, "only {} primitives are found in the sources: {found:?}", found.len());
    let tested: BTreeSet<&str> = rows().map(|r| r.name).chain(INTERNAL.iter().map(|i| i.0)).collect();
    // (checks for NaN are put around other operations, by `debug_nans`)
    let missing: Vec<_> = found.iter().filter(|(n, _)| !tested.contains(n.as_str()) && *n != "debug_nans").collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    let unknown: Vec<&&str> = tested.iter().filter(|n| !found.contains_key(**n)).collect();
    assert!(unknown.is_empty(), "rows of nothing: {unknown:?}");
}

#[test]
fn every_row_has_cases() {
    for row in rows() {
        let dtypes: Vec<DType> = DType::ALL.into_iter().filter(|d| (row.dtypes)(*d)).collect();
        assert!(!dtypes.is_empty(), "{} claims no dtype", row.name);
        for d in dtypes {
            assert!(!(row.cases)(d).is_empty(), "{} has no case for {d}", row.name);
        }
    }
}

#[test]
fn internal_operations_arise_from_their_rows() {
    for (name, row) in INTERNAL {
        let mut seen = BTreeSet::new();
        for case in rows().filter(|r| r.name == *row).flat_map(|r| (r.cases)(DType::F64)) {
            let linear = |x: &[Tensor]| {
                let f = |x: Vec<Tensor>| (case.f)(&x);
                linearize(f, x.to_vec()).1(x.to_vec())
            };
            names(&trace_graph(&avals(&case), linear).expect("it traces"), &mut seen);
        }
        assert!(seen.contains(name), "the linear part of {row} has only {seen:?}");
    }
}
fn avals(case: &Case) -> Vec<Aval> {
    case.inputs.iter().map(|h| h.aval().clone()).collect()
}
