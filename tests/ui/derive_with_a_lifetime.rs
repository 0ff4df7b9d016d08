use raxla::prelude::*;

#[derive(Tree)]
struct Layer<'a, T> {
    w: &'a T,
}

fn main() {}
