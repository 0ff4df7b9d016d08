//! Graph to StableHLO module, as text with source locations.
//!
//! Each equation asks its primitive's `lower` to write its lines, through [`Lower`], which numbers values, writes
//! constants once, and collects the locations that stand at the end of the module. The generic form of MLIR is used
//! throughout: all operations look alike.
use crate::mesh::{Mesh, NamedSharding};
use crate::{
    aval::{Aval, DType},
    graph::{Graph, Site},
    host::{Data, Host},
    trace::with_site,
};
pub use cures::{Cure, without};
use std::{collections::HashMap, fmt::Write, rc::Rc};
use text::Text;

mod cures;
mod fusion;
mod sharding;
mod text;

/// A value of the module being written: its name and type.
#[derive(Clone, Debug)]
pub struct Value {
    name: Rc<str>,
    /// Shape and dtype.
    pub aval: Aval,
}

/// The text of a region (a loop's body, a reduction's function), to be passed to [`Lower::op_with`].
pub struct Region(Text);

/// How a parameter of the entry function is used besides being read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ParamAttrs {
    /// Number of the result that takes over this parameter's memory.
    pub alias: Option<usize>,
    /// How it is divided over devices.
    pub sharding: Option<NamedSharding>,
}

/// Writes one module. Primitives' `lower` rules call [`Lower::op`] and friends.
pub struct Lower {
    body: Text,
    next: usize,
    functions: Vec<(String, Text)>,
    constants: HashMap<String, Value>,
    locations: Option<Locations>,
    depth: usize,
    last_effect: Option<Value>,
    calls_host: Option<&'static str>,
    /// May the program call kernels of the CPU?
    kernels: bool,
    asked_for_kernels: bool,
    meshes: Vec<Mesh>,
    /// The mesh that the program runs on, if it has several devices.
    devices: Option<Mesh>,
    /// The mesh of the manual computation that is being written, and the axes that it and those around it are over.
    manual: Option<(Mesh, Vec<Rc<str>>)>,
    channels: usize,
    origins: HashMap<Rc<str>, fusion::Origin>,
}

#[derive(Default)]
struct Locations {
    text: String,
    ids: HashMap<(usize, Rc<str>), usize>,
    current: Option<usize>,
}

/// The StableHLO text of a graph as a module with the entry function `@main`, for every platform.
///
/// `params` has one entry per graph input, or is empty. With `locations`, every operation carries the user's line and
/// scope as an MLIR `loc`. A program that calls the host has one result more than the graph, the last one: whoever waits
/// for it has waited for the calls.
pub fn stablehlo(g: &Graph, params: &[ParamAttrs], locations: bool) -> String {
    module(g, params, &[], None, Style { locations, kernels: false }).text
}

/// How a module is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Does every operation carry the user's line and scope?
    pub locations: bool,
    /// May it call kernels of the CPU ([`Lower::kernels`])?
    pub kernels: bool,
}

/// The text of a program, and what running it takes.
pub struct Module {
    /// StableHLO.
    pub text: String,
    /// The first operation that calls a function of this process ([`Lower::calls_host`]), if one does.
    pub calls_host: Option<&'static str>,
    /// Does it return one result more than the graph, the last one? Whoever waits for it has waited for the effects.
    pub returns_effect: bool,
    /// Would it be another one without kernels of the CPU?
    pub calls_kernels: bool,
}

