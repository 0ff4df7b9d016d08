//! Mixtures of experts: three ways to run them, one value.
use raxla::{
    grad,
    nn::moe::{Dispatch, experts, load_balancing_loss, route},
    prelude::*,
    prim::sample,
    testing::assert_close,
    trace::trace_graph,
};

const EXPERTS: usize = 5;
const WAYS: [Dispatch; 3] = [Dispatch::Dense, Dispatch::Grouped, Dispatch::Capacity(None)];

/// Two-layer experts of tokens, chosen by a router.
fn layer(x: Tensor, router: Tensor, up: Tensor, down: Tensor, k: usize, dispatch: Dispatch) -> Tensor {
    let routing = route(einsum("nd,de->ne", x, router), k, true);
    let one = |x: Tensor, (up, down): (Tensor, Tensor)| einsum("nf,fd->nd", einsum("nd,df->nf", x, up).tanh(), down);
    experts(x, routing, (up, down), dispatch, one)
}
fn inputs(n: usize) -> Vec<Host> {
    let dims: [&[usize]; 4] = [&[n, 4], &[4, EXPERTS], &[EXPERTS, 4, 6], &[EXPERTS, 6, 4]];
    dims.iter().enumerate().map(|(i, d)| sample(DType::F64, d, i as u64 + 1)).collect()
}
fn eval(inputs: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Host> {
    let avals: Vec<Aval> = inputs.iter().map(|h| h.aval().clone()).collect();
    trace_graph(&avals, f).unwrap().eval(inputs)
}

#[test]
fn all_ways_give_one_value_and_one_gradient() {
    for (n, k) in [(1, 1), (1, 2), (7, 2), (12, 5), (33, 1)] {
        let x = inputs(n);
        let value = |way| eval(&x, |t| vec![layer(t[0], t[1], t[2], t[3], k, way)]).remove(0);
        let gradient =
            |way| eval(&x, |t| grad(|t: Vec<Tensor>| layer(t[0], t[1], t[2], t[3], k, way).sin().sum(..))(t.to_vec()));
        let (y, d) = (value(Dispatch::Dense), gradient(Dispatch::Dense));
        for way in WAYS {
            assert_close(&value(way), &y, 1e-9);
            gradient(way).iter().zip(&d).for_each(|(have, want)| assert_close(have, want, 1e-9));
        }
    }
}

#[test]
fn compiled_programs_agree() {
    let x: Vec<Host> = inputs(9).iter().map(|h| h.cast(DType::F32)).collect();
    let want = eval(&x, |t| vec![layer(t[0], t[1], t[2], t[3], 2, Dispatch::Dense)]).remove(0);
    let arrays: Vec<Array> = x.iter().map(|h| Array::from_host(h).unwrap()).collect();
    for way in WAYS {
        let f = jit(|t: Vec<Tensor>| layer(t[0], t[1], t[2], t[3], 2, way));
        assert_close(&f.call((&arrays,)).unwrap().to_host().unwrap(), &want, 1e-5);
    }
}

#[test]
fn equal_experts_are_one_dense_network() {
    let x = inputs(6);
    let all = |t: &[Tensor], way| {
        let same = |w: Tensor| w.slice_axis(0, 0..1).repeat(EXPERTS, 0);
        layer(t[0], t[1], same(t[2]), same(t[3]), 3, way)
    };
    let dense = |t: &[Tensor]| {
        let first = |w: Tensor| w.slice_axis(0, 0..1).squeeze(0);
        einsum("nf,fd->nd", einsum("nd,df->nf", t[0], first(t[2])).tanh(), first(t[3]))
    };
    let want = eval(&x, |t| vec![dense(t)]).remove(0);
    WAYS.iter().for_each(|way| assert_close(&eval(&x, |t| vec![all(t, *way)])[0], &want, 1e-6));
}

#[test]
fn choices_beyond_the_capacity_are_dropped() {
    // the router sends every token to expert 0, which has places for half of them
    let x = sample(DType::F64, &[8, 4], 1);
    let kept = eval(std::slice::from_ref(&x), |t| {
        let scores =
            full([8, 2], DType::F64, 0.0) + where_(arange(2, DType::I32).eq(0), full([2], DType::F64, 1.0), 0.0);
        let routing = route(scores, 1, true);
        let weights = ones([2, 1], DType::F64);
        vec![experts(t[0], routing, weights, Dispatch::Capacity(Some(1.0)), |x, w| x * w)]
    });
    let (have, want) = (kept[0].to_f64(), x.to_f64());
    assert_eq!(have[..16], want[..16]);
    assert!(have[16..].iter().all(|v| *v == 0.0));
}

#[test]
fn the_balancing_loss_is_k_when_all_are_used_alike() {
    let even = eval(&[sample(DType::F64, &[10, EXPERTS], 3)], |t| vec![load_balancing_loss(t[0] * 0.0, EXPERTS)]);
    assert!((even[0].to_f64()[0] - EXPERTS as f64).abs() < 1e-6);
    let skewed = eval(&[sample(DType::F64, &[10, EXPERTS], 3)], |t| {
        vec![load_balancing_loss(t[0] * 0.0 + arange(EXPERTS, DType::F64) * 5.0, 1)]
    });
    assert!(skewed[0].to_f64()[0] > 4.0, "{skewed:?}");
}
