//! `jit`: its cache, donation, compiling ahead of time, and what its errors say.
use raxla::{
    Error, cond, custom_vjp, grad, linearize, prelude::*, prim::literal, remat, runtime, scan, vmap, while_loop,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

fn array(x: &[f32]) -> Array {
    Array::from_slice([x.len()], x).unwrap()
}
fn floats(x: &Array) -> Vec<f32> {
    x.to_vec().unwrap()
}
fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}

#[derive(Tree, Clone, Debug)]
struct Linear<T = Tensor> {
    w: T,
    b: T,
}

#[test]
fn one_program_per_type_of_arguments() {
    let traced = AtomicUsize::new(0);
    let f = jit(|x: Tensor, y: Tensor| {
        traced.fetch_add(1, Ordering::Relaxed);
        x * y
    });
    let (a, b) = (array(&[1., 2.]), array(&[3., 4.]));
    assert_eq!(f.compiles(), 0);
    for _ in 0..3 {
        assert_eq!(floats(&f.call((&a, &b)).unwrap()), [3., 8.]);
    }
    assert_eq!((f.compiles(), traced.load(Ordering::Relaxed)), (1, 1));
    assert_eq!(floats(&f.call((&array(&[5.]), &b)).unwrap()), [15., 20.], "another shape");
    assert_eq!(f.compiles(), 2);
    let (i, j) = (Array::from_slice([2], &[1i32, 2]).unwrap(), Array::scalar(7i32).unwrap());
    assert_eq!(f.call((&i, &j)).unwrap().to_vec::<i32>().unwrap(), [7, 14], "another dtype");
    assert_eq!(f.compiles(), 3);
    f.call((&a, array(&[0., 0.]))).unwrap();
    assert_eq!(f.compiles(), 4, "an argument is moved");
}

#[test]
fn any_number_of_arguments_and_results() {
    assert_eq!(floats(&jit(|| full([2], DType::F32, 1.5)).call(()).unwrap()), [1.5, 1.5]);
    let eight = jit(|a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor, g: Tensor, h: Tensor| {
        a + b + c + d + e + f + g + h
    });
    let x = array(&[1.]);
    assert_eq!(floats(&eight.call((&x, &x, &x, &x, &x, &x, &x, &x)).unwrap()), [8.]);
    let many = jit(|x: Tensor| (x, x, ones([1], DType::F32), x + 1.0));
    let (a, b, c, d) = many.call((x.clone(),)).unwrap();
    assert_eq!([a, b, c, d, x].map(|y| floats(&y)[0]), [1., 1., 1., 2., 1.]);
    jit(|_: Tensor| ()).call((array(&[1.]),)).unwrap();
    let empty = jit(|x: Tensor| x.exp()).call((array(&[]),)).unwrap();
    assert_eq!((empty.dims(), floats(&empty)), (&[0][..], vec![]));
}

#[test]
fn moved_arguments_give_their_memory() {
    let f = jit(|x: Tensor, y: Tensor| x + y);
    let (x, y) = (array(&[1.; 1024]), array(&[2.; 1024]));
    let aliased = |p: &raxla::Compiled<_, _>| p.executable().memory_stats().unwrap().aliased;
    assert_eq!(aliased(&f.compile_for((&x, &y)).unwrap()), 0);
    let program = f.compile_for((x.clone(), &y)).unwrap();
    assert_eq!(aliased(&program), 4096);
    // one result cannot take over two arguments
    assert_eq!(aliased(&f.compile_for((x.clone(), y.clone())).unwrap()), 4096);
    let sum = (0..100).fold(x, |x, _| f.call((x, &y)).unwrap());
    assert_eq!((floats(&sum), f.compiles()), (vec![201.; 1024], 3));
    assert_eq!(floats(&y), [2.; 1024]);
}

#[test]
fn what_others_hold_is_not_overwritten() {
    let f = jit(|x: Tensor, y: Tensor| (x + 1.0, y * 2.0));
    let x = array(&[1., 2.]);
    let clone = x.clone();
    let (a, b) = f.call((x, clone.clone())).unwrap();
    assert_eq!((floats(&a), floats(&b), floats(&clone)), (vec![2., 3.], vec![2., 4.], vec![1., 2.]));
    // the same array in two places, moved into both
    let pair = clone.clone();
    let (a, b) = f.call((pair, clone)).unwrap();
    assert_eq!((floats(&a), floats(&b)), (vec![2., 3.], vec![2., 4.]));
    assert_eq!(f.compiles(), 1);
}

