//! What can be jitted, and how it is called.
use super::Jit;
use crate::{
    Host,
    array::Array,
    aval::Aval,
    error::Result,
    random::Key,
    tree::{Path, StaticVisitor, Tree},
};
use half::{bf16, f16};
use raxla_xla::Client;

/// Functions that can be traced: closures over trees of tensors, of up to eight arguments.
///
/// The impls below carry no `Tree` bounds on purpose: `jit` does, so that a missing derive is reported as
/// "`Foo` is not a tree of `Tensor`" and not as an unsatisfied bound on an anonymous closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be traced",
    note = "annotate the closure's argument types; at most eight arguments"
)]
pub trait Traced<Args> {
    /// What it returns.
    type Out;
    /// Call it.
    fn call(&self, args: Args) -> Self::Out;
}

/// A function of which the type says no more than its arguments and its result: what a [`BoxJit`] holds.
pub struct Boxed<Args, Out>(pub(super) Box<dyn Traced<Args, Out = Out> + Send + Sync>);
impl<Args, Out> Traced<Args> for Boxed<Args, Out> {
    type Out = Out;
    fn call(&self, args: Args) -> Out {
        self.0.call(args)
    }
}

/// A [`Jit`] whose type can be written, and so kept in a struct. [`Jit::boxed`] makes it.
///
/// ```
/// use raxla::{jit::BoxJit, prelude::*};
/// struct Scaler {
///     step: BoxJit<(Tensor, Tensor), Tensor>,
/// }
/// let scaler = Scaler { step: jit(|x: Tensor, by: Tensor| x * by).boxed() };
/// assert_eq!(scaler.step.call((3f32, 2f32))?.item::<f32>()?, 6.0);
/// # Ok::<(), raxla::Error>(())
/// ```
pub type BoxJit<Args, Out> = Jit<Args, Boxed<Args, Out>>;

/// A set of arguments of a function, by number: those that were moved in, or that must be donated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArgSet(u8);
impl ArgSet {
    /// These arguments. Numbers that no function has ([`Traced`] ends at eight arguments) are left out.
    pub fn of(numbers: &[usize]) -> ArgSet {
        numbers.iter().filter(|n| **n < 8).fold(ArgSet::default(), |set, n| set.with(*n))
    }
    /// The same, and this one.
    pub fn with(self, number: usize) -> ArgSet {
        ArgSet(self.0 | 1 << number)
    }
    /// Is it one of them?
    pub fn contains(self, number: usize) -> bool {
        number < 8 && self.0 >> number & 1 == 1
    }
    /// Those that are in both.
    pub fn and(self, other: ArgSet) -> ArgSet {
        ArgSet(self.0 & other.0)
    }
}

/// An argument of a compiled function: a tree by value (may be donated) or by reference (kept); where an [`Array`] is expected
/// also a Rust number, which becomes a scalar of its own type, and where a key is expected a `Key<Host>`, moved or borrowed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a compiled function that takes `{A}`",
    label = "neither `{A}` nor `&{A}`",
    note = "outside of traced functions leaves are arrays: `M` alone is `M<Tensor>`; write `M<Array>` for a struct of data",
    note = "inside a traced function, where there are tensors, call the plain function instead of its compiled form",
    note = "an argument is moved or borrowed as a whole: `&(x, y)` and not `(&x, &y)`"
)]
pub trait Arg<A> {
    /// What a call holds of it.
    type Held: Held<A>;
    /// The argument as trees of arrays. `client` says where numbers are put.
    fn held(self, client: &dyn Fn() -> Result<Client>) -> Result<Self::Held>;
}
impl<A> Arg<A> for A {
    type Held = A;
    fn held(self, _: &dyn Fn() -> Result<Client>) -> Result<A> {
        Ok(self)
    }
}
impl<A: Tree<Array, With<Array> = A>> Arg<A> for &A {
    type Held = Self;
    fn held(self, _: &dyn Fn() -> Result<Client>) -> Result<Self> {
        Ok(self)
    }
}
macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl Arg<Array> for $t {
            type Held = Array;
            fn held(self, client: &dyn Fn() -> Result<Client>) -> Result<Array> {
                Array::on(&client()?, [], &[self])
            }
        }
    )*};
}
numbers!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64);
impl Arg<Key<Array>> for Key<Host> {
    type Held = Key<Array>;
    fn held(self, client: &dyn Fn() -> Result<Client>) -> Result<Key<Array>> {
        self.on(&client()?)
    }
}
impl Arg<Key<Array>> for &Key<Host> {
    type Held = Key<Array>;
    fn held(self, client: &dyn Fn() -> Result<Client>) -> Result<Key<Array>> {
        self.on(&client()?)
    }
}

