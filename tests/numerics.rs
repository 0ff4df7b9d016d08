//! How exactly things are computed: accumulation of narrow floats, precision of products, sums of exponentials.
use raxla::{Precision, einsum_with, grad, linearize, prelude::*, testing::check_grads, trace::trace_graph};

/// Elements of `f` of these floats, by XLA.
fn run(x: &Host, f: impl Fn(Tensor) -> Tensor) -> Vec<f64> {
    jit(|x: Tensor| f(x)).call((Array::from_host(x).unwrap(),)).unwrap().to_host().unwrap().to_f64()
}

#[test]
fn narrow_floats_accumulate_in_f32() {
    // one by one in bf16 (or, beyond 2048, in f16), each further 1 would be lost
    for (dtype, start) in [(DType::BF16, 256.0), (DType::F16, 2048.0)] {
        let x = Host::floats(dtype, [1, 513], [vec![start], vec![1.0; 512]].concat());
        let want = [start + 512.0];
        assert_eq!(run(&x, |x| x.sum(-1)), want, "a sum of {dtype}");
        assert_eq!(run(&x, |x| einsum("ij,kj->ik", x, x.like(1.0))), want, "a product of {dtype}");
        let many = Host::floats(dtype, [64, 513], [vec![start], vec![1.0; 512]].concat().repeat(64));
        assert_eq!(
            run(&many, |x| einsum("ij,kj->ik", x, x.like(1.0))),
            [want[0]; 64 * 64],
            "a large product of {dtype}"
        );
        assert_eq!(run(&x, |x| x.mean(-1)), [Host::floats(dtype, [], vec![want[0] / 513.0]).to_f64()[0]]);
        // 513 equal logits: the sum of exponentials is 513, not what bf16 stops at
        let flat = Host::floats(dtype, [1, 513], vec![0.0; 513]);
        let share = Host::floats(dtype, [], vec![1.0 / 513.0]).to_f64()[0];
        assert!(run(&flat, |x| x.softmax(-1)).iter().all(|p| (p - share).abs() <= share * 0.01));
    }
}

#[test]
fn the_precision_of_a_product_reaches_the_compiler() {
    let matrix = Aval::new(DType::F32, [2, 2]);
    let text = |precision: Precision| {
        let f = jit(move |x: Tensor, y: Tensor| einsum_with("ij,jk->ik", &[x, y], precision, None));
        f.lower(&(matrix.clone(), matrix.clone())).unwrap().text
    };
    assert!(text(Precision::Highest).contains("HIGHEST"));
    assert!(text(Precision::High).contains("HIGH>") && !text(Precision::High).contains("HIGHEST"));
    assert!(!text(Precision::Default).contains("HIGH"));
}

#[test]
fn rows_that_are_masked_out_have_no_gradient() {
    let inf = f64::INFINITY;
    let x = Host::floats(DType::F64, [3, 3], vec![0.5, -inf, 1.5, -inf, -inf, -inf, 900.0, -900.0, 1e300]);
    let d = |f: fn(Tensor) -> Tensor| {
        let f = |x: Tensor| f(x).slice_axis(0, ..1).sum(..);
        trace_graph(&[x.aval().clone()], |t| vec![grad(f)(t[0])]).unwrap().eval(std::slice::from_ref(&x))[0].to_f64()
    };
    for f in [|x: Tensor| x.softmax(-1) * x.softmax(-1), |x: Tensor| x.logsumexp_keep(-1)] {
        let d = d(f);
        assert!(d[..3].iter().all(|v| v.is_finite()) && d[1] == 0.0, "{d:?}");
        assert!(d[6..].iter().all(|v| *v == 0.0), "rows do not mix: {d:?}");
    }
    let large = Host::floats(DType::F64, [4], vec![1e4, 1e4 + 1.0, -1e4, 0.0]);
    check_grads(|t| vec![t[0].softmax(0), t[0].log_softmax(0), t[0].logsumexp(0)], &[large], 2).unwrap();
}

#[test]
fn the_way_back_of_softmax_keeps_one_value() {
    // a loop stacks what the way back needs: beside the carry, one value per step
    let x = [Aval::new(DType::F32, [4]), Aval::new(DType::F32, [3, 4])];
    let looped = |c: Tensor, xs: Tensor| raxla::scan(|c: Tensor, x: Tensor| ((c + x).softmax(-1), ()), c, xs).0;
    let g = trace_graph(&x, |t| {
        let (y, push) = linearize(|c: Tensor| looped(c, t[1]), t[0]);
        vec![y, push(t[0])]
    })
    .unwrap();
    let forward = g.eqns.iter().find(|e| e.prim.name() == "scan").unwrap();
    assert_eq!(forward.outs.len(), 2, "the carry and one stack:\n{g}");
}
