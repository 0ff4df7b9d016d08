//! Memory for what is read again and again: the weights of a model.

use memmap2::MmapMut;
use std::{
    io,
    ops::{Deref, DerefMut},
};

/// Zeroed memory in pages of the largest size that the system gives without being asked twice (2 MiB on Linux). Programs that read
/// hundreds of megabytes per step from pages of 4 KiB wait for the address translation of each.
///
/// ```
/// let mut memory = raxla_xla::Arena::new(1 << 20)?;
/// memory[..4].copy_from_slice(b"GGUF");
/// assert_eq!((memory.len(), memory[4]), (1 << 20, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Arena {
    memory: MmapMut,
    start: usize,
    len: usize,
}

/// The size of a large page.
pub(crate) const PAGE: usize = 2 << 20;

impl Arena {
    /// So many bytes, of which the first has an address that is a multiple of 2 MiB where there are large pages, and of 64 everywhere.
    ///
    /// # Errors
    /// What the system says when there is no memory for them.
    pub fn new(len: usize) -> io::Result<Arena> {
        let all = len.checked_add(PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let memory = MmapMut::map_anon(all)?;
        #[cfg(target_os = "linux")]
        // (where the system has no large pages to give, the small ones do)
        let _ = memory.advise(memmap2::Advice::HugePage);
        let start = memory.as_ptr().align_offset(PAGE).min(PAGE);
        Ok(Arena { memory, start, len })
    }
}
impl Deref for Arena {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }
}
impl DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }
}
impl AsRef<[u8]> for Arena {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
