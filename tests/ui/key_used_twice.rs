use raxla::prelude::*;

fn noise(key: Key) -> (Tensor, Tensor) {
    let a = key.normal([2], DType::F32);
    let b = key.normal([2], DType::F32);
    (a, b)
}

fn main() {}
