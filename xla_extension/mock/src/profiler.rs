//! A profiler that has seen one device do two things, half a microsecond apart.
use raxla_xla::sys::{
    self, PJRT_Extension_Base, PJRT_Profiler_Extension, PLUGIN_Profiler_Api, PLUGIN_Profiler_CollectData_Args,
    PLUGIN_Profiler_Create_Args, PLUGIN_Profiler_Destroy_Args, PLUGIN_Profiler_Error,
    PLUGIN_Profiler_Error_Destroy_Args, PLUGIN_Profiler_Error_Message_Args, PLUGIN_Profiler_Start_Args,
    PLUGIN_Profiler_Stop_Args,
};
use std::{mem::size_of, ptr};

/// Is it recording, and has it?
#[derive(Default)]
struct Recording {
    runs: bool,
    over: bool,
}
const WRONG_ORDER: &str = "start, stop and collect come in this order";

fn end(right: bool) -> *mut PLUGIN_Profiler_Error {
    if right { ptr::null_mut() } else { Box::into_raw(Box::new(0u8)).cast() }
}

unsafe extern "C" fn create(args: *mut PLUGIN_Profiler_Create_Args) -> *mut PLUGIN_Profiler_Error {
    (*args).profiler = Box::into_raw(Box::<Recording>::default()).cast();
    end((*args).options_size > 0)
}
unsafe extern "C" fn destroy(args: *mut PLUGIN_Profiler_Destroy_Args) -> *mut PLUGIN_Profiler_Error {
    drop(Box::from_raw((*args).profiler.cast::<Recording>()));
    end(true)
}
unsafe extern "C" fn start(args: *mut PLUGIN_Profiler_Start_Args) -> *mut PLUGIN_Profiler_Error {
    let recording = &mut *(*args).profiler.cast::<Recording>();
    end(!std::mem::replace(&mut recording.runs, true))
}
unsafe extern "C" fn stop(args: *mut PLUGIN_Profiler_Stop_Args) -> *mut PLUGIN_Profiler_Error {
    let recording = &mut *(*args).profiler.cast::<Recording>();
    recording.over = recording.runs;
    end(recording.over)
}
unsafe extern "C" fn collect(args: *mut PLUGIN_Profiler_CollectData_Args) -> *mut PLUGIN_Profiler_Error {
    let args = &mut *args;
    let data = space();
    if args.buffer.is_null() {
        args.buffer_size_in_bytes = data.len();
    } else {
        ptr::copy_nonoverlapping(data.as_ptr(), args.buffer, data.len());
    }
    end((*args.profiler.cast::<Recording>()).over)
}
unsafe extern "C" fn error_message(args: *mut PLUGIN_Profiler_Error_Message_Args) {
    ((*args).message, (*args).message_size) = (WRONG_ORDER.as_ptr().cast(), WRONG_ORDER.len());
}
unsafe extern "C" fn error_destroy(args: *mut PLUGIN_Profiler_Error_Destroy_Args) {
    drop(Box::from_raw((*args).error.cast::<u8>()));
}

/// A field of a protobuf message that is a number below 2^14.
fn number(tag: u8, value: u16) -> Vec<u8> {
    vec![tag << 3, (value & 0x7f) as u8 | 0x80, (value >> 7) as u8]
}
/// A field that is a text, or a message of fewer than 128 bytes.
fn bytes(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, value.len() as u8], value].concat()
}
/// An XSpace: a plane of one line and two events.
fn space() -> Vec<u8> {
    let event = |id, offset, duration| bytes(4, &[number(1, id), number(2, offset), number(3, duration)].concat());
    let line = [bytes(2, b"stream"), number(3, 7), event(1, 0, 2000), event(2, 2500, 1000)].concat();
    let name = |id, name| bytes(4, &[number(1, id), bytes(2, &bytes(2, name))].concat());
    let plane = [bytes(2, b"/device:MOCK:0"), bytes(3, &line), name(1, b"fusion"), name(2, b"copy")].concat();
    let host = bytes(2, b"/host:CPU");
    [vec![0x0a, plane.len() as u8 | 0x80, (plane.len() >> 7) as u8], plane, bytes(1, &host)].concat()
}

/// The extension, which lives as long as the process.
pub(crate) fn extension() -> *mut PJRT_Extension_Base {
    let api = PLUGIN_Profiler_Api {
        struct_size: size_of::<PLUGIN_Profiler_Api>(),
        error_destroy: Some(error_destroy),
        error_message: Some(error_message),
        create: Some(create),
        destroy: Some(destroy),
        start: Some(start),
        stop: Some(stop),
        collect_data: Some(collect),
        ..Default::default()
    };
    let mut extension = PJRT_Profiler_Extension { profiler_api: Box::into_raw(Box::new(api)), ..Default::default() };
    extension.base.struct_size = size_of::<PJRT_Profiler_Extension>();
    extension.base.type_ = sys::PJRT_Extension_Type_Profiler;
    Box::into_raw(Box::new(extension)).cast()
}
