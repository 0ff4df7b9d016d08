//! The kernels as handlers of custom calls.
use crate::{
    Isa,
    attention::{Number, Operands, Shape, attend},
    dot::{Side, dot},
    format::Format,
    linalg,
    product::{Arithmetic, Few, Matrix, Numbers, Results, Team, product},
};
use half::{bf16, f16};
use raxla_xla::{
    Code, DType, Error, Plugin, Result,
    ffi::{self, Arg, Call, Output},
};
use std::borrow::Cow;

/// The name of [`product`]: operands `[.., k]` and packed matrices, each `[tiles, blocks, bytes]`; a result
/// `[.., n]` for each of them. Attributes: `formats`, their names with commas between them; `outputs`, their `n`; `arithmetic`, the name of
/// an [`Arithmetic`].
pub const PRODUCT: &str = "raxla.product";

/// Makes the kernels known to programs of this plugin. Doing so twice does nothing.
///
/// # Errors
/// What the plugin reports: one without an FFI extension.
pub fn register(plugin: &Plugin) -> Result<()> {
    ffi::register(plugin, PRODUCT, products)?;
    ffi::register(plugin, DOT, dots)?;
    ffi::register(plugin, ATTEND, attends)?;
    linalg::register(plugin)
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, why)
}

/// The numbers of an operand.
fn numbers<'a>(arg: &Arg<'a>) -> Result<Numbers<'a>> {
    match arg.dtype() {
        DType::F32 => Ok(Numbers::F32(arg.as_slice()?)),
        DType::BF16 => Ok(Numbers::BF16(arg.as_slice()?)),
        DType::F16 => Ok(Numbers::F16(arg.as_slice()?)),
        other => Err(bad(format!("kernels take f32, bf16 and f16, not {}", other.name()))),
    }
}
fn wide<'a>(team: &dyn Team, arg: &Arg<'a>) -> Result<Cow<'a, [f32]>> {
    Ok(numbers(arg)?.wide(team))
}

/// Where results go.
fn results<'a>(out: &'a mut Output<'_>) -> Result<Results<'a>> {
    match out.dtype() {
        DType::F32 => Ok(Results::F32(out.as_mut_slice()?)),
        DType::BF16 => Ok(Results::BF16(out.as_mut_slice()?)),
        DType::F16 => Ok(Results::F16(out.as_mut_slice()?)),
        other => Err(bad(format!("kernels give f32, bf16 and f16, not {}", other.name()))),
    }
}

fn products(call: &mut Call) -> Result<()> {
    let (attrs, threads) = (call.attrs, call.threads);
    let formats: Few<Format> = attrs
        .string("formats")?
        .split(',')
        .map(|name| Format::named(name).ok_or_else(|| bad(format!("`{name}` is no format of packed matrices"))))
        .collect::<Result<_>>()?;
    let outputs = attrs.ints("outputs")?;
    let (x, packed) = call.args.split_first().ok_or_else(|| bad("a product has no operands"))?;
    let (k, rows) = match x.dims().split_last() {
        Some((k, rows)) => (*k as usize, rows.iter().product::<i64>() as usize),
        None => return Err(bad("a scalar has no product with a matrix")),
    };
    if [formats.len(), outputs.len(), call.results.len()] != [packed.len(); 3] {
        return Err(bad(format!("{} packed matrices, {} formats", packed.len(), formats.len())));
    }
    let mut matrices = Few::new();
    for ((format, n), arg) in formats.into_iter().zip(&outputs).zip(packed) {
        let matrix = Matrix { format, k, n: *n as usize, packed: arg.as_bytes()? };
        if !matrix.is_whole() {
            return Err(bad(format!("{:?} bytes are no {format:?} matrix of {k} x {n}", arg.dims())));
        }
        matrices.push(matrix);
    }
    let name = attrs.string("arithmetic")?;
    let how = Arithmetic::named(name).ok_or_else(|| bad(format!("`{name}` is no arithmetic")))?;
    // (bf16 are one part of themselves)
    let bf16 = x.dtype() == DType::BF16 && matrices.iter().all(|m| m.format == Format::BF16);
    let how = if bf16 { Arithmetic::Bf16 } else { how };
    let mut outs = Few::new();
    for (result, m) in call.results.iter_mut().zip(&matrices) {
        if result.dims().iter().product::<i64>() as usize != rows * m.n {
            return Err(bad(format!("{:?} results, not {rows} x {}", result.dims(), m.n)));
        }
        outs.push(results(result)?);
    }
    product(Isa::best(), how, &threads, numbers(x)?, rows, &matrices, outs);
    Ok(())
}

