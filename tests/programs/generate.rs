//! Random well-typed programs.
use crate::{
    devices::{ALONE, Place, grid_of},
    ops::{self, Op},
    program::{Program, Step, Style, Value},
};
use raxla::{Aval, DType, Tensor, prim::Direction, trace::trace_graph};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Rng(pub u64);
impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    /// Inclusive bounds.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }
    pub fn percent(&mut self, p: usize) -> bool {
        self.below(100) < p
    }
    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
    pub fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        (1..n).for_each(|i| all.swap(i, self.below(i + 1)));
        all
    }
    /// Some of `0..n`, in order; at least `least`.
    pub fn some_of(&mut self, n: usize, least: usize) -> Vec<usize> {
        let count = self.between(least, n);
        let mut some = self.shuffled(n)[..count].to_vec();
        some.sort_unstable();
        some
    }
}

/// What programs are made of.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The first is the dtype of most floats.
    pub floats: &'static [DType],
    pub integers: &'static [DType],
    /// Operations that are not continuous.
    pub jumps: bool,
    /// Operations that reverse mode cannot pass, or whose derivatives are not those of their values.
    pub opaque: bool,
    /// Axes of size 0.
    pub empty: bool,
    pub place: Place,
}
/// Differentiable everywhere that matters, in double precision.
pub const SMOOTH: Profile = Profile {
    floats: &[DType::F64],
    integers: &[DType::I32, DType::I64],
    jumps: true,
    opaque: false,
    empty: false,
    place: ALONE,
};
/// Everything.
pub const MIXED: Profile = Profile {
    floats: &[DType::F64, DType::F32],
    integers: &[DType::I32, DType::I64, DType::I8, DType::I16, DType::U8, DType::U16, DType::U32, DType::U64],
    jumps: true,
    opaque: true,
    empty: true,
    place: ALONE,
};
/// Floats so coarse that compilers may round them differently.
pub const NARROW: Profile = Profile {
    floats: &[DType::F32, DType::BF16, DType::F16],
    integers: &[DType::I32, DType::U8],
    jumps: false,
    opaque: false,
    empty: false,
    place: ALONE,
};

/// No value has more elements or axes.
pub const LARGEST: usize = 64;
pub const RANK: usize = 4;

pub struct Builder<'a> {
    pub rng: &'a mut Rng,
    profile: Profile,
    /// How many programs this one is inside of.
    depth: usize,
    program: Program,
    types: Vec<Aval>,
}

/// A program with results of types `want`, or of a few types with at least one float.
pub fn program(
    rng: &mut Rng,
    profile: Profile,
    depth: usize,
    inputs: Vec<Aval>,
    steps: usize,
    want: Option<&[Aval]>,
) -> Program {
    program_by(rng, profile, depth, inputs, |b| {
        (0..steps).for_each(|_| b.step());
        match want {
            Some(want) => want.iter().map(|a| b.of_type(a, &[])).collect(),
            None => b.results(),
        }
    })
}
/// The program whose steps and results `build` chooses.
pub fn program_by(
    rng: &mut Rng,
    profile: Profile,
    depth: usize,
    inputs: Vec<Aval>,
    build: impl FnOnce(&mut Builder) -> Vec<Value>,
) -> Program {
    let program = Program { inputs: inputs.clone(), steps: vec![], outs: vec![] };
    let mut b = Builder { rng, profile, depth, program, types: inputs };
    let outs = build(&mut b);
    Program { outs, ..b.program }
}

/// A whole program.
pub fn top(seed: u64, profile: Profile, steps: usize) -> Program {
    let rng = &mut Rng(seed);
    let sizes = [rng.between(1, 3), rng.between(1, 3), rng.between(2, 3)];
    let inputs = some_inputs(rng, profile, &sizes);
    let steps = rng.between(2, steps);
    program(rng, profile, 0, inputs, steps, None)
}
/// A whole program for several devices, with parts written for one if `maps`.
pub fn top_on_devices(seed: u64, profile: Profile, steps: usize, maps: bool) -> Program {
    let (rng, grid) = (&mut Rng(seed), grid_of(seed));
    let profile = Profile { place: Place { grid, maps, ..ALONE }, ..profile };
    let some = |rng: &mut Rng| rng.pick(grid).1 * rng.between(1, 2);
    let sizes = [some(rng), some(rng), rng.between(1, 3)];
    let mut inputs = some_inputs(rng, profile, &sizes);
    inputs.iter_mut().filter(|a| a.size() > LARGEST).for_each(|a| a.dims.truncate(1));
    let steps = rng.between(1, steps);
    program_by(rng, profile, 0, inputs, |b| {
        let before = b.rng.below(steps);
        (0..before).for_each(|_| b.step());
        if maps {
            b.shard_map();
        }
        (before..steps).for_each(|_| b.step());
        b.results()
    })
}
fn some_inputs(rng: &mut Rng, profile: Profile, sizes: &[usize]) -> Vec<Aval> {
    let count = rng.between(1, 3);
    let mut inputs: Vec<Aval> = (0..count).map(|_| some_type(rng, profile, sizes)).collect();
    let dims = some_dims(rng, sizes);
    inputs[0] = Aval::new(profile.floats[0], dims);
    if profile.empty && rng.percent(4) {
        let i = rng.below(count);
        if let Some(d) = inputs[i].dims.last_mut() {
            *d = 0;
        }
    }
    inputs
}

