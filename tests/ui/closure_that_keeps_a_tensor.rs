use raxla::{prelude::*, vmap};

fn main() {
    let mut kept = vec![];
    let _ = jit(|x: Tensor| {
        vmap(|y: Tensor| {
            kept.push(y);
            y
        })(x)
    });
}
