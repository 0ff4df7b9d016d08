//! The decoder that all families are.
use super::{FeedForward, Layer, by_name};
use crate::{LoadError, config::HfConfig};
use raxla::{
    DType, Param, PartitionSpec, RematOptions, Tensor, Tree, concat, full,
    nn::{
        Cache, Embedding, Head, Layers, Learned, Linear, Norm, Packer, Run, Span,
        moe::{Dispatch, load_balancing_loss},
    },
    parallel::pipeline::Schedule,
    prim::Format,
    scope, trace,
};

/// What the layers keep of earlier positions; `None` in each when a whole sequence is computed at once.
pub type Caches<T = Tensor> = Layers<Option<Cache<T>>>;

/// One call of a model.
pub struct Input {
    /// Token ids, i32 `[b, t]`.
    pub tokens: Tensor,
    /// Position of the first of them, i32 scalar.
    pub start: Tensor,
    /// Length of the whole sequence up to the last real token of this call, i32 scalar. Tokens behind it are padding.
    pub length: Tensor,
    /// Length of the prompt, i32 scalar: what was taken in together, in however many calls. Without generation, `length`.
    pub prompt: Tensor,
    /// What earlier calls left behind.
    pub cache: Caches,
    /// For training: what reverse mode keeps of each layer; everything if `None`.
    pub remat: Option<RematOptions>,
    /// For training: rows that several documents share; as they are cut, `start`, `length`, `prompt` and `cache` are those of
    /// [`Decoder::whole`]. Not in a pipeline.
    pub packed: Option<Packed>,
    /// For training: the layers are stages of a pipeline over the mesh axis `pipe`.
    pub pipeline: Option<Schedule>,
}

/// Rows that several documents share: each is computed as if it were alone.
#[derive(Tree, Clone, Copy, Debug, PartialEq)]
pub struct Packed<T = Tensor> {
    /// Which document of its row a token belongs to, i32 `[b, t]`. It sees no other.
    pub segments: T,
    /// Where it stands in that, i32 `[b, t]`.
    pub positions: T,
}

/// What a model computes.
pub struct Output {
    /// After the last norm, `[b, t, d]`.
    pub hidden: Tensor,
    /// The cache with this call's positions.
    pub cache: Caches,
    /// The residual stream before each layer, `[b, t, d]` each. Of a pipeline, none.
    pub states: Layers<Tensor>,
    /// The routers' scores, of each layer with experts `[b * t, experts]`. Of a pipeline, none.
    pub scores: Layers<Option<Tensor>>,
}

/// A model: an embedding, layers, a norm and a head.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Decoder<T = Tensor> {
    /// Of tokens.
    pub embed: Embedding<T>,
    /// Of positions, where they are added to the stream.
    pub positions: Option<Learned<T>>,
    /// The layers.
    pub layers: Layers<Layer<T>>,
    /// Before the head.
    pub norm: Norm<T>,
    /// From the stream to the scores of all tokens.
    pub head: Head<T>,
    /// Factor on the embedding of tokens.
    #[tree(skip)]
    pub embed_scale: Option<f64>,
    /// Logits are squashed into (-cap, cap) by `cap · tanh(logit / cap)`.
    #[tree(skip)]
    pub logit_cap: Option<f64>,
    /// Most tokens of a sequence.
    #[tree(skip)]
    pub context: usize,
    /// Dtype of the caches, where it is not that of the activations.
    #[tree(skip)]
    pub cache_dtype: Option<DType>,
}

/// How a decoder holds its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacking {
    /// One by one: every layer is written out in the program.
    Unrolled,
    /// Layers that repeat in a pattern are stacks, and run in a loop.
    Scanned,
    /// All layers are one stack, as a pipeline divides them: layers that differ in window or rotary embedding look their own up by
    /// number. Layers that differ otherwise are as in `Scanned`.
    OneStack,
}
impl From<bool> for Stacking {
    /// Scanned, or unrolled.
    fn from(scanned: bool) -> Stacking {
        if scanned { Stacking::Scanned } else { Stacking::Unrolled }
    }
}

impl<T> Decoder<T> {
    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }
    /// With the matrices of its layers ([`Layer::linears_mut`]) replaced by what `f` makes of each and of its path.
    ///
    /// # Errors
    /// The first of `f`.
    pub fn with_linears<E>(mut self, mut f: impl FnMut(&str, &mut Linear<T>) -> Result<(), E>) -> Result<Decoder<T>, E>
    where
        T: Clone,
    {
        let mut numbers: Vec<usize> = self.layers.numbers().collect();
        numbers.reverse();
        let mut failed = None;
        self.layers = self.layers.each(|layer, _| {
            let (mut layer, number) = (layer.clone(), numbers.pop().unwrap_or_default());
            for (path, linear) in layer.linears_mut() {
                if failed.is_none() {
                    failed = f(&format!("layers.{number}.{path}"), linear).err();
                }
            }
            layer
        });
        failed.map_or(Ok(self), Err)
    }
    /// No cache: the sequence is computed at once.
    pub fn no_cache<U>(&self) -> Caches<U> {
        self.layers.each(|_, _| None)
    }
}

