use raxla::{
    optim::{AdamW, AdamWOptions},
    prelude::*,
};

#[derive(Tree)]
struct M<T = Tensor> {
    w: T,
}

fn main() {
    let _ = jit(|m: M, opt: AdamW<M>, x: Tensor| {
        let g = grad(|m: M| (m.w * x).sum(0))(m);
        opt.update(&m, &g, 0.1, &AdamWOptions::default())
    });
}
