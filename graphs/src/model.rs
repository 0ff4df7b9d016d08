//! A loaded model: its parameters on a device, and the programs that run it.
use crate::{
    adapters::{Adapted, Adapter},
    config::{GenerationConfig, HfConfig},
    error::{Error, Result},
    files::{self, Files, WeightSource},
    memory::{Held, Room, ask_for_parameters},
    models::{Decoder, by_name},
    params,
    programs::{Forward, Placement, Programs, Step, forward},
    sampling::{Sampling, Shape},
    save::regrouped,
    tokenizer::Tokenizer,
};
use raxla::{
    Array, Client, DType, Key, Mesh, Param, Tree,
    nn::{Packer, moe::Dispatch},
    param,
    prim::{Arithmetic, Format},
};
use raxla_xla::CompileOptions;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How to hold and run a model.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Dtype of parameters and activations. When `None`, activations are f32, and matrices stay in the dtype or in the blocks in
    /// which the file has them.
    pub dtype: Option<DType>,
    /// How matrices are held.
    pub matrices: Matrices,
    /// Quantise matrices to this format when they are loaded, whatever the file has; where its blocks do not divide the inputs of one,
    /// as llama-quantize does. Where matrices are not packed, `INT8` makes arrays of 8-bit integers with a scale for each output
    /// ([`Decoder::in_int8`]), also over a mesh; other formats change nothing.
    pub quantize: Option<Format>,
    /// How kernels compute products of many rows, when prompts are taken in.
    pub arithmetic: Arithmetic,
    /// One program for all layers, run in a loop: compiles fast, decodes slower. Else every layer is written out.
    pub scanned: bool,
    /// Divide the model over these devices: heads, hidden units and the vocabulary along `model`, the rows of a batch along
    /// `data`. Each device holds its part of the parameters and of the caches only.
    pub mesh: Option<Mesh>,
    /// Whether a tied head is a second copy of the embedding.
    pub tied_head: TiedHead,
    /// Dtype of the caches; that of the activations when `None`. Narrower ones take less memory, and round keys and values: bf16 and
    /// f16, or i8 with a scale for each key and value.
    pub cache_dtype: Option<DType>,
    /// How a model with experts runs them; as its family does when `None`.
    pub dispatch: Option<Dispatch>,
    /// The folder of an adapter, as PEFT writes it: the model computes with it, beside its own matrices.
    pub adapter: Option<PathBuf>,
    /// What is going to be generated: rows, and positions of each. Before anything is read, it is asked whether there is memory
    /// for the caches of these too.
    pub caches: Option<[usize; 2]>,
    /// How the plugin compiles the model's programs.
    pub compile: CompileOptions,
    /// Show a progress bar on stderr.
    pub progress: bool,
}

/// How the matrices of a model are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matrices {
    /// On one CPU packed for its kernels, else as arrays.
    #[default]
    Auto,
    /// As arrays of the dtype of the activations, multiplied by the compiler's products.
    Dense,
    /// Packed, but without kernels: decoded by plain operations before each product. The texts are the same, the memory too; the
    /// time is not.
    Decoded,
}

/// What a head is that has the weights of the embedding `[vocab, d]`. The texts are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TiedHead {
    /// A copy on the CPU, where products with one vector run several times faster on `[d, vocab]`; shared elsewhere.
    #[default]
    Auto,
    /// A transposed copy.
    Copy,
    /// The embedding itself: less memory.
    Share,
}

impl LoadOptions {
    /// Are matrices packed?
    fn packs(&self, client: &Client) -> bool {
        let can = client.platform_name() == "cpu" && self.mesh.is_none() && self.dtype != Some(DType::F64);
        match self.matrices {
            Matrices::Auto => can,
            Matrices::Dense => false,
            Matrices::Decoded => self.mesh.is_none(),
        }
    }
    fn packer(&self, dtype: DType) -> Packer {
        Packer { dtype, arithmetic: self.arithmetic, kernels: self.matrices != Matrices::Decoded }
    }
    /// The dtype to run in.
    ///
    /// # Errors
    /// One that models cannot run in.
    pub fn dtype(&self) -> Result<DType> {
        match self.dtype.unwrap_or(DType::F32) {
            d @ (DType::F32 | DType::F64 | DType::F16 | DType::BF16) => Ok(d),
            d => Err(Error::Usage(format!("models run in f32, f64, f16 or bf16, not {d}"))),
        }
    }
    /// The dtype of the caches, if it is another.
    fn cache_dtype(&self) -> Result<Option<DType>> {
        match self.cache_dtype {
            None | Some(DType::F32 | DType::F64 | DType::F16 | DType::BF16 | DType::I8) => Ok(self.cache_dtype),
            Some(d) => Err(Error::Usage(format!("caches hold f32, f64, f16, bf16 or i8, not {d}"))),
        }
    }
}

