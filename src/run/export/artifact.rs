//! JAX's serialised artifact: `jax.export.Exported` as a FlatBuffer (JAX's serialization.fbs, version 11).
use super::{
    Exported, PyTree,
    division::{Axes, Said},
    flat::{File, Result, Table, Value, write},
    refine::refine,
};
use crate::aval::{Aval, DType};

/// The calling conventions that are understood. A later one may give the entry other parameters.
const CONVENTIONS: [u16; 2] = [9, 10];

/// JAX stores this version number in all artifacts.
const SCHEMA: u16 = 3;

/// Artifacts and trees inside each other.
const DEPTH: usize = 64;

/// Fields of `Exported`, by their slots.
mod slot {
    pub(super) const VERSION: usize = 0;
    pub(super) const NAME: usize = 1;
    pub(super) const IN_TREE: usize = 2;
    pub(super) const IN_AVALS: usize = 3;
    pub(super) const OUT_TREE: usize = 4;
    pub(super) const OUT_AVALS: usize = 5;
    pub(super) const DEVICES_SHORT: usize = 6;
    pub(super) const IN_SHARDINGS: usize = 7;
    pub(super) const OUT_SHARDINGS: usize = 8;
    pub(super) const PLATFORMS: usize = 9;
    pub(super) const ORDERED_EFFECTS: usize = 10;
    pub(super) const UNORDERED_EFFECTS: usize = 11;
    pub(super) const DISABLED_CHECKS: usize = 12;
    pub(super) const MODULE: usize = 13;
    pub(super) const CONVENTION: usize = 14;
    pub(super) const KEPT: usize = 15;
    pub(super) const GLOBAL_CONSTANTS: usize = 16;
    pub(super) const VJP: usize = 17;
    pub(super) const DEVICES: usize = 18;
    pub(super) const UNIQUE_AVALS: usize = 19;
    pub(super) const UNIQUE_MESHES: usize = 20;
    pub(super) const UNIQUE_SHARDINGS: usize = 21;
    pub(super) const IN_AVALS_IDXS: usize = 22;
    pub(super) const OUT_AVALS_IDXS: usize = 23;
    pub(super) const IN_SHARDINGS_IDXS: usize = 24;
    pub(super) const OUT_SHARDINGS_IDXS: usize = 25;
}

/// JAX's numbers of dtypes.
const DTYPES: [(u8, DType); 26] = [
    (0, DType::Bool),
    (1, DType::I8),
    (2, DType::I16),
    (3, DType::I32),
    (4, DType::I64),
    (5, DType::U8),
    (6, DType::U16),
    (7, DType::U32),
    (8, DType::U64),
    (9, DType::F16),
    (10, DType::F32),
    (11, DType::F64),
    (12, DType::C64),
    (13, DType::C128),
    (14, DType::BF16),
    (15, DType::I4),
    (16, DType::U4),
    (17, DType::F8E4M3B11FNUZ),
    (18, DType::F8E4M3FN),
    (19, DType::F8E4M3FNUZ),
    (20, DType::F8E5M2),
    (21, DType::F8E5M2FNUZ),
    (23, DType::F8E4M3),
    (24, DType::F8E3M4),
    (25, DType::F8E8M0FNU),
    (26, DType::F4E2M1FN),
];

/// `given`: the types of the arguments, where sizes are symbols.
pub(super) fn read(bytes: &[u8], given: Option<&[Aval]>) -> Result<Exported> {
    let file = File::new(bytes);
    exported(&file.root()?, given, DEPTH)
}

/// The type of a leaf, whose sizes may be symbols.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Open {
    pub(super) dtype: DType,
    pub(super) dims: Vec<String>,
}
impl Open {
    fn fixed(&self, what: &str) -> Result<Aval> {
        let size = |text: &String| {
            text.parse::<usize>().map_err(|_| format!("the size `{text}` of an axis of one {what} is symbolic"))
        };
        let (dtype, dims) = (self.dtype, self.dims.iter().map(size).collect::<Result<Vec<usize>>>()?);
        dtype.bytes_of(&dims).ok_or_else(|| format!("one {what} is larger than memory can be: {dtype}{dims:?}"))?;
        Ok(Aval::new(dtype, dims))
    }
    /// Can this be a value's type?
    fn takes(&self, aval: &Aval) -> bool {
        let fits = |(own, n): (&String, &usize)| own.parse::<usize>().map_or(true, |own| own == *n);
        self.dtype == aval.dtype && self.dims.len() == aval.rank() && self.dims.iter().zip(aval.dims.iter()).all(fits)
    }
}
impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}[{}]", Aval::new(self.dtype, []).to_string().trim_end_matches("[]"), self.dims.join(", "))
    }
}

