//! Chat templates: the Jinja programs with which models turn a conversation into a prompt.

use crate::LoadError;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::collections::BTreeMap;
use std::io;

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
    env.add_filter("tojson", tojson);
    let template = env.template_from_str(&template).map_err(bad)?;
    // transformers always defines these two.
    let mut variables = BTreeMap::from([("tools", Value::from(())), ("documents", Value::from(()))]);
    variables.extend(extra.iter().map(|(name, value)| (name.as_str(), Value::from_serialize(value))));
    variables.insert("messages", Value::from_serialize(messages));
    variables.insert("add_generation_prompt", add_generation_prompt.into());
    for (name, token) in [("bos_token", bos), ("eos_token", eos)] {
        if let Some(token) = token {
            variables.insert(name, token.into());
        }
    }
    template.render(variables).map_err(bad)
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

/// Prints truth values and none as Python does.
fn python_format(out: &mut Output, state: &State, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::None => "None",
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        _ => return minijinja::escape_formatter(out, state, value),
    };
    out.write_str(text).map_err(Error::from)
}

fn strftime_now(format: &str) -> Result<String, Error> {
    use std::fmt::Write;
    let mut text = String::new();
    let written = write!(text, "{}", chrono::Local::now().format(format));
    written
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {format:?} is no time format")))?;
    Ok(text)
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`. The engine's own filter escapes HTML.
fn tojson(value: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let mut out = Vec::new();
    let written = match indent {
        Some(n) => {
            let indent = " ".repeat(n.min(64));
            value.serialize(&mut Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(indent.as_bytes())))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)),
    };
    written.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    let text = String::from_utf8(out).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    Ok(Value::from_safe_string(text))
}

/// JSON on one line, with the spaces that Python puts after commas and colons.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
