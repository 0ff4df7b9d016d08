//! `raxla bench` and `raxla tune`: what they print and keep. No test says how fast anything is.
use crate::common::*;
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

/// A model that is measured in no time.
fn tiny() -> TempDir {
    random(json!({ "tie_word_embeddings": true }))
}

/// Small work, but for what the arguments say.
fn bench(what: &str, model: &Path, arguments: &[&str]) -> Command {
    let mut command = raxla(["bench", what, "--random-weights"]);
    for (option, value) in [("--prompt", "8"), ("--repeat", "2")] {
        if !arguments.contains(&option) {
            command.args([option, value]);
        }
    }
    command.arg("--model").arg(model).args(arguments);
    command
}

/// The objects of `--json`, by metric and variant.
fn figures(command: &mut Command) -> Vec<Value> {
    let out = succeeds(command);
    let all: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for figure in &all {
        assert_eq!(figure["system"], "raxla", "{figure}");
        assert!(figure["metric"].is_string() && figure["value"].as_f64().unwrap() >= 0.0, "{figure}");
        assert!(figure["machine"]["cores"].as_u64().unwrap() > 0, "{figure}");
        assert_eq!(figure["plugin"]["platform"], "cpu", "{figure}");
        if let Some(s) = figure["seconds"].as_object() {
            let [min, median, p90] = ["min", "median", "p90"].map(|key| s[key].as_f64().unwrap());
            assert!(0.0 < min && min <= median && median <= p90, "{figure}");
        }
    }
    all
}

fn metrics(figures: &[Value]) -> Vec<&str> {
    figures.iter().map(|f| f["metric"].as_str().unwrap()).collect()
}

#[test]
fn decode_is_told_to_people_and_programs() {
    let model = tiny();
    let table = succeeds(&mut bench("decode", model.path(), &["--new", "6"]));
    assert_holds(
        &table,
        &["machine  ", "plugin   cpu, PJRT ", "limits   read ", "decode_tok_s", "tok/s", "decode_host_us"],
    );
    assert_holds(&table, &["median ms", "(min .. p90)", "of limit", "compile ms", "planned"]);
    let all = figures(&mut bench(
        "decode",
        model.path(),
        &["--new", "6", "--json", "--batch", "2", "--kernels", "off", "--dtype", "f32"],
    ));
    assert_eq!(metrics(&all), ["decode_tok_s", "decode_host_us"]);
    let decode = &all[0];
    assert_eq!(decode["unit"], "tok/s");
    assert_eq!(decode["limit"]["of"], "read bandwidth");
    // 3 of the 5 steps of each repeat: two warm up
    assert_eq!(decode["seconds"]["samples"], 6);
    let config = &decode["config"];
    assert_eq!((&config["batch"], &config["prompt"], &config["new"]), (&json!(2), &json!(8), &json!(6)));
    assert_eq!((&config["dtype"], &config["variant"]), (&json!("f32"), &json!("")));
    assert_eq!(
        (&config["matrices"], &config["kernels"], &config["arithmetic"]),
        (&json!("f32"), &json!(false), &json!("exact"))
    );
    // the weights but not the table of the copied embedding; and what two rows of 11 positions hold
    let (d, f, v, kv) = (32.0, 48.0, 89.0, 16.0);
    let weights = (d * d + 2.0 * d * kv + d * d + 3.0 * d * f + 3.0 * d + d * v) * 4.0;
    assert_eq!(decode["bytes"].as_f64().unwrap(), weights + 2.0 * 11.0 * 2.0 * kv * 4.0);
    assert!(decode["planned_bytes"].as_u64() > Some(weights as u64) && decode["compile_ms"].as_f64() > Some(0.0));
    if cfg!(target_os = "linux") {
        assert!(decode["peak_rss_bytes"].as_u64() > decode["planned_bytes"].as_u64(), "{decode}");
    }
}

