//! What jit finds a program by: values, and not their texts. Who waits for whom while a program is made.
use raxla::{
    Mesh, Policy, RematOptions, grad, literal,
    prelude::*,
    remat_with,
    runtime::{self, Client},
};
use std::{
    sync::{
        Arc, Barrier, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

fn array(n: usize) -> Array {
    Array::from_slice([n], &vec![1f32; n]).unwrap()
}
fn scalar(x: f32) -> Array {
    Array::scalar(x).unwrap()
}
fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(4), ..Default::default() };
    CLIENT.get_or_init(|| runtime::client_with(&options).unwrap())
}

#[derive(Tree, Clone, Debug)]
struct Looked<T = Tensor> {
    x: T,
    #[tree(skip)]
    table: Host,
}

/// Texts of tables end after 16 elements.
#[test]
fn tables_that_differ_in_their_last_element_are_two_programs() {
    let f = jit(|m: Looked| m.x * literal(m.table.clone()).sum(0));
    let table = |last: f64| {
        let mut table: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        table[99] = last;
        Looked { x: scalar(2.0), table: Host::floats(DType::F32, [100], table) }
    };
    assert_eq!(format!("{:?}", table(1.0).table), format!("{:?}", table(101.0).table), "the texts are alike");
    for (last, want, compiles) in [(1.0, 100.0, 1), (101.0, 300.0, 2), (1.0, 100.0, 2), (101.0, 300.0, 2)] {
        assert_eq!((f.call((&table(last),)).unwrap().item::<f32>().unwrap(), f.compiles()), (want, compiles));
    }
}

#[derive(Tree, Clone, Debug)]
struct Placed<T = Tensor> {
    x: T,
    #[tree(skip)]
    mesh: Mesh,
}

/// Their texts say their axes only.
#[test]
fn meshes_of_other_devices_are_two_programs() {
    let f = jit(|m: Placed| m.x + m.mesh.devices()[0].id() as f64);
    let devices = client().devices();
    let on = |first: usize| {
        let mesh = Mesh::of(client(), devices[first..first + 2].to_vec(), [("data", 2)]).unwrap();
        Placed { x: scalar(0.5), mesh }
    };
    assert_eq!(format!("{:?}", on(0).mesh), format!("{:?}", on(2).mesh), "the texts are alike");
    for (first, compiles) in [(0, 1), (2, 2), (0, 2)] {
        let want = devices[first].id() as f32 + 0.5;
        assert_eq!((f.call((&on(first),)).unwrap().item::<f32>().unwrap(), f.compiles()), (want, compiles));
    }
}

#[derive(Tree, Clone, Debug)]
struct Saving<T = Tensor> {
    x: T,
    #[tree(skip)]
    policy: Policy,
}

#[test]
fn custom_policies_are_equal_to_their_clones_only() {
    let f = jit(|m: Saving| {
        let options = RematOptions { policy: m.policy.clone(), ..Default::default() };
        grad(remat_with(options, |x: Tensor| x.sin().exp()))(m.x)
    });
    let custom = |name: &'static str| Policy::Custom(Arc::new(move |p, _| p.name() == name));
    let (sines, exponentials) = (custom("sin"), custom("exp"));
    let policies = [&sines, &exponentials, &sines.clone(), &Policy::SaveDots, &Policy::SaveNames(vec!["a".into()])];
    for (policy, compiles) in policies.into_iter().zip([1, 2, 2, 3, 4]) {
        let y = f.call((&Saving { x: scalar(1.0), policy: policy.clone() },)).unwrap().item::<f32>().unwrap();
        assert!((y - 1f32.sin().exp() * 1f32.cos()).abs() < 1e-5);
        assert_eq!(f.compiles(), compiles, "{policy:?}");
    }
}

#[derive(Tree, Clone, Debug)]
struct Scaled<T = Tensor> {
    x: T,
    #[tree(skip)]
    by: f32,
}

#[test]
fn floats_are_compared_by_their_bits() {
    let f = jit(|m: Scaled| m.x / full([], DType::F32, m.by));
    let call = |by: f32| f.call((&Scaled { x: scalar(1.0), by },)).unwrap().item::<f32>().unwrap();
    assert_eq!((call(0.0), call(-0.0), f.compiles()), (f32::INFINITY, f32::NEG_INFINITY, 2));
    assert!(call(f32::NAN).is_nan() && call(f32::NAN).is_nan());
    assert_eq!(f.compiles(), 3);
}

#[test]
fn calls_of_known_shapes_do_not_wait_for_a_new_one() {
    let ((started, is_started), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let may_go_on = Mutex::new(may_go_on);
    let f = jit(move |x: Tensor| {
        if x.dim(0) == 2 {
            started.send(()).expect("the test listens");
            let waited = may_go_on.lock().unwrap().recv_timeout(Duration::from_secs(60));
            waited.expect("the other calls waited for this one");
        }
        x * 2.0
    });
    f.call((array(1),)).unwrap();
    thread::scope(|s| {
        let slow = s.spawn(|| f.call((array(2),)).unwrap().to_vec::<f32>().unwrap());
        is_started.recv().unwrap();
        for n in [1, 3, 3, 1] {
            assert_eq!(f.call((array(n),)).unwrap().to_vec::<f32>().unwrap(), vec![2.0; n]);
        }
        go_on.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), [2.0, 2.0]);
    });
    assert_eq!(f.compiles(), 3);
}

#[test]
fn threads_that_need_one_new_program_make_it_once() {
    let traced = Arc::new(AtomicUsize::new(0));
    let count = traced.clone();
    let f = jit(move |x: Tensor| {
        count.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
        x + 1.0
    });
    let (together, threads) = (Barrier::new(4), 0..4);
    thread::scope(|s| {
        for _ in threads {
            s.spawn(|| {
                together.wait();
                assert_eq!(f.call((array(3),)).unwrap().to_vec::<f32>().unwrap(), [2.0; 3]);
            });
        }
    });
    assert_eq!((traced.load(Ordering::Relaxed), f.compiles()), (1, 1));
}

/// Nothing is concluded from a program's text, in which names that users choose stand too.
#[test]
fn a_scope_may_have_any_name() {
    let mesh = Mesh::new(client(), [("data", 2)]).unwrap();
    let f = jit(|x: Tensor| scope("raxla_debug", || x * 2.0));
    let on_mesh = f.on(&mesh);
    assert!(on_mesh.lower(&(Aval::new(DType::F32, [2]),)).unwrap().text.contains("raxla_debug"));
    assert_eq!(on_mesh.call((array(2),)).unwrap().to_vec::<f32>().unwrap(), [2.0, 2.0]);
}
