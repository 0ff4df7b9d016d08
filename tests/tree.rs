//! `derive(Tree)` and the trees of the standard types: leaves, paths, structure, and what of it makes jit compile anew.
use raxla::{Hole, Structure, prelude::*};
use std::marker::PhantomData;

#[derive(Tree, Clone, Debug, PartialEq)]
struct Linear<T = Tensor> {
    w: T,
    b: Option<T>,
    #[tree(skip)]
    scale: u32,
}

#[derive(Tree, Clone, Debug, PartialEq)]
struct Pair<T = Tensor>(T, Linear<T>);

#[derive(Tree, Clone, Debug, PartialEq)]
struct Newtype<T = Tensor>(Vec<T>);

#[derive(Tree, Clone, Copy, Debug, PartialEq)]
struct Nothing<T = Tensor>(PhantomData<T>);

#[derive(Tree, Clone, Debug, PartialEq)]
enum Norm<T = Tensor> {
    None,
    Scale(T),
    Affine { scale: T, shift: T },
    Mixed(T, #[tree(skip)] &'static str),
}

#[derive(Tree, Clone, Debug, PartialEq)]
struct Model<T = Tensor> {
    layers: Vec<Pair<T>>,
    ends: [Norm<T>; 2],
    table: (T, Newtype<T>, ()),
    nothing: Nothing<T>,
    r#type: T,
}

fn aval(n: usize) -> Aval {
    Aval::new(DType::F32, [n])
}
fn linear(n: usize, bias: bool) -> Linear<Aval> {
    Linear { w: aval(n), b: bias.then(|| aval(n + 1)), scale: 3 }
}
fn model() -> Model<Aval> {
    Model {
        layers: vec![Pair(aval(1), linear(2, true)), Pair(aval(4), linear(5, false))],
        ends: [Norm::Affine { scale: aval(6), shift: aval(7) }, Norm::Mixed(aval(8), "rms")],
        table: (aval(9), Newtype(vec![aval(10), aval(11)]), ()),
        nothing: Nothing(PhantomData),
        r#type: aval(12),
    }
}

#[test]
fn leaves_come_in_the_order_of_declaration_with_their_paths() {
    let m = model();
    assert_eq!(m.leaves(), (1..=12).map(aval).collect::<Vec<_>>());
    let paths = [
        "layers.0.0",
        "layers.0.1.w",
        "layers.0.1.b",
        "layers.1.0",
        "layers.1.1.w",
        "ends.0.scale",
        "ends.0.shift",
        "ends.1.0",
        "table.0",
        "table.1.0",
        "table.1.1",
        "type",
    ];
    assert_eq!(m.paths(), paths);
}

#[test]
fn mapping_keeps_the_structure_and_the_skipped_fields() {
    let m = model();
    let sizes: Model<Host> = m.map(|a| Host::full(a, a.size() as f64));
    assert_eq!(sizes.layers[0].1.scale, 3);
    assert_eq!(sizes.ends[1], Norm::Mixed(Host::full(&aval(8), 8.0), "rms"));
    assert_eq!(sizes.map(|h| h.aval().clone()), m);
    let holes: Model<Hole> = m.map(|_| Hole);
    assert_eq!(holes.refill(m.leaves()), m);
    let none: Norm<Hole> = Norm::<Aval>::None.map(|_| Hole);
    assert_eq!(none, Norm::None);
    let named = m.map_named(|path, a| Aval::new(a.dtype, [path.to_string().len()]));
    assert_eq!((named.r#type, &named.layers[1].1.w), (aval("type".len()), &aval("layers.1.1.w".len())));
}

#[test]
fn the_first_error_of_a_mapping_is_returned() {
    let refuse = |path: &raxla::Path, a: &Aval| if a.size() > 6 { Err(path.to_string()) } else { Ok(a.clone()) };
    assert_eq!(model().try_map_named(refuse), Err("ends.0.shift".to_string()));
    assert_eq!(linear(2, true).try_map_named(refuse), Ok(linear(2, true)));
}

#[test]
#[should_panic(expected = "refill: too few leaves")]
fn too_few_leaves_do_not_make_a_tree() {
    model().refill(vec![Hole]);
}

type Change<'a> = &'a dyn Fn(&mut Model<Aval>);

#[test]
fn everything_but_the_leaves_is_structure() {
    let key = |change: Change| -> Structure {
        let mut changed = model();
        change(&mut changed);
        changed.structure()
    };
    let same = key(&|_| {});
    assert_eq!(same, model().map(|_| Hole).structure());
    assert_eq!(same, key(&|m| m.r#type = Aval::new(DType::BF16, [])), "leaves are not structure");
    let changes: [(&str, Change); 6] = [
        ("a skipped field", &|m| m.layers[0].1.scale = 4),
        ("the length of a Vec", &|m| drop(m.layers.pop())),
        ("an Option", &|m| m.layers[0].1.b = None),
        ("a variant", &|m| m.ends[0] = Norm::None),
        ("a variant with the same leaves", &|m| m.ends[1] = Norm::Scale(aval(8))),
        ("the skipped field of a variant", &|m| m.ends[1] = Norm::Mixed(aval(8), "layer")),
    ];
    for (what, change) in changes {
        assert_ne!(same, key(change), "{what}");
    }
}

/// What a traced function sees is the structure of the argument, and each structure is one program.
#[test]
fn each_structure_compiles_once() {
    let f = jit(|layers: Vec<Linear>, norm: Norm, x: Tensor| {
        let x = layers.iter().fold(x, |x, l| {
            let y = x * l.w * l.scale;
            l.b.map_or(y, |b| y + b)
        });
        match norm {
            Norm::None => x,
            Norm::Scale(s) => x * s,
            Norm::Affine { scale, shift } => x * scale + shift,
            Norm::Mixed(s, how) => {
                if how == "rms" {
                    x * s
                } else {
                    x - s
                }
            }
        }
    });
    let a = |x: f32| Array::scalar(x).unwrap();
    let layer = |scale: u32, b: Option<f32>| Linear { w: a(2.0), b: b.map(a), scale };
    let run = |layers: &[Linear<Array>], norm: Norm<Array>| {
        f.call((&layers.to_vec(), &norm, &a(5.0))).unwrap().item::<f32>().unwrap()
    };
    let mut compiles = 0;
    let mut expect = |have: f32, want: f32, new: bool| {
        compiles += new as usize;
        assert_eq!((have, f.compiles()), (want, compiles));
    };
    expect(run(&[layer(1, None)], Norm::None), 10.0, true);
    expect(run(&[layer(1, None)], Norm::None), 10.0, false);
    expect(run(&[layer(3, None)], Norm::None), 30.0, true);
    expect(run(&[layer(1, Some(0.5))], Norm::None), 10.5, true);
    expect(run(&[layer(1, None), layer(1, None)], Norm::None), 20.0, true);
    expect(run(&[layer(1, None)], Norm::Scale(a(3.0))), 30.0, true);
    expect(run(&[layer(1, None)], Norm::Scale(a(4.0))), 40.0, false);
    expect(run(&[layer(1, None)], Norm::Affine { scale: a(2.0), shift: a(1.0) }), 21.0, true);
    expect(run(&[layer(1, None)], Norm::Mixed(a(3.0), "rms")), 30.0, true);
    expect(run(&[layer(1, None)], Norm::Mixed(a(3.0), "centre")), 7.0, true);
    expect(run(&[], Norm::None), 5.0, true);
}

/// Results have structures too.
#[test]
fn results_are_trees() {
    let f = jit(|x: Tensor, n: Nothing| {
        let norm = Norm::Affine { scale: x, shift: x + 1.0 };
        (Pair(x * 2.0, Linear { w: x * 3.0, b: None, scale: 7 }), [Some(x), None], vec![norm, Norm::None], n)
    });
    let (pair, options, norms, nothing) = f.call((&Array::scalar(1f32).unwrap(), &Nothing(PhantomData))).unwrap();
    let item = |a: &Array| a.item::<f32>().unwrap();
    assert_eq!((item(&pair.0), item(&pair.1.w), pair.1.scale), (2.0, 3.0, 7));
    assert!(pair.1.b.is_none() && options[1].is_none() && matches!(norms[1], Norm::None));
    assert_eq!(item(options[0].as_ref().unwrap()), 1.0);
    let Norm::Affine { scale, shift } = &norms[0] else { panic!("another variant") };
    assert_eq!((item(scale), item(shift), nothing.leaves().len()), (1.0, 2.0, 0));
}
