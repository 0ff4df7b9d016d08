//! The raxla command line.
mod bench;
mod cache;
mod chat;
mod checkpoint;
mod compile;
mod convert;
mod doctor;
#[cfg(test)]
mod documented;
mod eval;
mod export;
mod generate;
mod hlo;
mod logits;
mod machine;
mod models;
mod options;
mod output;
mod perplexity;
mod plan;
mod plugin;
mod probe;
mod profile;
mod pull;
mod report;
mod run;
mod screen;
mod signals;
mod train;
mod tune;
mod tuned;
mod verify;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use std::{fmt::Display, io::Write, process::ExitCode};

#[derive(Parser)]
#[command(name = "raxla", version, about = ABOUT, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: options::Global,
}

const ABOUT: &str = "\
JAX for Rust, with the open LLMs on top

Language models run as programs compiled by XLA, on CPU, GPU or TPU, through a PJRT plugin. The \
plugin and the model are downloaded on first use.";

const EXAMPLES: &str = "\
Examples:
  raxla chat \"What is gravity?\"
  raxla chat --temperature 0.7
  raxla generate \"Photosynthesis is\"
  raxla generate --model hf:HuggingFaceTB/SmolLM2-360M --top-p 0.9 < a.txt
  raxla doctor

Environment:
  RAXLA_HOME           where plugins, models and programs are kept
                       [default: ~/.cache/raxla]
  RAXLA_OFFLINE        1: never download
  RAXLA_PLATFORM       as --device
  RAXLA_PLUGIN         as --plugin
  TPU_LIBRARY_PATH     libtpu's file
  XLA_CLIENT_MEM_FRACTION, XLA_PYTHON_CLIENT_PREALLOCATE,
  XLA_PYTHON_CLIENT_ALLOCATOR:
                       how GPUs' memory is taken, as JAX reads them
  RAXLA_COORDINATOR_ADDRESS, RAXLA_NUM_PROCESSES, RAXLA_PROCESS_ID:
                       as --coordinator, --num-processes, --process-id
  RAXLA_PIP            what takes pip's arguments in place of `python3 -m pip`
  RAXLA_MEMORY_LIMIT   how much memory to hold at most, as in 16GB,
                       in place of what the system says
  RAXLA_COMPILE_CACHE  0: neither keep compiled programs nor use kept ones
  RAXLA_WATCHDOG       seconds that a program over several devices may take;
                       then there is a report, and exit code 124
  XLA_FLAGS            XLA's own flags
  HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, ...:
                       as Hugging Face's own tools read them

Exit codes: 0 success, 1 failure, 2 wrong use of the command line, 75 training stopped by a signal, and \
saved, 76 another process of the same command was lost";

#[derive(Subcommand)]
enum Command {
    Generate(generate::Args),
    Chat(chat::Args),
    Models(models::Args),
    Pull(pull::Args),
    Convert(convert::Args),
    #[command(subcommand)]
    Plugin(plugin::Command),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Checkpoint(checkpoint::Command),
    Logits(logits::Args),
    Verify(verify::Args),
    Perplexity(perplexity::Args),
    Train(train::Args),
    Eval(eval::Args),
    Hlo(hlo::Args),
    Profile(profile::Args),
    Bench(bench::Args),
    Tune(tune::Args),
    Plan(plan::Args),
    Export(export::Args),
    Run(run::Args),
    Compile(compile::Args),
    /// Start the plugin and end: what `probe.rs` tries in a child process
    #[command(hide = true)]
    Probe,
}

/// Any error of a command: printed after `error: `.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An end that has a code of its own, and has been explained.
struct Exit(u8);
impl std::fmt::Debug for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}
impl std::error::Error for Exit {}

/// Wrong use of the command line that clap cannot see: exit code 2.
fn usage(what: impl Display) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{what}\n"))
}

/// A line for the user on standard error. Nobody is helped by an error about a closed one.
fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", screen::visible(&line.to_string()));
}

/// The command, whose options take numbers below zero as values.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let taking = |arg: clap::Arg| {
        let takes = arg.get_action().takes_values() && !arg.is_allow_hyphen_values_set();
        if takes { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(taking).mut_subcommands(with_negative_numbers)
}

fn main() -> ExitCode {
    // (`-1` is a number that a command refuses by its own words, and no option that nobody knows)
    let command = with_negative_numbers(Cli::command());
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|e| e.exit());
    signals::clean_up();
    cli.global.start();
    let global = &cli.global;
    // (the result of `logits` is a file)
    if raxla_xla::output_is_closed() && !matches!(cli.command, Command::Logits(_) | Command::Probe) {
        note("error: standard output is closed: the result would be lost");
        return ExitCode::FAILURE;
    }
    let outcome = match cli.command {
        Command::Generate(a) => a.run(global),
        Command::Chat(a) => a.run(global),
        Command::Models(a) => a.run(),
        Command::Pull(a) => a.run(),
        Command::Convert(a) => a.run(),
        Command::Plugin(c) => c.run(global),
        Command::Doctor(a) => a.run(global),
        Command::Cache(c) => c.run(),
        Command::Checkpoint(c) => c.run(),
        Command::Logits(a) => a.run(global),
        Command::Verify(a) => a.run(global),
        Command::Perplexity(a) => a.run(global),
        Command::Train(a) => a.run(global),
        Command::Eval(a) => a.run(global),
        Command::Hlo(a) => a.run(global),
        Command::Profile(a) => a.run(global),
        Command::Bench(a) => a.run(global),
        Command::Tune(a) => a.run(global),
        Command::Plan(a) => a.run(global),
        Command::Export(a) => a.run(global),
        Command::Run(a) => a.run(global),
        Command::Compile(a) => a.run(global),
        Command::Probe => probe::child(global),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => failure(e),
    }
}

fn failure(e: Box<dyn std::error::Error + Send + Sync>) -> ExitCode {
    if let Some(usage) = e.downcast_ref::<clap::Error>() {
        usage.exit();
    }
    if let Some(Exit(code)) = e.downcast_ref::<Exit>() {
        return ExitCode::from(*code);
    }
    // the commands give all other files' errors their names
    match e.downcast_ref::<std::io::Error>() {
        // a reader that went away (`raxla generate .. | head`) is not a failure worth words
        Some(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Some(e) => note(format!("error: standard output cannot be written: {e}")),
        None => note(format!("error: {e}")),
    }
    ExitCode::FAILURE
}
