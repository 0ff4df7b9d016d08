//! SentencePiece: Kudo and Richardson, 2018 (arXiv 1808.06226). Its models, as the crate `tokenizers` runs them and as
//! transformers converts them.

use std::collections::{HashMap, HashSet};
use tokenizers::decoders::{byte_fallback::ByteFallback, fuse::Fuse, sequence::Sequence as Decoders, strip::Strip};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{NormalizerWrapper, Precompiled, Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{AddedToken, DecoderWrapper, Tokenizer as Inner};

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    Normal = 1,
    /// Stands for what no piece spells.
    Unknown = 2,
    /// `<s>` and its like: never part of a text.
    Control = 3,
    /// Found in a text before anything else.
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// The numbers of the kinds are the same in `.model` files and in GGUF's `token_type`.
pub(super) fn kind(number: i64) -> PieceKind {
    use PieceKind::*;
    let all = [Unknown, Control, UserDefined, Unused, Byte];
    all.into_iter().find(|kind| *kind as i64 == number).unwrap_or(Normal)
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: PieceKind,
}

/// How pieces are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// The most probable sequence of pieces.
    Unigram,
    /// Neighbours are merged, the pair with the best score first.
    Bpe,
}

/// Where the space goes that stands before the first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    None,
    /// Before each text between special tokens: what transformers calls `legacy`, and what llama.cpp does.
    Each,
    /// Before the first text only.
    First,
}

/// A model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    pub(super) algorithm: Algorithm,
    pub(super) unknown: usize,
    pub(super) byte_fallback: bool,
    pub(super) prefix: Prefix,
    /// Drop spaces at the ends and beside others.
    pub(super) remove_extra_spaces: bool,
    /// Do spaces become `▁`?
    pub(super) escape_spaces: bool,
    /// The rules that normalize characters, compiled; empty for none.
    pub(super) charsmap: Vec<u8>,
}

impl Model {
    /// The tokenizer, without anything around a text.
    pub(super) fn build(mut self) -> Result<Inner, String> {
        let unknown = self.pieces.get(self.unknown).ok_or("the unknown piece is outside the vocabulary")?.text.clone();
        let mut inner = match self.algorithm {
            Algorithm::Bpe => {
                self.name_bytes();
                let bpe = BPE::builder().vocab_and_merges(self.vocabulary(), self.merges()).unk_token(unknown);
                Inner::new(bpe.fuse_unk(true).byte_fallback(self.byte_fallback).build().map_err(text)?)
            }
            Algorithm::Unigram => Inner::new(self.unigram()?),
        };
        inner.with_normalizer(Some(Normalizers::new(self.normalizers()?))).map_err(text)?;
        if self.prefix == Prefix::First {
            inner.with_pre_tokenizer(Some(Metaspace::new('▁', PrependScheme::First, false)));
        }
        let mut decoders: Vec<DecoderWrapper> =
            vec![Replace::new("▁", " ").map_err(text)?.into(), ByteFallback::default().into(), Fuse::default().into()];
        if self.prefix != Prefix::None {
            decoders.push(Strip::new(' ', 1, 0).into());
        }
        inner.with_decoder(Some(Decoders::new(decoders)));
        self.add(&mut inner).map_err(text)?;
        Ok(inner)
    }

    /// SentencePiece merges characters that are no pieces of their own, such as Gemma's tabs. Here whatever is merged must be
    /// one: a byte's piece takes the name of the character.
    fn name_bytes(&mut self) {
        let normal = || self.pieces.iter().filter(|p| matches!(p.kind, PieceKind::Normal | PieceKind::UserDefined));
        let inside: HashSet<char> = normal().flat_map(|p| p.text.chars()).filter(char::is_ascii).collect();
        let alone: HashSet<char> = normal().filter_map(|p| p.text.parse().ok()).collect();
        for byte in inside.difference(&alone) {
            let name = format!("<0x{:02X}>", *byte as u32);
            if let Some(piece) = self.pieces.iter_mut().find(|p| p.kind == PieceKind::Byte && p.text == name) {
                (piece.text, piece.kind) = (byte.to_string(), PieceKind::Normal);
            }
        }
    }

    fn vocabulary(&self) -> Vocab {
        self.pieces.iter().zip(0u32..).map(|(piece, id)| (piece.text.clone(), id)).collect()
    }

    fn unigram(&self) -> Result<Unigram, String> {
        self.pieces.iter().try_for_each(|piece| super::check::check_piece(&piece.text))?;
        let lowest = self.pieces.iter().filter(|p| p.kind == PieceKind::Normal).map(|p| f64::from(p.score));
        let lowest = lowest.fold(0.0, f64::min);
        // SentencePiece never finds these in a text; here they lose against any other way to spell it
        let score = |p: &Piece| match p.kind {
            PieceKind::Normal | PieceKind::UserDefined => f64::from(p.score),
            _ => lowest - 1000.0,
        };
        let pieces = self.pieces.iter().map(|p| (p.text.clone(), score(p))).collect();
        Unigram::from(pieces, Some(self.unknown), self.byte_fallback).map_err(text)
    }

