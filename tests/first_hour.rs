//! What a newcomer meets first: errors as `main` shows them, numbers and keys as arguments, one expression now, arrays as text,
//! compiled functions in structs, code for any tree, first values, trees in files.
use raxla::{
    Error, Refusal, Rules, TraceError, jit::BoxJit, nn, optim::*, prelude::*, random, runtime, trace::trace_graph, tree,
};
use std::{collections::BTreeMap, fmt, process::Termination};

fn array(v: &[f32]) -> Array {
    Array::from_slice([v.len()], v).unwrap()
}

/// An error's `Debug` is its `Display`.
fn alike<E: fmt::Debug + fmt::Display>(e: E) {
    assert_eq!(format!("{e:?}"), e.to_string());
}

#[test]
fn errors_that_main_returns_are_messages() {
    let f = jit(|x: Tensor, y: Tensor| x + y);
    let error = f.call((array(&[1., 2.]), array(&[1., 2., 3.]))).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("add of f32[2] and f32[3]: the shapes do not broadcast\n  at tests/first_hour.rs:"),
        "{text}"
    );
    let boxed: Box<dyn std::error::Error> = Box::new(f.call((array(&[1.]), 1i32)).unwrap_err());
    assert_eq!(format!("{boxed:?}"), boxed.to_string());
    let Error::Trace(inner) = &error else { panic!("{error}") };
    alike::<TraceError>((**inner).clone());
    alike(error);
    alike(array(&[1.]).to_vec::<i32>().unwrap_err());
    alike(Refusal::new("a reason").help("a remedy"));
    alike(raxla_xla::Error::new(raxla_xla::Code::NotFound, "no file").help("name another"));
    alike("f99".parse::<DType>().unwrap_err());
    let shown: raxla::Result<()> = Err(Error::from(Refusal::new("a reason").help("a remedy")));
    assert_eq!(format!("{shown:?}"), "Err(a reason\n  help: a remedy)");
    let _ = shown.report(); // on stderr: `Error: a reason`, and the help below
}

#[test]
fn numbers_and_keys_are_arguments() {
    let f = jit(|x: Tensor, rate: Tensor, key: Key| x * rate + key.normal([2], DType::F32));
    let x = array(&[1., 2.]);
    let y = f.call((&x, 0.5f32, Key::host(0))).unwrap().to_vec::<f32>().unwrap();
    let key = Key::host(0);
    assert_eq!(f.call((&x, 0.5f32, &key)).unwrap().to_vec::<f32>().unwrap(), y, "borrowed");
    let rate = Array::scalar(0.5f32).unwrap();
    let same = f.call((&x, rate, Key::host(0).to_device().unwrap())).unwrap().to_vec::<f32>().unwrap();
    assert_eq!((y, f.compiles()), (same, 1));
    // of their own types
    let types = jit(|a: Tensor, b: Tensor, c: Tensor, d: Tensor| [a, b, c, d]).call((1i64, true, 2u8, 0.5f64)).unwrap();
    assert_eq!(types.map(|t| t.dtype()), [DType::I64, DType::Bool, DType::U8, DType::F64]);
    let error = jit(|x: Tensor, rate: Tensor| x * rate).call((&x, 0.5)).unwrap_err().to_string();
    assert!(error.contains("mul of f32[2] and f64[]: the dtypes differ") && error.contains("`0.5f32`"), "{error}");
    // over a mesh every device gets them
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(2), ..Default::default() }).unwrap();
    let mesh = Mesh::new(&client, [("data", 2)]).unwrap();
    let x = x.put(&mesh.sharding(P!["data"])).unwrap();
    let times = |x: Tensor, rate: Tensor| x * rate;
    for f in [jit(times).on(&mesh), jit(times)] {
        assert_eq!(f.call((&x, 3f32)).unwrap().to_vec::<f32>().unwrap(), [3., 6.]);
    }
}

