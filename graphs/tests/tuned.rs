//! A model with the parameters of a training step, without files in between.
use crate::common::{tests, text};
use raxla::{Array, Tree, runtime};
use raxla_graphs::{
    Generation, LoadOptions, Model, SaveOptions,
    models::Decoder,
    training::{Train, TrainOptions},
};
use std::path::Path;

fn load(path: &Path) -> Model {
    Model::load(raxla_graphs::open(&text(path)).unwrap(), &LoadOptions::default(), &runtime::client().unwrap()).unwrap()
}

fn logits(model: &Model) -> Vec<f32> {
    model.scores(&[3, 1, 4, 1, 5]).unwrap().logits.to_vec().unwrap()
}

/// Fused matrices (phi3, gpt2), a tied head, experts: all through the names of checkpoints.
#[test]
fn a_tuned_model_generates_as_the_one_saved_and_loaded() {
    for name in ["llama_mha_tied", "phi3_gqa_untied", "gpt2_plain", "mixtral_top2"] {
        let path = tests(&format!("fixtures/{name}"));
        let model = load(&path);
        // training holds its layers in stacks, and a tied head as the embedding itself
        let options = TrainOptions { optimizer: raxla::optim::adamw(1e-2, Default::default()), ..Default::default() };
        let train = Train::new(Decoder::of(&model.config, true).unwrap(), None, options).unwrap();
        let mut m = model.params_as(train.model()).unwrap();
        let mut opt = train.fresh(&m, model.client()).unwrap();
        let tokens = Array::from_slice([1, 6], &[3i32, 1, 4, 1, 5, 9]).unwrap();
        let step = train.step();
        for _ in 0..2 {
            (m, opt, _) = step.call((m, opt, &tokens)).unwrap();
        }
        let before = logits(&model);
        let tuned = model.with_params(train.model(), &m).unwrap();
        assert_ne!(logits(&tuned), before, "{name}");

        let dir = tempfile::tempdir().unwrap();
        let saved = dir.path().join("tuned");
        raxla_graphs::save(&train.model().params(), &m.leaves(), &tuned.config, &saved, &SaveOptions::default())
            .unwrap();
        let loaded = load(&saved);
        assert_eq!(logits(&tuned), logits(&loaded), "{name}");
        let greedy = |model: &Model| {
            let options = Generation { max_new_tokens: 4, ..Default::default() };
            model.generate_tokens(&[3, 1, 4], &options, |_| Ok(std::ops::ControlFlow::Continue(()))).unwrap().tokens
        };
        assert_eq!(greedy(&tuned), greedy(&loaded), "{name}");
    }
}

#[test]
fn parameters_of_another_model_are_refused() {
    let [llama, gpt2] = ["llama_mha_tied", "gpt2_plain"].map(|name| load(&tests(&format!("fixtures/{name}"))));
    let (spec, params) = (gpt2.spec().clone(), gpt2.params().clone());
    let error = llama.with_params(&spec, &params).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("which is not among the new values"), "{error}");
}
