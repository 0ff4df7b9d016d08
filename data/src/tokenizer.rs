//! What is asked of tokenizers and chat templates, which this crate does not have.

use serde_json::Value;
use std::ops::Range;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Ids, each with the bytes of the text that it stands for: all of them, with the white space that a token begins with.
pub type Offsets = Vec<(u32, Range<usize>)>;

/// Turns text into token ids. Called from several threads at once.
pub trait Tokenizer: Send + Sync {
    /// A name that changes with whatever changes the ids of any text, such as a hash of tokenizer.json. Tokens on disk are
    /// found by it.
    fn fingerprint(&self) -> String;

    /// One more than the largest id. Up to 65536, a token takes two bytes on disk, and else four.
    fn vocab_size(&self) -> usize;

    /// The ids of `text`, without special tokens around it. Those that are written out in the text count as such, as a rendered
    /// chat template needs it.
    ///
    /// # Errors
    /// A text that cannot be tokenised. The record is then a bad one.
    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError>;

    /// The same ids, with the bytes of `text` that they stand for; `None` where the tokenizer does not know them. With
    /// them a conversation is tokenised once, and without them once for each beginning and end of an answer.
    fn encode_with_offsets(&self, _text: &str) -> Option<Result<Offsets, BoxError>> {
        None
    }
}

/// A closure as a tokenizer.
///
/// ```
/// use raxla_data::{Tokenizer, TokenizerFn};
/// let bytes = TokenizerFn::new("bytes", 256, |text: &str| Ok(text.bytes().map(u32::from).collect()));
/// assert_eq!(bytes.encode("ab")?, [97, 98]);
/// # Ok::<(), raxla_data::BoxError>(())
/// ```
pub struct TokenizerFn<F> {
    fingerprint: String,
    vocab_size: usize,
    encode: F,
}

impl<F: Fn(&str) -> Result<Vec<u32>, BoxError> + Send + Sync> TokenizerFn<F> {
    /// See the methods of [`Tokenizer`].
    pub fn new(fingerprint: impl Into<String>, vocab_size: usize, encode: F) -> TokenizerFn<F> {
        TokenizerFn { fingerprint: fingerprint.into(), vocab_size, encode }
    }
}

impl<F: Fn(&str) -> Result<Vec<u32>, BoxError> + Send + Sync> Tokenizer for TokenizerFn<F> {
    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        (self.encode)(text)
    }
}

/// Turns a conversation into text, as transformers' `apply_chat_template` does.
pub trait ChatTemplate: Send + Sync {
    /// A name that changes with whatever changes the text of any conversation, such as a hash of the template.
    fn fingerprint(&self) -> String;

    /// The text of `messages`, with all special tokens written out. `tools` are JSON schemas of functions;
    /// `add_generation_prompt` opens the assistant's turn.
    ///
    /// # Errors
    /// A conversation that the template refuses.
    fn render(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<String, BoxError>;
}

/// A closure as a chat template.
pub struct ChatTemplateFn<F> {
    fingerprint: String,
    render: F,
}

impl<F: Fn(&[Value], Option<&Value>, bool) -> Result<String, BoxError> + Send + Sync> ChatTemplateFn<F> {
    /// See the methods of [`ChatTemplate`].
    pub fn new(fingerprint: impl Into<String>, render: F) -> ChatTemplateFn<F> {
        ChatTemplateFn { fingerprint: fingerprint.into(), render }
    }
}

impl<F: Fn(&[Value], Option<&Value>, bool) -> Result<String, BoxError> + Send + Sync> ChatTemplate
    for ChatTemplateFn<F>
{
    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
    fn render(
        &self,
        messages: &[Value],
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<String, BoxError> {
        (self.render)(messages, tools, add_generation_prompt)
    }
}
