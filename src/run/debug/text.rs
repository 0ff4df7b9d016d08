//! Values as text, laid out as NumPy does.
//!
//! Floats are written with the fewest digits that read back as the same value in their dtype, and arrays of more than
//! 1000 elements with the three at each end of every axis.
use super::View;
use crate::{
    aval::DType,
    host::{Data, Host, round},
};
use num_complex::Complex64;
use std::fmt;

/// Arrays with more elements are shortened.
const WHOLE: usize = 1000;
/// What is left at each end of an axis then.
const EDGE: usize = 3;
/// Characters of a line.
const WIDTH: usize = 75;
/// Digits after the point that are never exceeded in an array.
const PRECISION: usize = 8;

/// How a format string wants elements: `{:.3}`, `{:.2e}`, `{:e}`, and what `Formatter` knows besides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Style {
    /// Digits after the point of floats.
    pub decimals: Option<usize>,
    /// Floats with an exponent.
    pub scientific: bool,
    /// With the sign of positive numbers.
    plus: bool,
    /// All elements, however many there are.
    whole: bool,
    /// Least number of characters of an element, where it stands in them, and whether zeros fill them.
    width: usize,
    align: Option<fmt::Alignment>,
    zeros: bool,
}
impl Style {
    /// What a formatter asks for.
    fn of(f: &fmt::Formatter, scientific: bool) -> Style {
        let (whole, plus, zeros) = (f.alternate(), f.sign_plus(), f.sign_aware_zero_pad());
        let (decimals, width, align) = (f.precision(), f.width().unwrap_or(0), f.align());
        Style { decimals, scientific, plus, whole, width, align, zeros }
    }
    /// A word in the width that is asked for.
    fn padded(&self, word: &str) -> String {
        let n = self.width;
        match self.align {
            _ if self.zeros => {
                let word = word.trim_start();
                let (sign, digits) = word.split_at(word.len() - word.trim_start_matches(['+', '-']).len());
                format!("{sign}{digits:0>w$}", w = n.saturating_sub(sign.len()))
            }
            Some(fmt::Alignment::Left) => format!("{:<n$}", word.trim_start()),
            Some(fmt::Alignment::Center) => format!("{:^n$}", word.trim()),
            _ => format!("{word:>n$}"),
        }
    }

    /// The style that follows the colon of a field.
    pub(super) fn parse(spec: &str) -> Option<Style> {
        let (digits, scientific) = spec.strip_suffix('e').map_or((spec, false), |s| (s, true));
        if digits.is_empty() {
            return Some(Style { scientific, ..Style::default() });
        }
        let decimals = digits.strip_prefix('.')?.parse().ok().filter(|d| *d <= 30)?;
        Some(Style { decimals: Some(decimals), scientific, ..Style::default() })
    }
}

/// As NumPy prints it, but for bools, which are Rust's: `true`.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&text(&View::of(self), Style::of(f, false)))
    }
}
/// As `Display`, with exponents.
impl fmt::LowerExp for Host {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&text(&View::of(self), Style::of(f, true)))
    }
}

/// The text of a value: a scalar alone, an array in brackets, its rows on lines of their own.
pub(super) fn text(x: &View, style: Style) -> String {
    let dims = &x.aval.dims;
    let shortened = x.aval.size() > WHOLE && !style.whole;
    let elided: Vec<bool> = dims.iter().map(|d| shortened && *d > 2 * EDGE).collect();
    let shown: Vec<Vec<usize>> = dims.iter().zip(&elided).map(|(d, e)| positions(*d, *e)).collect();
    let words = words(&x.at(&shown), style);
    if dims.is_empty() {
        return style.padded(words[0].trim());
    }
    let words: Vec<String> = if style.width == 0 { words } else { words.iter().map(|w| style.padded(w)).collect() };
    let sizes: Vec<usize> = shown.iter().map(Vec::len).collect();
    bracketed(&words, &sizes, &elided, 1)
}

fn positions(n: usize, elided: bool) -> Vec<usize> {
    if elided { (0..EDGE).chain(n - EDGE..n).collect() } else { (0..n).collect() }
}

