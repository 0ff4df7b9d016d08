use raxla::prelude::*;

#[derive(Tree, Clone)]
struct Inner<T = Tensor> {
    w: T,
}

#[derive(Tree, Clone)]
struct Outer<T = Tensor> {
    inner: Inner,
    b: T,
}

fn main() {
    let _ = jit(|m: Outer| m.b * m.inner.w);
}
