//! Buckets of `jit`: arguments padded to a few sizes, and the true length beside them.
use raxla::{
    Axis, Error, PerLeaf,
    jit::{Bucketed, Buckets, Change},
    prelude::*,
    value_and_grad,
};
use std::sync::atomic::{AtomicUsize, Ordering};

fn array(x: &[f32]) -> Array {
    Array::from_slice([x.len()], x).unwrap()
}
fn floats(x: &Array) -> Vec<f32> {
    x.to_vec().unwrap()
}
fn f32s(dims: &[usize]) -> Aval {
    Aval::new(DType::F32, dims)
}
/// `n` numbers of which no two sums are alike.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| 1.0 + (i * i) as f32 / 7.0).collect()
}
fn four_to_sixteen() -> Buckets {
    Buckets::powers_of_two(4, 16).unwrap()
}
/// Which of the positions of an axis are real.
fn real(x: Tensor, axis: usize, n: Tensor) -> Tensor {
    let mut dims = vec![1; x.rank()];
    dims[axis] = x.dim(axis as isize);
    arange(dims[axis], DType::I32).lt(n).reshape(dims)
}
/// The message of an error.
fn refused<T>(outcome: raxla::Result<T>) -> String {
    outcome.map(|_| ()).unwrap_err().to_string()
}

#[derive(Tree, Clone, Debug)]
struct Batch<T = Tensor> {
    tokens: T,
    weights: Vec<T>,
    id: T,
}

#[test]
fn buckets_are_sizes_that_go_up() {
    let sizes = |a, b| Buckets::powers_of_two(a, b).unwrap().sizes().to_vec();
    assert_eq!(sizes(16, 1024), [16, 32, 64, 128, 256, 512, 1024]);
    assert_eq!(
        (sizes(5, 20), sizes(5, 6), sizes(8, 8), sizes(0, 3)),
        (vec![8, 16, 20], vec![6], vec![8], vec![1, 2, 3])
    );
    let buckets = Buckets::new([3, 10]).unwrap();
    assert_eq!([0, 1, 3, 4, 10, 11].map(|n| buckets.fit(n)), [Some(3), Some(3), Some(3), Some(10), Some(10), None]);
    let help = "\n  help: list at least one size, each larger than the one before";
    for (list, reason) in [
        (vec![], "there is none"),
        (vec![8, 4], "4 comes after 8"),
        (vec![4, 4], "4 comes after 4"),
        (vec![0, 4], "0 is not from 1 to 2147483647"),
        (vec![4, 1 << 40], "1099511627776 is not from 1 to 2147483647"),
    ] {
        let e = Buckets::new(list.clone()).unwrap_err();
        assert!(matches!(e, Error::Buckets { .. }));
        assert_eq!(e.to_string(), format!("the buckets {list:?}: {reason}{help}"));
    }
    assert!(Buckets::powers_of_two(5, 4).is_err() && Buckets::powers_of_two(0, 0).is_err());
}

#[test]
fn every_length_computes_what_it_does_without_padding() {
    let traced = AtomicUsize::new(0);
    // softmax over the padded axis, weighted sums of it, and both axes of the result cut or not
    let attend = |q: Tensor, k: Tensor, n: Tensor| {
        let scores = einsum("d,td->t", q, k);
        let p = where_(real(scores, 0, n), scores, f32::NEG_INFINITY).softmax(-1);
        (p, einsum("t,td->d", p, k))
    };
    let plain = jit(move |q: Tensor, k: Tensor| attend(q, k, full([], DType::I32, k.dim(0))));
    let padded = |q: Tensor, k: Tensor, n: Tensor| {
        traced.fetch_add(1, Ordering::Relaxed);
        attend(q, k, n)
    };
    let f = jit(padded).bucketed(four_to_sixteen(), (Axis::Shared, Axis::At(0)), (Axis::At(-1), Axis::Shared));
    let q = array(&[0.3, -0.2]);
    for n in 1..=16 {
        let k = Array::from_slice([n, 2], &numbers(2 * n).iter().map(|x| x.sin()).collect::<Vec<_>>()).unwrap();
        let ((p, y), (want_p, want_y)) = (f.call((&q, &k)).unwrap(), plain.call((&q, &k)).unwrap());
        assert_eq!((p.dims(), y.dims()), ([n].as_slice(), [2].as_slice()));
        for (a, b) in floats(&p).iter().chain(&floats(&y)).zip(floats(&want_p).iter().chain(&floats(&want_y))) {
            assert!((a - b).abs() < 1e-6, "length {n}: {a} and {b}");
        }
    }
    assert_eq!((f.compiles(), traced.load(Ordering::Relaxed), plain.compiles()), (3, 3, 16));
    let explanation = f.explain();
    let change = Change::Type { path: "1".into(), before: f32s(&[4, 2]), now: f32s(&[8, 2]) };
    assert_eq!(explanation.programs[1].changes.0, [change]);
}

