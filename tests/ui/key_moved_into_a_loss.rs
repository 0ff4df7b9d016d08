use raxla::prelude::*;

fn main() {
    let _ = jit(|w: Tensor, key: Key| {
        let loss = |w: Tensor| (w * key.normal([2], DType::F32)).sum(0);
        grad(loss)(w)
    });
}
