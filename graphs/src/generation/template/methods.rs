//! The methods of Python's `str`, all of them, and those of its lists and dictionaries that do not change them.

use super::budget::{Budget, failed};
use super::{format, python};
use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use regex::Regex;
use std::sync::LazyLock;

/// `value.name(args)`
pub(super) fn call(state: &State, value: &Value, name: &str, args: &[Value], budget: &Budget) -> Result<Value, Error> {
    match (value.as_str(), value.kind()) {
        (Some(text), _) => Text { text, name, args, budget }.call(),
        (_, ValueKind::Seq) if name == "index" => {
            let [what, start, end] = bind(name, args, ["", "", ""])?;
            let what = what.ok_or_else(|| missing(name))?;
            let all: Vec<Value> = value.try_iter()?.collect();
            let [from, to] = bounds(name, all.len(), [start, end])?.unwrap_or([0, 0]);
            let found = (from..to).find(|i| all[*i] == what);
            found.map(Value::from).ok_or_else(|| failed("the list does not hold what is looked for"))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn missing(method: &str) -> Error {
    failed(format!("{method}() is called without an argument that it needs"))
}

/// Arguments by position, or by these names; "" may only go by position.
pub(super) fn bind<const N: usize>(
    method: &str,
    args: &[Value],
    names: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    let (given, named): (Rest<Value>, Kwargs) = from_args(args)?;
    if given.len() > N {
        return Err(failed(format!("{method}() takes at most {N} arguments, not {}", given.len())));
    }
    let mut given = given.0.into_iter();
    let mut all = names.map(|_| given.next());
    for (value, name) in all.iter_mut().zip(names).filter(|(value, _)| value.is_none()) {
        if !name.is_empty() && named.has(name) {
            *value = Some(named.get(name)?);
        }
    }
    named.assert_all_used()?;
    Ok(all)
}

pub(super) fn number(method: &str, value: &Value) -> Result<i64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(value.is_true().into()),
        _ => value.as_i64().ok_or_else(|| failed(format!("{method}() takes a whole number, not {}", value.kind()))),
    }
}

/// `text` so often.
pub(super) fn padding(times: i64, text: &str, budget: &Budget) -> Result<String, Error> {
    let times = usize::try_from(times).unwrap_or(0);
    budget.spend_times(times, text.len())?;
    Ok(text.repeat(times))
}

/// Python's `start` and `end` within `length`; `None` where nothing is found, not even nothing.
fn bounds(method: &str, length: usize, range: [Option<Value>; 2]) -> Result<Option<[usize; 2]>, Error> {
    let place = |value: Option<Value>, missing: usize| match value.filter(|v| !v.is_none()) {
        None => Ok(missing),
        Some(v) => number(method, &v).map(|n| match usize::try_from(n) {
            Ok(n) => n,
            Err(_) => length.saturating_sub(n.unsigned_abs() as usize),
        }),
    };
    let [start, end] = range;
    let (start, end) = (place(start, 0)?, place(end, length)?.min(length));
    Ok((start <= end).then_some([start, end]))
}

fn class(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a class of characters")
}
static LETTER: LazyLock<Regex> = LazyLock::new(|| class(r"\A\p{L}+\z"));
static DECIMAL: LazyLock<Regex> = LazyLock::new(|| class(r"\A\p{Nd}+\z"));
/// Decimals, and the digits that stand high, low, or in a circle.
static DIGIT: LazyLock<Regex> = LazyLock::new(|| {
    class(
        r"\A[\p{Nd}\u{b2}\u{b3}\u{b9}\u{1369}-\u{1371}\u{19da}\u{2070}\u{2074}-\u{2079}\u{2080}-\u{2089}\u{2460}-\u{2468}\u{2474}-\u{247c}\u{2488}-\u{2490}\u{24ea}\u{24f5}-\u{24fd}\u{24ff}\u{2776}-\u{277e}\u{2780}-\u{2788}\u{278a}-\u{2792}\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]+\z",
    )
});
/// Numbers of any kind, and Chinese characters that mean one.
static NUMERIC: LazyLock<Regex> = LazyLock::new(|| {
    class(
        r"\A[\p{N}㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零]+\z",
    )
});
static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| class(r"\A[_\p{XID_Start}]\p{XID_Continue}*\z"));
static TITLE: LazyLock<Regex> = LazyLock::new(|| class(r"\A\p{Lt}\z"));

