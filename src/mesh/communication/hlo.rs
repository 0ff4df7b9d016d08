//! HLO text, as far as finding collectives needs it: computations, instructions, types, and the table of stack frames.
//!
//! XLA writes one instruction per line. Lines that are none (constants of several lines) are passed over.
use crate::aval::{Aval, DType};
use std::collections::HashMap;

/// A module.
#[derive(Default)]
pub(crate) struct Module {
    computations: HashMap<String, Computation>,
    entry: String,
    /// Devices that the program runs on.
    pub(crate) devices: usize,
    frames: HashMap<usize, Place>,
}
/// A computation: its instructions in order.
#[derive(Default)]
pub(crate) struct Computation {
    pub(crate) instructions: Vec<Instruction>,
    by_name: HashMap<String, usize>,
    root: Option<usize>,
}
/// One instruction.
pub(crate) struct Instruction {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) opcode: String,
    /// Texts of the operands, without their types: `x`, or `x#1` for an element of a tuple.
    pub(crate) operands: Vec<String>,
    /// Types of the operands where the text has them.
    operand_types: Vec<Option<Type>>,
    attributes: Vec<(String, String)>,
}
/// A type: arrays that raxla knows, those of them that are not in the device's main memory (a TPU's vector memory, the host's), tuples, and
/// the rest (tokens, contexts).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Array(Aval),
    Elsewhere(Aval),
    Tuple(Vec<Type>),
    Other(String),
}
/// A place in the user's program.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// What the frame calls the function: with raxla's locations, the scope.
    pub(crate) function: String,
}

impl Module {
    /// Read a module. `None` if there is no entry computation.
    pub(crate) fn parse(text: &str) -> Option<Module> {
        let mut module = Module { devices: 1, ..Module::default() };
        let (mut tables, mut open): (Tables, Option<(String, Computation)>) = (Tables::default(), None);
        for line in text.lines() {
            if let Some((name, computation)) = &mut open {
                if line.starts_with('}') {
                    module.computations.insert(std::mem::take(name), std::mem::take(computation));
                    open = None;
                } else if let Some((instruction, root)) = instruction(line.trim()) {
                    computation.push(instruction, root);
                }
            } else if let Some(header) = line.strip_prefix("HloModule ") {
                let count = |name| attribute(&attributes(header), name).and_then(|n| n.parse().ok()).unwrap_or(1usize);
                module.devices = count("num_partitions").saturating_mul(count("replica_count")).max(1);
            } else if line.ends_with('{') && !line.starts_with(char::is_whitespace) {
                let entry = line.strip_prefix("ENTRY ");
                let name = name(entry.unwrap_or(line)).to_string();
                if entry.is_some() {
                    module.entry = name.clone();
                }
                open = Some((name, Computation::default()));
            } else {
                tables.line(line);
            }
        }
        module.frames = tables.frames();
        module.computations.contains_key(&module.entry).then_some(module)
    }
    pub(crate) fn entry(&self) -> &Computation {
        &self.computations[&self.entry]
    }
    pub(crate) fn computation(&self, name: &str) -> Option<&Computation> {
        self.computations.get(name)
    }
    /// Where the program has an instruction, by its metadata.
    pub(crate) fn place(&self, instruction: &Instruction) -> Option<Place> {
        let metadata = instruction.group("metadata");
        if let Some(frame) = attribute(&metadata, "stack_frame_id") {
            return self.frames.get(&frame.parse().ok()?).cloned();
        }
        let file = attribute(&metadata, "source_file")?.to_string();
        let line = attribute(&metadata, "source_line")?.parse().ok()?;
        Some(Place { file, line, function: String::new() })
    }
}

impl Computation {
    fn push(&mut self, instruction: Instruction, root: bool) {
        let index = self.instructions.len();
        self.by_name.insert(instruction.name.clone(), index);
        if root {
            self.root = Some(index);
        }
        self.instructions.push(instruction);
    }
    /// The instruction whose value is returned.
    pub(crate) fn root(&self) -> Option<&Instruction> {
        self.root.map_or(self.instructions.last(), |i| self.instructions.get(i))
    }
    /// The instruction that an operand names, and which elements of nested tuples it takes.
    pub(crate) fn find(&self, operand: &str) -> Option<(&Instruction, Vec<usize>)> {
        let mut parts = operand.split('#');
        let at = self.by_name.get(parts.next()?)?;
        let path = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some((&self.instructions[*at], path))
    }
    /// Types of an instruction's operands, if all are known.
    pub(crate) fn operand_types(&self, instruction: &Instruction) -> Option<Vec<Type>> {
        let looked_up = |operand: &String| {
            let (source, path) = self.find(operand)?;
            path.iter().try_fold(&source.ty, |ty, at| ty.elements()?.get(*at)).cloned()
        };
        let both = instruction.operands.iter().zip(&instruction.operand_types);
        both.map(|(operand, ty)| ty.clone().or_else(|| looked_up(operand))).collect()
    }
}

