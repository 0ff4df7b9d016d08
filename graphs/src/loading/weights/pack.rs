//! Matrices for the kernels, packed from the file: as it holds them where the kernels have its format.
use super::{Encoding, Stored, Weights, convert::Layout, dequant::Block, view::View};
use crate::LoadError;
use raxla::{DType, Param, param, param::Selection, prim::Format};
use raxla_kernels::{
    format::TILE,
    pack::{Strides, pack_blocks, pack_plain},
};
use rayon::prelude::*;

/// The kernels' format for blocks of ggml, if they have it.
pub fn format_of(block: Block) -> Option<Format> {
    Format::named(block.name()).filter(|format| !format.is_plain())
}

/// The blocks of ggml that a format of the kernels has.
fn block_of(format: Format) -> Option<Block> {
    Some(match format {
        Format::F32 | Format::BF16 | Format::F16 | Format::INT8 | Format::INT4 => return None,
        Format::Q8_0 => Block::Q8_0,
        Format::Q4_0 => Block::Q4_0,
        Format::Q4_1 => Block::Q4_1,
        Format::Q5_0 => Block::Q5_0,
        Format::Q5_1 => Block::Q5_1,
        Format::IQ4_NL => Block::IQ4_NL,
        Format::MXFP4 => Block::MXFP4,
        Format::Q4_K => Block::Q4_K,
        Format::Q5_K => Block::Q5_K,
        Format::Q6_K => Block::Q6_K,
    })
}

/// The format in which a matrix of so many inputs is quantised: the one that is wanted or, where its blocks do not divide the inputs,
/// what llama-quantize takes in its place; without any, f32.
pub(crate) fn quantised_format(wanted: Format, inputs: usize) -> Format {
    let instead = match wanted {
        _ if inputs.is_multiple_of(wanted.inputs()) => wanted,
        Format::Q4_K => Format::Q5_0,
        Format::Q5_K => Format::Q5_1,
        Format::Q6_K => Format::Q8_0,
        other => other,
    };
    if inputs.is_multiple_of(instead.inputs()) { instead } else { Format::F32 }
}

/// Bits of the integers of a format that has such, with f32 scales.
fn integer_bits(format: Format) -> Option<u32> {
    match format {
        Format::INT8 => Some(8),
        Format::INT4 => Some(4),
        _ => None,
    }
}

/// What symmetric integers of so many bits are multiplied with to be these values: as the observer `minmax` and `calculate_qparams` of
/// compressed-tensors have it.
pub(crate) fn integer_scale(bits: u32, values: &[f32]) -> f32 {
    let most = values.iter().fold(0f32, |most, v| most.max(v.abs()));
    if most == 0.0 { f32::EPSILON } else { most / (((1u32 << bits) - 1) as f32 / 2.0) }
}

/// A block as the kernels' packing takes it: a scale, then 32 integers.
fn integer_block(bits: u32, scale: f32, integer: impl Fn(usize) -> i32, out: &mut [u8]) {
    out[..4].copy_from_slice(&scale.to_le_bytes());
    match bits {
        8 => out[4..].iter_mut().enumerate().for_each(|(i, out)| *out = integer(i) as u8),
        _ => {
            let nibble = |i: usize| (integer(i) + 8) as u8 & 15;
            out[4..].iter_mut().enumerate().for_each(|(i, out)| *out = nibble(i) | nibble(16 + i) << 4);
        }
    }
}

/// Quantises a row: 8 bits with one scale, 4 bits with one for each 128 (or 64, or 32) values.
fn encode_integers(bits: u32, values: &[f32], out: &mut [u8]) {
    let fits = |group: &usize| values.len().is_multiple_of(*group);
    let group = if bits == 8 { values.len() } else { [128, 64].into_iter().find(fits).unwrap_or(32) };
    let largest = (1 << (bits - 1)) - 1;
    let blocks = out.chunks_exact_mut(4 + 4 * bits as usize).zip(values.chunks_exact(32)).enumerate();
    for (block, (out, values_of_block)) in blocks {
        let begin = block * 32 / group * group;
        let scale = integer_scale(bits, &values[begin..begin + group]);
        let integer = |i: usize| ((values_of_block[i] / scale).round_ties_even() as i32).clamp(-largest - 1, largest);
        integer_block(bits, scale, integer, out);
    }
}

