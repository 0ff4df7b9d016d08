//! docs/errors.md shows each error word for word.
use crate::common::*;
use raxla_data::{
    BuildOptions, Dataset, DatasetOptions, Encoding, Error, Loader, LoaderOptions, Mixture, MixtureOptions, Position,
    Source, TokenCache, TokenizerFn,
};
use std::{fs, sync::Arc};

const PAGE: &str = include_str!("../../docs/errors.md");

#[track_caller]
fn assert_shown(error: &Error, replace: &[(&str, &str)]) {
    let shown = replace.iter().fold(error.to_string(), |shown, (from, to)| shown.replace(from, to));
    let wanted = format!("```text\nerror: {shown}\n```");
    assert!(PAGE.contains(&wanted), "docs/errors.md lacks:\n{wanted}");
    // what `main` and `unwrap` show
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn messages_are_shown() {
    let place = folder(&[("a.jsonl", b"{\"text\": \"one\"}\n{\"body\": \"two\"}\n"), ("b.txt", b"ab"), ("c.csv", b"")]);
    let replace = &[(place.path().to_str().unwrap(), "/home/me"), (env!("CARGO_MANIFEST_DIR"), "")];
    let build = |path: &str, encoding: &Encoding, options: &BuildOptions| {
        TokenCache::build(&[source(&place, path)], encoding, options, |_| {}).map(Arc::new)
    };
    let shown = |outcome: raxla_data::Result<Arc<TokenCache>>| {
        assert_shown(&outcome.err().expect("it is wrong"), replace);
    };
    shown(build("c.csv", &encoding(), &options(&place)));
    shown(build("a.jsonl", &encoding(), &options(&place)));
    let small = TokenizerFn::new("small", 98, |text: &str| Ok(text.bytes().map(u32::from).collect()));
    shown(build("b.txt", &Encoding::new(Arc::new(small)), &options(&place)));
    let error = build("b.txt", &encoding(), &BuildOptions::new(place.path().join("b.txt"))).err().unwrap();
    let Error::Write { path, .. } = &error else { panic!("{error}") };
    assert_shown(&error, &[(path.to_str().unwrap(), "/home/me/caches/0123456789abcdef")]);
    let cache = build("b.txt", &encoding(), &options(&place)).unwrap();
    assert_shown(&Dataset::new(cache.clone(), &DatasetOptions::new(0)).err().unwrap(), replace);
    let rows = Arc::new(dataset(&cache, &DatasetOptions::new(2)));
    let mixture = Mixture::of(rows, MixtureOptions::default()).unwrap();
    let mut loader = Loader::new(mixture, LoaderOptions::new(1)).unwrap();
    let fingerprint = loader.position().data;
    let other = Position { examples: 1, data: "0123456789abcdef0123456789abcdef".into() };
    let error = loader.seek(&other).unwrap_err();
    assert_shown(&error, &[(&fingerprint, "fedcba9876543210fedcba9876543210")]);
    let caches = cache.folder().to_path_buf();
    let replace = &[(caches.to_str().unwrap(), "/home/me/caches/0123456789abcdef"), replace[0]];
    let shard = caches.join("tokens-00000.shard");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..100]).unwrap();
    assert_shown(&build("b.txt", &encoding(), &options(&place)).err().unwrap(), replace);
    let gone = Source::new(place.path().join("gone/*.txt").to_string_lossy());
    assert_shown(&TokenCache::build(&[gone], &encoding(), &options(&place), |_| {}).err().unwrap(), replace);
    fs::write(place.path().join("cut.txt.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    assert_shown(&build("cut.txt.gz", &encoding(), &options(&place)).err().unwrap(), replace);
}
