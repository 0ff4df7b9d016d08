//! PJRT for Rust: load a plugin, compile StableHLO, run it on CPU, GPU or TPU.
//!
//! ```
//! use raxla_xla::{CompileOptions, DType, ExecuteOptions, Plugin, find_plugin};
//!
//! # fn main() -> raxla_xla::Result<()> {
//! let plugin = Plugin::load(&find_plugin("cpu", None)?)?;
//! let client = plugin.client(&[("cpu_device_count", 1.into())])?;
//! let device = &client.devices()[0];
//! let program = "func.func @main(%x: tensor<3xi32>) -> tensor<3xi32> {
//!     %0 = stablehlo.add %x, %x : tensor<3xi32>
//!     return %0 : tensor<3xi32>
//! }";
//! let double = client.compile(program.as_bytes(), &CompileOptions::default())?;
//! let bytes: Vec<u8> = [1i32, 2, 3].into_iter().flat_map(i32::to_ne_bytes).collect();
//! let x = client.upload(&bytes, DType::I32, &[3], device)?;
//! let results = double.execute(&[&[&x]], &ExecuteOptions::default())?; // [device][result], not waited for
//! let doubled = results[0][0].download()?;
//! assert_eq!(doubled[..4], 2i32.to_ne_bytes());
//! # Ok(())
//! # }
//! ```
//!
//! * [`Plugin`], [`Client`], [`Device`], [`Buffer`], [`Executable`], [`Topology`] wrap the C API of PJRT: each handle is
//!   freed once, may be used from every thread, and keeps alive what it belongs to. [`Error`] carries the plugin's message
//!   and, where there is one, the way out.
//! * Before every run the arguments are checked, which plugins do not do: a wrong dtype would run and return garbage. On
//!   the CPU the number of launches over several devices in flight is bounded, beyond which the plugin deadlocks.
//!   [`watch`] ends programs over several devices that do not complete.
//! * [`find_plugin`] finds or installs a plugin from the manifest `plugins.toml`; [`fetch_pinned`] does the same for any
//!   file in a wheel that is pinned by hash.
//! * [`ffi`] lets compiled programs call Rust functions. [`sys`] is the raw C API.
//!
//! # Environment variables
//!
//! | variable | meaning |
//! |---|---|
//! | `RAXLA_PLUGIN`, `PJRT_PLUGIN_LIBRARY_PATH` | the plugin's file, before what is installed |
//! | `TPU_LIBRARY_PATH` | libtpu's file, before what is installed |
//! | `RAXLA_HOME` | where downloads go; by default `raxla` in the user's cache folder |
//! | `RAXLA_OFFLINE` | `1` forbids downloads |
//! | `RAXLA_PIP` | a program that takes pip's arguments, instead of `python3 -m pip` |
//! | `RAXLA_WATCHDOG` | seconds within which a launch over several devices must complete: else a report, and exit status 124 |
//! | `RAXLA_VERBOSE` | `1` lets the plugins' own log lines through |
//! | `XLA_FLAGS` | XLA's own flags, checked before a plugin is loaded |

mod arena;
mod buffer;
mod client;
mod device;
mod draft;
mod dtype;
mod dump;
#[cfg(target_os = "linux")]
mod elf;
mod entry;
mod environment;
mod error;
mod event;
mod executable;
mod execute;
mod exit;
mod extensions;
pub mod ffi;
mod files;
mod forked;
mod holders;
mod home;
mod host;
mod inside;
mod install;
mod key_value;
mod launch;
mod layout;
mod manifest;
mod mapped;
mod named_value;
mod options;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod pages;
mod pip;
mod plugin;
mod profiler;
mod progress;
#[allow(missing_docs, clippy::all)]
mod proto;
mod scratch;
mod search;
mod signature;
mod standard;
pub mod sys;
mod table;
mod tiling;
mod toolkit;
mod topology;
mod watchdog;

pub use arena::Arena;
pub use buffer::{Buffer, HostRead};
pub use client::{Client, MAX_CPU_DEVICES};
pub use device::{Device, DeviceDescription, Memory, MemoryUsage};
pub use draft::{Draft, abandon_drafts, remove_abandoned_drafts};
pub use dtype::{DType, UnknownDType};
pub use environment::set_verbose;
pub use error::{Code, Error, Result};
pub use event::Event;
pub use executable::{Compiled, Executable, MemoryStats};
pub use execute::{ExecuteOptions, Results, Run};
pub use files::{read_file, read_text};
pub use holders::{Holder, holders};
pub use home::{create_own, own_folder, raxla_home, read_own_file};
pub use host::{HostBuffer, HostSemantics, Target, ZERO_COPY_ALIGNMENT};
pub use install::{
    FileState, fetch_pinned, install, install_first, install_needs, library_path, offline, pinned_path, verify,
};
pub use key_value::KeyValueStore;
pub use layout::Layout;
pub use manifest::{Entry, Need, Other, Pinned, WithoutDevice, entries, entry_of_library, kinds, manifest, others};
pub use mapped::MappedFile;
pub use named_value::NamedValue;
pub use options::{CompileOptions, OptionValue};
pub use plugin::{OLDEST_API, Plugin};
pub use profiler::{Profiler, Span};
pub use progress::Progress;
pub use search::{
    PLUGIN_VARIABLES, PluginStatus, device_present, find_plugin, find_plugin_for_device, present_plugin, status_of,
    status_of_all,
};
pub use signature::ArrayType;
pub use standard::output_is_closed;
pub use tiling::Tiling;
pub use toolkit::toolkit;
pub use topology::Topology;
pub use watchdog::{OnStall, Watchdog, exit_now, watch, watched_by};
