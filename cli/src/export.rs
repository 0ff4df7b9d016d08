//! `raxla export`
use crate::{Result, options::Global, output, plan::WorkArgs, screen};
use raxla_graphs::planning;
use std::{io::Write, path::PathBuf};

/// Write a model's program as StableHLO
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A preset (see `raxla models`), hf:org/name[@revision], a folder, or a config.json: no weights are read
    #[arg(short, long, value_name = "M")]
    model: String,
    #[command(flatten)]
    work: WorkArgs,
    /// The file: .mlir for the module as text, .jax for an artifact that `jax.export.deserialize` reads
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

const EXAMPLES: &str = "\
The module has shardings where there is a mesh, and locations that name raxla's source. docs/export.md has the formats.

Examples:
  raxla export --model smollm2-135m --program prefill --context 128 -o p.mlir
  raxla export --model gemma-7b --mesh model=8 -o decode.jax";

impl Args {
    /// Run the command.
    pub fn run(self, _: &Global) -> Result {
        let extension = self.output.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !["mlir", "jax"].contains(&extension) {
            let why = "the plugins write no bytecode: -o takes a file named .mlir (text) or .jax (artifact)";
            return Err(crate::usage(why).into());
        }
        output::check(&self.output)?;
        let config = planning::config(&self.model)?;
        let exported = self.work.load(self.work.devices()?, &config)?.export(&config)?;
        let bytes = if extension == "jax" { exported.serialize()? } else { exported.module().to_vec() };
        output::write(&self.output, &bytes)?;
        let (takes, gives) = (exported.in_avals().len(), exported.out_avals().len());
        let path = self.output.display();
        writeln!(screen::stdout(), "{path}: {} bytes, {takes} arguments, {gives} results", bytes.len())?;
        Ok(())
    }
}
