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
