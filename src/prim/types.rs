//! What type rules share: checks of operands.
use super::*;

/// Type rule: all operands have one type.
pub(crate) fn same_types(x: &[Aval]) -> Result<(), Refusal> {
    let Some(w) = x.windows(2).find(|w| w[0] != w[1]) else { return Ok(()) };
    if w[0].dtype != w[1].dtype {
        return Err(Refusal::new("the dtypes differ").help(format!("cast one side: `.cast(DType::{:?})`", w[0].dtype)));
    }
    Err("the shapes differ".into())
}

/// Type rule: the operand's dtype is of this kind.
pub(crate) fn require(x: &Aval, ok: fn(DType) -> bool, kind: &str) -> Result<(), Refusal> {
    if ok(x.dtype) {
        return Ok(());
    }
    let name = x.dtype.name();
    if x.dtype.is_storage() {
        let reason = format!("numbers of {name} are kept, moved and converted, but not computed with");
        return Err(Refusal::new(reason).help("convert it first with `.cast(DType::BF16)`, which has them all"));
    }
    let help = match x.dtype.is_complex() {
        true => "take `x.real()`, `x.imag()` or `x.abs()` of complex numbers",
        false => "convert it first with `.cast(..)`",
    };
    Err(Refusal::new(format!("{name} is not {kind}")).help(help))
}

/// Type rule: this axis exists.
pub(crate) fn require_axis(x: &Aval, axis: usize) -> Result<usize, Refusal> {
    x.dims.get(axis).copied().ok_or_else(|| format!("there is no axis {axis} in {x}").into())
}

/// Float dtypes to compute with.
pub(crate) fn is_float(d: DType) -> bool {
    d.is_float() && !d.is_storage()
}
/// Float and complex dtypes.
pub(crate) fn is_inexact(d: DType) -> bool {
    d.is_inexact() && !d.is_storage()
}
/// Complex dtypes.
pub(crate) fn is_complex(d: DType) -> bool {
    d.is_complex()
}
/// Dtypes whose values are smaller or larger than each other: all but the complex ones, and what only keeps numbers.
pub(crate) fn is_ordered(d: DType) -> bool {
    !d.is_complex() && !d.is_storage()
}
/// All but bool and the complex dtypes.
pub(crate) fn is_real(d: DType) -> bool {
    is_number(d) && is_ordered(d)
}
/// Integer dtypes, and bool.
pub(crate) fn is_int_or_bool(d: DType) -> bool {
    !d.is_inexact()
}
/// All but bool, and what only keeps numbers.
pub(crate) fn is_number(d: DType) -> bool {
    d != DType::Bool && !d.is_storage()
}
/// Every dtype.
pub(crate) fn any_dtype(_: DType) -> bool {
    true
}
