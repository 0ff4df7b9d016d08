//! The raxla command line.
fn main() {}
