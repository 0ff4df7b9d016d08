//! Compiled programs.

use crate::{
    Client, Code, CompileOptions, DType, Device, Error, Layout, NamedValue, Plugin, Result,
    buffer::BufferType,
    client::ClientHandle,
    named_value::{self, slice, string},
    proto::{HloModuleProto, HloModuleProtoWithConfig},
    signature::{ArrayType, Parameters},
    sys::{self, PJRT_Executable},
    table::{Table, invoke},
    toolkit::with_toolkit,
};
use prost::Message;
use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    ops::Deref,
    ptr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// A compiled program that is not loaded onto devices: what a [`Topology`](crate::Topology) compiles. It tells its
/// memory plan and its optimized form, and can be serialized.
pub struct Compiled {
    raw: *mut PJRT_Executable,
    plugin: Plugin,
    /// The client or topology that it was compiled for.
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the PJRT C API is thread-safe, and the handle is freed once, by its owner.
unsafe impl Send for Compiled {}
// SAFETY: as above.
unsafe impl Sync for Compiled {}

/// Bytes that one run of a program takes on each device, by the compiler's plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Machine code.
    pub generated_code: i64,
    /// Arguments.
    pub arguments: i64,
    /// Results.
    pub outputs: i64,
    /// The part of the results that reuses donated arguments.
    pub aliased: i64,
    /// Intermediate values.
    pub temporaries: i64,
    /// The most in use at once, where the plugin tells.
    pub peak: i64,
    /// All allocations together, where the plugin tells: what must fit in the device's memory.
    pub total_allocation: i64,
    /// Arguments in host memory.
    pub host_arguments: i64,
    /// Results in host memory.
    pub host_outputs: i64,
    /// Intermediate values in host memory.
    pub host_temporaries: i64,
}

impl Compiled {
    /// # Safety
    /// `raw` is an executable of `plugin` that nobody else frees.
    pub(crate) unsafe fn from_raw(
        raw: *mut PJRT_Executable,
        plugin: &Plugin,
        owner: impl Any + Send + Sync,
    ) -> Compiled {
        Compiled { raw, plugin: plugin.clone(), _owner: Box::new(owner) }
    }

    /// The program's name.
    pub fn name(&self) -> Result<String> {
        // SAFETY: the executable is alive, and the text is copied at once.
        unsafe {
            let args = invoke!(self.table(), PJRT_Executable_Name, PJRT_Executable_Name_Args { executable: self.raw })?;
            Ok(string(args.executable_name, args.executable_name_size))
        }
    }

