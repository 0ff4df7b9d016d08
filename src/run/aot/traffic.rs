//! What a compiled program reads and writes: bytes of the operands and results of its instructions, as often as they run.
use crate::communication::{
    collect::{bytes, trip_count},
    hlo::{Computation, Instruction, Module, Type},
};

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
        Type::Elsewhere(_) | Type::Other(_) => 0,
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
            Some(body) => fused(module, c, i, body),
            None => 0,
        },
        "dynamic-slice" | "gather" | "slice" => whole(&i.ty) + size(&i.ty),
        "copy-start" => operand(c, i, 0) + made(module, i),
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
fn fused(module: &Module, c: &Computation, i: &Instruction, body: &Computation) -> u64 {
    let operands = c.operand_types(i).unwrap_or_default();
    let read = operands.iter().enumerate().map(|(number, ty)| {
        let whole = size(ty);
        if whole == 0 { 0 } else { read_of(module, body, number, DEEPEST).map_or(whole, |part| part.min(whole)) }
    });
    let written = body.root().map_or(0, |root| written(body, root, &i.ty, true));
    read.fold(written, u64::saturating_add)
}

/// Bytes that a computation reads of its parameter of this number, if it takes parts of it alone.
fn read_of(module: &Module, body: &Computation, number: usize, depth: usize) -> Option<u64> {
    let is = |p: &&Instruction| p.opcode == "parameter" && p.operands.first().is_some_and(|n| n.parse() == Ok(number));
    used(module, body, body.instructions.iter().find(is)?, depth.checked_sub(1)?)
}

/// Bytes of a value that are read, if all that use it take parts of it alone.
fn used(module: &Module, body: &Computation, value: &Instruction, depth: usize) -> Option<u64> {
    let depth = depth.checked_sub(1)?;
    if body.root().is_some_and(|root| root.name == value.name) {
        return None;
    }
    let at = |user: &Instruction| user.operands.iter().position(|o| *o == value.name);
    let users = body.instructions.iter().filter_map(|user| Some((user, at(user)?)));
    let mut sum = 0u64;
    for (user, number) in users {
        sum += match &*user.opcode {
            "dynamic-slice" | "gather" | "slice" if number == 0 => whole(&user.ty),
            "dynamic-update-slice" if number == 0 => 0,
            "bitcast" | "reshape" | "copy" | "convert" => used(module, body, user, depth)?,
            "fusion" => {
                let inner = module.computation(user.called("calls").first()?)?;
                // (one that only lays an operand out anew, of which parts are taken then)
                let anew = || if user.operands.len() == 1 { used(module, body, user, depth) } else { None };
                read_of(module, inner, number, depth).or_else(anew)?
            }
            _ => return None,
        };
    }
    Some(sum)
}

/// Bytes of a type, wherever it is.
fn whole(ty: &Type) -> u64 {
    ty.arrays().map_or(0, |arrays| arrays.iter().map(bytes).sum())
}

/// Bytes that the result of an instruction takes anew in the device's memory: nothing for what is written into an operand's place.
pub(super) fn made(module: &Module, i: &Instruction) -> u64 {
    let body = i.called("calls").first().and_then(|name| module.computation(name));
    match (&*i.opcode, body.and_then(Computation::root).zip(body)) {
        ("fusion", Some((root, body))) => written(body, root, &i.ty, false),
        ("dynamic-update-slice" | "scatter", _) => 0,
        // (its type is what it makes, and what it is made of)
        ("copy-start", _) => i.ty.elements().and_then(|parts| parts.first()).map_or(0, size),
        _ => size(&i.ty),
    }
}

