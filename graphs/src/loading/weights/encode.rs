//! Floats to the block formats of ggml, with the arithmetic of its reference quantisers: the bits are those that llama.cpp's
//! `llama-quantize` writes without an importance matrix.
//!
//! The simple formats take the largest magnitude, or the range, of 32 values for their scale. The others search: among scales
//! near that, they take the one with the smallest error, where larger values weigh more. All sums run in ggml's order, since
//! another order would round otherwise.

use super::dequant::{Block, FP4, NON_LINEAR, half_of_power, scale_and_min};
use half::f16;
use rayon::prelude::*;

/// Blocks per parallel task.
const TASK: usize = 64;

/// What ggml takes for zero among magnitudes.
const TINY: f32 = 1e-15;

impl Block {
    /// Encodes whole blocks, in parallel: `values` holds `out.len() / self.bytes()` of them. Surplus bytes or values are left
    /// alone. [`Block::decode`] gives the values that the blocks stand for.
    ///
    /// Values must be finite: there is no block that stands for others.
    pub fn encode(self, values: &[f32], out: &mut [u8]) {
        let encode_one = match self {
            Block::Q4_0 => q4_0,
            Block::Q4_1 => q4_1,
            Block::Q5_0 => q5_0,
            Block::Q5_1 => q5_1,
            Block::Q8_0 => q8_0,
            Block::IQ4_NL => iq4_nl,
            Block::MXFP4 => mxfp4,
            Block::Q2_K => q2_k,
            Block::Q3_K => q3_k,
            Block::Q4_K => q4_k,
            Block::Q5_K => q5_k,
            Block::Q6_K => q6_k,
            Block::IQ4_XS => iq4_xs,
        };
        let blocks = out.par_chunks_exact_mut(self.bytes()).zip(values.par_chunks_exact(self.values()));
        blocks.with_min_len(TASK).for_each(|(block, values)| encode_one(values, block));
    }
}

/// Stores an f16, and gives what it stands for.
fn put_half(out: &mut [u8], at: usize, value: f32) -> f32 {
    let rounded = f16::from_f32(value);
    out[at..at + 2].copy_from_slice(&rounded.to_le_bytes());
    rounded.to_f32()
}

/// The first of the values that are furthest from zero.
fn furthest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |most: f32, v| if v.abs() > most.abs() { *v } else { most })
}

fn range(x: &[f32]) -> (f32, f32) {
    x.iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)))
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The nearest integer, of two the even one: the addition lets the lowest bit of the mantissa be worth 1.
fn nearest(x: f32) -> i32 {
    ((x + 12_582_912.0).to_bits() & 0x7f_ffff) as i32 - 0x40_0000
}

/// The nearest integer, of two the one further from zero. (`f32::round` is a call of the C library on older processors.)
fn away_from_zero(x: f32) -> i32 {
    let whole = x as i32;
    let rest = x - whole as f32;
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
}

/// Two numbers of 4 bits to a byte, the first half of the numbers in the lower bits.
fn pack(numbers: &[u8], out: &mut [u8]) {
    let (low, high) = numbers.split_at(numbers.len() / 2);
    for ((o, l), h) in out.iter_mut().zip(low).zip(high) {
        *o = l & 15 | h << 4;
    }
}

fn fifth_bits(numbers: &[u8; 32]) -> [u8; 4] {
    numbers.iter().rev().fold(0u32, |bits, n| bits << 1 | u32::from(n >> 4)).to_le_bytes()
}

/// From `-half` to `half - 1`, with `half` added: the value furthest from zero becomes `-half`. Gives the scale as well.
fn signed(x: &[f32], half: f32) -> (f32, [u8; 32]) {
    let scale = furthest(x) / -half;
    let inverse = inverse(scale);
    let number = |v: f32| ((v * inverse + (half + 0.5)) as i8).min((2.0 * half) as i8 - 1) as u8;
    (scale, std::array::from_fn(|i| number(x[i])))
}