impl Instruction {
    /// The text of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }
    /// The parts of an attribute like `metadata={a=1 b="x"}`.
    pub(crate) fn group(&self, name: &str) -> Vec<(String, String)> {
        let inner = self.attribute(name).and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
        inner.map(attributes).unwrap_or_default()
    }
    /// Computations that an attribute names: one, or a list in braces.
    pub(crate) fn called(&self, name: &str) -> Vec<String> {
        let text = self.attribute(name).unwrap_or_default();
        let list = text.trim_start_matches('{').trim_end_matches('}').split(',');
        list.map(|one| one.trim().trim_start_matches('%').to_string()).filter(|one| !one.is_empty()).collect()
    }
}

impl Type {
    pub(crate) fn elements(&self) -> Option<&[Type]> {
        match self {
            Type::Tuple(elements) => Some(elements),
            _ => None,
        }
    }
    /// All arrays in it; an error names the type that is none.
    pub(crate) fn arrays(&self) -> Result<Vec<Aval>, String> {
        match self {
            Type::Array(aval) | Type::Elsewhere(aval) => Ok(vec![aval.clone()]),
            Type::Other(text) => Err(text.clone()),
            Type::Tuple(elements) => Ok(elements.iter().map(Type::arrays).collect::<Result<Vec<_>, _>>()?.concat()),
        }
    }
}

/// The tables at a module's head that stack frames are looked up in.
#[derive(Default)]
struct Tables<'a> {
    section: &'a str,
    files: HashMap<&'a str, &'a str>,
    functions: HashMap<&'a str, &'a str>,
    locations: HashMap<&'a str, &'a str>,
    frames: Vec<(&'a str, &'a str)>,
}
impl<'a> Tables<'a> {
    fn line(&mut self, line: &'a str) {
        let Some((id, rest)) = line.split_once(' ') else {
            self.section = line.trim();
            return;
        };
        let quoted = rest.trim().trim_matches('"');
        match self.section {
            "FileNames" => drop(self.files.insert(id, quoted)),
            "FunctionNames" => drop(self.functions.insert(id, quoted)),
            "FileLocations" => drop(self.locations.insert(id, rest)),
            "StackFrames" => self.frames.push((id, rest)),
            _ => {}
        }
    }
    fn frames(&self) -> HashMap<usize, Place> {
        let field = |text: &'a str, name: &str| {
            let mut words = text.trim_matches(['{', '}']).split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let place = |text| {
            let location = self.locations.get(field(text, "file_location_id")?)?;
            let file = self.files.get(field(location, "file_name_id")?)?.to_string();
            let function = field(location, "function_name_id").and_then(|id| self.functions.get(id));
            let line = field(location, "line")?.parse().ok()?;
            Some(Place { file, line, function: function.unwrap_or(&"").to_string() })
        };
        self.frames.iter().filter_map(|(id, text)| Some((id.parse().ok()?, place(text)?))).collect()
    }
}

/// `%x = f32[2]{0} add(%a, %b), attributes`, and whether it is the root.
fn instruction(line: &str) -> Option<(Instruction, bool)> {
    let (line, root) = line.strip_prefix("ROOT ").map_or((line, false), |rest| (rest, true));
    let (left, right) = line.split_once(" = ")?;
    let (ty, rest) = take_type(right)?;
    let rest = rest.trim_start();
    let open = rest.find('(')?;
    let length = balanced(&rest[open..])?;
    let operands = split(&rest[open + 1..open + length - 1]).into_iter().map(operand);
    let (operand_types, operands) = operands.unzip();
    let attributes = attributes(rest[open + length..].trim_start_matches(','));
    let opcode = rest[..open].to_string();
    Some((Instruction { name: name(left).into(), ty, opcode, operands, operand_types, attributes }, root))
}

