//! What a program needs on devices that are not there.
use super::{Buffer, Devices, Estimate, Work, buffers::size_in};
use crate::{
    aval::Aval,
    communication::{Communication, size},
    memory::{bytes_of, show},
};
use raxla_xla::MemoryStats;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes on each device, by the compiler's plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Arguments.
    pub arguments: u64,
    /// Results, without those that take over the memory of arguments.
    pub outputs: u64,
    /// Results that take over the memory of arguments.
    pub aliased: u64,
    /// Intermediate values. Of a program that does not fit, what the compiler says beyond arguments and results.
    pub temporaries: u64,
    /// The program itself.
    pub code: u64,
    /// All of it at once: what must fit.
    pub peak: u64,
    /// What there is.
    pub limit: u64,
}

impl Memory {
    /// By what the plugin tells of a compiled program.
    pub fn of(stats: &MemoryStats, limit: u64) -> Memory {
        let bytes = |n: i64| u64::try_from(n).unwrap_or(0);
        let (arguments, aliased, code) = (bytes(stats.arguments), bytes(stats.aliased), bytes(stats.generated_code));
        let (outputs, temporaries) = (bytes(stats.outputs).saturating_sub(aliased), bytes(stats.temporaries));
        let parts = arguments + outputs + temporaries + code;
        // (TPUs tell what is allocated, which is a little more than the parts; of GPUs only these are known)
        Memory { arguments, outputs, aliased, temporaries, code, peak: parts.max(bytes(stats.total_allocation)), limit }
    }
    /// Of a program that the compiler refused with this message, whose arguments are known.
    pub(super) fn exceeded(message: &str, arguments: &[Buffer], limit: u64) -> Memory {
        let arguments = arguments.iter().map(|a| a.bytes * a.count as u64).sum();
        // `.. (59.49G) exceeds ..` or `Used 59.49G of ..`
        let before = || message.split(") exceeds").next()?.rsplit('(').next().filter(|_| message.contains(") exceeds"));
        let used = || message.split_once("Used ")?.1.split_whitespace().next();
        let needed = before().and_then(size_in).or_else(|| used().and_then(size_in));
        let peak = needed.unwrap_or(0).max(arguments).max(limit + 1);
        Memory { arguments, temporaries: peak - arguments, peak, limit, ..Memory::default() }
    }
}

/// All collectives of one kind along the same axes, in one run of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// By HLO's name: `all-reduce`.
    pub kind: String,
    /// Axes of the mesh.
    pub axes: String,
    /// How often they run; those in loops of unknown length once.
    pub runs: u64,
    /// Bytes of their arrays.
    pub bytes: u64,
    /// Bytes that each device sends.
    pub sent: u64,
}

/// Sums over the collectives of a program, by kind and axes.
pub(super) fn totals(communication: &Communication) -> Vec<Traffic> {
    let mut all: Vec<Traffic> = vec![];
    for c in &communication.collectives {
        let (kind, axes, runs) = (c.kind.name().to_string(), c.axes_text(), c.runs.unwrap_or(1));
        let (bytes, sent) = (c.bytes.saturating_mul(runs), c.sent.saturating_mul(runs));
        match all.iter_mut().find(|t| t.kind == kind && t.axes == axes) {
            Some(t) => (t.runs, t.bytes, t.sent) = (t.runs + runs, t.bytes + bytes, t.sent + sent),
            None => all.push(Traffic { kind, axes, runs, bytes, sent }),
        }
    }
    all.sort_by_key(|t| std::cmp::Reverse(t.sent));
    all
}

/// What a program needs on a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The target, as [`Target`](super::Target) writes it.
    pub target: String,
    /// Slices of it.
    pub slices: usize,
    /// Devices that the program runs on.
    pub devices: usize,
    /// Axes of its mesh.
    pub mesh: Vec<(String, usize)>,
    /// Memory of each device.
    pub per_device: Memory,
    /// The largest parts of that: arguments by their paths, then values of the program.
    pub buffers: Vec<Buffer>,
    /// Operations of one run on all devices together, counted in the program's graph.
    pub flops: f64,
    /// Bytes that the equations of the graph read and write, on all devices together, if none are fused.
    pub bytes: f64,
    /// Bytes that the compiled program reads and writes on each device; `None` where the compiler does not show it.
    pub accessed: Option<u64>,
    /// What devices send each other.
    pub traffic: Vec<Traffic>,
    /// How long one run may take.
    pub estimate: Option<Estimate>,
    /// Seconds that the compiler took.
    pub compile_seconds: f64,
    /// What the compiler says against the program, if it does not fit.
    pub refusal: Option<String>,
}

