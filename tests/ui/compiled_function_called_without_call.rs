use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let x = Array::from_slice([2], &[1f32, 2.])?;
    let f = jit(|x: Tensor| x * 2.0);
    let _ = f(x);
    Ok(())
}
