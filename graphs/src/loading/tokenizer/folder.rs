//! The tokenizer of a Hugging Face directory, in whichever form it is there.

use super::check::{check_added, check_id};
use super::sentencepiece::{Algorithm, Model, Piece, PieceKind, Prefix};
use super::{broken, byte_level, json, model_file, surround};
use crate::LoadError;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::{AddedToken, Tokenizer as Inner};

/// What a directory gives.
pub(super) struct Opened {
    pub(super) inner: Inner,
    pub(super) bos: Option<String>,
    pub(super) eos: Option<String>,
    /// The usual one, and the one for tools.
    pub(super) chat_templates: [Option<String>; 2],
}

/// A tokenizer as its vocabulary alone makes it.
struct Bare {
    inner: Inner,
    bos: Option<String>,
    eos: Option<String>,
    /// Does this kind begin texts with `bos` where the settings are silent? `None`: it is as the file says, and the settings do
    /// not count. (transformers 5 reads `add_bos_token` and `add_eos_token` only where there is no tokenizer.json.)
    adds_bos: Option<bool>,
}

pub(super) fn open(dir: &Path) -> Result<Opened, LoadError> {
    let settings = Settings::read(dir)?;
    let Bare { mut inner, bos, eos, adds_bos } = bare(dir, &settings)?;
    let (bos, eos) = (settings.token("bos_token").or(bos), settings.token("eos_token").or(eos));
    settings.add_tokens(&mut inner, dir)?;
    check_added(&inner).map_err(|reason| LoadError::tokenizer(dir, reason))?;
    // What `encode` adds already, and what it is to add.
    let ids = inner.encode_fast("", true).map_err(|e| broken(dir, e))?.get_ids().to_vec();
    let is = |id: Option<&u32>, token: &Option<String>| {
        id.is_some_and(|id| token.as_ref().and_then(|t| inner.token_to_id(t)) == Some(*id))
    };
    let now = (is(ids.first(), &bos), is(ids.last(), &eos) && !(ids.len() == 1 && bos == eos));
    let wanted = |name: &str, default: bool| settings.bool(&format!("add_{name}_token")).unwrap_or(default);
    let then = adds_bos.map_or(now, |bos| (wanted("bos", bos), wanted("eos", now.1)));
    if then != now {
        let known = |token: &Option<String>| token.clone().filter(|t| inner.token_to_id(t).is_some());
        let (bos, eos) = (known(&bos).filter(|_| then.0), known(&eos).filter(|_| then.1));
        surround(&mut inner, bos.as_deref(), eos.as_deref()).map_err(|e| broken(dir, e))?;
    }
    let chat_templates = settings.chat_templates(dir)?;
    Ok(Opened { inner, bos, eos, chat_templates })
}

/// The files of a byte-level BPE, as transformers and as OpenAI call them.
const BPE_FILES: [[&str; 2]; 2] = [["vocab.json", "merges.txt"], ["encoder.json", "vocab.bpe"]];
/// SentencePiece's file, as transformers, T5 and Mistral call it.
const MODEL_FILES: [&str; 5] =
    ["tokenizer.model", "spiece.model", "tokenizer.model.v3", "tokenizer.model.v2", "tokenizer.model.v1"];

fn bare(dir: &Path, settings: &Settings) -> Result<Bare, LoadError> {
    let json = dir.join("tokenizer.json");
    if is_there(&json) {
        let inner = json::read(&json)?;
        return Ok(Bare { inner, bos: None, eos: None, adds_bos: None });
    }
    for [vocab, merges] in BPE_FILES {
        let (vocab, merges) = (dir.join(vocab), dir.join(merges));
        if is_there(&vocab) && is_there(&merges) {
            return gpt2(&vocab, &merges, settings).map_err(|reason| LoadError::tokenizer(&vocab, reason));
        }
    }
    for name in MODEL_FILES {
        let path = dir.join(name);
        if is_there(&path) {
            let bytes = raxla_xla::read_file(&path, 1 << 30).map_err(|e| LoadError::io(&path, e))?;
            return sentence_piece(&bytes, settings).map_err(|reason| LoadError::tokenizer(&path, reason));
        }
    }
    Err(LoadError::tokenizer(
        dir,
        "there is neither tokenizer.json nor tokenizer.model nor vocab.json with merges.txt\n  \
         help: copy the tokenizer files of the model next to its weights",
    ))
}

/// A byte-level BPE's two files. Which words it splits texts into only the class in transformers says.
fn gpt2(vocab: &Path, merges: &Path, settings: &Settings) -> Result<Bare, String> {
    let (vocabulary, merges) =
        BPE::read_file(&vocab.to_string_lossy(), &merges.to_string_lossy()).map_err(|e| e.to_string())?;
    vocabulary.iter().try_for_each(|(token, id)| check_id(token, *id))?;
    let pre_tokenizer = if settings.class().starts_with("Qwen2") { "qwen2" } else { "gpt-2" };
    let prefix_space = settings.bool("add_prefix_space").unwrap_or(false);
    let mut inner = byte_level::build(vocabulary, merges, pre_tokenizer, prefix_space)?;
    // GPT-2's one special token is in the vocabulary, and its own files have no settings at all.
    let end = Some(END_OF_TEXT.to_string()).filter(|end| inner.token_to_id(end).is_some());
    let special = end.iter().map(|end| AddedToken::from(end.clone(), true));
    inner.add_special_tokens(special).map_err(|e| e.to_string())?;
    let own = end.filter(|_| settings.0.is_empty());
    Ok(Bare { inner, bos: own.clone(), eos: own, adds_bos: Some(false) })
}

