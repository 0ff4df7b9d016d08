//! The table of primitives has all of them: every `impl Primitive` and `impl HigherOrder` in the sources is a row, or arises
//! from one.
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

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
/// The words in quotes.
fn literals(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.filter(|w| !w.is_empty() && w.chars().all(is_word)).map(String::from).collect()
}
/// The second argument of each use of a macro of a file: `unary!(/** doc */ Sin, sin, ...)`.
fn second_arguments(text: &str, name: &str) -> Vec<String> {
    let start = format!("\n{name}!(");
    let uses = text.split(&start).skip(1);
    let second = |code: &str| {
        let mut code = code;
        while let Some(rest) = code.trim_start().strip_prefix("/**").or_else(|| code.trim_start().strip_prefix("///")) {
            let end = if code.trim_start().starts_with("/**") { "*/" } else { "\n" };
            code = rest.split_once(end).expect("a comment ends").1;
        }
        code.split(',').nth(1).expect("a second argument").trim().to_string()
    };
    uses.map(second).collect()
}

/// The names that each implementation in a file can have, by its type.
fn implementations(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = vec![];
    let of_trait = |name: &'static str| text.match_indices(name).map(move |(at, _)| (at, at + name.len()));
    for (at, end) in of_trait("impl Primitive for ").chain(of_trait("impl HigherOrder for ")) {
        let code = &text[end..];
        let kind: String = code.chars().take_while(|c| is_word(*c) || *c == '$').collect();
        let body = code.split("fn name(&self)").nth(1).and_then(|c| c.split("fn ").next()).expect("it has a name");
        let names = if body.contains("stringify!($f)") {
            let before = text[..at].rsplit("macro_rules! ").next().expect("inside a macro");
            second_arguments(text, before.split_once(' ').expect("its name").0)
        } else if let Some((_, names)) = DELEGATED.iter().find(|(k, _)| *k == kind) {
            names.iter().map(|n| n.to_string()).collect()
        } else {
            literals(body)
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
