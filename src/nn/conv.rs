//! Convolutions with their kernels.
use crate::{
    Padding, Window,
    param::{Init, Param},
    prim::conv,
    trace::{At, Tensor, fail},
    tree::Tree,
};

/// The spec of a convolution over so many axes, with the features last: "nhwc,hwio->nhwc" for 2.
fn spec(spatial: usize) -> String {
    let letters: String = ('p'..).take(spatial).collect();
    format!("n{letters}c,{letters}io->n{letters}c")
}
/// The parameters of a kernel over an axis for each of `sizes`, from `inputs` to `outputs` features.
fn kernel(sizes: &[usize], inputs: usize, outputs: usize, bias: bool) -> (Param, Option<Param>) {
    let mut kernel = Param::new([outputs], ["out"]).with_init(Init::lecun_normal());
    kernel.aval = kernel.aval.with_dims([sizes, &[inputs, outputs]].concat());
    kernel.axes = [&vec!["kernel"; sizes.len()][..], &["in", "out"]].concat();
    (kernel, bias.then(|| Param::new([outputs], ["out"])))
}
/// `x` with one batch axis: what leading axes it has besides are merged with it, and come back after `f`.
#[track_caller]
fn in_batches(op: &str, x: Tensor, spatial: usize, f: impl FnOnce(Tensor) -> Tensor) -> Tensor {
    let rank = x.rank();
    if rank < spatial + 1 {
        let help = "inputs are `[.., spatial axes.., features]`, with any axes in front";
        fail(op, vec![x.aval()], format!("{spatial} spatial axes and one of features are expected"), Some(help.into()))
    }
    let dims = x.dims();
    let (lead, own) = dims.split_at(rank - spatial - 1);
    let y = f(x.reshape([&[lead.iter().product()], own].concat()));
    let made = y.dims();
    y.reshape([lead, &made[1..]].concat())
}

/// A convolution over any number of axes: strided, dilated, in groups. Flax: `nnx.Conv`.
///
/// ```
/// use raxla::{Padding, Window, nn::Conv, prelude::*};
/// let window = Window { strides: vec![2, 2], padding: Padding::Same, ..Default::default() };
/// let spec = Conv::spec([3, 3], [3, 16], window, true);
/// let layer = spec.init(Key::host(0))?;
/// let image = Array::from_slice([1, 8, 8, 3], &[0.5f32; 192])?;
/// assert_eq!(jit(|layer: Conv, x: Tensor| layer.call(x)).call((&layer, &image))?.dims(), [1, 4, 4, 16]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Conv<T = Tensor> {
    /// `[spatial.., in / groups, out]`.
    pub kernel: T,
    /// `[out]`.
    pub bias: Option<T>,
    /// How the kernel moves.
    #[tree(skip)]
    pub window: Window,
}
impl Conv<Param> {
    /// A kernel of these sizes, from so many features to so many (`[in, out]`); its elements are LeCun's normal ones.
    pub fn spec<const N: usize>(sizes: [usize; N], features: [usize; 2], window: Window, bias: bool) -> Conv<Param> {
        let (kernel, bias) = kernel(&sizes, features[0] / window.feature_groups.max(1), features[1], bias);
        Conv { kernel, bias, window }
    }
}
impl Conv {
    /// From `[.., spatial.., in]` to `[.., spatial.., out]`.
    ///
    /// # Errors
    /// Other features; what [`conv`](crate::conv) refuses.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("Conv::call");
        let spatial = self.kernel.rank().saturating_sub(2);
        let y = in_batches("Conv::call", x, spatial, |x| conv(&spec(spatial), x, self.kernel, self.window.clone()));
        self.bias.map_or(y, |b| y + b)
    }
}

/// A transposed convolution, which makes axes longer by its strides: zeros stand between the elements of its input. Flax:
/// `nnx.ConvTranspose`, JAX: `lax.conv_transpose`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct ConvTranspose<T = Tensor> {
    /// `[spatial.., in, out]`.
    pub kernel: T,
    /// `[out]`.
    pub bias: Option<T>,
    /// How much longer each axis becomes.
    #[tree(skip)]
    pub strides: Vec<usize>,
    /// `Same` makes an axis exactly that much longer; `Valid` gives all sums in which the kernel meets the input.
    #[tree(skip)]
    pub padding: Padding,
}
impl ConvTranspose<Param> {
    /// A kernel of these sizes, from so many features to so many (`[in, out]`).
    pub fn spec<const N: usize>(
        sizes: [usize; N],
        features: [usize; 2],
        strides: [usize; N],
        padding: Padding,
        bias: bool,
    ) -> ConvTranspose<Param> {
        let (kernel, bias) = kernel(&sizes, features[0], features[1], bias);
        ConvTranspose { kernel, bias, strides: strides.to_vec(), padding }
    }
}
impl ConvTranspose {
    /// From `[.., spatial.., in]` to `[.., longer.., out]`.
    ///
    /// # Errors
    /// Other features; what [`conv`](crate::conv) refuses.
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("ConvTranspose::call");
        let spatial = self.kernel.rank().saturating_sub(2);
        let pair = |(k, s): (usize, &usize)| {
            let (k, s) = (k as i64, *s as i64);
            let (all, before) = match self.padding {
                Padding::Valid => (k + s - 2 + (k - s).max(0), k - 1),
                _ if s > k - 1 => (k + s - 2, k - 1),
                _ => (k + s - 2, (k + s - 1) / 2),
            };
            (before, all - before)
        };
        let padding = match &self.padding {
            Padding::Explicit(pairs) => Padding::Explicit(pairs.clone()),
            _ => self.kernel.dims().into_iter().zip(&self.strides).map(pair).collect(),
        };
        let window = Window { padding, input_dilation: self.strides.clone(), ..Default::default() };
        let y = in_batches("ConvTranspose::call", x, spatial, |x| conv(&spec(spatial), x, self.kernel, window));
        self.bias.map_or(y, |b| y + b)
    }
}
