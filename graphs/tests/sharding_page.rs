//! What docs/sharding.md says is communicated: the formulas, beside what compiled programs send; and its drawings.
//! `UPDATE_EXPECT=1` writes them.
use crate::common::{
    page::{expect_file, expect_part},
    quick, quick_tier,
};
use raxla::{
    Array, Client, Mesh, P, RematOptions, Result, Tensor, Tree,
    communication::{Collective, Communication},
    jit, runtime,
};
use raxla_graphs::{
    config::HfConfig,
    models::Decoder,
    training::{Train, TrainOptions},
};
use std::sync::OnceLock;

const PAGE: &str = "docs/sharding.md";

const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 32}"#;
const MIXTRAL: &str = r#"{"model_type": "mixtral", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 32,
    "num_local_experts": 8, "num_experts_per_tok": 2}"#;
const LAYERS: u64 = 4;

// the letters of the page, in bytes of f32
/// The stream of the whole batch, `[8, 16, 32]`: of a device's part it is an eighth.
const A: u64 = 4 * 8 * 16 * 32;
/// The matrices of attention in one layer.
const ATTENTION: u64 = 4 * 4 * 32 * 32;
/// The norms of one layer.
const NORMS: u64 = 4 * 2 * 32;
/// All parameters of one layer.
const P_: u64 = ATTENTION + 4 * 3 * 32 * 64 + NORMS;
/// The router of one layer of Mixtral.
const ROUTER: u64 = 4 * 32 * 8;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}

/// Of the loss, or of a whole step.
fn communication(config: &str, mesh: &str, options: TrainOptions, whole: bool) -> Result<Communication> {
    let config = HfConfig::parse(config, "config.json").expect("a configuration");
    let client = client();
    let mesh = Mesh::new(&client, Mesh::parse(mesh)?)?;
    let train = Train::new(Decoder::of(&config, true).unwrap(), Some(&mesh), options)?;
    let (model, state, tokens) = train.avals(8, 16);
    if whole {
        return train.step().options(quick()).lower(&(model, state, tokens))?.communication(&client);
    }
    let specs = train.specs().leaves();
    let loss = jit(move |model: Decoder, tokens: Tensor| train.mean_loss(model, tokens));
    let loss = loss.on(&mesh).in_shardings((specs, P![])).options(quick());
    loss.lower(&(model, tokens))?.communication(&client)
}

/// A row of the page's table.
struct Recipe {
    name: &'static str,
    config: &'static str,
    mesh: &'static str,
    options: TrainOptions,
    step: bool,
    formula: &'static str,
    gives: u64,
}

fn recipes() -> Vec<Recipe> {
    let row = |name, config, mesh, step, formula, gives| Recipe {
        name,
        config,
        mesh,
        options: TrainOptions::default(),
        step,
        formula,
        gives,
    };
    let (n, m) = (8, 4);
    let gradient = |bytes: u64| 2 * (n - 1) * bytes / n;
    let around = (n - 1) * (2 * A / n + 4 * 16 / n);
    let mut all = vec![
        row("data", LLAMA, "data=8", false, "0", 0),
        row("data", LLAMA, "data=8", true, "2(n-1)/n P", gradient(P_)),
        row("fsdp", LLAMA, "fsdp=8", false, "(n-1)/n P", (n - 1) * P_ / n),
        row("fsdp", LLAMA, "fsdp=8", true, "2(n-1)/n P", 2 * (n - 1) * P_ / n),
        row("fsdp, remat", LLAMA, "fsdp=8", true, "3(n-1)/n P", 3 * (n - 1) * P_ / n),
        row("tensor", LLAMA, "model=8", false, "4(n-1)/n A", 4 * (n - 1) * A / n),
        row("tensor", LLAMA, "model=8", true, "8(n-1)/n A", 8 * (n - 1) * A / n),
        row("sequence", LLAMA, "model=8", false, "4(n-1)/n A", 4 * (n - 1) * A / n),
        row("sequence", LLAMA, "model=8", true, "8(n-1)/n A + 2(n-1)/n N", 8 * (n - 1) * A / n + gradient(NORMS)),
        row("ring", LLAMA, "context=8", false, "(n-1) (2A/n + 4T/n)", around),
        row(
            "ring",
            LLAMA,
            "context=8",
            true,
            "(n-1) (4A/n + 4T/n) + 2(n-1)/n P",
            around + (n - 1) * 2 * A / n + gradient(P_),
        ),
        row("expert", MIXTRAL, "expert=8", false, "2(n-1)/n E A/n", 2 * (n - 1) * (8 * A / n) / n),
        row(
            "expert",
            MIXTRAL,
            "expert=8",
            true,
            "4(n-1)/n E A/n + 2(n-1)/n U",
            4 * (n - 1) * (8 * A / n) / n + gradient(ATTENTION + ROUTER + NORMS),
        ),
        row("pipeline", LLAMA, "pipe=4", false, "(m+n-1) A/m + 2(n-1)/n A", (m + m - 1) * A / m + 2 * (m - 1) * A / m),
        row(
            "pipeline",
            LLAMA,
            "pipe=4",
            true,
            "2 ((m+n-1) A/m + 2(n-1)/n A)",
            2 * ((m + m - 1) * A / m + 2 * (m - 1) * A / m),
        ),
    ];
    for r in &mut all {
        r.options.sequence = r.name == "sequence";
        r.options.remat = r.name.ends_with("remat").then(RematOptions::default);
    }
    all
}

