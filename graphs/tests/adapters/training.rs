//! Steps that train adapters: what they cost, over meshes and in parts, over packed models, by other losses.
use super::{folder, model};
use crate::common::quick;
use raxla::{Array, Client, DType, Key, Mesh, Tensor, Tree, jit, optim, param, prim::Format, runtime, value_and_grad};
use raxla_graphs::{
    LoadOptions,
    adapters::{Adapted, Adapters, LoraConfig, Modules},
    config::HfConfig,
    models::Decoder,
    training::{Batch, Distillation, FineTune, Frozen, Objective, Preference, PreferenceLoss, Train, TrainOptions},
};
use serde_json::Value;
use std::sync::OnceLock;

const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32}"#;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn spec() -> Decoder<raxla::Param> {
    Decoder::of(&HfConfig::parse(LLAMA, "config.json").unwrap(), true).unwrap().without_copies()
}
fn lora() -> LoraConfig {
    LoraConfig { r: 2, lora_alpha: 8.0, target_modules: Some(Modules::AllLinear), ..Default::default() }
}
fn sgd() -> TrainOptions {
    TrainOptions { optimizer: optim::sgd(0.5, Default::default()), ..Default::default() }
}
fn ids(dims: [usize; 2]) -> Array {
    let tokens: Vec<i32> = (0..dims[0] * dims[1]).map(|i| (i * 7919 + i / 5) as i32 % 64).collect();
    Array::on(&client(), dims, &tokens).unwrap()
}

/// The dimensions of results of products in a program, sorted.
fn products(text: &str) -> Vec<Vec<usize>> {
    let result = |line: &str| {
        let of = line.rsplit_once("-> tensor<")?.1.split_once('>')?.0;
        let mut dims: Vec<usize> = of.split('x').filter_map(|d| d.parse().ok()).collect();
        dims.sort();
        Some(dims)
    };
    text.lines().filter(|line| line.contains("dot_general")).filter_map(result).collect()
}

#[test]
fn frozen_parameters_cost_no_derivatives() {
    let adapted = Adapted::lora(&spec(), lora()).unwrap();
    let tune = FineTune::new(adapted, None, sgd(), Objective::NextToken).unwrap();
    let tuned = tune.step().lower(&tune.avals(4, 21)).unwrap();
    let train = Train::new(spec(), None, sgd()).unwrap();
    let full = train.step().lower(&train.avals(4, 21)).unwrap();
    let (part, whole) = (tuned.graph.cost().flops, full.graph.cost().flops);
    // (of layers as small as these, the corrections are a large part)
    assert!(part < 0.85 * whole, "{part} of {whole}");
    let mut frozen: Vec<Vec<usize>> =
        spec().layers.iter().flat_map(|layer| layer.leaves()).map(|p| p.aval.dims[1..].to_vec()).collect();
    frozen.push(vec![32, 64]);
    frozen.iter_mut().for_each(|dims| dims.sort());
    let frozen: Vec<_> = frozen.into_iter().filter(|dims| dims.len() > 1).collect();
    let derivatives = |text: &str| products(text).iter().filter(|dims| frozen.contains(dims)).count();
    assert!(derivatives(&full.text) >= 8, "{}", derivatives(&full.text));
    assert_eq!(derivatives(&tuned.text), 0);
}

/// Losses of some steps, and what is trained in the end.
fn run(
    mesh: Option<&str>,
    config: LoraConfig,
    options: TrainOptions,
    batch: &Batch<Array>,
    objective: Objective,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let client = client();
    let mesh = mesh.map(|text| Mesh::new(&client, Mesh::parse(text).unwrap()).unwrap());
    let base = param::init_on(&spec(), &Key::host(1), &client).unwrap();
    let teacher = matches!(objective, Objective::Distillation(_))
        .then(|| param::init_on(&spec(), &Key::host(5), &client).unwrap());
    let tune = FineTune::new(Adapted::lora(&spec(), config).unwrap(), mesh.as_ref(), options, objective).unwrap();
    let frozen = tune.place(&Frozen { base, teacher }).unwrap();
    let (mut trained, mut state) = tune.begin(&frozen, 3, &client).unwrap();
    let step = tune.step().options(quick());
    let step = if mesh.is_some() { step } else { step.on(&client) };
    let mut losses = vec![];
    for _ in 0..4 {
        let metrics;
        (trained, state, metrics) = step.call((trained, state, &frozen, batch)).unwrap();
        losses.push(metrics.loss.item::<f32>().unwrap());
    }
    (losses, trained.leaves().iter().map(|a| a.to_vec::<f32>().unwrap()).collect())
}
#[track_caller]
fn assert_close(a: &(Vec<f32>, Vec<Vec<f32>>), b: &(Vec<f32>, Vec<Vec<f32>>)) {
    let all = |x: &(Vec<f32>, Vec<Vec<f32>>)| [x.0.clone(), x.1.concat()].concat();
    let (a, b) = (all(a), all(b));
    let off = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(a.len() == b.len() && off < 5e-5, "{off}");
}

