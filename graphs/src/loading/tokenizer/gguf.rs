//! Tokenizers from GGUF metadata, equal to the tokenizer.json that the file was made from.

use super::byte_level;
use super::sentencepiece::{Algorithm, Model, Piece, PieceKind, Prefix, kind};
use super::surround;
use crate::weights::gguf::{List, Metadata, Value};
use tokenizers::{AddedToken, Tokenizer as Inner};

pub(super) fn build(metadata: &Metadata) -> Result<Inner, String> {
    let tokens = tokens(metadata)?;
    if tokens.is_empty() {
        return Err("`tokenizer.ggml.tokens` is missing: the file has no tokenizer".into());
    }
    let mut inner = match metadata.str("tokenizer.ggml.model")?.unwrap_or_default() {
        "gpt2" => byte_level(metadata, tokens)?,
        "llama" => sentence_piece(metadata, tokens)?.build()?,
        other => return Err(format!("`tokenizer.ggml.model` is {other:?}; raxla knows \"gpt2\" and \"llama\"")),
    };
    surround_as_told(&mut inner, metadata, None)?;
    Ok(inner)
}

/// The vocabulary; empty if there is none.
fn tokens(metadata: &Metadata) -> Result<&[String], String> {
    Ok(metadata.strings("tokenizer.ggml.tokens")?.unwrap_or_default())
}

/// A special token, if the metadata names one. As llama.cpp, raxla does without one that the vocabulary does not have.
fn special(metadata: &Metadata, name: &str) -> Result<Option<u32>, String> {
    let key = format!("tokenizer.ggml.{name}_token_id");
    let (Some(id), tokens) = (metadata.uint(&key)?, tokens(metadata)?) else { return Ok(None) };
    Ok(u32::try_from(id).ok().filter(|_| id < tokens.len() || tokens.is_empty()))
}

/// What the metadata says beside the vocabulary.
pub(super) struct Told {
    pub(super) bos: Option<u32>,
    /// Its own first, then llama.cpp's.
    pub(super) eos: Vec<u32>,
    /// The usual one, and the one for tools.
    pub(super) chat_templates: [Option<String>; 2],
}

impl Told {
    pub(super) fn read(metadata: &Metadata) -> Result<Told, String> {
        let mut eos = vec![];
        for name in ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"] {
            eos.extend(special(metadata, name)?);
        }
        eos.extend(ends(metadata)?);
        let template =
            |suffix| Ok::<_, String>(metadata.str(&format!("tokenizer.chat_template{suffix}"))?.map(str::to_string));
        let chat_templates = [template("")?, template(".tool_use")?];
        Ok(Told { bos: special(metadata, "bos")?, eos, chat_templates })
    }
}

/// Tokens at which llama.cpp ends a text, by what they spell (`special_eog_ids` of llama-vocab.cpp): the metadata of many files names
/// another one, at which a chat model does not end its turns.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    // of code models, where what was to be filled in ends
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// The ids of those that the vocabulary has. Two of them do not end a text where others do, as in llama.cpp.
fn ends(metadata: &Metadata) -> Result<Vec<u32>, String> {
    let tokens = tokens(metadata)?;
    let found: Vec<(&str, u32)> =
        tokens.iter().zip(0u32..).map(|(t, id)| (t.as_str(), id)).filter(|(t, _)| ENDS.contains(t)).collect();
    let has = |token: &str| found.iter().any(|(t, _)| *t == token);
    let calls = has("<|call|>") || has("<|calls|>");
    let within = |token: &str| match token {
        "<|end|>" => calls && (has("<|return|>") || has("<|flush|>")),
        "</s>" => has("<|tool_response>"),
        _ => false,
    };
    Ok(found.iter().filter(|(t, _)| !within(t)).map(|(_, id)| *id).collect())
}

/// Lets a tokenizer put bos and eos around texts as the metadata says. `now`: which of them it puts already, where that is known.
pub(super) fn surround_as_told(inner: &mut Inner, metadata: &Metadata, now: Option<[bool; 2]>) -> Result<(), String> {
    let tokens = tokens(metadata)?;
    let bos_by_default = match metadata.str("tokenizer.ggml.model")? {
        Some("llama") => true,
        _ => byte_level::adds_bos(pre_tokenizer(metadata)?),
    };
    let token = |name: &str, default: bool| {
        let add = metadata.bool(&format!("tokenizer.ggml.add_{name}_token"))?.unwrap_or(default);
        let id = special(metadata, name)?.filter(|_| add);
        Ok::<_, String>(id.and_then(|id| tokens.get(id as usize)).map(String::as_str))
    };
    let bos = token("bos", bos_by_default || now.is_some_and(|now| now[0]))?;
    let eos = token("eos", now.is_some_and(|now| now[1]))?;
    match now {
        Some(now) if now == [bos.is_some(), eos.is_some()] => Ok(()),
        _ => surround(inner, bos, eos).map_err(|e| e.to_string()),
    }
}

