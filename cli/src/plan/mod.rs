//! `raxla plan`: does a model's program fit on accelerators that are not there, and what does it do on them?
//!
//! The command reads what is asked for, and has each program compiled by a [`child`], whose plan comes back. Where one does not fit,
//! [`remedies`] tries what is near; [`search`] tries meshes, batches and the like beside each other.
mod child;
mod plot;
mod remedies;
mod search;
mod work;

pub use work::WorkArgs;

use crate::{Result, note, options::Global, output, screen, usage};
use raxla::aot::Target;
use raxla_graphs::{
    config::HfConfig,
    planning::{self, Program, Workload},
};
use serde::{Deserialize, Serialize};
use std::{io::Write, path::PathBuf};

/// Compile a model for TPUs or GPUs that need not be there: does it fit?
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// A preset (see `raxla models`), hf:org/name[@revision], a folder, or a config.json: no weights are read
    #[arg(short, long, value_name = "M")]
    model: String,
    /// The devices: a TPU and its grid of chips, as v5e:2x4 or v5p:2x2x4; GPUs of one host, as h100x8 or a100-40gbx4; hosts and GPUs
    /// of each, as h200x2x8
    #[arg(long, value_name = "T")]
    target: String,
    /// So many of a TPU's grids, joined by the network
    #[arg(long, default_value_t = 1, value_name = "N")]
    slices: usize,
    #[command(flatten)]
    work: WorkArgs,
    /// Let the compiler for TPUs try less: done much sooner, with a plan of memory that is a little higher. That for GPUs is quick as it is
    #[arg(long)]
    fast: bool,
    /// Where it does not fit, do not look for what would
    #[arg(long)]
    no_remedies: bool,
    /// Compare meshes, batches, and of training what is kept and accumulated: a table, with what is fastest for its memory marked
    #[arg(long)]
    search: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the memory of a device into this SVG file; with --search, memory against time
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

const DETAILS: &str = "\
Nothing runs, and no accelerator is needed: the real plugin compiles ahead of time, and tells what it \
would allocate. The first plan for a TPU downloads its plugin (137 MB, 470 MB on disk), the first for a \
GPU that of CUDA (257 MB, 450 MB on disk). The time of a run is an estimate from the chip's peaks. \
docs/plan.md says more.

Examples:
  raxla plan --model gemma-7b --target v5e:2x4 --batch 8 --context 4096
  raxla plan --model gpt2-xl --target h100x8 --program train --remat full --context 1024
  raxla plan --model llama-3-70b --target v5p:2x2x4 --mesh data=2,model=8 --batch 16 --json
  raxla plan --model gemma-7b --target v5e:2x4 --search --plot pareto.svg";

/// What one process compiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub model: String,
    pub target: String,
    pub slices: usize,
    pub work: Workload,
}

impl Job {
    pub fn target(&self) -> Result<Target> {
        Ok(Target::parse(&self.target)?.with_slices(self.slices)?)
    }
    /// Does it make sense, as far as can be told without a plugin?
    pub fn check(&self, config: &HfConfig) -> Result {
        self.work.checked(config, self.target()?.devices())?;
        Ok(())
    }
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        if let Some(job) = child::asked()? {
            return child::answer(&job, global);
        }
        let target = Target::parse(&self.target).and_then(|target| target.with_slices(self.slices));
        let target = target.map_err(|e| usage(format!("--target: {e}")))?;
        let config = planning::config(&self.model)?;
        let job = self.job(&target, &config)?;
        job.check(&config)?;
        self.plot.iter().try_for_each(|path| output::check(path))?;
        fetch_plugin(&target, global)?;
        if self.search {
            return search::run(&job, &config, self.json, self.plot.as_deref());
        }
        let plan = child::plan(&job)?;
        let remedies = match plan.fits() || self.no_remedies {
            true => vec![],
            false => remedies::find(&job, &config, &plan),
        };
        if let Some(path) = &self.plot {
            plot::write(path, &plot::memory(&title(&job), &plan))?;
        }
        let mut out = screen::stdout();
        if self.json {
            let fits = plan.fits();
            let all = serde_json::json!({ "fits": fits, "job": job, "plan": plan, "remedies": remedies });
            writeln!(out, "{all:#}")?;
            return Ok(());
        }
        writeln!(out, "{}", title(&job))?;
        writeln!(out, "{plan}")?;
        if !plan.fits() && !self.no_remedies {
            remedies::show(&mut out, &remedies)?;
        }
        Ok(())
    }

    fn job(&self, target: &Target, config: &HfConfig) -> Result<Job> {
        let work = Workload { fast: self.fast, ..self.work.load(target.devices(), config)? };
        Ok(Job { model: self.model.clone(), target: target.to_string(), slices: self.slices, work })
    }
}

/// Has the plugin here, where its download is seen.
pub fn fetch_plugin(target: &Target, global: &Global) -> Result {
    if global.plugin().is_some() {
        return Ok(());
    }
    let kind = target.plugin();
    let missing = |entry: &&raxla_xla::Entry| {
        let path = raxla_xla::library_path(entry);
        path.is_ok_and(|path| raxla_xla::verify(&entry.library, &path) == raxla_xla::FileState::Missing)
    };
    if let Some(entry) = raxla_xla::entries(kind)?.into_iter().find(missing) {
        let files = || [&entry.library].into_iter().chain(entry.needs.iter().map(|need| &need.pinned));
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let (fetched, kept) = (files().filter_map(|f| f.download).sum(), files().map(|f| f.size).sum());
        note(format!(
            "note: compiling for {target} takes the `{kind}` plugin, which is fetched once: {} MB, {} MB on disk ({})",
            megabytes(fetched),
            megabytes(kept),
            entry.license
        ));
    }
    raxla_xla::install_first(kind, Default::default())?;
    Ok(())
}

/// What is planned, in a line.
pub fn title(job: &Job) -> String {
    let Job { model, target, slices, work } = job;
    let program = match work.program {
        Program::Decode => "decode",
        Program::Prefill => "prefill",
        Program::Forward => "forward",
        Program::Train => "train",
    };
    let mesh: Vec<String> = work.mesh.iter().map(|(name, n)| format!("{name}={n}")).collect();
    let mesh = if mesh.is_empty() { String::new() } else { format!(", mesh {}", mesh.join(",")) };
    let slices = if *slices > 1 { format!("{slices} slices of ") } else { String::new() };
    format!(
        "{model} {program} on {slices}{target}: batch {}, context {}, {}{mesh}",
        work.batch, work.context, work.dtype
    )
}