/// The dtype of a format's numbers, if they stand one by one.
pub(crate) fn plain_dtype(format: Format) -> Option<DType> {
    match format {
        Format::F32 => Some(DType::F32),
        Format::BF16 => Some(DType::BF16),
        Format::F16 => Some(DType::F16),
        _ => None,
    }
}

/// Outputs of a tile, in bytes of a packed matrix, for one task of several.
const TILES_A_TASK: usize = 16;

/// Does a checkpoint hold the outputs of this matrix one after the other, rather than its inputs? An embedding is a matrix whose
/// outputs are the tokens.
fn outputs_first(p: &Param) -> bool {
    p.axes.get(p.stacks()) == Some(&"vocab") || matches!(p.layout, param::Stored::Transposed(_))
}

/// Packs a matrix whose numbers of `dtype` lie as a checkpoint has them: rounded to those of a plain format, or quantised.
///
/// # Errors
/// Numbers that cannot be converted; of blocks, numbers that are not finite.
pub(crate) fn pack_numbers(p: &Param, numbers: &[u8], dtype: DType, out: &mut [u8]) -> crate::Result<()> {
    let blocks = |format: Format| crate::Error::Usage(format!("values of {dtype} cannot be brought into {format:?}"));
    let Some(packing) = &p.packing else { return Err(crate::Error::Usage("a matrix that is not packed".into())) };
    let (k, n, format) = (packing.inputs, packing.outputs(), packing.format);
    let own = plain_dtype(format).unwrap_or(DType::F32);
    let mut rounded = vec![];
    let numbers = match own == dtype {
        true => numbers,
        false => {
            rounded.resize(k * n * (own.bits() / 8), 0);
            super::reordered(numbers, dtype, None, own, &mut rounded).ok_or_else(|| blocks(format))?;
            &rounded
        }
    };
    let at = strides(own, [k, n], outputs_first(p));
    let [_, blocks, bytes] = packing.dims();
    let tiles = out.par_chunks_mut((TILES_A_TASK * blocks * bytes).max(1)).enumerate();
    match format.is_plain() {
        true => tiles.for_each(|(i, tiles)| pack_plain(format, [k, n], numbers, at, i * TILES_A_TASK, tiles)),
        false => {
            let number = |i: usize, output: usize| {
                let from = i * at.input + output * at.output;
                f32::from_le_bytes([numbers[from], numbers[from + 1], numbers[from + 2], numbers[from + 3]])
            };
            if numbers.chunks_exact(4).any(|b| !f32::from_le_bytes([b[0], b[1], b[2], b[3]]).is_finite()) {
                let what = format!("{} has numbers that are not finite, which {format:?} cannot hold", p.name);
                return Err(crate::Error::Usage(what));
            }
            tiles.for_each(|(i, tiles)| {
                let first = i * TILES_A_TASK * TILE;
                let row = k / format.inputs() * format.stored_bytes();
                let outputs = (TILES_A_TASK * TILE).min(n.saturating_sub(first));
                let mut encoded = vec![0; outputs * row];
                for (output, out) in encoded.chunks_exact_mut(row.max(1)).enumerate() {
                    let values: Vec<f32> = (0..k).map(|i| number(i, first + output)).collect();
                    match (block_of(format), integer_bits(format)) {
                        (Some(block), _) => block.encode(&values, out),
                        (None, bits) => encode_integers(bits.unwrap_or(8), &values, out),
                    }
                }
                pack_blocks(format, [k, n], |i| &encoded[(i - first) * row..][..row], i * TILES_A_TASK, tiles);
            });
        }
    }
    Ok(())
}

/// Where the numbers of a matrix lie.
fn strides(dtype: DType, [k, n]: [usize; 2], outputs_first: bool) -> Strides {
    let size = dtype.bits() / 8;
    match outputs_first {
        true => Strides { input: size, output: k * size },
        false => Strides { input: n * size, output: size },
    }
}

impl Weights {
    /// The format in which the kernels would take these parameters as the file holds them: the one that all parts have.
    pub(crate) fn packed_format(&self, p: &Param) -> Option<Format> {
        let of = |name: &String| match self.tensors.get(name)?.encoding {
            Encoding::Plain(DType::BF16) => Some(Format::BF16),
            Encoding::Plain(DType::F16) => Some(Format::F16),
            Encoding::Blocks(block) => format_of(block).or(Some(Format::F32)),
            Encoding::Scaled(DType::I8) | Encoding::Packed(8) => Some(Format::INT8),
            Encoding::Packed(4) => Some(Format::INT4),
            _ => Some(Format::F32),
        };
        let mut formats = p.checkpoint_names().iter().map(of).collect::<Option<Vec<_>>>()?;
        formats.dedup();
        match formats[..] {
            [one] => Some(one),
            _ => Some(Format::F32),
        }
    }

