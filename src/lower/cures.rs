//! What raxla writes otherwise than it means, because of faults in XLA and its CPU plugin.
//!
//! docs/plugin_faults.md lists the faults. For each, a test in tests/canaries.rs runs a program with the cure and [without] it: it
//! fails when the cure no longer helps, and when it is no longer needed.
use std::cell::Cell;

macro_rules! cures {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A way around a fault of the compiler.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cure {
            $($(#[$doc])* $name,)*
        }
        impl Cure {
            /// All of them.
            pub const ALL: &[Cure] = &[$(Cure::$name),*];
        }
    };
}
cures! {
    /// The starts of dynamic slices and of single gathered windows are clamped before the compiler sees them: it adds up those of
    /// parts of parts, and loses track of them along an axis that it divides.
    ClampedStarts,
    /// An array is not updated in place with what is computed from it.
    UpdatesApart,
    /// The option that makes minimum and maximum drop NaN is off.
    MinimumKeepsNan,
    /// An axis that is dilated or cut by a padding is not divided over devices.
    PaddedAxesWhole,
    /// No more than two contracted axes of a product are divided over devices.
    TwoContractedAxes,
    /// The spatial axes of a convolution are not divided over devices.
    SpatialAxesWhole,
    /// An axis along which the bits of integers are combined is not divided over devices.
    CombinedBitsWhole,
    /// Results of branches carry no annotation of how they are divided.
    PlainBranchResults,
    /// `top_k` refuses integers of 4 bits.
    NoTopKOfFourBits,
    /// Products that contract axes before the one that the left operand keeps are written so that the compiler gives those of bf16
    /// to its library, and transposes no larger operand of f32 for it.
    ProductsInLibrary,
}

thread_local! {
    static OFF: Cell<u32> = const { Cell::new(0) };
}

impl Cure {
    fn bit(self) -> u32 {
        1 << self as u32
    }
    /// Is it to be applied?
    pub(crate) fn applies(self) -> bool {
        OFF.get() & self.bit() == 0
    }
}

/// Run `f`, which traces and lowers programs, without a cure: only to find out whether it is still needed.
pub fn without<R>(cure: Cure, f: impl FnOnce() -> R) -> R {
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            OFF.set(self.0);
        }
    }
    let _restore = Restore(OFF.replace(OFF.get() | cure.bit()));
    f()
}
