//! Attention block by block (FlashAttention: Dao et al., 2022; arXiv 2205.14135, and Dao, 2023; arXiv 2307.08691): no more scores at a
//! time than those of one block of queries and one of keys, so that memory grows with the length of a sequence, not with its square.
//!
//! The softmax is carried along as its largest score, its sum, and the weighted values so far (Milakov and Gimelshein, 2018;
//! arXiv 1805.02867). For the way back only the logarithm of the sum is kept of each query; scores are computed again. Pairs of
//! blocks in which no query sees a key are skipped.
use super::AttentionOptions;
use crate::{
    aval::DType,
    ops::{einsum::einsum_with, where_},
    prim::{Precision, cond, custom_vjp, full, pad, reduce_or, scan},
    trace::{At, Tensor},
    tree::Tree,
};

/// Most queries, and most keys, of a block: few enough for a cache, many enough for fast products.
const BLOCK: usize = 512;
/// From so many queries and keys on it is no slower than all scores at once.
const LEAST: [usize; 2] = [256, 1024];

/// Is this the way to attend from so many queries to so many keys?
pub(super) fn pays(queries: usize, keys: usize) -> bool {
    queries >= LEAST[0] && keys >= LEAST[1]
}

/// What attention takes.
#[derive(Tree, Clone, Debug)]
pub(super) struct Operands<T = Tensor> {
    /// Queries, `[b, t, heads, k]`.
    pub q: T,
    /// Keys, `[b, s, kv_heads, k]`.
    pub k: T,
    /// Values, `[b, s, kv_heads, v]`.
    pub v: T,
    /// Scores without values, `[heads]`.
    pub sinks: Option<T>,
    /// The queries' positions, i32 `[t]`.
    pub query: T,
    /// The keys' positions, i32 `[s]`; what is negative is not there.
    pub key: T,
    /// How many positions a query sees, i32 scalar.
    pub window: Option<T>,
    /// Of queries, which are the keys' own: which segment of its row each belongs to, i32 `[b, t]`; each sees its segment only.
    pub segments: Option<T>,
}

/// As [`attention_with`](super::attention_with), of queries that see what does not stand behind them, and of that what is within
/// the window: `[b, t, heads, v]`. A query that sees nothing gets zeros.
#[track_caller]
pub(super) fn attention(operands: Operands, options: AttentionOptions) -> Tensor {
    let _at = At::op("flash::attention");
    let forward = move |x: Operands| {
        let (y, log_sums) = Blocks::of(&x, options).forward(&x);
        (y, (x, (y, log_sums)))
    };
    let backward = move |(x, kept): (Operands, (Tensor, Tensor)), ct: Tensor| {
        let blocks = Blocks::of(&x, options);
        blocks.backward(x, kept, ct)
    };
    custom_vjp(move |x| forward(x).0, forward, backward)(operands)
}

/// How axes are cut: sizes, and number and size of the blocks of queries and of keys.
#[derive(Clone, Copy)]
struct Blocks {
    options: AttentionOptions,
    batch: usize,
    /// Key/value heads, and query heads of each.
    groups: [usize; 2],
    lengths: [usize; 2],
    rows: [usize; 2],
    columns: [usize; 2],
}

/// What a block of queries knows of the softmax: its largest score, its sum, `[b, groups, rows]`, and the weighted values, with
/// their axis behind. All f32.
type SoFar = (Tensor, Tensor, Tensor);

impl Blocks {
    fn of(x: &Operands, options: AttentionOptions) -> Blocks {
        let ([batch, t, heads, _], [_, s, groups, _]) = (x.q.shape(), x.k.shape());
        // (blocks of almost the same size need less padding than full ones and a rest)
        let cut = |n: usize| [n.div_ceil(BLOCK), n.div_ceil(n.div_ceil(BLOCK))];
        Blocks { options, batch, groups: [groups, heads / groups], lengths: [t, s], rows: cut(t), columns: cut(s) }
    }

