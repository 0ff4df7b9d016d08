//! Arrays over 8 virtual CPU devices: rules for axes, creation in place, random numbers, moving, pictures.
use raxla::{
    Array, Aval, Client, DType, Key, Mesh, P, Param, Rules, Tensor, Tree, jit, param::init, runtime, shard_map,
    with_logical_sharding,
};
use std::sync::OnceLock;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn mesh(axes: &[(&str, usize)]) -> Mesh {
    Mesh::new(&client(), axes.iter().copied()).unwrap()
}
fn numbers(dims: &[usize]) -> Array {
    let n: usize = dims.iter().product();
    Array::on(&client(), dims, &(0..n).map(|i| i as f32).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_first_rule_that_fits_counts() {
    let grid = mesh(&[("data", 4), ("model", 2)]);
    let rules = Rules::new([("batch", "data"), ("heads", "model"), ("mlp", "model")])
        .rule("batch", None)
        .rule("vocab", ("data", "model"))
        .rule("vocab", "model")
        .rule("embed", "fsdp")
        .rule("embed", "data");
    assert_eq!(rules.spec(&["batch", "length", "heads"]), P!["data", _, "model"]);
    assert_eq!(rules.spec(&["heads", "mlp"]), P!["model"]); // one axis of the mesh divides one axis of the array
    assert_eq!(rules.spec(&["embed"]), P!["fsdp"]);
    let on = |roles: &[&str], dims: &[usize]| rules.spec_on(roles, &Aval::new(DType::F32, dims), &grid);
    assert_eq!(on(&["embed", "mlp"], &[8, 8]), P!["data", "model"]); // the mesh has no `fsdp`
    assert_eq!(on(&["vocab"], &[16]), P![("data", "model")]);
    assert_eq!(on(&["vocab"], &[10]), P!["model"]); // 8 does not divide 10
    assert_eq!(on(&["vocab"], &[9]), P![]);
    assert_eq!(on(&["batch", "embed"], &[3, 4]), P![_, "data"]); // a batch of 3 stays whole, and leaves `data` free
    let wq = Param::new([8, 4, 2], ["embed", "heads", "head"]);
    assert_eq!(rules.spec_of(&wq, &grid), P!["data", "model"]);
    assert_eq!(rules.spec_of(&wq.stacked(3, "layers"), &grid), P![_, "data", "model"]);
}

#[test]
fn roles_in_traced_code() {
    let grid = mesh(&[("data", 4), ("model", 2)]);
    let rules = Rules::new([("batch", "data"), ("embed", "model")]);
    let f = |x: Tensor| with_logical_sharding(x * 2.0, ["batch", "embed"]);
    let x = numbers(&[8, 6]);
    let one = jit(f).on(&client()).call((&x,)).unwrap();
    let many = jit(f).on(&grid).rules(&rules).call((&x,)).unwrap();
    assert_eq!(many.sharding().unwrap().spec, P!["data", "model"]);
    assert_eq!(many.to_vec::<f32>().unwrap(), one.to_vec::<f32>().unwrap());
    // a mesh that comes with the arguments
    let put = x.put(&grid.sharding(P![("data", "model")])).unwrap();
    assert_eq!(jit(f).rules(&rules).call((&put,)).unwrap().sharding().unwrap().spec, P!["data", "model"]);
    // without rules, or without a mesh, it is nothing
    assert!(!jit(f).on(&grid).lower(&(x.aval().clone(),)).unwrap().text.contains("sharding_constraint"));
    assert!(jit(f).on(&client()).rules(&rules).call((&x,)).unwrap().sharding().is_none());
    // one function in a shard_map over all axes, or over some
    let all = grid.clone();
    let inside = jit(move |x: Tensor| shard_map(&all, P!["data", "model"], P!["data", "model"], f)(x));
    let y = inside.on(&grid).rules(&rules).call((&x,)).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), one.to_vec::<f32>().unwrap());
    let (all, some) = (grid.clone(), raxla::ShardMapOptions { axis_names: Some(&["data"]), ..Default::default() });
    let inside = jit(move |x: Tensor| raxla::shard_map_with(&all, some, P!["data"], P!["data"], f)(x));
    let y = inside.on(&grid).rules(&rules).call((&x,)).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), one.to_vec::<f32>().unwrap());
    // under vmap and grad
    let g = |x: Tensor| raxla::vmap(move |x: Tensor| raxla::grad(|x: Tensor| f(x).powi(2).sum([0, 1]))(x))(x);
    let y = jit(g).on(&grid).rules(&rules).call((numbers(&[2, 4, 2]),)).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap()[3], 8.0 * 3.0);
    let wrong = jit(|x: Tensor| with_logical_sharding(x, ["batch"])).on(&client()).call((&x,)).unwrap_err().to_string();
    assert!(wrong.starts_with("with_logical_sharding of f32[8, 6]: 1 roles were given for 2 axes"), "{wrong}");
}

