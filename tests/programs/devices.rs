//! Several devices: meshes, how values are divided over them, and running programs there.
use crate::{
    check::{Checked, Wrong},
    generate::Rng,
};
use raxla::{
    Array, Client, Host, Mesh, NamedSharding, PartitionSpec, Tensor, jit, mesh::Entry, runtime, testing::close,
    trace::NamedAxis,
};
use std::{rc::Rc, sync::OnceLock};

/// The one client of this process, with 8 virtual devices: also where programs for one device run.
pub fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let made = CLIENT.get_or_init(|| {
        raxla::cache::disable();
        let options = runtime::Options { cpu_devices: Some(8), ..runtime::Options::default() };
        let client = runtime::client_with(&options).expect("the CPU plugin");
        assert!(runtime::set_client(client.clone()), "the first client of the process");
        client
    });
    made.clone()
}

pub type Names = Vec<&'static str>;
/// Names and sizes of the axes of a mesh.
pub type Grid = &'static [(&'static str, usize)];
const GRIDS: &[Grid] = &[
    &[("x", 2)],
    &[("x", 4)],
    &[("x", 8)],
    &[("x", 2), ("y", 2)],
    &[("x", 4), ("y", 2)],
    &[("y", 2), ("x", 4)],
    &[("x", 2), ("y", 2), ("z", 2)],
    &[("z", 2), ("x", 2), ("y", 2)],
    &[("x", 2), ("y", 1), ("z", 2)],
    &[("x", 1)],
];

/// The mesh of the case with this seed.
pub fn grid_of(seed: u64) -> Grid {
    Rng(seed ^ 0x6E15).pick(GRIDS)
}
pub fn mesh(grid: Grid) -> Mesh {
    Mesh::new(&client(), grid.iter().copied()).expect("8 devices")
}

/// Where among devices a program is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The axes of the mesh; none for a program on one device.
    pub grid: Grid,
    /// Does the program have parts written for one device (`shard_map`), or only annotations?
    pub maps: bool,
    /// The axes that the program is inside a `shard_map` over, bit by bit.
    pub manual: u8,
    /// Those along which devices are sure to take the same branches and turns here: the axes of collectives.
    pub together: u8,
}
pub const ALONE: Place = Place { grid: &[], maps: false, manual: 0, together: 0 };
impl Place {
    pub fn axes(&self, bits: u8) -> Vec<(&'static str, usize)> {
        self.grid.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, a)| *a).collect()
    }
    /// The axes along which the compiler divides the work.
    pub fn auto(&self) -> u8 {
        !self.manual & ((1 << self.grid.len()) - 1)
    }
    pub fn bits(&self, names: &[&str]) -> u8 {
        self.grid.iter().enumerate().filter(|(_, (name, _))| names.contains(name)).map(|(i, _)| 1 << i).sum()
    }
    /// Some of these axes, at least one.
    pub fn some(&self, rng: &mut Rng, bits: u8) -> Names {
        let all = self.axes(bits);
        let some = if rng.percent(40) { (0..all.len()).collect() } else { rng.some_of(all.len(), 1) };
        some.into_iter().map(|i| all[i].0).collect()
    }
    /// Run `f`, inside which collectives may mean the axes that this is inside a `shard_map` over.
    pub fn inside<R>(&self, f: impl FnOnce() -> R) -> R {
        let axis = |(name, size): (&str, usize)| NamedAxis { name: Rc::from(name), size, mesh: true };
        let axes: Vec<NamedAxis> = self.axes(self.manual).into_iter().map(axis).collect();
        raxla::trace::with_axes(&axes, f)
    }
}

