//! The parameters of a correction of low rank to a matrix.
use super::{Init, Merge, Param, Stored};
use crate::aval::DType;

impl Param {
    /// The factors `[inputs.., rank]` and `[rank, outputs..]` of a correction of this rank to this matrix, of which the first
    /// `inputs` axes are inputs, and a vector over its outputs; stored as PEFT does: `module` with `.lora_A.weight` `[rank, in]`,
    /// `.lora_B.weight` `[out, rank]` and `.lora_magnitude_vector` `[out]`. Where the matrix is a slice of a stored one, over
    /// outputs, so are the latter two, and the first belongs to all slices. The first is random, of the spread that PEFT gives it, the
    /// others are zeros. All are f32, beside whatever the matrix is; f64 beside f64.
    pub fn lora(&self, inputs: usize, rank: usize, module: &str) -> [Param; 3] {
        let (stacks, own) = self.aval.dims.split_at(self.stacks);
        let (over, roles) = self.axes.split_at(self.stacks);
        let ((ins, outs), (in_roles, out_roles)) = (own.split_at(inputs), roles.split_at(inputs));
        let dtype = if self.aval.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let part = |dims: &[&[usize]], axes: &[&[&'static str]], name: &str| Param {
            aval: self.aval.with_dtype(dtype).with_dims([&[stacks], dims].concat().concat()),
            axes: [&[over], axes].concat().concat(),
            init: Init::Zeros,
            name: format!("{module}.{name}"),
            layout: Stored::AsIs,
            slice: None,
            tied: None,
            packing: None,
            int8: None,
            merge: Merge::Usual,
            stacks: self.stacks,
            layers: self.layers,
        };
        // (uniform between -1 and 1 over the root of the number of inputs has this spread)
        let spread = 1.0 / (3.0 * ins.iter().product::<usize>().max(1) as f64).sqrt();
        let a = part(&[ins, &[rank]], &[in_roles, &["rank"]], "lora_A.weight").transposed(inputs).normal(spread);
        let b = part(&[&[rank], outs], &[&["rank"], out_roles], "lora_B.weight").transposed(1);
        let magnitude = part(&[outs], &[out_roles], "lora_magnitude_vector");
        let slice = self.bias_slice(inputs);
        [a, Param { slice, ..b }, Param { slice, merge: Merge::One, ..magnitude }]
    }
}
