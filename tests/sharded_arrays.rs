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

#[test]
fn arrays_move_between_shardings() {
    let grid = mesh(&[("x", 4), ("y", 2)]);
    let specs = [P![], P!["x"], P!["y", "x"], P![_, ("x", "y")], P![("y", "x"), _]];
    let whole = numbers(&[8, 16]);
    let want = whole.to_vec::<f32>().unwrap();
    for from in &specs {
        let a = whole.put(&grid.sharding(from.clone())).unwrap();
        for to in &specs {
            let b = a.put(&grid.sharding(to.clone())).unwrap();
            b.ready().unwrap();
            assert_eq!(b.sharding().unwrap().spec, *to);
            assert_eq!(b.to_vec::<f32>().unwrap(), want, "{from} -> {to}");
            for shard in b.addressable_shards() {
                let first = shard.index[0].start * 16 + shard.index[1].start;
                assert_eq!(shard.data.to_vec::<f32>().unwrap()[0], first as f32);
            }
        }
    }
    // the same parts on the same devices under other names: nothing moves
    let line = mesh(&[("i", 8)]);
    let a = whole.put(&grid.sharding(P![("x", "y")])).unwrap();
    assert_eq!(a.put(&line.sharding(P!["i"])).unwrap().sharding().unwrap().mesh, line);
    // other devices
    let some = Mesh::of(&client(), client().devices()[5..7].to_vec(), [("i", 2)]).unwrap();
    let b = a.put(&some.sharding(P![_, "i"])).unwrap();
    assert_eq!(b.to_vec::<f32>().unwrap(), want);
    assert_eq!(b.addressable_shards().iter().map(|s| s.device.id()).collect::<Vec<_>>(), [5, 6]);
    let debug = format!("{:?}", numbers(&[2]).put(&some.sharding(P!["i"])).unwrap());
    assert_eq!(debug, format!("{:?}", numbers(&[2])));
}

#[test]
fn what_cannot_be_divided_is_named() {
    let grid = mesh(&[("x", 4), ("y", 2)]);
    let error = |dims: &[usize], spec| numbers(dims).put(&grid.sharding(spec)).unwrap_err().to_string();
    let text = error(&[6, 4], P!["x"]);
    assert!(text.contains("axis 0 of f32[6, 4] has size 6, which the 4 devices along x=4 do not divide"), "{text}");
    let text = error(&[4, 4], P![_, ("x", "y")]);
    assert!(text.contains("axis 1 of f32[4, 4] has size 4, which the 8 devices along x=4,y=2 do not divide"), "{text}");
    let text = error(&[8], P!["x", "y"]);
    assert!(text.contains(r#"P["x", "y"] has 2 entries, but f32[8] has 1 axes"#), "{text}");
    let text = error(&[8], P!["z"]);
    assert!(text.contains("names `z`, which is no axis of the mesh x=4,y=2"), "{text}");
    let x = numbers(&[8]).put(&grid.sharding(P!["x"])).unwrap();
    assert!(x.to_vec::<i32>().unwrap_err().to_string().contains("f32[8]"));
    let bytes = std::sync::Arc::new(vec![0; 12]);
    let short = Array::from_bytes_sharded(&grid.sharding(P!["x"]), Aval::new(DType::F32, [4]), bytes);
    let text = short.unwrap_err().to_string();
    assert!(text.contains("12 bytes") && text.contains("16 bytes"), "{text}");
}

#[test]
fn pictures() {
    let grid = mesh(&[("x", 4), ("y", 2)]);
    let text = |dims: &[usize], spec| numbers(dims).put(&grid.sharding(spec)).unwrap().visualize().to_string();
    let boxes = r#"
f32[8, 6] P["x", "y"] over x=4,y=2, devices of kind cpu
       0..3   3..6
     ┌──────┬──────┐
0..2 │  0   │  1   │
     ├──────┼──────┤
2..4 │  2   │  3   │
     ├──────┼──────┤
4..6 │  4   │  5   │
     ├──────┼──────┤
6..8 │  6   │  7   │
     └──────┴──────┘"#;
    assert_eq!(format!("\n{}", text(&[8, 6], P!["x", "y"])), boxes);
    let replicated = r#"
f32[8, 6] P[_, "y"] over x=4,y=2, devices of kind cpu
        0..3      3..6
     ┌─────────┬─────────┐
0..8 │ 0,2,4,6 │ 1,3,5,7 │
     └─────────┴─────────┘"#;
    assert_eq!(format!("\n{}", text(&[8, 6], P![_, "y"])), replicated);
    let vector = r#"
f32[16] P["x"] over x=4,y=2, devices of kind cpu
   0..4     4..8    8..12    12..16
┌────────┬────────┬────────┬────────┐
│  0,1   │  2,3   │  4,5   │  6,7   │
└────────┴────────┴────────┴────────┘"#;
    assert_eq!(format!("\n{}", text(&[16], P!["x"])), vector);
    assert_eq!(text(&[], P![]), "f32[] P[] over x=4,y=2, devices of kind cpu\n┌─────┐\n│ 0-7 │\n└─────┘");
    let table = r#"
f32[4, 2, 3] P["y", _, _] over x=4,y=2, devices of kind cpu
devices  axis 0  axis 1  axis 2
0,2,4,6  0..2    0..2    0..3
1,3,5,7  2..4    0..2    0..3"#
        .replace(", _, _]", "]");
    assert_eq!(format!("\n{}", text(&[4, 2, 3], P!["y"])), table);
    assert_eq!(
        numbers(&[2]).visualize().to_string(),
        "f32[2] on a device of kind cpu\n  0..2\n┌──────┐\n│  0   │\n└──────┘"
    );
    let svg = numbers(&[8, 6]).put(&grid.sharding(P!["x", "y"])).unwrap().visualize().to_svg();
    assert_eq!((svg.matches("<rect ").count(), svg.matches("</text>").count()), (9, 8 + 6 + 1));
    assert!(svg.ends_with("</svg>\n") && svg.contains(">3..6</text>"), "{svg}");
    let svg = numbers(&[4, 2, 3]).put(&grid.sharding(P!["x", "y"])).unwrap().visualize().to_svg();
    assert!(svg.contains(">axis 1: 0..1</text>") && svg.contains(">axis 0: 3..4</text>"), "{svg}");
}
