//! A small transformer of characters: `vmap` over sequences, `scan` over layers, `remat`, a schedule, clipping; saved, loaded,
//! and sampled from.
use raxla::{
    nn,
    optim::{self, OptState},
    prelude::*,
    tree,
};

const CONTEXT: usize = 32;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const LAYERS: usize = 2;
const STEPS: usize = 150;

#[derive(Tree, Clone)]
struct Block<T = Tensor> {
    norm1: T,
    qkv: T, // [d, 3, h, k]
    out: T, // [h, k, d]
    norm2: T,
    up: T,
    down: T,
}
#[derive(Tree, Clone)]
struct Lm<T = Tensor> {
    embed: T,
    position: T,
    blocks: Block<T>, // leading axis: layers
    norm: T,
}

fn rms(gain: Tensor, x: Tensor) -> Tensor {
    nn::RmsNorm::new(gain, 1e-6).call(x)
}

impl Lm<Param> {
    fn new(vocab: usize) -> Lm<Param> {
        let (d, h, k) = (WIDTH, HEADS, WIDTH / HEADS);
        let stacked = |p: Param| p.normal(0.02).stacked(LAYERS, "layers");
        let gains = || Param::new([d], ["embed"]).ones();
        Lm {
            embed: Param::new([vocab, d], ["vocab", "embed"]).normal(0.02),
            position: Param::new([CONTEXT, d], ["length", "embed"]).normal(0.02),
            blocks: Block {
                norm1: gains().stacked(LAYERS, "layers"),
                qkv: stacked(Param::new([d, 3, h, k], ["embed", "qkv", "heads", "head"])),
                out: stacked(Param::new([h, k, d], ["heads", "head", "embed"])),
                norm2: gains().stacked(LAYERS, "layers"),
                up: stacked(Param::new([d, 4 * d], ["embed", "mlp"])),
                down: stacked(Param::new([4 * d, d], ["mlp", "embed"])),
            },
            norm: gains(),
        }
    }
}
impl Block {
    /// One sequence, `[t, d]`.
    fn call(&self, x: Tensor) -> Tensor {
        let [q, k, v] = einsum("td,dchk->cthk", rms(self.norm1, x), self.qkv).unstack();
        let scores = einsum("thk,shk->hts", q, k) / ((WIDTH / HEADS) as f64).sqrt();
        let weights = where_(causal(x.dim(0)), scores, -1e9).softmax(-1);
        let x = x + einsum("thk,hkd->td", einsum("hts,shk->thk", weights, v), self.out);
        x + nn::gelu(rms(self.norm2, x).matmul(self.up)).matmul(self.down)
    }
}
impl Lm {
    /// Logits of one sequence of tokens `[t]`.
    fn call(&self, tokens: Tensor) -> Tensor {
        let x = self.embed.take(tokens, 0) + self.position.slice_axis(0, ..tokens.dim(0));
        let layer = remat(|(b, x): (Block, Tensor)| b.call(x));
        let (x, _) = scan(|x: Tensor, b: Block| (layer((b, x)), ()), x, self.blocks.clone());
        einsum("td,vd->tv", rms(self.norm, x), self.embed)
    }
}

pub fn main() -> raxla::Result<()> {
    let text = include_str!("../../LICENSE").split_whitespace().take(400).collect::<Vec<_>>().join(" ");
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let id = |c: char| letters.binary_search(&c).expect("a letter of the text") as i32;
    let data: Vec<i32> = text.chars().map(id).collect();
    let data = Array::from_slice([data.len()], &data)?;

    let spec = Lm::new(letters.len());
    let mut m = spec.init(Key::host(0))?;
    let schedule = optim::warmup_cosine_decay_schedule(optim::WarmupCosine {
        peak_value: 1e-2,
        warmup_steps: 10,
        decay_steps: STEPS,
        ..Default::default()
    });
    let opt = optim::chain([optim::clip_by_global_norm(1.0), optim::adamw(schedule, Default::default())]);
    let mut state = opt.init(&m)?;
    let step = jit(move |m: Lm, state: OptState, data: Tensor, key: Key| {
        let starts = key.randint([16], DType::I32, 0, data.dim(0) - CONTEXT - 1);
        let windows = vmap(|s: Tensor| data.dynamic_slice_axis(0, s, CONTEXT + 1))(starts);
        let loss = |m: Lm| {
            let one = |w: Tensor| nn::cross_entropy(m.call(w.slice_axis(0, ..CONTEXT)), w.slice_axis(0, 1..));
            vmap(one)(windows).mean(0)
        };
        let (loss, g) = value_and_grad(loss)(m.clone());
        let (updates, state) = opt.update(&g, state, &m);
        (optim::apply_updates(&m, &updates), state, loss)
    });
    let mut last = f32::INFINITY;
    for i in 0..STEPS {
        let loss;
        (m, state, loss) = step.call((m, state, &data, Key::host(i as u64)))?;
        if i % 50 == 0 || i + 1 == STEPS {
            last = loss.item()?;
            println!("step {i}: loss {last}");
        }
    }
    assert!(last < 3.0, "a uniform choice has {}", (letters.len() as f32).ln());

    let path = std::env::temp_dir().join(format!("language_model-{}.safetensors", std::process::id()));
    tree::save(&m, &path)?;
    let m = tree::load(&spec, &path)?;
    let _ = std::fs::remove_file(&path);

    // a window that is filled from the left
    let next = jit(|m: Lm, tokens: Tensor, at: Tensor, key: Key| {
        key.categorical(m.call(tokens).dynamic_index(0, at) / 0.5, 0)
    });
    let mut made: Vec<i32> = "the Work ".chars().map(id).collect();
    for i in 0..60 {
        let mut window = made[made.len().saturating_sub(CONTEXT)..].to_vec();
        let at = window.len() as i32 - 1;
        window.resize(CONTEXT, 0);
        made.push(next.call((&m, Array::from_slice([CONTEXT], &window)?, at, Key::host(i)))?.item()?);
    }
    println!("{}", made.iter().map(|i| letters[*i as usize]).collect::<String>());
    Ok(())
}
