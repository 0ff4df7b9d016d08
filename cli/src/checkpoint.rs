//! `raxla checkpoint`
use crate::{Result, screen};
use clap::{Args, Subcommand};
use raxla::{
    checkpoint::{Checkpoint, Metadata, latest, steps},
    memory,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

/// List, check and compare checkpoints of training
#[derive(Subcommand)]
pub enum Command {
    /// List the checkpoints of a run, with their metrics
    Ls {
        /// The folder that the run's checkpoints are in
        folder: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a checkpoint, or all of a run, and compare it with its checksums
    Verify {
        /// The folder of a checkpoint (step_00000100), or that of a run
        path: PathBuf,
    },
    /// Show the arrays and metadata of a checkpoint
    Show(Show),
    /// Compare two checkpoints, array by array; exit code 1 if they differ
    Diff {
        /// The folder of a checkpoint, or of a run, whose newest is taken
        one: PathBuf,
        /// Another
        other: PathBuf,
    },
}

#[derive(Args)]
pub struct Show {
    /// The folder of a checkpoint, or of a run, whose newest is taken
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Run the command.
    pub fn run(self) -> Result {
        match self {
            Command::Ls { folder, json } => list(&folder, json),
            Command::Verify { path } => verify(&path),
            Command::Show(show) => show.run(),
            Command::Diff { one, other } => diff(&one, &other),
        }
    }
}

fn is_checkpoint(path: &Path) -> bool {
    path.join("checkpoint.json").exists()
}

/// Where a run has its checkpoints: in its folder `checkpoints`, or in this one itself.
fn of_run(path: &Path) -> PathBuf {
    Some(path.join("checkpoints")).filter(|folder| folder.is_dir()).unwrap_or_else(|| path.to_path_buf())
}

/// The folders of a run's checkpoints, in the order of steps.
fn folders(run: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let run = &of_run(run);
    if !run.is_dir() {
        return Err(format!("{} is no folder\n  help: name the folder of a run", run.display()).into());
    }
    Ok(steps(run)?.into_iter().map(|step| (step, run.join(format!("step_{step:08}")))).collect())
}

/// The checkpoint in this folder, or the newest whole one of a run's.
fn open(path: &Path) -> Result<Checkpoint> {
    if is_checkpoint(path) {
        return Ok(Checkpoint::open(path)?);
    }
    latest(of_run(path))?.ok_or_else(|| none(path).into())
}
fn none(path: &Path) -> String {
    format!(
        "{}: there is no whole checkpoint in it\n  help: name the folder of a run, or of one checkpoint (step_00000100)",
        path.display()
    )
}

fn bytes(checkpoint: &Checkpoint) -> u64 {
    checkpoint.files().map(|(_, bytes)| bytes).sum()
}
fn metrics(metadata: &Metadata) -> String {
    metadata.metrics.iter().map(|(name, x)| format!("  {name} {x}")).collect()
}

fn list(run: &Path, json: bool) -> Result {
    let mut out = screen::stdout();
    let mut all = vec![];
    for (step, folder) in folders(run)? {
        match (Checkpoint::open(&folder), json) {
            (Ok(c), true) => all.push(json!({ "step": step, "bytes": bytes(&c), "metadata": c.metadata() })),
            (Err(e), true) => all.push(json!({ "step": step, "error": e.to_string() })),
            (Ok(c), false) => writeln!(out, "{step:>10}  {:>10}{}", memory::show(bytes(&c)), metrics(c.metadata()))?,
            (Err(e), false) => writeln!(out, "{step:>10}  {e}")?,
        }
    }
    if json {
        writeln!(out, "{:#}", json!(all))?;
    }
    Ok(())
}

fn verify(path: &Path) -> Result {
    let mut out = screen::stdout();
    let all =
        if is_checkpoint(path) { vec![path.to_path_buf()] } else { folders(path)?.into_iter().map(|f| f.1).collect() };
    if all.is_empty() {
        return Err(none(path).into());
    }
    let mut wrong = vec![];
    for folder in &all {
        match Checkpoint::open(folder).and_then(|checkpoint| Ok((checkpoint.step(), checkpoint.verify()?))) {
            Ok((step, v)) => {
                writeln!(
                    out,
                    "step {step}: {} tensors in {} files, {}: whole",
                    v.tensors,
                    v.files,
                    memory::show(v.bytes)
                )?;
            }
            Err(e) => wrong.push(e),
        }
    }
    let Some(last) = wrong.pop() else { return Ok(()) };
    wrong.iter().for_each(|e| crate::note(format!("error: {e}")));
    Err(last.into())
}

impl Show {
    fn run(&self) -> Result {
        let mut out = screen::stdout();
        let c = open(&self.path)?;
        if self.json {
            let leaf = |(path, aval): (&str, raxla::Aval)| json!({ "path": path, "dtype": aval.dtype.name(), "shape": aval.dims });
            let leaves: Vec<_> = c.leaves().map(leaf).collect();
            let all = json!({
                "step": c.step(), "raxla": c.written_by(), "bytes": bytes(&c), "leaves": leaves, "metadata": c.metadata(),
            });
            writeln!(out, "{all:#}")?;
            return Ok(());
        }
        let files = c.files().count();
        writeln!(out, "step {}, by raxla {}: {} in {files} files", c.step(), c.written_by(), memory::show(bytes(&c)))?;
        writeln!(out, "\nmetadata\n{:#}\n\narrays", json!(c.metadata()))?;
        let width = c.leaves().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
        c.leaves().try_for_each(|(path, aval)| writeln!(out, "  {path:<width$}  {aval}"))?;
        Ok(())
    }
}

fn diff(one: &Path, other: &Path) -> Result {
    let mut out = screen::stdout();
    let (a, b) = (open(one)?, open(other)?);
    let types: BTreeMap<&str, raxla::Aval> = b.leaves().collect();
    let mut differ = 0;
    for (path, aval) in a.leaves() {
        let line = match types.get(path) {
            None => format!("{path} ({aval}) is in the first only"),
            Some(other) if *other != aval => format!("{path} is {aval} in the first and {other} in the second"),
            Some(_) => match differing(&a, &b, path, aval.dtype.bytes_for(1))? {
                0 => continue,
                n => format!("{path} ({aval}) differs in {n} of {} elements", aval.size()),
            },
        };
        writeln!(out, "{line}")?;
        differ += 1;
    }
    let first: BTreeMap<&str, raxla::Aval> = a.leaves().collect();
    for (path, aval) in b.leaves().filter(|(path, _)| !first.contains_key(path)) {
        writeln!(out, "{path} ({aval}) is in the second only")?;
        differ += 1;
    }
    match differ {
        0 => Ok(()),
        n => Err(format!("step {} and step {} differ in {n} arrays", a.step(), b.step()).into()),
    }
}

/// In how many elements of this size an array differs between two checkpoints that have it.
fn differing(a: &Checkpoint, b: &Checkpoint, path: &str, size: usize) -> Result<usize> {
    let (x, y) = (a.bytes(path)?.unwrap_or_default(), b.bytes(path)?.unwrap_or_default());
    Ok(x.chunks_exact(size).zip(y.chunks_exact(size)).filter(|(x, y)| x != y).count())
}
