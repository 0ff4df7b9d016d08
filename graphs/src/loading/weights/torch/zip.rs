//! The directory of a zip archive whose entries are stored, not compressed: enough for what `torch.save` writes.

use std::collections::BTreeMap;
use std::ops::Range;

/// The entries of an archive by name, each as a range of the file.
///
/// # Errors
/// A directory that is missing (the file is truncated), contradicts itself or the file, or has compressed entries.
pub(super) fn entries(file: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, String> {
    let (count, mut at) = directory(file)?;
    let mut found = BTreeMap::new();
    for i in 0..count {
        let bad = |what: &str| format!("its zip directory is damaged: {what} of entry {i}");
        let head: &[u8; 46] =
            array(file, at).filter(|h| h.starts_with(b"PK\x01\x02")).ok_or_else(|| bad("the head"))?;
        let [name_len, extra_len, comment_len] = [28, 30, 32].map(|o| usize::from(u16_at(head, o)));
        let name = file.get(at + 46..at + 46 + name_len).and_then(|n| std::str::from_utf8(n).ok());
        let name = name.ok_or_else(|| bad("the name"))?;
        let extra =
            file.get(at + 46 + name_len..at + 46 + name_len + extra_len).ok_or_else(|| bad("the extra field"))?;
        if u16_at(head, 8) & 1 != 0 || u16_at(head, 10) != 0 {
            return Err(format!(
                "its entry {name:?} is compressed or encrypted; torch.save stores entries as they are"
            ));
        }
        let [size, stored, offset] = sizes(head, extra).ok_or_else(|| bad("the sizes"))?;
        let data = local(file, offset, size).filter(|_| size == stored);
        let data =
            data.ok_or_else(|| format!("its entry {name:?} does not lie inside the file: it is truncated or damaged"))?;
        if found.insert(name, data).is_some() {
            return Err(format!("its entry {name:?} occurs twice"));
        }
        at += 46 + name_len + extra_len + comment_len;
    }
    Ok(found)
}

/// The number of entries, and where the central directory begins.
fn directory(file: &[u8]) -> Result<(u64, usize), String> {
    // the end record is 22 bytes and a comment of at most 65535
    let first = file.len().saturating_sub(22 + 0xffff);
    let end = (first..=file.len().saturating_sub(22)).rev().find(|at| file[*at..].starts_with(b"PK\x05\x06"));
    let truncated = "its zip directory is missing: the file is truncated";
    let (end, record) = end.and_then(|at| Some((at, array::<22>(file, at)?))).ok_or(truncated)?;
    let (count, at) = (u64::from(u16_at(record, 10)), u64::from(u32_at(record, 16)));
    let (count, at) =
        match end.checked_sub(20).and_then(|l| array::<20>(file, l)).filter(|l| l.starts_with(b"PK\x06\x07")) {
            Some(locator) if count == 0xffff || at == 0xffff_ffff => {
                let record = usize::try_from(u64_at(locator, 8)).ok().and_then(|at| array::<56>(file, at));
                let record = record.filter(|r| r.starts_with(b"PK\x06\x06")).ok_or("its zip64 record is damaged")?;
                (u64_at(record, 32), u64_at(record, 48))
            }
            _ => (count, at),
        };
    match usize::try_from(at) {
        Ok(at) if at <= file.len() && count <= (file.len() / 46) as u64 => Ok((count, at)),
        _ => Err("its zip directory is damaged".into()),
    }
}

/// Size, stored size and offset of the local header, from the head or, where they are too large for it, the zip64 field.
fn sizes(head: &[u8], mut extra: &[u8]) -> Option<[u64; 3]> {
    let mut all = [24, 20, 42].map(|at| u64::from(u32_at(head, at)));
    while let Some((field, rest)) = extra.split_at_checked(4) {
        let (data, rest) = rest.split_at_checked(usize::from(u16_at(field, 2)))?;
        if u16_at(field, 0) == 1 {
            let mut words = data.chunks_exact(8).map(|w| u64_at(w, 0));
            for value in all.iter_mut().filter(|v| **v == 0xffff_ffff) {
                *value = words.next()?;
            }
        }
        extra = rest;
    }
    Some(all)
}

/// The bytes of the entry whose local header is at `offset`.
fn local(file: &[u8], offset: u64, size: u64) -> Option<Range<usize>> {
    let offset = usize::try_from(offset).ok()?;
    let head: &[u8; 30] = array(file, offset).filter(|h| h.starts_with(b"PK\x03\x04"))?;
    let begin = offset + 30 + usize::from(u16_at(head, 26)) + usize::from(u16_at(head, 28));
    let end = begin.checked_add(usize::try_from(size).ok()?)?;
    (end <= file.len()).then_some(begin..end)
}

fn array<const N: usize>(file: &[u8], at: usize) -> Option<&[u8; N]> {
    file.get(at..)?.first_chunk()
}
fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}
fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from(u16_at(b, at)) | u32::from(u16_at(b, at + 2)) << 16
}
fn u64_at(b: &[u8], at: usize) -> u64 {
    u64::from(u32_at(b, at)) | u64::from(u32_at(b, at + 4)) << 32
}
