//! What a program's devices say to each other, and refusing programs in which the partitioner makes them say too much.
use super::{ArgTuple, HeldTuple, Jit, Lowered, Traced, here};
use crate::{
    array::Array,
    aval::Aval,
    communication::{Communication, Kind},
    error::{Error, Result},
    trace::Tensor,
    tree::{Hole, Tree},
};
use raxla_xla::Client;

impl<Args, Out: Tree<Tensor>> Lowered<Args, Out> {
    /// The collectives of the program, after compiling it for this client: what each costs, the line that it is for, and
    /// whether the partitioner inserted it. The compilation cache is not used.
    pub fn communication(&self, client: &Client) -> Result<Communication> {
        let axes = self.place.iter().flat_map(|p| p.mesh.axes());
        let axes: Vec<(String, usize)> = axes.map(|(name, size)| (name.to_string(), *size)).collect();
        Communication::of_hlo(&self.optimized_hlo(client)?, &axes, &self.text)
    }

    /// No gathering of more than `limit` bytes that the program does not ask for.
    pub(super) fn check_gathers(&self, client: &Client, name: &str, limit: u64) -> Result<()> {
        if self.place.as_ref().is_none_or(|p| p.mesh.size() == 1) {
            return Ok(());
        }
        let communication = self.communication(client)?;
        let gathers = communication.collectives.into_iter().filter(|c| c.kind == Kind::AllGather && c.implicit);
        let Some(worst) = gathers.filter(|c| c.bytes > limit).max_by_key(|c| c.bytes) else { return Ok(()) };
        let (axes, place) = (worst.axes_text(), worst.place());
        Err(Error::ImplicitGather { name: name.into(), arrays: worst.arrays, bytes: worst.bytes, limit, axes, place })
    }
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    /// Refuse programs in which the partitioner inserts an all-gather whose result has more than `bytes` bytes on each
    /// device ([`Error::ImplicitGather`]). Such gathers come from shardings that do not go together, and easily cost more
    /// than all the rest; those that the program has itself ([`all_gather`](crate::all_gather)) are allowed.
    ///
    /// Programs over several devices are compiled twice for this, and the first time not from the cache.
    pub fn deny_implicit_gather(mut self, bytes: u64) -> Self {
        self.gather_limit = Some(bytes);
        self
    }
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
    Args::With<Array>: Tree<Array, With<Tensor> = Args, With<Aval> = Args::With<Aval>>,
    Args::With<Aval>: Tree<Aval, With<Tensor> = Args>,
    <F::Out as Tree<Tensor>>::With<Hole>: Tree<Hole, With<Array> = <F::Out as Tree<Tensor>>::With<Array>>,
{
    /// The collectives of the program for these arguments, as [`Lowered::communication`]. Prints as a table.
    ///
    /// ```
    /// use raxla::{Mesh, P, prelude::*, runtime};
    /// let client = runtime::client_with(&runtime::Options { cpu_devices: Some(4), ..Default::default() })?;
    /// let mesh = Mesh::new(&client, [("data", 4)])?;
    /// let f = jit(|x: Tensor| x.sum(0)).on(&mesh).in_shardings(P!["data"]);
    /// let communication = f.communication((&Array::on(&client, [8], &[1f32; 8])?,))?;
    /// let sum = &communication.collectives[0];
    /// assert_eq!((sum.kind.name(), sum.axes_text(), sum.implicit), ("all-reduce", "data".into(), true));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn communication(&self, args: impl ArgTuple<Args::With<Array>>) -> Result<Communication> {
        let args = self.held(args)?;
        let avals = args.avals();
        let signature = self.resolve(&avals, &here(&args), args.moved())?;
        let client = self.client(signature.mesh.as_ref())?;
        self.lower_for(&avals, &signature)?.communication(&client)
    }
}
