//! `pmap`, on 8 virtual CPU devices, against `vmap` on one.
use raxla::{
    Array, Axis, Client, Key, Mesh, PerLeaf, Tensor, VmapOptions, all_gather, axis_index, grad, jit, pmap, pmean, psum,
    runtime, vmap_axes, vmap_with,
};
use std::sync::OnceLock;

fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin")).clone()
}
fn mesh() -> Mesh {
    Mesh::new(&client(), [("i", 8)]).unwrap()
}
fn numbers(dims: &[usize]) -> Array {
    let n: usize = dims.iter().product();
    let data: Vec<f32> = (0..n).map(|i| ((i * 37 % 19) as f32 - 9.0) / 7.0).collect();
    Array::on(&client(), dims, &data).unwrap()
}
#[track_caller]
fn close(a: &Array, b: &Array) {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() <= 1e-5 * (1.0 + y.abs()), "{a:?}\n{b:?}");
    }
}
const NAMED: VmapOptions = VmapOptions { axis_name: Some("i"), axis_size: None };

#[test]
fn values_and_axes_are_those_of_vmap() {
    let (x, w) = (numbers(&[3, 8, 5]), numbers(&[5, 2]));
    let f = |x: Tensor, w: Tensor| {
        let y = raxla::einsum("bd,df->bf", x, w).tanh();
        (y - pmean(y, "i"), y.sum(1) + axis_index("i").cast(raxla::DType::F32), psum(y, "i"))
    };
    for at in [1, -2] {
        let axes = (Axis::At(at), Axis::Shared);
        let outs = (Axis::At(-1), Axis::At(0), Axis::Shared);
        let many = pmap(&mesh(), f, axes, outs).call((&x, &w)).unwrap();
        let one = jit(move |x: Tensor, w: Tensor| vmap_with(NAMED, |(x, w)| f(x, w), axes, outs)((x, w)));
        let one = one.on(&client()).call((&x, &w)).unwrap();
        close(&many.0, &one.0);
        close(&many.1, &one.1);
        close(&many.2, &one.2);
        assert_eq!(many.0.sharding().unwrap().spec.to_string(), r#"P[_, _, "i"]"#);
        assert_eq!(many.1.addressable_shards()[3].index, [3..4, 0..3]);
    }
}

#[test]
fn derivatives_inside_are_those_of_one_instance() {
    let (x, w) = (numbers(&[8, 4]), numbers(&[4]));
    // data parallel as it is written for jax.pmap: local gradients, averaged by hand
    let step = |w: Tensor, x: Tensor| {
        let g = grad(|w: Tensor| (w * x).sin().sum(0))(w);
        (w - pmean(g, "i") * 0.1, g)
    };
    let axes = (Axis::Shared, Axis::At(0));
    let f = pmap(&mesh(), step, axes, (Axis::Shared, Axis::At(0)));
    let (new, local) = f.call((&w, &x)).unwrap();
    let one = jit(move |w: Tensor, x: Tensor| {
        let outs = (Axis::At(0), Axis::At(0));
        let (new, local) = vmap_with(NAMED, |(w, x)| step(w, x), axes, outs)((w, x));
        (new.mean(0), local)
    });
    let want = one.on(&client()).call((&w, &x)).unwrap();
    close(&new, &want.0);
    close(&local, &want.1);
    // results stay where they are, and a second step takes them from there
    assert_eq!(new.addressable_shards().len(), 8);
    f.call((new, &x)).unwrap();
    // a gradient through a collective
    let gather = |x: Tensor| grad(|x: Tensor| all_gather(x.exp(), "i", 0, false).powi(2).sum([0, 1]))(x);
    let many = pmap(&mesh(), gather, Axis::At(0), Axis::At(0)).call((&x,)).unwrap();
    let one = jit(move |x: Tensor| vmap_with(NAMED, gather, Axis::At(0), Axis::At(0))(x)).on(&client());
    close(&many, &one.call((&x,)).unwrap());
}

#[test]
fn trees_keys_and_chosen_devices() {
    let client = client();
    let devices: Vec<_> = [6, 1, 3].map(|i| client.devices()[i].clone()).into();
    let mesh = Mesh::of(&client, devices, [("d", 3)]).unwrap();
    let f = |(a, b): (Tensor, Vec<Tensor>), key: Key| (vec![a + b[0], b[1]], key.normal([2], raxla::DType::F32));
    let axes = (PerLeaf((Axis::At(0), vec![Axis::At(1), Axis::Shared])), Axis::At(0));
    let (a, b, c) = (numbers(&[3, 2]), numbers(&[2, 3]), numbers(&[1]));
    let words = Array::on(&client, [3, 2], &[0u32, 1, 0, 2, 0, 3]).unwrap();
    let keys = jit(|w: Tensor| Key::from_data(w)).on(&client).call((&words,)).unwrap();
    let g = pmap(&mesh, f, axes.clone(), Axis::At(0));
    let (v, n) = g.call(((a.clone(), vec![b.clone(), c.clone()]), &keys)).unwrap();
    let ids: Vec<_> = v[0].addressable_shards().iter().map(|s| s.device.id()).collect();
    assert_eq!(ids, [6, 1, 3].map(|i| client.devices()[i].id()));
    let one =
        jit(move |x: (Tensor, Vec<Tensor>), k: Key| vmap_axes(|(x, k)| f(x, k), axes.clone(), Axis::At(0))((x, k)));
    let want = one.on(&client).call(((a, vec![b, c]), &keys)).unwrap();
    close(&v[0], &want.0[0]);
    close(&v[1], &want.0[1]);
    close(&n, &want.1);
}

#[test]
fn what_cannot_be_mapped_is_named() {
    let text = |dims: &[usize], axis: isize| {
        let f = pmap(&mesh(), |(x, _): (Tensor, Tensor)| x, (Axis::At(axis),), Axis::At(0));
        f.call(((numbers(&[8, 2]), numbers(dims)),)).unwrap_err().to_string()
    };
    let error = text(&[16, 2], 0);
    assert!(
        error.contains("the argument `0.1` has 16 instances (axis 0 of f32[16, 2]), but the mesh i=8 has 8 devices"),
        "{error}"
    );
    let error = text(&[8], 1);
    assert!(error.contains("the argument `0.0` has 2 instances (axis 1 of f32[8, 2])"), "{error}");
    let error = text(&[8, 2], 2);
    assert!(error.contains("the argument `0.0` (f32[8, 2]) has no axis 2"), "{error}");
    let grid = Mesh::new(&client(), [("x", 4), ("y", 2)]).unwrap();
    let f = pmap(&grid, |x: Tensor| x, Axis::At(0), Axis::At(0));
    let error = f.call((numbers(&[8]),)).unwrap_err().to_string();
    assert!(error.contains("`pmap` maps over one axis, but the mesh x=4,y=2 has 2"), "{error}");
    let f = pmap(&mesh(), |x: Tensor| x, Axis::At(0), Axis::At(2));
    let error = f.call((numbers(&[8]),)).unwrap_err().to_string();
    assert!(error.contains("the result cannot get an axis 2: with it, its rank is 1"), "{error}");
    assert!(error.contains("tests/pmap.rs"), "{error}");
}
