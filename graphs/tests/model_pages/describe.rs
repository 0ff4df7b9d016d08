//! The parts of a model in words, of its specification: what a drawing shows.
use raxla::{
    Param,
    nn::{
        Activation, Attention, Glu, LatentAttention, Linear, Mlp, Norm, RmsNorm,
        moe::{Experts, Router, Scoring},
        rope::{Rope, RopeScaling},
    },
};
use raxla_graphs::models::{Decoder, FeedForward, Layer, Mixer};

/// A line of a box.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub text: String,
    /// Is it otherwise in GPT-2?
    pub new: bool,
}
fn line(text: impl Into<String>) -> Line {
    Line { text: text.into(), new: false }
}
fn new(text: impl Into<String>) -> Line {
    Line { text: text.into(), new: true }
}

/// A box: the first line is its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is coloured by.
    pub class: &'static str,
    pub lines: Vec<Line>,
}
fn part(class: &'static str, lines: Vec<Line>) -> Part {
    Part { class, lines }
}

/// A kind of layers, and which layers are of it. Each branch is added to the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    pub branches: [Vec<Part>; 2],
    pub numbers: Vec<usize>,
}

/// A whole model, from tokens to logits.
pub struct Description {
    pub before: Vec<Part>,
    pub kinds: Vec<Kind>,
    pub layers: usize,
    pub after: Vec<Part>,
}

/// What a specification with layers one by one says.
pub fn describe(model: &Decoder<Param>) -> Description {
    let table = &model.embed.table.aval.dims;
    let mut embed = vec![line("Embedding of tokens"), line(format!("{} × {}", table[0], table[1]))];
    embed.extend(model.embed_scale.map(|scale| new(format!("times {}", short(scale)))));
    let mut before = vec![part("table", embed)];
    if let Some(positions) = &model.positions {
        let dims = &positions.table.aval.dims;
        before.push(part("table", vec![line("plus learned positions"), line(format!("{} × {}", dims[0], dims[1]))]));
    }
    let mut kinds: Vec<Kind> = vec![];
    for (number, layer) in model.layers.iter().enumerate() {
        let branches = branches(layer);
        match kinds.iter_mut().find(|kind| kind.branches == branches) {
            Some(kind) => kind.numbers.push(number),
            None => kinds.push(Kind { branches, numbers: vec![number] }),
        }
    }
    let tied = model.head.w.as_ref().is_none_or(|w| w.tied.is_some());
    let mut head = vec![line("Head"), line(format!("{} → {}", table[1], table[0]))];
    head.push(if tied { line("the embedding, transposed") } else { new("a matrix of its own") });
    head.extend(model.logit_cap.map(|cap| new(format!("logits within ± {}, by tanh", short(cap)))));
    let after = vec![norm(&model.norm), part("table", head)];
    Description { before, kinds, layers: model.layers(), after }
}

fn branches(layer: &Layer<Param>) -> [Vec<Part>; 2] {
    let mixer = match &layer.mixer {
        Mixer::Attention(a) => attention(a),
        Mixer::Latent(a) => latent(a),
    };
    let mlp = match &layer.mlp {
        FeedForward::Mlp(m) => mlp(m),
        FeedForward::Experts(e) => experts(e),
    };
    let around = |before: &Option<Norm<Param>>, inner: Part, after: &Option<Norm<Param>>| {
        let mut parts: Vec<Part> = before.iter().map(norm).collect();
        parts.push(inner);
        parts.extend(after.iter().map(|n| {
            let mut part = norm(n);
            part.lines.push(new("behind, not before"));
            part
        }));
        if before.is_some() && after.is_some() {
            let last = parts.last_mut().and_then(|p| p.lines.last_mut()).expect("a norm");
            *last = new("a second one, behind");
        }
        parts
    };
    [around(&layer.mixer_norm, mixer, &layer.mixer_post_norm), around(&layer.mlp_norm, mlp, &layer.mlp_post_norm)]
}

fn norm(norm: &Norm<Param>) -> Part {
    let lines = match norm {
        Norm::Layer(_) => vec![line("Layer norm")],
        Norm::Rms(n) => {
            let mut lines = vec![new("RMS norm")];
            lines.extend(is_centered(n).then(|| new("times 1 + gain")));
            lines
        }
    };
    part("norm", lines)
}
fn is_centered(norm: &RmsNorm<Param>) -> bool {
    norm.gains == raxla::nn::Gains::Centered
}

fn outputs(linear: &Linear<Param>) -> &[usize] {
    &linear.w.aval.dims[linear.inputs..]
}

