//! docs/errors.md is true: every variant has a section there, and every message below is shown word for word.
//!
//! A test that fails prints the message as it is now. What depends on environment variables runs in a child process.
use proc_macro2::{TokenStream, TokenTree};
use raxla::{
    Array, Aval, Axis, DType, Host, Key, Mesh, P, Tensor, Tree, checkpoint::CheckpointManager, cond, custom_jvp,
    debug_assert, debug_check, debug_nans, distributed, einsum, grad, jit, jit::Buckets, literal, prim::CustomCall,
    psum, runtime, scan, scope, shard_map, trace::trace_graph, tree, vjp, vmap, vmap_axes, while_loop, zeros,
};
use raxla_graphs::{
    Beams, Draft, Generation, LoadError, LoadOptions, Model, Sampling, hub::HubOptions, source::Source,
    weights::Weights,
};
use raxla_xla::{DType::F32, Plugin, find_plugin};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const PAGE: &str = include_str!("../../docs/errors.md");

/// The page shows this message, after what differs from run to run is replaced.
#[track_caller]
fn assert_shown(message: &str, replace: &[(&str, &str)]) {
    let mut shown = message.to_string();
    for (from, to) in replace {
        shown = shown.replace(from, to);
    }
    // every line of the user's program is line 12 of src/model.rs
    let parts: Vec<&str> = shown.split("graphs/tests/errors_documented.rs:").collect();
    let rest =
        parts[1..].iter().map(|p| format!("src/model.rs:12{}", p.trim_start_matches(|c: char| c.is_ascii_digit())));
    let shown = parts[..1].iter().map(ToString::to_string).chain(rest).collect::<String>();
    let wanted = format!("```text\nerror: {shown}\n```");
    assert!(PAGE.contains(&wanted), "docs/errors.md lacks:\n{wanted}");
}

/// The variants of the enum `name`, read from its source.
fn variants(source: &str, name: &str) -> Vec<String> {
    let tokens: Vec<TokenTree> = source.parse::<TokenStream>().expect("Rust").into_iter().collect();
    let is = |t: &TokenTree, word: &str| t.to_string() == word;
    let body = tokens.windows(3).find_map(|t| match &t[2] {
        TokenTree::Group(g) if is(&t[0], "enum") && is(&t[1], name) => Some(g.stream()),
        _ => None,
    });
    // the first word after each comma that is in no attribute
    let mut found = vec![];
    let mut begins = true;
    for t in body.expect("the enum is in its file") {
        match t {
            TokenTree::Ident(word) if begins => {
                found.push(word.to_string());
                begins = false;
            }
            TokenTree::Punct(p) if p.as_char() == ',' => begins = true,
            _ => {}
        }
    }
    found
}

#[test]
fn every_variant_has_a_section() {
    for (source, path, name, at_least) in [
        (include_str!("../../src/error.rs"), "raxla", "Error", 6),
        (include_str!("../src/error.rs"), "raxla_graphs", "Error", 3),
        (include_str!("../src/error.rs"), "raxla_graphs", "LoadError", 10),
        (include_str!("../../xla_extension/src/error.rs"), "raxla_xla", "Code", 16),
        (include_str!("../../data/src/error.rs"), "raxla_data", "Error", 9),
        (include_str!("../src/training/run/error.rs"), "raxla_graphs::training::run", "Error", 7),
    ] {
        let found = variants(source, name);
        assert!(found.len() >= at_least, "{path}::{name}: {found:?}");
        for variant in found {
            let heading = format!("\n### {path}::{name}::{variant}\n");
            let row = format!("\n| `{variant}` |");
            let there = if name == "Code" { PAGE.contains(&row) } else { PAGE.contains(&heading) };
            assert!(there, "docs/errors.md has nothing about {path}::{name}::{variant}");
        }
    }
}

type Program = fn(&[Tensor]) -> Vec<Tensor>;

