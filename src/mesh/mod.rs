//! Meshes of devices, and how arrays are divided over them.
//!
//! A [`Mesh`] gives the devices named axes. A [`PartitionSpec`], written [`P!`](crate::P), says per axis of an array along
//! which axes of the mesh it is divided; both together are a [`NamedSharding`]. Names are JAX's.
use crate::{
    aval::{Aval, Dims},
    error::{Error, Result},
    refusal::Refusal,
};
use raxla_xla::{Client, Device, Tiling};
use std::{fmt, ops::Range, sync::Arc};

mod axes;
pub mod communication;
pub mod parallel;
pub mod pmap;
mod rules;
mod spec;
pub use axes::AxisSet;
pub use rules::{Rules, with_logical_sharding};
pub(crate) use rules::{mapped_axes, with_rules};
pub use spec::{Entry, PartitionSpec, SpecTree};
pub(crate) use spec::{ONE_SPEC_PER_LEAF, OPEN_IS_NOT_WHOLE};

/// Devices in a grid whose axes have names: `data=4,model=2`. Cheap to clone.
///
/// ```no_run
/// use raxla::{P, jit, prelude::*, runtime, Mesh};
/// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() })?;
/// let mesh = Mesh::new(&client, [("data", 4), ("model", 2)])?;
/// let x = Array::on(&client, [8, 6], &[1f32; 48])?.put(&mesh.sharding(P!["data", _]))?;
/// let y = jit(|x: Tensor| x.sum(1)).call((&x,))?;
/// assert_eq!(y.to_vec::<f32>()?, [6.0; 8]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Mesh(Arc<Inner>);

struct Inner {
    axes: Vec<(Arc<str>, usize)>,
    devices: Vec<Device>,
    /// Which of them are those of this process, by their numbers.
    addressable: Vec<usize>,
    client: Option<Client>,
}

impl Inner {
    fn new(axes: Vec<(Arc<str>, usize)>, devices: Vec<Device>, client: Option<Client>) -> Inner {
        let own = |device: &Device| client.as_ref().is_some_and(|client| client.devices().contains(device));
        let addressable = (0..devices.len()).filter(|i| own(&devices[*i])).collect();
        Inner { axes, devices, addressable, client }
    }
}

impl PartialEq for Mesh {
    fn eq(&self, other: &Mesh) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.axes == other.0.axes && self.devices() == other.devices())
    }
}
impl Eq for Mesh {}
impl std::hash::Hash for Mesh {
    fn hash<H: std::hash::Hasher>(&self, h: &mut H) {
        self.0.axes.hash(h);
    }
}
impl fmt::Display for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let axes: Vec<String> = self.axes().iter().map(|(name, n)| format!("{name}={n}")).collect();
        write!(f, "{}", axes.join(","))
    }
}
impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Mesh({self})")
    }
}

fn wrong(reason: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Sharding { reason: reason.into(), help: help.into() }
}

impl Mesh {
    /// The first devices of a client as a grid with these axes; the last axis counts fastest. In a program of several processes
    /// ([`distributed`](crate::distributed)) they are those of all, and each process makes the same mesh. JAX: `jax.make_mesh`.
    ///
    /// # Errors
    /// More devices than there are; sizes of zero; a name given twice.
    pub fn new<N: AsRef<str>>(client: &Client, axes: impl IntoIterator<Item = (N, usize)>) -> Result<Mesh> {
        Mesh::of(client, client.all_devices().to_vec(), axes)
    }

    /// These devices, of one client, in this order, as a grid. JAX: `jax.sharding.Mesh(devices, axis_names)`.
    ///
    /// # Errors
    /// As [`Mesh::new`]; a device given twice.
    pub fn of<N: AsRef<str>>(
        client: &Client,
        mut devices: Vec<Device>,
        axes: impl IntoIterator<Item = (N, usize)>,
    ) -> Result<Mesh> {
        let mesh = Mesh::abstract_mesh(axes)?;
        let n = mesh.size();
        if n > devices.len() {
            let help = match client.platform_name() {
                "cpu" => format!("give the CPU plugin more: `runtime::Options {{ cpu_devices: Some({n}), .. }}`"),
                _ => "make an axis smaller".into(),
            };
            return Err(wrong(format!("the mesh {mesh} needs {n} devices, but there are {}", devices.len()), help));
        }
        devices.truncate(n);
        if let Some(twin) = (1..n).find(|i| devices[..*i].iter().any(|d| d.id() == devices[*i].id())) {
            return Err(wrong(format!("device {} is in the mesh twice", devices[twin].id()), "name each device once"));
        }
        Ok(Mesh(Arc::new(Inner::new(mesh.0.axes.clone(), devices, Some(client.clone())))))
    }

