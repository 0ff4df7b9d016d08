//! The product of matrices that all blocked algorithms are made of.
use super::{Number, Real, fma};
use crate::{Isa, product::Team};
use std::sync::Mutex;

/// Rows of a tile.
const ROWS: usize = 6;
/// Most columns of a tile.
const MOST: usize = 16;
/// How much of the inner axis is multiplied at a time, so that what one tile reads stays in the first cache.
const DEPTH: usize = 256;

/// `c += a b` for `c` of `m` rows and `n` columns that stand `stride` apart, and an inner axis of size `k`. The factors are given by
/// their elements.
///
/// A complex product is a real one of twice the rows and twice the inner axis: (re, im) += (re, im) of `a` times the real part of `b`,
/// and (-im, re) of `a` times its imaginary part.
pub(super) fn product<T: Number>(
    team: &dyn Team,
    (c, stride): (&mut [T], usize),
    [m, n, k]: [usize; 3],
    a: impl Fn(usize, usize) -> T + Sync,
    b: impl Fn(usize, usize) -> T + Sync,
) {
    if m == 0 || n == 0 {
        return;
    }
    let (zero, width, high) = (T::Part::ZERO, T::Part::TILE, ROWS / T::PARTS);
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
            let mut strip = vec![zero; ROWS * depth];
            for top in (0..rows.min(m - first)).step_by(high) {
                let height = high.min(m - first - top);
                for (l, lines) in strip.chunks_exact_mut(ROWS * T::PARTS).enumerate() {
                    for i in 0..high {
                        let value = if i < height { a(first + top + i, from + l) } else { T::ZERO };
                        let [re, im] = value.parts();
                        lines[i] = re;
                        if T::PARTS == 2 {
                            (lines[high + i], lines[ROWS + i], lines[ROWS + high + i]) = (im, -im, re);
                        }
                    }
                }
                for (p, packed) in packed.chunks_exact(width * depth).enumerate() {
                    let mut sums = [[zero; MOST]; ROWS];
                    tile(&strip, packed, &mut sums);
                    let (left, columns) = (p * width, width.min(n - p * width));
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

/// The product of a strip of rows with a strip of columns.
fn tile<T: Real>(a: &[T], b: &[T], sums: &mut [[T; MOST]; ROWS]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn fast<T: Real, const N: usize>(a: &[T], b: &[T], sums: &mut [[T; MOST]; ROWS]) {
            tile_of::<T, N, true>(a, b, sums);
        }
        if Isa::best() != Isa::Portable {
            // SAFETY: every instruction set but the portable one has these.
            return unsafe { if T::TILE == 16 { fast::<T, 16>(a, b, sums) } else { fast::<T, 8>(a, b, sums) } };
        }
    }
    const FUSED: bool = cfg!(target_arch = "aarch64");
    if T::TILE == 16 { tile_of::<T, 16, FUSED>(a, b, sums) } else { tile_of::<T, 8, FUSED>(a, b, sums) }
}
#[inline(always)]
fn tile_of<T: Real, const N: usize, const FUSED: bool>(a: &[T], b: &[T], sums: &mut [[T; MOST]; ROWS]) {
    let mut own = [[T::ZERO; N]; ROWS];
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(N)) {
        for i in 0..ROWS {
            for j in 0..N {
                own[i][j] = fma::<T, FUSED>(a[i], b[j], own[i][j]);
            }
        }
    }
    sums.iter_mut().zip(&own).for_each(|(sums, own)| sums[..N].copy_from_slice(own));
}