/// Wrong programs and the types of their arguments, in the order of the page.
fn wrong_programs() -> Vec<(Vec<Aval>, Program)> {
    let f32s = |dims: &[usize]| Aval::new(F32, dims);
    let (m, i32s) = (f32s(&[4, 8]), |dims: &[usize]| Aval::new(DType::I32, dims));
    vec![
        (vec![m.clone(), f32s(&[4, 3])], |x| vec![scope("mlp", || x[0] + x[1])]),
        (vec![m.clone(), Aval::new(DType::BF16, [4, 8])], |x| vec![x[0] * x[1]]),
        (vec![Aval::new(DType::U8, [3])], |x| vec![x[0].clip(-1, 300)]),
        (vec![], |_| vec![zeros([1 << 40, 1 << 40], F32)]),
        (vec![i32s(&[3])], |x| vec![x[0].tanh()]),
        (vec![m.clone()], |x| vec![x[0].sum(2)]),
        (vec![m.clone()], |x| {
            let [_batch, _time, _width] = x[0].shape();
            vec![]
        }),
        (vec![m.clone()], |x| vec![x[0].reshape([5, 7])]),
        (vec![m.clone()], |x| vec![x[0].slice_axis(1, 4..9)]),
        (vec![m.clone()], |x| {
            let [a, b] = x[0].unstack();
            vec![a, b]
        }),
        (vec![m.clone(), f32s(&[3, 8])], |x| vec![einsum("bi,io->bo", x[0], x[1])]),
        (vec![m.clone(), f32s(&[8, 3])], |x| vec![einsum("bi,io->bz", x[0], x[1])]),
        (vec![m.clone(), f32s(&[2])], |x| vec![x[0].take(x[1], 0)]),
        (vec![], |_| vec![literal(Host::floats(F32, [32768], vec![0.5; 32768]))]),
        (vec![f32s(&[8]), f32s(&[3, 8])], |x| vec![scan(|h, _: Tensor| (h.expand_dims(0), ()), x[0], x[1]).0]),
        (vec![f32s(&[3]), f32s(&[4])], |x| {
            vec![scan(|c, (a, b): (Tensor, Tensor)| (c, a + b), x[0].sum(0), (x[0], x[1])).1]
        }),
        (vec![f32s(&[])], |x| vec![while_loop(|c| c, |c| c, x[0])]),
        (vec![f32s(&[])], |x| vec![cond(x[0].gt(0.0), |x: Tensor| x, |x| x.gt(1.0), x[0])]),
        (vec![f32s(&[])], |x| vec![grad(|x: Tensor| while_loop(|c| c.lt(9.0), |c| c * c, x))(x[0])]),
        (vec![m.clone()], |x| vec![grad(|x: Tensor| x * x)(x[0])]),
        (vec![i32s(&[3])], |x| vec![grad(|x: Tensor| x.sum(0))(x[0])]),
        (vec![m.clone()], |x| vec![vjp(|x: Tensor| x.sum(0), x[0]).1(x[0])]),
        (vec![f32s(&[])], |x| {
            let kernel = |x: Tensor| CustomCall::new("my_kernel", [x.aval()]).call(&[x])[0];
            vec![grad(kernel)(x[0])]
        }),
        (vec![f32s(&[])], |x| vec![grad(custom_jvp(|x: Tensor| x, |x: Tensor, dx: Tensor| (x, dx * dx)))(x[0])]),
        (vec![f32s(&[2]), f32s(&[3])], |x| vec![vmap(|(a, b): (Tensor, Tensor)| a + b)((x[0], x[1]))]),
        (vec![f32s(&[2])], |x| vec![vmap_axes(|a: Tensor| a * 2.0, Axis::Shared, Axis::At(0))(x[0])]),
        (vec![], |_| vec![Key::new(0).split_stacked(3).normal([2], F32)]),
    ]
}

#[test]
fn messages_of_wrong_programs_are_shown() {
    for (avals, program) in wrong_programs() {
        let error = trace_graph(&avals, program).map(|g| g.to_string()).expect_err("it is wrong");
        assert_shown(&error.to_string(), &[]);
    }
    let nested = trace_graph(&[Aval::new(F32, [2])], |x| {
        let outer = x[0];
        let _ = jit(move |y: Tensor| y + outer).lower(&(Aval::new(F32, [2]),)).map(|l| l.text);
        vec![outer]
    });
    assert_shown(&nested.expect_err("it captures").to_string(), &[]);
    let outside = std::panic::catch_unwind(|| zeros([2], F32)).expect_err("there is no trace");
    assert_shown(outside.downcast_ref::<String>().expect("a message"), &[]);
}

