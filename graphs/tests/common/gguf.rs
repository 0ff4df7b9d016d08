//! GGUF files, made key by key.
use std::path::PathBuf;
use tempfile::TempDir;

/// A file `model.gguf` with these bytes.
pub fn saved(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// A GGUF file in the making.
#[derive(Default)]
pub struct Builder {
    pub pairs: Vec<u8>,
    pub pair_count: u64,
    pub rows: Vec<u8>,
    pub row_count: u64,
    pub data: Vec<u8>,
}

impl Builder {
    pub fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs.extend(string(key));
        self.pairs.extend(kind.to_le_bytes());
        self.pairs.extend(value);
        self.pair_count += 1;
        self
    }

    /// `dims` in the file's order.
    pub fn tensor(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        self.rows.extend(string(name));
        self.rows.extend((dims.len() as u32).to_le_bytes());
        dims.iter().for_each(|d| self.rows.extend(d.to_le_bytes()));
        self.rows.extend(kind.to_le_bytes());
        self.rows.extend(offset.to_le_bytes());
        self.row_count += 1;
        self
    }

    pub fn data(mut self, bytes: usize) -> Self {
        self.data = vec![0; bytes];
        self
    }

    pub fn build(self) -> Vec<u8> {
        let counts = [self.row_count.to_le_bytes(), self.pair_count.to_le_bytes()].concat();
        let mut file = [b"GGUF".as_slice(), &3u32.to_le_bytes(), &counts, &self.pairs, &self.rows].concat();
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(self.data);
        file
    }
}

pub fn string(s: &str) -> Vec<u8> {
    [&(s.len() as u64).to_le_bytes(), s.as_bytes()].concat()
}