/// From 0 to `top`, with the scale and the least value.
fn above_minimum(x: &[f32], top: f32) -> (f32, f32, [u8; 32]) {
    let (low, high) = range(x);
    let scale = (high - low) / top;
    let inverse = inverse(scale);
    let number = |v: f32| (((v - low) * inverse + 0.5) as i8).min(top as i8) as u8;
    (scale, low, std::array::from_fn(|i| number(x[i])))
}

fn q4_0(x: &[f32], out: &mut [u8]) {
    let (scale, numbers) = signed(x, 8.0);
    put_half(out, 0, scale);
    pack(&numbers, &mut out[2..]);
}

fn q4_1(x: &[f32], out: &mut [u8]) {
    let (scale, low, numbers) = above_minimum(x, 15.0);
    put_half(out, 0, scale);
    put_half(out, 2, low);
    pack(&numbers, &mut out[4..]);
}

fn q5_0(x: &[f32], out: &mut [u8]) {
    let (scale, numbers) = signed(x, 16.0);
    put_half(out, 0, scale);
    out[2..6].copy_from_slice(&fifth_bits(&numbers));
    pack(&numbers, &mut out[6..]);
}

fn q5_1(x: &[f32], out: &mut [u8]) {
    let (scale, low, numbers) = above_minimum(x, 31.0);
    put_half(out, 0, scale);
    put_half(out, 2, low);
    out[4..8].copy_from_slice(&fifth_bits(&numbers));
    pack(&numbers, &mut out[8..]);
}

fn q8_0(x: &[f32], out: &mut [u8]) {
    let scale = furthest(x).abs() / 127.0;
    let inverse = inverse(scale);
    put_half(out, 0, scale);
    for (o, v) in out[2..].iter_mut().zip(x) {
        *o = away_from_zero(v * inverse) as u8;
    }
}

fn mxfp4(x: &[f32], out: &mut [u8]) {
    let most = furthest(x).abs();
    // (the largest of the numbers is 6, which has the exponent 2)
    out[0] = if most > 0.0 { (most.log2().floor() - 2.0 + 127.0) as u8 } else { 0 };
    let scale = half_of_power(out[0]);
    let numbers: [u8; 32] = std::array::from_fn(|i| {
        let error = |n: u8| (FP4[usize::from(n)] * scale - x[i]).abs();
        (1..16).fold(0, |best, n| if error(n) < error(best) { n } else { best })
    });
    pack(&numbers, &mut out[1..]);
}

/// Numbers from 0 to `top` for values of which each weighs so much, by least squares: gives a scale and what is to be
/// subtracted, both not negative. `steps` scales are tried, from `first` on, by how much more than `top` the range would be.
/// `absolute`: the error is counted by its magnitude, and not by its square.
fn fit_with_minimum(
    x: &[f32],
    weights: &[f32],
    top: i32,
    (first, steps): (f32, usize),
    absolute: bool,
    numbers: &mut [u8],
) -> (f32, f32) {
    let (mut low, mut high) = (x[0], x[0]);
    let (mut sum_w, mut sum_x) = (weights[0], weights[0] * x[0]);
    for (v, w) in x.iter().zip(weights).skip(1) {
        (low, high) = (low.min(*v), high.max(*v));
        sum_w += w;
        sum_x += w * v;
    }
    low = low.min(0.0);
    if high == low {
        numbers.fill(0);
        return (0.0, -low);
    }
    let number = |v: f32, inverse: f32, low: f32| nearest(inverse * (v - low)).clamp(0, top);
    let error = |numbers: &[u8], scale: f32, low: f32| {
        let all = x.iter().zip(weights).zip(numbers);
        all.fold(0.0, |sum: f32, ((v, w), n)| {
            let off = scale * f32::from(*n) + low - v;
            sum + w * if absolute { off.abs() } else { off * off }
        })
    };
    let inverse = top as f32 / (high - low);
    let mut scale = 1.0 / inverse;
    for (n, v) in numbers.iter_mut().zip(x) {
        *n = number(*v, inverse, low) as u8;
    }
    let mut best = error(numbers, scale, low);
    let mut tried = [0; 32];
    let tried = &mut tried[..x.len()];
    for step in 0..=steps {
        // (from the best minimum so far)
        let inverse = (first + 0.1 * step as f32 + top as f32) / (high - low);
        let (mut sum_n, mut sum_nn, mut sum_nx) = (0.0, 0.0, 0.0);
        for ((v, w), n) in x.iter().zip(weights).zip(tried.iter_mut()) {
            let l = number(*v, inverse, low);
            *n = l as u8;
            let l = l as f32;
            sum_n += w * l;
            sum_nn += w * l * l;
            sum_nx += w * l * v;
        }
        let determinant = sum_w * sum_nn - sum_n * sum_n;
        if determinant > 0.0 {
            let mut new_scale = (sum_w * sum_nx - sum_x * sum_n) / determinant;
            let mut new_low = (sum_nn * sum_x - sum_n * sum_nx) / determinant;
            if new_low > 0.0 {
                (new_low, new_scale) = (0.0, sum_nx / sum_nn);
            }
            let now = error(tried, new_scale, new_low);
            if now < best {
                numbers.copy_from_slice(tried);
                (best, scale, low) = (now, new_scale, new_low);
            }
        }
    }
    (scale, -low)
}