#[test]
fn messages_of_the_framework_are_shown() {
    let x = Array::from_slice([2, 3], &[0f32; 6]).expect("a device");
    assert_shown(&x.to_vec::<i32>().expect_err("it holds floats").to_string(), &[]);
    let client = runtime::client().expect("a device");
    let short = Array::from_bytes(&client, Aval::new(F32, [2, 3]), &[0; 20]).expect_err("4 bytes are missing");
    assert_shown(&short.to_string(), &[]);
    let few = Array::from_slice([2, 3], &[0f32; 5]).expect_err("one is missing");
    assert_shown(&few.to_string(), &[]);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("model.safetensors");
    let named = |w: [usize; 2], more: &str, n: usize| {
        BTreeMap::from([("w".to_string(), Aval::new(F32, w)), (more.to_string(), Aval::new(F32, [n]))])
    };
    let blank = |a: &Aval| Array::from_bytes(&client, a.clone(), &vec![0; a.bytes()]).expect("a device");
    tree::save(&named([2, 3], "v", 1).map(blank), &path).expect("it is written");
    let other = tree::load(&named([3, 2], "b", 3), &path).map(|_| ()).expect_err("another tree");
    assert_shown(&other.to_string(), &[(&*path.display().to_string(), "model.safetensors")]);
    wrong_checkpoints();
    no_processes();
    let f = jit(|x: Tensor| x.sum(0)).named("sum").donate([0]);
    assert_shown(&f.call((x.clone(),)).expect_err("no result of that type").to_string(), &[]);
    let compiled = jit(|x: Tensor| x.sum(0)).compile_for((&x,)).expect("it compiles");
    let y = Array::from_slice([3], &[0f32; 3]).expect("a device");
    assert_shown(&compiled.run((y.clone(),)).expect_err("another type").to_string(), &[]);
    #[derive(Tree, Clone)]
    struct Batch<T = Tensor> {
        tokens: T,
    }
    let step = jit(|scale: Tensor, b: Batch| b.tokens * scale).named("step").deny_recompile();
    let batch = |t: usize| (Aval::new(DType::I32, []), Batch { tokens: Aval::new(DType::I32, [8, t]) });
    step.prepare(&batch(128), &[]).expect("it compiles");
    assert_shown(&step.prepare(&batch(131), &[]).map(|_| ()).expect_err("another length").to_string(), &[]);
    wrong_buckets();
    #[derive(Tree, Clone)]
    struct Layer<T = Tensor> {
        w: T,
        b: T,
    }
    let check = jit(|l: Layer| scope("mlp", || debug_check(l, "gradients"))).call((Layer {
        w: Array::from_slice([2, 2], &[1f32, f32::NAN, f32::INFINITY, 0.0]).expect("a device"),
        b: Array::from_slice([2], &[f32::NAN; 2]).expect("a device"),
    },));
    assert_shown(&check.map(|_| ()).expect_err("it is not finite").to_string(), &[]);
    let log = jit(debug_nans(|x: Tensor| x.log())).call((Array::from_slice([2], &[1f32, -1.0]).expect("a device"),));
    assert_shown(&log.expect_err("the logarithm of -1").to_string(), &[]);
    let index = jit(|i: Tensor| debug_assert(i.lt(5), "index {} out of 5", i));
    let index = index.call((Array::scalar(7i32).expect("a device"),)).expect_err("7 is not below 5");
    assert_shown(&index.to_string(), &[]);
}

fn wrong_checkpoints() {
    let dir = tempfile::tempdir().expect("a folder");
    let zeros = |dims: &[usize]| Array::from_slice(dims, &vec![0f32; dims.iter().product()]).expect("a device");
    let named =
        |w: &[usize], more: &str| BTreeMap::from([("w".to_string(), zeros(w)), (more.to_string(), zeros(&[3]))]);
    let mut manager = CheckpointManager::open(dir.path(), Default::default()).expect("a folder");
    manager.save(100, &named(&[2, 3], "moment"), Default::default()).expect("it begins");
    manager.wait().expect("it is written");
    let folder = dir.path().display().to_string();
    let other = manager.restore(100, &named(&[3, 2], "moments"), &Default::default()).expect_err("another tree");
    assert_shown(&other.to_string(), &[(&*folder, "run")]);
    let shard = dir.path().join("step_00000100/shard-00001-of-00001.safetensors");
    let mut bytes = fs::read(&shard).expect("it is there");
    *bytes.last_mut().expect("values") ^= 1;
    fs::write(&shard, bytes).expect("it is written");
    let damaged = manager.verify(100).expect_err("one bit is another");
    assert_shown(&damaged.to_string(), &[(&*folder, "run")]);
}

