//! Transformations of graphs, one pass each, and their closure-taking front ends.
//!
//! Every pass walks a graph's equations and calls one rule of each primitive; none knows a concrete primitive.
pub mod backward;
pub mod batch;
pub mod dce;
pub mod linearize;
