//! The step of beam search.
use super::{Call, Request, State, each_row, logits, take_in};
use crate::{models::Decoder, sampling::Shape};
use raxla::{DType, Jit, Tensor, full, jit, where_};

/// What an extension takes: a model, the newest token of each beam `[rows, 1]`, state, request, which row of the state
/// each beam continues, i32 `[rows]`, and the beams' scores, f32 `[rows]`.
pub type ExtendArgs<T> = (Decoder<T>, T, State<T>, Request<T>, T, T);
/// What it returns: the best continuations of any of them, the best first: their scores, which beam each continues, by which
/// token (`[keep]` each); and the state of the beams. Scores are infinite where logits are not finite.
pub type ExtendOut<T> = (T, T, T, State<T>);
type ExtendFn = dyn Fn(Decoder, Tensor, State, Request, Tensor, Tensor) -> ExtendOut<Tensor> + Send + Sync;
/// The program of an extension.
pub type Extend = Jit<ExtendArgs<Tensor>, Box<ExtendFn>>;

/// Take in each beam's newest token, and find the `keep` best continuations of all of them. A beam's score is the sum of
/// its tokens' log-probabilities; penalties and bias apply to these, as in transformers.
pub fn extend(shape: Shape, keep: usize) -> Extend {
    let f = move |model: Decoder, tokens: Tensor, state: State, request: Request, parents: Tensor, scores: Tensor| {
        let [rows, _] = tokens.shape();
        let call = Call { tokens, count: full([rows], DType::I32, 1), state: state.pick(parents), request };
        let (logprobs, state) = each_row(call, |call| {
            let (hidden, state) = take_in(&model, &call);
            let logits = logits(&model, hidden).squeeze(0);
            // logits that are not finite make the best of all scores infinite, which no others are
            let finite = logits.max_keep(-1).is_finite().broadcast_to(logits.dims());
            let logprobs = where_(finite, logits.log_softmax(-1), f32::INFINITY);
            (shape.penalize(logprobs, call.request.context(state.counts)), state)
        });
        let [_, vocab] = logprobs.shape();
        let (best, at) = (logprobs + scores.expand_dims(-1)).reshape([rows * vocab]).top_k(keep);
        (best, at / vocab as i32, at % vocab as i32, state)
    };
    jit(Box::new(f) as Box<ExtendFn>).named("extend")
}
