//! Where numbers stop being finite.
use super::Result;
use crate::{
    models::Decoder,
    training::{Rows, Train},
};
use raxla::{Array, Param, Tensor, Tree, concat, jit, runtime::Client, stack};

/// What is the first to hold, or to give, a number that is not finite: a parameter; a layer's output; or the gradient of a
/// parameter. Over a mesh, layers are not looked at.
///
/// # Errors
/// What tracing, compiling or running reports.
pub fn site(train: &Train, client: &Client, model: &Decoder<Array>, rows: &Rows<Array>) -> Result<String> {
    let paths = train.model().paths();
    let own = train.clone();
    let flags = move |model: Decoder, rows: Rows| {
        let bad = |leaves: Vec<Tensor>| stack(&leaves.into_iter().map(is_bad).collect::<Vec<_>>(), 0);
        let parameters = bad(model.leaves());
        let layers =
            own.states(&model, rows.clone()).map(|states| concat(&states.iter().map(bad_rows).collect::<Vec<_>>(), 0));
        let (loss, gradients) = own.rows_gradients(model, rows);
        (parameters, layers, is_bad(loss), bad(gradients.leaves()))
    };
    let program = jit(flags).named("where numbers are not finite");
    let (parameters, layers, loss, gradients) = train.placed(program, client).call((model, rows))?;
    let first = |a: &Array| -> Result<Option<usize>> { Ok(a.to_vec::<bool>()?.iter().position(|bad| *bad)) };
    if let Some(i) = first(&parameters)? {
        return Ok(format!("the parameter `{}` is not finite", paths[i]));
    }
    if let Some(layers) = layers {
        let bad = layers.to_vec::<bool>()?;
        let numbered = numbers(train.model()).into_iter().zip(&bad).filter(|(_, bad)| **bad).map(|(number, _)| number);
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
        Some(i) => format!("the gradient of the parameter `{}` is not finite, and the loss is", paths[i]),
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

/// Is a number not finite? A scalar bool.
fn is_bad(x: Tensor) -> Tensor {
    (!x.is_finite()).any(..)
}
/// Of a state of one layer, or of several that are a stack (`[n, b, t, d]`): bools `[n]`.
fn bad_rows(x: &Tensor) -> Tensor {
    let rank = x.rank();
    let n = if rank > 3 { x.dim(0) } else { 1 };
    (!x.reshape([n, x.size() / n]).is_finite()).any(1)
}
