//! Systems with a triangular matrix.
use super::{
    Number, compiled, fma,
    product::{ROWS, add_product, columns_of_a_tile, product, put},
};
use crate::product::{Shared, Team};

/// Rows that are solved before they are taken out of the others.
const BLOCK: usize = 256;

/// Which system is solved, with a matrix of which one triangle is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Triangle {
    /// A X = B, rather than X A = B.
    pub left: bool,
    /// The lower triangle, rather than the upper.
    pub lower: bool,
    /// Aᵀ in place of A.
    pub transpose: bool,
    /// The conjugates of A: Aᴴ, with `transpose`.
    pub conjugate: bool,
    /// The diagonal is not read: it is of ones.
    pub unit: bool,
}
impl Triangle {
    /// L X = B.
    pub const LOWER: Triangle = Triangle { left: true, lower: true, transpose: false, conjugate: false, unit: false };
    /// U X = B.
    pub const UPPER: Triangle = Triangle { lower: false, ..Triangle::LOWER };
}

/// Solves a triangular system: `b`, of `m` rows and `n` columns, becomes the solution.
pub fn triangular_solve<T: Number>(team: &dyn Team, a: &[T], b: &mut [T], [m, n]: [usize; 2], how: Triangle) {
    let size = if how.left { m } else { n };
    solve(team, Rows { a, stride: size, how }, (b, n), [m, n]);
}

/// A triangular matrix whose rows stand `stride` apart, and which system it is in.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub a: &'a [T],
    pub stride: usize,
    pub how: Triangle,
}
impl<T: Number> Rows<'_, T> {
    /// Every system is M Y = C for columns C: those of B, or its rows. Is M, rather than its transpose, what stands in the rows?
    #[inline(always)]
    fn upright(&self) -> bool {
        self.how.left != self.how.transpose
    }
    /// Is M lower triangular, so that the first unknown is found first?
    #[inline(always)]
    fn forward(&self) -> bool {
        self.how.lower == self.upright()
    }
    /// An element of M.
    #[inline(always)]
    fn at(&self, i: usize, j: usize) -> T {
        let x = self.a[if self.upright() { i * self.stride + j } else { j * self.stride + i }];
        if self.how.conjugate { x.conj() } else { x }
    }
}

/// Solves a triangular system for `b`, of `m` rows and `n` columns whose rows stand so far apart.
pub(super) fn solve<T: Number>(team: &dyn Team, a: Rows<T>, (b, stride): (&mut [T], usize), [m, n]: [usize; 2]) {
    if m == 0 || n == 0 {
        return;
    }
    let (size, columns) = if a.how.left { (m, n) } else { (n, m) };
    if columns == 1 && (size == 1 || !a.how.left || stride == 1) {
        return of_vector(a, &mut b[..size]);
    }
    let steps = if a.how.left { [stride, 1] } else { [1, stride] };
    for k in (0..size).step_by(BLOCK) {
        let depth = BLOCK.min(size - k);
        // what is solved now, and what is left
        let (from, rest) = if a.forward() { (k, k + depth..size) } else { (size - k - depth, 0..size - k - depth) };
        block(team, a, (b, steps), from..from + depth, columns);
        if rest.is_empty() {
            return;
        }
        let mut solved = Vec::with_capacity(depth * columns);
        for i in from..from + depth {
            solved.extend(b[i * steps[0]..].iter().step_by(steps[1]).take(columns));
        }
        let c = (&mut b[rest.start * steps[0]..], stride);
        let (left, right) =
            (|i: usize, p: usize| -a.at(rest.start + i, from + p), |p: usize, j: usize| solved[p * columns + j]);
        match a.how.left {
            true => product(team, c, [rest.len(), columns, depth], left, right),
            false => product(team, c, [columns, rest.len(), depth], |i, p| right(p, i), |p, j| left(j, p)),
        }
    }
}

