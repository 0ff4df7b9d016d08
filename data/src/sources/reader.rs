//! All files of all sources, record by record, from any place on.

use super::{BadKind, Format, Source, SourceFile, Split, parquet::Rows, separated::Separated};
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

const BUFFER: usize = 256 << 10;

/// A place between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Number of the file.
    pub file: usize,
    /// Bytes before it in the file, after decompression; or rows.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
}

/// A record that has not been understood yet.
#[derive(Debug)]
pub(crate) struct Raw {
    pub file: usize,
    /// Line or row, from 1.
    pub line: u64,
    pub content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Row(Map<String, Value>),
    Bad(BadKind, String),
}

impl Raw {
    /// About how much memory it takes.
    pub fn size(&self) -> usize {
        fn size(value: &Value) -> usize {
            match value {
                Value::String(text) => 16 + text.len(),
                Value::Array(all) => all.iter().map(size).sum(),
                Value::Object(all) => all.values().map(size).sum(),
                _ => 16,
            }
        }
        match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Row(row) => row.values().map(size).sum(),
            Content::Bad(..) => 0,
        }
    }
}

/// Reads the files one after another.
pub(crate) struct Reader<'a> {
    sources: &'a [Source],
    files: &'a [SourceFile],
    limit: usize,
    cursor: Cursor,
    open: Option<Open>,
    /// Bytes of the open file that have been read from the disk.
    read: Arc<AtomicU64>,
}

enum Open {
    Pieces(Separated<Box<dyn BufRead + Send>>),
    Rows(Rows),
}

impl<'a> Reader<'a> {
    /// Reads on from `cursor`. Records of more than `limit` bytes are not held in memory.
    pub fn new(sources: &'a [Source], files: &'a [SourceFile], limit: usize, cursor: Cursor) -> Reader<'a> {
        Reader { sources, files, limit, cursor, open: None, read: Arc::default() }
    }

    /// Behind the last record that [`Reader::next`] gave.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// How many bytes have been read of all files.
    pub fn bytes_read(&self) -> u64 {
        let before: u64 = self.files.iter().take(self.cursor.file).map(|file| file.stamp.bytes).sum();
        before + self.read.load(Relaxed)
    }

    /// The next record, or `None` behind the last one of the last file.
    pub fn next(&mut self) -> Result<Option<Raw>> {
        while let Some(file) = self.files.get(self.cursor.file) {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open(file)?,
            };
            let raw = match &mut open {
                Open::Pieces(pieces) => self.piece(file, pieces)?,
                Open::Rows(rows) => {
                    let row = rows.next(self.limit).map_err(|reason| Error::source(file.path.display(), reason))?;
                    row.map(|content| {
                        self.cursor.offset += 1;
                        Raw { file: self.cursor.file, line: self.cursor.offset, content }
                    })
                }
            };
            match raw {
                Some(raw) => {
                    self.open = Some(open);
                    return Ok(Some(raw));
                }
                None => {
                    self.cursor = Cursor { file: self.cursor.file + 1, offset: 0, lines: 0 };
                    self.read.store(0, Relaxed);
                }
            }
        }
        Ok(None)
    }

    fn piece(&mut self, file: &SourceFile, pieces: &mut Separated<Box<dyn BufRead + Send>>) -> Result<Option<Raw>> {
        let first = pieces.offset == 0;
        let piece = match (file.format, &self.sources[file.source].split) {
            (Format::Jsonl, _) | (_, Split::Lines) => pieces.next_line(),
            (_, Split::File) => pieces.next(b""),
            (_, Split::BlankLines) => pieces.next_paragraph(),
            (_, Split::Separator(separator)) => pieces.next(separator.as_bytes()),
        };
        let piece = piece.map_err(Error::read(&file.path))?;
        self.cursor.offset = pieces.offset;
        self.cursor.lines = pieces.line - 1;
        Ok(piece.map(|piece| {
            let content = match piece.bytes {
                // some editors put a mark at the beginning of a file
                Some(bytes) if first && bytes.starts_with(b"\xef\xbb\xbf") => Content::Bytes(bytes[3..].to_vec()),
                Some(bytes) => Content::Bytes(bytes),
                None => Content::Bad(BadKind::TooLong, too_long(self.limit)),
            };
            Raw { file: self.cursor.file, line: piece.line, content }
        }))
    }

    /// Opens a file and goes to where the cursor is in it.
    fn open(&self, file: &SourceFile) -> Result<Open> {
        let read = Error::read(&file.path);
        let Cursor { offset, lines, .. } = self.cursor;
        let mut input = match File::open(&file.path) {
            Ok(input) => input,
            Err(e) => return Err(read(e)),
        };
        if file.format == Format::Parquet {
            let fields = &self.sources[file.source].fields;
            let rows = Rows::open(input, fields, offset, self.read.clone());
            return rows.map(Open::Rows).map_err(|reason| Error::source(file.path.display(), reason));
        }
        let at_offset = || -> io::Result<Box<dyn BufRead + Send>> {
            if !file.gzip {
                self.read.store(input.seek(SeekFrom::Start(offset))?, Relaxed);
                return Ok(Box::new(BufReader::with_capacity(BUFFER, Counted(input, self.read.clone()))));
            }
            let input = BufReader::with_capacity(BUFFER, Counted(input, self.read.clone()));
            let mut input = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input));
            let passed = io::copy(&mut input.by_ref().take(offset), &mut io::sink())?;
            if passed < offset {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(Box::new(input))
        };
        let input = at_offset().map_err(read)?;
        Ok(Open::Pieces(Separated::new(input, self.limit, offset, lines + 1)))
    }
}

/// What is said of a record that is too long.
pub(super) fn too_long(limit: usize) -> String {
    format!("it has more than {limit} bytes (see `max_record_bytes`)")
}

/// Counts what is read.
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buffer)?;
        self.1.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}
