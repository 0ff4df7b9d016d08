//! Values as Python writes them, which is what templates were written for: `str`, `repr`, `json.dumps`.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;

/// Lists within lists, after which it is a template that goes wrong.
const DEPTH: usize = 128;

/// `str(value)`.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.to_string(),
        _ => {
            let mut out = String::new();
            repr(value, DEPTH, &mut out);
            out
        }
    }
}

fn repr(value: &Value, depth: usize, out: &mut String) {
    let Some(below) = depth.checked_sub(1) else { return out.push_str("...") };
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(x) => out.push_str(&float(x)),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (i, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                repr(&item, below, out);
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                repr(&key, below, out);
                out.push_str(": ");
                repr(&value.get_item(&key).unwrap_or_default(), below, out);
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
}

/// `repr` of a float: the fewest digits that give it back, with an exponent below 1e-4 and from 1e16 on.
fn float(x: f64) -> String {
    let scientific = format!("{x:e}");
    match scientific.split_once('e').and_then(|(digits, e)| Some((digits, e.parse::<i32>().ok()?))) {
        Some((digits, e)) if !(-4..16).contains(&e) => {
            format!("{digits}e{}{:02}", if e < 0 { '-' } else { '+' }, e.abs())
        }
        _ if x.is_finite() && x.fract() == 0.0 => format!("{x}.0"),
        _ => x.to_string().to_lowercase(),
    }
}

/// `repr` of a string.
fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == '\\' || c == mark => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push(mark);
}

fn is_printable(c: char) -> bool {
    // behind a letter, so that combining marks count as printable
    let both = ['x', c].iter().collect::<String>();
    !both.escape_debug().skip(1).collect::<String>().starts_with("\\u{")
}

/// The filter `tojson`: `json.dumps(value, ensure_ascii, indent, separators, sort_keys)`. The engine's own escapes HTML.
pub(super) fn tojson(value: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let json = serde_json::to_value(&value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    let indent: Option<usize> = kwargs.get("indent")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    let [item, key] = match separators.as_deref() {
        Some([item, key]) => [item.clone(), key.clone()],
        Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "tojson: `separators` are two strings")),
        None => [if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()],
    };
    let options = Dumps {
        indent: indent.map(|n| n.min(64)),
        item,
        key,
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    options.write(&json, 0, &mut out);
    Ok(Value::from_safe_string(out))
}

/// How `json.dumps` is to write.
struct Dumps {
    indent: Option<usize>,
    /// Between items.
    item: String,
    /// Behind a key.
    key: String,
    ascii: bool,
    sorted: bool,
}

impl Dumps {
    fn write(&self, json: &Json, depth: usize, out: &mut String) {
        match json {
            Json::Array(list) => self.items(['[', ']'], list, depth, out, |item, out| self.write(item, depth + 1, out)),
            Json::Object(map) => {
                let mut pairs: Vec<_> = map.iter().collect();
                if self.sorted {
                    pairs.sort_by_key(|(key, _)| *key);
                }
                self.items(['{', '}'], &pairs, depth, out, |(key, value), out| {
                    self.string(key, out);
                    out.push_str(&self.key);
                    self.write(value, depth + 1, out);
                });
            }
            Json::String(text) => self.string(text, out),
            Json::Number(n) => match n.as_f64() {
                Some(x) if n.is_f64() => out.push_str(&float(x)),
                _ => out.push_str(&n.to_string()),
            },
            Json::Null | Json::Bool(_) => out.push_str(&json.to_string()),
        }
    }

    fn items<T>(
        &self,
        [open, close]: [char; 2],
        items: &[T],
        depth: usize,
        out: &mut String,
        each: impl Fn(&T, &mut String),
    ) {
        let line = |depth: usize, out: &mut String| {
            if let Some(n) = self.indent.filter(|_| !items.is_empty()) {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', n * depth));
            }
        };
        out.push(open);
        for (i, item) in items.iter().enumerate() {
            out.push_str(if i > 0 { &self.item } else { "" });
            line(depth + 1, out);
            each(item, out);
        }
        line(depth, out);
        out.push(close);
    }

    fn string(&self, text: &str, out: &mut String) {
        let quoted = Json::from(text).to_string();
        for c in quoted.chars() {
            match c {
                c if self.ascii && !c.is_ascii() => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
    }
}