/// Solves for unknowns `rows`, from which the others have been taken out. Element `c` of unknown `i` stands at `i * steps[0] + c * steps[1]`.
fn block<T: Number>(
    team: &dyn Team,
    a: Rows<T>,
    (b, steps): (&mut [T], [usize; 2]),
    rows: std::ops::Range<usize>,
    columns: usize,
) {
    let depth = rows.len();
    // unknowns in the order in which they are found
    let unknown = |i: usize| if a.forward() { rows.start + i } else { rows.end - 1 - i };
    let packed = Packed::of(a, unknown(0), depth);
    let most = columns_of_a_tile::<T::Part>();
    // (tasks of some size)
    let each = most * ((1 << 17) / (most * depth * depth * T::PARTS * T::PARTS / 2 + 1) + 1);
    assert!((rows.end - 1) * steps[0] + (columns - 1) * steps[1] < b.len());
    let [row, column] = steps.map(usize::cast_signed);
    let toward = [if a.forward() { row } else { -row }, column];
    let b = Shared::of(b);
    team.run(columns.div_ceil(each), &|task| {
        let mut x = vec![T::Part::ZERO; depth * T::PARTS * most];
        let end = columns.min((task + 1) * each);
        let mut left = task * each;
        while left < end {
            // the narrowest tile that has all that are left, if one has
            let mut width = most;
            while width / 2 >= (end - left).max(4) {
                width /= 2;
            }
            let here = width.min(end - left);
            let x = &mut x[..depth * T::PARTS * width];
            let place = b.at(unknown(0) * steps[0] + left * steps[1]);
            // SAFETY: rows and columns are there, as asserted; no other task has these columns.
            unsafe { gather::<T>(place, toward, [width, here], x) };
            of_tile::<T>(&packed, x, width);
            // SAFETY: as above.
            unsafe { scatter::<T>(place, toward, [width, here], x) };
            left += here;
        }
    });
}

/// A tile of `width` columns gets its first `here` from memory, whose rows and columns stand so far apart.
///
/// # Safety
/// They are there.
unsafe fn gather<T: Number>(from: *const T, [row, column]: [isize; 2], [width, here]: [usize; 2], x: &mut [T::Part]) {
    for (i, lines) in x.chunks_exact_mut(T::PARTS * width).enumerate() {
        let (line, imaginary) = lines.split_at_mut(width);
        let from = from.wrapping_offset(i.cast_signed() * row);
        if T::PARTS == 1 && column == 1 {
            // SAFETY: the caller vouches; real numbers are their parts.
            unsafe { std::ptr::copy_nonoverlapping(from.cast::<T::Part>(), line.as_mut_ptr(), here) };
            continue;
        }
        for c in 0..here {
            // SAFETY: the caller vouches.
            let [re, im] = unsafe { *from.wrapping_offset(c.cast_signed() * column) }.parts();
            line[c] = re;
            if T::PARTS == 2 {
                imaginary[c] = im;
            }
        }
    }
}
/// The reverse of [`gather`].
///
/// # Safety
/// They are there, and nobody else has them.
unsafe fn scatter<T: Number>(to: *mut T, [row, column]: [isize; 2], [width, here]: [usize; 2], x: &[T::Part]) {
    for (i, lines) in x.chunks_exact(T::PARTS * width).enumerate() {
        let to = to.wrapping_offset(i.cast_signed() * row);
        if T::PARTS == 1 && column == 1 {
            // SAFETY: the caller vouches; real numbers are their parts.
            unsafe { std::ptr::copy_nonoverlapping(lines.as_ptr(), to.cast::<T::Part>(), here) };
            continue;
        }
        for c in 0..here {
            let number = T::of_parts([lines[c], lines[(T::PARTS - 1) * width + c]]);
            // SAFETY: the caller vouches.
            unsafe { *to.wrapping_offset(c.cast_signed() * column) = number };
        }
    }
}

