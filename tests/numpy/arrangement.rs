//! Shapes, matrices, products and indices.
use super::{
    Cases, Function,
    elements::{ints, mask},
};
use raxla::{
    Index, einsum_n,
    numpy::{self, PadMode},
    prelude::*,
};

fn padded(x: Tensor, mode: PadMode) -> Vec<Tensor> {
    vec![numpy::pad(x, &[(2, 5), (3, 0)], mode)]
}
pub(super) fn cases() -> Cases {
    [padding(), joined(), turned()].concat()
}
fn padding() -> Cases {
    vec![
        ("pad_edge", |x| padded(x[0], PadMode::Edge)),
        ("pad_reflect", |x| padded(x[0], PadMode::Reflect)),
        ("pad_symmetric", |x| padded(x[0], PadMode::Symmetric)),
        ("pad_wrap", |x| padded(x[0], PadMode::Wrap)),
        ("pad_maximum", |x| padded(x[0], PadMode::Maximum(None))),
        ("pad_minimum", |x| padded(x[0], PadMode::Minimum(None))),
        ("pad_mean", |x| padded(x[0], PadMode::Mean(None))),
        ("pad_median", |x| padded(x[0], PadMode::Median(None))),
        ("pad_constant", |x| vec![numpy::pad(x[0], &[(0, 2), (1, 0)], PadMode::Constant(3.0))]),
        ("pad_linear_ramp", |x| vec![numpy::pad(x[0], &[(2, 3), (1, 0)], PadMode::LinearRamp(0.5))]),
        ("pad_mean_length", |x| vec![numpy::pad(x[0], &[(2, 2)], PadMode::Mean(Some(2)))]),
    ]
}
fn joined() -> Cases {
    vec![
        ("block", |x| vec![numpy::block(&[&[x[0], x[1]], &[x[2], x[0]]])]),
        ("stacks", |x| vec![numpy::hstack(x), numpy::vstack(x), numpy::dstack(x), numpy::column_stack(x)]),
        ("append", |x| vec![numpy::append(x[0], x[1], 0)]),
        ("insert", |x| vec![numpy::insert(x[0], 1, x[1].expand_dims(0), 0)]),
        ("delete", |x| vec![numpy::delete(x[0], &[0, 2], 1)]),
        ("split", |x| numpy::split(x[0], &[1, 3], 1)),
        ("array_split", |x| numpy::array_split(x[0], 3, 1)),
        ("resize", |x| vec![numpy::resize(x[0], &[2, 4])]),
        ("repeat", |x| vec![numpy::repeat(x[0], ints(&[2, 0, 3]), 0, 6)]),
        ("broadcast_arrays", |x| numpy::broadcast_arrays(x)),
        ("meshgrid", |x| numpy::meshgrid(x, "xy")),
        ("meshgrid_ij", |x| numpy::meshgrid(x, "ij")),
        ("linspace", |x| vec![numpy::linspace(x[0], x[1], 5, true), numpy::linspace(x[0], x[1], 4, false)]),
    ]
}
fn turned() -> Cases {
    vec![
        ("rot90", |x| [1, -1, 2, 4].map(|k| numpy::rot90(x[0], k, [0, 1])).to_vec()),
        ("roll_axes", |x| vec![x[0].roll([1, -2], [0, 1])]),
        ("flip_axes", |x| vec![x[0].flip(..), x[0].flip([0, 1]), numpy::fliplr(x[0]), numpy::flipud(x[0])]),
        ("tile", |x| vec![x[0].tile([2]), x[0].tile([2, 1]), x[0].tile([2, 1, 3])]),
        ("moveaxis", |x| {
            let x = x[0];
            vec![numpy::moveaxis(x, [0, 1], [-1, 0]), numpy::rollaxis(x, 2, 0), numpy::rollaxis(x, 0, 3)]
        }),
        ("apply_along_axis", |x| vec![numpy::apply_along_axis(|v| numpy::outer(v, v.slice_axis(0, ..2)), 1, x[0])]),
    ]
}

