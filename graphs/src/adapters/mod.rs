//! Fine-tuning of some of a model's parameters: corrections of low rank beside frozen matrices, or chosen parameters themselves.
//!
//! [`Adapted`] says what is trained: a map from paths to parameters, beside the model, which stays as it is, packed in blocks if it is.
//! [`FineTune`](crate::training::FineTune) trains it. [`load`] and [`save`] read and write PEFT's folders,
//! [`LoadOptions::adapter`](crate::LoadOptions::adapter) generates with one, and [`convert`] writes the merged model.
//!
//! ```
//! use raxla_graphs::{adapters::{Adapted, LoraConfig}, config::HfConfig, models::Decoder};
//! let config = r#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 4, "n_positions": 16, "vocab_size": 64}"#;
//! let base = Decoder::of(&HfConfig::parse(config, "config.json")?, true)?;
//! let lora = LoraConfig { r: 4, target_modules: Some(["c_attn"].into_iter().collect()), ..Default::default() };
//! let adapted = Adapted::lora(&base, lora)?;
//! // queries, keys and values are one matrix in a checkpoint of GPT-2, and have one correction; its second factor is in three parts
//! let names: Vec<&str> = adapted.trained().keys().map(String::as_str).collect();
//! assert_eq!(names, ["layers.0.mixer.k.lora.b", "layers.0.mixer.q.lora.a", "layers.0.mixer.q.lora.b", "layers.0.mixer.v.lora.b"]);
//! # Ok::<(), raxla_graphs::Error>(())
//! ```
mod config;
mod merge;
mod peft;

pub use config::{Bias, LoraConfig, Modules};
pub(crate) use merge::Merge;
pub use merge::convert;
pub(crate) use peft::save_beside;
pub use peft::{Adapter, load, save};

use crate::{Error, Result, models::Decoder};
use raxla::{
    Array, Client, Host, Key, Leaf, Mesh, Param, Rules, Tensor, TensorTree, Tree, jit,
    nn::{Linear, Lora},
    param,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How the paths of DoRA's lengths end.
const MAGNITUDE: &str = ".lora.magnitude";

/// What is trained, by its paths in the adapted model: a tree, as a checkpoint or an optimizer takes it.
pub type Adapters<T = Tensor> = BTreeMap<String, T>;

/// Which parameters of a model are trained, and what the model is with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapted {
    base: Decoder<Param>,
    spec: Decoder<Param>,
    trained: Adapters<Param>,
    config: Option<LoraConfig>,
}

impl Adapted {
    /// Corrections of low rank to some matrices of this model, and what the configuration has trained besides.
    ///
    /// # Errors
    /// A rank of 0; names that mean no matrix, or some parts alone of one that checkpoints hold whole, or some layers alone of a
    /// stack; modules to save that the model has not.
    pub fn lora(base: &Decoder<Param>, config: LoraConfig) -> Result<Adapted> {
        config.check()?;
        let mut known = HashMap::new();
        let mut modules: HashMap<String, bool> = HashMap::new();
        let spec = base.clone().with_linears(|path, linear| {
            let lora = correction(path, linear, &config)?;
            let before = modules.insert(names(linear)[0].clone(), lora.is_some());
            if before.is_some_and(|before| before != lora.is_some()) {
                let module = &names(linear)[0];
                return Err(Error::Usage(format!(
                    "`{path}` is a part of `{module}`, of which other parts are not adapted alike\n  help: name `{module}` as a whole"
                )));
            }
            linear.lora = lora.map(|lora| shared(path, lora, &mut known));
            Ok(())
        })?;
        if let Some(targets) = config.target_modules.as_ref().filter(|_| known.is_empty()) {
            let mut ends: Vec<String> = modules.keys().filter_map(|m| m.rsplit('.').next()).map(String::from).collect();
            ends.sort();
            ends.dedup();
            let ends = ends.join(", ");
            return Err(Error::Usage(format!(
                "{targets} mean no matrix of this model's layers\n  help: they are {ends}"
            )));
        }
        let mut all = Adapted { base: base.clone(), spec, trained: Adapters::new(), config: None };
        all.collect(&config)?;
        Ok(Adapted { config: Some(config), ..all })
    }

