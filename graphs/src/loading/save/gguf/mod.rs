//! GGUF files, as llama.cpp reads them.
//!
//! The header is written first, and read again as any GGUF file is: a model that the format cannot describe is refused before
//! the work begins. Then the tensors follow one by one.

mod metadata;
mod mixture;
mod values;

pub use mixture::Quantization;

use super::{Companions, SaveOptions, Saved, tensors::Tensors, unwritable};
use crate::{
    Error, LoadError, Result,
    config::HfConfig,
    models::Decoder,
    params::bar,
    weights::{
        Encoding, Weights,
        gguf::{Metadata, Value, type_number},
        names::{self, Architecture, Rule},
        reordered,
    },
};
use bytemuck::{cast_slice, cast_slice_mut};
use mixture::Facts;
use raxla::{DType, Param};
use raxla_xla::Draft;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};
use values::{put_string, put_value};

const ALIGNMENT: usize = 32;
const ROPE_DIVISORS: &str = names::ROPE_FACTORS[0];

/// A tensor of the file.
struct Planned {
    name: String,
    /// Row-major.
    dims: Vec<usize>,
    encoding: Encoding,
    rule: Rule,
    /// Heads along the rows, where these are interleaved.
    heads: usize,
    /// The numbers of the tensors that it is made of: one, or the matrices of all experts.
    parts: Vec<usize>,
}

impl Planned {
    fn bytes(&self) -> usize {
        self.encoding.bytes(self.dims.iter().product()).unwrap_or(0)
    }
}

/// Experts, and the numbers of their tensors.
type Parts = Vec<(usize, usize)>;

/// What a file is made of.
pub(super) struct Source<'a> {
    /// As f32.
    pub(super) tensors: &'a dyn Tensors,
    pub(super) companions: &'a Companions<'a>,
    /// Of a model that comes from a GGUF file: its metadata is kept.
    pub(super) metadata: Option<&'a Metadata>,
}

/// What `options` ask for; `None`: matrices as they are stored.
pub(super) fn quantization(options: &SaveOptions) -> Result<Option<Quantization>> {
    let of_dtype = match options.dtype {
        None => None,
        Some(DType::F32) => Some(Quantization::F32),
        Some(DType::F16) => Some(Quantization::F16),
        Some(DType::BF16) => Some(Quantization::BF16),
        Some(other) => {
            let help = "give f32, f16 or bf16";
            return Err(Error::Usage(format!("matrices of a GGUF file are not written as {other}\n  help: {help}")));
        }
    };
    if let Some(packed) = options.quantize.filter(|q| q.packed().is_some()) {
        let name = packed.name();
        return Err(Error::Usage(format!("{name} is a way to store matrices in safetensors\n  help: write a folder")));
    }
    match (options.quantize, of_dtype) {
        (Some(a), Some(b)) if a != b => {
            let (a, b) = (a.name(), b.name());
            Err(Error::Usage(format!("matrices are to be {a}, but also {b}: give one of them")))
        }
        (a, b) => Ok(a.or(b)),
    }
}

/// Writes the file.
pub(super) fn write(path: &Path, source: &Source, options: &SaveOptions) -> Result<Saved> {
    let config = source.companions.config;
    let table = names::of_model(&config.model_type).ok_or_else(|| {
        let known = names::known_models();
        config.error(format!("raxla does not write GGUF files of `{}`\n  help: it writes {known}", config.model_type))
    })?;
    let spec = Decoder::of(config, false)?;
    let said = metadata::said(config, &spec, table.gguf)?;
    let quantization = quantization(options)?;
    let planned = plan(source, &spec, table, quantization)?;
    let mut keys = source.keys(table, &said.keys, quantization, &planned, path)?;
    keys.sort_by_key(|(key, _)| key != "general.architecture");
    let failed = |e| unwritable(path, e);
    let (draft, file) = Draft::file(path).map_err(failed)?;
    let mut out = Out { file: BufWriter::new(file), at: 0, path };
    let total = out.header(&keys, &planned, said.divisors.as_deref())?;
    check_readable(&mut out, total, draft.path(), &spec, config, table)?;
    let bytes = planned.iter().map(|p| p.bytes() as u64).sum();
    let bar = bar(options.progress, "writing weights", bytes);
    for tensor in &planned {
        out.tensor(tensor, source.tensors)?;
        bar.inc(tensor.bytes() as u64);
    }
    out.finish()?;
    draft.publish().map_err(failed)?;
    bar.finish_and_clear();
    Ok(Saved { tensors: planned.len(), bytes, files: 1 })
}

