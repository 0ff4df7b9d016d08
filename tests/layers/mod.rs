//! Layers beside Flax's, functions beside jax.nn's, losses beside optax's, first values beside jax.nn.initializers' (tests/fixtures/nn.json).
use super::against_jax::{Cases, Function, all_equal, arrays, fixture, near, none_is_missing, run};
use raxla::{
    Padding, Window,
    nn::{self, DotProductAttention},
    optim::losses,
    param::{Distribution, Fan, Init},
    prelude::*,
};

/// f64 within 1e-12, f32 within 2e-6, of the largest number.
const TOLERANCES: [f64; 2] = [1e-12, 2e-6];

fn ints(v: &[i128]) -> Tensor {
    literal(Host::ints(DType::I32, [v.len()], v.to_vec()))
}
fn linear(w: Tensor, inputs: usize, b: Option<Tensor>) -> nn::Linear {
    nn::Linear { w, b, lora: None, roles: vec!["in"; w.rank()], inputs, packing: None, scale: None }
}

fn conv(x: &[Tensor], window: Window) -> Vec<Tensor> {
    vec![nn::Conv { kernel: x[1], bias: Some(x[2]), window }.call(x[0])]
}
fn transposed(x: &[Tensor], strides: &[usize], padding: Padding) -> Vec<Tensor> {
    vec![nn::ConvTranspose { kernel: x[1], bias: Some(x[2]), strides: strides.to_vec(), padding }.call(x[0])]
}
fn batch_norm(x: &[Tensor], train: bool) -> Vec<Tensor> {
    let norm = nn::BatchNorm { scale: x[1], bias: x[2], momentum: 0.99, eps: 1e-5, axis_name: None };
    let (y, seen) = norm.call(x[0], nn::BatchStats { mean: x[3], var: x[4] }, train);
    vec![y, seen.mean, seen.var]
}
fn none(x: Tensor) -> Tensor {
    full([2, 3], x.dtype(), 0.0)
}
fn layers() -> Cases {
    vec![
        ("conv", |x| conv(x, Window { strides: vec![2, 1], padding: Padding::Same, ..Default::default() })),
        ("conv_1d_valid_dilated", |x| conv(x, Window { kernel_dilation: vec![2], ..Default::default() })),
        ("conv_grouped", |x| conv(x, Window { feature_groups: 2, ..Default::default() })),
        ("conv_transpose_same", |x| transposed(x, &[2, 2], Padding::Same)),
        ("conv_transpose_valid", |x| transposed(x, &[3], Padding::Valid)),
        ("layer_norm", |x| vec![nn::LayerNorm { gain: x[1], bias: x[2], eps: 1e-6 }.call(x[0])]),
        ("rms_norm", |x| vec![nn::RmsNorm::new(x[1], 1e-6).call(x[0])]),
        ("group_norm", |x| vec![nn::GroupNorm { scale: x[1], bias: x[2], groups: 3, eps: 1e-6 }.call(x[0])]),
        ("instance_norm", |x| vec![nn::InstanceNorm { scale: x[1], bias: x[2], eps: 1e-6 }.call(x[0])]),
        ("batch_norm_train", |x| batch_norm(x, true)),
        ("batch_norm_test", |x| batch_norm(x, false)),
        ("weight_norm", |x| vec![nn::WeightNorm { v: x[0], scale: x[1] }.call()]),
        ("lstm", |x| {
            let cell = nn::LstmCell { input: linear(x[1], 1, None), hidden: linear(x[2], 1, Some(x[3])) };
            vec![cell.over((none(x[0]), none(x[0])), x[0]).1]
        }),
        ("gru", |x| {
            let cell = nn::GruCell { input: linear(x[1], 1, Some(x[2])), hidden: linear(x[3], 1, None) };
            vec![cell.over(none(x[0]), x[0]).1]
        }),
        ("simple_cell", |x| {
            let cell = nn::SimpleCell { input: linear(x[1], 1, Some(x[2])), hidden: linear(x[3], 1, None) };
            vec![cell.over(none(x[0]), x[0]).1]
        }),
    ]
}

