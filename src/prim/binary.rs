//! Elementwise operations of two and three operands of one shape. Operators with broadcasting are in `ops`.
use super::special::{no_derivative, reference};
use super::*;
use crate::{host::Both, trace::bind1};
use num_complex::Complex64;

/// Apply a function of two floats, of two integers, or of two complex numbers, element by element.
fn map2(
    x: &[Host],
    y: DType,
    float: impl Fn(f64, f64) -> f64,
    int: impl Fn(i128, i128) -> i128,
    complex: fn(Complex64, Complex64) -> Complex64,
) -> Host {
    let dims = x[0].dims().to_vec();
    match x[0].beside(&x[1]) {
        Both::Float(a, b) => Host::floats(y, dims, a.iter().zip(b).map(|(a, b)| float(*a, *b)).collect()),
        Both::Int(a, b) => Host::ints(y, dims, a.iter().zip(b).map(|(a, b)| int(*a, *b)).collect()),
        Both::Complex(a, b) => Host::complex(y, dims, a.iter().zip(b).map(|(a, b)| complex(*a, *b)).collect()),
    }
}

fn no_ints(a: i128, _: i128, _: DType) -> i128 {
    unary::no_int(a)
}
/// The meaning on complex numbers of operations that have none.
pub(super) fn no_complex(_: Complex64, _: Complex64) -> Complex64 {
    panic!("the type rule admits no complex numbers")
}

/// One block per operation: documentation, function, StableHLO name, kind of operands, meaning on floats, on integers
/// (with the dtype) and on complex numbers, the tangent of the left operand's tangent `d` and of the right one's, and how it is folded.
macro_rules! binary {
    ($(#[$doc:meta])* $P:ident, $f:ident, $hlo:literal, $kind:expr, $float:expr, $int:expr, $complex:expr,
     |$x:ident, $y:ident, $z:ident, $d:ident| ($left:expr, $right:expr) $(, transpose |$ct:ident, $op:ident| $tr:expr)?
     $(, fold |$me:ident, $known:ident| $fold:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Hash)]
        pub struct $P;
        $(#[$doc])*
        ///
        /// Operands of one shape and dtype; the operators and methods of `Tensor` broadcast.
        #[track_caller]
        pub fn $f(x: Tensor, y: Tensor) -> Tensor {
            bind1($P, &[x, y])
        }
        impl Primitive for $P {
            fn name(&self) -> &'static str {
                stringify!($f)
            }
            fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
                same_types(x)?;
                let (ok, kind): (fn(DType) -> bool, &str) = $kind;
                require(&x[0], ok, kind)?;
                Ok(vec![x[0].clone()])
            }
            fn eval(&self, x: &[Host]) -> Vec<Host> {
                let dtype = x[0].dtype();
                let int: fn(i128, i128, DType) -> i128 = $int;
                vec![map2(x, dtype, $float, |a, b| int(a, b, dtype), $complex)]
            }
            fn jvp(&self, x: &[Tensor], z: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
                type Rule = fn(Tensor, Tensor, Tensor, Tensor) -> Option<Tensor>;
                #[allow(unused_variables)]
                let rules: [Rule; 2] = [|$x, $y, $z, $d| $left, |$x, $y, $z, $d| $right];
                let part = |i: usize| dx[i].and_then(|d| rules[i](x[0], x[1], z[0], d));
                vec![add_opt(part(0), part(1))]
            }
            $(fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
                let Some($ct) = ct[0] else { return vec![None; 2] };
                let $op = x;
                $tr
            })?
            fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
                let x = spread(n, x, mapped);
                vec![$f(x[0], x[1])]
            }
            fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
                vec![cx.op($hlo, x, "", &y[0])]
            }
            $(fn fold(&self, $known: &Splats) -> Option<Known> {
                let $me = self;
                $fold
            })?
        }
    };
}
const FLOAT: (fn(DType) -> bool, &str) = (is_float, "a float");
const NUMBER: (fn(DType) -> bool, &str) = (is_number, "a number");
const ORDERED_NUMBER: (fn(DType) -> bool, &str) = (is_real, "a number with an order");
const INEXACT: (fn(DType) -> bool, &str) = (is_inexact, "a float or complex number");
const ORDERED: (fn(DType) -> bool, &str) = (is_ordered, "an ordered type");
const BITS: (fn(DType) -> bool, &str) = (is_int_or_bool, "an integer or bool");
const INT: (fn(DType) -> bool, &str) = (DType::is_int, "an integer");

