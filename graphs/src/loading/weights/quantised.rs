//! Quantised checkpoints, read as the floats that they stand for: fp8 with a scale for each block of a matrix (DeepSeek V3,
//! Qwen 3), MXFP4 (GPT-OSS), and integers (`compressed.rs`).
//!
//! A quantised tensor is stored as two. [`Weights::dequantise`] makes them one, under the name and in the shape of the tensor
//! meant; from there on nothing needs to know how it is stored.

use super::convert::{self, Encoding, Grid, Layout, Scale};
use super::view::View;
use super::{Stored, Weights};
use crate::{LoadError, config::HfConfig};
use raxla_xla::DType;
use std::ops::Range;

/// Where the scales of a tensor are.
#[derive(Clone, Debug)]
pub(super) struct Scales {
    file: usize,
    encoding: Encoding,
    pub(super) range: Range<usize>,
    /// Rows and columns of the values that share one.
    pub(super) block: [usize; 2],
}

impl Scales {
    pub(super) fn new(file: usize, encoding: Encoding, range: Range<usize>, block: [usize; 2]) -> Scales {
        Scales { file, encoding, range, block }
    }
}

const FP8_SCALES: &str = "_scale_inv";
const MX_BLOCKS: &str = "_blocks";
const MX_SCALES: &str = "_scales";

impl Weights {
    /// Makes one of each quantised tensor and its scales, as `quantization_config` says that they belong together; without
    /// one nothing changes. All reading gives floats then: of fp8 `X.weight` times the scales of its blocks
    /// (`X.weight_scale_inv`), and for MXFP4 `X`, `[e, n, rows]`, of `X_blocks` `[e, rows, n / 32, 16]` and `X_scales`
    /// `[e, rows, n / 32]`. Products are f32, and are rounded to the dtype asked for. Tensors without scales stay as they are.
    ///
    /// # Errors
    /// Another method of quantisation; scales that are missing or do not fit.
    pub fn dequantise(&mut self, config: &HfConfig) -> Result<(), LoadError> {
        // (a GGUF file says itself how its values are stored)
        let quantised = config.section("quantization_config")?.filter(|_| self.gguf.is_none());
        let Some(quantised) = quantised else { return Ok(()) };
        match quantised.str("quant_method")? {
            "fp8" => self.fp8(block_size(&quantised)?)?,
            "mxfp4" => self.mxfp4()?,
            "compressed-tensors" => self.compressed(&quantised)?,
            other => return Err(quantised.error(unreadable(other, &quantised))),
        }
        let plain = match config.stored_dtype()? {
            Some("float32") => DType::F32,
            Some("float16") => DType::F16,
            Some("float64") => DType::F64,
            _ => DType::BF16,
        };
        self.dequantised = Some(plain);
        Ok(())
    }

    /// What transformers would make of quantised values: floats of this dtype; `None` if nothing is quantised.
    pub(crate) fn dequantised(&self) -> Option<DType> {
        self.dequantised
    }

    pub(super) fn with_suffix(&self, suffix: &str) -> Vec<String> {
        self.tensors.keys().filter_map(|name| name.strip_suffix(suffix)).map(str::to_string).collect()
    }