/// The sums of least squares for numbers from `-half` to `half - 1`, where a value weighs its square.
fn weighed(x: &[f32], inverse: f32, half: i32) -> (f32, f32) {
    x.iter().fold((0.0, 0.0), |(nx, nn), v| {
        let l = nearest(inverse * v).clamp(-half, half - 1) as f32;
        let w = v * v;
        (nx + w * v * l, nn + w * l * l)
    })
}

/// The scale for numbers from `-32` to `31`, by least squares; and the numbers, with 32 added.
fn fit(x: &[f32], numbers: &mut [u8]) -> f32 {
    const HALF: i32 = 32;
    let most = furthest(x);
    if most.abs() < TINY {
        numbers.fill(0);
        return 0.0;
    }
    let mut fill = |inverse: f32| {
        for (n, v) in numbers.iter_mut().zip(x) {
            *n = (nearest(inverse * v).clamp(-HALF, HALF - 1) + HALF) as u8;
        }
    };
    let inverse = -(HALF as f32) / most;
    fill(inverse);
    let (sum_nx, sum_nn) = weighed(x, inverse, HALF);
    let mut scale = if sum_nn == 0.0 { 0.0 } else { sum_nx / sum_nn };
    let mut best = scale * sum_nx;
    for step in (-9..=9).filter(|step| *step != 0) {
        let inverse = -(HALF as f32 + 0.1 * step as f32) / most;
        let (sum_nx, sum_nn) = weighed(x, inverse, HALF);
        if sum_nn > 0.0 && sum_nx * sum_nx > best * sum_nn {
            fill(inverse);
            scale = sum_nx / sum_nn;
            best = scale * sum_nx;
        }
    }
    scale
}

/// The scale for numbers from -4 to 3, which are changed one by one as long as that helps; and the numbers, with 4 added.
fn fit_one_by_one(x: &[f32], numbers: &mut [u8]) -> f32 {
    const HALF: i32 = 4;
    let most = furthest(x);
    if most.abs() < TINY {
        numbers.fill(0);
        return 0.0;
    }
    let inverse = -(HALF as f32) / most;
    let number = |v: f32| nearest(v).clamp(-HALF, HALF - 1);
    let mut own: [i32; 16] = std::array::from_fn(|i| number(inverse * x[i]));
    let (mut sum_nx, mut sum_nn) = weighed(x, inverse, HALF);
    for _ in 0..5 {
        let mut changed = false;
        for (n, v) in own.iter_mut().zip(x) {
            let (w, old) = (v * v, *n as f32);
            let mut nx = sum_nx - w * v * old;
            if nx <= 0.0 {
                continue;
            }
            let mut nn = sum_nn - w * old * old;
            let new = number(v * nn / nx);
            if new == *n {
                continue;
            }
            nx += w * v * new as f32;
            nn += w * new as f32 * new as f32;
            if nn > 0.0 && nx * nx * sum_nn > sum_nx * sum_nx * nn {
                (*n, sum_nx, sum_nn, changed) = (new, nx, nn, true);
            }
        }
        if !changed {
            break;
        }
    }
    for (n, own) in numbers.iter_mut().zip(own) {
        *n = (own + HALF) as u8;
    }
    if sum_nn > 0.0 { sum_nx / sum_nn } else { 0.0 }
}