/// A structure, and the types of its leaves.
pub(super) type Leaves = (PyTree, Vec<Open>);

/// The types of arguments and results, with the structures that they are leaves of, if any size is a symbol.
pub(super) fn symbols(bytes: &[u8]) -> Result<Option<[Leaves; 2]>> {
    let file = File::new(bytes);
    let t = file.root()?;
    let ins = types(&t, slot::IN_AVALS, slot::IN_AVALS_IDXS, "argument")?;
    let outs = types(&t, slot::OUT_AVALS, slot::OUT_AVALS_IDXS, "result")?;
    let is_fixed = |open: &Open| open.dims.iter().all(|size| size.parse::<usize>().is_ok());
    if ins.iter().chain(&outs).all(is_fixed) {
        return Ok(None);
    }
    let [in_tree, out_tree] = [(slot::IN_TREE, &ins, "argument"), (slot::OUT_TREE, &outs, "result")]
        .map(|(slot, types, what)| tree(&t, slot, types.len(), what));
    Ok(Some([(in_tree?, ins), (out_tree?, outs)]))
}

fn tree(t: &Table<'_>, slot: usize, types: usize, what: &str) -> Result<PyTree> {
    let tree = t.table(slot)?.map(|t| pytree(&t, DEPTH)).transpose()?.unwrap_or(PyTree::None);
    let leaves = tree.leaves();
    match leaves == types {
        true => Ok(tree),
        false => Err(format!("its tree of {what}s has {leaves} leaves, but there are {types} types")),
    }
}

/// The module and the types of its results, for arguments of these types.
fn refined(
    module: &[u8],
    many: bool,
    kept: &[usize],
    [ins, outs]: [&[Open]; 2],
    given: &[Aval],
) -> Result<(Vec<u8>, Vec<Aval>)> {
    if ins.len() != given.len() {
        return Err(format!("types of {} arguments are given, but it takes {}", given.len(), ins.len()));
    }
    if let Some((i, (open, aval))) = ins.iter().zip(given).enumerate().find(|(_, (open, aval))| !open.takes(aval)) {
        return Err(format!("argument {i} is {open}, and {aval} is given"));
    }
    let sizes = kept.iter().map(|i| Some(given[*i].dims.to_vec()));
    // (of a module for several platforms, the first argument is the platform's number)
    let sizes: Vec<Option<Vec<usize>>> = many.then_some(None).into_iter().chain(sizes).collect();
    let refined = refine(module, &sizes)?;
    if refined.results.len() != outs.len() {
        return Err(format!("its module returns {} values, and {} types are said", refined.results.len(), outs.len()));
    }
    let fixed = |(open, dims): (&Open, &Vec<usize>)| {
        Open { dtype: open.dtype, dims: dims.iter().map(usize::to_string).collect() }.fixed("result")
    };
    let results = outs.iter().zip(&refined.results).map(fixed).collect::<Result<Vec<_>>>()?;
    Ok((refined.module, results))
}

