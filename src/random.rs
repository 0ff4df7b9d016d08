//! Random numbers: a [`Key`] is used once, and gives the same numbers as `jax.random` under the same seed.
//!
//! The generator is Threefry-2x32 in counter mode, as JAX runs it by default ([`KeyImpl`] has others): element number i of a result is a hash of
//! i under the key. So results do not depend on the number of devices, and no state passes from call to call.
//!
//! Every function takes its key by value and a `Key` is not `Copy`, so that using one twice does not compile:
//! ```compile_fail
//! # use raxla::prelude::*;
//! fn init(key: Key) -> (Tensor, Tensor) {
//!     (key.normal([2], DType::F32), key.normal([2], DType::F32)) // error: use of moved value
//! }
//! ```
//! Split it first:
//! ```
//! # use raxla::prelude::*;
//! fn init(key: Key) -> (Tensor, Tensor) {
//!     let [a, b] = key.split();
//!     (a.normal([2], DType::F32), b.normal([2], DType::F32))
//! }
//! let (a, b) = jit(init).call((Key::host(0),))?;
//! assert_ne!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
//! # Ok::<(), raxla::Error>(())
//! ```
//! A closure that may be called several times, such as a loss, cannot give away a key that it captured (rustc: E0525). It uses
//! [`Key::again`].
use crate::{
    Array, Result,
    aval::{Aval, DType},
    host::{Host, float_bits, float_from_bits},
    ops::{Rhs, shape::MOST_PARTS},
    prim::{
        broadcast_in_dim, concatenate, full, iota, literal, optimization_barrier, slice, sort, threefry2x32, zeros,
    },
    runtime::Client,
    trace::{At, Tensor, fail},
    tree::{Leaf, Tree},
};

mod counts;
mod distributions;
mod gamma;
mod integers;
mod rbg;
mod samplers;
pub use integers::IntBound;

/// How keys make random bits. JAX: `impl` of `jax.random.key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyImpl {
    /// `"threefry2x32"`: hashes of counters. The same numbers on every platform, on one device or many, mapped over or not.
    #[default]
    Threefry2x32,
    /// `"rbg"`: bits by XLA's own generator ([`rng_bit_generator`](crate::prim::rng_bit_generator)), which is faster on accelerators and
    /// may give other numbers on other platforms; keys are split by hashes. Under [`vmap`](crate::vmap) each key draws as it would alone,
    /// unlike in JAX, where one key draws for all.
    Rbg,
    /// `"unsafe_rbg"`: also splits by that generator, which nobody has shown to be sound.
    UnsafeRbg,
}

/// The source of random numbers, used once. See the [module](self).
///
/// Inside a trace its leaf is a `Tensor`; as an argument of a jitted function it is a `Key<Array>`.
#[derive(Tree, Debug)]
#[must_use]
pub struct Key<T = Tensor> {
    /// u32[2], or u32[4] (twice as much) for [`KeyImpl::Rbg`] and [`KeyImpl::UnsafeRbg`].
    data: T,
    #[tree(skip)]
    implementation: KeyImpl,
}

/// As JAX makes it without 64-bit integers, its default: of the lower 32 bits.
fn seeded(seed: u64, implementation: KeyImpl) -> Host {
    let half = [0, (seed & 0xffff_ffff) as i128];
    let data = half.repeat(implementation.words() / 2);
    Host::ints(DType::U32, [data.len()], data)
}

impl Key<Host> {
    /// The key of this seed, to be passed to jitted functions. Of a seed the lower 32 bits count, as in JAX by default; with its
    /// `jax_enable_x64`, that is [`Key::from_data`] of the upper and the lower 32.
    pub fn host(seed: u64) -> Key<Host> {
        Key::host_of(KeyImpl::default(), seed)
    }
    /// As [`Key::host`], of this implementation. JAX: `jax.random.key(seed, impl="rbg")`.
    ///
    /// ```
    /// use raxla::{prelude::*, random::KeyImpl};
    /// let x = jit(|key: Key| key.uniform([2], DType::F32, 0.0, 1.0)).call((Key::host_of(KeyImpl::Rbg, 0),))?;
    /// assert!(x.to_vec::<f32>()?.iter().all(|x| (0.0..1.0).contains(x)));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn host_of(implementation: KeyImpl, seed: u64) -> Key<Host> {
        Key::of(implementation, seeded(seed, implementation))
    }
    /// The key on the default device: for one that is used again. [`Jit::call`](crate::Jit::call) takes a `Key<Host>` as it is.
    pub fn to_device(&self) -> Result<Key<Array>> {
        Ok(Key::of(self.implementation, Array::from_host(&self.data)?))
    }
    /// The key on the first device of this client.
    pub(crate) fn on(&self, client: &Client) -> Result<Key<Array>> {
        let data = Array::from_bytes(client, self.data.aval().clone(), &self.data.to_bytes())?;
        Ok(Key::of(self.implementation, data))
    }
}

