use raxla::prelude::*;
use std::collections::HashMap;

fn main() {
    let _ = jit(|m: HashMap<String, Tensor>| m["w"] * 2.0);
}