#[test]
fn gradients_see_no_padding() {
    let loss = |w: Tensor, x: Tensor, n: Tensor| {
        let losses = ((x * w).tanh() - x).powi(2);
        where_(real(losses, 0, n), losses, 0.0).sum(0) / n.cast(DType::F32)
    };
    let step = move |w: Tensor, x: Tensor, n: Tensor| value_and_grad(|(w, x): (Tensor, Tensor)| loss(w, x, n))((w, x));
    let plain = jit(move |w: Tensor, x: Tensor| step(w, x, full([], DType::I32, x.dim(0))));
    let out_axes = (Axis::Shared, (Axis::Shared, Axis::At(0)));
    // a fill whose derivative would be felt
    let f = jit(step).bucketed(four_to_sixteen(), (Axis::Shared, Axis::At(0)), out_axes).fill(1e3);
    let w = Array::scalar(0.7f32).unwrap();
    for n in 1..=16 {
        let x = array(&numbers(n));
        let (loss, (dw, dx)) = f.call((&w, &x)).unwrap();
        let (want_loss, (want_dw, want_dx)) = plain.call((&w, &x)).unwrap();
        let all = |l: &Array, dw: &Array, dx: &Array| [floats(l), floats(dw), floats(dx)].concat();
        let (have, want) = (all(&loss, &dw, &dx), all(&want_loss, &want_dw, &want_dx));
        assert_eq!(have.len(), 2 + n);
        assert!(have.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6 * (1.0 + b.abs())), "{n}: {have:?} {want:?}");
    }
    assert_eq!(f.compiles(), 3);
}

#[test]
fn every_dtype_and_axis_is_padded_and_cut() {
    use DType::*;
    for dtype in [Bool, I4, U4, I8, I16, I32, I64, U8, U16, U32, U64, F8E4M3FN, F8E5M2, BF16, F16, F32, F64] {
        let value = |dims: [usize; 3]| {
            let size = dims.iter().product();
            Host::ints(dtype, dims, (0..size).map(|i| (i % 2) as i128).collect())
        };
        for axis in 0..3isize {
            let back = (Axis::At(axis - 3), Axis::Shared);
            let f =
                jit(|x: Tensor, _n: Tensor| (x, x)).bucketed(Buckets::new([4]).unwrap(), Axis::At(axis), back).fill(1);
            let mut dims = [2, 2, 2];
            dims[axis as usize] = 3;
            let x = value(dims);
            let (cut, whole) = f.call((&Array::from_host(&x).unwrap(),)).unwrap();
            assert_eq!(cut.to_host().unwrap(), x);
            let whole = whole.to_host().unwrap();
            let mut index = 0;
            let stride: usize = dims[axis as usize + 1..].iter().product();
            for (i, have) in whole.to_ints().iter().enumerate() {
                let padding = i / stride % 4 == 3;
                let want = if padding { 1 } else { x.to_ints()[index] };
                index += usize::from(!padding);
                assert_eq!(*have, want, "{dtype:?} axis {axis} element {i}");
            }
            assert_eq!(whole.dims()[axis as usize], 4);
        }
    }
}

