//! Decoding without the host.
use super::{Call, Request, State, choose_next, each_row};
use crate::{
    models::Decoder,
    sampling::{Chosen, Logprobs, Shape},
};
use raxla::{DType, Jit, Tensor, Tree, full, jit, ones, while_loop, zeros};

/// What a loop takes: a model, the newest tokens `[rows, 1]`, state, request, end tokens `[n]`, and how many further
/// tokens each row may have, i32 `[rows]`.
pub type LoopArgs<T> = (Decoder<T>, T, State<T>, Request<T>, T, T);
/// What a loop returns: what was chosen, with a leading axis of steps, and how many steps there were.
pub type LoopOut<T> = (Chosen<T>, T);
type LoopFn = dyn Fn(Decoder, Tensor, State, Request, Tensor, Tensor) -> LoopOut<Tensor> + Send + Sync;
/// The program of a whole generation but for its first token.
pub type Loop = Jit<LoopArgs<Tensor>, Box<LoopFn>>;

/// As many steps of decoding as it takes until all rows have ended, at most `room`. Rows that ended go on, unread.
pub fn decode_loop(shape: Shape, room: usize) -> Loop {
    let f = move |model: Decoder, token: Tensor, state: State, request: Request, eos: Tensor, most: Tensor| {
        let [rows, _] = token.shape();
        // (a negative token says that there is none: the logits are not finite)
        let ended =
            |steps: Tensor, token: Tensor| token.eq(eos.expand_dims(0)).any(-1) | token.lt(0).any(-1) | most.le(steps);
        let goes_on = |(steps, done, ..): &Carry| (!*done).any(0) & steps.lt(room);
        let step = |(steps, done, token, state, all): Carry| {
            let (count, request) = (ones([rows], DType::I32), request.map(|t| *t));
            let call = Call { tokens: token, count, state, request };
            let (chosen, state) = each_row(call, |call| choose_next(&model, shape, call));
            let kept = all.leaves().into_iter().zip(chosen.leaves());
            let all = all.refill(kept.map(|(all, new)| all.dynamic_update_axis(0, steps, new.expand_dims(0))));
            let steps = steps + 1;
            (steps, done | ended(steps, chosen.token), chosen.token, state, all)
        };
        let none = full([], DType::I32, 0);
        let init = (none, ended(none, token), token, state, nothing(shape, room, rows));
        let (steps, _, _, _, all) = while_loop(|carry| goes_on(&carry), step, init);
        (all, steps)
    };
    jit(Box::new(f) as Box<LoopFn>).named("decode_loop")
}

/// Number of steps, which rows have ended, newest tokens, state, and all that was chosen.
type Carry = (Tensor, Tensor, Tensor, State, Chosen);

/// Room for what so many steps choose.
fn nothing(shape: Shape, room: usize, rows: usize) -> Chosen {
    let top = |n| (zeros([room, rows, n], DType::F32), zeros([room, rows, n], DType::I32));
    let logprobs = |n: usize| Logprobs { chosen: zeros([room, rows], DType::F32), top: (n > 0).then(|| top(n)) };
    Chosen { token: zeros([room, rows, 1], DType::I32), logprobs: shape.logprobs().map(logprobs) }
}
