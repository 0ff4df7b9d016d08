//! Data on devices.
//!
//! An [`Array`] goes in and out of jitted functions. It is made of and read as slices, `ndarray` arrays, or bytes;
//! elements are Rust numbers, `half::f16` and `half::bf16`, [`Complex32`] and [`Complex64`]. Reading waits for the computation that makes it.
use crate::{
    aval::{Aval, DType},
    error::{Error, Result},
    host::Host,
    memory,
    mesh::NamedSharding,
    runtime,
    tree::Leaf,
};
use bytemuck::{CheckedBitPattern, NoUninit};
use half::{bf16, f16};
use num_complex::{Complex32, Complex64};
use raxla_xla::{Arena, Buffer, Client, Code, HostBuffer, HostSemantics, ZERO_COPY_ALIGNMENT};
use std::{fmt, sync::Arc};

mod picture;
mod sharded;
mod types;
pub use picture::Picture;
pub use sharded::Shard;
pub(crate) use sharded::copy_overlap;
pub(crate) use types::ArrayType;

/// A dense array on a device, or divided over the devices of a mesh. Cheap to clone: clones share the memory.
///
/// It has no arithmetic: computing is what jitted functions do. Moved into [`Jit::call`](crate::Jit::call), its memory may
/// be reused for a result ("donated"); borrowed, it is kept.
#[derive(Clone)]
pub struct Array {
    inner: Arc<Inner>,
}
struct Inner {
    ty: ArrayType,
    /// One, or one for each device of the mesh.
    buffers: Vec<Arc<Buffer>>,
}
impl Leaf for Array {}

/// A Rust type that can be an element of an [`Array`].
pub trait Element: NoUninit + CheckedBitPattern + fmt::Debug {
    /// Its dtype.
    const DTYPE: DType;
}
macro_rules! element {
    ($($t:ty: $d:ident),*) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$d;
        }
    )*};
}
element!(bool: Bool, i8: I8, i16: I16, i32: I32, i64: I64, u8: U8, u16: U16, u32: U32, u64: U64, f16: F16, bf16: BF16, f32: F32, f64: F64, Complex32: C64, Complex64: C128);

