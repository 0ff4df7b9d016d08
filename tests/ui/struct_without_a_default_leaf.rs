use raxla::prelude::*;

#[derive(Tree, Clone)]
struct M<T> {
    w: T,
}

fn main() {
    let _ = jit(|m: M| m.w * 2.0);
}
