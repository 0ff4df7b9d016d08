//! docs/jax_names.tsv says what JAX's public names are here: every path and expression in it compiles, as uses.rs.
//!
//! `UPDATE_EXPECT=1` writes uses.rs again. scripts/check_coverage.py compares the table with JAX.
mod uses;

/// The program whose uses are the table's rows: paths as imports, expressions as statements.
fn uses(table: &str) -> String {
    let (mut paths, mut expressions) = (vec![], vec![]);
    for line in table.lines() {
        let [_, _, what] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("three columns: {line:?}") };
        if what.starts_with("absent: ") || what.starts_with("pending: ") {
            continue;
        }
        let is_path = what.chars().all(|c| c.is_alphanumeric() || "_:".contains(c));
        if is_path { &mut paths } else { &mut expressions }.push(what);
    }
    for list in [&mut paths, &mut expressions] {
        list.sort_unstable();
        list.dedup();
    }
    // what is of a type cannot be imported
    let of_type = |p: &str| {
        p.rsplit("::").nth(1).is_some_and(|t| t.starts_with(char::is_uppercase) || t == "f64" || t == "consts")
    };
    let (of_types, items): (Vec<&str>, Vec<&str>) = paths.into_iter().partition(|p| of_type(p));
    let mut out = String::from(
        "//! Made of docs/jax_names.tsv by the test beside it: what the table names exists. It is compiled, and not run.\n#![allow(unused_imports, dead_code, path_statements, clippy::all)]\n",
    );
    out += "#[rustfmt::skip]\nmod paths {\n";
    for some in items.chunks(3) {
        let some: Vec<String> = some.iter().map(|p| format!("{p} as _")).collect();
        out += &format!("    pub use raxla::{{{}}};\n", some.join(", "));
    }
    out += "}\nuse raxla::*;\n\n#[rustfmt::skip]\nfn expressions(x: Tensor, y: Tensor, i: Tensor, b: Tensor, key: &dyn Fn() -> Key) {\n";
    of_types.iter().for_each(|p| out += &format!("    let _ = {p};\n"));
    expressions.iter().for_each(|e| out += &format!("    let _ = {};\n", e.replace("key.", "key().")));
    out + "}\n"
}

#[test]
fn what_the_table_names_exists() {
    let root = env!("CARGO_MANIFEST_DIR");
    let table = std::fs::read_to_string(format!("{root}/docs/jax_names.tsv")).expect("the table");
    let (path, want) = (format!("{root}/tests/jax_names/uses.rs"), uses(&table));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &want).expect("written");
    }
    let have = std::fs::read_to_string(&path).expect("uses.rs");
    assert!(have == want, "docs/jax_names.tsv has changed: run this test with UPDATE_EXPECT=1, and again");
}
