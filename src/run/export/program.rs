//! Programs from files, ready to run.
use super::{Argument, Exported, Packed, refused};
use crate::{
    array::Array,
    aval::Aval,
    error::{Error, Result},
    jit::platform_options,
    runtime,
};
use raxla_xla::{Client, CompileOptions, Executable};

/// How MLIR's bytecode begins.
const BYTECODE: &[u8] = b"ML\xefR";

/// A program that was read from a file and compiled, for one device.
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

/// What one device takes, by the compiled program.
fn parameters(executable: &Executable) -> Vec<Aval> {
    executable.parameters().iter().map(|p| Aval::new(p.dtype, p.dims.clone())).collect()
}
fn results(executable: &Executable) -> Result<Vec<Aval>> {
    let types = executable.output_dtypes()?.into_iter().zip(executable.output_dims()?);
    Ok(types.map(|(dtype, dims)| Aval::new(dtype, dims)).collect())
}
fn compile(module: &[u8], client: &Client) -> Result<Executable> {
    if let Ok(text) = std::str::from_utf8(module) {
        if text.contains("tensor<?") || text.contains("x?x") {
            const HELP: &str = "export it for the sizes that are meant";
            return Err(refused(
                "the module",
                "it has axes whose size is not known",
                "all sizes must be numbers",
                HELP,
            ));
        }
        let partitions = text.split_once("mhlo.num_partitions = ").map(|(_, rest)| rest.split([' ', ',', '}']).next());
        let partitions = partitions.flatten().and_then(|n| n.parse().ok()).unwrap_or(1);
        let devices = text.lines().filter_map(mesh_size).fold(partitions, usize::max);
        if devices > 1 {
            return Err(several(devices));
        }
    }
    runtime::register(client, None)?;
    let options = platform_options(client.platform_name(), CompileOptions::default());
    let compiled = client.compile(module, &options);
    Ok(compiled.map_err(|e| e.help("the module may be cut off, damaged, or of a newer StableHLO: export it again"))?)
}
/// The devices of a mesh of Shardy, where a line declares one: `sdy.mesh @mesh = <["data"=2, "model"=4]>`.
fn mesh_size(line: &str) -> Option<usize> {
    let (_, axes) = line.trim_start().strip_prefix("sdy.mesh @")?.split_once('[')?;
    let sizes = axes.split(']').next()?.split(',').filter_map(|axis| axis.split_once('=')?.1.trim().parse().ok());
    Some(sizes.fold(1, usize::saturating_mul))
}
fn several(devices: impl std::fmt::Display) -> Error {
    let have = format!("it is for {devices} devices");
    refused("the module", have, "what is read from a file runs on one", "export it for one device")
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
        if exported.devices() > 1 {
            return Err(several(exported.devices()));
        }
        let executable = compile(exported.module(), client)?;
        let mut takes = parameters(&executable);
        let many = exported.platforms().len() > 1;
        let platform = match takes.first().cloned().filter(|a| many && a.rank() == 0 && a.dtype.is_int()) {
            Some(aval) => {
                takes.remove(0);
                let bytes = (number as i64).to_le_bytes();
                Some(Array::from_bytes(client, aval.clone(), &bytes[..aval.bytes()])?)
            }
            None => None,
        };
        let kept: Vec<Aval> = exported.kept().iter().map(|i| exported.in_avals()[*i].clone()).collect();
        let gives = results(&executable)?;
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
        })
    }

    /// Compiles a module, as text or bytecode. Its arguments and results are called by their numbers.
    ///
    /// # Errors
    /// A module for several devices, or of sizes that are not known; what the compiler reports.
    pub fn of_module(module: &[u8], client: &Client) -> Result<Program> {
        let executable = compile(module, client)?;
        let (takes, gives) = (parameters(&executable), results(&executable)?);
        Ok(Program {
            kept: (0..takes.len()).collect(),
            arguments: numbered(takes),
            results: numbered(gives),
            executable,
            client: client.clone(),
            platform: None,
        })
    }

    pub(super) fn of_parts(
        executable: Executable,
        client: &Client,
        arguments: &[Argument],
        results: &[Argument],
    ) -> Result<Program> {
        let named =
            |list: &[Argument]| list.iter().map(|a| Ok((a.name.clone(), a.aval()?))).collect::<Result<Vec<_>>>();
        let (arguments, results) = (named(arguments)?, named(results)?);
        let kept = (0..arguments.len()).collect();
        Ok(Program { executable, client: client.clone(), arguments, results, kept, platform: None })
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
        let mut run = self.executable.run()?;
        let kept = self.kept.iter().map(|i| args[*i]);
        for (index, array) in self.platform.iter().chain(kept).enumerate() {
            if self.executable.donated().contains(&index) {
                run.keep(index)?;
            }
            run.argument(0, index, array.buffer())?;
        }
        let mut results = run.start(0)?;
        Ok((0..self.results.len()).map(|i| Array::from_buffer(results.take(0, i))).collect())
    }
}
