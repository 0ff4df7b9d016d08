//! From files to a model and back: where files come from, what they mean, parameters on a device, and written directories.
pub mod config;
pub(crate) mod files;
pub mod hub;
pub mod params;
pub(crate) mod save;
pub mod source;
pub mod tokenizer;
pub mod weights;
