//! Loading holds the parameters plus one of them in memory, not two copies of the model. A process of its own: the
//! figure is the process's.
use raxla::{DType, Param, runtime};
use raxla_graphs::{LoadOptions, Model, config::HfConfig, params, weights::Weights};
use safetensors::tensor::{Dtype, TensorView};
use std::sync::Mutex;

/// One after the other: the figure is that of all threads.
static ALONE: Mutex<()> = Mutex::new(());

/// A line of /proc/self/status, in bytes.
fn status(key: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or("0");
    line.split_whitespace().find_map(|w| w.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Begins to measure the peak anew, and gives what there is now.
fn reset() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    status("VmRSS:")
}

#[test]
fn loading_needs_the_weights_and_one_tensor() {
    if !cfg!(target_os = "linux") {
        return eprintln!("skipped: there is no /proc/self/status");
    }
    let _alone = ALONE.lock().unwrap();
    let files = match raxla_graphs::open(raxla_graphs::source::DEFAULT_MODEL) {
        Err(e) if raxla_xla::offline() => return eprintln!("skipped: {e}"),
        files => files.unwrap(),
    };
    let client = runtime::client().unwrap();
    let before = reset();
    let model = Model::load(files, &LoadOptions::default(), &client).unwrap();
    let sizes: Vec<usize> = raxla::Tree::leaves(model.params()).iter().map(|a| a.aval().bytes()).collect();
    let (weights, largest) = (sizes.iter().sum::<usize>(), *sizes.iter().max().unwrap());
    let peak = status("VmHWM:") - before;
    println!("peak {} MB for {} MB of weights, the largest {} MB", peak >> 20, weights >> 20, largest >> 20);
    // the mapped file's pages count while they are read, and the allocator keeps some
    assert!(peak < weights + largest + (64 << 20), "peak {peak}, weights {weights}, largest {largest}");
}

#[test]
fn slices_of_quantised_tensors_need_no_more_than_themselves() {
    if !cfg!(target_os = "linux") {
        return eprintln!("skipped: there is no /proc/self/status");
    }
    let _alone = ALONE.lock().unwrap();
    let (d, f) = (4096, 8192);
    let dir = tempfile::tempdir().unwrap();
    let fp8 = [("w.weight", Dtype::F8_E4M3, vec![2 * f, d]), ("w.weight_scale_inv", Dtype::F32, vec![f / 64, d / 128])];
    let mxfp4 = [("x_blocks", Dtype::U8, vec![1, 2 * f, d / 32, 16]), ("x_scales", Dtype::U8, vec![1, 2 * f, d / 32])];
    let gate_up = |name: &str, at| {
        let p = Param::new([d, f], ["embed", "mlp"]).stored(name);
        if name == "x" {
            p.merged([1, d, 2 * f]).strided(1, at, 2, 2 * f)
        } else {
            p.transposed(1).slice(0, at * f, 2 * f)
        }
    };
    let client = runtime::client().unwrap();
    for (method, name, tensors) in [("fp8", "w.weight", fp8), ("mxfp4", "x", mxfp4)] {
        let file = dir.path().join(format!("{method}.safetensors"));
        let zeros =
            tensors.each_ref().map(|(_, dtype, dims)| vec![0; dims.iter().product::<usize>() * dtype.bitsize() / 8]);
        let views = tensors
            .iter()
            .zip(&zeros)
            .map(|((n, dtype, dims), z)| (n, TensorView::new(*dtype, dims.clone(), z).unwrap()));
        safetensors::serialize_to_file(views, None, &file).unwrap();
        drop(zeros);
        let text = format!(
            r#"{{"model_type": "", "quantization_config": {{"quant_method": "{method}", "weight_block_size": [128, 128]}}}}"#
        );
        let mut weights = Weights::open(&file).unwrap();
        weights.dequantise(&HfConfig::parse(&text, "config.json").unwrap()).unwrap();
        let specs = [0, 1].map(|at| (at.to_string(), gate_up(name, at)));
        let before = reset();
        let arrays = params::load(&specs, &weights, &|_| false, DType::BF16, &client, None, false).unwrap();
        let (all, one) = (2 * arrays[0].aval().bytes(), arrays[0].aval().bytes());
        let peak = status("VmHWM:") - before;
        println!("{method}: peak {} MB for twice {} MB", peak >> 20, one >> 20);
        // (the tensor itself would take as much as both)
        assert!(peak < all + one + (64 << 20), "{method}: peak {peak}, both {all}");
    }
}
