//! Primitives at their corner cases, against what JAX computed (tests/fixtures/prims.json): the interpreter and XLA alike.
use raxla::{
    host::{float_bits, float_from_bits},
    prelude::*,
    prim::{self, Combine, DotGeneral, Gather, IndexDims, IndexMode, IndexOptions, Scatter, Window},
    trace::trace_graph,
};
use serde_json::Value;

const CASES: &str = include_str!("fixtures/prims.json");

/// One line of the file.
struct Case {
    op: String,
    attrs: Value,
    inputs: Vec<Host>,
    outputs: Vec<Host>,
    ulps: i64,
}

fn cases() -> Vec<Case> {
    let file: Value = serde_json::from_str(CASES).unwrap();
    let case = |c: &Value| Case {
        op: c["op"].as_str().unwrap().into(),
        attrs: c["attrs"].clone(),
        inputs: c["inputs"].as_array().unwrap().iter().map(host).collect(),
        outputs: c["outputs"].as_array().unwrap().iter().map(host).collect(),
        ulps: c["ulps"].as_i64().unwrap(),
    };
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

fn dtype(name: &Value) -> DType {
    DType::ALL.into_iter().find(|d| d.name() == name.as_str().unwrap()).unwrap()
}

fn host(t: &Value) -> Host {
    let (d, dims): (DType, Vec<usize>) = (dtype(&t["dtype"]), numbers(&t["shape"]));
    let values = t["values"].as_array().unwrap();
    if d.is_float() {
        return Host::floats(d, dims, values.iter().map(|v| float_from_bits(d, v.as_u64().unwrap())).collect());
    }
    let int = |v: &Value| v.as_u64().map(i128::from).or(v.as_i64().map(i128::from)).unwrap();
    Host::ints(d, dims, values.iter().map(int).collect())
}

fn numbers<T: TryFrom<i64, Error: std::fmt::Debug>>(list: &Value) -> Vec<T> {
    list.as_array().unwrap().iter().map(|v| v.as_i64().unwrap().try_into().unwrap()).collect()
}

impl Case {
    fn numbers(&self, name: &str) -> Vec<usize> {
        numbers(&self.attrs[name])
    }
    fn number(&self, name: &str) -> usize {
        self.attrs[name].as_u64().unwrap() as usize
    }
    fn text(&self, name: &str) -> &str {
        self.attrs[name].as_str().unwrap()
    }
    fn label(&self) -> String {
        format!("{} {} of {:?}", self.op, self.attrs, self.inputs)
    }

    /// The operation on tensors. Every operation of the file is here.
    fn apply(&self, x: &[Tensor]) -> Vec<Tensor> {
        self.elementwise(x).map_or_else(|| self.structural(x), |y| vec![y])
    }

    fn elementwise(&self, t: &[Tensor]) -> Option<Tensor> {
        let x = t[0];
        Some(match self.op.as_str() {
            "round" if self.text("mode") == "even" => x.round(),
            "round" => x.round_away(),
            "sign" => x.sign(),
            "floor" => x.floor(),
            "ceil" => x.ceil(),
            "abs" => x.abs(),
            "neg" => -x,
            "is_finite" => x.is_finite(),
            "not" => !x,
            "popcnt" => x.population_count(),
            "clz" => x.leading_zeros(),
            "sqrt" => x.sqrt(),
            "rsqrt" => x.rsqrt(),
            "cbrt" => x.cbrt(),
            "exp" => x.exp(),
            "expm1" => x.expm1(),
            "log" => x.log(),
            "log1p" => x.log1p(),
            "tanh" => x.tanh(),
            "logistic" => x.logistic(),
            "erf" => x.erf(),
            "sin" => x.sin(),
            "cos" => x.cos(),
            "add" => x + t[1],
            "sub" => x - t[1],
            "mul" => x * t[1],
            "div" => x / t[1],
            "rem" => x % t[1],
            "mod" => x.modulo(t[1]),
            "pow" => x.pow(t[1]),
            "max" => x.maximum(t[1]),
            "min" => x.minimum(t[1]),
            "and" => x & t[1],
            "or" => x | t[1],
            "xor" => x ^ t[1],
            "shift_left" => x << t[1],
            "shift_right_logical" => prim::shift_right_logical(x, t[1]),
            "shift_right_arithmetic" => prim::shift_right_arithmetic(x, t[1]),
            "compare" => match self.text("direction") {
                "eq" => x.eq(t[1]),
                "ne" => x.ne(t[1]),
                "lt" => x.lt(t[1]),
                "le" => x.le(t[1]),
                "gt" => x.gt(t[1]),
                _ => x.ge(t[1]),
            },
            "clamp" => {
                let dims = t[1].dims();
                prim::clamp(x.broadcast_to(&*dims), t[1], t[2].broadcast_to(&*dims))
            }
            "convert" => x.cast(dtype(&self.attrs["to"])),
            "bitcast" => x.bitcast(dtype(&self.attrs["to"])),
            "reduce_precision" => x.reduce_precision(self.number("exponent_bits"), self.number("mantissa_bits")),
            _ => return None,
        })
    }

    fn structural(&self, t: &[Tensor]) -> Vec<Tensor> {
        let x = t[0];
        let axes = || self.numbers("axes");
        let axis = || self.number("axis");
        let reverse = || self.attrs["reverse"].as_bool().unwrap();
        vec![match self.op.as_str() {
            "reduce_sum" => prim::reduce_sum(x, axes()),
            "reduce_prod" => prim::reduce_prod(x, axes()),
            "reduce_max" => prim::reduce_max(x, axes()),
            "reduce_min" => prim::reduce_min(x, axes()),
            "reduce_and" => prim::reduce_and(x, axes()),
            "reduce_or" => prim::reduce_or(x, axes()),
            "argmax" => prim::argmax(x, axis(), DType::I32),
            "argmin" => prim::argmin(x, axis(), DType::I32),
            "cumsum" => prim::cumsum(x, axis(), reverse()),
            "cumprod" => prim::cumprod(x, axis(), reverse()),
            "cummax" => prim::cummax(x, axis(), reverse()),
            "cumlogsumexp" => prim::cumlogsumexp(x, axis(), reverse()),
            "sort" => return prim::sort(t, axis(), self.number("num_keys"), true),
            "top_k" => {
                let (values, indices) = x.top_k(self.number("k"));
                return vec![values, indices];
            }
            "pad" => {
                let (low, high) = (numbers::<i64>(&self.attrs["low"]), numbers::<i64>(&self.attrs["high"]));
                let edges = low.into_iter().zip(high).zip(self.numbers("interior")).map(|((l, h), i)| (l, h, i));
                prim::pad(x, t[1], edges.collect::<Vec<_>>())
            }
            "slice" => prim::slice(x, self.numbers("starts"), self.numbers("limits"), self.numbers("strides")),
            "reverse" => prim::reverse(x, axes()),
            "transpose" => x.transpose(self.numbers("perm")),
            "dynamic_slice" => prim::dynamic_slice(x, &t[1..], self.numbers("sizes")),
            "dynamic_update_slice" => prim::dynamic_update_slice(x, t[1], &t[2..]),
            "gather" => self.gather(t),
            "scatter" => self.scatter(t),
            "dot_general" => self.dot(t),
            "convolution" => self.convolution(t),
            other => panic!("the operation {other} is not mapped"),
        }]
    }

    fn options(&self) -> IndexOptions {
        let mode = if self.text("mode") == "clip" { IndexMode::Clip } else { IndexMode::Fill };
        IndexOptions { mode, ..Default::default() }
    }

    fn gather(&self, t: &[Tensor]) -> Tensor {
        let dims = IndexDims {
            window: self.numbers("offset_dims"),
            collapsed: self.numbers("collapsed_slice_dims"),
            indexed: self.numbers("start_index_map"),
            batch: self.numbers("operand_batching_dims"),
            indices_batch: self.numbers("start_indices_batching_dims"),
        };
        let how = Gather { dims, sizes: self.numbers("slice_sizes"), options: self.options(), fill: None };
        prim::gather(t[0], t[1], how)
    }

    fn scatter(&self, t: &[Tensor]) -> Tensor {
        let dims = IndexDims {
            window: self.numbers("update_window_dims"),
            collapsed: self.numbers("inserted_window_dims"),
            indexed: self.numbers("scatter_dims_to_operand_dims"),
            batch: self.numbers("operand_batching_dims"),
            indices_batch: self.numbers("scatter_indices_batching_dims"),
        };
        let combine = match self.text("kind") {
            "set" => Combine::Set,
            "add" => Combine::Add,
            "mul" => Combine::Mul,
            "min" => Combine::Min,
            _ => Combine::Max,
        };
        prim::scatter(t[0], t[1], t[2], Scatter { dims, combine, options: self.options() })
    }

    fn dot(&self, t: &[Tensor]) -> Tensor {
        let how = DotGeneral {
            batch: (self.numbers("lhs_batch"), self.numbers("rhs_batch")),
            contract: (self.numbers("lhs_contract"), self.numbers("rhs_contract")),
            output: Some(dtype(&self.attrs["preferred"])),
            ..Default::default()
        };
        prim::dot_general(t[0], t[1], how)
    }

    fn convolution(&self, t: &[Tensor]) -> Tensor {
        // the axes by name: those that the list counts first are not spatial
        let names = |list: &str, first: [char; 2]| -> String {
            let axes = self.numbers(list);
            let letter = |k: usize| first.get(k).copied().unwrap_or_else(|| (b'x' + (k - 2) as u8) as char);
            (0..axes.len()).map(|a| letter(axes.iter().position(|b| *b == a).unwrap())).collect()
        };
        let (lhs, rhs, out) =
            (names("lhs_spec", ['n', 'c']), names("rhs_spec", ['o', 'i']), names("out_spec", ['n', 'c']));
        let padding = self.attrs["padding"].as_array().unwrap().iter().map(numbers::<i64>).map(|p| (p[0], p[1]));
        let window = Window {
            strides: self.numbers("strides"),
            padding: padding.collect(),
            input_dilation: self.numbers("lhs_dilation"),
            kernel_dilation: self.numbers("rhs_dilation"),
            feature_groups: self.number("feature_groups"),
            batch_groups: self.number("batch_groups"),
            output: Some(dtype(&self.attrs["preferred"])),
            ..Default::default()
        };
        prim::conv(&format!("{lhs},{rhs}->{out}"), t[0], t[1], window)
    }

    /// Compare a result with what JAX made.
    fn check(&self, have: &[Host]) -> Result<(), String> {
        if have.len() != self.outputs.len() {
            return Err(format!("{} results instead of {}", have.len(), self.outputs.len()));
        }
        for (have, want) in have.iter().zip(&self.outputs) {
            if have.aval() != want.aval() {
                return Err(format!("{} instead of {}", have.aval(), want.aval()));
            }
            if !have.dtype().is_float() {
                if let Some(i) = first_difference(&have.to_ints(), &want.to_ints(), |a, b| a == b) {
                    return Err(format!("element {i}: {} instead of {}", have.to_ints()[i], want.to_ints()[i]));
                }
                continue;
            }
            let close = |a: &f64, b: &f64| distance(have.dtype(), *a, *b) <= self.ulps;
            let (a, b) = (have.to_f64(), want.to_f64());
            if let Some(i) = first_difference(&a, &b, close) {
                let (away, ulps) = (distance(have.dtype(), a[i], b[i]), self.ulps);
                return Err(format!("element {i}: {} instead of {}, {away} ulps instead of {ulps}", a[i], b[i]));
            }
        }
        Ok(())
    }
}

fn first_difference<T>(a: &[T], b: &[T], equal: impl Fn(&T, &T) -> bool) -> Option<usize> {
    (0..a.len()).find(|i| !equal(&a[*i], &b[*i]))
}

/// Units in the last place between two floats; any NaN equals any other.
fn distance(d: DType, a: f64, b: f64) -> i64 {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { i64::MAX };
    }
    let order = |x: f64| {
        let magnitude = float_bits(d, x.abs()) as i64;
        if x.is_sign_negative() { -magnitude - 1 } else { magnitude }
    };
    order(a).abs_diff(order(b)).try_into().unwrap()
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_interpreter_equals_jax() {
    let all = cases();
    assert_eq!(all.len(), 488, "the fixture has changed");
    let mut failures = vec![];
    for c in &all {
        let avals: Vec<Aval> = c.inputs.iter().map(|h| h.aval().clone()).collect();
        let result = trace_graph(&avals, |x| c.apply(x)).map_err(|e| e.to_string());
        if let Err(why) = result.and_then(|g| c.check(&g.eval(&c.inputs))) {
            failures.push(format!("{}: {why}", c.label()));
        }
    }
    report(&failures);
}

/// Cases of one operation are one program.
#[test]
fn compiled_programs_equal_jax() {
    let all = cases();
    let mut failures = vec![];
    for cases in all.chunk_by(|a, b| a.op == b.op) {
        let f = jit(|x: Vec<Vec<Tensor>>| cases.iter().zip(&x).map(|(c, x)| c.apply(x)).collect::<Vec<_>>());
        let arrays = |c: &Case| c.inputs.iter().map(|h| Array::from_host(h).unwrap()).collect::<Vec<_>>();
        let args: Vec<Vec<Array>> = cases.iter().map(arrays).collect();
        let outs = match f.call((&args,)) {
            Ok(outs) => outs,
            Err(e) => {
                failures.push(format!("{}: {e}", cases[0].op));
                continue;
            }
        };
        for (c, have) in cases.iter().zip(outs) {
            let have: Vec<Host> = have.iter().map(|a| a.to_host().unwrap()).collect();
            if let Err(why) = c.check(&have) {
                failures.push(format!("{}: {why}", c.label()));
            }
        }
    }
    report(&failures);
}
