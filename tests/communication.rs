//! What is read from optimized programs about their collectives: of the CPU plugin, and in the notations of others.
use raxla::{
    Array, Aval, Client, Communication, DType, Error, Mesh, P, Tensor, all_gather, all_to_all,
    communication::{Collective, Kind, Total},
    debug_check, einsum, jit, ppermute, psum, psum_scatter, runtime, scan, scope, shard_map,
};
use raxla_xla::CompileOptions;
use std::sync::OnceLock;

const MANUAL: &str = include_str!("fixtures/communication/manual.mlir");
const PARTITIONED: &str = include_str!("fixtures/communication/partitioned.mlir");
const GPU: &str = include_str!("fixtures/communication/gpu.hlo");
const TPU: &str = include_str!("fixtures/communication/tpu.hlo");

fn mesh(axes: &[(&str, usize)]) -> Vec<(String, usize)> {
    axes.iter().map(|(name, size)| (name.to_string(), *size)).collect()
}

/// Compile for eight devices of the CPU plugin, and read the outcome.
fn compiled(stablehlo: &str, axes: &[(&str, usize)]) -> Communication {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(8), ..Default::default() });
    let options = CompileOptions { num_partitions: 8, use_spmd: true, use_shardy: true, ..Default::default() };
    let text = client.expect("a plugin").optimized_hlo_text(stablehlo.as_bytes(), &options).expect("it compiles");
    Communication::of_hlo(&text, &mesh(axes), stablehlo).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Everything of a collective but where it is.
fn brief(c: &Collective) -> String {
    let origin = if c.implicit { "implicit" } else { "explicit" };
    let runs = c.runs.map_or("?".into(), |n| n.to_string());
    format!("{} {} of {} {:?} {} {} x{runs} {origin}", c.kind, c.axes_text(), c.participants, c.arrays, c.bytes, c.sent)
}

#[test]
fn the_collectives_of_a_program_are_its_own() {
    let c = compiled(MANUAL, &[("data", 2), ("fsdp", 2), ("model", 2)]);
    let brief: Vec<String> = c.collectives.iter().map(brief).collect();
    assert_eq!(
        brief,
        [
            "all-reduce data of 2 [f32[4, 32]] 512 512 x5 explicit",
            "collective-permute fsdp of 2 [f32[4, 32]] 512 512 x1 explicit",
            "all-gather model of 2 [f32[8, 32]] 1024 512 x1 explicit",
            "reduce-scatter fsdp of 2 [f32[8, 32]] 1024 512 x1 explicit",
            "all-to-all fsdp of 2 [f32[2, 32], f32[2, 32]] 512 256 x1 explicit",
            "all-to-all fsdp of 2 [f32[2, 32], f32[2, 32]] 512 256 x1 explicit",
        ]
    );
    let places: Vec<String> = c.collectives.iter().map(Collective::place).collect();
    let moe = "src/moe.rs:31 in moe";
    assert_eq!(places, ["src/model.rs:12 in block/attn", "src/model.rs:20 in ring", moe, moe, moe, moe]);
    assert_eq!((c.collectives[0].loops, c.collectives[1].loops), (1, 0));
    assert_eq!(c.total(), Total { collectives: 6, runs: 10, bytes: 5 * 512 + 512 + 1024 + 1024 + 1024, sent: 4608 });
    assert_eq!(c.implicit(), Total::default());
    assert_eq!(c.by_axes()["data"], Total { collectives: 1, runs: 5, bytes: 2560, sent: 2560 });
    assert_eq!(c.by_kind()[&Kind::AllToAll], Total { collectives: 2, runs: 2, bytes: 1024, sent: 512 });
}

#[test]
fn the_partitioners_collectives_are_implicit_and_have_the_line_that_needs_them() {
    let c = compiled(PARTITIONED, &[("data", 4), ("model", 2)]);
    let brief: Vec<String> = c.collectives.iter().map(brief).collect();
    assert_eq!(
        brief,
        [
            "all-gather data of 4 [f32[64, 64]] 16384 12288 x1 implicit",
            "all-gather data of 4 [f32[64, 64]] 16384 12288 x1 implicit",
            "all-reduce model of 2 [f32[4, 64]] 1024 1024 x1 implicit",
        ]
    );
    assert_eq!(c.collectives[0].place(), "src/model.rs:12 in gpt2/mlp");
    assert_eq!(c.collectives[2].place(), "src/model.rs:14 in gpt2/out");
    let table = c.to_string();
    let head = "3 collectives (3 implicit); in a run each device sends 25.6 kB, of that 25.6 kB implicitly\n";
    assert!(table.starts_with(head), "{table}");
    let line = "all-gather  data         4  f32[64, 64]  16.4 kB  12.3 kB     1  implicit  src/model.rs:12 in gpt2/mlp";
    assert!(table.contains(line), "{table}");
    assert!(
        table.lines().any(|l| l.split_whitespace().eq("total along data 2 runs 32.8 kB 24.6 kB".split(' '))),
        "{table}"
    );
}

