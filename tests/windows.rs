//! Caches of attention with a window: a ring that holds no more than the window gives what the whole sequence gives.
use raxla::{
    nn::{AttentionOptions, KvCache, Seen, Sight},
    prelude::*,
    prim::sample,
    testing::assert_close,
    trace::trace_graph,
};

const LENGTH: usize = 24;
const OPTIONS: AttentionOptions = AttentionOptions { scale: 0.5, soft_cap: Some(3.0) };

fn int(x: usize) -> Tensor {
    full([], DType::I32, x)
}
fn eval(inputs: &[Host], f: impl Fn(&[Tensor]) -> Vec<Tensor>) -> Vec<Host> {
    let avals: Vec<Aval> = inputs.iter().map(|h| h.aval().clone()).collect();
    trace_graph(&avals, f).unwrap().eval(inputs)
}
/// Queries, keys and values of a whole sequence.
fn inputs() -> Vec<Host> {
    (0..3).map(|i| sample(DType::F64, &[2, LENGTH, if i == 0 { 4 } else { 2 }, 3], i + 1)).collect()
}

/// Attention in calls of some sizes: each is (first position, real tokens, padding). Calls may begin before the end of the
/// last one: its later tokens are taken back.
fn in_calls(calls: &[(usize, usize, usize)], slots: usize, ring: bool, window: usize) -> Host {
    let f = |t: &[Tensor]| {
        let empty = || full([2, slots, 2, 3], DType::F64, 0.0);
        let mut cache = Some(KvCache { k: empty(), v: empty(), ring });
        let mut rows = vec![];
        for (start, count, padding) in calls.iter().copied() {
            // (what is padding or taken back later must not matter)
            let part = |x: Tensor| {
                let own = x.slice_axis(1, start..start + count);
                concat(&[own, full([2, padding, own.dim(2), 3], DType::F64, 7.0)], 1)
            };
            let at = Sight { start: int(start), length: int(start + count), window: Some(int(window)), segments: None };
            let (seen, next) = Seen::new(cache, part(t[1]), part(t[2]), at);
            cache = next;
            rows.truncate(start);
            let y = seen.attend(part(t[0]), at, None, OPTIONS);
            rows.extend((0..count).map(|i| y.slice_axis(1, i..i + 1)));
        }
        vec![concat(&rows, 1)]
    };
    eval(&inputs(), f).remove(0)
}

fn whole(window: usize) -> Host {
    let f = |t: &[Tensor]| {
        let at = Sight { start: int(0), length: int(LENGTH), window: Some(int(window)), segments: None };
        let (seen, _) = Seen::new(None, t[1], t[2], at);
        vec![seen.attend(t[0], at, None, OPTIONS)]
    };
    eval(&inputs(), f).remove(0)
}

#[test]
fn a_ring_of_the_windows_size_is_enough() {
    for window in [1, 3, 5, 24] {
        let want = whole(window);
        let one_by_one: Vec<_> = (0..LENGTH).map(|i| (i, 1, 0)).collect();
        let prompt_first: Vec<_> = [(0, 13, 3)].into_iter().chain((13..LENGTH).map(|i| (i, 1, 0))).collect();
        let chunks = vec![(0, 4, 0), (4, 4, 1), (8, 1, 3), (9, 1, 0), (10, 2, 2), (12, 12, 4)];
        for calls in [one_by_one, prompt_first, chunks] {
            assert_close(&in_calls(&calls, window, true, window), &want, 1e-12);
            assert_close(&in_calls(&calls, LENGTH + 4, false, window), &want, 1e-12);
        }
    }
}

#[test]
fn spare_slots_let_tokens_be_taken_back() {
    let calls =
        [(0, 9, 2), (9, 4, 0), (10, 4, 0), (12, 3, 1), (13, 1, 0), (14, 4, 0), (15, 4, 0), (19, 4, 0), (20, 4, 0)];
    for window in [2, 6] {
        assert_close(&in_calls(&calls, window + 3, true, window), &whole(window), 1e-12);
    }
}
