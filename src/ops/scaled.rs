//! Products of block-scaled matrices.
use crate::{
    aval::DType,
    prim::{DotGeneral, dot_general},
    trace::{At, Tensor, fail},
};

/// `(x · x_scale) · (y · y_scale)`, contracted as `dot` says, where each number of a scale stands for a block of elements along every
/// contracted axis: the axis of the operand is a multiple of that of the scale. All else of their shapes is equal; without a scale an
/// operand is what it is. Both sides are rounded to bf16; the result is bf16, or `dot.output`: f32. On every platform it is this
/// composition, which compilers may fuse. Scales may be of any float dtype. JAX: `jax.lax.scaled_dot`.
///
/// ```
/// use raxla::{prelude::*, prim::DotGeneral, scaled_dot};
/// let f = jit(|x: Tensor, scale: Tensor, y: Tensor| {
///     let dot = DotGeneral { contract: (vec![1], vec![0]), output: Some(DType::F32), ..Default::default() };
///     scaled_dot(x.cast(DType::F8E4M3FN), y.cast(DType::F8E4M3FN), Some(scale), None, dot)
/// });
/// let x = Array::from_slice([1, 4], &[1f32, 2., 3., 4.])?;
/// let scale = Array::from_slice([1, 2], &[0.5f32, 8.])?; // of two blocks of two
/// let y = f.call((x, scale, Array::from_slice([4, 1], &[1f32; 4])?))?;
/// assert_eq!(y.to_vec::<f32>()?, [57.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Scales of other shapes than their operands', or whose sizes do not divide theirs; what a product refuses.
#[track_caller]
pub fn scaled_dot(x: Tensor, y: Tensor, x_scale: Option<Tensor>, y_scale: Option<Tensor>, dot: DotGeneral) -> Tensor {
    let _at = At::op("scaled_dot");
    let x = scaled(x, x_scale, &dot.contract.0, DType::BF16);
    let y = scaled(y, y_scale, &dot.contract.1, DType::BF16);
    dot_general(x, y, dot)
}
/// `x` times its scale, in this dtype.
#[track_caller]
fn scaled(x: Tensor, scale: Option<Tensor>, contracted: &[usize], dtype: DType) -> Tensor {
    let Some(mut scale) = scale else { return x.cast(dtype) };
    let (dims, own) = (x.dims(), scale.dims());
    let fits = |i: usize| match contracted.contains(&i) {
        true => own[i] > 0 && dims[i].is_multiple_of(own[i]),
        false => own[i] == dims[i],
    };
    if dims.len() != own.len() || !(0..dims.len()).all(fits) {
        let help = "it has the operand's shape, but for contracted axes, on which it has one number per block";
        fail("scaled_dot", vec![x.aval(), scale.aval()], "the scale does not fit its operand", Some(help.into()))
    }
    for i in contracted.iter().copied().filter(|i| own[*i] != dims[*i]) {
        scale = scale.repeat(dims[i] / own[i], i as isize);
    }
    x.cast(dtype) * scale.cast(dtype)
}

/// The products `[b, m, n]` of the rows of block-scaled matrices `x` `[b, m, k]` and `y` `[b, n, k]`, each with scales `[b, m, _]` and
/// `[b, n, _]` for blocks along the last axis, in f32. JAX: `jax.nn.scaled_matmul`.
///
/// ```
/// use raxla::{nn, prelude::*};
/// let of = |dims: [usize; 3], x: &[f32]| Array::from_slice(dims, x);
/// let (x, y, half) = (of([1, 1, 3], &[1., 2., 3.])?, of([1, 1, 3], &[4., 5., 6.])?, of([1, 1, 1], &[0.5])?);
/// let y = eager(nn::scaled_matmul, (&x, &y, &half, &half))?;
/// assert_eq!(y.to_vec::<f32>()?, [8.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Operands that are not of three axes; as [`scaled_dot`].
#[track_caller]
pub fn scaled_matmul(x: Tensor, y: Tensor, x_scale: Tensor, y_scale: Tensor) -> Tensor {
    let _at = At::op("scaled_matmul");
    if x.rank() != 3 || y.rank() != 3 {
        let help = "they are `[batch, rows, columns]`; `.expand_dims(0)` adds the first axis";
        fail("scaled_matmul", vec![x.aval(), y.aval()], "an operand does not have three axes", Some(help.into()))
    }
    let dot = DotGeneral { batch: (vec![0], vec![0]), contract: (vec![2], vec![2]), ..DotGeneral::default() };
    let [x, y] = [(x, x_scale), (y, y_scale)].map(|(x, scale)| scaled(x, Some(scale), &[2], DType::F32));
    dot_general(x, y, dot)
}
