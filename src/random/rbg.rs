//! Keys whose bits come from XLA's own generator.
use super::{Key, KeyImpl};
use crate::{
    aval::DType,
    host::Host,
    ops::shape::concat,
    prim::{Algorithm, literal, rng_bit_generator, slice},
    trace::Tensor,
};

/// Words that the generator passes over, so that keys made by it differ in more than a counter.
const APART: usize = 10;

impl KeyImpl {
    /// How many words a key has.
    pub(super) fn words(self) -> usize {
        if self == KeyImpl::Threefry2x32 { 2 } else { 4 }
    }
}

/// Bits of XLA's generator, whose state are the words of a key: two numbers of 64 bits, the lower half of each first.
#[track_caller]
fn bits_of(words: [Tensor; 4], dims: Vec<usize>, dtype: DType) -> Tensor {
    let [a, b, c, d] = words.map(|w| w.cast(DType::U64));
    let state = concat(&[a | (b << 32), c | (d << 32)].map(|half| half.reshape([1])), 0);
    rng_bit_generator(state, Algorithm::Default, dims, dtype).1
}

impl Key {
    /// Random bits, of unsigned integers.
    #[track_caller]
    pub(super) fn generated(&self, dims: Vec<usize>, dtype: DType) -> Tensor {
        let halves = self.halves();
        let [[a, b], [c, d]] = [halves[0], halves[1]];
        bits_of([a, b, c, d], dims, dtype)
    }
    /// The words of `n` keys: every tenth four words of the generator, `[n, 4]`.
    #[track_caller]
    pub(super) fn tenths(&self, n: usize) -> Tensor {
        slice(self.generated(vec![APART * n, 4], DType::U32), [0, 0], [APART * n, 4], [APART, 1])
    }
    /// The words of this key, mixed with those that a number leads to.
    #[track_caller]
    pub(super) fn mixed_with(&self, number: Tensor) -> Tensor {
        self.halves();
        let zero = literal(Host::ints(DType::U32, [], vec![0]));
        let bits = bits_of([zero, number, zero, number], vec![APART, 4], DType::U32);
        self.data ^ slice(bits, [APART - 1, 0], [APART, 4], [1, 1]).reshape([4])
    }
}
