//! Speculative decoding: a draft proposes tokens, one call of the model keeps or rejects them.
//!
//! What is generated has exactly the distribution of the model alone (Leviathan et al., 2023; arXiv 2211.17192): a drafted
//! token `x` is kept with probability min(1, p(x) / q(x)), where `p` is the model's distribution and `q` the draft's; the
//! first one that is not is replaced by a draw from max(p - q, 0), normalized.
use super::{Call, Request, State, each_row, logits, take_in};
use crate::{
    models::Decoder,
    sampling::{Chosen, Shape, count, logprobs, unless_not_finite},
};
use raxla::{DType, Jit, Key, Tensor, Tree, concat, full, jit, one_hot, prim, scan, scope, vmap, where_};

/// What a draft model takes: a model, the last two tokens of the text `[1, 2]`, position of the first of them `[1]`,
/// state, request.
pub type DraftArgs<T> = (Decoder<T>, T, T, State<T>, Request<T>);
/// What it returns: drafted tokens `[1, n]`, the scores `[1, n, vocab]` that they were drawn by if they were, and its state.
pub type DraftOut<T> = (T, Option<T>, State<T>);
type DraftFn = dyn Fn(Decoder, Tensor, Tensor, State, Request) -> DraftOut<Tensor> + Send + Sync;
/// The program of a draft model.
pub type DraftProgram = Jit<DraftArgs<Tensor>, Box<DraftFn>>;

/// What a verification takes: a model, the last token of the text `[1, 1]`, drafted tokens `[1, n]`, how many of them are
/// real `[1]`, state, request, and the draft's scores. Without scores, the draft was certain of its tokens.
pub type VerifyArgs<T> = (Decoder<T>, T, T, T, State<T>, Request<T>, Option<T>);
/// What it returns: the tokens that follow, `[1, n + 1]` (the kept ones, then the model's own, repeated), how many were
/// kept `[1]`, and the state after them.
pub type VerifyOut<T> = (Chosen<T>, T, State<T>);
type VerifyFn =
    dyn Fn(Decoder, Tensor, Tensor, Tensor, State, Request, Option<Tensor>) -> VerifyOut<Tensor> + Send + Sync;
/// The program of a verification.
pub type Verify = Jit<VerifyArgs<Tensor>, Box<VerifyFn>>;

/// Numbers that make independent keys of a position's key.
const DRAFTING: u32 = 1;
const VERIFYING: u32 = 2;

/// DraftProgram `n` tokens. Penalties do not count here: a draft need not be right.
///
/// The second last token is taken in once more: it is what the draft has not seen when all it proposed was kept.
pub fn draft(shape: Shape, n: usize) -> DraftProgram {
    let shape = shape.without_counts().with_logprobs(None);
    let f = move |model: Decoder, pair: Tensor, position: Tensor, state: State, request: Request| {
        let count = full([1], DType::I32, 2);
        let call = Call { tokens: pair, count, state: State { position, ..state }, request };
        let ((tokens, scores), state) = each_row(call, |call| {
            let next = |tokens: Tensor, count: Tensor, state: State| {
                let call = Call { tokens, count, state, request: call.request.map(|t| *t) };
                let (hidden, state) = take_in(&model, &call);
                let logits = logits(&model, hidden.slice_axis(0, tokens.dim(0) - 1..)).squeeze(0);
                let key = call.request.key_at(state.position).fold_in(DRAFTING);
                let token = shape.choose(logits, call.request.context(None), key).token;
                let scores = shape.is_random().then(|| shape.scores(logits, call.request.context(None)));
                (token, scores, state)
            };
            let (first, scores, state) = next(call.tokens, call.count, call.state.clone());
            let step = |(token, state): (Tensor, State), one: Tensor| {
                let (token, scores, state) = next(token, one, state);
                ((token, state), (token.squeeze(0), scores))
            };
            let ((_, state), (tokens, more)) = scan(step, (first, state), full([n - 1], DType::I32, 1));
            let scores = scores.zip(more).map(|(s, more)| concat(&[s.expand_dims(0), more], 0));
            ((concat(&[first, tokens], 0), scores), state)
        });
        (tokens, scores, state)
    };
    jit(Box::new(f) as Box<DraftFn>).named("draft")
}

