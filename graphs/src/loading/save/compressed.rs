//! Integers with scales in safetensors, as compressed-tensors' `pack-quantized` has them: of 8 bits with a scale for each row, or of 4
//! bits with one for each group of a row. What llm-compressor writes without calibration, and what transformers and vLLM read.

use super::tensors::{Entry, Tensors};
use crate::{
    Error, Result,
    weights::{integer_scale, reordered},
};
use raxla::DType;
use serde_json::{Value, json};

/// The largest groups, as llm-compressor has them, and smaller ones for rows that are no multiple.
const GROUPS: [usize; 5] = [128, 64, 32, 16, 8];

/// The tensors of a checkpoint, of which the matrices of linear layers are quantised.
pub(super) struct Compressed<'a> {
    inner: &'a dyn Tensors,
    bits: u32,
    /// Values of a row that share a scale; all of a row if `None`.
    group: Option<usize>,
    entries: Vec<Entry>,
    sources: Vec<Source>,
}

/// What an entry is, by the number of the tensor that it is made of.
#[derive(Clone, Copy)]
enum Source {
    Same(usize),
    Packed(usize),
    Scale(usize),
    Shape(usize),
}

/// The linear layers of the families that are quantised.
const LINEAR: [&str; 9] =
    ["q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj", "gate_proj", "up_proj", "gate_up_proj", "down_proj"];
/// The matrices that stay as they are.
const KEPT: [&str; 2] = ["embed_tokens", "lm_head"];

/// Is it the matrix of one of these modules?
fn is_of(entry: &Entry, modules: &[&str]) -> bool {
    let module = entry.name.strip_suffix(".weight").map(|name| name.rsplit('.').next().unwrap_or(name));
    entry.dims.len() == 2 && module.is_some_and(|own| modules.contains(&own))
}

fn is_linear(entry: &Entry) -> bool {
    is_of(entry, &LINEAR) && entry.dtype.is_float()
}

impl<'a> Compressed<'a> {
    pub(super) fn new(inner: &'a dyn Tensors, bits: u32) -> Result<Compressed<'a>> {
        let linear: Vec<&Entry> = inner.entries().iter().filter(|e| is_linear(e)).collect();
        let fits = |group: &usize| linear.iter().all(|e| e.dims[1].is_multiple_of(*group));
        let group = (bits == 4).then(|| GROUPS.into_iter().find(fits).unwrap_or(0));
        let odd = linear.iter().find(|e| !e.dims[1].is_multiple_of(32 / bits as usize) || group == Some(0));
        // a reader takes every linear layer for quantised: none may stay as it is
        let matrices = inner.entries().iter().filter(|e| e.dims.len() > 1);
        let other = { matrices }.find(|e| !is_linear(e) && !is_of(e, &KEPT) || e.name.contains(".experts."));
        let refused = |e: &Entry, why: &str| {
            let help = "write a GGUF file, whose blocks also hold such models";
            Err(Error::Usage(format!("{} {:?} is not written as int{bits}: {why}\n  help: {help}", e.name, e.dims)))
        };
        match (odd, other) {
            (Some(e), _) => return refused(e, "its rows are no multiple of 8 values"),
            (_, Some(e)) => return refused(e, "it is none of the linear layers that all readers know"),
            _ => {}
        }
        let (mut entries, mut sources) = (vec![], vec![]);
        for (i, e) in inner.entries().iter().enumerate() {
            let mut add = |suffix: &str, dtype, dims: Vec<usize>, source| {
                entries.push(Entry { name: format!("{}{suffix}", e.name), dtype, dims });
                sources.push(source);
            };
            if !is_linear(e) {
                add("", e.dtype, e.dims.clone(), Source::Same(i));
                continue;
            }
            let (rows, columns) = (e.dims[0], e.dims[1]);
            add("_packed", DType::I32, vec![rows, columns * bits as usize / 32], Source::Packed(i));
            add("_scale", e.dtype, vec![rows, columns / group.unwrap_or(columns)], Source::Scale(i));
            add("_shape", DType::I64, vec![2], Source::Shape(i));
        }
        Ok(Compressed { inner, bits, group, entries, sources })
    }

    /// `quantization_config`.
    pub(super) fn config(&self) -> Value {
        let strategy = if self.group.is_some() { "group" } else { "channel" };
        let weights = json!({ "num_bits": self.bits, "type": "int", "symmetric": true, "strategy": strategy,
            "group_size": self.group, "dynamic": false, "observer": "minmax", "actorder": null, "block_structure": null,
            "observer_kwargs": {} });
        let group =
            json!({ "targets": ["Linear"], "weights": weights, "input_activations": null, "output_activations": null });
        json!({ "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
            "config_groups": { "group_0": group }, "ignore": ["lm_head"], "kv_cache_scheme": null,
            "global_compression_ratio": null })
    }

    /// A matrix, and the scale of each of its groups, rounded to the dtype that it is stored in.
    fn quantise(&self, i: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let entry = &self.inner.entries()[i];
        let mut own = vec![0; entry.bytes()];
        self.inner.read(i, &mut own)?;
        let values = converted(&own, entry.dtype, DType::F32);
        let values: Vec<f32> = values.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            let (name, bits) = (&entry.name, self.bits);
            return Err(Error::Usage(format!(
                "{name} has the value {value}, which no integer of {bits} bits stands for"
            )));
        }
        let scale = |group: &[f32]| integer_scale(self.bits, group);
        let scales: Vec<f32> = values.chunks(self.group.unwrap_or(entry.dims[1])).map(scale).collect();
        let rounded = converted(bytemuck::cast_slice(&scales), DType::F32, entry.dtype);
        let rounded = converted(&rounded, entry.dtype, DType::F32);
        Ok((values, rounded.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()))
    }
}

fn converted(bytes: &[u8], from: DType, to: DType) -> Vec<u8> {
    let mut out = vec![0; bytes.len() / (from.bits() / 8) * (to.bits() / 8)];
    reordered(bytes, from, None, to, &mut out).unwrap_or_default();
    out
}

impl Tensors for Compressed<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }
    fn read(&self, i: usize, out: &mut [u8]) -> Result<()> {
        match self.sources[i] {
            Source::Same(from) => self.inner.read(from, out)?,
            Source::Shape(from) => {
                for (o, n) in out.chunks_exact_mut(8).zip(&self.inner.entries()[from].dims) {
                    o.copy_from_slice(&(*n as i64).to_le_bytes());
                }
            }
            Source::Scale(from) => {
                let (_, scales) = self.quantise(from)?;
                out.copy_from_slice(&converted(bytemuck::cast_slice(&scales), DType::F32, self.entries[i].dtype));
            }
            Source::Packed(from) => {
                let (values, scales) = self.quantise(from)?;
                let group = self.group.unwrap_or(self.inner.entries()[from].dims[1]);
                let half = 1i32 << (self.bits - 1);
                let number =
                    |(v, scale): (&f32, f32)| ((v / scale).round_ties_even() as i32).clamp(-half, half - 1) + half;
                let numbers =
                    values.chunks(group).zip(&scales).flat_map(|(g, s)| g.iter().map(|v| number((v, *s)) as u8));
                let numbers: Vec<u8> = numbers.collect();
                match self.bits {
                    4 => out.iter_mut().zip(numbers.chunks_exact(2)).for_each(|(o, n)| *o = n[0] | n[1] << 4),
                    _ => out.copy_from_slice(&numbers),
                }
            }
        }
        Ok(())
    }
    fn float(&self) -> Option<DType> {
        self.inner.float()
    }
}
