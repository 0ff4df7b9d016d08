//! Why programs were compiled: what is different from the ones before, and whether there may be another.
use super::{ArgSet, Times};
use crate::{
    aval::Aval,
    error::{Error, Result},
    tree::Fact,
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Mutex,
};

/// One difference between the arguments of two programs.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A leaf has another shape or dtype.
    Type {
        /// Which leaf: `0.layers.3.wq` is in the first argument.
        path: String,
        /// Its type in the earlier program.
        before: Aval,
        /// Its type now.
        now: Aval,
    },
    /// An argument is moved in and was borrowed, or the other way round: only what is moved in may be donated.
    Moved {
        /// Number of the argument.
        argument: usize,
        /// Is it moved in now?
        now: bool,
    },
    /// What a tree has besides its leaves is different.
    Structure(Box<StructureChange>),
}
/// A difference of two trees that is not in their leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureChange {
    /// Where.
    pub path: String,
    /// What it is: a length, a variant, a skipped field, ...
    pub what: &'static str,
    /// It in the earlier program, as `Debug` writes it.
    pub before: String,
    /// It now.
    pub now: String,
}
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Change::Type { path, before, now } => write!(f, "argument `{path}` changed {before} -> {now}"),
            Change::Moved { argument, now: true } => write!(f, "argument `{argument}` is moved in, and was borrowed"),
            Change::Moved { argument, now: false } => write!(f, "argument `{argument}` is borrowed, and was moved in"),
            Change::Structure(c) => {
                let (before, now) = around_difference(&c.before, &c.now);
                write!(f, "argument `{}` changed its {} {before} -> {now}", c.path, c.what)
            }
        }
    }
}
impl Change {
    fn remedy(&self) -> &'static str {
        match self {
            Change::Type { before, now, .. } if before.dtype == now.dtype => {
                "pad it to one of a few sizes (`Jit::bucketed`), or allow more programs (`Jit::allow_compiles`)"
            }
            Change::Type { .. } => "convert it to one dtype before the call",
            Change::Moved { .. } => "pass it the same way in every call: by value or by reference",
            Change::Structure(_) => {
                "what changes from call to call belongs into tensors, or into functions of their own"
            }
        }
    }
}

/// Two long texts, cut to where they differ.
fn around_difference(a: &str, b: &str) -> (String, String) {
    const SHOWN: usize = 60;
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let cut = |s: &str| {
        let all: Vec<char> = s.chars().collect();
        let start = if all.len() <= SHOWN { 0 } else { same.saturating_sub(SHOWN / 3) };
        let end = all.len().min(start + SHOWN);
        let dots = |cut: bool| if cut { ".." } else { "" };
        format!("{}{}{}", dots(start > 0), all[start..end].iter().collect::<String>(), dots(end < all.len()))
    };
    (cut(a), cut(b))
}

/// What a program was compiled for. All but the leaves' types is looked at only when there is another.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) paths: Vec<String>,
    pub(super) avals: Vec<Aval>,
    /// The argument of each leaf.
    pub(super) arguments: Vec<usize>,
    pub(super) moved: ArgSet,
    pub(super) facts: Vec<Fact>,
    /// `None` while it is being compiled.
    pub(super) times: Option<Times>,
}
impl Record {
    /// What is different from an earlier one.
    fn changes(&self, earlier: &Record) -> Vec<Change> {
        let place = |f: &Fact| (f.path.clone(), f.what);
        let before: HashMap<(String, &str), &str> = earlier.facts.iter().map(|f| (place(f), &*f.value)).collect();
        let structure = self.facts.iter().filter_map(|f| {
            let before = before.get(&place(f)).filter(|b| **b != f.value)?;
            let (path, before, now) = (f.path.clone(), before.to_string(), f.value.clone());
            Some(Change::Structure(Box::new(StructureChange { path, what: f.what, before, now })))
        });
        let at: HashMap<&str, usize> = earlier.paths.iter().enumerate().map(|(i, p)| (&**p, i)).collect();
        let both = || self.paths.iter().enumerate().filter_map(|(i, p)| Some((i, *at.get(&**p)?)));
        // (an argument without leaves has nothing to move)
        let in_both: BTreeSet<usize> = both().map(|(i, _)| self.arguments[i]).collect();
        let moved = in_both.into_iter().filter(|n| self.moved.contains(*n) != earlier.moved.contains(*n));
        let moved = moved.map(|argument| Change::Moved { argument, now: self.moved.contains(argument) });
        let types = both().filter(|(i, j)| self.avals[*i] != earlier.avals[*j]).map(|(i, j)| {
            let (before, now) = (earlier.avals[j].clone(), self.avals[i].clone());
            Change::Type { path: self.paths[i].clone(), before, now }
        });
        structure.chain(moved).chain(types).collect()
    }
    /// The earlier one with the fewest differences (of equally many, the latest), and these.
    fn nearest<'a>(&self, earlier: impl Iterator<Item = &'a Record>) -> Option<(usize, Vec<Change>)> {
        let all = earlier.enumerate().map(|(i, r)| (i, self.changes(r)));
        all.min_by_key(|(i, changes)| (changes.len(), std::cmp::Reverse(*i)))
    }
}