/// A linear operand's share of a cotangent.
fn if_linear(x: &Operand, f: impl FnOnce() -> Tensor) -> Option<Tensor> {
    x.is_linear().then(f)
}

binary!(/** x + y */ Add, add, "add", NUMBER, |a, b| a + b, |a, b, _| a + b, |a, b| a + b, |x, y, z, d| (Some(d), Some(d)),
    transpose |ct, x| vec![if_linear(&x[0], || ct), if_linear(&x[1], || ct)],
    // (0 + -0 is 0: only -0 changes nothing)
    fold |add, x| exact(add, x).or_else(|| other_beside(x, -0.0)));
binary!(/** x - y */ Sub, sub, "subtract", NUMBER, |a, b| a - b, |a, b, _| a - b, |a, b| a - b, |x, y, z, d| (Some(d), Some(d.neg())),
    transpose |ct, x| vec![if_linear(&x[0], || ct), if_linear(&x[1], || ct.neg())],
    fold |sub, x| exact(sub, x).or_else(|| left_beside(x, 0.0)));
binary!(/** x · y */ Mul, mul, "multiply", NUMBER, |a, b| a * b, |a, b, _| a.wrapping_mul(b), |a, b| a * b,
    |x, y, z, d| (Some(mul(d, y)), Some(mul(x, d))),
    transpose |ct, x| vec![if_linear(&x[0], || mul(ct, x[1].known())), if_linear(&x[1], || mul(x[0].known(), ct))],
    fold |mul, x| exact(mul, x).or_else(|| other_beside(x, 1.0)).or_else(|| absorbing(x, 0.0)));
binary!(/** x / y. Integers round towards zero; division by zero gives all one bits. */
    Div, div, "divide", NUMBER, |a, b| a / b, |a, b, _| if b == 0 { -1 } else { a / b }, |a, b| a / b,
    |x, y, z, d| (Some(div(d, y)), Some(mul(d, div(z, y)).neg())),
    transpose |ct, x| vec![Some(div(ct, x[1].known())), None],
    // (accelerators may divide floats with another rounding)
    fold |div, x| exact_int(div, x).or_else(|| left_beside(x, 1.0)));
binary!(/** Remainder of x / y with the sign of x; modulo 0 an integer stays as it is. */
    Rem, rem, "remainder", ORDERED_NUMBER, |a, b| a % b, |a, b, _| if b == 0 { a } else { a % b }, no_complex,
    |x, y, z, d| (Some(d), Some(mul(d, mul(div(x, y).sign(), div(x, y).abs().floor())).neg())),
    fold |rem, x| exact_int(rem, x));
binary!(/** xʸ for floats and complex numbers. */ Pow, pow, "power", INEXACT, f64::powf, no_ints, Complex64::powc,
    |x, y, z, d| (Some(d * select(y.eq(0.0), zeros_of(&y.aval()), mul(y, pow(x, select(y.eq(0.0), ones_like(y), y - 1.0))))),
                  Some(d * mul(select(x.eq(0.0), ones_like(x), x).log(), z))));
binary!(/** The angle of the point (y, x), in radians: `atan2(y, x)`. */ Atan2, atan2, "atan2", FLOAT, f64::atan2,
    no_ints, no_complex,
    |x, y, z, d| (Some(d * div(y, x * x + y * y)), Some((d * div(x, x * x + y * y)).neg())));
binary!(/** The derivative of order m of digamma(x), for whole m; of order 0, digamma itself. It has no derivative by m.
    JAX: `lax.polygamma`. */ Polygamma, polygamma, "chlo.polygamma", FLOAT, reference::polygamma, no_ints, no_complex,
    |m, x, z, d| (no_derivative("polygamma", m, "its order"), Some(mul(d, polygamma(m + 1.0, x)))));
