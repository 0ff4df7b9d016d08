//! Factorisations as handlers of custom calls. Operands and results have any number of leading axes; of several matrices each is
//! one task, of one matrix the work is shared out.
use super::{Real, Triangle, cholesky, eig, eigh, lu, qr, svd, triangular_solve};
use crate::product::{Alone, Team};
use num_complex::Complex64;
use raxla_xla::{
    Code, DType, Error, Plugin, Result,
    ffi::{self, Arg, Call, Element, Output, Threads},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Operand `[.., n, n]`, of which the lower triangle is read; result L.
pub const CHOLESKY: &str = "raxla.cholesky";
/// Operands `[.., k, k]` and `[.., m, n]`; result X `[.., m, n]`. Attributes: `left`, `lower`, `transpose`, `unit`, as in [`Triangle`].
pub const TRIANGULAR_SOLVE: &str = "raxla.triangular_solve";
/// Operand `[.., m, n]`; results: both factors in one, pivots i32 `[.., min(m, n)]`, and the permutation of rows i32 `[.., m]`.
pub const LU: &str = "raxla.lu";
/// Operand `[.., m, n]`; results Q `[.., m, k]` and R `[.., k, n]`.
pub const QR: &str = "raxla.qr";
/// Operand `[.., n, n]`, symmetric; results: eigenvectors as columns, eigenvalues `[.., n]`.
pub const EIGH: &str = "raxla.eigh";
/// Operands: a matrix `[.., n, n]`, or its real and its imaginary part; results: the real and the imaginary parts of the eigenvectors
/// `[.., n, n]` as columns, and those of the eigenvalues `[.., n]`.
pub const EIG: &str = "raxla.eig";
/// Operand `[.., m, n]`; results U `[.., m, k]`, singular values `[.., min(m, n)]`, Vᵀ `[.., l, n]`.
pub const SVD: &str = "raxla.svd";

/// Makes the handlers known to programs of this plugin.
///
/// # Errors
/// What the plugin reports.
pub fn register(plugin: &Plugin) -> Result<()> {
    ffi::register(plugin, CHOLESKY, |call| typed(call, choleskys::<f32>, choleskys::<f64>))?;
    ffi::register(plugin, TRIANGULAR_SOLVE, |call| typed(call, solves::<f32>, solves::<f64>))?;
    ffi::register(plugin, LU, |call| typed(call, lus::<f32>, lus::<f64>))?;
    ffi::register(plugin, QR, |call| typed(call, qrs::<f32>, qrs::<f64>))?;
    ffi::register(plugin, EIGH, |call| typed(call, eighs::<f32>, eighs::<f64>))?;
    ffi::register(plugin, EIG, |call| typed(call, eigs::<f32>, eigs::<f64>))?;
    ffi::register(plugin, SVD, |call| typed(call, svds::<f32>, svds::<f64>))
}

type Handler = fn(&mut Call) -> Result<()>;
fn typed(call: &mut Call, of_f32: Handler, of_f64: Handler) -> Result<()> {
    match call.args.first().map(Arg::dtype) {
        Some(DType::F32) => of_f32(call),
        Some(DType::F64) => of_f64(call),
        _ => Err(Error::new(Code::InvalidArgument, "linear algebra is of f32 and f64")),
    }
}
fn wrong(what: &str) -> Error {
    Error::new(Code::InvalidArgument, what)
}

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
fn widened<T: Real>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.wide()).collect()
}
fn narrowed<T: Real>(to: &mut [T], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = T::narrow(*from));
}

