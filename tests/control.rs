//! Control flow: what its rules promise beyond the table of primitives, and what its errors say.
use raxla::{
    Graph, ScanOptions, cond, fori_loop, grad, jvp, prelude::*, scan, scan_with, switch, testing::*,
    trace::trace_graph, value_and_grad, vmap, while_loop,
};

fn f64s(dims: &[usize], values: &[f64]) -> Host {
    Host::floats(DType::F64, dims, values.to_vec())
}
fn trace(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Graph {
    trace_graph(avals, f).unwrap()
}
/// The message of a function that must not be traceable, without the line.
fn refusal(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> String {
    let e = trace_graph(avals, f).expect_err("an error");
    assert!(e.file.ends_with("tests/control.rs"), "points at {}", e.file);
    e.to_string().lines().filter(|l| !l.starts_with("  at ")).collect::<Vec<_>>().join("\n")
}
fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
/// How many equations of this name a graph has, those of inner graphs included.
fn count(g: &Graph, name: &str) -> usize {
    format!("{g}").matches(&format!(" = {name}")).count()
}

#[test]
fn a_scan_equals_its_unrolled_loop_and_so_do_its_gradients() {
    let step = |c: Tensor, x: Tensor, w: Tensor| ((c * w + x).tanh(), c * x);
    let looped = |t: &[Tensor]| {
        let w = t[2];
        let (c, ys) = scan(|c, x| step(c, x, w), t[0], t[1]);
        (c * c).sum(0) + (ys * ys).sum([0, 1])
    };
    let unrolled = |t: &[Tensor]| {
        let (mut c, mut sum) = (t[0], None);
        for i in 0..4 {
            let (next, y) = step(c, t[1].slice_axis(0, i..i + 1).reshape([3]), t[2]);
            c = next;
            let y = (y * y).sum(0);
            sum = Some(sum.map_or(y, |s: Tensor| s + y));
        }
        (c * c).sum(0) + sum.expect("four steps")
    };
    let avals = [Aval::new(DType::F64, [3]), Aval::new(DType::F64, [4, 3]), Aval::new(DType::F64, [3])];
    let x: Vec<Host> =
        avals.iter().enumerate().map(|(i, a)| raxla::prim::sample(DType::F64, &a.dims, i as u64)).collect();
    let run = |f: &dyn Fn(&[Tensor]) -> Tensor| {
        let (value, d) = (|t: &[Tensor]| value_and_grad(|t: Vec<Tensor>| f(&t))(t.to_vec())).pipe(&avals, &x);
        [vec![value], d].concat()
    };
    for (a, b) in run(&looped).iter().zip(run(&unrolled)) {
        assert_close(a, &b, 1e-12);
    }
}
trait Pipe {
    fn pipe(self, avals: &[Aval], x: &[Host]) -> (Host, Vec<Host>);
}
impl<F: Fn(&[Tensor]) -> (Tensor, Vec<Tensor>)> Pipe for F {
    fn pipe(self, avals: &[Aval], x: &[Host]) -> (Host, Vec<Host>) {
        let g = trace(avals, |t| {
            let (y, d) = self(t);
            [vec![y], d].concat()
        });
        let mut out = g.eval(x);
        let d = out.split_off(1);
        (out.remove(0), d)
    }
}

#[test]
fn while_loops_have_tangents_of_first_and_second_order() {
    let f = |x: &[Tensor]| {
        let (rate, stop) = (x[1], x[2]);
        let body = |(c, n): (Tensor, Tensor)| (c * rate.sin(), n + 1);
        let (c, n) = while_loop(|(c, _): (Tensor, Tensor)| c.gt(stop), body, (x[0], full([], DType::I32, 0)));
        vec![c, n]
    };
    check_jvp(f, &[f64s(&[], &[50.0]), f64s(&[], &[0.7]), f64s(&[], &[3.0])], 2).unwrap();
    // the carry starts without a tangent and gets one in the second step
    let late = |x: &[Tensor]| {
        let rate = x[0];
        let body = |(i, a, b): (Tensor, Tensor, Tensor)| (i + 1, b * rate, a + rate);
        let start = (full([], DType::I32, 0), full([2], DType::F64, 1.0), full([2], DType::F64, 2.0));
        let (_, a, b) = while_loop(|(i, ..): (Tensor, Tensor, Tensor)| i.lt(3), body, start);
        vec![a, b]
    };
    check_jvp(late, &[f64s(&[2], &[0.3, 1.7])], 2).unwrap();
}

#[test]
fn counted_loops_with_known_bounds_have_gradients() {
    check_grads(
        |x| vec![fori_loop(1, 4, |i, c: Tensor| c * x[1] + i.cast(DType::F64), x[0])],
        &[f64s(&[], &[0.5]), f64s(&[], &[1.2])],
        2,
    )
    .unwrap();
}

#[test]
fn only_active_carries_get_tangents() {
    let g = trace(&[f32s(&[]), f32s(&[5])], |x| {
        let f = |w: Tensor| {
            let body = |(n, c, idle): (Tensor, Tensor, Tensor), x: Tensor| ((n + 1, c * w + x, idle * 2.0), ());
            scan(body, (full([], DType::I32, 0), x[0], x[0]), x[1]).0.1
        };
        vec![grad(f)(x[0])]
    });
    // backwards: the cotangent of w so far, and that of c
    let text = g.to_string();
    assert!(text.contains("carry=2 reverse"), "{text}");
}

#[test]
fn what_does_not_change_between_steps_is_not_stacked() {
    let g = trace(&[f32s(&[4]), f32s(&[3, 4])], |x| {
        let mask = x[0].exp();
        let f = |xs: Tensor| scan(|c: Tensor, x: Tensor| (c * mask.sin() + x * x, ()), x[0], xs).0.sum(0);
        vec![grad(f)(x[1])]
    });
    // x is an operand already, and sin(mask) is computed once: nothing new is kept per step
    let forward = g.eqns.iter().find(|e| e.prim.name() == "scan");
    assert_eq!(forward.expect("a loop").outs.len(), 1, "{g}");
    assert_eq!(count(&g, "Sin"), 2, "{g}");
}

#[test]
fn broadcasts_are_made_again_rather_than_stacked() {
    let g = trace(&[f32s(&[8]), f32s(&[3, 8])], |x| {
        let wide = |t: Tensor| t.reshape([1, 8]).broadcast_to([5, 8]);
        let body = |c: Tensor, scale: Tensor| (wide(c.sin()).sum(0) + (wide(scale) * wide(c)).sum(0), ());
        let f = |xs: Tensor| scan(body, x[0], xs).0.sum(0);
        vec![grad(f)(x[1])]
    });
    let forward = g.eqns.iter().find(|e| e.prim.name() == "scan").expect("a loop");
    // of f32[5, 8] nothing is kept: only the carry, from which (and from xs) the way back makes the rest
    let kept: Vec<Vec<usize>> = forward.outs[1..].iter().map(|v| g.aval(*v).dims.clone()).collect();
    assert_eq!(kept, [vec![3, 8], vec![3, 8]], "{g}");
}

#[test]
fn dead_carries_and_outputs_are_pruned() {
    use raxla::transform::dce::dce;
    let g = trace(&[f32s(&[]), f32s(&[5])], |x| {
        let body = |(a, b, c): (Tensor, Tensor, Tensor), x: Tensor| ((a + x, b * a, c.exp()), (a.sin(), c.cos()));
        let ((a, b, c), (s, t)) = scan(body, (x[0], x[0], x[0]), x[1]);
        vec![a, b, c, s, t]
    });
    let p = dce(&g, &[false, false, false, true, false]).graph;
    p.verify().unwrap();
    assert_eq!((count(&p, "Sin"), count(&p, "Cos"), count(&p, "Exp"), count(&p, "Mul")), (1, 0, 0, 0), "{p}");
    let p = dce(&g, &[false, true, false, false, false]).graph;
    assert_eq!((count(&p, "Add"), count(&p, "Mul"), count(&p, "Exp")), (1, 1, 0), "{p}");
    // what the body does not read is not handed to it
    let g = trace(&[f32s(&[]), f32s(&[5]), f32s(&[5])], |x| {
        vec![scan(|a: Tensor, (x, _): (Tensor, Tensor)| (a + x, ()), x[0], (x[1], x[2])).0]
    });
    let p = dce(&g, &[true]);
    p.graph.verify().unwrap();
    assert_eq!(p.used, [true, true, false], "{}", p.graph);
    let g = trace(&[f32s(&[])], |x| {
        let body = |(i, a, b): (Tensor, Tensor, Tensor)| (i + 1, a.sin(), b.cos());
        let (_, a, b) =
            while_loop(|(i, ..): (Tensor, Tensor, Tensor)| i.lt(3), body, (full([], DType::I32, 0), x[0], x[0]));
        vec![a, b]
    });
    let p = dce(&g, &[true, false]).graph;
    p.verify().unwrap();
    assert_eq!((count(&p, "Sin"), count(&p, "Cos")), (1, 0), "{p}");
    let g = trace(&[f32s(&[]), f32s(&[])], |x| {
        let (a, b) = cond(x[0].gt(0.0), |y: Tensor| (y.sin(), y.exp()), |y: Tensor| (y, y), x[1]);
        vec![a, b]
    });
    let p = dce(&g, &[true, false]).graph;
    p.verify().unwrap();
    assert_eq!((count(&p, "Sin"), count(&p, "Exp")), (1, 0), "{p}");
}

#[test]
fn transformations_of_loops_compose() {
    let f = |x: Tensor, w: Tensor| {
        let body =
            |c: Tensor, x: Tensor| (cond((c * x).gt(0.0), |c: Tensor| c * x * w, |c: Tensor| (c + x).sin(), c), c);
        let (c, ys) = scan(body, w, x);
        c + (ys * ys).sum(0)
    };
    let x = f64s(&[2, 3], &[0.3, -0.8, 1.1, 0.9, 0.2, -0.4]);
    let w = f64s(&[], &[0.8]);
    // the gradient of a batched loop with conditions is the batch of gradients
    check_grads(|t| vec![vmap(|x: Tensor| f(x, t[1]))(t[0])], &[x.clone(), w.clone()], 2).unwrap();
    check_vmap(|t| vec![grad(|w: Tensor| f(t[0], w))(t[1])], &[x.pick([3], |i| i), w.clone()]).unwrap();
    check_vmap(|t| vec![jvp(|w: Tensor| f(t[0], w), t[1], t[1]).1], &[x.pick([3], |i| i), w]).unwrap();
}

#[test]
fn a_linear_loop_with_a_counter_transposes() {
    // tangents made by a loop that also carries known values: reverse mode must recompute those first
    let f = raxla::custom_jvp(
        |x: Tensor| x.sin(),
        |x: Tensor, dx: Tensor| {
            let body = |(i, d): (Tensor, Tensor), ()| ((i + 1.0, d * i), ());
            let options = ScanOptions { length: Some(3), ..ScanOptions::default() };
            let ((_, d), ()) = scan_with(options, body, (x.like(1.0), dx * x.cos()), ());
            (x.sin(), d / 6.0)
        },
    );
    check_grads(|x| vec![f(x[0])], &[f64s(&[2], &[0.4, 2.0])], 2).unwrap();
}

#[test]
fn loops_say_which_leaf_is_wrong() {
    #[derive(Tree, Clone)]
    struct State<T = Tensor> {
        h: T,
        n: T,
    }
    let state = |x: &[Tensor]| State { h: x[0], n: full([], DType::I32, 0) };
    let x = [f32s(&[8])];
    assert_eq!(
        refusal(&x, |x| scan(|s: State, _: Tensor| (State { h: s.h.reshape([1, 8]), n: s.n }, ()), state(x), x[0])
            .0
            .leaves()),
        "scan: carry h enters as f32[8] but leaves as f32[1, 8]\n  help: every step must return the carry with the types it got: \
         cast or reshape it, or the initial value"
    );
    let options = ScanOptions { length: Some(2), ..ScanOptions::default() };
    assert!(
        refusal(&x, |x| vec![scan_with(options, |c: Tensor, _: Tensor| (c, ()), x[0], x[0]).0])
            .contains("the lengths differ: the option `length` has 2, xs has 8 (f32[8])")
    );
    assert!(
        refusal(&x, |x| vec![scan(|c: Tensor, ()| (c, ()), x[0], ()).0]).contains("the number of steps is unknown")
    );
    let pair = [f32s(&[8]), f32s(&[])];
    assert!(
        refusal(&pair, |x| vec![scan(|c: Tensor, _: (Tensor, Tensor)| (c, ()), x[0], (x[0], x[1])).0])
            .contains("xs.1 is a scalar (f32[])")
    );
    assert!(
        refusal(&x, |x| scan(
            |mut c: Vec<Tensor>, x: Tensor| {
                c.push(x);
                (c, ())
            },
            vec![],
            x[0]
        )
        .0)
        .contains("the carry changes its structure")
    );
    assert!(
        refusal(&x, |x| vec![while_loop(|c: Tensor| c.gt(0.0), |c| c, x[0])])
            .contains("the condition returns bool[8], not a scalar bool")
    );
    assert!(
        refusal(&x, |x| vec![while_loop(|c: Tensor| c.sum(0).gt(0.0), |c| c.cast(DType::F16), x[0])])
            .contains("the carry enters as f32[8] but leaves as f16[8]")
    );
    assert!(
        refusal(&x, |x| vec![cond(x[0].gt(0.0), |x: Tensor| x, |x| x, x[0])])
            .contains("the condition is bool[8], not a scalar bool")
    );
    assert!(
        refusal(&x, |x| vec![cond(x[0].sum(0).gt(0.0), |x: Tensor| x, |x| x.sum(0), x[0])])
            .contains("the result is f32[] in `no` but f32[8] in `yes`")
    );
    let none: [&dyn Fn(Tensor) -> Tensor; 0] = [];
    assert!(
        refusal(&[], |_| vec![switch(full([], DType::I32, 0), &none, full([], DType::F32, 0.0))])
            .contains("there are no branches")
    );
    assert!(refusal(&x, |x| vec![fori_loop(0, x[0], |_, c: Tensor| c, x[0])]).contains("not an integer scalar"));
}

#[test]
fn reverse_mode_of_a_while_loop_is_refused_with_a_remedy() {
    let why = refusal(&[f32s(&[])], |x| vec![grad(|x: Tensor| while_loop(|c: Tensor| c.lt(9.0), |c| c * c, x))(x[0])]);
    assert!(why.contains("reverse mode needs a loop whose number of steps is known"), "{why}");
    assert!(why.contains("`fori_loop` with numbers as bounds"), "{why}");
    // but a loop that no derivative passes through is no obstacle
    let n = |x: Tensor| while_loop(|n: Tensor| n.lt(5), |n| n + 1, full([], DType::I32, 0)).cast(DType::F32) * x;
    trace(&[f32s(&[])], |x| vec![grad(n)(x[0])]);
}
