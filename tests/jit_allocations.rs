//! A call of a compiled program allocates nothing that grows with its arguments.
use raxla::{Mesh, P, prelude::*, runtime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Tree, Clone, Debug)]
struct Layer<T = Tensor> {
    w: T,
    b: Option<T>,
    #[tree(skip)]
    name: &'static str,
}
#[derive(Tree, Clone, Debug)]
struct Model<T = Tensor> {
    layers: Vec<Layer<T>>,
    #[tree(skip)]
    table: Host,
}

/// Heap allocations of one call with this many layers, and their bytes, once the program is there.
fn allocations(layers: usize, devices: usize, moved: bool) -> (usize, usize) {
    let client = runtime::client_with(&runtime::Options { cpu_devices: Some(devices), ..Default::default() }).unwrap();
    let mesh = Mesh::auto(&client, "data").unwrap();
    let array = || {
        let x = Array::on(&client, [8], &[1f32; 8]).unwrap();
        if devices == 1 { x } else { x.put(&mesh.sharding(P!["data"])).unwrap() }
    };
    let layer = |_| Layer { w: array(), b: Some(array()), name: "layer" };
    let model =
        || Model { layers: (0..layers).map(layer).collect(), table: Host::floats(DType::F32, [100], vec![1.0; 100]) };
    let f = jit(|m: Model, x: Tensor| m.layers[0].w * x + m.layers[m.layers.len() - 1].w);
    let f = if devices == 1 { f.on(&client) } else { f.on(&mesh) };
    let x = array();
    // (the plugin is asked for the layout of an uploaded array when it is first used)
    let warm = |model: Model<Array>| {
        f.call((&model, &x)).unwrap().ready().unwrap();
        model
    };
    let models: Vec<Model<Array>> = (0..4).map(|_| warm(model())).collect();
    let mut models = models.into_iter();
    let call = |model: Model<Array>| match moved {
        true => f.call((model, &x)).unwrap().ready().unwrap(),
        false => f.call((&model, &x)).unwrap().ready().unwrap(),
    };
    for _ in 0..3 {
        call(models.next().unwrap());
    }
    let last = models.next().unwrap();
    let region = Region::new(ALLOCATOR);
    call(last);
    let change = region.change();
    assert_eq!(f.compiles(), 1 + moved as usize);
    (change.allocations + change.reallocations, change.bytes_allocated)
}

#[test]
fn a_call_allocates_as_much_for_300_arguments_as_for_10() {
    for moved in [false, true] {
        let (few, many) = (allocations(5, 1, moved), allocations(150, 1, moved));
        assert_eq!(few, many, "moved: {moved}");
        assert!(few.0 <= 12, "{few:?}");
        // (over several devices, threads of the plugin end earlier launches meanwhile)
        let (few, many) = (allocations(5, 8, moved), allocations(150, 8, moved));
        println!("moved {moved}: {few:?} and {many:?} allocations and bytes over 8 devices");
        assert!(many.0 <= few.0 + 8 && many.1 <= few.1 + 2048, "{few:?} {many:?}");
    }
}
