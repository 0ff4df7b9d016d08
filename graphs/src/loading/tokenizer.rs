//! Text to token ids and back, from any of the forms in which models bring their tokenizer.

mod byte_level;
mod bytes;
mod check;
mod folder;
mod gguf;
mod growth;
mod json;
mod model_file;
mod save;
mod sentencepiece;
mod stream;
mod to_gguf;

pub use stream::DecodeStream;

use crate::LoadError;
use crate::config::{GenerationConfig, HfConfig};
use crate::template::{self, Message};
use crate::weights::Weights;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer as Inner;
use tokenizers::processors::template::TemplateProcessing;

/// A model's tokenizer, its special ids and its chat template.
#[derive(Debug)]
pub struct Tokenizer {
    inner: Inner,
    growth: growth::Growth,
    path: PathBuf,
    /// The id that begins a text, if the model has one.
    pub bos: Option<u32>,
    /// The ids that end one. The first is the tokenizer's own; chat models often have several.
    pub eos: Vec<u32>,
    /// The Jinja template that turns a conversation into a prompt. See [`crate::template::render`].
    pub chat_template: Option<String>,
    /// The one to take in its place where there are tools, if that is another one.
    pub tool_template: Option<String>,
}

impl Tokenizer {
    /// Loads the tokenizer of a Hugging Face directory: `tokenizer.json`; GPT-2's `vocab.json` and `merges.txt` (also under
    /// the names that OpenAI gave them, `encoder.json` and `vocab.bpe`); or SentencePiece's `tokenizer.model`, as transformers
    /// converts it. Special ids and added tokens come from tokenizer_config.json, generation_config.json and config.json, the
    /// template from tokenizer_config.json or chat_template.jinja.
    pub fn from_dir(dir: &Path) -> Result<Tokenizer, LoadError> {
        let folder::Opened { inner, bos, eos, chat_templates } = folder::open(dir)?;
        let generation = match HfConfig::load(dir) {
            Ok(config) => GenerationConfig::load(dir, &config)?,
            Err(_) => GenerationConfig::default(),
        };
        let id = |token: Option<String>| token.and_then(|t| inner.token_to_id(&t));
        let bos = id(bos).or(generation.bos);
        let eos = id(eos).into_iter().chain(generation.eos);
        Ok(Tokenizer::new(inner, dir, bos, eos, chat_templates))
    }

    /// Builds the tokenizer that the metadata of a GGUF file describes: byte-level BPE (`gpt2`) with one of the known
    /// pre-tokenizers, or a SentencePiece BPE with byte fallback (`llama`).
    pub fn from_gguf(weights: &Weights) -> Result<Tokenizer, LoadError> {
        let bad = |reason: String| LoadError::tokenizer(weights.path(), reason);
        let metadata = weights.gguf().ok_or_else(|| bad("it is not a GGUF file".to_string()))?;
        let inner = gguf::build(metadata).map_err(bad)?;
        let gguf::Told { bos, eos, chat_templates } = gguf::Told::read(metadata).map_err(bad)?;
        Ok(Tokenizer::new(inner, weights.path(), bos, eos.into_iter(), chat_templates))
    }

    /// The tokenizer of `dir`, where a GGUF file lies: what the metadata of the file says of special tokens and templates comes first.
    ///
    /// # Errors
    /// A tokenizer that is not the one of the file: their vocabularies differ.
    pub fn beside_gguf(dir: &Path, weights: &Weights) -> Result<Tokenizer, LoadError> {
        let mut own = Tokenizer::from_dir(dir)?;
        let Some(metadata) = weights.gguf() else { return Ok(own) };
        let (json, file) = (dir.join("tokenizer.json"), weights.path().display());
        let other = |reason| {
            let help = "remove it, and the file's own tokenizer is used; or put that of the model in its place";
            LoadError::tokenizer(&json, format!("it is not the one of {file}: {reason}\n  help: {help}"))
        };
        if let Some(differing) = gguf::compare(&own.inner, metadata).map_err(other)? {
            tracing::warn!("{} is not quite the tokenizer of {file}: {differing}", json.display());
        }
        let told = gguf::Told::read(metadata).map_err(|reason| LoadError::tokenizer(weights.path(), reason))?;
        let gguf::Told { bos, eos, chat_templates: [usual, tools] } = told;
        let ids = own.encode("", true)?;
        let is = |id: Option<&u32>, ends: &[u32]| id.is_some_and(|id| ends.contains(id));
        let now = [
            is(ids.first(), bos.or(own.bos).as_slice()),
            is(ids.last(), eos.get(..1).unwrap_or(&own.eos)) && ids.len() > 1,
        ];
        gguf::surround_as_told(&mut own.inner, metadata, Some(now)).map_err(other)?;
        let eos: Vec<u32> = eos.into_iter().chain(own.eos).collect();
        // (a template for tools belongs to the usual one)
        let templates = if usual.is_some() { [usual, tools] } else { [own.chat_template, own.tool_template] };
        Ok(Tokenizer::new(own.inner, weights.path(), bos.or(own.bos), eos.into_iter(), templates))
    }

