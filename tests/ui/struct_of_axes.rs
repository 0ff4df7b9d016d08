use raxla::prelude::*;

#[derive(Tree, Clone)]
struct M<T = Tensor> {
    w: T,
    x: T,
}

fn main() {
    let axes = M { w: Axis::Shared, x: Axis::At(0) };
    let _ = jit(move |m: M| vmap_axes(|m: M| m.w * m.x, axes.clone(), Axis::At(0))(m));
}
