//! `raxla plugin`
use crate::{Result, options::Global, screen};
use clap::Subcommand;
use raxla_xla::{FileState, Progress, find_plugin, install_first, kinds, status_of_all};
use std::io::Write;

/// List, install and find PJRT plugins
#[derive(Subcommand)]
pub enum Command {
    /// List the plugins that raxla knows, and which are installed
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a plugin with pip, check its sha256, and print its path
    #[command(
        after_help = "The CUDA plugins bring ptxas and libdevice with them. Other commands install what they need by themselves."
    )]
    Install {
        /// cpu, cuda12, cuda13 or tpu
        #[arg(default_value = "cpu")]
        kind: String,
    },
    /// Print the path of the plugin that would be used
    Path {
        /// cpu, cuda12, cuda13 or tpu [default: the platform in use]
        kind: Option<String>,
    },
}

impl Command {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let mut out = screen::stdout();
        match self {
            Command::List { json } => list(&mut out, json)?,
            Command::Install { kind } => {
                let path = install_first(&kind, Progress::Stderr)?;
                writeln!(out, "{}", path.display())?;
            }
            Command::Path { kind } => {
                let path = find_plugin(&kind.unwrap_or_else(|| global.platform()), global.plugin())?;
                writeln!(out, "{}", path.display())?;
            }
        }
        Ok(())
    }
}

/// What a file's state means, in a word or two.
pub fn state(s: &FileState) -> &'static str {
    match s {
        FileState::Verified => "installed",
        FileState::Missing => "not installed",
        FileState::Corrupted => "damaged: install it again",
    }
}

fn list(out: &mut impl Write, json: bool) -> Result {
    let all = status_of_all()?;
    if json {
        let rows = all.iter().map(|s| {
            serde_json::json!({
                "kind": s.entry.kind,
                "package": s.entry.library.package,
                "version": s.entry.library.version,
                "pjrt": s.entry.pjrt,
                "sha256": s.entry.library.sha256,
                "size": s.entry.library.size,
                "path": s.path,
                "state": state(&s.state),
            })
        });
        writeln!(out, "{:#}", serde_json::Value::Array(rows.collect()))?;
        return Ok(());
    }
    writeln!(out, "{:8} {:26} {:10} {:6} STATE", "KIND", "PACKAGE", "VERSION", "PJRT")?;
    for s in &all {
        let l = &s.entry.library;
        writeln!(out, "{:8} {:26} {:10} {:6} {}", s.entry.kind, l.package, l.version, s.entry.pjrt, state(&s.state))?;
    }
    writeln!(out, "\nInstall one with `raxla plugin install {}`.", kinds().join("|"))?;
    Ok(())
}