#[test]
fn everything_else_is_measured_too() {
    let model = tiny();
    let prefill = figures(&mut bench("prefill", model.path(), &["--json"]));
    assert_eq!(metrics(&prefill), ["prefill_tok_s"]);
    assert_eq!(prefill[0]["limit"]["of"], "products of f32");
    let train = figures(&mut bench("train", model.path(), &["--json"]));
    assert_eq!(metrics(&train)[0], "train_step_s");
    assert!(train[0]["tok_s"].as_f64() > Some(0.0) && train[0]["flops"].as_f64() > Some(0.0), "{train:?}");
    let compile = figures(&mut bench("compile", model.path(), &["--json", "--layers", "1,2", "--repeat", "1"]));
    assert_eq!(compile.len(), 2 * 3 * 4);
    assert_eq!((&compile[0]["metric"], &compile[0]["config"]["layers"]), (&json!("decode_compile_ms"), &json!(1)));
    // programs are those that generate: their kernels are calls, not products
    let bytes = |kernels: &str| {
        let all = figures(&mut bench("compile", model.path(), &["--json", "--repeat", "1", "--kernels", kernels]));
        let size = |f: &&Value| f["metric"] == "decode_stablehlo_bytes";
        all.iter().find(size).unwrap()["value"].as_f64().unwrap()
    };
    assert!(bytes("auto") != bytes("off"));
    let load = figures(&mut bench("load", model.path(), &["--json"]));
    assert_eq!(metrics(&load), ["load_s", "start_to_first_token_s", "parameter_bytes"]);
    let dispatch = figures(&mut bench("dispatch", model.path(), &["--json"]));
    let told: Vec<_> = dispatch.iter().map(|f| f["config"]["arguments"].clone()).collect();
    assert_eq!(told, [1, 1, 300, 300]);
}

#[test]
fn variants_are_compared_and_drawn() {
    let model = tiny();
    let plot = model.path().join("plot.svg");
    let list = ["--new", "6", "--variants", "all", "--plot"];
    let table = succeeds(bench("decode", model.path(), &list).arg(&plot));
    let names = ["as asked", "scanned", "shared-head", "kept-state", "cache-bf16", "cache-int8", "exact-length"];
    assert_holds(&table, &names);
    assert_eq!(table.lines().filter(|line| line.starts_with("* ")).count(), 1, "{table}");
    let svg = fs::read_to_string(plot).unwrap();
    assert_well_formed(&svg);
    assert_holds(&svg, &["decode_tok_s (tok/s), more is better", "prefers-color-scheme: dark", ">shared-head</text>"]);
    // what is asked for is no variant of itself
    let scanned =
        figures(&mut bench("decode", model.path(), &["--new", "6", "--scan", "--json", "--variants", "unrolled"]));
    let told: Vec<_> = ["variant", "scan"].map(|key| [0, 2].map(|i| scanned[i]["config"][key].clone())).into();
    assert_eq!(told, [[json!(""), json!("unrolled")], [json!(true), json!(false)]]);
    // what is listed twice is measured once
    let once =
        figures(&mut bench("decode", model.path(), &["--new", "6", "--json", "--variants", "kept-state,kept-state"]));
    assert_eq!(once.len(), 4);
}

#[test]
fn meshes_and_experts_are_variants() {
    let model = tiny();
    let two = figures(&mut bench(
        "prefill",
        model.path(),
        &["--json", "--batch", "2", "--mesh", "data=2", "--variants", "all"],
    ));
    let names: Vec<_> = two.iter().map(|f| f["config"]["variant"].as_str().unwrap()).collect();
    assert!(names.contains(&"model=2") && !names.contains(&"data=2"), "{names:?}");
    let out = succeeds(&mut bench(
        "prefill",
        &fixture("mixtral_top2"),
        &["--variants", "experts-dense,experts-by-capacity+scanned"],
    ));
    assert_holds(&out, &["experts-dense", "experts-by-capacity+scanned"]);
}

/// Every tag is closed in its place.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = vec![];
    for tag in xml.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match tag {
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "{xml}"),
            _ if tag.ends_with('/') => {}
            _ => open.push(name),
        }
        assert!(tag.matches('"').count() % 2 == 0, "{tag}");
    }
    assert!(open.is_empty() && xml.starts_with("<svg xmlns="), "{open:?}");
}

