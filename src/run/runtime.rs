//! Where programs run: the default client, made on first use.
//!
//! A [`Client`] is a loaded plugin with its devices. [`client`] is the process-wide one; [`set_client`] chooses it
//! before first use, and [`client_with`] makes others, for [`Jit::on`](crate::Jit::on) and
//! [`Array::on`](crate::Array::on).
use crate::{
    aval::Aval,
    debug::{self, CheckKind, HostCall, View},
    distributed,
    error::{Error, Result},
};
use raxla_xla::{
    Code, Plugin,
    ffi::{self, Arg, Call},
    find_plugin_for_device,
};
use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

pub use raxla_xla::{Client, Device, NamedValue, OnStall, Watchdog, watch, watched_by};

/// Which plugin to load, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `cpu`, `cuda` (that of the driver: `cuda13` or `cuda12`), `tpu`, or the path of a plugin's file (with a `/`, or ending with `.so`);
    /// empty means the environment variable `RAXLA_PLATFORM`, else `cpu`.
    pub platform: String,
    /// The plugin's file, instead of the search order of [`find_plugin`](raxla_xla::find_plugin).
    pub plugin: Option<PathBuf>,
    /// Number of virtual devices of the CPU plugin; 1 when `None`.
    pub cpu_devices: Option<usize>,
    /// How GPUs' memory is taken.
    pub gpu: GpuOptions,
    /// Further options that the plugin knows, by its own names.
    pub create_options: Vec<(String, NamedValue)>,
}

/// How a GPU's memory is taken. What is `None` is as the environment says, by the variables that JAX has, or else as the plugin does it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuOptions {
    /// Which part of the memory is taken; `XLA_CLIENT_MEM_FRACTION` (or `XLA_PYTHON_CLIENT_MEM_FRACTION`). XLA: 0.75.
    pub memory_fraction: Option<f32>,
    /// Whether it is taken at once; `XLA_PYTHON_CLIENT_PREALLOCATE`. XLA: yes.
    pub preallocate: Option<bool>,
    /// Who hands it out: `default`, `platform`, `bfc`, `cuda_async` or `vmm`; `XLA_PYTHON_CLIENT_ALLOCATOR`.
    pub allocator: Option<String>,
    /// Bytes that are set aside for collectives; `XLA_PYTHON_CLIENT_COLLECTIVE_MEM_SIZE_MB`, which counts MiB.
    pub collective_memory: Option<u64>,
}

/// The allocators that XLA has on GPUs.
pub const GPU_ALLOCATORS: [&str; 5] = ["default", "platform", "bfc", "cuda_async", "vmm"];

impl GpuOptions {
    /// These, and where they say nothing what the variables say.
    ///
    /// # Errors
    /// A variable with another value than it can have.
    pub fn with_environment(&self, variable: impl Fn(&str) -> Option<String>) -> Result<GpuOptions> {
        let var = |name: &str| variable(name).map(|text| text.trim().to_string()).filter(|text| !text.is_empty());
        let wrong =
            |name: &str, text: &str, wants: &str| invalid(format!("{name} is `{text}`"), format!("set it to {wants}"));
        let named = |name: &'static str| var(name).map(|text| (name, text));
        let fraction = match named("XLA_CLIENT_MEM_FRACTION").or_else(|| named("XLA_PYTHON_CLIENT_MEM_FRACTION")) {
            Some((name, text)) => Some(text.parse().map_err(|_| wrong(name, &text, "a number from 0 to 1"))?),
            None => None,
        };
        let preallocate = match named("XLA_PYTHON_CLIENT_PREALLOCATE") {
            Some((name, text)) => Some(match text.to_lowercase().as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(wrong(name, &text, "true or false")),
            }),
            None => None,
        };
        let mib = match named("XLA_PYTHON_CLIENT_COLLECTIVE_MEM_SIZE_MB") {
            Some((name, text)) => Some(text.parse::<u64>().map_err(|_| wrong(name, &text, "a number of MiB"))?),
            None => None,
        };
        let all = GpuOptions {
            memory_fraction: self.memory_fraction.or(fraction),
            preallocate: self.preallocate.or(preallocate),
            allocator: self
                .allocator
                .clone()
                .or_else(|| var("XLA_PYTHON_CLIENT_ALLOCATOR").map(|name| name.to_lowercase())),
            collective_memory: self.collective_memory.or(mib.map(|mib| mib << 20)),
        };
        all.check()?;
        Ok(all)
    }
    fn check(&self) -> Result<()> {
        if let Some(part) = self.memory_fraction.filter(|part| !(*part > 0.0 && *part <= 1.0)) {
            return Err(invalid(
                format!("{part} is no part of a GPU's memory"),
                "say a number from 0 to 1, such as 0.75",
            ));
        }
        if let Some(name) = self.allocator.as_ref().filter(|name| !GPU_ALLOCATORS.contains(&name.as_str())) {
            let known = GPU_ALLOCATORS.join(", ");
            return Err(invalid(format!("XLA has no allocator `{name}` for GPUs"), format!("choose one of {known}")));
        }
        Ok(())
    }
    /// As the plugin takes them.
    fn options(&self) -> Vec<(&'static str, NamedValue)> {
        let part = self.memory_fraction.map(|part| ("memory_fraction", NamedValue::Float(part)));
        let at_once = self.preallocate.map(|yes| ("preallocate", yes.into()));
        let who = self.allocator.as_deref().map(|name| ("allocator", name.into()));
        let bytes = self.collective_memory.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let aside = bytes.map(|n| ("collective_memory_size", n.into()));
        [part, at_once, who, aside].into_iter().flatten().collect()
    }
}