fn matches(c: char, class: &Regex) -> bool {
    class.is_match(c.encode_utf8(&mut [0; 4]))
}

/// White space in Python: also the separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
fn is_title(c: char) -> bool {
    !c.is_ascii() && matches(c, &TITLE)
}
fn is_upper(c: char) -> bool {
    c.is_uppercase() && !is_title(c)
}
fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase() || is_title(c)
}

/// A character at the beginning of a title.
fn title(c: char) -> String {
    match c as u32 {
        // Ǆ, ǅ and ǆ, and their like
        n @ (0x1c4..=0x1cc | 0x1f1..=0x1f3) => match n {
            0x1f1..=0x1f3 => "\u{1f2}".into(),
            _ => char::from_u32(0x1c5 + (n - 0x1c4) / 3 * 3).into_iter().collect(),
        },
        // Greek with an iota below
        n @ 0x1f80..=0x1faf => char::from_u32(n | 8).into_iter().collect(),
        n @ (0x1fb3 | 0x1fc3 | 0x1ff3) => char::from_u32(n + 9).into_iter().collect(),
        0x1fbc | 0x1fcc | 0x1ffc => c.into(),
        0x1fb2 | 0x1fb4 | 0x1fb7 | 0x1fc2 | 0x1fc4 | 0x1fc7 | 0x1ff2 | 0x1ff4 | 0x1ff7 => {
            c.to_uppercase().map(|c| if c == 'Ι' { '\u{345}' } else { c }).collect()
        }
        0x149 => "\u{2bc}N".into(),
        // Georgian has no titles
        0x10d0..=0x10fa | 0x10fd..=0x10ff => c.into(),
        _ => {
            let upper: String = c.to_uppercase().collect();
            let mut rest = upper.chars();
            let first = rest.next().into_iter();
            first.chain(rest.flat_map(char::to_lowercase)).collect()
        }
    }
}

/// Words that begin with a capital, and go on without.
fn titled(text: &str) -> String {
    // as a whole, because a sigma at the end of a word differs
    let mut lower = text.to_lowercase();
    if lower.chars().count() != text.chars().count() {
        lower = text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect();
    }
    let mut after_cased = false;
    let mut out = String::new();
    for (c, low) in text.chars().zip(lower.chars()) {
        match after_cased {
            true if low == 'ς' => out.push(low),
            true => out.extend(c.to_lowercase()),
            false => out.push_str(&title(c)),
        }
        after_cased = is_cased(c);
    }
    out
}

fn casefold(text: &str) -> String {
    let fold = |c: char| -> String {
        match c as u32 {
            0x131 => c.into(),
            0x130 => "i\u{307}".into(),
            0x1e9e => "ss".into(),
            // Cherokee folds to capitals
            0x13a0..=0x13fd | 0xab70..=0xabbf => c.to_uppercase().collect(),
            _ => c.to_uppercase().flat_map(char::to_lowercase).collect(),
        }
    };
    text.chars().map(fold).collect()
}

