//! The IR: closed, typed, first-order programs in single-assignment form.
//!
//! A [`Graph`] has parameters, equations in order of execution, and results; a value is a number, its type is in
//! one table. Loops and branches are equations whose primitive holds graphs. Graphs are made by tracing and
//! rewritten by transformations; they print, check themselves ([`Graph::verify`]), and run on the host
//! ([`Graph::eval`]), which is what the tests compare everything with.
use crate::{
    aval::Aval,
    host::Host,
    inner::InnerGraph,
    memory::bytes_of,
    prim::{Cost, Primitive},
    trace::with_site,
};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{Hash, Hasher},
    panic::Location,
    rc::Rc,
};

/// A value of a graph: an index into [`Graph::avals`].
pub type Var = u32;

/// Where an equation comes from: the user's line, and the names of the scopes around it (`gpt2/block/mlp`).
#[derive(Clone)]
pub struct Site {
    /// The line that called the operation.
    pub at: &'static Location<'static>,
    /// Names given by [`scope`](crate::scope), joined with `/`.
    pub scope: Rc<str>,
}

/// One operation: `outs = prim(ins)`.
#[derive(Clone)]
pub struct Eqn {
    /// The operation.
    pub prim: Rc<dyn Primitive>,
    /// Operands.
    pub ins: Vec<Var>,
    /// Results, each defined by this equation only.
    pub outs: Vec<Var>,
    /// Where it comes from.
    pub site: Site,
}

/// A program. Every transformation is a function from graphs to graphs.
#[derive(Clone, Default)]
pub struct Graph {
    /// The type of each value, indexed by [`Var`].
    pub avals: Vec<Aval>,
    /// Parameters.
    pub ins: Vec<Var>,
    /// Operations in execution order.
    pub eqns: Vec<Eqn>,
    /// Results.
    pub outs: Vec<Var>,
}

/// As many elements as a value of the reference interpreter may have.
const LARGEST: usize = 1 << 30;

impl Graph {
    /// The type of a value.
    pub fn aval(&self, v: Var) -> &Aval {
        &self.avals[v as usize]
    }
    /// The types of some values.
    pub fn avals_of(&self, vars: &[Var]) -> Vec<Aval> {
        vars.iter().map(|v| self.aval(*v).clone()).collect()
    }
    /// The types of the parameters.
    pub fn in_avals(&self) -> Vec<Aval> {
        self.avals_of(&self.ins)
    }
    /// The types of the results.
    pub fn out_avals(&self) -> Vec<Aval> {
        self.avals_of(&self.outs)
    }

    /// Run the program with the reference interpreter.
    ///
    /// # Panics
    /// When the arguments are not of the parameters' types, or a value has more than 2^30 elements: the interpreter is there to
    /// compare small programs with.
    pub fn eval(&self, args: &[Host]) -> Vec<Host> {
        assert_eq!(args.len(), self.ins.len(), "the graph has {} parameters", self.ins.len());
        let huge = self.avals.iter().find(|aval| aval.size() > LARGEST);
        assert!(
            huge.is_none(),
            "the reference interpreter does not hold {}",
            huge.map_or(String::new(), Aval::to_string)
        );
        let mut env: Vec<Option<Host>> = vec![None; self.avals.len()];
        for (v, h) in self.ins.iter().zip(args) {
            assert!(h.aval().is_like(self.aval(*v)), "argument %{v} has another type");
            env[*v as usize] = Some(h.clone());
        }
        let read = |env: &[Option<Host>], v: &Var| env[*v as usize].clone().expect("verified: defined before use");
        for e in &self.eqns {
            let x: Vec<Host> = e.ins.iter().map(|v| read(&env, v)).collect();
            for (v, h) in e.outs.iter().zip(with_site(&e.site, || e.prim.eval(&x))) {
                debug_assert!(h.aval().is_like(self.aval(*v)), "{:?} evaluates to another type than it infers", e.prim);
                env[*v as usize] = Some(h);
            }
        }
        self.outs.iter().map(|v| read(&env, v)).collect()
    }

    /// Check the program: every value is defined once, before its use, with the type its equation infers.
    pub fn verify(&self) -> Result<(), String> {
        let mut defined = vec![false; self.avals.len()];
        let mut define = |v: Var| match defined.get_mut(v as usize) {
            None => Err(format!("%{v} has no type")),
            Some(true) => Err(format!("%{v} is defined twice")),
            Some(d) => {
                *d = true;
                Ok(())
            }
        };
        self.ins.iter().try_for_each(|v| define(*v))?;
        let mut order: Vec<(&Eqn, usize)> = vec![];
        for (i, e) in self.eqns.iter().enumerate() {
            order.push((e, i));
            e.outs.iter().try_for_each(|v| define(*v))?;
        }
        let mut at: HashMap<Var, usize> = self.ins.iter().map(|v| (*v, 0)).collect();
        for (e, i) in order {
            if let Some(v) = e.ins.iter().find(|v| !at.contains_key(v)) {
                return Err(format!("%{v} is used by equation {i} ({:?}) before it is defined", e.prim));
            }
            let want =
                e.prim.infer(&self.avals_of(&e.ins)).map_err(|why| format!("equation {i} ({:?}): {why}", e.prim))?;
            let have = self.avals_of(&e.outs);
            if want.len() != have.len() || want.iter().zip(&have).any(|(w, h)| !w.is_like(h)) {
                return Err(format!("equation {i} ({:?}) makes {want:?} but is recorded as {have:?}", e.prim));
            }
            at.extend(e.outs.iter().map(|v| (*v, i + 1)));
        }
        match self.outs.iter().find(|v| !at.contains_key(v)) {
            Some(v) => Err(format!("the result %{v} is never defined")),
            None => Ok(()),
        }
    }

