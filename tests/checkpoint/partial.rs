//! What fits and what does not, and restoring a part.
use super::*;

fn layer(rows: usize, b: bool) -> Layer<Array> {
    Layer { w: numbers(&[rows, 2], 10.0), b: b.then(|| numbers(&[2], 1.0)) }
}

#[test]
fn everything_that_does_not_fit_is_in_one_report() {
    let place = TempDir::new().unwrap();
    let named = |name: &str| std::collections::BTreeMap::from([(name.to_string(), numbers(&[3], 0.0))]);
    let saved = save(place.path(), 8, &(layer(4, false), named("moment"), numbers(&[5], 0.0), numbers(&[1], 0.0)));
    let like = (
        layer(3, true).map(|a| a.aval().clone()),
        named("moments").map(|a| a.aval().clone()),
        Aval::new(DType::BF16, [5]),
        Aval::new(DType::F32, [1]),
    );
    let error = problem(saved.restore(&like, &here()));
    let folder = saved.path().display();
    assert_eq!(
        error.to_string(),
        format!(
            "{folder}: it holds another tree\n  \
               2 missing:\n    \
                 `0.b` (f32[2])\n    \
                 `1.moments` (f32[3]); is it `1.moment`?\n  \
               1 unexpected:\n    \
                 `1.moment` (f32[3])\n  \
               1 of another shape:\n    \
                 `0.w`: f32[4, 2] in the checkpoint, f32[3, 2] in the tree\n  \
               1 of another dtype:\n    \
                 `2`: f32[5] in the checkpoint, bf16[5] in the tree\n  \
             help: restore it into a tree like the one that was saved, or say in `RestoreOptions` what may differ"
        )
    );
    let Problem::Mismatch(report) = error.problem else { panic!("{error}") };
    assert_eq!((report.missing.len(), report.restored, report.fits()), (2, 1, false));
    // a mismatch is no damage: no older one is taken in its place
    let mut manager = manager(place.path());
    assert!(matches!(problem(manager.restore_latest(&like, &here())).problem, Problem::Mismatch(_)));
}

#[test]
fn dtypes_are_converted_where_that_is_allowed() {
    let place = TempDir::new().unwrap();
    let grid = mesh(&[("data", 8)]);
    let wide = Array::on(&client(), [8, 2], &(0..16).map(|i| 1.0 + i as f32 / 1000.0).collect::<Vec<_>>()).unwrap();
    let saved = save(place.path(), 8, &(wide.clone(), wide.clone()));
    let like = (
        Target::new(Aval::new(DType::BF16, [8, 2])),
        Target::new(Aval::new(DType::BF16, [8, 2])).on(grid.sharding(P!["data"])),
    );
    let error = problem(saved.restore(&like, &here()));
    assert!(error.help.contains("RestoreOptions::cast") && error.reason.contains("2 of another dtype"), "{error}");
    let (tree, report) = saved.restore(&like, &RestoreOptions { cast: true, ..here() }).unwrap();
    let want = jit(|x: Tensor| x.cast(DType::BF16)).on(&client()).call((wide,)).unwrap();
    assert_eq!(bytes(&tree), [want.to_bytes().unwrap(), want.to_bytes().unwrap()]);
    assert_eq!((report.cast.len(), tree.1.sharding()), (2, like.1.sharding.as_ref()));
    assert!(report.to_string().contains("2 converted:\n    `0`: f32[8, 2] in the checkpoint, bf16[8, 2] in the tree"));
}

#[test]
fn a_part_is_restored_under_other_names() {
    let place = TempDir::new().unwrap();
    let saved = save(place.path(), 8, &(vec![layer(4, true), layer(4, true)], numbers(&[5], 0.0)));
    let zeros = || Layer { w: numbers(&[4, 2], -100.0), b: Some(numbers(&[2], -200.0)) };
    // a model alone, out of a pair of a model and something else
    let options = RestoreOptions {
        rename: vec![("**".into(), "0.**".into())],
        ignore_unexpected: true,
        only: vec!["*.w".into()],
        ..here()
    };
    let (model, report) = saved.restore(&vec![zeros(), zeros()], &options).unwrap();
    assert_eq!(model[1].w.to_vec::<f32>().unwrap()[..2], [10.0, 11.0]);
    assert_eq!(model[1].b.as_ref().unwrap().to_vec::<f32>().unwrap(), [-200.0, -199.0]);
    assert_eq!(
        report.to_string(),
        "2 leaves restored\n  2 renamed:\n    `0.w` from `0.0.w`\n    `1.w` from `0.1.w`\n  \
         2 kept as they were:\n    `0.b`\n    `1.b`\n  3 left out:\n    `0.0.b`\n    `0.1.b`\n    `1`"
    );
    // a model with one layer more
    let three = vec![zeros(), zeros(), zeros()];
    let options = RestoreOptions { only: vec![], keep_missing: true, ..options };
    let (model, report) = saved.restore(&three, &options).unwrap();
    assert_eq!((report.kept, model[2].w.to_vec::<f32>().unwrap()[0]), (vec!["2.w".into(), "2.b".into()], -100.0));
    // types have no values to keep
    let types = three.iter().map(|layer| layer.map(|a| a.aval().clone())).collect::<Vec<_>>();
    let error = problem(saved.restore(&types, &options));
    assert!(error.reason.contains("the leaf `2.w` is not to be restored, and the tree has no value"), "{error}");
    // what is misspelled is not passed over
    for (wrong, why) in [
        (RestoreOptions { only: vec!["*.v".into()], ..here() }, "no leaf of the tree matches the pattern `*.v`"),
        (RestoreOptions { rename: vec![("x.**".into(), "**".into())], ..here() }, "matches the pattern `x.**`"),
        (RestoreOptions { rename: vec![("**".into(), "x".into())], ..here() }, "another number of wildcards"),
    ] {
        let error = problem(saved.restore(&three, &wrong));
        assert!(error.reason.contains(why), "{error}");
    }
}
