//! Files and records: what is read of them, in which order, and what is not.
use crate::common::*;
use flate2::{Compression, write::GzEncoder};
use raxla_data::{BadKind, BuildOptions, Fields, Format, OnBad, Source, Split, TokenCache};
use std::{fs, io::Write, path::Path};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(vec![], Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

#[test]
fn formats() {
    let objects = b"{\"text\": \"a\\u00e4\", \"x\": [1, {\"text\": 2}]}\n\n  {\"text\":\"b\"}\r\n{\"text\":\"c\"}";
    let two_members = [gzip(b"{\"text\": \"a\"}\n{\"te"), gzip(b"xt\": \"b\"}\n")].concat();
    let (file, lines) = (Split::File, Split::Lines);
    let separator = Split::Separator("<|end|>".into());
    let table: &[(&str, &[u8], Split, &[&str])] = &[
        ("a.txt", b"one\n\ntwo\n", file.clone(), &["one\n\ntwo\n"]),
        ("a.txt", b"", file.clone(), &[]),
        ("a.txt", b"\xef\xbb\xbfone", file.clone(), &["one"]),
        ("a.TEXT", b"one\r\n\r\ntwo\n", lines, &["one", "two"]),
        ("a.md", b"\none\ntwo\n \t\n\n\nthree", Split::BlankLines, &["one\ntwo", "three"]),
        ("a.txt.gz", &gzip(b"one\n\ntwo\n"), Split::BlankLines, &["one", "two"]),
        ("a.txt", b"one\n<|end|>two<|end|><|end|>\n", separator, &["one\n", "two", "\n"]),
        ("a.jsonl", objects, file.clone(), &["a\u{e4}", "b", "c"]),
        ("a.ndjson.gz", &gzip(objects), file.clone(), &["a\u{e4}", "b", "c"]),
        ("a.json.gz", &two_members, file.clone(), &["a", "b"]),
        ("a.jsonl", b"\xef\xbb\xbf{\"text\": \"a\"}", file, &["a"]),
    ];
    for (name, content, split, wanted) in table {
        let place = folder(&[(name, content)]);
        let source = Source { split: split.clone(), ..source(&place, name) };
        let cache = TokenCache::build(&[source], &encoding(), &options(&place), |_| {}).unwrap();
        assert_eq!(texts(&cache), *wanted, "{name} by {split:?}");
    }
}

#[test]
fn folders_and_globs_come_in_the_order_of_their_paths() {
    let files: Vec<(&str, &[u8])> = vec![
        ("in/b.txt", b"b"),
        ("in/a/z.txt", b"a/z"),
        ("in/a/y.jsonl", b"{\"text\": \"a/y\"}"),
        ("in/B.txt", b"B"),
        ("in/.hidden.txt", b"hidden"),
        ("in/_part/x.txt", b"part"),
        ("in/notes.csv", b"notes"),
    ];
    let place = folder(&files);
    std::os::unix::fs::symlink(place.path().join("in/b.txt"), place.path().join("in/a/link.txt")).unwrap();
    std::os::unix::fs::symlink(place.path().join("in"), place.path().join("in/circle")).unwrap();
    let read = |sources: &[Source]| texts(&TokenCache::build(sources, &encoding(), &options(&place), |_| {}).unwrap());
    // B.txt, a/link.txt, a/y.jsonl, a/z.txt, b.txt
    assert_eq!(read(&[source(&place, "in")]), ["B", "b", "a/y", "a/z", "b"]);
    assert_eq!(read(&[source(&place, "in/*.txt")]), ["B", "b"]);
    assert_eq!(read(&[source(&place, "in/a/[xyz].*")]), ["a/y", "a/z"]);
    assert_eq!(read(&[source(&place, "in/b.txt"), source(&place, "in/B.txt")]), ["b", "B"]);
    let text = |path: &str| Source { format: Format::Text, ..source(&place, path) };
    assert_eq!(read(&[text("in/notes.csv")]), ["notes"]);
    let wrong = [
        (source(&place, "in/gone.txt"), "no file or folder has this path"),
        (source(&place, "in/*.parquet"), "as a glob it finds none"),
        (source(&place, "in/notes.csv"), "its name says no format\n  help: say `format = \"text\"`"),
        (source(&place, "in/a[.txt"), "it is no file, no folder, and no glob"),
    ];
    for (source, wanted) in wrong {
        let error = text_of(TokenCache::build(&[source], &encoding(), &options(&place), |_| {}));
        assert!(error.contains(wanted) && error.contains("help:"), "{error}");
    }
}

#[test]
fn bad_records_are_named_and_counted() {
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(200));
    let table: &[(&[u8], BadKind, &str)] = &[
        (b"{\"text\": \"a\"", BadKind::InvalidJson, "it is no JSON object: EOF while parsing an object (column 12)"),
        (b"[1]", BadKind::InvalidJson, "it is no JSON object: invalid type: sequence, expected an object (column 0)"),
        (b"{\"text\": \"a\"} x", BadKind::InvalidJson, "it is no JSON object: trailing characters (column 15)"),
        (
            b"{\"text\": \"\\ud800\"}",
            BadKind::InvalidJson,
            "it is no JSON object: unexpected end of hex escape (column 17)",
        ),
        (b"{\"body\": \"a\"}", BadKind::MissingField, "it has no field `text`"),
        (b"{\"text\": null}", BadKind::MissingField, "it has no field `text`"),
        (b"{\"text\": [1]}", BadKind::WrongType, "its `text` is not a text: [1]"),
        (b"{\"text\": \"\xff\"}", BadKind::InvalidUtf8, "it is not UTF-8 (byte 10 of the record)"),
        (long.as_bytes(), BadKind::TooLong, "it has more than 100 bytes (see `max_record_bytes`)"),
    ];
    for (line, kind, reason) in table {
        let content = [b"{\"text\": \"first\"}\n", *line, b"\n{\"text\": \"last\"}\n"].concat();
        let place = folder(&[("a.jsonl", &content)]);
        let sources = [source(&place, "a.jsonl")];
        let skip = BuildOptions { on_bad: OnBad::Skip, max_record_bytes: 100, ..options(&place) };
        let cache = TokenCache::build(&sources, &encoding(), &skip, |_| {}).unwrap();
        assert_eq!(texts(&cache), ["first", "last"]);
        let bad = &cache.stats().bad;
        assert_eq!((bad.total(), bad.counts[kind]), (1, 1));
        assert_eq!((bad.first[0].line, &*bad.first[0].reason), (2, *reason));
        let refuse = BuildOptions { on_bad: OnBad::Refuse, ..skip };
        let error = text_of(TokenCache::build(&sources, &encoding(), &refuse, |_| {}));
        let wanted = format!("a.jsonl:2: {reason}\n  help: mend the record, or say `on_bad = \"skip\"`");
        assert!(error.contains(&wanted), "{error}");
    }
}

