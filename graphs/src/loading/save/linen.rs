//! A model's tensors as the arrays of Flax's layers.

use super::{stream, tensors::Tensors};
use crate::{
    Error, Result,
    config::HfConfig,
    models::{Decoder, by_name},
    weights::{
        flax::{self, Layers},
        reordered,
    },
};
use indicatif::ProgressBar;
use raxla::DType;
use std::collections::HashSet;

/// An array to be written: its path, and which tensor it is.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    pub(super) transposed: bool,
    pub(super) tensor: usize,
}

/// The tree of the model's parameters, in the order of paths. What a checkpoint holds besides them is left out: masks, heads that
/// predict several tokens, a tied head.
pub(super) fn leaves(tensors: &dyn Tensors, config: &HfConfig, layers: Layers) -> Result<Vec<Leaf>> {
    let spec = Decoder::of(config, false)?;
    let ignored = by_name(config)?.ignores(config, spec.layers())?;
    let parameters: HashSet<String> = spec.params().iter().flat_map(|(_, p)| p.checkpoint_names()).collect();
    let mut leaves = vec![];
    for (tensor, entry) in tensors.entries().iter().enumerate() {
        let (name, rank) = (&entry.name, entry.dims.len());
        if !parameters.contains(name) {
            if ignored(name) || name == "lm_head.weight" {
                continue;
            }
            return Err(Error::Usage(format!(
                "tensor `{name}` is no parameter of this model of type {}",
                config.model_type
            )));
        }
        let (path, transposed) = flax::path(name, rank, layers);
        if flax::torch(&path, rank, layers) != (name.clone(), transposed) {
            return Err(Error::Usage(format!("tensor `{name}` has no name in Flax")));
        }
        if flax::dtype_name(entry.dtype).is_none() {
            return Err(Error::Usage(format!("tensor `{name}` is {}, which Flax does not have", entry.dtype)));
        }
        leaves.push(Leaf { path, transposed, tensor });
    }
    leaves.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(leaves)
}

impl Leaf {
    /// Gives its array: the shape, the dtype, and the values in C order.
    pub(super) fn read(
        &self,
        tensors: &dyn Tensors,
        bar: &ProgressBar,
        write: impl FnOnce(&[usize], DType, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let entry = &tensors.entries()[self.tensor];
        let (dtype, mut dims) = (entry.dtype, entry.dims.clone());
        let mut write = Some(write);
        stream(tensors, &[self.tensor], bar, |_, bytes| {
            let Some(write) = write.take() else { return Ok(()) };
            if !self.transposed {
                return write(&dims, dtype, bytes);
            }
            let mut turned = vec![0; bytes.len()];
            // its columns are the rows now
            reordered(bytes, dtype, dims.last().copied(), dtype, &mut turned)
                .ok_or_else(|| Error::Usage(format!("a matrix of {dtype} cannot be transposed")))?;
            dims.reverse();
            write(&dims, dtype, &turned)
        })
    }
}
