//! Profiles by a plugin's profiler, which the mock plugin has.
use crate::children::client;
use raxla::{jit::ProfileSource, prelude::*};
use std::time::Duration;

#[test]
fn a_profile_is_what_the_plugin_recorded() {
    let client = client(&[]).unwrap();
    let x = Array::on(&client, [2], &[1f32, 2.]).unwrap();
    let profile = jit(|x: Tensor| x).named("same").on(&client).profile((&x,)).unwrap();
    assert_eq!((profile.source, profile.note.as_deref(), &*profile.platform), (ProfileSource::Devices, None, "mock"));
    let seen: Vec<_> = profile.timed.iter().map(|t| (&*t.name, &*t.track, t.start, t.duration)).collect();
    let ns = Duration::from_nanos;
    let track = "/device:MOCK:0 stream";
    assert_eq!(seen, [("fusion", track, ns(0), ns(2)), ("copy", track, ns(2), ns(1))]);
    let text = profile.to_string();
    assert!(text.contains("what the devices did in one call: 0.000 ms") && text.contains("     1  fusion\n"), "{text}");
    let trace: serde_json::Value = serde_json::from_str(&profile.chrome_trace()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(events.iter().filter(|e| e["ph"] == "X").count(), 2);
    assert_eq!(events[1]["args"]["name"], track);
}

#[test]
fn without_a_profiler_each_operation_is_timed_alone() {
    let client = raxla::runtime::client().unwrap();
    let f = |w: Tensor, x: Tensor| {
        let step = |h: Tensor, ()| ((h.matmul(w)).tanh(), h.sum(0));
        raxla::scan_with(raxla::ScanOptions { length: Some(3), ..Default::default() }, step, x, ())
    };
    let w = Array::on(&client, [4, 4], &[0.1f32; 16]).unwrap();
    let x = Array::on(&client, [4], &[1f32; 4]).unwrap();
    let f = jit(f).named("f");
    let want = f.call((&w, &x)).unwrap().0.to_vec::<f32>().unwrap();
    let profile = f.profile((&w, x.clone())).unwrap();
    assert_eq!((profile.source, profile.note.as_deref(), &*profile.platform), (ProfileSource::Operations, None, "cpu"));
    let operations = profile.operations();
    let scan =
        operations.iter().find(|(t, _, _)| t.name.starts_with("scan f32[4]")).expect("the loop is one operation");
    assert!(scan.1 == 1 && scan.0.at.starts_with("tests/distributed/profile.rs:"), "{scan:?}");
    // what was given is still there
    assert_eq!(f.call((&w, &x)).unwrap().0.to_vec::<f32>().unwrap(), want);
}
