use raxla::prelude::*;

struct Layer<T = Tensor> {
    w: T,
}

fn main() {
    let _ = jit(|layer: Layer, x: Tensor| x * layer.w);
}