/// The name of [`dot`](mod@crate::dot): two operands of bf16, and a result of bf16 or f32, as StableHLO's `dot_general` has them. Attributes:
/// the axes `lhs_batch`, `rhs_batch`, `lhs_contract`, `rhs_contract`.
pub const DOT: &str = "raxla.dot";

/// An operand of a product by its axes.
fn side<'a>(x: &Arg<'a>, batch: Vec<i64>, contract: Vec<i64>) -> Result<Side<'a>> {
    let dims: Vec<usize> = x.dims().iter().map(|d| *d as usize).collect();
    let [batch, contract] =
        [batch, contract].map(|axes| axes.into_iter().map(|axis| axis as usize).collect::<Vec<_>>());
    if batch.iter().chain(&contract).any(|axis| *axis >= dims.len()) {
        return Err(bad(format!("no axes {batch:?} and {contract:?} in {dims:?}")));
    }
    let free: Vec<usize> = (0..dims.len()).filter(|axis| !batch.contains(axis) && !contract.contains(axis)).collect();
    Ok(Side::new(x.as_slice::<bf16>()?, &dims, &batch, &free, &contract))
}

fn dots(call: &mut Call) -> Result<()> {
    let (attrs, threads) = (call.attrs, call.threads);
    let ([a, b], [result]) = (&call.args[..], &mut call.results[..]) else {
        return Err(bad("a product has two operands and one result"));
    };
    let a = side(a, attrs.ints("lhs_batch")?, attrs.ints("lhs_contract")?)?;
    let b = side(b, attrs.ints("rhs_batch")?, attrs.ints("rhs_contract")?)?;
    let want = a.batch.len() * a.outer.len() * b.outer.len();
    let fits = a.batch.len() == b.batch.len() && a.inner.len() == b.inner.len();
    if !fits || result.dims().iter().product::<i64>() as usize != want {
        return Err(bad("operands and result of a product that do not fit together"));
    }
    if !crate::dot::is_there() {
        return Err(bad("this processor has no products of bf16: compile the program here"));
    }
    dot(&threads, &a, &b, results(result)?);
    Ok(())
}

/// The name of [`attend`]: operands `q` `[.., t, heads, key]`, new `k` and `v`, `[.., t, kv_heads, key or
/// value]`, caches `[.., slots, kv_heads, key or value]` (of i8 with [`Number::ROOM`]), `starts` i32 `[..]` and perhaps `sinks` `[heads]`; results `[.., t, heads,
/// value]` and the caches with the new positions, in the operands' memory. Attributes: `scale`, `soft_cap` (0: none), `window`, `ring`.
pub const ATTEND: &str = "raxla.attend";

fn attends(call: &mut Call) -> Result<()> {
    match call.args.get(3).map(Arg::dtype) {
        Some(DType::F32) => attends_to::<f32>(call),
        Some(DType::BF16) => attends_to::<bf16>(call),
        Some(DType::F16) => attends_to::<f16>(call),
        Some(DType::I8) => attends_to::<i8>(call),
        _ => Err(bad("caches are f32, bf16, f16 or i8")),
    }
}

