//! `pmap`: one instance of a function per device.
use crate::{
    aval::{Aval, axis_number},
    jit::{Jit, Traced, jit},
    mesh::{Entry, Mesh, PartitionSpec, SpecTree},
    prim::{ShardMapOptions, pvary, shard_map_with},
    refusal::Refusal,
    trace::{At, Tensor, TensorTree, avals_of, refuse},
    transform::{Axis, AxisTree, ONE_PER_LEAF, leaf_name},
    tree::Tree,
};
use std::{panic::Location, sync::Arc};

/// A function over the devices of a mesh, as [`pmap`] compiles it.
pub struct Pmapped<F, I, O> {
    f: F,
    mesh: Mesh,
    in_axes: I,
    out_axes: O,
    line: &'static Location<'static>,
}

/// Compile `f` to run once on every device: [`vmap_axes`](crate::vmap_axes), with one instance per device of a mesh of one
/// axis, whose name the collectives inside know. JAX: `jax.pmap`.
///
/// Each device gets its slice, without the mapped axis, of the leaves of the arguments that are mapped, and a copy of those
/// that are [`Axis::Shared`]; results get the axis back. Of a result that is `Shared` the first device's is taken: combine it
/// with [`psum`](crate::psum), [`pmean`](crate::pmean), ... As in JAX, derivatives taken inside are those of the one
/// instance. Results stay on their devices: given to a `pmap` over the same mesh, they are not moved.
///
/// ```
/// use raxla::{Axis, Mesh, pmap, pmean, prelude::*, runtime};
/// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(4), ..Default::default() })?;
/// let mesh = Mesh::new(&client, [("i", 4)])?; // or `Mesh::of`, with chosen devices
/// // the distance of each instance from the mean of all
/// let f = pmap(&mesh, |x: Tensor, scale: Tensor| (x - pmean(x, "i")) * scale, (Axis::At(0), Axis::Shared), Axis::At(0));
/// let x = Array::on(&client, [4], &[1f32, 2., 6., 7.])?;
/// let y = f.call((&x, Array::on(&client, [], &[10f32])?))?;
/// assert_eq!(y.to_vec::<f32>()?, [-30., -20., 20., 30.]);
/// assert_eq!(y.addressable_shards().len(), 4);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A mesh of more axes than one; a mapped axis whose size is not the number of devices.
#[track_caller]
pub fn pmap<Args, F, I, O>(mesh: &Mesh, f: F, in_axes: I, out_axes: O) -> Jit<Args, Pmapped<F, I, O>>
where
    Args: TensorTree,
    F: Traced<Args>,
    F::Out: TensorTree,
    I: AxisTree<Args> + Clone + Send + Sync + 'static,
    O: AxisTree<F::Out>,
{
    let (own, axes) = (mesh.clone(), in_axes.clone());
    let f = Pmapped { f, mesh: mesh.clone(), in_axes, out_axes, line: Location::caller() };
    jit(f).on(mesh).in_shardings_by(move |args, avals| {
        let axes = axes.axes(args).map_err(|why| why.or_help(ONE_PER_LEAF))?;
        Ok(inputs(&own, &args.paths(), avals, &axes)?.into_iter().map(|(_, spec)| spec).collect())
    })
}

