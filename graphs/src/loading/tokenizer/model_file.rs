//! SentencePiece's own files (`tokenizer.model`): a protocol buffer, of which a few fields matter (sentencepiece_model.proto).

use super::sentencepiece::{Algorithm, Model, Piece, PieceKind, Prefix, kind};

/// A model, and the ids that begin and end texts.
#[derive(Debug)]
pub(super) struct File {
    pub(super) model: Model,
    pub(super) bos: Option<usize>,
    pub(super) eos: Option<usize>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<File, String> {
    let (mut pieces, mut trainer, mut normalizer) = (vec![], Trainer::default(), Normalizer::default());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(piece)) => pieces.push(parse_piece(piece)?),
            (2, Value::Bytes(spec)) => trainer = Trainer::parse(spec)?,
            (3, Value::Bytes(spec)) => normalizer = Normalizer::parse(spec)?,
            _ => {}
        }
    }
    if pieces.is_empty() {
        return Err("it holds no pieces: it is no SentencePiece model".into());
    }
    let algorithm = match trainer.model_type {
        1 => Algorithm::Unigram,
        2 => Algorithm::Bpe,
        3 => return Err("it splits at spaces only (model type WORD), which raxla does not read".into()),
        4 => return Err("it splits into characters (model type CHAR), which raxla does not read".into()),
        n => return Err(format!("its model type {n} is unknown")),
    };
    if trainer.space_behind {
        return Err("its spaces stand behind words (treat_whitespace_as_suffix), which raxla does not read".into());
    }
    let unknown = pieces.iter().position(|p| p.kind == PieceKind::Unknown).unwrap_or(trainer.unknown);
    let control = |id: i64| {
        usize::try_from(id).ok().filter(|id| pieces.get(*id).is_some_and(|p: &Piece| p.kind == PieceKind::Control))
    };
    let (bos, eos) = (control(trainer.bos), control(trainer.eos));
    let byte_fallback = trainer.byte_fallback || pieces.iter().any(|p| p.kind == PieceKind::Byte);
    let model = Model {
        pieces,
        algorithm,
        unknown,
        byte_fallback,
        prefix: if normalizer.prefix { Prefix::Each } else { Prefix::None },
        remove_extra_spaces: normalizer.remove_extra_spaces,
        escape_spaces: normalizer.escape_spaces,
        charsmap: normalizer.charsmap,
    };
    Ok(File { model, bos, eos })
}

fn parse_piece(bytes: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => {
                piece.text = std::str::from_utf8(text).map_err(|_| "a piece is not UTF-8")?.to_string();
            }
            (2, Value::Fixed32(bits)) => piece.score = f32::from_le_bytes(bits),
            (3, Value::Varint(n)) => piece.kind = kind(n as i64),
            _ => {}
        }
    }
    Ok(piece)
}

/// What is of use of `TrainerSpec`.
struct Trainer {
    model_type: u64,
    space_behind: bool,
    byte_fallback: bool,
    unknown: usize,
    bos: i64,
    eos: i64,
}

impl Default for Trainer {
    fn default() -> Self {
        Trainer { model_type: 1, space_behind: false, byte_fallback: false, unknown: 0, bos: 1, eos: 2 }
    }
}

impl Trainer {
    fn parse(bytes: &[u8]) -> Result<Trainer, String> {
        let mut spec = Trainer::default();
        for field in Fields(bytes) {
            let (number, Value::Varint(n)) = field? else { continue };
            match number {
                3 => spec.model_type = n,
                24 => spec.space_behind = n != 0,
                35 => spec.byte_fallback = n != 0,
                40 => spec.unknown = n as usize,
                // -1 for none, as ten bytes
                41 => spec.bos = n as i64,
                42 => spec.eos = n as i64,
                _ => {}
            }
        }
        Ok(spec)
    }
}

/// What is of use of `NormalizerSpec`.
struct Normalizer {
    charsmap: Vec<u8>,
    prefix: bool,
    remove_extra_spaces: bool,
    escape_spaces: bool,
}

impl Default for Normalizer {
    fn default() -> Self {
        Normalizer { charsmap: vec![], prefix: true, remove_extra_spaces: true, escape_spaces: true }
    }
}

impl Normalizer {
    fn parse(bytes: &[u8]) -> Result<Normalizer, String> {
        let mut spec = Normalizer::default();
        for field in Fields(bytes) {
            match field? {
                (2, Value::Bytes(map)) => spec.charsmap = map.to_vec(),
                (3, Value::Varint(n)) => spec.prefix = n != 0,
                (4, Value::Varint(n)) => spec.remove_extra_spaces = n != 0,
                (5, Value::Varint(n)) => spec.escape_spaces = n != 0,
                _ => {}
            }
        }
        Ok(spec)
    }
}

/// The fields of a message: number and value.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64,
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn next_field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let n = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(n)?)
            }
            5 => Value::Fixed32(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.next_field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "it is no SentencePiece model, or damaged".to_string()))
    }
}
