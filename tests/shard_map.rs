//! `shard_map`, on 8 virtual CPU devices, against the same mathematics on one.
use raxla::{
    Array, Axis, Client, DType, Mesh, NamedSharding, P, Padding, ScanOptions, ShardMapOptions, Tensor, VmapOptions,
    Window, all_gather, all_to_all, arange, axis_index, cond, conv, einsum, grad, jit, jvp, pmax, pmean, ppermute,
    psum, psum_scatter, runtime, scan, scan_with, shard_map, shard_map_with, trace::trace_graph, value_and_grad, vmap,
    vmap_with, while_loop, with_sharding,
};
use std::sync::OnceLock;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn mesh() -> Mesh {
    Mesh::new(&client(), [("x", 4), ("y", 2)]).unwrap()
}
fn numbers(dims: &[usize]) -> Array {
    let n: usize = dims.iter().product();
    let data: Vec<f32> = (0..n).map(|i| ((i * 37 % 19) as f32 - 9.0) / 7.0).collect();
    Array::on(&client(), dims, &data).unwrap()
}
fn close(a: &Array, b: &Array) {
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() <= 1e-5 * (1.0 + y.abs()), "{a:?}\n{b:?}");
    }
}

#[test]
fn annotated_programs_run_on_all_devices() {
    let mesh = mesh();
    let (x, w) = (numbers(&[8, 6]), numbers(&[6, 4]));
    let f = |x: Tensor, w: Tensor| einsum("bd,df->bf", x, w).tanh();
    let one = jit(f).on(&client()).call((&x, &w)).unwrap();
    let (xs, ws) = (x.put(&mesh.sharding(P!["x", _])).unwrap(), w.put(&mesh.sharding(P![_, "y"])).unwrap());
    let many = jit(f).call((&xs, &ws)).unwrap();
    assert_eq!(many.sharding().map(|s: &NamedSharding| s.spec.to_string()).unwrap(), r#"P["x", "y"]"#);
    close(&many, &one);
    let at = mesh.sharding(P![("y", "x"), _]);
    let g = jit(move |x: Tensor, w: Tensor| with_sharding(einsum("bd,df->bf", x, w).tanh(), &at)).on(&mesh);
    let moved = g.call((&x, &w)).unwrap();
    close(&moved, &one);
    let h = jit(f).on(&mesh).in_shardings((P![("x", "y")], P![])).out_shardings(P![]);
    let whole = h.call((&x, &w)).unwrap();
    assert_eq!(whole.sharding().unwrap().spec, P![]);
    close(&whole, &one);
}

#[test]
fn a_matrix_product_by_hand() {
    let mesh = mesh();
    let (x, w) = (numbers(&[8, 6]), numbers(&[6, 4]));
    let f = |x: Tensor, w: Tensor| einsum("bd,df->bf", x, w);
    let m = mesh.clone();
    let by_hand = move |x: Tensor, w: Tensor| {
        shard_map(&m, (P!["x", "y"], P!["y", _]), P!["x", _], |(x, w): (Tensor, Tensor)| {
            psum(einsum("bd,df->bf", x, w), "y")
        })((x, w))
    };
    close(&jit(by_hand.clone()).on(&mesh).call((&x, &w)).unwrap(), &jit(f).on(&client()).call((&x, &w)).unwrap());
    let by = by_hand.clone();
    let g = jit(move |x: Tensor, w: Tensor| grad(|(x, w): (Tensor, Tensor)| (by(x, w).sin()).sum([0, 1]))((x, w)))
        .on(&mesh);
    let h = jit(move |x: Tensor, w: Tensor| grad(|(x, w): (Tensor, Tensor)| (f(x, w).sin()).sum([0, 1]))((x, w)))
        .on(&client());
    let (a, b) = (g.call((&x, &w)).unwrap(), h.call((&x, &w)).unwrap());
    close(&a.0, &b.0);
    close(&a.1, &b.1);
}

#[test]
fn a_training_step_inside() {
    // data parallel over x, weights gathered over y: gradients come out right without a word about them
    let mesh = mesh();
    let (x, w) = (numbers(&[8, 6]), numbers(&[2, 6, 6]));
    let loss = |w: Tensor, x: Tensor| {
        let (y, ()) = scan(|x: Tensor, w: Tensor| (einsum("bd,df->bf", x, w).tanh(), ()), x, w);
        y.powi(2).mean([0, 1])
    };
    let one = jit(move |w: Tensor, x: Tensor| value_and_grad(|w: Tensor| loss(w, x))(w)).on(&client());
    let m = mesh.clone();
    let step = move |w: Tensor, x: Tensor| {
        shard_map(&m, (P![_, "y", _], P!["x", _]), (P![], P![_, "y", _]), |(w, x): (Tensor, Tensor)| {
            value_and_grad(|w: Tensor| {
                let layer = |x: Tensor, w: Tensor| (einsum("bd,df->bf", x, all_gather(w, "y", 0, true)).tanh(), ());
                let (y, ()) = scan(layer, x, w);
                pmean(y.powi(2).mean([0, 1]), ["x", "y"])
            })(w)
        })((w, x))
    };
    let (a, b) = (one.call((&w, &x)).unwrap(), jit(step).on(&mesh).call((&w, &x)).unwrap());
    close(&b.0, &a.0);
    close(&b.1, &a.1);
}

#[test]
fn collectives() {
    let mesh = mesh();
    let x = numbers(&[8, 4]);
    let f = move |x: Tensor| {
        let m = mesh.clone();
        shard_map(&m, P!["x", "y"], P![("x", "y"), _], |x: Tensor| {
            let a = ppermute(x, "x", [(0, 1), (1, 2), (2, 3), (3, 0)]);
            let b = psum_scatter(a, "y", 0, true);
            b * axis_index("x").cast(raxla::DType::F32) + axis_index("y").cast(raxla::DType::F32)
        })(x)
    };
    let graph = raxla::trace::trace_graph(&[x.aval().clone()], |t| vec![f(t[0])]).unwrap();
    let want = graph.eval(&[x.to_host().unwrap()]).swap_remove(0);
    let have = jit(f).on(&Mesh::new(&client(), [("x", 4), ("y", 2)]).unwrap()).call((&x,)).unwrap();
    close(&have, &Array::from_host(&want).unwrap());
}

#[test]
fn devices_that_choose_differently() {
    let x = numbers(&[8]);
    let specs = || (P![], P![("x", "y")]);
    // branches: the derivative of what devices share is summed where all of them come by
    let chosen = |w: Tensor, x: Tensor| cond(x.gt(0.0), |x: Tensor| x * w, |x: Tensor| (x * w).sin(), x);
    let one = move |w: Tensor, x: Tensor| value_and_grad(|w: Tensor| vmap(move |x| chosen(w, x))(x).sum(0))(w);
    let mesh_of = mesh();
    let many = move |w: Tensor, x: Tensor| {
        shard_map(&mesh_of, specs(), (P![], P![]), |(w, x): (Tensor, Tensor)| {
            value_and_grad(|w: Tensor| psum(chosen(w, x.reshape([])), ["x", "y"]))(w)
        })((w, x))
    };
    let w = Array::on(&client(), [], &[1.5f32]).unwrap();
    let (a, b) = (jit(one).on(&client()).call((&w, &x)), jit(many).on(&mesh()).call((&w, &x)));
    let (a, b) = (a.unwrap(), b.unwrap());
    close(&b.0, &a.0);
    close(&b.1, &a.1);
    // loops of different lengths
    let doubled = |x: Tensor| while_loop(|x: Tensor| x.abs().lt(4.0), |x: Tensor| x * 2.0 + 0.1, x);
    let mesh_of = mesh();
    let many = move |x: Tensor| {
        shard_map(&mesh_of, P![("x", "y")], P![("x", "y")], |x: Tensor| doubled(x.reshape([])).reshape([1]))(x)
    };
    close(&jit(many).on(&mesh()).call((&x,)).unwrap(), &jit(vmap(doubled)).on(&client()).call((&x,)).unwrap());
}

#[test]
fn a_collective_that_some_devices_never_reach_is_refused() {
    let x = numbers(&[8, 4]);
    let message = |f: fn(Tensor) -> Tensor| {
        let over = mesh();
        jit(move |x: Tensor| shard_map(&over, P!["x", "y"], P!["x", "y"], f)(x)).on(&mesh()).call((&x,)).map(|_| ())
    };
    let refused = |f: fn(Tensor) -> Tensor, op: &str, choice: &str, axes: &str| {
        let text = message(f).unwrap_err().to_string();
        let want = [
            format!("it is inside of the `{choice}` at tests/shard_map.rs:"),
            format!("which devices along `{axes}` may run differently"),
            format!("or move the `{op}` out of the `{choice}`"),
        ];
        assert!(want.iter().all(|part| text.contains(part)), "{text}");
    };
    fn own(x: Tensor) -> Tensor {
        x.sum([0, 1]).gt(0.0)
    }
    refused(|x| cond(own(x), |x: Tensor| psum(x, "x") + x, |x: Tensor| x, x), "psum", "cond", "x");
    refused(
        |x| while_loop(own, |x: Tensor| all_gather(x, "y", 0, true).slice_axis(0, 0..2), x),
        "all_gather",
        "while",
        "y",
    );
    // the condition of the loop, too
    refused(|x| while_loop(|x: Tensor| own(x - pmax(x, "x")), |x: Tensor| x - 1.0, x), "pmax", "while", "x");
    // devices that agree
    message(|x| cond(own(psum(x, ["x", "y"])), |x: Tensor| psum(x, "x") + x, |x: Tensor| x, x)).unwrap();
    message(|x| cond(own(psum(x, "x")), |x: Tensor| psum(x, "x") + x, |x: Tensor| x, x)).unwrap();
    message(|x| cond(own(x), |x: Tensor| x * axis_index("x").cast(raxla::DType::F32), |x: Tensor| x, x)).unwrap();
}

/// Values and gradient of a program on eight devices, and of the same by the interpreter.
fn with_gradient(m: &Mesh, x: &Array, f: impl Fn(Tensor) -> Tensor) -> [Array; 2] {
    let f = |x: Tensor| {
        let weighted = |x: Tensor| {
            let y = f(x);
            (y.reshape([y.size()]).sin() * arange(y.size(), DType::F32).sin()).sum(0)
        };
        (f(x), grad(weighted)(x))
    };
    let (y, dx) = jit(f).on(m).call((x,)).unwrap();
    let graph = trace_graph(&[x.aval().clone()], |t| {
        let (y, dx) = f(t[0]);
        vec![y, dx]
    });
    let want: Vec<Array> =
        graph.unwrap().eval(&[x.to_host().unwrap()]).iter().map(|h| Array::from_host(h).unwrap()).collect();
    close(&y, &want[0]);
    close(&dx, &want[1]);
    [y, dx]
}

/// The names of a mesh and of a map in one collective: as those of one mesh, whether the map is inside or outside.
#[test]
fn collectives_over_a_mesh_and_a_map() {
    type Program = fn(Tensor, &[&str]) -> Tensor;
    let programs: [(&[usize], Program); 8] = [
        (&[3], |x, axes| x * psum(x.sin(), axes) * axis_index(axes).cast(DType::F32)),
        (&[3], |x, axes| all_gather(x, axes, 1, false).sin() * x.expand_dims(1)),
        (&[3], |x, axes| all_gather(x, axes, 0, true).sin() * x.sum(0)),
        (&[3, 8], |x, axes| psum_scatter(x * axis_index(axes).cast(DType::F32), axes, 1, false).sin()),
        (&[16, 2], |x, axes| psum_scatter(x.sin(), axes, 0, true)),
        (&[8, 2], |x, axes| all_to_all(x.sin(), axes, 0, 1, false)),
        (&[2, 8], |x, axes| all_to_all(x.sin(), axes, 1, 0, true)),
        (&[3], |x, axes| ppermute(x.sin(), axes, [(0, 3), (3, 4), (5, 1), (7, 7)]) * x),
    ];
    let (both, one) = (mesh(), Mesh::new(&client(), [("x", 4), ("copies", 2)]).unwrap());
    let named = VmapOptions { axis_name: Some("y"), axis_size: Some(2) };
    let leading = Axis::At(0);
    for (dims, f) in programs {
        let x = numbers(&[&[4, 2], dims].concat());
        for names in [["x", "y"], ["y", "x"]] {
            let whole = with_gradient(&both, &x, |x: Tensor| {
                let part = |x: Tensor| f(x.squeeze(0).squeeze(0), &names).expand_dims(0).expand_dims(0);
                shard_map(&both, P!["x", "y"], P!["x", "y"], part)(x)
            });
            let inside = with_gradient(&one, &x, |x: Tensor| {
                let part = |x: Tensor| vmap_with(named, |x: Tensor| f(x, &names), leading, leading)(x.squeeze(0));
                shard_map(&one, P!["x"], P!["x"], |x: Tensor| part(x).expand_dims(0))(x)
            });
            let outside = with_gradient(&one, &x, |x: Tensor| {
                let part = |x: Tensor| f(x.squeeze(0), &names).expand_dims(0);
                vmap_with(named, |x: Tensor| shard_map(&one, P!["x"], P!["x"], part)(x), Axis::At(1), Axis::At(1))(x)
            });
            for have in [inside, outside] {
                have.iter().zip(&whole).for_each(|(a, b)| close(a, b));
            }
        }
    }
}

/// The results over devices are those of the interpreter.
fn agrees(mesh: &Mesh, x: &Array, f: impl Fn(Tensor) -> Tensor + Clone + 'static) {
    let graph = raxla::trace::trace_graph(&[x.aval().clone()], |t| vec![f(t[0])]).unwrap();
    let want = graph.eval(&[x.to_host().unwrap()]).swap_remove(0);
    let have = jit(f).on(mesh).call((x,)).unwrap();
    close(&have, &Array::from_bytes(&client(), want.aval().clone(), &want.to_bytes()).unwrap());
}

#[test]
fn a_device_has_a_number_where_the_compiler_divides_the_rest() {
    let mesh = mesh();
    let m = mesh.clone();
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        let some = ShardMapOptions { axis_names: Some(&["y"]), ..Default::default() };
        let f = |x: Tensor| x + axis_index("y").cast(raxla::DType::F32);
        shard_map_with(&m, some, P![_, "y"], P![_, "y"], f)(x)
    });
}