fn invalid(what: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Runtime(raxla_xla::Error::new(Code::InvalidArgument, what).help(help))
}

impl Options {
    /// What the plugin is for (`cpu`, `cuda`, ..; `None` for a file of which nothing is known), and its file where one is named.
    fn device(&self) -> (Option<String>, Option<PathBuf>) {
        let platform = match self.platform.as_str() {
            "" => std::env::var("RAXLA_PLATFORM").ok().filter(|p| !p.is_empty()).unwrap_or_else(|| "cpu".into()),
            p => p.to_string(),
        };
        if !is_path(&platform) {
            return (Some(platform), self.plugin.clone());
        }
        let path = PathBuf::from(&platform);
        (raxla_xla::entry_of_library(&path).map(|entry| entry.kind.clone()), Some(self.plugin.clone().unwrap_or(path)))
    }
}

/// Does a platform's name name a plugin's file?
pub fn is_path(platform: &str) -> bool {
    platform.contains(std::path::MAIN_SEPARATOR) || platform.ends_with(std::env::consts::DLL_SUFFIX)
}

/// Load a plugin (installing it if need be) and make a client. In a program of several processes ([`distributed`]), it is told of the others
/// where it needs that: on a TPU the plugin finds them by itself, and on the CPU it knows of none.
///
/// # Errors
/// No such plugin, or one that does not find its device; options that make no sense.
pub fn client_with(options: &Options) -> Result<Client> {
    let (platform, path) = options.device();
    let kind = platform.as_deref().unwrap_or("");
    let plugin = Plugin::load(&find_plugin_for_device(kind, path.as_deref())?)?;
    let gpu = match kind {
        "cpu" | "tpu" if options.gpu == GpuOptions::default() => GpuOptions::default(),
        "cpu" | "tpu" => {
            return Err(invalid(
                format!("a part of memory and an allocator are for GPUs, not for {kind}"),
                "leave them out",
            ));
        }
        // (of a plugin that is not known, only what was asked for)
        "" => options.gpu.with_environment(|_| None)?,
        _ => options.gpu.with_environment(|name| std::env::var(name).ok())?,
    };
    let mut create = gpu.options();
    if kind == "cpu" {
        let devices = i64::try_from(options.cpu_devices.unwrap_or(1)).unwrap_or(i64::MAX);
        create.push(("cpu_device_count", NamedValue::Int(devices)));
    }
    let processes = distributed::processes().filter(|all| all.count() > 1 && !matches!(kind, "cpu" | "tpu"));
    if let Some(all) = &processes {
        create.push(("node_id", NamedValue::Int(all.index() as i64)));
        create.push(("num_nodes", NamedValue::Int(all.count() as i64)));
        if let Some(ids) = all.local_device_ids().filter(|_| kind.starts_with("cuda")) {
            create.push(("visible_devices", NamedValue::Ints(ids.to_vec())));
        }
    }
    let given = options.create_options.iter().map(|(name, value)| (name.as_str(), value.clone()));
    create.retain(|(name, _)| options.create_options.iter().all(|(given, _)| given != name));
    create.extend(given);
    Ok(match processes {
        Some(all) => plugin.client_with_store(&create, all.for_plugins())?,
        None => plugin.client(&create)?,
    })
}

