//! `bench compile`: tracing, lowering and compiling, without weights.
use super::{
    Job,
    figure::Figure,
    settings::What::{Decode, Train},
};
use crate::Result;
use raxla::{Client, Lowered, Tensor, Tree};
use raxla_graphs::{
    Files, Sampling, WeightSource, buckets,
    config::HfConfig,
    models::Decoder,
    programs::{Placement, step, step_avals},
    training,
};

/// For each number of layers that is asked for, and each program.
pub fn compile(job: &Job) -> Result<Vec<Figure>> {
    let mut all = vec![];
    match job.layers {
        [] => all.extend(programs(job, job.model.files_here()?)?),
        depths => {
            for n in depths {
                // (of layers that no file has, weights are random)
                let files = job.model.files_here()?;
                let (config, weights) = (with_layers(&files.config, *n)?, WeightSource::Random(0));
                let mut made = programs(job, Files { config, weights, adapter: None, ..files })?;
                made.iter_mut().for_each(|figure| {
                    figure.config.insert("layers".into(), (*n).into());
                });
                all.extend(made);
            }
        }
    }
    Ok(all)
}

/// The same model with another number of layers.
fn with_layers(config: &HfConfig, n: usize) -> Result<HfConfig> {
    let key = ["num_hidden_layers", "n_layer"].into_iter().find(|key| config.get(key).is_some());
    let key =
        key.ok_or("this model's configuration does not say how many layers it has\n  help: leave out --layers")?;
    Ok(config.with(&format!("{{\"{key}\": {n}}}")))
}

fn programs(job: &Job, mut files: Files) -> Result<Vec<Figure>> {
    let mut settings = job.settings.clone();
    let (client, mesh) = settings.devices(job.global)?;
    let spec = files.held(&settings.load, &client)?;
    let shape = Sampling::default().shape();
    let (rows, prompt) = (job.work.batch(Decode), job.work.prompt(Decode));
    let (t, slots) = buckets(prompt, prompt + job.work.new);
    let place = mesh.as_ref().map(|mesh| Placement::new(mesh, &client, &spec)).transpose()?;
    let mut all = vec![];
    for (name, t) in [("decode", 1), ("prefill", t)] {
        let step = || match &place {
            Some(place) => place.step(shape),
            None => step(shape).on(&client),
        };
        let avals = step_avals(&spec, settings.dtype()?, shape, [rows, t], [slots, 0]);
        all.extend(stages(name, job.work.repeat, &client, || Ok(step().lower(&avals)?))?);
    }
    let spec = Decoder::of(&files.config, settings.load.scanned)?;
    let train = training::Train::new(spec, mesh.as_ref(), settings.train.clone())?;
    let avals = train.avals(job.work.batch(Train), job.work.prompt(Train));
    let lower = || match mesh {
        Some(_) => Ok(train.step().lower(&avals)?),
        None => Ok(train.step().on(&client).lower(&avals)?),
    };
    all.extend(stages("train", job.work.repeat, &client, lower)?);
    Ok(all)
}

/// The stages of one program; each time as if it were the first.
fn stages<A: Tree<Tensor>, Y: Tree<Tensor>>(
    name: &str,
    repeat: usize,
    client: &Client,
    lower: impl Fn() -> Result<Lowered<A, Y>>,
) -> Result<Vec<Figure>> {
    let (mut trace, mut lowering, mut compile) = (vec![], vec![], vec![]);
    let mut size = 0;
    for _ in 0..repeat {
        let lowered = lower()?;
        size = lowered.text.len();
        let times = lowered.compile(client)?.times;
        trace.push(times.trace.as_secs_f64());
        lowering.push(times.lower.as_secs_f64());
        compile.push(times.compile.as_secs_f64());
    }
    Ok(vec![
        Figure::time(&format!("{name}_compile_ms"), "ms", compile),
        Figure::time(&format!("{name}_trace_ms"), "ms", trace),
        Figure::time(&format!("{name}_lower_ms"), "ms", lowering),
        Figure::new(&format!("{name}_stablehlo_bytes"), size as f64, "B"),
    ])
}
