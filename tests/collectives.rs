//! Named axes of vmap, and collectives over them.
use raxla::{
    Axis, TraceError, VmapOptions, all_gather, all_to_all, axis_index, axis_size, cond, grad, jvp, pmax, pmean,
    ppermute, prelude::*, pshuffle, psum, psum_scatter, remat, scan, testing::assert_close, trace::trace_graph, vmap,
    vmap_with, while_loop,
};

const LEADING: Axis = Axis::At(0);

fn named(name: &str) -> VmapOptions<'_> {
    VmapOptions { axis_name: Some(name), ..VmapOptions::default() }
}
fn over_i(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    vmap_with(named("i"), f, LEADING, LEADING)
}
/// Elements of f(1, 2, ..) for an operand of these dims: by the interpreter, and the same by XLA.
fn run(dims: &[usize], f: impl Fn(Tensor) -> Tensor) -> Vec<f64> {
    let n: usize = dims.iter().product();
    let x = Host::floats(DType::F32, dims, (1..=n).map(|i| i as f64).collect());
    let want = trace_graph(&[x.aval().clone()], |t| vec![f(t[0])]).unwrap().eval(std::slice::from_ref(&x)).remove(0);
    let have = jit(|x: Tensor| f(x)).call((Array::from_host(&x).unwrap(),)).unwrap().to_host().unwrap();
    assert_close(&have, &want, 1e-6);
    want.to_f64()
}
fn refusal(f: impl Fn(Tensor) -> Tensor) -> Box<TraceError> {
    trace_graph(&[Aval::new(DType::F32, [3, 2])], |x| vec![f(x[0])]).expect_err("an error")
}

#[test]
fn every_instance_gets_the_sum() {
    assert_eq!(run(&[3, 2], over_i(|x| psum(x, "i"))), [9., 12., 9., 12., 9., 12.]);
    assert_eq!(run(&[3], over_i(|x| x - pmean(x, "i"))), [-1., 0., 1.]);
    assert_eq!(run(&[3], over_i(|x| pmax(x, "i") - x)), [2., 1., 0.]);
    // of a value that all share: once per instance
    assert_eq!(run(&[3], over_i(|x| x * psum(x.like(2), "i"))), [6., 12., 18.]);
}

#[test]
fn what_instances_share_needs_no_axis() {
    let shared = |f: fn(Tensor) -> Tensor| move |x: Tensor| vmap_with(named("i"), f, LEADING, Axis::Shared)(x);
    assert_eq!(run(&[3, 2], shared(|x| psum(x, "i"))), [9., 12.]);
    assert_eq!(run(&[3, 2], shared(|x| all_gather(x, "i", 1, false))), [1., 3., 5., 2., 4., 6.]);
    // also out of loops, branches and calls
    let looped =
        |x: Tensor| scan(|c: Tensor, one: Tensor| (c + psum(x, "i") * one, ()), x.like(0), ones([2], DType::F32)).0;
    assert_eq!(run(&[3, 2], move |x| vmap_with(named("i"), looped, LEADING, Axis::Shared)(x)), [18., 24.]);
    assert_eq!(run(&[3, 2], shared(|x| remat(|x: Tensor| psum(x, "i"))(x))), [9., 12.]);
    let until = |x: Tensor| while_loop(|s: Tensor| s.lt(20.), |s| s + psum(x, "i"), full([], DType::F32, 0));
    assert_eq!(run(&[3], move |x| vmap_with(named("i"), until, LEADING, Axis::Shared)(x)), [24.]);
    let branch = |x: Tensor| cond(psum(x, "i").lt(0.), |x| -x, |x: Tensor| pmax(x, "i"), x);
    assert_eq!(run(&[3], over_i(branch)), [3., 3., 3.]);
}