#[test]
fn an_expression_runs_now() {
    let x = array(&[1., 4.]);
    for (i, want) in [[1., 2.], [1., 2.], [1., 2.]].iter().enumerate() {
        assert_eq!(eager(|x: Tensor| x.sqrt(), (&x,)).unwrap().to_vec::<f32>().unwrap(), want, "{i}");
    }
    assert_eq!(eager(|| arange(3, DType::I32), ()).unwrap().to_string(), "[0 1 2]");
    let by = |n: i32| eager(move |x: Tensor| x * n, (&x,)).unwrap().to_vec::<f32>().unwrap();
    assert_eq!([by(2), by(3), by(2)], [[2., 8.], [3., 12.], [2., 8.]]);
    let error = eager(|x: Tensor, y: Tensor| x + y, (&x, 1i32)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("at tests/first_hour.rs:"), "{text}");
    let moved = eager(|x: Tensor| x + 1, (x,)).unwrap();
    assert_eq!(moved.to_vec::<f32>().unwrap(), [2., 5.]);
}

#[test]
fn arrays_display_as_in_numpy() {
    let x = Array::from_slice([2, 2], &[1f64, 0.5, -3., 0.25]).unwrap();
    assert_eq!(x.to_string(), "[[ 1.    0.5 ]\n [-3.    0.25]]");
    assert_eq!(x.to_host().unwrap().to_string(), x.to_string());
    assert_eq!(format!("{} {}", Array::scalar(0.1f32).unwrap(), Array::scalar(-7i32).unwrap()), "0.1 -7");
}

/// A compiled function in a struct.
struct Scaler {
    scale: BoxJit<(Tensor, Tensor), Tensor>,
}

#[test]
fn compiled_functions_are_kept_in_structs_and_shared_by_threads() {
    let power = 2;
    let scaler = Scaler { scale: jit(move |x: Tensor, by: Tensor| x.powi(power) * by).named("scale").boxed() };
    let run = |by: f32| scaler.scale.call((&array(&[1., 2.]), by)).unwrap().to_vec::<f32>().unwrap();
    let both = std::thread::scope(|s| [2f32, 3.].map(|by| s.spawn(move || run(by))).map(|t| t.join().unwrap()));
    assert_eq!((both, scaler.scale.compiles()), ([vec![2., 8.], vec![3., 12.]], 1));
    assert!(scaler.scale.explain().to_string().starts_with("`scale`: 1 program"));
    // programs that are there stay
    let f = jit(|x: Tensor| x + 1);
    f.call((1f32,)).unwrap();
    let f = f.boxed();
    f.call((1f32,)).unwrap();
    assert_eq!(f.compiles(), 1);
}

#[derive(Tree, Clone, Debug)]
struct Line<T = Tensor> {
    slope: T,
    offset: Option<T>,
}

#[test]
fn dicts_are_trees() {
    let m = BTreeMap::from([("b".to_string(), array(&[1.])), ("a".to_string(), array(&[2., 3.]))]);
    assert_eq!(m.paths(), ["a", "b"]);
    let f = jit(|m: BTreeMap<String, Tensor>| BTreeMap::from([("sum".to_string(), m["a"] + m["b"])]));
    assert_eq!(f.call((&m,)).unwrap()["sum"].to_vec::<f32>().unwrap(), [3., 4.]);
    let other = BTreeMap::from([("b".to_string(), array(&[1.])), ("c".to_string(), array(&[2., 3.]))]);
    assert_ne!(m.structure(), other.structure());
}

