//! Where a jitted function runs, and where its arguments and results are.
use super::{ArgSet, Jit, Signature, Traced};
use crate::{
    array::ArrayType,
    aval::Aval,
    error::{Error, Result},
    graph::Graph,
    mesh::{Entry, Mesh, NamedSharding, ONE_SPEC_PER_LEAF, OPEN_IS_NOT_WHOLE, PartitionSpec, Rules, SpecTree},
    refusal::Refusal,
    runtime,
    trace::Tensor,
    tree::Tree,
};
use raxla_xla::Client;

/// What a function runs on.
#[derive(Clone)]
pub enum Target {
    /// The first device of a client.
    Client(Client),
    /// The devices of a mesh.
    Mesh(Mesh),
}
impl From<&Client> for Target {
    fn from(client: &Client) -> Target {
        Target::Client(client.clone())
    }
}
impl From<&Mesh> for Target {
    fn from(mesh: &Mesh) -> Target {
        Target::Mesh(mesh.clone())
    }
}

/// The specs of the leaves of a tree, which is known once the function is traced.
pub(super) struct Specs<X>(Box<SpecsOf<X>>);
type SpecsOf<X> = dyn Fn(&X, &[Aval]) -> Result<Vec<PartitionSpec>, Refusal> + Send + Sync;
impl<X> Specs<X> {
    /// Those of this tree, whose leaves have these types.
    pub(super) fn of(&self, x: &X, avals: &[Aval]) -> Result<Vec<PartitionSpec>> {
        Ok((self.0)(x, avals).map_err(|why| why.or_help(ONE_SPEC_PER_LEAF))?)
    }
}

/// What is wrong with a leaf.
fn unfit(leaf: &str, why: Refusal) -> Error {
    why.or_help("give it another spec").about(leaf).into()
}

impl<Args: Tree<Tensor>, F: Traced<Args>> Jit<Args, F>
where
    F::Out: Tree<Tensor>,
{
    /// Run on the first device of this client instead of the default one's, or on the devices of this mesh.
    ///
    /// Over a mesh, arguments stay where they are, and those on a single device are given to all. The compiler divides the
    /// work, by the places of the arguments and by [`with_sharding`](crate::with_sharding) inside.
    pub fn on(mut self, target: impl Into<Target>) -> Self {
        self.target = Some(target.into());
        self
    }
    /// Where the arguments are to be, on the mesh that the function runs [`on`](Jit::on): those elsewhere are brought there.
    /// The specs are those of the tuple of arguments. JAX: `in_shardings`.
    pub fn in_shardings(mut self, specs: impl SpecTree<Args> + Send + Sync + 'static) -> Self {
        self.in_specs = Some(Specs(Box::new(move |x, _| specs.specs(x))));
        self
    }
    /// [`Jit::in_shardings`] by a function of the arguments' types.
    pub(crate) fn in_shardings_by(
        mut self,
        specs: impl Fn(&Args, &[Aval]) -> Result<Vec<PartitionSpec>, Refusal> + Send + Sync + 'static,
    ) -> Self {
        self.in_specs = Some(Specs(Box::new(specs)));
        self
    }
    /// Where the results are to be. Without this the compiler chooses, but for those that take over a donated argument's
    /// memory, which stay where that is. JAX: `out_shardings`.
    pub fn out_shardings(mut self, specs: impl SpecTree<F::Out> + Send + Sync + 'static) -> Self {
        self.out_specs = Some(Specs(Box::new(move |y, _| specs.specs(y))));
        self
    }

    /// What the roles of axes named by [`with_logical_sharding`](crate::with_logical_sharding) mean, over a mesh.
    pub fn rules(mut self, rules: &Rules) -> Self {
        self.rules = Some(rules.clone());
        self
    }

    /// The client of a program over this mesh, or over none.
    pub(super) fn client(&self, mesh: Option<&Mesh>) -> Result<Client> {
        match (mesh, &self.target) {
            (Some(mesh), _) => mesh.client().cloned(),
            (None, Some(Target::Mesh(mesh))) => mesh.client().cloned(),
            (None, Some(Target::Client(client))) => Ok(client.clone()),
            (None, None) => runtime::client(),
        }
    }

    /// What a program for these arguments is found by, and made for. `here` says where the leaves are: of types alone, or
    /// of arrays on one device, nothing.
    pub(super) fn resolve<S>(&self, args: &S, here: &[Option<NamedSharding>], moved: ArgSet) -> Result<Signature>
    where
        S: Tree<Aval, With<Tensor> = Args>,
    {
        let at = |leaf: usize| here.get(leaf).and_then(Option::as_ref);
        let mesh = match &self.target {
            Some(Target::Mesh(mesh)) => Some(mesh.clone()),
            _ => here.iter().flatten().next().map(|s| s.mesh.clone()),
        };
        let given = match (&self.in_specs, &mesh) {
            (Some(specs), Some(_)) => Some(specs.of(&crate::trace::placeholders(args), &args.leaves())?),
            _ => None,
        };
        let (mut types, mut arguments, mut problem) = (vec![], vec![], None);
        args.visit(|path, aval| {
            let leaf = types.len();
            arguments.push(path.argument());
            let Some(mesh) = &mesh else { return types.push(ArrayType::new(aval.clone(), None)) };
            let there = match (&given, at(leaf)) {
                (Some(specs), _) => mesh.sharding(specs[leaf].clone()),
                (None, Some(s)) if s.mesh == *mesh => s.clone(),
                (None, Some(s)) => {
                    let why = Refusal::new(format!("it is on the mesh {}, but the function runs on {mesh}", s.mesh));
                    problem.get_or_insert((path.to_string(), why.help("bring it there with `.put(..)`")));
                    s.clone()
                }
                (None, None) => mesh.replicated(),
            };
            if let Err(why) = whole_entries(&there.spec).and_then(|()| there.local_dims(aval)) {
                problem.get_or_insert((path.to_string(), why));
            }
            types.push(ArrayType::new(aval.clone(), Some(there)));
        });
        if let Some((path, why)) = problem {
            return Err(unfit(&format!("the argument `{path}`"), why));
        }
        let with_leaves = ArgSet::of(&arguments);
        Ok(Signature { structure: args.structure(), types, arguments, moved: moved.and(with_leaves), mesh })
    }
}

fn whole_entries(spec: &PartitionSpec) -> Result<(), Refusal> {
    match spec.0.contains(&Entry::Unconstrained) {
        true => Err(Refusal::new(format!("the spec {spec} leaves an axis open")).help(OPEN_IS_NOT_WHOLE)),
        false => Ok(()),
    }
}

/// Where the results are to be.
pub(super) fn out_shardings(
    mesh: &Mesh,
    graph: &Graph,
    specs: Option<Vec<PartitionSpec>>,
) -> Result<Vec<Option<NamedSharding>>> {
    let avals = graph.out_avals();
    let Some(specs) = specs else { return Ok(vec![None; avals.len()]) };
    let one = |(i, (spec, aval)): (usize, (PartitionSpec, &Aval))| {
        let at = mesh.sharding(spec);
        let fits = whole_entries(&at.spec).and_then(|()| at.local_dims(aval));
        fits.map_err(|why| unfit(&format!("result {i}"), why))?;
        Ok(Some(at))
    };
    specs.into_iter().zip(&avals).enumerate().map(one).collect()
}
