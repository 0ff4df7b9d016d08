//! The tensors that a model's parameters are written as: several parameters may be one tensor, and one may be several.

use super::tensors::{Entry, Tensors};
use crate::{
    Error, Result,
    params::selection,
    weights::{Encoding, plain_dtype, reordered, scatter},
};
use raxla::{
    Array, DType, Param,
    param::{Selection, Stored},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

/// The parameters of a model. A parameter that stacks several things is as many tensors; parameters that are slices of a
/// stored tensor are one together.
pub(super) struct FromParams<'a> {
    params: &'a [(String, Param)],
    values: &'a [Array],
    entries: Vec<Entry>,
    /// What each entry is made of.
    pieces: Vec<Vec<Piece>>,
    /// The parameters read last: those of one entry.
    last: RefCell<BTreeMap<usize, Vec<u8>>>,
}

/// A part of a parameter (one thing of those that it stacks), and where in the stored tensor its values are.
struct Piece {
    number: usize,
    part: usize,
    selection: Option<Selection>,
}

impl<'a> FromParams<'a> {
    pub(super) fn new(
        params: &'a [(String, Param)],
        values: &'a [Array],
        dtype: Option<DType>,
    ) -> Result<FromParams<'a>> {
        if let Some((path, _)) = params.iter().find(|(_, p)| p.int8.is_some()) {
            let help = "load the model without quantising it";
            let what = format!("`{path}` is in 8-bit integers, which is not what checkpoints hold\n  help: {help}");
            return Err(Error::Usage(what));
        }
        if params.len() != values.len() {
            return Err(Error::Usage(format!("{} values for {} parameters", values.len(), params.len())));
        }
        let mut all = FromParams { params, values, entries: vec![], pieces: vec![], last: Default::default() };
        let mut known = HashMap::new();
        for (number, ((path, p), value)) in params.iter().zip(values).enumerate() {
            let want = p.held(value.dtype());
            if value.dims() != want.dims.as_slice() {
                let (have, want) = (value.dims(), &want.dims);
                return Err(Error::Usage(format!("parameter `{path}` has the shape {have:?}, not {want:?}")));
            }
            if p.name.is_empty() {
                return Err(Error::Usage(format!("parameter `{path}` has no name in checkpoints")));
            }
            let selection = selection(path, p)?;
            for (part, name) in p.checkpoint_names().into_iter().enumerate().filter(|_| p.tied.is_none()) {
                let own = stored_dtype(p, value);
                let dtype = dtype.filter(|_| own.is_float()).unwrap_or(own);
                let entry = Entry { name: name.clone(), dtype, dims: p.checkpoint_dims() };
                let at = *known.entry(name).or_insert(all.entries.len());
                match all.entries.get(at) {
                    None => {
                        all.entries.push(entry);
                        all.pieces.push(vec![]);
                    }
                    Some(first) if (first.dtype, &first.dims) == (dtype, &entry.dims) => {}
                    Some(first) => {
                        let a = &params[all.pieces[at][0].number].0;
                        return Err(Error::Usage(format!(
                            "parameters `{a}` and `{path}` are both in {}, but of one it is {} {:?}, of the other {dtype} {:?}",
                            first.name, first.dtype, first.dims, entry.dims
                        )));
                    }
                }
                all.pieces[at].push(Piece { number, part, selection });
            }
        }
        for (entry, pieces) in all.entries.iter().zip(&all.pieces) {
            all.check_covered(entry, pieces)?;
        }
        for (number, (_, p)) in params.iter().enumerate() {
            if let Some(original) = &p.tied {
                all.check_copy(number, original, dtype)?;
            }
        }
        all.last.take();
        Ok(all)
    }

    /// The number of the first parameter that this entry is made of.
    pub(super) fn source(&self, entry: usize) -> usize {
        self.pieces[entry][0].number
    }

    /// Every value of a stored tensor is in one parameter, and in no other.
    fn check_covered(&self, entry: &Entry, pieces: &[Piece]) -> Result<()> {
        let (name, dims) = (&entry.name, &entry.dims);
        let (total, path) = (dims.iter().product::<usize>(), |piece: &Piece| &self.params[piece.number].0);
        let whole = Selection { outer: 1, of: 1, inner: total, start: 0, step: 1, count: 1 };
        let selected = |piece: &Piece| piece.selection.unwrap_or(whole);
        for piece in pieces {
            let own = self.params[piece.number].1.aval.dims[self.params[piece.number].1.stacks()..].iter().product();
            let s = selected(piece);
            if (s.outer * s.of * s.inner, s.elements()) != (total, own) {
                let path = path(piece);
                return Err(Error::Usage(format!("parameter `{path}` of {own} values does not fit {name} {dims:?}")));
            }
        }
        // where the selections repeat themselves, one period tells all
        let least = pieces.iter().map(|p| selected(p).outer).min().unwrap_or(1).max(1);
        let periods = if pieces.iter().all(|p| selected(p).outer.is_multiple_of(least)) { least } else { 1 };
        let runs = pieces.iter().flat_map(|piece| {
            let s = selected(piece);
            let (begins, length) = Selection { outer: s.outer / periods, ..s }.runs();
            begins.map(move |begin| (begin, begin + length, path(piece))).filter(|(begin, end, _)| begin < end)
        });
        let mut runs: Vec<_> = runs.collect();
        runs.sort_unstable();
        let missing = |from: usize, to: usize| {
            let all = pieces.iter().map(|p| format!("`{}`", path(p))).collect::<Vec<_>>().join(", ");
            Err(Error::Usage(format!(
                "{name} {dims:?} cannot be written: of each {} values, {from} to {} are in no parameter, only others in {all}",
                total / periods,
                to - 1
            )))
        };
        let (mut at, mut before) = (0, "");
        for (begin, end, path) in runs {
            if begin > at {
                return missing(at, begin);
            }
            if begin < at {
                return Err(Error::Usage(format!(
                    "parameters `{before}` and `{path}` are both the same values of {name}\n  \
                     help: a parameter that is a copy says so with `Param::tied_to`"
                )));
            }
            (at, before) = (end, path);
        }
        if at < total / periods { missing(at, total / periods) } else { Ok(()) }
    }

    /// A copy that is written with its original must be equal to it.
    fn check_copy(&self, number: usize, original: &str, dtype: Option<DType>) -> Result<()> {
        let (path, p) = &self.params[number];
        let of = self.params.iter().position(|(path, _)| path == original).ok_or_else(|| {
            Error::Usage(format!("parameter `{path}` is tied to `{original}`, which is none of the parameters"))
        })?;
        let names = p.checkpoint_names();
        if names != self.params[of].1.checkpoint_names() {
            let name = &self.params[of].1.name;
            return Err(Error::Usage(format!("`{path}` is tied to `{original}`, but is not stored as {name}")));
        }
        self.fetch(&[of, number])?;
        for (part, name) in names.iter().enumerate() {
            let [a, b] = [of, number].map(|number| self.stored_order(number, part, dtype));
            if a? != b? {
                return Err(Error::Usage(format!(
                    "parameters `{original}` and `{path}` differ, but a checkpoint stores both as {name}\n  \
                     help: train a tied head as the embedding itself (leave `head` out), or set tie_word_embeddings to false"
                )));
            }
        }
        Ok(())
    }

    /// Brings the values of these parameters to the host; those of others go first, so that memory does not grow with the
    /// model.
    fn fetch(&self, numbers: &[usize]) -> Result<()> {
        let mut last = self.last.borrow_mut();
        last.retain(|number, _| numbers.contains(number));
        for number in numbers {
            if !last.contains_key(number) {
                let (p, value) = (&self.params[*number].1, &self.values[*number]);
                let bytes = value.to_bytes()?;
                last.insert(*number, if p.packing.is_some() { unpacked(p, &bytes) } else { bytes });
            }
        }
        Ok(())
    }

    /// A part of a fetched parameter, in the order of the checkpoint.
    fn stored_order(&self, number: usize, part: usize, dtype: Option<DType>) -> Result<Vec<u8>> {
        let (own, n) = (self.dtype(number), self.part_length(number));
        let to = dtype.filter(|_| own.is_float()).unwrap_or(own);
        let mut out = vec![0; n * (to.bits() / 8)];
        self.write_stored(number, part, to, &mut out)?;
        Ok(out)
    }

    /// The dtype of the values that were fetched: of packed ones, f32.
    fn dtype(&self, number: usize) -> DType {
        match self.params[number].1.packing {
            Some(_) => DType::F32,
            None => self.values[number].dtype(),
        }
    }

    fn part_length(&self, number: usize) -> usize {
        let p = &self.params[number].1;
        p.aval.dims[p.stacks()..].iter().product()
    }

    fn write_stored(&self, number: usize, part: usize, to: DType, out: &mut [u8]) -> Result<()> {
        let (p, from) = (&self.params[number].1, self.dtype(number));
        let last = self.last.borrow();
        let length = self.part_length(number) * (from.bits() / 8);
        let src = last.get(&number).and_then(|bytes| bytes.get(part * length..)?.get(..length)).unwrap_or_default();
        let rows = match p.layout {
            Stored::AsIs => None,
            Stored::Transposed(inputs) => Some(p.aval.dims[p.stacks() + inputs..].iter().product()),
        };
        reordered(src, from, rows, to, out).ok_or_else(|| Error::Usage(format!("{from} cannot be written as {to}")))
    }
}

