//! Python's operators and built-in filters, as far as they make texts and lists. See [`super::source`].

use super::budget::{Budget, failed, is_tuple};
use super::{format, methods, python};
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, State, Value};
use std::sync::Arc;

/// Parts that the filters `batch` and `slice` make.
const MOST_PARTS: usize = 100_000;

/// Makes the functions and filters known that a rewritten template calls.
pub(super) fn add_to(env: &mut Environment, budget: &Arc<Budget>) {
    macro_rules! with_budget {
        ($add:ident, $name:literal, |$b:ident $(, $arg:ident: $t:ty)*| $body:expr) => {{
            let owned = budget.clone();
            env.$add($name, move |$($arg: $t),*| -> Result<Value, Error> {
                let $b = &*owned;
                $body
            });
        }};
    }
    with_budget!(add_function, "raxla_add", |b, parts: Rest<Value>| fold(&parts, |x, y| add(x, y, b)));
    with_budget!(add_function, "raxla_concat", |b, parts: Rest<Value>| concat(&parts, b));
    with_budget!(add_function, "raxla_multiply", |b, x: Value, y: Value| multiply(&x, &y, b));
    with_budget!(add_function, "raxla_modulo", |b, x: Value, y: Value| modulo(&x, &y, b));
    with_budget!(add_function, "raxla_list", |b, items: Rest<Value>| b.list(items.0));
    with_budget!(add_function, "raxla_tuple", |b, items: Rest<Value>| b.tuple(items.0));
    with_budget!(add_function, "raxla_dict", |b, items: Rest<Value>| {
        b.kept(items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect::<Value>())
    });
    with_budget!(add_function, "raxla_kept", |b, value: Value| b.kept(value));
    with_budget!(add_function, "raxla_tick", |b| b.spend(0).map(|()| "".into()));
    with_budget!(add_function, "dict", |b, of: Option<Value>, more: Kwargs| {
        b.kept(minijinja::functions::dict(of, more)?)
    });
    with_budget!(add_function, "namespace", |b, of: Option<Value>| {
        of.clone().map(|of| b.kept(of)).transpose()?;
        minijinja::functions::namespace(of)
    });
    with_budget!(add_filter, "raxla_kept", |b, value: Value| b.kept(value));
    with_budget!(add_filter, "tojson", |b, value: Value, how: Kwargs| python::tojson(&value, how, b));
    with_budget!(add_filter, "string", |b, value: Value| python::text(&value, b).map(Value::from));
    with_budget!(add_filter, "trim", |b, value: Value, chars: Option<String>| {
        Ok(methods::strip(&python::text(&value, b)?, chars.as_deref(), [true, true]).into())
    });
    with_budget!(add_filter, "replace", |b, value: Value, args: Rest<Value>| replace(&value, &args, b));
    with_budget!(add_filter, "join", |b, value: Value, args: Rest<Value>| {
        let [mark, attribute] = methods::bind("join", &args, ["d", "attribute"])?;
        join(&value, mark, attribute, b)
    });
    with_budget!(add_filter, "indent", |b, value: Value, args: Rest<Value>| indent(&value, &args, b));
    with_budget!(add_filter, "format", |b, value: Value, args: Rest<Value>| {
        let text = python::text(&value, b)?;
        // (all of them by name, or one after another)
        match &args[..] {
            [named] if named.is_kwargs() => format::percent(&text, named, b).map(Value::from),
            _ => format::percent(&text, &b.tuple(args.0)?, b).map(Value::from),
        }
    });
    env.add_filter("batch", |state: &State, value: Value, count: usize, fill: Option<Value>| {
        minijinja::filters::batch(state, value, parts(count)?, fill)
    });
    env.add_filter("slice", |state: &State, value: Value, count: usize, fill: Option<Value>| {
        minijinja::filters::slice(state, value, parts(count)?, fill)
    });
    let owned = budget.clone();
    env.set_unknown_method_callback(move |state, value, method, args| {
        let made = match method {
            "raxla_slice" => slice(value, args, &owned),
            _ => methods::call(state, value, method, args, &owned),
        };
        owned.kept(made?)
    });
}

