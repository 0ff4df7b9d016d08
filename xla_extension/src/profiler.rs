//! What a plugin records of its devices while programs run: the profiler extension. CUDA's and TPU's plugins have one.
use crate::{
    Code, Error, Plugin, Result,
    named_value::string,
    proto::{ProfileOptionsProto, XPlaneProto, XSpaceProto},
    sys::{self, PJRT_Profiler_Extension, PLUGIN_Profiler, PLUGIN_Profiler_Api, PLUGIN_Profiler_Error},
};
use prost::Message;
use std::time::Duration;

/// Something that took time on a device or on the host while a [`Profiler`] recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where: `/device:GPU:0`, `/host:CPU`.
    pub plane: String,
    /// The stream, thread or kind of events there.
    pub line: String,
    /// What: an operation of the compiled program, a kernel, a copy.
    pub name: String,
    /// From the first of all spans.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
}
impl Span {
    /// Did it happen on a device, rather than on the host?
    pub fn on_device(&self) -> bool {
        self.plane.starts_with("/device:")
    }
}

/// A recording of a plugin's profiler, from [`Plugin::profiler`] to [`Profiler::stop`].
pub struct Profiler {
    plugin: Plugin,
    api: PLUGIN_Profiler_Api,
    raw: *mut PLUGIN_Profiler,
}

type Function<A> = Option<unsafe extern "C" fn(*mut A) -> *mut PLUGIN_Profiler_Error>;

/// A function of the profiler with its arguments, of which the first is the recording.
macro_rules! of_recording {
    ($self:ident, $function:ident, $args:ident) => {{
        let mut args: sys::$args = sys::sized();
        args.profiler = $self.raw;
        // SAFETY: the recording is alive.
        unsafe { $self.call(stringify!($function), $self.api.$function, &mut args) }
    }};
}

impl Plugin {
    /// Starts to record what the devices of this plugin do. `None` where the plugin has no profiler: CPU plugins have none.
    ///
    /// # Errors
    /// What the plugin reports, for example that another program records already.
    pub fn profiler(&self) -> Result<Option<Profiler>> {
        // SAFETY: this is the struct of the profiler extension.
        let extension: Option<PJRT_Profiler_Extension> = unsafe { self.extension(sys::PJRT_Extension_Type_Profiler) };
        let Some(table) = extension.map(|e| e.profiler_api).filter(|table| !table.is_null()) else { return Ok(None) };
        let mut api = PLUGIN_Profiler_Api::default();
        // SAFETY: the table is a static of the plugin, whose first field is its size; what it lacks stays zero.
        unsafe {
            let size = (*table).struct_size.min(size_of::<PLUGIN_Profiler_Api>());
            std::ptr::copy_nonoverlapping(table.cast::<u8>(), (&raw mut api).cast::<u8>(), size);
        }
        let mut profiler = Profiler { plugin: self.clone(), api, raw: std::ptr::null_mut() };
        let options = ProfileOptionsProto { version: 1, host_tracer_level: 1, device_tracer_level: 1 }.encode_to_vec();
        let mut args: sys::PLUGIN_Profiler_Create_Args = sys::sized();
        (args.options, args.options_size) = (options.as_ptr().cast(), options.len());
        // SAFETY: the options are alive during the call.
        unsafe { profiler.call("create", api.create, &mut args)? };
        profiler.raw = args.profiler;
        of_recording!(profiler, start, PLUGIN_Profiler_Start_Args)?;
        Ok(Some(profiler))
    }
}

impl Profiler {
    /// Ends the recording, and gives what happened, in the order in which it began.
    ///
    /// # Errors
    /// What the plugin reports; what it recorded, if that cannot be read.
    pub fn stop(self) -> Result<Vec<Span>> {
        of_recording!(self, stop, PLUGIN_Profiler_Stop_Args)?;
        let mut args: sys::PLUGIN_Profiler_CollectData_Args = sys::sized();
        args.profiler = self.raw;
        // SAFETY: the recording is alive; without a buffer, the size alone is asked for.
        unsafe { self.call("collect_data", self.api.collect_data, &mut args)? };
        let mut data = vec![0u8; args.buffer_size_in_bytes];
        args.buffer = data.as_mut_ptr();
        // SAFETY: the buffer is as large as the plugin asked for.
        unsafe { self.call("collect_data", self.api.collect_data, &mut args)? };
        data.truncate(args.buffer_size_in_bytes);
        let space = XSpaceProto::decode(&data[..])
            .map_err(|e| Error::new(Code::DataLoss, format!("what the profiler recorded cannot be read: {e}")))?;
        Ok(spans(&space))
    }

    /// # Safety
    /// The pointers in `args` are what the function expects.
    unsafe fn call<A>(&self, name: &str, function: Function<A>, args: &mut A) -> Result<()> {
        let missing = || Error::new(Code::Unimplemented, format!("the plugin's profiler does not offer `{name}`"));
        let function = function.ok_or_else(missing)?;
        // SAFETY: the caller vouches for the arguments.
        let error = unsafe { function(args) };
        if error.is_null() {
            return Ok(());
        }
        let mut message: sys::PLUGIN_Profiler_Error_Message_Args = sys::sized();
        message.error = error;
        let mut destroy: sys::PLUGIN_Profiler_Error_Destroy_Args = sys::sized();
        destroy.error = error;
        // SAFETY: the error is ours; its message is copied before it is freed.
        let text = unsafe {
            if let Some(read) = self.api.error_message {
                read(&mut message);
            }
            let text = string(message.message, message.message_size);
            if let Some(free) = self.api.error_destroy {
                free(&mut destroy);
            }
            text
        };
        let path = self.plugin.path().display();
        Err(Error::new(Code::Unknown, format!("the profiler of {path}: {text}"))
            .help("end other programs that profile the device; on GPUs, allow profiling to all users"))
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            let _ = of_recording!(self, destroy, PLUGIN_Profiler_Destroy_Args);
        }
    }
}

/// What happened, in the order in which it began. Times that go backwards count as 0.
fn spans(space: &XSpaceProto) -> Vec<Span> {
    let picoseconds = |line: i64, offset: i64| i128::from(line) * 1000 + i128::from(offset);
    let of_plane = |plane: &XPlaneProto| -> Vec<(i128, Span)> {
        let name = |id: i64| {
            let data = plane.event_metadata.get(&id);
            data.map(|m| if m.display_name.is_empty() { &m.name } else { &m.display_name }).cloned().unwrap_or_default()
        };
        let mut all = vec![];
        for line in &plane.lines {
            let label = if line.display_name.is_empty() { &line.name } else { &line.display_name };
            all.extend(line.events.iter().map(|event| {
                let duration = Duration::from_nanos(u64::try_from(event.duration_ps / 1000).unwrap_or(0));
                let span = Span {
                    plane: plane.name.clone(),
                    line: if label.is_empty() { line.id.to_string() } else { label.clone() },
                    name: name(event.metadata_id),
                    start: Duration::ZERO,
                    duration,
                };
                (picoseconds(line.timestamp_ns, event.offset_ps), span)
            }));
        }
        all
    };
    let mut all: Vec<(i128, Span)> = space.planes.iter().flat_map(of_plane).collect();
    all.sort_by_key(|(start, _)| *start);
    let first = all.first().map_or(0, |(start, _)| *start);
    let since = |start: i128| Duration::from_nanos(u64::try_from((start - first) / 1000).unwrap_or(0));
    all.into_iter().map(|(start, span)| Span { start: since(start), ..span }).collect()
}
