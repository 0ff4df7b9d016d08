//! `raxla generate` and `raxla chat`.

use crate::common::*;
use serde_json::Value;
use std::{fs, path::Path, process::Command};

fn generate(model: &Path, more: &[&str]) -> Command {
    let mut command = raxla(["generate", "--model"]);
    command.arg(model).args(more);
    command
}

fn text(of: &Value) -> String {
    of["text"].as_str().unwrap().to_string()
}

fn tokens(of: &Value) -> Vec<u32> {
    of["tokens"].as_array().unwrap().iter().map(|t| t.as_u64().unwrap() as u32).collect()
}

/// The prompt of the fixture's reference, spelled.
fn prompt() -> String {
    spell(&reference_tokens("gpt2_plain", "tokens"))
}

#[test]
fn greedy_tokens_are_those_of_transformers_and_the_text_is_theirs() {
    let model = speaker();
    let want = reference_tokens("gpt2_plain", "greedy");
    let made = json(&mut generate(model.path(), &["-n", "16", "--json", "--", &prompt()]));
    assert_eq!(tokens(&made), want);
    assert_eq!(text(&made), spell(&want));
    assert_eq!((&made["finish_reason"], &made["new_tokens"]), (&"length".into(), &16.into()));
    assert_eq!(made["prompt"], prompt());
    assert_eq!(made["prompt_tokens"], reference_tokens("gpt2_plain", "tokens").len());
    for number in ["tokens_per_second", "time_to_first_token_ms", "compile_ms", "load_ms"] {
        assert!(made[number].as_f64().unwrap() > 0.0, "{number}: {made}");
    }
}

/// On virtual devices, as many as the mesh needs.
#[test]
fn a_model_divided_over_devices_says_the_same() {
    let model = speaker();
    let want = reference_tokens("gpt2_plain", "greedy");
    let made = json(&mut generate(model.path(), &["-n", "16", "--json", "--mesh", "model=2", "--", &prompt()]));
    assert_eq!(tokens(&made), want);
    let batch = model.path().join("batch.txt");
    fs::write(&batch, format!("{0}\n{0}\n", prompt())).unwrap();
    let mut command = generate(model.path(), &["-n", "4", "--scan", "--mesh", "data=2,model=2", "--batch"]);
    let lines = succeeds(command.arg(&batch));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(tokens).collect::<Vec<_>>(), [&want[..4], &want[..4]]);
    let mesh = |axes: &str| generate(model.path(), &["--mesh", axes, "Hi"]);
    fails(
        &mut mesh("model=3"),
        1,
        &["`layers.0.mixer.q.w`", "4 heads", "3 devices along `model`", "help: of this model, `model` can be 2 or 4"],
    );
    let uneven = [
        "2 devices along `data`",
        "cannot share 1 text evenly (1 prompt with 1 sample each)",
        "help: make prompts times",
    ];
    fails(&mut mesh("data=2"), 1, &uneven);
    // several texts after one prompt are divided as those of several prompts, and are what they are on one device
    let sampled = |more: &[&str]| {
        let options = ["-n", "6", "--temperature", "2", "--samples", "4", "--ignore-eos"];
        self::lines(generate(model.path(), &options).args(more).arg("Hi")).iter().map(tokens).collect::<Vec<_>>()
    };
    assert_eq!(sampled(&["--mesh", "data=2"]), sampled(&[]));
    assert_eq!(sampled(&["--mesh", "data=4,model=2"]), sampled(&[]));
    fails(&mut mesh("pipe=2"), 1, &["`pipe`", "help: divide heads and hidden units along `model`"]);
}

