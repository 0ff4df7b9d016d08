use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let x = Array::scalar(1f32)?;
    let f = grad(|x: Tensor| x * x);
    let _ = f(x);
    Ok(())
}
