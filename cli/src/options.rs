//! Options that several commands share.
use crate::{Result, note, probe, tuned::Entry, usage};
use clap::Args;
use raxla::{
    Client, DType, Mesh, Param,
    distributed::{self, Session},
    prim::{Arithmetic, Format},
    runtime::{self, NamedValue},
};
use raxla_graphs::{
    Files, LoadOptions, Matrices, Model, Sampling, TiedHead,
    adapters::{Adapted, Adapter},
    config::HfConfig,
    hub::HubOptions,
    models::{Decoder, Stacking},
    planning, source,
};
use raxla_xla::MAX_CPU_DEVICES;
use std::{
    io::{BufRead, IsTerminal, Read},
    path::{Path, PathBuf},
};

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Plugin and log")]
pub struct Global {
    /// Run on cpu, cuda, tpu, or by the plugin in the file PATH [default: RAXLA_PLATFORM, else cpu]
    #[arg(long, alias = "platform", global = true, value_name = "NAME|PATH")]
    device: Option<String>,
    /// Use this PJRT plugin file instead of the installed one
    #[arg(long, global = true, value_name = "PATH")]
    plugin: Option<PathBuf>,
    /// Give the plugin this option when it starts; may be repeated. Of GPUs: memory_fraction=0.9, preallocate=false,
    /// allocator=cuda_async
    #[arg(long = "plugin-option", global = true, value_name = "NAME=VALUE", value_parser = plugin_option)]
    plugin_options: Vec<(String, NamedValue)>,
    /// Show the plugin's own messages and raxla's log; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Global {
    /// Set up logging, before anything is loaded.
    pub fn start(&self) {
        let level = match self.verbose {
            0 => tracing::Level::WARN,
            1 => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .without_time()
            .init();
        raxla_xla::set_verbose(self.verbose > 0);
    }
    /// The platform's name, or the path that was given in its place.
    pub fn platform(&self) -> String {
        let variable = || std::env::var("RAXLA_PLATFORM").ok().filter(|name| !name.is_empty());
        self.device.clone().or_else(variable).unwrap_or_else(|| "cpu".into())
    }
    /// The plugin named on the command line.
    pub fn plugin(&self) -> Option<&Path> {
        self.plugin.as_deref().or(self.device.as_deref().filter(|name| runtime::is_path(name)).map(Path::new))
    }
    /// As other commands take it: `--device` and what belongs to it.
    pub fn again(&self) -> Vec<String> {
        let mut all = vec!["--device".to_string(), self.platform()];
        all.extend(self.plugin_options.iter().map(|(name, value)| match value {
            NamedValue::Ints(list) => {
                format!("--plugin-option={name}={},", list.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
            }
            value => format!("--plugin-option={name}={value}"),
        }));
        all
    }
    /// Load the plugin, installing it if need be.
    pub fn client(&self) -> Result<Client> {
        if std::env::var_os("XLA_FLAGS").is_some_and(|flags| !flags.is_empty()) {
            probe::check(self)?;
        }
        self.client_here()
    }
    /// As [`Global::client`], without trying in another process first.
    pub fn client_here(&self) -> Result<Client> {
        self.client_with(None)
    }
    /// As [`Global::client_here`]; a CPU has so many virtual devices.
    pub fn client_of(&self, devices: usize) -> Result<Client> {
        if devices as i64 > MAX_CPU_DEVICES && self.platform() == "cpu" {
            return Err(format!("it is for {devices} devices, and the CPU plugin has at most {MAX_CPU_DEVICES}").into());
        }
        if devices <= 1 {
            return self.client();
        }
        if std::env::var_os("XLA_FLAGS").is_some_and(|flags| !flags.is_empty()) {
            probe::check(self)?;
        }
        self.client_with(Some(devices))
    }
    fn client_with(&self, cpu_devices: Option<usize>) -> Result<Client> {
        let options = runtime::Options {
            platform: self.platform(),
            plugin: self.plugin.clone(),
            cpu_devices,
            create_options: self.plugin_options.clone(),
            ..Default::default()
        };
        Ok(runtime::client_with(&options)?)
    }
    /// A mesh written `data=2,model=3`, and its client: on the CPU, with as many virtual devices as it needs.
    pub fn mesh(&self, text: &str) -> Result<(Client, Mesh)> {
        let axes = Mesh::parse(text)?;
        let devices = Mesh::abstract_mesh(axes.clone())?.size();
        if devices as i64 > MAX_CPU_DEVICES && self.platform() == "cpu" {
            let why = format!("--mesh {text} needs {devices} devices; the CPU plugin has at most {MAX_CPU_DEVICES}");
            return Err(usage(why).into());
        }
        if std::env::var_os("XLA_FLAGS").is_some_and(|flags| !flags.is_empty()) {
            probe::check(self)?;
        }
        let client = self.client_with(Some(devices))?;
        let mesh = Mesh::new(&client, axes)?;
        Ok((client, mesh))
    }
}

/// An option of a plugin, with a value of the type that it has: a number, a truth value, a list of numbers with a comma in it, or else a
/// text. What XLA takes on GPUs has the type that it takes.
fn plugin_option(text: &str) -> std::result::Result<(String, NamedValue), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("it must be NAME=VALUE")?;
    let float = || value.parse::<f32>().map(NamedValue::Float);
    let list =
        || value.split(',').filter(|n| !n.is_empty()).map(|n| n.trim().parse().ok()).collect::<Option<Vec<i64>>>();
    let value = match (name, value) {
        ("memory_fraction", _) => match float() {
            Ok(NamedValue::Float(part)) if part > 0.0 && part <= 1.0 => NamedValue::Float(part),
            _ => return Err(format!("`{value}` is no part of a memory: it is a number from 0 to 1")),
        },
        ("allocator", _) if !runtime::GPU_ALLOCATORS.contains(&value) => {
            return Err(format!("`{value}` is none of {}", runtime::GPU_ALLOCATORS.join(", ")));
        }
        (_, "true") => NamedValue::Bool(true),
        (_, "false") => NamedValue::Bool(false),
        _ if value.contains(',') => list().map_or_else(|| NamedValue::String(value.into()), NamedValue::Ints),
        _ => match value.parse() {
            Ok(int) => NamedValue::Int(int),
            Err(_) => float().unwrap_or_else(|_| NamedValue::String(value.into())),
        },
    };
    Ok((name.to_string(), value))
}

/// How this process joins others of the same command.
#[derive(Args)]
#[command(next_help_heading = "Several processes")]
pub struct ProcessArgs {
    /// Join the other processes of the same command: SLURM, Open MPI, Kubernetes or a TPU pod say which they are, or the options below
    #[arg(long)]
    distributed: bool,
    /// Where they meet: host:port of etcd [default: RAXLA_COORDINATOR_ADDRESS]
    #[arg(long, value_name = "ADDR")]
    coordinator: Option<String>,
    /// How many they are [default: RAXLA_NUM_PROCESSES]
    #[arg(long, value_name = "N")]
    num_processes: Option<usize>,
    /// Which of them this is, from 0 [default: RAXLA_PROCESS_ID]
    #[arg(long, value_name = "I")]
    process_id: Option<usize>,
}

impl ProcessArgs {
    /// Joins the others, if there are some; before the client is made.
    pub fn join(&self) -> Result<Option<Session>> {
        let ProcessArgs { distributed, coordinator, num_processes, process_id } = self;
        if !distributed && coordinator.is_none() && num_processes.is_none() && process_id.is_none() {
            return Ok(None);
        }
        let options = distributed::Options {
            coordinator_address: coordinator.clone(),
            num_processes: *num_processes,
            process_id: *process_id,
            ..Default::default()
        };
        Ok(Some(distributed::initialize(&options)?))
    }
}

/// The devices that a model is divided over.
#[derive(Args)]
#[command(next_help_heading = "Devices")]
pub struct DeviceArgs {
    /// Divide the model over several devices: heads and hidden units along `model`, rows (lines of a batch, samples of each) along `data`, as
    /// in data=2,model=3. A CPU is divided, too
    #[arg(long, value_name = "AXES", value_parser = axes)]
    pub mesh: Option<String>,
    #[command(flatten)]
    processes: ProcessArgs,
}

impl DeviceArgs {
    /// Joins the other processes, if there are some, and opens the devices.
    pub fn open(&self, global: &Global) -> Result<(Option<Session>, Client, Option<Mesh>)> {
        let session = self.processes.join()?;
        let (client, mesh) = match &self.mesh {
            Some(axes) => global.mesh(axes).map(|(client, mesh)| (client, Some(mesh)))?,
            None => (global.client()?, None),
        };
        Ok((session, client, mesh))
    }
}

/// Ends together with the others.
pub fn leave(session: Option<Session>) -> Result {
    Ok(session.map_or(Ok(()), Session::shutdown)?)
}

/// Which model, and how to hold it.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A preset (see `raxla models`), a directory, a .gguf, .safetensors or .bin file, hf:org/name[@revision],
    /// or hf:org/name/file.gguf
    #[arg(short, long, default_value = source::DEFAULT_MODEL, value_name = "M")]
    pub model: String,
    /// Dtype of parameters and activations: f32, bf16, f16 or f64 [default: matrices stay as the file has them, in 16 bits or in
    /// blocks of 4 to 8, and activations are f32]
    #[arg(long, value_name = "D", value_parser = float)]
    dtype: Option<DType>,
    /// Multiply matrices by raxla's own kernels (auto: on a CPU), or have the compiler's products (off): then they are arrays of
    /// the dtype of the activations
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    kernels: Kernels,
    /// How kernels multiply: exact, as in f32; bf16, with both sides rounded to 8 bits when a prompt is taken in, several times faster
    /// where a processor has AMX; or int8, with inputs rounded to bytes where weights are quantised, as llama.cpp does
    #[arg(long, value_name = "A", default_value = "exact", value_parser = arithmetic)]
    arithmetic: Arithmetic,
    /// Quantise matrices when they are loaded: int8 (a scale for each output), int4 (for each 128 inputs), or q8_0, q4_0, q4_1, q5_0,
    /// q5_1, q4_k, q5_k, q6_k, iq4_nl or mxfp4 as llama.cpp has them
    #[arg(long, value_name = "Q", value_parser = quantised)]
    quantize: Option<Format>,
    /// Scan over stacked layers: compiles faster, decodes slower
    #[arg(long)]
    pub scan: bool,
    /// Let a head that is tied to the embedding share its memory, instead of a copy that CPUs read faster
    #[arg(long)]
    pub share_head: bool,
    /// Draw the weights at random instead of reading them: a preset then needs no files
    #[arg(long)]
    pub random_weights: bool,
    /// Compute with this adapter, a folder as PEFT writes it, beside the model's own matrices
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Dtype of the caches: f32, bf16, f16, f64, or int8 with a scale for each key and value; a narrower one takes less memory, and rounds
    /// keys and values [default: that of --dtype]
    #[arg(long, value_name = "D", value_parser = held)]
    cache_dtype: Option<DType>,
}

