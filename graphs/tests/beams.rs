//! Beam search against transformers' (see fixtures/README.md).
use raxla::runtime;
use raxla_graphs::{Beams, EarlyStopping, Finish, Generation, LoadOptions, Model, Sampling};
use serde_json::Value;
use std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
fn load(name: &str, scanned: bool) -> Model {
    let files = raxla_graphs::open(fixture(name).to_str().unwrap()).unwrap();
    let options = LoadOptions { scanned, ..Default::default() };
    Model::load(files, &options, &runtime::client().unwrap()).unwrap()
}
fn ids(x: &Value) -> Vec<u32> {
    x.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn sequences_and_scores_are_those_of_transformers() {
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(fixture("beams.json")).unwrap()).unwrap();
    assert!(cases.len() > 90, "{}", cases.len());
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    let (mut ended, mut failures) = (0, vec![]);
    for case in &cases {
        let name = case["model"].as_str().unwrap();
        // (one of them with scanned layers: the rows of its caches are another axis)
        let model = models.entry(name.into()).or_insert_with(|| load(name, name.starts_with("mistral")));
        model.generation.eos = ids(&case["eos"]);
        let float = |key: &str| case[key].as_f64().unwrap() as f32;
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let early_stopping = match &case["early_stopping"] {
            Value::Bool(false) => EarlyStopping::No,
            Value::Bool(true) => EarlyStopping::Yes,
            _ => EarlyStopping::Never,
        };
        let beams = Beams { beams: number("num_beams"), length_penalty: float("length_penalty"), early_stopping };
        let sampling = Sampling { repetition_penalty: float("repetition_penalty"), ..Default::default() };
        let (max_new_tokens, samples) = (number("max_new_tokens"), number("num_return_sequences"));
        let options = Generation { max_new_tokens, samples, sampling, ..Default::default() };
        let made = model.beam_search_tokens(&ids(&case["prompt"]), &beams, &options).unwrap();
        let want: Vec<Vec<u32>> = case["sequences"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(made.len(), samples);
        for ((made, want), score) in made.iter().zip(&want).zip(case["scores"].as_array().unwrap()) {
            let stopped = want.last().is_some_and(|t| model.generation.eos.contains(t));
            ended += stopped as usize;
            let tokens = &want[..want.len() - stopped as usize];
            let (have, score) = (made.score.unwrap(), score.as_f64().unwrap());
            let finish = if stopped { Finish::Stop } else { Finish::Length };
            if made.tokens != tokens || (have as f64 - score).abs() > 1e-4 || made.finish != finish {
                failures.push(format!("{:?} {have}, not {tokens:?} {score}: {case}", made.tokens));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert!(ended > 50, "{ended}");
}

#[test]
fn one_beam_is_greedy() {
    let model = load("gpt2_plain", false);
    let options = Generation { max_new_tokens: 12, ..Default::default() };
    let greedy = model.generate_tokens(&[3, 1, 4], &options, |_| Ok(ControlFlow::Continue(()))).unwrap();
    let one = Beams { beams: 1, ..Default::default() };
    assert_eq!(model.beam_search_tokens(&[3, 1, 4], &one, &options).unwrap()[0].tokens, greedy.tokens);
}

#[test]
fn scores_are_those_of_the_whole_sequence() {
    let model = load("gpt2_plain", false);
    let beams = Beams { beams: 3, length_penalty: 0.7, ..Default::default() };
    let options = Generation { max_new_tokens: 9, samples: 3, ignore_eos: true, ..Default::default() };
    for prompt in [vec![7], vec![3, 1, 4, 1, 5]] {
        let made = model.beam_search_tokens(&prompt, &beams, &options).unwrap();
        assert!(made.is_sorted_by(|a, b| a.score > b.score));
        for made in &made {
            let whole = [&prompt[..], &made.tokens].concat();
            let sum: f32 = model.log_likelihoods(&whole).unwrap()[prompt.len() - 1..].iter().sum();
            let want = sum / (made.tokens.len() as f32).powf(0.7);
            assert!((made.score.unwrap() - want).abs() < 1e-4, "{made:?} {want}");
        }
        let by_pieces = Generation { prefill_chunk: Some(2), ..options.clone() };
        let again = model.beam_search_tokens(&prompt, &beams, &by_pieces).unwrap();
        assert_eq!(
            again.iter().map(|m| &m.tokens).collect::<Vec<_>>(),
            made.iter().map(|m| &m.tokens).collect::<Vec<_>>()
        );
    }
    let none = model.beam_search_tokens(&[7], &beams, &Generation { max_new_tokens: 0, ..options }).unwrap();
    assert!(none.len() == 3 && none[0].tokens.is_empty());
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let model = load("gpt2_plain", false);
    let why =
        |beams: Beams, options: Generation| model.beam_search_tokens(&[3], &beams, &options).unwrap_err().to_string();
    let (four, plain) = (Beams::default(), Generation::default());
    let sampling = Sampling { temperature: 1.0, ..Default::default() };
    let drawn = why(four, Generation { sampling, ..plain.clone() });
    assert_eq!(drawn, "temperature draws tokens, and beams do not: choose one");
    assert!(why(four, Generation { logprobs: Some(1), ..plain.clone() }).starts_with("logprobs are not told of beams"));
    assert!(why(four, Generation { device_loop: true, ..plain.clone() }).starts_with("device-loop does not go"));
    let five = Generation { samples: 5, ..plain.clone() };
    assert_eq!(why(four, five), "samples must be at most as many as beams, 4, not 5");
    assert_eq!(why(Beams { beams: 0, ..four }, plain.clone()), "beams must be 1 or more, not 0");
    let many = Beams { beams: 45, ..four };
    assert_eq!(why(many, plain.clone()), "45 beams look at 90 tokens, more than the vocabulary's 89");
    let nan = Beams { length_penalty: f32::NAN, ..four };
    assert_eq!(why(nan, plain), "length-penalty must be a finite number, not NaN");
}
