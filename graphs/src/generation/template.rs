//! Chat templates: the Jinja programs with which models turn a conversation into a prompt.

mod python;

use crate::LoadError;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// One turn of a conversation. Templates also take richer messages (with tool calls, or content in parts): anything
/// serializable with the keys that the template looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

impl Message {
    /// What someone in this role said.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Message {
        Message { role: role.into(), content: content.into() }
    }
}

/// Steps of the template engine after which a template is taken to run forever.
const FUEL: u64 = 10_000_000;

/// Renders `messages` as transformers' `apply_chat_template` does.
///
/// `bos` and `eos` are the texts of the special tokens, `add_generation_prompt` opens the assistant's turn, and `extra`
/// holds more variables (`tools`, `enable_thinking`, ...). The result already contains every special token: encode it
/// without adding more. Errors: a template that does not parse, uses something unknown, or rejects the conversation.
pub fn render<M: Serialize>(
    template: &str,
    messages: &[M],
    bos: Option<&str>,
    eos: Option<&str>,
    add_generation_prompt: bool,
    extra: &serde_json::Map<String, serde_json::Value>,
) -> Result<String, LoadError> {
    let template = without_generation_marks(template);
    let mut env = Environment::new();
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.set_fuel(Some(FUEL));
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_formatter(python_format);
    env.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, reason))
    });
    env.add_function("strftime_now", strftime_now);
    env.add_filter("tojson", python::tojson);
    env.add_filter("string", |value: Value| python::text(&value));
    env.add_filter("trim", trim);
    // in Python whatever can be counted and indexed
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
    });
    let template = env.template_from_str(&template).map_err(bad)?;
    // transformers always defines these two.
    let mut variables = BTreeMap::from([("tools", Value::from(())), ("documents", Value::from(()))]);
    variables.extend(extra.iter().map(|(name, value)| (name.as_str(), Value::from_serialize(value))));
    variables.insert("messages", Value::from_serialize(with_reasoning(messages)?));
    variables.insert("add_generation_prompt", add_generation_prompt.into());
    for (name, token) in [("bos_token", bos), ("eos_token", eos)] {
        if let Some(token) = token {
            variables.insert(name, token.into());
        }
    }
    template.render(variables).map_err(bad)
}

/// What a model thought has had several names: templates of today read the first, GPT-OSS's the second.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

fn with_reasoning<M: Serialize>(messages: &[M]) -> Result<Json, LoadError> {
    let unserializable = |e: serde_json::Error| LoadError::Template { reason: format!("a message is no JSON: {e}") };
    let mut messages = serde_json::to_value(messages).map_err(unserializable)?;
    for message in messages.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
        let Some(thought) = REASONING.iter().find_map(|name| message.get(*name).filter(|v| !v.is_null())).cloned()
        else {
            continue;
        };
        message.entry("thinking").or_insert_with(|| thought.clone());
        message.insert("reasoning_content".into(), thought);
    }
    Ok(messages)
}

fn bad(error: Error) -> LoadError {
    let reason = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it does not end".to_string(),
        (ErrorKind::InvalidOperation, Some(reason)) => reason.to_string(),
        (kind, Some(reason)) => format!("{kind}: {reason}"),
        (kind, None) => kind.to_string(),
    };
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    LoadError::Template { reason: format!("{reason}{line}") }
}

/// transformers marks the assistant's words with `{% generation %}` blocks, which only training looks at.
fn without_generation_marks(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (before, tag, after) = (&rest[..start], &rest[start..start + length + 2], &rest[start + length + 2..]);
        out.push_str(before);
        match tag.trim_matches(['{', '}', '%', '-', '+', ' ', '\t', '\n']) {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out + rest
}

/// Prints what is not a text as Python does.
fn python_format(out: &mut Output, state: &State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Undefined => minijinja::escape_formatter(out, state, value),
        _ => out.write_str(&python::text(value)).map_err(Error::from),
    }
}

/// The filter `trim`: of anything that has a text.
fn trim(value: Value, chars: Option<String>) -> String {
    let text = python::text(&value);
    match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_string(),
        None => text.trim().to_string(),
    }
}

fn strftime_now(format: &str) -> Result<String, Error> {
    use std::fmt::Write;
    let mut text = String::new();
    let written = write!(text, "{}", chrono::Local::now().format(format));
    written
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {format:?} is no time format")))?;
    Ok(text)
}
