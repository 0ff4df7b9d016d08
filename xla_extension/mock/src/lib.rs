//! A PJRT plugin for tests of programs of several processes. Its devices hold arrays in host memory, and its programs return
//! their arguments.
//!
//! With `num_nodes` above 1, a client tells the others how many devices it has, and learns how many they have, by the key-value
//! callbacks, as the plugins for GPUs do. All create options that it was given are shown in its platform's version. Options of its
//! own: `mock_devices` (how many devices a process has, 2 by default), `mock_timeout_ms`, and `mock_platform`, its platform's name. A
//! program's name shows the options of XLA that it was compiled with.
//!
//! A program over devices of several processes begins in all of them before it ends in one, as with a collective.
//!
//! Its profiler always tells the same of one device.
//!
//! A program's `main` must return arguments, in any order; each must be divided as the argument is. That shows which device of which
//! process was given what. With `mock_zeros=true` other programs run too, and what they compute is zeros, and of truth values true: what
//! stands around programs can then be tested with any.
#![allow(missing_docs, unsafe_op_in_unsafe_fn, clippy::missing_safety_doc)]

mod buffer;
mod client;
mod profiler;
mod program;

use raxla_xla::{
    Code,
    sys::{self, PJRT_Error, PJRT_Event},
};
use std::{mem::size_of, ptr, sync::OnceLock};

/// An error of the plugin.
pub(crate) struct Failure {
    code: Code,
    message: String,
}
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

pub(crate) fn failure(code: Code, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

/// What C is given: null for success.
pub(crate) fn end(outcome: Outcome) -> *mut PJRT_Error {
    match outcome {
        Ok(()) => ptr::null_mut(),
        Err(failure) => Box::into_raw(Box::new(failure)).cast(),
    }
}
/// An event that has happened.
pub(crate) fn happened() -> *mut PJRT_Event {
    Box::into_raw(Box::new(0u8)).cast()
}

/// Functions of the table, whose arguments are one struct.
macro_rules! functions {
    ($($name:ident($args:ident: $type:ident) $body:block)*) => {$(
        #[allow(non_snake_case)]
        pub(crate) unsafe extern "C" fn $name(args: *mut raxla_xla::sys::$type) -> *mut raxla_xla::sys::PJRT_Error {
            #[allow(unused_variables)]
            let $args = &mut *args;
            #[allow(unused_mut)]
            let mut work = || $body;
            $crate::end(work())
        }
    )*};
}
pub(crate) use functions;

functions! {
    initialize(_args: PJRT_Plugin_Initialize_Args) { Ok(()) }
    attributes(args: PJRT_Plugin_Attributes_Args) {
        args.num_attributes = 0;
        Ok(())
    }
    error_code(args: PJRT_Error_GetCode_Args) {
        args.code = (*args.error.cast::<Failure>()).code.to_pjrt();
        Ok(())
    }
    event_destroy(args: PJRT_Event_Destroy_Args) {
        drop(Box::from_raw(args.event.cast::<u8>()));
        Ok(())
    }
    event_is_ready(args: PJRT_Event_IsReady_Args) {
        args.is_ready = true;
        Ok(())
    }
    event_error(_args: PJRT_Event_Error_Args) { Ok(()) }
    event_await(_args: PJRT_Event_Await_Args) { Ok(()) }
    event_on_ready(args: PJRT_Event_OnReady_Args) {
        if let Some(then) = args.callback {
            then(ptr::null_mut(), args.user_arg);
        }
        Ok(())
    }
}

unsafe extern "C" fn error_destroy(args: *mut sys::PJRT_Error_Destroy_Args) {
    if !(*args).error.is_null() {
        drop(Box::from_raw((*args).error.cast::<Failure>()));
    }
}
unsafe extern "C" fn error_message(args: *mut sys::PJRT_Error_Message_Args) {
    let args = &mut *args;
    let message = &(*args.error.cast::<Failure>()).message;
    (args.message, args.message_size) = (message.as_ptr().cast(), message.len());
}

struct Table(sys::PJRT_Api);
// SAFETY: functions, and no data.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// The plugin's table.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub extern "C" fn GetPjrtApi() -> *const sys::PJRT_Api {
    static TABLE: OnceLock<Table> = OnceLock::new();
    &TABLE.get_or_init(|| Table(table())).0
}

