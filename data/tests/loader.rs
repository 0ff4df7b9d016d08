//! Batches: the same however they are prepared, divided and resumed.
use crate::common::*;
use crate::mixture::{datasets, mixture};
use proptest::prelude::*;
use raxla_data::{Batch, DatasetOptions, Last, Loader, LoaderOptions, Mixture, MixtureOptions, Position, Stop};
use std::{sync::Arc, thread, time::Duration};

fn take(loader: &mut Loader, n: usize) -> Vec<Batch> {
    loader.by_ref().take(n).map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_resumed_run_reads_what_it_would_have_read(
        weights in prop::collection::vec(0.01f64..5.0, 1..5),
        seed in 0u64..100,
        own in 1usize..4,
        process_count in 1usize..4,
        process_index in 0usize..3,
        threads in 0usize..4,
        prefetch in 1usize..6,
        steps in prop::collection::vec(0u64..60, 1..6),
    ) {
        let mixed = mixture(&weights, MixtureOptions { seed, ..Default::default() });
        let process_index = process_index % process_count;
        let options = LoaderOptions { process_index, process_count, threads, prefetch, ..LoaderOptions::new(own * process_count) };
        let mut whole = Loader::new(mixed.clone(), LoaderOptions { threads: 0, ..options }).unwrap();
        let batches = take(&mut whole, 70);
        let mut positions = vec![Position { examples: 0, ..whole.position() }];
        positions.extend(batches.iter().map(|batch| batch.next.clone()));
        // one that goes to and fro
        let mut loader = Loader::new(mixed, options).unwrap();
        for step in steps {
            let saved: Position = serde_json::from_str(&serde_json::to_string(&positions[step as usize]).unwrap()).unwrap();
            loader.seek(&saved).unwrap();
            prop_assert_eq!(loader.position(), saved);
            let read = take(&mut loader, 5);
            prop_assert!(read == batches[step as usize..step as usize + 5]);
            prop_assert_eq!(loader.position(), read[4].next.clone());
        }
    }

    #[test]
    fn the_parts_of_all_processes_are_the_batch(seed in 0u64..100, own in 1usize..4, process_count in 1usize..6, start in 0u64..500) {
        let mixed = mixture(&[1.0, 3.0, 0.5, 9.0], MixtureOptions { seed, ..Default::default() });
        let read = |process_index, process_count| {
            let options = LoaderOptions { process_index, process_count, threads: 0, ..LoaderOptions::new(own * process_count.max(1)) };
            let mut loader = Loader::new(mixed.clone(), LoaderOptions { batch_size: own * 60, ..options }).unwrap();
            loader.seek(&Position { examples: start, ..loader.position() }).unwrap();
            loader.next().unwrap().unwrap()
        };
        let whole = read(0, 1);
        let parts: Vec<Batch> = (0..process_count).map(|i| read(i, process_count)).collect();
        prop_assert!(parts.iter().all(|part| part.next == whole.next && part.rows == own * 60 / process_count));
        prop_assert_eq!(parts.iter().flat_map(|p| p.tokens.clone()).collect::<Vec<_>>(), whole.tokens);
        prop_assert_eq!(parts.iter().flat_map(|p| p.loss_mask.clone()).collect::<Vec<_>>(), whole.loss_mask);
        prop_assert_eq!(parts.iter().flat_map(|p| p.positions.clone()).collect::<Vec<_>>(), whole.positions);
        prop_assert_eq!(parts.iter().flat_map(|p| p.segment_ids.clone()).collect::<Vec<_>>(), whole.segment_ids);
        prop_assert_eq!(parts.iter().flat_map(|p| p.components.clone()).collect::<Vec<_>>(), whole.components);
    }
}

#[test]
fn a_batch_is_its_rows() {
    let mixed = mixture(&[1.0, 2.0, 3.0], MixtureOptions::default());
    let mut loader = Loader::new(mixed.clone(), LoaderOptions::new(6)).unwrap();
    for (step, batch) in take(&mut loader, 20).into_iter().enumerate() {
        assert_eq!((batch.token_dims(), batch.dims()), ([6, 101], [6, 100]));
        for i in 0..6 {
            let example = mixed.example((step * 6 + i) as u64);
            let row = mixed.components()[example.component].dataset.row(example.index).unwrap();
            assert_eq!(batch.tokens[i * 101..(i + 1) * 101], row.tokens);
            assert_eq!(batch.loss_mask[i * 100..(i + 1) * 100], row.loss_mask);
            assert_eq!(batch.components[i], example.component as u32);
        }
        assert_eq!(batch.targets() as f32, batch.loss_mask.iter().sum::<f32>());
    }
    let epochs: Vec<String> = loader.epochs().iter().map(|(name, epochs)| format!("{name}: {epochs:.2}")).collect();
    assert_eq!(epochs, ["part 0: 20.00", "part 1: 5.71", "part 2: 1.50"]);
}

