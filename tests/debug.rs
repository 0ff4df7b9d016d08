//! Printing and checking while programs run: what is said, how often, in which order, and how a failure looks.
use raxla::{
    Error, Mesh, P, Policy, RematOptions, cache, cond, custom_vjp, debug, debug_assert, debug_check, debug_nans,
    debug_print, fori_loop, grad, jvp, linearize, prelude::*, remat, remat_with, runtime, scan, trace::trace_graph,
    vjp, vmap, while_loop,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What programs say while this lives. Tests that listen run one after the other.
struct Heard {
    lines: Arc<Mutex<Vec<String>>>,
    _alone: MutexGuard<'static, ()>,
}
impl Heard {
    fn new() -> Heard {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = Arc::new(Mutex::new(vec![]));
        let to = lines.clone();
        debug::set_sink(Some(Box::new(move |line| to.lock().unwrap().push(line.to_string()))));
        Heard { lines, _alone: alone }
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}
impl Drop for Heard {
    fn drop(&mut self) {
        debug::set_sink(None);
    }
}

fn array(x: &[f32]) -> Array {
    Array::from_slice([x.len()], x).unwrap()
}
fn scalar(x: f32) -> Array {
    Array::scalar(x).unwrap()
}
fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}

/// What `f` says where programs cannot call the host, and so return what it is called with; `None` for loops of unknown length.
fn says_by_results(heard: &Heard, x: &[f32], f: impl Fn(Tensor) -> Tensor) -> Option<Vec<String>> {
    let lowered = jit(f).lower(&(f32s(&[x.len()]),)).unwrap().portable();
    if lowered.text.contains("raxla_debug") {
        return None;
    }
    lowered.compile(&runtime::client().unwrap()).unwrap().run((array(x),)).unwrap();
    Some(heard.take())
}
/// What `f` says and returns, compiled and interpreted alike, at a vector.
fn says(x: &[f32], f: impl Fn(Tensor) -> Tensor) -> (Vec<String>, Vec<f32>) {
    let heard = Heard::new();
    let y = jit(&f).call((array(x),)).unwrap();
    let (lines, y) = (heard.take(), y.to_host().unwrap());
    let g = trace_graph(&[f32s(&[x.len()])], |t| vec![f(t[0])]).unwrap();
    match says_by_results(&heard, x, &f) {
        Some(by_results) => assert_eq!(by_results, lines, "by results it says something else\n{g}"),
        None => assert!(g.to_string().contains("while"), "it calls the host\n{g}"),
    }
    let x = Host::floats(DType::F32, [x.len()], x.iter().map(|x| *x as f64).collect());
    let z = g.eval(&[x]).swap_remove(0);
    assert_eq!(heard.take(), lines, "the interpreter says something else\n{g}");
    raxla::testing::assert_close(&y, &z, 1e-5);
    (lines, y.to_f64().iter().map(|x| *x as f32).collect())
}
/// A gradient of the sum of `f`.
fn slope(f: impl Fn(Tensor) -> Tensor) -> impl Fn(Tensor) -> Tensor {
    grad(move |x: Tensor| f(x).sum(..))
}
fn said(x: &[f32], f: impl Fn(Tensor) -> Tensor) -> Vec<String> {
    says(x, f).0
}

#[derive(Tree, Clone)]
struct Stats<T = Tensor> {
    norm: T,
    count: T,
}

#[test]
fn values_are_printed_in_the_order_of_the_program() {
    let f = |x: Tensor| {
        debug_print("first", ());
        let y = x * 2.0;
        let stats = Stats { norm: (y * y).sum(0), count: full([], DType::I32, 3) };
        debug_print("y {} norm {norm:.1}, {{{}}}", (y, stats.clone()));
        debug_print("{1.count} {}", (x.sum(0), stats));
        debug_print("{0} then {0:.0}", (x.cast(DType::BF16),));
        debug_print("last", ());
        x
    };
    let want = ["first", "y [2. 5.] norm 29.0, {{norm: 29.0, count: 3}}", "3 3.5", "[1.  2.5] then [1 2]", "last"];
    assert_eq!(said(&[1.0, 2.5], f), want);
    let rows = said(&[1.0, 2.0, 3.5, 4.0], |x| {
        debug_print("m = {}", x.reshape([2, 2]));
        x
    });
    assert_eq!(rows, ["m = [[1.  2. ]\n     [3.5 4. ]]"]);
    let narrow = |x: Tensor| {
        let (i, b) = (x.cast(DType::I4), x.gt(1.0));
        debug_print("{} {} {} {}", (i, b, x.cast(DType::F8E4M3FN), x.cast(DType::U64)));
        x
    };
    assert_eq!(said(&[-3.0, 2.0, 1.0], narrow), ["[-3  2  1] [false  true false] [-3.  2.  1.] [0 2 1]"]);
    // a program without results, and one whose values are transposed in memory
    let heard = Heard::new();
    jit(|x: Tensor, y: Tensor| {
        let product = einsum("ij,kj->ki", x, y);
        debug_print("{}", product);
        debug_print("{}", x.transpose([1, 0]));
    })
    .call((Array::from_slice([2, 2], &[1f32, 2., 3., 4.]).unwrap(), Array::from_slice([1, 2], &[1f32, 10.]).unwrap()))
    .unwrap();
    assert_eq!(heard.take(), ["[[21. 43.]]", "[[1. 3.]\n [2. 4.]]"]);
}

#[test]
fn loops_and_branches_print_as_often_as_they_run() {
    let looped = |x: Tensor| {
        let step = |c: Tensor, x: Tensor| {
            debug_print("c {} x {}", (c, x));
            (c + x, c)
        };
        let (c, _) = scan(step, x.like(0.0).sum(0), x);
        debug_print("end {}", c);
        c
    };
    let want = ["c 0.0 x 1.0", "c 1.0 x 2.0", "c 3.0 x 3.0", "end 6.0"];
    assert_eq!(says(&[1., 2., 3.], looped), (want.map(String::from).to_vec(), vec![6.0]));
    for unroll in [2, 3] {
        let options = raxla::ScanOptions { unroll, reverse: true, ..Default::default() };
        let f = |x: Tensor| {
            raxla::scan_with(
                options,
                |c: Tensor, x: Tensor| {
                    debug_print("{}", x);
                    (c, ())
                },
                x,
                x,
            )
            .0
        };
        assert_eq!(said(&[1., 2., 3.], f), ["3.0", "2.0", "1.0"], "unroll {unroll}");
    }
    let halve = |x: Tensor| {
        let holds = |x: Tensor| {
            debug_print("is {} large?", x);
            x.sum(0).gt(1.0)
        };
        let body = |x: Tensor| {
            debug_print("yes, {}", x);
            x / 2.0
        };
        while_loop(holds, body, x)
    };
    let want = ["is [4.] large?", "yes, [4.]", "is [2.] large?", "yes, [2.]", "is [1.] large?"];
    assert_eq!(said(&[4.0], halve), want);
    let choose = |x: Tensor| {
        let print = |what: &'static str| {
            move |x: Tensor| {
                debug_print(&format!("{what} {{}}"), x);
                x
            }
        };
        debug_print("before", ());
        let x = cond(x.sum(0).gt(0.0), print("positive"), |x: Tensor| x * 2.0, x);
        debug_print("after", ());
        cond(x.sum(0).gt(0.0), print("still"), print("negative"), x)
    };
    assert_eq!(said(&[1.0], choose), ["before", "positive [1.]", "after", "still [1.]"]);
    assert_eq!(said(&[-1.0], choose), ["before", "after", "negative [-2.]"]);
    let nested = |x: Tensor| {
        fori_loop(
            0,
            2,
            |i, x: Tensor| {
                let inner = |j: Tensor, x: Tensor| {
                    debug_print("{} {}", (i, j));
                    x
                };
                cond(i.gt(0), |x: Tensor| fori_loop(0, 2, inner, x), |x: Tensor| x, x)
            },
            x,
        )
    };
    assert_eq!(said(&[1.0], nested), ["1 0", "1 1"]);
}

