//! Which tensor of a GGUF file is stored how: the mixtures of llama.cpp (`llama-quant.cpp`, without an importance matrix).
//!
//! A few tensors take more bits than the rest, since errors in them cost most: the head, and in some layers the values of the
//! attention and the matrix that leads back into the residual stream.

use crate::weights::{Block, Encoding};
use raxla::DType;
use std::str::FromStr;

/// What matrices are stored as: in GGUF files by llama.cpp's names, in safetensors as integers of compressed-tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, missing_docs)]
pub enum Quantization {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    IQ4_NL,
    IQ4_XS,
    Q2_K,
    Q3_K_S,
    Q3_K_M,
    Q3_K_L,
    Q4_K_S,
    Q4_K_M,
    Q5_K_S,
    Q5_K_M,
    Q6_K,
    /// Of safetensors: 8 bits, a scale for each row.
    Int8,
    /// Of safetensors: 4 bits, a scale for each group of a row.
    Int4,
}
use Quantization::*;

/// Those of safetensors, with their bits.
const PACKED: [(Quantization, &str, u32); 2] = [(Int8, "int8", 8), (Int4, "int4", 4)];

/// Those of GGUF files, each with its name, its number in `general.file_type`, and what most matrices are stored as.
const ALL: &[(Quantization, &str, u32, Encoding)] = &[
    (F32, "f32", 0, Encoding::Plain(DType::F32)),
    (F16, "f16", 1, Encoding::Plain(DType::F16)),
    (BF16, "bf16", 32, Encoding::Plain(DType::BF16)),
    (Q8_0, "q8_0", 7, Encoding::Blocks(Block::Q8_0)),
    (Q4_0, "q4_0", 2, Encoding::Blocks(Block::Q4_0)),
    (Q4_1, "q4_1", 3, Encoding::Blocks(Block::Q4_1)),
    (Q5_0, "q5_0", 8, Encoding::Blocks(Block::Q5_0)),
    (Q5_1, "q5_1", 9, Encoding::Blocks(Block::Q5_1)),
    (IQ4_NL, "iq4_nl", 25, Encoding::Blocks(Block::IQ4_NL)),
    (IQ4_XS, "iq4_xs", 30, Encoding::Blocks(Block::IQ4_XS)),
    (Q2_K, "q2_k", 10, Encoding::Blocks(Block::Q2_K)),
    (Q3_K_S, "q3_k_s", 11, Encoding::Blocks(Block::Q3_K)),
    (Q3_K_M, "q3_k_m", 12, Encoding::Blocks(Block::Q3_K)),
    (Q3_K_L, "q3_k_l", 13, Encoding::Blocks(Block::Q3_K)),
    (Q4_K_S, "q4_k_s", 14, Encoding::Blocks(Block::Q4_K)),
    (Q4_K_M, "q4_k_m", 15, Encoding::Blocks(Block::Q4_K)),
    (Q5_K_S, "q5_k_s", 16, Encoding::Blocks(Block::Q5_K)),
    (Q5_K_M, "q5_k_m", 17, Encoding::Blocks(Block::Q5_K)),
    (Q6_K, "q6_k", 18, Encoding::Blocks(Block::Q6_K)),
];

impl Quantization {
    /// The names of those of GGUF files, then of those of safetensors.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, name, ..)| *name).chain(PACKED.iter().map(|(_, name, _)| *name))
    }

    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        let packed = PACKED.iter().find(|(own, ..)| *own == self);
        packed.map_or_else(|| self.row().0, |(_, name, _)| name)
    }

    /// The bits of its integers, if it is one of safetensors.
    pub(in crate::loading::save) fn packed(self) -> Option<u32> {
        PACKED.iter().find(|(own, ..)| *own == self).map(|(.., bits)| *bits)
    }

    /// `general.file_type`.
    pub(super) fn number(self) -> u32 {
        self.row().1
    }

    pub(super) fn encoding(self) -> Encoding {
        self.row().2
    }

    fn row(self) -> (&'static str, u32, Encoding) {
        let row = ALL.iter().find(|(own, ..)| *own == self);
        row.map_or(("f32", 0, Encoding::Plain(DType::F32)), |(_, name, number, encoding)| (*name, *number, *encoding))
    }
}

