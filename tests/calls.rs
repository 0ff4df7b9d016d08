//! Functions with derivatives of their own, and kernels from outside.
use raxla::{
    Graph, Policy, RematOptions, TraceError, checkpoint_name, cond, custom_jvp, custom_vjp, grad, jacfwd, jacrev, jvp,
    prelude::*,
    prim::{Batching, CustomCall, sample},
    remat, remat_with, scan,
    testing::*,
    trace::trace_graph,
    vjp, vmap, while_loop,
};
use std::{rc::Rc, sync::Arc};

fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
fn f64s(dims: &[usize], seed: u64) -> Host {
    sample(DType::F64, dims, seed)
}
fn trace(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Graph {
    trace_graph(avals, f).unwrap()
}
fn refusal(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Box<TraceError> {
    let e = trace_graph(avals, f).expect_err("an error");
    assert!(e.file.ends_with("tests/calls.rs"), "points at {}", e.file);
    e
}

/// How many sines the way back computes.
fn sines(policy: Policy) -> usize {
    let g = trace(&[f32s(&[2, 2])], |x| {
        let options = RematOptions { policy: policy.clone(), ..RematOptions::default() };
        let f = remat_with(options, |x: Tensor| checkpoint_name(einsum("ij,jk->ik", x.sin(), x), "dot").exp().sin());
        vec![grad(|x: Tensor| f(x).sum([0, 1]))(x[0])]
    });
    let again = g.eqns.iter().filter(|e| format!("{:?}", e.prim).contains(" again] "));
    again.map(|e| format!("{:?}", e.prim).matches(" = Sin").count()).sum()
}

#[test]
fn policies_decide_what_is_computed_again() {
    // sin(x) is needed for the derivative of the product, and nothing but x for that
    assert_eq!(sines(Policy::SaveNothing), 1);
    assert_eq!(sines(Policy::SaveEverything), 0);
    assert_eq!(sines(Policy::SaveDots), 1);
    assert_eq!(sines(Policy::Custom(Arc::new(|p, _| p.name() == "sin"))), 0);
    let dots = |policy: Policy| {
        let g = trace(&[f32s(&[2, 2])], |x| {
            let options = RematOptions { policy: policy.clone(), ..RematOptions::default() };
            let f = remat_with(options, |x: Tensor| checkpoint_name(einsum("ij,jk->ik", x, x), "dot").exp());
            vec![grad(|x: Tensor| f(x).sum([0, 1]))(x[0])]
        });
        format!("{g}").matches(" = DotGeneral").count()
    };
    // one forwards and two for the derivative
    assert_eq!(dots(Policy::SaveNothing), 4);
    assert_eq!(dots(Policy::SaveDots), 3);
    assert_eq!(dots(Policy::SaveDotsWithoutBatchAxes), 3);
    assert_eq!(dots(Policy::SaveNames(vec!["dot".into()])), 3);
    assert_eq!(dots(Policy::SaveNames(vec!["another".into()])), 4);
}

/// Twelve layers whose insides are much larger than what passes between them.
fn deep(x: Tensor, w: Tensor, layer: impl Fn((Tensor, Tensor)) -> Tensor) -> Tensor {
    (0..12).fold(x, |x, _| layer((x, w))).sum([0, 1])
}
fn layer((x, w): (Tensor, Tensor)) -> Tensor {
    let h = einsum("bd,df->bf", x, w);
    einsum("bf,df->bd", h.sin().tanh() * h.cos(), w) * 0.01
}

#[test]
fn remat_saves_memory_and_keeps_the_gradients() {
    let plain = jit(|x: Tensor, w: Tensor| grad(|w: Tensor| deep(x, w, layer))(w));
    let saving = jit(|x: Tensor, w: Tensor| grad(|w: Tensor| deep(x, w, remat(layer)))(w));
    let (x, w) = (sample(DType::F32, &[256, 16], 1), sample(DType::F32, &[16, 256], 2));
    let (x, w) = (Array::from_host(&x).unwrap(), Array::from_host(&w).unwrap());
    let temp = |f: &raxla::Compiled<(Tensor, Tensor), Tensor>| f.executable().memory_stats().unwrap().temporaries;
    let (large, small) = (temp(&plain.compile_for((&x, &w)).unwrap()), temp(&saving.compile_for((&x, &w)).unwrap()));
    assert!(small * 3 < large, "temporary memory: {large} bytes without remat, {small} with");
    let (a, b) = (plain.call((&x, &w)).unwrap(), saving.call((&x, &w)).unwrap());
    assert_close(&b.to_host().unwrap(), &a.to_host().unwrap(), 1e-5);
}

#[test]
fn remat_composes() {
    let step = |c: Tensor, x: Tensor| {
        let c = remat(|(c, x): (Tensor, Tensor)| (c * x).sin() + c)((c, x));
        (c, c * x)
    };
    let f = |x: &[Tensor]| {
        let (c, ys) = scan(step, x[0], x[1]);
        vec![c, remat(|y: Tensor| y.exp() * x[0].sum(0))(ys)]
    };
    let x = [f64s(&[3], 1), f64s(&[4, 3], 2)];
    check_grads(f, &x, 3).unwrap();
    check_vmap(f, &x).unwrap();
    check_vmap(|x| vec![grad(|x: Tensor| f(&[x, x.reshape([1, 3])])[1].sum([0, 1]))(x[0])], &x[..1]).unwrap();
    // tangents of a linearized function are computed by the tangent itself
    let push = |x: &[Tensor]| vec![raxla::linearize(|x: Tensor| remat(|x: Tensor| x.sin().exp())(x), x[0]).1(x[1])];
    let g = trace(&[x[0].aval().clone(), x[0].aval().clone()], push);
    let h = trace(&[x[0].aval().clone(), x[0].aval().clone()], |x| vec![jvp(|x: Tensor| x.sin().exp(), x[0], x[1]).1]);
    let args = [f64s(&[3], 3), f64s(&[3], 4)];
    assert_close(&g.eval(&args)[0], &h.eval(&args)[0], 1e-12);
    check_vmap(push, &args).unwrap();
    check_grads(push, &args, 2).unwrap();
}

#[test]
fn custom_rules_are_the_ones_that_are_used() {
    // derivatives that are wrong on purpose
    let jvp_rule = custom_jvp(|x: Tensor| x * x, |x: Tensor, dx: Tensor| (x * x, dx * 7.0));
    let vjp_rule = custom_vjp(|x: Tensor| x * x, |x: Tensor| (x * x, x), |x: Tensor, ct: Tensor| ct * x * 5.0);
    let x = [Aval::new(DType::F64, [3])];
    let g = trace(&x, |x| {
        let slope =
            |f: &dyn Fn(Tensor) -> Tensor| vec![grad(|x: Tensor| f(x).sum(0))(x[0]), jvp(f, x[0], x[0].like(1.0)).1];
        let batched = vmap(|x: Tensor| grad(&jvp_rule)(x) + grad(&vjp_rule)(x))(x[0]);
        let all = jacfwd(&jvp_rule)(x[0]) + jacrev(&vjp_rule)(x[0]) + jacfwd(&vjp_rule)(x[0]);
        let second = vmap(grad(grad(&vjp_rule)))(x[0]);
        [slope(&jvp_rule), slope(&vjp_rule), vec![batched, all.sum(0), second]].concat()
    });
    let y: Vec<Vec<f64>> =
        g.eval(&[Host::floats(DType::F64, [3], vec![1.0, 2.0, 3.0])]).iter().map(Host::to_f64).collect();
    let five = vec![5.0, 10.0, 15.0];
    assert_eq!(y[..4], [vec![7.0; 3], vec![7.0; 3], five.clone(), five]);
    assert_eq!(y[4..], [vec![12.0, 17.0, 22.0], vec![17.0, 27.0, 37.0], vec![5.0; 3]]);
}

#[test]
fn custom_rules_inside_loops_and_batches() {
    let f = |x: &[Tensor]| {
        let swish = custom_vjp(
            |(x, b): (Tensor, Tensor)| x * (x * b).logistic(),
            |(x, b): (Tensor, Tensor)| (x * (x * b).logistic(), (x, b)),
            |(x, b): (Tensor, Tensor), ct: Tensor| {
                let s = (x * b).logistic();
                (ct * (s + x * b * s * (1.0 - s)), (ct * x * x * s * (1.0 - s)).sum(0))
            },
        );
        let tanh = custom_jvp(
            |x: Tensor| x.tanh(),
            |x: Tensor, dx: Tensor| (x.tanh(), dx / (x.exp() + (-x).exp()).pow(2.0) * 4.0),
        );
        let b = x[1];
        let (c, ys) = scan(|c: Tensor, x: Tensor| (swish((c, b)) + x, tanh(c * x)), x[0].sum(0), x[0]);
        vec![c, ys]
    };
    let x = [f64s(&[4, 3], 1), f64s(&[], 2)];
    check_grads(f, &x, 2).unwrap();
    check_vmap(f, &x).unwrap();
    // an argument that all instances share gets the sum of their cotangents
    check_vmap(|x| vjp(|x: Vec<Tensor>| f(&x), x.to_vec()).1(f(x)), &x).unwrap();
    check_grads(|x| vec![vmap(|y: Tensor| f(&[y.reshape([1, 3]), x[1]])[0])(x[0])], &x, 2).unwrap();
}

/// A loop, a branch and a recomputed function, of two arguments.
fn loop_and_branch((x, w): (Tensor, Tensor)) -> (Tensor, Tensor) {
    let step = |c: Tensor, x: Tensor| ((c * w).sin() + x, remat(|c: Tensor| (c * x).exp())(c));
    let (c, ys) = scan(step, w, x);
    (cond(c.sum(0).gt(0.0), |c: Tensor| c * w, |c: Tensor| c.cos(), c), ys)
}

#[test]
fn rules_may_differentiate_what_they_stand_for() {
    let x = [f64s(&[4, 3], 1), f64s(&[3], 2)];
    // a tangent made together with the value, in one loop
    let forward = |x: &[Tensor]| {
        let (c, ys) = custom_jvp(loop_and_branch, |x, dx| jvp(loop_and_branch, x, dx))((x[0], x[1]));
        vec![c.exp() * c, ys]
    };
    check_grads(forward, &x, 2).unwrap();
    check_vmap(|x| vjp(|x: Vec<Tensor>| forward(&x), x.to_vec()).1(forward(x)), &x).unwrap();
    // forward mode through a rule for reverse mode, which holds recomputed functions
    let reverse = |x: &[Tensor]| {
        let f = custom_vjp(loop_and_branch, |x| (loop_and_branch(x), x), |x, ct| vjp(loop_and_branch, x).1(ct));
        let (c, ys) = f((x[0], x[1]));
        vec![c, ys]
    };
    check_grads(reverse, &x, 2).unwrap();
    // tangents may go through calls
    let twice = custom_vjp(|x: Tensor| x * 2.0, |x: Tensor| (x * 2.0, ()), |(), ct: Tensor| ct * 2.0);
    let thrice = custom_jvp(|x: Tensor| x * 3.0, |x: Tensor, dx: Tensor| (x * 3.0, dx * 3.0));
    let f = custom_vjp(
        |x: Tensor| x * 6.0,
        |x: Tensor| (x * 6.0, ()),
        |(), ct: Tensor| remat(|ct: Tensor| twice(thrice(ct)))(ct),
    );
    check_grads(|x| vec![f(x[0])], &x[1..], 2).unwrap();
    let e = refusal(&[f32s(&[2, 3])], |x| {
        let square = |x: Tensor, dx: Tensor| (x, remat(|dx: Tensor| dx * dx)(dx));
        vec![grad(|x: Tensor| custom_jvp(|x: Tensor| x, square)(x).sum(..))(x[0])]
    });
    assert!(e.reason.contains("not linear in the tangents"), "{e}");
}

/// √x by an iteration that reverse mode cannot differentiate; its rules use the function itself.
fn root_by_jvp(x: Tensor) -> Tensor {
    let rule = |x: Tensor, dx: Tensor| (root_by_jvp(x), dx / (root_by_jvp(x) * 2.0));
    custom_jvp(newton, rule)(x)
}
fn root_by_vjp(x: Tensor) -> Tensor {
    let forward = |x: Tensor| (root_by_vjp(x), root_by_vjp(x));
    custom_vjp(newton, forward, |y: Tensor, ct: Tensor| ct / (y * 2.0))(x)
}
fn newton(a: Tensor) -> Tensor {
    while_loop(|x: Tensor| (x * x - a).abs().gt(1e-12), |x| (x + a / x) / 2, a)
}

#[test]
fn rules_may_call_the_function_they_belong_to() {
    let x = Host::floats(DType::F64, [], vec![4.0]);
    for f in [root_by_jvp, root_by_vjp] {
        let g = trace(&[x.aval().clone()], |x| {
            let third = grad(grad(grad(f)));
            vec![grad(f)(x[0]), grad(grad(f))(x[0]), third(x[0]), grad(third)(x[0]), vmap(f)(x[0].reshape([1]))]
        });
        let y: Vec<f64> = g.eval(std::slice::from_ref(&x)).iter().map(|h| h.to_f64()[0]).collect();
        let want = [0.25, -0.03125, 0.01171875, -0.00732421875, 2.0];
        assert!(y.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{y:?}");
        let e = refusal(&[f32s(&[])], |x| vec![grad(grad(grad(grad(grad(f)))))(x[0])]);
        assert_eq!(e.reason, "its rule calls the function itself: it has derivatives up to order 4 only");
    }
}

#[test]
fn wrong_rules_are_named() {
    let x = [f32s(&[3])];
    let e = refusal(&x, |x| vec![custom_jvp(|x: Tensor| x, |x: Tensor, dx: Tensor| (x, dx.sum(0)))(x[0])]);
    assert_eq!(e.reason, "the rule's tangent is f32[] but must be f32[3]");
    let e = refusal(&x, |x| {
        vec![custom_vjp(|x: Tensor| x, |x: Tensor| (x.cast(DType::F16), ()), |(), ct: Tensor| ct)(x[0])]
    });
    assert_eq!(e.reason, "the forward rule's result is f16[3] but must be f32[3]");
    let e = refusal(&x, |x| {
        let f = custom_vjp(
            |(x, y): (Tensor, Tensor)| x + y,
            |(x, y): (Tensor, Tensor)| (x + y, ()),
            |(), ct: Tensor| (ct, ct.sum(0)),
        );
        vec![f((x[0], x[0]))]
    });
    assert_eq!(e.reason, "the backward rule's result, leaf `1`, is f32[] but must be f32[3]");
    let e = refusal(&x, |x| {
        vec![grad(|x: Tensor| custom_jvp(|x: Tensor| x, |x: Tensor, dx: Tensor| (x, dx * dx))(x).sum(0))(x[0])]
    });
    assert!(e.reason.contains("not linear in the tangents"), "{e}");
    let e = refusal(&x, |x| {
        vec![
            jvp(|x: Tensor| custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct.exp())(x), x[0], x[0]).1,
        ]
    });
    assert!(e.reason.contains("not linear"), "{e}");
    let e = refusal(&x, |x| {
        vec![grad(|w: Tensor| custom_jvp(|x: Tensor| x * w, |x: Tensor, dx: Tensor| (x * w, dx * w))(x[0]).sum(0))(
            x[0],
        )]
    });
    assert!(e.reason.contains("a tensor that it uses from outside"), "{e}");
}

fn scale_kernel(call: &mut raxla_xla::ffi::Call<'_>) -> raxla_xla::Result<()> {
    let factor = call.attrs.dictionary("settings")?.float("factor")? as f32;
    let label = call.attrs.string("label")?;
    assert_eq!((label, call.attrs.ints("sizes")?), ("a \"quoted\" µ", vec![1, -2]));
    assert!(call.attrs.bool("yes")? && call.attrs.floats("none")?.is_empty());
    let x = call.args[0].as_slice::<f32>()?.to_vec();
    let y = call.results[0].as_mut_slice::<f32>()?;
    y.iter_mut().zip(x).for_each(|(y, x)| *y = factor * x);
    Ok(())
}
fn scale_call(x: Tensor) -> CustomCall {
    let reference =
        |x: &[Host]| vec![Host::floats(DType::F32, x[0].dims(), x[0].to_f64().iter().map(|x| 2.5 * x).collect())];
    CustomCall {
        attributes: vec![
            ("settings".into(), raxla::prim::Attr::Dictionary(vec![("factor".into(), 2.5f64.into())])),
            ("label".into(), "a \"quoted\" µ".into()),
            ("sizes".into(), (&[1i32, -2][..]).into()),
            ("none".into(), (&[0f32; 0][..]).into()),
            ("yes".into(), true.into()),
        ],
        reference: Some(Rc::new(reference)),
        ..CustomCall::new("raxla_test_calls_scale", [x.aval()])
    }
}

#[test]
fn custom_calls_run_kernels() {
    let client = raxla::runtime::client().unwrap();
    raxla_xla::ffi::register(client.plugin(), "raxla_test_calls_scale", scale_kernel).unwrap();
    let scale = |batching: Batching, x: Tensor| CustomCall { batching, ..scale_call(x) }.call(&[x])[0];
    let f = move |x: Tensor| {
        let with_gradient = custom_vjp(
            move |x: Tensor| scale(Batching::LeadingAxes, x),
            move |x: Tensor| (scale(Batching::LeadingAxes, x), ()),
            |(), ct: Tensor| ct * 2.5,
        );
        let y = scale(Batching::Refuse, x);
        let each = vmap(|x: Tensor| scale(Batching::Sequential, x) + scale(Batching::LeadingAxes, x))(x);
        (y, each, grad(|x: Tensor| with_gradient(x).sum([0, 1]))(x), vmap(&with_gradient)(x))
    };
    let x = sample(DType::F32, &[3, 2], 1);
    let (a, b, c, d) = jit(f).call((Array::from_host(&x).unwrap(),)).unwrap();
    let g = trace(&[x.aval().clone()], |x| {
        let (a, b, c, d) = f(x[0]);
        vec![a, b, c, d]
    });
    for (have, want) in [a, b, c, d].iter().zip(g.eval(std::slice::from_ref(&x))) {
        assert_close(&have.to_host().unwrap(), &want, 1e-6);
    }
}

#[test]
fn custom_calls_may_write_into_an_operand() {
    let client = raxla::runtime::client().unwrap();
    raxla_xla::ffi::register(client.plugin(), "raxla_test_calls_increment", |call| {
        assert_eq!(call.args[0].in_place(), Some(1));
        call.results[0].as_mut_slice::<f32>()?.fill(1.0);
        call.results[1].as_mut_slice::<f32>()?.iter_mut().for_each(|x| *x += 1.0);
        Ok(())
    })
    .unwrap();
    let f = jit(|x: Tensor| {
        let x = x * 2.0;
        let call = CustomCall {
            aliases: vec![(1, 0)],
            ..CustomCall::new("raxla_test_calls_increment", [f32s(&[]), x.aval()])
        };
        call.call(&[x])
    });
    let y = f.call((Array::from_slice([2], &[1f32, 2.0]).unwrap(),)).unwrap();
    assert_eq!(y[1].to_vec::<f32>().unwrap(), [3.0, 5.0]);
    let e =
        refusal(&[f32s(&[2])], |x| CustomCall { aliases: vec![(0, 0)], ..CustomCall::new("k", [f32s(&[3])]) }.call(x));
    assert_eq!(e.reason, "result 0 (f32[3]) cannot take over the memory of operand 0 (f32[2])");
}

#[test]
fn custom_calls_say_what_they_cannot_do() {
    let x = [f32s(&[2])];
    let e = refusal(&x, |x| vec![grad(|x: Tensor| scale_call(x).call(&[x])[0].sum(0))(x[0])]);
    assert_eq!(e.reason, "the kernel `raxla_test_calls_scale` has no derivative");
    let e = refusal(&x, |x| vec![vmap(|x: Tensor| scale_call(x).call(&[x])[0])(x[0])]);
    assert_eq!(e.reason, "the kernel `raxla_test_calls_scale` cannot be batched");
}
