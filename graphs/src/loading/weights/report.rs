//! A checkpoint against what a model expects: everything wrong in one report.

use std::fmt::{self, Display, Formatter};

/// The differences between a checkpoint and a model's parameters. Displays as a list, ten names of each kind at most.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Where the checkpoint lies.
    pub file: String,
    /// Is it a GGUF file, whose metadata says what the model is?
    pub gguf: bool,
    /// How many parameters the model has.
    pub expected: usize,
    /// Parameters that the checkpoint lacks.
    pub missing: Vec<String>,
    /// Tensors of the checkpoint that the model does not have.
    pub unexpected: Vec<String>,
    /// Parameters of another shape: name, the shape expected, the shape found.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Mismatch {
    /// Whether the checkpoint fits.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        Display::fmt(self, f)
    }
}
impl std::error::Error for Mismatch {}

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Mismatch { file, gguf, expected, missing, unexpected, misshapen } = self;
        write!(f, "{file} does not hold this model's {expected} parameters")?;
        section(f, "missing", missing, |f, name| write!(f, "{name}"))?;
        section(f, "unexpected", unexpected, |f, name| write!(f, "{name}"))?;
        section(f, "of another shape", misshapen, |f, (name, expected, found)| {
            write!(f, "{name}: expected {expected:?}, found {found:?}")
        })?;
        write!(f, "\n  help: ")?;
        match gguf {
            true => write!(
                f,
                "the sizes in its metadata are not those of its tensors: is it damaged, or of another architecture?"
            ),
            false => write!(f, "is config.json the one that belongs to these weights, and are all their files there?"),
        }
    }
}

fn section<T>(
    f: &mut Formatter,
    title: &str,
    items: &[T],
    show: impl Fn(&mut Formatter, &T) -> fmt::Result,
) -> fmt::Result {
    const SHOWN: usize = 10;
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {} {title}:", items.len())?;
    for item in items.iter().take(SHOWN) {
        write!(f, "\n    ")?;
        show(f, item)?;
    }
    if items.len() > SHOWN {
        write!(f, "\n    and {} more", items.len() - SHOWN)?;
    }
    Ok(())
}