#[test]
fn effects_are_neither_dropped_nor_repeated_by_derivatives() {
    let f = |x: Tensor| {
        let y = x.sin();
        debug_print("y {:.2}", y);
        debug_check(y * y, "square")
    };
    let once = ["y [0.84]"];
    assert_eq!(said(&[1.0], f), once);
    assert_eq!(said(&[1.0], slope(f)), once);
    assert_eq!(said(&[1.0], |x| jvp(f, x, x).1), once);
    assert_eq!(said(&[1.0], slope(slope(f))), once);
    assert_eq!(said(&[1.0], |x| linearize(f, x).1(x)), once);
    assert_eq!(said(&[1.0], |x| raxla::hessian(|x: Tensor| f(x).sum(0))(x)), once);
    // what nothing needs is printed all the same
    assert_eq!(
        said(&[1.0], |x| {
            f(x.exp().log());
            x
        }),
        once
    );
    let policies = [Policy::SaveNothing, Policy::SaveEverything, Policy::SaveDots];
    for policy in policies {
        let options = RematOptions { policy, ..RematOptions::default() };
        let remat = |x: Tensor| remat_with(options.clone(), f)(x);
        assert_eq!(said(&[1.0], slope(remat)), once, "{options:?}");
        assert_eq!(said(&[1.0], slope(slope(remat))), once, "{options:?}");
    }
}

