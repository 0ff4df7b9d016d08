//! PEFT's folders: adapter_config.json and adapter_model.safetensors.
use super::{Adapted, Adapters, Bias, LoraConfig};
use crate::{LoadError, Result, models::Decoder, params, save as saving, tokenizer::Tokenizer, weights::Weights};
use raxla::{Array, Client, DType, NamedSharding, Param};
use std::path::{Path, PathBuf};

/// What PEFT's names begin with.
pub(super) const PREFIX: &str = "base_model.model.";
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// An adapter's folder, opened.
pub struct Adapter {
    /// What adapter_config.json says.
    pub config: LoraConfig,
    weights: Weights,
}

impl Adapter {
    /// Open a folder as PEFT writes it.
    ///
    /// # Errors
    /// Missing or broken files; adapters that are no LoRA, by the name of their method.
    pub fn open(dir: impl AsRef<Path>) -> Result<Adapter, LoadError> {
        let dir = dir.as_ref();
        let file = dir.join(CONFIG);
        let missing = |name: &str| {
            let help =
                "an adapter is a folder with adapter_config.json and adapter_model.safetensors, as PEFT writes it";
            LoadError::Source { reason: format!("{} is no adapter: there is no {name}\n  help: {help}", dir.display()) }
        };
        if !file.is_file() {
            return Err(missing(CONFIG));
        }
        let text = std::fs::read_to_string(&file).map_err(|e| LoadError::io(&file, e))?;
        let config = LoraConfig::from_json(&text, &file)?;
        let mut files = [WEIGHTS, "adapter_model.bin"].into_iter().map(|name| dir.join(name));
        let path: PathBuf = files.find(|path| path.is_file()).ok_or_else(|| missing(WEIGHTS))?;
        Ok(Adapter { config, weights: Weights::open_adapter(&path)? })
    }
    /// Its tensors.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What it adapts of this model, and its values: on the first device of the client or, with `places`, one per parameter, over a
    /// mesh.
    ///
    /// # Errors
    /// An adapter of a model of other shapes or names; what the plugin reports.
    pub fn load(
        &self,
        base: &Decoder<Param>,
        client: &Client,
        places: impl FnOnce(&Adapted) -> Result<Option<Vec<NamedSharding>>>,
    ) -> Result<(Adapted, Adapters<Array>)> {
        // (PEFT trains the biases of adapted matrices, but does not save them)
        let saved = self.weights.names().any(|name| name.ends_with(".bias"));
        let bias = if saved { self.config.bias } else { Bias::None };
        let adapted = Adapted::lora(base, LoraConfig { bias, ..self.config.clone() })?;
        let declared = declared(adapted.trained());
        let (places, dtype) = (places(&adapted)?, dtype(adapted.trained()));
        let values = params::load(&declared, &self.weights, &|_| false, dtype, client, places.as_deref(), false)?;
        let trained = adapted.trained().keys().cloned().zip(values).collect();
        Ok((adapted, trained))
    }
}

/// Of an adapter, the parameters under the names of its file.
fn declared(trained: &Adapters<Param>) -> Vec<(String, Param)> {
    let name = |p: &Param| if p.name.starts_with(PREFIX) { p.clone() } else { p.clone().under(PREFIX) };
    trained.iter().map(|(path, p)| (path.clone(), name(p))).collect()
}
fn dtype(trained: &Adapters<Param>) -> DType {
    trained.values().map(|p| p.aval.dtype).find(|d| *d == DType::F64).unwrap_or(DType::F32)
}

/// Reads an adapter for this model from a folder as PEFT writes it: what is adapted, and the values, on the first device of the client.
///
/// # Errors
/// As [`Adapter::open`] and [`Adapter::load`].
pub fn load(dir: impl AsRef<Path>, base: &Decoder<Param>, client: &Client) -> Result<(Adapted, Adapters<Array>)> {
    Adapter::open(dir)?.load(base, client, |_| Ok(None))
}

/// Writes an adapter as a folder that PEFT loads. `base` is the name or folder of the model that it is for, as PEFT is to find it.
///
/// # Errors
/// What is trained is no LoRA; a folder that is there and not empty; whatever the system says on writing.
pub fn save(dir: impl AsRef<Path>, base: &str, adapted: &Adapted, trained: &Adapters<Array>) -> Result<()> {
    write(dir.as_ref(), base, adapted, trained, None)
}

/// As [`save`], with the tokenizer that it was trained with.
pub(crate) fn save_beside(
    dir: &Path,
    base: &str,
    adapted: &Adapted,
    trained: &Adapters<Array>,
    tokenizer: &Tokenizer,
) -> Result<()> {
    write(dir, base, adapted, trained, Some(tokenizer))
}

fn write(
    dir: &Path,
    base: &str,
    adapted: &Adapted,
    trained: &Adapters<Array>,
    tokenizer: Option<&Tokenizer>,
) -> Result<()> {
    let Some(config) = adapted.config() else {
        let help = "save the whole model: `raxla_graphs::save`";
        return Err(crate::Error::Usage(format!("what was trained is no adapter\n  help: {help}")));
    };
    let (mut targets, mut fan_in_fan_out) = (vec![], false);
    adapted.spec().clone().with_linears(|_, linear| {
        if linear.lora.is_some() {
            targets.extend(super::names(linear));
            fan_in_fan_out |= linear.w.layout == raxla::param::Stored::AsIs;
        }
        Ok::<(), crate::Error>(())
    })?;
    targets.sort();
    targets.dedup();
    let config = config.to_json(base, &targets, fan_in_fan_out);
    let values: Vec<Array> = adapted.trained().keys().filter_map(|path| trained.get(path).cloned()).collect();
    saving::adapter(dir, (CONFIG, &config), WEIGHTS, &declared(adapted.trained()), &values, tokenizer)
}
