//! Matrices of weights that stay as a checkpoint has them: in 16 bits, in 8, in blocks of 4.
use crate::{
    aval::DType,
    prim::{Arithmetic, Format, PackedMatrix, packed_products, take_packed, unpack},
    trace::Tensor,
};

/// How the matrices of a model are packed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packer {
    /// The dtype of what is computed with them.
    pub dtype: DType,
    /// How products of many rows are computed.
    pub arithmetic: Arithmetic,
    /// Are products calls of the CPU's kernels?
    pub kernels: bool,
}
impl Packer {
    /// A matrix of so many inputs, and of outputs of these sizes, in this format.
    pub fn packing(self, format: Format, inputs: usize, outputs: &[usize]) -> Packing {
        let Packer { dtype, arithmetic, kernels } = self;
        Packing { format, inputs, outputs: outputs.to_vec(), dtype, arithmetic, kernels }
    }
}

/// How a matrix is packed. Its array then holds bytes, u8 `[tiles, blocks, bytes]` ([`Format::dims`]), and products with it decode
/// them as they go.
#[derive(Clone, Debug, PartialEq)]
pub struct Packing {
    /// How numbers are written.
    pub format: Format,
    /// Inputs, all axes of them together.
    pub inputs: usize,
    /// Sizes of the axes of outputs.
    pub outputs: Vec<usize>,
    /// The dtype of what is computed with it.
    pub dtype: DType,
    /// How products of many rows are computed.
    pub arithmetic: Arithmetic,
    /// Are products calls of the CPU's kernels? Else all numbers are decoded before each product, by plain operations.
    pub kernels: bool,
}

impl Packing {
    /// The shape of the array of bytes.
    pub fn dims(&self) -> [usize; 3] {
        self.format.dims(self.inputs, self.outputs())
    }
    /// Outputs, all axes of them together.
    pub fn outputs(&self) -> usize {
        self.outputs.iter().product()
    }
    /// All numbers: `[inputs, outputs..]`.
    #[track_caller]
    pub fn unpacked(&self, bytes: Tensor) -> Tensor {
        let w = unpack(bytes, self.format, [self.inputs, self.outputs()]).cast(self.dtype);
        w.reshape([&[self.inputs], &self.outputs[..]].concat())
    }
    /// Of the outputs, those of these numbers, i32 `[..]`: `[.., inputs]`.
    #[track_caller]
    pub(super) fn take(&self, bytes: Tensor, numbers: Tensor) -> Tensor {
        take_packed(bytes, self.format, [self.inputs, self.outputs()], numbers).cast(self.dtype)
    }
    /// Products of `x`, whose last `axes` axes are the inputs, with matrices that share these: the outputs in their place.
    #[track_caller]
    pub(super) fn products(x: Tensor, axes: usize, matrices: &[(&Packing, Tensor)]) -> Vec<Tensor> {
        let mut dims = x.dims();
        let inputs = dims.split_off(dims.len() - axes).iter().product();
        let x = x.reshape([&dims[..], &[inputs]].concat());
        let shaped = |packing: &Packing, y: Tensor| y.reshape([&dims[..], &packing.outputs[..]].concat());
        if !matrices.iter().all(|(packing, _)| packing.kernels) {
            let one = |(packing, bytes): &(&Packing, Tensor)| {
                let w = packing.unpacked(*bytes).reshape([packing.inputs, packing.outputs()]);
                shaped(packing, x.matmul(w.cast(x.dtype())))
            };
            return matrices.iter().map(one).collect();
        }
        let packed: Vec<PackedMatrix> = matrices
            .iter()
            .map(|(packing, bytes)| PackedMatrix { bytes: *bytes, format: packing.format, n: packing.outputs() })
            .collect();
        packed_products(x, &packed, matrices[0].0.arithmetic)
            .into_iter()
            .zip(matrices)
            .map(|(y, (packing, _))| shaped(packing, y))
            .collect()
    }
}
