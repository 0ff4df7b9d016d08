//! Speculative decoding against plain decoding: the same greedy tokens, the same distribution of drawn ones.
use crate::common::quick_tier;
use raxla::{Array, Key, Tensor, jit, runtime, vmap};
use raxla_graphs::{Draft, Finish, Generated, Generation, LoadOptions, Model, Sampling, programs::accept};
use std::{ops::ControlFlow, path::PathBuf};

const DRAWS: usize = 100_000;

/// (with scanned layers: they compile faster)
fn load(name: &str) -> Model {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let files = raxla_graphs::open(dir.to_str().unwrap()).unwrap();
    Model::load(files, &LoadOptions { scanned: true, ..Default::default() }, &runtime::client().unwrap()).unwrap()
}
fn greedy(n: usize) -> Generation {
    Generation { max_new_tokens: n, ignore_eos: true, ..Default::default() }
}
fn plain(model: &Model, prompt: &[u32], options: &Generation) -> Generated {
    model.generate_tokens(prompt, options, |_| Ok(ControlFlow::Continue(()))).unwrap()
}
fn drafted(model: &Model, draft: Draft, n: usize, prompt: &[u32], options: &Generation) -> Generated {
    let go = |_| Ok(ControlFlow::Continue(()));
    model.generate_speculative_tokens(draft, n, prompt, options, go).unwrap()
}

/// Prompts of one token, of some, and of many with repetitions.
fn prompts() -> [Vec<u32>; 3] {
    [vec![5], vec![3, 1, 4, 1, 5], (0..40).map(|i| (i % 7) * 8 + 3).collect()]
}

#[test]
fn greedy_tokens_are_the_same_whatever_the_draft() {
    let model = load("llama_gqa_untied");
    // of the same vocabulary: the model itself, and one that knows nothing of what it does
    let drafts = ["llama_gqa_untied", "gemma_untied_gelu"].map(load);
    let mut kept = vec![];
    for prompt in prompts() {
        let want = plain(&model, &prompt, &greedy(15));
        for (i, draft) in drafts.iter().enumerate() {
            for n in [1, 4] {
                let made = drafted(&model, Draft::Model(draft), n, &prompt, &greedy(15));
                assert_eq!(made.tokens, want.tokens, "{n} by {}", draft.name);
                assert_eq!((made.finish, made.stats.new_tokens), (Finish::Length, 15));
                let rate = made.stats.accepted as f64 / made.stats.drafted as f64;
                kept.push((i, rate));
            }
        }
        for (longest, n) in [(1, 1), (3, 4)] {
            let made = drafted(&model, Draft::Lookup(longest), n, &prompt, &greedy(15));
            assert_eq!(made.tokens, want.tokens, "{n} looked up");
        }
    }
    assert!(kept.iter().filter(|(i, _)| *i == 0).all(|(_, rate)| *rate == 1.0), "its own drafts are right: {kept:?}");
    assert!(kept.iter().filter(|(i, _)| *i > 0).all(|(_, rate)| *rate < 0.7), "the other's are not: {kept:?}");
}

