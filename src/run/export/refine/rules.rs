//! The types of results, from those of operands; and operations that take sizes as operands, as those that have them as attributes.
use super::{
    Refiner, base,
    bytecode::{Op, Result, Value},
    known::{self, Known, OPEN, Tensor},
};

/// Operations that take sizes as operands.
pub(super) const TAKE_SIZES: [&str; 7] = [
    "dynamic_broadcast_in_dim",
    "dynamic_reshape",
    "dynamic_iota",
    "dynamic_gather",
    "dynamic_pad",
    "dynamic_conv",
    "real_dynamic_slice",
];

/// Operations whose result has the sizes of an operand of as many axes.
const LIKE_AN_OPERAND: [&str; 58] = [
    "abs",
    "add",
    "and",
    "atan2",
    "bitcast_convert",
    "cbrt",
    "ceil",
    "cholesky",
    "clamp",
    "compare",
    "complex",
    "convert",
    "cosine",
    "count_leading_zeros",
    "divide",
    "dynamic_update_slice",
    "exponential",
    "exponential_minus_one",
    "floor",
    "imag",
    "is_finite",
    "log",
    "log_plus_one",
    "logistic",
    "map",
    "maximum",
    "minimum",
    "multiply",
    "negate",
    "not",
    "or",
    "popcnt",
    "power",
    "real",
    "reduce_precision",
    "remainder",
    "reverse",
    "round_nearest_afz",
    "round_nearest_even",
    "rsqrt",
    "scatter",
    "select",
    "select_and_scatter",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sine",
    "sort",
    "sqrt",
    "subtract",
    "tan",
    "tanh",
    "triangular_solve",
    "xor",
    "while",
    "optimization_barrier",
    "rng_bit_generator",
];

impl Refiner {
    /// The types of an operation's results.
    pub(super) fn types(&mut self, name: &str, op: &Op, new: &Op, attrs: &[usize]) -> Result<Vec<usize>> {
        let mut types = vec![];
        for (i, (_, ty)) in op.results.iter().enumerate() {
            let tensor = known::tensor(&self.module, *ty)?.filter(Tensor::is_open);
            types.push(match tensor {
                None => *ty,
                Some(tensor) => {
                    let dims = self.dims(name, i, &tensor, new, attrs)?;
                    self.checked(name, tensor, dims)?
                }
            });
        }
        Ok(types)
    }
    /// The type of a result with these sizes, which must be among those that it may have.
    fn checked(&mut self, name: &str, tensor: Tensor, dims: Vec<i64>) -> Result<usize> {
        if !tensor.takes(&dims) || dims.iter().any(|n| *n < 0) {
            let shown = Tensor { dims, ..tensor.clone() };
            return Err(format!("`{name}` gives an array of sizes {shown}, where {tensor} are said"));
        }
        known::type_of(&mut self.module, &Tensor { dims, ..tensor })
    }

