//! A hub that means harm, or a cache that was harmed: nothing outside the cache is touched, nothing wrong is taken, and what
//! is damaged is repaired. docs/security.md lists what is tried.

use crate::common::hub::{COMMIT, CONFIG, Hub, checkpoint};
use raxla_graphs::hub::{HubOptions, Repository};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// All files below a folder, and links.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(below(&entry.path())),
            false => drop(found.insert(entry.path())),
        }
    }
    found
}

fn file(hub: &Hub) -> Result<Vec<u8>, String> {
    hub.fetch("org/name").map(|path| fs::read(path.join("model.safetensors")).unwrap())
}

/// Fetches from a hub that misbehaves so, and gives the error. Nothing is made outside the repository's folder and that of its
/// locks, nothing looks like the model, and an honest hub then gives it.
fn refused(misbehave: impl FnOnce(&Hub)) -> String {
    let weights = checkpoint(3000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    let victim = hub.cache.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    misbehave(&hub);
    let error = hub.fetch("org/name").expect_err("it is refused");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let locks = hub.cache.path().join("hub/.locks/models--org--name");
    for path in below(hub.cache.path()) {
        let inside = path.starts_with(hub.folder().join("blobs")) || path.starts_with(&locks);
        assert!(inside || path == victim, "{} was made: {error}", path.display());
    }
    assert_eq!("org/name".parse::<Repository>().unwrap().cached(&hub.options()), None, "{error}");
    let mut state = hub.state();
    (state.listing, state.endless, state.redirect, state.corrupt) = (None, false, None, false);
    state.headers.clear();
    drop(state);
    assert_eq!(file(&hub), Ok(weights), "after {error}");
    error
}

#[test]
fn names_in_headers_are_plain_or_refused() {
    for etag in [
        "../../../victim",
        "../victim",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "x.lock",
        "x.part",
        "%2e%2e%2fvictim",
        "a b",
        &"a".repeat(5000),
    ] {
        for header in ["ETag", "X-Linked-Etag"] {
            let error = refused(|hub| drop(hub.state().headers.insert(header, format!("\"{etag}\""))));
            assert!(error.contains("(ETag), which is no name"), "{etag}: {error}");
        }
    }
    // an absolute path in place of the cache's, as it was given
    let error = refused(|hub| {
        let victim = hub.cache.path().join("victim").display().to_string();
        hub.state().headers.insert("ETag", victim);
    });
    assert!(error.contains("which is no name"), "{error}");
}

#[test]
fn another_commit_is_refused() {
    for commit in ["/abs/dir", "../../..", "", "fedcba9876543210fedcba9876543210fedcba98", "main"] {
        let error = refused(|hub| drop(hub.state().headers.insert("X-Repo-Commit", commit.into())));
        assert!(error.contains("is about the commit"), "{error}");
        let listing =
            serde_json::json!({ "sha": commit, "siblings": [{ "rfilename": "model.safetensors" }] }).to_string();
        if commit.len() < 40 {
            let error = refused(|hub| hub.state().listing = Some(listing.clone()));
            assert!(error.contains("the hub names the commit") && error.contains("which is none"), "{error}");
        }
        // a commit that was asked for must be that one
        let hub = Hub::new(&[("model.safetensors", &checkpoint(10))]);
        hub.state().listing = Some(listing);
        let error = hub.fetch(&format!("org/name@{COMMIT}")).unwrap_err();
        assert!(error.contains("which is none") || error.contains("in its place"), "{error}");
        assert_eq!(below(hub.cache.path()), BTreeSet::new());
    }
}

#[test]
fn lists_that_are_none_are_refused() {
    let endless = format!(r#"{{"sha": "{COMMIT}", "siblings": ["{}"]}}"#, " ".repeat(40 << 20));
    for (listing, why) in [
        ("", "no list of files"),
        ("[]", "no list"),
        (r#"{"sha": 1}"#, "no list"),
        (&endless, "more than 33554432 bytes"),
    ] {
        let error = refused(|hub| hub.state().listing = Some(listing.into()));
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn no_more_bytes_come_than_were_announced() {
    let error = refused(|hub| hub.state().endless = true);
    assert!(error.contains("more than the 30"), "{error}");
    // more than fits on any disk, and numbers that are none
    let size =
        |size: &str| refused(|hub| drop(hub.state().headers.insert("Content-Range", format!("bytes 0-0/{size}"))));
    assert!(size("9000000000000000000").contains("GB are free\n  help: make room there"));
    assert!(size("5").contains("more than the 5 bytes"));
    assert!(size("x").contains("does not say how many bytes there are"));
    let error = refused(|hub| drop(hub.state().headers.insert("Content-Length", "x".into())));
    assert!(error.contains("cannot be fetched"), "{error}");
}

#[test]
fn redirects_end_and_lead_to_servers() {
    for (to, why) in [
        ("file:///etc/passwd?", "is no address"),
        ("ftp://127.0.0.1", "is no address"),
        ("http://", "is no address"),
        ("x", "is no address"),
        // to itself, for ever
        ("", "more than 10 times"),
    ] {
        let error = refused(|hub| hub.state().redirect = Some(to.into()));
        assert!(error.contains(why), "{to}: {error}");
    }
}

#[test]
fn the_token_is_for_the_hub_alone() {
    let weights = checkpoint(3000);
    let elsewhere = Hub::new(&[("model.safetensors", &weights), ("config.json", CONFIG)]);
    let port = elsewhere.endpoint.rsplit_once(':').unwrap().1;
    for other in [format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}")] {
        let hub = Hub::new(&[("model.safetensors", &weights), ("config.json", CONFIG)]);
        hub.state().token = Some("secret".into());
        hub.state().redirect = Some(other);
        let options = HubOptions { token: Some("secret".into()), ..hub.options() };
        let path = "org/name".parse::<Repository>().unwrap().fetch(&options).unwrap();
        assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), weights);
        assert!(hub.state().tokens.iter().all(|token| token.as_deref() == Some("bearer secret")));
    }
    let asked = elsewhere.state();
    assert!(asked.tokens.len() >= 8 && asked.tokens.iter().all(Option::is_none), "{:?}", asked.tokens);
}

#[test]
fn what_is_damaged_in_the_cache_is_repaired() {
    let weights = checkpoint(3000);
    let hub = Hub::new(&[("model.safetensors", &weights), ("config.json", CONFIG)]);
    let path = hub.fetch("org/name").unwrap().join("model.safetensors");
    let blob = path.canonicalize().unwrap();
    let part = blob.with_extension("part");
    let elsewhere = hub.cache.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    let harm: [(&str, &dyn Fn()); 8] = [
        ("the file is cut", &|| fs::File::options().write(true).open(&blob).unwrap().set_len(100).unwrap()),
        ("the file is empty", &|| drop(fs::File::create(&blob).unwrap())),
        ("the file is longer", &|| fs::write(&blob, [&weights[..], b"more"].concat()).unwrap()),
        ("the file is gone, its link is not", &|| fs::remove_file(&blob).unwrap()),
        ("the link is gone, and the file is another of the same length", &|| {
            fs::remove_file(&path).unwrap();
            fs::write(&blob, vec![1; weights.len()]).unwrap();
        }),
        ("the link leads elsewhere", &|| {
            fs::remove_file(&path).unwrap();
            symlink(&elsewhere, &path).unwrap();
        }),
        ("what had come is another file's", &|| {
            fs::remove_file(&path).unwrap();
            fs::remove_file(&blob).unwrap();
            fs::write(&part, [7; 1000]).unwrap();
        }),
        ("what had come is a link to another file", &|| {
            fs::remove_file(&path).unwrap();
            fs::remove_file(&blob).unwrap();
            symlink(&elsewhere, &part).unwrap();
        }),
    ];
    for (what, harm) in harm {
        harm();
        assert_eq!(file(&hub).as_ref(), Ok(&weights), "{what}");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious", "{what}");
        assert_eq!(hub.rests(), [0u64; 0], "{what}");
        hub.state().requests.clear();
        assert_eq!((file(&hub).as_ref(), hub.state().requests.len()), (Ok(&weights), 1), "{what}: repaired for good");
    }
}

/// As a process leaves it that was killed after a damaged body had come, before it was checked.
#[test]
fn a_body_that_was_not_checked_is_not_taken() {
    let weights = checkpoint(3000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    let path = hub.fetch("org/name").unwrap().join("model.safetensors");
    let blob = path.canonicalize().unwrap();
    let mut damaged = weights.clone();
    damaged[2000] ^= 1;
    // under its final name without a link, as older versions and other programs may leave it; and under the unfinished one
    for left in [blob.clone(), blob.with_extension("part")] {
        fs::remove_file(&path).unwrap();
        fs::remove_file(&blob).unwrap();
        fs::write(&left, &damaged).unwrap();
        assert_eq!("org/name".parse::<Repository>().unwrap().cached(&hub.options()), None);
        assert_eq!(file(&hub).as_ref(), Ok(&weights), "{}", left.display());
    }
}

#[test]
fn many_at_once_fetch_a_file_once() {
    let weights = checkpoint(300_000);
    let hub = Hub::new(&[("model.safetensors", &weights), ("config.json", CONFIG)]);
    // longer than all others would wait that do not wait for each other
    hub.state().delay = std::time::Duration::from_secs(2);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| file(&hub))).collect();
        for one in all {
            assert_eq!(one.join().unwrap().as_ref(), Ok(&weights));
        }
    });
    assert_eq!((hub.state().sent, hub.rests()), (2, vec![]), "the two files");
}