impl Decoder<Param> {
    /// The specification that a configuration means.
    ///
    /// # Errors
    /// A `model_type` that raxla does not have; values that are missing, of the wrong type, or do not fit together; fields that ask for
    /// what raxla does not have. Of fields that nobody knows, a warning tells the names.
    pub fn of(config: &HfConfig, stacking: impl Into<Stacking>) -> Result<Decoder<Param>, LoadError> {
        let (spec, unknown) = by_name(config)?.read(config)?;
        if !unknown.is_empty() {
            config.warn_of(&unknown);
        }
        Ok(spec.held(stacking.into()))
    }
    /// From a list of layers whose checkpoint names have `{}` for their number.
    fn held(self, stacking: Stacking) -> Decoder<Param> {
        let list: Vec<Layer<Param>> = self.layers.iter().cloned().collect();
        let one = (stacking == Stacking::OneStack).then(|| Layer::merged(&list)).flatten();
        let layers = match one {
            Some(one) => Layers::spec(&vec![one; list.len()], true),
            None => Layers::spec(&list, stacking != Stacking::Unrolled),
        };
        Decoder { layers, ..self }
    }
    /// Without a head that is a second copy of the embedding: the embedding itself is the head, as training needs.
    pub fn without_copies(self) -> Decoder<Param> {
        let w = self.head.w.filter(|w| w.tied.is_none());
        Decoder { head: Head { w, ..self.head }, ..self }
    }
    /// With its matrices packed for the CPU's kernels: each in the format that `choose` gives, which is told how many inputs it has. A
    /// head that is a copy of an embedding that is packed is left out: either reads the same rows.
    pub fn packed(self, how: Packer, mut choose: impl FnMut(&Param, usize) -> Option<Format>) -> Decoder<Param> {
        let layers = self.layers.each(|layer, _| {
            let pack = |linear: Linear<Param>| match choose(&linear.w, linear.inputs()) {
                Some(format) => linear.packed(format, how),
                None => linear,
            };
            layer.clone().map_linears(pack)
        });
        let Some(format) = choose(&self.embed.table, self.embed.table.aval.dims[1]) else {
            return Decoder { layers, ..self };
        };
        let head = match &self.head.w {
            Some(w) if w.tied.is_none() => match choose(w, w.aval.dims[0]) {
                Some(format) => self.head.packed(format, how),
                None => self.head,
            },
            _ => Head { w: None, ..self.head },
        };
        Decoder { layers, embed: self.embed.packed(format, how), head, ..self }
    }
    /// With the matrices of its layers in 8-bit integers, and a scale for each output: those of attention and plain or gated MLPs. The
    /// embedding, the head and experts stay.
    pub fn in_int8(self) -> Decoder<Param> {
        let layers = self.layers.each(|layer, _| layer.clone().map_linears(Linear::in_int8));
        Decoder { layers, ..self }
    }
    /// With experts that run in this way.
    pub fn with_dispatch(self, dispatch: Dispatch) -> Decoder<Param> {
        let layer = |layer: &Layer<Param>, _| {
            let mut layer = layer.clone();
            if let FeedForward::Experts(experts) = &mut layer.mlp {
                experts.dispatch = dispatch;
            }
            layer
        };
        Decoder { layers: self.layers.each(layer), ..self }
    }
    /// Path and specification of each parameter, in the order of the leaves.
    pub fn params(&self) -> Vec<(String, Param)> {
        let mut all = vec![];
        self.visit(|path, p| all.push((path.to_string(), p.clone())));
        all
    }
    /// Number of token ids.
    pub fn vocab(&self) -> usize {
        self.embed.table.aval.dims[0]
    }
    /// The type of its cache, for so many rows and slots; in layers that look at a window, no more slots than that and `spare`. So
    /// many of the latest positions can be taken back: the next call may start before them. `dtype` is that of the activations.
    pub fn cache(&self, batch: usize, slots: usize, spare: usize, dtype: DType) -> Caches<Param> {
        let dtype = self.cache_dtype.unwrap_or(dtype);
        self.layers.each(|layer, times| {
            let cache = layer.mixer.cache(batch, slots, spare, dtype);
            Some(match times {
                Some(n) => cache.map(|p| p.clone().stacked(n, "layers")),
                None => cache,
            })
        })
    }
    /// How each parameter is divided over a mesh by these rules.
    ///
    /// # Errors
    /// Sizes that cannot be divided and must be.
    pub fn place(&self, rules: &raxla::Rules, mesh: &raxla::Mesh) -> raxla::Result<Decoder<PartitionSpec>> {
        self.try_map_named(|path, p| rules.place(&path.to_string(), p, mesh))
    }
}

