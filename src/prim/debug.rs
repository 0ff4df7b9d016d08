//! Operations that call the host while the program runs: printing and checking.
use super::*;
use crate::{
    debug::{CheckKind, HostCall, TARGET, View, resolve},
    graph::{Eqn, Site},
    trace::{At, avals_of, bind, inline, site, trace_tree},
    transform::linearize::chosen,
    tree::Tree,
};
use std::panic::Location;

/// Print parts of a tree when the program runs. JAX: `jax.debug.print`.
///
/// `{}` in the format string is the next child of the tree (of a tuple or struct; a tensor is its own child), `{a.b}` the
/// part with that path; where there is none, the one part whose path ends so. A part with several leaves is printed with
/// their names. `{:.3}` and `{loss:.2e}` fix the digits of floats. Values look as in NumPy; of large arrays only the ends
/// are shown.
///
/// What is printed, and in which order, does not depend on how the program is compiled: a print is never dropped, and
/// happens once for each time that its line is reached. Derivatives do not print again, and neither does the second run
/// of [`remat`]. Under [`vmap`](crate::vmap) it prints once for each instance, if a value differs between them. Under
/// `vmap` a [`cond`] or [`while_loop`] in which something is printed runs instance by instance.
///
/// Over a mesh, one device prints for all; inside [`shard_map`](crate::shard_map), each of those that it maps over.
///
/// [`Jit::call`](crate::Jit::call) of a program that prints returns only when the program has run. On the CPU it prints while it runs. The
/// programs of other platforms cannot call the host: there, what is printed are further results, and the lines come when the program has
/// run. That is possible at the top, in [`scan`], [`cond`] and calls; in a [`while_loop`] or [`shard_map`](crate::shard_map), compiling for
/// such a platform is an error.
///
/// ```
/// use raxla::{debug_print, prelude::*};
/// let f = jit(|x: Tensor| {
///     let loss = (x * x).sum(0);
///     debug_print("loss {:.3} of {}", (loss, x));
///     loss
/// });
/// f.call((Array::from_slice([2], &[1f32, 2.5])?,))?; // loss 7.250 of [1.  2.5]
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn debug_print<X: Tree<Tensor>>(format: &str, values: X) {
    let (text, paths, leaves) = fields(CheckKind::Print, format, &values);
    bind(Debug::new(CheckKind::Print, text, paths, &site()), &leaves);
}

/// The tree `x`, whose floats must all be finite when the program runs: otherwise running it fails with
/// [`Error::Check`](crate::Error::Check), which says `what`, the leaf, how many elements are NaN or infinite, where the
/// first is, and your line. JAX: `checkify` with `float_checks`, or the option `debug_nans`.
///
/// The check is made also when the result is not used. Derivatives see the identity. Under loops, `vmap` and over meshes the
/// check happens as often as a [`debug_print`] does.
///
/// ```
/// use raxla::{debug_check, prelude::*};
/// let f = jit(|x: Tensor| debug_check(x.log(), "logarithm"));
/// assert_eq!(f.call((Array::from_slice([2], &[1f32, 1.])?,))?.to_vec::<f32>()?, [0.0, 0.0]);
/// let error = f.call((Array::from_slice([2], &[1f32, -1.])?,)).unwrap_err().to_string();
/// assert!(error.starts_with("debug_check: `logarithm` (f32[2]) has 1 NaN of 2 elements, the first at [1]"), "{error}");
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn debug_check<X: Tree<Tensor>>(x: X, what: &str) -> X {
    let _at = At::op("debug_check");
    let (mut paths, mut leaves) = (vec![], vec![]);
    x.visit(|path, t| {
        if t.dtype().is_inexact() {
            paths.push(path.to_string());
            leaves.push(*t);
        }
    });
    if !leaves.is_empty() {
        bind(Debug::new(CheckKind::Check, what.into(), paths, &site()), &leaves);
    }
    x
}