#[test]
fn a_donation_that_cannot_be_is_an_error_naming_the_leaf() {
    let f = jit(|m: Linear, x: Tensor| m.w * x + m.b.sum(0)).donate([0]);
    let model = Linear { w: array(&[1., 2.]), b: array(&[1., 2., 3.]) };
    let x = array(&[5., 6.]);
    let e = f.call((model.clone(), &x)).unwrap_err();
    assert_eq!(
        e.to_string(),
        "the argument `0.b` (f32[3]) cannot be donated: it was passed by reference, or no result of the same type is \
         left to take over its memory\n  help: pass it by value, and return an updated value of the same type"
    );
    let e = f.call((&model, &x)).unwrap_err();
    assert!(matches!(&e, Error::Donation { path, .. } if path == "0.w"), "{e}");
    let update = jit(|m: Linear, x: Tensor| Linear { w: m.w + x, b: m.b }).donate([0]);
    let made = update.call((model, &x)).unwrap();
    assert_eq!((floats(&made.w), floats(&made.b)), (vec![6., 8.], vec![1., 2., 3.]));
}

#[test]
fn programs_can_be_prepared() {
    let f = jit(|x: Tensor, y: Tensor| x - y);
    f.prepare(&(f32s(&[2]), f32s(&[])), &[0]).unwrap();
    assert_eq!(f.compiles(), 1);
    assert_eq!(floats(&f.call((array(&[1., 2.]), &Array::scalar(1f32).unwrap())).unwrap()), [0., 1.]);
    assert_eq!(f.compiles(), 1);
}

#[test]
fn threads_share_one_jit() {
    let f = jit(|x: Tensor| (x * 2.0).sum(0));
    std::thread::scope(|s| {
        let run = |k: usize| {
            let n = 1 + k % 3;
            let x = array(&vec![k as f32; n]);
            for _ in 0..20 {
                assert_eq!(f.call((&x,)).unwrap().item::<f32>().unwrap(), 2.0 * (k * n) as f32);
            }
        };
        (0..8).for_each(|k| drop(s.spawn(move || run(k))));
    });
    assert_eq!(f.compiles(), 3, "each shape once");
}

#[test]
fn large_constants_are_refused_with_the_users_line() {
    let data = Host::full(&f32s(&[16 * 1024 + 1]), 1.0);
    let line = line!() + 1;
    let f = jit(|x: Tensor| x + literal(data.clone()));
    let e = f.call((array(&[1.]),)).unwrap_err();
    let text = format!(
        "literal: f32[16385] is a constant of 65 KiB, above the limit of 64\n  at tests/jit.rs:{line}\n  help: pass it to \
         the function as an argument"
    );
    assert_eq!(e.to_string(), text);
    let fits = Host::full(&f32s(&[16 * 1024]), 1.0);
    assert_eq!(floats(&jit(|x: Tensor| x + literal(fits.clone())).call((array(&[1.]),)).unwrap())[7], 2.0);
}

#[test]
fn large_constants_are_refused_wherever_they_stand() {
    let large = || literal(Host::full(&f32s(&[16 * 1024 + 1]), 1.0)).sum(0);
    const LINE: u32 = line!() - 1;
    type Program<'a> = &'a dyn Fn(Tensor) -> Tensor;
    let programs: [(&str, Program); 8] = [
        ("grad", &|x| grad(|x: Tensor| x * large())(x)),
        ("scan", &|x| scan(|c: Tensor, _: Tensor| (c * large(), ()), x, ones([3], DType::F32)).0),
        ("while", &|x| while_loop(|c: Tensor| c.lt(large()), |c| c + 1.0, x)),
        ("cond", &|x| cond(x.gt(0.0), |x: Tensor| x, |x: Tensor| x * large(), x)),
        ("vmap", &|x| vmap(|x: Tensor| x + large())(x.broadcast_to([2])).sum(0)),
        ("remat", &|x| grad(remat(|x: Tensor| x * large()))(x)),
        ("custom_vjp", &|x| grad(custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct * large()))(x)),
        ("nested", &|x| {
            let step =
                |c: Tensor, _: Tensor| (cond(c.gt(0.0), |c: Tensor| grad(|c: Tensor| c * large())(c), |c| c, c), ());
            scan(step, x, ones([3], DType::F32)).0
        }),
    ];
    for (name, f) in programs {
        let e = jit(f).call((Array::scalar(1f32).unwrap(),)).unwrap_err().to_string();
        assert!(e.starts_with("literal: f32[16385] is a constant of 65 KiB, above the limit of 64\n"), "{name}: {e}");
        assert!(e.contains(&format!("\n  at tests/jit.rs:{LINE}\n  help: pass it to the function")), "{name}: {e}");
    }
    // nor does folding or batching make large ones of small ones
    let small = Host::floats(DType::F32, [2], vec![1.0, 2.0]);
    let f = jit(|x: Tensor| vmap(|x: Tensor| x + literal(small.clone()).sum(0))(x));
    assert!(f.lower(&(f32s(&[1 << 20]),)).unwrap().text.len() < 4000);
}

