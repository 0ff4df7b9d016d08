//! Programs from files, ready to run.
use super::{
    Argument, Exported, Packed,
    division::{Division, Said, whole},
    refused,
};
use crate::{
    array::Array,
    aval::Aval,
    error::{Error, Result},
    jit::platform_options,
    mesh::NamedSharding,
    runtime,
};
use raxla_xla::{Client, CompileOptions, Executable};

/// What helps against sizes that are left open.
const FIXED: &str = "give the artifact in its place (`exported.serialize()`), which takes its sizes from the inputs, or export it for \
                     fixed sizes";

/// How MLIR's bytecode begins.
const BYTECODE: &[u8] = b"ML\xefR";

/// A program that was read from a file and compiled, for one device or for those of a mesh.
#[derive(Debug)]
pub struct Program {
    executable: Executable,
    client: Client,
    arguments: Vec<(String, Aval)>,
    results: Vec<(String, Aval)>,
    /// Which arguments the program takes.
    kept: Vec<usize>,
    /// For a module of several platforms: the number of this one, its first argument.
    platform: Option<Array>,
    /// Of a program for several devices.
    division: Option<Division>,
}

/// Makes a program of a file's bytes: a StableHLO module, as text or bytecode, whose entry is `@main`; an artifact of `jax.export`; or a
/// compiled program ([`Packed`]).
///
/// # Errors
/// Bytes that are none of these; what [`Program::of`] and [`Packed::load`] refuse; what the compiler reports.
pub fn load(bytes: &[u8], client: &Client) -> Result<Program> {
    if Packed::is_one(bytes) {
        return Packed::read(bytes)?.load(client);
    }
    if bytes.starts_with(BYTECODE) {
        return Program::of_module(bytes, client);
    }
    // (the numbers in an artifact have bytes of 0)
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) {
        if text.contains("func.func") {
            return Program::of_module(bytes, client);
        }
        const HELP: &str = "give a StableHLO module, an artifact of jax.export, or what `raxla compile` wrote";
        return Err(refused("the program", "it is text without a function", "a program is needed", HELP));
    }
    Program::of(&Exported::deserialize(bytes)?, client)
}

/// On how many devices the program in these bytes runs, without a plugin. Bytes that are no program count as one device.
///
/// # Errors
/// A damaged file; shardings that are not understood.
pub fn devices(bytes: &[u8]) -> Result<usize> {
    if Packed::is_one(bytes) {
        return Ok(Packed::read(bytes)?.header.devices);
    }
    match std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) {
        Some(text) => Ok(said(text)?.map_or(1, |said| said.mesh.iter().map(|(_, n)| *n).product())),
        None => Ok(Exported::deserialize(bytes).map_or(1, |exported| exported.devices())),
    }
}

fn said(text: &str) -> Result<Option<Said>> {
    Said::read(text).map_err(|have| {
        let help = "export it for a mesh with names of axes alone, or for one device";
        refused("the module", have, "shardings must divide axes of arrays along axes of one mesh", help)
    })
}

/// What one device takes, by the compiled program.
fn parameters(executable: &Executable) -> Vec<Aval> {
    executable.parameters().iter().map(|p| Aval::new(p.dtype, p.dims.clone())).collect()
}
fn results(executable: &Executable) -> Result<Vec<Aval>> {
    let types = executable.output_dtypes()?.into_iter().zip(executable.output_dims()?);
    Ok(types.map(|(dtype, dims)| Aval::new(dtype, dims)).collect())
}
/// An error, if sizes are left open.
fn refuse_symbolic(text: &str) -> Result<()> {
    if text.contains("tensor<?") || text.contains("x?x") {
        let have = "it has axes whose size is not known";
        return Err(refused("the module", have, "all sizes must be numbers", FIXED));
    }
    Ok(())
}

