//! Modules whose sizes are symbols, for sizes that are numbers: what JAX exports with `symbolic_shape` becomes a module that plugins compile.
//!
//! The portable bytecode of StableHLO is run through once, from the types of the arguments on: calls are put in place, every operation's
//! result gets its type from its operands, integers that sizes are made of are computed, and operations that take sizes as operands
//! become those that have them as attributes. Checks of sizes that JAX put in are decided. What is not refined is refused by its name.
mod bytecode;
mod fold;
mod known;
mod rules;

use bytecode::{Block, Module, Op, Result, Value, put_number};
use known::{Known, Tensor};
use std::{collections::HashMap, rc::Rc};

/// Calls inside each other, and operations in all: functions can call each other so that little text stands for much work.
const DEPTH: usize = 128;
const MOST: usize = 1 << 18;

/// The module in which argument `i` of `main` has the sizes `args[i]`; where nothing is said, its own.
///
/// # Errors
/// What of the module is not understood; sizes that its checks refuse, in its own words.
pub(super) fn refine(bytes: &[u8], args: &[Option<Vec<usize>>]) -> Result<Refined> {
    let module = Module::read(bytes)?;
    let mut refiner = Refiner { module, functions: HashMap::new(), known: vec![], results: vec![], ops: 0 };
    refiner.run(args)?;
    Ok(Refined { module: refiner.module.write(), results: refiner.results })
}

/// A module all of whose sizes are numbers, and the sizes of its results.
pub(super) struct Refined {
    pub(super) module: Vec<u8>,
    pub(super) results: Vec<Vec<usize>>,
}

/// Values of the module as it was, and what they are now.
type Env = HashMap<Value, Value>;

struct Refiner {
    module: Module,
    functions: HashMap<String, Rc<Op>>,
    /// What is known of the new values.
    known: Vec<Known>,
    /// The sizes of the results of `main`.
    results: Vec<Vec<usize>>,
    /// How many operations there are.
    ops: usize,
}

impl Refiner {
    fn run(&mut self, args: &[Option<Vec<usize>>]) -> Result<()> {
        const NOT: &str = "it is no module of functions";
        let mut top = std::mem::take(&mut self.module.top);
        let outer = top.first_mut().and_then(|block| block.ops.first_mut()).ok_or(NOT)?;
        let body = outer.regions.first_mut().and_then(|region| region.first_mut()).ok_or(NOT)?;
        let mut rest = vec![];
        for op in std::mem::take(&mut body.ops) {
            match self.function_name(&op)? {
                Some(name) => drop(self.functions.insert(name, Rc::new(op))),
                None => rest.push(op),
            }
        }
        let main = self.functions.get("main").cloned().ok_or("it has no function @main")?;
        rest.push(self.main(Op::clone(&main), args)?);
        body.ops = rest;
        self.module.top = top;
        self.module.values = self.known.len();
        Ok(())
    }

    fn function_name(&self, op: &Op) -> Result<Option<String>> {
        const NAME: usize = 3;
        if base(self.module.name(op)?) != "func" {
            return Ok(None);
        }
        let attrs = self.module.properties(op)?;
        let name = attrs.get(NAME).ok_or("a function has no name")?;
        known::text(&self.module, *name).map(Some)
    }

