use raxla::prelude::*;

fn main() {
    let _ = jit(|x: Tensor| x.reshape([3, -1]));
    let _ = jit(|x: Tensor| x.reshape([3, -1isize]));
}
