//! The Kuramoto-Sivashinsky equation u_t = -u u_x - u_xx - u_xxxx on a ring, by its spectrum: the linear part exactly, the rest by Euler
//! steps. From smooth waves it becomes chaotic; the gradient of the energy at the end goes back through all steps and transforms.
use raxla::{
    Complex64,
    fft::{self, Norm},
    prelude::*,
};
use std::f64::consts::TAU;

const N: usize = 128;
const LENGTH: f64 = 16.0 * TAU;

/// The state after so many steps, and after each of them.
fn run(u: Tensor, steps: usize) -> (Tensor, Tensor) {
    let dt = 0.05;
    let spectrum = |x: Tensor| fft::rfft(x, None, -1, Norm::Backward);
    // what every step needs is computed once, in front of the loop
    let k = fft::rfftfreq(N, LENGTH / N as f64, u.dtype()) * TAU;
    // the highest wave has no derivative: it is a cosine, whose sine is 0 at all points
    let slope = where_(k.lt(k.max(0)), k, 0.0).cast(DType::C128) * (-Complex64::I * dt);
    let growth = ((k.powi(2) - k.powi(4)) * dt).exp().cast(DType::C128);
    let step = |u: Tensor, ()| {
        let moved = spectrum(u) + slope * spectrum(u * u * 0.5);
        let u = fft::irfft(moved * growth, Some(N), -1, Norm::Backward);
        (u, u)
    };
    scan_with(ScanOptions { length: Some(steps), ..Default::default() }, step, u, ())
}
fn energy(u: Tensor) -> Tensor {
    let end = run(u, 200).0;
    (end * end).mean(0)
}

pub fn main() -> raxla::Result<()> {
    let start = |i: usize| (TAU * i as f64 / N as f64).cos() * (1.0 + (TAU * i as f64 / N as f64).sin());
    let start: Vec<f64> = (0..N).map(start).collect();
    let u = Array::from_slice([N], &start)?;
    // every hundredth of 3000 states, one a line
    let simulate = jit(|u: Tensor| run(u, 3000).1.split_axis(0, [30, 100]).slice_axis(1, 99..).squeeze(1));
    let states = simulate.call((&u,))?;
    let shade = |u: &f64| b" .:-=+*#%@"[(((u + 3.5) / 0.7).max(0.0) as usize).min(9)] as char;
    for state in states.to_vec::<f64>()?.chunks(N) {
        println!("{}", state.iter().step_by(2).map(shade).collect::<String>());
    }
    let largest = eager(|s: Tensor| s.abs().max(..), (&states,))?.item::<f64>()?;
    assert!((1.0..5.0).contains(&largest), "waves neither fade nor grow without bound: {largest}");

    // along the gradient the energy changes as the gradient says
    let (at, gradient) = eager(value_and_grad(energy), (&u,))?;
    let moved = |by: f64| eager(move |u: Tensor, d: Tensor| energy(u + d * by), (&u, &gradient))?.item::<f64>();
    let slope = (moved(1e-6)? - moved(-1e-6)?) / 2e-6;
    let square = eager(|d: Tensor| (d * d).sum(0), (&gradient,))?.item::<f64>()?;
    println!("energy {at}, whose gradient has the square {square:.6}, and by differences {slope:.6}");
    assert!((slope / square - 1.0).abs() < 1e-4);
    Ok(())
}
