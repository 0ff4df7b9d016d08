//! From host memory to buffers, by copy or by reference.

use crate::{
    Buffer, Client, Code, DType, Device, Error, Layout, Memory, Result, event::Event, layout::CLayout,
    signature::show_type, sys, table::invoke,
};
use std::{fmt, ptr, sync::Arc};

/// Host memory on its way to a device, with all that can be said about it.
#[derive(Clone)]
pub struct HostBuffer {
    /// What holds the bytes: a `Vec<u8>`, a memory map, ... It is kept until the plugin needs the bytes no more.
    pub owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    /// Where the first element begins, in bytes from the start of the owner's bytes.
    pub offset: usize,
    /// The element type. 4-bit types are one byte per element.
    pub dtype: DType,
    /// The sizes of the axes.
    pub dims: Vec<usize>,
    /// Bytes between neighbours along each axis, which may be negative or zero; row-major without gaps if `None`.
    pub strides: Option<Vec<i64>>,
    /// The order of the elements on the device; the platform's default if `None`.
    pub layout: Option<Layout>,
    /// Whether the plugin copies.
    pub semantics: HostSemantics,
}

/// How long the plugin uses the host bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HostSemantics {
    /// It copies them before the call returns.
    #[default]
    Copy,
    /// It may copy them in the background.
    CopyInBackground,
    /// On the CPU the buffer *is* the host memory, if that is row-major and begins at a multiple of 64 bytes; otherwise,
    /// and on other platforms, as `CopyInBackground`.
    ZeroCopy,
}

/// Where an upload goes.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// The default memory of a device.
    Device(&'a Device),
    /// A certain memory of a device.
    Memory(&'a Device, &'a Memory),
}

impl<'a> From<&'a Device> for Target<'a> {
    fn from(device: &'a Device) -> Self {
        Target::Device(device)
    }
}

/// The alignment, in bytes, that lets the CPU use host memory without a copy.
pub const ZERO_COPY_ALIGNMENT: usize = 64;

/// CPU plugins with an older API (0.minor) take a device layout, but leave the elements in row-major order.
const OLDEST_WITH_LAYOUTS: i32 = 115;

impl HostBuffer {
    /// Row-major bytes from the start of `owner`, to be copied to the default layout.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, dtype: DType, dims: &[usize]) -> HostBuffer {
        HostBuffer {
            owner,
            offset: 0,
            dtype,
            dims: dims.to_vec(),
            strides: None,
            layout: None,
            semantics: HostSemantics::Copy,
        }
    }

    /// Checks that every element lies inside this many bytes.
    fn check(&self, available: usize) -> Result<()> {
        let (before, after) = self.span().ok_or_else(|| self.fail("its size overflows"))?;
        if before > self.offset || self.offset.checked_add(after).is_none_or(|end| end > available) {
            return Err(self.fail(&format!(
                "its elements take {before} bytes before and {after} bytes after offset {}, but the memory has {available} bytes",
                self.offset
            )));
        }
        if self.layout.as_ref().is_some_and(|layout| layout.minor_to_major.len() != self.dims.len()) {
            return Err(self.fail("the layout has another number of axes"));
        }
        Ok(())
    }

    /// Bytes that the elements take before and after the first one's address; `None` if that overflows.
    fn span(&self) -> Option<(usize, usize)> {
        let dense = self.dtype.bytes_of(&self.dims)?;
        let Some(strides) = &self.strides else { return Some((0, dense)) };
        if strides.len() != self.dims.len() {
            return None;
        }
        if dense == 0 {
            return Some((0, 0));
        }
        let (mut before, mut after) = (0usize, self.dtype.bytes_for(1));
        for (&dim, &stride) in self.dims.iter().zip(strides) {
            let reach = usize::try_from(stride.unsigned_abs()).ok()?.checked_mul(dim - 1)?;
            let side = if stride < 0 { &mut before } else { &mut after };
            *side = side.checked_add(reach)?;
        }
        Some((before, after))
    }

    fn fail(&self, what: &str) -> Error {
        Error::invalid(format!("cannot upload {self:?}: {what}"))
    }
}

impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_type(self.dtype, &self.dims))?;
        match &self.strides {
            Some(strides) => write!(f, " with strides {strides:?}"),
            None => Ok(()),
        }
    }
}

