//! tokenizer.json. The crate that reads it panics on several kinds of damage: they are found before.

use super::{broken, sentencepiece::check_charsmap};
use crate::LoadError;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, collections::HashSet, path::Path};
use tokenizers::Tokenizer as Inner;

/// What is looked at before.
#[derive(Deserialize)]
struct Checked<'a> {
    normalizer: Option<Value>,
    /// Read whole, and so to the last escape in a string.
    #[serde(rename = "decoder")]
    _decoder: Option<Value>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

/// A model with merges; others do not have these fields.
#[derive(Deserialize)]
struct Bpe<'a> {
    #[serde(borrow)]
    vocab: Words<'a>,
    #[serde(borrow)]
    merges: Vec<Merge<'a>>,
    continuing_subword_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge<'a> {
    Pair(#[serde(borrow)] Text<'a>, Text<'a>),
    Line(#[serde(borrow)] Text<'a>),
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys of a map of token ids.
struct Words<'a>(HashSet<Text<'a>>);
impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Words<'a>, D::Error> {
        let ids = std::collections::HashMap::<Text, serde::de::IgnoredAny>::deserialize(deserializer)?;
        Ok(Words(ids.into_keys().collect()))
    }
}

/// Read the file.
pub(super) fn read(path: &Path) -> Result<Inner, LoadError> {
    let bytes = std::fs::read(path).map_err(|e| LoadError::io(path, e))?;
    let bad = |reason: String| LoadError::tokenizer(path, reason);
    check(&bytes).map_err(bad)?;
    Inner::from_bytes(&bytes).map_err(|e| broken(path, e))
}

fn check(bytes: &[u8]) -> Result<(), String> {
    let checked: Checked = serde_json::from_slice(bytes).map_err(|e| format!("it is not valid JSON: {e}"))?;
    checked.normalizer.iter().try_for_each(check_normalizer)?;
    match checked.model.and_then(|model| serde_json::from_str::<Bpe>(model.get()).ok()) {
        Some(bpe) => check_bpe(&bpe),
        None => Ok(()),
    }
}

fn check_normalizer(normalizer: &Value) -> Result<(), String> {
    if normalizer["type"] == "Precompiled" {
        let map = normalizer["precompiled_charsmap"].as_str().and_then(|map| base64::decode(map).ok());
        check_charsmap(&map.ok_or("its `precompiled_charsmap` is not base64")?)?;
    }
    normalizer["normalizers"].as_array().into_iter().flatten().try_for_each(check_normalizer)
}

fn check_bpe(bpe: &Bpe) -> Result<(), String> {
    let pairs = bpe.merges.iter().filter_map(|merge| match merge {
        Merge::Pair(a, b) => Some((&*a.0, &*b.0)),
        Merge::Line(line) => line.0.split_once(' '),
    });
    let prefix = bpe.continuing_subword_prefix.as_deref().unwrap_or("");
    check_merges(pairs, prefix, |word| bpe.vocab.0.contains(&Text(Cow::Borrowed(word))))
}

/// Every merge makes a token: the first part, and the second without the prefix that marks what continues a word.
pub(super) fn check_merges<'a>(
    merges: impl Iterator<Item = (&'a str, &'a str)>,
    prefix: &str,
    is_token: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let mut whole = String::new();
    for (a, b) in merges {
        whole.clear();
        whole.push_str(a);
        whole.push_str(b.strip_prefix(prefix).ok_or_else(|| format!("the merge of {a:?} and {b:?} lacks {prefix:?}"))?);
        if !is_token(&whole) {
            return Err(format!("the merge of {a:?} and {b:?} makes {whole:?}, which is no token"));
        }
    }
    Ok(())
}
