//! Matrices between named axes: projections, the embedding, the head. Each knows the roles of its axes, and does what dividing
//! them over a mesh requires ([`parallel`](crate::parallel)).
use crate::{
    aval::DType,
    ops::einsum::einsum,
    parallel::{fsdp, tensor},
    param::Param,
    prim::IndexMode,
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
    /// Roles of the weight's axes.
    #[tree(skip)]
    pub roles: Roles,
    /// How many of them are inputs.
    #[tree(skip)]
    pub inputs: usize,
}
impl Linear<Param> {
    /// A weight of which the first `inputs` axes are inputs, stored as PyTorch's `Linear` under this name, with `.weight` and,
    /// if there is one, `.bias` behind it.
    pub fn stored(w: Param, inputs: usize, name: &str, bias: bool) -> Linear<Param> {
        let w = w.stored(format!("{name}.weight")).transposed(inputs);
        let b = bias.then(|| w.bias(inputs).stored(format!("{name}.bias")));
        Linear::of(w, inputs, b)
    }
    /// This weight, of which the first `inputs` axes are inputs, and this bias.
    pub fn of(w: Param, inputs: usize, b: Option<Param>) -> Linear<Param> {
        Linear { roles: w.axes.clone(), w, b, inputs }
    }
}
impl Linear {
    /// From `x`, whose last axes are the inputs, to the outputs in their place. Where devices have parts of the inputs, they
    /// add up their parts of the sum ([`tensor::leave`]).
    #[track_caller]
    pub fn call(&self, x: Tensor) -> Tensor {
        let _at = At::op("Linear::call");
        let (ins, outs) = self.roles.split_at(self.inputs);
        let y = product(x, fsdp::whole(self.w, &self.roles), self.inputs);
        let divides_sum = |role: &&'static str| ["heads", "mlp"].contains(role);
        let y = if ins.iter().any(divides_sum) { tensor::leave(y) } else { y };
        self.b.map_or(y, |b| y + fsdp::whole(b, outs))
    }
}

/// The product over the last `inputs` axes of `x` and the first of `w`.
fn product(x: Tensor, w: Tensor, inputs: usize) -> Tensor {
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
}
impl Embedding {
    /// The rows of tokens i32 `[b, t]`: `[b, t, d]`.
    #[track_caller]
    pub fn call(&self, tokens: Tensor) -> Tensor {
        let _at = At::op("Embedding::call");
        tensor::embed(self.table, tokens)
    }
}

/// From hidden states to the scores of all tokens.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Head<T = Tensor> {
    /// `[d, vocab]`; without it the embedding is the head.
    pub w: Option<T>,
    /// Bias, `[vocab]`.
    pub b: Option<T>,
}
impl Head {
    /// From `[b, t, d]` to f32 `[b, t, vocab]`.
    #[track_caller]
    pub fn call(&self, x: Tensor, embedding: &Embedding) -> Tensor {
        let _at = At::op("Head::call");
        let x = tensor::enter_head(x);
        // (before a gather, while it is small)
        let w = self.w.unwrap_or_else(|| embedding.table.transpose([1, 0]));
        let w = fsdp::whole(tensor::of_own_positions(w), &["embed", "vocab"]);
        let y = product(x, w, 1);
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
    /// What is added to the stream at `positions` (i32 `[t]`): `[1, t, d]`. What lies beyond the table takes its last row.
    #[track_caller]
    pub fn call(&self, positions: Tensor) -> Tensor {
        let _at = At::op("Learned::call");
        let table = fsdp::whole(self.table, &["positions", "embed"]);
        tensor::leave(table.take_with(positions, 0, IndexMode::Clip).expand_dims(0))
    }
}
