//! Programs that return their arguments; with `mock_zeros`, others too, whose results are zeros.
use crate::{
    Outcome, buffer,
    client::{self, device, text},
    failure, functions, happened,
};
use prost::Message;
use raxla_xla::{
    Code, DType,
    sys::{self, PJRT_Client, PJRT_Device, PJRT_Executable, PJRT_LoadedExecutable},
};
use std::{collections::BTreeMap, slice};

/// Both forms of a program.
struct Program {
    name: String,
    client: *mut PJRT_Client,
    /// Whether it is over devices of other processes as well.
    shared: bool,
    devices: Vec<*mut PJRT_Device>,
    /// For each result, which argument it is; without one, it is zeros.
    returns: Vec<Option<usize>>,
    types: Vec<sys::PJRT_Buffer_Type>,
    dims: Vec<i64>,
    ranks: Vec<usize>,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(message, optional, tag = "3")]
    build: Option<Build>,
    #[prost(btree_map = "string, message", tag = "7")]
    overrides: BTreeMap<String, Override>,
}
/// The value of an option of XLA, where it is a text.
#[derive(Clone, PartialEq, Message)]
struct Override {
    #[prost(string, tag = "1")]
    text: String,
}
#[derive(Clone, PartialEq, Message)]
struct Build {
    #[prost(message, optional, tag = "9")]
    assignment: Option<Assignment>,
}
#[derive(Clone, PartialEq, Message)]
struct Assignment {
    #[prost(message, repeated, tag = "3")]
    computations: Vec<Computation>,
}
#[derive(Clone, PartialEq, Message)]
struct Computation {
    #[prost(int64, repeated, tag = "1")]
    replicas: Vec<i64>,
}

/// Where the devices' parts of an array begin and end is the caller's; a program needs only their sizes.
#[derive(PartialEq)]
struct Argument {
    kind: DType,
    dims: Vec<i64>,
}

fn wrong(what: impl Into<String>) -> crate::Failure {
    failure(Code::Unimplemented, format!("the mock plugin runs programs that return their arguments: {}", what.into()))
}

/// The text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inside, _)| inside)
}

/// The sizes of the mesh's axes: `sdy.mesh @mesh = <["data"=4, "model"=2]>`.
fn mesh(module: &str) -> BTreeMap<String, i64> {
    let axes = between(module, "sdy.mesh @mesh = <[", "]>").unwrap_or("");
    let one = |axis: &str| {
        let (name, n) = axis.split_once('=')?;
        Some((name.trim().trim_matches('"').to_string(), n.trim().parse().ok()?))
    };
    axes.split(',').filter_map(one).collect()
}

/// `tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"data"}, {}]>}`.
fn argument(text: &str, mesh: &BTreeMap<String, i64>) -> Outcome<Argument> {
    let shape = between(text, "tensor<", ">").ok_or_else(|| wrong(format!("`{text}`")))?;
    let (dims, kind) = shape.rsplit_once('x').map_or(("", shape), |(dims, kind)| (dims, kind));
    let kind = match kind {
        "i1" => DType::Bool,
        // (of MLIR's integers without a sign, the signed)
        other => other.replace("ui", "u").parse().map_err(|_| wrong(format!("an element is `{other}`")))?,
    };
    let mut dims: Vec<i64> = dims.split('x').filter_map(|n| n.parse().ok()).collect();
    if let Some(entries) = between(text, "#sdy.sharding<@mesh, [", "]>") {
        for (n, entry) in dims.iter_mut().zip(entries.split('}')) {
            let names = entry.split('"').skip(1).step_by(2);
            *n /= names.map(|name| mesh.get(name).copied().unwrap_or(1)).product::<i64>();
        }
    }
    Ok(Argument { kind, dims })
}

/// The types of parameters or results, each of which has a `tensor<..>`.
fn types(text: &str, mesh: &BTreeMap<String, i64>) -> Outcome<Vec<Argument>> {
    let starts: Vec<usize> = text.match_indices("tensor<").map(|(at, _)| at).chain([text.len()]).collect();
    starts.windows(2).map(|pair| argument(&text[pair[0]..pair[1]], mesh)).collect()
}