impl Array {
    /// An array of these elements, row-major, on the first device of the default client.
    ///
    /// ```
    /// # use raxla::prelude::*;
    /// let a = Array::from_slice([2, 3], &[1f32, 2., 3., 4., 5., 6.])?;
    /// assert_eq!(a.aval().to_string(), "f32[2, 3]");
    /// assert_eq!(a.to_vec::<f32>()?[4], 5.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn from_slice<T: Element>(dims: impl Into<Vec<usize>>, data: &[T]) -> Result<Array> {
        Array::on(&runtime::client()?, dims, data)
    }
    /// As [`Array::from_slice`], on the first device of this client.
    pub fn on<T: Element>(client: &Client, dims: impl Into<Vec<usize>>, data: &[T]) -> Result<Array> {
        let aval = Aval::new(T::DTYPE, dims);
        if data.len() != aval.size() {
            return Err(Error::length(format!("making an array {aval}"), data.len(), aval.size(), "element"));
        }
        Array::from_bytes(client, aval, bytemuck::cast_slice(data))
    }
    /// A scalar on the default client.
    pub fn scalar<T: Element>(value: T) -> Result<Array> {
        Array::from_slice([], &[value])
    }
    /// An array of these bytes: row-major, little endian, one byte per bool or 4-bit integer.
    pub fn from_bytes(client: &Client, aval: Aval, bytes: &[u8]) -> Result<Array> {
        if bytes.len() != aval.bytes() {
            return Err(Error::length(format!("making an array {aval}"), bytes.len(), aval.bytes(), "byte"));
        }
        let buffer = client.upload(bytes, aval.dtype, &aval.dims, &client.devices()[0])?;
        Ok(Array::from_buffer(buffer))
    }
    /// Arrays on the client's first device, in one piece of memory with large pages, whose bytes, row-major, `fill` writes over zeros: it
    /// is called with the number of each. On the CPU that memory becomes the arrays' own, without a copy; it is given back when the
    /// last of them is gone.
    ///
    /// ```
    /// use raxla::{Array, Aval, DType, runtime};
    /// let avals = [Aval::new(DType::U8, [2]), Aval::new(DType::U8, [3])];
    /// let made = Array::in_one_piece(&runtime::client()?, &avals, |i, bytes| {
    ///     bytes.fill(i as u8);
    ///     Ok::<(), raxla::Error>(())
    /// })?;
    /// assert_eq!(made[1].to_vec::<u8>()?, [1, 1, 1]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `fill` returns; no memory for it; what the plugin reports.
    pub fn in_one_piece<E: From<Error>>(
        client: &Client,
        avals: &[Aval],
        mut fill: impl FnMut(usize, &mut [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Vec<Array>, E> {
        let mut offsets = vec![];
        let total = avals.iter().fold(0usize, |at, aval| {
            offsets.push(at);
            at.saturating_add(aval.bytes()).next_multiple_of(ZERO_COPY_ALIGNMENT)
        });
        let no_room = |e: std::io::Error| {
            let what = format!("no memory for {} of arrays: {e}", memory::show(total as u64));
            Error::Runtime(raxla_xla::Error::new(Code::ResourceExhausted, what))
        };
        let mut memory = Arena::new(total).map_err(no_room)?;
        for (i, (aval, offset)) in avals.iter().zip(&offsets).enumerate() {
            fill(i, &mut memory[*offset..][..aval.bytes()])?;
        }
        let memory = Arc::new(memory);
        let upload = |(aval, offset): (&Aval, usize)| {
            let host = HostBuffer::new(memory.clone(), aval.dtype, &aval.dims);
            let host = HostBuffer { offset, semantics: HostSemantics::ZeroCopy, ..host };
            Ok(Array::from_buffer(client.upload_with(host, &client.devices()[0]).map_err(Error::from)?))
        };
        avals.iter().zip(offsets).map(upload).collect()
    }
    /// An array whose elements lie in host memory in another order: `strides` are the bytes between neighbours along each
    /// axis. A transposed matrix needs no transposed copy this way. The memory is copied before this returns.
    pub fn from_strided(client: &Client, aval: Aval, bytes: Arc<Vec<u8>>, strides: Vec<i64>) -> Result<Array> {
        let host = HostBuffer { strides: Some(strides), ..HostBuffer::new(bytes, aval.dtype, &aval.dims) };
        Ok(Array::from_buffer(client.upload_with(host, &client.devices()[0])?))
    }
    /// An array of a host value, on the default client.
    pub fn from_host(h: &Host) -> Result<Array> {
        Array::from_bytes(&runtime::client()?, h.aval().clone(), &h.to_bytes())
    }
    /// An array of an `ndarray` array, on the default client.
    pub fn from_ndarray<T: Element, D: ndarray::Dimension>(a: &ndarray::Array<T, D>) -> Result<Array> {
        let standard = a.as_standard_layout();
        Array::from_slice(a.shape(), standard.as_slice().expect("standard layout is contiguous"))
    }
    pub(crate) fn from_buffer(buffer: Buffer) -> Array {
        let aval = Aval::new(buffer.dtype(), buffer.dims());
        Array::from_parts(ArrayType::new(aval, None), vec![Arc::new(buffer)])
    }
    /// The parts of an array of this type, in the order of the mesh's devices.
    pub(crate) fn from_buffers(aval: Aval, sharding: Option<NamedSharding>, buffers: Vec<Buffer>) -> Array {
        Array::from_parts(ArrayType::new(aval, sharding), buffers.into_iter().map(Arc::new).collect())
    }
    /// The same, of a known type.
    pub(crate) fn from_parts(ty: ArrayType, buffers: Vec<Arc<Buffer>>) -> Array {
        Array { inner: Arc::new(Inner { ty, buffers }) }
    }
    /// Shape, dtype and sharding.
    pub(crate) fn ty(&self) -> &ArrayType {
        &self.inner.ty
    }
    /// The first part; all of an array on one device.
    pub(crate) fn buffer(&self) -> &Buffer {
        &self.inner.buffers[0]
    }
    pub(crate) fn buffers(&self) -> &[Arc<Buffer>] {
        &self.inner.buffers
    }
    /// Is this the only handle to the memory?
    pub(crate) fn is_unique(&self) -> bool {
        Arc::strong_count(&self.inner) == 1 && self.inner.buffers.iter().all(|b| Arc::strong_count(b) == 1)
    }

    /// Shape and dtype.
    pub fn aval(&self) -> &Aval {
        self.inner.ty.aval()
    }
    /// Axis sizes.
    pub fn dims(&self) -> &[usize] {
        &self.aval().dims
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        self.aval().dtype
    }
    /// The elements, row-major; waits for the computation that makes them. `T` must be the element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let mismatch = |have: String| Error::Mismatch {
            what: format!("reading an array {}", self.aval()),
            have,
            want: format!("{} is asked for", T::DTYPE.name()),
            help: format!(
                "read it as what it is, or convert it first: `eager(|x: Tensor| x.cast(DType::{:?}), (&x,))`",
                T::DTYPE
            ),
        };
        if T::DTYPE != self.dtype() {
            return Err(mismatch(format!("its elements are {}", self.dtype().name())));
        }
        let bytes = self.to_bytes()?;
        let read = |b: &[u8]| {
            bytemuck::checked::try_pod_read_unaligned(b).map_err(|e| mismatch(format!("an element is none ({e})")))
        };
        bytes.chunks_exact(size_of::<T>()).map(read).collect()
    }
    /// The one element of an array of size 1.
    pub fn item<T: Element>(&self) -> Result<T> {
        match self.to_vec::<T>()?.as_slice() {
            [x] => Ok(*x),
            _ => Err(Error::Mismatch {
                what: "reading a single element".into(),
                have: format!("the array is {}", self.aval()),
                want: "it must have one element".into(),
                help: "read all with `to_vec`, or take one inside of a traced function".into(),
            }),
        }
    }
    /// The elements as an `ndarray` array.
    pub fn to_ndarray<T: Element>(&self) -> Result<ndarray::ArrayD<T>> {
        let shape = ndarray::IxDyn(self.dims());
        Ok(ndarray::ArrayD::from_shape_vec(shape, self.to_vec()?).expect("as many elements as the shape says"))
    }
    /// The elements as a host value.
    pub fn to_host(&self) -> Result<Host> {
        Ok(Host::from_bytes(self.aval(), &self.to_bytes()?))
    }
    /// The elements' bytes: row-major, little endian, one byte per bool or 4-bit integer.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if self.sharding().is_some() { self.gathered() } else { Ok(self.buffer().download()?) }
    }
    /// Calls `f` with the bytes of [`Array::to_bytes`]: where they are, if the host can read the device's memory, or else copied
    /// into `staging`, which serves one array after the other.
    pub(crate) fn with_bytes<R>(&self, staging: &mut Vec<u8>, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        if self.sharding().is_some() {
            return Ok(f(&self.gathered()?));
        }
        let (buffer, bytes) = (self.buffer(), self.aval().bytes());
        buffer.ready()?;
        // (4-bit integers are packed on devices)
        if self.dtype().bits() >= 8
            && let Ok(here) = buffer.read()
            && here.len() == bytes
        {
            return Ok(f(&here));
        }
        if staging.len() < bytes {
            staging.clear();
        }
        memory::resize(staging, bytes, "a copy of an array on the host")?;
        buffer.download_into(staging)?;
        Ok(f(staging))
    }
    /// Wait until the elements are computed; errors of the computation surface here.
    pub fn ready(&self) -> Result<()> {
        self.buffers().iter().try_for_each(|b| b.ready())?;
        Ok(())
    }
}

