//! Where the tensors come from that are written.

use crate::{
    Result,
    adapters::Merge,
    weights::{Encoding, Weights, reordered},
};
use raxla::DType;

/// A tensor to be written.
pub(super) struct Entry {
    /// Its name in a checkpoint.
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) dims: Vec<usize>,
}

impl Entry {
    pub(super) fn bytes(&self) -> usize {
        self.dims.iter().product::<usize>() * (self.dtype.bits() / 8)
    }
}

/// Tensors, read one by one.
pub(super) trait Tensors {
    fn entries(&self) -> &[Entry];
    /// The values of number `i`, row-major, into memory of their length.
    fn read(&self, i: usize, out: &mut [u8]) -> Result<()>;
    /// How number `i` is held where it comes from.
    fn own(&self, i: usize) -> Encoding {
        Encoding::Plain(self.entries()[i].dtype)
    }
    /// Number `i` as a GGUF file has it, if it comes from one.
    fn in_gguf(&self, _i: usize) -> Option<(Encoding, &[u8])> {
        None
    }
    /// The dtype of the floats, by the first of them.
    fn float(&self) -> Option<DType> {
        self.entries().iter().map(|e| e.dtype).find(|d| d.is_float())
    }
}

/// The tensors of a checkpoint.
pub(super) struct FromWeights<'a> {
    weights: &'a Weights,
    entries: Vec<Entry>,
    /// An adapter that is merged into them.
    merge: Option<Merge>,
}

impl<'a> FromWeights<'a> {
    pub(super) fn merged(self, merge: Option<Merge>) -> FromWeights<'a> {
        FromWeights { merge, ..self }
    }
    /// What is merged into number `i`.
    fn merge(&self, i: usize) -> Option<&Merge> {
        self.merge.as_ref().filter(|merge| merge.changes(&self.entries[i].name))
    }
    pub(super) fn new(weights: &'a Weights, dtype: Option<DType>) -> Result<FromWeights<'a>> {
        let entry = |name: &str| {
            let info = weights.info(name)?;
            let dtype = match info.encoding {
                Encoding::Plain(own) if own.is_float() => Some(dtype.unwrap_or(own)),
                Encoding::Plain(own) => Some(own),
                Encoding::Blocks(_) => Some(dtype.unwrap_or(DType::F32)),
                Encoding::Scaled(_) | Encoding::Mxfp4 | Encoding::Packed(_) => {
                    dtype.or(weights.dequantised()).or(Some(DType::BF16))
                }
                Encoding::Opaque(_) => None,
            };
            let unknown = || {
                let reason = format!("raxla cannot convert values stored as {}", info.encoding);
                let path = weights.path().to_path_buf();
                crate::LoadError::Tensor { path, name: name.to_string(), reason }
            };
            Some(dtype.ok_or_else(unknown).map(|dtype| Entry { name: name.into(), dtype, dims: info.dims.to_vec() }))
        };
        let entries = weights.names().filter_map(entry).collect::<Result<Vec<_>, _>>()?;
        Ok(FromWeights { weights, entries, merge: None })
    }
}

impl Tensors for FromWeights<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }
    fn own(&self, i: usize) -> Encoding {
        let info = self.weights.info(&self.entries[i].name).filter(|_| self.merge(i).is_none());
        info.map_or(Encoding::Plain(self.entries[i].dtype), |info| info.encoding)
    }
    fn in_gguf(&self, i: usize) -> Option<(Encoding, &[u8])> {
        self.weights.as_in_gguf(&self.entries[i].name).filter(|_| self.merge(i).is_none())
    }
    fn read(&self, i: usize, out: &mut [u8]) -> Result<()> {
        let entry = &self.entries[i];
        if let Some(merge) = self.merge(i) {
            let mut values = self.weights.read_f32(&entry.name)?;
            merge.apply(&entry.name, &entry.dims, &mut values)?;
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            // (floats convert into each other)
            let _ = reordered(&bytes, DType::F32, None, entry.dtype, out);
            return Ok(());
        }
        Ok(self.weights.read_into(&entry.name, entry.dtype, out)?)
    }
}
