//! A model's files, opened: configuration, weights, tokenizer.
use crate::{
    LoadError,
    config::{GenerationConfig, HfConfig},
    error::{Error, Result},
    hub::HubOptions,
    models::{Decoder, by_name},
    source::{Source, preset},
    tokenizer::Tokenizer,
    weights::Weights,
};
use raxla::Param;
use std::path::PathBuf;

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
    /// Is the tokenizer a stand-in, because the model's own is not on this machine ([`open_random`])? Texts are their bytes then.
    pub of_bytes: bool,
    /// The folder of an adapter that the model computes with, where none is named in [`LoadOptions::adapter`](crate::LoadOptions).
    pub adapter: Option<PathBuf>,
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
            preset.local(&HubOptions::from_env()).map(|path| Source { name: model.into(), path, adapter: None }),
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
    let own = tokenizer.and_then(|source| source.own_tokenizer().ok());
    let of_bytes = own.is_none();
    let tokenizer = own.map_or_else(|| config.uint("vocab_size").and_then(Tokenizer::bytes), Ok);
    let generation = GenerationConfig::new(Default::default(), &config)?;
    let tokenizer = tokenizer.map_err(|e| e.to_string());
    let weights = WeightSource::Random(seed);
    Ok(Files { name: model.to_string(), config, generation, weights, tokenizer, of_bytes, adapter: None })
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
            of_bytes: false,
            adapter: source.adapter.clone(),
        })
    }

    /// The specification of the model's parameters, and what there is to know of its architecture.
    ///
    /// # Errors
    /// An architecture that is not known; a configuration that makes no sense.
    pub fn spec(&self) -> Result<Decoder<Param>> {
        Ok(Decoder::of(&self.config, false)?)
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// When the files bring none, or a broken one.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_ref().map_err(|why| Error::Usage(why.clone()))
    }

    /// Whether a text can be a prompt, before anything is loaded: the model knows its tokens, and they fit its context.
    ///
    /// # Errors
    /// What [`Model::generate`](crate::Model::generate) would say of it.
    pub fn check_prompt(&self, prompt: &str, add_special: bool) -> Result<()> {
        let spec = self.spec()?;
        check_tokens(&spec, &encode_prompt(self.tokenizer()?, &spec, prompt, add_special)?)
    }

    /// As [`Files::check_prompt`], of token ids.
    ///
    /// # Errors
    /// No tokens; ids outside the vocabulary; more than the context.
    pub fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        check_tokens(&self.spec()?, tokens)
    }
}

/// The ids of a prompt.
pub(crate) fn encode_prompt(
    tokenizer: &Tokenizer,
    spec: &Decoder<Param>,
    prompt: &str,
    add_special: bool,
) -> Result<Vec<u32>> {
    let ids = tokenizer.encode(prompt, add_special)?;
    let vocab = spec.vocab();
    if let Some(id) = ids.iter().find(|id| **id as usize >= vocab) {
        let why = format!("the tokenizer knows a token {id}, but the model's ids go from 0 to {}", vocab - 1);
        return Err(Error::Usage(why + "\n  help: put the tokenizer that belongs to the model beside its weights"));
    }
    Ok(ids)
}

/// Every id is in the vocabulary, and the sequence fits the context.
pub(crate) fn check_tokens(spec: &Decoder<Param>, tokens: &[u32]) -> Result<()> {
    let (vocab, context, n) = (spec.vocab(), spec.context, tokens.len());
    let why = match tokens.iter().find(|t| **t as usize >= vocab) {
        _ if tokens.is_empty() => "the prompt is empty: give at least one token".into(),
        Some(t) => format!("token id {t} is outside the vocabulary: ids go from 0 to {}", vocab - 1),
        None if n > context => format!("the prompt has {n} tokens, but the model's context is {context}: shorten it"),
        None => return Ok(()),
    };
    Err(Error::Usage(why))
}
