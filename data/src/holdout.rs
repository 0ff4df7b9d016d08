//! Which records are held out for validation.

use crate::{Error, Result, shuffle::hash};
use serde::{Deserialize, Serialize};

/// How many records are held out. The records are divided into as many runs of (almost) equal length, and from each run one is
/// held out at random. So those held out come evenly from all sources, both parts keep the order of the sources, and where a
/// record is can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// How many.
    pub size: HoldoutSize,
    /// Chooses which ones.
    #[serde(default)]
    pub seed: u64,
}

/// How many records are held out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldoutSize {
    /// So many.
    Count(u64),
    /// This part of all, from 0 to 1, rounded.
    Fraction(f64),
}

/// Which records of a cache to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All.
    #[default]
    Whole,
    /// Those that are not held out.
    Train(Holdout),
    /// Those that are held out.
    Validation(Holdout),
}

/// Records of a cache, by their index among those taken.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    records: u64,
    held: u64,
    seed: u64,
    part: Part,
}

impl Selection {
    /// What `part` takes of so many records.
    pub fn new(part: Part, records: u64) -> Result<Selection> {
        let (held, seed) = match part {
            Part::Whole => (0, 0),
            Part::Train(Holdout { size, seed }) | Part::Validation(Holdout { size, seed }) => match size {
                HoldoutSize::Count(n) if n <= records => (n, seed),
                HoldoutSize::Fraction(f) if (0.0..=1.0).contains(&f) => {
                    (((records as f64 * f).round() as u64).min(records), seed)
                }
                size => {
                    return Err(Error::Options(format!(
                        "{size:?} of {records} records cannot be held out for validation\n  help: say a `fraction` from 0 to 1, \
                         or a `count` of at most {records}"
                    )));
                }
            },
        };
        Ok(Selection { records, held, seed, part })
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match self.part {
            Part::Whole => self.records,
            Part::Train(_) => self.records - self.held,
            Part::Validation(_) => self.held,
        }
    }

    /// The record at this index, which is less than [`Selection::len`].
    pub fn at(&self, i: u64) -> u64 {
        match self.part {
            Part::Whole => i,
            Part::Validation(_) => self.held_out(i),
            // as many are held out before it as have at most i records before them that are not
            Part::Train(_) => {
                let (mut low, mut high) = (0, self.held);
                while low < high {
                    let middle = low + (high - low) / 2;
                    match self.held_out(middle) - middle <= i {
                        true => low = middle + 1,
                        false => high = middle,
                    }
                }
                i + low
            }
        }
    }

    /// The record that is held out from this run.
    fn held_out(&self, run: u64) -> u64 {
        let begin = |run: u64| (u128::from(run) * u128::from(self.records) / u128::from(self.held.max(1))) as u64;
        let (begin, end) = (begin(run), begin(run + 1));
        begin + hash(&[self.seed, run]) % (end - begin).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        for records in [0, 1, 2, 7, 100, 101] {
            for held in 0..=records.min(101) {
                let holdout = Holdout { size: HoldoutSize::Count(held), seed: held };
                let [train, validation] = [Part::Train(holdout), Part::Validation(holdout)]
                    .map(|part| Selection::new(part, records).unwrap());
                let all = |s: &Selection| (0..s.len()).map(|i| s.at(i)).collect::<Vec<u64>>();
                let (a, b) = (all(&train), all(&validation));
                assert!(a.is_sorted() && b.is_sorted() && b.len() as u64 == held);
                let mut both = [a, b].concat();
                both.sort();
                assert_eq!(both, (0..records).collect::<Vec<u64>>(), "{held} of {records}");
            }
        }
        let of = |size| Selection::new(Part::Validation(Holdout { size, seed: 0 }), 1000);
        assert_eq!(of(HoldoutSize::Fraction(0.05)).unwrap().len(), 50);
        for size in [HoldoutSize::Count(1001), HoldoutSize::Fraction(1.5), HoldoutSize::Fraction(f64::NAN)] {
            assert!(of(size).unwrap_err().to_string().contains("help: say a `fraction`"));
        }
    }
}