    /// A text that is equal for equal programs, options and compilers: the plugin's fingerprint in hexadecimal.
    pub fn fingerprint(&self) -> Result<String> {
        // SAFETY: the executable is alive, and the bytes are used at once.
        unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Executable_Fingerprint,
                PJRT_Executable_Fingerprint_Args { executable: self.raw }
            )?;
            let bytes = slice(args.executable_fingerprint.cast::<u8>(), args.executable_fingerprint_size);
            Ok(crate::install::hex(bytes))
        }
    }

    /// Results per device.
    pub fn num_outputs(&self) -> Result<usize> {
        // SAFETY: the executable is alive.
        let args = unsafe {
            invoke!(self.table(), PJRT_Executable_NumOutputs, PJRT_Executable_NumOutputs_Args { executable: self.raw })
        }?;
        Ok(args.num_outputs)
    }

    /// The dtypes of the results.
    pub fn output_dtypes(&self) -> Result<Vec<DType>> {
        // SAFETY: the executable is alive, and the list is copied at once.
        let types = unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Executable_OutputElementTypes,
                PJRT_Executable_OutputElementTypes_Args { executable: self.raw }
            )?;
            slice(args.output_types, args.num_output_types).to_vec()
        };
        let known = |number| {
            DType::from_pjrt(number).ok_or_else(|| {
                Error::new(
                    Code::Unimplemented,
                    format!("a result has PJRT element type {number}, which raxla does not know"),
                )
            })
        };
        types.into_iter().map(known).collect()
    }

    /// The dims of the results, as one device sees them.
    pub fn output_dims(&self) -> Result<Vec<Vec<usize>>> {
        // SAFETY: the executable is alive, and the lists are copied at once.
        unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Executable_OutputDimensions,
                PJRT_Executable_OutputDimensions_Args { executable: self.raw }
            )?;
            let ranks = slice(args.dim_sizes, args.num_outputs);
            let mut dims = slice(args.dims, ranks.iter().sum());
            let mut split = |&rank: &usize| {
                let (own, rest) = dims.split_at(rank);
                dims = rest;
                own.iter().map(|&dim| dim as usize).collect()
            };
            Ok(ranks.iter().map(&mut split).collect())
        }
    }

    /// The compiler's memory plan.
    pub fn memory_stats(&self) -> Result<MemoryStats> {
        // SAFETY: the executable is alive.
        let args = unsafe {
            invoke!(
                self.table(),
                PJRT_Executable_GetCompiledMemoryStats,
                PJRT_Executable_GetCompiledMemoryStats_Args { executable: self.raw }
            )
        }?;
        Ok(MemoryStats {
            generated_code: args.generated_code_size_in_bytes,
            arguments: args.argument_size_in_bytes,
            outputs: args.output_size_in_bytes,
            aliased: args.alias_size_in_bytes,
            temporaries: args.temp_size_in_bytes,
            peak: args.peak_memory_in_bytes,
            total_allocation: args.total_allocation_bytes,
            host_arguments: args.host_argument_size_in_bytes,
            host_outputs: args.host_output_size_in_bytes,
            host_temporaries: args.host_temp_size_in_bytes,
        })
    }

    /// The compiler's estimate of the work, by names such as `flops` and `bytes accessed`. TPU only: the bodies of loops
    /// count once.
    pub fn cost_analysis(&self) -> Result<BTreeMap<String, NamedValue>> {
        // SAFETY: the executable is alive, and the values are copied at once.
        unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Executable_GetCostAnalysis,
                PJRT_Executable_GetCostAnalysis_Args { executable: self.raw }
            )?;
            Ok(named_value::from_c(args.properties, args.num_properties))
        }
    }

    /// The program for [`Client::deserialize`]. Only the same platform and version of the plugin reads it; keep a
    /// checksum with it, since the plugin trusts it.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        // SAFETY: the executable is alive; the bytes are copied before their backing is freed.
        unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Executable_Serialize,
                PJRT_Executable_Serialize_Args { executable: self.raw }
            )?;
            let bytes = slice(args.serialized_bytes.cast::<u8>(), args.serialized_bytes_size).to_vec();
            if let Some(free) = args.serialized_executable_deleter {
                free(args.serialized_executable);
            }
            Ok(bytes)
        }
    }

    /// The program after all of the compiler's passes: a serialized `HloModuleProto`, with per-device shapes.
    pub fn optimized_program(&self) -> Result<Vec<u8>> {
        let mut program: sys::PJRT_Program = sys::sized();
        // SAFETY: the executable is alive; the first call tells the size, the second fills memory of that size.
        let (bytes, format) = unsafe {
            let fill = |program: &mut sys::PJRT_Program| {
                let program = ptr::from_mut(program);
                invoke!(
                    self.table(),
                    PJRT_Executable_OptimizedProgram,
                    PJRT_Executable_OptimizedProgram_Args { executable: self.raw, program: program }
                )
            };
            fill(&mut program)?;
            let mut bytes = vec![0u8; program.code_size];
            program.code = bytes.as_mut_ptr().cast();
            fill(&mut program)?;
            (bytes, string(program.format, program.format_size))
        };
        match format.as_str() {
            "hlo" => Ok(bytes),
            "hlo_with_config" => {
                let wrapped =
                    HloModuleProtoWithConfig::decode(bytes.as_slice()).map_err(|error| undecodable(&error))?;
                Ok(wrapped.hlo_module)
            }
            other => Err(Error::new(
                Code::Unimplemented,
                format!("the plugin gives optimized programs in the format `{other}`"),
            )),
        }
    }

    fn table(&self) -> &Table {
        self.plugin.table()
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    pub(crate) fn raw(&self) -> *mut PJRT_Executable {
        self.raw
    }

    fn parameters(&self) -> Result<Parameters> {
        let bytes = self.optimized_program()?;
        let module = HloModuleProto::decode(bytes.as_slice()).map_err(|error| undecodable(&error))?;
        Parameters::read(&module)
    }

    /// The types of the parameters from their dtypes and dims.
    fn with_layouts(&self, given: &[(DType, Vec<usize>)]) -> Result<Vec<ArrayType>> {
        let layouts = match self.parameter_layouts() {
            Ok(layouts) if layouts.len() == given.len() => layouts,
            Ok(layouts) => {
                let what =
                    format!("{} parameter types were given for a program that takes {}", given.len(), layouts.len());
                return Err(Error::new(Code::InvalidArgument, what));
            }
            Err(error) if error.code == Code::Unimplemented => {
                given.iter().map(|(_, dims)| Layout::row_major(dims.len())).collect()
            }
            Err(error) => return Err(error),
        };
        let one = |((dtype, dims), layout): (&(DType, Vec<usize>), Layout)| ArrayType {
            dtype: *dtype,
            dims: dims.clone(),
            layout,
        };
        Ok(given.iter().zip(layouts).map(one).collect())
    }
}