fn attention(a: &Attention<Param>) -> Part {
    let ([heads, size], [groups, _]) = ([&a.q, &a.k].map(|l| [outputs(l)[0], outputs(l)[1]])).into();
    let name = match groups {
        1 => new("Multi-query attention"),
        _ if groups == heads => line("Causal self-attention"),
        _ => new("Grouped-query attention"),
    };
    let mut lines = vec![name, line(format!("{heads} heads of {size}"))];
    if groups != heads {
        lines.push(new(format!("{groups} of keys and values")));
    }
    let reach = &a.reach[0];
    lines.push(match reach.window {
        Some(window) => new(format!("sees the latest {window} positions")),
        None => line("sees all positions before"),
    });
    lines.extend(reach.rope.as_ref().map(|r| rope(r, size)));
    let per_head = |n: &RmsNorm<Param>| n.gain.aval.dims.len() == 1;
    lines.extend(a.qk_norm.as_ref().map(|(q, _)| {
        new(if per_head(q) { "RMS norm of each head's q and k" } else { "RMS norm over all heads of q and of k" })
    }));
    lines.extend(a.sinks.as_ref().map(|_| new("a learned sink for each head")));
    let usual = 1.0 / (size as f64).sqrt();
    if (a.options.scale / usual - 1.0).abs() > 1e-9 {
        lines.push(new(format!("scores divided by √{}", short(a.options.scale.powi(-2)))));
    }
    lines.extend(a.options.soft_cap.map(|cap| new(format!("scores within ± {}, by tanh", short(cap)))));
    lines.push(match [&a.q, &a.k, &a.v, &a.o].map(|l| l.b.is_some()) {
        [true, true, true, true] => line("biases"),
        [true, true, true, false] => new("biases of q, k and v"),
        _ => new("no biases"),
    });
    part("mixer", lines)
}

fn latent(a: &LatentAttention<Param>) -> Part {
    let ([heads, size], value, turned) = ([outputs(&a.q)[0], outputs(&a.q)[1]], outputs(&a.v)[1], a.rope.dim);
    let rank = outputs(&a.kv_down)[0] - turned;
    let mut lines = vec![
        new("Latent attention"),
        line(format!("{heads} heads of {} + {turned}, values of {value}", size - turned)),
        new(format!("keys and values made of {rank} numbers")),
    ];
    lines.extend(a.q_down.as_ref().map(|(down, _)| new(format!("queries made of {}", outputs(down)[0]))));
    lines.push(new(format!("of a head, {turned} numbers turned")));
    lines.push(rope(&a.rope, turned));
    lines.push(new(if a.kv_down.b.is_some() { "biases of the first products" } else { "no biases" }));
    part("mixer", lines)
}

fn rope(rope: &Rope, size: usize) -> Line {
    let scaling = match &rope.scaling {
        RopeScaling::Default => String::new(),
        RopeScaling::Linear { factor } => format!(", linear × {}", short(*factor)),
        RopeScaling::Dynamic { factor, .. } => format!(", dynamic × {}", short(*factor)),
        RopeScaling::Yarn { factor, .. } => format!(", yarn × {}", short(*factor)),
        RopeScaling::Llama3 { factor, .. } => format!(", llama3 × {}", short(*factor)),
        RopeScaling::LongRope { .. } => ", longrope".into(),
        RopeScaling::Divisors(_) => ", by divisors".into(),
    };
    let part = if rope.dim == size { String::new() } else { format!(" of {}", rope.dim) };
    new(format!("rotary{part}, base {}{scaling}", rope.theta))
}

/// The name of what a gate and an activation make, and is there a gate?
fn unit(act: Glu, gated: bool) -> Line {
    let name = match act {
        Glu::Act(Activation::Gelu | Activation::GeluTanh) if !gated => return line("GELU"),
        Glu::Act(act) if !gated => return new(format!("{act:?}")),
        Glu::Act(Activation::Silu) => "SwiGLU".into(),
        Glu::Act(Activation::Gelu | Activation::GeluTanh) => "GeGLU".into(),
        Glu::Act(act) => format!("gate through {act:?}"),
        Glu::Clamped { alpha, limit } => format!("SwiGLU, α {}, within ± {}", short(alpha), short(limit)),
    };
    new(name)
}

fn mlp(m: &Mlp<Param>) -> Part {
    let (d, width) = (m.up.w.aval.dims[0], m.up.w.aval.dims[1]);
    let name = if m.gate.is_some() { new("Gated MLP") } else { line("MLP") };
    let biases = if m.up.b.is_some() { line("biases") } else { new("no biases") };
    part("mlp", vec![name, line(format!("{d} → {width} → {d}")), unit(m.act, m.gate.is_some()), biases])
}

fn experts(e: &Experts<Param>) -> Part {
    let [count, d, width] = e.up.aval.dims[..] else { panic!("experts are stacked") };
    let mut lines = vec![
        new(format!("{} of {count} experts", e.choice.per_token)),
        line(format!("{d} → {width} → {d} each")),
        unit(e.act, true),
        new(router(&e.choice, e.choice_bias.is_some())),
    ];
    lines.extend(
        e.choice
            .groups
            .filter(|g| g.kept < g.count)
            .map(|g| new(format!("from the best {} of {} groups", g.kept, g.count))),
    );
    lines.extend(e.shared.as_ref().map(|m| new(format!("and one of {} for all tokens", m.up.w.aval.dims[1]))));
    lines.push(if e.biases.is_some() { line("biases") } else { new("no biases") });
    part("mlp", lines)
}
fn router(choice: &Router, bias: bool) -> String {
    let scores = match choice.scoring {
        Scoring::Softmax => "softmax",
        Scoring::Sigmoid => "sigmoid",
    };
    let over = if choice.normalized { ", weights sum to 1" } else { "" };
    format!("router: {scores}{over}{}", if bias { ", bias" } else { "" })
}

/// A number with at most three digits behind the point.
fn short(x: f64) -> String {
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
