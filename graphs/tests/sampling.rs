//! Which tokens the sampler can choose, and how often.
use raxla::{Array, Key, Tensor, jit, vmap};
use raxla_graphs::{Context, Sampling};

/// Draws of the tests of distributions.
const DRAWS: usize = 100_000;
const LOGITS: [f32; 8] = [2.0, 1.0, 0.5, 0.3, 0.0, -1.0, -2.5, -4.0];

/// How often each token is chosen in `n` draws; `counts`: how often each occurred in the prompt, and after it.
fn counts_after(sampling: &Sampling, logits: &[f32], counts: [&[i32]; 2], n: usize) -> Vec<u64> {
    let (shape, vocab) = (sampling.shape(), logits.len());
    let f = jit(move |logits: Tensor, numbers: Tensor, bias: Option<Tensor>, counts: Tensor, key: Key| {
        let counts = shape.needs_counts().then_some(counts);
        let context = Context { numbers, bias, counts };
        vmap(|key: Key| shape.choose(logits, context, key).token)(key.split_stacked(n))
    });
    let logits = Array::from_slice([vocab], logits).unwrap();
    let numbers = Array::from_slice([6], &sampling.numbers()).unwrap();
    let bias = shape.needs_bias().then(|| Array::from_slice([vocab], &sampling.bias(vocab)).unwrap());
    let counts = Array::from_slice([2, vocab], &counts.concat()).unwrap();
    let key = Key::host(sampling.seed).to_device().unwrap();
    let tokens = f.call((&logits, &numbers, &bias, &counts, &key)).unwrap().to_vec::<i32>().unwrap();
    assert_eq!(tokens.len(), n);
    let mut counts = vec![0; vocab];
    tokens.into_iter().for_each(|t| counts[t as usize] += 1);
    counts
}

fn counts(sampling: &Sampling, n: usize) -> Vec<u64> {
    counts_after(sampling, &LOGITS, [&[0; 8]; 2], n)
}

/// The tokens that come up at all.
fn chosen(sampling: Sampling) -> Vec<usize> {
    let counts = counts(&sampling, 1000);
    (0..counts.len()).filter(|t| counts[*t] > 0).collect()
}

fn at_temperature(temperature: f32) -> Sampling {
    Sampling { temperature, ..Default::default() }
}

/// The distribution that these options describe, computed on the host from transformers' definitions.
fn expected(s: &Sampling) -> Vec<f64> {
    let softmax = |x: &[f64]| {
        let e: Vec<f64> = x.iter().map(|x| x.exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|e| e / sum).collect::<Vec<f64>>()
    };
    // from the most to the least likely, as LOGITS are
    let mut x: Vec<f64> = LOGITS.iter().map(|x| *x as f64 / s.temperature as f64).collect();
    if s.top_k > 0 {
        x[s.top_k..].fill(f64::NEG_INFINITY);
    }
    let p = softmax(&x);
    // a token stays while those before it are not enough
    let enough = (1..x.len()).find(|n| p[..*n].iter().sum::<f64>() >= s.top_p as f64).unwrap_or(x.len());
    x[enough..].fill(f64::NEG_INFINITY);
    let p = softmax(&x);
    for (x, p_i) in x.iter_mut().zip(&p) {
        if *p_i < s.min_p as f64 * p[0] {
            *x = f64::NEG_INFINITY;
        }
    }
    softmax(&x)
}

/// Pearson's statistic of draws against probabilities, and what a right sampler exceeds once in a thousand seeds.
fn chi_square(have: &[u64], p: &[f64]) -> (f64, f64) {
    let n: u64 = have.iter().sum();
    if have.iter().zip(p).any(|(have, p)| *p == 0.0 && *have > 0) {
        return (f64::INFINITY, 0.0);
    }
    let possible = have.iter().zip(p).filter(|(_, p)| **p > 0.0);
    let statistic = possible.map(|(have, p)| (*have as f64 - n as f64 * p).powi(2) / (n as f64 * p)).sum();
    let limits = [f64::EPSILON, 10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32];
    (statistic, limits[p.iter().filter(|p| **p > 0.0).count() - 1])
}

#[test]
fn draws_follow_the_distribution() {
    let cases = [
        at_temperature(1.0),
        at_temperature(0.6),
        at_temperature(1.7),
        Sampling { top_k: 3, ..at_temperature(1.0) },
        Sampling { top_k: 7, ..at_temperature(1.5) },
        Sampling { top_p: 0.8, ..at_temperature(1.0) },
        Sampling { top_p: 0.95, ..at_temperature(2.0) },
        Sampling { min_p: 0.12, ..at_temperature(1.0) },
        Sampling { min_p: 0.3, ..at_temperature(2.0) },
        Sampling { top_k: 6, top_p: 0.9, min_p: 0.2, ..at_temperature(1.3) },
    ];
    for (seed, case) in cases.into_iter().enumerate() {
        let case = Sampling { seed: seed as u64, ..case };
        let p = expected(&case);
        let (statistic, limit) = chi_square(&counts(&case, DRAWS), &p);
        println!("{statistic:.1} of {limit}: {case:?}");
        assert!(statistic < limit, "{statistic} {case:?}");
        // the test sees a temperature that is off by 6%
        let wrong = Sampling { temperature: case.temperature * 1.06, ..case.clone() };
        let (statistic, limit) = chi_square(&counts(&wrong, DRAWS), &p);
        assert!(statistic > limit, "{statistic} {case:?}");
    }
}

