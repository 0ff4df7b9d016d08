//! Compiling and running programs on one device.

use crate::common::{self, ADD, client, compile, download, plugin, upload};
use raxla_xla::{Buffer, Code, CompileOptions, DType, Error, ExecuteOptions, HostBuffer, Layout, OptionValue};
use std::thread;

const DONATE: &str = "module @donate {
  func.func @main(%a: tensor<4xf32> {tf.aliasing_output = 0 : i32}, %b: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.add %a, %b : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}";

fn run(exe: &raxla_xla::Executable, args: &[&Buffer]) -> Result<Vec<Buffer>, Error> {
    exe.execute(&[args], &ExecuteOptions::default()).map(|mut outputs| outputs.remove(0))
}

#[test]
fn adds_two_arrays() {
    let client = client(1);
    let exe = compile(&client, ADD);
    let device = &client.devices()[0];
    let a = upload(&client, &[0., 1., 2., 3., 4., 5.], &[2, 3], device);
    let b = upload(&client, &[10., 20., 30., 40., 50., 60.], &[2, 3], device);
    let sum = run(&exe, &[&a, &b]).unwrap();
    assert_eq!(download(&sum[0]), [10., 21., 32., 43., 54., 65.]);
    assert_eq!((sum[0].dtype(), sum[0].dims(), sum[0].device()), (DType::F32, &[2, 3][..], device));
    assert_eq!((exe.num_outputs().unwrap(), exe.devices()), (1, client.devices()));
    assert_eq!(exe.output_dtypes().unwrap(), [DType::F32]);
    assert_eq!(exe.output_dims().unwrap(), [[2, 3]]);
    let shown: Vec<String> = exe.parameters().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["f32[2, 3]", "f32[2, 3]"]);
    assert_eq!(exe.name().unwrap(), "add");
    assert_eq!(client.platform_name(), "cpu");
}

#[test]
fn wrong_arguments_are_refused_before_the_plugin_sees_them() {
    let client = client(2);
    let exe = compile(&client, ADD);
    let device = &client.devices()[0];
    let good = upload(&client, &[0.; 6], &[2, 3], device);
    let refused = |args: &[&Buffer], wanted: &str| {
        let error = run(&exe, args).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.to_string().contains(wanted), "{error}");
    };
    refused(&[&good], "cannot run `add`: it takes 2 arguments, but 1 were given");
    // Same byte size, so the plugin would run it and return garbage.
    let ints = client.upload(&[0; 24], DType::I32, &[2, 3], device).unwrap();
    refused(&[&good, &ints], "argument 1 is i32[2, 3], but the program takes f32[2, 3]");
    let turned = upload(&client, &[0.; 6], &[3, 2], device);
    refused(&[&turned, &good], "argument 0 is f32[3, 2], but the program takes f32[2, 3]");
    let elsewhere = upload(&client, &[0.; 6], &[2, 3], &client.devices()[1]);
    refused(&[&good, &elsewhere], "argument 1 is on");
    let mut host = HostBuffer::new(std::sync::Arc::new(vec![0; 24]), DType::F32, &[2, 3]);
    host.layout = Some(Layout::major_to_minor(&[1, 0]));
    // Older plugins cannot make such a buffer.
    if plugin().api_version() >= (0, 115) {
        let column_major = client.upload_with(host, device).unwrap();
        refused(&[&good, &column_major], "argument 1 has layout {0,1}, but the program takes layout {1,0}");
    }
    let none: &[&[&Buffer]] = &[];
    let error = exe.execute(none, &ExecuteOptions::default()).unwrap_err().to_string();
    assert!(error.contains("it runs on 1 devices, but arguments for 0 were given"), "{error}");
    good.delete().unwrap();
    let error = run(&exe, &[&good, &good]).unwrap_err();
    assert_eq!(error.code, Code::FailedPrecondition);
    assert!(error.to_string().contains("argument 0: the buffer f32[2, 3] was deleted"), "{error}");
}