    fn fp8(&mut self, block: Option<[usize; 2]>) -> Result<(), LoadError> {
        for name in self.with_suffix(FP8_SCALES) {
            let scales_name = format!("{name}{FP8_SCALES}");
            let (scales, weight) = (self.tensors.get(&scales_name), self.tensors.get(&name));
            let (Some(scales), Some(weight)) = (scales, weight) else {
                return Err(self.bad_tensor(&name, format!("it is missing, but its scales {scales_name} are there")));
            };
            let dtype = match weight.encoding {
                Encoding::Plain(dtype @ (DType::F8E4M3FN | DType::F8E5M2)) if is_whole(weight) => dtype,
                other => {
                    return Err(
                        self.bad_tensor(&name, format!("it has scales, but is stored as {other} and not as fp8"))
                    );
                }
            };
            let [.., rows, columns] = weight.dims[..] else {
                return Err(self.bad_tensor(&name, format!("it has scales, but {:?} is no matrix", weight.dims)));
            };
            let stack = &weight.dims[..weight.dims.len() - 2];
            let n: usize = scales.dims.iter().product();
            let ([high, wide], wanted) = match block {
                Some([high, wide]) => ([high, wide], [stack, &[rows.div_ceil(high), columns.div_ceil(wide)]].concat()),
                // one for all of it
                None if n == 1 => ([rows.max(1), columns.max(1)], scales.dims.clone()),
                None => {
                    let have = &scales.dims;
                    let reason = format!(
                        "it has {n} scales, {have:?}, but `quantization_config` says of no blocks\n  help: give the rows and columns \
                         that share one as its `weight_block_size`, such as [128, 128]"
                    );
                    return Err(self.bad_tensor(&scales_name, reason));
                }
            };
            let readable = power_of_two_scales(scales.encoding) || convert::convertible(scales.encoding, DType::F32);
            if scales.dims != wanted || !is_whole(scales) || !readable {
                let (have, encoding, dims) = (&scales.dims, scales.encoding, &weight.dims);
                let reason = format!(
                    "it is {encoding} {have:?}, but {name} {dims:?} in blocks of [{high}, {wide}] needs a scale for each: {wanted:?}\n  \
                     help: is the `weight_block_size` of `quantization_config` the one of these weights?"
                );
                return Err(self.bad_tensor(&scales_name, reason));
            }
            let (file, encoding, range) = (scales.file, scales.encoding, scales.range.clone());
            self.tensors.remove(&scales_name);
            if let Some(weight) = self.tensors.get_mut(&name) {
                weight.encoding = Encoding::Scaled(dtype);
                weight.scales = Some(Scales { file, encoding, range, block: [high, wide] });
            }
        }
        let unscaled = |(_, stored): &(&String, &Stored)| {
            matches!(stored.encoding, Encoding::Plain(DType::F8E4M3FN | DType::F8E5M2)) && stored.dims.len() >= 2
        };
        if let Some((name, _)) = self.tensors.iter().find(unscaled) {
            return Err(self.bad_tensor(name, format!("it is fp8, but its scales {name}{FP8_SCALES} are missing")));
        }
        // of activations, which stay as they are
        self.tensors.retain(|name, _| !name.ends_with(".activation_scale") && !name.ends_with(".input_scale"));
        Ok(())
    }

    fn mxfp4(&mut self) -> Result<(), LoadError> {
        for name in self.with_suffix(MX_BLOCKS) {
            let [blocks_name, scales_name] = [MX_BLOCKS, MX_SCALES].map(|suffix| format!("{name}{suffix}"));
            let (Some(blocks), Some(scales)) = (self.tensors.get(&blocks_name), self.tensors.get(&scales_name)) else {
                return Err(self.bad_tensor(&scales_name, format!("it is missing, but {blocks_name} is there")));
            };
            let half = convert::MX / 2;
            let (&[experts, rows, groups, n], true) =
                (&blocks.dims[..], is_whole(blocks) && blocks.encoding == Encoding::Plain(DType::U8))
            else {
                let (have, encoding) = (&blocks.dims, blocks.encoding);
                let reason = format!("it is {encoding} {have:?}, and not bytes [experts, rows, groups, {half}]");
                return Err(self.bad_tensor(&blocks_name, reason));
            };
            if scales.dims != [experts, rows, groups] || !is_whole(scales) || !power_of_two_scales(scales.encoding) {
                let (have, encoding) = (&scales.dims, scales.encoding);
                let wanted = [experts, rows, groups];
                let reason =
                    format!("it is {encoding} {have:?}, but {blocks_name} {:?} needs bytes {wanted:?}", blocks.dims);
                return Err(self.bad_tensor(&scales_name, reason));
            }
            let columns = groups.checked_mul(convert::MX).filter(|_| n == half);
            let Some(columns) = columns.filter(|_| !self.tensors.contains_key(&name)) else {
                let reason = match n == half {
                    true => format!("{name} is there as well"),
                    false => format!("it has {n} bytes in a group, and not {half}"),
                };
                return Err(self.bad_tensor(&blocks_name, reason));
            };
            let scales = Scales {
                file: scales.file,
                encoding: scales.encoding,
                range: scales.range.clone(),
                block: [1, convert::MX],
            };
            self.tensors.remove(&scales_name);
            if let Some(blocks) = self.tensors.remove(&blocks_name) {
                let (dims, layout) = (vec![experts, columns, rows], Layout::Transposed);
                let whole = Stored { encoding: Encoding::Mxfp4, dims, layout, scales: Some(scales), ..blocks };
                self.tensors.insert(name, whole);
            }
        }
        Ok(())
    }