/// What each device sends: of a pipeline in all, of others per layer, inside of the loop over layers.
fn sent(recipe: &Recipe) -> u64 {
    let c = communication(recipe.config, recipe.mesh, recipe.options.clone(), recipe.step).unwrap();
    let of = |c: &Collective| c.sent * c.runs.expect("loops of known length");
    match recipe.name {
        // (scalars of the loss and of norms are sent along with others)
        "pipeline" => c.collectives.iter().map(|c| of(c) - of(c) % 64).sum(),
        _ => c.collectives.iter().filter(|c| c.loops > 0).map(of).sum::<u64>() / LAYERS,
    }
}

/// `RAXLA_TEST=quick` leaves out what compiles dozens of programs for eight devices.
fn left_out() -> bool {
    if quick_tier() {
        eprintln!("left out: RAXLA_TEST=quick");
    }
    quick_tier()
}

#[test]
fn formulas_are_what_programs_send() {
    if left_out() {
        return;
    }
    let mut table = String::from(
        "| recipe | mesh | program | bytes that each device sends | that is | measured |\n|---|---|---|---|---|---|\n",
    );
    let mut wrong = vec![];
    for r in recipes() {
        let (sent, program) = (sent(&r), if r.step { "step" } else { "loss" });
        table += &format!("| {} | `{}` | {program} | `{}` | {} | {sent} |\n", r.name, r.mesh, r.formula, r.gives);
        // (beside it, the norm of the gradient is summed over the stages of a pipeline: a few numbers)
        let norm = if r.name == "pipeline" { 256 } else { 0 };
        if !(r.gives..=r.gives + norm).contains(&sent) {
            wrong.push(format!("{}, {program}: {} = {}, but {sent} are sent", r.name, r.formula, r.gives));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    expect_part(PAGE, "costs", &table);
}

#[test]
fn letters_are_those_of_the_formulas() {
    let undivided = ATTENTION + ROUTER + NORMS;
    let text = format!(
        "* `A`: bytes of the activations `[batch, positions, width]` of the whole batch, here {A}. Keys are as large here, and so \
         are values.\n\
         * `P`: bytes of one layer's parameters, here {P_}; `N`: of its norms, {NORMS}; `U`: of what is not divided along\n  \
         `expert` (attention, router, norms), {undivided}\n"
    );
    expect_part(PAGE, "letters", &text);
}

#[test]
fn a_mixture_by_its_axes() {
    let c = communication(LLAMA, "data=2,fsdp=2,model=2", TrainOptions::default(), true).unwrap();
    println!("{c}");
    let mut table = String::from("| axes | runs | bytes | `sent` |\n|---|---|---|---|\n");
    for (axes, t) in c.by_axes() {
        table += &format!("| `{axes}` | {} | {} | {} |\n", t.runs, t.bytes, t.sent);
    }
    expect_part(PAGE, "axes", &table);
}

#[test]
fn what_the_compiler_does_instead() {
    if left_out() {
        return;
    }
    let mut table = String::from("| mesh | by hand | annotated |\n|---|---|---|\n");
    for mesh in ["data=8", "fsdp=8", "model=8", "data=2,fsdp=2,model=2", "data=2,context=4"] {
        let sent = |annotated| {
            let options = TrainOptions { annotated, ..TrainOptions::default() };
            communication(LLAMA, mesh, options, true).unwrap().total().sent
        };
        table += &format!("| `{mesh}` | {} | {} |\n", sent(false), sent(true));
    }
    expect_part(PAGE, "annotated", &table);
}

#[test]
fn drawings_are_what_arrays_draw() {
    let client = client();
    let mesh = Mesh::new(&client, [("data", 4), ("model", 2)]).unwrap();
    let x = Array::on(&client, [8, 8], &[1f32; 64]).unwrap();
    for (name, spec) in [("rows", P!["data", _]), ("both", P!["data", "model"])] {
        let drawn = x.put(&mesh.sharding(spec)).unwrap().visualize().to_svg();
        expect_file(&format!("docs/sharding/{name}.svg"), &drawn);
    }
}
