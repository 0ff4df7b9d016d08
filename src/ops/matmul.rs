//! Products of matrices by NumPy's rules.
use super::{common, one_dtype};
use crate::{
    ops::einsum::einsum,
    trace::{At, Tensor, fail},
};

impl Tensor {
    /// The product of two matrices, as NumPy's `@`: of the last two axes `[.., n, k]` and `[.., k, m]`, with the axes before
    /// them broadcast. A vector is a row on the left and a column on the right, whose axis disappears; two vectors give their
    /// inner product. JAX: `jnp.matmul`.
    ///
    /// ```
    /// # use raxla::{prelude::*, trace::trace_graph};
    /// # let f = |d: &[usize]| Aval::new(DType::F32, d);
    /// # let g = trace_graph(&[f(&[8, 5, 16]), f(&[16, 3]), f(&[16])], |t| { let (x, w, v) = (t[0], t[1], t[2]);
    /// let y = x.matmul(w); // [8, 5, 16] by [16, 3]
    /// let z = x.matmul(v); // [8, 5, 16] by [16]
    /// # vec![y, z] }).unwrap();
    /// # assert_eq!(g.out_avals().iter().map(|a| a.to_string()).collect::<Vec<_>>(), ["f32[8, 5, 3]", "f32[8, 5]"]);
    /// ```
    ///
    /// # Errors
    /// Scalars; other numbers of columns than rows; leading axes that do not broadcast; different dtypes.
    #[track_caller]
    pub fn matmul(self, y: Tensor) -> Tensor {
        let _at = At::op("matmul");
        let (a, b) = (self.aval(), y.aval());
        let (n, m) = (a.rank(), b.rank());
        if n == 0 || m == 0 {
            let help = "multiply by a scalar with `*`".to_string();
            fail("matmul", vec![a, b], "a scalar is no matrix", Some(help))
        }
        if a.dtype != b.dtype {
            let help = one_dtype(a.dtype, b.dtype);
            fail("matmul", vec![a, b], "the dtypes differ", Some(help))
        }
        let (columns, rows) = (a.dims[n - 1], b.dims[m.saturating_sub(2)]);
        if columns != rows {
            let reason = format!("the left has {columns} columns (its last axis), the right {rows} rows");
            let help = "transpose one of them, or name the axes with `einsum`".to_string();
            fail("matmul", vec![a, b], reason, Some(help))
        }
        let (outer_x, outer_y) = (&a.dims[..n.saturating_sub(2)], &b.dims[..m.saturating_sub(2)]);
        let outer = match common(outer_x, outer_y) {
            Ok(outer) => outer.len(),
            Err(help) => fail("matmul", vec![a, b], "the axes before the matrices do not broadcast", Some(help)),
        };
        // axes of size 1 that the other operand repeats are left out, so that nothing is repeated in memory
        let letter = |i: usize| char::from_u32('A' as u32 + i as u32).filter(|c| c.is_alphabetic()).unwrap_or('Z');
        let side = |own: &[usize], other: &[usize], matrix: &[usize]| {
            let (first, theirs) = (outer - own.len(), outer - other.len());
            let kept = |i: &usize| own[*i] != 1 || (first + i).checked_sub(theirs).is_none_or(|k| other[k] == 1);
            let kept: Vec<usize> = (0..own.len()).filter(kept).collect();
            let names: String = kept.iter().map(|i| letter(first + i)).collect();
            (names, kept.iter().map(|i| own[*i]).chain(matrix.iter().copied()).collect::<Vec<_>>())
        };
        let (names_x, dims_x) = side(outer_x, outer_y, &a.dims[outer_x.len()..]);
        let (names_y, dims_y) = side(outer_y, outer_x, &b.dims[outer_y.len()..]);
        let (row, column) = (if n > 1 { "i" } else { "" }, if m > 1 { "j" } else { "" });
        let names: String = (0..outer).map(letter).collect();
        let spec = format!("{names_x}{row}k,{names_y}k{column}->{names}{row}{column}");
        einsum(&spec, self.reshape(dims_x), y.reshape(dims_y))
    }
    /// [`numpy::dot`](crate::numpy::dot) as a method: the product over the last axis and the last but one of `y`, without batches; with a scalar,
    /// elementwise. JAX: `x.dot(y)`.
    #[track_caller]
    pub fn dot(self, y: Tensor) -> Tensor {
        crate::numpy::dot(self, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aval::{Aval, DType},
        host::Host,
        prim::sample,
        trace::trace_graph,
    };

    /// NumPy's rule, element by element.
    fn by_hand(x: &Host, y: &Host) -> (Vec<usize>, Vec<f64>) {
        let (mut a, mut b) = (x.dims().to_vec(), y.dims().to_vec());
        let (vector_x, vector_y) = (a.len() == 1, b.len() == 1);
        if vector_x {
            a.insert(0, 1);
        }
        if vector_y {
            b.push(1);
        }
        let (n, k, m) = (a[a.len() - 2], a[a.len() - 1], b[b.len() - 1]);
        let outer = common(&a[..a.len() - 2], &b[..b.len() - 2]).unwrap();
        let (xs, ys) = (x.to_f64(), y.to_f64());
        let mut out = vec![];
        for at in 0..outer.iter().product::<usize>() {
            let index = crate::host::unravel(&outer, at);
            let begin = |dims: &[usize]| {
                let own = &dims[..dims.len() - 2];
                let index = &index[outer.len() - own.len()..];
                let index: Vec<usize> = index.iter().zip(own).map(|(i, n)| if *n == 1 { 0 } else { *i }).collect();
                crate::host::ravel(own, &index) * dims[dims.len() - 2] * dims[dims.len() - 1]
            };
            let (p, q) = (begin(&a), begin(&b));
            for i in 0..n {
                out.extend((0..m).map(|j| (0..k).map(|l| xs[p + i * k + l] * ys[q + l * m + j]).sum::<f64>()));
            }
        }
        let dims = outer.into_iter().chain((!vector_x).then_some(n)).chain((!vector_y).then_some(m)).collect();
        (dims, out)
    }

    #[test]
    fn every_pair_of_shapes_is_multiplied_as_in_numpy() {
        let pairs: [(&[usize], &[usize]); 14] = [
            (&[3], &[3]),
            (&[2, 3], &[3]),
            (&[3], &[3, 4]),
            (&[2, 3], &[3, 4]),
            (&[5, 2, 3], &[3, 4]),
            (&[2, 3], &[5, 3, 4]),
            (&[5, 2, 3], &[5, 3, 4]),
            (&[5, 1, 2, 3], &[6, 3, 4]),
            (&[1, 6, 2, 3], &[5, 1, 3, 4]),
            (&[1, 1, 2, 3], &[1, 3, 4]),
            (&[5, 2, 3], &[3]),
            (&[3], &[5, 3, 4]),
            (&[2, 0], &[0, 4]),
            (&[0, 2, 3], &[1, 3, 4]),
        ];
        for (a, b) in pairs {
            let x = [sample(DType::F64, a, 1), sample(DType::F64, b, 2)];
            let avals: Vec<Aval> = x.iter().map(|h| h.aval().clone()).collect();
            let y = trace_graph(&avals, |t| vec![t[0].matmul(t[1])]).unwrap().eval(&x).swap_remove(0);
            let (dims, want) = by_hand(&x[0], &x[1]);
            assert_eq!(y.dims(), dims, "{a:?} by {b:?}");
            assert!(y.to_f64().iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} by {b:?}");
        }
    }

    #[test]
    fn nothing_is_repeated_in_memory() {
        let avals = [Aval::new(DType::F32, [8, 5, 16]), Aval::new(DType::F32, [16, 3])];
        let g = trace_graph(&avals, |t| vec![t[0].matmul(t[1])]).unwrap();
        assert_eq!(g.eqns.len(), 1, "{g}");
    }
}
