//! The pages of docs/models: drawings, configurations and what validates them, made of the registry, the presets and the fixtures.
//! `UPDATE_EXPECT=1` writes them. A family that is added needs a line in [`PAGES`] and a page.
mod describe;
mod picture;

use crate::common::page::{expect_file, expect_part, root};
use describe::describe;
use raxla::{DType, Param, Tree};
use raxla_graphs::{
    models::{ARCHITECTURES, Decoder, FeedForward},
    source::{Preset, preset, presets},
    weights::Weights,
};
use std::fs;

/// A page, and for each of its families the preset that is drawn.
struct Page {
    name: &'static str,
    families: &'static [(&'static str, &'static str)],
}
const fn page(name: &'static str, families: &'static [(&'static str, &'static str)]) -> Page {
    Page { name, families }
}
const PAGES: &[Page] = &[
    page("gpt2", &[("gpt2", "gpt2")]),
    page("llama", &[("llama", "llama-3.1-8b")]),
    page("mistral", &[("mistral", "mistral-7b-v0.1")]),
    page("mixtral", &[("mixtral", "mixtral-8x7b")]),
    page("gemma", &[("gemma", "gemma-2b"), ("gemma2", "gemma-2-2b"), ("gemma3_text", "gemma-3-1b")]),
    page("qwen", &[("qwen2", "qwen2.5-7b"), ("qwen3", "qwen3-8b"), ("qwen3_moe", "qwen3-30b-a3b")]),
    page("phi", &[("phi3", "phi-3-mini")]),
    page("olmo", &[("olmo2", "olmo-2-7b")]),
    page("smollm3", &[("smollm3", "smollm3-3b")]),
    page("gpt_oss", &[("gpt_oss", "gpt-oss-20b")]),
    page("deepseek", &[("deepseek_v2", "deepseek-v2-lite"), ("deepseek_v3", "deepseek-v3")]),
];

/// What all fixtures go through: the test, and what it says. The sources are in graphs/tests.
const TESTS: &[(&str, &str)] = &[
    (
        "unrolled_equals_transformers",
        "logits, every hidden state and 16 greedy tokens are those of transformers: no value deviates by more than 2e-5 of its tensor's standard deviation",
    ),
    ("scanned_equals_transformers", "the same with the layers in a loop"),
    (
        "with_cache_equals_without",
        "tokens from the cache are those of the whole sequence (of one checkpoint for each kind of mixer and of positions)",
    ),
    (
        "every_gradient_is_pytorchs",
        "where there is a `gradients.safetensors`: the loss and the gradient of every parameter",
    ),
    (
        "bf16_points_the_same_way",
        "in bf16, the logits have a cosine of at least 0.999 to the reference (one checkpoint for each family)",
    ),
    ("families_generate_as_on_one_device", "texts over a mesh are those of one device"),
    ("published_sizes", "the presets have as many parameters as the published models"),
    ("files_as_they_come_are_not_warned_of", "no field of the configurations is left unread"),
];

fn presets_of(model_type: &str) -> impl Iterator<Item = &'static Preset> {
    presets().iter().filter(move |p| p.config.model_type == model_type)
}
fn specification(preset: &Preset) -> Decoder<Param> {
    Decoder::of(&preset.config, false).unwrap().without_copies()
}
/// Directories of fixtures whose configuration is of this family, in order.
fn fixtures_of(model_type: &str) -> Vec<String> {
    let folder = root("graphs/tests/fixtures");
    let names = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let is_of = |name: &String| {
        let config = fs::read(folder.join(name).join("config.json")).ok();
        let config = config.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        config.is_some_and(|c| c["model_type"] == model_type)
    };
    let mut names: Vec<String> = names.filter(is_of).collect();
    names.sort();
    names
}

