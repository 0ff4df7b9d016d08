//! `raxla cache`
use crate::{Result, screen};
use clap::Subcommand;
use std::io::Write;

/// Show or clear the cache of compiled programs
#[derive(Subcommand)]
pub enum Command {
    /// Show where it is and how large
    Info {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove all compiled programs
    Clear,
}

impl Command {
    /// Run the command.
    pub fn run(self) -> Result {
        let mut out = screen::stdout();
        let dir = raxla::cache::directory()?;
        match self {
            Command::Info { json: true } => {
                let (programs, bytes) = raxla::cache::usage();
                let limit = raxla::cache::LIMIT;
                let all =
                    serde_json::json!({ "path": dir, "programs": programs, "bytes": bytes, "limit_bytes": limit });
                writeln!(out, "{all:#}")?;
            }
            Command::Info { json: false } => {
                let (programs, bytes) = raxla::cache::usage();
                let (mib, limit) = (bytes as f64 / (1 << 20) as f64, raxla::cache::LIMIT >> 20);
                writeln!(out, "{}: {}, {mib:.1} MiB of at most {limit} MiB", dir.display(), count(programs))?;
            }
            Command::Clear => {
                let removed = raxla::cache::clear().map_err(|e| format!("{} cannot be cleared: {e}", dir.display()))?;
                writeln!(out, "{} removed", count(removed))?;
            }
        }
        Ok(())
    }
}

fn count(programs: usize) -> String {
    format!("{programs} program{}", if programs == 1 { "" } else { "s" })
}
