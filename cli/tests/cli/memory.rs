//! What would take more memory than there is, or has a number beyond all reason, is refused before it takes any.
use crate::common::*;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// How much memory a process may hold, in place of what the system says.
const LIMIT: &str = "RAXLA_MEMORY_LIMIT";

fn generate(model: &Path, arguments: &[&str]) -> Command {
    let mut command = raxla(["generate", "--random-weights", "--model"]);
    command.arg(model).args(arguments);
    command
}

#[test]
fn models_that_do_not_fit_are_refused_before_they_are_made() {
    let limited = |model: &str, arguments: &[&str], wanted: &[&str]| {
        fails(generate(Path::new(model), arguments).arg("Hi").env(LIMIT, "4GB"), 1, wanted);
    };
    let needs = "error: loading llama-3-70b needs 287 GB of memory (parameters in f32 282 GB, the largest of them";
    let help = "help: take a smaller model, or use a machine with more memory; to hold it in bf16";
    limited("llama-3-70b", &[], &[needs, help, "(--dtype bf16) would still need 143 GB"]);
    limited("llama-3-70b", &["--scan"], &["of 4.0 GB (RAXLA_MEMORY_LIMIT) are free"]);
    let half = [
        "loading llama-3-8b needs 17.1 GB of memory (parameters in bf16 16.1 GB",
        "or use a machine with more memory; if",
    ];
    limited("llama-3-8b", &["--dtype", "bf16"], &half);
    // what would fit is named
    let mut eight = generate(Path::new("llama-3-8b"), &["Hi"]);
    fails(eight.env(LIMIT, "24GB"), 1, &["needs 34.3 GB", "help: hold it in bf16 (--dtype bf16)"]);
    let huge = random(serde_json::json!({ "vocab_size": 4_000_000_000u64, "hidden_size": 1 << 21 }));
    let refused = fails(generate(huge.path(), &["Hi"]).env(LIMIT, "1TB"), 1, &["loading ", " of memory"]);
    assert!(refused.contains("EB") || refused.contains("PB"), "{refused}");
}

#[test]
fn a_limit_that_is_no_size_is_an_error() {
    let model = random(serde_json::json!({}));
    for wrong in ["much", "0", "-5"] {
        let wanted = [&*format!("RAXLA_MEMORY_LIMIT is `{wrong}`, which is no size"), "help: a size is a whole number"];
        fails(generate(model.path(), &["Hi"]).env(LIMIT, wrong), 1, &wanted);
    }
    succeeds(generate(model.path(), &["-n", "2", "Hi"]).env(LIMIT, ""));
}

