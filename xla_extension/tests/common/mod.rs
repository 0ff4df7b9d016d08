//! What the tests share: the CPU plugin, clients, small programs.
#![allow(dead_code, missing_docs)]

use raxla_xla::{Buffer, Client, CompileOptions, DType, Device, Executable, Plugin, find_plugin};
use std::sync::LazyLock;

pub fn plugin() -> &'static Plugin {
    static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
        let path = find_plugin("cpu", None).unwrap_or_else(|error| panic!("{error}"));
        Plugin::load(&path).unwrap_or_else(|error| panic!("{error}"))
    });
    &PLUGIN
}

/// A client of its own, so that counts of live buffers are the test's.
pub fn client(devices: i64) -> Client {
    plugin().client(&[("cpu_device_count", devices.into())]).unwrap()
}

pub fn compile(client: &Client, program: &str) -> Executable {
    client.compile(program.as_bytes(), &CompileOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

pub const ADD: &str = "module @add {
  func.func @main(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> tensor<2x3xf32> {
    %0 = stablehlo.add %a, %b : tensor<2x3xf32>
    return %0 : tensor<2x3xf32>
  }
}";

pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|chunk| f32::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

pub fn upload(client: &Client, values: &[f32], dims: &[usize], device: &Device) -> Buffer {
    client.upload(&bytes(values), DType::F32, dims, device).unwrap()
}

pub fn download(buffer: &Buffer) -> Vec<f32> {
    floats(&buffer.download().unwrap())
}
