//! How long a program may take: a roofline, from the peaks of the chip.
use super::Target;
use crate::{aval::DType, communication::Communication};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The work of one device in one run of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Floating-point (or integer) operations.
    pub flops: f64,
    /// Bytes read from and written to the device's memory.
    pub bytes: f64,
    /// Bytes that it sends, by how many devices take part, and how far they are apart: one entry for each group of collectives.
    pub sent: Vec<(usize, u64)>,
    /// The dtype of the factors of its products.
    pub dtype: DType,
}

/// An estimate: work over the peaks of the chip. Real runs take longer; this tells programs apart, and what bounds them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Seconds of computing at the chip's peak.
    pub compute: f64,
    /// Seconds of reading and writing memory.
    pub memory: f64,
    /// Seconds of sending to other devices.
    pub communication: f64,
}

/// By how many devices each collective spans, the bytes that a device sends for those.
pub(super) fn sent(communication: &Communication) -> Vec<(usize, u64)> {
    let of = |c: &crate::communication::Collective| (c.participants, c.sent.saturating_mul(c.runs.unwrap_or(1)));
    communication.collectives.iter().map(of).collect()
}

impl Estimate {
    /// This work on these devices. Collectives of more devices than have fast links between them go over the network.
    pub fn of(work: &Work, target: &Target) -> Estimate {
        let chip = target.chip;
        let seconds = |(devices, bytes): &(usize, u64)| {
            let speed = if *devices > target.neighbours() { chip.network } else { chip.link };
            *bytes as f64 / speed
        };
        Estimate {
            compute: work.flops / chip.flops(work.dtype),
            memory: work.bytes / chip.bandwidth,
            communication: work.sent.iter().map(seconds).fold(0.0, |all, one| all + one),
        }
    }
    /// Seconds, if memory and products are busy at the same time, and communication is not.
    pub fn seconds(&self) -> f64 {
        self.compute.max(self.memory) + self.communication
    }
    /// Which of the three takes longest.
    pub fn bound(&self) -> &'static str {
        let parts = [("compute", self.compute), ("memory", self.memory), ("communication", self.communication)];
        parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(name, _)| name)
    }
}

/// `12.3 ms` and the like.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [all, compute, memory, communication] =
            [self.seconds(), self.compute, self.memory, self.communication].map(duration);
        write!(
            f,
            "estimate (a roofline at the chip's peaks, not a measurement): {all} a run, bound by {}: compute {compute}, memory \
             {memory}, communication {communication}",
            self.bound()
        )
    }
}
