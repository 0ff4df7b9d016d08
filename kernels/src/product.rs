//! Products with packed matrices, shared out over threads.
use crate::{
    amx,
    bytes::Quantised,
    convert::{narrow, split, widen},
    decode::for_format,
    format::{Format, TILE},
    isa::Isa,
    pairs,
    thin::{self, ByteTile, Inputs, Kernels, Panel, Rows, Tile},
};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use smallvec::SmallVec;
use std::{borrow::Cow, cell::RefCell, ops::Range};

/// How products are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// As in f32: products of 24 bits, added in f32 (of few rows in whole numbers, of three bytes for each input, where the processor is
    /// faster so). Inputs that are bf16 already lose nothing.
    #[default]
    Exact,
    /// Of more than eight rows, inputs and matrices are rounded to bf16 (8 bits), products added in f32, where the processor is faster
    /// so.
    Bf16,
    /// Inputs of products with blocks of whole numbers (every format with scales) are rounded to bytes, 32 of them with a scale in
    /// common, as llama.cpp does. Products of bytes are added in whole numbers, and those sums, scaled, in f32.
    Int8,
}
impl Arithmetic {
    /// All of them.
    pub const ALL: [Arithmetic; 3] = [Arithmetic::Exact, Arithmetic::Bf16, Arithmetic::Int8];
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Arithmetic::Exact => "exact",
            Arithmetic::Bf16 => "bf16",
            Arithmetic::Int8 => "int8",
        }
    }
    /// The one of this name.
    pub fn named(name: &str) -> Option<Arithmetic> {
        Arithmetic::ALL.into_iter().find(|a| a.name() == name)
    }
    /// How many bytes stand for each input of products with blocks of whole numbers; 0 where those are decoded to f32 instead.
    fn levels(self, isa: Isa, rows: usize) -> usize {
        match self {
            Arithmetic::Int8 => 1,
            // three products of bytes are faster than decoding a number and multiplying it, as long as it is for few rows
            Arithmetic::Exact | Arithmetic::Bf16 if rows <= 4 && isa == Isa::Avx512 && isa.of_bytes() == isa => 3,
            _ => 0,
        }
    }
    /// In how many parts of bf16 inputs are multiplied; 0 where products are in f32. Three bf16 are an f32, and the tiles of AMX are so
    /// fast that three products of bf16 take less time than one of f32.
    fn passes(self, isa: Isa, format: Format) -> usize {
        match (self, format) {
            _ if isa != Isa::best() || !(amx::is_there() || pairs::is_there()) => 0,
            (Arithmetic::Bf16, _) => 1,
            (Arithmetic::Exact | Arithmetic::Int8, Format::BF16) if amx::is_there() => 3,
            _ => 0,
        }
    }
}

/// Threads that share out tasks.
pub trait Team: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// Calls `task` with each of `0..total`, and returns when all are done.
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync));
}
/// The calling thread.
pub struct Alone;
impl Team for Alone {
    fn count(&self) -> usize {
        1
    }
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..total).for_each(task);
    }
}
impl Team for raxla_xla::ffi::Threads<'_> {
    fn count(&self) -> usize {
        raxla_xla::ffi::Threads::count(self)
    }
    fn run(&self, total: usize, task: &(dyn Fn(usize) + Sync)) {
        raxla_xla::ffi::Threads::run(self, total, task);
    }
}

/// A packed matrix `[k, n]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// How its numbers are written.
    pub format: Format,
    /// Inputs.
    pub k: usize,
    /// Outputs.
    pub n: usize,
    /// [`Format::dims`] bytes.
    pub packed: &'a [u8],
}
impl Matrix<'_> {
    fn blocks(&self) -> usize {
        self.k.div_ceil(self.format.inputs())
    }
    fn tiles(&self) -> usize {
        self.n.div_ceil(TILE)
    }
    fn tile(&self, i: usize) -> *const u8 {
        self.packed[i * self.blocks() * self.format.bytes()..].as_ptr()
    }
    /// Are there as many bytes as the sizes ask for?
    pub fn is_whole(&self) -> bool {
        let [tiles, blocks, bytes] = self.format.dims(self.k, self.n);
        self.packed.len() == tiles * blocks * bytes
    }
}