pub(crate) fn undecodable(error: &prost::DecodeError) -> Error {
    Error::new(Code::Internal, format!("cannot read the optimized program that the plugin gave: {error}"))
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: the handle is freed here and nowhere else. A failure to free has no remedy.
        let _ = unsafe {
            invoke!(self.table(), PJRT_Executable_Destroy, PJRT_Executable_Destroy_Args { executable: self.raw })
        };
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compiled({})", self.name().unwrap_or_default())
    }
}

/// A program loaded onto devices, ready to run. Cheap to clone, usable from every thread. What [`Compiled`] offers, it
/// offers too.
#[derive(Clone)]
pub struct Executable(pub(crate) Arc<Loaded>);

pub(crate) struct Loaded {
    pub(crate) raw: *mut sys::PJRT_LoadedExecutable,
    pub(crate) client: ClientHandle,
    compiled: Compiled,
    /// The CPU plugin would go on running a deleted program.
    pub(crate) deleted: AtomicBool,
    pub(crate) name: Arc<str>,
    pub(crate) devices: Vec<Device>,
    pub(crate) device_ids: Arc<[i64]>,
    pub(crate) parameters: Vec<ArrayType>,
    /// By device, then parameter: what was accepted as an argument before.
    pub(crate) accepted: Vec<OnceLock<Arc<BufferType>>>,
    pub(crate) donated: Vec<usize>,
    /// Whether `donated` is all that a run may take over.
    pub(crate) donation_known: bool,
    /// By device and result.
    pub(crate) outputs: Vec<Vec<Arc<BufferType>>>,
}

// SAFETY: the PJRT C API is thread-safe, and the handle is freed once, by its owner.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Drop for Loaded {
    fn drop(&mut self) {
        let table = self.client.plugin().table();
        // SAFETY: the handle is freed here and nowhere else. A failure to free has no remedy.
        let _ = unsafe {
            invoke!(table, PJRT_LoadedExecutable_Destroy, PJRT_LoadedExecutable_Destroy_Args { executable: self.raw })
        };
    }
}

impl Executable {
    pub(crate) fn compile(client: &Client, mlir: &[u8], options: &CompileOptions) -> Result<Executable> {
        options.check_devices(&ids(client))?;
        options.check_module(mlir)?;
        let proto = with_toolkit(options, client.plugin().path(), client.platform_name()).to_proto()?;
        let program = program(mlir);
        // SAFETY: program and options live during the call.
        let args = unsafe {
            invoke!(
                client.plugin().table(),
                PJRT_Client_Compile,
                PJRT_Client_Compile_Args {
                    client: client.handle().raw(),
                    program: &program,
                    compile_options: proto.as_ptr().cast(),
                    compile_options_size: proto.len(),
                }
            )
        }?;
        // SAFETY: the executable is the client's and ours to free.
        unsafe { Executable::from_raw(args.executable, client, options) }
    }

    pub(crate) fn deserialize(client: &Client, bytes: &[u8], options: &CompileOptions) -> Result<Executable> {
        options.check_devices(&ids(client))?;
        let proto = with_toolkit(options, client.plugin().path(), client.platform_name()).to_proto()?;
        // SAFETY: bytes and options live during the call.
        let args = unsafe {
            invoke!(
                client.plugin().table(),
                PJRT_Executable_DeserializeAndLoad,
                PJRT_Executable_DeserializeAndLoad_Args {
                    client: client.handle().raw(),
                    serialized_executable: bytes.as_ptr().cast(),
                    serialized_executable_size: bytes.len(),
                    overridden_serialized_compile_options: proto.as_ptr().cast(),
                    overridden_serialized_compile_options_size: proto.len(),
                }
            )
        }?;
        // SAFETY: the executable is the client's and ours to free.
        unsafe { Executable::from_raw(args.loaded_executable, client, options) }
    }

