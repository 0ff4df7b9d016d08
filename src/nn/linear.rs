//! Matrices between named axes: projections, the embedding, the head. Each knows the roles of its axes, and does what dividing
//! them over a mesh requires ([`parallel`](crate::parallel)).
use super::{Lora, Packer, Packing};
use crate::{
    aval::DType,
    ops::einsum::einsum,
    parallel::{fsdp, tensor},
    param::{Init, Param},
    prim::{Format, IndexMode},
    trace::{At, Tensor},
    tree::Tree,
};

/// The roles of a parameter's axes, as in [`Param::axes`].
pub type Roles = Vec<&'static str>;

/// `x` times a matrix, plus a bias. Input and output may have several axes each.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Linear<T = Tensor> {
    /// The weight: its input axes, then its output axes.
    pub w: T,
    /// Bias over the output axes.
    pub b: Option<T>,
    /// What each output is multiplied with, if the weight is of 8-bit integers.
    pub scale: Option<T>,
    /// What is added to the product, if the weight is frozen and adapted.
    pub lora: Option<Lora<T>>,
    /// Roles of the weight's axes.
    #[tree(skip)]
    pub roles: Roles,
    /// How many of them are inputs.
    #[tree(skip)]
    pub inputs: usize,
    /// If the weight's array is packed, how.
    #[tree(skip)]
    pub packing: Option<Packing>,
}
impl Linear<Param> {
    /// From so many inputs to so many outputs: LeCun's normal weights, and a bias of zeros. Flax: `nnx.Linear`.
    ///
    /// ```
    /// use raxla::{nn::Linear, prelude::*};
    /// let layer = Linear::spec(3, 2, true).init(Key::host(0))?;
    /// let y = jit(|layer: Linear, x: Tensor| layer.call(x)).call((&layer, Array::from_slice([1, 3], &[0f32; 3])?))?;
    /// assert_eq!(y.to_vec::<f32>()?, [0., 0.]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn spec(inputs: usize, outputs: usize, bias: bool) -> Linear<Param> {
        let w = Param::new([inputs, outputs], ["in", "out"]).with_init(Init::lecun_normal());
        let b = bias.then(|| w.bias(1));
        Linear::of(w, 1, b)
    }
    /// A weight of which the first `inputs` axes are inputs, stored as PyTorch's `Linear` under this name, with `.weight` and,
    /// if there is one, `.bias` behind it.
    pub fn stored(w: Param, inputs: usize, name: &str, bias: bool) -> Linear<Param> {
        let w = w.stored(format!("{name}.weight")).transposed(inputs);
        let b = bias.then(|| w.bias(inputs).stored(format!("{name}.bias")));
        Linear::of(w, inputs, b)
    }
    /// This weight, of which the first `inputs` axes are inputs, and this bias.
    pub fn of(w: Param, inputs: usize, b: Option<Param>) -> Linear<Param> {
        Linear { roles: w.axes.clone(), w, b, scale: None, lora: None, inputs, packing: None }
    }
    /// How many inputs it has, all axes of them together.
    pub fn inputs(&self) -> usize {
        self.w.aval.dims[self.w.stacks()..][..self.inputs].iter().product()
    }
    /// With its weight packed in this format.
    pub fn packed(self, format: Format, how: Packer) -> Linear<Param> {
        let outputs = &self.w.aval.dims[self.w.stacks()..][self.inputs..];
        let packing = how.packing(format, self.inputs(), outputs);
        Linear { w: self.w.packed(packing.clone()), packing: Some(packing), ..self }
    }
    /// With its weight in 8-bit integers, and a scale for each output: half the memory of bf16. Products are in the dtype of their
    /// input.
    pub fn in_int8(self) -> Linear<Param> {
        let (w, scale) = self.w.in_int8(self.inputs);
        Linear { w, scale: Some(scale), ..self }
    }
}
impl Linear {
    /// From `x`, whose last axes are the inputs, to the outputs in their place. Where devices have parts of the inputs, they
    /// add up their parts of the sum ([`tensor::leave`]).
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("Linear::call");
        self.finished(x, self.frozen(x))
    }
    /// The product with the weight alone.
    pub(super) fn frozen(&self, x: Tensor) -> Tensor {
        match &self.packing {
            Some(packing) => Packing::products(x, self.inputs, &[(packing, self.w)]).swap_remove(0),
            None => {
                let w = fsdp::whole(self.w, &self.roles);
                let Some(scale) = self.scale else { return product(x, w, self.inputs) };
                let y = product(x, w.cast(x.dtype()), self.inputs);
                y * self.whole_scale(scale).cast(y.dtype())
            }
        }
    }
    fn whole_scale(&self, scale: Tensor) -> Tensor {
        fsdp::whole(scale, &self.roles[self.inputs..])
    }
    /// The weight as numbers, whole along `fsdp`.
    pub(super) fn dense(&self) -> Tensor {
        let Some(packing) = &self.packing else {
            let w = fsdp::whole(self.w, &self.roles);
            return self.scale.map_or(w, |scale| w.cast(DType::F32) * self.whole_scale(scale));
        };
        let w = packing.unpacked(self.w);
        let outputs = w.dims().split_off(1);
        match &self.lora {
            // (a packed matrix has one axis of inputs; its correction has them all)
            Some(lora) => w.reshape([&lora.a.dims()[..self.inputs], &outputs].concat()),
            None => w,
        }
    }
    /// The matrix `[inputs.., outputs..]` that products with it amount to, correction included.
    #[track_caller]
    pub fn matrix(&self) -> Tensor {
        self.lora.as_ref().map_or_else(|| self.dense(), |lora| lora.merged(self, 1.0).cast(self.dense().dtype()))
    }
    /// With the correction in the weight (`sign` 1), or taken out of one that it is in (-1); rounded to the weight's dtype. Not of
    /// packed weights, whose numbers are few.
    #[track_caller]
    pub fn merged(&self, sign: f64) -> Linear {
        let Some(lora) = &self.lora else { return self.clone() };
        let dtype = self.scale.unwrap_or(self.w).dtype();
        Linear { w: lora.merged(self, sign).cast(dtype), scale: None, lora: None, ..self.clone() }
    }

    /// As [`call`](Linear::call), of several with the same input. Packed ones are one call of a kernel.
    #[track_caller]
    pub fn call_all<const N: usize>(all: [&Linear; N], x: Tensor) -> [Tensor; N] {
        let _at = At::op("Linear::call");
        let packed: Option<Vec<_>> = all.iter().map(|l| Some((l.packing.as_ref()?, l.w))).collect();
        let Some(packed) = packed else { return all.map(|l| l.call(x)) };
        let mut products = Packing::products(x, all[0].inputs, &packed).into_iter();
        all.map(|l| l.finished(x, products.next().expect("one for each")))
    }

    /// The product with `x`, corrected, summed over devices if they have parts of it, plus the bias.
    fn finished(&self, x: Tensor, y: Tensor) -> Tensor {
        let y = self.lora.as_ref().map_or(y, |lora| lora.correct(self, x, y));
        let (ins, outs) = self.roles.split_at(self.inputs);
        let divides_sum = |role: &&'static str| ["heads", "mlp"].contains(role);
        let y = if ins.iter().any(divides_sum) { tensor::leave(y) } else { y };
        self.b.map_or(y, |b| y + fsdp::whole(b, outs))
    }
}

