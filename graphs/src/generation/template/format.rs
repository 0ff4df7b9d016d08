//! Python's two ways to put values into a text: `text % values`, and `text.format(values)`.

use super::budget::{Budget, failed, is_tuple};
use super::python;
use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Error, FormatStyle, Value, format_filter};

/// A `%` with what belongs to it.
#[derive(Default)]
struct Spec<'t> {
    key: Option<&'t str>,
    flags: &'t str,
    width: &'t str,
    precision: Option<&'t str>,
    kind: char,
}

/// `text % values`. A tuple holds the values one after another; a dictionary has them by name.
pub(super) fn percent(text: &str, values: &Value, budget: &Budget) -> Result<String, Error> {
    let pieces = pieces(text)?;
    let given: Vec<Value> = if is_tuple(values) { values.try_iter()?.collect() } else { vec![values.clone()] };
    let named = values.kind() == ValueKind::Map;
    let mut left = given.into_iter();
    let mut next = || left.next().ok_or_else(|| failed("not enough arguments for format string"));
    let mut out = String::new();
    for piece in pieces {
        let spec = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Spec(spec) if spec.kind == '%' => {
                out.push('%');
                continue;
            }
            Piece::Spec(spec) => spec,
        };
        let mut size = |given: &str| -> Result<String, Error> {
            match given {
                "*" => next().map(|n| n.to_string()),
                digits => Ok(digits.to_string()),
            }
        };
        let (width, precision) = (size(spec.width)?, spec.precision.map(size).transpose()?);
        let value = match spec.key {
            Some(key) if named => found(values, key)?,
            Some(_) => return Err(failed("format requires a mapping")),
            None => next()?,
        };
        out.push_str(&one(&spec, &width, precision.as_deref(), &value, budget)?);
    }
    match left.next() {
        Some(_) if !named => Err(failed("not all arguments converted during string formatting")),
        _ => Ok(out),
    }
}

/// What a dictionary has under this name.
pub(super) fn found(map: &Value, name: &str) -> Result<Value, Error> {
    let value = map.get_item(&name.into())?;
    if value.is_undefined() { Err(failed(format!("the name {name:?} is not given"))) } else { Ok(value) }
}

enum Piece<'t> {
    Text(&'t str),
    Spec(Spec<'t>),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Error> {
    let (mut all, mut rest) = (vec![], text);
    while let Some(at) = rest.find('%') {
        all.push(Piece::Text(&rest[..at]));
        rest = &rest[at + 1..];
        let mut spec = Spec::default();
        if let Some(keyed) = rest.strip_prefix('(') {
            let end = keyed.find(')').ok_or_else(|| failed("incomplete format key"))?;
            (spec.key, rest) = (Some(&keyed[..end]), &keyed[end + 1..]);
        }
        spec.flags = take(&mut rest, |c| "#0- +".contains(c));
        spec.width = star_or_digits(&mut rest);
        if let Some(more) = rest.strip_prefix('.') {
            rest = more;
            spec.precision = Some(star_or_digits(&mut rest));
        }
        take(&mut rest, |c| "hlL".contains(c));
        spec.kind = rest.chars().next().ok_or_else(|| failed("incomplete format"))?;
        rest = &rest[spec.kind.len_utf8()..];
        all.push(Piece::Spec(spec));
    }
    all.push(Piece::Text(rest));
    Ok(all)
}

fn take<'t>(rest: &mut &'t str, wanted: impl Fn(char) -> bool) -> &'t str {
    let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    let (taken, left) = rest.split_at(end);
    *rest = left;
    taken
}

fn star_or_digits<'t>(rest: &mut &'t str) -> &'t str {
    match rest.strip_prefix('*') {
        Some(left) => {
            *rest = left;
            "*"
        }
        None => take(rest, |c| c.is_ascii_digit()),
    }
}

