use raxla::prelude::*;

#[derive(Tree)]
struct Layer<T, U> {
    w: T,
    b: U,
}

fn main() {}
