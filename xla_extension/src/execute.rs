//! Running compiled programs.

use crate::{
    Buffer, Code, Device, Error, Executable, Result,
    buffer::BufferType,
    client::MAX_LAUNCHES,
    event::Event,
    executable::Loaded,
    launch::Launch,
    signature::{ArrayType, show_type},
    sys,
    table::invoke,
    watchdog,
};
use std::{
    ptr,
    sync::{Arc, atomic::Ordering},
};

/// How to run a program once.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecuteOptions<'a> {
    /// Arguments to keep although the program may take them over, by number.
    pub non_donatable: &'a [usize],
    /// If not 0, names this run among the processes of a program, so that a mismatch in order can be found.
    pub launch_id: i32,
}

impl Executable {
    /// Starts the program with `args[device][argument]`, the devices in the order of [`Executable::devices`], and returns
    /// `[device][result]` without waiting for it. Its own errors come out where a result is waited for.
    ///
    /// Every argument's dtype, dims, layout and device are checked first, and that it was not deleted or donated.
    pub fn execute(&self, args: &[&[&Buffer]], options: &ExecuteOptions<'_>) -> Result<Vec<Vec<Buffer>>> {
        let loaded = &*self.0;
        loaded.check(args)?;
        loaded.check_donation(args, options)?;
        let (several, parents) = (loaded.devices.len() > 1, unsettled(args));
        // On other platforms the plugin orders and bounds its launches itself.
        let throttled = several && loaded.client.is_cpu();
        let watched = several && watchdog::limit().is_some();
        if !throttled && !watched && parents.is_empty() {
            return loaded.launch(args, options, None);
        }
        let start = || {
            let ids = loaded.devices.iter().map(Device::id).collect();
            Launch::start(options.launch_id, &loaded.name, ids, parents, loaded.client.progress())
        };
        if !throttled {
            return loaded.launch(args, options, Some(&start()));
        }
        let mut launches = loaded.client.launches();
        while launches.len() >= MAX_LAUNCHES {
            // The error of that run is its results' to report.
            launches[0].completed()?;
            launches.pop_front();
        }
        let launch = start();
        let outputs = loaded.launch(args, options, Some(&launch))?;
        launches.push_back(launch);
        Ok(outputs)
    }
}

impl Loaded {
    fn check(&self, args: &[&[&Buffer]]) -> Result<()> {
        if self.deleted.load(Ordering::Relaxed) {
            return Err(Error { code: Code::FailedPrecondition, ..self.fail("it was deleted".into()) });
        }
        if args.len() != self.devices.len() {
            return Err(self.fail(format!(
                "it runs on {} devices, but arguments for {} were given",
                self.devices.len(),
                args.len()
            )));
        }
        for (device, args) in self.devices.iter().zip(args) {
            if args.len() != self.parameters.len() {
                return Err(self.fail(format!(
                    "it takes {} arguments, but {} were given",
                    self.parameters.len(),
                    args.len()
                )));
            }
            for (index, (arg, parameter)) in args.iter().zip(&self.parameters).enumerate() {
                if let Err(what) = check_argument(arg, parameter, device) {
                    return Err(self.fail(format!("argument {index} {what}")));
                }
                if arg.is_deleted() {
                    let gone = arg.deleted();
                    let error = self.fail(format!("argument {index}: {}", gone.message));
                    return Err(Error { code: gone.code, remedy: gone.remedy, ..error });
                }
            }
        }
        Ok(())
    }

    /// A buffer that is taken over must not be another argument of the same run.
    fn check_donation(&self, args: &[&[&Buffer]], options: &ExecuteOptions<'_>) -> Result<()> {
        if let Some(&index) = options.non_donatable.iter().find(|&&index| index >= self.parameters.len()) {
            return Err(self.fail(format!("it has no argument {index} to keep from donation")));
        }
        if self.donated.iter().all(|index| options.non_donatable.contains(index)) {
            return Ok(());
        }
        for args in args {
            let mut sorted: Vec<_> = args.iter().map(|arg| arg.raw()).collect();
            sorted.sort_unstable();
            if sorted.windows(2).all(|pair| pair[0] != pair[1]) {
                continue;
            }
            for &donated in self.donated.iter().filter(|index| !options.non_donatable.contains(index)) {
                let same = |(i, arg): (usize, &&Buffer)| i != donated && arg.raw() == args[donated].raw();
                if let Some(twin) = args.iter().enumerate().position(same) {
                    return Err(self
                        .fail(format!("argument {donated} is donated, but the same buffer is argument {twin} too"))
                        .help("pass a copy, or keep the argument from donation"));
                }
            }
        }
        Ok(())
    }

