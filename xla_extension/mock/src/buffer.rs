//! Arrays, in host memory.
use crate::{
    client::{self, device},
    failure, functions, happened,
};
use raxla_xla::{
    Code, DType,
    sys::{self, PJRT_Buffer},
};
use std::{
    ptr, slice,
    sync::atomic::{AtomicBool, Ordering},
};

pub(crate) struct Buffer {
    pub(crate) kind: sys::PJRT_Buffer_Type,
    pub(crate) dims: Vec<i64>,
    minor_to_major: Vec<i64>,
    bytes: Vec<u8>,
    deleted: AtomicBool,
}

impl Buffer {
    pub(crate) fn copy(&self) -> *mut PJRT_Buffer {
        Buffer::make(self.kind, self.dims.clone(), self.bytes.clone())
    }
    fn make(kind: sys::PJRT_Buffer_Type, dims: Vec<i64>, bytes: Vec<u8>) -> *mut PJRT_Buffer {
        let minor_to_major = (0..dims.len() as i64).rev().collect();
        let buffer = Buffer { kind, dims, minor_to_major, bytes, deleted: AtomicBool::new(false) };
        Box::into_raw(Box::new(buffer)).cast()
    }
}

/// Zeros; of truth values, true.
pub(crate) fn zeros(kind: sys::PJRT_Buffer_Type, dims: Vec<i64>) -> *mut PJRT_Buffer {
    let dtype = DType::from_pjrt(kind).unwrap_or(DType::U8);
    let bytes = dtype.bytes_for(dims.iter().product::<i64>() as usize);
    Buffer::make(kind, dims, vec![u8::from(dtype == DType::Bool); bytes])
}

pub(crate) unsafe fn of<'a>(raw: *mut PJRT_Buffer) -> &'a Buffer {
    &*raw.cast::<Buffer>()
}

unsafe fn list<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if len == 0 { &[] } else { slice::from_raw_parts(data, len) }
}

functions! {
    from_host(args: PJRT_Client_BufferFromHostBuffer_Args) {
        let to = if args.memory.is_null() { args.device } else { args.memory.cast() };
        if !client::of(args.client).own.contains(&to) {
            let text = format!("device {} is not addressable", device(to).id);
            return Err(failure(Code::InvalidArgument, text));
        }
        let kind = DType::from_pjrt(args.type_).ok_or_else(|| failure(Code::Unimplemented, "an unknown element type"))?;
        let (dims, size) = (list(args.dims, args.num_dims).to_vec(), kind.bytes_for(1));
        let mut strides = list(args.byte_strides, args.num_byte_strides).to_vec();
        if strides.is_empty() {
            strides = vec![size as i64; dims.len()];
            (1..dims.len()).rev().for_each(|i| strides[i - 1] = strides[i] * dims[i]);
        }
        let count: i64 = dims.iter().product();
        let mut bytes = Vec::with_capacity(count as usize * size);
        for number in 0..count {
            let (mut rest, mut at) = (number, 0);
            for (n, stride) in dims.iter().zip(&strides).rev() {
                at += rest % n * stride;
                rest /= n;
            }
            bytes.extend(slice::from_raw_parts(args.data.cast::<u8>().offset(at as isize), size));
        }
        args.buffer = Buffer::make(args.type_, dims, bytes);
        args.done_with_host_buffer = happened();
        Ok(())
    }
    destroy(args: PJRT_Buffer_Destroy_Args) {
        drop(Box::from_raw(args.buffer.cast::<Buffer>()));
        Ok(())
    }
    element_type(args: PJRT_Buffer_ElementType_Args) {
        args.type_ = of(args.buffer).kind;
        Ok(())
    }
    dimensions(args: PJRT_Buffer_Dimensions_Args) {
        let dims = &of(args.buffer).dims;
        (args.dims, args.num_dims) = (dims.as_ptr(), dims.len());
        Ok(())
    }
    layout(args: PJRT_Buffer_GetMemoryLayout_Args) {
        let order = &of(args.buffer).minor_to_major;
        args.layout.type_ = sys::PJRT_Buffer_MemoryLayout_Type_Tiled;
        let mut tiled = sys::PJRT_Buffer_MemoryLayout_Tiled::default();
        (tiled.minor_to_major, tiled.minor_to_major_size) = (order.as_ptr(), order.len());
        args.layout.__bindgen_anon_1.tiled = tiled;
        Ok(())
    }
    size(args: PJRT_Buffer_OnDeviceSizeInBytes_Args) {
        args.on_device_size_in_bytes = of(args.buffer).bytes.len();
        Ok(())
    }
    delete(args: PJRT_Buffer_Delete_Args) {
        of(args.buffer).deleted.store(true, Ordering::Relaxed);
        Ok(())
    }
    is_deleted(args: PJRT_Buffer_IsDeleted_Args) {
        args.is_deleted = of(args.buffer).deleted.load(Ordering::Relaxed);
        Ok(())
    }
    copy_to_device(args: PJRT_Buffer_CopyToDevice_Args) {
        if !device(args.dst_device).own {
            return Err(failure(Code::InvalidArgument, format!("device {} is not addressable", device(args.dst_device).id)));
        }
        args.dst_buffer = of(args.buffer).copy();
        Ok(())
    }
    copy_to_memory(args: PJRT_Buffer_CopyToMemory_Args) {
        args.dst_buffer = of(args.buffer).copy();
        Ok(())
    }
    to_host(args: PJRT_Buffer_ToHostBuffer_Args) {
        let bytes = &of(args.src).bytes;
        if args.dst.is_null() {
            args.dst_size = bytes.len();
            return Ok(());
        }
        ptr::copy_nonoverlapping(bytes.as_ptr(), args.dst.cast(), bytes.len().min(args.dst_size));
        args.event = happened();
        Ok(())
    }
    is_on_cpu(args: PJRT_Buffer_IsOnCpu_Args) {
        args.is_on_cpu = false;
        Ok(())
    }
    ready(args: PJRT_Buffer_ReadyEvent_Args) {
        args.event = happened();
        Ok(())
    }
}
