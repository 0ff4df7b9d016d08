//! Chat templates render as transformers renders them.

use raxla_graphs::template::{Message, render};
use serde_json::{Map, Value, json};
use std::path::Path;

#[test]
fn templates_render_as_transformers_renders_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/template");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&read("cases.json")).unwrap();
    assert!(cases.len() > 200);
    let mut wrong = vec![];
    for case in &cases {
        let template = case["template"].as_str().map_or_else(|| case["source"].as_str().unwrap().to_string(), read);
        let messages = case["messages"].as_array().unwrap();
        let prompt = case["add_generation_prompt"].as_bool().unwrap();
        let rendered =
            render(&template, messages, Some("<s>"), Some("</s>"), prompt, case["extra"].as_object().unwrap());
        let same = match (&rendered, case["expected"].as_str()) {
            (Ok(text), Some(expected)) => text == expected,
            (Err(error), None) => error.to_string().contains(case["refusal"].as_str().unwrap()),
            _ => false,
        };
        if !same {
            wrong.push(format!("{}: {rendered:?}\n    expected {}{}", case["name"], case["expected"], case["refusal"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn plain(template: &str) -> Result<String, String> {
    let messages = [Message { role: "user".into(), content: "Hi".into() }];
    render(template, &messages, None, None, true, &Map::new()).map_err(|e| e.to_string())
}

#[test]
fn a_template_can_refuse_a_conversation_in_its_own_words() {
    let error =
        plain("{% if messages[0].role != 'system' %}\n{{ raise_exception('system first') }}{% endif %}").unwrap_err();
    assert_eq!(error, "chat template: system first (line 2)");
}

#[test]
fn broken_templates_are_errors_with_a_line() {
    for (template, reason) in [
        ("{% for m in messages %}\n{{ m.content }}", "line 2"),
        ("{{ messages | no_such_filter }}", "no_such_filter"),
        ("{{ messages[0].content.no_such_method() }}", "no_such_method"),
        ("{{ nothing.at_all }}", "undefined"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}", "it does not end"),
        ("{% include 'secret' %}", "secret"),
    ] {
        let error = plain(template).unwrap_err();
        assert!(error.starts_with("chat template: ") && error.contains(reason), "{error}");
    }
}

#[test]
fn the_date_is_there_and_missing_tokens_are_undefined() {
    let year = plain("{{ strftime_now('%Y') }}").unwrap();
    assert!(year.len() == 4 && year.parse::<u32>().unwrap() >= 2024);
    assert!(plain("{{ strftime_now('%Q!') }}").unwrap_err().contains("is no time format"));
    assert_eq!(plain("{{ bos_token is defined }}{{ bos_token }}").unwrap(), "False");
}

#[test]
fn variables_reach_the_template() {
    let extra = json!({ "custom": [1, "two"] });
    let text = render("{{ custom[1] }}", &[] as &[Message], None, None, false, extra.as_object().unwrap()).unwrap();
    assert_eq!(text, "two");
}