/// Memory that tasks write different elements of.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);
// SAFETY: tasks write different elements.
unsafe impl<T: Send> Sync for Shared<T> {}
impl<T> Shared<T> {
    pub fn of(all: &mut [T]) -> Shared<T> {
        Shared(all.as_mut_ptr())
    }
    /// Where element `i` is.
    pub fn at(self, i: usize) -> *mut T {
        self.0.wrapping_add(i)
    }
    /// # Safety
    /// So many are there, and nobody else has them.
    pub unsafe fn slice<'a>(self, at: usize, n: usize) -> &'a mut [T] {
        // SAFETY: as the caller says.
        unsafe { std::slice::from_raw_parts_mut(self.at(at), n) }
    }
}

/// Inputs of a product.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    /// f32.
    F32(&'a [f32]),
    /// bf16.
    BF16(&'a [bf16]),
    /// f16.
    F16(&'a [f16]),
}
impl<'a> Numbers<'a> {
    fn len(self) -> usize {
        match self {
            Numbers::F32(x) => x.len(),
            Numbers::BF16(x) => x.len(),
            Numbers::F16(x) => x.len(),
        }
    }
    /// As f32.
    pub fn wide(self, team: &dyn Team) -> Cow<'a, [f32]> {
        let converted = |convert: &(dyn Fn(Range<usize>, &mut [f32]) + Sync)| {
            let mut out = vec![0.0; self.len()];
            let to = Shared::of(&mut out);
            // SAFETY: as many are there, and parts are different.
            in_parts(team, self.len(), |part| convert(part.clone(), unsafe { to.slice(part.start, part.len()) }));
            out.into()
        };
        match self {
            Numbers::F32(x) => x.into(),
            Numbers::BF16(x) => converted(&|part, out| widen(x[part].reinterpret_cast(), out)),
            Numbers::F16(x) => converted(&|part, out| x[part].convert_to_f32_slice(out)),
        }
    }
}
/// Calls `f` with parts of `0..n`, on all threads where it is worth it.
fn in_parts(team: &dyn Team, n: usize, f: impl Fn(Range<usize>) + Sync) {
    const PART: usize = 1 << 14;
    match n {
        0..=PART => f(0..n),
        _ => team.run(n.div_ceil(PART), &|part| f(part * PART..n.min((part + 1) * PART))),
    }
}

/// Where results of a product go: sums of f32, rounded once.
pub enum Results<'a> {
    /// As they are.
    F32(&'a mut [f32]),
    /// Rounded.
    BF16(&'a mut [bf16]),
    /// Rounded.
    F16(&'a mut [f16]),
}
impl Results<'_> {
    fn len(&self) -> usize {
        match self {
            Results::F32(y) => y.len(),
            Results::BF16(y) => y.len(),
            Results::F16(y) => y.len(),
        }
    }
    /// How many there are, and as tasks write them.
    pub(crate) fn shared(self) -> (usize, Target) {
        let n = self.len();
        let target = match self {
            Results::F32(y) => Target::F32(Shared::of(y)),
            Results::BF16(y) => Target::BF16(Shared::of(y)),
            Results::F16(y) => Target::F16(Shared::of(y)),
        };
        (n, target)
    }
}
/// [`Results`] that tasks write different elements of.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    F32(Shared<f32>),
    BF16(Shared<bf16>),
    F16(Shared<f16>),
}
impl Target {
    /// Writes results from element `at` on: of `sums` `[rows, width]` the first `lanes` columns, to lines of `n`.
    ///
    /// # Safety
    /// So many are there, and no other task writes these.
    #[inline(always)]
    pub unsafe fn write(self, at: usize, n: usize, sums: &[f32], width: usize, lanes: usize) {
        let rows = sums.chunks_exact(width).map(|sums| &sums[..lanes]).enumerate();
        // SAFETY: as the caller says.
        unsafe {
            match self {
                Target::F32(y) => rows.for_each(|(row, sums)| y.slice(at + row * n, lanes).copy_from_slice(sums)),
                Target::BF16(y) => narrow(sums, width, lanes, y.at(at).cast(), n),
                Target::F16(y) => {
                    rows.for_each(|(row, sums)| y.slice(at + row * n, lanes).convert_from_f32_slice(sums))
                }
            }
        }
    }
}

/// Of each matrix of a product: seldom more than four, which need no allocation.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// Where the results of one matrix go, `[rows, n]`, row-major, and `n`.
struct Out(Target, usize);

/// The kernels of an instruction set for one format.
struct Chosen {
    tile: fn(usize) -> Tile,
    byte_tile: fn(usize, usize) -> ByteTile,
    panel: Panel,
    pairs: Panel,
    rows: fn(usize) -> (Rows, usize),
    inputs_of_sums: usize,
    inputs: usize,
}

fn chosen(isa: Isa, format: Format) -> Chosen {
    fn of<K: Kernels, B: crate::decode::AllBlocks>() -> Chosen {
        use crate::{decode::Blocks, isa::Portable};
        let inputs_of_sums = if <B as Blocks<Portable>>::OFFSET { <B as Blocks<Portable>>::INPUTS } else { 0 };
        let inputs = <B as Blocks<Portable>>::INPUTS;
        let (tile, byte_tile) = (K::tile::<B> as fn(usize) -> Tile, K::byte_tile::<B> as fn(usize, usize) -> ByteTile);
        Chosen {
            tile,
            byte_tile,
            panel: K::panel::<B>(),
            pairs: K::pairs::<B>(),
            rows: K::rows,
            inputs_of_sums,
            inputs,
        }
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => for_format!(format, B => of::<thin::avx512::Here, B>()),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => for_format!(format, B => of::<thin::avx2::Here, B>()),
        _ => for_format!(format, B => of::<thin::portable::Here, B>()),
    }
}

/// `x · w` for each `w` of `matrices`, which share the inputs: `x` is `[rows, k]`, and `y[i]` is `[rows, n]` of matrix `i`. Numbers
/// are decoded in registers (or, of many rows, in the cache), and multiplied and added in f32.
///
/// # Panics
/// Sizes that do not fit together: an error of the calling code.
pub fn product<'y>(
    isa: Isa,
    how: Arithmetic,
    team: &dyn Team,
    x: Numbers,
    rows: usize,
    matrices: &[Matrix],
    y: impl IntoIterator<Item = Results<'y>>,
) {
    let y: Few<Results> = y.into_iter().collect();
    let k = matrices.first().map_or(0, |m| m.k);
    assert!(isa <= Isa::best(), "{isa:?} is not there");
    assert!(x.len() == rows * k && y.len() == matrices.len(), "{} inputs are no {rows} x {k}", x.len());
    for (m, y) in matrices.iter().zip(&y) {
        assert!(m.k == k && m.is_whole() && y.len() == rows * m.n, "{:?} {} x {}", m.format, m.k, m.n);
    }
    if rows == 0 {
        return;
    }
    let outs = y.into_iter().zip(matrices).map(|(y, m)| Out(y.shared().1, m.n));
    // (what becomes of a matrix does not depend on its company)
    let (blocks, plain): (Few<_>, Few<_>) = matrices.iter().zip(outs).partition(|(m, _)| !m.format.is_plain());
    let levels = how.levels(isa, rows);
    for (together, levels) in [(blocks, levels), (plain, 0)] {
        let (matrices, outs): (Few<Matrix>, Few<Out>) = together.into_iter().map(|(m, out)| (*m, out)).unzip();
        match rows {
            _ if matrices.is_empty() => {}
            _ if levels > 0 => in_bytes(isa, team, &x.wide(team), rows, &matrices, &outs, levels),
            _ if rows <= thin::MOST => few(isa, team, &x.wide(team), rows, &matrices, &outs),
            _ => many(isa, team, x, rows, &matrices, &outs, how),
        }
    }
}

