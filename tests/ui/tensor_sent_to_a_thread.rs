use raxla::prelude::*;

fn double(x: Tensor) -> Tensor {
    std::thread::scope(|s| s.spawn(|| x + x).join().unwrap())
}

fn main() {
    let _ = jit(double);
}