    /// The parameters themselves of which `f`, given path and specification, says so; all others stay. The model before training is
    /// kept beside, as a reference.
    ///
    /// # Errors
    /// None of them; packed ones, which hold too few numbers to be trained.
    pub fn parameters(base: &Decoder<Param>, f: impl Fn(&str, &Param) -> bool) -> Result<Adapted> {
        let chosen = base.params().into_iter().filter(|(path, p)| f(path, p));
        let trained: Adapters<Param> = chosen.collect();
        if trained.is_empty() {
            return Err(Error::Usage(
                "none of the model's parameters is to be trained\n  help: `*` in a path stands for any text".into(),
            ));
        }
        trained.iter().try_for_each(|(path, p)| trainable(path, p))?;
        Ok(Adapted { base: base.clone(), spec: base.clone(), trained, config: None })
    }

    /// The leaves of the adapted model that are trained.
    fn collect(&mut self, config: &LoraConfig) -> Result<()> {
        let paths = self.spec.paths();
        let adapted: HashSet<&str> = paths.iter().filter_map(|path| path.strip_suffix(".lora.b")).collect();
        let mut found = vec![false; config.modules_to_save.len()];
        let mut trained = Adapters::new();
        let mut failed = Ok(());
        self.spec.visit(|path, p| {
            let path = path.to_string();
            let (own, linear) = (path.contains(".lora."), path.rsplit_once('.').map_or("", |(linear, _)| linear));
            let of_adapted = adapted.contains(linear);
            let is_bias = path.ends_with(".b") || path.ends_with(".bias");
            let bias = match config.bias {
                Bias::None => false,
                Bias::All => is_bias && !own,
                Bias::LoraOnly => is_bias && !own && of_adapted,
            };
            let names = p.checkpoint_names();
            let module = names.first().and_then(|name| name.rsplit_once('.')).map_or("", |(module, _)| module);
            let mut saved = false;
            for (name, found) in config.modules_to_save.iter().zip(&mut found) {
                // (PEFT: ends of names, also within a word)
                let named = !own && (module.ends_with(name) || module.contains(&format!(".{name}.")));
                (*found, saved) = (*found || named, saved || named);
            }
            if (own && p.tied.is_none()) || bias || saved {
                if !own && failed.is_ok() {
                    failed = trainable(&path, p);
                }
                let name = match (own, of_adapted && is_bias) {
                    // (PEFT calls what a matrix has besides its corrections so)
                    (false, true) => format!("{}.base_layer.bias", p.name.trim_end_matches(".bias")),
                    _ => p.name.clone(),
                };
                trained.insert(path, p.clone().stored(name));
            }
        });
        failed?;
        if let Some((name, _)) = config.modules_to_save.iter().zip(found).find(|(_, found)| !found) {
            return Err(Error::Usage(format!(
                "`modules_to_save`: the model has no `{name}`\n  help: names are those of checkpoints"
            )));
        }
        self.trained = trained;
        Ok(())
    }

    /// The model that stays as it is.
    pub fn base(&self) -> &Decoder<Param> {
        &self.base
    }
    /// The model with what is trained in it.
    pub fn spec(&self) -> &Decoder<Param> {
        &self.spec
    }
    /// What is trained.
    pub fn trained(&self) -> &Adapters<Param> {
        &self.trained
    }
    /// The configuration, if it is by corrections.
    pub fn config(&self) -> Option<&LoraConfig> {
        self.config.as_ref()
    }

    /// The adapted model of these values.
    ///
    /// # Errors
    /// Values of another model, or of other adapters.
    pub fn with<T: Leaf + Clone>(&self, base: &Decoder<T>, trained: &Adapters<T>) -> Result<Decoder<T>> {
        let mut frozen: HashMap<String, T> = HashMap::new();
        base.visit(|path, t| {
            frozen.insert(path.to_string(), t.clone());
        });
        self.spec.try_map_named(|path, p| {
            let path = path.to_string();
            let found = trained.get(&path).or_else(|| frozen.get(&path)).or_else(|| trained.get(p.tied.as_ref()?));
            let help = "give the model that it was made for, and all that is trained";
            found.cloned().ok_or_else(|| Error::Usage(format!("there is no value for `{path}`\n  help: {help}")))
        })
    }

