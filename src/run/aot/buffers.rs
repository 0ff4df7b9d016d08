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
/// How many times smaller than the largest a buffer is that is not told.
const SMALL: u64 = 10_000;

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
    // (what is small beside the largest is not worth a line)
    let least = arguments.iter().chain(&values).map(|buffer| buffer.bytes).max().unwrap_or(0) / SMALL;
    [arguments, values].into_iter().flat_map(|all| largest(all, least)).collect()
}

fn largest(buffers: Vec<Buffer>, least: u64) -> Vec<Buffer> {
    let mut kinds: Vec<Buffer> = vec![];
    let mut all = buffers;
    all.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aot::Memory;

    fn argument(name: &str, bytes: u64) -> Buffer {
        Buffer { name: name.into(), shape: "f32[1]".into(), bytes, count: 1, argument: true, source: None }
    }

    #[test]
    fn what_a_compiler_says_of_a_program_that_does_not_fit_is_read() {
        let short = "E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory required for HLO temporaries (58.61G) \
                     exceeds available HBM (15.75G). HLO module: main.";
        let memory = Memory::exceeded(short, &[argument("a", 32_000_000_000)], 16_909_332_480);
        assert_eq!((memory.peak, memory.arguments), ((58.61 * f64::from(1u32 << 30)) as u64, 32_000_000_000));
        assert_eq!(memory.temporaries, memory.peak - memory.arguments);
        // a message that says nothing of sizes: it needs more than there is
        assert_eq!(Memory::exceeded("no", &[], 100).peak, 101);
        let long = "Used 20.00G of 15.75G hbm.\n  1. Size: 1.50G\n     Operator: op_name=\"block/mlp\" source_file=\"src/x.rs\" \
                    source_line=7\n     Shape: bf16[8,4096]{1,0:T(8,128)}\n     XLA Label: fusion.1\n\n  2. Size: 512.0M\n     Shape: f32[2]{0}\n     \
                    XLA Label: copy.2\n";
        let found = of_message(long, vec![argument("w", 1 << 30)]);
        let told: Vec<(&str, u64, bool)> = found.iter().map(|b| (&*b.name, b.bytes >> 20, b.argument)).collect();
        assert_eq!(told, [("w", 1024, true), ("block/mlp", 1536, false), ("copy.2", 512, false)]);
        assert_eq!(found[1].source, Some(("src/x.rs".into(), 7)));
    }

    #[test]
    fn equal_buffers_are_told_once_and_small_ones_not_at_all() {
        let found = merged(vec![argument("a", 10), argument("b", 1 << 30), argument("b", 1 << 30)], vec![]);
        assert_eq!(found.iter().map(|b| (&*b.name, b.count)).collect::<Vec<_>>(), [("b", 2)]);
    }
}
