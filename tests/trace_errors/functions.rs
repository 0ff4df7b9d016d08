//! Mistakes with functions: loops, branches, derivatives, batches, traces.
use super::{check, f, i};
use raxla::{
    nn::rope::{Rope, RopeScaling},
    prelude::*,
    prim::CustomCall,
    *,
};
use std::cell::Cell;

#[derive(Tree, Clone)]
struct State<T = Tensor> {
    h: T,
    n: Option<T>,
}

#[test]
fn of_loops_and_branches() {
    check(vec![
        (
            vec![f(&[8]), f(&[3, 8])],
            |x| vec![wrong!(scan(|h, _: Tensor| (h.expand_dims(0), ()), x[0], x[1])).0],
            "scan: the carry enters as f32[8] but leaves as f32[1, 8]\n  help: every step must return the carry with the types it got: cast or reshape it, or the initial value",
        ),
        (
            vec![f(&[8]), f(&[3, 8])],
            |x| {
                let widen = |s: State, x: Tensor| (State { h: concat(&[s.h, x], 0), n: s.n }, ());
                wrong!(scan(widen, State { h: x[0], n: None }, x[1])).0.leaves()
            },
            "scan: carry h enters as f32[8] but leaves as f32[16]\n  help: every step must return the carry with the types it got: cast or reshape it, or the initial value",
        ),
        (
            vec![f(&[8]), f(&[3, 8])],
            |x| {
                let count = |s: State, x: Tensor| (State { h: s.h + x, n: Some(x.sum(0)) }, ());
                wrong!(scan(count, State { h: x[0], n: None }, x[1])).0.leaves()
            },
            "scan: the carry changes its structure: its leaves are h at first but h, n after a step\n  help: return a carry of the same lengths, variants and skipped fields",
        ),
        (
            vec![f(&[]), f(&[3]), f(&[4])],
            |x| vec![wrong!(scan(|c, (a, b): (Tensor, Tensor)| (c, a + b), x[0], (x[1], x[2]))).1],
            "scan: the lengths differ: xs.0 has 3, xs.1 has 4 (f32[4])\n  help: all of `xs` have one entry per step: slice the longer one, or put what is the same for all steps into the carry or the closure",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(scan(|c: Tensor, ()| (c, ()), x[0], ())).0],
            "scan: without xs the number of steps is unknown\n  help: give it: `scan_with(ScanOptions { length: Some(n), ..Default::default() }, ..)`",
        ),
        (
            vec![f(&[]), f(&[])],
            |x| vec![wrong!(scan(|c: Tensor, x: Tensor| (c + x, ()), x[0], x[1])).0],
            "scan: xs is a scalar (f32[]): it has no leading axis to loop over\n  help: make it part of the carry, or use it in the body as it is",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(fori_loop(0, x[0], |_, c: Tensor| c, x[0]))],
            "fori_loop: the upper bound is f32[], not an integer scalar\n  help: convert it first with `.cast(DType::I32)`; of several, use one at a time, with `vmap`",
        ),
        (
            vec![f(&[]), i(&[])],
            |x| vec![wrong!(fori_loop(x[1], x[1].cast(DType::I64), |_, c: Tensor| c, x[0]))],
            "fori_loop: the bounds have different dtypes: i32 and i64\n  help: cast one of them: `.cast(DType::I32)`",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(fori_loop(0, 3, |i, c: Tensor| c.cast(DType::I32) + i, x[0]))],
            "fori_loop: the carry enters as f32[] but leaves as i32[]\n  help: every step must return the carry with the types it got: cast or reshape it, or the initial value",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(while_loop(|c: Tensor| c.gt(0.0), |c| c / 2.0, x[0]))],
            "while_loop: the condition returns bool[3], not a scalar bool\n  help: reduce it to one: `.all(..)`, `.any(..)`, or a comparison of scalars",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(while_loop(|c: Tensor| c.gt(0.0).any(0), |c| c.sum(0), x[0]))],
            "while_loop: the carry enters as f32[3] but leaves as f32[]\n  help: every step must return the carry with the types it got: cast or reshape it, or the initial value",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(cond(x[0].gt(0.0), |x: Tensor| x, |x| -x, x[0]))],
            "cond: the condition is bool[3], not a scalar bool\n  help: to choose element by element, use `where_`",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(cond(x[0].gt(0.0), |x: Tensor| x, |x| x.gt(1.0), x[0]))],
            "cond: the result is bool[] in `no` but f32[] in `yes`\n  help: all branches must return the same types: cast or reshape one side",
        ),
        (
            vec![f(&[])],
            |x| wrong!(cond(x[0].gt(0.0), |x: Tensor| vec![x], |x| vec![x, x], x[0])),
            "cond: the results have different structures: the leaves of `no` are 0, 1, those of `yes` are 0\n  help: all branches must return the same lengths, variants and skipped fields",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(switch(x[0], &[&|x: Tensor| x], x[0]))],
            "switch: the index is f32[], not an integer scalar\n  help: convert it first with `.cast(DType::I32)`; of several, use one at a time, with `vmap`",
        ),
        (
            vec![i(&[])],
            |x| vec![wrong!(switch(x[0], &[] as &[&dyn Fn(Tensor) -> Tensor], x[0]))],
            "switch: there are no branches\n  help: give one function at least",
        ),
    ]);
}