/// The tensors of the file in their order: the embedding, the layers, the head.
fn plan(
    source: &Source,
    spec: &Decoder<Param>,
    table: &Architecture,
    quantization: Option<Quantization>,
) -> Result<Vec<Planned>> {
    let (config, entries) = (source.companions.config, source.tensors.entries());
    let own = spec.params().into_iter().filter(|(_, p)| p.tied.is_none()).flat_map(|(_, p)| p.checkpoint_names());
    let own: BTreeSet<String> = own.collect();
    let mut found: BTreeMap<(usize, usize, String), (Rule, Parts)> = BTreeMap::new();
    for (number, entry) in entries.iter().enumerate().filter(|(_, e)| own.contains(&e.name)) {
        let place = table.place(&entry.name).ok_or_else(|| {
            let (name, architecture) = (&entry.name, table.gguf);
            config.error(format!("a GGUF file of the architecture {architecture} has no place for the tensor {name}"))
        })?;
        let layer = place.name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse().ok());
        let rank = if place.name.contains("_embd.") { 0 } else { 1 + usize::from(layer.is_none()) };
        let parts = &mut found.entry((rank, layer.unwrap_or(0), place.name)).or_insert((place.rule, vec![])).1;
        parts.push((place.expert.unwrap_or(0), number));
    }
    let facts = facts(spec, config, table, found.keys().any(|(.., name)| name == "output.weight"))?;
    let planned = found.into_iter().map(|((.., name), (rule, mut parts))| {
        parts.sort_unstable();
        let parts: Vec<usize> = parts.into_iter().map(|(_, number)| number).collect();
        let mut dims = entries[parts[0]].dims.clone();
        match rule {
            Rule::Conv1D => dims.reverse(),
            Rule::Experts => dims.insert(0, parts.len()),
            _ => {}
        }
        let encoding = match quantization {
            Some(quantization) => mixture::target(quantization, &name, &dims, &facts),
            None => as_stored(source, parts[0], &name, &dims),
        };
        let heads = if rule == Rule::KeyHeads { facts.kv_heads } else { facts.heads };
        Planned { name, dims, encoding, rule, heads, parts }
    });
    Ok(planned.collect())
}

fn facts(spec: &Decoder<Param>, config: &HfConfig, table: &Architecture, own_head: bool) -> Result<Facts> {
    let first = spec.layers.iter().next().ok_or_else(|| config.error("it has no layers"))?;
    let a = metadata::attention(first, config)?;
    if own_head && ["gemma", "gemma2"].contains(&table.gguf) {
        let reason = "llama.cpp takes the embedding for the head of this family, but the model has a head of its own";
        return Err(config.error(format!("{reason}\n  help: write it as safetensors")).into());
    }
    let experts = match &first.mlp {
        crate::models::FeedForward::Experts(e) => e.up.aval.dims[0],
        crate::models::FeedForward::Mlp(_) => 0,
    };
    let (heads, kv_heads) = (a.q.w.aval.dims[1], a.k.w.aval.dims[1]);
    Ok(Facts { architecture: table.gguf, layers: spec.layers(), heads, kv_heads, experts, tied: !own_head })
}

/// Floats of 16 bits and blocks stay what they are; other floats become f32 or, if they are smaller, bf16.
fn as_stored(source: &Source, number: usize, name: &str, dims: &[usize]) -> Encoding {
    if let Some((encoding, _)) = source.tensors.in_gguf(number) {
        return encoding;
    }
    match source.tensors.own(number) {
        _ if !mixture::is_quantised(name, dims) => Encoding::Plain(DType::F32),
        Encoding::Plain(DType::F32 | DType::F64) => Encoding::Plain(DType::F32),
        Encoding::Plain(DType::F16) => Encoding::Plain(DType::F16),
        _ => Encoding::Plain(DType::BF16),
    }
}