#[test]
fn loops_inside_derivatives_print_once_per_step() {
    let body = |c: Tensor, x: Tensor| {
        let y = c * x;
        debug_print("{}", y);
        (y.sin() + y, y)
    };
    let looped = move |x: Tensor| scan(body, x.sum(0), x).0;
    let want = said(&[1.0, 2.0], looped);
    assert_eq!(want.len(), 2);
    for f in [
        &slope(looped) as &dyn Fn(Tensor) -> Tensor,
        &slope(slope(looped)),
        &slope(remat(looped)),
        &|x| jvp(looped, x, x).1,
        &slope(|x: Tensor| scan(|c, x| remat(|(c, x): (Tensor, Tensor)| body(c, x))((c, x)), x.sum(0), x).0),
    ] {
        assert_eq!(said(&[1.0, 2.0], f), want);
    }
    // the loop of tangents of a while loop computes its values again, but says nothing
    let counted = |x: Tensor| {
        let body = |(i, c): (Tensor, Tensor)| {
            debug_print("step {} {}", (i, c));
            (i + 1, c * x)
        };
        while_loop(|(i, _): (Tensor, Tensor)| i.lt(2), body, (full([], DType::I32, 0), x)).1
    };
    let want = ["step 0 [3.]", "step 1 [9.]"];
    assert_eq!(said(&[3.0], counted), want);
    assert_eq!(said(&[3.0], |x| jvp(counted, x, x).1), want);
    assert_eq!(said(&[3.0], |x| linearize(counted, x).1(x)), want);
    // a loop inside remat: the second run makes the values again, without a word
    let wide = |x: Tensor| {
        let g = trace_graph(&[f32s(&[2])], |x| vec![slope(remat(looped))(x[0])]).unwrap();
        assert_eq!(g.to_string().matches("debug_print").count(), 1, "{g}");
        slope(remat(looped))(x)
    };
    assert_eq!(said(&[1.0, 2.0], wide).len(), 2);
    let choose = |x: Tensor| {
        let print = |x: Tensor| {
            debug_print("taken", ());
            x.sin()
        };
        cond(x.sum(0).gt(0.0), print, |x: Tensor| x, x)
    };
    assert_eq!(said(&[1.0], slope(choose)), ["taken"]);
    assert_eq!(said(&[1.0], slope(remat(choose))), ["taken"]);
    assert!(said(&[-1.0], slope(slope(choose))).is_empty());
}
#[test]
fn backward_rules_may_print_cotangents() {
    let show = custom_vjp(
        |x: Tensor| x,
        |x: Tensor| (x, ()),
        |(), ct: Tensor| {
            debug_print("cotangent {}", ct);
            ct
        },
    );
    assert_eq!(said(&[1.0, 2.0], slope(|x: Tensor| show(x) * 3.0)), ["cotangent [3. 3.]"]);
    let looped = |x: Tensor| scan(|c: Tensor, x: Tensor| (show(c) * x, ()), x.sum(0), x).0;
    assert_eq!(said(&[1.0, 2.0], slope(looped)), ["cotangent 2.0", "cotangent 2.0"]);
    assert_eq!(said(&[1.0, 2.0], slope(remat(looped))), ["cotangent 2.0", "cotangent 2.0"]);
}

