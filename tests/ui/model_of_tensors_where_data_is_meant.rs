use raxla::prelude::*;

#[derive(Tree, Clone)]
struct M<T = Tensor> {
    w: T,
}

fn train(m: M) -> raxla::Result<M> {
    jit(|m: M| M { w: m.w * 2.0 }).call((m,))
}

fn main() -> raxla::Result<()> {
    train(M { w: Array::scalar(1f32)? })?;
    Ok(())
}