/// Every positive temperature is one, also those that f32 calls subnormal: of equally likely tokens each is drawn, and no other.
#[test]
fn the_smallest_temperatures_leave_the_most_likely() {
    let logits = [
        [21.0, 30.0, 22.5, 30.0],
        [-9.0, 0.5, 0.4, 0.5],
        [-12.0, -3.0, -3.1, -3.0],
        [-3e38, 3e38, 0.0, 3e38],
        [f32::NEG_INFINITY, 1.0, 0.0, 1.0],
    ];
    for temperature in [1e-30, 1e-37, 1e-38, f32::MIN_POSITIVE, 1e-40, f32::from_bits(1)] {
        let plain = at_temperature(temperature);
        for sampling in [Sampling { top_k: 3, top_p: 0.9, min_p: 0.01, ..plain.clone() }, plain] {
            for logits in &logits {
                let counts = counts_after(&sampling, logits, [&[0; 4]; 2], 200);
                let [less, one, lesser, other] = counts[..] else { panic!("there are four") };
                assert!([less, lesser] == [0, 0] && one > 40 && other > 40, "{counts:?} of {logits:?} {sampling:?}");
            }
        }
    }
}

#[test]
fn greedy_takes_the_most_likely() {
    assert_eq!(chosen(at_temperature(0.0)), [0]);
    assert_eq!(chosen(Sampling { top_k: 3, ..at_temperature(0.0) }), [0], "filters do not matter then");
}

#[test]
fn filters_exclude_the_unlikely() {
    // at temperature 4 every token is likely enough to come up in 1000 draws
    assert_eq!(chosen(Sampling { top_k: 3, ..at_temperature(4.0) }), [0, 1, 2]);
    assert_eq!(chosen(Sampling { top_k: 1, ..at_temperature(4.0) }), [0]);
    // at temperature 1 the probabilities are .48 .18 .11 .09 .07 .02 .005 .001
    assert_eq!(chosen(Sampling { top_p: 0.4, ..at_temperature(1.0) }), [0]);
    assert_eq!(chosen(Sampling { top_p: 1e-9, ..at_temperature(1.0) }), [0], "the most likely one stays");
    assert_eq!(chosen(Sampling { top_p: 0.6, ..at_temperature(1.0) }), [0, 1]);
    assert_eq!(chosen(Sampling { top_p: 0.75, ..at_temperature(1.0) }), [0, 1, 2]);
    assert_eq!(chosen(Sampling { min_p: 1.0, ..at_temperature(4.0) }), [0]);
    // min_p counts relative to the most likely: e^-1 and e^-1.5, but not e^-1.7
    assert_eq!(chosen(Sampling { min_p: 0.2, ..at_temperature(1.0) }), [0, 1, 2]);
    // the order is top-k, top-p, min-p, each on what the one before left
    assert_eq!(chosen(Sampling { top_k: 2, top_p: 0.72, ..at_temperature(1.0) }), [0]);
}

fn choice(sampling: &Sampling, logits: [f32; 6], counts: [[i32; 6]; 2]) -> usize {
    let counts = counts_after(sampling, &logits, [&counts[0], &counts[1]], 1);
    counts.iter().position(|n| *n == 1).unwrap()
}
const NEVER: [i32; 6] = [0; 6];
const FIRST: [i32; 6] = [1, 0, 0, 0, 0, 0];