/// A language model, ready to run.
pub struct Model {
    /// What was asked for: a directory, a file, a preset.
    pub name: String,
    /// Hugging Face's configuration.
    pub config: HfConfig,
    /// Ids that begin and end texts.
    pub generation: GenerationConfig,
    /// The tokenizer, if the files bring one; else the reason why not.
    tokenizer: std::result::Result<Tokenizer, String>,
    spec: Decoder<Param>,
    params: Decoder<Array>,
    dtype: DType,
    client: Client,
    placement: Option<Placement>,
    pub(crate) programs: Programs,
    forward: Forward,
    compile: CompileOptions,
    /// How long reading and uploading took.
    pub load_time: Duration,
}

/// Logits of a sequence, and what led to them.
pub struct Scores {
    /// f32 `[1, t, vocab]`
    pub logits: Array,
    /// The residual stream before each layer and, last, after the final norm: `[1, t, d]` each, numbered as transformers'
    /// `hidden_states`.
    pub hidden_states: Vec<Array>,
}

impl Model {
    /// Read a model's files and put its parameters on the first device of `client`, or on the devices of
    /// [`LoadOptions::mesh`].
    ///
    /// # Errors
    /// Files that are missing, broken, or do not fit the architecture; see [`LoadError`](crate::LoadError). A mesh with other
    /// axes, of another client, or whose sizes do not divide the model's.
    pub fn load(files: Files, options: &LoadOptions, client: &Client) -> Result<Model> {
        let start = Instant::now();
        let Files { name, config, generation, weights, tokenizer, adapter, of_bytes: _ } = files;
        let (mut weights, dtype) = (weights, options.dtype()?);
        let (packs, family) = (options.packs(client), by_name(&config)?);
        let dense = dense(&config, &mut weights, options, client)?;
        let spec = held(&dense, &weights, options, client)?;
        let declared = spec.params();
        let placement = options.mesh.as_ref().map(|mesh| Placement::new(mesh, client, &spec)).transpose()?;
        let places = placement.as_ref().map(Placement::shardings);
        let held = Held { spec: &spec, dtype, client, placement: placement.as_ref() };
        let caches = options.caches.map(|[rows, positions]| {
            let room = Room::of(held, rows, positions);
            (room, room.bytes(held, Sampling::default().shape()))
        });
        let ask = |name: &str| ask_for_parameters(name, &declared, dtype, client, places.as_deref(), caches);
        let params = match weights {
            WeightSource::Stored(weights) => {
                let ignored = family.ignores(&config, spec.layers())?;
                ask(&weights.path().display().to_string())?;
                params::load(&declared, &weights, &ignored, dtype, client, places.as_deref(), options.progress)?
            }
            WeightSource::Random(_) if declared.iter().any(|(_, p)| p.int8.is_some()) => {
                let what = "random weights are not made in 8-bit integers where matrices are arrays";
                return Err(Error::Usage(format!("{what}\n  help: leave out --quantize, or --mesh and --kernels off")));
            }
            WeightSource::Random(seed) => {
                ask(&name)?;
                let (dense, key) = (dense.map(|p| p.clone().cast(dtype)), Key::host(seed));
                match &placement {
                    Some(placement) => param::init(&dense, &key, placement.mesh(), placement.rules())?.leaves(),
                    None if options.quantize.is_some() && packs => params::noise(&declared, seed, dtype, client)?,
                    None => {
                        let made = param::init_on(&dense, &key, client)?.leaves();
                        if packs { regrouped(&dense.params(), &made, &declared, dtype, client, None)? } else { made }
                    }
                }
            }
        };
        let params = spec.refill(params);
        let (spec, params, placement) = match options.adapter.as_ref().or(adapter.as_ref()) {
            Some(dir) => adapted(dir, spec, params, placement, client)?,
            None => (spec, params, placement),
        };
        let forward = match &placement {
            Some(placement) => placement.forward(),
            None => forward().on(client),
        };
        let forward = forward.options(options.compile.clone());
        let (programs, load_time) = (Programs::default(), start.elapsed());
        let client = client.clone();
        Ok(Model {
            name,
            config,
            generation,
            tokenizer,
            spec,
            params,
            dtype,
            client,
            placement,
            programs,
            forward,
            compile: options.compile.clone(),
            load_time,
        })
    }

