//! Files that are not as they were written.
use super::*;
use serde_json::{Value, json};

/// Two small checkpoints over two devices; the second is step 2.
fn two(place: &Path) -> (Checkpoint, (Array, Array)) {
    let grid = mesh(&[("data", 2)]);
    let tree = |x: f32| (numbers(&[4, 2], x).put(&grid.sharding(P!["data"])).unwrap(), numbers(&[3], x));
    save(place, 1, &tree(1.0));
    (save(place, 2, &tree(2.0)), tree(0.0))
}

/// Opens, verifies and restores step 2.
fn read(place: &Path, like: &(Array, Array)) -> raxla::Result<()> {
    let checkpoint = Checkpoint::open(place.join("step_00000002"))?;
    let verified = checkpoint.verify();
    let restored = checkpoint.restore(like, &here());
    // (each leaf is read, so both see everything)
    assert_eq!(verified.is_ok(), restored.is_ok(), "{verified:?}");
    verified.map(|_| ())
}

#[test]
fn one_flipped_bit_anywhere_is_found() {
    let place = TempDir::new().unwrap();
    let (checkpoint, like) = two(place.path());
    read(place.path(), &like).unwrap();
    let folder = checkpoint.path().to_path_buf();
    let mut tried = 0;
    for name in names(&folder) {
        let path = folder.join(&name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at * 5 % 8);
            fs::write(&path, bytes).unwrap();
            let error = problem(read(place.path(), &like));
            assert_eq!(error.problem, Problem::Damaged, "byte {at} of {name}: {error}");
            assert_eq!(error.path, path, "{error}");
            // of values, the tensor too
            let values = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
            if name.ends_with("safetensors") && at >= values {
                assert!(error.reason.starts_with("the tensor `"), "{error}");
            }
            tried += 1;
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(tried > 900, "{tried}");
    read(place.path(), &like).unwrap();
}

#[test]
fn what_is_cut_short_or_gone_is_found_and_the_one_before_is_taken() {
    let place = TempDir::new().unwrap();
    let (checkpoint, like) = two(place.path());
    let folder = checkpoint.path().to_path_buf();
    for name in names(&folder) {
        let path = folder.join(&name);
        let whole = fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..end]).unwrap();
            let error = problem(read(place.path(), &like));
            assert_eq!((error.problem.clone(), &error.path), (Problem::Damaged, &path), "{error}");
        }
        fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
        assert_eq!(problem(read(place.path(), &like)).problem, Problem::Damaged);
        fs::remove_file(&path).unwrap();
        let error = problem(read(place.path(), &like));
        assert_eq!((error.problem, &*error.reason), (Problem::Damaged, "it is missing"));
        // something else in its place
        fs::create_dir(&path).unwrap();
        assert_eq!(problem(read(place.path(), &like)).problem, Problem::Damaged);
        let found = manager(place.path()).restore_latest(&like, &here()).unwrap().unwrap();
        assert_eq!((found.step, found.tree.1.to_vec::<f32>().unwrap()), (1, vec![1.0, 2.0, 3.0]));
        let [(2, why)] = &found.passed_over[..] else { panic!("{:?}", found.passed_over) };
        assert!(why.to_string().contains(&name), "{why}");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, whole).unwrap();
    }
    // all are damaged
    for step in ["step_00000001", "step_00000002"] {
        fs::write(place.path().join(step).join("checkpoint.json"), "").unwrap();
    }
    let error = problem(manager(place.path()).restore_latest(&like, &here()));
    assert!(error.problem == Problem::Damaged && error.path.starts_with(&folder), "{error}");
}

