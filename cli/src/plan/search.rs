//! `raxla plan --search`: meshes, batches, dtypes, and what training keeps, beside each other.
use super::{Job, child, plot};
use crate::{Result, note, screen};
use raxla::{aot::Plan, memory::show};
use raxla_graphs::{
    config::HfConfig,
    planning::{Program, Remat, Workload},
};
use serde::Serialize;
use std::{io::Write, path::Path};

/// How many programs are compiled at most.
const MOST: usize = 48;

/// One of what is compared.
#[derive(Debug, Serialize)]
pub struct Found {
    pub mesh: String,
    pub batch: usize,
    pub remat: Remat,
    pub dtype: String,
    pub fits: bool,
    /// Bytes of each device.
    pub memory: u64,
    /// Seconds of a run, estimated.
    pub seconds: Option<f64>,
    /// Tokens a second, estimated, on all devices together.
    pub tokens_per_second: Option<f64>,
    /// Does nothing that fits need less memory and less time for a token?
    pub best: bool,
}

/// Compiles all that make sense, and shows them.
pub fn run(job: &Job, config: &HfConfig, json: bool, plot: Option<&Path>) -> Result {
    let mut jobs = all(job)?;
    jobs.retain(|job| job.check(config).is_ok());
    if jobs.len() > MOST {
        note(format!("note: the first {MOST} of {} programs are compared", jobs.len()));
        jobs.truncate(MOST);
    }
    let mut found = vec![];
    for (i, job) in jobs.iter().enumerate() {
        match child::plan(job) {
            Ok(plan) => found.push(of(job, &plan)),
            Err(e) => note(format!("note: {} is left out: {e}", super::title(job))),
        }
        note(format!("{} of {} compiled", i + 1, jobs.len()));
    }
    mark(&mut found);
    found.sort_by(|a, b| b.fits.cmp(&a.fits).then(per_token(a).total_cmp(&per_token(b))));
    if let Some(path) = plot {
        plot::write(path, &plot::pareto(&super::title(job), &found))?;
    }
    let mut out = screen::stdout();
    if json {
        writeln!(out, "{:#}", serde_json::json!({ "model": job.model, "target": job.target, "found": found }))?;
        return Ok(());
    }
    writeln!(out, "{}\n{} programs; times are estimates from the chip's peaks", super::title(job), found.len())?;
    writeln!(
        out,
        "  {:<24} {:>6} {:<5} {:<5} {:>9} {:>11} {:>12}",
        "mesh", "batch", "remat", "dtype", "memory", "a run", "tokens/s"
    )?;
    for f in &found {
        let mark = if f.best { '*' } else { ' ' };
        let (mesh, remat) = (if f.mesh.is_empty() { "-" } else { &f.mesh }, remat(f.remat));
        let (seconds, rate) = match (f.fits, f.seconds, f.tokens_per_second) {
            (true, Some(s), Some(rate)) => (format!("{:.2} ms", s * 1e3), format!("{rate:.0}")),
            (true, ..) => ("?".into(), "?".into()),
            (false, ..) => ("does not fit".into(), String::new()),
        };
        writeln!(
            out,
            "{mark} {mesh:<24} {:>6} {remat:<5} {:<5} {:>9} {seconds:>11} {rate:>12}",
            f.batch,
            f.dtype,
            show(f.memory)
        )?;
    }
    writeln!(out, "* nothing that fits needs less memory and less time for a token")?;
    Ok(())
}

fn remat(remat: Remat) -> &'static str {
    match remat {
        Remat::None => "none",
        Remat::Dots => "dots",
        Remat::Full => "full",
    }
}

/// All that is compared, with the least effort of the compiler.
fn all(job: &Job) -> Result<Vec<Job>> {
    let work = &job.work;
    let train = work.program == Program::Train;
    let remats = if train { vec![Remat::None, Remat::Dots, Remat::Full] } else { vec![work.remat] };
    let dtypes = if train {
        vec![(work.dtype.clone(), "f32"), (work.dtype.clone(), "bf16")]
    } else {
        vec![("bf16".into(), "f32"), ("f32".into(), "f32")]
    };
    let mut jobs = vec![];
    for mesh in meshes(job.target()?.devices(), if train { ["fsdp", "model"] } else { ["data", "model"] }) {
        for batch in [work.batch, work.batch * 2, work.batch * 4] {
            for remat in &remats {
                for (dtype, param_dtype) in &dtypes {
                    let (dtype, param_dtype) = (dtype.clone(), param_dtype.to_string());
                    let work = Workload {
                        mesh: mesh.clone(),
                        batch,
                        remat: *remat,
                        dtype,
                        param_dtype,
                        fast: true,
                        ..work.clone()
                    };
                    jobs.push(Job { work, ..job.clone() });
                }
            }
        }
    }
    Ok(jobs)
}

/// All ways to divide so many devices into these two axes.
fn meshes(devices: usize, names: [&str; 2]) -> Vec<Vec<(String, usize)>> {
    let sizes = (1..=devices).filter(|n| devices.is_multiple_of(*n));
    let mesh = |n: usize| {
        let axes = names.into_iter().zip([devices / n, n]).filter(|(_, n)| *n > 1);
        axes.map(|(name, n)| (name.to_string(), n)).collect()
    };
    sizes.map(mesh).collect()
}

fn of(job: &Job, plan: &Plan) -> Found {
    let work = &job.work;
    let tokens = if work.program == Program::Decode { work.batch } else { work.batch * work.context };
    let seconds = plan.estimate.map(|e| e.seconds());
    let mesh: Vec<String> = work.mesh.iter().map(|(name, n)| format!("{name}={n}")).collect();
    Found {
        mesh: mesh.join(","),
        batch: work.batch,
        remat: work.remat,
        dtype: if work.program == Program::Train { work.param_dtype.clone() } else { work.dtype.clone() },
        fits: plan.fits(),
        memory: plan.per_device.peak,
        seconds,
        tokens_per_second: seconds.map(|s| tokens as f64 / s),
        best: false,
    }
}

/// Seconds for a token.
pub fn per_token(found: &Found) -> f64 {
    found.tokens_per_second.map_or(f64::INFINITY, |rate| 1.0 / rate)
}

/// Marks what nothing is better than in both memory and time.
fn mark(found: &mut [Found]) {
    let points: Vec<(u64, f64)> = found.iter().filter(|f| f.fits).map(|f| (f.memory, per_token(f))).collect();
    for f in found.iter_mut().filter(|f| f.fits) {
        let (memory, time) = (f.memory, per_token(f));
        let better = |(m, t): &(u64, f64)| *m <= memory && *t <= time && (*m < memory || *t < time);
        f.best = time.is_finite() && !points.iter().any(better);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_in_both_is_not_marked() {
        let found = |memory, rate| Found {
            mesh: String::new(),
            batch: 1,
            remat: Remat::None,
            dtype: "bf16".into(),
            fits: memory < 100,
            memory,
            seconds: Some(1.0),
            tokens_per_second: Some(rate),
            best: false,
        };
        let mut all = [found(10, 5.0), found(20, 9.0), found(30, 8.0), found(100, 99.0)];
        mark(&mut all);
        assert_eq!(all.map(|f| f.best), [true, true, false, false]);
    }

    #[test]
    fn meshes_use_all_devices() {
        let all = meshes(4, ["data", "model"]);
        let axes = |mesh: &[(&str, usize)]| mesh.iter().map(|(name, n)| (name.to_string(), *n)).collect::<Vec<_>>();
        assert_eq!(all, [axes(&[("data", 4)]), axes(&[("data", 2), ("model", 2)]), axes(&[("model", 4)])]);
    }
}
