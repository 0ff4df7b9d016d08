//! Pieces of a stream of bytes between separators, none longer in memory than a limit.

use memchr::memchr;
use std::io::{self, BufRead};

/// A piece, without its separator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The line where it begins, from 1.
    pub line: u64,
    /// `None`: it was longer than the limit, and has been passed over.
    pub bytes: Option<Vec<u8>>,
}

/// The pieces of a stream.
pub(super) struct Separated<R> {
    input: R,
    limit: usize,
    /// How many bytes of the stream have been read.
    pub offset: u64,
    /// The line that comes next, from 1.
    pub line: u64,
}

impl<R: BufRead> Separated<R> {
    /// The pieces of what is left of `input`, which begins at this byte and line of the stream.
    pub fn new(input: R, limit: usize, offset: u64, line: u64) -> Separated<R> {
        Separated { input, limit, offset, line }
    }

    /// The next piece up to `separator`; an empty separator is nowhere. `None` at the end of the stream.
    pub fn next(&mut self, separator: &[u8]) -> io::Result<Option<Piece>> {
        let (line, begin) = (self.line, self.offset);
        let mut bytes = vec![];
        let mut too_long = false;
        loop {
            let available = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                let nothing = self.offset == begin;
                return Ok((!nothing).then(|| self.piece(line, bytes, too_long, 0)));
            }
            // whatever ends in the separator ends in its last byte
            let end = separator.last().and_then(|last| memchr(*last, available));
            let taken = end.map_or(available.len(), |end| end + 1);
            let part = &available[..taken];
            self.line += memchr::memchr_iter(b'\n', part).count() as u64;
            bytes.extend_from_slice(part);
            self.input.consume(taken);
            self.offset += taken as u64;
            if end.is_some() && bytes.ends_with(separator) {
                return Ok(Some(self.piece(line, bytes, too_long, separator.len())));
            }
            // (what could be the beginning of the separator is kept)
            if bytes.len() > self.limit + separator.len() {
                too_long = true;
                bytes.drain(..bytes.len() - separator.len());
            }
        }
    }

    fn piece(&self, line: u64, mut bytes: Vec<u8>, too_long: bool, separator: usize) -> Piece {
        bytes.truncate(bytes.len() - separator);
        let fits = !too_long && bytes.len() <= self.limit;
        Piece { line, bytes: fits.then_some(bytes) }
    }

    /// The next line, without its end. `None` at the end of the stream.
    pub fn next_line(&mut self) -> io::Result<Option<Piece>> {
        let mut piece = self.next(b"\n")?;
        if let Some(bytes) = piece.as_mut().and_then(|piece| piece.bytes.as_mut())
            && bytes.last() == Some(&b'\r')
        {
            bytes.pop();
        }
        Ok(piece)
    }

    /// The next lines up to one of white space. `None` at the end of the stream.
    pub fn next_paragraph(&mut self) -> io::Result<Option<Piece>> {
        let mut whole: Option<Piece> = None;
        while let Some(line) = self.next_line()? {
            let blank = line.bytes.as_ref().is_some_and(|bytes| bytes.trim_ascii().is_empty());
            whole = match (whole, blank) {
                (None, true) => None,
                (Some(whole), true) => return Ok(Some(whole)),
                (None, false) => Some(line),
                (Some(mut whole), false) => {
                    whole.bytes = joined(whole.bytes, line.bytes).filter(|bytes| bytes.len() <= self.limit);
                    Some(whole)
                }
            };
        }
        Ok(whole)
    }
}

fn joined(a: Option<Vec<u8>>, b: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (mut a, b) = (a?, b?);
    a.push(b'\n');
    a.extend(b);
    Some(a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    type Next = fn(&mut Separated<BufReader<&[u8]>>) -> io::Result<Option<Piece>>;

    /// All pieces, read through buffers of every small size.
    fn all(text: &str, limit: usize, next: Next) -> Vec<(u64, Option<String>)> {
        let read = |buffer| {
            let mut input = Separated::new(BufReader::with_capacity(buffer, text.as_bytes()), limit, 0, 1);
            let pieces = std::iter::from_fn(|| next(&mut input).unwrap());
            let pieces: Vec<_> =
                pieces.map(|piece| (piece.line, piece.bytes.map(|b| String::from_utf8(b).unwrap()))).collect();
            assert_eq!(input.offset, text.len() as u64);
            pieces
        };
        let first = read(1);
        (2..9).for_each(|buffer| assert_eq!(read(buffer), first, "{text:?} through {buffer} bytes"));
        first
    }

    fn some(pieces: &[(u64, &str)]) -> Vec<(u64, Option<String>)> {
        pieces.iter().map(|(line, text)| (*line, Some(text.to_string()))).collect()
    }

    #[test]
    fn lines_paragraphs_separators_and_files() {
        let line: Next = |s| s.next_line();
        assert_eq!(all("", 9, line), []);
        assert_eq!(all("a\r\nb\n\nc", 9, line), some(&[(1, "a"), (2, "b"), (3, ""), (4, "c")]));
        assert_eq!(all("12345\n1234567\nx\n", 5, line), [(1, Some("12345".into())), (2, None), (3, Some("x".into()))]);
        let paragraph: Next = |s| s.next_paragraph();
        assert_eq!(all("\n \na\nb\n\t\r\n\nc\r\n", 9, paragraph), some(&[(3, "a\nb"), (7, "c")]));
        assert_eq!(all("aa\nbb\ncc\n\nd", 5, paragraph), [(1, None), (5, Some("d".into()))]);
        let separator: Next = |s| s.next(b"aab");
        assert_eq!(all("xaaabyaab\naab", 9, separator), some(&[(1, "xa"), (1, "y"), (1, "\n")]));
        assert_eq!(all("aaaaaaaaaaaab1aab", 4, separator), [(1, None), (1, Some("1".into()))]);
        let file: Next = |s| s.next(b"");
        assert_eq!(all("a\nb", 3, file), some(&[(1, "a\nb")]));
        assert_eq!(all("a\nbc", 3, file), [(1, None)]);
    }
}