#[test]
fn what_occurred_becomes_less_likely() {
    let penalized = Sampling { repetition_penalty: 1.5, ..Default::default() };
    let logits = [1.2, 1.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(choice(&penalized, logits, [NEVER, NEVER]), 0);
    assert_eq!(choice(&penalized, logits, [FIRST, NEVER]), 1, "1.2 / 1.5 is below 1");
    assert_eq!(choice(&penalized, logits, [NEVER, FIRST]), 1, "in the prompt or after it");
    let negative = [-1.0, -1.2, -9.0, -9.0, -9.0, -9.0];
    assert_eq!(choice(&penalized, negative, [FIRST, NEVER]), 1, "-1 * 1.5 is below -1.2");
}

#[test]
fn what_was_generated_is_penalized_once_or_each_time() {
    let presence = Sampling { presence_penalty: 0.25, ..Default::default() };
    let frequency = Sampling { frequency_penalty: 0.125, ..Default::default() };
    let logits = [1.2, 1.0, 0.8, 0.0, 0.0, 0.0];
    assert_eq!(choice(&presence, logits, [FIRST, NEVER]), 0, "the prompt does not count");
    assert_eq!(choice(&presence, logits, [NEVER, FIRST]), 1);
    assert_eq!(choice(&presence, logits, [NEVER, [9, 1, 0, 0, 0, 0]]), 0, "once, however often it occurred");
    assert_eq!(choice(&frequency, logits, [[9; 6], FIRST]), 0, "1.2 - 0.125");
    assert_eq!(choice(&frequency, logits, [NEVER, [2, 0, 0, 0, 0, 0]]), 1, "1.2 - 2 * 0.125");
    assert_eq!(choice(&frequency, logits, [NEVER, [4, 3, 0, 0, 0, 0]]), 2);
    let reward = Sampling { presence_penalty: -1.0, ..Default::default() };
    assert_eq!(choice(&reward, logits, [NEVER, [0, 0, 0, 1, 0, 0]]), 0);
    assert_eq!(choice(&reward, logits, [NEVER, [0, 0, 1, 0, 0, 0]]), 2, "a negative one encourages");
    // both, after the repetition penalty: 1.2 / 2 - 0.25 - 2 * 0.125 = 0.1
    let all =
        Sampling { repetition_penalty: 2.0, presence_penalty: 0.25, frequency_penalty: 0.125, ..Default::default() };
    assert_eq!(choice(&all, [1.2, 0.09, 0.0, 0.0, 0.0, 0.0], [NEVER, [2, 0, 0, 0, 0, 0]]), 0);
    assert_eq!(choice(&all, [1.2, 0.11, 0.0, 0.0, 0.0, 0.0], [NEVER, [2, 0, 0, 0, 0, 0]]), 1);
}

#[test]
fn bias_is_added_before_everything_else() {
    let biased = |bias: f32| Sampling { logit_bias: [(1, bias)].into(), repetition_penalty: 2.0, ..Default::default() };
    let logits = [1.2, 1.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(choice(&biased(0.1), logits, [NEVER, NEVER]), 0);
    assert_eq!(choice(&biased(0.3), logits, [NEVER, NEVER]), 1);
    assert_eq!(choice(&biased(1.3), logits, [[0, 1, 0, 0, 0, 0], NEVER]), 0, "(1 + 1.3) / 2 is below 1.2");
    assert_eq!(choice(&biased(1.5), logits, [[0, 1, 0, 0, 0, 0], NEVER]), 1);
    assert_eq!(Sampling { logit_bias: [(1, 2.0), (7, 1.0)].into(), ..Default::default() }.bias(3), [0.0, 2.0, 0.0]);
}

#[test]
fn log_probabilities_are_the_models_own() {
    // whatever the options
    let sampling = Sampling { temperature: 0.5, top_k: 1, logit_bias: [(2, 9.0)].into(), ..Default::default() };
    let shape = sampling.shape().with_logprobs(Some(3));
    let f = jit(move |logits: Tensor, numbers: Tensor, bias: Tensor, key: Key| {
        shape.choose(logits, Context { numbers, bias: Some(bias), counts: None }, key)
    });
    let logits = Array::from_slice([8], &LOGITS).unwrap();
    let numbers = Array::from_slice([6], &sampling.numbers()).unwrap();
    let bias = Array::from_slice([8], &sampling.bias(8)).unwrap();
    let chosen = f.call((&logits, &numbers, &bias, &Key::host(0).to_device().unwrap())).unwrap();
    assert_eq!(chosen.token.to_vec::<i32>().unwrap(), [2]);
    let p = expected(&at_temperature(1.0));
    let told = chosen.logprobs.unwrap();
    let (values, ids) = told.top.unwrap();
    assert_eq!(ids.to_vec::<i32>().unwrap(), [0, 1, 2]);
    let all = [values.to_vec::<f32>().unwrap(), told.chosen.to_vec().unwrap()].concat();
    for (have, want) in all.into_iter().zip([p[0], p[1], p[2], p[2]]) {
        assert!((have as f64 - want.ln()).abs() < 1e-6, "{have} {want}");
    }
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
    assert_eq!(
        why(Sampling { presence_penalty: 2.5, ..Default::default() }),
        "presence-penalty must be within -2 and 2, not 2.5"
    );
    assert_eq!(
        why(Sampling { frequency_penalty: f32::NAN, ..Default::default() }),
        "frequency-penalty must be within -2 and 2, not NaN"
    );
    assert_eq!(
        why(Sampling { logit_bias: [(7, f32::INFINITY)].into(), ..Default::default() }),
        "logit-bias of token 7 must be a finite number, not inf"
    );
    assert!(at_temperature(f32::NAN).check().is_err());
}
