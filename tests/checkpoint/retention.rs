//! Which checkpoints are kept.
use super::*;
use raxla::checkpoint::{BestMode, CheckpointManagerOptions, PreservationPolicy, PreservationPolicy::*};

/// Saves steps with these losses, and gives those that are left.
fn left(policies: Vec<PreservationPolicy>, losses: &[(u64, Option<f64>)]) -> (Vec<u64>, TempDir) {
    let place = TempDir::new().unwrap();
    let options = CheckpointManagerOptions { preservation: policies, ..Default::default() };
    let mut manager = CheckpointManager::open(place.path(), options).unwrap();
    for (step, loss) in losses {
        let metadata = loss.map_or(Metadata::default(), |x| Metadata::default().metric("loss", x));
        manager.save(*step, &numbers(&[2], *step as f32), metadata).unwrap();
    }
    manager.wait().unwrap();
    (manager.steps().unwrap(), place)
}

#[test]
fn the_last_the_best_and_every_nth_stay() {
    let losses = [0.9, 0.3, f64::NAN, 0.3, 0.1, 0.8, 0.7];
    let losses: Vec<(u64, Option<f64>)> = losses.iter().enumerate().map(|(i, x)| (i as u64 * 10, Some(*x))).collect();
    let best = |mode, n| BestN { metric: "loss".into(), mode, n };
    assert_eq!(left(vec![], &losses).0, [0, 10, 20, 30, 40, 50, 60]);
    assert_eq!(left(vec![LatestN(2)], &losses).0, [50, 60]);
    assert_eq!(left(vec![LatestN(0)], &losses).0, [60]);
    assert_eq!(left(vec![EveryNSteps(30)], &losses).0, [0, 30, 60]);
    assert_eq!(left(vec![EveryNSteps(0)], &losses).0, [60]);
    // of equal ones the newer
    assert_eq!(left(vec![best(BestMode::Min, 2)], &losses).0, [30, 40, 60]);
    assert_eq!(left(vec![best(BestMode::Max, 1)], &losses).0, [0, 60]);
    assert_eq!(left(vec![LatestN(2), best(BestMode::Min, 1), EveryNSteps(20)], &losses).0, [0, 20, 40, 50, 60]);
    let without: Vec<(u64, Option<f64>)> = losses.iter().map(|(step, _)| (*step, None)).collect();
    assert_eq!(left(vec![best(BestMode::Min, 3)], &without).0, [60]);
    // steps need not come in order: those that count are the largest
    assert_eq!(left(vec![LatestN(2)], &[(5, None), (9, None), (7, None), (3, None)]).0, [7, 9]);
}

#[test]
fn the_newest_whole_one_is_never_removed() {
    let (steps, place) = left(vec![LatestN(1)], &[(1, None)]);
    assert_eq!(steps, [1]);
    // a newer one that is damaged counts for nothing, and stays to be looked at
    let newer = place.path().join("step_00000002");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("checkpoint.json"), "{").unwrap();
    let options = CheckpointManagerOptions { preservation: vec![LatestN(1)], ..Default::default() };
    let mut manager = CheckpointManager::open(place.path(), options).unwrap();
    assert_eq!((manager.latest().unwrap(), manager.steps().unwrap()), (Some(1), vec![1, 2]));
    assert_eq!(latest(place.path()).unwrap().unwrap().step(), 1);
    let found = manager.restore_latest(&Aval::new(DType::F32, [2]), &here()).unwrap().unwrap();
    assert_eq!((found.step, found.passed_over[0].0, found.passed_over.len()), (1, 2, 1));
    // training goes on from there, and its step replaces the damaged one
    manager.save(2, &numbers(&[2], 2.0), Metadata::default()).unwrap();
    manager.wait().unwrap();
    assert_eq!(manager.steps().unwrap(), [2]);
    assert_eq!(manager.verify(2).unwrap().tensors, 1);
}

#[test]
fn the_best_is_found() {
    let best = vec![BestN { metric: "loss".into(), mode: BestMode::Min, n: 3 }];
    let (_, place) = left(best.clone(), &[(1, Some(0.5)), (2, Some(0.2)), (3, Some(f64::NAN)), (4, Some(0.4))]);
    let options = CheckpointManagerOptions { preservation: best, ..Default::default() };
    let manager = CheckpointManager::open(place.path(), options).unwrap();
    assert_eq!((manager.best().unwrap(), manager.latest().unwrap()), (Some(2), Some(4)));
    assert_eq!(manager.best_by("loss", BestMode::Max).unwrap(), Some(1));
    assert_eq!(manager.best_by("accuracy", BestMode::Max).unwrap(), None);
}
