//! What can be jitted, and how it is called.
use crate::{array::Array, tree::Tree};

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

/// Arguments of a compiled function: by value (may be donated) or by reference (kept).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a compiled function that takes `{A}`",
    label = "neither `{A}` nor `&{A}`",
    note = "inside a traced function, where there are tensors, call the plain function instead of its compiled form"
)]
pub trait Arg<A> {
    /// The argument, and whether it was moved in.
    fn arg(self) -> (A, bool);
}
impl<A> Arg<A> for A {
    fn arg(self) -> (A, bool) {
        (self, true)
    }
}
impl<A: Tree<Array, With<Array> = A>> Arg<A> for &A {
    fn arg(self) -> (A, bool) {
        (self.map(Array::clone), false)
    }
}

/// A tuple of [`Arg`]s that stands for the tuple `T` of arguments.
#[diagnostic::on_unimplemented(
    message = "a compiled function that takes `{T}` cannot be called with `{Self}`",
    label = "not the arguments `{T}`",
    note = "arguments stand in a tuple, also a single one: `f.call((x,))`; each is moved in, or borrowed to be kept: `f.call((&x,))`"
)]
pub trait ArgTuple<T> {
    /// The arguments, and for each of their leaves whether it was moved in.
    fn args(self) -> (T, Vec<bool>);
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
        #[allow(unused_mut, clippy::unused_unit)]
        impl<$($t: Tree<Array>, $x: Arg<$t>),*> ArgTuple<($($t,)*)> for ($($x,)*) {
            fn args(self) -> (($($t,)*), Vec<bool>) {
                let mut moved = vec![];
                $(
                    let (arg, by_value) = self.$i.arg();
                    arg.visit(|_, _| moved.push(by_value));
                    let $v = arg;
                )*
                (($($v,)*), moved)
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
