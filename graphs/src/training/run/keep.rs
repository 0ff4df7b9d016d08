//! What a checkpoint holds beside arrays, and which checkpoints are kept.
use super::{Result, config::CheckpointConfig, config::RunConfig};
use raxla::checkpoint::{BestMode, CheckpointManagerOptions, Metadata, PreservationPolicy};
use raxla_data::Position;

/// The name of the metric by which checkpoints are the best.
const METRIC: &str = "eval_loss";

/// Where a run is, besides its arrays.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// Steps that were taken.
    pub step: u64,
    /// Where the next batch begins.
    pub position: Position,
    /// Tokens that were learned from.
    pub tokens: u64,
    /// How often a batch was not learned from, because a number was not finite.
    pub not_finite: u64,
}

impl Place {
    /// As a checkpoint's metadata.
    pub(super) fn metadata(&self, config: &RunConfig, eval_loss: Option<f64>) -> Result<Metadata> {
        let metadata = Metadata::default()
            .with("position", &self.position)?
            .with("tokens", &self.tokens)?
            .with("not_finite", &self.not_finite)?
            .with("seed", &config.seed)?
            .with("config", config)?;
        Ok(match eval_loss {
            Some(loss) => metadata.metric(METRIC, loss),
            None => metadata,
        })
    }
    /// What the metadata of a checkpoint say; of one that is none of a run, nothing.
    pub(super) fn of(step: u64, metadata: &Metadata) -> Result<Option<Place>> {
        let Some(position) = metadata.get("position")? else { return Ok(None) };
        let number = |name| metadata.get::<u64>(name).map(Option::unwrap_or_default);
        Ok(Some(Place { step, position, tokens: number("tokens")?, not_finite: number("not_finite")? }))
    }
}

/// Which checkpoints are kept.
pub(super) fn options(c: &CheckpointConfig) -> CheckpointManagerOptions {
    let best = PreservationPolicy::BestN { metric: METRIC.into(), mode: BestMode::Min, n: c.keep_best };
    let mut preservation = vec![PreservationPolicy::LatestN(c.keep_last.max(1))];
    preservation.extend((c.keep_best > 0).then_some(best));
    preservation.extend((c.keep_every > 0).then_some(PreservationPolicy::EveryNSteps(c.keep_every)));
    CheckpointManagerOptions { preservation, ..CheckpointManagerOptions::default() }
}
