//! Compiling for devices that are not there. The plugins are large: nothing is tested unless `RAXLA_TEST_DOWNLOADS=1`.

use raxla_xla::{CompileOptions, NamedValue, OptionValue, Plugin, entries, install, install_needs};
use std::{env, fs};

/// A product of two matrices, the first split by rows over 8 devices.
const PRODUCT: &str = r#"module @product attributes {mhlo.num_partitions = 8 : i32} {
  sdy.mesh @mesh = <["rows"=8]>
  func.func @main(%a: tensor<1024x512xbf16> {sdy.sharding = #sdy.sharding<@mesh, [{"rows"}, {}]>},
                  %b: tensor<512x256xbf16>) -> tensor<1024x256xbf16> {
    %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0]
        : (tensor<1024x512xbf16>, tensor<512x256xbf16>) -> tensor<1024x256xbf16>
    return %0 : tensor<1024x256xbf16>
  }
}"#;

fn options() -> CompileOptions {
    CompileOptions { num_partitions: 8, use_spmd: true, use_shardy: true, ..Default::default() }
}

/// The plugin, installed if need be. `None` unless the environment allows to download so many megabytes.
fn plugin(kind: &str, megabytes: usize) -> Option<Plugin> {
    if env::var_os("RAXLA_TEST_DOWNLOADS").is_none_or(|v| v != "1") {
        println!("skipped: RAXLA_TEST_DOWNLOADS=1 lets it download the {kind} plugin, {megabytes} MB");
        return None;
    }
    let path = install(entries(kind).unwrap()[0], Default::default()).unwrap_or_else(|error| panic!("{error}"));
    Some(Plugin::load(&path).unwrap_or_else(|error| panic!("{error}")))
}

#[test]
fn compiles_for_eight_tpus() {
    let Some(plugin) = plugin("tpu", 137) else { return };
    let bounds: NamedValue = vec![2, 4, 1].into();
    let topology = plugin.topology("v5e:2x4", &[("chips_per_host_bounds", bounds)]).unwrap();
    assert_eq!((topology.platform_name(), topology.devices().len()), ("tpu", 8));
    assert_eq!(topology.devices()[0].kind, "TPU v5 lite");
    assert_eq!(topology.devices()[0].memory_kinds[0], "device");
    assert!(matches!(topology.attributes()["device_memory_bytes_limit"], NamedValue::Int(16_000_000_000..)));
    let compiled = topology.compile(PRODUCT.as_bytes(), &options()).unwrap();
    assert_eq!(compiled.output_dims().unwrap(), [[128, 256]]);
    assert!(compiled.memory_stats().unwrap().total_allocation > 0);
    assert!(compiled.parameter_layouts().unwrap()[0].to_string().contains(":T("), "TPUs tile their arrays");
    assert!(!compiled.serialize().unwrap().is_empty());
    let too_many = CompileOptions { num_partitions: 16, ..options() };
    let error = topology.compile(PRODUCT.as_bytes(), &too_many).unwrap_err();
    assert_eq!(error.message, "the program is for 1 replicas of 16 partitions, but there are 8 devices");
    let error = plugin.topology("v99:1x1", &[]).unwrap_err();
    assert!(error.message.contains("v99"), "{error}");
    if fs::metadata("/dev/accel0").is_err() && fs::metadata("/dev/vfio/0").is_err() {
        let error = plugin.client(&[]).unwrap_err();
        assert!(error.to_string().contains("help: the `tpu` plugin finds no device"), "{error}");
    }
}

#[test]
fn compiles_for_eight_gpus() {
    let Some(plugin) = plugin("cuda13", 257) else { return };
    let data = install_needs(entries("cuda13").unwrap()[0], Default::default()).unwrap().unwrap();
    let config = plugin.gpu_config("NVIDIA H100 80GB HBM3").unwrap().unwrap();
    assert!(config.contains("device_memory_size: 84942979072"), "{config}");
    assert_eq!(plugin.gpu_config("NVIDIA H10").unwrap(), None);
    let config = NamedValue::String(config);
    let topology = plugin.topology("", &[("target_config", config), ("topology", "1x1x8".into())]).unwrap();
    assert_eq!((topology.platform_name(), topology.devices().len()), ("cuda", 8));
    let folder = OptionValue::String(data.to_string_lossy().into_owned());
    let env_overrides = vec![("xla_gpu_cuda_data_dir".to_string(), folder)];
    let compiled = topology.compile(PRODUCT.as_bytes(), &CompileOptions { env_overrides, ..options() }).unwrap();
    assert_eq!(compiled.output_dims().unwrap(), [[128, 256]]);
    assert!(compiled.memory_stats().unwrap().arguments > 0);
}
