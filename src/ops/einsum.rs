//! Einstein summation: contractions written by naming the axes.
//!
//! Letters that occur in both operands and in the result are batch axes, those missing in the result are summed.
//! Two operands become one `dot_general`, and a transposition where the order of the result asks for it.
use super::{common, one_dtype};
use crate::{
    aval::DType,
    prim::{Direction, DotGeneral, Precision, compare, dot_general, iota, reduce_sum, select, zeros_of},
    trace::{At, Tensor, fail},
};
use std::collections::VecDeque;

/// The sum of products of two tensors, written by naming their axes with one letter each.
///
/// A letter that is missing on the right of the arrow is summed over; one that both operands have runs along together.
/// A letter twice in one operand means its diagonal. `...` are axes without names, which broadcast. Without an arrow, the result has the
/// letters that occur once, in alphabetic order. Products of matrices become [`dot_general`].
///
/// ```
/// # use raxla::{Aval, DType, einsum, trace::trace_graph};
/// # let avals = [Aval::new(DType::F32, [2, 5, 16]), Aval::new(DType::F32, [3, 16, 4, 8])];
/// # let g = trace_graph(&avals, |t| { let (x, w) = (t[0], t[1]);
/// let qkv = einsum("btd,sdhk->sbthk", x, w);
/// # vec![qkv] }).unwrap();
/// # assert_eq!(g.out_avals()[0].to_string(), "f32[3, 2, 5, 4, 8]");
/// ```
#[track_caller]
pub fn einsum(spec: &str, x: Tensor, y: Tensor) -> Tensor // data comes in as an argument: `jit(|x: Tensor, w: Tensor| ..)`
{
    einsum_with(spec, &[x, y], Precision::Default, None)
}

/// [`einsum`] of any number of tensors, contracted pairwise from left to right. With one operand it sums, takes diagonals
/// and transposes.
#[track_caller]
pub fn einsum_n(spec: &str, x: &[Tensor]) -> Tensor {
    einsum_with(spec, x, Precision::Default, None)
}

/// [`einsum_n`] with the [`Precision`] of its products, and the dtype they are summed in and returned as (by default the
/// operands' own; see [`DotGeneral::output`]).
#[track_caller]
pub fn einsum_with(spec: &str, x: &[Tensor], precision: Precision, output: Option<DType>) -> Tensor {
    let _at = At::op("einsum");
    let (whole, x) = written_out(spec, x);
    let x = &x[..];
    let (operands, result) = parse(spec, &whole, x);
    require_one_dtype(spec, x);
    let mut terms: VecDeque<Term> =
        operands.into_iter().zip(x).map(|(letters, x)| Term { letters, x: *x }.diagonal()).collect();
    let mut product = terms.pop_front().expect("a spec names at least one operand");
    while let Some(next) = terms.pop_front() {
        let later: Vec<char> = terms.iter().flat_map(|t| &t.letters).chain(&result).copied().collect();
        product = product.times(next, &later, &result, DotGeneral { precision, output, ..Default::default() });
    }
    let sum = product.summed(&result, output);
    let y = sum.x.transpose(sum.axes(&result));
    y.cast(output.unwrap_or(y.dtype()))
}

/// Operands of one dtype, or of two kinds of 8-bit floats.
#[track_caller]
fn require_one_dtype(spec: &str, x: &[Tensor]) {
    let f8 = |t: &Tensor| t.dtype().is_float() && t.dtype().bits() == 8;
    let first = x.first().map(|t| t.dtype());
    if x.iter().all(|t| Some(t.dtype()) == first) || x.iter().all(f8) {
        return;
    }
    let other = x.iter().map(|t| t.dtype()).find(|d| Some(*d) != first);
    let help = first.zip(other).map(|(a, b)| one_dtype(a, b));
    fail(&format!("einsum {spec:?}"), x.iter().map(|t| t.aval()).collect(), "the dtypes differ", help)
}

/// A tensor and the letters of its axes.
struct Term {
    letters: Vec<char>,
    x: Tensor,
}

impl Term {
    fn axis(&self, letter: char) -> usize {
        self.letters.iter().position(|c| *c == letter).expect("a letter of this operand")
    }

    fn axes(&self, letters: &[char]) -> Vec<usize> {
        letters.iter().map(|c| self.axis(*c)).collect()
    }

    /// Every letter once: of repeated ones, only the elements whose indices agree.
    fn diagonal(mut self) -> Term {
        let again = |l: &[char]| (1..l.len()).find(|i| l[..*i].contains(&l[*i]));
        while let Some(second) = again(&self.letters) {
            let (dims, first) = (self.x.dims(), self.axis(self.letters[second]));
            let index = |axis| iota(&*dims, DType::I32, axis);
            let agree = compare(Direction::Eq, index(first), index(second));
            self.x = reduce_sum(select(agree, self.x, zeros_of(&self.x.aval())), [second]);
            self.letters.remove(second);
        }
        self
    }

