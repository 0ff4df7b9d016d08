//! Files that are not what was written: refused by name, with what to do about it, and made again when that is done.
use crate::common::*;
use raxla_data::{
    BuildOptions, DatasetOptions, Encoding, Loader, LoaderOptions, Mixture, MixtureOptions, Packing, Source, TokenCache,
};
use std::{fs, path::PathBuf, sync::Arc};
use tempfile::TempDir;

struct Made {
    place: TempDir,
    sources: [Source; 1],
    encoding: Encoding,
    options: BuildOptions,
}

impl Made {
    fn new(documents: usize, shard_tokens: u64) -> Made {
        let content: String =
            (0..documents).map(|i| format!("{{\"text\": \"{i} {}\"}}\n", "x".repeat(i % 90))).collect();
        let place = folder(&[("a.jsonl", content.as_bytes())]);
        let sources = [source(&place, "a.jsonl")];
        let options = BuildOptions { shard_tokens, ..options(&place) };
        Made { place, sources, encoding: encoding(), options }
    }
    fn build(&self) -> raxla_data::Result<TokenCache> {
        TokenCache::build(&self.sources, &self.encoding, &self.options, |_| {})
    }
    /// Everything that can be read of it.
    fn read(&self) -> raxla_data::Result<u64> {
        let cache = Arc::new(self.build()?);
        let mut sum = 0;
        for i in 0..cache.len() {
            let sequence = cache.sequence(i)?;
            sum += sequence.tokens.iter().map(|token| u64::from(*token)).sum::<u64>();
        }
        let rows =
            raxla_data::Dataset::new(cache, &DatasetOptions { packing: Packing::Pack, ..DatasetOptions::new(64) })?;
        for i in 0..rows.len() {
            sum += rows.row(i)?.tokens.iter().map(|token| *token as u64).sum::<u64>();
        }
        Ok(sum)
    }
}

#[test]
fn changed_and_cut_files_are_refused_by_name_and_made_again() {
    let made = Made::new(1500, 40_000);
    let whole = made.read().unwrap();
    let cache = made.build().unwrap().folder().to_path_buf();
    let files: Vec<PathBuf> = contents(&cache).into_iter().map(|(name, _)| cache.join(name)).collect();
    let shards = files.iter().filter(|path| path.extension().is_some_and(|e| e == "shard")).count();
    assert!(shards > 1 && files.iter().any(|path| path.extension().is_some_and(|e| e == "plan")), "{files:?}");
    for path in files.iter().filter(|path| !path.ends_with("lock")) {
        let bytes = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let harm = |changed: &[u8]| {
            fs::write(path, changed).unwrap();
            let error = text_of(made.read());
            // a plan is useless by itself, and so is a cache without one of its shards
            let remove = if name.ends_with(".plan") { path } else { &cache };
            let wanted = format!("help: delete {}, and it is made again", remove.display());
            assert!(error.contains(&*name) && error.contains(" is damaged: ") && error.contains(&wanted), "{error}");
        };
        for at in [0, 70, bytes.len() / 2, bytes.len() - 40, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x04;
            harm(&changed);
            harm(&bytes[..at]);
        }
        fs::write(path, &bytes).unwrap();
    }
    // files in each other's place
    let [a, b] = ["tokens-00000.shard", "tokens-00001.shard"].map(|name| cache.join(name));
    let kept = fs::read(&a).unwrap();
    fs::copy(&b, &a).unwrap();
    assert!(text_of(made.read()).contains("it is another shard than the index says"));
    fs::write(&a, kept).unwrap();
    assert_eq!(made.read().unwrap(), whole);
    // what the message says helps
    fs::write(&b, "").unwrap();
    assert!(text_of(made.read()).contains("tokens-00001.shard is damaged"));
    fs::remove_dir_all(&cache).unwrap();
    assert_eq!(made.read().unwrap(), whole);
    let plan = files.iter().find(|path| path.extension().is_some_and(|e| e == "plan")).unwrap();
    fs::remove_file(plan).unwrap();
    assert_eq!(made.read().unwrap(), whole);
    drop(made.place);
}

#[test]
fn damage_that_is_met_in_the_background_reaches_the_caller() {
    let made = Made::new(4000, 1_000_000);
    let cache = made.build().unwrap();
    let shard = cache.folder().join("tokens-00000.shard");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[70_000] ^= 1;
    drop(cache);
    fs::write(&shard, bytes).unwrap();
    for threads in [0, 1, 3] {
        let dataset = Arc::new(dataset(&Arc::new(made.build().unwrap()), &DatasetOptions::new(500)));
        let mixture = Mixture::of(dataset, MixtureOptions { shuffle: false, ..Default::default() }).unwrap();
        let mut loader = Loader::new(mixture, LoaderOptions { threads, ..LoaderOptions::new(2) }).unwrap();
        let (read, error) = loader.by_ref().enumerate().find(|(_, batch)| batch.is_err()).unwrap();
        let error = text_of(error);
        assert!(error.contains("tokens-00000.shard is damaged: bytes 65536 to "), "{error}");
        // the rows before the damaged block are read
        assert_eq!((read, loader.next().is_none()), (32_768 / 1000, true));
        // and a place behind it can be gone to
        loader.seek(&raxla_data::Position { examples: 200, ..loader.position() }).unwrap();
        assert!(loader.next().unwrap().is_ok());
    }
}
