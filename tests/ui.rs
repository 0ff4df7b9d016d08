//! What must not compile, and what the compiler says then. Renew the texts with `TRYBUILD=overwrite`.
use std::{path::Path, process::Command};

#[test]
fn mistakes_are_explained_by_the_compiler() {
    // (where the standard library's source is installed, the compiler quotes it too)
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output().expect("rustc is there");
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_string();
    if Path::new(&sysroot).join("lib/rustlib/src/rust/library").exists() {
        eprintln!("not compared: the texts are those of a toolchain without the component rust-src");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
