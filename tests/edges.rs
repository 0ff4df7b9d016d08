//! Numbers at the edge: every operation that takes a size, an axis, a shift, a power or a length is given extreme ones. It answers
//! or refuses, by the name of what was called and with the line, and never panics: also derivatives, batches and lowering.
use raxla::{
    nn,
    prelude::*,
    prim::{self, DotGeneral, Gather, Padding, ScanOptions, Window, conv, dot_general, dynamic_slice, gather, pad},
    testing::check_grads,
    *,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Numbers of a type that sums and products of sizes go wrong with.
trait Extreme: Copy + std::fmt::Debug {
    fn all() -> Vec<Self>;
}
macro_rules! extreme {
    ($($t:ty)*) => {$(
        impl Extreme for $t {
            fn all() -> Vec<$t> {
                let powers = [8, 31, 32, 40, 61, 63].map(|bits| 1i128 << bits);
                let near = powers.into_iter().flat_map(|n| [n - 1, n, -n]);
                let all = [0, 1, 2, 3, 4, -1, -2, -3, -4, <$t>::MAX as i128 - 1].into_iter().chain(near);
                let mut all: Vec<$t> = all.filter_map(|n| n.try_into().ok()).chain([<$t>::MIN, <$t>::MAX]).collect();
                all.sort();
                all.dedup();
                all
            }
        }
    )*};
}
extreme!(usize isize i64 i32);

type Function<N> = fn(Tensor, Tensor, N) -> Vec<Tensor>;

/// What is wrong with how the function takes this number; `x` is f32[2, 3] or f32[0, 3], `i` i32[].
fn fault<N: Extreme + Send + Sync + 'static>(name: &str, line: u32, f: Function<N>, n: N) -> Option<String> {
    let index = Aval::new(DType::I32, []);
    for x in [Aval::new(DType::F32, [2, 3]), Aval::new(DType::F32, [0, 3])] {
        let args = (x, index.clone());
        let caught = |f: &dyn Fn() -> Option<String>| match catch_unwind(AssertUnwindSafe(f)) {
            Ok(fault) => fault.map(|fault| format!("{name} of {n:?} and {}: {fault}", args.0)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                Some(format!("{name} of {n:?} and {} panics: {}", args.0, text.unwrap_or_default()))
            }
        };
        let plain = || match jit(move |x: Tensor, i: Tensor| f(x, i, n)).lower(&args) {
            Ok(_) => None,
            Err(Error::Trace(e)) if (e.op.as_str(), e.file, e.line) == (name, file!(), line) => None,
            Err(Error::Trace(e)) if e.op.starts_with(name) && (e.file, e.line) == (file!(), line) => None,
            Err(e) => Some(format!("{e}")),
        };
        let transformed = |g: &dyn Fn(Tensor, Tensor) -> Vec<Tensor>| match trace::trace_graph(
            &[args.0.clone(), args.1.clone()],
            |t| g(t[0], t[1]),
        ) {
            Ok(_) => None,
            Err(e) if (e.file, e.line) == (file!(), line) || e.file == file!() => None,
            Err(e) => Some(format!("{e}")),
        };
        let floats = move |x: Tensor, i: Tensor| {
            f(x, i, n).into_iter().filter(|y| y.dtype().is_float()).collect::<Vec<Tensor>>()
        };
        let found = caught(&plain)
            .or_else(|| caught(&|| transformed(&|x, i| jvp(|x: Tensor| floats(x, i), x, x).1)))
            .or_else(|| {
                caught(&|| {
                    transformed(&|x, i| {
                        let (y, back) = vjp(|x: Tensor| floats(x, i), x);
                        vec![back(y)]
                    })
                })
            })
            .or_else(|| {
                caught(&|| {
                    transformed(&|x, i| {
                        let batch = x.broadcast_to([&[2], &x.dims()[..]].concat());
                        vmap(|x: Tensor| f(x, i, n))(batch)
                    })
                })
            });
        if found.is_some() {
            return found;
        }
    }
    None
}

