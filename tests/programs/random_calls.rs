//! Random loops, branches and transformations.
use crate::{
    calls::{Call, Kind},
    collectives::{Collective, Inside},
    devices::Names,
    generate::{Builder, LARGEST, Profile, RANK, Rng, is_float, program},
    ops::Op,
    program::{Program, Value},
};
use raxla::{Aval, Axis, DType, Policy, prim::Primitive};
use std::sync::Arc;

/// What [`raxla::remat`] keeps.
pub fn policy(rng: &mut Rng) -> Policy {
    match rng.below(6) {
        0 => Policy::SaveEverything,
        1 => Policy::SaveDots,
        2 => Policy::SaveDotsWithoutBatchAxes,
        3 => Policy::SaveNames(vec!["named".into()]),
        4 => Policy::Custom(Arc::new(|p: &dyn Primitive, _: &[Aval]| ["sin", "mul", "tanh"].contains(&p.name()))),
        _ => Policy::SaveNothing,
    }
}

/// For each value the axis that is mapped over, if any, so that all of these have one size; and that size.
pub fn mapped_axes(rng: &mut Rng, types: &[Aval]) -> Option<(usize, Vec<Axis>)> {
    let candidates: Vec<usize> = types.iter().flat_map(|a| a.dims.clone()).filter(|n| *n > 0).collect();
    if candidates.is_empty() {
        return None;
    }
    let n = rng.pick(&candidates);
    let mut axis = |a: &Aval| {
        let fitting: Vec<usize> = (0..a.rank()).filter(|i| a.dims[*i] == n).collect();
        if fitting.is_empty() || rng.percent(25) {
            return Axis::Shared;
        }
        let i = rng.pick(&fitting) as isize;
        Axis::At(if rng.percent(50) { i } else { i - a.rank() as isize })
    };
    let mut axes: Vec<Axis> = types.iter().map(&mut axis).collect();
    if axes.iter().all(|a| *a == Axis::Shared) {
        let (i, a) = types.iter().enumerate().find(|(_, a)| a.dims.contains(&n))?;
        axes[i] = Axis::At(a.dims.iter().position(|d| *d == n)? as isize);
    }
    Some((n, axes))
}
/// The types of one instance.
pub fn unmapped(types: &[Aval], axes: &[Axis]) -> Vec<Aval> {
    let one = |(a, axis): (&Aval, &Axis)| {
        let mut dims = a.dims.clone();
        if let Axis::At(i) = axis {
            dims.remove(if *i < 0 { *i + a.rank() as isize } else { *i } as usize);
        }
        a.with_dims(dims)
    };
    types.iter().zip(axes).map(one).collect()
}
/// A place for a new axis among those of each type, counted from either end.
pub fn new_axes(rng: &mut Rng, types: &[Aval]) -> Vec<isize> {
    let mut one = |a: &Aval| {
        let rank = a.rank() as isize + 1;
        let i = rng.below(rank as usize) as isize;
        if rng.percent(50) { i } else { i - rank }
    };
    types.iter().map(&mut one).collect()
}

