//! Wrong use of the command line, and files that cannot be read or written.

use crate::common::*;
use std::{
    fs::{self, File},
    path::Path,
};

/// Runs `generate` on a model that does not exist: usage is checked before anything is loaded.
fn misused(arguments: &[&str], wanted: &[&str]) {
    fails(raxla(["generate", "--model", "/no/such/model"]).args(arguments), 2, wanted);
}

#[test]
fn options_are_checked_before_anything_is_loaded() {
    misused(
        &["--dtype", "nonsense", "Hi"],
        &["invalid value 'nonsense' for '--dtype <D>'", "none of f32, bf16, f16, f64"],
    );
    misused(&["--dtype", "i8", "Hi"], &["invalid value 'i8' for '--dtype <D>'", "none of f32, bf16, f16, f64"]);
    misused(&["--top-p", "2", "Hi"], &["error: --top-p must be above 0 and at most 1, not 2"]);
    misused(&["--top-p", "0", "Hi"], &["error: --top-p must be above 0 and at most 1, not 0"]);
    misused(&["--min-p", "-0.5", "Hi"], &["error: --min-p must be within 0 and 1, not -0.5"]);
    misused(&["--temperature", "-1", "Hi"], &["error: --temperature must be 0 or more, not -1"]);
    misused(&["--temperature", "nan", "Hi"], &["error: --temperature must be 0 or more, not NaN"]);
    misused(&["--temperature", "hot", "Hi"], &["invalid value 'hot' for '--temperature <T>'"]);
    misused(&["--repetition-penalty", "0", "Hi"], &["error: --repetition-penalty must be above 0, not 0"]);
    misused(&["--presence-penalty", "3", "Hi"], &["error: --presence-penalty must be within -2 and 2, not 3"]);
    misused(&["--frequency-penalty", "-9", "Hi"], &["error: --frequency-penalty must be within -2 and 2, not -9"]);
    misused(&["--logit-bias", "7", "Hi"], &["'7' for '--logit-bias <ID=B>'", "a token's id, `=`, and a number"]);
    misused(&["--logit-bias", "x=1", "Hi"], &["token ids are whole numbers from 0 on, not `x`"]);
    misused(&["--logit-bias", "7=hot", "Hi"], &["`hot` is no number"]);
    misused(&["--logit-bias", "7=inf", "Hi"], &["error: --logit-bias of token 7 must be a finite number, not inf"]);
    misused(&["--samples", "0", "Hi"], &["error: --samples must be 1 or more, not 0"]);
    misused(&["--prefill-chunk", "0", "Hi"], &["error: --prefill-chunk must be 1 or more, not 0"]);
    misused(&["--stop", "", "Hi"], &["error: --stop must not be an empty text"]);
    misused(&["--logprobs", "2", "Hi"], &["error: --logprobs are told in JSON: add --json"]);
    misused(&["--lookup", "--draft-tokens", "0", "Hi"], &["error: --draft-tokens must be 1 or more, not 0"]);
    misused(&["--lookup", "--samples", "2", "Hi"], &["error: tokens are drafted for one text: leave out --samples"]);
    misused(&["--lookup", "--draft", "x", "Hi"], &["cannot be used with", "--draft <M>"]);
    misused(&["--lookup", "--device-loop", "Hi"], &["cannot be used with", "--device-loop"]);
    misused(&["--beams", "0", "Hi"], &["error: --beams must be 1 or more, not 0"]);
    misused(&["--beams", "2", "--temperature", "1", "Hi"], &["error: --temperature draws tokens, and beams do not"]);
    misused(
        &["--beams", "2", "--samples", "3", "Hi"],
        &["error: --samples must be at most as many as beams, 2, not 3"],
    );
    misused(&["--beams", "2", "--lookup", "Hi"], &["cannot be used with", "--lookup"]);
    misused(&["--length-penalty", "2", "Hi"], &["required arguments were not provided", "--beams <N>"]);
    misused(&["--beams", "2", "--early-stopping=maybe", "Hi"], &["invalid value 'maybe' for '--early-stopping"]);
    misused(&["--mesh", "model", "Hi"], &["invalid value 'model' for '--mesh <AXES>'", "`model` is no axis of a mesh"]);
    misused(&["--mesh", "model=0", "Hi"], &["invalid value 'model=0' for '--mesh <AXES>'", "has size 0"]);
    misused(&["--mesh", "model=2", "--lookup", "Hi"], &["cannot be used with", "--lookup"]);
    misused(&["--mesh", "model=2", "--beams", "2", "Hi"], &["cannot be used with", "--beams <N>"]);
    misused(&["--batch", "x", "Hi"], &["cannot be used with", "--batch"]);
    misused(&["--top-k", "-1", "Hi"], &["invalid value '-1' for '--top-k <K>'"]);
    misused(&["--max-new-tokens", "many", "Hi"], &["invalid value 'many' for '--max-new-tokens <N>'"]);
    misused(&["--seed", "-1", "Hi"], &["invalid value '-1' for '--seed <S>'"]);
}

