//! Manifests, version tree nodes and B-tree nodes.
use super::codec::{Cursor, Location, location, read_locations, read_table, unseal};
use crate::error::{Decoded, Fault};
use std::sync::Arc;

pub(super) const MANIFEST: u32 = 0x0cdb_3a2a;
pub(super) const VERSION_NODE: u32 = 0x0cdb_1234;
pub(super) const BTREE_NODE: u32 = 0x0cdb_20de;
/// The most entries of a B-tree node, by TensorStore.
pub(super) const MAX_ARITY: usize = 1 << 20;

/// A root of the B-tree: the state of the database after one commit.
#[derive(Debug)]
pub(super) struct Version {
    pub height: u8,
    /// None if the database was empty.
    pub root: Option<Location>,
}

/// A reference to a node of the version tree.
#[derive(Debug)]
pub(super) struct VersionNode {
    pub location: Location,
    pub height: u8,
}

/// What a manifest says.
#[derive(Debug)]
pub(super) enum Manifest {
    /// The versions, of which the last is the newest, and the nodes with older ones.
    Single { arity_log2: u8, versions: Vec<Version>, nodes: Vec<VersionNode> },
    /// It lies in the file `manifest.N` with the greatest number.
    Numbered,
}

pub(super) fn decode_manifest(encoded: &[u8]) -> Decoded<Manifest> {
    let body = unseal(encoded, MANIFEST)?;
    let cursor = &mut Cursor(&body);
    cursor.array::<16>()?; // UUID
    let kind = cursor.byte()?;
    cursor.varint()?; // max_inline_value_bytes
    cursor.varint()?; // max_decoded_node_bytes
    let arity_log2 = check_arity(cursor.byte()?)?;
    match cursor.varint()? {
        0 => {}
        1 => drop(cursor.array::<4>()?), // the level
        other => return Err(Fault::Unsupported(format!("compression {other} of OCDBT nodes"))),
    }
    let manifest = match kind {
        0 => {
            let files = read_table(cursor, "")?;
            let versions = read_versions(cursor, &files, arity_log2)?;
            let nodes = read_version_nodes(cursor, &files, arity_log2, None)?;
            Manifest::Single { arity_log2, versions, nodes }
        }
        1 => Manifest::Numbered,
        other => return Err(Fault::Unsupported(format!("kind {other} of OCDBT manifests"))),
    };
    at_end(cursor)?;
    Ok(manifest)
}

fn check_arity(arity_log2: u8) -> Decoded<u8> {
    // (a limit of TensorStore)
    if !(1..=16).contains(&arity_log2) {
        return Err(format!("its version tree has nodes of 2^{arity_log2} entries").into());
    }
    Ok(arity_log2)
}

fn at_end(cursor: &Cursor) -> Decoded<()> {
    if cursor.0.is_empty() { Ok(()) } else { Err(format!("{} bytes follow after its end", cursor.0.len()).into()) }
}

fn check_generations(generations: &[u64]) -> Decoded<()> {
    if generations.first() == Some(&0) || !generations.is_sorted_by(|a, b| a < b) {
        return Err("the numbers of its generations do not increase".into());
    }
    Ok(())
}

fn read_versions(cursor: &mut Cursor, files: &[Arc<super::codec::DataFile>], arity_log2: u8) -> Decoded<Vec<Version>> {
    let n = cursor.count(8)?;
    if n == 0 || n > 1 << arity_log2 {
        return Err(format!("it has {n} versions").into());
    }
    check_generations(&cursor.varints(n)?)?;
    let heights = cursor.take(n)?;
    let roots = read_locations(cursor, files, n)?;
    cursor.varints(3 * n)?; // num_keys, num_tree_bytes, num_indirect_value_bytes
    cursor.take(8 * n)?; // commit_time
    Ok(heights.iter().zip(roots).map(|(&height, root)| Version { height, root }).collect())
}

/// References of a manifest, which gives their heights, or of a node of height `parent`.
fn read_version_nodes(
    cursor: &mut Cursor,
    files: &[Arc<super::codec::DataFile>],
    arity_log2: u8,
    parent: Option<u8>,
) -> Decoded<Vec<VersionNode>> {
    let n = cursor.count(8)?;
    // (a manifest has one of each height)
    if n > if parent.is_some() { 1 << arity_log2 } else { 64 } {
        return Err(format!("it has {n} version tree nodes").into());
    }
    check_generations(&cursor.varints(n)?)?;
    let locations = read_locations(cursor, files, n)?;
    cursor.varints(n)?; // num_generations
    cursor.take(8 * n)?; // commit_time
    let heights = match parent {
        None => cursor.take(n)?.to_vec(),
        Some(height) => vec![height.saturating_sub(1); n],
    };
    let node = |(location, height): (Option<Location>, u8)| {
        Ok(VersionNode { location: location.ok_or("a version tree node lies nowhere")?, height })
    };
    locations.into_iter().zip(heights).map(node).collect()
}

