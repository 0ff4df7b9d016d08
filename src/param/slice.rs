//! Parameters that are slices of stored tensors: checkpoints fuse matrices that a model keeps apart.
use super::{Int8, Param, Stored};

/// Which part of a stored tensor a parameter is: the indices `start, start + step, ..` of one axis, as many as the
/// parameter has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The axis, counted as the checkpoint orders the parameter's axes before it merges them: for a transposed matrix
    /// outputs come first. Stacks do not count.
    pub axis: usize,
    /// The first index.
    pub start: usize,
    /// From one index to the next.
    pub step: usize,
    /// The size of the axis in the stored tensor.
    pub of: usize,
}

/// A slice of a row-major array, seen as `[outer, of, inner]`: the indices `start, start + step, ..` of the middle axis,
/// `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Sizes of the axes before the sliced one, multiplied.
    pub outer: usize,
    /// Size of the sliced axis.
    pub of: usize,
    /// Sizes of the axes after it, multiplied.
    pub inner: usize,
    /// The first index.
    pub start: usize,
    /// From one index to the next; at least 1.
    pub step: usize,
    /// How many indices.
    pub count: usize,
}

impl Selection {
    /// How many elements it has.
    pub fn elements(&self) -> usize {
        self.outer * self.count * self.inner
    }
    /// Its runs of consecutive elements, in their order: where each begins in the whole array, and how long each is.
    pub fn runs(&self) -> (impl Iterator<Item = usize> + use<>, usize) {
        let Selection { outer, of, inner, start, step, count } = *self;
        let (count, length) = if step == 1 { (1, count * inner) } else { (count, inner) };
        let begins = (0..outer).flat_map(move |o| (0..count).map(move |i| (o * of + start + i * step) * inner));
        (begins, length)
    }
}

impl Param {
    /// A slice of the stored tensor: from index `start` of `axis`, whose size there is `of`. See [`Slice::axis`] for how axes
    /// are counted. The parameters of a fused matrix share its checkpoint name.
    ///
    /// ```
    /// use raxla::param::Param;
    /// // Phi-3 stores queries, keys and values in one: `[(6 + 2 + 2) * 16, 64]`
    /// let part = |heads, start| {
    ///     let p = Param::new([64, heads, 16], ["embed", "heads", "head"]).stored("qkv_proj.weight");
    ///     p.transposed(1).slice(0, start, 6 + 2 + 2)
    /// };
    /// let (q, k, v) = (part(6, 0), part(2, 6), part(2, 6 + 2));
    /// assert!([q, k, v].iter().all(|p| p.checkpoint_dims() == [160, 64]));
    /// ```
    pub fn slice(self, axis: usize, start: usize, of: usize) -> Param {
        self.strided(axis, start, 1, of)
    }
    /// Every `step`-th index of an axis of the stored tensor, from `start` on: what is interleaved there. See
    /// [`slice`](Param::slice).
    pub fn strided(self, axis: usize, start: usize, step: usize, of: usize) -> Param {
        Param { slice: Some(Slice { axis, start, step, of }), ..self }
    }

