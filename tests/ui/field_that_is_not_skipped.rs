use raxla::prelude::*;

#[derive(Tree)]
struct Layer<T = Tensor> {
    w: T,
    heads: usize,
}

fn main() {}
