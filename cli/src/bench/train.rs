//! `bench train`: the step of `raxla_graphs::training`, which scripts/compare_train.py has in JAX. Both begin with the same parameters
//! and tokens, so that the losses after the last step agree.
use super::{Job, figure::Figure, limits::filled, settings::What::Train};
use crate::Result;
use raxla::{Array, Tree};
use raxla_graphs::{
    models::{Decoder, Stacking},
    training,
};
use std::time::Instant;

/// Seconds per step; and what tracing, lowering and compiling it took.
pub fn train(job: &Job) -> Result<Vec<Figure>> {
    let (batch, length) = (job.work.batch(Train), job.work.prompt(Train));
    let mut settings = job.settings.clone();
    let (client, mesh) = settings.devices(job.global)?;
    let pipeline = mesh.as_ref().is_some_and(|mesh| mesh.axis("pipe").is_some());
    let stacking = if settings.load.scanned && pipeline { Stacking::OneStack } else { settings.load.scanned.into() };
    let spec = Decoder::of(&job.model.config()?, stacking)?;
    let spec = settings.load.dispatch.map_or_else(|| spec.clone(), |dispatch| spec.clone().with_dispatch(dispatch));
    let (vocab, context) = (spec.vocab(), spec.context);
    if length > context {
        let why = format!("--prompt {length} is more than the model's context, {context}");
        return Err(format!("{why}\n  help: choose a smaller one").into());
    }
    let train = training::Train::new(spec, mesh.as_ref(), settings.train.clone())?;
    let step = if mesh.is_some() { train.step() } else { train.step().on(&client) };
    let avals = train.avals(batch, length);
    let (mut lowering, mut flops, mut size, mut ops) = (vec![], 0.0, 0, 0);
    for _ in 0..3 {
        let begin = Instant::now();
        let lowered = step.lower(&avals)?;
        lowering.push(begin.elapsed().as_secs_f64());
        flops = lowered.graph.cost().flops;
        (size, ops) = (lowered.text.len(), lowered.text.matches("stablehlo.").count());
    }
    let lowering = Figure::time("train_trace_lower_s", "s", lowering);
    let program = step.prepare(&avals, &[0, 1])?;
    let mut model = train.place(&avals.0.try_map_named(|_, a| filled(&client, a))?)?;
    let mut state = train.fresh(&model, &client)?;
    let ids: Vec<i32> = (0..batch * (length + 1)).map(|i| (i * 7919 % vocab) as i32).collect();
    let tokens = Array::on(&client, [batch, length + 1], &ids)?;
    let (mut times, mut last) = (vec![], f32::NAN);
    for i in 0..=job.work.repeat {
        let begin = Instant::now();
        let metrics;
        (model, state, metrics) = step.call((model, state, &tokens))?;
        last = metrics.loss.item::<f32>()?;
        if i > 0 {
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    let plan = program.executable().memory_stats()?;
    let planned = plan.arguments + plan.outputs - plan.aliased + plan.temporaries;
    let compile = program.times.compile.as_secs_f64();
    let figure = Figure::time("train_step_s", "s", times);
    let figure = Figure {
        tok_s: Some((batch * length) as f64 / figure.value),
        flops: Some(flops),
        compile_ms: Some((lowering.value + compile) * 1e3),
        planned_bytes: u64::try_from(planned).ok(),
        ..figure
    };
    Ok(vec![
        figure,
        lowering,
        Figure::new("train_compile_s", compile, "s"),
        Figure::new("train_temp_bytes", plan.temporaries as f64, "B"),
        Figure::new("train_stablehlo_bytes", size as f64, "B"),
        Figure::new("train_stablehlo_ops", ops as f64, ""),
        Figure::new("train_loss", last.into(), ""),
    ])
}