    /// The specification of its parameters, and what there is to know of its architecture.
    pub fn spec(&self) -> &Decoder<Param> {
        &self.spec
    }
    /// Dtype of parameters and activations.
    pub fn dtype(&self) -> DType {
        self.dtype
    }
    /// The device's client.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// How the plugin compiles its programs.
    pub(crate) fn compile_options(&self) -> CompileOptions {
        self.compile.clone()
    }
    /// What its memory depends on.
    pub(crate) fn held(&self) -> Held<'_> {
        Held { spec: &self.spec, dtype: self.dtype, client: &self.client, placement: self.placement.as_ref() }
    }
    /// How it is divided over a mesh, if it is.
    pub fn placement(&self) -> Option<&Placement> {
        self.placement.as_ref()
    }
    /// What is not done over several devices.
    pub(crate) fn on_one_device(&self, what: &str) -> Result<()> {
        let Some(placement) = &self.placement else { return Ok(()) };
        Err(Error::Usage(format!(
            "{what} is not divided over devices, and the model is on the mesh {}\n  help: load the model without a mesh, or \
             generate without it",
            placement.mesh()
        )))
    }
    /// The program that takes some tokens in and chooses the next one, as generation runs it: [`Jit::prepare`](raxla::Jit::prepare) it
    /// for the types of [`step_avals`](crate::programs::step_avals).
    pub fn step(&self, shape: Shape) -> Arc<Step> {
        self.programs.step(self, shape)
    }
    /// The parameters.
    pub fn params(&self) -> &Decoder<Array> {
        &self.params
    }
    /// Its parameters held otherwise, on the first device of its client: in other stacks of layers, without copies. As
    /// [`Train::model`](crate::training::Train::model) says, they are what training begins with.
    ///
    /// # Errors
    /// A specification of another model; what the plugin reports.
    pub fn params_as(&self, spec: &Decoder<Param>) -> Result<Decoder<Array>> {
        let (from, to) = (self.spec.params(), spec.params());
        let values = regrouped(&from, &self.params.leaves(), &to, self.dtype, &self.client, None)?;
        Ok(spec.refill(values))
    }
    /// The same model with other parameters, say those of a training step: it generates with them, without files in between.
    /// `spec` is what `params` are held as: [`Train::model`](crate::training::Train::model), or [`Model::spec`]. Layers may be
    /// stacked otherwise, and a tied head left out: parameters are matched by their names in checkpoints. (From a mesh, bring them
    /// together first: [`Train::collect`](crate::training::Train::collect).)
    ///
    /// # Errors
    /// Parameters that lack one of this model's, have others, or have another shape; what the plugin reports.
    pub fn with_params(mut self, spec: &Decoder<Param>, params: &Decoder<Array>) -> Result<Model> {
        let places = self.placement.as_ref().map(Placement::shardings);
        let (from, to) = (spec.params(), self.spec.params());
        let values = regrouped(&from, &params.leaves(), &to, self.dtype, &self.client, places.as_deref())?;
        self.params = self.spec.refill(values);
        Ok(self)
    }
    /// The tokenizer.
    ///
    /// # Errors
    /// When the model's files bring none, or a broken one.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_ref().map_err(|why| Error::Usage(why.clone()))
    }

    /// Logits and hidden states of a whole sequence.
    pub fn scores(&self, tokens: &[u32]) -> Result<Scores> {
        self.check_tokens(tokens)?;
        let ids: Vec<i32> = tokens.iter().map(|t| *t as i32).collect();
        let ids = Array::on(&self.client, [1, ids.len()], &ids)?;
        let (logits, hidden_states) = self.forward.call((&self.params, &ids))?;
        Ok(Scores { logits, hidden_states })
    }

    /// Log-probability of each token after the first, given those before it.
    pub fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let scores = self.scores(tokens)?;
        let vocab = self.spec.vocab();
        let logits = scores.logits.to_vec::<f32>()?;
        let of = |(row, next): (&[f32], &u32)| {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|x| ((x - top) as f64).exp()).sum();
            ((row[*next as usize] - top) as f64 - sum.ln()) as f32
        };
        Ok(logits.chunks_exact(vocab).zip(&tokens[1..]).map(of).collect())
    }

    /// Every id is in the vocabulary, and the sequence fits the context.
    pub(crate) fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        files::check_tokens(&self.spec, tokens)
    }

    /// Number of generation programs compiled so far.
    pub fn compiles(&self) -> usize {
        self.programs.compiles()
    }
}

