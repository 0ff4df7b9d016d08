//! What the tests share: a tokenizer of bytes, and files in folders that go away.
use raxla_data::{
    BoxError, BuildOptions, ChatTemplate, ChatTemplateFn, Dataset, DatasetOptions, Encoding, Result, Source,
    TokenCache, Tokenizer, TokenizerFn,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// The token behind each document.
pub const EOS: u32 = 256;

/// A token for each byte, and [`EOS`].
pub fn bytes() -> Arc<dyn Tokenizer> {
    Arc::new(TokenizerFn::new("bytes", 257, |text: &str| Ok(text.bytes().map(u32::from).collect())))
}

/// Documents of bytes that end in [`EOS`].
pub fn encoding() -> Encoding {
    Encoding { eos: Some(EOS), ..Encoding::new(bytes()) }
}

/// A template that writes `<role>content<end>`.
pub fn angles() -> Arc<dyn ChatTemplate> {
    let render = |messages: &[Value], tools: Option<&Value>, open: bool| -> Result<String, BoxError> {
        let mut text = tools.map(|tools| format!("<tools>{tools}<end>")).unwrap_or_default();
        for message in messages {
            let content = message["content"].as_str().ok_or("no content")?;
            text += &format!("<{}>{content}<end>", message["role"].as_str().ok_or("no role")?);
        }
        Ok(text + if open { "<assistant>" } else { "" })
    };
    Arc::new(ChatTemplateFn::new("angles", render))
}

/// A folder with files of these names and contents.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    place
}

/// The source at this path of a folder.
pub fn source(place: &TempDir, path: &str) -> Source {
    Source::new(place.path().join(path).to_string_lossy())
}

/// Caches in a folder that is in this one.
pub fn options(place: &TempDir) -> BuildOptions {
    BuildOptions::new(place.path().join("caches"))
}

/// The text of each sequence, without the token at its end.
pub fn texts(cache: &TokenCache) -> Vec<String> {
    let text = |i| {
        let tokens = cache.sequence(i).unwrap().tokens.into_iter().filter(|token| *token != EOS);
        String::from_utf8(tokens.map(|token| token as u8).collect()).unwrap()
    };
    (0..cache.len()).map(text).collect()
}

/// A cache of these documents, and the folder that it is in.
pub fn documents(texts: &[String]) -> (TempDir, Arc<TokenCache>) {
    let lines: Vec<String> = texts.iter().map(|text| serde_json::json!({ "text": text }).to_string() + "\n").collect();
    let place = folder(&[("documents.jsonl", lines.concat().as_bytes())]);
    let cache = TokenCache::build(&[source(&place, "documents.jsonl")], &encoding(), &options(&place), |_| {}).unwrap();
    (place, Arc::new(cache))
}

/// So many documents of different lengths.
pub fn some_texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{i}:{}", &"abcdefgh".repeat(11)[..i * 7 % 80])).collect()
}

pub fn dataset(cache: &Arc<TokenCache>, options: &DatasetOptions) -> Dataset {
    Dataset::new(cache.clone(), options).unwrap()
}

/// All files below a folder, with their contents.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let read = |path: PathBuf| match path.is_dir() {
        true => contents(&path),
        false => vec![(path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&path).unwrap())],
    };
    all.into_iter().flat_map(read).collect()
}

pub fn text_of(outcome: Result<impl Sized>) -> String {
    match outcome {
        Ok(_) => panic!("it is no error"),
        Err(error) => error.to_string(),
    }
}