    fn main(&mut self, mut main: Op, args: &[Option<Vec<usize>>]) -> Result<Op> {
        const TYPE: usize = 1;
        let mut block = main.regions.first().and_then(|region| region.first()).cloned().ok_or("@main has no body")?;
        if args.len() != block.args.len() {
            return Err(format!("sizes of {} arguments are given, but it takes {}", args.len(), block.args.len()));
        }
        let mut env = Env::new();
        for (i, ((value, ty, _), given)) in block.args.iter_mut().zip(args).enumerate() {
            if let (Some(given), Some(tensor)) = (given, known::tensor(&self.module, *ty)?) {
                let given: Vec<i64> = given.iter().map(|n| *n as i64).collect();
                if !tensor.takes(&given) {
                    return Err(format!("argument {i} is {given:?}, but its sizes are {tensor}"));
                }
                *ty = known::type_of(&mut self.module, &Tensor { dims: given, ..tensor })?;
            }
            let new = self.define(Known::of(*ty));
            env.insert(*value, new);
            *value = new;
        }
        let mut ops = vec![];
        let last = self.body(&block.ops, &mut env, &mut ops, DEPTH)?;
        let results: Vec<usize> = last.operands.iter().map(|value| self.known[*value].ty).collect();
        for value in &last.operands {
            self.results.push(self.tensor(*value)?.dims.iter().map(|n| *n as usize).collect());
        }
        ops.push(last);
        // the function's type
        let inputs: Vec<usize> = block.args.iter().map(|(_, ty, _)| *ty).collect();
        let mut bytes = vec![];
        put_number(&mut bytes, known::code::FUNCTION);
        for list in [&inputs, &results] {
            put_number(&mut bytes, list.len() as u64);
            list.iter().for_each(|ty| put_number(&mut bytes, *ty as u64));
        }
        let ty = self.module.add_type(bytes)?;
        let mut bytes = vec![];
        put_number(&mut bytes, known::code::TYPE_ATTR);
        put_number(&mut bytes, ty as u64);
        let mut attrs = self.module.properties(&main)?;
        *attrs.get_mut(TYPE).ok_or("@main has no type")? = self.module.add_attr(bytes)?;
        main.properties = Some(self.module.add_properties(&attrs));
        main.regions = vec![vec![Block { args: block.args, ops }]];
        Ok(main)
    }

    fn define(&mut self, known: Known) -> Value {
        self.known.push(known);
        self.known.len() - 1
    }
    fn tensor(&self, value: Value) -> Result<Tensor> {
        known::tensor(&self.module, self.known[value].ty)?.ok_or_else(|| "an operand is no array".into())
    }

    /// Refines operations, but for the last, which returns: that comes back with its operands as they are now.
    fn body(&mut self, ops: &[Op], env: &mut Env, out: &mut Vec<Op>, depth: usize) -> Result<Op> {
        let (last, ops) = ops.split_last().ok_or("a region is empty")?;
        for op in ops {
            self.op(op, env, out, depth)?;
        }
        let operands = self.operands(last, env)?;
        Ok(Op { operands, ..last.clone() })
    }
    fn operands(&self, op: &Op, env: &Env) -> Result<Vec<Value>> {
        let one = |value: &Value| env.get(value).copied().ok_or_else(|| "a value is used before it is there".into());
        op.operands.iter().map(one).collect()
    }

    fn op(&mut self, op: &Op, env: &mut Env, out: &mut Vec<Op>, depth: usize) -> Result<()> {
        self.ops += 1;
        if self.ops > MOST {
            return Err(format!(
                "it has more than {MOST} operations, counting those of functions as often as they are called"
            ));
        }
        let name = base(self.module.name(op)?).to_string();
        let operands = self.operands(op, env)?;
        let attrs = self.module.properties(op)?;
        match &*name {
            "call" | "composite" if op.regions.is_empty() => {
                let callee = attrs.get(if name == "call" { 0 } else { 1 }).ok_or("a call has no function")?;
                let results = self.call(&known::text(&self.module, *callee)?, &operands, out, depth)?;
                if results.len() != op.results.len() {
                    return Err("a function returns another number of values than its call".into());
                }
                env.extend(op.results.iter().map(|(value, _)| *value).zip(results));
                return Ok(());
            }
            _ => {}
        }
        let target = if name == "custom_call" { self.target(&attrs)? } else { String::new() };
        if target == "shape_assertion" {
            return self.assert(op, &operands);
        }
        let mut new = Op { operands, ..op.clone() };
        let types = if target == "stablehlo.dynamic_reduce_window" {
            self.windows(op, &mut new, &attrs, depth)?
        } else if rules::TAKE_SIZES.contains(&&*name) {
            self.made_static(&name, op, &mut new, &attrs, out)?
        } else {
            new.regions = self.regions(op, &new.operands, env, depth)?;
            self.types(if target.is_empty() { &name } else { &target }, op, &new, &attrs)?
        };
        let known = fold::fold(&self.module, &name, &attrs, &new.operands, &self.known, &types)?;
        new.results.clear();
        for (i, ((value, _), ty)) in op.results.iter().zip(types).enumerate() {
            let result = Known { ty, ..known.clone().filter(|_| i == 0).unwrap_or_else(|| Known::of(ty)) };
            let defined = self.define(result);
            new.results.push((defined, ty));
            env.insert(*value, defined);
        }
        out.push(new);
        Ok(())
    }