    /// All devices of a client along one axis. JAX: `jax.make_mesh((n,), (name,))`.
    ///
    /// # Errors
    /// None but an unusable name.
    pub fn auto(client: &Client, axis: &str) -> Result<Mesh> {
        Mesh::new(client, [(axis, client.all_devices().len())])
    }

    /// A mesh without devices: for tracing, lowering, and questions about shapes. JAX: `AbstractMesh`.
    ///
    /// # Errors
    /// Sizes of zero; a name given twice, or that cannot be a name.
    pub fn abstract_mesh<N: AsRef<str>>(axes: impl IntoIterator<Item = (N, usize)>) -> Result<Mesh> {
        let axes: Vec<(Arc<str>, usize)> = axes.into_iter().map(|(name, n)| (Arc::from(name.as_ref()), n)).collect();
        for (i, (name, n)) in axes.iter().enumerate() {
            if *n == 0 {
                return Err(wrong(format!("the axis `{name}` of the mesh has size 0"), "give it one device at least"));
            }
            if axes[..i].iter().any(|(other, _)| other == name) {
                return Err(wrong(format!("the mesh has two axes `{name}`"), "give each axis a name of its own"));
            }
            let usual = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(usual) {
                return Err(wrong(format!("{name:?} cannot name an axis"), "use letters, digits and `_`"));
            }
            axes::register(name).map_err(|why| wrong(why.reason, "use the same names again"))?;
        }
        if axes.iter().try_fold(1usize, |n, a| n.checked_mul(a.1)).is_none() {
            return Err(wrong("the sizes of the mesh multiply to more than can be counted", "make an axis smaller"));
        }
        Ok(Mesh(Arc::new(Inner::new(axes, vec![], None))))
    }

    /// Read `data=2,fsdp=2,model=2`.
    ///
    /// # Errors
    /// Another form.
    pub fn parse(text: &str) -> Result<Vec<(String, usize)>> {
        let one = |part: &str| {
            let (name, n) = part.split_once('=')?;
            Some((name.trim().to_string(), n.trim().parse().ok()?))
        };
        let help = "give each axis a size, as in data=2,model=3";
        let part = |part| one(part).ok_or_else(|| wrong(format!("`{part}` is no axis of a mesh"), help));
        text.split(',').map(part).collect()
    }

