//! `raxla plan`, as far as no plugin for accelerators is needed: what is refused before one is looked for.

use crate::common::*;

/// Runs `plan` where a plugin can be neither found nor fetched.
fn misused(arguments: &[&str], code: i32, wanted: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let mut command = raxla(["plan"]);
    fails(command.args(arguments).env("RAXLA_HOME", home.path()).env("RAXLA_OFFLINE", "1"), code, wanted);
}

#[test]
fn targets_and_sizes_are_checked_before_a_plugin_is_looked_for() {
    let gemma =
        |rest: &[&str], code, wanted: &[&str]| misused(&[&["--model", "gemma-7b"], rest].concat(), code, wanted);
    gemma(&["--target", "v5p:2x4"], 2, &["--target: the target `v5p:2x4`", "a grid of three sizes", "help: "]);
    gemma(&["--target", "rtx1x8"], 2, &["no chip of that name is known", "write a TPU as v5e:2x4"]);
    gemma(&["--target", "h100x8", "--slices", "2"], 2, &["only TPUs have slices"]);
    gemma(&["--target", "v5e:2x4", "--batch", "0"], 2, &["'0' for '--batch <B>'"]);
    gemma(&["--target", "v5e:2x4", "--mesh", "model=16"], 1, &["needs 16 devices, but the target has 8"]);
    gemma(&["--target", "v5e:2x4", "--context", "9000"], 1, &["the model's context is 8192"]);
    gemma(&["--target", "v5e:2x4", "--mesh", "data=8"], 1, &["a batch of 1 is not divided evenly into 8 parts"]);
    gemma(&["--target", "v5e:2x4", "--dtype", "i8"], 1, &["models are planned in f32, bf16 or f16"]);
    misused(&["--model", "gema-7b", "--target", "v5e:2x4"], 1, &["did you mean gemma-7b"]);
}

#[test]
fn a_plugin_that_cannot_be_had_is_said_with_what_it_weighs() {
    misused(
        &["--model", "gemma-7b", "--target", "v5e:2x4"],
        1,
        &["which is fetched once: 137 MB, 467 MB on disk", "RAXLA_OFFLINE"],
    );
}