/// Asynchronous, combined and wrapped collectives; a loop whose length is read from its condition; a branch.
#[test]
fn other_platforms_notations_are_read() {
    let own = r#"
      %0 = "stablehlo.all_reduce"(%x) ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        stablehlo.return %a : tensor<f32> loc(#loc9)
      }) {replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>} : (tensor<f32>) -> tensor<f32> loc(#loc1)
      %1 = "stablehlo.collective_permute"(%0) : (tensor<f32>) -> tensor<f32> loc("ring"("src/ring {odd}.rs":7:5))
    #loc0 = loc("src/model.rs":40:5)
    #loc1 = loc("block/attn"(#loc0))
    #loc9 = loc("src/model.rs":99:5)"#;
    let c = Communication::of_hlo(GPU, &mesh(&[("data", 4), ("model", 2)]), own).expect("it is read");
    let brief: Vec<String> = c.collectives.iter().map(brief).collect();
    assert_eq!(
        brief,
        [
            "collective-permute data of 4 [bf16[8, 64]] 1024 1024 x5 explicit",
            "reduce-scatter model of 2 [f32[128]] 512 256 x1 implicit",
            "all-reduce data of 4 [f32[64], f32[128]] 768 1152 x1 explicit",
            "all-gather data,model of 8 [bf16[64, 64]] 8192 7168 x1 implicit",
        ]
    );
    let places: Vec<String> = c.collectives.iter().map(Collective::place).collect();
    let ring = "src/ring {odd}.rs:7 in ring";
    assert_eq!(
        places,
        [ring, "src/old.rs:3 in jit(step)/scatter", "src/model.rs:40 in block/attn", "? in jit(step)/constraint"]
    );
    assert!(c.collectives[0].conditional && c.collectives[0].loops == 1);
    assert!(c.to_string().contains("0 or 5"), "{c}");
    assert_eq!(c.collectives[2].arrays[1], Aval::new(DType::F32, [128]));
    let unknown = GPU.replace("%two = s32[] constant(2)", "%two = s32[] parameter(1)");
    let c = Communication::of_hlo(&unknown, &[], own).expect("it is read");
    assert_eq!(brief_of(&c, 0), "collective-permute ? of 8 [bf16[8, 64]] 1024 1024 x? explicit");
    assert!(c.to_string().contains("sends at least"), "{c}");
}

fn brief_of(c: &Communication, i: usize) -> String {
    brief(&c.collectives[i])
}

/// What libtpu makes of `partitioned.mlir`: it gathers what it has rounded to bf16 before, and fuses the operations.
#[test]
fn a_tpus_program_is_read() {
    let c = Communication::of_hlo(TPU, &mesh(&[("data", 4), ("model", 2)]), PARTITIONED).expect("it is read");
    let brief: Vec<String> = c.collectives.iter().map(brief).collect();
    assert_eq!(
        brief,
        [
            "all-gather data of 4 [bf16[64, 64]] 8192 6144 x1 implicit",
            "all-gather data of 4 [bf16[64, 64]] 8192 6144 x1 implicit",
            "all-reduce model of 2 [f32[4, 64]] 1024 1024 x1 implicit",
        ]
    );
    assert!(c.collectives.iter().all(|c| c.place() == "src/model.rs:14 in gpt2/out"), "{c}");
}

#[test]
fn what_is_no_program_is_an_error() {
    let read = |text: &str| Communication::of_hlo(text, &mesh(&[("data", 8)]), "").map(|c| c.to_string());
    let error = read("hello").expect_err("no module").to_string();
    assert!(error.contains("the text is no HLO module"), "{error}");
    let error = read(&GPU.replace("[4,2]<=[8]", "[4,2]<=[x]")).expect_err("no groups").to_string();
    assert!(error.contains("`reduce-scatter.1`") && error.contains("replica_groups"), "{error}");
    let error =
        read(&GPU.replace("all-gather-start(%loop#1)", "all-gather-start(%nothing)")).expect_err("no type").to_string();
    assert!(error.contains("`gather`"), "{error}");
    let silent = read("HloModule m\n\nENTRY %main (x: f32[]) -> f32[] {\n  ROOT %x = f32[] parameter(0)\n}\n");
    assert_eq!(silent.expect("a module"), "no collectives: the devices do not communicate");
    // every beginning of a text is read or refused
    for end in (0..GPU.len()).step_by(7).filter(|end| GPU.is_char_boundary(*end)) {
        let _ = read(&GPU[..end]);
    }
}

fn eight() -> Mesh {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let options = runtime::Options { cpu_devices: Some(8), ..Default::default() };
    let client = CLIENT.get_or_init(|| runtime::client_with(&options).expect("the CPU plugin"));
    Mesh::new(client, [("data", 4), ("model", 2)]).expect("8 devices")
}
fn array(mesh: &Mesh, dims: &[usize]) -> Array {
    Array::on(mesh.client().expect("devices"), dims, &vec![0.5f32; dims.iter().product()]).expect("memory")
}

