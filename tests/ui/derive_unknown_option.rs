use raxla::prelude::*;

#[derive(Tree)]
struct Layer<T = Tensor> {
    w: T,
    #[tree(static)]
    heads: usize,
}

fn main() {}