impl<T: Leaf> Key<T> {
    /// The key with these words, `u32[2]`: what `jax.random.key_data` returns.
    pub fn from_data(data: T) -> Key<T> {
        Key::of(KeyImpl::default(), data)
    }
    /// The key of this implementation with these words: `u32[2]`, or `u32[4]` of both kinds of rbg. JAX: `jax.random.wrap_key_data`.
    pub fn of(implementation: KeyImpl, data: T) -> Key<T> {
        Key { data, implementation }
    }
    /// The words of the key, `u32[2]`, or `u32[4]` of both kinds of rbg.
    pub fn data(&self) -> &T {
        &self.data
    }
    /// How it makes random bits. JAX: `jax.random.key_impl`.
    pub fn implementation(&self) -> KeyImpl {
        self.implementation
    }
}

impl Key {
    /// The key of this seed, as a constant of the program. Pass keys as arguments where the numbers are to differ from
    /// run to run.
    #[track_caller]
    pub fn new(seed: u64) -> Key {
        Key::new_of(KeyImpl::default(), seed)
    }
    /// As [`Key::new`], of this implementation.
    #[track_caller]
    pub fn new_of(implementation: KeyImpl, seed: u64) -> Key {
        Key::of(implementation, literal(seeded(seed, implementation)))
    }

    /// `N` new keys: `let [a, b] = key.split();`
    #[track_caller]
    pub fn split<const N: usize>(self) -> [Key; N] {
        let _at = At::op("split");
        let keys = self.split_stacked(N);
        std::array::from_fn(|i| keys.row(i))
    }
    /// The same key once more: for a closure that may be called several times, and so cannot give away what it captured, such
    /// as a loss with dropout. Each call of it draws the same numbers, which is what a derivative needs. JAX:
    /// `jax.random.clone`.
    ///
    /// ```
    /// use raxla::{nn, prelude::*};
    /// let step = jit(|w: Tensor, x: Tensor, key: Key| {
    ///     // (`key.normal(..)` would move the key out of the closure: error E0525)
    ///     let loss = |w: Tensor| nn::dropout(w * x, 0.5, key.again()).sum(..);
    ///     grad(loss)(w)
    /// });
    /// let x = Array::from_slice([4], &[1f32, 2., 3., 4.])?;
    /// let slope = step.call((&x, &x, Key::host(0)))?.to_vec::<f32>()?;
    /// assert!(slope.iter().zip(1..).all(|(d, x)| *d == 0.0 || *d == 2.0 * x as f32));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    /// Two draws from one key give the same numbers: where a closure draws twice, it splits the key once,
    /// `let [a, b] = key.again().split();`.
    pub fn again(&self) -> Key {
        Key::of(self.implementation, self.data)
    }
    /// `n` new keys.
    #[track_caller]
    pub fn split_n(self, n: usize) -> Vec<Key> {
        let _at = At::op("split_n");
        if n > MOST_PARTS {
            let help = "take them as one value, with `split_stacked`, and map over it".to_string();
            fail("split_n", vec![], format!("{n} keys are more than {MOST_PARTS} values of the program"), Some(help))
        }
        let keys = self.split_stacked(n);
        (0..n).map(|i| keys.row(i)).collect()
    }
    /// `n` new keys in one value with a leading axis, to be mapped over by `vmap` or `scan`.
    #[track_caller]
    pub fn split_stacked(self, n: usize) -> Key {
        let _at = At::op("split_stacked");
        self.fenced(match self.implementation {
            KeyImpl::UnsafeRbg => self.tenths(n),
            _ => self.of_halves(|half| hashes(half, &[n]).map(|w| w.reshape([n, 1]))),
        })
    }
    fn row(&self, i: usize) -> Key {
        let words = self.implementation.words();
        Key::of(self.implementation, slice(self.data, [i, 0], [i + 1, words], [1, 1]).reshape([words]))
    }
    /// A new key that depends on this one and on a number (an integer scalar): a step, a layer, a device. The key itself
    /// can still be used, but not with the same number again.
    #[track_caller]
    pub fn fold_in(&self, data: impl Rhs) -> Key {
        let _at = At::op("fold_in");
        let data = data.beside(self.data).cast(DType::U32);
        if data.rank() != 0 {
            fail(
                "fold_in",
                vec![data.aval()],
                "the number must be a scalar",
                Some("of several, use one at a time, with `vmap` or `scan`".into()),
            );
        }
        self.fenced(match self.implementation {
            KeyImpl::UnsafeRbg => self.mixed_with(data),
            _ => self.of_halves(|[k0, k1]| threefry2x32(k0, k1, zeros([], DType::U32), data).map(|w| w.reshape([1]))),
        })
    }