#[test]
fn a_jitted_functions_collectives_have_their_lines() {
    let mesh = eight();
    let (x, w) = (array(&mesh, &[8, 64]), array(&mesh, &[3, 64, 64]));
    let m = mesh.clone();
    let line = line!() + 4;
    let f = jit(move |x: Tensor, w: Tensor| {
        let layers = |(x, w): (Tensor, Tensor)| {
            let layer = |x: Tensor, w: Tensor| {
                let w = scope("layer", || all_gather(w, "data", 0, true));
                (einsum("bd,df->bf", x, w).tanh(), ())
            };
            psum(scan(layer, x, w).0.sum(0), "data")
        };
        shard_map(&m, (P!["data"], P![_, "data"]), P![], layers)((x, w))
    });
    let c = f.on(&mesh).deny_implicit_gather(0).communication((&x, &w)).expect("it compiles");
    let brief: Vec<String> = c.collectives.iter().map(brief).collect();
    assert_eq!(
        brief,
        [
            "all-gather data of 4 [f32[64, 64]] 16384 12288 x3 explicit",
            "all-reduce data of 4 [f32[64]] 256 384 x1 explicit"
        ]
    );
    let places: Vec<String> = c.collectives.iter().map(Collective::place).collect();
    let sum = line + 3;
    let (gather, sum) =
        (format!("tests/communication.rs:{line} in layer"), format!("tests/communication.rs:{sum} in psum"));
    assert_eq!(places, [gather, sum]);
    assert_eq!(c.collectives[0].loops, 1);
}

/// One operation among all devices, whatever the order of the names.
#[test]
fn collectives_over_several_axes_name_them_all() {
    let mesh = eight();
    let x = array(&mesh, &[8, 64]);
    for axes in [["data", "model"], ["model", "data"]] {
        let m = mesh.clone();
        let line = line!() + 3;
        let f = jit(move |x: Tensor| {
            let each = |x: Tensor| {
                let y = all_gather(x, axes, 0, true).sin();
                let y = psum_scatter(y, axes, 1, true).sin();
                let y = all_to_all(y, axes, 0, 1, true).sin();
                ppermute(y, axes, (0..8).map(|i| (i, (i + 1) % 8)).collect::<Vec<_>>())
            };
            scope("over all", || shard_map(&m, P![("data", "model")], P![("data", "model")], each)(x))
        });
        let c = f.on(&mesh).communication((&x,)).expect("it compiles");
        let brief: Vec<String> = c.collectives.iter().map(|c| format!("{} {} {}", c.kind, c.sent, c.place())).collect();
        let names = ["all-gather 1792", "reduce-scatter 1792", "all-to-all 224", "collective-permute 256"];
        let want = (line..).zip(names).map(|(line, name)| format!("{name} tests/communication.rs:{line} in over all"));
        assert_eq!(brief, want.collect::<Vec<_>>());
        let all = |c: &Collective| c.axes_text() == "data,model" && c.participants == 8 && !c.implicit;
        assert!(c.collectives.iter().all(all), "{c}");
    }
}

#[test]
fn gathers_that_nobody_asked_for_can_be_denied() {
    let mesh = eight();
    let (x, w) = (array(&mesh, &[16, 64]), array(&mesh, &[64, 32]));
    let line = line!() + 1;
    let f = |x: Tensor, w: Tensor| scope("mlp", || einsum("bd,df->bf", x, w));
    let specs = || (P!["data"], P!["data"]);
    let of = |limit| jit(f).named("step").on(&mesh).in_shardings(specs()).deny_implicit_gather(limit);
    assert!(of(8192).call((&x, &w)).is_ok());
    let step = of(8191);
    let error = step.call((&x, &w)).expect_err("8 KiB are gathered").to_string();
    let what =
        "`step`: the partitioner gathers f32[64, 32] along data: 8192 bytes on each device, and 8191 are allowed";
    assert!(error.starts_with(what), "{error}");
    assert!(error.contains(&format!("\n  at tests/communication.rs:{line} in mlp\n  help: ")), "{error}");
    assert_eq!(step.compiles(), 0);
    // one device gathers nothing
    assert!(jit(f).on(mesh.client().expect("devices")).deny_implicit_gather(0).call((&x, &w)).is_ok());
}

/// A check that fails on one device of eight, with a collective after it.
#[test]
fn a_check_that_fails_on_one_device_is_an_error() {
    let mesh = eight();
    let m = mesh.clone();
    let f = jit(move |x: Tensor| {
        shard_map(&m, P!["data"], P![], |x: Tensor| psum(debug_check(x, "part").sum(0), "data"))(x)
    })
    .on(&mesh);
    let client = mesh.client().expect("devices");
    let good = Array::on(client, [4], &[1f32, 2.0, 3.0, 4.0]).expect("memory");
    let bad = Array::on(client, [4], &[1f32, 2.0, f32::NAN, 4.0]).expect("memory");
    for _ in 0..3 {
        let error = f.call((&bad,)).and_then(|y| y.to_vec::<f32>()).expect_err("one part is NaN");
        assert!(matches!(error, Error::Check(_)) && error.to_string().contains("`part`"), "{error}");
        assert_eq!(f.call((&good,)).and_then(|y| y.to_vec::<f32>()).expect("all are finite"), [10.0]);
    }
}
