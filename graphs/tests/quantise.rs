//! Quantising: ggml's blocks bit for bit.

use raxla_graphs::weights::{Encoding, Weights};
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gguf").join(name)
}

#[test]
fn every_block_format_is_encoded_as_ggml_does() {
    let stored = Weights::open(data("quantised.gguf")).unwrap();
    let values = stored.read_f32("values").unwrap();
    let mut formats = 0;
    for name in stored.names().filter(|name| *name != "values") {
        let Encoding::Blocks(block) = stored.info(name).unwrap().encoding else { panic!("{name}") };
        let wanted = stored.bytes(name).unwrap();
        let mut out = vec![0; wanted.len()];
        block.encode(&values, &mut out);
        let differing =
            out.chunks(block.bytes()).zip(wanted.chunks(block.bytes())).position(|(have, want)| have != want);
        assert_eq!(differing, None, "{name}: block {differing:?} of {}", out.len() / block.bytes());
        formats += 1;
    }
    assert_eq!(formats, 13);
}
