//! Between host memory and buffers.

use crate::common::{self, bytes, client, download, floats, upload};
use raxla_xla::{Code, DType, HostBuffer, HostSemantics, Layout, Target, ZERO_COPY_ALIGNMENT};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

#[test]
fn every_dtype_round_trips() {
    let client = client(2);
    for dtype in DType::ALL {
        // All values that a type can hold, cut to a shape; 4-bit types are one byte each, i4 sign-extended.
        let byte = |i: usize| match dtype {
            DType::Bool => (i % 2) as u8,
            DType::U4 | DType::F4E2M1FN => (i % 16) as u8,
            DType::I4 => (i % 16) as u8 as i8 as u8 ^ if i % 16 > 7 { 0xf0 } else { 0 },
            _ => i as u8,
        };
        for dims in [&[][..], &[7], &[2, 3, 5], &[0, 4]] {
            let count = dtype.bytes_for(dims.iter().product());
            let host: Vec<u8> = (0..count).map(byte).collect();
            let buffer = client.upload(&host, dtype, dims, &client.devices()[1]).unwrap();
            assert_eq!((buffer.dtype(), buffer.dims(), buffer.byte_size()), (dtype, dims, count));
            assert_eq!(buffer.download().unwrap(), host, "{dtype}{dims:?}");
            let on_device = buffer.device_byte_size().unwrap();
            assert_eq!(on_device, (dims.iter().product::<usize>() * dtype.bits()).div_ceil(8), "{dtype}{dims:?}");
        }
    }
}

#[test]
fn strides_reach_any_view() {
    let client = client(1);
    let device = &client.devices()[0];
    let owner: Arc<Vec<u8>> = Arc::new(bytes(&[0., 1., 2., 3., 4., 5.]));
    let view = |dims: &[usize], strides: &[i64], offset: usize| {
        let mut host = HostBuffer::new(owner.clone(), DType::F32, dims);
        host.strides = Some(strides.to_vec());
        host.offset = offset;
        client.upload_with(host, device)
    };
    assert_eq!(download(&view(&[3, 2], &[4, 12], 0).unwrap()), [0., 3., 1., 4., 2., 5.], "transposed");
    assert_eq!(download(&view(&[6], &[-4], 20).unwrap()), [5., 4., 3., 2., 1., 0.], "reversed");
    assert_eq!(download(&view(&[2, 2], &[0, 8], 4).unwrap()), [1., 3., 1., 3.], "broadcast, every other");
    for (dims, strides, offset) in [(&[7][..], &[4][..], 0), (&[6], &[4], 4), (&[2], &[-4], 0), (&[2], &[i64::MAX], 0)]
    {
        let error = view(dims, strides, offset).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
    }
    assert!(view(&[2, 2], &[4], 0).is_err(), "one stride for two axes");
}

#[test]
fn a_layout_changes_the_device_order_but_not_the_download() {
    let client = client(1);
    let values = [0., 1., 2., 3., 4., 5.];
    let mut host = HostBuffer::new(Arc::new(bytes(&values)), DType::F32, &[2, 3]);
    host.layout = Some(Layout::major_to_minor(&[1, 0]));
    let uploaded = client.upload_with(host.clone(), &client.devices()[0]);
    if common::plugin().api_version() < (0, 115) {
        assert_eq!(
            uploaded.unwrap_err().code,
            Code::Unimplemented,
            "older plugins put the elements in the wrong order"
        );
        return;
    }
    let buffer = uploaded.unwrap();
    assert_eq!(buffer.layout().unwrap().to_string(), "{0,1}");
    assert_eq!(download(&buffer), values);
    assert!(buffer.read().is_err_and(|error| error.to_string().contains("row-major")));
    host.layout = Some(Layout::row_major(3));
    assert!(client.upload_with(host, &client.devices()[0]).is_err());
    assert!(client.default_layout(DType::F32, &[2, 3]).unwrap().is_row_major());
}

/// Bytes at a multiple of 64 bytes, which tell when they are dropped.
struct Tracked {
    memory: Vec<u8>,
    start: usize,
    dropped: Arc<AtomicBool>,
}

impl Tracked {
    fn new(content: &[u8]) -> (Tracked, Arc<AtomicBool>) {
        let mut memory = vec![0; content.len() + ZERO_COPY_ALIGNMENT];
        let start = memory.as_ptr().align_offset(ZERO_COPY_ALIGNMENT);
        memory[start..start + content.len()].copy_from_slice(content);
        let dropped = Arc::new(AtomicBool::new(false));
        (Tracked { memory, start, dropped: dropped.clone() }, dropped)
    }
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..]
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

