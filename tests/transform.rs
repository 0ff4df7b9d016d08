//! Gradients, tangents and batching of functions: structure, conventions, and what their errors say.
use raxla::{
    Axis, Graph, PerLeaf, TraceError, grad, hessian, jacfwd, jacrev, jvp, linearize, prelude::*, testing::*,
    trace::trace_graph, value_and_grad, value_and_grad_aux, vjp, vmap, vmap_axes,
};

#[derive(Tree, Clone, Debug)]
struct Layer<T = Tensor> {
    w: T,
    b: Option<T>,
}

fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
fn floats(dims: &[usize], v: &[f64]) -> Host {
    Host::floats(DType::F64, dims, v.to_vec())
}
/// Run `f` on the reference interpreter.
fn run(x: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Host> {
    graph(&x.iter().map(|h| h.aval().clone()).collect::<Vec<_>>(), f).eval(x)
}
fn graph(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Graph {
    let g = trace_graph(avals, f).unwrap();
    g.verify().unwrap();
    g
}
fn refusal(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Box<TraceError> {
    let e = trace_graph(avals, f).expect_err("an error");
    assert!(e.file.ends_with("tests/transform.rs"), "points at {}", e.file);
    e
}

#[test]
fn gradients_have_the_structure_of_the_argument() {
    let x = [floats(&[2], &[1.0, 2.0]), floats(&[2], &[3.0, 4.0]), floats(&[2], &[5.0, 6.0])];
    let y = run(&x, |x| {
        let layers = vec![Layer { w: x[0], b: None }, Layer { w: x[1], b: Some(x[2]) }];
        // one leaf is not used, the last tensor is captured
        let (loss, d) = value_and_grad(|l: Vec<Layer>| (l[0].w * l[1].w * x[2]).sum(0))(layers);
        assert!(d[0].b.is_none());
        vec![loss, d[0].w, d[1].w, d[1].b.expect("as in the argument")]
    });
    let y: Vec<Vec<f64>> = y.iter().map(Host::to_f64).collect();
    assert_eq!(y, [vec![63.0], vec![15.0, 24.0], vec![5.0, 12.0], vec![0.0, 0.0]]);
}

#[test]
fn what_stands_beside_the_loss_is_not_differentiated() {
    let y = run(&[floats(&[], &[3.0])], |x| {
        let ((loss, (twice, count)), d) =
            value_and_grad_aux(|x: Tensor| (x * x, (x * 2.0, full([], DType::I32, 7))))(x[0]);
        vec![loss, twice, count, d]
    });
    assert_eq!(y.iter().map(|h| h.to_f64()[0]).collect::<Vec<_>>(), [9.0, 6.0, 7.0, 6.0]);
}

#[test]
fn integers_have_no_tangents() {
    let x = [floats(&[2], &[1.0, 2.0]), Host::ints(DType::I32, [2], vec![3, 4])];
    let y = run(&x, |x| {
        let f = |(x, n): (Tensor, Tensor)| (x * n.cast(DType::F64), n + 1);
        let (y, pull) = vjp(f, (x[0], x[1]));
        let (dx, dn) = pull((y.0, y.1));
        let (_, (dy, dm)) = jvp(f, (x[0], x[1]), (x[0], x[1]));
        vec![dx, dn, dy, dm]
    });
    assert_eq!(y[0].to_f64(), [9.0, 32.0]);
    assert_eq!((y[1].dtype(), y[1].to_ints()), (DType::I32, vec![0, 0]));
    assert_eq!(y[2].to_f64(), [3.0, 8.0]);
    assert_eq!((y[3].dtype(), y[3].to_ints()), (DType::I32, vec![0, 0]));
}

#[test]
fn the_linear_part_repeats_no_work() {
    let g = graph(&[f32s(&[3]), f32s(&[3])], |x| {
        let (y, push) = linearize(|x: Tensor| x.exp() * x.sin(), x[0]);
        vec![y, push(x[1]), push(y)]
    });
    let count = |name: &str| g.eqns.iter().filter(|e| e.prim.name() == name).count();
    assert_eq!((count("exp"), count("sin"), count("cos")), (1, 1, 1), "{g}");
    let x = [floats(&[3], &[0.1, 0.2, 0.3]), floats(&[3], &[1.0, -1.0, 2.0])];
    let f = |x: Tensor| x.exp() * x.sin();
    let y = run(&x, |x| vec![linearize(f, x[0]).1(x[1]), jvp(f, x[0], x[1]).1]);
    assert_close(&y[0], &y[1], 1e-14);
}

#[test]
fn both_jacobians_agree_with_each_other_and_with_known_ones() {
    let x = floats(&[2, 3], &[0.5, -1.0, 2.0, 0.25, 1.5, -0.75]);
    // y[k] = Σ x[i, k]² x[i, 0]
    let f = |x: Tensor| (x * x * x.slice_axis(1, 0..1)).sum(0);
    let y = run(std::slice::from_ref(&x), |x| {
        vec![jacfwd(f)(x[0]), jacrev(f)(x[0]), hessian(|x: Tensor| f(x).sum(0))(x[0])]
    });
    assert_eq!(y[0].dims(), [3, 2, 3]);
    assert_eq!(y[2].dims(), [2, 3, 2, 3]);
    assert_close(&y[0], &y[1], 1e-14);
    let x = x.to_f64();
    let want = |k: usize, i: usize, j: usize| {
        let (own, first) = (x[i * 3 + k], x[i * 3]);
        (if j == k { 2.0 * own * first } else { 0.0 }) + if j == 0 { own * own } else { 0.0 }
    };
    let want: Vec<f64> = (0..18).map(|n| want(n / 6, n / 3 % 2, n % 3)).collect();
    assert_close(&y[0], &floats(&[3, 2, 3], &want), 1e-14);
    check_grads(|x| vec![jacrev(f)(x[0])], &[floats(&[2, 3], &x)], 1).unwrap();

    let trees = run(&[floats(&[2], &[1.0, 2.0]), floats(&[], &[3.0])], |x| {
        let (dx, ds) = jacrev(|(x, s): (Tensor, Tensor)| x * x * s)((x[0], x[1]));
        let (y, unused) = jacfwd(|x: Tensor| (x * 2.0, x.like(1.0)))(x[0]);
        vec![dx, ds, y, unused]
    });
    let trees: Vec<Vec<f64>> = trees.iter().map(Host::to_f64).collect();
    assert_eq!(trees, [vec![6.0, 0.0, 0.0, 12.0], vec![1.0, 4.0], vec![2.0, 0.0, 0.0, 2.0], vec![0.0; 4]]);
}

#[test]
fn derivatives_of_any_order_compose() {
    let y = run(&[floats(&[], &[2.0])], |x| {
        let f = |x: Tensor| x.pow(5.0);
        let third = grad(grad(grad(f)))(x[0]);
        let mixed = jvp(|x: Tensor| jvp(grad(f), x, x.like(1.0)).1, x[0], x[0].like(1.0)).1;
        // the inner function captures a value of the outer one
        let nested = grad(|x: Tensor| x * grad(|y: Tensor| x * x * y * y)(x))(x[0]);
        vec![third, mixed, nested]
    });
    assert_eq!(y.iter().map(|h| h.to_f64()[0].round()).collect::<Vec<_>>(), [240.0, 240.0, 64.0]);
}

#[test]
fn mapped_axes_can_be_anywhere() {
    let (x, y) = (floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]), floats(&[3, 2], &[1., 1., 2., 2., 3., 3.]));
    let out = run(&[x, y], |t| {
        let (x, y) = (t[0], t[1]);
        let f = |(x, y): (Tensor, Tensor)| (x * y, x.sum(0), y.like(2.0));
        // each column of x with each row of y
        let (a, b, c) = vmap_axes(f, (Axis::At(-1), Axis::At(0)), (Axis::At(1), Axis::At(0), Axis::Shared))((x, y));
        let layer = Layer { w: x, b: Some(y.sum([0, 1])) };
        let axes = PerLeaf(Layer { w: Axis::At(0), b: Some(Axis::Shared) });
        let d = vmap_axes(|l: Layer| l.w * l.b.expect("given"), axes, Axis::At(-1))(layer);
        let outer = vmap(|row: Tensor| {
            vmap_axes(|(a, b): (Tensor, Tensor)| a * b, (Axis::Shared, Axis::At(0)), Axis::At(0))((row, y))
        })(x.transpose([1, 0]));
        vec![a, b, c, d, outer]
    });
    assert_eq!((out[0].dims(), out[0].to_f64()), (&[2, 3][..], vec![1., 4., 9., 4., 10., 18.]));
    assert_eq!(out[1].to_f64(), [5., 7., 9.]);
    assert_eq!((out[2].dims(), out[2].to_f64()), (&[2][..], vec![2., 2.]));
    assert_eq!((out[3].dims(), out[3].to_f64()), (&[3, 2][..], vec![12., 48., 24., 60., 36., 72.]));
    assert_eq!(out[4].dims(), [3, 3, 2]);
    assert_eq!(out[4].to_f64()[2..6], [2., 8., 3., 12.]);
}

#[test]
fn a_gradient_of_a_batch_is_the_batch_of_gradients() {
    let x = [
        floats(&[4, 3], &[0.3, 1.2, -0.8, 0.1, 0.9, 2.0, -1.1, 0.4, 0.6, 0.2, -0.3, 1.5]),
        floats(&[3], &[0.7, -0.2, 1.0]),
    ];
    let f = |x: Tensor, w: Tensor| (x * w).tanh().sum(0) * x.sin().sum(0);
    let y = run(&x, |t| {
        let each = vmap(|x: Tensor| grad(|w: Tensor| f(x, w))(t[1]))(t[0]).sum(0);
        let total = grad(|w: Tensor| vmap(|x: Tensor| f(x, w))(t[0]).sum(0))(t[1]);
        vec![each, total]
    });
    assert_close(&y[0], &y[1], 1e-13);
}

#[test]
fn derivatives_keep_the_lines_and_scopes_of_what_they_derive() {
    let g = graph(&[f32s(&[2])], |x| {
        let f = |x: Tensor| scope("model", || x.sin().sum(0));
        vec![grad(f)(x[0])]
    });
    let cos = g.eqns.iter().find(|e| e.prim.name() == "cos").expect("the derivative of the sine");
    assert_eq!((&*cos.site.scope, cos.site.at.file().ends_with("tests/transform.rs")), ("model", true));
    let strays: Vec<&str> =
        g.eqns.iter().map(|e| e.site.at.file()).filter(|f| !f.ends_with("tests/transform.rs")).collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
fn wrong_uses_are_named() {
    let x = [f32s(&[3])];
    let e = refusal(&x, |x| vec![grad(|x: Tensor| x * x)(x[0])]);
    assert_eq!(e.reason, "the function returns f32[3], not a scalar float");
    assert!(e.help.as_ref().is_some_and(|h| h.contains(".sum(..)")));
    let e = refusal(&x, |x| {
        let layer = Layer { w: x[0], b: Some(x[0].cast(DType::I32)) };
        grad(|l: Layer| l.w.sum(0))(layer).leaves()
    });
    assert_eq!(e.reason, "the argument `b` is i32[3]: only floats have gradients");
    let e = refusal(&x, |x| vec![vjp(|x: Tensor| x.sum(0), x[0]).1(x[0])]);
    assert_eq!(e.reason, "the cotangent is f32[3] but belongs to f32[]");
    let e = refusal(&x, |x| vec![jvp(|(x, _): (Tensor, Tensor)| x, (x[0], x[0]), (x[0], x[0].sum(0))).1]);
    assert_eq!(e.reason, "the tangent `1` is f32[] but belongs to f32[3]");
    let e = refusal(&x, |x| vec![jacfwd(|x: Tensor| x.gt(0.0))(x[0])]);
    assert_eq!(e.reason, "the result is bool[3]: only floats have gradients");

    let pair = [f32s(&[3]), f32s(&[4])];
    let e = refusal(&pair, |x| vmap(|v: Vec<Tensor>| v)(x.to_vec()));
    assert_eq!(e.reason, "the mapped sizes differ: the argument `0` has 3, the argument `1` has 4 (axis 0 of f32[4])");
    let e = refusal(&x, |x| vec![vmap(|x: Tensor| x)(x[0].sum(0))]);
    assert_eq!(e.reason, "the argument has no axis 0: its rank is 0");
    let e = refusal(&x, |x| vec![vmap_axes(|x: Tensor| x, Axis::Shared, Axis::At(0))(x[0])]);
    assert_eq!(e.reason, "no leaf of the argument is mapped");
    let e = refusal(&x, |x| vec![vmap_axes(|x: Tensor| x, Axis::At(0), Axis::Shared)(x[0])]);
    assert_eq!(e.reason, "the result differs between instances: it cannot be shared");
    let e = refusal(&x, |x| vec![vmap_axes(|x: Tensor| x, Axis::At(0), Axis::At(2))(x[0])]);
    assert_eq!(e.reason, "the result has no axis 2: its rank is 1");
    // an error inside points at its own line and operation, not at the transformation
    let e = refusal(&x, |x| vec![vmap(|x: Tensor| grad(|x: Tensor| x + x.cast(DType::F16))(x))(x[0])]);
    assert_eq!((e.op.as_str(), e.reason.as_str()), ("add", "the dtypes differ"));
}

#[test]
fn batches_may_be_empty() {
    let y = run(&[floats(&[0, 3], &[])], |x| {
        vec![vmap(|x: Tensor| x.exp())(x[0]), grad(|x: Tensor| vmap(|x: Tensor| x.sin())(x).sum([0, 1]))(x[0])]
    });
    assert_eq!((y[0].dims(), y[1].dims()), (&[0, 3][..], &[0, 3][..]));
}
