//! Random numbers equal those of `jax.random`, bit by bit. `scripts/make_random_fixtures.py` describes the
//! vectors.
use raxla::{
    prelude::*,
    prim::{Algorithm, rng_bit_generator, threefry2x32},
    random::KeyImpl,
    testing::check_vmap,
    testing::close,
    trace::trace_graph,
};
use serde_json::Value;

/// One stored call of a function of `jax.random`.
struct Case {
    function: String,
    key: Vec<u64>,
    params: Value,
    /// What it returns.
    aval: Aval,
    /// The results' bits.
    bits: Vec<u64>,
}

fn dtype(name: &str) -> DType {
    DType::ALL.into_iter().find(|d| d.name() == name).unwrap_or_else(|| panic!("dtype {name}"))
}
fn usizes(v: &Value) -> Vec<usize> {
    v.as_array().expect("a list").iter().map(|n| n.as_u64().expect("a size") as usize).collect()
}
/// Elements given as numbers, or (of floats) as their bits.
fn bits(v: &Value) -> Vec<u64> {
    let one = |n: &Value| n.as_u64().or(n.as_i64().map(|n| n as u64)).expect("an integer");
    v.as_array().expect("a list").iter().map(one).collect()
}
fn host(aval: &Aval, bits: &[u64]) -> Host {
    let width = aval.dtype.bits().div_ceil(8);
    let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()[..width].to_vec()).collect();
    Host::from_bytes(aval, &bytes)
}

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/random.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture")).expect("JSON")
}
fn cases() -> Vec<Case> {
    let case = |c: &Value| Case {
        function: c["fn"].as_str().expect("a name").into(),
        key: bits(&c["key"]),
        params: c["params"].clone(),
        aval: Aval::new(dtype(c["dtype"].as_str().expect("a dtype")), usizes(&c["shape"])),
        bits: bits(&c["values"]),
    };
    fixture()["cases"].as_array().expect("cases").iter().map(case).collect()
}

impl Case {
    fn float(&self, name: &str) -> f64 {
        self.params[name].as_f64().unwrap_or_else(|| panic!("{name} of {}", self.function))
    }
    fn int(&self, name: &str) -> i128 {
        let v = &self.params[name];
        v.as_i64()
            .map(i128::from)
            .or(v.as_u64().map(i128::from))
            .unwrap_or_else(|| panic!("{name} of {}", self.function))
    }
    fn axis(&self) -> isize {
        self.params["axis"].as_i64().expect("an axis") as isize
    }
    fn flag(&self, name: &str) -> Option<bool> {
        self.params[name].as_bool()
    }
    /// The tensor argument `name`.
    fn tensor(&self, name: &str) -> Host {
        let aval = Aval::new(
            dtype(self.params[format!("{name}_dtype")].as_str().unwrap_or("i32")),
            usizes(&self.params[format!("{name}_shape")]),
        );
        let data = [&self.params[format!("{name}_bits")], &self.params[name]].into_iter().find(|v| v.is_array());
        host(&aval, &bits(data.expect("elements")))
    }
    /// The operands of the program besides the key.
    fn operands(&self) -> Vec<Host> {
        match self.function.as_str() {
            "categorical" => vec![self.tensor("logits")],
            "bernoulli" if self.params["p"].is_null() => vec![self.tensor("p")],
            "permutation" if self.params["n"].is_null() => vec![self.tensor("x")],
            _ => vec![],
        }
    }
    fn implementation(&self) -> KeyImpl {
        match self.params["impl"].as_str() {
            Some("rbg") => KeyImpl::Rbg,
            Some("unsafe_rbg") => KeyImpl::UnsafeRbg,
            _ => KeyImpl::Threefry2x32,
        }
    }
    /// The call itself.
    fn run(&self, key: Key, x: &[Tensor]) -> Tensor {
        let (dims, dtype) = (self.aval.dims.clone(), self.aval.dtype);
        match self.function.as_str() {
            "threefry2x32" => {
                let word = |t: Tensor, i: usize| t.slice_axis(0, i..i + 1);
                let count = raxla::literal(host(&Aval::new(DType::U32, [2]), &bits(&self.params["count"])));
                let key = *key.data();
                raxla::concat(&threefry2x32(word(key, 0), word(key, 1), word(count, 0), word(count, 1)), 0)
            }
            "split" => {
                let shape = usizes(&self.params["num"]);
                key.split_stacked(shape.iter().product()).data().reshape([&*shape, &[self.key.len()]].concat())
            }
            "fold_in" => *key.fold_in(self.int("data") as u32).data(),
            "bits" => key.bits(dims, dtype),
            "uniform" => key.uniform(dims, dtype, self.float("minval"), self.float("maxval")),
            "normal" => key.normal(dims, dtype),
            "truncated_normal" => key.truncated_normal(dims, dtype, self.float("lower"), self.float("upper")),
            "exponential" => key.exponential(dims, dtype),
            "gumbel" if self.params["mode"] == "high" => key.gumbel_precise(dims, dtype),
            "gumbel" => key.gumbel(dims, dtype),
            "randint" => key.randint(dims, dtype, self.int("minval"), self.int("maxval")),
            "bernoulli" if x.is_empty() => key.bernoulli(dims, self.float("p")),
            "bernoulli" => key.bernoulli(dims, x[0]),
            "categorical" if self.flag("replace") == Some(false) => {
                key.categorical_distinct(dims[0], x[0], self.axis())
            }
            "categorical" => {
                let prefix = dims.len() + 1 - x[0].rank();
                key.categorical_many(&dims[..prefix], x[0], self.axis())
            }
            "permutation" if x.is_empty() => key.permutation(self.int("n") as usize),
            "permutation" if self.flag("independent") == Some(true) => key.permute_independent(x[0], self.axis()),
            "permutation" => key.permute(x[0], self.axis()),
            other => panic!("unknown function {other}"),
        }
    }
    /// The call without its key.
    fn call(&self) -> String {
        format!("{} {} {}", self.function, self.params, self.aval)
    }
    fn label(&self) -> String {
        format!("{} of key {:?}", self.call(), self.key)
    }
    fn arguments(&self) -> Vec<Host> {
        let mut all = vec![host(&Aval::new(DType::U32, [self.key.len()]), &self.key)];
        all.extend(self.operands());
        all
    }
}

