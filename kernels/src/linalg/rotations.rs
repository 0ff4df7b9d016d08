//! Rotations of pairs of columns, collected and then applied to rows, several at a time.
use super::{Number, compiled, fma};
use crate::product::Team;
use std::sync::{Mutex, PoisonError};

/// Columns `x` and `y` become `cos x + sin y` and `cos y - sin x`.
#[derive(Clone, Copy)]
pub(super) struct Rotation {
    pub(super) columns: [u32; 2],
    pub(super) cos: f64,
    pub(super) sin: f64,
}

/// So many are applied at once.
const MOST: usize = 1 << 18;
/// Rows that are rotated side by side.
const ROWS: usize = 16;

/// A matrix of rows of `n` numbers whose columns are rotated.
pub(super) struct Rotated<'a> {
    pub(super) team: &'a dyn Team,
    pub(super) rows: &'a mut [f64],
    pub(super) n: usize,
    pub(super) waiting: Vec<Rotation>,
}
impl Rotated<'_> {
    pub(super) fn rotate(&mut self, x: usize, y: usize, cos: f64, sin: f64) {
        self.waiting.push(Rotation { columns: [x as u32, y as u32], cos, sin });
        if self.waiting.len() == MOST {
            self.apply();
        }
    }
    /// Applies what waits.
    pub(super) fn apply(&mut self) {
        let (n, waiting) = (self.n, std::mem::take(&mut self.waiting));
        if n == 0 || waiting.is_empty() {
            return;
        }
        let pieces: Vec<Mutex<&mut [f64]>> = self.rows.chunks_mut(ROWS * n).map(Mutex::new).collect();
        self.team.run(pieces.len(), &|piece| {
            let mut rows = pieces[piece].lock().unwrap_or_else(PoisonError::into_inner);
            let mut side_by_side = vec![0.0; ROWS * n];
            for (i, row) in rows.chunks_exact(n).enumerate() {
                row.iter().enumerate().for_each(|(j, x)| side_by_side[j * ROWS + i] = *x);
            }
            rotate::<f64>(&mut side_by_side, &waiting);
            for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                row.iter_mut().enumerate().for_each(|(j, x)| *x = side_by_side[j * ROWS + i]);
            }
        });
    }
}

compiled! {
    /// Rotates columns of 16 numbers each.
    fn rotate(columns: &mut [T], rotations: &[Rotation]) {
        for r in rotations {
            let [x, y] = r.columns.map(|c| c as usize * ROWS);
            let (cos, sin) = (T::of(r.cos), T::of(r.sin));
            let (mut new_x, mut new_y) = ([T::ZERO; ROWS], [T::ZERO; ROWS]);
            let (old_x, old_y) = (&columns[x..][..ROWS], &columns[y..][..ROWS]);
            for i in 0..ROWS {
                new_x[i] = fma::<T, FUSED>(sin, old_y[i], cos * old_x[i]);
                new_y[i] = fma::<T, FUSED>(-sin, old_x[i], cos * old_y[i]);
            }
            columns[x..][..ROWS].copy_from_slice(&new_x);
            columns[y..][..ROWS].copy_from_slice(&new_y);
        }
    }
}

/// The columns of a matrix of rows of `n` numbers in another order: column `j` of the result is column `order[j]`, times -1 where
/// `turned` says so.
pub(super) fn reorder(rows: &mut [f64], n: usize, order: &[usize], turned: &[bool]) {
    let mut old = vec![0.0; n];
    for row in rows.chunks_exact_mut(n.max(1)) {
        old.copy_from_slice(row);
        for (to, from) in row.iter_mut().zip(order) {
            *to = if turned[*from] { -old[*from] } else { old[*from] };
        }
    }
}