/// `condition` (bools of any shape) must hold everywhere when the program runs: otherwise running it fails with
/// [`Error::Check`](crate::Error::Check), which shows the message and your line. The message is a format string as in
/// [`debug_print`]. JAX: `checkify.check`.
///
/// ```
/// use raxla::{debug_assert, prelude::*};
/// let f = jit(|i: Tensor, n: Tensor| {
///     debug_assert(i.lt(n), "index {} out of {}", (i, n));
///     i
/// });
/// let error = f.call((Array::scalar(7i32)?, Array::scalar(5i32)?)).unwrap_err().to_string();
/// assert!(error.starts_with("debug_assert: index 7 out of 5\n  at "), "{error}");
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn debug_assert<X: Tree<Tensor>>(condition: Tensor, message: &str, values: X) {
    let (text, paths, leaves) = fields(CheckKind::Assert, message, &values);
    bind(Debug::new(CheckKind::Assert, text, paths, &site()), &[vec![condition], leaves].concat());
}

/// `f`, of which every operation is checked: where one makes a NaN, running the program fails with
/// [`Error::Check`](crate::Error::Check), which names the operation, its line and its scope. JAX: the option
/// `jax_debug_nans`.
///
/// Inner programs (bodies of loops, branches) are checked too, and derivatives when the function takes them, as in
/// `debug_nans(grad(f))`. It is slow: every intermediate value is brought to the host.
///
/// ```
/// use raxla::{debug_nans, prelude::*};
/// let f = jit(debug_nans(|x: Tensor| scope("loss", || (x - 2.0).sqrt()).sum(0)));
/// let error = f.call((Array::from_slice([2], &[3f32, 1.])?,)).unwrap_err().to_string();
/// assert!(error.starts_with("debug_nans: the result of `sqrt` (f32[2]) has 1 NaN of 2 elements, the first at [1]"), "{error}");
/// assert!(error.ends_with(" in loss"));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn debug_nans<X: TensorTree, Y: TensorTree>(f: impl Fn(X) -> Y) -> impl Fn(X) -> Y {
    let line = Location::caller();
    move |x: X| {
        let _at = At::op_at("debug_nans", line);
        let (g, captured, y) = trace_tree(&x, &avals_of(&x), &f);
        y.refill(inline(&with_checks(&g), &[x.leaves(), captured].concat()))
    }
}

/// The graph with a check for NaN behind every equation, also of inner graphs.
fn with_checks(g: &Graph) -> Graph {
    let mut eqns = vec![];
    for e in &g.eqns {
        let floats: Vec<Var> = e.outs.iter().copied().filter(|v| g.aval(*v).dtype.is_inexact()).collect();
        if let Some(prim) = e.prim.map_graphs(|g| with_checks(g).into()) {
            eqns.push(Eqn { prim, ..e.clone() });
            continue;
        }
        eqns.push(e.clone());
        // operations that only move elements make no NaN
        if !floats.is_empty() && !matches!(e.prim.tag(), Tag::Movement | Tag::TypeOnly) {
            let check = Debug::new(CheckKind::Nans, e.prim.name().into(), vec![String::new(); floats.len()], &e.site);
            eqns.push(Eqn { prim: Rc::new(check), ins: floats, outs: vec![], site: e.site.clone() });
        }
    }
    Graph { eqns, ..g.clone() }
}

/// The format string with full paths in its fields, and the paths and leaves that it shows.
#[track_caller]
fn fields(kind: CheckKind, format: &str, values: &impl Tree<Tensor>) -> (String, Vec<String>, Vec<Tensor>) {
    let (paths, leaves) = (values.paths(), values.leaves());
    match resolve(format, &paths) {
        Ok((text, shown)) => (text, chosen(&paths, &shown), chosen(&leaves, &shown)),
        Err(why) => {
            let help = "a field is `{}`, a path as `{0}` or `{layers.0.w}`, or one of them with digits, `{:.3}`; `{{` is a brace";
            fail(kind.name(), vec![], format!("in the format string {format:?} {why}"), Some(help.into()))
        }
    }
}