/// `words` in the shape `sizes`, with dots in the middle of the elided axes, `depth` brackets deep.
fn bracketed(words: &[String], sizes: &[usize], elided: &[bool], depth: usize) -> String {
    let ((n, inner), dots) = (sizes.split_first().expect("at least one axis"), elided[0]);
    let indent = " ".repeat(depth);
    if words.is_empty() {
        return "[]".into();
    }
    let mut parts: Vec<String> = match inner {
        [] => words.to_vec(),
        _ => words.chunks(words.len() / n).map(|part| bracketed(part, inner, &elided[1..], depth + 1)).collect(),
    };
    if dots {
        parts.insert(EDGE, "...".into());
    }
    if !inner.is_empty() {
        return format!("[{}]", parts.join(&format!("{}{indent}", "\n".repeat(inner.len()))));
    }
    let (mut lines, mut line) = (vec![], String::new());
    for part in parts {
        if !line.is_empty() && depth + line.chars().count() + 1 + part.len() >= WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        line += if line.is_empty() { "" } else { " " };
        line += &part;
    }
    lines.push(line);
    format!("[{}]", lines.join(&format!("\n{indent}")))
}

/// The elements, all of one width.
fn words(x: &Host, style: Style) -> Vec<String> {
    let words: Vec<String> = match x.data() {
        Data::Float(v) => return floats(x.dtype(), v, x.dims().is_empty(), style),
        Data::Complex(v) => return complexes(x.dtype().real(), v, x.dims().is_empty(), style),
        Data::Int(v) if x.dtype() == DType::Bool => v.iter().map(|x| (*x != 0).to_string()).collect(),
        Data::Int(v) if style.plus => v.iter().map(|x| format!("{x:+}")).collect(),
        Data::Int(v) => v.iter().map(i128::to_string).collect(),
    };
    let width = words.iter().map(String::len).max().unwrap_or(0);
    words.into_iter().map(|w| format!("{w:>width$}")).collect()
}

/// Decimal digits of a finite float: `d.ddd`, times ten to the power of the second.
fn shortest(dtype: DType, x: f64, most: usize) -> (String, i32) {
    let digits = |n: usize| format!("{:.n$e}", x.abs());
    let same = |s: &String| s.parse().is_ok_and(|v| round(dtype, v) == x.abs());
    let text = (0..most).map(digits).find(same).unwrap_or_else(|| digits(most));
    let (digits, exponent) = text.split_once('e').expect("scientific notation has an exponent");
    (digits.to_string(), exponent.parse().expect("an integer"))
}

/// Around the point: the sign and the digits before it, those after it, the exponent.
type Parts = (String, String, String);

fn scientific(dtype: DType, x: f64, decimals: Option<usize>) -> Parts {
    let (digits, exponent) = match decimals {
        None => shortest(dtype, x, 16),
        Some(n) => {
            let text = format!("{:.n$e}", x.abs());
            let (digits, exponent) = text.split_once('e').expect("scientific notation has an exponent");
            (digits.to_string(), exponent.parse().expect("an integer"))
        }
    };
    let (before, after) = digits.split_once('.').unwrap_or((&digits, ""));
    let sign = if x.is_sign_negative() { "-" } else { "" };
    let exponent = format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    (format!("{sign}{before}"), after.to_string(), exponent)
}

fn positional(dtype: DType, x: f64, decimals: Option<usize>, most: usize) -> Parts {
    let text = match decimals {
        Some(n) => format!("{x:.n$}"),
        None => {
            let (digits, exponent) = shortest(dtype, x, 16);
            // digits after the point that say something
            let useful = (digits.len().saturating_sub(2) as i32 - exponent).max(0) as usize;
            let text = format!("{:.*}", useful.min(most), x);
            if text.contains('.') { text.trim_end_matches('0').to_string() } else { text }
        }
    };
    let (before, after) = text.split_once('.').unwrap_or((&text, ""));
    (before.to_string(), after.to_string(), String::new())
}

