//! Where values are kept.
use super::*;
use crate::trace::bind1;

/// A kind of memory that a device can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// The device's own.
    Device,
    /// The host's, pinned so that the device can copy to and from it.
    PinnedHost,
}

/// The identity; its result is kept in the given memory.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub struct DevicePut(pub(crate) Memory);
/// `x`, moved to another memory. JAX: `device_put(x, memory.Space.Host)`.
///
/// A value in the host's memory can only be kept and moved back. On a platform whose devices have no other memory, such as
/// the CPU, nothing is moved.
#[track_caller]
pub fn device_put(x: Tensor, memory: Memory) -> Tensor {
    bind1(DevicePut(memory), &[x])
}
impl Primitive for DevicePut {
    fn name(&self) -> &'static str {
        "device_put"
    }
    identity!();
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| device_put(d, self.0))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], _: &[Operand]) -> Vec<Option<Tensor>> {
        let back = match self.0 {
            Memory::Device => Memory::PinnedHost,
            Memory::PinnedHost => Memory::Device,
        };
        vec![ct[0].map(|ct| device_put(ct, back))]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![device_put(x[0], self.0)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let kind = match self.0 {
            Memory::Device => "device",
            Memory::PinnedHost => "pinned_host",
        };
        // platforms without a host memory ignore the annotation
        let attrs = format!(
            "call_target_name = \"annotate_device_placement\", backend_config = \"\", has_side_effect = true, \
             mhlo.frontend_attributes = {{_xla_buffer_placement = \"{kind}\"}}"
        );
        vec![cx.op("custom_call", x, &attrs, &y[0])]
    }
    fn cost(&self, x: &[Aval], _: &[Aval]) -> Cost {
        Cost { flops: 0.0, bytes: 2.0 * x[0].bytes() as f64 }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row {
    name: "device_put",
    dtypes: any_dtype,
    cases: |d| {
        vec![Case::new("there and back", vec![sample(d, &[2, 3], 1)], |x| {
            vec![device_put(device_put(x[0], Memory::PinnedHost), Memory::Device)]
        })]
    },
}];