#[test]
fn what_is_exchanged_in_loops_and_branches() {
    let mesh = mesh();
    let m = mesh.clone();
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        let f = |x: Tensor| {
            let twice = ScanOptions { length: Some(2), ..Default::default() };
            let (sum, ()) = scan_with(twice, |c: Tensor, ()| (psum(c, ["x", "y"]) / 8.0, ()), x, ());
            // (what no operand varies over, a result of one branch does)
            let mine = |s: Tensor| s + axis_index("x").cast(raxla::DType::F32);
            let all = psum(x.sum([0, 1]), ["x", "y"]);
            sum + cond(all.gt(0.0), mine, |s: Tensor| s, all)
        };
        shard_map(&m, P!["x", "y"], P!["x", "y"], f)(x)
    });
}

#[test]
fn a_direction_that_devices_share() {
    let mesh = mesh();
    let m = mesh.clone();
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        let f = |x: Tensor| jvp(|x: Tensor| x.sin(), x, raxla::ones(x.dims(), x.dtype())).1;
        shard_map(&m, P!["x", "y"], P!["x", "y"], f)(x)
    });
}

#[test]
fn padding_that_cuts_a_divided_axis() {
    let mesh = mesh();
    let at = mesh.sharding(P!["x"]);
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        let zero = raxla::full([], x.dtype(), 0.0);
        raxla::prim::pad(with_sharding(x, &at), zero, [(-1, 2, 1), (1, -1, 0)])
    });
}

