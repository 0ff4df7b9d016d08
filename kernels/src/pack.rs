//! From matrices as files hold them to packed ones.
use crate::format::{Format, TILE, upper_place};

/// Where the numbers of a plain matrix `[k, n]` lie: bytes of a number, from one input to the next, and from one output to the
/// next.
#[derive(Clone, Copy, Debug)]
pub struct Strides {
    /// From one input to the next, in bytes.
    pub input: usize,
    /// From one output to the next, in bytes.
    pub output: usize,
}

/// Packs tiles `first ..` of a matrix of `n` outputs into `tiles`, as many as have room there. `row(i)` are the blocks of output
/// `i`, one after the other, as ggml has them.
pub fn pack_blocks<'a>(
    format: Format,
    [k, n]: [usize; 2],
    row: impl Fn(usize) -> &'a [u8],
    first: usize,
    tiles: &mut [u8],
) {
    let [_, blocks, bytes] = format.dims(k, n);
    for (tile, out) in tiles.chunks_exact_mut((blocks * bytes).max(1)).enumerate() {
        out.fill(0);
        let begin = (first + tile) * TILE;
        for lane in 0..TILE.min(n.saturating_sub(begin)) {
            let stored = row(begin + lane).chunks_exact(format.stored_bytes());
            for (block, out) in stored.zip(out.chunks_exact_mut(bytes)) {
                place(format, block, lane, out);
            }
        }
    }
}

/// As [`pack_blocks`], of a format without blocks, from numbers of that format at these places of `stored`.
pub fn pack_plain(format: Format, [k, n]: [usize; 2], stored: &[u8], at: Strides, first: usize, tiles: &mut [u8]) {
    let [_, blocks, bytes] = format.dims(k, n);
    let wide = format == Format::F32;
    for (tile, out) in tiles.chunks_exact_mut((blocks * bytes).max(1)).enumerate() {
        let begin = (first + tile) * TILE;
        let lanes = TILE.min(n.saturating_sub(begin));
        if k % format.inputs() != 0 || lanes < TILE {
            out.fill(0);
        }
        for i in 0..k {
            let source = i * at.input + begin * at.output;
            if wide {
                for lane in 0..lanes {
                    let from = source + lane * at.output;
                    out[i * 64 + 4 * lane..][..4].copy_from_slice(&stored[from..from + 4]);
                }
            } else {
                for lane in 0..lanes {
                    let from = source + lane * at.output;
                    out[i / 2 * 64 + 4 * lane + i % 2 * 2..][..2].copy_from_slice(&stored[from..from + 2]);
                }
            }
        }
    }
}