    /// Packs one part of a parameter (one thing of those that it stacks) into `out`. `part` is the part of the stored tensor that the
    /// parameter is.
    pub(crate) fn pack_into(
        &self,
        name: &str,
        p: &Param,
        part: Option<&Selection>,
        out: &mut [u8],
    ) -> Result<(), LoadError> {
        let Some(packing) = &p.packing else { return Err(self.bad_tensor(name, "it is not to be packed")) };
        let (k, n, format) = (packing.inputs, packing.outputs(), packing.format);
        let [_, blocks, bytes] = packing.dims();
        let task = (TILES_A_TASK * blocks * bytes).max(1);
        let first = outputs_first(p);
        if !format.is_plain() {
            let stored = self.convertible(name, DType::F32)?;
            let Some(rows) = Rows::of(stored, format, [k, n], first, part) else {
                let numbers = self.numbers(name, [k, n], DType::F32, part)?;
                return pack_numbers(p, &numbers, DType::F32, out).map_err(|e| self.bad_tensor(name, e.to_string()));
            };
            let (file, range) = (&self.files[stored.file], stored.range.clone());
            let all = &file[range.clone()];
            let row = |i: usize| &all[rows.stored(i) * rows.bytes..][..rows.bytes];
            let table = self.table(stored);
            out.par_chunks_mut(task).enumerate().for_each(|(i, tiles)| {
                let Some(bits) = integer_bits(format) else {
                    return pack_blocks(format, [k, n], row, i * TILES_A_TASK, tiles);
                };
                let (first, size) = (i * TILES_A_TASK * TILE, k / format.inputs() * format.stored_bytes());
                let outputs = (TILES_A_TASK * TILE).min(n.saturating_sub(first));
                let mut blocks = vec![0; outputs * size];
                for (output, out) in blocks.chunks_exact_mut(size.max(1)).enumerate() {
                    let (codes, scales) = (row(first + output), rows.scales(&table, rows.stored(first + output)));
                    for (block, out) in out.chunks_exact_mut(format.stored_bytes()).enumerate() {
                        let integer = |i: usize| integer(stored.encoding, codes, 32 * block + i);
                        integer_block(bits, scales[block * scales.len() * 32 / k], integer, out);
                    }
                }
                pack_blocks(format, [k, n], |i| &blocks[(i - first) * size..][..size], i * TILES_A_TASK, tiles);
            });
            file.forget(range);
            return Ok(());
        }
        let dtype = plain_dtype(format).unwrap_or(DType::F32);
        let at = strides(dtype, [k, n], first);
        let pack = |stored: &[u8], out: &mut [u8]| {
            out.par_chunks_mut(task).enumerate().for_each(|(i, tiles)| {
                pack_plain(format, [k, n], stored, at, i * TILES_A_TASK, tiles);
            });
        };
        // (what the file holds in this very order needs no copy)
        if let (None, Some(stored)) = (part, self.tensors.get(name))
            && stored.encoding == Encoding::Plain(dtype)
            && let Some(bytes) = self.bytes(name)
        {
            pack(bytes, out);
            self.files[stored.file].forget(stored.range.clone());
            return Ok(());
        }
        pack(&self.numbers(name, [k, n], dtype, part)?, out);
        Ok(())
    }

    /// The numbers of a matrix, or of one that is a part of it, as the file orders them.
    fn numbers(
        &self,
        name: &str,
        [k, n]: [usize; 2],
        dtype: DType,
        part: Option<&Selection>,
    ) -> Result<Vec<u8>, LoadError> {
        let (mut numbers, bytes) = (vec![], k * n * (dtype.bits() / 8));
        raxla::memory::resize(&mut numbers, bytes, name).map_err(|why| self.bad_tensor(name, why.to_string()))?;
        match part {
            Some(part) => self.read_slice_into(name, part, dtype, &mut numbers)?,
            None => self.read_into(name, dtype, &mut numbers)?,
        }
        Ok(numbers)
    }