/// All programs of one function, and how many there may be.
#[derive(Default)]
pub(super) struct History {
    records: Vec<(u64, Record)>,
    next: u64,
    pub(super) allowed: Option<usize>,
}
impl History {
    /// Deny what comes after those that exist or are being compiled.
    pub(super) fn freeze(&mut self) {
        self.allowed = Some(self.records.len());
    }
    pub(super) fn compiled(&self) -> usize {
        self.records.iter().filter(|r| r.1.times.is_some()).count()
    }
    fn admit(&mut self, name: &str, record: Record) -> Result<u64> {
        if let Some(allowed) = self.allowed.filter(|n| self.records.len() >= *n) {
            let changes = record.nearest(self.records.iter().map(|r| &r.1)).map_or(vec![], |n| n.1);
            let none = "prepare the programs (`Jit::prepare`, or a first call) before denying others";
            let help = changes.first().map_or(none, Change::remedy);
            return Err(Error::Recompile { name: name.into(), allowed, changes: Changes(changes), help });
        }
        self.next += 1;
        self.records.push((self.next, record));
        Ok(self.next)
    }
    pub(super) fn explain(&self, name: &str) -> Explanation {
        let done: Vec<&Record> = self.records.iter().map(|r| &r.1).filter(|r| r.times.is_some()).collect();
        let report = |(i, r): (usize, &&Record)| {
            let (nearest, changes) = r.nearest(done[..i].iter().copied()).unzip();
            CompileReport {
                leaves: r.avals.len(),
                nearest,
                changes: Changes(changes.unwrap_or_default()),
                times: r.times.unwrap_or_default(),
            }
        };
        Explanation { name: name.into(), programs: done.iter().enumerate().map(report).collect() }
    }
}

/// The right to compile one more program. It returns the right when compiling fails.
pub(super) struct Admission<'a> {
    history: &'a Mutex<History>,
    id: u64,
}
impl<'a> Admission<'a> {
    pub(super) fn ask(history: &'a Mutex<History>, name: &str, record: Record) -> Result<Admission<'a>> {
        let id = super::locked(history).admit(name, record)?;
        Ok(Admission { history, id })
    }
    pub(super) fn done(self, times: Times) {
        let mut history = super::locked(self.history);
        history.records.iter_mut().filter(|r| r.0 == self.id).for_each(|r| r.1.times = Some(times));
    }
}
impl Drop for Admission<'_> {
    fn drop(&mut self) {
        super::locked(self.history).records.retain(|r| r.0 != self.id || r.1.times.is_some());
    }
}

/// Differences; displays as one line each.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Changes(pub Vec<Change>);
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const SHOWN: usize = 5;
        self.0.iter().take(SHOWN).try_for_each(|c| write!(f, "\n  {c}"))?;
        if self.0.len() > SHOWN {
            write!(f, "\n  and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Why one program was compiled.
#[derive(Clone, Debug)]
pub struct CompileReport {
    /// Number of leaves of the arguments.
    pub leaves: usize,
    /// The earlier program, counted from 0, that differs least; none for the first one.
    pub nearest: Option<usize>,
    /// What is different from that one.
    pub changes: Changes,
    /// How long it took.
    pub times: Times,
}

/// Which programs a function was compiled to, and why. Made by [`Jit::explain`](super::Jit::explain).
///
/// Displays as
/// ```text
/// `step`: 2 programs
/// 1. 148 leaves (trace 3.1 ms, lower 2.0 ms, compile 812.4 ms)
/// 2. unlike 1 (trace 3.0 ms, lower 2.1 ms, compile 790.0 ms)
///   argument `1.tokens` changed i32[8, 128] -> i32[8, 131]
/// ```
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The function's name: [`Jit::named`](super::Jit::named).
    pub name: String,
    /// The programs, in the order in which they were compiled.
    pub programs: Vec<CompileReport>,
}
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let n = self.programs.len();
        write!(f, "`{}`: {n} program{}", self.name, if n == 1 { "" } else { "s" })?;
        for (i, p) in self.programs.iter().enumerate() {
            let what = match p.nearest {
                Some(n) => format!("unlike {}", n + 1),
                None => format!("{} {}", p.leaves, if p.leaves == 1 { "leaf" } else { "leaves" }),
            };
            write!(f, "\n{}. {what} ({}){}", i + 1, p.times, p.changes)?;
        }
        Ok(())
    }
}