    /// The order in which a checkpoint holds the axes, stacks not counted.
    pub fn stored_order(&self) -> Vec<usize> {
        let rank = self.aval.dims.len() - self.stacks;
        match self.layout {
            Stored::AsIs => (0..rank).collect(),
            Stored::Transposed(inputs) => (inputs..rank).chain(0..inputs).collect(),
        }
    }
    /// Sizes of the axes of the whole stored tensor, before axes are merged.
    pub(super) fn whole_dims(&self) -> Vec<usize> {
        let own = &self.aval.dims[self.stacks..];
        let mut dims: Vec<usize> = self.stored_order().into_iter().map(|i| own[i]).collect();
        if let Some(Slice { axis, of, .. }) = self.slice
            && axis < dims.len()
        {
            dims[axis] = of;
        }
        dims
    }
    /// Which elements of the stored tensor it is; `None` if it is all of them. Each part of a stack is this selection of a
    /// tensor of its own.
    ///
    /// # Errors
    /// A slice that lies outside of the stored tensor, or of an axis that is not there, and how.
    pub fn selection(&self) -> Result<Option<Selection>, String> {
        if let Some(Int8::Scales { matrix, .. }) = &self.int8 {
            return matrix.selection();
        }
        let Some(Slice { axis, start, step, of }) = self.slice else { return Ok(None) };
        let own = &self.aval.dims[self.stacks..];
        let dims: Vec<usize> = self.stored_order().into_iter().map(|i| own[i]).collect();
        let count = *dims.get(axis).ok_or_else(|| format!("there is no axis {axis} to slice in {dims:?}"))?;
        let last = start + step * count.saturating_sub(1);
        if step == 0 || last >= of.max(1) {
            return Err(format!("indices {start}, {start} + {step}, .., {last} of an axis of size {of}"));
        }
        let (outer, inner) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
        Ok(Some(Selection { outer, of, inner, start, step, count }))
    }
    /// The slice of a bias that goes with this slice of a matrix, whose first `inputs` axes are inputs.
    pub(super) fn bias_slice(&self, inputs: usize) -> Option<Slice> {
        let slice = self.slice?;
        match self.layout {
            // outputs come first
            Stored::Transposed(_) => (slice.axis < self.aval.dims.len() - self.stacks - inputs).then_some(slice),
            Stored::AsIs => Some(Slice { axis: slice.axis.checked_sub(inputs)?, ..slice }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(p: &Param) -> Selection {
        p.selection().unwrap().unwrap()
    }

    #[test]
    fn fused_tensors_of_published_models() {
        let (d, h, g, k, f, e) = (12, 3, 2, 4, 5, 6);
        let axes = ["embed", "heads", "head"];
        // Phi-3
        let v = Param::new([d, g, k], axes).slice(0, h + g, h + 2 * g).stored("qkv_proj.weight").transposed(1);
        assert_eq!(v.checkpoint_dims(), [(h + 2 * g) * k, d]);
        let all = Selection { outer: 1, of: h + 2 * g, inner: k * d, start: h + g, step: 1, count: g };
        assert_eq!(selected(&v), all);
        let bias = v.bias(1);
        assert_eq!((bias.checkpoint_dims(), selected(&bias)), (vec![(h + 2 * g) * k], Selection { inner: k, ..all }));
        let up = Param::new([d, f], ["embed", "mlp"]).stored("gate_up_proj.weight").transposed(1).slice(0, f, 2 * f);
        assert_eq!(up.checkpoint_dims(), [2 * f, d]);
        assert_eq!(selected(&up).runs().0.collect::<Vec<_>>(), [f * d]);
        // GPT-2
        let key = Param::new([d, h, k], axes).slice(1, h, 3 * h).stored("c_attn.weight").merged([d, 3 * d]);
        assert_eq!(key.checkpoint_dims(), [d, 3 * d]);
        assert_eq!(selected(&key), Selection { outer: d, of: 3 * h, inner: k, start: h, step: 1, count: h });
        assert_eq!((key.bias(1).checkpoint_dims(), key.bias(1).slice.unwrap().axis), (vec![3 * d], 0));
        // DeepSeek
        let (nope, value) = (4, 3);
        let v_b = Param::new([7, h, value], axes).transposed(1).slice(1, nope, nope + value);
        assert_eq!(v_b.checkpoint_dims(), [h * (nope + value), 7]);
        assert_eq!(selected(&v_b), Selection { outer: h, of: 7, inner: 7, start: nope, step: 1, count: value });
        // GPT-OSS, in a stack of layers
        let up =
            Param::new([e, d, f], ["experts", "embed", "mlp"]).stored("layers.{}.gate_up_proj").strided(2, 1, 2, 2 * f);
        let up = up.stacked(9, "layers");
        assert_eq!((up.checkpoint_dims(), up.checkpoint_names().len()), (vec![e, d, 2 * f], 9));
        assert_eq!(selected(&up), Selection { outer: e * d, of: 2 * f, inner: 1, start: 1, step: 2, count: f });
        let bias = Param::new([e, f], ["experts", "mlp"]).strided(1, 1, 2, 2 * f);
        assert_eq!(selected(&bias).runs().0.take(6).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11]);
        // a slice of the inputs leaves the bias whole
        let inputs = Param::new([d, f], ["embed", "mlp"]).transposed(1).slice(1, 0, 2 * d);
        assert_eq!((inputs.checkpoint_dims(), inputs.bias(1).slice), (vec![f, 2 * d], None));
    }

    #[test]
    fn slices_outside_are_refused() {
        let p = || Param::new([4, 6], ["embed", "mlp"]);
        assert!(p().selection().unwrap().is_none());
        assert_eq!(p().slice(1, 5, 10).selection().unwrap_err(), "indices 5, 5 + 1, .., 10 of an axis of size 10");
        assert!(p().strided(0, 1, 2, 8).selection().is_ok() && p().strided(0, 2, 2, 8).selection().is_err());
        assert!(p().strided(0, 0, 0, 8).selection().is_err());
        assert_eq!(p().slice(2, 0, 10).selection().unwrap_err(), "there is no axis 2 to slice in [4, 6]");
    }
}