#[test]
fn every_family_has_a_page() {
    let mut shown: Vec<&str> = PAGES.iter().flat_map(|p| p.families).map(|(family, _)| *family).collect();
    let mut known: Vec<&str> = ARCHITECTURES.iter().map(|f| f.model_type).collect();
    shown.sort_unstable();
    known.sort_unstable();
    assert_eq!(shown, known, "PAGES in graphs/tests/model_pages does not have the families of the registry");
}

#[test]
fn drawings_are_of_the_specifications() {
    for (family, name) in PAGES.iter().flat_map(|p| p.families) {
        let preset = preset(name).unwrap();
        assert_eq!(preset.config.model_type, *family);
        let model = Decoder::of(&preset.config, false).unwrap();
        let title = preset.about.split([',', ';']).next().unwrap_or_default();
        expect_file(&format!("docs/models/{family}.svg"), &picture::svg(title, &describe(&model)));
    }
}

/// Numbers of parameters, of all and of those that a token goes through.
fn parameters(model: &Decoder<Param>) -> [usize; 2] {
    let mut all = 0;
    model.visit(|_, p| all += p.aval.size());
    let unused = |mlp: &FeedForward<Param>| match mlp {
        FeedForward::Mlp(_) => 0,
        FeedForward::Experts(e) => {
            let biases = e.biases.iter().flat_map(|(a, b, c)| [a, b, c]);
            let size: usize = [&e.gate, &e.up, &e.down].into_iter().chain(biases).map(|p| p.aval.size()).sum();
            let count = e.gate.aval.dims[0];
            size / count * (count - e.choice.per_token)
        }
    };
    [all, all - model.layers.iter().map(|layer| unused(&layer.mlp)).sum::<usize>()]
}
/// `124M`, `7.24B`
fn counted(n: usize) -> String {
    let n = n as f64;
    match n {
        1e11.. => format!("{:.0}B", n / 1e9),
        1e9.. => format!("{:.2}B", n / 1e9),
        _ => format!("{:.0}M", n / 1e6),
    }
}

fn configurations(families: &[(&str, &str)]) -> String {
    let mut table = String::from(
        "| `--model` | layers | width | MLP | vocabulary | context | parameters | a token uses | cache a token, bf16 |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (family, _) in families {
        // (a model and what is tuned of it are one row)
        let mut rows: Vec<(Vec<String>, usize, String)> = vec![];
        for preset in presets_of(family) {
            let (name, (size, cells)) = (format!("`{}`", preset.name), row(preset));
            match rows.iter_mut().find(|row| row.2 == cells) {
                Some(row) => row.0.push(name),
                None => rows.push((vec![name], size, cells)),
            }
        }
        rows.sort_by_key(|row| row.1);
        for (names, _, cells) in rows {
            table += &format!("| {} | {cells} |\n", names.join(", "));
        }
    }
    table
}
/// A preset's number of parameters, and the cells of its row.
fn row(preset: &Preset) -> (usize, String) {
    let model = specification(preset);
    let dims = &model.embed.table.aval.dims;
    let mut widths: Vec<String> = vec![];
    for layer in model.layers.iter() {
        let width = match &layer.mlp {
            FeedForward::Mlp(m) => m.up.w.aval.dims[1].to_string(),
            FeedForward::Experts(e) => format!("{} × {}", e.up.aval.dims[0], e.up.aval.dims[2]),
        };
        if !widths.contains(&width) {
            widths.push(width);
        }
    }
    let mut cache = 0;
    model.cache(1, 1, 0, DType::BF16).visit(|_, p| cache += 2 * p.aval.size());
    let [all, used] = parameters(&model);
    let cells = [
        model.layers().to_string(),
        dims[1].to_string(),
        widths.join(", "),
        dims[0].to_string(),
        model.context.to_string(),
        counted(all),
        counted(used),
        format!("{:.1} kB", cache as f64 / 1000.0),
    ];
    (all, cells.join(" | "))
}

