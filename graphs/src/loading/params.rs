//! From a checkpoint to parameters on a device.
//!
//! Every name and shape is compared before anything is read. Then one parameter after the other is read, brought
//! into the model's order (transposed, split into heads, stacked over layers), and uploaded.
use crate::{
    Error, LoadError, LoadOptions,
    error::Result,
    memory::ask_for_parameters,
    weights::{Weights, quantised_format},
};
use indicatif::{ProgressBar, ProgressStyle};
use raxla::{
    Array, Aval, Client, DType, Key, NamedSharding, Param,
    memory::resize,
    param::{Init, Selection},
    prim::Format,
};
use raxla_kernels::pack;
use rayon::prelude::*;
use std::{collections::BTreeMap, io::IsTerminal, sync::Arc};

/// Read all parameters in `dtype` and upload them. Besides them, no more than one parameter is in memory.
///
/// `ignored` holds for names of stored tensors that are no parameters. With `places`, one per parameter, each device gets its
/// part alone.
pub fn load(
    params: &[(String, Param)],
    weights: &Weights,
    ignored: &dyn Fn(&str) -> bool,
    dtype: DType,
    client: &Client,
    places: Option<&[NamedSharding]>,
    progress: bool,
) -> Result<Vec<Array>> {
    check(params, weights, ignored)?;
    ask_for_parameters(&weights.path().display().to_string(), params, dtype, client, places, None)?;
    upload(params, dtype, client, places, progress, |name, p, part, out| {
        match part {
            _ if p.packing.is_some() => weights.pack_into(name, p, part, out)?,
            _ if p.int8.is_some() => weights.read_int8(name, p, part, out)?,
            Some(part) => weights.read_slice_into(name, part, dtype, out)?,
            None => weights.read_into(name, dtype, out)?,
        }
        Ok(())
    })
}

/// Upload parameters whose values `read` gives: of the stored tensor of this name all of it, or a part of it, in `dtype`.
pub(crate) fn upload(
    params: &[(String, Param)],
    dtype: DType,
    client: &Client,
    places: Option<&[NamedSharding]>,
    progress: bool,
    read: impl Fn(&str, &Param, Option<&Selection>, &mut [u8]) -> Result<()>,
) -> Result<Vec<Array>> {
    let bar = bar(progress, "loading weights", params.iter().map(|(_, p)| p.held(dtype).bytes() as u64).sum());
    // packed matrices, all in one piece
    let matrices: Vec<&(String, Param)> = params.iter().filter(|(_, p)| p.packing.is_some()).collect();
    let avals: Vec<Aval> = matrices.iter().map(|(_, p)| p.held(dtype)).collect();
    let mut packed = Array::in_one_piece(client, &avals, |i, out| {
        let (path, p) = matrices[i];
        let (names, selection) = (p.checkpoint_names(), selection(path, p)?);
        bar.inc(out.len() as u64);
        let part = (out.len() / names.len().max(1)).max(1);
        names.iter().zip(out.chunks_exact_mut(part)).try_for_each(|(name, out)| read(name, p, selection.as_ref(), out))
    })?
    .into_iter();
    // of the others, one at a time passes through the same memory
    let mut memory = vec![];
    let mut arrays = vec![];
    for (i, (path, p)) in params.iter().enumerate() {
        let aval = p.held(dtype);
        if p.packing.is_some() {
            arrays.extend(packed.next());
            continue;
        }
        resize(&mut memory, aval.bytes(), path)?;
        let names = p.checkpoint_names();
        let part = aval.bytes() / names.len().max(1);
        let selection = selection(path, p)?;
        for (name, part) in names.iter().zip(memory.chunks_exact_mut(part.max(1))) {
            read(name, p, selection.as_ref(), part)?;
        }
        let owner = Arc::new(memory);
        let strides = strides(p, aval.dtype);
        arrays.push(match places {
            Some(places) => Array::from_strided_sharded(&places[i], aval, owner.clone(), strides)?,
            None => Array::from_strided(client, aval, owner.clone(), strides)?,
        });
        memory = Arc::try_unwrap(owner).unwrap_or_default();
        bar.inc(arrays[arrays.len() - 1].aval().bytes() as u64);
    }
    bar.finish_and_clear();
    Ok(arrays)
}

/// The format in which a matrix of so many inputs is packed: the one to which it is quantised, that of the dtype, or the file's own.
pub(crate) fn format(p: &Param, inputs: usize, weights: Option<&Weights>, options: &LoadOptions) -> Option<Format> {
    if let Some(wanted) = options.quantize {
        return Some(quantised_format(wanted, inputs));
    }
    let of_dtype = match options.dtype {
        Some(DType::F32) => Some(Format::F32),
        Some(DType::BF16) => Some(Format::BF16),
        Some(DType::F16) => Some(Format::F16),
        Some(_) => return None,
        None => None,
    };
    let Some(weights) = weights.filter(|_| of_dtype.is_none()) else { return of_dtype.or(Some(Format::F32)) };
    let format = weights.packed_format(p)?;
    let as_stored = || {
        let part = p.selection().ok()?;
        let fits = |name: &String| weights.has_rows(name, p, inputs, format, part.as_ref());
        Some(p.checkpoint_names().iter().all(fits))
    };
    if format.is_plain() || as_stored().unwrap_or(false) { Some(format) } else { Some(Format::F32) }
}

