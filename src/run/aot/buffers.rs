//! The largest parts of a program's memory, by what they are in the program.
use super::traffic::{FREE, made};
use crate::{
    communication::hlo::{Computation, Instruction, Module, Type},
    jit::Lowered,
    memory::show,
    trace::Tensor,
    tree::Tree,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fmt};

/// How many are told of each kind.
const MOST: usize = 8;

/// A part of the memory of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    /// The path of an argument's leaf, or the scope of the operation that makes the value.
    pub name: String,
    /// Its type on one device, as far as it is known.
    pub shape: String,
    /// Bytes of one.
    pub bytes: u64,
    /// How many of these there are in the program. Values need not be there at the same time.
    pub count: usize,
    /// Is it an argument?
    pub argument: bool,
    /// File and line of the operation that makes it.
    pub source: Option<(String, usize)>,
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let what = if self.argument { "argument" } else { "value" };
        write!(f, "{:>9}  {what:<8}  {}", show(self.bytes), self.name)?;
        if !self.shape.is_empty() {
            write!(f, "  {}", self.shape)?;
        }
        if self.count > 1 {
            write!(f, "  ({} of these)", self.count)?;
        }
        match &self.source {
            Some((file, line)) => write!(f, "  {file}:{line}"),
            None => Ok(()),
        }
    }
}

/// The arguments of a program, on one device.
pub(super) fn arguments<Args, Out: Tree<Tensor>>(lowered: &Lowered<Args, Out>) -> Vec<Buffer> {
    let one = |(path, aval): (String, crate::aval::Aval)| Buffer {
        name: path,
        shape: aval.to_string(),
        bytes: super::plan::bytes(&aval),
        count: 1,
        argument: true,
        source: None,
    };
    lowered.arguments().into_iter().map(one).collect()
}

/// The values that the instructions of a compiled program make, those in loops and branches included.
pub(super) fn values(module: &Module) -> Vec<Buffer> {
    let (mut found, mut seen) = (vec![], HashSet::new());
    collect(module, module.entry(), &mut seen, &mut found);
    found
}

fn collect(module: &Module, c: &Computation, seen: &mut HashSet<String>, found: &mut Vec<Buffer>) {
    for i in &c.instructions {
        let inside = [
            "body",
            "branch_computations",
            "true_computation",
            "false_computation",
            "to_apply",
            "calls",
            "called_computations",
        ];
        if ["while", "conditional", "call", "async-start"].contains(&&*i.opcode) {
            for name in inside.iter().flat_map(|list| i.called(list)) {
                if let Some(inner) = module.computation(&name).filter(|_| seen.insert(name.clone())) {
                    collect(module, inner, seen, found);
                }
            }
        } else if !FREE.contains(&&*i.opcode) && !i.opcode.ends_with("-done") {
            found.extend(value(module, i));
        }
    }
}

fn value(module: &Module, i: &Instruction) -> Option<Buffer> {
    let shape = match &i.ty {
        Type::Array(aval) => aval.to_string(),
        Type::Tuple(parts) => format!("{} arrays", parts.len()),
        Type::Elsewhere(_) | Type::Other(_) => return None,
    };
    let metadata = i.group("metadata");
    let scope = metadata.iter().find(|(name, _)| name == "op_name").map(|(_, name)| name.clone());
    let place = module.place(i);
    let name = place.as_ref().map(|p| p.function.clone()).filter(|name| !name.is_empty()).or(scope);
    let source = place.map(|p| (p.file, p.line));
    Some(Buffer {
        name: name.unwrap_or_else(|| i.opcode.clone()),
        shape,
        bytes: made(module, i),
        count: 1,
        argument: false,
        source,
    })
}

/// The largest arguments, and the largest values. Equal ones are told once.
pub(super) fn merged(arguments: Vec<Buffer>, values: Vec<Buffer>) -> Vec<Buffer> {
    [arguments, values].into_iter().flat_map(largest).collect()
}

fn largest(buffers: Vec<Buffer>) -> Vec<Buffer> {
    let mut kinds: Vec<Buffer> = vec![];
    let mut all = buffers;
    all.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
    // (what is a thousandth of the largest is not worth a line)
    let least = all.first().map_or(0, |largest| largest.bytes / 1000);
    for buffer in all.into_iter().filter(|buffer| buffer.bytes > least) {
        let same = |k: &Buffer| k.name == buffer.name && k.shape == buffer.shape && k.source == buffer.source;
        match kinds.iter().position(same) {
            Some(at) => kinds[at].count += 1,
            None if kinds.len() == MOST => break,
            None => kinds.push(buffer),
        }
    }
    kinds
}

/// What a compiler that refuses a program says of its largest allocations, behind the arguments.
pub(super) fn of_message(message: &str, arguments: Vec<Buffer>) -> Vec<Buffer> {
    let mut values = vec![];
    for block in message.split("Size: ").skip(1) {
        let field = |name: &str| Some(block.split_once(name)?.1.lines().next()?.trim());
        let Some(bytes) = block.lines().next().and_then(size_in) else { continue };
        let operator = field("Operator: ").unwrap_or_default();
        let quoted = |key: &str| Some(operator.split_once(key)?.1.split_once('"')?.0.to_string());
        let name = quoted("op_name=\"").or_else(|| field("XLA Label: ").map(str::to_string)).unwrap_or_default();
        let line = operator.split_once("source_line=").and_then(|(_, n)| n.split([' ', '}']).next()?.parse().ok());
        let source = quoted("source_file=\"").zip(line);
        let shape = field("Shape: ").unwrap_or_default();
        let shape = shape.split('{').next().unwrap_or_default().to_string();
        values.push(Buffer { name, shape, bytes, count: 1, argument: false, source });
    }
    merged(arguments, values)
}

/// `59.49G`, `512.0K`, `12B` in bytes: XLA's sizes, in powers of 1024.
pub(super) fn size_in(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches(['.', ',']);
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].chars().next() {
        Some('K') => 10,
        Some('M') => 20,
        Some('G') => 30,
        Some('T') => 40,
        _ => 0,
    };
    Some((number * (1u64 << unit) as f64) as u64)
}
