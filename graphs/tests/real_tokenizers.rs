//! Real tokenizers, where scripts/fetch_tokenizers.py has put them: `RAXLA_REAL_TOKENIZERS` names the folder. Nothing is tested
//! without it.

use raxla_graphs::tokenizer::Tokenizer;
use raxla_graphs::weights::Weights;
use serde_json::Value;
use std::path::Path;

#[test]
fn real_tokenizers_give_the_ids_of_the_python_packages() {
    let Some(folder) = std::env::var_os("RAXLA_REAL_TOKENIZERS") else { return };
    let folder = Path::new(&folder);
    let all: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let texts: Vec<&str> = all["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let mut wrong = vec![];
    for (name, rows) in all["ids"].as_object().unwrap() {
        let path = folder.join(name);
        let opened = match path.is_dir() {
            true => Tokenizer::from_dir(&path),
            false => Weights::open(&path).and_then(|weights| Tokenizer::from_gguf(&weights)),
        };
        let tokenizer = opened.unwrap();
        let before = wrong.len();
        for (text, ids) in texts.iter().zip(rows.as_array().unwrap()) {
            let got = tokenizer.encode(text, true).unwrap();
            if serde_json::json!(got) != *ids {
                wrong.push(format!("{name}: {text:?}\n  got      {got:?}\n  expected {ids}"));
            }
            let mut stream = tokenizer.decode_stream(false);
            let streamed: String = got.iter().map(|id| stream.push(*id).unwrap()).collect();
            assert_eq!(
                streamed + &stream.finish().unwrap(),
                tokenizer.decode(&got, false).unwrap(),
                "{name}: {text:?}"
            );
        }
        println!("{name}: {} texts, {} differ", texts.len(), wrong.len() - before);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}
