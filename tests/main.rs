//! The tests of the framework, in one program: linking is most of what a test costs to build. A file here is a module below.
//!
//! `cargo test -p raxla --test all rules::` runs those of tests/rules.rs. What decides about its whole process is a program of
//! its own, see Cargo.toml.

mod against_jax;
mod aot;
mod array;
mod buckets;
mod calls;
mod checkpoint;
mod collectives;
mod communication;
mod complex;
mod complex_cases;
mod control;
mod cost;
mod docs;
mod edges;
mod examples;
mod export;
mod fft;
mod first_hour;
mod flash;
mod golden;
mod jax_functions;
mod jax_names;
mod jit;
mod jit_circles;
mod jit_keys;
mod kernels;
mod layers;
mod linalg;
mod moe;
mod numbers;
mod numerics;
mod numpy;
mod optim;
mod passes;
mod pmap;
mod primitives;
mod random;
mod recompiles;
mod remat;
mod rules;
mod shard_map;
mod sharded_arrays;
mod small_floats;
mod table;
mod trace_errors;
mod transform;
mod tree;
mod ui;
mod windows;