/// A call of the host. It has no results.
#[derive(Clone, PartialEq, Hash)]
pub struct Debug(HostCall);
impl Debug {
    fn new(kind: CheckKind, text: String, paths: Vec<String>, site: &Site) -> Debug {
        let scope = if site.scope.is_empty() { String::new() } else { format!(" in {}", site.scope) };
        // the messages of checks name the line; a print shows none, so that moving it to another line leaves the program the same
        let at = match kind {
            CheckKind::Print => String::new(),
            _ => format!("{}:{}{scope}", site.at.file(), site.at.line()),
        };
        Debug(HostCall { kind, text, paths, at, batch: vec![] })
    }

    /// What the host must know, as attributes of the call.
    fn attributes(&self) -> Vec<(String, Attr)> {
        let HostCall { kind, text, paths, at, batch } = &self.0;
        let batch: Vec<i64> = batch.iter().map(|n| *n as i64).collect();
        let attrs: [(&str, Attr); 5] = [
            ("at", at.as_str().into()),
            ("batch", batch.as_slice().into()),
            ("kind", kind.name().into()),
            ("paths", paths.join("\n").as_str().into()),
            ("text", text.as_str().into()),
        ];
        attrs.map(|(name, a)| (name.to_string(), a)).to_vec()
    }
}
impl fmt::Debug for Debug {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}[{:?}", self.0.kind.name(), self.0.text)?;
        if !self.0.batch.is_empty() {
            write!(f, " batch={:?}", self.0.batch)?;
        }
        write!(f, "]")
    }
}

impl Primitive for Debug {
    fn name(&self) -> &'static str {
        self.0.kind.name()
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        if self.0.kind == CheckKind::Assert {
            require(&x[0], |d| d == DType::Bool, "a bool")?;
        }
        Ok(vec![])
    }
    /// Panics when a check fails.
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        self.0.run(&x.iter().map(View::of).collect::<Vec<_>>()).unwrap_or_else(|why| panic!("{why}"));
        vec![]
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], _: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        vec![]
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        let batch = [&[n], &self.0.batch[..]].concat();
        bind(Debug(HostCall { batch, ..self.0.clone() }), &spread(n, x, mapped))
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], _: &[Aval]) -> Vec<Value> {
        cx.calls_host(self.name());
        let before = cx.last_effect();
        let call = CustomCall {
            attributes: self.attributes(),
            has_effect: true,
            ..CustomCall::new(TARGET, [before.aval.clone()])
        };
        let operands = [x, std::slice::from_ref(&before)].concat();
        let after =
            cx.by_one_device(&operands, |cx, x| call.lower(cx, x, std::slice::from_ref(&before.aval)).swap_remove(0));
        cx.set_last_effect(after);
        vec![]
    }
    fn cost(&self, _: &[Aval], _: &[Aval]) -> Cost {
        Cost::default()
    }
    fn tag(&self) -> Tag<'_> {
        Tag::Effect
    }
    fn host_call(&self) -> Option<&HostCall> {
        Some(&self.0)
    }
}

/// All primitives of this file.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "debug_print",
        dtypes: any_dtype,
        cases: |d| {
            vec![
                Case::new("two", vec![sample(d, &[2, 3], 1), sample(d, &[], 2)], |x| {
                    debug_print("x {:.3} and {}", (x[0], x[1]));
                    x.to_vec()
                }),
                Case::new("empty", vec![sample(d, &[0, 2], 3)], |x| {
                    debug_print("{{}} {}", x[0]);
                    x.to_vec()
                }),
            ]
        },
    },
    Row {
        name: "debug_check",
        dtypes: is_inexact,
        cases: |d| {
            vec![Case::new("two", vec![sample(d, &[2, 3], 1), sample(d, &[], 2)], |x| debug_check(x.to_vec(), "x"))]
        },
    },
    Row {
        name: "debug_assert",
        // (of negative numbers this format makes NaN, which equals nothing)
        dtypes: |d| d != DType::F8E8M0FNU,
        cases: |d| {
            vec![Case::new("holds", vec![sample(d, &[2, 3], 1)], |x| {
                debug_assert(x[0].eq(x[0]), "x is {}", x[0]);
                x.to_vec()
            })]
        },
    },
];
