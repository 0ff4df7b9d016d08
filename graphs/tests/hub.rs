//! The hub's client against a stand-in for the hub on this machine.

use crate::common::hub::{COMMIT, CONFIG, Hub, checkpoint};
use raxla_graphs::hub::{HubOptions, Repository};
use raxla_graphs::source::Source;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

#[test]
fn all_parts_of_a_split_file_are_fetched() {
    let parts = ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"];
    for repository in ["hf:org/name", "hf:org/name/a-00002-of-00002.gguf"] {
        let repository = repository.strip_prefix("hf:").unwrap();
        let hub = Hub::new(&[(parts[0], b"GGUF"), (parts[1], b"GGUF"), ("tokenizer.model", b"m"), ("b.txt", b"t")]);
        let path = hub.fetch(repository).unwrap();
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap() };
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [parts[0], parts[1], "tokenizer.model"]);
        let offline = HubOptions { offline: true, ..hub.options() };
        let repository: Repository = repository.parse().unwrap();
        assert!(repository.cached(&offline).is_some());
        std::fs::remove_file(folder.join(parts[0])).unwrap();
        assert_eq!(repository.cached(&offline), None);
    }
}

#[test]
fn a_model_is_downloaded_once_and_then_found_offline() {
    let weights = checkpoint(1000);
    let hub = Hub::new(&[
        ("config.json", CONFIG),
        ("model.safetensors", &weights),
        ("README.md", b"#"),
        ("pytorch_model.bin", b"x"),
    ]);
    let source = Source::resolve("hf:org/name", &hub.options()).unwrap();
    assert!(source.path.ends_with(format!("models--org--name/snapshots/{COMMIT}")));
    let opened = source.weights().unwrap();
    assert_eq!(opened.info("x").unwrap().dims, [1000]);
    assert_eq!(source.config(&opened).unwrap().model_type, "llama");
    assert!(!source.path.join("README.md").exists() && !source.path.join("pytorch_model.bin").exists());

    // Again: only the listing is asked for.
    hub.state().requests.clear();
    assert_eq!(hub.fetch("org/name").unwrap(), source.path);
    assert_eq!(hub.state().requests, ["/api/models/org/name/revision/main?blobs=true"]);

    // Offline: nothing is.
    hub.state().requests.clear();
    let offline = HubOptions { offline: true, ..hub.options() };
    assert_eq!(Source::resolve("hf:org/name", &offline).unwrap().path, source.path);
    assert_eq!(hub.state().requests.len(), 0);
    let other = Source::resolve("hf:org/other", &offline).unwrap_err().to_string();
    assert!(
        other.contains("org/other")
            && other.contains("RAXLA_OFFLINE or HF_HUB_OFFLINE")
            && other.contains("is not, or not completely"),
        "{other}"
    );

    // Without a server: the copy will do, and without a copy the message says what to check.
    let gone = HubOptions { endpoint: Some("http://127.0.0.1:9".into()), ..hub.options() };
    assert_eq!(Source::resolve("hf:org/name", &gone).unwrap().path, source.path);
    let other = Source::resolve("hf:org/other", &gone).unwrap_err().to_string();
    assert!(other.contains("cannot be fetched") && other.contains("HF_ENDPOINT"), "{other}");
}

#[test]
fn shards_come_by_their_index_and_an_incomplete_copy_is_not_used() {
    let index = br#"{"weight_map": {"x": "model-00001-of-00001.safetensors"}}"#;
    let weights = checkpoint(10);
    let files: &[(&str, &[u8])] = &[
        ("config.json", CONFIG),
        ("model.safetensors.index.json", index),
        ("model-00001-of-00001.safetensors", &weights),
        ("model-extra.safetensors", &weights),
    ];
    let hub = Hub::new(files);
    let path = hub.fetch(&format!("org/name@{COMMIT}")).unwrap();
    assert!(path.join("model-00001-of-00001.safetensors").is_file() && !path.join("model-extra.safetensors").exists());
    let repository: Repository = format!("org/name@{COMMIT}").parse().unwrap();
    assert_eq!(repository.cached(&hub.options()), Some(path.clone()));
    std::fs::remove_file(path.join("model-00001-of-00001.safetensors")).unwrap();
    assert_eq!(repository.cached(&hub.options()), None);
}

#[test]
fn one_gguf_file_of_several_can_be_named() {
    let hub = Hub::new(&[("a.gguf", b"GGUF-a"), ("b.gguf", b"GGUF-b")]);
    let ambiguous = hub.fetch("org/name").unwrap_err();
    assert!(ambiguous.contains("several files of weights") && ambiguous.contains("hf:org/name/a.gguf"), "{ambiguous}");
    assert_eq!(std::fs::read(hub.fetch("org/name/b.gguf").unwrap()).unwrap(), b"GGUF-b");
    assert!(hub.fetch("org/name/c.gguf").unwrap_err().contains("has no file \"c.gguf\""));
    hub.state().files = BTreeMap::from([("tf_model.h5".to_string(), vec![0])]);
    let error = hub.fetch("org/name").unwrap_err();
    assert!(error.contains("no weights that raxla reads") && error.contains("safetensors, GGUF"), "{error}");
}

