//! Functions that JAX exported for any sizes.
use super::{Exported, artifact, refused};
use crate::{
    aval::{Aval, DType},
    error::Result,
};
use std::fmt;

/// What an artifact of `jax.export` is whose sizes are symbols (JAX: `export.symbolic_shape`): a function for arguments of any sizes that fit.
/// [`Symbolic::refine`] makes it one for given sizes, as JAX does before it compiles.
///
/// ```no_run
/// use raxla::{export::Symbolic, prelude::*, runtime};
/// let bytes = std::fs::read("f.jax").expect("a file"); // jax.export.export(f)(jax.ShapeDtypeStruct(export.symbolic_shape("b, 3"), ..))
/// let f = Symbolic::read(&bytes).expect("an artifact whose sizes are symbols");
/// let x = Array::from_slice([2, 3], &[1f32, 2., 3., 4., 5., 6.])?;
/// let y = f.refine(&[x.aval().clone()])?.call(&runtime::client()?, &[&x])?;
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Symbolic {
    bytes: Vec<u8>,
    arguments: Vec<(String, OpenType)>,
    results: Vec<(String, OpenType)>,
}

/// A type whose sizes are numbers or symbols: `f32[b, 3]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenType(artifact::Open);
impl OpenType {
    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }
    /// The sizes, as JAX writes them: `3`, `b`, `2*b`.
    pub fn sizes(&self) -> &[String] {
        &self.0.dims
    }
}
impl fmt::Display for OpenType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Symbolic {
    /// Reads an artifact; `None` for bytes that are none, for one that is damaged ([`load`](super::load) says how), and where all sizes
    /// are numbers.
    pub fn read(bytes: &[u8]) -> Option<Symbolic> {
        let Ok(Some([(in_tree, ins), (out_tree, outs)])) = artifact::symbols(bytes) else { return None };
        let named = |paths: Vec<String>, types: Vec<artifact::Open>| {
            paths.into_iter().zip(types.into_iter().map(OpenType)).collect()
        };
        Some(Symbolic {
            bytes: bytes.to_vec(),
            arguments: named(super::in_paths(&in_tree), ins),
            results: named(super::out_paths(&out_tree), outs),
        })
    }
    /// What it takes: paths and types.
    pub fn arguments(&self) -> &[(String, OpenType)] {
        &self.arguments
    }
    /// What it returns.
    pub fn results(&self) -> &[(String, OpenType)] {
        &self.results
    }
    /// The function for arguments of these types. It has no derivative beside it.
    ///
    /// # Errors
    /// Types that do not fit, or of which JAX's own checks say so; operations that are not refined, by their names.
    pub fn refine(&self, arguments: &[Aval]) -> Result<Exported> {
        const HELP: &str = "give arguments whose sizes fit (`raxla run FILE` and `arguments()` list them); what is not refined, export for fixed sizes";
        let read = artifact::read(&self.bytes, Some(arguments));
        read.map_err(|why| refused("the artifact", why, "it must be one for these sizes", HELP))
    }
}
