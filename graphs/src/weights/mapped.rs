//! A file as a byte slice.

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;

/// A read-only mapping of a whole file.
#[derive(Debug)]
pub(super) struct Mapped(Mmap);

impl Mapped {
    /// Maps `path`. An empty file cannot be mapped on every system, so it is an error here.
    pub(super) fn open(path: &Path) -> io::Result<Mapped> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        if file.metadata()?.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty"));
        }
        // SAFETY: the mapping is private and read-only. It is sound as long as nobody shortens or rewrites the file in
        // place meanwhile; checkpoints are written under another name and renamed, which leaves a mapped file as it
        // was.
        unsafe { Mmap::map(&file) }.map(Mapped)
    }

    /// Says that `range` will not be needed soon. Its pages leave the process, not the system's cache; reading them
    /// again works.
    pub(super) fn forget(&self, range: Range<usize>) {
        #[cfg(unix)]
        // SAFETY: dropping the pages of a read-only mapping of a file loses nothing: the next access reads the file
        // again. Failure means only that the memory stays in use.
        let _ = unsafe { self.0.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for Mapped {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