/// Vectors padded with zeros to a length, where they are not that long.
fn padded(x: &[f32], rows: usize, k: usize, to: usize) -> std::borrow::Cow<'_, [f32]> {
    if k == to {
        return x.into();
    }
    let mut all = vec![0.0; rows * to];
    for (to, from) in all.chunks_exact_mut(to).zip(x.chunks_exact(k.max(1))) {
        to[..k].copy_from_slice(from);
    }
    all.into()
}

/// Tiles of several matrices, numbered through.
fn find(matrices: &[Matrix], mut tile: usize) -> (usize, usize) {
    for (i, m) in matrices.iter().enumerate() {
        if tile < m.tiles() {
            return (i, tile);
        }
        tile -= m.tiles();
    }
    unreachable!("no more tiles than there are")
}

fn few(isa: Isa, team: &dyn Team, x: &[f32], rows: usize, matrices: &[Matrix], outs: &[Out]) {
    let k = matrices[0].k;
    let longest = matrices.iter().map(|m| m.blocks() * m.format.inputs()).max().unwrap_or(0);
    let x = padded(x, rows, k, longest);
    let chosen: Few<Chosen> = matrices.iter().map(|m| chosen(isa, m.format)).collect();
    // (formats with offsets have sub-blocks of 32)
    let has_offsets = chosen.iter().any(|c| c.inputs_of_sums != 0);
    let sums: Vec<f32> = match has_offsets {
        true => x.chunks_exact(32).map(|part| part.iter().sum()).collect(),
        false => vec![],
    };
    by_tiles(team, rows, matrices, outs, &|i, tile, done, vectors, out| {
        let inputs = Inputs {
            x: x[done * longest..].as_ptr(),
            stride: longest,
            sums: sums.get(done * longest / 32..).map_or(std::ptr::null(), <[f32]>::as_ptr),
            sums_stride: longest / 32,
        };
        // SAFETY: the matrix is whole, the vectors are as long as its blocks, and there are as many of both; the processor has the
        // instruction set.
        unsafe { (chosen[i].tile)(vectors)(matrices[i].tile(tile), matrices[i].blocks(), inputs, out) };
    });
}