/// Keep or reject drafted tokens, and choose the one after the kept ones.
pub fn verify(shape: Shape) -> Verify {
    let f = move |model: Decoder,
                  last: Tensor,
                  drafts: Tensor,
                  real: Tensor,
                  state: State,
                  request: Request,
                  scores: Option<Tensor>| {
        // (one row: what is not in the call is not mapped)
        let scores = scores.map(|s| s.squeeze(0));
        let call = Call { tokens: concat(&[last, drafts], 1), count: real + 1, state, request };
        let ((chosen, kept), state) = each_row(call, |call| {
            let (hidden, state) = take_in(&model, &call);
            let (logits, before) = (logits(&model, hidden), call.state.counts);
            let [n, _] = logits.shape();
            let i = prim::iota([n], DType::I32, 0);
            let generated = (i + call.state.position).ge(call.request.prompt);
            // how often tokens occurred up to each of the new ones
            let counted = |up_to: Tensor| before.map(|c| count(c, call.tokens, i.le(up_to), generated));
            let target =
                vmap(|(logits, up_to): (Tensor, Tensor)| shape.scores(logits, call.request.context(counted(up_to))))((
                    logits, i,
                ));
            let key = call.request.key_at(call.state.position).fold_in(VERIFYING);
            let drafts = call.tokens.slice_axis(0, 1..);
            let (kept, next) = accept(shape.is_random(), target, drafts, call.count - 1, scores, key);
            let chosen = where_(i.lt(kept), concat(&[drafts, drafts.like(0).slice_axis(0, 0..1)], 0), next);
            let each = |(token, logits): (Tensor, Tensor)| unless_not_finite(token.expand_dims(0), logits).squeeze(0);
            let token = vmap(each)((chosen, logits));
            let told = shape.logprobs().map(|n| vmap(|(l, t): (Tensor, Tensor)| logprobs(l, t, n))((logits, chosen)));
            let state = State { position: call.state.position + kept + 1, counts: counted(kept), ..state };
            ((Chosen { token, logprobs: told }, kept), state)
        });
        (chosen, kept, state)
    };
    jit(Box::new(f) as Box<VerifyFn>).named("verify")
}

/// How many of the drafted tokens `[n]`, of which `real` count, are kept, and the token after them: two i32 scalars.
///
/// `target` are the model's scores `[n + 1, vocab]` ([`Shape::scores`]) before each of them and after the last; `draft` are
/// those `[n, vocab]` that the tokens were drawn by, `None` if they were certain. Without `random`, a token is kept if it is
/// the most likely one.
pub fn accept(
    random: bool,
    target: Tensor,
    drafts: Tensor,
    real: Tensor,
    draft: Option<Tensor>,
    key: Key,
) -> (Tensor, Tensor) {
    scope("accept", || {
        let [n] = drafts.shape();
        let [_, vocab] = target.shape();
        let is_real = prim::iota([n], DType::I32, 0).lt(real);
        // the number of tokens before the first that is not kept
        let leading = |kept: Tensor| prim::cumprod((kept & is_real).cast(DType::I32), 0, false).sum(0);
        if !random {
            let best = target.argmax(-1);
            let kept = leading(best.slice_axis(0, ..n).eq(drafts));
            return (kept, best.dynamic_index(0, kept));
        }
        let [accepting, drawing] = key.split();
        let of_drafts = |p: Tensor| p.take_along_axis(drafts.expand_dims(-1), -1).squeeze(-1);
        let p = target.softmax(-1);
        let q = draft.map_or_else(|| one_hot(drafts, vocab, DType::F32), |scores| scores.softmax(-1));
        let u = accepting.uniform([n], DType::F32, 0.0, 1.0);
        let kept = leading((u * of_drafts(q)).lt(of_drafts(p.slice_axis(0, ..n))));
        let p = p.dynamic_index(0, kept);
        // after the last one there is nothing to subtract
        let rest = (p - q.dynamic_index(0, kept.minimum((n - 1) as i32))).maximum(0.0);
        let rest = where_(kept.lt(real) & rest.sum(0).gt(0.0), rest, p);
        (kept, drawing.categorical(rest.log(), -1).cast(DType::I32))
    })
}
