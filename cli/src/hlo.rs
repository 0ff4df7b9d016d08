//! `raxla hlo`
use crate::{
    Result,
    options::{Global, ModelArgs},
    usage,
};
use clap::ValueEnum;
use graphs::{Sampling, programs};
use std::io::Write;

/// Print a model's program at a stage of its compilation
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which program: of the whole prompt, or of one token
    #[arg(long, value_enum, default_value = "decode")]
    program: Program,
    /// Which stage: raxla's graph, the StableHLO it becomes, or what XLA makes of it
    #[arg(long, value_enum, default_value = "stablehlo")]
    stage: Stage,
    /// Tokens that prefill takes in
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = count)]
    prompt_tokens: usize,
    /// Positions that the KV cache has room for
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    slots: usize,
    #[command(flatten)]
    model: ModelArgs,
}

const EXAMPLES: &str = "\
Examples:
  raxla hlo --stage graph --scan
  raxla hlo --program prefill --prompt-tokens 128 --slots 256 > prefill.mlir
  raxla hlo --model ./my-llama --stage optimized";

fn count(number: &str) -> std::result::Result<usize, String> {
    number.parse().ok().filter(|n| *n > 0).ok_or_else(|| "it must be a whole number from 1 on".into())
}

#[derive(Clone, Copy, ValueEnum, PartialEq)]
enum Program {
    Prefill,
    Decode,
}
#[derive(Clone, Copy, ValueEnum, PartialEq)]
enum Stage {
    Graph,
    Stablehlo,
    Optimized,
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let tokens = if self.program == Program::Prefill { self.prompt_tokens } else { 1 };
        if tokens > self.slots {
            return Err(usage(format!("{tokens} --prompt-tokens do not fit {} --slots", self.slots)).into());
        }
        let client = global.client()?;
        let (arch, dtype) = self.model.architecture()?;
        let shape = Sampling::default().shape();
        let avals = programs::step_avals(&*arch, dtype, shape, tokens, self.slots);
        let lowered = programs::step(arch, shape).on(&client).lower(&avals)?;
        let text = match self.stage {
            Stage::Graph => lowered.graph.to_string(),
            Stage::Stablehlo => lowered.text,
            Stage::Optimized => lowered.optimized_hlo(&client)?,
        };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }
}
