//! Factorisations as handlers of custom calls, of f32, f64, c64 and c128. Operands and results have any number of leading axes; of several matrices each is
//! one task, of one matrix the work is shared out.
use super::{Number, Triangle, cholesky, eig, eigh, lu, qr, schur, svd, triangular_solve};
use crate::product::{Alone, Team};
use num_complex::{Complex, Complex32, Complex64};
use raxla_xla::{
    Code, DType, Error, Plugin, Result,
    ffi::{self, Arg, Call, Element, Output, Threads},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Operand `[.., n, n]`, of which the lower triangle is read; result L.
pub const CHOLESKY: &str = "raxla.cholesky";
/// Operands `[.., k, k]` and `[.., m, n]`; result X `[.., m, n]`. Attributes: `left`, `lower`, `transpose`, `conjugate`, `unit`, as in [`Triangle`].
pub const TRIANGULAR_SOLVE: &str = "raxla.triangular_solve";
/// Operand `[.., m, n]`; results: both factors in one, pivots i32 `[.., min(m, n)]`, and the permutation of rows i32 `[.., m]`.
pub const LU: &str = "raxla.lu";
/// Operand `[.., m, n]`; results Q `[.., m, k]` and R `[.., k, n]`.
pub const QR: &str = "raxla.qr";
/// Operand `[.., n, n]`, symmetric or Hermitian; results: eigenvectors as columns, eigenvalues `[.., n]`, which are real.
pub const EIGH: &str = "raxla.eigh";
/// Operand `[.., n, n]`; results, both complex: eigenvectors `[.., n, n]` as columns, and eigenvalues `[.., n]`.
pub const EIG: &str = "raxla.eig";
/// Operand `[.., n, n]`; results: the Schur form and the unitary factor, `[.., n, n]`.
pub const SCHUR: &str = "raxla.schur";
/// Operand `[.., m, n]`; results U `[.., m, k]`, real singular values `[.., min(m, n)]`, Vᴴ `[.., l, n]`.
pub const SVD: &str = "raxla.svd";

/// Makes the handlers known to programs of this plugin.
///
/// # Errors
/// What the plugin reports.
pub fn register(plugin: &Plugin) -> Result<()> {
    /// A handler for every dtype.
    macro_rules! register {
        ($($target:ident: $handler:ident),*) => {$(
            ffi::register(plugin, $target, |call| match call.args.first().map(Arg::dtype) {
                Some(DType::F32) => $handler::<f32>(call),
                Some(DType::F64) => $handler::<f64>(call),
                Some(DType::C64) => $handler::<Complex32>(call),
                Some(DType::C128) => $handler::<Complex64>(call),
                _ => Err(wrong("linear algebra is of f32, f64, c64 and c128")),
            })?;
        )*};
    }
    register!(
        CHOLESKY: choleskys,
        TRIANGULAR_SOLVE: solves,
        LU: lus,
        QR: qrs,
        EIGH: eighs,
        EIG: eigs,
        SCHUR: schurs,
        SVD: svds
    );
    Ok(())
}

fn wrong(what: &str) -> Error {
    Error::new(Code::InvalidArgument, what)
}

/// A dtype of matrices.
trait Matrix: Number<Part: Element> + Element {}
impl<T: Number<Part: Element> + Element> Matrix for T {}

/// How many matrices there are, and their rows and columns.
fn sizes(dims: &[i64]) -> Result<(usize, [usize; 2])> {
    let [batch @ .., m, n] = dims else { return Err(wrong("a matrix has two axes at least")) };
    Ok((batch.iter().product::<i64>() as usize, [*m as usize, *n as usize]))
}
fn square(dims: &[i64]) -> Result<(usize, usize)> {
    match sizes(dims)? {
        (batch, [m, n]) if m == n => Ok((batch, n)),
        _ => Err(wrong("the matrix is not square")),
    }
}

/// One matrix of each result, for tasks that take one each.
struct Parts<'a, T>(Vec<Mutex<&'a mut [T]>>);
impl<'a, T: Element> Parts<'a, T> {
    fn of(out: &'a mut Output<'_>, batch: usize, each: usize) -> Result<Parts<'a, T>> {
        let mut rest = out.as_mut_slice::<T>()?;
        if rest.len() != batch * each {
            return Err(wrong("a result of another size than its operand asks for"));
        }
        let mut parts = vec![];
        for _ in 0..batch {
            let (part, others) = rest.split_at_mut(each);
            parts.push(Mutex::new(part));
            rest = others;
        }
        Ok(Parts(parts))
    }
    fn take(&self, i: usize) -> MutexGuard<'_, &'a mut [T]> {
        self.0[i].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
/// Calls `task` for each of several matrices at once, or for one with all threads.
fn for_each(threads: Threads, batch: usize, task: impl Fn(&dyn Team, usize) + Sync) {
    match batch {
        1 => task(&threads, 0),
        _ => threads.run(batch, |i| task(&Alone, i)),
    }
}
/// The result begins as the operand.
fn begin<T: Element>(from: &Arg, to: &mut Output) -> Result<()> {
    if from.in_place().is_none() {
        to.as_mut_slice::<T>()?.copy_from_slice(from.as_slice::<T>()?);
    }
    Ok(())
}
fn widened<T: Number>(x: &[T]) -> Vec<T::Wide> {
    x.iter().map(|x| x.wide()).collect()
}
fn narrowed<T: Number>(to: &mut [T], from: &[T::Wide]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = T::narrow(*from));
}