/// A spec for an array of these sizes that divides some of them along some of these axes.
pub fn dividing(rng: &mut Rng, dims: &[usize], axes: &[(&str, usize)]) -> PartitionSpec {
    spread(rng, dims, axes, |rng| rng.percent(70))
}
/// A spec with each of these axes for which `with` says so, if it divides a size.
pub fn spread(
    rng: &mut Rng,
    dims: &[usize],
    axes: &[(&str, usize)],
    mut with: impl FnMut(&mut Rng) -> bool,
) -> PartitionSpec {
    let (mut entries, mut rest) = (vec![vec![]; dims.len()], dims.to_vec());
    for i in rng.shuffled(axes.len()) {
        let (name, size) = axes[i];
        let fitting: Vec<usize> = (0..dims.len()).filter(|d| rest[*d].is_multiple_of(size)).collect();
        if !fitting.is_empty() && with(rng) {
            let d = rng.pick(&fitting);
            rest[d] /= size;
            entries[d].push(name);
        }
    }
    PartitionSpec::new(entries.iter().map(|names| Entry::from(&names[..])).collect())
}
/// The sizes of one device's part, and of the whole.
pub fn part(grid: Grid, spec: &PartitionSpec, dims: &[usize]) -> Vec<usize> {
    let n = |i: usize| parts(grid, spec, i);
    dims.iter().enumerate().map(|(i, d)| d / n(i)).collect()
}
pub fn whole(grid: Grid, spec: &PartitionSpec, dims: &[usize]) -> Vec<usize> {
    dims.iter().enumerate().map(|(i, d)| d * parts(grid, spec, i)).collect()
}
fn parts(grid: Grid, spec: &PartitionSpec, i: usize) -> usize {
    let names = spec.0.get(i).map_or(&[][..], Entry::names);
    names.iter().map(|n| grid.iter().find(|a| *a.0 == **n).expect("an axis of the mesh").1).product()
}

/// Where arguments, and results unless the compiler chooses, are to be.
#[derive(Debug)]
pub struct Layout {
    pub grid: Grid,
    pub ins: Option<Vec<PartitionSpec>>,
    pub outs: Option<Vec<PartitionSpec>>,
}
impl Layout {
    /// A random one for arguments and results of these sizes.
    pub fn random(rng: &mut Rng, grid: Grid, ins: &[Vec<usize>], outs: &[Vec<usize>]) -> Layout {
        let mut specs = |all: &[Vec<usize>]| {
            let some = rng.percent(60);
            let specs = all.iter().map(|dims| dividing(rng, dims, grid)).collect();
            some.then_some(specs)
        };
        Layout { grid, ins: specs(ins), outs: specs(outs) }
    }
}

/// The results of a function compiled for a mesh. Every device's part of each result must be what the whole says.
pub fn on_mesh(x: &[Host], layout: &Layout, f: impl Fn(Vec<Tensor>) -> Vec<Tensor> + 'static) -> Checked<Vec<Host>> {
    let run = || -> raxla::Result<Vec<Array>> {
        let on = |h: &Host| Array::from_bytes(&client(), h.aval().clone(), &h.to_bytes());
        let x = x.iter().map(on).collect::<raxla::Result<Vec<_>>>()?;
        let mut f = jit(f).on(&mesh(layout.grid));
        if let Some(ins) = &layout.ins {
            f = f.in_shardings((ins.clone(),));
        }
        if let Some(outs) = &layout.outs {
            f = f.out_shardings(outs.clone());
        }
        let y = f.call((x,))?;
        y.iter().try_for_each(Array::ready)?;
        Ok(y)
    };
    let y = run().map_err(|e| e.to_string())?;
    let mut all = vec![];
    for (i, y) in y.iter().enumerate() {
        let shards = y.addressable_shards();
        let sizes = |index: &[std::ops::Range<usize>]| index.iter().map(|r| r.len()).collect::<Vec<_>>();
        if let Some(shard) = shards.iter().find(|s| s.data.dims() != sizes(&s.index)) {
            let (at, dims) = (y.sharding(), shard.data.dims());
            return Err(Wrong::Failed(format!("result {i} ({}): a part of {at:?} is {dims:?}", y.aval())));
        }
        let whole = y.to_host().map_err(|e| e.to_string())?;
        for shard in shards {
            let have = shard.data.to_host().map_err(|e| e.to_string())?;
            let dims = sizes(&shard.index);
            let want = whole.pick(dims.clone(), |n| {
                let at = raxla::host::unravel(&dims, n);
                let at: Vec<usize> = at.iter().zip(&shard.index).map(|(k, r)| r.start + k).collect();
                raxla::host::ravel(whole.dims(), &at)
            });
            close(&have, &want, 0.0).map_err(|e| {
                let at = y.sharding().map_or("one device".into(), |s: &NamedSharding| format!("{s:?}"));
                format!("result {i} ({at}): device {} has another value: {e}\n{have:?}\n{want:?}", shard.device.id())
            })?;
        }
        all.push(whole);
    }
    Ok(all)
}