    /// What a `custom_call` calls.
    fn target(&self, attrs: &[usize]) -> Result<String> {
        const TARGET: usize = 2;
        known::text(&self.module, *attrs.get(TARGET).ok_or("a call has no target")?)
    }

    fn call(&mut self, name: &str, operands: &[Value], out: &mut Vec<Op>, depth: usize) -> Result<Vec<Value>> {
        let deeper = depth.checked_sub(1).ok_or("its functions call each other too deep")?;
        let function = self.functions.get(name).cloned().ok_or_else(|| format!("it has no function @{name}"))?;
        let block = function.regions.first().and_then(|region| region.first()).ok_or("a function has no body")?;
        let mut env: Env = block.args.iter().map(|(value, ..)| *value).zip(operands.iter().copied()).collect();
        if block.args.len() != operands.len() {
            return Err(format!("@{name} takes another number of arguments than it is given"));
        }
        Ok(self.body(&block.ops, &mut env, out, deeper)?.operands)
    }

    /// A check that JAX put in: whether the sizes are such as the function was exported for.
    fn assert(&self, op: &Op, operands: &[Value]) -> Result<()> {
        let holds = operands.first().and_then(|value| self.known[*value].numbers.as_ref());
        match holds.map(|numbers| numbers[..] != [0]) {
            Some(true) => Ok(()),
            Some(false) => {
                let mut message =
                    known::message(&self.module, op)?.unwrap_or_else(|| "a check of its sizes fails".into());
                for (i, value) in operands[1..].iter().enumerate() {
                    let numbers = self.known[*value].numbers.as_ref().and_then(|n| n.first());
                    message = message.replace(&format!("{{{i}}}"), &numbers.map_or("?".into(), i64::to_string));
                }
                Err(message)
            }
            None => Err("a check of its sizes depends on values".into()),
        }
    }

    /// The regions of an operation, whose parameters are as wide as what they are given.
    fn regions(&mut self, op: &Op, operands: &[Value], env: &mut Env, depth: usize) -> Result<Vec<Vec<Block>>> {
        let deeper = depth.checked_sub(1).ok_or("its regions are too deep inside each other")?;
        let is_loop = base(self.module.name(op)?) == "while";
        let mut regions = vec![];
        for region in &op.regions {
            let [block] = &region[..] else { return Err("a region has not one block".into()) };
            let mut args = vec![];
            for (i, (value, ty, location)) in block.args.iter().enumerate() {
                let ty = match operands.get(i).filter(|_| is_loop) {
                    Some(operand) => self.known[*operand].ty,
                    None => *ty,
                };
                let new = self.define(Known::of(ty));
                env.insert(*value, new);
                args.push((new, ty, *location));
            }
            let mut ops = vec![];
            let last = self.body(&block.ops, env, &mut ops, deeper)?;
            ops.push(last);
            regions.push(vec![Block { args, ops }]);
        }
        Ok(regions)
    }
}

/// The name of an operation without its version.
fn base(name: &str) -> &str {
    match name.rsplit_once("_v") {
        Some((base, version)) if version.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => name,
    }
}
