//! Which parameters something is done to, by their paths.
use super::Parameter;
use crate::aval::Aval;
use std::{fmt, sync::Arc};

/// Some of a model's parameters: those whose paths match a pattern, or of which a function says so.
///
/// In a pattern `*` stands for any text, also with dots, `?` for one character. `["*.w", "head"]` are the parameters that match one
/// of several.
/// ```
/// use raxla::{optim::Mask, prelude::*};
/// let (a, b) = (Aval::new(DType::F32, [2, 2]), Aval::new(DType::F32, [2]));
/// let weights = Mask::from(["*.w", "embed*"]);
/// assert!(weights.holds("layers.mlp.w", &a) && weights.holds("embed.table", &a) && !weights.holds("layers.mlp.b", &b));
/// let matrices = Mask::new(|_, aval| aval.rank() > 1);
/// assert!(matrices.holds("w", &a) && !matrices.holds("b", &b) && matrices.not().holds("b", &b));
/// ```
#[derive(Clone)]
pub struct Mask(Arc<Rule>);
type Rule = dyn Fn(&str, &Aval) -> bool + Send + Sync;
impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Mask")
    }
}
impl Default for Mask {
    /// All parameters.
    fn default() -> Mask {
        Mask::new(|_, _| true)
    }
}
impl Mask {
    /// The parameters of which `f`, given path and type, says so. Of a stack of layers, leaves have a leading axis.
    pub fn new(f: impl Fn(&str, &Aval) -> bool + Send + Sync + 'static) -> Mask {
        Mask(Arc::new(f))
    }
    /// The parameters that match one of these patterns.
    pub fn of(patterns: Vec<String>) -> Mask {
        Mask::new(move |path, _| patterns.iter().any(|p| matches(p, path)))
    }
    /// All others.
    #[allow(clippy::should_implement_trait)] // (as a method, it needs no parentheses around the mask)
    pub fn not(self) -> Mask {
        Mask::new(move |path, aval| !self.holds(path, aval))
    }
    /// Is the parameter of this path and type one of them?
    pub fn holds(&self, path: &str, aval: &Aval) -> bool {
        (self.0)(path, aval)
    }
    /// The positions of those that are.
    pub(super) fn chosen(&self, parameters: &[Parameter]) -> Vec<usize> {
        (0..parameters.len()).filter(|i| self.holds(&parameters[*i].path, &parameters[*i].aval)).collect()
    }
}
impl From<&'static str> for Mask {
    fn from(pattern: &'static str) -> Mask {
        Mask::new(move |path, _| matches(pattern, path))
    }
}
impl<const N: usize> From<[&'static str; N]> for Mask {
    fn from(patterns: [&'static str; N]) -> Mask {
        Mask::new(move |path, _| patterns.iter().any(|p| matches(p, path)))
    }
}

/// Does the text match a pattern with `*` and `?`? The latest `*` takes one character more where the rest fails.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