    /// # Safety
    /// `raw` is an executable of `client` that nobody else frees.
    pub(crate) unsafe fn from_raw(
        raw: *mut sys::PJRT_LoadedExecutable,
        client: &Client,
        options: &CompileOptions,
    ) -> Result<Executable> {
        let table = client.plugin().table();
        // SAFETY: `raw` is alive; the handle that comes out is ours to free; devices live as long as the client.
        unsafe {
            let unloaded = invoke!(
                table,
                PJRT_LoadedExecutable_GetExecutable,
                PJRT_LoadedExecutable_GetExecutable_Args { loaded_executable: raw }
            )?;
            let handle = client.handle().clone();
            let compiled = Compiled::from_raw(unloaded.executable, client.plugin(), handle.clone());
            let mut loaded = Loaded {
                raw,
                client: handle,
                name: compiled.name()?.into(),
                compiled,
                deleted: AtomicBool::new(false),
                devices: Vec::new(),
                device_ids: Arc::new([]),
                parameters: Vec::new(),
                accepted: Vec::new(),
                donated: Vec::new(),
                donation_known: true,
                outputs: Vec::new(),
            };
            let devices = invoke!(
                table,
                PJRT_LoadedExecutable_AddressableDevices,
                PJRT_LoadedExecutable_AddressableDevices_Args { executable: raw }
            )?;
            let devices = slice(devices.addressable_devices, devices.num_addressable_devices).iter();
            loaded.devices = devices.map(|&device| client.wrap_device(device)).collect::<Result<_>>()?;
            loaded.device_ids = loaded.devices.iter().map(Device::id).collect();
            loaded.read_signature(options)?;
            Ok(Executable(Arc::new(loaded)))
        }
    }

    /// The devices that the program runs on, in the order in which [`Executable::execute`] takes their arguments.
    pub fn devices(&self) -> &[Device] {
        &self.0.devices
    }

    /// What the program takes on each device; checked before every run.
    pub fn parameters(&self) -> &[ArrayType] {
        &self.0.parameters
    }

    /// The parameters that a run may take over, unless told otherwise: those with the attributes `tf.aliasing_output` or
    /// `jax.buffer_donor`. If [`CompileOptions::parameters`] were given, the program is not asked: those that
    /// [`CompileOptions::donated`] names.
    pub fn donated(&self) -> &[usize] {
        &self.0.donated
    }

    /// Unloads the program before the last handle goes. Runs in flight complete; later ones fail.
    pub fn delete(&self) -> Result<()> {
        self.0.deleted.store(true, Ordering::Relaxed);
        let table = self.0.client.plugin().table();
        // SAFETY: the executable is alive.
        unsafe {
            invoke!(table, PJRT_LoadedExecutable_Delete, PJRT_LoadedExecutable_Delete_Args { executable: self.0.raw })
        }
        .map(|_| ())
    }

    /// Whether [`Executable::delete`] was called.
    pub fn is_deleted(&self) -> bool {
        self.0.deleted.load(Ordering::Relaxed)
    }
}

impl Loaded {
    fn read_signature(&mut self, options: &CompileOptions) -> Result<()> {
        match &options.parameters {
            Some(given) => {
                self.parameters = self.compiled.with_layouts(given)?;
                self.donation_known = options.donated.is_some();
                self.donated = options.donated.clone().unwrap_or_default();
                if let Some(index) = self.donated.iter().find(|index| **index >= given.len()) {
                    let what = format!("parameter {index} was said to be donated, but there are {}", given.len());
                    return Err(Error::new(Code::InvalidArgument, what));
                }
            }
            None => {
                let parameters = self.compiled.parameters();
                let parameters =
                    parameters.map_err(|error| error.help("tell the types in `CompileOptions::parameters`"))?;
                self.parameters = parameters.types;
                self.donated = parameters.donated;
            }
        }
        self.accepted.resize_with(self.devices.len() * self.parameters.len(), OnceLock::new);
        let (dtypes, dims) = (self.compiled.output_dtypes()?, self.compiled.output_dims()?);
        let output = |device: &Device, (dtype, dims): (&DType, &Vec<usize>)| {
            let (dtype, dims, device) = (*dtype, dims.clone(), device.clone());
            Arc::new(BufferType { dtype, dims, device, layout: OnceLock::new() })
        };
        let per_device = |device| dtypes.iter().zip(&dims).map(|types| output(device, types)).collect();
        self.outputs = self.devices.iter().map(per_device).collect();
        Ok(())
    }
}

impl Deref for Executable {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.0.compiled
    }
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executable({} on {:?})", self.0.name, self.0.devices)
    }
}

fn ids(client: &Client) -> Vec<i64> {
    client.all_devices().iter().map(Device::id).collect()
}

/// The C form of an MLIR program, which borrows it.
pub(crate) fn program(mlir: &[u8]) -> sys::PJRT_Program {
    const FORMAT: &str = "mlir";
    let mut program: sys::PJRT_Program = sys::sized();
    program.code = mlir.as_ptr().cast_mut().cast();
    program.code_size = mlir.len();
    program.format = FORMAT.as_ptr().cast();
    program.format_size = FORMAT.len();
    program
}