/// The mask of the fixture: `jax.random.bernoulli(key(0), 0.7, (2, 4, 3, 5))`, and true for the first key.
fn mask() -> Tensor {
    let drawn = Key::new(0).bernoulli([2, 4, 3, 5], full([], DType::F64, 0.7));
    drawn | arange(5, DType::I32).eq(0)
}
fn attended(x: &[Tensor], how: DotProductAttention) -> Vec<Tensor> {
    vec![nn::dot_product_attention(x[0], x[1], x[2], how)]
}
fn attention() -> Cases {
    vec![
        ("multi_head_attention", |x| {
            let of = |i: usize, inputs| linear(x[i], inputs, Some(x[i + 1]));
            let layer = nn::MultiHeadAttention { query: of(1, 1), key: of(3, 1), value: of(5, 1), out: of(7, 2) };
            vec![layer.call(x[0], x[0], DotProductAttention { is_causal: true, ..Default::default() })]
        }),
        ("attention_causal", |x| {
            attended(x, DotProductAttention { is_causal: true, scale: Some(0.5), ..Default::default() })
        }),
        ("attention_mask_and_bias", |x| {
            attended(x, DotProductAttention { bias: Some(x[3]), mask: Some(mask()), ..Default::default() })
        }),
        ("attention_mask_one_head", |x| {
            attended(x, DotProductAttention { mask: Some(mask().slice_axis(1, ..1)), ..Default::default() })
        }),
        ("attention_lengths", |x| {
            let (query, key_value) = (Some(ints(&[2, 3])), Some(ints(&[4, 5])));
            let lengths = DotProductAttention {
                query_seq_lengths: query,
                key_value_seq_lengths: key_value,
                ..Default::default()
            };
            attended(x, lengths)
        }),
        ("attention_window", |x| {
            attended(x, DotProductAttention { local_window_size: Some((1, 2)), ..Default::default() })
        }),
    ]
}

/// What the fixture calls `y`, is given to losses as a constant.
fn y(beside: Tensor) -> Tensor {
    let y = &arrays(&fixture("nn")["fenchel_young_loss"], "inputs", DType::F64)[1];
    literal(y.clone()).cast(beside.dtype())
}
fn labels() -> Tensor {
    ints(&[2, 0, 3])
}
fn classes(beside: Tensor) -> Tensor {
    one_hot(ints(&[0, 2, 1, 1, 0, 2]).reshape([2, 3]), 3, beside.dtype())
}
fn functions() -> Cases {
    vec![
        ("elu", |x| vec![nn::elu(x[0], 1.0)]),
        ("celu", |x| vec![nn::celu(x[0], 1.0)]),
        ("selu", |x| vec![nn::selu(x[0])]),
        ("leaky_relu", |x| vec![nn::leaky_relu(x[0], 0.01)]),
        ("relu6", |x| vec![nn::relu6(x[0])]),
        ("hard_sigmoid", |x| vec![nn::hard_sigmoid(x[0])]),
        ("hard_silu", |x| vec![nn::hard_silu(x[0])]),
        ("hard_tanh", |x| vec![nn::hard_tanh(x[0])]),
        ("log_sigmoid", |x| vec![nn::log_sigmoid(x[0])]),
        ("mish", |x| vec![nn::mish(x[0])]),
        ("soft_sign", |x| vec![nn::soft_sign(x[0])]),
        ("sparse_plus", |x| vec![nn::sparse_plus(x[0])]),
        ("sparse_sigmoid", |x| vec![nn::sparse_sigmoid(x[0])]),
        ("squareplus", |x| vec![nn::squareplus(x[0], 4.0)]),
        ("standardize", |x| vec![nn::standardize(x[0], -1, 1e-5)]),
        ("glu", |x| vec![nn::glu(x[0], -1)]),
        ("log1mexp", |x| vec![nn::log1mexp(x[0])]),
        ("logmeanexp", |x| vec![nn::logmeanexp(x[0], 1)]),
        ("perceptron_loss", |x| vec![losses::perceptron_loss(x[0], y(x[0]).sign())]),
        ("multiclass_hinge_loss", |x| vec![losses::multiclass_hinge_loss(x[0], labels())]),
        ("multiclass_perceptron_loss", |x| vec![losses::multiclass_perceptron_loss(x[0], labels())]),
        ("sparsemax_loss", |x| vec![losses::sparsemax_loss(x[0], y(x[0]).gt(0.0).cast(DType::I32))]),
        ("multiclass_sparsemax_loss", |x| vec![losses::multiclass_sparsemax_loss(x[0], labels())]),
        ("fenchel_young_loss", |x| vec![losses::make_fenchel_young_loss(|x| x.logsumexp(..))(x[0], x[1])]),
        ("generalized_kl_divergence", |x| vec![losses::generalized_kl_divergence(x[0], y(x[0]).softmax(-1))]),
        ("ranking_softmax_loss", |x| vec![losses::ranking_softmax_loss(x[0], y(x[0]).abs(), None, None)]),
        ("ranking_softmax_loss_mask", |x| {
            let (y, mask) = (y(x[0]), ints(&[1, 1, 0, 1]).ne(0).expand_dims(0).repeat(3, 0));
            vec![losses::ranking_softmax_loss(x[0], y.abs(), Some(mask), Some(y * y))]
        }),
        ("triplet_margin_loss", |x| vec![losses::triplet_margin_loss(x[0], x[1], x[2], Default::default())]),
        ("ntxent", |x| vec![losses::ntxent(x[0], ints(&[0, 0, 1, 1]), 0.5)]),
        ("dice_loss", |x| {
            vec![losses::dice_loss(x[0], classes(x[0]), losses::Dice { alpha: 0.3, beta: 0.7, ..Default::default() })]
        }),
        ("generalized_dice_loss", |x| {
            let o = losses::Dice { ignore_background: true, ..Default::default() };
            vec![losses::multiclass_generalized_dice_loss(x[0], classes(x[0]), o)]
        }),
        ("binary_dice_loss", |x| vec![losses::binary_dice_loss(x[0], classes(x[0]).at((.., 0)).get(), 1.0, true)]),
    ]
}