#[test]
fn the_prompt_comes_as_words_from_a_file_or_from_standard_input() {
    let model = speaker();
    let file = model.path().join("prompt.txt");
    fs::write(&file, prompt() + "\r\n").unwrap();
    let short = ["-n", "16"];
    let streamed = run(generate(model.path(), &short).arg("--").arg(prompt()));
    assert_eq!(streamed.code, Some(0), "{}", streamed.stderr);
    // the text alone, without the prompt, where stdout is no terminal
    assert_eq!(streamed.stdout, spell(&reference_tokens("gpt2_plain", "greedy")) + "\n");
    assert_holds(&streamed.stderr, &["16 tokens, ", " tokens/s; first token after ", "; compile ", " ms, load "]);
    // its template says that it is for conversations
    assert!(streamed.stderr.starts_with("note: ") && streamed.stderr.contains("`raxla chat`"), "{}", streamed.stderr);
    assert_eq!(streamed.stderr.lines().count(), 2, "{}", streamed.stderr);
    assert_eq!(succeeds(generate(model.path(), &short).arg("--prompt-file").arg(&file)), streamed.stdout);
    for from_stdin in [&[][..], &["-"], &["--prompt-file", "-"]] {
        let outcome = run_with(generate(model.path(), &short).args(from_stdin), &format!("{}\n", prompt()));
        assert_eq!((outcome.code, &outcome.stdout), (Some(0), &streamed.stdout), "{}", outcome.stderr);
    }
}

#[test]
fn stop_strings_are_not_shown() {
    let model = speaker();
    let whole = spell(&reference_tokens("gpt2_plain", "greedy"));
    let stop: String = whole.chars().skip(5).take(2).collect();
    let before = whole.split(&stop).next().unwrap();
    let options = ["-n", "16", "--stop", "absent", "--stop", &stop];
    assert_eq!(succeeds(generate(model.path(), &options).arg("--").arg(prompt())), format!("{before}\n"));
    let made = json(generate(model.path(), &options).args(["--json", "--", &prompt()]));
    assert_eq!((text(&made).as_str(), &made["finish_reason"]), (before, &"stop".into()));
}

