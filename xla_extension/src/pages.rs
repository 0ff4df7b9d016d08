//! Large pages for what programs of the CPU plugin compute.
//!
//! The plugin asks for memory at each run, for results and for values in between, with `posix_memalign`. The C library maps blocks of 32 MiB and more
//! anew each time, from pages of 4 KiB, of which each costs an interrupt when it is written first: an elementwise operation on 256 MB spends
//! three quarters of its time there. Where the system gives large pages to those who ask for them (`madvise`, as most do), asking is enough. So the
//! plugin's call of `posix_memalign` is led here: its address stands in a table of the library that the dynamic loader fills in, the global offset
//! table, and is replaced by that of [`allocate`]. Where the table is read-only, or no such call is in it, everything stays as it is.

use libc::{Elf64_Phdr, Elf64_Sym, c_int, c_void, dl_phdr_info, size_t};
use std::{
    ffi::CStr,
    mem, ptr, slice,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Blocks of this size and more get large pages.
const LEAST: usize = 2 * crate::arena::PAGE;

/// `posix_memalign`, with large pages for large blocks.
///
/// # Safety
/// As `posix_memalign`.
unsafe extern "C" fn allocate(block: *mut *mut c_void, alignment: size_t, size: size_t) -> c_int {
    // SAFETY: the caller vouches.
    let code = unsafe { libc::posix_memalign(block, alignment, size) };
    if code == 0 && size >= LEAST {
        // SAFETY: the block was just made, and its pages are advised of, not changed. What else is on its first and its last is in the same mapping.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE).max(1).cast_unsigned() as usize;
            let start = (*block).map_addr(|address| address & !(page - 1));
            libc::madvise(start, (*block).addr() + size - start.addr(), libc::MADV_HUGEPAGE);
        }
    }
    code
}

/// Leads the calls of `posix_memalign` of the library that `function` is in to [`allocate`].
pub(crate) fn of_library(function: *const c_void) {
    let mut address = function.addr();
    // SAFETY: the callback has this signature, and what it reads is of libraries that are loaded while it runs; this one is never unloaded.
    unsafe { libc::dl_iterate_phdr(Some(of_object), (&raw mut address).cast()) };
}

/// An entry of a library's table of what the dynamic loader needs (`Elf64_Dyn`).
#[repr(C)]
struct Dynamic {
    tag: u64,
    value: usize,
}
/// An address that the dynamic loader fills in (`Elf64_Rela`).
#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}
const DT_NULL: u64 = 0;
const DT_PLTRELSZ: u64 = 2;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_JMPREL: u64 = 23;
/// The address of a function that is called through the table.
#[cfg(target_arch = "x86_64")]
const JUMP_SLOT: u64 = 7;
#[cfg(target_arch = "aarch64")]
const JUMP_SLOT: u64 = 1026;

/// Looks at one loaded library; not 0 if it is the one with the address `data` points to.
unsafe extern "C" fn of_object(info: *mut dl_phdr_info, _: size_t, data: *mut c_void) -> c_int {
    // SAFETY: the loader passes a library's headers, and `of_library` the address.
    let (base, headers, address) = unsafe {
        let info = &*info;
        let headers: &[Elf64_Phdr] = slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (info.dlpi_addr as usize, headers, *data.cast::<usize>())
    };
    let segment = |kind: u32| headers.iter().filter(move |header| header.p_type == kind);
    let within = |header: &Elf64_Phdr, address: usize| {
        address.wrapping_sub(base + header.p_vaddr as usize) < header.p_memsz as usize
    };
    if !segment(libc::PT_LOAD).any(|header| within(header, address)) {
        return 0;
    }
    let Some(table) = segment(libc::PT_DYNAMIC).next() else { return 1 };
    let [mut strings, mut symbols, mut slots, mut size] = [0; 4];
    let mut entry = ptr::with_exposed_provenance::<Dynamic>(base + table.p_vaddr as usize);
    // SAFETY: the table ends with an entry DT_NULL, and what it names is in the library's memory, else it would not have been loaded.
    // A slot outside of what is made read-only after loading may be written; that is done at once, as the loader does.
    unsafe {
        while (*entry).tag != DT_NULL {
            match (*entry).tag {
                DT_STRTAB => strings = (*entry).value,
                DT_SYMTAB => symbols = (*entry).value,
                DT_JMPREL => slots = (*entry).value,
                DT_PLTRELSZ => size = (*entry).value,
                _ => {}
            }
            entry = entry.add(1);
        }
        if [strings, symbols, slots].contains(&0) {
            return 1;
        }
        // (glibc writes addresses in place of offsets, other loaders do not)
        let at = |value: usize| if value < base { base + value } else { value };
        let slots = ptr::with_exposed_provenance::<Relocation>(at(slots));
        for slot in slice::from_raw_parts(slots, size / mem::size_of::<Relocation>()) {
            let symbol = ptr::with_exposed_provenance::<Elf64_Sym>(at(symbols)).add((slot.info >> 32) as usize);
            let name = ptr::with_exposed_provenance(at(strings) + (*symbol).st_name as usize);
            let place = base + slot.offset;
            let locked = segment(libc::PT_GNU_RELRO).any(|header| within(header, place));
            if slot.info & 0xffff_ffff == JUMP_SLOT && CStr::from_ptr(name) == c"posix_memalign" && !locked {
                let place = ptr::with_exposed_provenance_mut::<*mut c_void>(place);
                AtomicPtr::from_ptr(place).store(allocate as *mut c_void, Ordering::Release);
            }
        }
    }
    1
}
