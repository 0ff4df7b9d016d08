//! All tests of the crate.
mod fixtures;
mod refused;