const END_OF_TEXT: &str = "<|endoftext|>";

/// SentencePiece's file, with what the settings say about it.
fn sentence_piece(bytes: &[u8], settings: &Settings) -> Result<Bare, String> {
    let model_file::File { mut model, bos, eos } = model_file::parse(bytes)?;
    let prefix = settings.bool("add_prefix_space").unwrap_or(model.prefix != Prefix::None);
    model.prefix = match settings.bool("legacy") {
        _ if !prefix => Prefix::None,
        Some(false) => Prefix::First,
        _ => Prefix::Each,
    };
    settings.rename(&mut model);
    let text = |id: Option<usize>| id.map(|id| model.pieces[id].text.clone());
    let (bos, eos) = (text(bos), text(eos));
    // T5 and its like, of the unigram kind, end texts instead
    let adds_bos = Some(model.algorithm == Algorithm::Bpe);
    Ok(Bare { inner: model.build()?, bos, eos, adds_bos })
}

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
        // before there was `added_tokens_decoder`: ids by token, in a file of its own
        if let (None, Some(text)) = (all.get("added_tokens_decoder"), read(&dir.join("added_tokens.json"))?) {
            let path = dir.join("added_tokens.json");
            let ids: BTreeMap<String, u32> =
                serde_json::from_str(&text).map_err(|e| LoadError::format(path, e.to_string()))?;
            let token = |(content, id): (String, u32)| (id.to_string(), serde_json::json!({ "content": content }));
            all.insert("added_tokens_decoder".into(), ids.into_iter().map(token).collect::<Map<_, _>>().into());
        }
        Ok(Settings(all))
    }

    fn bool(&self, key: &str) -> Option<bool> {
        self.0.get(key)?.as_bool()
    }

    /// The class in transformers.
    fn class(&self) -> &str {
        self.0.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default()
    }

    /// The tokens of `added_tokens_decoder`, by id.
    fn added(&self) -> BTreeMap<u32, AddedToken> {
        let all = self.0.get("added_tokens_decoder").and_then(Value::as_object);
        let token = |(id, token): (&String, &Value)| {
            let is = |key: &str| token.get(key).and_then(Value::as_bool).unwrap_or(false);
            let content = token.get("content")?.as_str()?;
            let token = AddedToken::from(content, is("special"));
            let token = token.single_word(is("single_word")).lstrip(is("lstrip")).rstrip(is("rstrip"));
            Some((id.parse().ok()?, token.normalized(is("normalized"))))
        };
        all.into_iter().flatten().filter_map(token).collect()
    }

    /// Gives pieces the names that added tokens with their ids have, and appends those that are new.
    fn rename(&self, model: &mut Model) {
        for (id, token) in self.added() {
            let kind = if token.special { PieceKind::Control } else { PieceKind::UserDefined };
            let pieces = model.pieces.len();
            match model.pieces.get_mut(id as usize) {
                Some(piece) if piece.text == token.content => {}
                Some(piece) => (piece.text, piece.kind) = (token.content, kind),
                None if id as usize == pieces => {
                    model.pieces.push(Piece { text: token.content, score: 0.0, kind });
                }
                None => {}
            }
        }
    }

    /// Makes the added tokens of the settings known, and the special ones that only have names. All at once: each addition
    /// costs as much as the search for all tokens takes to prepare.
    fn add_tokens(&self, inner: &mut Inner, dir: &Path) -> Result<(), LoadError> {
        let added: Vec<(u32, AddedToken)> = self.added().into_iter().filter(|(_, t)| !t.content.is_empty()).collect();
        let new: Vec<(u32, String)> = added.iter().map(|(id, t)| (*id, t.content.clone())).collect();
        let new: Vec<_> = new.into_iter().filter(|(_, text)| inner.token_to_id(text).is_none()).collect();
        let tokens = added.into_iter().map(|(_, token)| token);
        inner.add_tokens(tokens).map_err(|e| broken(dir, e))?;
        for (id, content) in new {
            let got = inner.token_to_id(&content);
            if got != Some(id) {
                let got = got.map_or("none".to_string(), |id| id.to_string());
                let reason = format!("tokenizer_config.json gives {content:?} the id {id}, but its id is {got}");
                return Err(LoadError::tokenizer(dir, reason));
            }
        }
        let known = inner.get_added_tokens_decoder();
        let known: HashSet<&str> = known.values().map(|t| t.content.as_str()).collect();
        let more = self.0.get("additional_special_tokens").and_then(Value::as_array);
        let names = ["bos_token", "eos_token", "unk_token", "pad_token"].map(|key| self.0.get(key));
        let names = names.into_iter().flatten().chain(more.into_iter().flatten()).filter_map(content);
        let special = names.filter(|name| !known.contains(name.as_str()) && inner.token_to_id(name).is_some());
        let special: Vec<AddedToken> = special.map(|name| AddedToken::from(name, true)).collect();
        inner.add_special_tokens(special).map_err(|e| broken(dir, e))?;
        Ok(())
    }

    /// The special token `key`.
    fn token(&self, key: &str) -> Option<String> {
        content(self.0.get(key)?)
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

/// Whether something has this name, even if it cannot be read: a tokenizer that is broken is not taken for one that is absent.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// A text file, if it is there.
fn read(path: &Path) -> Result<Option<String>, LoadError> {
    match raxla_xla::read_text(path, 1 << 30) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(LoadError::io(path, e)),
    }
}

/// A special token: its text, or an object with its `content`.
fn content(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_string)
}