/// A tokenizer that lies beside the file must be that of the file: ids of another one mean other words to the model. `Ok` may tell of
/// special tokens that differ.
pub(super) fn compare(inner: &Inner, metadata: &Metadata) -> Result<Option<String>, String> {
    let tokens = tokens(metadata)?;
    let kinds = kinds(metadata, tokens.len())?;
    let (mut words, mut special) = (vec![], vec![]);
    for ((token, id), kind) in tokens.iter().zip(0u32..).zip(kinds) {
        let own = inner.id_to_token(id);
        match kind {
            _ if own.as_ref() == Some(token) => {}
            PieceKind::Normal | PieceKind::Byte => words.push((id, token, own)),
            // (converters fill vocabularies up to the rows of the embedding)
            _ if own.is_none() => {}
            _ => special.push((id, token, own)),
        }
    }
    let example = |(id, token, own): &(u32, &String, Option<String>)| match own {
        Some(own) => format!("{id} is {own:?} here and {token:?} in the file"),
        None => format!("there is no {id}, which is {token:?} in the file"),
    };
    match (words.first(), special.first()) {
        (Some(first), _) => {
            Err(format!("{} of the file's {} tokens differ: {}", words.len(), tokens.len(), example(first)))
        }
        (None, Some(first)) => Ok(Some(format!("{} special tokens differ: {}", special.len(), example(first)))),
        (None, None) => Ok(None),
    }
}

/// llama.cpp's name of it. Files made before there were names hold GPT-2's tokenizer or one whose text they would split wrongly.
fn pre_tokenizer(metadata: &Metadata) -> Result<&str, String> {
    Ok(metadata.str("tokenizer.ggml.pre")?.unwrap_or("gpt-2"))
}

/// BPE over bytes.
fn byte_level(metadata: &Metadata, tokens: &[String]) -> Result<Inner, String> {
    let merges = metadata.strings("tokenizer.ggml.merges")?.ok_or("`tokenizer.ggml.merges` is missing")?;
    let merges: Option<Vec<_>> =
        merges.iter().map(|m| m.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()))).collect();
    let merges = merges.ok_or("`tokenizer.ggml.merges` has an entry that is not two tokens")?;
    let vocabulary = tokens.iter().zip(0u32..).map(|(token, id)| (token.clone(), id)).collect();
    let mut inner = byte_level::build(vocabulary, merges, pre_tokenizer(metadata)?, false)
        .map_err(|e| format!("`tokenizer.ggml.pre`: {e}\n  help: put the model's tokenizer.json next to the file"))?;
    let kinds = kinds(metadata, tokens.len())?;
    let of = |wanted: PieceKind| tokens.iter().zip(&kinds).filter(move |(_, k)| **k == wanted).map(|(t, _)| t);
    let special = of(PieceKind::Control).map(|t| AddedToken::from(t.clone(), true));
    inner.add_special_tokens(special).map_err(|e| e.to_string())?;
    let user = of(PieceKind::UserDefined).map(|t| AddedToken::from(t.clone(), false).normalized(false));
    inner.add_tokens(user).map_err(|e| e.to_string())?;
    Ok(inner)
}

/// SentencePiece's BPE.
fn sentence_piece(metadata: &Metadata, tokens: &[String]) -> Result<Model, String> {
    const SCORES: &str = "tokenizer.ggml.scores";
    let scores = match metadata.get(SCORES) {
        Some(Value::List(List::Float(scores))) if scores.len() == tokens.len() => scores,
        Some(Value::List(List::Float(scores))) => {
            return Err(format!("`{SCORES}` has {} numbers for {} tokens", scores.len(), tokens.len()));
        }
        Some(other) => return Err(format!("`{SCORES}` is {other}, not a list of numbers")),
        None => return Err(format!("`{SCORES}` is missing")),
    };
    if let Some(at) = scores.iter().position(|score| score.is_nan()) {
        return Err(format!("`{SCORES}` has NaN for token {at}"));
    }
    let pieces = tokens.iter().zip(scores).zip(kinds(metadata, tokens.len())?);
    let space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    Ok(Model {
        pieces: pieces.map(|((text, score), kind)| Piece { text: text.clone(), score: *score, kind }).collect(),
        algorithm: Algorithm::Bpe,
        unknown: special(metadata, "unknown")?.unwrap_or(0) as usize,
        byte_fallback: true,
        prefix: if space_prefix { Prefix::Each } else { Prefix::None },
        remove_extra_spaces: false,
        escape_spaces: true,
        charsmap: vec![],
    })
}

/// The kinds of all `n` tokens: normal ones, unless the metadata says.
fn kinds(metadata: &Metadata, n: usize) -> Result<Vec<PieceKind>, String> {
    const KINDS: &str = "tokenizer.ggml.token_type";
    match metadata.get(KINDS) {
        None => Ok(vec![PieceKind::Normal; n]),
        Some(Value::List(List::Int(kinds))) if kinds.len() == n => Ok(kinds.iter().map(|k| kind(*k)).collect()),
        Some(Value::List(List::Int(kinds))) => Err(format!("`{KINDS}` has {} numbers for {n} tokens", kinds.len())),
        Some(other) => Err(format!("`{KINDS}` is {other}, not a list of integers")),
    }
}
