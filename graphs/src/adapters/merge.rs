//! Adapters merged into checkpoints, tensor by tensor, as files.
use super::{
    LoraConfig,
    peft::{Adapter, PREFIX},
};
use crate::{Error, LoadError, Result, SaveOptions, Saved, weights::Weights};
use rayon::prelude::*;
use std::path::Path;

/// As [`crate::convert`], of the model with the adapter of the folder `adapter` merged into it. Sums are computed in f32 and rounded once,
/// to the dtype that is written: of f32 they are what the adapter and the model amount to; rounding to bf16 loses of small corrections
/// what is below 1/256 of the weight that they are added to.
///
/// # Errors
/// As there; an adapter of a model of other names or shapes.
pub fn convert(model: &str, adapter: &Path, dir: &Path, options: &SaveOptions) -> Result<Saved> {
    let adapter = Adapter::open(adapter)?;
    crate::save::convert_with(model, dir, options, Some(adapter))
}

/// What an adapter does to the tensors of a checkpoint.
pub(crate) struct Merge {
    adapter: Adapter,
}

impl Merge {
    pub(crate) fn new(adapter: Adapter, base: &Weights) -> Result<Merge> {
        let all = Merge { adapter };
        let weights = all.adapter.weights();
        for name in weights.names() {
            let stored = name.strip_prefix(PREFIX).unwrap_or(name);
            let target = match stored.split_once(".lora_") {
                Some((module, _)) => format!("{module}.weight"),
                None => stored.replace(".base_layer.", "."),
            };
            let Some(info) = base.info(&target) else {
                let help = "is it the model that the adapter was trained on?";
                let reason = format!("it adapts {target}, which the model has not\n  help: {help}");
                return Err(LoadError::format(weights.path(), reason).into());
            };
            if name.ends_with(".lora_A.weight") {
                all.factors(&target, info.dims)?;
            }
        }
        Ok(all)
    }
    fn config(&self) -> &LoraConfig {
        &self.adapter.config
    }

    /// Does it change the tensor of this name?
    pub(crate) fn changes(&self, name: &str) -> bool {
        let has = |name: &str| self.adapter.weights().info(name).is_some();
        has(&self.first(name)) || self.replacement(name).is_some()
    }
    fn first(&self, name: &str) -> String {
        format!("{PREFIX}{}.lora_A.weight", name.trim_end_matches(".weight"))
    }
    /// The tensor that stands in its place.
    fn replacement(&self, name: &str) -> Option<String> {
        let bias = format!("{PREFIX}{}.base_layer.bias", name.trim_end_matches(".bias"));
        [format!("{PREFIX}{name}"), bias].into_iter().find(|name| self.adapter.weights().info(name).is_some())
    }

    /// The factors `[out, r]` and `[r, in]`, the scale, and whether the matrix is stored `[in, out]`.
    fn factors(&self, name: &str, dims: &[usize]) -> Result<Factors> {
        let (module, weights) = (name.trim_end_matches(".weight"), self.adapter.weights());
        let names = ["lora_A", "lora_B"].map(|part| format!("{PREFIX}{module}.{part}.weight"));
        let shape = |name: &String| weights.info(name).map(|i| i.dims.to_vec()).unwrap_or_default();
        let (a, b) = (shape(&names[0]), shape(&names[1]));
        let fits =
            |out: usize, ins: usize| matches!((&a[..], &b[..]), ([r, i], [o, s]) if r == s && *i == ins && *o == out);
        let crossed = match dims {
            [out, ins] if fits(*out, *ins) => false,
            [ins, out] if fits(*out, *ins) => true,
            _ => {
                let help = "is it the model that the adapter was trained on?";
                let reason = format!(
                    "{module} is {dims:?} in the model, which factors of {a:?} and {b:?} do not fit\n  help: {help}"
                );
                return Err(LoadError::format(weights.path(), reason).into());
            }
        };
        // (a square matrix can be either: Conv1D is said by the configuration of the model, and its names)
        let crossed = if dims[0] == dims[1] { module.contains(".c_") } else { crossed };
        let Some((r, scale)) = self.config().of("", module, true)? else {
            let reason = format!("it has factors for {module}, which its configuration does not name");
            return Err(LoadError::format(weights.path(), reason).into());
        };
        if r != a[0] {
            let reason = format!("the correction to {module} has the rank {}, and {r} in adapter_config.json", a[0]);
            return Err(LoadError::format(weights.path(), reason).into());
        }
        let [a, b] = names.map(|name| weights.read_f32(&name));
        let magnitude = match self.config().use_dora {
            true => Some(weights.read_f32(&format!("{PREFIX}{module}.lora_magnitude_vector"))?),
            false => None,
        };
        Ok(Factors { a: a?, b: b?, r, scale: scale as f32, crossed, magnitude })
    }

    /// Change the values of the tensor of this name and shape.
    pub(crate) fn apply(&self, name: &str, dims: &[usize], values: &mut [f32]) -> Result<()> {
        if let Some(other) = self.replacement(name) {
            let new = self.adapter.weights().read_f32(&other)?;
            if new.len() != values.len() {
                return Err(Error::Usage(format!("{other} has {} values, but {name} has {}", new.len(), values.len())));
            }
            values.copy_from_slice(&new);
            return Ok(());
        }
        let f = self.factors(name, dims)?;
        let [rows, columns] = dims[..] else { return Ok(()) };
        let (outputs, inputs) = if f.crossed { (columns, rows) } else { (rows, columns) };
        // row by row of outputs; of a crossed matrix, of the transposed one
        let mut matrix = if f.crossed { transposed(values, rows, columns) } else { values.to_vec() };
        matrix.par_chunks_exact_mut(inputs.max(1)).enumerate().for_each(|(o, row)| f.correct(o, row));
        match f.crossed {
            true => values.copy_from_slice(&transposed(&matrix, outputs, inputs)),
            false => values.copy_from_slice(&matrix),
        }
        Ok(())
    }
}

struct Factors {
    a: Vec<f32>,
    b: Vec<f32>,
    r: usize,
    scale: f32,
    crossed: bool,
    magnitude: Option<Vec<f32>>,
}
impl Factors {
    /// The weights of output number `o`, one per input.
    fn correct(&self, o: usize, row: &mut [f32]) {
        let inputs = row.len();
        let mut delta = vec![0f32; inputs];
        for (k, b) in self.b[o * self.r..(o + 1) * self.r].iter().enumerate() {
            delta.iter_mut().zip(&self.a[k * inputs..]).for_each(|(d, a)| *d += b * a);
        }
        row.iter_mut().zip(&delta).for_each(|(w, d)| *w += d * self.scale);
        if let Some(magnitude) = &self.magnitude {
            let length = row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
            let ratio = (f64::from(magnitude[o]) / length) as f32;
            row.iter_mut().for_each(|w| *w *= ratio);
        }
    }
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let at = |i: usize| values[i % rows * columns + i / rows];
    (0..values.len()).map(at).collect()
}
