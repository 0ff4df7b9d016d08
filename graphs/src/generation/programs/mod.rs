//! The compiled programs of a model, whatever its architecture.
//!
//! A generation is one function, the [`step`], compiled for two types of arguments: prompts of some bucket length
//! (prefill), and one token each (decode). It runs the model on the new tokens, and chooses the next one on the device.
//! A step is written for one sequence; a batch is `vmap` of it, so that every row has its own position. Around it stand the
//! [loop](decode_loop) that generates without the host, the [verification](verify) of drafted tokens, and the [extension](extend) of beams. Without weights, a program's graph and StableHLO can be had from types alone:
//! ```
//! use raxla_graphs::{Sampling, config::HfConfig, models::Decoder, programs::{step, step_avals}};
//! use raxla::DType;
//!
//! let config = r#"{"model_type": "llama", "vocab_size": 131, "hidden_size": 32, "intermediate_size": 56,
//!     "num_hidden_layers": 2, "num_attention_heads": 4}"#;
//! let config = HfConfig::parse(config, "config.json")?;
//! let model = Decoder::of(&config, false)?;
//! let shape = Sampling::default().shape();
//! let decode = step_avals(&model, DType::F32, shape, [1, 1], [64, 0]); // one row, one token, 64 slots in the cache
//! let lowered = step(shape).lower(&decode)?;
//! assert!(lowered.text.contains("stablehlo.dot_general"));
//! # Ok::<(), raxla_graphs::Error>(())
//! ```
mod beam;
mod device;
mod library;
mod placement;
mod speculative;

pub use beam::{Extend, ExtendArgs, ExtendOut, extend};
pub use device::{Loop, LoopArgs, LoopOut, decode_loop};
pub(crate) use library::Programs;
pub use placement::Placement;
pub use speculative::{DraftArgs, DraftOut, DraftProgram, Verify, VerifyArgs, VerifyOut, accept, draft, verify};

use crate::{
    models::{Caches, Decoder, Input},
    sampling::{Chosen, Context, Shape, count},
};
use raxla::{
    Aval, Axis, Compiled, DType, Jit, Key, Param, PerLeaf, Tensor, Tree, jit, parallel::tensor, prim, tree::Leaf,
    vmap_axes,
};

/// What a sequence is between two steps. In a batch the leaves have an axis of rows: in front, or in caches of stacked
/// layers behind that of the layers.
#[derive(Tree, Clone, Debug)]
pub struct State<T = Tensor> {
    /// How many tokens the cache holds, i32 `[]`.
    pub position: T,
    /// What the layers keep of them; its axis of rows is always there.
    pub cache: Caches<T>,
    /// How often each token occurred in the prompt, and after it: i32 `[2, vocab]`, for penalties.
    pub counts: Option<T>,
}

/// What is asked for, in all steps. The rows of a batch share it but for two numbers.
#[derive(Tree, Debug)]
pub struct Request<T = Tensor> {
    /// Length of the prompt, i32 `[]`; one per row.
    pub prompt: T,
    /// Which of several samples of a prompt this is, i32 `[]`; one per row.
    pub sample: T,
    /// [`Sampling::numbers`](crate::Sampling::numbers)
    pub numbers: T,
    /// [`Sampling::bias`](crate::Sampling::bias), if there is any.
    pub bias: Option<T>,
    /// The key of the seed.
    pub key: Key<T>,
}

/// One call on one sequence, or on rows of a batch.
#[derive(Tree, Debug)]
pub struct Call<T = Tensor> {
    /// New tokens, i32 `[t]`.
    pub tokens: T,
    /// How many of them are real, i32 `[]`; the others are padding. None of them: the call changes nothing.
    pub count: T,
    /// What the calls before left.
    pub state: State<T>,
    /// What is asked for.
    pub request: Request<T>,
}

