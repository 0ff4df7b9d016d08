//! Tokenizers from GGUF metadata, equal to the tokenizer.json that the file was made from.

use super::byte_level;
use super::sentencepiece::{Algorithm, Model, Piece, PieceKind, Prefix, kind};
use super::surround;
use crate::weights::gguf::{List, Metadata};
use tokenizers::{AddedToken, Tokenizer as Inner};

pub(super) fn build(metadata: &Metadata) -> Result<Inner, String> {
    let tokens = match metadata.list("tokenizer.ggml.tokens") {
        Some(List::Str(tokens)) if !tokens.is_empty() => tokens,
        _ => return Err("`tokenizer.ggml.tokens` is missing: the file has no tokenizer".into()),
    };
    let model = metadata.str("tokenizer.ggml.model").unwrap_or_default();
    let (mut inner, bos_by_default) = match model {
        "gpt2" => byte_level(metadata, tokens)?,
        "llama" => (sentence_piece(metadata, tokens)?.build()?, true),
        other => return Err(format!("`tokenizer.ggml.model` is {other:?}; raxla knows \"gpt2\" and \"llama\"")),
    };
    let add = |name: &str, default| metadata.bool(&format!("tokenizer.ggml.add_{name}_token")).unwrap_or(default);
    let token = |name: &str| Some(tokens.get(metadata.uint(&format!("tokenizer.ggml.{name}_token_id"))?)?.as_str());
    let bos = token("bos").filter(|_| add("bos", bos_by_default));
    let eos = token("eos").filter(|_| add("eos", false));
    surround(&mut inner, bos, eos).map_err(|e| e.to_string())?;
    Ok(inner)
}

/// BPE over bytes. Also says whether such a tokenizer begins texts with bos by default.
fn byte_level(metadata: &Metadata, tokens: &[String]) -> Result<(Inner, bool), String> {
    let Some(List::Str(merges)) = metadata.list("tokenizer.ggml.merges") else {
        return Err("`tokenizer.ggml.merges` is missing".into());
    };
    let merges: Option<Vec<_>> =
        merges.iter().map(|m| m.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()))).collect();
    let merges = merges.ok_or("`tokenizer.ggml.merges` has an entry that is not two tokens")?;
    let vocabulary = tokens.iter().zip(0u32..).map(|(token, id)| (token.clone(), id)).collect();
    // Files made before there were names hold GPT-2's tokenizer or one whose text they would split wrongly.
    let name = metadata.str("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let mut inner = byte_level::build(vocabulary, merges, name, false)
        .map_err(|e| format!("`tokenizer.ggml.pre`: {e}\n  help: put the model's tokenizer.json next to the file"))?;
    let of = |wanted: PieceKind| tokens.iter().zip(kinds(metadata)).filter(move |(_, k)| *k == wanted).map(|(t, _)| t);
    let special = of(PieceKind::Control).map(|t| AddedToken::from(t.clone(), true));
    inner.add_special_tokens(special).map_err(|e| e.to_string())?;
    let user = of(PieceKind::UserDefined).map(|t| AddedToken::from(t.clone(), false).normalized(false));
    inner.add_tokens(user).map_err(|e| e.to_string())?;
    Ok((inner, byte_level::adds_bos(name)))
}

/// SentencePiece's BPE.
fn sentence_piece(metadata: &Metadata, tokens: &[String]) -> Result<Model, String> {
    let scores = match metadata.list("tokenizer.ggml.scores") {
        Some(List::Float(scores)) if scores.len() == tokens.len() => scores,
        _ => return Err("`tokenizer.ggml.scores` is missing, or has not one score per token".into()),
    };
    let kinds = kinds(metadata).chain(std::iter::repeat(PieceKind::Normal));
    let pieces = tokens.iter().zip(scores).zip(kinds);
    let space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    Ok(Model {
        pieces: pieces.map(|((text, score), kind)| Piece { text: text.clone(), score: *score, kind }).collect(),
        algorithm: Algorithm::Bpe,
        unknown: metadata.uint("tokenizer.ggml.unknown_token_id").unwrap_or(0),
        byte_fallback: true,
        prefix: if space_prefix { Prefix::Each } else { Prefix::None },
        remove_extra_spaces: false,
        escape_spaces: true,
        charsmap: vec![],
    })
}

fn kinds(metadata: &Metadata) -> impl Iterator<Item = PieceKind> {
    let numbers = match metadata.list("tokenizer.ggml.token_type") {
        Some(List::Int(kinds)) => kinds.as_slice(),
        _ => &[],
    };
    numbers.iter().map(|n| kind(*n))
}
