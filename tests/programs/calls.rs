//! The steps that hold programs: loops, branches and transformations, each in two styles.
use crate::{
    collectives::{self, Collective, Inside},
    devices::{Grid, Names},
    exchange::{self, agreed, vary_like},
    ops::number,
    program::{Program, Style, build},
};
use raxla::{
    Axis, DType, PartitionSpec, PerLeaf, Policy, RematOptions, ScanOptions, Tensor, cond, custom_jvp, custom_vjp,
    fori_loop, jacfwd, jacrev, jvp, linearize, prim, remat_with, scan_with, stack, switch, value_and_grad, vjp,
    vmap_axes, where_, while_loop,
};
use std::{cmp::Ordering, fmt};

/// A step that calls programs. Its operands: what the closure takes from outside, then what [`Kind`] says. The inputs of
/// the programs: the same, as they are inside.
#[derive(Clone)]
pub struct Call {
    pub kind: Kind,
    /// How many operands are taken from outside by the closure, not passed.
    pub captured: usize,
    pub bodies: Vec<Program>,
    /// The axes of the mesh along which all devices take the same branch, and the same number of turns.
    pub agreed: Names,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Inline,
    Remat(Policy),
    CustomJvp,
    CustomVjp,
    /// Operands: carry, xs.
    Scan {
        length: usize,
        carry: usize,
        reverse: bool,
        unroll: usize,
    },
    /// The body takes a counter in front of the carry.
    Fori {
        length: usize,
    },
    /// As `Fori`, with the smaller of an operand in front of the carry and this number as length.
    ForiUpTo {
        length: usize,
    },
    /// As `Fori`, as long as the mean of the first carry is below a number.
    While {
        length: usize,
        below: f64,
    },
    /// Operands: condition, then those of the branches.
    Cond,
    /// Operands: number of the branch, then those of the branches.
    Switch,
    Vmap {
        n: usize,
        ins: Vec<Axis>,
        outs: Vec<isize>,
    },
    /// The batch of one program, an exchange of its first result between the instances, and another program.
    Named {
        n: usize,
        ins: Vec<Axis>,
        outs: Vec<isize>,
        collective: Collective,
        inside: Inside,
    },
    /// The program of one device, over these axes of a mesh; with the names of those along which a result is the same on all
    /// devices though its type does not say so.
    ShardMap {
        grid: Grid,
        manual: Names,
        ins: Vec<PartitionSpec>,
        outs: Vec<PartitionSpec>,
        hide: Vec<Names>,
    },
    /// Value and gradients of the mean of the result.
    Grad,
    /// Operands: point, then tangents of the floats. Results: values and tangents.
    Jvp,
    Linearize,
    /// Results: values, and what the pullback makes of these.
    Vjp,
    /// Of a body with one operand and one result.
    Jacfwd,
    Jacrev,
}

pub fn mean(x: Tensor) -> Tensor {
    x.mean(..)
}
/// Slice number `i` along an axis.
pub fn slice_of(x: Tensor, axis: isize, i: usize) -> Tensor {
    x.slice_axis(axis, i..i + 1).squeeze(axis)
}
/// The tangents of the floats among `x`, spread over all; integers stand for themselves.
fn tangents(x: &[Tensor], floats: &[Tensor]) -> Vec<Tensor> {
    let mut floats = floats.iter();
    x.iter().map(|t| if t.dtype().is_float() { *floats.next().expect("one per float") } else { *t }).collect()
}

