//! Flax's names of parameters: the modules of Hugging Face's names, and leaves as Flax's layers call them. One table for Linen and
//! for NNX, to write and to read. docs/flax.md has its rules in words.

mod msgpack;

pub(crate) use msgpack::CHUNKED;
pub(super) use msgpack::tensors;

use super::convert::{Encoding, Layout};
use super::view::View;
use super::{DType, Stored};
use std::ops::Range;

/// Whose layers the parameters belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layers {
    /// Flax's own: `Dense` (in NNX `Linear`), `Embed`, `LayerNorm`, `RMSNorm`.
    Flax,
    /// Those of transformers 4, whose RMS norms call their gains `weight`, and whose GPT-2 has its matrices as `[out, in]`.
    Transformers,
}

/// How a kind of parameter is called, in Flax and in PyTorch.
struct Rule {
    flax: &'static str,
    torch: &'static str,
    rank: usize,
    /// Is Flax's array the transposed one?
    transposed: bool,
    /// The modules that have it; all if there are none.
    modules: &'static [&'static str],
    /// Whose layers have it; all if `None`.
    layers: Option<Layers>,
}

const fn rule(flax: &'static str, rank: usize, transposed: bool) -> Rule {
    Rule { flax, torch: "weight", rank, transposed, modules: &[], layers: None }
}

const EMBEDDINGS: &[&str] = &["embed_tokens", "wte", "wpe"];
/// The matrices that PyTorch's GPT-2 has as `[in, out]`.
const CONV1D: &[&str] = &["c_attn", "c_proj", "c_fc"];
const RMS_NORMS: &[&str] = &["input_layernorm", "post_attention_layernorm", "norm"];

/// The first that fits holds, in both directions. What fits none keeps its name and its shape.
const RULES: &[Rule] = &[
    Rule { modules: EMBEDDINGS, ..rule("embedding", 2, false) },
    Rule { modules: CONV1D, layers: Some(Layers::Flax), ..rule("kernel", 2, false) },
    rule("kernel", 2, true),
    Rule { modules: RMS_NORMS, layers: Some(Layers::Transformers), ..rule("weight", 1, false) },
    rule("scale", 1, false),
];

const DTYPES: [(&str, DType); 22] = [
    ("float32", DType::F32),
    ("bfloat16", DType::BF16),
    ("float16", DType::F16),
    ("float64", DType::F64),
    ("float8_e4m3fn", DType::F8E4M3FN),
    ("float8_e5m2", DType::F8E5M2),
    ("float8_e3m4", DType::F8E3M4),
    ("float8_e4m3", DType::F8E4M3),
    ("float8_e4m3b11fnuz", DType::F8E4M3B11FNUZ),
    ("float8_e4m3fnuz", DType::F8E4M3FNUZ),
    ("float8_e5m2fnuz", DType::F8E5M2FNUZ),
    ("float8_e8m0fnu", DType::F8E8M0FNU),
    ("float4_e2m1fn", DType::F4E2M1FN),
    ("int64", DType::I64),
    ("int32", DType::I32),
    ("int16", DType::I16),
    ("int8", DType::I8),
    ("uint64", DType::U64),
    ("uint32", DType::U32),
    ("uint16", DType::U16),
    ("uint8", DType::U8),
    ("bool", DType::Bool),
];

impl Rule {
    /// Does it speak of what this module has, in these layers?
    fn holds(&self, module: Option<&&str>, layers: Layers) -> bool {
        (self.modules.is_empty() || module.is_some_and(|m| self.modules.contains(m)))
            && self.layers.is_none_or(|own| own == layers)
    }
}

/// Flax's path of a parameter, and whether its array is the transposed one.
pub(crate) fn path(name: &str, rank: usize, layers: Layers) -> (Vec<String>, bool) {
    let mut path: Vec<&str> = name.split('.').collect();
    let leaf = path.pop().unwrap_or_default();
    let rule = RULES.iter().find(|r| r.torch == leaf && r.rank == rank && r.holds(path.last(), layers));
    path.push(rule.map_or(leaf, |r| r.flax));
    (path.into_iter().map(String::from).collect(), rule.is_some_and(|r| r.transposed))
}

/// The name in PyTorch of a path in Flax, and whether the array must be transposed: not one of another rank, which is no parameter
/// of that name.
pub(crate) fn torch<S: AsRef<str>>(path: &[S], rank: usize, layers: Layers) -> (String, bool) {
    let mut path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    let leaf = path.pop().unwrap_or_default();
    let rule = RULES.iter().find(|r| r.flax == leaf && r.holds(path.last(), layers));
    path.push(rule.map_or(leaf, |r| r.torch));
    (path.join("."), rule.is_some_and(|r| r.transposed && rank == r.rank))
}

/// As numpy calls it.
pub(crate) fn dtype_name(dtype: DType) -> Option<&'static str> {
    DTYPES.iter().find(|(_, d)| *d == dtype).map(|(name, _)| *name)
}

/// The dtype that numpy calls so.
pub(super) fn dtype(name: &str) -> Option<DType> {
    DTYPES.iter().find(|(known, _)| *known == name).map(|(_, d)| *d)
}

