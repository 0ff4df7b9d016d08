//! One expression, run now.
use super::{ArgTuple, HeldTuple, Traced, here, jit};
use crate::{
    array::Array,
    aval::Aval,
    cache,
    error::Result,
    trace::Tensor,
    tree::{Hole, Tree},
};

/// Run a function now: `jit(f).call(args)`, for expressions at a prompt, in a test, between two jitted functions.
///
/// The function is traced each time; the latest compiled programs are kept in the process and found by their text, so that a
/// line that runs again, in a loop or for another value of something captured by a program of the same text, does not compile
/// again. A step that runs often belongs into a [`jit`](jit()) of its own, which does not trace again.
///
/// ```
/// use raxla::prelude::*;
/// let x = eager(|| arange(4, DType::F32), ())?;
/// let y = eager(|x: Tensor, scale: Tensor| (x * scale).sum(..), (&x, 0.5f32))?;
/// assert_eq!((x.to_string(), y.to_string()), ("[0. 1. 2. 3.]".into(), "3.0".into()));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`Jit::call`](crate::Jit::call).
#[track_caller]
pub fn eager<Args: Tree<Tensor>, F: Traced<Args>>(
    f: F,
    args: impl ArgTuple<Args::With<Array>>,
) -> Result<<F::Out as Tree<Tensor>>::With<Array>>
where
    F::Out: Tree<Tensor>,
    Args::With<Array>: Tree<Array, With<Tensor> = Args, With<Aval> = Args::With<Aval>>,
    Args::With<Aval>: Tree<Aval, With<Tensor> = Args>,
    <F::Out as Tree<Tensor>>::With<Hole>: Tree<Hole, With<Array> = <F::Out as Tree<Tensor>>::With<Array>>,
{
    let f = jit(f).named("eager");
    let args = f.held(args)?;
    let avals = args.avals();
    let signature = f.resolve(&avals, &here(&args), args.moved())?;
    let client = f.client(signature.mesh.as_ref())?;
    f.lower_for(&avals, &signature)?.compile_by(&client, cache::latest)?.start(&args)
}
