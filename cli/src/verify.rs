//! `raxla verify`
use crate::{
    Result,
    options::{DeviceArgs, Global, ModelArgs, leave},
    screen,
};
use raxla_graphs::validation::Reference;
use std::{io::Write, path::PathBuf};

/// Compare a model with what another program computed with it
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// The safetensors file with `tokens`, `logits` and, perhaps, `hidden_states.N`
    #[arg(long, value_name = "F")]
    reference: PathBuf,
    /// Largest absolute difference allowed, over the reference's standard deviation [default: 1e-4; 0.1 in half precision]
    #[arg(long, value_name = "D")]
    tolerance: Option<f64>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    devices: DeviceArgs,
}

const DETAILS: &str = "\
Prints a line for each hidden state and for the logits, and one for the predictions at each position: \
the Kullback-Leibler divergence, and whether the most likely tokens are the same. Exits with 1, and \
names the first tensor that differs, if one is further away than the tolerance.

scripts/make_reference.py writes a reference with transformers, and `raxla logits` one with raxla:
  python scripts/make_reference.py ./my-llama --text \"Once\" --out a.safetensors
  raxla verify --model ./my-llama --reference a.safetensors";

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let reference = Reference::read(&self.reference)?;
        let (session, client, mesh) = self.devices.open(global)?;
        let model = self.model.load(mesh, &client)?;
        let outcome = model.verify(&reference)?;
        leave(session)?;
        write!(screen::stdout(), "{outcome}")?;
        let wide = model.dtype().bits() >= 32;
        let tolerance = self.tolerance.unwrap_or(if wide { 1e-4 } else { 0.1 });
        match outcome.first_beyond(tolerance) {
            None => Ok(()),
            Some(t) => {
                let name = &t.name;
                let what = model.origin(name.strip_prefix("hidden_states.").and_then(|n| n.parse().ok()));
                Err(format!("{name} deviates by {:.1e}, more than {tolerance:.1e}: look at {what}", t.deviation).into())
            }
        }
    }
}
