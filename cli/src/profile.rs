//! `raxla profile`
use crate::{
    Result,
    hlo::{Program, Sizes},
    options::{Global, ModelArgs},
    output, screen,
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
timed alone, so what the compiler fuses takes longer. Programs are those of generating and training, with \
their kernels and the formats of the model's matrices; but no weights are read: all numbers are 0.

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
        self.trace.as_deref().map_or(Ok(()), output::check)?;
        let profile = self.profile(&global.client()?)?;
        write!(screen::stdout(), "{profile}")?;
        if let Some(path) = &self.trace {
            output::write(path, profile.chrome_trace().as_bytes())?;
        }
        Ok(())
    }

    fn profile(&self, client: &Client) -> Result<Profile> {
        let tokens = self.sizes.tokens()?;
        if self.sizes.program == Program::Train {
            let train = Train::new(self.model.spec(false)?.0, None, TrainOptions::default())?;
            let avals = train.avals(self.sizes.batch, self.sizes.prompt_tokens);
            return Ok(train.step().on(client).profile(zeros(client, &avals)?)?);
        }
        let options = self.model.options();
        let model = self.model.files_here()?.held(&options, client)?;
        let shape = Sampling::default().shape();
        let avals = programs::step_avals(&model, options.dtype()?, shape, [1, tokens], [self.sizes.slots, 0]);
        Ok(programs::step(shape).on(client).profile(zeros(client, &avals)?)?)
    }
}
