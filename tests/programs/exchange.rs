//! Steps of programs on several devices: parts written for one device (`shard_map`), what devices exchange inside them, and
//! annotations outside.
use crate::{
    calls::{Call, Kind},
    collectives::multiples,
    devices::{self, Grid, Names, Place, dividing, part, spread, whole},
    generate::{Builder, LARGEST, Profile, RANK, is_float, program_by},
    ops::Op,
    program::{Program, Value},
};
use raxla::{
    Aval, DType, PartitionSpec, ShardMapOptions, Tensor, all_gather, all_to_all, axis_index, axis_size,
    mesh::{AxisSet, Entry},
    pmax, pmean, pmin, ppermute, psum, psum_scatter, pvary, shard_map_with, with_sharding,
};

/// What the devices along some axes exchange.
#[derive(Clone, Debug)]
pub enum Exchange {
    Sum(Names),
    Mean(Names),
    Max(Names),
    Min(Names),
    /// At this axis, a new one or not.
    Gather(Names, usize, bool),
    Scatter(Names, Split),
    Permute(Names, Vec<(usize, usize)>),
    /// To this axis.
    ToAll(Names, Split, usize),
    /// No operand: the number of the device.
    Index(Names),
    /// The operand, differing from device to device.
    Own(Names),
    Vary(Names),
}
/// What is divided among the devices.
#[derive(Clone, Copy, Debug)]
pub enum Split {
    /// A new leading axis of multiples.
    New,
    /// An axis as long as there are devices, which disappears.
    Whole(usize),
    /// An axis that is longer.
    Tiled(usize),
}
impl Split {
    fn of(self, x: Tensor, axes: &[&str]) -> (Tensor, usize, bool) {
        match self {
            Split::New => (multiples(x, axis_size(axes)), 0, false),
            Split::Whole(at) => (x, at, false),
            Split::Tiled(at) => (x, at, true),
        }
    }
}

fn scaled(x: Tensor, by: f64) -> Tensor {
    if x.dtype().is_float() { x * by } else { x }
}
/// Floats that differ from device to device.
fn own(x: Tensor, names: &[&str], by: f64) -> Tensor {
    if x.dtype().is_float() { x + axis_index(names).cast(x.dtype()) * by } else { x }
}

impl Exchange {
    pub fn apply(&self, x: &[Tensor]) -> Tensor {
        match self {
            Exchange::Sum(names) => scaled(psum(x[0], &names[..]), 1.0 / axis_size(&names[..]) as f64),
            Exchange::Mean(names) => pmean(x[0], &names[..]),
            Exchange::Max(names) => pmax(own(x[0], &names[..], 0.0078125), &names[..]),
            Exchange::Min(names) => pmin(own(x[0], &names[..], 0.0078125), &names[..]),
            Exchange::Gather(names, at, tiled) => all_gather(x[0], &names[..], *at, *tiled),
            Exchange::Scatter(names, split) => {
                let (x, at, tiled) = split.of(x[0], names);
                scaled(psum_scatter(x, &names[..], at, tiled), 0.3)
            }
            Exchange::Permute(names, pairs) => ppermute(x[0], &names[..], pairs.clone()),
            Exchange::ToAll(names, split, concat) => {
                let (x, at, tiled) = split.of(x[0], names);
                all_to_all(x, &names[..], at, *concat, tiled)
            }
            Exchange::Index(names) => axis_index(&names[..]),
            Exchange::Own(names) => own(x[0], &names[..], 0.31),
            Exchange::Vary(names) => pvary(x[0], &names[..]),
        }
    }
}

/// What all devices along these axes have alike, made of what each has.
pub fn agreed(x: Tensor, names: &[&str]) -> Tensor {
    if names.is_empty() { x } else { pmax(x, names) }
}
/// `x`, differing between devices wherever `y` does.
pub fn vary_like(x: Tensor, y: Tensor) -> Tensor {
    let names = y.aval().vma.names();
    if names.is_empty() { x } else { pvary(x, &names.iter().map(|n| &**n).collect::<Vec<_>>()[..]) }
}
/// A value that is the same on these devices, of a type that does not say so.
fn hidden(x: Tensor, names: &[&str]) -> Tensor {
    match names.is_empty() {
        true => x,
        false => pvary(if x.dtype().is_float() { pmean(x, names) } else { pmax(x, names) }, names),
    }
}

