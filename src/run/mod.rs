//! Running programs: `jit`, its caches in memory and on disk, data on devices, the client, and what programs tell the host.
pub mod aot;
pub mod array;
pub mod cache;
pub mod debug;
pub mod distributed;
pub mod export;
pub mod file;
pub mod jit;
pub mod memory;
pub mod runtime;