fn validation(families: &[(&str, &str)]) -> String {
    let mut text = String::from("| fixture | layers | stored in | what transformers computed |\n|---|---|---|---|\n");
    for name in families.iter().flat_map(|(family, _)| fixtures_of(family)) {
        let folder = root("graphs/tests/fixtures").join(&name);
        let config = raxla_graphs::config::HfConfig::load(&folder).unwrap();
        let layers = Decoder::of(&config, false).unwrap().layers();
        let weights = Weights::open(&folder).unwrap();
        let mut dtypes: Vec<String> =
            weights.names().map(|name| weights.info(name).unwrap().encoding.to_string()).collect();
        dtypes.sort();
        dtypes.dedup();
        let has = |file: &str| folder.join(format!("{file}.safetensors")).exists();
        let more =
            [("ragged", "a batch of four lengths"), ("gradients", "every gradient"), ("training", "steps of training")];
        let mut what = vec!["logits, hidden states, greedy tokens"];
        what.extend(more.iter().filter(|(file, _)| has(file)).map(|(_, what)| *what));
        text += &format!("| `{name}` | {layers} | {} | {} |\n", dtypes.join(", "), what.join("; "));
    }
    text += "\n| test | says |\n|---|---|\n";
    for (test, says) in TESTS {
        text += &format!("| `{test}` | {says} |\n");
    }
    text
}

#[test]
fn tables_are_of_the_registry() {
    for page in PAGES {
        let file = format!("docs/models/{}.md", page.name);
        expect_part(&file, "configurations", &configurations(page.families));
        expect_part(&file, "validation", &validation(page.families));
        let text = fs::read_to_string(root(&file)).unwrap();
        for (family, _) in page.families {
            assert!(text.contains(&format!("]({family}.svg)")), "{file} does not show {family}.svg");
        }
    }
}

/// All families on one page, and in the README.
#[test]
fn lists_of_families_are_of_the_registry() {
    let row = |page: &Page| {
        let text = fs::read_to_string(root(&format!("docs/models/{}.md", page.name))).unwrap();
        let title = text.lines().next().and_then(|l| l.strip_prefix("# ")).expect("a title").to_string();
        let names: Vec<String> = page.families.iter().map(|(family, _)| format!("`{family}`")).collect();
        let presets: Vec<&Preset> = page.families.iter().flat_map(|(family, _)| presets_of(family)).collect();
        let mut sizes: Vec<usize> = presets.iter().map(|p| parameters(&specification(p))[0]).collect();
        sizes.sort_unstable();
        let sizes = match sizes[..] {
            [first, .., last] => format!("{} to {}", counted(first), counted(last)),
            _ => sizes.iter().map(|n| counted(*n)).collect(),
        };
        let fixtures: usize = page.families.iter().map(|(family, _)| fixtures_of(family).len()).sum();
        (page.name, title, format!("{} | {} | {sizes} | {fixtures}", names.join(", "), presets.len()))
    };
    let rows: Vec<(&str, String, String)> = PAGES.iter().map(row).collect();
    for (file, folder) in [("docs/models.md", "models"), ("README.md", "docs/models")] {
        let mut table = String::from(
            "| family | `model_type` | presets | parameters | checkpoints compared |\n|---|---|---|---|---|\n",
        );
        for (page, title, cells) in &rows {
            table += &format!("| [{title}]({folder}/{page}.md) | {cells} |\n");
        }
        expect_part(file, "families", &table);
    }
}

#[test]
fn tests_that_pages_name_exist() {
    let files = fs::read_dir(root("graphs/tests")).unwrap().map(|e| e.unwrap().path());
    let files = files.chain([root("graphs/src/loading/config/fields/tests.rs")]);
    let sources: String =
        files.filter(|p| p.extension().is_some_and(|e| e == "rs")).map(|p| fs::read_to_string(p).unwrap()).collect();
    for (test, _) in TESTS {
        assert!(sources.contains(&format!("fn {test}()")), "there is no test {test}");
    }
}
