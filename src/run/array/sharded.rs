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
    collections::{BTreeSet, HashMap, HashSet},
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
    /// [`Array::from_bytes`]) of every part, once each. On a mesh of several processes, each makes the parts of its own devices.
    /// JAX: `jax.make_array_from_callback`.
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
        let own = sharding.mesh.addressable();
        for (i, device) in own.iter().zip(sharding.mesh.addressable_devices()) {
            let index = &indices[*i];
            let bytes = match made.remove(index) {
                Some(bytes) => bytes,
                None => {
                    let bytes = Arc::new(f(index)?);
                    if bytes.len() != part.bytes() {
                        let what = format!("making a part {part} of {aval}");
                        return Err(Error::length(what, bytes.len(), part.bytes(), "byte"));
                    }
                    bytes
                }
            };
            // (only what another device needs is kept)
            if own.iter().any(|later| later > i && indices[*later] == *index) {
                made.insert(index.clone(), bytes.clone());
            }
            let host = HostBuffer::new(bytes, part.dtype, &part.dims);
            buffers.push(client.upload_with(host, device)?);
        }
        Ok(Array::from_buffers(aval, Some(sharding.clone()), buffers))
    }

    /// An array over the devices of several processes, of what each process has: `local` is its part, row-major in `bytes`. Along an
    /// axis that is divided over processes the parts follow each other; with `global`, the sizes of the whole, an axis of `local` that
    /// is as long as that is whole in each process. JAX: `jax.make_array_from_process_local_data`.
    ///
    /// # Errors
    /// A part that does not go with the sharding; bytes of another length.
    pub fn from_process_local_data(
        sharding: &NamedSharding,
        local: &Aval,
        bytes: &[u8],
        global: Option<&[usize]>,
    ) -> Result<Array> {
        if bytes.len() != local.bytes() {
            return Err(Error::length(
                format!("making a part {local} of an array"),
                bytes.len(),
                local.bytes(),
                "byte",
            ));
        }
        if global.is_some_and(|global| global.len() != local.rank()) {
            return Err(unfit(Refusal::new(format!("the part {local} and the whole {global:?} differ in rank"))));
        }
        // how many parts each axis has, and which of them are here
        let parts = |axis: usize| {
            let names = sharding.spec.0.get(axis).map_or(&[][..], |entry| entry.names());
            names.iter().map(|name| sharding.mesh.axis(name).unwrap_or(1)).product::<usize>()
        };
        let grid = local.with_dims((0..local.rank()).map(parts).collect::<Vec<_>>());
        let cells = sharding.indices(&grid).map_err(unfit)?;
        let own = sharding.mesh.addressable();
        let here = |axis: usize| own.iter().map(|i| cells[*i][axis].start).collect::<BTreeSet<usize>>();
        let here: Vec<Vec<usize>> = (0..local.rank()).map(|axis| here(axis).into_iter().collect()).collect();
        let mut dims = vec![];
        for (axis, n) in local.dims.iter().enumerate() {
            let (parts, own) = (grid.dims[axis], here[axis].len().max(1));
            let whole = global.map_or(n * parts / own, |global| global[axis]);
            if *n != whole && n * parts != whole * own {
                let what = format!(
                    "axis {axis} of the part {local} has size {n}, but this process holds {own} of the {parts} parts of {whole}"
                );
                return Err(unfit(Refusal::new(what).help("give what this process's devices hold, or the whole axis")));
            }
            dims.push(whole);
        }
        let aval = local.with_dims(dims);
        Array::from_shards(sharding, aval.clone(), |index| {
            // where the part is in what is here
            let place = |(axis, range): (usize, &Range<usize>)| {
                if local.dims[axis] == aval.dims[axis] {
                    return range.clone();
                }
                let number = here[axis].iter().position(|cell| cell * range.len() == range.start).unwrap_or(0);
                number * range.len()..(number + 1) * range.len()
            };
            let from: Vec<Range<usize>> = index.iter().enumerate().map(place).collect();
            let all: Vec<Range<usize>> = local.dims.iter().map(|n| 0..*n).collect();
            let mut part = vec![0; aval.dtype.bytes_for(from.iter().map(Range::len).product())];
            copy_overlap((bytes, &all), (&mut part, &from), aval.dtype);
            Ok(part)
        })
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
            return Err(Error::length(format!("making an array {aval}"), bytes.len(), aval.bytes(), "byte"));
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
        let own = sharding.mesh.addressable().iter().map(|i| indices[*i].clone());
        let buffers = own.zip(sharding.mesh.addressable_devices()).map(upload).collect::<Result<Vec<Buffer>>>()?;
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
        // a whole copy can go from device to device
        if self.sharding().is_none() && local == self.dims() && client.devices().contains(self.buffer().device()) {
            let copy = |device: &Device| Ok(self.buffer().copy_to_device(device)?);
            let buffers = sharding.mesh.addressable_devices().map(copy).collect::<Result<Vec<Buffer>>>()?;
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

    /// The array with all of it on devices of this process: one of which parts are elsewhere comes whole to every device of its mesh. They
    /// exchange the parts, so all processes of the mesh do this for the same arrays in the same order.
    ///
    /// # Errors
    /// What the plugin reports.
    pub fn all_gathered(&self) -> Result<Array> {
        match self.sharding() {
            Some(sharding) if !self.is_fully_addressable() && !self.is_fully_replicated() => {
                self.put(&sharding.mesh.replicated())
            }
            _ => Ok(self.clone()),
        }
    }

    /// Are all its parts on devices of this process? JAX: `is_fully_addressable`.
    pub fn is_fully_addressable(&self) -> bool {
        self.sharding().is_none_or(|s| s.mesh.is_local())
    }

    /// Is the whole array on each of its devices? It can be read then in every process. JAX: `is_fully_replicated`.
    pub fn is_fully_replicated(&self) -> bool {
        self.sharding().is_none_or(|s| s.local_dims(self.aval()).is_ok_and(|local| local == self.aval().dims))
    }

    /// The parts on the devices of this process. JAX: `addressable_shards`.
    pub fn addressable_shards(&self) -> Vec<Shard> {
        let whole = || vec![self.dims().iter().map(|n| 0..*n).collect()];
        let (indices, own) = match self.sharding() {
            Some(s) => (s.indices(self.aval()).expect("checked when it was made"), s.mesh.addressable()),
            None => (whole(), &[0][..]),
        };
        let shard = |(buffer, i): (&Arc<Buffer>, &usize)| {
            let index = indices[*i].clone();
            let ty = ArrayType::new(self.aval().with_dims(buffer.dims()), None);
            let first = !indices[..*i].contains(&index);
            let data = Array::from_parts(ty, vec![buffer.clone()]);
            Shard { device: buffer.device().clone(), index, first, data }
        };
        self.inner.buffers.iter().zip(own).map(shard).collect()
    }

    /// Each part once, in the order of the devices, and what is in it if a device of this process has it first.
    pub(crate) fn parts(&self) -> Vec<(Vec<Range<usize>>, Option<Shard>)> {
        let mut shards = self.addressable_shards();
        let Some(sharding) = self.sharding() else {
            return shards.into_iter().map(|shard| (shard.index.clone(), Some(shard))).collect();
        };
        let indices = sharding.indices(self.aval()).expect("checked when it was made");
        let mut seen = HashSet::new();
        let first = |(device, index): (&Device, Vec<Range<usize>>)| {
            let shard = shards.iter().position(|shard| shard.device == *device).map(|i| shards.swap_remove(i));
            seen.insert(index.clone()).then_some((index, shard))
        };
        sharding.mesh.devices().iter().zip(indices).filter_map(first).collect()
    }

    /// The bytes of the whole array, put together from the parts.
    ///
    /// # Errors
    /// A part that no device of this process has.
    pub(super) fn gathered(&self) -> Result<Vec<u8>> {
        let whole: Vec<Range<usize>> = self.dims().iter().map(|n| 0..*n).collect();
        let (mut shards, mut elements) = (vec![], 0);
        let mut seen = HashSet::new();
        for shard in self.addressable_shards() {
            if seen.insert(shard.index.clone()) {
                elements += shard.index.iter().map(Range::len).product::<usize>();
                shards.push(shard);
            }
        }
        if elements < self.aval().size() || shards.is_empty() {
            return Err(self.elsewhere(elements));
        }
        let mut bytes = vec![0; self.aval().bytes()];
        for shard in shards {
            let part = shard.data.to_bytes()?;
            copy_overlap((&part, &shard.index), (&mut bytes, &whole), self.dtype());
        }
        Ok(bytes)
    }

    /// That parts are in other processes.
    fn elsewhere(&self, elements: usize) -> Error {
        let how = self.sharding().map_or(String::new(), |s| format!(" ({s:?})"));
        Error::Mismatch {
            what: format!("reading an array {}{how}", self.aval()),
            have: format!("the devices of this process hold {elements} of its {} elements", self.aval().size()),
            want: "all are asked for".into(),
            help: "read the parts that are here (`addressable_shards`), or gather it from all processes \
                   (`distributed::process_allgather`, or a function with `out_shardings(P![])`)"
                .into(),
        }
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
