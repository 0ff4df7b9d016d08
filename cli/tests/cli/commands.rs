//! The commands that are not about text.

use crate::common::*;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Largest absolute difference over the standard deviation of the reference.
fn deviation(have: &[u8], want: &[u8]) -> f64 {
    assert_eq!(have.len(), want.len());
    let floats = |bytes: &[u8]| -> Vec<f64> {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()) as f64).collect()
    };
    let (have, want) = (floats(have), floats(want));
    let mean = want.iter().sum::<f64>() / want.len() as f64;
    let std = (want.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / want.len() as f64).sqrt();
    have.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / std
}

fn comma(tokens: &[u32], separator: &str) -> String {
    tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(separator)
}

#[test]
fn logits_and_hidden_states_are_those_of_transformers() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["gpt2_plain", "llama_sharded"] {
        let out = dir.path().join(name).with_extension("safetensors");
        let tokens = reference_tokens(name, "tokens");
        let written = run(logits(&fixture(name), &comma(&tokens, ","), &out).arg("--hidden-states"));
        assert_eq!((written.code, &*written.stdout), (Some(0), ""), "{}", written.stderr);
        let told = format!("{}: tokens I64 [1, {}], logits F32 [1, {}, ", out.display(), tokens.len(), tokens.len());
        assert_holds(&written.stderr, &[&told, "hidden_states.0 F32 [1, "]);
        let mut want = read_tensors(&fixture(name).join("reference.safetensors"));
        want.retain(|name, _| name == "logits" || name.starts_with("hidden_states."));
        // and it is a reference itself
        succeeds(raxla(["verify", "--tolerance", "0", "--model"]).arg(fixture(name)).arg("--reference").arg(&out));
        let mut have = read_tensors(&out);
        let (dtype, dims, _) = have.remove("tokens").unwrap();
        assert_eq!((dtype, dims), (safetensors::Dtype::I64, vec![1, tokens.len()]));
        assert_eq!(have.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{name}");
        for (part, (dtype, dims, bytes)) in &want {
            assert_eq!((&have[part].0, &have[part].1), (dtype, dims), "{name} {part}");
            let d = deviation(&have[part].2, bytes);
            assert!(d <= 2e-5, "{name} {part} deviates by {d:.1e}");
        }
    }
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "nothing temporary stays: {left:?}");
}

#[test]
fn logits_of_half_precision_are_f32_and_hidden_states_are_extra() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("logits.safetensors");
    fs::write(&out, "what was there before").unwrap();
    let tokens = comma(&reference_tokens("llama_bf16", "tokens"), ", ");
    succeeds(logits(&fixture("llama_bf16"), &tokens, &out).args(["--dtype", "bf16", "--scan"]));
    let have = read_tensors(&out);
    let want = read_tensors(&fixture("llama_bf16").join("reference.safetensors"));
    assert_eq!(have.keys().collect::<Vec<_>>(), ["logits", "tokens"]);
    assert_eq!((have["logits"].0, &have["logits"].1), (safetensors::Dtype::F32, &want["logits"].1));
    let d = deviation(&have["logits"].2, &want["logits"].2);
    assert!(d > 1e-6 && d < 0.2, "rounded to bf16, not wrong: {d:.1e}");
}

#[test]
fn what_is_no_file_is_written_without_a_temporary_one() {
    let before = fs::read_link("/dev/stdout").unwrap();
    let outcome = logits(&fixture("gpt2_plain"), "3,4", Path::new("/dev/stdout")).output().unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    assert!(safetensors::SafeTensors::deserialize(&outcome.stdout).unwrap().tensor("logits").is_ok());
    assert_eq!(fs::read_link("/dev/stdout").unwrap(), before);
}

