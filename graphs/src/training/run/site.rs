//! Where numbers stop being finite.
use super::Result;
use crate::models::Decoder;
use raxla::{Array, Param, Tensor, Tree, concat, full, stack};

/// Whether numbers are not finite: of each parameter, of each layer's input, of the loss, and of each gradient.
pub(super) type Flags<T = Tensor> = (T, Option<T>, T, T);

/// In a traced function: looks at the leaves of a model, at the stream before its layers, at the loss and its gradients.
pub(super) fn flags(
    parameters: Vec<Tensor>,
    states: Option<Vec<Tensor>>,
    loss: Tensor,
    gradients: Vec<Tensor>,
) -> Flags {
    let bad = |leaves: Vec<Tensor>| stack(&leaves.into_iter().map(is_bad).collect::<Vec<_>>(), 0);
    let layers = states.map(|states| concat(&states.iter().map(bad_rows).collect::<Vec<_>>(), 0));
    (bad(parameters), layers, is_bad(loss), bad(gradients))
}

/// What is the first to hold, or to give, a number that is not finite: a parameter; a layer's output; or the gradient of a
/// parameter that is trained. Over a mesh, layers are not looked at.
pub(super) fn named(flags: Flags<Array>, model: &Decoder<Param>, trained: &[String]) -> Result<String> {
    let (parameters, layers, loss, gradients) = flags;
    let first = |a: &Array| -> Result<Option<usize>> { Ok(a.to_vec::<bool>()?.iter().position(|bad| *bad)) };
    if let Some(i) = first(&parameters)? {
        return Ok(format!("the parameter `{}` is not finite", model.paths()[i]));
    }
    if let Some(layers) = layers {
        let bad = layers.to_vec::<bool>()?;
        let numbered = numbers(model).into_iter().zip(&bad).filter(|(_, bad)| **bad).map(|(number, _)| number);
        match numbered.min() {
            Some(0) => return Ok("the embeddings of the batch are not finite".into()),
            Some(n) => return Ok(format!("what layer {} gives is not finite", n - 1)),
            None => {}
        }
    }
    if loss.item::<bool>()? {
        return Ok("the loss is not finite: what the last layer, the last norm or the head gives is not".into());
    }
    Ok(match first(&gradients)? {
        Some(i) => format!("the gradient of the parameter `{}` is not finite, and the loss is", trained[i]),
        None => "the loss or a gradient was not finite, and is when it is computed again".into(),
    })
}

/// The numbers of layers, in the order of the leaves that they have one of each.
fn numbers(model: &Decoder<Param>) -> Vec<usize> {
    let (mut all, mut first) = (vec![], 0);
    for run in model.layers.runs() {
        let (size, times) = (run.layers.len(), run.times.unwrap_or(1));
        all.extend((0..size).flat_map(|i| (0..times).map(move |k| first + k * size + i)));
        first += size * times;
    }
    all
}

/// Is a number not finite? A scalar bool. Packed matrices hold bytes, which all are.
fn is_bad(x: Tensor) -> Tensor {
    if x.dtype().is_float() { (!x.is_finite()).any(..) } else { full([], raxla::DType::F32, 0).gt(0.0) }
}
/// Of a state of one layer, or of several that are a stack (`[n, b, t, d]`): bools `[n]`.
fn bad_rows(x: &Tensor) -> Tensor {
    let rank = x.rank();
    let n = if rank > 3 { x.dim(0) } else { 1 };
    (!x.reshape([n, x.size() / n]).is_finite()).any(1)
}
