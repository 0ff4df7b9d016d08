//! `raxla train` of adapters: three commands from a text to a model that speaks otherwise; and by preferences.
use crate::{
    common::*,
    train::{Place, first_number, harmful},
};
use std::{fs, path::PathBuf, process::Command};

/// A model that has been trained for some steps, and where adapters of it are trained.
struct Base {
    place: Place,
    model: PathBuf,
}
impl Base {
    fn new(steps: u64) -> Base {
        let place = Place::new(steps);
        succeeds(&mut place.train("base", &["--steps", "4"]));
        let model = place.path("base/model");
        Base { place, model }
    }
    fn lora(&self, out: &str, more: &[&str]) -> Command {
        let model = self.model.to_str().unwrap();
        let all =
            ["--model", model, "--lora", "--set", "optimizer.learning_rate=2e-2", "--set", "lora.targets=all-linear"];
        self.place.train(out, &[&all, more].concat())
    }
    fn generate(&self, model: &str) -> Command {
        let mut command = raxla(["generate", "-n", "12", "--ignore-eos", "--model"]);
        command.arg(self.place.path(model)).arg("The mesh");
        command
    }
    fn adapter(&self, out: &str) -> Tensors {
        read_tensors(&self.place.path(out).join("adapter/adapter_model.safetensors"))
    }
}

#[test]
fn an_adapter_changes_what_is_said() {
    let base = Base::new(20);
    let chorus = base.place.path("chorus.txt");
    fs::write(&chorus, "zyxw".repeat(1000)).unwrap();
    let out = succeeds(&mut base.lora("tuned", &["--data", "chorus.txt", "--lr", "5e-2"]));
    let adapter = base.place.path("tuned/adapter");
    assert_eq!(out.trim(), adapter.display().to_string());
    for name in ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"] {
        assert!(adapter.join(name).is_file(), "{name}");
    }
    assert!(!base.place.path("tuned/model").exists());
    let losses = base.place.losses("tuned");
    // (a head that has hardly been trained leaves little to win)
    assert!(first_number(&losses, 19) < first_number(&losses, 0) - 0.07, "{losses:?}");
    // checkpoints hold what is trained, and no more
    let newest = raxla::checkpoint::latest(base.place.path("tuned/checkpoints")).unwrap().unwrap();
    let params: Vec<&str> = newest.leaves().map(|(path, _)| path).filter(|path| path.starts_with("0.")).collect();
    assert!(!params.is_empty() && params.iter().all(|path| path.contains(".lora.")), "{params:?}");
    // beside its model, and by the folder of the run, it says the same, and not what the model says
    let plain = succeeds(&mut base.generate("base"));
    let beside = succeeds(base.generate("base").arg("--adapter").arg(&adapter));
    assert_eq!(beside, succeeds(&mut base.generate("tuned")));
    assert_ne!(beside, plain);
    succeeds(raxla(["convert"]).arg(base.place.path("tuned")).arg(base.place.path("merged")));
    assert_eq!(succeeds(&mut base.generate("merged")), beside);
    let eval = |model: &str, more: &[&str]| {
        let mut command = raxla(["eval", "--json", "--length", "32", "--batches", "4", "--data"]);
        command.arg(&chorus).arg("--model").arg(base.place.path(model)).args(more);
        json(command.env("RAXLA_HOME", base.place.path("home")).env("RAXLA_PLUGIN", plugin()))["data"][0]["eval_loss"]
            .as_f64()
            .unwrap()
    };
    let (before, after) = (eval("base", &[]), eval("base", &["--adapter", adapter.to_str().unwrap()]));
    assert!(after < before - 0.07, "{before} {after}");
    assert_eq!(eval("tuned", &[]), after);
    // the folder is a model with an adapter, which is merged before it is trained on
    let tuned = base.place.path("tuned");
    let again = base.place.train("again", &["--model", tuned.to_str().unwrap()]);
    fails(&mut { again }, 1, &["with an adapter beside it", "help: make a model of it first: raxla convert"]);
}

#[test]
fn an_adapter_is_trained_on_to_the_same_bits() {
    let base = Base::new(12);
    let dropout = ["--set", "lora.dropout=0.1", "--set", "lora.dora=true"];
    succeeds(&mut base.lora("whole", &dropout));
    succeeds(&mut base.lora("parts", &[&dropout[..], &["--steps", "5"]].concat()));
    succeeds(&mut base.lora("parts", &[&dropout[..], &["--resume"]].concat()));
    assert_eq!(base.place.losses("whole"), base.place.losses("parts"));
    assert!(base.adapter("whole") == base.adapter("parts"), "adapters differ");
    let other = base.lora("parts", &[&dropout[..], &["--resume", "--set", "lora.rank=4"]].concat());
    fails(&mut { other }, 1, &["this is not the run that was saved", "lora.rank is 4, and was 8"]);
    // over a mesh, with rows that hold several documents, and the best kept
    let settings = [
        "data.packing=pack",
        "data.train.0.split=lines",
        "checkpoint.every=1",
        "checkpoint.keep_last=1",
        "eval.every=3",
    ];
    let packed: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
    succeeds(&mut base.lora("one", &packed));
    succeeds(&mut base.lora("mesh", &[&packed[..], &["--mesh", "data=2,model=2"]].concat()));
    let (one, mesh) = (base.place.losses("one"), base.place.losses("mesh"));
    for i in 0..12 {
        let [a, b] = [first_number(&one, i), first_number(&mesh, i)];
        assert!((a - b).abs() < 1e-3 * b, "step {}: {a} and {b}", i + 1);
    }
    let metrics = fs::read_to_string(base.place.path("one/metrics.jsonl")).unwrap();
    let evals = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let best = evals.filter(|line| line["kind"] == "eval").min_by(|a, b| {
        let loss = |line: &serde_json::Value| line["eval_loss"].as_f64().unwrap();
        loss(a).total_cmp(&loss(b))
    });
    let mut kept = vec![best.unwrap()["step"].as_u64().unwrap(), 12];
    kept.dedup();
    assert_eq!(base.place.steps("one"), kept);
}

