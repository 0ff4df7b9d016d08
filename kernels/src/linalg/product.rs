//! The product of matrices that all blocked algorithms are made of.
use super::{Number, Real, compiled, fma};
use crate::{Isa, product::Team};
use std::sync::Mutex;

/// Rows of a tile.
pub(super) const ROWS: usize = 6;
/// Most columns of a tile.
const MOST: usize = 32;
/// How much of the inner axis is multiplied at a time, so that what one tile reads stays in the first cache.
const DEPTH: usize = 256;

/// How many columns a tile has: two vectors.
pub(super) fn columns_of_a_tile<T: Real>() -> usize {
    if Isa::best() == Isa::Avx512 { 2 * T::TILE } else { T::TILE }
}

/// `c += a b` for `c` of `m` rows and `n` columns that stand `stride` apart, and an inner axis of size `k`. The factors are given by
/// their elements.
///
/// A complex product is a real one of twice the rows and twice the inner axis: (re, im) += (re, im) of `a` times the real part of `b`,
/// and (-im, re) of `a` times its imaginary part.
pub(super) fn product<T: Number>(
    team: &dyn Team,
    c: (&mut [T], usize),
    sizes: [usize; 3],
    a: impl Fn(usize, usize) -> T + Sync,
    b: impl Fn(usize, usize) -> T + Sync,
) {
    product_of(team, Which::All, c, sizes, a, b);
}
/// Which elements of a product are computed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Those on the diagonal and below it; others are arbitrary.
    Lower,
}
/// As [`product`], of some elements.
pub(super) fn product_of<T: Number>(
    team: &dyn Team,
    which: Which,
    (c, stride): (&mut [T], usize),
    [m, n, k]: [usize; 3],
    a: impl Fn(usize, usize) -> T + Sync,
    b: impl Fn(usize, usize) -> T + Sync,
) {
    if m == 0 || n == 0 {
        return;
    }
    let (zero, width, high) = (T::Part::ZERO, columns_of_a_tile::<T::Part>(), ROWS / T::PARTS);
    let most = DEPTH / T::PARTS;
    // (several tiles of rows to a task, and tasks of some size)
    let rows = (1 + (1 << 17) / (n * k.clamp(1, most))).div_ceil(high) * high;
    let end = (m - 1) * stride + n;
    let pieces: Vec<Mutex<&mut [T]>> = c[..end].chunks_mut(rows * stride).map(Mutex::new).collect();
    for from in (0..k).step_by(most) {
        let depth = most.min(k - from) * T::PARTS;
        // columns of `b` side by side, as many as a tile has
        let mut packed = vec![zero; n.div_ceil(width) * width * depth];
        for (p, tile) in packed.chunks_exact_mut(width * depth).enumerate() {
            for (l, lines) in tile.chunks_exact_mut(width * T::PARTS).enumerate() {
                for j in 0..width.min(n - p * width) {
                    let parts = b(from + l, p * width + j).parts();
                    (0..T::PARTS).for_each(|part| lines[part * width + j] = parts[part]);
                }
            }
        }
        team.run(pieces.len(), &|piece| {
            let mut c = pieces[piece].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let first = piece * rows;
            let (mut strip, mut sums) = (vec![zero; ROWS * depth], [[zero; MOST]; ROWS]);
            for top in (0..rows.min(m - first)).step_by(high) {
                let height = high.min(m - first - top);
                for i in 0..high {
                    for (l, lines) in strip.chunks_exact_mut(ROWS * T::PARTS).enumerate() {
                        put(lines, i, if i < height { a(first + top + i, from + l) } else { T::ZERO });
                    }
                }
                for (p, packed) in packed.chunks_exact(width * depth).enumerate() {
                    let (left, columns) = (p * width, width.min(n - p * width));
                    if which == Which::Lower && left >= first + top + height {
                        break;
                    }
                    tile::<T>(&strip, packed, width, &mut sums);
                    for (i, re) in sums[..height].iter().enumerate() {
                        let im = &sums[(T::PARTS - 1) * high + i];
                        let line = &mut c[(top + i) * stride + left..][..columns];
                        line.iter_mut().zip(re.iter().zip(im)).for_each(|(c, (re, im))| *c += T::of_parts([*re, *im]));
                    }
                }
            }
        });
    }
}

compiled! {
    /// The product of a strip of rows with a strip of as many columns as a tile has.
    fn tile(a: &[T::Part], b: &[T::Part], width: usize, sums: &mut [[T::Part; MOST]; ROWS]) {
        match width {
            32 => tile_of::<T::Part, 32, FUSED>(a, b, sums),
            16 => tile_of::<T::Part, 16, FUSED>(a, b, sums),
            _ => tile_of::<T::Part, 8, FUSED>(a, b, sums),
        }
    }
}
#[inline(always)]
fn tile_of<T: Real, const N: usize, const FUSED: bool>(a: &[T], b: &[T], sums: &mut [[T; MOST]; ROWS]) {
    let mut own = [[T::ZERO; N]; ROWS];
    add_product::<T, N, FUSED>(a, b, &mut own);
    sums.iter_mut().zip(&own).for_each(|(sums, own)| sums[..N].copy_from_slice(own));
}
/// Adds the product of a strip of rows with a strip of `N` columns.
#[inline(always)]
pub(super) fn add_product<T: Real, const N: usize, const FUSED: bool>(a: &[T], b: &[T], sums: &mut [[T; N]; ROWS]) {
    let mut own = *sums;
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(N)) {
        for i in 0..ROWS {
            for j in 0..N {
                own[i][j] = fma::<T, FUSED>(a[i], b[j], own[i][j]);
            }
        }
    }
    *sums = own;
}
/// Row `i` of a strip of rows gets `value` in one of its columns, whose numbers are `lines`.
#[inline(always)]
pub(super) fn put<T: Number>(lines: &mut [T::Part], i: usize, value: T) {
    let [re, im] = value.parts();
    lines[i] = re;
    if T::PARTS == 2 {
        let high = ROWS / 2;
        (lines[high + i], lines[ROWS + i], lines[ROWS + high + i]) = (im, -im, re);
    }
}
