//! Numbers in programs: what a dtype does not have is refused, by the name of what was called, with both; counters are as wide as
//! their bounds.
use raxla::{
    prelude::*,
    prim::{Gather, IndexDims, gather, pad},
    *,
};
use std::panic::Location;

/// The message of the mistake that the function makes, which must be at the caller's line.
#[track_caller]
fn message(dtype: DType, f: impl Fn(Tensor) -> Tensor) -> String {
    let line = Location::caller().line();
    let error = trace::trace_graph(&[Aval::new(dtype, [3])], |x| vec![f(x[0])]).expect_err("the number does not fit");
    assert_eq!((error.file, error.line), (file!(), line), "{error}");
    format!("{}: {}", error.op, error.reason)
}

const U8: &str = "does not fit u8, which holds integers from 0 to 255";
const I32: &str = "does not fit i32, which holds integers from -2147483648 to 2147483647";

#[test]
#[rustfmt::skip]
fn that_do_not_fit_are_refused_by_every_operation() {
    let u8 = |name: &str, number: &str| format!("{name}: the number {number} {U8}");
    assert_eq!(message(DType::U8, |x| x + 300), u8("add", "300"));
    assert_eq!(message(DType::U8, |x| x - 300), u8("sub", "300"));
    assert_eq!(message(DType::U8, |x| x * -1), u8("mul", "-1"));
    assert_eq!(message(DType::U8, |x| x / 0.5), u8("div", "0.5"));
    assert_eq!(message(DType::U8, |x| x % 256), u8("rem", "256"));
    assert_eq!(message(DType::U8, |x| x & 256), u8("bitand", "256"));
    assert_eq!(message(DType::U8, |x| x | -1), u8("bitor", "-1"));
    assert_eq!(message(DType::U8, |x| x ^ -1), u8("bitxor", "-1"));
    assert_eq!(message(DType::U8, |x| x << 300), u8("shl", "300"));
    assert_eq!(message(DType::U8, |x| x >> -1), u8("shr", "-1"));
    assert_eq!(message(DType::U8, |x| 300 - x), u8("sub", "300"));
    assert_eq!(message(DType::U8, |x| 2.5 * x), u8("mul", "2.5"));
    assert_eq!(message(DType::U8, |x| x.eq(-1)), u8("eq", "-1"));
    assert_eq!(message(DType::U8, |x| x.ne(300)), u8("ne", "300"));
    assert_eq!(message(DType::U8, |x| x.lt(2.5)), u8("lt", "2.5"));
    assert_eq!(message(DType::U8, |x| x.le(300)), u8("le", "300"));
    assert_eq!(message(DType::U8, |x| x.gt(-1)), u8("gt", "-1"));
    assert_eq!(message(DType::U8, |x| x.ge(-1)), u8("ge", "-1"));
    assert_eq!(message(DType::U8, |x| x.maximum(300)), u8("maximum", "300"));
    assert_eq!(message(DType::U8, |x| x.minimum(-1)), u8("minimum", "-1"));
    assert_eq!(message(DType::U8, |x| x.modulo(300)), u8("modulo", "300"));
    assert_eq!(message(DType::U8, |x| x.clip(-1, 300)), u8("clip", "-1"));
    assert_eq!(message(DType::U8, |x| x.clip(1, 300)), u8("clip", "300"));
    assert_eq!(message(DType::U8, |x| where_(x.gt(1), x, -1)), u8("where", "-1"));
    assert_eq!(message(DType::U8, |x| x.like(300)), u8("like", "300"));
    assert_eq!(message(DType::U8, |_| full([2], DType::U8, 300)), u8("full", "300"));
    assert_eq!(message(DType::U8, |x| x.at(arange(2, DType::I32)).set(-1)), u8("at", "-1"));
    assert_eq!(message(DType::U8, |x| x.at(arange(2, DType::I32)).add(300)), u8("at", "300"));
    assert_eq!(message(DType::U8, |x| pad(x, full([], DType::U8, -1), [(1, 1, 0)])), u8("full", "-1"));
    let filled = |x: Tensor, fill: f64| Gather { dims: IndexDims { collapsed: vec![0], indexed: vec![0], ..Default::default() }, sizes: vec![1; x.rank()], options: Default::default(), fill: Some(fill) };
    assert_eq!(message(DType::U8, |x| gather(x, zeros([2, 1], DType::I32), filled(x, 300.0))), u8("gather", "300.0"));
    assert_eq!(message(DType::I32, |x| x + 3_000_000_000i64), format!("add: the number 3000000000 {I32}"));
    assert_eq!(message(DType::I32, |x| x.lt(2.5)), format!("lt: the number 2.5 {I32}"));
    assert_eq!(message(DType::I32, |x| x * f64::NAN), format!("mul: the number NaN {I32}"));
    assert_eq!(message(DType::U64, |x| x + u64::MAX as f64), "add: the number 1.8446744073709552e19 does not fit u64, which holds integers from 0 to 18446744073709551615");
    assert_eq!(message(DType::F16, |x| x + 1e5), "add: the number 100000.0 does not fit f16, which ends at 65504.0");
    assert_eq!(message(DType::F32, |x| x + 1e300), "add: the number 1e300 does not fit f32, which ends at 3.4028234663852886e38");
    assert_eq!(message(DType::Bool, |x| x.eq(2)), "eq: the number 2 does not fit bool, which holds 0 and 1");
    assert_eq!(message(DType::F32, |_| Key::new(0).uniform([2], DType::F16, 0, 1e6)), "uniform: the number 1000000.0 does not fit f16, which ends at 65504.0");
    assert_eq!(message(DType::F32, |_| Key::new(0).fold_in(-1).bits([2], DType::U32)), "fold_in: the number -1 does not fit u32, which holds integers from 0 to 4294967295");
    assert_eq!(message(DType::F32, |_| arange(300, DType::U8)), "arange: u8 cannot count to 299");
    assert_eq!(message(DType::F32, |_| arange(70_000, DType::F16)), "arange: f16 cannot count to 69999");
    assert_eq!(message(DType::U8, |x| fori_loop(x.sum(0).cast(DType::U8), 300, |_, c: Tensor| c, x)), format!("fori_loop: the number 300 {U8}"));
    assert_eq!(message(DType::I32, |x| fori_loop(0, u64::MAX, |_, c: Tensor| c, x)), "fori_loop: the number 18446744073709551615 does not fit i64, which holds integers from -9223372036854775808 to 9223372036854775807");
}

