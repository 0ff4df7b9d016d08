//! What the tests run `scan` on.
use super::*;

/// All primitives of this folder.
pub(in crate::prim) const ROWS: &[Row] =
    &[Row { name: "scan", dtypes: |d| matches!(d, DType::F32 | DType::F64), cases }];

fn cases(d: DType) -> Vec<Case> {
    let steps = |x: &[Tensor], options: ScanOptions| {
        let w = x[2];
        let body = |c: Tensor, x: Tensor| ((c * w + x).tanh(), c * x);
        let (c, ys) = scan_with(options, body, x[0], x[1]);
        vec![c, ys]
    };
    let x = || vec![sample(d, &[3], 1), sample(d, &[5, 3], 2), sample(d, &[3], 3)];
    let with = move |label: &str, options: ScanOptions| Case::new(label, x(), move |x| steps(x, options));
    let default = ScanOptions::default();
    vec![
        with("forward", default),
        with("reverse", ScanOptions { reverse: true, ..default }),
        with("partly unrolled", ScanOptions { unroll: 2, ..default }),
        with("partly unrolled, reverse", ScanOptions { unroll: 2, reverse: true, ..default }),
        with("unrolled", ScanOptions { unroll: 5, ..default }),
        Case::new("empty", vec![sample(d, &[3], 1), sample(d, &[0, 3], 2), sample(d, &[3], 3)], move |x| {
            steps(x, default)
        }),
        Case::new("one step", vec![sample(d, &[3], 1), sample(d, &[1, 3], 2), sample(d, &[3], 3)], move |x| {
            steps(x, default)
        }),
        Case::new("without a state", vec![sample(d, &[4], 1), sample(d, &[], 2)], |x| {
            let w = x[1];
            vec![scan(|(), x: Tensor| ((), (x * w).sin()), (), x[0]).1]
        }),
        Case::new("without xs", vec![sample(d, &[3], 1)], |x| {
            let options = ScanOptions { length: Some(3), ..ScanOptions::default() };
            vec![scan_with(options, |c: Tensor, ()| (c.sin(), ()), x[0], ()).0]
        }),
        Case::new("counter and two states", vec![sample(d, &[3], 1), sample(d, &[4, 3], 2)], move |x| {
            let start = (full([], DType::I32, 0), x[0], x[0].like(0.0));
            let body = |(i, c, sum): (Tensor, Tensor, Tensor), x: Tensor| {
                let weight = i.cast(d).broadcast_to([3]);
                ((i + 1, c.sin() * x, sum + weight * c), (i, sum))
            };
            let ((i, c, sum), (count, sums)) = scan(body, start, x[1]);
            vec![i, c, sum, count, sums]
        }),
        Case::new("nested", vec![sample(d, &[3], 1), sample(d, &[2, 4, 3], 2)], |x| {
            let inner = |c: Tensor, x: Tensor| scan(|c: Tensor, x: Tensor| (c.sin() * x, c * c), c, x);
            let (c, ys) = scan(inner, x[0], x[1]);
            vec![c, ys]
        }),
    ]
}
