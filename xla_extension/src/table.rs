//! The plugin's function table and the one way to call into it.

use crate::{
    Code, Error, Result,
    exit::Call,
    forked::Generation,
    named_value,
    sys::{self, PJRT_Api, PJRT_Error},
};
use std::{mem, ptr};

/// What to do when a device has no memory left.
const OUT_OF_MEMORY: &str = "make what it computes smaller (batch, sequence, cache), use a narrower dtype, give memory back \
                             (arguments moved into the call), or compute again instead of keeping (remat)";

/// A copy of a plugin's function table. Functions that the plugin is too old to have are `None`.
pub(crate) struct Table(pub(crate) PJRT_Api, Generation);

// SAFETY: the table holds pointers to functions and immutable statics of a library that is never unloaded, and the PJRT C
// API is thread-safe.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// Builds the argument struct, calls one function of the table and returns the struct with its outputs.
/// Expands to an unsafe call: the call site says why its pointers are valid.
macro_rules! invoke {
    ($table:expr, $function:ident, $args:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        #[allow(unused_mut)]
        let mut args: $crate::sys::$args = $crate::sys::sized();
        $(args.$field = $value;)*
        let table: &$crate::table::Table = $table;
        table.call(stringify!($function), table.0.$function, &mut args).map(|()| args)
    }};
}
pub(crate) use invoke;

impl Table {
    /// # Safety
    /// `api` points to the table of a plugin that is never unloaded.
    pub(crate) unsafe fn copy(api: *const PJRT_Api) -> Table {
        let mut table = PJRT_Api::default();
        // SAFETY: `struct_size` says how much of the table there is; the rest of the copy stays zero, which is `None`.
        unsafe {
            let size = (*api).struct_size.min(mem::size_of::<PJRT_Api>());
            ptr::copy_nonoverlapping(api.cast::<u8>(), (&raw mut table).cast::<u8>(), size);
        }
        Table(table, Generation::now())
    }

    /// Calls `function` and turns the plugin's error into ours.
    ///
    /// # Safety
    /// The pointers in `args` are what the function expects.
    pub(crate) unsafe fn call<A>(
        &self,
        name: &str,
        function: Option<unsafe extern "C" fn(*mut A) -> *mut PJRT_Error>,
        args: &mut A,
    ) -> Result<()> {
        self.1.check()?;
        let function = function.ok_or_else(|| self.missing(name))?;
        let _call = Call::enter();
        // SAFETY: the caller vouches for the arguments; an error that comes back is ours to take.
        unsafe { self.check(function(args)) }
    }

    /// The error for a function that this plugin does not have.
    pub(crate) fn missing(&self, name: &str) -> Error {
        let version = &self.0.pjrt_api_version;
        let (major, minor) = (version.major_version, version.minor_version);
        Error::new(Code::Unimplemented, format!("the plugin (PJRT API {major}.{minor}) does not offer {name}"))
    }

    /// Takes an error that came back from the plugin; null means success.
    ///
    /// # Safety
    /// `error` is null or an error of this plugin that nobody else frees.
    pub(crate) unsafe fn check(&self, error: *mut PJRT_Error) -> Result<()> {
        if error.is_null() {
            return Ok(());
        }
        let mut code: sys::PJRT_Error_GetCode_Args = sys::sized();
        code.error = error;
        let mut message: sys::PJRT_Error_Message_Args = sys::sized();
        message.error = error;
        let mut destroy: sys::PJRT_Error_Destroy_Args = sys::sized();
        destroy.error = error;
        // SAFETY: `error` lives until the last of these calls; the message is copied before.
        unsafe {
            if let Some(get) = self.0.PJRT_Error_GetCode {
                let failed = get(&mut code);
                if !failed.is_null() {
                    code.code = sys::PJRT_Error_Code_UNKNOWN;
                }
            }
            if let Some(get) = self.0.PJRT_Error_Message {
                get(&mut message);
            }
            let message = named_value::string(message.message, message.message_size);
            let mut error = Error::new(Code::from_pjrt(code.code), message);
            if error.code == Code::ResourceExhausted {
                error = error.help(OUT_OF_MEMORY);
            }
            if let Some(free) = self.0.PJRT_Error_Destroy {
                free(&mut destroy);
            }
            Err(error)
        }
    }
}
