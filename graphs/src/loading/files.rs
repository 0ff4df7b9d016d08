//! A model's files, opened: configuration, weights, tokenizer.
use crate::{
    LoadError,
    config::{GenerationConfig, HfConfig},
    hub::HubOptions,
    models::by_name,
    source::{Source, preset},
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
    /// Where the weights come from.
    pub weights: WeightSource,
    /// The tokenizer; or why there is none, which matters only once text is asked for.
    pub tokenizer: Result<Tokenizer, String>,
}

/// Where a model's weights come from.
pub enum WeightSource {
    /// A checkpoint, memory-mapped.
    Stored(Weights),
    /// Nowhere: they are drawn from the parameters' initial distributions, with this seed.
    Random(u64),
}

/// The configuration of `model` with random weights of this seed. A preset brings its configuration along: nothing is
/// downloaded. Its tokenizer is used, if it is on this machine; else texts are taken as bytes.
pub fn open_random(model: &str, seed: u64) -> Result<Files, LoadError> {
    let (config, tokenizer) = match preset(model) {
        Some(preset) => (
            preset.config.clone(),
            preset.local(&HubOptions::from_env()).map(|path| Source { name: model.into(), path }),
        ),
        None => {
            let source = Source::resolve(model, &HubOptions::from_env())?;
            let config = match source.path.is_dir() {
                true => HfConfig::load(&source.path)?,
                false => source.config(&source.weights()?)?,
            };
            (config, Some(source))
        }
    };
    let tokenizer = match tokenizer.map(|source| source.own_tokenizer()) {
        Some(Ok(tokenizer)) => Ok(tokenizer),
        _ => config.uint("vocab_size").and_then(Tokenizer::bytes),
    };
    let generation = GenerationConfig::new(Default::default(), &config)?;
    let tokenizer = tokenizer.map_err(|e| e.to_string());
    Ok(Files { name: model.to_string(), config, generation, weights: WeightSource::Random(seed), tokenizer })
}

/// Find `model` (see [`Source::resolve`]), download it if need be, and open its files.
pub fn open(model: &str) -> Result<Files, LoadError> {
    Files::open(&Source::resolve(model, &HubOptions::from_env())?)
}

impl Files {
    /// Open a model that is on this machine.
    pub fn open(source: &Source) -> Result<Files, LoadError> {
        let mut weights = source.weights()?;
        let mut config = source.config(&weights)?;
        weights.dequantise(&config)?;
        weights.rename(by_name(&config).ok())?;
        // (what is no truth value is refused, even though the weights know better)
        config.bool_opt("tie_word_embeddings")?;
        if weights.has_own_head() {
            config.raw.insert("tie_word_embeddings".into(), false.into());
        }
        let mut generation = source.generation(&config)?;
        if let Some(vocabulary) = config.uint_opt("vocab_size")? {
            generation = generation.within(vocabulary, &source.name);
        }
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
            weights: WeightSource::Stored(weights),
            tokenizer: tokenizer.map_err(|e| e.to_string()),
        })
    }
}
