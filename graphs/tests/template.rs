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

/// The methods of `str`, `%`, `str.format`, operators, slices and filters.
#[test]
fn expressions_give_what_python_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/template/strings.json");
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rows = cases["rows"].as_array().unwrap();
    assert!(rows.len() > 600);
    let mut wrong = vec![];
    for row in rows {
        let source = format!("{{{{ ({}) | tojson }}}}", row[0].as_str().unwrap());
        let extra = cases["variables"].as_object().unwrap();
        let rendered = render(&source, &[] as &[Message], None, None, true, extra).map_err(|e| e.to_string());
        let json = rendered.as_ref().ok().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if json.as_ref() != row.get(1) {
            wrong.push(format!("{}: {rendered:?}\n    expected {:?}", row[0], row.get(1)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// A template comes with a checkpoint, from whoever made it.
#[test]
fn no_template_takes_all_memory_time_or_stack() {
    let many = |n: usize, part: &str| part.repeat(n);
    let hostile = [
        // nested source
        (format!("{{{{ {}1{} }}}}", many(4000, "("), many(4000, ")")), "recursion"),
        (format!("{{{{ {}1 }}}}", many(60_000, "not ")), "names and signs"),
        (format!("{{{{ {}1 }}}}", many(9_000, "-")), ""),
        (format!("{{{{ 1{} }}}}", many(100_000, "+1")), "names and signs"),
        (format!("{{{{ x{} }}}}", many(4_900, ".a")), "undefined"),
        (format!("{{{{ 'x'{} }}}}", many(3_000, "|upper")), ""),
        (format!("{{% if 0 %}}{}{{% endif %}}", many(15_000, "{% elif 0 %}")), ""),
        (format!("{{{{ {}{} }}}}", many(4_000, "["), many(4_000, "]")), "recursion"),
        (many(20_000, "{% if 1 %}"), "recursion"),
        (many(300 << 10, "x"), "bytes"),
        // texts that double
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = s ~ s %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = s + s %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s %}{{ s }}{{ s }}{% endset %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = s.replace('x', 'xx') %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = s|replace('x', 'xx') %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = '%s%s' % (s, s) %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = '{0}{0}'.format(s) %}")), "MiB"),
        (format!("{{% set s = 'xxxxxxxx' %}}{}", many(40, "{% set s = s.join([s, s]) %}")), "MiB"),
        (
            format!(
                "{{% macro m(s) %}}{{{{ s }}}}{{{{ s }}}}{{% endmacro %}}{}",
                many(40, "{% set s = m(s or 'x') %}")
            ),
            "MiB",
        ),
        ("{{ 'x' * 100000000000 }}".into(), "MiB"),
        ("{{ ('x' * 1000000)|join('x' * 1000000) }}".into(), "MiB"),
        ("{{ 'x'|indent(100000000000, true) }}".into(), "MiB"),
        ("{{ 'x'.center(100000000000) }}".into(), "MiB"),
        ("{{ '%100000000000s' % 1 }}".into(), "MiB"),
        ("{{ '{:100000000000}'.format(1) }}".into(), "MiB"),
        ("{{ '%.*f' % (100000000000, 1) }}".into(), "MiB"),
        ("{{ [1]|batch(100000000000, 1)|list }}".into(), "too many"),
        ("{{ ([0] * 100000000000)|list }}".into(), "MiB"),
        ("{% for i in range(90000) %}{{ 'x' * 9000 }}{% endfor %}".into(), "MiB"),
        (
            format!("{{% set x %}}{{% for i in range(90000) %}}{}{{% endfor %}}{{% endset %}}", many(20_000, "text ")),
            "MiB",
        ),
        // lists in lists
        (format!("{{% set l = [1] %}}{}{{{{ l == l }}}}", many(60, "{% set l = [l, l] %}")), "MiB"),
        (format!("{{% set l = [1] %}}{}{{{{ l }}}}", many(60, "{% set l = l + l %}")), "MiB"),
        (format!("{{% set l = [1] %}}{}{{{{ l }}}}", many(60, "{% set l = l, l %}")), "MiB"),
        (format!("{{% set l = [1] %}}{}{{{{ l }}}}", many(60, "{% set l = {'a': l, 'b': l} %}")), "MiB"),
        (format!("{{% set l = [1] %}}{}{{{{ l }}}}", many(60, "{% set l = l|zip(l)|list %}")), ""),
        (
            "{% set n = namespace(a=[]) %}{% for i in range(90000) %}{% set n.a = [n.a] %}{% endfor %}{{ n.a }}".into(),
            "lists within",
        ),
        ("{% set n = namespace() %}{% set n.a = n %}{{ n.a }}{{ n|upper }}".into(), "namespace"),
        ("{% macro m(l) %}{{ m([l, l]) }}{% endmacro %}{{ m([1]) }}".into(), ""),
        // loops
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}".into(),
            "does not end",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".into(), "recursion"),
        (
            "{% set s = 'x' * 9000000 %}{% for i in range(90000) %}{% if s[1:] == s[:-1] %}{% endif %}{% endfor %}"
                .into(),
            "MiB",
        ),
    ];
    for (template, reason) in hostile {
        let start: String = template.chars().take(150).collect();
        match plain(&template) {
            Ok(text) => assert!(reason.is_empty(), "{start} .. gives {} bytes", text.len()),
            Err(error) => assert!(error.contains(reason), "{start} ..: {error}"),
        }
    }
}
