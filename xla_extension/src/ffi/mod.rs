//! Handlers in Rust for custom calls of compiled programs (XLA FFI, CPU).
//!
//! A handler is a plain function from a [`Call`] to a [`Result`]. Once registered under a name, programs compiled by the
//! same plugin call it with `stablehlo.custom_call @name(..) {api_version = 4 : i32, backend_config = {..}}`. Its error,
//! or its panic, becomes the error of the program's results. In a program over several devices it becomes the error of the
//! results on all devices; the handler's own results are zeros for the rest of that run.
//!
//! ```no_run
//! use raxla_xla::{Plugin, Result, ffi::{self, Call}};
//!
//! fn scale(call: &mut Call) -> Result<()> {
//!     let factor = call.attrs.float("factor")? as f32;
//!     let x = call.args[0].as_slice::<f32>()?;
//!     let y = call.results[0].as_mut_slice::<f32>()?;
//!     y.iter_mut().zip(x).for_each(|(y, x)| *y = factor * x);
//!     Ok(())
//! }
//!
//! fn register(plugin: &Plugin) -> Result<()> {
//!     ffi::register(plugin, "scale", scale)
//! }
//! ```

mod attrs;
mod call;
mod threads;

pub use attrs::{Attr, Attrs, Number};
pub use call::{Arg, Call, Element, Output};
pub use threads::Threads;

use crate::{Code, Error, Plugin, Result, inside::Inside, launch, sys};
use std::{
    any::Any,
    collections::hash_map::Entry,
    ffi::CString,
    panic::{self, AssertUnwindSafe},
    ptr::{self, NonNull},
    sync::PoisonError,
};

/// What XLA calls the CPU where handlers are registered.
const PLATFORM: &str = "Host";

/// Registers `handler` for custom calls of this name, on the CPU. Doing so twice with the same handler does nothing;
/// another handler under the same name is an error. Must come before programs that call it are compiled or
/// deserialized.
///
/// The handler is a function or a closure that captures nothing: XLA passes no state to it. It may run on several
/// threads at once.
pub fn register<H>(plugin: &Plugin, name: &str, handler: H) -> Result<()>
where
    H: Fn(&mut Call<'_>) -> Result<()> + Copy + Send + Sync + 'static,
{
    // Only the type carries information, since it has no size; the value just proved that one can exist.
    let _ = handler;
    let entry: sys::XLA_FFI_Handler = Some(trampoline::<H>);
    let address = entry.map_or(0, |function| function as usize);
    let mut handlers = plugin.handlers().lock().unwrap_or_else(PoisonError::into_inner);
    match handlers.entry((PLATFORM.to_string(), name.to_string())) {
        Entry::Occupied(known) if *known.get() == address => Ok(()),
        Entry::Occupied(_) => Err(Error::new(
            Code::AlreadyExists,
            format!("another FFI handler is registered as `{name}`; XLA would go on calling that one"),
        )),
        Entry::Vacant(free) => {
            register_raw(plugin, name, address)?;
            free.insert(address);
            Ok(())
        }
    }
}

fn register_raw(plugin: &Plugin, name: &str, address: usize) -> Result<()> {
    // SAFETY: this is the struct of the FFI extension.
    let extension = unsafe { plugin.extension::<sys::PJRT_FFI_Extension>(sys::PJRT_Extension_Type_FFI) };
    let extension = extension.ok_or_else(|| {
        Error::new(Code::Unimplemented, format!("{plugin:?} takes no FFI handlers: it has no FFI extension"))
    })?;
    let mut args: sys::PJRT_FFI_Register_Handler_Args = sys::sized();
    args.target_name = name.as_ptr().cast();
    args.target_name_size = name.len();
    args.handler = address as *mut _;
    args.platform_name = PLATFORM.as_ptr().cast();
    args.platform_name_size = PLATFORM.len();
    // SAFETY: the names live during the call, and the handler is a function of this program.
    unsafe { plugin.table().call("PJRT_FFI_Register_Handler", extension.register_handler, &mut args) }
}

/// The C function that XLA calls; one exists per handler type.
unsafe extern "C" fn trampoline<H>(frame: *mut sys::XLA_FFI_CallFrame) -> *mut sys::XLA_FFI_Error
where
    H: Fn(&mut Call<'_>) -> Result<()> + Copy + Send + Sync + 'static,
{
    const { assert!(size_of::<H>() == 0, "an FFI handler must not capture anything") };
    // SAFETY: XLA passes a valid frame, which lives until this function returns.
    let frame = unsafe { &*frame };
    // SAFETY: as above.
    if unsafe { answer_metadata(frame) } || frame.stage != sys::XLA_FFI_ExecutionStage_EXECUTE {
        return ptr::null_mut();
    }
    let _inside = Inside::enter();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the frame is that of an execution, so its buffers are valid.
        let mut call = unsafe { Call::new(frame) }?;
        // SAFETY: a value of this type has no bytes, may be copied, and exists: it was given to `register`.
        let handler = unsafe { NonNull::<H>::dangling().as_ref() };
        handler(&mut call)
    }));
    let error = match outcome {
        Ok(Ok(())) => return ptr::null_mut(),
        Ok(Err(error)) => error,
        Err(payload) => Error::new(Code::Internal, format!("the FFI handler panicked: {}", panic_text(&*payload))),
    };
    // SAFETY: the frame is that of an execution.
    if let Some(launch) = unsafe { run_id(frame) }.and_then(launch::find) {
        // The other devices would wait for this one in their next collective, for ever: the launch goes on, and whoever
        // waits for it gets the error.
        launch.fail(error);
        // SAFETY: as above; the handler, which had these buffers, has returned.
        if let Ok(mut call) = unsafe { Call::new(frame) } {
            call.results.iter_mut().for_each(|result| result.as_mut_bytes().fill(0));
        }
        return ptr::null_mut();
    }
    // SAFETY: the frame's table of functions is valid.
    unsafe { to_c(frame, &error) }
}