binary!(/** Hurwitz zeta function Σ (q + k)^-x over k from 0, for x > 1. It has no derivative by x. JAX: `lax.zeta`. */
    Zeta, zeta, "chlo.zeta", FLOAT, reference::zeta, no_ints, no_complex,
    |x, q, z, d| (no_derivative("zeta", x, "its exponent"), Some((d * mul(x, zeta(x + 1.0, q))).neg())));
binary!(/** The larger of x and y; NaN if one is. At a tie the tangent is the mean of both. */
    Max, max, "maximum", ORDERED, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }, |a, b, _| a.max(b), no_complex,
    |x, y, z, d| (Some(d * share(x, y, z)), Some(d * share(y, x, z))), fold |max, x| exact_order(max, x));
binary!(/** The smaller of x and y; NaN if one is. At a tie the tangent is the mean of both. */
    Min, min, "minimum", ORDERED, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }, |a, b, _| a.min(b), no_complex,
    |x, y, z, d| (Some(d * share(x, y, z)), Some(d * share(y, x, z))), fold |min, x| exact_order(min, x));
binary!(/** Bitwise and; on bools, logical. */ And, and, "and", BITS, |a, _| a, |a, b, _| a & b, no_complex, |x, y, z, d| (None, None),
    fold |and, x| exact(and, x).or_else(|| other_beside(x, -1.0)).or_else(|| absorbing(x, 0.0)));
binary!(/** Bitwise or; on bools, logical. */ Or, or, "or", BITS, |a, _| a, |a, b, _| a | b, no_complex, |x, y, z, d| (None, None),
    fold |or, x| exact(or, x).or_else(|| other_beside(x, 0.0)).or_else(|| absorbing(x, -1.0)));
binary!(/** Bitwise exclusive or; on bools, logical. */ Xor, xor, "xor", BITS, |a, _| a, |a, b, _| a ^ b, no_complex, |x, y, z, d| (None, None),
    fold |xor, x| exact(xor, x).or_else(|| other_beside(x, 0.0)));
binary!(/** x shifted left by y bits; by the width or more, 0. */ ShiftLeft, shift_left, "shift_left", INT, |a, _| a,
    |a, b, t| if too_far(b, t) { 0 } else { a << b }, no_complex, |x, y, z, d| (None, None),
    fold |shift, x| exact(shift, x).or_else(|| left_beside(x, 0.0)));
binary!(/** x shifted right by y bits, filled with the sign; by the width or more, all sign. */
    ShiftRightArithmetic, shift_right_arithmetic, "shift_right_arithmetic", INT, |a, _| a,
    |a, b, t| crate::host::wrap(t, sign_extend(a, t) >> if too_far(b, t) { t.bits() as i128 - 1 } else { b }), no_complex,
    |x, y, z, d| (None, None), fold |shift, x| exact(shift, x).or_else(|| left_beside(x, 0.0)));
binary!(/** x shifted right by y bits, filled with zeros; by the width or more, 0. */
    ShiftRightLogical, shift_right_logical, "shift_right_logical", INT, |a, _| a,
    |a, b, t| if too_far(b, t) { 0 } else { (a & ((1i128 << t.bits()) - 1)) >> b }, no_complex, |x, y, z, d| (None, None),
    fold |shift, x| exact(shift, x).or_else(|| left_beside(x, 0.0)));

fn too_far(by: i128, t: DType) -> bool {
    by < 0 || by >= t.bits() as i128
}
/// The value whose top bit, if set, counts as a sign: what an arithmetic shift of an unsigned integer looks at.
fn sign_extend(a: i128, t: DType) -> i128 {
    let bits = t.bits() as u32;
    let low = a & ((1i128 << bits) - 1);
    if low >> (bits - 1) == 1 { low - (1i128 << bits) } else { low }
}
fn ones_like(x: Tensor) -> Tensor {
    full(x.dims(), x.dtype(), 1.0)
}
/// The derivative of max(x, y) = z (or min) in x: 1, 0, or one half at a tie.
fn share(x: Tensor, y: Tensor, z: Tensor) -> Tensor {
    let chosen = x.eq(z).cast(z.dtype());
    let tie = y.eq(z).cast(z.dtype());
    chosen / (tie + 1.0)
}