/// One JSON object per line.
fn lines(command: &mut Command) -> Vec<Value> {
    succeeds(command).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_batch_is_one_line_per_prompt_and_sample() {
    let model = speaker();
    let file = model.path().join("prompts.txt");
    let prompts = ["Hi", "What is this?", "a", "A longer line, to be continued"];
    fs::write(&file, prompts.join("\n") + "\n").unwrap();
    let options = ["-n", "8", "--temperature", "2", "--seed", "3", "--ignore-eos"];
    let single = |prompt: &str| json(generate(model.path(), &options).args(["--json", prompt]));
    let with = |more: &[&str]| {
        let all = lines(generate(model.path(), &options).args(more).arg("--batch").arg(&file));
        all.iter().map(|made| (made["prompt"].to_string(), made["sample"].clone(), tokens(made))).collect::<Vec<_>>()
    };
    let all = with(&[]);
    assert_eq!(all.len(), prompts.len());
    for ((prompt, sample, tokens_of), want) in all.iter().zip(prompts) {
        assert_eq!((prompt, sample), (&Value::from(want).to_string(), &0.into()));
        assert_eq!(*tokens_of, tokens(&single(want)));
    }
    let two = with(&["--samples", "2"]);
    assert_eq!(two.iter().step_by(2).collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
    assert!(two.chunks(2).all(|two| two[0].2 != two[1].2 && two[1].1 == 1));
    assert_eq!(with(&["--device-loop", "--prefill-chunk", "4"]), all);
    let samples = lines(generate(model.path(), &options).args(["--samples", "2", "Hi"]));
    assert_eq!(samples.iter().map(tokens).collect::<Vec<_>>(), [two[0].2.clone(), two[1].2.clone()]);
}

#[test]
fn bad_lines_of_a_batch_are_named_and_the_others_continued() {
    let model = speaker();
    let file = model.path().join("prompts.txt");
    let long = "x".repeat(65);
    fs::write(&file, [b"Hi\r\n\n", long.as_bytes(), b"\n\xff\xfe\nyo"].concat()).unwrap();
    let outcome = run(generate(model.path(), &["-n", "4", "--ignore-eos", "--batch"]).arg(&file));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_holds(
        &outcome.stderr,
        &[
            "error: line 2 of the batch: it is empty",
            "error: line 3 of the batch: the prompt has 65 tokens, but the model's context is 64",
            "error: line 4 of the batch: it is not UTF-8",
            "error: 3 of the batch's 5 lines could not be continued",
        ],
    );
    let lines: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let single = |prompt: &str| json(&mut generate(model.path(), &["-n", "4", "--ignore-eos", "--json", prompt]));
    assert_eq!((lines.len(), text(&lines[0]), text(&lines[4])), (5, text(&single("Hi")), text(&single("yo"))));
    assert!(lines[1..4].iter().all(|line| line["error"].is_string() && line.get("text").is_none()), "{lines:?}");
    fs::write(&file, "").unwrap();
    fails(generate(model.path(), &["--batch"]).arg(&file), 1, &["error: the batch has no prompt"]);
    fs::write(&file, "\n").unwrap();
    let none = run(generate(model.path(), &["--batch"]).arg(&file));
    assert_eq!(none.code, Some(1), "{}", none.stderr);
    assert_holds(
        &none.stderr,
        &["error: line 1 of the batch: it is empty", "error: none of the batch's lines can be continued"],
    );
}

/// As Gemma 3 in f16: what a layer adds to the stream is more than the dtype holds.
#[test]
fn numbers_that_overflow_are_an_error_that_names_the_layer() {
    let model = speaker();
    edit_tensors(model.path(), |tensors| {
        let (_, _, bytes) = tensors.get_mut("transformer.h.1.mlp.c_proj.weight").unwrap();
        for weight in bytes.chunks_exact_mut(4) {
            let large = f32::from_le_bytes((&*weight).try_into().unwrap()) * 1e6;
            weight.copy_from_slice(&large.clamp(-6e4, 6e4).to_le_bytes());
        }
    });
    let file = model.path().join("prompts.txt");
    fs::write(&file, "Hi\nyo\n").unwrap();
    let batch = ["--batch", file.to_str().unwrap()];
    let ways: [&[&str]; 7] = [
        &["Hi"],
        &["--temperature", "1", "Hi"],
        &["--device-loop", "Hi"],
        &["--lookup", "HiHiHi"],
        &["--beams", "2", "Hi"],
        &["--samples", "2", "Hi"],
        &batch,
    ];
    let wanted = [
        "the logits after",
        "are not finite: in f16, layer 1, or the last norm is the first",
        "help: f16 holds",
        "--dtype bf16",
    ];
    for way in ways {
        let outcome = run(generate(model.path(), &["--dtype", "f16", "--ignore-eos"]).args(way));
        assert_eq!((outcome.code, outcome.stdout.trim()), (Some(1), ""), "{way:?} {}", outcome.stderr);
        assert_holds(&outcome.stderr, &wanted);
    }
    let out = model.path().join("logits.safetensors");
    let words = ["logits", "--tokens", "3,4,5", "--dtype", "f16", "--model", model.path().to_str().unwrap(), "--out"];
    let outcome = run(raxla(words).arg(&out));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_holds(&outcome.stderr, &wanted);
    assert!(out.is_file(), "to look at");
    succeeds(&mut generate(model.path(), &["-n", "4", "Hi"]));
}

#[test]
fn drafted_text_is_the_same() {
    let (model, draft) = (speaker(), speaker());
    edit_tensors(draft.path(), |tensors| {
        // another, and worse, model
        let (_, _, bytes) = tensors.get_mut("transformer.wpe.weight").unwrap();
        bytes.fill(0);
    });
    let with = |more: &[&str]| json(generate(model.path(), &["-n", "16", "--json"]).args(more).args(["--", &prompt()]));
    let plain = with(&[]);
    let other = draft.path().to_str().unwrap();
    for draft in [&["--draft", other][..], &["--draft", other, "--draft-tokens", "2"], &["--lookup"]] {
        let made = with(draft);
        assert_eq!((tokens(&made), text(&made)), (tokens(&plain), text(&plain)), "{draft:?}");
        assert!(made["accepted_tokens"].as_u64() <= made["drafted_tokens"].as_u64());
    }
    assert!(plain.get("drafted_tokens").is_none());
    let shown = run(generate(model.path(), &["-n", "16", "--draft", model.path().to_str().unwrap()]).arg("Hi"));
    assert!(shown.stderr.contains(" drafted tokens kept; first token"), "{}", shown.stderr);
    let path = draft.path().join("tokenizer.json");
    let swapped = fs::read_to_string(&path).unwrap().replace("\"H\":", "\"?!\":");
    fs::write(&path, swapped).unwrap();
    fails(
        generate(model.path(), &["--draft", other]).arg("Hi"),
        1,
        &["has another token 36 than the model: they must share a vocabulary", "help: take a draft of the same family"],
    );
    let llama = copy("llama_gqa_untied");
    fs::copy(model.path().join("tokenizer.json"), llama.path().join("tokenizer.json")).unwrap();
    fails(
        generate(model.path(), &["--draft", llama.path().to_str().unwrap()]).arg("Hi"),
        1,
        &["has 67 tokens, the model 89: they must share a vocabulary"],
    );
}

#[test]
fn beams_find_what_is_likely_as_a_whole() {
    let model = speaker();
    let with = |more: &[&str]| generate(model.path(), &[&["-n", "10", "--ignore-eos"], more, &["Hi"]].concat());
    let greedy = json(&mut with(&["--json"]));
    assert_eq!(text(&json(&mut with(&["--json", "--beams", "1"]))), text(&greedy));
    let best = json(&mut with(&["--json", "--beams", "4", "--early-stopping"]));
    assert!(best["score"].as_f64().unwrap() < 0.0 && greedy.get("score").is_none());
    assert_eq!(succeeds(&mut with(&["--beams", "4", "--early-stopping"])), text(&best) + "\n");
    let three = lines(&mut with(&["--beams", "4", "--samples", "3", "--early-stopping=never"]));
    assert_eq!((three.len(), text(&three[0])), (3, text(&best)), "without an end token, all searches are alike");
    assert!(three.is_sorted_by(|a, b| a["score"].as_f64() > b["score"].as_f64()));
    let short = lines(&mut with(&["--beams", "4", "--samples", "2", "--length-penalty", "0"]));
    assert!((short[0]["score"].as_f64().unwrap() - 10.0 * best["score"].as_f64().unwrap()).abs() < 1e-3);
    let file = model.path().join("prompts.txt");
    fs::write(&file, "Hi\nyo\n").unwrap();
    let options = ["-n", "10", "--ignore-eos", "--beams", "4", "--batch"];
    let both = lines(generate(model.path(), &options).arg(&file));
    assert_eq!((both.len(), text(&both[0])), (2, text(&best)));
}

#[test]
fn log_probabilities_are_told_with_alternatives() {
    let model = speaker();
    let made = json(&mut generate(model.path(), &["-n", "3", "--json", "--logprobs", "2", "--", &prompt()]));
    let told = made["logprobs"].as_array().unwrap();
    assert_eq!(told.len(), 3);
    for (token, told) in tokens(&made).into_iter().zip(told) {
        let top = told["top"].as_array().unwrap();
        assert_eq!((&told["token"], &told["spelled"]), (&token.into(), &spell(&[token]).into()));
        assert_eq!((top.len(), &top[0]["token"], &top[0]["logprob"]), (2, &token.into(), &told["logprob"]));
        assert!(top[1]["logprob"].as_f64() <= told["logprob"].as_f64() && told["logprob"].as_f64() < Some(0.0));
    }
    let greedy = reference_tokens("gpt2_plain", "greedy");
    let bias = format!("{}=-100", greedy[0]);
    let biased = json(&mut generate(model.path(), &["-n", "3", "--json", "--logit-bias", &bias, "--", &prompt()]));
    assert!(tokens(&biased)[0] != greedy[0] && biased.get("logprobs").is_none());
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let model = speaker();
    let with =
        |seed: &str| succeeds(&mut generate(model.path(), &["-n", "24", "--temperature", "3", "--seed", seed, "Hi"]));
    assert_eq!(with("7"), with("7"));
    assert_ne!(with("7"), with("8"));
}

#[test]
fn sampling_among_one_token_is_greedy_and_a_penalty_avoids_repeats() {
    let model = speaker();
    let with = |more: &[&str]| {
        tokens(&json(
            generate(model.path(), &["-n", "16", "--ignore-eos", "--json"]).args(more).args(["--", &prompt()]),
        ))
    };
    let greedy = reference_tokens("gpt2_plain", "greedy");
    for one in [["--top-k", "1"], ["--top-p", "1e-6"], ["--min-p", "1"]] {
        assert_eq!(with(&[&["--temperature", "2"], &one[..]].concat()), greedy, "{one:?}");
    }
    let mut all = with(&["--repetition-penalty", "1e6"]);
    let count = all.len();
    all.extend(reference_tokens("gpt2_plain", "tokens"));
    all.sort();
    all.dedup();
    let mut prompt = reference_tokens("gpt2_plain", "tokens");
    prompt.sort();
    prompt.dedup();
    assert_eq!(all.len(), count + prompt.len(), "no token occurs twice, nor again");
}

#[test]
fn other_dtypes_and_scanned_layers_speak_too() {
    let model = speaker();
    let with = |more: &[&str]| succeeds(generate(model.path(), &["-n", "4"]).args(more).args(["--", &prompt()]));
    let whole = spell(&reference_tokens("gpt2_plain", "greedy")[..4]) + "\n";
    assert_eq!(with(&["--scan"]), whole);
    assert!(!with(&["--dtype", "bf16"]).is_empty());
    let half = run(&mut generate(model.path(), &["--dtype", "bf16", "-n", "1", "Hi"]));
    assert_eq!(half.code, Some(0), "{}", half.stderr);
    // kernels and the compiler's products say the same, and so does the exact arithmetic
    assert_eq!(with(&["--kernels", "off"]), whole);
    assert_eq!(with(&["--dtype", "f32", "--arithmetic", "exact"]), whole);
    assert!(!with(&["--quantize", "q8_0", "--arithmetic", "bf16"]).is_empty());
    fails(&mut generate(model.path(), &["--quantize", "q9", "Hi"]), 2, &["it is none of int8, int4, q8_0, q4_0"]);
}

#[test]
fn no_tokens_are_no_text() {
    let model = speaker();
    assert_eq!(succeeds(&mut generate(model.path(), &["-n", "0", "Hi"])), "\n");
}

#[test]
fn chat_remembers_until_told_not_to() {
    let model = speaker();
    let talk = |more: &[&str], lines: &str| {
        let outcome = run_with(raxla(["chat", "-n", "8", "--model"]).arg(model.path()).args(more), lines);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome
    };
    let chat = talk(&[], "hi\n\nyo\n/clear\nhi\n/exit\nnever read\n");
    assert_eq!(chat.stderr.lines().filter(|l| l.contains("tokens/s")).count(), 3, "three answers: {}", chat.stderr);
    // (an answer begins without the space of a word)
    let answer = |prompt: &str| {
        let text = succeeds(&mut generate(model.path(), &["-n", "8", prompt]));
        text.trim_start_matches(' ').to_string()
    };
    let first = answer("u:hi\na:");
    let second = answer(&format!("u:hi\na:{}\nu:yo\na:", first.strip_suffix('\n').unwrap()));
    assert_eq!(chat.stdout, format!("{first}{second}{first}"));
    let told = talk(&["--system", "be"], "hi\n");
    assert_eq!(told.stdout, answer("s:be\nu:hi\na:"));
}

#[test]
fn chat_answers_one_message_and_ends() {
    let model = speaker();
    let chat = |more: &[&str]| {
        let mut command = raxla(["chat", "-n", "8", "--model"]);
        command.arg(model.path()).args(more);
        command
    };
    let answer = |prompt: &str| {
        let text = succeeds(&mut generate(model.path(), &["-n", "8", prompt]));
        text.trim_start_matches(' ').to_string()
    };
    assert_eq!(run_with(&mut chat(&["hi"]), "never read\n").stdout, answer("u:hi\na:"));
    assert_eq!(succeeds(&mut chat(&["--system", "be", "/exit"])), answer("s:be\nu:/exit\na:"));
    fails(&mut chat(&[&"x".repeat(70)]), 1, &["the model's context is 64"]);
    fails(&mut chat(&[" "]), 2, &["the message is empty"]);
}

#[test]
fn commands_of_a_chat_are_no_messages() {
    let model = speaker();
    let talk = |lines: &str| run_with(raxla(["chat", "-n", "8", "--model"]).arg(model.path()), lines);
    let answer = |prompt: &str| {
        let text = succeeds(&mut generate(model.path(), &["-n", "8", prompt]));
        text.trim_start_matches(' ').to_string()
    };
    let (one, two) = (answer("u:hi\na:"), answer("u:/a/b\na:"));
    let told = talk("/help\nhi\n/reset\nhi\n/clear\n/a/b\n/bye\nnever read\n");
    assert_eq!((told.code, told.stdout), (Some(0), format!("{one}{one}{two}")), "{}", told.stderr);
    assert_holds(&told.stderr, &["/clear, /reset", "/tool TEXT", "/exit, /quit"]);
    let unknown = talk("/tool\n/clera\n /clera\n");
    assert_eq!((unknown.code, unknown.stdout), (Some(1), answer("u:/clera\na:")), "{}", unknown.stderr);
    assert_holds(
        &unknown.stderr,
        &["error: there is no command /clera\n  help: /help lists them", "error: /tool needs a text", "2 messages"],
    );
}

#[test]
fn chat_goes_on_after_a_message_that_cannot_be_answered() {
    let model = speaker();
    let mut chat = raxla(["chat", "-n", "4", "--model"]);
    let mut child = chat.arg(model.path()).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let long = "x".repeat(70);
    let lines = [b"\xff\xfe\n", long.as_bytes(), b"\nhi\n"].concat();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &lines).unwrap();
    let outcome: Outcome = child.wait_with_output().unwrap().into();
    assert_eq!(outcome.code, Some(1));
    let answer = succeeds(&mut generate(model.path(), &["-n", "4", "u:hi\na:"]));
    assert_eq!(outcome.stdout, answer.trim_start_matches(' '), "what was left out is no part of the conversation");
    assert_holds(
        &outcome.stderr,
        &[
            "error: the message cannot be read: it is not UTF-8",
            "the model's context is 64",
            "/clear",
            "error: 2 messages",
        ],
    );
}

#[test]
fn chat_tells_the_model_of_tools() {
    let model = speaker();
    let template = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}a:";
    let with_tools = format!("{{{{ tools|map(attribute='function')|map(attribute='name')|join }}}}\n{template}");
    let named = [("default", template), ("tool_use", &with_tools)];
    let named = named.map(|(name, template)| serde_json::json!({ "name": name, "template": template }));
    let config = serde_json::json!({ "chat_template": named });
    fs::write(model.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let tools = model.path().join("tools.json");
    let chat = |lines: &str| {
        run_with(raxla(["chat", "-n", "4", "--model"]).arg(model.path()).arg("--tools").arg(&tools), lines)
    };
    fs::write(&tools, r#"[{"name": "ad"}, {"type": "function", "function": {"name": "go"}}]"#).unwrap();
    let told = chat("hi\n/tool 7\n");
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let answer = |prompt: &str| {
        let text = succeeds(&mut generate(model.path(), &["-n", "4", prompt]));
        text.trim_start_matches(' ').to_string()
    };
    let first = answer("adgo\nu:hi\na:");
    let second = answer(&format!("adgo\nu:hi\na:{}\nt:7\na:", first.strip_suffix('\n').unwrap()));
    assert_eq!(told.stdout, format!("{first}{second}"));
    for (text, reason) in [("[", "EOF"), ("[{}]", "entry 0 has no `name`"), ("{}", "expected a sequence")] {
        fs::write(&tools, text).unwrap();
        check_failure(chat("hi\n"), 1, &["tools.json: ", reason, "help: it must hold a list like"]);
    }
}

#[test]
fn chat_needs_a_template() {
    let model = speaker();
    fs::write(model.path().join("tokenizer_config.json"), "{}").unwrap();
    fails(
        raxla(["chat", "--model"]).arg(model.path()),
        1,
        &["has no chat template", "help: use `raxla generate`, or an instruction-tuned model"],
    );
}

#[test]
fn random_weights_need_a_configuration_only() {
    let home = tempfile::tempdir().unwrap();
    let config = r#"{"model_type": "qwen3", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24}"#;
    std::fs::write(home.path().join("config.json"), config).unwrap();
    let made = json(&mut generate(home.path(), &["--random-weights", "-n", "4", "--json", "hi"]));
    assert_eq!((&made["new_tokens"], &made["prompt_tokens"]), (&4.into(), &2.into()));
}