/// The product over the last `inputs` axes of `x` and the first of `w`.
pub(super) fn product(x: Tensor, w: Tensor, inputs: usize) -> Tensor {
    let (rank, outs) = (x.dims().len(), w.dims().len() - inputs);
    let letters = |from: u8, n: usize| (from..from + n as u8).map(char::from).collect::<String>();
    let (lead, ins) = (letters(b'a', rank - inputs), letters(b'm', inputs));
    let outs = letters(b'v', outs);
    einsum(&format!("{lead}{ins},{ins}{outs}->{lead}{outs}"), x, w)
}

/// A table of vectors, one per token.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Embedding<T = Tensor> {
    /// `[vocab, d]`
    pub table: T,
    /// If the table's array is packed, how: with tokens as outputs.
    #[tree(skip)]
    pub packing: Option<Packing>,
}
impl<T> Embedding<T> {
    /// This table, which is not packed.
    pub fn new(table: T) -> Embedding<T> {
        Embedding { table, packing: None }
    }
}
impl Embedding<Param> {
    /// Of so many tokens, as vectors of `d` numbers with a variance of 1 / d. Flax: `nnx.Embed`.
    pub fn spec(tokens: usize, d: usize) -> Embedding<Param> {
        let table = Param::new([tokens, d], ["vocab", "embed"]);
        Embedding::new(table.with_init(Init::Normal((1.0 / d as f64).sqrt())))
    }
    /// With its table packed in this format.
    pub fn packed(self, format: Format, how: Packer) -> Embedding<Param> {
        let dims = &self.table.aval.dims;
        let packing = how.packing(format, dims[1], &dims[..1]);
        Embedding { table: self.table.packed(packing.clone()), packing: Some(packing) }
    }
}
impl Embedding {
    /// The rows of tokens i32 `[b, t]`: `[b, t, d]`.
    #[track_caller]
    pub fn call(&self, tokens: Tensor) -> Tensor {
        let _at = At::op("Embedding::call");
        match &self.packing {
            Some(packing) => packing.take(self.table, tokens),
            None => tensor::embed(self.table, tokens),
        }
    }
}