/// The compiled module and, if it is for several devices, how its arrays are divided over them: as its text says, or what is said of its
/// bytecode.
fn compile(module: &[u8], client: &Client, said_beside: Option<Said>) -> Result<(Executable, Option<Division>)> {
    let mut division = said_beside;
    if let Ok(text) = std::str::from_utf8(module) {
        refuse_symbolic(text)?;
        division = said(text)?;
        let partitions = text.split_once("mhlo.num_partitions = ").map(|(_, rest)| rest.split([' ', ',', '}']).next());
        let partitions = partitions.flatten().and_then(|n| n.parse().ok()).unwrap_or(1);
        if division.is_none() && partitions > 1 {
            return Err(several(partitions));
        }
    }
    runtime::register(client, None)?;
    let options = platform_options(client.platform_name(), CompileOptions::default());
    let compiled = |options: &CompileOptions| {
        const HELP: &str = "the module may be cut off, damaged, or of a newer StableHLO: export it again";
        client.compile(module, options).map_err(|e| match refuse_symbolic(&e.message) {
            Err(symbolic) => symbolic,
            Ok(()) => e.help(HELP).into(),
        })
    };
    let Some(said) = division else { return Ok((compiled(&options)?, None)) };
    let mesh = said.mesh_on(client)?;
    let mut options = said.options(&mesh, options);
    if module.starts_with(BYTECODE) {
        // (how many results bytecode has is not seen before it is compiled, so that one word stands for all)
        options.propagate_to_outputs = vec![said.outs.iter().all(Option::is_none)];
    }
    let executable = compiled(&options)?;
    let division = said.division(mesh, &executable, &results(&executable)?)?;
    Ok((executable, Some(division)))
}
/// How an artifact says that the parameters and results of its bytecode are divided; `many`: the first parameter is the platform's number.
fn said_beside(exported: &Exported, many: bool) -> Result<Option<Said>> {
    if exported.devices() <= 1 || exported.mlir_module().is_some() {
        return Ok(None);
    }
    let said = exported.division.clone().ok_or_else(|| several(exported.devices()))?;
    let product = said.mesh.iter().map(|(_, n)| *n).fold(1, usize::saturating_mul);
    if product != exported.devices() {
        let (have, want) = (format!("its mesh has {product} devices"), format!("it is for {}", exported.devices()));
        return Err(refused("the artifact", have, &want, "export it anew"));
    }
    let kept = exported.kept().iter().map(|i| said.ins[*i].clone());
    let ins = many.then(Vec::new).into_iter().chain(kept).collect();
    Ok(Some(Said { ins, ..said }))
}
fn several(devices: impl std::fmt::Display) -> Error {
    let have =
        format!("it is for {devices} devices, and does not say along which axes of one mesh they divide its arrays");
    const HELP: &str = "export it with a JAX of 2026 and shardings on one mesh with named axes, as text with Shardy's meshes, or for one device";
    refused("the module", have, "each device must be given its parts", HELP)
}
/// Types of a program's arguments or results as a whole, of which each device has a part.
fn wholes(division: &Option<Division>, parts: Vec<Aval>, of: impl Fn(&Division) -> &[NamedSharding]) -> Vec<Aval> {
    match division {
        Some(division) => parts.iter().zip(of(division)).map(|(part, sharding)| whole(part, sharding)).collect(),
        None => parts,
    }
}
fn numbered(avals: Vec<Aval>) -> Vec<(String, Aval)> {
    avals.into_iter().enumerate().map(|(i, aval)| (i.to_string(), aval)).collect()
}

impl Program {
    /// Compiles an artifact.
    ///
    /// # Errors
    /// An artifact for other platforms or several devices; a module that is another than the artifact says; what the compiler reports.
    pub fn of(exported: &Exported, client: &Client) -> Result<Program> {
        const OTHER: &str = "export it for this platform: `jax.export.export(f, platforms=[..])`";
        let own = match client.platform_name() {
            "gpu" => "cuda",
            name => name,
        };
        let Some(number) = exported.platforms().iter().position(|p| p == own) else {
            let have = format!("it is for the platforms {}", exported.platforms().join(", "));
            return Err(refused("the artifact", have, &format!("this is {own}"), OTHER));
        };
        let many = exported.platforms().len() > 1;
        let said = said_beside(exported, many)?;
        let (executable, mut division) = compile(exported.module(), client, said)?;
        let mut takes = wholes(&division, parameters(&executable), |d| &d.ins);
        let platform = match takes.first().cloned().filter(|a| many && a.rank() == 0 && a.dtype.is_int()) {
            Some(aval) => {
                takes.remove(0);
                division.iter_mut().for_each(|division| drop(division.ins.remove(0)));
                let bytes = (number as i64).to_le_bytes();
                Some(Array::from_bytes(client, aval.clone(), &bytes[..aval.bytes()])?)
            }
            None => None,
        };
        let kept: Vec<Aval> = exported.kept().iter().map(|i| exported.in_avals()[*i].clone()).collect();
        let gives = wholes(&division, results(&executable)?, |d| &d.outs);
        for (what, said, has) in [("arguments", &kept[..], takes), ("results", exported.out_avals(), gives)] {
            if *said != has[..] {
                let shown = |avals: &[Aval]| avals.iter().map(Aval::to_string).collect::<Vec<_>>().join(", ");
                let have = format!("its {what} are {}", shown(said));
                return Err(refused(
                    "the artifact",
                    have,
                    &format!("its module has {}", shown(&has)),
                    "export it anew",
                ));
            }
        }
        let named = |paths: Vec<String>, avals: &[Aval]| paths.into_iter().zip(avals.iter().cloned()).collect();
        Ok(Program {
            arguments: named(exported.in_paths(), exported.in_avals()),
            results: named(exported.out_paths(), exported.out_avals()),
            kept: exported.kept().to_vec(),
            executable,
            client: client.clone(),
            platform,
            division,
        })
    }

