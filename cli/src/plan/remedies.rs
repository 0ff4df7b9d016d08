//! What would fit, where a program does not: the nearest changes of each kind, each compiled before it is told.
use super::{Job, child};
use crate::{Result, note};
use raxla::{aot::Plan, memory::show as bytes};
use raxla_graphs::{
    config::HfConfig,
    planning::{Program, Remat, Workload},
};
use serde::Serialize;
use std::io::Write;

/// How many programs of one kind of change are compiled, before it is given up.
const TRIES: usize = 3;

/// A change that fits.
#[derive(Debug, Serialize)]
pub struct Remedy {
    /// As options of the command line.
    pub change: String,
    /// What was compiled.
    pub job: Job,
    pub plan: Plan,
}

/// The nearest change of each kind that makes it fit.
pub fn find(job: &Job, config: &HfConfig, plan: &Plan) -> Vec<Remedy> {
    let sensible = |job: &Job| job.check(config).is_ok();
    let mut found = vec![];
    let kinds = kinds(job, plan);
    for (kind, jobs) in &kinds {
        let tried: Vec<&(String, Job)> = jobs.iter().filter(|(_, job)| sensible(job)).take(TRIES).collect();
        if !tried.is_empty() {
            note(format!("note: it does not fit; trying {kind}"));
        }
        let fits = |(change, job): &&(String, Job)| {
            let plan = child::plan(job).ok().filter(Plan::fits)?;
            Some(Remedy { change: change.clone(), job: job.clone(), plan })
        };
        found.extend(tried.iter().find_map(fits));
    }
    found
}

/// What was found, for the user.
pub fn show(out: &mut impl Write, remedies: &[Remedy]) -> Result {
    if remedies.is_empty() {
        writeln!(
            out,
            "no single change nearby fits: take a larger target, a smaller model, or several changes at once"
        )?;
        return Ok(());
    }
    writeln!(out, "these fit, as compiled:")?;
    for Remedy { change, plan, .. } in remedies {
        let memory = &plan.per_device;
        writeln!(out, "  {change:<44} {} of {}", bytes(memory.peak), bytes(memory.limit))?;
    }
    Ok(())
}

type Kind = (&'static str, Vec<(String, Job)>);

/// Changes of each kind, the nearest first.
fn kinds(job: &Job, plan: &Plan) -> Vec<Kind> {
    let with = |work: Workload| Job { work, ..job.clone() };
    let work = &job.work;
    // (what grows with a size is at most all of it, so halving it fewer times than this cannot help)
    let ratio = plan.per_device.peak as f64 / plan.per_device.limit as f64;
    let halvings = ratio.log2().ceil().max(1.0) as u32;
    let halved = |n: usize| (halvings..halvings + TRIES as u32).map(move |k| n >> k).filter(|n| *n > 0);
    let batches =
        halved(work.batch).map(|batch| (format!("--batch {batch}"), with(Workload { batch, ..work.clone() })));
    let contexts = halved(work.context)
        .map(|context| (format!("--context {context}"), with(Workload { context, ..work.clone() })));
    let mut kinds: Vec<Kind> = vec![];
    if work.program == Program::Train {
        let remats =
            [(Remat::Dots, "dots"), (Remat::Full, "full")].into_iter().filter(|(remat, _)| *remat != work.remat);
        let remat = |(remat, name)| (format!("--remat {name}"), with(Workload { remat, ..work.clone() }));
        if work.remat != Remat::Full {
            kinds.push(("to compute more again (--remat)", remats.map(remat).collect()));
        }
        let parts = (1..=TRIES).map(|k| work.accumulation << k);
        let accumulated = parts.map(|accumulation| {
            let job = with(Workload { accumulation, remat: Remat::Full, ..work.clone() });
            let remat = if work.remat == Remat::Full { "" } else { "--remat full " };
            (format!("{remat}--accumulation {accumulation}"), job)
        });
        kinds.push(("to go through the batch in parts", accumulated.collect()));
        if work.param_dtype == "f32" {
            let job = with(Workload { param_dtype: "bf16".into(), remat: Remat::Full, ..work.clone() });
            let remat = if work.remat == Remat::Full { "" } else { "--remat full " };
            kinds.push(("narrower parameters", vec![(format!("{remat}--param-dtype bf16"), job)]));
        }
    }
    if work.program != Program::Train && work.quantize.is_none() {
        let job = with(Workload { quantize: Some("int8".into()), ..work.clone() });
        kinds.push(("8-bit matrices", vec![("--quantize int8".into(), job)]));
    }
    kinds.push(("smaller batches", batches.collect()));
    kinds.push(("shorter contexts", contexts.collect()));
    kinds.push(("other meshes", meshes(job)));
    kinds.push(("larger targets", larger(job)));
    kinds
}

/// The axis that divides parameters, in the programs that they matter for.
fn parameters_axis(work: &Workload) -> &'static str {
    if work.program == Program::Train { "fsdp" } else { "model" }
}

fn axes(mesh: &[(String, usize)]) -> String {
    mesh.iter().map(|(name, n)| format!("{name}={n}")).collect::<Vec<_>>().join(",")
}

/// More of the devices along the axis that divides parameters.
fn meshes(job: &Job) -> Vec<(String, Job)> {
    let Ok(target) = job.target() else { return vec![] };
    let (axis, devices) = (parameters_axis(&job.work), target.devices());
    let divided = |n: &usize| {
        let rest = if job.work.program == Program::Train { "model" } else { "data" };
        let mesh = [(rest.to_string(), devices / n), (axis.to_string(), *n)];
        mesh.into_iter().filter(|(_, n)| *n > 1).collect::<Vec<_>>()
    };
    let own = job.work.mesh.iter().find(|(name, _)| name == axis).map_or(1, |(_, n)| *n);
    let sizes = (own + 1..=devices).filter(|n| devices.is_multiple_of(*n));
    let mesh = |n: usize| {
        let mesh = divided(&n);
        (format!("--mesh {}", axes(&mesh)), Job { work: Workload { mesh, ..job.work.clone() }, ..job.clone() })
    };
    sizes.map(mesh).collect()
}

/// Targets of twice, and of four times, as many devices, the new ones along the axis that divides parameters.
fn larger(job: &Job) -> Vec<(String, Job)> {
    let Ok(target) = job.target() else { return vec![] };
    let axis = parameters_axis(&job.work);
    let grown = std::iter::successors(Some(target.doubled()), |t| Some(t.doubled())).take(TRIES);
    let job_on = |(target, factor): (raxla::aot::Target, usize)| {
        let mut work = job.work.clone();
        match work.mesh.iter_mut().find(|(name, _)| name == axis) {
            Some((_, n)) => *n *= factor,
            None => work.mesh.push((axis.into(), factor)),
        }
        let mut more = String::new();
        if work.program == Program::Train {
            (work.batch, work.remat) = (work.batch * factor, Remat::Full);
            more = format!(" --batch {}", work.batch);
            if job.work.remat != Remat::Full {
                more += " --remat full";
            }
        }
        let change = format!("--target {target} --mesh {}{more}", axes(&work.mesh));
        (change, Job { target: target.to_string(), work, ..job.clone() })
    };
    grown.zip([2, 4, 8]).map(job_on).collect()
}