#[test]
fn a_batch_prints_for_each_instance() {
    let f = |x: Tensor| {
        debug_print("{}", x);
        debug_print("shared", ());
        x
    };
    assert_eq!(said(&[1.0, 2.0, 3.0], vmap(f)), ["1.0", "2.0", "3.0", "shared"]);
    let outer = |x: Tensor| {
        let pairs = |y: Tensor| {
            vmap(|x: Tensor| {
                debug_print("{} {}", (x, y));
                x * y
            })(x)
        };
        vmap(pairs)(x * 10.0)
    };
    assert_eq!(said(&[1.0, 2.0], outer), ["1.0 10.0", "2.0 10.0", "1.0 20.0", "2.0 20.0"]);
    assert_eq!(said(&[1.0, 2.0], |x| vmap(slope(f))(x)), ["1.0", "2.0", "shared"]);
    assert!(said(&[], vmap(f)) == ["shared"]);
    // only the branch that an instance takes, and only the steps that it makes
    let choose = |x: Tensor| {
        let say = |what: &'static str| {
            move |x: Tensor| {
                debug_print(&format!("{what} {{}}"), x);
                x * 2.0
            }
        };
        cond(x.gt(0.0), say("positive"), say("negative"), x)
    };
    assert_eq!(said(&[1.0, -2.0, 3.0], vmap(choose)), ["positive 1.0", "negative -2.0", "positive 3.0"]);
    let count = |x: Tensor| {
        let body = |x: Tensor| {
            debug_print("{}", x);
            x - 1.0
        };
        while_loop(|x: Tensor| x.gt(0.0), body, x)
    };
    assert_eq!(said(&[1.0, 3.0], vmap(count)), ["1.0", "3.0", "2.0", "1.0"]);
    assert_eq!(said(&[1.0, -2.0], slope(vmap(choose))), ["positive 1.0", "negative -2.0"]);
}

#[derive(Tree, Clone)]
struct Layer<T = Tensor> {
    w: T,
    b: Option<T>,
    n: T,
}

