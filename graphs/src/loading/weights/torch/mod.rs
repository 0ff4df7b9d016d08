//! What `torch.save` makes of a dict of tensors: a pickle that describes them, and their values.
//!
//! Since PyTorch 1.6 that is a zip archive with the pickle and each storage as an entry; before, one file with five pickles
//! and then the storages. Nothing in a pickle is run: see [`pickle`].

mod pickle;
mod zip;

use super::Stored;
use super::convert::{Encoding, Layout};
use super::view::View;
use pickle::{Machine, Object, Tensor, Value};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// How a file in the format before 1.6 begins: a pickle of protocol 2 that holds its magic number.
pub(super) const BEFORE_ZIP: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Keys under which training programs keep the tensors of the model, beside other things.
const NESTED: [&str; 4] = ["state_dict", "model_state_dict", "model", "module"];

/// Reads the description of a mapped file. Every range returned lies inside `file`.
pub(super) fn tensors(file: &[u8]) -> Result<Vec<(String, Stored)>, String> {
    // Values and objects that a pickle makes are larger than the bytes that make them, but a dict's tensors are larger still.
    let budget = file.len().saturating_mul(3).max(1 << 20);
    if file.starts_with(BEFORE_ZIP) { before_zip(file, budget) } else { zipped(file, budget) }
}

fn zipped(file: &[u8], budget: usize) -> Result<Vec<(String, Stored)>, String> {
    let entries = zip::entries(file)?;
    let root = entries.keys().find_map(|name| name.strip_suffix("data.pkl").filter(|r| r.matches('/').count() <= 1));
    let root = root.ok_or("it is a zip archive without data.pkl: torch.save did not make it")?;
    let entry = |name: &str| entries.get(format!("{root}{name}").as_str()).cloned();
    if entry("byteorder").is_some_and(|r| &file[r] == b"big") {
        return Err("its values are big-endian, which raxla cannot read".into());
    }
    let description = entry("data.pkl").map_or(&[][..], |r| &file[r]);
    let (machine, top, _) = pickle::run(description, budget)?;
    state_dict(&machine, top, file.len(), &|key| entry(&format!("data/{key}")))
}

fn before_zip(file: &[u8], budget: usize) -> Result<Vec<(String, Stored)>, String> {
    // magic number, version, what the machine was like
    let mut at = BEFORE_ZIP.len();
    for part in 0..2 {
        let (machine, value, n) = pickle::run(&file[at..], budget)?;
        let little = |(k, v): &(Value, Value)| !matches!((k, v), (Value::Text("little_endian"), Value::Bool(false)));
        if part == 1 && !machine.dict(value).is_some_and(|d| d.iter().all(little)) {
            return Err("its values are big-endian, which raxla cannot read".into());
        }
        at += n;
    }
    let (machine, top, n) = pickle::run(&file[at..], budget)?;
    at += n;
    let (keys, list, n) = pickle::run(&file[at..], budget)?;
    at += n;
    let Some(Object::List(list)) = keys.object(list) else { return Err("its list of storages is missing".into()) };
    let sizes: HashMap<&str, usize> =
        machine.storages().map(|s| (s.key, s.dtype.map_or(1, |d| d.bits() / 8))).collect();
    let mut storages = BTreeMap::new();
    for key in list {
        let Value::Text(key) = key else { return Err("a storage has no name".into()) };
        let word = file.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u64::from_le_bytes);
        let bytes = word.and_then(|n| usize::try_from(n).ok()?.checked_mul(*sizes.get(key).unwrap_or(&1)));
        let end = bytes.and_then(|b| b.checked_add(at + 8)).filter(|end| *end <= file.len());
        let end =
            end.ok_or_else(|| format!("storage {key:?} does not lie inside the file: it is truncated or damaged"))?;
        storages.insert(*key, at + 8..end);
        at = end;
    }
    state_dict(&machine, top, file.len(), &|key| storages.get(key).cloned())
}

/// The tensors of a dict, or of the dict in it that holds the model's.
fn state_dict(
    machine: &Machine,
    top: Value,
    file: usize,
    storage: &dyn Fn(&str) -> Option<Range<usize>>,
) -> Result<Vec<(String, Stored)>, String> {
    let dict = machine.dict(top).ok_or("it holds something other than a dict of tensors")?;
    let named = |name: &str| dict.iter().find(|(k, _)| matches!(k, Value::Text(k) if *k == name));
    let nested = NESTED.iter().find_map(|name| machine.dict(named(name)?.1));
    // as in Python, the last of equal keys counts
    let mut found = BTreeMap::new();
    for (key, value) in nested.unwrap_or(dict) {
        if let (Value::Text(name), Some(Object::Tensor(tensor))) = (key, machine.object(*value)) {
            found.insert(*name, tensor);
        }
    }
    if found.is_empty() {
        return Err("it holds no tensors".into());
    }
    let stored = |(name, tensor): (&str, &Tensor)| {
        let placed = place(tensor, file, storage(tensor.storage.key));
        placed.map(|s| (name.to_string(), s)).map_err(|reason| format!("tensor `{name}` {reason}"))
    };
    found.into_iter().map(stored).collect()
}

/// Where the tensor's values are; `entry` are the bytes of its storage.
fn place(tensor: &Tensor, file: usize, entry: Option<Range<usize>>) -> Result<Stored, String> {
    let Tensor { storage, dtype, offset, dims, strides } = tensor;
    let size = dtype.bits() / 8;
    let entry = entry.ok_or_else(|| format!("needs storage {:?}, which is missing", storage.key))?;
    let announced = storage.len.checked_mul(storage.dtype.map_or(1, |d| d.bits() / 8));
    if announced.is_none_or(|n| n > entry.len()) {
        return Err(format!("has a storage of {} values, but its entry holds {} bytes", storage.len, entry.len()));
    }
    let n = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).and_then(|n| n.checked_mul(size));
    // an expanded tensor may be larger than its storage, but not without end
    let n = n
        .filter(|n| *n <= file.saturating_mul(4))
        .ok_or_else(|| format!("of shape {dims:?} is larger than the file"))?;
    let mut steps = dims.iter().zip(strides).map(|(d, s)| d.saturating_sub(1).checked_mul(*s));
    let last = steps.try_fold(*offset, |at, step| at.checked_add(step?));
    let end = if n == 0 { Some(0) } else { last.and_then(|l| l.checked_add(1)?.checked_mul(size)) };
    if end.is_none_or(|end| end > entry.len()) {
        return Err(format!("of shape {dims:?} and strides {strides:?} reaches beyond its storage"));
    }
    let begin = if n == 0 { entry.start } else { entry.start + offset * size };
    let (layout, view, bytes) = match View::of(dims, strides) {
        View::Whole => (Layout::Same, View::Whole, n),
        View::Strided(s) if s.as_slice() == [1, dims[0]] => (Layout::Transposed, View::Whole, n),
        view => (Layout::Same, view, end.unwrap_or(0) - offset * size),
    };
    let encoding = Encoding::Plain(*dtype);
    Ok(Stored {
        file: 0,
        encoding,
        dims: dims.clone(),
        range: begin..begin + bytes,
        layout,
        view,
        hidden: false,
        scales: None,
    })
}