    /// Random bits: unsigned integers of dtype u8, u16, u32 or u64.
    #[track_caller]
    pub fn bits(self, dims: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
        let _at = At::op("bits");
        let dims = dims.into();
        if self.implementation != KeyImpl::Threefry2x32
            && matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64)
        {
            return self.generated(dims, dtype);
        }
        let [high, low] = hashes(self.halves()[0], &dims);
        match dtype {
            DType::U64 => (high.cast(dtype) << 32) | low.cast(dtype),
            DType::U32 | DType::U16 | DType::U8 => (high ^ low).cast(dtype),
            _ => {
                let help = "bits come as u8, u16, u32 or u64; for numbers see `randint` and `uniform`".to_string();
                fail("bits", vec![], format!("there are no random bits of dtype {}", dtype.name()), Some(help))
            }
        }
    }

    /// The key(s) of these words.
    ///
    /// Without the fence XLA would fuse the making of a key into everything that uses it, and so compute, and compile,
    /// one hash more per use and level of splitting.
    fn fenced(&self, words: Tensor) -> Key {
        Key::of(self.implementation, optimization_barrier(words))
    }
    /// What `f` makes of each half (a key of Threefry has one), side by side in the last axis.
    #[track_caller]
    fn of_halves(&self, f: impl Fn([Tensor; 2]) -> [Tensor; 2]) -> Tensor {
        let made: Vec<Tensor> = self.halves().into_iter().flat_map(f).collect();
        concatenate(&made, made[0].rank() - 1)
    }
    /// Pairs of words, as scalars.
    #[track_caller]
    fn halves(&self) -> Vec<[Tensor; 2]> {
        let (a, words) = (self.data.aval(), self.implementation.words());
        if !a.is_like(&Aval::new(DType::U32, [words])) {
            let help = "of several keys in one value, use one at a time: with `vmap` or `scan`".to_string();
            fail("key", vec![a], format!("a key is u32[{words}]"), Some(help));
        }
        let word = |i: usize| slice(self.data, [i], [i + 1], [1]).reshape([]);
        (0..words).step_by(2).map(|i| [word(i), word(i + 1)]).collect()
    }
}

/// The hash of each element's number in an array of this shape.
#[track_caller]
fn hashes(key: [Tensor; 2], dims: &[usize]) -> [Tensor; 2] {
    let [k0, k1] = key.map(|k| broadcast_in_dim(k, dims, vec![]));
    let [high, low] = counters(dims);
    threefry2x32(k0, k1, high, low)
}
/// The upper and lower words of each element's number. One iota per axis, so that each device of a sharded program makes
/// its own part.
fn counters(dims: &[usize]) -> [Tensor; 2] {
    let strides = crate::host::strides(dims);
    let number = |dtype: DType| {
        let axes = (0..dims.len()).filter(|i| dims[*i] != 1);
        let parts = axes.map(|i| iota(dims, dtype, i) * strides[i]);
        parts.reduce(|a, b| a + b).unwrap_or_else(|| zeros(dims, dtype))
    };
    if dims.iter().map(|dim| (*dim).max(1)).product::<usize>() <= 1 << 32 {
        return [zeros(dims, DType::U32), number(DType::U32)];
    }
    let number = number(DType::U64);
    [(number >> 32).cast(DType::U32), number.cast(DType::U32)]
}
