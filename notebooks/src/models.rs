//! The models of the notebooks.
use crate::in_tests;
use raxla_graphs::{
    Files, Result, WeightSource,
    config::{GenerationConfig, HfConfig},
    tokenizer::Tokenizer,
};
use std::path::{Path, PathBuf};

/// In the tests, a model of the same family in its place.
const STAND_IN: &str = r#"{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "tie_word_embeddings": true}"#;

/// SmolLM2-135M-Instruct in 4 bits, fetched on first use (92 MB). The tests of the cells take a small model with random weights in its place,
/// whose tokens are bytes.
///
/// # Errors
/// A model that can neither be found nor fetched.
pub fn smollm2() -> Result<Files> {
    if !in_tests(false, true) {
        return Ok(raxla_graphs::open("smollm2-135m-instruct")?);
    }
    let config = HfConfig::parse(STAND_IN, "config.json")?;
    let mut tokenizer = Tokenizer::bytes(512)?;
    tokenizer.chat_template = Some("{% for m in messages %}{{ m.content }}{% endfor %}".into());
    Ok(Files {
        name: "a stand-in".into(),
        generation: GenerationConfig::new(Default::default(), &config)?,
        tokenizer: Ok(tokenizer),
        config,
        weights: WeightSource::Random(0),
        of_bytes: true,
        adapter: None,
    })
}

/// The folder of a small checkpoint of the tests, with what transformers computed of it (`graphs/tests/fixtures`).
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../graphs/tests/fixtures").join(name)
}
