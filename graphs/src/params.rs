//! From a checkpoint to parameters on a device.
use crate::{LoadError, error::Result, weights::Weights};
use indicatif::{ProgressBar, ProgressStyle};
use raxla::{Array, Client, DType, Param, param::Stored};
use rayon::prelude::*;
use std::{collections::BTreeMap, io::IsTerminal};

/// Read all parameters in `dtype` and upload them. Never holds more than one parameter per thread besides them.
///
/// `ignored` are ends of names of stored tensors that are no parameters.
pub fn load(
    params: &[(String, Param)],
    weights: &Weights,
    ignored: &[&str],
    dtype: DType,
    client: &Client,
    progress: bool,
) -> Result<Vec<Array>> {
    let mut expected: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (_, p) in params {
        expected.extend(p.checkpoint_names().into_iter().map(|n| (n, p.checkpoint_dims())));
    }
    let tied = !expected.contains_key("lm_head.weight");
    let expected: Vec<_> = expected.into_iter().collect();
    let extra = |name: &str| ignored.iter().any(|i| name.ends_with(i)) || (tied && name == "lm_head.weight");
    weights.check(&expected, &extra)?;
    let bar = bar(progress, params.iter().map(|(_, p)| p.aval.size() as u64).sum::<u64>() * dtype.bits() as u64 / 8);
    let arrays = params.par_iter().map(|(_, p)| {
        let bytes = read(p, weights, dtype)?;
        let array = Array::from_bytes(client, p.aval.with_dtype(dtype), &bytes)?;
        bar.inc(bytes.len() as u64);
        Ok(array)
    });
    let arrays = arrays.collect::<Result<Vec<_>>>();
    bar.finish_and_clear();
    arrays
}

fn bar(progress: bool, bytes: u64) -> ProgressBar {
    if !progress || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("loading weights {bar:30} {bytes}/{total_bytes}").expect("a valid template");
    ProgressBar::new(bytes).with_style(style)
}

/// One parameter's bytes, in the parameter's own order.
fn read(p: &Param, weights: &Weights, dtype: DType) -> Result<Vec<u8>, LoadError> {
    let mut all: Vec<u8> = vec![];
    for name in p.checkpoint_names() {
        let stored = weights.read(&name, dtype)?;
        let own = match p.layout {
            Stored::AsIs => stored,
            Stored::Transposed(_) => {
                let dims = p.checkpoint_dims();
                transpose(&stored, dims[0], dims[1], dtype.bits() / 8)
            }
        };
        // without another copy for the common case of one layer
        if all.is_empty() { all = own } else { all.extend_from_slice(&own) }
    }
    Ok(all)
}

/// A row-major matrix transposed, in tiles that fit the cache.
fn transpose(x: &[u8], rows: usize, columns: usize, size: usize) -> Vec<u8> {
    const TILE: usize = 32;
    let mut y = vec![0; x.len()];
    // each task writes whole rows of the result
    y.par_chunks_mut(TILE * rows * size).enumerate().for_each(|(band, y)| {
        let first = band * TILE;
        let width = TILE.min(columns - first);
        for r0 in (0..rows).step_by(TILE) {
            for c in 0..width {
                for r in r0..rows.min(r0 + TILE) {
                    let (from, to) = ((r * columns + first + c) * size, (c * rows + r) * size);
                    y[to..to + size].copy_from_slice(&x[from..from + size]);
                }
            }
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn transposes_any_shape() {
        for (rows, columns) in [(1, 1), (3, 70), (70, 3), (64, 33)] {
            let x: Vec<u8> = (0..rows * columns).flat_map(|i| (i as u32).to_le_bytes()).collect();
            let y = transpose(&x, rows, columns, 4);
            for r in 0..rows {
                for c in 0..columns {
                    let at = (c * rows + r) * 4;
                    assert_eq!(y[at..at + 4], ((r * columns + c) as u32).to_le_bytes());
                }
            }
        }
    }
}