    /// `[b, t, heads, d]` as `[blocks, b, groups, rows, d]`, whose rows are a block's queries of each head of the group.
    fn cut_rows(&self, x: Tensor) -> Tensor {
        let ([n, size], [groups, each], d) = (self.rows, self.groups, x.dim(-1));
        let x = longer(x, 1, n * size, 0.0).reshape([self.batch, n, size, groups, each, d]);
        x.transpose([1, 0, 3, 4, 2, 5]).reshape([n, self.batch, groups, each * size, d])
    }
    fn join_rows(&self, x: Tensor) -> Tensor {
        let ([n, size], [groups, each], d) = (self.rows, self.groups, x.dim(-1));
        let x = x.reshape([n, self.batch, groups, each, size, d]).transpose([1, 0, 4, 2, 3, 5]);
        x.reshape([self.batch, n * size, groups * each, d]).slice_axis(1, 0..self.lengths[0])
    }
    /// `[b, s, groups, d]` as `[blocks, b, groups, columns, d]`.
    fn cut_columns(&self, x: Tensor) -> Tensor {
        let ([n, size], d) = (self.columns, x.dim(-1));
        let x = longer(x, 1, n * size, 0.0).reshape([self.batch, n, size, self.groups[0], d]);
        x.transpose([1, 0, 3, 2, 4])
    }
    fn join_columns(&self, x: Tensor) -> Tensor {
        let ([n, size], d) = (self.columns, x.dim(-1));
        let x = x.transpose([1, 0, 3, 2, 4]).reshape([self.batch, n * size, self.groups[0], d]);
        x.slice_axis(1, 0..self.lengths[1])
    }
    /// Positions of queries, one for each row, and of keys: `[blocks, rows]` and `[blocks, columns]`. Padding sees nothing, and is
    /// not there.
    fn positions(&self, x: &Operands) -> (Tensor, Tensor) {
        let cut = |x, [n, size]: [usize; 2]| longer(x, 0, n * size, -1.0).reshape([n, size]);
        let [n, size] = self.rows;
        let query = cut(x.query, self.rows).expand_dims(1).broadcast_to([n, self.groups[1], size]);
        (query.reshape([n, self.groups[1] * size]), cut(x.key, self.columns))
    }

    /// Segments of queries, one for each row, and of keys: `[blocks, b, rows]` and `[blocks, b, columns]`.
    fn segments(&self, x: &Operands) -> Option<(Tensor, Tensor)> {
        let cut =
            |x, [n, size]: [usize; 2]| longer(x, 1, n * size, -1.0).reshape([self.batch, n, size]).swap_axes(0, 1);
        let [n, size] = self.rows;
        x.segments.map(|own| {
            let query = cut(own, self.rows).expand_dims(2).broadcast_to([n, self.batch, self.groups[1], size]);
            (query.reshape([n, self.batch, self.groups[1] * size]), cut(own, self.columns))
        })
    }

    /// f32 scores of a block of queries and one of keys, `[b, groups, rows, columns]`.
    fn scores(&self, q: Tensor, k: Tensor) -> Tensor {
        let scores = product("bgmd,bgnd->bgmn", q, k) * self.options.scale;
        self.options.soft_cap.map_or(scores, |cap| (scores / cap).tanh() * cap)
    }

    /// Results, `[b, t, heads, v]`, and the logarithm of each softmax's sum, `[blocks, b, groups, rows]`.
    fn forward(&self, x: &Operands) -> (Tensor, Tensor) {
        let (query, key) = self.positions(x);
        let (query_segments, key_segments) = self.segments(x).unzip();
        let columns = (self.cut_columns(x.k), self.cut_columns(x.v), (key, key_segments));
        let block = |(), (q, query): (Tensor, Places)| {
            let step = |so_far: SoFar, (k, v, key): (Tensor, Tensor, Places)| {
                let sees = sees(query, key, x.window);
                let meet = |so_far| self.meet(so_far, (q, k, v), sees);
                (cond(any(sees), meet, |so_far| so_far, so_far), ())
            };
            let ((top, sum, y), ()) = scan(step, self.start(x, q), columns);
            let sum = where_(sum.gt(0.0), sum, sum.like(1.0));
            ((), ((y / sum.expand_dims(-1)).cast(x.v.dtype()), top + sum.log()))
        };
        let ((), (y, log_sums)) = scan(block, (), (self.cut_rows(x.q), (query, query_segments)));
        (self.join_rows(y), log_sums)
    }
    /// Before any key: a sink is a score that counts in the sum of each query, and has no value.
    fn start(&self, x: &Operands, q: Tensor) -> SoFar {
        let dims = [self.batch, self.groups[0], q.dim(2)];
        let (top, sum) = match x.sinks {
            Some(sinks) => (self.sink_rows(sinks).broadcast_to(dims), full(dims, DType::F32, 1.0)),
            None => (full(dims, DType::F32, f32::MIN), full(dims, DType::F32, 0.0)),
        };
        (top, sum, full([&dims[..], &[x.v.dim(3)]].concat(), DType::F32, 0.0))
    }
    /// Sinks `[heads]` as f32 `[groups, rows]`.
    fn sink_rows(&self, sinks: Tensor) -> Tensor {
        let ([_, size], [groups, each]) = (self.rows, self.groups);
        let sinks = sinks.cast(DType::F32).reshape([groups, each, 1]);
        sinks.broadcast_to([groups, each, size]).reshape([groups, each * size])
    }
    /// What a block of keys and values adds.
    fn meet(&self, (top, sum, y): SoFar, (q, k, v): (Tensor, Tensor, Tensor), sees: Tensor) -> SoFar {
        let scores = where_(sees, self.scores(q, k), f32::MIN);
        let higher = top.maximum(scores.max(-1));
        let old = (top - higher).exp();
        let p = (scores - higher.expand_dims(-1)).exp();
        let p = where_(sees, p, p.like(0.0));
        let y = y * old.expand_dims(-1) + product("bgmn,bgnd->bgmd", p.cast(v.dtype()), v);
        (higher, sum * old + p.sum(-1), y)
    }

