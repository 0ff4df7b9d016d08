//! The StableHLO of each primitive, as stored in tests/golden. After a change that is meant, renew the files with
//! `UPDATE_EXPECT=1 cargo test -p raxla --test all golden::` and look at the difference.
use raxla::{
    lower::stablehlo,
    prelude::*,
    prim::{Row, TABLE},
    trace::trace_graph,
};
use std::{collections::BTreeMap, fs, path::Path};

/// The first case of a row, in f32 if the row claims it, as a module with a heading.
fn module(row: &Row) -> String {
    let claimed = |d: &DType| (row.dtypes)(*d);
    let dtype = [DType::F32, DType::I32].into_iter().chain(DType::ALL).find(claimed).expect("it claims some dtype");
    let case = (row.cases)(dtype).swap_remove(0);
    let avals: Vec<Aval> = case.inputs.iter().map(|h| h.aval().clone()).collect();
    let graph = trace_graph(&avals, |x| (case.f)(x)).unwrap();
    // checks know the line of the case, which moves
    let text = stablehlo(&graph, &[], false);
    let at = format!("src/prim/debug.rs:{}", graph.eqns.last().map_or(0, |e| e.site.at.line()));
    format!("// {} of {dtype}: {}\n{}", row.name, case.label, text.replace(&at, "src/prim/debug.rs"))
}

#[test]
fn the_text_of_each_primitive_is_as_stored() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut want: BTreeMap<String, String> = BTreeMap::new();
    for row in TABLE.iter().copied().flatten() {
        want.entry(format!("{}.mlir", row.name)).or_default().push_str(&module(row));
    }
    let entries = fs::read_dir(&folder).into_iter().flatten();
    let have: BTreeMap<String, String> = entries
        .map(|e| e.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_str().unwrap().to_string(), fs::read_to_string(&p).unwrap()))
        .collect();
    if std::env::var("UPDATE_EXPECT").is_ok_and(|v| v == "1") {
        fs::create_dir_all(&folder).unwrap();
        have.keys()
            .filter(|name| !want.contains_key(*name))
            .for_each(|name| fs::remove_file(folder.join(name)).unwrap());
        want.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        return;
    }
    let mut problems = vec![];
    for name in want.keys().chain(have.keys().filter(|name| !want.contains_key(*name))) {
        match (have.get(name), want.get(name)) {
            (Some(have), Some(want)) if have == want => {}
            (Some(have), Some(want)) => problems.push(format!("{name} is stored as\n{have}\nbut is now\n{want}")),
            (None, _) => problems.push(format!("{name} is not stored")),
            (_, None) => problems.push(format!("{name} belongs to no primitive")),
        }
    }
    assert!(
        problems.is_empty(),
        "{}\nif this is meant: UPDATE_EXPECT=1 cargo test -p raxla --test all golden::",
        problems.join("\n")
    );
}

#[test]
fn locations_name_the_users_line_and_scope() {
    let graph = trace_graph(&[Aval::new(DType::F32, [2])], |x| vec![scope("mlp", || x[0].exp()) * 2.0]).unwrap();
    let line = line!() - 1;
    let text = stablehlo(&graph, &[], true);
    let exp = text.lines().find(|l| l.contains("stablehlo.exponential")).unwrap();
    let id = exp.rsplit_once("loc(").unwrap().1.trim_end_matches(')');
    let loc = text.lines().find(|l| l.starts_with(&format!("{id} = "))).unwrap();
    assert!(loc.contains("\"mlp\"(\"tests/golden.rs\":") && loc.contains(&format!(":{line}:")), "{loc}");
}
