//! Checkpoints whose tensors have other names, or lie otherwise, than a model's class in transformers 4 gives them.

use super::convert::{Encoding, Layout};
use super::view::View;
use super::{Stored, Weights};
use crate::LoadError;
use crate::models::Family;
use std::collections::BTreeMap;

/// What `torch.compile` and FSDP put into names, wherever they wrapped a part of the model.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// What `DataParallel` puts before all names.
const PARALLEL: &str = "module.";

impl Weights {
    /// Gives tensors the names and shapes of the family's checkpoints: without what wrappers of training put into names, of a model
    /// that also sees the language model alone, and experts one by one.
    ///
    /// # Errors
    /// Two tensors of one name; an adapter in place of a model.
    pub(crate) fn rename(&mut self, family: Option<&Family>) -> Result<(), LoadError> {
        self.unwrap_names()?;
        self.keep_language_model();
        if let Some(names) = family.and_then(|f| f.experts) {
            self.split_experts(names)?;
        }
        Ok(())
    }

    fn unwrap_names(&mut self) -> Result<(), LoadError> {
        let bare = |name: &str| name.split('.').filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".");
        let mut names: Vec<(String, String)> = self.tensors.keys().map(|name| (name.clone(), bare(name))).collect();
        while !names.is_empty() && names.iter().all(|(_, new)| new.starts_with(PARALLEL)) {
            names.iter_mut().for_each(|(_, new)| *new = new[PARALLEL.len()..].to_string());
        }
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for (old, new) in &names {
            if let Some(other) = taken.insert(new.clone(), old.clone()) {
                let reason = format!("without what training has put into the names, it is {new}, and so is {other}");
                return Err(self.bad_tensor(old, reason));
            }
        }
        for (old, new) in names.into_iter().filter(|(old, new)| old != new) {
            if let Some(stored) = self.tensors.remove(&old) {
                self.tensors.insert(new, stored);
            }
        }
        Ok(())
    }

    /// Makes one matrix each of what transformers 5 may write as one tensor: `gate_up_proj` `[experts, 2 * width, d]`, of each expert
    /// the gate and then the other, and `down_proj` `[experts, d, width]`. Nothing is read or copied.
    fn split_experts(&mut self, [part, gate, up, down]: [&str; 4]) -> Result<(), LoadError> {
        const MOST: usize = 1 << 16;
        let fused = |name: &String| {
            ["gate_up_proj", "down_proj"].iter().any(|end| name.ends_with(&format!(".mlp.experts.{end}")))
        };
        let names: Vec<String> = self.tensors.keys().filter(|name| fused(name)).cloned().collect();
        for name in names {
            let (Some(layer), Some(stored)) =
                (name.find(".mlp.experts.").map(|at| name[..at].to_string()), self.tensors.remove(&name))
            else {
                continue;
            };
            let own: &[&str] = if name.ends_with("gate_up_proj") { &[gate, up] } else { &[down] };
            let plain = stored.layout == Layout::Same && stored.view == View::Whole && stored.scales.is_none();
            let parts = match (stored.dims[..].as_ref(), stored.encoding) {
                ([n @ 1..MOST, rows, columns], Encoding::Plain(_)) if plain && rows.is_multiple_of(own.len()) => {
                    Some((*n, rows / own.len(), *columns))
                }
                _ => None,
            };
            let Some((n, rows, columns)) = parts else {
                let (encoding, dims) = (stored.encoding, &stored.dims);
                let reason = format!("it is {encoding} {dims:?}, not the matrices of experts one behind the other");
                return Err(self.bad_tensor(&name, reason));
            };
            let bytes = stored.range.len() / (n * own.len());
            for (i, (expert, matrix)) in (0..n).flat_map(|expert| own.iter().map(move |m| (expert, m))).enumerate() {
                let range = stored.range.start + i * bytes..stored.range.start + (i + 1) * bytes;
                let one =
                    Stored { dims: vec![rows, columns], range, view: View::Whole, scales: None, ..stored.clone() };
                self.tensors.insert(format!("{layer}.{part}.experts.{expert}.{matrix}.weight"), one);
            }
            // the router changes its name with them
            for end in ["weight", "e_score_correction_bias"].iter().filter(|_| part != "mlp") {
                if let Some(router) = self.tensors.remove(&format!("{layer}.mlp.gate.{end}")) {
                    self.tensors.insert(format!("{layer}.{part}.gate.{end}"), router);
                }
            }
        }
        Ok(())
    }

    /// Does the checkpoint hold a head that is not the embedding? A configuration that ties them means nothing then: transformers 5
    /// takes the head of the file.
    pub(crate) fn has_own_head(&self) -> bool {
        // (layers that predict several tokens may have embeddings too, under longer names)
        let named =
            |name: &str, end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let ends =
            |end: &str| self.tensors.iter().filter(|(name, _)| named(name, end)).min_by_key(|(name, _)| name.len());
        let embedding = ["embed_tokens.weight", "wte.weight"].iter().find_map(|end| ends(end));
        let (Some((_, head)), Some((_, embedding))) = (ends("lm_head.weight"), embedding) else { return false };
        let same_form = head.encoding == embedding.encoding && head.dims == embedding.dims;
        let plain = |s: &Stored| s.layout == Layout::Same && s.view == View::Whole && s.scales.is_none();
        let same_place = head.file == embedding.file && head.range == embedding.range && head.view == embedding.view;
        let same = same_place || (plain(head) && plain(embedding) && self.slice(head) == self.slice(embedding));
        let equal = same_form && same;
        [head, embedding].iter().for_each(|s| self.files[s.file].forget(s.range.clone()));
        !equal
    }
}