impl FromStr for Quantization {
    type Err = String;

    /// By its name, in any case; `q3_k`, `q4_k` and `q5_k` are the usual mixtures, `_m`.
    fn from_str(text: &str) -> Result<Quantization, String> {
        let text = text.to_ascii_lowercase();
        let all = || ALL.iter().map(|(own, name, ..)| (*own, *name)).chain(PACKED.map(|(own, name, _)| (own, name)));
        let found = |name: &str| all().find(|(_, own)| *own == name).map(|(own, _)| own);
        found(&text).or_else(|| found(&format!("{text}_m"))).ok_or_else(|| {
            let names: Vec<&str> = Quantization::names().collect();
            format!("there is no quantisation {text:?}; there is {}", names.join(", "))
        })
    }
}

/// What a mixture depends on, besides the tensor.
pub(super) struct Facts {
    /// `general.architecture`.
    pub(super) architecture: &'static str,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    /// 0 if there are none.
    pub(super) experts: usize,
    /// Is the embedding the head?
    pub(super) tied: bool,
}

/// Is it a matrix of those that are stored in few bits? Norms, biases, routers and learned positions stay f32.
pub(super) fn is_quantised(name: &str, dims: &[usize]) -> bool {
    let kept = ["_norm.weight", "ffn_gate_inp.weight", "position_embd.weight"];
    dims.len() >= 2 && name.ends_with("weight") && !kept.iter().any(|end| name.ends_with(end))
}

/// How the tensor of this GGUF name and shape is stored.
pub(super) fn target(quantization: Quantization, name: &str, dims: &[usize], facts: &Facts) -> Encoding {
    let columns = dims.last().copied().unwrap_or(1);
    match quantization.encoding() {
        _ if !is_quantised(name, dims) => Encoding::Plain(DType::F32),
        Encoding::Blocks(usual) => fitting(mixed(quantization, usual, name, columns, facts), columns),
        plain => plain,
    }
}

/// The format, or the one that takes its place where rows are not whole blocks of it.
fn fitting(block: Block, columns: usize) -> Encoding {
    let fits = |block: &Block| columns.is_multiple_of(block.values());
    let instead = match block {
        _ if fits(&block) => Some(block),
        Block::IQ4_XS => Some(Block::IQ4_NL),
        Block::Q2_K | Block::Q3_K => Some(Block::Q4_0),
        Block::Q4_K => Some(Block::Q5_0),
        Block::Q5_K => Some(Block::Q5_1),
        Block::Q6_K => Some(Block::Q8_0),
        _ => None,
    };
    instead.filter(fits).map_or(Encoding::Plain(DType::F16), Encoding::Blocks)
}