fn check<N: Extreme + Send + Sync + 'static>(rows: &[(&str, u32, Function<N>)]) {
    let faults = rows.iter().flat_map(|(name, line, f)| N::all().into_iter().filter_map(|n| fault(name, *line, *f, n)));
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A function of an operand, an index and a number, which is wrong on the line where it stands.
#[track_caller]
fn row<N>(name: &'static str, f: Function<N>) -> (&'static str, u32, Function<N>) {
    (name, std::panic::Location::caller().line(), f)
}

#[test]
#[rustfmt::skip]
fn sizes() {
    check(&[
        row("reshape", |x, _, n: usize| vec![x.reshape([n])]),
        row("reshape", |x, _, n| vec![x.reshape([n, n])]),
        row("reshape", |x, _, n| vec![x.reshape([6, n, n])]),
        row("broadcast_to", |x, _, n| vec![x.broadcast_to([n, 2, 3])]),
        row("broadcast_to", |x, _, n| vec![x.broadcast_to([n, n, 2, 3])]),
        row("broadcast_to", |x, _, n| vec![x.expand_dims(0).broadcast_to([n, 0, 3])]),
        row("slice_axis", |x, _, n| vec![x.slice_axis(0, n..)]),
        row("slice_axis", |x, _, n| vec![x.slice_axis(1, ..n)]),
        row("slice_axis", |x, _, n| vec![x.slice_axis(1, ..=n)]),
        row("slice_axis", |x, _, n| vec![x.slice_axis(1, n..=n)]),
        row("slice_axis", |x, _, n| vec![x.slice_axis(0, (std::ops::Bound::Excluded(n), std::ops::Bound::Unbounded))]),
        row("split", |x, _, n| x.split(1, n)),
        row("split", |x, _, n| x.split(0, [n, n]).to_vec()),
        row("split", |x, _, n| x.split(1, &[1, n, n][..])),
        row("split_axis", |x, _, n| vec![x.split_axis(1, [n, n])]),
        row("split_axis", |x, _, n| vec![x.split_axis(0, [n, n, n])]),
        row("merge", |x, _, n| vec![x.merge(n..)]),
        row("merge", |x, _, n| vec![x.merge(..=n)]),
        row("repeat", |x, _, n| vec![x.repeat(n, 1)]),
        row("tile", |x, _, n| vec![x.tile([n, 1])]),
        row("transpose", |x, _, n| vec![x.transpose([n, 0])]),
        row("one_hot", |_, i, n| vec![one_hot(i, n, DType::F32)]),
        row("one_hot", |_, i, n| vec![one_hot(i.cast(DType::U8), n, DType::F32)]),
        row("arange", |_, _, n| vec![arange(n, DType::I32)]),
        row("arange", |_, _, n| vec![arange(n, DType::U8)]),
        row("arange", |_, _, n| vec![arange(n, DType::U64)]),
        row("arange", |_, _, n| vec![arange(n, DType::F16)]),
        row("arange", |_, _, n| vec![arange(n, DType::F8E4M3FN)]),
        row("eye", |_, _, n| vec![eye(n, DType::F32)]),
        row("causal", |_, _, n| vec![causal(n)]),
        row("linspace", |_, _, n| vec![linspace(0.0, 1.0, n, DType::F32)]),
        row("full", |_, _, n| vec![full([n], DType::F32, 0.5)]),
        row("zeros", |_, _, n| vec![zeros([n, n], DType::F32)]),
        row("zeros", |_, _, n| vec![zeros([0, n, n], DType::U8)]),
        row("ones", |_, _, n| vec![ones([n, 3, n], DType::I4)]),
        row("iota", |_, _, n| vec![prim::iota([n], DType::I32, 0)]),
        row("iota", |_, _, n| vec![prim::iota([3], DType::I32, n)]),
        row("top_k", |x, _, n| vec![x.top_k(n).0]),
        row("argmax", |x, _, n| vec![prim::argmax(x, n, DType::I32)]),
        row("reduce_sum", |x, _, n| vec![prim::reduce_sum(x, [n])]),
        row("cumsum", |x, _, n| vec![prim::cumsum(x, n, false)]),
        row("cumlogsumexp", |x, _, n| vec![prim::cumlogsumexp(x, n, true)]),
        row("sort", |x, _, n| prim::sort(&[x], n, 1, true)),
        row("sort", |x, _, n| prim::sort(&[x], 0, n, true)),
        row("reverse", |x, _, n| vec![prim::reverse(x, [n])]),
        row("concatenate", |x, _, n| vec![prim::concatenate(&[x, x], n)]),
        row("slice", |x, _, n| vec![prim::slice(x, [0, n], [0, 3], [1, 1])]),
        row("slice", |x, _, n| vec![prim::slice(x, [0, 0], [0, 3], [1, n])]),
        row("slice", |x, _, n| vec![prim::slice(x, [0, 2], [0, 3], [n, n])]),
        row("pad", |x, _, n| vec![pad(x, full([], DType::F32, 0), [(0, 0, 0), (0, 0, n)])]),
        row("dynamic_slice", |x, i, n| vec![dynamic_slice(x, &[i, i], [0, n])]),
        row("dynamic_slice_axis", |x, i, n| vec![x.dynamic_slice_axis(1, i, n)]),
        row("gather", |x, _, n| vec![gather(x, zeros([4, 1], DType::I32), Gather { dims: prim::IndexDims { window: vec![1], collapsed: vec![0], indexed: vec![0], ..Default::default() }, sizes: vec![1, n], options: Default::default(), fill: None })]),
        row("gather", |x, _, n| vec![gather(x, zeros([4, 1], DType::I32), Gather { dims: prim::IndexDims { window: vec![n], collapsed: vec![0], indexed: vec![n], ..Default::default() }, sizes: vec![1, 3], options: Default::default(), fill: None })]),
        row("dot_general", |x, _, n| vec![dot_general(x, x, DotGeneral { contract: (vec![n], vec![1]), ..Default::default() })]),
        row("reduce_precision", |x, _, n| vec![x.reduce_precision(n, n)]),
    ]);
}

