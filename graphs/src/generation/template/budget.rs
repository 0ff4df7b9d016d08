//! What a template may spend: bytes that it makes, time, and how deep its values nest. Templates come with checkpoints, from
//! whoever made these.

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Steps of the template engine.
pub(super) const FUEL: u64 = 5_000_000;
/// Bytes of all texts and lists that are made on the way.
const BYTES: usize = 64 << 20;
/// How long it may take.
const TIME: Duration = Duration::from_secs(20);
/// Lists within lists.
const DEPTH: usize = 100;
/// What an item of a list takes, besides what it is.
const ITEM: usize = 16;

/// What is left to spend.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: AtomicUsize,
    end: Instant,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget::of(BYTES, TIME)
    }

    fn of(bytes: usize, time: Duration) -> Budget {
        Budget { bytes: bytes.into(), end: Instant::now() + time }
    }

    /// Spend `bytes`, before they are made where an operation makes more than it is given.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Error> {
        if Instant::now() > self.end {
            return Err(failed(format!("it does not end: it was stopped after {} s", TIME.as_secs())));
        }
        let spent = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        match spent {
            Ok(_) => Ok(()),
            Err(_) => Err(failed(format!("it makes more than {} MiB of text and lists", BYTES >> 20))),
        }
    }

    /// Spend what `times` pieces of `bytes` take.
    pub(super) fn spend_times(&self, times: usize, bytes: usize) -> Result<(), Error> {
        self.spend(times.saturating_mul(bytes))
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What an operation gave, paid for and measured.
    pub(super) fn kept(&self, value: Value) -> Result<Value, Error> {
        match value.kind() {
            ValueKind::String => self.spend(value.as_str().map_or(0, str::len))?,
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if value.len().is_some() => {
                self.spend_times(value.len().unwrap_or(0), ITEM)?;
                return measured(value);
            }
            _ => {}
        }
        measure(&value, DEPTH).map(|_| value)
    }

    pub(super) fn list(&self, items: Vec<Value>) -> Result<Value, Error> {
        self.kept(Value::from(items))
    }

    /// A list that prints as a tuple, and that `%` takes apart.
    pub(super) fn tuple(&self, items: Vec<Value>) -> Result<Value, Error> {
        self.spend_times(items.len(), ITEM)?;
        let inner = Value::from(items);
        let size = measure(&inner, DEPTH)?;
        Ok(Value::from_object(Measured { inner, size, tuple: true }))
    }
}

pub(super) fn is_tuple(value: &Value) -> bool {
    value.downcast_object_ref::<Measured>().is_some_and(|m| m.tuple)
}

pub(super) fn failed(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

/// A list or a dictionary that knows how large it is with all that is in it, however often the same is in it: what prints or
/// compares it goes through all of that.
struct Measured {
    inner: Value,
    size: Size,
    tuple: bool,
}

#[derive(Clone, Copy, Default)]
struct Size {
    bytes: usize,
    depth: usize,
}

fn measured(value: Value) -> Result<Value, Error> {
    let size = measure(&value, DEPTH)?;
    if value.downcast_object_ref::<Measured>().is_some() || value.kind() == ValueKind::Iterable {
        return Ok(value);
    }
    Ok(Value::from_object(Measured { inner: value, size, tuple: false }))
}

/// `below`: how many more levels there may be.
fn measure(value: &Value, below: usize) -> Result<Size, Error> {
    let Some(object) = value.as_object() else {
        return Ok(Size { bytes: value.as_str().map_or(ITEM, str::len), depth: 0 });
    };
    if object.type_name().ends_with("::Namespace") {
        // it could be in itself
        return Err(failed("a namespace cannot be part of a value"));
    }
    let size = match object.downcast_ref::<Measured>() {
        Some(known) => known.size,
        None if matches!(object.repr(), ObjectRepr::Plain) || value.len().is_none() => Size::default(),
        None => {
            let below = below.checked_sub(1).ok_or_else(too_deep)?;
            let mut size = Size::default();
            let mut add = |part: &Value| -> Result<(), Error> {
                let part = measure(part, below)?;
                size.bytes = size.bytes.saturating_add(part.bytes + ITEM);
                size.depth = size.depth.max(part.depth);
                if size.bytes > BYTES {
                    Err(failed(format!("it makes a value of more than {} MiB", BYTES >> 20)))
                } else {
                    Ok(())
                }
            };
            for item in value.try_iter()? {
                if object.repr() == ObjectRepr::Map {
                    add(&value.get_item(&item)?)?;
                }
                add(&item)?;
            }
            Size { depth: size.depth + 1, ..size }
        }
    };
    if size.depth > below.min(DEPTH) { Err(too_deep()) } else { Ok(size) }
}

fn too_deep() -> Error {
    failed(format!("it makes lists within lists, more than {DEPTH}"))
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Object for Measured {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.inner.as_object().map_or(ObjectRepr::Plain, |o| o.repr())
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.inner.as_object()?.get_value(key)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.inner.as_object().map_or(Enumerator::NonEnumerable, |o| o.enumerate())
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.inner.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_time_run_out() {
        let budget = Budget::of(100, Duration::from_secs(100));
        budget.spend(60).unwrap();
        assert!(budget.spend(60).unwrap_err().to_string().contains("MiB of text"));
        budget.spend(40).unwrap();
        assert!(budget.spend_times(usize::MAX, 3).is_err());
        let late = Budget::of(100, Duration::ZERO);
        std::thread::sleep(Duration::from_millis(1));
        assert!(late.spend(1).unwrap_err().to_string().contains("it does not end"));
    }

    #[test]
    fn values_count_all_that_is_in_them() {
        let budget = Budget::new();
        let mut twice = Value::from("some text");
        let grown = (0..40).try_for_each(|_| {
            twice = budget.list(vec![twice.clone(), twice.clone()])?;
            Ok::<(), Error>(())
        });
        assert!(grown.unwrap_err().to_string().contains("a value of more than"));
        let mut deep = Value::from(());
        let grown = (0..DEPTH + 1).try_for_each(|_| {
            deep = budget.list(vec![deep.clone()])?;
            Ok::<(), Error>(())
        });
        assert!(grown.unwrap_err().to_string().contains("lists within lists"));
    }
}