    fn normalizers(&self) -> Result<Vec<NormalizerWrapper>, String> {
        let mut all: Vec<NormalizerWrapper> = Vec::new();
        let regex = |pattern: &str, by: &str| -> Result<NormalizerWrapper, String> {
            Ok(Replace::new(ReplacePattern::Regex(pattern.to_string()), by).map_err(text)?.into())
        };
        let space = if self.escape_spaces { "▁" } else { " " };
        if !self.charsmap.is_empty() {
            check_charsmap(&self.charsmap)?;
            all.push(Precompiled::from(&self.charsmap).map_err(text)?.into());
        }
        if self.remove_extra_spaces {
            all.extend([regex(r"\A +", "")?, regex(" {2,}", " ")?]);
        }
        if self.escape_spaces {
            all.push(Replace::new(" ", space).map_err(text)?.into());
        }
        if self.remove_extra_spaces {
            all.push(regex(&format!(r"{space}+\z"), "")?);
        }
        if self.prefix == Prefix::Each {
            all.push(Prepend::new(space.to_string()).into());
        }
        Ok(all)
    }

    /// Every way to make a piece of two others, the best score first. Among merges that make the same piece the order
    /// is that of transformers' `generate_merges`, so that texts split the same way.
    fn merges(&self) -> Vec<(String, String)> {
        let usable = |p: &Piece| !matches!(p.kind, PieceKind::Control | PieceKind::Unknown | PieceKind::Byte);
        let ids: HashMap<&str, usize> =
            self.pieces.iter().enumerate().filter(|(_, p)| usable(p)).map(|(id, p)| (p.text.as_str(), id)).collect();
        let mut merges = Vec::new();
        for (id, piece) in self.pieces.iter().enumerate().filter(|(_, p)| usable(p)) {
            let first = merges.len();
            for (at, _) in piece.text.char_indices().skip(1) {
                if let (Some(left), Some(right)) = (ids.get(&piece.text[..at]), ids.get(&piece.text[at..])) {
                    merges.push((id, *left, *right));
                }
            }
            merges[first..].sort_by_key(|(_, left, right)| (*left, *right));
        }
        let characters = |id: usize| self.pieces[id].text.chars().count();
        merges.sort_by(|a, b| {
            let by_score = self.pieces[b.0].score.total_cmp(&self.pieces[a.0].score);
            by_score.then_with(|| (characters(b.1), characters(b.2)).cmp(&(characters(a.1), characters(a.2))))
        });
        let text = |id: usize| self.pieces[id].text.clone();
        merges.into_iter().map(|(_, left, right)| (text(left), text(right))).collect()
    }

    /// Control tokens are special; user-defined ones are found in a text before anything else but are ordinary output.
    fn add(&self, inner: &mut Inner) -> tokenizers::Result<()> {
        let of = |wanted: &'static [PieceKind]| self.pieces.iter().filter(move |p| wanted.contains(&p.kind));
        let special = of(&[PieceKind::Unknown, PieceKind::Control]).map(|p| AddedToken::from(p.text.clone(), true));
        inner.add_special_tokens(special)?;
        // spaces are found where they have become `▁`, which is after normalizing
        let spaces = |p: &Piece| self.prefix != Prefix::Each && p.text.contains('▁');
        let user = of(&[PieceKind::UserDefined]).map(|p| AddedToken::from(p.text.clone(), false).normalized(spaces(p)));
        inner.add_tokens(user)?;
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Makes sure that no lookup in a compiled character map leaves it: the double array that the map begins with (Darts: units of
/// 32 bits, of which the children of a node lie at its position xor its offset xor their byte), and the texts behind it.
pub(super) fn check_charsmap(map: &[u8]) -> Result<(), String> {
    let bad = || "its character map (`precompiled_charsmap`) is damaged".to_string();
    let (size, rest) = map.split_first_chunk().ok_or_else(bad)?;
    let (trie, texts) = rest.split_at_checked(u32::from_le_bytes(*size) as usize).ok_or_else(bad)?;
    let units: Vec<usize> = trie.as_chunks().0.iter().map(|u| u32::from_le_bytes(*u) as usize).collect();
    let texts = std::str::from_utf8(texts).map_err(|_| bad())?;
    if trie.len() % 4 != 0 || units.is_empty() {
        return Err(bad());
    }
    let offset = |unit: usize| (unit >> 10) << ((unit & (1 << 9)) >> 6);
    let mut seen = vec![false; units.len()];
    let mut open = vec![offset(units[0])];
    while let Some(base) = open.pop() {
        if base >= units.len() {
            return Err(bad());
        }
        if std::mem::replace(&mut seen[base], true) {
            continue;
        }
        for byte in 1..=255 {
            let at = base ^ byte;
            let unit = *units.get(at).ok_or_else(bad)?;
            if unit & ((1 << 31) | 0xff) != byte {
                continue;
            }
            let below = at ^ offset(unit);
            if unit >> 8 & 1 == 1 {
                let value = units.get(below).ok_or_else(bad)? & ((1 << 31) - 1);
                if !texts.is_char_boundary(value) {
                    return Err(bad());
                }
            }
            open.push(below);
        }
    }
    Ok(())
}