/// Numbers again, for the scales that are stored. Where a scale is 0 they stay.
fn renumber(x: &[f32], scale: f32, low: f32, (least, top): (i32, i32), numbers: &mut [u8]) {
    if scale != 0.0 {
        for (n, v) in numbers.iter_mut().zip(x) {
            *n = (nearest((v + low) / scale).clamp(least, top) - least) as u8;
        }
    }
}

/// The largest of positive numbers, or 0.
fn largest(all: impl Iterator<Item = f32>) -> f32 {
    all.fold(0.0, |most: f32, v| if v > most { v } else { most })
}

/// What Q4_K and Q5_K share: two scales, eight scales and minima of 6 bits in 12 bytes; gives the numbers.
fn eight_with_minima(x: &[f32], top: i32, search: (f32, usize), out: &mut [u8]) -> [u8; 256] {
    let mut numbers = [0; 256];
    let mut fits = [(0.0, 0.0); 8];
    for ((fit, x), n) in fits.iter_mut().zip(x.chunks_exact(32)).zip(numbers.chunks_exact_mut(32)) {
        let mean = (x.iter().fold(0.0, |sum, v| sum + v * v) / 32.0f32).sqrt();
        let weights: [f32; 32] = std::array::from_fn(|i| mean + x[i].abs());
        *fit = fit_with_minimum(x, &weights, top, search, false, n);
    }
    let (scale, low) = (largest(fits.iter().map(|f| f.0)), largest(fits.iter().map(|f| f.1)));
    let part = |most: f32| if most > 0.0 { 63.0 / most } else { 0.0 };
    let (to_scale, to_low) = (part(scale), part(low));
    let packed = &mut out[4..16];
    for (i, fit) in fits.iter().enumerate() {
        let [s, m] = [to_scale * fit.0, to_low * fit.1].map(|v| (nearest(v) as u8).min(63));
        if i < 4 {
            (packed[i], packed[i + 4]) = (s, m);
        } else {
            packed[i + 4] = s & 15 | m << 4;
            packed[i - 4] |= s >> 4 << 6;
            packed[i] |= m >> 4 << 6;
        }
    }
    let (d, dmin) = (put_half(out, 0, scale / 63.0), put_half(out, 2, low / 63.0));
    for (i, (x, n)) in x.chunks_exact(32).zip(numbers.chunks_exact_mut(32)).enumerate() {
        let (s, m) = scale_and_min(&out[4..16], i);
        renumber(x, d * s, dmin * m, (0, top), n);
    }
    numbers
}

fn q4_k(x: &[f32], out: &mut [u8]) {
    let numbers = eight_with_minima(x, 15, (-1.0, 20), out);
    for (n, o) in numbers.chunks_exact(64).zip(out[16..].chunks_exact_mut(32)) {
        pack(n, o);
    }
}

fn q5_k(x: &[f32], out: &mut [u8]) {
    let numbers = eight_with_minima(x, 31, (-0.5, 15), out);
    for (n, o) in numbers.chunks_exact(64).zip(out[48..].chunks_exact_mut(32)) {
        pack(n, o);
    }
    // bit k of byte i is the fifth one of value i in sub-block k
    for (i, o) in out[16..48].iter_mut().enumerate() {
        *o = (0..8).fold(0, |bits, k| bits | numbers[k * 32 + i] >> 4 << k);
    }
}

