//! Buffers: arrays in device memory.

use crate::{
    Code, DType, Device, Error, Layout, Memory, Result,
    client::ClientHandle,
    event::Event,
    launch::Launch,
    layout::CLayout,
    named_value::slice,
    signature::show_type,
    sys::PJRT_Buffer,
    table::{Table, invoke},
};
use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// An array in the memory of one device. Freed when dropped; usable from every thread.
///
/// The computation that makes it may still run: [`Buffer::ready`] waits for it, and its error, if it fails, comes out
/// there or at [`Buffer::download`].
pub struct Buffer {
    raw: *mut PJRT_Buffer,
    kind: Arc<BufferType>,
    /// The launch over several devices that makes it.
    launch: Option<Arc<Launch>>,
    /// Whether it may have been deleted or donated, so that the plugin has to be asked.
    perhaps_gone: AtomicBool,
}

/// What a buffer is, shared among the buffers that an executable returns at one place.
pub(crate) struct BufferType {
    pub(crate) dtype: DType,
    pub(crate) dims: Vec<usize>,
    pub(crate) device: Device,
    /// Asked from the plugin when first needed.
    pub(crate) layout: OnceLock<Layout>,
}

// SAFETY: the PJRT C API is thread-safe, and the handle is freed once, by its owner.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// # Safety
    /// `raw` is a buffer as `kind` describes it, of the client of `kind.device`, that nobody else frees.
    pub(crate) unsafe fn from_raw(raw: *mut PJRT_Buffer, kind: Arc<BufferType>) -> Buffer {
        kind.device.client().live_buffers().fetch_add(1, Ordering::Relaxed);
        Buffer { raw, kind, launch: None, perhaps_gone: AtomicBool::new(false) }
    }

    /// The same buffer, known to be made by this launch.
    pub(crate) fn of(self, launch: Option<Arc<Launch>>) -> Buffer {
        let mut buffer = self;
        buffer.launch = launch;
        buffer
    }

    pub(crate) fn kind(&self) -> &Arc<BufferType> {
        &self.kind
    }

    /// Notes that a computation took it over, or may have.
    pub(crate) fn mark_gone(&self) {
        self.perhaps_gone.store(true, Ordering::Relaxed);
    }

    /// As [`Buffer::is_deleted`], without asking the plugin if it cannot be.
    pub(crate) fn is_gone(&self) -> bool {
        self.perhaps_gone.load(Ordering::Relaxed) && self.is_deleted()
    }

    pub(crate) fn launch(&self) -> Option<&Arc<Launch>> {
        self.launch.as_ref()
    }

    /// Waits for the launch on all its devices; a failure on one is a failure of all.
    fn launched(&self) -> Result<()> {
        self.launch.as_ref().map_or(Ok(()), |launch| launch.wait())
    }

    /// # Safety
    /// `raw` is a buffer of this dtype and these dims on `device` that nobody else frees.
    pub(crate) unsafe fn from_parts(raw: *mut PJRT_Buffer, dtype: DType, dims: &[usize], device: &Device) -> Buffer {
        let (dims, device) = (dims.to_vec(), device.clone());
        // SAFETY: the caller vouches.
        unsafe { Buffer::from_raw(raw, Arc::new(BufferType { dtype, dims, device, layout: OnceLock::new() })) }
    }

    /// Wraps a buffer that arrived from elsewhere, asking the plugin what it is.
    ///
    /// # Safety
    /// `raw` is a buffer on `device` that nobody else frees.
    pub(crate) unsafe fn adopt(raw: *mut PJRT_Buffer, device: &Device) -> Result<Buffer> {
        let table = device.client().plugin().table();
        // SAFETY: the buffer is alive; the dims are copied at once.
        let read = || unsafe {
            let dtype = invoke!(table, PJRT_Buffer_ElementType, PJRT_Buffer_ElementType_Args { buffer: raw })?.type_;
            let dims = invoke!(table, PJRT_Buffer_Dimensions, PJRT_Buffer_Dimensions_Args { buffer: raw })?;
            let dims = slice(dims.dims, dims.num_dims).iter().map(|&dim| dim as usize).collect();
            let dtype = DType::from_pjrt(dtype).ok_or_else(|| {
                Error::new(
                    Code::Unimplemented,
                    format!("the buffer has PJRT element type {dtype}, which raxla does not know"),
                )
            })?;
            Ok(BufferType { dtype, dims, device: device.clone(), layout: OnceLock::new() })
        };
        match read() {
            // SAFETY: the type was just read from the buffer, which is ours.
            Ok(kind) => Ok(unsafe { Buffer::from_raw(raw, Arc::new(kind)) }),
            Err(error) => {
                // SAFETY: nobody else knows the buffer.
                unsafe { destroy(table, raw) };
                Err(error)
            }
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.kind.dtype
    }

    /// The sizes of the axes; empty for a scalar.
    pub fn dims(&self) -> &[usize] {
        &self.kind.dims
    }

    /// The device that holds the buffer.
    pub fn device(&self) -> &Device {
        &self.kind.device
    }

    /// The number of elements.
    pub fn element_count(&self) -> usize {
        self.kind.dims.iter().product()
    }

    /// Bytes that [`Buffer::download`] gives.
    pub fn byte_size(&self) -> usize {
        self.kind.dtype.bytes_for(self.element_count())
    }

    /// Bytes that the buffer takes on the device, with padding; 4-bit types are packed there.
    pub fn device_byte_size(&self) -> Result<usize> {
        // SAFETY: the buffer is alive.
        let args = unsafe {
            invoke!(
                self.table(),
                PJRT_Buffer_OnDeviceSizeInBytes,
                PJRT_Buffer_OnDeviceSizeInBytes_Args { buffer: self.raw }
            )
        }?;
        Ok(args.on_device_size_in_bytes)
    }

    /// The memory that holds the buffer.
    pub fn memory(&self) -> Result<Memory> {
        // SAFETY: the buffer is alive, and its memory is one of its client's.
        unsafe {
            let args = invoke!(self.table(), PJRT_Buffer_Memory, PJRT_Buffer_Memory_Args { buffer: self.raw })?;
            let known = self.device().memories().iter().find(|memory| memory.raw() == args.memory);
            known.cloned().map_or_else(|| Memory::read(self.client(), args.memory), Ok)
        }
    }

    /// The order of the elements in device memory.
    pub fn layout(&self) -> Result<&Layout> {
        if let Some(layout) = self.kind.layout.get() {
            return Ok(layout);
        }
        // SAFETY: the buffer is alive, and the layout is copied at once.
        let layout = unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Buffer_GetMemoryLayout,
                PJRT_Buffer_GetMemoryLayout_Args { buffer: self.raw }
            )?;
            Layout::from_c(&args.layout)?
        };
        Ok(self.kind.layout.get_or_init(|| layout))
    }

    /// Whether the buffer was deleted or donated; its contents are gone then.
    pub fn is_deleted(&self) -> bool {
        // SAFETY: the buffer is alive.
        let args =
            unsafe { invoke!(self.table(), PJRT_Buffer_IsDeleted, PJRT_Buffer_IsDeleted_Args { buffer: self.raw }) };
        args.is_ok_and(|args| args.is_deleted)
    }

    /// Gives the device memory back before the buffer is dropped. Work in flight that reads it still completes.
    pub fn delete(&self) -> Result<()> {
        self.mark_gone();
        // SAFETY: the buffer is alive.
        unsafe { invoke!(self.table(), PJRT_Buffer_Delete, PJRT_Buffer_Delete_Args { buffer: self.raw }) }.map(|_| ())
    }

    /// Waits until the contents are there, and returns the error of the computation that failed to make them.
    pub fn ready(&self) -> Result<()> {
        let event = self.ready_event()?;
        self.launched()?;
        event.wait()
    }

    /// Whether the contents are there (or failed to come).
    pub fn is_ready(&self) -> Result<bool> {
        Ok(self.launch.as_ref().is_none_or(|launch| launch.is_settled()) && self.ready_event()?.is_ready()?)
    }

    /// An event for the contents being there.
    pub fn ready_event(&self) -> Result<Event> {
        self.check_alive()?;
        // SAFETY: the buffer is alive, and the event is ours to free.
        unsafe {
            let args = invoke!(self.table(), PJRT_Buffer_ReadyEvent, PJRT_Buffer_ReadyEvent_Args { buffer: self.raw })?;
            Ok(Event::from_raw(args.event, self.client().plugin()))
        }
    }

    /// Copies the contents to the host: row-major whatever the layout on the device, in native byte order, 4-bit types one
    /// byte per element (i4 sign-extended). Waits for the computation.
    pub fn download(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.byte_size()).map_err(|_| {
            Error::new(Code::ResourceExhausted, format!("the host has no {} bytes for {self:?}", self.byte_size()))
        })?;
        bytes.resize(self.byte_size(), 0);
        self.download_into(&mut bytes)?;
        Ok(bytes)
    }

    /// As [`Buffer::download`], into memory of exactly [`Buffer::byte_size`] bytes.
    pub fn download_into(&self, bytes: &mut [u8]) -> Result<()> {
        if bytes.len() != self.byte_size() {
            return Err(Error::invalid(format!(
                "{self:?} has {} bytes, but the destination has {}",
                self.byte_size(),
                bytes.len()
            )));
        }
        if bytes.is_empty() {
            return self.ready();
        }
        self.check_alive()?;
        self.launched()?;
        let mut row_major = if self.layout()?.is_row_major() {
            None
        } else {
            Some(CLayout::new(&Layout::row_major(self.dims().len())))
        };
        let host_layout = row_major.as_mut().map_or(std::ptr::null_mut(), CLayout::as_ptr);
        // SAFETY: destination and layout live until the event below has fired.
        let event = unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Buffer_ToHostBuffer,
                PJRT_Buffer_ToHostBuffer_Args {
                    src: self.raw,
                    host_layout: host_layout,
                    dst: bytes.as_mut_ptr().cast(),
                    dst_size: bytes.len(),
                }
            )?;
            Event::from_raw(args.event, self.client().plugin())
        };
        event.wait()?;
        if self.dtype() == DType::I4 {
            // Plugins give the four bits alone; an i4 in host memory is an i8.
            bytes.iter_mut().for_each(|byte| *byte = (((*byte << 4) as i8) >> 4) as u8);
        }
        Ok(())
    }

    /// Copies the buffer to another device of the same client; to its own device gives a copy there.
    pub fn copy_to_device(&self, device: &Device) -> Result<Buffer> {
        self.check_alive()?;
        if device.client() != self.client() {
            return Err(Error::invalid(format!("{self:?} cannot be copied to {device}, a device of another client")));
        }
        // PJRT refuses a copy from a device to itself; a copy between memories it allows.
        if device == self.device()
            && let Some(memory) = device.default_memory()
        {
            return self.copy_to_memory(memory);
        }
        // SAFETY: buffer and device are alive; the copy is ours.
        unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Buffer_CopyToDevice,
                PJRT_Buffer_CopyToDevice_Args { buffer: self.raw, dst_device: device.raw() }
            )?;
            Ok(Buffer::adopt(args.dst_buffer, device)?.of(self.launch.clone()))
        }
    }

    /// Copies the buffer to a memory of its own device, for example to `pinned_host`.
    pub fn copy_to_memory(&self, memory: &Memory) -> Result<Buffer> {
        self.check_alive()?;
        if !self.device().memories().contains(memory) {
            return Err(Error::invalid(format!("{} has no memory {memory:?}", self.device())));
        }
        // SAFETY: buffer and memory are alive; the copy is ours.
        unsafe {
            let args = invoke!(
                self.table(),
                PJRT_Buffer_CopyToMemory,
                PJRT_Buffer_CopyToMemory_Args { buffer: self.raw, dst_memory: memory.raw() }
            )?;
            Ok(Buffer::adopt(args.dst_buffer, self.device())?.of(self.launch.clone()))
        }
    }

    /// The address of the contents in device memory, which the host can read on the CPU only.
    ///
    /// # Safety
    /// The plugin may free or move the memory at any time unless an external reference is held, as [`Buffer::read`] does;
    /// the contents are valid only after [`Buffer::ready`], and writing to them races with the plugin.
    pub unsafe fn pointer(&self) -> Result<*const u8> {
        // SAFETY: the buffer is alive.
        let args = unsafe {
            invoke!(self.table(), PJRT_Buffer_UnsafePointer, PJRT_Buffer_UnsafePointer_Args { buffer: self.raw })
        }?;
        Ok(args.buffer_pointer as *const u8)
    }

    /// Reads the contents in place, without a copy: for row-major buffers in CPU memory. Waits for the computation. While
    /// the guard lives, the plugin neither frees the memory nor gives it to a computation.
    pub fn read(&self) -> Result<HostRead<'_>> {
        self.ready()?;
        // SAFETY: the buffer is alive.
        let on_cpu =
            unsafe { invoke!(self.table(), PJRT_Buffer_IsOnCpu, PJRT_Buffer_IsOnCpu_Args { buffer: self.raw }) }?;
        if !on_cpu.is_on_cpu || !self.layout()?.is_row_major() {
            return Err(Error::new(
                Code::FailedPrecondition,
                format!("{self:?} cannot be read in place: it is not row-major in CPU memory"),
            )
            .help("use `download`"));
        }
        // SAFETY: the buffer is alive; the guard gives the reference back.
        unsafe {
            invoke!(
                self.table(),
                PJRT_Buffer_IncreaseExternalReferenceCount,
                PJRT_Buffer_IncreaseExternalReferenceCount_Args { buffer: self.raw }
            )?;
        }
        let mut guard = HostRead { buffer: self, data: std::ptr::null(), len: 0 };
        guard.len = self.device_byte_size()?;
        // SAFETY: the external reference is held.
        guard.data = unsafe { self.pointer() }?;
        Ok(guard)
    }

    pub(crate) fn raw(&self) -> *mut PJRT_Buffer {
        self.raw
    }

    pub(crate) fn client(&self) -> &ClientHandle {
        self.kind.device.client()
    }

    fn table(&self) -> &Table {
        self.client().plugin().table()
    }

    fn check_alive(&self) -> Result<()> {
        if self.is_deleted() { Err(self.deleted()) } else { Ok(()) }
    }

    /// The error for using a buffer whose contents are gone.
    pub(crate) fn deleted(&self) -> Error {
        Error::new(
            Code::FailedPrecondition,
            format!("the buffer {} was deleted or donated to a computation", show_type(self.dtype(), self.dims())),
        )
        .help("use the result of the computation that it was donated to, or do not donate it")
    }
}

