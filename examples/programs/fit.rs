//! A training loop for any model, any batch and any loss, and the trainer as a struct that holds its compiled step.
use raxla::{
    optim::{self, OptState, Optimizer},
    prelude::*,
};

/// From model, state and batch to model, state and loss.
type Step<M, B> = BoxJit<(M, OptState, B), (M, OptState, Tensor)>;

struct Trainer<M: JitTree, B: JitTree> {
    opt: Optimizer,
    step: Step<M, B>,
}
impl<M: JitTree + 'static, B: JitTree + 'static> Trainer<M, B> {
    fn new(opt: Optimizer, loss: impl Fn(M, B) -> Tensor + Send + Sync + 'static) -> Trainer<M, B> {
        let own = opt.clone();
        let step = move |m: M, state: OptState, batch: B| {
            let (l, g) = value_and_grad(|m: M| loss(m, batch.clone()))(m.clone());
            let (updates, state) = own.update(&g, state, &m);
            (optim::apply_updates(&m, &updates), state, l)
        };
        Trainer { opt, step: jit(step).boxed() }
    }
    fn fit(&self, mut m: M::Arrays, batches: &[B::Arrays]) -> raxla::Result<M::Arrays> {
        let mut state = self.opt.init(&m)?;
        for batch in batches {
            (m, state, _) = self.step.call((m, state, batch))?;
        }
        Ok(m)
    }
}

#[derive(Tree, Clone)]
struct Line<T = Tensor> {
    slope: T,
    offset: Option<T>,
}
impl Line {
    fn call(&self, x: Tensor) -> Tensor {
        let y = x * self.slope;
        self.offset.map_or(y, |b| y + b)
    }
}

pub fn main() -> raxla::Result<()> {
    let trainer = Trainer::new(optim::adam(0.1, Default::default()), |m: Line, (x, y): (Tensor, Tensor)| {
        (m.call(x) - y).powi(2).mean(0)
    });
    let x = Array::from_slice([4], &[0f32, 1., 2., 3.])?;
    let y = Array::from_slice([4], &[1f32, 3., 5., 7.])?;
    let batches = vec![(x, y); 200];
    let m = trainer.fit(Line { slope: Array::scalar(0f32)?, offset: Some(Array::scalar(0f32)?) }, &batches)?;
    println!("{} x + {}", m.slope, m.offset.as_ref().expect("it began with one"));
    assert!((m.slope.item::<f32>()? - 2.0).abs() < 0.05);

    // an ensemble: eight models at once
    let distance = eager(
        |key: Key| {
            let slopes = key.normal([8], DType::F64);
            let settled = vmap(|slope: Tensor| {
                fori_loop(0, 100, |_, s: Tensor| s - grad(|s: Tensor| (s - 2.0).powi(2))(s) * 0.1, slope)
            });
            (settled(slopes) - 2.0).abs().max(0)
        },
        (Key::host(0),),
    )?;
    println!("the farthest of eight is {distance} away");
    assert!(distance.item::<f64>()? < 1e-6);
    Ok(())
}
