//! Bytes in files, and decoders that read them as a stream: a chunk is never held as a whole.
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use crate::error::{Error, Result, io_error};

/// How much is decoded at once.
pub(crate) const PIECE: usize = 64 << 10;
/// The largest window of a zstd frame, which is that of zstd's own decoder. It is what decoding takes of memory.
const MAX_WINDOW: u64 = 128 << 20;

/// Bytes that are not read yet: a part of a file, or already in memory.
#[derive(Debug, Clone)]
pub(crate) enum Blob {
    Memory(Arc<[u8]>),
    File { path: PathBuf, offset: u64, length: u64 },
}

impl Blob {
    /// A part of a file, which is there in full.
    pub fn file(path: PathBuf, offset: u64, length: u64) -> Result<Blob> {
        let metadata = path.metadata().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.clone(), what: "this file".into() },
            _ => io_error(&path)(e),
        })?;
        if !metadata.is_file() || offset.checked_add(length).is_none_or(|end| end > metadata.len()) {
            let reason = format!(
                "it has {} bytes, but bytes {offset} to {} are referred to",
                metadata.len(),
                offset.saturating_add(length)
            );
            return Err(Error::Corrupt { path, reason });
        }
        Ok(Blob::File { path, offset, length })
    }

    pub fn len(&self) -> u64 {
        match self {
            Blob::Memory(bytes) => bytes.len() as u64,
            Blob::File { length, .. } => *length,
        }
    }

    /// The file, for errors.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Blob::Memory(_) => None,
            Blob::File { path, .. } => Some(path),
        }
    }

    /// Bytes `start..start + length`; none if there are fewer.
    pub fn part(&self, start: u64, length: u64) -> Option<Blob> {
        let end = start.checked_add(length).filter(|&end| end <= self.len())?;
        Some(match self {
            Blob::Memory(bytes) => Blob::Memory(bytes[start as usize..end as usize].into()),
            Blob::File { path, offset, .. } => Blob::File { path: path.clone(), offset: offset + start, length },
        })
    }

    pub fn open(&self) -> Result<Raw> {
        Ok(match self {
            Blob::Memory(bytes) => Raw::Memory(Cursor::new(bytes.clone())),
            Blob::File { path, offset, length } => {
                let mut file = File::open(path).map_err(io_error(path))?;
                file.seek(SeekFrom::Start(*offset)).map_err(io_error(path))?;
                Raw::File(file.take(*length))
            }
        })
    }

    /// All bytes, of which there are at most `limit`.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>> {
        if self.len() > limit {
            let path = self.path().cloned().unwrap_or_default();
            return Err(Error::Unsupported {
                path,
                what: format!("a part of {} bytes, where at most {limit} are expected,", self.len()),
            });
        }
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes).map_err(io_error(self.path().cloned().unwrap_or_default()))?;
        Ok(bytes)
    }
}

/// A [`Blob`] that is being read.
pub(crate) enum Raw {
    Memory(Cursor<Arc<[u8]>>),
    File(io::Take<File>),
}

impl Read for Raw {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Raw::Memory(bytes) => bytes.read(out),
            Raw::File(file) => file.read(out),
        }
    }
}

impl Raw {
    /// Goes on by `n` bytes without reading them.
    fn skip(&mut self, n: u64) -> io::Result<()> {
        match self {
            Raw::Memory(bytes) => bytes.set_position(bytes.position().saturating_add(n)),
            Raw::File(file) => {
                file.get_mut().seek_relative(n as i64)?;
                file.set_limit(file.limit().saturating_sub(n));
            }
        }
        Ok(())
    }
}

/// The decoded bytes of a chunk.
pub(crate) enum Stream {
    /// As they are in the file: what is not wanted need not be read.
    Raw(Raw),
    /// Through decoders.
    Decoded(Box<dyn Read>),
}

impl Stream {
    /// What remains, read in pieces.
    pub fn buffered(self) -> Stream {
        match self {
            Stream::Raw(raw) => Stream::Decoded(buffered(raw)),
            decoded => decoded,
        }
    }

