//! Custom calls that run Rust.

use crate::common::{client, compile, download, plugin, upload};
use raxla_xla::{
    Buffer, Client, Code, DType, Error, ExecuteOptions, Result,
    ffi::{self, Attr, Call, Number},
};
use std::sync::atomic::{AtomicUsize, Ordering};

fn run(client: &Client, program: &str, args: &[&Buffer]) -> Result<Buffer> {
    let exe = compile(client, program);
    let result = exe.execute(&[args], &ExecuteOptions::default())?.remove(0).remove(0);
    result.ready().map(|()| result)
}

/// A program that passes its one argument to a custom call with these attributes.
fn program(target: &str, config: &str) -> String {
    format!(
        "module @custom {{ func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {{
           %0 = stablehlo.custom_call @{target}(%x) {{api_version = 4 : i32, backend_config = {{{config}}}}}
               : (tensor<8xf32>) -> tensor<8xf32>
           return %0 : tensor<8xf32> }} }}"
    )
}

fn eight(client: &Client) -> Buffer {
    upload(client, &[0., 1., 2., 3., 4., 5., 6., 7.], &[8], &client.devices()[0])
}

fn scale(call: &mut Call<'_>) -> Result<()> {
    let factor = call.attrs.float("factor")? as f32;
    let [n] = call.args[0].shape()?;
    assert_eq!((n, call.args[0].dtype(), call.results[0].dims()), (8, DType::F32, &[8][..]));
    let x = call.args[0].as_slice::<f32>()?;
    let y = call.results[0].as_mut_slice::<f32>()?;
    y.iter_mut().zip(x).for_each(|(y, x)| *y = factor * x);
    Ok(())
}

#[test]
fn a_rust_function_runs_inside_a_program() {
    let client = client(1);
    ffi::register(plugin(), "raxla_test_scale", scale).unwrap();
    let result = run(&client, &program("raxla_test_scale", "factor = 2.5 : f32"), &[&eight(&client)]).unwrap();
    assert_eq!(download(&result), [0., 2.5, 5., 7.5, 10., 12.5, 15., 17.5]);
}

#[test]
fn names_are_taken_once() {
    ffi::register(plugin(), "raxla_test_taken", scale).unwrap();
    ffi::register(plugin(), "raxla_test_taken", scale).unwrap();
    let error = ffi::register(plugin(), "raxla_test_taken", |_| Ok(())).unwrap_err();
    assert_eq!(error.code, Code::AlreadyExists);
    assert!(error.message.contains("raxla_test_taken"));
}

#[test]
fn errors_and_panics_become_the_results_error() {
    let client = client(1);
    let x = eight(&client);
    ffi::register(plugin(), "raxla_test_fails", |_| Err(Error::new(Code::OutOfRange, "seven is too many"))).unwrap();
    let error = run(&client, &program("raxla_test_fails", ""), &[&x]).unwrap_err();
    assert_eq!(error.code, Code::OutOfRange);
    assert!(error.message.contains("seven is too many"), "{error}");
    ffi::register(plugin(), "raxla_test_panics", |call| panic!("at {} arguments", call.args.len())).unwrap();
    let error = run(&client, &program("raxla_test_panics", ""), &[&x]).unwrap_err();
    assert_eq!(error.code, Code::Internal);
    assert!(error.message.contains("panicked: at 1 arguments"), "{error}");
    ffi::register(plugin(), "raxla_test_scale_too", scale).unwrap();
    let error = run(&client, &program("raxla_test_scale_too", ""), &[&x]).unwrap_err();
    assert!(error.message.contains("no attribute `factor`"), "{error}");
}

#[test]
fn wrong_types_are_errors() {
    let client = client(1);
    ffi::register(plugin(), "raxla_test_types", |call| {
        let error = call.args[0].as_slice::<i32>().unwrap_err();
        assert!(error.message.contains("argument 0 is f32[8], but the handler takes i32"), "{error}");
        let error = call.results[0].as_mut_slice::<u16>().unwrap_err();
        assert!(error.message.contains("result 0 is f32[8], but the handler takes u16 or bf16 or f16"), "{error}");
        let error = call.args[0].shape::<2>().unwrap_err();
        assert!(error.message.contains("argument 0 has 1 axes, but the handler takes 2"), "{error}");
        call.results[0].as_mut_bytes().copy_from_slice(call.args[0].as_bytes()?);
        Ok(())
    })
    .unwrap();
    let result = run(&client, &program("raxla_test_types", ""), &[&eight(&client)]).unwrap();
    assert_eq!(download(&result)[7], 7.);
}

