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
        Format::F32 | Format::BF16 | Format::F16 => return None,
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
    match block_of(format) {
        None => tiles.for_each(|(i, tiles)| pack_plain(format, [k, n], numbers, at, i * TILES_A_TASK, tiles)),
        Some(block) => {
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
                let row = k / block.values() * block.bytes();
                let outputs = (TILES_A_TASK * TILE).min(n.saturating_sub(first));
                let mut encoded = vec![0; outputs * row];
                for (output, out) in encoded.chunks_exact_mut(row.max(1)).enumerate() {
                    let values: Vec<f32> = (0..k).map(|i| number(i, first + output)).collect();
                    block.encode(&values, out);
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
            out.par_chunks_mut(task).enumerate().for_each(|(i, tiles)| {
                pack_blocks(format, [k, n], row, i * TILES_A_TASK, tiles);
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

/// The rows of blocks of a stored matrix that are the outputs of a packed one.
struct Rows {
    /// Bytes of a row.
    bytes: usize,
    /// Numbers of the wanted rows, in the order that Hugging Face's checkpoint has; all of them if `None`.
    numbers: Option<Vec<usize>>,
    /// Heads whose rows the file interleaves, and half the rows of one.
    interleaved: Option<usize>,
}
impl Rows {
    fn of(
        stored: &Stored,
        format: Format,
        [k, n]: [usize; 2],
        outputs_first: bool,
        part: Option<&Selection>,
    ) -> Option<Rows> {
        let Encoding::Blocks(block) = stored.encoding else { return None };
        let whole = stored.view == View::Whole && stored.scales.is_none();
        if !whole || format_of(block) != Some(format) || !k.is_multiple_of(block.values()) {
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
        Some(Rows { bytes: k / block.values() * block.bytes(), numbers, interleaved })
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
