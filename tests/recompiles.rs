//! Why a function was compiled again, and how to prevent it.
use raxla::{
    Error,
    jit::{Change, StructureChange},
    prelude::*,
};
use std::cell::Cell;

fn array(n: usize) -> Array {
    Array::from_slice([n], &vec![1f32; n]).unwrap()
}
fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}

#[derive(Tree, Clone, Debug)]
struct Linear<T = Tensor> {
    w: T,
    b: Option<T>,
    #[tree(skip)]
    config: Config,
}
#[derive(Clone, Debug, PartialEq)]
struct Config {
    name: &'static str,
    description: &'static str,
    scale: f64,
}
const LONG: &str = "a configuration with a text that is much too long to be shown twice in a message of a few lines";

#[derive(Tree, Clone, Debug)]
enum Norm<T = Tensor> {
    None,
    Scale(T),
}
#[derive(Tree, Clone, Debug)]
struct Model<T = Tensor> {
    layers: Vec<Linear<T>>,
    norm: Norm<T>,
}
impl Model {
    fn call(&self, x: Tensor) -> Tensor {
        let x = self.layers.iter().fold(x, |x, l| {
            let y = x * l.w * l.config.scale;
            l.b.map_or(y, |b| y + b)
        });
        match self.norm {
            Norm::None => x,
            Norm::Scale(s) => x * s,
        }
    }
}

fn linear(scale: f64) -> Linear<Aval> {
    Linear { w: f32s(&[]), b: Some(f32s(&[])), config: Config { name: "up", description: LONG, scale } }
}
fn model() -> Model<Aval> {
    Model { layers: vec![linear(1.0), linear(1.0)], norm: Norm::Scale(f32s(&[])) }
}

/// What is said about a second program, after one for `model()` and a vector of 3, both borrowed.
fn second(change: impl Fn(&mut Model<Aval>), x: Aval, moved: &[usize]) -> (Vec<Change>, String) {
    let f = jit(|m: Model, x: Tensor| m.call(x)).named("step");
    f.prepare(&(model(), f32s(&[3])), &[]).unwrap();
    let mut changed = model();
    change(&mut changed);
    f.prepare(&(changed, x), moved).unwrap();
    let explanation = f.explain();
    let report = &explanation.programs[1];
    assert_eq!((explanation.programs[0].nearest, report.nearest), (None, Some(0)));
    assert!(report.times.compile.as_nanos() > 0);
    let text = explanation.to_string();
    assert!(text.starts_with("`step`: 2 programs\n1. 6 leaves (trace "), "{text}");
    (
        report.changes.0.clone(),
        text.split_once("\n2. unlike 1 (trace ").unwrap().1.split_once(')').unwrap().1.to_string(),
    )
}

#[test]
fn each_difference_is_named() {
    let (changes, text) = second(|_| {}, f32s(&[4]), &[]);
    assert_eq!(changes, [Change::Type { path: "1".into(), before: f32s(&[3]), now: f32s(&[4]) }]);
    assert_eq!(text, "\n  argument `1` changed f32[3] -> f32[4]");
    let (_, text) = second(|m| m.layers[1].w = Aval::new(DType::F32, [3]), f32s(&[3]), &[]);
    assert_eq!(text, "\n  argument `0.layers.1.w` changed f32[] -> f32[3]");
    let (changes, text) = second(|_| {}, f32s(&[3]), &[0]);
    assert_eq!(changes, [Change::Moved { argument: 0, now: true }]);
    assert_eq!(text, "\n  argument `0` is moved in, and was borrowed");
    let (changes, text) = second(|m| drop(m.layers.pop()), f32s(&[3]), &[]);
    let length = StructureChange { path: "0.layers".into(), what: "length", before: "2".into(), now: "1".into() };
    assert_eq!(changes, [Change::Structure(Box::new(length))]);
    assert_eq!(text, "\n  argument `0.layers` changed its length 2 -> 1");
    let (_, text) = second(|m| m.layers[0].b = None, f32s(&[3]), &[]);
    assert_eq!(text, "\n  argument `0.layers.0.b` changed its presence true -> false");
    let (_, text) = second(|m| m.norm = Norm::None, f32s(&[3]), &[]);
    assert_eq!(text, "\n  argument `0.norm` changed its variant \"Scale\" -> \"None\"");
    let (_, text) = second(|m| m.layers[1].config.name = "down", f32s(&[3]), &[]);
    assert_eq!(
        text,
        "\n  argument `0.layers.1.config` changed its skipped field Config { name: \"up\", description: \"a configuration \
         with a te.. -> Config { name: \"down\", description: \"a configuration with a .."
    );
    let (_, text) = second(|m| m.layers[1].config.scale = 2.0, f32s(&[3]), &[]);
    assert_eq!(
        text,
        "\n  argument `0.layers.1.config` changed its skipped field .. few lines\", scale: 1.0 } -> .. few lines\", \
         scale: 2.0 }"
    );
    // several at once: structure, then what was moved, then types
    let several = |m: &mut Model<Aval>| {
        m.layers[0].b = None;
        m.layers[1].w = f32s(&[5]);
    };
    let (_, text) = second(several, f32s(&[5]), &[1]);
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "argument `0.layers.0.b` changed its presence true -> false",
            "argument `1` is moved in, and was borrowed",
            "argument `0.layers.1.w` changed f32[] -> f32[5]",
            "argument `1` changed f32[3] -> f32[5]",
        ]
    );
}