    /// Cotangents of the operands, given the results, the logarithms of sums, and the results' cotangent.
    fn backward(&self, x: Operands, (y, log_sums): (Tensor, Tensor), ct: Tensor) -> Operands {
        let (query, key) = self.positions(&x);
        let (query_segments, key_segments) = self.segments(&x).unzip();
        let (q, rows_ct) = (self.cut_rows(x.q), self.cut_rows(ct));
        // the derivative of a softmax takes from each the mean of all
        let mean = (rows_ct.cast(DType::F32) * self.cut_rows(y).cast(DType::F32)).sum(-1);
        let rows = (q, rows_ct, log_sums, mean, (query, query_segments));
        let block = |dq: Tensor, (k, v, key): (Tensor, Tensor, Places)| {
            let step = |dkv: (Tensor, Tensor), (rows, dq): (Rows, Tensor)| {
                let sees = sees(rows.4, key, x.window);
                let meet = |d| self.meet_back(d, rows, (k, v), sees);
                let (dq, dk, dv) = cond(any(sees), meet, |d| d, (dq, dkv.0, dkv.1));
                ((dk, dv), dq)
            };
            let zeros = |x: Tensor| full(x.dims(), DType::F32, 0.0);
            let ((dk, dv), dq) = scan(step, (zeros(k), zeros(v)), (rows, dq));
            (dq, (dk.cast(k.dtype()), dv.cast(v.dtype())))
        };
        let none = full(q.dims(), DType::F32, 0.0);
        let (dq, (dk, dv)) = scan(block, none, (self.cut_columns(x.k), self.cut_columns(x.v), (key, key_segments)));
        let sinks = x.sinks.map(|sinks| {
            let ([n, size], [groups, each]) = (self.rows, self.groups);
            let d = (self.sink_rows(sinks) - log_sums).exp() * -mean;
            let d = d.reshape([n, self.batch, groups, each, size]).sum([0, 1, 4]);
            d.reshape([groups * each]).cast(sinks.dtype())
        });
        let (q, k, v) = (self.join_rows(dq).cast(x.q.dtype()), self.join_columns(dk), self.join_columns(dv));
        Operands { q, k, v, sinks, ..x }
    }
    /// What a block of queries and one of keys add to the cotangents of both and of the values.
    fn meet_back(
        &self,
        (dq, dk, dv): (Tensor, Tensor, Tensor),
        (q, ct, log_sum, mean, _): Rows,
        (k, v): (Tensor, Tensor),
        sees: Tensor,
    ) -> (Tensor, Tensor, Tensor) {
        let scores = self.scores(q, k);
        let p = (scores - log_sum.expand_dims(-1)).exp();
        let p = where_(sees, p, p.like(0.0));
        let dv = dv + product("bgmn,bgmd->bgnd", p.cast(ct.dtype()), ct);
        let d = p * (product("bgmd,bgnd->bgmn", ct, v) - mean.expand_dims(-1));
        // (the tangent's derivative, by its result)
        let d = self.options.soft_cap.map_or(d, |cap| d * (1.0 - (scores / cap) * (scores / cap)));
        let d = (d * self.options.scale).cast(q.dtype());
        (dq + product("bgmn,bgnd->bgmd", d, k), dk + product("bgmn,bgmd->bgnd", d, q), dv)
    }
}

/// Of a block of queries: themselves, the results' cotangents, logarithms of sums, means of cotangents, positions.
type Rows = (Tensor, Tensor, Tensor, Tensor, Places);
/// Positions of some queries or keys, `[n]`, and their segments, `[b, n]`.
type Places = (Tensor, Option<Tensor>);

/// Which queries at these places see which keys: `[rows, columns]`, or `[b, 1, rows, columns]` with segments.
fn sees((query, own): Places, (key, others): Places, window: Option<Tensor>) -> Tensor {
    let (query, key) = (query.expand_dims(-1), key.expand_dims(0));
    let behind = key.le(query) & key.ge(0);
    let sees = window.map_or(behind, |window| behind & key.gt(query - window));
    let same = own.zip(others).map(|(own, others)| own.expand_dims(-1).eq(others.expand_dims(1)));
    same.map_or(sees, |same| same.expand_dims(1) & sees)
}
/// Is there a query that sees a key?
fn any(sees: Tensor) -> Tensor {
    reduce_or(sees, (0..sees.rank()).collect::<Vec<_>>())
}

/// A product, summed and returned in f32.
fn product(spec: &str, x: Tensor, y: Tensor) -> Tensor {
    let output = (x.dtype().bits() < 32).then_some(DType::F32);
    einsum_with(spec, &[x, y], Precision::Default, output).cast(DType::F32)
}

/// `x` with more of this value behind it along an axis, to be of this length.
fn longer(x: Tensor, axis: usize, length: usize, value: f64) -> Tensor {
    let mut edges = vec![(0, 0, 0); x.dims().len()];
    edges[axis].1 = (length - x.dims()[axis]) as i64;
    if edges[axis].1 == 0 { x } else { pad(x, full([], x.dtype(), value), edges) }
}
