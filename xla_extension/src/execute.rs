//! Running compiled programs.

use crate::{
    Buffer, Code, Device, Error, Executable, Result,
    client::MAX_LAUNCHES,
    event::Event,
    executable::Loaded,
    exit,
    launch::Launch,
    scratch::Scratch,
    signature::{ArrayType, show_type},
    sys,
    table::invoke,
    watchdog,
};
use std::{
    marker::PhantomData,
    ptr,
    sync::{Arc, atomic::Ordering},
};

/// How to run a program once.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecuteOptions<'a> {
    /// Arguments to keep although the program may take them over, by number.
    pub non_donatable: &'a [usize],
    /// If not 0, names this run among the processes of a program, so that a mismatch in order can be found. The CPU, where
    /// there is one process, is not told.
    pub launch_id: i32,
}

/// A run of a program that is being given its arguments. Its memory is used again by the next run of the thread, so that a
/// run allocates nothing that grows with the number of arguments.
pub struct Run<'a> {
    loaded: &'a Loaded,
    scratch: Scratch,
    /// The launches that made the arguments, as far as they are not known to be fine.
    parents: Vec<Arc<Launch>>,
    arguments: PhantomData<&'a Buffer>,
}

/// What a run returns, not waited for.
pub struct Results<'a> {
    loaded: &'a Loaded,
    scratch: Scratch,
    launch: Option<Arc<Launch>>,
}

impl Executable {
    /// Starts the program with `args[device][argument]`, the devices in the order of [`Executable::devices`], and returns
    /// `[device][result]` without waiting for it. Its own errors come out where a result is waited for.
    ///
    /// Every argument's dtype, dims, layout and device are checked first, and that it was not deleted or donated.
    pub fn execute(&self, args: &[&[&Buffer]], options: &ExecuteOptions<'_>) -> Result<Vec<Vec<Buffer>>> {
        let loaded = &*self.0;
        let mut run = self.run()?;
        if args.len() != loaded.devices.len() {
            return Err(loaded.fail(format!(
                "it runs on {} devices, but arguments for {} were given",
                loaded.devices.len(),
                args.len()
            )));
        }
        for (device, args) in args.iter().enumerate() {
            if args.len() != loaded.parameters.len() {
                return Err(loaded.fail(format!(
                    "it takes {} arguments, but {} were given",
                    loaded.parameters.len(),
                    args.len()
                )));
            }
            args.iter().enumerate().try_for_each(|(index, arg)| run.argument(device, index, arg))?;
        }
        options.non_donatable.iter().try_for_each(|index| run.keep(*index))?;
        let mut results = run.start(options.launch_id)?;
        let of_device = |device| (0..loaded.num_results()).map(|index| results.take(device, index)).collect();
        Ok((0..args.len()).map(of_device).collect())
    }

    /// A run, to be given its arguments one by one: [`Executable::execute`] without lists.
    pub fn run(&self) -> Result<Run<'_>> {
        let loaded = &*self.0;
        if loaded.deleted.load(Ordering::Relaxed) {
            return Err(Error { code: Code::FailedPrecondition, ..loaded.fail("it was deleted".into()) });
        }
        let scratch = Scratch::take(loaded.devices.len() * loaded.parameters.len());
        Ok(Run { loaded, scratch, parents: Vec::new(), arguments: PhantomData })
    }
}

impl<'a> Run<'a> {
    /// Sets argument number `index` of device number `device`, in the order of [`Executable::devices`]. Its dtype, dims,
    /// layout and device are checked, and that it was not deleted or donated.
    pub fn argument(&mut self, device: usize, index: usize, arg: &'a Buffer) -> Result<()> {
        let loaded = self.loaded;
        let at = device * loaded.parameters.len() + index;
        let (Some(on), Some(parameter)) = (loaded.devices.get(device), loaded.parameters.get(index)) else {
            return Err(loaded.fail(format!("it takes no argument {index} on device {device}")));
        };
        // (what was accepted once need not be compared again)
        let accepted = &loaded.accepted[at];
        if !accepted.get().is_some_and(|kind| Arc::ptr_eq(kind, arg.kind())) {
            check_argument(arg, parameter, on).map_err(|what| loaded.fail(format!("argument {index} {what}")))?;
            accepted.get_or_init(|| arg.kind().clone());
        }
        if arg.is_gone() {
            let gone = arg.deleted();
            let error = loaded.fail(format!("argument {index}: {}", gone.message));
            return Err(Error { code: gone.code, remedy: gone.remedy, ..error });
        }
        if let Some(launch) = arg.launch().filter(|launch| !launch.is_fine())
            && !self.parents.iter().any(|known| Arc::ptr_eq(known, launch))
        {
            self.parents.push(launch.clone());
        }
        self.scratch.arguments[at] = arg;
        Ok(())
    }

