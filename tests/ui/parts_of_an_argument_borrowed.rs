use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let x = Array::scalar(1f32)?;
    jit(grad(|(a, b): (Tensor, Tensor)| a * b)).call(((&x, &x),))?;
    Ok(())
}
