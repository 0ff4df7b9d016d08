//! Adapters: beside a model, and merged into it.

use crate::common::*;
use std::path::PathBuf;

fn adapter() -> PathBuf {
    data("adapters/gpt2_lora")
}

#[test]
fn beside_a_model_is_merged_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let (from, merged) = (fixture("gpt2_plain"), dir.path().join("merged"));
    succeeds(raxla(["convert"]).arg(&from).arg(&merged).arg("--adapter").arg(adapter()));
    let outs = ["plain", "beside", "merged"].map(|name| dir.path().join(name).with_extension("safetensors"));
    succeeds(&mut logits(&from, "3,1,4,1,5", &outs[0]));
    succeeds(logits(&from, "3,1,4,1,5", &outs[1]).arg("--adapter").arg(adapter()));
    succeeds(&mut logits(&merged, "3,1,4,1,5", &outs[2]));
    let [plain, beside, merged] = outs.map(|out| {
        let bytes = read_tensors(&out)["logits"].2.clone();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<f32>>()
    });
    let off = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off(&beside, &merged) < 1e-5 && off(&beside, &plain) > 1e-2);
}

#[test]
fn what_is_no_adapter_of_the_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.safetensors");
    let mut of_another = logits(&fixture("llama_mha_tied"), "3,1", &out);
    fails(of_another.arg("--adapter").arg(adapter()), 1, &["mean no matrix of this model's layers", "help: they are"]);
    let mut none = logits(&fixture("gpt2_plain"), "3,1", &out);
    fails(none.arg("--adapter").arg(dir.path()), 1, &["is no adapter: there is no adapter_config.json", "help: "]);
}
