//! What the devices of a program say to each other: every collective of a compiled program, with what it costs and where
//! it comes from.
//!
//! [`Communication::of_hlo`] reads the text of an optimized program (`Lowered::optimized_hlo`). Some collectives are the
//! program's own ([`psum`](crate::psum) and its kin); others the partitioner inserted because shardings do not fit
//! together. The latter are [`implicit`](Collective::implicit), and often a surprise worth knowing.
use crate::{
    aval::Aval,
    error::{Error, Result},
};
use std::{collections::BTreeMap, fmt};

pub(crate) mod collect;
mod explicit;
mod groups;
pub(crate) mod hlo;

/// What a collective does, by the names of HLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Every device gets the sum (or other reduction) of the arrays of all.
    AllReduce,
    /// Every device gets the arrays of all, side by side.
    AllGather,
    /// Every device gets its part of the sum of the arrays of all.
    ReduceScatter,
    /// Every device sends a part of its array to each of the others.
    AllToAll,
    /// Devices send to one other device each.
    CollectivePermute,
    /// One device sends to all others.
    CollectiveBroadcast,
    /// As `AllToAll`, with parts of different sizes; counted as if all elements were sent.
    RaggedAllToAll,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 7] = [
        Kind::AllReduce,
        Kind::AllGather,
        Kind::ReduceScatter,
        Kind::AllToAll,
        Kind::CollectivePermute,
        Kind::CollectiveBroadcast,
        Kind::RaggedAllToAll,
    ];
    /// HLO's name: `all-reduce`, ...
    pub fn name(self) -> &'static str {
        match self {
            Kind::AllReduce => "all-reduce",
            Kind::AllGather => "all-gather",
            Kind::ReduceScatter => "reduce-scatter",
            Kind::AllToAll => "all-to-all",
            Kind::CollectivePermute => "collective-permute",
            Kind::CollectiveBroadcast => "collective-broadcast",
            Kind::RaggedAllToAll => "ragged-all-to-all",
        }
    }
    /// Bytes that a device sends in a ring of `n`, for [`Collective::bytes`] of `bytes`.
    fn sent(self, bytes: u64, n: u64) -> u64 {
        let part = |times: u64| (u128::from(bytes) * u128::from(times * (n - 1)) / u128::from(n)) as u64;
        match self {
            Kind::AllReduce => part(2),
            Kind::AllGather | Kind::ReduceScatter | Kind::AllToAll | Kind::RaggedAllToAll => part(1),
            Kind::CollectivePermute | Kind::CollectiveBroadcast if n > 1 => bytes,
            Kind::CollectivePermute | Kind::CollectiveBroadcast => 0,
        }
    }
}
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One collective of a compiled program.
#[derive(Clone, Debug, PartialEq)]
pub struct Collective {
    /// What it does.
    pub kind: Kind,
    /// The arrays of one device that it is about: the results of an all-gather, the operands of all others. More than one
    /// if XLA combined several collectives.
    pub arrays: Vec<Aval>,
    /// Their bytes, each time that it runs.
    pub bytes: u64,
    /// Bytes that each device sends each time, in a ring of `n` participants: `2(n-1)/n` of `bytes` for an all-reduce,
    /// `(n-1)/n` for an all-gather, a reduce-scatter and an all-to-all, all of them for a permutation.
    pub sent: u64,
    /// Devices that exchange with each other: a group. For a permutation, the devices along its axes.
    pub participants: usize,
    /// The axes of the mesh along which it goes. `None` if its groups are not those of a set of axes.
    pub axes: Option<Vec<String>>,
    /// How often it runs in one run of the program. `None` if it is in a loop whose length is not known before.
    pub runs: Option<u64>,
    /// How many loops it is in.
    pub loops: usize,
    /// Is it in a branch, so that it may not run at all?
    pub conditional: bool,
    /// Did the partitioner insert it? Otherwise the program has it.
    pub implicit: bool,
    /// File and line of the operation that it is, or that it is needed for.
    pub source: Option<(String, usize)>,
    /// The [`scope`](crate::scope) of that operation; outside of any, the name of its primitive.
    pub scope: String,
    /// The instruction's name in the HLO text.
    pub name: String,
}

impl Collective {
    /// The axes as text: `data,fsdp`, `-` for none, `?` if they are not known.
    pub fn axes_text(&self) -> String {
        match &self.axes {
            None => "?".into(),
            Some(axes) if axes.is_empty() => "-".into(),
            Some(axes) => axes.join(","),
        }
    }
    /// Where it comes from: `src/model.rs:12 in gpt2/mlp`, as much of it as is known.
    pub fn place(&self) -> String {
        match (&self.source, &*self.scope) {
            (None, "") => "?".into(),
            (None, scope) => format!("? in {scope}"),
            (Some((file, line)), "") => format!("{file}:{line}"),
            (Some((file, line)), scope) => format!("{file}:{line} in {scope}"),
        }
    }
    fn total(&self) -> Total {
        let runs = self.runs.unwrap_or(1);
        let (bytes, sent) = (self.bytes.saturating_mul(runs), self.sent.saturating_mul(runs));
        Total { collectives: 1, runs, bytes, sent }
    }
}

/// Sums over collectives, per device and run of the program. Loops of unknown length count as if they ran once, branches
/// as if they were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Instructions.
    pub collectives: usize,
    /// How often they run.
    pub runs: u64,
    /// [`Collective::bytes`] of all runs.
    pub bytes: u64,
    /// [`Collective::sent`] of all runs.
    pub sent: u64,
}
impl Total {
    fn plus(self, other: Total) -> Total {
        Total {
            collectives: self.collectives + other.collectives,
            runs: self.runs.saturating_add(other.runs),
            bytes: self.bytes.saturating_add(other.bytes),
            sent: self.sent.saturating_add(other.sent),
        }
    }
}

