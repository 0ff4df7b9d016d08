//! The compiled programs of a model, whatever its architecture.
//!
//! A generation is one function, the [`step`], compiled for two types of arguments: a prompt of some bucket length
//! (prefill), and one token (decode). It runs the model on the new tokens, and chooses the next one on the device.
//! Without weights, its graph and its StableHLO can be had from types alone:
//! ```
//! use graphs::{Sampling, architecture::by_name, config::HfConfig, programs::{step, step_avals}};
//! use raxla::DType;
//! use std::sync::Arc;
//!
//! let config = r#"{"model_type": "llama", "vocab_size": 131, "hidden_size": 32, "intermediate_size": 56,
//!     "num_hidden_layers": 2, "num_attention_heads": 4}"#;
//! let config = HfConfig::parse(config, "config.json")?;
//! let arch: Arc<dyn graphs::architecture::Architecture> = (by_name(&config)?.build)(&config, false)?.into();
//! let shape = Sampling::default().shape();
//! let decode = step_avals(&*arch, DType::F32, shape, 1, 64); // one token, 64 slots in the cache
//! let lowered = step(arch, shape).lower(&decode)?;
//! assert!(lowered.text.contains("stablehlo.dot_general"));
//! # Ok::<(), graphs::Error>(())
//! ```
use crate::{
    architecture::{Architecture, Cache, Input},
    sampling::Shape,
};
use raxla::{Aval, Compiled, DType, Jit, Key, Tensor, full, jit, nn::Layers, one_hot, prim, where_};
use std::sync::Arc;

/// What a step takes: parameters, tokens `[b, t]`, position of the first, number of real ones, cache, which tokens
/// occurred (for penalties), [`Sampling::numbers`](crate::Sampling::numbers), and the key of the seed.
pub type StepArgs<T> = (Vec<T>, T, T, T, Cache<T>, Option<T>, T, Key<T>);
/// What a step returns: next tokens `[b, 1]`, next position, cache, and which tokens occurred.
pub type StepOut<T> = (T, T, Cache<T>, Option<T>);
type StepFn =
    dyn Fn(Vec<Tensor>, Tensor, Tensor, Tensor, Cache, Option<Tensor>, Tensor, Key) -> StepOut<Tensor> + Send + Sync;
/// The program of one call: a prompt of some bucket length, or one token.
pub type Step = Jit<StepArgs<Tensor>, Box<StepFn>>;
/// One compiled step.
pub type Program = Compiled<StepArgs<Tensor>, StepOut<Tensor>>;
/// The program of a whole sequence: from tokens `[1, t]` to logits and hidden states.
pub type Forward = Jit<(Vec<Tensor>, Tensor), Box<dyn Fn(Vec<Tensor>, Tensor) -> (Tensor, Vec<Tensor>) + Send + Sync>>;

/// The step that takes some tokens in and chooses the next one. `jit` compiles it per bucket: prefill and decode.
pub fn step(arch: Arc<dyn Architecture>, shape: Shape) -> Step {
    let f = move |params: Vec<Tensor>,
                  tokens: Tensor,
                  start: Tensor,
                  count: Tensor,
                  cache: Cache,
                  seen: Option<Tensor>,
                  numbers: Tensor,
                  key: Key| {
        let model = arch.decoder(&params);
        let length = start + count;
        let out = model.forward(Input { tokens, start, length, cache, remat: None });
        let [b, t, d] = out.hidden.shape();
        let last = out.hidden.dynamic_slice_axis(1, count - 1, 1);
        let logits = model.logits(last.reshape([b, 1, d])).squeeze(1);
        let [_, vocab] = logits.shape();
        let seen = seen.map(|seen| {
            let real = prim::iota([1, t], DType::I32, 1).lt(count);
            // padding counts as the first token, which is real
            let first = tokens.slice_axis(1, 0..1);
            let ids = where_(real, tokens, first);
            let hits = one_hot(ids, vocab, DType::F32).sum(1).gt(0.0);
            seen | hits
        });
        let key = key.fold_in(length.cast(DType::U32));
        let next = shape.choose(logits, numbers, seen, key);
        (next.reshape([b, 1]), length, out.cache, seen)
    };
    jit(Box::new(f) as Box<StepFn>).named("step")
}

/// The forward pass of whole sequences, without a cache.
pub fn forward(arch: Arc<dyn Architecture>) -> Forward {
    let f = move |params: Vec<Tensor>, tokens: Tensor| {
        let model = arch.decoder(&params);
        let [_, t] = tokens.shape();
        let (zero, length) = (full([], DType::I32, 0), full([], DType::I32, t));
        let out = model.forward(Input { tokens, start: zero, length, cache: arch.no_cache(), remat: None });
        let states = match out.states {
            Layers::List(v) => v,
            Layers::Stacked(all, n) => (0..n).map(|i| all.slice_axis(0, i..i + 1).squeeze(0)).collect(),
        };
        (model.logits(out.hidden), states.into_iter().chain([out.hidden]).collect())
    };
    jit(Box::new(f) as Box<_>).named("forward")
}

/// The types of a step's arguments, for `t` new tokens and a cache of `slots`.
pub fn step_avals(arch: &dyn Architecture, dtype: DType, shape: Shape, t: usize, slots: usize) -> StepArgs<Aval> {
    let int = Aval::new(DType::I32, []);
    (
        arch.params().iter().map(|(_, p)| p.aval.with_dtype(dtype)).collect(),
        Aval::new(DType::I32, [1, t]),
        int.clone(),
        int,
        arch.cache(1, slots, dtype),
        shape.penalty.then(|| Aval::new(DType::Bool, [1, arch.sizes().vocab])),
        Aval::new(DType::F32, [4]),
        Key::from_data(Aval::new(DType::U32, [2])),
    )
}