fn choleskys<T: Real + Element>(call: &mut Call) -> Result<()> {
    let ([a], [l]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, one result")) };
    let (batch, n) = square(a.dims())?;
    begin::<T>(a, l)?;
    let l = Parts::<T>::of(l, batch, n * n)?;
    for_each(call.threads, batch, |team, i| cholesky(team, &mut l.take(i), n));
    Ok(())
}

fn solves<T: Real + Element>(call: &mut Call) -> Result<()> {
    let ([a, b], [x]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("two operands, one result")) };
    let (batch, [m, n]) = sizes(b.dims())?;
    let attrs = call.attrs;
    let how = Triangle {
        left: attrs.bool("left")?,
        lower: attrs.bool("lower")?,
        transpose: attrs.bool("transpose")?,
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

fn lus<T: Real + Element>(call: &mut Call) -> Result<()> {
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
        if both.iter().all(|x| Real::is_finite(*x)) {
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

fn qrs<T: Real + Element>(call: &mut Call) -> Result<()> {
    let ([a], [q, r]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, two results")) };
    let ((batch, [m, n]), (_, [_, k])) = (sizes(a.dims())?, sizes(q.dims())?);
    if k != m && k != m.min(n) {
        return Err(wrong("Q has all columns, or as many as R needs"));
    }
    let (a, q, r) = (a.as_slice::<T>()?, Parts::<T>::of(q, batch, m * k)?, Parts::<T>::of(r, batch, k * n)?);
    for_each(call.threads, batch, |team, i| {
        let (a, mut q, mut r) = (&a[i * m * n..][..m * n], q.take(i), r.take(i));
        if a.iter().all(|x| Real::is_finite(*x)) {
            qr(team, a, [m, n, k], &mut q, &mut r);
        } else {
            q.fill(T::NAN);
            r.fill(T::NAN);
        }
    });
    Ok(())
}

fn eighs<T: Real + Element>(call: &mut Call) -> Result<()> {
    let ([a], [v, w]) = (&call.args[..], &mut call.results[..]) else { return Err(wrong("one operand, two results")) };
    let (batch, n) = square(a.dims())?;
    let (a, v, w) = (a.as_slice::<T>()?, Parts::<T>::of(v, batch, n * n)?, Parts::<T>::of(w, batch, n)?);
    for_each(call.threads, batch, |team, i| {
        let (mut v, mut w) = (v.take(i), w.take(i));
        match eigh(team, &mut widened(&a[i * n * n..][..n * n]), n) {
            Some((values, vectors)) => {
                narrowed(&mut v, &vectors);
                narrowed(&mut w, &values);
            }
            None => {
                v.fill(T::NAN);
                w.fill(T::NAN);
            }
        }
    });
    Ok(())
}

fn eigs<T: Real + Element>(call: &mut Call) -> Result<()> {
    let (parts @ ([_] | [_, _]), [v_re, v_im, w_re, w_im]) = (&call.args[..], &mut call.results[..]) else {
        return Err(wrong("one or two operands, four results"));
    };
    let (batch, n) = square(parts[0].dims())?;
    let re = parts[0].as_slice::<T>()?;
    let im = parts.get(1).map(|im| im.as_slice::<T>()).transpose()?;
    if im.is_some_and(|im| im.len() != re.len()) {
        return Err(wrong("the imaginary part has another size than the real one"));
    }
    let [v_re, v_im] = [Parts::<T>::of(v_re, batch, n * n)?, Parts::<T>::of(v_im, batch, n * n)?];
    let [w_re, w_im] = [Parts::<T>::of(w_re, batch, n)?, Parts::<T>::of(w_im, batch, n)?];
    for_each(call.threads, batch, |_, i| {
        let at = i * n * n..(i + 1) * n * n;
        let number = |k: usize| Complex64::new(re[k].wide(), im.map_or(0.0, |im| im[k].wide()));
        let nan = |n: usize| vec![Complex64::new(f64::NAN, f64::NAN); n];
        let (w, v) = eig(at.map(number).collect(), n).unwrap_or_else(|| (nan(n), nan(n * n)));
        let part = |to: &mut [T], from: &[Complex64], part: fn(&Complex64) -> f64| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = T::narrow(part(from)));
        };
        part(&mut v_re.take(i), &v, |x| x.re);
        part(&mut v_im.take(i), &v, |x| x.im);
        part(&mut w_re.take(i), &w, |x| x.re);
        part(&mut w_im.take(i), &w, |x| x.im);
    });
    Ok(())
}

fn svds<T: Real + Element>(call: &mut Call) -> Result<()> {
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
    let s = Parts::<T>::of(s, batch, least)?;
    for_each(call.threads, batch, |team, i| {
        let (mut u, mut s, mut vt) = (u.take(i), s.take(i), vt.take(i));
        match svd(team, &widened(&a[i * m * n..][..m * n]), [m, n], full) {
            Some(made) => {
                narrowed(&mut u, &made.u);
                narrowed(&mut s, &made.s);
                narrowed(&mut vt, &made.vt);
            }
            None => [&mut u, &mut s, &mut vt].into_iter().for_each(|part| part.fill(T::NAN)),
        }
    });
    Ok(())
}
