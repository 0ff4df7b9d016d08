//! What the metadata of GGUF files means for the configuration, and what is refused.
use crate::common::gguf::{Builder, saved, string};
use raxla_graphs::{
    config::HfConfig,
    models::Decoder,
    weights::{Weights, gguf},
};

#[test]
fn metadata_keeps_its_types() {
    let floats =
        [6u32.to_le_bytes().as_slice(), &2u64.to_le_bytes(), &1.5f32.to_le_bytes(), &(-2f32).to_le_bytes()].concat();
    let file = Builder::default()
        .pair("u64", 10, &u64::MAX.to_le_bytes())
        .pair("i8", 1, &[0xff])
        .pair("eps", 6, &1e-5f32.to_le_bytes())
        .pair("floats", 9, &floats)
        .build();
    let (_dir, path) = saved(&file);
    let weights = Weights::open(path).unwrap();
    let metadata = weights.gguf().unwrap();
    assert_eq!(metadata.get("u64"), Some(&gguf::Value::Int(u64::MAX.into())));
    assert_eq!(metadata.get("i8"), Some(&gguf::Value::Int(-1)));
    assert_eq!(metadata.uint("i8"), Err("`i8` is -1, not an integer from 0 on".to_string()));
    assert_eq!(metadata.str("eps"), Err("`eps` is 0.00001, not a string".to_string()));
    assert_eq!((metadata.float("eps"), metadata.float("none")), (Ok(Some(1e-5)), Ok(None)));
    assert_eq!(metadata.get("floats"), Some(&gguf::Value::List(gguf::List::Float(vec![1.5, -2.0]))));
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["eps", "floats", "i8", "u64"]);
}

/// What no header says, and llama.cpp knows.
#[test]
fn gemmas_get_what_their_size_implies() {
    let config = |architecture: &str, layers: u32, more: &[(&str, u32)]| {
        let mut file = Builder::default().pair("general.architecture", 8, &string(architecture));
        let sizes = [
            ("block_count", layers),
            ("embedding_length", 4608),
            ("feed_forward_length", 36864),
            ("context_length", 8192),
            ("attention.head_count", 32),
            ("attention.key_length", 128),
            ("attention.sliding_window", 4096),
            ("vocab_size", 256000),
        ];
        for (key, value) in sizes.iter().chain(more) {
            file = file.pair(&format!("{architecture}.{key}"), 4, &value.to_le_bytes());
        }
        let (_dir, path) = saved(&file.build());
        HfConfig::from_gguf(&Weights::open(path).unwrap()).unwrap()
    };
    let scalar = |config: &HfConfig| config.float("query_pre_attn_scalar").unwrap();
    assert_eq!(scalar(&config("gemma2", 46, &[])), 144.0);
    assert_eq!(scalar(&config("gemma2", 42, &[])), 128.0);
    assert_eq!(scalar(&config("gemma3", 62, &[])), 144.0);
    let small = config("gemma3", 26, &[]);
    assert_eq!(scalar(&small), 128.0);
    assert_eq!((small.get("final_logit_softcapping"), small.get("attn_logit_softcapping")), (None, None));
    let global = |config: &HfConfig| config.get("layer_types").unwrap().as_array().unwrap().clone();
    let is_global = |kinds: &[serde_json::Value]| kinds.iter().map(|k| k == "full_attention").collect::<Vec<_>>();
    assert_eq!(is_global(&global(&small))[..7], [false, false, false, false, false, true, false]);
    assert_eq!(is_global(&global(&config("gemma2", 26, &[])))[..3], [false, true, false]);
    let own = config("gemma3", 26, &[("attention.sliding_window_pattern", 3)]);
    assert_eq!(is_global(&global(&own))[..4], [false, false, true, false]);
    let old = config("gemma2", 26, &[]);
    assert_eq!(
        (old.float("final_logit_softcapping").unwrap(), old.float("attn_logit_softcapping").unwrap()),
        (30.0, 50.0)
    );
    assert_eq!(small.rope_of("sliding_attention").unwrap().theta, 10000.0);
}

/// The sizes of a tiny model of this architecture, without those that are given `more`: a key, its type, its bytes.
fn sizes(architecture: &str, more: &[(&str, u32, Vec<u8>)]) -> Builder {
    let mut file = Builder::default().pair("general.architecture", 8, &string(architecture));
    let own = [
        ("block_count", 3u32),
        ("embedding_length", 32),
        ("feed_forward_length", 48),
        ("context_length", 64),
        ("attention.head_count", 4),
        ("vocab_size", 97),
    ];
    for (key, value) in own.iter().filter(|(key, _)| more.iter().all(|(other, ..)| other != key)) {
        file = file.pair(&format!("{architecture}.{key}"), 4, &value.to_le_bytes());
    }
    more.iter().fold(file, |file, (key, kind, bytes)| file.pair(&format!("{architecture}.{key}"), *kind, bytes))
}

fn config_of(file: Builder) -> Result<HfConfig, String> {
    let (_dir, path) = saved(&file.build());
    HfConfig::from_gguf(&Weights::open(path).unwrap()).map_err(|e| e.to_string())
}

