//! Trees in files: safetensors, by the paths of their leaves.
use crate::{
    array::Array,
    aval::{Aval, DType},
    error::{Error, Result},
    optim::Typed,
    runtime,
    tree::Tree,
};
pub(crate) use raxla_xla::{Draft, MappedFile, read_file, remove_abandoned_drafts};
use safetensors::{Dtype, SafeTensors};
use std::{collections::BTreeSet, io, path::Path, sync::Arc};
use stream::{Entry, Failure};

pub(crate) mod stream;

/// The dtypes of safetensors files. They have no 4-bit integers, not all small floats, and no complex numbers of f64.
const DTYPES: [(DType, Dtype); 19] = [
    (DType::Bool, Dtype::BOOL),
    (DType::U8, Dtype::U8),
    (DType::I8, Dtype::I8),
    (DType::F8E5M2, Dtype::F8_E5M2),
    (DType::F8E4M3FN, Dtype::F8_E4M3),
    (DType::F8E4M3FNUZ, Dtype::F8_E4M3FNUZ),
    (DType::F8E5M2FNUZ, Dtype::F8_E5M2FNUZ),
    (DType::F8E8M0FNU, Dtype::F8_E8M0),
    (DType::I16, Dtype::I16),
    (DType::U16, Dtype::U16),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I32, Dtype::I32),
    (DType::U32, Dtype::U32),
    (DType::F32, Dtype::F32),
    (DType::F64, Dtype::F64),
    (DType::I64, Dtype::I64),
    (DType::U64, Dtype::U64),
    (DType::C64, Dtype::C64),
];

/// What a safetensors file calls this dtype.
pub(crate) fn dtype_in_file(dtype: DType) -> Option<Dtype> {
    DTYPES.iter().find(|(d, _)| *d == dtype).map(|(_, dtype)| *dtype)
}

/// A problem with a file.
fn wrong(path: &Path, reason: impl ToString, help: &'static str) -> Error {
    Error::File { path: path.into(), reason: reason.to_string(), help }
}
fn unwritable(path: &Path, e: io::Error) -> Error {
    wrong(path, format!("it cannot be written: {e}"), remedy(&e))
}
/// What to do about a file that cannot be written.
pub(crate) fn remedy(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, or write to another disk",
        io::ErrorKind::FileTooLarge => "allow larger files (`ulimit -f`), or write smaller ones",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or give another place"
        }
        _ => "give another place, with room for the file",
    }
}
/// What to do where two leaves have one path.
pub(crate) const COLLIDING: &str = "keys of maps that contain dots can collide: rename one";

/// Write a tree to a safetensors file, each leaf under its path (`layers.0.w`): a model, an optimizer's state, both in a
/// tuple. Other programs read it by these names. A file that is there is replaced once the new one is complete; one leaf at a
/// time is copied to the host.
///
/// ```
/// use raxla::{prelude::*, tree};
/// #[derive(Tree, Clone)]
/// struct Linear<T = Tensor> {
///     w: T,
///     b: Option<T>,
/// }
/// let model = Linear { w: Array::from_slice([2], &[1f32, 2.])?, b: None };
/// let path = std::env::temp_dir().join(format!("linear-{}.safetensors", std::process::id()));
/// tree::save(&model, &path)?;
/// let loaded = tree::load(&model, &path)?; // like this one: a tree of arrays, types or specifications
/// assert_eq!(loaded.w.to_vec::<f32>()?, [1., 2.]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A folder that cannot be written; a dtype that safetensors does not have (4-bit integers, c128); two leaves of one path; what a
/// computation of a leaf reports.
pub fn save<M: Tree<Array>>(tree: &M, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let (mut entries, mut names, mut problem) = (vec![], BTreeSet::new(), None);
    tree.visit(|at, array| {
        let name = at.to_string();
        if !names.insert(name.clone()) {
            let reason = format!("two leaves have the path `{name}`");
            problem.get_or_insert(wrong(path, reason, COLLIDING));
        }
        match dtype_in_file(array.dtype()) {
            Some(dtype) => entries.push(Entry { name, dtype, data: array.clone() }),
            None => {
                let reason = format!("the leaf `{name}` is {}, a dtype that safetensors does not have", array.aval());
                let help = match array.dtype() {
                    DType::C128 => "save its real and its imaginary part, or cast it to c64 in a traced function",
                    _ => "cast it in a traced function before it is saved",
                };
                problem.get_or_insert(wrong(path, reason, help));
            }
        }
    });
    if let Some(problem) = problem {
        return Err(problem);
    }
    let (draft, file) = Draft::file(path).map_err(|e| unwritable(path, e))?;
    stream::write(file, entries, &mut vec![]).map_err(|failure| match failure {
        Failure::Io(e) => unwritable(path, e),
        Failure::Array(e) => e,
        Failure::Format(reason) => wrong(path, reason, "rename the leaf"),
    })?;
    draft.publish().map_err(|e| unwritable(path, e))
}