/// 2 bits of each value: four sub-blocks of 32 share 32 bytes.
fn pack_pairs(numbers: &[u8; 256], out: &mut [u8]) {
    for (n, o) in numbers.chunks_exact(128).zip(out.chunks_exact_mut(32)) {
        for (i, o) in o.iter_mut().enumerate() {
            *o = (0..4).fold(0, |bits, k| bits | (n[k * 32 + i] & 3) << (2 * k));
        }
    }
}

fn q2_k(x: &[f32], out: &mut [u8]) {
    let mut numbers = [0; 256];
    let mut fits = [(0.0, 0.0); 16];
    for ((fit, x), n) in fits.iter_mut().zip(x.chunks_exact(16)).zip(numbers.chunks_exact_mut(16)) {
        let weights: [f32; 16] = std::array::from_fn(|i| x[i].abs());
        *fit = fit_with_minimum(x, &weights, 3, (-0.5, 15), true, n);
    }
    let (scale, low) = (largest(fits.iter().map(|f| f.0)), largest(fits.iter().map(|f| f.1)));
    let part = |most: f32| if most > 0.0 { 15.0 / most } else { 0.0 };
    let (to_scale, to_low) = (part(scale), part(low));
    for (o, fit) in out.iter_mut().zip(fits) {
        *o = nearest(to_scale * fit.0) as u8 | (nearest(to_low * fit.1) as u8) << 4;
    }
    let (d, dmin) = (put_half(out, 80, scale / 15.0), put_half(out, 82, low / 15.0));
    for ((packed, x), n) in out.iter().zip(x.chunks_exact(16)).zip(numbers.chunks_exact_mut(16)) {
        renumber(x, d * f32::from(packed & 15), dmin * f32::from(packed >> 4), (0, 3), n);
    }
    pack_pairs(&numbers, &mut out[16..80]);
}

fn q3_k(x: &[f32], out: &mut [u8]) {
    let mut numbers = [0; 256];
    let mut fits = [0.0; 16];
    for ((fit, x), n) in fits.iter_mut().zip(x.chunks_exact(16)).zip(numbers.chunks_exact_mut(16)) {
        *fit = fit_one_by_one(x, n);
    }
    let most = furthest(&fits);
    let to_scale = if most == 0.0 { 0.0 } else { -32.0 / most };
    let d = put_half(out, 108, inverse(to_scale));
    out[96..108].fill(0);
    for (i, ((fit, x), n)) in fits.iter().zip(x.chunks_exact(16)).zip(numbers.chunks_exact_mut(16)).enumerate() {
        let scale = nearest(to_scale * fit).clamp(-32, 31);
        // (without any scale the bits are zeros, which stand for -32)
        let bits = if most == 0.0 { 0 } else { (scale + 32) as u8 };
        out[96 + i % 8] |= (bits & 15) << (i / 8 * 4);
        out[104 + i % 4] |= bits >> 4 << (i / 4 * 2);
        renumber(x, d * f32::from(bits as i8 - 32), 0.0, (-4, 3), n);
    }
    // bit k of byte i is the third one of value i in sub-block k
    for (i, o) in out[..32].iter_mut().enumerate() {
        *o = (0..8).fold(0, |bits, k| bits | numbers[k * 32 + i] >> 2 << k);
    }
    pack_pairs(&numbers, &mut out[32..96]);
}

