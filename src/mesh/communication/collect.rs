//! Walks a module from its entry through loops, branches and calls, and describes the collectives on the way.
use super::{
    Collective, Kind,
    explicit::Explicit,
    groups::{Groups, permuted},
    hlo::{Computation, Instruction, Module, Place, Type},
};
use crate::aval::Aval;

/// Calls within calls deeper than this are a loop, which HLO cannot have.
const DEEPEST: usize = 64;

/// What is known about every instruction of a computation: where it is called from.
#[derive(Clone, Copy)]
struct Around {
    runs: Option<u64>,
    loops: usize,
    conditional: bool,
    depth: usize,
}

pub(super) struct Walk<'a> {
    module: &'a Module,
    mesh: &'a [(String, usize)],
    explicit: Explicit,
    found: Vec<Collective>,
}

/// All collectives of a module. An error is the line that makes no sense, and what is missing in it.
pub(super) fn collectives(
    module: &Module,
    mesh: &[(String, usize)],
    explicit: Explicit,
) -> Result<Vec<Collective>, (String, String)> {
    let mut walk = Walk { module, mesh, explicit, found: vec![] };
    walk.computation(module.entry(), Around { runs: Some(1), loops: 0, conditional: false, depth: 0 })?;
    Ok(walk.found)
}

impl Walk<'_> {
    fn computation(&mut self, c: &Computation, around: Around) -> Result<(), (String, String)> {
        for i in &c.instructions {
            if let Some(kind) = kind(&i.opcode) {
                let found = self.describe(c, i, kind, around).map_err(|what| (i.name.clone(), what))?;
                self.found.push(found);
                continue; // (the function that reduces has no collectives)
            }
            self.called(c, i, around)?;
        }
        Ok(())
    }

    /// The computations that an instruction runs.
    fn called(&mut self, c: &Computation, i: &Instruction, around: Around) -> Result<(), (String, String)> {
        let inside = Around { depth: around.depth + 1, ..around };
        let mut next: Vec<(String, Around)> = vec![];
        if i.opcode == "while" {
            let trips = trip_count(self.module, c, i);
            let times = |n: Option<u64>| around.runs.zip(n).map(|(runs, n)| runs.saturating_mul(n));
            let body = Around { runs: times(trips), loops: around.loops + 1, ..inside };
            let condition = Around { runs: times(trips.map(|n| n.saturating_add(1))), ..body };
            next.extend(i.called("condition").into_iter().map(|name| (name, condition)));
            next.extend(i.called("body").into_iter().map(|name| (name, body)));
        } else if i.opcode == "conditional" {
            let branch = Around { conditional: true, ..inside };
            let lists = ["branch_computations", "true_computation", "false_computation"];
            next.extend(lists.iter().flat_map(|list| i.called(list)).map(|name| (name, branch)));
        } else if !i.opcode.ends_with("-done") && !i.opcode.ends_with("-update") {
            let lists = ["calls", "to_apply", "called_computations"];
            next.extend(lists.iter().flat_map(|list| i.called(list)).map(|name| (name, inside)));
        }
        if inside.depth > DEEPEST {
            return Err((i.name.clone(), "a program whose calls end".into()));
        }
        for (name, around) in next {
            if let Some(computation) = self.module.computation(&name) {
                self.computation(computation, around)?;
            }
        }
        Ok(())
    }

    fn describe(&self, c: &Computation, i: &Instruction, kind: Kind, around: Around) -> Result<Collective, String> {
        let arrays = |types: &[Type]| -> Result<Vec<Aval>, String> {
            let all: Result<Vec<_>, _> = types.iter().map(Type::arrays).collect();
            all.map(|all| all.concat()).map_err(|ty| format!("arrays of known types instead of {ty}"))
        };
        let operands = arrays(&c.operand_types(i).ok_or("operands of known types")?)?;
        let (participants, axes) = self.participants(i, kind)?;
        let operand_bytes: u64 = operands.iter().map(bytes).sum();
        let n = participants.max(1) as u64;
        // the result of a gathering is as large as its operands of all participants
        let whole = if kind == Kind::AllGather { operand_bytes.saturating_mul(n) } else { operand_bytes };
        let shapes = if kind == Kind::AllGather { gathered(i, operands) } else { operands };
        let (place, generated) = (self.module.place(i), i.group("frontend_attributes"));
        let generated = generated.iter().any(|(name, value)| name == "is_spmd_generated" && value == "true");
        let line = place.as_ref().map(|p| (&*p.file, p.line));
        let implicit = !self.explicit.has(kind, line, generated);
        let metadata = i.group("metadata");
        let op_name = metadata.into_iter().find(|(name, _)| name == "op_name").map_or(String::new(), |(_, name)| name);
        let place = place.or_else(|| nearest(self.module, c, i));
        Ok(Collective {
            kind,
            arrays: shapes,
            bytes: whole,
            sent: kind.sent(whole, n),
            participants,
            axes,
            runs: around.runs,
            loops: around.loops,
            conditional: around.conditional,
            implicit,
            scope: scope(place.as_ref(), &op_name),
            source: place.map(|p| (p.file, p.line)),
            name: i.name.clone(),
        })
    }

    fn participants(&self, i: &Instruction, kind: Kind) -> Result<(usize, Option<Vec<String>>), String> {
        if kind == Kind::CollectivePermute {
            let pairs = i.attribute("source_target_pairs").and_then(|pairs| permuted(pairs, self.mesh));
            return pairs.ok_or_else(|| "source_target_pairs".into());
        }
        let text = i.attribute("replica_groups").unwrap_or("{}");
        let groups = Groups::parse(text, self.module.devices).ok_or("replica_groups in a known notation")?;
        Ok((groups.participants(), groups.axes(self.mesh)))
    }
}

