//! Values as Python writes them, which is what templates were written for: `str`, `repr`, `json.dumps`.

use super::budget::{self, Budget, failed};
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value};

/// Lists within lists, after which it is a template that goes wrong.
const DEPTH: usize = 128;

/// `str(value)`.
pub(super) fn text(value: &Value, budget: &Budget) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            budget.spend(text.len())?;
            Ok(text.to_string())
        }
        _ => repr_of(value, budget),
    }
}

/// `repr(value)`.
pub(super) fn repr_of(value: &Value, budget: &Budget) -> Result<String, Error> {
    let mut out = String::new();
    repr(value, DEPTH, budget.left(), &mut out)?;
    budget.spend(out.len())?;
    Ok(out)
}

/// `ascii(value)`, of its `repr`.
pub(super) fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii() { out.push(c) } else { escape(c, &mut out) }
    }
    out
}

/// A number, and bools as the numbers that they are.
pub(super) fn number(value: &Value) -> Option<Value> {
    match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true()).into()),
        ValueKind::Number => Some(value.clone()),
        _ => None,
    }
}

/// A number without its fraction.
pub(super) fn whole(value: &Value) -> Value {
    match f64::try_from(value.clone()) {
        Ok(x) if !value.is_integer() => (x.trunc() as i128).into(),
        _ => value.clone(),
    }
}

/// `most`: bytes, after which it is given up.
fn repr(value: &Value, depth: usize, most: usize, out: &mut String) -> Result<(), Error> {
    if out.len() > most {
        return Err(failed("it makes a text that is too long"));
    }
    let Some(below) = depth.checked_sub(1) else {
        out.push_str("...");
        return Ok(());
    };
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if !value.is_integer() => match f64::try_from(value.clone()) {
            Ok(x) => out.push_str(&float(x)),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        ValueKind::Bytes => {
            let text: String = value.as_bytes().unwrap_or_default().iter().map(|byte| char::from(*byte)).collect();
            let mut quoted = String::new();
            quote(&text, &mut quoted);
            out.push('b');
            out.push_str(&bytes(&quoted));
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let tuple = budget::is_tuple(value);
            out.push(if tuple { '(' } else { '[' });
            for (i, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                repr(&item, below, most, out)?;
            }
            out.push_str(match (tuple, value.len()) {
                (true, Some(1)) => ",)",
                (true, _) => ")",
                _ => "]",
            });
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                repr(&key, below, most, out)?;
                out.push_str(": ");
                repr(&value.get_item(&key).unwrap_or_default(), below, most, out)?;
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

/// What `repr` of bytes has as numbers, and `repr` of a text as letters.
fn bytes(quoted: &str) -> String {
    let mut out = String::new();
    for c in quoted.chars() {
        if c.is_ascii() { out.push(c) } else { out.push_str(&format!("\\x{:02x}", c as u32)) }
    }
    out
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
            c => escape(c, out),
        }
    }
    out.push(mark);
}

fn escape(c: char, out: &mut String) {
    out.push_str(&match c as u32 {
        n @ ..0x100 => format!("\\x{n:02x}"),
        n @ ..0x10000 => format!("\\u{n:04x}"),
        n => format!("\\U{n:08x}"),
    });
}

pub(super) fn is_printable(c: char) -> bool {
    // behind a letter, so that combining marks count as printable
    let both = ['x', c].iter().collect::<String>();
    !both.escape_debug().skip(1).collect::<String>().starts_with("\\u{")
}

/// The filter `tojson`: `json.dumps(value, ensure_ascii, indent, separators, sort_keys)`. The engine's own escapes HTML.
pub(super) fn tojson(value: &Value, kwargs: Kwargs, budget: &Budget) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    let [item, key] = match separators.as_deref() {
        Some([item, key]) => [item.clone(), key.clone()],
        Some(_) => return Err(failed("tojson: `separators` are two strings")),
        None => [if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()],
    };
    let options = Dumps {
        indent: indent.map(|n| n.min(64)),
        item,
        key,
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        most: budget.left(),
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    options.write(value, 0, &mut out)?;
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
    /// Bytes, after which it is given up.
    most: usize,
}

impl Dumps {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if out.len() > self.most || depth > DEPTH {
            return Err(failed("tojson: it makes a text that is too long"));
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                let list: Vec<Value> = value.try_iter()?.collect();
                self.items(['[', ']'], &list, depth, out, |item, out| self.write(item, depth + 1, out))?;
            }
            ValueKind::Map => {
                let pair = |key: Value| Ok((self.key_of(&key)?, value.get_item(&key)?));
                let mut pairs = value.try_iter()?.map(pair).collect::<Result<Vec<_>, Error>>()?;
                if self.sorted {
                    pairs.sort_by(|a, b| a.0.cmp(&b.0));
                }
                self.items(['{', '}'], &pairs, depth, out, |(key, value), out| {
                    self.string(key, out);
                    out.push_str(&self.key);
                    self.write(value, depth + 1, out)
                })?;
            }
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Number => out.push_str(&json_number(value)),
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            kind => return Err(failed(format!("tojson: a value of type {kind} is not JSON"))),
        }
        Ok(())
    }

    fn key_of(&self, key: &Value) -> Result<String, Error> {
        match key.kind() {
            ValueKind::String => Ok(key.as_str().unwrap_or_default().to_string()),
            ValueKind::Number => Ok(json_number(key)),
            ValueKind::None => Ok("null".to_string()),
            ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_string()),
            kind => Err(failed(format!("tojson: a key of type {kind} is not JSON"))),
        }
    }

    fn items<T>(
        &self,
        [open, close]: [char; 2],
        items: &[T],
        depth: usize,
        out: &mut String,
        each: impl Fn(&T, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
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
            each(item, out)?;
        }
        line(depth, out);
        out.push(close);
        Ok(())
    }

    fn string(&self, text: &str, out: &mut String) {
        let quoted = serde_json::Value::from(text).to_string();
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

fn json_number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(x) if !value.is_integer() => float(x),
        _ => value.to_string(),
    }
}
