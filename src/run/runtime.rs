//! Where programs run: the default client, made on first use.
//!
//! A [`Client`] is a loaded plugin with its devices. [`client`] is the process-wide one; [`set_client`] chooses it
//! before first use, and [`client_with`] makes others, for [`Jit::on`](crate::Jit::on) and
//! [`Array::on`](crate::Array::on).
use crate::{
    aval::Aval,
    debug::{self, CheckKind, HostCall, View},
    error::{Error, Result},
};
use raxla_xla::{
    Code, NamedValue, Plugin,
    ffi::{self, Arg, Call},
    find_plugin_for_device,
};
use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

pub use raxla_xla::{Client, Device, OnStall, Watchdog, watch, watched_by};

/// Which plugin to load, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `cpu`, `cuda12`, `cuda13` or `tpu`; empty means the environment variable `RAXLA_PLATFORM`, else `cpu`.
    pub platform: String,
    /// The plugin's file, instead of the search order of [`find_plugin`](raxla_xla::find_plugin).
    pub plugin: Option<PathBuf>,
    /// Number of virtual devices of the CPU plugin; 1 when `None`.
    pub cpu_devices: Option<usize>,
}

/// Load a plugin (installing it if need be) and make a client.
pub fn client_with(options: &Options) -> Result<Client> {
    let platform = match options.platform.as_str() {
        "" => std::env::var("RAXLA_PLATFORM").unwrap_or_else(|_| "cpu".into()),
        p => p.to_string(),
    };
    let plugin = Plugin::load(&find_plugin_for_device(&platform, options.plugin.as_deref())?)?;
    let devices = i64::try_from(options.cpu_devices.unwrap_or(1)).unwrap_or(i64::MAX);
    let count = ("cpu_device_count", NamedValue::Int(devices));
    Ok(plugin.client(if platform == "cpu" { std::slice::from_ref(&count) } else { &[] })?)
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
