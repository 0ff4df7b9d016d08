use raxla::{Axis, jit::Buckets, prelude::*};

fn main() {
    let buckets = Buckets::new([16]).unwrap();
    let _ = jit(|x: Tensor| x.sum(0)).bucketed(buckets, Axis::At(0), Axis::Shared);
}
