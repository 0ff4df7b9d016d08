//! Discrete Fourier transforms. [`fft`](crate::fft) has the functions that users call.
use super::*;
use crate::{
    host::{strides, unravel},
    lower::array,
    trace::bind1,
};
use num_complex::Complex64;
use std::f64::consts::PI;

/// Which transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FftType {
    /// Of complex numbers: y\[k\] = Σ x\[j\] exp(-2πi jk/n).
    Fft,
    /// The inverse of [`FftType::Fft`]: of exp(2πi jk/n), divided by n.
    Ifft,
    /// [`FftType::Fft`] of real numbers: the first n/2 + 1 results, of which the others are conjugates.
    Rfft,
    /// The inverse of [`FftType::Rfft`], with real results.
    Irfft,
}

/// A transform over the last axes.
#[derive(Debug, PartialEq, Hash)]
pub struct Fft {
    kind: FftType,
    lengths: Vec<usize>,
}
/// The discrete Fourier transform over the last axes, as many as there are `lengths` (one to three): of these sizes in real space, so
/// that the last axis of what [`FftType::Rfft`] makes, and of what [`FftType::Irfft`] takes, has n/2 + 1 elements. Complex operands
/// are c64 or c128, real ones f32 or f64. JAX: `lax.fft`.
#[track_caller]
pub fn fft(x: Tensor, kind: FftType, lengths: impl Into<Vec<usize>>) -> Tensor {
    bind1(Fft { kind, lengths: lengths.into() }, &[x])
}

impl Fft {
    /// How many numbers are transformed together.
    fn points(&self) -> usize {
        self.lengths.iter().product()
    }
    /// How often each of the n/2 + 1 numbers along the last axis stands in the whole spectrum: once the first and, where n is even,
    /// the last; the others twice. In `y`'s shape and dtype.
    fn occurrences(&self, y: &Aval) -> Tensor {
        let (axis, n) = (y.rank() - 1, self.lengths[self.lengths.len() - 1]);
        let at = iota(&*y.dims, DType::I32, axis);
        let is = |i: usize| compare(Direction::Eq, at, full(&*y.dims, DType::I32, i));
        let once = if n.is_multiple_of(2) { or(is(0), is(n / 2)) } else { is(0) };
        let count = |times: f64| full(&*y.dims, y.dtype, times);
        select(once, count(1.0), count(2.0))
    }
}