#[test]
#[rustfmt::skip]
fn windows_and_loops() {
    check(&[
        row("conv", |x, _, n: usize| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { strides: vec![n], ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { strides: vec![n], padding: Padding::Same, ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { input_dilation: vec![n], ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { kernel_dilation: vec![n], padding: Padding::SameLower, ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { feature_groups: n, ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { batch_groups: n, ..Window::default() })]),
        row("scan", |x, _, n| vec![scan_with(ScanOptions { length: Some(n), ..Default::default() }, |c: Tensor, ()| (c * 2.0, c), x, ()).1]),
        row("scan", |x, _, n| vec![scan_with(ScanOptions { length: Some(n), ..Default::default() }, |c: Tensor, ()| (c * 2.0, ()), x, ()).0]),
        row("scan", |x, _, n| vec![scan_with(ScanOptions { unroll: n, ..Default::default() }, |c: Tensor, x: Tensor| (c + x, c), x.sum(0), x).1]),
        row("scan", |x, _, n| vec![scan_with(ScanOptions { length: Some(1 << 40), unroll: n, ..Default::default() }, |c: Tensor, ()| (c + 1.0, ()), x, ()).0]),
        row("fori_loop", |x, _, n| vec![fori_loop(0, n, |_, c: Tensor| c.sin(), x)]),
        row("fori_loop", |x, _, n| vec![fori_loop(n, 1i64 << 40, |i, c: Tensor| c + i.cast(DType::F32), x)]),
        row("fori_loop", |x, i, n| vec![fori_loop(n, i, |_, c: Tensor| c.stop_gradient(), x.stop_gradient())]),
        row("vmap", |x, _, n| vec![vmap_with(VmapOptions { axis_size: Some(n), ..Default::default() }, |x: Tensor| x.sin(), Axis::Shared, Axis::At(0))(x)]),
        row("all_gather", |x, _, n| vec![vmap_with(VmapOptions { axis_size: Some(n), axis_name: Some("a") }, |x: Tensor| all_gather(x, "a", 0, true), Axis::Shared, Axis::Shared)(x)]),
        row("split_n", |_, _, n| Key::new(0).split_n(if n > 4 { n } else { 2 }).into_iter().map(|k| k.bits([2], DType::U32)).collect()),
        row("split_stacked", |_, _, n| vec![*Key::new(0).split_stacked(n).data()]),
        row("permutation", |_, _, n| vec![Key::new(0).permutation(n)]),
        row("bits", |_, _, n| vec![Key::new(0).bits([n, 2], DType::U8)]),
        row("normal", |_, _, n| vec![Key::new(0).normal([n, n], DType::F32)]),
        row("randint", |_, _, n| vec![Key::new(0).randint([n], DType::I32, 0, 3)]),
        row("randint", |_, _, n| vec![Key::new(0).randint([2], DType::I8, 0, n)]),
        row("categorical", |x, _, n| vec![Key::new(0).categorical_many([n], x.sum_keep(0), 1)]),
        row("categorical_distinct", |x, _, n| vec![Key::new(0).categorical_distinct(n, x, 1)]),
        row("sinusoidal", |_, i, n| vec![nn::sinusoidal(i.expand_dims(0), n)]),
        row("causal_mask", |_, i, n| vec![nn::causal_mask(n, n, i)]),
    ]);
}

#[test]
#[rustfmt::skip]
fn axes_shifts_and_powers() {
    check(&[
        row("squeeze", |x, _, n: isize| vec![x.squeeze(n)]),
        row("expand_dims", |x, _, n| vec![x.expand_dims(n)]),
        row("swap_axes", |x, _, n| vec![x.swap_axes(n, 0)]),
        row("move_axis", |x, _, n| vec![x.move_axis(n, 0)]),
        row("move_axis", |x, _, n| vec![x.move_axis(0, n)]),
        row("slice_axis", |x, _, n| vec![x.slice_axis(n, ..)]),
        row("split", |x, _, n| x.split(n, 1)),
        row("split_axis", |x, _, n| vec![x.split_axis(n, [1, 2])]),
        row("repeat", |x, _, n| vec![x.repeat(2, n)]),
        row("flip", |x, _, n| vec![x.flip(n)]),
        row("roll", |x, _, n| vec![x.roll(n, 0)]),
        row("roll", |x, _, n| vec![x.roll(n, -1)]),
        row("roll", |x, _, n| vec![x.roll(1, n)]),
        row("tril", |x, _, n| vec![x.tril(n)]),
        row("triu", |x, _, n| vec![x.triu(n)]),
        row("concat", |x, _, n| vec![concat(&[x, x], n)]),
        row("stack", |x, _, n| vec![stack(&[x, x], n)]),
        row("sum", |x, _, n| vec![x.sum(n)]),
        row("sum", |x, _, n| vec![x.sum([n, n])]),
        row("mean", |x, _, n| vec![x.mean(n)]),
        row("var_keep", |x, _, n| vec![x.var_keep(n)]),
        row("logsumexp", |x, _, n| vec![x.logsumexp(n)]),
        row("softmax", |x, _, n| vec![x.softmax(n)]),
        row("log_softmax", |x, _, n| vec![x.log_softmax(n)]),
        row("argmax", |x, _, n| vec![x.argmax(n)]),
        row("max", |x, _, n| vec![x.max(n)]),
        row("sort", |x, _, n| vec![x.sort(n)]),
        row("argsort", |x, _, n| vec![x.argsort(n)]),
        row("take", |x, i, n| vec![x.take(i, n)]),
        row("take_along_axis", |x, _, n| vec![x.take_along_axis(zeros([2, 3], DType::I32), n)]),
        row("dynamic_index", |x, i, n| vec![x.dynamic_index(n, i)]),
        row("dynamic_update_axis", |x, i, n| vec![x.dynamic_update_axis(n, i, x)]),
        row("vmap", |x, _, n| vec![vmap_axes(|x: Tensor| x.sin(), Axis::At(n), Axis::At(0))(x)]),
        row("vmap", |x, _, n| vec![vmap_axes(|x: Tensor| x.sin(), Axis::At(0), Axis::At(n))(x)]),
        row("permute", |x, _, n| vec![Key::new(0).permute(x, n)]),
        row("categorical", |x, _, n| vec![Key::new(0).categorical(x, n)]),
        row("dim", |x, _, n| vec![x.like(x.dim(n) as f64)]),
    ]);
    check(&[
        row("powi", |x, _, n: i32| vec![x.powi(n)]),
        row("powi", |x, _, n| vec![grad(|x: Tensor| x.powi(n).sum(..))(x)]),
        row("powi", |_, i, n| vec![i.powi(n)]),
        row("add", |x, _, n| vec![x + n]),
        row("fori_loop", |x, _, n| vec![fori_loop(n, 5, |_, c: Tensor| c * 0.5, x)]),
    ]);
    check(&[
        row("pad", |x, _, n: i64| vec![pad(x, full([], DType::F32, 0), [(0, 0, 0), (n, 0, 0)])]),
        row("pad", |x, _, n| vec![pad(x, full([], DType::F32, 0), [(0, 0, 0), (n, n, 1)])]),
        row("pad", |x, _, n| vec![pad(x, full([], DType::F32, 0), [(0, 0, 0), (n, n.saturating_neg(), 0)])]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { padding: vec![(n, 2)].into(), ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { padding: vec![(n, n)].into(), ..Window::default() })]),
        row("conv", |x, _, n| vec![conv("nhc,hio->nhc", x.expand_dims(0), full([2, 3, 4], DType::F32, 1), Window { padding: vec![(n, n.saturating_neg())].into(), strides: vec![2], ..Window::default() })]),
        row("randint", |_, _, n| vec![Key::new(0).randint([2], DType::U16, n, 7i64)]),
        row("fori_loop", |x, _, n| vec![fori_loop(n, i64::MAX, |_, c: Tensor| c * 0.5, x)]),
        row("fori_loop", |x, _, n| vec![fori_loop(i64::MIN, n, |_, c: Tensor| c * 0.5, x)]),
    ]);
}

#[test]
fn shapes_of_arguments() {
    for dims in [&[usize::MAX][..], &[1 << 40, 1 << 40], &[0, usize::MAX], &[1 << 62]] {
        let aval = Aval::new(DType::F32, dims);
        let line = line!() + 1;
        let error = jit(|x: Tensor| x * 2.0).lower(&(aval.clone(),)).map(|l| l.text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "trace: {aval} is larger than can be counted\n  at {}:{line}\n  help: sizes, and the bytes that they are \
                 together, are numbers of 63 bits",
                file!()
            )
        );
        let error = Array::from_slice(dims, &[0f32; 0]).unwrap_err().to_string();
        assert!(error.contains("but") || error.contains("cannot upload"), "{error}");
    }
}

#[test]
fn a_softmax_over_an_axis_of_0_is_empty() -> Result<()> {
    let f =
        jit(|x: Tensor| (x.softmax(1), x.log_softmax(1), x.logsumexp(1), grad(|x: Tensor| x.softmax(1).sum(..))(x)));
    let (soft, log, sum, gradient) = f.call((Array::from_slice([2, 0], &[0f32; 0])?,))?;
    for y in [&soft, &log, &gradient] {
        assert_eq!((y.dims(), y.to_vec::<f32>()?), (&[2, 0][..], vec![]));
    }
    assert_eq!(sum.to_vec::<f32>()?, [f32::NEG_INFINITY; 2], "as in JAX");
    Ok(())
}

/// An operation whose type is that of a tensor.
#[derive(Debug)]
struct As(Tensor);
impl PartialEq for As {
    fn eq(&self, _: &As) -> bool {
        false
    }
}
impl std::hash::Hash for As {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}
impl prim::Primitive for As {
    fn name(&self) -> &'static str {
        "as"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if self.0.dims() != x[0].dims {
            return Err(Refusal::new(format!("the tensor has {} axes of {:?}", self.0.rank(), self.0.dims())));
        }
        Ok(vec![self.0.aval()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        x.to_vec()
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        x.to_vec()
    }
    fn lower(&self, _: &mut lower::Lower, x: &[lower::Value], _: &[Aval]) -> Vec<lower::Value> {
        x.to_vec()
    }
}

#[test]
fn a_type_rule_may_ask_tensors() {
    let (a, b) = (Aval::new(DType::F32, [3]), Aval::new(DType::F32, [2]));
    match trace::trace_graph(&[a.clone(), a.clone()], |x| trace::bind(As(x[1]), &[x[0]])) {
        Ok(g) => assert_eq!(g.out_avals(), std::slice::from_ref(&a)),
        // (debug builds ask the rule again when the trace is over)
        Err(e) => assert_eq!(e.reason, "a tensor outlived the trace that made it"),
    }
    let error = trace::trace_graph(&[a, b], |x| trace::bind(As(x[1]), &[x[0]])).unwrap_err();
    assert_eq!(error.reason, "the tensor has 1 axes of [2]");
}

#[test]
fn a_kernel_without_a_reference_is_no_panic() {
    let x = [Host::floats(DType::F64, [2], vec![1.0, 2.0])];
    let line = line!() + 1;
    let kernel = |x: &[Tensor]| prim::CustomCall::new("no_reference", [x[0].aval()]).call(x);
    let wanted = format!(
        "custom_call of f64[2]: the kernel `no_reference` has no reference, so that the interpreter cannot run it\n  at {}:{line}\n  \
         help: give it one: `CustomCall {{ reference: Some(..), .. }}`",
        file!()
    );
    assert_eq!(check_grads(kernel, &x, 1).unwrap_err(), wanted);
    assert_eq!(testing::check_jvp(kernel, &x, 1).unwrap_err(), wanted);
    assert!(testing::check_vmap(kernel, &x).unwrap_err().contains("has no reference"));
    assert!(testing::check_adjoint(kernel, &x).is_err());
}

#[test]
fn errors_name_what_was_called() {
    let message = |avals: &[Aval], f: fn(&[Tensor]) -> Tensor| {
        let error = trace::trace_graph(avals, |x| vec![f(x)]).unwrap_err();
        assert_eq!(error.file, file!());
        error.to_string().lines().next().unwrap_or_default().to_string()
    };
    let (f, i) = (|dims: &[usize]| Aval::new(DType::F32, dims), |dims: &[usize]| Aval::new(DType::I32, dims));
    assert_eq!(
        message(&[f(&[4, 10]), i(&[5])], |x| nn::cross_entropy(x[0], x[1])),
        "cross_entropy of f32[4, 10] and i32[5]: the targets must be integers of the shape [4], one for each row of logits"
    );
    assert_eq!(
        message(&[i(&[4])], |x| x[0].logaddexp(x[0])),
        "logaddexp of i32[4]: i32 is not a float or complex number"
    );
    assert_eq!(
        message(&[i(&[4])], |x| nn::silu(x[0])),
        "silu: logistic of i32[4]: i32 is not a float or complex number"
    );
    assert_eq!(message(&[i(&[4])], |x| x[0].powi(-1)), "powi: integer_pow of i32[4]: an integer has no negative power");
}
