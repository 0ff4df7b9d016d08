//! What the families are made of: the numbers they share, projections, attention, the gated MLP, and the loop over layers.
//!
//! A family's file says how its layers put these together, and nothing else.
use crate::{
    LoadError,
    architecture::{Cache, Input, Output, Sizes},
    config::HfConfig,
};
use raxla::{
    Aval, DType, Host, IndexMode, Param, Tensor, Tree, einsum, full, literal,
    nn::{
        Activation, AttentionOptions, KvCache, Layers, RmsNorm, Seen, Sight,
        rope::{Rope, RopeScaling, Rotation},
    },
    parallel::{self, fsdp, pipeline::Schedule, tensor},
    prim, scope, trace, where_,
};

/// The numbers that decoders share, named as in config.json.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Common {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f64,
    pub hidden_act: Activation,
    pub tie_word_embeddings: bool,
    pub initializer_range: f64,
    pub rope: Rope,
    /// Are the gains of norms stored as what is added to 1?
    pub centered_norms: bool,
}

impl Common {
    /// Read them from Hugging Face's configuration, with the family's defaults in it.
    pub fn read(c: &HfConfig) -> Result<Common, LoadError> {
        let (hidden_size, heads) = (c.uint("hidden_size")?, c.uint("num_attention_heads")?);
        let kv_heads = c.uint_or("num_key_value_heads", heads)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(
                c.error(format!("`num_key_value_heads` {kv_heads} does not divide `num_attention_heads` {heads}"))
            );
        }
        let head_dim = c.uint_or("head_dim", hidden_size / heads)?;
        let max_position_embeddings = c.uint_or("max_position_embeddings", 2048)?;
        // (Gemma calls it `hidden_activation`, beside a `hidden_act` that does not count)
        let act = match c.str_opt("hidden_activation")? {
            Some(act) => act,
            None => c.str_or("hidden_act", "silu")?,
        };
        let rope = c.rope_of("full_attention")?;
        let dim = (head_dim as f64 * rope.partial_rotary_factor) as usize;
        let scaling = with_ratio(rope.scaling, max_position_embeddings);
        Ok(Common {
            vocab_size: c.uint("vocab_size")?,
            hidden_size,
            intermediate_size: c.uint("intermediate_size")?,
            num_hidden_layers: c.layers("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            max_position_embeddings,
            rms_norm_eps: c.float_or("rms_norm_eps", 1e-6)?,
            hidden_act: act.parse().map_err(|e| c.error(format!("`hidden_act`: {e}")))?,
            tie_word_embeddings: c.bool_or("tie_word_embeddings", false)?,
            initializer_range: c.float_or("initializer_range", 0.02)?,
            rope: Rope { dim, theta: rope.theta, scaling },
            centered_norms: false,
        })
    }

    /// What generation needs to know.
    pub fn sizes(&self) -> Sizes {
        // this kind of stretching is meant to go beyond the trained length, which the others already give as their limit
        let stretch = match self.rope.scaling {
            RopeScaling::Dynamic { factor, .. } => factor,
            _ => 1.0,
        };
        Sizes {
            layers: self.num_hidden_layers,
            vocab: self.vocab_size,
            width: self.hidden_size,
            context: (self.max_position_embeddings as f64 * stretch) as usize,
            kv_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
        }
    }

    /// The token embedding, `[vocab, d]`.
    pub fn embedding(&self) -> Param {
        let dims = [self.vocab_size, self.hidden_size];
        Param::new(dims, ["vocab", "embed"]).normal(self.initializer_range).stored("model.embed_tokens.weight")
    }
    /// The head, `[d, vocab]`. When tied, a second copy of the embedding: matrix-vector products want this order.
    pub fn head(&self) -> Param {
        let dims = [self.hidden_size, self.vocab_size];
        let head = Param::new(dims, ["embed", "vocab"]).normal(self.initializer_range).transposed(1);
        match self.tie_word_embeddings {
            true => head.stored("model.embed_tokens.weight").tied_to("embed"),
            false => head.stored("lm_head.weight"),
        }
    }
    /// A norm over the residual stream, of this name in a checkpoint.
    pub fn norm(&self, name: &str) -> RmsNorm<Param> {
        self.norm_over(name, self.hidden_size, "embed")
    }
    fn norm_over(&self, name: &str, size: usize, role: &'static str) -> RmsNorm<Param> {
        let gain = Param::new([size], [role]).stored(format!("{name}.weight"));
        let gain = if self.centered_norms { gain } else { gain.ones() };
        RmsNorm { gain, eps: self.rms_norm_eps as f32, centered: self.centered_norms }
    }
}

