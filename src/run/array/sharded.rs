//! Arrays over several devices.
use super::{Array, ArrayType};
use crate::{
    aval::{Aval, DType},
    error::{Error, Result},
    jit::{Jit, jit},
    memory,
    mesh::NamedSharding,
    refusal::Refusal,
    trace::Tensor,
};
use raxla_xla::{Buffer, Device, HostBuffer};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// One device's part of an array.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The device.
    pub device: Device,
    /// Which part: a range along each axis.
    pub index: Vec<Range<usize>>,
    /// Is it the first device that holds this part? The others hold copies.
    pub first: bool,
    /// The part, as an array on that device.
    pub data: Array,
}

/// What a [`NamedSharding`] says of an array that it does not fit.
fn unfit(why: Refusal) -> Error {
    why.or_help("give another sharding").into()
}

impl Array {
    /// How the array is divided over a mesh; `None` if it is on one device.
    pub fn sharding(&self) -> Option<&NamedSharding> {
        self.inner.ty.sharding()
    }

    /// An array of which each device gets its part alone: `f` is asked for the bytes (row-major, as in
    /// [`Array::from_bytes`]) of every part, once each. JAX: `jax.make_array_from_callback`.
    ///
    /// # Errors
    /// A sharding that does not go with the type; bytes of another length; an error of `f`.
    pub fn from_shards(
        sharding: &NamedSharding,
        aval: Aval,
        mut f: impl FnMut(&[Range<usize>]) -> Result<Vec<u8>>,
    ) -> Result<Array> {
        let part = aval.with_dims(sharding.local_dims(&aval).map_err(unfit)?);
        let (indices, client) = (sharding.indices(&aval).map_err(unfit)?, sharding.mesh.client()?);
        let mut made: HashMap<Vec<Range<usize>>, Arc<Vec<u8>>> = HashMap::new();
        let mut buffers = vec![];
        for (i, device) in sharding.mesh.devices().iter().enumerate() {
            let index = &indices[i];
            let bytes = match made.remove(index) {
                Some(bytes) => bytes,
                None => {
                    let bytes = Arc::new(f(index)?);
                    if bytes.len() != part.bytes() {
                        let (have, want) = (format!("{} bytes", bytes.len()), format!("{} bytes", part.bytes()));
                        return Err(Error::Mismatch { what: format!("making a part {part} of {aval}"), have, want });
                    }
                    bytes
                }
            };
            // (only what another device needs is kept)
            if indices[i + 1..].contains(index) {
                made.insert(index.clone(), bytes.clone());
            }
            let host = HostBuffer::new(bytes, part.dtype, &part.dims);
            buffers.push(client.upload_with(host, device)?);
        }
        Ok(Array::from_buffers(aval, Some(sharding.clone()), buffers))
    }

    /// Zeros, of which each device makes its part alone.
    ///
    /// # Errors
    /// A sharding that does not go with the type.
    pub fn zeros_sharded(sharding: &NamedSharding, aval: Aval) -> Result<Array> {
        let dtype = aval.dtype;
        Array::from_shards(sharding, aval, |index| {
            let (mut zeros, bytes) = (vec![], dtype.bytes_for(index.iter().map(Range::len).product()));
            memory::resize(&mut zeros, bytes, "a part of an array of zeros")?;
            Ok(zeros)
        })
    }

    /// An array of these bytes (as in [`Array::from_bytes`]), of which each device copies its part alone.
    ///
    /// # Errors
    /// A sharding that does not go with the type; bytes of another length.
    pub fn from_bytes_sharded(sharding: &NamedSharding, aval: Aval, bytes: Arc<Vec<u8>>) -> Result<Array> {
        let strides = strides(&aval);
        Array::from_strided_sharded(sharding, aval, bytes, strides)
    }

    /// An array of bytes in another order ([`Array::from_strided`]), of which each device copies its part alone.
    ///
    /// # Errors
    /// A sharding that does not go with the type; bytes of another length.
    pub fn from_strided_sharded(
        sharding: &NamedSharding,
        aval: Aval,
        bytes: Arc<Vec<u8>>,
        strides: Vec<i64>,
    ) -> Result<Array> {
        if bytes.len() != aval.bytes() {
            let (have, want) = (format!("{} bytes", bytes.len()), format!("{} bytes", aval.bytes()));
            return Err(Error::Mismatch { what: format!("making an array {aval}"), have, want });
        }
        let local = sharding.local_dims(&aval).map_err(unfit)?;
        let (indices, client) = (sharding.indices(&aval).map_err(unfit)?, sharding.mesh.client()?);
        let upload = |(index, device): (Vec<Range<usize>>, &Device)| {
            let offset: i64 = index.iter().zip(&strides).map(|(r, s)| r.start as i64 * s).sum();
            let whole = HostBuffer::new(bytes.clone(), aval.dtype, &local);
            // (without elements there is no memory to have an offset in)
            let part = match aval.size() {
                0 => whole,
                _ => HostBuffer { offset: offset as usize, strides: Some(strides.clone()), ..whole },
            };
            Ok(client.upload_with(part, device)?)
        };
        let buffers = indices.into_iter().zip(sharding.mesh.devices()).map(upload).collect::<Result<Vec<Buffer>>>()?;
        Ok(Array::from_buffers(aval, Some(sharding.clone()), buffers))
    }