impl Builder<'_> {
    /// A step that holds programs.
    pub fn call(&mut self) {
        let place = self.profile().place;
        if place.maps && place.auto() != 0 && self.rng.percent(if place.manual == 0 { 35 } else { 15 }) {
            return self.shard_map();
        }
        match self.rng.below(19) {
            0..3 => self.scan(),
            3 => self.fori(),
            4 if self.profile().opaque => self.data_dependent(),
            4 | 5 => self.branches(true),
            6 => self.branches(false),
            7 => {
                let policy = policy(self.rng);
                self.function(Kind::Remat(policy), |_| true)
            }
            8 => self.function(Kind::CustomJvp, |a| !is_float(a)),
            9 => self.function(Kind::CustomVjp, |a| !is_float(a)),
            10..13 => self.vmap(),
            13 => self.function(Kind::Vjp, |_| true),
            14 => self.gradient(),
            15 => self.tangents(),
            16 | 17 => self.named(),
            _ => self.jacobian(),
        }
    }

    /// Values for a closure to take from outside.
    pub fn captured(&mut self, ok: impl Fn(&Aval) -> bool) -> Vec<Value> {
        let n = self.rng.below(3);
        (0..n).filter_map(|_| self.value(&ok)).collect()
    }
    /// One to three values, of which one is a float.
    pub fn operands(&mut self) -> Vec<Value> {
        let n = self.rng.below(3);
        let mut all: Vec<Value> = (0..n).filter_map(|_| self.value(|_| true)).collect();
        all.push(self.float());
        all
    }
    pub fn types_of(&self, values: &[Value]) -> Vec<Aval> {
        values.iter().map(|v| self.aval(*v)).collect()
    }
    /// A program of a few steps.
    fn body(&mut self, inputs: Vec<Aval>, want: Option<&[Aval]>) -> Program {
        self.body_of(self.profile(), inputs, want)
    }
    fn body_of(&mut self, profile: Profile, inputs: Vec<Aval>, want: Option<&[Aval]>) -> Program {
        let (steps, depth) = (self.rng.between(1, 4), self.depth() + 1);
        program(self.rng, profile, depth, inputs, steps, want)
    }
    /// A program of a few steps that reverse mode can pass.
    fn differentiable(&mut self, inputs: Vec<Aval>) -> Program {
        let profile = Profile { opaque: false, ..self.profile() };
        let (steps, depth) = (self.rng.between(1, 4), self.depth() + 1);
        program(self.rng, profile, depth, inputs, steps, None)
    }
    pub fn record(&mut self, kind: Kind, captured: Vec<Value>, operands: Vec<Value>, bodies: Vec<Program>) {
        self.record_alike(vec![], kind, captured, operands, bodies);
    }
    fn record_alike(
        &mut self,
        agreed: Names,
        kind: Kind,
        captured: Vec<Value>,
        operands: Vec<Value>,
        bodies: Vec<Program>,
    ) {
        let call = Call { kind, captured: captured.len(), bodies, agreed };
        self.push(Op::Call(Box::new(call)), [captured, operands].concat());
    }

    fn function(&mut self, kind: Kind, capturable: impl Fn(&Aval) -> bool) {
        let (captured, x) = (self.captured(capturable), self.operands());
        let body = self.differentiable([self.types_of(&captured), self.types_of(&x)].concat());
        self.record(kind, captured, x, vec![body]);
    }

    fn scan(&mut self) {
        let captured = self.captured(|_| true);
        let carry = self.operands();
        let mut length = self.rng.between(0, 3);
        let first = self.value(|a| a.rank() > 0 && a.dims[0] <= 4).filter(|_| self.rng.percent(80));
        let mut xs: Vec<Value> = first.into_iter().collect();
        if let Some(v) = first {
            length = self.aval(v).dims[0];
            xs.extend(self.value(|a| a.rank() > 0 && a.dims[0] == length).filter(|_| self.rng.percent(30)));
        }
        let carried = self.types_of(&carry);
        let slices = self.types_of(&xs).iter().map(Aval::unstacked).collect();
        let mut body = self.body([self.types_of(&captured), carried.clone(), slices].concat(), Some(&carried));
        let types = body.types();
        let stacked = |v: &Value| types[*v].rank() < RANK && types[*v].size() * length.max(1) <= LARGEST;
        let ys: Vec<Value> = (0..types.len()).rev().filter(stacked).take(self.rng.below(3)).collect();
        body.outs.extend(ys);
        let (reverse, unroll) = (self.rng.percent(40), self.rng.pick(&[1, 1, 1, 2, 5]));
        let kind = Kind::Scan { length, carry: carry.len(), reverse, unroll };
        self.record(kind, captured, [carry, xs].concat(), vec![body]);
    }

    fn fori(&mut self) {
        let length = self.rng.between(0, 3);
        self.counted(Kind::Fori { length }, vec![]);
    }
    /// A loop whose length depends on values.
    fn data_dependent(&mut self) {
        let length = self.rng.between(1, 4);
        if self.rng.percent(50) {
            let end = self.of_type(&Aval::new(DType::I32, []), &[]);
            return self.counted(Kind::ForiUpTo { length }, vec![end]);
        }
        self.counted(Kind::While { length, below: 0.713 }, vec![]);
    }
    fn counted(&mut self, kind: Kind, bounds: Vec<Value>) {
        let (captured, mut carry) = (self.captured(|_| true), self.operands());
        // the condition looks at a float
        carry.reverse();
        let carried = self.types_of(&carry);
        let inputs = [self.types_of(&captured), vec![Aval::new(DType::I32, [])], carried.clone()].concat();
        let agreed = if matches!(kind, Kind::Fori { .. }) { vec![] } else { self.agreeing() };
        let profile = if matches!(kind, Kind::Fori { .. }) { self.profile() } else { self.alike(&agreed) };
        let body = self.body_of(profile, inputs, Some(&carried));
        self.record_alike(agreed, kind, captured, [bounds, carry].concat(), vec![body]);
    }

    fn branches(&mut self, two: bool) {
        let dtype = if two { DType::Bool } else { DType::I32 };
        let which = self.of_type(&Aval::new(dtype, []), &[]);
        let (captured, x) = (self.captured(|_| true), self.operands());
        let inputs = [self.types_of(&captured), self.types_of(&x)].concat();
        let agreed = self.agreeing();
        let profile = self.alike(&agreed);
        let mut bodies = vec![self.body_of(profile, inputs.clone(), None)];
        let want = bodies[0].out_types();
        let others = if two { 1 } else { self.rng.below(3) };
        bodies.extend((0..others).map(|_| self.body_of(profile, inputs.clone(), Some(&want))).collect::<Vec<_>>());
        let kind = if two { Kind::Cond } else { Kind::Switch };
        self.record_alike(agreed, kind, captured, [vec![which], x].concat(), bodies);
    }

    fn vmap(&mut self) {
        let (captured, x) = (self.captured(|_| true), self.operands());
        let types = self.types_of(&x);
        let Some((n, ins)) = mapped_axes(self.rng, &types) else { return };
        let body = self.body([self.types_of(&captured), unmapped(&types, &ins)].concat(), None);
        let outs = body.out_types();
        if outs.iter().any(|a| a.rank() >= RANK || a.size() * n > 2 * LARGEST) {
            return;
        }
        let outs = new_axes(self.rng, &outs);
        self.record(Kind::Vmap { n, ins, outs }, captured, x, vec![body]);
    }

    fn named(&mut self) {
        let x = self.operands();
        let types = self.types_of(&x);
        let Some((n, ins)) = mapped_axes(self.rng, &types) else { return };
        let mut before = self.differentiable(unmapped(&types, &ins));
        let types = before.types();
        before.outs.sort_by_key(|v| !is_float(&types[*v]));
        let first = types[before.outs[0]].clone();
        let collective = match self.rng.below(9) {
            0 => Collective::Mean,
            1 => Collective::Max,
            2 if first.rank() < 3 => Collective::Gather(self.rng.between(0, first.rank())),
            3 if first.rank() < 3 => Collective::Exchange,
            4 => Collective::Scatter,
            5 => Collective::Permute,
            6 => Collective::Index,
            7 => Collective::Min,
            _ => Collective::Sum,
        };
        let mut inputs = before.out_types();
        inputs[0] = collective.of_type(&first, n);
        let after = self.differentiable(inputs);
        let outs = after.out_types();
        if outs.iter().any(|a| a.rank() >= RANK || a.size() * n > 2 * LARGEST) {
            return;
        }
        let outs = new_axes(self.rng, &outs);
        let inside =
            [Inside::Nothing, Inside::Remat, Inside::Loop, Inside::CustomJvp, Inside::CustomVjp, Inside::Branch];
        // (a branch that devices differ in must not have what they exchange)
        let count = if self.profile().place.together == 0 { 6 } else { 5 };
        let inside = self.rng.pick(&inside[..count]);
        self.record(Kind::Named { n, ins, outs, collective, inside }, vec![], x, vec![before, after]);
    }

    fn gradient(&mut self) {
        let captured = self.captured(|_| true);
        let x: Vec<Value> = self.operands().into_iter().filter(|v| is_float(&self.aval(*v))).collect();
        let mut body = self.differentiable([self.types_of(&captured), self.types_of(&x)].concat());
        let types = body.types();
        body.outs.retain(|v| is_float(&types[*v]));
        body.outs.truncate(1);
        self.record(Kind::Grad, captured, x, vec![body]);
    }
    fn tangents(&mut self) {
        let (captured, x) = (self.captured(|_| true), self.operands());
        let floats: Vec<Aval> = self.types_of(&x).into_iter().filter(is_float).collect();
        let dx: Vec<Value> = floats.iter().map(|a| self.of_type(a, &x)).collect();
        let body = self.differentiable([self.types_of(&captured), self.types_of(&x)].concat());
        let kind = if self.rng.percent(50) { Kind::Jvp } else { Kind::Linearize };
        self.record(kind, captured, [x, dx].concat(), vec![body]);
    }
    fn jacobian(&mut self) {
        let captured = self.captured(|_| true);
        let Some(x) = self.value(|a| is_float(a) && a.rank() < 3 && a.size() <= 6) else { return };
        let mut body = self.differentiable([self.types_of(&captured), self.types_of(&[x])].concat());
        let (types, a) = (body.types(), self.aval(x));
        body.outs.retain(|v| is_float(&types[*v]) && types[*v].rank() + a.rank() <= RANK && types[*v].size() <= 9);
        body.outs.truncate(1);
        if !body.outs.is_empty() {
            let kind = if self.rng.percent(50) { Kind::Jacfwd } else { Kind::Jacrev };
            self.record(kind, captured, vec![x], vec![body]);
        }
    }
}