/// One value, as `%` says.
fn one(spec: &Spec, width: &str, precision: Option<&str>, value: &Value, budget: &Budget) -> Result<String, Error> {
    pay(width, budget)?;
    pay(precision.unwrap_or_default(), budget)?;
    let number = || {
        let what = format!("%{} format: a real number is required, not {}", spec.kind, value.kind());
        python::number(value).ok_or_else(|| failed(what))
    };
    let text = match spec.kind {
        's' => Some(python::text(value, budget)?),
        'r' => Some(python::repr_of(value, budget)?),
        'a' => Some(python::ascii(&python::repr_of(value, budget)?)),
        _ => None,
    };
    if let Some(text) = text {
        let most = precision.map_or(usize::MAX, |p| p.parse().unwrap_or(0));
        // (a width from `*` may be negative)
        let (left, width) = match width.strip_prefix('-') {
            Some(width) => (true, width),
            None => (spec.flags.contains('-'), width),
        };
        let align = if left { '<' } else { '>' };
        return Ok(padded(&text, ' ', align, width.parse().unwrap_or(0), most));
    }
    let (kind, value) = match spec.kind {
        'c' => ('c', value.clone()),
        'd' | 'i' | 'u' => ('d', python::whole(&number()?)),
        kind @ ('o' | 'x' | 'X') if value.is_integer() || value.kind() == ValueKind::Bool => (kind, number()?),
        kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G') => (kind, Value::from(f64::try_from(number()?)?)),
        kind @ ('o' | 'x' | 'X') => {
            return Err(failed(format!("%{kind} format: an integer is required, not {}", value.kind())));
        }
        other => return Err(failed(format!("unsupported format character {other:?}"))),
    };
    let precision = precision.map(|p| format!(".{}", if p.is_empty() { "0" } else { p })).unwrap_or_default();
    format_filter(FormatStyle::Printf, &format!("%{}{width}{precision}{kind}", spec.flags), &[value])
}

/// At most `most` characters, in the middle or at a side of a field.
fn padded(text: &str, fill: char, align: char, width: usize, most: usize) -> String {
    if (width, most) == (0, usize::MAX) {
        return text.to_string();
    }
    let text: String = text.chars().take(most).collect();
    let missing = width.saturating_sub(text.chars().count());
    let left = match align {
        '<' => 0,
        '^' => missing / 2,
        _ => missing,
    };
    let fill = |n| std::iter::repeat_n(fill, n);
    fill(left).chain(text.chars()).chain(fill(missing - left)).collect()
}

/// What a width or a precision may cost.
fn pay(digits: &str, budget: &Budget) -> Result<(), Error> {
    budget.spend(if digits.is_empty() { 0 } else { digits.trim_start_matches('-').parse().unwrap_or(usize::MAX) })
}

/// `text.format(*args, **kwargs)`
pub(super) fn brackets(text: &str, args: &[Value], budget: &Budget) -> Result<String, Error> {
    let (given, named): (Rest<Value>, Kwargs) = from_args(args)?;
    let by_name = |name: &str| named.get::<Value>(name).map_err(|_| failed(format!("the name {name:?} is not given")));
    brackets_by(text, &given, &by_name, budget)
}

/// The same, with a function that finds values by name.
pub(super) fn brackets_by(
    text: &str,
    given: &[Value],
    named: &dyn Fn(&str) -> Result<Value, Error>,
    budget: &Budget,
) -> Result<String, Error> {
    Brackets { given, named, budget, next: 0 }.write(text, 2)
}

struct Brackets<'a> {
    given: &'a [Value],
    named: &'a dyn Fn(&str) -> Result<Value, Error>,
    budget: &'a Budget,
    /// The number of the value that `{}` means.
    next: usize,
}