    /// The sizes of result `i`.
    fn dims(&self, name: &str, i: usize, result: &Tensor, new: &Op, attrs: &[usize]) -> Result<Vec<i64>> {
        let operand = |i: usize| self.operand(new, i);
        let list = |i: usize| known::list(&self.module, attrs, i);
        match name {
            "while" | "optimization_barrier" | "sort" | "scatter" => operand(i),
            "case" | "if" => {
                let last = new.regions.first().and_then(|region| region.first()?.ops.last());
                let value = last.and_then(|last| last.operands.get(i)).ok_or("a branch returns too little")?;
                self.tensor(*value).map(|tensor| tensor.dims)
            }
            "reduce" => {
                let (dims, gone) = (operand(i)?, list(0)?);
                Ok(dims.into_iter().enumerate().filter(|(i, _)| !gone.contains(&(*i as i64))).map(|(_, n)| n).collect())
            }
            "transpose" => {
                let dims = operand(0)?;
                list(0)?.into_iter().map(|from| size(&dims, from)).collect()
            }
            "concatenate" => {
                let (mut dims, along) = (operand(0)?, self.integer(attrs, 0)?);
                let all = (0..new.operands.len()).map(|i| size(&operand(i)?, along));
                let sum = all.into_iter().try_fold(0i64, |sum, n| Ok::<i64, String>(sum.saturating_add(n?)))?;
                let place = usize::try_from(along).ok().and_then(|along| dims.get_mut(along));
                *place.ok_or("it is joined along no axis")? = sum;
                Ok(dims)
            }
            "slice" => {
                let (limit, start, strides) = (list(0)?, list(1)?, list(2)?);
                let one = |((limit, start), stride): ((&i64, &i64), &i64)| {
                    limit.saturating_sub(*start).saturating_add(stride.max(&1) - 1) / stride.max(&1)
                };
                Ok(limit.iter().zip(&start).zip(&strides).map(one).collect())
            }
            "pad" => {
                let (dims, high, low, inside) = (operand(0)?, list(0)?, list(1)?, list(2)?);
                let each = dims.iter().zip(&high).zip(&low).zip(&inside);
                let one = |(((n, high), low), inside): (((&i64, &i64), &i64), &i64)| {
                    n.saturating_add(*high).saturating_add(*low).saturating_add((n - 1).max(0).saturating_mul(*inside))
                };
                Ok(each.map(one).collect())
            }
            "dynamic_slice" => list(0),
            "dot_general" => self.product(new, attrs),
            "gather" => self.gathered(result, new, attrs),
            "convolution" => self.convolved(result, new, attrs),
            "reduce_window" => {
                let (dims, base, padding) = (operand(i)?, list(0)?, list(1)?);
                let windows = Windows {
                    sizes: &list(3)?,
                    strides: &list(4)?,
                    dilations: &list(2)?,
                    base: &base,
                    padding: &padding,
                };
                windows.over(&dims)
            }
            "reshape" => {
                let (count, open) = (
                    operand(0)?.iter().fold(1, |n: i64, m| n.saturating_mul(*m)),
                    result.dims.iter().filter(|n| **n == OPEN).count(),
                );
                let rest = result.dims.iter().filter(|n| **n != OPEN).fold(1, |n: i64, m| n.saturating_mul(*m));
                if open != 1 || rest == 0 {
                    return Err("`reshape` leaves more than one size open".into());
                }
                Ok(result.dims.iter().map(|n| if *n == OPEN { count / rest } else { *n }).collect())
            }
            name if LIKE_AN_OPERAND.contains(&name) => {
                let all = (0..new.operands.len()).filter_map(|i| operand(i).ok());
                let alike = all.into_iter().find(|dims| result.takes(dims));
                alike.ok_or_else(|| format!("`{name}` has no operand of the sizes {result}"))
            }
            _ => Err(format!("`{name}` has a result whose sizes are not refined")),
        }
    }

    /// The sizes of a product of matrices.
    fn product(&self, new: &Op, attrs: &[usize]) -> Result<Vec<i64>> {
        let places = if attrs.len() == 12 { [2, 4, 8, 10] } else { [0, 1, 3, 4] };
        let [batch, from_left, right_batch, from_right] = places.map(|i| known::list(&self.module, attrs, i));
        let (left, right, batch) = (self.operand(new, 0)?, self.operand(new, 1)?, batch?);
        let mut dims = batch.iter().map(|at| size(&left, *at)).collect::<Result<Vec<_>>>()?;
        dims.extend(without(&left, &[&batch[..], &from_left?].concat()));
        dims.extend(without(&right, &[right_batch?, from_right?].concat()));
        Ok(dims)
    }
    fn gathered(&self, result: &Tensor, new: &Op, attrs: &[usize]) -> Result<Vec<i64>> {
        let list = |i: usize| known::list(&self.module, attrs, i);
        let later = attrs.len() == 8;
        let (sizes, index_axis) = (list(if later { 5 } else { 4 })?, self.integer(attrs, 1)?);
        let mut gone = list(0)?;
        if later {
            gone.extend(list(4)?);
        }
        let (offsets, mut inside) = (list(3)?, without(&sizes, &gone).into_iter());
        let mut batch = without(&self.operand(new, 1)?, &[index_axis]).into_iter();
        let one = |i: usize| if offsets.contains(&(i as i64)) { inside.next() } else { batch.next() };
        let dims: Option<Vec<i64>> = (0..result.dims.len()).map(one).collect();
        dims.ok_or_else(|| "`gather` has too few sizes".into())
    }
    fn convolved(&self, result: &Tensor, new: &Op, attrs: &[usize]) -> Result<Vec<i64>> {
        let list = |i: usize| known::list(&self.module, attrs, i);
        let (input, kernel) = (self.operand(new, 0)?, self.operand(new, 1)?);
        let pick =
            |dims: &[i64], places: Vec<i64>| places.into_iter().map(|at| size(dims, at)).collect::<Result<Vec<_>>>();
        let windows = Windows {
            sizes: &pick(&kernel, list(7)?)?,
            strides: &list(16)?,
            dilations: &list(14)?,
            base: &list(8)?,
            padding: &list(12)?,
        };
        let spatial = windows.over(&pick(&input, list(4)?)?)?;
        let integer = |i: usize| self.integer(attrs, i);
        let mut places = vec![integer(9)?, integer(10)?];
        places.extend(list(11)?);
        let mut sizes = vec![size(&input, integer(2)?)? / integer(0)?.max(1), size(&kernel, integer(6)?)?];
        sizes.extend(spatial);
        let of = |i: usize| places.iter().position(|place| *place == i as i64).and_then(|at| sizes.get(at).copied());
        let dims: Option<Vec<i64>> = (0..result.dims.len()).map(of).collect();
        dims.ok_or_else(|| "`convolution` has too few sizes".into())
    }
    fn operand(&self, new: &Op, i: usize) -> Result<Vec<i64>> {
        let value = new.operands.get(i).ok_or("an operation has too few operands")?;
        self.tensor(*value).map(|tensor| tensor.dims)
    }
    fn integer(&self, attrs: &[usize], i: usize) -> Result<i64> {
        known::integer(&self.module, *attrs.get(i).ok_or("an attribute is missing")?)
    }

