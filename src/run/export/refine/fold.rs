//! Integers that sizes are computed of.
use super::{
    bytecode::{Module, Result, Value},
    known::{self, Known, Tensor, code},
};
use std::{ops::RangeInclusive, rc::Rc};

/// What is known of an operation's result; `types` are its results'.
pub(super) fn fold(
    module: &Module,
    name: &str,
    attrs: &[usize],
    operands: &[Value],
    known: &[Known],
    types: &[usize],
) -> Result<Option<Known>> {
    let [ty] = types[..] else { return Ok(None) };
    let Some(result) = known::tensor(module, ty)? else { return Ok(None) };
    let kind = module.ty(result.element)?.number()?;
    const INTEGERS: [u64; 7] = [code::BOOL, code::I8, code::U8, code::I32, code::U32, code::I64, code::U64];
    if !INTEGERS.contains(&kind) || result.is_open() || result.count() > known::MOST {
        return Ok(None);
    }
    if name == "constant" {
        let value = attrs.first().ok_or("a constant has no value")?;
        return Ok(known::numbers(module, *value)?.map(|numbers| of(ty, numbers)));
    }
    if name == "get_dimension_size" {
        let operand = operands.first().map(|value| known::tensor(module, known[*value].ty)).transpose()?.flatten();
        let axis = known::integer(module, *attrs.first().ok_or("a size is of no axis")?)?;
        let size = operand.and_then(|operand| operand.dims.get(usize::try_from(axis).ok()?).copied());
        return Ok(size.map(|size| of(ty, vec![size])));
    }
    let all: Option<Vec<&[i64]>> =
        operands.iter().map(|value| known[*value].numbers.as_deref().map(Vec::as_slice)).collect();
    let Some(all) = all else {
        return Ok(if name == "add" { plus(ty, operands, known) } else { None });
    };
    let numbers = computed(module, name, attrs, &all, &result, kind == code::BOOL)?;
    // (of numbers that the type cannot hold, nothing is known: sizes are never so)
    let whole =
        |numbers: &Vec<i64>| numbers.len() as i64 == result.count() && numbers.iter().all(|n| held(kind).contains(n));
    Ok(numbers.filter(whole).map(|numbers| of(ty, numbers)))
}

/// The numbers that a type of integers holds, as far as they are such of 64 bits with a sign.
fn held(kind: u64) -> RangeInclusive<i64> {
    match kind {
        code::BOOL => 0..=1,
        code::I8 => i8::MIN.into()..=i8::MAX.into(),
        code::U8 => 0..=u8::MAX.into(),
        code::I32 => i32::MIN.into()..=i32::MAX.into(),
        code::U32 => 0..=u32::MAX.into(),
        code::U64 => 0..=i64::MAX,
        _ => i64::MIN..=i64::MAX,
    }
}

fn of(ty: usize, numbers: Vec<i64>) -> Known {
    Known { numbers: Some(Rc::new(numbers)), ..Known::of(ty) }
}
/// A value that is another one and numbers.
fn plus(ty: usize, operands: &[Value], known: &[Known]) -> Option<Known> {
    let [a, b] = operands[..] else { return None };
    let (value, numbers) = match (&known[a].numbers, &known[b].numbers) {
        (Some(numbers), None) => (b, numbers),
        (None, Some(numbers)) => (a, numbers),
        _ => return None,
    };
    Some(Known { plus: Some((value, numbers.clone())), ..Known::of(ty) })
}

/// The elements of the result, of those of the operands.
fn computed(
    module: &Module,
    name: &str,
    attrs: &[usize],
    all: &[&[i64]],
    result: &Tensor,
    truth: bool,
) -> Result<Option<Vec<i64>>> {
    let one = |f: &dyn Fn(i64) -> i64| all.first().map(|x| x.iter().map(|x| f(*x)).collect::<Vec<_>>());
    let two = |f: &dyn Fn(i64, i64) -> i64| match all {
        [a, b] if a.len() == b.len() => Some(a.iter().zip(*b).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>()),
        _ => None,
    };
    Ok(match name {
        "add" => two(&i64::wrapping_add),
        "subtract" => two(&i64::wrapping_sub),
        "multiply" => two(&i64::wrapping_mul),
        "minimum" => two(&i64::min),
        "maximum" => two(&i64::max),
        "and" => two(&|a, b| a & b),
        "or" => two(&|a, b| a | b),
        "xor" => two(&|a, b| a ^ b),
        "divide" | "remainder" if all.get(1).is_some_and(|b| b.contains(&0)) => None,
        "divide" => two(&i64::wrapping_div),
        "remainder" => two(&i64::wrapping_rem),
        "not" => one(&|x| if truth { i64::from(x == 0) } else { !x }),
        "negate" => one(&i64::wrapping_neg),
        "abs" => one(&i64::wrapping_abs),
        "sign" => one(&i64::signum),
        "convert" if truth => one(&|x| i64::from(x != 0)),
        "convert" | "reshape" => one(&|x| x),
        "compare" => {
            let mut direction = module.attr(*attrs.get(1).ok_or("a comparison has no direction")?)?;
            direction.number()?;
            let holds: fn(&i64, &i64) -> bool = match direction.number()? {
                0 => i64::eq,
                1 => i64::ne,
                2 => i64::ge,
                3 => i64::gt,
                4 => i64::le,
                5 => i64::lt,
                _ => return Ok(None),
            };
            two(&|a, b| i64::from(holds(&a, &b)))
        }
        "select" => match all {
            [p, a, b] if a.len() == b.len() && (p.len() == a.len() || p.len() == 1) => {
                let choose = |i: usize| if p[if p.len() == 1 { 0 } else { i }] != 0 { a[i] } else { b[i] };
                Some((0..a.len()).map(choose).collect())
            }
            _ => None,
        },
        "clamp" => match all {
            [low, x, high] => {
                let at = |list: &[i64], i: usize| list.get(if list.len() == 1 { 0 } else { i }).copied();
                (0..x.len()).map(|i| Some(x[i].max(at(low, i)?).min(at(high, i)?))).collect()
            }
            _ => None,
        },
        // (rows behind rows)
        "concatenate" if attrs.first().is_some_and(|attr| known::integer(module, *attr) == Ok(0)) => Some(all.concat()),
        "broadcast_in_dim" if all.first().is_some_and(|x| x.len() == 1) => {
            one(&|x| x).map(|x| vec![x[0]; result.count() as usize])
        }
        "broadcast_in_dim" if result.dims.len() == 1 => one(&|x| x),
        "slice" if result.dims.len() == 1 => {
            let [limit, start, stride] =
                [0, 1, 2].map(|i| known::list(module, attrs, i).map(|list| list.first().copied()));
            let (Some(limit), Some(start), Some(stride)) = (limit?, start?, stride?) else { return Ok(None) };
            let places = (start..limit).step_by(usize::try_from(stride).unwrap_or(1).max(1));
            places.map(|i| all[0].get(usize::try_from(i).ok()?).copied()).collect()
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_hold_what_their_bits_do() {
        for (kind, least, most) in [
            (code::BOOL, 0, 1),
            (code::I8, -128, 127),
            (code::U8, 0, 255),
            (code::I32, -(1 << 31), (1 << 31) - 1),
            (code::U32, 0, (1 << 32) - 1),
            (code::I64, i64::MIN, i64::MAX),
            (code::U64, 0, i64::MAX),
        ] {
            assert_eq!(held(kind), least..=most, "{kind}");
        }
    }
}
