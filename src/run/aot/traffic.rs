//! What a compiled program reads and writes: bytes of the operands and results of its instructions, as often as they run.
use crate::communication::{
    collect::{bytes, trip_count},
    hlo::{Computation, Instruction, Module, Type},
};
use std::collections::HashMap;

/// Instructions that move nothing: they name parts of what is there, or wait.
pub(super) const FREE: &[&str] = &[
    "parameter",
    "tuple",
    "get-tuple-element",
    "bitcast",
    "constant",
    "after-all",
    "partition-id",
    "replica-id",
    "iota",
    "opt-barrier",
    "optimization-barrier",
    "add-dependency",
    "domain",
];

/// Calls within calls deeper than this are a loop, which HLO cannot have.
const DEEPEST: usize = 64;

/// Bytes of a type.
pub(super) fn size(ty: &Type) -> u64 {
    match ty {
        Type::Array(aval) => bytes(aval),
        Type::Tuple(parts) => parts.iter().map(size).sum(),
        Type::Other(_) => 0,
    }
}

/// Bytes that one run of a module reads and writes. Loops of unknown length count once; of branches, the one that moves most.
pub(super) fn traffic(module: &Module) -> u64 {
    of(module, module.entry(), 0)
}

fn of(module: &Module, c: &Computation, depth: usize) -> u64 {
    let one = |i: &Instruction| instruction(module, c, i, depth);
    c.instructions.iter().map(one).fold(0, u64::saturating_add)
}

/// The instructions that use each value.
type Users<'a> = HashMap<&'a str, Vec<&'a Instruction>>;

fn users(c: &Computation) -> Users<'_> {
    let mut users: Users = HashMap::new();
    for i in &c.instructions {
        for operand in &i.operands {
            users.entry(operand.split('#').next().unwrap_or_default()).or_default().push(i);
        }
    }
    users
}

fn instruction(module: &Module, c: &Computation, i: &Instruction, depth: usize) -> u64 {
    if depth > DEEPEST || FREE.contains(&&*i.opcode) || i.opcode.ends_with("-done") || i.opcode.ends_with("-update") {
        return 0;
    }
    let inside = |name: &str| {
        let all = i.called(name).into_iter().filter_map(|name| module.computation(&name));
        all.map(|c| of(module, c, depth + 1)).max().unwrap_or(0)
    };
    match &*i.opcode {
        "while" => {
            let trips = trip_count(module, c, i).unwrap_or(1);
            inside("body").saturating_mul(trips)
        }
        "conditional" => {
            ["branch_computations", "true_computation", "false_computation"].map(inside).into_iter().max().unwrap_or(0)
        }
        "call" | "async-start" => inside("to_apply").max(inside("calls")).max(inside("called_computations")),
        "fusion" => match i.called("calls").first().and_then(|name| module.computation(name)) {
            Some(body) => fused(c, i, body),
            None => 0,
        },
        "dynamic-slice" | "gather" | "slice" => 2 * size(&i.ty),
        "dynamic-update-slice" => 2 * operand(c, i, 1),
        "scatter" => 3 * operand(c, i, 2),
        _ => size(&i.ty) + (0..i.operands.len()).map(|n| operand(c, i, n)).sum::<u64>(),
    }
}

fn operand(c: &Computation, i: &Instruction, number: usize) -> u64 {
    c.operand_types(i).and_then(|types| types.get(number).map(size)).unwrap_or(0)
}

/// What a fusion reads and writes. Of an operand that is sliced in it, only the slices are read; where slices are put into an
/// operand, only these are written.
fn fused(c: &Computation, i: &Instruction, body: &Computation) -> u64 {
    let users = users(body);
    let operands = c.operand_types(i).unwrap_or_default();
    let parameter = |p: &Instruction| p.operands.first().and_then(|n| n.parse::<usize>().ok());
    let read = body.instructions.iter().filter(|p| p.opcode == "parameter").map(|p| {
        let whole = parameter(p).and_then(|n| operands.get(n)).map_or_else(|| size(&p.ty), size);
        used(body, &users, p, DEEPEST).map_or(whole, |part| part.min(whole))
    });
    let written = body.root().map_or_else(|| size(&i.ty), |root| written(body, root));
    read.fold(written, u64::saturating_add)
}

/// Bytes of a value that are read, if all that use it take parts.
fn used(body: &Computation, users: &Users, value: &Instruction, depth: usize) -> Option<u64> {
    let depth = depth.checked_sub(1)?;
    let all = users.get(&*value.name)?;
    let mut sum = 0u64;
    for user in all {
        let first = user.operands.first().is_some_and(|o| *o == value.name);
        sum += match &*user.opcode {
            "dynamic-slice" | "gather" | "slice" if first => size(&user.ty),
            "dynamic-update-slice" if first => 0,
            "bitcast" | "reshape" => used(body, users, user, depth)?,
            _ => return None,
        };
    }
    Some(sum)
}

/// Bytes that the result of a fusion takes anew.
fn written(body: &Computation, root: &Instruction) -> u64 {
    let source = |operand: &String| body.find(operand).map(|(i, _)| i);
    match &*root.opcode {
        "dynamic-update-slice" => operand(body, root, 1),
        "tuple" => root.operands.iter().filter_map(source).map(|i| written(body, i)).sum(),
        "bitcast" => root.operands.first().and_then(source).map_or_else(|| size(&root.ty), |i| written(body, i)),
        _ => size(&root.ty),
    }
}
