//! `raxla hlo`
use crate::{
    Result,
    options::{Global, ModelArgs},
};
use clap::ValueEnum;
use graphs::{Sampling, programs};
use std::io::Write;

/// Print a model's program at a stage of its compilation
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Which program: of the whole prompt, or of one token
    #[arg(long, value_enum, default_value = "decode")]
    program: Program,
    /// Which stage: raxla's graph, the StableHLO it becomes, or what XLA makes of it
    #[arg(long, value_enum, default_value = "stablehlo")]
    stage: Stage,
    /// Tokens of the prompt
    #[arg(long, default_value_t = 16, value_name = "N")]
    prompt_tokens: usize,
    /// Slots of the cache
    #[arg(long, default_value_t = 64, value_name = "N")]
    slots: usize,
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
        let client = global.client()?;
        let tokens = if self.program == Program::Prefill { self.prompt_tokens } else { 1 };
        if tokens == 0 || tokens > self.slots {
            return Err(format!("--prompt-tokens must be within 1 and --slots ({})", self.slots).into());
        }
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