fn exported(t: &Table<'_>, given: Option<&[Aval]>, depth: usize) -> Result<Exported> {
    let deeper = depth.checked_sub(1).ok_or("it holds artifacts too deep inside each other")?;
    let module = t.bytes(slot::MODULE)?;
    if module.is_empty() {
        return Err("it holds no module: it is no artifact of jax.export".into());
    }
    let version = t.u16(slot::CONVENTION)?;
    if !(CONVENTIONS[0]..=CONVENTIONS[1]).contains(&version) {
        let [low, high] = CONVENTIONS;
        return Err(format!("its calling convention is version {version}; those from {low} to {high} are known"));
    }
    if !t.tables(slot::ORDERED_EFFECTS)?.is_empty() {
        return Err("its function has ordered effects (prints or calls of the host), which only JAX runs".into());
    }
    let ins = types(t, slot::IN_AVALS, slot::IN_AVALS_IDXS, "argument")?;
    let outs = types(t, slot::OUT_AVALS, slot::OUT_AVALS_IDXS, "result")?;
    let kept: Vec<usize> = t.u16s(slot::KEPT)?.into_iter().map(usize::from).collect();
    if let Some(wrong) = kept.iter().find(|i| **i >= ins.len()) {
        return Err(format!("its module keeps argument {wrong}, but there are {}", ins.len()));
    }
    let devices = match t.u32(slot::DEVICES)? {
        0 => t.u16(slot::DEVICES_SHORT)? as usize,
        n => n as usize,
    };
    let platforms = t.texts(slot::PLATFORMS)?;
    let (module, in_avals, out_avals) = match given {
        Some(given) => {
            let (module, results) = refined(module, platforms.len() > 1, &kept, [&ins, &outs], given)?;
            (module, given.to_vec(), results)
        }
        None => {
            let fixed = |types: &[Open], what| types.iter().map(|open| open.fixed(what)).collect::<Result<Vec<_>>>();
            (module.to_vec(), fixed(&ins, "argument")?, fixed(&outs, "result")?)
        }
    };
    // (a derivative has other sizes to be told)
    let vjp = if given.is_some() { None } else { t.table(slot::VJP)? };
    Ok(Exported {
        name: t.text(slot::NAME)?,
        platforms,
        calling_convention_version: version,
        devices,
        division: division(t, in_avals.len(), out_avals.len())?,
        in_tree: tree(t, slot::IN_TREE, in_avals.len(), "argument")?,
        out_tree: tree(t, slot::OUT_TREE, out_avals.len(), "result")?,
        in_avals,
        out_avals,
        kept,
        module,
        vjp: vjp.map(|t| exported(&t, None, deeper).map(Box::new)).transpose()?,
    })
}

/// Types are in a list of different ones, to which numbers refer; in older artifacts each is written out.
fn types(t: &Table<'_>, own: usize, idxs: usize, what: &str) -> Result<Vec<Open>> {
    let idxs = t.u32s(idxs)?;
    let all = |tables: Vec<Table<'_>>| tables.iter().map(|t| open(t, what)).collect::<Result<Vec<_>>>();
    if idxs.is_empty() {
        return all(t.tables(own)?);
    }
    let unique = all(t.tables(slot::UNIQUE_AVALS)?)?;
    let one = |i: u32| unique.get(i as usize).cloned().ok_or_else(|| format!("{what} type {i} is not in it"));
    idxs.into_iter().map(one).collect()
}

/// How the leaves are divided over several devices, if all are divided along the axes of one mesh. (JAX says it since version 10 of the
/// artifact; text says it too.)
fn division(t: &Table<'_>, ins: usize, outs: usize) -> Result<Option<Said>> {
    const AXIS_SIZES: usize = 0;
    const AXIS_NAMES: usize = 1;
    const SPEC: usize = 1;
    const MESH: usize = 3;
    const PARTITIONS: usize = 0;
    const REDUCED: usize = 1;
    const UNREDUCED: usize = 2;
    let numbers = [t.u32s(slot::IN_SHARDINGS_IDXS)?, t.u32s(slot::OUT_SHARDINGS_IDXS)?];
    let meshes = t.tables(slot::UNIQUE_MESHES)?;
    let (1, true) = (meshes.len(), [ins, outs] == [numbers[0].len(), numbers[1].len()]) else { return Ok(None) };
    let (sizes, names) = (meshes[0].u32s(AXIS_SIZES)?, meshes[0].texts(AXIS_NAMES)?);
    if sizes.len() != names.len() {
        return Err("its mesh has another number of names than of axes".into());
    }
    let mut all: Vec<Axes> = vec![];
    for sharding in t.tables(slot::UNIQUE_SHARDINGS)? {
        let spec = sharding.table(SPEC)?.ok_or("a sharding of it says nothing")?;
        if sharding.u32(MESH)? != 0 {
            return Err("a sharding is on a mesh that it does not have".into());
        }
        if !spec.texts(REDUCED)?.is_empty() || !spec.texts(UNREDUCED)?.is_empty() {
            return Ok(None);
        }
        all.push(spec.tables(PARTITIONS)?.iter().map(|entry| entry.texts(0)).collect::<Result<_>>()?);
    }
    // (0: nothing is said)
    let one = |number: &u32| match number.checked_sub(1) {
        None => Ok(None),
        Some(i) => all.get(i as usize).cloned().map(Some).ok_or_else(|| format!("sharding {i} is not in it")),
    };
    let [ins, outs] = numbers.map(|numbers| numbers.iter().map(one).collect::<Result<Vec<_>>>());
    let ins = ins?.into_iter().map(Option::unwrap_or_default).collect();
    let mesh = names.into_iter().zip(sizes.into_iter().map(|n| n as usize)).collect();
    Ok(Some(Said { mesh, ins, outs: outs? }))
}