#[test]
fn unknown_words_get_the_nearest_ones() {
    misused(
        &["--temprature", "1", "Hi"],
        &["unexpected argument '--temprature'", "a similar argument exists: '--temperature'"],
    );
    fails(&mut raxla(["generat"]), 2, &["unrecognized subcommand 'generat'", "'generate'"]);
    fails(
        &mut raxla(["hlo", "--stage", "optimised"]),
        2,
        &["invalid value 'optimised'", "traced, graph, stablehlo, optimized"],
    );
    misused(&["--prompt-file", "x", "Hi"], &["cannot be used with", "--prompt-file"]);
    misused(&["one", "two"], &["unexpected argument 'two'"]);
    misused(&["- a list"], &["unexpected argument '- ' found", "use '-- - '"]);
    let long = ["hlo", "--program", "prefill", "--prompt-tokens", "99"];
    fails(&mut raxla(long), 2, &["99 --prompt-tokens do not fit 64 --slots"]);
    fails(
        &mut raxla(["hlo", "--slots", "0"]),
        2,
        &["invalid value '0' for '--slots <N>'", "a whole number from 1 to 1048576"],
    );
    let bare = run(&mut raxla([""; 0]));
    assert_eq!((bare.code, bare.stdout.as_str()), (Some(2), ""));
    assert!(
        bare.stderr.contains("Usage: raxla") && bare.stderr.contains("raxla chat \"What is gravity?\""),
        "{}",
        bare.stderr
    );
}

#[test]
fn tokens_are_numbers_in_the_vocabulary_and_fit_the_context() {
    let (model, out) = (fixture("gpt2_plain"), tempfile::tempdir().unwrap());
    let out = out.path().join("out");
    let with = |tokens: &str| logits(&model, tokens, &out);
    fails(&mut with("3,x"), 2, &["invalid value 'x' for '--tokens <IDS>'", "token ids are whole numbers from 0 on"]);
    fails(&mut with(""), 2, &["--tokens"]);
    fails(&mut with("-3"), 2, &["invalid value '-3' for '--tokens <IDS>'", "token ids are whole numbers from 0 on"]);
    fails(&mut with("3,4,89"), 1, &["token id 89 is outside the vocabulary: ids go from 0 to 88"]);
    fails(&mut with("4294967295"), 1, &["token id 4294967295 is outside the vocabulary"]);
    fails(&mut with(&["3"; 65].join(",")), 1, &["the prompt has 65 tokens, but the model's context is 64: shorten it"]);
    assert!(!out.exists());
    fails(&mut raxla(["logits", "--tokens", "3"]), 2, &["required arguments were not provided", "--out <F>"]);
}

#[test]
fn prompts_must_fit_and_be_text() {
    let model = speaker();
    let generate = || {
        let mut command = raxla(["generate", "--model"]);
        command.arg(model.path());
        command
    };
    fails(generate().arg("x".repeat(65)), 1, &["the prompt has 65 tokens, but the model's context is 64: shorten it"]);
    fails(generate().arg(""), 1, &["the prompt is empty: give at least one token"]);
    // (before anything is looked for)
    let mut bare = raxla(["generate", "--model", "/no/such/model"]);
    fails(&mut bare, 1, &["the prompt is empty: give at least one token", "help: as in `raxla generate"]);
    fails(
        generate().args(["--prompt-file", "/no/such/prompt"]),
        1,
        &["the prompt file /no/such/prompt cannot be read", "No such file"],
    );
    fails(generate().args(["--prompt-file", "/"]), 1, &["the prompt file / cannot be read", "directory"]);
    let binary = model.path().join("binary");
    fs::write(&binary, b"\xff\xfe\x00").unwrap();
    fails(generate().arg("--prompt-file").arg(&binary), 1, &["binary cannot be read", "UTF-8", "help: convert it"]);
    fails(
        generate().stdin(File::open(&binary).unwrap()),
        1,
        &["cannot be read from standard input", "UTF-8", "help: convert it"],
    );
    let chat = raxla(["chat", "--model"]).arg(model.path()).stdin(File::open(&binary).unwrap()).output().unwrap();
    check_failure(chat.into(), 1, &["the message cannot be read", "UTF-8"]);
    // a conversation outgrows the context
    let long = run_with(raxla(["chat", "--model"]).arg(model.path()), &"x".repeat(70));
    check_failure(long, 1, &["tokens, but the model's context is 64"]);
}

