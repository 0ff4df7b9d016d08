//! Topologies: devices that need not be present, to compile for.

use crate::{
    Code, CompileOptions, Compiled, DeviceDescription, Error, NamedValue, Plugin, Result,
    executable::program,
    named_value::{self, slice, string},
    sys,
    table::invoke,
    toolkit::with_toolkit,
};
use std::{collections::BTreeMap, fmt, ptr, sync::Arc};

/// A description of devices, present or not. Cheap to clone.
#[derive(Clone)]
pub struct Topology(Arc<Inner>);

struct Inner {
    raw: *mut sys::PJRT_TopologyDescription,
    plugin: Plugin,
    platform_name: String,
    platform_version: String,
    devices: Vec<DeviceDescription>,
    attributes: BTreeMap<String, NamedValue>,
}

// SAFETY: the PJRT C API is thread-safe, and the handle is freed once, by its owner.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the handle is freed here and nowhere else. A failure to free has no remedy.
        let _ = unsafe {
            invoke!(
                self.plugin.table(),
                PJRT_TopologyDescription_Destroy,
                PJRT_TopologyDescription_Destroy_Args { topology: self.raw }
            )
        };
    }
}

impl Topology {
    pub(crate) fn create(plugin: &Plugin, name: &str, options: &[(&str, NamedValue)]) -> Result<Topology> {
        let c_options = named_value::to_c(options);
        // SAFETY: name and options live during the call; the topology is ours.
        let raw = unsafe {
            invoke!(
                plugin.table(),
                PJRT_TopologyDescription_Create,
                PJRT_TopologyDescription_Create_Args {
                    topology_name: name.as_ptr().cast(),
                    topology_name_size: name.len(),
                    create_options: c_options.as_ptr(),
                    num_options: c_options.len(),
                }
            )
        }?
        .topology;
        let mut inner = Inner {
            raw,
            plugin: plugin.clone(),
            platform_name: String::new(),
            platform_version: String::new(),
            devices: Vec::new(),
            attributes: BTreeMap::new(),
        };
        inner.read()?;
        Ok(Topology(Arc::new(inner)))
    }

    /// The platform: `"tpu"`, `"cuda"`.
    pub fn platform_name(&self) -> &str {
        &self.0.platform_name
    }

    /// The platform's version, in its own words.
    pub fn platform_version(&self) -> &str {
        &self.0.platform_version
    }

    /// The devices.
    pub fn devices(&self) -> &[DeviceDescription] {
        &self.0.devices
    }

    /// The platform's attributes, for example `device_memory_bytes_limit` on TPU.
    pub fn attributes(&self) -> &BTreeMap<String, NamedValue> {
        &self.0.attributes
    }

    /// Compiles an MLIR module for these devices, with no device present.
    pub fn compile(&self, mlir: &[u8], options: &CompileOptions) -> Result<Compiled> {
        options.check_devices(&self.devices().iter().map(|device| device.id).collect::<Vec<_>>())?;
        options.check_module(mlir)?;
        let proto = with_toolkit(options, self.0.plugin.path(), self.platform_name()).to_proto()?;
        let program = program(mlir);
        // SAFETY: program and options live during the call; the executable is ours.
        unsafe {
            let args = invoke!(
                self.0.plugin.table(),
                PJRT_Compile,
                PJRT_Compile_Args {
                    topology: self.0.raw,
                    program: &program,
                    compile_options: proto.as_ptr().cast(),
                    compile_options_size: proto.len(),
                    client: ptr::null_mut(),
                }
            )?;
            Ok(Compiled::from_raw(args.executable, &self.0.plugin, self.clone()))
        }
    }
}

impl Plugin {
    /// What the plugin knows of a GPU of this name, as the text that `("target_config", ..)` of [`Plugin::topology`] takes: the CUDA
    /// plugin carries a description of each GPU that it can compile for without one. `None` if it has none of this name.
    ///
    /// # Errors
    /// The plugin's file cannot be read.
    pub fn gpu_config(&self, name: &str) -> Result<Option<String>> {
        const START: &[u8] = b"gpu_device_info {";
        let unreadable = |error| Error::new(Code::Unknown, format!("cannot read {}: {error}", self.path().display()));
        // SAFETY: the file is the library that this process has loaded and runs; whoever cuts it off ends the process anyway.
        let library = std::fs::File::open(self.path()).and_then(|file| unsafe { memmap2::Mmap::map(&file) });
        let library = library.map_err(unreadable)?;
        let described = format!("device_description_str: \"{name}\"");
        let text = |at: usize| {
            let text = &library[at..];
            &text[..memchr::memchr(0, text).unwrap_or(text.len())]
        };
        let mut all = memchr::memmem::find_iter(&library, START).map(text);
        let found = all.find(|text| memchr::memmem::find(text, described.as_bytes()).is_some());
        Ok(found.map(|text| String::from_utf8_lossy(text).into_owned()))
    }
}

impl Inner {
    fn read(&mut self) -> Result<()> {
        let table = self.plugin.table();
        // SAFETY: the topology is alive, and texts and lists are copied at once.
        unsafe {
            let name = invoke!(
                table,
                PJRT_TopologyDescription_PlatformName,
                PJRT_TopologyDescription_PlatformName_Args { topology: self.raw }
            )?;
            self.platform_name = string(name.platform_name, name.platform_name_size);
            let version = invoke!(
                table,
                PJRT_TopologyDescription_PlatformVersion,
                PJRT_TopologyDescription_PlatformVersion_Args { topology: self.raw }
            )?;
            self.platform_version = string(version.platform_version, version.platform_version_size);
            let devices = invoke!(
                table,
                PJRT_TopologyDescription_GetDeviceDescriptions,
                PJRT_TopologyDescription_GetDeviceDescriptions_Args { topology: self.raw }
            )?;
            let devices = slice(devices.descriptions, devices.num_descriptions).iter();
            self.devices = devices.map(|&raw| DeviceDescription::read(&self.plugin, raw)).collect::<Result<_>>()?;
            let attributes = invoke!(
                table,
                PJRT_TopologyDescription_Attributes,
                PJRT_TopologyDescription_Attributes_Args { topology: self.raw }
            )?;
            self.attributes = named_value::from_c(attributes.attributes, attributes.num_attributes);
        }
        Ok(())
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topology({}, {} devices)", self.platform_name(), self.devices().len())
    }
}
