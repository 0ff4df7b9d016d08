//! Files of numbered sections that know when they are damaged: each block of 64 KiB has a checksum, which is compared when
//! something in the block is first read. So a file of a hundred gigabytes is opened at once, and no wrong byte comes out of it.
//!
//! ```text
//! magic, padded to 64 bytes
//! sections, each padded to 64 bytes
//! what they are, as JSON
//! CRC-32 of each block of what stands before the JSON, 4 bytes each
//! length of the JSON (8 bytes), number of blocks (8), CRC-32 of everything from the JSON to here (4), magic (12)
//! ```
//! All numbers are little-endian.

use crate::{Error, Result};
use raxla_xla::MappedFile;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

const MAGIC: &[u8; 12] = b"raxla-data 1";
const ALIGN: usize = 64;
const BLOCK: usize = 64 << 10;
const TAIL: usize = 32;

/// Where sections are, and what the file says about itself.
#[derive(Serialize, Deserialize)]
struct Footer<M> {
    sections: Vec<(u64, u64)>,
    meta: M,
}

/// Writes such a file, section by section.
pub(crate) struct Writer {
    file: File,
    block: Vec<u8>,
    checksums: Vec<u32>,
    /// Bytes in front of `block`.
    written: u64,
    sections: Vec<(u64, u64)>,
}

impl Writer {
    /// A file without sections.
    pub fn new(file: File) -> io::Result<Writer> {
        let block = Vec::with_capacity(BLOCK);
        let mut writer = Writer { file, block, checksums: vec![], written: 0, sections: vec![] };
        writer.put(MAGIC)?;
        Ok(writer)
    }

    fn position(&self) -> u64 {
        self.written + self.block.len() as u64
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.file.write_all(&self.block)?;
            self.checksums.push(crc32fast::hash(&self.block));
            self.written += self.block.len() as u64;
            self.block.clear();
        }
        Ok(())
    }

    fn align(&mut self) -> io::Result<()> {
        let over = self.position() as usize % ALIGN;
        self.put(&[0; ALIGN][..(ALIGN - over) % ALIGN])
    }

    /// Begins a section. It gets the next number, from 0.
    pub fn section(&mut self) -> io::Result<()> {
        self.align()?;
        self.sections.push((self.position(), 0));
        Ok(())
    }

    /// Adds to the section that has been begun last.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)?;
        if let Some(section) = self.sections.last_mut() {
            section.1 += bytes.len() as u64;
        }
        Ok(())
    }

    /// Writes what the file says about itself, and its checksums.
    pub fn finish(mut self, meta: &impl Serialize) -> io::Result<()> {
        self.align()?;
        self.flush()?;
        let mut end = serde_json::to_vec(&Footer { sections: self.sections, meta })?;
        let json = end.len() as u64;
        end.extend(self.checksums.iter().flat_map(|c| c.to_le_bytes()));
        end.extend(json.to_le_bytes());
        end.extend((self.checksums.len() as u64).to_le_bytes());
        let checksum = crc32fast::hash(&end);
        end.extend(checksum.to_le_bytes());
        end.extend(MAGIC);
        self.file.write_all(&end)
    }
}

/// Such a file, mapped into memory.
pub(crate) struct Checked {
    path: PathBuf,
    /// What to delete when it is damaged.
    remove: PathBuf,
    map: MappedFile,
    /// How many bytes the sections take, with what stands before and between them.
    data: usize,
    /// Where the checksums of the blocks begin.
    checksums: usize,
    /// Of these checksums, and of what the file says about itself.
    checksum: u32,
    /// A bit for each block that has been compared.
    seen: Vec<AtomicU64>,
    sections: Vec<Range<usize>>,
}

