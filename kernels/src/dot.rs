//! Products of arrays of bf16, neither of which is packed: of activations and of derivatives, while a model is trained. Sums are f32.
//!
//! As BLIS has it (Van Zee and van de Geijn, 2015): the right side is packed, a block at a time, into tiles that stay in the second
//! cache, and all rows of the left side are multiplied with them.
#![allow(unsafe_op_in_unsafe_fn)]
use crate::{
    amx,
    format::TILE,
    pairs,
    product::{Results, Shared, Target, Team},
};
use half::bf16;
use std::cell::RefCell;

/// Has this processor instructions for products of bf16?
pub fn is_there() -> bool {
    amx::is_there() || pairs::is_there()
}

/// Are these products as fast as those of XLA's library, in less memory? With AMX nobody has measured it.
pub fn pays() -> bool {
    pairs::is_there() && !amx::is_there()
}

/// One side of a product, by the places of its numbers: element `(b, i, j)` is `numbers[batch[b] + outer[i] + inner[j]]`.
pub struct Side<'a> {
    /// All numbers.
    pub numbers: &'a [bf16],
    /// Of each product of a batch.
    pub batch: Vec<usize>,
    /// Of each row of a left side, or each column of a right one.
    pub outer: Vec<usize>,
    /// Of each index that is summed over.
    pub inner: Vec<usize>,
}

/// How far apart neighbours lie, if it is equally far everywhere.
fn stride(places: &[usize]) -> Option<usize> {
    let step = places.get(1).map_or(0, |second| second.wrapping_sub(places[0]));
    places.windows(2).all(|two| two[1].wrapping_sub(two[0]) == step).then_some(step)
}

impl<'a> Side<'a> {
    /// Of an array of these sizes, by its axes.
    pub fn new(numbers: &'a [bf16], dims: &[usize], batch: &[usize], outer: &[usize], inner: &[usize]) -> Side<'a> {
        let strides: Vec<usize> = (0..dims.len()).map(|axis| dims[axis + 1..].iter().product()).collect();
        let places = |axes: &[usize]| {
            axes.iter().fold(vec![0], |places, axis| {
                let step = strides[*axis];
                places.iter().flat_map(|place| (0..dims[*axis]).map(move |i| place + i * step)).collect()
            })
        };
        Side { numbers, batch: places(batch), outer: places(outer), inner: places(inner) }
    }
    fn bits(&self) -> *const u16 {
        self.numbers.as_ptr().cast()
    }
    /// Are all places within the numbers?
    fn is_whole(&self) -> bool {
        let last = |places: &[usize]| places.iter().max().copied();
        match (last(&self.batch), last(&self.outer), last(&self.inner)) {
            (Some(b), Some(o), Some(i)) => b + o + i < self.numbers.len(),
            _ => true,
        }
    }
}

/// Rows of the left side that are multiplied with a tile while it is in the first cache.
const ROWS: usize = 96;
/// Rows of a task, whose sums stay in the second cache.
const MOST_ROWS: usize = 768;
/// Inputs of a packed block.
const DEPTH: usize = 512;
/// Pairs of tiles that share what is read of the left side.
const COUPLES: usize = 4;
/// Columns of a pair of tiles.
const WIDTH: usize = 2 * TILE;

thread_local! {
    /// Room for packed blocks, and for sums.
    static SCRATCH: RefCell<(Vec<u16>, Vec<f32>)> = const { RefCell::new((vec![], vec![])) };
    /// Room for a left side in order.
    static ORDERED: RefCell<Vec<u16>> = const { RefCell::new(vec![]) };
}
/// More room than that is given back, in numbers.
const KEPT: usize = 1 << 22;

/// The products of `a` and `b`, one for each of the batch: `[batch, rows, columns]`.
///
/// # Panics
/// Sizes that do not fit together, and a processor without the instructions: errors of the calling code.
pub fn dot(team: &dyn Team, a: &Side, b: &Side, results: Results) {
    let [batches, rows, columns, k] = [a.batch.len(), a.outer.len(), b.outer.len(), a.inner.len()];
    assert!(is_there(), "the processor has no products of bf16");
    assert!(b.batch.len() == batches && b.inner.len() == k && a.is_whole() && b.is_whole(), "sides that do not fit");
    let (size, target) = results.shared();
    assert!(size == batches * rows * columns, "{size} results, not {batches} x {rows} x {columns}");
    if size == 0 {
        return;
    }
    let couples = columns.div_ceil(WIDTH);
    let units: Vec<Unit> = (0..batches)
        .flat_map(|batch| (0..rows).step_by(MOST_ROWS).map(move |from| (batch, from)))
        .map(|(batch, from)| Unit { batch, from, rows: MOST_ROWS.min(rows - from) })
        .collect();
    // (several tasks for each thread, so that all end at about the same time)
    let each = (units.len() * couples / (4 * team.count())).clamp(1, COUPLES);
    let groups = couples.div_ceil(each);
    ORDERED.with_borrow_mut(|room| {
        // (what is put in order is used before it leaves the cache)
        for units in units.chunks(MOST_ROWS.div_ceil(rows)) {
            let left = Left::new(team, a, units, room);
            team.run(units.len() * groups, &|task| {
                let (unit, group) = (task / groups, task % groups);
                let block = Block { unit: &units[unit], couples: [group * each, couples.min((group + 1) * each)] };
                SCRATCH.with_borrow_mut(|(packed, sums)| {
                    block.sums(&left, unit, b, k, packed, sums);
                    block.write(sums, [rows, columns], target);
                });
            });
        }
        if room.len() > KEPT {
            *room = vec![];
        }
    });
}

/// Rows of one product of the batch.
struct Unit {
    batch: usize,
    from: usize,
    rows: usize,
}

/// Some rows of a left side with the inputs of each side by side.
struct Left<'a> {
    side: &'a Side<'a>,
    /// Inputs from here on are in `rest`; those before it are read where they are.
    whole: usize,
    /// From one row to the next of those.
    stride: usize,
    /// `[units, rows of the first, depth]`, padded with zeros as the instructions need it.
    rest: &'a [u16],
    rows: usize,
    depth: usize,
}