    /// What is trained as it is before training: random first factors and zeros, so that the model is what it was; copies of the
    /// parameters of the model `base`.
    ///
    /// # Errors
    /// What the plugin reports; a `base` that is another model.
    pub fn init(&self, base: &Decoder<Array>, key: &Key<Host>, client: &Client) -> Result<Adapters<Array>> {
        let drawn = self.begun(base, param::init_on(&self.trained, key, client)?);
        if !self.has_magnitudes() {
            return Ok(drawn);
        }
        let model = self.with(base, &drawn)?;
        let lengths = jit(|model: Decoder| magnitudes(model)).on(client).call((&model,))?;
        Ok(drawn.into_iter().chain(lengths).collect())
    }
    /// As [`init`](Adapted::init), over a mesh.
    ///
    /// # Errors
    /// As there.
    pub fn init_over(
        &self,
        base: &Decoder<Array>,
        key: &Key<Host>,
        mesh: &Mesh,
        rules: &Rules,
    ) -> Result<Adapters<Array>> {
        let drawn = self.begun(base, param::init(&self.trained, key, mesh, rules)?);
        if !self.has_magnitudes() {
            return Ok(drawn);
        }
        let model = self.with(base, &drawn)?;
        let specs = |p: &Param| rules.spec_of(p, mesh);
        let ins = (self.spec.leaves().iter().map(specs).collect::<Vec<_>>(),);
        let outs: Vec<_> =
            self.trained.iter().filter(|(path, _)| path.ends_with(MAGNITUDE)).map(|(_, p)| specs(p)).collect();
        let lengths =
            jit(|model: Decoder| magnitudes(model)).on(mesh).in_shardings(ins).out_shardings(outs).call((&model,))?;
        Ok(drawn.into_iter().chain(lengths).collect())
    }
    /// What is a parameter of the model itself begins as that.
    fn begun(&self, base: &Decoder<Array>, mut drawn: Adapters<Array>) -> Adapters<Array> {
        base.visit(|path, a| {
            if let Some(own) = drawn.get_mut(&path.to_string()) {
                *own = a.clone();
            }
        });
        drawn
    }
    /// Columns begin with the lengths that they have.
    fn has_magnitudes(&self) -> bool {
        self.trained.keys().any(|path| path.ends_with(MAGNITUDE))
    }

    /// The model with its corrections in its matrices, each rounded once to the dtype that the matrix has: held as [`base`](Adapted::base).
    ///
    /// # Errors
    /// Packed matrices; values of another model.
    pub fn merge(&self, base: &Decoder<Array>, trained: &Adapters<Array>) -> Result<Decoder<Array>> {
        self.rounded(base, trained, 1.0)
    }
    /// What [`merge`](Adapted::merge) was given, of what it made: the corrections are subtracted, so the result is rounded twice. (The
    /// model that was merged, where it is still there, is better.)
    ///
    /// # Errors
    /// DoRA, which loses the columns' lengths; as [`merge`](Adapted::merge).
    pub fn unmerge(&self, merged: &Decoder<Array>, trained: &Adapters<Array>) -> Result<Decoder<Array>> {
        if self.config.as_ref().is_some_and(|config| config.use_dora) {
            let help = "keep the model from before it was merged";
            return Err(Error::Usage(format!(
                "what DoRA has merged cannot be taken apart: the lengths of columns are lost\n  help: {help}"
            )));
        }
        self.rounded(merged, trained, -1.0)
    }
    fn rounded(&self, base: &Decoder<Array>, trained: &Adapters<Array>, sign: f64) -> Result<Decoder<Array>> {
        if let Some((path, _)) = self.base.params().iter().find(|(_, p)| p.packing.is_some()) {
            let help = "load the model with `Matrices::Dense` (`--kernels off`), or merge files with `raxla convert --adapter`";
            return Err(Error::Usage(format!("`{path}` is packed, and nothing can be merged into it\n  help: {help}")));
        }
        let model = self.with(base, trained)?;
        Ok(jit(move |model: Decoder| merged(model, sign)).call((&model,))?)
    }
}