/// What a step takes: a model, then as in [`Call`], with rows.
pub type StepArgs<T> = (Decoder<T>, T, T, State<T>, Request<T>);
/// What a step returns: the next tokens, and what the next call needs.
pub type StepOut<T> = (Chosen<T>, State<T>);
type StepFn = dyn Fn(Decoder, Tensor, Tensor, State, Request) -> StepOut<Tensor> + Send + Sync;
/// The program of one call: prompts of some bucket length, or one token each.
pub type Step = Jit<StepArgs<Tensor>, Box<StepFn>>;
/// One compiled step.
pub type Program = Compiled<StepArgs<Tensor>, StepOut<Tensor>>;
/// The program of a whole sequence: from tokens `[1, t]` to logits and hidden states.
pub type Forward = Jit<(Decoder, Tensor), Box<ForwardFn>>;
type ForwardFn = dyn Fn(Decoder, Tensor) -> (Tensor, Vec<Tensor>) + Send + Sync;
/// The program of a batch of whole sequences: from tokens `[b, t]` to logits `[b, t, vocab]`.
pub type Logits = Jit<(Decoder, Tensor), Box<LogitsFn>>;
type LogitsFn = dyn Fn(Decoder, Tensor) -> Tensor + Send + Sync;

/// The step that takes some tokens in and chooses the next one. `jit` compiles it per bucket: prefill and decode.
pub fn step(shape: Shape) -> Step {
    jit(step_of(shape)).named("step")
}

/// The step of one device.
fn step_of(shape: Shape) -> Box<StepFn> {
    let f = move |model: Decoder, tokens: Tensor, count: Tensor, state: State, request: Request| {
        each_row(Call { tokens, count, state, request }, |call| choose_next(&model, shape, call))
    };
    Box::new(f)
}

/// A step of one sequence.
fn choose_next(model: &Decoder, shape: Shape, call: Call) -> (Chosen, State) {
    let (hidden, state) = take_in(model, &call);
    let last = hidden.dynamic_slice_axis(0, call.count - 1, 1);
    let logits = logits(model, last).squeeze(0);
    let chosen = shape.choose(logits, call.request.context(state.counts), call.request.key_at(state.position));
    (chosen, state)
}

/// Run the model on the tokens of one sequence: hidden states `[t, d]`, and the state after the real ones.
fn take_in(model: &Decoder, call: &Call) -> (Tensor, State) {
    let Call { tokens, count: n, state, request } = call;
    let length = state.position + *n;
    let out = model.forward(Input {
        tokens: tokens.expand_dims(0),
        start: state.position,
        length,
        prompt: request.prompt,
        cache: state.cache.clone(),
        remat: None,
        packed: None,
        pipeline: None,
    });
    let counts = state.counts.map(|counts| {
        let i = prim::iota(tokens.dims(), DType::I32, 0);
        count(counts, *tokens, i.lt(*n), (i + state.position).ge(request.prompt))
    });
    (out.hidden.squeeze(0), State { position: length, cache: out.cache, counts })
}

/// Logits `[t, vocab]` of hidden states `[t, d]`.
fn logits(model: &Decoder, hidden: Tensor) -> Tensor {
    tensor::whole(model.logits(hidden.expand_dims(0))).squeeze(0)
}

impl Request {
    /// What the sampler needs, given the counts.
    fn context(&self, counts: Option<Tensor>) -> Context {
        Context { numbers: self.numbers, bias: self.bias, counts }
    }
    /// The key of one position of one sample: the same whatever else is in the batch.
    fn key_at(&self, position: Tensor) -> Key {
        self.key.fold_in(self.sample).fold_in(position)
    }
}

impl<T: Leaf> State<T> {
    /// The axis of rows of each leaf.
    pub fn axes(&self) -> State<Axis> {
        State {
            position: Axis::At(0),
            cache: self.cache.map_stacked(|_, stacked| Axis::At(stacked as isize)),
            counts: self.counts.as_ref().map(|_| Axis::At(0)),
        }
    }
}
impl<T: Leaf> Request<T> {
    fn axes(&self) -> Request<Axis> {
        Request {
            prompt: Axis::At(0),
            sample: Axis::At(0),
            numbers: Axis::Shared,
            bias: self.bias.as_ref().map(|_| Axis::Shared),
            key: Key::from_data(Axis::Shared),
        }
    }
}
impl State {
    /// With each leaf and its axis of rows replaced.
    fn map_rows(&self, f: impl Fn(Tensor, isize) -> Tensor) -> State {
        let axes = self.axes().leaves();
        let rows = self.leaves().into_iter().zip(axes).map(|(t, axis)| match axis {
            Axis::At(i) => f(t, i),
            Axis::Shared => t,
        });
        self.refill(rows)
    }
    /// The rows of these numbers, i32 `[n]`, in this order.
    pub fn pick(&self, rows: Tensor) -> State {
        self.map_rows(|t, axis| t.take(rows, axis))
    }
}