impl Client {
    /// Copies row-major `bytes` (native byte order, 4-bit types one byte per element) to a device. The slice need not
    /// live on after the call.
    pub fn upload(&self, bytes: &[u8], dtype: DType, dims: &[usize], device: &Device) -> Result<Buffer> {
        if dtype.bytes_of(dims) != Some(bytes.len()) {
            return Err(Error::invalid(format!("cannot upload {} bytes as {}", bytes.len(), show_type(dtype, dims))));
        }
        let how =
            Upload { data: bytes.as_ptr(), dtype, dims, strides: &[], layout: None, semantics: HostSemantics::Copy };
        // SAFETY: the bytes were just counted, and with these semantics the plugin is done with them when this returns.
        unsafe { self.upload_raw(how, Target::Device(device)) }.map(|(buffer, _)| buffer)
    }

    /// Uploads host memory with strides, a layout, to a certain memory or without a copy, as `host` says.
    pub fn upload_with<'a>(&self, host: HostBuffer, target: impl Into<Target<'a>>) -> Result<Buffer> {
        // (asked once: nothing says that an owner gives the same bytes again)
        let bytes: &[u8] = (*host.owner).as_ref();
        host.check(bytes.len())?;
        let how = Upload {
            data: bytes[host.offset.min(bytes.len())..].as_ptr(),
            dtype: host.dtype,
            dims: &host.dims,
            strides: host.strides.as_deref().unwrap_or(&[]),
            layout: host.layout.as_ref(),
            semantics: host.semantics,
        };
        // SAFETY: `check` saw that all elements lie in the owner's bytes, which live until the event below has fired.
        let (buffer, done) = unsafe { self.upload_raw(how, target.into()) }?;
        if host.semantics != HostSemantics::Copy {
            let owner = host.owner.clone();
            done.on_ready(move |_| drop(owner)).inspect_err(|_| {
                // Nobody will tell when the plugin is done with the bytes, so they must stay.
                std::mem::forget(host.owner.clone());
            })?;
        }
        Ok(buffer)
    }

    /// The buffer, and the event after which the plugin needs the host bytes no more.
    ///
    /// # Safety
    /// All elements lie in memory that lives until that event fires.
    unsafe fn upload_raw(&self, how: Upload<'_>, target: Target<'_>) -> Result<(Buffer, Event)> {
        let (device, memory) = match target {
            Target::Device(device) => (device, None),
            Target::Memory(device, memory) => (device, Some(memory)),
        };
        if device.client() != self.handle() || memory.is_some_and(|memory| memory.client() != self.handle()) {
            return Err(Error::invalid(format!("{device} is a device of another client")));
        }
        if let Some(layout) = how.layout.filter(|layout| !layout.is_row_major())
            && self.handle().is_cpu()
            && self.plugin().api_version() < (0, OLDEST_WITH_LAYOUTS)
        {
            return Err(Error::new(
                Code::Unimplemented,
                format!("{:?} is too old to upload to layout {layout}: it would misplace the elements", self.plugin()),
            )
            .help("upload row-major, or use a newer plugin (`raxla plugin install cpu`)"));
        }
        let dims: Vec<i64> = how.dims.iter().map(|&dim| dim as i64).collect();
        let mut layout = how.layout.map(CLayout::new);
        let semantics = match how.semantics {
            HostSemantics::Copy => sys::PJRT_HostBufferSemantics_kImmutableOnlyDuringCall,
            HostSemantics::CopyInBackground => sys::PJRT_HostBufferSemantics_kImmutableUntilTransferCompletes,
            HostSemantics::ZeroCopy => sys::PJRT_HostBufferSemantics_kImmutableZeroCopy,
        };
        // Some plugins take any pointer for a list of strides, even an empty one.
        let strides = if how.strides.is_empty() { ptr::null() } else { how.strides.as_ptr() };
        // SAFETY: the lists live during the call, the caller vouches for the data; buffer and event are ours.
        unsafe {
            let args = invoke!(
                self.plugin().table(),
                PJRT_Client_BufferFromHostBuffer,
                PJRT_Client_BufferFromHostBuffer_Args {
                    client: self.handle().raw(),
                    data: how.data.cast(),
                    type_: how.dtype.to_pjrt(),
                    dims: dims.as_ptr(),
                    num_dims: dims.len(),
                    byte_strides: strides,
                    num_byte_strides: how.strides.len(),
                    host_buffer_semantics: semantics,
                    device: device.raw(),
                    memory: memory.map_or(ptr::null_mut(), Memory::raw),
                    device_layout: layout.as_mut().map_or(ptr::null_mut(), CLayout::as_ptr),
                }
            )?;
            let done = Event::from_raw(args.done_with_host_buffer, self.plugin());
            Ok((Buffer::from_parts(args.buffer, how.dtype, how.dims, device), done))
        }
    }
}

/// One upload, with borrowed parts.
struct Upload<'a> {
    data: *const u8,
    dtype: DType,
    dims: &'a [usize],
    strides: &'a [i64],
    layout: Option<&'a Layout>,
    semantics: HostSemantics,
}
