//! Trees of tensors: what functions of traced code take and return.
use super::Tensor;
use crate::tree::Tree;

/// A tree whose leaves are tensors: a tensor, a tuple, a struct with `derive(Tree)`. Every [`Tree`] of tensors is one.
pub trait TensorTree: Tree<Tensor, With<Tensor> = Self> {}
impl<X: Tree<Tensor, With<Tensor> = X>> TensorTree for X {}