impl ModelArgs {
    /// Load these files, over a mesh if there is one.
    pub fn load_files(&self, files: Files, mesh: Option<Mesh>, client: &Client) -> Result<Model> {
        Ok(Model::load(files, &LoadOptions { mesh, ..self.options() }, client)?)
    }
    /// Find or fetch the files, and load them, over a mesh if there is one.
    pub fn load(&self, mesh: Option<Mesh>, client: &Client) -> Result<Model> {
        self.load_as(&LoadOptions { mesh, ..self.options() }, client)
    }
    /// To generate with these files: over a mesh, beside caches; and where the command line leaves it open, as `raxla tune` found to be fastest.
    pub fn load_to_generate(
        &self,
        files: Files,
        LoadOptions { mesh, caches, .. }: LoadOptions,
        tuned: &TunedArgs,
        client: &Client,
    ) -> Result<Model> {
        if files.of_bytes {
            note(format!(
                "note: {} has random weights and no tokenizer on this machine: the bytes of a text are its tokens, and others are shown \
                 as <id>",
                files.name
            ));
        }
        let mut options = LoadOptions { mesh, caches, ..self.options() };
        // (what is tuned is how one device holds it)
        if !tuned.untuned && options.mesh.is_none() {
            Entry::new(self, &files.config, client).apply(self, &mut options);
        }
        Ok(Model::load(files, &options, client)?)
    }
    /// Find or fetch the files, and load them with these options, whatever the others say.
    pub fn load_as(&self, options: &LoadOptions, client: &Client) -> Result<Model> {
        Ok(Model::load(self.files()?, options, client)?)
    }
    /// How it is held, in one word: what is tuned is tuned for this.
    pub fn dtypes(&self) -> String {
        let cache = self.cache_dtype.filter(|cache| *cache != self.dtype.unwrap_or(DType::F32));
        let parts = [
            Some(self.matrices()),
            self.dtype.filter(|_| self.quantize.is_some()).map(|dtype| dtype.to_string()),
            cache.map(|cache| format!("cache-{cache}")),
            matches!(self.kernels, Kernels::Off).then(|| "kernels-off".into()),
            (self.arithmetic != Arithmetic::Exact).then(|| self.arithmetic.name().into()),
            self.adapter.as_ref().map(|dir| format!("adapter-{}", dir.display())),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("-")
    }
    /// How numbers of its matrices are written: as they are quantised, in the dtype, or as the file has them.
    pub fn matrices(&self) -> String {
        match (self.quantize, self.dtype) {
            (Some(format), _) => format.name().to_lowercase(),
            (None, Some(dtype)) => dtype.to_string(),
            (None, None) => "stored".into(),
        }
    }
    /// Another model, held in the same way.
    pub fn load_other(&self, name: &str, client: &Client) -> Result<Model> {
        let options = LoadOptions { adapter: None, ..self.options() };
        Ok(Model::load(self.open_named(name)?, &options, client)?)
    }
    /// The model's specification and its dtype, without reading the weights. For a `pipeline`, scanned layers are one stack.
    pub fn spec(&self, pipeline: bool) -> Result<(Decoder<Param>, DType)> {
        let stacking = if self.scan && pipeline { Stacking::OneStack } else { self.scan.into() };
        let (config, own) = match source::preset(&self.model) {
            Some(preset) => (preset.config.clone(), None),
            None => {
                let files = self.files()?;
                (files.config, files.adapter)
            }
        };
        let spec = Decoder::of(&config, stacking)?;
        let spec = match self.adapter.as_ref().or(own.as_ref()) {
            Some(dir) => Adapted::lora(&spec, Adapter::open(dir)?.config)?.spec().clone(),
            None => spec,
        };
        Ok((Decoder { cache_dtype: self.cache_dtype, ..spec }, self.options().dtype()?))
    }
    /// The files, as far as they are here: of a preset that is not, its configuration, as with random weights.
    pub fn files_here(&self) -> Result<Files> {
        let absent = source::preset(&self.model).is_some_and(|preset| preset.local(&HubOptions::from_env()).is_none());
        if !absent || self.random_weights {
            return self.files();
        }
        note(format!(
            "note: {} is not on this machine: its matrices are taken to be in {}\n  help: `raxla pull {}` fetches it",
            self.model,
            self.options().dtype()?,
            self.model
        ));
        Ok(raxla_graphs::open_random(&self.model, 0)?)
    }
    /// The configuration. That of a preset is known: nothing is fetched.
    pub fn config(&self) -> Result<HfConfig> {
        Ok(planning::config(&self.model)?)
    }
    /// The files, found or fetched, and opened.
    pub fn files(&self) -> Result<Files> {
        self.open_named(&self.model)
    }
    fn open_named(&self, name: &str) -> Result<Files> {
        Ok(if self.random_weights { raxla_graphs::open_random(name, 0)? } else { raxla_graphs::open(name)? })
    }
    /// As the library's type.
    pub fn options(&self) -> LoadOptions {
        let tied_head = if self.share_head { TiedHead::Share } else { TiedHead::Auto };
        let matrices = match self.kernels {
            Kernels::Auto => Matrices::Auto,
            Kernels::Off => Matrices::Dense,
        };
        let ModelArgs { dtype, cache_dtype, arithmetic, quantize, scan: scanned, .. } = *self;
        let all = LoadOptions { dtype, matrices, arithmetic, quantize, cache_dtype, ..LoadOptions::default() };
        LoadOptions { scanned, tied_head, adapter: self.adapter.clone(), progress: true, ..all }
    }
}

/// Whether matrices are multiplied by kernels.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Kernels {
    Auto,
    Off,
}

