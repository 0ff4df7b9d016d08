//! Whether a shared library is whole. The dynamic loader maps what its headers name, and where the file ends before, the
//! process dies of a signal.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// Why the file cannot be loaded as a library of 64-bit Linux, if that is seen from its headers.
pub(crate) fn fault(file: &mut File) -> Option<String> {
    let length = file.metadata().ok()?.len();
    let mut head = [0; 64];
    if let Err(error) = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut head)) {
        return Some(format!("its header cannot be read: {error}"));
    }
    // (the loader refuses what is neither 64-bit nor little-endian)
    if head[4..6] != [2, 1] {
        return Some("it is not a library for this machine".into());
    }
    let cut = |end: u64| Some(format!("it is cut off: {length} bytes of {end} are there"));
    // the table of sections is the last part of most libraries
    let (sections, size, count) = (long(&head, 40), short(&head, 58), short(&head, 60));
    let end = sections.saturating_add(size * count);
    if end > length {
        return cut(end);
    }
    let (segments, size, count) = (long(&head, 32), short(&head, 54), short(&head, 56));
    let mut segment = [0; 56];
    for number in 0..count {
        let at = segments.saturating_add(number * size);
        if size < 56 || file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut segment)).is_err() {
            return Some("its table of segments cannot be read".into());
        }
        let end = long(&segment, 8).saturating_add(long(&segment, 32));
        if end > length {
            return cut(end);
        }
    }
    None
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn short(bytes: &[u8], at: usize) -> u64 {
    u64::from(bytes[at]) | u64::from(bytes[at + 1]) << 8
}
