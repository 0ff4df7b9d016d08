//! Events: the completion of asynchronous work.

use crate::{
    Plugin, Result,
    inside::Inside,
    sys::{PJRT_Error, PJRT_Event},
    table::invoke,
};
use std::ffi::c_void;

/// The completion, with or without an error, of work that a plugin does in the background.
pub struct Event {
    raw: *mut PJRT_Event,
    plugin: Plugin,
}

// SAFETY: the PJRT C API is thread-safe, and the handle is freed once, by its owner.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// # Safety
    /// `raw` is an event of `plugin` that nobody else frees.
    pub(crate) unsafe fn from_raw(raw: *mut PJRT_Event, plugin: &Plugin) -> Event {
        Event { raw, plugin: plugin.clone() }
    }

    /// Blocks until the work is done and returns its error, if any.
    pub fn wait(&self) -> Result<()> {
        if self.raw.is_null() {
            return Ok(());
        }
        // SAFETY: the event lives as long as `self`.
        unsafe { invoke!(self.plugin.table(), PJRT_Event_Await, PJRT_Event_Await_Args { event: self.raw }) }.map(|_| ())
    }

    /// Whether the work is done, well or badly.
    pub fn is_ready(&self) -> Result<bool> {
        if self.raw.is_null() {
            return Ok(true);
        }
        // SAFETY: the event lives as long as `self`.
        let args =
            unsafe { invoke!(self.plugin.table(), PJRT_Event_IsReady, PJRT_Event_IsReady_Args { event: self.raw }) }?;
        Ok(args.is_ready)
    }

    /// Calls `then` with the outcome once the work is done, on whichever thread finishes it, or at once on this one.
    pub fn on_ready(&self, then: impl FnOnce(Result<()>) + Send + 'static) -> Result<()> {
        if self.raw.is_null() {
            then(Ok(()));
            return Ok(());
        }
        let waiting = Box::new(Waiting { then: Box::new(then), plugin: self.plugin.clone() });
        let waiting = Box::into_raw(waiting);
        // SAFETY: the callback takes the box back, exactly once.
        let registered = unsafe {
            invoke!(
                self.plugin.table(),
                PJRT_Event_OnReady,
                PJRT_Event_OnReady_Args {
                    event: self.raw,
                    callback: Some(finished),
                    user_arg: waiting.cast::<c_void>()
                }
            )
        };
        registered.map(|_| ()).inspect_err(|_| {
            // SAFETY: registration failed, so the callback will not run and the box is still ours.
            drop(unsafe { Box::from_raw(waiting) });
        })
    }
}

struct Waiting {
    then: Box<dyn FnOnce(Result<()>) + Send>,
    plugin: Plugin,
}

unsafe extern "C" fn finished(error: *mut PJRT_Error, user_arg: *mut c_void) {
    let _inside = Inside::enter();
    // SAFETY: `user_arg` is the box made by `on_ready`, and the error is passed on to us.
    let (waiting, outcome) = unsafe {
        let waiting = Box::from_raw(user_arg.cast::<Waiting>());
        let outcome = waiting.plugin.table().check(error);
        (waiting, outcome)
    };
    // A panic must not unwind into the plugin; there is nobody to hand it to.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (waiting.then)(outcome)));
}

impl Drop for Event {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the handle is freed here and nowhere else; a failure to free has no remedy.
            let _ = unsafe {
                invoke!(self.plugin.table(), PJRT_Event_Destroy, PJRT_Event_Destroy_Args { event: self.raw })
            };
        }
    }
}