#[derive(Tree, Clone)]
struct Block<T = Tensor> {
    q: T,
    up: T,
    down: T,
    gain: T,
    table: T,
}
fn block() -> Block<Param> {
    let q = Param::new([16, 4, 8], ["embed", "heads", "head"]).normal(0.5).stored("l.{}.q.weight").transposed(1);
    let up = Param::new([16, 32], ["embed", "mlp"]).normal(0.02).cast(DType::BF16);
    Block {
        q: q.stacked(3, "layers"),
        down: Param::new([32, 16], ["mlp", "embed"]).normal(0.02),
        up,
        gain: Param::new([16], ["embed"]).ones(),
        table: Param::new([64, 16], ["vocab", "embed"]).normal(1.0),
    }
}

#[test]
fn parameters_are_made_in_place_and_equal_on_every_mesh() {
    let rules = Rules::new([("heads", "model"), ("mlp", "model"), ("vocab", "model"), ("embed", "data")]);
    let bytes = |m: &Block<Array>| m.leaves().iter().map(|a| a.to_bytes().unwrap()).collect::<Vec<_>>();
    let key = Key::host(7);
    let whole = init(&block(), &key, &mesh(&[("data", 1)]), &rules).unwrap();
    let want = bytes(&whole);
    assert_eq!(whole.gain.to_vec::<f32>().unwrap(), [1.0; 16]);
    let table = whole.table.to_vec::<f32>().unwrap();
    let std = (table.iter().map(|x| x * x).sum::<f32>() / table.len() as f32).sqrt();
    assert!((0.95..1.05).contains(&std), "{std}");
    for axes in
        [vec![("data", 1), ("model", 8)], vec![("data", 2), ("model", 4)], vec![("data", 8)], vec![("model", 2)]]
    {
        let grid = mesh(&axes);
        let m = init(&block(), &key, &grid, &rules).unwrap();
        assert_eq!(bytes(&m), want, "{grid}");
        for (p, a) in block().leaves().into_iter().zip(m.leaves()) {
            let sharding = a.sharding().unwrap();
            assert_eq!(sharding.spec, rules.spec_of(&p, &grid));
            let part = sharding.local_dims(a.aval()).unwrap();
            let shards = a.addressable_shards();
            assert!(shards.len() == grid.size() && shards.iter().all(|s| s.data.dims() == part));
        }
        // no device holds the whole of a matrix
        let largest = m.table.addressable_shards()[0].data.aval().bytes();
        assert!(largest * 2 <= m.table.aval().bytes(), "{grid}: {largest}");
    }
}

#[test]
fn random_numbers_do_not_depend_on_the_mesh() {
    let f = |key: Key| {
        let [a, b, c] = key.split();
        (
            a.normal([8, 16], DType::F32),
            b.uniform([8, 16], DType::BF16, 0.0, 1.0),
            c.randint([8, 16], DType::I32, 0, 1000),
        )
    };
    let words = Array::on(&client(), [2], &[0u32, 3]).unwrap();
    let key = || Key::from_data(words.clone());
    let (a, b, c) = jit(f).on(&client()).call((&key(),)).unwrap();
    let want = [a, b, c].map(|a| a.to_bytes().unwrap());
    let grid = mesh(&[("x", 4), ("y", 2)]);
    for spec in [P!["x"], P!["y", "x"], P![_, ("x", "y")]] {
        let g = jit(f).on(&grid).out_shardings(spec.clone());
        let (a, b, c) = g.call((&key(),)).unwrap();
        assert_eq!(a.sharding().unwrap().spec, spec);
        assert_eq!([a, b, c].map(|a| a.to_bytes().unwrap()), want, "{spec}");
        let lowered = g.lower(&(Key::from_data(Aval::new(DType::U32, [2])),)).unwrap();
        let hlo = lowered.optimized_hlo(&client()).unwrap();
        for collective in ["all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter"] {
            assert!(!hlo.contains(collective), "{spec} has {collective}:\n{hlo}");
        }
    }
}