#[test]
fn plugins_are_listed_and_found() {
    let text = succeeds(&mut raxla(["plugin", "list"]));
    for kind in ["cpu ", "cuda12 ", "cuda13 ", "tpu "] {
        assert!(text.lines().any(|l| l.starts_with(kind)), "{kind} is not in {text}");
    }
    let path = PathBuf::from(succeeds(unnamed(&mut raxla(["plugin", "path"]))).trim_end());
    assert!(path.is_file());
    let list = json(&mut raxla(["plugin", "list", "--json"]));
    let found = list.as_array().unwrap().iter().find(|p| p["path"] == path.to_str().unwrap()).unwrap();
    assert_eq!((&found["kind"], &found["state"]), (&"cpu".into(), &"installed".into()));
    assert_eq!(found["sha256"].as_str().unwrap().len(), 64);
    // what is named comes first, whatever it is
    let named = fixture("README.md");
    let shown = |text: String| fs::canonicalize(text.trim_end()).unwrap();
    let by_option = succeeds(raxla(["plugin", "path", "--plugin"]).arg(&named));
    let by_variable = succeeds(raxla(["plugin", "path"]).env("RAXLA_PLUGIN", &named));
    assert_eq!([shown(by_option), shown(by_variable)], [(); 2].map(|()| fs::canonicalize(&named).unwrap()));
}

#[test]
fn installing_what_is_there_prints_its_path() {
    let text = succeeds(&mut raxla(["plugin", "install"]));
    assert!(Path::new(text.trim_end()).is_file(), "{text}");
}

#[test]
fn doctor_names_the_devices() {
    plugin();
    let text = succeeds(&mut raxla(["doctor"]));
    assert_holds(
        &text,
        &[
            "raxla     ",
            "machine   linux",
            " cores ",
            "home      ",
            "plugin    cpu ",
            "in use    ",
            "platform cpu",
            "device    ",
            "compiled  ",
        ],
    );
    assert!(text.contains("No problems found.") || text.contains("problem   "), "{text}");
    let report = json(&mut raxla(["doctor", "--json"]));
    assert_eq!(report["plugin_in_use"]["platform"], "cpu");
    assert_eq!(report["plugin_in_use"]["devices"].as_array().unwrap().len(), 1);
    for key in [
        "machine",
        "home",
        "free_bytes",
        "offline",
        "plugins",
        "models",
        "compiled_programs",
        "compiled_bytes",
        "problems",
    ] {
        assert!(!report[key].is_null(), "{key} is not in {report}");
    }
}

/// A platform without a plugin: what is missing for it, and what there is in its place.
#[test]
fn doctor_tells_platforms_apart() {
    // a home that holds the CPU's plugin alone, whatever this machine's own has installed
    let home = tempfile::tempdir().unwrap();
    let (plugin, plugins) = (plugin(), home.path().join("plugins"));
    let folder = plugin.parent().unwrap();
    fs::create_dir(&plugins).unwrap();
    std::os::unix::fs::symlink(folder, plugins.join(folder.file_name().unwrap())).unwrap();
    let outcome = run(unnamed(&mut raxla(["doctor", "--platform", "tpu"])).env("RAXLA_HOME", home.path()));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let wanted =
        ["problem   no `tpu` plugin is installed", "help: run `raxla plugin install tpu` (libtpu ", "installed is cpu"];
    assert_holds(&outcome.stdout, &wanted);
    assert_holds(&outcome.stderr, &["error: no `tpu` plugin works"]);
}