impl Checked {
    /// The file, and what it says about itself. `remove` is what to delete when it is damaged.
    pub fn open<M: DeserializeOwned>(path: &Path, remove: &Path) -> Result<(Checked, M)> {
        let damaged = |reason: String| damaged(path, remove, reason);
        let map = match MappedFile::open(path) {
            Ok(map) => map,
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) => {
                return Err(damaged(e.to_string()));
            }
            Err(e) => return Err(Error::read(path)(e)),
        };
        let truncated =
            || damaged(format!("its {} bytes do not end as they should: it is truncated or no such file", map.len()));
        let tail = map.len().checked_sub(TAIL).ok_or_else(truncated)?;
        let number = |at: usize| u64::from_le_bytes(map[at..at + 8].try_into().unwrap_or_default());
        if map[map.len() - MAGIC.len()..] != *MAGIC || !map.starts_with(MAGIC) {
            return Err(truncated());
        }
        let (json, blocks) = (number(tail), number(tail + 8));
        let begin = blocks.checked_mul(4).and_then(|b| b.checked_add(json)).and_then(|n| (tail as u64).checked_sub(n));
        let begin = begin.filter(|begin| begin.div_ceil(BLOCK as u64) == blocks).ok_or_else(truncated)? as usize;
        let stored = u32::from_le_bytes(map[tail + 16..tail + 20].try_into().unwrap_or_default());
        if crc32fast::hash(&map[begin..tail + 16]) != stored {
            return Err(damaged("its checksums are not what was written".into()));
        }
        let checksums = begin + json as usize;
        let footer: Footer<M> = serde_json::from_slice(&map[begin..checksums]).map_err(|e| damaged(e.to_string()))?;
        let section = |&(start, bytes): &(u64, u64)| {
            let end = start.checked_add(bytes).filter(|end| *end <= begin as u64)?;
            Some(start as usize..end as usize)
        };
        let sections: Option<Vec<_>> = footer.sections.iter().map(section).collect();
        let sections = sections.ok_or_else(|| damaged("its sections lie outside of it".into()))?;
        let seen = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (path, remove) = (path.to_path_buf(), remove.to_path_buf());
        Ok((Checked { path, remove, map, data: begin, checksums, checksum: stored, seen, sections }, footer.meta))
    }

    /// What is wrong with the file.
    pub fn damaged(&self, reason: impl Into<String>) -> Error {
        damaged(&self.path, &self.remove, reason.into())
    }

    /// A number that hardly any other content has.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// How many bytes a section has.
    pub fn len(&self, section: usize) -> usize {
        self.sections.get(section).map_or(0, Range::len)
    }

    /// How many sections there are.
    pub fn sections(&self) -> usize {
        self.sections.len()
    }

    /// Bytes of a section, compared with their checksums.
    pub fn bytes(&self, section: usize, range: Range<usize>) -> Result<&[u8]> {
        let inside = self.sections.get(section).filter(|s| range.start <= range.end && range.end <= s.len());
        let begin = inside.ok_or_else(|| self.damaged("its parts contradict each other"))?.start;
        let range = begin + range.start..begin + range.end;
        if range.is_empty() {
            return Ok(&[]);
        }
        for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
            let (word, bit) = (&self.seen[block / 64], 1 << (block % 64));
            if word.load(Relaxed) & bit == 0 {
                self.compare(block)?;
                word.fetch_or(bit, Relaxed);
            }
        }
        Ok(&self.map[range])
    }

    fn compare(&self, block: usize) -> Result<()> {
        let at = self.checksums + 4 * block;
        let stored = u32::from_le_bytes(self.map[at..at + 4].try_into().unwrap_or_default());
        let bytes = block * BLOCK..((block + 1) * BLOCK).min(self.data);
        match crc32fast::hash(&self.map[bytes.clone()]) == stored {
            true => Ok(()),
            false => Err(self.damaged(format!("bytes {} to {} are not what was written", bytes.start, bytes.end))),
        }
    }

    /// The number at this index of a section of 8-byte numbers.
    pub fn number(&self, section: usize, index: usize) -> Result<u64> {
        let bytes = self.bytes(section, 8 * index..8 * index + 8)?;
        // (what is counted has sizes, which stay numbers when they are multiplied)
        let number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        if number < 1 << 56 { Ok(number) } else { Err(self.damaged("its parts contradict each other")) }
    }
}

pub(crate) fn damaged(path: &Path, remove: &Path, reason: String) -> Error {
    Error::Damaged { path: path.to_path_buf(), reason, remove: remove.to_path_buf() }
}

/// A small file of JSON with a checksum, whole or not there.
pub(crate) fn save_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let value = RawValue::from_string(serde_json::to_string(value)?)?;
    let crc32 = crc32fast::hash(value.get().as_bytes());
    let text = serde_json::to_vec(&WithChecksum { crc32, value })?;
    raxla_xla::Draft::write(path, &text)
}

/// What [`save_json`] wrote, or why it is damaged.
pub(crate) fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let WithChecksum { crc32, value } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if crc32fast::hash(value.get().as_bytes()) != crc32 {
        return Err("it is not what was written".into());
    }
    serde_json::from_str(value.get()).map_err(|e| e.to_string())
}

#[derive(Serialize, Deserialize)]
struct WithChecksum {
    crc32: u32,
    value: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn sample(path: &Path, sizes: &[usize]) {
        let mut writer = Writer::new(File::create(path).unwrap()).unwrap();
        for (i, size) in sizes.iter().enumerate() {
            writer.section().unwrap();
            let bytes: Vec<u8> = (0..*size).map(|j| (i + j * 7) as u8).collect();
            bytes.chunks(1000).for_each(|part| writer.write(part).unwrap());
        }
        writer.finish(&"about").unwrap();
    }

    fn read_all(path: &Path) -> Result<()> {
        let (file, meta): (Checked, String) = Checked::open(path, path)?;
        assert_eq!(meta, "about");
        (0..file.sections()).try_for_each(|i| file.bytes(i, 0..file.len(i)).map(|_| ()))
    }

    #[test]
    fn sections_come_back_and_no_changed_byte_goes_unseen() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x");
        for sizes in [&[][..], &[0], &[5], &[0, 1, 200_000, 64], &[65_472], &[131_008, 3]] {
            sample(&path, sizes);
            let (file, _): (Checked, String) = Checked::open(&path, &path).unwrap();
            for (i, size) in sizes.iter().enumerate() {
                let wanted: Vec<u8> = (0..*size).map(|j| (i + j * 7) as u8).collect();
                assert_eq!(file.bytes(i, 0..*size).unwrap(), wanted);
                assert!(file.bytes(i, 0..size + 1).is_err());
            }
            let whole = fs::read(&path).unwrap();
            // (a byte between two sections is in a block of one of them, or no data)
            for at in (0..whole.len()).step_by(whole.len() / 97 + 1).chain(whole.len() - 80..whole.len()) {
                let mut changed = whole.clone();
                changed[at] ^= 0x10;
                fs::write(&path, &changed).unwrap();
                let error = read_all(&path).err();
                if !sizes.is_empty() && sizes != [0] {
                    let text = error.map(|e| e.to_string()).unwrap_or_else(|| panic!("byte {at} of {sizes:?}"));
                    assert!(text.contains("is damaged") && text.contains("help: delete"), "{text}");
                }
                fs::write(&path, &whole[..at]).unwrap();
                assert!(read_all(&path).is_err(), "{at} bytes of {sizes:?}");
            }
        }
        assert!(read_all(&place.path().join("gone")).unwrap_err().to_string().contains("is damaged"));
    }
}
