//! One call of a handler: its arguments, results and attributes.

use super::{Attrs, Threads};
use crate::{Code, DType, Error, Result, named_value::slice, signature::show_type, sys};
use std::marker::PhantomData;

/// One call of a handler. Arguments can be read, results must be written in full.
pub struct Call<'a> {
    /// The arguments, in order.
    pub args: Vec<Arg<'a>>,
    /// The results, in order.
    pub results: Vec<Output<'a>>,
    /// The attributes of the custom call's `backend_config`.
    pub attrs: Attrs<'a>,
    /// The threads of the runtime.
    pub threads: Threads<'a>,
}

/// An argument: an array that the handler reads, row-major.
pub struct Arg<'a> {
    array: Array<'a>,
    index: usize,
    /// The result that shares its memory, if the program says so by an output operand alias.
    in_place: Option<usize>,
}

/// A result: an array that the handler writes, row-major.
pub struct Output<'a> {
    array: Array<'a>,
    index: usize,
}

struct Array<'a> {
    dtype: DType,
    dims: &'a [i64],
    data: *mut u8,
    len: usize,
    _frame: PhantomData<&'a [u8]>,
}

// SAFETY: an array is memory that lives for `'a`; arguments are only read, and results are reached through `&mut`.
unsafe impl Send for Array<'_> {}
// SAFETY: as above.
unsafe impl Sync for Array<'_> {}

impl<'a> Call<'a> {
    /// # Safety
    /// The frame is that of an execution: its buffers are valid for `'a`.
    pub(super) unsafe fn new(frame: &'a sys::XLA_FFI_CallFrame) -> Result<Call<'a>> {
        // SAFETY: the lists of the frame are valid.
        unsafe {
            let args = slice(frame.args.args, frame.args.size as usize);
            let results = slice(frame.rets.rets, frame.rets.size as usize);
            // Buffers are the only kind of argument and of result there is.
            let array = |pointer: &*mut std::ffi::c_void| Array::read(&*pointer.cast::<sys::XLA_FFI_Buffer>());
            let results = results.iter().enumerate().map(|(index, result)| Ok(Output { array: array(result)?, index }));
            let results: Vec<Output> = results.collect::<Result<_>>()?;
            let arg = |(index, arg)| {
                let array: Array = array(arg)?;
                let in_place = results.iter().position(|result| result.array.overlaps(&array));
                Ok(Arg { array, index, in_place })
            };
            let args = args.iter().enumerate().map(arg).collect::<Result<_>>()?;
            for (i, result) in results.iter().enumerate() {
                if results[..i].iter().any(|earlier| earlier.array.overlaps(&result.array)) {
                    return Err(Error::new(Code::Internal, format!("result {i} shares memory with an earlier result")));
                }
            }
            Ok(Call { args, results, attrs: Attrs::new(&frame.attrs), threads: Threads::new(frame) })
        }
    }
}

impl<'a> Array<'a> {
    /// # Safety
    /// The buffer is valid for `'a`.
    unsafe fn read(buffer: &sys::XLA_FFI_Buffer) -> Result<Array<'a>> {
        let dtype = DType::from_xla(buffer.dtype).ok_or_else(|| {
            Error::new(Code::Unimplemented, format!("XLA element type {}, which raxla does not know", buffer.dtype))
        })?;
        // SAFETY: rank and dims belong together.
        let dims = unsafe { slice(buffer.dims, buffer.rank as usize) };
        let elements: i64 = dims.iter().product();
        let len = (elements as usize * dtype.bits()).div_ceil(8);
        Ok(Array { dtype, dims, data: buffer.data.cast(), len, _frame: PhantomData })
    }

    fn overlaps(&self, other: &Array<'_>) -> bool {
        let (start, other_start) = (self.data as usize, other.data as usize);
        self.len > 0 && other.len > 0 && start < other_start + other.len && other_start < start + self.len
    }

