use raxla::prelude::*;

fn main() {
    let _ = jit(|x: Tensor| x[0]);
}
