//! The tests of the PJRT layer, in one program. A file here is a module below; `watchdog` is a program of its own.

mod aborts;
mod arrays;
mod common;
mod devices;
mod ffi;
#[cfg(unix)]
mod install;
mod plugins;
mod programs;
mod topologies;
