//! Rematerialization: what is kept and what is computed again, also inside loops, and that values do not change.
use raxla::{
    Graph, Policy, RematOptions, ScanOptions, checkpoint_name, cond, grad, lower::stablehlo, prelude::*, prim::sample,
    remat, remat_with, scan, scan_with, testing::*, trace::trace_graph, vmap,
};
use std::sync::Arc;

fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
fn f64s(dims: &[usize], seed: u64) -> Host {
    sample(DType::F64, dims, seed)
}
fn trace(avals: &[Aval], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Graph {
    trace_graph(avals, f).unwrap()
}
fn with(policy: Policy) -> RematOptions {
    RematOptions { policy, ..RematOptions::default() }
}
fn policies() -> Vec<Policy> {
    let names = |n: &[&str]| n.iter().map(ToString::to_string).collect::<Vec<_>>();
    vec![
        Policy::SaveNothing,
        Policy::SaveEverything,
        Policy::SaveDots,
        Policy::SaveDotsWithoutBatchAxes,
        Policy::SaveNames(names(&["dot"])),
        Policy::SaveAndOffloadNames { save: names(&["sin"]), offload: names(&["dot"]) },
        Policy::Custom(Arc::new(|p, _| p.name() == "exp")),
    ]
}
/// A step whose dot and sine have names.
fn step(c: Tensor, w: Tensor) -> Tensor {
    let dot = checkpoint_name(einsum("bi,io->bo", c, w), "dot");
    checkpoint_name(dot.sin(), "sin").exp() * dot
}
/// How often an operation stands in the gradient by the second argument of a function of `[2, 3]` and `[4, 3, 3]`.
fn count(name: &str, policy: Policy, f: impl Fn((Tensor, Tensor)) -> Tensor) -> usize {
    let g = trace(&[f32s(&[2, 3]), f32s(&[4, 3, 3])], |x| {
        vec![grad(|w: Tensor| remat_with(with(policy.clone()), &f)((x[0], w)).sum(..))(x[1])]
    });
    g.verify().unwrap();
    g.to_string().matches(&format!(" = {name}")).count()
}

fn looped((x, w): (Tensor, Tensor)) -> Tensor {
    scan(|c: Tensor, w: Tensor| (step(c, w), ()), x, w).0
}
fn branching((x, w): (Tensor, Tensor)) -> Tensor {
    let w = w.sum(0);
    let long = |x: Tensor| step(step(x, w), w).sin();
    cond(x.sum(..).gt(0.0), |x: Tensor| step(x, w), long, x)
}
fn nested((x, w): (Tensor, Tensor)) -> Tensor {
    let inner = remat(|(c, w): (Tensor, Tensor)| step(c, w));
    scan(|c: Tensor, w: Tensor| (inner((c, w)), c.sum(1)), x, w).1
}
fn deep((x, w): (Tensor, Tensor)) -> Tensor {
    let inner = |c: Tensor, w: Tensor| scan(|c: Tensor, w: Tensor| (step(c, w), c), c, w.expand_dims(0));
    let (c, ys) = scan(inner, x, w);
    ys.sum(..) + c.sum(..)
}

#[test]
fn policies_apply_inside_loops_branches_and_calls() {
    let names = |n: &str| Policy::SaveNames(vec![n.into()]);
    // one forwards and two for the derivative, and one more where it is made again
    assert_eq!(count("DotGeneral", Policy::SaveNothing, looped), 4);
    for policy in [Policy::SaveDots, Policy::SaveDotsWithoutBatchAxes, names("dot")] {
        assert_eq!(count("DotGeneral", policy.clone(), looped), 3, "{policy:?}");
        // the sine is made again: it is named by another
        assert_eq!(count("Sin", policy, looped), 2);
    }
    assert_eq!((count("DotGeneral", names("sin"), looped), count("Sin", names("sin"), looped)), (4, 1));
    assert_eq!(count("Exp", Policy::Custom(Arc::new(|p, _| p.name() == "exp")), looped), 1);
    assert_eq!(count("Exp", Policy::SaveNothing, looped), 2);
    assert_eq!(count("DotGeneral", Policy::SaveNothing, deep), 4);
    assert_eq!(count("DotGeneral", Policy::SaveDots, deep), 3);
    // three dots in the branches with four derivatives (the first ones in a branch need none by x)
    assert_eq!(count("DotGeneral", Policy::SaveNothing, branching), 10);
    assert_eq!(count("DotGeneral", Policy::SaveDots, branching), 7);
    // the inner function has its own policy for its own way back; the outer one keeps the dots of the first run
    let outer = |policy| count("DotGeneral", policy, nested);
    assert_eq!((outer(Policy::SaveNothing), outer(Policy::SaveDots)), (5, 4));
}

#[test]
fn only_what_a_policy_names_passes_between_the_runs() {
    let g = trace(&[f32s(&[2, 3]), f32s(&[4, 3, 3])], |x| {
        let f = remat_with(with(Policy::SaveDots), looped);
        vec![grad(|w: Tensor| f((x[0], w)).sum(..))(x[1])]
    });
    let first = g.eqns.iter().find(|e| e.prim.name() == "remat").expect("the first run");
    let kept: Vec<&Aval> = first.outs.iter().map(|v| g.aval(*v)).collect();
    assert_eq!(kept, [&f32s(&[2, 3]), &f32s(&[4, 2, 3])], "the result, and a dot for each step\n{g}");
}

#[test]
fn values_and_derivatives_are_those_without_remat() {
    let (x, w) = (f64s(&[2, 3], 1), sample(DType::F64, &[4, 3, 3], 2));
    let args = [x.clone(), w.clone()];
    let plain = |f: &dyn Fn((Tensor, Tensor)) -> Tensor, t: &[Tensor]| {
        let scalar = |(x, w): (Tensor, Tensor)| f((x, w)).sum(..);
        let second = |(x, w): (Tensor, Tensor)| {
            let (dx, dw) = grad(scalar)((x, w));
            (dx * dx).sum(..) + (dw * w).sum(..)
        };
        let (a, b) = grad(scalar)((t[0], t[1]));
        let (c, d) = grad(second)((t[0], t[1]));
        let (e, h) = vmap(|s: Tensor| grad(scalar)((t[0] * s, t[1])))(arange(2, DType::F64) + 0.5);
        vec![f((t[0], t[1])), a, b, c, d, e, h]
    };
    let avals: Vec<Aval> = args.iter().map(|h| h.aval().clone()).collect();
    let small: [&dyn Fn((Tensor, Tensor)) -> Tensor; 4] = [&looped, &branching, &nested, &deep];
    for (i, f) in small.iter().enumerate() {
        let f = |(x, w): (Tensor, Tensor)| f((x * 0.3, w * 0.3));
        let want = trace(&avals, |t| plain(&f, t)).eval(&args);
        for policy in policies() {
            let options = with(policy);
            let g = trace(&avals, |t| plain(&|x| remat_with(options.clone(), f)(x), t));
            for (have, want) in g.eval(&args).iter().zip(&want) {
                close(have, want, 1e-9).unwrap_or_else(|e| panic!("function {i}, {options:?}: {e}"));
            }
        }
        check_vmap(|t| vec![remat_with(with(Policy::SaveDots), f)((t[0], t[1]))], &args).unwrap();
    }
    // compiled: each layer of a loop by itself, and the loop as a whole
    let layers = |options: RematOptions| {
        move |x: Tensor, w: Tensor| {
            let layer = |c: Tensor, w: Tensor| (remat_with(options.clone(), |(c, w)| step(c, w))((c, w)), ());
            grad(|(x, w): (Tensor, Tensor)| scan(layer, x, w).0.sum(..))((x, w))
        }
    };
    let (x, w) = (Array::from_host(&x).unwrap(), Array::from_host(&w).unwrap());
    let run = |f: &dyn Fn(Tensor, Tensor) -> (Tensor, Tensor)| {
        let (dx, dw) = jit(|x: Tensor, w: Tensor| f(x * 0.3, w * 0.3)).call((&x, &w)).unwrap();
        [dx.to_host().unwrap(), dw.to_host().unwrap()]
    };
    let want = run(&|x, w| grad(|(x, w): (Tensor, Tensor)| looped((x, w)).sum(..))((x, w)));
    for policy in policies() {
        let options = with(policy);
        let whole = |x: Tensor, w: Tensor| {
            let f = remat_with(options.clone(), looped);
            grad(|(x, w): (Tensor, Tensor)| f((x, w)).sum(..))((x, w))
        };
        for have in [run(&layers(options.clone())), run(&whole)] {
            have.iter().zip(&want).for_each(|(have, want)| assert_close(have, want, 1e-9));
        }
    }
}

#[test]
fn offloaded_values_are_moved_away_and_back() {
    let policy = Policy::SaveAndOffloadNames { save: vec!["sin".into()], offload: vec!["dot".into()] };
    assert_eq!(format!("{policy:?}"), "save sin, offload dot");
    let g = trace(&[f32s(&[2, 3]), f32s(&[3, 3])], |x| {
        let f = remat_with(with(policy.clone()), |(x, w): (Tensor, Tensor)| step(x, w));
        vec![grad(|w: Tensor| f((x[0], w)).sum(..))(x[1])]
    });
    let text = stablehlo(&g, &[], false);
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("annotate_device_placement")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    // as JAX writes it
    let placed = |kind: &str| {
        format!(
            "call_target_name = \"annotate_device_placement\", backend_config = \"\", has_side_effect = true, \
             mhlo.frontend_attributes = {{_xla_buffer_placement = \"{kind}\"}}}} : (tensor<2x3xf32>) -> tensor<2x3xf32>"
        )
    };
    assert!(lines[0].ends_with(&placed("pinned_host")) && lines[1].ends_with(&placed("device")), "{text}");
    // the value comes back behind the fence of the second run
    assert!(text.find("optimization_barrier").unwrap() < text.find(lines[1]).unwrap());
    // the second run makes neither again
    assert_eq!((count("DotGeneral", policy.clone(), looped), count("Sin", policy, looped)), (3, 1));
}

#[test]
fn a_loop_that_is_kept_whole_is_not_looked_into() {
    let options = ScanOptions { length: Some(3), ..ScanOptions::default() };
    let f = |x: Tensor| scan_with(options, |c: Tensor, ()| (c.sin(), ()), x, ()).0;
    let sines = |policy: Policy| {
        let g = trace(&[f32s(&[2])], |x| vec![grad(|x: Tensor| remat_with(with(policy.clone()), f)(x).sum(0))(x[0])]);
        g.to_string().matches(" = Sin").count()
    };
    assert_eq!(sines(Policy::SaveNothing), 2);
    assert_eq!(sines(Policy::Custom(Arc::new(|p, _| p.name() == "scan"))), 1);
}

/// Temporary bytes on a TPU and on its host of the gradient of 16 layers under a policy.
fn on_a_tpu(topology: &raxla_xla::Topology, policy: Policy) -> (i64, i64) {
    let bf16s = |dims: &[usize]| Aval::new(DType::BF16, dims);
    let g = trace(&[bf16s(&[8192, 1024]), bf16s(&[16, 1024, 1024])], |x| {
        let layer = |c: Tensor, w: Tensor| (remat_with(with(policy.clone()), |(c, w)| step(c, w))((c, w)), ());
        vec![grad(|w: Tensor| scan(layer, x[0], w).0.cast(DType::F32).sum(..))(x[1])]
    });
    let compiled = topology.compile(stablehlo(&g, &[], false).as_bytes(), &Default::default()).unwrap();
    let stats = compiled.memory_stats().unwrap();
    (stats.temporaries, stats.host_temporaries)
}

/// The plugin is large: this is skipped unless `RAXLA_TEST_DOWNLOADS=1`.
#[test]
fn offloaded_values_are_in_the_memory_of_a_tpus_host() {
    if std::env::var_os("RAXLA_TEST_DOWNLOADS").is_none_or(|v| v != "1") {
        return println!("skipped: RAXLA_TEST_DOWNLOADS=1 lets it download the TPU plugin, 137 MB");
    }
    let plugin = raxla_xla::find_plugin("tpu", None).and_then(|path| raxla_xla::Plugin::load(&path)).unwrap();
    let topology = plugin.topology("v5e:1x1", &[("chips_per_host_bounds", vec![1, 1, 1].into())]).unwrap();
    let dots = vec!["dot".to_string()];
    let saved = on_a_tpu(&topology, Policy::SaveNames(dots.clone()));
    let offloaded = on_a_tpu(&topology, Policy::SaveAndOffloadNames { save: vec![], offload: dots });
    println!("temporary bytes on the device and the host: {saved:?} saved, {offloaded:?} offloaded");
    let stacked = 16 * 8192 * 1024 * 2;
    assert!(saved.0 > stacked && saved.1 == 0, "{saved:?}");
    assert!(offloaded.0 + stacked / 2 < saved.0 && offloaded.1 >= stacked, "{offloaded:?} against {saved:?}");
}
