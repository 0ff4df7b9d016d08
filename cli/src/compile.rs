//! `raxla compile`
use crate::{
    Result,
    options::Global,
    output,
    plan::{self, WorkArgs},
    screen, usage,
};
use raxla::{
    aot::{Devices, Target},
    export::Packed,
};
use raxla_graphs::planning;
use std::{io::Write, path::PathBuf};

/// Compile a model's program into a file, for this CPU or for TPUs or GPUs that need not be there
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A preset (see `raxla models`), hf:org/name[@revision], a folder, or a config.json: no weights are read
    #[arg(short, long, value_name = "M")]
    model: String,
    /// cpu: the processor here; else devices as `raxla plan` has them: v5e:2x4, h100x8
    #[arg(long, value_name = "T", default_value = "cpu")]
    target: String,
    /// So many of a TPU's grids, joined by the network
    #[arg(long, default_value_t = 1, value_name = "N")]
    slices: usize,
    #[command(flatten)]
    work: WorkArgs,
    /// The file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

const EXAMPLES: &str = "\
The file says for which platform, plugin and processor it is, and is refused elsewhere. docs/export.md has its format.

Examples:
  raxla compile --model smollm2-135m --dtype f32 --context 256 -o decode.raxla
  raxla compile --model gemma-7b --target v5e:2x4 --batch 8 -o decode.raxla";

/// Where a child process writes; what it is for is its own command line.
const CHILD: &str = "RAXLA_COMPILE_CHILD";

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        output::check(&self.output)?;
        let config = planning::config(&self.model)?;
        let slices = if self.slices == 1 { String::new() } else { format!("{} slices of ", self.slices) };
        let name = format!("{} for {slices}{}", self.model, self.target);
        let packed = if self.target == "cpu" {
            if self.slices != 1 {
                return Err(usage("--slices: only TPUs have slices").into());
            }
            if self.work.devices()? > 1 {
                return Err(usage("--target cpu is one device: leave --mesh out").into());
            }
            self.work.load(1, &config)?.pack(&config, &global.client()?, &name)?
        } else {
            let target = Target::parse(&self.target).and_then(|target| target.with_slices(self.slices));
            let target = target.map_err(|e| usage(format!("--target: {e}")))?;
            let work = self.work.load(target.devices(), &config)?;
            work.checked(&config, target.devices())?;
            if std::env::var_os(CHILD).is_none() {
                plan::fetch_plugin(&target, global)?;
                return in_child(
                    CHILD,
                    "the plugin ended its process while it compiled\n  help: a smaller mesh, batch or context may compile",
                );
            }
            work.pack_for(&config, &Devices::open(&target, global.plugin())?, &name)?
        };
        self.write(&packed)
    }

    fn write(&self, packed: &Packed) -> Result {
        output::write(&self.output, &packed.bytes())?;
        let (h, path) = (&packed.header, self.output.display());
        let (takes, gives) = (h.arguments.len(), h.results.len());
        let size = packed.program.len();
        writeln!(screen::stdout(), "{path}: {}, {size} bytes of program, {takes} arguments, {gives} results", h.name)?;
        Ok(())
    }
}

/// The same command in a process of its own, which a plugin may end; there the variable `mark` is set.
pub fn in_child(mark: &str, died: &str) -> Result {
    let mut child = std::process::Command::new(std::env::current_exe()?);
    let status = child.args(std::env::args_os().skip(1)).env(mark, "1").status()?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Box::new(crate::Exit(code as u8))),
        None => Err(died.into()),
    }
}
