use raxla::prelude::*;

fn main() {
    let _ = jit(|x| x + 1.0);
}