/// The dtype in which a parameter is written if none is asked for: that of its numbers or, of blocks, f32.
fn stored_dtype(p: &Param, value: &Array) -> DType {
    match &p.packing {
        Some(packing) => plain_dtype(packing.format).unwrap_or(DType::F32),
        None => value.dtype(),
    }
}

/// The numbers of a packed parameter as f32, in its own order.
fn unpacked(p: &Param, bytes: &[u8]) -> Vec<u8> {
    let Some(packing) = &p.packing else { return bytes.to_vec() };
    let (k, n) = (packing.inputs, packing.outputs());
    let whole: usize = packing.dims().iter().product();
    let part = |bytes: &[u8]| {
        let numbers = raxla_kernels::format::unpack(packing.format, bytes, k, n);
        match p.axes.get(p.stacks()) == Some(&"vocab") {
            // a table's tokens come first
            true => (0..k * n).flat_map(|i| numbers[i % k * n + i / k].to_le_bytes()).collect::<Vec<u8>>(),
            false => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    };
    bytes.chunks_exact(whole.max(1)).flat_map(part).collect()
}

impl Tensors for FromParams<'_> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }
    fn own(&self, i: usize) -> Encoding {
        let dtype = self.pieces[i].first().map(|piece| self.values[piece.number].dtype());
        Encoding::Plain(dtype.unwrap_or(self.entries[i].dtype))
    }
    fn read(&self, i: usize, out: &mut [u8]) -> Result<()> {
        let (to, pieces) = (self.entries[i].dtype, &self.pieces[i]);
        self.fetch(&pieces.iter().map(|piece| piece.number).collect::<Vec<_>>())?;
        for Piece { number, part, selection } in pieces {
            match selection {
                None => self.write_stored(*number, *part, to, out)?,
                Some(selection) => {
                    let own = self.stored_order(*number, *part, Some(to))?;
                    scatter(selection, to.bits() / 8, &own, out);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SaveOptions, config::HfConfig, params, weights::Weights};
    use raxla::{Client, runtime};
    use std::path::Path;

    const LAYERS: usize = 2;

    /// Parameters of layers, stacked or listed.
    fn layers(stacked: bool, each: Vec<(&str, Param)>) -> Vec<(String, Param)> {
        let of = |(path, p): (&str, Param)| match stacked {
            true => vec![(path.to_string(), p.stacked(LAYERS, "layers"))],
            false => (0..LAYERS).map(|i| (format!("{i}.{path}"), p.clone().of_layer(i))).collect(),
        };
        each.into_iter().flat_map(of).collect()
    }

    fn part(dims: [usize; 3], axes: [&'static str; 3], name: &str) -> Param {
        Param::new(dims, axes).normal(0.5).stored(format!("layers.{{}}.{name}"))
    }

    /// The slices of stored tensors that published models have.
    fn fused(stacked: bool) -> Vec<(String, Param)> {
        let (d, h, g, k, f, e) = (8, 3, 2, 4, 6, 2);
        let axes = ["embed", "heads", "head"];
        let qkv = |heads, at| part([d, heads, k], axes, "qkv_proj.weight").transposed(1).slice(0, at, h + 2 * g);
        let bias = |heads, at| qkv(heads, at).bias(1).ones().stored("layers.{}.qkv_proj.bias");
        let wide = |at| {
            let p = Param::new([d, f], ["embed", "mlp"]).normal(0.5).stored("layers.{}.gate_up_proj.weight");
            p.slice(0, at * f, 2 * f).transposed(1)
        };
        let conv = |at| part([d, h, k], axes, "c_attn.weight").merged([d, 3 * h * k]).slice(1, at * h, 3 * h);
        let latent = |size, at| part([5, h, size], axes, "kv_b_proj.weight").transposed(1).slice(1, at, 7);
        let expert = |at| part([e, d, f], ["experts", "embed", "mlp"], "experts.gate_up_proj").strided(2, at, 2, 2 * f);
        // experts that are stored one by one
        let own = |at| {
            let p = Param::new([d, f], ["embed", "mlp"]).normal(0.5).stored("layers.{}.experts.{}.w13");
            p.transposed(1).strided(0, at, 2, 2 * f).stacked(e, "experts")
        };
        let mut all = layers(
            stacked,
            vec![
                ("q", qkv(h, 0)),
                ("k", qkv(g, h)),
                ("v", qkv(g, h + g)),
                ("bq", bias(h, 0)),
                ("bk", bias(g, h)),
                ("bv", bias(g, h + g)),
                ("up", wide(1)),
                ("gate", wide(0)),
                ("cq", conv(0)),
                ("ck", conv(1)),
                ("cv", conv(2)),
                ("k_b", latent(3, 0)),
                ("v_b", latent(4, 3)),
                ("experts.gate", expert(0)),
                ("experts.up", expert(1)),
                ("w1", own(0)),
                ("w3", own(1)),
            ],
        );
        let embed = Param::new([7, d], ["vocab", "embed"]).normal(0.5).stored("embed.weight");
        let head = Param::new([d, 7], ["embed", "vocab"]).normal(0.5).transposed(1).stored("embed.weight");
        all.extend([("embed".to_string(), embed), ("head".to_string(), head.tied_to("embed"))]);
        all
    }

    /// The stored tensors as parameters of their own.
    fn whole(stacked: bool) -> Vec<(String, Param)> {
        let mut all: Vec<(String, Param)> = vec![];
        for (path, p) in fused(stacked) {
            if p.tied.is_none() && all.iter().all(|(_, other)| other.name != p.name) {
                let stacks = p.aval.dims[..p.stacks()].to_vec();
                let aval = p.aval.with_dims([&stacks, &p.checkpoint_dims()[..]].concat());
                let mut stored = p.clone().merged(p.checkpoint_dims());
                (stored.aval, stored.layout, stored.slice) = (aval, Stored::AsIs, None);
                all.push((path, stored));
            }
        }
        all
    }

    fn save(params: &[(String, Param)], values: &[Array], dir: &Path) -> Result<crate::Saved> {
        let config = HfConfig::parse(r#"{"model_type": "none"}"#, "config.json")?;
        crate::save(params, values, &config, dir, &SaveOptions::default())
    }

    fn random(params: &[(String, Param)], dtype: DType, client: &Client) -> Vec<Array> {
        let specs: Vec<Param> = params.iter().map(|(_, p)| p.clone().cast(dtype)).collect();
        raxla::param::init_on(&specs, &raxla::Key::host(3), client).unwrap()
    }

    fn load(params: &[(String, Param)], dir: &Path, dtype: DType, client: &Client) -> Vec<Vec<u8>> {
        let arrays =
            params::load(params, &Weights::open(dir).unwrap(), &|_| false, dtype, client, None, false).unwrap();
        arrays.iter().map(|a| a.to_bytes().unwrap()).collect()
    }

    #[test]
    fn slices_are_put_together_and_taken_apart() {
        let client = runtime::client().unwrap();
        let dir = tempfile::tempdir().unwrap();
        for (i, (dtype, stacked)) in
            [DType::F32, DType::BF16].into_iter().flat_map(|d| [(d, true), (d, false)]).enumerate()
        {
            let (parts, all) = (fused(stacked), whole(stacked));
            let [a, b] = ["parts", "whole"].map(|name| dir.path().join(format!("{i}{name}")));
            let values = random(&parts, dtype, &client);
            let saved = save(&parts, &values, &a).unwrap();
            assert_eq!(saved.tensors, 1 + LAYERS * (2 + 6));
            let bytes: Vec<Vec<u8>> = values.iter().map(|v| v.to_bytes().unwrap()).collect();
            assert!(load(&parts, &a, dtype, &client) == bytes);
            // the same tensors, drawn and written whole
            save(&all, &random(&all, dtype, &client), &b).unwrap();
            let [a, b] = [a, b].map(|dir| std::fs::read(dir.join("model.safetensors")).unwrap());
            assert!(a == b, "{dtype} {stacked}");
        }
    }

    #[test]
    fn the_parts_lie_where_they_are_said_to_lie() {
        let client = runtime::client().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("numbered");
        let all = whole(false);
        let numbered = all.iter().map(|(_, p)| {
            let values: Vec<f32> = (0..p.aval.size()).map(|i| i as f32).collect();
            Array::on(&client, &p.aval.dims[..], &values).unwrap()
        });
        save(&all, &numbered.collect::<Vec<_>>(), &to).unwrap();
        let parts = fused(false);
        let weights = Weights::open(&to).unwrap();
        let arrays = params::load(&parts, &weights, &|_| false, DType::F32, &client, None, false).unwrap();
        let at = |path: &str, index: [usize; 3]| {
            let i = parts.iter().position(|(p, _)| p == path).unwrap();
            let dims = &parts[i].1.aval.dims;
            let flat = dims.iter().zip(&index).fold(0, |at, (d, i)| at * d + i);
            arrays[i].to_vec::<f32>().unwrap()[flat] as usize
        };
        let (d, h, g, k) = (8, 3, 2, 4);
        assert_eq!(at("1.k", [5, 1, 2]), ((h + 1) * k + 2) * d + 5);
        assert_eq!(at("0.v", [7, 1, 3]), ((h + g + 1) * k + 3) * d + 7);
        assert_eq!(at("1.ck", [6, 2, 1]), 6 * 3 * h * k + (h + 2) * k + 1);
        assert_eq!(at("0.v_b", [4, 2, 3]), (2 * 7 + 3 + 3) * 5 + 4);
        assert_eq!(at("0.experts.up", [1, 5, 4]), (d + 5) * 12 + 2 * 4 + 1);
    }

    #[test]
    fn what_does_not_make_up_a_tensor_is_refused() {
        let client = runtime::client().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        let refusal = |params: &[(String, Param)]| {
            let values = random(params, DType::F32, &client);
            save(params, &values, &to).unwrap_err().to_string()
        };
        let p = |name: &str, start, size| {
            let p = Param::new([4, size], ["embed", "mlp"]).normal(1.0).stored("w").transposed(1);
            (name.to_string(), p.slice(0, start, 6))
        };
        let text = refusal(&[p("a", 0, 2), p("b", 3, 3)]);
        assert_eq!(
            text,
            "w [6, 4] cannot be written: of each 24 values, 8 to 11 are in no parameter, only others in `a`, `b`"
        );
        assert!(refusal(&[p("a", 0, 2), p("b", 2, 3)]).contains("20 to 23 are in no parameter"));
        let text = refusal(&[p("a", 0, 3), p("b", 2, 4)]);
        assert!(text.starts_with("parameters `a` and `b` are both the same values of w\n  help: "), "{text}");
        let text = refusal(&[p("a", 0, 6), p("b", 0, 6)]);
        assert!(text.contains("both the same values of w"), "{text}");
        let (path, other) = p("b", 3, 3);
        let text = refusal(&[p("a", 0, 3), (path, other.merged([24]))]);
        assert!(
            text.contains("`a` and `b` are both in w, but of one it is f32 [6, 4], of the other f32 [24]"),
            "{text}"
        );
        let (path, other) = p("b", 0, 6);
        let text = refusal(&[p("a", 0, 6), (path, other.tied_to("c"))]);
        assert_eq!(text, "parameter `b` is tied to `c`, which is none of the parameters");
        // so is a slice that reaches beyond the tensor
        let values = [Array::on(&client, [4, 3], &[0f32; 12]).unwrap()];
        let text = save(&[p("a", 4, 3)], &values, &to).unwrap_err().to_string();
        assert_eq!(text, "parameter `a` is no slice of w: indices 4, 4 + 1, .., 6 of an axis of size 6");
    }
}