    /// Summed over all axes but these, in the wanted dtype.
    fn summed(self, keep: &[char], output: Option<DType>) -> Term {
        let (letters, gone): (Vec<char>, Vec<char>) = self.letters.iter().partition(|c| keep.contains(c));
        if gone.is_empty() {
            return self;
        }
        let x = self.x.cast(output.unwrap_or(self.x.dtype()));
        Term { x: reduce_sum(x, self.axes(&gone)), letters }
    }

    /// The product with another term, summed over the letters that are not needed later. `how` has no axes yet.
    fn times(self, y: Term, later: &[char], result: &[char], how: DotGeneral) -> Term {
        let (in_x, in_y) = (self.letters.clone(), y.letters.clone());
        let x = self.summed(&[later, &in_y].concat(), how.output);
        let y = y.summed(&[later, &in_x].concat(), how.output);
        let shared: Vec<char> = x.letters.iter().copied().filter(|c| y.letters.contains(c)).collect();
        let (batch, contract): (Vec<char>, Vec<char>) = shared.iter().partition(|c| later.contains(c));
        let order = |x: &Term, y: &Term| -> Vec<char> {
            let free = x.letters.iter().chain(&y.letters).filter(|c| !shared.contains(c));
            batch.iter().chain(free).copied().collect()
        };
        // the operands in the order that needs no transposition afterwards, if there is one
        let (x, y) = if order(&y, &x) == result { (y, x) } else { (x, y) };
        let dot = DotGeneral {
            batch: (x.axes(&batch), y.axes(&batch)),
            contract: (x.axes(&contract), y.axes(&contract)),
            ..how
        };
        // a sum taken before, or an earlier product, has the wanted dtype already
        let (a, b) = match how.output {
            Some(to) if x.x.dtype() != y.x.dtype() => (x.x.cast(to), y.x.cast(to)),
            _ => (x.x, y.x),
        };
        Term { letters: order(&x, &y), x: dot_general(a, b, dot) }
    }
}

/// The spec with `...` as letters and with the result's letters; and the operands without axes of size 1 that are repeated along those
/// of others. `...` are axes that are not named, aligned at the last one, as NumPy broadcasts.
#[track_caller]
fn written_out(spec: &str, x: &[Tensor]) -> (String, Vec<Tensor>) {
    let refuse = |reason: String, help: &str| -> ! {
        fail(&format!("einsum {spec:?}"), x.iter().map(|t| t.aval()).collect(), reason, Some(help.into()))
    };
    let text: String = spec.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = text.split_once("->").map_or((&*text, None), |(left, right)| (left, Some(right)));
    let operands: Vec<&str> = left.split(',').collect();
    let named = |s: &str| s.chars().filter(|c| *c != '.').count();
    let mut rest = vec![];
    for (i, (names, t)) in operands.iter().zip(x).enumerate().filter(|(_, (names, _))| names.contains("...")) {
        if named(names) > t.rank() {
            let reason = format!("operand {} has {} letters but {} axes", i + 1, named(names), t.rank());
            refuse(reason, "name at most as many axes as there are")
        }
        let before = names.find('.').unwrap_or(0);
        let own = &t.dims()[before..t.rank() - (named(names) - before)];
        rest = common(&rest, own).unwrap_or_else(|help| refuse("the axes of `...` do not broadcast".into(), &help));
    }
    // (letters that nobody writes)
    let letter = |k: usize| char::from_u32(0x4e00 + k as u32).unwrap_or('Z');
    let (mut parts, mut out) = (vec![], vec![]);
    for (names, t) in operands.iter().zip(x) {
        let Some(before) = names.find("...") else {
            parts.push(names.to_string());
            out.push(*t);
            continue;
        };
        let n = t.rank() - named(names);
        let first = rest.len() - n;
        let kept: Vec<usize> = (0..n).filter(|k| t.dims()[before + k] == rest[first + k]).collect();
        let letters: String = kept.iter().map(|k| letter(first + k)).collect();
        let dims = t.dims();
        let middle = kept.iter().map(|k| dims[before + k]);
        let dims = dims[..before].iter().copied().chain(middle).chain(dims[before + n..].iter().copied());
        out.push(t.reshape(dims.collect::<Vec<_>>()));
        parts.push(names.replacen("...", &letters, 1));
    }
    parts.extend(operands.iter().skip(x.len()).map(|s| s.to_string()));
    out.extend(x.iter().skip(operands.len()));
    let all: String = (0..rest.len()).map(letter).collect();
    let result = match right {
        Some(right) if !right.contains("...") && left.contains("...") && !rest.is_empty() => {
            refuse("the result does not say where the axes of `...` go".into(), "write `...` in the result too")
        }
        Some(right) => right.replacen("...", &all, 1),
        None => {
            let mut once: Vec<char> =
                left.chars().filter(|c| c.is_alphabetic() && left.matches(*c).count() == 1).collect();
            once.sort_unstable();
            all.chars().chain(once).collect()
        }
    };
    (format!("{}->{result}", parts.join(",")), out)
}