impl Source<'_> {
    /// All metadata.
    fn keys(
        &self,
        table: &Architecture,
        own: &[(&'static str, Value)],
        quantization: Option<Quantization>,
        planned: &[Planned],
        path: &Path,
    ) -> Result<Vec<(String, Value)>> {
        let string = |text: &str| Value::Str(text.to_string());
        let number = |n: u32| Value::Int(n.into());
        let mut keys = vec![];
        if let Some(metadata) = self.metadata {
            // (where tensors are differs, and whether they are in parts)
            let kept = |key: &str| !key.starts_with("split.") && key != "general.alignment";
            keys.extend(metadata.iter().filter(|(key, _)| kept(key)).map(|(key, v)| (key.to_string(), v.clone())));
        } else {
            let name = self.companions.config.raw.get("_name_or_path").and_then(|v| v.as_str());
            let name = name.filter(|name| !name.is_empty()).or(path.file_stem().and_then(|stem| stem.to_str()));
            keys.push(("general.architecture".into(), string(table.gguf)));
            keys.push(("general.type".into(), string("model")));
            keys.extend(name.map(|name| ("general.name".to_string(), string(name))));
            keys.extend(own.iter().map(|(key, value)| (format!("{}.{key}", table.gguf), value.clone())));
            let rows = planned.iter().find(|p| p.name == "token_embd.weight").map_or(0, |p| p.dims[0]);
            match self.companions.tokenizer {
                Some(tokenizer) => keys.extend(tokenizer.to_gguf(rows)?),
                None => keys.push(("tokenizer.ggml.model".into(), string("none"))),
            }
            let g = self.companions.generation;
            for (name, id) in [("bos", g.bos), ("eos", g.eos.first().copied()), ("padding", g.pad)] {
                let key = format!("tokenizer.ggml.{name}_token_id");
                if let Some(id) = id.filter(|_| keys.iter().all(|(have, _)| *have != key)) {
                    keys.push((key, number(id)));
                }
            }
        }
        // without a mixture, the type of the first matrix, as the converter of llama.cpp guesses it
        let stored = planned.iter().find(|p| mixture::is_quantised(&p.name, &p.dims)).map(|p| p.encoding);
        let file_type = match (quantization, stored) {
            (Some(quantization), _) => Some(quantization),
            (None, Some(Encoding::Plain(DType::F16))) => Some(Quantization::F16),
            (None, Some(Encoding::Plain(DType::BF16))) => Some(Quantization::BF16),
            (None, Some(Encoding::Plain(_))) => Some(Quantization::F32),
            (None, _) => None,
        };
        let mut set = |key: &str, value: Value| {
            keys.retain(|(have, _)| have != key);
            keys.push((key.to_string(), value));
        };
        if let Some(file_type) = file_type {
            set("general.file_type", number(file_type.number()));
        }
        set("general.quantization_version", number(2));
        Ok(keys)
    }
}

/// Reads the header as any file's, and compares what it means with the model.
fn check_readable(
    out: &mut Out,
    total: usize,
    draft: &Path,
    spec: &Decoder<Param>,
    config: &HfConfig,
    table: &Architecture,
) -> Result<()> {
    out.file.flush().and_then(|()| out.file.get_ref().set_len(total as u64)).map_err(|e| unwritable(out.path, e))?;
    let written = Weights::open(draft)?;
    let read = Decoder::of(&HfConfig::from_gguf(&written)?, false)?;
    metadata::check(config, spec, &read, table.gguf)
}

/// A file that grows.
struct Out<'a> {
    file: BufWriter<File>,
    at: usize,
    path: &'a Path,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| unwritable(self.path, e))?;
        self.at += bytes.len();
        Ok(())
    }

    fn align(&mut self) -> Result<()> {
        let zeros = self.at.next_multiple_of(ALIGNMENT) - self.at;
        self.put(&[0; ALIGNMENT][..zeros])
    }

    /// Everything before the model's tensors; gives how many bytes the file will have.
    fn header(&mut self, keys: &[(String, Value)], planned: &[Planned], divisors: Option<&[f32]>) -> Result<usize> {
        let divisors_bytes: Vec<u8> =
            divisors.iter().flat_map(|all| all.iter().flat_map(|x| x.to_le_bytes())).collect();
        let (f32s, n) = (Encoding::Plain(DType::F32), [divisors.map_or(0, <[f32]>::len)]);
        let first = divisors.map(|_| (ROPE_DIVISORS, &n[..], f32s, divisors_bytes.len()));
        let others = planned.iter().map(|p| (p.name.as_str(), &p.dims[..], p.encoding, p.bytes()));
        let all: Vec<_> = first.into_iter().chain(others).collect();
        let mut header = b"GGUF\x03\0\0\0".to_vec();
        header.extend((all.len() as u64).to_le_bytes());
        header.extend((keys.len() as u64).to_le_bytes());
        for (key, value) in keys {
            put_string(&mut header, key);
            put_value(&mut header, value);
        }
        let mut offset = 0;
        for (name, dims, encoding, bytes) in all {
            put_string(&mut header, name);
            header.extend((dims.len() as u32).to_le_bytes());
            dims.iter().rev().for_each(|n| header.extend((*n as u64).to_le_bytes()));
            header.extend(type_number(encoding).unwrap_or_default().to_le_bytes());
            header.extend((offset as u64).to_le_bytes());
            offset = (offset + bytes).next_multiple_of(ALIGNMENT);
        }
        self.put(&header)?;
        self.align()?;
        let total = self.at + offset;
        self.put(&divisors_bytes)?;
        self.align()?;
        Ok(total)
    }

    fn tensor(&mut self, planned: &Planned, tensors: &dyn Tensors) -> Result<()> {
        for number in &planned.parts {
            if let Some((encoding, bytes)) = tensors.in_gguf(*number)
                && encoding == planned.encoding
            {
                self.put(bytes)?;
                continue;
            }
            let entry = &tensors.entries()[*number];
            let mut values = vec![0f32; entry.dims.iter().product()];
            tensors.read(*number, cast_slice_mut(&mut values))?;
            if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                let (name, path) = (entry.name.clone(), self.path.to_path_buf());
                let reason = format!("it has the value {value}, which no number of fewer bits stands for");
                return Err(LoadError::Tensor { path, name, reason }.into());
            }
            let values = in_order(values, entry.dims.first().copied().unwrap_or(1), planned);
            let mut out = vec![0; planned.encoding.bytes(values.len()).unwrap_or(0)];
            match planned.encoding {
                Encoding::Blocks(block) => block.encode(&values, &mut out),
                Encoding::Plain(dtype) => {
                    reordered(cast_slice(&values), DType::F32, None, dtype, &mut out).unwrap_or_default();
                }
                _ => {}
            }
            self.put(&out)?;
        }
        self.align()
    }

    fn finish(self) -> Result<()> {
        let path = self.path;
        let file = self.file.into_inner().map_err(|e| unwritable(path, e.into_error()))?;
        file.sync_all().map_err(|e| unwritable(path, e))
    }
}

/// Values of a checkpoint, of a tensor with so many rows, in the order of a GGUF file.
fn in_order(mut values: Vec<f32>, rows: usize, planned: &Planned) -> Vec<f32> {
    let row = values.len() / rows.max(1);
    match planned.rule {
        Rule::Same | Rule::Experts => values,
        Rule::PlusOne => {
            values.iter_mut().for_each(|v| *v += 1.0);
            values
        }
        Rule::Conv1D => (0..values.len()).map(|i| values[i % rows * row + i / rows]).collect(),
        Rule::QueryHeads | Rule::KeyHeads => {
            // neighbours are turned together there: the two halves of a head are interleaved
            let head = rows / planned.heads.max(1);
            let from = |r: usize| r / head * head + r % head % 2 * (head / 2) + r % head / 2;
            (0..rows).flat_map(|r| values[from(r) * row..][..row].iter().copied()).collect()
        }
    }
}
