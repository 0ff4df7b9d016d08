use raxla::prelude::*;

#[derive(Tree, Clone)]
struct M<T = Tensor> {
    w: T,
    b: T,
}

fn main() {
    let specs = M { w: P!["data", _], b: P![] };
    let _ = jit(|m: M| m.w + m.b).in_shardings((specs,));
}
