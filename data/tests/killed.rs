//! Processes that end while they make a cache, and disks that are full: nothing half is taken for a cache, and the next process
//! goes on to the same bytes.
#![cfg(unix)]
use crate::common::*;
use raxla_data::{BuildOptions, Encoding, TokenCache, Tokenizer, TokenizerFn};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// The folder that the child process works in, and after how many texts it ends.
const FOLDER: &str = "RAXLA_TEST_FOLDER";
const ENDS: &str = "RAXLA_TEST_ENDS";
const DOCUMENTS: usize = 30_000;

/// Makes the cache of the file `text.jsonl` of a folder, and ends the process after so many texts. Gives how many there were.
fn build(place: &Path, ends: usize) -> raxla_data::Result<(TokenCache, usize)> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let bytes = move |text: &str| {
        if counter.fetch_add(1, SeqCst) + 1 == ends {
            process::abort();
        }
        Ok(text.bytes().map(u32::from).collect())
    };
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(TokenizerFn::new("bytes", 257, bytes));
    let encoding = Encoding { eos: Some(EOS), ..Encoding::new(tokenizer) };
    let options = BuildOptions { shard_tokens: 5000, ..BuildOptions::new(place.join("caches")) };
    let source = raxla_data::Source::new(place.join("text.jsonl").to_string_lossy());
    let cache = TokenCache::build(&[source], &encoding, &options, |_| {})?;
    Ok((cache, count.load(SeqCst)))
}

#[test]
#[ignore = "run by other tests in a child process"]
fn child() {
    let Ok(place) = env::var(FOLDER) else { return };
    let ends = env::var(ENDS).ok().and_then(|ends| ends.parse().ok()).unwrap_or(usize::MAX);
    if let Err(error) = build(Path::new(&place), ends) {
        println!("{error}");
        process::exit(3);
    }
}

/// Runs [`child`], behind these words of a shell.
fn run(before: &str, place: &Path, ends: usize) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} exec \"$@\""), "sh"]).arg(env::current_exe().unwrap());
    command.args(["--exact", "killed::child", "--ignored", "--nocapture", "--test-threads=1"]);
    // (with more threads, more is done at a time)
    command.env("RAYON_NUM_THREADS", "2").env(FOLDER, place).env(ENDS, ends.to_string()).output().unwrap()
}

fn place() -> tempfile::TempDir {
    let content: String =
        (0..DOCUMENTS).map(|i| format!("{{\"text\": \"{i} {}\"}}\n", "y".repeat(i * 31 % 40))).collect();
    folder(&[("text.jsonl", content.as_bytes())])
}

/// The only cache there, and its files but the lock.
fn only_cache(place: &Path) -> (PathBuf, Vec<(PathBuf, Vec<u8>)>) {
    let mut caches = fs::read_dir(place.join("caches")).unwrap();
    let cache = caches.next().unwrap().unwrap().path();
    assert!(caches.next().is_none());
    let mut files = contents(&cache);
    files.retain(|(name, _)| !name.ends_with("lock"));
    (cache, files)
}

#[test]
fn a_process_that_ends_at_any_text_leaves_no_cache_and_is_gone_on_with() {
    let place = place();
    let (whole, texts) = build(place.path(), usize::MAX).unwrap();
    assert_eq!(texts, DOCUMENTS);
    let (cache, wanted) = only_cache(place.path());
    assert!(wanted.len() > 20, "{} files", wanted.len());
    drop(whole);
    for ends in [1, 3000, 12_000, 20_000, 27_000, DOCUMENTS] {
        fs::remove_dir_all(&cache).unwrap();
        assert!(!run("", place.path(), ends).status.success());
        assert!(text_of(TokenCache::open(&cache)).contains("it holds no finished cache"), "{ends}");
        // and once more, from where it has come to
        assert!(!run("", place.path(), 600).status.success());
        assert!(!cache.join("index.json").exists());
        let (_, texts) = build(place.path(), usize::MAX).unwrap();
        assert!(texts < DOCUMENTS || ends <= 12_000, "{texts} were made again");
        assert_eq!(only_cache(place.path()).1, wanted, "ended at text {ends}");
    }
}

#[test]
fn what_a_dead_process_left_damaged_is_made_again() {
    let place = place();
    build(place.path(), usize::MAX).unwrap();
    let (cache, wanted) = only_cache(place.path());
    for damage in ["tokens-00001.shard", "progress.json"] {
        fs::remove_dir_all(&cache).unwrap();
        assert!(!run("", place.path(), 20_000).status.success());
        let path = cache.join(damage);
        let half = fs::read(&path).unwrap();
        fs::write(&path, &half[..half.len() / 2]).unwrap();
        build(place.path(), usize::MAX).unwrap();
        assert_eq!(only_cache(place.path()).1, wanted, "{damage}");
    }
}

#[test]
fn a_full_disk_is_an_error_that_says_so_and_nothing_half_stays() {
    let place = place();
    // files have at most so many blocks of 512 or 1024 bytes here, which is what a full disk is to the one that writes
    let outcome = run("trap '' XFSZ; ulimit -f 8;", place.path(), usize::MAX);
    let said = String::from_utf8_lossy(&outcome.stdout).to_string();
    assert_eq!(outcome.status.code(), Some(3), "{said}{}", String::from_utf8_lossy(&outcome.stderr));
    let wanted = ["tokens-00000.shard cannot be written: ", "help: free some space"];
    assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
    assert_eq!(only_cache(place.path()).1, []);
    assert!(run("", place.path(), usize::MAX).status.success());
    assert_eq!(build(place.path(), usize::MAX).unwrap().0.len(), DOCUMENTS as u64);
}