/// A lower triangular matrix in strips of so many rows as a tile has.
pub(super) struct Packed<T: Number> {
    size: usize,
    unit: bool,
    /// What is left of the diagonal blocks, times -1, strip by strip as in products.
    strips: Vec<T::Part>,
    /// The blocks on the diagonal, row by row.
    corners: Vec<T>,
}
impl<T: Number> Packed<T> {
    /// Of so many unknowns, of which `first` is found first.
    fn of(rows: Rows<T>, first: usize, size: usize) -> Packed<T> {
        let [down, right] = if rows.upright() { [rows.stride, 1] } else { [1, rows.stride] }.map(usize::cast_signed);
        let [down, right] = if rows.forward() { [down, right] } else { [-down, -right] };
        let corner = first * (rows.stride + 1);
        let a = |i: usize, j: usize| {
            let x = rows.a[corner.wrapping_add_signed(i.cast_signed() * down + j.cast_signed() * right)];
            if rows.how.conjugate { x.conj() } else { x }
        };
        let high = ROWS / T::PARTS;
        let count = size.div_ceil(high);
        let mut strips = vec![T::Part::ZERO; count * count.saturating_sub(1) / 2 * high * ROWS * T::PARTS];
        let mut corners = vec![T::ZERO; count * high * high];
        let mut columns = strips.chunks_exact_mut(ROWS * T::PARTS);
        for (top, corner) in (0..size).step_by(high).zip(corners.chunks_exact_mut(high * high)) {
            let height = high.min(size - top);
            for (j, lines) in (0..top).zip(&mut columns) {
                (0..height).for_each(|i| put(lines, i, -a(top + i, j)));
            }
            for i in 0..height {
                (0..i).for_each(|j| corner[i * high + j] = -a(top + i, top + j));
                if !rows.how.unit {
                    corner[i * high + i] = a(top + i, top + i);
                }
            }
        }
        Packed { size, unit: rows.how.unit, strips, corners }
    }
}

compiled! {
    /// Solves for a tile of `width` columns, whose rows are those of the matrix; of complex ones a row is that of the real parts and
    /// that of the imaginary ones.
    fn of_tile(a: &Packed<T>, x: &mut [T::Part], width: usize) {
        match width {
            32 => solve_tile::<T, FUSED, 32>(a, x),
            16 => solve_tile::<T, FUSED, 16>(a, x),
            8 => solve_tile::<T, FUSED, 8>(a, x),
            _ => solve_tile::<T, FUSED, 4>(a, x),
        }
    }
    /// Solves for one column.
    fn of_vector(a: Rows<'_, T>, b: &mut [T]) {
        if a.upright() { by_rows::<T, FUSED>(a, b) } else { by_columns::<T, FUSED>(a, b) }
    }
}

#[inline(always)]
fn solve_tile<T: Number, const FUSED: bool, const N: usize>(a: &Packed<T>, x: &mut [T::Part]) {
    let (high, zero) = (ROWS / T::PARTS, T::Part::ZERO);
    let mut strips = &a.strips[..];
    for (top, corner) in (0..a.size).step_by(high).zip(a.corners.chunks_exact(high * high)) {
        let height = high.min(a.size - top);
        let (solved, rest) = x.split_at_mut(top * T::PARTS * N);
        let (strip, others) = strips.split_at(top * T::PARTS * ROWS);
        strips = others;
        // the real parts, and behind them the imaginary ones
        let mut own = [[zero; N]; ROWS];
        for i in 0..height * T::PARTS {
            own[i % T::PARTS * high + i / T::PARTS].copy_from_slice(&rest[i * N..][..N]);
        }
        add_product::<T::Part, N, FUSED>(strip, solved, &mut own);
        for i in 0..height {
            let imaginary = (T::PARTS - 1) * high;
            let (mut re, mut im) = (own[i], own[imaginary + i]);
            if !a.unit {
                over::<T, N>(&mut re, &mut im, corner[i * high + i]);
                own[imaginary + i] = im;
                own[i] = re;
            }
            for l in i + 1..high {
                let factor = corner[l * high + i];
                for c in 0..N {
                    let number = T::of_parts([re[c], im[c]]);
                    let sum = fma::<T, FUSED>(factor, number, T::of_parts([own[l][c], own[imaginary + l][c]]));
                    let [re, im] = sum.parts();
                    own[l][c] = re;
                    if T::PARTS == 2 {
                        own[imaginary + l][c] = im;
                    }
                }
            }
        }
        for i in 0..height * T::PARTS {
            rest[i * N..][..N].copy_from_slice(&own[i % T::PARTS * high + i / T::PARTS]);
        }
    }
}