impl Primitive for Fft {
    fn name(&self) -> &'static str {
        "fft"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        let (x, n) = (&x[0], self.lengths.len());
        if n == 0 || n > 3 || n > x.rank() || self.lengths.contains(&0) {
            let reason = format!("it cannot be transformed over axes of the sizes {:?}", self.lengths);
            return Err(Refusal::new(reason).help("give one to three axes of it, with one element at least"));
        }
        let (outer, last) = (x.rank() - n, self.lengths[n - 1]);
        let half = || [&self.lengths[..n - 1], &[last / 2 + 1]].concat();
        let real = self.kind == FftType::Rfft;
        if real && x.dtype.complex().is_none() {
            let help = if x.dtype.is_complex() {
                "use `fft` for complex numbers"
            } else {
                "convert it first: `.cast(DType::F32)`"
            };
            return Err(Refusal::new(format!("{} is not f32 or f64", x.dtype)).help(help));
        }
        if !real && !x.dtype.is_complex() {
            return Err(
                Refusal::new(format!("{} is not complex", x.dtype)).help("convert it first: `.cast(DType::C64)`")
            );
        }
        let want = if self.kind == FftType::Irfft { half() } else { self.lengths.clone() };
        if x.dims[outer..] != want {
            return Err(format!("the last axes must be {want:?} for a transform of {:?}", self.lengths).into());
        }
        let (dtype, ends) = match self.kind {
            FftType::Rfft => (x.dtype.complex().unwrap_or(x.dtype), half()),
            FftType::Irfft => (x.dtype.real(), self.lengths.clone()),
            FftType::Fft | FftType::Ifft => (x.dtype, self.lengths.clone()),
        };
        Ok(vec![x.with_dims([&x.dims[..outer], &ends].concat()).with_dtype(dtype)])
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let y = self.infer(&[x[0].aval().clone()]).expect("inferred").swap_remove(0);
        let (last, n) = (y.rank() - 1, self.lengths[self.lengths.len() - 1]);
        let (mut data, mut dims) = (x[0].to_complex(), x[0].dims().to_vec());
        let axes: Vec<usize> = (x[0].dims().len() - self.lengths.len()..=last).collect();
        let inverse = matches!(self.kind, FftType::Ifft | FftType::Irfft);
        // what has only half of the last axis has it after the other axes are done, and before
        let (first, then) = if inverse { (axes, vec![]) } else { (vec![last], axes[..axes.len() - 1].to_vec()) };
        for axis in first.into_iter().chain(then) {
            let line = |line: Vec<Complex64>| match self.kind {
                FftType::Irfft if axis == last => transformed(&mirrored(line, n), inverse),
                FftType::Rfft if axis == last => transformed(&line, inverse)[..n / 2 + 1].to_vec(),
                _ => transformed(&line, inverse),
            };
            (data, dims) = along(&data, &dims, axis, y.dims[axis], line);
        }
        let scale = if inverse { self.points() as f64 } else { 1.0 };
        let data: Vec<Complex64> = data.into_iter().map(|z| z / scale).collect();
        vec![match y.dtype.is_complex() {
            true => Host::complex(y.dtype, y.dims, data),
            false => Host::floats(y.dtype, y.dims, data.into_iter().map(|z| z.re).collect()),
        }]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![dx[0].map(|d| fft(d, self.kind, &*self.lengths))]
    }
    fn transpose(&self, ct: &[Option<Tensor>], x: &[Operand]) -> Vec<Option<Tensor>> {
        let pulled = |ct: Tensor| match self.kind {
            FftType::Fft | FftType::Ifft => fft(ct, self.kind, &*self.lengths),
            FftType::Rfft => {
                let half = div(ct.conj(), self.occurrences(&ct.aval()));
                fft(half, FftType::Irfft, &*self.lengths) * self.points() as f64
            }
            FftType::Irfft => {
                let half = fft(ct, FftType::Rfft, &*self.lengths);
                (mul(half, self.occurrences(&x[0].aval())) / self.points() as f64).conj()
            }
        };
        vec![ct[0].map(pulled)]
    }
    fn batch(&self, _: usize, x: &[Tensor], _: &[bool]) -> Vec<Tensor> {
        vec![fft(x[0], self.kind, &*self.lengths)]
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        let kind = format!("{:?}", self.kind).to_uppercase();
        let attrs = format!("fft_type = #stablehlo<fft_type {kind}>, fft_length = {}", array(&self.lengths));
        vec![cx.op("fft", x, &attrs, &y[0])]
    }
    fn cost(&self, x: &[Aval], y: &[Aval]) -> Cost {
        let (real, complex) = (y[0].size().max(x[0].size()) as f64, (self.points() as f64).log2());
        Cost { flops: 5.0 * real * complex, bytes: (x[0].bytes() + y[0].bytes()) as f64 }
    }
}

/// What `f` makes of each line along an axis, of which the results have `n` elements; with their sizes.
fn along(
    data: &[Complex64],
    dims: &[usize],
    axis: usize,
    n: usize,
    f: impl Fn(Vec<Complex64>) -> Vec<Complex64>,
) -> (Vec<Complex64>, Vec<usize>) {
    let mut to = dims.to_vec();
    to[axis] = n;
    let (step, step_to) = (strides(dims)[axis], strides(&to)[axis]);
    let mut made = vec![Complex64::ZERO; to.iter().product()];
    let starts = (0..data.len()).filter(|i| unravel(dims, *i)[axis] == 0);
    for start in starts {
        let line = f((0..dims[axis]).map(|k| data[start + k * step]).collect());
        let block = start / (step * dims[axis]);
        let at = block * step_to * n + start % step;
        line.into_iter().enumerate().for_each(|(k, z)| made[at + k * step_to] = z);
    }
    (made, to)
}

/// The whole spectrum of `n` real numbers, of which this is the first half. What makes no real numbers is left out.
fn mirrored(half: Vec<Complex64>, n: usize) -> Vec<Complex64> {
    let one = |k: usize| match k {
        0 => Complex64::from(half[0].re),
        k if 2 * k == n => Complex64::from(half[k].re),
        k if 2 * k < n => half[k],
        k => half[n - k].conj(),
    };
    (0..n).map(one).collect()
}

