use raxla::{grad, prelude::*};

fn main() {
    let _ = jit(|x: Tensor, y: Tensor| grad(|x: Tensor, y: Tensor| x * y)((x, y)));
}
