//! The code cells of the notebooks as tests: see build.rs and tests/main.rs. It is a package of its own, so that the kernel need not build
//! the notebooks' package again when a notebook is saved.
