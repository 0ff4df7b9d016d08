//! What programs say while they run: [`debug_print`](crate::debug_print), [`debug_check`](crate::debug_check),
//! [`debug_assert`](crate::debug_assert) and [`debug_nans`](crate::debug_nans).
//!
//! Here is the host's side: what is done with the values when the program arrives there. A compiled program calls it
//! through XLA's FFI, with everything it must know as attributes of the call, so that a program from the compilation cache
//! says the same; the interpreter calls it directly.
//!
//! Lines go to the standard output, or to what [`set_sink`] was given.
use crate::{
    aval::Aval,
    host::{Host, element_bytes, ravel, unravel},
};
use std::{
    borrow::Cow,
    io::Write,
    sync::{Mutex, PoisonError},
};

mod format;
mod report;
mod text;
pub(crate) use format::resolve;
pub(crate) use report::{Report, tell};

/// The name under which the callback is registered with XLA.
pub(crate) const TARGET: &str = "raxla_debug";
/// What messages of failed checks begin with on their way through XLA, which puts words of its own around them.
const MARK: &str = "\u{1e}";
/// Leaves that a message of a failed check names.
const NAMED: usize = 8;

/// Takes each line (or several, for an array), without the last newline.
pub type Sink = Box<dyn FnMut(&str) + Send>;
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// Give what programs print to `sink`, of the whole process; `None` is the standard output. Returns the sink so far.
///
/// ```
/// use raxla::{debug, debug_print, prelude::*};
/// use std::sync::{Arc, Mutex};
/// let lines = Arc::new(Mutex::new(vec![]));
/// let to = lines.clone();
/// debug::set_sink(Some(Box::new(move |line| to.lock().unwrap().push(line.to_string()))));
/// jit(|x: Tensor| debug_print("x is {}", x)).call((Array::from_slice([2], &[1f32, 2.5])?,))?;
/// assert_eq!(lines.lock().unwrap()[..], ["x is [1.  2.5]"]);
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn set_sink(sink: Option<Sink>) -> Option<Sink> {
    std::mem::replace(&mut SINK.lock().unwrap_or_else(PoisonError::into_inner), sink)
}

fn say(line: &str) {
    // the lock keeps the lines of programs that run at the same time apart
    match &mut *SINK.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(sink) => sink(line),
        None => {
            let mut out = std::io::stdout().lock();
            // a closed output is no reason to fail
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
    }
}

/// A value as it lies in host memory: row-major, little endian, one byte per bool or 4-bit integer.
#[derive(Clone)]
pub(crate) struct View<'a> {
    pub aval: Aval,
    pub bytes: Cow<'a, [u8]>,
}
impl View<'_> {
    /// A host value.
    pub fn of(x: &Host) -> View<'static> {
        View { aval: x.aval().clone(), bytes: x.to_bytes().into() }
    }
    /// Instance number `i` of a batch, whose axes are the first `axes`.
    fn instance(&self, i: usize, axes: usize) -> View<'_> {
        let aval = self.aval.with_dims(&self.aval.dims[axes..]);
        let n = aval.size() * element_bytes(aval.dtype);
        View { aval, bytes: self.bytes[i * n..(i + 1) * n].into() }
    }
    /// The elements at these positions along each axis.
    fn at(&self, positions: &[Vec<usize>]) -> Host {
        let n = element_bytes(self.aval.dtype);
        let dims: Vec<usize> = positions.iter().map(Vec::len).collect();
        let aval = self.aval.with_dims(dims);
        let mut bytes = Vec::with_capacity(aval.size() * n);
        for i in 0..aval.size() {
            let index: Vec<usize> = unravel(&aval.dims, i).iter().zip(positions).map(|(i, p)| p[*i]).collect();
            let at = ravel(&self.aval.dims, &index) * n;
            bytes.extend_from_slice(&self.bytes[at..at + n]);
        }
        Host::from_bytes(&aval, &bytes)
    }
    /// All elements.
    fn host(&self) -> Host {
        Host::from_bytes(&self.aval, &self.bytes)
    }
    /// Is no float infinite or NaN? Looks at the bits of their exponents.
    fn is_finite(&self) -> bool {
        fn all<const N: usize>(bytes: &[u8], exponent: u64) -> bool {
            let word = |b: &[u8; N]| {
                let mut w = [0; 8];
                w[..N].copy_from_slice(b);
                u64::from_le_bytes(w)
            };
            bytes.as_chunks::<N>().0.iter().all(|b| word(b) & exponent != exponent)
        }
        use crate::aval::DType::*;
        match self.aval.dtype {
            F64 | C128 => all::<8>(&self.bytes, 0x7ff << 52),
            F32 | C64 => all::<4>(&self.bytes, 0xff << 23),
            BF16 => all::<2>(&self.bytes, 0xff << 7),
            F16 => all::<2>(&self.bytes, 0x1f << 10),
            d if d.is_float() => self.host().to_f64().iter().all(|x| x.is_finite()),
            _ => true,
        }
    }
}

