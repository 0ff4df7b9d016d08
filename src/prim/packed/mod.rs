//! Products with matrices that are packed for the CPU's kernels (package raxla-kernels).
mod unpack;

use super::*;
use crate::trace::{At, bind};
use raxla_kernels::{call::PRODUCT, format};

pub use raxla_kernels::{Format, product::Arithmetic};
pub use unpack::{take_packed, unpack};

/// A packed matrix `[k, n]`: its bytes, u8 `[tiles, blocks, bytes]` ([`Format::dims`]), how they are written, and `n`.
#[derive(Clone, Copy, Debug)]
pub struct PackedMatrix {
    /// The bytes.
    pub bytes: Tensor,
    /// How they are written.
    pub format: Format,
    /// Outputs.
    pub n: usize,
}

/// The products of `x` `[.., k]` with packed matrices `[k, n]`, each `[.., n]` in the dtype of `x`: numbers are decoded in registers,
/// multiplied and added as the arithmetic says, and rounded once. All of them are one call of a kernel, on the CPU.
///
/// Linear in `x`: it has derivatives by it, and none by the matrices. `vmap` over `x` makes of many small products a wider one.
///
/// # Errors
/// Dtypes other than f32, bf16 and f16; bytes of another shape than the format's.
#[track_caller]
pub fn packed_products(x: Tensor, matrices: &[PackedMatrix], arithmetic: Arithmetic) -> Vec<Tensor> {
    let _at = At::op("packed_products");
    let parts = matrices.iter().map(|m| (m.format, m.n)).collect();
    let operands: Vec<Tensor> = [x].into_iter().chain(matrices.iter().map(|m| m.bytes)).collect();
    bind(PackedProducts { parts, arithmetic }, &operands)
}

/// [`packed_products`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PackedProducts {
    parts: Vec<(Format, usize)>,
    arithmetic: Arithmetic,
}

impl PackedProducts {
    fn matrices(&self, bytes: &[Tensor]) -> Vec<PackedMatrix> {
        let one =
            |((format, n), bytes): (&(Format, usize), &Tensor)| PackedMatrix { bytes: *bytes, format: *format, n: *n };
        self.parts.iter().zip(bytes).map(one).collect()
    }
}

impl Primitive for PackedProducts {
    fn name(&self) -> &'static str {
        "packed_products"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let is_kernels = |d: DType| matches!(d, DType::F32 | DType::BF16 | DType::F16);
        require(&x[0], is_kernels, "f32, bf16 or f16")?;
        let Some((k, rows)) = x[0].dims.split_last() else {
            return Err("a scalar has no product with a matrix".into());
        };
        for ((format, n), bytes) in self.parts.iter().zip(&x[1..]) {
            let want = format.dims(*k, *n);
            if bytes.dtype != DType::U8 || bytes.dims[..] != want {
                let what = format!("a matrix of {k} x {n} in {format:?} is u8{want:?}, not {bytes}");
                return Err(Refusal::new(what).help("pack it for as many inputs as the last axis of `x` has"));
            }
        }
        Ok(self.parts.iter().map(|(_, n)| x[0].with_dims([rows, &[*n]].concat())).collect())
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let k = *x[0].dims().last().expect("it has an axis");
        let values = x[0].to_f64();
        let one = |((kind, n), bytes): (&(Format, usize), &Host)| {
            let w = format::unpack(*kind, &bytes.to_bytes(), k, *n);
            let mut y = vec![0.0; values.len() / k.max(1) * n];
            for (x, y) in values.chunks_exact(k.max(1)).zip(y.chunks_exact_mut((*n).max(1))) {
                for (x, w) in x.iter().zip(w.chunks_exact((*n).max(1))) {
                    y.iter_mut().zip(w).for_each(|(y, w)| *y += x * f64::from(*w));
                }
            }
            let rows = &x[0].dims()[..x[0].dims().len() - 1];
            Host::floats(x[0].dtype(), [rows, &[*n]].concat(), y)
        };
        self.parts.iter().zip(&x[1..]).map(one).collect()
    }
    fn jvp(&self, x: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        match dx[0] {
            Some(dx) => packed_products(dx, &self.matrices(&x[1..]), self.arithmetic).into_iter().map(Some).collect(),
            None => vec![None; self.parts.len()],
        }
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let k = *x[0].aval().dims.last().expect("it has an axis");
        let mut sum = None;
        for (((format, n), bytes), ct) in self.parts.iter().zip(&x[1..]).zip(ct) {
            let Some(ct) = ct else { continue };
            let w = unpack(bytes.known(), *format, [k, *n]).cast(ct.dtype());
            sum = add_opt(sum, Some(ct.matmul(w.transpose([1, 0]))));
        }
        [sum].into_iter().chain(vec![None; self.parts.len()]).collect()
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        if mapped[1..].contains(&true) {
            return one_by_one(n, x, mapped, |x| packed_products(x[0], &self.matrices(&x[1..]), self.arithmetic));
        }
        packed_products(x[0], &self.matrices(&x[1..]), self.arithmetic)
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        if y[0].size() == 0 || x[0].aval.size() == 0 {
            return y.iter().map(|y| cx.splat(y, 0.0)).collect();
        }
        let names: Vec<String> = self.parts.iter().map(|(format, _)| format.name()).collect();
        let outputs: Vec<i64> = self.parts.iter().map(|(_, n)| *n as i64).collect();
        let attributes = vec![
            ("formats".to_string(), Attr::from(names.join(",").as_str())),
            ("outputs".to_string(), Attr::from(&outputs[..])),
            ("arithmetic".to_string(), Attr::from(self.arithmetic.name())),
        ];
        CustomCall { attributes, ..CustomCall::new(PRODUCT, y) }.lower(cx, x, y)
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let k = x[0].dims.last().copied().unwrap_or(0) as f64;
        let bytes = x.iter().chain(y).map(|a| a.bytes() as f64).sum();
        Cost { flops: y.iter().map(|y| 2.0 * k * y.size() as f64).sum(), bytes }
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] =
    &[Row { name: "packed_products", dtypes: |d| matches!(d, DType::F32 | DType::BF16 | DType::F16), cases }];

