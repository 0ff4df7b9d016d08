//! Text to token ids and back, from any of the forms in which models bring their tokenizer.

mod bytes;
mod gguf;
mod stream;

pub use stream::DecodeStream;

use crate::LoadError;
use crate::config::{GenerationConfig, HfConfig};
use crate::template::{self, Message};
use crate::weights::Weights;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::BPE;
use tokenizers::{AddedToken, Tokenizer as Inner};

/// A model's tokenizer, its special ids and its chat template.
#[derive(Debug)]
pub struct Tokenizer {
    inner: Inner,
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
    /// Loads the tokenizer of a Hugging Face directory: `tokenizer.json`, or GPT-2's `vocab.json` and `merges.txt`
    /// (also under the names that OpenAI gave them, `encoder.json` and `vocab.bpe`). Special ids come from
    /// tokenizer_config.json, generation_config.json and config.json, the template from tokenizer_config.json or
    /// chat_template.jinja.
    pub fn from_dir(dir: &Path) -> Result<Tokenizer, LoadError> {
        let mut inner = load_inner(dir)?;
        // Saved training settings must not shorten or fill up a prompt.
        let settings = inner.with_padding(None).with_truncation(None).map(|_| ());
        settings.map_err(|e| broken(dir, e))?;
        let config = Settings::read(dir)?;
        let generation = match HfConfig::load(dir) {
            Ok(config) => GenerationConfig::load(dir, &config)?,
            Err(_) => GenerationConfig::default(),
        };
        let own = |key| config.token(key).and_then(|t| inner.token_to_id(&t));
        let bos = own("bos_token").or(generation.bos);
        let eos = own("eos_token").into_iter().chain(generation.eos);
        Ok(Tokenizer::new(inner, dir, bos, eos, config.chat_templates(dir)?))
    }

    /// Builds the tokenizer that the metadata of a GGUF file describes: byte-level BPE (`gpt2`) with one of the known
    /// pre-tokenizers, or a SentencePiece BPE with byte fallback (`llama`).
    pub fn from_gguf(weights: &Weights) -> Result<Tokenizer, LoadError> {
        let bad = |reason: String| LoadError::tokenizer(weights.path(), reason);
        let metadata = weights.gguf().ok_or_else(|| bad("it is not a GGUF file".to_string()))?;
        let inner = gguf::build(metadata).map_err(bad)?;
        let id =
            |name: &str| metadata.uint(&format!("tokenizer.ggml.{name}_token_id")).and_then(|n| u32::try_from(n).ok());
        let eos = ["eos", "eot", "eom"].into_iter().filter_map(id);
        let template = |suffix| metadata.str(&format!("tokenizer.chat_template{suffix}")).map(str::to_string);
        Ok(Tokenizer::new(inner, weights.path(), id("bos"), eos, [template(""), template(".tool_use")]))
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
        Tokenizer { inner, path: path.to_path_buf(), bos, eos, chat_template, tool_template }
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
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, LoadError> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(|e| broken(&self.path, e))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`; `skip_special` leaves out special tokens. Bytes that are no UTF-8 become U+FFFD, and ids
    /// outside the vocabulary nothing.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, LoadError> {
        self.inner.decode(ids, skip_special).map_err(|e| broken(&self.path, e))
    }

    /// A decoder for ids that arrive one by one.
    pub fn decode_stream(&self, skip_special: bool) -> DecodeStream<'_> {
        DecodeStream::new(self, skip_special)
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

    /// The same tokenizer as the text of a tokenizer.json.
    pub fn to_json(&self) -> Result<String, LoadError> {
        self.inner.to_string(false).map_err(|e| broken(&self.path, e))
    }
}

fn broken(path: &Path, error: tokenizers::Error) -> LoadError {
    LoadError::tokenizer(path, error.to_string())
}

fn load_inner(dir: &Path) -> Result<Inner, LoadError> {
    let json = dir.join("tokenizer.json");
    if json.is_file() {
        return Inner::from_file(&json).map_err(|e| broken(&json, e));
    }
    for (vocab, merges) in [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")] {
        let (vocab, merges) = (dir.join(vocab), dir.join(merges));
        if vocab.is_file() && merges.is_file() {
            return gpt2(&vocab, &merges).map_err(|e| broken(&vocab, e));
        }
    }
    let help = match dir.join("tokenizer.model").is_file() {
        true => {
            "raxla does not read tokenizer.model; in transformers \
             `AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)` makes tokenizer.json of it"
        }
        false => "copy the tokenizer files of the model next to its weights",
    };
    let reason = format!("there is neither tokenizer.json nor vocab.json with merges.txt\n  help: {help}");
    Err(LoadError::tokenizer(dir, reason))
}

/// GPT-2's byte-level BPE. Its one special token is in the vocabulary.
fn gpt2(vocab: &Path, merges: &Path) -> Result<Inner, tokenizers::Error> {
    let bpe = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy()).build()?;
    let mut inner = Inner::new(bpe);
    let byte_level = || ByteLevel::default().add_prefix_space(false);
    inner.with_pre_tokenizer(Some(byte_level())).with_decoder(Some(byte_level()));
    if inner.token_to_id(END_OF_TEXT).is_some() {
        inner.add_special_tokens([AddedToken::from(END_OF_TEXT, true)])?;
    }
    Ok(inner)
}

const END_OF_TEXT: &str = "<|endoftext|>";

/// tokenizer_config.json, or special_tokens_map.json where that is all there is.
struct Settings(Map<String, Value>);

impl Settings {
    fn read(dir: &Path) -> Result<Settings, LoadError> {
        let mut all = Map::new();
        for name in ["special_tokens_map.json", "tokenizer_config.json"] {
            let path = dir.join(name);
            let Some(text) = read(&path)? else { continue };
            let own: Map<String, Value> =
                serde_json::from_str(&text).map_err(|e| LoadError::format(path, e.to_string()))?;
            all.extend(own.into_iter().filter(|(_, v)| !v.is_null()));
        }
        // GPT-2's own files have no settings at all.
        if all.is_empty() && !dir.join("tokenizer.json").is_file() {
            all.insert("bos_token".into(), END_OF_TEXT.into());
            all.insert("eos_token".into(), END_OF_TEXT.into());
        }
        Ok(Settings(all))
    }

    /// A special token: a string, or an object with its `content`.
    fn token(&self, key: &str) -> Option<String> {
        let value = self.0.get(key)?;
        value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_string)
    }

    /// The template, and the one for tools: of files of their own, else of the settings: a string, or a list of named ones
    /// (`default`, `tool_use`).
    fn chat_templates(&self, dir: &Path) -> Result<[Option<String>; 2], LoadError> {
        let own = |name: &str| read(&dir.join(name));
        // as models save it that also see
        let json = own("chat_template.json")?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let json = json.as_ref().and_then(|v| v.get("chat_template"));
        let named = |name: &str| match json.or(self.0.get("chat_template")) {
            Some(Value::String(template)) if name == "default" => Some(template.clone()),
            Some(Value::Array(list)) => {
                let found = list.iter().find(|t| t.get("name").and_then(Value::as_str) == Some(name));
                let found = found.or(list.first().filter(|_| name == "default"));
                found?.get("template")?.as_str().map(str::to_string)
            }
            _ => None,
        };
        let tools = own("additional_chat_templates/tool_use.jinja")?;
        Ok(match own("chat_template.jinja")? {
            Some(template) => [Some(template), tools],
            None => [named("default"), tools.or(named("tool_use"))],
        })
    }
}

/// A text file, if it is there.
fn read(path: &Path) -> Result<Option<String>, LoadError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(LoadError::io(path, e)),
    }
}
