//! `raxla profile`
use crate::{
    Result,
    hlo::{Program, Sizes},
    options::{Global, ModelArgs},
    screen,
};
use raxla::{Array, Aval, Client, Tree, jit::Profile};
use raxla_graphs::{
    Sampling, programs,
    training::{Train, TrainOptions},
};
use std::{io::Write, path::PathBuf};

/// Say where the time of a model's program goes
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    sizes: Sizes,
    /// Also write the times as a Chrome trace, which ui.perfetto.dev shows
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

const EXAMPLES: &str = "\
Where the plugin has a profiler (CUDA, TPU), one call is recorded. Elsewhere every operation is compiled and \
timed alone, so what the compiler fuses takes longer. No weights are read: all numbers are 0.

Examples:
  raxla profile --model gpt2
  raxla profile --program prefill --prompt-tokens 128 --slots 256 --trace prefill.json
  raxla profile --program train --batch 4 --prompt-tokens 128";

/// Arguments of these types, all 0.
fn zeros<S: Tree<Aval>>(client: &Client, avals: &S) -> raxla::Result<S::With<Array>> {
    avals.try_map_named(|_, aval| Array::from_bytes(client, aval.clone(), &vec![0; aval.bytes()]))
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let profile = self.profile(&global.client()?)?;
        if let Some(path) = &self.trace {
            std::fs::write(path, profile.chrome_trace())
                .map_err(|e| format!("the trace cannot be written to {}: {e}", path.display()))?;
        }
        write!(screen::stdout(), "{profile}")?;
        Ok(())
    }

    fn profile(&self, client: &Client) -> Result<Profile> {
        let tokens = self.sizes.tokens()?;
        if self.sizes.program == Program::Train {
            let train = Train::new(self.model.spec(false)?.0, None, TrainOptions::default())?;
            let avals = train.avals(self.sizes.batch, self.sizes.prompt_tokens);
            return Ok(train.step().on(client).profile(zeros(client, &avals)?)?);
        }
        let (model, dtype) = self.model.spec(false)?;
        let shape = Sampling::default().shape();
        let avals = programs::step_avals(&model, dtype, shape, [1, tokens], [self.sizes.slots, 0]);
        Ok(programs::step(shape).on(client).profile(zeros(client, &avals)?)?)
    }
}
