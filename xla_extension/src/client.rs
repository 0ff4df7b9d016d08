//! Clients: the connection to a plugin's devices.

use crate::{
    Code, CompileOptions, Device, Error, Executable, KeyValueStore, Memory, NamedValue, Plugin, Result, holders,
    inside,
    key_value::Callbacks,
    launch::{Launch, Progress},
    named_value::{self, slice, string},
    sys,
    table::invoke,
    watchdog,
};
use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The most devices that a CPU client may be asked for; the plugin aborts on absurd numbers.
pub const MAX_CPU_DEVICES: i64 = 1024;

/// Programs over several CPU devices that may run at once. Each holds a thread per device while its collectives wait for
/// each other; above about 31 the plugin's pool runs dry and it deadlocks.
pub(crate) const MAX_LAUNCHES: usize = 16;

/// The connection to a plugin's devices. Cheap to clone, usable from every thread. Buffers, executables and devices keep
/// it alive.
#[derive(Clone)]
pub struct Client {
    handle: ClientHandle,
    lists: Arc<Lists>,
}

struct Lists {
    addressable: Vec<Device>,
    all: Vec<Device>,
    memories: Vec<Memory>,
}

/// What buffers, executables and devices hold on to: the raw client, freed when the last of them goes.
#[derive(Clone)]
pub(crate) struct ClientHandle(Arc<Inner>);

struct Inner {
    raw: *mut sys::PJRT_Client,
    plugin: Plugin,
    platform_name: String,
    platform_version: String,
    process_index: i64,
    launches: Mutex<VecDeque<Arc<Launch>>>,
    progress: Progress,
    live_buffers: AtomicUsize,
    /// What the plugin calls to hear of other processes, as long as the client is there.
    callbacks: Option<Callbacks>,
}

// SAFETY: the PJRT C API is thread-safe, and the handle is freed once, when the last owner goes.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        let launches = mem::take(self.launches.get_mut().unwrap_or_else(PoisonError::into_inner));
        let last = Last { raw: self.raw, plugin: self.plugin.clone(), launches, callbacks: self.callbacks.take() };
        if !inside::is_inside() {
            return last.free();
        }
        // The plugin waits for its threads when a client goes, of which this is one. Without another thread to wait in, the
        // client is left to the process's end.
        let _ = thread::Builder::new().name("raxla-client".into()).spawn(move || last.free());
    }
}

/// A client that nobody holds any more.
struct Last {
    raw: *mut sys::PJRT_Client,
    plugin: Plugin,
    launches: VecDeque<Arc<Launch>>,
    callbacks: Option<Callbacks>,
}

// SAFETY: the PJRT C API is thread-safe, and nobody else has the handle.
unsafe impl Send for Last {}

impl Last {
    fn free(self) {
        // (their own errors went to the results, which nobody kept)
        if self.launches.iter().any(|launch| launch.completed().is_err()) {
            // The watchdog's limit has passed: the plugin would wait in vain, so its client is left to the process's end, with
            // what it may call.
            mem::forget(self.callbacks);
            return;
        }
        // SAFETY: nothing that belongs to the client is alive any more. A failure to free has no remedy.
        let _ =
            unsafe { invoke!(self.plugin.table(), PJRT_Client_Destroy, PJRT_Client_Destroy_Args { client: self.raw }) };
    }
}

impl ClientHandle {
    pub(crate) fn raw(&self) -> *mut sys::PJRT_Client {
        self.0.raw
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.0.plugin
    }