#[test]
fn of_derivatives() {
    check(vec![
        (
            vec![f(&[3])],
            |x| vec![wrong!(grad(|x: Tensor| x * x))(x[0])],
            "grad: the function returns f32[3], not a scalar float\n  help: reduce it to one float, e.g. `.sum(..)` or `.mean(..)`; for all derivatives use `jacrev` or `vjp`",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(grad(|x: Tensor| x.cast(DType::I32)))(x[0])],
            "grad: the function returns i32[], not a scalar float\n  help: reduce it to one float, e.g. `.sum(..)` or `.mean(..)`; for all derivatives use `jacrev` or `vjp`",
        ),
        (
            vec![f(&[3]), i(&[])],
            |x| wrong!(grad(|s: State| s.h.sum(0)))(State { h: x[0], n: Some(x[1]) }).leaves(),
            "grad: the argument `n` is i32[]: only floats have gradients\n  help: leave it out of the differentiated argument: the closure can capture it",
        ),
        (
            vec![f(&[3]), f(&[4])],
            |x| vec![wrong!(jvp(|x: Tensor| x, x[0], x[1])).1],
            "jvp: the tangent is f32[4] but belongs to f32[3]\n  help: a cotangent has the types of the results, a tangent those of the arguments: cast or reshape it, or start from `x.like(1)`",
        ),
        (
            vec![f(&[3])],
            |x| wrong!(jvp(|x: Vec<Tensor>| x, vec![x[0]], vec![])).1,
            "jvp: the tangent has 0 leaves, not 1\n  help: a cotangent has the types of the results, a tangent those of the arguments: cast or reshape it, or start from `x.like(1)`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(vjp(|x: Tensor| x.sum(0), x[0])).1(x[0])],
            "vjp: the cotangent is f32[3] but belongs to f32[]\n  help: a cotangent has the types of the results, a tangent those of the arguments: cast or reshape it, or start from `x.like(1)`",
        ),
        (
            vec![i(&[3])],
            |x| vec![wrong!(jacfwd(|x: Tensor| x))(x[0])],
            "jacfwd: the argument is i32[3]: only floats have gradients\n  help: convert it first with `.cast(DType::F32)`, or let the closure capture it",
        ),
        (
            vec![f(&[])],
            |x| {
                let f = |x: Tensor| wrong!(while_loop(|c| c.lt(9.0), |c| c * c, x));
                vec![grad(f)(x[0])]
            },
            "while_loop: reverse mode needs a loop whose number of steps is known\n  help: use `scan`, or `fori_loop` with numbers as bounds; or forward mode (`jvp`, `jacfwd`); or give the derivative with `custom_vjp`",
        ),
        (
            vec![f(&[])],
            |x| {
                let kernel = |x: Tensor| wrong!(CustomCall::new("my_kernel", [x.aval()]).call(&[x])[0]);
                vec![grad(kernel)(x[0])]
            },
            "custom_call of f32[]: the kernel `my_kernel` has no derivative\n  help: wrap the call in `custom_vjp` or `custom_jvp`, or hold its operands constant with `.stop_gradient()`",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct.sum(0)))(x[0])],
            "custom_vjp: the backward rule's result is f32[] but must be f32[3]\n  help: the backward rule returns a cotangent for each leaf of the argument, in its shape and dtype: sum over axes that were broadcast; `x.like(0)` where nothing depends on it",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(custom_jvp(|x: Tensor| x, |x: Tensor, dx: Tensor| (x, dx.sum(0))))(x[0])],
            "custom_jvp: the rule's tangent is f32[] but must be f32[3]\n  help: the rule returns the function's own result and its tangent, both of the same shape and dtype",
        ),
        (
            vec![f(&[])],
            |x| {
                let rule = |x: Tensor, dx: Tensor| (x, wrong!(dx * dx));
                vec![grad(custom_jvp(|x: Tensor| x, rule))(x[0])]
            },
            "transpose of f32[]: reverse mode meets an operation that is not linear in the tangents\n  help: a rule given to `custom_jvp` must be linear in the tangents: sums, and products with values",
        ),
        (
            vec![f(&[]), f(&[])],
            |x| {
                let scaled = |w: Tensor| {
                    wrong!(custom_jvp(move |x: Tensor| x * w, move |x: Tensor, dx: Tensor| (x * w, dx * w)))(x[0])
                };
                vec![grad(scaled)(x[1])]
            },
            "custom_jvp: the function is differentiated by a tensor that it uses from outside\n  help: pass it as an argument, or hold it constant with `.stop_gradient()`",
        ),
    ]);
}

