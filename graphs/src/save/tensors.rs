//! Where the tensors come from that are written.

use crate::{
    Error, Result,
    weights::{Encoding, Weights, reordered},
};
use raxla::{Array, DType, Param, param::Stored};
use std::{cell::RefCell, collections::HashMap};

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
    /// The dtype of the floats, by the first of them.
    fn float(&self) -> Option<DType> {
        self.entries().iter().map(|e| e.dtype).find(|d| d.is_float())
    }
}

/// The tensors of a checkpoint.
pub(super) struct FromWeights<'a> {
    weights: &'a Weights,
    entries: Vec<Entry>,
}

impl<'a> FromWeights<'a> {
    pub(super) fn new(weights: &'a Weights, dtype: Option<DType>) -> Result<FromWeights<'a>> {
        let entry = |name: &str| {
            let info = weights.info(name)?;
            let dtype = match info.encoding {
                Encoding::Plain(own) if own.is_float() => Some(dtype.unwrap_or(own)),
                Encoding::Plain(own) => Some(own),
                Encoding::Blocks(_) => Some(dtype.unwrap_or(DType::F32)),
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
        Ok(FromWeights { weights, entries })
    }
}

impl Tensors for FromWeights<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }
    fn read(&self, i: usize, out: &mut [u8]) -> Result<()> {
        let entry = &self.entries[i];
        Ok(self.weights.read_into(&entry.name, entry.dtype, out)?)
    }
}

/// The parameters of a model. A parameter that stacks several things is as many tensors.
pub(super) struct FromParams<'a> {
    params: &'a [(String, Param)],
    values: &'a [Array],
    entries: Vec<Entry>,
    /// Of each entry the parameter, and which part of it.
    parts: Vec<(usize, usize)>,
    /// The parameter read last.
    last: RefCell<(Option<usize>, Vec<u8>)>,
}

impl<'a> FromParams<'a> {
    pub(super) fn new(
        params: &'a [(String, Param)],
        values: &'a [Array],
        dtype: Option<DType>,
    ) -> Result<FromParams<'a>> {
        if params.len() != values.len() {
            return Err(Error::Usage(format!("{} values for {} parameters", values.len(), params.len())));
        }
        let mut all = FromParams { params, values, entries: vec![], parts: vec![], last: Default::default() };
        let (mut known, mut twice) = (HashMap::new(), vec![]);
        for (number, ((path, p), value)) in params.iter().zip(values).enumerate() {
            if value.dims() != p.aval.dims.as_slice() {
                let (have, want) = (value.dims(), &p.aval.dims);
                return Err(Error::Usage(format!("parameter `{path}` has the shape {have:?}, not {want:?}")));
            }
            if p.name.is_empty() {
                return Err(Error::Usage(format!("parameter `{path}` has no name in checkpoints")));
            }
            for (part, name) in p.checkpoint_names().into_iter().enumerate() {
                let dtype = dtype.filter(|_| value.dtype().is_float()).unwrap_or(value.dtype());
                all.entries.push(Entry { name: name.clone(), dtype, dims: p.checkpoint_dims() });
                all.parts.push((number, part));
                if let Some(first) = known.insert(name, all.entries.len() - 1) {
                    twice.push((first, all.entries.len() - 1));
                }
            }
        }
        all.merge(twice)?;
        Ok(all)
    }

    /// Drops the second of two tensors of one name, if they are equal.
    fn merge(&mut self, twice: Vec<(usize, usize)>) -> Result<()> {
        for (first, second) in twice.into_iter().rev() {
            let mut values = [first, second].map(|i| vec![0; self.entries[i].bytes()]);
            for (i, values) in [first, second].into_iter().zip(&mut values) {
                self.read(i, values)?;
            }
            if values[0] != values[1] {
                let [a, b] = [first, second].map(|i| &self.params[self.parts[i].0].0);
                let name = &self.entries[first].name;
                return Err(Error::Usage(format!(
                    "parameters `{a}` and `{b}` differ, but a checkpoint stores both as {name}\n  \
                     help: train a tied head as the embedding itself (leave `head` out), or set tie_word_embeddings to false"
                )));
            }
            self.entries.remove(second);
            self.parts.remove(second);
        }
        *self.last.borrow_mut() = Default::default();
        Ok(())
    }
}

impl Tensors for FromParams<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }
    fn read(&self, i: usize, out: &mut [u8]) -> Result<()> {
        let (number, part) = self.parts[i];
        let (p, value) = (&self.params[number].1, &self.values[number]);
        let mut last = self.last.borrow_mut();
        if last.0 != Some(number) {
            // first away with the old one: there is to be one at a time
            *last = (None, vec![]);
            *last = (Some(number), value.to_bytes()?);
        }
        let parts = p.checkpoint_names().len();
        let length = last.1.len() / parts.max(1);
        let src = &last.1[part * length..][..length];
        let rows = match p.layout {
            Stored::AsIs => None,
            Stored::Transposed(_) => p.checkpoint_dims().first().copied(),
        };
        let to = self.entries[i].dtype;
        reordered(src, value.dtype(), rows, to, out)
            .ok_or_else(|| Error::Usage(format!("{} cannot be written as {to}", value.dtype())))
    }
}