/// Which comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Direction {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}
/// Elementwise comparison; gives bools. Every comparison with NaN is false, but `Ne`.
#[derive(Debug, PartialEq, Hash)]
pub struct Compare(pub Direction);
/// Compare operands of one shape and dtype; the methods of `Tensor` (`lt`, `ge`, ...) broadcast.
#[track_caller]
pub fn compare(direction: Direction, x: Tensor, y: Tensor) -> Tensor {
    bind1(Compare(direction), &[x, y])
}
impl Primitive for Compare {
    fn name(&self) -> &'static str {
        match self.0 {
            Direction::Eq => "eq",
            Direction::Ne => "ne",
            Direction::Lt => "lt",
            Direction::Le => "le",
            Direction::Gt => "gt",
            Direction::Ge => "ge",
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        same_types(x)?;
        if !matches!(self.0, Direction::Eq | Direction::Ne) {
            require(&x[0], ORDERED.0, ORDERED.1)?;
        }
        Ok(vec![x[0].with_dtype(DType::Bool)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        fn holds<T: PartialOrd>(d: Direction, a: T, b: T) -> i128 {
            (match d {
                Direction::Eq => a == b,
                Direction::Ne => a != b,
                Direction::Lt => a < b,
                Direction::Le => a <= b,
                Direction::Gt => a > b,
                Direction::Ge => a >= b,
            }) as i128
        }
        let v = match x[0].beside(&x[1]) {
            Both::Float(a, b) => a.iter().zip(b).map(|(a, b)| holds(self.0, a, b)).collect(),
            Both::Int(a, b) => a.iter().zip(b).map(|(a, b)| holds(self.0, a, b)).collect(),
            // (the type rule admits these two comparisons only)
            Both::Complex(a, b) => {
                let equal = self.0 == Direction::Eq;
                a.iter().zip(b).map(|(a, b)| ((a == b) == equal) as i128).collect()
            }
        };
        vec![Host::ints(DType::Bool, x[0].dims(), v)]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![None]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let x = spread(n, x, mapped);
        vec![compare(self.0, x[0], x[1])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let kind = match x[0].aval.dtype {
            d if d.is_inexact() => "FLOAT",
            d if d.is_signed() => "SIGNED",
            _ => "UNSIGNED",
        };
        let direction = self.name().to_uppercase();
        let attrs = format!(
            "comparison_direction = #stablehlo<comparison_direction {direction}>, compare_type = #stablehlo<comparison_type {kind}>"
        );
        vec![cx.op("compare", x, &attrs, &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        exact(self, x)
    }
}

/// Elementwise choice: `yes` where the condition holds, else `no`.
#[derive(Debug, PartialEq, Hash)]
pub struct Select;
/// `yes` where `condition` (bools of the same shape) holds, else `no`. `where_` broadcasts.
#[track_caller]
pub fn select(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor {
    bind1(Select, &[condition, yes, no])
}
impl Primitive for Select {
    fn name(&self) -> &'static str {
        "select"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        require(&x[0], |d| d == DType::Bool, "a bool")?;
        same_types(&x[1..])?;
        if x[0].dims != x[1].dims {
            return Err("the condition's shape differs from the values'".into());
        }
        Ok(vec![x[1].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let (chosen, n) = (x[0].to_ints(), x[1].aval().size());
        let both = Host::joined(x[1].dtype(), &x[1..]);
        vec![both.pick(x[1].dims(), |i| if chosen[i] != 0 { i } else { n + i })]
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let zero = zeros_of(&y[0].aval());
        vec![Some(select(x[0], dx[1].unwrap_or(zero), dx[2].unwrap_or(zero)))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let Some(ct) = ct[0] else { return vec![None; 3] };
        let (c, zero) = (x[0].known(), zeros_of(&ct.aval()));
        vec![None, if_linear(&x[1], || select(c, ct, zero)), if_linear(&x[2], || select(c, zero, ct))]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let x = spread(n, x, mapped);
        vec![select(x[0], x[1], x[2])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("select", x, "", &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        let chosen = if is(x[0]?, 0.0) { 2 } else { 1 };
        x[chosen].map(|h| Known::Splat(h.clone())).or(Some(Known::Operand(chosen)))
    }
}

/// Elementwise min(max(x, low), high).
#[derive(Debug, PartialEq, Hash)]
pub struct Clamp;
/// Each element of `x` limited to `[low, high]`; all of one shape and dtype. [`Tensor::clip`] broadcasts.
///
/// The tangent passes strictly inside the bounds only, as in JAX.
#[track_caller]
pub fn clamp(low: Tensor, x: Tensor, high: Tensor) -> Tensor {
    bind1(Clamp, &[low, x, high])
}
impl Primitive for Clamp {
    fn name(&self) -> &'static str {
        "clamp"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        same_types(x)?;
        require(&x[1], ORDERED.0, ORDERED.1)?;
        Ok(vec![x[1].clone()])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let low = Max.eval(&x[..2]).swap_remove(0);
        Min.eval(&[low, x[2].clone()])
    }
    fn jvp(&self, x: &[Tensor], y: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let (low, x, high) = (x[0], x[1], x[2]);
        let zero = zeros_of(&y[0].aval());
        let part = |mask: Tensor, d: Option<Tensor>| d.map(|d| select(mask, d, zero));
        let from_low = part(and(compare(Direction::Gt, low, x), compare(Direction::Lt, low, high)), dx[0]);
        let inside = part(and(compare(Direction::Gt, x, low), compare(Direction::Lt, x, high)), dx[1]);
        // (also where the bounds are in the wrong order)
        let from_high = part(compare(Direction::Lt, high, max(x, low)), dx[2]);
        vec![add_opt(add_opt(from_low, inside), from_high)]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let x = spread(n, x, mapped);
        vec![clamp(x[0], x[1], x[2])]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        vec![cx.op("clamp", x, "", &y[0])]
    }
    fn fold(&self, x: &Splats) -> Option<Known> {
        exact_int(self, x)
    }
}

/// Cases of a binary operation with operands in these ranges.
fn cases(dtype: DType, x: (f64, f64), y: (f64, f64), f: fn(Tensor, Tensor) -> Tensor) -> Vec<Case> {
    let pair = |dims: &[usize], s| vec![sample_in(dtype, dims, s, x.0, x.1), sample_in(dtype, dims, s + 40, y.0, y.1)];
    let apply = move |x: &[Tensor]| vec![f(x[0], x[1])];
    let shapes: [(&str, &[usize]); 4] = [("values", &[3, 4]), ("scalar", &[]), ("one", &[1, 1]), ("empty", &[0, 2])];
    let mut cases: Vec<Case> = shapes.iter().map(|(label, dims)| Case::new(*label, pair(dims, 1), apply)).collect();
    if matches!(dtype, DType::F32 | DType::F64) {
        let s = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.5, -2.0];
        let (a, b) = s.iter().flat_map(|a| s.iter().map(move |b| (*a, *b))).unzip();
        let special = vec![Host::floats(dtype, [49], a), Host::floats(dtype, [49], b)];
        cases.push(Case::new("special", special, apply).wrt([]));
    }
    if dtype.is_int() {
        let (low, high) = crate::host::int_range(dtype);
        let s = [low, low + 1, 0, 1, 2, high - 1, high];
        let (a, b) = s.iter().flat_map(|a| s.iter().map(move |b| (*a, *b))).unzip();
        cases.push(Case::new("extremes", vec![Host::ints(dtype, [49], a), Host::ints(dtype, [49], b)], apply));
    }
    cases
}
fn regular(dtype: DType, x: (f64, f64), f: fn(Tensor, Tensor) -> Tensor) -> Vec<Case> {
    let regular = cases(dtype, x, (0.5, 4.0), f).into_iter().filter(|case| case.label != "special");
    // (by the first operand there is no derivative)
    regular.map(|case| case.wrt([1])).collect()
}
macro_rules! rows {
    ($($name:literal, $kind:expr, $x:expr, $y:expr, $f:expr;)*) => {
        &[$(Row { name: $name, dtypes: $kind, cases: |d| cases(d, $x, $y, $f) },)*
          // (without special values: XLA's series are others at poles)
          Row { name: "polygamma", dtypes: is_float, cases: |d| regular(d, (1.0, 1.0), polygamma) },
          Row { name: "zeta", dtypes: is_float, cases: |d| regular(d, (1.5, 4.0), zeta) },
          Row { name: "select", dtypes: any_dtype, cases: select_cases },
          Row { name: "clamp", dtypes: is_ordered, cases: clamp_cases }]
    };
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = rows![
    "add", is_number, (-3.0, 3.0), (-3.0, 3.0), add;
    "sub", is_number, (-3.0, 3.0), (-3.0, 3.0), sub;
    "mul", is_number, (-3.0, 3.0), (-3.0, 3.0), mul;
    "div", is_number, (-3.0, 3.0), (0.5, 3.0), div;
    "rem", is_real, (-9.0, 9.0), (1.0, 4.0), rem;
    "pow", is_inexact, (0.3, 3.0), (-2.0, 2.0), pow;
    "atan2", is_float, (-3.0, 3.0), (0.5, 3.0), atan2;
    "max", is_ordered, (-3.0, 3.0), (-3.0, 3.0), max;
    "min", is_ordered, (-3.0, 3.0), (-3.0, 3.0), min;
    "and", is_int_or_bool, (-9.0, 9.0), (-9.0, 9.0), and;
    "or", is_int_or_bool, (-9.0, 9.0), (-9.0, 9.0), or;
    "xor", is_int_or_bool, (-9.0, 9.0), (-9.0, 9.0), xor;
    "shift_left", INT.0, (-9.0, 9.0), (0.0, 5.0), shift_left;
    "shift_right_arithmetic", INT.0, (-9.0, 9.0), (0.0, 5.0), shift_right_arithmetic;
    "shift_right_logical", INT.0, (-9.0, 9.0), (0.0, 5.0), shift_right_logical;
    "eq", any_dtype, (-2.0, 2.0), (-2.0, 2.0), |x, y| compare(Direction::Eq, x, y);
    "ne", any_dtype, (-2.0, 2.0), (-2.0, 2.0), |x, y| compare(Direction::Ne, x, y);
    "lt", is_ordered, (-2.0, 2.0), (-2.0, 2.0), |x, y| compare(Direction::Lt, x, y);
    "le", is_ordered, (-2.0, 2.0), (-2.0, 2.0), |x, y| compare(Direction::Le, x, y);
    "gt", is_ordered, (-2.0, 2.0), (-2.0, 2.0), |x, y| compare(Direction::Gt, x, y);
    "ge", is_ordered, (-2.0, 2.0), (-2.0, 2.0), |x, y| compare(Direction::Ge, x, y);
];
fn select_cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize]| {
        let x = vec![sample(DType::Bool, dims, 1), sample(d, dims, 2), sample(d, dims, 3)];
        Case::new(label, x, |x| vec![select(x[0], x[1], x[2])])
    };
    vec![case("values", &[3, 4]), case("scalar", &[]), case("empty", &[0, 2])]
}
fn clamp_cases(d: DType) -> Vec<Case> {
    let low = sample_in(d, &[3, 4], 1, -2.0, -0.5);
    let high = sample_in(d, &[3, 4], 3, 0.5, 2.0);
    let x = sample_in(d, &[3, 4], 2, -3.0, 3.0);
    let apply = |x: &[Tensor]| vec![clamp(x[0], x[1], x[2])];
    vec![
        Case::new("values", vec![low.clone(), x.clone(), high.clone()], apply),
        Case::new("bounds in the wrong order", vec![high, x, low], apply),
        Case::new("scalar", (1..4).map(|seed| sample(d, &[], seed)).collect(), apply),
        Case::new("empty", vec![sample(d, &[0, 2], 1); 3], apply),
    ]
}
