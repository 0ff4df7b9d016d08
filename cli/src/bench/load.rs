//! `bench load`: from files to parameters on the device, and from the start of a process to its first token.
use super::{Job, child, figure::Figure, settings::What::Load};
use crate::Result;
use raxla::Tree;
use raxla_graphs::Generation;
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// In a process of its own: load, and generate one token.
pub fn once(job: &Job) -> Result<Vec<Figure>> {
    let mut settings = job.settings.clone();
    let (client, _) = settings.devices(job.global)?;
    let model = job.model.load_as(&settings.load, &client)?;
    let vocab = model.spec().vocab();
    let prompt: Vec<u32> = (0..job.work.prompt(Load)).map(|i| (i * 7919 % vocab) as u32).collect();
    let options = Generation { max_new_tokens: 1, ignore_eos: true, ..Generation::default() };
    model.generate_tokens(&prompt, &options, |_| Ok(ControlFlow::Continue(())))?;
    let bytes: usize = model.params().leaves().iter().map(|a| a.aval().bytes()).sum();
    let load = Figure::new("load_s", model.load_time.as_secs_f64(), "s");
    Ok(vec![load, Figure::new("parameter_bytes", bytes as f64, "B")])
}

/// In the parent: as many such processes as are asked for, after one that fills the caches of the system and of programs.
pub fn load(variant: &str, repeat: usize) -> Result<Vec<Figure>> {
    let (mut loads, mut starts, mut bytes, mut peak) = (vec![], vec![], 0.0, None);
    let mut config = None;
    for i in 0..=repeat {
        let begin = Instant::now();
        let figures = child::run(variant)?;
        let whole: Duration = begin.elapsed();
        for figure in figures {
            match &*figure.metric {
                "load_s" if i > 0 => {
                    loads.push(figure.value);
                    peak = peak.max(figure.peak_rss_bytes);
                    config = Some(figure.config);
                }
                "parameter_bytes" => bytes = figure.value,
                _ => {}
            }
        }
        if i > 0 {
            starts.push(whole.as_secs_f64());
        }
    }
    let config = config.unwrap_or_default();
    let load = Figure { bytes: Some(bytes), peak_rss_bytes: peak, ..Figure::time("load_s", "s", loads) };
    let start = Figure::time("start_to_first_token_s", "s", starts);
    let parameters = Figure::new("parameter_bytes", bytes, "B");
    Ok([load, start, parameters].into_iter().map(|f| Figure { config: config.clone(), ..f }).collect())
}
