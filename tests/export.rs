//! Programs that leave the process and come back: modules, JAX's artifacts, compiled programs.
use raxla::{
    Error,
    export::{self, Exported, Packed, Program, PyTree, Symbolic},
    prelude::*,
    runtime, tree,
};
use std::{collections::BTreeMap, path::PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jax_export").join(name)
}
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}
/// What the program makes of JAX's inputs is what JAX made, within 1e-6 of its size.
#[track_caller]
fn agrees(program: &Program, case: &str) {
    let named = |list: &[(String, Aval)], by_number: bool| -> BTreeMap<String, Aval> {
        let name = |i: usize, name: &String| if by_number { i.to_string() } else { name.clone() };
        list.iter().enumerate().map(|(i, (n, aval))| (name(i, n), aval.clone())).collect()
    };
    let inputs = tree::load(&named(program.arguments(), true), fixture(&format!("{case}.inputs.safetensors"))).unwrap();
    let outputs = tree::load(&named(program.results(), true), fixture(&format!("{case}.outputs.safetensors"))).unwrap();
    let args: Vec<&Array> = (0..inputs.len()).map(|i| &inputs[&i.to_string()]).collect();
    for (i, y) in program.run(&args).unwrap().iter().enumerate() {
        let (have, want) = (y.to_host().unwrap().to_f64(), outputs[&i.to_string()].to_host().unwrap().to_f64());
        let near = have.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-6 * (1.0 + b.abs()));
        assert!(near && have.len() == want.len(), "{case}, result {i}: {have:?} and not {want:?}");
    }
}

#[test]
fn what_jax_exported_runs_and_gives_what_jax_computes() {
    let client = runtime::client().unwrap();
    for case in ["mlp", "x64", "platforms", "unused"] {
        for form in ["mlir", "mlirbc", "jax"] {
            if ["platforms", "unused"].contains(&case) && form != "jax" {
                continue;
            }
            agrees(&export::load(&bytes(&format!("{case}.{form}")), &client).unwrap(), case);
        }
    }
    let mlp = Exported::deserialize(&bytes("mlp.jax")).unwrap();
    assert_eq!(mlp.in_paths(), ["0.b", "0.w", "1", "scale"]);
    assert_eq!(mlp.out_paths(), ["0.n", "0.y", "1"]);
    agrees(&Program::of(mlp.vjp().unwrap(), &client).unwrap(), "mlp_vjp");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let client = runtime::client().unwrap();
    let refused = |name: &str, part: &str| {
        let error = export::load(&bytes(name), &client).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("help: "), "{name}: {error}");
    };
    refused("symbolic.jax", "symbolic");
    refused("symbolic.mlir", "axes whose size is not known");
    let artifact = bytes("symbolic.jax");
    let module = artifact.windows(4).position(|part| part == b"ML\xefR").unwrap();
    let length = u32::from_le_bytes(artifact[module - 4..module].try_into().unwrap()) as usize;
    let error = export::load(&artifact[module..module + length], &client).unwrap_err().to_string();
    assert!(
        error.contains("axes whose size is not known") && error.contains("give the artifact in its place"),
        "{error}"
    );
    refused("tpu.jax", "it is for the platforms tpu, but this is cpu");
    let mesh = b"module attributes {mhlo.num_partitions = 8 : i32} {\n  func.func @main() { return }\n}";
    let error = export::load(mesh, &client).unwrap_err().to_string();
    assert!(error.contains("it is for 8 devices") && error.contains("help: "), "{error}");
}