/// The last three sizes, and how often they occur.
fn tail(dims: &[i64]) -> Result<(usize, [usize; 3])> {
    let (rows, tail) = dims.split_at_checked(dims.len().wrapping_sub(3)).ok_or_else(|| bad("too few axes"))?;
    let of = |i: usize| tail.get(i).map_or(0, |d| *d as usize);
    Ok((rows.iter().product::<i64>() as usize, [of(0), of(1), of(2)]))
}

fn attends_to<N: Number + ffi::Element>(call: &mut Call) -> Result<()> {
    let (attrs, threads) = (call.attrs, call.threads);
    let [q, k, v, k_cache, v_cache, starts, sinks @ ..] = &call.args[..] else { return Err(bad("too few operands")) };
    let [out, k_out, v_out] = &mut call.results[..] else { return Err(bad("three results are needed")) };
    let (rows, [queries, heads, key]) = tail(q.dims())?;
    let (_, [slots, kv_heads, _]) = tail(k_cache.dims())?;
    let (_, [_, _, value]) = tail(v.dims())?;
    let window = usize::try_from(attrs.int("window")?).unwrap_or(usize::MAX >> 1);
    let shape = Shape {
        rows,
        queries,
        heads,
        kv_heads,
        key,
        value,
        slots,
        ring: attrs.bool("ring")?,
        scale: attrs.float("scale")? as f32,
        soft_cap: attrs.float("soft_cap")? as f32,
        window: window.min(usize::MAX >> 1),
    };
    let starts = starts.as_slice::<i32>()?;
    let of = |n: usize| move |(heads, size): (usize, usize)| rows * n * heads * size;
    let (new, old) = (of(queries), of(slots));
    let sizes = [
        (k.dims(), new((kv_heads, key))),
        (v.dims(), new((kv_heads, value))),
        (k_cache.dims(), old((kv_heads, key + N::ROOM))),
        (v_cache.dims(), old((kv_heads, value + N::ROOM))),
        (out.dims(), new((heads, value))),
    ];
    let wrong = sizes.iter().find(|(dims, n)| dims.iter().product::<i64>() as usize != *n);
    if wrong.is_some() || starts.len() != rows || kv_heads == 0 || !heads.is_multiple_of(kv_heads) || queries > slots {
        return Err(bad(format!("sizes that do not fit together: {shape:?}")));
    }
    for (new, cache, out, size) in [(k, k_cache, &mut *k_out, key), (v, v_cache, &mut *v_out, value)] {
        let to = out.as_mut_slice::<N>()?;
        if cache.in_place().is_none() {
            to.copy_from_slice(cache.as_slice::<N>()?);
        }
        let new = wide(&threads, new)?;
        for (row, start) in starts.iter().enumerate() {
            for t in 0..queries {
                // (as dynamic updates are: moved to where there is room)
                let slot = match shape.ring {
                    true => (*start as i64 + t as i64).rem_euclid(slots as i64) as usize,
                    false => (*start).clamp(0, (slots - queries) as i32) as usize + t,
                };
                for head in 0..kv_heads {
                    let from = &new[((row * queries + t) * kv_heads + head) * size..][..size];
                    let held = size + N::ROOM;
                    N::write(from, &mut to[((row * slots + slot) * kv_heads + head) * held..][..held]);
                }
            }
        }
    }
    let sinks = sinks.first().map(|sinks| wide(&threads, sinks)).transpose()?.unwrap_or_default();
    let (q, mut made) = (wide(&threads, q)?, vec![]);
    let operands =
        Operands { q: &q, k: k_out.as_mut_slice::<N>()?, v: v_out.as_mut_slice::<N>()?, starts, sinks: &sinks };
    let n = out.dims().iter().product::<i64>() as usize;
    match results(out)? {
        Results::F32(y) => attend(Isa::best(), &threads, shape, operands, y),
        other => {
            made.resize(n, 0.0);
            attend(Isa::best(), &threads, shape, operands, &mut made);
            // SAFETY: there are as many, and only this thread writes them.
            unsafe { other.shared().1.write(0, n, &made, n, n) };
        }
    }
    Ok(())
}