/// Without a factor, the ratio of the contexts is meant.
fn with_ratio(scaling: RopeScaling, context: usize) -> RopeScaling {
    match scaling {
        RopeScaling::LongRope {
            short_factor,
            long_factor,
            factor,
            original_max_position_embeddings: n,
            attention_factor,
        } => {
            let factor = factor.or(Some(context as f64 / n as f64));
            RopeScaling::LongRope {
                short_factor,
                long_factor,
                factor,
                original_max_position_embeddings: n,
                attention_factor,
            }
        }
        other => other,
    }
}

/// The name of a part of layer `{}`.
pub fn in_layer(part: &str) -> String {
    format!("model.layers.{{}}.{part}")
}

/// A matrix, and a bias where the configuration says so.
#[derive(Tree, Clone, Debug)]
pub struct Linear<T = Tensor> {
    /// Weight; the axes are given where it is declared.
    pub w: T,
    /// Bias over the output axes.
    pub b: Option<T>,
}
impl Linear {
    /// As [`call`](Linear::call), for the way back into the stream: devices that have some of the inputs add up their parts.
    pub fn leave(&self, spec: &str, x: Tensor) -> Tensor {
        let y = tensor::leave(einsum(spec, x, self.w));
        self.b.map_or(y, |b| y + b)
    }
    /// `x` times the weight, by an einsum of the two, plus the bias.
    pub fn call(&self, spec: &str, x: Tensor) -> Tensor {
        let y = einsum(spec, x, self.w);
        self.b.map_or(y, |b| y + b)
    }
}
impl Linear<Param> {
    /// A weight of which the first `inputs` axes are inputs, under this name in a checkpoint.
    fn spec(w: Param, inputs: usize, name: &str, bias: bool) -> Linear<Param> {
        let b = bias.then(|| w.bias(inputs).stored(format!("{name}.bias")));
        Linear { w: w.stored(format!("{name}.weight")).transposed(inputs), b }
    }
}

/// Grouped-query self-attention.
#[derive(Tree, Clone, Debug)]
pub struct Attention<T = Tensor> {
    /// `[d, heads, k]`
    pub q: Linear<T>,
    /// `[d, kv_heads, k]`
    pub k: Linear<T>,
    /// `[d, kv_heads, k]`
    pub v: Linear<T>,
    /// `[heads, k, d]`
    pub o: Linear<T>,
    /// Over each head of the queries and of the keys, `[k]`.
    pub qk_norm: Option<(RmsNorm<T>, RmsNorm<T>)>,
    /// Scale of the scores, and how they are capped.
    #[tree(skip)]
    pub options: AttentionOptions,
}
impl Attention<Param> {
    /// The usual names; `bias`: of queries, keys and values, and of the output.
    pub fn spec(c: &Common, bias: [bool; 2]) -> Attention<Param> {
        let (d, h, g, k) = (c.hidden_size, c.num_attention_heads, c.num_key_value_heads, c.head_dim);
        let part = |name: &str, p: Param, inputs, bias| {
            Linear::spec(p.normal(c.initializer_range), inputs, &in_layer(&format!("self_attn.{name}")), bias)
        };
        Attention {
            q: part("q_proj", Param::new([d, h, k], ["embed", "heads", "head"]), 1, bias[0]),
            k: part("k_proj", Param::new([d, g, k], ["embed", "kv_heads", "head"]), 1, bias[0]),
            v: part("v_proj", Param::new([d, g, k], ["embed", "kv_heads", "head"]), 1, bias[0]),
            o: part("o_proj", Param::new([h, k, d], ["heads", "head", "embed"]), 2, bias[1]),
            qk_norm: None,
            options: AttentionOptions { scale: 1.0 / (k as f64).sqrt(), soft_cap: None },
        }
    }
    /// With norms over queries and keys.
    pub fn normed(self, c: &Common) -> Attention<Param> {
        let norm = |name: &str| c.norm_over(&in_layer(&format!("self_attn.{name}")), c.head_dim, "head");
        Attention { qk_norm: Some((norm("q_norm"), norm("k_norm"))), ..self }
    }
}
impl Attention {
    /// Attend from `x` `[b, t, d]` to it and to what the cache holds.
    pub fn call(&self, x: Tensor, cache: Option<KvCache>, rotation: Rotation, at: Sight) -> (Tensor, Option<KvCache>) {
        let x = tensor::enter(x);
        let (q, k) = (self.q.call("btd,dhk->bthk", x), self.k.call("btd,dhk->bthk", x));
        let (q, k) = self.qk_norm.as_ref().map_or((q, k), |(of_q, of_k)| (of_q.call(q), of_k.call(k)));
        let (q, k, v) = (rotation.apply(q), rotation.apply(k), self.v.call("btd,dhk->bthk", x));
        let (seen, cache) = Seen::new(cache, k, v, at);
        (self.o.leave("bthk,hkd->btd", seen.attend(q, at, self.options)), cache)
    }
}

