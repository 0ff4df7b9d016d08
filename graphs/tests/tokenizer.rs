//! Tokenizers in every form give the ids of the reference, and streams give the text.

use proptest::prelude::*;
use raxla_graphs::LoadError;
use raxla_graphs::tokenizer::Tokenizer;
use raxla_graphs::weights::Weights;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizer").join(name)
}

fn gguf(name: &str) -> Tokenizer {
    Tokenizer::from_gguf(&Weights::open(data(name)).unwrap()).unwrap()
}

static BPE: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::from_dir(&data("bpe")).unwrap());
static SPM: LazyLock<Tokenizer> = LazyLock::new(|| gguf("spm.gguf"));

fn assert_ids(tokenizer: &Tokenizer, reference: &str) {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(data("texts.json")).unwrap()).unwrap();
    let texts = all["texts"].as_array().unwrap();
    assert_eq!(texts.len(), all[reference].as_array().unwrap().len());
    for (text, ids) in texts.iter().zip(all[reference].as_array().unwrap()) {
        let text = text.as_str().unwrap();
        assert_eq!(&json!(tokenizer.encode(text, true).unwrap()), ids, "{text:?}");
    }
}

/// Compares with the reference on the awkward texts, and says which differ.
fn differing(tokenizer: &Tokenizer, reference: &str) -> Vec<String> {
    let all = std::fs::read_to_string(data("awkward/texts.json")).unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    let (texts, ids) = (all["texts"].as_array().unwrap(), all[reference].as_array().unwrap());
    assert_eq!((texts.len(), ids.len()), (200, 200));
    let mut wrong = vec![];
    for (text, ids) in texts.iter().zip(ids) {
        let text = text.as_str().unwrap();
        let got = tokenizer.encode(text, true).unwrap();
        if !ids.is_null() && json!(got) != *ids {
            wrong.push(format!("{text:?}\n  got      {got:?}\n  expected {ids}"));
        }
    }
    wrong
}

#[test]
fn awkward_texts_get_the_reference_ids_in_every_form() {
    let mut wrong = vec![];
    for name in ["unigram", "unigram_bytes", "llama", "gemma", "llama3", "qwen2"] {
        let tokenizer = Tokenizer::from_dir(&data("awkward").join(name)).unwrap();
        wrong.extend(differing(&tokenizer, name).into_iter().map(|w| format!("{name}: {w}")));
    }
    // transformers itself: no second space before a text that begins with one, and none behind special tokens
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data("awkward/llama/tokenizer.model"), dir.path().join("tokenizer.model")).unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), r#"{"legacy": false}"#).unwrap();
    wrong.extend(differing(&Tokenizer::from_dir(dir.path()).unwrap(), "llama, not legacy"));
    for name in ["llama", "gemma", "llama3", "tekken"] {
        let tokenizer = gguf(&format!("awkward/{name}.gguf"));
        wrong.extend(differing(&tokenizer, name).into_iter().map(|w| format!("{name}.gguf: {w}")));
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn tokenizer_json_gives_the_reference_ids_whatever_truncation_it_was_saved_with() {
    assert_ids(&BPE, "bpe");
    assert_eq!(BPE.vocab_size(), 400);
    assert_eq!(BPE.id("<|im_end|>"), Some(2));
    assert_eq!((BPE.token(2).as_deref(), BPE.token(400)), (Some("<|im_end|>"), None));
}

#[test]
fn vocabulary_and_merges_give_the_reference_ids() {
    let tokenizer = Tokenizer::from_dir(&data("gpt2")).unwrap();
    assert_ids(&tokenizer, "gpt2");
    assert_eq!((tokenizer.bos, tokenizer.eos.as_slice()), (Some(0), [0].as_slice()));
    // The same under the names that OpenAI gave the files.
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data("gpt2/vocab.json"), dir.path().join("encoder.json")).unwrap();
    std::fs::copy(data("gpt2/merges.txt"), dir.path().join("vocab.bpe")).unwrap();
    assert_ids(&Tokenizer::from_dir(dir.path()).unwrap(), "gpt2");
}