    /// Compiles a module, as text or bytecode. Its arguments and results are called by their numbers.
    ///
    /// # Errors
    /// A module for more devices than there are, or that does not say how they divide its arrays; sizes that are not known; what the compiler
    /// reports.
    pub fn of_module(module: &[u8], client: &Client) -> Result<Program> {
        let (executable, division) = compile(module, client, None)?;
        let takes = wholes(&division, parameters(&executable), |d| &d.ins);
        let gives = wholes(&division, results(&executable)?, |d| &d.outs);
        Ok(Program {
            kept: (0..takes.len()).collect(),
            arguments: numbered(takes),
            results: numbered(gives),
            executable,
            client: client.clone(),
            platform: None,
            division,
        })
    }

    pub(super) fn of_parts(
        executable: Executable,
        client: &Client,
        arguments: &[Argument],
        results: &[Argument],
        division: Option<Division>,
    ) -> Result<Program> {
        let named =
            |list: &[Argument]| list.iter().map(|a| Ok((a.name.clone(), a.aval()?))).collect::<Result<Vec<_>>>();
        let (mut arguments, results) = (named(arguments)?, named(results)?);
        if let Some(division) = &division {
            let arguments = arguments.iter_mut().zip(&division.ins);
            arguments.for_each(|((_, aval), sharding)| *aval = whole(aval, sharding));
        }
        let kept = (0..arguments.len()).collect();
        Ok(Program { executable, client: client.clone(), arguments, results, kept, platform: None, division })
    }

    /// What it takes: names (paths in the artifact's trees, or numbers) and types.
    pub fn arguments(&self) -> &[(String, Aval)] {
        &self.arguments
    }
    /// What it returns.
    pub fn results(&self) -> &[(String, Aval)] {
        &self.results
    }
    /// Where it runs.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs it. Nothing is given away: arguments that it would take over are copied.
    ///
    /// # Errors
    /// Another number of arguments, or other types, by the argument's name; what the plugin reports.
    pub fn run(&self, args: &[&Array]) -> Result<Vec<Array>> {
        const HELP: &str = "give what `Program::arguments` lists, in its order";
        if args.len() != self.arguments.len() {
            let want = format!("it takes {}", self.arguments.len());
            return Err(refused("arguments of a program", format!("there are {}", args.len()), &want, HELP));
        }
        let wrong = args.iter().zip(&self.arguments).find(|(have, (_, want))| have.aval() != want);
        if let Some((have, (name, want))) = wrong {
            let what = format!("argument `{name}` of a program");
            return Err(refused(&what, format!("it is {}", have.aval()), &format!("{want} is needed"), HELP));
        }
        let kept = self.kept.iter().enumerate().map(|(i, number)| match &self.division {
            Some(division) => args[*number].put(&division.ins[i]),
            None => Ok(args[*number].clone()),
        });
        let kept = kept.collect::<Result<Vec<Array>>>()?;
        let platform = self.platform.as_ref().map(|array| match &self.division {
            Some(division) => array.put(&division.mesh.replicated()),
            None => Ok(array.clone()),
        });
        let platform = platform.transpose()?;
        let devices = self.division.as_ref().map_or(&[0][..], |division| &division.devices);
        let mut run = self.executable.run()?;
        for (index, array) in platform.iter().chain(&kept).enumerate() {
            if self.executable.donated().contains(&index) {
                run.keep(index)?;
            }
            for (device, buffer) in devices.iter().zip(array.buffers()) {
                run.argument(*device, index, buffer)?;
            }
        }
        let mut results = run.start(0)?;
        let mut result = |(i, (_, aval)): (usize, &(String, Aval))| {
            let sharding = self.division.as_ref().map(|division| division.outs[i].clone());
            let buffers = devices.iter().map(|device| results.take(*device, i)).collect();
            Array::from_buffers(aval.clone(), sharding, buffers)
        };
        Ok(self.results.iter().enumerate().map(&mut result).collect())
    }
}