impl Call {
    pub fn apply(&self, x: &[Tensor], style: Style) -> Vec<Tensor> {
        let (outside, x) = x.split_at(self.captured);
        let run = |b: usize, x: &[Tensor]| build(&self.bodies[b], &[outside, x].concat(), style);
        if style == Style::Plain {
            return self.plain(x, &run);
        }
        let f = |x: Vec<Tensor>| run(0, &x);
        let all = x.to_vec();
        match &self.kind {
            Kind::Inline => run(0, x),
            Kind::Remat(policy) => {
                remat_with(RematOptions { policy: policy.clone(), ..RematOptions::default() }, f)(all)
            }
            Kind::CustomJvp => custom_jvp(f, |x: Vec<Tensor>, dx| jvp(f, x, dx))(all),
            Kind::CustomVjp => {
                custom_vjp(f, |x: Vec<Tensor>| (f(x.clone()), x), |x: Vec<Tensor>, ct| vjp(f, x).1(ct))(all)
            }
            Kind::Vmap { ins, outs, .. } => {
                let outs = outs.iter().map(|a| Axis::At(*a)).collect();
                vmap_axes(f, PerLeaf(ins.clone()), PerLeaf(outs))(all)
            }
            Kind::Named { .. } => collectives::apply(self, x, &run),
            Kind::ShardMap { .. } => exchange::apply(self, x, &run),
            Kind::Cond => {
                cond(agreed(x[0], &self.agreed), |x: Vec<Tensor>| run(1, &x), |x| run(0, &x), x[1..].to_vec())
            }
            Kind::Switch => {
                let branches: Vec<_> = (0..self.bodies.len()).map(|b| move |x: Vec<Tensor>| run(b, &x)).collect();
                let branches: Vec<&dyn Fn(Vec<Tensor>) -> Vec<Tensor>> = branches.iter().map(|b| b as _).collect();
                switch(agreed(x[0], &self.agreed), &branches, x[1..].to_vec())
            }
            Kind::Grad => {
                let (value, d) = value_and_grad(|x: Vec<Tensor>| mean(run(0, &x)[0]))(all);
                [vec![value], d].concat()
            }
            Kind::Jvp | Kind::Linearize => {
                let (x, dx) = all.split_at(self.bodies[0].inputs.len() - self.captured);
                let dx = tangents(x, dx);
                // (a value differs between the devices where its tangent does)
                let x: Vec<Tensor> = x.iter().zip(&dx).map(|(x, dx)| vary_like(*x, *dx)).collect();
                let (y, dy) = match self.kind {
                    Kind::Jvp => jvp(f, x, dx),
                    _ => {
                        let (y, push) = linearize(f, x);
                        (y, push(dx))
                    }
                };
                [y, dy].concat()
            }
            Kind::Vjp => {
                let (y, pull) = vjp(f, all);
                [y.clone(), pull(y)].concat()
            }
            Kind::Jacfwd => vec![jacfwd(|x: Tensor| run(0, &[x])[0])(x[0])],
            Kind::Jacrev => vec![jacrev(|x: Tensor| run(0, &[x])[0])(x[0])],
            _ => self.looped(x, &run),
        }
    }

    /// The same without a captured operand, if no program uses it.
    pub fn without_captured(&self, j: usize) -> Option<Call> {
        // (the second program of a named batch has other operands)
        if matches!(self.kind, Kind::Named { .. }) {
            return None;
        }
        let mut call = self.clone();
        call.captured -= 1;
        for b in &mut call.bodies {
            let all = b.steps.iter_mut().flat_map(|s| &mut s.args).chain(&mut b.outs);
            for v in all {
                match (*v).cmp(&j) {
                    Ordering::Less => {}
                    Ordering::Equal => return None,
                    Ordering::Greater => *v -= 1,
                }
            }
            b.inputs.remove(j);
        }
        Some(call)
    }

