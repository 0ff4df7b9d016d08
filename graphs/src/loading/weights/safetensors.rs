//! safetensors files: 8 bytes of header length, a JSON header, the values.

use super::Stored;
use super::convert::{Encoding, Layout};
use super::view::View;
use raxla_xla::DType;
use safetensors::Dtype;
use safetensors::tensor::Metadata;

/// Reads the header of a mapped file. Every range returned lies inside `file` and has the length that its shape and
/// dtype imply.
pub(super) fn tensors(file: &[u8]) -> Result<Vec<(String, Stored)>, String> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return Err(format!(
            "it has {} bytes, and a safetensors file begins with 8 bytes of header length",
            file.len()
        ));
    };
    let length = u64::from_le_bytes(*length);
    let Some(header) = usize::try_from(length).ok().and_then(|n| rest.get(..n)) else {
        return Err(format!(
            "its header should take {length} bytes, but only {} follow: \
             the file is truncated, or it is no safetensors file",
            rest.len()
        ));
    };
    let header: Metadata = serde_json::from_slice(header).map_err(|e| format!("its header is invalid: {e}"))?;
    let data = rest.len() - length as usize;
    if header.data_len() > data {
        let short = header.data_len() - data;
        return Err(format!(
            "it is truncated: the header announces {} bytes of values, {short} more than there are",
            header.data_len()
        ));
    }
    if header.data_len() < data {
        return Err(format!("{} bytes follow the values that the header announces", data - header.data_len()));
    }
    let start = file.len() - data;
    let stored = header.tensors().into_iter().map(|(name, info)| {
        let range = start + info.data_offsets.0..start + info.data_offsets.1;
        let stored = Stored {
            file: 0,
            encoding: encoding(info.dtype),
            dims: info.shape.clone(),
            range,
            layout: Layout::Same,
            view: View::Whole,
            hidden: false,
            scales: None,
        };
        (name, stored)
    });
    Ok(stored.collect())
}

fn encoding(dtype: Dtype) -> Encoding {
    match dtype {
        Dtype::BOOL => Encoding::Plain(DType::Bool),
        Dtype::U8 => Encoding::Plain(DType::U8),
        Dtype::I8 => Encoding::Plain(DType::I8),
        Dtype::F8_E5M2 => Encoding::Plain(DType::F8E5M2),
        Dtype::F8_E4M3 => Encoding::Plain(DType::F8E4M3FN),
        Dtype::I16 => Encoding::Plain(DType::I16),
        Dtype::U16 => Encoding::Plain(DType::U16),
        Dtype::F16 => Encoding::Plain(DType::F16),
        Dtype::BF16 => Encoding::Plain(DType::BF16),
        Dtype::I32 => Encoding::Plain(DType::I32),
        Dtype::U32 => Encoding::Plain(DType::U32),
        Dtype::F32 => Encoding::Plain(DType::F32),
        Dtype::F64 => Encoding::Plain(DType::F64),
        Dtype::I64 => Encoding::Plain(DType::I64),
        Dtype::U64 => Encoding::Plain(DType::U64),
        Dtype::F4 => Encoding::Opaque("F4"),
        Dtype::F6_E2M3 => Encoding::Opaque("F6_E2M3"),
        Dtype::F6_E3M2 => Encoding::Opaque("F6_E3M2"),
        Dtype::F8_E8M0 => Encoding::Plain(DType::F8E8M0FNU),
        Dtype::F8_E4M3FNUZ => Encoding::Plain(DType::F8E4M3FNUZ),
        Dtype::F8_E5M2FNUZ => Encoding::Plain(DType::F8E5M2FNUZ),
        Dtype::C64 => Encoding::Opaque("C64"),
        _ => Encoding::Opaque("of a type newer than this program"),
    }
}