#[test]
fn instances_know_their_number() {
    let index = |x: Tensor| x * axis_index("i").cast(DType::F32) + axis_size("i") as f32;
    assert_eq!(run(&[3], over_i(index)), [3., 5., 9.]);
    let alone = VmapOptions { axis_name: Some("i"), axis_size: Some(4) };
    let numbers =
        |x: Tensor| vmap_with(alone, |x: Tensor| x * axis_index("i").cast(DType::F32), Axis::Shared, LEADING)(x);
    assert_eq!(run(&[1], numbers), [0., 1., 2., 3.]);
    // inside a branch and as its condition
    let even = |x: Tensor| {
        cond((axis_index("i") % 2).eq(0), |x: Tensor| x, |x: Tensor| -x * axis_index("i").cast(DType::F32), x)
    };
    assert_eq!(run(&[4], over_i(even)), [1., -2., 3., -12.]);
    // a loop whose length differs between instances only by their numbers
    let count = |x: Tensor| {
        x + while_loop(|n: Tensor| n.lt(axis_index("i")), |n| n + 1, full([], DType::I32, 0)).cast(DType::F32)
    };
    assert_eq!(run(&[3], over_i(count)), [1., 3., 5.]);
}

#[test]
fn names_nest() {
    let f = |x: Tensor| {
        let row = |x: Tensor| {
            let n = axis_index(["i", "j"]).cast(DType::F32);
            psum(x, ["i", "j"]) + psum(x, "j") * 100.0 + psum(x, "i") * 10000.0 + n * 0.5
        };
        vmap_with(named("i"), move |x: Tensor| vmap_with(named("j"), row, LEADING, LEADING)(x), LEADING, LEADING)(x)
    };
    let want = |i: f64, j: f64| 10. + (3. + 4. * i) * 100. + (4. + 2. * j) * 10000. + (2. * i + j) * 0.5;
    assert_eq!(run(&[2, 2], f), [want(0., 0.), want(0., 1.), want(1., 0.), want(1., 1.)]);
    // an inner axis of the same name hides the outer one; what was computed outside keeps its meaning
    let hidden = |x: Tensor| {
        let (outer, number) = (psum(x.sum(0), "i"), axis_index("i").cast(DType::F32));
        over_i(move |x| psum(x, "i") + outer * 10.0 + number * 1000.0)(x)
    };
    assert_eq!(run(&[2, 2], over_i(hidden)), [103., 103., 1107., 1107.]);
    // an unnamed map between: the collective works element by element
    assert_eq!(run(&[2, 2], over_i(|x| vmap(|x: Tensor| psum(x, "i"))(x))), [4., 6., 4., 6.]);
    assert_eq!(run(&[2, 2], over_i(|x| vmap(|x: Tensor| all_gather(x, "i", 0, false))(x).sum(1))), [4., 6., 4., 6.]);
}

#[test]
fn values_move_between_instances() {
    assert_eq!(run(&[3, 2], over_i(|x| ppermute(x, "i", [(0, 1), (1, 2), (2, 0)]))), [5., 6., 1., 2., 3., 4.]);
    assert_eq!(run(&[3], over_i(|x| ppermute(x, "i", [(0, 2)]))), [0., 0., 1.]);
    assert_eq!(run(&[3], over_i(|x| ppermute(x, "i", []))), [0.; 3]);
    assert_eq!(run(&[3, 2], over_i(|x| pshuffle(x, "i", [2, 0, 1]))), [5., 6., 1., 2., 3., 4.]);
    assert_eq!(run(&[2, 2], over_i(|x| psum_scatter(x, "i", 0, false))), [4., 6.]);
    assert_eq!(run(&[2, 4], over_i(|x| psum_scatter(x, "i", 0, true))), [6., 8., 10., 12.]);
    assert_eq!(run(&[2, 2], over_i(|x| all_to_all(x, "i", 0, 0, false))), [1., 3., 2., 4.]);
    let tiled = |x: Tensor| all_to_all(x, "i", 0, 1, true);
    assert_eq!(run(&[2, 2, 1], over_i(tiled)), [1., 3., 2., 4.]);
    // trees
    let both = over_i(|x| {
        let (a, b) = psum((x, x * 2.0), "i");
        a + b
    });
    assert_eq!(run(&[2], both), [9., 9.]);
}

