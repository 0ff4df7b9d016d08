//! Clients, and how those of several processes find each other's devices.
use crate::{Outcome, end, failure, functions};
use raxla_xla::{
    Code,
    sys::{self, PJRT_Client, PJRT_Device, PJRT_DeviceDescription, PJRT_Memory},
};
use std::{
    collections::BTreeMap,
    ffi::c_char,
    ptr, slice,
    sync::atomic::{AtomicU64, Ordering},
};

/// How long a program waits for the other processes that run it.
const PATIENCE: i32 = 120_000;

/// A device, which is its own description and memory.
pub(crate) struct Device {
    pub(crate) id: i32,
    process: i32,
    local: i32,
    pub(crate) own: bool,
    text: String,
    memories: [*mut PJRT_Memory; 1],
}

pub(crate) struct Client {
    platform: String,
    version: String,
    process: i32,
    /// Of several processes: how many there are, and how they hear of each other.
    others: Option<(i32, sys::PJRT_Client_Create_Args)>,
    /// How many programs over devices of several processes have begun.
    begun: AtomicU64,
    /// Whether programs that compute something run.
    pub(crate) zeros: bool,
    pub(crate) devices: Vec<*mut PJRT_Device>,
    pub(crate) own: Vec<*mut PJRT_Device>,
    memories: Vec<*mut PJRT_Memory>,
}

pub(crate) unsafe fn text<'a>(data: *const c_char, len: usize) -> &'a str {
    std::str::from_utf8(slice::from_raw_parts(data.cast(), len)).unwrap_or("")
}
pub(crate) unsafe fn device<'a>(raw: *mut PJRT_Device) -> &'a Device {
    &*raw.cast::<Device>()
}

/// The options, as texts.
unsafe fn options(args: &sys::PJRT_Client_Create_Args) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for i in 0..args.num_options {
        let option = &*args.create_options.add(i);
        let value = &option.__bindgen_anon_1;
        let shown = match option.type_ {
            sys::PJRT_NamedValue_kString => text(value.string_value, option.value_size).to_string(),
            sys::PJRT_NamedValue_kInt64 => value.int64_value.to_string(),
            sys::PJRT_NamedValue_kInt64List => {
                format!("{:?}", slice::from_raw_parts(value.int64_array_value, option.value_size))
            }
            sys::PJRT_NamedValue_kFloat => value.float_value.to_string(),
            _ => value.bool_value.to_string(),
        };
        found.insert(text(option.name, option.name_size).to_string(), shown);
    }
    found
}

/// What the callbacks say is wrong, in the form in which this plugin says it.
unsafe extern "C" fn of_callback(
    code: sys::PJRT_Error_Code,
    message: *const c_char,
    len: usize,
) -> *mut sys::PJRT_Error {
    const CODES: [Code; 4] = [Code::DeadlineExceeded, Code::NotFound, Code::Unavailable, Code::InvalidArgument];
    let code = CODES.into_iter().find(|known| known.to_pjrt() == code).unwrap_or(Code::Internal);
    end(Err(failure(code, text(message, len))))
}
unsafe fn taken(error: *mut sys::PJRT_Error) -> Outcome {
    if error.is_null() { Ok(()) } else { Err(*Box::from_raw(error.cast())) }
}

unsafe fn put(args: &sys::PJRT_Client_Create_Args, key: &str, value: &str) -> Outcome {
    let mut of_error: sys::PJRT_CallbackError = Some(of_callback);
    let mut call: sys::PJRT_KeyValuePutCallback_Args = sys::sized();
    (call.key, call.key_size) = (key.as_ptr().cast(), key.len());
    (call.value, call.value_size) = (value.as_ptr().cast(), value.len());
    (call.callback_error, call.user_arg) = (&mut of_error, args.kv_put_user_arg);
    let put =
        args.kv_put_callback.ok_or_else(|| failure(Code::InvalidArgument, "several nodes need a key-value store"))?;
    taken(put(&mut call))
}

