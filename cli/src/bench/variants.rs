//! The table of variants: each row changes one thing about how the work is set up. What else can be chosen is one more row.
use super::settings::{Settings, What};
use crate::{Result, usage};
use raxla::{DType, Mesh, Param, Policy, RematOptions, nn::moe::Dispatch, prim::Arithmetic};
use raxla_graphs::{
    Matrices, TiedHead,
    models::{Decoder, FeedForward},
};

/// What a row is about. `raxla tune` chooses one row of each of its subjects at most, and an explicit option of `raxla generate`
/// overrules it in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Scanned or unrolled.
    Layers,
    /// Shared or copied.
    Head,
    /// What changes results, or what `generate` does not choose.
    Other,
}

/// One row.
pub struct Variant {
    pub name: String,
    pub subject: Subject,
    /// What it changes.
    change: Box<dyn Fn(&mut Settings)>,
}

/// What there is to choose from, for one model on one machine.
pub struct Facts {
    /// Is the head tied to the embedding?
    tied: bool,
    experts: bool,
    rows: usize,
    devices: usize,
}

impl Variant {
    /// Change this.
    pub fn apply(&self, settings: &mut Settings) {
        (self.change)(settings);
    }
    /// Would it change anything here?
    pub fn changes(&self, settings: &Settings) -> bool {
        let mut changed = settings.clone();
        self.apply(&mut changed);
        // (all that settings hold is shown by it)
        format!("{changed:?}") != format!("{settings:?}")
    }
}

impl Facts {
    /// Of this model (unrolled, with copies), and of what is asked of it.
    pub fn of(spec: &Decoder<Param>, mesh: Option<&str>, rows: usize) -> Result<Facts> {
        let experts = spec.layers.iter().any(|layer| matches!(layer.mlp, FeedForward::Experts(_)));
        let tied = spec.head.w.as_ref().is_none_or(|w| w.tied.is_some());
        let devices = mesh.map_or(Ok(1), |axes| Mesh::parse(axes).map(|axes| axes.iter().map(|a| a.1).product()))?;
        Ok(Facts { tied, experts, rows, devices })
    }
}

use What::{Compile, Decode, Prefill, Train};

/// Some commands, a name, a subject, a change.
type Row = (&'static [What], &'static str, Subject, fn(&mut Settings));

/// Rows that any model has.
const OF_ALL: &[Row] = &[
    (&[Decode, Prefill, Train, Compile], "scanned", Subject::Layers, |s| s.load.scanned = true),
    (&[Decode, Prefill, Train, Compile], "unrolled", Subject::Layers, |s| s.load.scanned = false),
    (&[Decode, Prefill, Compile], "kernels", Subject::Other, |s| s.load.matrices = Matrices::Auto),
    (&[Decode, Prefill, Compile], "no-kernels", Subject::Other, |s| s.load.matrices = Matrices::Dense),
    (&[Prefill], "arithmetic-bf16", Subject::Other, |s| s.load.arithmetic = Arithmetic::Bf16),
    (&[Decode, Prefill, Compile], "arithmetic-int8", Subject::Other, |s| s.load.arithmetic = Arithmetic::Int8),
    (&[Decode], "donated-state", Subject::Other, |s| s.kept = false),
    (&[Decode], "kept-state", Subject::Other, |s| s.kept = true),
    (&[Decode], "cache-f32", Subject::Other, |s| s.load.cache_dtype = Some(DType::F32)),
    (&[Decode], "cache-bf16", Subject::Other, |s| s.load.cache_dtype = Some(DType::BF16)),
    (&[Decode], "cache-f16", Subject::Other, |s| s.load.cache_dtype = Some(DType::F16)),
    (&[Decode], "cache-int8", Subject::Other, |s| s.load.cache_dtype = Some(DType::I8)),
    (&[Decode, Prefill], "bucket", Subject::Other, |s| s.exact = false),
    (&[Decode, Prefill], "exact-length", Subject::Other, |s| s.exact = true),
    (&[Train], "remat-everything", Subject::Other, |s| remat(s, Some(Policy::SaveNothing))),
    (&[Train], "remat-but-dots", Subject::Other, |s| remat(s, Some(Policy::SaveDots))),
    (&[Train], "remat-but-weight-dots", Subject::Other, |s| remat(s, Some(Policy::SaveDotsWithoutBatchAxes))),
    (&[Train], "remat-nothing", Subject::Other, |s| remat(s, None)),
];
/// Rows of models with a tied head. (Training has no copy to choose.)
const OF_TIED: &[Row] = &[
    (&[Decode, Prefill], "shared-head", Subject::Head, |s| s.load.tied_head = TiedHead::Share),
    (&[Decode, Prefill], "copied-head", Subject::Head, |s| s.load.tied_head = TiedHead::Copy),
];
/// Rows of models with experts. All give the same values.
const OF_EXPERTS: &[Row] = &[
    (&[Decode, Prefill, Train], "experts-grouped", Subject::Other, |s| s.load.dispatch = Some(Dispatch::Grouped)),
    (&[Decode, Prefill, Train], "experts-dense", Subject::Other, |s| s.load.dispatch = Some(Dispatch::Dense)),
    (&[Decode, Prefill, Train], "experts-by-capacity", Subject::Other, |s| {
        s.load.dispatch = Some(Dispatch::Capacity(None));
    }),
];

/// Rows of training over several devices.
const OF_DIVIDED: &[Row] = &[
    (&[Train], "annotated", Subject::Other, |s| s.train.annotated = true),
    (&[Train], "divided-by-hand", Subject::Other, |s| s.train.annotated = false),
    (&[Train], "divided-positions", Subject::Other, |s| s.train.sequence = true),
];

