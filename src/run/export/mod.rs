//! Programs that leave the process: StableHLO modules, artifacts of `jax.export`, and compiled programs.
//!
//! [`Lowered::export`](crate::Lowered::export) makes an [`Exported`], whose bytes JAX reads (`jax.export.deserialize`), as
//! [`Exported::deserialize`] reads JAX's. [`load`] makes a [`Program`], which runs, of any of the files: a module as text or bytecode, an
//! artifact, or a compiled program ([`Packed`]). docs/export.md has the formats.
//!
//! ```
//! use raxla::{export::{self, Exported}, prelude::*, runtime};
//! let f = jit(|x: Tensor, y: Tensor| (x * y).sum(0));
//! let vector = Aval::new(DType::F32, [3]);
//! let bytes = f.lower(&(vector.clone(), vector))?.export()?.serialize()?; // for jax.export.deserialize
//! let exported = Exported::deserialize(&bytes)?;
//! assert_eq!(exported.in_avals(), [Aval::new(DType::F32, [3]), Aval::new(DType::F32, [3])]);
//! let x = Array::from_slice([3], &[1f32, 2., 3.])?;
//! let z = exported.call(&runtime::client()?, &[&x, &x])?;
//! assert_eq!(z[0].to_vec::<f32>()?, [14.]);
//! # Ok::<(), raxla::Error>(())
//! ```
use crate::{
    array::Array,
    aval::Aval,
    error::{Error, Result},
};
use raxla_xla::Client;

mod artifact;
mod division;
mod flat;
mod packed;
mod program;
mod pytree;
mod refine;
mod symbolic;

pub use packed::{Argument, Header, Packed};
pub use program::{Program, devices, load};
pub use pytree::PyTree;
pub use symbolic::{OpenType, Symbolic};

/// The version of JAX's calling convention that artifacts are written in.
const CONVENTION: u16 = 9;

/// An error about what was read or is to be exported.
fn refused(what: &str, have: impl Into<String>, want: &str, help: &str) -> Error {
    Error::Mismatch { what: what.into(), have: have.into(), want: want.into(), help: help.into() }
}

/// A function that left its program: a StableHLO module, with what it takes and returns. JAX: `jax.export.Exported`.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    name: String,
    platforms: Vec<String>,
    calling_convention_version: u16,
    devices: usize,
    in_tree: PyTree,
    out_tree: PyTree,
    in_avals: Vec<Aval>,
    out_avals: Vec<Aval>,
    kept: Vec<usize>,
    /// How the leaves are divided over several devices, where the artifact says it beside its module.
    division: Option<division::Said>,
    module: Vec<u8>,
    vjp: Option<Box<Exported>>,
}

fn in_paths(tree: &PyTree) -> Vec<String> {
    match tree {
        PyTree::Tuple(parts) if parts.len() == 2 => parts.iter().flat_map(PyTree::paths).collect(),
        tree => tree.paths(),
    }
}
fn out_paths(tree: &PyTree) -> Vec<String> {
    match tree {
        PyTree::Leaf => vec!["0".into()],
        tree => tree.paths(),
    }
}

impl Exported {
    /// A function with these leaves of arguments and results, whose module takes all of them.
    pub(in crate::run) fn new(
        name: &str,
        module: String,
        devices: usize,
        [in_tree, out_tree]: [PyTree; 2],
        [in_avals, out_avals]: [Vec<Aval>; 2],
    ) -> Exported {
        Exported {
            name: name.into(),
            // (a module for several platforms would take the platform's number as an argument; this one is the same for all, which
            // an artifact says by the platform that it names)
            platforms: vec!["cpu".into()],
            calling_convention_version: CONVENTION,
            devices,
            kept: (0..in_avals.len()).collect(),
            in_tree,
            out_tree,
            in_avals,
            out_avals,
            division: None,
            module: module.into_bytes(),
            vjp: None,
        }
    }
    /// The same for another platform, by JAX's name: `cpu`, `cuda`, `rocm` or `tpu`. The module of a function of raxla is the same for all.
    pub fn for_platform(mut self, platform: &str) -> Exported {
        self.platforms = vec![platform.into()];
        self
    }

