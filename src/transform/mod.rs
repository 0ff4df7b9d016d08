//! Transformations of graphs, one pass each, and their closure-taking front ends.
//!
//! Every pass walks a graph's equations and calls one rule of each primitive; none knows a concrete primitive.
pub mod backward;
pub mod batch;
pub mod dce;
mod grad;
mod jacobian;
pub mod linearize;
mod residuals;
mod vmap;
pub use grad::{grad, jvp, linearize, value_and_grad, value_and_grad_aux, vjp};
pub use jacobian::{hessian, jacfwd, jacrev};
pub use vmap::{Axis, AxisTree, PerLeaf, vmap, vmap_axes};
