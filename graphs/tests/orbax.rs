//! Models in checkpoints of Orbax: one that Orbax wrote (`scripts/make_orbax_fixtures.py`), and one with the names of Hugging Face.

use crate::common::{assert_equal, tests, text};
use raxla_graphs::SaveOptions;
use raxla_graphs::weights::{Encoding, Weights};
use raxla_orbax::{ArrayKind, ArrayType, DType, Layout, Options, Writer, dict_path};

#[test]
fn a_state_of_training_with_the_names_of_linen() {
    let orbax = tests("data/checkpoints/orbax_gpt2");
    assert_equal(&orbax, &tests("fixtures/gpt2_f16"));
    let dir = tempfile::tempdir().unwrap();
    let converted = dir.path().join("converted");
    raxla_graphs::convert(&text(&orbax), &converted, &SaveOptions::default()).unwrap();
    assert_equal(&converted, &tests("fixtures/gpt2_f16"));
}

#[test]
fn a_tree_with_the_names_of_hugging_face() {
    let fixture = tests("fixtures/llama_bf16");
    let weights = Weights::open(&fixture).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, layout) in [("direct", Layout::Direct), ("manager", Layout::Manager), ("v1", Layout::V1)] {
        let step = dir.path().join(name);
        let mut writer = Writer::create(&step, Options { layout, ..Options::default() }).unwrap();
        for name in weights.names() {
            let info = weights.info(name).unwrap();
            assert_eq!(info.encoding, Encoding::Plain(raxla::DType::BF16));
            let shape = info.dims.to_vec();
            let array = ArrayType { dtype: DType::Bfloat16, chunk: shape.clone(), shape, kind: ArrayKind::Numpy };
            writer.write(&dict_path(name), &array, weights.bytes(name).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        assert_equal(&step, &fixture);
    }
    std::fs::remove_file(dir.path().join("manager/default/manifest.ocdbt")).unwrap();
    let error = Weights::open(dir.path().join("manager")).unwrap_err().to_string();
    assert!(error.contains("manifest.ocdbt"), "{error}");
}