/// Some rules trace while they are lowered: what is wrong then is an error as well, at the user's line.
#[test]
fn what_is_wrong_while_lowering_is_an_error() {
    let line = line!() + 2;
    let f = jit(|x: Tensor, dx: Tensor| {
        linearize(custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct.exp()), x).1(dx)
    });
    let x = array(&[1., 2.]);
    let e = f.call((&x, &x)).unwrap_err();
    let Error::Trace(e) = &e else { panic!("{e}") };
    assert!(e.reason.contains("not linear in the tangents"), "{e}");
    assert_eq!((e.file, e.line), ("tests/jit.rs", line));
    // no trace is left open, and the next program is fine
    assert_eq!(floats(&jit(|x: Tensor| x * 2.0).call((&x,)).unwrap()), [2., 4.]);
}

#[test]
fn a_wrong_axis_is_reported_under_the_name_of_the_operation() {
    let wrong = |f: fn(Tensor) -> Tensor| match jit(f).lower(&(f32s(&[2, 3]),)) {
        Err(Error::Trace(e)) => (e.op, e.reason, e.file),
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("there is no such axis"),
    };
    type Operation = fn(Tensor) -> Tensor;
    let operations: [(&str, Operation); 14] = [
        ("sum", |x| x.sum(2)),
        ("mean_keep", |x| x.mean_keep([0, -3])),
        ("softmax", |x| x.softmax(2)),
        ("log_softmax", |x| x.log_softmax(2)),
        ("argmax", |x| x.argmax(2)),
        ("slice_axis", |x| x.slice_axis(2, 0..1)),
        ("take", |x| x.take(arange(2, DType::I32), 2)),
        ("flip", |x| x.flip(2)),
        ("sort", |x| x.sort(-3)),
        ("argsort", |x| x.argsort(2)),
        ("move_axis", |x| x.move_axis(0, 2)),
        ("concat", |x| concat(&[x, x], 2)),
        ("squeeze", |x| x.squeeze(2)),
        ("dim", |x| x.like(x.dim(2))),
    ];
    for (name, f) in operations {
        let (op, reason, file) = wrong(f);
        assert_eq!((op.as_str(), file), (name, "tests/jit.rs"));
        assert!(reason.starts_with("there is no axis "), "{name}: {reason}");
    }
    assert_eq!(wrong(|x| x.like(x.axis(2))).0, "axis");
}

#[test]
fn what_needs_too_much_memory_says_what_to_do() {
    let f = jit(|x: Tensor| x.broadcast_to([1 << 40]) * 2.0).named("doubled");
    let e = f.call((Array::scalar(1f32).unwrap(),)).and_then(|y| y.ready()).unwrap_err().to_string();
    assert!(e.starts_with("running `doubled` needs 4.4 TB of memory, and "), "{e}");
    assert!(e.contains("(arguments moved into the call), or compute again instead of keeping (remat)"), "{e}");
}

fn mlp(x: Tensor, w: Tensor) -> Tensor {
    scope("gpt2", || scope("block", || scope("mlp", || x + w)))
}
const MLP: u32 = line!() - 2;

#[test]
fn errors_say_what_where_and_how() {
    let zeros = |dims: [usize; 2]| Array::from_slice(dims, &vec![0f32; dims[0] * dims[1]]).unwrap();
    let e = jit(mlp).call((&zeros([4, 8]), &zeros([4, 3]))).unwrap_err();
    let text = format!(
        "add of f32[4, 8] and f32[4, 3]: the shapes do not broadcast\n  at tests/jit.rs:{MLP} in gpt2/block/mlp\n  help: \
         axis 1 is 8 on the left and 3 on the right"
    );
    assert_eq!(e.to_string(), text);
    assert!(matches!(e, Error::Trace(t) if t.op == "add" && t.operands.len() == 2 && t.scope == "gpt2/block/mlp"));
}

#[test]
fn a_failed_trace_leaves_nothing_behind() {
    let fail = Cell::new(true);
    let f = jit(|x: Tensor| if fail.get() { scope("broken", || x + ones([3], DType::F32)) } else { x * 2.0 });
    let x = array(&[1., 2.]);
    f.call((&x,)).unwrap_err();
    assert_eq!(f.compiles(), 0);
    fail.set(false);
    assert_eq!(floats(&f.call((&x,)).unwrap()), [2., 4.]);
    // neither its scope nor its trace is left
    let e = jit(|x: Tensor| x.sum(5)).call((&x,)).unwrap_err();
    assert!(matches!(e, Error::Trace(t) if t.scope.is_empty()));
}

