//! Data parallelism over eight devices: each has the whole model and an eighth of the batch, and the mean of the gradients makes all take
//! the same step. By annotation, and by hand.
use raxla::{
    PerLeaf, nn,
    optim::{self, OptState, Optimizer},
    pmean,
    prelude::*,
    runtime, shard_map,
};

#[derive(Tree, Clone)]
struct Model<T = Tensor> {
    up: nn::Linear<T>,
    down: nn::Linear<T>,
}
impl Model {
    fn loss(&self, x: Tensor, y: Tensor) -> Tensor {
        nn::cross_entropy(self.down.call(nn::relu(self.up.call(x))), y)
    }
}

/// A step of the optimizer by these gradients of model, examples and labels.
fn step<G: Fn(Model, Tensor, Tensor) -> (Tensor, Model)>(
    opt: Optimizer,
    gradient: G,
) -> impl Fn(Model, OptState, Tensor, Tensor) -> (Model, OptState, Tensor) {
    move |m, state, x, y| {
        let (loss, g) = gradient(m.clone(), x, y);
        let (updates, state) = opt.update(&g, state, &m);
        (optim::apply_updates(&m, &updates), state, loss)
    }
}

pub fn main() -> raxla::Result<()> {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() })?;
    let mesh = Mesh::new(&client, [("data", 8)])?;
    let spec = Model { up: nn::Linear::spec(16, 64, true), down: nn::Linear::spec(64, 4, true) };
    let data = |key: Key| {
        let [a, b] = key.split();
        (a.normal([64, 16], DType::F32), b.randint([64], DType::I32, 0, 4))
    };
    let (x, y) = jit(data).on(&client).call((Key::host(1),))?;

    // the batch lies in parts, the model whole on each device; the compiler adds the gradients up
    let annotated = |m: Model, x: Tensor, y: Tensor| value_and_grad(|m: Model| m.loss(x, y))(m);
    // each device computes with its part; derivatives by what all share are summed over them (docs/sharding.md)
    let over = mesh.clone();
    let by_hand = move |m: Model, x: Tensor, y: Tensor| {
        let whole = m.map(|_| P![]);
        let part = |(m, x, y): (Model, Tensor, Tensor)| value_and_grad(|m: Model| pmean(m.loss(x, y), "data"))(m);
        shard_map(&over, (PerLeaf(whole.clone()), P!["data"], P!["data"]), (P![], PerLeaf(whole)), part)((m, x, y))
    };

    let opt = optim::sgd(0.1, Default::default());
    let divided = (x.put(&mesh.sharding(P!["data", _]))?, y.put(&mesh.sharding(P!["data"]))?);
    let runs = [
        ("one device", jit(step(opt.clone(), annotated)).on(&client).boxed(), (x, y)),
        ("annotated", jit(step(opt.clone(), annotated)).on(&mesh).boxed(), divided.clone()),
        ("by hand", jit(step(opt.clone(), by_hand)).on(&mesh).boxed(), divided),
    ];
    let mut all: Vec<Vec<f32>> = vec![];
    for (name, step, (x, y)) in runs {
        let mut m = raxla::param::init_on(&spec, &Key::host(0), &client)?;
        let mut state = opt.init_on(&client, &m)?;
        let mut losses = vec![];
        for _ in 0..5 {
            let loss;
            (m, state, loss) = step.call((m, state, &x, &y))?;
            losses.push(loss.item()?);
        }
        println!("{name:<11}{losses:.5?}");
        all.push(losses);
    }
    assert!(all.iter().all(|losses| losses.iter().zip(&all[0]).all(|(a, b)| (a - b).abs() < 1e-5)));
    Ok(())
}