#[test]
fn of_batches() {
    check(vec![
        (
            vec![f(&[3]), f(&[4])],
            |x| vec![wrong!(vmap(|(a, b): (Tensor, Tensor)| a + b))((x[0], x[1]))],
            "vmap: the mapped sizes differ: the argument `0` has 3, the argument `1` has 4 (axis 0 of f32[4])\n  help: all mapped axes have one size, as many as there are instances; what is the same for all of them is `Axis::Shared` (`vmap_axes`), or captured by the closure",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(vmap_axes(|x: Tensor| x, Axis::Shared, Axis::At(0)))(x[0])],
            "vmap: no leaf of the argument is mapped\n  help: map one with `Axis::At`, or say how many instances there are: `VmapOptions { axis_size: Some(n), .. }`",
        ),
        (
            vec![f(&[])],
            |x| vec![wrong!(vmap(|x: Tensor| x))(x[0])],
            "vmap: the argument has no axis 0: its rank is 0\n  help: a scalar has nothing to map: share it, `Axis::Shared` (`vmap_axes`), or let the closure capture it",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(vmap_axes(|x: Tensor| x, Axis::At(1), Axis::At(0)))(x[0])],
            "vmap: the argument has no axis 1: its rank is 1\n  help: the only axis is 0, or -1",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(vmap_axes(|x: Tensor| x, Axis::At(0), Axis::At(2)))(x[0])],
            "vmap: the result has no axis 2: its rank is 1\n  help: the only axis is 0, or -1",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(vmap_axes(|x: Tensor| x, Axis::At(0), Axis::Shared))(x[0])],
            "vmap: the result differs between instances: it cannot be shared\n  help: give it an axis, `Axis::At(0)`",
        ),
        (
            vec![f(&[3])],
            |x| {
                let axes = PerLeaf(vec![Axis::At(0), Axis::At(0)]);
                wrong!(vmap_axes(|x: Vec<Tensor>| x, axes, Axis::At(0)))(x.to_vec())
            },
            "vmap: the axes in `PerLeaf` are 2, the leaves of the tree 1\n  help: give each leaf an axis, or `Axis::Shared`",
        ),
        // what is wrong inside points at its own line
        (
            vec![f(&[3])],
            |x| vec![vmap(|x: Tensor| grad(|x: Tensor| wrong!(x + x.cast(DType::F16)))(x))(x[0])],
            "add of f32[] and f16[]: the dtypes differ\n  help: convert one side: `.cast(DType::F32)`",
        ),
    ]);
}

/// What `f` makes of the operand inside of two maps, of 2 instances `a` and of 4 instances `b`.
fn over_ab(x: &[Tensor], f: impl Fn(Tensor) -> Tensor) -> Vec<Tensor> {
    let over = |name, n| VmapOptions { axis_name: Some(name), axis_size: Some(n) };
    let both = |()| vmap_with(over("b", 4), |()| f(x[0]), Axis::At(0), Axis::At(0))(());
    vec![vmap_with(over("a", 2), both, Axis::At(0), Axis::At(0))(())]
}

#[test]
fn of_collectives() {
    check(vec![
        (
            vec![f(&[3])],
            |x| vec![wrong!(psum(x[0], "batch"))],
            "psum: there is no axis `batch`: no axis has a name here\n  help: call it inside `vmap_with(VmapOptions { axis_name: Some(\"batch\"), .. }, ..)`, or inside `shard_map` over a mesh with that axis",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(all_gather(x, ["a", "b", "a"], 0, true))),
            "all_gather: the axis `a` is named twice in [\"a\", \"b\", \"a\"]\n  help: name each axis once",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(psum(x, ["a", "a"]))),
            "psum: the axis `a` is named twice in [\"a\", \"a\"]\n  help: name each axis once",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(psum_scatter(x, ["b", "a"], 0, true))),
            "psum_scatter of f32[3]: axis 0 has size 3, not a multiple of the 8 instances of `b, a`",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(all_to_all(x, ["a", "b"], 0, 0, false))),
            "all_to_all of f32[3]: axis 0 has size 3, not the 8 instances of `a, b`",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(ppermute(x, ["a", "b"], [(0, 8)]))),
            "ppermute of f32[3]: (0, 8) names an instance that does not exist: `a, b` has 8",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(pshuffle(x, ["a", "c"], [0]))),
            "pshuffle: there is no axis `c` among `a`, `b`\n  help: call it inside `vmap_with(VmapOptions { axis_name: Some(\"c\"), .. }, ..)`, or inside `shard_map` over a mesh with that axis",
        ),
        (
            vec![f(&[3])],
            |x| over_ab(x, |x| wrong!(pshuffle(x, ["a"], [0, 2]))),
            "pshuffle: [0, 2] is no permutation of the 2 instances of `a`\n  help: name each of 0..2 once",
        ),
        // without a name there is one instance
        (
            vec![f(&[3])],
            |x| vec![wrong!(psum_scatter(x[0], &[][..], 0, false))],
            "psum_scatter of f32[3]: axis 0 has size 3, not 1: without a name there is one instance",
        ),
        (
            vec![f(&[3])],
            |x| vec![wrong!(ppermute(x[0], &[][..], [(0, 1)]))],
            "ppermute of f32[3]: (0, 1) names an instance that does not exist: without a name there is one",
        ),
    ]);
}