impl Plan {
    pub(super) fn new(
        devices: &Devices,
        mesh: &[(String, usize)],
        compile_seconds: f64,
        flops: f64,
        bytes: f64,
        per_device: Memory,
    ) -> Plan {
        Plan {
            target: devices.target().to_string(),
            slices: devices.target().slices,
            devices: mesh.iter().map(|(_, n)| n).product(),
            mesh: mesh.to_vec(),
            per_device,
            buffers: vec![],
            flops,
            bytes,
            accessed: None,
            traffic: vec![],
            estimate: None,
            compile_seconds,
            refusal: None,
        }
    }
    /// Is there memory enough?
    pub fn fits(&self) -> bool {
        self.refusal.is_none() && self.per_device.peak <= self.per_device.limit
    }
    /// How much of the memory is left, in percent; negative if it does not fit.
    pub fn room(&self) -> f64 {
        100.0 * (1.0 - self.per_device.peak as f64 / self.per_device.limit.max(1) as f64)
    }
}

/// `12.3 TFLOP` and the like.
fn operations(n: f64) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"];
    let step = (n.max(1.0).log10() as usize / 3).min(units.len() - 1);
    format!("{:.3} {}FLOP", n / 1e3f64.powi(step as i32), units[step])
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let m = &self.per_device;
        let verdict = if self.fits() { "fits" } else { "does not fit" };
        let devices = if self.devices == 1 { "1 device".into() } else { format!("{} devices", self.devices) };
        let slices = if self.slices > 1 { format!("{} slices of ", self.slices) } else { String::new() };
        writeln!(
            f,
            "{verdict}: {} of {} on each of {devices} of {slices}{}",
            show(m.peak),
            show(m.limit),
            self.target
        )?;
        let parts = [
            ("arguments", m.arguments),
            ("results", m.outputs),
            ("in the place of arguments", m.aliased),
            ("intermediate values", m.temporaries),
            ("program", m.code),
        ];
        for (name, bytes) in parts.iter().filter(|(_, bytes)| *bytes > 0) {
            writeln!(f, "  {name:<26} {:>9}", show(*bytes))?;
        }
        if !self.buffers.is_empty() {
            writeln!(f, "largest buffers of a device:")?;
        }
        for buffer in &self.buffers {
            writeln!(f, "  {buffer}")?;
        }
        let each = self.flops / self.devices as f64;
        write!(f, "work: {}, {} on each device", operations(self.flops), operations(each))?;
        match self.accessed {
            Some(bytes) => writeln!(f, "; {} read and written there", show(bytes))?,
            None => writeln!(f, "; {} read and written by all, unless operations are fused", show(self.bytes as u64))?,
        }
        if self.traffic.is_empty() && self.devices > 1 && self.refusal.is_none() {
            writeln!(f, "collectives: none are known")?;
        }
        for (i, t) in self.traffic.iter().enumerate() {
            let head = if i == 0 { "collectives:" } else { "" };
            writeln!(
                f,
                "{head:<12} {} {} along {}: {} each way of {}",
                t.runs,
                t.kind,
                t.axes,
                size(t.sent),
                size(t.bytes)
            )?;
        }
        if let Some(estimate) = &self.estimate {
            writeln!(f, "{estimate}")?;
        }
        write!(f, "compiled in {:.1} s", self.compile_seconds)
    }
}

/// Bytes of an argument on one device.
pub(super) fn bytes(aval: &Aval) -> u64 {
    bytes_of(aval)
}

impl Work {
    /// How long it may take on these devices.
    pub fn on(&self, target: &super::Target) -> Estimate {
        Estimate::of(self, target)
    }
}
