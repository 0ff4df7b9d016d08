use raxla::prelude::*;

fn main() {
    let _ = jit(|w: Tensor, x: Tensor| vmap(|w: Tensor, x: Tensor| w * x)((w, x)));
}