fn no_processes() {
    let nothing =
        distributed::cluster::Environment { variable: &|_| None, metadata: &|_| None, hosts: &String::new, tpu: false };
    let unsaid = distributed::Options::default().place(&nothing).expect_err("nobody says it");
    assert_shown(&unsaid.to_string(), &[]);
}

fn wrong_buckets() {
    #[derive(Tree, Clone)]
    struct Batch<T = Tensor> {
        tokens: T,
        targets: T,
    }
    assert_shown(&Buckets::new([64, 32]).expect_err("they go down").to_string(), &[]);
    let ints = |t: usize| Array::from_slice([8, t], &vec![0i32; 8 * t]).expect("a device");
    let call = |t: [usize; 2], out_axis| {
        let step = |scale: Tensor, b: Batch, _length: Tensor| (b.tokens * b.targets * scale).sum(1);
        let buckets = Buckets::powers_of_two(32, 128).expect("they go up");
        let step = jit(step).named("step").bucketed(buckets, (Axis::Shared, Axis::At(1)), out_axis);
        let batch = Batch { tokens: ints(t[0]), targets: ints(t[1]) };
        step.call((Array::scalar(1i32).expect("a device"), batch)).expect_err("wrong").to_string()
    };
    assert_shown(&call([131, 131], Axis::Shared), &[]);
    assert_shown(&call([5, 6], Axis::Shared), &[]);
    assert_shown(&call([5, 5], Axis::At(0)), &[]);
}

#[test]
fn messages_of_meshes_are_shown() {
    #[derive(Tree, Clone)]
    struct Batch<T = Tensor> {
        tokens: T,
    }
    let client = runtime::client().expect("the CPU plugin");
    assert_shown(&Mesh::new(&client, [("data", 4), ("model", 2)]).expect_err("one device").to_string(), &[]);
    let mesh = Mesh::abstract_mesh([("data", 4)]).expect("a mesh");
    let step = jit(|w: Tensor, b: Batch| b.tokens * w).on(&mesh).in_shardings((P![], P!["data"]));
    let ints = |dims: &[usize]| Aval::new(DType::I32, dims);
    let error = step.lower(&(ints(&[]), Batch { tokens: ints(&[6, 5]) })).err().expect("uneven");
    assert_shown(&error.to_string(), &[]);
    let error = trace_graph(&[Aval::new(F32, [8])], |x| vec![shard_map(&mesh, P!["data"], P![], |x: Tensor| x)(x[0])]);
    assert_shown(&error.expect_err("it differs").to_string(), &[]);
    let apart = |x: Tensor| cond(x.sum(0).gt(0.0), |x: Tensor| psum(x, "data"), |x: Tensor| x, x);
    let error = trace_graph(&[Aval::new(F32, [8])], |x| vec![shard_map(&mesh, P!["data"], P!["data"], apart)(x[0])]);
    assert_shown(&error.expect_err("some wait").to_string(), &[]);
    let options = runtime::Options { cpu_devices: Some(4), ..Default::default() };
    let mesh = Mesh::new(&runtime::client_with(&options).expect("four devices"), [("data", 4)]).expect("a mesh");
    let step = jit(|x: Tensor, w: Tensor| scope("mlp", || einsum("bd,df->bf", x, w))).named("step").on(&mesh);
    let step = step.in_shardings(P!["data"]).deny_implicit_gather(1024);
    let error = step.prepare(&(Aval::new(F32, [16, 64]), Aval::new(F32, [64, 32])), &[]);
    assert_shown(&error.map(|_| ()).expect_err("it gathers").to_string(), &[]);
}