/// down(act(gate(x)) · up(x)) (Shazeer, 2020; arXiv 2002.05202).
#[derive(Tree, Clone, Debug)]
pub struct Mlp<T = Tensor> {
    /// `[d, f]`
    pub gate: Linear<T>,
    /// `[d, f]`
    pub up: Linear<T>,
    /// `[f, d]`
    pub down: Linear<T>,
    /// Activation.
    #[tree(skip)]
    pub act: Activation,
}
impl Mlp<Param> {
    /// The usual names.
    pub fn spec(c: &Common, bias: bool) -> Mlp<Param> {
        let part = |name: &str, dims: [usize; 2], axes: [&'static str; 2]| {
            let w = Param::new(dims, axes).normal(c.initializer_range);
            Linear::spec(w, 1, &in_layer(&format!("mlp.{name}")), bias)
        };
        let (d, f) = (c.hidden_size, c.intermediate_size);
        Mlp {
            gate: part("gate_proj", [d, f], ["embed", "mlp"]),
            up: part("up_proj", [d, f], ["embed", "mlp"]),
            down: part("down_proj", [f, d], ["mlp", "embed"]),
            act: c.hidden_act,
        }
    }
}
impl Mlp {
    /// For each position of `x` `[b, t, d]`.
    pub fn call(&self, x: Tensor) -> Tensor {
        let x = tensor::enter(x);
        let gate = self.act.call(self.gate.call("btd,df->btf", x));
        self.down.leave("btf,fd->btd", gate * self.up.call("btd,df->btf", x))
    }
}

/// The layer of most families: norm, attention, add; norm, MLP, add.
#[derive(Tree, Clone, Debug)]
pub struct Block<T = Tensor> {
    /// Before attention.
    pub attn_norm: RmsNorm<T>,
    /// Self-attention.
    pub attn: Attention<T>,
    /// Before the MLP.
    pub mlp_norm: RmsNorm<T>,
    /// Gated MLP.
    pub mlp: Mlp<T>,
}
impl Block<Param> {
    /// The usual names.
    pub fn spec(c: &Common, attn: Attention<Param>, mlp: Mlp<Param>) -> Block<Param> {
        let (before, after) = (in_layer("input_layernorm"), in_layer("post_attention_layernorm"));
        Block { attn_norm: c.norm(&before), attn, mlp_norm: c.norm(&after), mlp }
    }
}
impl Block {
    /// From and to `[b, t, d]`.
    pub fn call(&self, x: Tensor, cache: Option<KvCache>, rotation: Rotation, at: Sight) -> (Tensor, Option<KvCache>) {
        let (attended, cache) = scope("attn", || self.attn.call(self.attn_norm.call(x), cache, rotation, at));
        let x = x + attended;
        (x + scope("mlp", || self.mlp.call(self.mlp_norm.call(x))), cache)
    }
}

