//! Conversations for training, by templates of open models.

use raxla_data::{BadKind, BuildOptions, Fields, Record, Source, TokenCache, Turns};
use raxla_graphs::{tokenizer::Tokenizer, training::data};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn talk() -> Vec<Value> {
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    vec![
        turn("user", "What is 2 + 2?"),
        turn("assistant", "It is 4."),
        turn("user", "Sure?"),
        turn("assistant", "Yes!"),
    ]
}

/// Byte-level BPE with this template.
fn tokenizer(template: &str) -> Tokenizer {
    let mut tokenizer = Tokenizer::from_dir(&folder("tokenizer/bpe")).unwrap();
    tokenizer.chat_template = Some(fs::read_to_string(folder("template").join(template)).unwrap());
    tokenizer
}

#[test]
fn the_assistants_words_by_each_template() {
    let mut templates: Vec<String> =
        fs::read_dir(folder("template")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    templates.retain(|name| name.ends_with(".jinja"));
    templates.sort();
    assert!(templates.len() > 10);
    for name in templates {
        let tokenizer = Arc::new(tokenizer(&name));
        let learned = |turns| {
            let encoding = raxla_data::Encoding { turns, ..data::encoding(tokenizer.clone()).unwrap() };
            let record = Record::Chat { messages: talk(), tools: None };
            let sequence = encoding.encode(&record).map(|mut all| all.remove(0))?;
            let spans = sequence.learned.clone().unwrap();
            // what the model is given when it has to answer is what stands before the answer
            for (span, k) in spans.iter().rev().zip([3, 1]) {
                let prompt = tokenizer.render_chat_with(&talk()[..k], true, &Default::default()).unwrap();
                let prompt = tokenizer.encode(&prompt, false).unwrap();
                assert_eq!(sequence.tokens[..span.start as usize], prompt, "{name}");
            }
            let text = |s: &std::ops::Range<u32>| &sequence.tokens[s.start as usize..s.end as usize];
            Ok::<_, (BadKind, String)>(
                spans.iter().map(|s| tokenizer.decode(text(s), false).unwrap()).collect::<Vec<String>>(),
            )
        };
        let (last, all) = (learned(Turns::Last).unwrap(), learned(Turns::All));
        assert!(last.len() == 1 && last[0].contains("Yes!"), "{name}: {last:?}");
        // (that of Qwen 3 forgets the thoughts of earlier answers)
        if name.starts_with("qwen3") {
            assert!(all.unwrap_err().1.contains("differently when more follows"));
            continue;
        }
        let all = all.unwrap_or_else(|(_, reason)| panic!("{name}: {reason}"));
        assert!(all.len() == 2 && all[0].contains("It is 4.") && all[1] == last[0], "{name}: {all:?}");
        assert!(!all.concat().contains("Sure") && !all.concat().contains("What"), "{name}: {all:?}");
    }
}

#[test]
fn thoughts_that_a_template_forgets_are_refused() {
    let tokenizer = Arc::new(tokenizer("qwen3.jinja"));
    let mut messages = talk();
    messages[1]["content"] = json!("<think>\nHm.\n</think>\n\nIt is 4.");
    let record = Record::Chat { messages, tools: None };
    let encoding = data::encoding(tokenizer).unwrap();
    let (kind, reason) = encoding.encode(&record).unwrap_err();
    assert!(kind == BadKind::Template && reason.contains("help: say `turns = \"last\"`"), "{reason}");
    let last = raxla_data::Encoding { turns: Turns::Last, ..encoding };
    assert!(last.encode(&record).is_ok());
}

#[test]
fn a_cache_depends_on_tokenizer_and_template() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("chats.jsonl");
    fs::write(&path, json!({ "messages": talk() }).to_string()).unwrap();
    let source = Source { fields: Fields::Messages("messages".into()), ..Source::new(path.to_string_lossy()) };
    let built = ["chatml.jinja", "zephyr.jinja", "chatml.jinja"].map(|template| {
        let encoding = data::encoding(Arc::new(tokenizer(template))).unwrap();
        let cache = TokenCache::build(
            std::slice::from_ref(&source),
            &encoding,
            &BuildOptions::new(place.path().join("caches")),
            |_| {},
        );
        cache.unwrap().folder().to_path_buf()
    });
    assert!(built[0] != built[1] && built[0] == built[2]);
}