#[test]
fn messages_of_the_runtime_are_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = dir.path().to_str().expect("text").to_string();
    let replace = [(here.as_str(), "/home/me")];
    let missing = find_plugin("cpu", Some(&dir.path().join("plugin.so"))).expect_err("it is not there");
    assert_shown(&missing.to_string(), &replace);
    assert_shown(&find_plugin("gpu", None).expect_err("no such kind").to_string(), &replace);
    fs::write(dir.path().join("plugin.so"), b"").expect("written");
    assert_shown(&Plugin::load(&dir.path().join("plugin.so")).expect_err("empty").to_string(), &replace);
    fs::write(dir.path().join("plugin.so"), b"hello").expect("written");
    assert_shown(&Plugin::load(&dir.path().join("plugin.so")).expect_err("text").to_string(), &replace);
    #[cfg(target_os = "linux")]
    {
        let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
        let libc = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libc."));
        let libc = libc.expect("the C library is loaded");
        let error = Plugin::load(Path::new(libc)).expect_err("no plugin");
        assert_shown(&error.to_string(), &[(libc, "/usr/lib/libc.so.6")]);
    }
    let client = runtime::client().expect("a device");
    let device = &client.devices()[0];
    let add = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
        %0 = stablehlo.add %x, %x : tensor<4xf32>
        return %0 : tensor<4xf32>
    }";
    let add = client.compile(add.as_bytes(), &Default::default()).expect("it compiles");
    let run = |b: &raxla_xla::Buffer| add.execute(&[&[b]], &Default::default()).map(|_| ()).expect_err("refused");
    let ints = client.upload(&[0; 16], DType::I32, &[4], device).expect("memory");
    assert_shown(&run(&ints).to_string(), &replace);
    let gone = client.upload(&[0; 16], F32, &[4], device).expect("memory");
    gone.delete().expect("it was there");
    assert_shown(&run(&gone).to_string(), &replace);
}

/// Run by other tests in a child process: prints the error that the variable `CASE` names.
#[test]
fn child() {
    let outcome = match env::var("CASE").as_deref() {
        Ok("plugin") => find_plugin("cpu", None).and_then(|p| Plugin::load(&p)).map(|_| ()).map_err(|e| e.to_string()),
        Ok("huge") => {
            let table = jit(|| zeros([1 << 42], F32)).named("table");
            table.call(()).and_then(|a| a.ready()).map_err(|e| e.to_string())
        }
        Ok(model) => raxla_graphs::open(model).map(|_| ()).map_err(|e| e.to_string()),
        Err(_) => return,
    };
    println!("<<{}>>", outcome.expect_err("it must fail"));
}

fn in_child(case: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "errors_documented::child", "--nocapture", "--test-threads=1"]).env("CASE", case);
    for name in ["RAXLA_PLUGIN", "PJRT_PLUGIN_LIBRARY_PATH", "RAXLA_OFFLINE", "XLA_FLAGS"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let message = text.split_once("<<").and_then(|(_, rest)| rest.split_once(">>"));
    message.unwrap_or_else(|| panic!("no message in {text}{}", String::from_utf8_lossy(&output.stderr))).0.to_string()
}

#[test]
fn messages_that_depend_on_the_environment_are_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = dir.path().to_str().expect("text");
    let replace = [(here, "/home/me")];
    assert_shown(&in_child("plugin", &[("RAXLA_HOME", here), ("RAXLA_OFFLINE", "1")]), &replace);
    assert_shown(&in_child("smollm2-135m-instruct", &[("RAXLA_HOME", here), ("RAXLA_OFFLINE", "1")]), &replace);
    assert_shown(&in_child("plugin", &[("RAXLA_HOME", here), ("RAXLA_PIP", "no-such-pip")]), &replace);
    // (the process holds more than the limit)
    let free = [("0 bytes of 1.0 kB", "3.6 GB of 4.0 GB")];
    assert_shown(&in_child("huge", &[("RAXLA_MEMORY_LIMIT", "1KB")]), &free);
    assert_shown(&in_child("huge", &[("RAXLA_MEMORY_LIMIT", "1000TB")]), &[]);
    let plugin = find_plugin("cpu", None).expect("a plugin");
    let plugin = plugin.to_str().expect("text");
    let flags = in_child("plugin", &[("RAXLA_PLUGIN", plugin), ("XLA_FLAGS", "--xla_no_such_flag=1")]);
    assert_shown(&flags, &[(plugin, "/home/me/plugin.so")]);
}

/// A copy of a small model whose files can be damaged.
fn small_model(dir: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama_mha_tied");
    let to = dir.join("model");
    fs::create_dir_all(&to).expect("created");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    to
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).expect("written");
}

fn load(model: &Path) -> Result<Model, raxla_graphs::Error> {
    let client = runtime::client().expect("a device");
    let files = raxla_graphs::open(model.to_str().expect("text"))?;
    Model::load(files, &LoadOptions::default(), &client)
}

