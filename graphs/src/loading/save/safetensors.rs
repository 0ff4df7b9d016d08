//! safetensors files, with an index where there are several.

use super::{
    stream,
    tensors::{Entry, Tensors},
    unwritable,
};
use crate::Result;
use indicatif::ProgressBar;
use raxla::DType;
use serde_json::{Map, Value, json};
use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::Range,
    path::Path,
};

/// Writes all tensors, at most `limit` bytes of them to a file, and gives the number of files.
pub(super) fn write(dir: &Path, tensors: &dyn Tensors, limit: u64, bar: &ProgressBar) -> Result<usize> {
    let entries = tensors.entries();
    let shards = shards(entries.iter().map(|e| e.bytes() as u64), limit);
    let name = |i: usize| match shards.len() {
        1 => "model.safetensors".to_string(),
        n => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
    };
    let mut map = Map::new();
    for (i, shard) in shards.iter().enumerate() {
        one(&dir.join(name(i)), tensors, shard.clone(), bar)?;
        map.extend(entries[shard.clone()].iter().map(|e| (e.name.clone(), name(i).into())));
    }
    if shards.len() > 1 {
        let total: u64 = entries.iter().map(|e| e.bytes() as u64).sum();
        map.sort_keys();
        let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
        super::companions::json(&dir.join("model.safetensors.index.json"), &index)?;
    }
    Ok(shards.len())
}

/// Which tensors of these sizes go together: in their order, a new file where the limit would be passed.
pub(super) fn shards(sizes: impl Iterator<Item = u64>, limit: u64) -> Vec<Range<usize>> {
    let (mut shards, mut from, mut n, mut size) = (vec![], 0, 0, 0u64);
    for (i, bytes) in sizes.enumerate() {
        if size.saturating_add(bytes) > limit && size > 0 {
            shards.push(from..i);
            (from, size) = (i, 0);
        }
        size += bytes;
        n = i + 1;
    }
    shards.push(from..n);
    shards
}

/// Writes these tensors as one file.
pub(super) fn one(path: &Path, tensors: &dyn Tensors, shard: Range<usize>, bar: &ProgressBar) -> Result<()> {
    let entries = tensors.entries();
    // the widest first, so that all are aligned
    let mut order: Vec<usize> = shard.collect();
    order.sort_by_key(|i| std::cmp::Reverse(entries[*i].dtype.bits()));
    let mut header = Map::from_iter([("__metadata__".to_string(), json!({ "format": "pt" }))]);
    let mut at = 0;
    for i in &order {
        let Entry { name, dtype, dims } = &entries[*i];
        let end = at + entries[*i].bytes();
        header.insert(name.clone(), json!({ "dtype": spelled(*dtype), "shape": dims, "data_offsets": [at, end] }));
        at = end;
    }
    let mut header = Value::from(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let failed = |e| unwritable(path, e);
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
    file.write_all(header.as_bytes()).map_err(failed)?;
    stream(tensors, &order, bar, |_, bytes| file.write_all(bytes).map_err(failed))?;
    file.into_inner().map_err(|e| failed(e.into_error()))?.sync_all().map_err(failed)
}

/// As the format spells it.
fn spelled(dtype: DType) -> String {
    match dtype {
        DType::F8E4M3FN => "F8_E4M3".into(),
        DType::F8E4M3FNUZ => "F8_E4M3FNUZ".into(),
        DType::F8E5M2 => "F8_E5M2".into(),
        DType::F8E5M2FNUZ => "F8_E5M2FNUZ".into(),
        DType::F8E8M0FNU => "F8_E8M0".into(),
        other => other.name().to_uppercase(),
    }
}
