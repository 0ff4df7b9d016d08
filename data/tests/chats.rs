//! Which tokens of conversations, completions and preferences are learned.
#![allow(clippy::single_range_in_vec_init)]
use crate::common::*;
use raxla_data::{
    BadKind, BoxError, BuildOptions, ChatTemplateFn, Dataset, DatasetOptions, Encoding, Fields, Long, Offsets, OnBad,
    Packing, Record, Sequence, Source, TextOrMessages, TokenCache, Tokenizer, Turns,
    chat::{rendered, tokens_of_spans},
};
use serde_json::{Value, json};
use std::{ops::Range, sync::Arc};

fn talk() -> Vec<Value> {
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    vec![turn("system", "S"), turn("user", "a"), turn("assistant", "b!"), turn("user", "c"), turn("assistant", "d")]
}

fn chatty() -> Encoding {
    Encoding { template: Some(angles()), ..encoding() }
}

/// The text that is learned.
fn learned(sequence: &Sequence) -> Vec<String> {
    let text = |tokens: &[u32]| tokens.iter().map(|t| if *t == EOS { '$' } else { *t as u8 as char }).collect();
    let spans = sequence.learned.clone().unwrap_or_default();
    spans.iter().map(|span| text(&sequence.tokens[span.start as usize..span.end as usize])).collect()
}

#[test]
fn the_assistants_words_and_no_others() {
    let chat = |messages: Vec<Value>| Record::Chat { messages, tools: None };
    let encode = |encoding: &Encoding, record: &Record| encoding.encode(record).map(|all| learned(&all[0]));
    assert_eq!(encode(&chatty(), &chat(talk())).unwrap(), ["b!<end>", "d<end>"]);
    let last = Encoding { turns: Turns::Last, ..chatty() };
    assert_eq!(encode(&last, &chat(talk())).unwrap(), ["d<end>"]);
    // what stands behind the end of a turn is not learned
    let ends = Encoding { end_of_turn: vec!['n' as u32, '!' as u32], ..chatty() };
    assert_eq!(encode(&ends, &chat(talk())).unwrap(), ["b!<en", "d<en"]);
    let mut weighed = talk();
    weighed[2]["weight"] = json!(0);
    assert_eq!(encode(&chatty(), &chat(weighed)).unwrap(), ["d<end>"]);
    let (kind, reason) = encode(&chatty(), &chat(talk()[..2].to_vec())).unwrap_err();
    assert_eq!((kind, &*reason), (BadKind::MissingField, "nothing is to be learned from its 2 messages"));
    let (kind, reason) = encode(&last, &chat(talk()[..4].to_vec())).unwrap_err();
    assert_eq!((kind, &*reason), (BadKind::MissingField, "nothing is to be learned from its 4 messages"));
    let (kind, reason) = encode(&chatty(), &chat(vec![json!({ "role": "user" })])).unwrap_err();
    assert_eq!((kind, &*reason), (BadKind::Template, "the chat template: no content"));
}

#[test]
fn templates_that_forget_are_refused() {
    // what was thought before the last answer is left out, as by the templates of models that think
    let render = |messages: &[Value], _: Option<&Value>, open: bool| -> Result<String, BoxError> {
        let mut text = String::new();
        for (i, message) in messages.iter().enumerate() {
            let content = message["content"].as_str().unwrap_or_default();
            let content = if i + 1 < messages.len() { content.trim_start_matches("<think>") } else { content };
            text += &format!("<{}>{content}<end>", message["role"].as_str().unwrap_or_default());
        }
        Ok(text + if open { "<assistant>" } else { "" })
    };
    let forgets = Encoding { template: Some(Arc::new(ChatTemplateFn::new("forgets", render))), ..encoding() };
    let mut messages = talk();
    messages[2]["content"] = json!("<think>b!");
    let record = Record::Chat { messages, tools: None };
    let (kind, reason) = forgets.encode(&record).unwrap_err();
    assert_eq!(kind, BadKind::Template);
    let wanted = "the chat template renders the conversation with it (message 2) differently when more follows: \"<think>b!<end>\" at \
                  byte 37, and \"b!<end><user>c<end><assi\" then";
    assert!(reason.starts_with(wanted) && reason.contains("help: say `turns = \"last\"`"), "{reason}");
    let last = Encoding { turns: Turns::Last, ..forgets };
    assert_eq!(learned(&last.encode(&record).unwrap()[0]), ["d<end>"]);
}