fn choleskys<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a], [l]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, one result")) };
    let (batch, n) = square(a.dims())?;
    begin::<T>(a, l)?;
    let l = Parts::<T>::of(l, batch, n * n)?;
    for_each(call.threads, batch, |team, i| cholesky(team, &mut l.take(i), n));
    Ok(())
}

fn solves<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a, b], [x]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("two operands, one result")) };
    let (batch, [m, n]) = sizes(b.dims())?;
    let attrs = call.attrs;
    let how = Triangle {
        left: attrs.bool("left")?,
        lower: attrs.bool("lower")?,
        transpose: attrs.bool("transpose")?,
        conjugate: attrs.bool("conjugate")?,
        unit: attrs.bool("unit")?,
    };
    let size = if how.left { m } else { n };
    if square(a.dims())? != (batch, size) {
        return Err(wrong("the triangular matrix does not fit the other side"));
    }
    begin::<T>(b, x)?;
    let (a, x) = (a.as_slice::<T>()?, Parts::<T>::of(x, batch, m * n)?);
    for_each(call.threads, batch, |team, i| {
        triangular_solve(team, &a[i * size * size..][..size * size], &mut x.take(i), [m, n], how);
    });
    Ok(())
}

fn lus<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a], [both, pivots, permutation]) = (&call.args[..], &mut call.results[..]) else {
        return Err(wrong("one operand, three results"));
    };
    let (batch, [m, n]) = sizes(a.dims())?;
    begin::<T>(a, both)?;
    let both = Parts::<T>::of(both, batch, m * n)?;
    let pivots = Parts::<i32>::of(pivots, batch, m.min(n))?;
    let permutation = Parts::<i32>::of(permutation, batch, m)?;
    for_each(call.threads, batch, |team, i| {
        let (mut both, mut pivots, mut permutation) = (both.take(i), pivots.take(i), permutation.take(i));
        if both.iter().all(|x| x.is_finite()) {
            lu(team, &mut both, [m, n], &mut pivots);
        } else {
            both.fill(T::NAN);
            pivots.iter_mut().enumerate().for_each(|(i, p)| *p = i as i32);
        }
        permutation.iter_mut().enumerate().for_each(|(i, p)| *p = i as i32);
        pivots.iter().enumerate().for_each(|(i, p)| permutation.swap(i, *p as usize));
    });
    Ok(())
}

fn qrs<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a], [q, r]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, two results")) };
    let ((batch, [m, n]), (_, [_, k])) = (sizes(a.dims())?, sizes(q.dims())?);
    if k != m && k != m.min(n) {
        return Err(wrong("Q has all columns, or as many as R needs"));
    }
    let (a, q, r) = (a.as_slice::<T>()?, Parts::<T>::of(q, batch, m * k)?, Parts::<T>::of(r, batch, k * n)?);
    for_each(call.threads, batch, |team, i| {
        let (a, mut q, mut r) = (&a[i * m * n..][..m * n], q.take(i), r.take(i));
        if a.iter().all(|x| x.is_finite()) {
            qr(team, a, [m, n, k], &mut q, &mut r);
        } else {
            q.fill(T::NAN);
            r.fill(T::NAN);
        }
    });
    Ok(())
}