    /// Names and sizes of the axes.
    pub fn axes(&self) -> &[(Arc<str>, usize)] {
        &self.0.axes
    }
    /// Number of devices.
    pub fn size(&self) -> usize {
        self.0.axes.iter().map(|a| a.1).product()
    }
    /// The size of an axis, if there is one of this name.
    pub fn axis(&self, name: &str) -> Option<usize> {
        self.0.axes.iter().find(|(n, _)| **n == *name).map(|a| a.1)
    }
    /// The devices, the last axis counting fastest; none if the mesh is abstract.
    pub fn devices(&self) -> &[Device] {
        &self.0.devices
    }
    /// Those of the devices that are this process's, in the same order. JAX: `mesh.local_devices`.
    pub fn addressable_devices(&self) -> impl Iterator<Item = &Device> {
        self.0.addressable.iter().map(|i| &self.0.devices[*i])
    }
    /// The numbers of this process's devices, in the order of [`Mesh::devices`].
    pub(crate) fn addressable(&self) -> &[usize] {
        &self.0.addressable
    }
    /// Are all devices this process's? JAX: `not mesh.is_multi_process`.
    pub fn is_local(&self) -> bool {
        self.0.addressable.len() == self.0.devices.len()
    }
    /// The client of the devices.
    ///
    /// # Errors
    /// The mesh is abstract.
    pub fn client(&self) -> Result<&Client> {
        let help = "make it with `Mesh::new(&client, ..)`";
        self.0.client.as_ref().ok_or_else(|| wrong(format!("the mesh {self} has no devices"), help))
    }
    /// The part of the mesh where `axis` has this number, without that axis.
    ///
    /// # Errors
    /// An axis or a number that does not exist.
    pub fn sub_mesh(&self, axis: &str, number: usize) -> Result<Mesh> {
        let at = self.0.axes.iter().position(|a| *a.0 == *axis).filter(|at| number < self.0.axes[*at].1);
        let at = at.ok_or_else(|| {
            wrong(
                format!("the mesh {self} has no number {number} along `{axis}`"),
                "name one of its axes, and count from 0",
            )
        })?;
        let axes = self.0.axes.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, a)| a.clone()).collect();
        let numbered = self.0.devices.iter().enumerate();
        let chosen = numbered.filter(|(i, _)| self.coordinates(*i)[at] == number).map(|(_, d)| d.clone());
        Ok(Mesh(Arc::new(Inner::new(axes, chosen.collect(), self.0.client.clone()))))
    }
    /// Where device number `i` (in the order of [`Mesh::devices`]) is along each axis.
    pub fn coordinates(&self, mut i: usize) -> Vec<usize> {
        let mut at = vec![0; self.0.axes.len()];
        for (k, (_, n)) in self.0.axes.iter().enumerate().rev() {
            at[k] = i % n;
            i /= n;
        }
        at
    }
    /// This spec over this mesh.
    pub fn sharding(&self, spec: PartitionSpec) -> NamedSharding {
        NamedSharding { mesh: self.clone(), spec }
    }
    /// The whole array on every device.
    pub fn replicated(&self) -> NamedSharding {
        self.sharding(PartitionSpec::default())
    }
    /// The devices in groups whose members differ only in these axes, as numbers in the order of [`Mesh::devices`];
    /// within a group, the last of the named axes counts fastest.
    pub(crate) fn groups(&self, names: &[&str]) -> Vec<Vec<usize>> {
        let of = |name: &str| self.0.axes.iter().position(|a| *a.0 == *name).expect("an axis of the mesh");
        let chosen: Vec<usize> = names.iter().map(|n| of(n)).collect();
        let rest: Vec<usize> = (0..self.0.axes.len()).filter(|k| !chosen.contains(k)).collect();
        let number = |at: &[usize], axes: &[usize]| axes.iter().fold(0, |n, k| n * self.0.axes[*k].1 + at[*k]);
        let size = |axes: &[usize]| axes.iter().map(|k| self.0.axes[*k].1).product::<usize>();
        let mut groups = vec![vec![0; size(&chosen)]; size(&rest)];
        for i in 0..self.size() {
            let at = self.coordinates(i);
            groups[number(&at, &rest)][number(&at, &chosen)] = i;
        }
        groups
    }
}

/// How an array is divided over the devices of a mesh. JAX: `NamedSharding`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NamedSharding {
    /// The devices.
    pub mesh: Mesh,
    /// Which axes of the array are divided along which axes of the mesh.
    pub spec: PartitionSpec,
}
impl fmt::Debug for NamedSharding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} over {}", self.spec, self.mesh)
    }
}

impl NamedSharding {
    /// The sizes of one device's part. Says what is wrong with the spec, or which axis cannot be divided evenly.
    pub fn local_dims(&self, a: &Aval) -> Result<Dims, Refusal> {
        self.spec.check(&self.mesh, a)?;
        let mut dims = a.dims.clone();
        for (axis, (n, entry)) in dims.iter_mut().zip(&self.spec.0).enumerate() {
            let parts: usize = entry.names().iter().map(|name| self.mesh.axis(name).expect("checked")).product();
            if *n % parts != 0 {
                let names: Vec<String> =
                    entry.names().iter().map(|n| format!("{n}={}", self.mesh.axis(n).expect("checked"))).collect();
                return Err(Refusal::new(format!(
                    "axis {axis} of {a} has size {n}, which the {parts} devices along {} do not divide",
                    names.join(",")
                ))
                .help(format!("pad the axis to a multiple of {parts}, or leave it whole with `_`")));
            }
            *n /= parts;
        }
        Ok(dims)
    }

