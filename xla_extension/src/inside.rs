//! Whether this thread is the plugin's, in a function of ours that it called: what waits for the plugin's threads, as
//! freeing a client does, would wait for itself there.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, this thread is inside of a call from the plugin.
pub(crate) struct Inside(());

impl Inside {
    pub(crate) fn enter() -> Inside {
        DEPTH.set(DEPTH.get() + 1);
        Inside(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Whether the plugin called what runs now.
pub(crate) fn is_inside() -> bool {
    // (a thread that ends is not in a call)
    DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0)
}