/// What JAX exported with `symbolic_shape`, for sizes of which JAX computed it too.
#[test]
fn sizes_that_are_symbols_become_numbers() {
    let client = runtime::client().unwrap();
    let f = Symbolic::read(&bytes("sizes.jax")).unwrap();
    let shown: Vec<String> = f.arguments().iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    assert_eq!(shown, ["0: f32[b, t, 4]", "1: f32[4, 3]", "2: i32[k]"]);
    assert_eq!(f.results().iter().find(|(name, _)| name == "1.split").unwrap().1.sizes(), ["b", "4*floordiv(t, 2)"]);
    let types = |b: usize, t: usize, k: usize| {
        [Aval::new(DType::F32, [b, t, 4]), Aval::new(DType::F32, [4, 3]), Aval::new(DType::I32, [k])]
    };
    for (case, types) in [("sizes_a", types(2, 5, 3)), ("sizes_b", types(3, 2, 1))] {
        let exported = f.refine(&types).unwrap();
        agrees(&Program::of(&exported, &client).unwrap(), case);
        // what it has become is an artifact like others
        let again = Exported::deserialize(&exported.serialize().unwrap()).unwrap();
        agrees(&Program::of(&again, &client).unwrap(), case);
    }
    let refused = |types: &[Aval], part: &str| {
        let error = f.refine(types).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("help: "), "{error}");
    };
    // JAX's own checks, in its words
    refused(&types(2, 1, 3), "Input shapes do not match the symbolic shape constraint t >= 2");
    refused(&types(0, 2, 3), "Expected value >= 1 for dimension variable 'b'");
    refused(&types(2, 5, 3)[..2], "types of 2 arguments are given, but it takes 3");
    let [x, _, i] = types(2, 5, 3);
    refused(&[x.clone(), Aval::new(DType::F32, [4, 2]), i.clone()], "argument 1 is f32[4, 3], and f32[4, 2] is given");
    refused(&[Aval::new(DType::I32, [2, 5, 4]), x, i], "argument 0 is f32[b, t, 4], and i32[2, 5, 4] is given");
    // what only JAX's own library computes
    let library = Symbolic::read(&bytes("library.jax")).unwrap();
    let error = library.refine(&[Aval::new(DType::F32, [2, 3, 3])]).unwrap_err().to_string();
    assert!(error.contains("`lapack_spotrf_ffi` has a result whose sizes are not refined"), "{error}");
    assert!(Symbolic::read(&bytes("mlp.jax")).is_none() && Symbolic::read(b"").is_none());
    // damaged bytecode is an error, or another program
    let whole = bytes("sizes.jax");
    for n in (0..whole.len()).step_by(97) {
        let mut changed = whole.clone();
        changed[n] = changed[n].wrapping_add(0x81);
        for bytes in [&changed[..], &whole[..n]] {
            if let Some(f) = Symbolic::read(bytes) {
                let _ = f.refine(&types(2, 5, 3));
            }
        }
    }
}

#[test]
fn damaged_artifacts_are_errors() {
    let client = runtime::client().unwrap();
    let whole = bytes("mlp.jax");
    for n in (0..whole.len()).step_by(7) {
        let _ = Exported::deserialize(&whole[..n]);
        let mut changed = whole.clone();
        changed[n] = changed[n].wrapping_add(0x81);
        let _ = Exported::deserialize(&changed);
    }
    assert!(matches!(export::load(b"\x01\x02\x03 no program", &client), Err(Error::Mismatch { .. })));
    assert!(export::load(b"", &client).is_err() && export::load(b"module {", &client).is_err());
}

/// A function of a struct whose fields are not in the order of their names.
#[derive(Tree, Clone)]
struct Line<T = Tensor> {
    slope: T,
    offset: T,
}

#[test]
fn artifacts_come_back_as_they_were() {
    let client = runtime::client().unwrap();
    let f = jit(|m: Line, x: Tensor| (m.slope * x + m.offset, x.sum(0)));
    let types =
        (Line { slope: Aval::new(DType::F32, [2]), offset: Aval::new(DType::F32, []) }, Aval::new(DType::F32, [2]));
    let exported = f.lower(&types).unwrap().export().unwrap();
    assert_eq!(exported.in_paths(), ["0.offset", "0.slope", "1"]);
    assert!(matches!(exported.out_tree(), PyTree::Tuple(parts) if parts.len() == 2));
    let back = Exported::deserialize(&exported.serialize().unwrap()).unwrap();
    assert_eq!(back, exported);
    let (slope, offset) = (Array::from_slice([2], &[2f32, 3.]).unwrap(), Array::scalar(1f32).unwrap());
    let y = back.call(&client, &[&offset, &slope, &slope]).unwrap();
    assert_eq!((y[0].to_vec::<f32>().unwrap(), y[1].item::<f32>().unwrap()), (vec![5., 10.], 5.));
    let error = back.call(&client, &[&slope, &slope, &slope]).unwrap_err().to_string();
    assert!(error.contains("argument `0.offset` of a program: it is f32[2], but f32[] is needed"), "{error}");
}