/// As [`stablehlo`], for the devices of a mesh, with the shardings of results, where they are given: one entry per result,
/// or none at all.
pub fn module(
    g: &Graph,
    params: &[ParamAttrs],
    results: &[Option<NamedSharding>],
    mesh: Option<&Mesh>,
    Style { locations, kernels }: Style,
) -> Module {
    let mut cx = Lower {
        body: Text::default(),
        next: 0,
        functions: vec![],
        constants: HashMap::new(),
        locations: locations.then(Locations::default),
        depth: 1,
        last_effect: None,
        calls_host: None,
        kernels,
        asked_for_kernels: false,
        meshes: vec![],
        devices: mesh.filter(|m| m.size() > 1).cloned(),
        manual: None,
        channels: 0,
        origins: HashMap::new(),
    };
    let args: Vec<Value> =
        g.in_avals().into_iter().enumerate().map(|(i, aval)| Value::new(format!("%arg{i}"), aval)).collect();
    let mut outs = cx.graph(g, &args);
    let effect = cx.last_effect.take();
    let returns_effect = effect.is_some();
    outs.extend(effect);
    let attrs = |list: Vec<String>| if list.is_empty() { String::new() } else { format!(" {{{}}}", list.join(", ")) };
    let sharding = |cx: &mut Lower, s: Option<&NamedSharding>, rank: usize| {
        s.filter(|s| s.mesh.size() > 1).map(|s| format!("sdy.sharding = #sdy.sharding{}", cx.sharding(s, rank)))
    };
    let mut sig = vec![];
    for (i, a) in args.iter().enumerate() {
        let alias = params.get(i).and_then(|p| p.alias).map(|out| format!("tf.aliasing_output = {out} : i32"));
        let place = sharding(&mut cx, params.get(i).and_then(|p| p.sharding.as_ref()), a.aval.rank());
        sig.push(format!("{}: {}{}", a.name, mlir_type(&a.aval), attrs(alias.into_iter().chain(place).collect())));
    }
    let mut returns = vec![];
    for (i, o) in outs.iter().enumerate() {
        let place = sharding(&mut cx, results.get(i).and_then(Option::as_ref), o.aval.rank());
        returns.push(format!("{}{}", mlir_type(&o.aval), attrs(place.into_iter().collect())));
    }
    let (meshes, results) = (cx.declared_meshes(), returns.join(", "));
    let mut text = format!("module @main {{\n{meshes}func.func public @main({}) -> ({results}) {{\n", sig.join(", "));
    cx.body.copy_to(&mut text);
    let _ = writeln!(text, "  return{}\n}}", typed_names(&outs));
    cx.functions.iter().for_each(|(_, f)| f.copy_to(&mut text));
    text += "}\n";
    if let Some(l) = cx.locations {
        text += &l.text;
    }
    Module { text, calls_host: cx.calls_host, returns_effect, calls_kernels: kernels && cx.asked_for_kernels }
}

impl Value {
    fn new(name: impl Into<Rc<str>>, aval: Aval) -> Value {
        Value { name: name.into(), aval }
    }
}

impl Lower {
    /// Emit every equation of a graph here; returns its results.
    pub fn graph(&mut self, g: &Graph, args: &[Value]) -> Vec<Value> {
        let mut env: Vec<Option<Value>> = vec![None; g.avals.len()];
        g.ins.iter().zip(args).for_each(|(v, x)| env[*v as usize] = Some(x.clone()));
        let read = |env: &[Option<Value>], v: &u32| env[*v as usize].clone().expect("verified: defined before use");
        for e in &g.eqns {
            let x: Vec<Value> = e.ins.iter().map(|v| read(&env, v)).collect();
            let outer = self.enter_site(&e.site, e.prim.name());
            let avals = g.avals_of(&e.outs);
            // values without elements need no operation
            let empty = !e.prim.has_effect() && avals.iter().all(|a| a.size() == 0);
            let y = match empty {
                true => avals.iter().map(|a| self.splat(a, 0.0)).collect(),
                // (some rules trace: what is wrong then is reported at the equation's line)
                false => with_site(&e.site, || e.prim.lower(self, &x, &avals)),
            };
            if let Some(l) = &mut self.locations {
                l.current = outer;
            }
            e.outs.iter().zip(y).for_each(|(v, y)| env[*v as usize] = Some(y));
        }
        g.outs.iter().map(|v| read(&env, v)).collect()
    }

    /// From here on, operations are of this line. XLA keeps lines of named locations only: outside of any scope, the
    /// primitive gives the name.
    fn enter_site(&mut self, site: &Site, primitive: &'static str) -> Option<usize> {
        let l = self.locations.as_mut()?;
        let outer = l.current;
        let name: Rc<str> = if site.scope.is_empty() { primitive.into() } else { site.scope.clone() };
        let key = (std::ptr::from_ref(site.at) as usize, name.clone());
        let (next, text) = (l.ids.len(), &mut l.text);
        let id = *l.ids.entry(key).or_insert_with(|| {
            let line = format!("{:?}:{}:{}", site.at.file(), site.at.line(), site.at.column());
            let _ = writeln!(text, "#loc{next} = loc({name:?}({line}))");
            next
        });
        l.current = Some(id);
        outer
    }

