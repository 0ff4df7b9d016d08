//! Corrections of low rank to matrices that stay as they are: LoRA and its variants.
use super::linear::{Linear, product};
use crate::{
    aval::DType,
    parallel::{fsdp, tensor},
    random::Key,
    trace::Tensor,
    tree::Tree,
};

/// What is added to a product with a frozen matrix `w`: `scale · (x · a) · b` (Hu et al., 2021; arXiv 2106.09685). The sum `w + scale · a · b`
/// is never made, so `w` may be packed, in 16 bits, or in blocks of 4.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Lora<T = Tensor> {
    /// `[inputs.., rank]`
    pub a: T,
    /// `[rank, outputs..]`; zeros before training.
    pub b: T,
    /// DoRA: the length of each output's column, `[outputs..]`. The matrix is then `w + scale · a · b` with columns of these
    /// lengths (Liu et al., 2024; arXiv 2402.09353).
    pub magnitude: Option<T>,
    /// In training with dropout, the words of a key, u32 `[2]`.
    pub key: Option<T>,
    /// Factor on the correction.
    #[tree(skip)]
    pub scale: f64,
    /// With which probability an input of the correction is zero in training.
    #[tree(skip)]
    pub dropout: f64,
}

impl Lora {
    /// The product `y` of `x` with the matrix of `linear`, corrected. Where devices have parts of the inputs, both are parts of a sum.
    #[track_caller]
    pub(super) fn correct(&self, linear: &Linear, x: Tensor, y: Tensor) -> Tensor {
        let (a, b) = self.whole(linear);
        let dropped = match &self.key {
            Some(key) if self.dropout > 0.0 => Some(super::dropout(x, self.dropout, Key::from_data(*key))),
            _ => None,
        };
        // (in the dtype of the correction, which may be wider than that of the stream)
        let low = product(dropped.unwrap_or(x).cast(a.dtype()), a, linear.inputs);
        let more = product(low, b, 1) * self.scale;
        let wide = y.cast(a.dtype());
        let sum = match self.magnitude {
            None => wide + more,
            Some(magnitude) => {
                let ratio = self.ratio(linear, magnitude, &self.column_lengths(linear));
                let base = dropped.map_or(wide, |x| linear.frozen(x).cast(a.dtype()));
                wide + base * (ratio - 1.0) + more * ratio
            }
        };
        sum.cast(y.dtype())
    }

    /// The matrix `[inputs.., outputs..]` that products with `linear` and its correction amount to, in the dtype of the correction;
    /// with a negative `sign`, what it was before it was merged.
    #[track_caller]
    pub(super) fn merged(&self, linear: &Linear, sign: f64) -> Tensor {
        let sum = self.sum(linear, sign);
        match self.magnitude {
            Some(magnitude) => sum * self.ratio(linear, magnitude, &self.column_lengths(linear)),
            None => sum,
        }
    }

    /// The length of each column of `w + scale · a · b`, `[outputs..]`. Derivatives do not go through it, as the authors propose.
    #[track_caller]
    pub fn column_lengths(&self, linear: &Linear) -> Tensor {
        let sum = self.sum(linear, 1.0);
        let squares = (0..linear.inputs).fold(sum * sum, |sum, _| sum.sum(0));
        tensor::sum_of_parts(squares, self.a, &linear.roles[..linear.inputs]).sqrt().stop_gradient()
    }

    /// What columns are multiplied by.
    fn ratio(&self, linear: &Linear, magnitude: Tensor, lengths: &Tensor) -> Tensor {
        fsdp::whole(magnitude, &linear.roles[linear.inputs..]) / *lengths
    }
    fn sum(&self, linear: &Linear, sign: f64) -> Tensor {
        let (a, b) = self.whole(linear);
        let wide = if a.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        // (`a` has its inputs first: as many axes as `linear` has, and the rank behind them)
        linear.dense().cast(wide) + product(a.cast(wide), b.cast(wide), 1) * (self.scale * sign)
    }
    /// Both factors, whole along `fsdp`.
    fn whole(&self, linear: &Linear) -> (Tensor, Tensor) {
        let (ins, outs) = linear.roles.split_at(linear.inputs);
        let (a, b) = ([ins, &["rank"]].concat(), [&["rank"], outs].concat());
        (fsdp::whole(self.a, &a), fsdp::whole(self.b, &b))
    }
}