/// Words with the space before them, and single bytes of what is no word. With offsets or without.
struct Words(bool);

impl Words {
    fn parts(text: &str) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = vec![];
        for (i, c) in text.char_indices() {
            let end = i + c.len_utf8();
            let joins = parts
                .last()
                .is_some_and(|last| text[last.clone()].trim_start_matches(' ').chars().all(char::is_alphanumeric));
            match parts.last_mut() {
                Some(last) if c.is_alphanumeric() && joins => last.end = end,
                _ => parts.push(i..end),
            }
        }
        parts
    }
    fn id(word: &str) -> u32 {
        word.bytes().fold(7, |h: u32, b| h.wrapping_mul(31).wrapping_add(b.into())) % 50_000
    }
}

impl Tokenizer for Words {
    fn fingerprint(&self) -> String {
        "words".into()
    }
    fn vocab_size(&self) -> usize {
        50_000
    }
    fn encode(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        Ok(Words::parts(text).into_iter().map(|part| Words::id(&text[part])).collect())
    }
    fn encode_with_offsets(&self, text: &str) -> Option<Result<Offsets, BoxError>> {
        self.0.then(|| Ok(Words::parts(text).into_iter().map(|part| (Words::id(&text[part.clone()]), part)).collect()))
    }
}

#[test]
fn spans_by_offsets_and_by_prefixes_are_the_same() {
    let text = "<user>two words<end><assistant>an answer<end>\n<user>more";
    let whole = text.find("an answer").unwrap()..text.find("\n").unwrap();
    type Case<'a> = (&'a [Range<usize>], Result<&'a [Range<u32>], &'a str>);
    let table: [Case; 7] = [
        (&[], Ok(&[])),
        (std::slice::from_ref(&whole), Ok(&[11..16])),
        // the last token reaches beyond
        (&[whole.start..whole.start + 4], Ok(&[11..12])),
        (&[0..3, 3..3, whole.clone()], Err("between \"<us\" and \"er>two words\"")),
        (&[0..5, whole.clone()], Ok(&[0..2, 11..16])),
        (&[1000..1001], Err("its spans are no parts of its text, in order")),
        (&[whole.clone(), 0..1], Err("its spans are no parts of its text, in order")),
    ];
    for (spans, wanted) in table {
        let found = [true, false].map(|offsets| tokens_of_spans(&Words(offsets), text, spans));
        assert_eq!(found[0], found[1]);
        match (&found[0], wanted) {
            (Ok(sequence), Ok(wanted)) => assert_eq!(sequence.learned.as_deref(), Some(wanted), "{spans:?}"),
            (Err((kind, reason)), Err(wanted)) => {
                assert!(*kind == BadKind::Boundary && reason.contains(wanted), "{reason}")
            }
            (found, wanted) => panic!("{spans:?}: {found:?}, not {wanted:?}"),
        }
    }
    // whole conversations
    let rendered = rendered(&*angles(), &talk(), None, Turns::All, 0).unwrap();
    let found = [true, false].map(|offsets| tokens_of_spans(&Words(offsets), &rendered.text, &rendered.spans).unwrap());
    assert_eq!(found[0], found[1]);
}

