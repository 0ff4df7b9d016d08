//! Order statistics, histograms, positions and sets.
use super::{
    Cases,
    elements::{ints, mask},
};
use raxla::{
    numpy::{self, Bins, Cov, Quantile, Side},
    prelude::*,
};

fn shares(x: Tensor, shares: &[f64]) -> Tensor {
    literal(Host::floats(DType::F64, [shares.len()], shares.to_vec())).cast(x.dtype())
}
fn quantiles(x: Tensor, how: Quantile) -> Vec<Tensor> {
    vec![numpy::quantile(x, shares(x, &[0.0, 0.3, 0.5, 1.0]), 1, how)]
}
fn all((counts, edges): (Tensor, Vec<Tensor>)) -> Vec<Tensor> {
    [vec![counts], edges].concat()
}
fn int(x: Tensor) -> Tensor {
    x.cast(DType::I32)
}
const LINE: Quantile = Quantile::Linear;

pub(super) fn cases() -> Cases {
    [order(), counts(), positions(), sets()].concat()
}
fn order() -> Cases {
    vec![
        ("quantile_linear", |x| quantiles(x[0], Quantile::Linear)),
        ("quantile_lower", |x| quantiles(x[0], Quantile::Lower)),
        ("quantile_higher", |x| quantiles(x[0], Quantile::Higher)),
        ("quantile_nearest", |x| quantiles(x[0], Quantile::Nearest)),
        ("quantile_midpoint", |x| quantiles(x[0], Quantile::Midpoint)),
        ("quantile_all", |x| vec![numpy::quantile(x[0], 0.35, .., LINE)]),
        ("quantile_axes", |x| vec![numpy::quantile(x[0], 0.35, [0, 2], LINE)]),
        ("quantile_nan", |x| vec![numpy::quantile(x[0], 0.3, 0, LINE)]),
        ("percentile", |x| vec![numpy::percentile(x[0], 35.0, 0, LINE)]),
        ("median", |x| vec![numpy::median(x[0], 1)]),
        ("median_odd", |x| vec![numpy::median(x[0], ..)]),
        ("nanmedian", |x| vec![numpy::nanmedian(x[0], 1)]),
        ("nanquantile", |x| vec![numpy::nanquantile(x[0], shares(x[0], &[0.2, 0.7]), 1, LINE)]),
        ("nanpercentile", |x| vec![numpy::nanpercentile(x[0], 30.0, 0, LINE)]),
        ("searchsorted_left", |x| vec![numpy::searchsorted(x[0], x[1], Side::Left)]),
        ("searchsorted_right", |x| vec![numpy::searchsorted(x[0], x[1], Side::Right)]),
        ("digitize", |x| {
            let turned = x[1].flip(0);
            let at = |edges, right| numpy::digitize(x[0], edges, right);
            vec![at(x[1], false), at(x[1], true), at(turned, false), at(turned, true)]
        }),
        ("lexsort", |x| vec![numpy::lexsort(x)]),
        ("sort_stable", |x| vec![x[0].sort(-1)]),
    ]
}
fn counts() -> Cases {
    vec![
        ("cov", |x| vec![numpy::cov(x[0], Cov::default())]),
        ("cov_vector", |x| vec![numpy::cov(x[0], Cov::default())]),
        ("cov_columns", |x| vec![numpy::cov(x[0], Cov { rowvar: false, ddof: 0.0, ..Default::default() })]),
        ("cov_weights", |x| {
            let how = Cov { fweights: Some(ints(&[1, 2, 3, 1])), aweights: Some(x[1]), ..Default::default() };
            vec![numpy::cov(x[0], how)]
        }),
        ("corrcoef", |x| vec![numpy::corrcoef(x[0], true)]),
        ("bincount_weights", |x| vec![numpy::bincount(ints(&[0, 2, 2, 5, 1, 9]), Some(x[0]), 6)]),
        ("bincount", |x| vec![numpy::bincount(int(x[0]), None, 5)]),
        ("histogram_weights", |x| vec![numpy::histogram(x[0], (4, -1.0, 1.0), Some(x[1]), false).0]),
        ("histogram", |x| {
            let (counts, edges) = numpy::histogram(x[0], 6, None, false);
            vec![counts, edges]
        }),
        ("histogram_density", |x| {
            let (density, edges) = numpy::histogram(x[0], shares(x[0], &[-1.0, 0.0, 0.25, 1.0]), None, true);
            vec![density, edges]
        }),
        ("histogram_bin_edges", |x| vec![numpy::histogram_bin_edges(x[0], 4)]),
        ("histogram2d", |x| {
            let (counts, a, b) = numpy::histogram2d(x[0], x[1], [3.into(), 4.into()], None, false);
            vec![counts, a, b]
        }),
        ("histogramdd", |x| all(numpy::histogramdd(x[0], &[2, 3, 2].map(Bins::Count), None, true))),
    ]
}
fn positions() -> Cases {
    vec![
        ("extract", |x| vec![numpy::extract(mask(), x[0], 10, -1.0)]),
        ("compress", |x| vec![numpy::compress(ints(&[1, 0, 1, 0]), x[0], 3, 1, 9.0)]),
        ("put_along_axis", |x| vec![numpy::put_along_axis(x[0], ints(&[1, 3, 0]).reshape([3, 1]), x[1], 1)]),
        ("put", |x| vec![numpy::put(x[0], ints(&[0, 5, -1]), x[1])]),
        ("place", |x| vec![numpy::place(x[0], mask(), x[1])]),
        ("nonzero", |x| numpy::nonzero(x[0].gt(0.0), 8, -1)),
        ("argwhere", |x| vec![numpy::argwhere(x[0].gt(0.0), 4, 0)]),
        ("flatnonzero", |x| vec![numpy::flatnonzero(x[0].gt(0.0), 4, 0)]),
        ("unravel_index", |x| numpy::unravel_index(int(x[0]), &[3, 4, 2])),
        ("ravel_multi_index", |x| vec![numpy::ravel_multi_index(&[int(x[0]), int(x[1])], &[3, 4])]),
        ("triangle_indices", |x| {
            let both =
                [numpy::tril_indices(3, 1, 4), numpy::triu_indices(3, -1, 4), numpy::diag_indices(3, 2)].concat();
            [both, vec![numpy::tri(3, 4, -1, x[0].dtype()) + x[0].squeeze(0)]].concat()
        }),
        ("windows", |x| {
            let d = x[0].dtype();
            let all = [numpy::bartlett(7, d), numpy::blackman(7, d), numpy::hamming(7, d), numpy::hanning(7, d)];
            [all.map(|y| y + x[0]).to_vec(), vec![numpy::kaiser(7, 3.5, d)]].concat()
        }),
        ("rows", |x| {
            let d = x[0].dtype();
            vec![
                numpy::arange(0.5, 3.0, 0.75, d) + x[0],
                numpy::logspace(-1.0, 2.0, 5, 10.0, d),
                numpy::geomspace(1.0, 50.0, 4, d),
                numpy::indices(&[2, 3]),
            ]
        }),
    ]
}
fn sets() -> Cases {
    vec![
        ("unique", |x| {
            let u = numpy::unique(x[0], 5, -1.0);
            vec![u.values, u.index, u.inverse, u.counts]
        }),
        ("unique_few", |x| {
            let (values, counts) = numpy::unique_counts(x[0], 2, 0.0);
            vec![values, counts]
        }),
        ("isin", |x| vec![numpy::isin(x[0], x[1])]),
        ("union1d", |x| vec![numpy::union1d(x[0], x[1], 7, 0.0)]),
        ("intersect1d", |x| vec![numpy::intersect1d(x[0], x[1], 3, 0.0)]),
        ("setdiff1d", |x| vec![numpy::setdiff1d(x[0], x[1], 4, 0.0)]),
        ("setxor1d", |x| vec![numpy::setxor1d(x[0], x[1], 5, 0.0)]),
    ]
}
