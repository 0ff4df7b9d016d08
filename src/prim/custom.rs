//! Calls of kernels that are not StableHLO: the XLA FFI.
use super::*;
use crate::{
    lower::{float_literal, mlir_dtype},
    trace::bind,
};

/// The value of an attribute of a [`CustomCall`].
#[derive(Clone, Debug)]
pub enum Attr {
    /// One number or truth value.
    Number(Host),
    /// Numbers of one dtype.
    Numbers(Host),
    /// Text.
    Text(String),
    /// Named attributes.
    Dictionary(Vec<(String, Attr)>),
}
/// Numbers are compared by their bits.
impl PartialEq for Attr {
    fn eq(&self, other: &Attr) -> bool {
        match (self, other) {
            (Attr::Number(a), Attr::Number(b)) | (Attr::Numbers(a), Attr::Numbers(b)) => a.same_bits(b),
            (Attr::Text(a), Attr::Text(b)) => a == b,
            (Attr::Dictionary(a), Attr::Dictionary(b)) => a == b,
            _ => false,
        }
    }
}
impl Hash for Attr {
    fn hash<H: Hasher>(&self, h: &mut H) {
        std::mem::discriminant(self).hash(h);
        match self {
            Attr::Number(a) | Attr::Numbers(a) => a.hash_bits(h),
            Attr::Text(a) => a.hash(h),
            Attr::Dictionary(a) => a.hash(h),
        }
    }
}
macro_rules! attr_from {
    ($($t:ty: $dtype:ident $make:ident $wide:ty),*) => {$(
        impl From<$t> for Attr {
            fn from(x: $t) -> Attr {
                Attr::Number(Host::$make(DType::$dtype, [], vec![x as $wide]))
            }
        }
        impl From<&[$t]> for Attr {
            fn from(x: &[$t]) -> Attr {
                Attr::Numbers(Host::$make(DType::$dtype, [x.len()], x.iter().map(|x| *x as $wide).collect()))
            }
        }
    )*};
}
attr_from!(bool: Bool ints i128, i8: I8 ints i128, i16: I16 ints i128, i32: I32 ints i128, i64: I64 ints i128, u8: U8 ints i128,
    u16: U16 ints i128, u32: U32 ints i128, u64: U64 ints i128, f32: F32 floats f64, f64: F64 floats f64);
impl From<&str> for Attr {
    fn from(x: &str) -> Attr {
        Attr::Text(x.into())
    }
}
impl Attr {
    /// The attribute as MLIR text.
    fn mlir(&self) -> String {
        match self {
            Attr::Number(h) if h.dtype() == DType::Bool => (h.to_ints()[0] != 0).to_string(),
            Attr::Number(h) => format!("{} : {}", number(h, 0), mlir_dtype(h.dtype())),
            Attr::Numbers(h) if h.aval().size() == 0 => format!("array<{}>", mlir_dtype(h.dtype())),
            Attr::Numbers(h) => {
                let list: Vec<String> = (0..h.aval().size()).map(|i| number(h, i)).collect();
                format!("array<{}: {}>", mlir_dtype(h.dtype()), list.join(", "))
            }
            Attr::Text(s) => quoted(s),
            Attr::Dictionary(d) => dictionary(d),
        }
    }
}

fn number(h: &Host, i: usize) -> String {
    if h.dtype() == DType::Bool {
        return (h.to_ints()[i] != 0).to_string();
    }
    if h.dtype().is_float() { float_literal(h.dtype(), h.to_f64()[i]) } else { h.to_ints()[i].to_string() }
}
fn dictionary(d: &[(String, Attr)]) -> String {
    let entries: Vec<String> = d.iter().map(|(name, a)| format!("{} = {}", quoted(name), a.mlir())).collect();
    format!("{{{}}}", entries.join(", "))
}
/// A string as MLIR writes it: bytes that are not plain ASCII as two hexadecimal digits.
fn quoted(s: &str) -> String {
    let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    let text: String =
        s.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("\\{b:02X}") }).collect();
    format!("\"{text}\"")
}

/// How a [`CustomCall`] is batched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Batching {
    /// Not at all: `vmap` of it is an error.
    #[default]
    Refuse,
    /// One call per instance, in a loop.
    Sequential,
    /// One call: the kernel takes any number of leading axes, which all operands and results get.
    LeadingAxes,
}

/// What the reference interpreter runs in place of the kernel.
pub type Reference = dyn Fn(&[Host]) -> Vec<Host>;