/// Whether what `raxla tune` found is used.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct TunedArgs {
    /// Hold the model as these options say, whatever `raxla tune` found to be faster
    #[arg(long)]
    untuned: bool,
}

/// The axes of a mesh, as [`Global::mesh`] reads them: `data=2,model=3`.
pub fn axes(text: &str) -> std::result::Result<String, String> {
    let mesh = Mesh::parse(text).and_then(Mesh::abstract_mesh);
    mesh.map(|_| text.to_string()).map_err(|e| e.to_string())
}

fn arithmetic(name: &str) -> std::result::Result<Arithmetic, String> {
    let names = || Arithmetic::ALL.map(Arithmetic::name).join(", ");
    Arithmetic::named(name).ok_or_else(|| format!("it is none of {}", names()))
}

fn quantised(name: &str) -> std::result::Result<Format, String> {
    let known = Format::ALL.into_iter().filter(|format| !format.is_plain());
    let names: Vec<String> = known.clone().map(|format| format.name().to_lowercase()).collect();
    let found = known.into_iter().find(|format| format.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| format!("it is none of {}", names.join(", ")))
}

/// A dtype that models run in.
pub fn float(name: &str) -> std::result::Result<DType, String> {
    let known = [DType::F32, DType::BF16, DType::F16, DType::F64];
    name.parse().ok().filter(|dtype| known.contains(dtype)).ok_or_else(|| "it is none of f32, bf16, f16, f64".into())
}