    /// Does running the program have a side effect?
    pub fn has_effect(&self) -> bool {
        self.eqns.iter().any(|e| e.prim.has_effect())
    }
    /// Number of equations, those of the graphs inside included.
    pub fn count(&self) -> usize {
        let inside = |e: &Eqn| e.prim.graphs().into_iter().map(InnerGraph::count).sum::<usize>();
        self.eqns.len() + self.eqns.iter().map(inside).sum::<usize>()
    }

    /// The most bytes of values beside the parameters that are alive at once, when equations run one by one. A compiler that
    /// fuses them needs less.
    pub fn peak_bytes(&self) -> u64 {
        let bytes = |v: &Var| bytes_of(self.aval(*v));
        let mut last: HashMap<Var, usize> = HashMap::new();
        for (i, e) in self.eqns.iter().enumerate() {
            last.extend(e.ins.iter().chain(&e.outs).map(|v| (*v, i)));
        }
        last.extend(self.outs.iter().map(|v| (*v, self.eqns.len())));
        let kept: HashSet<Var> = self.ins.iter().copied().collect();
        let (mut live, mut peak) = (0u64, 0u64);
        for (i, e) in self.eqns.iter().enumerate() {
            live = e.outs.iter().map(bytes).fold(live, u64::saturating_add);
            let inside = e.prim.graphs().into_iter().map(|g| g.peak_bytes()).max().unwrap_or(0);
            peak = peak.max(live.saturating_add(inside));
            let mut ends: Vec<Var> = e.ins.iter().chain(&e.outs).copied().collect();
            ends.sort_unstable();
            ends.dedup();
            let ends = ends.iter().filter(|v| last[v] == i && !kept.contains(v));
            live = ends.map(bytes).fold(live, u64::saturating_sub);
        }
        peak
    }

    /// The bytes of the largest result of an equation, those of the graphs inside included. However well a compiler fuses, most
    /// programs need that much.
    pub fn largest_bytes(&self) -> u64 {
        let of = |e: &Eqn| {
            let inside = e.prim.graphs().into_iter().map(|g| g.largest_bytes());
            e.outs.iter().map(|v| bytes_of(self.aval(*v))).chain(inside).max().unwrap_or(0)
        };
        self.eqns.iter().map(of).max().unwrap_or(0)
    }

    /// Floating-point operations and bytes moved, summed over the equations (a scan counts each of its steps).
    pub fn cost(&self) -> Cost {
        self.eqns.iter().map(|e| e.prim.cost(&self.avals_of(&e.ins), &self.avals_of(&e.outs))).sum()
    }
}

/// The same operations on the same values, wherever they come from.
impl PartialEq for Graph {
    fn eq(&self, other: &Graph) -> bool {
        let same = |(d, e): (&Eqn, &Eqn)| {
            d.ins == e.ins
                && d.outs == e.outs
                && d.outs.iter().all(|v| self.aval(*v) == other.aval(*v))
                && *d.prim == *e.prim
        };
        (&self.ins, &self.outs) == (&other.ins, &other.outs)
            && self.eqns.len() == other.eqns.len()
            && self.ins.iter().all(|v| self.aval(*v) == other.aval(*v))
            && self.eqns.iter().zip(&other.eqns).all(same)
    }
}
impl Hash for Graph {
    fn hash<H: Hasher>(&self, h: &mut H) {
        (&self.ins, &self.outs).hash(h);
        self.eqns.iter().for_each(|e| (&*e.prim, &e.ins).hash(h));
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ty = |v: &Var| format!("%{v}: {}", self.aval(*v));
        writeln!(f, "graph({}) {{", self.ins.iter().map(ty).collect::<Vec<_>>().join(", "))?;
        for e in &self.eqns {
            let outs = e.outs.iter().map(ty).collect::<Vec<_>>().join(", ");
            let ins = e.ins.iter().map(|v| format!(" %{v}")).collect::<String>();
            let prim = format!("{:?}", e.prim).replace('\n', "\n  ");
            let scope = if e.site.scope.is_empty() { String::new() } else { format!("  # {}", e.site.scope) };
            writeln!(f, "  {outs} = {prim}{ins}{scope}")?;
        }
        write!(f, "  return {}\n}}", self.outs.iter().map(|v| format!("%{v}")).collect::<Vec<_>>().join(", "))
    }
}
impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}
