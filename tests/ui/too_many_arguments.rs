use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let double = jit(|x: Tensor| x * 2.0);
    let x = Array::scalar(1f32)?;
    double.call((&x, &x))?;
    Ok(())
}