#[test]
fn figures_of_a_file_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (file, plot) = (dir.path().join("figures"), dir.path().join("plot.svg"));
    let seconds = r#""seconds":{"min":0.02,"median":0.025,"p90":0.03,"samples":9}"#;
    let lines = format!(
        "{{\"system\":\"raxla\",\"metric\":\"decode_tok_s\",\"value\":40,\"unit\":\"tok/s\",{seconds}}}\n\n\
         {{\"system\":\"a<b\",\"metric\":\"decode_tok_s\",\"value\":26,\"size\":\"124M\"}}\n"
    );
    fs::write(&file, lines).unwrap();
    let table = succeeds(raxla(["bench", "--from"]).arg(&file).arg("--plot").arg(&plot));
    assert!(table.lines().nth(1).unwrap().starts_with("* "), "{table}");
    let svg = fs::read_to_string(&plot).unwrap();
    assert_well_formed(&svg);
    assert!(svg.contains("a&lt;b"), "{svg}");
    fs::write(&file, "{\"system\":\"x\"}\n").unwrap();
    fails(raxla(["bench", "--from"]).arg(&file), 1, &["figures, line 1: this is no figure: missing field"]);
    let line = |system: &str, metric: &str, value: f64, unit: &str| {
        format!("{{\"system\":\"{system}\",\"metric\":\"{metric}\",\"value\":{value:?},\"unit\":\"{unit}\"}}\n")
    };
    // each metric of several systems is compared, and drawn without its times too
    let of =
        |system: &str, a: f64, b: f64| line(system, "decode_tok_s", a, "tok/s") + &line(system, "train_step_s", b, "s");
    fs::write(&file, of("a", 1.0, 2.0) + &of("b", 2.0, 1.0)).unwrap();
    let table = succeeds(raxla(["bench", "--from"]).arg(&file).arg("--plot").arg(&plot));
    let marked: Vec<&str> = table.lines().filter(|line| line.starts_with("* ")).collect();
    assert!(marked.len() == 2 && marked.iter().all(|line| line.starts_with("* b")), "{table}");
    assert_eq!(fs::read_to_string(&plot).unwrap().matches("class=\"title\"").count(), 2);
    for (lines, wanted) in [
        (line("a", "x_s", -1.0, "s"), "line 1: this is no figure: its value, -1, is below 0"),
        (
            line("a", "x_s", 1.0, "s") + &line("b", "x_s", 1.0, "ms"),
            "line 2: this is no figure: x_s is in `s` and `ms`",
        ),
    ] {
        fs::write(&file, lines).unwrap();
        fails(raxla(["bench", "--from"]).arg(&file), 1, &[wanted]);
    }
    fs::write(&file, "\n").unwrap();
    fails(raxla(["bench", "--from"]).arg(&file), 1, &["has no figures"]);
    fails(&mut raxla(["bench", "--from", "/no/such/file"]), 1, &["/no/such/file cannot be read: "]);
}

#[test]
fn wrong_use_is_told_before_anything_is_measured() {
    let model = tiny();
    let misused = |what: &str, arguments: &[&str], wanted: &[&str]| {
        fails(&mut bench(what, model.path(), arguments), 2, wanted);
    };
    misused(
        "decode",
        &["--variants", "faster"],
        &["error: there is no variant `faster` of this", "help: choose among scanned, unrolled, "],
    );
    for name in ["scanned+unrolled", "scanned+scanned", "scanned+", ","] {
        misused("decode", &["--variants", name], &["is no variant: its parts must be different"]);
    }
    misused(
        "decode",
        &["--mesh", "data=3"],
        &["--mesh data=3 divides the rows of a batch by 3, and --batch is 1", "help: choose a --batch that 3 divides"],
    );
    misused("compile", &["--layers", "2,x"], &["it must be a whole number from 1 to "]);
    misused("dispatch", &["--variants", "scanned"], &["help: leave out --variants: there are none of it"]);
    misused("decode", &["--new", "2"], &["--new must be at least 4"]);
    misused("decode", &["--layers", "2"], &["--layers is for `raxla bench compile`"]);
    misused("kernels", &["--mesh", "model=2"], &["`bench kernels` is of one device: leave out --mesh"]);
    misused("decode", &["--batch", "0"], &["it must be a whole number from 1 to "]);
    fails(&mut raxla(["bench"]), 2, &["required"]);
    fails(
        &mut bench("decode", model.path(), &["--prompt", "4096"]),
        1,
        &["the model's context is 4096", "help: choose a smaller --prompt or --new"],
    );
    fails(&mut bench("train", model.path(), &["--prompt", "5000"]), 1, &["more than the model's context, 4096"]);
    fails(&mut raxla(["bench", "decode", "--model", "/no/such"]), 1, &["/no/such"]);
    fails(
        bench("decode", model.path(), &["--plot", "/no/such/a.svg", "--new", "6"])
            .arg("--json")
            .stdout(std::process::Stdio::null()),
        1,
        &["/no/such/a.svg cannot be written: ", "help: make the directory first"],
    );
}