/// The specification of a model's parameters, none of which is packed yet, as these options ask for it. Weights that are stored have the names that it
/// says from now on.
fn dense(
    config: &HfConfig,
    weights: &mut WeightSource,
    options: &LoadOptions,
    client: &Client,
) -> Result<Decoder<Param>> {
    let family = by_name(config)?;
    let spec = Decoder::of(config, options.scanned)?;
    let copies = match options.tied_head {
        TiedHead::Auto => client.platform_name() == "cpu" && !options.packs(client),
        choice => choice == TiedHead::Copy,
    };
    let spec = if copies { spec } else { spec.without_copies() };
    let spec = match options.dispatch {
        Some(dispatch) => spec.with_dispatch(dispatch),
        None => spec,
    };
    if let WeightSource::Stored(weights) = weights {
        weights.ensure_prefix(family.prefix, |name| name.starts_with("lm_head."));
        params::check(&spec.params(), weights, &family.ignores(config, spec.layers())?)?;
    }
    Ok(Decoder { cache_dtype: options.cache_dtype()?, ..spec })
}

/// The same as a model holds it: packed, where it is.
fn held(
    dense: &Decoder<Param>,
    weights: &WeightSource,
    options: &LoadOptions,
    client: &Client,
) -> Result<Decoder<Param>> {
    let stored = if let WeightSource::Stored(weights) = weights { Some(weights) } else { None };
    let choose = |p: &Param, inputs: usize| params::format(p, inputs, stored, options);
    Ok(match options.quantize {
        _ if options.packs(client) => dense.clone().packed(options.packer(options.dtype()?), choose),
        Some(Format::INT8) => dense.clone().in_int8(),
        _ => dense.clone(),
    })
}

impl Files {
    /// The specification of the parameters that [`Model::load`] makes of these files with the same options, adapter included: with it,
    /// [`step_avals`](crate::programs::step_avals) are those of the programs that generate. Nothing but headers is read.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn held(&mut self, options: &LoadOptions, client: &Client) -> Result<Decoder<Param>> {
        let dense = dense(&self.config, &mut self.weights, options, client)?;
        let spec = held(&dense, &self.weights, options, client)?;
        Ok(match options.adapter.as_ref().or(self.adapter.as_ref()) {
            Some(dir) => Adapted::lora(&spec, Adapter::open(dir)?.config)?.spec().clone(),
            None => spec,
        })
    }
}

/// A model with the adapter of a folder.
fn adapted(
    dir: &Path,
    spec: Decoder<Param>,
    params: Decoder<Array>,
    placement: Option<Placement>,
    client: &Client,
) -> Result<(Decoder<Param>, Decoder<Array>, Option<Placement>)> {
    let mut placed = None;
    let (adapted, trained) = Adapter::open(dir)?.load(&spec, client, |adapted| {
        let Some(placement) = &placement else { return Ok(None) };
        let over = Placement::new(placement.mesh(), client, adapted.spec())?;
        let all: BTreeMap<String, _> = adapted.spec().paths().into_iter().zip(over.shardings()).collect();
        placed = Some(over);
        Ok(Some(adapted.trained().keys().filter_map(|path| all.get(path).cloned()).collect()))
    })?;
    let model = adapted.with(&params, &trained)?;
    Ok((adapted.spec().clone(), model, placed))
}