/// The mesh and the shardings, and of each leaf the number of its sharding; 0: nothing is said.
fn division_value(said: &Said) -> [Value; 4] {
    const AUTO: u8 = 1;
    let names = |names: &mut dyn Iterator<Item = &String>| Value::Vector(names.cloned().map(Value::Text).collect());
    let sizes = said.mesh.iter().map(|(_, n)| *n as u32).collect();
    let mesh = Value::Table(vec![
        (0, Value::U32s(sizes)),
        (1, names(&mut said.mesh.iter().map(|(name, _)| name))),
        (2, Value::Bytes(vec![AUTO; said.mesh.len()])),
    ]);
    let mut unique: Vec<&Axes> = vec![];
    let mut number = |axes| match unique.iter().position(|known| *known == axes) {
        Some(i) => i as u32 + 1,
        None => {
            unique.push(axes);
            unique.len() as u32
        }
    };
    let ins = said.ins.iter().map(&mut number).collect();
    let outs = said.outs.iter().map(|axes| axes.as_ref().map_or(0, &mut number)).collect();
    let sharding = |axes: &Axes| {
        let entries = axes.iter().map(|entry| Value::Table(vec![(0, names(&mut entry.iter()))])).collect();
        let spec = [Value::Vector(entries), Value::Vector(vec![]), Value::Vector(vec![])];
        let spec = Value::Table(spec.into_iter().enumerate().collect());
        Value::Table(vec![(0, mesh.clone()), (1, spec), (3, Value::Number(0))])
    };
    let shardings = unique.into_iter().map(sharding).collect();
    [Value::Vector(vec![mesh.clone()]), Value::Vector(shardings), Value::U32s(ins), Value::U32s(outs)]
}

fn open(t: &Table<'_>, what: &str) -> Result<Open> {
    if t.u8(0)? != 0 {
        return Err(format!("one {what} is no array"));
    }
    let number = t.u8(2)?;
    let dtype = DTYPES.iter().find(|(n, _)| *n == number).map(|(_, dtype)| *dtype);
    let dtype = dtype.ok_or_else(|| format!("one {what} has JAX's dtype number {number}, which arrays cannot be"))?;
    Ok(Open { dtype, dims: t.texts(1)? })
}

fn pytree(t: &Table<'_>, depth: usize) -> Result<PyTree> {
    let deeper = depth.checked_sub(1).ok_or("its trees are too deep")?;
    let kind = t.u8(0)?;
    let children = t.tables(1)?.iter().map(|t| pytree(t, deeper)).collect::<Result<Vec<_>>>()?;
    Ok(match kind {
        0 => PyTree::Leaf,
        1 => PyTree::None,
        2 => PyTree::Tuple(children),
        3 => PyTree::List(children),
        4 => {
            let names = t.texts(2)?;
            if names.len() != children.len() {
                return Err("a dictionary of its trees has another number of names than of values".into());
            }
            PyTree::Dict(names.into_iter().zip(children).collect())
        }
        5 => PyTree::Custom { name: t.text(3)?, auxdata: t.bytes(4)?.to_vec(), children },
        other => return Err(format!("its trees have a node of the unknown kind {other}")),
    })
}

pub(super) fn bytes(e: &Exported) -> Result<Vec<u8>> {
    Ok(write(&exported_value(e)?))
}