/// An operand with or without its type.
fn operand(text: &str) -> (Option<Type>, String) {
    let text = uncommented(text);
    match take_type(text) {
        Some((ty, rest)) if rest.starts_with(' ') => (Some(ty), name(rest.trim()).to_string()),
        _ => (None, name(text).to_string()),
    }
}

/// A name without its `%`, up to what cannot belong to one.
fn name(text: &str) -> &str {
    let text = text.trim().trim_start_matches('%');
    &text[..text.find([' ', '(', '{']).unwrap_or(text.len())]
}

/// Without the comment `/*index=5*/` that stands before every fifth element of long lists.
fn uncommented(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("/*").and_then(|t| t.split_once("*/")).map_or(text, |(_, rest)| rest.trim())
}

fn take_type(text: &str) -> Option<(Type, &str)> {
    let text = uncommented(text);
    if text.starts_with('(') {
        let length = balanced(text)?;
        let elements =
            split(&text[1..length - 1]).into_iter().map(|one| Some(take_type(one)?.0)).collect::<Option<_>>()?;
        return Some((Type::Tuple(elements), &text[length..]));
    }
    let open = text.find('[')?;
    let dtype = &text[..open];
    if dtype.is_empty() || !dtype.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let close = open + text[open..].find(']')?;
    let rest = &text[close + 1..];
    let (layout, rest) = rest.split_at(if rest.starts_with('{') { balanced(rest)? } else { 0 });
    let dims = text[open + 1..close].split(',').filter(|d| !d.is_empty());
    let dims: Option<Vec<usize>> = dims.map(|d| d.trim().trim_start_matches("<=").parse().ok()).collect();
    let ty = match (dtype_of(dtype), dims) {
        // (`S(1)` and above name other memories)
        (Some(dtype), Some(dims)) if layout.contains("S(") => Type::Elsewhere(Aval::new(dtype, dims)),
        (Some(dtype), Some(dims)) => Type::Array(Aval::new(dtype, dims)),
        _ => Type::Other(text[..=close].to_string()),
    };
    Some((ty, rest))
}

/// HLO says `pred` and `s32` where raxla says `bool` and `i32`.
fn dtype_of(name: &str) -> Option<DType> {
    let ours = |d: &&DType| match name {
        "pred" => **d == DType::Bool,
        _ => name.strip_prefix('s').map_or(d.name() == name, |bits| d.name().strip_prefix('i') == Some(bits)),
    };
    DType::ALL.iter().find(ours).copied()
}

/// `a=1, b={..}` at its commas (and spaces, which separate the parts of metadata) into names and texts, unquoted.
fn attributes(text: &str) -> Vec<(String, String)> {
    let parts = split_at(text, |c| c == ',' || c == ' ');
    let pair = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        Some((name.to_string(), value.trim_matches('"').to_string()))
    };
    let mut pairs: Vec<(String, String)> = vec![];
    for part in parts.into_iter().filter(|part| !part.trim().is_empty()) {
        match (pair(part), pairs.last_mut()) {
            (Some(pair), _) => pairs.push(pair),
            // (a value that goes on after a space: `mesh[..] {..}`)
            (None, Some((_, value))) => *value += &format!(" {}", part.trim()),
            (None, None) => {}
        }
    }
    pairs
}
fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
}

/// Length of the bracketed text at the start.
pub(crate) fn balanced(text: &str) -> Option<usize> {
    let mut scan = Scan::default();
    text.char_indices().find_map(|(at, c)| {
        scan.step(c);
        (scan.depth == 0 && !scan.quoted).then_some(at + c.len_utf8())
    })
}
fn split(text: &str) -> Vec<&str> {
    let mut parts = split_at(text, |c| c == ',');
    parts.retain(|part| !part.trim().is_empty());
    parts
}
/// At the separators that are outside of brackets and quotes.
fn split_at(text: &str, separates: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut scan, mut start, mut parts) = (Scan::default(), 0, vec![]);
    for (at, c) in text.char_indices() {
        if scan.depth == 0 && !scan.quoted && separates(c) {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
        scan.step(c);
    }
    parts.push(&text[start..]);
    parts
}

/// How deep in brackets a text is, and whether in quotes.
#[derive(Default)]
struct Scan {
    depth: usize,
    quoted: bool,
    escaped: bool,
}
impl Scan {
    fn step(&mut self, c: char) {
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' if self.quoted => self.escaped = true,
            '"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}
