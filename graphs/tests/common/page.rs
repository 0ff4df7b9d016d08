//! Parts of the documentation that are made by tests. `UPDATE_EXPECT=1` writes them.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A path from the root of the repository.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn updates() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

/// Replace what stands in this page between the markers of this name, or say that it differs.
pub fn expect_part(page: &str, name: &str, text: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let path = root(page);
    let whole = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{page}: {e}"));
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let lacks = || panic!("{page} lacks the lines {begin}and {end}");
    let from = whole.find(&begin).unwrap_or_else(lacks) + begin.len();
    let to = from + whole[from..].find(&end).unwrap_or_else(lacks);
    if updates() {
        fs::write(path, [&whole[..from], text, &whole[to..]].concat()).unwrap();
    } else {
        assert_eq!(&whole[from..to], text, "{page}, {name}; UPDATE_EXPECT=1 writes it");
    }
}

/// Write this file, or say that it differs.
pub fn expect_file(file: &str, text: &str) {
    if updates() {
        fs::write(root(file), text).unwrap();
    } else {
        let have = fs::read_to_string(root(file)).unwrap_or_default();
        assert!(have == text, "{file} differs; UPDATE_EXPECT=1 writes it");
    }
}