    /// Reads what [`Exported::serialize`], or JAX's method of this name, wrote.
    ///
    /// # Errors
    /// Bytes that are no such artifact; a calling convention that is not known; sizes that are symbols ([`Symbolic`]); ordered effects.
    pub fn deserialize(bytes: &[u8]) -> Result<Exported> {
        const HELP: &str = "give a file of `jax.export.export(f)(...).serialize()`; for sizes that are symbols, the types that are meant: \
                            `Symbolic::refine`, `raxla run --inputs`";
        artifact::read(bytes, None)
            .map_err(|why| refused("the artifact", why, "an artifact of jax.export is needed", HELP))
    }
    /// The artifact, which `jax.export.deserialize` reads, with its derivative, where it has one.
    ///
    /// # Errors
    /// More than 65536 arguments.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        const HELP: &str = "export fewer arguments, or other dtypes";
        artifact::bytes(self).map_err(|why| refused("the artifact", why, "JAX's form must have all of it", HELP))
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The platforms that the module is for.
    pub fn platforms(&self) -> &[String] {
        &self.platforms
    }
    /// The version of the calling convention.
    pub fn calling_convention_version(&self) -> u16 {
        self.calling_convention_version
    }
    /// On how many devices it runs. JAX: `nr_devices`.
    pub fn devices(&self) -> usize {
        self.devices
    }
    /// The types of the arguments' leaves.
    pub fn in_avals(&self) -> &[Aval] {
        &self.in_avals
    }
    /// The types of the results' leaves.
    pub fn out_avals(&self) -> &[Aval] {
        &self.out_avals
    }
    /// The structure of the arguments: a tuple of those by position, and a dictionary of those by name.
    pub fn in_tree(&self) -> &PyTree {
        &self.in_tree
    }
    /// The structure of the results.
    pub fn out_tree(&self) -> &PyTree {
        &self.out_tree
    }
    /// The paths of the arguments' leaves: `0.w` is the entry `w` of the first, `key` an argument given by name.
    pub fn in_paths(&self) -> Vec<String> {
        in_paths(&self.in_tree)
    }
    /// The paths of the results' leaves; one without a path is `0`.
    pub fn out_paths(&self) -> Vec<String> {
        out_paths(&self.out_tree)
    }
    /// Which leaves of the arguments the module takes, by number. JAX: `module_kept_var_idx`.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }
    /// The module: StableHLO as text, or bytecode. JAX: `mlir_module_serialized`.
    pub fn module(&self) -> &[u8] {
        &self.module
    }
    /// The module's text, if it is text, as that of a function of raxla.
    pub fn mlir_module(&self) -> Option<&str> {
        std::str::from_utf8(&self.module).ok()
    }
    /// The function's derivative in reverse mode, where the artifact has it: it takes the leaves of the arguments and cotangents of those of
    /// the results, and returns cotangents of the arguments.
    pub fn vjp(&self) -> Option<&Exported> {
        self.vjp.as_deref()
    }
    /// The same with its derivative beside it: what was exported of a function of the arguments and the results' cotangents.
    ///
    /// # Errors
    /// It takes or returns other types.
    pub fn with_vjp(mut self, vjp: Exported) -> Result<Exported> {
        let takes: Vec<&Aval> = self.in_avals.iter().chain(&self.out_avals).collect();
        let gives: Vec<&Aval> = self.in_avals.iter().collect();
        let fits = vjp.in_avals.iter().eq(takes.iter().copied()) && vjp.out_avals.iter().eq(gives.iter().copied());
        if !fits {
            let shown = |avals: &[Aval]| avals.iter().map(Aval::to_string).collect::<Vec<_>>().join(", ");
            let have = format!("it takes {} and returns {}", shown(&vjp.in_avals), shown(&vjp.out_avals));
            let want =
                "it must take the arguments and cotangents of the results, and return cotangents of the arguments";
            return Err(refused("the derivative", have, want, "export `|x, y_bar| vjp(f, x).1(y_bar)`"));
        }
        // (JAX calls it with leaves)
        let leaves = |n| PyTree::Tuple(vec![PyTree::Leaf; n]);
        let in_tree = PyTree::Tuple(vec![leaves(vjp.in_avals.len()), PyTree::Dict(vec![])]);
        let out_tree = leaves(vjp.out_avals.len());
        self.vjp = Some(Box::new(Exported { in_tree, out_tree, ..vjp }));
        Ok(self)
    }
    /// Compiles it on this client, and runs it on the leaves of the arguments. [`Program::of`] compiles once for many calls.
    ///
    /// # Errors
    /// As [`Program::of`] and [`Program::run`].
    pub fn call(&self, client: &Client, args: &[&Array]) -> Result<Vec<Array>> {
        Program::of(self, client)?.run(args)
    }
}
