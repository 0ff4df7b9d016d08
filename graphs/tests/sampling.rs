//! Which tokens the sampler can choose, and how often.
use graphs::Sampling;
use raxla::{Array, Key, Tensor, jit};
use std::collections::BTreeMap;

const LOGITS: [f32; 6] = [2.0, 1.0, 0.5, 0.0, -1.0, -4.0];

/// How often each token is chosen over `n` keys.
fn counts(sampling: &Sampling, logits: &[f32], seen: Option<&[bool]>, n: u64) -> BTreeMap<i32, u64> {
    let shape = sampling.shape();
    let f = jit(move |logits: Tensor, numbers: Tensor, seen: Option<Tensor>, key: Key| {
        shape.choose(logits, numbers, seen, key)
    });
    let vocab = logits.len();
    let logits = Array::from_slice([1, vocab], logits).unwrap();
    let numbers = Array::from_slice([4], &sampling.numbers()).unwrap();
    let seen = seen.map(|s| Array::from_slice([1, vocab], s).unwrap());
    let mut counts = BTreeMap::new();
    for seed in 0..n {
        let key = Key::host(seed).to_device().unwrap();
        let token = f.call((&logits, &numbers, &seen, &key)).unwrap();
        *counts.entry(token.to_vec::<i32>().unwrap()[0]).or_insert(0) += 1;
    }
    counts
}

fn chosen(sampling: Sampling) -> Vec<i32> {
    counts(&sampling, &LOGITS, None, 400).into_keys().collect()
}

fn at_temperature(temperature: f32) -> Sampling {
    Sampling { temperature, ..Default::default() }
}

#[test]
fn greedy_takes_the_most_likely() {
    assert_eq!(chosen(at_temperature(0.0)), [0]);
    assert_eq!(chosen(Sampling { top_k: 3, ..at_temperature(0.0) }), [0], "filters do not matter then");
}

#[test]
fn filters_exclude_the_unlikely() {
    // at temperature 4 every token but the last is likely enough to come up in 400 draws
    assert_eq!(chosen(Sampling { top_k: 3, ..at_temperature(4.0) }), [0, 1, 2]);
    assert_eq!(chosen(Sampling { top_k: 1, ..at_temperature(4.0) }), [0]);
    // at temperature 1 the probabilities are .548 .202 .122 .074 .027 .001
    assert_eq!(chosen(Sampling { top_p: 0.5, ..at_temperature(1.0) }), [0]);
    assert_eq!(chosen(Sampling { top_p: 0.7, ..at_temperature(1.0) }), [0, 1]);
    assert_eq!(chosen(Sampling { top_p: 0.86, ..at_temperature(1.0) }), [0, 1, 2]);
    assert_eq!(chosen(Sampling { min_p: 1.0, ..at_temperature(4.0) }), [0]);
    // min_p counts relative to the most likely: e^-1 and e^-1.5, but not e^-2
    assert_eq!(chosen(Sampling { min_p: 0.2, ..at_temperature(1.0) }), [0, 1, 2]);
    // the order is top-k, top-p, min-p, each on what the one before left
    assert_eq!(chosen(Sampling { top_k: 2, top_p: 0.72, ..at_temperature(1.0) }), [0]);
}

#[test]
fn draws_follow_the_distribution() {
    let n = 4000;
    let total: f64 = LOGITS.iter().map(|x| (*x as f64 / 1.5).exp()).sum();
    let have = counts(&at_temperature(1.5), &LOGITS, None, n);
    let chi2: f64 = LOGITS
        .iter()
        .enumerate()
        .map(|(i, x)| {
            let want = n as f64 * (*x as f64 / 1.5).exp() / total;
            (have.get(&(i as i32)).copied().unwrap_or(0) as f64 - want).powi(2) / want
        })
        .sum();
    // 5 degrees of freedom: a correct sampler exceeds 20.5 once in a thousand seeds, and the seeds are fixed
    assert!(chi2 < 20.5, "{chi2} {have:?}");
}

#[test]
fn what_occurred_becomes_less_likely() {
    let penalized = Sampling { repetition_penalty: 1.5, ..Default::default() };
    let none = [false; 6];
    let mut first = none;
    first[0] = true;
    let choose = |logits: &[f32], seen: &[bool]| counts(&penalized, logits, Some(seen), 1).into_keys().next().unwrap();
    assert_eq!(choose(&[1.2, 1.0, 0.0, 0.0, 0.0, 0.0], &none), 0);
    assert_eq!(choose(&[1.2, 1.0, 0.0, 0.0, 0.0, 0.0], &first), 1, "1.2 / 1.5 is below 1");
    assert_eq!(choose(&[-1.0, -1.2, -9.0, -9.0, -9.0, -9.0], &first), 1, "-1 * 1.5 is below -1.2");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let why = |s: Sampling| s.check().unwrap_err();
    assert_eq!(why(at_temperature(-1.0)), "temperature must be 0 or more, not -1");
    assert_eq!(why(Sampling { top_p: 0.0, ..Default::default() }), "top-p must be above 0 and at most 1, not 0");
    assert_eq!(why(Sampling { min_p: 2.0, ..Default::default() }), "min-p must be within 0 and 1, not 2");
    assert_eq!(
        why(Sampling { repetition_penalty: 0.0, ..Default::default() }),
        "repetition-penalty must be above 0, not 0"
    );
    assert!(at_temperature(f32::NAN).check().is_err());
}