#[test]
fn parameters_are_made_on_one_device() {
    let w = Param::new([3, 2], ["in", "out"]).normal(0.5);
    let spec = Line { slope: w, offset: Some(Param::new([2], ["out"]).ones()) };
    let m = spec.init(Key::host(3)).unwrap();
    assert_eq!(m.offset.as_ref().unwrap().to_vec::<f32>().unwrap(), [1., 1.]);
    let same = raxla::param::init_on(&spec, &Key::host(3), &runtime::client().unwrap()).unwrap();
    assert_eq!(m.slope.to_vec::<f32>().unwrap(), same.slope.to_vec::<f32>().unwrap());
    // beside a model there is its optimizer
    let opt = adamw(1e-3, Default::default()).init(&m).unwrap();
    assert_eq!(opt.get("mu").unwrap().leaves()[0].dims(), [3, 2]);
    let sgd = sgd(0.1, SgdOptions { momentum: Some(0.9), ..Default::default() }).init(&m).unwrap();
    assert_eq!(sgd.get("trace").unwrap().leaves()[0].dims(), [3, 2]);
}

#[test]
fn keys_are_used_again_by_closures_and_dropout_keeps_the_mean() {
    let f = jit(|x: Tensor, key: Key| {
        let slope = grad(|x: Tensor| nn::dropout(x, 0.25, key.again()).sum(..))(x);
        let dropped = nn::dropout(x, 0.25, key.again());
        (slope, dropped, key.bernoulli([1000], 0.75), nn::dropout(x, 0.0, Key::new(1)))
    });
    let (slope, dropped, kept, all) = f.call((array(&[3.; 1000]), Key::host(0))).unwrap();
    let (slope, dropped) = (slope.to_vec::<f32>().unwrap(), dropped.to_vec::<f32>().unwrap());
    for (i, kept) in kept.to_vec::<bool>().unwrap().into_iter().enumerate() {
        let want = if kept { (1f32 / 0.75, 3f32 / 0.75) } else { (0., 0.) };
        assert_eq!((slope[i], dropped[i]), want, "the same mask in each call, and that of Flax");
    }
    assert_eq!(all.to_vec::<f32>().unwrap(), [3.; 1000]);
    let wrong = trace_graph(&[Aval::new(DType::F32, [2])], |x| vec![nn::dropout(x[0], 1.5, Key::new(0))]).unwrap_err();
    assert_eq!((&*wrong.op, &*wrong.reason), ("dropout", "the rate 1.5 is not from 0 to 1"));
    let _: random::Key<Host> = Key::host(0);
}

#[test]
fn tensors_are_added_to_in_place() {
    let sum = eager(
        |x: Tensor| {
            let mut sum = x;
            sum += x;
            sum *= 3.0;
            sum -= 1;
            sum /= 2.0;
            sum
        },
        (array(&[1., 2.]),),
    );
    assert_eq!(sum.unwrap().to_vec::<f32>().unwrap(), [2.5, 5.5]);
}

#[test]
fn the_rest_of_a_shape_is_found() {
    let x = Aval::new(DType::F32, [4, 6]);
    let shape = |dims: Vec<usize>| {
        trace_graph(std::slice::from_ref(&x), |t| vec![t[0].reshape(dims)])
            .map(|g| g.out_avals()[0].dims.clone())
            .map_err(|e| (e.reason, e.help.unwrap_or_default()))
    };
    assert_eq!(shape(vec![REST]), Ok(vec![24]));
    assert_eq!(shape(vec![3, REST, 2]), Ok(vec![3, 4, 2]));
    let help = "one size may be open, and the others must divide the 24 elements".to_string();
    for (dims, text) in [(vec![5, REST], "[5, REST]"), (vec![REST, REST], "[REST, REST]"), (vec![0, REST], "[0, REST]")]
    {
        assert_eq!(shape(dims), Err((format!("it cannot become {text}"), help.clone())));
    }
}

#[test]
fn what_a_loop_keeps_aside_is_to_be_returned() {
    let f = jit(|x: Tensor| {
        let mut log = vec![];
        let body = |c: Tensor, x: Tensor| {
            log.push(c);
            (c + x, ())
        };
        scan(body, x.sum(0), x).0 + log[0]
    });
    let error = f.call((array(&[1., 2.]),)).unwrap_err().to_string();
    assert!(error.contains("a tensor outlived the trace that made it\n  at tests/first_hour.rs:"), "{error}");
    assert!(error.contains("\n  help: return it from the function that made it"), "{error}");
}

