//! Whether the standard streams were there when the program started. Rust opens `/dev/null` in place of those that were closed,
//! so that what is written to them is lost without an error; it does so before `main`, and this looks before Rust does.

#[cfg(target_os = "linux")]
mod early {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub static OUTPUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);
    const F_GETFD: c_int = 1;

    unsafe extern "C" {
        fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    }

    extern "C" fn look() {
        // SAFETY: fcntl with F_GETFD takes any number for a descriptor, and changes nothing. No part of Rust's standard library
        // is used that needs its start: an atomic store does not.
        let flags = unsafe { fcntl(1, F_GETFD) };
        OUTPUT_IS_CLOSED.store(flags < 0, Ordering::Relaxed);
    }

    // SAFETY: the loader calls the functions of this section once, before `main`, with arguments that `look` does not read.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;
}

#[cfg(not(target_os = "linux"))]
mod early {
    pub static OUTPUT_IS_CLOSED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
}

/// Was standard output closed when the program started (`>&-`)? Known on Linux only.
pub fn output_is_closed() -> bool {
    early::OUTPUT_IS_CLOSED.load(std::sync::atomic::Ordering::Relaxed)
}