/// The program of a `shard_map`, called on arrays.
pub fn apply(call: &Call, x: &[Tensor], run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
    let Kind::ShardMap { grid, manual, ins, outs, hide } = &call.kind else { unreachable!("asked for") };
    let check_vma = hide.iter().all(Vec::is_empty);
    let options = ShardMapOptions { axis_names: Some(manual), check_vma };
    let f = |x: Vec<Tensor>| -> Vec<Tensor> { run(0, &x).into_iter().zip(hide).map(|(y, n)| hidden(y, n)).collect() };
    shard_map_with(&devices::mesh(grid), options, ins.clone(), outs.clone(), f)(x.to_vec())
}
pub fn constrained(x: Tensor, grid: Grid, spec: &PartitionSpec) -> Tensor {
    with_sharding(x, &devices::mesh(grid).sharding(spec.clone()))
}

impl Builder<'_> {
    fn place(&self) -> Place {
        self.profile().place
    }
    /// Axes along which branches and turns are to be the same on all devices, so that these may exchange values inside.
    pub fn agreeing(&mut self) -> Names {
        let place = self.place();
        let some = place.together != 0 && self.rng.percent(60);
        if some { place.some(self.rng, place.together) } else { vec![] }
    }
    /// What the programs in branches and loops are made of, where those are alike along these axes.
    pub fn alike(&self, agreed: &Names) -> Profile {
        let place = self.place();
        Profile { place: Place { together: place.bits(agreed), ..place }, ..self.profile() }
    }

    /// An annotation.
    pub fn constraint(&mut self) {
        let place = self.place();
        let Some(x) = self.value(|a| a.rank() > 0) else { return };
        let axes = place.axes(place.auto());
        let mut spec = dividing(self.rng, &self.aval(x).dims, &axes);
        spec.0.resize(self.aval(x).rank(), Entry::whole());
        for e in spec.0.iter_mut().filter(|e| **e == Entry::whole()) {
            *e = if self.rng.percent(40) { Entry::Unconstrained } else { Entry::whole() };
        }
        self.push(Op::Constrain(place.grid, PartitionSpec::new(spec.0)), vec![x]);
    }

    /// A collective.
    pub fn exchange(&mut self) {
        let place = self.place();
        let names = place.some(self.rng, place.together);
        let n: usize = place.axes(place.bits(&names)).iter().map(|a| a.1).product();
        let x = if self.rng.percent(70) { self.float() } else { self.value(|_| true).unwrap_or(0) };
        let a = self.aval(x);
        let small = a.rank() < RANK && a.size() * n <= LARGEST;
        let e = match self.rng.below(12) {
            0 | 1 if a.dtype != DType::Bool => Exchange::Sum(names),
            2 if is_float(&a) => Exchange::Mean(names),
            3 => Exchange::Max(names),
            4 => Exchange::Min(names),
            5 | 6 if small => {
                let tiled = a.rank() > 0 && self.rng.percent(50);
                Exchange::Gather(names, self.rng.below(a.rank() + !tiled as usize), tiled)
            }
            7 if a.dtype != DType::Bool => match self.split(&a, n) {
                Some(split) => Exchange::Scatter(names, split),
                None => return,
            },
            8 => {
                let (from, to) = (self.rng.shuffled(n), self.rng.shuffled(n));
                let count = if self.rng.percent(50) { n } else { self.rng.between(0, n) };
                Exchange::Permute(names, from.into_iter().zip(to).take(count).collect())
            }
            9 => match self.split(&a, n) {
                Some(split @ (Split::New | Split::Whole(_))) => {
                    let rank = a.rank() + matches!(split, Split::New) as usize;
                    Exchange::ToAll(names, split, self.rng.below(rank))
                }
                Some(split) if small => Exchange::ToAll(names, split, self.rng.below(a.rank())),
                _ => return,
            },
            10 => {
                let i = self.push(Op::Exchange(Exchange::Index(names)), vec![]);
                let scaled = self.profile().jumps && self.rng.percent(50);
                if scaled {
                    self.push(Op::Cast(self.profile().floats[0]), vec![i]);
                }
                return;
            }
            _ if self.rng.percent(20) => Exchange::Vary(names),
            _ => Exchange::Own(names),
        };
        self.push(Op::Exchange(e), vec![x]);
    }
    fn split(&mut self, a: &Aval, n: usize) -> Option<Split> {
        let exact: Vec<usize> = (0..a.rank()).filter(|i| a.dims[*i] == n).collect();
        let tiled: Vec<usize> = (0..a.rank()).filter(|i| a.dims[*i].is_multiple_of(n)).collect();
        let new = (a.rank() < RANK && a.size() * n <= LARGEST).then_some(Split::New);
        match self.rng.below(3) {
            0 if !exact.is_empty() => Some(Split::Whole(self.rng.pick(&exact))),
            0 | 1 if !tiled.is_empty() => Some(Split::Tiled(self.rng.pick(&tiled))),
            _ => new,
        }
    }

    /// A part written for one device.
    pub fn shard_map(&mut self) {
        let place = self.place();
        let free = place.axes(place.auto());
        let manual: Names = match self.rng.percent(60) {
            true => free.iter().map(|a| a.0).collect(),
            false => place.some(self.rng, place.auto()),
        };
        let bits = place.bits(&manual);
        let axes = place.axes(bits);
        let (captured, x) = (self.captured(|_| true), self.operands());
        let types = self.types_of(&x);
        let ins: Vec<PartitionSpec> = types.iter().map(|a| dividing(self.rng, &a.dims, &axes)).collect();
        let local = |(a, s): (&Aval, &PartitionSpec)| {
            a.with_dims(part(place.grid, s, &a.dims)).varying(a.vma.union(AxisSet::of(s.names())))
        };
        let parts = types.iter().zip(&ins).map(local).collect();
        let inside = Place { manual: place.manual | bits, together: place.together | bits, ..place };
        let profile = Profile { place: inside, ..self.profile() };
        let (steps, inputs) = (self.rng.between(1, 5), [self.types_of(&captured), parts].concat());
        let depth = self.depth() + 1;
        let body = program_by(self.rng, profile, depth, inputs, |b| {
            (0..steps).for_each(|_| b.step());
            b.results().into_iter().map(|v| b.divisible(v, bits)).collect()
        });
        let (outs, hide) = self.out_specs(&body, bits);
        let kind = Kind::ShardMap { grid: place.grid, manual, ins, outs, hide };
        self.record(kind, captured, x, vec![body]);
    }
    /// The value, made such that it has an axis for each mesh axis that it varies over.
    fn divisible(&mut self, v: Value, bits: u8) -> Value {
        let (place, a) = (self.place(), self.aval(v));
        let varying = self.varying(&a, bits);
        let n: usize = place.axes(place.bits(&varying)).iter().map(|a| a.1).product();
        if varying.is_empty() || (a.size() * n <= LARGEST && self.rng.percent(65)) {
            return if a.rank() == 0 && !varying.is_empty() { self.push(Op::Reshape(vec![1]), vec![v]) } else { v };
        }
        let e = match a.dtype {
            d if d.is_float() => Exchange::Mean(varying),
            DType::Bool => Exchange::Max(varying),
            _ => Exchange::Sum(varying),
        };
        self.push(Op::Exchange(e), vec![v])
    }
    fn varying(&self, a: &Aval, bits: u8) -> Names {
        let axes = self.place().axes(bits);
        axes.into_iter().map(|a| a.0).filter(|n| a.vma.contains(AxisSet::of([n]))).collect()
    }
    /// How the results of a part are put together, and along which axes they are taken from one device.
    fn out_specs(&mut self, body: &Program, bits: u8) -> (Vec<PartitionSpec>, Vec<Names>) {
        let (grid, axes) = (self.place().grid, self.place().axes(bits));
        let unchecked = self.rng.percent(15);
        let mut one = |a: &Aval| {
            let varying = self.varying(a, bits);
            let hide = if unchecked && self.rng.percent(60) { varying.clone() } else { vec![] };
            // (also axes that it does not vary over)
            let more = self.rng.percent(10);
            let must = |n: &&'static str| varying.contains(n) && !hide.contains(n);
            let axes: Vec<(&str, usize)> = axes.iter().filter(|(n, _)| must(n) || more).map(|a| (a.0, 1)).collect();
            let some_dims = vec![1; a.rank()];
            let spec = spread(self.rng, &some_dims, &axes, |_| true);
            // (at most so large)
            let fits = whole(grid, &spec, &a.dims).iter().product::<usize>() <= 2 * LARGEST;
            let axes: Vec<(&str, usize)> = axes.into_iter().filter(|(n, _)| varying.contains(n)).collect();
            (if fits { spec } else { spread(self.rng, &some_dims, &axes, |_| true) }, hide)
        };
        body.out_types().iter().map(&mut one).unzip()
    }
}
