//! `raxla bench`: how fast, how much memory, how much of what the machine can do; and variants beside each other.
//!
//! The command parses, measures the machine's limits, and has each variant run by a [`child`]. There a [`Job`] goes to the
//! module of what is measured ([`steps`], [`train`], [`compile`], [`calls`], [`load`]), which returns [`figure`]s.
mod calls;
mod child;
mod compile;
pub mod figure;
pub mod limits;
mod load;
mod plot;
pub mod settings;
mod steps;
mod table;
mod train;
pub mod variants;

use crate::{
    Result,
    machine::Machine,
    note,
    options::{Global, ModelArgs},
    output, screen, usage,
};
use clap::ValueEnum;
use figure::{Figure, Plugin};
use limits::Limits;
use raxla::{Client, DType};
use raxla_graphs::models::Decoder;
use settings::{Settings, What, Work};
use std::{io::Write, path::PathBuf};
use table::Among;
use variants::{Facts, Variant};

/// Measure speed and memory, and compare variants of a program
#[derive(clap::Args)]
#[command(after_help = DETAILS)]
pub struct Args {
    /// What to measure: generating token by token; taking a prompt in; a training step; compiling; a call that does hardly any
    /// work; loading, and the start of a process until its first token; the compiler's products of matrices
    #[arg(value_enum, required_unless_present = "from")]
    what: Option<What>,
    /// Compare what is asked for with these variants of it, each alone, or two at once as in scanned+shared-head: a list with commas
    /// between them, or all
    #[arg(long, value_name = "LIST")]
    variants: Option<String>,
    /// For compile: with these numbers of layers, as in 12,96
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = settings::count)]
    layers: Vec<usize>,
    /// Print one JSON object per figure and line
    #[arg(long)]
    json: bool,
    /// Draw a bar chart into this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure nothing: show the figures of a file, as `--json` and the scripts that run other systems print them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "variants", "layers"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    work: Work,
    #[command(flatten)]
    model: ModelArgs,
}

const DETAILS: &str = "\
Figures are medians over repeated runs; runs that warm up are not counted. Beside them stands the \
share of what this machine can do, measured in the same run: reading memory with all cores for \
decode and load, products of matrices of the same dtype for prefill and train. Each variant runs in \
a process of its own. docs/performance.md says more.

Examples:
  raxla bench decode --model gpt2 --random-weights
  raxla bench decode --variants all --plot decode.svg
  raxla bench train --model gpt2 --random-weights --scan --variants all
  raxla bench compile --model gpt2 --random-weights --scan --layers 12,96
  raxla bench prefill --model gpt2 --random-weights --prompt 512 --json";

/// What one process measures.
pub struct Job<'a> {
    pub what: What,
    pub global: &'a Global,
    pub model: &'a ModelArgs,
    pub work: &'a Work,
    pub settings: Settings,
    /// Numbers of layers to compile; none: the model's own.
    pub layers: &'a [usize],
}

impl Job<'_> {
    fn run(&self) -> Result<Vec<Figure>> {
        // what is compiled is compiled now; only where starting is measured, as users start it
        if self.what != What::Load {
            raxla::cache::disable();
        }
        match self.what {
            What::Decode => steps::decode(self),
            What::Prefill => steps::prefill(self),
            What::Train => train::train(self),
            What::Compile => compile::compile(self),
            What::Dispatch => calls::dispatch(self),
            What::Kernels => calls::products(self),
            What::Load => load::once(self),
        }
    }
}

/// Work, and where it is measured: what `raxla bench` and `raxla tune` share.
pub struct Bench<'a> {
    pub global: &'a Global,
    pub model: &'a ModelArgs,
    pub work: &'a Work,
    pub layers: &'a [usize],
}

impl Bench<'_> {
    /// Run what the parent asks for, if this process is a child.
    pub fn as_child(&self) -> Option<Result> {
        let asked = child::asked()?;
        child::end_with_parent();
        let run = || {
            let (what, variant) = asked.split_once(':').ok_or("a child is asked for `what:variant`")?;
            let what = What::from_str(what, false)?;
            let mut settings = self.settings();
            variants::apply(variant, &self.table(what)?, &mut settings)?;
            let config = settings.config(what, self.model, self.work, variant);
            let &Bench { global, model, work, layers } = self;
            let figures = Job { what, global, model, work, settings, layers }.run()?;
            let with_config = |mut f: Figure| {
                f.config = config.clone().into_iter().chain(f.config).collect();
                f
            };
            Ok(figures.into_iter().map(with_config).collect())
        };
        Some(child::answer(run()))
    }

    /// What is asked for.
    pub fn settings(&self) -> Settings {
        Settings::new(self.global, self.model, self.work)
    }

    /// The rows that there are for it.
    pub fn table(&self, what: What) -> Result<Vec<Variant>> {
        if matches!(what, What::Dispatch | What::Kernels | What::Load) {
            return Ok(vec![]);
        }
        let spec = Decoder::of(&self.model.config()?, false)?;
        Ok(variants::table(what, &Facts::of(&spec, self.work.mesh.as_deref(), self.work.batch(what))?))
    }

    /// Measure these variants, and what the machine can do. One that cannot run is left out, with a note, if others can.
    pub fn measure(&self, what: What, names: &[String], client: &Client) -> Result<(Vec<Figure>, Limits)> {
        let dtypes: Vec<DType> = match what {
            What::Prefill | What::Train | What::Kernels => vec![self.settings().dtype()?],
            _ => vec![],
        };
        let (mut limits, mut all) = (Limits::default(), vec![]);
        let wants_limits = !matches!(what, What::Dispatch | What::Compile);
        if wants_limits {
            limits.measure(client, &dtypes)?;
        }
        let mut failure = None;
        for name in names {
            let asked = format!("{}:{name}", name_of(what));
            let figures = if what == What::Load { load::load(&asked, self.work.repeat) } else { child::run(&asked) };
            match figures {
                Ok(figures) => all.extend(figures),
                Err(e) if names.len() == 1 => return Err(e),
                Err(e) => {
                    let shown = if name.is_empty() { "what is asked for" } else { name };
                    note(format!("note: {shown} cannot run: {e}"));
                    failure.get_or_insert(e);
                }
            }
        }
        if wants_limits {
            limits.measure(client, &dtypes)?;
        }
        if let (true, Some(e)) = (all.is_empty(), failure) {
            return Err(e);
        }
        let (machine, plugin) = (Machine::this(), plugin(client));
        for figure in &mut all {
            (figure.machine, figure.plugin) = (Some(machine.clone()), Some(plugin.clone()));
            limits.judge(figure);
        }
        Ok((all, limits))
    }
}

