//! The parameters of a model held otherwise: in other stacks of layers, with or without copies. What a checkpoint does between
//! training and generating, without the checkpoint.

use super::{params::FromParams, tensors::Tensors};
use crate::{Error, Result, params::upload, weights::pack_numbers};
use raxla::{Array, Client, DType, NamedSharding, Param, param::Selection};
use std::{cell::RefCell, collections::BTreeMap};

/// The values of `from` as the parameters `to`, by the names of both in checkpoints: in `dtype`, on the first device of the
/// client or, with `places`, one per parameter, divided over a mesh.
pub(crate) fn regrouped(
    from: &[(String, Param)],
    values: &[Array],
    to: &[(String, Param)],
    dtype: DType,
    client: &Client,
    places: Option<&[NamedSharding]>,
) -> Result<Vec<Array>> {
    let stored = FromParams::new(from, values, Some(dtype))?;
    if let Some((path, _)) = to.iter().find(|(_, p)| p.int8.is_some()) {
        return Err(Error::Usage(format!("`{path}` is in 8-bit integers, which are made from a checkpoint alone")));
    }
    let numbers: BTreeMap<&str, usize> = stored.entries().iter().enumerate().map(|(i, e)| (&*e.name, i)).collect();
    let names = |p: &Param| p.checkpoint_names();
    let mut unused = numbers.clone();
    for (path, p) in to {
        for name in names(p) {
            unused.remove(&*name);
            let Some(i) = numbers.get(&*name) else {
                return Err(Error::Usage(format!(
                    "parameter `{path}` is stored as {name}, which is not among the new values"
                )));
            };
            let (have, want) = (&stored.entries()[*i].dims, p.checkpoint_dims());
            if *have != want {
                return Err(Error::Usage(format!(
                    "parameter `{path}` is stored as {name} {want:?}, but the new value is {have:?}"
                )));
            }
        }
    }
    if let Some(name) = unused.keys().next() {
        let what =
            format!("{} of the new values are no parameters of the model, the first of them {name}", unused.len());
        return Err(Error::Usage(what));
    }
    // those that come from one stack, one after the other: it is copied to the host once
    let first =
        |i: usize| names(&to[i].1).first().and_then(|name| numbers.get(&**name)).map(|entry| stored.source(*entry));
    let mut order: Vec<usize> = (0..to.len()).collect();
    order.sort_by_key(|i| first(*i));
    let sorted: Vec<(String, Param)> = order.iter().map(|i| to[*i].clone()).collect();
    let places: Option<Vec<NamedSharding>> = places.map(|all| order.iter().map(|i| all[*i].clone()).collect());
    let whole = RefCell::new(vec![]);
    let read = |name: &str, part: Option<&Selection>, out: &mut [u8], dtype: DType| {
        let entry = numbers[name];
        let Some(part) = part else { return stored.read(entry, out) };
        let mut whole = whole.borrow_mut();
        whole.resize(stored.entries()[entry].bytes(), 0);
        stored.read(entry, &mut whole)?;
        let ((begins, length), size) = (part.runs(), dtype.bits() / 8);
        for (begin, out) in begins.zip(out.chunks_exact_mut((length * size).max(1))) {
            out.copy_from_slice(&whole[begin * size..][..length * size]);
        }
        Ok(())
    };
    let made = upload(&sorted, dtype, client, places.as_deref(), false, |name, p, part, out| {
        let Some(packing) = &p.packing else { return read(name, part, out, dtype) };
        let mut numbers = vec![0; packing.inputs * packing.outputs() * (dtype.bits() / 8)];
        read(name, part, &mut numbers, dtype)?;
        pack_numbers(p, &numbers, dtype, out)
    })?;
    let mut values: Vec<(usize, Array)> = order.into_iter().zip(made).collect();
    values.sort_by_key(|(i, _)| *i);
    Ok(values.into_iter().map(|(_, a)| a).collect())
}