/// Lines, as `str.splitlines` finds them.
pub(super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let (mut all, mut rest) = (vec![], text);
    while let Some(at) = rest.find(ends) {
        let one = rest[at..].chars().next().map_or(1, char::len_utf8);
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { one };
        all.push(&rest[..if keep_ends { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        all.push(rest);
    }
    all
}

/// Without these characters, or white space, at the beginning and at the end.
pub(super) fn strip(text: &str, chars: Option<&str>, [start, end]: [bool; 2]) -> String {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if start { text.trim_start_matches(goes) } else { text };
    (if end { text.trim_end_matches(goes) } else { text }).to_string()
}

/// `text.replace(old, new, count)`
pub(super) fn replace(text: &str, old: &str, new: &str, count: i64, budget: &Budget) -> Result<String, Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = text.matches(old).take(count).count();
    budget.spend(text.len())?;
    budget.spend_times(found, new.len())?;
    Ok(text.replacen(old, new, count))
}

/// One call of a method of a text.
struct Text<'a> {
    text: &'a str,
    name: &'a str,
    args: &'a [Value],
    budget: &'a Budget,
}

impl Text<'_> {
    fn bind<const N: usize>(&self, names: [&str; N]) -> Result<[Option<Value>; N], Error> {
        bind(self.name, self.args, names)
    }
    fn none(&self) -> Result<(), Error> {
        self.bind([]).map(|[]| ())
    }
    /// An argument that must be there.
    fn text_of(&self, value: Option<Value>) -> Result<String, Error> {
        let value = value.ok_or_else(|| missing(self.name))?;
        let text = value.as_str().map(str::to_string);
        text.ok_or_else(|| failed(format!("{}() takes a string, not {}", self.name, value.kind())))
    }
    /// An argument that may be missing or None.
    fn text_if(&self, value: Option<Value>) -> Result<Option<String>, Error> {
        value.filter(|v| !v.is_none()).map(|v| self.text_of(Some(v))).transpose()
    }
    fn number_or(&self, value: Option<Value>, missing: i64) -> Result<i64, Error> {
        value.map_or(Ok(missing), |v| number(self.name, &v))
    }
    /// Does it hold for every character, of which there must be one?
    fn all(&self, holds: impl Fn(char) -> bool) -> Result<Value, Error> {
        self.none()?;
        Ok((!self.text.is_empty() && self.text.chars().all(holds)).into())
    }
    fn is(&self, class: &Regex) -> Result<Value, Error> {
        self.none()?;
        Ok(class.is_match(self.text).into())
    }
    fn made(&self, text: String) -> Result<Value, Error> {
        self.none()?;
        Ok(text.into())
    }

    fn call(&self) -> Result<Value, Error> {
        let text = self.text;
        match self.name {
            "capitalize" => {
                let mut rest = text.chars();
                let first = rest.next();
                let low = first.map_or(0, |c| c.to_lowercase().count());
                let rest: String = text.to_lowercase().chars().skip(low).collect();
                self.made(first.map_or(String::new(), title) + &rest)
            }
            "casefold" => self.made(casefold(text)),
            "lower" => self.made(text.to_lowercase()),
            "upper" => self.made(text.to_uppercase()),
            "title" => self.made(titled(text)),
            "swapcase" => {
                let lower: Vec<char> = text.to_lowercase().chars().collect();
                let same = lower.len() == text.chars().count();
                let swap = |(i, c): (usize, char)| -> String {
                    match c {
                        // at the end of a word
                        'Σ' if same && lower[i] == 'ς' => "ς".into(),
                        c if c.is_lowercase() => c.to_uppercase().collect(),
                        c => c.to_lowercase().collect(),
                    }
                };
                self.made(text.chars().enumerate().map(swap).collect())
            }
            "isalnum" => self.all(|c| matches(c, &LETTER) || matches(c, &NUMERIC)),
            "isalpha" => self.is(&LETTER),
            "isascii" => self.none().map(|()| text.is_ascii().into()),
            "isdecimal" => self.is(&DECIMAL),
            "isdigit" => self.is(&DIGIT),
            "isidentifier" => self.is(&IDENTIFIER),
            "isnumeric" => self.is(&NUMERIC),
            "isprintable" => self.none().map(|()| text.chars().all(python::is_printable).into()),
            "isspace" => self.all(is_space),
            "islower" => self.cased(|c| c.is_lowercase(), |c| is_upper(c) || is_title(c)),
            "isupper" => self.cased(is_upper, |c| c.is_lowercase() || is_title(c)),
            "istitle" => self.is_titled(),
            "strip" => self.strip([true, true]),
            "lstrip" => self.strip([true, false]),
            "rstrip" => self.strip([false, true]),
            "center" | "ljust" | "rjust" | "zfill" => self.pad(),
            "expandtabs" => self.expand_tabs(),
            "count" | "find" | "rfind" | "index" | "rindex" => self.search(),
            "startswith" | "endswith" => self.begins_or_ends(),
            "removeprefix" => {
                let [prefix] = self.bind([""])?;
                Ok(text.strip_prefix(&*self.text_of(prefix)?).unwrap_or(text).into())
            }
            "removesuffix" => {
                let [suffix] = self.bind([""])?;
                Ok(text.strip_suffix(&*self.text_of(suffix)?).unwrap_or(text).into())
            }
            "replace" => {
                let [old, new, count] = self.bind(["", "", "count"])?;
                let (old, new, count) = (self.text_of(old)?, self.text_of(new)?, self.number_or(count, -1)?);
                replace(text, &old, &new, count, self.budget).map(Value::from)
            }
            "partition" | "rpartition" => self.partition(),
            "split" | "rsplit" => self.split(),
            "splitlines" => {
                let [keep] = self.bind(["keepends"])?;
                Ok(lines(text, keep.is_some_and(|k| k.is_true())).into_iter().map(Value::from).collect())
            }
            "join" => self.join(),
            "encode" => self.encode(),
            "maketrans" => self.make_table(),
            "translate" => self.translate(),
            "format" => format::brackets(text, self.args, self.budget).map(Value::from),
            "format_map" => {
                let [map] = self.bind([""])?;
                let map = map.ok_or_else(|| missing(self.name))?;
                format::brackets_by(text, &[], &|name| format::found(&map, name), self.budget).map(Value::from)
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    /// Is there a character of the one kind, and none of the other?
    fn cased(&self, is: impl Fn(char) -> bool, other: impl Fn(char) -> bool) -> Result<Value, Error> {
        self.none()?;
        Ok((self.text.chars().any(is) && !self.text.chars().any(other)).into())
    }

    fn is_titled(&self) -> Result<Value, Error> {
        self.none()?;
        let (mut after_cased, mut any) = (false, false);
        for c in self.text.chars() {
            let begins = is_upper(c) || is_title(c);
            if (begins && after_cased) || (c.is_lowercase() && !after_cased) {
                return Ok(false.into());
            }
            after_cased = begins || c.is_lowercase();
            any |= after_cased;
        }
        Ok(any.into())
    }

    fn strip(&self, ends: [bool; 2]) -> Result<Value, Error> {
        let [chars] = self.bind([""])?;
        Ok(strip(self.text, self.text_if(chars)?.as_deref(), ends).into())
    }

    fn pad(&self) -> Result<Value, Error> {
        let [width, fill] = self.bind(["", ""])?;
        let width = number(self.name, &width.ok_or_else(|| missing(self.name))?)?;
        let fill = self.text_if(fill)?.unwrap_or_else(|| " ".into());
        if fill.chars().count() != 1 {
            return Err(failed("the fill character must be exactly one character long"));
        }
        let missing = width.saturating_sub(self.text.chars().count() as i64).max(0);
        let text = self.text;
        let pad = |n: i64, by: &str| padding(n, by, self.budget);
        Ok(match self.name {
            "ljust" => format!("{text}{}", pad(missing, &fill)?),
            "rjust" => format!("{}{text}", pad(missing, &fill)?),
            "zfill" => {
                let (sign, digits) = text.split_at(text.starts_with(['+', '-']) as usize);
                format!("{sign}{}{digits}", pad(missing, "0")?)
            }
            _ => {
                let left = missing / 2 + (missing & width & 1);
                format!("{}{text}{}", pad(left, &fill)?, pad(missing - left, &fill)?)
            }
        }
        .into())
    }

    fn expand_tabs(&self) -> Result<Value, Error> {
        let [size] = self.bind(["tabsize"])?;
        let size = self.number_or(size, 8)?;
        let (mut out, mut column) = (String::new(), 0);
        for c in self.text.chars() {
            match c {
                '\t' if size > 0 => {
                    let missing = size - column % size;
                    out.push_str(&padding(missing, " ", self.budget)?);
                    column += missing;
                }
                '\t' => {}
                c => {
                    out.push(c);
                    column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
                }
            }
        }
        Ok(out.into())
    }

    /// The part of the text between two character positions, and where it begins.
    fn part(&self, range: [Option<Value>; 2]) -> Result<Option<(&str, usize)>, Error> {
        let text = self.text;
        let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(i, _)| i);
        let found = bounds(self.name, text.chars().count(), range)?;
        Ok(found.map(|[start, end]| (&text[byte(start)..byte(end)], start)))
    }

    fn search(&self) -> Result<Value, Error> {
        let [what, start, end] = self.bind(["", "", ""])?;
        let what = self.text_of(what)?;
        let part = self.part([start, end])?;
        if self.name == "count" {
            return Ok(part.map_or(0, |(part, _)| part.matches(&*what).count()).into());
        }
        let last = self.name.starts_with('r');
        let found = part.and_then(|(part, start)| {
            let at = if last { part.rfind(&*what) } else { part.find(&*what) }?;
            Some(start + part[..at].chars().count())
        });
        match found {
            Some(at) => Ok(at.into()),
            None if self.name.ends_with("find") => Ok((-1).into()),
            None => Err(failed("substring not found")),
        }
    }

    fn begins_or_ends(&self) -> Result<Value, Error> {
        let [what, start, end] = self.bind(["", "", ""])?;
        let what = what.ok_or_else(|| missing(self.name))?;
        let any = match what.kind() {
            ValueKind::Seq | ValueKind::Iterable => what.try_iter()?.collect(),
            _ => vec![what],
        };
        let any = any.into_iter().map(|v| self.text_of(Some(v))).collect::<Result<Vec<_>, _>>()?;
        let Some((part, _)) = self.part([start, end])? else { return Ok(false.into()) };
        let holds = |text: &String| match self.name {
            "startswith" => part.starts_with(&**text),
            _ => part.ends_with(&**text),
        };
        Ok(any.iter().any(holds).into())
    }

    fn partition(&self) -> Result<Value, Error> {
        let [mark] = self.bind([""])?;
        let (mark, text) = (self.separator(mark)?, self.text);
        let last = self.name == "rpartition";
        let found = if last { text.rsplit_once(&*mark) } else { text.split_once(&*mark) };
        let three = match found {
            Some((before, after)) => [before, &mark, after],
            None if last => ["", "", text],
            None => [text, "", ""],
        };
        self.budget.tuple(three.map(Value::from).to_vec())
    }

    fn separator(&self, mark: Option<Value>) -> Result<String, Error> {
        let mark = self.text_of(mark)?;
        if mark.is_empty() { Err(failed("empty separator")) } else { Ok(mark) }
    }

    fn split(&self) -> Result<Value, Error> {
        let [mark, most] = self.bind(["sep", "maxsplit"])?;
        let mark = mark.filter(|v| !v.is_none()).map(|v| self.separator(Some(v))).transpose()?;
        let most = usize::try_from(self.number_or(most, -1)?).unwrap_or(usize::MAX - 1);
        let (text, last) = (self.text, self.name == "rsplit");
        self.budget.spend_times(text.len(), 16)?;
        let parts: Vec<&str> = match &mark {
            Some(mark) if last => {
                let mut parts: Vec<&str> = text.rsplitn(most + 1, &**mark).collect();
                parts.reverse();
                parts
            }
            Some(mark) => text.splitn(most + 1, &**mark).collect(),
            None => words(text, most, last),
        };
        Ok(parts.into_iter().map(Value::from).collect())
    }

    fn join(&self) -> Result<Value, Error> {
        let [items] = self.bind([""])?;
        let items = items.ok_or_else(|| missing(self.name))?;
        let mut out = String::new();
        for (i, item) in items.try_iter()?.enumerate() {
            let wrong = || failed(format!("sequence item {i}: expected str instance, {} found", item.kind()));
            let item = item.as_str().ok_or_else(wrong)?;
            self.budget.spend(self.text.len() + item.len())?;
            out.push_str(if i > 0 { self.text } else { "" });
            out.push_str(item);
        }
        Ok(out.into())
    }

    fn encode(&self) -> Result<Value, Error> {
        let [encoding, _] = self.bind(["encoding", "errors"])?;
        let name = self.text_if(encoding)?.unwrap_or_else(|| "utf-8".into()).to_lowercase();
        match name.as_str() {
            "utf-8" | "utf8" => Ok(Value::from_bytes(self.text.as_bytes().to_vec())),
            "ascii" if self.text.is_ascii() => Ok(Value::from_bytes(self.text.as_bytes().to_vec())),
            _ => Err(failed(format!("the text cannot be encoded as {name}"))),
        }
    }

    /// `str.maketrans`: what becomes of characters, by their numbers.
    fn make_table(&self) -> Result<Value, Error> {
        let [x, y, z] = self.bind(["", "", ""])?;
        let x = x.ok_or_else(|| missing(self.name))?;
        let key = |c: char| Value::from(c as u32);
        let Some(y) = y else {
            let pair = |from: Value| -> Result<(Value, Value), Error> {
                let to = x.get_item(&from)?;
                let one = from.as_str().and_then(|text| text.parse::<char>().ok());
                Ok((one.map_or(from, key), to))
            };
            return x.try_iter()?.map(pair).collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().collect());
        };
        let (x, y) = (self.text_of(Some(x))?, self.text_of(Some(y))?);
        if x.chars().count() != y.chars().count() {
            return Err(failed("the first two maketrans arguments must have equal length"));
        }
        let gone = z.map(|z| self.text_of(Some(z))).transpose()?.unwrap_or_default();
        let changed = x.chars().zip(y.chars()).map(|(from, to)| (key(from), Value::from(to as u32)));
        Ok(changed.chain(gone.chars().map(|c| (key(c), Value::from(())))).collect())
    }

    fn translate(&self) -> Result<Value, Error> {
        let [table] = self.bind([""])?;
        let table = table.ok_or_else(|| missing(self.name))?;
        let mut out = String::new();
        for c in self.text.chars() {
            let to = table.get_item(&Value::from(c as u32))?;
            self.budget.spend(to.as_str().map_or(4, str::len))?;
            match (to.as_str(), to.kind()) {
                (Some(text), _) => out.push_str(text),
                (_, ValueKind::Undefined) => out.push(c),
                (_, ValueKind::None) => {}
                _ => {
                    let number = to.as_i64().and_then(|n| u32::try_from(n).ok());
                    out.push(number.and_then(char::from_u32).ok_or_else(|| failed("no character has this number"))?);
                }
            }
        }
        Ok(out.into())
    }
}

/// Words between white space, of which at most `most` are split off at the beginning, or at the end.
fn words(text: &str, most: usize, last: bool) -> Vec<&str> {
    let mut all = vec![];
    let mut rest = if last { text.trim_end_matches(is_space) } else { text.trim_start_matches(is_space) };
    while !rest.is_empty() && all.len() < most {
        let Some(at) = (if last { rest.rfind(is_space) } else { rest.find(is_space) }) else { break };
        let space = rest[at..].chars().next().map_or(1, char::len_utf8);
        let (before, after) = (&rest[..at], &rest[at + space..]);
        all.push(if last { after } else { before });
        rest = if last { before.trim_end_matches(is_space) } else { after.trim_start_matches(is_space) };
    }
    all.extend(Some(rest).filter(|rest| !rest.is_empty()));
    if last {
        all.reverse();
    }
    all
}