/// Over the instances of two named maps of 2 and 3, what `f` does with their names; over those of one map of 6, the same.
fn by_two_names_and_by_one(
    dims: &[usize],
    names: [&'static str; 2],
    f: fn(Tensor, &[&str]) -> Tensor,
) -> [Vec<f64>; 2] {
    let whole = [&[6], dims].concat();
    let apart = |x: Tensor, sizes: [usize; 2]| x.reshape([&sizes, &x.dims()[1..]].concat());
    let together = |x: Tensor| x.reshape([&[6], &x.dims()[2..]].concat());
    let two = move |x: Tensor| {
        let turned = names == ["j", "i"];
        let x = if turned { apart(x, [3, 2]).swap_axes(0, 1) } else { apart(x, [2, 3]) };
        let row = |x: Tensor| vmap_with(named("j"), |x: Tensor| f(x, &names), LEADING, LEADING)(x);
        let y = vmap_with(named("i"), row, LEADING, LEADING)(x);
        together(if turned { y.swap_axes(0, 1) } else { y })
    };
    let one = move |x: Tensor| vmap_with(named("all"), |x: Tensor| f(x, &["all"]), LEADING, LEADING)(x);
    let with_gradient = |f: &dyn Fn(Tensor) -> Tensor, x: Tensor| {
        let y = f(x);
        let weighted = |x: Tensor| (f(x).reshape([y.size()]).sin() * arange(y.size(), DType::F32)).sum(0);
        concat(&[y.reshape([y.size()]), grad(weighted)(x).reshape([x.size()])], 0)
    };
    [run(&whole, |x| with_gradient(&two, x)), run(&whole, |x| with_gradient(&one, x))]
}

#[test]
fn several_names_count_as_one() {
    type Program = fn(Tensor, &[&str]) -> Tensor;
    let programs: [(&[usize], Program); 12] = [
        (&[2], |x, axes| psum(x, axes)),
        (&[2], |x, axes| x * axis_index(axes).cast(DType::F32) + axis_size(axes) as f32),
        (&[2], |x, axes| all_gather(x, axes, 1, false)),
        (&[2, 2], |x, axes| all_gather(x, axes, 1, true)),
        (&[2, 6], |x, axes| psum_scatter(x, axes, 1, false)),
        (&[12, 2], |x, axes| psum_scatter(x, axes, 0, true)),
        (&[2, 6, 2], |x, axes| all_to_all(x, axes, 1, 1, false)),
        (&[2, 6, 2], |x, axes| all_to_all(x, axes, 1, 2, false)),
        (&[2, 12], |x, axes| all_to_all(x, axes, 1, 0, true)),
        (&[12], |x, axes| all_to_all(x, axes, 0, 0, true)),
        (&[2], |x, axes| ppermute(x, axes, [(0, 1), (1, 5), (3, 0), (5, 4)])),
        (&[2], |x, axes| pshuffle(x, axes, [3, 1, 5, 0, 2, 4])),
    ];
    for (i, (dims, f)) in programs.into_iter().enumerate() {
        for names in [["i", "j"], ["j", "i"]] {
            let [two, one] = by_two_names_and_by_one(dims, names, f);
            assert_eq!(two.len(), one.len());
            two.iter()
                .zip(&one)
                .for_each(|(a, b)| assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{i} {names:?}: {two:?} {one:?}"));
        }
    }
}

#[test]
fn without_a_name_there_is_one_instance() {
    let none: &[&str] = &[];
    assert_eq!(run(&[2, 1], |x| psum(x, none) + pmean(x, none) + pmax(x, none)), [3., 6.]);
    assert_eq!(run(&[2], |x| x + axis_index(none).cast(DType::F32) * 7.0 + axis_size(none) as f32), [2., 3.]);
    assert_eq!(run(&[2], |x| all_gather(x, none, 0, false).squeeze(0) + all_gather(x, none, 0, true)), [2., 4.]);
    let scattered = |x: Tensor| psum_scatter(x, none, 1, false) + psum_scatter(x, none, 1, true).squeeze(1);
    assert_eq!(run(&[2, 1], scattered), [2., 4.]);
    let exchanged =
        |x: Tensor| all_to_all(x, none, 1, 0, false).squeeze(0) + all_to_all(x, none, 0, 1, true).squeeze(1);
    assert_eq!(run(&[2, 1], exchanged), [2., 4.]);
    assert_eq!(run(&[2], |x| pshuffle(x, none, [0]) + ppermute(x, none, [])), [1., 2.]);
    assert_eq!(run(&[2, 2], over_i(|x| grad(|x: Tensor| all_gather(x, none, 0, false).sum(..))(x))), [1.; 4]);
}

#[test]
fn derivatives_commute_with_the_map() {
    let losses: [fn(Tensor) -> Tensor; 6] = [
        |x| (psum(x, "i").powi(2) * x).sum(0),
        |x| (pmean(x.sin(), "i") * x).sum(0),
        |x| (all_gather(x, "i", 0, false) * x.like(axis_size("i"))).sin().sum([0, 1]),
        |x| (ppermute(x, "i", [(0, 1), (1, 2)]) * x).sum(0),
        |x| (pmax(x, "i").sin() * x).sum(0),
        |x| scan(|c: Tensor, w: Tensor| (psum(c * w, "i").sin() + x, ()), x, ones([3, 2], DType::F32)).0.sum(0),
    ];
    for f in losses {
        // each instance's gradient sums over the losses of all: collectives are transposed together
        let inside = run(&[3, 2], over_i(move |x| grad(f)(x)));
        let outside = run(&[3, 2], move |x| grad(move |x: Tensor| over_i(f)(x).sum(0))(x));
        inside.iter().zip(&outside).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{inside:?} {outside:?}"));
        let forward = run(&[3, 2], over_i(move |x| jvp(f, x, x.cos()).1));
        let dot: f64 = (1..=6).map(|i| inside[i - 1] * (i as f64).cos()).sum();
        assert!((forward.iter().sum::<f64>() - dot).abs() < 1e-3 * (1.0 + dot.abs()), "{forward:?} {dot}");
    }
}

#[test]
fn mistakes_are_explained() {
    let e = refusal(|x| over_i(|x| psum(x, "batch"))(x));
    assert_eq!(e.reason, "there is no axis `batch` among `i`");
    assert!(e.file.ends_with("tests/collectives.rs"), "{e}");
    let e = refusal(|x| psum(x, "i"));
    assert_eq!(e.reason, "there is no axis `i`: no axis has a name here");
    assert!(e.help.unwrap().contains("vmap_with"));
    let e = refusal(over_i(|x| psum_scatter(x, "i", 0, false)));
    assert_eq!(e.reason, "axis 0 has size 2, not the 3 instances of `i`");
    let e = refusal(over_i(|x| ppermute(x, "i", [(0, 3)])));
    assert_eq!(e.reason, "(0, 3) names an instance that does not exist: `i` has 3");
    let e = refusal(over_i(|x| ppermute(x, "i", [(0, 1), (2, 1)])));
    assert_eq!(e.reason, "(2, 1) sends or receives a second time");
    let over_ij = |f: fn(Tensor) -> Tensor| {
        let twice = VmapOptions { axis_name: Some("j"), axis_size: Some(2) };
        over_i(move |x| vmap_with(twice, move |()| f(x), LEADING, LEADING)(()))
    };
    let e = refusal(over_ij(|x| all_to_all(x, ["j", "i"], 0, 0, true)));
    assert_eq!(e.reason, "axis 0 has size 2, not a multiple of the 6 instances of `j, i`");
    let e = refusal(over_ij(|x| ppermute(x, ["i", "j"], [(6, 0)])));
    assert_eq!(e.reason, "(6, 0) names an instance that does not exist: `i, j` has 6");
    let wrong = VmapOptions { axis_size: Some(4), ..VmapOptions::default() };
    let e = refusal(|x| vmap_with(wrong, |x: Tensor| x, LEADING, LEADING)(x));
    assert_eq!(
        e.reason,
        "the mapped sizes differ: the option `axis_size` has 4, the argument has 3 (axis 0 of f32[3, 2])"
    );
    let e = refusal(|x| vmap_with(named("i"), |x: Tensor| x, Axis::Shared, LEADING)(x));
    assert!(e.help.unwrap().contains("axis_size"));
}