impl Decoder {
    /// The call that computes whole sequences `[b, t]` from their beginning, without padding and without a cache.
    #[track_caller]
    pub fn whole(&self, tokens: Tensor) -> Input {
        let (start, length) = (full([], DType::I32, 0), full([], DType::I32, tokens.dim(1)));
        Input {
            tokens,
            start,
            length,
            prompt: length,
            cache: self.no_cache(),
            remat: None,
            packed: None,
            pipeline: None,
        }
    }

    /// From tokens to the last hidden state.
    pub fn forward(&self, input: Input) -> Output {
        let ropes = self.layers.iter().flat_map(|layer| layer.mixer.ropes());
        let span = match input.packed {
            Some(Packed { segments, positions }) => Span::packed(segments, positions, ropes),
            None => Span::new(input.start, input.length, input.prompt, input.tokens.dim(1), ropes),
        };
        let x = scope("embed", || {
            let x = self.embed.call(input.tokens);
            let x = self.embed_scale.map_or(x, |scale| x * scale);
            self.positions.as_ref().map_or(x, |table| x + table.call(span.positions))
        });
        let layer = |x: Tensor, layer: &Layer, number, cache| scope("block", || layer.call(x, cache, number, &span));
        if let Some(schedule) = input.pipeline {
            if let Some(segments) = span.segments {
                let help =
                    "leave the axis `pipe` out of the mesh, or train on rows without segments (`packing = \"concat\"`)";
                let reason = "a pipeline's stages do not know the segments of their rows";
                trace::fail("pipeline", vec![segments.aval()], reason, Some(help.into()))
            }
            let hidden = self.stages(x, &input, schedule, |x, block, number| layer(x, block, number, None).0);
            let hidden = scope("norm", || self.norm.call(hidden));
            let (cache, states, scores) = (Layers::list(vec![]), Layers::list(vec![]), Layers::list(vec![]));
            return Output { hidden, cache, states, scores };
        }
        let step = |x: Tensor, block: Layer, cache: Option<Cache>, number: Tensor| {
            let (y, cache, scores) = layer(x, &block, number, cache);
            (y, ((cache, x), scores))
        };
        let (x, parts) = self.layers.fold_with(x, &input.cache, input.remat.as_ref(), step);
        let (parts, scores) = parts.unzip();
        let (cache, states) = parts.unzip();
        Output { hidden: scope("norm", || self.norm.call(x)), cache, states, scores }
    }

    /// The layers as stages of a pipeline, of which this device has one or several. For training: without caches, and without
    /// the states between layers.
    fn stages(
        &self,
        x: Tensor,
        input: &Input,
        schedule: Schedule,
        layer: impl Fn(Tensor, &Layer, Tensor) -> Tensor,
    ) -> Tensor {
        let [Run { layers: pattern, times: Some(_) }] = self.layers.runs() else {
            let help = "build it with `Stacking::OneStack` (`--scan`); layers with different parameters, such as dense ones before \
                        experts, cannot be stages";
            trace::fail("pipeline", vec![], "layers that are not one stack cannot be divided", Some(help.into()))
        };
        let own = pattern[0].leaves().first().map_or(0, |t| t.dim(0));
        let length = own / schedule.repeats;
        schedule.run(x, own, |x, run, first| {
            let part: Vec<Layer> = pattern
                .iter()
                .map(|layer| {
                    layer.map(|t| match schedule.repeats {
                        1 => *t,
                        _ => t.dynamic_slice_axis(0, run * length, length),
                    })
                })
                .collect();
            let part = Layers::repeated(part, length);
            let none = part.each(|_, _| ());
            let first = first * pattern.len();
            let step = |x, block: Layer, (), number: Tensor| (layer(x, &block, number + first), ());
            part.fold_with(x, &none, input.remat.as_ref(), step).0
        })
    }

    /// From hidden states `[b, t, d]` to f32 logits `[b, t, vocab]`.
    pub fn logits(&self, hidden: Tensor) -> Tensor {
        let logits = scope("head", || self.head.call(hidden, &self.embed));
        self.logit_cap.map_or(logits, |cap| (logits / cap).tanh() * cap)
    }

    /// Of the routers' scores ([`Output::scores`]): the load-balancing loss of all layers' choices together, to be added to
    /// the loss times some 0.001 to 0.02 (transformers: `router_aux_loss_coef`). It is the number of experts per token when all
    /// are used alike. `None` without experts.
    pub fn balance_loss(&self, scores: &Layers<Option<Tensor>>) -> Option<Tensor> {
        let per_token = self.layers.iter().find_map(|layer| match &layer.mlp {
            FeedForward::Experts(experts) => Some(experts.choice.per_token),
            FeedForward::Mlp(_) => None,
        })?;
        let flat = |s: &Tensor, stacked: bool| if stacked { s.reshape([s.dim(0) * s.dim(1), s.dim(2)]) } else { *s };
        let all = scores.map_stacked(flat).leaves();
        (!all.is_empty()).then(|| load_balancing_loss(concat(&all, 0), per_token))
    }
}
