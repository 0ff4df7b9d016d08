use raxla::prelude::*;

fn relu(x: Tensor) -> Tensor {
    if x.gt(0.0) { x } else { x * 0.0 }
}

fn main() {
    let _ = jit(relu);
}