/// As [`few`], of bytes, and of any number of rows.
fn in_bytes(isa: Isa, team: &dyn Team, x: &[f32], rows: usize, matrices: &[Matrix], outs: &[Out], levels: usize) {
    let longest = matrices.iter().map(|m| m.blocks() * m.format.inputs()).max().unwrap_or(0);
    let chosen: Few<Chosen> = matrices.iter().map(|m| chosen(isa.of_bytes(), m.format)).collect();
    let x = Quantised::new(isa, team, x, [rows, matrices[0].k], longest, levels);
    by_tiles(team, rows, matrices, outs, &|i, tile, done, vectors, out| {
        let inputs = x.from(done, chosen[i].inputs);
        // SAFETY: as in `few`; scales and sums are as many as groups and sub-blocks.
        unsafe { (chosen[i].byte_tile)(vectors, levels)(matrices[i].tile(tile), matrices[i].blocks(), inputs, out) };
    });
}

/// Calls `one` with a matrix, a tile of it, a row, and how many rows from there on (8, 4, 2 or 1), until all have been; it writes
/// what 16 outputs of these rows are.
fn by_tiles(
    team: &dyn Team,
    rows: usize,
    matrices: &[Matrix],
    outs: &[Out],
    one: &(dyn Fn(usize, usize, usize, usize, *mut f32) + Sync),
) {
    let tiles: usize = matrices.iter().map(Matrix::tiles).sum();
    let bytes: usize = matrices.iter().map(|m| m.packed.len()).sum();
    // so many tiles a task that its start costs little beside it
    const WORK: usize = 1 << 16;
    let work = bytes * rows.div_ceil(thin::MOST);
    let each = (tiles * WORK).div_ceil(work.max(1)).clamp(1, tiles.div_ceil(team.count()).max(1));
    team.run(tiles.div_ceil(each), &|task| {
        let mut out = [0f32; TILE * thin::MOST];
        for tile in task * each..((task + 1) * each).min(tiles) {
            let (i, tile) = find(matrices, tile);
            let Out(y, n) = &outs[i];
            let mut done = 0;
            let lanes = TILE.min(n - tile * TILE);
            while done < rows {
                let vectors = [8, 4, 2, 1].into_iter().find(|v| *v <= rows - done).unwrap_or(1);
                one(i, tile, done, vectors, out.as_mut_ptr());
                // SAFETY: within the result; only this task writes these outputs.
                unsafe { y.write(done * n + tile * TILE, *n, &out[..vectors * TILE], TILE, lanes) };
                done += vectors;
            }
        }
    });
}

