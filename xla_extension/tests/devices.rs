//! Programs over several devices.

use crate::common::{self, bytes, client, download, upload};
use raxla_xla::{Buffer, Client, Code, CompileOptions, DType, Executable, ExecuteOptions};
use std::thread;

/// Adds the arrays of 8 replicas.
const ALL_REDUCE: &str = r#"module @all_reduce attributes {mhlo.num_replicas = 8 : i32} {
  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = "stablehlo.all_reduce"(%x) ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        %s = stablehlo.add %a, %b : tensor<f32>
        stablehlo.return %s : tensor<f32>
    }) {replica_groups = dense<[[0, 1, 2, 3, 4, 5, 6, 7]]> : tensor<1x8xi64>} : (tensor<4xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}"#;

/// Sums the rows of a matrix that is split over 8 partitions by rows; every device gets the whole sum.
const SHARDED: &str = r#"module @sharded attributes {mhlo.num_partitions = 8 : i32} {
  sdy.mesh @mesh = <["rows"=8]>
  func.func @main(%x: tensor<16x4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"rows"}, {}]>, jax.buffer_donor = true})
      -> (tensor<4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}]>},
          tensor<16x4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"rows"}, {}]>}) {
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0]
        : (tensor<16x4xf32>, tensor<f32>) -> tensor<4xf32>
    %1 = stablehlo.add %x, %x : tensor<16x4xf32>
    return %0, %1 : tensor<4xf32>, tensor<16x4xf32>
  }
}"#;

fn all_reduce(client: &Client) -> Executable {
    let options = CompileOptions { num_replicas: 8, ..Default::default() };
    client.compile(ALL_REDUCE.as_bytes(), &options).unwrap()
}

fn launch(exe: &Executable, args: &[Buffer]) -> Vec<Vec<Buffer>> {
    let refs: Vec<[&Buffer; 1]> = args.iter().map(|arg| [arg]).collect();
    let lists: Vec<&[&Buffer]> = refs.iter().map(|list| list.as_slice()).collect();
    exe.execute(&lists, &ExecuteOptions::default()).unwrap()
}

#[test]
fn a_hundred_launches_over_eight_devices() {
    let client = client(8);
    let exe = all_reduce(&client);
    assert_eq!(exe.devices(), client.devices());
    let mut state: Vec<Buffer> =
        client.devices().iter().map(|device| upload(&client, &[1., 2., 3., 4.], &[4], device)).collect();
    // Nothing is waited for in between: without a limit on launches in flight the plugin would deadlock.
    let mut results = Vec::new();
    for _ in 0..100 {
        results.push(launch(&exe, &state));
    }
    for result in &results {
        result.iter().for_each(|outputs| assert_eq!(download(&outputs[0]), [8., 16., 24., 32.]));
    }
    // A chain, in which each launch takes the results of the one before.
    for _ in 0..3 {
        state = launch(&exe, &state).into_iter().map(|mut outputs| outputs.remove(0)).collect();
    }
    assert_eq!(download(&state[7]), [512., 1024., 1536., 2048.]);
    drop((results, state));
    assert_eq!(client.live_buffers(), 0);
}

#[test]
fn threads_launch_over_the_same_devices() {
    let client = client(8);
    let exe = all_reduce(&client);
    let args: Vec<Buffer> = client.devices().iter().map(|device| upload(&client, &[1.; 4], &[4], device)).collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let results: Vec<_> = (0..25).map(|_| launch(&exe, &args)).collect();
                results.iter().flatten().for_each(|outputs| assert_eq!(download(&outputs[0]), [8.; 4]));
            });
        }
    });
}

#[test]
fn partitioned_programs_are_checked_by_their_shards() {
    let client = client(8);
    let options = CompileOptions { num_partitions: 8, use_spmd: true, use_shardy: true, ..Default::default() };
    let exe = client.compile(SHARDED.as_bytes(), &options).unwrap();
    assert_eq!(exe.parameters()[0].to_string(), "f32[2, 4]");
    assert_eq!(exe.output_dims().unwrap(), [vec![4], vec![2, 4]]);
    assert!(exe.parameter_shardings().unwrap().is_some_and(|shardings| shardings.len() == 1));
    assert!(exe.output_shardings().unwrap().is_some_and(|shardings| shardings.len() == 2));
    let rows = |i: usize| [[i as f32; 4], [1.; 4]].concat();
    let shards: Vec<Buffer> =
        client.devices().iter().enumerate().map(|(i, device)| upload(&client, &rows(i), &[2, 4], device)).collect();
    let outputs = launch(&exe, &shards);
    for (i, outputs) in outputs.iter().enumerate() {
        assert_eq!(download(&outputs[0]), [36.; 4]);
        assert_eq!(download(&outputs[1]), rows(i).iter().map(|x| 2. * x).collect::<Vec<_>>());
        assert_eq!((outputs[1].dims(), outputs[1].device()), (&[2, 4][..], &client.devices()[i]));
    }
    assert!(shards.iter().all(Buffer::is_deleted), "all shards were donated");
    let whole: Vec<Buffer> =
        client.devices().iter().map(|device| upload(&client, &[0.; 64], &[16, 4], device)).collect();
    let refs: Vec<[&Buffer; 1]> = whole.iter().map(|arg| [arg]).collect();
    let lists: Vec<&[&Buffer]> = refs.iter().map(|list| list.as_slice()).collect();
    let error = exe.execute(&lists, &ExecuteOptions::default()).unwrap_err().to_string();
    assert!(error.contains("is f32[16, 4], but the program takes f32[2, 4]"), "{error}");
    let saved = exe.serialize().unwrap();
    let loaded = client.deserialize(&saved, &options).unwrap();
    assert_eq!(loaded.parameters(), exe.parameters());
}

#[test]
fn a_device_assignment_chooses_the_devices() {
    let client = client(4);
    let options = CompileOptions { device_assignment: Some(vec![vec![2]]), ..Default::default() };
    let exe = client.compile(common::ADD.as_bytes(), &options).unwrap();
    assert_eq!(exe.devices(), [client.devices()[2].clone()]);
    let a = upload(&client, &[1.; 6], &[2, 3], &client.devices()[2]);
    let sum = exe.execute(&[&[&a, &a]], &ExecuteOptions::default()).unwrap();
    assert_eq!(sum[0][0].device(), &client.devices()[2]);
    let elsewhere = client.upload(&bytes(&[1.; 6]), DType::F32, &[2, 3], &client.devices()[0]).unwrap();
    let error = exe.execute(&[&[&a, &elsewhere]], &ExecuteOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    let too_many = CompileOptions { num_partitions: 8, use_spmd: true, ..Default::default() };
    let error = client.compile(common::ADD.as_bytes(), &too_many).unwrap_err();
    assert_eq!(error.message, "the program is for 1 replicas of 8 partitions, but there are 4 devices");
    let none = CompileOptions { num_replicas: 0, ..Default::default() };
    assert!(client.compile(common::ADD.as_bytes(), &none).is_err());
}