    /// Keeps this argument, although the program may take it over.
    pub fn keep(&mut self, index: usize) -> Result<()> {
        if index >= self.loaded.parameters.len() {
            return Err(self.loaded.fail(format!("it has no argument {index} to keep from donation")));
        }
        self.scratch.keep.push(index as i64);
        Ok(())
    }

    /// Starts it, without waiting for it. Its own errors come out where a result is waited for.
    pub fn start(mut self, launch_id: i32) -> Result<Results<'a>> {
        let loaded = self.loaded;
        if let Some(at) = self.scratch.arguments.iter().position(|arg| arg.is_null()) {
            let (device, index) = (at / loaded.parameters.len(), at % loaded.parameters.len());
            return Err(loaded.fail(format!("argument {index} of device {device} was not given")));
        }
        self.check_donation()?;
        let several = loaded.devices.len() > 1;
        // On other platforms the plugin orders and bounds its launches itself.
        let throttled = several && loaded.client.is_cpu();
        let watched = several && watchdog::limit().is_some();
        if !throttled && !watched && self.parents.is_empty() {
            return self.launch(launch_id, None);
        }
        let parents = std::mem::take(&mut self.parents);
        let start = || {
            let (name, ids) = (loaded.name.clone(), loaded.device_ids.clone());
            Launch::start(name, ids, parents, loaded.client.progress())
        };
        if !throttled {
            return self.launch(launch_id, Some(start()));
        }
        let mut launches = loaded.client.launches();
        while launches.len() >= MAX_LAUNCHES {
            // The error of that run is its results' to report.
            launches[0].completed()?;
            launches.pop_front();
        }
        let launch = start();
        let results = self.launch(launch_id, Some(launch.clone()))?;
        launches.push_back(launch);
        Ok(results)
    }

    fn is_kept(&self, index: usize) -> bool {
        self.scratch.keep.contains(&(index as i64))
    }

    /// A buffer that is taken over must not be another argument of the same run.
    fn check_donation(&mut self) -> Result<()> {
        let loaded = self.loaded;
        if loaded.donated.iter().all(|index| self.is_kept(*index)) {
            return Ok(());
        }
        let count = loaded.parameters.len();
        for device in 0..loaded.devices.len() {
            if self.scratch.all_different(device * count..(device + 1) * count) {
                continue;
            }
            let args = &self.scratch.arguments[device * count..][..count];
            for &donated in loaded.donated.iter().filter(|index| !self.is_kept(**index)) {
                let twin = (0..count).find(|i| *i != donated && args[*i] == args[donated]);
                if let Some(twin) = twin {
                    return Err(loaded
                        .fail(format!("argument {donated} is donated, but the same buffer is argument {twin} too"))
                        .help("pass a copy, or keep the argument from donation"));
                }
            }
        }
        Ok(())
    }

    fn launch(mut self, launch_id: i32, launch: Option<Arc<Launch>>) -> Result<Results<'a>> {
        let (loaded, devices) = (self.loaded, self.loaded.devices.len());
        let events = if launch.is_some() || devices == 1 { devices } else { 0 };
        self.scratch.lists(devices, loaded.parameters.len(), loaded.num_results(), events);
        let scratch = &mut self.scratch;
        let mut c_options: sys::PJRT_ExecuteOptions = sys::sized();
        // On the CPU the number is how a handler finds its launch, so a user's must not be there; elsewhere it says that the
        // processes of a program launch in one order.
        c_options.launch_id = match loaded.client.is_cpu() {
            true => launch.as_ref().map_or(0, |launch| launch.id()),
            false => launch_id,
        };
        c_options.non_donatable_input_indices = scratch.keep.as_ptr();
        c_options.num_non_donatable_input_indices = scratch.keep.len();
        // SAFETY: all lists have the lengths that the executable wants and live during the call; results and events that
        // come out are ours to free.
        unsafe {
            invoke!(
                loaded.client.plugin().table(),
                PJRT_LoadedExecutable_Execute,
                PJRT_LoadedExecutable_Execute_Args {
                    executable: loaded.raw,
                    options: &mut c_options,
                    argument_lists: scratch.argument_lists.as_ptr(),
                    num_devices: devices,
                    num_args: loaded.parameters.len(),
                    output_lists: scratch.result_lists.as_ptr(),
                    device_complete_events: if events > 0 { scratch.events.as_mut_ptr() } else { ptr::null_mut() },
                }
            )
        }
        .inspect_err(|_| launch.iter().for_each(|launch| launch.abandon()))?;
        self.mark_gone();
        for (index, raw) in self.scratch.events.iter().enumerate() {
            // SAFETY: the plugin just gave us the event.
            let event = unsafe { Event::from_raw(*raw, loaded.client.plugin()) };
            let Some(launch) = &launch else {
                exit::started(event);
                continue;
            };
            let then = launch.clone();
            if let Err(error) = event.on_ready(move |outcome| then.device_done(index, outcome)) {
                launch.device_done(index, event.wait().and(Err(error)));
            }
        }
        Ok(Results { loaded, scratch: self.scratch, launch })
    }

    /// What the program took over is no more; where that is not known, it may be no more.
    fn mark_gone(&self) {
        let count = self.loaded.parameters.len();
        let mark = |index: usize| {
            let given = self.scratch.arguments.iter().skip(index).step_by(count.max(1));
            // SAFETY: arguments are borrowed for as long as the run lives.
            given.for_each(|arg| unsafe { (**arg).mark_gone() });
        };
        match self.loaded.donation_known {
            true => self.loaded.donated.iter().filter(|index| !self.is_kept(**index)).for_each(|index| mark(*index)),
            false => (0..count).filter(|index| !self.is_kept(*index)).for_each(mark),
        }
    }
}

