//! What is told of generated texts.
use raxla_graphs::{Finish, Generated, Model, TokenLogprobs};
use serde_json::{Value, json};
use std::time::Duration;

/// One text as JSON.
pub fn json(model: &Model, prompt: &str, made: &Generated) -> Value {
    let s = &made.stats;
    let finish = match made.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Callback => "interrupted",
    };
    let mut all = json!({
        "model": model.name,
        "prompt": prompt,
        "text": made.text,
        "tokens": made.tokens,
        "finish_reason": finish,
        "prompt_tokens": s.prompt_tokens,
        "new_tokens": s.new_tokens,
        "tokens_per_second": s.tokens_per_second(),
        "time_to_first_token_ms": s.first_token.as_secs_f64() * 1e3,
        "compile_ms": s.compile.as_secs_f64() * 1e3,
        "load_ms": model.load_time.as_secs_f64() * 1e3,
    });
    if let Some(score) = made.score {
        all["score"] = score.into();
    }
    if s.drafted > 0 {
        (all["drafted_tokens"], all["accepted_tokens"]) = (s.drafted.into(), s.accepted.into());
    }
    if !made.logprobs.is_empty() {
        let told = made.tokens.iter().zip(&made.logprobs).map(|(id, told)| token(model, *id, told));
        all["logprobs"] = told.collect();
    }
    all
}

/// A token, how likely it was, and what was likely in its place.
fn token(model: &Model, id: u32, told: &TokenLogprobs) -> Value {
    // (the vocabulary's own spelling: a token need not be whole characters)
    let spelled = |id: u32| model.tokenizer().ok().and_then(|t| t.token(id));
    let one = |id: u32, logprob: f32| json!({ "token": id, "spelled": spelled(id), "logprob": logprob });
    let mut all = one(id, told.logprob);
    all["top"] = told.top.iter().map(|(id, logprob)| one(*id, *logprob)).collect();
    all
}

/// One line about speed.
pub fn summary(model: &Model, all: &[Generated]) -> String {
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let new: usize = all.iter().map(|made| made.stats.new_tokens).sum();
    // rows are generated side by side
    let speed: f64 = all.iter().map(|made| made.stats.tokens_per_second()).sum();
    let s = all.iter().map(|made| made.stats).max_by_key(|s| s.decode).unwrap_or_default();
    let first = all.iter().map(|made| made.stats.first_token).min().unwrap_or_default();
    let drafted = match s.drafted {
        0 => String::new(),
        n => format!("; {} of {n} drafted tokens kept", s.accepted),
    };
    format!(
        "{new} tokens, {speed:.1} tokens/s{drafted}; first token after {:.0} ms; compile {:.0} ms, load {:.0} ms",
        ms(first),
        ms(s.compile),
        ms(model.load_time),
    )
}