/// The transform of a line, not divided by its length: into p of its p-th elements each, for the smallest factor p of the length.
fn transformed(x: &[Complex64], inverse: bool) -> Vec<Complex64> {
    /// The largest prime length of which each result is summed up.
    const LARGEST_SUM: usize = 64;
    let n = x.len();
    let turn = if inverse { 2.0 } else { -2.0 };
    let Some(p) = (2..=n).find(|p| n.is_multiple_of(*p)) else { return x.to_vec() };
    if p > LARGEST_SUM {
        return convolved(x, inverse);
    }
    let parts: Vec<Vec<Complex64>> = (0..p)
        .map(|r| x.iter().skip(r).step_by(p).copied().collect::<Vec<_>>())
        .map(|part| if part.len() == 1 { part } else { transformed(&part, inverse) })
        .collect();
    let roots: Vec<Complex64> = (0..n).map(|k| Complex64::cis(turn * PI * k as f64 / n as f64)).collect();
    (0..n).map(|k| (0..p).map(|r| parts[r][k % (n / p)] * roots[r * k % n]).sum()).collect()
}

/// The transform of a line of any length as a convolution, of the next power of two that has room for it (Bluestein 1970).
fn convolved(x: &[Complex64], inverse: bool) -> Vec<Complex64> {
    let n = x.len();
    let m = (2 * n - 1).next_power_of_two();
    let turn = if inverse { 1.0 } else { -1.0 };
    // (the angle of j² is that of j² mod 2n, which loses no digits)
    let chirp = |j: usize| Complex64::cis(turn * PI * ((j * j) % (2 * n)) as f64 / n as f64);
    let mut a = vec![Complex64::ZERO; m];
    let mut b = vec![Complex64::ZERO; m];
    for j in 0..n {
        a[j] = x[j] * chirp(j);
        b[j] = chirp(j).conj();
        b[(m - j) % m] = b[j];
    }
    let (a, b) = (transformed(&a, false), transformed(&b, false));
    let product: Vec<Complex64> = a.into_iter().zip(b).map(|(a, b)| a * b).collect();
    let y = transformed(&product, true);
    (0..n).map(|k| y[k] * chirp(k) / m as f64).collect()
}

fn cases(d: DType) -> Vec<Case> {
    let case = |label: &str, kind: FftType, dims: &[usize], lengths: &'static [usize]| {
        Case::new(format!("{kind:?}, {label}"), vec![sample(d, dims, 1)], move |x| vec![fft(x[0], kind, lengths)])
    };
    let mut cases = vec![];
    let kinds: &[FftType] = if d.is_complex() { &[FftType::Fft, FftType::Ifft] } else { &[FftType::Rfft] };
    for kind in kinds {
        cases.push(case("even", *kind, &[2, 6], &[6]));
        cases.push(case("prime", *kind, &[7], &[7]));
        cases.push(case("one", *kind, &[2, 1], &[1]));
        cases.push(case("two axes", *kind, &[2, 3, 4], &[3, 4]));
        cases.push(case("three axes", *kind, &[2, 3, 5], &[2, 3, 5]));
        cases.push(case("no lines", *kind, &[0, 4], &[4]));
    }
    if d.is_complex() {
        cases.push(case("even", FftType::Irfft, &[2, 4], &[6]));
        cases.push(case("odd", FftType::Irfft, &[4], &[7]));
        cases.push(case("one", FftType::Irfft, &[2, 1], &[1]));
        cases.push(case("two", FftType::Irfft, &[2], &[2]));
        cases.push(case("two axes", FftType::Irfft, &[3, 3], &[3, 4]));
        cases.push(case("three axes", FftType::Irfft, &[2, 3, 3], &[2, 3, 5]));
    }
    cases
}
/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[Row { name: "fft", dtypes: |d| d.is_complex() || d.complex().is_some(), cases }];

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform of a power of two, of small and of large factors, and of a large prime is the sum that defines it.
    #[test]
    fn lengths_of_every_kind_are_transformed() {
        for n in [1, 2, 8, 12, 49, 61, 67, 2 * 67, 127] {
            let x: Vec<Complex64> = (0..n).map(|j| Complex64::new((j as f64).sin(), (3.0 * j as f64).cos())).collect();
            for inverse in [false, true] {
                let turn = if inverse { 2.0 } else { -2.0 };
                let have = transformed(&x, inverse);
                for (k, have) in have.iter().enumerate() {
                    let root = |j: usize| Complex64::cis(turn * PI * (j * k % n) as f64 / n as f64);
                    let want: Complex64 = x.iter().enumerate().map(|(j, x)| x * root(j)).sum();
                    assert!((have - want).norm() < 1e-11, "{n}: {k}: {have} {want}");
                }
            }
        }
    }
}