#[test]
fn specs_rules_and_data_that_do_not_fit_say_what_does() {
    assert_eq!(Rules::new::<&str, &str>([]), Rules::default());
    let few = Array::from_slice([3], &[1f32, 2.]).unwrap_err().to_string();
    assert!(
        few.starts_with("making an array f32[3]: the data has 2 elements, but it takes 3 elements\n  help: "),
        "{few}"
    );
}

#[test]
fn trees_are_saved_and_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("line.safetensors");
    let half = Array::from_host(&Host::floats(DType::BF16, [2, 2], vec![1., 2., 3., 4.])).unwrap();
    let model = Line { slope: half, offset: Some(Array::from_slice([1], &[true]).unwrap()) };
    let opt = adam(1e-3, Default::default()).init(&model).unwrap();
    tree::save(&model, &path).unwrap();
    let loaded = tree::load(&model, &path).unwrap();
    assert_eq!(loaded.slope.to_host().unwrap().to_f64(), [1., 2., 3., 4.]);
    assert!(loaded.offset.unwrap().item::<bool>().unwrap());
    // a file is replaced as a whole; a tuple has its elements' numbers in front
    tree::save(&(model, opt), &path).unwrap();
    let file = std::fs::read(&path).unwrap();
    let names = safetensors_names(&file);
    assert_eq!(
        names,
        ["0.offset", "0.slope", "1.0.count", "1.0.mu.offset", "1.0.mu.slope", "1.0.nu.offset", "1.0.nu.slope"]
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");

    let like = Line { slope: Aval::new(DType::F32, [2, 2]), offset: None };
    let error = tree::load(&like, &path).unwrap_err().to_string();
    assert!(
        error.contains("it does not hold this tree\n  `slope` (f32[2, 2]) is not in it\n  `0.offset` is in it"),
        "{error}"
    );
    std::fs::write(&path, &file[..file.len() - 1]).unwrap();
    let error = tree::load(&like, &path).unwrap_err().to_string();
    assert!(error.contains("line.safetensors: it is no whole safetensors file"), "{error}");
    let error = tree::load(&like, dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("it cannot be read: ") && error.contains("\n  help: "), "{error}");

    let four = Array::from_host(&Host::ints(DType::I4, [2], vec![1, -1])).unwrap();
    let error = tree::save(&four, &path).unwrap_err().to_string();
    assert!(error.contains("a dtype that safetensors does not have"), "{error}");
    let error = tree::save(&array(&[1.]), dir.path().join("no/folder/x")).unwrap_err().to_string();
    assert!(error.contains("it cannot be written: ") && error.contains("\n  help: "), "{error}");
    let colliding = BTreeMap::from([
        ("a".to_string(), BTreeMap::from([("b.c".to_string(), array(&[1.]))])),
        ("a.b".to_string(), BTreeMap::from([("c".to_string(), array(&[1.]))])),
    ]);
    assert!(tree::save(&colliding, &path).unwrap_err().to_string().contains("two leaves have the path `a.b.c`"));
}

/// The names in the header of a safetensors file, sorted.
fn safetensors_names(file: &[u8]) -> Vec<String> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut names: Vec<String> = header.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn divided_trees_are_loaded_where_they_are() {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(2), ..Default::default() }).unwrap();
    let mesh = Mesh::new(&client, [("data", 2)]).unwrap();
    let x = array(&[1., 2.]).put(&mesh.sharding(P!["data"])).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    tree::save(&vec![x.clone()], &path).unwrap();
    let loaded = tree::load(&vec![x.clone()], &path).unwrap().remove(0);
    assert_eq!((loaded.sharding(), loaded.to_vec::<f32>().unwrap()), (x.sharding(), vec![1., 2.]));
}
