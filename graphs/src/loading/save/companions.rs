//! config.json and what else lies beside the weights.

use super::{Companions, unwritable};
use crate::{Result, config::HfConfig, tokenizer::Tokenizer};
use raxla::DType;
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

impl Companions<'_> {
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        json(&dir.join("config.json"), &self.config()?.into())?;
        let generation = match self.generation.raw.is_empty() {
            false => self.generation.raw.clone(),
            true => self.ids(),
        };
        if !generation.is_empty() {
            json(&dir.join("generation_config.json"), &generation.into())?;
        }
        self.tokenizer.map_or(Ok(()), |own| tokenizer(dir, own))
    }

    /// The configuration, as transformers is to read it.
    fn config(&self) -> Result<Map<String, Value>> {
        let mut raw = self.config.raw.clone();
        if !raw.contains_key("model_type") {
            raw.insert("model_type".into(), self.config.model_type.clone().into());
        }
        // what is written is plain floats, or says itself what it is
        raw.remove("quantization_config");
        raw.extend(self.quantization.clone().map(|own| ("quantization_config".to_string(), own)));
        if let Some(scaling) = raw.get_mut("rope_scaling") {
            name_divisors(self.config, scaling)?;
        }
        let spelled = self.dtype.and_then(|dtype| match dtype {
            DType::F32 => Some("float32"),
            DType::F16 => Some("float16"),
            DType::BF16 => Some("bfloat16"),
            DType::F64 => Some("float64"),
            _ => None,
        });
        if let Some(spelled) = spelled {
            // transformers 5 writes `dtype` and reads both
            let keys = ["dtype", "torch_dtype"].map(|key| (key, raw.contains_key(key)));
            let none = !keys.iter().any(|(_, there)| *there);
            for (key, _) in keys.iter().filter(|(key, there)| *there || (none && *key == "torch_dtype")) {
                raw.insert(key.to_string(), spelled.into());
            }
        }
        Ok(raw)
    }

    /// What generation needs to know where the model's files say no more.
    fn ids(&self) -> Map<String, Value> {
        let g = self.generation;
        let eos = match g.eos.as_slice() {
            [] => None,
            [one] => Some(json!(one)),
            several => Some(json!(several)),
        };
        let ids =
            [("bos_token_id", g.bos.map(Value::from)), ("eos_token_id", eos), ("pad_token_id", g.pad.map(Value::from))];
        ids.into_iter().filter_map(|(key, id)| Some((key.to_string(), id?))).collect()
    }
}

/// A GGUF file has the divisors of the rotary frequencies where config.json has the rule that makes them: finds the
/// numbers of `llama3`, or else gives the divisors to `longrope`, which has them for short and for long texts.
fn name_divisors(config: &HfConfig, scaling: &mut Value) -> Result<()> {
    if scaling.get("rope_type").and_then(Value::as_str) != Some(crate::config::DIVISORS) {
        return Ok(());
    }
    let factors: Vec<f64> = scaling["factors"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let (theta, context) = (config.float_or("rope_theta", 10000.0)?, config.uint("max_position_embeddings")?);
    let (low, high, factor) = (1.0, 4.0, factors.iter().copied().fold(1.0, f64::max));
    let pairs = factors.len() as f64;
    let fits = |original: f64| {
        factors.iter().enumerate().all(|(i, have)| {
            let wavelength = std::f64::consts::TAU * theta.powf(i as f64 / pairs);
            let smooth = ((original / wavelength - low) / (high - low)).clamp(0.0, 1.0);
            let want = 1.0 / ((1.0 - smooth) / factor + smooth);
            (have - want).abs() < 1e-5 * want
        })
    };
    *scaling = match (10..=20).map(|bits| 1u64 << bits).find(|n| fits(*n as f64)) {
        Some(original) => json!({ "rope_type": "llama3", "factor": factor, "low_freq_factor": low,
            "high_freq_factor": high, "original_max_position_embeddings": original }),
        None => json!({ "rope_type": "longrope", "short_factor": factors, "long_factor": factors,
            "original_max_position_embeddings": context, "attention_factor": 1.0, "factor": 1.0 }),
    };
    Ok(())
}

/// Writes the files of a tokenizer.
pub(super) fn tokenizer(dir: &Path, tokenizer: &Tokenizer) -> Result<()> {
    for (name, content) in tokenizer.files()? {
        let path = dir.join(name);
        fs::write(&path, content).map_err(|e| unwritable(&path, e))?;
    }
    Ok(())
}

/// Writes JSON as transformers does: two spaces, a newline at the end.
pub(super) fn json(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, format!("{value:#}\n")).map_err(|e| unwritable(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_get_the_name_of_their_rule() {
        let text = r#"{"model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 131072}"#;
        let config = HfConfig::parse(text, "config.json").unwrap();
        // of Llama 3.2 1B, as its converter computes them
        let factor = |i: i32| {
            let wavelength = std::f64::consts::TAU * 500000f64.powf(f64::from(i) / 32.0);
            match wavelength {
                w if w < 8192.0 / 4.0 => 1.0,
                w if w > 8192.0 => 32.0,
                w => 1.0 / ((1.0 - (8192.0 / w - 1.0) / 3.0) / 32.0 + (8192.0 / w - 1.0) / 3.0),
            }
        };
        let factors: Vec<f32> = (0..32).map(|i| factor(i) as f32).collect();
        let mut scaling = json!({ "rope_type": crate::config::DIVISORS, "factors": factors });
        name_divisors(&config, &mut scaling).unwrap();
        let wanted = json!({ "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192 });
        assert_eq!(scaling, wanted);
        let mut scaling = json!({ "rope_type": crate::config::DIVISORS, "factors": [3.0, 1.0] });
        name_divisors(&config, &mut scaling).unwrap();
        assert_eq!(scaling["short_factor"], json!([3.0, 1.0]));
    }
}