/// The references of an inner version tree node; none of a leaf, which only refers to B-trees.
pub(super) fn decode_version_node(
    encoded: &[u8],
    height: u8,
    arity_log2: u8,
    transitive: &str,
) -> Decoded<Vec<VersionNode>> {
    let body = unseal(encoded, VERSION_NODE)?;
    let cursor = &mut Cursor(&body);
    if check_arity(cursor.byte()?)? != arity_log2 || cursor.byte()? != height {
        return Err("its version tree node is not that which the manifest means".into());
    }
    let files = read_table(cursor, transitive)?;
    let nodes = match height {
        0 => read_versions(cursor, &files, arity_log2).map(|_| Vec::new())?,
        _ => read_version_nodes(cursor, &files, arity_log2, Some(height))?,
    };
    at_end(cursor)?;
    Ok(nodes)
}

/// A value: in the node, or elsewhere.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Inline(Arc<[u8]>),
    Out(Location),
}

/// The decoded entries of a B-tree node. Keys are relative to the prefix that led to it.
#[derive(Debug)]
pub(super) enum Node {
    Leaf(Vec<(Vec<u8>, Value)>),
    Inner(Vec<Child>),
}

/// A child of an inner node.
#[derive(Debug)]
pub(super) struct Child {
    /// What all keys below it begin with.
    pub prefix: Vec<u8>,
    pub location: Location,
}

pub(super) fn decode_btree_node(encoded: &[u8], height: u8, transitive: &str) -> Decoded<Node> {
    let body = unseal(encoded, BTREE_NODE)?;
    let cursor = &mut Cursor(&body);
    let found = cursor.byte()?;
    if found != height {
        return Err(format!("its B-tree node has height {found} instead of {height}").into());
    }
    let files = read_table(cursor, transitive)?;
    let n = cursor.count(3)?;
    if n == 0 || n > MAX_ARITY {
        return Err(format!("its B-tree node has {n} entries").into());
    }
    let prefixes = cursor.lengths(n - 1)?;
    let suffixes = cursor.lengths(n)?;
    let node = if height == 0 {
        let keys = cursor.names(&prefixes, &suffixes)?;
        Node::Leaf(keys.into_iter().zip(read_values(cursor, &files, n)?).collect())
    } else {
        let common = cursor.lengths(n)?;
        let keys = cursor.names(&prefixes, &suffixes)?;
        let locations = read_locations(cursor, &files, n)?;
        cursor.varints(3 * n)?; // num_keys, num_tree_bytes, num_indirect_value_bytes
        let child = |((mut prefix, common), location): ((Vec<u8>, usize), Option<Location>)| {
            if common > prefix.len() {
                return Err("the keys of a B-tree node share more than they have".into());
            }
            prefix.truncate(common);
            Ok(Child { prefix, location: location.ok_or("a B-tree node lies nowhere")? })
        };
        Node::Inner(keys.into_iter().zip(common).zip(locations).map(child).collect::<Decoded<_>>()?)
    };
    at_end(cursor)?;
    Ok(node)
}

fn read_values(cursor: &mut Cursor, files: &[Arc<super::codec::DataFile>], n: usize) -> Decoded<Vec<Value>> {
    let lengths = cursor.varints(n)?;
    let kinds = cursor.take(n)?;
    if let Some(kind) = kinds.iter().find(|&&kind| kind > 1) {
        return Err(format!("a value is of kind {kind}").into());
    }
    let out = kinds.iter().filter(|&&kind| kind == 1).count();
    let mut ids = cursor.varints(out)?.into_iter();
    let mut offsets = cursor.varints(out)?.into_iter();
    let mut value = |i: usize| {
        if kinds[i] == 0 {
            let length = usize::try_from(lengths[i]).map_err(|_| "a value is too long")?;
            return Ok(Value::Inline(cursor.take(length)?.into()));
        }
        let (id, offset) = (ids.next().unwrap_or_default(), offsets.next().unwrap_or_default());
        let found = location(files, id, offset, lengths[i])?;
        Ok(Value::Out(found.ok_or("a value lies nowhere")?))
    };
    (0..n).map(&mut value).collect()
}
