//! Where programs run: the default client, made on first use.
//!
//! A [`Client`] is a loaded plugin with its devices. [`client`] is the process-wide one; [`set_client`] chooses it
//! before first use, and [`client_with`] makes others, for [`Jit::on`](crate::Jit::on) and
//! [`Array::on`](crate::Array::on).
use crate::error::Result;
use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock},
};
use xla_extension::{NamedValue, Plugin, find_plugin};

pub use xla_extension::{Client, Device};

/// Which plugin to load, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `cpu`, `cuda12`, `cuda13` or `tpu`; empty means the environment variable `RAXLA_PLATFORM`, else `cpu`.
    pub platform: String,
    /// The plugin's file, instead of the search order of [`find_plugin`].
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
    let plugin = Plugin::load(&find_plugin(&platform, options.plugin.as_deref())?)?;
    let count = ("cpu_device_count", NamedValue::Int(options.cpu_devices.unwrap_or(1) as i64));
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