fn exported_value(e: &Exported) -> Result<Value> {
    let mut unique: Vec<&Aval> = vec![];
    let mut number = |aval| match unique.iter().position(|known| *known == aval) {
        Some(i) => i as u32,
        None => {
            unique.push(aval);
            unique.len() as u32 - 1
        }
    };
    let in_idxs: Vec<u32> = e.in_avals.iter().map(&mut number).collect();
    let out_idxs: Vec<u32> = e.out_avals.iter().map(&mut number).collect();
    let types =
        |avals: &mut dyn Iterator<Item = &Aval>| avals.map(aval_value).collect::<Result<_>>().map(Value::Vector);
    let unspecified = |avals: &[Aval]| Value::Vector(avals.iter().map(|_| Value::Table(vec![])).collect());
    let kept = e.kept.iter().map(|i| u16::try_from(*i));
    let kept = kept.collect::<std::result::Result<_, _>>().map_err(|_| "JAX's artifacts number 65536 arguments")?;
    let texts = |list: &[String]| Value::Vector(list.iter().cloned().map(Value::Text).collect());
    let mut fields = vec![
        (slot::VERSION, Value::Number(SCHEMA.into())),
        (slot::NAME, Value::Text(e.name.clone())),
        (slot::IN_TREE, tree_value(&e.in_tree)),
        (slot::IN_AVALS, types(&mut e.in_avals.iter())?),
        (slot::OUT_TREE, tree_value(&e.out_tree)),
        (slot::OUT_AVALS, types(&mut e.out_avals.iter())?),
        (slot::IN_SHARDINGS, unspecified(&e.in_avals)),
        (slot::OUT_SHARDINGS, unspecified(&e.out_avals)),
        (slot::PLATFORMS, texts(&e.platforms)),
        (slot::ORDERED_EFFECTS, Value::Vector(vec![])),
        (slot::UNORDERED_EFFECTS, Value::Vector(vec![])),
        (slot::DISABLED_CHECKS, Value::Vector(vec![])),
        (slot::MODULE, Value::Bytes(e.module.clone())),
        (slot::CONVENTION, Value::Number(e.calling_convention_version.into())),
        (slot::KEPT, Value::U16s(kept)),
        (slot::GLOBAL_CONSTANTS, Value::Number(0)),
        (slot::DEVICES, Value::Number(e.devices as u32)),
        (slot::UNIQUE_AVALS, types(&mut unique.into_iter())?),
        (slot::IN_AVALS_IDXS, Value::U32s(in_idxs)),
        (slot::OUT_AVALS_IDXS, Value::U32s(out_idxs)),
    ];
    match &e.division {
        Some(said) => {
            const SLOTS: [usize; 4] =
                [slot::UNIQUE_MESHES, slot::UNIQUE_SHARDINGS, slot::IN_SHARDINGS_IDXS, slot::OUT_SHARDINGS_IDXS];
            fields.extend(SLOTS.into_iter().zip(division_value(said)));
        }
        None => {
            fields.push((slot::IN_SHARDINGS_IDXS, Value::U32s(vec![0; e.in_avals.len()])));
            fields.push((slot::OUT_SHARDINGS_IDXS, Value::U32s(vec![0; e.out_avals.len()])));
        }
    }
    if let Some(vjp) = &e.vjp {
        fields.push((slot::VJP, exported_value(vjp)?));
    }
    Ok(Value::Table(fields))
}

fn aval_value(aval: &Aval) -> Result<Value> {
    const DEVICE: u32 = 1;
    let number = DTYPES.iter().find(|(_, dtype)| *dtype == aval.dtype).map(|(n, _)| *n);
    let number = number.ok_or_else(|| format!("JAX's artifacts have no {}", aval.dtype))?;
    let dims = aval.dims.iter().map(|n| Value::Text(n.to_string())).collect();
    let fields = [Value::Number(0), Value::Vector(dims), Value::Number(number.into()), Value::Number(DEVICE)];
    Ok(Value::Table(fields.into_iter().enumerate().collect()))
}

fn tree_value(tree: &PyTree) -> Value {
    let kind = match tree {
        PyTree::Leaf => 0,
        PyTree::None => 1,
        PyTree::Tuple(_) => 2,
        PyTree::List(_) => 3,
        PyTree::Dict(_) => 4,
        PyTree::Custom { .. } => 5,
    };
    let mut fields = vec![(0, Value::Number(kind))];
    let children: Vec<Value> = tree.children().into_iter().map(tree_value).collect();
    if !children.is_empty() {
        fields.push((1, Value::Vector(children)));
    }
    if let PyTree::Dict(entries) = tree {
        fields.push((2, Value::Vector(entries.iter().map(|(name, _)| Value::Text(name.clone())).collect())));
    }
    if let PyTree::Custom { name, auxdata, .. } = tree {
        fields.extend([(3, Value::Text(name.clone())), (4, Value::Bytes(auxdata.clone()))]);
    }
    Value::Table(fields)
}