macro_rules! set {
    ($api:ident: $($field:ident = $function:path;)*) => {$($api.$field = Some($function);)*};
}

fn table() -> sys::PJRT_Api {
    let mut api = sys::PJRT_Api {
        struct_size: size_of::<sys::PJRT_Api>(),
        extension_start: profiler::extension(),
        ..Default::default()
    };
    api.pjrt_api_version.struct_size = size_of::<sys::PJRT_Api_Version>();
    api.pjrt_api_version.major_version = i32::try_from(sys::PJRT_API_MAJOR).unwrap_or(0);
    api.pjrt_api_version.minor_version = i32::try_from(sys::PJRT_API_MINOR).unwrap_or(0);
    set! { api:
        PJRT_Error_Destroy = error_destroy;
        PJRT_Error_Message = error_message;
        PJRT_Error_GetCode = error_code;
        PJRT_Plugin_Initialize = initialize;
        PJRT_Plugin_Attributes = attributes;
        PJRT_Event_Destroy = event_destroy;
        PJRT_Event_IsReady = event_is_ready;
        PJRT_Event_Error = event_error;
        PJRT_Event_Await = event_await;
        PJRT_Event_OnReady = event_on_ready;
        PJRT_Client_Create = client::create;
        PJRT_Client_Destroy = client::destroy;
        PJRT_Client_PlatformName = client::platform_name;
        PJRT_Client_PlatformVersion = client::platform_version;
        PJRT_Client_ProcessIndex = client::process_index;
        PJRT_Client_Devices = client::devices;
        PJRT_Client_AddressableDevices = client::addressable_devices;
        PJRT_Client_AddressableMemories = client::addressable_memories;
        PJRT_DeviceDescription_Id = client::id;
        PJRT_DeviceDescription_ProcessIndex = client::process_of;
        PJRT_DeviceDescription_Attributes = client::device_attributes;
        PJRT_DeviceDescription_Kind = client::kind;
        PJRT_DeviceDescription_DebugString = client::debug_string;
        PJRT_DeviceDescription_ToString = client::to_string;
        PJRT_Device_GetDescription = client::description;
        PJRT_Device_IsAddressable = client::is_addressable;
        PJRT_Device_LocalHardwareId = client::local_hardware_id;
        PJRT_Device_AddressableMemories = client::device_memories;
        PJRT_Device_DefaultMemory = client::default_memory;
        PJRT_Memory_Id = client::memory_id;
        PJRT_Memory_Kind = client::memory_kind;
        PJRT_Memory_DebugString = client::memory_debug;
        PJRT_Client_BufferFromHostBuffer = buffer::from_host;
        PJRT_Buffer_Destroy = buffer::destroy;
        PJRT_Buffer_ElementType = buffer::element_type;
        PJRT_Buffer_Dimensions = buffer::dimensions;
        PJRT_Buffer_GetMemoryLayout = buffer::layout;
        PJRT_Buffer_OnDeviceSizeInBytes = buffer::size;
        PJRT_Buffer_Delete = buffer::delete;
        PJRT_Buffer_IsDeleted = buffer::is_deleted;
        PJRT_Buffer_CopyToDevice = buffer::copy_to_device;
        PJRT_Buffer_CopyToMemory = buffer::copy_to_memory;
        PJRT_Buffer_ToHostBuffer = buffer::to_host;
        PJRT_Buffer_IsOnCpu = buffer::is_on_cpu;
        PJRT_Buffer_ReadyEvent = buffer::ready;
        PJRT_Client_Compile = program::compile;
        PJRT_LoadedExecutable_Destroy = program::destroy;
        PJRT_LoadedExecutable_GetExecutable = program::executable;
        PJRT_LoadedExecutable_AddressableDevices = program::devices;
        PJRT_LoadedExecutable_Execute = program::execute;
        PJRT_Executable_Destroy = program::destroy_executable;
        PJRT_Executable_Name = program::name;
        PJRT_Executable_NumOutputs = program::num_outputs;
        PJRT_Executable_OutputElementTypes = program::output_types;
        PJRT_Executable_OutputDimensions = program::output_dims;
    }
    api
}
