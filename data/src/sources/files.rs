//! The files that sources name.

use super::{Fields, Format, Source};
use crate::{Error, Result};
use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// A folder in a folder, and so on, beyond which nothing is looked for.
const DEEPEST: usize = 64;

/// A file to be read.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// The source that names it, by number.
    pub source: usize,
    pub path: PathBuf,
    /// Never [`Format::Auto`].
    pub format: Format,
    pub gzip: bool,
    pub stamp: Stamp,
}

/// By what a file is known to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub bytes: u64,
    /// Nanoseconds since 1970, or 0 where the system does not know.
    pub modified: u128,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Stamp { bytes: metadata.len(), modified: since.map_or(0, |time| time.as_nanos()) }
    }
}

impl SourceFile {
    /// The file has been changed since it was listed.
    pub fn check_unchanged(&self) -> Result<()> {
        let now = Stamp::of(&fs::metadata(&self.path).map_err(Error::read(&self.path))?);
        match now == self.stamp {
            true => Ok(()),
            false => Err(Error::source(
                self.path.display(),
                "it was changed while it was read\n  help: start again when nothing writes to it any more",
            )),
        }
    }
}

/// All files of all sources, in order.
pub(crate) fn files(sources: &[Source]) -> Result<Vec<SourceFile>> {
    let mut all = vec![];
    for (i, source) in sources.iter().enumerate() {
        let before = all.len();
        for (path, named) in paths(source)? {
            let known = format_of(&path, source.format);
            let Some((format, gzip)) = known else {
                // a folder holds other files, too
                if named {
                    let reason = "its name says no format\n  help: say `format = \"text\"`, \"jsonl\" or \"parquet\"";
                    return Err(Error::source(path.display(), reason));
                }
                continue;
            };
            if format == Format::Text && !matches!(source.fields, Fields::Text(_)) {
                let reason = "text holds documents, and `fields` says otherwise\n  help: leave `fields` out";
                return Err(Error::source(path.display(), reason));
            }
            let metadata = fs::metadata(&path).map_err(Error::read(&path))?;
            if !metadata.is_file() {
                return Err(Error::source(
                    path.display(),
                    "it is no file, but a pipe, socket or device\n  help: write it to a file first",
                ));
            }
            all.push(SourceFile { source: i, format, gzip, stamp: Stamp::of(&metadata), path });
        }
        if all.len() == before {
            let reason = "no file of a known format is there\n  help: look at the path; formats are named \
                          .txt, .md, .jsonl, .json and .parquet, and those of text also .gz behind that";
            return Err(Error::source(&source.path, reason));
        }
    }
    Ok(all)
}

/// The paths of a source, and whether each was asked for by itself.
fn paths(source: &Source) -> Result<Vec<(PathBuf, bool)>> {
    let path = Path::new(&source.path);
    if path.is_file() {
        return Ok(vec![(path.to_path_buf(), true)]);
    }
    let mut found = vec![];
    if path.is_dir() {
        walk(path, 0, &mut found)?;
        found.sort();
        return Ok(found.into_iter().map(|path| (path, source.format != Format::Auto)).collect());
    }
    let bad = |e: glob::PatternError| {
        let reason = format!("it is no file, no folder, and no glob: {e}\n  help: look at the path");
        Error::source(&source.path, reason)
    };
    let options =
        glob::MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..Default::default() };
    for path in glob::glob_with(&source.path, options).map_err(bad)? {
        let path = path.map_err(|e| Error::Read { path: e.path().into(), source: e.into() })?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    if found.is_empty() {
        let reason = "no file or folder has this path, and as a glob it finds none\n  help: look at the path";
        return Err(Error::source(&source.path, reason));
    }
    found.sort();
    Ok(found.into_iter().map(|path| (path, true)).collect())
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::source(folder.display(), format!("folders are nested deeper than {DEEPEST}")));
    }
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        if matches!(entry.file_name().as_encoded_bytes().first(), Some(b'.' | b'_')) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::read(folder))?);
        // (links to files are followed, such as those of Hugging Face's cache; links to folders could be circles)
        match kind.is_dir() {
            true => walk(&path, depth + 1, found)?,
            false if path.is_file() => found.push(path),
            false => {}
        }
    }
    Ok(())
}

/// What a file is, and whether it is compressed.
fn format_of(path: &Path, asked: Format) -> Option<(Format, bool)> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let (stem, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
    let format = match (asked, stem.rsplit_once('.')?.1) {
        (Format::Auto, "txt" | "text" | "md") => Format::Text,
        (Format::Auto, "jsonl" | "ndjson" | "json") => Format::Jsonl,
        (Format::Auto, "parquet") if !gzip => Format::Parquet,
        (Format::Auto, _) => return None,
        (asked, _) => asked,
    };
    Some((format, gzip))
}