    /// The number of `T`s, if the array can be seen as such.
    fn check<T: Element>(&self, what: &str, index: usize) -> Result<usize> {
        let show = || {
            let dims: Vec<usize> = self.dims.iter().map(|&dim| dim as usize).collect();
            format!("{what} {index} is {}", show_type(self.dtype, &dims))
        };
        if !T::DTYPES.contains(&self.dtype) {
            let wanted: Vec<&str> = T::DTYPES.iter().map(|dtype| dtype.name()).collect();
            return Err(Error::new(
                Code::InvalidArgument,
                format!("{}, but the handler takes {}", show(), wanted.join(" or ")),
            ));
        }
        if self.len > 0 && !self.data.cast::<T>().is_aligned() {
            return Err(Error::new(Code::Internal, format!("{} at an address that is not aligned for it", show())));
        }
        Ok(self.len / size_of::<T>())
    }
}

macro_rules! common {
    ($type:ident, $what:literal) => {
        impl<'a> $type<'a> {
            /// The element type.
            pub fn dtype(&self) -> DType {
                self.array.dtype
            }

            /// The sizes of the axes.
            pub fn dims(&self) -> &'a [i64] {
                self.array.dims
            }

            /// The sizes of the axes, which must be `N`: `let [rows, columns] = x.shape()?`.
            pub fn shape<const N: usize>(&self) -> Result<[usize; N]> {
                let dims: &[i64; N] = self.array.dims.try_into().map_err(|_| {
                    let rank = self.array.dims.len();
                    Error::invalid(format!("{} {} has {rank} axes, but the handler takes {N}", $what, self.index))
                })?;
                Ok(dims.map(|dim| dim as usize))
            }
        }
    };
}
common!(Arg, "argument");
common!(Output, "result");

impl<'a> Arg<'a> {
    /// The elements. Fails if they are no `T`s, or share the memory of a result.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T]> {
        let len = self.array.check::<T>("argument", self.index)?;
        self.check_not_in_place()?;
        // SAFETY: type, length and alignment were checked; the memory lives for `'a` and no result shares it.
        Ok(unsafe { slice(self.array.data.cast(), len) })
    }

    /// The bytes, whatever the type; 4-bit types are packed two to a byte, the first element in the low bits.
    pub fn as_bytes(&self) -> Result<&'a [u8]> {
        self.check_not_in_place()?;
        // SAFETY: the memory lives for `'a` and no result shares it.
        Ok(unsafe { slice(self.array.data, self.array.len) })
    }

    /// The result that already holds this argument's values, because the program gave the two the same memory. Such an
    /// argument is read through the result.
    pub fn in_place(&self) -> Option<usize> {
        self.in_place
    }

    fn check_not_in_place(&self) -> Result<()> {
        match self.in_place {
            None => Ok(()),
            Some(result) => Err(Error::new(
                Code::FailedPrecondition,
                format!("argument {} shares the memory of result {result}; read it there", self.index),
            )),
        }
    }
}

impl Output<'_> {
    /// The elements, to be written. What they hold before is arbitrary, unless an argument is
    /// [in place](Arg::in_place) here.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T]> {
        let len = self.array.check::<T>("result", self.index)?;
        if len == 0 {
            return Ok(&mut []);
        }
        // SAFETY: type, length and alignment were checked; nothing else reaches this memory while `self` is borrowed.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.array.data.cast(), len) })
    }

    /// The bytes, whatever the type, to be written; 4-bit types are packed two to a byte, the first element in the low
    /// bits.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        if self.array.len == 0 {
            return &mut [];
        }
        // SAFETY: nothing else reaches this memory while `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.array.data, self.array.len) }
    }
}

/// A Rust type that elements of certain dtypes can be seen as.
///
/// # Safety
/// Every bit pattern is a valid value, and the size is that of one element of each dtype.
pub unsafe trait Element: Copy + Send + Sync + 'static {
    /// The dtypes.
    const DTYPES: &'static [DType];
}

macro_rules! elements {
    ($($type:ty: $($dtype:ident)|+;)+) => {
        $(
            // SAFETY: plain numbers of the dtypes' size.
            unsafe impl Element for $type {
                const DTYPES: &'static [DType] = &[$(DType::$dtype),+];
            }
        )+
    };
}
elements! {
    i8: I8;
    i16: I16;
    i32: I32;
    i64: I64;
    u8: U8 | Bool | F8E8M0FNU | F8E3M4 | F8E4M3 | F8E4M3B11FNUZ | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ;
    u16: U16 | BF16 | F16;
    u32: U32;
    u64: U64;
    half::bf16: BF16;
    half::f16: F16;
    f32: F32;
    f64: F64;
    num_complex::Complex<f32>: C64;
    num_complex::Complex<f64>: C128;
}
