//! Adapters against PEFT (scripts/make_adapter_fixtures.py), and training of them.
mod errors;
mod training;

use crate::common::{quick, tests, text};
use raxla::{Array, Client, Tensor, Tree, jit, nn::cross_entropy, prim::Format, runtime, value_and_grad};
use raxla_graphs::{
    LoadOptions, Matrices, Model,
    adapters::{self, Adapters},
    models::Decoder,
    weights::Weights,
};
use std::path::PathBuf;

const ALL: [(&str, &str); 7] = [
    ("gpt2_lora", "gpt2_plain"),
    ("gpt2_dora_bias", "gpt2_plain"),
    ("llama_rslora", "llama_gqa_untied"),
    ("llama_layers", "llama_gqa_untied"),
    ("gemma_dora", "gemma_tied"),
    ("qwen3_regex", "qwen3_head_dim"),
    ("phi3_fused", "phi3_gqa_untied"),
];

fn folder(name: &str) -> PathBuf {
    tests("data/adapters").join(name)
}
fn model(base: &str, options: LoadOptions, client: &Client) -> Model {
    let files = raxla_graphs::open(&text(tests("fixtures").join(base))).unwrap();
    Model::load(files, &LoadOptions { compile: quick(), ..options }, client).unwrap()
}
/// What PEFT computes of an adapter, by name. (A file with tensors of an adapter is not opened as a model.)
struct Reference(Vec<u8>);
impl Reference {
    fn bytes(&self, name: &str) -> Option<Vec<[u8; 4]>> {
        let all = safetensors::SafeTensors::deserialize(&self.0).unwrap();
        let tensor = all.tensor(name).ok()?;
        let words = |size| tensor.data().chunks_exact(size).map(<[u8]>::to_vec).collect::<Vec<_>>();
        Some(match tensor.dtype() {
            // (numbers of tokens)
            safetensors::Dtype::I64 => words(8).iter().map(|w| [w[0], w[1], w[2], w[3]]).collect(),
            _ => words(4).iter().map(|w| [w[0], w[1], w[2], w[3]]).collect(),
        })
    }
    fn f32s(&self, name: &str) -> Option<Vec<f32>> {
        Some(self.bytes(name)?.into_iter().map(f32::from_le_bytes).collect())
    }
}
fn reference(name: &str) -> Reference {
    Reference(std::fs::read(folder(name).join("reference.safetensors")).unwrap())
}
fn tokens(of: &Reference) -> Vec<u32> {
    of.bytes("tokens").unwrap().into_iter().map(u32::from_le_bytes).collect()
}
#[track_caller]
fn assert_logits(model: &Model, name: &str, within: f32) {
    let of = reference(name);
    let (have, want) =
        (model.scores(&tokens(&of)).unwrap().logits.to_vec::<f32>().unwrap(), of.f32s("logits").unwrap());
    let off = have.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(have.len() == want.len() && off < within, "{name}: {off}");
}

#[test]
fn logits_are_those_of_peft() {
    let client = runtime::client().unwrap();
    for (name, base) in ALL {
        let adapter = Some(folder(name));
        let packed = LoadOptions { adapter: adapter.clone(), ..Default::default() };
        assert_logits(&model(base, packed, &client), name, 1e-5);
        let scanned = !["llama_layers"].contains(&name);
        let dense = LoadOptions { adapter, matrices: Matrices::Dense, scanned, ..Default::default() };
        assert_logits(&model(base, dense, &client), name, 1e-5);
    }
}

