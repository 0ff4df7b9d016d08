//! `raxla perplexity`.

use crate::common::*;
use std::{fs, path::Path, process::Command};

fn perplexity(model: &Path, file: &Path, options: &[&str]) -> Command {
    let mut command = raxla(["perplexity", "--model"]);
    command.arg(model).arg(file).args(options);
    command
}

/// The negative log-probability of each token after the first.
fn nlls(model: &Path, tokens: &[u32]) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("logits.safetensors");
    let ids: Vec<String> = tokens.iter().map(u32::to_string).collect();
    succeeds(&mut logits(model, &ids.join(","), &out));
    let tensors = read_tensors(&out);
    let (_, dims, bytes) = &tensors["logits"];
    let values: Vec<f64> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect();
    let of = |(row, next): (&[f64], &u32)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[*next as usize];
    values.chunks(dims[2]).zip(&tokens[1..]).map(of).collect()
}

#[test]
fn each_token_is_scored_once_with_what_its_window_has_before_it() {
    let model = speaker();
    let tokens: Vec<u32> = (0..23).map(|i| 3 + i * 7 % 80).collect();
    let text = model.path().join("text.txt");
    fs::write(&text, spell(&tokens)).unwrap();
    for (window, stride) in [(8, 4), (8, 8), (10, 3), (64, 32)] {
        let (w, s) = (window.to_string(), stride.to_string());
        let told = json(&mut perplexity(model.path(), &text, &["--window", &w, "--stride", &s, "--json"]));
        // as transformers' page has it
        let (mut all, mut done, mut windows) = (vec![], 0, 0);
        for begin in (0..).step_by(stride) {
            let end = (begin + window).min(tokens.len());
            let own = nlls(model.path(), &tokens[begin..end]);
            all.extend_from_slice(&own[own.len() - (end - done).min(own.len())..]);
            (done, windows) = (end, windows + 1);
            if end == tokens.len() {
                break;
            }
        }
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let error = (all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n / (n - 1.0)).sqrt();
        let close = |key: &str, wanted: f64| {
            let have = told[key].as_f64().unwrap();
            assert!((have - wanted).abs() < 1e-5 * wanted, "{window} {stride} {key}: {have} {wanted}");
        };
        close("nll", mean);
        close("perplexity", mean.exp());
        close("standard_error", mean.exp() * error);
        assert_eq!((told["tokens"].as_u64(), told["windows"].as_u64()), (Some(all.len() as u64), Some(windows)));
        assert_eq!((told["window"].as_u64(), told["stride"].as_u64()), (Some(window as u64), Some(stride as u64)));
        assert!(told["tokens_per_second"].as_f64().unwrap() > 0.0);
    }
    // half of the window is the usual stride; and standard input
    let shown = succeeds(&mut perplexity(model.path(), &text, &["--window", "8"]));
    assert!(shown.starts_with("perplexity ") && shown.contains(" +/- "), "{shown}");
    let piped = run_with(&mut perplexity(model.path(), Path::new("-"), &["--window", "8"]), &spell(&tokens));
    assert_eq!(piped.stdout, shown);
    assert!(piped.stderr.contains("22 tokens scored in 5 windows; "), "{}", piped.stderr);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let model = speaker();
    let text = model.path().join("text.txt");
    fs::write(&text, spell(&[5; 100])).unwrap();
    fails(
        &mut perplexity(model.path(), &text, &["--window", "1"]),
        2,
        &["--window 1 --stride 1: a window has at least 2"],
    );
    fails(&mut perplexity(model.path(), &text, &["--stride", "0"]), 2, &["and the stride 1 to as many"]);
    fails(
        &mut perplexity(model.path(), &text, &["--window", "90"]),
        1,
        &["a window of 90 tokens is beyond the model's context"],
    );
    // (of one that is not named, the model's context is the most)
    let told = json(&mut perplexity(model.path(), &text, &["--json"]));
    assert!(told["window"].as_u64().unwrap() < 90, "{told}");
    fs::write(&text, "a").unwrap();
    fails(&mut perplexity(model.path(), &text, &[]), 1, &["less than two tokens"]);
    fails(&mut perplexity(model.path(), Path::new("/no/such.txt"), &[]), 1, &["/no/such.txt cannot be read"]);
    fails(&mut perplexity(&fixture("llama_bf16"), &text, &[]), 1, &["tokenizer"]);
}