#[test]
fn other_options_mean_the_same() {
    let model = load("gpt2_plain");
    let prompt: Vec<u32> = (0..30).map(|i| (i % 5) * 9 + 4).collect();
    let want = plain(&model, &prompt, &greedy(20)).tokens;
    let check = |model: &Model, options: &Generation| {
        let plain = plain(model, &prompt, options);
        for draft in [Draft::Model(model), Draft::Lookup(2)] {
            let made = drafted(model, draft, 3, &prompt, options);
            assert_eq!((&made.tokens, made.finish), (&plain.tokens, plain.finish));
            for (a, b) in made.logprobs.iter().zip(&plain.logprobs) {
                assert!((a.logprob - b.logprob).abs() < 1e-4 && a.top[0].0 == b.top[0].0, "{a:?} {b:?}");
            }
            assert_eq!(made.logprobs.len(), plain.logprobs.len());
        }
        plain
    };
    let told = check(&model, &Generation { logprobs: Some(2), ..greedy(20) });
    assert_eq!(told.logprobs.len(), 20);
    let with = |sampling: Sampling| Generation { sampling, ..greedy(20) };
    let changed = Sampling {
        repetition_penalty: 1.3,
        presence_penalty: 1.0,
        frequency_penalty: 0.5,
        logit_bias: [(want[0], -50.0)].into(),
        ..Default::default()
    };
    assert_ne!(check(&model, &with(changed)).tokens, want);
    check(&model, &with(Sampling { temperature: 1.0, top_k: 1, ..Default::default() }));
    check(&model, &Generation { prefill_chunk: Some(7), ..greedy(20) });
    let to_the_end = check(&model, &greedy(99));
    assert_eq!(to_the_end.tokens.len(), 35, "the context's end");
    let mut ending = load("gpt2_plain");
    ending.generation.eos = vec![*want.iter().find(|t| **t != want[0]).unwrap()];
    let stopped = check(&ending, &Generation { ignore_eos: false, ..greedy(20) });
    assert_eq!(stopped.finish, Finish::Stop);
    assert!(drafted(&model, Draft::Lookup(2), 3, &prompt, &greedy(0)).tokens.is_empty());
    let mut seen = 0;
    let made = model.generate_speculative_tokens(Draft::Model(&model), 4, &prompt, &greedy(20), |_| {
        seen += 1;
        Ok(if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let made = made.unwrap();
    assert_eq!((made.finish, &made.tokens[..]), (Finish::Callback, &want[..3]));
}

#[test]
fn a_model_agrees_with_itself_on_what_it_draws() {
    let model = load("llama_gqa_untied");
    let sampling = Sampling { temperature: 1.3, top_p: 0.9, seed: 4, ..Default::default() };
    let options = Generation { sampling, ..greedy(60) };
    let made = drafted(&model, Draft::Model(&model), 4, &[3, 1, 4], &options);
    assert!(made.stats.accepted as f64 > 0.97 * made.stats.drafted as f64, "{:?}", made.stats);
    assert_eq!(made.tokens, drafted(&model, Draft::Model(&model), 4, &[3, 1, 4], &options).tokens, "a seed repeats");
    let sampling = Sampling { seed: 5, ..options.sampling.clone() };
    let other = drafted(&model, Draft::Model(&model), 4, &[3, 1, 4], &Generation { sampling, ..options });
    assert_ne!(made.tokens, other.tokens);
}

/// Scores of two tokens and the one after them, and the draft's of the two.
const TARGET: [[f32; 6]; 3] =
    [[2.0, 1.0, 0.5, 0.0, -1.0, -2.0], [0.0, 0.3, -0.5, 1.0, f32::NEG_INFINITY, 0.7], [1.0, 0.0, 0.5, -1.0, 0.2, 0.1]];
const DRAFT: [[f32; 6]; 2] = [[0.0, 2.0, 0.5, f32::NEG_INFINITY, 0.5, -1.0], [0.5, 0.5, 0.0, -0.5, 1.0, 0.3]];

fn softmax(scores: &[f32; 6]) -> Vec<f64> {
    let e: Vec<f64> = scores.iter().map(|x| (*x as f64).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

/// Draws of `accept`: for each key, what was drafted, how many were kept, and the next token.
fn draws(real: i32, certain: Option<[i32; 2]>) -> Vec<([i32; 2], usize, i32)> {
    let f = jit(move |target: Tensor, draft: Tensor, given: Tensor, key: Key| {
        vmap(|key: Key| {
            let [drafting, accepting] = key.split();
            let drafts = drafting.categorical(draft, -1);
            let drafts = if certain.is_some() { given } else { drafts };
            let real = raxla::full([], raxla::DType::I32, real);
            let scores = certain.is_none().then_some(draft);
            let (kept, next) = accept(true, target, drafts, real, scores, accepting);
            (drafts, kept, next)
        })(key.split_stacked(DRAWS))
    });
    let target = Array::from_slice([3, 6], TARGET.as_flattened()).unwrap();
    let draft = Array::from_slice([2, 6], DRAFT.as_flattened()).unwrap();
    let given = Array::from_slice([2], &certain.unwrap_or([0, 0])).unwrap();
    let key = Key::host(11).to_device().unwrap();
    let (drafts, kept, next) = f.call((&target, &draft, &given, &key)).unwrap();
    let drafts = drafts.to_vec::<i32>().unwrap();
    let rest = kept.to_vec::<i32>().unwrap().into_iter().zip(next.to_vec::<i32>().unwrap());
    drafts.chunks(2).zip(rest).map(|(d, (kept, next))| ([d[0], d[1]], kept as usize, next)).collect()
}

/// The tokens at a place after the text, of those draws that came so far, follow the model's distribution.
fn check(place: usize, all: &[([i32; 2], usize, i32)]) {
    let tokens = all.iter().filter(|(_, kept, _)| *kept >= place);
    let mut counts = [0u64; 6];
    tokens.for_each(|(drafts, kept, next)| {
        counts[if *kept > place { drafts[place] } else { *next } as usize] += 1;
    });
    let (n, p) = (counts.iter().sum::<u64>() as f64, softmax(&TARGET[place]));
    assert!(n > 0.1 * DRAWS as f64);
    let term = |(have, p): (&u64, &f64)| match *p {
        0.0 => *have as f64 * f64::INFINITY,
        p => (*have as f64 - n * p).powi(2) / (n * p),
    };
    let statistic: f64 = counts.iter().zip(&p).filter(|(have, p)| **p > 0.0 || **have > 0).map(term).sum();
    // of five degrees of freedom, once in a thousand seeds
    println!("place {place}: {statistic:.1} of 20.5, {counts:?}");
    assert!(statistic < 20.5, "place {place}: {statistic} {counts:?}");
}

#[test]
fn what_is_kept_and_drawn_has_the_models_distribution() {
    let all = draws(2, None);
    (0..3).for_each(|place| check(place, &all));
    // a token is kept as often as the two distributions overlap
    let (p, q) = (softmax(&TARGET[0]), softmax(&DRAFT[0]));
    let overlap: f64 = p.iter().zip(&q).map(|(p, q)| p.min(*q)).sum();
    let kept = all.iter().filter(|(_, kept, _)| *kept > 0).count() as f64 / DRAWS as f64;
    assert!((kept - overlap).abs() < 0.006, "{kept} {overlap}");
    // fewer that are meant
    let one = draws(1, None);
    assert!(one.iter().all(|(_, kept, _)| *kept <= 1));
    (0..2).for_each(|place| check(place, &one));
    let none = draws(0, None);
    assert!(none.iter().all(|(_, kept, _)| *kept == 0));
    check(0, &none);
    // a draft that is certain
    let certain = draws(2, Some([1, 3]));
    (0..2).for_each(|place| check(place, &certain));
}

/// Whole texts, of three tokens that a bias leaves: those of the second and third place come from drafts of a model that
/// finds others of them likely.
#[test]
fn drafted_texts_have_the_models_distribution() {
    if quick_tier() {
        return; // (a thousand texts)
    }
    let (model, draft, prompt) = (load("llama_gqa_untied"), load("gemma_untied_gelu"), [3, 1, 4]);
    let allowed = [5u32, 17, 40];
    let distribution = |text: &[u32]| {
        let logits = model.scores(text).unwrap().logits.to_vec::<f32>().unwrap();
        let last = &logits[logits.len() - 67..];
        let e = allowed.map(|t| (last[t as usize] as f64).exp());
        e.map(|x| x / e.iter().sum::<f64>())
    };
    let mut want = [0.0; 9];
    for (a, p) in allowed.iter().zip(distribution(&prompt)) {
        let text = [&prompt[..], &[*a]].concat();
        for (i, (b, q)) in allowed.iter().zip(distribution(&text)).enumerate() {
            let last = distribution(&[&text[..], &[*b]].concat());
            (0..3).for_each(|j| want[3 * i + j] += p * q * last[j]);
        }
    }
    let n = 1000;
    let (mut have, mut kept) = ([0; 9], 0);
    for seed in 0..n {
        let logit_bias = allowed.map(|t| (t, 60.0)).into();
        let sampling = Sampling { temperature: 1.0, logit_bias, seed, ..Default::default() };
        let made = drafted(&model, Draft::Model(&draft), 2, &prompt, &Generation { sampling, ..greedy(3) });
        let at = |i: usize| allowed.iter().position(|t| *t == made.tokens[i]).unwrap();
        have[3 * at(1) + at(2)] += 1;
        kept += made.stats.accepted;
    }
    let term = |(have, p): (&i32, &f64)| (*have as f64 - n as f64 * p).powi(2) / (n as f64 * p);
    let statistic: f64 = have.iter().zip(&want).map(term).sum();
    println!("{statistic:.1} of 26.1 with {kept} kept: {have:?} {want:.3?}");
    // of eight degrees of freedom, once in a thousand seeds
    assert!(statistic < 26.1, "{statistic} {have:?}");
    assert!((200..1800).contains(&kept), "some are kept, others not: {kept}");
}

#[test]
fn drafts_that_cannot_be_used_are_refused() {
    let (model, other) = (load("llama_gqa_untied"), load("gpt2_plain"));
    let why = |draft: Draft, n: usize, prompt: &[u32], options: &Generation| {
        let go = |_| Ok(ControlFlow::Continue(()));
        model.generate_speculative_tokens(draft, n, prompt, options, go).unwrap_err().to_string()
    };
    let refused = why(Draft::Model(&other), 4, &[3], &greedy(1));
    assert!(refused.contains("has 89 tokens, the model 67: they must share a vocabulary\n  help: "), "{refused}");
    assert_eq!(why(Draft::Lookup(2), 0, &[3], &greedy(1)), "draft-tokens must be 1 or more, not 0");
    assert_eq!(why(Draft::Lookup(0), 4, &[3], &greedy(1)), "the draft looks up at least 1 token, not 0");
    assert_eq!(why(Draft::Lookup(2), 4, &[], &greedy(1)), "the prompt is empty: give at least one token");
    let on_device = Generation { device_loop: true, ..greedy(1) };
    assert!(why(Draft::Lookup(2), 4, &[3], &on_device).contains("does not go with drafted tokens"));
    let two = Generation { samples: 2, ..greedy(1) };
    assert!(why(Draft::Lookup(2), 4, &[3], &two).contains("not 2 samples"));
}
