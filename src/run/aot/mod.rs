//! Compiling for accelerators that are not there: does a program fit, what does it communicate, and how long may it take?
//!
//! Plugins compile ahead of time with no device present. A [`Target`] names devices, [`Devices::open`] has a plugin describe them, and
//! [`Lowered::plan`](crate::Lowered::plan) compiles a program for them into a [`Plan`]. Nothing runs: a plan proves neither numbers nor
//! speed.
//!
//! ```no_run
//! use raxla::{aot::{Devices, Options, Target}, prelude::*};
//! let devices = Devices::open(&Target::parse("v5e:2x4")?, None)?; // downloads the plugin where it is missing
//! let mesh = devices.mesh([("data", 8)])?;
//! let f = jit(|x: Tensor, w: Tensor| x.matmul(w)).on(&mesh).in_shardings((raxla::P!["data"], raxla::P![]));
//! let types = (Aval::new(DType::BF16, [1024, 512]), Aval::new(DType::BF16, [512, 256]));
//! let plan = f.lower(&types)?.plan(&devices, &Options::default())?;
//! assert!(plan.fits());
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! A plugin may end the process over what it does not expect, so programs that must go on compile in a child process, as `raxla plan`
//! does.
use crate::{
    error::{Error, Result},
    mesh::Mesh,
};
use raxla_xla::{Code, NamedValue, Plugin, Progress, Topology};
use std::path::Path;

mod buffers;
mod chips;
mod compile;
mod estimate;
mod plan;
mod target;
mod traffic;

pub use buffers::Buffer;
pub use chips::{CHIPS, Chip, Make};
pub use compile::Options;
pub use estimate::{Estimate, Work};
pub use plan::{Memory, Plan, Traffic};
pub use target::{MOST_DEVICES, Target};

/// What of a GPU's memory is left to the driver and its libraries, as XLA's own `xla_gpu_memory_limit_slop_factor` does.
const GPU_SHARE: f64 = 0.95;

/// The devices of a target, as its plugin describes them.
#[derive(Debug)]
pub struct Devices {
    target: Target,
    topology: Topology,
    limit: u64,
}

impl Devices {
    /// Has the plugin describe them: `plugin`, or the target's own, which is downloaded where it is missing (some hundred megabytes).
    ///
    /// # Errors
    /// No plugin; one that does not know the target.
    pub fn open(target: &Target, plugin: Option<&Path>) -> Result<Devices> {
        let kind = target.plugin();
        let path = plugin.map_or_else(|| raxla_xla::install_first(kind, Progress::Stderr), |path| Ok(path.into()))?;
        let plugin = Plugin::load(&path)?;
        let (topology, limit) = match target.chip.make {
            Make::Tpu { .. } => {
                let topology = tpus(target, &plugin)?;
                let limit = match topology.attributes().get("device_memory_bytes_limit") {
                    Some(NamedValue::Int(bytes)) => u64::try_from(*bytes).unwrap_or(target.chip.memory),
                    _ => target.chip.memory,
                };
                (topology, limit)
            }
            Make::Gpu(name) => {
                if let Some(entry) = raxla_xla::entries(kind)?.first() {
                    raxla_xla::install_needs(entry, Progress::Stderr)?;
                }
                (gpus(target, name, &plugin)?, (target.chip.memory as f64 * GPU_SHARE) as u64)
            }
        };
        if topology.devices().len() != target.devices() {
            let what = format!(
                "the plugin describes {} devices of {target}, not {}",
                topology.devices().len(),
                target.devices()
            );
            return Err(Error::Runtime(raxla_xla::Error::new(Code::Internal, what)));
        }
        Ok(Devices { target: target.clone(), topology, limit })
    }

    /// What was asked for.
    pub fn target(&self) -> &Target {
        &self.target
    }
    /// The plugin's description.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }
    /// Bytes that a program may take on each device.
    pub fn limit(&self) -> u64 {
        self.limit
    }
    /// A mesh with these axes, for programs that are planned for these devices: it has none itself.
    ///
    /// # Errors
    /// As [`Mesh::abstract_mesh`]; more devices than there are.
    pub fn mesh<N: AsRef<str>>(&self, axes: impl IntoIterator<Item = (N, usize)>) -> Result<Mesh> {
        let mesh = Mesh::abstract_mesh(axes)?;
        self.check(&mesh)?;
        Ok(mesh)
    }
    /// A plugin may end the process over a program for more devices than there are.
    fn check(&self, mesh: &Mesh) -> Result<()> {
        let (wanted, there) = (mesh.size(), self.target.devices());
        if wanted <= there {
            return Ok(());
        }
        let reason = format!("the mesh {mesh} needs {wanted} devices, but {} has {there}", self.target);
        Err(Error::Sharding { reason, help: "make an axis smaller, or name a larger target".into() })
    }
}

fn tpus(target: &Target, plugin: &Plugin) -> Result<Topology> {
    let ints = |sizes: &[usize]| NamedValue::Ints(sizes.iter().map(|n| *n as i64).collect());
    let mut options = vec![("chips_per_host_bounds", ints(&target.host_bounds()))];
    if let Make::Tpu { config, .. } = target.chip.make
        && !config.is_empty()
    {
        options.push(("chip_config_name", config.into()));
    }
    if target.slices > 1 {
        options.push(("num_slices", (target.slices as i64).into()));
    }
    Ok(plugin.topology(&target.to_string(), &options)?)
}

fn gpus(target: &Target, name: &str, plugin: &Plugin) -> Result<Topology> {
    let config = plugin.gpu_config(name)?.ok_or_else(|| {
        let what = format!("the plugin {} has no description of the GPU `{name}`", plugin.path().display());
        let error = raxla_xla::Error::new(Code::NotFound, what);
        Error::Runtime(error.help("install the plugin that is pinned: `raxla plugin install cuda13`"))
    })?;
    let shape = format!("1x{}x{}", target.shape[0], target.shape[1]);
    Ok(plugin
        .topology("", &[("target_config", NamedValue::String(config)), ("topology", NamedValue::String(shape))])?)
}