fn mixed(quantization: Quantization, usual: Block, name: &str, columns: usize, facts: &Facts) -> Block {
    let (n, eight) = (facts.layers, facts.experts == 8);
    let layer = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse().ok()).unwrap_or(0);
    let more_bits = layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
    let shared = facts.heads / facts.kv_heads.max(1) >= 4;
    let part = name.strip_suffix(".weight").and_then(|name| name.rsplit('.').next()).unwrap_or_default();
    match part {
        "output" | "token_embd" if part == "output" || facts.tied => {
            // (what does not fit is not looked at again)
            let wide = usual == Block::Q8_0 || !columns.is_multiple_of(usual.values());
            if wide { Block::Q8_0 } else { Block::Q6_K }
        }
        "attn_v" | "attn_qkv" if eight => Block::Q8_0,
        "attn_v" | "attn_qkv" => {
            let block = match quantization {
                Q2_K if shared => Block::Q4_K,
                Q2_K => Block::Q3_K,
                Q3_K_M if layer < 2 => Block::Q5_K,
                Q3_K_M => Block::Q4_K,
                Q3_K_L => Block::Q5_K,
                IQ4_NL | IQ4_XS if shared => Block::Q5_K,
                Q4_K_M | Q5_K_M if more_bits => Block::Q6_K,
                Q4_K_S if layer < 4 => Block::Q5_K,
                _ => usual,
            };
            // of the models of 70B, where eight heads share values
            let largest = match facts.architecture {
                "llama" => n == 80 && facts.heads != facts.kv_heads,
                "qwen2" => n == 80,
                _ => false,
            };
            if largest && matches!(block, Block::Q3_K | Block::Q4_K) { Block::Q5_K } else { block }
        }
        "attn_k" if eight => Block::Q8_0,
        "attn_output" if eight => match quantization {
            Q2_K | Q3_K_S | Q3_K_M | IQ4_NL | IQ4_XS | Q4_K_S | Q4_K_M => Block::Q5_K,
            _ => usual,
        },
        "attn_output" => match quantization {
            Q2_K => Block::Q3_K,
            Q3_K_M => Block::Q4_K,
            Q3_K_L => Block::Q5_K,
            _ => usual,
        },
        "ffn_down" | "ffn_down_exps" => match quantization {
            Q2_K => Block::Q3_K,
            Q3_K_M if layer < n / 16 => Block::Q5_K,
            Q3_K_M => Block::Q4_K,
            Q3_K_L => Block::Q5_K,
            Q4_K_M | Q5_K_M if more_bits => Block::Q6_K,
            IQ4_NL | IQ4_XS | Q4_K_S if layer < n / 8 => Block::Q5_K,
            _ => usual,
        },
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// `scripts/make_mixture_fixtures.py` has asked llama.cpp.
    #[test]
    fn mixtures_are_those_of_llama_quantize() {
        let all = include_str!("../../../../tests/data/gguf/mixtures.json");
        let all: Value = serde_json::from_str(all).unwrap();
        let mut checked = 0;
        for (model, about) in all.as_object().unwrap() {
            let n = |key: &str| about[key].as_u64().unwrap() as usize;
            let architecture = ["llama", "qwen2", "qwen3moe", "gemma2", "gpt2"];
            let facts = Facts {
                architecture: architecture.into_iter().find(|a| about["architecture"] == *a).unwrap(),
                layers: n("layers"),
                heads: n("heads"),
                kv_heads: n("kv_heads"),
                experts: n("experts"),
                tied: about["own_head"] == false,
            };
            for (kind, parts) in about["tensors"].as_object().unwrap() {
                let kind: Quantization = kind.parse().unwrap();
                for (part, runs) in parts.as_object().unwrap() {
                    let layers = runs.as_str().unwrap().split(' ').flat_map(|run| {
                        let (stored, times) = run.split_once('*').unwrap();
                        std::iter::repeat_n(stored, times.parse::<usize>().unwrap())
                    });
                    for (layer, wanted) in layers.enumerate() {
                        let inside = about["shapes"].get(part).is_none();
                        let name = if inside { format!("blk.{layer}.{part}") } else { part.clone() };
                        let first = if inside { format!("blk.0.{part}") } else { part.clone() };
                        let dims = about["shapes"][first].as_array().unwrap().iter();
                        let dims: Vec<usize> = dims.map(|n| n.as_u64().unwrap() as usize).collect();
                        let have = target(kind, &name, &dims, &facts).to_string().to_uppercase();
                        assert_eq!(have, *wanted, "{model}, {}: {name} {dims:?}", kind.name());
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 10_000, "{checked}");
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("Q4_K".parse(), Ok(Q4_K_M));
        assert_eq!("q8_0".parse(), Ok(Q8_0));
        assert!("q9".parse::<Quantization>().unwrap_err().contains("there is f32, f16, bf16, q8_0"));
        for name in Quantization::names() {
            assert_eq!(name.parse::<Quantization>().unwrap().name(), name);
        }
    }
}