#[test]
fn tensors_do_not_outlive_their_trace() {
    let leaked = Cell::new(None);
    jit(|x: Tensor| {
        leaked.set(Some(x));
        x
    })
    .call((array(&[1.]),))
    .unwrap();
    let e = jit(|x: Tensor| x + leaked.get().unwrap()).call((array(&[1.]),)).unwrap_err();
    assert!(e.to_string().contains("a tensor outlived the trace that made it\n  at tests/jit.rs:"), "{e}");
}

/// Runs itself in a child process, whose stderr must stay empty.
#[test]
fn caught_errors_print_nothing() {
    if std::env::var_os("RAXLA_TEST_CHILD").is_some() {
        let e = jit(mlp).call((array(&[1., 2.]), array(&[1., 2., 3.]))).unwrap_err();
        println!("caught: {e}");
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "jit::caught_errors_print_nothing", "--nocapture"]).env("RAXLA_TEST_CHILD", "1");
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("caught: add of f32[2] and f32[3]"), "{stdout}");
    assert_eq!(stderr, "");
}

#[test]
fn a_users_own_panic_goes_through() {
    let careful = Cell::new(false);
    let f = jit(|x: Tensor| {
        assert!(careful.get(), "a mistake in the user's code");
        x + 1.0
    });
    let x = array(&[1.]);
    let panic = catch_unwind(AssertUnwindSafe(|| f.call((&x,)))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "a mistake in the user's code");
    careful.set(true);
    assert_eq!(floats(&f.call((&x,)).unwrap()), [2.], "the jit is still good");
}

#[test]
fn programs_are_lowered_and_compiled_ahead_of_time() {
    let f = jit(|m: Linear, x: Tensor| (x * m.w + m.b, x.sum(0)));
    let spec = (Linear { w: f32s(&[2]), b: f32s(&[]) }, f32s(&[2]));
    let lowered = f.lower(&spec).unwrap();
    assert_eq!(lowered.graph.in_avals(), [f32s(&[2]), f32s(&[]), f32s(&[2])]);
    assert!(lowered.text.contains("stablehlo.multiply") && lowered.text.contains("tests/jit.rs"), "{}", lowered.text);
    let client = runtime::client().unwrap();
    assert!(lowered.optimized_hlo(&client).unwrap().starts_with("HloModule"));
    let program = lowered.compile(&client).unwrap();
    assert_eq!(program.out_avals(), [f32s(&[2]), f32s(&[])]);
    let model = Linear { w: array(&[2., 3.]), b: Array::scalar(1f32).unwrap() };
    let (y, sum) = program.run((model.clone(), array(&[10., 20.]))).unwrap();
    assert_eq!((floats(&y), floats(&sum)), (vec![21., 61.], vec![30.]));
    assert_eq!(f.compiles(), 0, "not in the cache of the jit");
    let e = program.run((model.clone(), array(&[1.]))).unwrap_err();
    let text = "argument `1` of a compiled function: it is f32[1], but f32[2] is needed\n  help: it runs on the types";
    assert!(e.to_string().starts_with(text), "{e}");
    let e = program.run((Linear { b: array(&[1.]), ..model }, array(&[1., 2.]))).unwrap_err();
    assert!(e.to_string().starts_with("argument `0.b` of"), "{e}");
    let e = f.lower(&(Linear { w: f32s(&[2]), b: f32s(&[3]) }, f32s(&[2]))).err().expect("shapes that do not fit");
    assert!(matches!(e, Error::Trace(_)), "{e}");
}

#[test]
fn programs_that_need_more_memory_than_there_is_are_not_run() {
    let x = array(&[1.0; 256]);
    let outer = jit(|x: Tensor| einsum("i,j->ij", x, x)).compile_for((&x,)).unwrap();
    assert!((4 * 256 * 256..8 * 256 * 256).contains(&outer.memory()), "{}", outer.memory());
    let sum = jit(|x: Tensor| x.sum(0)).compile_for((&x,)).unwrap();
    assert!(sum.memory() < 1024, "arguments do not count: {}", sum.memory());
    if cfg!(target_os = "linux") {
        let table = jit(|| raxla::zeros([1 << 42], DType::F32)).named("table");
        let why = table.call(()).unwrap_err();
        assert!(matches!(why, Error::Memory(_)), "{why}");
        assert!(why.to_string().starts_with("running `table` needs 17.6 TB of memory, and "), "{why}");
    }
}