#[test]
fn a_check_names_the_leaf_the_element_and_the_line() {
    let f = jit(|x: Tensor| {
        let y = x.log();
        let layer = Layer { w: y.reshape([2, 2]), b: Some(1.0 / y), n: full([], DType::I32, 1) };
        scope("mlp", || debug_check(layer, "layer 3")).w
    });
    let line = line!() - 2;
    let x = |v: [f32; 4]| array(&v);
    assert_eq!(f.call((x([2., 3., 4., 5.]),)).unwrap().dims(), [2, 2]);
    let e = f.call((x([2., -1., 0., -1.]),)).unwrap_err();
    let want = format!(
        "debug_check: leaf `w` of `layer 3` (f32[2, 2]) has 2 NaN and 1 infinite of 4 elements, the first at [0, 1]\n  leaf \
         `b` (f32[4]) has 2 NaN of 4 elements, the first at [1]\n  at tests/debug.rs:{line} in mlp"
    );
    assert_eq!(e.to_string(), want);
    assert!(matches!(e, Error::Check(_)), "{e:?}");
    let e = f.call((x([1., 2., 3., 4.]),)).unwrap_err();
    assert!(e.to_string().starts_with("debug_check: leaf `b` of `layer 3` (f32[4]) has 1 infinite of"), "{e}");
    // later calls, of this program and of others, still work
    assert_eq!(f.call((x([2., 3., 4., 5.]),)).unwrap().to_vec::<f32>().unwrap()[0], 2f32.ln());
    let e = jit(|x: Tensor| debug_check(x, "x").sum(0)).call((array(&[f32::NAN; 3]),)).unwrap_err();
    assert!(e.to_string().contains("`x` (f32[3]) has 3 NaN of 3 elements, the first at [0]"), "{e}");
    let e = jit(|x: Tensor| debug_check(x, "loss")).call((scalar(f32::INFINITY),)).unwrap_err();
    assert!(e.to_string().contains("`loss` (f32[]) has 1 infinite\n"), "{e}");
}

#[test]
fn every_float_dtype_is_checked() {
    for d in DType::ALL.into_iter().filter(|d| d.is_float() && !d.is_storage()) {
        let f = jit(move |x: Tensor| debug_check(x.cast(d), "x"));
        f.call((array(&[0.0, -0.0, 1.5, 15.0, -1.0]),)).unwrap();
        let e = f.call((array(&[0.0, 1.0, 2.0, 3.0, f32::NAN]),)).unwrap_err();
        assert!(e.to_string().contains("has 1 NaN of 5 elements, the first at [4]"), "{d}: {e}");
    }
}

#[test]
fn checks_work_under_every_transformation() {
    let log = |x: Tensor| debug_check(x.log(), "log");
    let fails = |f: &dyn Fn(Tensor) -> Tensor, x: &[f32], what: &str| {
        let e = jit(|x: Tensor| f(x)).call((array(x),)).map(|_| ()).expect_err("the check fails");
        assert!(e.to_string().contains(what), "{e}");
        let g = trace_graph(&[f32s(&[x.len()])], |t| vec![f(t[0])]).unwrap();
        let x = Host::floats(DType::F32, [x.len()], x.iter().map(|x| *x as f64).collect());
        let panic = catch_unwind(AssertUnwindSafe(|| g.eval(&[x]))).expect_err("the interpreter panics");
        assert_eq!(*panic.downcast::<String>().unwrap(), e.to_string());
    };
    let at = "debug_check: `log` (f32[3]) has 1 NaN of 3 elements, the first at [1]\n  at tests/debug.rs:";
    let x = [1.0, -1.0, 2.0];
    fails(&log, &x, at);
    fails(&slope(log), &x, at);
    fails(&slope(remat(log)), &x, at);
    fails(&|x| jvp(log, x, x).1, &x, at);
    fails(&|x| vjp(log, x).1(x), &x, at);
    fails(&vmap(log), &x, "`log` (f32[]) has 1 NaN\n  in instance [1] of vmap\n");
    fails(&|x| scan(|c: Tensor, x: Tensor| (c + log(x), ()), x.sum(0), x).0, &x, "`log` (f32[]) has 1 NaN\n");
    fails(&|x| vmap(vmap(log))(x.reshape([1, 3])), &x, "in instance [0, 1] of vmap");
    // a branch that is not taken is not checked, also where instances choose differently
    let guarded = |x: Tensor| cond(x.gt(0.0), log, |x: Tensor| x, x);
    let y = jit(move |x: Tensor| vmap(guarded)(x)).call((array(&[1.0, -1.0]),)).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0, -1.0]);
}