#[test]
fn the_nearest_earlier_program_is_compared_with() {
    let f = jit(|xs: Vec<Tensor>| xs);
    let prepare = |sizes: &[usize]| f.prepare(&(sizes.iter().map(|n| f32s(&[*n])).collect(),), &[]).unwrap();
    prepare(&[1; 8]);
    prepare(&[2; 8]);
    prepare(&[1, 1, 1, 1, 1, 1, 1, 3]);
    prepare(&[2, 2, 2, 2, 2, 2, 3, 3]);
    prepare(&[1; 8]); // is there already
    let explanation = f.explain();
    let nearest: Vec<Option<usize>> = explanation.programs.iter().map(|p| p.nearest).collect();
    assert_eq!(nearest, [None, Some(0), Some(0), Some(1)]);
    assert_eq!(explanation.programs[2].changes.0.len(), 1);
    assert!(
        explanation.to_string().contains("\n  argument `0.4` changed f32[1] -> f32[2]\n  and 3 more"),
        "{explanation}"
    );
}

#[test]
fn further_programs_can_be_denied() {
    let f = jit(|x: Tensor, y: Tensor| x.sum(0) + y).named("step").deny_recompile();
    let (one, two) = (Array::scalar(1f32).unwrap(), Array::scalar(2f32).unwrap());
    for _ in 0..3 {
        f.call((&array(3), &one)).unwrap();
    }
    let e = f.call((&array(4), &two)).unwrap_err();
    assert!(matches!(&e, Error::Recompile { name, allowed: 1, changes, .. } if name == "step" && changes.0.len() == 1));
    assert_eq!(
        e.to_string(),
        "`step` needs another program, but only 1 is allowed\n  argument `0` changed f32[3] -> f32[4]\n  help: pad it to one \
         of a few sizes (`Jit::bucketed`), or allow more programs (`Jit::allow_compiles`)"
    );
    let help = |e: Error| e.to_string().split_once("help: ").unwrap().1.to_string();
    let halves = Array::from_host(&Host::full(&Aval::new(DType::F16, [3]), 1.0)).unwrap();
    assert_eq!(help(f.call((&halves, &one)).unwrap_err()), "convert it to one dtype before the call");
    let e = f.call((array(3), &one)).unwrap_err();
    assert_eq!(help(e), "pass it the same way in every call: by value or by reference");
    let e = f.prepare(&(f32s(&[5]), f32s(&[])), &[]).err().expect("denied as well");
    assert!(e.to_string().contains("f32[3] -> f32[5]"), "{e}");
    // what exists goes on working, and lowering is no compilation
    assert_eq!(f.call((&array(3), &two)).unwrap().item::<f32>().unwrap(), 5.0);
    f.lower(&(f32s(&[9]), f32s(&[]))).unwrap();
    assert_eq!(f.compiles(), 1);
}

#[test]
fn what_comes_after_a_warm_up_can_be_denied() {
    let f = jit(|x: Tensor| x * 2.0).named("twice");
    f.freeze();
    let e = f.call((array(1),)).unwrap_err().to_string();
    assert!(e.starts_with("`twice` needs another program, but none is allowed\n  help: prepare the programs"), "{e}");
    let f = jit(|x: Tensor| x * 2.0);
    (1..4).for_each(|n| drop(f.call((array(n),)).unwrap()));
    f.freeze();
    (1..4).for_each(|n| drop(f.call((array(n),)).unwrap()));
    let e = f.call((array(9),)).unwrap_err().to_string();
    assert!(e.contains("but only 3 are allowed\n  argument `0` changed f32[3] -> f32[9]"), "{e}");
}

#[test]
fn a_program_that_fails_does_not_count() {
    let wrong = Cell::new(true);
    let f = jit(|x: Tensor| if wrong.get() { x.sum(7) } else { x }).deny_recompile();
    assert!(matches!(f.call((array(2),)), Err(Error::Trace(_))));
    assert_eq!((f.compiles(), f.explain().programs.len()), (0, 0));
    wrong.set(false);
    f.call((array(3),)).unwrap();
    assert!(matches!(f.call((array(2),)), Err(Error::Recompile { .. })));
}

#[test]
fn threads_together_compile_no_more_than_is_allowed() {
    let f = jit(|x: Tensor| (x * 2.0).sum(0)).allow_compiles(2);
    let done: Vec<bool> = std::thread::scope(|s| {
        let runs: Vec<_> = (1..7)
            .map(|n| {
                s.spawn({
                    let f = &f;
                    move || f.call((array(n),)).is_ok()
                })
            })
            .collect();
        runs.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert_eq!((done.iter().filter(|d| **d).count(), f.compiles()), (2, 2));
}