/// The letters of each operand and of the result, checked against the operands. `spec` is what the caller wrote.
#[track_caller]
fn parse(spec: &str, whole: &str, x: &[Tensor]) -> (Vec<Vec<char>>, Vec<char>) {
    let refuse = |reason: String, help: &str| -> ! {
        fail(&format!("einsum {spec:?}"), x.iter().map(|t| t.aval()).collect(), reason, Some(help.into()))
    };
    let letters = |s: &str| -> Vec<char> { s.chars().filter(|c| !c.is_whitespace()).collect() };
    let (left, right) = whole.split_once("->").unwrap_or((whole, ""));
    let operands: Vec<Vec<char>> = left.split(',').map(letters).collect();
    let result = letters(right);
    if let Some(c) = operands.iter().flatten().chain(&result).find(|c| !c.is_alphabetic()) {
        refuse(format!("{c:?} is not a letter"), "name every axis with a letter, or some of them together with `...`")
    }
    if operands.len() != x.len() {
        refuse(
            format!("it names {} operands but there are {}", operands.len(), x.len()),
            "write the letters of each operand, with commas between, as in \"bd,df->bf\"",
        )
    }
    let mut sizes: Vec<(char, usize, usize)> = vec![];
    for (i, (names, t)) in operands.iter().zip(x).enumerate() {
        let dims = t.dims();
        if names.len() != dims.len() {
            let (n, number) = (names.len(), i + 1);
            let plural = if n == 1 { "letter" } else { "letters" };
            refuse(
                format!("operand {number} has {n} {plural} but {} axes", dims.len()),
                "name every axis with one letter",
            )
        }
        for (c, n) in names.iter().zip(dims) {
            match sizes.iter().find(|s| s.0 == *c) {
                Some((_, size, _)) if *size == n => {}
                Some((_, size, operand)) => {
                    let reason = format!("the letter {c} is {size} in operand {operand} and {n} in operand {}", i + 1);
                    refuse(
                        reason,
                        "write each operand's letters in the order of its axes; axes of different sizes need different letters",
                    )
                }
                None => sizes.push((*c, n, i + 1)),
            }
        }
    }
    if let Some(c) = result.iter().find(|c| !sizes.iter().any(|s| s.0 == **c)) {
        refuse(
            format!("the result's letter {c} is in no operand"),
            "take the letters of the result from those of the operands; a new axis of size 1 is `.expand_dims(axis)` of the result",
        )
    }
    if let Some(c) = (1..result.len()).find(|i| result[..*i].contains(&result[*i])).map(|i| result[i]) {
        refuse(
            format!("the result names the letter {c} twice"),
            "name each axis of the result once; a diagonal matrix is the product with `eye`",
        )
    }
    (operands, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aval::Aval,
        host::{Host, ravel, unravel},
        prim::sample,
        trace::trace_graph,
    };

    /// Every letter a loop.
    fn loops(spec: &str, x: &[Host]) -> Vec<f64> {
        let (left, result) = spec.split_once("->").unwrap();
        let operands: Vec<Vec<char>> = left.split(',').map(|s| s.chars().collect()).collect();
        let size = |c: char| {
            let find = |(l, h): (&Vec<char>, &Host)| l.iter().position(|k| *k == c).map(|i| h.dims()[i]);
            operands.iter().zip(x).find_map(find).unwrap()
        };
        let summed = operands.iter().flatten().copied().filter(|c| !result.contains(*c));
        let mut letters: Vec<char> = result.chars().chain(summed).collect();
        let mut seen = vec![];
        letters.retain(|c| {
            !seen.contains(c) && {
                seen.push(*c);
                true
            }
        });
        let dims: Vec<usize> = letters.iter().map(|c| size(*c)).collect();
        let values: Vec<Vec<f64>> = x.iter().map(Host::to_f64).collect();
        let kept = result.chars().count();
        let mut out = vec![0.0; dims[..kept].iter().product()];
        for n in 0..dims.iter().product() {
            let index = unravel(&dims, n);
            let of = |c: &char| index[letters.iter().position(|k| k == c).unwrap()];
            let element = |((l, h), v): ((&Vec<char>, &Host), &Vec<f64>)| {
                v[ravel(h.dims(), &l.iter().map(of).collect::<Vec<_>>())]
            };
            out[ravel(&dims[..kept], &index[..kept])] +=
                operands.iter().zip(x).zip(&values).map(element).product::<f64>();
        }
        out
    }

    #[test]
    fn any_spec_is_the_sum_over_its_letters() {
        let specs: [(&str, &[&[usize]]); 16] = [
            ("ab,bc->ac", &[&[2, 3], &[3, 4]]),
            ("btd,sdhk->sbthk", &[&[2, 3, 4], &[3, 4, 2, 2]]),
            ("bqhk,bshk->bhqs", &[&[2, 3, 2, 4], &[2, 5, 2, 4]]),
            ("ab,ca->cb", &[&[2, 3], &[4, 2]]),
            ("ab,cd->a", &[&[2, 3], &[4, 2]]),
            ("a,b->ba", &[&[2], &[3]]),
            ("ab,ab->", &[&[2, 3], &[2, 3]]),
            ("ab,ba->ba", &[&[2, 3], &[3, 2]]),
            ("aab,bb->a", &[&[2, 2, 3], &[3, 3]]),
            ("abc->ca", &[&[2, 3, 4]]),
            ("aaa->a", &[&[3, 3, 3]]),
            ("aa->", &[&[3, 3]]),
            (",ab->ab", &[&[], &[2, 3]]),
            ("ab,bc,cd->ad", &[&[2, 3], &[3, 4], &[4, 2]]),
            ("ab,ab,ab->b", &[&[2, 3], &[2, 3], &[2, 3]]),
            ("a,b,ab,c->c", &[&[2], &[3], &[2, 3], &[4]]),
        ];
        for (spec, dims) in specs {
            let x: Vec<Host> = dims.iter().enumerate().map(|(i, d)| sample(DType::F64, d, i as u64 + 1)).collect();
            let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
            let y = trace_graph(&avals, |t| vec![einsum_n(spec, t)]).unwrap().eval(&x).swap_remove(0);
            let want = loops(spec, &x);
            let close = |(a, b): (f64, &f64)| (a - b).abs() < 1e-12;
            assert!(y.to_f64().into_iter().zip(&want).all(close), "{spec}: {y:?} but {want:?}");
            assert_eq!(y.dims().len(), spec.split_once("->").unwrap().1.len());
        }
    }

    #[test]
    fn operands_are_swapped_rather_than_the_result_transposed() {
        let avals = [Aval::new(DType::F32, [4, 2]), Aval::new(DType::F32, [3, 4])];
        let g = trace_graph(&avals, |t| vec![einsum("kn,mk->mn", t[0], t[1])]).unwrap();
        assert_eq!(g.eqns.len(), 1, "{g}");
    }

    #[test]
    fn sums_are_taken_in_the_wanted_dtype() {
        let x = [Host::full(&Aval::new(DType::I8, [2, 3]), 100.0), Host::full(&Aval::new(DType::I8, [3]), 2.0)];
        let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
        let widened = |t: &[Tensor]| vec![einsum_with("ab,b->", t, Precision::Default, Some(DType::I32))];
        assert_eq!(trace_graph(&avals, widened).unwrap().eval(&x)[0].to_ints(), [1200]);
    }

    #[test]
    fn errors_name_the_letter_and_its_sizes() {
        let why = |spec: &str, dims: &[&[usize]]| {
            let avals: Vec<Aval> = dims.iter().map(|d| Aval::new(DType::F32, *d)).collect();
            trace_graph(&avals, |t| vec![einsum_n(spec, t)]).unwrap_err().to_string()
        };
        let has = |text: String, part: &str| assert!(text.contains(part), "{text}");
        has(
            why("bd,df->bf", &[&[2, 3], &[4, 5]]),
            "einsum \"bd,df->bf\" of f32[2, 3] and f32[4, 5]: the letter d is 3 in operand 1 and 4 in operand 2\n  at src/ops/einsum.rs:",
        );
        has(why("aa->a", &[&[2, 3]]), "the letter a is 2 in operand 1 and 3 in operand 1");
        has(why("b..,df->bf", &[&[2, 3], &[3, 5]]), "'.' is not a letter");
        has(why("b...,df->bf", &[&[2, 3], &[3, 5]]), "the result does not say where the axes of `...` go");
        has(why("bcd...,df->b...", &[&[2, 3], &[3, 5]]), "operand 1 has 3 letters but 2 axes");
        has(why("...d,...d->...", &[&[2, 3], &[4, 3]]), "the axes of `...` do not broadcast");
        has(why("bd->b", &[&[2, 3], &[3, 5]]), "it names 1 operands but there are 2");
        has(why("bdx,df->bf", &[&[2, 3], &[3, 5]]), "operand 1 has 3 letters but 2 axes");
        has(why("bd,df->bg", &[&[2, 3], &[3, 5]]), "the result's letter g is in no operand");
        has(why("bd,df->bb", &[&[2, 3], &[3, 5]]), "the result names the letter b twice");
    }
}