    /// Emit `"stablehlo.<op>"(x) {attrs} : .. -> y`; an `op` with a dot names its dialect itself. `attrs` is text such as `dimension = 0 : i64`, or empty.
    pub fn op(&mut self, op: &str, x: &[Value], attrs: &str, y: &Aval) -> Value {
        self.op_with(op, x, attrs, vec![], std::slice::from_ref(y)).swap_remove(0)
    }

    /// As [`Lower::op`], with regions and any number of results.
    pub fn op_with(&mut self, op: &str, x: &[Value], attrs: &str, regions: Vec<Region>, y: &[Aval]) -> Vec<Value> {
        let id = self.next;
        self.next += 1;
        let mut line = self.margin();
        match y.len() {
            0 => {}
            1 => line += &format!("%{id} = "),
            n => line += &format!("%{id}:{n} = "),
        }
        let dialect = if op.contains('.') { "" } else { "stablehlo." };
        line += &format!("\"{dialect}{op}\"({})", x.iter().map(|v| &*v.name).collect::<Vec<_>>().join(", "));
        if !regions.is_empty() {
            let last = regions.len() - 1;
            line += " (";
            for (i, region) in regions.into_iter().enumerate() {
                self.body.push(&(line + "{\n"));
                self.body.nest(region.0);
                line = format!("{}}}{}", self.margin(), if i < last { ", " } else { ")" });
            }
        }
        if !attrs.is_empty() {
            line += &format!(" {{{attrs}}}");
        }
        line += &format!(" : ({}) -> ", types(x.iter().map(|v| &v.aval)));
        line += &if y.len() == 1 { mlir_type(&y[0]) } else { format!("({})", types(y.iter())) };
        if let Some(id) = self.locations.as_ref().and_then(|l| l.current) {
            line += &format!(" loc(#loc{id})");
        }
        line.push('\n');
        self.body.push(&line);
        let y = results(id, y);
        self.note_origin(op, x, &y);
        y
    }

    /// A region with these parameters, ending in `stablehlo.return` of what `f` returns.
    pub fn region(&mut self, params: &[Aval], f: impl FnOnce(&mut Lower, &[Value]) -> Vec<Value>) -> Region {
        let (args, text, outs) = self.nested(params, f);
        let head: Vec<String> = args.iter().map(|a| format!("{}: {}", a.name, mlir_type(&a.aval))).collect();
        let pad = self.margin();
        let head = if head.is_empty() { String::new() } else { format!("{pad}^bb0({}):\n", head.join(", ")) };
        Region(enclosed(&head, text, &format!("{pad}  stablehlo.return{}\n", typed_names(&outs))))
    }

    /// What lines here begin with. (Deep inside, they stop to move to the right.)
    fn margin(&self) -> String {
        "  ".repeat(self.depth.min(16))
    }

    /// Write operations into a buffer of their own. Constants and effects made inside are not visible outside.
    fn nested(
        &mut self,
        params: &[Aval],
        f: impl FnOnce(&mut Lower, &[Value]) -> Vec<Value>,
    ) -> (Vec<Value>, Text, Vec<Value>) {
        let args: Vec<Value> = params.iter().map(|a| self.fresh_arg(a)).collect();
        let outer = (std::mem::take(&mut self.body), std::mem::take(&mut self.constants), self.last_effect.clone());
        self.depth += 1;
        let outs = f(self, &args);
        self.depth -= 1;
        let text = std::mem::replace(&mut self.body, outer.0);
        (self.constants, self.last_effect) = (outer.1, outer.2);
        (args, text, outs)
    }

    fn fresh_arg(&mut self, a: &Aval) -> Value {
        self.next += 1;
        Value::new(format!("%a{}", self.next - 1), a.clone())
    }