#[test]
fn leaves_of_structures_are_padded_each_along_its_axis() {
    let f = jit(|scale: Tensor, b: Batch, n: Tensor| {
        let tokens = where_(real(b.tokens, 1, n), b.tokens, 0).sum(1);
        (tokens.cast(DType::F32) * scale + b.id, b.weights)
    });
    let leaf = Batch { tokens: Axis::At(1), weights: vec![Axis::At(0), Axis::At(-1)], id: Axis::Shared };
    let f = f.named("step").bucketed(
        four_to_sixteen(),
        (Axis::Shared, PerLeaf(leaf.clone())),
        (Axis::Shared, PerLeaf(vec![Axis::At(0), Axis::At(1)])),
    );
    let batch = |t: usize, w: usize| Batch {
        tokens: Array::from_slice([2, t], &vec![1i32; 2 * t]).unwrap(),
        weights: vec![array(&numbers(w)), Array::from_slice([3, t], &numbers(3 * t)).unwrap()],
        id: array(&[0.5, 1.5]),
    };
    let scale = Array::scalar(10f32).unwrap();
    for n in [1, 4, 5, 16] {
        let (sums, weights) = f.call((&scale, &batch(n, n))).unwrap();
        assert_eq!(floats(&sums), [10.0 * n as f32 + 0.5, 10.0 * n as f32 + 1.5]);
        assert_eq!((floats(&weights[0]), floats(&weights[1])), (numbers(n), numbers(3 * n)));
        assert_eq!(weights[1].dims(), [3, n]);
    }
    assert_eq!(f.compiles(), 3);
    assert_eq!(
        refused(f.call((&scale, &batch(5, 6)))),
        "`step`: the padded sizes differ: the argument `1.tokens` has 5 (axis 1 of i32[2, 5]), the argument `1.weights.0` \
         has 6 (axis 0 of f32[6])\n  help: all padded axes have the same true length"
    );
    let e = f.call((&scale, &batch(17, 17))).map(|_| ()).unwrap_err();
    let Error::TooLong { name, path, aval, axis: 1, length: 17, buckets } = &e else { panic!("{e}") };
    assert_eq!((name.as_str(), path.as_str(), buckets.sizes()), ("step", "1.tokens", [4, 8, 16].as_slice()));
    assert_eq!(*aval, Aval::new(DType::I32, [2, 17]));
    assert_eq!(
        e.to_string(),
        "the argument `1.tokens` of `step` is 17 long (axis 1 of i32[2, 17]), and its buckets end before: 4, 8, 16\n  help: \
         add a larger bucket, or cut or split the argument"
    );
    let more = Batch { weights: vec![array(&[1.]); 3], ..batch(1, 1) };
    assert_eq!(
        refused(f.call((&scale, &more))),
        "`step`: of the arguments, the axes in `PerLeaf` are 4, the leaves of the tree 5\n  help: give each leaf an axis, or \
         `Axis::Shared`"
    );
    assert_eq!(f.compiles(), 3);
}

#[test]
fn axes_that_are_not_there_are_named() {
    let scale = |x: Tensor, w: Tensor, _n: Tensor| (x * 2.0, w);
    let bucketed = |ins: [Axis; 2], outs: [Axis; 2]| {
        let f = jit(scale).named("scale");
        f.bucketed(Buckets::new([4]).unwrap(), PerLeaf((ins[0], ins[1])), PerLeaf((outs[0], outs[1])))
    };
    let (x, w) = (array(&[1., 2.]), array(&[1., 2., 3.]));
    let (at, none) = (Axis::At, Axis::Shared);
    for (ins, outs, message) in [
        ([none, none], [none, none], "no argument is padded\n  help: say which axis is, with `Axis::At`"),
        (
            [at(0), at(1)],
            [none, none],
            "the argument `1` (f32[3]) has no axis 1\n  help: name an axis that it has; `Axis::Shared` is for leaves without it",
        ),
        (
            [at(0), none],
            [at(0), at(-2)],
            "the result `1` (f32[3]) has no axis -2\n  help: name an axis that it has; `Axis::Shared` is for leaves without it",
        ),
        (
            [at(0), none],
            [none, at(0)],
            "the result `1` (f32[3]) is not as long as the bucket, 4, along axis 0\n  help: results that are not padded get \
             `Axis::Shared`, and are returned whole",
        ),
    ] {
        let f = bucketed(ins, outs);
        assert_eq!(refused(f.call((&x, &w))), format!("`scale`: {message}"));
        if ins != [none, none] {
            assert_eq!(refused(f.compile_all(&(f32s(&[2]), f32s(&[3])), &[])), format!("`scale`: {message}"));
        }
    }
    assert_eq!(
        refused(bucketed([at(0), none], [at(0), none]).call_padded(3, (&x, &w))),
        "`scale`: a length of 3 is given, but the padded arguments are 2 long\n  help: the length counts what is real, without \
         padding"
    );
}

#[test]
fn mistakes_in_the_function_are_reported_as_without_buckets() {
    let f = jit(|x: Tensor, n: Tensor| x + n).bucketed(four_to_sixteen(), Axis::At(0), Axis::At(0));
    let e = f.call((array(&[1.]),)).unwrap_err();
    assert!(matches!(&e, Error::Trace(e) if e.op == "add" && e.file == "tests/buckets.rs"), "{e}");
    let e = f.compile_all(&(f32s(&[0]),), &[]).unwrap_err();
    assert!(matches!(&e, Error::Trace(e) if e.operands[0] == f32s(&[4])), "the smallest bucket's: {e}");
    assert_eq!(f.compiles(), 0);
}