#[test]
fn pytorch_files_come_where_there_is_nothing_else() {
    let index = br#"{"weight_map": {"x": "pytorch_model-00001-of-00001.bin"}}"#;
    let shard: (&str, &[u8]) = ("pytorch_model-00001-of-00001.bin", b"PK");
    let files = [("config.json", CONFIG), ("pytorch_model.bin.index.json", index), shard, ("training_args.bin", b"PK")];
    let hub = Hub::new(&files);
    let path = hub.fetch("org/name").unwrap();
    assert!(path.join(shard.0).is_file() && !path.join("training_args.bin").exists());
    let cached = || "org/name".parse::<Repository>().unwrap().cached(&hub.options());
    assert_eq!(cached(), Some(path.clone()));
    std::fs::remove_file(path.join(shard.0)).unwrap();
    assert_eq!(cached(), None);

    let hub = Hub::new(&[("pytorch_model.bin", b"PK"), ("optimizer.bin", b"PK"), ("README.md", b"#")]);
    assert!(hub.fetch("org/name").unwrap().join("pytorch_model.bin").is_file());
}

#[test]
fn refusals_name_the_remedy() {
    let hub = Hub::new(&[("config.json", CONFIG), ("model.safetensors", &checkpoint(10))]);
    let unknown = hub.fetch("org/nothing").unwrap_err();
    assert!(
        unknown.contains("org/nothing") && unknown.contains("404") && unknown.contains("check the name"),
        "{unknown}"
    );
    assert!(hub.fetch("org/name@v9").unwrap_err().contains("revision v9"));
    hub.state().token = Some("secret".into());
    let gated = hub.fetch("org/name").unwrap_err();
    assert!(gated.contains("no such repository, or that it is gated") && gated.contains("HF_TOKEN"), "{gated}");
    let with = |token: &str| HubOptions { token: Some(token.into()), ..hub.options() };
    let wrong = Source::resolve("hf:org/name", &with("other")).unwrap_err().to_string();
    assert!(wrong.contains("does the account of your token have access"), "{wrong}");
    assert!(Source::resolve("hf:org/name", &with("secret")).is_ok());
    for (status, text) in [(403, "refuses access"), (418, "status 418")] {
        hub.state().status = Some(status);
        assert!(hub.fetch("org/name").unwrap_err().contains(text));
    }
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let weights = checkpoint(300_000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    // Within one call: the connection breaks twice.
    hub.state().break_off = Some((2, 100_000));
    let path = hub.fetch("org/name").unwrap().join("model.safetensors");
    assert_eq!(std::fs::read(&path).unwrap(), weights);
    assert_eq!(hub.rests(), [0u64; 0]);

    // Across calls: more breaks than a call tolerates leave a rest, and nothing that looks like the file.
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().break_off = Some((usize::MAX, 10_000));
    let error = hub.fetch("org/name").unwrap_err();
    assert!(
        error.contains("model.safetensors cannot be fetched") && error.contains("run the command again"),
        "{error}"
    );
    assert_eq!(hub.rests(), [40_000]);
    let repository: Repository = "org/name".parse().unwrap();
    assert_eq!(repository.cached(&hub.options()), None);
    hub.state().break_off = None;
    let path = hub.fetch("org/name").unwrap().join("model.safetensors");
    assert_eq!(std::fs::read(&path).unwrap(), weights);
}

#[test]
fn what_arrives_damaged_is_not_kept() {
    let weights = checkpoint(2000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().corrupt = true;
    let error = hub.fetch("org/name").unwrap_err();
    assert!(error.contains("arrived damaged: its sha256 is"), "{error}");
    let repository: Repository = "org/name".parse().unwrap();
    assert_eq!(repository.cached(&hub.options()), None);
    hub.state().corrupt = false;
    let path = hub.fetch("org/name").unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights);
}

#[test]
fn a_server_that_ignores_ranges_cannot_lengthen_a_file() {
    let weights = checkpoint(50_000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().ignore_ranges = true;
    hub.state().break_off = Some((1, 20_000));
    let path = hub.fetch("org/name").unwrap();
    assert_eq!(std::fs::read(path.join("model.safetensors")).unwrap(), weights);
}

#[test]
fn a_rest_of_full_length_is_taken_up() {
    let weights = checkpoint(2000);
    let hub = Hub::new(&[("model.safetensors", &weights)]);
    hub.state().break_off = Some((usize::MAX, 100));
    hub.fetch("org/name").unwrap_err();
    hub.state().break_off = None;
    let blobs = hub.folder().join("blobs");
    let rest = std::fs::read_dir(&blobs)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|x| x == "part"));
    std::fs::write(rest.unwrap(), &weights).unwrap();
    assert_eq!(std::fs::read(hub.fetch("org/name").unwrap().join("model.safetensors")).unwrap(), weights);
}

#[test]
fn silence_ends_the_wait() {
    let hub = Hub::new(&[("model.safetensors", &checkpoint(10))]);
    hub.state().stall = true;
    let options = HubOptions { patience: Duration::from_millis(300), ..hub.options() };
    let error = Source::resolve("hf:org/name", &options).unwrap_err().to_string();
    assert!(error.contains("nothing came for") && error.contains("HF_HUB_DOWNLOAD_TIMEOUT"), "{error}");
    assert!(!hub.state().stalled, "the server went on before the client gave up");
}

#[test]
fn names_from_the_server_cannot_leave_the_cache() {
    let index = br#"{"weight_map": {"x": "../../../../evil.safetensors"}}"#;
    let hub = Hub::new(&[("model.safetensors.index.json", index), ("../evil.safetensors", b"x")]);
    assert!(hub.fetch("org/name").unwrap_err().contains("is not a file name"));
    assert!(!Path::new(&hub.cache.path().join("evil.safetensors")).exists());
}
