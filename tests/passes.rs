//! The passes between tracing and lowering: they change no value, and remove what they should.
#![allow(clippy::erasing_op, clippy::identity_op)] // what the passes are to find
use raxla::{
    Graph, Policy, RematOptions, cond, custom_jvp, custom_vjp, fori_loop, grad, optimization_barrier,
    prelude::*,
    prim::{Case, CustomCall, Reference, Row, TABLE, iota, literal, sample},
    remat, remat_with, scan,
    trace::{inline, trace_graph},
    transform::{Pass, cse::cse, dce::dce, fold::fold, optimize},
    value_and_grad, while_loop,
};
use std::{rc::Rc, sync::Arc};

fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
fn trace(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Graph {
    trace_graph(avals, f).unwrap()
}
/// Names of the operations, those of inner graphs in brackets.
fn names(g: &Graph) -> String {
    let one = |e: &raxla::graph::Eqn| {
        let inner: Vec<String> = e.prim.graphs().into_iter().map(|g| format!("[{}]", names(g))).collect();
        format!("{}{}", e.prim.name(), inner.concat())
    };
    g.eqns.iter().map(one).collect::<Vec<_>>().join(" ")
}
/// Equal to the bit, except that one NaN is as good as another.
fn same_values(a: &[Host], b: &[Host]) -> bool {
    let bits = |h: &Host| -> Vec<u64> {
        let of = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
        h.to_parts().iter().map(of).collect()
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.aval() == b.aval() && bits(a) == bits(b))
}
fn optimized(g: &Graph) -> Graph {
    optimize(g).0
}

// ---- folding --------------------------------------------------------------------------------------------------------

/// Numbers at which operations have edges.
fn edges(d: DType) -> Vec<Host> {
    if d.is_float() {
        let tiny = if d == DType::F64 { 5e-324 } else { 1e-40 };
        let all = [0.0, -0.0, 1.0, -1.0, 2.5, -0.3, 1e4, 3e38, tiny, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        return all.iter().map(|x| Host::floats(d, [], vec![*x])).collect();
    }
    if d.is_complex() {
        let parts =
            [[0.0, 0.0], [-0.0, -0.0], [1.0, 0.0], [0.0, 1.0], [-0.3, 2.5], [f64::INFINITY, 0.0], [f64::NAN, 1.0]];
        return parts.iter().map(|parts| Host::from_parts(d, [], parts.to_vec())).collect();
    }
    let (low, high) = raxla::host::int_range(d);
    [low, high, 0, 1, -1, 2, 5].iter().map(|x| Host::ints(d, [], vec![*x])).collect()
}

/// What to put in place of each operand: one of the edges, or nothing. All combinations for up to two operands; for more,
/// each operand in turn differs from the others.
fn choices(inputs: &[Host]) -> Vec<Vec<Option<Host>>> {
    let options = |h: &Host| edges(h.dtype()).into_iter().map(Some).chain([None]).collect::<Vec<_>>();
    let all: Vec<Vec<Option<Host>>> = inputs.iter().map(options).collect();
    match &all[..] {
        [a] => a.iter().map(|a| vec![a.clone()]).collect(),
        [a, b] => a.iter().flat_map(|a| b.iter().map(|b| vec![a.clone(), b.clone()])).collect(),
        _ => {
            let most = all.iter().map(Vec::len).max().unwrap_or(0);
            let turned = |i: usize, by: usize| all[i][(by + i) % all[i].len()].clone();
            (0..most)
                .flat_map(|k| [0, 1, 3].map(|by| (0..all.len()).map(|i| turned(i, k + by * i)).collect()))
                .collect()
        }
    }
}

fn constant(h: &Host, dims: &[usize]) -> Tensor {
    literal(h.clone()).broadcast_to(dims)
}

/// What is done with a label, the constants, the graph, the folded graph, and the operands.
type Check<'a> = dyn FnMut(&str, Vec<Option<Host>>, &Graph, &Graph, &[Host]) + 'a;

/// Every operation that has a rule, on constants: for each choice the case's graph, its operands, and what became of it.
fn on_constants(row: &Row, d: DType, check: &mut Check) {
    // loops might never end (and a function that is evaluated by one takes its longest at the edges), positions be out of
    // range, and checks fail
    let left_out = ["while", "scan", "gather", "scatter", "debug", "igamma", "gamma_grad", "betainc"];
    if left_out.iter().any(|name| row.name.contains(name)) {
        return;
    }
    let small = |c: &Case| !c.inputs.is_empty() && c.inputs.iter().all(|x| x.aval().size() < 20);
    for case in (row.cases)(d).into_iter().filter(small).take(2) {
        for chosen in choices(&case.inputs) {
            let avals: Vec<Aval> = case.inputs.iter().map(|h| h.aval().clone()).collect();
            let g = trace(&avals, |x| {
                let operand = |(i, c): (usize, &Option<Host>)| c.as_ref().map_or(x[i], |c| constant(c, &x[i].dims()));
                (case.f)(&chosen.iter().enumerate().map(operand).collect::<Vec<_>>())
            });
            check(&format!("{} of {d}, {}", row.name, case.label), chosen, &g, &fold(&g), &case.inputs);
        }
    }
}

#[test]
fn folding_changes_no_value() {
    let mut folded = 0;
    for row in TABLE.iter().copied().flatten() {
        for d in DType::ALL.into_iter().filter(|d| (row.dtypes)(*d)) {
            on_constants(row, d, &mut |label, chosen, g, h, inputs| {
                if names(&dce(g, &vec![true; g.outs.len()]).graph) == names(&dce(h, &vec![true; h.outs.len()]).graph) {
                    return;
                }
                folded += 1;
                assert!(same_values(&h.eval(inputs), &g.eval(inputs)), "{label} {chosen:?}:\n{g}\nbecomes\n{h}");
            });
        }
    }
    assert!(folded > 5000, "only {folded} programs had something to fold");
}

/// What is folded to a constant is what XLA computes, when it does not know the operands.
#[test]
fn folding_equals_xla() {
    let mut compared = 0;
    for row in TABLE.iter().copied().flatten() {
        for d in DType::ALL.into_iter().filter(|d| (row.dtypes)(*d)) {
            let mut wanted: Vec<(Vec<Host>, Host)> = vec![];
            on_constants(row, d, &mut |_, chosen, g, h, inputs| {
                let h = dce(h, &vec![true; h.outs.len()]).graph;
                let known: Option<Vec<Host>> = chosen.into_iter().collect();
                if g.outs.len() == 1
                    && names(&h) == "full"
                    && inputs.iter().all(|x| x.dims() == inputs[0].dims())
                    && let Some(known) = known
                {
                    let y = h.eval(inputs).swap_remove(0);
                    wanted.extend((y.aval().size() > 0).then(|| (known, y.pick([], |_| 0))));
                }
            });
            // (a subnormal passes through `x * 1`, here and in XLA when it knows the 1; its CPU programs flush it to zero)
            let subnormal = |h: &Host| h.dtype().is_float() && h.to_f64()[0] != 0.0 && h.to_f64()[0].abs() < 1e-38;
            wanted.retain(|(x, _)| x.len() <= 3 && !x.iter().any(subnormal));
            if wanted.is_empty() {
                continue;
            }
            // one program on the column of all operands
            let n = wanted.len();
            let column = |i: usize| {
                let scalars: Vec<Host> = wanted.iter().map(|(x, _)| x[i].clone()).collect();
                Array::from_host(&Host::stack(scalars[0].aval(), &scalars)).unwrap()
            };
            let columns: Vec<Array> = (0..wanted[0].0.len()).map(column).collect();
            let Some(case) = (row.cases)(d).into_iter().find(|c| c.inputs.iter().all(|x| x.aval().rank() == 0)) else {
                continue;
            };
            let f = jit(|x: Vec<Tensor>| raxla::vmap(|x: Vec<Tensor>| (case.f)(&x)[0])(x));
            let have = f.call((columns,)).unwrap().to_host().unwrap();
            for (i, (x, want)) in wanted.iter().enumerate() {
                let have = have.at(i).pick([], |_| 0);
                assert!(have.same_bits(want), "{} of {x:?}: {have:?}, not {want:?}", row.name);
            }
            compared += n;
        }
    }
    assert!(compared > 1000, "only {compared} results were compared");
}

#[test]
fn only_what_is_exact_is_folded() {
    let x = [f32s(&[3])];
    let left = |f: fn(Tensor) -> Tensor| names(&optimized(&trace(&x, |x| vec![f(x[0])])));
    let c = |v: f64| full([3], DType::F32, v);
    // identities
    for f in [|x| x * 1.0, |x| x / 1.0, |x| x - 0.0, |x| x + -0.0, |x: Tensor| 1.0 * x] {
        assert_eq!(left(f), "");
    }
    // -0 + 0 is 0, 0 - -0 is 0, and NaN or infinity times 0 is NaN
    assert_eq!(left(|x| x + 0.0), "full add");
    assert_eq!(left(|x| x - -0.0), "full sub");
    assert_eq!(left(|x| x * 0.0), "full mul");
    assert_eq!(left(|x| 0.0 - x), "full sub");
    assert_eq!(names(&optimized(&trace(&[], |_| vec![(c(2.0) + c(0.5)) * c(4.0) - 1.0]))), "full");
    // approximated differently, or flushed to zero, or divided with another rounding
    assert_eq!(names(&optimized(&trace(&[], |_| vec![c(2.0).exp()]))), "full exp");
    assert_eq!(names(&optimized(&trace(&[], |_| vec![c(1e-30) * c(1e-10)]))), "full full mul");
    assert_eq!(names(&optimized(&trace(&[], |_| vec![c(1.0) / c(3.0)]))), "full full div");
    // integers wrap
    let g = optimized(&trace(&[], |_| vec![(full([2], DType::U8, 200) + 100) / 2]));
    assert_eq!((names(&g).as_str(), g.eval(&[])[0].to_ints()), ("full", vec![22, 22]));
    let int = |f: fn(Tensor) -> Tensor| names(&optimized(&trace(&[Aval::new(DType::I32, [3])], |x| vec![f(x[0])])));
    assert_eq!([int(|x| x * 0), int(|x| x + 0), int(|x| (x << 0) | 0)], ["full", "", ""]);
    // movements of constants, choices between them
    let moved = trace(&x, |x| {
        let ones = full([], DType::F32, 1.0).broadcast_to([2, 3]).transpose([1, 0]).slice_axis(0, 0..2);
        let chosen = where_(ones.gt(0.5), ones.cast(DType::BF16), 7.0);
        vec![chosen, where_(full([3], DType::Bool, false), x[0].exp(), x[0])]
    });
    assert_eq!(names(&optimized(&moved)), "full");
}

#[test]
fn folding_keeps_derivatives() {
    let g = trace(&[Aval::new(DType::F64, [3])], |x| {
        vec![((x[0] * 1.0).sin() * (x[0] - 0.0) + -0.0).stop_gradient() * x[0]]
    });
    let h = fold(&g);
    let slope = |g: &Graph| {
        let x = [sample(DType::F64, &[3], 1)];
        trace(&[x[0].aval().clone()], |x| vec![grad(|x: Tensor| inline(g, &[x])[0].sum(0))(x[0])]).eval(&x)
    };
    assert_eq!(names(&dce(&h, &[true]).graph), "sin mul stop_gradient mul");
    assert!(same_values(&slope(&g), &slope(&h)));
}

// ---- common subexpressions ------------------------------------------------------------------------------------------

#[test]
fn what_is_computed_twice_is_computed_once() {
    let g = trace(&[f32s(&[2, 3])], |x| {
        let (a, b) = (x[0].exp().transpose([1, 0]), x[0].exp().transpose([1, 0]));
        let numbers = iota([3, 2], DType::F32, 0) * iota([3, 2], DType::F32, 0) + iota([3, 2], DType::F32, 1);
        vec![a * b + numbers * 2.0 * 2.0, x[0].sum(0), x[0].sum(1), x[0].sum(0)]
    });
    let h = optimized(&g);
    assert_eq!(names(&h), "exp transpose iota mul iota add mul full mul mul add reduce_sum reduce_sum");
    assert_eq!(h.outs[1], h.outs[3]);
    let x = [sample(DType::F32, &[2, 3], 1)];
    assert!(same_values(&h.eval(&x), &g.eval(&x)));
    // the first of the two remains, with its line
    let line = |g: &Graph, name: &str| g.eqns.iter().find(|e| e.prim.name() == name).unwrap().site.at.line();
    assert_eq!(line(&h, "transpose"), line(&g, "transpose"));
    assert!(h.eqns.iter().all(|e| e.site.at.file().ends_with("tests/passes.rs")));
    // 0 and -0 are two constants, and so are long ones that print alike
    let zeros =
        trace(&[], |_| vec![full([3], DType::F32, 0.0), full([3], DType::F32, -0.0), full([3], DType::F32, 0.0)]);
    assert_eq!(cse(&zeros).count(), 2);
    let long =
        |last: f64| Host::floats(DType::F32, [40], (0..40).map(|i| if i == 39 { last } else { i as f64 }).collect());
    let lists = trace(&[], |_| [1.0, 2.0, 1.0].map(|x| literal(long(x))).to_vec());
    assert_eq!(cse(&lists).count(), 2);
}

#[test]
fn what_is_meant_to_run_twice_does() {
    let x = [f32s(&[3])];
    let twice = trace(&x, |x| vec![optimization_barrier(x[0]).exp() + optimization_barrier(x[0]).exp()]);
    assert_eq!(names(&optimized(&twice)), names(&twice));
    // first runs are one, second runs are two
    let f = remat(|x: Tensor| x.sin().exp());
    let g = trace(&x, |x| {
        let slope = |x: Tensor| grad(|x: Tensor| f(x).sum(0))(x);
        vec![f(x[0]), f(x[0]), slope(x[0]), slope(x[0])]
    });
    let runs = |g: &Graph| {
        let all: Vec<String> =
            g.eqns.iter().map(|e| format!("{:?}", e.prim)).filter(|t| t.starts_with("remat[")).collect();
        (all.len(), all.iter().filter(|t| t.contains(" again]")).count())
    };
    assert_eq!((runs(&g), runs(&optimized(&g))), ((6, 2), (3, 2)));
    let custom = |policy: fn() -> Policy| {
        let run =
            |x: Tensor, policy| remat_with(RematOptions { policy, ..RematOptions::default() }, |x: Tensor| x.sin())(x);
        cse(&trace(&x, |x| vec![run(x[0], policy()), run(x[0], policy())])).count()
    };
    // (each is an equation with one inside)
    assert_eq!(custom(|| Policy::SaveDots), 2);
    assert_eq!(custom(|| Policy::Custom(Arc::new(|_, _| true))), 4, "closures cannot be compared");
}

#[test]
fn effects_and_closures_are_left_alone() {
    let x = [f32s(&[2])];
    let call = |has_effect: bool| CustomCall { has_effect, ..CustomCall::new("k", [f32s(&[2])]) };
    let count = |calls: [CustomCall; 2]| {
        let g = trace(&x, |x| calls.iter().flat_map(|c| c.clone().call(x)).collect());
        optimized(&g).count()
    };
    assert_eq!(count([call(false), call(false)]), 1);
    assert_eq!(count([call(true), call(true)]), 2);
    assert_eq!(count([call(false), CustomCall { attributes: vec![("n".into(), 1i32.into())], ..call(false) }]), 2);
    let reference: Rc<Reference> = Rc::new(|x| x.to_vec());
    let with = |r: Rc<Reference>| CustomCall { reference: Some(r), ..call(false) };
    assert_eq!(count([with(reference.clone()), with(reference.clone())]), 1);
    assert_eq!(count([with(reference), with(Rc::new(|x| x.to_vec()))]), 2);
    // an effect whose result nobody reads stays, in a loop as well
    let unread = trace(&x, |x| {
        call(true).call(x);
        fori_loop(0, 3, |_, y: Tensor| call(true).call(&[y])[0], x[0]);
        vec![x[0] * 1.0]
    });
    assert_eq!(names(&optimized(&unread)), "custom_call scan[custom_call]");
}

// ---- inner graphs ---------------------------------------------------------------------------------------------------

/// Programs with something to do in every kind of inner graph.
fn programs() -> Vec<(&'static str, Graph, &'static str)> {
    let x = [f32s(&[3]), f32s(&[4, 3])];
    // exp twice, a product with one, and something that nobody needs
    let wasteful = |x: Tensor| {
        let _ = x.cos();
        (x * 1.0).exp() * x.exp()
    };
    let custom =
        custom_vjp(wasteful, move |x: Tensor| (wasteful(x), x), |x: Tensor, ct: Tensor| x.cos() * ct * 1.0 + x.cos());
    let forward = custom_jvp(wasteful, move |x: Tensor, dx: Tensor| (wasteful(x), wasteful(x) * dx));
    vec![
        (
            "scan",
            trace(&x, |x| {
                let (c, ys) = scan(|c: Tensor, x: Tensor| (wasteful(c), wasteful(x)), x[0], x[1]);
                vec![c, ys]
            }),
            "scan[exp mul exp mul]",
        ),
        (
            "while",
            trace(&x, |x| {
                let small = |c: Tensor| c.sum(0).lt(1e3) & c.sum(0).lt(1e3);
                vec![while_loop(small, |c| wasteful(c) + 1.0, x[0].abs())]
            }),
            "abs while[reduce_sum full lt and][full exp mul add]",
        ),
        (
            "cond",
            trace(&x, |x| vec![cond(x[0].sum(0).gt(0.0), wasteful, |x: Tensor| x * 1.0, x[0])]),
            "reduce_sum full gt convert cond[][exp mul]",
        ),
        ("remat", trace(&x, |x| vec![remat(wasteful)(x[0])]), "remat[exp mul]"),
        ("custom_vjp", trace(&x, |x| vec![custom(x[0])]), "custom_vjp[exp mul][exp mul][cos mul add]"),
        ("custom_jvp", trace(&x, |x| vec![forward(x[0])]), "custom_jvp[exp mul][exp mul mul]"),
        (
            "nested",
            trace(&x, |x| {
                let step =
                    |c: Tensor, x: Tensor| (cond(c.sum(0).gt(0.0), remat(wasteful), |c: Tensor| c, c), wasteful(x));
                let (c, ys) = scan(step, x[0], x[1]);
                vec![c, ys]
            }),
            "scan[reduce_sum full gt convert cond[][remat[exp mul]] exp mul]",
        ),
    ]
}

#[test]
fn inner_graphs_are_optimized() {
    let x = [sample(DType::F32, &[3], 1), sample(DType::F32, &[4, 3], 2)];
    for (name, g, want) in programs() {
        let (h, passes) = optimize(&g);
        assert_eq!(names(&h), want, "{name}");
        assert!(same_values(&h.eval(&x), &g.eval(&x)), "{name}");
        assert!(passes[1..3].iter().all(|p| p.removed > 0), "{name}: {passes:?}");
        let removed: usize = passes.iter().map(|p| p.removed).sum();
        assert_eq!(g.count() - removed, h.count(), "{name}: {passes:?}");
        // nothing is left to do
        let (again, passes) = optimize(&h);
        assert_eq!((names(&again), passes.iter().map(|p| p.removed).sum()), (names(&h), 0usize), "{name}");
        // each pass alone changes no value either
        assert!(same_values(&fold(&g).eval(&x), &g.eval(&x)) && same_values(&cse(&g).eval(&x), &g.eval(&x)), "{name}");
    }
}

#[test]
fn operands_that_a_body_no_longer_reads_are_dropped() {
    let g = trace(&[f32s(&[3]), Aval::new(DType::I32, [3])], |x| {
        let unread = x[1] + 1;
        fori_loop(0, 3, |_, c: Tensor| c.sin() + (unread * 0).cast(DType::F32) * c, x[0]).leaves()
    });
    assert_eq!(names(&optimized(&g)), "scan[sin full mul add]");
    assert_eq!(optimized(&g).eqns[0].ins.len(), 1);
}

#[test]
fn gradients_stay_the_same() {
    let layer = |x: Tensor, w: Tensor| {
        let h = einsum("bd,df->bf", x, w);
        einsum("bf,df->bd", h.sin().tanh() * h.cos(), w) * 0.01 + x
    };
    let loss = |x: Tensor, w: Tensor, ys: Tensor| {
        let (x, _) =
            scan(|x: Tensor, y: Tensor| (remat(|(x, w): (Tensor, Tensor)| layer(x, w) * y)((x, w)), ()), x, ys);
        let x = cond(x.sum(..).gt(0.0), |x: Tensor| layer(x, w), |x: Tensor| layer(x * x, w), x);
        x.softmax(-1).log().mean(..)
    };
    let avals = [f32s(&[4, 3]), f32s(&[3, 5]), f32s(&[2])];
    let g = trace(&avals, |x| {
        let (l, (dx, dw)) = value_and_grad(|(a, w): (Tensor, Tensor)| loss(a, w, x[2]))((x[0], x[1]));
        vec![l, dx, dw]
    });
    let h = optimized(&g);
    let x: Vec<Host> = avals.iter().enumerate().map(|(i, a)| sample(DType::F32, &a.dims, i as u64 + 1)).collect();
    assert!(same_values(&h.eval(&x), &g.eval(&x)));
    assert!(h.count() + 8 <= g.count(), "{} of {}", h.count(), g.count());
}

#[test]
fn jit_runs_the_passes_and_tells() {
    let f = jit(|x: Tensor| (x.exp() * 1.0 + x.exp(), x.sin()).0);
    let lowered = f.lower(&(f32s(&[3]),)).unwrap();
    assert_eq!(names(&lowered.traced), "exp full mul exp add sin");
    assert_eq!(names(&lowered.graph), "exp add");
    let removed = [("dce", 1), ("fold", 1), ("cse", 1), ("dce", 1)];
    assert_eq!(lowered.passes, removed.map(|(name, removed)| Pass { name, removed }));
    assert_eq!(lowered.text.matches("stablehlo.exponential").count(), 1);
}