impl<'a> Left<'a> {
    fn new(team: &dyn Team, side: &'a Side, units: &[Unit], room: &'a mut Vec<u16>) -> Left<'a> {
        let k = side.inner.len();
        let has_tiles = amx::is_there();
        let (inner, outer) = (stride(&side.inner), stride(&side.outer));
        let in_place = inner == Some(1) && outer.is_some();
        let in_place = in_place && (!has_tiles || units.iter().all(|unit| unit.rows.is_multiple_of(amx::ROWS)));
        let whole = match in_place {
            true if k.is_multiple_of(amx::STEP) => k,
            true => k / DEPTH * DEPTH,
            false => 0,
        };
        let rows = units[0].rows.next_multiple_of(if has_tiles { amx::ROWS } else { 1 });
        let depth = (k - whole).next_multiple_of(amx::STEP);
        room.resize(room.len().max(units.len() * rows * depth), 0);
        if depth > 0 {
            let to = Shared::of(room);
            // (32 rows at a time)
            let parts = rows.div_ceil(32);
            team.run(units.len() * parts, &|task| {
                let (unit, first) = (&units[task / parts], task % parts * 32);
                // SAFETY: there is room for as many; tasks write different rows.
                let to = unsafe { to.slice((task / parts * rows + first) * depth, 32.min(rows - first) * depth) };
                let places = &side.outer[unit.from + first.min(unit.rows)..unit.from + unit.rows.min(first + 32)];
                side.put_in_order(side.batch[unit.batch], places, &side.inner[whole..], to, depth);
            });
        }
        Left { side, whole, stride: outer.unwrap_or(0), rest: room, rows, depth }
    }

    /// Where the inputs from `start` on of a unit's rows are, how far apart rows lie, and how many inputs there are, zeros included.
    fn from(&self, number: usize, unit: &Unit, start: usize) -> (*const u16, usize, usize) {
        if start < self.whole {
            let side = self.side;
            let first = side.batch[unit.batch] + side.outer[unit.from] + side.inner[start];
            return (side.bits().wrapping_add(first), self.stride, self.whole - start);
        }
        let at = number * self.rows * self.depth + start - self.whole;
        (self.rest[at..].as_ptr(), self.depth, self.depth - (start - self.whole))
    }
}

impl Side<'_> {
    /// Rows `outer` of inputs `inner`, side by side, `depth` numbers apart; zeros follow the inputs.
    fn put_in_order(&self, batch: usize, outer: &[usize], inner: &[usize], to: &mut [u16], depth: usize) {
        let from = self.bits().wrapping_add(batch);
        let is_line = outer.len() == 32 && stride(outer) == Some(1);
        if inner.len() < depth || outer.len() * depth < to.len() {
            to.fill(0);
        }
        // SAFETY: all places are within the numbers.
        unsafe {
            if stride(inner) == Some(1) {
                for (place, to) in outer.iter().zip(to.chunks_exact_mut(depth)) {
                    std::ptr::copy_nonoverlapping(from.add(place + inner[0]), to.as_mut_ptr(), inner.len());
                }
                return;
            }
            // (squares of 32, which fill the lines of the cache both ways)
            for (j, inner) in inner.chunks(32).enumerate() {
                let mut part = [[0u16; 32]; 32];
                for (j, inner) in inner.iter().enumerate() {
                    let from = from.add(*inner);
                    match is_line {
                        true => {
                            let line = from.add(outer[0]).cast::<[u16; 32]>().read_unaligned();
                            part.iter_mut().zip(line).for_each(|(row, x)| row[j] = x);
                        }
                        false => part.iter_mut().zip(outer).for_each(|(row, place)| row[j] = *from.add(*place)),
                    }
                }
                for (row, to) in part.iter().zip(to.chunks_exact_mut(depth)) {
                    to[32 * j..][..inner.len()].copy_from_slice(&row[..inner.len()]);
                }
            }
        }
    }
}

