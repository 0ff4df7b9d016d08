//! `raxla verify`.

use crate::common::*;
use safetensors::{SafeTensors, tensor::TensorView};
use std::{fs, path::Path, process::Command};

fn verify(model: &Path, reference: &Path) -> Command {
    let mut command = raxla(["verify", "--model"]);
    command.arg(model).arg("--reference").arg(reference);
    command
}

#[test]
fn a_model_is_what_transformers_computed() {
    let dir = fixture("gemma2_windows");
    let shown = succeeds(&mut verify(&dir, &dir.join("reference.safetensors")));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("tensor"), "{shown}");
    assert!(lines[1].starts_with("hidden_states.0") && lines[6].starts_with("logits"), "{shown}");
    assert_eq!(lines.iter().filter(|l| l.contains(" same ") && l.ends_with(" 5/5")).count(), 17, "{shown}");
    succeeds(verify(&dir, &dir.join("reference.safetensors")).args([
        "--dtype",
        "bf16",
        "--scan",
        "--tolerance",
        "0.2",
    ]));
}

#[test]
fn the_first_layer_that_differs_is_named() {
    // one matrix of layer 1 is another one
    let (dir, from) = (tempfile::tempdir().unwrap(), fixture("llama_gqa_untied"));
    fs::copy(from.join("config.json"), dir.path().join("config.json")).unwrap();
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let name = "model.layers.1.mlp.up_proj.weight";
    let mut broken = file.tensor(name).unwrap().data().to_vec();
    broken[..64].fill(0);
    let views = file.tensors().into_iter().map(|(n, view)| {
        let data = if n == name { &broken } else { view.data() };
        (n, TensorView::new(view.dtype(), view.shape().to_vec(), data).unwrap())
    });
    safetensors::serialize_to_file(views.collect::<Vec<_>>(), None, &dir.path().join("model.safetensors")).unwrap();
    let wanted = ["error: hidden_states.2 deviates by ", "more than 1.0e-4: look at layer 1"];
    let outcome = run(&mut verify(dir.path(), &from.join("reference.safetensors")));
    assert_eq!(outcome.code, Some(1));
    wanted.iter().for_each(|text| assert!(outcome.stderr.contains(text), "{}", outcome.stderr));
    assert!(outcome.stdout.contains("hidden_states.1       1.000000000"), "{}", outcome.stdout);
}

#[test]
fn what_is_no_reference_is_refused() {
    let model = fixture("gpt2_plain");
    let cases: [(&Path, &[&str]); 4] = [
        (Path::new("/no/such/file"), &["the reference /no/such/file: No such file", "scripts/make_reference.py"]),
        (&model.join("config.json"), &["no safetensors file"]),
        (&model.join("model.safetensors"), &["it has no tensor `tokens`"]),
        (&fixture("llama_gqa_untied").join("reference.safetensors"), &["it is of another model"]),
    ];
    for (reference, wanted) in cases {
        fails(&mut verify(&model, reference), 1, wanted);
    }
}
