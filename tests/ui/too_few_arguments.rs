use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let f = jit(|x: Tensor, y: Tensor| x * y);
    f.call((1f32,))?;
    Ok(())
}
