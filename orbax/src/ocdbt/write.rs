//! Encoding a database: one version whose B-tree is one leaf.
use super::{
    codec::{DataFile, Location, put_varint, seal},
    node::{BTREE_NODE, MANIFEST, MAX_ARITY, Value},
};
use crate::error::{Error, Result};
use std::{collections::BTreeMap, sync::Arc};

/// What is to be stored.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    entries: BTreeMap<Vec<u8>, Value>,
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Builder {
    /// Adds a value, whose key must be new.
    pub fn insert(&mut self, key: String, value: Value) -> Result<()> {
        if key.len() > super::codec::MAX_NAME || self.entries.len() >= MAX_ARITY {
            let what =
                if key.len() > super::codec::MAX_NAME { "a name is too long" } else { "more than a million chunks" };
            return Err(Error::Argument(format!(
                "{what}: an OCDBT node cannot hold it; take larger chunks or shorter names"
            )));
        }
        match self.entries.insert(key.clone().into_bytes(), value) {
            None => Ok(()),
            Some(_) => Err(Error::Argument(format!("two values would both be stored as `{key}`"))),
        }
    }

    /// The root of the B-tree.
    pub fn node(&self) -> Vec<u8> {
        let mut out = vec![0]; // height
        let mut files: Vec<&Arc<DataFile>> = Vec::new();
        for value in self.entries.values() {
            if let Value::Out(at) = value
                && !files.contains(&&at.file)
            {
                files.push(&at.file);
            }
        }
        put_files(&mut out, &files);
        put_varint(&mut out, self.entries.len() as u64);
        let keys: Vec<&Vec<u8>> = self.entries.keys().collect();
        let prefixes: Vec<usize> = keys.windows(2).map(|w| common_prefix(w[0], w[1])).collect();
        let suffixes: Vec<&[u8]> =
            keys.iter().enumerate().map(|(i, k)| if i == 0 { &k[..] } else { &k[prefixes[i - 1]..] }).collect();
        prefixes.iter().for_each(|&n| put_varint(&mut out, n as u64));
        suffixes.iter().for_each(|s| put_varint(&mut out, s.len() as u64));
        suffixes.iter().for_each(|s| out.extend(*s));
        for value in self.entries.values() {
            put_varint(
                &mut out,
                match value {
                    Value::Inline(bytes) => bytes.len() as u64,
                    Value::Out(at) => at.length,
                },
            );
        }
        out.extend(self.entries.values().map(|v| u8::from(matches!(v, Value::Out(_)))));
        let outs = || self.entries.values().filter_map(|v| if let Value::Out(at) = v { Some(at) } else { None });
        for at in outs() {
            put_varint(&mut out, files.iter().position(|f| **f == at.file).unwrap_or_default() as u64);
        }
        outs().for_each(|at| put_varint(&mut out, at.offset));
        for value in self.entries.values() {
            if let Value::Inline(bytes) = value {
                out.extend(&bytes[..]);
            }
        }
        seal(BTREE_NODE, &out)
    }

    /// The manifest of a database whose root lies there.
    ///
    /// `milliseconds` is the time of the commit, since 1970.
    pub fn manifest(&self, uuid: [u8; 16], root: &Location, milliseconds: u64) -> Vec<u8> {
        let mut out = uuid.to_vec();
        out.push(0); // a single manifest
        put_varint(&mut out, 1024); // max_inline_value_bytes
        put_varint(&mut out, 100_000_000); // max_decoded_node_bytes
        out.push(4); // version_tree_arity_log2
        put_varint(&mut out, 0); // no compression
        put_files(&mut out, &[&root.file]);
        put_varint(&mut out, 1); // versions
        put_varint(&mut out, 1); // generation_number
        out.push(0); // root_height
        put_varint(&mut out, 0); // data_file_id
        let indirect = |v: &Value| if let Value::Out(at) = v { at.length } else { 0 };
        for number in [
            root.offset,
            root.length,
            self.entries.len() as u64,
            root.length,
            self.entries.values().map(indirect).sum(),
        ] {
            put_varint(&mut out, number);
        }
        out.extend(milliseconds.to_le_bytes());
        put_varint(&mut out, 0); // version tree nodes
        seal(MANIFEST, &out)
    }
}

/// A table of data files, without prefix compression.
fn put_files(out: &mut Vec<u8>, files: &[&Arc<DataFile>]) {
    put_varint(out, files.len() as u64);
    files.iter().skip(1).for_each(|_| put_varint(out, 0));
    files.iter().for_each(|f| put_varint(out, f.path.len() as u64));
    files.iter().for_each(|f| put_varint(out, f.base as u64));
    files.iter().for_each(|f| out.extend(f.path.as_bytes()));
}
