//! Operations over axes that have names.
use super::*;

/// The rules of operations over named axes, of enclosing [`vmap_with`](crate::vmap_with)s and meshes: collectives. An operation
/// has them beside its rules as a [`Primitive`], of which [`batch`](Primitive::batch) then is about all other axes.
pub trait OverAxes {
    /// The axes.
    fn axes(&self) -> &[NamedAxis];
    /// The same operation over other axes, as many.
    fn with_axes(&self, axes: Vec<NamedAxis>) -> Rc<dyn Primitive>;
    /// The operation over a leading batch axis that is one of its named axes: an ordinary operation along it, or one over
    /// the named axes that are left. `mapped[i]` tells whether operand `i` has the axis; perhaps none does. The result tells
    /// the same of each result.
    fn batch_over(&self, axis: &BatchAxis, x: &[Tensor], mapped: &[bool]) -> Batched;
    /// Inside `shard_map`: the mesh axes over which the results vary, given those over which any operand does, or that it
    /// works over itself.
    fn varies(&self, x: AxisSet) -> AxisSet {
        x
    }
    /// Does every device wait here for the others along the axes?
    fn waits(&self) -> bool {
        true
    }
}
impl dyn OverAxes + '_ {
    /// Those of the axes that are axes of a mesh.
    pub(crate) fn mesh_axes(&self) -> AxisSet {
        self.axes().iter().map(NamedAxis::mesh_axes).collect()
    }
}