/// Inputs that are taken in together where there are many rows, so that two tiles of them stay in the second cache.
const DEPTH: usize = 2048;

thread_local! {
    /// Room for decoded tiles, and for sums: allocated once for each thread.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([vec![], vec![]]) };
}

fn many(isa: Isa, team: &dyn Team, x: Numbers, rows: usize, matrices: &[Matrix], outs: &[Out], how: Arithmetic) {
    let chosen: Few<Chosen> = matrices.iter().map(|m| chosen(isa, m.format)).collect();
    let couples: Vec<(usize, usize)> =
        matrices.iter().enumerate().flat_map(|(i, m)| (0..m.tiles()).step_by(2).map(move |tile| (i, tile))).collect();
    let longest = matrices.iter().map(|m| m.blocks() * m.format.inputs()).max().unwrap_or(0);
    let passes: Vec<usize> = matrices.iter().map(|m| how.passes(isa, m.format)).collect();
    let most = passes.iter().copied().max().unwrap_or(0);
    let halves = Halves::new(team, x, [rows, matrices[0].k], longest, most);
    let x = if passes.contains(&0) { x.wide(team) } else { Cow::default() };
    team.run(couples.len(), &|task| {
        let (i, tile) = couples[task];
        let (m, n) = (&matrices[i], outs[i].1);
        // (the second of an odd tile is the first once more; nobody reads what comes of it)
        let sides = [m.tile(tile), m.tile(tile + (tile + 1 < m.tiles()) as usize)];
        SCRATCH.with_borrow_mut(|[panels, sums]| {
            sums.resize(sums.len().max(rows.next_multiple_of(amx::ROWS) * 2 * TILE), 0.0);
            match passes[i] {
                0 => in_f32(&chosen[i], m, &x, rows, sides, panels, sums),
                passes => in_bf16(&chosen[i], m, &halves, rows, passes, sides, panels, sums),
            }
            let lanes = (2 * TILE).min(n - tile * TILE);
            // SAFETY: within the result; only this task writes these outputs.
            unsafe { outs[i].0.write(tile * TILE, n, &sums[..rows * 2 * TILE], 2 * TILE, lanes) };
        });
    });
}

/// All rows times two tiles, to `sums` `[rows, 32]`.
fn in_f32(
    chosen: &Chosen,
    m: &Matrix,
    x: &[f32],
    rows: usize,
    tiles: [*const u8; 2],
    panels: &mut Vec<f32>,
    sums: &mut [f32],
) {
    let (k, per_block) = (m.k, m.format.inputs());
    panels.resize(panels.len().max(2 * TILE * DEPTH.min(k.next_multiple_of(256))), 0.0);
    for from in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - from);
        let (first, blocks) = (from / per_block, depth.div_ceil(per_block));
        let half = TILE * blocks * per_block;
        let mut places = [std::ptr::null(); 2];
        for (side, place) in places.iter_mut().enumerate() {
            // SAFETY: the blocks lie within the tile, and the panel has room for as many.
            unsafe {
                let source = tiles[side].add(first * m.format.bytes());
                if m.format == Format::F32 {
                    *place = source.cast();
                } else {
                    (chosen.panel)(source, blocks, panels[side * half..].as_mut_ptr());
                    *place = panels[side * half..].as_ptr();
                }
            }
        }
        let mut row = 0;
        while row < rows {
            let (kernel, count) = (chosen.rows)(rows - row);
            // SAFETY: as many rows of `x` and of sums are there, and the panels are as deep.
            unsafe {
                let (x, y) = (x[row * k + from..].as_ptr(), sums[row * 2 * TILE..].as_mut_ptr());
                kernel(x, k, depth, places, y, 2 * TILE, from > 0);
            }
            row += count;
        }
    }
}

