//! The default model against transformers on the same dequantised weights (scripts/make_smollm_reference.py).
use raxla::runtime;
use raxla_graphs::{Generation, LoadOptions, Model, validation::Windows};
use serde_json::Value;
use std::ops::ControlFlow;

fn ids(v: &Value) -> Vec<u32> {
    v.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

#[test]
fn smollm2_equals_transformers() {
    let reference: Value = serde_json::from_str(include_str!("fixtures/smollm2_greedy.json")).unwrap();
    let files = match raxla_graphs::open(raxla_graphs::source::DEFAULT_MODEL) {
        Err(e) if raxla_xla::offline() => return eprintln!("skipped: {e}"),
        files => files.unwrap(),
    };
    let model = Model::load(files, &LoadOptions::default(), &runtime::client().unwrap()).unwrap();
    let tokenizer = model.tokenizer().unwrap();

    let sentence = tokenizer.encode(reference["sentence"].as_str().unwrap(), false).unwrap();
    assert_eq!(sentence, ids(&reference["sentence_ids"]));
    let likelihoods = model.log_likelihoods(&sentence).unwrap();
    let nll = -likelihoods.iter().map(|x| *x as f64).sum::<f64>() / likelihoods.len() as f64;
    println!("mean negative log-likelihood {nll:.5}");
    assert!((nll - 2.2965).abs() < 0.002, "{nll}");

    let wanted = &reference["perplexity"];
    let [window, stride, n] = ["window", "stride", "tokens"].map(|key| wanted[key].as_u64().unwrap() as usize);
    let alice = tokenizer.encode(include_str!("data/text/alice.txt"), true).unwrap();
    let found = model.perplexity(&alice, Windows { window, stride }, |_, _| {}).unwrap();
    println!("perplexity {} +/- {}", found.value(), found.error());
    assert_eq!(found.tokens, n);
    let value = wanted["value"].as_f64().unwrap();
    assert!((found.value() - value).abs() < 1e-3 * value, "{found:?}, not {value}");

    let options = Generation { max_new_tokens: 64, ignore_eos: true, ..Default::default() };
    for prompt in reference["prompts"].as_array().unwrap() {
        let text = prompt["text"].as_str().unwrap();
        let tokens = tokenizer.encode(text, true).unwrap();
        assert_eq!(tokens, ids(&prompt["ids"]), "{text:?}");
        let made = model.generate_tokens(&tokens, &options, |_| Ok(ControlFlow::Continue(()))).unwrap();
        assert_eq!(made.tokens, ids(&prompt["greedy"]), "{text:?}");
        let made = model.generate(text, true, &options, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(made.text, tokenizer.decode(&made.tokens, true).unwrap(), "the streamed pieces are the whole text");
    }
    for chat in reference["chat"].as_array().unwrap() {
        let messages: Vec<raxla_graphs::template::Message> = serde_json::from_value(chat["messages"].clone()).unwrap();
        assert_eq!(tokenizer.render_chat(&messages, true).unwrap(), chat["text"].as_str().unwrap());
    }
}
