//! What programs are made of: training steps, attention, recurrence, regression.
use super::{Case, float};
use raxla::{
    TensorTree, einsum_n, fori_loop, grad, hessian, jacfwd, jvp, nn, prelude::*, remat, scan, scan_with,
    value_and_grad, value_and_grad_aux, vmap,
};

type Pair = (Tensor, Tensor);
type Three = (Tensor, Tensor, Tensor);

fn matmul(x: Tensor, w: Tensor) -> Tensor {
    einsum("bi,io->bo", x, w)
}
fn times(x: Tensor, w: Tensor) -> Tensor {
    einsum("bi,i->b", x, w)
}
fn squares(x: Tensor) -> Tensor {
    x.powi(2).sum(..)
}
#[derive(Tree, Clone)]
struct Mlp<T = Tensor> {
    first: (T, T),
    second: (T, T),
}
impl Mlp {
    fn call(&self, x: Tensor) -> Tensor {
        let h = nn::gelu_tanh(matmul(x, self.first.0) + self.first.1);
        matmul(h, self.second.0) + self.second.1
    }
}
/// A tree made of two, leaf by leaf.
fn zip<X: TensorTree>(x: &X, y: &X, f: impl Fn(Tensor, Tensor) -> Tensor) -> X {
    x.refill(x.leaves().into_iter().zip(y.leaves()).map(|(x, y)| f(x, y)))
}

/// One step at time `t`, a scalar from 1 on.
fn adamw(p: Mlp, g: Mlp, m: Mlp, v: Mlp, t: Tensor) -> (Mlp, Mlp, Mlp) {
    let (rate, b1, b2, eps, decay) = (1e-2, 0.9, 0.95, 1e-8, 0.1);
    let m = zip(&m, &g, |m, g| m * b1 + g * (1.0 - b1));
    let v = zip(&v, &g, |v, g| v * b2 + g * g * (1.0 - b2));
    let power = |b: f64| 1.0 - t.like(b).pow(t);
    let step = zip(&m, &v, |m, v| (m / power(b1)) / ((v / power(b2)).sqrt() + eps));
    (zip(&p, &step, |p, s| p - (s + p * decay) * rate), m, v)
}

fn attend((q, k, v): Three) -> Tensor {
    nn::attention(q, k, v, causal(q.dim(1)), (q.dim(-1) as f64).powf(-0.5))
}
/// As [`nn::attention`], in the operands' own dtype.
fn attend_f64((q, k, v): Three) -> Tensor {
    let scores = einsum("bthd,bshd->bhts", q, k) / (q.dim(-1) as f64).sqrt();
    let p = where_(causal(q.dim(1)), scores, f32::MIN as f64).softmax(-1);
    einsum("bhts,bshd->bthd", p, v)
}
fn layer_norm((x, gain, bias): Three) -> Tensor {
    let c = x - x.mean_keep(-1);
    c * ((c * c).mean_keep(-1) + 1e-5).rsqrt() * gain + bias
}
fn rms_norm((x, gain, _): Three) -> Tensor {
    gain * x * ((x * x).mean_keep(-1) + 1e-6).rsqrt()
}

