//! Random programs of index operations: slices of slices, windows at computed positions, arrays that are updated with shifted,
//! turned and mixed parts of themselves.
use crate::{
    devices::ALONE,
    generate::{Builder, Profile, Rng, is_float, program_by},
    ops::{self, Op},
    program::Program,
};
use raxla::{Aval, DType, IndexMode};

const PROFILE: Profile = Profile {
    floats: &[DType::F32, DType::F64],
    integers: &[DType::I32, DType::I64, DType::I8, DType::U8],
    jumps: true,
    opaque: false,
    empty: false,
    place: ALONE,
};

pub fn program(seed: u64) -> Program {
    let rng = &mut Rng(seed);
    let dims: [&[usize]; 6] = [&[16], &[11], &[4, 8], &[5, 3], &[1, 12], &[2, 4, 4]];
    let dtypes = [DType::F32, DType::F32, DType::I32, DType::U8];
    let mut inputs: Vec<Aval> = (0..rng.between(1, 2)).map(|_| Aval::new(rng.pick(&dtypes), rng.pick(&dims))).collect();
    // positions
    inputs.extend((0..3).map(|_| Aval::new(rng.pick(&[DType::I32, DType::I32, DType::I8, DType::I64]), [])));
    inputs.push(Aval::new(DType::I32, [rng.between(1, 3)]));
    let steps = rng.between(2, 6);
    program_by(rng, PROFILE, 2, inputs, |b| {
        for _ in 0..steps {
            match b.rng.below(10) {
                0 | 1 => b.cumulative(),
                2 => b.movement(),
                3 => b.binary(),
                4 | 5 => b.indexing(),
                6 => b.window(),
                _ => b.part_of_itself(),
            }
        }
        b.results()
    })
}

impl Builder<'_> {
    /// One row, or a few, at positions of any kind.
    fn window(&mut self) {
        let Some(x) = self.value(|a| a.rank() > 0 && a.size() > 0) else { return };
        let Some(i) = self.value(|i| i.dtype.is_int() && i.rank() <= 1) else { return };
        let (rank, mode) = (self.aval(x).rank(), self.rng.pick(&[IndexMode::Clip, IndexMode::Clip, IndexMode::Fill]));
        let axis = self.rng.below(rank);
        self.push(Op::Take(axis, mode), vec![x, i]);
    }

    /// An array updated with a part of itself, or with what is computed from one.
    fn part_of_itself(&mut self) {
        let Some(x) = self.value(|a| a.rank() > 0 && a.size() > 1) else { return };
        let a = self.aval(x);
        let sizes: Vec<usize> =
            a.dims.iter().map(|n| if self.rng.percent(40) { *n } else { self.rng.between(1, *n) }).collect();
        let positions = |b: &mut Self| {
            let first = b.value(|i| i.dtype.is_int() && i.rank() == 0)?;
            let dtype = b.aval(first).dtype;
            let next = |b: &mut Self| b.value(|i| i.dtype == dtype && i.rank() == 0);
            let more = (1..a.rank()).map(|_| next(b)).collect::<Option<Vec<_>>>()?;
            Some([vec![first], more].concat())
        };
        let mut part = if self.rng.percent(50) {
            let start: Vec<usize> = a.dims.iter().zip(&sizes).map(|(n, m)| self.rng.between(0, n - m)).collect();
            let limit = start.iter().zip(&sizes).map(|(i, m)| i + m).collect();
            self.push(Op::Slice(start, limit, vec![1; sizes.len()]), vec![x])
        } else {
            let Some(at) = positions(self) else { return };
            self.push(Op::DynamicSlice(sizes.clone()), [vec![x], at].concat())
        };
        match self.rng.below(4) {
            0 => {
                let axes = self.rng.some_of(sizes.len(), 1);
                part = self.push(Op::Reverse(axes), vec![part]);
            }
            1 if a.dtype != DType::Bool => {
                let other = self.of_type(&a.with_dims(&*sizes), &[part]);
                let op = if is_float(&a) { ops::FLOATS[0] } else { ops::INTEGERS[0] };
                part = self.push(Op::Binary(op), vec![part, other]);
            }
            _ => {}
        }
        if self.rng.percent(25) && sizes[1..] == a.dims[1..] && sizes[0] == 1 {
            let at = self.of_type(&Aval::new(DType::I32, [1]), &[]);
            let op = self.rng.pick(&ops::UPDATES[..2]);
            if a.dtype != DType::Bool {
                self.push(Op::At(op), vec![x, at, part]);
            }
            return;
        }
        let Some(at) = positions(self) else { return };
        self.push(Op::DynamicUpdate, [vec![x, part], at].concat());
    }
}