    fn looped(&self, x: &[Tensor], run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
        let step = |i: Tensor, c: Vec<Tensor>| run(0, &[vec![i], c].concat());
        match &self.kind {
            Kind::Scan { length, carry, reverse, unroll } => {
                let (c, xs) = x.split_at(*carry);
                let options = ScanOptions { reverse: *reverse, length: Some(*length), unroll: *unroll };
                let body = |c: Vec<Tensor>, x: Vec<Tensor>| {
                    let mut c = run(0, &[c, x].concat());
                    let ys = c.split_off(*carry);
                    (c, ys)
                };
                let (c, ys) = scan_with(options, body, c.to_vec(), xs.to_vec());
                [c, ys].concat()
            }
            Kind::Fori { length } => fori_loop(0, *length, step, x.to_vec()),
            Kind::ForiUpTo { length } => {
                let end = agreed(x[0], &self.agreed).minimum(number(*length, x[0].dtype()));
                fori_loop(number(0, x[0].dtype()), end, |i, c| step(i.cast(DType::I32), c), x[1..].to_vec())
            }
            Kind::While { length, below } => {
                let goes_on =
                    |(i, c): (Tensor, Vec<Tensor>)| i.lt(*length) & agreed(mean(c[0]), &self.agreed).lt(*below);
                let body = |(i, c): (Tensor, Vec<Tensor>)| (i + 1, step(i, c));
                while_loop(goes_on, body, (number(0, DType::I32), x.to_vec())).1
            }
            kind => unreachable!("{kind:?} is no loop"),
        }
    }

    /// The same without loops and transformations.
    fn plain(&self, x: &[Tensor], run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
        match &self.kind {
            Kind::Inline | Kind::Remat(_) | Kind::CustomJvp | Kind::CustomVjp => run(0, x),
            Kind::Scan { length, carry, reverse, .. } => {
                let (c, xs) = x.split_at(*carry);
                let (mut c, mut ys) = (c.to_vec(), vec![]);
                for step in 0..*length {
                    let i = if *reverse { length - 1 - step } else { step };
                    let slices = xs.iter().map(|x| slice_of(*x, 0, i));
                    c = run(0, &c.iter().copied().chain(slices).collect::<Vec<_>>());
                    ys.push(c.split_off(*carry));
                }
                if *reverse {
                    ys.reverse();
                }
                let types = self.bodies[0].out_types();
                c.extend((*carry..types.len()).map(|i| {
                    let parts: Vec<Tensor> = ys.iter().map(|y| y[i - carry]).collect();
                    if parts.is_empty() { prim::zeros_of(&types[i].stacked(0)) } else { stack(&parts, 0) }
                }));
                c
            }
            Kind::Vmap { n, ins, outs } => {
                let slice = |x: &Tensor, axis: &Axis, i| match axis {
                    Axis::At(a) => slice_of(*x, *a, i),
                    Axis::Shared => *x,
                };
                let instance = |i| run(0, &x.iter().zip(ins).map(|(x, a)| slice(x, a, i)).collect::<Vec<_>>());
                let all: Vec<Vec<Tensor>> = (0..*n).map(instance).collect();
                let stacked = |(i, axis): (usize, &isize)| stack(&all.iter().map(|y| y[i]).collect::<Vec<_>>(), *axis);
                outs.iter().enumerate().map(stacked).collect()
            }
            Kind::Named { .. } => collectives::plain(self, x, run),
            Kind::ShardMap { .. } => unreachable!("its meaning is `simulated` by raxla itself"),
            Kind::Cond => self.chosen(x[0].cast(DType::I32), &x[1..], run),
            Kind::Switch => self.chosen(x[0].cast(DType::I32), &x[1..], run),
            Kind::Grad => {
                let one = |i: usize| {
                    jacfwd(|t| mean(run(0, &[&x[..i], &[t], &x[i + 1..]].concat())[0]))(x[i]).cast(x[i].dtype())
                };
                std::iter::once(mean(run(0, x)[0])).chain((0..x.len()).map(one)).collect()
            }
            Kind::Jvp | Kind::Linearize => {
                let (x, dx) = x.split_at(self.bodies[0].inputs.len() - self.captured);
                let (y, dy) = by_jacobians(x, &tangents(x, dx), run);
                [y, dy].concat()
            }
            Kind::Vjp => {
                let y = run(0, x);
                let d = x.iter().enumerate().map(|(i, xi)| pulled_back(x, i, *xi, &y, run)).collect();
                [y, d].concat()
            }
            // (of two dtypes, that of the results and that of the operand)
            Kind::Jacfwd => vec![jacrev(|x: Tensor| run(0, &[x])[0])(x[0]).cast(self.bodies[0].out_types()[0].dtype)],
            Kind::Jacrev => vec![jacfwd(|x: Tensor| run(0, &[x])[0])(x[0]).cast(x[0].dtype())],
            Kind::Fori { .. } | Kind::ForiUpTo { .. } | Kind::While { .. } => self.counted(x, run),
        }
    }