#[test]
fn doctor_finds_what_is_wrong_and_says_what_helps() {
    let home = tempfile::tempdir().unwrap();
    let doctor = |more: &[&str]| {
        let mut command = raxla(["doctor"]);
        command
            .args(more)
            .env("RAXLA_HOME", home.path())
            .env_remove("RAXLA_PLUGIN")
            .env_remove("PJRT_PLUGIN_LIBRARY_PATH");
        run(&mut command)
    };
    let fresh = doctor(&[]);
    assert_eq!(fresh.code, Some(1));
    assert_holds(
        &fresh.stdout,
        &[
            "problem   no `cpu` plugin is installed",
            "help: run `raxla plugin install cpu`",
            "plugin    cpu     ",
            ": not installed",
        ],
    );
    assert!(fresh.stderr.contains("error: no `cpu` plugin works"), "{}", fresh.stderr);
    assert!(!home.path().join("plugins").exists(), "nothing is installed");
    let broken = PathBuf::from(first_choice(home.path())["path"].as_str().unwrap());
    fs::create_dir_all(broken.parent().unwrap()).unwrap();
    fs::write(&broken, "no plugin").unwrap();
    let damaged = doctor(&[]);
    assert!(damaged.stdout.contains("problem   the installed "), "{}", damaged.stdout);
    assert!(damaged.stdout.contains("is damaged\n  help: run `raxla plugin install cpu`"), "{}", damaged.stdout);
    let named = doctor(&["--json", "--plugin", broken.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_str(&named.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    let what = |p: &&serde_json::Value| p["what"].as_str().unwrap().contains("not a shared library");
    assert!(problems.iter().find(what).unwrap()["remedy"].as_str().unwrap().contains("raxla plugin install cpu"));
}

/// A hub cache that holds a fixture as a repository.
fn hub_cache(repository: &str, fixture_name: &str) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join(format!("models--{}", repository.replace('/', "--")));
    let snapshot = folder.join("snapshots/0123456789abcdef");
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(folder.join("refs/main"), "0123456789abcdef").unwrap();
    for entry in fs::read_dir(fixture(fixture_name)).unwrap().flatten() {
        fs::copy(entry.path(), snapshot.join(entry.file_name())).unwrap();
    }
    cache
}

#[test]
fn models_shows_what_is_here_and_pull_finds_it() {
    let cache = hub_cache("openai-community/gpt2", "gpt2_plain");
    let here = |arguments: &[&str]| {
        let mut command = raxla(arguments);
        command.env("HF_HUB_CACHE", cache.path()).env("RAXLA_OFFLINE", "1");
        command
    };
    let text = succeeds(&mut here(&["models"]));
    assert!(text.lines().any(|l| l.starts_with("* gpt2 ")), "{text}");
    assert!(text.lines().any(|l| l.starts_with("  gpt2-medium ")), "{text}");
    assert!(text.contains("these architectures loads: ") && text.contains("llama"), "{text}");
    let all = json(&mut here(&["models", "--json"]));
    let preset = all["presets"].as_array().unwrap().iter().find(|p| p["name"] == "gpt2").unwrap();
    let path = preset["path"].as_str().unwrap();
    assert!(Path::new(path).join("config.json").is_file());
    for model in ["gpt2", "hf:openai-community/gpt2"] {
        assert_eq!(succeeds(&mut here(&["pull", model])).trim_end(), path);
    }
    let out = cache.path().join("out");
    succeeds(logits(Path::new("gpt2"), "3,4", &out).env("HF_HUB_CACHE", cache.path()).env("RAXLA_OFFLINE", "1"));
}

#[test]
fn programs_are_shown_at_every_stage() {
    let check = |stage: &str, program: &str, more: &[&str], wanted: &[&str]| {
        let mut command = raxla(["hlo", "--stage", stage, "--program", program, "--model"]);
        let text = succeeds(command.arg(fixture("llama_gqa_untied")).args(more));
        for part in wanted {
            let start: String = text.chars().take(300).collect();
            assert!(text.contains(part), "{part} is not in the {stage} of {program}: {start} ..");
        }
    };
    for (program, tokens) in [("prefill", 16), ("decode", 1)] {
        let tokens_type = format!("i32[1, {tokens}]");
        let graph = ["graph(%0: f32[67, 32], ", "DotGeneral", "# block/attn", &tokens_type, " equations", "FLOP, and "];
        check("traced", program, &[], &graph);
        check("graph", program, &[], &graph);
        check("graph", program, &[], &[" traced; removed by dce ", ", fold ", ", cse "]);
        let tokens = format!("tensor<1x{tokens}xi32>");
        check("stablehlo", program, &[], &["module @", "@main(", "stablehlo.dot_general", &tokens]);
        check("optimized", program, &[], &["HloModule ", "ENTRY "]);
    }
    let scanned = ["--scan", "--prompt-tokens", "8", "--slots", "32"];
    check("stablehlo", "prefill", &scanned, &["stablehlo.while", "tensor<1x8xi32>", "x32x1x8xf32>"]);
}

#[test]
fn profiles_name_operations_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    // generating multiplies by kernels, unless it is told not to; training does not
    for (program, kernels, product) in [
        ("decode", "auto", "packed_products f32["),
        ("decode", "off", "dot_general f32["),
        ("train", "auto", "dot_general f32["),
    ] {
        let trace = folder.path().join(format!("{program}.json"));
        let mut command = raxla([
            "profile",
            "--program",
            program,
            "--batch",
            "1",
            "--prompt-tokens",
            "4",
            "--kernels",
            kernels,
            "--model",
        ]);
        let text = succeeds(command.arg(fixture("llama_gqa_untied")).arg("--trace").arg(&trace));
        assert!(text.contains(" ms per call") && text.contains("its operations one by one, not fused: "), "{text}");
        let trace = fs::read_to_string(trace).unwrap();
        assert!(trace.contains(product) && trace.contains(".rs:"), "{program}: {trace}");
    }
    fails(
        raxla(["profile", "--trace", "/no/such/a.json", "--model"]).arg(fixture("llama_gqa_untied")),
        1,
        &["/no/such/a.json cannot be written: ", "help: make the directory first"],
    );
}

#[test]
fn a_training_step_is_divided_over_a_mesh() {
    let train = |more: &[&str]| {
        let mut command = raxla(["hlo", "--program", "train", "--scan", "--prompt-tokens", "8", "--model"]);
        command.arg(fixture("llama_mha_tied")).args(more);
        command
    };
    let text = succeeds(&mut train(&["--mesh", "data=2,fsdp=2,model=2"]));
    assert_holds(&text, &["sdy.mesh @mesh = <[\"data\"=2, \"fsdp\"=2, \"model\"=2]>", "sdy.manual_computation"]);
    // (implicit is the norm of the gradient alone)
    let text = succeeds(&mut train(&["--mesh", "fsdp=2", "--communication"]));
    assert_holds(&text, &["collectives (1 implicit)", "all-gather", "reduce-scatter", "total along fsdp"]);
    let text = succeeds(&mut train(&["--mesh", "fsdp=2", "--annotated", "--communication"]));
    assert!(text.contains("all-gather") && text.contains("implicit") && !text.contains("explicit"), "{text}");
    let mut decode = raxla(["hlo", "--scan", "--mesh", "data=2,model=2", "--communication", "--model"]);
    let text = succeeds(decode.arg(fixture("llama_mha_tied")));
    assert_holds(&text, &["collectives (0 implicit)", "all-reduce", "block/attn", "block/mlp", "along model"]);
    assert_eq!(succeeds(&mut train(&["--communication"])), "no collectives: the devices do not communicate\n");
    fails(
        &mut train(&["--mesh", "pipe=2", "--annotated"]),
        1,
        &["the compiler makes no pipeline", "leave `annotated` off"],
    );
    for (mesh, why) in [
        ("model=3", "which the 3 devices along `model` do not divide"),
        ("rows=2", "the axis `rows` of the mesh rows=2 divides nothing that is known"),
        ("data", "`data` is no axis of a mesh"),
        ("data=100000", "the CPU plugin has at most 1024"),
    ] {
        let misused = mesh.starts_with("data");
        fails(&mut train(&["--mesh", mesh]), if misused { 2 } else { 1 }, &[why]);
    }
}

#[test]
fn compiled_programs_are_kept_until_cleared() {
    let home = tempfile::tempdir().unwrap();
    let plugin = plugin();
    let here = |arguments: &[&str]| {
        let mut command = raxla(arguments);
        command.env("RAXLA_HOME", home.path()).env("RAXLA_PLUGIN", &plugin);
        command
    };
    let usage = || json(&mut here(&["cache", "info", "--json"]));
    assert_eq!((&usage()["programs"], &usage()["bytes"]), (&0.into(), &0.into()));
    let out = home.path().join("out");
    let model = fixture("gpt2_plain");
    let compute = || {
        succeeds(logits(&model, "3,4", &out).env("RAXLA_HOME", home.path()).env("RAXLA_PLUGIN", &plugin));
        fs::read(&out).unwrap()
    };
    let first = compute();
    assert_eq!(usage()["programs"], 1);
    let text = succeeds(&mut here(&["cache", "info"]));
    assert!(text.contains("compiled: 1 program, ") && text.contains(" MiB of at most 2048 MiB\n"), "{text}");
    assert_eq!(first, compute(), "the kept program computes the same");
    // half a file, as a full disk or a crash would leave it, is not run
    let kept = fs::read_dir(home.path().join("compiled")).unwrap().flatten().next().unwrap().path();
    let half = fs::read(&kept).unwrap();
    fs::write(&kept, &half[..half.len() / 2]).unwrap();
    assert_eq!(first, compute());
    assert_eq!(succeeds(&mut here(&["cache", "clear"])), "1 program removed\n");
    assert_eq!(usage()["programs"], 0);
    // a home that cannot be written costs time, not the result
    let nowhere = run(logits(&model, "3,4", &out).env("RAXLA_HOME", "/dev/null/home").env("RAXLA_PLUGIN", &plugin));
    assert_eq!(nowhere.code, Some(0), "{}", nowhere.stderr);
    assert!(nowhere.stderr.contains("the compiled program is not kept in /dev/null/home"), "{}", nowhere.stderr);
    assert_eq!(fs::read(&out).unwrap(), first);
}

/// What would be larger than `ulimit -f` allows is not kept, or not written; and nothing is left of it.
#[cfg(unix)]
#[test]
fn a_limit_on_files_is_an_error_and_no_end() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let limited = |command: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -f 8; exec \"$@\" {command}"), "sh", env!("CARGO_BIN_EXE_raxla")]);
        run(shell.env("RAXLA_HOME", home.path()).env("RAXLA_PLUGIN", plugin()).current_dir(home.path()))
    };
    let model = fixture("gpt2_plain");
    let computed = limited(&format!("logits --model '{}' --tokens 3,4 --out out", model.display()));
    assert_eq!(computed.code, Some(0), "{}", computed.stderr);
    assert_holds(&computed.stderr, &["the compiled program is not kept in", "File too large"]);
    assert!(out.is_file());
    let written = limited(&format!("convert '{}' converted", model.display()));
    check_failure(
        written,
        1,
        &["error: converted/model.safetensors cannot be written: File too large", "help: allow larger files"],
    );
    let left = |folder: &Path| fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(left(&home.path().join("compiled")), [""; 0]);
    assert!(left(home.path()).iter().all(|name| ["out", "compiled"].contains(&name.to_str().unwrap())));
    // what another process, which was ended, has left goes with the programs
    for end in ["part", "lock"] {
        fs::write(home.path().join(format!("compiled/.0123456789abcdef.raxla-{end}")), "x").unwrap();
    }
    succeeds(raxla(["cache", "clear"]).env("RAXLA_HOME", home.path()));
    assert_eq!(left(&home.path().join("compiled")), [""; 0]);
}

