//! Writing safetensors files, one tensor at a time.
use crate::{array::Array, error::Error};
use crc32fast::Hasher;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
};

/// A tensor to be written.
pub(crate) struct Entry {
    /// Its name in the file.
    pub(crate) name: String,
    /// Its dtype, as the format calls it: of as many bytes as the array's elements have on the host.
    pub(crate) dtype: Dtype,
    /// Its values.
    pub(crate) data: Array,
}

/// What was written.
pub(crate) struct Written {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// CRC-32 of the header and its length, which come first.
    pub(crate) header: u32,
    /// CRC-32 of each tensor's values, by name.
    pub(crate) tensors: HashMap<String, u32>,
}

/// Why a file was not written.
pub(crate) enum Failure {
    /// What the system says.
    Io(io::Error),
    /// What the computation of a tensor reports, or the copy to the host.
    Array(Error),
    /// The format cannot express it.
    Format(String),
}
impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        Failure::Io(e)
    }
}

/// As much as is summed and then written while it is in the processor's cache.
const CHUNK: usize = 1 << 18;

/// Writes a file of these tensors, the widest dtypes first, so that all are aligned. Each array is let go of once it is
/// written; of those that the host cannot read in place, one at a time is copied into `staging`.
pub(crate) fn write(file: File, mut entries: Vec<Entry>, staging: &mut Vec<u8>) -> Result<Written, Failure> {
    entries.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
    let header = header(&entries)?;
    let length = (header.len() as u64).to_le_bytes();
    let mut sum = Hasher::new();
    sum.update(&length);
    sum.update(&header);
    let mut file = BufWriter::with_capacity(CHUNK, file);
    file.write_all(&length)?;
    file.write_all(&header)?;
    let mut written =
        Written { bytes: (length.len() + header.len()) as u64, header: sum.finalize(), tensors: HashMap::new() };
    for Entry { name, data, .. } in entries {
        let mut sum = Hasher::new();
        let outcome = data.with_bytes(staging, |bytes| {
            bytes.chunks(CHUNK).try_for_each(|chunk| {
                sum.update(chunk);
                file.write_all(chunk)
            })
        });
        outcome.map_err(Failure::Array)??;
        written.bytes += data.aval().bytes() as u64;
        written.tensors.insert(name, sum.finalize());
    }
    file.flush()?;
    Ok(written)
}

/// The header, padded so that the values begin at a multiple of 8.
fn header(entries: &[Entry]) -> Result<Vec<u8>, Failure> {
    const RESERVED: &str = "__metadata__";
    let mut at = 0;
    let mut infos = Vec::with_capacity(entries.len());
    let mut names = HashMap::with_capacity(entries.len());
    for Entry { name, dtype, data } in entries {
        if name == RESERVED {
            return Err(Failure::Format(format!(
                "safetensors files have no tensor `{RESERVED}`: the name is reserved"
            )));
        }
        if names.insert(name, ()).is_some() {
            return Err(Failure::Format(format!("two tensors have the name `{name}`")));
        }
        let end = at + data.aval().bytes();
        infos.push((name.clone(), TensorInfo { dtype: *dtype, shape: data.dims().to_vec(), data_offsets: (at, end) }));
        at = end;
    }
    let format = |e: &dyn std::fmt::Display| Failure::Format(e.to_string());
    let metadata = Metadata::new(None, infos).map_err(|e| format(&e))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|e| format(&e))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}
