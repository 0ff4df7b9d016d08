//! Programs over several devices of which one fails, or does not return; and many launches in flight.
mod common;

use common::{client, download, plugin, upload};
use raxla_xla::{
    Buffer, Client, Code, CompileOptions, Error, Executable, ExecuteOptions, OnStall, Result, Watchdog,
    ffi::{self, Call},
    watch, watched_by,
};
use std::{
    env,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Calls the host on each of 8 devices, and adds what that returns.
const STEP: &str = r#"module @step attributes {mhlo.num_replicas = 8 : i32} {
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %y = stablehlo.custom_call @raxla_test_step(%x) {api_version = 4 : i32, backend_config = {}}
        : (tensor<2xf32>) -> tensor<2xf32>
    %0 = "stablehlo.all_reduce"(%y) ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        %s = stablehlo.add %a, %b : tensor<f32>
        stablehlo.return %s : tensor<f32>
    }) {replica_groups = dense<[[0, 1, 2, 3, 4, 5, 6, 7]]> : tensor<1x8xi64>} : (tensor<2xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>
  }
}"#;

/// Doubles an array on one device.
const DOUBLE: &str = "module @double { func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = stablehlo.add %x, %x : tensor<2xf32>
    return %0 : tensor<2xf32> } }";

/// Fails, panics or takes its time, as its argument says: what to do, and for how many milliseconds.
fn step(call: &mut Call<'_>) -> Result<()> {
    let x = call.args[0].as_slice::<f32>()?;
    match x[0] as i32 {
        2 => return Err(Error::new(Code::OutOfRange, "two is too many")),
        3 => panic!("three is worse"),
        4 => thread::sleep(Duration::from_millis(x[1] as u64)),
        _ => {}
    }
    call.results[0].as_mut_slice::<f32>()?.copy_from_slice(x);
    Ok(())
}

fn program(client: &Client) -> Executable {
    ffi::register(plugin(), "raxla_test_step", step).unwrap();
    client.compile(STEP.as_bytes(), &CompileOptions { num_replicas: 8, ..Default::default() }).unwrap()
}

/// One argument per device: `special` on device 3.
fn arguments(client: &Client, special: [f32; 2]) -> Vec<Buffer> {
    let one = |(i, device)| upload(client, if i == 3 { &special } else { &[1., 0.] }, &[2], device);
    client.devices().iter().enumerate().map(one).collect()
}

fn launch(exe: &Executable, args: &[Buffer]) -> Vec<Buffer> {
    let refs: Vec<[&Buffer; 1]> = args.iter().map(|arg| [arg]).collect();
    let lists: Vec<&[&Buffer]> = refs.iter().map(|list| list.as_slice()).collect();
    exe.execute(&lists, &ExecuteOptions::default()).unwrap().into_iter().flatten().collect()
}

/// The watchdog is the process's, so only one test at a time has it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_failure_on_one_device_is_an_error_on_all() {
    let _alone = alone();
    let client = client(8);
    let exe = program(&client);
    let double = client.compile(DOUBLE.as_bytes(), &CompileOptions::default()).unwrap();
    for (what, code, text) in [(2., Code::OutOfRange, "two is too many"), (3., Code::Internal, "three is worse")] {
        let failed = launch(&exe, &arguments(&client, [what, 0.]));
        // what takes its results fails too, on one device or many
        let after = launch(&exe, &failed);
        let alone = double.execute(&[&[&failed[0]]], &ExecuteOptions::default()).unwrap().remove(0).remove(0);
        let moved = failed[1].copy_to_device(&client.devices()[0]).unwrap();
        for buffer in failed.iter().chain(&after).chain([&alone, &moved]) {
            for error in [buffer.ready().unwrap_err(), buffer.download().unwrap_err()] {
                assert!(error.code == code && error.message.contains(text), "{error}");
            }
        }
        // and the devices go on
        let fine = launch(&exe, &arguments(&client, [1., 0.]));
        fine.iter().for_each(|buffer| assert_eq!(download(buffer), [8., 0.]));
    }
}

#[test]
fn waiting_ends_at_the_watchdogs_limit() {
    let _alone = alone();
    let client = client(8);
    let exe = program(&client);
    let slow = arguments(&client, [4., 3000.]);
    watch(Some(Watchdog { limit: Duration::from_millis(300), on_stall: OnStall::Report }));
    let results = launch(&exe, &slow);
    let error = results[0].ready().unwrap_err();
    assert_eq!(error.code, Code::DeadlineExceeded);
    assert!(error.message.contains("of `step` over 8 devices has not completed for 0."), "{error}");
    assert!(error.message.ends_with("not completed: 0, 1, 2, 3, 4, 5, 6, 7)"), "{error}");
    // the wait ended, the program has not
    assert!(!results[0].is_ready().unwrap());
    watch(None);
    // it was only slow
    assert_eq!(download(&results[0]), [11., 3000.]);
}

#[test]
#[ignore = "run by other tests in a child process"]
fn hangs() {
    let client = client(8);
    let results = launch(&program(&client), &arguments(&client, [4., 60_000.]));
    thread::sleep(Duration::from_secs(50));
    drop(results);
}

#[test]
#[ignore = "run by other tests in a child process"]
fn warns_by_default() {
    let _client = client(8);
    assert_eq!(watched_by(), Some(Watchdog { limit: Duration::from_secs(50), on_stall: OnStall::Warn }));
    watch(None);
    let _client = client(2);
    assert_eq!(watched_by(), None);
}

#[test]
fn a_warning_lets_who_waits_wait() {
    let _alone = alone();
    let client = client(8);
    let exe = program(&client);
    watch(Some(Watchdog { limit: Duration::from_millis(300), on_stall: OnStall::Warn }));
    let results = launch(&exe, &arguments(&client, [4., 1500.]));
    results[0].ready().unwrap();
    watch(None);
    let own = ["--exact", "warns_by_default", "--ignored"];
    let child = Command::new(env::current_exe().unwrap()).args(own).env_remove("RAXLA_WATCHDOG").output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

#[test]
fn a_process_that_hangs_ends() {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "hangs", "--ignored", "--nocapture"])
        .env("RAXLA_WATCHDOG", "0.5")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.code(), Some(124), "{text}");
    assert!(text.contains("raxla watchdog: launch 1 of `step` over 8 devices has not completed for 0."), "{text}");
    assert!(text.contains("launches in flight behind it: 0"), "{text}");
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "hangs", "--ignored"])
        .env("RAXLA_WATCHDOG", "soon")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(text.contains("RAXLA_WATCHDOG is `soon`, which is no number of seconds"), "{text}");
}

/// 2,000 launches in a row, each taking the results of the one before.
#[test]
fn thousands_of_launches_do_not_hang() {
    let _alone = alone();
    let client = client(8);
    let exe = program(&client);
    for wait in [false, true] {
        let mut state = arguments(&client, [1., 0.]);
        for _ in 0..2000 {
            state = launch(&exe, &state);
            if wait {
                state.iter().for_each(|buffer| buffer.ready().unwrap());
            }
        }
        assert_eq!(download(&state[7]), [f32::INFINITY, 0.]);
    }
}