fn alignments() -> Cases {
    vec![("ctc_forward_probs", |x| {
        let (d, word) = (x[0].dtype(), ints(&[1, 2]).reshape([1, 2]));
        let (a, b, c) = losses::ctc_loss_with_forward_probs(
            x[0],
            full([1, 4], d, 0.0),
            word,
            full([1, 2], d, 0.0),
            Default::default(),
        );
        vec![a, b, c]
    })]
}

#[test]
fn layers_are_those_of_flax() {
    all_equal(&layers(), &fixture("nn"), TOLERANCES);
}
#[test]
fn attention_is_that_of_jax() {
    // (JAX's softmax is in f32 also of f64)
    all_equal(&attention(), &fixture("nn"), [2e-6, 2e-6]);
}
#[test]
fn alignments_are_those_of_optax() {
    // (f32 has few digits left beside optax's logarithm of no probability, -1e5)
    all_equal(&alignments(), &fixture("nn"), [1e-12, 1e-2]);
}
#[test]
fn functions_and_losses_are_those_of_jax_and_optax() {
    all_equal(&functions(), &fixture("nn"), TOLERANCES);
}

fn first_values() -> Vec<(&'static str, Init, Vec<usize>)> {
    let kernel = || vec![3, 4, 5];
    vec![
        ("init_lecun_normal", Init::lecun_normal(), kernel()),
        ("init_lecun_uniform", Init::lecun_uniform(), kernel()),
        ("init_he_normal", Init::he_normal(), kernel()),
        ("init_he_uniform", Init::he_uniform(), kernel()),
        ("init_glorot_normal", Init::glorot_normal(), kernel()),
        ("init_glorot_uniform", Init::glorot_uniform(), kernel()),
        ("init_uniform", Init::Uniform(0.3), vec![4, 3]),
        ("init_truncated_normal", Init::TruncatedNormal(0.5, -1.0, 3.0), vec![4, 3]),
        ("init_normal", Init::Normal(0.7), vec![4, 3]),
        ("init_constant", Init::Constant(2.5), vec![2, 2]),
        ("init_variance_scaling", Init::variance_scaling(0.5, Fan::Geometric, Distribution::Normal), vec![6, 4]),
        ("init_variance_scaling_out", Init::variance_scaling(2.0, Fan::Out, Distribution::Uniform), vec![6, 4]),
        ("init_orthogonal", Init::Orthogonal(1.5), vec![2, 3, 4]),
        ("init_orthogonal_wide", Init::Orthogonal(1.0), vec![3, 5]),
        ("init_delta_orthogonal", Init::DeltaOrthogonal(1.0), vec![3, 2, 3, 4]),
    ]
}
#[test]
fn first_values_are_those_of_jax_under_the_same_key() {
    let fixture = fixture("nn");
    for (name, init, dims) in first_values() {
        let have = run(&[], |_| vec![init.values(Key::new(7), dims.clone(), DType::F32)]).unwrap().swap_remove(0);
        near(name, &have, &arrays(&fixture[name], "results", DType::F32)[0], 2e-6).unwrap();
    }
    let inits: Cases = first_values().into_iter().map(|(name, ..)| (name, (|x| x.to_vec()) as Function)).collect();
    none_is_missing(&[layers(), attention(), functions(), alignments(), inits], &fixture);
}
#[test]
fn parameters_start_as_specified() {
    let orthogonal = Param::new([6, 2, 3], ["embed", "heads", "head"]).with_init(Init::Orthogonal(1.0));
    let spec = vec![
        orthogonal.clone().transposed(1),
        orthogonal.transposed(1).stacked(2, "layers"),
        Param::new([3, 3, 2, 4], ["h", "w", "in", "out"]).with_init(Init::he_uniform()),
        Param::new([8, 2, 2], ["embed", "heads", "head"]).stored("w").transposed(1).with_init(Init::lecun_uniform()),
    ];
    let made = spec.init(Key::host(3)).unwrap();
    let gram = jit(|x: Tensor| {
        let flat = x.reshape([raxla::REST, 6, 6]);
        flat.swap_axes(-1, -2).matmul(flat) - eye(6, DType::F32)
    });
    for x in &made[..2] {
        assert!(gram.call((x,)).unwrap().to_vec::<f32>().unwrap().iter().all(|x| x.abs() < 1e-5));
    }
    // √(3 · 2 / 18), √(3 / 8): the bounds by the number of inputs
    for (x, bound) in [(&made[2], (6f32 / 18.0).sqrt()), (&made[3], (3f32 / 8.0).sqrt())] {
        let most = x.to_vec::<f32>().unwrap().into_iter().fold(0f32, |most, x| most.max(x.abs()));
        assert!(most <= bound && most > 0.8 * bound, "{most} of {bound}");
    }
}
