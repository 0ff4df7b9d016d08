//! Ids that arrive one by one, turned into text that can be printed at once.

use super::Tokenizer;
use crate::LoadError;

/// Decodes a stream of ids into pieces of text whose concatenation is the decoding of all ids together.
///
/// A token may hold a part of a character, and some decoders drop the space before the first token, so a token cannot
/// be decoded alone: the stream decodes it after the tokens of the previous piece, and holds text back while it ends in
/// U+FFFD, which is how an unfinished character decodes.
#[derive(Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The tokens of the last piece, then those that are held back.
    window: Vec<u32>,
    /// How many tokens of the window are the last piece.
    given: usize,
    /// The bytes of their text.
    given_bytes: usize,
}

/// How many ids before a text decide how it begins: more than special ones that may stand at its start.
const CONTEXT: usize = 32;

impl<'a> DecodeStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        DecodeStream { tokenizer, skip_special, window: Vec::new(), given: 0, given_bytes: 0 }
    }

    /// One whose first id comes after these.
    pub(super) fn after(tokenizer: &'a Tokenizer, ids: &[u32], skip_special: bool) -> Result<Self, LoadError> {
        let window = ids[ids.len().saturating_sub(CONTEXT)..].to_vec();
        let given_bytes = tokenizer.decode(&window, skip_special)?.len();
        Ok(DecodeStream { tokenizer, skip_special, given: window.len(), window, given_bytes })
    }

    /// Takes the next id and gives the text that is certain now, which may be empty.
    pub fn push(&mut self, id: u32) -> Result<String, LoadError> {
        self.window.push(id);
        let text = self.tokenizer.decode(&self.window, self.skip_special)?;
        let piece = match text.get(self.given_bytes..) {
            Some(piece) if !piece.is_empty() && !piece.ends_with('\u{fffd}') => piece.to_string(),
            _ => return Ok(String::new()),
        };
        self.window.drain(..self.given);
        self.given = self.window.len();
        self.given_bytes = self.tokenizer.decode(&self.window, self.skip_special)?.len();
        Ok(piece)
    }

    /// The text held back, once no more ids come: U+FFFD for a character that never became complete.
    pub fn finish(self) -> Result<String, LoadError> {
        let text = self.tokenizer.decode(&self.window, self.skip_special)?;
        Ok(text.get(self.given_bytes..).unwrap_or_default().to_string())
    }
}
