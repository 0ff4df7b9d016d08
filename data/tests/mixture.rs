//! Mixtures: which example comes when.
use crate::common::*;
use proptest::prelude::*;
use raxla_data::{Component, Dataset, DatasetOptions, Mixture, MixtureOptions, Packing, Stop};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// Datasets of these numbers of rows.
pub fn datasets() -> &'static [Arc<Dataset>; 4] {
    static MADE: OnceLock<([Arc<Dataset>; 4], Vec<TempDir>)> = OnceLock::new();
    let (datasets, _) = MADE.get_or_init(|| {
        let mut places = vec![];
        let datasets = [1, 7, 40, 333].map(|n| {
            let (place, cache) = documents(&some_texts(n));
            places.push(place);
            let options = DatasetOptions { packing: Packing::Pad, ..DatasetOptions::new(100) };
            Arc::new(dataset(&cache, &options))
        });
        (datasets, places)
    });
    datasets
}

pub fn mixture(weights: &[f64], options: MixtureOptions) -> Mixture {
    let component = |(i, weight): (usize, &f64)| Component {
        name: format!("part {i}"),
        dataset: datasets()[i % 4].clone(),
        weight: *weight,
    };
    Mixture::new(weights.iter().enumerate().map(component).collect(), options).unwrap()
}

proptest! {
    #[test]
    fn shares_are_kept_and_each_epoch_is_whole(weights in prop::collection::vec(0.001f64..10.0, 1..6), seed in 0u64..100, n in 1u64..3000) {
        let mixed = mixture(&weights, MixtureOptions { seed, ..Default::default() });
        let total: f64 = weights.iter().sum();
        let mut counts = vec![0; weights.len()];
        let mut seen: Vec<Vec<u64>> = vec![vec![]; weights.len()];
        for i in 0..n {
            prop_assert_eq!(&mixed.counts(i), &counts);
            let example = mixed.example(i);
            let rows = mixed.components()[example.component].dataset.len();
            prop_assert_eq!(example.epoch, counts[example.component] / rows);
            counts[example.component] += 1;
            let seen = &mut seen[example.component];
            seen.push(example.index);
            if seen.len() as u64 == rows {
                seen.sort();
                prop_assert_eq!(std::mem::take(seen), (0..rows).collect::<Vec<u64>>());
            }
        }
        for (count, weight) in counts.iter().zip(&weights) {
            let off = *count as f64 - n as f64 * weight / total;
            prop_assert!(off.abs() < weights.len() as f64, "{} examples of {}: {}", count, n, off);
        }
    }
}

#[test]
fn far_away_it_is_the_same() {
    let mixed = mixture(&[1.0, 2.0, 5.0], MixtureOptions::default());
    let start = 1 << 61;
    let mut counts = mixed.counts(start);
    for i in start..start + 100 {
        assert_eq!(mixed.counts(i), counts);
        counts[mixed.example(i).component] += 1;
    }
    assert_eq!(counts.iter().sum::<u64>(), start + 100);
}

#[test]
fn orders_depend_on_seed_epoch_and_name() {
    let indices = |options: MixtureOptions, from: u64| -> Vec<u64> {
        let mixed = Mixture::of(datasets()[2].clone(), options).unwrap();
        (from..from + 40).map(|i| mixed.example(i).index).collect()
    };
    let seed = |seed| MixtureOptions { seed, ..Default::default() };
    let first = indices(seed(0), 0);
    assert_eq!(first, indices(seed(0), 0));
    assert!(first != indices(seed(1), 0) && first != indices(seed(0), 40));
    let still = MixtureOptions { shuffle: false, ..seed(0) };
    assert_eq!(indices(still, 0), (0..40).collect::<Vec<u64>>());
    assert_eq!(indices(still, 40), (0..40).collect::<Vec<u64>>());
}

#[test]
fn ends() {
    let weights = [0.0, 1.0, 1.0]; // 7 and 40 rows
    let of = |stop| {
        let options = MixtureOptions { stop, ..Default::default() };
        let component =
            |i: usize| Component { name: format!("{i}"), dataset: datasets()[i].clone(), weight: weights[i] };
        Mixture::new(vec![component(1), component(2)], options).unwrap().len()
    };
    assert_eq!(of(Stop::Never), None);
    let first = of(Stop::First(1)).unwrap();
    assert!((13..=14).contains(&first), "{first}");
    let all = of(Stop::All(1)).unwrap();
    assert!((79..=80).contains(&all), "{all}");
    assert!((27..=28).contains(&of(Stop::First(2)).unwrap()));
    let one = |stop| Mixture::of(datasets()[2].clone(), MixtureOptions { stop, ..Default::default() }).unwrap().len();
    assert_eq!([one(Stop::First(1)), one(Stop::All(3))], [Some(40), Some(120)]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let component =
        |name: &str, dataset: &Arc<Dataset>, weight| Component { name: name.into(), dataset: dataset.clone(), weight };
    let a = &datasets()[2];
    let (_place, cache) = documents(&some_texts(5));
    let longer = Arc::new(dataset(&cache, &DatasetOptions::new(300)));
    let (_empty_place, none) = documents(&[]);
    let empty = Arc::new(dataset(&none, &DatasetOptions::new(100)));
    let table = [
        (vec![], "there is no dataset to mix"),
        (vec![component("a", a, 1.0), component("a", a, 1.0)], "two datasets are called a"),
        (vec![component("a", a, 0.0)], "the dataset a has the weight 0"),
        (vec![component("a", a, f64::NAN)], "the dataset a has the weight NaN"),
        (
            vec![component("a", a, 1.0), component("b", &longer, 1.0)],
            "the datasets a and b differ: (100, 1) and (300, 1)",
        ),
        (vec![component("a", &empty, 1.0)], "the dataset a has no rows: "),
    ];
    for (components, wanted) in table {
        let error = text_of(Mixture::new(components, MixtureOptions::default()));
        assert!(error.contains(wanted) && error.contains("help: "), "{error}");
    }
    let error = text_of(Mixture::of(a.clone(), MixtureOptions { stop: Stop::All(0), ..Default::default() }));
    assert!(error.contains("a mixture that ends after 0 epochs"), "{error}");
}
