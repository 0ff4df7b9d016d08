//! `raxla hlo`
use crate::{
    Result,
    options::{Global, ModelArgs, axes},
    screen, usage,
};
use clap::ValueEnum;
use raxla::{Client, Graph, Lowered, Mesh, Tensor, Tree, prim::Cost, transform::Pass};
use raxla_graphs::{
    Sampling,
    programs::{self, Placement},
    training::{Train, TrainOptions},
};
use std::io::Write;

/// Which of a model's programs, and its sizes: what `hlo` and `profile` are told alike.
#[derive(clap::Args)]
pub struct Sizes {
    /// Which program: of the whole prompt, of one token, or one training step
    #[arg(long, value_enum, default_value = "decode")]
    pub program: Program,
    /// Tokens that prefill takes in, or that each sequence of a training batch predicts
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = count)]
    pub prompt_tokens: usize,
    /// Positions that the KV cache has room for
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = count)]
    pub slots: usize,
    /// Sequences of a training batch
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = count)]
    pub batch: usize,
}
impl Sizes {
    /// How many tokens a program of generation takes in.
    pub fn tokens(&self) -> Result<usize> {
        let tokens = if self.program == Program::Prefill { self.prompt_tokens } else { 1 };
        if tokens > self.slots {
            return Err(usage(format!("{tokens} --prompt-tokens do not fit {} --slots", self.slots)).into());
        }
        Ok(tokens)
    }
}

/// Print a model's program at a stage of its compilation
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    sizes: Sizes,
    /// Which stage: raxla's graph as traced, the same after its passes, the StableHLO it becomes, or what XLA makes of it
    #[arg(long, value_enum, default_value = "stablehlo")]
    stage: Stage,
    /// Divide the program over devices, by axes named data or model, as in data=2,model=3; a training step also by fsdp,
    /// context, expert or pipe (with --scan: the stages of a pipeline are parts of a stack of layers)
    #[arg(long, value_name = "AXES", value_parser = axes)]
    mesh: Option<String>,
    /// Divide the stream between layers by positions too, along the axis model
    #[arg(long, requires = "mesh")]
    sequence: bool,
    /// Leave it to the compiler what devices exchange, given where parameters and activations are
    #[arg(long, requires = "mesh")]
    annotated: bool,
    /// Parts in which a batch goes through a pipeline [default: one per stage]
    #[arg(long, value_name = "N", value_parser = count, requires = "mesh")]
    microbatches: Option<usize>,
    /// Instead of the program, list what its devices send each other
    #[arg(long)]
    communication: bool,
    #[command(flatten)]
    model: ModelArgs,
}

const EXAMPLES: &str = "\
Examples:
  raxla hlo --stage graph --scan    # with a count of equations and operations
  raxla hlo --program prefill --prompt-tokens 128 --slots 256 > p.mlir
  raxla hlo --model ./my-llama --stage optimized
  raxla hlo --mesh model=3 --scan --communication
  raxla hlo --program train --scan --mesh fsdp=2,model=3 --communication
  raxla hlo --program train --scan --mesh pipe=2 --microbatches 4
  raxla hlo --program train --mesh fsdp=8 --annotated --communication";

/// The most of what programs are shaped by: sizes, which are products of these, can still be counted.
const MOST: usize = 1 << 20;

pub fn count(number: &str) -> std::result::Result<usize, String> {
    let wrong = || format!("it must be a whole number from 1 to {MOST}");
    number.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(wrong)
}

#[derive(Clone, Copy, ValueEnum, PartialEq)]
pub enum Program {
    Prefill,
    Decode,
    Train,
}
#[derive(Clone, Copy, ValueEnum, PartialEq)]
enum Stage {
    Traced,
    Graph,
    Stablehlo,
    Optimized,
}

/// What a graph amounts to, and what each pass removed from it.
fn summary(graph: &Graph, passes: &[Pass]) -> String {
    let (count, Cost { flops, bytes }) = (graph.count(), graph.cost());
    let traced: usize = count + passes.iter().map(|p| p.removed).sum::<usize>();
    let removed: Vec<String> = passes.iter().map(|p| format!("{} {}", p.name, p.removed)).collect();
    let passes = match &removed[..] {
        [] => String::new(),
        list => format!(" of {traced} traced; removed by {}", list.join(", ")),
    };
    let (flops, bytes) = (scaled(flops, "FLOP"), scaled(bytes, "B"));
    format!("# {count} equations{passes}\n# {flops}, and {bytes} read and written unless operations are fused")
}

/// `12.3 GB` and the like.
fn scaled(x: f64, unit: &str) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P"];
    let step = (x.max(1.0).log10() as usize / 3).min(prefixes.len() - 1);
    format!("{:.3} {}{unit}", x / 1e3f64.powi(step as i32), prefixes[step])
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let tokens = self.sizes.tokens()?;
        if self.sizes.program == Program::Train {
            return self.run_train(global);
        }
        let (client, mesh) = self.devices(global)?;
        let (model, dtype) = self.model.spec(false)?;
        let shape = Sampling::default().shape();
        let place = mesh.map(|mesh| Placement::new(&mesh, &client, &model)).transpose()?;
        let rows = place.as_ref().map_or(1, Placement::parts_of_batch);
        let avals = programs::step_avals(&model, dtype, shape, [rows, tokens], [self.sizes.slots, 0]);
        let step = match place {
            Some(place) => place.step(shape),
            None => programs::step(shape).on(&client),
        };
        self.show(step.lower(&avals)?, &client)
    }

    fn devices(&self, global: &Global) -> Result<(Client, Option<Mesh>)> {
        match &self.mesh {
            Some(text) => global.mesh(text).map(|(client, mesh)| (client, Some(mesh))),
            None => Ok((global.client()?, None)),
        }
    }

    fn run_train(&self, global: &Global) -> Result {
        let (client, mesh) = self.devices(global)?;
        let pipeline = mesh.as_ref().is_some_and(|mesh| mesh.axis("pipe").is_some());
        let (model, _) = self.model.spec(pipeline)?;
        let options = TrainOptions {
            sequence: self.sequence,
            annotated: self.annotated,
            microbatches: self.microbatches,
            ..TrainOptions::default()
        };
        let train = Train::new(model, mesh.as_ref(), options)?;
        let step = if mesh.is_some() { train.step() } else { train.step().on(&client) };
        self.show(step.lower(&train.avals(self.sizes.batch, self.sizes.prompt_tokens))?, &client)
    }

    fn show<A: Tree<Tensor>, Y: Tree<Tensor>>(&self, lowered: Lowered<A, Y>, client: &Client) -> Result {
        let text = match self.stage {
            _ if self.communication => lowered.communication(client)?.to_string(),
            Stage::Traced => format!("{}\n{}", lowered.traced, summary(&lowered.traced, &[])),
            Stage::Graph => format!("{}\n{}", lowered.graph, summary(&lowered.graph, &lowered.passes)),
            Stage::Stablehlo => lowered.text,
            Stage::Optimized => lowered.optimized_hlo(client)?,
        };
        writeln!(screen::stdout(), "{text}")?;
        Ok(())
    }
}