    fn launch(
        &self,
        args: &[&[&Buffer]],
        options: &ExecuteOptions<'_>,
        launch: Option<&Arc<Launch>>,
    ) -> Result<Vec<Vec<Buffer>>> {
        let raw_args: Vec<Vec<_>> = args.iter().map(|args| args.iter().map(|arg| arg.raw()).collect()).collect();
        let arg_lists: Vec<_> = raw_args.iter().map(Vec::as_ptr).collect();
        let mut raw_outputs: Vec<Vec<*mut sys::PJRT_Buffer>> =
            self.outputs.iter().map(|outputs| vec![ptr::null_mut(); outputs.len()]).collect();
        let output_lists: Vec<_> = raw_outputs.iter_mut().map(Vec::as_mut_ptr).collect();
        let mut raw_events = vec![ptr::null_mut(); if launch.is_some() { args.len() } else { 0 }];
        let keep: Vec<i64> = options.non_donatable.iter().map(|&index| index as i64).collect();
        let mut c_options: sys::PJRT_ExecuteOptions = sys::sized();
        c_options.launch_id = options.launch_id;
        // (elsewhere a number says that the processes of a program launch in one order)
        if let Some(launch) = launch.filter(|_| self.client.is_cpu()) {
            c_options.launch_id = launch.id();
        }
        c_options.non_donatable_input_indices = keep.as_ptr();
        c_options.num_non_donatable_input_indices = keep.len();
        // SAFETY: all lists have the lengths that the executable wants and live during the call; results and events that
        // come out are ours to free.
        unsafe {
            invoke!(
                self.client.plugin().table(),
                PJRT_LoadedExecutable_Execute,
                PJRT_LoadedExecutable_Execute_Args {
                    executable: self.raw,
                    options: &mut c_options,
                    argument_lists: arg_lists.as_ptr(),
                    num_devices: args.len(),
                    num_args: self.parameters.len(),
                    output_lists: output_lists.as_ptr(),
                    device_complete_events: if launch.is_some() { raw_events.as_mut_ptr() } else { ptr::null_mut() },
                }
            )
            .inspect_err(|_| launch.into_iter().for_each(|launch| launch.abandon()))?;
            for (index, raw) in raw_events.into_iter().enumerate() {
                let event = Event::from_raw(raw, self.client.plugin());
                let Some(launch) = launch.cloned() else { continue };
                let then = launch.clone();
                if let Err(error) = event.on_ready(move |outcome| then.device_done(index, outcome)) {
                    launch.device_done(index, event.wait().and(Err(error)));
                }
            }
            let wrap = |(raws, kinds): (Vec<_>, &Vec<Arc<BufferType>>)| {
                let one = |(raw, kind): (_, &Arc<BufferType>)| Buffer::from_raw(raw, kind.clone()).of(launch.cloned());
                raws.into_iter().zip(kinds).map(one).collect()
            };
            Ok(raw_outputs.into_iter().zip(&self.outputs).map(wrap).collect())
        }
    }

    fn fail(&self, what: String) -> Error {
        Error::new(Code::InvalidArgument, format!("cannot run `{}`: {what}", self.name))
    }
}

/// The launches that made these arguments, as far as they are not known to be fine.
fn unsettled(args: &[&[&Buffer]]) -> Vec<Arc<Launch>> {
    let mut found: Vec<Arc<Launch>> = Vec::new();
    for launch in args.iter().flat_map(|args| args.iter()).filter_map(|arg| arg.launch()) {
        if !launch.is_fine() && !found.iter().any(|known| Arc::ptr_eq(known, launch)) {
            found.push(launch.clone());
        }
    }
    found
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
