use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let bias = Array::scalar(1f32)?;
    let _ = jit(|x: Tensor| x + &bias);
    Ok(())
}