    /// Which part of each axis every device holds, in the order of [`Mesh::devices`]. Says what [`local_dims`] says.
    ///
    /// [`local_dims`]: NamedSharding::local_dims
    pub fn indices(&self, a: &Aval) -> Result<Vec<Vec<Range<usize>>>, Refusal> {
        let local = self.local_dims(a)?;
        let part = |device: usize| {
            let at = self.mesh.coordinates(device);
            let number = |entry: Option<&Entry>| {
                let names = entry.map_or(&[][..], Entry::names);
                names.iter().fold(0, |n, name| {
                    let k = self.mesh.axes().iter().position(|a| a.0 == *name).expect("checked");
                    n * self.mesh.axes()[k].1 + at[k]
                })
            };
            let range = |(i, n): (usize, &usize)| {
                let begin = number(self.spec.0.get(i)) * n;
                begin..begin + n
            };
            local.iter().enumerate().map(range).collect()
        };
        Ok((0..self.mesh.size()).map(part).collect())
    }

    /// The spec that divides an array of this rank in this way; `None` if no spec does.
    pub(crate) fn of_tiling(mesh: &Mesh, rank: usize, tiling: &Tiling) -> Option<NamedSharding> {
        let Tiling::Tiled { tiles, devices } = tiling else { return Some(mesh.replicated()) };
        if devices.len() != mesh.size() || tiles.len() < rank {
            return None;
        }
        // where the tile of each device is
        let mut at = vec![vec![]; devices.len()];
        for (i, device) in devices.iter().enumerate() {
            let mut rest = i;
            let mut place: Vec<usize> = tiles.iter().rev().map(|n| (rest % n, rest /= n).0).collect();
            place.reverse();
            *at.get_mut(*device)? = place;
        }
        let axes = mesh.axes();
        let stride = |k: usize| axes[k + 1..].iter().map(|a| a.1).product::<usize>();
        let entry = |axis: usize| {
            // how far one step along each axis of the mesh moves
            let mut steps: Vec<(usize, usize)> = (0..axes.len())
                .filter(|k| axes[*k].1 > 1)
                .map(|k| (at[stride(k)][axis], k))
                .filter(|(step, _)| *step > 0)
                .collect();
            steps.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
            Entry::Axes(steps.into_iter().map(|(_, k)| axes[k].0.clone()).collect())
        };
        let sharding = mesh.sharding(PartitionSpec::new((0..rank).map(entry).collect()));
        // the guess must place every tile, not only those one step away
        let grid = Aval::new(crate::DType::F32, &tiles[..rank]);
        let right =
            |(index, at): (Vec<Range<usize>>, &Vec<usize>)| index.iter().zip(at).all(|(r, at)| *r == (*at..at + 1));
        sharding.indices(&grid).ok()?.into_iter().zip(&at).all(right).then_some(sharding)
    }

    /// The same with another spec.
    pub fn with_spec(&self, spec: PartitionSpec) -> NamedSharding {
        NamedSharding { mesh: self.mesh.clone(), spec }
    }

    /// `#sdy.sharding` without the `#sdy.sharding`: `<@mesh, [{"data"}, {}]>`, for an array of this rank. With `open`,
    /// further axes may be added by the compiler; an unconstrained axis is always open.
    pub(crate) fn sdy(&self, mesh: &str, rank: usize, open: bool, replicated: &[&str]) -> String {
        let entry = |i: usize| {
            let (names, free) = match self.spec.0.get(i) {
                None => (&[][..], false),
                Some(e) => (e.names(), *e == Entry::Unconstrained),
            };
            let mut inside: Vec<String> = names.iter().map(|n| format!("{:?}", &**n)).collect();
            if open || free {
                inside.push("?".into());
            }
            format!("{{{}}}", inside.join(", "))
        };
        let dims: Vec<String> = (0..rank).map(entry).collect();
        let whole = match replicated {
            [] => String::new(),
            names => {
                format!(", replicated={{{}}}", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", "))
            }
        };
        format!("<@{mesh}, [{}]{whole}>", dims.join(", "))
    }
}
