//! A file as a byte slice.

use crate::files::open_file;
use memmap2::Mmap;
use std::{
    io,
    ops::{Deref, Range},
    path::Path,
};

/// A read-only memory mapping of a whole file; dereferences to its bytes.
///
/// Pages are read when they are first looked at, and are shared with every process that maps the same file. The file must
/// not be shortened or rewritten in place meanwhile; replacing it by renaming another one over it is fine.
///
/// ```
/// use raxla_xla::MappedFile;
/// # fn main() -> std::io::Result<()> {
/// # let file = tempfile::NamedTempFile::new()?;
/// # let path = file.path();
/// std::fs::write(path, b"GGUF")?;
/// let bytes = MappedFile::open(path)?;
/// assert!(bytes.starts_with(b"GGUF"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MappedFile(Mmap);

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// What the system says on opening or mapping it; `IsADirectory` for a folder, `InvalidInput` for a pipe or device, and
    /// `UnexpectedEof` for an empty file, which not every system can map.
    pub fn open(path: &Path) -> io::Result<MappedFile> {
        let (file, metadata) = open_file(path)?;
        if metadata.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is empty"));
        }
        // SAFETY: the mapping is private and read-only. It is sound as long as nobody shortens or rewrites the file in
        // place meanwhile; checkpoints are written under another name and renamed, which leaves a mapped file as it
        // was.
        unsafe { Mmap::map(&file) }.map(MappedFile)
    }

    /// Says that these bytes will not be needed soon. Their pages leave the process, not the system's cache; reading them
    /// again works.
    pub fn forget(&self, range: Range<usize>) {
        #[cfg(unix)]
        // SAFETY: dropping the pages of a read-only mapping of a file loses nothing: the next access reads the file
        // again. Failure means only that the memory stays in use.
        let _ = unsafe { self.0.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for MappedFile {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
