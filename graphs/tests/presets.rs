//! Every preset's configuration makes the model that was published: its number of parameters is the one that is known.
use raxla::Tree;
use raxla_graphs::models::Decoder;

/// Numbers of parameters, a tied head not counted.
const PUBLISHED: &[(&str, usize)] = &[
    ("gpt2", 124_439_808),
    ("gpt2-medium", 354_823_168),
    ("gpt2-large", 774_030_080),
    ("gpt2-xl", 1_557_611_200),
    ("smollm2-135m", 134_515_008),
    ("llama-2-7b", 6_738_415_616),
    ("llama-2-13b", 13_015_864_320),
    ("llama-2-70b", 68_976_648_192),
    ("llama-3.1-8b", 8_030_261_248),
    ("llama-3.1-70b", 70_553_706_496),
    ("llama-3.2-1b", 1_235_814_400),
    ("llama-3.2-3b", 3_212_749_824),
    ("gemma-2b", 2_506_172_416),
    ("gemma-7b", 8_537_680_896),
    ("gemma-2-2b", 2_614_341_888),
    ("gemma-2-9b", 9_241_705_984),
    ("gemma-2-27b", 27_227_128_320),
    ("gemma-3-270m", 268_098_176),
    ("gemma-3-1b", 999_885_952),
    ("mistral-7b-v0.1", 7_241_732_096),
    ("mistral-7b-v0.3", 7_248_023_552),
    ("mixtral-8x7b", 46_702_792_704),
    ("qwen2.5-0.5b", 494_032_768),
    ("qwen2.5-72b", 72_706_203_648),
    ("qwen3-0.6b", 596_049_920),
    ("qwen3-8b", 8_190_735_360),
    ("qwen3-30b-a3b", 30_532_122_624),
    ("phi-3-mini", 3_821_079_552),
    ("phi-4", 14_659_507_200),
    ("olmo-2-1b", 1_484_916_736),
    ("olmo-2-7b", 7_298_617_344),
    ("olmo-2-13b", 13_716_198_400),
    ("smollm3-3b", 3_075_098_624),
    ("gpt-oss-20b", 20_914_757_184),
    ("gpt-oss-120b", 116_829_156_672),
    ("deepseek-v2-lite", 15_706_484_224),
    ("deepseek-v3", 671_026_419_200),
];

fn parameters(name: &str) -> usize {
    let preset = raxla_graphs::source::preset(name).unwrap_or_else(|| panic!("there is no preset {name}"));
    let model = Decoder::of(&preset.config, true).unwrap().without_copies();
    let mut size = 0;
    model.visit(|_, p| size += p.aval.size());
    size
}

#[test]
fn published_sizes() {
    let wrong: Vec<_> = PUBLISHED
        .iter()
        .map(|(name, want)| (name, parameters(name), want))
        .filter(|(_, have, want)| have != *want)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_preset_is_a_model() {
    let all = raxla_graphs::source::presets();
    assert!(all.len() > 80);
    all.iter().for_each(|p| assert!(parameters(&p.name) > 100_000_000, "{}", p.name));
}
