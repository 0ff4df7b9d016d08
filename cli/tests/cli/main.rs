//! The binary `raxla` as its users meet it: what it prints where, and how it ends.
//!
//! Models are the tiny checkpoints of `graphs`; the plugin is the one in the user's `RAXLA_HOME`.

mod adapters;
mod bad_models;
mod bad_plugins;
mod bad_usage;
mod bench;
mod checkpoint;
mod commands;
mod common;
mod devices;
mod distributed;
mod finetune;
mod generate;
mod help;
mod homes;
mod interrupts;
mod killed;
mod memory;
mod perplexity;
mod plan;
mod programs;
mod quantize;
mod speed;
mod train;
mod verify;
