//! Which checkpoints stay.
use super::{Checkpoint, Metadata, save::folder_of, steps};
use crate::{error::Result, file::Draft};
use std::{cmp::Ordering, collections::BTreeSet, path::Path};

/// Which checkpoints are kept. What one of several policies keeps is kept; without a policy, all are. The newest whole one is
/// kept always. Orbax: `preservation_policy`.
#[derive(Clone, Debug, PartialEq)]
pub enum PreservationPolicy {
    /// The last so many.
    LatestN(usize),
    /// The best so many by a metric of the [`Metadata`]. Those without it, or with NaN, are never among them; of equal ones the
    /// newer are.
    BestN {
        /// The metric.
        metric: String,
        /// Which values are better.
        mode: BestMode,
        /// How many.
        n: usize,
    },
    /// Those whose step is a multiple of this; of 0, none.
    EveryNSteps(u64),
}

/// Which values of a metric are better. Orbax: `best_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BestMode {
    /// Small ones: a loss.
    Min,
    /// Large ones: an accuracy.
    Max,
}

/// The steps, the best first, of those that have the metric.
pub(super) fn ranked(all: &[(u64, Metadata)], metric: &str, mode: BestMode) -> Vec<u64> {
    let with = |(step, m): &(u64, Metadata)| Some((*m.metrics.get(metric).filter(|x| !x.is_nan())?, *step));
    let mut found: Vec<(f64, u64)> = all.iter().filter_map(with).collect();
    found.sort_by(|a, b| {
        let order = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
        let order = if mode == BestMode::Min { order } else { order.reverse() };
        order.then(b.1.cmp(&a.1))
    });
    found.into_iter().map(|(_, step)| step).collect()
}

/// The steps that stay, of these whole checkpoints in the order of steps.
pub(super) fn kept(all: &[(u64, Metadata)], policies: &[PreservationPolicy]) -> BTreeSet<u64> {
    let newest_first = || all.iter().rev().map(|(step, _)| *step);
    let mut kept: BTreeSet<u64> = newest_first().take(if policies.is_empty() { usize::MAX } else { 1 }).collect();
    for policy in policies {
        match policy {
            PreservationPolicy::LatestN(n) => kept.extend(newest_first().take(*n)),
            PreservationPolicy::BestN { metric, mode, n } => {
                kept.extend(ranked(all, metric, *mode).into_iter().take(*n))
            }
            PreservationPolicy::EveryNSteps(n) => {
                kept.extend(newest_first().filter(|s| *n > 0 && s.is_multiple_of(*n)))
            }
        }
    }
    kept
}

/// The whole checkpoints of a folder, as far as their indices tell, in the order of steps.
pub(super) fn whole(folder: &Path, damaged: &BTreeSet<u64>) -> Result<Vec<(u64, Metadata)>> {
    let metadata = |step| Checkpoint::open(folder_of(folder, step)).ok().map(|c| (step, c.index.metadata));
    Ok(steps(folder)?.into_iter().filter(|step| !damaged.contains(step)).filter_map(metadata).collect())
}

/// Removes what no policy keeps, each at once. What is damaged is neither counted nor removed: somebody may want to look at it.
pub(super) fn apply(folder: &Path, policies: &[PreservationPolicy], damaged: &BTreeSet<u64>) -> Result<()> {
    if policies.is_empty() {
        return Ok(());
    }
    let all = whole(folder, damaged)?;
    let kept = kept(&all, policies);
    for (step, _) in all.iter().filter(|(step, _)| !kept.contains(step)) {
        let path = folder_of(folder, *step);
        // (the next one that is saved tries again)
        Draft::discard(&path).unwrap_or_else(|e| tracing::warn!("{} cannot be removed: {e}", path.display()));
    }
    Ok(())
}