    /// Could [`Weights::pack_into`] take the blocks of this parameter as they are?
    pub(crate) fn has_rows(&self, name: &str, p: &Param, k: usize, format: Format, part: Option<&Selection>) -> bool {
        let (own, first) = (&p.aval.dims[p.stacks()..], outputs_first(p));
        let all: usize = own.iter().product();
        let n = all.checked_div(k).unwrap_or(0);
        self.tensors.get(name).is_some_and(|stored| Rows::of(stored, format, [k, n], first, part).is_some())
    }
}

/// Integer `i` of a row of compressed-tensors.
fn integer(encoding: Encoding, row: &[u8], i: usize) -> i32 {
    match encoding {
        Encoding::Packed(4) => i32::from(row[i / 2] >> (i % 2 * 4) & 15) - 8,
        Encoding::Packed(_) => i32::from(row[i]) - 128,
        _ => i32::from(row[i] as i8),
    }
}

/// The rows of blocks of a stored matrix that are the outputs of a packed one.
struct Rows {
    /// Bytes of a row.
    bytes: usize,
    /// Numbers of the wanted rows, in the order that Hugging Face's checkpoint has; all of them if `None`.
    numbers: Option<Vec<usize>>,
    /// Heads whose rows the file interleaves, and half the rows of one.
    interleaved: Option<usize>,
    /// Scales of a row, of integers; one for all rows if `None`.
    scales: Option<usize>,
}
impl Rows {
    fn of(
        stored: &Stored,
        format: Format,
        [k, n]: [usize; 2],
        outputs_first: bool,
        part: Option<&Selection>,
    ) -> Option<Rows> {
        let block = stored.scales.as_ref().map(|scales| scales.block);
        let (own, bytes) = match (stored.encoding, block) {
            (Encoding::Blocks(block), None) => (format_of(block)?, k / block.values() * block.bytes()),
            (Encoding::Scaled(DType::I8) | Encoding::Packed(8), Some(_)) => (Format::INT8, k),
            (Encoding::Packed(4), Some(_)) => (Format::INT4, k / 2),
            _ => return None,
        };
        // a scale for each of some blocks, or for all of a row, or for all rows
        let scales = match block {
            None => None,
            Some([1, wide]) if wide.is_multiple_of(format.inputs()) && k.is_multiple_of(wide) => Some(k / wide),
            Some([_, wide]) if wide >= k && stored.dims.last() == Some(&k) => None,
            Some(_) => return None,
        };
        if stored.view != View::Whole || own != format || !k.is_multiple_of(format.inputs()) {
            return None;
        }
        let rows_are_outputs = match stored.layout {
            Layout::Same | Layout::Interleaved { .. } => outputs_first,
            Layout::Transposed => !outputs_first,
            Layout::PlusOne => false,
        };
        if !rows_are_outputs {
            return None;
        }
        let total: usize = stored.dims.iter().product();
        let numbers = match part {
            None if total == k * n => None,
            None => return None,
            Some(part) => Some(selected(part, k, outputs_first)?),
        };
        if numbers.as_ref().is_some_and(|numbers| numbers.len() != n) {
            return None;
        }
        let interleaved = match stored.layout {
            Layout::Interleaved { heads } => Some(total / k / heads / 2),
            _ => None,
        };
        Some(Rows { bytes, numbers, interleaved, scales })
    }
    /// The scales of a stored row.
    fn scales<'a>(&self, table: &'a [f32], row: usize) -> &'a [f32] {
        self.scales.map_or(table, |n| &table[row * n..][..n])
    }
    /// Where the file has output `i`.
    fn stored(&self, i: usize) -> usize {
        let row = self.numbers.as_ref().map_or(i, |numbers| numbers[i]);
        match self.interleaved {
            None => row,
            Some(half) => {
                let (head, within) = (row / (2 * half), row % (2 * half));
                head * 2 * half + within % half * 2 + within / half
            }
        }
    }
}

/// The outputs of a matrix of `k` inputs that a selection is, if it is whole ones.
fn selected(part: &Selection, k: usize, outputs_first: bool) -> Option<Vec<usize>> {
    if !outputs_first {
        // `[inputs, of, inner]`
        let each = |i: usize| (0..part.inner).map(move |j| (part.start + i * part.step) * part.inner + j);
        return (part.outer == k).then(|| (0..part.count).flat_map(each).collect());
    }
    let (begins, length) = part.runs();
    if !length.is_multiple_of(k) {
        return None;
    }
    let mut rows = vec![];
    for begin in begins {
        if !begin.is_multiple_of(k) {
            return None;
        }
        rows.extend((0..length / k).map(|i| begin / k + i));
    }
    Some(rows)
}