#[test]
fn zero_copy_shares_host_memory_and_keeps_it() {
    let client = client(1);
    let values: Vec<f32> = (0..1024).map(|i| i as f32).collect();
    let (tracked, dropped) = Tracked::new(&bytes(&values));
    let address = tracked.as_ref().as_ptr();
    let mut host = HostBuffer::new(Arc::new(tracked), DType::F32, &[1024]);
    host.semantics = HostSemantics::ZeroCopy;
    let buffer = client.upload_with(host, &client.devices()[0]).unwrap();
    assert!(!dropped.load(Ordering::SeqCst), "the buffer uses the memory");
    let read = buffer.read().unwrap();
    assert_eq!(read.as_ptr(), address, "no copy was made");
    assert_eq!(floats(&read), values);
    drop(read);
    drop(buffer);
    let waited = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        dropped.load(Ordering::SeqCst)
    });
    assert!(waited, "the memory is let go with the buffer");
}

#[test]
fn zero_copy_of_misaligned_memory_copies() {
    let client = client(1);
    let values: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let (tracked, _) = Tracked::new(&[&[0u8; 4][..], &bytes(&values)].concat());
    let address = tracked.as_ref().as_ptr();
    let mut host = HostBuffer::new(Arc::new(tracked), DType::F32, &[64]);
    (host.offset, host.semantics) = (4, HostSemantics::ZeroCopy);
    let buffer = client.upload_with(host, &client.devices()[0]).unwrap();
    let read = buffer.read().unwrap();
    assert_ne!(read.as_ptr(), address.wrapping_add(4));
    assert_eq!(floats(&read), values);
}

#[test]
fn uploads_of_the_wrong_size_are_refused() {
    let client = client(1);
    let device = &client.devices()[0];
    let error = client.upload(&[0; 12], DType::F32, &[2, 2], device).unwrap_err();
    assert_eq!(error.to_string(), "cannot upload 12 bytes as f32[2, 2]");
    assert!(client.upload(&[], DType::F32, &[usize::MAX, usize::MAX], device).is_err(), "the size overflows");
    let short = HostBuffer::new(Arc::new(vec![0; 12]), DType::F32, &[2, 2]);
    assert!(client.upload_with(short, device).is_err());
}

#[test]
fn buffers_move_between_devices_and_memories() {
    let client = client(2);
    let [first, second] = client.devices() else { panic!("two devices") };
    let buffer = upload(&client, &[1., 2.], &[2], first);
    let copy = buffer.copy_to_device(second).unwrap();
    assert_eq!((copy.device(), download(&copy)), (second, vec![1., 2.]));
    assert_eq!(download(&buffer.copy_to_device(first).unwrap()), [1., 2.]);
    let pinned =
        first.memories().iter().find(|memory| memory.kind() == "pinned_host").expect("the CPU has pinned_host");
    let moved = buffer.copy_to_memory(pinned).unwrap();
    assert_eq!((moved.memory().unwrap().kind(), download(&moved)), ("pinned_host", vec![1., 2.]));
    let host = HostBuffer::new(Arc::new(bytes(&[3.])), DType::F32, &[1]);
    let there = client.upload_with(host, Target::Memory(first, pinned)).unwrap();
    assert_eq!((there.memory().unwrap(), download(&there)), (pinned.clone(), vec![3.]));
    assert!(buffer.copy_to_memory(&second.memories()[0]).is_err());
    let other = common::client(1);
    assert!(buffer.copy_to_device(&other.devices()[0]).is_err());
    assert!(other.upload(&[0; 4], DType::F32, &[1], first).is_err());
}

#[test]
fn deleted_buffers_say_so() {
    let client = client(1);
    let buffer = upload(&client, &[1.], &[1], &client.devices()[0]);
    assert!(!buffer.is_deleted() && buffer.is_ready().unwrap());
    buffer.delete().unwrap();
    assert!(buffer.is_deleted());
    for error in [buffer.download().unwrap_err(), buffer.ready().unwrap_err(), buffer.read().err().unwrap()] {
        assert_eq!(error.code, Code::FailedPrecondition);
        assert!(error.to_string().contains("f32[1] was deleted or donated"), "{error}");
    }
    assert!(buffer.download_into(&mut [0; 3]).is_err_and(|error| error.to_string().contains("3")));
}