#[test]
fn messages_of_broken_models_are_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = dir.path().to_str().expect("text").to_string();
    let replace = [(here.as_str(), "/home/me")];
    let shown = |error: raxla_graphs::Error| assert_shown(&error.to_string(), &replace);
    let refused = |model: &Path| load(model).map(|m| m.name).expect_err("it is broken");
    let model = small_model(dir.path());
    edit(&model.join("config.json"), "\"model_type\": \"llama\"", "\"model_type\": \"mamba\"");
    shown(refused(&model));
    small_model(dir.path());
    edit(&model.join("config.json"), "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    shown(refused(&model));
    fs::remove_file(model.join("config.json")).expect("it was there");
    shown(refused(&model));
    small_model(dir.path());
    let bytes = fs::read(model.join("model.safetensors")).expect("it is there");
    fs::write(model.join("model.safetensors"), &bytes[..bytes.len() / 2]).expect("written");
    shown(refused(&model));
    fs::remove_file(model.join("model.safetensors")).expect("it was there");
    shown(refused(&model));
    small_model(dir.path());
    fs::write(model.join("tokenizer.json"), "{}").expect("written");
    shown(load(&model).and_then(|m| m.tokenizer().map(|_| ())).expect_err("its tokenizer is broken"));
    let weights = Weights::open(&model).expect("whole");
    shown(weights.read_f32("lm_head.weight").expect_err("it is tied").into());
    let taken = dir.path().join("converted");
    fs::create_dir(&taken).and_then(|()| fs::write(taken.join("file"), "")).expect("written");
    shown(raxla_graphs::convert(model.to_str().expect("text"), &taken, &Default::default()).expect_err("it is taken"));
    let pickled = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints/refused/namespace.bin");
    fs::copy(pickled, dir.path().join("model.pt")).expect("copied");
    shown(Weights::open(dir.path().join("model.pt")).expect_err("it needs a class").into());
    shown(
        raxla_graphs::template::render("{{ oops(", &[] as &[()], None, None, true, &Default::default())
            .map(drop)
            .expect_err("no template")
            .into(),
    );
}

#[test]
fn messages_of_wrong_requests_are_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let hub = HubOptions { offline: true, cache: Some(dir.path().to_path_buf()), ..HubOptions::from_env() };
    let replace = [(dir.path().to_str().expect("text"), "/home/me")];
    let resolve = |name: &str| -> LoadError { Source::resolve(name, &hub).expect_err("it is not here") };
    assert_shown(&resolve("gtp2-medium").to_string(), &replace);
    assert_shown(&resolve("hf:HuggingFaceTB/SmolLM2-360M").to_string(), &replace);
    let model = load(&small_model(dir.path())).expect("a model");
    let generate = |tokens: &[u32], sampling: Sampling| {
        let options = Generation { sampling, ..Generation::default() };
        let go = |_| Ok(std::ops::ControlFlow::Continue(()));
        model.generate_tokens(tokens, &options, go).map(|g| g.text).expect_err("it is wrong").to_string()
    };
    let vocab = model.spec().vocab();
    assert_shown(&generate(&[vocab as u32], Sampling::default()), &replace);
    assert_shown(&generate(&vec![1; 5000], Sampling::default()), &replace);
    assert_shown(&generate(&[1], Sampling { top_p: 1.5, ..Sampling::default() }), &replace);
    let bias = Sampling { logit_bias: [(vocab as u32, 1.0)].into(), ..Sampling::default() };
    assert_shown(&generate(&[1], bias), &replace);
    let (options, go) =
        (Generation { samples: 2, ..Generation::default() }, |_| Ok(std::ops::ControlFlow::Continue(())));
    assert_shown(&model.generate_tokens(&[1], &options, go).expect_err("it is wrong").to_string(), &replace);
    let options =
        Generation { sampling: Sampling { temperature: 1.0, ..Sampling::default() }, ..Generation::default() };
    let searched = model.beam_search_tokens(&[1], &Beams::default(), &options);
    assert_shown(&searched.expect_err("it is wrong").to_string(), &replace);
    let drafted = model.generate_speculative_tokens(Draft::Lookup(2), 0, &[1], &Generation::default(), go);
    assert_shown(&drafted.expect_err("it is wrong").to_string(), &replace);
}
