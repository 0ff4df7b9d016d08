use raxla::prelude::*;

fn main() -> raxla::Result<()> {
    let (x, y) = (Array::scalar(1f32)?, Array::scalar(2f32)?);
    let _ = x + y;
    Ok(())
}
