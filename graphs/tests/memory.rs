//! Loading holds the parameters plus one of them in memory, not two copies of the model. A process of its own: the
//! figure is the process's.
use graphs::{LoadOptions, Model};
use raxla::runtime;

/// A line of /proc/self/status, in bytes.
fn status(key: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or("0");
    line.split_whitespace().find_map(|w| w.parse::<usize>().ok()).unwrap_or(0) * 1024
}

#[test]
fn loading_needs_the_weights_and_one_tensor() {
    if !cfg!(target_os = "linux") {
        return eprintln!("skipped: there is no /proc/self/status");
    }
    let files = match graphs::open(graphs::source::DEFAULT_MODEL) {
        Err(e) if xla_extension::offline() => return eprintln!("skipped: {e}"),
        files => files.unwrap(),
    };
    let client = runtime::client().unwrap();
    let before = status("VmRSS:");
    let model = Model::load(files, &LoadOptions::default(), &client).unwrap();
    let sizes: Vec<usize> = raxla::Tree::leaves(model.params()).iter().map(|a| a.aval().bytes()).collect();
    let (weights, largest) = (sizes.iter().sum::<usize>(), *sizes.iter().max().unwrap());
    let peak = status("VmHWM:") - before;
    println!("peak {} MB for {} MB of weights, the largest {} MB", peak >> 20, weights >> 20, largest >> 20);
    // the mapped file's pages count while they are read, and the allocator keeps some
    assert!(peak < weights + largest + (64 << 20), "peak {peak}, weights {weights}, largest {largest}");
}
