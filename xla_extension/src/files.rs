//! Reading files, and nothing but files: a pipe would keep its reader waiting, and a device may have no end.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::Path,
};

/// The content of a regular file of at most `limit` bytes. What could keep the reader waiting or reading for ever, such as a
/// pipe or a device, is not opened.
///
/// # Errors
/// What the system says; `InvalidInput` for what is no file, `FileTooLarge`.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open_file(path)?;
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes"));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // (the file may grow meanwhile)
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// As [`read_file`], for text.
///
/// # Errors
/// As [`read_file`], and `InvalidData` for what is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_file(path, limit)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.utf8_error()))
}

/// Opens a regular file for reading. (Opening a pipe waits for a writer.)
pub(crate) fn open_file(path: &Path) -> io::Result<(File, Metadata)> {
    let check = |metadata: &Metadata| match metadata.is_file() {
        true => Ok(()),
        false if metadata.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file, but a pipe, socket or device")),
    };
    check(&fs::metadata(path).map_err(|e| dangling(path).unwrap_or(e))?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

/// What is wrong with a link that leads nowhere. It is not absent, as its own name would be.
fn dangling(path: &Path) -> Option<io::Error> {
    let target = fs::read_link(path).ok()?;
    let reason = format!("it is a link to {}, which cannot be reached", target.display());
    Some(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_file_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x");
        symlink("/dev/zero", &path).unwrap();
        assert_eq!(read_file(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(read_file(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        fs::remove_file(&path).unwrap();
        symlink("gone", &path).unwrap();
        let error = read_file(&path, 10).unwrap_err();
        assert_eq!(error.to_string(), "it is a link to gone, which cannot be reached");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "it is there");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(read_file(&path, 10).unwrap(), b"0123456789");
        assert_eq!(read_file(&path, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_text(&path, 10).unwrap(), "0123456789");
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read_file(place.path(), 10).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
