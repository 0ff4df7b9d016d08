//! A model's files, opened: configuration, weights, tokenizer.
use crate::{
    LoadError,
    config::{GenerationConfig, HfConfig},
    hub::HubOptions,
    source::Source,
    tokenizer::Tokenizer,
    weights::Weights,
};

/// A model's files, opened but not yet read.
pub struct Files {
    /// What was asked for.
    pub name: String,
    /// Hugging Face's configuration, or what a GGUF file says in its place.
    pub config: HfConfig,
    /// Ids that begin and end texts.
    pub generation: GenerationConfig,
    /// The weights, memory-mapped.
    pub weights: Weights,
    /// The tokenizer; or why there is none, which matters only once text is asked for.
    pub tokenizer: Result<Tokenizer, String>,
}

/// Find `model` (see [`Source::resolve`]), download it if need be, and open its files.
pub fn open(model: &str) -> Result<Files, LoadError> {
    Files::open(&Source::resolve(model, &HubOptions::from_env())?)
}

impl Files {
    /// Open a model that is on this machine.
    pub fn open(source: &Source) -> Result<Files, LoadError> {
        let weights = source.weights()?;
        let config = source.config(&weights)?;
        let mut generation = source.generation(&config)?;
        let tokenizer = source.tokenizer(&weights);
        if let Ok(t) = &tokenizer {
            // chat models end a turn with a token that only the tokenizer's settings name
            let more = t.eos.iter().filter(|id| !generation.eos.contains(id)).copied().collect::<Vec<_>>();
            generation.eos.extend(more);
        }
        Ok(Files {
            name: source.name.clone(),
            config,
            generation,
            weights,
            tokenizer: tokenizer.map_err(|e| e.to_string()),
        })
    }
}
