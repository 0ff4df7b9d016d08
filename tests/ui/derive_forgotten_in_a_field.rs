use raxla::prelude::*;

struct Layer<T = Tensor> {
    w: T,
}

#[derive(Tree)]
struct Model<T = Tensor> {
    layers: Vec<Layer<T>>,
}

fn main() {}