    /// The scales of a tensor's blocks, if it has such.
    pub(super) fn table(&self, stored: &Stored) -> Vec<f32> {
        let (Encoding::Scaled(_) | Encoding::Packed(_), Some(scales)) = (stored.encoding, &stored.scales) else {
            return vec![];
        };
        let bytes = &self.files[scales.file][scales.range.clone()];
        let table = match power_of_two_scales(scales.encoding) {
            true => bytes.iter().map(|exponent| convert::power_of_two(*exponent)).collect(),
            false => {
                let mut table = vec![0f32; bytes.len() / scales.encoding.bytes(1).unwrap_or(1)];
                let (dims, out) = ([table.len()], bytemuck::cast_slice_mut(&mut table));
                super::arrange::convert(scales.encoding, Layout::Same, &dims, bytes, DType::F32, out);
                table
            }
        };
        match (&table[..], &stored.dims[..]) {
            // one for each of several matrices
            ([one], [stack @ .., _, _]) => vec![*one; stack.iter().product()],
            _ => table,
        }
    }

    /// What a tensor's values are multiplied with; `table` is its [`Weights::table`].
    pub(super) fn scale<'a>(&'a self, stored: &'a Stored, table: &'a [f32]) -> Scale<'a> {
        match (&stored.scales, stored.encoding, &stored.dims[..]) {
            (Some(scales), Encoding::Mxfp4, _) => Scale::Exponents(&self.files[scales.file][scales.range.clone()]),
            (Some(scales), _, [.., rows, columns]) => {
                Scale::Grid(Grid { scales: table, matrix: [*rows, *columns], block: scales.block })
            }
            _ => Scale::Own,
        }
    }
}

/// `weight_block_size`, rows and columns.
fn block_size(quantised: &HfConfig) -> Result<Option<[usize; 2]>, LoadError> {
    let Some(value) = quantised.get("weight_block_size") else { return Ok(None) };
    let sizes = value.as_array().map(|sizes| sizes.iter().map(|n| n.as_u64().filter(|n| *n > 0)).collect::<Vec<_>>());
    match sizes.as_deref() {
        Some([Some(rows), Some(columns)]) => Ok(Some([*rows as usize, *columns as usize])),
        _ => Err(quantised.error(format!(
            "`weight_block_size` is {value}, and not the rows and columns of a block\n  help: give two numbers, such as [128, 128]"
        ))),
    }
}

/// What is said of a method that raxla cannot read.
fn unreadable(method: &str, quantised: &HfConfig) -> String {
    let flag = |key: &str| quantised.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    let number =
        |key: &str| quantised.get(key).filter(|v| v.is_number()).map(|v| format!(" to {v} bits")).unwrap_or_default();
    let (what, tool) = match method {
        "gptq" => (format!("GPTQ{}: packed integers (`qweight`) with scales of groups", number("bits")), "GPTQModel"),
        "awq" => (format!("AWQ{}: packed integers (`qweight`) with scales of groups", number("bits")), "AutoAWQ"),
        "bitsandbytes" if flag("load_in_4bit") || flag("_load_in_4bit") => {
            let kind = quantised.get("bnb_4bit_quant_type").and_then(|v| v.as_str()).unwrap_or("nf4");
            (format!("bitsandbytes to 4 bits ({kind}): packed bytes with scales of blocks"), "bitsandbytes")
        }
        "bitsandbytes" => ("bitsandbytes to 8 bits: integers with scales of rows".to_string(), "bitsandbytes"),
        "fbgemm_fp8" => ("fbgemm_fp8: 8-bit floats with scales of rows".to_string(), "fbgemm"),
        other => (format!("`{other}`"), "the tool that quantised it"),
    };
    format!(
        "raxla cannot read weights that are quantised by {what}\n  help: take the original checkpoint in bf16 or f16, or a GGUF file of \
         the model, or write it as bf16 with {tool}; of quantised safetensors raxla reads fp8 with scales of blocks, mxfp4, and integers of compressed-tensors"
    )
}

/// One value behind the other, row-major, without scales yet.
pub(super) fn is_whole(stored: &Stored) -> bool {
    stored.layout == Layout::Same && stored.view == View::Whole && stored.scales.is_none()
}