    pub(crate) fn is_cpu(&self) -> bool {
        self.0.platform_name == "cpu"
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    pub(crate) fn live_buffers(&self) -> &AtomicUsize {
        &self.0.live_buffers
    }

    /// The launches in flight. Holding the guard while launching also gives all devices the
    /// same order of programs, without which collectives of two threads would wait for each other.
    pub(crate) fn launches(&self) -> MutexGuard<'_, VecDeque<Arc<Launch>>> {
        self.0.launches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for ClientHandle {
    fn eq(&self, other: &ClientHandle) -> bool {
        self.0.raw == other.0.raw
    }
}

impl Client {
    pub(crate) fn create(
        plugin: &Plugin,
        options: &[(&str, NamedValue)],
        store: Option<Arc<dyn KeyValueStore>>,
    ) -> Result<Client> {
        check_options(options)?;
        watchdog::from_environment()?;
        let table = plugin.table();
        let c_options = named_value::to_c(options);
        let callbacks = store.map(Callbacks::new);
        let mut create: sys::PJRT_Client_Create_Args = sys::sized();
        (create.create_options, create.num_options) = (c_options.as_ptr(), c_options.len());
        callbacks.iter().for_each(|callbacks| callbacks.give_to(&mut create));
        // SAFETY: the options live during the call, and the callbacks as long as the client; texts are copied at once; the
        // client is freed by `Inner`.
        let handle = unsafe {
            table
                .call("PJRT_Client_Create", table.0.PJRT_Client_Create, &mut create)
                .map_err(|error| no_device(plugin, error))?;
            let raw = create.client;
            let mut inner = Inner {
                raw,
                plugin: plugin.clone(),
                platform_name: String::new(),
                platform_version: String::new(),
                process_index: 0,
                launches: Mutex::default(),
                progress: Progress::default(),
                live_buffers: AtomicUsize::new(0),
                callbacks,
            };
            let name = invoke!(table, PJRT_Client_PlatformName, PJRT_Client_PlatformName_Args { client: raw })?;
            inner.platform_name = string(name.platform_name, name.platform_name_size);
            let version =
                invoke!(table, PJRT_Client_PlatformVersion, PJRT_Client_PlatformVersion_Args { client: raw })?;
            inner.platform_version = string(version.platform_version, version.platform_version_size);
            let process = invoke!(table, PJRT_Client_ProcessIndex, PJRT_Client_ProcessIndex_Args { client: raw })?;
            inner.process_index = i64::from(process.process_index);
            ClientHandle(Arc::new(inner))
        };
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        if let (true, Some(function)) = (handle.is_cpu(), table.0.PJRT_Client_Create) {
            crate::pages::of_library(function as *const _);
        }
        let lists = Arc::new(Lists::read(&handle)?);
        if handle.is_cpu() && lists.addressable.len() > 1 {
            watchdog::warn_by_default();
        }
        Ok(Client { handle, lists })
    }

    /// The platform: `"cpu"`, `"cuda"`, `"tpu"`.
    pub fn platform_name(&self) -> &str {
        &self.handle.0.platform_name
    }

    /// The platform's version, in its own words.
    pub fn platform_version(&self) -> &str {
        &self.handle.0.platform_version
    }

    /// The number of this process in a program over several processes; 0 otherwise.
    pub fn process_index(&self) -> i64 {
        self.handle.0.process_index
    }

    /// The devices of this process, which can be given work.
    pub fn devices(&self) -> &[Device] {
        &self.lists.addressable
    }

    /// The devices of all processes.
    pub fn all_devices(&self) -> &[Device] {
        &self.lists.all
    }

    /// The memories of this process.
    pub fn memories(&self) -> &[Memory] {
        &self.lists.memories
    }

    /// The device with this id, among those of all processes.
    pub fn device(&self, id: i64) -> Result<&Device> {
        self.all_devices().iter().find(|device| device.id() == id).ok_or_else(|| {
            let known: Vec<i64> = self.all_devices().iter().map(Device::id).collect();
            Error::new(Code::NotFound, format!("no device has id {id}; the ids are {known:?}"))
        })
    }

    /// The plugin that this client belongs to.
    pub fn plugin(&self) -> &Plugin {
        self.handle.plugin()
    }

    /// How many buffers of this client exist now: what was uploaded or computed and not yet dropped.
    pub fn live_buffers(&self) -> usize {
        self.handle.live_buffers().load(Ordering::Relaxed)
    }

    /// Compiles an MLIR module (StableHLO text or bytecode with an entry `@main`) for this client's devices.
    pub fn compile(&self, mlir: &[u8], options: &CompileOptions) -> Result<Executable> {
        Executable::compile(self, mlir, options)
    }

    /// Loads what [`Executable::serialize`](crate::Compiled::serialize) gave, by the same platform and plugin version.
    /// The plugin trusts the bytes, so keep a checksum with them. FFI handlers must be registered before.
    pub fn deserialize(&self, bytes: &[u8], options: &CompileOptions) -> Result<Executable> {
        Executable::deserialize(self, bytes, options)
    }

    pub(crate) fn handle(&self) -> &ClientHandle {
        &self.handle
    }

    /// # Safety
    /// `raw` is a device of this client.
    pub(crate) unsafe fn wrap_device(&self, raw: *mut sys::PJRT_Device) -> Result<Device> {
        let known = self.lists.all.iter().find(|device| device.raw() == raw);
        known.cloned().ok_or_else(|| Error::new(Code::Internal, "the plugin named a device that it did not list"))
    }
}

impl Lists {
    fn read(client: &ClientHandle) -> Result<Lists> {
        let table = client.plugin().table();
        let raw = client.raw();
        // SAFETY: the client is alive, and its lists live as long as it does.
        unsafe {
            let own =
                invoke!(table, PJRT_Client_AddressableDevices, PJRT_Client_AddressableDevices_Args { client: raw })?;
            let own = slice(own.addressable_devices, own.num_addressable_devices);
            let all = invoke!(table, PJRT_Client_Devices, PJRT_Client_Devices_Args { client: raw })?;
            let all: Vec<Device> = slice(all.devices, all.num_devices)
                .iter()
                .map(|&device| Device::read(client, device, own.contains(&device)))
                .collect::<Result<_>>()?;
            let addressable = own.iter().filter_map(|&raw| all.iter().find(|device| device.raw() == raw).cloned());
            let memories =
                invoke!(table, PJRT_Client_AddressableMemories, PJRT_Client_AddressableMemories_Args { client: raw })?;
            let memories = slice(memories.addressable_memories, memories.num_addressable_memories)
                .iter()
                .map(|&memory| Memory::read(client, memory))
                .collect::<Result<_>>()?;
            Ok(Lists { addressable: addressable.collect(), all, memories })
        }
    }
}

/// Refuses option values over which a plugin is known to abort the process.
fn check_options(options: &[(&str, NamedValue)]) -> Result<()> {
    for (name, value) in options {
        if let ("cpu_device_count", NamedValue::Int(count)) = (*name, value)
            && !(1..=MAX_CPU_DEVICES).contains(count)
        {
            return Err(Error::invalid(format!("cpu_device_count is {count}; it must lie in 1..={MAX_CPU_DEVICES}")));
        }
    }
    Ok(())
}

/// Adds the way out to the errors with which plugins tell that their device is missing, or taken.
fn no_device(plugin: &Plugin, error: Error) -> Error {
    let Some(entry) = crate::manifest::entry_of_library(plugin.path()).filter(|entry| entry.platform_name != "cpu")
    else {
        return error;
    };
    let holders = holders::holders(&entry.kind);
    if !holders.is_empty() {
        let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
        return error
            .help(format!("the device is in use by {}: end that process, or wait for it", names.join("; by ")));
    }
    match error.code {
        Code::NotFound | Code::FailedPrecondition => error.help(format!(
            "the `{}` plugin finds no device on this machine; `raxla doctor` shows what it looks for, and the `cpu` plugin runs everywhere",
            entry.kind
        )),
        _ => error,
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Client) -> bool {
        self.handle == other.handle
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {} devices)", self.platform_name(), self.devices().len())
    }
}