fn some_dims(rng: &mut Rng, sizes: &[usize]) -> Vec<usize> {
    let rank = rng.pick(&[0, 1, 1, 2, 2, 2, 3]);
    (0..rank).map(|_| rng.pick(sizes)).collect()
}
fn some_type(rng: &mut Rng, profile: Profile, sizes: &[usize]) -> Aval {
    let dtype = match rng.below(10) {
        0..6 => profile.floats[0],
        6 => rng.pick(profile.floats),
        7..9 => rng.pick(profile.integers),
        _ => DType::Bool,
    };
    Aval::new(dtype, some_dims(rng, sizes))
}

pub fn is_float(a: &Aval) -> bool {
    a.dtype.is_float()
}

impl Builder<'_> {
    /// Append a step. Its types are what raxla says they are.
    pub fn push(&mut self, op: Op, args: Vec<Value>) -> Value {
        let avals: Vec<Aval> = args.iter().map(|a| self.types[*a].clone()).collect();
        let graph = trace_graph(&avals, |x: &[Tensor]| self.profile.place.inside(|| op.apply(x, Style::Raxla)));
        let types =
            graph.unwrap_or_else(|e| panic!("a well-typed step is refused: {op} of {avals:?}: {e}")).out_avals();
        let first = self.types.len();
        self.types.extend(types.iter().cloned());
        self.program.steps.push(Step { op, args, types });
        first
    }
    pub fn aval(&self, v: Value) -> Aval {
        self.types[v].clone()
    }
    pub fn profile(&self) -> Profile {
        self.profile
    }
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// A value for which this holds, most likely a late one.
    pub fn value(&mut self, ok: impl Fn(&Aval) -> bool) -> Option<Value> {
        let all: Vec<Value> = (0..self.types.len()).filter(|v| ok(&self.types[*v])).collect();
        let last = all.len().saturating_sub(4);
        (!all.is_empty()).then(|| if self.rng.percent(60) { self.rng.pick(&all[last..]) } else { self.rng.pick(&all) })
    }
    /// A float.
    pub fn float(&mut self) -> Value {
        let dtype = if self.rng.percent(85) { self.profile.floats[0] } else { self.rng.pick(self.profile.floats) };
        self.value(|a| a.dtype == dtype).unwrap_or_else(|| {
            let a = self.value(|_| true).map_or(vec![], |v| self.types[v].dims.clone());
            self.of_type(&Aval::new(dtype, a), &[])
        })
    }
    /// A float with axes.
    fn float_with_axes(&mut self) -> Option<Value> {
        self.value(|a| is_float(a) && a.rank() > 0)
    }
    /// A value of this type, made from another if need be, preferably none of `not`.
    pub fn of_type(&mut self, a: &Aval, not: &[Value]) -> Value {
        let there = (0..self.types.len()).rev().find(|v| self.types[*v] == *a && !not.contains(v));
        if let Some(v) = there.filter(|_| self.rng.percent(75)) {
            return v;
        }
        // without jumps, only floats become floats
        let from = |b: &Aval| b.size() > 0 && (is_float(a) || !is_float(b) || self.profile.jumps);
        let all: Vec<Value> = (0..self.types.len()).filter(|v| from(&self.types[*v])).collect();
        if all.is_empty() || self.rng.percent(10) {
            return self.push(Op::Constant(a.clone()), vec![]);
        }
        let v = self.rng.pick(&all);
        let fitted = self.push(Op::Fit(a.clone()), vec![v]);
        if !is_float(a) || a.rank() == 0 || self.rng.percent(30) {
            return fitted;
        }
        // all equal so far
        let apart = self.push(Op::Constant(a.clone()), vec![]);
        self.push(Op::Binary(ops::FLOATS[0]), vec![fitted, apart])
    }
    /// A few values that no step uses, of which one is a float.
    pub fn results(&mut self) -> Vec<Value> {
        let used = |v: &Value| self.program.steps.iter().any(|s| s.args.contains(v));
        let unused: Vec<Value> = (0..self.types.len()).filter(|v| !used(v)).collect();
        let count = self.rng.between(1, 3).min(unused.len());
        let mut outs = unused[unused.len() - count..].to_vec();
        if !outs.iter().any(|v| is_float(&self.types[*v])) {
            let float = self.float();
            outs.push(float);
        }
        outs
    }

    pub fn step(&mut self) {
        let place = self.profile.place;
        if place.together != 0 && self.rng.percent(35) {
            return self.exchange();
        }
        if !place.grid.is_empty() && place.auto() != 0 && self.rng.percent(if place.maps { 5 } else { 20 }) {
            return self.constraint();
        }
        let deepest = if place.maps { 3 } else { 2 };
        let deeper = self.depth < deepest && self.rng.percent(if self.depth == 0 { 30 } else { 15 });
        if deeper {
            return self.call();
        }
        match self.rng.below(13) {
            0 | 1 => self.unary(),
            2 | 3 => self.binary(),
            4 => self.choice(),
            5 => self.reduction(),
            6 => self.cumulative(),
            7 => self.ordering(),
            8 | 9 => self.movement(),
            10 => self.product(),
            11 => self.indexing(),
            _ => self.integers(),
        }
    }

    fn unary(&mut self) {
        let x = self.float();
        let op = match self.rng.below(20) {
            2 => self.rng.pick(ops::WATCHED),
            3 | 4 => self.rng.pick(ops::KNOWN),
            0 if self.profile.jumps => self.rng.pick(ops::JUMPS),
            1 if self.profile.opaque => self.rng.pick(ops::OPAQUE),
            _ => self.rng.pick(ops::SMOOTH),
        };
        self.push(Op::Unary(op), vec![x]);
    }
    pub fn binary(&mut self) {
        let x = self.float();
        let a = self.aval(x);
        let y = self.of_type(&a, &[x]);
        let op = self.rng.pick(ops::FLOATS);
        self.push(Op::Binary(op), vec![x, y]);
    }
    fn choice(&mut self) {
        let x = self.value(|_| true).unwrap_or(0);
        let a = self.aval(x);
        let y = self.of_type(&a, &[x]);
        match self.rng.below(3) {
            0 if self.profile.jumps || !is_float(&a) => {
                let d = [Direction::Eq, Direction::Ne, Direction::Lt, Direction::Le, Direction::Gt, Direction::Ge];
                let d = self.rng.pick(&d);
                self.push(Op::Compare(d), vec![x, y]);
            }
            1 => {
                let high = self.of_type(&a, &[x, y]);
                self.push(Op::Clamp, vec![y, x, high]);
            }
            _ => {
                let c = self.of_type(&a.with_dtype(DType::Bool), &[]);
                self.push(Op::Select, vec![c, x, y]);
            }
        }
    }
    fn reduction(&mut self) {
        let Some(x) = self.value(|a| a.rank() > 0 && a.dtype != DType::Bool && a.size() > 0) else { return };
        let a = self.aval(x);
        let axes = self.rng.some_of(a.rank(), 1);
        let op = self.rng.pick(if is_float(&a) { ops::OVER_FLOATS } else { ops::OVER_INTEGERS });
        self.push(Op::Over(op, axes), vec![x]);
    }
    pub fn cumulative(&mut self) {
        let Some(x) = self.value(|a| a.rank() > 0 && a.dtype != DType::Bool && a.size() > 0) else { return };
        let a = self.aval(x);
        let op = self.rng.pick(if is_float(&a) { ops::ALONG_FLOATS } else { ops::ALONG_INTEGERS });
        let (axis, reverse) = (self.rng.below(a.rank()), self.rng.percent(50));
        self.push(Op::Along(op, axis, reverse), vec![x]);
    }
    fn ordering(&mut self) {
        let Some(x) = self.float_with_axes().filter(|_| self.profile.jumps) else { return };
        let a = self.aval(x);
        let axis = self.rng.below(a.rank());
        match self.rng.below(4) {
            0 if a.dims[axis] > 0 => {
                let largest = self.rng.percent(50);
                self.push(Op::ArgExtreme(axis, largest), vec![x])
            }
            1 => self.push(Op::Argsort(axis), vec![x]),
            2 => {
                let k = self.rng.between(0, a.dims[a.rank() - 1]);
                self.push(Op::TopK(k), vec![x])
            }
            _ => {
                let others: Vec<Value> = self.value(|b| b.dims == a.dims).into_iter().collect();
                self.push(Op::Sort(axis), [vec![x], others].concat())
            }
        };
    }
    fn integers(&mut self) {
        let profile = self.profile;
        let Some(x) = self.value(|a| !is_float(a)) else {
            let a = self.value(|_| true).map_or(vec![], |v| self.types[v].dims.clone());
            let dtype = self.rng.pick(profile.integers);
            self.of_type(&Aval::new(dtype, a), &[]);
            return;
        };
        let a = self.aval(x);
        let y = self.of_type(&a, &[x]);
        match (a.dtype, self.rng.below(3)) {
            (DType::Bool, _) => {
                let op = self.rng.pick(ops::BOOLS);
                self.push(Op::Binary(op), vec![x, y])
            }
            (_, 0) => {
                let op = self.rng.pick(ops::BITS);
                self.push(Op::Unary(op), vec![x])
            }
            (_, 1) => {
                let to = [profile.integers, profile.floats, &[DType::Bool]].concat();
                let to = self.rng.pick(&to);
                self.push(Op::Cast(to), vec![x])
            }
            _ => {
                let op = self.rng.pick(ops::INTEGERS);
                self.push(Op::Binary(op), vec![x, y])
            }
        };
    }
}
