//! Rows that several documents share: each is computed as if it were alone.
use raxla::{
    Array, Client, Tensor, jit,
    nn::{AttentionOptions, Seen, Sight},
    prelude::*,
    runtime,
};
use raxla_graphs::{
    config::HfConfig,
    models::{Decoder, Packed, Stacking},
    training::{Rows, Train, TrainOptions},
};

/// The three documents of a row of 24 inputs, whose last three are padding.
const LENGTHS: [usize; 3] = [5, 11, 5];
const ROW: usize = 24;

fn ints(client: &Client, dims: [usize; 2], values: &[i32]) -> Array {
    Array::on(client, dims, values).unwrap()
}

/// The mean loss of rows.
fn loss(train: &Train, model: &Decoder<Array>, rows: &Rows<Array>) -> f64 {
    let own = train.clone();
    let program = jit(move |model: Decoder, rows: Rows| own.rows_loss(model, rows));
    f64::from(train.placed(program, &runtime::client().unwrap()).call((model, rows)).unwrap().item::<f32>().unwrap())
}

fn config(text: &str) -> HfConfig {
    HfConfig::parse(text, "config.json").unwrap()
}
fn families() -> Vec<(&'static str, HfConfig)> {
    let llama = r#""vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 64"#;
    let dynamic = r#""rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 8"#;
    let plain = llama.replace(r#""max_position_embeddings": 64"#, "");
    let plain = plain.trim().trim_end_matches(',');
    vec![
        (
            "gpt2",
            config(
                r#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 64, "vocab_size": 64}"#,
            ),
        ),
        ("llama", config(&format!("{{\"model_type\": \"llama\", {llama}}}"))),
        ("dynamic", config(&format!("{{\"model_type\": \"llama\", {plain}, {dynamic}}}"))),
        ("gemma2", config(&format!("{{\"model_type\": \"gemma2\", \"head_dim\": 8, \"sliding_window\": 4, {llama}}}"))),
    ]
}

#[test]
fn packed_documents_have_the_losses_that_they_have_alone() {
    let client = runtime::client().unwrap();
    for (name, config) in families() {
        for stacking in [Stacking::Unrolled, Stacking::Scanned] {
            let spec = Decoder::of(&config, stacking).unwrap();
            let train = Train::new(spec, None, TrainOptions { loss_chunk: 7, ..TrainOptions::default() }).unwrap();
            let (model, _) = train.random(3, &client).unwrap();
            let ids =
                |n: usize, seed: usize| (0..n).map(|i| ((i * 37 + seed * 11) % 61 + 1) as i32).collect::<Vec<_>>();
            let (mut tokens, mut segments, mut positions, mut weights) = (vec![], vec![], vec![], vec![]);
            let (mut sum, mut count) = (0.0, 0.0);
            for (i, n) in LENGTHS.into_iter().enumerate() {
                let document = ids(n, i);
                let alone = Rows::whole(ints(&client, [1, n], &document));
                sum += loss(&train, &model, &alone) * (n - 1) as f64;
                count += (n - 1) as f64;
                tokens.extend(document);
                segments.extend(vec![i as i32 + 1; n]);
                positions.extend(0..n as i32);
                // (the target behind a document's last token is another's first)
                weights.extend((0..n).map(|k| if k + 1 < n { 1f32 } else { 0.0 }));
            }
            tokens.resize(ROW + 1, 0);
            [&mut segments, &mut positions].into_iter().for_each(|x| x.resize(ROW, 0));
            weights.resize(ROW, 0.0);
            let packed =
                Packed { segments: ints(&client, [1, ROW], &segments), positions: ints(&client, [1, ROW], &positions) };
            let weights = Array::on(&client, [1, ROW], &weights).unwrap();
            let rows =
                Rows { tokens: ints(&client, [1, ROW + 1], &tokens), packed: Some(packed), weights: Some(weights) };
            let (have, want) = (loss(&train, &model, &rows), sum / count);
            assert!((have - want).abs() < 1e-5 * want, "{name}, {stacking:?}: packed {have}, alone {want}");
            // without segments they would see each other
            let mixed = loss(&train, &model, &Rows { packed: None, ..rows });
            assert!((mixed - want).abs() > 1e-4, "{name}: {mixed}");
        }
    }
}

#[test]
fn blocks_of_attention_keep_segments_apart() {
    let client = runtime::client().unwrap();
    // (long enough for attention block by block)
    const N: usize = 1030;
    let sample = |seed| raxla::prim::sample_in(DType::F32, &[2, N, 2, 4], seed, -2.0, 2.0).to_bytes();
    let array = |seed| Array::from_bytes(&client, Aval::new(DType::F32, [2, N, 2, 4]), &sample(seed)).unwrap();
    let ids: Vec<i32> = (0..2 * N).map(|i| if i < N { i as i32 / 300 } else { i as i32 / 77 }).collect();
    let segments = Array::on(&client, [2, N], &ids).unwrap();
    let attend = |blocks: bool| {
        jit(move |q: Tensor, k: Tensor, v: Tensor, segments: Tensor| {
            let value = |(q, k, v): (Tensor, Tensor, Tensor)| {
                let options = AttentionOptions { scale: 0.5, soft_cap: None };
                let number = |n: i32| full([], DType::I32, n);
                let at = Sight { start: number(0), length: number(N as i32), window: None, segments: Some(segments) };
                let y = match blocks {
                    true => Seen::new(None, k, v, at).0.attend(q, at, None, options),
                    false => {
                        let same = segments.expand_dims(-1).eq(segments.expand_dims(1));
                        let mask = same.expand_dims(1) & raxla::nn::causal_mask(N, N, number(0));
                        raxla::nn::attention(q, k, v, mask, 0.5)
                    }
                };
                (y * y).sum(..)
            };
            raxla::value_and_grad(value)((q, k, v))
        })
        .on(&client)
    };
    let (q, k, v) = (array(1), array(2), array(3));
    let run = |blocks| {
        let (y, (a, b, c)) = attend(blocks).call((&q, &k, &v, &segments)).unwrap();
        [y, a, b, c].map(|x: Array| x.to_vec::<f32>().unwrap()).concat()
    };
    let (have, want) = (run(true), run(false));
    let far = have.iter().zip(&want).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max);
    assert!(far < 1e-4, "{far}");
}
