//! `raxla models`
use crate::{Result, screen};
use raxla_graphs::{
    hub::HubOptions,
    models::ARCHITECTURES,
    source::{Origin, presets},
};
use std::io::Write;

/// List the presets, the architectures, and what is already here
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Run the command.
    pub fn run(self) -> Result {
        let mut out = screen::stdout();
        let options = HubOptions::from_env();
        let architectures: Vec<&str> = ARCHITECTURES.iter().map(|f| f.model_type).collect();
        if self.json {
            let rows = presets().iter().map(|p| {
                let path = p.local(&options);
                serde_json::json!({ "name": p.name, "about": p.about, "license": p.license, "origin": origin(&p.origin), "path": path })
            });
            let all = serde_json::json!({ "presets": rows.collect::<Vec<_>>(), "architectures": architectures });
            writeln!(out, "{all:#}")?;
            return Ok(());
        }
        let width = presets().iter().map(|p| p.name.len()).max().unwrap_or(0);
        for p in presets() {
            let here = if p.local(&options).is_some() { '*' } else { ' ' };
            writeln!(out, "{here} {:width$}  {} ({})", p.name, p.about, origin(&p.origin))?;
        }
        writeln!(
            out,
            "\n* is on this machine. Any checkpoint of these architectures loads: {}.",
            architectures.join(", ")
        )?;
        writeln!(out, "Name it as a directory, a .gguf, .safetensors or .bin file, or hf:org/name.")?;
        Ok(())
    }
}

fn origin(o: &Origin) -> String {
    match o {
        Origin::File(p) => format!("in the Python package {} {}", p.package, p.version),
        Origin::Hub(r) => format!("hf:{r}"),
    }
}
