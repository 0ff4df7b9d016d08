//! `bench dispatch` and `bench kernels`: what a call costs, and how fast products are by their form.
use super::{Job, figure::Figure, limits::filled};
use crate::Result;
use raxla::{Array, Aval, Client, DType, Tensor, einsum, jit};
use std::time::Instant;

/// Calls that make one sample: a single one is shorter than the clock is exact.
const CALLS: usize = 64;

/// A call of a program that adds two vectors of eight numbers: waited for, or only queued; with 1 and with 300 arguments.
pub fn dispatch(job: &Job) -> Result<Vec<Figure>> {
    let client = job.global.client()?;
    let mut all = vec![];
    for leaves in [1, 300] {
        let xs = (0..leaves).map(|i| Array::on(&client, [8], &[i as f32; 8])).collect::<raxla::Result<Vec<Array>>>()?;
        let ends = jit(|xs: Vec<Tensor>| xs[0] + xs[xs.len() - 1]).named("ends").on(&client);
        for (name, every) in [("dispatch_wait_us", 1), ("dispatch_us", 16)] {
            let mut times = vec![];
            for i in 0..=job.work.repeat.max(20) {
                let begin = Instant::now();
                for call in 1..=CALLS {
                    let y = ends.call((&xs,))?;
                    if call % every == 0 {
                        y.ready()?;
                    }
                }
                if i > 0 {
                    times.push(begin.elapsed().as_secs_f64() / CALLS as f64);
                }
            }
            let mut figure = Figure::time(name, "us", times);
            figure.config.insert("arguments".into(), leaves.into());
            all.push(figure);
        }
    }
    Ok(all)
}

/// The forms of products that models have: what contracts what, for `m` rows of activations and square weights.
const FORMS: [(&str, &str); 3] =
    [("forward", "mk,kn->mn"), ("input gradient", "mk,nk->mn"), ("weight gradient", "km,kn->mn")];
/// Rows of activations: one token, a few, a prompt.
const ROWS: [usize; 3] = [1, 8, 512];
/// Sides of the weights.
const SIDE: usize = 2048;

/// Each form in the dtype of `--dtype`: thin ones against the speed of reading the weights, wide ones against that of products.
pub fn products(job: &Job) -> Result<Vec<Figure>> {
    let (client, dtype) = (job.global.client()?, job.settings.dtype()?);
    let mut all = vec![];
    for (form, spec) in FORMS {
        for rows in ROWS {
            // a weight gradient contracts the tokens: one token has none worth a product
            if form == "weight gradient" && rows < 64 {
                continue;
            }
            all.push(product(job, &client, dtype, (form, spec), rows)?);
        }
    }
    Ok(all)
}

fn product(job: &Job, client: &Client, dtype: DType, (form, spec): (&str, &str), rows: usize) -> Result<Figure> {
    let side = SIDE;
    let (x, y) = match form {
        "weight gradient" => ([rows, side], [rows, side]),
        _ => ([rows, side], [side, side]),
    };
    let (x, y) = (filled(client, &Aval::new(dtype, x))?, filled(client, &Aval::new(dtype, y))?);
    let spec = spec.to_string();
    let multiply = jit(move |x: Tensor, y: Tensor| einsum(&spec, x, y)).named("product").on(client);
    let mut times = vec![];
    for i in 0..job.work.repeat + 3 {
        let begin = Instant::now();
        multiply.call((&x, &y))?.ready()?;
        if i >= 3 {
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    let flops = 2.0 * rows as f64 * (side * side) as f64;
    let figure = Figure::rate("product_gflop_s", flops / 1e9, "GFLOP/s", times);
    let mut figure = match rows < 64 {
        true => Figure { bytes: Some(y.aval().bytes() as f64), ..figure },
        false => Figure { flops: Some(flops), ..figure },
    };
    figure.config.insert("form".into(), form.into());
    figure.config.insert("rows".into(), rows.into());
    Ok(figure)
}
