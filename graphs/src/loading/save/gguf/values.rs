//! Metadata values as bytes.

use crate::weights::gguf::{List, Value};

pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A value with its type: integers as u32 where they fit, and numbers as f32, as llama.cpp expects them.
pub(super) fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut put = |kind: u32, bytes: &[u8]| {
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Int(i) => match (u32::try_from(*i), i32::try_from(*i), u64::try_from(*i)) {
            (Ok(n), ..) => put(4, &n.to_le_bytes()),
            (_, Ok(n), _) => put(5, &n.to_le_bytes()),
            (.., Ok(n)) => put(10, &n.to_le_bytes()),
            _ => put(11, &(*i as i64).to_le_bytes()),
        },
        Value::Float(x) => match (*x as f32).to_string().parse() == Ok(*x) {
            true => put(6, &(*x as f32).to_le_bytes()),
            false => put(12, &x.to_le_bytes()),
        },
        Value::Bool(b) => put(7, &[u8::from(*b)]),
        Value::Str(text) => {
            put(8, &[]);
            put_string(out, text);
        }
        Value::List(list) => {
            put(9, &[]);
            put_list(out, list);
        }
    }
}

fn put_list(out: &mut Vec<u8>, list: &List) {
    let mut head = |kind: u32, n: usize| {
        out.extend(kind.to_le_bytes());
        out.extend((n as u64).to_le_bytes());
    };
    match list {
        List::Int(all) if all.iter().all(|i| i32::try_from(*i).is_ok()) => {
            head(5, all.len());
            all.iter().for_each(|i| out.extend((*i as i32).to_le_bytes()));
        }
        List::Int(all) => {
            head(11, all.len());
            all.iter().for_each(|i| out.extend(i.to_le_bytes()));
        }
        List::Unsigned(all) => {
            head(10, all.len());
            all.iter().for_each(|i| out.extend(i.to_le_bytes()));
        }
        List::Float(all) => {
            head(6, all.len());
            all.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        List::Double(all) => {
            head(12, all.len());
            all.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        List::Bool(all) => {
            head(7, all.len());
            out.extend(all.iter().map(|b| u8::from(*b)));
        }
        List::Str(all) => {
            head(8, all.len());
            all.iter().for_each(|text| put_string(out, text));
        }
        List::List(all) => {
            head(9, all.len());
            all.iter().for_each(|list| put_list(out, list));
        }
    }
}