/// Rows of an embedding `[vocab, d]`.
pub fn embed(table: Tensor, tokens: Tensor) -> Tensor {
    scope("embed", || tensor::embed(table, tokens))
}

/// From hidden states `[b, t, d]` to f32 logits; without a head of its own, by the embedding.
pub fn logits(hidden: Tensor, head: Option<Tensor>, embedding: Tensor) -> Tensor {
    let product = || match (tensor::enter_head(hidden), head) {
        (hidden, Some(head)) => einsum("btd,dv->btv", hidden, head),
        (hidden, None) => einsum("btd,vd->btv", hidden, embedding),
    };
    scope("head", || product().cast(DType::F32))
}

/// The positions of a call's tokens, i32 `[t]`.
pub fn positions(input: &Input) -> Tensor {
    let [_, t] = input.tokens.shape();
    prim::iota([t], DType::I32, 0) + input.start
}

/// Pass `x` through the layers, with their part of the cache: `layer` takes `x`, the layer, its number (an i32 scalar) and
/// its cache. `norm` is what comes after the last one.
pub fn run_layers<B>(
    layers: &Layers<B>,
    x: Tensor,
    input: &Input,
    layer: impl Fn(Tensor, B, Tensor, Option<KvCache>) -> (Tensor, Option<KvCache>),
    norm: impl FnOnce(Tensor) -> Tensor,
) -> Output
where
    B: Tree<Tensor, With<Tensor> = B> + Clone,
{
    let layer = |x, block, number, cache| (layer(x, block, number, cache), None);
    run_layers_with(layers, x, input, layer, norm)
}

/// As [`run_layers`], with layers that may have a router, and return its scores beside.
pub fn run_layers_with<B>(
    layers: &Layers<B>,
    x: Tensor,
    input: &Input,
    layer: impl Fn(Tensor, B, Tensor, Option<KvCache>) -> ((Tensor, Option<KvCache>), Option<Tensor>),
    norm: impl FnOnce(Tensor) -> Tensor,
) -> Output
where
    B: Tree<Tensor, With<Tensor> = B> + Clone,
{
    let layer = |x: Tensor, block: B, number: Tensor, cache: Option<KvCache>| {
        scope("block", || layer(x, fsdp::gather_layer(block), number, cache))
    };
    if let Some(schedule) = parallel::current().and_then(|p| p.pipe) {
        return run_stages(layers, x, input, schedule, layer, norm);
    }
    let step = |x: Tensor, (block, number): (B, Tensor), cache: Option<KvCache>| {
        let ((y, cache), scores) = layer(x, block, number, cache);
        (y, ((cache, x), scores))
    };
    let (x, parts) = layers.numbered().fold_with(x, &input.cache, input.remat.as_ref(), step);
    let (parts, scores) = parts.unzip();
    let (cache, states): (Cache, Layers<Tensor>) = parts.unzip();
    Output { hidden: scope("norm", || norm(x)), cache, states, scores }
}

/// The layers as stages of a pipeline, of which this device has one or several. For training: without caches, and without the
/// states between layers.
fn run_stages<B>(
    layers: &Layers<B>,
    x: Tensor,
    input: &Input,
    schedule: Schedule,
    layer: impl Fn(Tensor, B, Tensor, Option<KvCache>) -> ((Tensor, Option<KvCache>), Option<Tensor>),
    norm: impl FnOnce(Tensor) -> Tensor,
) -> Output
where
    B: Tree<Tensor, With<Tensor> = B> + Clone,
{
    let Layers::Stacked(stack, _) = layers else {
        let help = "build the model with scanned layers (`--scan`)";
        trace::fail("pipeline", vec![], "layers that are listed cannot be divided", Some(help.into()))
    };
    let own = stack.leaves().first().map_or(0, |t| t.dim(0));
    let length = own / schedule.repeats;
    let hidden = schedule.run(x, own, |x, run, first| {
        let part: B = stack.map(|t| match schedule.repeats {
            1 => *t,
            _ => t.dynamic_slice_axis(0, run * length, length),
        });
        let numbers = prim::iota([length], DType::I32, 0) + first;
        let step = |x, (block, number): (B, Tensor), ()| (layer(x, block, number, None).0.0, ());
        let none = Layers::Stacked((), length);
        Layers::Stacked((part, numbers), length).fold_with(x, &none, input.remat.as_ref(), step).0
    });
    let (cache, states, scores) = (Layers::List(vec![]), Layers::List(vec![]), Layers::List(vec![]));
    Output { hidden: scope("norm", || norm(hidden)), cache, states, scores }
}