/// Arbitrary values for parameters of which matrices are packed in blocks: to measure a model of that size, without the time and memory
/// that quantising as many numbers takes.
pub(crate) fn noise(params: &[(String, Param)], seed: u64, dtype: DType, client: &Client) -> Result<Vec<Array>> {
    let packed = |p: &Param| Some((p.packing.as_ref()?.format, p.held(dtype)));
    let (formats, avals): (Vec<Format>, Vec<Aval>) = params.iter().filter_map(|(_, p)| packed(p)).unzip();
    let spread = |p: &Param| if let Init::Normal(std) = p.init { std as f32 } else { 0.02 };
    let spreads: Vec<f32> = params.iter().filter(|(_, p)| p.packing.is_some()).map(|(_, p)| spread(p)).collect();
    const PART: usize = 1 << 10;
    let mut matrices = Array::in_one_piece(client, &avals, |i, out| {
        let parts = out.par_chunks_mut(PART * formats[i].bytes()).enumerate();
        parts.for_each(|(part, out)| pack::noise(formats[i], seed + (i << 32 | part) as u64, spreads[i], out));
        Ok::<(), Error>(())
    })?
    .into_iter();
    let others: Vec<Param> =
        params.iter().filter(|(_, p)| p.packing.is_none()).map(|(_, p)| p.clone().cast(dtype)).collect();
    let mut others = raxla::param::init_on(&others, &Key::host(seed), client)?.into_iter();
    let next = |(_, p): &(String, Param)| if p.packing.is_some() { matrices.next() } else { others.next() };
    Ok(params.iter().filter_map(next).collect())
}

/// Are these the parameters that the checkpoint holds, by names and shapes? `ignored` as in [`load`].
///
/// # Errors
/// [`Mismatch`](crate::weights::Mismatch): all differences at once.
pub(crate) fn check(params: &[(String, Param)], weights: &Weights, ignored: &dyn Fn(&str) -> bool) -> Result<()> {
    check_count(params, weights)?;
    let mut expected: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (path, p) in params {
        selection(path, p)?;
        for name in p.checkpoint_names() {
            let dims = p.checkpoint_dims();
            if let Some(other) = expected.get(&name).filter(|other| **other != dims) {
                let what =
                    format!("`{path}` is to be in {name} of shape {dims:?}, another parameter in one of {other:?}");
                return Err(Error::Usage(what));
            }
            expected.insert(name, dims);
        }
    }
    let tied = !expected.contains_key("lm_head.weight");
    let expected: Vec<_> = expected.into_iter().collect();
    let extra = |name: &str| ignored(name) || (tied && name == "lm_head.weight");
    Ok(weights.check(&expected, &extra)?)
}

/// A configuration may speak of any number of experts. Where the file has by far not as many tensors, that is said before all
/// their names are listed.
fn check_count(params: &[(String, Param)], weights: &Weights) -> Result<()> {
    // (of a fused tensor several parameters are slices)
    const SLICES: usize = 8;
    let names = |p: &Param| p.aval.dims[..p.stacks()].iter().fold(1usize, |n, d| n.saturating_mul(*d));
    let wanted = params.iter().fold(0usize, |n, (_, p)| n.saturating_add(names(p)));
    let found = weights.names().count();
    if wanted <= SLICES * found + 1000 {
        return Ok(());
    }
    let help = "is config.json the one that belongs to these weights (layers, experts), and are all their files there?";
    let reason = format!("it holds {found} tensors, but the model has {wanted} parameters\n  help: {help}");
    Err(LoadError::Format { path: weights.path().to_path_buf(), reason }.into())
}

/// Which part of a stored tensor a parameter is.
pub(crate) fn selection(path: &str, p: &Param) -> Result<Option<Selection>> {
    p.selection().map_err(|reason| Error::Usage(format!("parameter `{path}` is no slice of {}: {reason}", p.name)))
}

/// Bytes between neighbours along each axis of a parameter, in the order in which the checkpoint holds it.
fn strides(p: &Param, dtype: DType) -> Vec<i64> {
    let (stacks, own) = p.aval.dims.split_at(p.stacks());
    let mut strides = vec![0; own.len()];
    let mut step = (dtype.bits() / 8) as i64;
    for axis in p.stored_order().into_iter().rev() {
        strides[axis] = step;
        step *= own[axis] as i64;
    }
    for n in stacks.iter().rev() {
        strides.insert(0, step);
        step *= *n as i64;
    }
    strides
}

/// A progress bar on stderr, if it is a terminal.
pub(crate) fn bar(progress: bool, what: &str, bytes: u64) -> ProgressBar {
    if !progress || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}").expect("a valid template");
    ProgressBar::new(bytes).with_style(style).with_message(what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_parameters_are_read_across() {
        let heads = Param::new([6, 2, 4], ["embed", "heads", "head"]).stored("w").transposed(1);
        // stored as [2 * 4, 6]
        assert_eq!(strides(&heads, DType::F32), [4, 4 * 6 * 4, 6 * 4]);
        assert_eq!(strides(&heads.stacked(3, "layers"), DType::BF16), [2 * 6 * 8, 2, 2 * 6 * 4, 2 * 6]);
        let plain = Param::new([6, 8], ["embed", "mlp"]).stored("w");
        assert_eq!(strides(&plain, DType::F32), [32, 4]);
    }
}
