//! One training step on one device, and divided over `data=4, model=2`: by annotation, and by hand in `shard_map`.
use raxla::{
    PerLeaf, Rules, nn,
    optim::{self, OptState, Optimizer},
    param, pmean,
    prelude::*,
    psum, runtime, shard_map,
};

#[derive(Tree, Clone)]
struct Mlp<T = Tensor> {
    up: T,   // [in, hidden]
    bias: T, // [hidden]
    down: T, // [hidden, out]
}
impl Mlp {
    fn hidden(&self, x: Tensor) -> Tensor {
        nn::relu(x.matmul(self.up) + self.bias)
    }
}

/// The step of this loss of model, examples and labels.
fn step<L: Fn(Mlp, Tensor, Tensor) -> Tensor>(
    opt: Optimizer,
    loss: L,
) -> impl Fn(Mlp, OptState, Tensor, Tensor) -> (Mlp, OptState, Tensor) {
    move |m, state, x, y| {
        let (l, g) = value_and_grad(|m: Mlp| loss(m, x, y))(m.clone());
        let (updates, state) = opt.update(&g, state, &m);
        (optim::apply_updates(&m, &updates), state, l)
    }
}

pub fn main() -> raxla::Result<()> {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() })?;
    let mesh = Mesh::new(&client, [("data", 4), ("model", 2)])?;
    let spec = Mlp {
        up: Param::new([16, 64], ["in", "mlp"]).normal(0.3),
        bias: Param::new([64], ["mlp"]),
        down: Param::new([64, 4], ["mlp", "out"]).normal(0.1),
    };
    let data = jit(|key: Key| {
        let [a, b] = key.split();
        (a.normal([32, 16], DType::F32), b.randint([32], DType::I32, 0, 4))
    });
    let (x, y) = data.on(&client).call((Key::host(1),))?;
    let (dx, dy) = (x.put(&mesh.sharding(P!["data", _]))?, y.put(&mesh.sharding(P!["data"]))?);

    let alone = param::init_on(&spec, &Key::host(0), &client)?;
    let rules = Rules::new([("mlp", "model")]);
    let divided = param::init(&spec, &Key::host(0), &mesh, &rules)?;
    println!("{}", divided.up.visualize());

    let whole = |m: Mlp, x: Tensor, y: Tensor| nn::cross_entropy(m.hidden(x).matmul(m.down), y);
    let over = mesh.clone();
    let by_hand = move |m: Mlp, x: Tensor, y: Tensor| {
        let specs = Mlp { up: P![_, "model"], bias: P!["model"], down: P!["model", _] };
        let part = |(m, x, y): (Mlp, Tensor, Tensor)| {
            let logits = psum(m.hidden(x).matmul(m.down), "model");
            pmean(nn::cross_entropy(logits, y), "data")
        };
        shard_map(&over, (PerLeaf(specs), P!["data"], P!["data"]), P![], part)((m, x, y))
    };
    let opt = optim::adamw(1e-2, Default::default());
    let runs = [
        ("one device", jit(step(opt.clone(), whole)).on(&client).boxed(), alone, (&x, &y)),
        ("annotated", jit(step(opt.clone(), whole)).on(&mesh).boxed(), divided.clone(), (&dx, &dy)),
        ("shard_map", jit(step(opt.clone(), by_hand)).on(&mesh).boxed(), divided, (&dx, &dy)),
    ];
    let mut all = vec![];
    for (name, f, mut m, (x, y)) in runs {
        let mut state = opt.init_on(&client, &m)?;
        let mut losses = vec![];
        for _ in 0..5 {
            let l;
            (m, state, l) = f.call((m, state, x, y))?;
            losses.push(l.item::<f32>()?);
        }
        println!("{name:<11}{losses:?}");
        all.push(losses);
    }
    assert!(all.iter().all(|losses| losses.iter().zip(&all[0]).all(|(a, b)| (a - b).abs() < 1e-5)));
    Ok(())
}
