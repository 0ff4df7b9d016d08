//! Products in the tiles of AMX: bf16 times bf16, added in f32. (Intel 64 and IA-32 manual, volume 1, chapter 18.)
//!
//! A tile register holds 16 rows of 64 bytes. `tdpbf16ps` multiplies 16 rows of 32 bf16 with 16 pairs of rows of 16: a block of a
//! packed bf16 matrix is such a tile as it lies in memory.
#![allow(unsafe_op_in_unsafe_fn)]

/// Rows of the left side that one call takes.
pub const ROWS: usize = 32;
/// Inputs that one step takes.
pub const STEP: usize = 32;

/// Has this processor AMX with bf16, and does the system let this process use it?
pub fn is_there() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        use std::sync::OnceLock;
        static THERE: OnceLock<bool> = OnceLock::new();
        *THERE.get_or_init(here::allowed)
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use here::{Tiles, product};
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub use nowhere::{Tiles, product};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod here {
    use std::{arch::asm, marker::PhantomData};

    /// What `cpuid` says of AMX, and the system's leave.
    pub(super) fn allowed() -> bool {
        use std::arch::x86_64::__cpuid_count;
        if !is_x86_feature_detected!("avx512f") {
            return false;
        }
        let features = __cpuid_count(7, 0).edx;
        let (bf16, tiles) = (features >> 22 & 1 == 1, features >> 24 & 1 == 1);
        // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
        const ARCH_PRCTL: u64 = 158;
        const REQUEST: u64 = 0x1023;
        const TILE_DATA: u64 = 18;
        let outcome: u64;
        if !(bf16 && tiles) {
            return false;
        }
        // SAFETY: a system call that reads no memory; the kernel keeps all registers but these.
        unsafe {
            asm!("syscall", inlateout("rax") ARCH_PRCTL => outcome, in("rdi") REQUEST, in("rsi") TILE_DATA,
                lateout("rcx") _, lateout("r11") _, options(nostack));
        }
        outcome == 0
    }

    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start: u8,
        zeros: [u8; 14],
        /// Bytes of a row of each of 16 tiles (8 there are).
        bytes: [u16; 16],
        rows: [u8; 16],
    }

    /// The tile registers of this thread, set up for whole tiles. Released when dropped: while they are in use, switching between
    /// threads costs more.
    pub struct Tiles(PhantomData<*const ()>);
    impl Tiles {
        /// # Safety
        /// [`is_there`](super::is_there).
        pub unsafe fn new() -> Tiles {
            let mut config = Config { palette: 1, start: 0, zeros: [0; 14], bytes: [0; 16], rows: [0; 16] };
            config.bytes[..8].fill(64);
            config.rows[..8].fill(16);
            asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly));
            Tiles(PhantomData)
        }
    }
    impl Drop for Tiles {
        fn drop(&mut self) {
            // SAFETY: AMX is there, since `new` needs it.
            unsafe { asm!("tilerelease", options(nostack, nomem)) }
        }
    }

    /// 32 rows of `a`, which begin `stride` bytes apart, times two tiles of 16 outputs, over `steps` blocks of 32 inputs; the sums go to
    /// `c`, whose rows are `c_stride` bytes apart, or with `add` to what is there.
    ///
    /// # Safety
    /// All of these are whole, and [`Tiles`] of this thread are set up.
    pub unsafe fn product(
        a: *const u16,
        stride: usize,
        tiles: [*const u8; 2],
        steps: usize,
        c: *mut f32,
        c_stride: usize,
        add: bool,
    ) {
        let below = a.cast::<u8>().add(16 * stride);
        let (right, low) = (c.add(16), c.cast::<u8>().add(16 * c_stride).cast::<f32>());
        let low_right = low.add(16);
        if add {
            asm!(
                "tileloadd tmm0, [{c} + {s}*1]", "tileloadd tmm1, [{r} + {s}*1]",
                "tileloadd tmm2, [{l} + {s}*1]", "tileloadd tmm3, [{lr} + {s}*1]",
                c = in(reg) c, r = in(reg) right, l = in(reg) low, lr = in(reg) low_right, s = in(reg) c_stride,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, options(nostack, readonly),
            );
        } else {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, options(nostack, nomem));
        }
        asm!(
            "2:",
            "tileloadd tmm4, [{a} + {s}*1]",
            "tileloadd tmm6, [{b} + {k}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{d} + {k}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{e} + {s}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 64",
            "add {e}, 64",
            "add {b}, 1024",
            "add {d}, 1024",
            "dec {n}",
            "jnz 2b",
            a = inout(reg) a => _, e = inout(reg) below => _, b = inout(reg) tiles[0] => _, d = inout(reg) tiles[1] => _,
            n = inout(reg) steps => _, s = in(reg) stride, k = in(reg) 64usize,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _, options(nostack),
        );
        asm!(
            "tilestored [{c} + {s}*1], tmm0", "tilestored [{r} + {s}*1], tmm1",
            "tilestored [{l} + {s}*1], tmm2", "tilestored [{lr} + {s}*1], tmm3",
            c = in(reg) c, r = in(reg) right, l = in(reg) low, lr = in(reg) low_right, s = in(reg) c_stride,
            options(nostack),
        );
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod nowhere {
    /// The tile registers of a processor that has none.
    pub struct Tiles(());
    impl Tiles {
        /// # Safety
        /// Never to be called.
        pub unsafe fn new() -> Tiles {
            Tiles(())
        }
    }
    /// # Safety
    /// Never to be called.
    pub unsafe fn product(_: *const u16, _: usize, _: [*const u8; 2], _: usize, _: *mut f32, _: usize, _: bool) {}
}