/// As [`in_f32`], of bf16, in the tiles of AMX where it is there: `passes` parts of the inputs, one after the other.
fn in_bf16(
    chosen: &Chosen,
    m: &Matrix,
    x: &Halves,
    rows: usize,
    passes: usize,
    tiles: [*const u8; 2],
    panels: &mut Vec<f32>,
    sums: &mut [f32],
) {
    let (blocks, steps) = (m.blocks(), m.blocks() * m.format.inputs() / amx::STEP);
    let half = TILE * steps * amx::STEP / 2;
    let places = match m.format {
        Format::BF16 => tiles,
        _ => {
            panels.resize(panels.len().max(2 * half), 0.0);
            [0, 1].map(|side| {
                // SAFETY: the panel has room for the whole tile.
                unsafe { (chosen.pairs)(tiles[side], blocks, panels[side * half..].as_mut_ptr()) };
                panels[side * half..].as_ptr().cast()
            })
        }
    };
    // SAFETY: passes are asked for only where one of the two is there, several only with AMX; the inputs are padded to whole steps and
    // rows, and the sums too.
    unsafe {
        if !amx::is_there() {
            let pairs = steps * amx::STEP / 2;
            return pairs::product(
                x.numbers.as_ptr(),
                x.stride,
                rows,
                places,
                pairs,
                sums.as_mut_ptr(),
                2 * TILE,
                false,
            );
        }
        let _tiles = amx::Tiles::new();
        for pass in 0..passes {
            for row in (0..x.rows).step_by(amx::ROWS) {
                let a = x.numbers[(pass * x.rows + row) * x.stride..].as_ptr();
                let c = sums[row * 2 * TILE..].as_mut_ptr();
                amx::product(a, 2 * x.stride, places, steps, c, 8 * TILE, pass > 0);
            }
        }
    }
}

/// Inputs as one or several bf16 that add up to them, `[passes, rows, stride]`: rows and inputs are padded with zeros.
struct Halves<'a> {
    numbers: Cow<'a, [u16]>,
    rows: usize,
    stride: usize,
}
impl<'a> Halves<'a> {
    fn new(team: &dyn Team, x: Numbers<'a>, [rows, k]: [usize; 2], stride: usize, passes: usize) -> Halves<'a> {
        let padded = if amx::is_there() { rows.next_multiple_of(amx::ROWS) } else { rows };
        if let (Numbers::BF16(x), true) = (x, [passes, stride, padded] == [1, k, rows]) {
            return Halves { numbers: x.reinterpret_cast().into(), rows, stride };
        }
        let mut numbers = vec![0u16; passes * padded * stride];
        let to = Shared::of(&mut numbers);
        team.run(if passes > 0 { rows } else { 0 }, &|row| {
            // SAFETY: there are as many rows, and each is one task's.
            let to = |pass: usize| unsafe { to.slice((pass * padded + row) * stride, k) };
            let line = row * k..(row + 1) * k;
            let mut rest = match x {
                Numbers::F32(x) => x[line].to_vec(),
                Numbers::BF16(x) if passes == 1 => return to(0).copy_from_slice(x[line].reinterpret_cast()),
                Numbers::BF16(x) => x[line].to_f32_vec(),
                Numbers::F16(x) => x[line].to_f32_vec(),
            };
            (0..passes).for_each(|pass| split(&mut rest, to(pass)));
        });
        Halves { numbers: numbers.into(), rows: padded, stride }
    }
}
