//! The tests that compare with what JAX computed, in a program of their own: they are most of what there is to compile.
//!
//! `cargo test -p raxla --test with_jax jax_transforms::` runs those of tests/jax_transforms/.

mod jax;
mod jax_shard_map;
mod jax_transforms;