#[test]
fn branches_that_are_annotated_differently() {
    let mesh = mesh();
    let (rows, columns) = (mesh.sharding(P!["x"]), mesh.sharding(P![_, "y"]));
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        cond(x.sum([0, 1]).gt(0.0), |x| with_sharding(x, &rows), |x| with_sharding(x, &columns), x)
    });
}

#[test]
fn results_without_elements() {
    let mesh = mesh();
    let x = Array::on::<f32>(&client(), [8, 0], &[]).unwrap();
    let f = jit(|x: Tensor| x * 2.0).on(&mesh).in_shardings((P!["x"],)).out_shardings(P!["x"]);
    let y = f.call((&x,)).unwrap();
    assert_eq!(y.addressable_shards()[1].data.dims(), [2, 0]);
    assert_eq!(f.call((&y,)).unwrap().dims(), [8, 0]);
    let columns = Array::on::<f32>(&client(), [0, 8], &[]).unwrap().put(&mesh.sharding(P![_, "x"])).unwrap();
    assert_eq!(columns.addressable_shards()[7].data.dims(), [0, 2]);
}

#[test]
fn bits_of_a_divided_axis() {
    let mesh = mesh();
    let at = mesh.sharding(P!["x", "y"]);
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        let bits = with_sharding((x * 100.0).cast(raxla::DType::I32), &at);
        let [all, some, odd] = [raxla::prim::reduce_and, raxla::prim::reduce_or, raxla::prim::reduce_xor]
            .map(|over: fn(Tensor, Vec<usize>) -> Tensor| over(bits, vec![0]));
        raxla::stack(&[all, some, odd], 0).cast(raxla::DType::F32)
    });
}