/// All cases as one program of their arguments.
fn program(cases: &[Case], x: &[Tensor]) -> Vec<Tensor> {
    let mut x = x.iter().copied();
    let mut run = |c: &Case| {
        let args: Vec<Tensor> = x.by_ref().take(1 + c.operands().len()).collect();
        c.run(Key::of(c.implementation(), args[0]), &args[1..])
    };
    cases.iter().map(&mut run).collect()
}

/// The cases that differ in nothing but the key, together.
fn groups(cases: Vec<Case>) -> Vec<Vec<Case>> {
    let mut groups: Vec<Vec<Case>> = vec![];
    for case in cases {
        match groups.iter_mut().find(|g| g[0].call() == case.call()) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}
/// The calls of each group as one, over a batch of keys.
fn batched_program(groups: &[Vec<Case>], x: &[Tensor]) -> Vec<Tensor> {
    let mut x = x.iter().copied();
    let mut run = |group: &Vec<Case>| {
        let args: Vec<Tensor> = x.by_ref().take(1 + group[0].operands().len()).collect();
        raxla::vmap(|key: Key| group[0].run(key, &args[1..]))(Key::of(group[0].implementation(), args[0]))
    };
    groups.iter().map(&mut run).collect()
}
fn batched_arguments(group: &[Case]) -> Vec<Host> {
    let keys: Vec<u64> = group.iter().flat_map(|c| c.key.clone()).collect();
    let mut all = vec![host(&Aval::new(DType::U32, [group.len(), group[0].key.len()]), &keys)];
    all.extend(group[0].operands());
    all
}

#[test]
fn compiled_programs_give_the_bits_of_jax() {
    let groups = groups(cases());
    let mut wrong = vec![];
    // several programs: one would take XLA long
    for groups in groups.chunks(30) {
        let arguments: Vec<Host> = groups.iter().flat_map(|g| batched_arguments(g)).collect();
        let arrays: Vec<Array> = arguments.iter().map(|h| Array::from_host(h).expect("uploads")).collect();
        let have = jit(|x: Vec<Tensor>| batched_program(groups, &x)).call((arrays,)).expect("it runs");
        for (group, have) in groups.iter().zip(&have) {
            let want: Vec<u8> = group.iter().flat_map(|c| host(&c.aval, &c.bits).to_bytes()).collect();
            assert_eq!(have.aval(), &group[0].aval.stacked(group.len()), "{}", group[0].call());
            // (a processor with f16 arithmetic of its own multiplies and adds in one step, and rounds once)
            let same = match have.to_bytes().expect("downloads") == want {
                false if have.aval().dtype == DType::F16 => {
                    let want = Host::from_bytes(have.aval(), &want);
                    close(&have.to_host().expect("downloads"), &want, 5e-3).is_ok()
                }
                same => same,
            };
            if !same {
                wrong.push(format!("{}: {:?}", group[0].call(), have.to_host()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} groups differ:\n{}", wrong.len(), groups.len(), wrong.join("\n"));
}

#[test]
fn the_interpreter_gives_them_up_to_rounding() {
    let cases = cases();
    let arguments: Vec<Host> = cases.iter().flat_map(Case::arguments).collect();
    let avals: Vec<Aval> = arguments.iter().map(|h| h.aval().clone()).collect();
    let graph = trace_graph(&avals, |x| program(&cases, x)).expect("it traces");
    for (case, have) in cases.iter().zip(graph.eval(&arguments)) {
        let want = host(&case.aval, &case.bits);
        assert_eq!(have.aval(), want.aval(), "{}", case.label());
        // XLA fuses multiplications with additions and approximates logarithms; the interpreter does neither
        let ulp = match case.aval.dtype {
            DType::F64 => 1e-14,
            DType::F32 => 1e-6,
            DType::F16 => 1e-3,
            DType::BF16 => 8e-3,
            _ => 0.0,
        };
        let scale = want.to_f64().iter().fold(0f64, |m, x| m.max(x.abs()));
        for (a, b) in have.to_f64().iter().zip(want.to_f64()) {
            assert!((a - b).abs() <= ulp * scale, "{}: {a} instead of {b}", case.label());
        }
    }
}

#[test]
fn seeds_make_the_keys_of_jax() {
    let json = fixture();
    // the lower 32 bits count, as in JAX without 64-bit integers; below 2³² these make no difference
    let seeds = json["seeds"].as_array().expect("seeds").iter();
    let same = seeds.filter(|s| s["x64"] == false || s["seed"].as_i64().is_some_and(|n| (0..1 << 32).contains(&n)));
    let mut checked = 0;
    for s in json["seeds_of_rbg"].as_array().expect("seeds") {
        let seed = s["seed"].as_i64().expect("a seed") as u64;
        let want = host(&Aval::new(DType::U32, [4]), &bits(&s["data"]));
        assert_eq!(Key::host_of(KeyImpl::Rbg, seed).data(), &want, "seed {seed}");
    }
    for s in same {
        let seed = s["seed"].as_i64().expect("a seed") as u64;
        let want = host(&Aval::new(DType::U32, [2]), &bits(&s["data"]));
        assert_eq!(Key::host(seed).data(), &want, "seed {seed}");
        let graph = trace_graph(&[], |_| vec![*Key::new(seed).data()]).expect("it traces");
        assert_eq!(graph.eval(&[]), [want]);
        checked += 1;
    }
    assert!(checked > 12, "only {checked} seeds");
}

#[test]
fn keys_pass_through_jit_scan_and_split() {
    let f = jit(|key: Key, n: Tensor| {
        let [a, b] = key.split();
        let ((), rows) = raxla::scan(|(), k: Key| ((), k.normal([2], DType::F32)), (), a.split_stacked(3));
        let each = b.split_n(2).into_iter().map(|k| k.bits([], DType::U32)).collect::<Vec<_>>();
        let folded = Key::new(7).fold_in(n);
        (rows, each, folded)
    });
    let key = Key::host(1).to_device().expect("uploads");
    let (rows, each, folded) = f.call((key, Array::scalar(5i32).expect("uploads"))).expect("it runs");
    assert_eq!(rows.dims(), [3, 2]);
    let rows = rows.to_vec::<f32>().expect("floats");
    assert!((0..6).all(|i| (0..i).all(|j| rows[i] != rows[j])), "{rows:?}");
    assert_ne!(each[0].item::<u32>().expect("bits"), each[1].item::<u32>().expect("bits"));
    assert_eq!(folded.data().dims(), [2]);
}

#[test]
fn bounds_of_integers_may_be_tensors_that_broadcast() {
    let run = |f: &dyn Fn(Key, Tensor, Tensor) -> Tensor, low: Vec<i128>, high: Vec<i128>| {
        let bound = |v: &Vec<i128>| Host::ints(DType::I64, [v.len()], v.clone());
        let args = [Key::host(5).data().clone(), bound(&low), bound(&high)];
        let avals: Vec<Aval> = args.iter().map(|h| h.aval().clone()).collect();
        let graph = trace_graph(&avals, |x| vec![f(Key::from_data(x[0]), x[1], x[2])]).expect("it traces");
        graph.eval(&args).swap_remove(0)
    };
    for (dtype, low, high) in [(DType::U8, 0, 256), (DType::I32, -5, 1 << 31), (DType::I64, -9, 1 << 40)] {
        let tensors = run(&|k, low, high| k.randint([3, 4], dtype, low, high), vec![low; 4], vec![high; 1]);
        let numbers = run(&|k, _, _| k.randint([3, 4], dtype, low, high), vec![], vec![]);
        assert_eq!(tensors, numbers);
    }
    let columns = run(&|k, low, high| k.randint([50, 2], DType::I32, low, high), vec![0, 100], vec![3, 101]).to_ints();
    assert!(columns.chunks(2).all(|c| (0..3).contains(&c[0]) && c[1] == 100), "{columns:?}");
    assert!((0..3).all(|n| columns.iter().step_by(2).any(|c| *c == n)), "{columns:?}");
}

#[test]
fn the_generators_of_xla_work_over_a_batch_of_states() {
    let state = Host::ints(DType::U64, [2], vec![7, 1 << 40]);
    for algorithm in [Algorithm::ThreeFry, Algorithm::Philox, Algorithm::Default] {
        let f = |x: &[Tensor]| {
            let (state, bits) = rng_bit_generator(x[0], algorithm, [2, 3], DType::U32);
            vec![state, bits]
        };
        check_vmap(f, std::slice::from_ref(&state)).unwrap();
    }
}

#[test]
fn a_moment_of_each_distribution_is_right() {
    let n = 40_000;
    let means = |key: Key| {
        let [a, b, c, d, e, f] = key.split();
        let mean = |t: Tensor| t.cast(DType::F32).mean(..);
        let logits = raxla::literal(Host::floats(DType::F32, [3], vec![0.1f64.ln(), 0.2f64.ln(), 0.7f64.ln()]));
        let p = a.uniform([n], DType::F32, 2.0, 6.0);
        let z = b.normal([n], DType::BF16);
        let g = c.gumbel([n], DType::F32);
        let die = d.randint([n], DType::I8, 1, 7);
        let coin = e.bernoulli([n], 0.3);
        let choice = f.categorical_many([n], logits, 0);
        vec![mean(p), mean(z * z), mean(g), mean(die), mean(coin), mean(choice)]
    };
    let have = jit(means).call((Key::host(3).to_device().expect("uploads"),)).expect("it runs");
    let want = [4.0, 1.0, 0.577_215_7, 3.5, 0.3, 1.6];
    for (have, want) in have.iter().zip(want) {
        let have = have.item::<f32>().expect("a mean");
        // five standard errors of the widest of them
        assert!((have - want).abs() < 5.0 * 1.75 / (n as f32).sqrt(), "{have} instead of {want}");
    }
}

#[test]
fn wrong_uses_say_what_is_wrong() {
    let wrong = |f: fn(Key) -> Tensor| {
        let a = Aval::new(DType::U32, [2]);
        trace_graph(&[a], |x| vec![f(Key::from_data(x[0]))]).expect_err("it must not trace").to_string()
    };
    let e = wrong(|k| k.normal([2], DType::I32));
    assert!(e.starts_with("normal: i32 is not a float"), "{e}");
    let e = wrong(|k| k.randint([2], DType::F32, 0, 2));
    assert!(e.starts_with("randint: f32 is not an integer"), "{e}");
    let e = wrong(|k| k.bits([2], DType::I32));
    assert!(e.contains("no random bits of dtype i32"), "{e}");
    let e = wrong(|k| k.split_stacked(3).bits([2], DType::U32));
    assert!(e.contains("key of u32[3, 2]: a key is u32[2]") && e.contains("tests/random.rs"), "{e}");
    let e = wrong(|k| k.uniform([2], DType::F32, raxla::zeros([3], DType::F32), 1.0));
    assert!(e.contains("f32[3]"), "{e}");
}
