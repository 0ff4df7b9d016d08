//! `raxla pull`
use crate::{Result, screen};
use raxla_graphs::{hub::HubOptions, source::Source};
use std::io::Write;

/// Download a model, and print where it is
#[derive(clap::Args)]
#[command(
    after_help = "Presets come as files pinned by sha256, or from the hub; hub models share the cache of Hugging Face's tools."
)]
pub struct Args {
    /// A preset (see `raxla models`) or `hf:org/name[@revision]`
    model: String,
}

impl Args {
    /// Run the command.
    pub fn run(self) -> Result {
        let source = Source::resolve(&self.model, &HubOptions::from_env())?;
        writeln!(screen::stdout(), "{}", source.path.display())?;
        Ok(())
    }
}