#[test]
fn derivatives_are_exported_beside_functions() {
    let client = runtime::client().unwrap();
    let f = jit(|m: Line, x: Tensor, n: Tensor| ((m.slope * x + m.offset).sin() * n.cast(DType::F32)).sum(0));
    let types = (
        Line { slope: Aval::new(DType::F32, [2]), offset: Aval::new(DType::F32, []) },
        Aval::new(DType::F32, [2]),
        Aval::new(DType::I32, []),
    );
    let exported = f.lower(&types).unwrap().export_with_vjp().unwrap();
    let back = Exported::deserialize(&exported.serialize().unwrap()).unwrap();
    assert_eq!(back, exported);
    let (offset, n) = (Array::scalar(1f32).unwrap(), Array::scalar(3i32).unwrap());
    let x = Array::from_slice([2], &[2f32, 3.]).unwrap();
    let y = back.vjp().unwrap().call(&client, &[&offset, &x, &x, &n, &offset]).unwrap();
    // by hand: n cos(slope x + offset), times what stands beside it
    let each = [5f32, 10.].map(|z| 3.0 * z.cos());
    let near = |have: &Array, want: &[f32]| {
        let have = have.to_vec::<f32>().unwrap();
        assert!(have.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{have:?} {want:?}");
    };
    near(&y[0], &[each[0] + each[1]]);
    near(&y[1], &[2.0 * each[0], 3.0 * each[1]]);
    near(&y[2], &[2.0 * each[0], 3.0 * each[1]]);
    assert_eq!(y[3].item::<i32>().unwrap(), 0);
    let whole = jit(|x: Tensor| x + 1);
    let error = whole.lower(&(Aval::new(DType::I32, [2]),)).unwrap().export_with_vjp().unwrap_err().to_string();
    assert!(error.contains("a result is i32[2], which has no cotangent"), "{error}");
}

/// Files of programs over a mesh: each device is given its parts, of the mesh's axes that the file names.
#[test]
fn programs_from_files_run_on_several_devices() {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(4), ..Default::default() }).unwrap();
    let mesh = Mesh::new(&client, [("data", 2), ("model", 2)]).unwrap();
    let f = jit(|x: Tensor, w: Tensor| (x.matmul(w), x.sum(..))).on(&mesh);
    let f = f.in_shardings((P!["data"], P![_, "model"])).out_shardings((P!["data", "model"], P![]));
    let types = (Aval::new(DType::F32, [4, 3]), Aval::new(DType::F32, [3, 2]));
    let lowered = || f.lower(&types).unwrap();
    let exported = lowered().export().unwrap();
    let files = [
        exported.module().to_vec(),
        exported.serialize().unwrap(),
        lowered().pack(&client, "a product").unwrap().bytes(),
    ];
    let x = Array::from_slice([4, 3], &(0..12).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let w = Array::from_slice([3, 2], &[1f32, 0., 0., 1., 1., 1.]).unwrap();
    for file in &files {
        let program = export::load(file, &client).unwrap();
        let types: Vec<&Aval> = program.arguments().iter().chain(program.results()).map(|(_, aval)| aval).collect();
        let shown: Vec<String> = types.iter().map(|aval| aval.to_string()).collect();
        assert_eq!(shown, ["f32[4, 3]", "f32[3, 2]", "f32[4, 2]", "f32[]"]);
        let y = program.run(&[&x, &w]).unwrap();
        assert_eq!(y[0].to_vec::<f32>().unwrap(), [2., 3., 8., 9., 14., 15., 20., 21.]);
        assert_eq!((y[0].addressable_shards().len(), y[1].item::<f32>().unwrap()), (4, 66.));
    }
    // what JAX wrote as text, and as an artifact, which says it beside its bytecode, also when it was read and written again
    agrees(&export::load(&bytes("mesh.mlir"), &client).unwrap(), "mesh");
    let artifact = Exported::deserialize(&bytes("mesh.jax")).unwrap();
    let program = Program::of(&artifact, &client).unwrap();
    agrees(&program, "mesh");
    let again = Exported::deserialize(&artifact.serialize().unwrap()).unwrap();
    assert_eq!(again, artifact);
    agrees(&Program::of(&again, &client).unwrap(), "mesh");
    let x = Array::from_slice([4, 3], &(0..12).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let y = program.run(&[&x, &w]).unwrap();
    assert_eq!(y[0].sharding().unwrap().local_dims(y[0].aval()).unwrap(), [2, 1]);
    // for several platforms and devices, with an argument that its module does not take
    agrees(&export::load(&bytes("mesh_platforms.jax"), &client).unwrap(), "mesh_platforms");
    // on fewer devices than it is for
    let one = runtime::client().unwrap();
    for file in &files {
        let error = export::load(file, &one).unwrap_err().to_string();
        assert!(error.contains("needs 4 devices, but there are 1"), "{error}");
    }
}

#[test]
fn compiled_programs_run_from_files_that_are_whole() {
    let client = runtime::client().unwrap();
    let f = jit(|x: Tensor, y: Tensor| x * y + 1.0);
    let vector = Aval::new(DType::F32, [2]);
    let lowered = || f.lower(&(vector.clone(), vector.clone())).unwrap();
    // (a program that is in the cache already is packed whole too)
    lowered().compile(&client).unwrap();
    let packed = lowered().pack(&client, "a product").unwrap();
    let whole = packed.bytes();
    assert_eq!(Packed::read(&whole).unwrap(), packed);
    let x = Array::from_slice([2], &[2f32, 3.]).unwrap();
    let y = export::load(&whole, &client).unwrap().run(&[&x, &x]).unwrap();
    assert_eq!(y[0].to_vec::<f32>().unwrap(), [5., 10.]);
    for n in (0..whole.len()).step_by(97) {
        assert!(Packed::read(&whole[..n]).is_err());
        let mut changed = whole.clone();
        changed[n] ^= 4;
        assert!(Packed::read(&changed).is_err(), "byte {n}");
    }
    let mut other = packed.clone();
    other.header.plugin = "an older build".into();
    let error = export::load(&other.bytes(), &client).unwrap_err().to_string();
    assert!(error.contains("with the plugin `an older build`"), "{error}");
}
