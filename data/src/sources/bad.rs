//! Records that cannot be used: counted, and the first of them named.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What becomes of records that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBad {
    /// The first one ends the work with an error that names it.
    #[default]
    Refuse,
    /// They are left out and counted, and the first of them are named in the [statistics](crate::CacheStats).
    Skip,
}

/// Why a record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadKind {
    /// A line is no JSON object.
    InvalidJson,
    /// A field is not there, or null.
    MissingField,
    /// A field holds something else than it should.
    WrongType,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// More bytes than [`BuildOptions::max_record_bytes`](crate::BuildOptions::max_record_bytes).
    TooLong,
    /// The tokenizer refuses the text.
    Tokenizer,
    /// The chat template refuses the conversation, or renders it so that its parts cannot be told apart.
    Template,
    /// The tokens of a prompt are not those that its prompt and completion begin with.
    Boundary,
}

/// A record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    /// The file that it is in.
    pub file: String,
    /// The line where it begins, or the row of a Parquet file, from 1.
    pub line: u64,
    /// The kind of the reason.
    pub kind: BadKind,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// How many records could not be used, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecords {
    /// How many, by the kind of reason.
    pub counts: BTreeMap<BadKind, u64>,
    /// The first ones, at most [`BadRecords::KEPT`].
    pub first: Vec<BadRecord>,
}

impl BadRecords {
    /// How many are named.
    pub const KEPT: usize = 20;

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(crate) fn add(&mut self, record: BadRecord) {
        *self.counts.entry(record.kind).or_default() += 1;
        if self.first.len() < BadRecords::KEPT {
            self.first.push(record);
        }
    }
}
