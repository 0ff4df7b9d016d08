//! The errors of runs, as docs/errors.md shows them.
use raxla::runtime;
use raxla_graphs::training::run::{Error, Event, Run, RunConfig, RunOptions};
use std::{fs, path::Path};

/// The page shows this message, with `/home/me` in place of the folder.
#[track_caller]
fn assert_shown(message: &str, folder: &Path) {
    let shown = message.replace(&*folder.display().to_string(), "/home/me");
    let wanted = format!("```text\nerror: {shown}\n```");
    assert!(include_str!("../../docs/errors.md").contains(&wanted), "docs/errors.md lacks:\n{wanted}");
}

/// A run of so many steps of a small model in this folder, with these further lines.
fn config(folder: &Path, more: &[&str]) -> RunConfig {
    let at = |name: &str| folder.join(name).display().to_string();
    fs::write(at("text.txt"), "In the beginning was the word, and the word was a token. ".repeat(20)).unwrap();
    let (out, text, tokens) = (at("run"), at("text.txt"), at("tokens"));
    let text = format!(
        "out = '{out}'\nsteps = 2\nbatch = 2\n[model]\nconfig = {{ model_type = 'gpt2', n_layer = 1, n_embd = 16, n_head = 2, \
         n_positions = 32, vocab_size = 256 }}\n[data]\ntrain = [{{ path = '{text}' }}]\nlength = 16\ncache = '{tokens}'\n[log]\n\
         plots = false\ntensorboard = false\n"
    );
    let whole = RunConfig::parse(&text, "run.toml").unwrap();
    more.iter().fold(whole, |config, setting| config.with(setting).unwrap())
}
fn train(config: RunConfig, resume: bool) -> Result<u64, Error> {
    let client = runtime::client().unwrap();
    let options = RunOptions { resume, ..RunOptions::on(&client) };
    let mut report = |_: &Event| {};
    Ok(Run::open(config, options, &mut report)?.train(&mut report)?.step)
}

#[test]
fn messages_of_runs_are_shown() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let shown = |config: RunConfig, resume: bool| {
        assert_shown(&train(config, resume).expect_err("it is wrong").to_string(), folder);
    };
    let parsed = RunConfig::parse("[data]\nlength = 64\npacking = 'pak'\n", "run.toml").expect_err("no packing");
    assert_shown(&parsed.to_string(), folder);
    shown(config(folder, &["data.train=[]"]), false);
    shown(config(folder, &["optimizer.momentum=0.9"]), false);
    shown(config(folder, &["data.length=64"]), false);
    assert_eq!(train(config(folder, &[]), false).unwrap(), 2);
    shown(config(folder, &[]), false);
    shown(config(folder, &["optimizer.name=lion", "data.length=8"]), true);
    let huge = ["steps=4", "optimizer.name=sgd", "optimizer.learning_rate=1e38", "optimizer.clip_norm=0"];
    let other = format!("out={}", folder.join("other").display());
    // (which number is the first depends on how sums are rounded)
    match train(config(folder, &[&huge[..], &[&other]].concat()), false) {
        Err(e @ Error::NotFinite { .. }) => {
            let (first, help) = e.to_string().split_once('\n').map(|(a, b)| (a.to_string(), b.to_string())).unwrap();
            assert!(first.starts_with("step ") && first.contains("not finite"), "{first}");
            assert_shown(&format!("step 2: what layer 0 gives is not finite\n{help}"), folder);
        }
        other => panic!("{other:?}"),
    }
    let taken = folder.join("taken");
    fs::create_dir_all(taken.join("metrics.jsonl/in the way")).unwrap();
    shown(config(folder, &[&format!("out={}", taken.display())]), false);
}
