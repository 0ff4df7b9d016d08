//! raxla: JAX for Rust.
extern crate self as raxla;

pub mod array;
pub mod aval;
pub mod cache;
mod einsum;
pub mod error;
pub mod graph;
pub mod host;
mod index_ops;
pub mod jit;
pub mod lower;
pub mod nn;
mod ops;
pub mod param;
pub mod prim;
pub mod random;
mod reduce_ops;
pub mod runtime;
mod shape_ops;
pub mod testing;
pub mod trace;
pub mod transform;
pub mod tree;

pub use array::{Array, Element};
pub use aval::{Aval, DType, Dims};
pub use einsum::{einsum, einsum_n, einsum_with};
pub use error::{Error, Result};
pub use graph::{Graph, Var};
pub use host::Host;
pub use index_ops::Rows;
pub use jit::{Compiled, Jit, Lowered, jit};
pub use ops::{Rhs, where_};
pub use param::Param;
pub use prim::{IndexMode, Precision, Window, conv, iota, optimization_barrier};
pub use prim::{Scalar, full, literal, ones, zeros};
pub use random::Key;
pub use reduce_ops::Axes;
pub use runtime::Client;
pub use shape_ops::{Parts, arange, causal, concat, eye, linspace, one_hot, stack};
pub use trace::{Tensor, TraceError, scope};
pub use tree::{Hole, Leaf, Path, Structure, Tree};

// operations that take functions
pub use prim::{Bound, ScanOptions, cond, fori_loop, scan, scan_with, switch, while_loop};
pub use prim::{Policy, RematOptions, checkpoint_name, custom_jvp, custom_vjp, remat, remat_with};
pub use transform::{
    Axis, AxisTree, PerLeaf, grad, hessian, jacfwd, jacrev, jvp, linearize, value_and_grad, value_and_grad_aux, vjp,
    vmap, vmap_axes,
};

/// What programs that use raxla import.
pub mod prelude {
    pub use crate::random::Key;
    pub use crate::{
        Array, Aval, DType, Host, Tensor, Tree, arange, causal, concat, einsum, full, jit, one_hot, ones, scope, stack,
        where_, zeros,
    };
}