/// The elements as NumPy prints them; waits for the computation that makes them. A precision is that of each float, a width that
/// of each element, `{:+}` shows signs, `{:e}` exponents, and `{:#}` all elements of an array of more than 1000.
///
/// ```
/// # use raxla::prelude::*;
/// let x = Array::from_slice([2, 3], &[1f32, 2.5, 3., 4., 5., 6.])?;
/// assert_eq!(x.to_string(), "[[1.  2.5 3. ]\n [4.  5.  6. ]]");
/// assert_eq!(format!("{x:.2}"), "[[1.00 2.50 3.00]\n [4.00 5.00 6.00]]");
/// # Ok::<(), raxla::Error>(())
/// ```
impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.to_host() {
            Ok(h) => fmt::Display::fmt(&h, f),
            Err(e) => write!(f, "{}, {}", self.aval(), unreadable(&e)),
        }
    }
}
/// As `Display`, with exponents.
impl fmt::LowerExp for Array {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.to_host() {
            Ok(h) => fmt::LowerExp::fmt(&h, f),
            Err(e) => write!(f, "{}, {}", self.aval(), unreadable(&e)),
        }
    }
}
impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.to_host() {
            Ok(h) => write!(f, "Array({h:?})"),
            Err(e) => write!(f, "Array({}, {})", self.aval(), unreadable(&e)),
        }
    }
}

/// What is shown in place of elements that cannot be had.
fn unreadable(e: &Error) -> &'static str {
    if matches!(e, Error::Mismatch { .. }) { "partly in other processes" } else { "deleted" }
}