    /// Call a private function, written once per name: `body` emits it the first time.
    pub fn call(
        &mut self,
        name: &str,
        x: &[Value],
        y: &[Aval],
        body: impl FnOnce(&mut Lower, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        if !self.functions.iter().any(|(n, _)| n == name) {
            let at = self.functions.len();
            self.functions.push((name.into(), Text::default()));
            let params: Vec<Aval> = x.iter().map(|v| v.aval.clone()).collect();
            let depth = std::mem::replace(&mut self.depth, 0);
            let (args, text, outs) = self.nested(&params, body);
            self.depth = depth;
            let sig: Vec<String> = args.iter().map(|a| format!("{}: {}", a.name, mlir_type(&a.aval))).collect();
            let results = types(outs.iter().map(|o| &o.aval));
            let (sig, ret) = (sig.join(", "), typed_names(&outs));
            let head = format!("func.func private @{name}({sig}) -> ({results}) {{\n");
            self.functions[at].1 = enclosed(&head, text, &format!("  return{ret}\n}}\n"));
        }
        let id = self.next;
        self.next += 1;
        let names = x.iter().map(|v| &*v.name).collect::<Vec<_>>().join(", ");
        let pad = self.margin();
        let left = if y.len() == 1 { format!("%{id}") } else { format!("%{id}:{}", y.len()) };
        let ins = types(x.iter().map(|v| &v.aval));
        let _ = writeln!(self.body, "{pad}{left} = call @{name}({names}) : ({ins}) -> ({})", types(y.iter()));
        let y = results(id, y);
        self.note_origin("call", x, &y);
        y
    }

    /// The number that the last call of the host returned: an operand of the next one, so that they happen in the order of
    /// the program. Loops carry it, branches return it.
    pub fn last_effect(&mut self) -> Value {
        let start = Aval::new(DType::I32, []);
        self.last_effect.clone().unwrap_or_else(|| self.splat(&start, 0.0))
    }
    /// Note that this operation calls a function of this process on every platform, which must be registered before the program is
    /// compiled.
    pub fn calls_host(&mut self, operation: &'static str) {
        self.calls_host.get_or_insert(operation);
    }
    /// May the operation be a call of a kernel of the CPU? If not, it is written for every platform.
    pub fn kernels(&mut self) -> bool {
        self.asked_for_kernels = true;
        self.kernels
    }
    /// What the next call of the host takes.
    pub fn set_last_effect(&mut self, v: Value) {
        self.last_effect = Some(v);
    }
    /// As [`Lower::last_effect`], for an operation that has effects or not: one value, or none.
    pub fn last_effect_if(&mut self, has_effect: bool) -> Vec<Value> {
        if has_effect { vec![self.last_effect()] } else { vec![] }
    }

    /// A constant; equal constants of one region are written once.
    pub fn constant(&mut self, h: &Host) -> Value {
        let a = h.aval().clone();
        // MLIR reads bools and 4-bit integers only as lists, whose brackets would have to follow the shape
        let listed = a.dtype.bits() < 8 || a.dtype == DType::Bool;
        if listed && !h.is_splat() && a.size() > 0 && a.rank() != 1 {
            let flat = self.constant(&h.reshaped([a.size()]));
            return self.op("reshape", &[flat], "", &a);
        }
        let text = format!("value = dense<{}> : {}", dense(h, listed), mlir_type(&a));
        self.constant_text(text, &a)
    }

    /// A constant with all elements equal to `x`.
    pub fn splat(&mut self, a: &Aval, x: f64) -> Value {
        self.splat_of(a, &Host::full(&a.with_dims([]), x))
    }

    /// A constant with all elements equal to an integer, or to the largest of the dtype if that is smaller.
    pub(crate) fn number(&mut self, a: &Aval, n: i128) -> Value {
        let n = n.min(crate::host::int_range(a.dtype).1);
        self.splat_of(a, &Host::ints(a.dtype, [], vec![n]))
    }

    /// A constant with all elements equal to a scalar.
    pub fn splat_of(&mut self, a: &Aval, scalar: &Host) -> Value {
        let inside = if a.size() == 0 { String::new() } else { dense(scalar, true) };
        self.constant_text(format!("value = dense<{inside}> : {}", mlir_type(a)), a)
    }

    fn constant_text(&mut self, text: String, a: &Aval) -> Value {
        if let Some(v) = self.constants.get(&text) {
            return v.clone();
        }
        let v = self.op("constant", &[], &text, a);
        self.constants.insert(text, v.clone());
        v
    }
}

/// Text between a head and an end.
fn enclosed(head: &str, text: Text, end: &str) -> Text {
    let mut all = Text::default();
    all.push(head);
    all.nest(text);
    all.push(end);
    all
}

/// The names of the results of operation `id`.
fn results(id: usize, y: &[Aval]) -> Vec<Value> {
    match y {
        [y] => vec![Value::new(format!("%{id}"), y.clone())],
        _ => y.iter().enumerate().map(|(i, y)| Value::new(format!("%{id}#{i}"), y.clone())).collect(),
    }
}

/// The inside of `dense<..>`.
fn dense(h: &Host, listed: bool) -> String {
    let dtype = h.dtype();
    let ints = |x: &i128| if dtype == DType::Bool { (*x != 0).to_string() } else { x.to_string() };
    match h.data() {
        _ if h.aval().size() == 0 => String::new(),
        Data::Float(v) if h.is_splat() => float_literal(dtype, v[0]),
        Data::Complex(v) if h.is_splat() && v[0].is_finite() => {
            let [re, im] = [v[0].re, v[0].im].map(|x| float_literal(dtype.real(), x));
            format!("({re}, {im})")
        }
        Data::Int(v) if h.is_splat() => ints(&v[0]),
        Data::Int(v) if listed => format!("[{}]", v.iter().map(ints).collect::<Vec<_>>().join(", ")),
        _ => {
            let hex: String = h.to_bytes().iter().map(|b| format!("{b:02X}")).collect();
            format!("\"0x{hex}\"")
        }
    }
}

/// A float as MLIR writes it: exactly.
pub(crate) fn float_literal(dtype: DType, x: f64) -> String {
    if !x.is_finite() {
        return format!("0x{:0width$X}", crate::host::float_bits(dtype, x), width = dtype.bits() / 4);
    }
    // the shortest decimal that reads back as the same value; MLIR wants a point before the exponent
    let s = if dtype == DType::F64 { format!("{x:?}") } else { format!("{:?}", x as f32) };
    match s.find('e') {
        Some(e) if !s.contains('.') => format!("{}.0{}", &s[..e], &s[e..]),
        _ => s,
    }
}

/// `%a, %b : t, t`, or nothing.
fn typed_names(values: &[Value]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = values.iter().map(|v| &*v.name).collect();
    format!(" {} : {}", names.join(", "), types(values.iter().map(|v| &v.aval)))
}

fn types<'a>(avals: impl Iterator<Item = &'a Aval>) -> String {
    avals.map(mlir_type).collect::<Vec<_>>().join(", ")
}

