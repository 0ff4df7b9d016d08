//! BPE over bytes, as GPT-2 has it; how a text is split into words first goes by a name.

use super::json::check_merges;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{PreTokenizerWrapper, Tokenizer as Inner};

const WORD: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LETTERS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+";

/// Mistral's since Nemo: words end where a capital letter follows a small one.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Does this pre-tokenizer's family begin texts with the first token by default?
pub(super) fn adds_bos(pre_tokenizer: &str) -> bool {
    matches!(pre_tokenizer, "llama-bpe" | "llama3" | "llama-v3" | "tekken")
}

/// The tokenizer of a vocabulary and of merges in their order. `pre_tokenizer` is llama.cpp's name of it.
pub(super) fn build(
    vocabulary: Vocab,
    merges: Vec<(String, String)>,
    pre_tokenizer: &str,
    prefix_space: bool,
) -> Result<Inner, String> {
    let pairs = merges.iter().map(|(a, b)| (a.as_str(), b.as_str()));
    check_merges(pairs, "", |word| vocabulary.contains_key(word))?;
    // the same ones take a word that is a token without merging
    let whole_words = adds_bos(pre_tokenizer);
    let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).ignore_merges(whole_words);
    let mut inner = Inner::new(bpe.build().map_err(text)?);
    inner.with_decoder(Some(ByteLevel::default()));
    let bytes = |use_regex| PreTokenizerWrapper::from(ByteLevel::new(prefix_space, true, use_regex));
    let split = |regex: String| -> Result<PreTokenizerWrapper, String> {
        let split = Split::new(SplitPattern::Regex(regex), SplitDelimiterBehavior::Isolated, false).map_err(text)?;
        Ok(Sequence::new(vec![split.into(), bytes(false)]).into())
    };
    let pre_tokenizer = match pre_tokenizer {
        "gpt-2" => bytes(true),
        "smollm" | "starcoder" | "refact" | "codeshell" => {
            Sequence::new(vec![Digits::new(true).into(), bytes(true)]).into()
        }
        "tekken" => split(TEKKEN.to_string())?,
        "llama-bpe" | "llama3" | "llama-v3" => split(format!(r"{LETTERS}|\p{{N}}{{1,3}}|{WORD}"))?,
        "qwen2" | "deepseek-r1-qwen" => {
            inner.with_normalizer(Some(NFC)).map_err(text)?;
            split(format!(r"{LETTERS}|\p{{N}}|{WORD}"))?
        }
        other => return Err(format!("the pre-tokenizer {other:?} is not known; raxla knows {KNOWN}")),
    };
    inner.with_pre_tokenizer(Some(pre_tokenizer));
    Ok(inner)
}

const KNOWN: &str = "gpt-2, smollm, starcoder, refact, codeshell, llama-bpe, qwen2, tekken";

/// One name of each.
pub(super) const NAMES: [&str; 5] = ["gpt-2", "smollm", "llama-bpe", "qwen2", "tekken"];

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