fn list<T: AsRef<[u8]>>(kind: u32, values: &[T]) -> Vec<u8> {
    let head = [&kind.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
    values.iter().fold(head, |mut bytes, value| {
        bytes.extend(value.as_ref());
        bytes
    })
}

#[test]
fn a_key_that_changes_the_model_is_refused() {
    let error = config_of(sizes("llama", &[("attention.causal", 7, vec![0])])).unwrap_err();
    assert!(error.contains("`llama.attention.causal` is false: it asks for attention to later positions"), "{error}");
}

/// A key that is there with another type is not one that is absent, whatever reads it.
#[test]
fn values_of_another_type_are_refused_by_key_and_value() {
    let numbers = [
        "block_count",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_rms_epsilon",
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "attn_logit_softcapping",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "final_logit_softcapping",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.freq_base_swa",
        "rope.scale_linear",
        "rope.scaling.factor",
        "rope.scaling.original_context_length",
        "vocab_size",
    ];
    for key in numbers {
        let error = config_of(sizes("gemma3", &[(key, 8, string("4"))])).unwrap_err();
        assert!(error.contains(&format!("`gemma3.{key}` is \"4\", not a")), "{error}");
    }
    let nan = f32::NAN.to_le_bytes().to_vec();
    let cases = [
        ("rope.freq_base", 6, nan.clone(), "NaN, not a finite number"),
        ("attention.layer_norm_rms_epsilon", 6, nan, "NaN, not a finite number"),
        ("attention.key_length", 5, (-4i32).to_le_bytes().to_vec(), "-4, not an integer from 0 on"),
        ("rope.dimension_count", 5, (-4i32).to_le_bytes().to_vec(), "-4, not an integer from 0 on"),
        (
            "rope.dimension_count",
            4,
            64u32.to_le_bytes().to_vec(),
            "64, not an even number from 2 to 8, the dimensions of a head",
        ),
        ("rope.dimension_count", 4, 0u32.to_le_bytes().to_vec(), "0, not an even number"),
        ("rope.scaling.type", 4, 1u32.to_le_bytes().to_vec(), "1, not a string"),
        ("expert_count", 8, string("2"), "\"2\", not an integer from 0 on"),
    ];
    for (key, kind, bytes, reason) in cases {
        let file = sizes("llama", &[(key, kind, bytes)]).build();
        let (_dir, path) = saved(&file);
        let error = Weights::open(path).and_then(|weights| HfConfig::from_gguf(&weights)).unwrap_err().to_string();
        assert!(error.contains(&format!("`llama.{key}` is {reason}")), "{error}");
    }
    let (_dir, path) = saved(&Builder::default().pair("general.architecture", 4, &7u32.to_le_bytes()).build());
    let error = Weights::open(path).unwrap_err().to_string();
    assert!(error.contains("`general.architecture` is 7, not a string"), "{error}");
}

#[test]
fn lists_with_an_entry_per_layer_are_read_where_layers_are_alike() {
    let numbers = |values: &[u32]| list(4, &values.iter().map(|n| n.to_le_bytes()).collect::<Vec<_>>());
    let heads = |values: &[u32]| config_of(sizes("llama", &[("attention.head_count_kv", 9, numbers(values))]));
    assert_eq!(heads(&[2, 2, 2]).unwrap().uint("num_key_value_heads").unwrap(), 2);
    let error = heads(&[2, 1, 2]).unwrap_err();
    assert!(error.contains("`llama.attention.head_count_kv` is [2, 1, 2]: layers that differ in it"), "{error}");
    assert!(heads(&[]).unwrap_err().contains("is [], not an integer"));
    let pattern =
        |values: &[[u8; 1]]| config_of(sizes("gemma3", &[("attention.sliding_window_pattern", 9, list(7, values))]));
    let kinds = ["full_attention", "sliding_attention", "full_attention"];
    assert_eq!(pattern(&[[0], [1], [0]]).unwrap().get("layer_types"), Some(&serde_json::json!(kinds)));
    let error = pattern(&[[0], [1]]).unwrap_err();
    assert!(error.contains("`gemma3.attention.sliding_window_pattern` is a list of 2, not of 3 layers"), "{error}");
}

#[test]
fn divisors_of_the_frequencies_are_one_for_each_pair() {
    let open = |dims: &[u64], divisors: &[f32]| {
        let bytes: Vec<u8> = divisors.iter().flat_map(|x| x.to_le_bytes()).collect();
        let file = sizes("llama", &[]).tensor("rope_freqs.weight", dims, 0, 0).data(0);
        let (_dir, path) = saved(&[file.build(), bytes].concat());
        let config = HfConfig::from_gguf(&Weights::open(path).unwrap()).map_err(|e| e.to_string())?;
        Decoder::of(&config, false).map(|_| ()).map_err(|e| e.to_string())
    };
    open(&[4], &[1.0, 1.0, 2.0, 8.0]).unwrap();
    for n in [1, 3, 5] {
        let error = open(&[n], &vec![2.0; n as usize]).unwrap_err();
        let reason = format!("`rope_freqs.weight` has {n} numbers, but 4 pairs of dimensions are turned");
        assert!(error.contains(&reason), "{error}");
    }
    assert!(open(&[2, 2], &[2.0; 4]).unwrap_err().contains("`rope_freqs.weight` has the shape [2, 2]"));
    for x in [0.0, -1.0, f32::NAN] {
        assert!(open(&[4], &[1.0, x, 1.0, 1.0]).unwrap_err().contains(&format!("`rope_freqs.weight` has {x} among")));
    }
}

/// Metadata counts the dimensions that are turned; the configuration has their part of a head, from which the same number follows.
#[test]
fn dimensions_that_are_turned_are_counted() {
    let number = |n: u32| n.to_le_bytes().to_vec();
    for head in (4u32..=64).step_by(2) {
        for turned in (2..=head).step_by(2) {
            let more = [("attention.key_length", 4, number(head)), ("rope.dimension_count", 4, number(turned))];
            let part = config_of(sizes("llama", &more)).unwrap().float("partial_rotary_factor").unwrap();
            assert_eq!((f64::from(head) * part) as u32, turned, "of {head}");
        }
    }
}