#[test]
fn the_last_examples() {
    let options = MixtureOptions { stop: Stop::First(1), ..Default::default() };
    let mixed = Mixture::of(datasets()[2].clone(), options).unwrap();
    let dropped = LoaderOptions { threads: 3, ..LoaderOptions::new(16) };
    let mut loader = Loader::new(mixed.clone(), dropped).unwrap();
    assert_eq!((loader.batches(), take(&mut loader, 9).len(), loader.next().is_none()), (Some(2), 2, true));
    let mut targets = 0;
    for process_index in 0..4 {
        let padded = LoaderOptions { last: Last::Pad, pad_id: 9, process_index, process_count: 4, ..dropped };
        let mut loader = Loader::new(mixed.clone(), padded).unwrap();
        let batches = take(&mut loader, 9);
        assert_eq!((loader.batches(), batches.len()), (Some(3), 3));
        targets += batches.iter().map(Batch::targets).sum::<usize>();
        // 40 examples are two batches and a half
        let last = &batches[2];
        assert_eq!(last.tokens.iter().all(|token| *token == 9), process_index >= 2);
        assert_eq!(last.loss_mask.iter().all(|mask| *mask == 0.0), process_index >= 2);
    }
    let all = |i| datasets()[2].row(i).unwrap().loss_mask.iter().sum::<f32>();
    assert_eq!(targets as f32, (0..40).map(all).sum::<f32>());
}

#[test]
fn positions_of_other_data_are_refused() {
    let of = |weights: &[f64], seed| {
        Loader::new(mixture(weights, MixtureOptions { seed, ..Default::default() }), LoaderOptions::new(2)).unwrap()
    };
    let saved = of(&[1.0, 2.0], 0).position();
    for mut other in [of(&[1.0, 2.0], 1), of(&[1.0, 2.5], 0), of(&[1.0, 2.0, 1.0], 0)] {
        let error = text_of(other.seek(&saved));
        assert!(
            error.contains("the position cannot be resumed: it is one of other data") && error.contains("help: "),
            "{error}"
        );
    }
    let mut same = of(&[1.0, 2.0], 0);
    same.seek(&saved).unwrap();
    assert!(text_of(same.seek(&Position { examples: u64::MAX, ..saved })).contains("no run has read "));
    // the same data elsewhere are the same
    let elsewhere = || {
        let (place, cache) = documents(&some_texts(30));
        let rows = Arc::new(dataset(&cache, &DatasetOptions::new(50)));
        let mixed = Mixture::of(rows, MixtureOptions::default()).unwrap();
        (place, Loader::new(mixed, LoaderOptions::new(2)).unwrap())
    };
    let ((_here, here), (_there, mut there)) = (elsewhere(), elsewhere());
    there.seek(&here.position()).unwrap();
    // another batch size reads the same examples in other batches
    let mixed = mixture(&[1.0, 2.0], MixtureOptions::default());
    let [small, large] = [2, 6].map(|size| take(&mut Loader::new(mixed.clone(), LoaderOptions::new(size)).unwrap(), 3));
    assert_eq!(small.iter().flat_map(|batch| batch.tokens.clone()).collect::<Vec<_>>(), large[0].tokens);
}

#[test]
fn a_dropped_loader_ends_its_threads_and_waits_for_nobody() {
    let (_place, cache) = documents(&some_texts(20));
    let dataset = Arc::new(dataset(&cache, &DatasetOptions::new(50)));
    for i in 0..60 {
        let mixed = Mixture::of(dataset.clone(), MixtureOptions::default()).unwrap();
        let options = LoaderOptions { threads: 1 + i % 4, prefetch: 1 + i % 3, ..LoaderOptions::new(2) };
        let mut loader = Loader::new(mixed, options).unwrap();
        take(&mut loader, i % 5);
        if i % 2 == 0 {
            loader.seek(&Position { examples: 77, ..loader.position() }).unwrap();
        }
        drop(loader);
        // what the threads hold
        let ended = (0..5000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            Arc::strong_count(&dataset) == 1
        });
        assert!(ended, "the threads of loader {i} do not end");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let usual = LoaderOptions::new(8);
    let table = [
        (LoaderOptions { batch_size: 0, ..usual }, "a batch of 0 examples cannot be divided for process 0 of 1"),
        (LoaderOptions { process_count: 3, ..usual }, "a batch of 8 examples cannot be divided for process 0 of 3"),
        (LoaderOptions { process_index: 1, ..usual }, "a batch of 8 examples cannot be divided for process 1 of 1"),
        (LoaderOptions { prefetch: 0, ..usual }, "threads cannot prepare 0 batches"),
        (LoaderOptions { pad_id: u32::MAX, ..usual }, "4294967295 is no token id"),
    ];
    for (options, wanted) in table {
        let error = text_of(Loader::new(mixture(&[1.0], MixtureOptions::default()), options));
        assert!(error.contains(wanted), "{error}");
    }
}
