//! Recurrent cells: one step, and the steps over a sequence.
use super::Linear;
use crate::{
    param::{Init, Param},
    prim::scan,
    trace::{At, Tensor},
    tree::Tree,
};

/// Products of the input, and of the hidden state with orthogonal weights.
fn products(inputs: usize, hidden: usize, gates: usize, biases: [bool; 2]) -> (Linear<Param>, Linear<Param>) {
    let of = |from: usize, init: Init, bias: bool| {
        let w = Param::new([from, gates * hidden], ["in", "out"]).with_init(init);
        let b = bias.then(|| Param::new([gates * hidden], ["out"]));
        Linear::of(w, 1, b)
    };
    (of(inputs, Init::lecun_normal(), biases[0]), of(hidden, Init::Orthogonal(1.0), biases[1]))
}

macro_rules! sequences {
    ($Cell:ident, $Carry:ty) => {
        impl $Cell {
            /// The states of all steps `[b, t, hidden]` over a sequence `[b, t, inputs]`, and the last state.
            #[track_caller]
            pub fn over(&self, first: $Carry, x: Tensor) -> ($Carry, Tensor) {
                let _at = At::op(concat!(stringify!($Cell), "::over"));
                let (last, states) = scan(|state: $Carry, x: Tensor| self.call(state, x), first, x.swap_axes(0, 1));
                (last, states.swap_axes(0, 1))
            }
        }
    };
}

/// Long short-term memory (Hochreiter and Schmidhuber, 1997). Its state is a pair, cell and hidden, `[b, hidden]` each. Flax:
/// `nnx.OptimizedLSTMCell`.
///
/// ```
/// use raxla::{nn::LstmCell, prelude::*};
/// let cell = LstmCell::spec(3, 8).init(Key::host(0))?;
/// let f = jit(|cell: LstmCell, x: Tensor| {
///     let none = zeros([2, 8], DType::F32);
///     let ((_, last), states) = cell.over((none, none), x);
///     (last, states)
/// });
/// let (last, states) = f.call((&cell, Array::from_slice([2, 5, 3], &[0.5f32; 30])?))?;
/// assert_eq!((last.dims(), states.dims()), ([2, 8].as_slice(), [2, 5, 8].as_slice()));
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct LstmCell<T = Tensor> {
    /// From inputs to the gates, `[inputs, 4 hidden]`: input, forget, candidate, output.
    pub input: Linear<T>,
    /// From the hidden state to the gates, `[hidden, 4 hidden]`, with their biases.
    pub hidden: Linear<T>,
}
impl LstmCell<Param> {
    /// From so many inputs, with so many hidden units.
    pub fn spec(inputs: usize, hidden: usize) -> LstmCell<Param> {
        let (input, hidden) = products(inputs, hidden, 4, [false, true]);
        LstmCell { input, hidden }
    }
}
impl LstmCell {
    /// One step, with inputs `[.., inputs]`: the new state, and the hidden part of it.
    #[track_caller]
    pub fn call(&self, (cell, hidden): (Tensor, Tensor), x: Tensor) -> ((Tensor, Tensor), Tensor) {
        let _at = At::op("LstmCell::call");
        let gates = (self.input.call(x) + self.hidden.call(hidden)).split(-1, 4);
        let [i, f, o] = [gates[0], gates[1], gates[3]].map(|g| g.logistic());
        let cell = f * cell + i * gates[2].tanh();
        let hidden = o * cell.tanh();
        ((cell, hidden), hidden)
    }
}
sequences!(LstmCell, (Tensor, Tensor));

/// Gated recurrent unit (Cho et al., 2014; arXiv 1406.1078). Its state is `[b, hidden]`. Flax: `nnx.GRUCell`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct GruCell<T = Tensor> {
    /// From inputs to the gates, `[inputs, 3 hidden]`, with their biases: reset, update, candidate.
    pub input: Linear<T>,
    /// From the hidden state to the gates, `[hidden, 3 hidden]`.
    pub hidden: Linear<T>,
}
impl GruCell<Param> {
    /// From so many inputs, with so many hidden units.
    pub fn spec(inputs: usize, units: usize) -> GruCell<Param> {
        let (input, hidden) = products(inputs, units, 3, [true, false]);
        GruCell { input, hidden }
    }
}
impl GruCell {
    /// One step, with inputs `[.., inputs]`: the new state, twice.
    #[track_caller]
    pub fn call(&self, state: Tensor, x: Tensor) -> (Tensor, Tensor) {
        let _at = At::op("GruCell::call");
        let (x, h) = (self.input.call(x).split(-1, 3), self.hidden.call(state).split(-1, 3));
        let [reset, update] = [0, 1].map(|i| (x[i] + h[i]).logistic());
        let candidate = (x[2] + reset * h[2]).tanh();
        let next = (1.0 - update) * candidate + update * state;
        (next, next)
    }
}
sequences!(GruCell, Tensor);

/// tanh of a product of the input and one of the state (Elman, 1990). Its state is `[b, hidden]`. Flax: `nnx.SimpleCell`.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct SimpleCell<T = Tensor> {
    /// From inputs, `[inputs, hidden]`, with a bias.
    pub input: Linear<T>,
    /// From the hidden state, `[hidden, hidden]`.
    pub hidden: Linear<T>,
}
impl SimpleCell<Param> {
    /// From so many inputs, with so many hidden units.
    pub fn spec(inputs: usize, hidden: usize) -> SimpleCell<Param> {
        let (input, hidden) = products(inputs, hidden, 1, [true, false]);
        SimpleCell { input, hidden }
    }
}
impl SimpleCell {
    /// One step, with inputs `[.., inputs]`: the new state, twice.
    #[track_caller]
    pub fn call(&self, state: Tensor, x: Tensor) -> (Tensor, Tensor) {
        let _at = At::op("SimpleCell::call");
        let next = (self.input.call(x) + self.hidden.call(state)).tanh();
        (next, next)
    }
}
sequences!(SimpleCell, Tensor);