/// Scales that are exponents alone (E8M0).
fn power_of_two_scales(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Plain(DType::U8 | DType::F8E8M0FNU))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadOptions, Model, SaveOptions, params, weights::Weights};
    use half::bf16;
    use raxla::{Param, param::Selection, runtime};
    use safetensors::tensor::{Dtype, TensorView};
    use serde_json::json;
    use std::path::Path;

    type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

    fn tensor(name: &str, dtype: Dtype, dims: &[usize], bytes: Vec<u8>) -> Tensor {
        (name.to_string(), dtype, dims.to_vec(), bytes)
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn write(dir: &Path, tensors: &[Tensor]) {
        let views = tensors.iter().map(|(n, d, dims, b)| (n, TensorView::new(*d, dims.clone(), b).unwrap()));
        safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
    }

    fn config(quantised: serde_json::Value) -> HfConfig {
        let text = json!({ "model_type": "none", "quantization_config": quantised }).to_string();
        HfConfig::parse(&text, "config.json").unwrap()
    }

    fn fp8() -> HfConfig {
        config(json!({ "quant_method": "fp8", "weight_block_size": [2, 2] }))
    }

    fn opened(tensors: &[Tensor], config: &HfConfig) -> Result<Weights, LoadError> {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), tensors);
        let mut weights = Weights::open(dir.path())?;
        weights.dequantise(config).map(|()| weights)
    }

    /// 1, 2, -1, 0.5, 1.75 in each row.
    const BYTES: [u8; 5] = [0x38, 0x40, 0xb8, 0x30, 0x3e];

    #[test]
    fn fp8_is_multiplied_with_the_scales_of_its_blocks() {
        let weight = tensor("a.weight", Dtype::F8_E4M3, &[3, 5], BYTES.repeat(3));
        let scales = [1.0, 2.0, 4.0, 8.0, 0.5, 0.1];
        let norm = tensor("norm.weight", Dtype::F32, &[1], f32s(&[3.0]));
        let plain = tensor("b.weight", Dtype::F8_E4M3, &[5], BYTES.to_vec());
        let activations = tensor("a.activation_scale", Dtype::F32, &[1], f32s(&[3.0]));
        let of = |name, scales: &[f32]| tensor(name, Dtype::F32, &[2, 3], f32s(scales));
        let scales = of("a.weight_scale_inv", &scales);
        let weights = opened(&[weight, scales, norm, plain, activations], &fp8()).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["a.weight", "b.weight", "norm.weight"]);
        let info = weights.info("a.weight").unwrap();
        assert_eq!(info.dims, [3, 5]);
        assert_eq!(info.encoding.to_string(), "f8e4m3fn with scales of blocks");
        assert_eq!((weights.bytes("a.weight"), weights.stored_bytes()), (None, 15 + 24 + 4 + 5));
        let last = 1.75 * 0.1;
        let wanted = [1.0, 2.0, -2.0, 1.0, 7.0, 1.0, 2.0, -2.0, 1.0, 7.0, 8.0, 16.0, -0.5, 0.25, last];
        assert_eq!(weights.read_f32("a.weight").unwrap(), wanted);
        let rounded: Vec<u8> = wanted.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        assert_eq!(weights.read("a.weight", DType::BF16).unwrap(), rounded);
        assert_eq!(weights.read_f32("b.weight").unwrap(), [1.0, 2.0, -1.0, 0.5, 1.75]);
        weights.check(&[("a.weight".into(), vec![3, 5])], &|name| !name.starts_with('a')).unwrap();
        // a column
        let part = Selection { outer: 3, of: 5, inner: 1, start: 4, step: 1, count: 1 };
        let mut out = vec![0; 12];
        weights.read_slice_into("a.weight", &part, DType::F32, &mut out).unwrap();
        assert_eq!(out, f32s(&[7.0, 7.0, last]));
        let error = weights.read_slice_into("a.weight", &Selection { start: 5, ..part }, DType::F32, &mut out);
        assert!(error.unwrap_err().to_string().contains("have no slice"));
    }

    #[test]
    fn scales_of_stacks_and_of_other_dtypes() {
        let weight = tensor("w", Dtype::F8_E4M3, &[2, 1, 5], BYTES.repeat(2));
        let exponents = vec![127, 128, 126, 130, 0, 127];
        for dtype in [Dtype::U8, Dtype::F8_E8M0] {
            let scales = tensor("w_scale_inv", dtype, &[2, 1, 3], exponents.clone());
            let weights = opened(&[weight.clone(), scales], &fp8()).unwrap();
            let tiny = 2f32.powi(-127);
            let wanted = [1.0, 2.0, -2.0, 1.0, 0.875, 8.0, 16.0, -tiny, tiny / 2.0, 1.75];
            assert_eq!(weights.read_f32("w").unwrap(), wanted);
        }
        let bf16s = [1.0, 2.0, 0.5, 8.0, 0.25, 1.0].iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        let scales = tensor("w_scale_inv", Dtype::BF16, &[2, 1, 3], bf16s);
        let weights = opened(&[weight.clone(), scales], &fp8()).unwrap();
        assert_eq!(weights.read_f32("w").unwrap()[4..], [0.875, 8.0, 16.0, -0.25, 0.125, 1.75]);
        // one for all
        let scales = tensor("w_scale_inv", Dtype::F32, &[], f32s(&[2.0]));
        let weights = opened(&[weight, scales], &config(json!({ "quant_method": "fp8" }))).unwrap();
        assert_eq!(weights.read_f32("w").unwrap()[3..7], [1.0, 3.5, 2.0, 4.0]);
    }

    /// Blocks `[2, 3, 2, 16]`, their scales, and the values meant, `[2, 64, 3]`.
    fn mxfp4() -> (Vec<u8>, Vec<u8>, Vec<f32>) {
        let magnitudes = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
        let blocks: Vec<u8> = (0..2 * 3 * 2 * 16).map(|i| (i * 37 + i / 7) as u8).collect();
        let scales: Vec<u8> = (0..2 * 3 * 2).map(|i| 120 + i as u8).collect();
        let value = |expert: usize, column: usize, row: usize| {
            let group = (expert * 3 + row) * 2 + column / 32;
            let byte = blocks[group * 16 + column % 32 / 2];
            let bits = if column.is_multiple_of(2) { byte % 16 } else { byte / 16 };
            let sign = if bits >= 8 { -1.0 } else { 1.0 };
            sign * magnitudes[usize::from(bits % 8)] * 2f32.powi(i32::from(scales[group]) - 127)
        };
        let all = (0..2).flat_map(|e| (0..64).flat_map(move |c| (0..3).map(move |r| (e, c, r))));
        let values = all.map(|(e, c, r)| value(e, c, r)).collect();
        (blocks, scales, values)
    }

    #[test]
    fn mxfp4_stands_for_the_transposed_values() {
        let quantised = config(json!({ "quant_method": "mxfp4", "modules_to_not_convert": [] }));
        // by hand: 0x21 is 0.5 and then 1, times two
        let one = [
            tensor("x_blocks", Dtype::U8, &[1, 1, 1, 16], vec![0x21; 16]),
            tensor("x_scales", Dtype::U8, &[1, 1, 1], vec![128]),
        ];
        let weights = opened(&one, &quantised).unwrap();
        assert_eq!(weights.info("x").unwrap().dims, [1, 32, 1]);
        assert_eq!(weights.read_f32("x").unwrap(), [1.0, 2.0].repeat(16));
        let (blocks, scales, values) = mxfp4();
        let tensors = [
            tensor("x_blocks", Dtype::U8, &[2, 3, 2, 16], blocks),
            tensor("x_scales", Dtype::U8, &[2, 3, 2], scales),
            tensor("x_bias", Dtype::F32, &[1], f32s(&[1.0])),
        ];
        let weights = opened(&tensors, &quantised).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["x", "x_bias"]);
        assert_eq!(weights.info("x").unwrap().encoding.to_string(), "mxfp4");
        assert_eq!(weights.read_f32("x").unwrap(), values);
        // as parameters: what is interleaved, and a copy of it all
        let p = Param::new([2, 64, 1], ["experts", "embed", "mlp"]).stored("x");
        let specs = [("b".to_string(), p.clone().strided(2, 1, 2, 3)), ("c".to_string(), p.slice(2, 2, 3))];
        let client = runtime::client().unwrap();
        let arrays =
            params::load(&specs, &weights, &|name| name == "x_bias", DType::BF16, &client, None, false).unwrap();
        for (array, row) in arrays.iter().zip([1, 2]) {
            let wanted: Vec<u8> =
                values.iter().skip(row).step_by(3).flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
            assert_eq!(array.to_bytes().unwrap(), wanted);
        }
    }

    #[test]
    fn scales_that_do_not_fit_are_refused() {
        let weight = || tensor("w", Dtype::F8_E4M3, &[3, 5], BYTES.repeat(3));
        let refusal = |tensors: &[Tensor], config: &HfConfig| opened(tensors, config).unwrap_err().to_string();
        let scales =
            |dims: &[usize]| tensor("w_scale_inv", Dtype::F32, dims, vec![0; 4 * dims.iter().product::<usize>()]);
        for dims in [&[2, 2][..], &[6], &[1, 2, 3]] {
            let text = refusal(&[weight(), scales(dims)], &fp8());
            let needed = "but w [3, 5] in blocks of [2, 2] needs a scale for each: [2, 3]";
            assert!(text.starts_with("tensor `w_scale_inv` of") && text.contains(needed), "{text}");
            assert!(
                text.ends_with(
                    "\n  help: is the `weight_block_size` of `quantization_config` the one of these weights?"
                )
            );
        }
        let whole = config(json!({ "quant_method": "fp8" }));
        let text = refusal(&[weight(), scales(&[2, 3])], &whole);
        assert!(
            text.contains(
                "it has 6 scales, [2, 3], but `quantization_config` says of no blocks\n  help: give the rows"
            ),
            "{text}"
        );
        assert!(refusal(&[scales(&[2, 3])], &fp8()).contains("it is missing, but its scales w_scale_inv are there"));
        let plain = tensor("w", Dtype::F32, &[3, 5], vec![0; 60]);
        assert!(refusal(&[plain, scales(&[2, 3])], &fp8()).contains("stored as f32 and not as fp8"));
        let flat = tensor("w", Dtype::F8_E4M3, &[5], BYTES.to_vec());
        assert!(refusal(&[flat, scales(&[2, 3])], &fp8()).contains("[5] is no matrix"));
        let zero = config(json!({ "quant_method": "fp8", "weight_block_size": [0, 2] }));
        assert!(refusal(&[weight()], &zero).contains("`weight_block_size` is [0,2], and not the rows and columns"));

        let quantised = config(json!({ "quant_method": "mxfp4" }));
        let blocks = || tensor("x_blocks", Dtype::U8, &[1, 1, 1, 16], vec![0; 16]);
        assert!(refusal(&[blocks()], &quantised).contains("`x_scales`"));
        let short = tensor("x_scales", Dtype::U8, &[1, 1, 2], vec![0; 2]);
        let text = refusal(&[blocks(), short], &quantised);
        assert!(text.ends_with("it is u8 [1, 1, 2], but x_blocks [1, 1, 1, 16] needs bytes [1, 1, 1]"), "{text}");
        let scales = || tensor("x_scales", Dtype::U8, &[1, 1, 1], vec![0]);
        let twice = [blocks(), scales(), tensor("x", Dtype::U8, &[1], vec![0])];
        assert!(refusal(&twice, &quantised).contains("x is there as well"));
        let wide = tensor("x_blocks", Dtype::U8, &[1, 1, 1, 8], vec![0; 8]);
        assert!(refusal(&[wide, scales()], &quantised).contains("8 bytes in a group, and not 16"));
        let flat = tensor("x_blocks", Dtype::U8, &[16], vec![0; 16]);
        assert!(refusal(&[flat, scales()], &quantised).contains("it is u8 [16], and not bytes"));
    }

    #[test]
    fn other_methods_are_named() {
        for method in ["gptq", "awq", "bitsandbytes"] {
            let error = opened(&[], &config(json!({ "quant_method": method }))).unwrap_err();
            assert!(matches!(error, LoadError::Config { .. }));
            let text = error.to_string();
            let wanted = match method {
                "gptq" => "quantised by GPTQ: packed integers (`qweight`)",
                "awq" => "quantised by AWQ: packed integers (`qweight`)",
                _ => "quantised by bitsandbytes to 8 bits",
            };
            assert!(text.starts_with("config.json, `quantization_config`: ") && text.contains(wanted), "{text}");
        }
        let nf4 = json!({ "quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4" });
        let text = opened(&[], &config(nf4)).unwrap_err().to_string();
        assert!(
            text.contains("quantised by bitsandbytes to 4 bits (nf4): packed bytes with scales of blocks"),
            "{text}"
        );
        let gptq = opened(&[], &config(json!({ "quant_method": "gptq", "bits": 4 }))).unwrap_err().to_string();
        assert!(gptq.contains("quantised by GPTQ to 4 bits: packed integers"), "{gptq}");
        let text = opened(&[], &config(json!({}))).unwrap_err().to_string();
        assert_eq!(text, "config.json, `quantization_config`: `quant_method` is missing");
        let plain = tensor("w", Dtype::F8_E4M3, &[5], BYTES.to_vec());
        let weights = opened(&[plain], &HfConfig::parse(r#"{"model_type": "none"}"#, "config.json").unwrap()).unwrap();
        assert_eq!(weights.dequantised(), None);
    }

    /// A model whose matrices are quantised, and the same with the products as its weights.
    fn quantised_llama(quantised: &Path, plain: &Path) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama_mha_tied");
        let weights = Weights::open(&fixture).unwrap();
        let (mut packed, mut products) = (vec![], vec![]);
        for name in weights.names() {
            let dims = weights.info(name).unwrap().dims;
            let whole = tensor(name, Dtype::F32, dims, weights.read(name, DType::F32).unwrap());
            let [rows, columns] = *dims else {
                packed.push(whole.clone());
                products.push(whole);
                continue;
            };
            if !name.contains("proj") {
                packed.push(whole.clone());
                products.push(whole);
                continue;
            }
            let (down, across) = (rows.div_ceil(8), columns.div_ceil(16));
            // small values of either sign
            let bytes: Vec<u8> = (0..rows * columns).map(|i| (i * 89 % 251) as u8 & 0xbf).collect();
            let scales: Vec<f32> = (0..down * across).map(|i| 0.1 + i as f32 / 64.0).collect();
            let value = |bits: u8| half::f16::from_bits(u16::from(bits & 0x7f) << 7).to_f32() * 256.0;
            let signed = |bits: u8| if bits >= 128 { -value(bits) } else { value(bits) };
            let product = |i: usize| signed(bytes[i]) * scales[i / columns / 8 * across + i % columns / 16];
            let values: Vec<f32> = (0..rows * columns).map(product).collect();
            products.push(tensor(name, Dtype::F32, dims, f32s(&values)));
            packed.push(tensor(&format!("{name}_scale_inv"), Dtype::F32, &[down, across], f32s(&scales)));
            packed.push(tensor(name, Dtype::F8_E4M3, dims, bytes));
        }
        let text = std::fs::read_to_string(fixture.join("config.json")).unwrap();
        for (dir, tensors) in [(quantised, packed), (plain, products)] {
            std::fs::create_dir(dir).unwrap();
            write(dir, &tensors);
            let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
            config["dtype"] = "float32".into();
            if dir == quantised {
                config["quantization_config"] = json!({ "quant_method": "fp8", "weight_block_size": [8, 16] });
            }
            std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
        }
    }

    #[test]
    fn a_quantised_model_is_the_one_that_it_stands_for() {
        let dir = tempfile::tempdir().unwrap();
        let [quantised, plain, to, small] = ["quantised", "plain", "to", "small"].map(|name| dir.path().join(name));
        quantised_llama(&quantised, &plain);
        let client = runtime::client().unwrap();
        let logits = |dir: &Path| {
            let options = LoadOptions { scanned: true, ..Default::default() };
            let model = Model::load(crate::open(&dir.to_string_lossy()).unwrap(), &options, &client).unwrap();
            model.scores(&[3, 5, 7]).unwrap().logits.to_vec::<f32>().unwrap()
        };
        assert_eq!(logits(&quantised), logits(&plain));
        // written as floats, and so is its configuration
        let convert = |to: &Path, options: &SaveOptions| {
            crate::convert(&quantised.to_string_lossy(), to, options).unwrap();
            let text = std::fs::read_to_string(to.join("config.json")).unwrap();
            assert!(!text.contains("quantization_config"), "{text}");
            (serde_json::from_str::<serde_json::Value>(&text).unwrap(), Weights::open(to).unwrap())
        };
        let (config, written) = convert(&to, &SaveOptions::default());
        assert_eq!(config["dtype"], "float32");
        let wanted = Weights::open(&plain).unwrap();
        assert!(written.names().eq(wanted.names()));
        for name in wanted.names() {
            assert_eq!(written.info(name), wanted.info(name));
            assert_eq!(written.bytes(name), wanted.bytes(name), "{name}");
        }
        let (config, written) = convert(&small, &SaveOptions { dtype: Some(DType::BF16), ..Default::default() });
        assert_eq!(config["dtype"], "bfloat16");
        assert_eq!(written.info("model.norm.weight").unwrap().encoding, Encoding::Plain(DType::BF16));
    }
}
