//! Several datasets as one, by weights.

use crate::{
    Dataset, Error, Result,
    shuffle::{Permutation, hash, hash_name},
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// When a mixture ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Never: each dataset begins anew after its last example.
    #[default]
    Never,
    /// When the first dataset has been seen so many times.
    First(u64),
    /// When every dataset has been seen so many times, and those with fewer examples for their weight more often.
    All(u64),
}

/// A dataset of a mixture.
#[derive(Clone)]
pub struct Component {
    /// Its name: it is counted by it, and its order depends on it.
    pub name: String,
    /// Its rows.
    pub dataset: Arc<Dataset>,
    /// Its share of examples, in proportion to the sum of all weights.
    pub weight: f64,
}

/// Several datasets as one endless list of examples. Which dataset an example is from, and which of its examples it is, is
/// computed from the example's number: nothing needs to be remembered or repeated to begin anywhere.
///
/// The datasets take turns as evenly as their weights permit. Of the first `n` examples, `n p + c` rounded down are the first
/// dataset's, where `p` is its share and `c` a number between 0 and 1 that the seed chooses (a Beatty sequence); the others
/// are divided among the other datasets in the same way. So with two datasets no number of examples is off by one whole, and
/// with more of them by few.
///
/// Each dataset is shuffled by itself, in each of its epochs anew.
#[derive(Clone)]
pub struct Mixture {
    components: Vec<Component>,
    /// For each component but the last, its share of what the ones before leave, as a fraction of 2^64; and `c`, likewise.
    shares: Vec<(u128, u64)>,
    options: MixtureOptions,
}

/// How datasets are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureOptions {
    /// Chooses the order of examples.
    #[serde(default)]
    pub seed: u64,
    /// Whether each dataset is shuffled, in each epoch anew.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// When it ends.
    #[serde(default)]
    pub stop: Stop,
}

fn yes() -> bool {
    true
}

impl Default for MixtureOptions {
    fn default() -> MixtureOptions {
        MixtureOptions { seed: 0, shuffle: true, stop: Stop::Never }
    }
}

/// An example of a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The number of its dataset.
    pub component: usize,
    /// How often the dataset has been seen before.
    pub epoch: u64,
    /// Its number in the dataset.
    pub index: u64,
}

impl Mixture {
    /// Mixes these datasets.
    ///
    /// # Errors
    /// No dataset, or one without rows; rows that differ in length; weights that are not positive; equal names.
    pub fn new(components: Vec<Component>, options: MixtureOptions) -> Result<Mixture> {
        let refuse = |reason: String| Err(Error::Options(reason));
        let Some(first) = components.first() else {
            return refuse("there is no dataset to mix\n  help: name at least one".into());
        };
        let shape = |c: &Component| (c.dataset.options().length, c.dataset.group());
        for (i, c) in components.iter().enumerate() {
            let name = &c.name;
            if c.dataset.is_empty() {
                let s = c.dataset.stats();
                return refuse(format!(
                    "the dataset {name} has no rows: of {} tokens there is nothing to learn from {} sequences, and {} are too long\n  \
                     help: look at its sources, and at what is held out",
                    s.tokens, s.nothing_to_learn, s.too_long
                ));
            }
            if !(c.weight.is_finite() && c.weight > 0.0) {
                return refuse(format!(
                    "the dataset {name} has the weight {}\n  help: leave it out, or say a positive weight",
                    c.weight
                ));
            }
            if shape(c) != shape(first) {
                return refuse(format!(
                    "the datasets {} and {name} differ: {:?} and {:?} (tokens per row, rows per example)\n  help: give all the same \
                     `length`, and train on preferences by themselves",
                    first.name,
                    shape(first),
                    shape(c)
                ));
            }
            if components[..i].iter().any(|other| other.name == *name) {
                return refuse(format!("two datasets are called {name}\n  help: give each a name of its own"));
            }
        }
        if matches!(options.stop, Stop::First(0) | Stop::All(0)) {
            return refuse("a mixture that ends after 0 epochs has no examples\n  help: say 1 or more".into());
        }
        let mut shares = vec![];
        for (i, c) in components.iter().enumerate().take(components.len() - 1) {
            let rest: f64 = components[i..].iter().map(|c| c.weight).sum();
            let share = (c.weight / rest * 2f64.powi(64)).round() as u128;
            shares.push((share.min(1 << 64), hash(&[options.seed, hash_name(&c.name)])));
        }
        Ok(Mixture { components, shares, options })
    }

    /// One dataset as a mixture.
    ///
    /// # Errors
    /// A dataset without rows.
    pub fn of(dataset: Arc<Dataset>, options: MixtureOptions) -> Result<Mixture> {
        Mixture::new(vec![Component { name: "data".into(), dataset, weight: 1.0 }], options)
    }

    /// What is mixed.
    pub fn components(&self) -> &[Component] {
        &self.components
    }
    /// How it is mixed.
    pub fn options(&self) -> &MixtureOptions {
        &self.options
    }

    /// How many of the first `n` examples are each dataset's.
    pub fn counts(&self, n: u64) -> Vec<u64> {
        let mut left = n;
        let mut counts: Vec<u64> = vec![];
        for share in &self.shares {
            let count = taken(left, *share);
            counts.push(count);
            left -= count;
        }
        counts.push(left);
        counts
    }

    /// How many examples there are; `None` if it never ends.
    pub fn len(&self) -> Option<u64> {
        let (epochs, all) = match self.options.stop {
            Stop::Never => return None,
            Stop::First(epochs) => (epochs, false),
            Stop::All(epochs) => (epochs, true),
        };
        let seen = |(i, c): (usize, &Component)| {
            let wanted = c.dataset.len().saturating_mul(epochs);
            let (mut low, mut high) = (0, u64::MAX >> 1);
            while low < high {
                let middle = low + (high - low) / 2;
                match self.counts(middle)[i] < wanted {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            low
        };
        let ends = self.components.iter().enumerate().map(seen);
        if all { ends.max() } else { ends.min() }
    }

    /// Whether it has no examples, which is never so.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Example number `n`, below 2^63.
    pub fn example(&self, n: u64) -> Example {
        let (mut component, mut count) = (self.shares.len(), n);
        for (i, share) in self.shares.iter().enumerate() {
            let before = taken(count, *share);
            if taken(count + 1, *share) > before {
                (component, count) = (i, before);
                break;
            }
            count -= before;
        }
        let Component { name, dataset, .. } = &self.components[component];
        let (epoch, i) = (count / dataset.len(), count % dataset.len());
        let index = match self.options.shuffle {
            true => Permutation::new(dataset.len(), hash(&[self.options.seed, hash_name(name), epoch])).at(i),
            false => i,
        };
        Example { component, epoch, index }
    }

    /// A name that no other list of examples has, whenever it ends.
    pub fn fingerprint(&self) -> String {
        let all = self.components.iter().map(|c| (&c.name, c.weight, c.dataset.fingerprint()));
        let all: Vec<_> = all.collect();
        crate::cache::key_name(&serde_json::json!([all, self.options.seed, self.options.shuffle]))
    }
}

/// How many of the first `n` go to a component: `n p + c`, rounded down. One that takes everything takes exactly `n`.
fn taken(n: u64, (share, c): (u128, u64)) -> u64 {
    ((u128::from(n) * share + u128::from(c)) >> 64) as u64
}

impl fmt::Debug for Mixture {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let all = self.components.iter().map(|c| (&c.name, c.weight, c.dataset.len()));
        f.debug_list().entries(all).finish()
    }
}