/// The MLIR name of a dtype.
pub fn mlir_dtype(d: DType) -> &'static str {
    match d {
        DType::Bool => "i1",
        DType::U4 => "ui4",
        DType::U8 => "ui8",
        DType::U16 => "ui16",
        DType::U32 => "ui32",
        DType::U64 => "ui64",
        DType::F4E2M1FN => "f4E2M1FN",
        DType::F8E8M0FNU => "f8E8M0FNU",
        DType::F8E3M4 => "f8E3M4",
        DType::F8E4M3 => "f8E4M3",
        DType::F8E4M3B11FNUZ => "f8E4M3B11FNUZ",
        DType::F8E4M3FN => "f8E4M3FN",
        DType::F8E4M3FNUZ => "f8E4M3FNUZ",
        DType::F8E5M2 => "f8E5M2",
        DType::F8E5M2FNUZ => "f8E5M2FNUZ",
        DType::C64 => "complex<f32>",
        DType::C128 => "complex<f64>",
        other => other.name(),
    }
}

/// The MLIR tensor type of an aval.
pub fn mlir_type(a: &Aval) -> String {
    let dims: String = a.dims.iter().map(|d| format!("{d}x")).collect();
    format!("tensor<{dims}{}>", mlir_dtype(a.dtype))
}

/// An MLIR `array<i64: ..>` attribute.
pub fn array<T: std::fmt::Display>(v: &[T]) -> String {
    if v.is_empty() {
        return "array<i64>".into();
    }
    format!("array<i64: {}>", v.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}