/// Bytes that `value` in a fusion writes to a result of this type; with `updates`, also those that go into an operand's place.
fn written(body: &Computation, value: &Instruction, ty: &Type, updates: bool) -> u64 {
    let source = |operand: &String| body.find(operand).map(|(i, _)| i);
    match (&*value.opcode, ty) {
        ("dynamic-update-slice", _) => {
            if updates {
                operand(body, value, 1)
            } else {
                0
            }
        }
        ("tuple", Type::Tuple(parts)) => {
            let sources = value.operands.iter().filter_map(source).zip(parts);
            sources.map(|(i, part)| written(body, i, part, updates)).sum()
        }
        ("bitcast", _) => {
            value.operands.first().and_then(source).map_or_else(|| size(ty), |i| written(body, i, ty, updates))
        }
        _ => size(ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aot::buffers::values;

    /// A loop of 28 steps: each takes a slice of a stack by a fusion in a fusion, and writes one into a cache in its place.
    const LOOP: &str = r#"HloModule main, is_scheduled=true

%relaid (input: bf16[28,100]) -> bf16[28,100] {
  %input = bf16[28,100]{1,0} parameter(0)
  ROOT %copy.1 = bf16[28,100]{1,0} copy(%input)
}

%taken (p0: bf16[28,100], p1: s32[]) -> bf16[1,100] {
  %p0 = bf16[28,100]{1,0} parameter(0)
  %p1 = s32[] parameter(1)
  %inner = bf16[28,100]{1,0} fusion(%p0), kind=kLoop, calls=%relaid
  %zero = s32[] constant(0)
  ROOT %slice = bf16[1,100]{1,0} dynamic-slice(%inner, %p1, %zero), dynamic_slice_sizes={1,100}
}

%written (q0: f32[28,10], q1: s32[], q2: f32[1,10]) -> f32[28,10] {
  %q0 = f32[28,10]{1,0} parameter(0)
  %q1 = s32[] parameter(1)
  %q2 = f32[1,10]{1,0} parameter(2)
  %nought = s32[] constant(0)
  ROOT %update = f32[28,10]{1,0} dynamic-update-slice(%q0, %q2, %q1, %nought)
}

%body (state: (s32[], bf16[28,100], f32[28,10], f32[1,10])) -> (s32[], bf16[28,100], f32[28,10], f32[1,10]) {
  %state = (s32[], bf16[28,100]{1,0}, f32[28,10]{1,0}, f32[1,10]{1,0}) parameter(0)
  %n = s32[] get-tuple-element(%state), index=0
  %stack = bf16[28,100]{1,0} get-tuple-element(%state), index=1
  %cache = f32[28,10]{1,0} get-tuple-element(%state), index=2
  %row = f32[1,10]{1,0} get-tuple-element(%state), index=3
  %near = bf16[1,100]{1,0:S(1)} fusion(%stack, %n), kind=kLoop, calls=%taken
  %next.cache = f32[28,10]{1,0} fusion(%cache, %n, %row), kind=kLoop, calls=%written
  ROOT %next = (s32[], bf16[28,100]{1,0}, f32[28,10]{1,0}, f32[1,10]{1,0}) tuple(%n, %stack, %next.cache, %row)
}

%condition (c: (s32[], bf16[28,100], f32[28,10], f32[1,10])) -> pred[] {
  %c = (s32[], bf16[28,100]{1,0}, f32[28,10]{1,0}, f32[1,10]{1,0}) parameter(0)
  ROOT %go = pred[] constant(true)
}

ENTRY %main (a: bf16[28,100], b: f32[28,10], r: f32[1,10]) -> f32[28,10] {
  %a = bf16[28,100]{1,0} parameter(0)
  %b = f32[28,10]{1,0} parameter(1)
  %r = f32[1,10]{1,0} parameter(2)
  %start = s32[] constant(0)
  %init = (s32[], bf16[28,100]{1,0}, f32[28,10]{1,0}, f32[1,10]{1,0}) tuple(%start, %a, %b, %r)
  %loop = (s32[], bf16[28,100]{1,0}, f32[28,10]{1,0}, f32[1,10]{1,0}) while(%init), condition=%condition, body=%body, backend_config={"known_trip_count":{"n":"28"}}
  %last = f32[28,10]{1,0} get-tuple-element(%loop), index=2
  ROOT %out = f32[28,10]{1,0} negate(%last)
}
"#;

    #[test]
    fn slices_count_as_slices_and_updates_as_updates() {
        let module = Module::parse(LOOP).expect("a module");
        // in each step a row of the stack (its copy is in vector memory) and its number; a row into the cache, and its number
        let step = (200 + 4) + (40 + 4 + 40);
        assert_eq!(traffic(&module), 28 * step + 2 * 28 * 40);
        // the cache is updated in its place, and what is in vector memory is no part of the device's
        let made: Vec<(String, u64)> = values(&module).into_iter().map(|b| (b.name, b.bytes)).collect();
        let large: Vec<&(String, u64)> = made.iter().filter(|(_, bytes)| *bytes > 0).collect();
        assert_eq!(large, [&("negate".to_string(), 28 * 40)]);
    }
}