#[test]
fn rules_of_functions_that_exchange_values() {
    let mesh = Mesh::new(&client(), [("x", 2), ("y", 2), ("z", 2)]).unwrap();
    let mean = |x: Tensor| pmean(x, ["x", "y", "z"]);
    let by_rule = [
        |x: Tensor| {
            let mean = |(_, x): (Tensor, Tensor)| pmean(x, ["x", "y", "z"]);
            // (an operand that varies more)
            let other = x + axis_index(["x", "z"]).cast(DType::F32);
            raxla::custom_jvp(mean, |x: (Tensor, Tensor), dx| jvp(mean, x, dx))((other, x))
        },
        |x: Tensor| {
            let mean = |x: Tensor| pmean(x, ["x", "y", "z"]);
            raxla::custom_vjp(mean, |x: Tensor| (mean(x), x), |x: Tensor, ct| raxla::vjp(mean, x).1(ct))(x)
        },
    ];
    let derivative = |f: fn(Tensor) -> Tensor| {
        let m = mesh.clone();
        let f = move |x: Tensor| shard_map(&m, P![_, "y"], P![], |x: Tensor| mean(f(x).sin()))(x);
        jit(move |x: Tensor| grad(|x: Tensor| f(x).sum([0, 1]))(x)).on(&mesh).call((&numbers(&[2, 4]),)).unwrap()
    };
    let want = derivative(|x| pmean(x, ["x", "y", "z"]));
    by_rule.into_iter().for_each(|f| close(&derivative(f), &want));
}

