//! Losses and their gradients against what optax computed.
use super::{FIXTURE, list, numbers, worst};
use raxla::{optim::losses::*, prelude::*, trace::trace_graph};

fn made(seed: usize) -> Host {
    numbers(seed, &Aval::new(DType::F32, [3, 4]), 1.0)
}
fn x() -> Host {
    made(1)
}
/// The same, transposed.
fn turned() -> Host {
    Host::floats(DType::F32, [4, 3], (0..12).map(|i| x().to_f64()[i % 3 * 4 + i / 3]).collect())
}
fn logits() -> Host {
    numbers(3, &Aval::new(DType::F32, [2, 6, 4]), 1.0)
}
fn probabilities() -> Host {
    trace_graph(&[], |_| vec![p()]).unwrap().eval(&[]).remove(0)
}
fn y() -> Tensor {
    literal(made(2))
}
fn p() -> Tensor {
    y().softmax(-1)
}
fn bools(rows: [i128; 12]) -> Tensor {
    literal(Host::ints(DType::Bool, [3, 4], rows.to_vec()))
}
fn mask() -> Tensor {
    bools([1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1])
}
fn some() -> Tensor {
    bools([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1])
}
fn visible() -> Tensor {
    where_(mask(), p(), 0.0)
}
fn binary() -> Tensor {
    y().gt(0.0).cast(DType::F32)
}
fn ints(dims: &[usize], values: &[i128]) -> Tensor {
    literal(Host::ints(DType::I32, dims, values.to_vec()))
}
fn labels() -> Tensor {
    ints(&[3], &[2, 0, 3])
}
fn over(mask: Tensor) -> Over {
    Over { mask: Some(mask), ..Default::default() }
}
const FIRST: Over = Over { axis: 0, mask: None };
fn ctc(x: Tensor, words: &[i128], blank_id: usize) -> Tensor {
    let paddings = literal(Host::floats(DType::F32, [2, 6], vec![0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 1.]));
    let word_paddings = literal(Host::floats(DType::F32, [2, 3], vec![0., 0., 0., 0., 0., 1.]));
    let options = CtcOptions { blank_id, ..Default::default() };
    ctc_loss_with(x, paddings, ints(&[2, 3], words), word_paddings, options)
}

/// A loss of logits or predictions.
type Loss = Box<dyn Fn(Tensor) -> Tensor>;

fn of_classes() -> Vec<(&'static str, Host, Loss)> {
    vec![
        ("softmax_cross_entropy", x(), Box::new(|x| softmax_cross_entropy(x, p()))),
        ("softmax_cross_entropy_axis", x(), Box::new(|x| softmax_cross_entropy_with(x, p(), FIRST))),
        ("softmax_cross_entropy_mask", x(), Box::new(|x| softmax_cross_entropy_with(x, p(), over(mask())))),
        ("integer_labels", x(), Box::new(|x| softmax_cross_entropy_with_integer_labels(x, labels()))),
        (
            "integer_labels_axis",
            turned(),
            Box::new(|x| softmax_cross_entropy_with_integer_labels_with(x, labels(), FIRST)),
        ),
        (
            "integer_labels_mask",
            x(),
            Box::new(|x| softmax_cross_entropy_with_integer_labels_with(x, labels(), over(some()))),
        ),
        ("safe_softmax_cross_entropy", x(), Box::new(|x| safe_softmax_cross_entropy(x, visible()))),
        ("sigmoid_binary_cross_entropy", x(), Box::new(|x| sigmoid_binary_cross_entropy(x, binary()))),
        ("sigmoid_binary_cross_entropy_soft", x(), Box::new(|x| sigmoid_binary_cross_entropy(x, p()))),
        ("sigmoid_focal_loss", x(), Box::new(|x| sigmoid_focal_loss(x, binary(), None, 2.0))),
        ("sigmoid_focal_loss_alpha", x(), Box::new(|x| sigmoid_focal_loss(x, p(), Some(0.3), 1.5))),
        ("smooth_labels", probabilities(), Box::new(|x| smooth_labels(x, 0.1))),
        ("hinge_loss", x(), Box::new(|x| hinge_loss(x, y().sign()))),
        ("poly_loss_cross_entropy", x(), Box::new(|x| poly_loss_cross_entropy(x, p(), 1.5))),
        ("poly_loss_cross_entropy_mask", x(), Box::new(|x| poly_loss_cross_entropy_with(x, p(), 2.0, over(mask())))),
        ("kl_divergence", x(), Box::new(|x| kl_divergence(x.log_softmax(-1), visible()))),
        ("kl_divergence_mask", x(), Box::new(|x| kl_divergence_with(x.log_softmax(-1), p(), over(mask())))),
        (
            "kl_divergence_with_log_targets",
            x(),
            Box::new(|x| kl_divergence_with_log_targets(x.log_softmax(-1), y().log_softmax(-1))),
        ),
    ]
}
fn of_numbers() -> Vec<(&'static str, Host, Loss)> {
    vec![
        ("squared_error", x(), Box::new(|x| squared_error(x, y()))),
        ("l2_loss", x(), Box::new(|x| l2_loss(x, y()))),
        ("huber_loss", x(), Box::new(|x| huber_loss(x, y(), 0.7))),
        ("log_cosh", x(), Box::new(|x| log_cosh(x, y()))),
        ("cosine_similarity", x(), Box::new(|x| cosine_similarity(x, y(), 0.0))),
        ("cosine_similarity_mask", x(), Box::new(|x| cosine_similarity_with(x, y(), 0.5, over(mask())))),
        ("cosine_distance", x(), Box::new(|x| cosine_distance(x, y(), 0.0))),
        ("ctc_loss", logits(), Box::new(|x| ctc(x, &[1, 2, 2, 3, 1, 0], 0))),
        ("ctc_loss_blank", logits(), Box::new(|x| ctc(x, &[1, 2, 2, 0, 1, 0], 3))),
    ]
}

#[test]
fn losses_equal_optax() {
    let all: Vec<_> = of_classes().into_iter().chain(of_numbers()).collect();
    assert_eq!(all.len(), FIXTURE["losses"].as_object().unwrap().len());
    let mut failures = vec![];
    for (name, x, f) in all {
        let graph = trace_graph(&[x.aval().clone()], |t| {
            let weighed = |x: Tensor| {
                let y = f(x);
                (y * (arange(y.size(), DType::F32) + 1.0).reshape(y.dims())).sum(..)
            };
            vec![f(t[0]), grad(weighed)(t[0])]
        });
        let have = graph.unwrap_or_else(|e| panic!("{name}: {e}")).eval(std::slice::from_ref(&x));
        for (have, what) in have.iter().zip(["value", "gradient"]) {
            let far = worst(&have.to_f64(), &list(&FIXTURE["losses"][name][what]));
            if far.is_nan() || far > 2e-6 {
                failures.push(format!("{name}, {what}: {far:.1e}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
