//! examples/chat.rs holds a conversation.
#[path = "../examples/chat.rs"]
mod chat;

use raxla_graphs::{
    Files, Generation, LoadOptions, Model, WeightSource,
    config::{GenerationConfig, HfConfig},
    tokenizer::Tokenizer,
};

#[test]
fn every_line_is_answered_until_an_empty_one() {
    let config = r#"{"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}"#;
    let config = HfConfig::parse(config, "config.json").unwrap();
    let mut tokenizer = Tokenizer::bytes(512).unwrap();
    tokenizer.chat_template = Some("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}".into());
    let files = Files {
        name: "random".into(),
        generation: GenerationConfig::new(Default::default(), &config).unwrap(),
        config,
        weights: WeightSource::Random(0),
        tokenizer: Ok(tokenizer),
        of_bytes: true,
        adapter: None,
    };
    let client = raxla::runtime::client().unwrap();
    let model = Model::load(files, &LoadOptions::default(), &client).unwrap();
    let options = Generation { max_new_tokens: 4, ..Default::default() };
    let mut output = vec![];
    let messages = chat::converse(&model, &options, &b"Hello\nAnd then?\n\nnot read\n"[..], &mut output).unwrap();
    let roles: Vec<&str> = messages.iter().map(|m| m.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    assert_eq!((messages[0].content.as_str(), messages[2].content.as_str()), ("Hello", "And then?"));
    let output = String::from_utf8_lossy(&output);
    assert!(
        messages.iter().skip(1).step_by(2).all(|m| output.contains(&m.content)) && output.matches('\n').count() >= 2
    );
}
