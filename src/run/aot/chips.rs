//! The accelerators that programs can be compiled for, with what their makers say of them.
use crate::aval::DType;

/// A kind of accelerator. All figures are of one device, as a program sees it: a TPU7x chip is two.
///
/// Sources: for TPUs the pages "TPU v4" to "TPU7x" of Cloud TPU's documentation, section "System architecture"; for NVIDIA's the data
/// sheet of the product, without sparsity. They are peaks; nothing reaches them.
#[derive(Debug, PartialEq)]
pub struct Chip {
    /// What targets call it: `v5e`, `h100`.
    pub name: &'static str,
    /// TPU or GPU, and what its plugin needs to know.
    pub make: Make,
    /// Floating-point (or integer) operations a second, by the dtype of the factors of a product.
    pub flops: &'static [(DType, f64)],
    /// Bytes a second to and from the device's memory.
    pub bandwidth: f64,
    /// Bytes of memory. What the plugin tells of a target counts before this.
    pub memory: u64,
    /// Bytes a second that a device sends to its neighbours along one axis of a mesh: on a TPU both ways around a ring, on a GPU over
    /// NVLink.
    pub link: f64,
    /// Bytes a second that a device sends to other hosts (GPU) or to other slices (TPU).
    pub network: f64,
}

/// What a plugin needs to know to compile for a chip.
#[derive(Debug, PartialEq)]
pub enum Make {
    /// A TPU, whose chips are a grid of so many axes.
    Tpu {
        /// Axes of the grid: 2 or 3.
        axes: usize,
        /// Devices of a chip.
        devices: usize,
        /// The most chips of one host.
        host: usize,
        /// The plugin's option `chip_config_name`; none if empty.
        config: &'static str,
    },
    /// A GPU, by the name that the CUDA plugin describes it under.
    Gpu(&'static str),
}

const GIB: u64 = 1 << 30;
const TERA: f64 = 1e12;
const GIGA: f64 = 1e9;

const fn tpu(axes: usize, devices: usize, host: usize) -> Make {
    Make::Tpu { axes, devices, host, config: "" }
}

/// All chips. F32 products of a TPU are six passes of bf16.
#[rustfmt::skip]
pub const CHIPS: &[Chip] = &[
    Chip {
        name: "v4", make: Make::Tpu { axes: 3, devices: 1, host: 4, config: "megacore" }, memory: 32 * GIB, bandwidth: 1228.0 * GIGA,
        flops: &[(DType::BF16, 275.0 * TERA), (DType::I8, 275.0 * TERA), (DType::F32, 45.8 * TERA)],
        link: 100.0 * GIGA, network: 6.25 * GIGA,
    },
    Chip {
        name: "v5e", make: tpu(2, 1, 8), memory: 16 * GIB, bandwidth: 819.0 * GIGA,
        flops: &[(DType::BF16, 197.0 * TERA), (DType::I8, 393.0 * TERA), (DType::F32, 32.8 * TERA)],
        link: 100.0 * GIGA, network: 3.125 * GIGA,
    },
    Chip {
        name: "v5p", make: tpu(3, 1, 4), memory: 95 * GIB, bandwidth: 2765.0 * GIGA,
        flops: &[(DType::BF16, 459.0 * TERA), (DType::I8, 918.0 * TERA), (DType::F32, 76.5 * TERA)],
        link: 200.0 * GIGA, network: 6.25 * GIGA,
    },
    Chip {
        name: "v6e", make: tpu(2, 1, 8), memory: 32 * GIB, bandwidth: 1638.0 * GIGA,
        flops: &[(DType::BF16, 918.0 * TERA), (DType::I8, 1836.0 * TERA), (DType::F32, 153.0 * TERA)],
        link: 200.0 * GIGA, network: 12.5 * GIGA,
    },
    // (half a chip: 2307 TFLOPS, 4614 in f8, 192 GiB at 7380 GB/s, and the chip's links shared)
    Chip {
        name: "tpu7x", make: tpu(3, 2, 4), memory: 96 * GIB, bandwidth: 3690.0 * GIGA,
        flops: &[(DType::BF16, 1153.5 * TERA), (DType::F8E4M3FN, 2307.0 * TERA), (DType::F8E5M2, 2307.0 * TERA), (DType::F32, 192.2 * TERA)],
        link: 100.0 * GIGA, network: 6.25 * GIGA,
    },
    Chip {
        name: "a100-40gb", make: Make::Gpu("NVIDIA A100-SXM4-40GB"), memory: 42_331_013_120, bandwidth: 1555.0 * GIGA,
        flops: A100, link: 300.0 * GIGA, network: 25.0 * GIGA,
    },
    Chip {
        name: "a100-80gb", make: Make::Gpu("NVIDIA A100-SXM4-80GB"), memory: 85_100_068_864, bandwidth: 2039.0 * GIGA,
        flops: A100, link: 300.0 * GIGA, network: 25.0 * GIGA,
    },
    Chip {
        name: "h100", make: Make::Gpu("NVIDIA H100 80GB HBM3"), memory: 84_942_979_072, bandwidth: 3350.0 * GIGA,
        flops: H100, link: 450.0 * GIGA, network: 50.0 * GIGA,
    },
    Chip {
        name: "h200", make: Make::Gpu("NVIDIA H200 141GB HBM3e"), memory: 151_397_597_184, bandwidth: 4800.0 * GIGA,
        flops: H100, link: 450.0 * GIGA, network: 50.0 * GIGA,
    },
    Chip {
        name: "b200", make: Make::Gpu("NVIDIA B200"), memory: 191_514_411_008, bandwidth: 7700.0 * GIGA,
        flops: B200, link: 900.0 * GIGA, network: 50.0 * GIGA,
    },
    Chip {
        name: "gb200", make: Make::Gpu("NVIDIA GB200"), memory: 197_897_748_480, bandwidth: 8000.0 * GIGA,
        flops: &[(DType::BF16, 2500.0 * TERA), (DType::F16, 2500.0 * TERA), (DType::F8E4M3FN, 5000.0 * TERA), (DType::F8E5M2, 5000.0 * TERA), (DType::I8, 5000.0 * TERA), (DType::F32, 80.0 * TERA), (DType::F64, 40.0 * TERA)],
        link: 900.0 * GIGA, network: 50.0 * GIGA,
    },
];
#[rustfmt::skip]
const A100: &[(DType, f64)] =
    &[(DType::BF16, 312.0 * TERA), (DType::F16, 312.0 * TERA), (DType::I8, 624.0 * TERA), (DType::F32, 19.5 * TERA), (DType::F64, 19.5 * TERA)];
#[rustfmt::skip]
const H100: &[(DType, f64)] =
    &[(DType::BF16, 989.0 * TERA), (DType::F16, 989.0 * TERA), (DType::F8E4M3FN, 1979.0 * TERA), (DType::F8E5M2, 1979.0 * TERA), (DType::I8, 1979.0 * TERA), (DType::F32, 67.0 * TERA), (DType::F64, 67.0 * TERA)];
#[rustfmt::skip]
const B200: &[(DType, f64)] =
    &[(DType::BF16, 2250.0 * TERA), (DType::F16, 2250.0 * TERA), (DType::F8E4M3FN, 4500.0 * TERA), (DType::F8E5M2, 4500.0 * TERA), (DType::I8, 4500.0 * TERA), (DType::F32, 75.0 * TERA), (DType::F64, 37.0 * TERA)];

impl Chip {
    /// The chip of this name. `a100` is the one of 80 GB.
    pub fn named(name: &str) -> Option<&'static Chip> {
        let name = if name == "a100" { "a100-80gb" } else { name };
        CHIPS.iter().find(|chip| chip.name == name)
    }
    /// Operations a second of products whose factors have this dtype; as of f32, where the chip has nothing for it.
    pub fn flops(&self, dtype: DType) -> f64 {
        let of = |dtype: DType| self.flops.iter().find(|(d, _)| *d == dtype).map(|(_, flops)| *flops);
        let like = if dtype == DType::F16 && matches!(self.make, Make::Tpu { .. }) { DType::BF16 } else { dtype };
        of(like).or_else(|| of(DType::F32)).expect("every chip has f32")
    }
}
