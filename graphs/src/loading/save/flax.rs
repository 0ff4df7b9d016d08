//! flax_model.msgpack, as transformers' Flax classes read it, and with the names of Flax's own layers where there is no such class.

use super::{
    linen::{self, Leaf},
    tensors::Tensors,
    unwritable,
};
use crate::{Result, config::HfConfig, weights::flax};
use indicatif::ProgressBar;
use serde_json::{Map, json};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// The families for which transformers has Flax classes; and whether these have a head of their own even where
/// config.json says that it is tied.
const FAMILIES: [(&str, bool); 4] = [("gpt2", false), ("llama", true), ("mistral", true), ("gemma", false)];

/// flax.serialization writes larger arrays in pieces of so many bytes.
const CHUNK: usize = 1 << 30;

/// Writes all tensors that are parameters, at most `limit` bytes of them to a file, and gives the number of files.
pub(super) fn write(
    dir: &Path,
    tensors: &dyn Tensors,
    config: &HfConfig,
    limit: u64,
    bar: &ProgressBar,
) -> Result<usize> {
    let leaves = leaves(tensors, config)?;
    let entries = tensors.entries();
    let shards = super::safetensors::shards(leaves.iter().map(|l| entries[l.tensor].bytes() as u64), limit);
    let name = |i: usize| match shards.len() {
        1 => "flax_model.msgpack".to_string(),
        n => format!("flax_model-{:05}-of-{n:05}.msgpack", i + 1),
    };
    let mut map = Map::new();
    for (i, shard) in shards.iter().enumerate() {
        let path = dir.join(name(i));
        let failed = |e| unwritable(&path, e);
        let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
        level(&mut Output { file: &mut file, path: &path, tensors, bar, chunk: CHUNK }, &leaves[shard.clone()], 0)?;
        file.into_inner().map_err(|e| failed(e.into_error()))?.sync_all().map_err(failed)?;
        map.extend(leaves[shard.clone()].iter().map(|l| (l.path.join("/"), name(i).into())));
    }
    if shards.len() > 1 {
        let total: u64 = leaves.iter().map(|l| entries[l.tensor].bytes() as u64).sum();
        let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
        super::companions::json(&dir.join("flax_model.msgpack.index.json"), &index)?;
    }
    Ok(shards.len())
}

/// Linen's tree of the parameters, in the order in which it is written.
fn leaves(tensors: &dyn Tensors, config: &HfConfig) -> Result<Vec<Leaf>> {
    let Some((_, own_head)) = FAMILIES.iter().find(|(name, _)| *name == config.model_type) else {
        return linen::leaves(tensors, config, flax::Layers::Flax);
    };
    let mut leaves = linen::leaves(tensors, config, flax::Layers::Transformers)?;
    let at = |first: &str| leaves.iter().position(|l| l.path.iter().any(|part| part == first));
    if let (true, None, Some(embedding)) = (own_head, at("lm_head"), at("embed_tokens")) {
        let path = vec!["lm_head".into(), "kernel".into()];
        leaves.push(Leaf { path, transposed: true, tensor: leaves[embedding].tensor });
        leaves.sort_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(leaves)
}

struct Output<'a, W> {
    file: &'a mut W,
    path: &'a Path,
    tensors: &'a dyn Tensors,
    bar: &'a ProgressBar,
    chunk: usize,
}

impl<W: Write> Output<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e: io::Error| unwritable(self.path, e))
    }
    fn map(&mut self, n: usize) -> Result<()> {
        self.put(&[&[0xdf], (n as u32).to_be_bytes().as_slice()].concat())
    }
    fn text(&mut self, text: &str) -> Result<()> {
        self.put(&packed_text(text))
    }
}

/// The map of everything whose paths agree up to `depth`.
fn level<W: Write>(out: &mut Output<W>, leaves: &[Leaf], depth: usize) -> Result<()> {
    let groups = || leaves.chunk_by(|a, b| a.path.get(depth) == b.path.get(depth));
    out.map(groups().count())?;
    for group in groups() {
        let Some(key) = group.first().and_then(|l| l.path.get(depth)) else { continue };
        out.text(key)?;
        match group {
            [leaf] if leaf.path.len() == depth + 1 => array(out, leaf)?,
            _ => level(out, group, depth + 1)?,
        }
    }
    Ok(())
}

fn array<W: Write>(out: &mut Output<W>, leaf: &Leaf) -> Result<()> {
    leaf.read(out.tensors, out.bar, |dims, dtype, bytes| {
        let chunk = (out.chunk / (dtype.bits() / 8)).max(1) * (dtype.bits() / 8);
        if bytes.len() <= chunk {
            return one(out, dims, flax::dtype_name(dtype).unwrap_or_default(), bytes);
        }
        out.map(3)?;
        out.text(flax::CHUNKED)?;
        out.put(&[0xc3])?;
        out.text("shape")?;
        out.map(dims.len())?;
        for (i, d) in dims.iter().enumerate() {
            out.text(&i.to_string())?;
            out.put(&packed_uint(*d))?;
        }
        out.text("chunks")?;
        out.map(bytes.len().div_ceil(chunk))?;
        for (i, piece) in bytes.chunks(chunk).enumerate() {
            out.text(&i.to_string())?;
            one(out, &[piece.len() / (dtype.bits() / 8)], flax::dtype_name(dtype).unwrap_or_default(), piece)?;
        }
        Ok(())
    })
}

/// An array as flax.serialization packs it: extension 1 of shape, dtype and bytes.
fn one<W: Write>(out: &mut Output<W>, dims: &[usize], dtype: &str, bytes: &[u8]) -> Result<()> {
    let mut head = vec![0x93, 0xdc];
    head.extend((dims.len() as u16).to_be_bytes());
    dims.iter().for_each(|d| head.extend(packed_uint(*d)));
    head.extend(packed_text(dtype));
    head.push(0xc6);
    head.extend((bytes.len() as u32).to_be_bytes());
    let length = ((head.len() + bytes.len()) as u32).to_be_bytes();
    out.put(&[[0xc9].as_slice(), &length, &[1], &head].concat())?;
    out.put(bytes)
}

fn packed_text(text: &str) -> Vec<u8> {
    [&[0xdb], (text.len() as u32).to_be_bytes().as_slice(), text.as_bytes()].concat()
}

fn packed_uint(n: usize) -> Vec<u8> {
    [&[0xcf], (n as u64).to_be_bytes().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{save::tensors::FromWeights, weights::Weights};

    #[test]
    fn large_arrays_come_in_pieces() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama_bf16");
        let weights = Weights::open(&fixture).unwrap();
        let tensors = FromWeights::new(&weights, None).unwrap();
        let leaves = leaves(&tensors, &HfConfig::load(&fixture).unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flax_model.msgpack");
        let mut file = File::create(&path).unwrap();
        let bar = ProgressBar::hidden();
        level(&mut Output { file: &mut file, path: &path, tensors: &tensors, bar: &bar, chunk: 101 }, &leaves, 0)
            .unwrap();
        let written = Weights::open(&path).unwrap();
        for name in weights.names() {
            assert_eq!(written.info(name), weights.info(name));
            assert_eq!(written.read_f32(name).unwrap(), weights.read_f32(name).unwrap(), "{name}");
        }
    }
}