#[test]
fn parameters_can_be_told() {
    let client = client(1);
    let with = |parameters: Vec<(DType, Vec<usize>)>| {
        client.compile(ADD.as_bytes(), &CompileOptions { parameters: Some(parameters), ..Default::default() })
    };
    let exe = with(vec![(DType::F32, vec![2, 3]); 2]).unwrap();
    assert_eq!(exe.parameters(), compile(&client, ADD).parameters());
    let ints = client.upload(&[0; 24], DType::I32, &[2, 3], &client.devices()[0]).unwrap();
    assert!(run(&exe, &[&ints, &ints]).is_err());
    let error = with(vec![(DType::F32, vec![2, 3])]).unwrap_err();
    assert_eq!(error.message, "1 parameter types were given for a program that takes 2");
}

#[test]
fn donated_arguments_are_gone() {
    let client = client(1);
    let exe = compile(&client, DONATE);
    let device = &client.devices()[0];
    assert_eq!(exe.donated(), [0]);
    assert_eq!(exe.memory_stats().unwrap().aliased, 16);
    let b = upload(&client, &[1.; 4], &[4], device);
    let a = upload(&client, &[2.; 4], &[4], device);
    assert_eq!(download(&run(&exe, &[&a, &b]).unwrap()[0]), [3.; 4]);
    assert!(a.is_deleted() && !b.is_deleted());
    let error = run(&exe, &[&a, &b]).unwrap_err().to_string();
    assert!(
        error.contains("argument 0: the buffer f32[4] was deleted or donated") && error.contains("help:"),
        "{error}"
    );

    let kept = upload(&client, &[5.; 4], &[4], device);
    let keep = ExecuteOptions { non_donatable: &[0], ..Default::default() };
    assert_eq!(download(&exe.execute(&[&[&kept, &b]], &keep).unwrap()[0][0]), [6.; 4]);
    assert_eq!(download(&exe.execute(&[&[&b, &b]], &keep).unwrap()[0][0]), [2.; 4], "kept, so it may be both");
    assert_eq!(download(&kept), [5.; 4]);
    let error = run(&exe, &[&b, &b]).unwrap_err().to_string();
    assert!(error.contains("argument 0 is donated, but the same buffer is argument 1 too"), "{error}");
    assert!(!b.is_deleted());
    let beyond = ExecuteOptions { non_donatable: &[7], ..Default::default() };
    assert!(exe.execute(&[&[&kept, &b]], &beyond).is_err());
}

#[test]
fn a_buffer_that_is_being_read_keeps_its_contents_through_donation() {
    let client = client(1);
    let exe = compile(&client, DONATE);
    let device = &client.devices()[0];
    let (a, b) = (upload(&client, &[2.; 4], &[4], device), upload(&client, &[1.; 4], &[4], device));
    let read = a.read().unwrap();
    let sum = run(&exe, &[&a, &b]).unwrap();
    assert_eq!(download(&sum[0]), [3.; 4]);
    assert_eq!(common::floats(&read), [2.; 4]);
}

#[test]
fn every_handle_is_freed_once() {
    let client = client(1);
    let exe = compile(&client, ADD);
    let device = client.devices()[0].clone();
    let a = upload(&client, &[1.; 6], &[2, 3], &device);
    for _ in 0..1000 {
        let sum = run(&exe, &[&a, &a]).unwrap();
        assert_eq!(sum[0].dims(), [2, 3]);
    }
    assert_eq!(client.live_buffers(), 1);
    assert!(run(&exe, &[&a]).is_err());
    drop(a);
    assert_eq!(client.live_buffers(), 0);
}

#[test]
fn handles_outlive_what_they_came_from() {
    let sum = {
        let client = client(1);
        let exe = compile(&client, ADD);
        let a = upload(&client, &[1.; 6], &[2, 3], &client.devices()[0]);
        run(&exe, &[&a, &a]).unwrap().remove(0)
    };
    assert_eq!(download(&sum), [2.; 6]);
}

