use raxla::prelude::*;

#[derive(Tree)]
struct Layer {
    w: Tensor,
}

fn main() {}