/// Does a scalar, or do the numbers of an array, read better with exponents? The bounds are Python's and NumPy's.
fn wants_exponent(v: &[f64], scalar: bool) -> bool {
    let sizes = || v.iter().map(|x| x.abs()).filter(|x| x.is_finite() && *x > 0.0);
    let (most, least) = (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    match scalar {
        true => most >= 1e16 || least < 1e-4,
        false => most >= 1e8 || least < 1e-4 || most / least > 1000.0,
    }
}

/// Complex numbers: of a scalar in brackets, as Python has it.
fn complexes(dtype: DType, v: &[Complex64], scalar: bool, style: Style) -> Vec<String> {
    let signed = Style { plus: true, ..style };
    let [re, im] = [|z: &Complex64| z.re, |z: &Complex64| z.im].map(|part| v.iter().map(part).collect::<Vec<f64>>());
    let parts = floats(dtype, &re, scalar, style).into_iter().zip(floats(dtype, &im, scalar, signed));
    let text = |(re, im): (String, String)| {
        let digits = im.trim_end();
        if !scalar {
            return format!("{re}{digits}j{}", " ".repeat(im.len() - digits.len()));
        }
        let whole = |s: &str| s.strip_suffix(".0").unwrap_or(s).to_string();
        format!("({}{}j)", whole(re.trim()), whole(digits.trim()))
    };
    parts.map(text).collect()
}

fn floats(dtype: DType, v: &[f64], scalar: bool, style: Style) -> Vec<String> {
    let exponent = style.scientific || (style.decimals.is_none() && wants_exponent(v, scalar));
    let most = if scalar { 30 } else { PRECISION };
    let signed = |(before, after, exponent): Parts| match style.plus && !before.starts_with('-') {
        true => (format!("+{before}"), after, exponent),
        false => (before, after, exponent),
    };
    let parts = |x: &f64| match () {
        _ if !x.is_finite() => None,
        _ if exponent => {
            let most = style.decimals.unwrap_or(most);
            let (a, b, e) = scientific(dtype, *x, style.decimals);
            if b.len() > most { Some(scientific(dtype, *x, Some(most))) } else { Some((a, b, e)) }
        }
        _ => Some(positional(dtype, *x, style.decimals, most)),
    };
    let parts: Vec<Option<Parts>> = v.iter().map(|x| parts(x).map(signed)).collect();
    let width = |f: fn(&Parts) -> usize| parts.iter().flatten().map(f).max().unwrap_or(0);
    let (before, after, last) = (width(|p| p.0.len()), width(|p| p.1.len()), width(|p| p.2.len()));
    let point = parts.iter().any(Option::is_some) && !(style.decimals == Some(0) || exponent && scalar && after == 0);
    let special = |x: &f64| match (x.is_nan(), *x > 0.0) {
        (true, _) if style.plus => "+nan",
        (true, _) => "nan",
        (false, true) if style.plus => "+inf",
        (false, true) => "inf",
        (false, false) => "-inf",
    };
    let text = |(x, p): (&f64, &Option<Parts>)| {
        let Some((a, b, e)) = p else { return special(x).to_string() };
        // with exponents zeros fill the digits, without them spaces, but a scalar ends in a digit
        let fill = if exponent || scalar && b.is_empty() { '0' } else { ' ' };
        let digits = if scalar && !exponent { after.max(1) } else { after };
        let digits = if style.decimals == Some(0) { 0 } else { digits };
        let b: String = b.chars().chain(std::iter::repeat(fill)).take(digits).collect();
        let exponent = if e.is_empty() { String::new() } else { format!("{}{:0>w$}", &e[..2], &e[2..], w = last - 2) };
        format!("{a:>before$}{}{b}{exponent}", if point { "." } else { "" })
    };
    let words: Vec<String> = v.iter().zip(&parts).map(text).collect();
    let width = words.iter().map(String::len).max().unwrap_or(0);
    words.into_iter().map(|w| format!("{w:>width$}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aval::Aval;

    fn of(x: &Host, spec: &str) -> String {
        text(&View::of(x), Style::parse(spec).expect("a style"))
    }
    fn f32s(dims: &[usize], v: &[f64]) -> String {
        of(&Host::floats(DType::F32, dims, v.to_vec()), "")
    }

    /// What NumPy prints for the same arrays.
    #[test]
    fn arrays_look_as_in_numpy() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        assert_eq!(f32s(&[3], &[1.0, 2.5, 1e-5]), "[1.0e+00 2.5e+00 1.0e-05]");
        assert_eq!(f32s(&[3], &[1.0, nan, -inf]), "[  1.  nan -inf]");
        assert_eq!(f32s(&[1], &[nan]), "[nan]");
        assert_eq!(f32s(&[2], &[0.0, -0.0]), "[ 0. -0.]");
        assert_eq!(f32s(&[2], &[-1.5, 2.0]), "[-1.5  2. ]");
        assert_eq!(f32s(&[2], &[0.1, 100.25]), "[1.0000e-01 1.0025e+02]");
        assert_eq!(f32s(&[2, 2], &[1e10, 1.0, 2.0, 3.0]), "[[1.e+10 1.e+00]\n [2.e+00 3.e+00]]");
        assert_eq!(f32s(&[0, 3], &[]), "[]");
        let wide = Host::floats(DType::F64, [2], vec![1e100, 2.5e-7]);
        assert_eq!(of(&wide, ""), "[1.0e+100 2.5e-007]");
        let thirds: Vec<f64> = (0..8).map(|i| i as f64 / 3.0).collect();
        assert_eq!(
            of(&Host::floats(DType::F64, [2, 2, 2], thirds), ""),
            "[[[0.         0.33333333]\n  [0.66666667 1.        ]]\n\n [[1.33333333 1.66666667]\n  [2.         2.33333333]]]"
        );
        assert_eq!(of(&Host::ints(DType::Bool, [2], vec![1, 0]), ""), "[ true false]");
        assert_eq!(
            of(&Host::ints(DType::I32, [50], (0..50).collect()), ""),
            "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n 24 25 26 27 28 29 30 31 32 33 34 \
             35 36 37 38 39 40 41 42 43 44 45 46 47\n 48 49]"
        );
    }

    #[test]
    fn scalars_are_the_shortest_number_of_their_dtype() {
        for (x, want) in [(1.5, "1.5"), (1.0, "1.0"), (0.1, "0.1"), (1e-5, "1e-05"), (123456792.0, "123456792.0")] {
            assert_eq!(f32s(&[], &[x]), want);
        }
        assert_eq!(of(&Host::floats(DType::BF16, [], vec![0.1]), ""), "0.1");
        assert_eq!(of(&Host::floats(DType::F64, [], vec![0.1 + 0.2]), ""), "0.30000000000000004");
        assert_eq!(of(&Host::ints(DType::I4, [], vec![-8]), ""), "-8");
        assert_eq!(f32s(&[], &[f64::NEG_INFINITY]), "-inf");
    }

    #[test]
    fn complex_numbers_look_as_in_numpy() {
        let c64 = |dims: &[usize], parts: &[f64]| of(&Host::from_parts(DType::C64, dims, parts.to_vec()), "");
        assert_eq!(c64(&[2], &[1.0, 2.25, -3.5, -1.0]), "[ 1. +2.25j -3.5-1.j  ]");
        assert_eq!(c64(&[2], &[1.0, 20.0, 1.5, f64::NAN]), "[1. +20.j 1.5+nanj]");
        assert_eq!((c64(&[], &[1.0, 2.0]), c64(&[], &[0.5, -0.25])), ("(1+2j)".into(), "(0.5-0.25j)".into()));
    }

    #[test]
    fn styles_fix_the_digits() {
        let x = Host::floats(DType::F32, [2], vec![1.0, 22.375]);
        assert_eq!(of(&x, ".1"), "[ 1.0 22.4]");
        assert_eq!(of(&x, ".0"), "[ 1 22]");
        assert_eq!(of(&x, ".2e"), "[1.00e+00 2.24e+01]");
        assert_eq!(of(&x, "e"), "[1.0000e+00 2.2375e+01]");
        assert_eq!(of(&Host::floats(DType::F32, [], vec![0.5]), ".3"), "0.500");
        assert_eq!(of(&Host::ints(DType::I32, [], vec![5]), ".3"), "5");
        assert_eq!((Style::parse("x"), Style::parse("3"), Style::parse(".x")), (None, None, None));
    }

    #[test]
    fn large_arrays_are_shortened() {
        let row = "[0. 0. 0. ... 0. 0. 0.]";
        let zeros = Host::full(&Aval::new(DType::F32, [40, 40]), 0.0);
        let rows = [row; 3].join("\n ");
        assert_eq!(of(&zeros, ""), format!("[{rows}\n ...\n {rows}]"));
        let numbers = Host::ints(DType::I32, [1001], (0..1001).collect());
        assert_eq!(of(&numbers, ""), "[   0    1    2 ...  998  999 1000]");
        let narrow = Host::ints(DType::I32, [2, 600], (0..1200).collect());
        assert_eq!(of(&narrow, ""), "[[   0    1    2 ...  597  598  599]\n [ 600  601  602 ... 1197 1198 1199]]");
    }
}
