//! A tokenizer as metadata of a GGUF file: the other direction of [`super::gguf`].

use super::sentencepiece::{Piece, PieceKind};
use super::{Tokenizer, byte_level, model_file};
use crate::LoadError;
use crate::weights::gguf::{List, Value};
use serde_json::Value as Json;
use std::collections::HashMap;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizer, Tokenizer as Inner};

/// What tells apart how texts are split into words: digits alone and in rows, words that end in capitals, contractions, spaces and
/// line ends of all kinds, and characters that a normalizer composes.
const PROBE: &str = "Hello WORLD camelCase ABCdef I've they'LL don't 1 22 333 4444 55555 3.14 x=y+z; (a) [b] {c} !!! ...?\n \n\n\t \t\t  two   three\r\n\
    naïve e\u{301}te\u{301} Ünïcödé нещо на Български 日本語 ភាសា 🚀 🦙🦙 ---=== ''''\"\"\" a_b c/d e\\f\n\n\n    end ";

impl Tokenizer {
    /// The keys `tokenizer.ggml.*` and `tokenizer.chat_template`, for a model whose embedding has so many rows: tokens are filled up
    /// to these.
    ///
    /// # Errors
    /// A tokenizer that llama.cpp has no name for; more tokens than rows.
    pub(crate) fn to_gguf(&self, rows: usize) -> Result<Vec<(String, Value)>, LoadError> {
        let bad = |reason: String| LoadError::tokenizer(&self.path, reason);
        let json: Json = serde_json::from_str(&self.to_json()?).map_err(|e| bad(e.to_string()))?;
        if self.vocab_size() > rows {
            let reason = format!("it has {} tokens, but the model's embedding has {rows} rows", self.vocab_size());
            return Err(bad(format!("{reason}\n  help: is it the tokenizer of this model?")));
        }
        let model = &json["model"];
        let pieces = match (model["type"].as_str(), model["byte_fallback"].as_bool()) {
            (Some("BPE") | None, Some(true)) => Kind::SentencePiece,
            (Some("BPE") | None, _) if json["decoder"]["type"] == "ByteLevel" => Kind::Bytes,
            _ => {
                return Err(bad("a GGUF file cannot hold it: it is neither BPE over bytes, as GPT-2's, nor \
                     SentencePiece's with bytes for what is unknown\n  help: write without it: leave its files out"
                    .into()));
            }
        };
        let merges = merges(model);
        let mut keys = match pieces {
            Kind::Bytes => {
                // (where nothing is merged and whole words are no tokens, texts become bytes however they are split)
                let bytes =
                    merges.is_empty() && self.inner.get_normalizer().is_none() && model["ignore_merges"] != true;
                let name = if bytes { "gpt-2" } else { pre_tokenizer(&self.inner).map_err(bad)? };
                let merges = merges.iter().map(|(a, b)| format!("{a} {b}")).collect();
                vec![
                    ("tokenizer.ggml.model", string("gpt2")),
                    ("tokenizer.ggml.pre", string(name)),
                    ("tokenizer.ggml.merges", Value::List(List::Str(merges))),
                ]
            }
            Kind::SentencePiece => {
                let scores = self.scores(&merges, rows);
                let first = self.encode("a", false)?.first().and_then(|id| self.token(*id));
                let prefix = first.is_some_and(|token| token.starts_with('▁'));
                vec![
                    ("tokenizer.ggml.model", string("llama")),
                    ("tokenizer.ggml.pre", string("default")),
                    ("tokenizer.ggml.scores", Value::List(List::Float(scores))),
                    ("tokenizer.ggml.add_space_prefix", Value::Bool(prefix)),
                ]
            }
        };
        let (tokens, kinds) = self.tokens(pieces, &model["unk_token"], rows);
        keys.push(("tokenizer.ggml.tokens", Value::List(List::Str(tokens))));
        keys.push(("tokenizer.ggml.token_type", Value::List(List::Int(kinds))));
        let unknown = model["unk_token"].as_str().and_then(|token| self.id(token));
        let ids = [("bos", self.bos), ("eos", self.eos.first().copied()), ("unknown", unknown)];
        let around = self.encode("", true)?;
        let is = |id: Option<&u32>, own: Option<u32>| id.is_some() && id.copied() == own;
        let adds = [is(around.first(), self.bos), around.len() > 1 && is(around.last(), self.eos.first().copied())];
        let mut keys: Vec<(String, Value)> = keys.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        for (name, id) in ids.into_iter().filter_map(|(name, id)| Some((name, id?))) {
            keys.push((format!("tokenizer.ggml.{name}_token_id"), Value::Int(id.into())));
        }
        for (name, adds) in ["bos", "eos"].into_iter().zip(adds) {
            keys.push((format!("tokenizer.ggml.add_{name}_token"), Value::Bool(adds)));
        }
        if let Some(template) = &self.chat_template {
            keys.push(("tokenizer.chat_template".into(), string(template)));
        }
        if let Some(template) = &self.tool_template {
            keys.push(("tokenizer.chat_templates".into(), Value::List(List::Str(vec!["tool_use".into()]))));
            keys.push(("tokenizer.chat_template.tool_use".into(), string(template)));
        }
        Ok(keys)
    }

