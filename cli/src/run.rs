//! `raxla run`
use crate::{
    Result,
    options::{Global, ProcessArgs, leave},
    output, screen, usage,
};
use raxla::{
    Array, Aval,
    export::{self, OpenType, Program, Symbolic},
    runtime, tree,
};
use safetensors::SafeTensors;
use std::{
    collections::BTreeMap,
    fmt::Display,
    io::Write,
    path::{Path, PathBuf},
};

/// Run a program from a file: StableHLO, what jax.export wrote, or what `raxla compile` wrote
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A StableHLO module (text or bytecode), an artifact of jax.export, or a compiled program. Run only files that you trust
    #[arg(value_name = "FILE")]
    program: PathBuf,
    /// A safetensors file of the arguments, by their numbers or by the names that this command lists without it
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Write the results into this safetensors file
    #[arg(short, long, value_name = "FILE", requires = "inputs")]
    output: Option<PathBuf>,
    #[command(flatten)]
    processes: ProcessArgs,
}

const EXAMPLES: &str = "\
Examples:
  raxla run module.mlir    # what it takes and returns; on as many devices as its mesh has
  raxla run f.jax --inputs x.safetensors -o y.safetensors";

/// Says that this is the child process that runs the program.
const CHILD: &str = "RAXLA_RUN_CHILD";

/// The most that a program's file can have.
const MOST: u64 = 8 << 30;

type Types = BTreeMap<String, Aval>;
/// The sizes of a file's tensors.
type Shapes = BTreeMap<String, Vec<usize>>;

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let path = self.program.display();
        // the plugin's parser may end its process over a module that is not whole
        if std::env::var_os(CHILD).is_none() {
            let died = format!(
                "{path}: the plugin ended its process over this program\n  help: the file may be cut off or damaged: write it again"
            );
            return crate::compile::in_child(CHILD, &died);
        }
        self.output.iter().try_for_each(|path| output::check(path))?;
        let bytes = raxla_xla::read_file(&self.program, MOST).map_err(|e| {
            format!("{path}: it cannot be read: {e}\n  help: give a file that `raxla export`, `raxla compile` or JAX's `jax.export` wrote")
        })?;
        let session = self.processes.join()?;
        let devices = export::devices(&bytes).map_err(|e| format!("{path}: {e}"))?;
        let client = global.client_of(devices).map_err(|e| format!("{path}: {e}"))?;
        runtime::set_client(client.clone());
        let mut out = screen::stdout();
        // sizes that are symbols are those of the inputs
        let program = match Symbolic::read(&bytes) {
            Some(symbolic) => match &self.inputs {
                Some(inputs) => {
                    let types = types_in(inputs, symbolic.arguments())?;
                    symbolic.refine(&types).and_then(|exported| Program::of(&exported, &client))
                }
                None => {
                    list(&mut out, "takes", symbolic.arguments())?;
                    list(&mut out, "returns", symbolic.results())?;
                    writeln!(out, "to run it: --inputs FILE.safetensors, with these arguments, whose sizes it says")?;
                    return Ok(());
                }
            },
            None => export::load(&bytes, &client),
        };
        let program = program.map_err(|e| format!("{path}: {e}"))?;
        let Some(inputs) = &self.inputs else {
            list(&mut out, "takes", program.arguments())?;
            list(&mut out, "returns", program.results())?;
            writeln!(out, "to run it: --inputs FILE.safetensors, with these arguments")?;
            return Ok(());
        };
        let given = tree_of(&program, inputs)?;
        let args: Vec<&Array> = given.iter().collect();
        let results = program.run(&args)?;
        let mut named = BTreeMap::new();
        for ((name, aval), result) in program.results().iter().zip(results) {
            writeln!(out, "{}: {aval}\n{result}", screen::visible(name))?;
            named.insert(name.clone(), result);
        }
        if let Some(path) = &self.output {
            tree::save(&named, path)?;
        }
        leave(session)
    }
}

/// Names, by which arguments may be given, or their numbers.
fn list(out: &mut impl Write, what: &str, types: &[(String, impl Display)]) -> Result {
    writeln!(out, "{what}")?;
    for (i, (name, ty)) in types.iter().enumerate() {
        let name = screen::visible(name).to_string();
        let number = if name == i.to_string() { name } else { format!("{name} (or {i})") };
        writeln!(out, "  {number}: {}", screen::visible(&ty.to_string()))?;
    }
    Ok(())
}

/// The sizes of arguments in a file.
fn types_in(path: &Path, arguments: &[(String, OpenType)]) -> Result<Vec<Aval>> {
    let file = opened(path)?;
    let tensors = header(path, &file)?;
    let names = names(arguments, &tensors);
    let one = |((_, ty), name): (&(String, OpenType), &String)| {
        let shape = tensors.get(name).ok_or_else(|| {
            format!(
                "{}: it has no `{name}`, which is {ty}\n  help: `raxla run FILE` lists the arguments",
                path.display()
            )
        })?;
        Ok(Aval::new(ty.dtype(), shape.clone()))
    };
    arguments.iter().zip(&names).map(one).collect()
}

/// What arguments are called in a file: by their names where it has one of these that is no number, else by their numbers.
fn names<T>(arguments: &[(String, T)], tensors: &Shapes) -> Vec<String> {
    let named = arguments.iter().any(|(n, _)| n.parse::<usize>().is_err() && tensors.contains_key(n));
    let name = |(i, (name, _)): (usize, &(String, T))| if named { name.clone() } else { i.to_string() };
    arguments.iter().enumerate().map(name).collect()
}
fn opened(path: &Path) -> Result<raxla_xla::MappedFile> {
    Ok(raxla_xla::MappedFile::open(path).map_err(|e| {
        usage(format!(
            "--inputs {}: it cannot be read: {e}\n  help: give a safetensors file with the program's arguments",
            path.display()
        ))
    })?)
}
fn header(path: &Path, file: &[u8]) -> Result<Shapes> {
    let (_, header) = SafeTensors::read_metadata(file).map_err(|e| {
        format!("{}: it is no safetensors file: {e}\n  help: it may be cut off: write it again", path.display())
    })?;
    Ok(header.tensors().into_iter().map(|(name, info)| (name, info.shape.clone())).collect())
}

/// The arguments in their order: by their names where the file has one of these that is no number, else by their numbers.
fn tree_of(program: &Program, path: &Path) -> Result<Vec<Array>> {
    let file = opened(path)?;
    let names = names(program.arguments(), &header(path, &file)?);
    let types: Types = names.iter().cloned().zip(program.arguments().iter().map(|(_, aval)| aval.clone())).collect();
    let mut arrays = tree::load(&types, path)?;
    let lost = |name: &String| format!("two arguments are called `{name}`: give them by their numbers");
    names.iter().map(|name| arrays.remove(name).ok_or_else(|| lost(name).into())).collect()
}
