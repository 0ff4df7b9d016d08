//! What a GGUF file says of a model: the keys of llama.cpp's convert_hf_to_gguf.py, from the model's specification.

use crate::{
    Result,
    config::HfConfig,
    models::{Decoder, FeedForward, Layer, Mixer},
    weights::gguf::Value,
};
use raxla::{
    Param, Tree,
    nn::{
        Attention, Layers, Norm,
        rope::{Rope, RopeScaling},
    },
    param::Init,
};

/// Keys without the architecture's name, and the divisors of the rotary frequencies, which are a tensor.
pub(super) struct Said {
    pub(super) keys: Vec<(&'static str, Value)>,
    pub(super) divisors: Option<Vec<f32>>,
}

fn uint(n: usize) -> Value {
    Value::Int(n as i128)
}

/// The attention of a layer. No family that has a place in GGUF files here has another mixer.
pub(super) fn attention<'a>(layer: &'a Layer<Param>, config: &HfConfig) -> Result<&'a Attention<Param>> {
    match &layer.mixer {
        Mixer::Attention(a) => Ok(a),
        Mixer::Latent(_) => Err(config.error("a GGUF file has no place for latent attention").into()),
    }
}

/// The keys of a model of this architecture.
pub(super) fn said(config: &HfConfig, spec: &Decoder<Param>, architecture: &str) -> Result<Said> {
    let layers: Vec<&Layer<Param>> = spec.layers.iter().collect();
    let first = layers.first().ok_or_else(|| config.error("it has no layers"))?;
    let a = attention(first, config)?;
    let [d, heads, head] = a.q.w.aval.dims[..] else { return Err(config.error("its queries have no heads").into()) };
    let (width, experts) = match &first.mlp {
        FeedForward::Mlp(mlp) => (mlp.up.w.aval.dims[1], None),
        FeedForward::Experts(e) => (e.up.aval.dims[2], Some((e.up.aval.dims[0], e.choice.per_token))),
    };
    let context = match config.uint_opt("max_position_embeddings")? {
        Some(n) => n,
        None => config.uint_opt("n_positions")?.unwrap_or(spec.context),
    };
    let mut keys = vec![
        ("block_count", uint(layers.len())),
        ("context_length", uint(context)),
        ("embedding_length", uint(d)),
        ("feed_forward_length", uint(config.uint_opt("intermediate_size")?.unwrap_or(width))),
        ("attention.head_count", uint(heads)),
    ];
    match &spec.norm {
        Norm::Layer(norm) => keys.push(("attention.layer_norm_epsilon", float(norm.eps.into()))),
        Norm::Rms(norm) => keys.push(("attention.layer_norm_rms_epsilon", float(norm.eps.into()))),
    }
    if architecture == "gpt2" {
        return Ok(Said { keys, divisors: None });
    }
    keys.extend([
        ("attention.head_count_kv", uint(a.k.w.aval.dims[1])),
        ("attention.key_length", uint(head)),
        ("attention.value_length", uint(head)),
        ("vocab_size", uint(spec.vocab())),
    ]);
    if let Some((count, used)) = experts {
        keys.extend([("expert_count", uint(count)), ("expert_used_count", uint(used))]);
        if architecture == "qwen3moe" {
            keys.push(("expert_feed_forward_length", uint(width)));
        }
    }
    // layers that look at a window may turn otherwise
    let attentions = layers.iter().map(|layer| attention(layer, config)).collect::<Result<Vec<_>>>()?;
    let reaches = || attentions.iter().flat_map(|a| &a.reach);
    let window = reaches().find(|r| r.window.is_some());
    let whole = reaches().find(|r| r.window.is_none()).or(window).and_then(|r| r.rope.as_ref());
    let mut divisors = None;
    if let Some(rope) = whole {
        keys.push(("rope.freq_base", float(rope.theta)));
        if architecture == "llama" || rope.dim != head {
            keys.push(("rope.dimension_count", uint(rope.dim)));
        }
        divisors = scaling(rope, &mut keys);
    }
    if architecture == "gemma3"
        && let Some(rope) = window.and_then(|r| r.rope.as_ref())
    {
        keys.push(("rope.freq_base_swa", float(rope.theta)));
    }
    if let Some(n) = window.and_then(|r| r.window).filter(|_| architecture != "llama") {
        keys.push(("attention.sliding_window", uint(n)));
    }
    for (key, cap) in [("attn_logit_softcapping", a.options.soft_cap), ("final_logit_softcapping", spec.logit_cap)] {
        keys.extend(cap.map(|cap| (key, float(cap))));
    }
    Ok(Said { keys, divisors })
}

