//! `raxla train`
use crate::{
    Exit, Result,
    bench::limits,
    note,
    options::{Global, ProcessArgs, leave},
    screen, signals, usage,
};
use indicatif::{ProgressBar, ProgressStyle};
use raxla::{DType, distributed};
use raxla_graphs::training::run::{DatasetConfig, Event, Outcome, Run, RunConfig, RunOptions, TEMPLATE};
use raxla_xla::Draft;
use std::{
    fs,
    io::{IsTerminal, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

/// Train a model on text, as a file says
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// The configuration [default: run.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write a configuration with comments, every field with its default, and end
    #[arg(long)]
    init: bool,
    /// Go on from the newest checkpoint that is whole
    #[arg(long)]
    resume: bool,
    /// Set a field, as in optimizer.learning_rate=3e-4; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    /// What is trained, as --model of other commands: --set model.path=M
    #[arg(short, long, value_name = "M")]
    model: Option<String>,
    /// Train corrections of low rank beside the model (LoRA), with PEFT's defaults: a table [lora] in the configuration
    #[arg(long)]
    lora: bool,
    /// Files, a folder or a glob to train on; may be repeated. Of JSON lines, the first tells which fields records have:
    /// --set 'data.train=[{ path = "PATH" }]'
    #[arg(long, value_name = "PATH")]
    data: Vec<String>,
    /// Steps of the optimizer: --set steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Rows of a step: --set batch=N
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Tokens of a row: --set data.length=N
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// The learning rate: --set optimizer.learning_rate=X
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// The folder of the run: --set out=DIR
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Axes of a mesh, as data=2,fsdp=2: --set mesh=AXES
    #[arg(long, value_name = "AXES", value_parser = crate::options::axes)]
    mesh: Option<String>,
    /// Of random weights and of the order of the data: --set seed=N
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    processes: ProcessArgs,
}

const DETAILS: &str = "\
The folder of a run gets checkpoints/, metrics.jsonl (a JSON object for each step), training.svg and \
training.png, tensorboard/ and, at the end, model/ or, with --lora, adapter/. --model of other commands \
takes the folder: `raxla generate --model run`.

SIGTERM and SIGINT end the run behind the step that is under way, with a checkpoint and exit code 75; a \
second one ends it at once. With --resume it goes on, to the same bits as if it had not ended. A run \
that was killed goes on likewise, from its last checkpoint. Without a configuration, --resume takes the one \
in the checkpoint.

Of several processes (--distributed) each runs the same command, with a folder that all hosts share.

docs/training.md and docs/finetuning.md explain it all.

Examples:
  raxla train --model smollm2-135m-instruct --lora --data parrot.jsonl --steps 60 --out parrot
  raxla train --init
  raxla train --set 'data.train=[{ path = \"books/*.txt\" }]' --steps 300 --out books
  raxla train --config run.toml --mesh data=2 --resume
  raxla train --config run.toml --device cuda --mesh fsdp=16 --distributed    # on each host";

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        if self.init {
            return self.write_template();
        }
        let config = self.read()?;
        config.build(config.steps, None)?;
        fs::create_dir_all(&config.out).map_err(|e| format!("{} cannot be made: {e}", config.out.display()))?;
        let session = self.processes.join()?;
        let first = distributed::process_index() == 0;
        let (client, mesh) = match &config.mesh {
            Some(axes) => global.mesh(axes).map(|(client, mesh)| (client, Some(mesh)))?,
            None => (global.client()?, None),
        };
        let stop = signals::ask_to_stop();
        // (the virtual devices of a CPU share its cores)
        let devices = if client.platform_name() == "cpu" { 1 } else { mesh.as_ref().map_or(1, |m| m.size()) };
        let dtype: DType = config.precision.compute.parse().unwrap_or(DType::F32);
        let utilisation = config.log.utilisation.then(|| client.clone());
        let options = RunOptions { client, mesh, resume: self.resume, stop };
        let mut display = Display::new(config.log.every);
        // (of several processes, all see the same)
        let mut report = |event: &Event| {
            if first {
                display.show(event)
            }
        };
        let mut run = Run::open(config, options, &mut report)?;
        if let Some(client) = utilisation {
            run = run.with_peak_flops(limits::peak(&client, dtype)? * devices as f64);
        }
        let outcome = run.train(&mut report);
        display.bar.finish_and_clear();
        let Outcome { step, steps, loss, stopped, model } = outcome?;
        leave(session)?;
        if stopped {
            note(match step {
                0 => "stopped before the first step: there is nothing to go on from".to_string(),
                _ => format!("stopped behind step {step} of {steps}, and saved: go on with --resume"),
            });
            return Err(Exit(75).into());
        }
        let loss = loss.map(|loss| format!(", last loss {loss:.4}")).unwrap_or_default();
        if first {
            note(format!("{step} steps{loss}"));
        }
        if let Some(model) = model.filter(|_| first) {
            writeln!(screen::stdout(), "{}", model.display())?;
        }
        Ok(())
    }

    fn write_template(&self) -> Result {
        let path = &self.file();
        if path.exists() {
            return Err(format!("{} is there already\n  help: name another file with --config", path.display()).into());
        }
        Draft::write(path, TEMPLATE.as_bytes()).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
        note(format!("{} has every field with its default; name your texts as data.train", path.display()));
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| "run.toml".into())
    }

    /// What the configuration is before the command line says more: a file, or what a checkpoint was saved with, or all defaults.
    fn begun(&self) -> Result<RunConfig> {
        let path = self.file();
        let file = path.display().to_string();
        let e = match fs::read_to_string(&path) {
            Ok(text) => return Ok(RunConfig::parse(&text, &file)?),
            Err(e) => e,
        };
        if e.kind() == std::io::ErrorKind::NotFound && self.config.is_none() {
            let out = self.out.clone().unwrap_or_else(|| RunConfig::default().out);
            let saved = if self.resume { RunConfig::saved(&out.join("checkpoints"))? } else { None };
            // (all may be said on the command line)
            let says_all = || !self.settings.is_empty() || !self.data.is_empty();
            if let Some(config) = saved.or_else(|| says_all().then(RunConfig::default)) {
                return Ok(config);
            }
        }
        let help = "`raxla train --init` writes one with comments; or name your texts with --data";
        Err(format!("{file} cannot be read: {e}\n  help: {help}").into())
    }

    /// The configuration, with what the command line says.
    fn read(&self) -> Result<RunConfig> {
        let mut config = self.begun()?;
        self.model.iter().for_each(|model| (config.model.path, config.model.config) = (model.clone(), None));
        if self.lora {
            config.lora.get_or_insert_default();
        }
        if !self.data.is_empty() {
            config.data.train = self.data.iter().map(DatasetConfig::guessed).collect();
        }
        for setting in &self.settings {
            config = config.with(setting).map_err(usage)?;
        }
        let (data, optimizer) = (&mut config.data, &mut config.optimizer);
        self.steps.iter().for_each(|n| (config.steps, config.epochs) = (*n, None));
        self.batch.iter().for_each(|n| config.batch = *n);
        self.length.iter().for_each(|n| data.length = *n);
        self.lr.iter().for_each(|x| optimizer.learning_rate = *x);
        self.out.iter().for_each(|out| config.out = out.clone());
        self.mesh.iter().for_each(|axes| config.mesh = Some(axes.clone()));
        self.seed.iter().for_each(|n| config.seed = *n);
        Ok(config)
    }
}