impl<Args, F, I, O> Traced<Args> for Pmapped<F, I, O>
where
    Args: TensorTree,
    F: Traced<Args>,
    F::Out: TensorTree,
    I: AxisTree<Args>,
    O: AxisTree<F::Out>,
{
    type Out = F::Out;
    fn call(&self, args: Args) -> F::Out {
        let _at = At::op_at("pmap", self.line);
        let stop = |why: Refusal| -> ! { refuse("pmap", vec![], why.or_help(ONE_PER_LEAF)) };
        let axes = self.in_axes.axes(&args).unwrap_or_else(|why| stop(why));
        let inputs = inputs(&self.mesh, &args.paths(), &avals_of(&args), &axes).unwrap_or_else(|why| stop(why));
        let (axes, specs): (Vec<Option<usize>>, Vec<PartitionSpec>) = inputs.into_iter().unzip();
        let name = axis_of(&self.mesh).unwrap_or_else(|why| stop(why));
        let instance = |x: Args| {
            let _at = At::op_at("pmap", self.line);
            let mut axis = axes.iter();
            let y = self.f.call(x.map(|t| match axis.next().expect("one axis per leaf") {
                Some(i) => t.squeeze(*i as isize),
                None => pvary(*t, &*name),
            }));
            let mut axis = self.out_axes.axes(&y).unwrap_or_else(|why| stop(why)).into_iter();
            y.map_named(|path, t| match axis.next().expect("one axis per leaf") {
                Axis::Shared => *t,
                Axis::At(i) => match axis_number(i, t.rank() + 1) {
                    Some(i) => t.expand_dims(i as isize),
                    None => {
                        let leaf = leaf_name("the result", path);
                        stop(format!("{leaf} cannot get an axis {i}: with it, its rank is {}", t.rank() + 1).into())
                    }
                },
            })
        };
        let options = ShardMapOptions { check_vma: false, ..ShardMapOptions::default() };
        let outs = OutSpecs { axes: &self.out_axes, name: name.clone() };
        shard_map_with(&self.mesh, options, specs, outs, instance)(args)
    }
}

/// The name of the mesh's one axis; or why that cannot be.
fn axis_of(mesh: &Mesh) -> Result<Arc<str>, Refusal> {
    match mesh.axes() {
        [(name, _)] => Ok(name.clone()),
        axes => Err(Refusal::new(format!("`pmap` maps over one axis, but the mesh {mesh} has {}", axes.len()))
            .help("use `shard_map`, which divides over several")),
    }
}

/// Divided along this axis alone.
fn along(name: &Arc<str>, axis: usize) -> PartitionSpec {
    let mut entries = vec![Entry::whole(); axis];
    entries.push(Entry::from(&**name));
    PartitionSpec::new(entries)
}

/// The mapped axis of every leaf, and its place; or which leaf cannot be divided so, and why.
fn inputs(
    mesh: &Mesh,
    paths: &[String],
    avals: &[Aval],
    axes: &[Axis],
) -> Result<Vec<(Option<usize>, PartitionSpec)>, Refusal> {
    let name = axis_of(mesh)?;
    let one = |((path, a), axis): ((&String, &Aval), &Axis)| {
        let Axis::At(axis) = *axis else { return Ok((None, PartitionSpec::default())) };
        let Some(i) = axis_number(axis, a.rank()) else {
            return Err(Refusal::new(format!("the argument `{path}` ({a}) has no axis {axis}"))
                .help("map another axis, or `Axis::Shared`"));
        };
        let n = mesh.size();
        if a.dims[i] != n {
            return Err(Refusal::new(format!(
                "the argument `{path}` has {} instances (axis {i} of {a}), but the mesh {mesh} has {n} devices",
                a.dims[i]
            ))
            .help(format!("reshape the axis to [{n}, ..]: each device takes one instance")));
        }
        Ok((Some(i), along(&name, i)))
    };
    paths.iter().zip(avals).zip(axes).map(one).collect()
}

/// The places of results that have the mapped axis back.
struct OutSpecs<'a, O> {
    axes: &'a O,
    name: Arc<str>,
}
impl<Y: Tree<Tensor>, O: AxisTree<Y>> SpecTree<Y> for OutSpecs<'_, O> {
    fn specs(&self, y: &Y) -> Result<Vec<PartitionSpec>, Refusal> {
        let one = |(axis, t): (Axis, Tensor)| match axis {
            Axis::Shared => PartitionSpec::default(),
            Axis::At(i) => along(&self.name, axis_number(i, t.rank()).expect("checked when the axis was put in")),
        };
        Ok(self.axes.axes(y)?.into_iter().zip(y.leaves()).map(one).collect())
    }
}