/// As it is read: the shortest number that is the same f32.
fn float(x: f64) -> Value {
    Value::Float((x as f32).to_string().parse().unwrap_or(x))
}

fn scaling(rope: &Rope, keys: &mut Vec<(&'static str, Value)>) -> Option<Vec<f32>> {
    let mut of = |kind: &str, factor: f64| {
        keys.push(("rope.scaling.type", Value::Str(kind.into())));
        keys.push(("rope.scaling.factor", float(factor)));
    };
    match &rope.scaling {
        RopeScaling::Linear { factor } => of("linear", *factor),
        RopeScaling::Yarn { factor, original_max_position_embeddings: original, beta_fast, beta_slow, .. } => {
            of("yarn", *factor);
            keys.push(("rope.scaling.original_context_length", uint(*original)));
            keys.push(("rope.scaling.yarn_beta_fast", float(*beta_fast)));
            keys.push(("rope.scaling.yarn_beta_slow", float(*beta_slow)));
        }
        // (what the format cannot say is found by `check`)
        RopeScaling::Default | RopeScaling::Dynamic { .. } | RopeScaling::LongRope { .. } => {}
        RopeScaling::Divisors(all) => return Some(all.clone()),
        RopeScaling::Llama3 { .. } => return Some(llama3(rope)),
    }
    None
}

/// The divisors that LLaMA 3's rule means.
fn llama3(rope: &Rope) -> Vec<f32> {
    let RopeScaling::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings } =
        rope.scaling
    else {
        return vec![];
    };
    let original = original_max_position_embeddings as f64;
    let divisor = |i: usize| {
        let wavelength = std::f64::consts::TAU * rope.theta.powf(2.0 * i as f64 / rope.dim as f64);
        let smooth = ((original / wavelength - low) / (high - low)).clamp(0.0, 1.0);
        (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
    };
    (0..rope.dim / 2).map(divisor).collect()
}

/// Makes sure that what the file says is what the model is: `read` is the specification that its metadata means.
///
/// # Errors
/// What the format has no words for, with the first difference.
pub(super) fn check(config: &HfConfig, spec: &Decoder<Param>, read: &Decoder<Param>, architecture: &str) -> Result<()> {
    let (mut wanted, have) = (comparable(spec), comparable(read));
    let mut layers: Vec<_> = wanted.layers.iter().cloned().collect();
    let windows = layers.iter_mut().filter_map(|layer| match &mut layer.mixer {
        Mixer::Attention(a) => a.reach.iter_mut().find_map(|reach| reach.window.take()),
        Mixer::Latent(_) => None,
    });
    if architecture == "llama"
        && let Some(n) = windows.min()
    {
        tracing::warn!("llama.cpp knows no window in models of this family: beyond {n} tokens it computes otherwise");
        wanted.layers = Layers::list(layers);
    }
    if wanted == have {
        return Ok(());
    }
    let [a, b] = [format!("{wanted:#?}"), format!("{have:#?}")];
    let differing = a.lines().zip(b.lines()).find(|(a, b)| a != b);
    let (a, b) = differing.map_or(("more", "less"), |(a, b)| (a.trim(), b.trim()));
    let reason = format!(
        "a GGUF file of the architecture {architecture} cannot say all that this configuration means: it has `{a}`, and would be \
         read as `{b}`\n  help: write it as safetensors"
    );
    Err(config.error(reason).into())
}

/// Without what does not change what the model computes.
fn comparable(spec: &Decoder<Param>) -> Decoder<Param> {
    let mut spec = spec.map(|p| {
        let mut p = p.clone();
        p.init = Init::Zeros;
        p
    });
    let mut layers: Vec<_> = spec.layers.iter().cloned().collect();
    for layer in &mut layers {
        if let Mixer::Attention(a) = &mut layer.mixer {
            for rope in a.reach.iter_mut().filter_map(|reach| reach.rope.as_mut()) {
                if matches!(rope.scaling, RopeScaling::Llama3 { .. }) {
                    rope.scaling = RopeScaling::Divisors(llama3(rope));
                }
            }
        }
    }
    (spec.layers, spec.context) = (Layers::list(layers), 0);
    spec
}