fn parts(count: usize) -> Result<usize, Error> {
    if count <= MOST_PARTS {
        Ok(count)
    } else {
        Err(failed(format!("{count} parts are too many; {MOST_PARTS} are the most")))
    }
}

fn fold(parts: &[Value], f: impl Fn(&Value, &Value) -> Result<Value, Error>) -> Result<Value, Error> {
    let (first, rest) = parts.split_first().ok_or_else(|| failed("an operator has no operands"))?;
    rest.iter().try_fold(first.clone(), |sum, part| f(&sum, part))
}

fn unsupported(operator: &str, x: &Value, y: &Value) -> Error {
    failed(format!("tried to use {operator} operator on unsupported types {} and {}", x.kind(), y.kind()))
}

/// Whole numbers, Python's bools among them.
fn whole(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(value.is_true().into()),
        ValueKind::Number if value.is_integer() => value.clone().try_into().ok(),
        _ => None,
    }
}

/// Numbers, where not both are whole.
fn reals(x: &Value, y: &Value) -> Option<[f64; 2]> {
    let real = |v: &Value| match v.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(v.is_true()))),
        ValueKind::Number => v.clone().try_into().ok(),
        _ => None,
    };
    Some([real(x)?, real(y)?])
}

fn integer(x: Option<i128>, operator: &str) -> Result<Value, Error> {
    match x {
        Some(x) => Ok(i64::try_from(x).map_or_else(|_| x.into(), Value::from)),
        None => Err(failed(format!("the result of {operator} is too large"))),
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn add(x: &Value, y: &Value, budget: &Budget) -> Result<Value, Error> {
    if let (Some(x), Some(y)) = (x.as_str(), y.as_str()) {
        budget.spend(x.len() + y.len())?;
        return Ok([x, y].concat().into());
    }
    if is_list(x) && is_list(y) {
        let both = x.try_iter()?.chain(y.try_iter()?).collect();
        return if is_tuple(x) && is_tuple(y) { budget.tuple(both) } else { budget.list(both) };
    }
    if let (Some(x), Some(y)) = (whole(x), whole(y)) {
        return integer(x.checked_add(y), "+");
    }
    reals(x, y).map(|[x, y]| (x + y).into()).ok_or_else(|| unsupported("+", x, y))
}

fn concat(parts: &[Value], budget: &Budget) -> Result<Value, Error> {
    let texts = parts.iter().map(|part| python::text(part, budget)).collect::<Result<Vec<_>, _>>()?;
    Ok(texts.concat().into())
}

fn multiply(x: &Value, y: &Value, budget: &Budget) -> Result<Value, Error> {
    let (thing, times) = if whole(x).is_some() { (y, whole(x)) } else { (x, whole(y)) };
    let count = times.map(|n| usize::try_from(n.max(0)).unwrap_or(usize::MAX));
    if let (Some(text), Some(count)) = (thing.as_str(), count) {
        budget.spend_times(count, text.len())?;
        return Ok(if text.is_empty() { "".into() } else { text.repeat(count).into() });
    }
    if let (true, Some(count)) = (is_list(thing), count) {
        let items: Vec<Value> = thing.try_iter()?.collect();
        budget.spend_times(count, items.len().saturating_mul(16))?;
        let count = if items.is_empty() { 0 } else { count };
        return budget.list((0..count).flat_map(|_| items.iter().cloned()).collect());
    }
    if let (Some(x), Some(y)) = (whole(x), whole(y)) {
        return integer(x.checked_mul(y), "*");
    }
    reals(x, y).map(|[x, y]| (x * y).into()).ok_or_else(|| unsupported("*", x, y))
}

fn modulo(x: &Value, y: &Value, budget: &Budget) -> Result<Value, Error> {
    if let Some(text) = x.as_str() {
        return format::percent(text, y, budget).map(Value::from);
    }
    // the sign of the divisor, as in Python
    if let (Some(x), Some(y)) = (whole(x), whole(y)) {
        let rest = x.checked_rem(y).map(|rest| if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest });
        return rest.map_or_else(|| Err(failed("integer modulo by zero")), |rest| integer(Some(rest), "%"));
    }
    let [x, y] = reals(x, y).ok_or_else(|| unsupported("%", x, y))?;
    let rest = x % y;
    Ok(if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest }.into())
}