#[test]
fn of_traces() {
    check(vec![
        (
            vec![f(&[3])],
            |x| {
                let kept = Cell::new(None);
                let y = vmap(|y: Tensor| {
                    kept.set(Some(y));
                    y
                })(x[0]);
                vec![wrong!(y + kept.get().expect("it was set"))]
            },
            "add: a tensor outlived the trace that made it\n  help: return it from the function that made it: what a closure keeps aside (in a `Cell`, a `Vec`) ends with its trace",
        ),
        (
            vec![f(&[3])],
            |x| {
                let kept = Cell::new(None);
                let keep = |y: Tensor| {
                    kept.set(Some(y));
                    y
                };
                vmap(keep)(x[0]);
                wrong!(vmap(|_: Tensor| kept.get().expect("it was set")))(x[0]);
                vec![]
            },
            "vmap: a tensor outlived the trace that made it\n  help: return it from the function that made it: what a closure keeps aside (in a `Cell`, a `Vec`) ends with its trace",
        ),
        (
            vec![f(&[2])],
            |x| {
                let outer = x[0];
                let add = jit(move |y: Tensor| y + outer);
                wrong!(add.lower(&(f(&[2]),))).map(|l| l.text).expect("it captures");
                vec![]
            },
            "jit of f32[2]: it uses tensors of an enclosing trace\n  help: inside a trace, call the plain function instead of its jitted form",
        ),
        (
            vec![],
            |_| vec![wrong!(Key::new(0).split_stacked(3).normal([2], DType::F32))],
            "normal: key of u32[3, 2]: a key is u32[2]\n  help: of several keys in one value, use one at a time: with `vmap` or `scan`",
        ),
        (
            vec![],
            |_| vec![wrong!(Key::new(0).normal([2], DType::I32))],
            "normal: i32 is not a float\n  help: ask for `DType::F32`, and convert the result with `.cast(..)`",
        ),
        (
            vec![],
            |_| vec![wrong!(Key::new(0).randint([2], DType::F32, 0, 3))],
            "randint: f32 is not an integer\n  help: ask for `DType::I32`, and convert the result with `.cast(..)`",
        ),
        (
            vec![f(&[3])],
            |x| {
                wrong!(debug_print("{} {}", (x[0],)));
                vec![]
            },
            "debug_print: in the format string \"{} {}\" there are 2 fields `{}` or more, but the tree has 1\n  help: a field is `{}`, a path as `{0}` or `{layers.0.w}`, or one of them with digits, `{:.3}`; `{{` is a brace",
        ),
    ]);
}

#[test]
fn of_rotary_embeddings() {
    fn turned(x: &[Tensor], dim: usize, scaling: RopeScaling) -> Vec<Tensor> {
        let rope = Rope { dim, theta: 10000.0, scaling };
        vec![wrong!(rope.rotations(x[0], x[1])).apply(x[2])]
    }
    let operands = || vec![i(&[3]), i(&[]), f(&[1, 3, 2, 8])];
    check(vec![
        (
            operands(),
            |x| turned(x, 8, RopeScaling::Divisors(vec![2.0; 3])),
            "Rope::rotations of i32[3] and i32[]: `factors` has 3 numbers, but 4 pairs of dimensions are turned\n  help: give 4 numbers, or a `dim` of 6",
        ),
        (
            operands(),
            |x| {
                let long = RopeScaling::LongRope {
                    short_factor: vec![1.0; 4],
                    long_factor: vec![2.0; 5],
                    original_max_position_embeddings: 16,
                    attention_factor: None,
                    factor: None,
                };
                turned(x, 8, long)
            },
            "Rope::rotations of i32[3] and i32[]: `long_factor` has 5 numbers, but 4 pairs of dimensions are turned\n  help: give 4 numbers, or a `dim` of 10",
        ),
        (
            operands(),
            |x| turned(x, 7, RopeScaling::Default),
            "Rope::rotations of i32[3] and i32[]: 7 dimensions are not pairs\n  help: give an even `dim`",
        ),
    ]);
}
