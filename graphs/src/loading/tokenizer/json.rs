//! tokenizer.json. The crate that reads it panics on several kinds of damage: they are found before.

use super::check::{check_id, check_normalizer, check_piece};
use super::{broken, check::check, growth::check_rules, sentencepiece::check_charsmap};
use crate::LoadError;
use crate::weights::{LFS_POINTER, is_lfs_pointer};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, collections::HashMap, path::Path};
use tokenizers::{NormalizerWrapper, Tokenizer as Inner};

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

/// A model with ids by token, and merges if it is a BPE.
#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow)]
    vocab: HashMap<Text<'a>, u32>,
    #[serde(borrow, default)]
    merges: Vec<Merge<'a>>,
    continuing_subword_prefix: Option<String>,
}

/// A unigram model: pieces and scores.
#[derive(Deserialize)]
struct Pieces<'a> {
    #[serde(borrow)]
    vocab: Vec<(Text<'a>, IgnoredAny)>,
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

/// Read the file. Saved training settings, which would shorten or fill up a prompt, are left out.
pub(super) fn read(path: &Path) -> Result<Inner, LoadError> {
    let bytes = raxla_xla::read_file(path, 1 << 30).map_err(|e| LoadError::io(path, e))?;
    let bad = |reason: String| LoadError::tokenizer(path, reason);
    if is_lfs_pointer(&bytes) {
        return Err(bad(LFS_POINTER.to_string()));
    }
    check_bytes(&bytes).map_err(bad)?;
    let mut inner = Inner::from_bytes(&bytes).map_err(|e| broken(path, e))?;
    inner.with_padding(None).with_truncation(None).map_err(|e| broken(path, e))?;
    check(&inner).map_err(bad)?;
    Ok(inner)
}

/// What must hold before the crate reads them.
fn check_bytes(bytes: &[u8]) -> Result<(), String> {
    let checked: Checked = serde_json::from_slice(bytes).map_err(|e| format!("it is not valid JSON: {e}"))?;
    if let Some(normalizer) = &checked.normalizer {
        check_charsmaps(normalizer)?;
        let normalizer = NormalizerWrapper::deserialize(normalizer).map_err(|e| format!("its normalizer: {e}"))?;
        // before it is tried
        check_rules("normalizer", &normalizer)?;
        check_normalizer(&normalizer)?;
    }
    checked.model.map_or(Ok(()), |model| check_model(model.get()))
}

fn check_charsmaps(normalizer: &Value) -> Result<(), String> {
    let map = &normalizer["precompiled_charsmap"];
    if normalizer["type"] == "Precompiled" || map.is_string() {
        let map = map.as_str().and_then(|map| base64::decode(map).ok());
        check_charsmap(&map.ok_or("its `precompiled_charsmap` is not base64")?)?;
    }
    normalizer["normalizers"].as_array().into_iter().flatten().try_for_each(check_charsmaps)
}

fn check_model(model: &str) -> Result<(), String> {
    match serde_json::from_str::<Words>(model) {
        Ok(words) => return check_words(&words),
        // of these the crate takes the last
        Err(e) if e.to_string().contains("duplicate field") => return Err(format!("its model: {e}")),
        Err(_) => {}
    }
    let pieces = serde_json::from_str::<Pieces>(model).map_or(vec![], |model| model.vocab);
    pieces.iter().try_for_each(|(piece, _)| check_piece(&piece.0))
}

fn check_words(words: &Words) -> Result<(), String> {
    words.vocab.iter().try_for_each(|(word, id)| {
        check_id(&word.0, *id)?;
        check_piece(&word.0)
    })?;
    let pairs = words.merges.iter().filter_map(|merge| match merge {
        Merge::Pair(a, b) => Some((&*a.0, &*b.0)),
        Merge::Line(line) => line.0.split_once(' ').filter(|_| !line.0.starts_with("#version")),
    });
    let prefix = words.continuing_subword_prefix.as_deref().unwrap_or("");
    check_merges(pairs, prefix, |word| words.vocab.contains_key(&Text(Cow::Borrowed(word))))
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
