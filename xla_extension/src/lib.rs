//! PJRT for Rust: load a plugin, compile StableHLO, run it on CPU, GPU or TPU.

mod buffer;
mod client;
mod device;
mod dtype;
mod dump;
mod environment;
mod error;
mod event;
mod executable;
mod execute;
mod extensions;
pub mod ffi;
mod host;
mod install;
mod layout;
mod manifest;
mod named_value;
mod options;
mod pip;
mod plugin;
mod progress;
#[allow(missing_docs, clippy::all)]
mod proto;
mod search;
mod signature;
pub mod sys;
mod table;
mod topology;

pub use buffer::{Buffer, HostRead};
pub use client::{Client, MAX_CPU_DEVICES};
pub use device::{Device, DeviceDescription, Memory, MemoryUsage};
pub use dtype::{DType, UnknownDType};
pub use environment::set_verbose;
pub use error::{Code, Error, Result};
pub use event::Event;
pub use executable::{Compiled, Executable, MemoryStats};
pub use execute::ExecuteOptions;
pub use host::{HostBuffer, HostSemantics, Target, ZERO_COPY_ALIGNMENT};
pub use install::{
    FileState, fetch_pinned, install, install_needs, library_path, offline, pinned_path, raxla_home, verify,
};
pub use layout::Layout;
pub use manifest::{Entry, Need, Pinned, WithoutDevice, entries, kinds, manifest};
pub use named_value::NamedValue;
pub use options::{CompileOptions, OptionValue};
pub use plugin::{OLDEST_API, Plugin};
pub use progress::Progress;
pub use search::{PLUGIN_VARIABLES, PluginStatus, find_plugin, status_of, status_of_all};
pub use signature::ArrayType;
pub use topology::Topology;
