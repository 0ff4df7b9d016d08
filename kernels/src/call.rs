//! The kernels as handlers of custom calls.
use crate::{
    Isa,
    format::Format,
    product::{Matrix, product},
};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use raxla_xla::{
    Code, DType, Error, Plugin, Result,
    ffi::{self, Arg, Call, Output},
};
use std::borrow::Cow;

/// The name of [`product`](crate::product::product): operands `[.., k]` and packed matrices, each `[tiles, blocks, bytes]`; a result
/// `[.., n]` for each of them. Attributes: `formats`, their names with commas between them; `outputs`, their `n`.
pub const PRODUCT: &str = "raxla.product";

/// Makes the kernels known to programs of this plugin. Doing so twice does nothing.
///
/// # Errors
/// What the plugin reports: one without an FFI extension.
pub fn register(plugin: &Plugin) -> Result<()> {
    ffi::register(plugin, PRODUCT, products)
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, why)
}

/// Numbers of f32, bf16 or f16 as f32.
fn wide<'a>(arg: &Arg<'a>) -> Result<Cow<'a, [f32]>> {
    fn widened(n: usize, convert: impl FnOnce(&mut [f32])) -> Cow<'static, [f32]> {
        let mut out = vec![0.0; n];
        convert(&mut out);
        out.into()
    }
    match arg.dtype() {
        DType::F32 => Ok(arg.as_slice::<f32>()?.into()),
        DType::BF16 => {
            let x = arg.as_slice::<bf16>()?;
            Ok(widened(x.len(), |out| x.convert_to_f32_slice(out)))
        }
        DType::F16 => {
            let x = arg.as_slice::<f16>()?;
            Ok(widened(x.len(), |out| x.convert_to_f32_slice(out)))
        }
        other => Err(bad(format!("kernels take f32, bf16 and f16, not {}", other.name()))),
    }
}

/// A result as f32, to be rounded to its dtype by [`narrow`].
fn wide_result<'a>(out: &'a mut Output<'_>, made: &'a mut Vec<f32>) -> Result<&'a mut [f32]> {
    let n: i64 = out.dims().iter().product();
    match out.dtype() {
        DType::F32 => out.as_mut_slice::<f32>(),
        _ => {
            made.resize(n as usize, 0.0);
            Ok(made)
        }
    }
}

fn narrow(out: &mut Output<'_>, made: &[f32]) -> Result<()> {
    match out.dtype() {
        DType::F32 => Ok(()),
        DType::BF16 => {
            out.as_mut_slice::<bf16>()?.convert_from_f32_slice(made);
            Ok(())
        }
        DType::F16 => {
            out.as_mut_slice::<f16>()?.convert_from_f32_slice(made);
            Ok(())
        }
        other => Err(bad(format!("kernels give f32, bf16 and f16, not {}", other.name()))),
    }
}

fn products(call: &mut Call) -> Result<()> {
    let (attrs, threads) = (call.attrs, call.threads);
    let formats: Vec<Format> = attrs
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
    let mut matrices = vec![];
    for ((format, n), arg) in formats.into_iter().zip(&outputs).zip(packed) {
        let matrix = Matrix { format, k, n: *n as usize, packed: arg.as_bytes()? };
        if !matrix.is_whole() {
            return Err(bad(format!("{:?} bytes are no {format:?} matrix of {k} x {n}", arg.dims())));
        }
        matrices.push(matrix);
    }
    let x = wide(x)?;
    let mut made: Vec<Vec<f32>> = matrices.iter().map(|_| vec![]).collect();
    let mut outs = vec![];
    for ((result, made), m) in call.results.iter_mut().zip(&mut made).zip(&matrices) {
        let out = wide_result(result, made)?;
        if out.len() != rows * m.n {
            return Err(bad(format!("{} results, not {rows} x {}", out.len(), m.n)));
        }
        outs.push(out);
    }
    product(Isa::best(), &threads, &x, rows, &matrices, &mut outs);
    drop(outs);
    call.results.iter_mut().zip(&made).try_for_each(|(result, made)| narrow(result, made))
}
