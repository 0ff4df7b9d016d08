//! The raxla command line.
mod cache;
mod chat;
mod doctor;
mod generate;
mod hlo;
mod logits;
mod models;
mod options;
mod plugin;
mod pull;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// JAX for Rust, with the open LLMs on top.
///
/// Models run as programs compiled by XLA, on CPU, GPU or TPU, through a PJRT plugin that is installed on first use.
#[derive(Parser)]
#[command(name = "raxla", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: options::Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  raxla generate \"The capital of France is\"
  raxla chat --model hf:HuggingFaceTB/SmolLM2-360M-Instruct
  raxla generate --model ./my-llama --temperature 0.8 --top-p 0.95 < prompt.txt
  raxla doctor

Environment:
  RAXLA_HOME     where plugins, models and compiled programs are kept (default: the user's cache directory)
  RAXLA_OFFLINE  set to 1 to never download
  RAXLA_PLUGIN   a PJRT plugin's file, instead of the installed one
  HF_TOKEN, HF_HOME, HF_ENDPOINT  as Hugging Face's own tools read them

Exit codes: 0 success, 1 failure, 2 wrong use of the command line";

#[derive(Subcommand)]
enum Command {
    Generate(generate::Args),
    Chat(chat::Args),
    Logits(logits::Args),
    #[command(subcommand)]
    Plugin(plugin::Command),
    Doctor(doctor::Args),
    Models(models::Args),
    Pull(pull::Args),
    Hlo(hlo::Args),
    #[command(subcommand)]
    Cache(cache::Command),
}

/// Any error of a command: printed after `error: `.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.global.start();
    let global = &cli.global;
    let outcome = match cli.command {
        Command::Generate(a) => a.run(global),
        Command::Chat(a) => a.run(global),
        Command::Logits(a) => a.run(global),
        Command::Plugin(c) => c.run(global),
        Command::Doctor(a) => a.run(global),
        Command::Models(a) => a.run(),
        Command::Pull(a) => a.run(),
        Command::Hlo(a) => a.run(global),
        Command::Cache(c) => c.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // a reader that went away (`raxla generate .. | head`) is not a failure worth words
        Err(e) if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
