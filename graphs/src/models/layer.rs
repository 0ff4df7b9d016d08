//! One layer: what mixes positions, and what is computed at each.
use raxla::{
    DType, Param, Tensor, Tree,
    nn::{Attention, Cache, LatentAttention, Linear, Mlp, Norm, Reach, Span, moe::Experts, rope::Rope},
    scope,
};

/// One layer: `x + mixer(x)`, then `x + mlp(x)`, each with a norm before it, after it, or both.
#[derive(Tree, Clone, Debug, PartialEq)]
pub struct Layer<T = Tensor> {
    /// Before the mixer.
    pub mixer_norm: Option<Norm<T>>,
    /// What lets positions look at each other.
    pub mixer: Mixer<T>,
    /// Behind the mixer.
    pub mixer_post_norm: Option<Norm<T>>,
    /// Before the feed-forward part.
    pub mlp_norm: Option<Norm<T>>,
    /// What is computed at each position.
    pub mlp: FeedForward<T>,
    /// Behind the feed-forward part.
    pub mlp_post_norm: Option<Norm<T>>,
}

/// What lets positions look at each other. Each kind has the type of its cache.
// (a model has one for each layer, and moves none of them)
#[allow(clippy::large_enum_variant)]
#[derive(Tree, Clone, Debug, PartialEq)]
pub enum Mixer<T = Tensor> {
    /// Self-attention with grouped queries, perhaps within a window, with rotary positions or without.
    Attention(Attention<T>),
    /// Latent attention.
    Latent(LatentAttention<T>),
}

/// What is computed at each position.
#[derive(Tree, Clone, Debug, PartialEq)]
pub enum FeedForward<T = Tensor> {
    /// One MLP, gated or plain.
    Mlp(Mlp<T>),
    /// Many, of which each token goes through a few.
    Experts(Experts<T>),
}

impl<T> Mixer<T> {
    /// How positions turn its queries and keys, of all layers that it stands for.
    pub fn ropes(&self) -> Vec<&Rope> {
        match self {
            Mixer::Attention(a) => a.reach.iter().filter_map(|r| r.rope.as_ref()).collect(),
            Mixer::Latent(a) => vec![&a.rope],
        }
    }
}
impl<T> Layer<T> {
    /// Its matrices, but for those of routed experts and their router, with their paths in the layer.
    pub fn linears_mut(&mut self) -> Vec<(&'static str, &mut Linear<T>)> {
        let mut all: Vec<(&str, &mut Linear<T>)> = match &mut self.mixer {
            Mixer::Attention(a) => {
                vec![("mixer.q", &mut a.q), ("mixer.k", &mut a.k), ("mixer.v", &mut a.v), ("mixer.o", &mut a.o)]
            }
            Mixer::Latent(a) => {
                let down = a.q_down.as_mut().map(|(down, _)| ("mixer.q_down.0", down));
                let own = [("mixer.q", &mut a.q), ("mixer.kv_down", &mut a.kv_down)];
                let heads = [("mixer.k", &mut a.k), ("mixer.v", &mut a.v), ("mixer.o", &mut a.o)];
                down.into_iter().chain(own).chain(heads).collect()
            }
        };
        let (names, mlp) = match &mut self.mlp {
            FeedForward::Mlp(mlp) => (["mlp.gate", "mlp.up", "mlp.down"], Some(mlp)),
            FeedForward::Experts(experts) => {
                (["mlp.shared.gate", "mlp.shared.up", "mlp.shared.down"], experts.shared.as_mut())
            }
        };
        if let Some(mlp) = mlp {
            all.extend(mlp.gate.as_mut().map(|gate| (names[0], gate)));
            all.extend([(names[1], &mut mlp.up), (names[2], &mut mlp.down)]);
        }
        all
    }
}
impl Mixer<Param> {
    /// The type of its cache, for so many rows and slots, of which the latest `spare` positions can be taken back.
    pub fn cache(&self, batch: usize, slots: usize, spare: usize, dtype: DType) -> Cache<Param> {
        match self {
            Mixer::Attention(a) => a.cache(batch, slots, spare, dtype),
            Mixer::Latent(a) => a.cache(batch, slots, dtype),
        }
    }
}
impl Mixer {
    fn call(&self, x: Tensor, cache: Option<Cache>, number: Tensor, span: &Span) -> (Tensor, Option<Cache>) {
        match self {
            Mixer::Attention(a) => a.call(x, cache, number, span),
            Mixer::Latent(a) => a.call(x, cache, span),
        }
    }
}
impl FeedForward {
    /// For each position; and a router's scores.
    fn call(&self, x: Tensor) -> (Tensor, Option<Tensor>) {
        match self {
            FeedForward::Mlp(mlp) => (mlp.call(x), None),
            FeedForward::Experts(experts) => {
                let (y, scores) = experts.call(x);
                (y, Some(scores))
            }
        }
    }
}

impl Layer<Param> {
    /// With each matrix that is used as a whole replaced by what `f` makes of it. (Experts, and what latent attention takes apart,
    /// stay.)
    pub fn map_linears(self, mut f: impl FnMut(Linear<Param>) -> Linear<Param>) -> Layer<Param> {
        let mixer = match self.mixer {
            Mixer::Attention(a) => Mixer::Attention(Attention { q: f(a.q), k: f(a.k), v: f(a.v), o: f(a.o), ..a }),
            latent => latent,
        };
        let mlp = match self.mlp {
            FeedForward::Mlp(m) => {
                FeedForward::Mlp(Mlp { gate: m.gate.map(&mut f), up: f(m.up), down: f(m.down), ..m })
            }
            experts => experts,
        };
        Layer { mixer, mlp, ..self }
    }
    /// Layers that differ in nothing but how far they look and how positions turn them, as one that looks its number up.
    pub fn merged(layers: &[Layer<Param>]) -> Option<Layer<Param>> {
        let reach = |layer: &Layer<Param>| match &layer.mixer {
            Mixer::Attention(a) => Some(a.reach.clone()),
            Mixer::Latent(_) => None,
        };
        let reaches: Vec<Reach> = layers.iter().map(reach).collect::<Option<Vec<_>>>()?.concat();
        let merged = |layer: &Layer<Param>| {
            let mut layer = layer.clone();
            if let Mixer::Attention(a) = &mut layer.mixer {
                a.reach = reaches.clone();
            }
            layer
        };
        let first = merged(layers.first()?);
        layers.iter().all(|layer| merged(layer) == first).then_some(first)
    }
}

impl Layer {
    /// From and to `[b, t, d]`, with the layer's part of the cache. `number` is the layer's, an i32 scalar. Also the scores of a
    /// router, `[b * t, experts]`.
    pub fn call(
        &self,
        x: Tensor,
        cache: Option<Cache>,
        number: Tensor,
        span: &Span,
    ) -> (Tensor, Option<Cache>, Option<Tensor>) {
        let norm = |norm: &Option<Norm>, x: Tensor| norm.as_ref().map_or(x, |norm| norm.call(x));
        let mix = || {
            let (y, cache) = self.mixer.call(norm(&self.mixer_norm, x), cache, number, span);
            (norm(&self.mixer_post_norm, y), cache)
        };
        let (y, cache) = scope("attn", mix);
        let x = x + y;
        let compute = || {
            let (y, scores) = self.mlp.call(norm(&self.mlp_norm, x));
            (norm(&self.mlp_post_norm, y), scores)
        };
        let (y, scores) = scope("mlp", compute);
        (x + y, cache, scores)
    }
}