#[test]
fn in_parts_and_over_meshes_it_is_the_same_step() {
    for use_dora in [false, true] {
        let config = || LoraConfig { use_dora, ..lora() };
        let batch = Batch::new(ids([8, 13]));
        let one = run(None, config(), sgd(), &batch, Objective::NextToken);
        assert!(one.0[3] < one.0[0], "{:?}", one.0);
        let parts = TrainOptions { accumulate: 2, ..sgd() };
        assert_close(&run(None, config(), parts.clone(), &batch, Objective::NextToken), &one);
        assert_close(&run(Some("data=2,fsdp=2,model=2"), config(), parts, &batch, Objective::NextToken), &one);
    }
}

#[test]
fn weights_pairs_and_teachers_over_meshes() {
    let weights: Vec<f32> = (0..8 * 12).map(|i| (i % 3) as f32).collect();
    let weighted =
        Batch { weights: Some(Array::on(&client(), [8, 12], &weights).unwrap()), ..Batch::new(ids([8, 13])) };
    let pairs = Array::on(&client(), [4, 2, 13], &ids([8, 13]).to_vec::<i32>().unwrap()).unwrap();
    let chosen: Vec<f32> = (0..8 * 12).map(|i| f32::from(i % 12 > 4)).collect();
    let pairs = Batch { weights: Some(Array::on(&client(), [4, 2, 12], &chosen).unwrap()), ..Batch::new(pairs) };
    let distil =
        || Objective::Distillation(Box::new(Distillation { temperature: 2.0, hard: 0.25, ..Distillation::of(spec()) }));
    let prefer = |loss_type| Objective::Preference(Preference { loss_type, ..Default::default() });
    let cases = [
        (&weighted, Objective::NextToken),
        (&weighted, distil()),
        (&pairs, prefer(PreferenceLoss::Sigmoid)),
        (&pairs, prefer(PreferenceLoss::Ipo)),
    ];
    for (batch, objective) in cases {
        let one = run(None, lora(), sgd(), batch, objective.clone());
        assert!(one.0[3] < one.0[0], "{:?}", one.0);
        let parts = TrainOptions { accumulate: 2, ..sgd() };
        assert_close(&run(Some("data=2,model=2"), lora(), parts, batch, objective.clone()), &one);
        // corrections that are zero change nothing: a pair is as likely as under the reference
        if let Objective::Preference(Preference { loss_type: PreferenceLoss::Sigmoid, .. }) = objective {
            assert!((one.0[0] - 2f32.ln()).abs() < 1e-5, "{:?}", one.0);
        }
    }
}

#[test]
fn dropout_draws_by_the_key_of_the_batch() {
    let config = || LoraConfig { lora_dropout: 0.5, ..lora() };
    let with = |seed: u32| {
        let key = Some(Array::on(&client(), [2], &[0u32, seed]).unwrap());
        run(None, config(), sgd(), &Batch { key, ..Batch::new(ids([4, 9])) }, Objective::NextToken)
    };
    let (a, b, c) = (with(1), with(1), with(2));
    assert!(a == b && a.1 != c.1 && a.0[0] == c.0[0]);
    let tune = FineTune::new(Adapted::lora(&spec(), config()).unwrap(), None, sgd(), Objective::NextToken).unwrap();
    let e = tune.step().lower(&tune.avals(4, 8)).err().expect("no key").to_string();
    assert!(e.contains("dropout draws random numbers, and the batch has no key"), "{e}");
}

#[test]
fn a_packed_model_is_adapted_in_its_blocks() {
    let client = runtime::client().unwrap();
    let quantised =
        model("llama_gqa_untied", LoadOptions { quantize: Some(Format::Q8_0), ..Default::default() }, &client);
    let base = quantised.spec().clone();
    assert!(base.params().iter().any(|(_, p)| p.packing.is_some()));
    let adapted =
        Adapted::lora(&base, LoraConfig { target_modules: Some(Modules::AllLinear), ..Default::default() }).unwrap();
    let optimizer = optim::adamw(1e-2, Default::default());
    let tune =
        FineTune::new(adapted, None, TrainOptions { optimizer, ..Default::default() }, Objective::NextToken).unwrap();
    let frozen = Frozen { base: quantised.params().clone(), teacher: None };
    let (mut trained, mut state) = tune.begin(&frozen, 0, &client).unwrap();
    let step = tune.step().options(quick());
    let tokens: Vec<i32> = (0..2 * 12).map(|i| i * 5 % 60).collect();
    let batch = Batch::new(Array::on(&client, [2, 12], &tokens).unwrap());
    let mut losses = vec![];
    for _ in 0..6 {
        let metrics;
        (trained, state, metrics) = step.call((trained, state, &frozen, &batch)).unwrap();
        losses.push(metrics.loss.item::<f32>().unwrap());
    }
    assert!(losses[5] < 0.9 * losses[0], "{losses:?}");
}