unsafe fn get(args: &sys::PJRT_Client_Create_Args, key: &str, millis: i32) -> Outcome<String> {
    let mut of_error: sys::PJRT_CallbackError = Some(of_callback);
    let mut call: sys::PJRT_KeyValueGetCallback_Args = sys::sized();
    (call.key, call.key_size, call.timeout_in_ms) = (key.as_ptr().cast(), key.len(), millis);
    (call.callback_error, call.user_arg) = (&mut of_error, args.kv_get_user_arg);
    let get =
        args.kv_get_callback.ok_or_else(|| failure(Code::InvalidArgument, "several nodes need a key-value store"))?;
    taken(get(&mut call))?;
    let value = text(call.value, call.value_size).to_string();
    call.value_deleter_callback.inspect(|free| free(call.value));
    Ok(value)
}

/// Is there a value now?
unsafe fn is_there(args: &sys::PJRT_Client_Create_Args, key: &str) -> Outcome<bool> {
    let mut of_error: sys::PJRT_CallbackError = Some(of_callback);
    let mut call: sys::PJRT_KeyValueTryGetCallback_Args = sys::sized();
    (call.key, call.key_size) = (key.as_ptr().cast(), key.len());
    (call.callback_error, call.user_arg) = (&mut of_error, args.kv_try_get_user_arg);
    let get = args
        .kv_try_get_callback
        .ok_or_else(|| failure(Code::InvalidArgument, "several nodes need a key-value store"))?;
    match taken(get(&mut call)) {
        Ok(()) => {
            call.value_deleter_callback.inspect(|free| free(call.value));
            Ok(true)
        }
        Err(e) if e.code == Code::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// How many devices each process has.
unsafe fn exchanged(args: &sys::PJRT_Client_Create_Args, options: &BTreeMap<String, String>) -> Outcome<Vec<i32>> {
    let number = |name: &str, without: i32| options.get(name).and_then(|text| text.parse().ok()).unwrap_or(without);
    let (own, node, nodes) = (number("mock_devices", 2), number("node_id", 0), number("num_nodes", 1));
    if nodes == 1 {
        return Ok(vec![own]);
    }
    if is_there(args, "mock/nobody puts this")? {
        return Err(failure(Code::Internal, "a value that nobody has put"));
    }
    put(args, &format!("mock/devices/{node}"), &own.to_string())?;
    let millis = number("mock_timeout_ms", 10_000);
    let of = |node: i32| {
        let text = get(args, &format!("mock/devices/{node}"), millis)?;
        text.parse().map_err(|_| failure(Code::Internal, format!("node {node} has `{text}` devices")))
    };
    (0..nodes).map(of).collect()
}

impl Client {
    /// Waits until all processes have begun as many programs as this one: what a collective in them would do.
    pub(crate) unsafe fn meet(&self) -> Outcome {
        let Some((nodes, args)) = &self.others else { return Ok(()) };
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        put(args, &format!("mock/begun/{number}/{}", self.process), "")?;
        (0..*nodes).try_for_each(|node| get(args, &format!("mock/begun/{number}/{node}"), PATIENCE).map(drop))
    }
}

functions! {
    create(args: PJRT_Client_Create_Args) {
        let options = options(args);
        let counts = exchanged(args, &options)?;
        let process = options.get("node_id").and_then(|text| text.parse().ok()).unwrap_or(0);
        let shown: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let version = format!("mock {}", shown.join(" "));
        let zeros = options.get("mock_zeros").is_some_and(|text| text == "true");
        let others = Some((counts.len() as i32, *args)).filter(|(nodes, _)| *nodes > 1);
        let platform = options.get("mock_platform").cloned().unwrap_or_else(|| "mock".into());
        let mut client = Client { platform, version, process, others, begun: AtomicU64::new(0), zeros, devices: vec![], own: vec![], memories: vec![] };
        for (node, count) in (0..).zip(counts) {
            for local in 0..count {
                let id = i32::try_from(client.devices.len()).unwrap_or(i32::MAX);
                let (text, own) = (format!("MockDevice(id={id}, process={node})"), node == process);
                let device = Device { id, process: node, local, own, text, memories: [ptr::null_mut()] };
                let raw = Box::into_raw(Box::new(device));
                (*raw).memories = [raw.cast()];
                client.devices.push(raw.cast());
                if own {
                    client.own.push(raw.cast());
                    client.memories.push(raw.cast());
                }
            }
        }
        args.client = Box::into_raw(Box::new(client)).cast();
        Ok(())
    }
    destroy(args: PJRT_Client_Destroy_Args) {
        let client = Box::from_raw(args.client.cast::<Client>());
        client.devices.iter().for_each(|raw| drop(Box::from_raw(raw.cast::<Device>())));
        Ok(())
    }
    platform_name(args: PJRT_Client_PlatformName_Args) {
        let name = &of(args.client).platform;
        (args.platform_name, args.platform_name_size) = (name.as_ptr().cast(), name.len());
        Ok(())
    }
    platform_version(args: PJRT_Client_PlatformVersion_Args) {
        let version = &of(args.client).version;
        (args.platform_version, args.platform_version_size) = (version.as_ptr().cast(), version.len());
        Ok(())
    }
    process_index(args: PJRT_Client_ProcessIndex_Args) {
        args.process_index = of(args.client).process;
        Ok(())
    }
    devices(args: PJRT_Client_Devices_Args) {
        let all = &of(args.client).devices;
        (args.devices, args.num_devices) = (all.as_ptr(), all.len());
        Ok(())
    }
    addressable_devices(args: PJRT_Client_AddressableDevices_Args) {
        let own = &of(args.client).own;
        (args.addressable_devices, args.num_addressable_devices) = (own.as_ptr(), own.len());
        Ok(())
    }
    addressable_memories(args: PJRT_Client_AddressableMemories_Args) {
        let all = &of(args.client).memories;
        (args.addressable_memories, args.num_addressable_memories) = (all.as_ptr(), all.len());
        Ok(())
    }
    description(args: PJRT_Device_GetDescription_Args) {
        args.device_description = args.device.cast();
        Ok(())
    }
    is_addressable(args: PJRT_Device_IsAddressable_Args) {
        args.is_addressable = device(args.device).own;
        Ok(())
    }
    local_hardware_id(args: PJRT_Device_LocalHardwareId_Args) {
        args.local_hardware_id = device(args.device).local;
        Ok(())
    }
    device_memories(args: PJRT_Device_AddressableMemories_Args) {
        let all = &device(args.device).memories;
        (args.memories, args.num_memories) = (all.as_ptr(), all.len());
        Ok(())
    }
    default_memory(args: PJRT_Device_DefaultMemory_Args) {
        args.memory = args.device.cast();
        Ok(())
    }
    id(args: PJRT_DeviceDescription_Id_Args) {
        args.id = described(args.device_description).id;
        Ok(())
    }
    process_of(args: PJRT_DeviceDescription_ProcessIndex_Args) {
        args.process_index = described(args.device_description).process;
        Ok(())
    }
    device_attributes(args: PJRT_DeviceDescription_Attributes_Args) {
        args.num_attributes = 0;
        Ok(())
    }
    kind(args: PJRT_DeviceDescription_Kind_Args) {
        const KIND: &str = "mock";
        (args.device_kind, args.device_kind_size) = (KIND.as_ptr().cast(), KIND.len());
        Ok(())
    }
    debug_string(args: PJRT_DeviceDescription_DebugString_Args) {
        let text = &described(args.device_description).text;
        (args.debug_string, args.debug_string_size) = (text.as_ptr().cast(), text.len());
        Ok(())
    }
    to_string(args: PJRT_DeviceDescription_ToString_Args) {
        let text = &described(args.device_description).text;
        (args.to_string, args.to_string_size) = (text.as_ptr().cast(), text.len());
        Ok(())
    }
    memory_id(args: PJRT_Memory_Id_Args) {
        args.id = device(args.memory.cast()).id;
        Ok(())
    }
    memory_kind(args: PJRT_Memory_Kind_Args) {
        const KIND: &str = "device";
        (args.kind, args.kind_size) = (KIND.as_ptr().cast(), KIND.len());
        Ok(())
    }
    memory_debug(args: PJRT_Memory_DebugString_Args) {
        let text = &device(args.memory.cast()).text;
        (args.debug_string, args.debug_string_size) = (text.as_ptr().cast(), text.len());
        Ok(())
    }
}

pub(crate) unsafe fn of<'a>(raw: *mut PJRT_Client) -> &'a Client {
    &*raw.cast::<Client>()
}
unsafe fn described<'a>(raw: *mut PJRT_DeviceDescription) -> &'a Device {
    &*raw.cast::<Device>()
}
