//! Devices and their memories.

use crate::{
    NamedValue, Plugin, Result,
    client::ClientHandle,
    extensions,
    named_value::{self, slice, string},
    sys,
    table::invoke,
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What is known of a device without talking to it; a topology describes devices that need not be present.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceDescription {
    /// The device's number, unique among all processes of a program.
    pub id: i64,
    /// The process that the device belongs to.
    pub process_index: i64,
    /// The hardware's name, for example `cpu`, `NVIDIA H100`, `TPU v5 lite`.
    pub kind: String,
    /// A short text for people.
    pub text: String,
    /// A longer text for logs.
    pub debug: String,
    /// The platform's attributes, such as the coordinates of a TPU core.
    pub attributes: BTreeMap<String, NamedValue>,
    /// The kinds of memory that the device has, the default one first; empty if the plugin does not tell.
    pub memory_kinds: Vec<String>,
}

impl DeviceDescription {
    /// # Safety
    /// `raw` is a device description of `plugin`.
    pub(crate) unsafe fn read(plugin: &Plugin, raw: *mut sys::PJRT_DeviceDescription) -> Result<DeviceDescription> {
        let table = plugin.table();
        // SAFETY: `raw` is valid, and what comes out lives as long as it does and is copied at once.
        unsafe {
            let id =
                invoke!(table, PJRT_DeviceDescription_Id, PJRT_DeviceDescription_Id_Args { device_description: raw })?;
            let process = invoke!(
                table,
                PJRT_DeviceDescription_ProcessIndex,
                PJRT_DeviceDescription_ProcessIndex_Args { device_description: raw }
            )?;
            let kind = invoke!(
                table,
                PJRT_DeviceDescription_Kind,
                PJRT_DeviceDescription_Kind_Args { device_description: raw }
            )?;
            let text = invoke!(
                table,
                PJRT_DeviceDescription_ToString,
                PJRT_DeviceDescription_ToString_Args { device_description: raw }
            )?;
            let debug = invoke!(
                table,
                PJRT_DeviceDescription_DebugString,
                PJRT_DeviceDescription_DebugString_Args { device_description: raw }
            )?;
            let attributes = invoke!(
                table,
                PJRT_DeviceDescription_Attributes,
                PJRT_DeviceDescription_Attributes_Args { device_description: raw }
            )?;
            Ok(DeviceDescription {
                id: i64::from(id.id),
                process_index: i64::from(process.process_index),
                kind: string(kind.device_kind, kind.device_kind_size),
                text: string(text.to_string, text.to_string_size),
                debug: string(debug.debug_string, debug.debug_string_size),
                attributes: named_value::from_c(attributes.attributes, attributes.num_attributes),
                memory_kinds: extensions::memory_kinds(plugin, raw)?,
            })
        }
    }
}

/// A device of a client. Cheap to clone; keeps the client alive.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    raw: *mut sys::PJRT_Device,
    client: ClientHandle,
    description: DeviceDescription,
    local_hardware_id: Option<i64>,
    memories: Vec<Memory>,
    default_memory: Option<Memory>,
}