fn read_attributes(call: &mut Call<'_>) -> Result<()> {
    let attrs = call.attrs;
    assert_eq!(attrs.names().collect::<Vec<_>>(), ["b", "d", "f", "fs", "i", "inner", "is", "s", "u"]);
    assert!(attrs.bool("b")?);
    assert_eq!((attrs.int("i")?, attrs.int("u")?), (-3, 200));
    assert_eq!((attrs.float("f")?, attrs.float("d")?), (0.5, 0.25));
    assert_eq!(attrs.ints("is")?, [1, -2, 3]);
    assert_eq!(attrs.floats("fs")?, [1.5, 2.5]);
    assert_eq!(attrs.string("s")?, "text");
    assert_eq!(attrs.dictionary("inner")?.int("x")?, 7);
    assert!(matches!(attrs.get("is")?, Attr::Array(numbers) if numbers[1] == Number::Int(-2)));
    for error in [attrs.int("s").unwrap_err(), attrs.float("i").unwrap_err(), attrs.string("b").unwrap_err()] {
        assert_eq!(error.code, Code::InvalidArgument);
    }
    call.results[0].as_mut_slice::<f32>()?.fill(1.);
    Ok(())
}

#[test]
fn attributes_of_every_kind() {
    let client = client(1);
    ffi::register(plugin(), "raxla_test_attributes", read_attributes).unwrap();
    let config = "b = true, i = -3 : i16, u = 200 : ui8, f = 0.5 : f32, d = 0.25 : f64, s = \"text\", \
                  is = array<i64: 1, -2, 3>, fs = array<f32: 1.5, 2.5>, inner = {x = 7 : i32}";
    let result = run(&client, &program("raxla_test_attributes", config), &[&eight(&client)]).unwrap();
    assert_eq!(download(&result), [1.; 8]);
}

#[test]
fn work_is_shared_among_the_runtimes_threads() {
    static TASKS: AtomicUsize = AtomicUsize::new(0);
    let client = client(1);
    ffi::register(plugin(), "raxla_test_threads", |call| {
        assert!(call.threads.count() >= 1);
        let x = call.args[0].as_slice::<f32>()?;
        let sums: Vec<AtomicUsize> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
        call.threads.run(1000, |i| {
            TASKS.fetch_add(1, Ordering::Relaxed);
            sums[i].store(x[i % 8] as usize, Ordering::Relaxed);
        });
        let total: usize = sums.iter().map(|sum| sum.load(Ordering::Relaxed)).sum();
        call.results[0].as_mut_slice::<f32>()?.fill(total as f32);
        call.threads.run(0, |_| unreachable!("no tasks"));
        Ok(())
    })
    .unwrap();
    let result = run(&client, &program("raxla_test_threads", ""), &[&eight(&client)]).unwrap();
    assert_eq!(download(&result), [3500.; 8]);
    assert_eq!(TASKS.load(Ordering::Relaxed), 1000);
    ffi::register(plugin(), "raxla_test_task_panics", |call| {
        call.threads.run(10, |i| assert!(i != 3, "task three"));
        Ok(())
    })
    .unwrap();
    let error = run(&client, &program("raxla_test_task_panics", ""), &[&eight(&client)]).unwrap_err();
    assert!(error.message.contains("a parallel task panicked"), "{error}");
}

#[test]
fn an_argument_in_the_place_of_a_result_is_read_there() {
    let client = client(1);
    ffi::register(plugin(), "raxla_test_in_place", |call| {
        assert_eq!(call.args[0].in_place(), Some(0));
        let error = call.args[0].as_slice::<f32>().unwrap_err();
        assert!(error.message.contains("argument 0 shares the memory of result 0"), "{error}");
        call.results[0].as_mut_slice::<f32>()?.iter_mut().for_each(|x| *x += 1.);
        Ok(())
    })
    .unwrap();
    let program = "module @in_place { func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
      %y = stablehlo.add %x, %x : tensor<8xf32>
      %0 = stablehlo.custom_call @raxla_test_in_place(%y) {api_version = 4 : i32, backend_config = {},
          output_operand_aliases = [#stablehlo.output_operand_alias<output_tuple_indices = [],
                                    operand_index = 0, operand_tuple_indices = []>]}
          : (tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32> } }";
    let result = run(&client, program, &[&eight(&client)]).unwrap();
    assert_eq!(download(&result), [1., 3., 5., 7., 9., 11., 13., 15.]);
}

#[test]
fn four_bit_types_are_packed() {
    let client = client(1);
    ffi::register(plugin(), "raxla_test_packed", |call| {
        assert_eq!(call.args[0].dtype(), DType::I4);
        assert_eq!(call.args[0].as_bytes()?, [0x21, 0x43, 0x0f]);
        call.results[0].as_mut_slice::<u8>()?.copy_from_slice(call.args[0].as_bytes()?);
        Ok(())
    })
    .unwrap();
    let program = "module @packed { func.func @main(%x: tensor<5xi4>) -> tensor<3xui8> {
      %0 = stablehlo.custom_call @raxla_test_packed(%x) {api_version = 4 : i32, backend_config = {}}
          : (tensor<5xi4>) -> tensor<3xui8>
      return %0 : tensor<3xui8> } }";
    let x = client.upload(&[1, 2, 3, 4, 255], DType::I4, &[5], &client.devices()[0]).unwrap();
    assert_eq!(run(&client, program, &[&x]).unwrap().download().unwrap(), [0x21, 0x43, 0x0f]);
}
