//! A checkpoint against the tree that it is restored as.
use crate::aval::Aval;
use std::fmt;

/// What became of each leaf, or, in an error, what is wrong with which. Displays as a list, with at most ten names of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many leaves were restored, or fit.
    pub restored: usize,
    /// Leaves that were restored under another path: that of the tree, and that in the checkpoint.
    pub renamed: Vec<(String, String)>,
    /// Leaves that were converted: path, type in the checkpoint, type in the tree.
    pub cast: Vec<(String, Aval, Aval)>,
    /// Leaves of the tree that stayed as they were.
    pub kept: Vec<String>,
    /// Leaves of the checkpoint that were left out, as the options allow.
    pub ignored: Vec<String>,
    /// An error: leaves of the tree that the checkpoint lacks: path, type, and the path in the checkpoint most like it.
    pub missing: Vec<(String, Aval, Option<String>)>,
    /// An error: leaves of the checkpoint that the tree does not have.
    pub unexpected: Vec<(String, Aval)>,
    /// An error: leaves of another shape: path, type in the checkpoint, type in the tree.
    pub misshapen: Vec<(String, Aval, Aval)>,
    /// An error: leaves of another dtype: path, type in the checkpoint, type in the tree.
    pub mistyped: Vec<(String, Aval, Aval)>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn fits(&self) -> bool {
        let Report { missing, unexpected, misshapen, mistyped, .. } = self;
        missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() && mistyped.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let change =
            |(path, from, to): &(String, Aval, Aval)| format!("`{path}`: {from} in the checkpoint, {to} in the tree");
        write!(f, "{} restored", leaves(self.restored))?;
        section(f, "renamed", &self.renamed, |(path, from)| format!("`{path}` from `{from}`"))?;
        section(f, "converted", &self.cast, change)?;
        section(f, "kept as they were", &self.kept, |path| format!("`{path}`"))?;
        section(f, "left out", &self.ignored, |path| format!("`{path}`"))?;
        self.errors(f)
    }
}
impl Report {
    /// The sections that are errors.
    pub(super) fn errors(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let change =
            |(path, from, to): &(String, Aval, Aval)| format!("`{path}`: {from} in the checkpoint, {to} in the tree");
        section(f, "missing", &self.missing, |(path, aval, near)| {
            let near = near.as_ref().map_or(String::new(), |near| format!("; is it `{near}`?"));
            format!("`{path}` ({aval}){near}")
        })?;
        section(f, "unexpected", &self.unexpected, |(path, aval)| format!("`{path}` ({aval})"))?;
        section(f, "of another shape", &self.misshapen, change)?;
        section(f, "of another dtype", &self.mistyped, change)
    }
}

fn leaves(n: usize) -> String {
    format!("{n} lea{}", if n == 1 { "f" } else { "ves" })
}

fn section<T>(f: &mut impl fmt::Write, title: &str, items: &[T], show: impl Fn(&T) -> String) -> fmt::Result {
    const SHOWN: usize = 10;
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {} {title}:", items.len())?;
    items.iter().take(SHOWN).try_for_each(|item| write!(f, "\n    {}", show(item)))?;
    if items.len() > SHOWN {
        write!(f, "\n    and {} more", items.len() - SHOWN)?;
    }
    Ok(())
}
