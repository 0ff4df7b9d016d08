//! What plugins offer in extensions of the C API: layouts, shardings, memory descriptions.

use crate::{
    Client, Code, Compiled, DType, Error, Layout, Plugin, Result,
    named_value::{slice, string},
    sys::{
        self, PJRT_Layouts_Extension, PJRT_Layouts_MemoryLayout, PJRT_MemoryDescriptions_Extension,
        PJRT_Shardings_Extension,
    },
};

/// The layouts extension of a plugin.
struct Layouts<'a> {
    plugin: &'a Plugin,
    table: PJRT_Layouts_Extension,
}

impl<'a> Layouts<'a> {
    fn of(plugin: &'a Plugin) -> Result<Layouts<'a>> {
        // SAFETY: this is the struct of the layouts extension.
        let table = unsafe { plugin.extension(sys::PJRT_Extension_Type_Layouts) };
        Ok(Layouts { plugin, table: table.ok_or_else(|| missing(plugin, "layouts"))? })
    }

    /// # Safety
    /// `raw` is a layout of the plugin that lives during the call.
    unsafe fn read(&self, raw: *mut PJRT_Layouts_MemoryLayout) -> Result<Layout> {
        let mut args: sys::PJRT_Layouts_MemoryLayout_Serialize_Args = sys::sized();
        args.layout = raw;
        // SAFETY: the layout is alive; the text is copied before its backing is freed.
        unsafe {
            let function = self.table.PJRT_Layouts_MemoryLayout_Serialize;
            self.plugin.table().call("PJRT_Layouts_MemoryLayout_Serialize", function, &mut args)?;
            let text = string(args.serialized_bytes, args.serialized_bytes_size);
            if let Some(free) = args.serialized_layout_deleter {
                free(args.serialized_layout);
            }
            Layout::parse(&text)
        }
    }

    /// # Safety
    /// `raw` is a layout of the plugin that nobody else frees.
    unsafe fn take(&self, raw: *mut PJRT_Layouts_MemoryLayout) -> Result<Layout> {
        let mut args: sys::PJRT_Layouts_MemoryLayout_Destroy_Args = sys::sized();
        args.layout = raw;
        // SAFETY: the layout is alive until it is freed here.
        unsafe {
            let layout = self.read(raw);
            let function = self.table.PJRT_Layouts_MemoryLayout_Destroy;
            self.plugin.table().call("PJRT_Layouts_MemoryLayout_Destroy", function, &mut args)?;
            layout
        }
    }
}

impl Client {
    /// The order in which this platform lays out arrays of this dtype and these dims unless told otherwise.
    pub fn default_layout(&self, dtype: DType, dims: &[usize]) -> Result<Layout> {
        let layouts = Layouts::of(self.plugin())?;
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        let mut args: sys::PJRT_Layouts_PJRT_Client_GetDefaultLayout_Args = sys::sized();
        args.client = self.handle().raw();
        args.type_ = dtype.to_pjrt();
        args.dims = dims.as_ptr();
        args.num_dims = dims.len();
        // SAFETY: the client is alive, the dims live during the call, and the layout that comes out is ours.
        unsafe {
            let function = layouts.table.PJRT_Layouts_PJRT_Client_GetDefaultLayout;
            self.plugin().table().call("PJRT_Layouts_PJRT_Client_GetDefaultLayout", function, &mut args)?;
            layouts.take(args.layout)
        }
    }
}

impl Compiled {
    /// The order in which the program takes its arguments.
    pub fn parameter_layouts(&self) -> Result<Vec<Layout>> {
        let layouts = Layouts::of(self.plugin())?;
        let mut args: sys::PJRT_Layouts_PJRT_Executable_GetParameterLayouts_Args = sys::sized();
        args.executable = self.raw();
        // SAFETY: the executable is alive and owns the layouts.
        unsafe {
            let function = layouts.table.PJRT_Layouts_PJRT_Executable_GetParameterLayouts;
            self.plugin().table().call("PJRT_Layouts_PJRT_Executable_GetParameterLayouts", function, &mut args)?;
            slice(args.layouts, args.num_parameters).iter().map(|&raw| layouts.read(raw)).collect()
        }
    }

    /// The order in which the program gives its results.
    pub fn output_layouts(&self) -> Result<Vec<Layout>> {
        let layouts = Layouts::of(self.plugin())?;
        let mut args: sys::PJRT_Layouts_PJRT_Executable_GetOutputLayouts_Args = sys::sized();
        args.executable = self.raw();
        // SAFETY: the executable is alive and owns the layouts.
        unsafe {
            let function = layouts.table.PJRT_Layouts_PJRT_Executable_GetOutputLayouts;
            self.plugin().table().call("PJRT_Layouts_PJRT_Executable_GetOutputLayouts", function, &mut args)?;
            slice(args.layouts, args.num_outputs).iter().map(|&raw| layouts.read(raw)).collect()
        }
    }

