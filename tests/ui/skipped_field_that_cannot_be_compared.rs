use raxla::prelude::*;

#[derive(Clone, Debug)]
struct Config {
    scale: f64,
}

#[derive(Tree, Clone, Debug)]
struct Linear<T = Tensor> {
    w: T,
    #[tree(skip)]
    config: Config,
}

fn main() {}