    fn new(
        inner: Inner,
        path: &Path,
        bos: Option<u32>,
        ends: impl Iterator<Item = u32>,
        [chat_template, tool_template]: [Option<String>; 2],
    ) -> Tokenizer {
        let mut eos = Vec::new();
        for id in ends {
            if !eos.contains(&id) {
                eos.push(id);
            }
        }
        let growth = growth::Growth::of(&inner);
        Tokenizer { inner, growth, path: path.to_path_buf(), bos, eos, chat_template, tool_template }
    }

    /// The prompt of a conversation, by the model's chat template. Encode it without adding special tokens.
    ///
    /// # Errors
    /// A model without a template, and what [`template::render`] reports.
    pub fn render_chat(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, LoadError> {
        self.render_chat_with(messages, add_generation_prompt, &Map::new())
    }

    /// The same for richer messages (see [`Message`]) and with more variables: `tools` (a list of JSON schemas of functions),
    /// `documents`, `enable_thinking`, and what else the template looks for.
    pub fn render_chat_with<M: serde::Serialize>(
        &self,
        messages: &[M],
        add_generation_prompt: bool,
        extra: &Map<String, Value>,
    ) -> Result<String, LoadError> {
        let has_tools = extra.get("tools").is_some_and(|tools| !tools.is_null());
        let none = || LoadError::Template { reason: format!("{} brings none", self.path.display()) };
        let template = self.tool_template.as_ref().filter(|_| has_tools).or(self.chat_template.as_ref());
        let text = |id: Option<u32>| id.and_then(|id| self.token(id));
        let (bos, eos) = (text(self.bos), text(self.eos.first().copied()));
        let template = template.ok_or_else(none)?;
        template::render(template, messages, bos.as_deref(), eos.as_deref(), add_generation_prompt, extra)
    }

    /// The ids of `text`. `add_special` adds what the model expects around a text, such as its first token; a rendered
    /// chat template brings these itself.
    ///
    /// # Errors
    /// A text that the tokenizer's rules could make longer than 256 MiB.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, LoadError> {
        self.growth.check_text(text.len()).map_err(|why| LoadError::tokenizer(&self.path, why))?;
        let encoding = self.inner.encode_fast(text, add_special).map_err(|e| broken(&self.path, e))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`; `skip_special` leaves out special tokens. Bytes that are no UTF-8 become U+FFFD, and ids
    /// outside the vocabulary nothing.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, LoadError> {
        // some decoders need a token
        let added = self.inner.get_added_vocabulary();
        let stays = |token: String| !(skip_special && added.is_special_token(&token));
        if !ids.iter().any(|id| self.inner.id_to_token(*id).is_some_and(stays)) {
            return Ok(String::new());
        }
        if ids.len() > check::LONGEST_PIECE {
            let bytes = ids.iter().filter_map(|id| self.inner.id_to_token(*id)).map(|token| token.len()).sum();
            self.growth.check_tokens(bytes).map_err(|why| LoadError::tokenizer(&self.path, why))?;
        }
        self.inner.decode(ids, skip_special).map_err(|e| broken(&self.path, e))
    }

    /// A decoder for ids that arrive one by one.
    pub fn decode_stream(&self, skip_special: bool) -> DecodeStream<'_> {
        DecodeStream::new(self, skip_special)
    }

    /// A decoder for ids that come after others, such as those of a prompt: it gives the text that they add. The first word of
    /// what a SentencePiece model writes has its space then.
    pub fn decode_stream_after(&self, ids: &[u32], skip_special: bool) -> Result<DecodeStream<'_>, LoadError> {
        DecodeStream::after(self, ids, skip_special)
    }

    /// The id of a token given as the vocabulary spells it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token `id` as the vocabulary spells it; `None` outside the vocabulary.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// How many tokens there are, added ones included. A model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// One more than the largest id. Some vocabularies have holes, and then it is more than [`Tokenizer::vocab_size`].
    pub fn id_bound(&self) -> usize {
        self.inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// The same tokenizer as the text of a tokenizer.json.
    pub fn to_json(&self) -> Result<String, LoadError> {
        self.inner.to_string(false).map_err(|e| broken(&self.path, e))
    }
}

fn broken(path: &Path, error: tokenizers::Error) -> LoadError {
    LoadError::tokenizer(path, error.to_string())
}

/// Lets `encode` put `bos` before and `eos` after a text, and nothing else.
fn surround(inner: &mut Inner, bos: Option<&str>, eos: Option<&str>) -> tokenizers::Result<()> {
    if bos.is_none() && eos.is_none() {
        inner.with_post_processor(None::<TemplateProcessing>);
        return Ok(());
    }
    let id = |token: &str| inner.token_to_id(token).unwrap_or_default();
    let special: Vec<(String, u32)> = [bos, eos].into_iter().flatten().map(|t| (t.to_string(), id(t))).collect();
    let pattern: Vec<String> = [bos, Some("$A"), eos].into_iter().flatten().map(str::to_string).collect();
    let template = TemplateProcessing::builder().try_single(pattern)?.special_tokens(special).build()?;
    let template = template.into();
    check::check_post_processor(&template)?;
    inner.with_post_processor(Some(template));
    Ok(())
}