#[test]
fn the_model_stays_as_it_is_held() {
    let base = Base::new(4);
    succeeds(&mut base.lora("f32", &[]));
    for held in ["bf16", "stored", "q8_0"] {
        succeeds(&mut base.lora(held, &["--set", &format!("lora.base={held}")]));
        let [a, b] = ["f32", held].map(|out| first_number(&base.place.losses(out), 0));
        assert!((a - b).abs() < 2e-2 * b, "{held}: {a} and {b}");
    }
    let wrong = |more: &[&str], wanted: &[&str]| {
        fails(&mut base.lora("wrong", more), 1, wanted);
    };
    wrong(&["--set", "lora.base=q3"], &["`lora.base`: `q3` is unknown", "did you mean"]);
    wrong(&["--set", "lora.base=q8_0", "--set", "precision.compute=bf16"], &["packs matrices", "help: "]);
    wrong(&["--set", "lora.base=stored", "--mesh", "data=2"], &["packed matrices are not divided over a mesh"]);
    wrong(&["--set", "lora.targets=['q_proj']"], &["q_proj mean no matrix", "help: they are c_attn"]);
    wrong(&["--set", "model.random=true"], &["a model with random weights is not fine-tuned", "help: "]);
}

#[test]
fn what_is_not_finite_beside_an_adapter_is_named() {
    let place = Place::new(150);
    let model = harmful(&place);
    let lora = |out: &str, policy: &str| {
        let policy = format!("nan.policy={policy}");
        let all = ["--model", model.to_str().unwrap(), "--lora", "--set", &policy, "--set", "eval.every=0"];
        place.train(out, &all)
    };
    let outcome = run(&mut lora("stop", "stop"));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["the parameter `embed.table` is not finite", "nan.policy=skip --resume"]);
    let outcome = run(&mut lora("skip", "skip"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["the batch is passed over"]);
    assert_eq!(place.losses("skip").len(), 150);
}

#[test]
fn an_answer_is_preferred_to_another() {
    let base = Base::new(20);
    let pairs = base.place.path("pairs.jsonl");
    let line = |i: usize| format!("{{\"prompt\": \"{i}?\", \"chosen\": \" yes\", \"rejected\": \" no\"}}\n");
    fs::write(&pairs, (0..16).map(line).collect::<String>()).unwrap();
    let pairs = pairs.to_str().unwrap();
    let held = format!("data.validation=[{{ path = '{pairs}', fields = {{ preference = {{}} }} }}]");
    let dpo = ["--set", "objective.kind=dpo", "--set", "data.packing=pad", "--set", "data.long=truncate"];
    let all = [&dpo[..], &["--data", pairs, "--set", &held]].concat();
    succeeds(&mut base.lora("dpo", &all));
    let metrics = fs::read_to_string(base.place.path("dpo/metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).cloned().collect::<Vec<_>>();
    let (steps, evals) = (of("train"), of("eval"));
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value}"));
    assert!((number(&steps[0]["loss"]) - 2f64.ln()).abs() < 1e-5, "{}", steps[0]);
    assert!(number(&steps[0]["margin"]).abs() < 1e-5, "{}", steps[0]);
    let last = evals.last().unwrap();
    assert!(number(&last["accuracy"]) == 1.0 && number(&last["margin"]) > 0.1, "{last}");
    assert!(number(&last["eval_loss"]) < 0.65 && last["perplexity"].is_null(), "{last}");
    assert_eq!(last["tokens"], 8, "pairs of two batches");
    // all parameters, beside the model as it was
    let model = base.model.to_str().unwrap();
    let whole = [&["--model", model, "--steps", "3"], &all[..]].concat();
    succeeds(&mut base.place.train("whole", &whole));
    assert!(base.place.path("whole/model/config.json").is_file());
    // texts are no preferences, nor the other way round
    fails(
        &mut base.lora("texts", &dpo),
        1,
        &["dpo learns from preferences, and the data are texts", "help: say fields"],
    );
    let texts = ["--data", pairs, "--set", "data.packing=pad", "--set", "data.long=truncate"];
    fails(&mut base.lora("pairs", &texts), 1, &["the data are preferences", "help: say objective.kind = \"dpo\""]);
    fails(&mut base.lora("beta", &["--set", "objective.beta=1"]), 1, &["are of kind = \"dpo\""]);
}

/// A path that is wrong is said before a model is fetched for it.
#[test]
fn data_are_looked_for_before_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut train =
        raxla(["train", "--model", "hf:nobody/nothing", "--data", "nowhere.jsonl", "--steps", "1", "--out"]);
    let train = train.arg(dir.path().join("run")).env("HF_ENDPOINT", "http://127.0.0.1:9");
    fails(train, 1, &["nowhere.jsonl cannot be used: no file or folder has this path", "help: look at the path"]);
}