// SAFETY: devices live as long as their client, which `client` keeps, and the PJRT C API is thread-safe.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Device {
    /// # Safety
    /// `raw` is a device of `client`.
    pub(crate) unsafe fn read(client: &ClientHandle, raw: *mut sys::PJRT_Device, addressable: bool) -> Result<Device> {
        let table = client.plugin().table();
        // SAFETY: `raw` is valid, and what comes out lives as long as the client.
        unsafe {
            let described =
                invoke!(table, PJRT_Device_GetDescription, PJRT_Device_GetDescription_Args { device: raw })?;
            let description = DeviceDescription::read(client.plugin(), described.device_description)?;
            let (mut local_hardware_id, mut memories, mut default_memory) = (None, Vec::new(), None);
            if addressable {
                let local =
                    invoke!(table, PJRT_Device_LocalHardwareId, PJRT_Device_LocalHardwareId_Args { device: raw });
                local_hardware_id = local.ok().map(|args| i64::from(args.local_hardware_id));
                let args = invoke!(
                    table,
                    PJRT_Device_AddressableMemories,
                    PJRT_Device_AddressableMemories_Args { device: raw }
                )?;
                let raws = slice(args.memories, args.num_memories).iter();
                memories = raws.map(|&memory| Memory::read(client, memory)).collect::<Result<_>>()?;
                let default = invoke!(table, PJRT_Device_DefaultMemory, PJRT_Device_DefaultMemory_Args { device: raw });
                default_memory = default.ok().map(|args| Memory::read(client, args.memory)).transpose()?;
            }
            let client = client.clone();
            Ok(Device(Arc::new(Inner { raw, client, description, local_hardware_id, memories, default_memory })))
        }
    }

    /// The device's number, unique among all processes of a program; device assignments use it.
    pub fn id(&self) -> i64 {
        self.0.description.id
    }

    /// The number of the hardware within this process, if the device belongs to it.
    pub fn local_hardware_id(&self) -> Option<i64> {
        self.0.local_hardware_id
    }

    /// The hardware's name, for example `cpu`.
    pub fn kind(&self) -> &str {
        &self.0.description.kind
    }

    /// All that is known of the device: process, texts, attributes.
    pub fn description(&self) -> &DeviceDescription {
        &self.0.description
    }

    /// The memories that the device can address; empty for devices of other processes.
    pub fn memories(&self) -> &[Memory] {
        &self.0.memories
    }

    /// The memory where buffers go unless told otherwise.
    pub fn default_memory(&self) -> Option<&Memory> {
        self.0.default_memory.as_ref()
    }

    /// How full the device's memory is, where the platform tells (the CPU does not).
    pub fn memory_usage(&self) -> Result<MemoryUsage> {
        // SAFETY: the device lives as long as the client that `self` keeps.
        let args = unsafe {
            invoke!(
                self.client().plugin().table(),
                PJRT_Device_MemoryStats,
                PJRT_Device_MemoryStats_Args { device: self.0.raw }
            )
        }?;
        Ok(MemoryUsage {
            in_use: args.bytes_in_use,
            peak: args.peak_bytes_in_use_is_set.then_some(args.peak_bytes_in_use),
            limit: args.bytes_limit_is_set.then_some(args.bytes_limit),
        })
    }

    pub(crate) fn raw(&self) -> *mut sys::PJRT_Device {
        self.0.raw
    }

    pub(crate) fn client(&self) -> &ClientHandle {
        &self.0.client
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        self.0.raw == other.0.raw
    }
}

impl Eq for Device {}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.description.text)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.0.description.text)
    }
}

/// Bytes of a device's memory, now and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Bytes in use now.
    pub in_use: i64,
    /// The most bytes that were in use.
    pub peak: Option<i64>,
    /// The most bytes that can be used.
    pub limit: Option<i64>,
}

/// A memory that devices address: a device's own, or host memory that it reaches. Cheap to clone; keeps the client alive.
#[derive(Clone)]
pub struct Memory(Arc<MemoryInner>);

struct MemoryInner {
    raw: *mut sys::PJRT_Memory,
    client: ClientHandle,
    id: i64,
    kind: String,
    debug: String,
}

// SAFETY: memories live as long as their client, which `client` keeps, and the PJRT C API is thread-safe.
unsafe impl Send for MemoryInner {}
// SAFETY: as above.
unsafe impl Sync for MemoryInner {}

impl Memory {
    /// # Safety
    /// `raw` is a memory of `client`.
    pub(crate) unsafe fn read(client: &ClientHandle, raw: *mut sys::PJRT_Memory) -> Result<Memory> {
        let table = client.plugin().table();
        // SAFETY: `raw` is valid, and the texts are copied at once.
        unsafe {
            let id = invoke!(table, PJRT_Memory_Id, PJRT_Memory_Id_Args { memory: raw })?;
            let kind = invoke!(table, PJRT_Memory_Kind, PJRT_Memory_Kind_Args { memory: raw })?;
            let debug = invoke!(table, PJRT_Memory_DebugString, PJRT_Memory_DebugString_Args { memory: raw })?;
            Ok(Memory(Arc::new(MemoryInner {
                raw,
                client: client.clone(),
                id: i64::from(id.id),
                kind: string(kind.kind, kind.kind_size),
                debug: string(debug.debug_string, debug.debug_string_size),
            })))
        }
    }

    /// The memory's number.
    pub fn id(&self) -> i64 {
        self.0.id
    }

    /// The kind: `device`, `pinned_host`, `unpinned_host`.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// A text for logs.
    pub fn debug(&self) -> &str {
        &self.0.debug
    }

    pub(crate) fn raw(&self) -> *mut sys::PJRT_Memory {
        self.0.raw
    }

    pub(crate) fn client(&self) -> &ClientHandle {
        &self.0.client
    }
}

impl PartialEq for Memory {
    fn eq(&self, other: &Memory) -> bool {
        self.0.raw == other.0.raw
    }
}

impl Eq for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({})", self.0.debug)
    }
}
