//! Rows, token by token.
use crate::common::*;
use proptest::prelude::*;
use raxla_data::{
    Dataset, DatasetOptions, Encoding, Fields, Holdout, HoldoutSize, Long, Packing, Part, Row, Source, TokenCache,
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

const E: i32 = EOS as i32;

fn row(tokens: &[i32], segment_ids: &[i32], positions: &[i32], mask: &[u8]) -> Row {
    let loss_mask = mask.iter().map(|m| f32::from(*m)).collect();
    Row { tokens: tokens.into(), segment_ids: segment_ids.into(), positions: positions.into(), loss_mask }
}

fn all(dataset: &Dataset) -> Vec<Row> {
    (0..dataset.len()).map(|i| dataset.row(i).unwrap()).collect()
}

#[test]
fn each_packing_of_three_documents() {
    let (_place, cache) = documents(&["ab", "cdefgh", "i"].map(String::from));
    let [a, b, c, d, e, f, g, h, i] = std::array::from_fn(|i| b'a' as i32 + i as i32);
    let with = |packing, long| all(&dataset(&cache, &DatasetOptions { packing, long, ..DatasetOptions::new(4) }));
    let (ones, count) = ([1, 1, 1, 1], [0, 1, 2, 3]);
    let rows = [
        row(&[a, b, E, c, d], &ones, &count, &[1, 1, 1, 1]),
        row(&[d, e, f, g, h], &ones, &count, &[1, 1, 1, 1]),
        row(&[h, E, i, E, 0], &ones, &count, &[1, 1, 1, 0]),
    ];
    assert_eq!(with(Packing::Concat, Long::Split), rows);
    let rows = [
        row(&[a, b, E, c, d], &[1, 1, 1, 2], &[0, 1, 2, 0], &[1, 1, 0, 1]),
        row(&[d, e, f, g, h], &ones, &count, &[1, 1, 1, 1]),
        row(&[h, E, i, E, 0], &[1, 1, 2, 2], &[0, 1, 0, 1], &[1, 0, 1, 0]),
    ];
    assert_eq!(with(Packing::ConcatSegments, Long::Split), rows);
    let [ab, last] = [
        row(&[a, b, E, i, E], &[1, 1, 1, 2], &[0, 1, 2, 0], &[1, 1, 0, 1]),
        row(&[g, h, E, 0, 0], &[1, 1, 1, 0], &[0, 1, 2, 0], &[1, 1, 0, 0]),
    ];
    let cut = row(&[c, d, e, f, g], &ones, &count, &[1, 1, 1, 1]);
    let rows = [row(&[a, b, E, i, E], &[1, 1, 1, 2], &[0, 1, 2, 0], &[1, 1, 0, 1]), cut.clone(), last.clone()];
    assert_eq!(with(Packing::Pack, Long::Split), rows);
    assert_eq!(with(Packing::Pack, Long::Truncate), [ab.clone(), cut.clone()]);
    assert_eq!(with(Packing::Pack, Long::Drop), [ab]);
    let short = |x, y| row(&[x, y, 0, 0, 0], &[1, 1, 0, 0], &[0, 1, 0, 0], &[1, 0, 0, 0]);
    let three = row(&[a, b, E, 0, 0], &[1, 1, 1, 0], &[0, 1, 2, 0], &[1, 1, 0, 0]);
    assert_eq!(with(Packing::Pad, Long::Split), [three.clone(), cut.clone(), last, short(i, E)]);
    assert_eq!(with(Packing::Pad, Long::Truncate), [three.clone(), cut, short(i, E)]);
    assert_eq!(with(Packing::Pad, Long::Drop), [three, short(i, E)]);
}

#[test]
fn only_what_is_learned_is_in_the_mask() {
    let pairs = [("ab", "cd"), ("efghijkl", "m"), ("n", "")];
    let lines: Vec<String> =
        pairs.iter().map(|(a, b)| json!({ "prompt": a, "completion": b }).to_string() + "\n").collect();
    let place = folder(&[("a.jsonl", lines.concat().as_bytes())]);
    let fields = Fields::Completion { prompt: "prompt".into(), completion: "completion".into() };
    let source = Source { fields, ..source(&place, "a.jsonl") };
    let encoding = Encoding { eos: None, ..encoding() };
    let cache = Arc::new(TokenCache::build(&[source], &encoding, &options(&place), |_| {}).unwrap());
    // abcd|efghijklm|n, of which c, d and m are learned
    let masks = |packing| -> Vec<(String, String)> {
        let rows = all(&dataset(&cache, &DatasetOptions { packing, ..DatasetOptions::new(5) }));
        let text = |row: &Row| row.tokens.iter().map(|t| if *t == 0 { '.' } else { *t as u8 as char }).collect();
        let mask = |row: &Row| row.loss_mask.iter().map(|m| if *m == 1.0 { '1' } else { '0' }).collect();
        rows.iter().map(|row| (text(row), mask(row))).collect()
    };
    let shown = |rows: &[(&str, &str)]| rows.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
    assert_eq!(masks(Packing::Concat), shown(&[("abcdef", "01100"), ("fghijk", "00000"), ("klmn..", "01000")]));
    // what holds nothing to learn is left out
    assert_eq!(masks(Packing::Pad), shown(&[("abcd..", "01100"), ("jklm..", "00100")]));
    let packed = dataset(&cache, &DatasetOptions { packing: Packing::Pack, ..DatasetOptions::new(5) });
    assert_eq!((packed.stats().nothing_to_learn, packed.stats().sequences), (1, 2));
}

#[test]
fn parts_and_orders() {
    let texts = some_texts(100);
    let (_place, cache) = documents(&texts);
    let of = |part, document_seed| {
        let options = DatasetOptions { packing: Packing::Pad, part, document_seed, ..DatasetOptions::new(200) };
        let rows = all(&dataset(&cache, &options));
        let text = |row: Row| {
            row.tokens.into_iter().take_while(|token| *token != E).map(|token| token as u8 as char).collect::<String>()
        };
        rows.into_iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(of(Part::Whole, None), texts);
    let shuffled = of(Part::Whole, Some(1));
    assert!(shuffled != texts && shuffled == of(Part::Whole, Some(1)) && shuffled != of(Part::Whole, Some(2)));
    let holdout = Holdout { size: HoldoutSize::Fraction(0.1), seed: 4 };
    for seed in [None, Some(9)] {
        let (train, validation) = (of(Part::Train(holdout), seed), of(Part::Validation(holdout), seed));
        assert_eq!((train.len(), validation.len()), (90, 10));
        let mut both = [train, validation, shuffled.clone()].concat();
        both.sort();
        assert!(both.chunks(2).all(|two| two[0] == two[1]), "each is in one part");
    }
}

/// A token that is a target, and those before it in its segment: what a model learns from it.
type Lesson = (Vec<i32>, i32);

fn lessons(rows: &[Row]) -> BTreeMap<Lesson, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        for t in 0..row.loss_mask.len() {
            if row.loss_mask[t] == 1.0 {
                let segment = row.segment_ids[t];
                let first = (0..=t).find(|i| row.segment_ids[*i] == segment).unwrap();
                let positions: Vec<i32> = (0..=(t - first) as i32).collect();
                assert_eq!(row.positions[first..=t], positions);
                *counts.entry((row.tokens[first..=t].to_vec(), row.tokens[t + 1])).or_default() += 1;
            }
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Where documents fit into rows, a packed row teaches what the documents by themselves do: each token once, after those
    /// before it in its document and no others.
    #[test]
    fn packed_rows_teach_what_padded_ones_do(lengths in prop::collection::vec(1usize..30, 1..80), seed in prop::option::of(0u64..9)) {
        let text = |(i, n): (usize, &usize)| format!("{i:03}").chars().cycle().take(*n).collect::<String>();
        let texts: Vec<String> = lengths.iter().enumerate().map(text).collect();
        let (_place, cache) = documents(&texts);
        let with = |packing| dataset(&cache, &DatasetOptions { packing, document_seed: seed, ..DatasetOptions::new(30) });
        let (padded, packed, joined) = (with(Packing::Pad), with(Packing::Pack), with(Packing::Concat));
        prop_assert_eq!(lessons(&all(&padded)), lessons(&all(&packed)));
        prop_assert!(packed.stats().efficiency() >= padded.stats().efficiency());
        let targets: usize = lessons(&all(&padded)).values().sum();
        prop_assert_eq!(targets, lengths.iter().sum::<usize>());
        // joined, each token but the first is learned, too
        let targets: usize = lessons(&all(&joined)).values().sum();
        prop_assert_eq!(targets as u64, cache.stats().tokens - 1);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (_place, cache) = documents(&some_texts(10));
    let error = text_of(Dataset::new(cache.clone(), &DatasetOptions::new(0)));
    assert!(error.contains("rows cannot have 0 tokens\n  help:"), "{error}");
    let part = Part::Train(Holdout { size: HoldoutSize::Count(11), seed: 0 });
    let error = text_of(Dataset::new(cache.clone(), &DatasetOptions { part, ..DatasetOptions::new(4) }));
    assert!(error.contains("Count(11) of 10 records cannot be held out") && error.contains("help:"), "{error}");
    let rows = dataset(&cache, &DatasetOptions::new(4));
    assert!(text_of(rows.row(rows.len())).starts_with("there is no row "));
    // the folder of the cache can be read, but not written
    let text = "part = { train = { size = { fraction = 0.1 } } }\nlength = 8\npacking = \"pack\"\nlong = \"drop\"";
    let options: DatasetOptions = toml::from_str(text).unwrap();
    let holdout = Holdout { size: HoldoutSize::Fraction(0.1), seed: 0 };
    let wanted = DatasetOptions {
        part: Part::Train(holdout),
        packing: Packing::Pack,
        long: Long::Drop,
        ..DatasetOptions::new(8)
    };
    assert_eq!(options, wanted);
    assert!(toml::from_str::<DatasetOptions>("length = 8\npaking = \"pack\"").is_err());
}