/// As a shell runs it, after this command.
#[cfg(unix)]
fn after(shell: &str, command: &Command) -> Command {
    let mut outer = Command::new("sh");
    outer.args(["-c", &format!("{shell} && exec \"$0\" \"$@\"")]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    outer
}

#[test]
#[cfg(target_os = "linux")]
fn the_limits_of_the_process_hold() {
    let command = generate(Path::new("llama-3-8b"), &["Hi"]);
    fails(
        &mut after("ulimit -v 8000000", &command),
        1,
        &["loading llama-3-8b needs 34.3 GB", "of the 8.2 GB of `ulimit -v` are free"],
    );
    fails(&mut after("ulimit -d 6000000", &command), 1, &["of the 6.1 GB of `ulimit -d` are free"]);
}

/// A cgroup of this machine, where the test may make one.
#[cfg(target_os = "linux")]
struct Cgroup(std::path::PathBuf);
#[cfg(target_os = "linux")]
impl Cgroup {
    fn with_limit(bytes: u64) -> Option<Cgroup> {
        for (root, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let dir = Path::new(root).join(format!("raxla-test-{}", std::process::id()));
            if Path::new(root).join("cgroup.procs").exists() && fs::create_dir(&dir).is_ok() {
                let group = Cgroup(dir);
                if fs::write(group.0.join(limit), bytes.to_string()).is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }
}
#[cfg(target_os = "linux")]
impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_of_a_cgroup_holds() {
    let Some(group) = Cgroup::with_limit(3_000_000_000) else {
        return eprintln!("skipped: this user may not make a cgroup with a limit of memory");
    };
    let joins = format!("echo $$ > {}/cgroup.procs", group.0.display());
    let command = generate(Path::new("llama-3-8b"), &["Hi"]);
    fails(&mut after(&joins, &command), 1, &["loading llama-3-8b needs 34.3 GB", "of its cgroup's 3.0 GB are free"]);
    let small = random(serde_json::json!({}));
    succeeds(&mut after(&joins, &generate(small.path(), &["-n", "2", "Hi"])));
}

#[test]
fn caches_are_asked_for_before_weights_are_read() {
    let endless = serde_json::json!({ "max_position_embeddings": 4_000_000_000u64 });
    let model = random(endless);
    let new = ["-n", "3990000000", "Hi"];
    // 2 heads of 8 numbers, keys and values: 128 bytes for each of 2^30 positions
    fails(
        generate(model.path(), &new).env(LIMIT, "8GB"),
        1,
        &["error: loading ", "caches 137 GB)", "of 8.0 GB", "help: there is room for "],
    );
    let samples = ["-n", "1000000", "--samples", "1000", "Hi"];
    fails(generate(model.path(), &samples).env(LIMIT, "8GB"), 1, &["caches 134 GB)"]);
    // a prompt adds to what is known before it is read
    let long = "x".repeat(2000);
    let many = ["-n", "1", "--samples", "1000", &long];
    let wanted = [
        "error: generating (1000 continuations at once, up to 2048 positions) needs",
        "help: these would fit: 500 at once, or 1024 positions",
    ];
    fails(generate(model.path(), &many).env(LIMIT, "240MB"), 1, &wanted);
    // where a window bounds the cache, any number of positions will do (the answer ends by itself)
    let window = random(serde_json::json!({
        "model_type": "mistral", "sliding_window": 8, "max_position_embeddings": 4_000_000_000u64,
        "eos_token_id": (0..89).collect::<Vec<_>>(),
    }));
    succeeds(&mut generate(window.path(), &new));
}

#[test]
fn counts_have_limits() {
    let misused = |arguments: &[&str], wanted: &str| {
        fails(raxla(["generate", "--model", "/no/such/model"]).args(arguments).arg("Hi"), 2, &[wanted]);
    };
    misused(&["--samples", "1000000"], "error: --samples must be at most 1024, not 1000000");
    misused(&["--beams", "1000000"], "error: --beams must be at most 256, not 1000000");
    misused(&["--beams", "18446744073709551615"], "error: --beams must be at most 256, not");
    misused(&["--lookup", "--draft-tokens", "1000000000"], "error: --draft-tokens must be at most 256, not 1000000000");
    misused(&["--json", "--logprobs", "1000000000"], "error: --logprobs must be at most 1024, not 1000000000");
    misused(&["--prefill-chunk", "18446744073709551615"], "error: --prefill-chunk must be at most 1073741824, not");
    for option in ["--slots", "--prompt-tokens", "--batch"] {
        fails(&mut raxla(["hlo", option, "1000000000000"]), 2, &["it must be a whole number from 1 to 1048576"]);
    }
    // each is named in the help
    let help = succeeds(&mut raxla(["generate", "--help"]));
    for (option, most) in [("--samples", "1024"), ("--logprobs", "1024"), ("--beams", "256"), ("--draft-tokens", "256")]
    {
        let about = &help[help.find(&format!("{option} <N>")).unwrap()..];
        let about: String = about[..about[2..].find(" --").unwrap()].split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(about.contains(&format!("t most {most}")), "{about}");
    }
}

#[test]
fn shapes_are_compared_with_the_file_before_anything_is_allocated() {
    let with = |experts: u64, wanted: &[&str]| {
        let model = copy("mixtral_top2");
        let path = model.path().join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config["num_local_experts"] = experts.into();
        fs::write(&path, config.to_string()).unwrap();
        let out = model.path().join("out");
        fails(logits(model.path(), "3,4", &out).env(LIMIT, "2GB"), 1, wanted);
    };
    with(1_000_000_000, &["config.json: 1000000000 experts: no model has more than 65536"]);
    with(65_000, &["tensors, but the model has", "parameters", "help: is config.json the one"]);
    with(150, &["missing:", "and ", " more"]);
}

#[test]
fn a_prompt_that_does_not_fit_at_once_is_taken_in_by_pieces() {
    // 2048 positions of 16384 hidden units are 134 MB
    let model = random(serde_json::json!({ "intermediate_size": 16384 }));
    let prompt = "To be, or not to be. ".repeat(90);
    let whole = json(&mut generate(model.path(), &["-n", "8", "--json", &prompt]));
    let mut command = generate(model.path(), &["-n", "8", "--json", "-v", &prompt]);
    // the first of falling limits with which it does not fit
    let limits = (1..20).map(|i| format!("{}MB", 420 - 20 * i));
    let mut tried = limits.map(|limit| (run(command.env(LIMIT, &limit)), limit));
    let (outcome, limit) = tried.find(|(outcome, _)| outcome.stderr.contains("prompts are taken in by ")).unwrap();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let pieces: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(pieces["tokens"], whole["tokens"]);
    // what has no pieces says what it needs
    let tokens = vec!["3"; 2000].join(",");
    let mut command = raxla(["logits", "--random-weights", "--tokens", &tokens, "--model"]);
    command.arg(model.path()).arg("--out").arg(model.path().join("out"));
    fails(command.env(LIMIT, &limit), 1, &["error: running `forward` needs", "help: make what it computes smaller"]);
}

#[test]
fn batches_run_in_groups() {
    // 131 kB for each position of a row
    let model = random(serde_json::json!({
        "num_hidden_layers": 4, "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256
    }));
    let lines: Vec<String> = (0..16).map(|i| format!("{i}: {}", "abc ".repeat(20 + i))).collect();
    let file = model.path().join("lines");
    fs::write(&file, lines.join("\n")).unwrap();
    let batch = |limit: &str, programs: usize| {
        let mut command = generate(model.path(), &["-v", "-n", "3", "--batch"]);
        let outcome = run(command.arg(&file).env(LIMIT, limit));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let compiled = outcome.stderr.matches("compiled name=\"step\"").count();
        assert!(if programs == 2 { compiled == 2 } else { compiled >= programs }, "{}", outcome.stderr);
        let told = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["prompt"].clone(), line["tokens"].clone())
        };
        outcome.stdout.lines().map(told).collect::<Vec<_>>()
    };
    let at_once = batch("8GB", 2);
    assert_eq!(at_once.len(), 16);
    let prompts: Vec<&str> = at_once.iter().map(|row| row.0.as_str().unwrap()).collect();
    assert_eq!(prompts, lines, "in the order of the file");
    // 16 rows of 128 positions are 268 MB
    assert_eq!(batch("600MB", 3), at_once);
}
