//! Plugins: shared libraries that implement the PJRT C API for a platform.

use crate::{
    Client, Code, Error, KeyValueStore, NamedValue, Result, Topology, environment, named_value,
    sys::{self, PJRT_Extension_Base},
    table::{Table, invoke},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt, mem,
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// The oldest plugin API (the minor of 0.minor) that this crate accepts: the oldest it is tested with.
pub const OLDEST_API: i32 = 106;

/// A loaded plugin. Cheap to clone, usable from every thread, never unloaded. A process may load several; loading one
/// path twice gives the same plugin.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    table: Table,
    path: PathBuf,
    attributes: BTreeMap<String, NamedValue>,
    extensions: Vec<Extension>,
    handlers: Mutex<HashMap<(String, String), usize>>,
}

/// One link of the plugin's chain of extensions.
#[derive(Clone, Copy)]
struct Extension {
    kind: sys::PJRT_Extension_Type,
    base: *const PJRT_Extension_Base,
}

// SAFETY: extensions are immutable statics of a library that is never unloaded.
unsafe impl Send for Extension {}
// SAFETY: as above.
unsafe impl Sync for Extension {}

impl Plugin {
    /// Loads the plugin at `path` and initializes it. Checks before loading what would crash inside: that the file is a
    /// shared library, and that `XLA_FLAGS` names only flags that the plugin knows.
    pub fn load(path: &Path) -> Result<Plugin> {
        static LOADED: LazyLock<Mutex<HashMap<PathBuf, Plugin>>> = LazyLock::new(Mutex::default);
        let path = path.canonicalize().map_err(|error| {
            Error::new(Code::NotFound, format!("cannot open plugin {}: {error}", path.display()))
                .help("`raxla plugin list` shows the installed plugins, `raxla plugin install cpu` installs one")
        })?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = loaded.get(&path) {
            return Ok(plugin.clone());
        }
        environment::check_library(&path)?;
        environment::check_xla_flags(&path)?;
        environment::prepare();
        let plugin = Plugin::open(&path)?;
        loaded.insert(path, plugin.clone());
        Ok(plugin)
    }