#[test]
fn gguf_metadata_gives_the_reference_ids() {
    let tokenizer = gguf("bpe.gguf");
    assert_ids(&tokenizer, "bpe");
    assert_eq!((tokenizer.bos, tokenizer.eos.as_slice()), (Some(1), [2, 0].as_slice()));
    assert_eq!(tokenizer.chat_template.as_deref(), Some("{{ messages[0].content }}"));
    assert_ids(&SPM, "spm");
    assert_eq!((SPM.bos, SPM.eos.as_slice()), (Some(1), [2].as_slice()));
    assert_eq!(SPM.encode("the light", false).unwrap(), SPM.encode("the light", true).unwrap()[1..]);
}

#[test]
fn special_ids_and_the_template_come_from_all_files_beside_the_tokenizer() {
    // The tokenizer's own end first, then those of generation_config.json, which replace those of config.json.
    assert_eq!((BPE.bos, BPE.eos.as_slice()), (Some(1), [2, 0].as_slice()));
    assert_eq!(BPE.chat_template.as_deref(), Some("{{ messages[0].content }}"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data("bpe/tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    let bare = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!((bare.bos, bare.eos.as_slice(), bare.chat_template), (None, [0u32; 0].as_slice(), None));
    std::fs::write(dir.path().join("chat_template.jinja"), "own").unwrap();
    std::fs::write(
        dir.path().join("tokenizer_config.json"),
        r#"{"chat_template": "other", "eos_token": "<|endoftext|>"}"#,
    )
    .unwrap();
    assert_eq!(BPE.tool_template.as_deref(), Some("tools"));
    let dressed = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(dressed.tool_template, None);
    std::fs::remove_file(dir.path().join("chat_template.jinja")).unwrap();
    std::fs::write(dir.path().join("chat_template.json"), r#"{"chat_template": "third"}"#).unwrap();
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().chat_template.as_deref(), Some("third"));
    assert_eq!((dressed.eos.as_slice(), dressed.chat_template.as_deref()), ([0].as_slice(), Some("own")));
}

#[test]
fn decoding_skips_special_tokens_on_request() {
    let ids = BPE.encode("<|im_start|>user\nHello<|im_end|>", true).unwrap();
    assert_eq!(BPE.decode(&ids, false).unwrap(), "<|im_start|>user\nHello<|im_end|>");
    assert_eq!(BPE.decode(&ids, true).unwrap(), "user\nHello");
    assert_eq!(BPE.decode(&[100_000], true).unwrap(), "");
}

/// What a SentencePiece model writes begins with a space where a word begins: it is decoded after its prompt.
#[test]
fn a_text_after_a_prompt_keeps_its_space() {
    for form in ["llama", "gemma"] {
        let tokenizer = Tokenizer::from_dir(&data("awkward").join(form)).unwrap();
        let ids = tokenizer.encode("God said, \u{e9}\u{1F600} let there be", true).unwrap();
        let whole = tokenizer.decode(&ids, true).unwrap();
        for (at, _) in ids.iter().enumerate().skip(1) {
            let (prompt, rest) = ids.split_at(at);
            let mut stream = tokenizer.decode_stream_after(prompt, true).unwrap();
            let mut text: String = rest.iter().map(|id| stream.push(*id).unwrap()).collect();
            text += &stream.finish().unwrap();
            let before = tokenizer.decode(prompt, true).unwrap();
            // (a prompt that ends within a character is none)
            if !before.ends_with('\u{fffd}') {
                assert_eq!(before + &text, whole, "{form} {at}");
            }
        }
    }
}

/// Everything that settings say about special tokens.
#[test]
fn the_settings_decide_what_surrounds_a_text() {
    let opened = |form: &str, settings: Value| {
        let dir = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(data("awkward").join(form)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        std::fs::write(dir.path().join("tokenizer_config.json"), settings.to_string()).unwrap();
        Tokenizer::from_dir(dir.path())
    };
    for (form, bos, eos) in [("llama", 1, 2), ("gemma", 2, 1)] {
        let ids = |settings| opened(form, settings).unwrap().encode("God", true).unwrap();
        let [first, .., last] = ids(json!({ "add_eos_token": true }))[..] else { panic!() };
        assert_eq!((first, last), (bos, eos));
        let plain = ids(json!({ "add_bos_token": false }));
        assert_eq!(ids(json!({}))[1..], plain);
        assert!(!plain.contains(&bos));
    }
    let llama3 = |settings| opened("llama3", settings).unwrap().encode("God", true).unwrap();
    let names = json!({ "bos_token": "<s>", "eos_token": "</s>" });
    let with = |key: &str, value: bool| {
        let mut all = names.clone();
        all[key] = value.into();
        all
    };
    let usual = llama3(names.clone());
    // a tokenizer.json says what stands around a text, as in transformers 5
    for (key, value) in [("add_bos_token", false), ("add_eos_token", true)] {
        let mut all = with(key, value);
        for class in ["PreTrainedTokenizerFast", "LlamaTokenizer"] {
            all["tokenizer_class"] = class.into();
            assert_eq!(llama3(all.clone()), usual, "{key} {class}");
        }
    }
    // a space before the first text only
    let new = opened("llama", json!({ "legacy": false })).unwrap();
    let old = opened("llama", json!({ "legacy": true })).unwrap();
    assert_eq!(new.encode("God", true).unwrap(), old.encode("God", true).unwrap());
    assert!(new.encode("a<|x|>God", true).unwrap() != old.encode("a<|x|>God", true).unwrap());
    assert_eq!(new.decode(&new.encode("a<|x|>God", false).unwrap(), false).unwrap(), "a<|x|>God");
    // added tokens: behind the vocabulary, in place of a piece, and where they cannot be
    let size = old.vocab_size();
    let token = |text: &str, special: bool| json!({ "content": text, "special": special, "lstrip": true });
    let more = opened(
        "llama",
        json!({ "added_tokens_decoder": {
        (size.to_string()): token("<pad>", true), (size + 1).to_string(): token("<more>", false), "3": token("<mine>", true),
    } }),
    );
    let more = more.unwrap();
    assert_eq!(
        (more.id("<pad>"), more.id("<more>"), more.id("<mine>")),
        (Some(size as u32), Some(size as u32 + 1), Some(3))
    );
    assert_eq!(more.encode("a  <more>", false).unwrap().len(), 2, "the spaces belong to the token");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data("awkward/llama/tokenizer.model"), dir.path().join("tokenizer.model")).unwrap();
    std::fs::write(dir.path().join("added_tokens.json"), json!({ "<old>": size }).to_string()).unwrap();
    let before = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(before.encode("<old>", false).unwrap(), [size as u32]);
    let wrong = opened("llama", json!({ "added_tokens_decoder": { "9999": token("<far>", true) } })).unwrap_err();
    assert!(wrong.to_string().contains("gives \"<far>\" the id 9999, but its id is"), "{wrong}");
}

#[test]
fn sentencepiece_files_decode_what_they_encode() {
    for form in ["llama", "gemma", "unigram_bytes"] {
        let tokenizer = Tokenizer::from_dir(&data("awkward").join(form)).unwrap();
        for text in ["the Light", "  two\t\tspaces \n\n", "日本語 🦀 é"] {
            let ids = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(&ids, true).unwrap(), text, "{form}: {ids:?}");
        }
    }
}

#[test]
fn to_json_is_the_same_tokenizer() {
    for (tokenizer, reference) in [(gguf("bpe.gguf"), "bpe"), (gguf("spm.gguf"), "spm")] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tokenizer.json"), tokenizer.to_json().unwrap()).unwrap();
        assert_ids(&Tokenizer::from_dir(dir.path()).unwrap(), reference);
    }
}

#[track_caller]
fn refusal(files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let error = Tokenizer::from_dir(dir.path()).expect_err("it is broken");
    let text = error.to_string();
    assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
    text
}

#[test]
fn broken_tokenizers_are_errors_that_name_the_file() {
    assert!(
        refusal(&[])
            .contains("neither tokenizer.json nor tokenizer.model nor vocab.json with merges.txt\n  help: copy")
    );
    for (broken, reason) in [("", "it holds no pieces"), ("\n\u{5}ab", "it is no SentencePiece model, or damaged")] {
        let text = refusal(&[("tokenizer.model", broken)]);
        assert!(text.contains("tokenizer.model cannot be loaded") && text.contains(reason), "{text}");
    }
    for broken in ["", "{", "[]", r#"{"model": {"type": "Unheard"}}"#] {
        assert!(refusal(&[("tokenizer.json", broken)]).contains("tokenizer.json cannot be loaded"), "{broken}");
    }
    let whole = std::fs::read_to_string(data("bpe/tokenizer.json")).unwrap();
    assert!(refusal(&[("tokenizer.json", &whole[..whole.len() / 2])]).contains("tokenizer.json cannot be loaded"));
    assert!(
        refusal(&[("tokenizer.json", &whole), ("tokenizer_config.json", "nonsense")]).contains("tokenizer_config.json")
    );
    assert!(refusal(&[("vocab.json", r#"{"a": 0}"#), ("merges.txt", "x y\n")]).contains("vocab.json cannot be loaded"));
    let bare = Tokenizer::from_gguf(&Weights::open(data("../gguf/llama.gguf")).unwrap()).unwrap_err();
    assert!(
        matches!(&bare, LoadError::Tokenizer { reason, .. } if reason.contains("the file has no tokenizer")),
        "{bare}"
    );
}

/// Rules that work one after another, each of which makes a text longer.
#[test]
fn rules_that_let_texts_explode_are_refused() {
    let model = json!({ "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] });
    let opened = |part: &str, rules: Value| {
        let dir = tempfile::tempdir().unwrap();
        let mut file = json!({ "version": "1.0", "added_tokens": [], "model": model });
        file[part] = rules;
        std::fs::write(dir.path().join("tokenizer.json"), file.to_string()).unwrap();
        Tokenizer::from_dir(dir.path())
    };
    let many = |n: usize, one: Value| vec![one; n];
    let replace = |from: Value, to: &str| json!({ "type": "Replace", "pattern": from, "content": to });
    let doubling = replace(json!({ "String": "a" }), "aa");
    let level = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let hostile = [
        ("normalizer", json!({ "type": "Sequence", "normalizers": many(40, doubling.clone()) })),
        (
            "normalizer",
            json!({ "type": "Sequence", "normalizers": many(40, json!({ "type": "Prepend", "prepend": "a" })) }),
        ),
        ("normalizer", replace(json!({ "String": "a" }), &"a".repeat(100_000))),
        ("normalizer", replace(json!({ "Regex": "x*" }), &"a".repeat(100_000))),
        ("pre_tokenizer", json!({ "type": "Sequence", "pretokenizers": many(40, level) })),
        ("decoder", json!({ "type": "Sequence", "decoders": many(40, doubling.clone()) })),
        (
            "post_processor",
            json!({ "type": "TemplateProcessing", "single": many(20_000, text("A")), "pair": [text("A"), text("B")], "special_tokens": {} }),
        ),
    ];
    for (part, rules) in hostile {
        let error = opened(part, rules).unwrap_err().to_string();
        assert!(error.contains("times as long") && error.contains("is the most"), "{part}: {error}");
    }
    // within bounds, a text that would become too long is refused, and others are not
    let some = opened("normalizer", json!({ "type": "Sequence", "normalizers": many(10, doubling) })).unwrap();
    assert_eq!(some.encode("ab", true).unwrap().len(), 1025);
    let error = some.encode(&"a".repeat(1 << 20), true).unwrap_err().to_string();
    assert!(
        error.contains("1048576 bytes") && error.contains("1024 times") && error.contains("help: give it in parts"),
        "{error}"
    );
    let long = json!({ "type": "BPE", "vocab": { ("a".repeat(5000)): 0 }, "merges": [] });
    let dir = tempfile::tempdir().unwrap();
    let file = json!({ "version": "1.0", "added_tokens": [], "model": long });
    std::fs::write(dir.path().join("tokenizer.json"), file.to_string()).unwrap();
    assert!(Tokenizer::from_dir(dir.path()).unwrap_err().to_string().contains("a piece of 5000 bytes"));
}

/// Pushes ids one by one; no piece may hold half a character.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> (Vec<String>, String) {
    let mut stream = tokenizer.decode_stream(false);
    let pieces: Vec<String> = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    (pieces, stream.finish().unwrap())
}

#[test]
fn characters_are_printed_whole() {
    for tokenizer in [&*BPE, &*SPM] {
        for text in ["🦀", "naïve 日本語", "  two", "👩‍👩‍👧 family", "the light\n\n"] {
            let ids = tokenizer.encode(text, false).unwrap();
            let (pieces, rest) = streamed(tokenizer, &ids);
            assert_eq!(pieces.concat(), text);
            assert_eq!(rest, "");
            assert!(pieces.iter().all(|p| !p.contains('\u{fffd}')), "{pieces:?}");
        }
    }
    let crab = BPE.encode("🦀", false).unwrap();
    assert_eq!(crab.len(), 4, "the vocabulary has no crab");
    assert_eq!(streamed(&BPE, &crab).0, ["", "", "", "🦀"]);
}

#[test]
fn an_unfinished_character_is_flushed_at_the_end() {
    let crab = BPE.encode("a🦀", false).unwrap();
    let (pieces, rest) = streamed(&BPE, &crab[..3]);
    assert_eq!((pieces.concat().as_str(), rest.as_str()), ("a", "\u{fffd}"));
}

#[test]
fn skipped_special_tokens_do_not_disturb_the_stream() {
    let ids = BPE.encode("<|im_start|>a<|im_end|> b 🦀<|endoftext|>", false).unwrap();
    let mut stream = BPE.decode_stream(true);
    let text: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    assert_eq!(text + &stream.finish().unwrap(), "a b 🦀");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Opening may fail, but neither it nor encoding may panic.
    #[test]
    fn damaged_sentencepiece_files_never_panic(
        name in prop::sample::select(vec!["unigram", "unigram_bytes", "llama", "gemma"]),
        // The end holds the settings and the character map.
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut file = std::fs::read(data("awkward").join(name).join("tokenizer.model")).unwrap();
        for (at, byte, at_end) in edits {
            let at = if at_end { file.len() - 1 - at.index(1200) } else { at.index(file.len()) };
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tokenizer.model"), file).unwrap();
        if let Ok(tokenizer) = Tokenizer::from_dir(dir.path()) {
            for text in ["", "the Light <tool>\u{ff21}\u{bd}\tx", "e\u{301} \u{1f980}\n"] {
                let _ = tokenizer.encode(text, true).map(|ids| tokenizer.decode(&ids, false));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn streams_give_what_decoding_at_once_gives(ids in prop::collection::vec(0u32..400, 0..40)) {
        let (pieces, rest) = streamed(&BPE, &ids);
        prop_assert_eq!(pieces.concat() + &rest, BPE.decode(&ids, false).unwrap());
    }

    #[test]
    fn texts_survive_the_round_trip(text in "\\PC{0,30}") {
        for tokenizer in [&*BPE, &*SPM] {
            let ids = tokenizer.encode(&text, false).unwrap();
            let (pieces, rest) = streamed(tokenizer, &ids);
            prop_assert_eq!(pieces.concat() + &rest, tokenizer.decode(&ids, false).unwrap());
        }
        prop_assert_eq!(BPE.decode(&BPE.encode(&text, false).unwrap(), false).unwrap(), text);
    }
}

#[test]
fn merges_of_no_token_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = |merges: &str, more: &str| {
        let text = format!(
            r#"{{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": {{"type": "BPE", "vocab": {{"a": 0, "b": 1, "ab": 2, "bab": 3}}, "merges": {merges}{more}}}}}"#
        );
        std::fs::write(dir.path().join("tokenizer.json"), text).unwrap();
        Tokenizer::from_dir(dir.path()).map(|t| t.encode("abab", false).unwrap()).map_err(|e| e.to_string())
    };
    assert_eq!(open(r#"["a b"]"#, ""), Ok(vec![2, 2]));
    assert_eq!(open(r#"[["a", "b"]]"#, ""), Ok(vec![2, 2]));
    let refused = |outcome: Result<Vec<u32>, String>, why: &str| {
        assert!(outcome.as_ref().is_err_and(|e| e.contains(why)), "{outcome:?}");
    };
    // longer than any token: the crate writes behind its buffer's end
    refused(open(r#"["bab ab"]"#, ""), r#"the merge of "bab" and "ab" makes "babab", which is no token"#);
    refused(
        open(r#"["a b"]"#, r###", "continuing_subword_prefix": "##""###),
        r###"the merge of "a" and "b" lacks "##""###,
    );
}

/// A tokenizer.json of few tokens, with these parts in place of the usual ones.
fn with_parts(parts: Value) -> Value {
    let mut whole = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "<unk>": 0, "a": 1, "b": 2 }, "unk_token": "<unk>" },
    });
    whole.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    whole
}

#[track_caller]
fn opened_with(parts: Value) -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), with_parts(parts).to_string()).unwrap();
    Tokenizer::from_dir(dir.path()).unwrap()
}

#[track_caller]
fn refused_with(parts: Value, why: &str) {
    let text = refusal(&[("tokenizer.json", &with_parts(parts).to_string())]);
    assert!(text.contains("tokenizer.json cannot be loaded") && text.contains(why), "{text}");
}

#[test]
fn post_processors_that_name_what_is_not_there_are_refused() {
    let (a, b) =
        (json!({ "Sequence": { "id": "A", "type_id": 0 } }), json!({ "Sequence": { "id": "B", "type_id": 1 } }));
    let begin = json!({ "SpecialToken": { "id": "<s>", "type_id": 0 } });
    let known = json!({ "<s>": { "id": "<s>", "ids": [2], "tokens": ["<s>"] } });
    let template = |single: &[&Value], pair: &[&Value], special: &Value| json!({ "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special });
    let sequence = |all: &[&Value]| json!({ "post_processor": { "type": "Sequence", "processors": all } });
    let whole = template(&[&begin, &a], &[&begin, &a, &b], &known);
    let ids = |parts: Value| opened_with(parts).encode("a", true).unwrap();
    assert_eq!(ids(json!({ "post_processor": whole })), [2, 1]);
    let plain = template(&[&a], &[&a, &b], &json!({}));
    assert_eq!(ids(sequence(&[&plain, &whole])), [2, 1]);
    for (single, pair, name) in [(vec![&begin, &a], vec![&a, &b], "single"), (vec![&a], vec![&a, &b, &begin], "pair")] {
        let bad = template(&single, &pair, &json!({}));
        let why = format!("`{name}` of its post-processor has \"<s>\", which `special_tokens` lacks");
        refused_with(json!({ "post_processor": bad }), &why);
        refused_with(sequence(&[&plain, &bad]), &why);
    }
    let second = template(&[&b], &[&a, &b], &json!({}));
    refused_with(json!({ "post_processor": second }), "`single` of its post-processor has the sequence B");
    let three = template(&[&begin, &begin, &a], &[&a, &b], &known);
    refused_with(sequence(&[&three, &plain]), "a TemplateProcessing behind another part, which leaves 3");
}

#[test]
fn saved_truncation_and_padding_are_left_out() {
    let parts = json!({
        "truncation": { "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 5 },
        "padding": { "strategy": { "Fixed": 1u64 << 60 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "<unk>" },
        "pre_tokenizer": { "type": "Whitespace" },
    });
    assert_eq!(opened_with(parts).encode("a b a", true).unwrap(), [1, 2, 1]);
}

#[test]
fn parts_on_which_the_reader_would_panic_are_refused() {
    let fixed = json!({ "type": "FixedLength", "length": 0 });
    refused_with(json!({ "pre_tokenizer": fixed }), "a FixedLength with `length` 0");
    let nested = json!({ "type": "Sequence", "pretokenizers": [{ "type": "Whitespace" }, fixed] });
    refused_with(json!({ "pre_tokenizer": nested }), "a FixedLength with `length` 0");
    refused_with(
        json!({ "decoder": { "type": "Sequence", "decoders": [
            { "type": "Fuse" }, { "type": "Strip", "content": " ", "start": 0, "stop": 1 }] } }),
        "a Strip with `stop` 1",
    );
    let bpe = json!({ "type": "BPEDecoder", "suffix": "</w>" });
    let ctc = json!({ "type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": true });
    let both = json!({ "type": "Sequence", "decoders": [ctc, bpe] });
    refused_with(json!({ "decoder": both }), "a BPEDecoder behind a CTC");
    assert_eq!(opened_with(json!({ "decoder": bpe })).decode(&[9], false).unwrap(), "");
    // a map of characters needs no name
    refused_with(json!({ "normalizer": { "precompiled_charsmap": "AAAA" } }), "its character map");
    let begin = json!({ "type": "Replace", "pattern": { "Regex": "^" }, "content": "▁" });
    let lower = json!({ "type": "Lowercase" });
    let normalizers = |all: &[&Value]| json!({ "type": "Sequence", "normalizers": all });
    refused_with(json!({ "normalizer": normalizers(&[&begin, &lower]) }), "and others behind it");
    refused_with(
        json!({ "normalizer": normalizers(&[&json!({ "type": "Prepend", "prepend": "" }), &lower]) }),
        "a Replace or Prepend that takes up no character",
    );
    let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    refused_with(json!({ "normalizer": begin, "pre_tokenizer": bytes }), "and its pre-tokenizer is ByteLevel");
    opened_with(json!({ "normalizer": normalizers(&[&lower, &begin]) })).encode("A", true).unwrap();
}

#[test]
fn tokens_and_ids_on_which_the_reader_would_panic_are_refused() {
    let model = json!({ "type": "WordLevel", "vocab": { "a": u32::MAX }, "unk_token": "a" });
    refused_with(json!({ "model": model }), "its model gives \"a\" the id 4294967295");
    assert!(refusal(&[("vocab.json", r#"{"a": 4294967295}"#), ("merges.txt", "")]).contains("the id 4294967295"));
    let model = json!({ "type": "Unigram", "vocab": [["a", 0.0], ["b".repeat(1 << 17), 0.0]], "unk_id": 0 });
    refused_with(json!({ "model": model }), "its model has a piece of 131072 bytes");
    let twice =
        r#"{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "vocab": {"a": 1}, "unk_token": "a"}}"#;
    assert!(refusal(&[("tokenizer.json", twice)]).contains("its model: duplicate field"));
    let token = |id: u32, content: &str, left: bool, right: bool| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": left, "rstrip": right, "normalized": false,
            "special": false })
    };
    let added =
        |left: bool, right: bool| json!({ "added_tokens": [token(3, "<x>", false, true), token(4, " ", left, right)] });
    refused_with(added(true, false), "its added tokens \"<x>\" (`rstrip`) and \" \" (`lstrip`)");
    for (left, right) in [(false, false), (false, true), (true, true)] {
        opened_with(added(left, right)).encode("<x>   a", true).unwrap();
    }
}
