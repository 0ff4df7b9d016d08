use raxla::prelude::*;

fn main() {
    let double = jit(|x: Tensor| x * 2.0);
    let _ = jit(move |x: Tensor| {
        let _ = double.call((x,));
        x
    });
}