/// What the user sees: a bar on a terminal, else lines.
struct Display {
    bar: ProgressBar,
    terminal: bool,
    every: u64,
    steps: u64,
    /// When the last line was shown, and of which step.
    since: Option<(Instant, u64)>,
}

impl Display {
    fn new(every: u64) -> Display {
        let terminal = std::io::stderr().is_terminal();
        Display { bar: ProgressBar::hidden(), terminal, every: every.max(1), steps: 0, since: None }
    }
    fn say(&self, line: String) {
        self.bar.suspend(|| note(line));
    }
    fn show(&mut self, event: &Event) {
        match event {
            Event::Tokenising { name, progress } if self.terminal => {
                let (read, all) = (progress.bytes_read >> 20, progress.bytes_total >> 20);
                self.bar.set_message(format!("{name}: {read} of {all} MiB, {} tokens", progress.tokens));
            }
            Event::Tokenising { .. } => {}
            Event::Data { name, stats } => {
                let bad = match stats.bad.total() {
                    0 => String::new(),
                    n => format!("; {n} records could not be used"),
                };
                self.say(format!("{name}: {} records, {} tokens{bad}", stats.records, stats.tokens));
            }
            Event::Damaged { step, reason } => {
                self.say(format!("warning: the checkpoint of step {step} is passed over: {reason}"));
            }
            Event::Changed { changes } => {
                let all: Vec<String> = changes.iter().map(|change| format!("\n  {change}")).collect();
                self.say(format!("note: the run goes on otherwise than it was saved:{}", all.concat()));
            }
            Event::Begin { step, steps, parameters, frozen, tokens, flops } => {
                let million = |n: &u64| *n as f64 / 1e6;
                let beside = match frozen {
                    0 => String::new(),
                    n => format!(" beside {:.2} million that stay as they are", million(n)),
                };
                let (trained, work) = (million(parameters), flops / 1e9);
                self.say(format!(
                    "{trained:.2} million parameters{beside}; {tokens} tokens and {work:.1} GFLOP a step; step {step} of {steps}"
                ));
                self.begin(*step, *steps);
            }
            Event::Compiled { time } => {
                self.say(format!("compiled in {:.1} s", time.as_secs_f64()));
                self.since = None;
            }
            Event::Step { step, record } => self.step(*step, record),
            Event::Eval { step, record } => {
                let of = if record.data.is_empty() { String::new() } else { format!(" of {}", record.data) };
                let bytes = record.nats_per_byte.map(|x| format!(", {x:.4} nats per byte")).unwrap_or_default();
                let perplexity = record.perplexity.map(|x| format!(", perplexity {x:.2}")).unwrap_or_default();
                let (loss, rewards) = (record.eval_loss, rewards(record.accuracy, record.margin));
                self.say(format!("step {step}: held-out loss{of} {loss:.4}{perplexity}{bytes}{rewards}"));
            }
            Event::NotFinite { step, site, action } => self.say(format!("warning: step {step}: {site}; {action}")),
            Event::Saving { .. } => {}
            Event::Saved { step } => self.say(format!("step {step} is saved")),
            Event::Model { .. } => {}
        }
    }
    fn begin(&mut self, step: u64, steps: u64) {
        self.steps = steps;
        if self.terminal {
            let style = "{bar:30} {pos}/{len}  {msg}  {eta} left";
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = ProgressBar::new(steps).with_style(style).with_position(step);
            self.bar.reset_eta();
        }
    }
    fn step(&mut self, step: u64, record: &raxla_graphs::training::run::metrics::StepRecord) {
        let loss = record.loss.map_or_else(|| "not finite".to_string(), |loss| format!("{loss:.4}"));
        let mfu = record.mfu.map(|x| format!("  {:.1} % of peak", x * 100.0)).unwrap_or_default();
        let rate = record.learning_rate.map(|x| format!("  lr {x:.3e}")).unwrap_or_default();
        let rewards = rewards(record.accuracy, record.margin);
        let text = format!("loss {loss}{rewards}{rate}  {:.0} tokens/s{mfu}", record.tokens_per_second);
        self.bar.set_position(step);
        self.bar.set_message(text.clone());
        if self.terminal || !(step.is_multiple_of(self.every) || step == self.steps || step == 1) {
            return;
        }
        let left =
            self.since.map(|(then, first)| then.elapsed() / (step - first).max(1) as u32 * (self.steps - step) as u32);
        self.since = self.since.or(Some((Instant::now(), step)));
        let left = left.map(|left| format!("  {} left", spelled(left))).unwrap_or_default();
        note(format!("step {step}/{}  {text}{left}", self.steps));
    }
}

/// What is known of preferences.
fn rewards(accuracy: Option<f64>, margin: Option<f64>) -> String {
    let told = accuracy.zip(margin).map(|(accuracy, margin)| format!(", accuracy {accuracy:.2}, margin {margin:.3}"));
    told.unwrap_or_default()
}

/// A duration in its two largest units.
fn spelled(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}
