//! What the processes of a program tell each other while their clients are made: the key-value callbacks of PJRT.

use crate::{
    Code, Error, Result,
    named_value::{slice, string},
    sys::{self, PJRT_Error},
};
use std::{
    ffi::{c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::Arc,
    time::Duration,
};

/// Where the processes of one program leave values for each other. Plugins that run over several processes find each other's
/// devices with it while a client is made, and later the groups of their collectives.
///
/// [`Plugin::client_with_store`](crate::Plugin::client_with_store) takes one. All processes must be given the same, and nobody else.
pub trait KeyValueStore: Send + Sync {
    /// The value of a key, waited for no longer than `timeout`.
    ///
    /// # Errors
    /// [`Code::DeadlineExceeded`]: nobody has put it in that time. [`Code::Unavailable`]: the store cannot be reached.
    fn get(&self, key: &str, timeout: Duration) -> Result<Vec<u8>>;
    /// The value of a key, if there is one now.
    ///
    /// # Errors
    /// [`Code::Unavailable`]: the store cannot be reached.
    fn try_get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`Code::Unavailable`]: the store cannot be reached.
    fn put(&self, key: &str, value: &[u8]) -> Result<()>;
}

/// A store that a client calls until it is destroyed. It has an address of its own, which the plugin keeps.
pub(crate) struct Callbacks(Box<Arc<dyn KeyValueStore>>);

impl Callbacks {
    pub(crate) fn new(store: Arc<dyn KeyValueStore>) -> Callbacks {
        Callbacks(Box::new(store))
    }

    /// Tells the plugin whom to call.
    pub(crate) fn give_to(&self, args: &mut sys::PJRT_Client_Create_Args) {
        let user: *mut c_void = ptr::from_ref::<Arc<dyn KeyValueStore>>(&self.0).cast_mut().cast();
        args.kv_get_callback = Some(get);
        args.kv_get_user_arg = user;
        args.kv_try_get_callback = Some(try_get);
        args.kv_try_get_user_arg = user;
        args.kv_put_callback = Some(put);
        args.kv_put_user_arg = user;
    }
}

/// # Safety
/// `user` is what [`Callbacks::give_to`] gave, and its client is alive.
unsafe fn store<'a>(user: *mut c_void) -> &'a dyn KeyValueStore {
    // SAFETY: the caller vouches: the box outlives the client.
    unsafe { &**user.cast::<Arc<dyn KeyValueStore>>() }
}

/// Runs what a callback asks for; no panic goes through the plugin.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::new(Code::Internal, "the key-value store of this process panicked")))
}

/// The plugin's form of an error.
///
/// # Safety
/// `make` is what the plugin gave to the callback.
unsafe fn failed(make: *mut sys::PJRT_CallbackError, error: &Error) -> *mut PJRT_Error {
    // SAFETY: the plugin's pointer to its function, or null.
    let make = unsafe { make.as_ref() }.copied().flatten();
    let message = error.to_string();
    match make {
        // SAFETY: the plugin copies the message.
        Some(make) => unsafe { make(error.code.to_pjrt(), message.as_ptr().cast(), message.len()) },
        // (without it there is no way to say what happened: the plugin finds no value)
        None => ptr::null_mut(),
    }
}

/// A copy that the plugin gives back to [`free`].
///
/// # Errors
/// No memory.
fn copied(value: &[u8]) -> Result<*mut c_char> {
    // SAFETY: any size may be asked for; of nothing, there is one byte, so that null says that there is no memory.
    let copy = unsafe { libc::malloc(value.len().max(1)) };
    if copy.is_null() {
        return Err(Error::new(Code::ResourceExhausted, format!("no memory for a value of {} bytes", value.len())));
    }
    // SAFETY: the copy has room for the value, and nobody else knows it.
    unsafe { ptr::copy_nonoverlapping(value.as_ptr(), copy.cast(), value.len()) };
    Ok(copy.cast())
}

unsafe extern "C" fn free(value: *mut c_char) {
    // SAFETY: the value came from `copied`, and the plugin gives it back once.
    unsafe { libc::free(value.cast()) }
}

/// A wait in milliseconds; a negative one is none.
fn waiting(millis: c_int) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Fills the arguments of a callback that asks for a value, whose fields have the same names in both structs.
macro_rules! answer {
    ($args:ident, $value:expr) => {
        match guarded($value).and_then(|value| Ok((copied(&value)?, value.len()))) {
            Ok((copy, len)) => {
                ($args.value, $args.value_size) = (copy, len);
                $args.value_deleter_callback = Some(free);
                ptr::null_mut()
            }
            Err(error) => failed($args.callback_error, &error),
        }
    };
}

unsafe extern "C" fn get(args: *mut sys::PJRT_KeyValueGetCallback_Args) -> *mut PJRT_Error {
    // SAFETY: the plugin calls it with valid arguments while its client is made or alive.
    unsafe {
        let args = &mut *args;
        let key = string(args.key, args.key_size);
        answer!(args, || store(args.user_arg).get(&key, waiting(args.timeout_in_ms)))
    }
}

unsafe extern "C" fn try_get(args: *mut sys::PJRT_KeyValueTryGetCallback_Args) -> *mut PJRT_Error {
    // SAFETY: as `get`.
    unsafe {
        let args = &mut *args;
        let key = string(args.key, args.key_size);
        let none = || Error::new(Code::NotFound, format!("nobody has put `{key}`"));
        answer!(args, || store(args.user_arg).try_get(&key)?.ok_or_else(none))
    }
}

unsafe extern "C" fn put(args: *mut sys::PJRT_KeyValuePutCallback_Args) -> *mut PJRT_Error {
    // SAFETY: as `get`.
    unsafe {
        let args = &mut *args;
        let key = string(args.key, args.key_size);
        let value = slice(args.value.cast::<u8>(), args.value_size);
        match guarded(|| store(args.user_arg).put(&key, value)) {
            Ok(()) => ptr::null_mut(),
            Err(error) => failed(args.callback_error, &error),
        }
    }
}
