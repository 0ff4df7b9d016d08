use raxla::{
    optim::{OptState, adam},
    prelude::*,
};

#[derive(Tree)]
struct M<T = Tensor> {
    w: T,
}

fn main() {
    let _ = jit(|m: M, state: OptState, x: Tensor| {
        let g = grad(|m: M| (m.w * x).sum(0))(m);
        adam(0.1, Default::default()).update(&g, state, &m)
    });
}