    /// Texts and numbers of kinds (see [`PieceKind`]), of all rows.
    fn tokens(&self, pieces: Kind, unknown: &Json, rows: usize) -> (Vec<String>, Vec<i64>) {
        let added = self.inner.get_added_tokens_decoder();
        let own = self.pieces();
        let kind = |id: u32, token: &str| {
            let stored = own.get(id as usize).filter(|piece| piece.text == token).map(|piece| piece.kind);
            match added.get(&id) {
                _ if unknown.as_str() == Some(token) && matches!(pieces, Kind::SentencePiece) => PieceKind::Unknown,
                Some(added) if added.special || seems_special(token) => PieceKind::Control,
                Some(_) => PieceKind::UserDefined,
                None if matches!(pieces, Kind::SentencePiece) && is_byte(token) => PieceKind::Byte,
                None => stored.unwrap_or(PieceKind::Normal),
            }
        };
        let of = |id: u32| match self.token(id) {
            Some(token) => {
                let kind = kind(id, &token);
                (token, kind as i64)
            }
            None => (format!("[PAD{id}]"), PieceKind::Unused as i64),
        };
        (0..rows as u32).map(of).unzip()
    }

    /// The score of each token: those of tokenizer.model where it is there, else by the order of the merges. The pair with the best
    /// score is merged first.
    fn scores(&self, merges: &[(String, String)], rows: usize) -> Vec<f32> {
        let own = self.pieces();
        let mut ranks: HashMap<String, usize> = HashMap::new();
        for (rank, (a, b)) in merges.iter().enumerate() {
            ranks.entry(format!("{a}{b}")).or_insert(rank);
        }
        let added = self.inner.get_added_tokens_decoder();
        let score = |id: u32| {
            let token = self.token(id)?;
            match own.get(id as usize).filter(|piece| piece.text == token) {
                Some(piece) => Some(piece.score),
                None if added.contains_key(&id) || is_byte(&token) => Some(0.0),
                None => Some(-(ranks.get(&token).copied().unwrap_or(merges.len()) as f32)),
            }
        };
        (0..rows as u32).map(|id| score(id).unwrap_or(-1000.0)).collect()
    }

    /// The pieces of tokenizer.model, if it lies where the tokenizer comes from.
    fn pieces(&self) -> Vec<Piece> {
        let bytes = raxla_xla::read_file(&self.path.join("tokenizer.model"), 1 << 30);
        bytes.ok().and_then(|bytes| model_file::parse(&bytes).ok()).map(|file| file.model.pieces).unwrap_or_default()
    }
}

/// The two kinds of tokenizers that are read from GGUF files.
#[derive(Clone, Copy)]
enum Kind {
    Bytes,
    SentencePiece,
}

fn string(text: &str) -> Value {
    Value::Str(text.to_string())
}

/// Pairs; files spell them as lists or as one string with a space.
fn merges(model: &Json) -> Vec<(String, String)> {
    let pair = |merge: &Json| match merge {
        Json::String(both) => both.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string())),
        both => Some((both.get(0)?.as_str()?.to_string(), both.get(1)?.as_str()?.to_string())),
    };
    model["merges"].as_array().into_iter().flatten().filter_map(pair).collect()
}

/// Some files call tokens ordinary that control a model, as llama.cpp's converter knows.
fn seems_special(token: &str) -> bool {
    let between = |start: &str, end: &str| token.starts_with(start) && token.ends_with(end);
    ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(&token)
        || between("<|", "|>")
        || between("<｜", "｜>")
        || between("<unused", ">")
}

fn is_byte(token: &str) -> bool {
    token.len() == 6 && token.starts_with("<0x") && token.ends_with('>')
}

/// llama.cpp's name of how texts are split: that of the known one which splits [`PROBE`] likewise.
fn pre_tokenizer(inner: &Inner) -> Result<&'static str, String> {
    let own = split(inner)?;
    for name in byte_level::NAMES {
        if split(&byte_level::build(Default::default(), vec![], name, false)?)? == own {
            return Ok(name);
        }
    }
    Err(format!(
        "a GGUF file cannot hold it: it splits texts into words as none of those that have a name there does ({})\n  \
         help: write without it: leave its files out",
        byte_level::NAMES.join(", ")
    ))
}

fn split(inner: &Inner) -> Result<Vec<String>, String> {
    let mut text = tokenizers::NormalizedString::from(PROBE);
    if let Some(normalizer) = inner.get_normalizer() {
        tokenizers::Normalizer::normalize(normalizer, &mut text).map_err(|e| e.to_string())?;
    }
    let mut words = tokenizers::PreTokenizedString::from(text);
    if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
        pre_tokenizer.pre_tokenize(&mut words).map_err(|e| e.to_string())?;
    }
    let words = words.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    Ok(words.into_iter().map(|(word, ..)| word.to_string()).collect())
}
