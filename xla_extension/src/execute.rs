//! Running compiled programs.

use crate::{
    Buffer, Code, Device, Error, Executable, Result,
    buffer::BufferType,
    client::MAX_LAUNCHES,
    event::Event,
    executable::Loaded,
    signature::{ArrayType, show_type},
    sys,
    table::invoke,
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
        // On other platforms the plugin orders and bounds its launches itself.
        let throttled = loaded.client.is_cpu() && loaded.devices.len() > 1;
        if !throttled {
            return loaded.launch(args, options, None);
        }
        let mut launches = loaded.client.launches();
        while launches.len() >= MAX_LAUNCHES {
            for event in launches.pop_front().into_iter().flatten() {
                // The error of that run is its results' to report.
                let _ = event.wait();
            }
        }
        let mut events = Vec::new();
        let outputs = loaded.launch(args, options, Some(&mut events))?;
        launches.push_back(events);
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
        events: Option<&mut Vec<Event>>,
    ) -> Result<Vec<Vec<Buffer>>> {
        let raw_args: Vec<Vec<_>> = args.iter().map(|args| args.iter().map(|arg| arg.raw()).collect()).collect();
        let arg_lists: Vec<_> = raw_args.iter().map(Vec::as_ptr).collect();
        let mut raw_outputs: Vec<Vec<*mut sys::PJRT_Buffer>> =
            self.outputs.iter().map(|outputs| vec![ptr::null_mut(); outputs.len()]).collect();
        let output_lists: Vec<_> = raw_outputs.iter_mut().map(Vec::as_mut_ptr).collect();
        let mut raw_events = vec![ptr::null_mut(); if events.is_some() { args.len() } else { 0 }];
        let keep: Vec<i64> = options.non_donatable.iter().map(|&index| index as i64).collect();
        let mut c_options: sys::PJRT_ExecuteOptions = sys::sized();
        c_options.launch_id = options.launch_id;
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
                    device_complete_events: if events.is_some() { raw_events.as_mut_ptr() } else { ptr::null_mut() },
                }
            )?;
            if let Some(events) = events {
                events.extend(raw_events.into_iter().map(|raw| Event::from_raw(raw, self.client.plugin())));
            }
            let wrap = |(raws, kinds): (Vec<_>, &Vec<Arc<BufferType>>)| {
                raws.into_iter().zip(kinds).map(|(raw, kind)| Buffer::from_raw(raw, kind.clone())).collect()
            };
            Ok(raw_outputs.into_iter().zip(&self.outputs).map(wrap).collect())
        }
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