/// A dtype that caches are held in.
fn held(name: &str) -> std::result::Result<DType, String> {
    match name {
        "int8" | "i8" => Ok(DType::I8),
        _ => float(name).map_err(|_| "it is none of f32, bf16, f16, f64, int8".into()),
    }
}

fn bias(text: &str) -> std::result::Result<(u32, f32), String> {
    let (id, bias) = text.split_once('=').ok_or("it must be a token's id, `=`, and a number")?;
    let id = id.parse().map_err(|_| format!("token ids are whole numbers from 0 on, not `{id}`"))?;
    Ok((id, bias.parse().map_err(|_| format!("`{bias}` is no number"))?))
}

/// How to choose tokens.
#[derive(Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Divide logits by T: higher is more varied; 0 always takes the most likely token
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    pub temperature: f32,
    /// Choose among the K most likely tokens; 0: among all
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Choose among the most likely tokens whose probabilities sum to P; 1: among all
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// Choose among tokens at least P times as likely as the most likely one; 0: among all
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    min_p: f32,
    /// Divide the logits of tokens that occurred before by R; 1 changes nothing
    #[arg(long, default_value_t = 1.0, value_name = "R")]
    repetition_penalty: f32,
    /// Subtract P from the logits of tokens that were generated before; 0 changes nothing
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    presence_penalty: f32,
    /// Subtract P from a token's logit for each time that it was generated; 0 changes nothing
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    frequency_penalty: f32,
    /// Add B to the logit of token ID; may be given several times
    #[arg(long, value_name = "ID=B", value_parser = bias)]
    logit_bias: Vec<(u32, f32)>,
    /// Same seed, same text; without a temperature it does not matter
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
}
impl SamplingArgs {
    /// As the library's type. Numbers out of range are wrong use of the command line.
    pub fn sampling(&self) -> Result<Sampling> {
        let sampling = Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias: self.logit_bias.iter().copied().collect(),
            seed: self.seed,
        };
        sampling.check().map_err(|what| usage(format!("--{what}")))?;
        Ok(sampling)
    }
}