fn remat(s: &mut Settings, policy: Option<Policy>) {
    s.train.remat = policy.map(|policy| RematOptions { policy, ..RematOptions::default() });
}

/// All rows for this work.
pub fn table(what: What, facts: &Facts) -> Vec<Variant> {
    let optional = [(facts.tied, OF_TIED), (facts.experts, OF_EXPERTS), (facts.devices > 1, OF_DIVIDED)];
    let optional = optional.into_iter().filter(|(fits, _)| *fits).flat_map(|(_, rows)| rows);
    let fits = OF_ALL.iter().chain(optional).copied().filter(|row| row.0.contains(&what));
    let row = |(_, name, subject, change): Row| Variant { name: name.into(), subject, change: Box::new(change) };
    fits.map(row).chain(meshes(what, facts)).collect()
}

/// The rows that `raxla tune` chooses among, of any model.
pub fn tunable() -> Vec<Variant> {
    let all = table(What::Decode, &Facts { tied: true, experts: true, rows: 1, devices: 1 });
    all.into_iter().filter(|row| row.subject != Subject::Other).collect()
}

/// Each way to divide the work over as many devices as are given.
fn meshes(what: What, facts: &Facts) -> Vec<Variant> {
    let axes: &[&str] = match what {
        What::Decode | What::Prefill => &["data", "model"],
        What::Train => &["data", "fsdp", "model"],
        _ => &[],
    };
    let n = facts.devices;
    if n < 2 || axes.is_empty() {
        return vec![];
    }
    let mut all: Vec<String> = vec![];
    for (i, a) in axes.iter().enumerate() {
        all.push(format!("{a}={n}"));
        let pairs =
            axes[i + 1..].iter().flat_map(|b| (2..n).map(move |k| (b, k))).filter(|(_, k)| n.is_multiple_of(*k));
        all.extend(pairs.map(|(b, k)| format!("{a}={k},{b}={}", n / k)));
    }
    let row = |axes: String| Variant {
        name: axes.clone(),
        subject: Subject::Other,
        change: Box::new(move |s| s.mesh = Some(axes.clone())),
    };
    all.into_iter().filter(|axes| facts.rows.is_multiple_of(parts_of_rows(axes).unwrap_or(1))).map(row).collect()
}

/// In how many parts a mesh divides rows: along `data` and `fsdp`.
///
/// # Errors
/// No mesh.
pub fn parts_of_rows(axes: &str) -> Result<usize> {
    let parts = Mesh::parse(axes)?.into_iter().filter(|(name, _)| name == "data" || name == "fsdp");
    Ok(parts.map(|(_, n)| n).product())
}

/// The setting that a list of rows makes of what was asked for; several in one are written `scanned+shared-head`, none of them is
/// the empty name.
///
/// # Errors
/// A name that the table does not have.
pub fn apply(name: &str, table: &[Variant], settings: &mut Settings) -> Result {
    for part in name.split('+').filter(|part| !part.is_empty()) {
        let Some(row) = table.iter().find(|row| row.name == part) else {
            let known: Vec<&str> = table.iter().map(|row| &*row.name).collect();
            let help = match &known[..] {
                [] => "leave out --variants: there are none of it".into(),
                known => format!("choose among {}, or all", known.join(", ")),
            };
            return Err(usage(format!("there is no variant `{part}` of this\n  help: {help}")).into());
        };
        row.apply(settings);
    }
    Ok(())
}

/// Rows that are written together in one name change different things: each of them stays as it is, whichever comes last.
fn exclusive(name: &str, table: &[Variant], asked: &Settings) -> Result {
    let parts: Vec<&str> = name.split('+').collect();
    let mut all = asked.clone();
    apply(name, table, &mut all)?;
    for part in &parts {
        let row = table.iter().find(|row| row.name == *part);
        if row.is_none()
            || parts.iter().filter(|other| *other == part).count() > 1
            || row.is_some_and(|r| r.changes(&all))
        {
            let why = format!("`{name}` is no variant: its parts must be different, and not exclude each other");
            return Err(usage(format!("{why}\n  help: write them apart, with a comma")).into());
        }
    }
    Ok(())
}

/// The names to measure: what was asked for, and each row that differs from it, or the listed ones.
///
/// # Errors
/// A name that the table does not have; one that is of rows that exclude each other.
pub fn chosen(list: Option<&str>, table: &[Variant], asked: &Settings) -> Result<Vec<String>> {
    match list {
        None => Ok(vec![String::new()]),
        Some("all") => {
            let rows = table.iter().filter(|row| row.changes(asked)).map(|row| row.name.clone());
            Ok([String::new()].into_iter().chain(rows).collect())
        }
        Some(list) => {
            let names: Vec<String> = list.split(',').map(|name| name.trim().to_string()).collect();
            // (`data=2,model=2` is one name of a mesh)
            let names = names.into_iter().fold(vec![], |mut all: Vec<String>, name| {
                match all.last_mut().filter(|last| name.contains('=') && last.contains('=')) {
                    Some(last) if table.iter().any(|row| row.name == format!("{last},{name}")) => {
                        last.push(',');
                        last.push_str(&name);
                    }
                    _ => all.push(name),
                }
                all
            });
            names.iter().try_for_each(|name| exclusive(name, table, asked))?;
            let mut all = vec![String::new()];
            names.into_iter().for_each(|name| {
                if !all.contains(&name) {
                    all.push(name)
                }
            });
            Ok(all)
        }
    }
}
