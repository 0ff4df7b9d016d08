//! `raxla eval`
use crate::{
    Result, note,
    options::{DeviceArgs, Global, ModelArgs, encoding, leave},
    perplexity::windows,
    screen, usage,
};
use raxla_graphs::{
    LoadOptions, Matrices, Model, TiedHead,
    programs::Placement,
    training::{
        TrainOptions,
        run::{DatasetConfig, Evaluation, HeldOut, RunConfig, Trained},
    },
    validation::{Accuracy, Question, Windows},
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Measure what a model knows: perplexity of texts, loss on data, questions with several answers
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// A text, whose perplexity is measured in windows that overlap
    #[arg(long, value_name = "FILE")]
    text: Vec<PathBuf>,
    /// Tokens of a window [default: 512, or as many as the model can see]
    #[arg(long, value_name = "W")]
    window: Option<usize>,
    /// How many tokens further the next window begins [default: half of W]
    #[arg(long, value_name = "S")]
    stride: Option<usize>,
    /// Files, a folder or a glob, as data.validation of `raxla train` has them: the loss per token, and per byte
    #[arg(long, value_name = "PATH")]
    data: Vec<String>,
    /// Tokens of a row of --data
    #[arg(long, value_name = "N", default_value_t = 512)]
    length: usize,
    /// Rows of a batch of --data
    #[arg(long, value_name = "N", default_value_t = 4)]
    batch: usize,
    /// Batches of each of --data at most [default: all]
    #[arg(long, value_name = "N")]
    batches: Option<u64>,
    /// JSON lines with question, choices and answer (the number of the right one, from 0)
    #[arg(long, value_name = "FILE")]
    choices: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    devices: DeviceArgs,
}

const DETAILS: &str = "\
Perplexities and losses are in nats, and compare models with the same tokenizer only; nats per byte \
compare all. The answer to a question is the choice with the largest probability behind it (`accuracy`), \
or with the largest per byte (`normalised`), which are acc and acc_norm of EleutherAI's harness.

Examples:
  raxla eval --model run --text alice.txt --json
  raxla eval --model smollm2-135m --data 'held/*.jsonl' --choices questions.jsonl";

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        windows(self.window, self.stride, usize::MAX)?;
        if self.text.is_empty() && self.data.is_empty() && self.choices.is_empty() {
            return Err(usage("there is nothing to measure: name --text, --data or --choices").into());
        }
        let texts = self.text.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
        let question = |path: &PathBuf| -> Result<Vec<Question>> {
            Ok(Question::read(&read(path)?, &path.display().to_string())?)
        };
        let questions = self.choices.iter().map(question).collect::<Result<Vec<_>>>()?;
        // (a training step has no packed matrices)
        let (session, client, mesh) = self.devices.open(global)?;
        let mut options = LoadOptions { mesh, ..self.model.options() };
        if !self.data.is_empty() {
            options = LoadOptions { matrices: Matrices::Dense, tied_head: TiedHead::Share, ..options };
        }
        let model = self.model.load_as(&options, &client)?;
        let windows = windows(self.window, self.stride, model.spec().context)?;
        let shown = std::io::stderr().is_terminal() && !self.json;
        let mut told = Told { json: Map::from_iter([("model".into(), model.name.clone().into())]), lines: vec![] };
        for (path, text) in self.text.iter().zip(&texts) {
            told.text(path, &model, text, windows)?;
        }
        self.held_out(&model, &mut told)?;
        for (path, questions) in self.choices.iter().zip(&questions) {
            let progress = |now: &Accuracy| {
                if shown && now.questions.is_multiple_of(20) {
                    note(format!("{}/{}: {:.4}", now.questions, questions.len(), now.value()));
                }
            };
            let all = model.answer(questions, progress)?;
            told.choices(path, &all);
        }
        let mut out = screen::stdout();
        match self.json {
            true => writeln!(out, "{}", Value::Object(told.json))?,
            false => told.lines.iter().try_for_each(|line| writeln!(out, "{line}"))?,
        }
        leave(session)
    }

    /// The loss on rows of data, as training evaluates.
    fn held_out(&self, model: &Model, told: &mut Told) -> Result {
        if self.data.is_empty() {
            return Ok(());
        }
        let mut config = RunConfig { batch: self.batch.max(1), ..RunConfig::default() };
        config.data.length = self.length.min(model.spec().context);
        config.data.validation = self.data.iter().map(DatasetConfig::new).collect();
        let tokenizer = Arc::new(self.model.files()?.tokenizer?);
        let held = HeldOut::open(&config, &tokenizer, &mut |_| {})?;
        let client = model.client();
        let mesh = model.placement().map(Placement::mesh);
        let mut evaluation = Evaluation::new(model.spec(), mesh, &TrainOptions::default(), client, held.segments)?;
        let params = Trained::Model(model.params().clone());
        for record in evaluation.run(&params, &held, self.batches.unwrap_or(u64::MAX), &tokenizer)? {
            let name = if record.data.is_empty() { "data".to_string() } else { record.data.clone() };
            let bytes = record.nats_per_byte.map(|x| format!(", {x:.4} nats per byte")).unwrap_or_default();
            let (loss, n) = (record.eval_loss, record.tokens);
            let perplexity = record.perplexity.unwrap_or_default();
            told.lines.push(format!("{name}: loss {loss:.4}, perplexity {perplexity:.4}{bytes} ({n} tokens)"));
            told.push("data", serde_json::to_value(&record)?);
        }
        Ok(())
    }
}

/// What was measured, in words and as JSON.
struct Told {
    json: Map<String, Value>,
    lines: Vec<String>,
}
impl Told {
    fn push(&mut self, kind: &str, value: Value) {
        let list = self.json.entry(kind).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(value);
        }
    }
    fn text(&mut self, path: &Path, model: &Model, text: &str, windows: Windows) -> Result {
        let tokens = model.tokenizer()?.encode(text, true)?;
        let all = model.perplexity(&tokens, windows, |_, _| {})?;
        let nats_per_byte = all.nll * all.tokens as f64 / text.len().max(1) as f64;
        let (name, value, error) = (path.display(), all.value(), all.error());
        self.lines.push(format!("{name}: perplexity {value:.4} +/- {error:.4}, {nats_per_byte:.4} nats per byte"));
        let told = json!({
            "file": name.to_string(), "perplexity": value, "standard_error": error, "nll": all.nll,
            "nats_per_byte": nats_per_byte, "tokens": all.tokens, "windows": all.windows, "window": windows.window,
            "stride": windows.stride,
        });
        self.push("text", told);
        Ok(())
    }
    fn choices(&mut self, path: &Path, all: &Accuracy) {
        let (value, normalised, name) = (all.value(), all.normalised(), path.display());
        let [error, error_normalised] = [value, normalised].map(|part| all.error(part));
        self.lines.push(format!(
            "{name}: accuracy {value:.4} +/- {error:.4}, normalised {normalised:.4} +/- {error_normalised:.4} ({} questions)",
            all.questions
        ));
        if all.cut > 0 {
            note(format!(
                "warning: {name}: {} questions are longer than the context, and lost their beginning",
                all.cut
            ));
        }
        let told = json!({
            "file": name.to_string(), "questions": all.questions, "cut": all.cut, "accuracy": value, "accuracy_error": error,
            "normalised": normalised, "normalised_error": error_normalised,
        });
        self.push("choices", told);
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}{}", path.display(), encoding(&e)).into())
}
