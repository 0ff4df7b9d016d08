//! All tests of the crate.
mod fixtures;
mod properties;
mod refused;
mod writing;