fn word(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

const LOW: u32 = 0x0f0f_0f0f;

/// Puts one output's block into its place.
fn place(format: Format, b: &[u8], lane: usize, out: &mut [u8]) {
    let half = |out: &mut [u8], at: usize, from: usize| out[at + 2 * lane..][..2].copy_from_slice(&b[from..from + 2]);
    let put = |out: &mut [u8], at: usize, w: u32| out[at + 4 * lane..][..4].copy_from_slice(&w.to_le_bytes());
    match format {
        Format::F32 | Format::BF16 | Format::F16 => {}
        Format::INT8 => (0..9).for_each(|g| put(out, g * 64, word(b, 4 * g))),
        Format::INT4 => {
            put(out, 0, word(b, 0));
            nibbles(&b[4..20], |g, w| put(out, 64 + g * 64, w));
        }
        Format::Q8_0 => {
            half(out, 0, 0);
            (0..8).for_each(|g| put(out, 32 + g * 64, word(b, 2 + 4 * g)));
        }
        Format::Q4_0 | Format::IQ4_NL => {
            half(out, 0, 0);
            nibbles(&b[2..18], |g, w| put(out, 32 + g * 64, w));
        }
        Format::MXFP4 => {
            out[lane] = b[0];
            nibbles(&b[1..17], |g, w| put(out, 16 + g * 64, w));
        }
        Format::Q4_1 => {
            half(out, 0, 0);
            half(out, 32, 2);
            nibbles(&b[4..20], |g, w| put(out, 64 + g * 64, w));
        }
        Format::Q5_0 => {
            half(out, 0, 0);
            put(out, 32 + 256, upper(word(b, 2)));
            nibbles(&b[6..22], |g, w| put(out, 32 + g * 64, w));
        }
        Format::Q5_1 => {
            half(out, 0, 0);
            half(out, 32, 2);
            put(out, 64 + 256, upper(word(b, 4)));
            nibbles(&b[8..24], |g, w| put(out, 64 + g * 64, w));
        }
        Format::Q4_K | Format::Q5_K => {
            half(out, 0, 0);
            half(out, 32, 2);
            for sub in 0..8 {
                let (scale, min) = scale_and_min(&b[4..16], sub);
                (out[64 + 32 * sub + lane], out[64 + 32 * sub + 16 + lane]) = (scale, min);
            }
            let (high, quants) =
                if format == Format::Q5_K { (&b[16..48], &b[48..176]) } else { (&b[..0], &b[16..144]) };
            let at = |sub: usize| if high.is_empty() { 320 + sub * 256 } else { 384 + sub * 320 };
            for (pair, bytes) in quants.chunks_exact(32).enumerate() {
                for g in 0..4 {
                    let (low, next) = (word(bytes, 8 * g), word(bytes, 8 * g + 4));
                    put(out, at(2 * pair) + g * 64, low & LOW | (next & LOW) << 4);
                    put(out, at(2 * pair + 1) + g * 64, low >> 4 & LOW | next & !LOW);
                }
            }
            if format == Format::Q5_K {
                for sub in 0..8 {
                    let bit = |w: u32, (i, h): (usize, &u8)| w | u32::from(h >> sub & 1) << upper_place(i, 1);
                    put(out, at(sub) - 64, high.iter().enumerate().fold(0, bit));
                }
            }
        }
        Format::Q6_K => {
            half(out, 0, 208);
            (0..16).for_each(|i| out[32 + 16 * i + lane] = b[192 + i]);
            for run in 0..8 {
                let (part, of) = (run % 4, run / 4);
                let bytes = &b[of * 64 + part % 2 * 32..][..32];
                let shift = part / 2 * 4;
                for g in 0..4 {
                    let (low, next) = (word(bytes, 8 * g) >> shift & LOW, word(bytes, 8 * g + 4) >> shift & LOW);
                    put(out, 352 + (run * 2 + g / 2) * 192 + g % 2 * 64, low | next << 4);
                }
                for (i, pairs) in b[128 + of * 32..][..32].chunks_exact(16).enumerate() {
                    let pair = |w: u32, (j, h): (usize, &u8)| w | u32::from(h >> (2 * part) & 3) << upper_place(j, 2);
                    put(out, 288 + (run * 2 + i) * 192, pairs.iter().enumerate().fold(0, pair));
                }
            }
        }
    }
}

/// Fifth bits that are one after the other, in their places.
fn upper(bits: u32) -> u32 {
    (0..32).fold(0, |w, i| w | (bits >> i & 1) << upper_place(i, 1))
}

/// The words of 32 nibbles of which the first 16 stand in the lower halves of 16 bytes. In a word, numbers 0 to 3 are in the
/// lower halves of its bytes, and 4 to 7 in the upper ones: so either half of the bytes is four numbers one behind the other.
fn nibbles(b: &[u8], mut put: impl FnMut(usize, u32)) {
    for g in 0..2 {
        let (low, next) = (word(b, 8 * g), word(b, 8 * g + 4));
        put(g, low & LOW | (next & LOW) << 4);
        put(2 + g, low >> 4 & LOW | next & !LOW);
    }
}

/// The 6-bit scale and minimum of a sub-block, as Q4_K and Q5_K pack them into 12 bytes.
fn scale_and_min(packed: &[u8], sub: usize) -> (u8, u8) {
    if sub < 4 {
        (packed[sub] & 63, packed[sub + 4] & 63)
    } else {
        let low = packed[sub + 4];
        (low & 15 | packed[sub - 4] >> 6 << 4, low >> 4 | packed[sub] >> 6 << 4)
    }
}

/// Fills packed tiles with arbitrary numbers whose spread is about `std`: weights for measuring, not for use. Of the plain formats,
/// normal-like numbers; of others, blocks with scales of that size.
pub fn noise(format: Format, seed: u64, std: f32, packed: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for block in packed.chunks_exact_mut(format.bytes()) {
        for word in block.chunks_exact_mut(8) {
            word.copy_from_slice(&next().to_le_bytes());
        }
        let half = |x: f32| half::f16::from_f32(x).to_le_bytes();
        let fill = |part: &mut [u8], x: f32| part.chunks_exact_mut(2).for_each(|p| p.copy_from_slice(&half(x)));
        match format {
            // the exponent of `std` and less, with random signs and fractions
            Format::F32 => block.chunks_exact_mut(4).for_each(|w| {
                let bits = u32::from_le_bytes([w[0], w[1], w[2], w[3]]);
                w.copy_from_slice(&(std * ((bits >> 8) as f32 / (1 << 23) as f32 - 1.0) * 1.7).to_le_bytes());
            }),
            Format::BF16 | Format::F16 => block.chunks_exact_mut(2).for_each(|w| {
                let x = std * (f32::from(w[0]) / 128.0 - 1.0) * 1.7;
                let bits = if format == Format::F16 { half(x) } else { half::bf16::from_f32(x).to_le_bytes() };
                w.copy_from_slice(&bits);
            }),
            Format::INT8 | Format::INT4 => {
                let steps = if format == Format::INT8 { 74.0 } else { 4.6 };
                block[..64].chunks_exact_mut(4).for_each(|w| w.copy_from_slice(&(std / steps).to_le_bytes()));
            }
            Format::Q8_0 => fill(&mut block[..32], std / 74.0),
            Format::Q4_0 => fill(&mut block[..32], std / 4.6),
            Format::IQ4_NL => fill(&mut block[..32], std / 60.0),
            Format::Q5_0 => fill(&mut block[..32], std / 9.2),
            Format::MXFP4 => block[..16].fill((127.0 + (std / 3.0).log2().round()).clamp(2.0, 254.0) as u8),
            Format::Q4_1 | Format::Q5_1 => {
                let steps = if format == Format::Q4_1 { 4.6 } else { 9.2 };
                fill(&mut block[..32], std / steps);
                fill(&mut block[32..64], -std * 1.63);
            }
            Format::Q4_K | Format::Q5_K => {
                let (steps, middle) = if format == Format::Q4_K { (4.6, 7.5) } else { (9.2, 15.5) };
                fill(&mut block[..32], std / steps / 31.0);
                fill(&mut block[32..64], std / steps * middle / 31.0);
                block[64..320].iter_mut().for_each(|b| *b &= 63);
            }
            Format::Q6_K => {
                fill(&mut block[..32], std / 18.0 / 73.0);
            }
        }
    }
}