/// `f`, a function of one sequence, on each row. One row needs no `vmap`: its cache is then updated in place.
pub fn each_row<Y: Tree<Tensor, With<Tensor> = Y>>(call: Call, f: impl Fn(Call) -> (Y, State)) -> (Y, State) {
    let [rows, _] = call.tokens.shape();
    // models want the cache's axis of rows, of size 1 then
    let f = |mut call: Call| {
        call.state.cache = call.state.cache.map_stacked(|t: &Tensor, stacked| t.expand_dims(stacked as isize));
        let (y, mut state) = f(call);
        state.cache = state.cache.map_stacked(|t: &Tensor, stacked| t.squeeze(stacked as isize));
        (y, state)
    };
    if rows == 1 {
        let Call { tokens, count, state, request } = call;
        let request = Request { prompt: request.prompt.squeeze(0), sample: request.sample.squeeze(0), ..request };
        let state = state.map_rows(|t, axis| t.squeeze(axis));
        let (y, state) = f(Call { tokens: tokens.squeeze(0), count: count.squeeze(0), state, request });
        return (y.map(|t| t.expand_dims(0)), state.map_rows(|t, axis| t.expand_dims(axis)));
    }
    let state = call.state.axes();
    let axes = Call { tokens: Axis::At(0), count: Axis::At(0), state: state.clone(), request: call.request.axes() };
    vmap_axes(f, PerLeaf(axes), (Axis::At(0), PerLeaf(state)))(call)
}

/// The forward pass of whole sequences, without a cache.
pub fn forward() -> Forward {
    jit(forward_of()).named("forward")
}

/// The forward pass of one device.
fn forward_of() -> Box<ForwardFn> {
    let f = |model: Decoder, tokens: Tensor| {
        let out = model.forward(model.whole(tokens));
        let logits = tensor::whole(model.logits(out.hidden));
        (logits, out.states.to_list().into_iter().chain([out.hidden]).collect())
    };
    Box::new(f)
}

/// The logits of a batch of whole sequences at every position, without a cache and without the states between layers.
pub fn batch_logits() -> Logits {
    jit(Box::new(logits_of) as Box<LogitsFn>).named("forward")
}

/// The logits of one device, of which it may have some columns.
fn logits_of(model: Decoder, tokens: Tensor) -> Tensor {
    let hidden = model.forward(model.whole(tokens)).hidden;
    model.logits(hidden)
}

/// The types of the arguments of [`batch_logits`], for rows of `t` tokens.
pub fn batch_logits_avals(model: &Decoder<Param>, dtype: DType, [rows, t]: [usize; 2]) -> (Decoder<Aval>, Aval) {
    (model.map(|p| p.held(dtype)), Aval::new(DType::I32, [rows, t]))
}

/// The types of a step's arguments, for rows of `t` new tokens each and a cache of `slots`, of which the latest `spare`
/// positions can be taken back.
pub fn step_avals(
    model: &Decoder<Param>,
    dtype: DType,
    shape: Shape,
    [rows, t]: [usize; 2],
    [slots, spare]: [usize; 2],
) -> StepArgs<Aval> {
    let vocab = model.vocab();
    let ints = |dims: &[usize]| Aval::new(DType::I32, dims);
    (
        model.map(|p| p.held(dtype)),
        ints(&[rows, t]),
        ints(&[rows]),
        State {
            position: ints(&[rows]),
            cache: model.cache(rows, slots, spare, dtype).map(|p| p.aval.clone()),
            counts: shape.needs_counts().then(|| ints(&[rows, 2, vocab])),
        },
        Request {
            prompt: ints(&[rows]),
            sample: ints(&[rows]),
            numbers: Aval::new(DType::F32, [6]),
            bias: shape.needs_bias().then(|| Aval::new(DType::F32, [vocab])),
            key: Key::from_data(Aval::new(DType::U32, [2])),
        },
    )
}