pub(super) fn matrices() -> Cases {
    [diagonals(), products(), indices()].concat()
}
fn diagonals() -> Cases {
    vec![
        ("diag", |x| [0, 2, -1].map(|k| numpy::diag(x[0], k)).to_vec()),
        ("diag_matrix", |x| [0, 1, -2].map(|k| numpy::diag(x[0], k)).to_vec()),
        ("diagonal", |x| vec![numpy::diagonal(x[0], 1, 0, 2)]),
        ("trace", |x| vec![numpy::trace(x[0], -1, 2, 0)]),
        ("diagflat", |x| vec![numpy::diagflat(x[0], 1)]),
        ("fill_diagonal", |x| vec![numpy::fill_diagonal(x[0], 7.0)]),
        ("vander", |x| vec![numpy::vander(x[0], 4, false), numpy::vander(x[0], 3, true)]),
    ]
}
macro_rules! of_two {
    ($($name:literal $f:ident)*) => {
        vec![$(($name, (|x| vec![numpy::$f(x[0], x[1])]) as Function),)*]
    };
}
fn products() -> Cases {
    let mut all: Cases = of_two! {
        "dot" dot "dot_vector" dot "inner" inner "outer" outer "vdot" vdot "matvec" matvec "vecmat" vecmat "kron" kron
        "kron_matrices" kron
    };
    let others: Cases = vec![
        ("vecdot", |x| vec![numpy::vecdot(x[0], x[1], 0)]),
        ("cross", |x| vec![numpy::cross(x[0], x[1], -1)]),
        ("cross_2", |x| vec![numpy::cross(x[0], x[1], 0)]),
        ("tensordot", |x| vec![numpy::tensordot(x[0], x[1], 2)]),
        ("tensordot_axes", |x| vec![numpy::tensordot(x[0], x[1], ([0, 2], [1, 0]))]),
        ("einsum_rest", |x| vec![einsum("...ij,...jk->...ik", x[0], x[1])]),
        ("einsum_implicit", |x| {
            vec![einsum("ba,bc", x[0], x[1]), einsum_n("i...", &x[..1]), einsum("ij...,jk", x[0], x[1])]
        }),
        ("einsum_diagonal", |x| ["ii", "ii->i", "...ii->...i"].map(|spec| einsum_n(spec, x)).to_vec()),
        ("einsum_first", |x| vec![einsum_n("i...->...", x)]),
    ];
    all.extend(others);
    all
}
fn indices() -> Cases {
    vec![
        ("index", |x| {
            let x = x[0];
            vec![
                x.at((0, .., 1..3)).get(),
                x.at((0.., Index::step(None, None, -2))).get(),
                x.at((-1, Index::New)).get(),
                x.at((1.., 0.., -1)).get(),
                x.at((.., ints(&[2, 0, -1]))).get(),
                x.at((ints(&[1, 0]), 0.., ints(&[0, 3]))).get(),
            ]
        }),
        ("at_slices", |x| {
            let (x, u) = (x[0], x[1]);
            vec![
                x.at((1, 1..)).set(u),
                x.at((0.., Index::step(None, None, 2))).add(u.slice_axis(0, ..2)),
                x.at((.., -1)).mul(2.0),
                x.at((Index::step(None, None, -1), 0)).max(0.1),
            ]
        }),
        ("at_computed", |x| {
            let (x, u) = (x[0], x[1]);
            vec![
                x.at((0.., ints(&[1, 3]))).add(u),
                x.at((ints(&[0, 2]), ints(&[1, 1]))).set(5.0),
                x.at((ints(&[0, 0]), 1..)).min(u.at((..2, ..1)).get()),
            ]
        }),
        ("at_mask", |x| vec![x[0].at(x[0].gt(0.2)).set(0.0), x[0].at(mask()).mul(3.0)]),
    ]
}
