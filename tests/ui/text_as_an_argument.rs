use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let f = jit(|x: Tensor, rate: Tensor| x * rate);
    f.call((1f32, "0.1"))?;
    Ok(())
}