/// Read a tree that [`save`] wrote (or another program, under these names): the structure and types of `like`, a tree of
/// arrays, types ([`Aval`]) or specifications ([`Param`](crate::Param)). Leaves go to the first device of the default client, or
/// where the arrays of `like` are divided.
///
/// # Errors
/// A file that cannot be read, or is no safetensors file; one that lacks leaves of the tree, has others, or has some of
/// another type: all of them are named, nothing is converted.
pub fn load<L: Typed, S: Tree<L>>(like: &S, path: impl AsRef<Path>) -> Result<S::With<Array>> {
    let path = path.as_ref();
    const HELP: &str = "give the path of a file that `tree::save` wrote";
    let bytes = MappedFile::open(path).map_err(|e| wrong(path, format!("it cannot be read: {e}"), HELP))?;
    let broken = |e: safetensors::SafeTensorError| wrong(path, format!("it is no whole safetensors file: {e}"), HELP);
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let mut unexpected: Vec<&str> = file.names();
    let mut problems = vec![];
    like.visit(|at, leaf| {
        let (name, want) = (at.to_string(), leaf.typed());
        unexpected.retain(|n| *n != name);
        let Ok(tensor) = file.tensor(&name) else { return problems.push(format!("`{name}` ({want}) is not in it")) };
        match DTYPES.iter().find(|(_, d)| *d == tensor.dtype()) {
            Some((d, _)) if *d == want.dtype && tensor.shape() == &want.dims[..] => {}
            Some((d, _)) => problems.push(format!("`{name}` is {} and not {want}", Aval::new(*d, tensor.shape()))),
            None => problems.push(format!("`{name}` is {:?}, which arrays cannot be", tensor.dtype())),
        }
        if want.dtype == DType::Bool && tensor.data().iter().any(|b| *b > 1) {
            problems.push(format!("`{name}` has bools that are neither 0 nor 1"));
        }
    });
    unexpected.sort_unstable();
    problems.extend(unexpected.iter().map(|name| format!("`{name}` is in it, but not in the tree")));
    if !problems.is_empty() {
        const SHOWN: usize = 10;
        let more = problems.len().saturating_sub(SHOWN);
        problems.truncate(SHOWN);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        let reason = format!("it does not hold this tree\n  {}", problems.join("\n  "));
        return Err(wrong(
            path,
            reason,
            "load it like the tree that was saved: the same fields, lengths, shapes and dtypes",
        ));
    }
    let client = runtime::client()?;
    like.try_map_named(|at, leaf| {
        let tensor = file.tensor(&at.to_string()).map_err(broken)?;
        match leaf.placed() {
            Some(there) => Array::from_bytes_sharded(there, leaf.typed(), Arc::new(tensor.data().to_vec())),
            None => Array::from_bytes(&client, leaf.typed(), tensor.data()),
        }
    })
}