/// With a home of its own.
fn at_home<'a>(home: &TempDir, command: &'a mut Command) -> &'a mut Command {
    command.env("RAXLA_HOME", home.path()).env("RAXLA_PLUGIN", plugin())
}

fn tune(model: &Path, arguments: &[&str]) -> Command {
    let sizes = ["--random-weights", "--prompt", "8", "--repeat", "2", "--new", "6", "--model"];
    let mut command = raxla(["tune"]);
    command.args(sizes).arg(model).args(arguments);
    command
}

#[test]
fn what_is_tuned_is_kept_and_used() {
    let (home, model) = (tempfile::tempdir().unwrap(), tiny());
    let out = succeeds(at_home(&home, &mut tune(model.path(), &[])));
    assert_holds(&out, &["as raxla does anyway", "scanned", "shared-head", " in stored: fastest "]);
    let files: Vec<_> = fs::read_dir(home.path().join("tuned")).unwrap().map(|e| e.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let stored: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed = stored.clone();
        changed["chosen"] = json!(["scanned", "shared-head"]);
        changed[key] = value;
        fs::write(file, changed.to_string()).unwrap();
    };
    let generate = |arguments: &[&str]| {
        let mut command = raxla(["generate", "-v", "-n", "2", "--random-weights", "--model"]);
        let outcome = run(at_home(&home, command.arg(model.path()).args(arguments).arg("Hi")));
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stderr
    };
    with("dtype", json!("f32"));
    let said = "held as `raxla tune` found to be fastest: ";
    assert_holds(&generate(&[]), &[&format!("{said}scanned, shared-head")]);
    // what the command line says wins, one by one
    assert_holds(&generate(&["--share-head"]), &[&format!("{said}scanned\n")]);
    for other in [&["--untuned"][..], &["--dtype", "f64"], &["--scan", "--share-head"], &["--mesh", "model=2"]] {
        assert!(!generate(other).contains("raxla tune"), "{other:?}");
    }
    assert_holds(&succeeds(at_home(&home, &mut raxla(["tune", "--list"]))), &["fastest scanned and shared-head, "]);
    // what is of no use is told and left
    let again = "help: run `raxla tune` again";
    with("version", json!("0.0.1"));
    assert_holds(&generate(&[]), &["is not used: it was made with another version of raxla", again]);
    with("config_sha256", json!("x"));
    assert_holds(&generate(&[]), &["another configuration of the model"]);
    with("chosen", json!(["faster"]));
    assert_holds(&generate(&[]), &["nothing is called `faster`"]);
    fs::write(file, "{\"model\": ").unwrap();
    assert_holds(&generate(&[]), &["is damaged: ", again]);
    let listed = run(at_home(&home, &mut raxla(["tune", "--list"])));
    assert_holds(&listed.stderr, &["is damaged, and is not used"]);
    assert_eq!(listed.stdout, "nothing was tuned yet\n");
    assert_holds(&succeeds(at_home(&home, &mut tune(model.path(), &["--forget"]))), &["forgotten "]);
    assert!(!file.exists());
    assert_holds(&succeeds(at_home(&home, &mut tune(model.path(), &["--forget"]))), &["nothing was kept for "]);
    fails(&mut tune(model.path(), &["--scan"]), 2, &["leave out --scan and --share-head"]);
    fails(&mut tune(model.path(), &["--mesh", "model=2"]), 2, &["leave out --mesh"]);
    // another way to hold the model is another entry
    for more in [&["--kernels", "off"][..], &["--quantize", "q8_0", "--dtype", "bf16", "--arithmetic", "int8"]] {
        succeeds(at_home(&home, &mut tune(model.path(), more)));
    }
    let listed = succeeds(at_home(&home, &mut raxla(["tune", "--list"])));
    assert_holds(&listed, &[" in stored-kernels-off: ", " in q8_0-bf16-int8: "]);
    // where nothing can be kept, nothing is measured
    fs::remove_dir_all(home.path().join("tuned")).unwrap();
    fs::write(home.path().join("tuned"), "").unwrap();
    fails(at_home(&home, &mut tune(model.path(), &[])), 1, &["tuned is no folder", "help: move it away"]);
}