/// What is done with the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CheckKind {
    /// The text, with values in its fields, is said.
    Print,
    /// All leaves must be finite; the text says what they are.
    Check,
    /// No value may be NaN; the text is the operation that made them.
    Nans,
    /// The first value must hold; otherwise the text, with the others in its fields, is the error.
    Assert,
}
impl CheckKind {
    pub const ALL: [CheckKind; 4] = [CheckKind::Print, CheckKind::Check, CheckKind::Nans, CheckKind::Assert];
    /// The name of the primitive.
    pub fn name(self) -> &'static str {
        match self {
            CheckKind::Print => "debug_print",
            CheckKind::Check => "debug_check",
            CheckKind::Nans => "debug_nans",
            CheckKind::Assert => "debug_assert",
        }
    }
}

/// A call of the host by a program: to print, or to check.
#[derive(Clone, PartialEq, Hash)]
pub struct HostCall {
    pub(crate) kind: CheckKind,
    pub(crate) text: String,
    /// The paths of the leaves (of an assertion: without the condition).
    pub(crate) paths: Vec<String>,
    /// The user's line and scopes, for messages: `src/model.rs:12 in mlp`.
    pub(crate) at: String,
    /// Sizes of the leading axes that `vmap` added to every operand, the outermost first.
    pub(crate) batch: Vec<usize>,
}

impl HostCall {
    /// Do it, for each instance of a batch in turn.
    ///
    /// # Errors
    /// The message of the check or assertion that failed.
    pub(crate) fn run(&self, x: &[View]) -> Result<(), String> {
        for i in 0..self.batch.iter().product() {
            let x: Vec<View> = x.iter().map(|x| x.instance(i, self.batch.len())).collect();
            self.run_instance(&x).map_err(|why| {
                let number = unravel(&self.batch, i);
                let of = if number.is_empty() { String::new() } else { format!("\n  in instance {number:?} of vmap") };
                format!("{}: {why}{of}\n  at {}", self.kind.name(), self.at)
            })?;
        }
        Ok(())
    }

    fn run_instance(&self, x: &[View]) -> Result<(), String> {
        match self.kind {
            CheckKind::Print => {
                say(&format::render(&self.text, &self.paths, x));
                Ok(())
            }
            CheckKind::Check => self.check(x, |x| !x.is_finite(), &format!("`{}`", self.text)),
            CheckKind::Nans => self.check(x, |x| x.is_nan(), &format!("the result of `{}`", self.text)),
            CheckKind::Assert => self.assert(&x[0].host(), &x[1..]),
        }
    }

    /// No element of a leaf of `name` may be `bad`.
    fn check(&self, x: &[View], bad: fn(&f64) -> bool, name: &str) -> Result<(), String> {
        let mut found: Vec<String> = vec![];
        for (path, x) in self.paths.iter().zip(x).filter(|(_, x)| !x.is_finite()) {
            let v = x.host().to_f64();
            let Some(first) = v.iter().position(bad) else { continue };
            let count = |test: fn(&f64) -> bool| v.iter().filter(|x| bad(x) && test(x)).count();
            let kinds = [(count(|x| x.is_nan()), "NaN"), (count(|x| x.is_infinite()), "infinite")];
            let kinds: Vec<String> = kinds.iter().filter(|k| k.0 > 0).map(|(n, kind)| format!("{n} {kind}")).collect();
            let first = unravel(&x.aval.dims, first);
            let at = if v.len() == 1 { "" } else { &format!(" of {} elements, the first at {first:?}", v.len()) };
            let leaf = match (found.is_empty(), path.is_empty()) {
                (true, true) => name.to_string(),
                (true, false) => format!("leaf `{path}` of {name}"),
                (false, _) => format!("\n  leaf `{path}`"),
            };
            found.push(format!("{leaf} ({}) has {}{at}", x.aval, kinds.join(" and ")));
        }
        if found.len() > NAMED {
            let more = found.len() - NAMED;
            found.truncate(NAMED);
            found.push(format!("\n  and {more} more leaves"));
        }
        if found.is_empty() { Ok(()) } else { Err(found.concat()) }
    }

    fn assert(&self, holds: &Host, x: &[View]) -> Result<(), String> {
        let holds_at = holds.to_ints();
        let Some(first) = holds_at.iter().position(|h| *h == 0) else { return Ok(()) };
        let count = holds_at.iter().filter(|h| **h == 0).count();
        let n = holds_at.len();
        let message = format::render(&self.text, &self.paths, x);
        if holds.dims().is_empty() {
            return Err(message);
        }
        let first = unravel(holds.dims(), first);
        Err(format!("{message}\n  it does not hold at {count} of {n} positions, the first {first:?}"))
    }
}

/// A message on its way through XLA.
pub(crate) fn marked(message: &str) -> String {
    format!("{MARK}{message}{MARK}")
}
/// The message of a failed check in an error of XLA, if it is one.
pub(crate) fn unmarked(message: &str) -> Option<&str> {
    message.split(MARK).nth(1)
}
