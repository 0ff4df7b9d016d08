//! Running the binary, and checkpoints to run it on.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// The binary with these arguments (of any two kinds: a list of words, or one path), free of the caller's settings.
pub fn raxla<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    const BINARY: &str = env!("CARGO_BIN_EXE_raxla");
    let mut command = Command::new(if interrupts_are_ignored() { "env" } else { BINARY });
    if interrupts_are_ignored() {
        command.args(["--default-signal=INT", BINARY]);
    }
    for name in ["XLA_FLAGS", "RAXLA_OFFLINE", "RAXLA_VERBOSE", "RAXLA_PLATFORM", "RAXLA_PIP", "RAXLA_COMPILE_CACHE"] {
        command.env_remove(name);
    }
    for name in ["HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"] {
        command.env_remove(name);
    }
    command.args(arguments).env("COLUMNS", "100").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Do processes that are started here ignore Ctrl-C? So it is with what a shell starts in the background.
fn interrupts_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 2 != 0)
}

/// What a run printed, and its exit code.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Outcome {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("whole characters");
        Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

pub fn run(command: &mut Command) -> Outcome {
    command.output().unwrap().into()
}

/// Runs to the end with this standard input.
pub fn run_with(command: &mut Command, input: &str) -> Outcome {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Runs a command that must succeed, and gives what it printed on stdout.
pub fn succeeds(command: &mut Command) -> String {
    let outcome = run(command);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_calm(&outcome.stderr);
    outcome.stdout
}

pub fn json(command: &mut Command) -> serde_json::Value {
    serde_json::from_str(&succeeds(command)).unwrap()
}

/// Runs a command that must fail: with this code, nothing on stdout, and a message that holds all of `wanted`.
pub fn fails(command: &mut Command, code: i32, wanted: &[&str]) -> String {
    check_failure(run(command), code, wanted)
}

pub fn check_failure(outcome: Outcome, code: i32, wanted: &[&str]) -> String {
    let Outcome { code: have, stdout, stderr } = outcome;
    println!("{stderr}");
    assert_eq!(have, Some(code), "{stderr}");
    assert_eq!(stdout, "", "{stderr}");
    assert_calm(&stderr);
    assert!(stderr.lines().any(|line| line.starts_with("error: ")), "{stderr}");
    assert_holds(&stderr, wanted);
    stderr
}

/// All of these are in the text.
#[track_caller]
pub fn assert_holds(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// No panic, and nothing of the plugin's own log.
pub fn assert_calm(stderr: &str) {
    for word in ["panicked", "RUST_BACKTRACE", "absl::", "Check failed"] {
        assert!(!stderr.contains(word), "{stderr}");
    }
}

/// A checkpoint of `graphs/tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../graphs/tests/fixtures").join(name)
}

/// A file of `graphs/tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../graphs/tests/data").join(name)
}

/// A copy of a fixture, to be changed.
pub fn copy(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture(name).join(file), dir.path().join(file)).unwrap();
    }
    dir
}

/// The characters of [`speaker`]'s tokens from 3 on.
const CHARACTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:!?'-()\n/;+=*#%&@é🙂—ß";

/// A checkpoint that speaks: every token is a character, and there is a chat template.
pub fn speaker() -> TempDir {
    let dir = copy("gpt2_plain");
    let special = ["<unk>", "<s>", "</s>"];
    let texts = special.iter().map(|s| s.to_string()).chain(CHARACTERS.chars().map(String::from));
    let vocab: serde_json::Map<_, _> = texts.enumerate().map(|(id, text)| (text, id.into())).collect();
    assert_eq!(vocab.len(), 89, "as many as the checkpoint has");
    let added = special.iter().enumerate().map(|(id, text)| {
        serde_json::json!({ "id": id, "content": text, "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false })
    });
    let tokenizer = serde_json::json!({
        "version": "1.0",
        "added_tokens": added.collect::<Vec<_>>(),
        "decoder": { "type": "Fuse" },
        "model": { "type": "BPE", "vocab": vocab, "merges": [], "unk_token": "<unk>" },
    });
    fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let template = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}a:";
    let config = serde_json::json!({ "eos_token": "</s>", "chat_template": template });
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    dir
}

/// A checkpoint without weights, whose tokens are characters: [`speaker`]'s tokenizer, and LLaMA with these values.
pub fn random(values: serde_json::Value) -> TempDir {
    let dir = speaker();
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    let mut config = serde_json::json!({
        "model_type": "llama", "vocab_size": 89, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096, "eos_token_id": 2,
    });
    config.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    dir
}

/// The text that [`speaker`]'s tokenizer turns into these tokens.
pub fn spell(tokens: &[u32]) -> String {
    let special = ["<unk>", "<s>", "</s>"];
    let characters: Vec<char> = CHARACTERS.chars().collect();
    let one =
        |id: &u32| special.get(*id as usize).map_or_else(|| characters[*id as usize - 3].into(), |s| s.to_string());
    tokens.iter().map(one).collect()
}

/// The tensors of a safetensors file, by name: dims and bytes.
pub type Tensors = std::collections::BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

pub fn read_tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = file.tensors().into_iter();
    all.map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect()
}

pub fn write_tensors(path: &Path, tensors: &Tensors) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, dims, bytes))| (name.clone(), TensorView::new(*dtype, dims.clone(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Changes the checkpoint in a folder.
pub fn edit_tensors(dir: &Path, edit: impl FnOnce(&mut Tensors)) {
    let path = dir.join("model.safetensors");
    let mut tensors = read_tensors(&path);
    edit(&mut tensors);
    write_tensors(&path, &tensors);
}

/// The tokens of a fixture's reference: `tokens` or `greedy`.
pub fn reference_tokens(fixture_name: &str, tensor: &str) -> Vec<u32> {
    let tensors = read_tensors(&fixture(fixture_name).join("reference.safetensors"));
    tensors[tensor].2.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The path of the plugin that the user has or names, installed if need be.
pub fn plugin() -> PathBuf {
    PathBuf::from(succeeds(&mut raxla(["plugin", "path"])).trim_end())
}

/// What a home says about the first choice for the CPU: its `path`, `size`, `state`, ...
pub fn first_choice(home: &Path) -> serde_json::Value {
    json(raxla(["plugin", "list", "--json"]).env("RAXLA_HOME", home))[0].clone()
}

/// Forgets the plugin that the user names.
pub fn unnamed(command: &mut Command) -> &mut Command {
    command.env_remove("RAXLA_PLUGIN").env_remove("PJRT_PLUGIN_LIBRARY_PATH")
}

/// `logits` of a checkpoint, the shortest command that runs a model.
pub fn logits(model: &Path, tokens: &str, out: &Path) -> Command {
    let mut command = raxla(["logits", "--tokens", tokens, "--model"]);
    command.arg(model).arg("--out").arg(out);
    command
}
