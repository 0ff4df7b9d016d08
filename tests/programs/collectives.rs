//! Collectives over named axes: a batch of which every instance runs one program, exchanges a value with the others, and
//! runs another program on what it gets.
use crate::calls::{Call, Kind, mean, slice_of};
use raxla::{
    Aval, Axis, DType, PerLeaf, ScanOptions, Tensor, VmapOptions, all_gather, all_to_all, arange, axis_index, cond,
    custom_jvp, custom_vjp, jvp, pmax, pmean, pmin, ppermute, prim, psum, psum_scatter, remat, scan_with, stack, vjp,
    vmap_with,
};

/// The names of one axis, or of two that are the same: the outer, and the inner of size 2.
type Names<'a> = &'a [&'a str];

/// What is exchanged.
#[derive(Clone, Copy, Debug)]
pub enum Collective {
    Sum,
    Mean,
    Max,
    Min,
    Gather(usize),
    Scatter,
    /// From each to the next, and from the last to none.
    Permute,
    Exchange,
    Index,
}

/// What stands around the exchange and what follows.
#[derive(Clone, Copy, Debug)]
pub enum Inside {
    Nothing,
    Remat,
    Loop,
    Branch,
    CustomJvp,
    CustomVjp,
}

/// x, 2x, ..., nx along a new leading axis.
pub fn multiples(x: Tensor, n: usize) -> Tensor {
    if x.dtype() == DType::Bool {
        return prim::broadcast_in_dim(x, [&[n], &x.dims()[..]].concat(), (1..=x.rank()).collect());
    }
    let factors = (arange(n, DType::F64) + 1.0).cast(x.dtype());
    factors.reshape([vec![n], vec![1; x.rank()]].concat()) * x.expand_dims(0)
}

impl Collective {
    fn apply(self, x: Tensor, n: usize, axes: Names) -> Tensor {
        let own = |x: Tensor| axis_index(axes).cast(x.dtype());
        match self {
            Collective::Sum => psum(x, axes) * 0.5,
            Collective::Mean => pmean(x, axes),
            Collective::Max => pmax(x + own(x) * 0.0137, axes),
            Collective::Min => pmin(x + own(x) * 0.0137, axes),
            Collective::Gather(at) => all_gather(x, axes, at, false),
            Collective::Scatter => psum_scatter(multiples(x, n), axes, 0, false) * 0.3,
            Collective::Permute => ppermute(x, axes, (1..n).map(|i| (i - 1, i)).collect::<Vec<_>>()),
            Collective::Exchange => all_to_all(multiples(x, n), axes, 0, 0, false),
            Collective::Index => x * (own(x) + 1.0),
        }
    }
    /// What every instance gets, given what all of them have.
    fn plain(self, x: &[Tensor]) -> Vec<Tensor> {
        let n = x.len();
        let total = |x: &[Tensor]| x.iter().copied().reduce(|a, b| a + b).expect("an instance");
        let apart: Vec<Tensor> = x.iter().enumerate().map(|(i, x)| *x + i as f64 * 0.0137).collect();
        let one = |i: usize| match self {
            Collective::Sum => total(x) * 0.5,
            Collective::Mean => total(x) / n as f64,
            Collective::Max => apart.iter().copied().reduce(|a, b| a.maximum(b)).expect("an instance"),
            Collective::Min => apart.iter().copied().reduce(|a, b| a.minimum(b)).expect("an instance"),
            Collective::Gather(at) => stack(x, at as isize),
            Collective::Scatter => total(x) * (i as f64 + 1.0) * 0.3,
            Collective::Permute if i == 0 => prim::zeros_of(&x[0].aval()),
            Collective::Permute => x[i - 1],
            Collective::Exchange => stack(x, 0) * (i as f64 + 1.0),
            Collective::Index => x[i] * (i as f64 + 1.0),
        };
        (0..n).map(one).collect()
    }
    /// The type of what an instance gets.
    pub fn of_type(self, a: &Aval, n: usize) -> Aval {
        let mut dims = a.dims.clone();
        match self {
            Collective::Gather(at) => dims.insert(at, n),
            Collective::Exchange => dims.insert(0, n),
            _ => {}
        }
        a.with_dims(dims)
    }
}

type Run<'a> = &'a dyn Fn(usize, &[Tensor]) -> Vec<Tensor>;

/// The batch, by `vmap` with a name.
pub fn apply(call: &Call, x: &[Tensor], run: Run) -> Vec<Tensor> {
    let Kind::Named { n, ins, outs, collective, inside } = &call.kind else { unreachable!("asked for") };
    let paired = n.is_multiple_of(2);
    let names: Names = if paired { &["outer", "inner"] } else { &["instances"] };
    let after = |y: Vec<Tensor>| run(1, &[&[collective.apply(y[0], *n, names)], &y[1..]].concat());
    let instance = |x: Vec<Tensor>| {
        let y = run(0, &x);
        match inside {
            Inside::Nothing => after(y),
            Inside::Remat => remat(after)(y),
            Inside::Loop => {
                let once = ScanOptions { length: Some(1), ..ScanOptions::default() };
                let z = scan_with(once, |y: Vec<Tensor>, ()| (y.clone(), after(y)), y, ()).1;
                z.into_iter().map(|z| slice_of(z, 0, 0)).collect()
            }
            Inside::Branch => cond(mean(y[0]).lt(0.2), after, after, y),
            Inside::CustomJvp => custom_jvp(after, |y, dy| jvp(after, y, dy))(y),
            Inside::CustomVjp => {
                custom_vjp(after, |y: Vec<Tensor>| (after(y.clone()), y), |y, ct| vjp(after, y).1(ct))(y)
            }
        }
    };
    let over = |name, n| VmapOptions { axis_name: Some(name), axis_size: Some(n) };
    let at = |outs: &[isize]| PerLeaf(outs.iter().map(|a| Axis::At(*a)).collect());
    if !paired {
        return vmap_with(over("instances", *n), instance, PerLeaf(ins.clone()), at(outs))(x.to_vec());
    }
    // every axis of the batch becomes two, of which the inner one takes the place when the outer one is gone
    let apart = |(x, axis): (&Tensor, &Axis)| match axis {
        Axis::At(a) => (x.split_axis(*a, [n / 2, 2]), Axis::At(a.rem_euclid(x.rank() as isize))),
        Axis::Shared => (*x, Axis::Shared),
    };
    let (x, ins): (Vec<Tensor>, Vec<Axis>) = x.iter().zip(ins).map(apart).unzip();
    let ranks = call.bodies[1].out_types().into_iter().map(|a| a.rank() as isize + 1);
    let outs: Vec<isize> = outs.iter().zip(ranks).map(|(a, rank)| a.rem_euclid(rank)).collect();
    let inner = |x: Vec<Tensor>| vmap_with(over("inner", 2), instance, PerLeaf(ins.clone()), at(&outs))(x);
    let y = vmap_with(over("outer", n / 2), inner, PerLeaf(ins.clone()), at(&outs))(x);
    y.into_iter().zip(&outs).map(|(y, a)| y.merge(*a as usize..*a as usize + 2)).collect()
}

/// The batch, by loops.
pub fn plain(call: &Call, x: &[Tensor], run: Run) -> Vec<Tensor> {
    let Kind::Named { n, ins, outs, collective, .. } = &call.kind else { unreachable!("asked for") };
    let slice = |x: &Tensor, axis: &Axis, i| match axis {
        Axis::At(a) => slice_of(*x, *a, i),
        Axis::Shared => *x,
    };
    let before = |i| run(0, &x.iter().zip(ins).map(|(x, a)| slice(x, a, i)).collect::<Vec<_>>());
    let y: Vec<Vec<Tensor>> = (0..*n).map(before).collect();
    let exchanged = collective.plain(&y.iter().map(|y| y[0]).collect::<Vec<_>>());
    let after = |(y, e): (&Vec<Tensor>, &Tensor)| run(1, &[&[*e], &y[1..]].concat());
    let z: Vec<Vec<Tensor>> = y.iter().zip(&exchanged).map(after).collect();
    let stacked = |(i, axis): (usize, &isize)| stack(&z.iter().map(|z| z[i]).collect::<Vec<_>>(), *axis);
    outs.iter().enumerate().map(stacked).collect()
}