#[test]
fn many_bad_records_are_all_counted_and_the_first_ones_named() {
    let content: String =
        (0..3000).map(|i| format!("{{\"text\": {}}}\n", if i % 3 == 0 { "\"x\"" } else { "1" })).collect();
    let place = folder(&[("a.jsonl", content.as_bytes())]);
    let skip = BuildOptions { on_bad: OnBad::Skip, ..options(&place) };
    let cache = TokenCache::build(&[source(&place, "a.jsonl")], &encoding(), &skip, |_| {}).unwrap();
    let bad = &cache.stats().bad;
    assert_eq!((cache.len(), bad.total(), bad.first.len()), (1000, 2000, 20));
    assert_eq!(bad.first.iter().map(|bad| bad.line).collect::<Vec<_>>()[..3], [2, 3, 5]);
    // what stays is a number: the index is not larger for it
    assert_eq!(TokenCache::open(cache.folder()).unwrap().stats(), cache.stats());
}

#[test]
fn what_cannot_be_read_is_an_error_with_a_remedy() {
    let whole = gzip(&b"{\"text\": \"abc\"}\n".repeat(5000));
    let cut = &whole[..whole.len() - 20];
    let place = folder(&[
        ("cut.jsonl.gz", cut),
        ("no.txt.gz", b"plain"),
        ("no.parquet", b"PAR1 no, it is not"),
        ("empty.parquet", b""),
    ]);
    for (name, wanted) in [
        ("cut.jsonl.gz", "cut.jsonl.gz cannot be read: "),
        ("no.txt.gz", "no.txt.gz cannot be read: "),
        ("no.parquet", "no.parquet cannot be used: "),
        ("empty.parquet", "empty.parquet cannot be used: "),
    ] {
        let error = text_of(TokenCache::build(&[source(&place, name)], &encoding(), &options(&place), |_| {}));
        let help = "help: if the file is damaged or incomplete, copy or download it again";
        assert!(error.contains(wanted) && error.contains(help), "{error}");
    }
    let pipe = place.path().join("pipe.txt");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = text_of(TokenCache::build(&[source(&place, "pipe.txt")], &encoding(), &options(&place), |_| {}));
    assert!(error.contains("it is no file, but a pipe, socket or device\n  help: "), "{error}");
}

