//! The data of a run: rows to train on, and rows to try the model on.
use super::{
    Error, Event, Reporter, Result,
    config::{DataConfig, DatasetConfig, ObjectiveKind, RunConfig},
};
use crate::{tokenizer::Tokenizer, training::data};
use raxla_data::{
    BuildOptions, Component, Dataset, DatasetOptions, Encoding, Holdout, HoldoutSize, Last, Loader, LoaderOptions,
    Mixture, MixtureOptions, Packing, Part, Stop, TokenCache,
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// What a run reads.
pub struct Input {
    /// What is trained on, without end.
    pub train: Loader,
    /// What the model is tried on.
    pub held_out: HeldOut,
    /// How many rows of the training data are an epoch: of the dataset that is seen first.
    pub epoch: u64,
    /// Whether examples are pairs of rows, of which the first is preferred.
    pub pairs: bool,
}

/// Rows that a model is tried on.
pub struct HeldOut {
    /// Datasets by name.
    pub sets: Vec<(String, Arc<Dataset>)>,
    /// Whether rows hold documents that do not see each other.
    pub segments: bool,
    /// Rows of a batch.
    pub batch: usize,
}

/// Which of the records.
#[derive(Clone, Copy)]
enum Use {
    Train,
    Validation,
}

impl Input {
    /// Opens the data; their tokens are made, if they are not there yet.
    ///
    /// # Errors
    /// What is wrong with a source, or with what is asked of it.
    pub fn open(config: &RunConfig, tokenizer: &Arc<Tokenizer>, report: &mut Reporter) -> Result<Input> {
        let data = &config.data;
        let encoding = Encoding { turns: data.turns, ..data::encoding(tokenizer.clone())? };
        let (mut components, mut validation) = (vec![], vec![]);
        for set in &data.train {
            let cache = tokens(set, data, &encoding, report)?;
            let dataset = Arc::new(Dataset::new(cache.clone(), &options(data, Use::Train)?)?);
            if data.holdout > 0.0 && data.validation.is_empty() {
                let held = Arc::new(Dataset::new(cache, &options(data, Use::Validation)?)?);
                if held.is_empty() {
                    let (name, part) = (set.name(), data.holdout);
                    return Err(Error::Usage(format!(
                        "holding out {part} of the records of {name} leaves none to evaluate on\n  help: say split = \"lines\" where a \
                         file is one record, more of them, or files as `data.validation`"
                    )));
                }
                validation.push((set.name().to_string(), held));
            }
            components.push(Component { name: set.name().to_string(), dataset, weight: set.weight });
        }
        let mut held_out = HeldOut::open(config, tokenizer, report)?;
        held_out.sets.extend(validation);
        let pairs = config.objective.kind == ObjectiveKind::Dpo;
        let all = components.iter().map(|c| &c.dataset).chain(held_out.sets.iter().map(|(_, dataset)| dataset));
        if all.into_iter().any(|dataset| (dataset.group() > 1) != pairs) {
            let reason = match pairs {
                true => {
                    "dpo learns from preferences, and the data are texts\n  help: say fields = { preference = {} } of each path"
                }
                false => {
                    "the data are preferences, and this trains on texts\n  help: say objective.kind = \"dpo\", or other `fields`"
                }
            };
            return Err(Error::Usage(reason.into()));
        }
        let once = MixtureOptions { seed: config.seed, shuffle: data.shuffle, stop: Stop::First(1) };
        let epoch = Mixture::new(components.clone(), once)?.len().unwrap_or(0);
        let mixture = Mixture::new(components, MixtureOptions { stop: Stop::Never, ..once })?;
        let loader = LoaderOptions { threads: data.threads, ..LoaderOptions::new(config.batch) };
        Ok(Input { train: Loader::new(mixture, loader)?, held_out, epoch, pairs })
    }
}

impl HeldOut {
    /// The datasets that the configuration has for validation.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn open(config: &RunConfig, tokenizer: &Arc<Tokenizer>, report: &mut Reporter) -> Result<HeldOut> {
        let data = &config.data;
        let encoding = Encoding { turns: data.turns, ..data::encoding(tokenizer.clone())? };
        let mut sets = vec![];
        for set in &data.validation {
            let cache = tokens(set, data, &encoding, report)?;
            let whole = DatasetOptions { part: Part::Whole, ..options(data, Use::Validation)? };
            sets.push((set.name().to_string(), Arc::new(Dataset::new(cache, &whole)?)));
        }
        let segments = matches!(data.packing, Packing::ConcatSegments | Packing::Pack);
        Ok(HeldOut { sets, segments, batch: config.batch })
    }

    /// The held-out rows of one dataset, each once and always in the same order.
    ///
    /// # Errors
    /// A dataset without rows.
    pub fn rows(&self, dataset: &Arc<Dataset>) -> Result<Loader> {
        let once = MixtureOptions { seed: 0, shuffle: false, stop: Stop::First(1) };
        // (pairs of padding would count in a mean over pairs)
        let options = match dataset.group() > 1 {
            true => LoaderOptions::new(self.batch.min(usize::try_from(dataset.len()).unwrap_or(usize::MAX))),
            false => LoaderOptions { last: Last::Pad, ..LoaderOptions::new(self.batch) },
        };
        Ok(Loader::new(Mixture::of(dataset.clone(), once)?, options)?)
    }
}

fn options(data: &DataConfig, what: Use) -> Result<DatasetOptions> {
    let size = match data.holdout {
        x if x <= 0.0 => None,
        x if x < 1.0 => Some(HoldoutSize::Fraction(x)),
        x => Some(HoldoutSize::Count(x as u64)),
    };
    let part = match (size, what) {
        (None, _) => Part::Whole,
        (Some(size), Use::Train) => Part::Train(Holdout { size, seed: 0 }),
        (Some(size), Use::Validation) => Part::Validation(Holdout { size, seed: 0 }),
    };
    Ok(DatasetOptions { packing: data.packing, long: data.long, part, ..DatasetOptions::new(data.length) })
}

/// The tokens of these files.
fn tokens(
    set: &DatasetConfig,
    data: &DataConfig,
    encoding: &Encoding,
    report: &mut Reporter,
) -> Result<Arc<TokenCache>> {
    let folder = data.cache.clone().map_or_else(own_folder, Ok)?;
    let build = BuildOptions { on_bad: data.on_bad, ..BuildOptions::new(folder) };
    let name = set.name().to_string();
    // (the report may not be called from several threads at once)
    let shared = Mutex::new(report);
    let progress = |p: &raxla_data::BuildProgress| {
        if let Ok(mut report) = shared.lock() {
            report(&Event::Tokenising { name: name.clone(), progress: p.clone() });
        }
    };
    let cache = TokenCache::build(&[set.source()], encoding, &build, progress)?;
    let report = shared.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report(&Event::Data { name, stats: cache.stats().clone() });
    Ok(Arc::new(cache))
}

fn own_folder() -> Result<PathBuf> {
    Ok(raxla_xla::raxla_home().map_err(Error::Plugin)?.join("tokens"))
}