/// `value[start:stop:step]`
fn slice(value: &Value, args: &[Value], budget: &Budget) -> Result<Value, Error> {
    let number = |at: usize| match args.get(at).filter(|v| !v.is_none()) {
        None => Ok(None),
        Some(v) => whole(v)
            .map(|n| Some(n.clamp(i64::MIN.into(), i64::MAX.into())))
            .ok_or_else(|| failed("a slice is made of whole numbers")),
    };
    let [start, stop, step] = [number(0)?, number(1)?, number(2)?];
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(failed("cannot slice by step size of 0"));
    }
    let pick = |length: usize| {
        let n = length as i128;
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let place =
            |x: Option<i128>, missing: i128| x.map_or(missing, |x| (if x < 0 { x + n } else { x }).clamp(low, high));
        let (first, end) =
            if step > 0 { (place(start, 0), place(stop, n)) } else { (place(start, n - 1), place(stop, -1)) };
        let count = if step > 0 { (end - first + step - 1) / step } else { (first - end - step - 1) / -step };
        (0..count.max(0)).map(move |i| (first + i * step) as usize)
    };
    if let Some(text) = value.as_str() {
        budget.spend(4 * text.len())?;
        let chars: Vec<char> = text.chars().collect();
        return Ok(pick(chars.len()).map(|i| chars[i]).collect::<String>().into());
    }
    if is_list(value) {
        let items: Vec<Value> = value.try_iter()?.collect();
        let picked = pick(items.len()).map(|i| items[i].clone()).collect::<Vec<Value>>();
        return if is_tuple(value) { budget.tuple(picked) } else { Ok(picked.into()) };
    }
    Err(failed(format!("value of type {} cannot be sliced", value.kind())))
}

/// Jinja's filter `replace(old, new, count)`.
fn replace(value: &Value, args: &[Value], budget: &Budget) -> Result<Value, Error> {
    let [old, new, count] = methods::bind("replace", args, ["old", "new", "count"])?;
    let count = count.filter(|v| !v.is_none()).map_or(Ok(-1), |v| methods::number("replace", &v))?;
    let text = |value: Option<Value>| value.map_or(Ok(String::new()), |v| python::text(&v, budget));
    methods::replace(&python::text(value, budget)?, &text(old)?, &text(new)?, count, budget).map(Value::from)
}

fn join(value: &Value, mark: Option<Value>, attribute: Option<Value>, budget: &Budget) -> Result<Value, Error> {
    let mark = mark.map_or(Ok(String::new()), |mark| python::text(&mark, budget))?;
    let items = value.try_iter().map_err(|_| failed(format!("cannot join value of type {}", value.kind())))?;
    let mut out = String::new();
    for (i, item) in items.enumerate() {
        let item = attribute.as_ref().map_or(Ok(item.clone()), |name| item.get_item(name))?;
        let text = python::text(&item, budget)?;
        budget.spend(mark.len())?;
        if i > 0 {
            out.push_str(&mark);
        }
        out.push_str(&text);
    }
    Ok(out.into())
}

/// Jinja's filter `indent(width=4, first=False, blank=False)`.
fn indent(value: &Value, args: &[Value], budget: &Budget) -> Result<Value, Error> {
    let [width, first, blank] = methods::bind("indent", args, ["width", "first", "blank"])?;
    let width = match width.as_ref().and_then(Value::as_str) {
        Some(text) => text.to_string(),
        None => methods::padding(width.as_ref().map_or(Ok(4), |v| methods::number("indent", v))?, " ", budget)?,
    };
    let [first, blank] = [first, blank].map(|v| v.is_some_and(|v| v.is_true()));
    let text = python::text(value, budget)? + "\n";
    let lines = methods::lines(&text, false);
    budget.spend_times(lines.len() + 1, width.len())?;
    let mut out = if first { width.clone() } else { String::new() };
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
            out.push_str(if blank || !line.is_empty() { &width } else { "" });
        }
        out.push_str(line);
    }
    Ok(out.into())
}