/// An [`Arg`] while a call lasts: a tree of arrays, moved in or borrowed.
pub trait Held<A> {
    /// Was it moved in?
    const MOVED: bool;
    /// The argument.
    fn tree(&self) -> &A;
    /// The argument; one that was borrowed, as a tree of its own with the same arrays.
    fn owned(self) -> A;
}
impl<A> Held<A> for A {
    const MOVED: bool = true;
    fn tree(&self) -> &A {
        self
    }
    fn owned(self) -> A {
        self
    }
}
impl<A: Tree<Array, With<Array> = A>> Held<A> for &A {
    const MOVED: bool = false;
    fn tree(&self) -> &A {
        self
    }
    fn owned(self) -> A {
        self.map(Array::clone)
    }
}

/// Takes each array of a call: the number of the argument that it belongs to, where it is, and the array.
pub type ArrayVisitor<'f, 'a> = dyn FnMut(usize, &Path, &'a Array) + 'f;

/// A tuple of [`Arg`]s that stands for the tuple `T` of arguments.
#[diagnostic::on_unimplemented(
    message = "a compiled function that takes `{T}` cannot be called with `{Self}`",
    label = "not the arguments `{T}`",
    note = "arguments stand in a tuple, also a single one: `f.call((x,))`; each is moved in, or borrowed to be kept: `f.call((&x,))`"
)]
pub trait ArgTuple<T: Tree<Array>> {
    /// What a call holds of them.
    type Held: HeldTuple<T>;
    /// The arguments as trees of arrays. `client` says where numbers are put.
    fn held(self, client: &dyn Fn() -> Result<Client>) -> Result<Self::Held>;
}

/// The arguments of a call while it lasts. They are looked at where they are: a call copies nothing.
pub trait HeldTuple<T: Tree<Array>> {
    /// The arguments that were moved in.
    fn moved(&self) -> ArgSet;
    /// Call `f` on each leaf, in order.
    fn visit<'a>(&'a self, f: &mut ArrayVisitor<'_, 'a>)
    where
        T: 'a;
    /// Call `f` on everything but the leaves, as [`Tree::structure_at`].
    fn structure(&self, f: &mut StaticVisitor);
    /// Their types.
    fn avals(&self) -> T::With<Aval>;
    /// The arguments themselves.
    fn owned(self) -> T;
}

/// Arguments that are together in a tuple, and which of them were moved in.
pub(super) struct Together<T>(pub(super) T, pub(super) ArgSet);
impl<T: Tree<Array>> HeldTuple<T> for Together<T> {
    fn moved(&self) -> ArgSet {
        self.1
    }
    fn visit<'a>(&'a self, f: &mut ArrayVisitor<'_, 'a>)
    where
        T: 'a,
    {
        self.0.visit(|path, a| f(path.argument(), path, a));
    }
    fn structure(&self, f: &mut StaticVisitor) {
        self.0.structure_at(&Path::ROOT, f);
    }
    fn avals(&self) -> T::With<Aval> {
        self.0.map(|a| a.aval().clone())
    }
    fn owned(self) -> T {
        self.0
    }
}

macro_rules! arities {
    ($($t:ident $x:ident $v:ident $i:tt),*) => {
        #[allow(clippy::too_many_arguments, clippy::unused_unit)]
        impl<Func: Fn($($t),*) -> R, R, $($t),*> Traced<($($t,)*)> for Func {
            type Out = R;
            fn call(&self, ($($v,)*): ($($t,)*)) -> R {
                self($($v),*)
            }
        }
        #[allow(unused_variables, clippy::unused_unit)]
        impl<$($t: Tree<Array>, $x: Arg<$t>),*> ArgTuple<($($t,)*)> for ($($x,)*) {
            type Held = ($($x::Held,)*);
            fn held(self, client: &dyn Fn() -> Result<Client>) -> Result<Self::Held> {
                Ok(($(self.$i.held(client)?,)*))
            }
        }
        #[allow(unused_variables, clippy::unused_unit)]
        impl<$($t: Tree<Array>, $x: Held<$t>),*> HeldTuple<($($t,)*)> for ($($x,)*) {
            fn moved(&self) -> ArgSet {
                ArgSet(0 $(| ($x::MOVED as u8) << $i)*)
            }
            fn visit<'a>(&'a self, f: &mut ArrayVisitor<'_, 'a>) where ($($t,)*): 'a {
                $(self.$i.tree().visit_at(&Path::ROOT.index($i), &mut |path, a| f($i, path, a));)*
            }
            fn structure(&self, f: &mut StaticVisitor) {
                $(self.$i.tree().structure_at(&Path::ROOT.index($i), f);)*
            }
            fn avals(&self) -> ($($t::With<Aval>,)*) {
                ($(self.$i.tree().map(|a| a.aval().clone()),)*)
            }
            fn owned(self) -> ($($t,)*) {
                ($(self.$i.owned(),)*)
            }
        }
    };
}
arities!();
arities!(A XA a 0);
arities!(A XA a 0, B XB b 1);
arities!(A XA a 0, B XB b 1, C XC c 2);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4, F XF f 5);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4, F XF f 5, G XG g 6);
arities!(A XA a 0, B XB b 1, C XC c 2, D XD d 3, E XE e 4, F XF f 5, G XG g 6, H XH h 7);