    /// A loop of the largest length, in which the carry stays once the loop would have ended.
    fn counted(&self, x: &[Tensor], run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
        let (length, end, below, mut c) = match &self.kind {
            Kind::Fori { length } => (*length, None, None, x.to_vec()),
            Kind::ForiUpTo { length } => (*length, Some(x[0]), None, x[1..].to_vec()),
            Kind::While { length, below } => (*length, None, Some(*below), x.to_vec()),
            kind => unreachable!("{kind:?} does not count"),
        };
        let mut running: Option<Tensor> = None;
        for i in 0..length {
            let now = [end.map(|end| end.gt(i)), below.map(|below| mean(c[0]).lt(below)), running];
            running = now.into_iter().flatten().reduce(|a, b| a & b);
            let next = run(0, &[&[number(i, DType::I32)], &c[..]].concat());
            let keep = |(new, old): (Tensor, &Tensor)| running.map_or(new, |running| where_(running, new, *old));
            c = next.into_iter().zip(&c).map(keep).collect();
        }
        c
    }

    /// The results of the branch with this number (the nearest, if there is none), chosen among those of all.
    fn chosen(&self, index: Tensor, x: &[Tensor], run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>) -> Vec<Tensor> {
        let choose = |(b, y): (usize, (Tensor, Tensor))| where_(index.ge(b), y.1, y.0);
        (1..self.bodies.len())
            .fold(run(0, x), |before, b| before.into_iter().zip(run(b, x)).map(|y| choose((b, y))).collect())
    }
}

/// Values, and tangents by whole Jacobians.
fn by_jacobians(
    x: &[Tensor],
    dx: &[Tensor],
    run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>,
) -> (Vec<Tensor>, Vec<Tensor>) {
    let y = run(0, x);
    let tangent = |o: usize| {
        let zero = prim::zeros_of(&y[o].aval());
        let floats = (0..x.len()).filter(|i| x[*i].dtype().is_float());
        floats.filter(|_| y[o].dtype().is_float()).fold(zero, |sum, i| {
            let j = jacrev(|t| run(0, &[&x[..i], &[t], &x[i + 1..]].concat())[o])(x[i]);
            let j = j.reshape([y[o].size(), x[i].size()]).cast(zero.dtype());
            sum + (j * dx[i].cast(zero.dtype()).reshape([1, dx[i].size()])).sum(1).reshape(y[o].dims())
        })
    };
    let dy = (0..y.len()).map(tangent).collect();
    (y, dy)
}

/// The cotangent of operand `i`, given that of each result: the result itself.
fn pulled_back(
    x: &[Tensor],
    i: usize,
    xi: Tensor,
    y: &[Tensor],
    run: &dyn Fn(usize, &[Tensor]) -> Vec<Tensor>,
) -> Tensor {
    let zero = prim::zeros_of(&xi.aval());
    if !xi.dtype().is_float() {
        return zero;
    }
    let floats = (0..y.len()).filter(|o| y[*o].dtype().is_float());
    floats.fold(zero, |sum, o| {
        let j = jacfwd(|t| run(0, &[&x[..i], &[t], &x[i + 1..]].concat())[o])(xi);
        let j = j.reshape([y[o].size(), xi.size()]).cast(zero.dtype());
        sum + (j * y[o].cast(zero.dtype()).reshape([y[o].size(), 1])).sum(0).reshape(xi.dims())
    })
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        if self.captured > 0 {
            write!(f, " capturing {}", self.captured)?;
        }
        if !self.agreed.is_empty() {
            write!(f, " alike along {:?}", self.agreed)?;
        }
        self.bodies.iter().try_for_each(|b| write!(f, " {b}"))
    }
}