/// The plugin, as figures name it.
pub fn plugin(client: &Client) -> Plugin {
    let (major, minor) = client.plugin().api_version();
    Plugin {
        platform: client.platform_name().into(),
        version: client.platform_version().into(),
        pjrt: format!("{major}.{minor}"),
    }
}

/// A command's name.
pub fn name_of(what: What) -> String {
    what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}

impl Args {
    /// Run the command.
    pub fn run(self, global: &Global) -> Result {
        let bench = Bench { global, model: &self.model, work: &self.work, layers: &self.layers };
        if let Some(outcome) = bench.as_child() {
            return outcome;
        }
        let Some(what) = self.what else { return self.show_file() };
        settings::check(what, &self.work)?;
        self.plot.as_deref().map_or(Ok(()), output::check)?;
        if !self.layers.is_empty() && what != What::Compile {
            return Err(usage("--layers is for `raxla bench compile`").into());
        }
        let table = bench.table(what)?;
        let names = variants::chosen(self.variants.as_deref(), &table, &bench.settings())?;
        // (its failure is told before any measuring begins)
        let client = global.client()?;
        if cfg!(debug_assertions) {
            note("note: this is a build without optimization: what the host does takes several times as long");
        }
        let (figures, limits) = bench.measure(what, &names, &client)?;
        if !self.json {
            let mut out = screen::stdout();
            writeln!(out, "machine  {}", Machine::this())?;
            let plugin = plugin(&client);
            writeln!(out, "plugin   {}, PJRT {}, {}", plugin.platform, plugin.pjrt, first_line(&plugin.version))?;
            if limits.read > 0.0 {
                writeln!(out, "limits   {}", limits.text())?;
            }
            writeln!(out)?;
        }
        self.show(&figures, if names.len() > 1 { Among::Variants } else { Among::Alone })
    }

    /// Figures that were measured before.
    fn show_file(&self) -> Result {
        let Some(path) = &self.from else { return Err(usage("say what to measure, or give --from").into()) };
        let text =
            raxla_xla::read_text(path, 1 << 28).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let mut figures: Vec<Figure> = vec![];
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |e: String| format!("{}, line {}: this is no figure: {e}", path.display(), i + 1);
            let figure: Figure = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
            if !(figure.value >= 0.0 && figure.value.is_finite()) {
                return Err(wrong(format!("its value, {}, is below 0 or too large", figure.value)).into());
            }
            let other = |f: &&Figure| f.subject() == figure.subject() && f.unit != figure.unit;
            let of_units = |f: &&Figure| !f.unit.is_empty() && !figure.unit.is_empty();
            if let Some(before) = figures.iter().filter(of_units).find(other) {
                let units = format!("`{}` and `{}`", before.unit, figure.unit);
                return Err(wrong(format!("{} is in {units}: bring all into one unit", figure.subject())).into());
            }
            figures.push(figure);
        }
        if figures.is_empty() {
            return Err(format!("{} has no figures", path.display()).into());
        }
        let first = &figures[0];
        let among = match () {
            () if figures.iter().any(|f| f.system != first.system) => Among::Systems,
            () if figures.iter().any(|f| f.variant() != first.variant()) => Among::Variants,
            () => Among::Alone,
        };
        self.show(&figures, among)
    }

    fn show(&self, figures: &[Figure], among: Among) -> Result {
        let mut out = screen::stdout();
        if self.json {
            for figure in figures {
                writeln!(out, "{}", serde_json::to_string(figure)?)?;
            }
        } else {
            let tables: Vec<String> = table::tables(figures, among).iter().map(ToString::to_string).collect();
            write!(out, "{}", tables.join("\n"))?;
        }
        if let Some(path) = &self.plot {
            let machine =
                figures.iter().find_map(|f| f.machine.as_ref()).map_or_else(String::new, |m| format!("; {m}"));
            let footer = format!("Bars: medians. Lines: from the best run to the 90th percentile{machine}");
            let text = plot::svg(figures, among, &footer);
            output::write(path, text.as_bytes())?;
        }
        Ok(())
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}