/// Answers XLA's question for the handler's properties, if the frame is one.
///
/// # Safety
/// The frame is valid.
unsafe fn answer_metadata(frame: &sys::XLA_FFI_CallFrame) -> bool {
    let mut extension = frame.extension_start;
    while !extension.is_null() {
        // SAFETY: the chain of extensions is valid, and this type tag says what the struct is.
        unsafe {
            if (*extension).type_ == sys::XLA_FFI_Extension_Metadata {
                let metadata = (*extension.cast::<sys::XLA_FFI_Metadata_Extension>()).metadata;
                // XLA drops handlers of another minor version without a word, so the version is the frame's own.
                let version = &(*frame.api).api_version;
                (*metadata).api_version.major_version = version.major_version;
                (*metadata).api_version.minor_version = version.minor_version;
                (*metadata).traits = 0;
                return true;
            }
            extension = (*extension).next;
        }
    }
    false
}

/// The number of the run, which is the launch's.
///
/// # Safety
/// The frame is that of an execution.
unsafe fn run_id(frame: &sys::XLA_FFI_CallFrame) -> Option<i64> {
    let mut args: sys::XLA_FFI_RunId_Get_Args = sys::sized();
    args.ctx = frame.ctx;
    // SAFETY: the table is as long as its size says; the context is the frame's; an error is freed by its function.
    unsafe {
        let api = &*frame.api;
        let end = std::mem::offset_of!(sys::XLA_FFI_Api, XLA_FFI_RunId_Get) + size_of::<sys::XLA_FFI_RunId_Get>();
        let get = api.XLA_FFI_RunId_Get.filter(|_| api.struct_size >= end)?;
        let error = get(&mut args);
        if !error.is_null() {
            let mut destroy: sys::XLA_FFI_Error_Destroy_Args = sys::sized();
            destroy.error = error;
            if let Some(free) = api.XLA_FFI_Error_Destroy {
                free(&mut destroy);
            }
            return None;
        }
    }
    Some(args.run_id)
}

/// # Safety
/// The frame is valid.
unsafe fn to_c(frame: &sys::XLA_FFI_CallFrame, error: &Error) -> *mut sys::XLA_FFI_Error {
    let message = CString::new(error.message.replace('\0', " ")).unwrap_or_default();
    let mut args: sys::XLA_FFI_Error_Create_Args = sys::sized();
    args.message = message.as_ptr();
    args.errc = error.code.to_pjrt();
    // SAFETY: every version of the table has this function, which copies the message.
    unsafe { (*frame.api).XLA_FFI_Error_Create.map_or(ptr::null_mut(), |create| create(&mut args)) }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