#[test]
fn some_parameters_alone_are_trained() {
    let adapted = Adapted::parameters(&spec(), |path, _| optim::matches("*norm*", path)).unwrap();
    assert_eq!(adapted.trained().len(), 3);
    assert!(Adapted::parameters(&spec(), |_, _| false).is_err());
    let tune = FineTune::new(adapted, None, sgd(), Objective::NextToken).unwrap();
    // (the model as it was is still there, though what is trained began as a part of it)
    let client = client();
    let base = param::init_on(&spec(), &Key::host(1), &client).unwrap();
    let gain = || base.norm.leaves()[0].to_vec::<f32>().unwrap();
    let before = gain();
    let frozen = Frozen { base: base.clone(), teacher: None };
    let (mut trained, mut state) = tune.begin(&frozen, 0, &client).unwrap();
    let (step, batch) = (tune.step().options(quick()).on(&client), Batch::new(ids([2, 9])));
    for _ in 0..2 {
        (trained, state, _) = step.call((trained, state, &frozen, &batch)).unwrap();
    }
    assert_eq!(gain(), before);
    assert_ne!(trained["norm.gain"].to_vec::<f32>().unwrap(), before);
    drop(state);
}

#[test]
fn losses_are_those_of_trl() {
    let client = client();
    let all = std::fs::read_to_string(folder("losses.json")).unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    let floats = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>();
    let array = |v: &Value, dims: &[usize]| Array::on(&client, dims, &floats(v)).unwrap();
    let near = |have: &Array, want: &Value| {
        let off =
            have.to_vec::<f64>().unwrap().iter().zip(floats(want)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-5, "{off}");
    };
    let of = &all["preference"];
    let (model, reference) = (array(&of["model"], &[4, 2]), array(&of["reference"], &[4, 2]));
    for case in of["cases"].as_array().unwrap() {
        let loss_type = match case["loss_type"].as_str().unwrap() {
            "sigmoid" => PreferenceLoss::Sigmoid,
            "hinge" => PreferenceLoss::Hinge,
            _ => PreferenceLoss::Ipo,
        };
        let [beta, label_smoothing] = ["beta", "label_smoothing"].map(|key| case[key].as_f64().unwrap());
        let options = Preference { beta, label_smoothing, loss_type };
        let f = jit(move |model: Tensor, reference: Tensor| {
            let loss = |model: Tensor| options.losses(model, reference).mean(..);
            (options.losses(model, reference), value_and_grad(loss)(model).1)
        });
        let (losses, gradient) = f.on(&client).call((&model, &reference)).unwrap();
        near(&losses, &case["losses"]);
        near(&gradient, &case["grad"]);
    }
    let of = &all["distillation"];
    let (student, teacher) = (array(&of["student"], &[2, 3, 7]), array(&of["teacher"], &[2, 3, 7]));
    let targets: Vec<i32> = floats(&of["targets"]).iter().map(|x| *x as i32).collect();
    let targets = Array::on(&client, [2, 3], &targets).unwrap();
    for case in of["cases"].as_array().unwrap() {
        let [temperature, hard] = ["temperature", "hard"].map(|key| case[key].as_f64().unwrap());
        let reverse = case["reverse"].as_bool().unwrap();
        let options = Distillation { temperature, hard, reverse, ..Distillation::of(spec()) };
        let f = jit(move |student: Tensor, teacher: Tensor, targets: Tensor| {
            let losses = |student: Tensor| options.losses(student, teacher, targets).cast(DType::F64);
            (losses(student), value_and_grad(|student: Tensor| losses(student).mean(..))(student).1)
        });
        let (losses, gradient) = f.on(&client).call((&student, &teacher, &targets)).unwrap();
        near(&losses, &case["losses"]);
        near(&gradient, &case["grad"]);
    }
}

#[test]
fn adapters_are_trees() {
    let adapted = Adapted::lora(&spec(), lora()).unwrap();
    let frozen = param::init_on(&spec(), &Key::host(0), &client()).unwrap();
    let trained: Adapters<Array> = adapted.init(&frozen, &Key::host(0), &client()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("adapters.safetensors");
    raxla::tree::save(&trained, &file).unwrap();
    assert_eq!(trained.paths(), adapted.trained().paths());
    assert_eq!(trained.len(), 2 * 7);
}