#[test]
fn the_first_failure_stops_the_program() {
    let heard = Heard::new();
    let f = jit(|x: Tensor| {
        debug_print("before {}", x);
        let x = debug_check(x, "first");
        debug_check(x, "second");
        debug_print("after", ());
    });
    let e = f.call((array(&[f32::NAN]),)).unwrap_err();
    assert!(e.to_string().starts_with("debug_check: `first` "), "{e}");
    assert_eq!(heard.take(), ["before [nan]"]);
    f.call((array(&[1.0]),)).unwrap();
    assert_eq!(heard.take(), ["before [1.]", "after"]);
    // the same by results
    let f = f.lower(&(f32s(&[1]),)).unwrap().portable().compile(&runtime::client().unwrap()).unwrap();
    assert_eq!(f.run((array(&[f32::NAN]),)).unwrap_err().to_string(), e.to_string());
    assert_eq!(heard.take(), ["before [nan]"]);
    f.run((array(&[1.0]),)).unwrap();
    assert_eq!(heard.take(), ["before [1.]", "after"]);
}

#[test]
fn assertions_show_their_message() {
    let f = |x: Tensor| {
        debug_assert(x.lt(3.0), "x must stay below {} but is {}", (full([], DType::I32, 3), x));
        x
    };
    jit(f).call((array(&[1.0, 2.0]),)).unwrap();
    let e = jit(f).call((array(&[1.0, 4.0]),)).unwrap_err();
    let line = line!() - 5;
    let want = format!(
        "debug_assert: x must stay below 3 but is [1. 4.]\n  it does not hold at 1 of 2 positions, the first [1]\n  at \
         tests/debug.rs:{line}"
    );
    assert_eq!(e.to_string(), want);
    let e = jit(vmap(f)).call((array(&[1.0, 4.0]),)).unwrap_err();
    let want =
        format!("debug_assert: x must stay below 3 but is 4.0\n  in instance [1] of vmap\n  at tests/debug.rs:{line}");
    assert_eq!(e.to_string(), want);
}

#[test]
fn the_operation_that_makes_a_nan_is_found() {
    let why = |f: &dyn Fn(Tensor) -> Tensor, x: &[f32]| {
        jit(|x: Tensor| debug_nans(f)(x)).call((array(x),)).map(|_| ()).expect_err("NaN").to_string()
    };
    let f = |x: Tensor| scope("norm", || x / x.sum_keep(0)).max(0);
    let line = line!() - 1;
    let want = "debug_nans: the result of `div` (f32[2]) has 2 NaN of 2 elements, the first at [0]";
    assert_eq!(why(&f, &[0.0, 0.0]), format!("{want}\n  at tests/debug.rs:{line} in norm"));
    // infinities are no NaN, and derivatives and loops are looked into
    jit(debug_nans(|x: Tensor| x.log())).call((array(&[0.0, 1.0]),)).unwrap();
    let sqrt = |x: Tensor| (x * 0.0).sqrt() * 0.0;
    jit(debug_nans(sqrt)).call((array(&[1.0]),)).unwrap();
    assert!(why(&slope(sqrt), &[1.0]).starts_with("debug_nans: the result of `div`"), "0 / 0");
    let looped = |x: Tensor| scan(|c: Tensor, x: Tensor| ((c - x).sqrt(), ()), x.sum(0), x).0;
    assert!(why(&looped, &[1.0, 5.0]).starts_with("debug_nans: the result of `sqrt` (f32[]) has 1 NaN\n"));
    assert!(why(&slope(remat(looped)), &[1.0, 5.0]).starts_with("debug_nans: the result of `sqrt` (f32[])"));
    let e = jit(vmap(debug_nans(looped_over_one))).call((array(&[-1.0, 4.0]),)).unwrap_err();
    assert!(e.to_string().contains("`sqrt` (f32[]) has 1 NaN\n  in instance [0] of vmap\n"), "{e}");
}
fn looped_over_one(x: Tensor) -> Tensor {
    scan(|c: Tensor, x: Tensor| (c + x.sqrt(), ()), x, x.reshape([1])).0
}