/// A prompt from the command line, a file, or standard input. The newline that ends a file or the output of `echo` is
/// no part of it: models continue a line that has ended quite differently.
pub fn prompt(words: Option<&str>, file: Option<&PathBuf>) -> Result<String> {
    let from = match (words, file) {
        (Some(words), _) if words != "-" => return Ok(words.to_string()),
        (None, Some(path)) if path.as_os_str() != "-" => path,
        _ => {
            let mut stdin = std::io::stdin();
            if stdin.is_terminal() {
                note("Type the text to continue, then Ctrl-D.");
            }
            let mut text = String::new();
            let read = stdin.read_to_string(&mut text);
            read.map_err(|e| format!("the prompt cannot be read from standard input: {e}{}", encoding(&e)))?;
            return not_empty(without_last_newline(text));
        }
    };
    let read = std::fs::read_to_string(from).map(without_last_newline);
    not_empty(read.map_err(|e| format!("the prompt file {} cannot be read: {e}{}", from.display(), encoding(&e)))?)
}

/// Nobody means an empty file or input. (An empty argument may be meant: some models begin by themselves.)
fn not_empty(text: String) -> Result<String> {
    match text.is_empty() {
        true => {
            Err("the prompt is empty: give at least one token\n  help: as in `raxla generate \"Once upon a time\"`"
                .into())
        }
        false => Ok(text),
    }
}

/// What helps against text in another encoding.
pub fn encoding(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::InvalidData => "\n  help: convert it, as with `iconv -f LATIN1 -t UTF-8`",
        _ => "",
    }
}

/// The prompts of a batch: the lines of a file, or of standard input. Lines that cannot be prompts are there as bytes.
pub fn prompts(file: &PathBuf) -> Result<Vec<std::result::Result<String, Vec<u8>>>> {
    let mut lines = vec![];
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().split(b'\n').try_for_each(|line| line.map(|line| lines.push(line))),
        false => std::fs::read(file).map(|bytes| {
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            lines = if bytes.is_empty() { vec![] } else { text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect() };
        }),
    };
    read.map_err(|e| format!("the prompt file {} cannot be read: {e}", file.display()))?;
    if lines.is_empty() {
        return Err("the batch has no prompt\n  help: give one per line".into());
    }
    let text = |mut line: Vec<u8>| {
        line.truncate(line.strip_suffix(b"\r").unwrap_or(&line).len());
        String::from_utf8(line).map_err(|e| e.into_bytes())
    };
    Ok(lines.into_iter().map(text).collect())
}

fn without_last_newline(mut text: String) -> String {
    let end = ["\r\n", "\n"].iter().find_map(|end| text.strip_suffix(end)).map(str::len);
    text.truncate(end.unwrap_or(text.len()));
    text
}