#[test]
fn axes_that_are_dilated_or_written_to_where_they_are_divided() {
    let mesh = mesh();
    let at = mesh.sharding(P!["x"]);
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        let zero = raxla::full([], x.dtype(), 0.5);
        let wide = with_sharding(
            raxla::prim::pad(with_sharding(x, &at), zero, [(0, 1, 2), (0, 0, 0)]).slice_axis(0, 0..20),
            &at,
        );
        // (a start beyond the end means the last that fits)
        let start = raxla::full([], DType::I8, 43);
        raxla::prim::dynamic_update_slice(wide, x.slice_axis(0, 0..1), &[start, start])
    });
}

#[test]
fn operands_without_elements() {
    let mesh = mesh();
    let m = mesh.clone();
    let f = move |x: Tensor| shard_map(&m, P!["x"], P!["x"], |x: Tensor| x.sum(1) + 1.0)(x);
    let x = Array::on::<f32>(&client(), [8, 0], &[]).unwrap();
    assert_eq!(jit(f).on(&mesh).call((&x,)).unwrap().to_vec::<f32>().unwrap(), [1.0; 8]);
}

#[test]
fn cumulative_derivatives_along_a_divided_axis() {
    let mesh = mesh();
    let at = mesh.sharding(P![_, "x"]);
    agrees(&mesh, &numbers(&[8, 4]), move |x| {
        with_sharding(jvp(|x: Tensor| raxla::prim::cumlogsumexp(x, 1, true), x, x.sin()).1, &at)
    });
}

/// XLA alone gets these wrong (and so does JAX): sums over three axes, and convolutions, of operands divided differently.
#[test]
fn products_of_what_is_divided_differently() {
    let x = numbers(&[4, 4, 4]);
    let sums = |x: Tensor, w: Tensor| (einsum("abc,abc->", x, w), einsum("abc,cab->", x, w));
    let around = Window { padding: Padding::Explicit(vec![(3, 3)]), kernel_dilation: vec![2], ..Window::default() };
    let convolved = move |x: Tensor, w: Tensor| conv("ncw,oiw->ncw", x, w, around.clone());
    let mesh = mesh();
    for specs in [(P!["x", "y"], P!["x", _, "y"]), (P!["y", "x"], P![_, "x", "y"]), (P![_, _, "x"], P![_, "x", "y"])] {
        let one = jit(sums).on(&client()).call((&x, &x)).unwrap();
        let many = jit(sums).on(&mesh).in_shardings(specs.clone()).call((&x, &x)).unwrap();
        close(&many.0, &one.0);
        close(&many.1, &one.1);
        let one = jit(convolved.clone()).on(&client()).call((&x, &x)).unwrap();
        close(&jit(convolved.clone()).on(&mesh).in_shardings(specs).call((&x, &x)).unwrap(), &one);
    }
}
