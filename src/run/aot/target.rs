//! Targets: `v5e:2x4` and `h100x8`, read and checked before a plugin sees them.
use super::chips::{CHIPS, Chip, Make};
use crate::error::{Error, Result};
use std::fmt;

/// The most devices of a target. Plugins describe each of them.
pub const MOST_DEVICES: usize = 1 << 14;

/// Devices to compile for, which need not be there.
///
/// ```
/// use raxla::aot::Target;
/// let pod = Target::parse("v5p:2x2x4")?; // a grid of chips
/// assert_eq!((pod.chip.name, pod.devices()), ("v5p", 16));
/// let hosts = Target::parse("h200x2x8")?; // two hosts with eight GPUs each
/// assert_eq!((hosts.chip.name, hosts.devices(), hosts.hosts()), ("h200", 16, 2));
/// assert!(Target::parse("v5p:2x4").unwrap_err().to_string().contains("three sizes"));
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What each of them is.
    pub chip: &'static Chip,
    /// A TPU's grid of chips; of GPUs, hosts and GPUs of each.
    pub shape: Vec<usize>,
    /// How many such grids, joined by the network of the data centre. 1 for GPUs.
    pub slices: usize,
}

fn wrong(text: &str, why: impl fmt::Display, help: impl Into<String>) -> Error {
    Error::Mismatch {
        what: format!("the target `{text}`"),
        have: why.to_string(),
        want: "a target is a TPU or a GPU that a plugin compiles for".into(),
        help: help.into(),
    }
}

/// `2x4` as numbers.
fn sizes(text: &str) -> Option<Vec<usize>> {
    let sizes: Vec<usize> = text.split('x').map(|n| n.parse().ok().filter(|n| *n > 0)).collect::<Option<_>>()?;
    sizes.iter().try_fold(1usize, |n, m| n.checked_mul(*m)).filter(|n| *n <= MOST_DEVICES).map(|_| sizes)
}

/// What to write in place of Google Cloud's name of a slice, `v5litepod-8` or `v5p-32`: a number of chips, or of cores, of which the older
/// chips have two, and not their grid.
fn of_accelerator_type(text: &str) -> Option<String> {
    let (name, count) = text.split_once('-')?;
    let chip = Chip::named(if name == "v5litepod" { "v5e" } else { name })?;
    let Make::Tpu { axes, .. } = chip.make else { return None };
    let count: usize = count.parse().ok().filter(|n| *n <= MOST_DEVICES)?;
    let chips = if axes == 3 && chip.name != "tpu7x" { count / 2 } else { count };
    let mut grid = vec![1; axes];
    // (the grids that Google makes as a rule are as near to cubes as powers of two let them)
    while grid.iter().product::<usize>() < chips {
        *grid.iter_mut().min()? *= 2;
    }
    grid.sort_unstable();
    // (a 2x2x1 is what stands on one host)
    if grid.first() == Some(&1) && axes == 3 {
        grid.reverse();
    }
    let grid = grid.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    Some(format!(
        "write the grid of its chips, as `gcloud compute tpus` has it: {}:{grid}, if it is the usual one",
        chip.name
    ))
}

impl Target {
    /// Reads `v5e:2x4` (a TPU and its grid of chips), `h100x8` (GPUs of one host) or `h200x2x8` (hosts, and GPUs of each), in small letters
    /// or large ones.
    ///
    /// # Errors
    /// A chip that is not known; sizes that are none, too large, or too many for the chip.
    pub fn parse(text: &str) -> Result<Target> {
        let text = &*text.trim().to_ascii_lowercase();
        let known = |tpu: bool| {
            let of = |chip: &&Chip| matches!(chip.make, Make::Tpu { .. }) == tpu;
            CHIPS.iter().filter(of).map(|chip| chip.name).collect::<Vec<_>>().join(", ")
        };
        let forms = || {
            format!(
                "write a TPU as v5e:2x4 ({}), GPUs as h100x8 or, on two hosts, h100x2x8 ({})",
                known(true),
                known(false)
            )
        };
        if let Some((name, grid)) = text.split_once(':') {
            let chip = Chip::named(name).ok_or_else(|| wrong(text, format!("no TPU is called `{name}`"), forms()))?;
            let Make::Tpu { axes, .. } = chip.make else {
                return Err(wrong(text, format!("`{name}` is no TPU"), format!("write {name}x8")));
            };
            let shape = sizes(grid).ok_or_else(|| wrong(text, format!("`{grid}` is no grid of chips"), forms()))?;
            if shape.len() != axes {
                let (count, form) = if axes == 2 { ("two", "2x4") } else { ("three", "2x2x4") };
                return Err(wrong(
                    text,
                    format!("the chips of a {name} are a grid of {count} sizes"),
                    format!("as in {name}:{form}"),
                ));
            }
            let target = Target { chip, shape, slices: 1 };
            let hosts = target.host_bounds();
            if target.shape.iter().zip(hosts).any(|(size, host)| size % host != 0) {
                let [x, y, _] = hosts;
                let help = "make the first two sizes even, or name a grid that one host holds";
                return Err(wrong(
                    text,
                    format!("its hosts hold {x}x{y} chips, of which no grid of {grid} is made"),
                    help,
                ));
            }
            return Ok(target);
        }
        // (`x` also stands in names)
        let found = text.match_indices('x').find_map(|(at, _)| Some((Chip::named(&text[..at])?, &text[at + 1..])));
        let (chip, rest) = match (found, Chip::named(text)) {
            (Some(found), _) => found,
            (None, Some(chip)) => (chip, "1"),
            (None, None) => {
                let help = of_accelerator_type(text).unwrap_or_else(forms);
                return Err(wrong(text, "no chip of that name is known", help));
            }
        };
        if let Make::Tpu { .. } = chip.make {
            return Err(wrong(text, format!("`{}` is a TPU, which has a grid of chips", chip.name), forms()));
        }
        let shape = sizes(rest).filter(|shape| shape.len() <= 2);
        let shape = shape
            .ok_or_else(|| wrong(text, format!("`{rest}` is no number of GPUs from 1 to {MOST_DEVICES}"), forms()))?;
        let shape = if let [devices] = shape[..] { vec![1, devices] } else { shape };
        Ok(Target { chip, shape, slices: 1 })
    }

