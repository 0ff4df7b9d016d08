//! The integers of compressed-tensors (llm-compressor, vLLM), read as the floats that they stand for: `pack-quantized` with 4 or 8
//! bits, `int-quantized` and `naive-quantized`, symmetric, with a scale for each group of a row, for each row, or for all.

use super::convert::{self, Encoding, Layout};
use super::quantised::{Scales, is_whole};
use super::{Stored, Weights};
use crate::{LoadError, config::HfConfig};
use raxla_xla::DType;
use serde_json::Value;

const PACKED: &str = "_packed";
const SCALE: &str = "_scale";
const SHAPE: &str = "_shape";

impl Weights {
    /// Makes one of `X.weight_packed` (or `X.weight` of 8-bit integers) and `X.weight_scale`.
    pub(super) fn compressed(&mut self, quantised: &HfConfig) -> Result<(), LoadError> {
        let bits = bits(quantised)?;
        for base in self.with_suffix(PACKED) {
            let (packed_name, shape_name) = (format!("{base}{PACKED}"), format!("{base}{SHAPE}"));
            let shape =
                self.tensors.get(&shape_name).filter(|s| s.encoding == Encoding::Plain(DType::I64) && is_whole(s));
            let shape =
                shape.map(|s| self.slice(s).as_chunks::<8>().0.iter().map(|n| i64::from_le_bytes(*n)).collect());
            let shape: Vec<i64> = shape.unwrap_or_default();
            let Some(packed) = self.tensors.get(&packed_name) else { continue };
            let per_word = 32 / usize::from(bits);
            let [rows, words] = packed.dims[..] else { return Err(self.bad_tensor(&packed_name, "it is no matrix")) };
            let columns = words.checked_mul(per_word).unwrap_or(0);
            let fits = packed.encoding == Encoding::Plain(DType::I32) && is_whole(packed);
            if !fits || shape != [rows as i64, columns as i64] {
                let (encoding, have) = (packed.encoding, [rows, words]);
                let reason = format!(
                    "it is {encoding} {have:?}, which are no {shape:?} integers of {bits} bits (`{shape_name}`)"
                );
                return Err(self.bad_tensor(&packed_name, reason));
            }
            let whole = Stored { encoding: Encoding::Packed(bits), dims: vec![rows, columns], ..packed.clone() };
            [&packed_name, &shape_name].into_iter().for_each(|name| drop(self.tensors.remove(name)));
            self.tensors.insert(base, whole);
        }
        for base in self.with_suffix(SCALE) {
            let scale_name = format!("{base}{SCALE}");
            if !base.ends_with(".weight") {
                continue;
            }
            let (Some(weight), Some(scale)) = (self.tensors.get(&base), self.tensors.get(&scale_name)) else {
                return Err(self.bad_tensor(&base, format!("it is missing, but its scales {scale_name} are there")));
            };
            let encoding = match weight.encoding {
                Encoding::Plain(DType::I8) => Encoding::Scaled(DType::I8),
                packed @ Encoding::Packed(_) => packed,
                other => return Err(self.bad_tensor(&base, format!("it has scales, but is stored as {other}"))),
            };
            let block = match (&weight.dims[..], &scale.dims[..]) {
                ([rows, columns], [1] | []) => Some([*rows, *columns]),
                ([rows, columns], [n, groups]) if n == rows && *groups > 0 && columns.is_multiple_of(*groups) => {
                    Some([1, columns / groups])
                }
                _ => None,
            };
            let readable = convert::convertible(scale.encoding, DType::F32) && is_whole(scale);
            let Some(block) = block.filter(|_| readable) else {
                let (have, encoding, dims) = (&scale.dims, scale.encoding, &weight.dims);
                let reason =
                    format!("it is {encoding} {have:?}, but {base} {dims:?} needs one for each part of each row");
                return Err(self.bad_tensor(&scale_name, reason));
            };
            let scales = Scales::new(scale.file, scale.encoding, scale.range.clone(), block);
            self.tensors.remove(&scale_name);
            if let Some(weight) = self.tensors.get_mut(&base) {
                (weight.encoding, weight.scales, weight.layout) = (encoding, Some(scales), Layout::Same);
            }
        }
        let lonely = |s: &Stored| s.scales.is_none() && matches!(s.encoding, Encoding::Packed(_));
        if let Some((name, _)) = self.tensors.iter().find(|(_, s)| lonely(s)) {
            return Err(self.bad_tensor(name, format!("its scales {name}{SCALE} are missing")));
        }
        self.tensors.retain(|name, _| !name.ends_with(".input_scale") && !name.ends_with(".output_scale"));
        Ok(())
    }
}

/// How many bits its integers have.
fn bits(quantised: &HfConfig) -> Result<u8, LoadError> {
    let groups = quantised.get("config_groups").and_then(Value::as_object);
    let weights = groups.into_iter().flat_map(|all| all.values()).map(|group| &group["weights"]);
    let format = quantised.str_opt("format")?.unwrap_or_default();
    let refused = |what: String| {
        quantised.error(format!(
            "raxla cannot read weights that compressed-tensors holds as {what}\n  help: take the original checkpoint; raxla reads \
             pack-quantized, int-quantized and naive-quantized integers of 8 bits, and of 4 packed, symmetric and in their order"
        ))
    };
    if !["pack-quantized", "int-quantized", "naive-quantized"].contains(&format) {
        return Err(refused(format!("`{format}`")));
    }
    let mut found = None;
    for w in weights {
        let bits = w["num_bits"].as_u64().and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
        let plain = w["type"].as_str().unwrap_or("int") == "int" && w["symmetric"].as_bool().unwrap_or(true);
        let known = if format == "pack-quantized" { [4, 8].contains(&bits) } else { bits == 8 };
        let in_order = w["actorder"].is_null() || w["actorder"] == "static" || w["actorder"] == "weight";
        if !known || !plain || !in_order || found.is_some_and(|other| other != bits) {
            return Err(refused(format!("`{format}` with {w}")));
        }
        found = Some(bits);
    }
    found.ok_or_else(|| quantised.error("`config_groups` says of no weights how they are quantised"))
}