unsafe fn compiled(client: *mut PJRT_Client, module: &str, options: &[u8]) -> Outcome<Program> {
    let (mesh, zeros) = (mesh(module), client::of(client).zeros);
    let main = module.split_once("@main(").map(|(_, rest)| rest).ok_or_else(|| wrong("it has no main"))?;
    let (head, rest) = main.split_once("->").ok_or_else(|| wrong("its main returns nothing"))?;
    let (head, outs) = (types(head, &mesh)?, types(rest.lines().next().unwrap_or_default(), &mesh)?);
    let body = &main[..main.find("\n  }").unwrap_or(main.len())];
    let computed = body.lines().skip(1).find(|line| line.contains("stablehlo.") || line.contains("call @"));
    if let Some(line) = computed.filter(|_| !zeros) {
        return Err(wrong(format!("it has `{}`", line.trim())));
    }
    let returned = body.rsplit_once("return").map_or("", |(_, rest)| rest.split(':').next().unwrap_or_default());
    let number = |name: &str| name.trim().strip_prefix("%arg").and_then(|n| n.parse::<usize>().ok());
    let returned: Vec<Option<usize>> = returned.split(',').map(number).collect();
    let given = |(i, out): (usize, &Argument)| {
        let number = returned.get(i).copied().flatten().filter(|number| head.get(*number) == Some(out));
        if number.is_some() || zeros {
            Ok(number)
        } else {
            Err(wrong("a result is no argument, or is divided otherwise"))
        }
    };
    let returns = outs.iter().enumerate().map(given).collect::<Outcome<Vec<_>>>()?;
    let Options { build, overrides } = Options::decode(options).unwrap_or_default();
    let assignment = build.and_then(|build| build.assignment);
    let ids: Vec<i64> = assignment.map_or(vec![], |a| a.computations.into_iter().flat_map(|c| c.replicas).collect());
    let own = &client::of(client).own;
    let devices = match ids.is_empty() {
        true => own[..1].to_vec(),
        false => {
            ids.iter().filter_map(|id| own.iter().find(|raw| i64::from(device(**raw).id) == *id).copied()).collect()
        }
    };
    let shown = overrides.iter().map(|(name, value)| format!(" {name}={}", value.text));
    Ok(Program {
        name: "main".to_string() + &shown.collect::<String>(),
        client,
        shared: ids.len() > devices.len(),
        devices,
        types: outs.iter().map(|a| a.kind.to_pjrt()).collect(),
        ranks: outs.iter().map(|a| a.dims.len()).collect(),
        dims: outs.iter().flat_map(|a| a.dims.clone()).collect(),
        returns,
    })
}

unsafe fn loaded<'a>(raw: *mut PJRT_LoadedExecutable) -> &'a Program {
    &*raw.cast::<Program>()
}
unsafe fn of<'a>(raw: *mut PJRT_Executable) -> &'a Program {
    &*raw.cast::<Program>()
}

functions! {
    compile(args: PJRT_Client_Compile_Args) {
        let program = &*args.program;
        let options = slice::from_raw_parts(args.compile_options.cast::<u8>(), args.compile_options_size);
        let made = compiled(args.client, text(program.code, program.code_size), options)?;
        args.executable = Box::into_raw(Box::new(made)).cast();
        Ok(())
    }
    destroy(args: PJRT_LoadedExecutable_Destroy_Args) {
        drop(Box::from_raw(args.executable.cast::<Program>()));
        Ok(())
    }
    executable(args: PJRT_LoadedExecutable_GetExecutable_Args) {
        let program = loaded(args.loaded_executable);
        let copy = Program {
            name: program.name.clone(),
            client: program.client,
            shared: program.shared,
            devices: vec![],
            returns: program.returns.clone(),
            types: program.types.clone(),
            dims: program.dims.clone(),
            ranks: program.ranks.clone(),
        };
        args.executable = Box::into_raw(Box::new(copy)).cast();
        Ok(())
    }
    destroy_executable(args: PJRT_Executable_Destroy_Args) {
        drop(Box::from_raw(args.executable.cast::<Program>()));
        Ok(())
    }
    devices(args: PJRT_LoadedExecutable_AddressableDevices_Args) {
        let devices = &loaded(args.executable).devices;
        (args.addressable_devices, args.num_addressable_devices) = (devices.as_ptr(), devices.len());
        Ok(())
    }
    execute(args: PJRT_LoadedExecutable_Execute_Args) {
        let program = loaded(args.executable);
        if program.shared {
            client::of(program.client).meet()?;
        }
        for i in 0..program.devices.len().min(args.num_devices) {
            let mut dims = program.dims.as_slice();
            for (out, argument) in program.returns.iter().enumerate() {
                let (own, rest) = dims.split_at(program.ranks[out]);
                dims = rest;
                let made = match argument {
                    Some(argument) => buffer::of(*(*args.argument_lists.add(i)).add(*argument)).copy(),
                    None => buffer::zeros(program.types[out], own.to_vec()),
                };
                *(*args.output_lists.add(i)).add(out) = made;
            }
            if !args.device_complete_events.is_null() {
                *args.device_complete_events.add(i) = happened();
            }
        }
        Ok(())
    }
    name(args: PJRT_Executable_Name_Args) {
        let name = &of(args.executable).name;
        (args.executable_name, args.executable_name_size) = (name.as_ptr().cast(), name.len());
        Ok(())
    }
    num_outputs(args: PJRT_Executable_NumOutputs_Args) {
        args.num_outputs = of(args.executable).types.len();
        Ok(())
    }
    output_types(args: PJRT_Executable_OutputElementTypes_Args) {
        let types = &of(args.executable).types;
        (args.output_types, args.num_output_types) = (types.as_ptr().cast_mut(), types.len());
        Ok(())
    }
    output_dims(args: PJRT_Executable_OutputDimensions_Args) {
        let program = of(args.executable);
        args.num_outputs = program.ranks.len();
        (args.dims, args.dim_sizes) = (program.dims.as_ptr(), program.ranks.as_ptr());
        Ok(())
    }
}
