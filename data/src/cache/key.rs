//! What the tokens of a cache depend on, and the name of its folder.

use super::{BuildOptions, VERSION};
use crate::{
    Encoding, Error, Result, Source,
    sources::{SourceFile, group},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fmt::Write, fs::File, io, path::absolute};

/// By what a file is known to be the one whose tokens are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Path, size, and time of the last change.
    #[default]
    Modified,
    /// Name and content: a copy elsewhere is the same. All files are read for it each time.
    Content,
}

/// All that the tokens depend on.
pub(super) fn key(
    sources: &[Source],
    files: &[SourceFile],
    encoding: &Encoding,
    options: &BuildOptions,
) -> Result<Value> {
    let file = |file: &SourceFile| -> Result<Value> {
        let identity = match options.identity {
            Identity::Modified => {
                let path = absolute(&file.path).map_err(Error::read(&file.path))?;
                json!([path.to_string_lossy(), file.stamp.bytes, file.stamp.modified.to_string()])
            }
            Identity::Content => {
                let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                let mut hash = Sha256::new();
                let copied = File::open(&file.path).and_then(|mut input| io::copy(&mut input, &mut hash));
                copied.map_err(Error::read(&file.path))?;
                json!([name, hex(&hash.finalize())])
            }
        };
        let Source { path: _, format: _, split, fields } = &sources[file.source];
        Ok(json!([identity, file.format, file.gzip, split, fields]))
    };
    let files: Result<Vec<Value>> = files.iter().map(file).collect();
    Ok(json!({
        "version": VERSION,
        "encoding": encoding.fingerprint(),
        "files": files?,
        "group": group(sources)?,
        "on_bad": options.on_bad,
        "max_record_bytes": options.max_record_bytes,
        "shard_tokens": options.shard_tokens,
    }))
}

/// A name that no other key has.
pub(crate) fn name(key: &Value) -> String {
    hex(&Sha256::digest(key.to_string().as_bytes())[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