/// The kind, for an opcode that is a collective or starts one.
fn kind(opcode: &str) -> Option<Kind> {
    let base = opcode.strip_suffix("-start").unwrap_or(opcode);
    Kind::ALL.into_iter().find(|kind| kind.name() == base)
}

/// Bytes of an array in a device's memory, where 4-bit elements lie two in a byte.
pub(crate) fn bytes(aval: &Aval) -> u64 {
    let elements = aval.dims.iter().fold(1u64, |n, d| n.saturating_mul(*d as u64));
    elements.saturating_mul(aval.dtype.bits() as u64).div_ceil(8)
}

/// The results of an all-gather: of its start, they are the second element of the type.
fn gathered(i: &Instruction, operands: Vec<Aval>) -> Vec<Aval> {
    let results = match (i.opcode.ends_with("-start"), &i.ty) {
        (true, Type::Tuple(parts)) if parts.len() >= 2 => parts[1].arrays(),
        (_, ty) => ty.arrays(),
    };
    results.unwrap_or(operands)
}

/// The scope: what the frame is called, or the end of the name in the metadata.
fn scope(place: Option<&Place>, op_name: &str) -> String {
    match place {
        Some(place) if !place.function.is_empty() => place.function.clone(),
        _ => op_name.to_string(),
    }
}

/// The place of the nearest instruction that has one: first among those that use the value, then among those that make it.
/// What the partitioner inserts often has none of its own.
fn nearest(module: &Module, c: &Computation, i: &Instruction) -> Option<Place> {
    let base = |operand: &String| operand.split('#').next().unwrap_or_default().to_string();
    let step = |names: &[String], forward: bool| -> Vec<&Instruction> {
        let uses = |x: &&Instruction| x.operands.iter().any(|operand| names.contains(&base(operand)));
        match forward {
            true => c.instructions.iter().filter(uses).collect(),
            false => {
                let of = |name: &String| c.find(name).map(|(x, _)| x.operands.iter().map(base).collect::<Vec<_>>());
                names.iter().filter_map(of).flatten().filter_map(|name| Some(c.find(&name)?.0)).collect()
            }
        }
    };
    let place = |x: &&Instruction| {
        let inner =
            || module.computation(x.called("calls").first()?)?.instructions.iter().rev().find_map(|y| module.place(y));
        module.place(x).or_else(inner)
    };
    [true, false].into_iter().find_map(|forward| {
        let mut names = vec![i.name.clone()];
        (0..8).find_map(|_| {
            let reached = step(&names, forward);
            names = reached.iter().map(|x| x.name.clone()).collect();
            reached.iter().find_map(place)
        })
    })
}