/// The collectives of a compiled program. Prints as a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Communication {
    /// In the order of the program; a loop's where the loop is.
    pub collectives: Vec<Collective>,
}

impl Communication {
    /// Read the text of an optimized HLO module.
    ///
    /// `mesh_axes` are the mesh's axes, devices in row-major order. `explicit` is the StableHLO text that it was compiled
    /// from: what is not in there was inserted by the partitioner.
    ///
    /// # Errors
    /// If the text is no HLO module, or a collective in it cannot be read.
    pub fn of_hlo(text: &str, mesh_axes: &[(String, usize)], explicit: &str) -> Result<Communication> {
        let fail = |have: String, want: String| Error::Mismatch {
            what: "listing the collectives of a compiled program".into(),
            have,
            want: format!("{want} is needed"),
            help: "give the text of an optimized module: `Lowered::optimized_hlo`".into(),
        };
        let module = hlo::Module::parse(text)
            .ok_or_else(|| fail("the text is no HLO module".into(), "one with an entry computation".into()))?;
        let collectives = collect::collectives(&module, mesh_axes, explicit::Explicit::parse(explicit));
        let collectives =
            collectives.map_err(|(name, want)| fail(format!("the instruction `{name}` cannot be read"), want))?;
        Ok(Communication { collectives })
    }

    /// The sum over all collectives.
    pub fn total(&self) -> Total {
        self.sum(|_| true)
    }
    /// The sum over the collectives that the partitioner inserted.
    pub fn implicit(&self) -> Total {
        self.sum(|c| c.implicit)
    }
    fn sum(&self, counts: impl Fn(&Collective) -> bool) -> Total {
        self.collectives.iter().filter(|c| counts(c)).fold(Total::default(), |sum, c| sum.plus(c.total()))
    }
    /// Sums by kind.
    pub fn by_kind(&self) -> BTreeMap<Kind, Total> {
        self.by(|c| c.kind)
    }
    /// Sums by the axes that collectives go along, as [`Collective::axes_text`] writes them.
    pub fn by_axes(&self) -> BTreeMap<String, Total> {
        self.by(Collective::axes_text)
    }
    fn by<K: Ord>(&self, key: impl Fn(&Collective) -> K) -> BTreeMap<K, Total> {
        let mut sums: BTreeMap<K, Total> = BTreeMap::new();
        for c in &self.collectives {
            let sum = sums.entry(key(c)).or_default();
            *sum = sum.plus(c.total());
        }
        sums
    }
}

impl fmt::Display for Communication {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.collectives.is_empty() {
            return f.write_str("no collectives: the devices do not communicate");
        }
        let unknown = if self.collectives.iter().any(|c| c.runs.is_none()) { " at least" } else { "" };
        let (all, implicit) = (self.total(), self.implicit());
        let number =
            if all.collectives == 1 { "1 collective".into() } else { format!("{} collectives", all.collectives) };
        writeln!(
            f,
            "{number} ({} implicit); in a run each device sends{unknown} {}, of that {} implicitly",
            implicit.collectives,
            size(all.sent),
            size(implicit.sent)
        )?;
        let heads =
            ["kind", "axes", "devices", "array", "bytes", "sent", "runs", "origin", "where"].map(str::to_string);
        let rows = std::iter::once(heads).chain(self.collectives.iter().map(row));
        write!(f, "{}", aligned(&rows.collect::<Vec<_>>(), &[2, 4, 5, 6]))?;
        let sums = self.by_kind().into_iter().map(|(kind, t)| (kind.to_string(), t));
        let sums = sums.chain(self.by_axes().into_iter().map(|(axes, t)| (format!("along {axes}"), t)));
        let sums: Vec<[String; 4]> = sums
            .map(|(what, t)| [format!("total {what}"), format!("{} runs", t.runs), size(t.bytes), size(t.sent)])
            .collect();
        let heads = ["", "", "bytes", "sent"].map(str::to_string);
        write!(f, "\n{}", aligned(&[vec![heads], sums].concat(), &[1, 2, 3]))
    }
}

fn row(c: &Collective) -> [String; 9] {
    let array = match &c.arrays[..] {
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => "nothing".into(),
    };
    let runs = c.runs.map_or("?".into(), |n| n.to_string());
    let runs = if c.conditional { format!("0 or {runs}") } else { runs };
    let origin = if c.implicit { "implicit" } else { "explicit" };
    [
        c.kind.to_string(),
        c.axes_text(),
        c.participants.to_string(),
        array,
        size(c.bytes),
        size(c.sent),
        runs,
        origin.into(),
        c.place(),
    ]
}

/// Columns two spaces apart; those numbered in `right` end at one line. No newline at the end.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let cell = |row: &[String; N], i: usize| match right.contains(&i) {
        true => format!("{:>1$}", row[i], width(i)),
        false => format!("{:<1$}", row[i], width(i)),
    };
    let line = |row: &[String; N]| (0..N).map(|i| cell(row, i)).collect::<Vec<_>>().join("  ").trim_end().to_string();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `512 B`, `1.50 kB`, `12.3 MB`
pub(crate) fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit < 6 {
        value /= 1e3;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {}B", ["", "k", "M", "G", "T", "P", "E"][unit])
}