fn fixture(name: &str) -> Source {
    Source::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).to_string_lossy())
}

#[test]
fn parquet_files_of_pyarrow() {
    let place = folder(&[]);
    let skip = BuildOptions { on_bad: OnBad::Skip, ..options(&place) };
    let wanted: Vec<String> =
        (0..25).filter(|i| i % 7 != 3).map(|i| format!("text {i} äöü {}", "x".repeat(i % 5))).collect();
    for compression in ["none", "snappy", "gzip"] {
        for version in [1, 2] {
            let name = format!("texts_{compression}_pages_{version}.parquet");
            let cache = TokenCache::build(&[fixture(&name)], &encoding(), &skip, |_| {}).unwrap();
            assert_eq!(texts(&cache), wanted, "{name}");
            let bad = &cache.stats().bad;
            assert_eq!(bad.first.iter().map(|bad| bad.line).collect::<Vec<_>>(), [4, 11, 18, 25]);
            assert_eq!(bad.counts[&BadKind::MissingField], 4);
        }
    }
    let zstd = text_of(TokenCache::build(&[fixture("texts_zstd_pages_1.parquet")], &encoding(), &skip, |_| {}));
    assert!(
        zstd.contains("its column \"text\" is compressed by ZSTD") && zstd.contains("compression=\"snappy\""),
        "{zstd}"
    );
    let other = Source { fields: Fields::Text("body".into()), ..fixture("texts_none_pages_1.parquet") };
    let other = text_of(TokenCache::build(&[other], &encoding(), &skip, |_| {}));
    assert!(other.contains("it has no column body, but id, text\n  help: say in `fields`"), "{other}");
    let cache = TokenCache::build(&[fixture("bytes.parquet")], &encoding(), &skip, |_| {}).unwrap();
    assert_eq!(
        (texts(&cache), cache.stats().bad.counts[&BadKind::InvalidUtf8]),
        (vec!["fine".into(), "also".into()], 1)
    );
    let chats = Source { fields: Fields::Messages("messages".into()), ..fixture("messages.parquet") };
    let encoding = raxla_data::Encoding { template: Some(angles()), ..encoding() };
    let cache = TokenCache::build(&[chats], &encoding, &skip, |_| {}).unwrap();
    let tools = "<tools>[{\"name\":\"f\"}]<end>";
    let wanted = [format!("{tools}<user>Hi<end><assistant>Hello!<end>"), "<user>2+2?<end><assistant>4<end>".into()];
    assert_eq!(texts(&cache), wanted);
}

/// A damaged Parquet file is an error or other text, but neither a panic nor endless.
#[test]
fn damaged_parquet_files() {
    let path = fixture("texts_snappy_pages_1.parquet").path;
    let whole = fs::read(path).unwrap();
    let place = folder(&[]);
    let file = place.path().join("damaged.parquet");
    let skip = BuildOptions { on_bad: OnBad::Skip, ..options(&place) };
    let mut errors = 0;
    for at in (0..whole.len()).step_by(13) {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            fs::write(&file, damaged).unwrap();
            let source = Source::new(file.to_string_lossy());
            errors += usize::from(TokenCache::build(&[source], &encoding(), &skip, |_| {}).is_err());
        }
    }
    assert!(errors > 50, "{errors}");
}