#[test]
fn everything_may_go_while_a_program_runs() {
    let slow = "module @slow { func.func @main(%a: tensor<512x512xf32>) -> tensor<512x512xf32> {
      %0 = stablehlo.dot %a, %a : (tensor<512x512xf32>, tensor<512x512xf32>) -> tensor<512x512xf32>
      %1 = stablehlo.dot %0, %0 : (tensor<512x512xf32>, tensor<512x512xf32>) -> tensor<512x512xf32>
      return %1 : tensor<512x512xf32> } }";
    for _ in 0..10 {
        let client = client(1);
        let exe = compile(&client, slow);
        let a = upload(&client, &[1.; 512 * 512], &[512, 512], &client.devices()[0]);
        for _ in 0..5 {
            run(&exe, &[&a]).unwrap();
        }
        drop((a, exe));
        assert_eq!(client.live_buffers(), 0);
    }
}

#[test]
fn threads_share_a_client() {
    let client = client(2);
    let exe = compile(&client, ADD);
    thread::scope(|scope| {
        for worker in 0..4 {
            let (client, exe) = (&client, &exe);
            scope.spawn(move || {
                for step in 0..50 {
                    let value = (worker * 100 + step) as f32;
                    let a = upload(client, &[value; 6], &[2, 3], &client.devices()[0]);
                    let sum = run(exe, &[&a, &a]).unwrap();
                    assert_eq!(download(&sum[0]), [2. * value; 6]);
                    if step % 25 == 0 {
                        compile(client, ADD);
                    }
                }
            });
        }
    });
    assert_eq!(client.live_buffers(), 0);
}

#[test]
fn programs_are_serialized_and_loaded() {
    let client = client(1);
    let exe = compile(&client, DONATE);
    let saved = exe.serialize().unwrap();
    let other = common::client(1);
    let loaded = other.deserialize(&saved, &CompileOptions::default()).unwrap();
    assert_eq!((loaded.parameters(), loaded.donated()), (exe.parameters(), exe.donated()));
    let a = upload(&other, &[1.; 4], &[4], &other.devices()[0]);
    let b = upload(&other, &[2.; 4], &[4], &other.devices()[0]);
    assert_eq!(download(&run(&loaded, &[&a, &b]).unwrap()[0]), [3.; 4]);
    assert!(a.is_deleted());
    let error = other.deserialize(b"no program", &CompileOptions::default()).unwrap_err();
    assert!(!error.message.is_empty());
}

#[test]
fn a_program_tells_its_plan() {
    let client = client(1);
    let exe = compile(&client, ADD);
    let stats = exe.memory_stats().unwrap();
    assert_eq!((stats.arguments, stats.outputs, stats.aliased), (48, 24, 0));
    let program = exe.optimized_program().unwrap();
    assert!(program.windows(8).any(|bytes| bytes == b"add_fusi" || bytes == b"wrapped_"), "the computations are there");
    assert_eq!(exe.fingerprint().unwrap(), compile(&client, ADD).fingerprint().unwrap());
    assert_ne!(exe.fingerprint().unwrap(), compile(&client, DONATE).fingerprint().unwrap());
    assert_eq!(exe.parameter_layouts().unwrap(), [Layout::row_major(2), Layout::row_major(2)]);
    assert_eq!(exe.output_layouts().unwrap(), [Layout::row_major(2)]);
    let text = client.optimized_hlo_text(ADD.as_bytes(), &CompileOptions::default()).unwrap();
    assert!(text.contains("HloModule add") && text.contains("f32[2,3]"), "{text}");
}

#[test]
fn a_deleted_program_does_not_run() {
    let client = client(1);
    let exe = compile(&client, ADD);
    let a = upload(&client, &[1.; 6], &[2, 3], &client.devices()[0]);
    assert!(!exe.is_deleted());
    exe.delete().unwrap();
    assert!(exe.is_deleted());
    let error = run(&exe, &[&a, &a]).unwrap_err();
    assert_eq!(
        (error.code, error.to_string().as_str()),
        (Code::FailedPrecondition, "cannot run `add`: it was deleted")
    );
}

