//! Records: what the fields of a line or row say.

use super::{
    BadKind, Fields, Format,
    reader::{Content, Raw},
};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A prompt or an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum TextOrMessages {
    /// Text as it is.
    Text(String),
    /// Messages for the chat template: objects with a `role`.
    Messages(Vec<Value>),
}

/// What a record says, before it is tokenised. See [`Fields`].
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A document.
    Text(String),
    /// A conversation.
    Chat {
        /// Objects with a `role`.
        messages: Vec<Value>,
        /// JSON schemas of functions, for the template.
        tools: Option<Value>,
    },
    /// A prompt and what is to follow it: both texts, or both messages.
    Completion {
        /// What is given.
        prompt: TextOrMessages,
        /// What is learned.
        completion: TextOrMessages,
        /// JSON schemas of functions, for the template.
        tools: Option<Value>,
    },
    /// Two answers to a prompt.
    Preference {
        /// What is given; `None`: what both answers begin with.
        prompt: Option<TextOrMessages>,
        /// The better answer.
        chosen: TextOrMessages,
        /// The other one.
        rejected: TextOrMessages,
        /// JSON schemas of functions, for the template.
        tools: Option<Value>,
    },
}

/// Why there is no record.
pub type Unusable = (BadKind, String);

/// The names of the fields that are looked at.
pub(super) fn names(fields: &Fields) -> Vec<&str> {
    match fields {
        Fields::Text(text) => vec![text],
        Fields::Messages(messages) => vec![messages, "tools"],
        Fields::Completion { prompt, completion } => vec![prompt, completion, "tools"],
        Fields::Preference { prompt, chosen, rejected } => vec![prompt, chosen, rejected, "tools"],
    }
}

impl Raw {
    /// What the record says; `None` for an empty line.
    pub fn parse(self, format: Format, fields: &Fields) -> Result<Option<Record>, Unusable> {
        let row = match self.content {
            Content::Bad(kind, reason) => return Err((kind, reason)),
            Content::Row(row) => row,
            Content::Bytes(bytes) => {
                let text = String::from_utf8(bytes).map_err(|e| {
                    let at = e.utf8_error().valid_up_to();
                    (BadKind::InvalidUtf8, format!("it is not UTF-8 (byte {at} of the record)"))
                })?;
                if format == Format::Text {
                    return Ok(Some(Record::Text(text)));
                }
                if text.trim().is_empty() {
                    return Ok(None);
                }
                let mut reader = serde_json::Deserializer::from_str(&text);
                let row = Wanted(&names(fields)).deserialize(&mut reader);
                row.and_then(|row| reader.end().map(|()| row))
                    .map_err(|e| (BadKind::InvalidJson, format!("it is no JSON object: {}", without_line(&e))))?
            }
        };
        Row(row).record(fields).map(Some)
    }
}

/// The text of the error without `at line 1`, which is the line within the record.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((text, _)) => format!("{text} (column {})", error.column()),
        None => text,
    }
}

/// Reads an object's fields of these names, and passes over the others.
struct Wanted<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Map<String, Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Map<String, Value>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Map<String, Value>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<String, Value>, A::Error> {
        let mut row = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.contains(&&*name) {
                true => _ = row.insert(name, map.next_value()?),
                false => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(row)
    }
}

/// The fields that are there.
struct Row(Map<String, Value>);

impl Row {
    fn record(mut self, fields: &Fields) -> Result<Record, Unusable> {
        Ok(match fields {
            Fields::Text(name) => match self.take(name)? {
                Value::String(text) => Record::Text(text),
                other => return Err(wrong(name, "a text", &other)),
            },
            Fields::Messages(name) => match self.part(name)? {
                TextOrMessages::Messages(messages) => Record::Chat { messages, tools: self.tools()? },
                TextOrMessages::Text(text) => return Err(wrong(name, "a list of messages", &text.into())),
            },
            Fields::Completion { prompt, completion } => {
                let (prompt, completion) = alike(prompt, self.part(prompt)?, completion, self.part(completion)?)?;
                Record::Completion { prompt, completion, tools: self.tools()? }
            }
            Fields::Preference { prompt, chosen, rejected } => {
                let given = if self.has(prompt) { Some(self.part(prompt)?) } else { None };
                let (mut better, worse) = alike(chosen, self.part(chosen)?, rejected, self.part(rejected)?)?;
                let given = match given {
                    Some(given) => {
                        let (given, part) = alike(prompt, given, chosen, better)?;
                        better = part;
                        Some(given)
                    }
                    None => None,
                };
                Record::Preference { prompt: given, chosen: better, rejected: worse, tools: self.tools()? }
            }
        })
    }

    fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    fn take(&mut self, name: &str) -> Result<Value, Unusable> {
        let value = self.0.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        value.ok_or_else(|| (BadKind::MissingField, format!("it has no field `{name}`")))
    }

    fn part(&mut self, name: &str) -> Result<TextOrMessages, Unusable> {
        match self.take(name)? {
            Value::String(text) => Ok(TextOrMessages::Text(text)),
            Value::Array(messages) if messages.is_empty() => {
                Err((BadKind::MissingField, format!("its `{name}` is empty")))
            }
            Value::Array(messages) => {
                match messages.iter().position(|message| !message.get("role").is_some_and(Value::is_string)) {
                    Some(i) => Err(wrong(&format!("{name}[{i}]"), "an object with a `role`", &messages[i])),
                    None => Ok(TextOrMessages::Messages(messages)),
                }
            }
            other => Err(wrong(name, "a text or a list of messages", &other)),
        }
    }

    fn tools(&mut self) -> Result<Option<Value>, Unusable> {
        if !self.has("tools") {
            return Ok(None);
        }
        match self.take("tools")? {
            Value::Array(tools) if tools.is_empty() => Ok(None),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            // (data sets often keep them as text, since their types differ)
            Value::String(text) => match serde_json::from_str::<Value>(&text) {
                Ok(tools) if tools.is_array() => Ok(Some(tools)),
                _ => Err(wrong("tools", "a list, or the JSON text of one", &text.into())),
            },
            tools if tools.is_array() => Ok(Some(tools)),
            other => Err(wrong("tools", "a list, or the JSON text of one", &other)),
        }
    }
}

/// Two parts that are both texts or both messages.
fn alike(
    a: &str,
    first: TextOrMessages,
    b: &str,
    second: TextOrMessages,
) -> Result<(TextOrMessages, TextOrMessages), Unusable> {
    match matches!(first, TextOrMessages::Text(_)) == matches!(second, TextOrMessages::Text(_)) {
        true => Ok((first, second)),
        false => {
            Err((BadKind::WrongType, format!("one of its `{a}` and `{b}` is a text, and the other a list of messages")))
        }
    }
}

fn wrong(name: &str, wanted: &str, found: &Value) -> Unusable {
    let mut shown = found.to_string();
    if shown.len() > 40 {
        shown = shown.chars().take(40).chain("..".chars()).collect();
    }
    (BadKind::WrongType, format!("its `{name}` is not {wanted}: {shown}"))
}