fn eighs<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a], [v, w]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, two results")) };
    let (batch, n) = square(a.dims())?;
    let (a, v, w) = (a.as_slice::<T>()?, Parts::<T>::of(v, batch, n * n)?, Parts::<T::Part>::of(w, batch, n)?);
    for_each(call.threads, batch, |team, i| {
        let (mut v, mut w) = (v.take(i), w.take(i));
        match eigh(team, &mut widened(&a[i * n * n..][..n * n]), n) {
            Some((values, vectors)) => {
                narrowed(&mut v, &vectors);
                narrowed(&mut w, &values);
            }
            None => {
                v.fill(T::NAN);
                w.fill(T::Part::NAN);
            }
        }
    });
    Ok(())
}

fn eigs<T: Matrix>(call: &mut Call) -> Result<()>
where
    Complex<T::Part>: Matrix<Part = T::Part, Wide = Complex64>,
{
    let ([a], [v, w]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, two results")) };
    let (batch, n) = square(a.dims())?;
    let a = a.as_slice::<T>()?;
    let (v, w) = (Parts::<Complex<T::Part>>::of(v, batch, n * n)?, Parts::<Complex<T::Part>>::of(w, batch, n)?);
    for_each(call.threads, batch, |_, i| {
        let number = |x: &T| {
            let [re, im] = x.wide().parts();
            Complex64::new(re, im)
        };
        let nan = |n: usize| vec![Complex64::new(f64::NAN, f64::NAN); n];
        let made = eig(a[i * n * n..][..n * n].iter().map(number).collect(), n);
        let (values, vectors) = made.unwrap_or_else(|| (nan(n), nan(n * n)));
        narrowed(&mut v.take(i), &vectors);
        narrowed(&mut w.take(i), &values);
    });
    Ok(())
}

fn schurs<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a], [t, z]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, two results")) };
    let (batch, n) = square(a.dims())?;
    let (a, t, z) = (a.as_slice::<T>()?, Parts::<T>::of(t, batch, n * n)?, Parts::<T>::of(z, batch, n * n)?);
    for_each(call.threads, batch, |_, i| {
        let (mut t, mut z) = (t.take(i), z.take(i));
        match schur(&widened(&a[i * n * n..][..n * n]), n) {
            Some((form, factor)) => {
                narrowed(&mut t, &form);
                narrowed(&mut z, &factor);
            }
            None => [&mut t, &mut z].into_iter().for_each(|part| part.fill(T::NAN)),
        }
    });
    Ok(())
}

fn svds<T: Matrix>(call: &mut Call) -> Result<()> {
    let ([a], [u, s, vt]) = (&call.args[..], &mut call.results[..]) else {
        return Err(wrong("one operand, three results"));
    };
    let ((batch, [m, n]), (_, [_, k]), (_, [l, _])) = (sizes(a.dims())?, sizes(u.dims())?, sizes(vt.dims())?);
    let (least, full) = (m.min(n), [k, l] == [m, n]);
    if !full && [k, l] != [least; 2] {
        return Err(wrong("U and V have all columns, or as many as there are singular values"));
    }
    let a = a.as_slice::<T>()?;
    let (u, vt) = (Parts::<T>::of(u, batch, m * k)?, Parts::<T>::of(vt, batch, l * n)?);
    let s = Parts::<T::Part>::of(s, batch, least)?;
    for_each(call.threads, batch, |team, i| {
        let (mut u, mut s, mut vt) = (u.take(i), s.take(i), vt.take(i));
        match svd(team, &widened(&a[i * m * n..][..m * n]), [m, n], full) {
            Some(made) => {
                narrowed(&mut u, &made.u);
                narrowed(&mut s, &made.s);
                narrowed(&mut vt, &made.vt);
            }
            None => {
                [&mut u, &mut vt].into_iter().for_each(|part| part.fill(T::NAN));
                s.fill(T::Part::NAN);
            }
        }
    });
    Ok(())
}