impl Results<'_> {
    /// Result number `index` of device number `device`, in the order of [`Executable::devices`].
    ///
    /// # Panics
    /// When there is no such result, or it was taken before.
    pub fn take(&mut self, device: usize, index: usize) -> Buffer {
        let (count, kinds) = (self.loaded.num_results(), &self.loaded.outputs[device]);
        let raw = std::mem::replace(&mut self.scratch.results[device * count + index], ptr::null_mut());
        assert!(!raw.is_null(), "a result is taken once");
        // SAFETY: the plugin gave the buffer to us, of the type that it says its results have, and nobody else has it.
        unsafe { Buffer::from_raw(raw, kinds[index].clone()) }.of(self.launch.clone())
    }
}

impl Drop for Results<'_> {
    fn drop(&mut self) {
        let count = self.loaded.num_results();
        let left = (0..self.scratch.results.len()).filter(|at| !self.scratch.results[*at].is_null());
        left.collect::<Vec<_>>().into_iter().for_each(|at| drop(self.take(at / count, at % count)));
    }
}

impl Loaded {
    /// Results per device.
    fn num_results(&self) -> usize {
        self.outputs.first().map_or(0, Vec::len)
    }

    fn fail(&self, what: String) -> Error {
        Error::new(Code::InvalidArgument, format!("cannot run `{}`: {what}", self.name))
    }
}

fn check_argument(arg: &Buffer, parameter: &ArrayType, device: &Device) -> std::result::Result<(), String> {
    if arg.dtype() != parameter.dtype || arg.dims() != parameter.dims {
        return Err(format!("is {}, but the program takes {parameter}", show_type(arg.dtype(), arg.dims())));
    }
    if arg.device() != device {
        return Err(format!("is on {}, but must be on {device}", arg.device()));
    }
    let layout = arg.layout().map_err(|error| format!("has no known layout: {error}"))?;
    if *layout != parameter.layout {
        return Err(format!("has layout {layout}, but the program takes layout {}", parameter.layout));
    }
    Ok(())
}
