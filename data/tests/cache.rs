//! Tokens on disk: what is written comes back, and comes to the same bytes however it was made.
use crate::common::*;
use proptest::prelude::*;
use raxla_data::{
    BoxError, BuildOptions, BuildProgress, Encoding, Fields, Identity, Sequence, Source, TokenCache, Tokenizer,
    TokenizerFn,
};
use rayon::ThreadPoolBuilder;
use std::{
    fs,
    sync::{Arc, Mutex},
    thread,
};

/// A tokenizer of numbers written out, with ids up to `vocab_size`.
fn numbers(vocab_size: usize) -> Arc<dyn Tokenizer> {
    let read = |text: &str| -> Result<Vec<u32>, BoxError> {
        text.split_whitespace().map(|number| Ok(number.parse()?)).collect()
    };
    Arc::new(TokenizerFn::new(format!("numbers below {vocab_size}"), vocab_size, read))
}

fn line(numbers: &[u32]) -> String {
    let all: Vec<String> = numbers.iter().map(u32::to_string).collect();
    all.join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_comes_back(
        pairs in prop::collection::vec((prop::collection::vec(0u32..300, 1..8), prop::collection::vec(0u32..300, 0..30)), 0..700),
        large in any::<bool>(),
        shard_tokens in 1u64..4000,
    ) {
        let add = if large { 65_400 } else { 0 };
        let vocab_size = add as usize + 300;
        let pairs: Vec<(Vec<u32>, Vec<u32>)> =
            pairs.iter().map(|(a, b)| (a.iter().map(|n| n + add).collect(), b.iter().map(|n| n + add).collect())).collect();
        let object = |(a, b): &(Vec<u32>, Vec<u32>)| {
            serde_json::json!({ "prompt": line(a), "completion": format!(" {}", line(b)) }).to_string() + "\n"
        };
        let place = folder(&[("pairs.jsonl", pairs.iter().map(object).collect::<String>().as_bytes())]);
        let fields = Fields::Completion { prompt: "prompt".into(), completion: "completion".into() };
        let source = Source { fields, ..source(&place, "pairs.jsonl") };
        let encoding = Encoding { eos: Some(add), ..Encoding::new(numbers(vocab_size)) };
        let options = BuildOptions { shard_tokens, ..options(&place) };
        let built = TokenCache::build(&[source], &encoding, &options, |_| {}).unwrap();
        let cache = TokenCache::open(built.folder()).unwrap();
        prop_assert_eq!(cache.len(), pairs.len() as u64);
        for (i, (a, b)) in pairs.iter().enumerate() {
            let tokens = [&a[..], b, &[add]].concat();
            let learned = a.len() as u32..tokens.len() as u32;
            prop_assert_eq!(cache.sequence(i as u64).unwrap(), Sequence { tokens, learned: Some(vec![learned]) });
        }
        let total: usize = pairs.iter().map(|(a, b)| a.len() + b.len() + 1).sum();
        let learned: usize = pairs.iter().map(|(_, b)| b.len() + 1).sum();
        prop_assert_eq!([cache.stats().tokens, cache.stats().learned], [total as u64, learned as u64]);
        prop_assert!(cache.sequence(cache.len()).is_err());
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let content: String = (0..5000).map(|i| format!("{{\"text\": \"{}\"}}\n", "word ".repeat(i % 17))).collect();
    let place = folder(&[("a.jsonl", content.as_bytes()), ("b.jsonl", content.as_bytes())]);
    let sources = [source(&place, "*.jsonl")];
    let made = [1, 2, 5].map(|threads| {
        let options =
            BuildOptions { shard_tokens: 20_000, ..BuildOptions::new(place.path().join(format!("{threads}"))) };
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let cache = pool.install(|| TokenCache::build(&sources, &encoding(), &options, |_| {})).unwrap();
        assert_eq!(cache.stats().empty, 2 * 5000_u64.div_ceil(17));
        contents(cache.folder())
    });
    assert!(made[0].len() > 5, "{} files", made[0].len());
    assert_eq!(made[0], made[1]);
    assert_eq!(made[0], made[2]);
}

#[test]
fn a_cache_is_found_again_until_what_it_depends_on_changes() {
    let place = folder(&[("a.txt", b"one"), ("copy/a.txt", b"one")]);
    let seen = Mutex::new(vec![]);
    let build = |path: &str, encoding: &Encoding, options: &BuildOptions| {
        seen.lock().unwrap().clear();
        let progress = |progress: &BuildProgress| seen.lock().unwrap().push(progress.clone());
        let cache = TokenCache::build(&[source(&place, path)], encoding, options, progress).unwrap();
        (cache.folder().to_path_buf(), seen.lock().unwrap().len())
    };
    let (first, reports) = build("a.txt", &encoding(), &options(&place));
    let last = BuildProgress { bytes_read: 3, bytes_total: 3, records: 1, tokens: 4, bad: 0 };
    assert_eq!((reports, seen.lock().unwrap().last()), (1, Some(&last)));
    let again = |wanted: bool, path: &str, encoding: &Encoding, options: &BuildOptions| {
        let (folder, reports) = build(path, encoding, options);
        assert_eq!((folder == first, reports == 0), (wanted, wanted), "{path}");
    };
    again(true, "a.txt", &encoding(), &options(&place));
    again(false, "copy/a.txt", &encoding(), &options(&place));
    again(false, "a.txt", &Encoding { eos: Some(0), ..encoding() }, &options(&place));
    let other = TokenizerFn::new("other", 257, |text: &str| Ok(text.bytes().map(u32::from).collect()));
    again(false, "a.txt", &Encoding { tokenizer: Arc::new(other), ..encoding() }, &options(&place));
    // a file of the same size that is written later
    fs::write(place.path().join("a.txt"), "two").unwrap();
    again(false, "a.txt", &encoding(), &options(&place));
    // by content
    let by_content = BuildOptions { identity: Identity::Content, ..options(&place) };
    let (one, _) = build("copy/a.txt", &encoding(), &by_content);
    fs::write(place.path().join("a.txt"), "one").unwrap();
    assert_eq!(build("a.txt", &encoding(), &by_content), (one, 0));
}

#[test]
fn two_that_make_the_same_cache_at_once_get_the_same() {
    let content: String = (0..3000).map(|i| format!("{{\"text\": \"{i}\"}}\n")).collect();
    let place = folder(&[("a.jsonl", content.as_bytes())]);
    let build = || {
        let cache = TokenCache::build(&[source(&place, "a.jsonl")], &encoding(), &options(&place), |_| {}).unwrap();
        (cache.folder().to_path_buf(), texts(&cache))
    };
    let all = thread::scope(|scope| {
        let threads = [0; 4].map(|_| scope.spawn(build));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(all.iter().all(|one| *one == all[0]) && all[0].1.len() == 3000);
}

#[test]
fn duplicates_are_counted() {
    let (_place, cache) = documents(&["a", "b", "a", "ab", "a", "b"].map(String::from));
    assert_eq!(cache.duplicates().unwrap(), 3);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = folder(&[("a.txt", b"12 400"), ("a.jsonl", b"{\"chosen\": \"a\", \"rejected\": \"b\"}")]);
    let build = |sources: &[Source], encoding: &Encoding, options: &BuildOptions| {
        text_of(TokenCache::build(sources, encoding, options, |_| {}))
    };
    let text = [source(&place, "a.txt")];
    let small = Encoding { eos: None, ..Encoding::new(numbers(300)) };
    let error = build(&text, &small, &options(&place));
    assert!(error.contains("it gives the token 400, which is not in its vocabulary of 300"), "{error}");
    let error = build(&text, &Encoding { eos: Some(300), ..small.clone() }, &options(&place));
    assert!(error.contains("the special token 300 is not in its vocabulary of 300"), "{error}");
    let error = build(&[], &small, &options(&place));
    assert!(error.contains("no source is named\n  help:"), "{error}");
    let fields = Fields::Preference { prompt: "prompt".into(), chosen: "chosen".into(), rejected: "rejected".into() };
    let both = [text[0].clone(), Source { fields, ..source(&place, "a.jsonl") }];
    let error = build(&both, &encoding(), &options(&place));
    assert!(error.contains("preferences and other records are in one cache\n  help:"), "{error}");
    let talk = [Source { fields: Fields::Messages("messages".into()), ..source(&place, "a.txt") }];
    let error = build(&talk, &Encoding { template: Some(angles()), ..encoding() }, &options(&place));
    assert!(error.contains("text holds documents, and `fields` says otherwise\n  help:"), "{error}");
    let chats = [Source { fields: Fields::Messages("messages".into()), ..source(&place, "a.jsonl") }];
    let error = build(&chats, &encoding(), &options(&place));
    assert!(error.contains("there is no chat template\n  help:"), "{error}");
    let error = build(&text, &encoding(), &BuildOptions { max_record_bytes: 0, ..options(&place) });
    assert!(error.contains("`max_record_bytes` is to be from 1 to 2^30"), "{error}");
    let error = text_of(TokenCache::open(place.path()));
    assert!(error.contains("it holds no finished cache of tokens\n  help:"), "{error}");
}