static DEFAULT: OnceLock<Client> = OnceLock::new();

/// The process-wide client that `jit` and `Array` use when none is named: made on first use with default [`Options`].
pub fn client() -> Result<Client> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(c) = DEFAULT.get() {
        return Ok(c.clone());
    }
    let made = client_with(&Options::default())?;
    Ok(DEFAULT.get_or_init(|| made).clone())
}

/// Has the process-wide client been made or chosen?
pub(crate) fn has_client() -> bool {
    DEFAULT.get().is_some()
}

/// Make this the process-wide client. Returns `false`, and changes nothing, when there is one already.
pub fn set_client(c: Client) -> bool {
    DEFAULT.set(c).is_ok()
}

/// Make programs of this client able to call kernels and, where an operation `calls_host`, to print and to check. Must come before one
/// that does is compiled or loaded.
///
/// # Errors
/// With such an operation, on a platform other than the CPU, whose compiled programs cannot call the host.
pub(crate) fn register(client: &Client, calls_host: Option<&str>) -> Result<()> {
    if client.platform_name() == "cpu" {
        raxla_kernels::call::register(client.plugin())?;
    }
    let Some(operation) = calls_host else { return Ok(()) };
    if client.platform_name() != "cpu" {
        let e = raxla_xla::Error::new(Code::Unimplemented, no_calls(operation, client.platform_name()));
        let help = format!(
            "run it on the CPU (RAXLA_PLATFORM=cpu), or leave `{operation}` out: return what it looks at, and call it in a program of the CPU; \
             prints and checks outside of `while_loop`, `shard_map` and solvers run everywhere"
        );
        return Err(Error::Runtime(e.help(help)));
    }
    Ok(ffi::register(client.plugin(), debug::TARGET, call_back)?)
}

/// Why a program with this operation does not run on this platform.
fn no_calls(operation: &str, platform: &str) -> String {
    format!(
        "`{operation}` calls a function of this process, which compiled programs can do on the CPU alone, not on {platform}"
    )
}

/// What a compiled program calls. The last operand and the result only order the calls.
fn call_back(call: &mut Call) -> raxla_xla::Result<()> {
    let broken = |what: &str| raxla_xla::Error::new(Code::Internal, format!("a call of the host {what}"));
    let (_, args) = call.args.split_last().ok_or_else(|| broken("has no operands"))?;
    let (attrs, kind) = (call.attrs, call.attrs.string("kind")?);
    let callback = HostCall {
        kind: CheckKind::ALL.into_iter().find(|k| k.name() == kind).ok_or_else(|| broken("is of an unknown kind"))?,
        text: attrs.string("text")?.into(),
        paths: attrs.string("paths")?.split('\n').map(str::to_string).collect(),
        at: attrs.string("at")?.into(),
        batch: attrs.ints("batch")?.iter().map(|n| *n as usize).collect(),
    };
    let views = args.iter().map(view).collect::<raxla_xla::Result<Vec<_>>>()?;
    call.results[0].as_mut_bytes().fill(0);
    callback.run(&views).map_err(|why| raxla_xla::Error::new(Code::FailedPrecondition, debug::marked(&why)))
}

/// An argument of a call, with 4-bit integers unpacked to one byte each.
fn view<'a>(arg: &Arg<'a>) -> raxla_xla::Result<View<'a>> {
    let dims: Vec<usize> = arg.dims().iter().map(|d| *d as usize).collect();
    let (aval, bytes) = (Aval::new(arg.dtype(), dims), arg.as_bytes()?);
    if aval.dtype.bits() != 4 {
        return Ok(View { aval, bytes: bytes.into() });
    }
    let halves = bytes.iter().flat_map(|b| [b & 0xf, b >> 4]).take(aval.size());
    Ok(View { bytes: halves.collect::<Vec<u8>>().into(), aval })
}