#[test]
fn all_programs_are_compiled_up_front() {
    let f = jit(|w: Tensor, x: Tensor, n: Tensor| (w + 1.0, x * n.cast(DType::F32))).named("f");
    let f = f.bucketed(four_to_sixteen(), (Axis::Shared, Axis::At(0)), (Axis::Shared, Axis::At(0)));
    f.compile_all(&(f32s(&[2]), f32s(&[7])), &[0]).unwrap();
    assert_eq!((f.compiles(), f.explain().programs.len()), (3, 3));
    f.freeze();
    let mut w = array(&[0., 0.]);
    for n in 1..=16 {
        let y;
        (w, y) = f.call((w, &array(&numbers(n)))).unwrap();
        assert_eq!(floats(&y), numbers(n).iter().map(|x| x * n as f32).collect::<Vec<_>>());
    }
    assert_eq!((floats(&w), f.compiles()), (vec![16., 16.], 3));
    let e = refused(f.call((&w, &array(&[1.]))));
    assert!(e.starts_with("`f` needs another program, but only 3 are allowed\n  argument `0` is borrowed"), "{e}");
    f.compile_all(&(f32s(&[2]), f32s(&[7])), &[0]).unwrap();
    assert!(f.compile_all(&(f32s(&[3]), f32s(&[7])), &[0]).is_err());
}

#[test]
fn one_program_per_bucket_can_be_all_that_is_allowed() {
    let f = jit(|x: Tensor, _n: Tensor| x).bucketed(four_to_sixteen(), Axis::At(0), Axis::At(0)).deny_recompile();
    (1..=16).for_each(|n| assert_eq!(floats(&f.call((&array(&numbers(n)),)).unwrap()), numbers(n)));
    let ints = Array::from_slice([5], &[1i32; 5]).unwrap();
    let e = f.call((&ints,)).unwrap_err();
    assert!(matches!(e, Error::Recompile { allowed: 3, .. }), "{e}");
    assert_eq!((f.compiles(), f.buckets().sizes().len()), (3, 3));
    let lowered = f.jit().lower(&(f32s(&[4]), Aval::new(DType::I32, []))).unwrap();
    assert_eq!(lowered.graph.in_avals().len(), 2);
}

type Scale = fn(Tensor, Tensor, Tensor) -> (Tensor, Tensor);

#[test]
fn moved_arguments_give_their_memory_padded_or_not() {
    let scale: Scale = |w, x, n| (w * 2.0, x * n.cast(DType::F32));
    let f: Bucketed<(Tensor, Tensor, Tensor), Scale> =
        jit(scale).donate([0, 1]).bucketed(Buckets::new([1024]).unwrap(), (Axis::Shared, Axis::At(0)), Axis::Shared);
    // both must be donated: borrowing one is an error, also where it would be padded
    let (w, x) = (array(&[1.; 8]), array(&[3.; 1000]));
    assert!(matches!(f.call((w.clone(), &x)), Err(Error::Donation { path, .. }) if path == "1"));
    let (w2, y) = f.call((w.clone(), x.clone())).unwrap();
    assert_eq!((floats(&w2), floats(&y)[999], floats(&y)[1000]), (vec![2.; 8], 3000.0, 0.0));
    assert_eq!((floats(&w), floats(&x)), (vec![1.; 8], vec![3.; 1000]), "clones keep theirs");
    // y is as long as the bucket: nothing is copied on the way from one call to the next
    let (w3, y) = f.call_padded(1000, (w2, y)).unwrap();
    assert_eq!((floats(&w3), floats(&y)[999], f.compiles()), (vec![4.; 8], 3e6, 1));
    let program = f.jit().compile_for((w3, y, &Array::scalar(0i32).unwrap())).unwrap();
    assert_eq!((program.executable().memory_stats().unwrap().aliased, f.compiles()), (32 + 4096, 1));
}

#[test]
fn an_empty_argument_is_all_padding() {
    let f =
        jit(|x: Tensor, n: Tensor| (x + 1.0, n)).bucketed(four_to_sixteen(), Axis::At(0), (Axis::At(0), Axis::Shared));
    let (y, n) = f.call((array(&[]),)).unwrap();
    assert_eq!((y.dims(), floats(&y), n.item::<i32>().unwrap()), ([0].as_slice(), vec![], 0));
}