pub const CASES: &[Case] = &[
    case!(mlp_with_adamw, |x, y, w1, b1, w2, b2| {
        let p = Mlp { first: (w1, b1), second: (w2, b2) };
        let loss = |p: Mlp| (p.call(x) - y).powi(2).mean(..);
        let step = |(p, m, v): (Mlp, Mlp, Mlp), t: Tensor| {
            let (l, g) = value_and_grad(loss)(p.clone());
            (adamw(p, g, m, v, t + 1.0), l)
        };
        let zeros = p.map(|t| t.like(0.0));
        let ((p, m, v), losses) = scan(step, (p, zeros.clone(), zeros), arange(10, DType::F64));
        (losses, p, m, v)
    }),
    case!(classifier_step, |x, labels, w| {
        let loss = |w: Tensor| {
            let logp = matmul(x, w).log_softmax(-1);
            let right = logp.argmax(-1).eq(labels).cast(DType::F32).mean(..);
            (-logp.take_along_axis(labels.expand_dims(-1), -1).mean(..), right)
        };
        let ((l, accuracy), g) = value_and_grad_aux(loss)(w);
        let norm = squares(g).sqrt();
        (l, accuracy, g, w - g * 0.1 * (0.05 / norm).minimum(1.0))
    }),
    case!(attention_gradient, |q, k, v| value_and_grad(|t: Three| attend(t).sin().sum(..))((q, k, v))),
    case!(attention_second_derivative, |q, k, v| {
        let f = |q: Tensor| squares(attend_f64((q, k, v)));
        let row = |v: Tensor| attend_f64((q, k, v)).reshape([4, 3]);
        (jvp(grad(f), q, k).1, jacfwd(row)(v))
    }),
    case!(norm_gradients, |x, gain, bias| {
        [layer_norm, rms_norm].map(|f| grad(|t: Three| f(t).sin().sum(..))((x, gain, bias)))
    }),
    case!(norm_gradients_f32, |x, gain, bias| {
        let (layer, rms) = (nn::LayerNorm { gain, bias, eps: 1e-5 }, nn::RmsNorm::new(gain, 1e-6));
        (grad(|x: Tensor| layer.call(x).sin().sum(..))(x), grad(|x: Tensor| rms.call(x).sin().sum(..))(x))
    }),
    case!(recurrent_network, |xs, wx, wh, b| {
        let loss = |(wx, wh, b): Three| {
            let cell = |h: Tensor, x: Tensor| {
                let h = (matmul(x, wx) + matmul(h, wh * 0.5) + b).tanh();
                (h, h.powi(2).mean(..))
            };
            let (h, means) = scan(cell, zeros([2, 4], DType::F64), xs);
            h.sum(..) + means.sum(..)
        };
        value_and_grad(loss)((wx, wh, b))
    }),
    case!(lstm, |xs, w, b| {
        let loss = |(w, b): Pair| {
            let cell = |(h, c): Pair, x: Tensor| {
                let [i, f, g, o] = (matmul(concat(&[x, h], -1), w) + b).split(-1, [4; 4]);
                let c = (f + 1.0).logistic() * c + i.logistic() * g.tanh();
                let h = o.logistic() * c.tanh();
                ((h, c), h)
            };
            let start = || zeros([2, 4], DType::F64);
            squares(scan(cell, (start(), start()), xs).1)
        };
        value_and_grad(loss)((w, b))
    }),
    case!(logistic_regression, |x, y, w| {
        let y = y.cast(DType::F64);
        let nll = |w: Tensor| (nn::softplus(times(x, w)) - y * times(x, w)).mean(..) + squares(w) * 0.01;
        (nll(w), grad(nll)(w), hessian(nll)(w))
    }),
    case!(logistic_regression_by_gradient_descent, |x, y| {
        let y = y.cast(DType::F64);
        let start = || zeros([3], DType::F64);
        let nll = |w: Tensor| (nn::softplus(times(x, w)) - y * times(x, w)).mean(..);
        let descend = |n: usize, rate: Tensor| fori_loop(0, n, |_, w: Tensor| w - rate * grad(nll)(w), start());
        (descend(20, float(0.5)), grad(|rate: Tensor| nll(descend(5, rate)))(float(0.5)))
    }),
    case!(meta_gradient, |x, y, w| {
        let loss = |w: Tensor| (times(x, w).tanh() - y).powi(2).mean(..);
        let after = |(w, rate): Pair| loss(w - rate * grad(loss)(w));
        (grad(after)((w, float(0.1))), hessian(|w: Tensor| after((w, float(0.1))))(w))
    }),
    case!(physics_informed, |x, w1, w2| {
        let u = |(w1, w2): Pair, x: Tensor| einsum_n("h,ho->", &[einsum("i,ih->h", x, w1).tanh(), w2]);
        let laplace = |p: Pair, x: Tensor| einsum_n("ii->", &[hessian(|x: Tensor| u(p, x))(x)]);
        let residual = |p: Pair, x: Tensor| (laplace(p, x) - u(p, x).sin()).powi(2);
        value_and_grad(|p: Pair| vmap(|x: Tensor| residual(p, x))(x).mean(..))((w1, w2))
    }),
    case!(scanned_layers, |x, up, down, gains| {
        let loss = |(up, down, gains): Three| {
            let layer = |(h, gain): Pair| {
                let inner = nn::silu(einsum("btd,df->btf", h * gain, up));
                h + einsum("btf,fd->btd", inner, down) * 0.1
            };
            let (h, ()) = scan(|h: Tensor, gain: Tensor| (remat(layer)((h, gain)), ()), x, gains);
            h.powi(2).mean(..)
        };
        value_and_grad(loss)((up, down, gains))
    }),
    case!(gaussian_log_likelihood, |x, scale| {
        let logp = |(m, s): Pair| {
            let log_density = ((x - m) / s).powi(2) * -0.5 - s.log() - 0.5 * (2.0 * std::f64::consts::PI).ln();
            log_density.sum(..)
        };
        let negative = |t: Tensor| -logp((t.slice_axis(0, ..3), t.slice_axis(0, 3..)));
        let mean = x.mean(0) + 0.5;
        (value_and_grad(logp)((mean, scale)), hessian(negative)(concat(&[mean, scale], 0)))
    }),
    case!(leapfrog, |q| {
        let potential = |q: Tensor| (q.powi(4) / 4.0 - q.cos()).sum(..);
        let force = grad(potential);
        let step = |(q, p): Pair, ()| {
            let p = p - force(q) * 0.05;
            let q = q + p * 0.1;
            let p = p - force(q) * 0.05;
            ((q, p), potential(q) + squares(p) / 2.0)
        };
        let options = raxla::ScanOptions { length: Some(20), ..Default::default() };
        let run = |q: Tensor| scan_with(options, step, (q, q.like(1.0)), ());
        (run(q), grad(|q: Tensor| run(q).1.slice_axis(0, 19..).squeeze(0))(q))
    }),
];
