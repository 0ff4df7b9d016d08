//! Where text comes from: files of text, JSON lines and Parquet, read record by record in an order that is always the same.

mod bad;
mod files;
mod parquet;
mod reader;
mod record;
mod separated;

pub use bad::{BadKind, BadRecord, BadRecords, OnBad};
pub use record::{Record, TextOrMessages, Unusable};

pub(crate) use files::{SourceFile, files};
pub(crate) use reader::{Cursor, Raw, Reader};

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A file, a folder or a glob, and what its records are.
///
/// ```
/// use raxla_data::{Fields, Source};
/// let books = Source::new("books/*.txt");
/// let chats = Source { fields: Fields::Messages("messages".into()), ..Source::new("chats.jsonl.gz") };
/// // the same in a configuration
/// let read: Source = toml::from_str("path = 'chats.jsonl.gz'\nfields = { messages = 'messages' }")?;
/// assert_eq!(read, chats);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A file; a folder, of which all files are taken whose names say a format, but for those that begin with `.` or `_`; or
    /// a glob such as `data/**/*.jsonl.gz`. Several files come in the order of their paths, byte by byte.
    pub path: String,
    /// What the files are; by default what their names say.
    #[serde(default)]
    pub format: Format,
    /// Where a document of a text file ends.
    #[serde(default)]
    pub split: Split,
    /// Which fields of JSON lines and Parquet make a record.
    #[serde(default)]
    pub fields: Fields,
}

impl Source {
    /// The files at this path, by their names; records have a field `text`.
    pub fn new(path: impl Into<String>) -> Source {
        Source { path: path.into(), format: Format::default(), split: Split::default(), fields: Fields::default() }
    }
    /// Looks for its files, and reads none of them.
    ///
    /// # Errors
    /// There is no file of a known format; one that is no file, or cannot be looked at.
    pub fn check(&self) -> Result<()> {
        files::files(std::slice::from_ref(self)).map(drop)
    }
}

/// What a file is. Behind each of the names but Parquet's may stand `.gz`, with which the file is decompressed by gzip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// What the name says: `.txt`, `.text` and `.md`; `.jsonl`, `.ndjson` and `.json`; `.parquet`.
    #[default]
    Auto,
    /// Text in UTF-8.
    Text,
    /// A JSON object on each line.
    Jsonl,
    /// Apache Parquet, uncompressed or compressed by Snappy or gzip.
    Parquet,
}

/// Where a document of a text file ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Where the file ends.
    #[default]
    File,
    /// At the end of each line, which does not belong to it.
    Lines,
    /// At lines that hold nothing but white space.
    BlankLines,
    /// At this text, such as `<|endoftext|>`, which does not belong to it.
    Separator(String),
}

/// Which fields of an object or of a Parquet row make a record. Others are not looked at, but for `tools` beside messages: a
/// list, or the JSON text of one, that the chat template is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fields {
    /// A document: the field of this name is a text.
    Text(String),
    /// A conversation: the field of this name is a list of objects with a `role`. Trained on are the assistant's messages.
    Messages(String),
    /// A prompt and what is to follow it; both are texts, or both are lists of messages. Trained on is what follows.
    Completion {
        /// The prompt's field.
        #[serde(default = "prompt")]
        prompt: String,
        /// The field of what follows.
        #[serde(default = "completion")]
        completion: String,
    },
    /// Two answers to a prompt, of which the first is preferred: for DPO. An object without a prompt has it at the beginning
    /// of both answers.
    Preference {
        /// The prompt's field.
        #[serde(default = "prompt")]
        prompt: String,
        /// The field of the preferred answer.
        #[serde(default = "chosen")]
        chosen: String,
        /// The field of the other one.
        #[serde(default = "rejected")]
        rejected: String,
    },
}

impl Default for Fields {
    fn default() -> Fields {
        Fields::Text("text".into())
    }
}

fn prompt() -> String {
    "prompt".into()
}
fn completion() -> String {
    "completion".into()
}
fn chosen() -> String {
    "chosen".into()
}
fn rejected() -> String {
    "rejected".into()
}

impl Fields {
    /// How many token sequences a record makes: two for preferences.
    pub(crate) fn group(&self) -> u64 {
        if matches!(self, Fields::Preference { .. }) { 2 } else { 1 }
    }
}

/// The number of sequences per record, which all sources of one cache share.
pub(crate) fn group(sources: &[Source]) -> Result<u64> {
    let mut groups = sources.iter().map(|source| source.fields.group());
    let first = groups.next().ok_or_else(|| {
        Error::Options(
            "no source is named\n  help: name a file, a folder or a glob that holds the training text".into(),
        )
    })?;
    match groups.all(|group| group == first) {
        true => Ok(first),
        false => Err(Error::Options(
            "preferences and other records are in one cache\n  help: make a cache of each, and a loader of each".into(),
        )),
    }
}