#[test]
fn the_message_is_whole() {
    let line = line!() + 1;
    let error = trace::trace_graph(&[Aval::new(DType::U8, [3])], |x| vec![x[0].clip(-1, 300)]).unwrap_err();
    let wanted = format!(
        "clip of u8[3]: the number -1 {U8}\n  at {}:{line}\n  help: convert what it meets: `.cast(DType::I32)`",
        file!()
    );
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn that_fit_mean_the_same_in_every_dtype() -> Result<()> {
    for dtype in DType::ALL.into_iter().filter(|d| *d != DType::Bool && !d.is_complex() && !d.is_storage()) {
        let f = move |x: Tensor| (x.cast(dtype).clip(1, 3.0) + 2u8).cast(DType::F32);
        let y = jit(f).call((Array::from_slice([4], &[0f32, 1., 2., 5.])?,))?;
        assert_eq!(y.to_vec::<f32>()?, [3., 3., 4., 5.], "{dtype}");
    }
    Ok(())
}

#[test]
fn counters_are_as_wide_as_their_bounds() -> Result<()> {
    let sum = |i: Tensor, c: Tensor| c + i.cast(DType::F64);
    let f = jit(move |x: Tensor| {
        (
            fori_loop(3_000_000_000i64, 3_000_000_003i64, sum, x),
            fori_loop(-3_000_000_000i64, -2_999_999_998i64, sum, x),
            fori_loop(0, 3, sum, x),
        )
    });
    let (far, before, near) = f.call((Array::scalar(0f64)?,))?;
    assert_eq!(far.item::<f64>()?, 9_000_000_003.0);
    assert_eq!(before.item::<f64>()?, -5_999_999_999.0);
    assert_eq!(near.item::<f64>()?, 3.0);
    let counter = |to: usize| {
        let f = move |x: Tensor| fori_loop(0, to, |i, _: Tensor| zeros([], i.dtype()).cast(DType::F32), x);
        jit(f).lower(&(Aval::new(DType::F32, []),)).unwrap().text
    };
    assert!(counter(1 << 20).contains("tensor<i32>") && !counter(1 << 20).contains("tensor<i64>"));
    assert!(counter(1 << 40).contains("dense<1099511627776> : tensor<i64>"), "{}", counter(1 << 40));
    // a tensor of i64 as bound
    let g = jit(|n: Tensor| fori_loop(3_000_000_000i64, n, |i, c: Tensor| c + i, zeros([], DType::I64)));
    assert_eq!(g.call((Array::scalar(3_000_000_002i64)?,))?.item::<i64>()?, 6_000_000_001);
    Ok(())
}

#[test]
fn a_bucket_is_filled_with_a_number_that_its_dtype_has() -> Result<()> {
    let f = jit(|x: Tensor, _n: Tensor| x).bucketed(jit::Buckets::new([4])?, Axis::At(0), Axis::At(0)).fill(300);
    let error = f.call((Array::from_slice([2], &[1u8, 2])?,)).unwrap_err().to_string();
    assert!(error.contains(&format!("the number 300 {U8}")), "{error}");
    Ok(())
}