/// The index with something changed, under a checksum that is right.
fn forged(folder: &Path, change: impl Fn(&mut Value)) {
    let path = folder.join("checkpoint.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut index);
    index.as_object_mut().unwrap().remove("crc32");
    let text = index.to_string();
    let with = |sum: &str| format!("{},\"crc32\":\"{sum}\"}}\n", text.strip_suffix('}').unwrap());
    fs::write(path, with(&format!("{:08x}", crc32fast::hash(with("00000000").as_bytes())))).unwrap();
}

#[test]
fn a_made_up_index_is_refused() {
    let place = TempDir::new().unwrap();
    let (checkpoint, like) = two(place.path());
    let folder = checkpoint.path().to_path_buf();
    let whole = fs::read(folder.join("checkpoint.json")).unwrap();
    forged(&folder, |_| ());
    read(place.path(), &like).unwrap();
    type Change = fn(&mut Value);
    let wrong: [(&str, Change); 14] = [
        ("which no array is", |i| i["leaves"][0]["shape"] = json!([u64::MAX, u64::MAX])),
        ("which no array is", |i| i["leaves"][0]["dtype"] = json!("f33")),
        ("do not make up", |i| i["leaves"][0]["shape"] = json!([1u64 << 40, 2])),
        ("do not make up", |i| i["leaves"][0]["pieces"] = json!([])),
        ("do not make up", |i| i["leaves"][0]["pieces"][0]["offset"] = json!([2, 0])),
        ("do not make up", |i| i["leaves"][0]["pieces"][0]["offset"] = json!([u64::MAX, 0])),
        ("do not make up", |i| i["leaves"][0]["pieces"][1]["shape"] = json!([0, 2])),
        ("is no name of a file", |i| i["files"]["../x"] = json!({ "bytes": 1, "header_crc32": "00000000" })),
        ("a file that it does not list", |i| i["leaves"][1]["pieces"][0]["file"] = json!("/etc/passwd")),
        ("two leaves have the path `0`", |i| i["leaves"][1]["path"] = json!("0")),
        ("it is no index: ", |i| i["leaves"][0]["shape"] = json!([-1])),
        ("it is no index: ", |i| i["step"] = json!("2")),
        ("is named after step 2, and holds step 9", |i| i["step"] = json!(9)),
        ("it says that it is a \"raxla cake\"", |i| i["format"] = json!("raxla cake")),
    ];
    for (why, change) in wrong {
        fs::write(folder.join("checkpoint.json"), &whole).unwrap();
        forged(&folder, change);
        let error = problem(read(place.path(), &like));
        assert!(error.reason.contains(why) && error.problem == Problem::Damaged, "{why}: {error}");
    }
    // what the index says of a file that says otherwise
    for (why, change) in [
        ("it has no tensor `x`", (|i| i["leaves"][1]["pieces"][0]["tensor"] = json!("x")) as Change),
        ("of type i32[3]", |i| i["leaves"][1]["dtype"] = json!("i32")),
        ("its checksum is ", |i| i["leaves"][1]["pieces"][0]["crc32"] = json!("00000001")),
        ("its header is damaged", |i| {
            i["files"]["shard-00001-of-00002.safetensors"]["header_crc32"] = json!("00000001")
        }),
    ] {
        fs::write(folder.join("checkpoint.json"), &whole).unwrap();
        forged(&folder, change);
        let error = problem(Checkpoint::open(&folder).unwrap().verify());
        assert!(error.reason.contains(why) && error.problem == Problem::Damaged, "{why}: {error}");
    }
    // a tensor that no leaf has
    fs::write(folder.join("checkpoint.json"), &whole).unwrap();
    forged(&folder, |i| {
        i["leaves"].as_array_mut().unwrap().pop();
    });
    assert!(problem(Checkpoint::open(&folder).unwrap().verify()).reason.contains("it has other tensors than"));
    // a newer version is no damage: an older checkpoint in its place would be a surprise
    fs::write(folder.join("checkpoint.json"), &whole).unwrap();
    forged(&folder, |i| {
        i["version"] = json!(2);
        i["leaves"] = json!("of another form");
    });
    let error = problem(manager(place.path()).restore_latest(&like, &here()));
    assert!(error.reason.contains("in version 2 of the format") && error.problem == Problem::Unsupported, "{error}");
}

#[test]
fn text_of_every_kind_is_no_index() {
    let place = TempDir::new().unwrap();
    let (checkpoint, like) = two(place.path());
    let path = checkpoint.path().join("checkpoint.json");
    let deep = "[".repeat(100_000);
    for text in ["", "{}", "null", "\u{feff}{}", &deep, "{\"crc32\":\"00000000\"}\n", ",\"crc32\":\"00000000\"}\n"] {
        fs::write(&path, text).unwrap();
        assert_eq!(problem(read(place.path(), &like)).problem, Problem::Damaged);
    }
}