/// A call of a kernel that is registered with XLA under a name. Make one with [`CustomCall::new`], set what differs from
/// the defaults, and [`call`](CustomCall::call) it.
#[derive(Clone)]
pub struct CustomCall {
    /// The name under which the kernel is registered.
    pub target: String,
    /// The types of its results.
    pub results: Vec<Aval>,
    /// What the kernel gets beside the operands.
    pub attributes: Vec<(String, Attr)>,
    /// Does it have a side effect? Then it is never removed or repeated.
    pub has_effect: bool,
    /// Results that take over the memory (and start with the contents) of an operand: (result, operand).
    pub aliases: Vec<(usize, usize)>,
    /// What `vmap` does.
    pub batching: Batching,
    /// What [`Graph::eval`] runs.
    pub reference: Option<Rc<Reference>>,
}
impl CustomCall {
    /// A call without attributes, effects and aliases, which cannot be batched.
    pub fn new(target: impl Into<String>, results: impl Into<Vec<Aval>>) -> CustomCall {
        CustomCall {
            target: target.into(),
            results: results.into(),
            attributes: vec![],
            has_effect: false,
            aliases: vec![],
            batching: Batching::Refuse,
            reference: None,
        }
    }

    /// Call the kernel. JAX: `jax.ffi.ffi_call`.
    ///
    /// The kernel must be registered before the program is compiled (`raxla_xla::ffi::register`). It has no derivative:
    /// wrap the call in [`custom_vjp`] or [`custom_jvp`] to give it one.
    ///
    /// ```
    /// use raxla::{prelude::*, prim::CustomCall, trace::trace_graph};
    /// let twice = |x: Tensor| {
    ///     let reference = |x: &[Host]| vec![Host::floats(DType::F32, x[0].dims(), x[0].to_f64().iter().map(|x| 2.0 * x).collect())];
    ///     let kernel = CustomCall {
    ///         attributes: vec![("factor".into(), 2f32.into())],
    ///         reference: Some(std::rc::Rc::new(reference)),
    ///         ..CustomCall::new("scale", [x.aval()])
    ///     };
    ///     kernel.call(&[x])[0]
    /// };
    /// let g = trace_graph(&[Aval::new(DType::F32, [2])], |x| vec![twice(x[0])])?;
    /// assert_eq!(g.eval(&[Host::floats(DType::F32, [2], vec![1.0, 2.0])])[0].to_f64(), [2.0, 4.0]);
    /// # Ok::<(), Box<raxla::TraceError>>(())
    /// ```
    #[track_caller]
    pub fn call(self, x: &[Tensor]) -> Vec<Tensor> {
        bind(self, x)
    }
}
/// The same kernel with the same settings. References are closures, which are the same only if they are one object.
impl PartialEq for CustomCall {
    fn eq(&self, other: &CustomCall) -> bool {
        let settings = |c: &CustomCall| {
            (c.has_effect, c.batching, c.reference.as_ref().map(Rc::as_ptr).map(<*const _>::cast::<()>))
        };
        settings(self) == settings(other)
            && (&self.target, &self.results, &self.attributes, &self.aliases)
                == (&other.target, &other.results, &other.attributes, &other.aliases)
    }
}
impl Hash for CustomCall {
    fn hash<H: Hasher>(&self, h: &mut H) {
        (&self.target, &self.results, &self.attributes, &self.aliases).hash(h);
    }
}
impl fmt::Debug for CustomCall {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "custom_call[{} {}]", self.target, dictionary(&self.attributes))
    }
}