#[test]
fn bad_programs_and_options_are_errors() {
    let client = client(1);
    let compile = |program: &str, options: &CompileOptions| client.compile(program.as_bytes(), options).unwrap_err();
    let error = compile("module { func.func @main( }", &CompileOptions::default());
    assert!(error.message.contains("error: expected"), "{error}");
    assert!(compile("", &CompileOptions::default()).message.len() > 3);
    let unknown = vec![("xla_no_such_option".to_string(), OptionValue::Bool(true))];
    let error = compile(ADD, &CompileOptions { env_overrides: unknown, ..Default::default() });
    assert!(error.message.contains("xla_no_such_option"), "{error}");
    let assignment = CompileOptions { device_assignment: Some(vec![vec![0, 1]]), ..Default::default() };
    let error = compile(ADD, &assignment);
    assert!(error.message.contains("rows of [2] devices, but there are 1 replicas of 1 partitions"), "{error}");
}

#[test]
fn overrides_hold_for_one_compilation() {
    let client = client(1);
    let overrides = vec![("xla_cpu_enable_fast_math".to_string(), OptionValue::Bool(false))];
    let options = CompileOptions { env_overrides: overrides, ..Default::default() };
    let exe = client.compile(ADD.as_bytes(), &options).unwrap();
    let a = upload(&client, &[1.; 6], &[2, 3], &client.devices()[0]);
    assert_eq!(download(&run(&exe, &[&a, &a]).unwrap()[0]), [2.; 6]);
    assert_eq!(options.to_proto().unwrap(), options.clone().to_proto().unwrap());
}

#[test]
fn absurd_client_options_are_refused() {
    for count in [-1, 0, 1 << 40] {
        let error = plugin().client(&[("cpu_device_count", count.into())]).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains(&count.to_string()), "{error}");
    }
    // Older plugins ignore what they do not know.
    if plugin().api_version() >= (0, 115) {
        let error = plugin().client(&[("no_such_option", 1.into())]).unwrap_err();
        assert!(error.message.contains("no_such_option"), "{error}");
    }
}

#[test]
fn a_plugin_describes_itself() {
    let plugin = plugin();
    let (major, minor) = plugin.api_version();
    assert!(major == 0 && minor >= raxla_xla::OLDEST_API);
    assert!(plugin.attributes().contains_key("stablehlo_current_version"), "{:?}", plugin.attributes());
    assert!(plugin.has_extension(raxla_xla::sys::PJRT_Extension_Type_FFI), "{:?}", plugin.extensions());
    assert!(!plugin.has_extension(raxla_xla::sys::PJRT_Extension_Type_Megascale));
    let again = raxla_xla::Plugin::load(plugin.path()).unwrap();
    assert_eq!(again.path(), plugin.path());
    let client = client(2);
    assert_eq!(client.devices().iter().map(|device| device.id()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(client.device(1).unwrap(), &client.devices()[1]);
    assert!(client.device(9).unwrap_err().message.contains("[0, 1]"));
    assert_eq!(client.devices()[0].kind(), "cpu");
}

#[test]
fn topologies_that_the_platform_lacks_are_errors() {
    let error = plugin().topology("v5e:2x4", &[]).unwrap_err();
    assert!(!error.message.is_empty(), "{error:?}");
}

/// A result of 96 MB. (The C library maps blocks of 32 MB and more one by one.)
#[cfg(target_os = "linux")]
#[test]
fn large_results_are_in_large_pages() {
    const IOTA: &str = "module @iota {
  func.func @main() -> tensor<25165824xf32> {
    %0 = stablehlo.iota dim = 0 : tensor<25165824xf32>
    return %0 : tensor<25165824xf32>
  }
}";
    let client = client(1);
    let exe = compile(&client, IOTA);
    let result = run(&exe, &[]).unwrap();
    assert_eq!(download(&result[0])[16_777_215], 16_777_215.0);
    let mappings = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists() || !mappings.contains("VmFlags:") {
        return; // this system has none
    }
    let value = |line: Option<&str>| line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    let asked = mappings.split("VmFlags:").collect::<Vec<_>>();
    // (a mapping's flags stand behind all else that is said of it)
    let found = asked.windows(2).any(|pair| {
        let kilobytes = value(pair[0].lines().find(|line| line.starts_with("Size:")));
        kilobytes >= 96 << 10 && pair[1].lines().next().is_some_and(|flags| flags.split(' ').any(|flag| flag == "hg"))
    });
    assert!(found, "the plugin's large blocks are not led to xla_extension/src/pages.rs");
}
