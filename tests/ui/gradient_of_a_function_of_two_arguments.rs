use raxla::prelude::*;

fn loss(w: Tensor, x: Tensor) -> Tensor {
    (w * x).sum(0)
}

fn main() {
    let _ = jit(|w: Tensor, x: Tensor| grad(loss)(w, x));
}
