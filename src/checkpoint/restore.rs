//! Restoring: which leaf of a checkpoint becomes which leaf of a tree, and where it goes.
use super::{
    Checkpoint, CheckpointError, Problem, Report,
    index::Leaf,
    pattern::{matched, nearest, renamed, wildcards},
    read::Shards,
};
use crate::{
    array::Array,
    aval::{Aval, DType},
    error::Result,
    jit::{BoxJit, jit},
    mesh::NamedSharding,
    optim::Typed,
    runtime::{self, Client},
    trace::Tensor,
    tree::{self, Tree},
};
use std::collections::{HashMap, HashSet};

/// A leaf to restore into: a type, and how the array is to be divided. JAX: `jax.ShapeDtypeStruct` with a sharding.
///
/// A tree of these says where a model goes without holding one; trees of arrays, of [`Aval`]s and of
/// [`Param`](crate::Param)s do as well, the last two for the first device of a client.
/// ```
/// use raxla::{prelude::*, checkpoint::Target, nn, Rules};
/// # let client = raxla::runtime::client()?;
/// let spec = (Param::new([4, 8], ["embed", "mlp"]), Param::new([8], ["mlp"]));
/// let (mesh, rules) = (Mesh::new(&client, [("model", 1)])?, Rules::new([("mlp", "model")]));
/// let like = spec.map(|p| Target::new(p.aval.clone()).on(mesh.sharding(rules.spec_of(p, &mesh))));
/// assert_eq!(like.0.sharding.unwrap().spec, raxla::P![_, "model"]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Shape and dtype.
    pub aval: Aval,
    /// How it is divided; `None` for the first device of the client.
    pub sharding: Option<NamedSharding>,
}
impl tree::Leaf for Target {}
impl Target {
    /// An array of this type on the first device of the client.
    pub fn new(aval: Aval) -> Target {
        Target { aval, sharding: None }
    }
    /// Divided in this way.
    pub fn on(self, sharding: NamedSharding) -> Target {
        Target { sharding: Some(sharding), ..self }
    }
}
impl Typed for Target {
    fn typed(&self) -> Aval {
        self.aval.clone()
    }
    fn placed(&self) -> Option<&NamedSharding> {
        self.sharding.as_ref()
    }
}

/// What may differ between a checkpoint and the tree that it is restored as. By default nothing may: every leaf is there under
/// its path, in its shape and dtype, and there are no others.
///
/// In patterns of paths, `*` is any text without a dot, and `**` any text.
#[derive(Clone, Default)]
pub struct RestoreOptions {
    /// Convert leaves of another dtype, as [`Tensor::cast`] does.
    pub cast: bool,
    /// Restore only the leaves of the tree whose paths match one of these patterns; all, if there is none. The others stay as
    /// they are, so that the tree has to be one of arrays.
    pub only: Vec<String>,
    /// Where leaves of the tree lie in the checkpoint: a pattern of paths of the tree, and the path in the checkpoint, with as many
    /// wildcards. The first that matches counts: `("0.**", "params.**")`.
    pub rename: Vec<(String, String)>,
    /// Leaves that the checkpoint lacks stay as they are: of a tree of arrays.
    pub keep_missing: bool,
    /// Leaves of the checkpoint that the tree does not have are left out.
    pub ignore_unexpected: bool,
    /// Where arrays go that are not divided; the default client, if `None`.
    pub client: Option<Client>,
}

/// What becomes of a leaf of the tree.
enum Source<'a> {
    /// It is read, and converted if its dtype is not this one.
    Stored(&'a Leaf, DType),
    Kept(Array),
}

impl Checkpoint {
    /// The arrays, as a tree like this one: of the same structure, with the types of its leaves, where they are. Of arrays, each
    /// device gets its part alone, read from the pieces that it meets; whatever the mesh was when they were saved.
    ///
    /// # Errors
    /// [`Error::Checkpoint`](crate::Error::Checkpoint): all leaves that do not fit, with the [`Report`]; damage, by file and
    /// tensor. What the devices report.
    pub fn restore<L: Typed, S: Tree<L>>(
        &self,
        like: &S,
        options: &RestoreOptions,
    ) -> Result<(S::With<Array>, Report)> {
        let (sources, report) = self.plan(like, options)?;
        let client = options.client.clone().map_or_else(runtime::client, Ok)?;
        let (mut shards, mut sources, mut casts) = (Shards::of(self), sources.into_iter(), vec![]);
        let tree = like.try_map_named(|_, leaf: &L| match sources.next().expect("one for each leaf") {
            Source::Kept(array) => Ok(array),
            Source::Stored(stored, dtype) => {
                let array = shards.array(stored, &client, leaf.placed())?;
                if array.dtype() == dtype { Ok(array) } else { cast(array, dtype, &client, &mut casts) }
            }
        })?;
        Ok((tree, report))
    }

