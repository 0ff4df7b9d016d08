//! Random steps that move elements, contract or index.
use crate::{
    generate::{Builder, LARGEST, RANK, is_float},
    ops::{self, Op},
    program::Value,
};
use raxla::{Aval, DType, IndexMode, Window, prim::DotGeneral};

impl Builder<'_> {
    /// Elements moved.
    pub fn movement(&mut self) {
        let Some(x) = self.value(|a| a.rank() > 0) else { return };
        let a = self.aval(x);
        let axis = self.rng.below(a.rank());
        match self.rng.below(9) {
            0 => self.reshape(x, &a),
            1 => {
                let perm = self.rng.shuffled(a.rank());
                self.push(Op::Transpose(perm), vec![x]);
            }
            2 => self.broadcast(x, &a),
            3 => {
                let y = self.of_type(&a, &[x]);
                if a.size() <= LARGEST / 2 {
                    self.push(Op::Concat(axis), vec![x, y]);
                }
            }
            4 => {
                let axes = self.rng.some_of(a.rank(), 1);
                self.push(Op::Reverse(axes), vec![x]);
            }
            5 => {
                let limit: Vec<usize> = a.dims.iter().map(|n| self.rng.between(n.min(&1).to_owned(), *n)).collect();
                let start = limit.iter().map(|n| self.rng.below((*n).max(1))).collect();
                let strides = a.dims.iter().map(|_| self.rng.between(1, 2)).collect();
                self.push(Op::Slice(start, limit, strides), vec![x]);
            }
            6 if a.size() > 0 && a.size() <= 8 => {
                let value = self.of_type(&a.with_dims([]), &[]);
                let mut edges = vec![(0, 0, 0); a.rank()];
                let low = self.rng.below(3) as i64 - 1;
                edges[axis] = (low, self.rng.below(3) as i64, self.rng.below(3));
                self.push(Op::Pad(edges), vec![x, value]);
            }
            7 => {
                let y = self.value(|_| true).unwrap_or(x);
                self.push(Op::Barrier, vec![x, y]);
            }
            _ => {
                let floats = self.profile().floats;
                if is_float(&a) && floats.len() > 1 {
                    let to = self.rng.pick(floats);
                    self.push(Op::Cast(to), vec![x]);
                } else {
                    self.reshape(x, &a);
                }
            }
        }
    }
    fn reshape(&mut self, x: Value, a: &Aval) {
        let mut dims = a.dims.clone();
        match self.rng.below(3) {
            0 => dims = vec![a.size()],
            1 if dims.len() < RANK => dims.insert(self.rng.between(0, dims.len()), 1),
            _ => dims.reverse(),
        }
        self.push(Op::Reshape(dims), vec![x]);
    }
    fn broadcast(&mut self, x: Value, a: &Aval) {
        let n = self.rng.between(1, 3);
        if a.rank() == RANK || a.size() * n > LARGEST {
            return;
        }
        let at = self.rng.between(0, a.rank());
        let mut dims = a.dims.clone();
        let stretched = dims.iter().position(|d| *d == 1).filter(|_| self.rng.percent(50));
        stretched.into_iter().for_each(|i| dims[i] = 2);
        dims.insert(at, n);
        self.push(Op::Broadcast(dims, (0..=a.rank()).filter(|i| *i != at).collect()), vec![x]);
    }

    /// Contractions and convolutions.
    pub fn product(&mut self) {
        let x = self.float();
        let a = self.aval(x);
        if a.rank() == 3 && a.size() > 0 && self.rng.percent(50) {
            return self.convolution(x, &a);
        }
        let Some(y) = self.value(|b| b.dtype == a.dtype) else { return };
        let b = self.aval(y);
        let mut dot = DotGeneral::default();
        let free: Vec<usize> = self.rng.shuffled(b.rank());
        let (mut left, mut right): (Vec<usize>, Vec<usize>) = ((0..a.rank()).collect(), free);
        // pairs of axes of one size, each a batch axis, contracted, or left free
        while let Some(i) = left.pop() {
            let Some(j) = right.iter().position(|j| b.dims[*j] == a.dims[i]) else { continue };
            match self.rng.below(5) {
                0 => continue,
                1 => (dot.batch.0.push(i), dot.batch.1.push(right.remove(j))),
                _ => (dot.contract.0.push(i), dot.contract.1.push(right.remove(j))),
            };
        }
        let kept = |a: &Aval, batch: &[usize], contract: &[usize]| {
            let free = (0..a.rank()).filter(|i| !batch.contains(i) && !contract.contains(i));
            free.map(|i| a.dims[i]).collect::<Vec<_>>()
        };
        let (free_a, free_b) = (kept(&a, &dot.batch.0, &dot.contract.0), kept(&b, &dot.batch.1, &dot.contract.1));
        let batch = dot.batch.0.iter().map(|i| a.dims[*i]).product::<usize>();
        let size = batch * free_a.iter().chain(&free_b).product::<usize>();
        if size <= LARGEST && dot.batch.0.len() + free_a.len() + free_b.len() <= RANK {
            self.push(Op::Dot(dot), vec![x, y]);
        }
    }
    fn convolution(&mut self, x: Value, a: &Aval) {
        let groups = if a.dims[1] == 2 && self.rng.percent(50) { 2 } else { 1 };
        let outs = groups * self.rng.between(1, 2);
        let kernel = a.with_dims([outs, a.dims[1] / groups, self.rng.between(1, 2)]);
        let kernel = self.of_type(&kernel, &[]);
        let window = Window {
            strides: vec![self.rng.between(1, 2)],
            padding: vec![(self.rng.below(2) as i64, self.rng.between(1, 2) as i64)].into(),
            input_dilation: vec![self.rng.between(1, 2)],
            kernel_dilation: vec![self.rng.between(1, 2)],
            feature_groups: groups,
            ..Window::default()
        };
        self.push(Op::Conv(window), vec![x, kernel]);
    }

    /// Reading and writing at computed positions.
    pub fn indexing(&mut self) {
        let Some(x) = self.value(|a| a.rank() > 0 && a.size() > 0) else { return };
        let a = self.aval(x);
        let axis = self.rng.below(a.rank());
        let integer = self.rng.pick(self.profile().integers);
        match self.rng.below(6) {
            0 => {
                let Some(i) = self.value(|i| i.dtype.is_int() && i.rank() <= 1) else { return };
                let mode = self.rng.pick(&[IndexMode::Clip, IndexMode::Fill]);
                self.push(Op::Take(axis, mode), vec![x, i]);
            }
            1 => {
                let i = self.of_type(&a.with_dtype(integer), &[]);
                self.push(Op::TakeAlong(axis), vec![x, i]);
            }
            2 | 3 => {
                let n = self.rng.between(0, 3);
                let op = self.rng.pick(ops::UPDATES);
                let unordered = ["set", "mul"].contains(&op.0);
                if a.dtype == DType::Bool && ["add", "mul"].contains(&op.0) {
                    return;
                }
                if unordered || self.rng.percent(30) {
                    let order = self.of_type(&Aval::new(self.profile().floats[0], &*a.dims), &[]);
                    let updates = self.of_type(&a, &[x]);
                    if self.profile().jumps {
                        self.push(Op::AtPermuted(op), vec![x, order, updates]);
                    }
                    return;
                }
                let i = self.of_type(&Aval::new(integer, [n]), &[]);
                let updates = self.of_type(&a.with_dims([&[n], &a.dims[1..]].concat()), &[]);
                self.push(Op::At(op), vec![x, i, updates]);
            }
            which => {
                let starts: Vec<Value> = a.dims.iter().map(|_| self.of_type(&Aval::new(integer, []), &[])).collect();
                let sizes: Vec<usize> = a.dims.iter().map(|n| self.rng.between(1, *n)).collect();
                if which == 4 {
                    self.push(Op::DynamicSlice(sizes), [vec![x], starts].concat());
                } else {
                    let update = self.of_type(&a.with_dims(sizes), &[x]);
                    self.push(Op::DynamicUpdate, [vec![x, update], starts].concat());
                }
            }
        }
    }
}