impl Primitive for CustomCall {
    fn name(&self) -> &'static str {
        "custom_call"
    }
    fn infer(&self, x: &[Aval]) -> Result<Vec<Aval>, Refusal> {
        for (result, operand) in &self.aliases {
            let (y, x) = (self.results.get(*result), x.get(*operand));
            if y.is_none() || y != x {
                let name = |a: Option<&Aval>| a.map_or("missing".into(), Aval::to_string);
                return Err(Refusal::new(format!(
                    "result {result} ({}) cannot take over the memory of operand {operand} ({})",
                    name(y),
                    name(x)
                ))
                .help("they must have one type"));
            }
        }
        Ok(self.results.clone())
    }
    fn eval(&self, x: &[Host]) -> Vec<Host> {
        let Some(reference) = &self.reference else {
            let operands = x.iter().map(|h| h.aval().clone()).collect();
            let reason =
                format!("the kernel `{}` has no reference, so that the interpreter cannot run it", self.target);
            fail("custom_call", operands, reason, Some("give it one: `CustomCall { reference: Some(..), .. }`".into()))
        };
        reference(x)
    }
    fn jvp(&self, _: &[Tensor], _: &[Tensor], dx: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let operands = dx.iter().flatten().map(|d| d.aval()).collect();
        let help =
            "wrap the call in `custom_vjp` or `custom_jvp`, or hold its operands constant with `.stop_gradient()`";
        fail("custom_call", operands, format!("the kernel `{}` has no derivative", self.target), Some(help.into()))
    }
    fn batch(&self, n: usize, x: &[Tensor], mapped: &[bool]) -> Vec<Tensor> {
        match self.batching {
            Batching::Refuse => {
                let help =
                    "set `batching` to `Sequential`, or to `LeadingAxes` if the kernel takes further leading axes";
                let operands = x.iter().map(|t| t.aval()).collect();
                fail(
                    "custom_call",
                    operands,
                    format!("the kernel `{}` cannot be batched", self.target),
                    Some(help.into()),
                )
            }
            Batching::Sequential => one_by_one(n, x, mapped, |x| bind(self.clone(), x)),
            Batching::LeadingAxes => {
                let results = self.results.iter().map(|a| a.stacked(n)).collect();
                // the reference is of one instance: loop over them
                let reference = self.reference.clone().map(|one| over_leading_axis(n, self.results.clone(), one));
                bind(CustomCall { results, reference, ..self.clone() }, &spread(n, x, mapped))
            }
        }
    }
    fn lower(&self, cx: &mut Lower, x: &[Value], y: &[Aval]) -> Vec<Value> {
        // kernels read row-major arrays, whatever order the compiler would like
        let layout = |a: &Aval| {
            let axes: Vec<usize> = (0..a.rank()).rev().collect();
            let axes = if axes.is_empty() { String::new() } else { format!("{axes:?}") };
            format!("dense<{axes}> : tensor<{}xindex>", a.rank())
        };
        let layouts = |a: &mut dyn Iterator<Item = &Aval>| a.map(layout).collect::<Vec<_>>().join(", ");
        let mut attrs = format!(
            "call_target_name = {}, api_version = 4 : i32, backend_config = {}, has_side_effect = {}, \
             operand_layouts = [{}], result_layouts = [{}]",
            quoted(&self.target),
            dictionary(&self.attributes),
            self.has_effect,
            layouts(&mut x.iter().map(|v| &v.aval)),
            layouts(&mut y.iter()),
        );
        if !self.aliases.is_empty() {
            let alias = |(result, operand): &(usize, usize)| {
                let index = if y.len() == 1 { String::new() } else { result.to_string() };
                format!(
                    "#stablehlo.output_operand_alias<output_tuple_indices = [{index}], operand_index = {operand}, operand_tuple_indices = []>"
                )
            };
            attrs += &format!(
                ", output_operand_aliases = [{}]",
                self.aliases.iter().map(alias).collect::<Vec<_>>().join(", ")
            );
        }
        cx.op_with("custom_call", x, &attrs, vec![], y)
    }
    fn tag(&self) -> Tag<'_> {
        if self.has_effect { Tag::Effect } else { Tag::Other }
    }
}

/// A function of one instance (with `results` of these types), run on each of `n` along a leading axis of every operand and result.
fn over_leading_axis(n: usize, results: Vec<Aval>, one: Rc<Reference>) -> Rc<Reference> {
    Rc::new(move |x: &[Host]| {
        let instances: Vec<Vec<Host>> = (0..n).map(|i| one(&x.iter().map(|h| h.at(i)).collect::<Vec<_>>())).collect();
        let result =
            |(i, a): (usize, &Aval)| Host::stack(a, &instances.iter().map(|r| r[i].clone()).collect::<Vec<_>>());
        results.iter().enumerate().map(result).collect()
    })
}

/// All primitives of this file. The tests register the kernel that the cases call: the attribute `factor` times the first
/// operand, plus the second; all of one type.
pub(super) const ROWS: &[Row] = &[Row { name: "custom_call", dtypes: |d| matches!(d, DType::F32 | DType::F64), cases }];

fn cases(d: DType) -> Vec<Case> {
    let factor = 2.5;
    let kernel = move |x: &[Tensor], change: fn(&mut CustomCall)| {
        let reference = move |x: &[Host]| {
            let sums = x[0].to_f64().iter().zip(x[1].to_f64()).map(|(x, y)| factor * x + y).collect();
            vec![Host::floats(d, x[0].dims(), sums)]
        };
        let mut call = CustomCall {
            attributes: vec![("factor".into(), factor.into()), ("name".into(), "scale and \"add\"".into())],
            reference: Some(Rc::new(reference)),
            batching: Batching::LeadingAxes,
            ..CustomCall::new("raxla_test_scale_and_add", [x[0].aval()])
        };
        change(&mut call);
        call.call(x)
    };
    let inputs = |dims: &[usize]| vec![sample(d, dims, 1), sample(d, dims, 2)];
    let case = |label: &str, dims: &[usize], change: fn(&mut CustomCall)| {
        Case::new(label, inputs(dims), move |x| kernel(x, change)).wrt([])
    };
    let derived = Case::new("with a derivative", inputs(&[3]), move |x| {
        let sum = move |x: &[Tensor]| vec![x[0] * factor + x[1]];
        custom_jvp(move |x: Vec<Tensor>| kernel(&x, |_| ()), move |x: Vec<Tensor>, dx: Vec<Tensor>| (sum(&x), sum(&dx)))(
            x.to_vec(),
        )
    });
    vec![
        case("in place", &[2, 3], |call| call.aliases = vec![(0, 1)]),
        case("any leading axes", &[2, 3], |_| ()),
        case("one by one", &[2, 3], |call| call.batching = Batching::Sequential),
        case("with an effect", &[3], |call| call.has_effect = true),
        case("scalar", &[], |_| ()),
        case("empty", &[0, 2], |_| ()),
        derived,
    ]
}