/// # Safety
/// `raw` is a buffer of the table's plugin that nobody uses any more.
unsafe fn destroy(table: &Table, raw: *mut PJRT_Buffer) {
    // SAFETY: the caller vouches. A failure to free has no remedy.
    let _ = unsafe { invoke!(table, PJRT_Buffer_Destroy, PJRT_Buffer_Destroy_Args { buffer: raw }) };
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the handle is freed here and nowhere else.
        unsafe { destroy(self.table(), self.raw) };
        self.client().live_buffers().fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} on {})", show_type(self.dtype(), self.dims()), self.device())
    }
}

/// The contents of a buffer in CPU memory, read in place: the bytes as they lie on the device (4-bit types packed).
pub struct HostRead<'a> {
    buffer: &'a Buffer,
    data: *const u8,
    len: usize,
}

// SAFETY: the memory is only read, and the external reference may be given back on any thread.
unsafe impl Send for HostRead<'_> {}
// SAFETY: as above.
unsafe impl Sync for HostRead<'_> {}

impl Deref for HostRead<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the external reference keeps the memory in place and the contents unchanged.
        unsafe { slice(self.data, self.len) }
    }
}

impl Drop for HostRead<'_> {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that `Buffer::read` took. A failure has no remedy.
        let _ = unsafe {
            invoke!(
                self.buffer.table(),
                PJRT_Buffer_DecreaseExternalReferenceCount,
                PJRT_Buffer_DecreaseExternalReferenceCount_Args { buffer: self.buffer.raw }
            )
        };
    }
}