    /// What becomes of each leaf, in order.
    fn plan<'a, L: Typed, S: Tree<L>>(
        &'a self,
        like: &S,
        options: &RestoreOptions,
    ) -> Result<(Vec<Source<'a>>, Report)> {
        self.check_patterns(like.paths().iter().map(String::as_str), options)?;
        let stored: HashMap<&str, &Leaf> = self.index.leaves.iter().map(|leaf| (&*leaf.path, leaf)).collect();
        let (mut used, mut sources, mut report) = (HashSet::new(), vec![], Report::default());
        let mut valueless = None;
        like.visit(|at, leaf| {
            let (path, want) = (at.to_string(), leaf.typed());
            let from = options.rename.iter().find_map(|(from, to)| renamed(from, to, &path));
            let from = from.unwrap_or_else(|| path.clone());
            let found = stored.get(&*from).copied();
            used.extend(found.map(|leaf| &*leaf.path));
            let chosen = options.only.is_empty() || options.only.iter().any(|p| matched(p, &path).is_some());
            if !chosen || (found.is_none() && options.keep_missing) {
                match leaf.array() {
                    Some(array) => {
                        sources.push(Source::Kept(array.clone()));
                        report.ignored.extend(found.map(|leaf| leaf.path.clone()));
                        report.kept.push(path);
                    }
                    None => valueless = valueless.take().or(Some(path)),
                }
                return;
            }
            let Some(found) = found else { return report.missing.push((path, want, Some(from))) };
            let have = found.aval();
            if have.dims != want.dims {
                report.misshapen.push((path, have, want));
            } else if have.dtype != want.dtype && !options.cast {
                report.mistyped.push((path, have, want));
            } else {
                report.restored += 1;
                sources.push(Source::Stored(found, want.dtype));
                if have.dtype != want.dtype {
                    report.cast.push((path.clone(), have, want));
                }
                if from != path {
                    report.renamed.push((path, from));
                }
            }
        });
        if let Some(path) = valueless {
            let help = "pass a tree of arrays, whose leaves can stay as they are";
            let reason = format!("the leaf `{path}` is not to be restored, and the tree has no value for it");
            return Err(CheckpointError::error(&self.folder, Problem::Unsupported, reason, help));
        }
        let other: Vec<&Leaf> = self.index.leaves.iter().filter(|leaf| !used.contains(&*leaf.path)).collect();
        // (a name that is wrong on both sides is among those that are too many)
        const COMPARED: usize = 2000;
        for (_, _, near) in &mut report.missing {
            let name = near.take().unwrap_or_default();
            *near = nearest(&name, other.iter().take(COMPARED).map(|leaf| &*leaf.path)).map(str::to_string);
        }
        match options.ignore_unexpected {
            true => report.ignored.extend(other.iter().map(|leaf| leaf.path.clone())),
            false => report.unexpected = other.iter().map(|leaf| (leaf.path.clone(), leaf.aval())).collect(),
        }
        if report.fits() { Ok((sources, report)) } else { Err(self.mismatch(report)) }
    }

    /// Refuses patterns that are of no use: they are misspelled.
    fn check_patterns<'p>(&self, paths: impl Iterator<Item = &'p str> + Clone, options: &RestoreOptions) -> Result<()> {
        let refuse = |reason: String| {
            let help =
                "`*` is any text without a dot, `**` any text; `raxla checkpoint show` lists the paths of a checkpoint";
            Err(CheckpointError::error(&self.folder, Problem::Unsupported, reason, help))
        };
        for (from, to) in &options.rename {
            if wildcards(from) != wildcards(to) {
                return refuse(format!(
                    "the renaming of `{from}` to `{to}` has another number of wildcards on each side"
                ));
            }
        }
        for pattern in options.only.iter().chain(options.rename.iter().map(|(from, _)| from)) {
            if !paths.clone().any(|path| matched(pattern, path).is_some()) {
                return refuse(format!("no leaf of the tree matches the pattern `{pattern}`"));
            }
        }
        Ok(())
    }

    fn mismatch(&self, report: Report) -> crate::Error {
        let mut reason = "it holds another tree".to_string();
        report.errors(&mut reason).expect("text");
        let only_dtypes = report.missing.is_empty() && report.unexpected.is_empty() && report.misshapen.is_empty();
        let help = match only_dtypes {
            true => "allow the conversion (`RestoreOptions::cast`), or restore into a tree of these dtypes",
            false => "restore it into a tree like the one that was saved, or say in `RestoreOptions` what may differ",
        };
        CheckpointError::error(&self.folder, Problem::Mismatch(Box::new(report)), reason, help)
    }
}

/// Programs that convert, by dtype and place.
type Casts = Vec<((DType, Option<NamedSharding>), BoxJit<(Tensor,), Tensor>)>;

/// The array in another dtype, where it is.
fn cast(array: Array, dtype: DType, client: &Client, made: &mut Casts) -> Result<Array> {
    let key = (dtype, array.sharding().cloned());
    let at = made.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
        let program = jit(move |x: Tensor| x.cast(dtype)).named("cast");
        let program = match &key.1 {
            Some(there) => program.on(&there.mesh).out_shardings(there.spec.clone()),
            None => program.on(client),
        };
        made.push((key, program.boxed()));
        made.len() - 1
    });
    made[at].1.call((array,))
}
