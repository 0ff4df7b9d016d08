//! A shard: the tokens of some sequences in a file, one after another.

use crate::{
    Error, Result,
    chat::Sequence,
    checked::{Checked, Writer},
};
use raxla_xla::Draft;
use serde::{Deserialize, Serialize};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// The sections of its file.
const TOKENS: usize = 0;
/// Where each sequence ends, in tokens: 8 bytes each.
const ENDS: usize = 1;
/// Where each sequence's spans end, in spans: 8 bytes each. Empty where all tokens of all sequences are learned.
const SPAN_ENDS: usize = 2;
/// Which tokens of their sequence are learned, from and to: 4 bytes each.
const SPANS: usize = 3;

/// What a shard says about itself, and the index about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardInfo {
    pub name: String,
    pub sequences: u64,
    pub tokens: u64,
    /// Bytes per token: 2 or 4.
    pub width: usize,
}

/// A shard in the making.
pub(super) struct ShardWriter {
    draft: Draft,
    path: PathBuf,
    file: Writer,
    info: ShardInfo,
    ends: Vec<u64>,
    span_ends: Vec<u64>,
    spans: Vec<[u32; 2]>,
    partly: bool,
}

impl ShardWriter {
    pub fn new(folder: &Path, name: String, width: usize) -> Result<ShardWriter> {
        let path = folder.join(&name);
        let (draft, file) = Draft::file(&path).map_err(Error::write(&path))?;
        let begun = Writer::new(file).and_then(|mut file| file.section().map(|()| file));
        let file = begun.map_err(Error::write(&path))?;
        let info = ShardInfo { name, sequences: 0, tokens: 0, width };
        Ok(ShardWriter { draft, path, file, info, ends: vec![], span_ends: vec![], spans: vec![], partly: false })
    }

    pub fn info(&self) -> &ShardInfo {
        &self.info
    }

    pub fn add(&mut self, sequence: &Sequence) -> Result<()> {
        let bytes: Vec<u8> = match self.info.width {
            2 => sequence.tokens.iter().flat_map(|token| (*token as u16).to_le_bytes()).collect(),
            _ => sequence.tokens.iter().flat_map(|token| token.to_le_bytes()).collect(),
        };
        self.file.write(&bytes).map_err(Error::write(&self.path))?;
        self.info.sequences += 1;
        self.info.tokens += sequence.tokens.len() as u64;
        self.ends.push(self.info.tokens);
        self.partly |= sequence.learned.is_some();
        match &sequence.learned {
            Some(spans) => self.spans.extend(spans.iter().map(|span| [span.start, span.end])),
            None => self.spans.push([0, sequence.tokens.len() as u32]),
        }
        self.span_ends.push(self.spans.len() as u64);
        Ok(())
    }

    /// Writes it through to the disk and gives it its name.
    pub fn finish(self) -> Result<ShardInfo> {
        let ShardWriter { draft, path, mut file, info, ends, mut span_ends, mut spans, partly } = self;
        if !partly {
            (span_ends, spans) = (vec![], vec![]);
        }
        let mut rest = || -> io::Result<()> {
            file.section()?;
            ends.iter().try_for_each(|end| file.write(&end.to_le_bytes()))?;
            file.section()?;
            span_ends.iter().try_for_each(|end| file.write(&end.to_le_bytes()))?;
            file.section()?;
            spans.iter().flatten().try_for_each(|n| file.write(&n.to_le_bytes()))
        };
        rest().map_err(Error::write(&path))?;
        file.finish(&info).map_err(Error::write(&path))?;
        draft.publish().map_err(Error::write(&path))?;
        Ok(info)
    }
}

/// A shard that can be read.
pub(super) struct Shard {
    file: Checked,
    width: usize,
    sequences: usize,
}

impl Shard {
    /// The shard that the index describes like this.
    pub fn open(folder: &Path, info: &ShardInfo) -> Result<Shard> {
        let (file, says): (Checked, ShardInfo) = Checked::open(&folder.join(&info.name), folder)?;
        let (sequences, tokens) = (info.sequences as usize, info.tokens as usize);
        let sized = matches!(info.width, 2 | 4)
            && file.len(TOKENS) / info.width == tokens
            && file.len(ENDS) == 8 * sequences
            && (file.len(SPAN_ENDS) == 0 || file.len(SPAN_ENDS) == 8 * sequences);
        if says != *info || !sized {
            return Err(file.damaged("it is another shard than the index says"));
        }
        Ok(Shard { file, width: info.width, sequences })
    }

    /// A number that hardly any other content has.
    pub fn checksum(&self) -> u32 {
        self.file.checksum()
    }

    /// Where a sequence's tokens are.
    pub fn range(&self, sequence: usize) -> Result<Range<usize>> {
        self.between(ENDS, sequence)
    }

    /// The numbers before and at this index, which begin and end something.
    fn between(&self, section: usize, index: usize) -> Result<Range<usize>> {
        let start = if index == 0 { 0 } else { self.file.number(section, index - 1)? as usize };
        let end = self.file.number(section, index)? as usize;
        match start <= end && index < self.sequences {
            true => Ok(start..end),
            false => Err(self.file.damaged("its sequences contradict each other")),
        }
    }

    /// Gives each of these tokens of the shard to `each`.
    pub fn read(&self, range: Range<usize>, mut each: impl FnMut(usize, u32)) -> Result<()> {
        let bytes = self.file.bytes(TOKENS, range.start * self.width..range.end * self.width)?;
        match self.width {
            2 => bytes.as_chunks::<2>().0.iter().enumerate().for_each(|(i, b)| each(i, u16::from_le_bytes(*b).into())),
            _ => bytes.as_chunks::<4>().0.iter().enumerate().for_each(|(i, b)| each(i, u32::from_le_bytes(*b))),
        }
        Ok(())
    }

    /// Which tokens of a sequence are learned; `None`: all.
    pub fn learned(&self, sequence: usize) -> Result<Option<impl Iterator<Item = Range<u32>>>> {
        if self.file.len(SPAN_ENDS) == 0 {
            return Ok(None);
        }
        let spans = self.between(SPAN_ENDS, sequence)?;
        let bytes = self.file.bytes(SPANS, 8 * spans.start..8 * spans.end)?;
        let number = |b: &[u8]| u32::from_le_bytes(b.try_into().unwrap_or_default());
        Ok(Some(bytes.as_chunks::<8>().0.iter().map(move |span| number(&span[..4])..number(&span[4..]))))
    }
}