/// What one task computes: some rows times some pairs of tiles.
struct Block<'a> {
    unit: &'a Unit,
    couples: [usize; 2],
}
impl Block<'_> {
    /// To `sums`, `[rows, couples, 32]`, where rows are padded as tiles of AMX need it.
    fn sums(&self, left: &Left, number: usize, b: &Side, k: usize, packed: &mut Vec<u16>, sums: &mut Vec<f32>) {
        let (rows, [first, last]) = (self.unit.rows, self.couples);
        let width = (last - first) * WIDTH;
        sums.resize(sums.len().max(rows.next_multiple_of(amx::ROWS) * width), 0.0);
        packed.resize(packed.len().max(width * DEPTH), 0);
        let has_tiles = amx::is_there();
        // SAFETY: `dot` asks for this only where the processor has one of the two.
        let _tiles = has_tiles.then(|| unsafe { amx::Tiles::new() });
        for start in (0..k).step_by(DEPTH) {
            let (a, stride, depth) = left.from(number, self.unit, start);
            let depth = DEPTH.min(depth);
            for (tile, to) in (2 * first..2 * last).zip(packed.chunks_exact_mut(TILE * DEPTH)) {
                pack(b, self.unit.batch, tile * TILE, start..k.min(start + depth), &mut to[..TILE * depth]);
            }
            for row in (0..rows).step_by(ROWS) {
                let count = ROWS.min(rows - row);
                for (couple, tiles) in packed.chunks_exact(WIDTH * DEPTH).enumerate().take(last - first) {
                    let tiles = [0, TILE * DEPTH].map(|at| tiles[at..].as_ptr().cast::<u8>());
                    // SAFETY: the rows and tiles are whole, and of AMX the padded rows too.
                    unsafe {
                        let (a, c) = (a.add(row * stride), sums[row * width + couple * WIDTH..].as_mut_ptr());
                        match has_tiles {
                            true => (0..count).step_by(amx::ROWS).for_each(|i| {
                                let (a, c) = (a.add(i * stride), c.add(i * width));
                                amx::product(a, 2 * stride, tiles, depth / amx::STEP, c, 4 * width, start > 0);
                            }),
                            false => pairs::product(a, stride, count, tiles, depth / 2, c, width, start > 0),
                        }
                    }
                }
            }
        }
        if k == 0 {
            sums.fill(0.0);
        }
    }

    fn write(&self, sums: &[f32], [rows, columns]: [usize; 2], target: Target) {
        let [first, last] = self.couples;
        let lanes = columns.min(last * WIDTH) - first * WIDTH;
        let (width, at) = ((last - first) * WIDTH, (self.unit.batch * rows + self.unit.from) * columns + first * WIDTH);
        // SAFETY: within the results; only this task writes these.
        unsafe { target.write(at, columns, &sums[..self.unit.rows * width], width, lanes) };
    }
}

/// A tile of 16 columns from `column` on: pairs of inputs, `[inputs / 2, 16, 2]`, with zeros where there are none.
fn pack(b: &Side, batch: usize, column: usize, inputs: std::ops::Range<usize>, to: &mut [u16]) {
    let outer = b.outer.get(column..b.outer.len().min(column + TILE)).unwrap_or(&[]);
    let inner = &b.inner[inputs];
    let from = b.bits().wrapping_add(b.batch[batch]);
    if outer.len() < TILE || inner.len() * TILE < to.len() {
        to.fill(0);
    }
    let whole = outer.len() == TILE;
    let pairs = to.chunks_exact_mut(2 * TILE);
    // SAFETY: all places are within the numbers.
    unsafe {
        if whole && stride(outer) == Some(1) {
            for (to, inner) in pairs.zip(inner.chunks(2)) {
                let line = |place: usize| from.add(place + outer[0]).cast::<[u16; TILE]>().read_unaligned();
                let (first, second) = (line(inner[0]), inner.get(1).map_or([0; TILE], |place| line(*place)));
                for lane in 0..TILE {
                    (to[2 * lane], to[2 * lane + 1]) = (first[lane], second[lane]);
                }
            }
        } else if whole && stride(inner) == Some(1) && inner.len().is_multiple_of(32) {
            for (part, to) in to.chunks_exact_mut(32 * TILE).enumerate() {
                for (lane, place) in outer.iter().enumerate() {
                    let line = from.add(place + inner[0] + 32 * part).cast::<[[u16; 2]; 16]>().read_unaligned();
                    for (pair, two) in line.into_iter().enumerate() {
                        to[pair * 2 * TILE + 2 * lane..][..2].copy_from_slice(&two);
                    }
                }
            }
        } else {
            for (to, inner) in pairs.zip(inner.chunks(2)) {
                for (lane, place) in outer.iter().enumerate() {
                    for (i, inner) in inner.iter().enumerate() {
                        to[2 * lane + i] = *from.add(place + inner);
                    }
                }
            }
        }
    }
}
