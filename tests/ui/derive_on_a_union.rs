use raxla::prelude::*;

#[derive(Tree)]
union Bits<T: Copy> {
    value: T,
    word: u32,
}

fn main() {}
