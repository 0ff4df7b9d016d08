//! What training communicates, and the memory that it plans: read from compiled programs.
use raxla::{
    Client, Mesh, RematOptions, Tensor, Tree,
    communication::{Collective, Communication, Kind},
    jit, runtime,
};
use raxla_graphs::{
    config::HfConfig,
    models::{Decoder, gpt2},
    training::{Train, TrainOptions},
};
use std::sync::OnceLock;

const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 32}"#;
const LAYERS: u64 = 4;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn train(mesh: &str, options: TrainOptions) -> Train {
    let config = HfConfig::parse(LLAMA, "config.json").expect("a configuration");
    Train::new(
        Decoder::of(&config, true).unwrap(),
        Some(&Mesh::new(&client(), Mesh::parse(mesh).unwrap()).unwrap()),
        options,
    )
    .unwrap()
}
/// Of a whole step.
fn step(mesh: &str, options: TrainOptions) -> Communication {
    let train = train(mesh, options);
    let (model, state, tokens) = train.avals(8, 16);
    let c = train.step().lower(&(model, state, tokens)).unwrap().communication(&client()).unwrap();
    println!("step, {mesh}\n{c}\n");
    c
}
/// Of the loss alone.
fn forward(mesh: &str, options: TrainOptions) -> Communication {
    let train = train(mesh, options);
    let (model, _, tokens) = train.avals(8, 16);
    let specs = train.specs().leaves();
    let mesh_ = Mesh::new(&client(), Mesh::parse(mesh).unwrap()).unwrap();
    let loss = jit(move |model: Decoder, tokens: Tensor| train.mean_loss(model, tokens));
    let loss = loss.on(&mesh_).in_shardings((specs, raxla::P![]));
    let c = loss.lower(&(model, tokens)).unwrap().communication(&client()).unwrap();
    println!("loss, {mesh}\n{c}\n");
    c
}
fn in_loop(c: &Communication) -> Vec<&Collective> {
    c.collectives.iter().filter(|c| c.loops > 0).collect()
}
fn of(c: &[&Collective], kind: Kind) -> u64 {
    c.iter().filter(|c| c.kind == kind).map(|c| c.runs.expect("a known number of layers")).sum()
}

#[test]
fn fsdp_gathers_and_scatters_layer_by_layer() {
    let c = step("fsdp=8", TrainOptions { remat: Some(RematOptions::default()), ..Default::default() });
    let inside = in_loop(&c);
    assert!(of(&inside, Kind::AllGather) >= 2 * LAYERS, "forward, and again on the way back");
    assert!(of(&inside, Kind::ReduceScatter) >= LAYERS);
    assert_eq!(of(&inside, Kind::AllReduce), 0);
    // what is left to all-reduce is the loss
    let largest = c.collectives.iter().filter(|c| c.kind == Kind::AllReduce).map(|c| c.bytes).max();
    assert!(largest.unwrap_or(0) <= 64, "no parameter's gradient: {largest:?} bytes");
}

#[test]
fn tensor_parallel_sums_twice_a_layer() {
    let c = forward("model=8", TrainOptions::default());
    assert_eq!(of(&in_loop(&c), Kind::AllReduce), 2 * LAYERS);
    assert_eq!(in_loop(&c).len(), 2);
    let c = forward("model=8", TrainOptions { sequence: true, ..Default::default() });
    assert_eq!(of(&in_loop(&c), Kind::AllGather), 2 * LAYERS);
    assert_eq!(of(&in_loop(&c), Kind::ReduceScatter), 2 * LAYERS);
    assert_eq!(in_loop(&c).len(), 4);
}

#[test]
fn ring_attention_gathers_no_keys() {
    let c = step("context=8", TrainOptions::default());
    let inside = in_loop(&c);
    assert!(of(&inside, Kind::CollectivePermute) > 0);
    assert_eq!(c.collectives.iter().filter(|c| c.kind == Kind::AllGather).count(), 0);
}

#[test]
fn fsdp_divides_the_memory() {
    let spec = || Decoder::of(&gpt2::published("124M").unwrap(), true).unwrap();
    let planned = |mesh: Option<&Mesh>| {
        let options = TrainOptions { remat: Some(RematOptions::default()), ..Default::default() };
        let train = Train::new(spec(), mesh, options).unwrap();
        let step = train.step();
        let step = if mesh.is_some() { step } else { step.on(&client()) };
        let program = step.prepare(&train.avals(8, 1024), &[0, 1]).unwrap();
        let stats = program.executable().memory_stats().unwrap();
        println!("{mesh:?}: arguments {}, temporaries {}", stats.arguments, stats.temporaries);
        (stats.arguments + stats.temporaries) as f64
    };
    let one = planned(None);
    let mesh = Mesh::new(&client(), [("fsdp", 8)]).unwrap();
    let ratio = planned(Some(&mesh)) / one;
    assert!(ratio <= 0.2, "a device of 8 plans {ratio:.3} of the bytes of one");
}