#[test]
fn results_must_have_a_place() {
    let model = fixture("gpt2_plain");
    let dir = tempfile::tempdir().unwrap();
    // found before the model is even looked for
    let absent = |out: &Path| logits(Path::new("/no/such/model"), "3", out);
    fails(
        &mut absent(&dir.path().join("no/out")),
        1,
        &["no/out cannot be written: No such file", "help: make the directory first"],
    );
    fails(
        &mut absent(Path::new("/dev/null/out")),
        1,
        &["/dev/null/out cannot be written: Not a directory", "help: name another file"],
    );
    fails(&mut absent(dir.path()), 1, &["cannot be written: Is a directory"]);
    fails(&mut absent(Path::new("/proc/out")), 1, &["/proc/out cannot be written"]);
    if cfg!(target_os = "linux") {
        fails(
            &mut logits(&model, "3", Path::new("/dev/full")),
            1,
            &["/dev/full cannot be written: No space left on device", "help: free some space"],
        );
    }
    assert!(Path::new("/dev/full").metadata().is_ok_and(|m| !m.is_file()), "it is still the device");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_standard_output_is_an_error() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let model = speaker();
    let text = raxla(["generate", "-n", "4", "--model"]).arg(model.path()).arg("Hi").stdout(full()).output().unwrap();
    check_failure(text.into(), 1, &["error: standard output cannot be written: No space left on device"]);
    let list = raxla(["models"]).stdout(full()).output().unwrap();
    check_failure(list.into(), 1, &["error: standard output cannot be written: No space left on device"]);
}

/// Rust would write to nowhere. What is not printed, such as a file, does not need it.
#[test]
#[cfg(target_os = "linux")]
fn a_closed_standard_output_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("logits");
    let closed = |arguments: &[&str], to: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {to}"), env!("CARGO_BIN_EXE_raxla")]).args(arguments);
        shell.output().unwrap().into()
    };
    for arguments in [&["models"][..], &["generate", "--model", "/no/such/model", "Hi"], &["plugin", "list", "--json"]]
    {
        check_failure(closed(arguments, ">&-"), 1, &["error: standard output is closed: the result would be lost"]);
    }
    let outcome: Outcome = closed(&["models"], ">/dev/null");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let model = fixture("gpt2_plain");
    let file = ["logits", "--tokens", "3", "--model", model.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let outcome: Outcome = closed(&file, ">&-");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(out.is_file());
}

/// What a file says is shown, not obeyed.
#[test]
fn escape_sequences_of_files_do_not_reach_the_terminal() {
    let model = speaker();
    let config =
        serde_json::json!({ "chat_template": "{{ raise_exception('\u{1b}]52;c;eA==\u{7} \u{9b}2J \u{202e}no') }}" });
    fs::write(model.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let outcome = run_with(raxla(["chat", "--model"]).arg(model.path()), "hi\n");
    let text = check_failure(outcome, 1, &["chat template: \\x1b]52;c;eA==\\x07 \\u{9b}2J \\u{202e}no"]);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']));
    // names of tensors, too
    edit_tensors(model.path(), |tensors| {
        let moved = tensors.remove("transformer.wpe.weight").unwrap();
        tensors.insert("transformer.\u{1b}[31mwpe.weight".into(), moved);
    });
    let mut generate = raxla(["generate", "Hi", "--model"]);
    assert!(!fails(generate.arg(model.path()), 1, &["transformer.wpe.weight"]).contains('\u{1b}'));
}

#[test]
fn what_convert_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let model = fixture("llama_bf16");
    let convert = |arguments: &[&str]| {
        let mut command = raxla(["convert"]);
        command.arg(&model).arg(dir.path()).args(arguments);
        command
    };
    fails(&mut convert(&["--dtype", "i8"]), 2, &["invalid value 'i8' for '--dtype <D>'", "none of f32, bf16"]);
    fails(&mut convert(&["--format", "onnx"]), 2, &["invalid value 'onnx'", "safetensors, flax"]);
    for size in ["0", "many", "5XB", "99999999999GB", "-1", ""] {
        let size = format!("--max-shard-size={size}");
        fails(&mut convert(&[&size]), 2, &["for '--max-shard-size <S>'", "a size is a whole number of bytes"]);
    }
    fails(&mut raxla(["convert", "x"]), 2, &["required arguments were not provided", "<DST>"]);
    fails(&mut raxla(["convert", "x", ".."]), 2, &[".. is no name for a new directory"]);
    fails(&mut raxla(["convert", "/no/such/model", "/tmp/none"]), 1, &["there is no file or folder /no/such/model"]);
    fs::write(dir.path().join("mine"), "").unwrap();
    fails(&mut convert(&[]), 1, &["cannot be written: the folder is there and not empty", "help: name another folder"]);
    let mut nowhere = raxla(["convert"]);
    fails(nowhere.arg(&model).arg("/proc/none"), 1, &["/proc/", "cannot be written", "help: give another place"]);
}
