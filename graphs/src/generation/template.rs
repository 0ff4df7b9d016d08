//! Chat templates: the Jinja programs with which models turn a conversation into a prompt.

mod budget;
mod format;
mod methods;
mod operators;
mod python;
mod source;

use crate::LoadError;
use budget::{Budget, FUEL};
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// The stack of the thread that renders: the engine goes through a template's parts by recursion, and how deep they nest is
/// for [`source`] to limit. Only what is used of it becomes memory.
const STACK: usize = 512 << 20;

/// Renders `messages` as transformers' `apply_chat_template` does.
///
/// `bos` and `eos` are the texts of the special tokens, `add_generation_prompt` opens the assistant's turn, and `extra`
/// holds more variables (`tools`, `enable_thinking`, ...). The result already contains every special token: encode it
/// without adding more.
///
/// # Errors
/// A template that does not parse, uses something unknown, or rejects the conversation; one that is longer than 256 KiB, takes
/// longer than 20 seconds, or makes more than 64 MiB of texts and lists on the way.
pub fn render<M: Serialize>(
    template: &str,
    messages: &[M],
    bos: Option<&str>,
    eos: Option<&str>,
    add_generation_prompt: bool,
    extra: &serde_json::Map<String, serde_json::Value>,
) -> Result<String, LoadError> {
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
    std::thread::scope(|scope| {
        let render = || run(template, &variables).map_err(bad);
        let thread = std::thread::Builder::new().name("chat template".into()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, render);
        let thread =
            thread.map_err(|e| LoadError::Template { reason: format!("no thread can be started for it: {e}") })?;
        thread.join().unwrap_or_else(|_| Err(LoadError::Template { reason: "the engine failed".into() }))
    })
}

fn run(template: &str, variables: &BTreeMap<&str, Value>) -> Result<String, Error> {
    let template = source::rewrite(template)?;
    let budget = Arc::new(Budget::new());
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    let spent = budget.clone();
    env.set_formatter(move |out, state, value| python_format(out, state, value, &spent));
    env.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, reason))
    });
    env.add_function("strftime_now", strftime_now);
    // in Python whatever can be counted and indexed
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
    });
    operators::add_to(&mut env, &budget);
    env.template_from_str(&template)?.render(variables)
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

/// Prints what is not a text as Python does.
fn python_format(out: &mut Output, state: &State, value: &Value, budget: &Budget) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Undefined => {
            budget.spend(value.as_str().map_or(0, str::len))?;
            minijinja::escape_formatter(out, state, value)
        }
        _ => out.write_str(&python::text(value, budget)?).map_err(Error::from),
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