    fn open(path: &Path) -> Result<Plugin> {
        let prefix = |message: &str| format!("plugin {}: {message}", path.display());
        let fail = |message: &str| Error::new(Code::FailedPrecondition, prefix(message));
        // SAFETY: loading runs the library's initializers; the user chose this library as a PJRT plugin.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
            fail(&format!("cannot load: {error}")).help(
                "if it is damaged, install it again with `raxla plugin install`; if it needs libraries, install them",
            )
        })?;
        // Unloading a PJRT plugin is not supported: its threads outlive every client.
        let library = mem::ManuallyDrop::new(library);
        // SAFETY: GetPjrtApi has this signature in every PJRT plugin.
        let api = unsafe {
            let symbol = library.get::<unsafe extern "C" fn() -> *const sys::PJRT_Api>(b"GetPjrtApi\0");
            let get = symbol.map_err(|_| {
                fail("it has no symbol GetPjrtApi, so it is not a PJRT plugin")
                    .help("give the path of a PJRT plugin, or run `raxla plugin install cpu`")
            })?;
            get()
        };
        if api.is_null() {
            return Err(fail("GetPjrtApi returned nothing"));
        }
        // SAFETY: the table is a static of a library that is never unloaded.
        let table = unsafe { Table::copy(api) };
        let (major, minor) = (table.0.pjrt_api_version.major_version, table.0.pjrt_api_version.minor_version);
        if i64::from(major) != i64::from(sys::PJRT_API_MAJOR) || minor < OLDEST_API {
            return Err(fail(&format!("it has PJRT API {major}.{minor}, but raxla needs 0.{OLDEST_API} or newer"))
                .help("install a newer plugin, for example with `raxla plugin install cpu`"));
        }
        // SAFETY: no pointers go in.
        unsafe { invoke!(&table, PJRT_Plugin_Initialize, PJRT_Plugin_Initialize_Args {}) }
            .map_err(|error| Error { message: prefix(&error.message), ..error })?;
        // SAFETY: no pointers go in, and the attributes that come out live as long as the process.
        let attributes = unsafe {
            match invoke!(&table, PJRT_Plugin_Attributes, PJRT_Plugin_Attributes_Args {}) {
                Ok(args) => named_value::from_c(args.attributes, args.num_attributes),
                Err(error) if error.code == Code::Unimplemented => BTreeMap::new(),
                Err(error) => return Err(error),
            }
        };
        // SAFETY: the chain hangs off the table, a static.
        let extensions = unsafe { walk(table.0.extension_start) };
        crate::exit::register();
        let path = path.to_path_buf();
        Ok(Plugin(Arc::new(Inner { table, path, attributes, extensions, handlers: Mutex::default() })))
    }

    /// The plugin's PJRT API version, (major, minor).
    pub fn api_version(&self) -> (i32, i32) {
        let version = &self.0.table.0.pjrt_api_version;
        (version.major_version, version.minor_version)
    }

    /// What the plugin says of itself: `xla_version`, `stablehlo_current_version`, `stablehlo_minimum_version`, ...
    pub fn attributes(&self) -> &BTreeMap<String, NamedValue> {
        &self.0.attributes
    }

    /// The file that was loaded, links resolved.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether the plugin has an extension of this kind (a `sys::PJRT_Extension_Type_*` number).
    pub fn has_extension(&self, kind: sys::PJRT_Extension_Type) -> bool {
        self.extension_base(kind).is_some()
    }

    /// The kinds of all extensions of the plugin, in its order.
    pub fn extensions(&self) -> Vec<sys::PJRT_Extension_Type> {
        self.0.extensions.iter().map(|extension| extension.kind).collect()
    }

    fn extension_base(&self, kind: sys::PJRT_Extension_Type) -> Option<*const PJRT_Extension_Base> {
        self.0.extensions.iter().find(|extension| extension.kind == kind).map(|extension| extension.base)
    }

    /// A copy of the extension's function table; functions that the plugin is too old to have are `None`.
    ///
    /// # Safety
    /// `T` is the C struct of the extension `kind`: a `PJRT_Extension_Base` followed by function pointers.
    pub(crate) unsafe fn extension<T: Default>(&self, kind: sys::PJRT_Extension_Type) -> Option<T> {
        let base = self.extension_base(kind)?;
        let mut copy = T::default();
        // SAFETY: the base's size says how much of the struct there is; the rest of the copy stays zero.
        unsafe {
            let size = (*base).struct_size.min(mem::size_of::<T>());
            ptr::copy_nonoverlapping(base.cast::<u8>(), (&raw mut copy).cast::<u8>(), size);
        }
        Some(copy)
    }

    /// Creates a client: the connection to this plugin's devices. Options are the platform's, for example
    /// `("cpu_device_count", 8.into())` on the CPU.
    pub fn client(&self, options: &[(&str, NamedValue)]) -> Result<Client> {
        Client::create(self, options, None)
    }

    /// As [`Plugin::client`], for a program of several processes, which find each other in this store. The platform's options
    /// say which of how many this is: `node_id` and `num_nodes` on GPUs.
    pub fn client_with_store(&self, options: &[(&str, NamedValue)], store: Arc<dyn KeyValueStore>) -> Result<Client> {
        Client::create(self, options, Some(store))
    }

    /// Describes devices that need not be present, to compile for them: `("v5e:2x4", ..)` on TPU. Names and options are
    /// the platform's.
    pub fn topology(&self, name: &str, options: &[(&str, NamedValue)]) -> Result<Topology> {
        Topology::create(self, name, options)
    }

    pub(crate) fn table(&self) -> &Table {
        &self.0.table
    }

    /// The FFI handlers registered so far: (platform, name) and the address of the handler.
    pub(crate) fn handlers(&self) -> &Mutex<HashMap<(String, String), usize>> {
        &self.0.handlers
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.api_version();
        write!(f, "Plugin({}, PJRT {major}.{minor})", self.0.path.display())
    }
}

/// # Safety
/// `start` is null or the head of a chain of extensions that lives as long as the process.
unsafe fn walk(start: *const PJRT_Extension_Base) -> Vec<Extension> {
    let mut found = Vec::new();
    let mut base = start;
    while !base.is_null() {
        // SAFETY: the caller vouches for the chain.
        unsafe {
            found.push(Extension { kind: (*base).type_, base });
            base = (*base).next;
        }
    }
    found
}