/// Which layers look only at a window of the latest positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// How many positions a query sees, its own included.
    pub size: usize,
    /// Per layer: is it one of them?
    pub local: Vec<bool>,
}
impl Windows {
    /// No layer.
    pub fn none(layers: usize) -> Windows {
        Windows { size: usize::MAX, local: vec![false; layers] }
    }
    /// From `layer_types`, if it is there, else as `usual` says of a layer's number. Without `sliding_window`, no layer.
    pub fn read(c: &HfConfig, layers: usize, usual: impl Fn(usize) -> bool) -> Result<Windows, LoadError> {
        let Some(size) = c.uint_opt("sliding_window")? else { return Ok(Windows::none(layers)) };
        let Some(kinds) = c.get("layer_types") else {
            return Ok(Windows { size, local: (0..layers).map(usual).collect() });
        };
        let kinds: Vec<&str> = kinds.as_array().into_iter().flatten().filter_map(|k| k.as_str()).collect();
        let known = |k: &&str| ["sliding_attention", "full_attention"].contains(k);
        if kinds.len() != layers || !kinds.iter().all(known) {
            let want = format!("a list of {layers} times \"sliding_attention\" or \"full_attention\"");
            return Err(c.error(format!("`layer_types` is not {want}")));
        }
        Ok(Windows { size, local: kinds.iter().map(|k| *k == "sliding_attention").collect() })
    }
    /// Do all layers look alike?
    fn uniform(&self) -> bool {
        self.local.windows(2).all(|w| w[0] == w[1])
    }
    /// Is layer `number` (an i32 scalar) one of them? `None`: all layers are the same.
    pub fn is_local(&self, number: Tensor) -> Option<Tensor> {
        let table = || Host::ints(DType::Bool, [self.local.len()], self.local.iter().map(|l| *l as i128).collect());
        (!self.uniform()).then(|| literal(table()).take_with(number, 0, IndexMode::Clip))
    }
    /// Where the queries of layer `number` stand and look.
    pub fn sight(&self, number: Tensor, input: &Input) -> Sight {
        let Input { start, length, .. } = *input;
        // (no position is further away than an i32 can say)
        let size = || full([], DType::I32, self.size.min(i32::MAX as usize));
        let window = match self.is_local(number) {
            Some(local) => Some(where_(local, size(), i32::MAX)),
            None => self.local.contains(&true).then(size),
        };
        Sight { start, length, window }
    }
    /// The cache of each layer, with `slots` for a whole sequence. Layers that look at a window hold no more than it, and
    /// `spare` positions that may still be taken back; in a stack, if all do.
    pub fn cache(&self, whole: KvCache<Aval>, spare: usize, stacked: bool) -> Layers<Option<KvCache<Aval>>> {
        let [batch, slots, heads, dim] = *whole.k.dims else { unreachable!("a cache has four axes") };
        let size = self.size.saturating_add(spare);
        let ring = KvCache { ring: true, ..KvCache::spec(batch, size.min(slots), heads, dim, whole.k.dtype) };
        let of = |local: bool| Some(if local && size < slots { ring.clone() } else { whole.clone() });
        match stacked {
            true => {
                let layer = of(self.uniform() && self.local.contains(&true));
                let n = self.local.len();
                Layers::Stacked(layer.map(|c| c.map(|a: &Aval| a.stacked(n))), n)
            }
            false => Layers::List(self.local.iter().map(|local| of(*local)).collect()),
        }
    }
}