    /// A reduction over windows whose sizes JAX gives as operands of a call: the function that it calls is its region.
    pub(super) fn windows(&mut self, op: &Op, new: &mut Op, attrs: &[usize], depth: usize) -> Result<Vec<usize>> {
        const CALLED: usize = 3;
        const LISTS: usize = 5;
        let given = std::mem::take(&mut new.operands);
        let (arrays, lists) = given.split_at(given.len().saturating_sub(LISTS));
        let [sizes, strides, base, dilations, padding] = lists else { return Err("windows have no sizes".into()) };
        let mut own = vec![];
        for value in [base, padding, dilations, sizes, strides] {
            let numbers = self.sizes("reduce_window", *value)?;
            let dims = self.tensor(*value)?.dims;
            own.push(known::shaped_attr(&mut self.module, &numbers, dims)?);
        }
        let called = known::first(&self.module, *attrs.get(CALLED).ok_or("windows have no function")?)?;
        let name = known::text(&self.module, called)?;
        let function = self.functions.get(&name).cloned().ok_or_else(|| format!("it has no function @{name}"))?;
        let inside = Op { regions: function.regions.clone(), ..op.clone() };
        new.regions = self.regions(&inside, &[], &mut Default::default(), depth)?;
        new.operands = arrays.to_vec();
        new.name = self.module.add_name(op, "reduce_window_v1")?;
        (new.attrs, new.properties) = (None, Some(self.module.add_properties(&own)));
        self.types("reduce_window", op, new, &own)
    }

    /// The numbers that a value is, which says sizes.
    fn sizes(&self, name: &str, value: Value) -> Result<Vec<i64>> {
        let numbers = self.known[value].numbers.as_ref();
        numbers.map(|numbers| numbers.to_vec()).ok_or_else(|| format!("the sizes of `{name}` depend on values"))
    }

    /// Makes `new` an operation whose sizes are attributes; gives the types of its results.
    pub(super) fn made_static(
        &mut self,
        name: &str,
        op: &Op,
        new: &mut Op,
        attrs: &[usize],
        out: &mut Vec<Op>,
    ) -> Result<Vec<usize>> {
        let given = std::mem::take(&mut new.operands);
        let said = |i: usize| {
            let value = given.get(i).ok_or_else(|| format!("`{name}` has too few operands"))?;
            self.sizes(name, *value)
        };
        let (plain, count, sizes, attrs) = match name {
            "dynamic_broadcast_in_dim" => {
                ("broadcast_in_dim_v1", 1, Some(said(1)?), attrs.get(..1).unwrap_or(&[]).to_vec())
            }
            "dynamic_reshape" => ("reshape_v1", 1, Some(said(1)?), vec![]),
            "dynamic_iota" => ("iota_v1", 0, Some(said(0)?), attrs.to_vec()),
            "dynamic_gather" => {
                let (plain, place) = if attrs.len() == 7 { ("gather_v2", 5) } else { ("gather_v1", 4) };
                let (mut attrs, slice) = (attrs.to_vec(), said(2)?);
                attrs.insert(place.min(attrs.len()), known::list_attr(&mut self.module, &slice)?);
                (plain, 2, None, attrs)
            }
            "dynamic_pad" => {
                let lists = [said(3)?, said(2)?, said(4)?];
                let attrs = lists.iter().map(|list| known::list_attr(&mut self.module, list)).collect::<Result<_>>()?;
                ("pad_v1", 2, None, attrs)
            }
            "real_dynamic_slice" => match said(1) {
                Ok(start) => {
                    let lists = [said(2)?, start, said(3)?];
                    let attrs =
                        lists.iter().map(|list| known::list_attr(&mut self.module, list)).collect::<Result<_>>()?;
                    ("slice_v1", 1, None, attrs)
                }
                Err(_) => return self.slice_somewhere(op, new, &given, out),
            },
            _ => return Err(format!("`{name}` is not refined")),
        };
        new.operands = given.into_iter().take(count).collect();
        new.name = self.module.add_name(op, plain)?;
        new.properties = if attrs.is_empty() { None } else { Some(self.module.add_properties(&attrs)) };
        let ty = op.results.first().ok_or("an operation has no result")?.1;
        let tensor = known::tensor(&self.module, ty)?.ok_or("a result is no array")?;
        let dims = match sizes {
            Some(sizes) => sizes,
            None => self.dims(base(plain), 0, &tensor, new, &attrs)?,
        };
        Ok(vec![self.checked(name, tensor, dims)?])
    }