    /// How the program splits its arguments over devices: a serialized `xla.OpSharding` each, `None` if the plugin does
    /// not tell (which it does only for programs that were partitioned).
    pub fn parameter_shardings(&self) -> Result<Option<Vec<Vec<u8>>>> {
        let table = self.shardings()?;
        let mut args: sys::PJRT_Shardings_PJRT_Executable_ParameterShardings_Args = sys::sized();
        args.executable = self.raw();
        // SAFETY: the executable is alive and owns the shardings.
        unsafe {
            let function = table.PJRT_Shardings_PJRT_Executable_ParameterShardings;
            self.plugin().table().call("PJRT_Shardings_PJRT_Executable_ParameterShardings", function, &mut args)?;
            Ok(byte_strings(args.shardings, args.sharding_sizes, args.num_parameters))
        }
    }

    /// How the program splits its results over devices, as [`Compiled::parameter_shardings`].
    pub fn output_shardings(&self) -> Result<Option<Vec<Vec<u8>>>> {
        let table = self.shardings()?;
        let mut args: sys::PJRT_Shardings_PJRT_Executable_OutputShardings_Args = sys::sized();
        args.executable = self.raw();
        // SAFETY: the executable is alive and owns the shardings.
        unsafe {
            let function = table.PJRT_Shardings_PJRT_Executable_OutputShardings;
            self.plugin().table().call("PJRT_Shardings_PJRT_Executable_OutputShardings", function, &mut args)?;
            Ok(byte_strings(args.shardings, args.sharding_sizes, args.num_outputs))
        }
    }

    fn shardings(&self) -> Result<PJRT_Shardings_Extension> {
        // SAFETY: this is the struct of the shardings extension.
        let table = unsafe { self.plugin().extension(sys::PJRT_Extension_Type_Shardings) };
        table.ok_or_else(|| missing(self.plugin(), "shardings"))
    }
}

/// The kinds of memory that a described device has, the default one first; empty if the plugin does not tell.
///
/// # Safety
/// `raw` is a device description of `plugin`.
pub(crate) unsafe fn memory_kinds(plugin: &Plugin, raw: *mut sys::PJRT_DeviceDescription) -> Result<Vec<String>> {
    // SAFETY: this is the struct of the memory descriptions extension.
    let table = unsafe { plugin.extension(sys::PJRT_Extension_Type_MemoryDescriptions) };
    let Some(table): Option<PJRT_MemoryDescriptions_Extension> = table else { return Ok(Vec::new()) };
    let mut args: sys::PJRT_DeviceDescription_MemoryDescriptions_Args = sys::sized();
    args.device_description = raw;
    // SAFETY: the description is alive and owns the memory descriptions; the texts are copied at once.
    unsafe {
        let function = table.PJRT_DeviceDescription_MemoryDescriptions;
        plugin.table().call("PJRT_DeviceDescription_MemoryDescriptions", function, &mut args)?;
        let kind = |&description: &*const sys::PJRT_MemoryDescription| {
            let mut args: sys::PJRT_MemoryDescription_Kind_Args = sys::sized();
            args.memory_description = description;
            let function = table.PJRT_MemoryDescription_Kind;
            plugin.table().call("PJRT_MemoryDescription_Kind", function, &mut args)?;
            Ok(string(args.kind, args.kind_size))
        };
        let descriptions = slice(args.memory_descriptions, args.num_memory_descriptions);
        let mut kinds: Vec<String> = descriptions.iter().map(kind).collect::<Result<_>>()?;
        // The index is -1, as an unsigned number, if there is no default.
        if args.default_memory_index < kinds.len() {
            kinds[..=args.default_memory_index].rotate_right(1);
        }
        Ok(kinds)
    }
}

/// # Safety
/// The two lists have `count` entries, or are null.
unsafe fn byte_strings(
    data: *const *const std::ffi::c_char,
    sizes: *const usize,
    count: usize,
) -> Option<Vec<Vec<u8>>> {
    if data.is_null() || sizes.is_null() {
        return None;
    }
    // SAFETY: the caller vouches.
    unsafe {
        let pairs = slice(data, count).iter().zip(slice(sizes, count));
        Some(pairs.map(|(&data, &size)| slice(data.cast::<u8>(), size).to_vec()).collect())
    }
}

fn missing(plugin: &Plugin, what: &str) -> Error {
    Error::new(Code::Unimplemented, format!("{plugin:?} has no {what} extension"))
}