#[test]
fn convert_writes_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (shards, whole) = (dir.path().join("shards"), dir.path().join("whole"));
    let convert = |from: &Path, to: &Path, size: &str| {
        let mut command = raxla(["convert", "--max-shard-size", size]);
        let outcome = run(command.arg(from).arg(to));
        assert_eq!((outcome.code, outcome.stdout), (Some(0), format!("{}\n", to.display())), "{}", outcome.stderr);
        outcome.stderr
    };
    let from = fixture("gpt2_plain");
    assert!(!convert(&from, &shards, "20 KB").contains("files of weights: 1\n"));
    assert!(shards.join("model.safetensors.index.json").is_file());
    convert(&shards, &whole, "1GiB");
    let logits = |model: &Path| {
        let out = dir.path().join("logits.safetensors");
        succeeds(raxla(["logits", "--tokens", "3,5,7", "--model"]).arg(model).arg("--out").arg(&out));
        std::fs::read(out).unwrap()
    };
    assert_eq!(logits(&from), logits(&whole));
    let flax = dir.path().join("flax");
    succeeds(raxla(["convert", "--format", "flax"]).arg(&whole).arg(&flax));
    assert!(flax.join("flax_model.msgpack").is_file());
    assert_eq!(logits(&from), logits(&flax));
    for format in ["orbax", "nnx"] {
        let orbax = dir.path().join(format);
        succeeds(raxla(["convert", "--format", format]).arg(&whole).arg(&orbax));
        assert!(orbax.join("_CHECKPOINT_METADATA").is_file() && orbax.join("config.json").is_file());
        assert_eq!(logits(&from), logits(&orbax));
    }
}