    /// The array, divided in this way. One that is so already is shared, not copied. Between two shardings over one mesh the
    /// devices exchange the parts themselves; to another mesh they pass through the host, unless each device has its part
    /// already. JAX: `jax.device_put`.
    ///
    /// # Errors
    /// A sharding that does not go with the array.
    pub fn put(&self, sharding: &NamedSharding) -> Result<Array> {
        let local = sharding.local_dims(self.aval()).map_err(unfit)?;
        let client = sharding.mesh.client()?;
        if let Some(own) = self.sharding()
            && own.mesh.devices() == sharding.mesh.devices()
        {
            if own == sharding {
                return Ok(self.clone());
            }
            if own.indices(self.aval()) == sharding.indices(self.aval()) {
                let ty = ArrayType::new(self.aval().clone(), Some(sharding.clone()));
                return Ok(Array::from_parts(ty, self.inner.buffers.clone()));
            }
            if own.mesh == sharding.mesh {
                return self.exchanged(sharding);
            }
        }
        let here = self.buffer().device();
        // a whole copy can go from device to device
        if self.sharding().is_none() && local == self.dims() && client.devices().contains(here) {
            let copy = |device: &Device| Ok(self.buffer().copy_to_device(device)?);
            let buffers = sharding.mesh.devices().iter().map(copy).collect::<Result<Vec<Buffer>>>()?;
            return Ok(Array::from_buffers(self.aval().clone(), Some(sharding.clone()), buffers));
        }
        Array::from_bytes_sharded(sharding, self.aval().clone(), Arc::new(self.to_bytes()?))
    }

    /// The array divided otherwise over its mesh, by a program that does nothing else.
    fn exchanged(&self, sharding: &NamedSharding) -> Result<Array> {
        type Identity = Jit<(Tensor,), fn(Tensor) -> Tensor>;
        /// One per sharding of results; the oldest goes first.
        static PROGRAMS: Mutex<Vec<(NamedSharding, Arc<Identity>)>> = Mutex::new(vec![]);
        const KEPT: usize = 64;
        let program = {
            let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
            let made =
                |(s, _): &&(NamedSharding, Arc<Identity>)| s == sharding && s.mesh.devices() == sharding.mesh.devices();
            match programs.iter().find(made) {
                Some((_, program)) => program.clone(),
                None => {
                    let same: fn(Tensor) -> Tensor = |x| x;
                    let program = jit(same).named("put").on(&sharding.mesh).out_shardings(sharding.spec.clone());
                    let program = Arc::new(program);
                    if programs.len() == KEPT {
                        programs.remove(0);
                    }
                    programs.push((sharding.clone(), program.clone()));
                    program
                }
            }
        };
        program.call((self,))
    }

    /// The parts on the devices of this process. JAX: `addressable_shards`.
    pub fn addressable_shards(&self) -> Vec<Shard> {
        let whole = || vec![self.dims().iter().map(|n| 0..*n).collect()];
        let indices = match self.sharding() {
            Some(s) => s.indices(self.aval()).expect("checked when it was made"),
            None => whole(),
        };
        let shard = |i: usize| {
            let (buffer, index) = (&self.inner.buffers[i], indices[i].clone());
            let ty = ArrayType::new(self.aval().with_dims(buffer.dims()), None);
            let first = !indices[..i].contains(&index);
            let data = Array::from_parts(ty, vec![buffer.clone()]);
            Shard { device: buffer.device().clone(), index, first, data }
        };
        (0..self.inner.buffers.len()).map(shard).collect()
    }

    /// The bytes of the whole array, put together from the parts.
    pub(super) fn gathered(&self) -> Result<Vec<u8>> {
        let whole: Vec<Range<usize>> = self.dims().iter().map(|n| 0..*n).collect();
        let mut bytes = vec![0; self.aval().bytes()];
        for shard in self.addressable_shards().into_iter().filter(|s| s.first) {
            let part = shard.data.to_bytes()?;
            copy_overlap((&part, &shard.index), (&mut bytes, &whole), self.dtype());
        }
        Ok(bytes)
    }
}

/// Copies what two parts of one array have in common from one to the other. A part is a range along each axis, and its
/// elements, row-major.
pub(crate) fn copy_overlap(from: (&[u8], &[Range<usize>]), to: (&mut [u8], &[Range<usize>]), dtype: DType) {
    let both = || from.1.iter().zip(to.1);
    let common: Vec<Range<usize>> = both().map(|(f, t)| f.start.max(t.start)..f.end.min(t.end)).collect();
    if common.iter().any(Range::is_empty) {
        return;
    }
    // what is whole in both lies in one piece, with the axis before it
    let whole = both().rev().take_while(|(f, t)| f == t).count();
    let outer = common.len().saturating_sub(whole + 1);
    let run = dtype.bytes_for(common[outer..].iter().map(Range::len).product());
    let strides = |index: &[Range<usize>]| strides(&Aval::new(dtype, index.iter().map(Range::len).collect::<Vec<_>>()));
    let steps = [strides(from.1), strides(to.1)];
    let inner = |index: &[Range<usize>], steps: &[i64]| match index.get(outer) {
        Some(range) => (common[outer].start - range.start) * steps[outer] as usize,
        None => 0,
    };
    let first = [inner(from.1, &steps[0]), inner(to.1, &steps[1])];
    for number in 0..common[..outer].iter().map(Range::len).product() {
        let (mut rest, mut at): (usize, [usize; 2]) = (number, first);
        for axis in (0..outer).rev() {
            let here = common[axis].start + rest % common[axis].len();
            rest /= common[axis].len();
            at[0] += (here - from.1[axis].start) * steps[0][axis] as usize;
            at[1] += (here - to.1[axis].start) * steps[1][axis] as usize;
        }
        to.0[at[1]..at[1] + run].copy_from_slice(&from.0[at[0]..at[0] + run]);
    }
}

/// Bytes between neighbours along each axis.
fn strides(a: &Aval) -> Vec<i64> {
    let mut strides = vec![a.dtype.bytes_for(1) as i64; a.rank()];
    for i in (1..a.rank()).rev() {
        strides[i - 1] = strides[i] * a.dims[i] as i64;
    }
    strides
}