/// How often a loop runs: as XLA notes it, or if it counts in even steps from one constant to another.
pub(crate) fn trip_count(module: &Module, c: &Computation, i: &Instruction) -> Option<u64> {
    let config = i.attribute("backend_config").unwrap_or_default().replace(['\\', '"', ' '], "");
    if let Some((_, rest)) = config.split_once("known_trip_count:{n:") {
        return rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok();
    }
    let condition = module.computation(i.called("condition").first()?)?;
    let compare =
        Inner::of(module, condition, condition.root()?).filter(|inner| inner.instruction.opcode == "compare")?;
    let (a, b) = (compare.operand(0)?, compare.operand(1)?);
    let direction = compare.instruction.attribute("direction")?;
    let (element, end) = match (direction, a, b) {
        ("LT", Leaf::Element(k), Leaf::Constant(n)) | ("GT", Leaf::Constant(n), Leaf::Element(k)) => (k, n),
        ("LE", Leaf::Element(k), Leaf::Constant(n)) | ("GE", Leaf::Constant(n), Leaf::Element(k)) => {
            (k, n.checked_add(1)?)
        }
        _ => return None,
    };
    let body = module.computation(i.called("body").first()?)?;
    let next = body.root().filter(|root| root.opcode == "tuple")?.operands.get(element)?;
    let add = Inner::of(module, body, body.find(next)?.0).filter(|inner| inner.instruction.opcode == "add")?;
    let step = match (add.operand(0)?, add.operand(1)?) {
        (Leaf::Element(k), Leaf::Constant(n)) | (Leaf::Constant(n), Leaf::Element(k)) if k == element && n > 0 => n,
        _ => return None,
    };
    let start = c.find(i.operands.first()?)?.0;
    let start = Inner { computation: c, instruction: start, outer: None };
    let Leaf::Constant(start) = start.operand(element).filter(|_| start.instruction.opcode == "tuple")? else {
        return None;
    };
    let distance = end.checked_sub(start)?.max(0);
    u64::try_from(distance.checked_add(step - 1)? / step).ok()
}

/// An instruction, looked at through the fusion that it is in, if it is in one.
struct Inner<'a> {
    computation: &'a Computation,
    instruction: &'a Instruction,
    outer: Option<(&'a Computation, &'a Instruction)>,
}
/// What an operand comes down to.
enum Leaf {
    Constant(i64),
    /// An element of the tuple that the computation takes.
    Element(usize),
}
impl<'a> Inner<'a> {
    fn of(module: &'a Module, computation: &'a Computation, instruction: &'a Instruction) -> Option<Inner<'a>> {
        if instruction.opcode != "fusion" && instruction.opcode != "call" {
            return Some(Inner { computation, instruction, outer: None });
        }
        let called = instruction.called("calls").into_iter().chain(instruction.called("to_apply")).next()?;
        let inner = module.computation(&called)?;
        Some(Inner { computation: inner, instruction: inner.root()?, outer: Some((computation, instruction)) })
    }
    fn operand(&self, number: usize) -> Option<Leaf> {
        leaf(self.computation, self.instruction.operands.get(number)?, self.outer, DEEPEST)
    }
}
fn leaf(c: &Computation, operand: &str, outer: Option<(&Computation, &Instruction)>, depth: usize) -> Option<Leaf> {
    let (source, path) = c.find(operand)?;
    let depth = depth.checked_sub(1)?;
    let first = source.operands.first();
    match (&*source.opcode, &path[..]) {
        ("constant", []) => first?.parse().ok().map(Leaf::Constant),
        ("copy" | "bitcast" | "convert" | "reshape", []) => leaf(c, first?, outer, depth),
        ("parameter", []) => {
            let (around, fusion) = outer?;
            leaf(around, fusion.operands.get(first?.parse::<usize>().ok()?)?, None, depth)
        }
        ("parameter", [element]) if outer.is_none() => Some(Leaf::Element(*element)),
        ("get-tuple-element", []) => {
            let of = c.find(first?).filter(|(x, path)| x.opcode == "parameter" && path.is_empty() && outer.is_none());
            of.and_then(|_| source.attribute("index")?.parse().ok()).map(Leaf::Element)
        }
        _ => None,
    }
}
