//! The primitives: one block each, holding everything the system knows about one operation.
//!
//! A block is the user-facing function with its documentation, a struct with the operation's parameters, and its rules:
//! * [`Primitive`], which every operation has. An elementwise one needs no more than its rules.
//! * [`HigherOrder`] in its place, for operations with graphs inside: loops, branches, calls.
//! * [`OverAxes`] beside it, for operations over axes that have names: collectives.
//!
//! Transformations never match on a concrete primitive: they only call these rules.
//!
//! To add one, write such a block in the file of its family, and a [`Row`] with cases in that file's `ROWS`; [`TABLE`] lists
//! the rows of all files. `cargo test -p raxla --test all primitives::` then compares every rule with XLA and with finite differences, in
//! every dtype that the row claims. A small block to copy is that of [`is_finite`](Tensor::is_finite) in `unary.rs`.
//!
//! Users meet these functions where there is no method: `prim::dynamic_slice`, [`gather`], [`scatter`], [`conv`], [`sort`],
//! [`cumsum`], [`CustomCall`]. Arguments are literal here: no broadcasting, no negative axes.
use crate::{
    aval::{Aval, DType},
    graph::{Graph, Var},
    host::Host,
    inner::InnerGraph,
    ir::formats::{has_infinity, largest, mantissa_bits},
    lower::{Cure, Lower, Value},
    mesh::AxisSet,
    refusal::Refusal,
    trace::{NamedAxis, Tensor, TensorTree, fail, vary},
    transform::{
        batch::{BatchAxis, Batched, in_front},
        runs::{Halves, Runs},
    },
};
use std::{
    fmt,
    hash::{Hash, Hasher},
    rc::Rc,
};

mod argminmax;
mod attend;
mod barrier;
mod binary;
mod bitcast;
mod call;
mod collective;
mod complex;
mod constant;
mod control;
mod conv;
mod convert;
mod cost;
mod cumulative;
mod custom;
mod debug;
mod dot;
mod fft;
mod gather;
mod higher_order;
mod known;
mod linalg;
mod memory;
mod next_after;
mod over_axes;
mod packed;
mod primitive;
mod random;
mod reduce;
mod rules;
mod scatter;
mod shape;
mod shard;
mod slice;
mod sort;
mod special;
mod stop_gradient;
mod table;
mod types;
mod unary;
mod window;
pub use argminmax::*;
pub use attend::*;
pub use barrier::*;
use binary::no_complex;
pub use binary::*;
pub use bitcast::*;
pub use call::*;
pub use collective::*;
pub use complex::*;
pub use constant::*;
pub use control::*;
pub use conv::*;
pub use convert::*;
pub use cost::Cost;
pub use cumulative::*;
pub use custom::*;
pub use debug::*;
pub use dot::*;
pub use fft::*;
pub use gather::*;
pub use higher_order::{HigherOrder, Less, Linearized, Repeats};
pub(crate) use higher_order::{fresh_input, share_captured};
use known::*;
pub use known::{Known, Splats};
pub use linalg::*;
pub use memory::*;
pub use next_after::*;
pub use over_axes::OverAxes;
pub use packed::*;
pub(crate) use primitive::types;
pub use primitive::{Identity, Primitive, Tag};
pub use random::*;
pub use reduce::*;
use rules::identity;
pub use rules::{Operand, add_opt, broadcast_leading, inverse, moving, other_axes, shifted, spread, zeros_of};
pub(crate) use rules::{moved_axis, not_linear, one_by_one};
pub use scatter::*;
pub use shape::*;
pub use shard::*;
pub use slice::*;
pub use sort::*;
pub use special::*;
pub use stop_gradient::*;
pub use table::{Case, Row, TABLE, sample, sample_in};
pub(crate) use types::{
    any_dtype, is_complex, is_float, is_inexact, is_int_or_bool, is_number, is_ordered, is_real, require, require_axis,
    same_types,
};
pub use unary::*;
pub use window::*;