    pub fn skip(&mut self, n: u64) -> io::Result<()> {
        match self {
            Stream::Raw(raw) => raw.skip(n),
            Stream::Decoded(read) => match io::copy(&mut read.take(n), &mut io::sink())? {
                skipped if skipped < n => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            },
        }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Raw(raw) => raw.read(out),
            // (a decoder would hold as much as it is asked for)
            Stream::Decoded(read) => {
                let n = out.len().min(PIECE);
                read.read(&mut out[..n])
            }
        }
    }
}

/// A boxed reader, in pieces that are not too small for it.
fn buffered<'a>(read: impl Read + 'a) -> Box<dyn Read + 'a> {
    Box::new(io::BufReader::with_capacity(PIECE, read))
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Decodes one zstd frame, behind which nothing may follow.
pub(crate) fn zstd<'a>(mut source: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut header = [0; 14];
    let n = read_up_to(&mut source, &mut header)?;
    let window = window(&header[..n]).ok_or_else(|| invalid("a zstd frame has no header"))?;
    if window > MAX_WINDOW {
        return Err(invalid(format!("a zstd frame has a window of {window} bytes, of which {MAX_WINDOW} are allowed")));
    }
    let source = io::BufReader::with_capacity(PIECE, Cursor::new(header[..n].to_vec()).chain(source));
    Ok(buffered(Zstd(StreamingDecoder::new(source).map_err(|e| invalid(e.to_string()))?)))
}

fn read_up_to(source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < out.len() {
        match source.read(&mut out[n..])? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

/// The window that a frame's header asks for (RFC 8878, 3.1.1.1).
fn window(header: &[u8]) -> Option<u64> {
    let (&descriptor, rest) = header.strip_prefix(&0xFD2F_B528_u32.to_le_bytes())?.split_first()?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let byte = u64::from(*rest.first()?);
        let base = 1 << (10 + (byte >> 3));
        return Some(base + base / 8 * (byte & 7));
    }
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut content = [0; 8];
    content[..size].copy_from_slice(rest.get(dictionary..dictionary + size)?);
    Some(u64::from_le_bytes(content))
}

struct Zstd<R: Read>(StreamingDecoder<R, FrameDecoder>);

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(out)?;
        if n == 0 && !out.is_empty() {
            let stored = self.0.decoder.get_checksum_from_data();
            if stored.is_some() && stored != self.0.decoder.get_calculated_checksum() {
                return Err(invalid("the checksum of a zstd frame does not match"));
            }
            if self.0.get_mut().read(&mut [0])? > 0 {
                return Err(invalid("bytes follow after a zstd frame"));
            }
        }
        Ok(n)
    }
}

/// The bytes before a CRC-32C of four bytes at the end, which is compared when the end is reached.
pub(crate) fn crc32c(source: Box<dyn Read>) -> Box<dyn Read> {
    buffered(Checked { source, held: Vec::new(), sum: 0, ended: false })
}

struct Checked {
    source: Box<dyn Read>,
    /// What has been read and not been given: the last four bytes may be the checksum.
    held: Vec<u8>,
    sum: u32,
    ended: bool,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        while self.held.len() <= 4 {
            let start = self.held.len();
            self.held.resize(start + out.len().clamp(4, PIECE), 0);
            let n = self.source.read(&mut self.held[start..])?;
            self.held.truncate(start + n);
            if n == 0 {
                self.ended = true;
                let stored: [u8; 4] =
                    self.held[..].try_into().map_err(|_| invalid("a chunk is shorter than its checksum"))?;
                return if u32::from_le_bytes(stored) == self.sum {
                    Ok(0)
                } else {
                    Err(invalid("its CRC-32C checksum does not match"))
                };
            }
        }
        let n = (self.held.len() - 4).min(out.len());
        out[..n].copy_from_slice(&self.held[..n]);
        self.sum = crc32c::crc32c_append(self.sum, &self.held[..n]);
        self.held.drain(..n);
        Ok(n)
    }
}

/// Decodes gzip or zlib, behind which nothing may follow.
pub(crate) fn deflate(source: Box<dyn Read>, gzip: bool) -> Box<dyn Read> {
    if gzip {
        buffered(flate2::read::MultiGzDecoder::new(source))
    } else {
        buffered(flate2::read::ZlibDecoder::new(source))
    }
}
