//! OCDBT, TensorStore's key-value store in files: a B-tree whose nodes and values lie in data files, and a manifest that says where
//! its root is.
//!
//! * `manifest.ocdbt` (or the `manifest.N` with the greatest hexadecimal N, if the former says so) has the configuration and the
//!   newest versions. It refers to the root of each version, and to nodes of the version tree with older ones.
//! * A node of the B-tree has either keys with values, small ones inline, or references to the nodes below it. Keys are prefix
//!   compressed, within a node and by the prefix that all keys below a child share.
//! * Data files have paths relative to the folder of the database. A path has a *base*, which is put before the paths that nodes
//!   in that file name. So Orbax joins the databases of many processes by one B-tree whose paths have the base `ocdbt.process_N/`.
//! * Each node and manifest is an envelope: magic number (u32, big endian), length (u64, little endian), version 0, compression
//!   (0: none, 1: zstd), content, CRC-32C of all before. Values have no checksum of their own.
//!
//! The source is TensorStore's `tensorstore/kvstore/ocdbt/index.rst`, and its `format` folder for what the page lacks: after the
//! UUID there is one byte for the kind of the manifest, and an empty database has a root at offset and length 2^64 - 1.
mod codec;
mod node;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use self::{codec::DataFile, codec::Location, node::Value, write::Builder};

use self::node::{Manifest, Node, Version, VersionNode};
use crate::{
    error::{Error, Fault, Result, io_error},
    stream::Blob,
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// The file that makes a folder a database.
pub(crate) const MANIFEST_FILE: &str = "manifest.ocdbt";
/// The most that the keys of a database may take, with what is kept of each entry. They are prefix compressed: a small file could
/// otherwise mean more than fits anywhere.
const MAX_KEYS: usize = 512 << 20;
/// What is counted for an entry, apart from the key.
const ENTRY: usize = 64;

/// The newest version of a database, with all its keys.
#[derive(Debug)]
pub(crate) struct Database {
    root: PathBuf,
    arity_log2: u8,
    nodes: Vec<VersionNode>,
    entries: Vec<(Vec<u8>, Value)>,
}

impl Database {
    /// Reads the manifest and the B-tree, all of whose checksums are compared.
    pub fn open(root: &Path) -> Result<Database> {
        let mut path = root.join(MANIFEST_FILE);
        let mut manifest = read_manifest(&path)?;
        if matches!(manifest, Manifest::Numbered) {
            path = newest_manifest(root)?;
            manifest = read_manifest(&path)?;
        }
        let Manifest::Single { arity_log2, versions, nodes } = manifest else {
            return Err(Fault::from("it refers to a numbered manifest itself").at(path));
        };
        let mut database = Database { root: root.to_path_buf(), arity_log2, nodes, entries: Vec::new() };
        if let Some(Version { height, root: Some(location) }) = versions.last() {
            database.read_node(location, *height, Vec::new(), &mut Reading::default())?;
        }
        Ok(database)
    }

    fn read_node(&mut self, location: &Location, height: u8, prefix: Vec<u8>, reading: &mut Reading) -> Result<()> {
        let path = self.root.join(&location.file.path);
        let fault = |reason: &str| {
            Fault::from(format!("bytes {} to {}: {reason}", location.offset, location.offset + location.length))
                .at(&path)
        };
        if !reading.nodes.insert((location.file.path.clone(), location.offset)) {
            return Err(fault("its B-tree refers to this node twice"));
        }
        let encoded = self.value(&Value::Out(location.clone()))?.bytes(codec::MAX_NODE)?;
        let transitive = &location.file.path[..location.file.base];
        let node = node::decode_btree_node(&encoded, height, transitive).map_err(|f| match f {
            Fault::Corrupt(reason) => fault(&reason),
            other => other.at(&path),
        })?;
        let full = |key: &[u8]| [&prefix[..], key].concat();
        match node {
            Node::Leaf(entries) => {
                for (key, value) in entries {
                    let key = full(&key);
                    reading.bytes += ENTRY + key.len();
                    if reading.bytes > MAX_KEYS || key.len() > codec::MAX_NAME {
                        return Err(fault("its keys are too long"));
                    }
                    if self.entries.last().is_some_and(|(last, _)| *last >= key) {
                        return Err(fault("the keys of its B-tree do not increase"));
                    }
                    self.entries.push((key, value));
                }
            }
            Node::Inner(children) => {
                for child in children {
                    self.read_node(&child.location, height - 1, full(&child.prefix), reading)?;
                }
            }
        }
        Ok(())
    }

    fn value(&self, value: &Value) -> Result<Blob> {
        match value {
            Value::Inline(bytes) => Ok(Blob::Memory(bytes.clone())),
            Value::Out(at) => Blob::file(self.root.join(&at.file.path), at.offset, at.length),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Result<Option<Blob>> {
        match self.entries.binary_search_by(|(k, _)| k[..].cmp(key.as_bytes())) {
            Ok(i) => self.value(&self.entries[i].1).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The keys that begin so, in order.
    pub fn keys(&self, prefix: &str) -> impl Iterator<Item = &[u8]> {
        let start = self.entries.partition_point(|(k, _)| k[..] < *prefix.as_bytes());
        let prefix = prefix.as_bytes().to_vec();
        self.entries[start..].iter().map(|(k, _)| &k[..]).take_while(move |k| k.starts_with(&prefix))
    }

    /// Compares the checksums of the nodes with older versions, which reading does not need.
    pub fn verify_history(&self) -> Result<()> {
        let mut left: Vec<(Location, u8)> = self.nodes.iter().map(|n| (n.location.clone(), n.height)).collect();
        let mut seen = HashSet::new();
        while let Some((at, height)) = left.pop() {
            // (each node once: they could refer to each other from many places)
            if !seen.insert((at.file.path.clone(), at.offset)) {
                continue;
            }
            let encoded = self.value(&Value::Out(at.clone()))?.bytes(codec::MAX_NODE)?;
            let path = self.root.join(&at.file.path);
            let nodes = node::decode_version_node(&encoded, height, self.arity_log2, &at.file.path[..at.file.base])
                .map_err(|f| f.at(path))?;
            left.extend(nodes.into_iter().map(|n| (n.location, n.height)));
        }
        Ok(())
    }
}

/// What has been read of a B-tree.
#[derive(Default)]
struct Reading {
    /// The nodes: file and offset.
    nodes: HashSet<(String, u64)>,
    /// The keys.
    bytes: usize,
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    let length = path.metadata().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { path: path.into(), what: "this file".into() },
        _ => io_error(path)(e),
    })?;
    let encoded = Blob::file(path.to_path_buf(), 0, length.len())?.bytes(codec::MAX_NODE)?;
    node::decode_manifest(&encoded).map_err(|f| f.at(path))
}

/// `manifest.0000000000000012` with the greatest number.
fn newest_manifest(root: &Path) -> Result<PathBuf> {
    let mut newest = None;
    for entry in root.read_dir().map_err(io_error(root))? {
        let name = entry.map_err(io_error(root))?.file_name();
        let digits = name.to_str().and_then(|n| n.strip_prefix("manifest.")).filter(|d| d.len() == 16);
        if let Some(number) = digits.and_then(|d| u64::from_str_radix(d, 16).ok()) {
            newest = newest.max(Some((number, root.join(&name))));
        }
    }
    newest
        .map(|(_, path)| path)
        .ok_or_else(|| Error::Missing { path: root.into(), what: "its numbered manifest".into() })
}