/// Divides numbers whose parts stand apart.
#[inline(always)]
fn over<T: Number, const N: usize>(re: &mut [T::Part; N], im: &mut [T::Part; N], by: T) {
    let [real, imaginary] = by.parts();
    if T::PARTS == 1 || imaginary == T::Part::ZERO {
        re.iter_mut().for_each(|x| *x = x.over(real));
        im.iter_mut().for_each(|x| *x = x.over(real));
        return;
    }
    for (re, im) in re.iter_mut().zip(im) {
        [*re, *im] = T::of_parts([*re, *im]).over(by).parts();
    }
}

/// How many unknowns are found at a time, after the product of their rows with all that were found before.
const FEW: usize = 8;

#[inline(always)]
fn by_rows<T: Number, const FUSED: bool>(a: Rows<'_, T>, b: &mut [T]) {
    let (size, forward, how) = (b.len(), a.forward(), a.how);
    let element = |x: T| if how.conjugate { x.conj() } else { x };
    for k in (0..size).step_by(FEW) {
        let few = FEW.min(size - k);
        let (from, done) = if forward { (k, 0..k) } else { (size - k - few, size - k..size) };
        for i in from..from + few {
            let (row, found) = (&a.a[i * a.stride..][done.clone()], &b[done.clone()]);
            let mut sums = [T::ZERO; 16];
            let (rows, founds) = (row.chunks_exact(16), found.chunks_exact(16));
            let mut total = b[i];
            for (x, y) in rows.remainder().iter().zip(founds.remainder()) {
                total = fma::<T, FUSED>(-element(*x), *y, total);
            }
            for (x, y) in rows.zip(founds) {
                for l in 0..16 {
                    sums[l] = fma::<T, FUSED>(element(x[l]), y[l], sums[l]);
                }
            }
            for half in [8, 4, 2, 1] {
                let (first, second) = sums.split_at_mut(half);
                first.iter_mut().zip(second).for_each(|(a, b)| *a += *b);
            }
            b[i] = total - sums[0];
        }
        for step in 0..few {
            let i = if forward { from + step } else { from + few - 1 - step };
            let before = if forward { from..i } else { i + 1..from + few };
            let row = &a.a[i * a.stride..][..size];
            let sum = before.fold(b[i], |sum, j| fma::<T, FUSED>(-element(row[j]), b[j], sum));
            b[i] = if how.unit { sum } else { sum.over(element(row[i])) };
        }
    }
}

#[inline(always)]
fn by_columns<T: Number, const FUSED: bool>(a: Rows<'_, T>, b: &mut [T]) {
    let (size, forward, how) = (b.len(), a.forward(), a.how);
    let element = |x: T| if how.conjugate { x.conj() } else { x };
    for step in 0..size {
        let i = if forward { step } else { size - 1 - step };
        let column = &a.a[i * a.stride..][..size];
        if !how.unit {
            b[i] = b[i].over(element(column[i]));
        }
        let (found, rest) = (-b[i], if forward { i + 1..size } else { 0..i });
        for (b, x) in b[rest.clone()].iter_mut().zip(&column[rest]) {
            *b = fma::<T, FUSED>(found, element(*x), *b);
        }
    }
}