/// Without corrections: they are in the matrices.
fn merged(mut model: Decoder, sign: f64) -> Decoder {
    model.layers = model.layers.each(|layer, times| {
        let mut layer = layer.clone();
        for (_, linear) in layer.linears_mut() {
            *linear = over_stack(linear, times.is_some(), |linear| linear.merged(sign));
        }
        layer
    });
    model
}
/// The lengths of the columns of all matrices that have magnitudes, by their paths.
fn magnitudes(model: Decoder) -> Adapters {
    let mut found = Adapters::new();
    let mut stacked: Vec<bool> = vec![];
    model.layers.each(|_, times| stacked.push(times.is_some()));
    let mut at = model.layers.numbers().zip(stacked).collect::<HashMap<_, _>>();
    let of = |path: &str| path.split('.').nth(1).and_then(|n| n.parse::<usize>().ok());
    let _ = model.with_linears(|path, linear| {
        let is_stacked = of(path).and_then(|n| at.get_mut(&n).copied()).unwrap_or_default();
        if let Some(Lora { magnitude: Some(_), .. }) = &linear.lora {
            let lengths = over_stack(linear, is_stacked, |linear| {
                linear.lora.as_ref().map(|lora| lora.column_lengths(linear)).into_iter().collect::<Vec<Tensor>>()
            });
            found.extend(lengths.first().map(|lengths| (format!("{path}{MAGNITUDE}"), *lengths)));
        }
        Ok::<(), Error>(())
    });
    found
}
/// What `f` makes of a matrix, or of each of a stack of them.
fn over_stack<Y: TensorTree>(linear: &Linear, stacked: bool, f: impl Fn(&Linear) -> Y) -> Y {
    if stacked { raxla::vmap(|linear: Linear| f(&linear))(linear.clone()) } else { f(linear) }
}

/// The module names of a matrix: of a stack, one per layer.
fn names(linear: &Linear<Param>) -> Vec<String> {
    linear.w.checkpoint_names().iter().map(|name| name.trim_end_matches(".weight").to_string()).collect()
}

/// The correction that this matrix is to have.
fn correction(path: &str, linear: &Linear<Param>, config: &LoraConfig) -> Result<Option<Lora<Param>>> {
    let by_default = ["mixer.q", "mixer.v"].iter().any(|end| path.ends_with(end)) || is_fused_with_those(linear);
    let all: Vec<String> = names(linear);
    let each = all.iter().map(|module| config.of(path, module, by_default)).collect::<Result<Vec<_>>>()?;
    let Some(first) = each.first().copied() else { return Ok(None) };
    if let Some(i) = each.iter().position(|one| *one != first) {
        let help = "load the model with layers that are written out (`scanned: false`), or adapt all layers alike";
        let (a, b) = (&all[0], &all[i]);
        return Err(Error::Usage(format!(
            "`{a}` and `{b}` are in one stack, but are adapted differently\n  help: {help}"
        )));
    }
    Ok(first.map(|(rank, scale)| {
        let module = linear.w.name.trim_end_matches(".weight");
        let [a, b, magnitude] = linear.w.lora(linear.inputs, rank, &format!("{}{module}", peft::PREFIX));
        let magnitude = config.use_dora.then_some(magnitude);
        Lora { a, b, magnitude, key: None, scale, dropout: config.lora_dropout }
    }))
}
/// Is it a part of a tensor that holds queries or values too? (Keys are, then.)
fn is_fused_with_those(linear: &Linear<Param>) -> bool {
    let end = linear.w.name.trim_end_matches(".weight").rsplit('.').next().unwrap_or_default();
    ["c_attn", "qkv_proj"].contains(&end)
}
/// Parts of one stored matrix share the first factor: that of the first part.
fn shared(path: &str, lora: Lora<Param>, known: &mut HashMap<String, String>) -> Lora<Param> {
    let key = format!("{} {:?}", lora.a.name, lora.a.checkpoint_names());
    match known.get(&key) {
        Some(first) => Lora { a: lora.a.tied_to(first.clone()), ..lora },
        None => {
            known.insert(key, format!("{path}.lora.a"));
            lora
        }
    }
}

/// A parameter that can be trained.
fn trainable(path: &str, p: &Param) -> Result<()> {
    if p.packing.is_some() {
        let help = "load the model with `Matrices::Dense` (`--kernels off`), or train corrections of it";
        return Err(Error::Usage(format!("`{path}` is packed, and cannot be trained\n  help: {help}")));
    }
    if p.tied.is_some() {
        let help = "train the embedding, with a head that is the embedding itself (`Decoder::without_copies`)";
        return Err(Error::Usage(format!("`{path}` is a copy of another parameter\n  help: {help}")));
    }
    Ok(())
}
