//! Tokenizers from GGUF metadata, equal to the tokenizer.json that the file was made from.

use crate::weights::gguf::{List, Metadata};
use std::collections::HashMap;
use tokenizers::decoders::{
    byte_fallback::ByteFallback, byte_level::ByteLevel, fuse::Fuse, sequence::Sequence as Decoders, strip::Strip,
};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{NFC, NormalizerWrapper, Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{AddedToken, DecoderWrapper, PreTokenizerWrapper, Tokenizer as Inner};

/// The meanings of `tokenizer.ggml.token_type` that matter here.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

const WORD: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LETTERS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+";

pub(super) fn build(metadata: &Metadata) -> Result<Inner, String> {
    let tokens = match metadata.list("tokenizer.ggml.tokens") {
        Some(List::Str(tokens)) if !tokens.is_empty() => tokens,
        _ => return Err("`tokenizer.ggml.tokens` is missing: the file has no tokenizer".into()),
    };
    let model = metadata.str("tokenizer.ggml.model").unwrap_or_default();
    let (mut inner, bos_by_default) = match model {
        "gpt2" => byte_level(metadata, tokens)?,
        "llama" => sentence_piece(metadata, tokens)?,
        other => return Err(format!("`tokenizer.ggml.model` is {other:?}; raxla knows \"gpt2\" and \"llama\"")),
    };
    add_special(&mut inner, metadata, tokens).map_err(|e| e.to_string())?;
    let add = |name: &str, default| metadata.bool(&format!("tokenizer.ggml.add_{name}_token")).unwrap_or(default);
    let token = |name: &str| Some(tokens.get(metadata.uint(&format!("tokenizer.ggml.{name}_token_id"))?)?.as_str());
    let bos = token("bos").filter(|_| add("bos", bos_by_default));
    let eos = token("eos").filter(|_| add("eos", false));
    surround(&mut inner, bos, eos).map_err(|e| e.to_string())?;
    Ok(inner)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn vocabulary(tokens: &[String]) -> Vocab {
    tokens.iter().zip(0u32..).map(|(token, id)| (token.clone(), id)).collect()
}

/// BPE over bytes; the pre-tokenizer goes by a name. Also says whether such a tokenizer begins texts with bos by
/// default.
fn byte_level(metadata: &Metadata, tokens: &[String]) -> Result<(Inner, bool), String> {
    let Some(List::Str(merges)) = metadata.list("tokenizer.ggml.merges") else {
        return Err("`tokenizer.ggml.merges` is missing".into());
    };
    let merges: Option<Vec<_>> =
        merges.iter().map(|m| m.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()))).collect();
    let merges = merges.ok_or("`tokenizer.ggml.merges` has an entry that is not two tokens")?;
    // Files made before there were names hold GPT-2's tokenizer or one whose text they would split wrongly.
    let name = metadata.str("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let llama3 = matches!(name, "llama-bpe" | "llama3" | "llama-v3");
    let bpe =
        BPE::builder().vocab_and_merges(vocabulary(tokens), merges).ignore_merges(llama3).build().map_err(text)?;
    let mut inner = Inner::new(bpe);
    inner.with_decoder(Some(ByteLevel::default()));
    let bytes = |use_regex| PreTokenizerWrapper::from(ByteLevel::new(false, true, use_regex));
    let split = |regex: String| -> Result<PreTokenizerWrapper, String> {
        let split = Split::new(SplitPattern::Regex(regex), SplitDelimiterBehavior::Isolated, false).map_err(text)?;
        Ok(PreTokenizers::new(vec![split.into(), bytes(false)]).into())
    };
    let pre_tokenizer = match name {
        "gpt-2" => bytes(true),
        "smollm" | "starcoder" | "refact" | "codeshell" => {
            PreTokenizers::new(vec![Digits::new(true).into(), bytes(true)]).into()
        }
        _ if llama3 => split(format!(r"{LETTERS}|\p{{N}}{{1,3}}|{WORD}"))?,
        "qwen2" => {
            inner.with_normalizer(Some(NFC)).map_err(text)?;
            split(format!(r"{LETTERS}|\p{{N}}|{WORD}"))?
        }
        other => {
            let known = "gpt-2, smollm, starcoder, refact, codeshell, llama-bpe, qwen2";
            return Err(format!(
                "`tokenizer.ggml.pre` is {other:?}; raxla knows {known}\n  \
                 help: put the model's tokenizer.json next to the file"
            ));
        }
    };
    inner.with_pre_tokenizer(Some(pre_tokenizer));
    Ok((inner, llama3))
}

/// SentencePiece's BPE as the tokenizers crate models it: the scores tell in which order pieces were merged.
fn sentence_piece(metadata: &Metadata, tokens: &[String]) -> Result<(Inner, bool), String> {
    let scores = match metadata.list("tokenizer.ggml.scores") {
        Some(List::Float(scores)) if scores.len() == tokens.len() => scores,
        _ => return Err("`tokenizer.ggml.scores` is missing, or has not one score per token".into()),
    };
    let kinds = token_kinds(metadata);
    let merges = merges_from_scores(tokens, scores, |id| !matches!(kinds.get(id), Some(&CONTROL)));
    let unknown = metadata.uint("tokenizer.ggml.unknown_token_id").unwrap_or(0);
    let unknown = tokens.get(unknown).ok_or("`tokenizer.ggml.unknown_token_id` is outside the vocabulary")?;
    let builder = BPE::builder().vocab_and_merges(vocabulary(tokens), merges).unk_token(unknown.clone());
    let mut inner = Inner::new(builder.fuse_unk(true).byte_fallback(true).build().map_err(text)?);
    let space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    let mut decoders: Vec<DecoderWrapper> =
        vec![Replace::new("▁", " ").map_err(text)?.into(), ByteFallback::default().into(), Fuse::default().into()];
    if space_prefix {
        normalizers.push(Prepend::new("▁".to_string()).into());
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    normalizers.push(Replace::new(" ", "▁").map_err(text)?.into());
    inner.with_normalizer(Some(Normalizers::new(normalizers))).map_err(text)?;
    inner.with_decoder(Some(Decoders::new(decoders)));
    Ok((inner, true))
}

/// Every way to make a token of two others, the best score first. Among merges that make the same token the order is
/// that of transformers' `generate_merges`, so that texts split the same way.
fn merges_from_scores(tokens: &[String], scores: &[f32], usable: impl Fn(usize) -> bool) -> Vec<(String, String)> {
    let ids: HashMap<&str, usize> =
        tokens.iter().enumerate().filter(|(id, _)| usable(*id)).map(|(id, t)| (t.as_str(), id)).collect();
    let mut merges = Vec::new();
    for (id, token) in tokens.iter().enumerate().filter(|(id, _)| usable(*id)) {
        let first = merges.len();
        for (at, _) in token.char_indices().skip(1) {
            if let (Some(left), Some(right)) = (ids.get(&token[..at]), ids.get(&token[at..])) {
                merges.push((id, *left, *right));
            }
        }
        merges[first..].sort_by_key(|(_, left, right)| (*left, *right));
    }
    let characters = |id: usize| tokens[id].chars().count();
    merges.sort_by(|a, b| {
        let by_score = scores[b.0].total_cmp(&scores[a.0]);
        by_score.then_with(|| (characters(b.1), characters(b.2)).cmp(&(characters(a.1), characters(a.2))))
    });
    merges.into_iter().map(|(_, left, right)| (tokens[left].clone(), tokens[right].clone())).collect()
}

fn token_kinds(metadata: &Metadata) -> &[i64] {
    match metadata.list("tokenizer.ggml.token_type") {
        Some(List::Int(kinds)) => kinds,
        _ => &[],
    }
}

/// Control tokens are special; user-defined ones are found in a text before anything else but are ordinary output.
fn add_special(inner: &mut Inner, metadata: &Metadata, tokens: &[String]) -> tokenizers::Result<()> {
    let of_kind =
        |kind: i64| tokens.iter().zip(token_kinds(metadata)).filter(move |(_, k)| **k == kind).map(|(t, _)| t.clone());
    inner.add_special_tokens(of_kind(CONTROL).map(|t| AddedToken::from(t, true)))?;
    inner.add_tokens(of_kind(USER_DEFINED).map(|t| AddedToken::from(t, false).normalized(false)))?;
    Ok(())
}

/// Lets `encode` put `bos` before and `eos` after a text.
fn surround(inner: &mut Inner, bos: Option<&str>, eos: Option<&str>) -> tokenizers::Result<()> {
    if bos.is_none() && eos.is_none() {
        return Ok(());
    }
    let id = |token: &str| inner.token_to_id(token).unwrap_or_default();
    let special: Vec<(String, u32)> = [bos, eos].into_iter().flatten().map(|t| (t.to_string(), id(t))).collect();
    let pattern: Vec<String> = [bos, Some("$A"), eos].into_iter().flatten().map(str::to_string).collect();
    let template = TemplateProcessing::builder().try_single(pattern)?.special_tokens(special).build()?;
    inner.with_post_processor(Some(template));
    Ok(())
}
