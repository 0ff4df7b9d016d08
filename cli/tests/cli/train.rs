//! `raxla train`: what a configuration says, and that a run which ends anywhere goes on to the same bits.
use crate::common::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Kills of the test in which a run is killed at random moments; `RAXLA_KILLS` says another number.
const KILLS: u64 = 5;

/// A folder with a text and a configuration of so many steps of a small model.
pub struct Place {
    dir: TempDir,
}
impl Place {
    pub fn new(steps: u64) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("train.txt"), &fs::read(docs.join("sharding.md")).unwrap()[..16000]).unwrap();
        fs::write(at("held.txt"), &fs::read(docs.join("errors.md")).unwrap()[..4000]).unwrap();
        let tokens = at("tokens");
        let config = format!(
            "steps = {steps}\nbatch = 4\n[model]\n\
             config = {{ model_type = 'gpt2', n_layer = 2, n_embd = 32, n_head = 4, n_positions = 64, vocab_size = 256 }}\n\
             [data]\ntrain = [{{ path = 'train.txt' }}]\nvalidation = [{{ path = 'held.txt', name = 'held' }}]\nlength = 32\n\
             cache = '{tokens}'\n[optimizer]\nlearning_rate = 3e-3\n[schedule]\nwarmup_steps = 2\nsteps = 20\n[checkpoint]\n\
             every = 4\n[eval]\nevery = 10\nbatches = 2\n[log]\nevery = 5\nutilisation = false\n"
        );
        fs::write(at("run.toml"), config).unwrap();
        Place { dir }
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn train(&self, out: &str, more: &[&str]) -> Command {
        let mut command = raxla(["train", "--config"]);
        // (data are shuffled by their names, which are their paths: here the same in every run of a test)
        command.current_dir(self.dir.path());
        command.arg(self.path("run.toml")).arg("--out").arg(self.path(out)).args(more);
        command
    }
    /// The loss of each step; each is there once, and none is missing.
    pub fn losses(&self, out: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(out).join("metrics.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let steps: Vec<_> = lines.filter(|line| line["kind"] == "train").collect();
        let numbers: Vec<u64> = steps.iter().map(|line| line["step"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each step once");
        steps.iter().map(|line| format!("{} {}", line["loss"], line["gradient_norm"])).collect()
    }
    fn weights(&self, out: &str) -> Tensors {
        read_tensors(&self.path(out).join("model/model.safetensors"))
    }
    fn assert_same(&self, a: &str, b: &str) {
        assert_eq!(self.losses(a), self.losses(b));
        assert!(self.weights(a) == self.weights(b), "weights of {a} and {b} differ");
    }
    pub fn steps(&self, out: &str) -> Vec<u64> {
        raxla::checkpoint::steps(self.path(out).join("checkpoints")).unwrap()
    }
}

pub fn first_number(losses: &[String], i: usize) -> f64 {
    losses[i].split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_configuration_is_written_and_what_is_wrong_with_one_is_said_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.toml");
    let train = |more: &[&str]| {
        let mut command = raxla(["train", "--config"]);
        command.arg(&path).args(more);
        command
    };
    fails(&mut train(&[]), 1, &["cannot be read", "help: `raxla train --init`"]);
    assert_eq!(succeeds(&mut train(&["--init"])), "");
    fails(&mut train(&["--init"]), 1, &["is there already"]);
    fails(&mut train(&[]), 1, &["`data.train`: there is nothing to train on"]);
    let wrong = |text: &str, wanted: &[&str]| {
        fs::write(&path, text).unwrap();
        fails(&mut train(&[]), 1, wanted);
    };
    wrong(
        "steps = 3\n\n[optimizer]\nlerning_rate = 1\n",
        &["run.toml, line 4: unknown field `lerning_rate`", "did you mean `learning_rate`?"],
    );
    wrong("steps = 'many'\n", &["run.toml, line 1: ", "expected u64"]);
    wrong("[data]\npacking = 'pak'\n", &["run.toml, line 2: unknown variant `pak`", "did you mean `pack`?"]);
    wrong(
        "[data]\ntrain = [{ path = 'x' }]\n[optimizer]\nname = 'adamv'\n",
        &["`optimizer.name`: `adamv` is unknown", "did you mean `adam"],
    );
    wrong(
        "[data]\ntrain = [{ path = 'x' }]\n[optimizer]\nmomentum = 0.9\n",
        &["`optimizer.momentum`: it is without effect: adamw has b1, b2"],
    );
    wrong("[data]\ntrain = [{ path = 'x' }]\nholdout = -1\n", &["`data.holdout`: it is a part of the records"]);
    wrong(
        "[data]\ntrain = [{ path = 'x' }]\n[optimizer]\nb1 = 2\n",
        &["b1, b2, momentum and decay are from 0 to below 1"],
    );
    let set = |setting: &str, wanted: &[&str]| {
        fails(&mut train(&["--set", setting]), 2, wanted);
    };
    fs::write(&path, "").unwrap();
    set("optimizer.lr=1", &["--set optimizer.lr=1: unknown field `lr`"]);
    set("steps=many", &["--set steps=many: ", "expected u64"]);
    set("steps", &["it has no `=`"]);
}

#[test]
fn a_run_learns_and_leaves_a_model_metrics_plots_and_events() {
    let place = Place::new(30);
    let out = succeeds(&mut place.train("run", &[]));
    assert_eq!(out.trim(), place.path("run/model").display().to_string());
    let losses = place.losses("run");
    assert_eq!(losses.len(), 30);
    let listed = succeeds(raxla(["checkpoint", "ls"]).arg(place.path("run")));
    assert!(listed.contains("30"), "{listed}");
    fails(raxla(["checkpoint", "ls"]).arg(place.path("none")), 1, &["is no folder", "help: name the folder of a run"]);
    let refused = |settings: &[&str], wanted: &[&str]| {
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        fails(&mut place.train("refused", &settings), 1, wanted);
    };
    refused(&["model.config.vocab_size=100"], &["texts are read as bytes", "vocab_size is 100", "help: name one"]);
    refused(&["data.validation=[]", "data.holdout=0.1"], &["leaves none to evaluate on", "split = \"lines\""]);
    let last: f64 = (25..30).map(|i| first_number(&losses, i)).sum::<f64>() / 5.0;
    assert!(last < first_number(&losses, 0) - 0.7, "{losses:?}");
    // as one file with its tokenizer, of bytes, it says the same
    let file = place.path("run.gguf");
    succeeds(raxla(["convert"]).arg(place.path("run/model")).arg(&file));
    let said = |model: PathBuf| {
        succeeds(raxla(["generate", "-n", "12", "--ignore-eos", "--model"]).arg(model).arg("The  mesh é 123's"))
    };
    assert_eq!(said(file), said(place.path("run/model")));
    let run = place.path("run");
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut evals = metrics.lines().filter(|line| line.contains("\"kind\":\"eval\""));
    assert_eq!(evals.clone().count(), 3, "{metrics}");
    assert!(evals.next_back().unwrap().contains("nats_per_byte"));
    assert!(fs::read_to_string(run.join("training.svg")).unwrap().starts_with("<svg"));
    let png = fs::read(run.join("training.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"), "a whole PNG");
    let events = fs::read_dir(run.join("tensorboard")).unwrap().map(|e| fs::read(e.unwrap().path()).unwrap());
    let events: Vec<_> = events.collect();
    let events = raxla_graphs::training::run::events::parse(&events[0]).unwrap();
    let tagged = |tag: &str| {
        let values = events.iter().filter_map(|e| e.summary.as_ref()).flat_map(|s| &s.value);
        values.filter(|value| value.tag == tag).count()
    };
    assert_eq!((tagged("train/loss"), tagged("eval/loss")), (30, 3));
    // the folder of the run is a model, for all commands
    let text = succeeds(raxla(["generate", "The", "-n", "4", "--model"]).arg(&run));
    assert!(!text.is_empty());
    let eval = json(
        raxla(["eval", "--json", "--window", "32", "--text"]).arg(place.path("held.txt")).arg("--model").arg(&run),
    );
    let nll = eval["text"][0]["nll"].as_f64().unwrap();
    assert!((1.0..6.0).contains(&nll), "{eval}");
    // and is not begun anew by mistake
    fails(&mut place.train("run", &[]), 1, &["has checkpoints, the last of step 30", "--resume"]);
}

#[test]
fn what_differs_from_the_run_that_was_saved_is_said() {
    let place = Place::new(2);
    succeeds(&mut place.train("run", &[]));
    let on = |more: &[&str]| place.train("run", &[&["--resume"], more].concat());
    let another = ["--set", "optimizer.name=lion", "--seed", "3", "--length", "16", "--set", "log.every=1"];
    let refused = fails(
        &mut on(&another),
        1,
        &[
            "this is not the run that was saved",
            "data.length is 16, and was 32",
            "optimizer.name is \"lion\", and was \"adamw\"",
            "seed is 3, and was 0",
            "help: go on as the run began, or begin another one in another folder (--out)",
        ],
    );
    assert!(!refused.contains("log.every"));
    let outcome = run(&mut on(&["--steps", "4", "--lr", "1e-3", "--set", "schedule.name=constant"]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = ["steps is 4, and was 2", "optimizer.learning_rate is 0.001, and was 0.003", "schedule.name is"];
    assert_holds(&outcome.stderr, &told);
    assert_eq!(place.losses("run").len(), 4);
    // what a checkpoint was saved with is its configuration, where none is named
    let mut bare = raxla(["train", "--resume", "--steps", "5", "--out"]);
    succeeds(bare.arg(place.path("run")).current_dir(place.path("")));
    assert_eq!(place.losses("run").len(), 5);
}

#[test]
fn parameters_are_computed_with_in_other_dtypes_by_their_paths() {
    let place = Place::new(3);
    let bf16 = ["--set", "precision.compute=bf16"];
    let but = |path: &str| format!("precision.exceptions=[{{ path = '{path}', compute = 'f32' }}]");
    succeeds(&mut place.train("bf16", &bf16));
    succeeds(&mut place.train("norms", &[&bf16[..], &["--set", &but("*norm*")]].concat()));
    assert_ne!(place.losses("bf16"), place.losses("norms"));
    let wanted = ["`precision.exceptions`: `*router*` means no parameter of the model", "help: they are embed.table"];
    fails(&mut place.train("none", &["--set", &but("*router*")]), 1, &wanted);
}

#[test]
fn a_run_goes_on_to_the_same_bits() {
    let place = Place::new(20);
    succeeds(&mut place.train("whole", &[]));
    succeeds(&mut place.train("parts", &["--steps", "10"]));
    succeeds(&mut place.train("parts", &["--resume"]));
    place.assert_same("whole", "parts");
    // a damaged checkpoint is passed over, and written again
    succeeds(&mut place.train("damaged", &["--steps", "10"]));
    let newest = format!("damaged/checkpoints/step_{:08}", place.steps("damaged").last().unwrap());
    let shard = place.path(&newest).join("shard-00001-of-00001.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    fs::write(&shard, bytes).unwrap();
    let outcome = run(&mut place.train("damaged", &["--resume"]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["warning: the checkpoint of step 10 is passed over", "is damaged"]);
    place.assert_same("whole", "damaged");
    // 1 device, then several
    for mesh in ["data=2", "data=2,model=2"] {
        let out = mesh.replace(['=', ','], "_");
        succeeds(&mut place.train(&out, &["--steps", "10"]));
        succeeds(&mut place.train(&out, &["--resume", "--mesh", mesh]));
        let (have, want) = (place.losses(&out), place.losses("whole"));
        for i in 0..20 {
            let [a, b] = [first_number(&have, i), first_number(&want, i)];
            assert!((a - b).abs() < 1e-4 * b, "{mesh}, step {}: {a} and {b}", i + 1);
        }
    }
}

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([name, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
}

#[test]
fn a_signal_saves_and_a_kill_loses_no_more_than_the_steps_since() {
    let place = Place::new(20);
    let start = std::time::Instant::now();
    succeeds(&mut place.train("whole", &[]));
    let whole = start.elapsed();
    // in order: exit code 75
    for name in ["-TERM", "-INT"] {
        let child = place.train(name, &["--steps", "100000"]).spawn().unwrap();
        let metrics = place.path(name).join("metrics.jsonl");
        while fs::read_to_string(&metrics).unwrap_or_default().lines().count() < 3 {
            thread::sleep(Duration::from_millis(5));
        }
        signal(&child, name);
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
        assert_holds(&outcome.stderr, &["stopping behind this step", "and saved: go on with --resume"]);
        assert_eq!(place.losses(name).len() as u64, *place.steps(name).last().unwrap());
    }
    // killed at random moments
    let kills = std::env::var("RAXLA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut seed = 7u64;
    let mut killed = 0;
    for i in 0..kills {
        let out = format!("killed{}", i % 5);
        if i % 5 == 0 {
            (0..5).for_each(|k| drop(fs::remove_dir_all(place.path(&format!("killed{k}")))));
        }
        for _ in 0..2 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mut child = place.train(&out, &["--resume"]).spawn().unwrap();
            thread::sleep(whole * ((seed >> 33) % 1000) as u32 / 1000);
            signal(&child, "-KILL");
            killed += u64::from(!child.wait().unwrap().success());
        }
        succeeds(&mut place.train(&out, &["--resume"]));
        place.assert_same("whole", &out);
        let left = fs::read_dir(place.path(&out).join("checkpoints")).unwrap().flatten();
        let hidden: Vec<_> =
            left.map(|e| e.file_name().into_string().unwrap()).filter(|n| n.contains("part")).collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }
    println!("{killed} of {} processes were killed before they ended", 2 * kills);
    assert!(killed > 0);
}

/// A model whose token `~` has an embedding that is not a number.
pub fn harmful(place: &Place) -> PathBuf {
    let config = "model.config={ model_type = 'llama', vocab_size = 256, hidden_size = 32, intermediate_size = 48, \
                  num_hidden_layers = 2, num_attention_heads = 4, num_key_value_heads = 2, max_position_embeddings = 64, \
                  tie_word_embeddings = false }";
    succeeds(&mut place.train("llama", &["--set", config, "--steps", "1"]));
    let model = place.path("llama/model");
    edit_tensors(&model, |tensors| {
        let (_, dims, bytes) = tensors.get_mut("model.embed_tokens.weight").unwrap();
        let row = usize::from(b'~') * dims[1] * 4;
        bytes[row..row + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    let mut text = fs::read_to_string(place.path("train.txt")).unwrap().replace('~', "-");
    text.insert(text.char_indices().nth(3000).unwrap().0, '~');
    fs::write(place.path("train.txt"), text).unwrap();
    model
}

#[test]
fn what_is_not_finite_is_named_and_passed_over_as_configured() {
    let place = Place::new(20);
    let model = harmful(&place);
    // (from the model's folder, with its tokenizer)
    let text = fs::read_to_string(place.path("run.toml")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("config = "));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    fs::write(place.path("run.toml"), text.replace("[model]", &format!("[model]\npath = '{}'", model.display())))
        .unwrap();
    let train = |out: &str, policy: &str, more: &[&str]| {
        let policy = format!("nan.policy={policy}");
        let all: Vec<&str> =
            ["--set", &policy, "--steps", "150", "--set", "eval.every=0"].iter().chain(more).copied().collect();
        place.train(out, &all)
    };
    let outcome = run(&mut train("stop", "stop", &[]));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["the parameter `embed.table` is not finite", "nan.policy=skip --resume"]);
    // as the help says
    succeeds(&mut train("stop", "skip", &["--resume"]));
    succeeds(&mut train("skip", "skip", &[]));
    place.assert_same("stop", "skip");
    let outcome = run(&mut train("back", "roll_back", &[]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["again, and the batch is passed over"]);
    assert_eq!(place.losses("back").len(), 150);
    fails_after_output(&mut train("limit", "skip", &["--set", "nan.limit=0"]), "nan.limit");
}

fn fails_after_output(command: &mut Command, wanted: &str) {
    let outcome = run(command);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["error: ", wanted]);
}

#[test]
fn a_disk_that_is_full_is_named_and_the_run_goes_on_later() {
    let place = Place::new(8);
    succeeds(&mut place.train("whole", &[]));
    let mut command = Command::new("sh");
    // (in blocks of 512 bytes: less than a checkpoint takes)
    command.args(["-c", "ulimit -f 200; exec \"$@\"", "sh"]);
    let train = place.train("full", &[]);
    command
        .arg(train.get_program())
        .args(train.get_args())
        .current_dir(place.path(""))
        .env("RAXLA_COMPILE_CACHE", "0")
        .stdin(Stdio::null());
    let outcome = run(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &["error: ", "cannot be written", "help: "]);
    succeeds(&mut place.train("full", &["--resume"]));
    place.assert_same("whole", "full");
}

#[test]
fn questions_are_answered_and_data_measured() {
    let place = Place::new(1);
    let model = speaker();
    let lines = ["{\"question\": \"a b\", \"choices\": [\"c\", \"dd\"], \"answer\": 0}", ""];
    fs::write(place.path("questions.jsonl"), lines.join("\n")).unwrap();
    let mut command = raxla(["eval", "--json", "--length", "16", "--batches", "1", "--model"]);
    command.arg(model.path()).arg("--choices").arg(place.path("questions.jsonl"));
    command
        .arg("--data")
        .arg(place.path("held.txt"))
        .env("RAXLA_HOME", place.path("home"))
        .env("RAXLA_PLUGIN", plugin());
    let all = json(&mut command);
    let choices: BTreeMap<String, serde_json::Value> = serde_json::from_value(all["choices"][0].clone()).unwrap();
    assert_eq!(choices["questions"], 1);
    assert!(choices["accuracy"] == 0.0 || choices["accuracy"] == 1.0);
    let loss = all["data"][0]["eval_loss"].as_f64().unwrap();
    assert!((2.0..12.0).contains(&loss), "{all}");
    // the end of what is too long is answered; what is too long alone is named
    let line = |question: usize, choice: usize| {
        let (question, choice) = ("a ".repeat(question), "c ".repeat(choice));
        format!("{{\"question\": \"{question}\", \"choices\": [\"b\", \"{choice}d\"], \"answer\": 0}}\n")
    };
    let path = place.path("questions.jsonl");
    let ask = || {
        let mut command = raxla(["eval", "--json", "--model"]);
        command.arg(model.path()).arg("--choices").arg(&path);
        command.env("RAXLA_HOME", place.path("home")).env("RAXLA_PLUGIN", plugin());
        command
    };
    fs::write(&path, line(1, 0) + &line(9999, 0)).unwrap();
    assert_eq!(json(&mut ask())["choices"][0]["cut"], 1);
    fs::write(&path, line(1, 0) + &line(1, 9999)).unwrap();
    fails(&mut ask(), 1, &["question 2: a choice has ", "tokens, and the model's context is"]);
    fs::write(place.path("questions.jsonl"), "\n{\"question\": 3}\n").unwrap();
    let mut command = raxla(["eval", "--model"]);
    command.arg(model.path()).arg("--choices").arg(place.path("questions.jsonl"));
    fails(&mut command, 1, &["questions.jsonl, line 2: ", "help: a line is an object such as"]);
    fails(&mut raxla(["eval"]), 2, &["there is nothing to measure"]);
    // a number below zero is refused by the command, not taken for an option
    fails(&mut raxla(["eval", "--batches", "-1"]), 2, &["invalid value '-1' for '--batches <N>'"]);
}