/// An array of a tree, and where its values are.
pub(super) struct Array {
    pub(super) path: Vec<String>,
    pub(super) dtype: DType,
    pub(super) dims: Vec<usize>,
    pub(super) range: Range<usize>,
    pub(super) view: View,
}

/// The paths of the parameters of a tree, among other things that belong to them. A state of training and the variables of a Linen
/// module have them below `params`, as the only ones that count. Where all leaves are `value`, as those of an `nnx.State` are, that
/// is no part of their names. What NNX modules keep to draw random numbers from, `rngs`, is no parameter.
pub(super) fn parameters<T>(mut all: Vec<T>, path: impl Fn(&mut T) -> &mut Vec<String>) -> Vec<T> {
    let below = |path: &Vec<String>| path.len() > 1 && path[0] == "params";
    while all.iter_mut().any(|x| below(path(x))) {
        all.retain_mut(|x| below(path(x)));
        all.iter_mut().for_each(|x| drop(path(x).remove(0)));
    }
    all.retain_mut(|x| !path(x).iter().any(|part| part == "rngs"));
    if all.iter_mut().all(|x| path(x).len() > 1 && path(x).last().is_some_and(|last| last == "value")) {
        all.iter_mut().for_each(|x| drop(path(x).pop()));
    }
    all
}

/// Whose layers have these arrays. Both have kernels of the same name for GPT-2, the one transposed to the other: of that for
/// queries, keys and values together, Flax's own layer has more columns than rows.
pub(super) fn layers(arrays: &[Array]) -> Layers {
    let of_flax = |array: &Array| match (&array.path[..], &array.dims[..]) {
        ([.., module, leaf], [rows, columns]) => module == "c_attn" && leaf == "kernel" && rows < columns,
        ([.., module, leaf], [_]) => module.ends_with("norm") && leaf == "scale",
        _ => false,
    };
    if arrays.iter().any(of_flax) { Layers::Flax } else { Layers::Transformers }
}

/// Parameters by their names in PyTorch.
pub(super) fn named(arrays: Vec<Array>, layers: Layers) -> impl Iterator<Item = (String, Stored)> {
    arrays.into_iter().map(move |Array { path, dtype, mut dims, range, view }| {
        let (name, transposed) = torch(&path, dims.len(), layers);
        let layout = if transposed { Layout::Transposed } else { Layout::Same };
        if transposed {
            dims.reverse();
        }
        let encoding = Encoding::Plain(dtype);
        (name, Stored { file: 0, encoding, dims, range, layout, view, hidden: false, scales: None })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_back() {
        use Layers::*;
        for (name, rank, layers, want, transposed) in [
            ("model.embed_tokens.weight", 2, Flax, "model/embed_tokens/embedding", false),
            ("model.layers.7.self_attn.q_proj.weight", 2, Flax, "model/layers/7/self_attn/q_proj/kernel", true),
            ("model.layers.7.self_attn.q_proj.bias", 1, Flax, "model/layers/7/self_attn/q_proj/bias", false),
            ("model.layers.7.self_attn.q_norm.weight", 1, Flax, "model/layers/7/self_attn/q_norm/scale", false),
            ("model.norm.weight", 1, Flax, "model/norm/scale", false),
            ("model.norm.weight", 1, Transformers, "model/norm/weight", false),
            ("transformer.h.0.ln_1.weight", 1, Transformers, "transformer/h/0/ln_1/scale", false),
            ("transformer.h.0.attn.c_attn.weight", 2, Transformers, "transformer/h/0/attn/c_attn/kernel", true),
            ("transformer.h.0.attn.c_attn.weight", 2, Flax, "transformer/h/0/attn/c_attn/kernel", false),
            ("transformer.wpe.weight", 2, Flax, "transformer/wpe/embedding", false),
            ("m.mlp.experts.3.up_proj.weight", 2, Flax, "m/mlp/experts/3/up_proj/kernel", true),
            ("m.mlp.experts.gate_up_proj", 3, Flax, "m/mlp/experts/gate_up_proj", false),
            ("m.mlp.gate.e_score_correction_bias", 1, Flax, "m/mlp/gate/e_score_correction_bias", false),
            ("lm_head.weight", 2, Flax, "lm_head/kernel", true),
        ] {
            let (path, turned) = path(name, rank, layers);
            assert_eq!((path.join("/").as_str(), turned), (want, transposed));
            assert_eq!(torch(&path, rank, layers), (name.to_string(), transposed));
        }
        assert_eq!(torch(&["q_proj", "kernel"], 3, Flax), ("q_proj.weight".to_string(), false));
    }

    #[test]
    fn what_is_around_parameters() {
        let select = |paths: &[&str]| {
            let paths: Vec<Vec<String>> = paths.iter().map(|p| p.split('/').map(String::from).collect()).collect();
            parameters(paths, |p| p).into_iter().map(|p| p.join("/")).collect::<Vec<_>>()
        };
        assert_eq!(select(&["params/params/a/kernel", "params/cache/x", "step"]), ["a/kernel"]);
        assert_eq!(select(&["a/kernel/value", "d/rngs/key/value"]), ["a/kernel"]);
        assert_eq!(select(&["a/kernel/value", "a/scale"]), ["a/kernel/value", "a/scale"]);
        assert!(select(&[]).is_empty());
    }
}