fn q6_k(x: &[f32], out: &mut [u8]) {
    let mut numbers = [0; 256];
    let mut fits = [0.0; 16];
    for ((fit_of, x), n) in fits.iter_mut().zip(x.chunks_exact(16)).zip(numbers.chunks_exact_mut(16)) {
        *fit_of = fit(x, n);
    }
    let most = furthest(&fits);
    if most.abs() < TINY {
        return out.fill(0);
    }
    let to_scale = -128.0 / most;
    let d = put_half(out, 208, 1.0 / to_scale);
    for (i, ((fit, x), n)) in fits.iter().zip(x.chunks_exact(16)).zip(numbers.chunks_exact_mut(16)).enumerate() {
        let scale = nearest(to_scale * fit).min(127) as i8;
        out[192 + i] = scale as u8;
        renumber(x, d * f32::from(scale), 0.0, (-32, 31), n);
    }
    for (half, n) in numbers.chunks_exact(128).enumerate() {
        for i in 0..32 {
            let [a, b, c, d] = [0, 32, 64, 96].map(|k| n[k + i]);
            out[half * 64 + i] = a & 15 | c << 4;
            out[half * 64 + 32 + i] = b & 15 | d << 4;
            out[128 + half * 32 + i] = a >> 4 | b >> 4 << 2 | c >> 4 << 4 | d >> 4 << 6;
        }
    }
}

/// The index of the number of IQ4 that is nearest.
fn chosen(x: f32) -> u8 {
    let next = NON_LINEAR.partition_point(|n| f32::from(*n) <= x);
    match next {
        0 => 0,
        16 => 15,
        // (in the middle, the higher one)
        next => {
            let [below, above] = [next - 1, next].map(|i| f32::from(NON_LINEAR[i]));
            if x - below < above - x { next as u8 - 1 } else { next as u8 }
        }
    }
}

/// The scale of 32 values for the numbers of IQ4, by least squares, where a value weighs its square.
fn fit_chosen(x: &[f32]) -> f32 {
    const TRIES: i32 = 7;
    let most = furthest(x);
    if most.abs() < TINY {
        return 0.0;
    }
    let first = f32::from(NON_LINEAR[0]);
    let sums = |inverse: f32| {
        x.iter().fold((0.0, 0.0), |(qx, qq), v| {
            let (q, w) = (f32::from(NON_LINEAR[usize::from(chosen(inverse * v))]), v * v);
            (qx + w * q * v, qq + w * q * q)
        })
    };
    let (sum_qx, sum_qq) = sums(1.0 / (-most / first));
    let mut scale = if sum_qq > 0.0 { sum_qx / sum_qq } else { 0.0 };
    let mut best = scale * sum_qx;
    for step in -TRIES..=TRIES {
        let (sum_qx, sum_qq) = sums((step as f32 + first) / most);
        if sum_qq > 0.0 && sum_qx * sum_qx > best * sum_qq {
            scale = sum_qx / sum_qq;
            best = scale * sum_qx;
        }
    }
    scale
}

fn put_chosen(x: &[f32], scale: f32, out: &mut [u8]) {
    let inverse = inverse(scale);
    let numbers: [u8; 32] = std::array::from_fn(|i| chosen(inverse * x[i]));
    pack(&numbers, out);
}

fn iq4_nl(x: &[f32], out: &mut [u8]) {
    let scale = fit_chosen(x);
    put_half(out, 0, scale);
    put_chosen(x, scale, &mut out[2..]);
}

fn iq4_xs(x: &[f32], out: &mut [u8]) {
    let mut fits = [0.0; 8];
    for (fit, x) in fits.iter_mut().zip(x.chunks_exact(32)) {
        *fit = fit_chosen(x);
    }
    let d = -furthest(&fits) / 32.0;
    put_half(out, 0, d);
    let inverse = inverse(d);
    let (head, quants) = out.split_at_mut(8);
    head[2..].fill(0);
    for (i, ((fit, x), out)) in fits.iter().zip(x.chunks_exact(32)).zip(quants.chunks_exact_mut(16)).enumerate() {
        let scale = nearest(inverse * fit).clamp(-32, 31);
        let bits = (scale + 32) as u8;
        head[4 + i / 2] |= (bits & 15) << (i % 2 * 4);
        head[2 + i / 4] |= bits >> 4 << (i % 4 * 2);
        put_chosen(x, d * scale as f32, out);
    }
}
