//! `raxla convert` to GGUF files.

use crate::common::*;
use std::{path::Path, process::Command};

fn convert(from: &Path, to: &Path, options: &[&str]) -> Command {
    let mut command = raxla(["convert"]);
    command.arg(from).arg(to).args(options);
    command
}

#[test]
fn a_gguf_file_computes_what_its_quantised_weights_do() {
    let dir = tempfile::tempdir().unwrap();
    let (f32s, q8, floats) = (dir.path().join("f32.gguf"), dir.path().join("q8"), dir.path().join("floats"));
    // the format follows from the name, or is said
    let from = fixture("llama_mha_tied");
    assert_eq!(succeeds(&mut convert(&from, &f32s, &[])), format!("{}\n", f32s.display()));
    succeeds(&mut convert(&from, &q8, &["--format", "gguf", "--quantize", "Q8_0"]));
    let outs = ["original", "f32", "q8", "floats"].map(|name| dir.path().join(name).with_extension("safetensors"));
    let q8_named = dir.path().join("q8.gguf");
    std::fs::rename(&q8, &q8_named).unwrap();
    // blocks as floats again
    succeeds(&mut convert(&q8_named, &floats, &[]));
    for (model, out) in [from, f32s, q8_named, floats].iter().zip(&outs) {
        succeeds(&mut logits(model, "3,1,4,1,5", out));
    }
    let [original, f32s, q8, floats] = outs.map(|out| {
        let bytes = read_tensors(&out)["logits"].2.clone();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<f32>>()
    });
    let off = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // blocks are decoded as the model computes, and their numbers added in another order than floats
    assert!(original == f32s && off(&q8, &floats) < 1e-5 && off(&q8, &original) > 1e-4);
}

#[test]
fn wrong_wishes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (fixture("llama_mha_tied"), dir.path().join("x.gguf"));
    fails(&mut convert(&from, &to, &["--quantize", "q9"]), 2, &["there is no quantisation \"q9\"; there is f32, f16"]);
    fails(
        &mut convert(&from, &dir.path().join("x"), &["--quantize", "q8_0"]),
        1,
        &["help: write a .gguf file, or int8 or int4"],
    );
    std::fs::write(&to, "mine").unwrap();
    fails(&mut convert(&from, &to, &[]), 1, &["there is something of that name", "help: name another file"]);
}
