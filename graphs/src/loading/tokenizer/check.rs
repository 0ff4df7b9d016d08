//! What the crate `tokenizers` trusts of a file, and panics without. It takes these parts as they are, so they are looked at
//! here before they meet a text.

use tokenizers::normalizer::Range;
use tokenizers::processors::template::{Piece, Sequence, Template, TemplateProcessing};
use tokenizers::{DecoderWrapper, NormalizedString, Normalizer, NormalizerWrapper, PostProcessorWrapper};
use tokenizers::{PreTokenizerWrapper, Tokenizer as Inner};

/// More rows than any embedding has. The crate counts on from the largest id, and writes tables of all ids up to it.
const MOST_IDS: u32 = 1 << 24;
/// Bytes of a piece. Of a unigram model the crate keeps them in a tree as deep, and takes it down by recursion; of any, a few ids
/// would else make a text of all memory.
pub(super) const LONGEST_PIECE: usize = 4096;

/// All parts that the file gives.
pub(super) fn check(inner: &Inner) -> Result<(), String> {
    super::growth::Growth::of(inner).check()?;
    inner.get_post_processor().map_or(Ok(()), check_post_processor)?;
    inner.get_decoder().map_or(Ok(()), |decoder| check_decoder(decoder, &mut false))?;
    if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
        let inserts = inner.get_normalizer().map_or(Ok(false), check_normalizer)?;
        check_pre_tokenizer(pre_tokenizer, inserts)?;
    }
    inner
        .get_added_vocabulary()
        .get_added_tokens_decoder()
        .values()
        .try_for_each(|token| check_piece(&token.content))?;
    check_added(inner)
}

pub(super) fn check_id(token: &str, id: u32) -> Result<(), String> {
    match id < MOST_IDS {
        true => Ok(()),
        false => Err(format!("its model gives {token:?} the id {id}; ids are below {MOST_IDS}")),
    }
}

pub(super) fn check_piece(piece: &str) -> Result<(), String> {
    match piece.len() <= LONGEST_PIECE {
        true => Ok(()),
        false => Err(format!("its model has a piece of {} bytes; {LONGEST_PIECE} is the most", piece.len())),
    }
}

/// One text, with and without special tokens.
pub(super) fn check_post_processor(processor: &PostProcessorWrapper) -> Result<(), String> {
    left_by(processor, 1, true)?;
    left_by(processor, 1, false)?;
    Ok(())
}

/// How many parts a post-processor makes of `parts`.
fn left_by(processor: &PostProcessorWrapper, parts: usize, special: bool) -> Result<usize, String> {
    match processor {
        PostProcessorWrapper::Template(template) => left_by_template(template, parts, special),
        PostProcessorWrapper::Sequence(all) => {
            all.as_ref().iter().try_fold(parts, |parts, processor| left_by(processor, parts, special))
        }
        _ => Ok(parts),
    }
}

fn left_by_template(template: &TemplateProcessing, parts: usize, special: bool) -> Result<usize, String> {
    let (single, pair) = (pieces(&template.single)?, pieces(template.get_pair())?);
    let known = &template.get_special_tokens().0;
    for (name, pieces) in [("single", &single), ("pair", &pair)] {
        let unknown = pieces.iter().find_map(|piece| match piece {
            Piece::SpecialToken { id, .. } if !known.contains_key(id) => Some(id),
            _ => None,
        });
        if let Some(id) = unknown {
            return Err(format!("`{name}` of its post-processor has {id:?}, which `special_tokens` lacks"));
        }
    }
    let pieces = match parts {
        1 => single,
        2 => pair,
        _ => {
            return Err(format!(
                "its post-processor has a TemplateProcessing behind another part, which leaves {parts}"
            ));
        }
    };
    let second = |piece: &Piece| matches!(piece, Piece::Sequence { id: Sequence::B, .. });
    if parts == 1 && pieces.iter().any(second) {
        return Err("`single` of its post-processor has the sequence B, but there is only A".to_string());
    }
    let left = |piece: &&Piece| special || matches!(piece, Piece::Sequence { .. });
    Ok(pieces.iter().filter(left).count())
}

/// The crate shows them no other way.
fn pieces(template: &Template) -> Result<Vec<Piece>, String> {
    serde_json::to_value(template).and_then(serde_json::from_value).map_err(|e| e.to_string())
}