#[test]
fn merged_is_unmerged() {
    let (client, to) = (runtime::client().unwrap(), tempfile::tempdir().unwrap());
    for (name, base) in ALL {
        let dir = to.path().join(name);
        let from = text(tests("fixtures").join(base));
        adapters::convert(&from, &folder(name), &dir, &Default::default()).unwrap();
        let merged = Model::load(raxla_graphs::open(&text(&dir)).unwrap(), &Default::default(), &client).unwrap();
        assert_logits(&merged, name, 1e-5);

        let dense = LoadOptions { matrices: Matrices::Dense, ..Default::default() };
        let plain = model(base, dense, &client);
        let spec = plain.spec().clone().without_copies();
        let (adapted, values) = adapters::load(folder(name), &spec, &client).unwrap();
        let params = plain.params_as(&spec).unwrap();
        let merged = adapted.merge(&params, &values).unwrap();
        if adapted.config().is_some_and(|config| !config.use_dora && config.modules_to_save.is_empty()) {
            let back = adapted.unmerge(&merged, &values).unwrap();
            for (a, b) in back.leaves().iter().zip(params.leaves()) {
                let [a, b] = [a, &b].map(|x| x.to_vec::<f32>().unwrap());
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
        assert_logits(&plain.with_params(&spec, &merged).unwrap(), name, 1e-5);
    }
}

#[test]
fn gradients_are_those_of_peft_and_folders_come_back() {
    let (client, to) = (runtime::client().unwrap(), tempfile::tempdir().unwrap());
    for (name, base) in ALL {
        let dense = LoadOptions { matrices: Matrices::Dense, ..Default::default() };
        let plain = model(base, dense, &client);
        let spec = plain.spec().clone().without_copies();
        let (adapted, values) = adapters::load(folder(name), &spec, &client).unwrap();
        let written = |what: &str, values: &Adapters<Array>| {
            let dir = to.path().join(format!("{name} {what}"));
            adapters::save(&dir, base, &adapted, values).unwrap();
            dir
        };
        let again = written("again", &values);
        let [have, want] = [&again, &folder(name)].map(|dir| adapters::Adapter::open(dir).unwrap());
        let read =
            |of: &Weights| of.names().map(|name| (name.to_string(), of.read_f32(name).unwrap())).collect::<Vec<_>>();
        assert!(read(have.weights()) == read(want.weights()), "{name}");
        assert_eq!(have.config.r, adapted.config().unwrap().r);
        let other = LoadOptions { adapter: Some(again.clone()), ..Default::default() };
        assert_logits(&model(base, other, &client), name, 1e-5);
        if let Some(out) = std::env::var_os("RAXLA_WRITE_ADAPTERS") {
            adapters::save(PathBuf::from(out).join(name), base, &adapted, &values).unwrap();
        }

        let of = reference(name);
        let Some(loss) = of.f32s("loss") else { continue };
        let both = adapted.clone();
        let step = jit(move |base: Decoder, values: Adapters, tokens: Tensor| {
            let n = tokens.dim(1) - 1;
            let loss = |values: Adapters| {
                let model = both.with(&base, &values).unwrap();
                let out = model.forward(model.whole(tokens.slice_axis(1, 0..n)));
                cross_entropy(model.logits(out.hidden), tokens.slice_axis(1, 1..n + 1))
            };
            value_and_grad(loss)(values)
        });
        let ids: Vec<i32> = tokens(&of).iter().map(|t| *t as i32).collect();
        let ids = Array::on(&client, [1, ids.len()], &ids).unwrap();
        let step = step.options(quick());
        let (have, gradients) = step.call((&plain.params_as(&spec).unwrap(), &values, &ids)).unwrap();
        assert!((have.item::<f32>().unwrap() - loss[0]).abs() < 1e-5 * loss[0]);
        let gradients = adapters::Adapter::open(written("gradients", &gradients)).unwrap();
        let gradients = gradients.weights();
        for name in gradients.names() {
            let (have, want) = (gradients.read_f32(name).unwrap(), of.f32s(&format!("grad.{name}")).unwrap());
            let norm = want.iter().map(|x| x * x).sum::<f32>().sqrt();
            let off = have.iter().zip(&want).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
            assert!(off <= 2e-4 * norm + 1e-7, "{name}: {off} of {norm}");
        }
    }
}

#[test]
fn generates_with_an_adapter() {
    let client = runtime::client().unwrap();
    let continued = |adapter: Option<PathBuf>, quantize: Option<Format>| {
        let model = model("llama_gqa_untied", LoadOptions { adapter, quantize, ..Default::default() }, &client);
        let options = raxla_graphs::Generation { max_new_tokens: 6, ..Default::default() };
        let prompt = tokens(&reference("llama_rslora"));
        model.generate_tokens(&prompt, &options, |_| Ok(std::ops::ControlFlow::Continue(()))).unwrap().tokens
    };
    let adapter = || Some(folder("llama_rslora"));
    assert_ne!(continued(adapter(), None), continued(None, None));
    // with caches, tokens one by one: what the whole sequence says
    let with = model("llama_gqa_untied", LoadOptions { adapter: adapter(), ..Default::default() }, &client);
    let mut all = tokens(&reference("llama_rslora"));
    for next in continued(adapter(), None) {
        let logits = with.scores(&all).unwrap().logits.to_vec::<f32>().unwrap();
        let last = &logits[logits.len() - with.spec().vocab()..];
        let best = (0..last.len()).max_by(|a, b| last[*a].total_cmp(&last[*b])).unwrap();
        assert_eq!(best as u32, next);
        all.push(next);
    }
    assert_eq!(continued(adapter(), Some(Format::Q8_0)).len(), 6);
}
