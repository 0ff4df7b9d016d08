use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let w = Array::from_slice([2], &[1f32, 2.])?;
    let _ = jit(|x: Tensor| einsum("i,i->", x, w));
    Ok(())
}
