//! What safe code can do that would end or hang a process inside a plugin. Each case runs in a process of its own, which has to
//! end by itself with the outcome that is expected.

use crate::common::{self, ADD, client, compile, download, floats, plugin, upload};
use raxla_xla::{
    Code, CompileOptions, DType, Error, ExecuteOptions, HostBuffer, HostSemantics, Plugin, Result,
    ffi::{self, Call},
};
use std::{
    env, fs,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Runs a case in a process of its own; fails if that dies, or does not end.
fn survives(case: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "aborts::child", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("RAXLA_TEST_CASE", case).env_remove("XLA_FLAGS").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{case} hangs: {}", text(child));
        }
        thread::sleep(Duration::from_millis(20));
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "{case} ends with {status}: {}", text(child));
}

fn text(child: std::process::Child) -> String {
    let output = child.wait_with_output().unwrap();
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

macro_rules! cases {
    ($($(#[$about:meta])* $case:ident;)*) => {
        $(
            $(#[$about])*
            #[test]
            fn $case() {
                survives(stringify!($case));
            }
        )*

        #[test]
        #[ignore = "run by other tests in a child process"]
        fn child() {
            match &*env::var("RAXLA_TEST_CASE").unwrap() {
                $(stringify!($case) => inside::$case(),)*
                other => panic!("there is no case {other}"),
            }
        }
    };
}

cases! {
    /// An owner whose bytes become fewer from one question to the next is asked once.
    an_owner_that_changes_its_mind;
    launches_with_numbers_of_the_user_keep_their_results;
    a_handler_does_not_find_a_launch_by_the_users_number;
    the_last_handle_may_go_in_a_callback;
    the_last_handle_may_go_in_a_handler;
    #[cfg(unix)]
    a_forked_child_gets_an_error;
    devices_that_do_not_exist_are_refused;
    options_of_the_wrong_length_are_refused;
    modules_without_a_body_are_errors;
    libraries_that_are_cut_off_are_refused;
    shapes_that_cannot_be_counted_are_refused;
}

const NEGATE: &str = "module @negate {
  func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.negate %a : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}";

/// A program over two devices that calls a handler with each device's part.
fn calling(name: &str) -> String {
    format!(
        "module @calling attributes {{mhlo.num_replicas = 2 : i32, mhlo.num_partitions = 1 : i32}} {{
  func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {{
    %0 = stablehlo.custom_call @{name}(%a) {{api_version = 4 : i32, backend_config = {{}}}} : (tensor<4xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }}
}}"
    )
}

fn negated(call: &mut Call<'_>) -> Result<()> {
    let x = call.args[0].as_slice::<f32>()?;
    if x[0] < 0.0 {
        return Err(Error::new(Code::FailedPrecondition, format!("{} is negative", x[0])));
    }
    call.results[0].as_mut_slice::<f32>()?.iter_mut().zip(x).for_each(|(y, x)| *y = -x);
    Ok(())
}

fn refused<T>(outcome: Result<T>, wanted: &str) {
    let Err(error) = outcome else { panic!("no error, but should be: {wanted}") };
    assert!(error.to_string().contains(wanted), "{error}");
}

mod inside {
    use super::*;

    pub fn an_owner_that_changes_its_mind() {
        struct Fickle(Vec<u8>, AtomicUsize);
        impl AsRef<[u8]> for Fickle {
            fn as_ref(&self) -> &[u8] {
                let asked = self.1.fetch_add(1, Ordering::SeqCst);
                if asked == 0 { &self.0 } else { &[] }
            }
        }
        let client = client(1);
        let values: Vec<f32> = (0..1 << 20).map(|i| i as f32).collect();
        for semantics in [HostSemantics::Copy, HostSemantics::CopyInBackground, HostSemantics::ZeroCopy] {
            let owner = Arc::new(Fickle(common::bytes(&values), AtomicUsize::new(0)));
            let mut host = HostBuffer::new(owner.clone(), DType::F32, &[1 << 20]);
            host.semantics = semantics;
            let buffer = client.upload_with(host, &client.devices()[0]).unwrap();
            assert_eq!(owner.1.load(Ordering::SeqCst), 1);
            assert_eq!(floats(&buffer.download().unwrap()), values);
        }
        let begun_late = Fickle(vec![0; 64], AtomicUsize::new(1));
        let host = HostBuffer::new(Arc::new(begun_late), DType::F32, &[16]);
        refused(client.upload_with(host, &client.devices()[0]), "the memory has 0 bytes");
    }

    pub fn launches_with_numbers_of_the_user_keep_their_results() {
        let client = client(2);
        ffi::register(plugin(), "raxla_test_negated", negated).unwrap();
        let options = CompileOptions { num_replicas: 2, ..Default::default() };
        let exe = client.compile(calling("raxla_test_negated").as_bytes(), &options).unwrap();
        let part = |value: f32, device: usize| upload(&client, &[value; 4], &[4], &client.devices()[device]);
        // all in flight under one number, and every other one fails
        let named = ExecuteOptions { launch_id: 7, ..Default::default() };
        let run = |value: f32| exe.execute(&[&[&part(value, 0)], &[&part(value, 1)]], &named).unwrap();
        let results: Vec<_> = (1..=40).map(|i| (i, run(if i % 2 == 0 { -1.0 } else { i as f32 }))).collect();
        for (i, result) in results {
            for buffer in result.iter().flatten() {
                match (i % 2 == 0, buffer.ready()) {
                    (true, outcome) => refused(outcome, "-1 is negative"),
                    (false, outcome) => {
                        outcome.unwrap_or_else(|error| panic!("run {i}: {error}"));
                        assert_eq!(download(buffer), [-(i as f32); 4]);
                    }
                }
            }
        }
    }

    pub fn a_handler_does_not_find_a_launch_by_the_users_number() {
        let (two, one) = (client(2), client(1));
        ffi::register(plugin(), "raxla_test_slow", |call| {
            thread::sleep(Duration::from_millis(300));
            negated(call)
        })
        .unwrap();
        ffi::register(plugin(), "raxla_test_negated", negated).unwrap();
        let options = CompileOptions { num_replicas: 2, ..Default::default() };
        let slow = two.compile(calling("raxla_test_slow").as_bytes(), &options).unwrap();
        let alone = calling("raxla_test_negated").replace("num_replicas = 2", "num_replicas = 1");
        let fails = one.compile(alone.as_bytes(), &CompileOptions::default()).unwrap();
        let parts = [0, 1].map(|i| upload(&two, &[1.0; 4], &[4], &two.devices()[i]));
        let good = slow.execute(&[&[&parts[0]], &[&parts[1]]], &ExecuteOptions::default()).unwrap();
        let bad = upload(&one, &[-1.0; 4], &[4], &one.devices()[0]);
        // numbers that a launch in flight may have
        for launch_id in (1..100).chain([1 << 30, (1 << 30) + 1, i32::MAX, -1]) {
            let failed = fails.execute(&[&[&bad]], &ExecuteOptions { launch_id, ..Default::default() });
            refused(failed.and_then(|results| results[0][0].ready()), "-1 is negative");
        }
        good.iter().flatten().for_each(|buffer| assert_eq!(download(buffer), [-1.0; 4]));
    }

    pub fn the_last_handle_may_go_in_a_callback() {
        for _ in 0..20 {
            let (tell, told) = mpsc::channel();
            let client = client(1);
            let exe = compile(&client, NEGATE);
            let a = upload(&client, &[1.0; 4], &[4], &client.devices()[0]);
            let result = exe.execute(&[&[&a]], &ExecuteOptions::default()).unwrap().remove(0).remove(0);
            let event = result.ready_event().unwrap();
            let held = Mutex::new(Some((client, exe, a, result)));
            event
                .on_ready(move |outcome| {
                    drop(held.lock().unwrap().take());
                    let _ = tell.send(outcome);
                })
                .unwrap();
            drop(event);
            told.recv_timeout(Duration::from_secs(30)).expect("the callback returns").unwrap();
        }
    }

    pub fn the_last_handle_may_go_in_a_handler() {
        static HELD: Mutex<Option<raxla_xla::Client>> = Mutex::new(None);
        static DONE: AtomicUsize = AtomicUsize::new(0);
        ffi::register(plugin(), "raxla_test_drops", |call| {
            thread::sleep(Duration::from_millis(50));
            drop(HELD.lock().unwrap().take());
            DONE.fetch_add(1, Ordering::SeqCst);
            negated(call)
        })
        .unwrap();
        let client = client(1);
        let alone = calling("raxla_test_drops").replace("num_replicas = 2", "num_replicas = 1");
        let exe = client.compile(alone.as_bytes(), &CompileOptions::default()).unwrap();
        let a = upload(&client, &[1.0; 4], &[4], &client.devices()[0]);
        *HELD.lock().unwrap() = Some(client);
        let results = exe.execute(&[&[&a]], &ExecuteOptions::default()).unwrap();
        drop((results, exe, a));
        let ended = (0..3000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            DONE.load(Ordering::SeqCst) == 1
        });
        assert!(ended, "the handler returns");
    }

    #[cfg(unix)]
    pub fn a_forked_child_gets_an_error() {
        let client = client(2);
        let exe = compile(&client, NEGATE);
        let a = upload(&client, &[1.0; 4], &[4], &client.devices()[0]);
        let wanted = "this process was forked after the plugin was loaded";
        // SAFETY: the child does what a program with a plugin does, and ends; it shares nothing that it needs.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            refused(exe.execute(&[&[&a]], &ExecuteOptions::default()), wanted);
            refused(client.compile(NEGATE.as_bytes(), &CompileOptions::default()), wanted);
            refused(client.upload(&[0; 4], DType::F32, &[1], &client.devices()[0]), wanted);
            refused(a.download(), wanted);
            refused(plugin().client(&[]), wanted);
            drop((exe, a, client));
            // SAFETY: ends the child without the parent's handlers at its end.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: the child is this process's.
        unsafe { libc::waitpid(pid, &mut status, 0) };
        assert_eq!(status, 0, "the child ends well");
        let result = exe.execute(&[&[&a]], &ExecuteOptions::default()).unwrap();
        assert_eq!(download(&result[0][0]), [-1.0; 4], "the parent goes on");
    }

    pub fn devices_that_do_not_exist_are_refused() {
        let client = client(2);
        let on = |ids: Vec<i64>| {
            let options = CompileOptions {
                num_replicas: ids.len(),
                device_assignment: Some(ids.into_iter().map(|id| vec![id]).collect()),
                ..Default::default()
            };
            client.compile(NEGATE.as_bytes(), &options)
        };
        for id in [-1, 2, i64::MIN, i64::MAX, 1 << 32] {
            refused(on(vec![id]), &format!("the device assignment names the device {id}, but the ids are [0, 1]"));
            refused(on(vec![0, id]), &format!("names the device {id}"));
        }
        refused(on(vec![1, 1]), "names the device 1 twice");
        assert_eq!(on(vec![1]).unwrap().devices()[0].id(), 1);
        let saved = compile(&client, NEGATE).serialize().unwrap();
        let options = CompileOptions { device_assignment: Some(vec![vec![-1]]), ..Default::default() };
        refused(client.deserialize(&saved, &options), "names the device -1");
    }

    pub fn options_of_the_wrong_length_are_refused() {
        let client = client(2);
        let with = |parameters: usize, outputs: usize, use_shardy: bool| {
            let options = CompileOptions {
                num_partitions: 2,
                use_spmd: true,
                use_shardy,
                propagate_to_parameters: vec![true; parameters],
                propagate_to_outputs: vec![true; outputs],
                ..Default::default()
            };
            client.compile(ADD.as_bytes(), &options)
        };
        for use_shardy in [false, true] {
            for (parameters, outputs) in [(0, 0), (1, 1), (2, 1), (2, 0)] {
                with(parameters, outputs, use_shardy).unwrap_or_else(|e| panic!("{parameters} {outputs}: {e}"));
            }
            for parameters in [3, 7] {
                let wanted = format!("`propagate_to_parameters` has {parameters} entries, but the program has 2");
                refused(with(parameters, 1, use_shardy), &wanted);
            }
            for outputs in [2, 5] {
                let wanted = format!("`propagate_to_outputs` has {outputs} entries, but the program has 1");
                refused(with(2, outputs, use_shardy), &wanted);
            }
        }
    }

    pub fn modules_without_a_body_are_errors() {
        let client = client(1);
        for module in [
            "",
            "module",
            "module {}",
            "module @empty {\n}",
            "module { func.func private @main(tensor<4xf32>) -> tensor<4xf32> }",
            "module { func.func @main(tensor<4xf32>) -> tensor<4xf32> }",
            "func.func private @main()",
            "module { func.func @main() { return } func.func private @other() }",
            "module { func.func @other() { return } }",
            "module { module @main {} }",
            "\"builtin.module\"() ({}) : () -> ()",
            "\"builtin.module\"() ({^bb0:}) : () -> ()",
            "\"builtin.module\"() : () -> ()",
        ] {
            println!("{module}");
            let outcome = client.compile(module.as_bytes(), &CompileOptions::default());
            assert!(outcome.is_err(), "{module}");
        }
    }

    pub fn libraries_that_are_cut_off_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let whole = fs::File::open(plugin().path()).unwrap();
        let length = whole.metadata().unwrap().len();
        let mut whole = std::io::BufReader::new(whole);
        // (one file that grows, so that the whole is copied once)
        let path = folder.path().join("cut.so");
        let mut cut = fs::File::create(&path).unwrap();
        let mut written = 0;
        for part in [4, 63, 64, 100, 4096, 1 << 20, length / 2, length - 1] {
            written += std::io::copy(&mut std::io::Read::take(&mut whole, part - written), &mut cut).unwrap();
            let error = Plugin::load(&path).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{error}");
            assert!(error.message.contains("cannot load: it") || error.message.contains("cannot load: "), "{error}");
        }
    }

    pub fn shapes_that_cannot_be_counted_are_refused() {
        let client = client(1);
        let device = &client.devices()[0];
        for dims in [
            &[usize::MAX][..],
            &[1 << 40, 1 << 40],
            &[1 << 62],
            &[0, usize::MAX],
            &[0, 1 << 62, 1 << 62],
            &[usize::MAX, usize::MAX, 0],
            &[1 << 32, 1 << 32],
        ] {
            refused(client.upload(&[], DType::F32, dims, device), "cannot upload 0 bytes");
            refused(client.upload_with(HostBuffer::new(Arc::new(vec![]), DType::F32, dims), device), "cannot upload");
            let mut host = HostBuffer::new(Arc::new(vec![0; 64]), DType::F32, dims);
            host.strides = Some(vec![0; dims.len()]);
            refused(client.upload_with(host, device), "its size overflows");
        }
    }
}