#[test]
fn wrong_format_strings_are_errors_of_the_trace() {
    let refused = |f: &dyn Fn(Tensor)| {
        let e = trace_graph(&[f32s(&[2])], |x| {
            f(x[0]);
            vec![]
        });
        let e = e.expect_err("it is wrong");
        assert!(e.file.ends_with("tests/debug.rs") && e.help.is_some(), "{e}");
        e.reason.clone()
    };
    assert_eq!(
        refused(&|x| debug_print("{} {}", (x,))),
        "in the format string \"{} {}\" there are 2 fields `{}` or more, but the tree has 1"
    );
    assert!(refused(&|x| debug_print("{norm}", (x, x))).ends_with("the tree has no `norm`; it has `0`, `1`"));
    assert!(refused(&|x| debug_assert(x.gt(0.0), "{", ())).ends_with("the brace `{` at byte 0 has no partner"));
    let e = trace_graph(&[f32s(&[2])], |x| {
        debug_assert(x[0], "", ());
        vec![]
    });
    assert_eq!(e.expect_err("no bools").reason, "f32 is not a bool");
}

#[test]
fn programs_on_several_devices_call_the_host() {
    let heard = Heard::new();
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() }).unwrap();
    let mesh = Mesh::new(&client, [("x", 4), ("y", 2)]).unwrap();
    let f = |x: Tensor| {
        debug_print("{}", x.sum([0, 1]));
        debug_check(x, "x") * 2.0
    };
    let x = Array::on(&client, [8, 4], &[1f32; 32]).unwrap();
    let f = jit(f).on(&mesh).in_shardings((P!["x", "y"],));
    f.call((&x,)).unwrap().ready().unwrap();
    assert_eq!(heard.take(), ["32.0"]);
    let by_results = f.lower(&(f32s(&[8, 4]),)).unwrap().portable();
    assert!(!by_results.text.contains("raxla_debug"));
    let y = by_results.compile(&client).unwrap().run((&x,)).unwrap();
    assert_eq!((y.to_vec::<f32>().unwrap(), heard.take()), (vec![2.0; 32], vec!["32.0".to_string()]));
}

/// Runs itself in child processes, the second of which loads the program from the compilation cache; both print to the
/// standard output.
#[test]
fn programs_from_the_cache_print_and_check() {
    if std::env::var_os("RAXLA_TEST_CHILD").is_some() {
        let f = jit(|x: Tensor| {
            debug_print("x is {}", x);
            debug_check(x, "x")
        });
        f.call((array(&[1.0, 2.5]),)).unwrap();
        println!("error: {}", f.call((array(&[1.0, f32::NAN]),)).unwrap_err());
        println!("programs: {}", cache::usage().0);
        return;
    }
    let home = std::env::temp_dir().join(format!("raxla-debug-test-{}", std::process::id()));
    let plugin = raxla_xla::find_plugin("cpu", None).unwrap();
    let run = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "programs_from_the_cache_print_and_check", "--nocapture"])
            .env("RAXLA_TEST_CHILD", "1");
        command.env("RAXLA_HOME", &home).env("RAXLA_PLUGIN", &plugin).env_remove("XLA_FLAGS");
        let output = command.env_remove("RAXLA_COMPILE_CACHE").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = run();
    let want =
        "x is [1.  2.5]\nx is [ 1. nan]\nerror: debug_check: `x` (f32[2]) has 1 NaN of 2 elements, the first at [1]\n";
    assert!(first.contains(want) && first.contains("programs: 1"), "{first}");
    let second = run();
    assert!(second.contains(want) && second.contains("programs: 1"), "{second}");
    std::fs::remove_dir_all(home).unwrap();
}