    /// A slice that begins where values say, and is so long as numbers say.
    fn slice_somewhere(&mut self, op: &Op, new: &mut Op, given: &[Value], out: &mut Vec<Op>) -> Result<Vec<usize>> {
        let [operand, start, limit, strides] = given[..] else { return Err("a slice has too few operands".into()) };
        let sizes = match &self.known[limit].plus {
            Some((from, sizes)) if *from == start => sizes.to_vec(),
            _ => return Err("the sizes of `real_dynamic_slice` depend on values".into()),
        };
        if self.sizes("real_dynamic_slice", strides)?.iter().any(|stride| *stride != 1) {
            return Err("`real_dynamic_slice` has strides and begins where values say, which is not refined".into());
        }
        let element = self.tensor(start)?.element;
        let mut starts = vec![operand];
        for i in 0..sizes.len() as i64 {
            let mut attrs = vec![];
            for list in [[i + 1], [i], [1]] {
                attrs.push(known::list_attr(&mut self.module, &list)?);
            }
            let properties = Some(self.module.add_properties(&attrs));
            let one = known::type_of(&mut self.module, &Tensor { dims: vec![1], element })?;
            let scalar = known::type_of(&mut self.module, &Tensor { dims: vec![], element })?;
            let mut last = start;
            for (name, properties, ty) in [("slice_v1", properties, one), ("reshape_v1", None, scalar)] {
                let (name, result) = (self.module.add_name(op, name)?, self.define(Known::of(ty)));
                let results = vec![(result, ty)];
                out.push(Op { name, attrs: None, properties, operands: vec![last], results, ..op.clone() });
                last = result;
            }
            starts.push(last);
        }
        new.operands = starts;
        new.name = self.module.add_name(op, "dynamic_slice_v1")?;
        let attr = known::list_attr(&mut self.module, &sizes)?;
        new.properties = Some(self.module.add_properties(&[attr]));
        let tensor = known::tensor(&self.module, op.results.first().ok_or("a slice has no result")?.1)?;
        Ok(vec![self.checked("real_dynamic_slice", tensor.ok_or("a slice is no array")?, sizes)?])
    }
}

/// The size of an axis.
fn size(dims: &[i64], axis: i64) -> Result<i64> {
    let size = usize::try_from(axis).ok().and_then(|axis| dims.get(axis).copied());
    size.ok_or_else(|| format!("an array has no axis {axis}"))
}
/// The sizes of the axes that are not among these.
fn without(dims: &[i64], gone: &[i64]) -> Vec<i64> {
    dims.iter().enumerate().filter(|(i, _)| !gone.contains(&(*i as i64))).map(|(_, n)| *n).collect()
}

/// Windows that move over axes.
struct Windows<'a> {
    sizes: &'a [i64],
    strides: &'a [i64],
    dilations: &'a [i64],
    base: &'a [i64],
    /// Before and behind each axis.
    padding: &'a [i64],
}
impl Windows<'_> {
    /// How many places they have along each.
    fn over(&self, dims: &[i64]) -> Result<Vec<i64>> {
        let wide = |n: i64, dilation: i64| if n == 0 { 0 } else { (n - 1).saturating_mul(dilation).saturating_add(1) };
        let one = |(i, n): (usize, &i64)| {
            let pads = self.padding.get(2 * i)?.saturating_add(*self.padding.get(2 * i + 1)?);
            let whole = wide(*n, *self.base.get(i)?).saturating_add(pads);
            let window = wide(*self.sizes.get(i)?, *self.dilations.get(i)?);
            let places = whole.saturating_sub(window) / (*self.strides.get(i)?).max(1);
            Some(if whole < window { 0 } else { places.saturating_add(1) })
        };
        dims.iter().enumerate().map(one).collect::<Option<_>>().ok_or_else(|| "windows have too few sizes".into())
    }
}