    /// So many of these grids.
    ///
    /// # Errors
    /// GPUs, whose hosts are in the name; none, or too many.
    pub fn with_slices(self, slices: usize) -> Result<Target> {
        let text = self.to_string();
        if slices != 1 && matches!(self.chip.make, Make::Gpu(_)) {
            return Err(wrong(
                &text,
                "only TPUs have slices",
                format!("write the hosts in the name, as in {}x2x8", self.chip.name),
            ));
        }
        let target = Target { slices, ..self };
        let count = target.shape.iter().fold(slices, |n, m| n.saturating_mul(*m));
        if slices == 0 || count > MOST_DEVICES {
            let help = format!("name one at least, and no more than make {MOST_DEVICES} chips");
            return Err(wrong(&text, format!("{slices} slices of it are none, or too many"), help));
        }
        Ok(target)
    }

    /// Chips of one grid, or GPUs.
    fn chips(&self) -> usize {
        self.shape.iter().product()
    }
    /// How many devices a program sees.
    pub fn devices(&self) -> usize {
        let each = if let Make::Tpu { devices, .. } = self.chip.make { devices } else { 1 };
        self.chips() * each * self.slices
    }
    /// On how many hosts they are.
    pub fn hosts(&self) -> usize {
        match self.chip.make {
            Make::Gpu(_) => self.shape[0],
            Make::Tpu { .. } => self.slices * self.chips() / self.host_bounds().iter().product::<usize>(),
        }
    }
    /// The kind of plugin that compiles for it, by the name in its manifest.
    pub fn plugin(&self) -> &'static str {
        if let Make::Tpu { .. } = self.chip.make { "tpu" } else { "cuda13" }
    }
    /// Devices between which the links are fast: those of a slice, or of a host.
    pub fn neighbours(&self) -> usize {
        match self.chip.make {
            Make::Gpu(_) => self.shape[1],
            Make::Tpu { .. } => self.devices() / self.slices,
        }
    }
    /// The chips of one host as a grid of three axes: all of them where a host can have as many, else 2 x 2.
    pub(super) fn host_bounds(&self) -> [usize; 3] {
        let Make::Tpu { host, .. } = self.chip.make else { return [self.shape[1], 1, 1] };
        let [x, y, z] = [0, 1, 2].map(|i| self.shape.get(i).copied().unwrap_or(1));
        if self.chips() <= host { [x, y, z] } else { [x.min(2), y.min(2), 1] }
    }
    /// The next larger target of this kind: twice as many devices.
    pub fn doubled(&self) -> Target {
        let mut shape = self.shape.clone();
        let at = match self.chip.make {
            Make::Gpu(_) => {
                if shape[1] < 8 {
                    1
                } else {
                    0
                }
            }
            // (grids stay as near to cubes as they can)
            Make::Tpu { .. } => (0..shape.len()).rev().min_by_key(|i| shape[*i]).unwrap_or(0),
        };
        shape[at] *= 2;
        if let Make::Tpu { .. } = self.chip.make {
            shape.sort_unstable();
        }
        Target { shape, ..self.clone() }
    }
}

/// As [`Target::parse`] reads it, without the slices.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sizes = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        match (&self.chip.make, &self.shape[..]) {
            (Make::Tpu { .. }, shape) => write!(f, "{}:{}", self.chip.name, sizes(shape)),
            (Make::Gpu(_), [1, devices]) => write!(f, "{}x{devices}", self.chip.name),
            (Make::Gpu(_), shape) => write!(f, "{}x{}", self.chip.name, sizes(shape)),
        }
    }
}