#[test]
fn completions_and_preferences() {
    let text = |text: &str| TextOrMessages::Text(text.into());
    let encoding = Encoding { bos: Some('^' as u32), ..chatty() };
    let encode = |record: &Record| -> Vec<_> {
        let all = encoding.encode(record).unwrap();
        all.iter().map(|s| (s.tokens.len(), learned(s).concat())).collect()
    };
    let pair = |prompt: &str, completion: &str| Record::Completion {
        prompt: text(prompt),
        completion: text(completion),
        tools: None,
    };
    assert_eq!(encode(&pair("2+2=", "4")), [(7, "4$".into())]);
    assert_eq!(encode(&pair("2+2=", "")), [(6, "$".into())]);
    assert_eq!(encode(&pair("", "4")), [(3, "4$".into())]);
    let messages = |range: Range<usize>| TextOrMessages::Messages(talk()[range].to_vec());
    let chat = Record::Completion { prompt: messages(0..4), completion: messages(4..5), tools: None };
    assert_eq!(encode(&chat)[0].1, "d<end>");
    let preference = |prompt, chosen, rejected| Record::Preference { prompt, chosen, rejected, tools: None };
    let wanted = [(6, "yes$".to_string()), (5, "no$".to_string())];
    assert_eq!(encode(&preference(Some(text("?")), text("yes"), text("no"))), wanted);
    let wanted = [(6, "es$".to_string()), (6, "ou$".to_string())];
    assert_eq!(encode(&preference(None, text("?yes"), text("?you"))), wanted);
    let mut other = talk();
    other[4]["content"] = json!("other");
    let rejected = TextOrMessages::Messages(other);
    let both = encode(&preference(None, messages(0..5), rejected));
    assert_eq!(both.iter().map(|(_, learned)| &**learned).collect::<Vec<_>>(), ["d<end>", "other<end>"]);
    // a space at the end of a prompt belongs to the word behind it
    let words = Encoding::new(Arc::new(Words(false)));
    let (kind, reason) = words.encode(&pair("It is ", "four")).unwrap_err();
    assert_eq!(kind, BadKind::Boundary);
    assert!(reason.contains("between \"It is \" and \"four\"\n  help: begin answers with the space"), "{reason}");
    assert!(words.encode(&pair("It is", " four")).is_ok());
}

#[test]
fn preferences_on_disk_stay_pairs() {
    let lines: Vec<String> = (0..40)
        .map(|i| {
            let rejected = if i == 7 { "r".repeat(50) } else { format!("r{i}") };
            json!({ "prompt": "p", "chosen": format!("c{i}"), "rejected": rejected }).to_string() + "\n"
        })
        .chain([json!({ "chosen": "a", "rejected": [] }).to_string()])
        .collect();
    let place = folder(&[("a.jsonl", lines.concat().as_bytes())]);
    let fields: Fields = serde_json::from_value(json!({ "preference": {} })).unwrap();
    let source = Source { fields, ..source(&place, "a.jsonl") };
    let options = BuildOptions { on_bad: OnBad::Skip, ..options(&place) };
    let cache = Arc::new(TokenCache::build(&[source], &encoding(), &options, |_| {}).unwrap());
    assert_eq!((cache.len(), cache.group(), cache.stats().records), (80, 2, 40));
    assert_eq!(cache.stats().bad.counts[&BadKind::MissingField], 1);
    let pad = |long| DatasetOptions { packing: Packing::Pad, long, document_seed: Some(3), ..DatasetOptions::new(10) };
    let dropped = dataset(&cache, &pad(Long::Drop));
    assert_eq!((dropped.len(), dropped.stats().too_long, dropped.stats().sequences), (39, 2, 78));
    let cut = dataset(&cache, &pad(Long::Truncate));
    assert_eq!((cut.len(), cut.stats().truncated), (40, 52 - 11));
    let mut seen = vec![];
    for i in 0..cut.len() {
        let [chosen, rejected] = [2 * i, 2 * i + 1].map(|row| cut.row(row).unwrap().tokens);
        let text =
            |row: &[i32]| row.iter().take_while(|t| **t != EOS as i32).map(|t| *t as u8 as char).collect::<String>();
        let (chosen, rejected) = (text(&chosen), text(&rejected));
        assert!(
            chosen.starts_with("pc") && (rejected[2..] == chosen[2..] || rejected == "prrrrrrrrrr"),
            "{chosen} {rejected}"
        );
        seen.push(chosen);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 40);
    let error = text_of(Dataset::new(cache, &DatasetOptions::new(10)));
    assert!(
        error.contains("preferences cannot be packed by Concat and Split\n  help: say `packing = \"pad\"`"),
        "{error}"
    );
}