/// From hidden states to the scores of all tokens.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Head<T = Tensor> {
    /// `[d, vocab]`; without it the embedding is the head.
    pub w: Option<T>,
    /// Bias, `[vocab]`.
    pub b: Option<T>,
    /// If the weight's array is packed, how.
    #[tree(skip)]
    pub packing: Option<Packing>,
}
impl<T> Head<T> {
    /// Without a bias, not packed.
    pub fn new(w: Option<T>) -> Head<T> {
        Head { w, b: None, packing: None }
    }
}
impl Head<Param> {
    /// With its weight packed in this format.
    pub fn packed(self, format: Format, how: Packer) -> Head<Param> {
        let Some(w) = self.w else { return self };
        let packing = how.packing(format, w.aval.dims[0], &w.aval.dims[1..]);
        Head { w: Some(w.packed(packing.clone())), packing: Some(packing), ..self }
    }
}
impl Head {
    /// From `[b, t, d]` to f32 `[b, t, vocab]`.
    #[track_caller]
    pub fn call(&self, x: Tensor, embedding: &Embedding) -> Tensor {
        let _at = At::op("Head::call");
        let x = tensor::enter_head(x);
        let packed = match self.w {
            Some(w) => self.packing.as_ref().map(|packing| (packing, w)),
            None => embedding.packing.as_ref().map(|packing| (packing, embedding.table)),
        };
        if let Some(packed) = packed {
            let y = Packing::products(x, 1, &[packed]).swap_remove(0);
            return self.b.map_or(y, |b| y + b).cast(DType::F32);
        }
        let y = match self.w {
            Some(w) => product(x, fsdp::whole(tensor::of_own_positions(w), &["embed", "vocab"]), 1),
            // (as it is stored: of a transposed table, the derivative would be a product that XLA turns into a slow one)
            None => {
                let table = fsdp::whole(tensor::of_own_positions(embedding.table), &["vocab", "embed"]);
                einsum("btd,vd->btv", x, table)
            }
        };
        self.b.map_or(y, |b| y + tensor::of_own_positions(b)).cast(DType::F32)
    }
}

/// A learned vector for each position (Gehring et al., 2017; arXiv 1705.03122), as in GPT-2.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Learned<T = Tensor> {
    /// `[positions, d]`
    pub table: T,
}
impl Learned {
    /// What is added to the stream at `positions`: `[1, t, d]` of i32 `[t]`, and `[b, t, d]` of `[b, t]`. What lies beyond the table takes its last row.
    #[track_caller]
    pub fn call(&self, positions: Tensor) -> Tensor {
        let _at = At::op("Learned::call");
        let table = fsdp::whole(self.table, &["positions", "embed"]);
        let rows = table.take_with(positions, 0, IndexMode::Clip);
        tensor::leave(if positions.rank() > 1 { rows } else { rows.expand_dims(0) })
    }
}