/// `dropped`: may the decoders before have dropped all tokens?
fn check_decoder(decoder: &DecoderWrapper, dropped: &mut bool) -> Result<(), String> {
    match decoder {
        DecoderWrapper::Sequence(all) => {
            all.get_decoders().iter().try_for_each(|decoder| check_decoder(decoder, dropped))?;
        }
        // the crate looks for that many characters, whether there are so many or not
        DecoderWrapper::Strip(strip) if strip.stop > 0 => {
            return Err(format!("its decoder has a Strip with `stop` {}; only 0 is supported", strip.stop));
        }
        DecoderWrapper::BPE(_) if *dropped => {
            return Err("its decoder has a BPEDecoder behind a CTC, which may leave no token".to_string());
        }
        DecoderWrapper::CTC(_) => *dropped = true,
        DecoderWrapper::Fuse(_) | DecoderWrapper::ByteLevel(_) => *dropped = false,
        _ => {}
    }
    Ok(())
}

/// Texts for which normalizers do different things.
const PROBES: [&str; 5] = ["Hello", " hello world ", "▁a", "é1", "\u{ff21}\n"];

/// Does it begin texts with characters that stand for none of the text's own, as `^` replaced does? The crate's other
/// normalizers cannot tell where such a text begins, and read beyond its end.
pub(super) fn check_normalizer(normalizer: &NormalizerWrapper) -> Result<bool, String> {
    let mut all = vec![];
    flatten(normalizer, &mut all);
    let mut inserted = false;
    for probe in PROBES {
        let mut text = NormalizedString::from(probe);
        for normalizer in &all {
            let inserts = matches!(normalizer, NormalizerWrapper::Replace(_) | NormalizerWrapper::Prepend(_));
            if !inserts && begins_with_none(&text) {
                let why = "its normalizer has a Replace or Prepend that takes up no character at a text's start, \
                     and others behind it; put it last";
                return Err(why.to_string());
            }
            normalizer.normalize(&mut text).map_err(|e| format!("its normalizer: {e}"))?;
        }
        inserted |= begins_with_none(&text);
    }
    Ok(inserted)
}

fn flatten<'a>(normalizer: &'a NormalizerWrapper, all: &mut Vec<&'a NormalizerWrapper>) {
    match normalizer {
        NormalizerWrapper::Sequence(sequence) => sequence.as_ref().iter().for_each(|n| flatten(n, all)),
        one => all.push(one),
    }
}

fn begins_with_none(text: &NormalizedString) -> bool {
    let first = text.get().chars().next().map(|c| Range::Normalized(0..c.len_utf8()));
    first.and_then(|first| text.convert_offsets(first)).is_some_and(|own| own.is_empty())
}

/// `inserted`: what [`check_normalizer`] gives.
fn check_pre_tokenizer(pre_tokenizer: &PreTokenizerWrapper, inserted: bool) -> Result<(), String> {
    match pre_tokenizer {
        PreTokenizerWrapper::Sequence(all) => all.as_ref().iter().try_for_each(|p| check_pre_tokenizer(p, inserted)),
        PreTokenizerWrapper::FixedLength(fixed) if fixed.length == 0 => {
            Err("its pre-tokenizer has a FixedLength with `length` 0".to_string())
        }
        PreTokenizerWrapper::ByteLevel(_) if inserted => {
            let why = "its normalizer has a Replace or Prepend that takes up no character at a text's start, \
                 and its pre-tokenizer is ByteLevel";
            Err(why.to_string())
        }
        _ => Ok(()),
    }
}

/// A token that takes the spaces behind it, then a token of spaces that takes those before it: the crate gives both the same.
pub(super) fn check_added(inner: &Inner) -> Result<(), String> {
    let added = inner.get_added_vocabulary().get_added_tokens_decoder();
    let blank = |id: &u32| inner.id_to_token(*id).is_some_and(|text| text.trim().is_empty());
    let right = added.values().find(|token| token.rstrip);
    let left = added.iter().find(|(id, token)| token.lstrip && !token.rstrip && blank(id));
    match (left, right) {
        (Some((_, left)), Some(right)) => Err(format!(
            "its added tokens {:?} (`rstrip`) and {:?} (`lstrip`) both take the spaces between them",
            right.content, left.content
        )),
        _ => Ok(()),
    }
}
