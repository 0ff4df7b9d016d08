//! Memory for the lists that running a program takes, used again by the next run.

use crate::{
    Buffer,
    sys::{PJRT_Buffer, PJRT_Event},
};
use std::{
    cell::Cell,
    mem,
    ops::{Deref, DerefMut, Range},
    ptr,
};

/// The lists of one run, given back to its thread when dropped.
pub(crate) struct Scratch(Lists);

/// Devices come one after the other in those that have an entry per device and argument (or result).
#[derive(Default)]
pub(crate) struct Lists {
    /// The arguments, null as long as they are not given.
    pub(crate) arguments: Vec<*const Buffer>,
    /// Arguments that are kept from donation, by number.
    pub(crate) keep: Vec<i64>,
    pub(crate) argument_lists: Vec<*const *mut PJRT_Buffer>,
    /// Null once they are taken.
    pub(crate) results: Vec<*mut PJRT_Buffer>,
    pub(crate) result_lists: Vec<*mut *mut PJRT_Buffer>,
    pub(crate) events: Vec<*mut PJRT_Event>,
    raw_arguments: Vec<*mut PJRT_Buffer>,
}

thread_local! {
    static LAST: Cell<Option<Lists>> = const { Cell::new(None) };
}

impl Scratch {
    /// For this many arguments, on all devices together.
    pub(crate) fn take(arguments: usize) -> Scratch {
        // (a thread that ends has nothing to use again)
        let mut lists = LAST.try_with(Cell::take).ok().flatten().unwrap_or_default();
        lists.arguments.clear();
        lists.arguments.resize(arguments, ptr::null());
        lists.keep.clear();
        lists.results.clear();
        Scratch(lists)
    }
}

impl Lists {
    /// Makes the lists that the plugin takes. All arguments must have been given.
    pub(crate) fn lists(&mut self, devices: usize, arguments: usize, results: usize, events: usize) {
        self.raw_arguments.clear();
        // SAFETY: the run borrows its arguments.
        self.raw_arguments.extend(self.arguments.iter().map(|arg| unsafe { (**arg).raw() }));
        fill(&mut self.results, devices * results);
        fill(&mut self.events, events);
        self.argument_lists.clear();
        let first = self.raw_arguments.as_ptr();
        self.argument_lists.extend((0..devices).map(|device| first.wrapping_add(device * arguments)));
        self.result_lists.clear();
        let first = self.results.as_mut_ptr();
        self.result_lists.extend((0..devices).map(|device| first.wrapping_add(device * results)));
    }

    /// Whether no buffer is twice among these arguments.
    pub(crate) fn all_different(&mut self, which: Range<usize>) -> bool {
        let sorted = &mut self.raw_arguments;
        sorted.clear();
        // SAFETY: the run borrows its arguments.
        sorted.extend(self.arguments[which].iter().map(|arg| unsafe { (**arg).raw() }));
        sorted.sort_unstable();
        sorted.windows(2).all(|pair| pair[0] != pair[1])
    }
}

/// A list of this many nulls.
fn fill<T>(list: &mut Vec<*mut T>, count: usize) {
    list.clear();
    list.resize(count, ptr::null_mut());
}

impl Deref for Scratch {
    type Target = Lists;

    fn deref(&self) -> &Lists {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Lists {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let lists = mem::take(&mut self.0);
        let _ = LAST.try_with(|last| last.set(Some(lists)));
    }
}
