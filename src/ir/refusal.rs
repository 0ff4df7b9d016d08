//! Why something is refused, and what to do about it.
use std::fmt;

/// What a type rule or another check says of something that cannot be: why, and a remedy where there is one.
///
/// ```
/// use raxla::Refusal;
/// let refusal = Refusal::new("the dtypes differ").help("cast one side: `.cast(DType::F32)`");
/// assert_eq!(refusal.to_string(), "the dtypes differ (cast one side: `.cast(DType::F32)`)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
}
impl Refusal {
    /// A refusal for this reason, without a remedy.
    pub fn new(reason: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), help: None }
    }
    /// The same with this remedy.
    pub fn help(self, help: impl Into<String>) -> Refusal {
        Refusal { help: Some(help.into()), ..self }
    }
    /// The same with this remedy, unless it has one.
    pub(crate) fn or_help(self, help: &str) -> Refusal {
        Refusal { help: self.help.or_else(|| Some(help.into())), ..self }
    }
    /// The same, about this: a leaf, an argument.
    pub(crate) fn about(self, what: &str) -> Refusal {
        Refusal { reason: format!("{what}: {}", self.reason), ..self }
    }
}
impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal::new(reason)
    }
}
impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal::new(reason)
    }
}
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        self.help.iter().try_for_each(|h| write!(f, " ({h})"))
    }
}
/// As `Display`: `main` and `unwrap` show an error by its `Debug`.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl std::error::Error for Refusal {}