impl Brackets<'_> {
    /// `depth`: brackets may stand in brackets, but not in those.
    fn write(&mut self, text: &str, depth: usize) -> Result<String, Error> {
        let below = depth.checked_sub(1).ok_or_else(|| failed("max string recursion exceeded"))?;
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let mark = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(mark) {
                out.push_str(mark);
                rest = after;
                continue;
            }
            if mark == "}" {
                return Err(failed("single '}' encountered in format string"));
            }
            let end = closing(rest).ok_or_else(|| failed("expected '}' before end of string"))?;
            out.push_str(&self.field(&rest[..end], below)?);
            rest = &rest[end + 1..];
        }
        Ok(out + rest)
    }

    /// `name!conversion:spec`
    fn field(&mut self, field: &str, below: usize) -> Result<String, Error> {
        let in_name = field.find(['[', '!', ':']).filter(|at| field[*at..].starts_with('['));
        let from = in_name.and_then(|at| field[at..].rfind(']').map(|end| at + end)).unwrap_or(0);
        let name_end = field[from..].find(['!', ':']).map_or(field.len(), |at| from + at);
        let (name, rest) = field.split_at(name_end);
        let (conversion, spec) = match rest.strip_prefix('!') {
            Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
            None => ("", rest.strip_prefix(':').unwrap_or("")),
        };
        let value = self.value(name)?;
        let value = match conversion {
            "" => value,
            "s" => python::text(&value, self.budget)?.into(),
            "r" => python::repr_of(&value, self.budget)?.into(),
            "a" => python::ascii(&python::repr_of(&value, self.budget)?).into(),
            other => return Err(failed(format!("unknown conversion specifier {other:?}"))),
        };
        let spec = if spec.contains(['{', '}']) { self.write(spec, below)? } else { spec.to_string() };
        format(&value, &spec, self.budget)
    }

    /// `0.name[key]`
    fn value(&mut self, name: &str) -> Result<Value, Error> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let mut value = match first.parse::<usize>() {
            Ok(i) => self.at(i)?,
            Err(_) if first.is_empty() => {
                self.next += 1;
                self.at(self.next - 1)?
            }
            Err(_) => (self.named)(first)?,
        };
        while !rest.is_empty() {
            if let Some(indexed) = rest.strip_prefix('[') {
                let (key, more) = indexed.split_once(']').ok_or_else(|| failed("missing ']' in format string"))?;
                value =
                    key.parse::<i64>().map_or_else(|_| value.get_item(&key.into()), |i| value.get_item(&i.into()))?;
                rest = more;
            } else {
                let attribute = rest.trim_start_matches('.');
                let end = attribute.find(['.', '[']).unwrap_or(attribute.len());
                value = value.get_attr(&attribute[..end])?;
                rest = &attribute[end..];
            }
        }
        Ok(value)
    }

    fn at(&self, i: usize) -> Result<Value, Error> {
        let lacks = || failed(format!("replacement index {i} out of range for positional arguments"));
        self.given.get(i).cloned().ok_or_else(lacks)
    }
}

/// Where the bracket that has been opened is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.char_indices().find_map(|(i, c)| {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(i)
    })
}

/// `format(value, spec)`
fn format(value: &Value, spec: &str, budget: &Budget) -> Result<String, Error> {
    if spec.is_empty() {
        return python::text(value, budget);
    }
    for digits in spec.split(|c: char| !c.is_ascii_digit()) {
        pay(digits, budget)?;
    }
    let value = match value.kind() {
        ValueKind::String => return field(value.as_str().unwrap_or_default(), spec, '<'),
        ValueKind::Number if spec.ends_with('%') => {
            let hundred = f64::try_from(value.clone())? * 100.0;
            let (before, precision) =
                spec.trim_end_matches('%').split_once('.').unwrap_or((spec.trim_end_matches('%'), "6"));
            let number = format_filter(FormatStyle::StrFormat, &format!("{{:.{precision}f}}"), &[hundred.into()])?;
            return field(&format!("{number}%"), before, '>');
        }
        ValueKind::Bool | ValueKind::Number => {
            python::number(value).ok_or_else(|| failed("a number cannot be formatted"))?
        }
        kind => return Err(failed(format!("unsupported format string passed to {kind}.__format__"))),
    };
    format_filter(FormatStyle::StrFormat, &format!("{{:{spec}}}"), &[value])
}

/// A text in a field: `[[fill]align][width][.precision][s]`.
fn field(text: &str, spec: &str, align: char) -> Result<String, Error> {
    let is_align = |c: Option<&char>| c.is_some_and(|c| "<>^".contains(*c));
    let chars: Vec<char> = spec.chars().collect();
    let (fill, align, at) = match (is_align(chars.get(1)), is_align(chars.first())) {
        (true, _) => (chars[0], chars[1], 2),
        (_, true) => (' ', chars[0], 1),
        _ => (' ', align, 0),
    };
    let rest: String = chars[at..].iter().collect();
    let rest = rest.strip_suffix('s').unwrap_or(&rest);
    let (width, precision) = rest.split_once('.').unwrap_or((rest, ""));
    let number = |digits: &str, missing| match digits {
        "" => Ok(missing),
        _ => digits.parse().map_err(|_| failed(format!("invalid format specifier {spec:?} for a string"))),
    };
    let fill = if width.starts_with('0') && at == 0 { '0' } else { fill };
    Ok(padded(text, fill, align, number(width, 0)?, number(precision, usize::MAX)?))
}
