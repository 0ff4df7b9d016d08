//! What programs over several devices are made of.
use super::{Case, Pair, Three, case, cycle, matmul, smap};
use raxla::{
    P, all_gather, all_to_all, axis_index, fori_loop, nn::gelu_tanh, pmax, pmean, ppermute, prelude::*, psum,
    psum_scatter, pvary, remat, scan, shard_map, value_and_grad,
};

fn onward(x: Tensor, n: usize) -> Tensor {
    ppermute(x, "x", cycle(n, 1))
}
/// `x w` for a vector w.
fn times(x: Tensor, w: Tensor) -> Tensor {
    einsum("bi,i->b", x, w)
}
/// Zeros that devices along "x" will fill differently.
fn blank(dims: &[usize]) -> Tensor {
    pvary(zeros(dims, DType::F64), "x")
}
/// The numbers of a divided vocabulary of four rows per device along "y", and which of them are this device's.
fn here(ids: Tensor) -> Pair {
    let here = ids - axis_index("y") * 4;
    (here.clip(0, 3), here.ge(0) & here.lt(4))
}

pub const CASES: &[Case] = &[
    case!(ring_all_reduce, |m, x| {
        let step = |_: Tensor, (c, sum): Pair| (onward(c, 8), sum + onward(c, 8));
        smap(m, P!["x"], P!["x"], x, |x: Tensor| fori_loop(0, 7, step, (x, x)).1)
    }),
    case!(ring_reduce_scatter, |m, x| {
        let f = |x: Tensor| {
            let (parts, me) = (x.reshape([4, 2]), axis_index("x"));
            let part = |i: Tensor| parts.dynamic_index(0, i % 4);
            fori_loop(0, 3, |i: Tensor, c: Tensor| onward(c, 4) + part(me - i + 6), part(me + 3))
        };
        smap(m, P!["x"], P!["x"], x, f)
    }),
    case!(collective_matmul, |m, x, w| {
        let f = |(x, w): Pair| {
            let me = axis_index("x");
            let step = |i: Tensor, (x, out): Pair| {
                let out = out.dynamic_update_axis(0, (me - i + 4) % 4, matmul(x.sin(), w));
                (onward(x, 4), out)
            };
            fori_loop(0, 4, step, (x, blank(&[4, 1]))).1
        };
        smap(m, (P!["x"], P![_, "x"]), P![_, "x"], (x, w), f)
    }),
    case!(megatron_mlp, |m, x, up, down| {
        let f = |(x, up, down): Three| psum(matmul(gelu_tanh(matmul(x, up)), down), "y");
        smap(m, (P!["x"], P![_, "y"], P!["y"]), P!["x"], (x, up, down), f)
    }),
    case!(sequence_parallel_mlp, |m, x, up, down| {
        let f = |(x, up, down): Three| {
            let h = gelu_tanh(matmul(all_gather(x, "y", 0, true), up));
            x + psum_scatter(matmul(h, down), "y", 0, true)
        };
        smap(m, (P!["y"], P![_, "y"], P!["y"]), P!["y"], (x, up, down), f)
    }),
    case!(fsdp_layer, |m, x, w, b| {
        let f = |(x, w, b): Three| {
            let (w, b) = all_gather((w, b), "x", 0, true);
            (matmul(x, w) + b).tanh()
        };
        smap(m, P!["x"], P!["x"], (x, w, b), f)
    }),
    case!(fsdp_layers_scanned_and_rematerialized, |m, x, w| {
        let layer = remat(|(x, w): Pair| x + matmul(x, all_gather(w, "x", 0, true)).tanh());
        let f = |(x, w): Pair| scan(|x: Tensor, w: Tensor| (layer((x, w)), ()), x, w).0;
        smap(m, (P!["x"], P![_, "x"]), P!["x"], (x, w), f)
    }),
    case!(data_parallel_step, |m, x, y, w| {
        let step = |(x, y, w): Three| {
            let loss = |w: Tensor| pmean((times(x, w).tanh() - y).powi(2).mean(..), ["x", "y"]);
            let (loss, g) = value_and_grad(loss)(w);
            (w - g * 0.1, loss)
        };
        let d = || P![("x", "y")];
        smap(m, (d(), d(), P![]), (P![], P![]), (x, y, w), step)
    }),
    case!(fsdp_step, |m, x, y, w| {
        let step = |(x, y, w): Three| {
            let loss = |w: Tensor| {
                let whole = all_gather(w, "x", 0, true).slice_axis(0, 0..3);
                psum((times(x, whole).tanh() - y).powi(2).sum(..), "x")
            };
            let (loss, g) = value_and_grad(loss)(w);
            (w - g * 0.1, loss)
        };
        smap(m, P!["x"], (P!["x"], P![]), (x, y, w), step)
    }),
    case!(ring_attention, |m, q, k, v| {
        type State = (Pair, Three);
        let f = |(q, k, v): Three| {
            let step = |_: Tensor, ((k, v), (top, below, largest)): State| {
                let s = einsum("qd,kd->qk", q, k);
                let new = largest.maximum(s.max(1).stop_gradient());
                let (p, old) = ((s - new.expand_dims(1)).exp(), (largest - new).exp());
                let (top, below) = (top * old.expand_dims(1) + matmul(p, v), below * old + p.sum(1));
                ((onward(k, 4), onward(v, 4)), (top, below, new))
            };
            let start = (blank(&[2, 3]), blank(&[2]), blank(&[2]) - 1e9);
            let (_, (top, below, _)) = fori_loop(0, 4, step, ((k, v), start));
            top / below.expand_dims(1)
        };
        smap(m, P!["x"], P!["x"], (q, k, v), f)
    }),
    case!(heads_by_all_to_all, |m, q, k, v| {
        let f = |t: Three| {
            let to_heads = |t: Tensor| all_to_all(t.reshape([1, 4, 2]), "x", 1, 0, true).squeeze(1);
            let (q, k, v) = (to_heads(t.0), to_heads(t.1), to_heads(t.2));
            let o = matmul(einsum("qd,kd->qk", q, k).softmax(-1), v);
            all_to_all(o.expand_dims(1), "x", 0, 1, true).reshape([1, 8])
        };
        smap(m, P!["x"], P!["x"], (q, k.swap_axes(0, 1), v), f)
    }),
    case!(vocabulary_parallel_cross_entropy, |m, logits, labels| {
        let f = |(logits, labels): Pair| {
            let largest = pmax(logits.stop_gradient().max(1), "y");
            let total = psum((logits - largest.expand_dims(1)).exp().sum(1), "y");
            let (row, own) = here(labels);
            let chosen = logits.take_along_axis(row.expand_dims(1), 1).squeeze(1);
            let chosen = psum(where_(own, chosen, 0.0), "y");
            pmean((total.log() + largest - chosen).mean(..), "x")
        };
        smap(m, (P!["x", "y"], P!["x"]), P![], (logits, labels), f)
    }),
    case!(vocabulary_parallel_embedding, |m, table, ids| {
        let f = |(table, ids): Pair| {
            let (row, own) = here(ids);
            psum(where_(own.expand_dims(1), table.take(row, 0), 0.0), "y")
        };
        smap(m, (P!["y"], P!["x"]), P!["x"], (table, ids), f)
    }),
    case!(synchronized_batch_norm, |m, x, gain, bias| {
        let f = |(x, gain, bias): Three| {
            let mean = pmean(x.mean(0), ["x", "y"]);
            let var = pmean((x - mean).powi(2).mean(0), ["x", "y"]);
            (x - mean) * (var + 1e-5).rsqrt() * gain + bias
        };
        smap(m, (P![("x", "y")], P![], P![]), P![("x", "y")], (x, gain, bias), f)
    }),
    case!(norm_over_a_divided_axis, |m, x, gain| {
        let f = |(x, gain): Pair| x * (psum(x.powi(2).sum_keep(1), "x") / 4.0 + 1e-6).rsqrt() * gain;
        smap(m, (P![_, "x"], P!["x"]), P![_, "x"], (x, gain), f)
    }),
    case!(pipeline, |m, w, x| {
        let f = |(w, x): Pair| {
            let me = axis_index("x");
            let step = |(held, out): Pair, t: Tensor| {
                let fresh = x.dynamic_index(0, t.minimum(2));
                let y = (where_(me.eq(0), fresh, held) * w.squeeze(0)).tanh();
                let done = where_(me.eq(3) & t.ge(3), y, 0.0);
                let out = out.dynamic_update_axis(0, (t - 3).maximum(0), done.expand_dims(0));
                ((onward(y, 4), out), ())
            };
            let ((_, out), ()) = scan(step, (blank(&[2]), blank(&[3, 2])), arange(6, DType::I32));
            psum(out, "x")
        };
        smap(m, (P!["x"], P![]), P![], (w, x), f)
    }),
    case!(experts_by_all_to_all, |m, x, w| {
        let exchange = |x: Tensor| all_to_all(x, "x", 0, 0, true);
        let f = |(x, w): Pair| exchange(matmul(exchange(x), w.squeeze(0)).tanh()) * x;
        smap(m, P!["x"], P!["x"], (x, w), f)
    }),
    case!(halo_exchange, |m, x| {
        let f = |x: Tensor| {
            let left = ppermute(x.slice_axis(1, 2..3), "y", [(0, 1)]);
            let right = ppermute(x.slice_axis(1, 0..1), "y", [(1, 0)]);
            let wide = concat(&[left, x, right], 1);
            wide.slice_axis(1, 0..3) - wide.slice_axis(1, 1..4) * 2.0 + wide.slice_axis(1, 2..5)
        };
        smap(m, P!["x", "y"], P!["x", "y"], x, |x: Tensor| f(f(x)))
    }),
    case!(gradient_of_a_sharded_loss, |m, x, w| {
        let f = |(x, w): Pair| psum(matmul(x, w), "y");
        let f = shard_map(m, (P!["x", "y"], P!["y"]), P!["x"], f);
        value_and_grad(|w: Tensor| f((x, w)).tanh().powi(2).mean(..))(w)
    }),
];