/// A packed matrix of arbitrary numbers: of the scales, only that they are neither large nor NaN.
fn arbitrary(format: Format, [k, n]: [usize; 2], seed: u64) -> Host {
    let [tiles, blocks, bytes] = format.dims(k, n);
    let noise = sample_in(DType::U8, &[tiles * blocks * bytes], seed, 0.0, 255.0).to_ints();
    let mut noise: Vec<u8> = noise.into_iter().map(|b| b as u8).collect();
    for block in noise.chunks_exact_mut(bytes) {
        // 1/64 to 1/16 as the upper byte of an f16; the same for bf16 and f32 by their places
        let halves = match format {
            Format::F32 => return Host::ints(DType::U8, [tiles, blocks, bytes], of_floats(tiles * blocks * 512, seed)),
            Format::BF16 | Format::F16 | Format::MXFP4 | Format::INT8 | Format::INT4 => 0..0,
            Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => 0..64,
            _ => 0..32,
        };
        block[halves].chunks_exact_mut(2).for_each(|half| half[1] = 0x24 | half[1] & 0x83);
        match format {
            Format::BF16 | Format::F16 => block.chunks_exact_mut(2).for_each(|half| half[1] = 0x38 | half[1] & 0x83),
            // (an f32 near 1/64)
            Format::INT8 | Format::INT4 => {
                block[..64].chunks_exact_mut(4).for_each(|w| (w[2], w[3]) = (w[2] & 0x7f | 0x80, 0x3c))
            }
            Format::MXFP4 => block[..16].iter_mut().for_each(|e| *e = 120 + (*e & 7)),
            // (sums of large numbers that nearly cancel would show how they are ordered)
            Format::Q4_K | Format::Q5_K => block[64..320].iter_mut().for_each(|scale| *scale &= 7),
            Format::Q6_K => block[32..288].iter_mut().for_each(|scale| *scale = 1 + (*scale & 3)),
            _ => {}
        }
    }
    Host::ints(DType::U8, [tiles, blocks, bytes], noise.into_iter().map(i128::from).collect())
}
fn of_floats(n: usize, seed: u64) -> Vec<i128> {
    sample(DType::F32, &[n], seed).to_bytes().into_iter().map(i128::from).collect()
}

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, dims: &[usize], parts: &[(Format, usize)]| {
        let k = *dims.last().expect("an axis");
        let packed = parts.iter().enumerate().map(|(i, (format, n))| arbitrary(*format, [k, *n], i as u64 + 3));
        let inputs = [sample(d, dims, 1)].into_iter().chain(packed).collect();
        let parts = parts.to_vec();
        Case::new(label, inputs, move |x| {
            let all = PackedProducts { parts: parts.clone(), arithmetic: Arithmetic::Exact };
            packed_products(x[0], &all.matrices(&x[1..]), all.arithmetic)
        })
        .wrt([0])
    };
    let formats = Format::ALL.map(|format| case(format!("{format:?}").as_str(), &[2, format.inputs()], &[(format, 3)]));
    let several = [
        case("several, more inputs than a block", &[3, 40], &[(Format::BF16, 5), (Format::F32, 17), (Format::F16, 16)]),
        case("many rows", &[2, 9, 64], &[(Format::Q4_0, 40)]),
        case("a vector", &[32], &[(Format::Q8_0, 33)]),
        case("no rows", &[0, 32], &[(Format::Q8_0, 33)]),
    ];
    formats.into_iter().chain(several).collect()
}
