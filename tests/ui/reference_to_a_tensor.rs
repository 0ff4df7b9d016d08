use raxla::prelude::*;

fn main() {
    let _ = jit(|x: &Tensor| *x * 2.0);
}
